"""Entries by places, gathered, scattered, chosen, as PyTorch spells it (see spellings.py).

Indices and masks decide what is done: they have no gradients. An index has as many axes as what it is for, and no
negative places, as in PyTorch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from ..core.conversion import known, lift
from ..core.tensor import Tensor
from ..core.types import ArrayLike, Chosen
from ..ops.casting import astype
from ..ops.elementwise import where
from ..ops.indexing import getitem, scatter, setitem
from ..ops.joining import repeat
from ..ops.shape import broadcast_to, reshape, squeeze
from ..ops.sorting import argsort, take, take_along_axis
from .torch_shapes import along, length_of, shape_of

# By masks


def _mask(mask: Any, name: str) -> Any:
    mask = lift(mask)
    if mask.dtype.kind != "b":
        raise TypeError(f"{name}: a mask of dtype {mask.dtype}; expected bool")
    return mask


def masked_select(x: ArrayLike, mask: ArrayLike) -> Tensor:
    """Return the entries of x at which the mask of bools is True, in a row; both broadcast. TypeError for another.

    >>> from pullback import Tensor
    >>> masked_select(Tensor([[1.0, 2.0], [3.0, 4.0]]), [True, False])
    Tensor([1., 3.])
    """
    x, mask = np.broadcast_arrays(lift(x), _mask(mask, "masked_select"))
    return getitem(x, mask)


def masked_fill(x: ArrayLike, mask: ArrayLike, value: ArrayLike) -> Tensor:
    """Return x with `value`, a number, where the mask is True, in the dtype of x; ValueError for more numbers.

    >>> from pullback import Tensor
    >>> masked_fill(Tensor([1.0, 2.0]), [True, False], -np.inf)
    Tensor([-inf,   2.])
    """
    x, value = lift(x), lift(value)
    if value.ndim:
        raise ValueError(f"masked_fill: value of shape {value.shape}; expected a number")
    return where(_mask(mask, "masked_fill"), astype(value, x.dtype), x)


def masked_scatter(x: ArrayLike, mask: ArrayLike, source: ArrayLike) -> Tensor:
    """Return x with the entries of `source`, in their order, where the mask is True; ValueError for too few of them."""
    x, source = lift(x), lift(source)
    places = np.broadcast_to(known(_mask(mask, "masked_scatter")), x.shape)
    count = int(np.count_nonzero(places))
    if source.size < count:
        raise ValueError(f"masked_scatter: a source of shape {source.shape} for {count} places")
    return setitem(x, places, getitem(reshape(source, -1), slice(count)))


# By an index of all axes, along one


def _places(x: Any, dim: int, index: Any, name: str, longer: bool = True) -> tuple[Any, tuple[Any, ...]]:
    """The index along `dim`, and that of all axes; it may be as long as one likes along `dim`, and no longer than x
    along the others."""
    index = np.asarray(known(lift(index)))
    axis = normalize_axis_index(dim, max(x.ndim, 1), name)
    if not index.size and index.dtype.kind == "f":  # an empty list
        index = index.astype(np.int64)
    if index.dtype.kind not in "iu":
        raise TypeError(f"{name}: an index of dtype {index.dtype}; expected integers")
    if not x.ndim:
        index = index.reshape(())
    if index.ndim != x.ndim or any(
        m > n for i, (m, n) in enumerate(zip(index.shape, x.shape, strict=True)) if i != axis
    ):
        raise ValueError(f"{name}: an index of shape {index.shape} along axis {dim} of shape {x.shape}")
    _check_range(index, length_of(x, dim, name), name, dim, x.shape)
    grid = list(np.indices(index.shape, sparse=True))
    if x.ndim:
        grid[axis] = index
    return index, tuple(np.broadcast_arrays(*grid)) if x.ndim else ()


def _check_range(index: Any, n: int, name: str, dim: int, shape: tuple[int, ...]) -> None:
    if index.size and not 0 <= index.min() <= index.max() < n:
        raise IndexError(f"{name}: places {index.min()} to {index.max()} along axis {dim} of shape {shape}")


def gather(x: ArrayLike, dim: int, index: ArrayLike) -> Tensor:
    """Return for each entry of `index` the entry of x at that place along `dim`; `take_along_axis`, which broadcasts.

    The index may be shorter than x along the other axes. IndexError for places that are not there.

    >>> from pullback import Tensor
    >>> gather(Tensor([[1.0, 2.0], [3.0, 4.0]]), 1, [[0], [1]])
    Tensor([[1.],
            [4.]])
    """
    x = lift(x)
    return getitem(x, _places(x, dim, index, "gather")[1])


def _given(src: Any, index: Any, dtype: Any, name: str) -> Any:
    """What is to be put at the places of an index: as much of `src` as there are, or one number."""
    src = lift(src)
    if not src.ndim:
        return broadcast_to(astype(src, dtype), index.shape)
    if src.ndim != index.ndim or any(m > n for m, n in zip(index.shape, src.shape, strict=True)):
        raise ValueError(f"{name}: src of shape {src.shape} for an index of shape {index.shape}")
    return astype(getitem(src, tuple(map(slice, index.shape))), dtype)


def put_at(x: ArrayLike, dim: int, index: ArrayLike, src: ArrayLike, *, reduce: str | None = None) -> Tensor:
    """Return x with the entries of `src`, or one number, at the places that `index` names along `dim`.

    With `reduce` "add" or "multiply" they are added to what is there, or multiplied by it; ValueError for another.
    """
    x = lift(x)
    index, places = _places(x, dim, index, "scatter")
    if reduce is None:
        return setitem(x, places, _given(src, index, x.dtype, "scatter"))
    if reduce not in ("add", "multiply"):
        raise ValueError(f"scatter: reduce={reduce!r}; expected None, 'add' or 'multiply'")
    return scatter_reduce(x, dim, index, _given(src, index, x.dtype, "scatter"), "sum" if reduce == "add" else "prod")


def scatter_add(x: ArrayLike, dim: int, index: ArrayLike, src: ArrayLike) -> Tensor:
    """Return x with the entries of `src` added at the places that `index` names along `dim`, however often.

    >>> from pullback import Tensor
    >>> scatter_add(np.zeros(3), 0, [0, 2, 0], Tensor([1.0, 2.0, 3.0]))
    Tensor([4., 0., 2.])
    """
    start: Any = lift(x)
    at, places = _places(start, dim, index, "scatter_add")
    return start + scatter(_given(src, at, start.dtype, "scatter_add"), places, start.shape)


def scatter_reduce(
    x: ArrayLike, dim: int, index: ArrayLike, src: ArrayLike, reduce: str, *, include_self: bool = True
) -> Tensor:
    """Return x with, at each place that `index` names along `dim`, the reduction of what `src` brings there.

    `reduce` is "sum", "prod", "mean", "amax" or "amin" (ValueError for another); what x has there counts, too, if
    `include_self`. Of several that are largest, or smallest, each has an equal share of the gradient.

    >>> from pullback import Tensor
    >>> scatter_reduce(Tensor([0.0, 5.0]), 0, [0, 0, 1], Tensor([1.0, 2.0, 3.0]), "amax")
    Tensor([2., 5.])
    """
    own: Any = lift(x)
    at, places = _places(own, dim, index, "scatter_reduce")
    if reduce not in _NEUTRAL:
        raise ValueError(f"scatter_reduce: reduce={reduce!r}; expected {', '.join(map(repr, _NEUTRAL))}")
    given = _given(src, at, own.dtype, "scatter_reduce")
    count = scatter(np.ones(at.shape, np.int64), places, own.shape)
    start = own if include_self else where(count > 0, np.asarray(_NEUTRAL[reduce](own.dtype), own.dtype), own)
    if reduce == "prod":
        return _product(start, given, places)
    if reduce in ("amax", "amin"):
        return _extreme(np.maximum if reduce == "amax" else np.minimum, start, given, places, count, include_self)
    total = start + scatter(given, places, own.shape)
    if reduce == "sum":
        return total
    divisor = np.maximum(count + include_self, 1).astype(own.dtype)
    return total // divisor if own.dtype.kind in "iu" else total / divisor


_NEUTRAL = {  # what is there before the reduction, where x does not count
    "sum": lambda dtype: 0,
    "prod": lambda dtype: 1,
    "mean": lambda dtype: 0,
    "amax": lambda dtype: -np.inf if dtype.kind == "f" else np.iinfo(dtype).min,
    "amin": lambda dtype: np.inf if dtype.kind == "f" else np.iinfo(dtype).max,
}


def _product(out: Any, src: Any, places: Any) -> Any:
    """Products, factor after factor: the first that each place gets, the second, and so on."""
    flat = np.ravel_multi_index(places, out.shape) if places else np.zeros((), int)
    turn = _turns(flat)
    for k in range(int(turn.max(initial=-1)) + 1):
        now = turn == k
        out = out * setitem(np.ones(out.shape, out.dtype), tuple(p[now] for p in places), getitem(src, now))
    return out


def _turns(flat: Any) -> Any:
    """For each number how many equal ones come before it."""
    order = np.argsort(flat, axis=None, kind="stable")
    ordered = flat.reshape(-1)[order]
    turns = np.empty(flat.size, int)
    turns[order] = np.arange(flat.size) - np.searchsorted(ordered, ordered)
    return turns.reshape(flat.shape)


def _extreme(ufunc: np.ufunc, own: Any, src: Any, places: Any, count: Any, include_self: bool) -> Any:
    """The largest, or smallest, at each place, as the mean of those that are: so each has its share of the gradient."""
    best = np.array(known(own))
    ufunc.at(best, places, np.asarray(known(src)))
    kept, brought = own == best, src == best[places]
    there = np.where(count > 0, kept & include_self, True)
    ties = there + scatter(brought.astype(np.int64), places, best.shape)
    total = where(there, own, 0) + scatter(where(brought, src, 0), places, best.shape)
    mean = total // np.maximum(ties, 1) if best.dtype.kind in "iu" else total / np.maximum(ties, 1).astype(best.dtype)
    return where(best != best, best, mean)


# By an index along one axis


def _rows(x: Any, dim: int, index: Any, name: str) -> tuple[Any, ...]:
    axis = normalize_axis_index(dim, max(x.ndim, 1), name)
    places = np.atleast_1d(known(lift(index)))
    places = places.astype(np.int64) if not places.size else places
    if places.ndim > 1 or places.dtype.kind not in "iu":
        raise ValueError(
            f"{name}: an index of shape {places.shape} and dtype {places.dtype}; expected integers in a row"
        )
    _check_range(places, length_of(x, dim, name), name, dim, x.shape)
    return (*(slice(None),) * axis, places)


def index_select(x: ArrayLike, dim: int, index: ArrayLike) -> Tensor:
    """Return the parts of x at these places along `dim`; `take`. IndexError for places that are not there."""
    held: Any = lift(x)
    at = _rows(held, dim, index, "index_select")
    return take(held, at[-1], dim) if held.ndim else held


def _source(source: Any, x: Any, at: Any, name: str) -> Any:
    source = astype(lift(source), x.dtype)
    shape = np.broadcast_to(0, x.shape)[at].shape
    if source.shape != shape and (source.ndim or len(at[-1]) != 1 or len(shape) > 1):
        raise ValueError(f"{name}: source of shape {source.shape} for places of shape {shape}")
    return source


def index_add(x: ArrayLike, dim: int, index: ArrayLike, source: ArrayLike, *, alpha: ArrayLike = 1) -> Tensor:
    """Return x with `alpha * source` added at these places along `dim`, however often one is named.

    >>> from pullback import Tensor
    >>> index_add(np.zeros(3), 0, [0, 0, 2], Tensor([1.0, 2.0, 3.0]))
    Tensor([3., 0., 3.])
    """
    start: Any = lift(x)
    given: Any = lift(source)
    at = _rows(start, dim, index, "index_add")
    return start + scatter(_source(given * alpha, start, at, "index_add"), at, start.shape)


def index_copy(x: ArrayLike, dim: int, index: ArrayLike, source: ArrayLike) -> Tensor:
    """Return x with the parts of `source` at these places along `dim`."""
    x = lift(x)
    at = _rows(x, dim, index, "index_copy")
    return setitem(x, at, _source(source, x, at, "index_copy"))


def index_fill(x: ArrayLike, dim: int, index: ArrayLike, value: ArrayLike) -> Tensor:
    """Return x with one number at these places along `dim`; ValueError for more numbers."""
    x, value = lift(x), lift(value)
    if value.ndim:
        raise ValueError(f"index_fill: value of shape {value.shape}; expected a number")
    return setitem(x, _rows(x, dim, index, "index_fill"), astype(value, x.dtype))


def index_put(x: ArrayLike, indices: Sequence[ArrayLike], values: ArrayLike, accumulate: bool = False) -> Tensor:
    """Return x with `values` at `x[indices]`, or added there, however often one is named, if `accumulate`."""
    start: Any = lift(x)
    index = tuple(indices)
    if not accumulate:
        return setitem(start, index, values)
    given = broadcast_to(astype(lift(values), start.dtype), np.broadcast_to(0, start.shape)[known(index)].shape)
    return start + scatter(given, index, start.shape)


def take_along_dim(x: ArrayLike, indices: ArrayLike, dim: int | None = None) -> Tensor:
    """Return the entries of x at these indices along `dim` (None: in the flattened x); `take_along_axis`."""
    return take_along_axis(x, np.ravel(lift(indices)) if dim is None else indices, dim)


def repeat_interleave(x: ArrayLike, repeats: ArrayLike, dim: int | None = None) -> Tensor:
    """Return x with each entry repeated along `dim` (None: of the flattened x); NumPy's `repeat`."""
    return repeat(x, repeats, dim)


