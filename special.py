"""Functions of `scipy.special` on Tensors, with gradients: the public face of `autograd/special.py`."""

from .autograd.special import *  # noqa: F403
from .autograd.special import __all__ as __all__
