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
    """The entries of one statistic, read by vectors."""

    def __init__(self, code: KernelBuilder, sizes: Sequence[IRValue], number: IRValue) -> None:
        self.code = code
        _, _, self.rows, self.inner, self.length, self.segments, self.width = sizes
        self.first = (number / self.inner * self.rows * self.inner + number % self.inner) * self.length

    def row(self, a: IRValue) -> IRValue:
        """Where a row begins."""
        return self.first + a * self.inner * self.length

    def each(self, start: IRValue, end: IRValue, body: Callable[[IRValue, IRValue | None], None]) -> None:
        """`body(place, mask)` for each vector between two places."""
        code = self.code
        whole = end - (end - start) % code.lanes
        code.loop(start, whole, code.lanes, lambda i: body(i, None))
        code.loop(whole, end, code.lanes, lambda i: body(i, code.first(end - i)))

    def sums(self, start: IRValue, end: IRValue, count: int, terms: Callable[..., Vectors]) -> Vectors:
        """The sums of `count` terms over the vectors between two places; `terms(place, mask)` are 0 beyond the mask."""
        code, lanes = self.code, self.code.lanes
        whole = end - (end - start) % (lanes * _WIDTH)

        def several(i: IRValue, *found: IRValue) -> Vectors:
            new = [term for v in range(_WIDTH) for term in terms(i + v * lanes, None)]
            return [s + t for s, t in zip(found, new, strict=True)]

        def one(i: IRValue, *found: IRValue) -> Vectors:
            return [s + t for s, t in zip(found, terms(i, code.first(end - i)), strict=True)]

        wide = code.loop(start, whole, lanes * _WIDTH, several, [code.constant()] * (_WIDTH * count))
        return code.loop(
            whole, end, lanes, one, [functools.reduce(IRValue.__add__, wide[j::count]) for j in range(count)]
        )

    def over_rows(self, place: IRValue, length: IRValue, count: int, terms: Callable[..., Vectors]) -> Vectors:
        """The totals of `count` terms, each lane of a vector the same, over a stretch from `place` on of all rows."""
        code = self.code

        def row(a: IRValue, *found: IRValue) -> Vectors:
            start = self.row(a) + place
            return [s + t for s, t in zip(found, self.sums(start, start + length, count, terms), strict=True)]

        found = code.loop(0, self.rows, 1, row, [code.constant()] * count)
        return [code.filled(code.total(s)) for s in found]


def _kept(code: KernelBuilder, mask: IRValue | None, x: IRValue) -> IRValue:
    """What is not beyond the mask; zeros there."""
    return x if mask is None else code.where(mask, x, code.constant())


def _statistics(code: KernelBuilder, sizes: Sequence[IRValue], body: Callable[[IRValue], None]) -> None:
    """`body(number)` for each statistic of a part."""
    each, count = sizes[0], sizes[1] * sizes[3]
    first, end = code.part * each, code.part * each + each
    code.loop(first, end.if_less(count, end, count), 1, body)


def _put(code: KernelBuilder, at: IRValue, vector: IRValue) -> None:
    """Write the first number of a vector."""
    code.store(at, vector, code.first(1))


