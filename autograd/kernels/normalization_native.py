"""Normalization by machine code: each statistic's entries are read from memory once, and again out of the cache.

An array is seen as (P, A, K, B): its statistics, P K of them, are those of A rows of B entries. The weight has an entry
for each of the B, if `along`, or else for each of L segments of a row, of each statistic its own.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..runtime import launch, memory
from ..runtime.arguments import Arguments, positive, reads, writes
from ..runtime.llvm import IRValue, KernelBuilder, available, kernel
from .sums import added

__all__ = ["Layout", "available", "normalized", "pulled"]

_WIDTH = 4  # vectors that are added at once
_PART = 1 << 14  # entries, about
_PARTS = 1 << 8  # with sums of their own along the rows, at most

Vectors = list[IRValue]


class Layout(NamedTuple):
    """How an array, its weight and its bias are seen; see above."""

    outer: int
    rows: int
    inner: int
    length: int
    segments: int  # of a row
    along: bool  # the weight and the bias have an entry for each of a row, the same for all rows

    @property
    def statistics(self) -> int:
        return self.outer * self.inner

    @property
    def size(self) -> int:
        return self.statistics * self.rows * self.length


_SIZES = {
    "each": positive,
    **dict.fromkeys(("outer", "rows", "inner", "length", "segments", "width"), positive),
}
_REQUIRED = "length == segments * width"
_ALL = "outer * rows * inner * length"
_WEIGHTS = "(length * along + outer * inner * segments * (not along))"


def _arguments(centered: bool, along: bool, weighted: bool, shifted: bool) -> Arguments:
    return {
        "x": reads(_ALL),
        "y": writes(_ALL),
        "weight": reads(f"{_WEIGHTS} * weighted"),
        "bias": reads(f"{_WEIGHTS} * shifted"),
        "statistics": writes("4 * outer * inner"),
        "numbers": reads("2"),
        **_SIZES,
    }


def _back_arguments(centered: bool, along: bool, weighted: bool, shifted: bool) -> Arguments:
    sums = "(parts * length * along + outer * inner * segments * (not along))"
    return {
        "x": reads(_ALL),
        "g": reads(_ALL),
        "gx": writes(_ALL),
        "weight": reads(f"{_WEIGHTS} * weighted"),
        "gw": writes(f"{sums} * weighted"),
        "gb": writes(f"{sums} * shifted"),
        "statistics": reads("4 * outer * inner"),
        "numbers": reads("2"),
        **_SIZES,
    }


class _Walk:
    """The entries of one statistic, read by vectors; offsets are counted from the first."""

    def __init__(self, code: KernelBuilder, sizes: Sequence[IRValue], number: IRValue) -> None:
        self.code, self.number = code, number
        _, _, self.rows, self.inner, self.length, self.segments, self.width = sizes
        self.first = (number / self.inner * self.rows * self.inner + number % self.inner) * self.length

    def each(self, start: IRValue, body: Callable[[IRValue, IRValue | None], None]) -> None:
        """`body(offset, mask)` for each vector of a segment of a row."""
        code, end = self.code, start + self.width
        whole = end - self.width % code.lanes
        code.loop(start, whole, code.lanes, lambda i: body(i, None))
        code.loop(whole, end, code.lanes, lambda i: body(i, code.first(end - i)))

    def totals(self, start: IRValue, length: IRValue, terms: Callable[..., Vectors]) -> Vectors:
        """The totals, each lane of a vector the same, of two terms over a stretch of all rows.

        `terms(offset, mask, *sums)` adds its vectors to the sums, zeros beyond the mask.
        """
        code, lanes, zero = self.code, self.code.lanes, self.code.constant()

        def row(a: IRValue, *found: IRValue) -> Vectors:
            begin = a * self.inner * self.length + start
            end = begin + length
            whole = end - length % (lanes * _WIDTH)

            def several(i: IRValue, *sums: IRValue) -> Vectors:
                return [s for v in range(_WIDTH) for s in terms(i + v * lanes, None, *sums[2 * v : 2 * v + 2])]

            def one(i: IRValue, *sums: IRValue) -> Vectors:
                return terms(i, code.first(end - i), *sums)

            wide = code.loop(begin, whole, lanes * _WIDTH, several, [zero] * (2 * _WIDTH))
            sums = [functools.reduce(IRValue.__add__, wide[j::2]) for j in range(2)]
            return [s + t for s, t in zip(found, code.loop(whole, end, lanes, one, sums), strict=True)]

        return [code.filled(code.total(s)) for s in code.loop(0, self.rows, 1, row, [zero, zero])]

    def over_segments(self, body: Callable[[IRValue, IRValue], None]) -> None:
        """`body(offset, segment)` for each segment of each row."""
        code = self.code

        def row(a: IRValue) -> None:
            begin = a * self.inner * self.length
            code.loop(0, self.segments, 1, lambda s: body(begin + s * self.width, self.number * self.segments + s))

        code.loop(0, self.rows, 1, row)


def _each(code: KernelBuilder, sizes: Sequence[IRValue], body: Callable[[_Walk], None]) -> None:
    """`body` for each statistic of a part."""
    each, count = sizes[0], sizes[1] * sizes[3]
    first, end = code.part * each, code.part * each + each
    code.loop(first, end.if_less(count, end, count), 1, lambda n: body(_Walk(code, sizes, n)))


def _put(code: KernelBuilder, at: IRValue, vector: IRValue) -> None:
    """Write the first number of a vector."""
    code.store(at, vector, code.first(1))


@kernel(_REQUIRED, _arguments)
def _normalized(code: KernelBuilder, centered: bool, along: bool, weighted: bool, shifted: bool) -> None:
    """y, and of each statistic the mean in two parts (rounded, and what is left), 1 / deviation, and the variance."""
    x, y, weight, bias, statistics, numbers, *sizes = code.arguments
    share, eps = code.filled(numbers[0]), code.filled(numbers[1])
    count = sizes[1] * sizes[3]

    def one(walk: _Walk) -> None:
        start, zero = IRValue(code, code.int(0)), code.constant()
        mine, out = x + walk.first, y + walk.first
        mean = left = zero
        if centered:
            found = walk.totals(start, walk.length, lambda i, mask, s, t: [s + code.load(mine + i, mask), t])
            mean = found[0] * share

        def moments(i: IRValue, mask: IRValue | None, s: IRValue, t: IRValue) -> Vectors:
            d = code.load(mine + i, mask)
            if centered:
                d = d - mean if mask is None else code.where(mask, d - mean, zero)
                s = s + d
            return [s, code.fma(d, d, t)]

        found = walk.totals(start, walk.length, moments)
        variance = found[1] * share
        if centered:
            left = found[0] * share
            variance = code.maximum(variance - left * left, zero)
        inverse = code.constant(1.0) / code.sqrt(variance + eps)
        for i, value in enumerate((mean, left, inverse, variance)):
            _put(code, statistics + (count * i + walk.number), value)
        rest = -(left * inverse)

        def segment(place: IRValue, number: IRValue) -> None:
            scale, shift = inverse, rest
            if weighted and not along:
                w = code.filled(weight[number])
                scale, shift = scale * w, shift * w
            if shifted and not along:
                shift = shift + code.filled(bias[number])

            def write(i: IRValue, mask: IRValue | None) -> None:
                z = code.load(mine + i, mask) - mean if centered else code.load(mine + i, mask)
                z = code.fma(z, scale, shift) if centered or (shifted and not along) else z * scale
                if along:
                    z = z * code.load(weight + i, mask) if weighted else z
                    z = z + code.load(bias + i, mask) if shifted else z
                code.store(out + i, z, mask)

            walk.each(place, write)

        walk.over_segments(segment)

    _each(code, sizes, one)


@kernel(_REQUIRED, _back_arguments)
def _pulled(code: KernelBuilder, centered: bool, along: bool, weighted: bool, shifted: bool) -> None:
    """The cotangents of x, of the weight and of the bias: these two of each segment, or `along` the rows of a part."""
    x, g, gx, weight, gw, gb, statistics, numbers, *sizes = code.arguments
    share, count = code.filled(numbers[0]), sizes[1] * sizes[3]
    own_gw, own_gb = (at + code.part * sizes[4] for at in (gw, gb))
    if along:
        for target, wanted in ((own_gw, weighted), (own_gb, shifted)):
            if wanted:
                code.clear(target, sizes[4])

    def one(walk: _Walk) -> None:
        zero, mine, there, out = code.constant(), x + walk.first, g + walk.first, gx + walk.first
        mean, left, inverse = (code.filled(statistics[count * i + walk.number]) for i in range(3))

        def entry(i: IRValue, mask: IRValue | None) -> IRValue:
            return code.load(mine + i, mask) - mean if centered else code.load(mine + i, mask)

        def segment(s: IRValue, *totals: IRValue) -> Vectors:
            def terms(i: IRValue, mask: IRValue | None, total: IRValue, product: IRValue) -> Vectors:
                h = code.load(there + i, mask)
                h = h * code.load(weight + i, mask) if along and weighted else h
                return [total + h, code.fma(h, entry(i, mask), product)]

            total, product = walk.totals(s * walk.width, walk.width, terms)
            product = (product - left * total) * inverse
            if not along:
                number = walk.number * walk.segments + s
                if shifted:
                    _put(code, gb + number, total)
                if weighted:
                    _put(code, gw + number, product)
                    w = code.filled(weight[number])
                    total, product = total * w, product * w
            return [t + f for t, f in zip(totals, (total, product), strict=True)]

        total, product = code.loop(0, walk.segments, 1, segment, [zero, zero])
        rest = -(left * inverse)
        slope = -(product * share * inverse * inverse)
        middle = -(left * slope)
        middle = middle - total * share * inverse if centered else middle

        def back(place: IRValue, number: IRValue) -> None:
            w = code.filled(weight[number]) * inverse if weighted and not along else inverse

            def write(i: IRValue, mask: IRValue | None) -> None:
                h, d = code.load(there + i, mask), entry(i, mask)
                if along and shifted:
                    code.store(own_gb + i, code.load(own_gb + i, mask) + h, mask)
                if along and weighted:
                    z = code.fma(d, inverse, rest) if centered else d * inverse
                    code.store(own_gw + i, code.fma(h, z, code.load(own_gw + i, mask)), mask)
                    h = h * code.load(weight + i, mask)
                code.store(out + i, code.fma(h, w, code.fma(d, slope, middle)), mask)

            walk.each(place, write)

        walk.over_segments(back)

    _each(code, sizes, one)


def _shared(layout: Layout, eps: float, dtype: Any) -> tuple[int, dict[str, Any]]:
    """The number of parts, and the arguments that both kernels have."""
    n = layout.rows * layout.length
    each = max(1, _PART // n, -(-layout.statistics // _PARTS) if layout.along else 1)
    return -(-layout.statistics // each), {
        "numbers": np.array([1 / n, eps], dtype),
        "each": each,
        **dict(zip(("outer", "rows", "inner", "length", "segments"), layout, strict=False)),
        "width": layout.length // layout.segments,
    }


def normalized(x: Any, weight: Any, bias: Any, eps: float, centered: bool, layout: Layout) -> tuple[Any, Any]:
    """The result in the shape of x, and (4, P, K) statistics: see `_normalized`."""
    parts, given = _shared(layout, eps, x.dtype)
    y = memory.empty(x.shape, x.dtype)
    statistics = np.empty((4, layout.statistics), x.dtype)
    run = _normalized(x.dtype, centered, layout.along, weight is not None, bias is not None)
    launch.run(run, parts, 2 * x.size, x=x, y=y, weight=weight, bias=bias, statistics=statistics, **given)
    return y, statistics


def pulled(
    g: Any, x: Any, weight: Any, shifted: bool, statistics: Any, centered: bool, layout: Layout
) -> tuple[Any, Any, Any]:
    """The cotangents of x, in its shape, and of the weight and the bias, of each entry or of each segment."""
    parts, given = _shared(layout, 0.0, x.dtype)
    gx = memory.empty(x.shape, x.dtype)
    shape = (parts, layout.length) if layout.along else (layout.statistics, layout.segments)
    gw, gb = (np.empty(shape, x.dtype) if wanted else None for wanted in (weight is not None, shifted))
    run = _pulled(x.dtype, centered, layout.along, weight is not None, shifted)
    given |= {"x": x, "g": g, "gx": gx, "weight": weight, "gw": gw, "gb": gb, "statistics": statistics}
    launch.run(run, parts, 3 * x.size, **given)
    if layout.along:
        gw, gb = (a if a is None else added(a, 0) for a in (gw, gb))
    return gx, gw, gb
