"""Sequences cut into the heads of attention, and joined again: a linear map and its transpose."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..autograd import reshape, transpose
from ..extend import linear, pooled, primitive

__all__ = ["cut_thirds", "headed", "joined"]


@primitive(name="cut_thirds", outputs=["q", "k", "v"])
def cut_thirds(x: Any, *, heads: int, batch_first: bool) -> Any:
    """The heads (N, heads, L, D) of each third of x (L, N, 3 heads D), or (N, L, 3 heads D) with `batch_first`."""
    view = _cut(x, heads, batch_first)
    parts = pooled(view.shape, x.dtype)
    parts[...] = view
    return tuple(parts)


def _cut(x: Any, heads: int, batch_first: bool) -> Any:
    """A view of x as (3, N, heads, L, D)."""
    x = x.reshape(*x.shape[:2], 3, heads, x.shape[2] // (3 * heads))
    return x.transpose((2, 0, 3, 1, 4) if batch_first else (2, 1, 3, 0, 4))


@linear("q", "k", "v", jointly=True)
def join_thirds(q: Any, k: Any, v: Any, *, batch_first: bool) -> Any:
    """The transpose of `cut_thirds`; some of q, k and v can be None, for zeros."""
    given = [x for x in (q, k, v) if x is not None]
    n, heads, length, each = given[0].shape
    x = pooled((*((n, length) if batch_first else (length, n)), 3 * heads * each), np.result_type(*given))
    for part, values in zip(_cut(x, heads, batch_first), (q, k, v), strict=True):
        part[...] = 0 if values is None else values
    return x


cut_thirds.vjp("x")(lambda g, batch_first: join_thirds.apply(*g, batch_first=batch_first))
join_thirds.vjp("q", "jointly linear")(lambda g, q_shape, batch_first: _cut(g, q_shape[1], batch_first)[0])
join_thirds.vjp("k", "jointly linear")(lambda g, k_shape, batch_first: _cut(g, k_shape[1], batch_first)[1])
join_thirds.vjp("v", "jointly linear")(lambda g, v_shape, batch_first: _cut(g, v_shape[1], batch_first)[2])


@cut_thirds.batch
def _(call: Any, n: int, values: Any, batched: set[int], *, heads: int, batch_first: bool) -> Any:
    x = values[0] if batch_first else np.swapaxes(values[0], 1, 2)
    (parts,) = call(np.reshape(x, (n * x.shape[1], *x.shape[2:])), heads=heads, batch_first=True)
    return (tuple(np.reshape(part, (n, x.shape[1], *part.shape[1:])) for part in parts),)


@join_thirds.batch
def _(call: Any, n: int, values: Any, batched: set[int], *, batch_first: bool) -> Any:
    given = [x if x is None or i in batched else np.broadcast_to(x, (n, *x.shape)) for i, x in enumerate(values)]
    samples = next(x.shape[1] for x in given if x is not None)
    given = [x if x is None else np.reshape(x, (n * samples, *x.shape[2:])) for x in given]
    (x,) = call(*given, batch_first=True)
    x = np.reshape(x, (n, samples, *x.shape[1:]))
    return (x if batch_first else np.swapaxes(x, 1, 2),)


@cut_thirds.strategy
def _(draw: Any) -> Any:
    heads = draw.integer(1, 2)
    x = draw.array(shape=(draw.integer(0, 2), draw.integer(0, 2), 3 * heads * draw.integer(1, 2)))
    return (x,), {"heads": heads, "batch_first": draw.flag()}


@join_thirds.strategy
def _(draw: Any) -> Any:
    shape = tuple(draw.integer(1, 2) for _ in range(4))
    return [draw.array(shape=shape) for _ in range(3)], {"batch_first": draw.flag()}


def headed(x: Any, heads: int, batch_first: bool) -> Any:
    """The heads (N, heads, L, D) of x (L, N, heads D), or (N, L, heads D) with `batch_first`."""
    x = reshape(x, (*x.shape[:2], heads, x.shape[2] // heads))
    return transpose(x, (0, 2, 1, 3) if batch_first else (1, 2, 0, 3))


def joined(x: Any, batch_first: bool) -> Any:
    """The transpose of `headed`."""
    n, heads, length, each = x.shape
    x = transpose(x, (0, 2, 1, 3) if batch_first else (2, 0, 1, 3))
    return reshape(x, (*x.shape[:2], heads * each))
