"""Reading and writing entries by index: `getitem` and its transpose `scatter`."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core.backward import LazySum
from ..core.batching import aligned, computed, full, looped
from ..core.conversion import lift
from ..core.graph import modes
from ..core.primitive import linear
from ..core.tensor import Tensor
from ..core.types import ArrayLike, Index, Shape
from ..core.views import link
from .index_parts import differs, is_basic, is_mask, names_once, parts_of, plain_index

__all__ = ["getitem", "scatter", "setitem"]


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
def getitem_form(x: ArrayLike, index: Index) -> Tensor:
    if modes.depth and differs(index):
        x = lift(x)
        out = _gathered(x, index)
        if isinstance(x, Tensor) and out.ndim and all(is_basic(p) or not p.ndim for p in parts_of(index, x.shape)):
            link(out, x, Picked, {"index": index})
        return out
    return getitem.apply(lift(x), index=plain_index(index))


@linear("values", jointly=True)
def scatter(*values: Any, indices: tuple[Any, ...], shape: tuple[int, ...]) -> Any:
    """Zeros of `shape` with the values added at `index`; where an entry is named twice, both values are added."""
    out = np.zeros(shape, np.result_type(*values))
    basic = [names_once(index) for index in indices]
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
    return LazySum(_scattered, (g, index, x_shape), g, x_shape)


def _scattered(terms: list[Any]) -> Any:
    values, indices, shapes = zip(*terms, strict=True)
    return scatter.apply(*values, indices=indices, shape=shapes[0])


scatter.vjp("values", "jointly linear")(lambda g, position, indices: g[indices[position]])


@scatter.public
def scatter_form(y: ArrayLike, index: Index, shape: Shape) -> Tensor:
    if modes.depth and differs(index):
        places = places_of(index, shape)
        y = np.broadcast_to(y, places.shape)
        return np.reshape(gather_back.apply(y, places, shape=(math.prod(shape),)), shape)
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
    if getattr(value, "ndim", 0) > 1 and not names_once(index):
        value = np.asarray(value, order="C")  # NumPy goes backwards where all arrays do
    out[index] = value
    return out


setitem.vjp("x")(lambda g, index: setitem.apply(g, g.dtype.type(0), index=index))


@setitem.vjp("value")
def _(g: Any, x_shape: Any, value_shape: Any, index: Any) -> Any:
    c = g[index] if names_once(index) else _where_last(g, x_shape, index)
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
def setitem_form(x: ArrayLike, index: Index, value: ArrayLike) -> Tensor:
    if modes.depth and differs(index):
        return _written(lift(x), index, lift(value))
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


@linear("x", "values", jointly=True)
def write(x: Any, values: Any, places: Any) -> Any:
    """A copy of x, a vector, with the values at the places, which differ over a batch; the last of one place counts."""
    return setitem.function(x, values, index=places)


@linear("x")
def last(x: Any, places: Any) -> Any:
    """The entries of x, a vector, at the places, and 0 where a later one is the same place."""
    return _where_last(x, x.shape, places)


write.vjp("x", "jointly linear")(lambda g, places: write.apply(g, np.zeros(places.shape, g.dtype), places))
write.vjp("values", "jointly linear")(lambda g, places: last.apply(g, places))
last.vjp("x")(lambda g, x_shape, places: write.apply(np.zeros(x_shape, g.dtype), g, places))


def _in_one_row(call: Any, n: int, values: Any, batched: Any) -> Any:
    """The examples' vectors one after the other."""
    x, *others, places = full(n, values, batched)
    size = x.shape[1]
    places = places + np.reshape(np.arange(n) * size, (n, *(1,) * (places.ndim - 1)))
    out = call(np.reshape(x, n * size), *others, places)[0]
    return (out if out.ndim > 1 or not others else np.reshape(out, (n, size)),)


write.batch(_in_one_row)
last.batch(_in_one_row)


