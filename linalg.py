"""NumPy's `numpy.linalg` on Tensors, with gradients: the public face of `autograd/linalg.py`."""

from .autograd.linalg import *  # noqa: F403
from .autograd.linalg import __all__ as __all__
