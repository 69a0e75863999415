"""NumPy's `numpy.linalg` on Tensors, with gradients: the public face of `autograd/linalg.py`, and `matrix_function`."""

from .autograd.linalg import *  # noqa: F403
from .autograd.linalg import __all__ as _names
from .autograd.matrix_calculus import matrix_function as matrix_function

__all__ = sorted([*_names, "matrix_function"])
