"""Sums and largest entries of windows, by machine code that gathers them by tables of places.

A window is a box: a product of index sets, one per axis. So windows of any kind, strided, dilated, padded or adaptive,
are for each axis a list of pairs (entry, window). From these come the tables: of rows along the first axis, which are
read in order, and of entries within rows, which are gathered for a vector of windows at a time. The transpose, which
spreads windows over their entries, has the same pairs with their roles exchanged.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ..runtime import launch, memory
from ..runtime.arguments import Integer, LaunchError, Pointer, natural, per_thread, positive, reads, writes
from ..runtime.llvm import IRValue, Kernel, KernelBuilder, available, kernel
from .geometry import MANY, Geometry, block_count
from .implicit_im2col import scratch

__all__ = [
    "Along", "Tables", "along", "available", "box_largest", "box_sum", "shared", "strided", "tables", "window_spread",
    "window_sum",
]  # fmt: skip

_WIDE = 1 << 7  # windows that fill several vectors
_FAR = 1 << 62  # more than any place
_ROOM = 1 << 12  # numbers of lines that stay in the nearest cache


class Along(NamedTuple):
    """Which of n entries along an axis belong to which of k windows."""

    entries: Any
    windows: Any
    n: int
    k: int

    @property
    def transposed(self) -> Along:
        return Along(self.windows, self.entries, self.k, self.n)

    def listed(self) -> tuple[Any, Any]:
        """The entries, window by window, and where the windows begin."""
        order = np.argsort(self.windows, kind="stable")
        return self.entries[order], np.searchsorted(self.windows[order], np.arange(self.k + 1))

    def table(self) -> Any:
        """The t-th entry of each window, -1 where there are fewer."""
        entries, begins = self.listed()
        lengths = np.diff(begins)
        places = begins[:-1] + np.arange(max(lengths))[:, None]
        return np.where(places < begins[1:], entries[np.minimum(places, len(entries) - 1)], -1)


class Tables(NamedTuple):
    """The tables of places: of rows along the first axis, and of entries in several rows that lie end to end."""

    begins: Any  # where the rows of windows begin in `rows`
    rows: Any  # where in a channel the entries' rows are
    table: Any  # where the entries are from the first row on; then where their own row begins
    together: int  # rows of windows
    inner: int  # numbers in a row
    rows_first: bool  # whether rows are added before what is in them
    block: int  # channels
    room: int  # numbers that are in between for a block
    numbers: int  # in a channel


def tables(axes: Sequence[Along], rows_first: bool = False) -> Tables:
    """The tables for these axes; rows are added first if that makes them fewer, or if `rows_first`."""
    if len(axes) == 1:
        axes = [Along(np.zeros(1, int), np.zeros(1, int), 1, 1), *axes]
    first, *others = axes
    inner, wide = math.prod(axis.n for axis in others), math.prod(axis.k for axis in others)
    together = -(-_WIDE // wide)
    rows, begins = first.listed()
    table = origins = np.arange(together)[None]
    for axis in others:
        more = axis.table()
        inside = (table >= 0)[:, None, :, None] & (more >= 0)[None, :, None, :]
        table = np.where(inside, table[:, None, :, None] * axis.n + more[None, :, None, :], -1)
        table = table.reshape(-1, table.shape[2] * table.shape[3])
    table = np.concatenate([table, np.repeat(origins * inner, wide, axis=1)])
    rows_first = rows_first or first.k <= first.n
    length, lines = (inner, first.k) if rows_first else (wide, first.n)
    block = max(1, _ROOM // (lines * length))
    room, numbers = block * lines * length, first.n * inner
    by = Tables(begins, rows * length, table, together, inner, rows_first, block, room, numbers)
    _check(by, (numbers if rows_first else first.n * wide) - length, wide)
    return by


def _check(by: Tables, last: int, wide: int) -> None:
    """Check that all rows lie in the channel, the last one included, and all places within their rows; LaunchError."""
    *places, origins = by.table
    own = np.repeat(np.arange(by.together), wide) * by.inner
    good = {
        "begins": by.begins[0] == 0 and (np.diff(by.begins) >= 0).all() and by.begins[-1] <= len(by.rows),
        "rows": ((by.rows >= 0) & (by.rows <= last)).all(),
        "places": all(((row < 0) | (row >= own) & (row < own + by.inner)).all() for row in places),
        "origins": (origins == own).all(),
    }
    for what, holds in good.items():
        if not holds:
            raise LaunchError(f"tables of boxes: {what} outside of {by.numbers} numbers in rows of {by.inner}")


@functools.lru_cache(256)
def along(geo: Geometry) -> list[Along]:
    """The windows of a geometry along each axis."""
    axes = []
    for n, k, s, (before, _), d, count in zip(*geo, strict=True):
        places = np.arange(count) * s - before + np.arange(k)[:, None] * d
        inside = (places >= 0) & (places < n)
        axes.append(Along(places[inside], np.broadcast_to(np.arange(count), places.shape)[inside], n, count))
    return axes


@functools.lru_cache(256)
def strided(geo: Geometry, back: bool = False, rows_first: bool = False) -> Tables:
    """The tables of a geometry's windows, or, with `back`, of their transpose."""
    return tables([axis.transposed if back else axis for axis in along(geo)], rows_first)


