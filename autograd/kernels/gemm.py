"""Matrix products by machine code, a packed GEMM: operands of any layout, in parts for threads to share."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..runtime import launch, memory
from ..runtime.arguments import integer, natural, per_thread, positive, reads, strided, writes
from ..runtime.llvm import IRValue, Kernel, KernelBuilder, available, kernel, registers
from .implicit_im2col import over, scratch
from .micro_kernel import outer

__all__ = ["product", "worth"]

_SIZE, _ROWS = 1 << 22, 4  # multiplications, and rows, from which on this pays
_PANEL = 1 << 16  # bytes of B to work on at a time, to stay in a near cache
_CHAIN = 1 << 8  # terms that are added one after another at most
_BLOCK = 256  # rows of A to work on at a time, about
_FAR = 1 << 11  # bytes between columns of A, from which on they are copied
_NEAR = 8  # such columns that the nearest cache holds, though they may all fall into the same of its sets
_PARTS, _TERMS = 8, 1 << 10  # parts at most, and the terms that a part has at least


@kernel(
    "few % lanes == 0 and block % height == 0 and (down == 1 or not far)",
    a=strided("rows", "terms", "down", "across"),
    b=strided("columns if turned else terms", "terms if turned else columns", "beside", "1"),
    more=reads("columns * plus"),
    c=writes("-(-terms // part_terms) * rows * columns"),
    lines=per_thread("(few + 1) * lanes * width + (few + lanes) * block * far"),
    **dict.fromkeys(("room", "rows", "terms", "columns"), natural),
    **dict.fromkeys(("down", "across", "beside"), integer),
    **dict.fromkeys(("few", "block", "part_columns", "part_rows", "part_terms"), positive),
)
def _products(code: KernelBuilder, height: int, width: int, far: bool, turned: bool, plus: bool) -> None:
    """C = A B by a micro-kernel that makes a tile of `height` rows and `width` vectors, from a few terms at a time.

    With `plus` a row is added to all rows of C. The strides of A are `down` between rows and `across` between columns;
    that of B is `beside`, between rows, or between columns if B is transposed (`turned`). A panel of B, as wide as a
    tile, is packed, and so are strips of A, as high as a tile, if its columns lie far apart. Parts are blocks of
    columns, rows and terms; those of later terms have a C of their own.
    """
    products = _Products(code, height, width, far, turned, plus)
    first, last, few, block = products.first, products.last, products.few, products.block
    top, bottom = products.top, products.bottom
    code.loop(first, last, few, lambda at: code.loop(top, bottom, block, lambda t: products.rows_from(t, at)))


class _Products:
    """In machine code, a part of C: rows from top to bottom, columns from left to right, terms from first to last."""

    def __init__(self, code: KernelBuilder, height: int, width: int, far: bool, turned: bool, plus: bool) -> None:
        self.code, self.height, self.width, self.far, self.turned, self.plus = code, height, width, far, turned, plus
        self.a, self.b, self.more, c, lines, room, rows, terms, self.columns, *steps = code.arguments[:-5]
        self.few, self.block, *sizes = code.arguments[-5:]
        self.down, self.across, self.beside = steps
        self.wide, self.pitch = code.lanes * width, self.few + code.lanes
        self.own, number, ends = lines + code.thread * room, code.part, []
        self.spare, self.strips = self.own + self.few * self.wide, self.own + (self.few + 1) * self.wide
        for size, count in zip(sizes, (self.columns, rows, terms), strict=True):
            parts = (count + (size - 1)) / size
            start = number % parts * size
            ends.append((start, (start + size).if_less(count, start + size, count)))
            number = number / parts
        (self.left, self.right), (self.top, self.bottom), (self.first, self.last) = ends
        self.out = c + self.first / sizes[2] * rows * self.columns

    def rows_from(self, top: IRValue, at: IRValue) -> None:
        """The products of a block of rows with a few terms."""
        code, height, few, strips = self.code, self.height, self.few, self.strips
        count = (self.last - at).if_less(few, self.last - at, few)
        end = (top + self.block).if_less(self.bottom, top + self.block, self.bottom)
        if self.far:
            self.strips_from(top, end, at, count)

        def columns_from(p: IRValue) -> None:
            masks = [code.first(self.right - p - v * code.lanes) for v in range(self.width)]
            self.panel(p, at, count, masks)
            code.loop(top, end, height, lambda t: self.tile(p, t, strips + (t - top) * self.pitch, at, count, masks))

        code.loop(self.left, self.right, self.wide, columns_from)

    def strips_from(self, top: IRValue, end: IRValue, at: IRValue, count: IRValue) -> None:
        """Copy a block of A as strips: a few columns at a time, so that each is read from memory once."""
        code, height = self.code, self.height

        def columns(q: IRValue) -> None:
            stop = (q + _NEAR).if_less(count, q + _NEAR, count)
            code.loop(top, end, height, lambda t: self.strip(t, self.strips + (t - top) * self.pitch, at, q, stop))

        code.loop(0, count, _NEAR, columns)

    def strip(self, t: IRValue, into: IRValue, at: IRValue, start: IRValue, stop: IRValue) -> None:
        """Copy some columns of a strip of A."""
        code, height, bottom = self.code, self.height, self.bottom
        rows = range(0, height, code.lanes)
        masks = [(i, code.first(bottom - t - i)) for i in rows]

        def copy(q: IRValue) -> None:
            for i, mask in masks:
                vector = code.load(self.a + ((at + q) * self.across + (t + i)), mask)
                code.store(into + (q * height + i), vector)

        code.loop(start, stop, 1, copy)

    def panel(self, p: IRValue, at: IRValue, count: IRValue, masks: list[IRValue]) -> None:
        """Copy a panel of B."""
        code, b, own, wide, lanes, beside = self.code, self.b, self.own, self.wide, self.code.lanes, self.beside

        def copy(q: IRValue) -> None:
            for v, mask in enumerate(masks):
                code.store(own + (q * wide + v * lanes), code.load(b + ((at + q) * beside + (p + v * lanes)), mask))

        def turn(q: IRValue) -> None:
            mask = code.first(count - q)
            for v in range(self.width):
                numbers = (p + (v * lanes + i) for i in range(lanes))
                sides = [b + (j.if_less(self.columns, j, self.columns - 1) * beside + (at + q)) for j in numbers]
                for i, vector in enumerate(code.transposed([code.load(side, mask) for side in sides])):
                    code.store(own + ((q + i) * wide + v * lanes), vector)

        code.loop(0, count, lanes if self.turned else 1, turn if self.turned else copy)

    def tile(self, p: IRValue, t: IRValue, strip: IRValue, at: IRValue, count: IRValue, masks: list[IRValue]) -> None:
        """Add the products of some rows of A with a panel to C; the sums stay in registers."""
        code, height, width, bottom, down, across = (
            self.code,
            self.height,
            self.width,
            self.bottom,
            self.down,
            self.across,
        )
        numbers = [t + r for r in range(height)]
        rows = [i.if_less(bottom, i, bottom - 1) * down + at * across for i in numbers]
        far = self.far
        xs, step = ([strip + r for r in range(height)], height) if far else ([self.a + row for row in rows], across)
        ys = [i.if_less(bottom, self.out + (i * self.columns + p), self.spare) for i in numbers]
        places = [y + v * code.lanes for y in ys for v in range(width)]

        def term(q: IRValue, *sums: IRValue) -> list[IRValue]:
            row = self.own + q * self.wide
            return outer(
                code, sums, lambda r: code.filled(xs[r][q * step]), lambda v: code.load(row + v * code.lanes), width
            )

        sums = code.loop(0, count, 1, term, [code.constant()] * (height * width))
        later, ending, rest = code.first(at - self.first), self.ending(at), (self.right - p).if_less(self.wide, 1, 0)

        def add(masks: Sequence[IRValue | None]) -> None:
            for i, (place, total) in enumerate(zip(places, sums, strict=True)):
                mask, v = masks[i % width], i % width
                known, last = (among if mask is None else among & mask for among in (later, ending))
                total = code.load(place, known) + total
                if self.plus:
                    total = total + code.load(self.more + (p + v * code.lanes), last)
                code.store(place, total, mask)

        code.loop(rest, 1, 1, lambda _: add([None] * width))  # of a whole panel, without masks
        code.loop(0, rest, 1, lambda _: add(masks))

    def ending(self, at: IRValue) -> IRValue:
        """A mask: whether these terms are the last of the first part."""
        lanes = self.code.lanes
        return self.code.first(self.first.if_less(1, (self.last - self.few).if_less(at + 1, lanes, 0), 0))


def worth(a: Any, b: Any, more: Any = None) -> bool:
    """Whether `product` is for these matrices, and faster than BLAS."""
    (m, k), (inner, n) = a.shape, b.shape
    enough = m * k * n >= _SIZE and m >= _ROWS
    return enough and k == inner and available(a, b, more) and n >= registers()[0] // a.itemsize


@functools.lru_cache(256)
def _plan(m: int, k: int, n: int, itemsize: int, far: bool) -> tuple[int, int, tuple[int, ...], int]:
    """The height and width of tiles; `few`, the rows of a block, the columns, rows and terms of a part; the parts.

    Tiles take three quarters of the registers and are two vectors wide or more: else reads, not sums, would bound them.
    Columns are parted first, and then rows; if A is copied (`far`), rows are, or else each part would copy all of it.
    """
    lanes, most = registers()[0] // itemsize, registers()[1] * 3 // 4
    tiles = [(h, most // h) for h in (12, 8, 6) if most // h > 1]
    height, width = min(tiles, key=lambda tile: over(m, tile[0]) * over(n, tile[1] * lanes))
    wide, parts = width * lanes, 1
    sizes, steps = [n, m, k], (((1 + 3 * far) * wide, wide), (_BLOCK, height), (_TERMS, lanes))
    for i in (1, 0, 2) if far else (0, 1, 2):
        length, (least, step) = sizes[i], steps[i]
        sizes[i] = over(-(-length // max(1, min(_PARTS // parts, length // least))), step)
        parts *= -(-length // sizes[i])
    few = min(_PANEL // (wide * itemsize) // lanes * lanes, _CHAIN, sizes[2])
    return height, width, (few, over(min(m, _BLOCK), height), *sizes), parts


@functools.lru_cache(256)
def _fixed(
    m: int, k: int, n: int, dtype: Any, steps: tuple[int, int], further: tuple[int, int], plus: bool
) -> tuple[Kernel, bool, int, int, int]:
    """The kernel for matrices of these shapes and strides (in bytes), whether B is transposed, the number of parts, how
    many numbers of scratch memory a thread needs, and how many results are to be added up."""
    item = dtype.itemsize
    turned, far = further[1] != item, steps[0] == item and steps[1] >= _FAR
    height, width, (few, block, *sizes), parts = _plan(m, k, n, item, far)
    kernel = _products(dtype, height, width, far, turned, plus).fixed(
        **{"rows": m, "terms": k, "columns": n, "few": few, "block": block},
        **{"down": steps[0] // item, "across": steps[1] // item, "beside": further[turned] // item},
        **dict(zip(("part_columns", "part_rows", "part_terms"), sizes, strict=True)),
    )
    own = (few + 1) * width * (registers()[0] // item) + (few + registers()[0] // item) * block * far
    return kernel, turned, parts, own, -(-k // sizes[2])


def product(a: Any, b: Any, more: Any = None) -> Any:
    """a @ b, and where there is more, a row, plus that."""
    item = a.itemsize
    if any(step % item for step in a.strides):
        a = np.ascontiguousarray(a)
    if item not in b.strides or any(step % item for step in b.strides):
        b = np.ascontiguousarray(b)
    (m, k), n = a.shape, b.shape[1]
    kernel, turned, parts, own, planes = _fixed(m, k, n, a.dtype, a.strides, b.strides, more is not None)
    c = memory.empty((planes, m, n), a.dtype)
    lines, room = scratch(own, a.dtype)
    given = {"a": a, "b": b.T if turned else b, "more": None if more is None else np.ascontiguousarray(more)}
    launch.run(kernel, parts, m * k * n / 64, **given, c=c, lines=lines, room=room)
    return c[0] if len(c) == 1 else np.add.reduce(c, axis=0)
