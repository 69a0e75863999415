"""Property-test gradients: the public face of `autograd/testing`."""

from .autograd.testing import *  # noqa: F403
from .autograd.testing import __all__ as __all__
