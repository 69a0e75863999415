"""Property-test gradients: the public face of `autograd/testing`."""

from .autograd.testing import *  # noqa: F403
