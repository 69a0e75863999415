"""Convolution and the gradient of its weight by machine code: matrix products over implicit im2col."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ..runtime import launch, memory
from ..runtime.arguments import natural, positive, reads, writes
from ..runtime.llvm import Code, Kernel, Value, available, kernel, registers
from .geometry import BLOCK, Geometry, at_once, parted, together, with_samples
from .implicit_im2col import NEAR, Block, of_rows, over, rows_of, scratch

__all__ = ["available", "conv", "conv_weight"]

_FEW = 32  # windows that a sample should have, for the sake of whole vectors
_SUMS = 16  # into so many the terms of a weight's gradient are added, before these are
_PARTS = 8  # of a weight's gradient at least, for threads to share
_TERMS = 192  # that are added one after another, about, before their sum is added to others
_CHAINS = 16  # whose sums are added one after another, before the sum of these is, if there are twice as many
_PANEL = 1 << 16  # bytes of Y that outer products take at a time, to stay in a near cache


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
    code: Code,
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
    *rows, y, w, bias, choice, depth, outs, windows, longest, axes, terms = code.arguments
    lines, room, copied, groups = *rows[1:4], rows[-1]
    block = Block(code, rows, code.part, step)
    spare = lines + (code.thread * room + copied)
    pitch = block.length if tile else windows

    def product(x: Value, out: Value, g: Value, t: Value, p: Value, width: int, mask: Value | None = None) -> None:
        rows = [(t + r).if_less(outs, t + r, outs - 1) + g * outs for r in range(height)]
        ws = [w + row * depth for row in rows]
        targets = [(t + r).if_less(outs, out + (t + r) * pitch, spare) + p for r in range(height)]
        places = [target + v * code.lanes for target in targets for v in range(width)]

        def term(q: Value, *sums: Value) -> list[Value]:
            row = x + (block.offsets[q] + p)
            xs = [code.load(row + v * code.lanes, mask) for v in range(width)]
            factors = [code.filled(row[q]) for row in ws]
            return [code.fma(factors[i // width], xs[i % width], sums[i]) for i in range(height * width)]

        def group(first: Value) -> None:
            """Three levels: the sums of some chains are added up in memory of the thread before they are to Y."""
            last = (first + terms * _CHAINS).if_less(depth, first + terms * _CHAINS, depth)
            sums = [lines + (code.thread * room + room - (i + 1) * code.lanes) for i in range(height * width)]

            def chain(q: Value) -> None:
                end, known = (q + terms).if_less(last, q + terms, last), code.first(q - first)
                totals = code.loop(q, end, 1, term, [code.constant()] * (height * width))
                for at, total in zip(sums, totals, strict=True):
                    code.store(at, code.load(at, known, -0.0) + total)

            code.loop(first, last, terms, chain)
            some(first, last, [code.load(at) for at in sums])

        def some(first: Value, last: Value, summed: list[Value] | None = None) -> None:
            starts, floor = [code.filled(bias[row]) for row in rows for _ in range(width)], code.constant()
            if levels > 1:  # what is there belongs to it from the second time on, and is complete the last time
                later, complete = code.first(first), code.first((last - depth + 1) * code.lanes)
                starts = [code.where(later, code.constant(-0.0), start) for start in starts]
                floor = code.where(complete, floor, code.constant(-math.inf))
            if summed is None:
                totals = code.loop(first, last, 1, term, starts)
            else:
                totals = [total + start for total, start in zip(summed, starts, strict=True)]
            if levels > 1:
                known = later if mask is None else later & mask
                totals = [total + code.load(place, known, -0.0) for total, place in zip(totals, places, strict=True)]
            for place, total in zip(places, totals, strict=True):
                code.store(place, code.maximum(total, floor) if rectified and not tile else total, mask)

        if levels > 2:
            code.loop(0, depth, terms * _CHAINS, group)
        elif levels > 1:
            code.loop(0, depth, terms, lambda q: some(q, (q + terms).if_less(depth, q + terms, depth)))
        else:
            some(0 * code.one, depth)

    def sample(g: Value, n: Value) -> None:
        x = block.lines + (n * block.sample_step + g * block.group_step)
        first = ((block.sample + n) * groups + g) * outs
        out = spare + longest if tile else y + (first * windows + block.first)
        whole, step = block.length - block.length % (code.lanes * width), code.lanes * width

        def part(p: Value, width: int, mask: Value | None = None) -> None:
            code.loop(0, outs, height, lambda t: product(x, out, g, t, p, width, mask))

        code.loop(0, whole, step, lambda p: part(p, width))
        code.loop(whole, block.length, code.lanes, lambda p: part(p, 1, code.first(block.length - p)))
        if tile:
            lengths = [axes[i] for i in range(len(tile) - 1)]
            inner = math.prod(lengths, start=code.one)
            kept = math.prod((n / t for n, t in zip(lengths, tile[1:], strict=True)), start=code.one)
            start, lengths = first * windows + block.first / inner / tile[0] * kept, [block.length / inner, *lengths]

            def channel(k: Value) -> None:
                at = start + k * windows
                pooled(code, out + k * pitch, y + at, choice + at if chosen else None, lengths, tile, rectified)

            code.loop(0, outs, 1, channel)

    code.loop(0, groups, 1, lambda g: code.loop(0, block.samples, 1, lambda n: sample(g, n)))


def pooled(
    code: Code,
    x: Value,
    y: Value,
    choice: Value | None,
    lengths: Sequence[Value],
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

    def vector(row: Value, at: Value, j: Value) -> None:
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

    def over(axes: Sequence[tuple[Value, int]], row: Value, at: Value) -> None:
        if not axes:
            code.loop(0, count, code.lanes, lambda j: vector(row, at * count, j))
            return
        (n, s), *rest = axes
        step = steps[len(others) - len(axes)] * s
        code.loop(0, n / s, 1, lambda i: over(rest, row + i * step, at * (n / s) + i))

    over(others, x, 0 * code.one)


@kernel(
    "blocks * 9 <= entries and channels % groups == 0 and parts <= sums * slices"
    " and depth % height == 0 and columns % (lanes * width) == 0 and few % lanes == 0 and outs <= columns",
    **of_rows("few * columns"),
    y=reads("samples * groups * outs * windows"),
    w=writes("sums * groups * depth * columns"),
    blocks=natural,
    **dict.fromkeys(("sums", "slices"), positive),
    **dict.fromkeys(("depth", "columns"), natural),
    few=positive,
    **dict.fromkeys(("outs", "windows"), natural),
)
def _outer_products(code: Code, step: int, height: int, width: int) -> None:
    """W = rows Y^T for each group, summed over blocks, a tile of `height` rows and `width` vectors at a time.

    For a few windows at a time Y is transposed, so that what belongs to a window lies side by side. W lies in strips,
    as wide as a tile. Each of the `sums` is done in `slices` of its rows.
    """
    *rows, y, w, blocks, sums, slices, depth, columns, few, outs, windows = code.arguments
    lines, room, panel, groups = *rows[1:4], rows[-1]
    lanes, wide, number, slice = code.lanes, code.lanes * width, code.part / slices, code.part % slices
    own, own_panel = w + number * groups * depth * columns, lines + (code.thread * room + panel)
    top, bottom = (depth / height * s / slices * height for s in (slice, slice + 1))

    def transpose(y: Value, k: Value, count: Value, p: Value) -> None:
        mask = code.first(count - p)
        rows = [(k + i).if_less(outs, k + i, outs - 1) * windows for i in range(lanes)]
        for i, vector in enumerate(code.transposed([code.load(y + (row + p), mask) for row in rows])):
            code.store(own_panel + ((p + i) * columns + k), vector)

    def tile(w: Value, xs: list[Value], q: Value, k: Value, count: Value) -> None:
        places = [w + (k * depth + (q + i) * wide + v * lanes) for i in range(height) for v in range(width)]

        def term(p: Value, *sums: Value) -> list[Value]:
            ys = [code.load(own_panel + (p * columns + k + v * lanes)) for v in range(width)]
            factors = [code.filled(x[p]) for x in xs]
            return [code.fma(factors[i // width], ys[i % width], sums[i]) for i in range(height * width)]

        sums = code.loop(0, count, 1, term, [code.constant()] * (height * width))
        for place, total in zip(places, sums, strict=True):
            code.store(place, code.load(place) + total)

    def part(block: Block, g: Value, n: Value, first: Value) -> None:
        out = y + (((block.sample + n) * groups + g) * outs * windows + block.first + first)
        x = block.lines + (n * block.sample_step + g * block.group_step + first)
        count = (block.length - first).if_less(few, block.length - first, few)
        code.loop(0, columns, lanes, lambda k: code.loop(0, count, lanes, lambda p: transpose(out, k, count, p)))

        def strip(k: Value, q: Value) -> None:
            xs = [x + block.offsets[q + i] for i in range(height)]
            tile(own + g * depth * columns, xs, q, k, count)

        code.loop(0, columns, wide, lambda k: code.loop(top, bottom, height, lambda q: strip(k, q)))

    def body(number: Value) -> None:
        block = Block(code, rows, number, step)

        def sample(g: Value, n: Value) -> None:
            code.loop(0, block.length, few, lambda first: part(block, g, n, first))

        code.loop(0, groups, 1, lambda g: code.loop(0, block.samples, 1, lambda n: sample(g, n)))

    code.loop(0, groups * columns, wide, lambda k: code.clear(own + (k * depth + top * wide), (bottom - top) * wide))
    code.loop(number, blocks, sums, body)


@kernel(
    "blocks * 9 <= entries and channels % groups == 0 and parts <= sums"
    " and depth % width == 0 and outs <= strips * height",
    **of_rows(),
    y=reads("samples * groups * outs * windows"),
    w=writes("sums * groups * strips * height * depth"),
    blocks=natural,
    sums=positive,
    **dict.fromkeys(("strips", "depth", "outs", "windows"), natural),
)
def _inner_products(code: Code, step: int, height: int, width: int) -> None:
    """W = Y rows^T for each group, summed over blocks, a tile of `height` rows of Y and `width` of X at a time."""
    *rows, y, w, blocks, sums, strips, depth, outs, windows = code.arguments
    groups = rows[-1]
    size = groups * strips * height * depth
    own = w + code.part * size

    def tile(block: Block, g: Value, q: Value, t: Value) -> None:
        tops = [(t * height + r).if_less(outs, t * height + r, outs - 1) * windows for r in range(height)]
        places = [block.offsets[q + i] for i in range(width)]

        def sample(n: Value, *sums: Value) -> Any:
            x = block.lines + (n * block.sample_step + g * block.group_step)
            out = y + (((block.sample + n) * groups + g) * outs * windows + block.first)

            def term(p: Value, *sums: Value, mask: Value | None = None) -> list[Value]:
                ys = [code.load(out + (top + p), mask) for top in tops]
                xs = [code.load(x + (place + p), mask) for place in places]
                return [code.fma(ys[i // width], xs[i % width], sums[i]) for i in range(height * width)]

            whole = block.length - block.length % code.lanes
            rest = code.first(block.length - whole)
            sums = code.loop(0, whole, code.lanes, term, sums)
            return code.loop(whole, block.length, code.lanes, lambda p, *s: term(p, *s, mask=rest), sums)

        sums = code.loop(0, block.samples, 1, sample, [code.constant()] * (height * width))
        at = own + (((g * strips + t) * height) * depth + q)
        for i, total in enumerate(sums):
            place = depth * (i // width) + i % width
            at[place] = at[place] + code.total(total)

    def body(number: Value) -> None:
        block = Block(code, rows, number, step)

        def group(g: Value) -> None:
            code.loop(0, depth, width, lambda q: code.loop(0, strips, 1, lambda t: tile(block, g, q, t)))

        code.loop(0, groups, 1, group)

    code.clear(own, size)
    code.loop(code.part, blocks, sums, body)


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
    biases: tuple[int, ...] | None,
    dtype: Any,
    geo: Geometry,
    groups: int,
    rectified: bool,
    tile: tuple[int, ...],
    chosen: bool,
) -> _Plan | int:
    """The plan, or how many samples are to be merged into one."""
    m = at_once("conv", geo, groups, shape, weights, None, biases, _FEW)
    if m > 1:
        return m
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


def convolved(
    x: Any, w: Any, bias: Any, geo: Geometry, groups: int, rectified: bool, tile: tuple[int, ...], chosen: bool
) -> tuple[Any, Any]:
    """As `conv`, then relu if `rectified`, then max over each `tile` unless empty, and which it was if `chosen`."""
    plan = _plan(x.shape, w.shape, None if bias is None else bias.shape, x.dtype, geo, groups, rectified, tile, chosen)
    if isinstance(plan, int):
        tile = (*tile, 1) if tile else ()
        given = together(x, plan), w[..., None], bias, with_samples(geo, plan), groups, rectified, tile, chosen
        y, choice = convolved(*given)
        return parted(y, len(x)), parted(choice, len(x)) if chosen else None
    x, w, y = np.ascontiguousarray(x), np.ascontiguousarray(w), memory.empty(plan.shape, x.dtype)
    bias = np.zeros(len(w), x.dtype) if bias is None else np.ascontiguousarray(bias)
    lines, room = scratch(plan.room, x.dtype)
    more = {"choice": memory.empty(plan.shape, np.uint8)} if chosen else {}
    launch.run(plan.kernel, plan.parts, plan.work, x=x, lines=lines, room=room, y=y, w=w, bias=bias, **more)
    return y, more.get("choice")


class _WeightPlan(NamedTuple):
    """Everything about the gradient of a weight that depends on shapes only."""

    kernel: Kernel
    parts: int
    shape: tuple[int, ...]  # of what the kernel gives
    strip: int  # columns in one of its strips, 0 without
    room: int  # numbers of memory that a thread needs
    outs: int
    depth: int
    work: float


@functools.lru_cache(256)
def _weight_plan(shape: tuple[int, ...], out: tuple[int, ...], dtype: Any, geo: Geometry, groups: int) -> _WeightPlan:
    rows = rows_of(geo, shape[0], shape[1], groups, dtype.itemsize)
    outs, depth = out[1] // groups, shape[1] // groups * math.prod(geo.kernel)
    lanes, most = registers()[0] // dtype.itemsize, registers()[1] * 3 // 4
    columns = over(outs, lanes)
    wide = min((v for v in (1, 2, 3, 4) if v * 3 <= most), key=lambda v: (over(columns, v * lanes), -v))
    tiles = [(h, most // h) for h in (1, 2, 3, 4)]
    flat = min(tiles, key=lambda tile: over(outs, tile[0]) * over(depth, tile[1]))
    # the time for a window, half of that of a multiply-add; inner products wait for memory as long again
    outer_time = over(depth, most // wide) * over(columns, wide * lanes) // lanes + 2 * columns
    inner = 2 * over(outs, flat[0]) * over(depth, flat[1]) // lanes < outer_time
    height, width = flat if inner else (most // wide, wide)
    rounded = over(outs if inner else depth, height)
    sizes = rounded, over(depth, width) if inner else over(columns, width * lanes)
    sums = max(1, min(rows.blocks, _SUMS, _SUMS * BLOCK // (groups * math.prod(sizes) * dtype.itemsize)))
    given = {**rows.arguments, "blocks": rows.blocks, "sums": sums, "outs": outs, "windows": math.prod(geo.out)}
    slices, panel, strip = 1, 0, 0
    if inner:
        kernel = _inner_products(dtype, rows.step, height, width)
        given |= {"strips": sizes[0] // height, "depth": sizes[1]}
    else:
        kernel = _outer_products(dtype, rows.step, height, width)
        slices, strip = min(-(-_PARTS // sums), sizes[0] // height), width * lanes
        few = max(lanes, _PANEL // (sizes[1] * dtype.itemsize) // lanes * lanes)
        panel = few * sizes[1]
        given |= {"slices": slices, "depth": sizes[0], "columns": sizes[1], "few": few}
    return _WeightPlan(
        kernel.fixed(**given),
        sums * slices,
        (sums, groups, *sizes),
        strip,
        rows.copied + panel,
        outs,
        depth,
        math.prod(out) * depth / 64,
    )


def conv_weight(x: Any, y: Any, geo: Geometry, groups: int) -> Any:
    """As `convolution.conv_weight`."""
    m = at_once("conv_weight", geo, groups, x.shape, None, y.shape, None, _FEW)
    if m > 1:
        return conv_weight(together(x, m), together(y, m), with_samples(geo, m), groups)[..., 0]
    plan = _weight_plan(x.shape, y.shape, x.dtype, geo, groups)
    x, y, w = np.ascontiguousarray(x), np.ascontiguousarray(y), memory.empty(plan.shape, x.dtype)
    lines, room = scratch(plan.room, x.dtype)
    launch.run(plan.kernel, plan.parts, plan.work, x=x, lines=lines, room=room, y=y, w=w)
    w, size = np.add.reduce(w, axis=0), plan.shape[2:]
    if plan.strip:
        w = w.reshape(groups, -1, size[0], plan.strip).swapaxes(2, 3).reshape(groups, size[1], size[0])
    w = np.ascontiguousarray(w[:, : plan.outs, : plan.depth])
    return w.reshape(groups * plan.outs, x.shape[1] // groups, *geo.kernel)
