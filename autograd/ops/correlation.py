"""Convolution and correlation of sequences, covariance of variables."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.conversion import floating, lift
from ..core.half_precision import by_single
from ..core.primitive import implements
from ..core.tensor import Tensor
from ..core.tracing import bottom
from ..core.types import ArrayLike, DTypeLike
from .convolution import conv
from .diagonals import diagonal
from .elementwise import clip, conj, sqrt
from .indexing import scatter
from .joining import atleast_1d, atleast_2d
from .reductions import sum
from .shape import concatenate, flip, reshape

__all__ = ["convolve", "corrcoef", "correlate", "cov"]


def _convolved(name: str, a: Any, v: Any, mode: str, start: Callable[[int, int], int]) -> Any:
    """The convolution of two sequences: all of it, as much as the longer one from `start` of their lengths on ("same"),
    or where both overlap wholly ("valid")."""
    a, v = atleast_1d(a, v)
    if a.ndim != 1 or v.ndim != 1 or not a.size or not v.size:
        raise ValueError(f"{name}: two sequences are needed, not arrays of shapes {a.shape} and {v.shape}")
    n, m = a.size, v.size
    kept = {
        "full": range(n + m - 1),
        "same": range(start(n, m), start(n, m) + max(n, m)),
        "valid": range(min(n, m) - 1, max(n, m)),
    }.get(mode)
    if kept is None:
        raise ValueError(f"{name}: mode={mode!r}; expected one of full, same, valid")
    if not (np.all(np.isfinite(bottom(a))) and np.all(np.isfinite(bottom(v)))):  # which times the padding would be NaN
        places = np.add.outer(np.arange(n), np.arange(m)) - kept.start
        rows, columns = np.nonzero((places >= 0) & (places < len(kept)))
        return scatter(a[rows] * v[columns], places[rows, columns], (len(kept),))
    long, short = (a, v) if n >= m else (v, a)
    out = conv(reshape(long, (1, 1, -1)), reshape(flip(short), (1, 1, -1)), padding=short.size - 1)
    out = reshape(out, -1)
    out = out if mode == "full" else out[kept.start : kept.stop]
    return out.astype(np.bool_) if a.dtype == v.dtype == np.bool_ else out


@implements(np.convolve)
def convolve(a: ArrayLike, v: ArrayLike, mode: str = "full") -> Tensor:
    """The convolution of two sequences: all of it, as much as the longer one ("same"), or where both overlap
    wholly ("valid").

    >>> from pullback import Tensor
    >>> convolve(Tensor([1.0, 2.0, 3.0]), Tensor([1.0, 10.0]))
    Tensor([ 1., 12., 23., 30.])
    """
    return _convolved("convolve", a, v, mode, lambda n, m: (min(n, m) - 1) // 2)


@implements(np.correlate)
def correlate(a: ArrayLike, v: ArrayLike, mode: str = "valid") -> Tensor:
    """The correlation of two sequences: sums of a, moved on, times the conjugate of v; modes as for `convolve`."""
    v = lift(v)
    v = flip(conj(v) if v.dtype.kind == "c" else v)
    return _convolved("correlate", a, v, mode, lambda n, m: (m - 1) // 2 if n >= m else n // 2)


@implements(np.cov)
@by_single
def cov(
    m: ArrayLike,
    y: ArrayLike | None = None,
    rowvar: bool = True,
    bias: bool = False,
    ddof: int | None = None,
    fweights: ArrayLike | None = None,
    aweights: ArrayLike | None = None,
    *,
    dtype: DTypeLike | None = None,
) -> Tensor:
    """The covariances of variables, the rows of `m` (and `y`) or, unless `rowvar`, the columns.

    Observations count `fweights` times, whole numbers, and weigh `aweights`; ValueError if these are not from 0 and
    one for each. The divisor is their number less `ddof` (None: 0 if `bias`, else 1).
    """
    x = _variables(m, rowvar)
    if y is not None:
        x = concatenate([x, _variables(y, rowvar)])
    if dtype is not None:
        x = x.astype(dtype)
    ddof = (0 if bias else 1) if ddof is None else ddof
    times, importance = (_weights(name, w, x.shape[1]) for name, w in (("fweights", fweights), ("aweights", aweights)))
    if np.any(np.rint(bottom(times)) != bottom(times)):
        raise TypeError("cov: fweights must be whole numbers; aweights may be any")
    weights = times * importance
    total = sum(weights)
    divisor = np.maximum(total - ddof * sum(weights * importance) / total, 0)
    x = floating(x)
    real = np.finfo(x.dtype).dtype
    weights, total, divisor = weights.astype(real), total.astype(real), divisor.astype(real)
    x = x - sum(x * (weights / total), 1, keepdims=True)
    return np.squeeze((x * weights) @ (conj(x) if x.dtype.kind == "c" else x).mT / divisor)


def _weights(name: str, weights: Any, n: int) -> Any:
    """Weights of `n` observations (None: equal ones)."""
    weights = np.ones(n) if weights is None else lift(weights).astype(float)
    if weights.shape != (n,) or np.any(bottom(weights) < 0):
        raise ValueError(f"cov: {name} of shape {weights.shape} for {n} observations; expected one from 0 for each")
    return weights


def _variables(m: Any, rowvar: bool) -> Any:
    m = lift(m)
    if m.ndim > 2:
        raise ValueError(f"cov: expected at most 2 dimensions, not shape {m.shape}")
    return m.mT if m.ndim == 2 and not rowvar else atleast_2d(m)


@implements(np.corrcoef)
@by_single
def corrcoef(
    x: ArrayLike, y: ArrayLike | None = None, rowvar: bool = True, *, dtype: DTypeLike | None = None
) -> Tensor:
    """The correlation coefficients of variables: `cov` over the products of their standard deviations."""
    c = cov(x, y, rowvar, dtype=dtype)
    if not c.ndim:
        return c / c
    deviation = sqrt(np.real(diagonal(c)))
    c = c / deviation[:, None] / deviation
    return c if c.dtype.kind == "c" else clip(c, -1, 1)
