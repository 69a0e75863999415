"""The gradient of a convolution's weight by machine code: outer or inner products over implicit im2col."""

from __future__ import annotations

import functools
import math
from typing import Any, NamedTuple

import numpy as np

from ..runtime import launch, memory
from ..runtime.arguments import natural, positive, reads, writes
from ..runtime.llvm import IRValue, Kernel, KernelBuilder, kernel, registers
from .geometry import BLOCK, Geometry
from .implicit_im2col import FEW, Block, of_rows, over, rows_of, scratch
from .micro_kernel import outer
from .sample_merging import merges_pairs
from .weight_layouts import turned

__all__ = ["conv_weight"]

_SUMS = 16  # into so many the terms of a weight's gradient are added, before these are
_CHAIN = 1 << 6  # terms of inner products that a lane adds one after another
_PARTS = 8  # of a weight's gradient at least, for threads to share
_PANEL = 1 << 16  # bytes of Y that outer products take at a time, to stay in a near cache


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
def _outer_products(code: KernelBuilder, step: int, height: int, width: int) -> None:
    """W = rows Y^T for each group, summed over blocks, a tile of `height` rows and `width` vectors at a time.

    For a few windows at a time Y is transposed, so that what belongs to a window lies side by side. W lies in strips,
    as wide as a tile. Each of the `sums` is done in `slices` of its rows.
    """
    *rows, y, w, blocks, sums, slices, depth, columns, few, outs, windows = code.arguments
    lines, room, panel, groups = *rows[1:4], rows[-1]
    lanes, wide, number, slice = code.lanes, code.lanes * width, code.part / slices, code.part % slices
    own, own_panel = w + number * groups * depth * columns, lines + (code.thread * room + panel)
    top, bottom = (depth / height * s / slices * height for s in (slice, slice + 1))

    def transpose(y: IRValue, k: IRValue, count: IRValue, p: IRValue) -> None:
        mask = code.first(count - p)
        rows = [(k + i).if_less(outs, k + i, outs - 1) * windows for i in range(lanes)]
        for i, vector in enumerate(code.transposed([code.load(y + (row + p), mask) for row in rows])):
            code.store(own_panel + ((p + i) * columns + k), vector)

    def tile(w: IRValue, xs: list[IRValue], q: IRValue, k: IRValue, count: IRValue) -> None:
        places = [w + (k * depth + (q + i) * wide + v * lanes) for i in range(height) for v in range(width)]

        def term(p: IRValue, *sums: IRValue) -> list[IRValue]:
            row = own_panel + (p * columns + k)
            return outer(code, sums, lambda i: code.filled(xs[i][p]), lambda v: code.load(row + v * lanes), width)

        sums = code.loop(0, count, 1, term, [code.constant()] * (height * width))
        for place, total in zip(places, sums, strict=True):
            code.store(place, code.load(place) + total)

    def part(block: Block, g: IRValue, n: IRValue, first: IRValue) -> None:
        out = y + (((block.sample + n) * groups + g) * outs * windows + block.first + first)
        x = block.lines + (n * block.sample_step + g * block.group_step + first)
        count = (block.length - first).if_less(few, block.length - first, few)
        code.loop(0, columns, lanes, lambda k: code.loop(0, count, lanes, lambda p: transpose(out, k, count, p)))

        def strip(k: IRValue, q: IRValue) -> None:
            xs = [x + block.offsets[q + i] for i in range(height)]
            tile(own + g * depth * columns, xs, q, k, count)

        code.loop(0, columns, wide, lambda k: code.loop(top, bottom, height, lambda q: strip(k, q)))

    def body(number: IRValue) -> None:
        block = Block(code, rows, number, step)

        def sample(g: IRValue, n: IRValue) -> None:
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
def _inner_products(code: KernelBuilder, step: int, height: int, width: int) -> None:
    """W = Y rows^T for each group, summed over blocks, a tile of `height` rows of Y and `width` of X at a time."""
    *rows, y, w, blocks, sums, strips, depth, outs, windows = code.arguments
    groups = rows[-1]
    size = groups * strips * height * depth
    own = w + code.part * size
    stretch, zeros = _CHAIN * code.lanes, [code.constant()] * (height * width)

    def tile(block: Block, g: IRValue, q: IRValue, t: IRValue) -> None:
        tops = [(t * height + r).if_less(outs, t * height + r, outs - 1) * windows for r in range(height)]
        places = [block.offsets[q + i] for i in range(width)]

        def sample(n: IRValue, *sums: IRValue) -> Any:
            x = block.lines + (n * block.sample_step + g * block.group_step)
            out = y + (((block.sample + n) * groups + g) * outs * windows + block.first)

            def term(p: IRValue, *sums: IRValue, mask: IRValue | None = None) -> list[IRValue]:
                return outer(
                    code,
                    sums,
                    lambda r: code.load(out + (tops[r] + p), mask),
                    lambda i: code.load(x + (places[i] + p), mask),
                    width,
                )

            def chain(first: IRValue, *sums: IRValue) -> list[IRValue]:
                length = (block.length - first).if_less(stretch, block.length - first, stretch)
                whole, end = first + length - length % code.lanes, first + length
                rest = code.first(end - whole)
                added = code.loop(first, whole, code.lanes, term, zeros)
                added = code.loop(whole, end, code.lanes, lambda p, *s: term(p, *s, mask=rest), added)
                return [a + b for a, b in zip(sums, added, strict=True)]

            return code.loop(0, block.length, stretch, chain, sums)

        sums = code.loop(0, block.samples, 1, sample, zeros)
        at = own + (((g * strips + t) * height) * depth + q)
        for i, total in enumerate(sums):
            place = depth * (i // width) + i % width
            at[place] = at[place] + code.total(total)

    def body(number: IRValue) -> None:
        block = Block(code, rows, number, step)

        def group(g: IRValue) -> None:
            code.loop(0, depth, width, lambda q: code.loop(0, strips, 1, lambda t: tile(block, g, q, t)))

        code.loop(0, groups, 1, group)

    code.clear(own, size)
    code.loop(code.part, blocks, sums, body)


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


@merges_pairs(FEW)
def conv_weight(x: Any, y: Any, geo: Geometry, groups: int) -> Any:
    """As `convolution.conv_weight`."""
    plan = _weight_plan(x.shape, y.shape, x.dtype, geo, groups)
    x, y, w = np.ascontiguousarray(x), np.ascontiguousarray(y), memory.empty(plan.shape, x.dtype)
    lines, room = scratch(plan.room, x.dtype)
    launch.run(plan.kernel, plan.parts, plan.work, x=x, lines=lines, room=room, y=y, w=w)
    size = plan.shape[2:]
    if plan.strip:
        w = turned(w.reshape(len(w), -1, size[0], plan.strip)).reshape(groups, size[1], size[0])
    else:
        w = np.add.reduce(w, axis=0)
    w = np.ascontiguousarray(w[:, : plan.outs, : plan.depth])
    return w.reshape(groups * plan.outs, x.shape[1] // groups, *geo.kernel)
