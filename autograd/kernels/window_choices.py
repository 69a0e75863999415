"""The entry that each window chose: its number inside the kernel, and its position in the input."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from .box_windows import along
from .geometry import Geometry, agree

__all__ = [
    "as_places", "check_choice", "empty", "first_inside", "number_of", "numbers_of", "positions_of", "starts_and_steps",
]  # fmt: skip


def number_of(offset: tuple[int, ...], geo: Geometry) -> int:
    """The number of an offset inside the kernel."""
    return int(np.ravel_multi_index(offset, geo.kernel))


@functools.lru_cache(256)
def first_inside(geo: Geometry) -> Any:
    """For each window the number of its first offset that is not padding."""
    firsts = (
        np.minimum(-(-np.maximum(0, before - np.arange(count) * s) // d), k - 1)
        for k, (before, _), count, s, d in zip(geo.kernel, geo.padding, geo.out, geo.stride, geo.dilation, strict=True)
    )
    return np.ravel_multi_index(np.ix_(*firsts), geo.kernel).astype(np.min_scalar_type(math.prod(geo.kernel)))


@functools.lru_cache(256)
def empty(geo: Geometry) -> bool:
    """Whether there are windows with nothing but padding."""
    return not all(np.bincount(axis.windows, minlength=axis.k).all() for axis in along(geo))


@functools.lru_cache(256)
def _borders(geo: Geometry) -> list[tuple[Any, int, Any, Any]]:
    """Ranges of windows that lie in part beside the input along an axis, by what to divide the numbers of their entries
    for those along the axis, and the least and largest of these that are inside."""
    found = []
    for axis, (n, k, s, (before, _), d, count) in enumerate(zip(*geo, strict=True)):
        starts = np.arange(count) * s - before
        low, high = np.maximum(0, -(starts // d)), np.minimum(k - 1, (n - 1 - starts) // d)
        after = len(geo.out) - 1 - axis
        first, last = (int(np.count_nonzero(part)) for part in (low > 0, high < k - 1))
        if first + last >= count:
            first, last = count, 0
        for part in (slice(0, first), slice(count - last, count)):
            if part.start < part.stop:
                ends = (end[part].reshape(-1, *(1,) * after) for end in (low, high))
                found.append(((..., part, *(slice(None),) * after), math.prod(geo.kernel[axis + 1 :]), *ends))
    return found


def check_choice(name: str, shape: tuple[int, ...], choice: Any, geo: Geometry) -> None:
    """Check that `choice` names for each window of a grid (N, C, *out) an entry of it, and none of padding unless there
    are windows of nothing else."""
    agree(name, geo, None, shape, choice.shape)
    if choice.dtype.kind not in "iu":
        raise TypeError(f"{name}: a choice of dtype {choice.dtype} is not of integers")
    if not choice.size:
        return
    size = math.prod(geo.kernel)
    inside = choice.max() < size and (choice.dtype.kind == "u" or choice.min() >= 0)
    borders = _borders(geo) if inside and not empty(geo) else ()
    if borders:
        choice = choice if np.iinfo(choice.dtype).max >= size else choice.astype(np.int64)
        for where, inner, low, high in borders:
            numbers = choice[where] // inner % geo.kernel[-len(low.shape)]
            inside = inside and bool(((numbers >= low) & (numbers <= high)).all())
    if not inside:
        raise IndexError(f"{name}: choice names entries that windows of {geo.kernel} do not have in {geo.spatial}")


@functools.lru_cache(256)
def starts_and_steps(geo: Geometry) -> tuple[Any, Any]:
    """Where windows start, flat over the spatial shape, and the steps from there on to their entries."""
    steps = [math.prod(geo.spatial[axis + 1 :]) for axis in range(len(geo.spatial))]
    starts = (
        step * (np.arange(count) * s - before)
        for step, s, (before, _), count in zip(steps, geo.stride, geo.padding, geo.out, strict=True)
    )
    offsets = (step * d * np.arange(k) for step, d, k in zip(steps, geo.dilation, geo.kernel, strict=True))
    return _grid_sum(starts), _grid_sum(offsets).reshape(-1)


def positions_of(choice: Any, geo: Geometry) -> Any:
    """What `choice` names, as positions flat over the spatial shape."""
    starts, steps = starts_and_steps(geo)
    positions = steps.take(choice)
    positions += starts
    return positions


def numbers_of(positions: Any, geo: Geometry) -> Any:
    """The inverse of `positions_of`."""
    numbers, axes = 0, len(geo.spatial)
    for axis, places in enumerate(np.unravel_index(positions, geo.spatial)):
        starts = np.arange(geo.out[axis]) * geo.stride[axis] - geo.padding[axis][0]
        offsets = places - starts.reshape(-1, *(1,) * (axes - 1 - axis))
        numbers = numbers * geo.kernel[axis] + offsets // geo.dilation[axis]
    return numbers


def _grid_sum(parts: Any) -> Any:
    """The sums of all entries of one array with all of the next and so on, an axis for each."""
    return functools.reduce(np.add, np.ix_(*parts))


def as_places(indices: Any, size: int) -> Any:
    """Indices as the code takes them; TypeError if they are not integers, IndexError if one is not below the size."""
    if indices.dtype.kind not in "iu":
        raise TypeError(f"indices of dtype {indices.dtype} are not integers")
    indices = np.require(indices, np.int64, ("C", "A"))
    if indices.size and int(indices.view(np.uint64).max()) >= size:  # negative ones are large without their sign
        raise IndexError(f"indices from {indices.min()} to {indices.max()} of {size} entries")
    return indices
