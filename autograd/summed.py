"""Sums at the speed of memory, whose errors hardly grow with the number of terms; of small arrays with little about them.

NumPy adds up pairwise what lies end to end, and all else one after the other, so that the error grows with the number
of terms. Here a chain has a few dozen terms, and chains are added up in the same way, in the end as float64.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np
from numpy import ndarray

from . import crew, memory
from .machine import Code, Value, address, available, kernel, registers

__all__ = ["SMALL", "added", "summed"]

SMALL = 1 << 13  # entries of products for which BLAS uses one thread
_ONES = {np.dtype(t): np.ones(1 << 8, t) for t in "fdFD"}

_reduce: Any = np.add.reduce
_FEW = 1 << 10  # numbers that are not worth a second call
_LEAST = 1 << 16  # numbers for which machine code pays
_ROW = 1 << 6  # numbers to be added to one, for which machine code pays
_STRETCH = 1 << 11  # numbers of a row that several vectors add up, whose sums are added pairwise
_PART = 1 << 14  # numbers, about
_WIDTH = 4  # vectors that are added at once
_CHAIN, _LAST = 1 << 6, 1 << 4  # rows that are added one after another; so many, as float64
_ROWS = 1 << 8  # of which BLAS makes a chain
_WIDE = 1 << 9  # numbers in a row for which a call of NumPy's inner loop pays
_STRIP = 1 << 10  # columns at a time, which stay in the nearest cache


def summed(x: Any, axis: Any, keepdims: bool = False) -> Any:
    """As `numpy.add.reduce`, for `axis` None or a tuple of numbers that are not negative."""
    if x.size < _FEW or x.__class__ is not ndarray or x.dtype.kind not in "fc":
        return _reduce(x, axis=axis, keepdims=keepdims)
    if x.dtype == np.float16:
        return summed(x.astype(np.float32), axis, keepdims).astype(np.float16)
    axes = set(range(x.ndim) if axis is None else axis)
    y: Any = x
    while run := _longest(y, axes):
        order, at, n = run
        moved = y.transpose(order)
        lengths = [moved.shape[i] for i in range(moved.ndim)]
        y = _along(moved.reshape(*lengths[:at], -1, *lengths[at + n :]), at)
        y = y.reshape(*lengths[:at], *(1,) * n, *lengths[at + n :]).transpose(np.argsort(order))
    if y is x:
        return _reduce(x, axis=axis, keepdims=keepdims)
    return y if keepdims else y.reshape([n for i, n in enumerate(x.shape) if i not in axes])[()]


def _longest(x: Any, axes: set[int]) -> tuple[list[int], int, int] | None:
    """The axes in the order in which they lie, and where among them the longest run begins of those to be summed that
    are like one, and how many it has; None if nothing is left to be summed."""
    order = sorted(range(x.ndim), key=lambda i: (-abs(x.strides[i]), i))
    best, most, begin, length = None, 1, 0, 1
    for at, axis in enumerate(order):
        if axis not in axes:
            length = 1
            continue
        before = order[at - 1]
        joined = at and before in axes and x.strides[before] == x.strides[axis] * x.shape[axis]
        begin, length = (begin, length * x.shape[axis]) if joined else (at, x.shape[axis])
        if length > most:
            best, most = (order, begin, at + 1 - begin), length
    return best


def _along(x: Any, axis: int) -> Any:
    """The sum along one axis of an array whose axes lie in their order."""
    inner, wider = math.prod(x.shape[axis + 1 :]), np.promote_types(x.dtype, np.float64)
    fast = x.size >= _LEAST and available(x) and x.flags.c_contiguous
    if inner == 1:
        if not fast or x.shape[axis] < _ROW:
            return _reduce(x, axis=axis)
        return _reduce(_stretches(x, axis), axis=axis, dtype=wider).astype(x.dtype)
    while (n := x.shape[axis]) > _LAST:
        chain = max(2, min(_CHAIN, n // 8))
        wide = min(-(-_WIDE // inner), n // chain)  # rows as one
        count = n // (chain * wide)
        used, (before, after) = count * chain * wide, (x.shape[:axis], x.shape[axis + 1 :])
        some = x[(*(slice(None),) * axis, slice(0, used))].reshape(*before, count, chain, wide, *after)
        rest = x[(*(slice(None),) * axis, slice(used, None))]
        sums = _chains(some, axis, n * inner) if fast else _reduce(some, axis=axis + 1)
        x, fast = np.concatenate([sums.reshape(*before, count * wide, *after), rest], axis=axis), False
    return _reduce(x, axis=axis, dtype=wider).astype(x.dtype)


def _stretches(x: Any, axis: int) -> Any:
    """The sums of stretches of the last axis that is not 1 long."""
    length = x.shape[axis]
    count, each = -(-length // _STRETCH), max(1, _PART // min(length, _STRETCH))
    y = np.empty((*x.shape[:axis], count, *x.shape[axis + 1 :]), x.dtype)
    crew.run(_totals(x.dtype), -(-y.size // each), (address(x), address(y), length, count, each, y.size), x.size)
    return y


def _chains(x: Any, axis: int, apart: int) -> Any:
    """The sum along an axis but one, that of the chains; of what is before `axis`, all begins so many numbers apart."""
    count, chain = x.shape[axis : axis + 2]
    y = memory.empty((*x.shape[: axis + 1], *x.shape[axis + 2 :]), x.dtype)
    columns = math.prod(x.shape[axis + 2 :])
    strips = -(-columns // _STRIP)
    items = y.size // columns * strips
    each = max(1, _PART // (chain * min(columns, _STRIP)))
    given = address(x), address(y), count, chain, columns, apart, strips, each, items
    crew.run(_added(x.dtype), -(-items // each), given, x.size)
    return y


@kernel("X Y length stretches each count")
def _totals(code: Code) -> None:
    """The sum of each stretch of each row."""
    x, y, length, stretches, each, count = code.arguments
    first = code.part * each
    last, lanes = (first + each).if_less(count, first + each, count), code.lanes

    def total(i: Value) -> None:
        start = (i % stretches) * _STRETCH
        n = (length - start).if_less(_STRETCH, length - start, _STRETCH)
        at = x + (i / stretches * length + start)
        whole = n - n % (lanes * _WIDTH)

        def several(j: Value, *sums: Value) -> list[Value]:
            return [s + code.load(at + j + v * lanes) for v, s in enumerate(sums)]

        def one(j: Value, s: Value) -> list[Value]:
            return [s + code.load(at + j, code.first(n - j))]

        sums = code.loop(0, whole, lanes * _WIDTH, several, [code.constant()] * _WIDTH)
        sums = code.loop(whole, n, lanes, one, [functools.reduce(Value.__add__, sums)])
        y[i] = code.total(sums[0])

    code.loop(first, last, 1, total)


@kernel("X Y count chain columns apart strips each items")
def _added(code: Code) -> None:
    """The sums of chains of rows, some columns at a time."""
    x, y, count, chain, columns, apart, strips, each, items = code.arguments
    first, width = code.part * each, registers()[1] // 2

    def strip(i: Value) -> None:
        number, left = i / strips, i % strips * _STRIP
        right = (left + _STRIP).if_less(columns, left + _STRIP, columns)
        source = x + (number / count * apart + number % count * chain * columns)
        step = width * code.lanes
        whole = right - (right - left) % step

        def vectors(j: Value, width: int, mask: Value | None = None) -> None:
            def row(k: Value, *sums: Value) -> list[Value]:
                at = source + (k * columns + j)
                return [s + code.load(at + v * code.lanes, mask) for v, s in enumerate(sums)]

            sums = code.loop(0, chain, 1, row, [code.constant(-0.0)] * width)
            for v, s in enumerate(sums):
                code.store(y + (number * columns + j + v * code.lanes), s, mask)

        code.loop(left, whole, step, lambda j: vectors(j, width))
        code.loop(whole, right, code.lanes, lambda j: vectors(j, 1, code.first(right - j)))

    last = (first + each).if_less(items, first + each, items)
    code.loop(first, last, 1, strip)


def added(x: Any, axis: int) -> Any:
    """As `summed` for one axis; of a small vector or matrix by a product with ones, which is two times faster."""
    if x.__class__ is ndarray and x.ndim <= 2 and 0 < x.size < SMALL and x.shape[axis] <= _ROWS:
        ones = _ONES.get(x.dtype)
        if ones is not None:
            ones = ones[: x.shape[axis]]
            return x.dot(ones) if axis else ones.dot(x)
    return summed(x, (axis,))