_SIZES: dict[str, Integer | Pointer] = {
    "begins": reads("rows + 1", "int64"),
    "offsets": reads("many", "int64"),
    "table": reads("(depth + 1) * wide * together", "int64"),
    **dict.fromkeys(("rows", "many", "wide"), natural),
    "inner": positive,
    "depth": natural,
    **dict.fromkeys(("together", "block", "each"), positive),
    **dict.fromkeys(("channels", "numbers"), natural),
}


class _Boxes:
    """Code that loops over blocks of channels, in each of them over rows, and over the entries in rows."""

    def __init__(self, code: KernelBuilder) -> None:
        self.code = code
        self.x, self.y, lines, room, self.begins, self.offsets, self.table, self.rows, _, *given = code.arguments
        self.wide, self.inner, self.depth, self.together, self.block, self.each, self.channels, *given = given
        self.numbers, *self.places = given
        self.own = lines + code.thread * room

    def along_rows(self, length: IRValue, start: Any, entry: Any, store: Any) -> None:
        """Loop over the rows of each row of windows: `entry(row, column, mask, *carried)`; `store(to, mask, *carried)`
        gets the result."""
        code, begins, offsets = self.code, self.begins, self.offsets

        def row(i: IRValue) -> None:
            def vector(p: IRValue) -> None:
                mask = code.first(length - p)
                found = code.loop(
                    *(begins[i], begins[i + 1], 1),
                    lambda a, *carried: entry(offsets[a], p, mask, *carried),
                    start(offsets[begins[i]]),
                )
                store(i * length + p, mask, *found)

            code.loop(0, length, code.lanes, vector)

        code.loop(0, self.rows, 1, row)

    def in_rows(self, count: IRValue, start: Any, entry: Any, store: Any) -> None:
        """Loop over the entries of windows within `count` rows: `entry(begin, places, *carried)`; `store` also gets the
        places where their rows begin."""
        code, width = self.code, self.wide * self.together

        def several(i: IRValue) -> None:
            windows = (count - i).if_less(self.together, count - i, self.together) * self.wide

            def vector(p: IRValue) -> None:
                mask, begin = code.first(windows - p), i * self.inner

                def places(b: Any) -> IRValue:
                    return code.load(self.table + (p + width * b), mask)

                found = code.loop(
                    *(0, self.depth, 1),
                    lambda b, *carried: entry(begin, places(b), *carried),
                    start(begin, places(0)),
                )
                store(i * self.wide + p, mask, places(self.depth), *found)

            code.loop(0, windows, code.lanes, vector)

        code.loop(0, count, self.together, several)

    def blocks(self, body: Any) -> None:
        """Run `body(channel, count, source)` for each block of channels."""
        code, size = self.code, self.block
        first, end = code.part * self.each, code.part * self.each + self.each
        end = end.if_less(self.channels, end, self.channels)
        code.loop(
            *(first, end, size),
            lambda c: body(c, (end - c).if_less(size, end - c, size), self.x + c * self.numbers),
        )


@kernel(
    x=reads("channels * numbers"),
    y=writes("channels * rows * wide"),
    lines=per_thread("block * (rows * inner if rows_first else numbers // inner * wide)"),
    room=natural,
    **_SIZES,
)
def _sums(code: KernelBuilder, rows_first: bool) -> None:
    """Sums along the rows and sums within rows, one after the other; `lines` holds what is in between."""
    boxes = _Boxes(code)
    rows, wide, given = boxes.rows, boxes.wide, boxes.numbers / boxes.inner
    length = boxes.inner if rows_first else wide

    def add_rows(source: IRValue, target: IRValue) -> None:
        boxes.along_rows(
            length,
            lambda row: [code.constant()],
            lambda row, p, mask, total: [total + code.load(source + (row + p), mask)],
            lambda to, mask, total: code.store(target + to, total, mask),
        )

    def gather(count: IRValue, source: IRValue, target: IRValue) -> None:
        boxes.in_rows(
            count,
            lambda begin, places: [code.constant()],
            lambda begin, places, total: [total + code.gather(source + begin, places)],
            lambda to, mask, origins, total: code.store(target + to, total, mask),
        )

    def block(c: IRValue, count: IRValue, source: IRValue) -> None:
        own, target = boxes.own, boxes.y + c * rows * wide
        if rows_first:
            code.loop(0, count, 1, lambda k: add_rows(source + k * boxes.numbers, own + k * rows * length))
            gather(count * rows, own, target)
        else:
            gather(count * given, source, own)
            code.loop(0, count, 1, lambda k: add_rows(own + k * given * length, target + k * rows * length))

    boxes.blocks(block)


