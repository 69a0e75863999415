"""Pooling by machine code: a channel at a time, in whose lines (see `lines`) windows are read side by side."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from . import crew, memory
from .lines import add_back, lines_of, read, scratch
from .machine import Code, Value, address, available
from .windows import MANY, Geometry, sample_blocks

__all__ = ["available", "max_pool", "window_place"]

_ARGUMENTS = "LINES room Y X choice firsts offsets runs count depth size each channels numbers windows"


def _channels(code: Code, body: Any) -> None:
    """What is to be done with each channel of a part."""
    each, channels = code.arguments[11:13]
    first, end = code.part * each, code.part * each + each
    code.loop(first, end.if_less(channels, end, channels), 1, body)


@functools.cache
def _largest(dtype: Any, step: int) -> Any:
    """The largest entry of each window and its number, which is given for windows of nothing but -inf."""
    code = Code("largest", _ARGUMENTS, dtype)
    lines, room, y, x, choice, firsts, offsets, runs, count, depth, *_, numbers, windows = code.arguments
    own = lines + code.thread * room

    def channel(c: Value) -> None:
        read(code, own, x + c * numbers, runs, count, step, -math.inf)
        largest, chosen = y + c * windows, choice + c * windows

        def vector(p: Value) -> None:
            mask = code.first(windows - p)

            def place(q: Value, best: Value, number: Value) -> list[Value]:
                entry = code.load(own + (offsets[q] + p), mask)
                better = code.larger(entry, best)
                return [code.where(better, entry, best), code.where(better, code.bytes(q), number)]

            start = [code.constant(-math.inf), code.load(firsts + p, mask)]
            best, number = code.loop(0, depth, 1, place, start)
            code.store(largest + p, best, mask)
            code.store(chosen + p, number, mask)

        code.loop(0, windows, code.lanes, vector)

    _channels(code, channel)
    return code.compiled()


@functools.cache
def _placed(dtype: Any, step: int) -> Any:
    """Zeros, and the entries of windows added at their chosen places."""
    code = Code("placed", _ARGUMENTS, dtype)
    lines, room, y, x, choice, _, offsets, runs, count, depth, size, *_, numbers, windows = code.arguments
    own = lines + code.thread * room

    def channel(c: Value) -> None:
        target = x + c * numbers
        code.clear(own, size)
        code.clear(target, numbers)

        def vector(p: Value) -> None:
            mask = code.first(windows - p)
            entries, number = code.load(y + (c * windows + p), mask), code.load(choice + (c * windows + p), mask)

            def place(q: Value) -> None:
                at = own + (offsets[q] + p)
                chosen = code.where(code.same(number, code.bytes(q)), entries, code.constant())
                code.store(at, code.load(at, mask) + chosen, mask)

            code.loop(0, depth, 1, place)

        code.loop(0, windows, code.lanes, vector)
        add_back(code, target, own, runs, count, step)

    _channels(code, channel)
    return code.compiled()


def _run(kernel: Any, y: Any, x: Any, choice: Any, firsts: Any, geo: Geometry) -> None:
    lines = lines_of(geo, 1, 0, geo.out[0])
    channels, numbers, windows = math.prod(x.shape[:2]), math.prod(geo.spatial), math.prod(geo.out)
    parts = sample_blocks(channels, numbers * x.itemsize, MANY)
    each = -(-channels // len(parts))
    own, room = scratch(lines.size, x.dtype)
    crew.run(
        kernel(x.dtype, lines.step),
        -(-channels // each),
        (
            *(address(own), room, address(y), address(x), address(choice), address(firsts), address(lines.offsets)),
            *(
                address(lines.runs),
                len(lines.runs),
                math.prod(geo.kernel),
                lines.size,
                each,
                channels,
                numbers,
                windows,
            ),
        ),
        x.size,
    )


def max_pool(x: Any, y: Any, choice: Any, firsts: Any, geo: Geometry) -> None:
    """Fill the results of `pooling.max_pool`; `firsts` has for each window the number of its first entry."""
    _run(_largest, y, np.ascontiguousarray(x), choice, firsts, geo)


def window_place(y: Any, choice: Any, geo: Geometry) -> Any:
    """As `pooling.window_place`."""
    x = memory.empty((*y.shape[:2], *geo.spatial), y.dtype)
    choice = np.ascontiguousarray(choice)
    _run(_placed, np.ascontiguousarray(y), x, choice, choice, geo)
    return x
