"""Derivatives of special functions by their orders and shape parameters: series and integrals, in plain NumPy.

Sources: DLMF 10.9 and 10.32 (integrals of Bessel functions), 8.7 (incomplete gamma), 8.17 (incomplete beta).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...core.conversion import lift
from ...core.tracing import bottom


def largest(x: Any) -> float:
    """The magnitude of the largest entry that is finite."""
    size = np.abs(bottom(x))
    return float(np.max(size, initial=0, where=np.isfinite(size)))


def _from_0(stop: float, count: int, dtype: Any) -> tuple[Any, Any]:
    """Places and weights for an integral from 0 to `stop`."""
    t, weight = np.polynomial.legendre.leggauss(count)
    return ((t + 1) / 2 * stop).astype(dtype), (weight / 2 * stop).astype(dtype)


def of_bessel(arc: Callable[..., Any], line: Callable[..., Any]) -> Callable[..., Any]:
    """The derivative by the order v of a function of x > 0: the integral of arc(v, x, t) for t from 0 to pi, over pi,
    plus that of line(v, x, t) for t from 0 on, where it falls as exp(-x sinh(t))."""

    def derivative(v: Any, x: Any) -> Any:
        v, x = lift(v)[..., None], lift(x)[..., None]
        dtype = np.finfo(np.result_type(x.dtype, np.float32)).dtype
        end = float(np.arccosh(1 + (50 + 20 * largest(v)) / np.min(bottom(x).real, initial=np.inf)))
        t, weight = _from_0(np.pi, 100 + int(largest(x) + largest(v)), dtype)
        s, length = _from_0(end, 160, dtype)
        return (arc(v, x, t) * (weight / dtype.type(np.pi))).sum(-1) + (line(v, x, s) * length).sum(-1)

    return derivative


def summed(term: Callable[[Any], Any], count: int, ndim: int, dtype: Any) -> Any:
    """term(0) + term(1) + ..., `count` of them."""
    return np.sum(term(np.arange(count, dtype=dtype).reshape(-1, *(1,) * ndim)), axis=0)
