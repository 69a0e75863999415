"""The innermost step of matrix products: a tile of sums in registers, to which outer products are added."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..runtime.llvm import IRValue, KernelBuilder

__all__ = ["outer"]

Read = Callable[[int], IRValue]


def outer(code: KernelBuilder, sums: Sequence[IRValue], column: Read, row: Read, width: int) -> list[IRValue]:
    """The sums of a tile, row by row, plus the outer product of a column and a row of `width` vectors.

    The shorter of the two is read first and held in registers, and then of the other one entry after another, so that
    a tile of 12 sums needs no more than 16 registers.
    """
    height, totals = len(sums) // width, list(sums)
    tall = height >= width
    held = [row(j) for j in range(width)] if tall else [column(i) for i in range(height)]
    for k in range(max(height, width)):
        entry = column(k) if tall else row(k)
        for h, other in enumerate(held):
            at = k * width + h if tall else h * width + k
            totals[at] = code.fma(entry, other, totals[at])
    return totals
