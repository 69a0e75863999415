"""The logistic function, its integral, and the share that it gives each of two exponentials of their sum."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.elementwise import elementwise
from ..kernels.fused_elementwise import in_one_pass

__all__ = ["sigmoid", "softplus"]


def _sigmoid(x: Any) -> Any:
    """The logistic function 1 / (1 + exp(-x)).

    >>> from pullback import Tensor
    >>> sigmoid(Tensor(0.0))
    Tensor(0.5)
    """
    if np.iscomplexobj(x):
        right = np.real(x) >= 0
        z = np.exp(np.where(right, -x, x))
        return np.where(right, 1, z) / (1 + z)
    return _logistic(x)


@in_one_pass
def _logistic(x: Any) -> Any:
    return np.exp(np.minimum(x, 0)) / (1 + np.exp(-np.absolute(x)))


@in_one_pass
def _slope(g: Any, out: Any) -> Any:
    return g * (out * (1 - out))


def _softplus(x: Any) -> Any:
    """log(1 + exp(x)), a smooth `relu`.

    >>> from pullback import Tensor
    >>> softplus(Tensor(1000.0))
    Tensor(1000.)
    """
    if np.asarray(x).dtype.kind != "f":
        return np.logaddexp(x, 0)
    return _float_softplus(x)


@in_one_pass
def _float_softplus(x: Any) -> Any:
    return np.maximum(x, 0) + np.log1p(np.exp(-np.absolute(x)))  # the same, but faster, and silent for NaN


sigmoid = elementwise(_sigmoid, name="sigmoid", x=_slope)
# As sigmoid, with a derivative that has its digits at both ends and takes longer
share = elementwise(_sigmoid, name="share", x=lambda g, x, out: g * (out * share(-x)))
softplus = elementwise(_softplus, name="softplus", dtype=np.float64, x=lambda g, x: g * share(x))
