"""Shapes and places as PyTorch spells them: functions that are methods of Tensors, too (see spellings.py)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from ..core.batching import computed
from ..core.conversion import known, lift
from ..core.tensor import Tensor
from ..core.tracing import bottom
from ..ops.casting import astype
from ..ops.elementwise import where
from ..ops.indexing import getitem, scatter, setitem
from ..ops.joining import repeat
from ..ops.nondifferentiable import argsort
from ..ops.shape import broadcast_to, copy, expand_dims, moveaxis, reshape, transpose
from ..ops.sorting import take, take_along_axis


class TopK(NamedTuple):
    """Values, and where along the axis they are."""

    values: Tensor
    indices: Tensor


def _sizes(sizes: tuple[Any, ...]) -> tuple[int, ...]:
    """Lengths given as one sequence or as several numbers."""
    given = sizes[0] if len(sizes) == 1 and isinstance(sizes[0], Sequence) else sizes
    return tuple(map(int, given))


def view(x: Any, *shape: Any) -> Any:
    """Return the same entries in another shape, one of whose lengths may be -1; TypeError for a dtype.

    >>> view(Tensor([1.0, 2.0, 3.0, 4.0]), -1, 2)
    Tensor([[1., 2.],
            [3., 4.]])
    """
    if len(shape) == 1 and isinstance(shape[0], (type, np.dtype)):
        raise TypeError(f"view: {shape[0]} is a dtype; entries are converted by astype(dtype), not read as others")
    return reshape(x, _sizes(shape))


def view_as(x: Any, other: Any) -> Any:
    """Return the same entries in the shape of `other`."""
    return reshape(x, np.shape(other))


def unsqueeze(x: Any, dim: int) -> Any:
    """Return x with an axis of length 1 in the place `dim` of the result; `expand_dims`."""
    return expand_dims(x, dim)


def permute(x: Any, *dims: Any) -> Any:
    """Return x with its axes in another order, given as one sequence or as several numbers; `transpose`."""
    return transpose(x, _sizes(dims))


def t(x: Any) -> Any:
    """Return the transpose of a matrix, or a vector or number as it is; ValueError for more axes."""
    if np.ndim(x) > 2:
        raise ValueError(f"t: a Tensor of shape {np.shape(x)} is no matrix; write x.mT, or permute")
    return transpose(x)


def expand(x: Any, *sizes: Any) -> Any:
    """Return x repeated along axes of length 1 and along new ones in front; -1 stands for the length that there is.

    ValueError where lengths do not fit. `broadcast_to`, which takes no -1.

    >>> expand(Tensor([[1.0], [2.0]]), -1, 2)
    Tensor([[1., 1.],
            [2., 2.]])
    """
    shape, given = np.shape(x), _sizes(sizes)
    lead = len(given) - len(shape)
    if lead < 0 or any(n == -1 for n in given[:lead]):
        raise ValueError(f"expand: sizes {given} for a Tensor of shape {shape}")
    return broadcast_to(x, tuple(shape[i - lead] if n == -1 else n for i, n in enumerate(given)))


def expand_as(x: Any, other: Any) -> Any:
    """Return x broadcast to the shape of `other`."""
    return broadcast_to(x, np.shape(other))


def flatten(x: Any, start_dim: int = 0, end_dim: int = -1) -> Any:
    """Make one axis of those from `start_dim` to `end_dim`; ValueError if there are none.

    >>> flatten(np.zeros((2, 3, 4)), 1).shape
    (2, 12)
    """
    shape = np.shape(x)
    if not shape:
        return reshape(x, (1,))
    first, last = (normalize_axis_index(dim, len(shape), "flatten") for dim in (start_dim, end_dim))
    if first > last:
        raise ValueError(f"flatten: start_dim={start_dim} comes after end_dim={end_dim} in shape {shape}")
    return reshape(x, (*shape[:first], math.prod(shape[first : last + 1]), *shape[last + 1 :]))


def unflatten(x: Any, dim: int, sizes: Sequence[int]) -> Any:
    """Make several axes of the axis `dim`, of these lengths, one of which may be -1; ValueError if they do not fit.

    >>> unflatten(np.zeros((2, 12)), 1, (3, -1)).shape
    (2, 3, 4)
    """
    shape = np.shape(x)
    axis, lengths = normalize_axis_index(dim, len(shape), "unflatten"), list(sizes)
    others = math.prod(n for n in lengths if n != -1)
    if lengths.count(-1) == 1 and others:
        lengths[lengths.index(-1)] = shape[axis] // others
    if math.prod(lengths) != shape[axis] or any(n < 0 for n in lengths):
        raise ValueError(f"unflatten: axis {dim} of shape {shape} cannot become {tuple(sizes)}")
    return reshape(x, (*shape[:axis], *lengths, *shape[axis + 1 :]))


def contiguous(x: Any) -> Any:
    """Return x itself if its entries lie in memory in their order, or else a copy of which that is true."""
    return x if np.asarray(bottom(lift(x))).flags.c_contiguous else copy(x, "C")


def clone(x: Any) -> Any:
    """Return a copy, through which gradients go; `copy`."""
    return copy(x)


# Parts


def _along(x: Any, dim: int, part: Any, name: str) -> Any:
    axis = normalize_axis_index(dim, np.ndim(x), name)
    return getitem(x, (*(slice(None),) * axis, part))


def narrow(x: Any, dim: int, start: int, length: int) -> Any:
    """Return the part of x from `start` on along `dim`, of this length; IndexError where it is not inside."""
    n = np.shape(x)[dim]
    first = start + n if start < 0 else start
    if not 0 <= first <= first + length <= n:
        raise IndexError(f"narrow: start={start}, length={length} along axis {dim} of shape {np.shape(x)}")
    return _along(x, dim, slice(first, first + length), "narrow")


def select(x: Any, dim: int, index: int) -> Any:
    """Return the part of x at one place along `dim`, without that axis."""
    return _along(x, dim, int(index), "select")


def chunk(x: Any, chunks: int, dim: int = 0) -> tuple[Any, ...]:
    """Cut x along `dim` into at most so many parts of one length, but for the last; ValueError for less than one.

    >>> [part.tolist() for part in chunk(Tensor([1, 2, 3, 4, 5]), 3)]
    [[1, 2], [3, 4], [5]]
    """
    if chunks < 1:
        raise ValueError(f"chunk: chunks={chunks}; expected at least 1")
    n = np.shape(x)[dim]
    step = max(1, -(-n // chunks))
    starts = range(0, n, step) if n else [0] * chunks
    return tuple(_along(x, dim, slice(i, i + step), "chunk") for i in starts)


def unbind(x: Any, dim: int = 0) -> tuple[Any, ...]:
    """Return the parts of x at all places along `dim`, without that axis; `unstack`."""
    return tuple(_along(x, dim, i, "unbind") for i in range(np.shape(x)[dim]))


def index_select(x: Any, dim: int, index: Any) -> Any:
    """Return the parts of x at these places along `dim`; `take`. IndexError for places that are not there."""
    return take(x, index, dim)


def masked_select(x: Any, mask: Any) -> Any:
    """Return the entries of x at which the mask, which broadcasts with it, is True, in a row."""
    x, mask = np.broadcast_arrays(lift(x), lift(mask))
    return getitem(x, mask)


def masked_fill(x: Any, mask: Any, value: Any) -> Any:
    """Return x with `value`, a number, where the mask is True, in the dtype of x; ValueError for more numbers.

    >>> masked_fill(Tensor([1.0, 2.0]), [True, False], -np.inf)
    Tensor([-inf,   2.])
    """
    x, mask = lift(x), lift(mask)
    if mask.dtype.kind != "b":
        raise TypeError(f"masked_fill: a mask of dtype {mask.dtype}; expected bool")
    if np.ndim(value):
        raise ValueError(f"masked_fill: value of shape {np.shape(value)}; expected a number")
    return where(mask, astype(lift(value), x.dtype), x)


def masked_scatter(x: Any, mask: Any, source: Any) -> Any:
    """Return x with the entries of `source`, in their order, where the mask is True; ValueError for too few of them."""
    x = lift(x)
    places = np.broadcast_to(np.asarray(known(mask), bool), x.shape)
    count = int(np.count_nonzero(places))
    if np.size(source) < count:
        raise ValueError(f"masked_scatter: source has {np.size(source)} entries for {count} places")
    return setitem(x, places, getitem(reshape(source, -1), slice(count)))


# Gathering and scattering by indices along an axis


def _places(x: Any, dim: int, index: Any, name: str) -> tuple[int, Any, tuple[Any, ...]]:
    """The axis, the index with non-negative places, and the full index of all entries that it names."""
    index = known(lift(index)) if not isinstance(index, Tensor) else known(index)
    index = np.asarray(index)
    shape = np.shape(x)
    axis = normalize_axis_index(dim, max(len(shape), 1), name)
    if index.dtype.kind not in "iu":
        raise TypeError(f"{name}: an index of dtype {index.dtype}; expected integers")
    fits = index.ndim == len(shape) and all(m <= n or i == axis for i, (m, n) in enumerate(zip(index.shape, shape)))
    if not fits:
        raise ValueError(f"{name}: an index of shape {index.shape} along axis {dim} of shape {shape}")
    if index.size and not 0 <= index.min() <= index.max() < shape[axis]:
        raise IndexError(
            f"{name}: index {index.min()} to {index.max()} is out of range for axis {dim} of shape {shape}"
        )
    grid = list(np.ix_(*map(range, index.shape)))
    grid[axis] = index
    return axis, index, tuple(np.broadcast_arrays(*grid))


def gather(x: Any, dim: int, index: Any) -> Any:
    """Return, for each entry i of `index`, the entry of x at its place, but i along `dim`; `take_along_axis`.

    The index has as many axes as x and may be shorter. IndexError for places that are not there.

    >>> gather(Tensor([[1.0, 2.0], [3.0, 4.0]]), 1, [[0], [1]])
    Tensor([[1.],
            [4.]])
    """
    return getitem(x, _places(x, dim, index, "gather")[2])


def _given(src: Any, index: Any, dtype: Any, name: str) -> Any:
    """What is to be put at the places of an index: as much of `src` as there are, or one number."""
    if not np.ndim(src):
        return broadcast_to(astype(lift(src), dtype), index.shape)
    if np.ndim(src) != index.ndim or any(m > n for m, n in zip(index.shape, np.shape(src))):
        raise ValueError(f"{name}: src of shape {np.shape(src)} for an index of shape {index.shape}")
    return astype(getitem(src, tuple(map(slice, index.shape))), dtype)


def scattered(x: Any, dim: int, index: Any, src: Any, *, reduce: str | None = None) -> Any:
    """Return x with the entries of `src`, or one number, at the places that `index` names along `dim`.

    With `reduce` "add" or "multiply" they are added to what is there, or multiplied by it. The index is as for `gather`.
    """
    if reduce is not None:
        words = {"add": "sum", "multiply": "prod"}
        if reduce not in words:
            raise ValueError(f"scatter: reduce={reduce!r}; expected None, 'add' or 'multiply'")
        src = src if np.ndim(src) else broadcast_to(lift(src), np.shape(known(index)))
        return scatter_reduce(x, dim, index, src, words[reduce])
    x = lift(x)
    _, index, places = _places(x, dim, index, "scatter")
    return setitem(x, places, _given(src, index, x.dtype, "scatter"))


def scatter_add(x: Any, dim: int, index: Any, src: Any) -> Any:
    """Return x with the entries of `src` added at the places that `index` names along `dim`, however often.

    >>> scatter_add(np.zeros(3), 0, [0, 2, 0], Tensor([1.0, 2.0, 3.0]))
    Tensor([4., 0., 2.])
    """
    x = lift(x)
    _, index, places = _places(x, dim, index, "scatter_add")
    return x + scatter(_given(src, index, x.dtype, "scatter_add"), places, x.shape)


def scatter_reduce(x: Any, dim: int, index: Any, src: Any, reduce: str, *, include_self: bool = True) -> Any:
    """Return x with, at each place that `index` names along `dim`, the reduction of what `src` brings there.

    `reduce` is "sum", "prod", "mean", "amax" or "amin"; what x has there counts, too, if `include_self`. Of several
    that are largest (or smallest) each has an equal share of the gradient.
    """
    x = lift(x)
    _, index, places = _places(x, dim, index, "scatter_reduce")
    src = _given(src, index, x.dtype, "scatter_reduce")
    ones = np.ones(index.shape, x.dtype)
    count = scatter(ones, places, x.shape)
    count = np.asarray(known(count))
    named = count > 0
    kept = (
        x
        if include_self
        else where(named, astype(lift(_NEUTRAL[reduce](x.dtype)), x.dtype), x)
        if reduce in _NEUTRAL
        else x
    )
    if reduce in ("sum", "mean"):
        total = kept + scatter(src, places, x.shape)
        if reduce == "sum":
            return total
        divisor = np.maximum(count + include_self, 1)
        whole = x.dtype.kind in "iu"
        return where(named, total // divisor.astype(x.dtype) if whole else total / divisor.astype(x.dtype), x)
    if reduce == "prod":
        out, order = kept, _ranks(np.ravel_multi_index(places, x.shape) if x.ndim else np.zeros(index.shape, int))
        for rank in range(int(order.max(initial=-1)) + 1):
            now = order == rank
            factors = setitem(np.ones(x.shape, x.dtype), tuple(p[now] for p in places), getitem(src, now))
            out = out * factors
        return out
    if reduce not in ("amax", "amin"):
        raise ValueError(f"scatter_reduce: reduce={reduce!r}; expected 'sum', 'prod', 'mean', 'amax' or 'amin'")
    best = np.array(known(kept if isinstance(kept, Tensor) else lift(kept)))
    (np.maximum if reduce == "amax" else np.minimum).at(best, places, np.asarray(known(src)))
    at_best = lambda values, best: computed(lambda v: (v == best).astype(x.dtype), values)  # noqa: E731
    own, brought = at_best(kept, best), at_best(src, best[places])
    ties = own * include_self + scatter(brought, places, x.shape)
    shares = where(named, (kept * own if include_self else 0) + scatter(src * brought, places, x.shape), x)
    return where(named, shares / np.maximum(np.asarray(known(ties)), 1), x)


_NEUTRAL = {
    "sum": lambda dtype: 0,
    "mean": lambda dtype: 0,
    "prod": lambda dtype: 1,
    "amax": lambda dtype: -np.inf if dtype.kind == "f" else np.iinfo(dtype).min,
    "amin": lambda dtype: np.inf if dtype.kind == "f" else np.iinfo(dtype).max,
}


def _ranks(flat: Any) -> Any:
    """For each number how many equal ones come before it."""
    given = flat.reshape(-1)
    order = np.argsort(given, kind="stable")
    ordered = given[order]
    starts = (
        np.maximum.accumulate(np.where(np.r_[True, ordered[1:] != ordered[:-1]], np.arange(len(ordered)), 0))
        if len(ordered)
        else ordered
    )
    ranks = np.empty(len(given), int)
    ranks[order] = np.arange(len(given)) - starts
    return ranks.reshape(flat.shape)


def _index_of(x: Any, dim: int, index: Any, name: str) -> tuple[Any, ...]:
    axis = normalize_axis_index(dim, max(np.ndim(x), 1), name)
    places = np.asarray(known(index))
    if places.ndim > 1 or places.dtype.kind not in "iu":
        raise ValueError(
            f"{name}: an index of shape {places.shape} and dtype {places.dtype}; expected integers in a row"
        )
    return (*(slice(None),) * axis, np.atleast_1d(places))


def index_add(x: Any, dim: int, index: Any, source: Any, *, alpha: float = 1) -> Any:
    """Return x with `alpha * source` added at these places along `dim`, however often one is named."""
    x = lift(x)
    at = _index_of(x, dim, index, "index_add")
    return x + scatter(astype(lift(source) * alpha, x.dtype), at, x.shape)


def index_copy(x: Any, dim: int, index: Any, source: Any) -> Any:
    """Return x with the parts of `source` at these places along `dim`."""
    return setitem(lift(x), _index_of(x, dim, index, "index_copy"), source)


def index_fill(x: Any, dim: int, index: Any, value: Any) -> Any:
    """Return x with one number at these places along `dim`."""
    return setitem(lift(x), _index_of(x, dim, index, "index_fill"), value)


def take_along_dim(x: Any, indices: Any, dim: int | None = None) -> Any:
    """Return the entries of x at these indices along `dim` (None: in the flattened x); `take_along_axis`."""
    return take_along_axis(x, indices, dim)


def topk(x: Any, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> TopK:
    """Return the k largest (or smallest) entries along `dim`, in order, and where they are; NaN is the largest.

    ValueError for more than there are.

    >>> topk(Tensor([1.0, 3.0, 2.0]), 2).values
    Tensor([3., 2.])
    """
    x = lift(x)
    if not 0 <= k <= (x.shape[dim] if x.ndim else 1):
        raise ValueError(f"topk: k={k} along axis {dim} of shape {x.shape}")
    if not x.ndim:
        return TopK(x, lift(np.int64(0)))
    order = argsort(x, dim, stable=True)
    order = _along(order if not largest else np.flip(order, dim), dim, slice(k), "topk")
    return TopK(take_along_axis(x, order, dim), order)


def kthvalue(x: Any, k: int, dim: int = -1, keepdim: bool = False) -> TopK:
    """Return the k-th smallest entry along `dim`, from 1 on, and where it is; ValueError where there is none."""
    x = lift(x)
    if not 1 <= k <= (x.shape[dim] if x.ndim else 1):
        raise ValueError(f"kthvalue: k={k} along axis {dim} of shape {x.shape}")
    place = _along(argsort(x, dim, stable=True), dim, slice(k - 1, k), "kthvalue")
    pair = take_along_axis(x, place, dim), place
    return TopK(*(p if keepdim else np.squeeze(p, dim) for p in pair))


def repeat_interleave(x: Any, repeats: Any, dim: int | None = None) -> Any:
    """Return x with each entry repeated along `dim` (None: of the flattened x); NumPy's `repeat`."""
    return repeat(x, repeats, dim)


def diag_embed(x: Any, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Any:
    """Return matrices, along two axes of the result, with the last axis of x on a diagonal and 0 elsewhere."""
    x = lift(x)
    n = x.shape[-1] + abs(offset)
    rows = np.arange(x.shape[-1]) + max(-offset, 0)
    out = scatter(x, (..., rows, rows + offset), (*x.shape[:-1], n, n))
    return moveaxis(out, (-2, -1), (dim1, dim2))
