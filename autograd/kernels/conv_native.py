"""Convolution by machine code: matrix products over implicit im2col, whose rows are read where they lie."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ..runtime import launch, memory
from ..runtime.arguments import natural, positive, reads, writes
from ..runtime.llvm import IRValue, Kernel, KernelBuilder, available, kernel, registers
from .conv_weight_native import conv_weight
from .geometry import Geometry
from .implicit_im2col import FEW, NEAR, Block, of_rows, rows_of, scratch
from .micro_kernel import outer
from .sample_merging import merges_inputs

__all__ = ["available", "conv", "conv_weight", "convolved"]

_TERMS = 192  # that are added one after another, about, before their sum is added to others
_CHAINS = 16  # whose sums are added one after another, before the sum of these is, if there are twice as many


@kernel(
    "parts * 9 <= entries and channels % groups == 0",
    **of_rows("longest * (1 + outs * bool(tile)) + height * width * lanes * (levels > 2)"),
    y=writes("samples * groups * outs * windows"),
    w=reads("groups * outs * depth"),
    bias=reads("groups * outs"),
    choice=writes("samples * groups * outs * windows * chosen", "uint8"),
    **dict.fromkeys(("depth", "outs", "windows", "longest"), natural),
    lengths=reads("max(0, len(tile) - 1)", "int64"),
    terms=positive,
)
def _products(
    code: KernelBuilder,
    step: int,
    height: int,
    width: int,
    levels: int,
    rectified: bool,
    tile: tuple[int, ...],
    chosen: bool,
) -> None:
    """Y = W rows + bias for the samples of a block and each group, a tile of `height` rows of Y and `width` vectors at
    a time; no less than 0 if rectified, and of tiles of windows the largest, if there is a size for them; if
    wanted also which one was chosen.

    With two levels so many terms at a time are added up before their sum is added to Y, with three that is added to
    sums of some of these first. The results of a sample
    that is to be pooled lie in memory of the thread; the lengths of all axes of windows but the first are in a table.
    """
    products = _Products(code, step, height, levels, rectified, tile)
    block, groups = products.block, products.groups
    code.loop(
        *(0, groups, 1),
        lambda g: code.loop(0, block.samples, 1, lambda n: products.sample(g, n, width, chosen)),
    )


class _Products:
    """In machine code, the products with the rows of a block, and the largest of tiles of windows among them."""

    def __init__(
        self, code: KernelBuilder, step: int, height: int, levels: int, rectified: bool, tile: tuple[int, ...]
    ) -> None:
        self.code, self.height, self.levels, self.rectified, self.tile = code, height, levels, rectified, tile
        *rows, self.y, self.w, self.bias, self.choice, self.depth, self.outs, self.windows, more, axes, terms = (
            code.arguments
        )
        self.longest, self.axes, self.terms = more, axes, terms
        self.lines, self.room, copied, self.groups = *rows[1:4], rows[-1]
        self.block = Block(code, rows, code.part, step)
        self.spare = self.lines + (code.thread * self.room + copied)
        self.pitch = self.block.length if tile else self.windows

    def sample(self, g: IRValue, n: IRValue, width: int, chosen: bool) -> None:
        """The results for one sample and group."""
        code, block, outs, windows = self.code, self.block, self.outs, self.windows
        x = block.lines + (n * block.sample_step + g * block.group_step)
        first = ((block.sample + n) * self.groups + g) * outs
        out = self.spare + self.longest if self.tile else self.y + (first * windows + block.first)
        whole, step = block.length - block.length % (code.lanes * width), code.lanes * width

        def part(p: IRValue, width: int, mask: IRValue | None = None) -> None:
            code.loop(0, outs, self.height, lambda t: _Tile(self, x, out, g, t, p, width, mask).fill())

        code.loop(0, whole, step, lambda p: part(p, width))
        code.loop(whole, block.length, code.lanes, lambda p: part(p, 1, code.first(block.length - p)))
        if self.tile:
            self.pool(first, out, chosen)

    def pool(self, first: IRValue, out: IRValue, chosen: bool) -> None:
        """The largest of the tiles of a sample's results, which lie at `out`."""
        code, block, tile, windows = self.code, self.block, self.tile, self.windows
        lengths = [self.axes[i] for i in range(len(tile) - 1)]
        inner = math.prod(lengths, start=code.one)
        kept = math.prod((n / t for n, t in zip(lengths, tile[1:], strict=True)), start=code.one)
        start, lengths = first * windows + block.first / inner / tile[0] * kept, [block.length / inner, *lengths]

        def channel(k: IRValue) -> None:
            at = start + k * windows
            x, y = out + k * self.pitch, self.y + at
            pooled(code, x, y, self.choice + at if chosen else None, lengths, tile, self.rectified)

        code.loop(0, self.outs, 1, channel)


