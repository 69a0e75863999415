"""Distributions of `scipy.stats` on Tensors, with gradients in places and parameters: the face of `autograd/ops/stats`.

>>> from pullback import Tensor, stats
>>> scale = Tensor(2.0, requires_grad=True)
>>> stats.norm.logpdf(0.0, scale=scale).backward()
>>> scale.grad
Tensor(-0.5)
"""

from .autograd.ops.stats.continuous import *  # noqa: F403
from .autograd.ops.stats.continuous import __all__ as _continuous
from .autograd.ops.stats.discrete import *  # noqa: F403
from .autograd.ops.stats.discrete import __all__ as _discrete
from .autograd.ops.stats.multivariate import *  # noqa: F403
from .autograd.ops.stats.multivariate import __all__ as _multivariate

__all__ = sorted([*_continuous, *_discrete, *_multivariate])
