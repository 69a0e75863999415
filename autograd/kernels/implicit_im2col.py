"""Implicit im2col for machine code: rows of im2col(X) that are read where they lie, and never copied as a matrix.

A row of im2col(X) is the input, seen from one place of the kernel. The rows for places that differ along the first
spatial axis alone are the same numbers, shifted. So X is written down once for each place along the *other* axes, as
"lines", and every row of im2col(X) is a stretch of a line, from an offset on:

    im2col(X)[q, l] = lines[offsets[q] + l]

What works on these rows needs no columns, and a geometry, of any number of axes, is two tables of integers: the
offsets, and the runs of numbers that are copied from the input into lines, with the padding that follows each. At
stride s along the first axis, lines hold every s-th row of the input, s lines for each.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ..runtime.arguments import LaunchError, natural, per_thread, positive, reads
from ..runtime.launch import Scratch
from ..runtime.llvm import IRValue, KernelBuilder
from .geometry import BLOCK, MANY, Geometry, sample_blocks, shares

__all__ = ["FEW", "NEAR", "Block", "Lines", "Rows", "lines_of", "of_rows", "over", "read", "rows_of", "scratch"]

_SPARE = 32  # more than any tile is wide
FEW = 32  # windows that a sample should have, for the sake of whole vectors
NEAR = 8  # the step up to which whole vectors are read, and what is between is left out


class Lines(NamedTuple):
    """Layout of the lines for a range of window rows.

    Lines that are one stretch of each channel need no copy: `size` is a channel's, and `start` where they begin.
    """

    rows: slice
    size: int  # for each channel, in numbers
    offsets: Any  # for each channel of a group and place of the kernel; then zeros, for tiles that are not full
    runs: Any  # (count, 4): where from in the input, where to in the lines, how many, and how many with the padding
    step: int  # between numbers of a run, in the input
    start: int | None  # None: they are to be copied


@functools.lru_cache(256)
def lines_of(geo: Geometry, channels: int, first: int, last: int) -> Lines:
    """Lines for the windows of some rows, and the offsets in those of `channels` channels."""
    stride, rows = geo.stride[0], last - first
    shifts = np.arange(geo.kernel[0]) * geo.dilation[0]
    phases, which = np.unique(shifts % stride, return_inverse=True)
    lengths = [rows + int(max(shifts[which == i] // stride)) for i in range(len(phases))]
    starts = np.cumsum([0, *lengths])
    places = [np.concatenate([p + stride * np.arange(n) for p, n in zip(phases, lengths, strict=True)])]
    places[0] += first * stride - geo.padding[0][0]
    for k, s, (before, _), d, n in zip(*(setting[1:] for setting in geo[1:]), strict=True):
        places.append((np.arange(k) * d - before)[:, None] + np.arange(n) * s)
    axes = len(places)
    source = np.zeros((1,) * (2 * axes - 1), int)
    inside = source == 0
    for i, (place, n) in enumerate(zip(places, geo.spatial, strict=True)):
        shape = [1] * (2 * axes - 1)  # places along the other axes, then rows, then windows along the other axes
        for axis, length in zip((axes - 1,) if i == 0 else (i - 1, axes - 1 + i), place.shape, strict=True):
            shape[axis] = length
        source = source * n + place.reshape(shape)
        inside = inside & ((place >= 0) & (place < n)).reshape(shape)
    step, inner = geo.stride[-1] if geo.out[-1] > 1 else 1, math.prod(geo.out[1:])
    flat = np.where(inside, source, -1).reshape(-1)
    follows = np.where(flat[1:] < 0, flat[:-1] < 0, (flat[:-1] >= 0) & (flat[1:] - flat[:-1] == step))
    begins = np.concatenate([[0], 1 + np.flatnonzero(~follows)])
    copied, counts = flat[begins] >= 0, np.diff(begins, append=len(flat))
    runs: Any = np.stack([flat[begins], begins, counts], axis=1)[copied]
    if not copied[0]:
        runs = np.concatenate([np.zeros((1, 3), int), runs])
    runs = np.ascontiguousarray(np.column_stack([runs, np.diff(runs[:, 1], append=len(flat))]))
    size, start = len(flat), None
    if copied.all() and len(runs) == step == 1:
        size, start = math.prod(geo.spatial), int(runs[0, 0])
    down = (starts[which] + shifts // stride) * inner
    across = np.arange(math.prod(geo.kernel[1:])) * (starts[-1] * inner)
    offsets = np.arange(channels)[:, None, None] * size + down[:, None] + across
    lines = Lines(slice(first, last), size, np.append(offsets, np.zeros(_SPARE, int)), runs, step, start)
    _check(lines, math.prod(geo.spatial), channels, rows * inner)
    return lines


def _check(lines: Lines, numbers: int, channels: int, windows: int) -> None:
    """Check that all reads lie in a channel of `numbers` numbers, or in the lines of the channels; LaunchError."""
    source, target, copied, length = lines.runs.T
    begin = lines.start or 0
    good = {
        "runs inside the input": (source >= 0).all() and (source + (copied - 1) * lines.step < numbers).all(),
        "runs inside the lines": (target >= 0).all() and (target + length <= lines.size).all(),
        "runs no longer than their stretches": (copied >= 0).all() and (copied <= length).all(),
        "offsets inside the lines": lines.offsets.min() >= 0 <= begin
        and begin + lines.offsets.max() + windows <= channels * lines.size,
    }
    for what, holds in good.items():
        if not holds:
            raise LaunchError(f"lines of {lines.size} for {windows} windows over {numbers} numbers: not {what}")


def read(
    code: KernelBuilder, lines: IRValue, x: IRValue, runs: IRValue, count: IRValue, step: int, fill: float = 0.0
) -> None:
    """Copy the runs of a channel into its lines, and fill what is padding."""

    def run(i: IRValue) -> None:
        source, line, copied, length = x + runs[i * 4], lines + runs[i * 4 + 1], runs[i * 4 + 2], runs[i * 4 + 3]

        def vector(j: IRValue) -> None:
            if step <= NEAR:
                parts = [code.load(source + at, mask, fill) for at, mask in _spans(code, j, copied, step)]
                code.store(line + j, code.every(parts), code.first(length - j))
            else:
                numbers = code.gather(source, code.stepped(j * step, step, copied - j), fill)
                code.store(line + j, numbers, code.first(length - j))

        code.loop(0, length, code.lanes, vector)

    code.loop(0, count, 1, run)


def _spans(code: KernelBuilder, j: IRValue, length: IRValue, step: int) -> list[tuple[IRValue, IRValue]]:
    """Where the `step` vectors begin from which a vector of a run takes its numbers, and their masks."""
    rest = (length - j) * step - (step - 1)
    return [(j * step + i * code.lanes, code.first(rest - i * code.lanes)) for i in range(step)]


def over(n: int, step: int) -> int:
    """n, rounded up to a multiple of `step`."""
    return -(-n // step) * step


def scratch(room: int, dtype: Any) -> tuple[Scratch, int]:
    """Scratch memory of `room` numbers for each thread, and the distance between the threads' beginnings."""
    room = over(room, _APART)
    return Scratch(room, dtype), room


