"""Choosing entries: sorting, taking by index or condition, and interpolation. All of it is `getitem` at places that
are constants of the graph, so that `scatter` takes every gradient back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any

import numpy as np

from ..core.batching import computed, everywhere
from ..core.conversion import apart, floating, lift, values_of
from ..core.examples import writes
from ..core.primitive import implements
from ..core.tensor import Tensor, wrap
from ..core.types import ArrayLike, Arrays, PerAxis
from .casting import complexes
from .elementwise import where
from .indexing import getitem, is_mask, scatter
from .shape import axes_of, broadcast_to, ravel, reshape, stack

__all__ = [
    "argsort", "bincount", "choose", "compress", "extract", "interp", "partition", "piecewise", "put_along_axis",
    "select", "sort", "sort_complex", "take", "take_along_axis",
]  # fmt: skip


def _flat_or(a: Any, axis: int | None, name: str) -> tuple[Any, int]:
    """The array with its axis; None is the axis of the flattened array."""
    a = lift(a)
    return (ravel(a), 0) if axis is None else (a, axes_of(axis, a.ndim, name)[0])


def _along(a: Any, places: Any, axis: int) -> tuple[Any, ...]:
    """The index that reads, for each of the places, the entry there along `axis`."""
    index = list(np.indices(tuple(1 if i == axis else n for i, n in enumerate(a.shape)), sparse=True))
    index[axis] = places
    return tuple(index)


@implements(np.take_along_axis)
def take_along_axis(arr: ArrayLike, indices: ArrayLike, axis: int | None = -1) -> Tensor:
    """For each of the `indices` the entry of `arr` at that place along `axis` (None: of the flattened array).

    >>> take_along_axis(Tensor([[5.0, 6.0], [7.0, 8.0]]), [[1], [0]], 1)
    Tensor([[6.],
            [7.]])
    """
    arr, axis = _flat_or(arr, axis, "take_along_axis")
    indices = lift(indices)
    if indices.ndim != arr.ndim:
        raise ValueError(f"take_along_axis: indices of shape {indices.shape} for an array of shape {arr.shape}")
    return getitem(arr, _along(arr, indices, axis))


@implements(np.put_along_axis)
@writes
def put_along_axis(arr: Tensor, indices: ArrayLike, values: ArrayLike, axis: int | None) -> None:
    """Write `values` into `arr`, in place, at the places that `take_along_axis` reads."""
    if axis is None:
        flat = ravel(arr)
        flat[indices] = values
        arr[...] = reshape(flat, arr.shape)
    else:
        arr[_along(arr, indices, axes_of(axis, arr.ndim, "put_along_axis")[0])] = values


def _order(a: Any, axis: int, kind: Any, stable: bool | None, descending: bool) -> Any:
    if kind is None and stable is None:
        stable = True
    if not descending:
        return np.argsort(a, axis, kind, stable=stable)
    return a.shape[axis] - 1 - np.flip(np.argsort(np.flip(a, axis), axis, kind, stable=stable), axis)


@implements(np.argsort)
def argsort(
    a: ArrayLike,
    axis: int | None = -1,
    kind: str | None = None,
    *,
    stable: bool | None = None,
    descending: bool = False,
) -> Tensor:
    """The places of the entries along `axis` (None: of the flattened array) in sorted order, a constant.

    Entries that are equal stay in their order, unless `stable` is False or NumPy's `kind` says otherwise.
    """
    a, axis = _flat_or(a, axis, "argsort")
    order = computed(_order, a, axis, kind, stable, descending)
    return order if isinstance(a, Tensor) else order.numpy()


@implements(np.sort)
def sort(
    a: ArrayLike,
    axis: int | None = -1,
    kind: str | None = None,
    *,
    stable: bool | None = None,
    descending: bool = False,
) -> Tensor:
    """The entries along `axis` (None: of the flattened array) in ascending order, or in `descending`; each keeps its
    gradient. Entries that are equal stay in their order, unless `stable` is False.

    >>> x = Tensor([3.0, 1.0, 2.0], requires_grad=True)
    >>> sort(x).backward([1.0, 10.0, 100.0])
    >>> x.grad
    Tensor([100.,   1.,  10.])
    """
    a, axis = _flat_or(a, axis, "sort")
    return take_along_axis(a, computed(_order, a, axis, kind, stable, descending), axis)


def _running(ufunc: np.ufunc) -> None:
    """The extremum of the entries so far: each is the last of them that attains it."""

    @implements((ufunc, "accumulate"))
    def running(x: Any, axis: int = 0, dtype: Any = None) -> Any:
        x = lift(x) if dtype is None else lift(x).astype(dtype)
        (axis,) = axes_of(axis, x.ndim, f"{ufunc.__name__}.accumulate")
        values = values_of(x)
        best = computed(ufunc.accumulate, values, axis)
        attained = np.logical_or(values == best, np.logical_and(values != values, best != best))
        places = np.arange(x.shape[axis]).reshape((-1,) + (1,) * (x.ndim - 1 - axis))
        return take_along_axis(x, computed(np.maximum.accumulate, np.where(attained, places, 0), axis), axis)


for _ufunc in (np.maximum, np.minimum, np.fmax, np.fmin):
    _running(_ufunc)


@implements(np.partition)
def partition(a: ArrayLike, kth: PerAxis, axis: int | None = -1, kind: str = "introselect") -> Tensor:
    """The entries along `axis` with the `kth` in its sorted place, the smaller before and the larger behind it."""
    a, axis = _flat_or(a, axis, "partition")
    return take_along_axis(a, computed(np.argpartition, a, kth, axis, kind), axis)


@implements(np.sort_complex)
def sort_complex(a: ArrayLike) -> Tensor:
    """`sort`, as complex numbers."""
    a = lift(a)
    return sort(complexes(a))


@implements(np.take)
def take(a: ArrayLike, indices: ArrayLike, axis: int | None = None, *, mode: str = "raise") -> Tensor:
    """The entries of `a` at `indices` along `axis` (None: of the flattened array); what lies outside raises, or
    wraps around or is clipped, by `mode`."""
    a, axis = _flat_or(a, axis, "take")
    indices = lift(indices)
    if mode == "wrap":
        indices = indices % a.shape[axis]
    elif mode == "clip":
        indices = np.clip(indices, 0, a.shape[axis] - 1)
    elif mode != "raise":
        raise ValueError(f"take: mode {mode!r} is none of raise, wrap, clip")
    return apart(getitem(a, (slice(None),) * axis + (indices,)))


@implements(np.compress)
def compress(condition: ArrayLike, a: ArrayLike, axis: int | None = None) -> Tensor:
    """The slices of `a` along `axis` (None: the entries of the flattened array) where `condition` holds."""
    return take(a, np.flatnonzero(values_of(condition)), axis)


@implements(np.extract)
def extract(condition: ArrayLike, arr: ArrayLike) -> Tensor:
    """The entries of `arr` where `condition` holds, as one dimension."""
    return compress(ravel(condition), arr)


@implements(
    np.choose, strategy=lambda draw: ((draw.integers((2, 3), 0, 1), [draw.array((2, 3)), draw.array((3,))]), {})
)
def choose(a: ArrayLike, choices: Arrays, *, mode: str = "raise") -> Tensor:
    """For each entry i of `a`, an integer, the entry of `choices[i]` at its place; all broadcast together."""
    a, choices = values_of(a), [lift(c) for c in choices]
    if not np.can_cast(a.dtype, np.intp):
        raise TypeError(f"choose: numbers of choices must be integers, not {a.dtype}")
    a = a.astype(np.intp)
    if mode == "raise" and not everywhere(np.logical_and(a >= 0, a < len(choices))):
        raise ValueError(f"choose: there are {len(choices)} choices, from 0 on, and one of another number is asked for")
    shape = np.broadcast_shapes(a.shape, *(c.shape for c in choices))
    together = stack([broadcast_to(c, shape) for c in choices])
    which = np.broadcast_to(a, shape)[None]
    places = take(np.arange(len(choices)), which, mode=mode)
    return take_along_axis(together, places, 0)[0]


@implements(
    np.select,
    strategy=lambda draw: (([draw.mask((2, 3)), draw.mask((3,))], [draw.array((2, 3)), draw.array((3,))], 3.0), {}),
)
def select(condlist: Arrays, choicelist: Arrays, default: ArrayLike = 0) -> Tensor:
    """For each entry that of the array in `choicelist` whose condition is the first to hold there, else `default`."""
    if len(condlist) != len(choicelist) or not len(condlist):
        raise ValueError(f"select: {len(condlist)} conditions for {len(choicelist)} choices")
    values = [*choicelist, default]
    dtype = np.result_type(*(v if type(v) in (int, float, complex) else lift(v).dtype for v in values))
    *choices, out = (lift(v).astype(dtype, copy=False) for v in values)
    for condition, choice in zip(reversed(condlist), reversed(choices), strict=True):
        out = where(lift(condition), choice, out)
    return out


@implements(np.piecewise)
def piecewise(
    x: ArrayLike,
    condlist: ArrayLike,
    funclist: Sequence[Callable[..., ArrayLike] | ArrayLike],
    *args: object,
    **kw: object,
) -> Tensor:
    """Each function (or number) of `funclist` where its condition holds, the last one that holds; one function
    more than conditions is for the rest.

    >>> piecewise(Tensor([-2.0, 3.0]), [[True, False]], [abs, 0.0])
    Tensor([2., 0.])
    """
    x = lift(x)
    conditions = [np.broadcast_to(values_of(c), x.shape) for c in (condlist if np.ndim(condlist[0]) else [condlist])]
    if len(funclist) == len(conditions) + 1:
        conditions.append(np.logical_not(reduce(np.logical_or, conditions)))
    if len(funclist) != len(conditions):
        raise ValueError(f"piecewise: {len(funclist)} functions for {len(conditions)} conditions")
    out = np.zeros_like(x)
    for condition, f in zip(conditions, funclist, strict=True):
        if is_mask(condition):  # f, which is elementwise, works on all entries, on one of its own in place of others
            own = values_of(ravel(x)[np.argmax(ravel(condition))])
            f = f(where(condition, x, own), *args, **kw) if callable(f) else f
            out = where(condition, f, out).astype(x.dtype)
        else:
            out[condition] = f(x[condition], *args, **kw) if callable(f) else f
    return out


@implements(
    np.bincount,
    strategy=lambda draw: ((draw.integers((4,), 0, 3), draw.array((4,))), {"minlength": draw.integer(0, 5)}),
)
def bincount(x: ArrayLike, /, weights: ArrayLike | None = None, minlength: int = 0) -> Tensor:
    """How often each number from 0 on is in `x`, or the sum of its `weights`, which have gradients."""
    x = values_of(x)
    counts = computed(np.bincount, x, minlength=minlength)
    return counts if weights is None else scatter(floating(weights), x, counts.shape)


def between(low: Any, high: Any, t: Any) -> Any:
    """low + t * (high - low), but a term of weight 0 counts for nothing, and an infinite `low` for all else."""
    low = np.where(np.logical_and(t == 1, ~np.isfinite(low)), high, low)
    alone = np.logical_or(np.logical_and(t == 0, ~np.isfinite(high)), np.logical_and(np.isinf(low), high != -low))
    return low + t * (np.where(alone, 0, high) - np.where(alone, 0, low))


@implements(
    np.interp,  # between multiples of 1/8 there are no points
    strategy=lambda draw: (
        (draw.array((3,)) + 0.05, np.sort(draw.array((4,), distinct=True)), draw.array((4,), distinct=True)),
        {},
    ),
)
def interp(
    x: ArrayLike,
    xp: ArrayLike,
    fp: ArrayLike,
    left: ArrayLike | None = None,
    right: ArrayLike | None = None,
    period: float | None = None,
) -> Tensor:
    """The function that is linear between the points (xp, fp), xp ascending, at `x`; gradients go to all three.

    Before the first point it is `left`, behind the last `right` (None: as at that point); or it has a `period`.
    TypeError for complex places, ValueError for a period of 0 and for no points.
    """
    x, xp, fp = floating(x), floating(xp), floating(fp)
    if "c" in (x.dtype.kind, xp.dtype.kind):
        raise TypeError(f"interp: x of dtype {x.dtype} and xp of dtype {xp.dtype}; complex numbers are in no order")
    if period == 0:
        raise ValueError("interp: a period of 0")
    if xp.ndim != 1 or xp.shape != fp.shape or not xp.size:
        raise ValueError(f"interp: xp and fp of one length are needed, not shapes {xp.shape} and {fp.shape}")
    if period is not None:
        x, xp = x % period, xp % period
        order = np.argsort(values_of(xp))
        order = np.concatenate([order[-1:], order, order[:1]])
        turn = np.zeros(order.shape)
        turn[[0, -1]] = -period, period
        xp, fp, left, right = getitem(xp, order) + turn, getitem(fp, order), None, None
    last = xp.size - 1
    low = np.clip(np.searchsorted(values_of(xp), values_of(x), side="right") - 1, 0, last)
    high = np.minimum(low + 1, last)
    if isinstance(low, Tensor):
        xp, fp = (points if isinstance(points, Tensor) else wrap(points) for points in (xp, fp))
    left_x, right_x = xp[low], xp[high]
    gap, beyond = right_x - left_x, np.isinf(left_x)  # behind an infinitely far point one is at the next
    offset = np.where(np.logical_or(beyond, np.logical_or(x < xp[0], x > xp[-1])), 0, x - left_x)
    t = np.where(beyond, (x > left_x) * 1.0, offset / np.where(np.logical_or(gap == 0, beyond), 1, gap))
    out = between(fp[low], fp[high], t)
    out = where(x < xp[0], fp[0] if left is None else left, out)
    return out if right is None else where(x > xp[-1], right, out)
