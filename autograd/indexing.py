"""Reading and writing entries by index: `getitem` and its transpose `scatter`."""

from __future__ import annotations

from typing import Any

import numpy as np

from .graph import Deferred
from .levels import raw
from .primitive import linear
from .tensor import Tensor, lift

__all__ = ["getitem", "scatter", "setitem"]


def plain_index(index: Any) -> Any:
    """An index without Tensors in it, integer lists as arrays."""
    if isinstance(index, tuple):
        return tuple(plain_index(part) for part in index)
    if isinstance(index, Tensor):
        return raw(index)
    return np.asarray(index, dtype=None if len(index) else np.intp) if isinstance(index, list) else index


def _basic(index: Any) -> bool:
    """Whether no entry can be named twice: no integer arrays."""
    parts = index if isinstance(index, tuple) else (index,)
    return not any(isinstance(part, np.ndarray) and part.dtype != np.bool_ for part in parts)


@linear("x")
def getitem(x: Any, *, index: Any) -> Any:
    """The entries of `x` at `index`: any index that NumPy takes, Tensors in it included.

    >>> getitem(Tensor([1.0, 2.0, 3.0]), [2, 0, 2])
    Tensor([3., 1., 3.])
    """
    return x[index]


@getitem.public
def _(x: Any, index: Any) -> Any:
    return getitem.apply(lift(x), index=plain_index(index))


@linear("values", jointly=True)
def scatter(*values: Any, indices: tuple[Any, ...], shape: tuple[int, ...]) -> Any:
    """An array of zeros of `shape` with each of the values added at its index; what is named twice gets both."""
    out = np.zeros(shape, np.result_type(*values))
    basic = [_basic(index) for index in indices]
    for i, (y, index) in enumerate(zip(values, indices, strict=True)):
        if basic[i]:
            out[index] = out[index] + y if i else y
    if not all(basic):
        grid = np.arange(out.size).reshape(shape)
        places = [grid[index] for index, plain in zip(indices, basic, strict=True) if not plain]
        rest = [y for y, plain in zip(values, basic, strict=True) if not plain]
        rest = [np.broadcast_to(y, at.shape).ravel() for y, at in zip(rest, places, strict=True)]
        total = _sum_at(np.concatenate([at.ravel() for at in places]), np.concatenate(rest), out.size)
        out.reshape(-1)[:] += total.astype(out.dtype)
    return out


@getitem.vjp("x")
def _(g: Any, x_shape: Any, index: Any) -> Any:
    return Deferred(_scattered, (g, index, x_shape), g, x_shape)


def _scattered(terms: list[Any]) -> Any:
    values, indices, shapes = zip(*terms, strict=True)
    return scatter.apply(*values, indices=indices, shape=shapes[0])


scatter.vjp("values", "linear")(lambda g, position, indices: g[indices[position]])


@scatter.public
def _(y: Any, index: Any, shape: Any) -> Any:
    return scatter.apply(lift(y), indices=(plain_index(index),), shape=tuple(shape))


def _sum_at(places: Any, values: Any, size: int) -> Any:
    """Sums of the values with one place, by `bincount`, which is much faster than `np.add.at`."""
    if np.iscomplexobj(values):
        return _sum_at(places, values.real, size) + 1j * _sum_at(places, values.imag, size)
    return np.bincount(places, values, size)


@getitem.strategy
def _(draw: Any) -> Any:
    x = draw.array(shape=draw.shape(min_dims=1, min_side=1))
    return (x,), {"index": draw.index(x.shape)}


@scatter.strategy
def _(draw: Any) -> Any:
    shape = draw.shape(min_dims=1, min_side=1)
    index = draw.index(shape)
    indices = (index,) if draw.flag() else (index, draw.index(shape), 0)
    return [draw.array(shape=np.empty(shape)[i].shape) for i in indices], {"indices": indices, "shape": shape}


@linear("x", "value", jointly=True)
def setitem(x: Any, value: Any, *, index: Any) -> Any:
    """A copy of `x` with `value` at `index`; where an entry is named twice, the last value counts."""
    out = np.array(x)
    out[index] = value
    return out


setitem.vjp("x")(lambda g, index: setitem.apply(g, g.dtype.type(0), index=index))


@setitem.vjp("value")
def _(g: Any, x_shape: Any, index: Any) -> Any:
    if _basic(index):
        return g[index]
    places = np.arange(g.size).reshape(x_shape)[index]
    turn = np.arange(places.size).reshape(places.shape)
    last = np.empty(g.size, turn.dtype)
    last[places] = turn
    return np.where(last[places] == turn, g[index], 0)


@setitem.strategy
def _(draw: Any) -> Any:
    shape = draw.shape(min_dims=1, min_side=1)
    index = draw.index(shape)
    x, value = draw.array(shape=shape), draw.array(shape=np.empty(shape)[index].shape)
    return (x, value if np.iscomplexobj(x) else value.real), {"index": index}


@setitem.public
def _(x: Any, index: Any, value: Any) -> Any:
    return setitem.apply(lift(x), value, index=plain_index(index))