_APART = 1 << 10  # numbers, so that no two threads write into the same lines of the cache
_TABLE = 9


def of_rows(more: str = "0") -> dict[str, Any]:
    """The arguments of `Block`, for a kernel that needs `more` numbers of scratch memory on each thread besides."""
    return {
        "x": reads("samples * channels * numbers"),
        "lines": per_thread(f"copied + ({more})"),
        "room": natural,  # between threads' lines
        "copied": natural,  # numbers that the lines of a block need
        "table": reads("entries", "int64"),
        "entries": natural,
        **dict.fromkeys(("samples", "channels", "numbers"), natural),
        "groups": positive,
    }


class Block:
    """Code for some rows of windows of some samples, whose lines it copies first, where they are to be copied."""

    def __init__(self, code: KernelBuilder, arguments: Sequence[IRValue], number: IRValue, step: int) -> None:
        x, lines, room, _, table, _, _, channels, numbers, groups = arguments
        entries = (table[number * _TABLE + i] for i in range(_TABLE))
        sample, self.samples, self.first, self.length, size, runs, count, start, offsets = entries
        self.offsets, source = table + offsets, x + (sample * channels * numbers + start)
        own = lines + code.thread * room
        code.loop(
            *(0, count.if_less(1, 0, self.samples * channels), 1),
            lambda c: read(code, own + c * size, source + c * numbers, table + runs, count, step),
        )
        self.lines, self.sample = count.if_less(1, source, own), sample
        self.sample_step, self.group_step = channels * size, channels * size / groups


class Rows(NamedTuple):
    """The rows of im2col(X) for X (N, C, *spatial), in blocks that stay in the cache."""

    blocks: int
    step: int  # between numbers of a run, in the input
    longest: int  # windows of a block
    copied: int  # numbers that the lines of a block need
    arguments: dict[str, Any]  # what `of_rows` declares, but for x and the lines


@functools.lru_cache(256)
def rows_of(
    geo: Geometry, samples: int, channels: int, groups: int, itemsize: int, multiple: int = 1, kept: int = 0
) -> Rows:
    """Blocks of rows of windows, whose lines for all channels take up about as much as fits a cache.

    All but the last have a `multiple` of rows; `kept` more numbers for each window are to fit beside their lines.
    """
    whole = lines_of(geo, channels // groups, 0, geo.out[0])
    size = (whole.size * channels + kept * math.prod(geo.out)) * itemsize
    steps = geo.out[0] // multiple
    parts = max(1, min(steps, max(-(-size // BLOCK), shares(samples * size, MANY) // max(1, samples))))
    bounds = [*(steps * part // parts * multiple for part in range(parts)), geo.out[0]]
    several = (lines_of(geo, channels // groups, *ends) for ends in itertools.pairwise(bounds))
    plan = tuple(several) if parts > 1 else (whole,)
    work = [
        (block, lines) for lines in plan for block in sample_blocks(samples, lines.size * channels * itemsize, MANY)
    ]
    table, room, inner = [], 0, math.prod(geo.out[1:])
    tables: dict[bytes, Any] = {}  # that follow, and where they begin
    begins, end = {}, len(work) * _TABLE
    for block, lines in work:
        for a in (lines.runs, lines.offsets):
            key = a.tobytes()
            if key not in tables:
                tables[key], begins[key], end = a.reshape(-1), end, end + a.size
        first, length = lines.rows.start * inner, (lines.rows.stop - lines.rows.start) * inner
        copied, n = lines.start is None, block.stop - block.start
        room = max(room, n * channels * lines.size * copied)
        runs, offsets = begins[lines.runs.tobytes()], begins[lines.offsets.tobytes()]
        table += [block.start, n, first, length, lines.size, runs, len(lines.runs) * copied, lines.start or 0, offsets]
    given = {
        **{"copied": room, "table": np.concatenate([np.array(table, np.int64), *tables.values()]), "entries": end},
        **{"samples": samples, "channels": channels, "numbers": math.prod(geo.spatial), "groups": groups},
    }
    longest = max(lines.rows.stop - lines.rows.start for lines in plan) * inner
    return Rows(len(work), whole.step, longest, room, given)
