"""Gradients against numerical ones: checks of functions, of primitives, of any library's; and what draws arguments.

All checks take what is to be checked, then where: `inputs`, one array or Tensor or a tuple of them (`check_adjoint` one
for each side, `check_optimizer` none), and options by name.
"""

from . import strategies
from .check import check_primitive
from .gradcheck import check_adjoint, check_gradient, check_vjp, gradcheck, gradgradcheck
from .models import check_loss, check_module
from .numerical import numerical_grad, numerical_jacobian
from .optimizers import check_optimizer
from .report import GradcheckError, Kink, Passed

__all__ = [
    "GradcheckError",
    "Kink",
    "Passed",
    "check_adjoint",
    "check_gradient",
    "check_loss",
    "check_module",
    "check_optimizer",
    "check_primitive",
    "check_vjp",
    "gradcheck",
    "gradgradcheck",
    "numerical_grad",
    "numerical_jacobian",
    "strategies",
]