def _draw_places(draw: Any) -> Any:
    x = draw.array(shape=(draw.integer(1, 7),))
    return x, draw.integers(draw.shape(max_dims=2), 0, x.size - 1)


@write.strategy
def _(draw: Any) -> Any:
    x, places = _draw_places(draw)
    value = draw.array(shape=places.shape)
    return (x, value if np.iscomplexobj(x) else value.real, places), {}


last.strategy(lambda draw: (_draw_places(draw), {}))


# An index that differs over a batch


def _entries(mask: Any) -> Any:
    """Where a mask that differs over a batch holds, where it holds as often in all examples."""
    try:
        return computed(np.nonzero, mask)
    except ValueError:
        raise TypeError(
            "vmap: a mask picks a different number of entries in different examples; use where(mask, x, 0), or "
            "where=mask of a reduction"
        ) from None


def _gathered(x: Any, index: Any) -> Any:
    """getitem where a part of the index differs over a batch: slices first, then places along the other axes."""
    parts: list[Any] = []
    for part in parts_of(index, x.shape):
        parts += _entries(part) if is_mask(part) else [part]
    chosen = [i for i, part in enumerate(parts) if not is_basic(part)]
    x = getitem(x, tuple(part if is_basic(part) else slice(None) for part in parts))
    x = np.moveaxis(x, chosen, range(len(chosen)))
    out = gather.apply(x, *(parts[i] for i in chosen))
    new = out.ndim - x.ndim + len(chosen)
    lead = chosen[0] if chosen[-1] - chosen[0] < len(chosen) else 0  # NumPy's order
    return np.moveaxis(out, range(new), range(lead, lead + new))


class Picked:
    """The operation of a view that was taken by an index that differs over a batch, as views.py uses it."""

    name, options = "getitem", ("index",)

    @staticmethod
    def apply(x: Any, *, index: Any) -> Any:
        return _gathered(x, index)

    @staticmethod
    def put(x: Any, value: Any, *, index: Any) -> Any:
        return _written(x, index, value)


def places_of(index: Any, shape: tuple[int, ...]) -> Any:
    """The places in the flattened array of the entries at an index that differs over a batch."""
    return _gathered(np.arange(math.prod(shape)).reshape(shape), index)


def _written(x: Any, index: Any, value: Any) -> Any:
    """setitem where a part of the index differs over a batch."""
    parts = parts_of(index, x.shape)
    if [part.dtype for part in parts if not is_basic(part)] == [np.bool_]:
        at = next(i for i, part in enumerate(parts) if is_mask(part))
        behind = len(parts) - at - 1
        if np.ndim(value) <= behind or value.shape[-1 - behind] == 1:
            return _masked(x, parts, at, value)
    places = places_of(index, x.shape)
    value = np.broadcast_to(_without_ones(value, places.ndim), places.shape)
    return np.reshape(write.apply(np.reshape(x, x.size), value, places), x.shape)


def _without_ones(value: Any, ndim: int) -> Any:
    """A value without the axes of length 1 in front that are too many for `ndim`."""
    while np.ndim(value) > ndim and value.shape[0] == 1:
        value = value[0]
    return value


def _masked(x: Any, parts: list[Any], at: int, value: Any) -> Any:
    """`x` with a value, one for all that the mask at a position of the index picks; the rest of it is slices."""
    mask, behind = parts[at], len(parts) - at - 1
    basic = (*parts[:at], *[slice(None)] * mask.ndim, *parts[at + 1 :])
    part = getitem(x, basic)
    value = _without_ones(value, part.ndim - mask.ndim + 1)
    if np.ndim(value) > behind:
        lead, tail = value.shape[: -1 - behind], value.shape[np.ndim(value) - behind :]
        value = np.reshape(value, (*lead, *(1,) * mask.ndim, *tail))
    mask = np.reshape(mask, (*mask.shape, *(1,) * behind))
    return setitem(x, basic, np.where(mask, value, part).astype(x.dtype))
