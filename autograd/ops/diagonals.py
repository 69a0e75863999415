"""Diagonals and triangles: a diagonal is every (m + 1)-th entry of the flattened matrix, so a slice."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.conversion import lift
from ..core.examples import writes
from ..core.primitive import implements, linear
from ..core.tensor import Tensor
from ..core.types import Array, ArrayLike, DTypeLike
from .elementwise import where
from .indexing import scatter, setitem
from .reductions import sum
from .shape import axes_of, moveaxis, ravel, reshape

__all__ = ["diag", "diagflat", "diagonal", "fill_diagonal", "trace", "tril", "triu"]


@linear("x")
def diagonal(x: Any, *, offset: int) -> Any:
    """The diagonals of the matrices that `axis1` and `axis2` span, `offset` places above the main one, as last axis.

    >>> diagonal(Tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]), 1)
    Tensor([2., 6.])
    """
    return np.diagonal(x, offset, -2, -1)


@diagonal.vjp("x")
def _(g: Any, x_shape: Any, offset: int) -> Any:
    *lead, n, m = x_shape
    return reshape(scatter(g, (..., _diagonal(g.shape[-1], m, offset)), (*lead, n * m)), x_shape)


@diagonal.view
def _(x: Any, value: Any, *, offset: int) -> Any:
    *lead, n, m = x.shape
    place = (..., _diagonal(value.shape[-1], m, offset))
    return reshape(setitem(reshape(x, (*lead, n * m)), place, value), x.shape)


diagonal.batch(lambda call, n, values, batched, *, offset: call(*values, offset=offset))


@diagonal.strategy
def _(draw: Any) -> Any:
    return (draw.array(shape=draw.shape(min_dims=2, max_dims=3)),), {"offset": draw.integer(-2, 2)}


@diagonal.public
@implements(np.diagonal)
def diagonal_form(a: ArrayLike, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Tensor:
    a = lift(a)
    if a.ndim < 2:
        raise ValueError(f"diagonal: expected at least 2 dimensions, not shape {a.shape}")
    return diagonal.apply(moveaxis(a, axes_of((axis1, axis2), a.ndim, "diagonal"), (-2, -1)), offset=offset)


def _diagonal(count: int, width: int, offset: int) -> slice:
    """Where the `count` entries of a diagonal lie in the flattened matrix."""
    start = offset if offset >= 0 else -offset * width
    return slice(start, start + count * (width + 1), width + 1)


@implements(np.diag)
def diag(v: ArrayLike, k: int = 0) -> Tensor:
    """The matrix with a vector on its `k`-th diagonal, or a matrix's `k`-th diagonal.

    >>> diag(Tensor([1.0, 2.0]), 1)
    Tensor([[0., 1., 0.],
            [0., 0., 2.],
            [0., 0., 0.]])
    """
    v = lift(v)
    if v.ndim == 2:
        return diagonal(v, k)
    if v.ndim != 1:
        raise ValueError(f"diag: expected a vector or a matrix, not shape {v.shape}; see diagonal and diagflat")
    n = v.size + abs(k)
    return reshape(scatter(v, _diagonal(v.size, n, k), (n * n,)), (n, n))


@implements(np.diagflat)
def diagflat(v: ArrayLike, k: int = 0) -> Tensor:
    """The matrix with the flattened `v` on its `k`-th diagonal."""
    return diag(ravel(v), k)


@implements(np.fill_diagonal)
@writes
def fill_diagonal(a: Tensor | Array, val: ArrayLike, wrap: bool = False) -> None:
    """Write `val`, repeated if it is shorter, into the main diagonal of a Tensor (all indices equal), in place; with
    `wrap` a tall matrix's diagonal begins again below the square."""
    if not isinstance(a, Tensor):
        raise TypeError("fill_diagonal: a NumPy array cannot record Tensors; make it a Tensor")
    if a.ndim < 2 or (a.ndim > 2 and len(set(a.shape)) != 1):
        raise ValueError(f"fill_diagonal: expected a matrix, or an array of equal sides, not shape {a.shape}")
    width = a.shape[-1]
    step = int(np.cumsum(np.cumprod((1, *a.shape[:0:-1])))[-1])
    stop = width * width if a.ndim == 2 and not wrap else a.size
    values, places = ravel(lift(val)), np.arange(a.size)[:stop:step]
    if values.size:
        a._assign(reshape(setitem(ravel(a), places, values[np.arange(places.size) % values.size]), a.shape))


@implements(np.trace)
def trace(a: ArrayLike, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: DTypeLike | None = None) -> Tensor:
    """The sum along the diagonal of the matrices that `axis1` and `axis2` span."""
    return sum(diagonal(a, offset, axis1, axis2), -1, dtype=dtype)


def _triangle(m: Any, k: int, lower: bool) -> Any:
    m = lift(m)
    if not m.ndim:
        raise ValueError(f"{'tril' if lower else 'triu'}: expected at least 1 dimension")
    mask, zero = np.tril(np.ones(m.shape[-2:], np.bool_), k if lower else k - 1), m.dtype.type(0)
    return where(mask, m, zero) if lower else where(mask, zero, m)


@implements(np.tril)
def tril(m: ArrayLike, k: int = 0) -> Tensor:
    """The matrices with zeros above the `k`-th diagonal."""
    return _triangle(m, k, True)


@implements(np.triu)
def triu(m: ArrayLike, k: int = 0) -> Tensor:
    """The matrices with zeros below the `k`-th diagonal."""
    return _triangle(m, k, False)
