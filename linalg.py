"""`numpy.linalg` on Tensors, with gradients: the public face of `autograd/ops/linalg`, and `matrix_function`."""

from .autograd.ops.linalg.compositions import *  # noqa: F403
from .autograd.ops.linalg.compositions import __all__ as _names
from .autograd.ops.linalg.matrix_calculus import matrix_function as matrix_function

__all__ = sorted([*_names, "matrix_function"])
