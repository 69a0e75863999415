"""Adaptive pooling: as many windows as are asked for, of lengths that differ by one where they must.

The i-th of k windows over n entries is from floor(i n / k) to ceil((i + 1) n / k), as in PyTorch. A window is a box, so
that its sum, and its largest entry, are those of sums and largest entries along one axis after the other.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from ..core.batching import folded
from ..core.conversion import known, lift
from ..core.forms import AdaptiveMaxPool, BoxSum
from ..core.half_precision import by_single
from ..core.primitive import Primitive, linear, primitive
from ..core.tensor import Tensor, wrap
from ..core.types import ArrayLike, OutputSize
from ..kernels import adaptive_windows
from ..kernels.sums import summed
from .pooling import max_unpool

__all__ = ["adaptive_avg_pool", "adaptive_max_pool", "box_sum"]


@functools.lru_cache(256)
def _agree(name: str, shape: tuple[int, ...], sizes: tuple[int, ...]) -> None:
    """Check that there are entries, and windows along each spatial axis."""
    fits = isinstance(sizes, tuple) and len(shape) == len(sizes) + 2 > 2 and all(n > 0 for n in shape[2:])
    if not fits or not all(isinstance(k, (int, np.integer)) and k > 0 for k in sizes):
        raise ValueError(f"{name}: sizes {sizes} for x of shape {shape}; expected (N, C, *spatial)")


@linear("x")
def box_sum(x: Any, *, sizes: tuple[int, ...]) -> Any:
    """The sums of `sizes` windows along each spatial axis of x (N, C, *spatial).

    The j-th of n entries is in those of k windows that are the j-th of n windows over k entries: from floor(j k / n) to
    ceil((j + 1) k / n). So the transpose is an operation of the same kind.
    """
    _agree("box_sum", x.shape, sizes)
    if set(sizes) == {1}:
        return summed(x, (*range(2, x.ndim),), keepdims=True)
    return adaptive_windows.box_sum(x, sizes)


box_sum.vjp("x")(lambda g, x_shape: box_sum.apply(g, sizes=x_shape[2:]))
box_sum.batch(folded)


@primitive(aux=["places"])
def adaptive_max_pool(x: Any, *, sizes: tuple[int, ...]) -> Any:
    """The largest entries of `output_size` windows along each spatial axis of x (N, C, *spatial).

    Arguments and errors as for `adaptive_avg_pool`; with `return_indices` also the positions of the largest, flat over
    the spatial shape, as `max_pool` has them.

    >>> from pullback import Tensor
    >>> adaptive_max_pool(Tensor([[[1.0, 3.0, 2.0]]]), 2)
    Tensor([[[3., 3.]]])
    """
    _agree("adaptive_max_pool", x.shape, sizes)
    return adaptive_windows.box_largest(x, sizes)


adaptive_max_pool.vjp("x")(lambda g, places, x_shape: max_unpool.apply(g, places, spatial_shape=x_shape[2:]))
adaptive_max_pool.batch(folded)


def _sizes(name: str, x: Any, output_size: Any) -> tuple[int, ...]:
    """How many windows along each spatial axis."""
    axes = x.ndim - 2
    output_size = known(output_size)
    wanted = output_size if np.ndim(output_size) else (output_size,) * axes
    if axes < 1 or len(wanted) != axes:
        raise ValueError(f"{name}: output_size {output_size} for x of shape {x.shape}; expected (N, C, *spatial)")
    sizes = tuple(n if k is None else k for n, k in zip(x.shape[2:], wanted, strict=True))
    if not all(isinstance(k, (int, np.integer)) and k > 0 < n for n, k in zip(x.shape[2:], sizes, strict=True)):
        raise ValueError(f"{name}: output_size {output_size} for x of shape {x.shape}; expected positive integers")
    return tuple(map(int, sizes))


@by_single
def adaptive_avg_pool(x: ArrayLike, output_size: OutputSize) -> Tensor:
    """The means of `output_size` windows along each spatial axis of x (N, C, *spatial): (N, C, *output_size).

    `output_size` is a number for all axes or one for each, None for an axis that stays as it is. ValueError for
    others than positive ones.

    >>> from pullback import Tensor
    >>> adaptive_avg_pool(Tensor([[[1.0, 2.0, 3.0]]]), 2)
    Tensor([[[1.5, 2.5]]])
    """
    x = lift(x)
    sizes = _sizes("adaptive_avg_pool", x, output_size)
    return box_sum.apply(x, sizes=sizes) / adaptive_windows.counts(x.shape[2:], sizes).astype(x.dtype)


@adaptive_max_pool.public
def _(x: ArrayLike, output_size: OutputSize, return_indices: bool = False) -> Tensor | tuple[Tensor, Tensor]:
    x = lift(x)
    sizes = _sizes("adaptive_max_pool", x, output_size)
    if not return_indices:
        return adaptive_max_pool.apply(x, sizes=sizes)
    out, places = adaptive_max_pool.bind(x, sizes=sizes)
    return out, wrap(places) if isinstance(out, Tensor) and not isinstance(places, Tensor) else places


adaptive_max_pool_form: Primitive[AdaptiveMaxPool] = adaptive_max_pool


def _draw(draw: Any) -> tuple[Any, ...]:
    axes = range(draw.integer(1, 2))
    spatial, sizes = (tuple(draw.integer(1, 4) for _ in axes) for _ in range(2))
    return (draw.integer(0, 2), draw.integer(1, 2)), spatial, sizes


@box_sum.strategy
def _(draw: Any) -> Any:
    lead, spatial, sizes = _draw(draw)
    return (draw.array(shape=(*lead, *spatial)),), {"sizes": sizes}


@adaptive_max_pool.strategy
def _(draw: Any) -> Any:
    lead, spatial, sizes = _draw(draw)
    return (draw.array(shape=(*lead, *spatial), distinct=True),), {"sizes": sizes}


box_sum_form: Primitive[BoxSum] = box_sum