class _Tile:
    """In machine code, some rows of Y and vectors of windows, whose sums stay in registers."""

    def __init__(
        self,
        of: _Products,
        x: IRValue,
        out: IRValue,
        g: IRValue,
        t: IRValue,
        p: IRValue,
        width: int,
        mask: IRValue | None,
    ) -> None:
        code, outs, height = of.code, of.outs, of.height
        self.of, self.code, self.x, self.p, self.width, self.mask = of, code, x, p, width, mask
        self.rows = [(t + r).if_less(outs, t + r, outs - 1) + g * outs for r in range(height)]
        self.ws = [of.w + row * of.depth for row in self.rows]
        targets = [(t + r).if_less(outs, out + (t + r) * of.pitch, of.spare) + p for r in range(height)]
        self.places = [target + v * code.lanes for target in targets for v in range(width)]

    def fill(self) -> None:
        """The sums, in as many levels as there are."""
        code, depth, terms = self.code, self.of.depth, self.of.terms
        if self.of.levels > 2:
            code.loop(0, depth, terms * _CHAINS, self.chains)
        elif self.of.levels > 1:
            code.loop(0, depth, terms, lambda q: self.some(q, (q + terms).if_less(depth, q + terms, depth)))
        else:
            self.some(0 * code.one, depth)

    def term(self, q: IRValue, *sums: IRValue) -> list[IRValue]:
        code, width = self.code, self.width
        row = self.x + (self.of.block.offsets[q] + self.p)
        return outer(
            code,
            sums,
            lambda r: code.filled(self.ws[r][q]),
            lambda v: code.load(row + v * code.lanes, self.mask),
            width,
        )

    def chains(self, first: IRValue) -> None:
        """Three levels: the sums of some chains are added up in memory of the thread before they are to Y."""
        code, depth, terms, count = self.code, self.of.depth, self.of.terms, len(self.places)
        last = (first + terms * _CHAINS).if_less(depth, first + terms * _CHAINS, depth)
        sums = [
            self.of.lines + (code.thread * self.of.room + self.of.room - (i + 1) * code.lanes) for i in range(count)
        ]

        def chain(q: IRValue) -> None:
            end, known = (q + terms).if_less(last, q + terms, last), code.first(q - first)
            totals = code.loop(q, end, 1, self.term, [code.constant()] * count)
            for at, total in zip(sums, totals, strict=True):
                code.store(at, code.load(at, known, -0.0) + total)

        code.loop(first, last, terms, chain)
        self.some(first, last, [code.load(at) for at in sums])

    def some(self, first: IRValue, last: IRValue, summed: list[IRValue] | None = None) -> None:
        """Add the terms from first to last, or their sums where these are known, to what is in Y of those before."""
        code, mask, levels, width = self.code, self.mask, self.of.levels, self.width
        rectified, tile = self.of.rectified, self.of.tile
        starts, floor = [code.filled(self.of.bias[row]) for row in self.rows for _ in range(width)], code.constant()
        if levels > 1:  # what is there belongs to it from the second time on, and is complete the last time
            later, complete = code.first(first), code.first((last - self.of.depth + 1) * code.lanes)
            starts = [code.where(later, code.constant(-0.0), start) for start in starts]
            floor = code.where(complete, floor, code.constant(-math.inf))
        if summed is None:
            totals = code.loop(first, last, 1, self.term, starts)
        else:
            totals = [total + start for total, start in zip(summed, starts, strict=True)]
        if levels > 1:
            known = later if mask is None else later & mask
            totals = [total + code.load(place, known, -0.0) for total, place in zip(totals, self.places, strict=True)]
        for place, total in zip(self.places, totals, strict=True):
            code.store(place, code.maximum(total, floor) if rectified and not tile else total, mask)


def pooled(
    code: KernelBuilder,
    x: IRValue,
    y: IRValue,
    choice: IRValue | None,
    lengths: Sequence[IRValue],
    tile: tuple[int, ...],
    rectified: bool,
) -> None:
    """Write to y the largest of each tile of an array x, and to `choice` its number, where several tie the first.

    If rectified, of entries that are no less than 0: only the first can be a zero that is largest.
    """
    *others, (m, t) = zip(lengths, tile, strict=True)
    steps = [math.prod(lengths[axis + 1 :], start=code.one) for axis in range(len(others))]
    offsets = [sum((s * i for s, i in zip(steps, place, strict=True)), 0 * code.one) for place in np.ndindex(tile[:-1])]
    count = m / t

    def vector(row: IRValue, at: IRValue, j: IRValue) -> None:
        if t > NEAR:
            places = code.stepped(j * t, t, count - j)
            best, *entries = (code.gather(row + (offset + phase), places) for offset in offsets for phase in range(t))
        else:
            masks = [code.first(m - j * t - v * code.lanes) for v in range(t)]
            rows = [
                [code.load(row + (offset + j * t + v * code.lanes), mask) for v, mask in enumerate(masks)]
                for offset in offsets
            ]
            if choice is None:
                rows = [[functools.reduce(code.maximum, vectors) for vectors in zip(*rows, strict=True)]]
            best, *entries = (code.every(vectors, phase) for vectors in rows for phase in range(t))
        best = code.maximum(best, 0.0) if rectified else best
        number = code.bytes(0 * code.one)
        for i, entry in enumerate(entries, 1):
            better = code.larger(entry, best)
            best, number = code.where(better, entry, best), code.where(better, code.bytes(i * code.one), number)
        mask = code.first(count - j)
        code.store(y + (at + j), best, mask)
        if choice is not None:
            code.store(choice + (at + j), number, mask)

    def over(axes: Sequence[tuple[IRValue, int]], row: IRValue, at: IRValue) -> None:
        if not axes:
            code.loop(0, count, code.lanes, lambda j: vector(row, at * count, j))
            return
        (n, s), *rest = axes
        step = steps[len(others) - len(axes)] * s
        code.loop(0, n / s, 1, lambda i: over(rest, row + i * step, at * (n / s) + i))

    over(others, x, 0 * code.one)


