"""Pooling by machine code: a channel at a time, in whose lines (see `lines`) windows are read side by side."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from . import memory
from .lines import add_back, lines_of, read
from .machine import Code, Value, address, available
from .threads import each
from .windows import Geometry, sample_blocks

__all__ = ["available", "max_pool", "window_place"]

_ARGUMENTS = "Y X LINES choice offsets runs count depth size channels numbers windows"


@functools.cache
def _largest(dtype: Any, step: int) -> Any:
    """The largest entry of each window and its number, which is given for windows of nothing but -inf."""
    code = Code("largest", _ARGUMENTS, dtype)
    y, x, lines, choice, offsets, runs, count, depth, _, channels, numbers, windows = code.arguments

    def channel(c: Value) -> None:
        read(code, lines, x + c * numbers, runs, count, step)
        largest, chosen = y + c * windows, choice + c * windows

        def vector(p: Value) -> None:
            mask = code.first(windows - p)

            def place(q: Value, best: Value, number: Value) -> list[Value]:
                entry = code.load(lines + (offsets[q] + p), mask)
                better = code.larger(entry, best)
                return [code.where(better, entry, best), code.where(better, code.bytes(q), number)]

            start = [code.constant(-math.inf), code.load(chosen + p, mask)]
            best, number = code.loop(0, depth, 1, place, start)
            code.store(largest + p, best, mask)
            code.store(chosen + p, number, mask)

        code.loop(0, windows, code.lanes, vector)

    code.loop(0, channels, 1, channel)
    return code.compiled()


@functools.cache
def _placed(dtype: Any, step: int) -> Any:
    """Zeros, and the entries of windows added at their chosen places."""
    code = Code("placed", _ARGUMENTS, dtype)
    y, x, lines, choice, offsets, runs, count, depth, size, channels, numbers, windows = code.arguments

    def channel(c: Value) -> None:
        target = x + c * numbers
        zeros(lines, size)
        zeros(target, numbers)

        def vector(p: Value) -> None:
            mask = code.first(windows - p)
            entries, number = code.load(y + (c * windows + p), mask), code.load(choice + (c * windows + p), mask)

            def place(q: Value) -> None:
                at = lines + (offsets[q] + p)
                chosen = code.where(code.same(number, code.bytes(q)), entries, code.constant())
                code.store(at, code.load(at, mask) + chosen, mask)

            code.loop(0, depth, 1, place)

        code.loop(0, windows, code.lanes, vector)
        add_back(code, target, lines, runs, count, step)

    def zeros(at: Value, count: Value) -> None:
        code.loop(0, count, code.lanes, lambda i: code.store(at + i, code.constant(), code.first(count - i)))

    code.loop(0, channels, 1, channel)
    return code.compiled()


def _run(kernel: Any, y: Any, x: Any, choice: Any, geo: Geometry, fill: float) -> None:
    lines = lines_of(geo, 1, 0, geo.out[0])
    order = np.moveaxis(lines.offsets[: math.prod(geo.kernel)].reshape(*geo.kernel[1:], geo.kernel[0]), -1, 0)
    offsets = np.ascontiguousarray(order).reshape(-1)
    numbers, windows = math.prod(geo.spatial), math.prod(geo.out)
    compiled = kernel(x.dtype, lines.step)

    def body(channels: slice) -> None:
        scratch = memory.empty((max(lines.size, memory.PAGE // x.itemsize),), x.dtype)
        scratch[: lines.size] = fill
        compiled(
            *(address(y) + channels.start * windows * y.itemsize, address(x) + channels.start * numbers * x.itemsize),
            *(address(scratch), address(choice) + channels.start * windows, address(offsets), address(lines.runs)),
            *(len(lines.runs), len(offsets), lines.size, channels.stop - channels.start, numbers, windows),
        )

    each(body, sample_blocks(x.shape[0] * x.shape[1], numbers * x.itemsize), x.size)


def max_pool(x: Any, y: Any, choice: Any, geo: Geometry) -> None:
    """Fill the results of `pooling.max_pool`; `choice` has for each window the number of its first entry."""
    _run(_largest, y, np.ascontiguousarray(x), choice, geo, -math.inf)


def window_place(y: Any, choice: Any, geo: Geometry) -> Any:
    """As `pooling.window_place`."""
    x = memory.empty((*y.shape[:2], *geo.spatial), y.dtype)
    _run(_placed, np.ascontiguousarray(y), x, np.ascontiguousarray(choice), geo, 0)
    return x
