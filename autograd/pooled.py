"""Max-pooling by machine code, a channel at a time: windows are read side by side in its lines (see `lines`), and what
they chose is put back, or taken, one by one."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from . import crew, memory
from .boxes import shared
from .lines import lines_of, read, scratch
from .machine import Code, Kernel, Value, address, kernel
from .windows import Geometry

__all__ = ["flat_place", "flat_take", "max_pool", "window_place"]

_ARGUMENTS = "LINES room X Y choice firsts offsets runs count depth each channels numbers windows"


def _channels(code: Code, body: Any) -> None:
    """`body` is to be done with each channel of a part."""
    *_, each, channels, _, _ = code.arguments
    first, end = code.part * each, code.part * each + each
    code.loop(first, end.if_less(channels, end, channels), 1, body)


@kernel(_ARGUMENTS)
def _largest(code: Code, step: int) -> None:
    """The largest entry of each window and its number, which is given for windows of nothing but -inf."""
    lines, room, x, y, choice, firsts, offsets, runs, count, depth, *_, numbers, windows = code.arguments
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


def max_pool(x: Any, y: Any, choice: Any, firsts: Any, geo: Geometry) -> None:
    """Fill the results of `pooling.max_pool`; `firsts` has for each window the number of its first entry."""
    x = np.ascontiguousarray(x)
    lines = lines_of(geo, 1, 0, geo.out[0])
    parts, *sizes = shared(x, y)
    own, room = scratch(lines.size, x.dtype)
    crew.run(
        _largest(x.dtype, lines.step),
        parts,
        (
            *(own, room, address(x), address(y), address(choice), address(firsts), address(lines.offsets)),
            *(address(lines.runs), len(lines.runs), math.prod(geo.kernel), *sizes, math.prod(geo.out)),
        ),
        x.size,
    )


_PLACES = "X Y choice places offsets table each channels numbers windows"


@kernel(_PLACES)
def _placed(code: Code, chosen: bool) -> None:
    """Zeros, and numbers added at places, or where in their windows they were chosen."""
    x, y, choice, places, steps, starts, *_, numbers, windows = code.arguments

    def channel(c: Value) -> None:
        target, first = x + c * numbers, c * windows

        def add(p: Value) -> None:
            number = first + p
            place = starts[p] + steps[code.widened(choice[number])] if chosen else places[number]
            target[place] = target[place] + y[number]

        code.clear(target, numbers)
        code.loop(0, windows, 1, add)

    _channels(code, channel)


@kernel(_PLACES)
def _taken(code: Code) -> None:
    """The numbers at places."""
    x, y, _, places, *_, numbers, windows = code.arguments

    def channel(c: Value) -> None:
        def vector(p: Value) -> None:
            mask, at = code.first(windows - p), c * windows + p
            code.store(y + at, code.gather(x + c * numbers, code.load(places + at, mask)), mask)

        code.loop(0, windows, code.lanes, vector)

    _channels(code, channel)


def _run(kernel: Kernel, x: Any, y: Any, choice: Any, places: Any, steps: Any, starts: Any) -> None:
    parts, *sizes = shared(x, y)
    pointers = (address(a) for a in (x, y, choice, places, steps, starts))
    crew.run(kernel, parts, (*pointers, *sizes, math.prod(y.shape[2:])), x.size + y.size)


def window_place(y: Any, choice: Any, geo: Geometry, starts: Any, steps: Any) -> Any:
    """As `pooling.window_place`, for windows that start there, and the steps from there on to their entries."""
    x = memory.empty((*y.shape[:2], *geo.spatial), y.dtype)
    choice = np.ascontiguousarray(choice)
    _run(_placed(x.dtype, True), x, np.ascontiguousarray(y), choice, steps, steps, starts)
    return x


def flat_place(y: Any, indices: Any, spatial_shape: tuple[int, ...]) -> Any:
    """As `pooling.max_unpool`."""
    x = memory.empty((*y.shape[:2], *spatial_shape), y.dtype)
    places = np.ascontiguousarray(indices, np.int64)
    _run(_placed(x.dtype, False), x, np.ascontiguousarray(y), places, places, places, places)
    return x


def flat_take(x: Any, indices: Any) -> Any:
    """As `pooling.flat_take`."""
    y = memory.empty(indices.shape, x.dtype)
    places = np.ascontiguousarray(indices, np.int64)
    _run(_taken(x.dtype), np.ascontiguousarray(x), y, places, places, places, places)
    return y