@functools.lru_cache(256)
def tile_of(outs: int, length: int, lanes: int) -> tuple[int, int]:
    """The height and width (in vectors) of the fastest micro-kernel."""
    most = registers()[1] * 3 // 4

    def time(height: int) -> float:
        """In half cycles: two sums or two reads at a time (a vector is two, if not aligned), four cycles for a sum."""
        width = most // height
        vectors = -(-length // lanes)
        steps = [max(height * v, height + 2 * v, 8) for v in (width, 1)]
        return -(-outs // height) * (vectors // width * steps[0] + vectors % width * steps[1])

    height = min((h for h in (1, 2, 3, 4, 6, 8, 12) if h <= most), key=lambda h: (time(h), -h))
    return height, most // height


def chain(terms: int) -> int:
    """How many terms to add one after another: about `_TERMS`."""
    return -(-terms // max(1, round(terms / _TERMS)))


class _Plan(NamedTuple):
    """Everything that depends on shapes only."""

    kernel: Kernel
    parts: int
    shape: tuple[int, ...]  # of the result
    room: int  # numbers of memory that a thread needs
    work: float


@functools.lru_cache(256)
def _plan(
    shape: tuple[int, ...],
    weights: tuple[int, ...],
    dtype: Any,
    geo: Geometry,
    groups: int,
    rectified: bool,
    tile: tuple[int, ...],
    chosen: bool,
) -> _Plan:
    outs, depth = weights[0] // groups, math.prod(weights[1:])
    out = tuple(n // t for n, t in zip(geo.out, tile, strict=True)) if tile else geo.out
    kept = outs if tile else 0
    rows = rows_of(geo, shape[0], shape[1], groups, dtype.itemsize, tile[0] if tile else 1, kept)
    lanes = registers()[0] // dtype.itemsize
    height, width = tile_of(outs, rows.longest, lanes)
    terms = chain(depth)
    levels = 3 if depth > 2 * _CHAINS * terms else 2 if depth > terms else 1
    lengths = np.array(geo.out[1:] or (1,), np.int64)
    sizes = {"depth": depth, "outs": outs, "windows": math.prod(out), "longest": rows.longest, "terms": terms}
    kernel = _products(dtype, rows.step, height, width, levels, rectified, tile, chosen)
    return _Plan(
        kernel.fixed(**rows.arguments, **sizes, lengths=lengths, **({} if chosen else {"choice": None})),
        rows.blocks,
        (shape[0], weights[0], *out),
        rows.copied + rows.longest * (1 + kept) + (height * width * lanes if levels > 2 else 0),
        shape[0] * weights[0] * math.prod(geo.out) * depth / 64,
    )


def conv(x: Any, w: Any, bias: Any, geo: Geometry, groups: int) -> Any:
    """As `convolution.conv`."""
    return convolved(x, w, bias, geo, groups, False, (), False)[0]


@merges_inputs(FEW)
def convolved(
    x: Any, w: Any, bias: Any, geo: Geometry, groups: int, rectified: bool, tile: tuple[int, ...], chosen: bool
) -> tuple[Any, Any]:
    """As `conv`, then relu if `rectified`, then max over each `tile` unless empty, and which it was if `chosen`."""
    if tile:
        tile = (*tile, *(1,) * (len(geo.out) - len(tile)))  # merged samples are an axis, too
    plan = _plan(x.shape, w.shape, x.dtype, geo, groups, rectified, tile, chosen)
    x, w, y = np.ascontiguousarray(x), np.ascontiguousarray(w), memory.empty(plan.shape, x.dtype)
    bias = np.zeros(len(w), x.dtype) if bias is None else np.ascontiguousarray(bias)
    lines, room = scratch(plan.room, x.dtype)
    more = {"choice": memory.empty(plan.shape, np.uint8)} if chosen else {}
    launch.run(plan.kernel, plan.parts, plan.work, x=x, lines=lines, room=room, y=y, w=w, bias=bias, **more)
    return y, more.get("choice")
