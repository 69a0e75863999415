"""Sums: over the last axes of large arrays at the speed of memory, of small arrays with little about them."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np
from numpy import ndarray

from . import crew
from .machine import Code, Value, address, available, kernel

__all__ = ["SMALL", "added", "summed"]

SMALL = 1 << 13  # entries of products for which BLAS uses one thread
_ONES = {np.dtype(t): np.ones(SMALL, t) for t in "fdFD"}

_add: Any = np.add.reduce
_LEAST = 1 << 16  # numbers for which more than one call pays
_ROW = 1 << 6  # numbers to be added to one, for which machine code pays
_STRETCH = 1 << 11  # numbers that are added one after another; what they give, pairwise
_PART = 1 << 14  # numbers, about
_WIDTH = 4  # vectors that are added at once


def _reduce(x: Any, axis: Any, keepdims: bool = False) -> Any:
    """`numpy.add.reduce`, of float16 as float32 and then rounded."""
    if x.dtype == np.float16:
        return _add(x, axis=axis, keepdims=keepdims, dtype=np.float32).astype(np.float16)
    return _add(x, axis=axis, keepdims=keepdims)


def summed(x: Any, axis: Any, keepdims: bool = False) -> Any:
    """As `numpy.add.reduce`, for `axis` None or a tuple of numbers that are not negative."""
    if x.size >= _LEAST and available(x) and x.flags.c_contiguous:
        axes = range(x.ndim) if axis is None else axis
        kept = x.ndim
        while kept - 1 in axes:
            kept -= 1
        length = math.prod(x.shape[kept:])
        if length >= _ROW:
            stretches = -(-length // _STRETCH)
            partial = np.empty((*x.shape[:kept], stretches), x.dtype)
            each = max(1, _PART // min(length, _STRETCH))
            given = address(x), address(partial), length, stretches, each, partial.size
            crew.run(_totals(x.dtype), -(-partial.size // each), given, x.size)
            y = _reduce(partial, axis=(*(a for a in axes if a < kept), kept))
            return y.reshape([1 if i in axes else n for i, n in enumerate(x.shape)]) if keepdims else y
    return _reduce(x, axis=axis, keepdims=keepdims)


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


def added(x: Any, axis: int) -> Any:
    """`np.add.reduce(x, axis)`; of a small vector or matrix by a product with ones, which is two times faster."""
    ones = _ONES.get(x.dtype) if x.__class__ is ndarray and x.ndim <= 2 and 0 < x.size < SMALL else None
    if ones is None:
        return _reduce(x, axis=axis)
    ones = ones[: x.shape[axis]]
    return x.dot(ones) if axis else ones.dot(x)
