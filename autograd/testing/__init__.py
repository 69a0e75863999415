"""Gradients against finite differences: checks of functions, of primitives, and how to draw their arguments."""

from . import strategies
from .check import check_primitive
from .gradcheck import GradcheckError, check_adjoint, gradcheck, gradgradcheck
from .numerical import numerical_grad, numerical_jacobian

__all__ = [
    "GradcheckError",
    "check_adjoint",
    "check_primitive",
    "gradcheck",
    "gradgradcheck",
    "numerical_grad",
    "numerical_jacobian",
    "strategies",
]
