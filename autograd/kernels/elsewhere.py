"""What kernels do with arrays of other libraries (see runtime/libraries.py): no machine code, threads or pointers."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..runtime import memory, threads
from ..runtime.libraries import instead_of
from ..runtime.llvm import available
from . import conv_numpy, gemm, max_pool_numpy, sums, window_choices
from .geometry import Geometry, padded, windows

__all__: list[str] = []


@instead_of(memory.empty)
def _empty(shape: tuple[int, ...], dtype: Any) -> Any:
    return np.empty(shape, dtype)


@instead_of(available, gemm.worth)
def _never(*arrays: Any) -> bool:
    return False


@instead_of(threads.parallel_for)
def _one_after_another(body: Callable[[Any], Any], parts: Sequence[Any], size: float = math.inf) -> None:
    for part in parts:
        body(part)


@instead_of(threads.one_blas_thread)
def _called(work: Callable[[], Any]) -> Any:
    return work()


@instead_of(sums.totals)
def _totals(x: Any, axis: Any, keepdims: bool = False) -> Any:
    add: Any = np.add
    return add.reduce(x.astype(np.float32) if x.dtype == np.float16 else x, axis=axis, keepdims=keepdims)


@instead_of(sums.summed)
def _summed(x: Any, axis: Any, keepdims: bool = False) -> Any:
    add: Any = np.add
    return add.reduce(x, axis=axis, keepdims=keepdims)


@instead_of(sums.added)
def _added(x: Any, axis: int) -> Any:
    return np.add.reduce(x, axis=axis)


@instead_of(windows)
def _windows(x: Any, geo: Geometry, rows: slice = slice(None)) -> Any:
    x = np.ascontiguousarray(x)
    first, last, _ = rows.indices(geo.out[0])
    batch, channel, *steps = x.strides
    within = (step * d for step, d in zip(steps, geo.dilation, strict=True))
    between = (step * s for step, s in zip(steps, geo.stride, strict=True))
    shape = (*x.shape[:2], *geo.kernel, last - first, *geo.out[1:])
    return np.lib.stride_tricks.as_strided(x[:, :, first * geo.stride[0] :], shape, (batch, channel, *within, *between))


def _columns(x: Any, geo: Geometry, groups: int) -> Any:
    """im2col(X) by groups: (N, groups, C/groups * prod(kernel), prod(out))."""
    depth = x.shape[1] // groups * math.prod(geo.kernel)
    return windows(padded(x, geo.padding), geo).reshape(len(x), groups, depth, math.prod(geo.out))


@instead_of(conv_numpy.conv)
def _conv(x: Any, w: Any, b: Any, geo: Geometry, groups: int) -> Any:
    matrix = w.reshape(groups, w.shape[0] // groups, math.prod(w.shape[1:]))
    y = np.matmul(matrix, _columns(x, geo, groups)).reshape(len(x), len(w), *geo.out)
    return y if b is None else y + b.reshape(-1, *(1,) * len(geo.out))


@instead_of(conv_numpy.conv_weight)
def _conv_weight(x: Any, y: Any, geo: Geometry, groups: int) -> Any:
    y = y.reshape(len(y), groups, y.shape[1] // groups, math.prod(geo.out))
    w = np.add.reduce(np.matmul(y, _columns(x, geo, groups).mT), axis=0)
    return w.reshape(w.shape[0] * w.shape[1], x.shape[1] // groups, *geo.kernel)


@instead_of(max_pool_numpy.max_pool)
def _max_pool(x: Any, geo: Geometry) -> tuple[Any, Any]:
    least = -np.inf if x.dtype.kind in "fc" else np.iinfo(x.dtype).min
    spans = ((count - 1) * s + e for count, s, e in zip(geo.out, geo.stride, geo.extent, strict=True))
    padding = tuple(  # with what a last window of `ceil_mode` takes beyond
        (before, max(after, span - n - before))
        for span, n, (before, after) in zip(spans, geo.spatial, geo.padding, strict=True)
    )
    surrounded = any(map(any, padding))
    if surrounded:
        x = padded(x, padding, lambda shape, dtype: np.full(shape, least, dtype))
    entries = windows(x, geo).reshape(*x.shape[:2], math.prod(geo.kernel), *geo.out)
    out, choice = np.max(entries, axis=2), np.argmax(entries, axis=2)
    if surrounded:
        choice = np.where(out == least, window_choices.first_inside(geo), choice)
    return out, choice


@instead_of(window_choices.check_choice, window_choices.as_places)
def _unasked(*arguments: Any) -> Any:
    """What a choice names is not looked at, which would be to wait; indices that CuPy takes are never out of memory."""
    return arguments[0]
