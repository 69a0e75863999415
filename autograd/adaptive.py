"""Adaptive pooling: as many windows as are asked for, of lengths that differ by one where they must.

The i-th of k windows over n entries is from floor(i n / k) to ceil((i + 1) n / k), as in PyTorch. A window is a box, so
that its sum, and its largest entry, are those of sums and largest entries along one axis after the other.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from .batching import folded
from .pooling import max_unpool
from .primitive import linear, primitive
from .tensor import Tensor, lift, wrap

__all__ = ["adaptive_avg_pool", "adaptive_max_pool", "box_spread", "box_sum"]


def _windows(n: int, k: int) -> tuple[Any, Any]:
    """Where k windows over n entries begin and end."""
    numbers = np.arange(k + 1) * n
    return numbers[:-1] // k, -(-numbers[1:] // k)


def _along(x: Any, k: int, axis: int) -> Iterator[tuple[Any, Any]]:
    """The t-th entry of each of k windows along an axis: which windows have one, and where."""
    starts, stops = _windows(x.shape[axis], k)
    before = (slice(None),) * axis
    for t in range(int(max(stops - starts))):
        has = starts + t < stops
        yield (*before, has), (*before, (starts + t)[has])


@linear("x")
def box_sum(x: Any, *, sizes: tuple[int, ...]) -> Any:
    """The sums of `sizes` windows along each spatial axis of x (N, C, *spatial)."""
    for axis, k in enumerate(sizes, 2):
        y = np.zeros((*x.shape[:axis], k, *x.shape[axis + 1 :]), x.dtype)
        for has, places in _along(x, k, axis):
            y[has] += x[places]
        x = y
    return x


@linear("y")
def box_spread(y: Any, *, spatial_shape: tuple[int, ...]) -> Any:
    """Each entry of y (N, C, *sizes) added to all entries of its window: the transpose of `box_sum`."""
    for axis, n in enumerate(spatial_shape, 2):
        x = np.zeros((*y.shape[:axis], n, *y.shape[axis + 1 :]), y.dtype)
        before = (slice(None),) * axis
        for i, ends in enumerate(zip(*_windows(n, y.shape[axis]), strict=True)):
            x[(*before, slice(*ends))] += y[(*before, slice(i, i + 1))]
        y = x
    return y


box_sum.vjp("x")(lambda g, x_shape: box_spread.apply(g, spatial_shape=x_shape[2:]))
box_spread.vjp("y")(lambda g, y_shape: box_sum.apply(g, sizes=y_shape[2:]))
box_sum.batch(folded)
box_spread.batch(folded)


@primitive(residuals=["places"])
def adaptive_max_pool(x: Any, *, sizes: tuple[int, ...]) -> Any:
    """The largest entries of `output_size` windows along each spatial axis of x (N, C, *spatial).

    Arguments and errors as for `adaptive_avg_pool`; with `return_indices` also the positions of the largest, flat over
    the spatial shape, as `max_pool` has them.

    >>> from pullback import Tensor
    >>> adaptive_max_pool(Tensor([[[1.0, 3.0, 2.0]]]), 2)
    Tensor([[[3., 3.]]])
    """
    positions = np.broadcast_to(np.arange(math.prod(x.shape[2:])).reshape(x.shape[2:]), x.shape)
    for axis, k in reversed(list(enumerate(sizes, 2))):  # so that of equal ones the first is taken
        largest: Any = None
        found: Any = None
        for has, places in _along(x, k, axis):
            entry, at = x[places], positions[places]
            if largest is None:
                largest, found = entry, at
                continue
            better = ~(entry <= largest[has]) & (largest[has] == largest[has])  # NaN is larger than all
            largest[has], found[has] = np.where(better, entry, largest[has]), np.where(better, at, found[has])
        x, positions = largest, found
    return x, positions


adaptive_max_pool.vjp("x")(lambda g, places, x_shape: max_unpool.apply(g, places, spatial_shape=x_shape[2:]))
adaptive_max_pool.batch(folded)


def _sizes(name: str, x: Any, output_size: Any) -> tuple[int, ...]:
    """How many windows along each spatial axis."""
    axes = x.ndim - 2
    wanted = output_size if isinstance(output_size, (tuple, list)) else (output_size,) * axes
    if axes < 1 or len(wanted) != axes:
        raise ValueError(f"{name}: output_size {output_size} for x of shape {x.shape}; expected (N, C, *spatial)")
    sizes = tuple(n if k is None else k for n, k in zip(x.shape[2:], wanted, strict=True))
    if not all(isinstance(k, (int, np.integer)) and k > 0 < n for n, k in zip(x.shape[2:], sizes, strict=True)):
        raise ValueError(f"{name}: output_size {output_size} for x of shape {x.shape}; expected positive integers")
    return tuple(map(int, sizes))


def adaptive_avg_pool(x: Any, output_size: Any) -> Any:
    """The means of `output_size` windows along each spatial axis of x (N, C, *spatial): (N, C, *output_size).

    `output_size` is a number for all axes or one for each, None for an axis that stays as it is. ValueError for
    others than positive ones.

    >>> from pullback import Tensor
    >>> adaptive_avg_pool(Tensor([[[1.0, 2.0, 3.0]]]), 2)
    Tensor([[[1.5, 2.5]]])
    """
    x = lift(x)
    sizes = _sizes("adaptive_avg_pool", x, output_size)
    lengths = (np.subtract(*reversed(_windows(n, k))) for n, k in zip(x.shape[2:], sizes, strict=True))
    counts = functools.reduce(np.multiply.outer, lengths)
    return box_sum.apply(x, sizes=sizes) / counts.astype(x.dtype)


@adaptive_max_pool.public
def _(x: Any, output_size: Any, return_indices: bool = False) -> Any:
    x = lift(x)
    sizes = _sizes("adaptive_max_pool", x, output_size)
    if not return_indices:
        return adaptive_max_pool.apply(x, sizes=sizes)
    out, places = adaptive_max_pool.watched(x, sizes=sizes)
    return out, wrap(places) if isinstance(out, Tensor) else places


def _draw(draw: Any) -> tuple[Any, ...]:
    axes = range(draw.integer(1, 2))
    spatial, sizes = (tuple(draw.integer(1, 4) for _ in axes) for _ in range(2))
    return (draw.integer(0, 2), draw.integer(1, 2)), spatial, sizes


@box_sum.strategy
def _(draw: Any) -> Any:
    lead, spatial, sizes = _draw(draw)
    return (draw.array(shape=(*lead, *spatial)),), {"sizes": sizes}


@box_spread.strategy
def _(draw: Any) -> Any:
    lead, spatial, sizes = _draw(draw)
    return (draw.array(shape=(*lead, *sizes)),), {"spatial_shape": spatial}


@adaptive_max_pool.strategy
def _(draw: Any) -> Any:
    lead, spatial, sizes = _draw(draw)
    return (draw.array(shape=(*lead, *spatial), distinct=True),), {"sizes": sizes}
