"""Weights of convolutions laid out anew by machine code, a block that fits the nearest cache at a time."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..runtime import launch, memory
from ..runtime.arguments import positive, reads, writes
from ..runtime.llvm import IRValue, KernelBuilder, available, kernel, lanes

__all__ = ["swapped", "turned"]

_LEAST = 1 << 12  # entries for which machine code pays
_BLOCK = 1 << 4  # kernels of a block, along each of both axes


@kernel(
    f"parts <= groups * (-(-rows // {_BLOCK})) and size <= 2 * lanes and max(places) < size",
    x=reads("groups * rows * columns * size"),
    y=writes("groups * rows * columns * len(places)"),
    **dict.fromkeys(("groups", "rows", "columns"), positive),
)
def _swapped(code: KernelBuilder, size: int, places: tuple[int, ...]) -> None:
    """Of each group's rows and columns of kernels, with `size` entries, the transpose; and of kernels these places."""
    x, y, _, rows, columns = code.arguments
    blocks = (rows + (_BLOCK - 1)) / _BLOCK
    group, top = code.part / blocks, code.part % blocks * _BLOCK
    bottom, first = (top + _BLOCK).if_less(rows, top + _BLOCK, rows), group * rows * columns
    masks = [code.first(max(0, size - n)) for n in (0, code.lanes)]
    chunks = [places[i : i + code.lanes] for i in range(0, len(places), code.lanes)]

    def one(i: IRValue, j: IRValue) -> None:
        at, to = x + (first + i * columns + j) * size, y + (first + j * rows + i) * len(places)
        a = code.load(at, masks[0])
        b = code.load(at + code.lanes, masks[1]) if size > code.lanes else a
        for n, chunk in enumerate(chunks):
            code.store(to + n * code.lanes, code.picked(a, b, chunk), code.first(len(chunk)))

    def block(left: IRValue) -> None:
        right = (left + _BLOCK).if_less(columns, left + _BLOCK, columns)
        code.loop(left, right, 1, lambda j: code.loop(top, bottom, 1, lambda i: one(i, j)))

    code.loop(0, columns, _BLOCK, block)


def swapped(w: Any, groups: int, places: tuple[int, ...]) -> Any:
    """Of w (groups M, C, *kernel) the entries of kernels at these places, in a row, as (groups C, M, places); None
    where machine code is not for that."""
    size = math.prod(w.shape[2:])
    if w.size < _LEAST or not available(w) or size > 2 * lanes(w.dtype):
        return None
    rows, columns = len(w) // groups, w.shape[1]
    w, y = np.ascontiguousarray(w), memory.empty((groups * columns, rows, len(places)), w.dtype)
    given = {"groups": groups, "rows": rows, "columns": columns}
    launch.run(_swapped(w.dtype, size, places), groups * -(-rows // _BLOCK), 2 * w.size, x=w, y=y, **given)
    return y


@kernel(
    "parts <= batch * (-(-rows // each)) and each % lanes == 0",
    x=reads("sums * batch * rows * columns"),
    y=writes("batch * rows * columns"),
    **dict.fromkeys(("sums", "batch", "rows", "columns", "each"), positive),
)
def _turned(code: KernelBuilder) -> None:
    """The transposes of matrices, of `each` rows in a part, of which as many as there are sums are added up."""
    x, y, sums, batch, rows, columns, each = code.arguments
    parts = (rows + (each - 1)) / each
    number, top = code.part / parts, code.part % parts * each
    bottom, lanes, apart = (top + each).if_less(rows, top + each, rows), code.lanes, batch * rows * columns
    source, target = x + number * rows * columns, y + number * rows * columns

    def tile(i: IRValue, j: IRValue) -> None:
        mask, down = code.first(columns - j), code.first(bottom - i)
        offsets = [(i + r).if_less(bottom, i + r, bottom - 1) * columns + j for r in range(lanes)]

        def term(n: IRValue, *found: IRValue) -> list[IRValue]:
            return [s + code.load(source + (n * apart + at), mask) for s, at in zip(found, offsets, strict=True)]

        found = code.loop(1, sums, 1, term, [code.load(source + at, mask) for at in offsets])
        for c, vector in enumerate(code.transposed(found)):
            place = (j + c).if_less(columns, j + c, columns - 1)
            code.store(target + (place * rows + i), vector, down & code.first((columns - j - c) * lanes))

    code.loop(top, bottom, lanes, lambda i: code.loop(0, columns, lanes, lambda j: tile(i, j)))


def turned(x: Any) -> Any:
    """The transposes (batch, C, R) of the sum over the first axis of (sums, batch, R, C)."""
    sums, batch, rows, columns = x.shape
    y, each = memory.empty((batch, columns, rows), x.dtype), 4 * lanes(x.dtype)
    given = {"sums": sums, "batch": batch, "rows": rows, "columns": columns, "each": each}
    launch.run(_turned(x.dtype), batch * -(-rows // each), x.size + y.size, x=x, y=y, **given)
    return y
