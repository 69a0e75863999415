"""Max-pooling by machine code, a channel at a time: windows are read side by side in its lines (implicit_im2col.py),
and the entries that they chose are put back, or taken, one by one."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from ..runtime import launch, memory
from ..runtime.arguments import natural, per_thread, positive, reads, writes
from ..runtime.llvm import IRValue, Kernel, KernelBuilder, available, kernel
from . import box_windows, max_pool_numpy
from .box_windows import shared
from .geometry import Geometry
from .implicit_im2col import lines_of, read, scratch
from .window_choices import as_places, empty, first_inside, numbers_of, positions_of, starts_and_steps

__all__ = ["available", "flat_place", "flat_take", "max_pool", "window_place"]

_APART = 4  # the stride up to which windows are read side by side; those farther apart are gathered
_SIZES = {"each": positive, **dict.fromkeys(("channels", "numbers", "windows"), natural)}


def _channels(code: KernelBuilder, body: Any) -> None:
    """Run `body` for each channel of a part."""
    *_, each, channels, _, _ = code.arguments
    first, end = code.part * each, code.part * each + each
    code.loop(first, end.if_less(channels, end, channels), 1, body)


@kernel(
    lines=per_thread("size"),
    **dict.fromkeys(("room", "size"), natural),
    x=reads("channels * numbers"),
    y=writes("channels * windows"),
    choice=writes("channels * windows", "uint8"),
    firsts=reads("windows", "uint8"),
    offsets=reads("depth", "int64"),
    runs=reads("count * 4", "int64"),
    **dict.fromkeys(("count", "depth"), natural),
    **_SIZES,
)
def _largest(code: KernelBuilder, step: int) -> None:
    """Max and argmax of each window; all -inf keeps its first entry's number."""
    lines, room, _, x, y, choice, firsts, offsets, runs, count, depth, *_, numbers, windows = code.arguments
    own = lines + code.thread * room

    def channel(c: IRValue) -> None:
        read(code, own, x + c * numbers, runs, count, step, -math.inf)
        largest, chosen = y + c * windows, choice + c * windows

        def vector(p: IRValue) -> None:
            mask = code.first(windows - p)

            def place(q: IRValue, best: IRValue, number: IRValue) -> list[IRValue]:
                entry = code.load(own + (offsets[q] + p), mask)
                better = code.larger(entry, best)
                return [code.where(better, entry, best), code.where(better, code.bytes(q), number)]

            start = [code.constant(-math.inf), code.load(firsts + p, mask)]
            best, number = code.loop(0, depth, 1, place, start)
            code.store(largest + p, best, mask)
            code.store(chosen + p, number, mask)

        code.loop(0, windows, code.lanes, vector)

    _channels(code, channel)


@functools.lru_cache(256)
def _plan(lead: tuple[int, ...], dtype: Any, geo: Geometry) -> tuple[Kernel, int, int]:
    """The kernel for inputs of some shape, the number of parts, and the length of the lines."""
    lines, numbers, windows = lines_of(geo, 1, 0, geo.out[0]), math.prod(geo.spatial), math.prod(geo.out)
    parts, each, channels = shared(lead, numbers, windows, dtype.itemsize)
    kernel = _largest(dtype, lines.step).fixed(
        **{"offsets": lines.offsets, "runs": lines.runs, "count": len(lines.runs), "size": lines.size},
        **{"depth": math.prod(geo.kernel), "each": each, "channels": channels, "numbers": numbers, "windows": windows},
    )
    return kernel, parts, lines.size


def max_pool(x: Any, geo: Geometry) -> tuple[Any, Any]:
    """As `pooling.max_pool`."""
    firsts = first_inside(geo)
    in_bytes = firsts.dtype == np.uint8
    if (geo.stride[-1] > _APART or not in_bytes) and not empty(geo):
        out, places = box_windows.box_largest(x, geo.out, box_windows.strided(geo, rows_first=True))
        return out, numbers_of(places, geo).astype(firsts.dtype)
    if not in_bytes:
        return max_pool_numpy.max_pool(x, geo)
    shape = (*x.shape[:2], *geo.out)
    out, choice = memory.empty(shape, x.dtype), memory.empty(shape, firsts.dtype)
    kernel, parts, size = _plan(x.shape[:2], x.dtype, geo)
    lines, room = scratch(size, x.dtype)
    x = np.ascontiguousarray(x)
    launch.run(kernel, parts, x.size, x=x, y=out, choice=choice, firsts=firsts, lines=lines, room=room)
    return out, choice