# The largest and smallest


def topk(x: ArrayLike, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> Chosen[Tensor]:
    """Return the k largest (or smallest) entries along `dim`, in order, and where they are; NaN is the largest.

    ValueError for more than there are. Of entries that are equal the first comes first.

    >>> from pullback import Tensor
    >>> topk(Tensor([1.0, 3.0, 2.0]), 2).values
    Tensor([3., 2.])
    """
    return _chosen(x, dim, largest, slice(k), k, k, "topk")


def kthvalue(x: ArrayLike, k: int, dim: int = -1, keepdim: bool = False) -> Chosen[Tensor]:
    """Return the k-th smallest entry along `dim`, from 1 on, and where it is; ValueError where there is none."""
    found = _chosen(x, dim, False, slice(k - 1, k), k, k - 1, "kthvalue")
    return found if keepdim or not shape_of(x) else Chosen(*(squeeze(part, dim) for part in found))


def _chosen(x: Any, dim: int, largest: bool, part: slice, k: int, least: int, name: str) -> Chosen[Tensor]:
    x = lift(x)
    if not 0 <= least <= k <= length_of(x, dim, name):
        raise ValueError(f"{name}: k={k} along axis {dim} of shape {x.shape}")
    if not x.ndim:
        return Chosen(x, np.zeros_like(x, np.int64))
    order = along(argsort(x, dim, descending=largest), dim, part, name)
    return Chosen(take_along_axis(x, order, dim), order)


def cummax(x: ArrayLike, dim: int) -> Chosen[Tensor]:
    """Return the largest entry so far along `dim`, and where it is, the last of several; NaN stays.

    >>> from pullback import Tensor
    >>> cummax(Tensor([1.0, 3.0, 2.0]), 0).values
    Tensor([1., 3., 3.])
    """
    return _running(np.maximum, x, dim, "cummax")


def cummin(x: ArrayLike, dim: int) -> Chosen[Tensor]:
    """Return the smallest entry so far along `dim`, and where it is, the last of several; NaN stays."""
    return _running(np.minimum, x, dim, "cummin")


def _running(ufunc: np.ufunc, x: Any, dim: int, name: str) -> Chosen[Tensor]:
    x = lift(x)
    axis = normalize_axis_index(dim, max(x.ndim, 1), name)
    if not x.ndim:
        return Chosen(x, np.zeros_like(x, np.int64))
    best = ufunc.accumulate(x, axis)
    attained = np.logical_or(x == best, x != x)
    places = np.arange(x.shape[axis]).reshape((-1,) + (1,) * (x.ndim - 1 - axis))
    indices: Any = np.maximum.accumulate(np.where(attained, places, 0), axis)
    return Chosen(take_along_axis(x, indices, axis), indices)
