"""Fast sums: memory-bound for large arrays, low overhead for small ones; errors hardly grow with the number of terms.

NumPy adds pairwise along a contiguous axis (before 2.3, a buffer at a time), and one by one along others, where errors
grow with the number of terms. Here a chain has a few dozen terms, and the sums of chains are added up in the same way,
in the end as float64.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np
from numpy import ndarray

from ..runtime import launch, memory
from ..runtime.arguments import natural, positive, reads, writes
from ..runtime.llvm import IRValue, KernelBuilder, available, kernel, lanes
from ..runtime.threads import WORTH, one_blas_thread, parallel_for

__all__ = ["SMALL", "added", "rounded", "summed", "totals"]

SMALL = 1 << 13  # entries of products for which BLAS uses one thread
HALF = np.dtypes.Float16DType  # in any order of bytes
_ONES = {np.dtype(t): np.ones(SMALL, t) for t in "fdFD"}

_add: Any = np.add.reduce
_FEW = 1 << 10  # numbers that are not worth a second call
_BUFFER = 1 << 13  # numbers that NumPy adds pairwise; before 2.3, it adds the sums of more one after another
_LEAST = 1 << 16  # numbers for which machine code pays
_ROW = 1 << 6  # numbers to be added to one, for which machine code pays
_STRETCH = (
    1 << 5
)  # numbers that an entry of several vectors adds up, of stretches of a row whose sums are added pairwise
_MANY = 8  # parts, for threads to share
_PART = 1 << 14  # numbers, about
_WIDTH = 4  # vectors that are added at once
_ROWS, _CHAIN = 1 << 7, 1 << 5  # rows that are added one after another, if there are no others, and else
_FEW_ROWS, _STRIP = 1 << 3, 1 << 10  # rows and columns at a time in machine code
_WIDE = 1 << 7  # numbers in a row for which a call of an inner loop pays
_ROWS_OF_ONES = {dtype: [ones[:n] for n in range(_ROWS + 1)] for dtype, ones in _ONES.items()}


def summed(x: Any, axis: Any, keepdims: bool = False) -> Any:
    """As `numpy.add.reduce`, for `axis` None or a tuple of numbers that are not negative."""
    few, all_of_it = x.size < _FEW, axis is None or len(axis) == x.ndim  # as in `totals`, with less about it
    if (few or (all_of_it and x.size < _LEAST and x.flags.c_contiguous)) and x.dtype.__class__ is not HALF:
        return _add(x, axis=axis, keepdims=keepdims)
    y = totals(x, axis, keepdims)
    return y if y.dtype is x.dtype else rounded(y, x.dtype)


def rounded(y: Any, dtype: Any) -> Any:
    """A result made of `totals`, rounded to the dtype of the numbers that were summed; that of integers as it is."""
    return y if y.dtype == dtype or dtype.kind not in "fc" else y.astype(dtype.newbyteorder("="))


def totals(x: Any, axis: Any, keepdims: bool = False) -> Any:
    """As `summed`, but not rounded to the dtype of x where it has more digits."""
    if x.dtype.__class__ is HALF:
        x = x.astype(np.float32)
    if x.size < _FEW or x.__class__ is not ndarray or (x.dtype not in _ONES and x.dtype.kind not in "fc"):
        return _add(x, axis=axis, keepdims=keepdims)
    if x.dtype not in _ONES:
        x = x.astype(np.promote_types(x.dtype, np.float32), copy=False)  # of numbers in the other order of bytes
    axes = range(x.ndim) if axis is None else axis
    first, count, flat = min(axes, default=0), len(axes), x.flags.c_contiguous
    if flat and x.size < _LEAST and first + count == x.ndim:
        return _add(x, axis=axis, keepdims=keepdims)
    if flat and max(axes, default=0) - first == count - 1:
        small = x.ndim == 2 and axes == (0,) and x.size <= SMALL and len(x) <= _ROWS and x.dtype in _ONES
        y = added(x, 0) if small else _along(x, first, count)
        return y.reshape([1 if i in axes else n for i, n in enumerate(x.shape)]) if keepdims else y
    order, back, runs = _runs(x.shape, None if flat else x.strides, tuple(axes))
    if not runs:
        return _add(x, axis=axis, keepdims=keepdims)
    y = x if flat else x.transpose(order)
    for first, last in runs:
        y = _along(y, first, last - first).reshape(*y.shape[:first], *(1,) * (last - first), *y.shape[last:])
    y = y if flat else y.transpose(back)
    return y if keepdims else y.reshape([n for i, n in enumerate(x.shape) if i not in axes])[()]


@functools.lru_cache(1024)
def _runs(
    shape: tuple[int, ...], strides: tuple[int, ...] | None, axes: tuple[int, ...]
) -> tuple[list[int], list[int], list[tuple[int, int]]]:
    """The order of all axes in memory (the order given, without strides), the order back, and where in it runs of axes
    that can be taken as one begin and end, the longest first."""
    steps = strides or [math.prod(shape[i + 1 :]) for i in range(len(shape))]
    order = sorted(range(len(shape)), key=lambda i: -abs(steps[i])) if strides else [*range(len(shape))]
    runs: dict[int, tuple[int, int]] = {}
    for at, i in enumerate(order):
        if i in axes:
            joined = at - 1 in runs and steps[order[at - 1]] == steps[i] * shape[i]
            n, first = runs.pop(at - 1) if joined else (1, at)
            runs[at] = n * shape[i], first
    found = sorted(((n, first, last + 1) for last, (n, first) in runs.items() if n > 1), reverse=True)
    return order, [order.index(i) for i in range(len(shape))], [(first, last) for _, first, last in found]


def _along(x: Any, axis: int, axes: int) -> Any:
    """The sum along `axes` axes from `axis` on, which can be taken as one; float32 may come back as float64."""
    before, after = x.shape[:axis], x.shape[axis + axes :]
    n, inner, flat = math.prod(x.shape[axis : axis + axes]), math.prod(after), x.flags.c_contiguous
    if inner == 1:
        native = x.size >= _LEAST and n >= _ROW and flat and available(x)
        if not native and n <= _BUFFER:
            return _add(x, axis=(*range(axis, axis + axes),))
        sums = x.reshape(*before, n)
        sums = _stretches(sums) if native else sums
        while sums.shape[-1] > _BUFFER:
            sums = _buffers(sums)
        sums = sums[..., 0] if sums.shape[-1] == 1 else _add(sums, axis=-1)
        return sums.reshape((*before, *after))[()]
    if n <= _ROWS and x.size <= SMALL and flat and x.dtype in _ONES:
        return np.matmul(_ONES[x.dtype][:n], x.reshape(-1, n, inner)).reshape((*before, *after))
    x, most = x.reshape(*before, n, *after), _CHAIN if n > _ROWS else n
    fast = flat and x.size >= _LEAST and inner >= _WIDE and available(x)
    if fast:
        most = 4 * _CHAIN
    while n > 1:
        wide = max(1, min(_WIDE // inner, n // most))  # rows as one
        count = -(-n // (most * wide))
        chain = n // (count * wide)
        used = count * chain * wide
        some = x if used == n else x[(*(slice(None),) * axis, slice(used))]
        if fast:
            sums = _columns(x, axis, count, chain)
        elif flat and x.dtype in _ONES:
            sums = _chains(some.reshape(-1, count, chain, wide * inner))
        else:
            sums = _add(some.reshape(*before, count, chain, wide, *after), axis=axis + 1)
        sums = sums.reshape(*before, count * wide, *after)
        if used < n:
            sums = np.concatenate([sums, x[(*(slice(None),) * axis, slice(used, None))]], axis=axis)
        x, n, fast = sums, count * wide + n - used, False
        if x.dtype == np.float32 and n > 1:
            x = x.astype(np.float64)
        most = min(_CHAIN, max(4, n // 16))
    return x.reshape((*before, *after))


def _buffers(x: Any) -> Any:
    """The sums of buffers along the last axis, and of the rest."""
    whole = x.shape[-1] // _BUFFER * _BUFFER
    sums = _add(x[..., :whole].reshape(*x.shape[:-1], -1, _BUFFER), axis=-1)
    rest = _add(x[..., whole:], axis=-1, keepdims=True)
    return np.concatenate([sums, rest], axis=-1)


def _chains(x: Any) -> Any:
    """The sum along the last axis but one, as a product with ones."""
    ones = _ONES[x.dtype][: x.shape[2]]
    if x.size <= SMALL:
        return np.matmul(ones, x)
    if x.size < WORTH:
        return one_blas_thread(lambda: np.matmul(ones, x))
    y = memory.empty((*x.shape[:2], x.shape[3]), x.dtype)
    turned = len(x) < x.shape[1]
    source, target = (a.swapaxes(0, 1) if turned else a for a in (x, y))
    step = -(-len(source) // _MANY)
    parts = [slice(i, i + step) for i in range(0, len(source), step)]
    one_blas_thread(lambda: parallel_for(lambda part: np.matmul(ones, source[part], out=target[part]), parts, x.size))
    return y


def _columns(x: Any, axis: int, count: int, chain: int) -> Any:
    """The sums of `count` chains of rows along an axis of a contiguous array."""
    columns, rows = math.prod(x.shape[axis + 1 :]), x.shape[axis]
    y = memory.empty((x.size // (rows * columns), count, columns), x.dtype)
    strips = -(-columns // _STRIP)
    given = {"x": x, "y": y, "count": count, "chain": chain, "columns": columns, "apart": rows * columns}
    launch.run(_added(x.dtype), len(y) * count * strips, x.size, **given, strips=strips)
    return y


def _stretches(x: Any) -> Any:
    """The sums of stretches of the last axis."""
    length, stretch = x.shape[-1], _STRETCH * _WIDTH * lanes(x.dtype)
    count, each = -(-length // stretch), max(1, _PART // min(length, stretch))
    y = np.empty((*x.shape[:-1], count), x.dtype)
    given = {"x": x, "y": y, "length": length, "stretches": count, "each": each, "count": y.size}
    launch.run(_totals(x.dtype), -(-y.size // each), x.size, **given)
    return y


@kernel(
    x=reads("-(-count // stretches) * length"),
    y=writes("count"),
    length=natural,
    **dict.fromkeys(("stretches", "each"), positive),
    count=natural,
)
def _totals(code: KernelBuilder) -> None:
    """The sum of each stretch of each row."""
    x, y, length, stretches, each, count = code.arguments
    first = code.part * each
    last, wide = (first + each).if_less(count, first + each, count), code.lanes
    stretch = _STRETCH * _WIDTH * wide

    def total(i: IRValue) -> None:
        start = (i % stretches) * stretch
        n = (length - start).if_less(stretch, length - start, stretch)
        at = x + (i / stretches * length + start)
        whole = n - n % (wide * _WIDTH)

        def several(j: IRValue, *sums: IRValue) -> list[IRValue]:
            return [s + code.load(at + j + v * wide) for v, s in enumerate(sums)]

        def one(j: IRValue, s: IRValue) -> list[IRValue]:
            return [s + code.load(at + j, code.first(n - j))]

        sums = code.loop(0, whole, wide * _WIDTH, several, [code.constant()] * _WIDTH)
        sums = code.loop(whole, n, wide, one, [functools.reduce(IRValue.__add__, sums)])
        y[i] = code.total(sums[0])

    code.loop(first, last, 1, total)


@kernel(
    f"count * chain * columns <= apart and columns <= strips * {_STRIP} and parts % (count * strips) == 0",
    x=reads("parts // (count * strips) * apart"),
    y=writes("parts // strips * columns"),
    **dict.fromkeys(("count", "chain", "columns", "apart", "strips"), positive),
)
def _added(code: KernelBuilder) -> None:
    """The sums of chains of rows, a strip of columns at a time: a few rows are added up, and then these sums."""
    x, y, count, chain, columns, apart, strips = code.arguments
    number, left = code.part / strips, code.part % strips * _STRIP
    right = (left + _STRIP).if_less(columns, left + _STRIP, columns)
    source = x + (number / count * apart + number % count * chain * columns)
    step = _WIDTH * code.lanes
    whole = right - (right - left) % step

    def some(k: IRValue, j: IRValue, width: int, mask: IRValue) -> None:
        """Rows from the k-th one on."""

        def row(i: IRValue, *sums: IRValue) -> list[IRValue]:
            at = source + (i * columns + j)
            return [s + code.load(at + v * code.lanes, mask) for v, s in enumerate(sums)]

        end = (k + _FEW_ROWS).if_less(chain, k + _FEW_ROWS, chain)
        sums, known = code.loop(k, end, 1, row, [code.constant(-0.0)] * width), mask & code.first(k * code.lanes)
        for v, s in enumerate(sums):
            place = y + (number * columns + j + v * code.lanes)
            code.store(place, code.load(place, known, -0.0) + s, mask)

    def rows(k: IRValue) -> None:
        code.loop(left, whole, step, lambda j: some(k, j, _WIDTH, code.first(code.lanes)))
        code.loop(whole, right, code.lanes, lambda j: some(k, j, 1, code.first(right - j)))

    code.loop(0, chain, _FEW_ROWS, rows)


def added(x: np.ndarray[Any, Any], axis: int) -> np.ndarray[Any, Any]:
    """As `summed` for one axis; of a small vector or matrix by a product with ones, which is two times faster."""
    if x.__class__ is ndarray and x.ndim <= 2 and x.size <= SMALL and (rows := _ROWS_OF_ONES.get(x.dtype)):
        n = x.shape[axis]
        if n <= _ROWS:
            return x.dot(rows[n]) if axis else rows[n].dot(x)
        if axis == x.ndim - 1:
            return x.dot(_ONES[x.dtype][:n])
    return summed(x, (axis,))