@kernel(
    x=writes("channels * numbers"),
    y=reads("channels * windows"),
    choice=reads("channels * windows * chosen", "uint8"),
    places=reads("channels * windows * (not chosen)", "int64"),
    steps=reads("depth", "int64"),
    starts=reads("windows * chosen", "int64"),
    depth=natural,
    **_SIZES,
)
def _placed(code: KernelBuilder, chosen: bool) -> None:
    """Zeros, and y added at the places, or, if `chosen`, where each window chose an entry."""
    x, y, choice, places, steps, starts, _, *_, numbers, windows = code.arguments

    def channel(c: IRValue) -> None:
        target, first = x + c * numbers, c * windows

        def add(p: IRValue) -> None:
            number = first + p
            place = starts[p] + steps[code.widened(choice[number])] if chosen else places[number]
            target[place] = target[place] + y[number]

        code.clear(target, numbers)
        code.loop(0, windows, 1, add)

    _channels(code, channel)


@kernel(
    x=reads("channels * numbers"),
    y=writes("channels * windows"),
    places=reads("channels * windows", "int64"),
    **_SIZES,
)
def _taken(code: KernelBuilder) -> None:
    """The entries at the places."""
    x, y, places, *_, numbers, windows = code.arguments

    def channel(c: IRValue) -> None:
        def vector(p: IRValue) -> None:
            mask, at = code.first(windows - p), c * windows + p
            code.store(y + at, code.gather(x + c * numbers, code.load(places + at, mask)), mask)

        code.loop(0, windows, code.lanes, vector)

    _channels(code, channel)


def _run(kernel: Kernel, x: Any, y: Any, **arguments: Any) -> None:
    numbers, windows = math.prod(x.shape[2:]), math.prod(y.shape[2:])
    parts, each, channels = shared(x.shape[:2], numbers, windows, x.itemsize)
    sizes = {"each": each, "channels": channels, "numbers": numbers, "windows": windows}
    launch.run(kernel, parts, x.size + y.size, x=x, y=y, **arguments, **sizes)


def window_place(y: Any, choice: Any, geo: Geometry) -> Any:
    """As `pooling.window_place`."""
    if empty(geo):  # whose windows may choose what is beside the input
        return max_pool_numpy.window_place(y, choice, geo)
    if choice.dtype != np.uint8:
        return flat_place(y, positions_of(choice, geo), geo.spatial)
    x, (starts, steps) = memory.empty((*y.shape[:2], *geo.spatial), y.dtype), starts_and_steps(geo)
    choice = np.ascontiguousarray(choice)
    given = {"choice": choice, "places": None, "steps": steps, "starts": starts, "depth": len(steps)}
    _run(_placed(x.dtype, True), x, np.ascontiguousarray(y), **given)
    return x


def flat_place(y: Any, indices: Any, spatial_shape: tuple[int, ...]) -> Any:
    """As `pooling.max_unpool`."""
    x = memory.empty((*y.shape[:2], *spatial_shape), y.dtype)
    places = as_places(indices, math.prod(spatial_shape))
    given = {"choice": None, "places": places, "steps": None, "starts": None, "depth": 0}
    _run(_placed(x.dtype, False), x, np.ascontiguousarray(y), **given)
    return x


def flat_take(x: Any, indices: Any) -> Any:
    """As `pooling.flat_take`."""
    if not indices.size:
        return max_pool_numpy.flat_take(x, indices)
    y = memory.empty(indices.shape, x.dtype)
    places = as_places(indices, math.prod(x.shape[2:]))
    _run(_taken(x.dtype), np.ascontiguousarray(x), y, places=places)
    return y
