"""Pooling: a window's maximum or mean, and the way back.

max_pool is im2col and then a selection matrix with a single 1 per window; which one is the auxiliary output `choice`,
the number of an offset inside the kernel. `window_select` and `window_place` are that matrix and its transpose.
max_unpool is the transpose, too, for positions that are flat over the spatial shape, as users have them.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from ..core.batching import computed, folded
from ..core.conversion import lift, values_of
from ..core.forms import MaxPool, OfChoices, OfTwo, OfWindows
from ..core.half_precision import by_single
from ..core.primitive import Primitive, linear, primitive
from ..core.tensor import Tensor, wrap
from ..core.tracing import bottom
from ..core.types import ArrayLike, Padding, PerAxis, Shape
from ..kernels import avg_pool_numpy, box_windows, max_pool_native, max_pool_numpy
from ..kernels.geometry import Geometry, agree, geometry
from ..kernels.window_choices import check_choice, positions_of
from .im2col import draw_geometry

__all__ = [
    "avg_pool", "flat_take", "max_pool", "max_unpool", "window_place", "window_select", "window_spread", "window_sum",
]  # fmt: skip


def _choosing(x: Any) -> Any:
    """What max-pools arrays like x: machine code, or NumPy."""
    return max_pool_native if max_pool_native.available(x) else max_pool_numpy


def _adding(x: Any) -> Any:
    """What adds windows of arrays like x: machine code, or NumPy."""
    return box_windows if box_windows.available(x) else avg_pool_numpy


@primitive(aux=["choice"])
def max_pool(x: Any, *, geo: Geometry) -> Any:
    """The largest entry of each window of x (N, C, *spatial); where several tie, the first one gets the cotangent.

    `stride` is the kernel's size if None; `ceil_mode` keeps a last window that is not whole; padding is never
    the largest. With `return_indices` also the positions of the largest, flat over the spatial shape, which
    `max_unpool` takes. ValueError for padding of more than half a window.

    >>> from pullback import Tensor
    >>> max_pool(Tensor([[[1.0, 3.0, 2.0, 0.0]]]), 2)
    Tensor([[[3., 2.]]])
    """
    agree("max_pool", geo, x.shape)
    return _choosing(x).max_pool(x, geo)


@max_pool.vjp("x")
def _(g: Any, choice: Any, geo: Geometry) -> Any:
    return window_place.apply(g, choice, geo=geo)


@primitive
def window_place(y: Any, choice: Any, *, geo: Geometry) -> Any:
    """Add each entry of y (N, C, *out) to zeros (N, C, *spatial), at the place in its window that `choice` names."""
    check_choice("window_place", y.shape, choice, geo)
    return _choosing(y).window_place(y, choice, geo)


@primitive
def window_select(x: Any, choice: Any, *, geo: Geometry) -> Any:
    """The entry of each window of x (N, C, *spatial) that `choice` names: (N, C, *out)."""
    agree("window_select", geo, x.shape)
    check_choice("window_select", (*x.shape[:2], *geo.out), choice, geo)
    return max_pool_numpy.window_select(x, choice, geo)


window_place.vjp("y", "linear")(lambda g, choice, geo: window_select.apply(g, choice, geo=geo))
window_select.vjp("x", "linear")(lambda g, choice, geo: window_place.apply(g, choice, geo=geo))


def pooling_geometry(
    name: str,
    x: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
) -> Geometry:
    """The geometry of the windows with these settings, as users give them; ValueError if there are none."""
    if x.ndim < 3:
        raise ValueError(f"{name}: x of shape {x.shape}; expected (N, C, *spatial)")
    stride = kernel_size if stride is None else stride
    geo = geometry(name, x.shape[2:], kernel_size, stride, padding, dilation, ceil_mode)
    if _beside(geo):
        raise ValueError(f"{name}: padding {padding} is more than half of a window of {geo.extent}")
    return geo


@functools.lru_cache(256)
def _beside(geo: Geometry) -> bool:
    """Whether padding is more than half of a window, so that one may lie beside the input."""
    return any(2 * max(pair) > e for pair, e in zip(geo.padding, geo.extent, strict=True))


@max_pool.public
def _(
    x: ArrayLike,
    kernel_size: PerAxis,
    stride: PerAxis | None = None,
    padding: Padding = 0,
    dilation: PerAxis = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Tensor | tuple[Tensor, Tensor]:
    x = lift(x)
    geo = pooling_geometry("max_pool", x, kernel_size, stride, padding, dilation, ceil_mode)
    if not return_indices:
        return max_pool.apply(x, geo=geo)
    out, choice = max_pool.bind(x, geo=geo)
    if isinstance(choice, Tensor):
        return out, computed(positions_of, choice, geo)
    positions = positions_of(choice, geo)
    return out, wrap(positions) if isinstance(out, Tensor) else positions


max_pool_form: Primitive[MaxPool] = max_pool


@linear("x")
def window_sum(x: Any, *, geo: Geometry) -> Any:
    """The sum of each window of x (N, C, *spatial): (N, C, *out)."""
    agree("window_sum", geo, x.shape)
    return _adding(x).window_sum(x, geo)


@linear("y")
def window_spread(y: Any, *, geo: Geometry) -> Any:
    """The transpose of `window_sum`: each entry of y (N, C, *out) added to all of its window, (N, C, *spatial)."""
    agree("window_spread", geo, None, y.shape)
    return _adding(y).window_spread(y, geo)


window_sum.vjp("x")(lambda g, geo: window_spread.apply(g, geo=geo))
window_spread.vjp("y")(lambda g, geo: window_sum.apply(g, geo=geo))


@functools.lru_cache(256)
def _counts(geo: Geometry, padding: bool) -> Any:
    """How many entries each window has, those of padding included or not."""
    counts = []
    for n, k, s, (before, after), count in zip(*geo[:4], geo.out, strict=True):
        start = np.arange(count) * s - before
        low, high = (-before, n + after) if padding else (0, n)
        counts.append(np.minimum(start + k, high) - np.maximum(start, low))
    return functools.reduce(np.multiply, np.ix_(*counts))


@by_single
def avg_pool(
    x: ArrayLike,
    kernel_size: PerAxis,
    stride: PerAxis | None = None,
    padding: Padding = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: float | None = None,
) -> Tensor:
    """The mean of each window of x (N, C, *spatial): im2col, then a product with a row of 1/k.

    `stride` is the kernel's size if None; `ceil_mode` keeps a last window that is not whole. The divisor is
    `divisor_override`, or else counts padding unless `count_include_pad` is False, but never what `ceil_mode` adds.
    ValueError for padding of more than half a window, and for a divisor of 0.

    >>> from pullback import Tensor
    >>> avg_pool(Tensor([[[1.0, 3.0, 2.0, 0.0]]]), 2)
    Tensor([[[2., 1.]]])
    """
    x = lift(x)
    geo = pooling_geometry("avg_pool", x, kernel_size, stride, padding, 1, ceil_mode)
    if divisor_override is not None and not divisor_override:
        raise ValueError("avg_pool: divisor_override is 0")
    total = window_sum.apply(x, geo=geo)
    return total / (_counts(geo, count_include_pad).astype(x.dtype) if divisor_override is None else divisor_override)


@linear("y")
def max_unpool(y: Any, indices: Any, *, spatial_shape: tuple[int, ...]) -> Any:
    """Zeros of (N, C, *spatial_shape) with y (N, C, *out) added at `indices`, flat over the spatial shape.

    The indices are those of `max_pool(..., return_indices=True)`; where one is named twice both values add.
    ValueError where shapes do not agree or an index is out of range.

    >>> from pullback import Tensor
    >>> max_unpool(Tensor([[[3.0, 2.0]]]), [[[1, 2]]], 4)
    Tensor([[[0., 3., 2., 0.]]])
    """
    if y.ndim < 2 or indices.shape != y.shape or not isinstance(spatial_shape, tuple):
        raise ValueError(f"max_unpool: y of shape {y.shape}, indices of {indices.shape}, spatial shape {spatial_shape}")
    return _choosing(y).flat_place(y, indices, spatial_shape)


@linear("x")
def flat_take(x: Any, indices: Any) -> Any:
    """The entries of x (N, C, *spatial) at `indices` (N, C, *out), flat over the spatial shape."""
    if x.ndim < 2 or indices.ndim < 2 or indices.shape[:2] != x.shape[:2]:
        raise ValueError(f"flat_take: x of shape {x.shape}, indices of {indices.shape}; expected the same (N, C)")
    return _choosing(x).flat_take(x, indices)


for _pooling in (max_pool, window_place, window_select, window_sum, window_spread, max_unpool, flat_take):
    _pooling.batch(folded)
max_unpool.vjp("y")(lambda g, indices: flat_take.apply(g, indices))
flat_take.vjp("x")(lambda g, x_shape, indices: max_unpool.apply(g, indices, spatial_shape=x_shape[2:]))


@max_unpool.public
def max_unpool_form(y: ArrayLike, indices: ArrayLike, spatial_shape: Shape) -> Tensor:
    y, indices = lift(y), lift(indices)
    shape = (spatial_shape,) if isinstance(spatial_shape, (int, np.integer)) else spatial_shape
    spatial = tuple(map(int, shape))
    if y.ndim < 3 or indices.shape != y.shape or len(spatial) != y.ndim - 2:
        raise ValueError(f"max_unpool: y of shape {y.shape}, indices of {indices.shape}, spatial shape {spatial}")
    places, values = values_of(indices), bottom(indices)
    if places.dtype.kind not in "iu":
        raise TypeError(f"max_unpool: indices of dtype {places.dtype} are not integers")
    if values.size and not (values.min() >= 0 and values.max() < math.prod(spatial)):
        raise ValueError(
            f"max_unpool: indices from {values.min()} to {values.max()} do not fit spatial shape {spatial}"
        )
    return max_unpool.apply(y, places, spatial_shape=spatial)


def _draw_input(draw: Any, distinct: bool = False) -> Any:
    geo = draw_geometry(draw, draw.integer(1, 2), pooling=True)
    return draw.array(shape=(draw.integer(0, 2), draw.integer(1, 2), *geo.spatial), distinct=distinct), geo


def _draw_choice(draw: Any) -> Any:
    x, geo = _draw_input(draw, distinct=True)
    return x, max_pool.function(x, geo=geo)[1], geo


@max_pool.strategy
def _(draw: Any) -> Any:
    x, geo = _draw_input(draw, distinct=True)
    return (x,), {"geo": geo}


@window_select.strategy
def _(draw: Any) -> Any:
    x, choice, geo = _draw_choice(draw)
    return (x, choice), {"geo": geo}


@window_place.strategy
def _(draw: Any) -> Any:
    _, choice, geo = _draw_choice(draw)
    return (draw.array(shape=choice.shape), choice), {"geo": geo}


@window_sum.strategy
def _(draw: Any) -> Any:
    x, geo = _draw_input(draw)
    return (x,), {"geo": geo}


@window_spread.strategy
def _(draw: Any) -> Any:
    x, geo = _draw_input(draw)
    return (draw.array(shape=(*x.shape[:2], *geo.out)),), {"geo": geo}


def _draw_indices(draw: Any) -> Any:
    spatial = draw.shape(min_dims=1, max_dims=2, min_side=1)
    shape = (draw.integer(0, 2), draw.integer(1, 2), *(draw.integer(1, 3) for _ in spatial))
    return spatial, draw.integers(shape, 0, math.prod(spatial) - 1)


@max_unpool.strategy
def _(draw: Any) -> Any:
    spatial, indices = _draw_indices(draw)
    return (draw.array(shape=indices.shape), indices), {"spatial_shape": spatial}


@flat_take.strategy
def _(draw: Any) -> Any:
    spatial, indices = _draw_indices(draw)
    return (draw.array(shape=(*indices.shape[:2], *spatial)), indices), {}


window_sum_form: Primitive[OfWindows] = window_sum
window_spread_form: Primitive[OfWindows] = window_spread
window_select_form: Primitive[OfChoices] = window_select
window_place_form: Primitive[OfChoices] = window_place
flat_take_form: Primitive[OfTwo] = flat_take
