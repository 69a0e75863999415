"""Functions of `scipy.special` on Tensors, with gradients: the public face of `autograd/ops/special`."""

from .autograd.ops.special.functions import *  # noqa: F403
from .autograd.ops.special.functions import __all__ as __all__
