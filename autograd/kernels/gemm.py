"""Matrix products by machine code, a packed GEMM: operands of any layout, in parts for threads to share."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from ..runtime import launch, memory
from ..runtime.arguments import integer, natural, per_thread, positive, strided, writes
from ..runtime.llvm import Code, Kernel, Value, available, kernel, registers
from .implicit_im2col import over, scratch

__all__ = ["product", "worth"]

_SIZE, _ROWS = 1 << 22, 4  # multiplications, and rows, from which on this pays
_PANEL = 1 << 16  # bytes of B to work on at a time, to stay in a near cache
_BLOCK = 256  # rows of A to work on at a time, about
_FAR = 1 << 11  # bytes between columns of A, from which on they are copied
_PARTS, _TERMS = 8, 1 << 10  # parts at most, and the terms that a part has at least


@kernel(
    "few % lanes == 0 and block % height == 0 and (down == 1 or not far)",
    a=strided("rows", "terms", "down", "across"),
    b=strided("columns if turned else terms", "terms if turned else columns", "beside", "1"),
    c=writes("-(-terms // part_terms) * rows * columns"),
    lines=per_thread("(few + 1) * lanes * width + few * block * far"),
    **dict.fromkeys(("room", "rows", "terms", "columns"), natural),
    **dict.fromkeys(("down", "across", "beside"), integer),
    **dict.fromkeys(("few", "block", "part_columns", "part_rows", "part_terms"), positive),
)
def _products(code: Code, height: int, width: int, far: bool, turned: bool) -> None:
    """C = A B by a micro-kernel that makes a tile of `height` rows and `width` vectors, from a few terms at a time.

    The strides of A are `down` between rows and `across` between columns; that of B is `beside`, between rows, or
    between columns if B is transposed (`turned`). A panel of B, as wide as a tile, is packed, and so are strips of
    A, as high as a tile, if its columns lie far apart. Parts are blocks of columns, rows and terms; those of later
    terms have a C of their own.
    """
    a, b, c, lines, room, rows, terms, columns, down, across, beside, few, block, *sizes = code.arguments
    lanes, wide = code.lanes, code.lanes * width
    own, number, ends = lines + code.thread * room, code.part, []
    spare, strips = own + few * wide, own + (few + 1) * wide
    for size, count in zip(sizes, (columns, rows, terms), strict=True):
        parts = (count + (size - 1)) / size
        start = number % parts * size
        ends.append((start, (start + size).if_less(count, start + size, count)))
        number = number / parts
    (left, right), (top, bottom), (first, last) = ends
    out = c + first / sizes[2] * rows * columns

    def strip(t: Value, into: Value, at: Value, count: Value) -> None:
        masks = [(i, code.first((bottom - t).if_less(height, bottom - t, height) - i)) for i in range(0, height, lanes)]

        def copy(q: Value) -> None:
            for i, mask in masks:
                vector = code.load(a + ((at + q) * across + (t + i)), mask)
                code.store(into + (q * height + i), vector, code.first(height - i))

        code.loop(0, count, 1, copy)

    def panel(p: Value, at: Value, count: Value, masks: list[Value]) -> None:
        def copy(q: Value) -> None:
            for v, mask in enumerate(masks):
                code.store(own + (q * wide + v * lanes), code.load(b + ((at + q) * beside + (p + v * lanes)), mask))

        def turn(q: Value) -> None:
            mask = code.first(count - q)
            for v in range(width):
                numbers = (p + (v * lanes + i) for i in range(lanes))
                sides = [b + (j.if_less(columns, j, columns - 1) * beside + (at + q)) for j in numbers]
                for i, vector in enumerate(code.transposed([code.load(side, mask) for side in sides])):
                    code.store(own + ((q + i) * wide + v * lanes), vector)

        code.loop(0, count, lanes if turned else 1, turn if turned else copy)

    def tile(p: Value, t: Value, strip: Value, at: Value, count: Value, masks: list[Value]) -> None:
        numbers = [t + r for r in range(height)]
        rows = [i.if_less(bottom, i, bottom - 1) * down + at * across for i in numbers]
        xs, step = ([strip + r for r in range(height)], height) if far else ([a + row for row in rows], across)
        ys = [i.if_less(bottom, out + (i * columns + p), spare) for i in numbers]
        places = [(y + v * lanes, masks[v]) for y in ys for v in range(width)]

        def term(q: Value, *sums: Value) -> list[Value]:
            panel = [code.load(own + (q * wide + v * lanes)) for v in range(width)]
            factors = [code.filled(x[q * step]) for x in xs]
            return [code.fma(factors[i // width], panel[i % width], sums[i]) for i in range(height * width)]

        sums = code.loop(0, count, 1, term, [code.constant()] * (height * width))
        before = [code.load(place, mask & code.first(at - first)) for place, mask in places]
        for (place, mask), more, total in zip(places, before, sums, strict=True):
            code.store(place, more + total, mask)

    def rows_from(top: Value, at: Value) -> None:
        count = (last - at).if_less(few, last - at, few)
        end = (top + block).if_less(bottom, top + block, bottom)
        if far:
            code.loop(top, end, height, lambda t: strip(t, strips + (t - top) * few, at, count))

        def columns_from(p: Value) -> None:
            masks = [code.first(right - p - v * lanes) for v in range(width)]
            panel(p, at, count, masks)
            code.loop(top, end, height, lambda t: tile(p, t, strips + (t - top) * few, at, count, masks))

        code.loop(left, right, wide, columns_from)

    code.loop(first, last, few, lambda at: code.loop(top, bottom, block, lambda t: rows_from(t, at)))


def worth(a: Any, b: Any) -> bool:
    """Whether `product` is for these matrices, and faster than BLAS."""
    (m, k), (inner, n) = a.shape, b.shape
    enough = m * k * n >= _SIZE and m >= _ROWS
    return enough and k == inner and available(a, b) and n >= registers()[0] // a.itemsize


@functools.lru_cache(256)
def _plan(m: int, k: int, n: int, itemsize: int) -> tuple[int, int, tuple[int, ...], int]:
    """The height and width of tiles; `few`, the rows of a block, the columns, rows and terms of a part; the parts."""
    lanes, most = registers()[0] // itemsize, registers()[1] * 3 // 4
    tiles = [(h, most // h) for h in (12, 8, 6)]
    height, width = min(tiles, key=lambda tile: over(m, tile[0]) * over(n, tile[1] * lanes))
    wide, parts, sizes = width * lanes, 1, []
    for length, least, step in ((n, wide, wide), (m, _BLOCK, height), (k, _TERMS, lanes)):
        size = over(-(-length // max(1, min(_PARTS // parts, length // least))), step)
        sizes.append(size)
        parts *= -(-length // size)
    few = min(_PANEL // (wide * itemsize) // lanes * lanes, sizes[2])
    return height, width, (few, over(min(m, _BLOCK), height), *sizes), parts


@functools.lru_cache(256)
def _fixed(
    m: int, k: int, n: int, dtype: Any, steps: tuple[int, int], further: tuple[int, int]
) -> tuple[Kernel, bool, int, int]:
    """The kernel for matrices of these shapes and strides (in bytes), whether B is transposed, the number of parts, and
    how many numbers of scratch memory a thread needs."""
    item = dtype.itemsize
    turned, far = further[1] != item, steps[0] == item and steps[1] >= _FAR
    height, width, (few, block, *sizes), parts = _plan(m, k, n, item)
    kernel = _products(dtype, height, width, far, turned).fixed(
        **{"rows": m, "terms": k, "columns": n, "few": few, "block": block},
        **{"down": steps[0] // item, "across": steps[1] // item, "beside": further[turned] // item},
        **dict(zip(("part_columns", "part_rows", "part_terms"), sizes, strict=True)),
    )
    return kernel, turned, parts, (few + 1) * width * (registers()[0] // item) + few * block * far


def product(a: Any, b: Any) -> Any:
    """a @ b."""
    item = a.itemsize
    if any(step % item for step in a.strides):
        a = np.ascontiguousarray(a)
    if item not in b.strides or any(step % item for step in b.strides):
        b = np.ascontiguousarray(b)
    (m, k), n = a.shape, b.shape[1]
    kernel, turned, parts, own = _fixed(m, k, n, a.dtype, a.strides, b.strides)
    c = memory.empty((-(-k // _plan(m, k, n, item)[2][4]), m, n), a.dtype)
    lines, room = scratch(own, a.dtype)
    launch.run(kernel, parts, m * k * n / 64, a=a, b=b.T if turned else b, c=c, lines=lines, room=room)
    return c[0] if len(c) == 1 else np.add.reduce(c, axis=0)