@kernel(_REQUIRED, _arguments)
def _normalized(code: KernelBuilder, centered: bool, along: bool, weighted: bool, shifted: bool) -> None:
    """y, and of each statistic the mean in two parts (rounded, and what is left), 1 / deviation, and the variance."""
    x, y, weight, bias, statistics, numbers, *sizes = code.arguments
    share, eps = code.filled(numbers[0]), code.filled(numbers[1])
    count = sizes[1] * sizes[3]

    def one(number: IRValue) -> None:
        walk = _Walk(code, sizes, number)
        start, zero = IRValue(code, code.int(0)), code.constant()
        mean = left = zero
        if centered:
            (total,) = walk.over_rows(start, walk.length, 1, lambda i, mask: [code.load(x + i, mask)])
            mean = total * share

        def moments(i: IRValue, mask: IRValue | None) -> Vectors:
            d = code.load(x + i, mask) - mean if centered else code.load(x + i, mask)
            d = _kept(code, mask, d)
            return [d, d * d] if centered else [d * d]

        found = walk.over_rows(start, walk.length, 2 if centered else 1, moments)
        variance = found[-1] * share
        if centered:
            left = found[0] * share
            variance = code.maximum(variance - left * left, zero)
        inverse = code.constant(1.0) / code.sqrt(variance + eps)
        for i, value in enumerate((mean, left, inverse, variance)):
            _put(code, statistics + (count * i + number), value)

        def row(a: IRValue) -> None:
            def segment(s: IRValue) -> None:
                own = number * walk.segments + s
                scale = inverse * code.filled(weight[own]) if weighted and not along else inverse
                shift = code.filled(bias[own]) if shifted and not along else zero
                place = walk.row(a) + s * walk.width

                def write(i: IRValue, mask: IRValue | None) -> None:
                    d = code.load(x + i, mask)
                    d = (d - mean) - left if centered else d
                    if not along:
                        out = code.fma(d, scale, shift) if shifted else d * scale
                    else:
                        out = d * inverse
                        out = out * code.load(weight + (i - place), mask) if weighted else out
                        out = out + code.load(bias + (i - place), mask) if shifted else out
                    code.store(y + i, out, mask)

                walk.each(place, place + walk.width, write)

            code.loop(0, walk.segments, 1, segment)

        code.loop(0, walk.rows, 1, row)

    _statistics(code, sizes, one)


@kernel(_REQUIRED, _back_arguments)
def _pulled(code: KernelBuilder, centered: bool, along: bool, weighted: bool, shifted: bool) -> None:
    """The cotangents of x, of the weight and of the bias: these two of each segment, or `along` the rows of a part."""
    x, g, gx, weight, gw, gb, statistics, numbers, *sizes = code.arguments
    share, count = code.filled(numbers[0]), sizes[1] * sizes[3]
    if along:
        for target, wanted in ((gw, weighted), (gb, shifted)):
            if wanted:
                code.clear(target + code.part * sizes[4], sizes[4])

    def one(number: IRValue) -> None:
        walk, zero = _Walk(code, sizes, number), code.constant()
        mean, left, inverse = (code.filled(statistics[count * i + number]) for i in range(3))

        def entry(i: IRValue, mask: IRValue | None) -> IRValue:
            d = code.load(x + i, mask)
            return _kept(code, mask, (d - mean) - left) if centered else d

        def segment(s: IRValue, *totals: IRValue) -> Vectors:
            own, place = number * walk.segments + s, s * walk.width
            first = walk.row(IRValue(code, code.int(0))) + place

            def terms(i: IRValue, mask: IRValue | None) -> Vectors:
                h = code.load(g + i, mask)
                if along and weighted:
                    h = h * code.load(weight + (i - first), mask)
                return [h, h * entry(i, mask)]

            found = walk.over_rows(place, walk.width, 2, terms)
            if not along:
                if shifted:
                    _put(code, gb + own, found[0])
                if weighted:
                    _put(code, gw + own, found[1] * inverse)
                    found = [f * code.filled(weight[own]) for f in found]
            return [t + f for t, f in zip(totals, found, strict=True)]

        total, product = code.loop(0, walk.segments, 1, segment, [zero, zero])
        middle, slope = total * share, product * share * inverse * inverse

        def row(a: IRValue) -> None:
            def segment(s: IRValue) -> None:
                own, place = number * walk.segments + s, walk.row(a) + s * walk.width

                def write(i: IRValue, mask: IRValue | None) -> None:
                    h, d = code.load(g + i, mask), entry(i, mask)
                    if along:
                        at = code.part * walk.length + (i - place)
                        if shifted:
                            code.store(gb + at, code.load(gb + at, mask) + h, mask)
                        if weighted:
                            code.store(gw + at, code.load(gw + at, mask) + h * d * inverse, mask)
                            h = h * code.load(weight + (i - place), mask)
                    elif weighted:
                        h = h * code.filled(weight[own])
                    h = h - middle if centered else h
                    code.store(gx + i, (h - d * slope) * inverse, mask)

                walk.each(place, place + walk.width, write)

            code.loop(0, walk.segments, 1, segment)

        code.loop(0, walk.rows, 1, row)

    _statistics(code, sizes, one)


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