@kernel(
    x=reads("channels * numbers"),
    y=writes("channels * rows * wide"),
    lines=per_thread("block * rows * inner"),
    room=natural,
    **_SIZES,
    places=writes("channels * rows * wide", "int64"),
    line_places=per_thread("block * rows * inner", "int64"),
)
def _largest(code: KernelBuilder) -> None:
    """The largest entry of each window and its first place: along the rows first, then within them."""
    boxes = _Boxes(code)
    rows, inner, (all_places, line_places) = boxes.rows, boxes.inner, boxes.places
    own_places = line_places + code.thread * code.arguments[3]

    def columns(source: IRValue, own: IRValue, own_places: IRValue) -> None:
        def entry(row: IRValue, p: IRValue, mask: IRValue, best: IRValue, at: IRValue) -> list[IRValue]:
            value = code.load(source + (row + p), mask)
            better = code.larger(value, best)
            return [code.where(better, value, best), code.where(better, code.filled(row), at)]

        def store(to: IRValue, mask: IRValue, best: IRValue, at: IRValue) -> None:
            code.store(own + to, best, mask)
            code.store(own_places + to, at, mask)

        boxes.along_rows(inner, lambda row: [code.constant(-math.inf), code.filled(row)], entry, store)

    def largest(count: IRValue, target: IRValue, found: IRValue) -> None:
        def start(begin: IRValue, places: IRValue) -> list[IRValue]:
            return [code.gather(boxes.own + begin, places), code.gather(own_places + begin, places), places]

        def entry(begin: IRValue, places: IRValue, best: IRValue, row: IRValue, at: IRValue) -> list[IRValue]:
            value = code.gather(boxes.own + begin, places, -math.inf)
            above = code.gather(own_places + begin, places, _FAR)
            better = code.larger(value, best) | (code.less(above, row) & ~code.larger(best, value))
            pairs = (value, best), (above, row), (places, at)
            return [code.where(better, *pair) for pair in pairs]

        def store(to: IRValue, mask: IRValue, origins: IRValue, best: IRValue, row: IRValue, at: IRValue) -> None:
            code.store(target + to, best, mask)
            code.store(found + to, row + at - origins, mask)

        boxes.in_rows(count, start, entry, store)

    def block(c: IRValue, count: IRValue, source: IRValue) -> None:
        def channel(k: IRValue) -> None:
            line = k * rows * inner
            columns(source + k * boxes.numbers, boxes.own + line, own_places + line)

        first = c * rows * boxes.wide
        code.loop(0, count, 1, channel)
        largest(count * rows, boxes.y + first, all_places + first)

    boxes.blocks(block)


def shared(lead: tuple[int, ...], numbers: int, windows: int, itemsize: int) -> tuple[int, int, int]:
    """How to share channels out: the number of parts, the channels of each part, and the channels in all."""
    channels = math.prod(lead)
    parts = block_count(channels, max(numbers, windows) * itemsize, MANY)
    each = -(-channels // parts)
    return -(-channels // each), each, channels


def _run(kernel: Kernel, x: Any, y: Any, by: Tables, **more: Any) -> None:
    x = np.ascontiguousarray(x)
    rows, wide = len(by.begins) - 1, by.table.shape[1] // by.together
    parts, each, channels = shared(x.shape[:2], by.numbers, rows * wide, x.itemsize)
    lines, room = scratch(by.room, x.dtype)
    launch.run(
        kernel,
        parts,
        x.size + y.size,
        **{"x": x, "y": y, "lines": lines, "room": room, "begins": by.begins, "offsets": by.rows, "table": by.table},
        **{"rows": rows, "many": len(by.rows), "wide": wide},
        **{"inner": by.inner, "depth": len(by.table) - 1, "together": by.together, "block": by.block, "each": each},
        **{"channels": channels, "numbers": by.numbers, **more},
    )


def box_sum(x: Any, out: tuple[int, ...], by: Tables) -> Any:
    """The sums of the boxes in each channel of x (N, C, *spatial): (N, C, *out)."""
    y = memory.empty((*x.shape[:2], *out), x.dtype)
    _run(_sums(x.dtype, by.rows_first), x, y, by)
    return y


def box_largest(x: Any, out: tuple[int, ...], by: Tables) -> Any:
    """The largest entries of the boxes, and their places, flat over the spatial shape; along the rows first."""
    y = memory.empty((*x.shape[:2], *out), x.dtype)
    places = memory.empty(y.shape, np.int64)
    if not np.diff(by.begins).all():
        raise LaunchError("tables of boxes: one without entries has no largest")
    _run(_largest(x.dtype), x, y, by, places=places, line_places=scratch(by.room, np.dtype(np.int64))[0])
    return y, places


def window_sum(x: Any, geo: Geometry) -> Any:
    """As `pooling.window_sum`."""
    return box_sum(x, geo.out, strided(geo))


def window_spread(y: Any, geo: Geometry) -> Any:
    """As `pooling.window_spread`."""
    return box_sum(y, geo.spatial, strided(geo, back=True))
