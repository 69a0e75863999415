"""Attention by machine code: the scores of some queries stay in a near cache up to their result.

A part is a head: its keys and values are packed as panels once, as wide as a tile of sums that stays in registers. On
the way back the cotangents of all its scores are kept in scratch memory.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..runtime import launch, memory
from ..runtime.arguments import Arguments, natural, per_thread, positive, reads, writes
from ..runtime.llvm import IRValue, KernelBuilder, available, kernel, lanes, registers
from .exponentials import exp
from .implicit_im2col import over, scratch
from .micro_kernel import outer

__all__ = ["available", "back", "forward"]

_ROWS = 24  # queries to work on at a time: whole tiles, whose scores stay in a near cache
_CHAIN = 1 << 8  # terms that are added one after another at most
_WIDTH, _HEIGHT = 2, 12  # vectors and rows of a tile, at most
_PASSES = 8  # over the weights, about
_LARGEST = {"float": float(np.finfo(np.float32).max), "double": float(np.finfo(np.float64).max)}

Place = Callable[[IRValue], IRValue]
Put = Callable[[IRValue, IRValue, Sequence[IRValue], Sequence[IRValue | None]], None]


class _Panels(NamedTuple):
    """A matrix in panels of `width` vectors, one after another."""

    at: IRValue
    terms: IRValue
    columns: IRValue
    width: int


class _Head:
    """In machine code, what forward and backward have in common; `room` is the scratch memory that is not used yet."""

    def __init__(self, code: KernelBuilder, room: IRValue) -> None:
        self.code, self.room = code, room

    def taken(self, size: IRValue) -> IRValue:
        """So much of the scratch memory."""
        found, self.room = self.room, self.room + size
        return found

    def packed(
        self, a: IRValue, terms: IRValue, columns: IRValue, width: int, factor: Place | None, turned: bool = False
    ) -> _Panels:
        """The panels of a matrix (terms, columns), or of the transpose of one (`turned`); each row times its factor."""
        code, lanes, wide = self.code, self.code.lanes, width * self.code.lanes
        at = self.taken((columns + (wide - 1)) / wide * wide * terms + lanes * wide)

        def panel(p: IRValue) -> None:
            own, masks = at + p * terms, [code.first(columns - p - v * lanes) for v in range(width)]

            def write(q: IRValue, v: int, vector: IRValue) -> None:
                code.store(own + (q * wide + v * lanes), vector * factor(q) if factor else vector)

            def copy(q: IRValue) -> None:
                for v, mask in enumerate(masks):
                    write(q, v, code.load(a + (q * columns + p + v * lanes), mask))

            def turn(q: IRValue) -> None:
                mask = code.first(terms - q)
                for v in range(width):
                    numbers = (p + (v * lanes + i) for i in range(lanes))
                    sides = [a + (j.if_less(columns, j, columns - 1) * terms + q) for j in numbers]
                    for i, vector in enumerate(code.transposed([code.load(side, mask) for side in sides])):
                        write(q + i, v, vector)

            code.loop(0, terms, lanes if turned else 1, turn if turned else copy)

        code.loop(0, columns, wide, panel)
        return _Panels(at, terms, columns, width)

    def product(self, top: IRValue, end: IRValue, left: Place, step: Any, panels: _Panels, put: Put) -> None:
        """`put(row, column, vectors, masks)` for the products of the rows from `top` to `end` with all columns.

        The numbers of a row lie from `left(row)` on, a step apart. A row may come twice.
        """
        code, (at, terms, columns, width) = self.code, panels
        wide, height = width * code.lanes, min(_HEIGHT, registers()[1] * 3 // 4 // width)
        none = [code.constant()] * (height * width)

        def panel(p: IRValue, masks: Sequence[IRValue | None]) -> None:
            own = at + p * terms

            def tile(t: IRValue) -> None:
                rows = [i.if_less(end, i, end - 1) for i in (t + r for r in range(height))]
                sides = [left(row) for row in rows]

                def term(q: IRValue, *sums: IRValue) -> list[IRValue]:
                    row = own + q * wide
                    return outer(
                        code,
                        sums,
                        lambda r: code.filled(sides[r][q * step]),
                        lambda v: code.load(row + v * code.lanes),
                        width,
                    )

                def chain(start: IRValue, *sums: IRValue) -> list[IRValue]:
                    stop = (start + _CHAIN).if_less(terms, start + _CHAIN, terms)
                    return [s + t for s, t in zip(sums, code.loop(start, stop, 1, term, none), strict=True)]

                sums = code.loop(0, terms, _CHAIN, chain, none)
                for r, row in enumerate(rows):
                    put(row, p, sums[r * width : r * width + width], masks)

            code.loop(top, end, height, tile)

        whole = columns - columns % wide
        code.loop(0, whole, wide, lambda p: panel(p, [None] * width))
        rest = [code.first(columns - whole - v * code.lanes) for v in range(width)]
        code.loop(whole, columns, wide, lambda p: panel(p, rest))

    def each(self, size: IRValue, body: Callable[..., Any], carried: Sequence[IRValue] = ()) -> Any:
        """`carried = body(place, mask, *carried)` for the vectors of a row."""
        code, whole = self.code, size - size % self.code.lanes
        carried = code.loop(0, whole, code.lanes, lambda i, *c: body(i, None, *c), carried)
        return code.loop(whole, size, code.lanes, lambda i, *c: body(i, code.first(size - i), *c), carried)

    def by_blocks(self, length: IRValue, body: Callable[[IRValue, IRValue], None]) -> None:
        """`body(top, end)` for blocks of rows."""
        code = self.code
        code.loop(0, length, _ROWS, lambda t: body(t, (t + _ROWS).if_less(length, t + _ROWS, length)))

    def largest(self, vector: IRValue) -> IRValue:
        """A vector of the largest number of a vector, or NaN."""
        code, distance = self.code, self.code.lanes // 2
        while distance:
            other = code.picked(vector, vector, [i ^ distance for i in range(code.lanes)])
            vector, distance = code.maximum(vector, other), distance // 2
        return vector


_SIZES: dict[str, Any] = {"room": natural, **dict.fromkeys(("heads", "length", "keys", "inner", "outer"), positive)}
_SCORES = "heads * length * keys"


def _panels(terms: str, columns: str, width: int) -> str:
    """The numbers of scratch memory that the panels of a matrix take, as a formula."""
    return f"-(-{columns} // ({width} * lanes)) * {width} * lanes * {terms} + {width} * lanes * lanes"


def _arguments(widths: tuple[int, int], masked: bool, dropped: bool) -> Arguments:
    needed = f"{_panels('inner', 'keys', widths[0])} + {_panels('keys', 'outer', widths[1])}"
    return {
        "q": reads("heads * length * inner"),
        "k": reads("heads * keys * inner"),
        "v": reads("heads * keys * outer"),
        "mask": reads("masks * length * keys"),
        "places": reads("heads * masked", "int64"),
        "factors": reads(f"{_SCORES} * dropped"),
        "numbers": reads("1"),
        "e": writes(_SCORES),
        "total": writes("heads * length"),
        "out": writes("heads * length * outer"),
        "lines": per_thread(f"{needed} + {_ROWS} * (lanes + keys * dropped)"),
        "masks": natural,
        **_SIZES,
    }


@kernel("", _arguments)
def _forward(code: KernelBuilder, widths: tuple[int, int], masked: bool, dropped: bool) -> None:
    """e = exp(scale q k^T + mask - top), with the largest score of each row for top, their sums, and the result."""
    q, k, v, mask, places, factors, numbers, e, total, out, lines, _, room, *sizes = code.arguments
    _, length, keys, inner, outward = sizes
    n, lanes, never, lowest = code.part, code.lanes, code.constant(-np.inf), code.constant(-_LARGEST[str(code.number)])
    q, e, factors = q + n * length * inner, e + n * length * keys, factors + n * length * keys
    total, out = total + n * length, out + n * length * outward
    if masked:
        mask = mask + places[n] * length * keys
    head, scale = _Head(code, lines + code.thread * room), code.filled(numbers[0])
    by_key = head.packed(k + n * keys * inner, inner, keys, widths[0], lambda _: scale, turned=True)
    values = head.packed(v + n * keys * outward, keys, outward, widths[1], None)
    tops, weights = head.taken(code.one * (_ROWS * lanes)), head.room

    def block(top: IRValue, end: IRValue) -> None:
        code.loop(0, _ROWS * lanes, lanes, lambda i: code.store(tops + i, never))

        def score(row: IRValue, p: IRValue, vectors: Sequence[IRValue], masks: Sequence[IRValue | None]) -> None:
            at = tops + (row - top) * lanes
            highest = code.load(at)
            for i, (vector, among) in enumerate(zip(vectors, masks, strict=True)):
                place = row * keys + p + i * lanes
                if masked:
                    vector = vector + code.load(mask + place, among)
                code.store(e + place, vector, among)
                highest = code.maximum(highest, vector if among is None else code.where(among, vector, never))
            code.store(at, highest)

        def exponentials(row: IRValue) -> None:
            highest = code.maximum(head.largest(code.load(tops + (row - top) * lanes)), lowest)

            def entry(i: IRValue, among: IRValue | None, found: IRValue) -> list[IRValue]:
                place = row * keys + i
                value = exp(code, code.load(e + place, among) - highest)
                code.store(e + place, value, among)
                if dropped:
                    kept = value * code.load(factors + place, among)
                    code.store(weights + ((row - top) * keys + i), kept, among)
                return [found + (value if among is None else code.where(among, value, code.constant()))]

            found = code.filled(code.total(*head.each(keys, entry, [code.constant()])))
            found = code.maximum(found, 1.0)  # less only where nothing is attended to
            total[row] = IRValue(code, code.builder.extract_element(found.raw, code.int(0)))

        def result(row: IRValue, p: IRValue, vectors: Sequence[IRValue], masks: Sequence[IRValue | None]) -> None:
            inverse = code.constant(1.0) / code.filled(total[row])
            for i, (vector, among) in enumerate(zip(vectors, masks, strict=True)):
                code.store(out + (row * outward + p + i * lanes), vector * inverse, among)

        head.product(top, end, lambda row: q + row * inner, 1, by_key, score)
        code.loop(top, end, 1, exponentials)
        shares = (lambda row: weights + (row - top) * keys) if dropped else (lambda row: e + row * keys)
        head.product(top, end, shares, 1, values, result)

    head.by_blocks(length, block)


def _back_arguments(widths: tuple[int, int, int], dropped: bool) -> Arguments:
    of_keys, of_inner, of_outer = widths
    needed = f"{_panels('outer', 'keys', of_keys)} + {_panels('keys', 'inner', of_inner)}"
    needed += f" + {_panels('length', 'inner', of_inner)} + {_panels('length', 'outer', of_outer)}"
    return {
        "g": reads("heads * length * outer"),
        "q": reads("heads * length * inner"),
        "k": reads("heads * keys * inner"),
        "v": reads("heads * keys * outer"),
        "factors": reads(f"{_SCORES} * dropped"),
        "numbers": reads("1"),
        "e": reads(_SCORES),
        "total": reads("heads * length"),
        "of_q": writes("heads * length * inner"),
        "of_k": writes("heads * keys * inner"),
        "of_v": writes("heads * keys * outer"),
        "lines": per_thread(f"{needed} + length * keys * (1 + dropped)"),
        **_SIZES,
    }


@kernel("", _back_arguments)
def _back(code: KernelBuilder, widths: tuple[int, int, int], dropped: bool) -> None:
    """The cotangents of q, k and v: through c, those of the scores."""
    g, q, k, v, factors, numbers, e, total, of_q, of_k, of_v, lines, room, *sizes = code.arguments
    n, lanes, (_, length, keys, inner, outward) = code.part, code.lanes, sizes
    g, q, e = g + n * length * outward, q + n * length * inner, e + n * length * keys
    k, v, factors, total = k + n * keys * inner, v + n * keys * outward, factors + n * length * keys, total + n * length
    of_q, of_k, of_v = of_q + n * length * inner, of_k + n * keys * inner, of_v + n * keys * outward
    head, scale, zero = _Head(code, lines + code.thread * room), code.filled(numbers[0]), IRValue(code, code.int(0))

    def inverse(row: IRValue) -> IRValue:
        return code.constant(1.0) / code.filled(total[row])

    by_value = head.packed(v, outward, keys, widths[0], None, turned=True)
    by_query = head.packed(k, keys, inner, widths[1], lambda _: scale)
    queries = head.packed(q, length, inner, widths[1], lambda _: scale)
    outs = head.packed(g, length, outward, widths[2], inverse)
    c, weights = head.taken(length * keys), head.room

    def into(target: IRValue, pitch: IRValue) -> Put:
        def put(row: IRValue, p: IRValue, vectors: Sequence[IRValue], masks: Sequence[IRValue | None]) -> None:
            for i, (vector, among) in enumerate(zip(vectors, masks, strict=True)):
                code.store(target + (row * pitch + p + i * lanes), vector, among)

        return put

    def block(top: IRValue, end: IRValue) -> None:
        head.product(top, end, lambda row: g + row * outward, 1, by_value, into(c, keys))
        code.loop(top, end, 1, scores)
        head.product(top, end, lambda row: c + row * keys, 1, by_query, into(of_q, inner))

    def scores(row: IRValue) -> None:
        share = inverse(row)

        def slope(i: IRValue, among: IRValue | None) -> tuple[IRValue, IRValue, IRValue]:
            place = row * keys + i
            weight, value = code.load(e + place, among), code.load(c + place, among) * share
            return place, weight, value * code.load(factors + place, among) if dropped else value

        def add(i: IRValue, among: IRValue | None, found: IRValue) -> list[IRValue]:
            _, weight, value = slope(i, among)
            return [code.fma(weight, value, found)]

        mean = code.filled(code.total(*head.each(keys, add, [code.constant()]))) * share

        def write(i: IRValue, among: IRValue | None) -> None:
            place, weight, value = slope(i, among)
            code.store(c + place, (value - mean) * weight, among)
            if dropped:
                code.store(weights + place, weight * code.load(factors + place, among), among)

        head.each(keys, write)

    head.by_blocks(length, block)
    head.product(zero, keys, lambda row: c + row, keys, queries, into(of_k, inner))
    shares = weights if dropped else e
    head.product(zero, keys, lambda row: shares + row, keys, outs, into(of_v, outward))


def _width(columns: int, dtype: Any) -> int:
    return min(_WIDTH, -(-columns // lanes(dtype)))


class _Sizes(NamedTuple):
    """The sizes that both kernels have."""

    heads: int
    length: int
    keys: int
    inner: int
    outer: int

    def work(self) -> float:
        """About how many numbers go in or out, forward."""
        return self.heads * self.length * self.keys * (_PASSES + (self.inner + self.outer) / 64)


def _sizes(q: Any, v: Any) -> _Sizes:
    return _Sizes(math.prod(q.shape[:-2]), q.shape[-2], v.shape[-2], q.shape[-1], v.shape[-1])


def _panel_room(terms: int, columns: int, dtype: Any) -> int:
    wide = _width(columns, dtype) * lanes(dtype)
    return over(columns, wide) * terms + wide * lanes(dtype)


def forward(q: Any, k: Any, v: Any, mask: Any, factors: Any, scale: float) -> tuple[Any, Any, Any]:
    """The result, the exponentials and their sums, of contiguous arrays; the mask's leading axes broadcast."""
    lead, dtype, sizes = q.shape[:-2], q.dtype, _sizes(q, v)
    out, e = (memory.empty((*lead, sizes.length, n), dtype) for n in (sizes.outer, sizes.keys))
    total, places, masks = np.empty((*lead, sizes.length, 1), dtype), None, 0
    if mask is not None:
        masks = math.prod(mask.shape[:-2])
        numbers = np.broadcast_to(np.arange(masks).reshape(mask.shape[:-2]), lead)
        places = np.ascontiguousarray(numbers).reshape(-1)
    widths, dropped = (_width(sizes.keys, dtype), _width(sizes.outer, dtype)), factors is not None
    panels = _panel_room(sizes.inner, sizes.keys, dtype) + _panel_room(sizes.keys, sizes.outer, dtype)
    lines, room = scratch(panels + _ROWS * (lanes(dtype) + sizes.keys * dropped), dtype)
    launch.run(
        _forward(dtype, widths, mask is not None, dropped),
        sizes.heads,
        sizes.work(),
        **{"q": q, "k": k, "v": v, "mask": mask, "places": places, "factors": factors, "e": e, "total": total},
        **{"masks": masks, "numbers": np.array([scale], dtype), "out": out, "lines": lines, "room": room},
        **sizes._asdict(),
    )
    return out, e, total


def back(g: Any, q: Any, k: Any, v: Any, factors: Any, scale: float, e: Any, total: Any) -> list[Any]:
    """The cotangents of q, k and v, of contiguous arrays."""
    dtype, sizes, dropped = q.dtype, _sizes(q, v), factors is not None
    _, length, keys, inner, outward = sizes
    of_q, of_k, of_v = (memory.empty(x.shape, dtype) for x in (q, k, v))
    pairs = (outward, keys), (keys, inner), (length, inner), (length, outward)
    lines, room = scratch(sum(_panel_room(*pair, dtype) for pair in pairs) + length * keys * (1 + dropped), dtype)
    launch.run(
        _back(dtype, (_width(keys, dtype), _width(inner, dtype), _width(outward, dtype)), dropped),
        sizes.heads,
        2 * sizes.work(),
        **{"g": g, "q": q, "k": k, "v": v, "factors": factors, "e": e, "total": total},
        **{"of_q": of_q, "of_k": of_k, "of_v": of_v, "numbers": np.array([scale], dtype)},
        **{"lines": lines, "room": room},
        **sizes._asdict(),
    )
    return [of_q, of_k, of_v]
