"""Joining, repeating and rearranging arrays, made of the moves in shape.py and of indexing."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..core.batching import agreed, computed
from ..core.conversion import apart, known, lift, values_of
from ..core.forms import OnAll
from ..core.primitive import implements
from ..core.tensor import Tensor, holds_tensors
from ..core.types import ArrayLike, Arrays, Axis, Casting, DTypeLike, Index, PerAxis, Shape
from .index_parts import differs, plain_index
from .indexing import getitem
from .shape import (
    axes_of,
    broadcast_arrays,
    broadcast_to,
    concatenate,
    expand_dims,
    flip,
    moveaxis,
    ravel,
    reshape,
    stack,
    swapaxes,
    transpose,
)
from .splitting import at_least

__all__ = [
    "append", "apply_along_axis", "apply_over_axes", "atleast_1d", "atleast_2d", "atleast_3d", "block",
    "column_stack", "delete", "dstack", "fliplr", "flipud", "hstack", "insert", "meshgrid", "repeat", "resize", "rot90",
    "sliding_window_view", "tile", "trim_zeros", "vstack",
]  # fmt: skip


def _each(function: Callable[[Any], Any]) -> OnAll:
    """A function of one array as one of several, which gives a tuple for several."""

    def on_all(*arys: Any) -> Any:
        out = tuple(function(lift(a)) for a in arys)
        return out[0] if len(out) == 1 else out

    on_all.__name__, on_all.__doc__ = function.__name__, function.__doc__
    return on_all


@implements(np.atleast_1d)
@_each
def atleast_1d(x: ArrayLike) -> Tensor:
    """The arrays, a 0-d one with an axis of length 1."""
    return x if x.ndim else reshape(x, (1,))


@implements(np.atleast_2d)
@_each
def atleast_2d(x: ArrayLike) -> Tensor:
    """The arrays with axes of length 1 in front, where there are less than two axes."""
    return x if x.ndim > 1 else reshape(x, (1, x.size))


@implements(np.atleast_3d)
@_each
def atleast_3d(x: ArrayLike) -> Tensor:
    """The arrays with axes of length 1: a vector is (1, n, 1), a matrix (m, n, 1)."""
    return x if x.ndim > 2 else expand_dims(atleast_2d(x), 2)


@implements(np.vstack)
def vstack(tup: Arrays, *, dtype: DTypeLike | None = None, casting: Casting = "same_kind") -> Tensor:
    """Arrays on top of one another; vectors are rows."""
    return concatenate([atleast_2d(a) for a in tup], axis=0, dtype=dtype, casting=casting)


@implements(np.hstack)
def hstack(tup: Arrays, *, dtype: DTypeLike | None = None, casting: Casting = "same_kind") -> Tensor:
    """Arrays side by side; vectors one after the other."""
    arrays = [atleast_1d(a) for a in tup]
    axis = 1 if arrays and arrays[0].ndim > 1 else 0
    return concatenate(arrays, axis=axis, dtype=dtype, casting=casting)


@implements(np.dstack)
def dstack(tup: Arrays) -> Tensor:
    """Arrays one behind the other, along the third axis."""
    return concatenate([atleast_3d(a) for a in tup], axis=2)


@implements(np.column_stack)
def column_stack(tup: Arrays) -> Tensor:
    """Matrices side by side; vectors are columns."""
    arrays = [lift(a) for a in tup]
    return concatenate([a if a.ndim > 1 else reshape(a, (a.size, 1)) for a in arrays], axis=1)


@implements(np.block)
def block(arrays: Arrays) -> Tensor:
    """An array made of blocks in nested lists: the innermost are joined along the last axis.

    >>> from pullback import Tensor
    >>> block([[Tensor([[1.0]]), Tensor([[2.0, 3.0]])], [np.zeros((1, 3))]])
    Tensor([[1., 2., 3.],
            [0., 0., 0.]])
    """
    holds_tensors(arrays)  # or raises where lists have no end
    depth, ndim = _depth(arrays)
    ndim = max(depth, ndim)

    def joined(part: Any, level: int) -> Any:
        if not isinstance(part, list):
            part = lift(part)
            return reshape(part, (1,) * (ndim - part.ndim) + part.shape)
        return concatenate([joined(p, level - 1) for p in part], axis=-level)

    return apart(joined(arrays, depth))


def _depth(part: Any) -> tuple[int, int]:
    """How deep lists are nested, and the most dimensions of what is in them."""
    if not isinstance(part, list):
        return 0, np.ndim(part)
    found = [_depth(p) for p in part]
    if len({depth for depth, _ in found}) != 1:
        raise ValueError("block: lists must be nested equally deep, and not be empty")
    return found[0][0] + 1, max(ndim for _, ndim in found)


@implements(np.append)
def append(arr: ArrayLike, values: ArrayLike, axis: int | None = None) -> Tensor:
    """The array with `values` after it along `axis` (None: both flattened)."""
    return concatenate([arr, values], axis=axis)


@implements(np.tile)
def tile(A: ArrayLike, reps: PerAxis) -> Tensor:
    """The array repeated as a whole, `reps` times along each axis.

    >>> from pullback import Tensor
    >>> tile(Tensor([1.0, 2.0]), (2, 2))
    Tensor([[1., 2., 1., 2.],
            [1., 2., 1., 2.]])
    """
    A = lift(A)
    counts = tuple(map(int, np.atleast_1d(reps)))
    counts = (1,) * (A.ndim - len(counts)) + counts
    shape = (1,) * (len(counts) - A.ndim) + A.shape
    pairs = tuple(zip(counts, shape, strict=True))
    spread = broadcast_to(reshape(A, tuple(n for _, m in pairs for n in (1, m))), sum(pairs, ()))
    return apart(reshape(spread, tuple(map(math.prod, pairs))))


@implements(np.repeat)
def repeat(a: ArrayLike, repeats: ArrayLike, axis: int | None = None) -> Tensor:
    """The array with every entry along `axis` (None: of the flattened array) repeated, as often as `repeats`
    says for all or for each.

    >>> from pullback import Tensor
    >>> repeat(Tensor([1.0, 2.0]), 2)
    Tensor([1., 1., 2., 2.])
    """
    a = lift(a)
    if axis is None:
        a, axis = reshape(a, -1), 0
    (axis,) = axes_of(axis, a.ndim, "repeat")
    before, n, after = a.shape[:axis], a.shape[axis], a.shape[axis + 1 :]
    if isinstance(repeats, (int, np.integer)):
        spread = broadcast_to(expand_dims(a, axis + 1), (*before, n, int(repeats), *after))
        return apart(reshape(spread, (*before, n * int(repeats), *after)))
    return _taken(a, np.repeat(np.arange(n), agreed(values_of(repeats), "repeat: repeats")), axis)


def _taken(x: Any, places: Any, axis: int) -> Any:
    return getitem(x, (slice(None),) * axis + (places,))


@implements(np.resize)
def resize(a: ArrayLike, new_shape: Shape) -> Tensor:
    """An array of `new_shape` filled with the entries of `a` over and over."""
    a = ravel(a)
    shape = (new_shape,) if isinstance(new_shape, (int, np.integer)) else tuple(new_shape)
    count = math.prod(shape)
    if count and not a.size:
        return np.zeros_like(a, shape=shape)
    return reshape(a[np.arange(count) % max(a.size, 1)], shape)


@implements(np.delete)
def delete(arr: ArrayLike, obj: Index, axis: int | None = None) -> Tensor:
    """The array without the entries `obj` (an index, a slice, several, or a mask) along `axis` (None: flattened)."""
    arr, axis = _along(arr, axis, "delete")
    return _taken(arr, computed(np.delete, np.arange(arr.shape[axis]), _constant_index(obj)), axis)


@implements(np.insert)
def insert(arr: ArrayLike, obj: Index, values: ArrayLike, axis: int | None = None) -> Tensor:
    """The array with `values` put before the entries `obj` (an index, a slice, several, or a mask) along `axis`.

    >>> from pullback import Tensor
    >>> insert(Tensor([1.0, 2.0, 3.0]), [1, 1], Tensor([8.0, 9.0]))
    Tensor([1., 8., 9., 2., 3.])
    """
    arr, axis = _along(arr, axis, "insert")
    obj, values = _constant_index(obj), lift(values)
    values = reshape(values, (1,) * (arr.ndim - values.ndim) + values.shape)
    n = arr.shape[axis]
    one = not isinstance(obj, slice) and np.ndim(obj) == 0
    if one:  # as in a[..., obj, ...] = values, with any number of values along the first axis
        values = transpose(values, (*range(1, axis + 1), 0, *range(axis + 1, values.ndim)))
    count = len(computed(np.insert, np.zeros(n), obj, 0)) - n
    if count == 1:
        count = values.shape[axis]
    values = broadcast_to(values, (*arr.shape[:axis], count, *arr.shape[axis + 1 :]))
    order = computed(np.insert, np.arange(n), obj, np.arange(n, n + count))
    return _taken(concatenate([arr, values.astype(arr.dtype)], axis=axis), order, axis)


def _constant_index(index: Any) -> Any:
    """An index as `plain_index` gives it, with Tensors in it only where they differ over a batch."""
    return values_of(lift(index)) if differs(index) else plain_index(index)


def _along(x: Any, axis: int | None, name: str) -> tuple[Any, int]:
    x = lift(x)
    return (ravel(x), 0) if axis is None else (x, axes_of(axis, x.ndim, name)[0])


@implements(np.rot90)
def rot90(m: ArrayLike, k: int = 1, axes: Sequence[int] = (0, 1)) -> Tensor:
    """The array turned by `k` right angles in the plane of two axes, from the first towards the second."""
    m = lift(m)
    i, j = axes_of(axes, m.ndim, "rot90")
    if k % 2:
        m = swapaxes(flip(m, j), i, j)
        k -= 1
    return flip(m, (i, j)) if k % 4 else m


@implements(np.fliplr)
def fliplr(m: ArrayLike) -> Tensor:
    """The array with its second axis reversed."""
    return flip(at_least(2, m, "fliplr"), 1)


@implements(np.flipud)
def flipud(m: ArrayLike) -> Tensor:
    """The array with its first axis reversed."""
    return flip(at_least(1, m, "flipud"), 0)


@implements(np.meshgrid)
def meshgrid(*xi: ArrayLike, copy: bool = True, sparse: bool = False, indexing: str = "xy") -> tuple[Tensor, ...]:
    """The coordinates of the points of a grid, an array for each axis; of length 1 along the others if `sparse`.

    With `indexing="xy"` the first two axes are exchanged. Without `copy` the arrays are views, read-only ones unless
    `sparse`.
    """
    if indexing not in ("xy", "ij"):
        raise ValueError(f"meshgrid: indexing={indexing!r}; expected 'xy' or 'ij'")
    n = len(xi)
    grids = tuple(reshape(x, (1,) * i + (-1,) + (1,) * (n - 1 - i)) for i, x in enumerate(xi))
    if indexing == "xy" and n > 1:
        grids = tuple(swapaxes(x, 0, 1) for x in grids)
    grids = grids if sparse else broadcast_arrays(*grids)
    return tuple(map(apart, grids)) if copy else grids


@implements(np.apply_along_axis)
def apply_along_axis(
    func1d: Callable[..., ArrayLike], axis: int, arr: ArrayLike, *args: object, **kwargs: object
) -> Tensor:
    """The results of a function of vectors on every one along `axis`, which lie there in the result; one after the
    other, so slow beside a function that takes `axis`."""
    arr = lift(arr)
    (axis,) = axes_of(axis, arr.ndim, "apply_along_axis")
    rows = moveaxis(arr, axis, -1)
    lead = rows.shape[:-1]
    if not math.prod(lead):
        raise ValueError(f"apply_along_axis: no vectors along axis {axis} of shape {arr.shape}")
    out = stack([lift(func1d(rows[i], *args, **kwargs)) for i in np.ndindex(lead)])
    out = reshape(out, lead + out.shape[1:])
    new = out.ndim - len(lead)
    return moveaxis(out, range(len(lead), out.ndim), range(axis, axis + new))


@implements(np.apply_over_axes)
def apply_over_axes(func: Callable[..., ArrayLike], a: ArrayLike, axes: PerAxis) -> Tensor:
    """What `func(a, axis)` gives for one axis after the other, these kept as axes of length 1."""
    a = lift(a)
    for axis in np.atleast_1d(known(axes)):
        (axis,) = axes_of(int(axis), a.ndim, "apply_over_axes")
        out = func(a, axis)
        a = out if out.ndim == a.ndim else expand_dims(out, axis)
    return a


@implements(np.lib.stride_tricks.sliding_window_view)
def sliding_window_view(x: ArrayLike, window_shape: Shape, axis: Axis = None) -> Tensor:
    """The windows of a shape that slide along `axis` (None: along all), their axes behind those of the array.

    >>> from pullback import Tensor
    >>> sliding_window_view(Tensor([1.0, 2.0, 3.0]), 2)
    Tensor([[1., 2.],
            [2., 3.]])
    """
    x = lift(x)
    sizes = (window_shape,) if isinstance(window_shape, (int, np.integer)) else tuple(window_shape)
    axes = [
        axes_of(a, x.ndim, "sliding_window_view")[0] for a in (range(x.ndim) if axis is None else np.atleast_1d(axis))
    ]
    if len(axes) != len(sizes):
        raise ValueError(f"sliding_window_view: a window of shape {sizes} for {len(axes)} axes")
    for a, size in zip(axes, sizes, strict=True):
        count = x.shape[a] - size + 1
        if size < 0 or count < 1:
            raise ValueError(f"sliding_window_view: a window of {size} along axis {a} of length {x.shape[a]}")
        x = moveaxis(_taken(x, np.arange(count)[:, None] + np.arange(size), a), a + 1, -1)
    return x


def _ends(x: Any) -> Any:
    return np.reshape([(p.min(), p.max() + 1) if p.size else (0, 0) for p in np.nonzero(x)], (-1, 2))


def ends_of(x: Any, name: str) -> Any:
    """From where to where along each axis there are entries that are not 0, which is the same over a batch."""
    return agreed(computed(_ends, values_of(x)), f"{name}: where the zeros end")


@implements(np.trim_zeros)
def trim_zeros(filt: ArrayLike, trim: str = "fb", axis: Axis = None) -> Tensor:
    """The array without the zeros at the front (if "f" in `trim`) and back ("b") of the axes `axis` (None: all)."""
    x = lift(filt)
    trim = trim.lower()
    if trim not in ("f", "b", "fb", "bf"):
        raise ValueError(f"trim_zeros: trim={trim!r}; expected 'f', 'b' or 'fb'")
    cuts = [
        slice(first if "f" in trim else None, stop if "b" in trim else None) if stop else slice(0)
        for first, stop in ends_of(x, "trim_zeros").tolist()
    ]
    axes = axes_of(axis, x.ndim, "trim_zeros")
    return x[tuple(cut if i in axes else slice(None) for i, cut in enumerate(cuts))]
