"""Reading and writing entries by index: `getitem` and its transpose `scatter`."""

from __future__ import annotations

from typing import Any

import numpy as np

from .batching import aligned, full, looped
from .graph import Deferred, modes
from .levels import level_of, raw
from .primitive import linear
from .tensor import Tensor, as_data, lift

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


@getitem.view
def _(x: Any, value: Any, *, index: Any) -> Any:
    return setitem.apply(x, value, index=index)


@getitem.public
def _(x: Any, index: Any) -> Any:
    if modes.depth and any(map(level_of, index if isinstance(index, tuple) else (index,))):
        return _gathered(lift(x), index if isinstance(index, tuple) else (index,))
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


scatter.vjp("values", "jointly linear")(lambda g, position, indices: g[indices[position]])


@scatter.public
def _(y: Any, index: Any, shape: Any) -> Any:
    return scatter.apply(lift(y), indices=(plain_index(index),), shape=tuple(shape))


def _sum_at(places: Any, values: Any, size: int) -> Any:
    """Sums of the values with one place, of floats by `bincount`, which is much faster than `np.add.at`."""
    if values.dtype.kind not in "fc":
        out = np.zeros(size, values.dtype)
        np.add.at(out, places, values)
        return out
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
def _(g: Any, x_shape: Any, value_shape: Any, index: Any) -> Any:
    c = g[index] if _basic(index) else _where_last(g, x_shape, index)
    return np.reshape(c, (*(1,) * (len(value_shape) - c.ndim), *c.shape))  # NumPy dropped such axes of length 1


def _where_last(g: Any, x_shape: Any, index: Any) -> Any:
    """The entries of g at the index, and 0 where a later one names the same place."""
    places = np.arange(g.size).reshape(x_shape)[index]
    turn = np.arange(places.size).reshape(places.shape)
    last = np.empty(g.size, turn.dtype)
    last[places] = turn
    return np.where(last[places] == turn, g[index], 0)


def _for_all(index: Any) -> Any:
    """The index, for all examples of a batch; None where NumPy would put their axis elsewhere."""
    index = index if isinstance(index, tuple) else (index,)
    arrays = [i for i, part in enumerate(index) if isinstance(part, (np.ndarray, int, np.integer))]
    together = not arrays or arrays[-1] - arrays[0] < len(arrays) or all(np.ndim(index[i]) == 0 for i in arrays)
    return (slice(None), *index) if together else None


@getitem.batch
def _(call: Any, n: int, values: Any, batched: Any, *, index: Any) -> Any:
    whole = _for_all(index)
    return looped(call, n, values, batched, index=index) if whole is None else call(*values, index=whole)


@scatter.batch
def _(call: Any, n: int, values: Any, batched: Any, *, indices: Any, shape: Any) -> Any:
    whole = tuple(map(_for_all, indices))
    if None in whole:
        return looped(call, n, values, batched, indices=indices, shape=shape)
    return call(*full(n, values, batched), indices=whole, shape=(n, *shape))


@setitem.batch
def _(call: Any, n: int, values: Any, batched: Any, *, index: Any) -> Any:
    whole = _for_all(index)
    if whole is None:
        return looped(call, n, values, batched, index=index)
    x, value = full(n, values, batched)
    room = np.broadcast_to(x.dtype.type(), x.shape)[whole].ndim
    value = np.reshape(value, (n, *value.shape[value.ndim - room + 1 :])) if value.ndim > room else value
    return call(x, *aligned([value], {0}, room - 1), index=whole)


@setitem.strategy
def _(draw: Any) -> Any:
    shape = draw.shape(min_dims=1, min_side=1)
    index = draw.index(shape)
    x, value = draw.array(shape=shape), draw.array(shape=np.empty(shape)[index].shape)
    return (x, value if np.iscomplexobj(x) else value.real), {"index": index}


@setitem.public
def _(x: Any, index: Any, value: Any) -> Any:
    return setitem.apply(lift(x), value, index=plain_index(index))


@linear("x")
def gather(x: Any, *places: Any) -> Any:
    """The entries of x at places along its first axes: x[places], where they differ over a batch."""
    return x[places]


@linear("y")
def gather_back(y: Any, *places: Any, shape: tuple[int, ...]) -> Any:
    """The transpose of `gather`: zeros of `shape` with y added at the places."""
    return scatter.function(y, indices=(places,), shape=shape)


gather.vjp("x")(lambda g, x_shape, places: gather_back.apply(g, *places, shape=x_shape))
gather_back.vjp("y")(lambda g, places: gather.apply(g, *places))


def _with_example(n: int, values: Any, batched: Any) -> Any:
    """The first value and the places, led by the number of the example."""
    first, *places = full(n, values, batched)
    places = aligned(places, set(range(len(places))), 0)
    return first, np.arange(n).reshape(n, *(1,) * (places[0].ndim - 1)), *places


@gather.batch
def _(call: Any, n: int, values: Any, batched: Any) -> Any:
    return call(*_with_example(n, values, batched))


@gather_back.batch
def _(call: Any, n: int, values: Any, batched: Any, *, shape: Any) -> Any:
    return call(*_with_example(n, values, batched), shape=(n, *shape))


@gather.strategy
def _(draw: Any) -> Any:
    x = draw.array(shape=draw.shape(min_dims=1, min_side=1))
    places = draw.shape(max_dims=2)
    return (x, *(draw.integers(places, -n, n - 1) for n in x.shape[: draw.integer(1, x.ndim)])), {}


@gather_back.strategy
def _(draw: Any) -> Any:
    shape = draw.shape(min_dims=1, min_side=1)
    places = [draw.integers((2,), 0, n - 1) for n in shape[: draw.integer(1, len(shape))]]
    return (draw.array(shape=(2, *shape[len(places) :])), *places), {"shape": shape}


def _gathered(x: Any, index: tuple[Any, ...]) -> Any:
    """getitem where a part of the index differs over a batch: whole axes, then places in as many as are named."""
    lead = next(i for i, part in enumerate(index) if not isinstance(part, slice))
    places = [as_data(part) if not isinstance(part, Tensor) else part for part in index[lead:]]
    if any(part != slice(None) for part in index[:lead]) or any(p.dtype.kind not in "iu" for p in places):
        raise TypeError(
            "vmap: an index that differs from example to example has whole axes, then integers or arrays of them"
        )
    x = np.moveaxis(x, range(lead), range(x.ndim - lead, x.ndim))
    out = gather.apply(x, *places)
    return np.moveaxis(out, range(out.ndim - lead, out.ndim), range(lead))
