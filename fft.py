"""NumPy's `numpy.fft` on Tensors, with gradients: the public face of `autograd/ops/fft.py`."""

from .autograd.ops.fft import *  # noqa: F403
from .autograd.ops.fft import __all__ as __all__
