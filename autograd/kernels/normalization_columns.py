"""Normalization along columns by machine code: of (P, A, K), the P K statistics are those of A rows each.

Neighbouring columns are worked on together, a strip at a time, whose rows stay in a near cache.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..runtime import launch, memory
from ..runtime.arguments import Arguments, positive, reads, writes
from ..runtime.llvm import IRValue, KernelBuilder, kernel
from .normalization_native import Layout

__all__ = ["normalized", "pulled"]

_WIDTH, _STRIP = 4, 1 << 6  # vectors of columns at once; columns of a part
_CHAIN = 1 << 6  # rows that are added one after another, before their sum is added to others

Vectors = list[IRValue]

_SIZES = dict.fromkeys(("outer", "rows", "inner"), positive)
_REQUIRED = f"parts <= outer * (-(-inner // {_STRIP}))"
_ALL, _EACH = "outer * rows * inner", "outer * inner"


def _arguments(centered: bool, weighted: bool, shifted: bool) -> Arguments:
    return {
        "x": reads(_ALL),
        "y": writes(_ALL),
        "weight": reads(f"{_EACH} * weighted"),
        "bias": reads(f"{_EACH} * shifted"),
        "statistics": writes(f"4 * {_EACH}"),
        "numbers": reads("2"),
        **_SIZES,
    }


def _back_arguments(centered: bool, weighted: bool, shifted: bool) -> Arguments:
    return {
        "x": reads(_ALL),
        "g": reads(_ALL),
        "gx": writes(_ALL),
        "weight": reads(f"{_EACH} * weighted"),
        "gw": writes(f"{_EACH} * weighted"),
        "gb": writes(f"{_EACH} * shifted"),
        "statistics": reads(f"4 * {_EACH}"),
        "numbers": reads("2"),
        **_SIZES,
    }


class _Columns:
    """Some neighbouring columns, a vector of them after another."""

    def __init__(
        self, code: KernelBuilder, sizes: Sequence[IRValue], outer: IRValue, column: IRValue, masks: list[Any]
    ) -> None:
        self.code, self.masks = code, masks
        _, self.rows, self.inner = sizes
        self.first = outer * self.rows * self.inner + column  # of x, and of what there is for each column
        self.number = outer * self.inner + column

    def load(self, at: IRValue) -> Vectors:
        return [self.code.load(at + v * self.code.lanes, mask) for v, mask in enumerate(self.masks)]

    def store(self, at: IRValue, vectors: Sequence[IRValue]) -> None:
        for v, (vector, mask) in enumerate(zip(vectors, self.masks, strict=True)):
            self.code.store(at + v * self.code.lanes, vector, mask)

    def each(self, body: Callable[[IRValue], None]) -> None:
        """`body(offset)` for each row; offsets are counted from the first."""
        self.code.loop(0, self.rows, 1, lambda i: body(i * self.inner))

    def totals(self, terms: Callable[[IRValue], list[Vectors]], count: int) -> list[Vectors]:
        """The totals over all rows of `count` vectors for each of columns, `terms(offset)`."""
        code, wide = self.code, len(self.masks)
        zeros = [code.constant()] * (count * wide)

        def row(i: IRValue, *sums: IRValue) -> Vectors:
            flat = [t for vectors in terms(i * self.inner) for t in vectors]
            return [s + t for s, t in zip(sums, flat, strict=True)]

        def chain(k: IRValue, *sums: IRValue) -> Vectors:
            end = (k + _CHAIN).if_less(self.rows, k + _CHAIN, self.rows)
            return [s + t for s, t in zip(sums, code.loop(k, end, 1, row, zeros), strict=True)]

        found = code.loop(0, self.rows, _CHAIN, chain, zeros)
        return [found[i * wide : i * wide + wide] for i in range(count)]


def _by_strips(code: KernelBuilder, sizes: Sequence[IRValue], body: Callable[[_Columns], None]) -> None:
    """`body` for the columns of a part."""
    inner = sizes[2]
    strips = (inner + (_STRIP - 1)) / _STRIP
    outer, left = code.part / strips, code.part % strips * _STRIP
    right = (left + _STRIP).if_less(inner, left + _STRIP, inner)
    step = _WIDTH * code.lanes
    whole = right - (right - left) % step
    code.loop(left, whole, step, lambda j: body(_Columns(code, sizes, outer, j, [None] * _WIDTH)))
    code.loop(whole, right, code.lanes, lambda j: body(_Columns(code, sizes, outer, j, [code.first(right - j)])))


@kernel(_REQUIRED, _arguments)
def _normalized(code: KernelBuilder, centered: bool, weighted: bool, shifted: bool) -> None:
    """As that of `normalization_native`."""
    x, y, weight, bias, statistics, numbers, *sizes = code.arguments
    share, eps = code.filled(numbers[0]), code.filled(numbers[1])
    count, zero = sizes[0] * sizes[2], code.constant()

    def strip(columns: _Columns) -> None:
        mine, out, n = x + columns.first, y + columns.first, columns.number
        means = lefts = [zero] * len(columns.masks)
        if centered:
            means = [s * share for s in columns.totals(lambda i: [columns.load(mine + i)], 1)[0]]

        def entries(i: IRValue) -> Vectors:
            return [a - mean for a, mean in zip(columns.load(mine + i), means, strict=True)]

        def moments(i: IRValue) -> list[Vectors]:
            ds = entries(i)
            return [ds, [d * d for d in ds]]

        sums, squares = columns.totals(moments, 2)
        variances = [s * share for s in squares]
        if centered:
            lefts = [s * share for s in sums]
            variances = [code.maximum(v - a * a, zero) for v, a in zip(variances, lefts, strict=True)]
        inverses = [code.constant(1.0) / code.sqrt(v + eps) for v in variances]
        for i, found in enumerate((means, lefts, inverses, variances)):
            columns.store(statistics + (count * i + n), found)
        scales, shifts = inverses, [-(a * inverse) for a, inverse in zip(lefts, inverses, strict=True)]
        if weighted:
            ws = columns.load(weight + n)
            scales, shifts = ([a * w for a, w in zip(many, ws, strict=True)] for many in (scales, shifts))
        if shifted:
            shifts = [a + b for a, b in zip(shifts, columns.load(bias + n), strict=True)]

        def write(i: IRValue) -> None:
            columns.store(out + i, [code.fma(*three) for three in zip(entries(i), scales, shifts, strict=True)])

        columns.each(write)

    _by_strips(code, sizes, strip)


@kernel(_REQUIRED, _back_arguments)
def _pulled(code: KernelBuilder, centered: bool, weighted: bool, shifted: bool) -> None:
    """The cotangents of x, of the weight and of the bias."""
    x, g, gx, weight, gw, gb, statistics, numbers, *sizes = code.arguments
    share, count = code.filled(numbers[0]), sizes[0] * sizes[2]

    def strip(columns: _Columns) -> None:
        mine, there, out, n = x + columns.first, g + columns.first, gx + columns.first, columns.number
        means, lefts, inverses = (columns.load(statistics + (count * i + n)) for i in range(3))

        def pairs(i: IRValue) -> list[tuple[IRValue, IRValue]]:
            found = zip(columns.load(there + i), columns.load(mine + i), means, strict=True)
            return [(h, a - mean if centered else a) for h, a, mean in found]

        def terms(i: IRValue) -> list[Vectors]:
            found = pairs(i)
            return [[h for h, _ in found], [h * d for h, d in found]]

        totals, products = columns.totals(terms, 2)
        found = zip(products, lefts, totals, inverses, strict=True)
        products = [(product - left * total) * inverse for product, left, total, inverse in found]
        scales = inverses
        if shifted:
            columns.store(gb + n, totals)
        if weighted:
            columns.store(gw + n, products)
            ws = columns.load(weight + n)
            totals, products, scales = (
                [a * w for a, w in zip(many, ws, strict=True)] for many in (totals, products, scales)
            )
        slopes = [-(p * share * inverse * inverse) for p, inverse in zip(products, inverses, strict=True)]
        middles = [-(left * slope) for left, slope in zip(lefts, slopes, strict=True)]
        if centered:
            means_of_g = [total * share * inverse for total, inverse in zip(totals, inverses, strict=True)]
            middles = [middle - m for middle, m in zip(middles, means_of_g, strict=True)]

        def write(i: IRValue) -> None:
            found = zip(pairs(i), scales, slopes, middles, strict=True)
            columns.store(out + i, [code.fma(h, w, code.fma(d, s, m)) for (h, d), w, s, m in found])

        columns.each(write)

    _by_strips(code, sizes, strip)


def _shared(layout: Layout, eps: float, dtype: Any) -> tuple[int, dict[str, Any]]:
    """The number of parts, and the arguments that both kernels have."""
    sizes = dict(zip(("outer", "rows", "inner"), layout, strict=False))
    return layout.outer * -(-layout.inner // _STRIP), {"numbers": np.array([1 / layout.rows, eps], dtype), **sizes}


def normalized(x: Any, weight: Any, bias: Any, eps: float, centered: bool, layout: Layout) -> tuple[Any, Any]:
    """As `normalization_native.normalized`."""
    parts, given = _shared(layout, eps, x.dtype)
    y, statistics = memory.empty(x.shape, x.dtype), np.empty((4, layout.statistics), x.dtype)
    run = _normalized(x.dtype, centered, weight is not None, bias is not None)
    launch.run(run, parts, 2 * x.size, x=x, y=y, weight=weight, bias=bias, statistics=statistics, **given)
    return y, statistics


def pulled(
    g: Any, x: Any, weight: Any, shifted: bool, statistics: Any, centered: bool, layout: Layout
) -> tuple[Any, Any, Any]:
    """As `normalization_native.pulled`."""
    parts, given = _shared(layout, 0.0, x.dtype)
    gx = memory.empty(x.shape, x.dtype)
    gw, gb = (np.empty(layout.statistics, x.dtype) if wanted else None for wanted in (weight is not None, shifted))
    run = _pulled(x.dtype, centered, weight is not None, shifted)
    given |= {"x": x, "g": g, "gx": gx, "weight": weight, "gw": gw, "gb": gb, "statistics": statistics}
    launch.run(run, parts, 3 * x.size, **given)
    return gx, gw, gb
