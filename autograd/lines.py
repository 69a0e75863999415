"""Rows of im2col(X) that are read where they lie, for machine code.

A row of im2col(X) is the input, seen from one place of the kernel. The rows for places that differ along the first
spatial axis alone are the same numbers, shifted. So X is written down once for each place along the *other* axes, as
"lines", and every row of im2col(X) is a stretch of a line, from an offset on:

    im2col(X)[q, l] = lines[offsets[q] + l]

What works on these rows needs no columns, and a geometry, of any number of axes, is two tables of integers: the
offsets, and the runs of numbers that are copied from the input into lines (the rest is padding). At stride s along the
first axis, lines hold every s-th row of the input, s lines for each.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from . import memory
from .machine import Code, Value, address
from .windows import BLOCK, Geometry, sample_blocks

__all__ = ["SIZES", "Lines", "Rows", "add_back", "lines_of", "read"]

SIZES = "samples y_step row_step lines_step groups group_step outs length"
_SPARE = 32  # more than any tile is wide


class Lines(NamedTuple):
    """What is to be known of a geometry, for windows of the given rows alone.

    Lines that are one stretch of each channel need no copy: `size` is a channel's, and `start` where they begin.
    """

    rows: slice
    size: int  # for each channel, in numbers
    offsets: Any  # for each channel of a group and place of the kernel; then zeros, for tiles that are not full
    runs: Any  # (count, 3): where from in the input, where to in the lines, how many
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
    step, inner = geo.stride[-1], math.prod(geo.out[1:])
    flat = np.where(inside, source, -1).reshape(-1)
    follows = np.where(flat[1:] < 0, flat[:-1] < 0, (flat[:-1] >= 0) & (flat[1:] - flat[:-1] == step))
    begins = np.concatenate([[0], 1 + np.flatnonzero(~follows)])
    runs: Any = np.stack([flat[begins], begins, np.diff(begins, append=len(flat))], axis=1)
    size, start, runs = len(flat), None, runs[runs[:, 0] >= 0]
    if len(begins) == len(runs) == step == 1:
        size, start = math.prod(geo.spatial), int(runs[0, 0])
    down = (starts[which] + shifts // stride) * inner
    across = np.arange(math.prod(geo.kernel[1:])) * (starts[-1] * inner)
    offsets = np.arange(channels)[:, None, None] * size + across[:, None] + down
    return Lines(slice(first, last), size, np.append(offsets, np.zeros(_SPARE, int)), runs, step, start)


@functools.lru_cache(256)
def _plan(geo: Geometry, channels: int, groups: int, itemsize: int) -> tuple[Lines, ...]:
    """Lines for blocks of rows of windows, those for all channels being about a block each."""
    whole = lines_of(geo, channels // groups, 0, geo.out[0])
    parts = max(1, min(geo.out[0], -(-whole.size * channels * itemsize // BLOCK)))
    bounds = [geo.out[0] * part // parts for part in range(parts + 1)]
    return (
        tuple(lines_of(geo, channels // groups, *ends) for ends in itertools.pairwise(bounds))
        if parts > 1
        else (whole,)
    )


def read(code: Code, lines: Value, x: Value, runs: Value, count: Value, step: int) -> None:
    """Copy the runs of a channel into its lines."""

    def run(i: Value) -> None:
        source, line, length = x + runs[i * 3], lines + runs[i * 3 + 1], runs[i * 3 + 2]

        def vector(j: Value) -> None:
            parts = [code.load(source + at, mask) for at, mask in _spans(code, j, length, step)]
            code.store(line + j, code.every(parts), code.first(length - j))

        code.loop(0, length, code.lanes, vector)

    code.loop(0, count, 1, run)


def add_back(code: Code, x: Value, lines: Value, runs: Value, count: Value, step: int) -> None:
    """The transpose of `read`: add the runs of lines where in a channel they came from."""

    def run(i: Value) -> None:
        target, line, length = x + runs[i * 3], lines + runs[i * 3 + 1], runs[i * 3 + 2]

        def vector(j: Value) -> None:
            parts = code.apart(code.load(line + j, code.first(length - j)), step)
            for part, (at, mask) in zip(parts, _spans(code, j, length, step), strict=True):
                code.store(target + at, code.load(target + at, mask) + part, mask)

        code.loop(0, length, code.lanes, vector)

    code.loop(0, count, 1, run)


def _spans(code: Code, j: Value, length: Value, step: int) -> list[tuple[Value, Value]]:
    """Where the vectors begin, `step` of them, that a vector of a run has its numbers from, and their masks."""
    rest = (length - j) * step - (step - 1)
    return [(j * step + i * code.lanes, code.first(rest - i * code.lanes)) for i in range(step)]


@functools.cache
def _copy(dtype: Any, step: int) -> Any:
    """The lines of every channel of some samples."""
    code = Code("copy", "LINES X runs count size channels numbers", dtype)
    lines, x, runs, count, size, channels, numbers = code.arguments
    code.loop(0, channels, 1, lambda c: read(code, lines + c * size, x + c * numbers, runs, count, step))
    return code.compiled()


class Rows:
    """The rows of im2col(X) for x (N, C, *spatial), in blocks that stay in the cache, beside `outs` results for each
    group and window in another array y (N, groups * outs, *out)."""

    def __init__(self, x: Any, y: Any, geo: Geometry, groups: int) -> None:
        self.x, self.y, self.groups = np.ascontiguousarray(x), y, groups
        self.plan = _plan(geo, x.shape[1], groups, x.itemsize)
        self.windows, self.inner = math.prod(geo.out), math.prod(geo.out[1:])
        self.blocks = [
            (lines, samples)
            for lines in self.plan
            for samples in sample_blocks(len(x), lines.size * x.shape[1] * x.itemsize)
        ]

    def each(self, some: Any) -> Iterator[tuple[int, int, int, tuple[int, ...]]]:
        """For some blocks the addresses of their part of y, of their lines and of the offsets, and the `SIZES`."""
        x, itemsize, last, cleared = self.x, self.x.itemsize, None, 0
        channels, numbers = x.shape[1], math.prod(x.shape[2:])
        outs = self.y.shape[1] // self.groups
        given, begin, y_step = address(x), address(self.y), self.y.shape[1] * self.windows
        for lines, samples in some:
            n, step = samples.stop - samples.start, channels * lines.size
            if lines is not last:
                last, cleared, runs, offsets = lines, 0, address(lines.runs), address(lines.offsets)
                group_step, first = step // self.groups, lines.rows.start * self.inner
                length = (lines.rows.stop - lines.rows.start) * self.inner
            at = given + (samples.start * channels * numbers + (lines.start or 0)) * itemsize
            if lines.start is None:
                if n * step > cleared:
                    cleared = n * step
                    scratch = memory.empty((max(cleared, memory.PAGE // itemsize),), x.dtype)
                    if sum(lines.runs[:, 2]) < lines.size:
                        scratch[:cleared] = 0
                    copy, where = _copy(x.dtype, lines.step), address(scratch)
                copy(where, at, runs, len(lines.runs), lines.size, n * channels, numbers)
                at = where
            out = begin + (samples.start * y_step + first) * itemsize
            yield out, at, offsets, (n, y_step, self.windows, step, self.groups, group_step, outs, length)
