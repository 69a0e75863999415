"""Pooling: a window's maximum or mean, and the way back.

max_pool is im2col and then a selection matrix with a single 1 per window; which one is the residual `choice`,
the number of an offset inside the kernel. `window_select` and `window_place` are that matrix and its transpose.
max_unpool is the transpose too, for positions in the form in which users hold them.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from ..core.batching import computed, folded
from ..core.half_precision import by_single
from ..core.primitive import linear, primitive
from ..core.tensor import Tensor, lift, values_of, wrap
from ..core.tracing import bottom
from ..kernels import box_windows, max_pool_native
from ..kernels.geometry import Geometry, agree, geometry, sample_blocks, taps
from ..runtime import memory
from ..runtime.llvm import available
from ..runtime.threads import each
from .im2col import draw_geometry

__all__ = [
    "avg_pool", "flat_take", "max_pool", "max_unpool", "window_place", "window_select", "window_spread", "window_sum",
]  # fmt: skip

_APART = 4  # the stride up to which windows are read side by side; those farther apart are gathered


def _number(offset: tuple[int, ...], geo: Geometry) -> int:
    return int(np.ravel_multi_index(offset, geo.kernel))


@primitive(residuals=["choice"])
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
    shape, firsts = (*x.shape[:2], *geo.out), _first_inside(geo)
    if available(x) and (geo.stride[-1] > _APART or firsts.dtype != np.uint8) and not _empty(geo):
        out, places = box_windows.box_largest(x, geo.out, box_windows.strided(geo, rows_first=True))
        return out, _numbers(places, geo).astype(firsts.dtype)
    out, choice = memory.empty(shape, x.dtype), memory.empty(shape, firsts.dtype)
    if available(x) and choice.dtype == np.uint8:
        max_pool_native.max_pool(x, out, choice, firsts, geo)
        return out, choice
    out[:] = -np.inf if x.dtype.kind in "fc" else np.iinfo(x.dtype).min
    choice[:] = firsts

    def fill(samples: slice) -> None:
        for offset, inside, met in taps(geo):
            entry, best = np.ascontiguousarray(x[samples][inside]), out[samples][met]
            better = ~(entry <= best) & (best == best)  # NaN is larger than all, and the first one stays
            number = np.multiply(better, _number(offset, geo), dtype=choice.dtype)  # they rise from tap to tap
            np.maximum(choice[samples][met], number, out=choice[samples][met])
            np.maximum(best, entry, out=best)

    each(fill, sample_blocks(len(x), x[:1].nbytes))
    return out, choice


@functools.lru_cache(256)
def _first_inside(geo: Geometry) -> Any:
    """For each window the number of its first offset that is not padding."""
    firsts = (
        np.minimum(-(-np.maximum(0, before - np.arange(count) * s) // d), k - 1)
        for k, (before, _), count, s, d in zip(geo.kernel, geo.padding, geo.out, geo.stride, geo.dilation, strict=True)
    )
    return np.ravel_multi_index(np.ix_(*firsts), geo.kernel).astype(np.min_scalar_type(math.prod(geo.kernel)))


@functools.lru_cache(256)
def _empty(geo: Geometry) -> bool:
    """Whether there are windows with nothing but padding."""
    return not all(np.bincount(axis.windows, minlength=axis.k).all() for axis in box_windows.along(geo))


@max_pool.vjp("x")
def _(g: Any, choice: Any, geo: Geometry) -> Any:
    return window_place.apply(g, choice, geo=geo)


@primitive
def window_place(y: Any, choice: Any, *, geo: Geometry) -> Any:
    """Put each entry of y (N, C, *out) where in its window `choice` says, adding what meets: (N, C, *spatial)."""
    _check_choice("window_place", y, choice, geo)
    if available(y) and not _empty(geo):
        if choice.dtype == np.uint8:
            return max_pool_native.window_place(y, choice, geo, *_steps(geo))
        return max_pool_native.flat_place(y, _positions(choice, geo), geo.spatial)
    tiled = (
        geo.extent == geo.kernel == geo.stride
        and geo.spatial == tuple(np.multiply(geo.kernel, geo.out))
        and not any(map(any, geo.padding))
    )
    x = memory.empty((*y.shape[:2], *geo.spatial), y.dtype)

    def fill(samples: slice) -> None:
        if not tiled:
            x[samples] = 0
        for offset, inside, met in taps(geo):
            part, chosen = y[samples][met], choice[samples][met] == _number(offset, geo)
            if tiled:
                np.multiply(part, chosen, out=x[samples][inside])
            else:
                x[samples][inside] += part * chosen

    each(fill, sample_blocks(len(x), x[:1].nbytes))
    return x


@primitive
def window_select(x: Any, choice: Any, *, geo: Geometry) -> Any:
    """The entry of each window of x (N, C, *spatial) that `choice` names: (N, C, *out)."""
    agree("window_select", geo, x.shape)
    y = np.zeros((*x.shape[:2], *geo.out), x.dtype)
    _check_choice("window_select", y, choice, geo)

    def fill(samples: slice) -> None:
        for offset, inside, met in taps(geo):
            chosen = choice[samples][met] == _number(offset, geo)
            np.copyto(y[samples][met], x[samples][inside], where=chosen)

    each(fill, sample_blocks(len(x), x[:1].nbytes))
    return y


window_place.vjp("y", "linear")(lambda g, choice, geo: window_select.apply(g, choice, geo=geo))
window_select.vjp("x", "linear")(lambda g, choice, geo: window_place.apply(g, choice, geo=geo))


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


def _check_choice(name: str, y: Any, choice: Any, geo: Geometry) -> None:
    """Check that `choice` names for each entry of y (N, C, *out) an entry of its window, and none of padding unless
    there are windows of nothing else."""
    agree(name, geo, None, y.shape, choice.shape)
    if choice.dtype.kind not in "iu":
        raise TypeError(f"{name}: a choice of dtype {choice.dtype} is not of integers")
    if not choice.size:
        return
    if np.iinfo(choice.dtype).max < math.prod(geo.kernel):
        choice = choice.astype(np.int64)
    inside = choice.max() < math.prod(geo.kernel) and choice.min() >= 0
    if inside and not _empty(geo):
        for where, inner, low, high in _borders(geo):
            numbers = choice[where] // inner % geo.kernel[-len(low.shape)]
            inside = inside and bool(((numbers >= low) & (numbers <= high)).all())
    if not inside:
        raise IndexError(f"{name}: choice names entries that windows of {geo.kernel} do not have in {geo.spatial}")


@functools.lru_cache(256)
def _steps(geo: Geometry) -> tuple[Any, Any]:
    """Where windows start, flat over the spatial shape, and the steps from there on to their entries."""
    steps = [math.prod(geo.spatial[axis + 1 :]) for axis in range(len(geo.spatial))]
    starts = (
        step * (np.arange(count) * s - before)
        for step, s, (before, _), count in zip(steps, geo.stride, geo.padding, geo.out, strict=True)
    )
    offsets = (step * d * np.arange(k) for step, d, k in zip(steps, geo.dilation, geo.kernel, strict=True))
    return _grid_sum(starts), _grid_sum(offsets).reshape(-1)


def _positions(choice: Any, geo: Geometry) -> Any:
    """What `choice` names, as positions flat over the spatial shape."""
    starts, steps = _steps(geo)
    positions = steps.take(choice)
    positions += starts
    return positions


def _numbers(positions: Any, geo: Geometry) -> Any:
    """The inverse of `_positions`."""
    numbers, axes = 0, len(geo.spatial)
    for axis, places in enumerate(np.unravel_index(positions, geo.spatial)):
        starts = np.arange(geo.out[axis]) * geo.stride[axis] - geo.padding[axis][0]
        offsets = places - starts.reshape(-1, *(1,) * (axes - 1 - axis))
        numbers = numbers * geo.kernel[axis] + offsets // geo.dilation[axis]
    return numbers


def _grid_sum(parts: Any) -> Any:
    """The sums of all entries of one array with all of the next and so on, an axis for each."""
    return functools.reduce(np.add, np.ix_(*parts))


def pooling_geometry(
    name: str,
    x: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
) -> Geometry:
    """The windows that the settings, as users give them, mean; ValueError if there are none."""
    if x.ndim < 3:
        raise ValueError(f"{name}: x of shape {x.shape}; expected (N, C, *spatial)")
    stride = kernel_size if stride is None else stride
    geo = geometry(name, x.shape[2:], kernel_size, stride, padding, dilation, ceil_mode)
    if any(2 * max(pair) > e for pair, e in zip(geo.padding, geo.extent, strict=True)):
        raise ValueError(f"{name}: padding {padding} is more than half of a window of {geo.extent}")
    return geo


@max_pool.public
def _(
    x: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    x = lift(x)
    geo = pooling_geometry("max_pool", x, kernel_size, stride, padding, dilation, ceil_mode)
    if not return_indices:
        return max_pool.apply(x, geo=geo)
    out, choice = max_pool.bind(x, geo=geo)
    if isinstance(choice, Tensor):
        return out, computed(_positions, choice, geo)
    positions = _positions(choice, geo)
    return out, wrap(positions) if isinstance(out, Tensor) else positions


@linear("x")
def window_sum(x: Any, *, geo: Geometry) -> Any:
    """The sum of each window of x (N, C, *spatial): (N, C, *out)."""
    agree("window_sum", geo, x.shape)
    if available(x):
        return box_windows.box_sum(x, geo.out, box_windows.strided(geo))
    for axis in range(len(geo.out)):  # one after the other, with fewer terms in each sum
        x = _sum_along(x, geo, axis)
    return x


def _sum_along(x: Any, geo: Geometry, axis: int) -> Any:
    """The sum of each window along one axis."""
    n = x.ndim - 2
    spatial, plain = x.shape[2:], ((1,) * n, (1,) * n, ((0, 0),) * n, (1,) * n, x.shape[2:])
    settings = (p[:axis] + given[axis : axis + 1] + p[axis + 1 :] for p, given in zip(plain, geo[1:], strict=True))
    line = Geometry(spatial, *settings)
    y = np.zeros((*x.shape[:2], *line.out), x.dtype)

    def fill(samples: slice) -> None:
        for _, inside, met in taps(line):
            y[samples][met] += x[samples][inside]

    each(fill, sample_blocks(len(x), x[:1].nbytes))
    return y


@linear("y")
def window_spread(y: Any, *, geo: Geometry) -> Any:
    """Each entry of y (N, C, *out) added to all entries of its window: (N, C, *spatial), as `window_sum` had it."""
    agree("window_spread", geo, None, y.shape)
    if available(y):
        return box_windows.box_sum(y, geo.spatial, box_windows.strided(geo, back=True))
    x = np.zeros((*y.shape[:2], *geo.spatial), y.dtype)

    def fill(samples: slice) -> None:
        for _, inside, met in taps(geo):
            x[samples][inside] += y[samples][met]

    each(fill, sample_blocks(len(x), x[:1].nbytes))
    return x


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
    x: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: float | None = None,
) -> Any:
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
    n, size = y.shape[0] * y.shape[1], math.prod(spatial_shape)
    if available(y):
        return max_pool_native.flat_place(y, indices, spatial_shape)
    indices = max_pool_native.inside(indices, size)
    out = np.zeros(n * size, y.dtype)
    places = np.arange(n)[:, None] * size + indices.reshape(n, math.prod(indices.shape[2:]))
    np.add.at(out, places.reshape(-1), y.reshape(-1))
    return out.reshape(*y.shape[:2], *spatial_shape)


@linear("x")
def flat_take(x: Any, indices: Any) -> Any:
    """The entries of x (N, C, *spatial) at `indices` (N, C, *out), flat over the spatial shape."""
    if x.ndim < 2 or indices.ndim < 2 or indices.shape[:2] != x.shape[:2]:
        raise ValueError(f"flat_take: x of shape {x.shape}, indices of {indices.shape}; expected the same (N, C)")
    if available(x) and indices.size:
        return max_pool_native.flat_take(x, indices)
    indices = max_pool_native.inside(indices, math.prod(x.shape[2:]))
    return _flat(x)[_flat_index(indices)].reshape(indices.shape)


def _flat(x: Any) -> Any:
    return x.reshape(*x.shape[:2], math.prod(x.shape[2:]))


def _flat_index(indices: Any) -> Any:
    n, c = indices.shape[:2]
    return np.arange(n)[:, None, None], np.arange(c)[:, None], _flat(indices)


for _pooling in (max_pool, window_place, window_select, window_sum, window_spread, max_unpool, flat_take):
    _pooling.batch(folded)
max_unpool.vjp("y")(lambda g, indices: flat_take.apply(g, indices))
flat_take.vjp("x")(lambda g, x_shape, indices: max_unpool.apply(g, indices, spatial_shape=x_shape[2:]))


@max_unpool.public
def _(y: Any, indices: Any, spatial_shape: Any) -> Any:
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
