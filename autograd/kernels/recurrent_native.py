"""The steps of LSTM and GRU layers by machine code: all of them in one call, each step's product in registers up to its
gates.

The parts are blocks of sequences, which have nothing to do with one another. For as many units as a vector has lanes,
the products of all gates with the states of some sequences are a tile that stays in registers; the weights are packed
such that what a tile reads lies in order. On the way back the cotangents of a step's gates come first, then their
product with the weights.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..runtime import launch, memory
from ..runtime.arguments import natural, positive, reads, writes
from ..runtime.llvm import IRValue, KernelBuilder, available, kernel, lanes, registers
from ..runtime.threads import get_num_threads
from .exponentials import sigmoid, tanh
from .micro_kernel import outer

__all__ = ["available", "back", "forward", "steps_of"]

_WIDTH = 4  # vectors of a tile on the way back, at most
_LEAST = 4  # sequences of a part, at least

Tile = Callable[[IRValue, int], None]


class _Steps:
    """In machine code, the steps of a part: its sequences from the first to the last."""

    def __init__(self, code: KernelBuilder, sequences: IRValue, few: IRValue, units: IRValue) -> None:
        first = code.part * few
        self.code, self.first, self.units = code, first, units
        self.last = (first + few).if_less(sequences, first + few, sequences)

    def rows(self, count: IRValue) -> IRValue:
        """Where the rows end of a step that has `count` of all sequences."""
        return self.last.if_less(count, self.last, count)

    def tiles(self, end: IRValue, height: int, tile: Tile) -> None:
        """Run `tile` on all rows up to the end, `height` of them at a time as long as there are so many."""
        whole = self.first + (end - self.first) / height * height
        self.code.loop(self.first, whole, height, lambda r: tile(r, height))
        self.code.loop(whole, end, 1, lambda r: tile(r, 1))

    def entries(self, end: IRValue, entry: Callable[[IRValue, IRValue, IRValue], None]) -> None:
        """Run `entry(row, unit, mask)` on vectors of units of all rows up to the end."""
        code = self.code

        def row(r: IRValue) -> None:
            code.loop(0, self.units, code.lanes, lambda unit: entry(r, unit, code.first(self.units - unit)))

        code.loop(self.first, end, 1, row)

    def products(self, lefts: Sequence[IRValue], panel: IRValue, terms: IRValue, width: int) -> list[list[IRValue]]:
        """The products of rows with a packed panel, `width` vectors of each."""
        code = self.code

        def term(q: IRValue, *sums: IRValue) -> list[IRValue]:
            row = panel + q * (width * code.lanes)
            return outer(
                code, sums, lambda r: code.filled(lefts[r][q]), lambda v: code.load(row + v * code.lanes), width
            )

        sums = code.loop(0, terms, 1, term, [code.constant()] * (len(lefts) * width))
        return [sums[i : i + width] for i in range(0, len(sums), width)]


Values = Sequence[IRValue]


def _lstm(code: KernelBuilder, z: Values, c: IRValue) -> tuple[Values, IRValue, IRValue, IRValue]:
    """The gates, the new cells, their tanh, and the new states."""
    i, f, g, o = sigmoid(code, z[0]), sigmoid(code, z[1]), tanh(code, z[2]), sigmoid(code, z[3])
    c = f * c + i * g
    t = tanh(code, c)
    return (i, f, g, o), c, t, o * t


def _gru(code: KernelBuilder, z: Values, u: Values, h: IRValue) -> tuple[Values, IRValue, IRValue]:
    """The gates, what r multiplies, and the new states."""
    r, keep = sigmoid(code, z[0] + u[0]), sigmoid(code, z[1] + u[1])
    new = tanh(code, z[2] + r * u[2])
    return (r, keep, new), u[2], new + keep * (h - new)


def _lstm_back(code: KernelBuilder, gh: IRValue, gates: Values, t: IRValue, c: IRValue, gc: IRValue) -> Any:
    """The cotangents of what the gates are made of, and of the cells before."""
    one, (i, f, g, o) = code.constant(1.0), gates
    gc = gc + gh * o * (one - t * t)
    of_z = gc * g * i * (one - i), gc * c * f * (one - f), gc * i * (one - g * g), gh * t * o * (one - o)
    return of_z, gc * f


def _gru_back(code: KernelBuilder, gh: IRValue, gates: Values, v: IRValue, h: IRValue) -> Any:
    """The cotangents of z, of u, and what comes to the states before directly."""
    one, (r, keep, new) = code.constant(1.0), gates
    dn = gh * (one - keep) * (one - new * new)
    dk, dr = gh * (h - new) * keep * (one - keep), dn * v * r * (one - r)
    return (dr, dk, dn), (dr, dk, dn * r), gh * keep


_SIZES: dict[str, Any] = {
    "starts": reads("steps", "int64"),
    "counts": reads("steps", "int64"),
    **dict.fromkeys(("rows", "sequences", "steps"), natural),
    **dict.fromkeys(("units", "blocks", "few"), positive),
}


@kernel(
    "blocks * lanes >= units",
    z=writes("rows * gates * units"),
    panels=reads("blocks * units * gates * lanes"),
    h=writes("sequences * units"),
    before=writes("rows * units"),
    y=writes("rows * units"),
    kept=writes("rows * units"),
    c=writes("sequences * units * (gates == 4)"),
    before_c=writes("rows * units * (gates == 4)"),
    b=reads("gates * units"),
    b_hh=reads("gates * units * (gates == 3)"),
    **_SIZES,
)
def _forward(code: KernelBuilder, gates: int, height: int) -> None:
    """All steps. Four gates are those of an LSTM, whose `kept` is tanh(c); three are those of a GRU, whose `kept` is
    what r multiplies."""
    z, panels, h, before, y, kept, c, before_c, b, b_hh, *sizes = code.arguments
    starts, counts, _, sequences, steps, units, blocks, few = sizes
    part = _Steps(code, sequences, few, units)

    def step(s: IRValue) -> None:
        top, end = starts[s], part.rows(counts[s])

        def save(r: IRValue, unit: IRValue, mask: IRValue) -> None:
            code.store(before + ((top + r) * units + unit), code.load(h + (r * units + unit), mask), mask)

        part.entries(end, save)

        def block(j: IRValue) -> None:
            unit, panel = j * code.lanes, panels + j * (units * (gates * code.lanes))
            mask = code.first(units - unit)
            biases = [code.load(b + (unit + units * g), mask) for g in range(gates)]

            def tile(r: IRValue, count: int) -> None:
                rows = [top + (r + k) for k in range(count)]
                sums = part.products([before + row * units for row in rows], panel, units, gates)
                for k, row in enumerate(rows):
                    at, state, place = row * units + unit, (r + k) * units + unit, z + (row * (units * gates) + unit)
                    zs = [code.load(place + units * g, mask) + biases[g] for g in range(gates)]
                    if gates == 4:
                        old = code.load(c + state, mask)
                        values, cell, keep, new = _lstm(code, [a + u for a, u in zip(zs, sums[k], strict=True)], old)
                        code.store(before_c + at, old, mask)
                        code.store(c + state, cell, mask)
                    else:
                        us = [u + code.load(b_hh + (unit + units * g), mask) for g, u in enumerate(sums[k])]
                        values, keep, new = _gru(code, zs, us, code.load(before + at, mask))
                    for g, value in enumerate(values):
                        code.store(place + units * g, value, mask)
                    code.store(kept + at, keep, mask)
                    code.store(y + at, new, mask)
                    code.store(h + state, new, mask)

            part.tiles(end, height, tile)

        code.loop(0, blocks, 1, block)

    code.loop(0, steps, 1, step)


@kernel(
    "blocks * lanes * width >= units",
    gy=reads("rows * units * given"),
    panels=reads("blocks * units * gates * lanes * width"),
    z=reads("rows * gates * units"),
    before=reads("rows * units"),
    kept=reads("rows * units"),
    dh=writes("sequences * units"),
    dc=writes("sequences * units * (gates == 4)"),
    du=writes("rows * gates * units"),
    dz=writes("rows * gates * units * (gates == 3)"),
    **_SIZES,
)
def _back(code: KernelBuilder, gates: int, height: int, width: int, given: bool) -> None:
    """All steps, the last first. `before` are the states before each step, those that the gates see: an LSTM's c."""
    gy, panels, z, before, kept, dh, dc, du, dz, *sizes = code.arguments
    starts, counts, _, sequences, steps, units, blocks, few = sizes
    part = _Steps(code, sequences, few, units)

    def step(turn: IRValue) -> None:
        s = steps - 1 - turn
        top, end = starts[s], part.rows(counts[s])

        def entry(r: IRValue, unit: IRValue, mask: IRValue) -> None:
            at, state = (top + r) * units + unit, r * units + unit
            place = (top + r) * (units * gates) + unit
            g = code.load(dh + state, mask)
            if given:
                g = g + code.load(gy + at, mask)
            gate = [code.load(z + (place + units * k), mask) for k in range(gates)]
            last, old = code.load(kept + at, mask), code.load(before + at, mask)
            if gates == 4:
                states, cell = _lstm_back(code, g, gate, last, old, code.load(dc + state, mask))
                inputs, direct = states, code.constant()
                code.store(dc + state, cell, mask)
            else:
                inputs, states, direct = _gru_back(code, g, gate, last, old)
            for k in range(gates):
                code.store(du + (place + units * k), states[k], mask)
                if gates == 3:
                    code.store(dz + (place + units * k), inputs[k], mask)
            code.store(dh + state, direct, mask)

        part.entries(end, entry)

        def block(j: IRValue) -> None:
            unit, panel = j * (code.lanes * width), panels + j * (units * (gates * code.lanes * width))
            masks = [code.first(units - unit - v * code.lanes) for v in range(width)]

            def tile(r: IRValue, count: int) -> None:
                lefts = [du + (top + (r + k)) * (units * gates) for k in range(count)]
                for k, row in enumerate(part.products(lefts, panel, units * gates, width)):
                    for v, total in enumerate(row):
                        place = dh + ((r + k) * units + unit + v * code.lanes)
                        code.store(place, code.load(place, masks[v]) + total, masks[v])

            part.tiles(end, height, tile)

        code.loop(0, blocks, 1, block)

    code.loop(0, steps, 1, step)


@functools.lru_cache(64)
def _height(rows: int, width: int) -> int:
    """The rows of a tile: as many as there are registers for, and that leave few rows for tiles of one."""
    most = max(h for h in range(1, registers()[1]) if h == 1 or h * width + min(h, width) < registers()[1])
    return min(range(most, 0, -1), key=lambda n: rows // n * max(n, 2) + rows % n * 2)


def _shared(sequences: int) -> tuple[int, int]:
    """The sequences of a part, and the number of parts."""
    few = max(-(-sequences // get_num_threads()), _LEAST)
    return few, -(-sequences // few)


def forward(
    z: Any, w_hh: Any, b: Any, h: Any, sizes: Any, reverse: bool, c: Any = None, b_hh: Any = None
) -> tuple[Any, ...]:
    """Run all steps on z, the products with the input, in which the gates are left, and on the states h (and c).

    An LSTM has cells c, a GRU a bias b_hh of its own for the products with the states. Returns all states; those before
    each step, and the cells; and tanh(c), or what r multiplies.
    """
    (sequences, units), gates, item = h.shape, len(w_hh) // h.shape[1], lanes(z.dtype)
    blocks, (few, parts) = -(-units // item), _shared(sequences)
    packed = np.zeros((gates, blocks * item, units), z.dtype)
    packed[:, :units] = w_hh.reshape(gates, units, units)
    panels = np.ascontiguousarray(packed.reshape(gates, blocks, item, units).transpose(1, 3, 0, 2))
    before, y, kept = (memory.empty((len(z), units), z.dtype) for _ in range(3))
    before_c = None if c is None else memory.empty((len(z), units), z.dtype)
    launch.run(
        _forward(z.dtype, gates, _height(few, gates)),
        parts,
        z.size * units / 64,
        **{"z": z, "panels": panels, "h": h, "before": before, "y": y, "kept": kept},
        **{"c": c, "before_c": before_c, "b": b, "b_hh": b_hh},
        **_sizes(sizes, len(z), sequences, reverse),
        **{"units": units, "blocks": blocks, "few": few},
    )
    return y, before, before_c, kept


def back(
    gy: Any, dh: Any, w_hh: Any, kept: tuple[Any, Any, Any], sizes: Any, reverse: bool, dc: Any = None
) -> tuple[Any, Any]:
    """Run all steps backwards on the cotangents of the last states dh (and dc), which become those of the first.

    `kept` are the gates, the states before each step that they see, and what `forward` returns last. Returns the
    cotangents of the products with the state and, of a GRU, with the input.
    """
    z, before, last = kept
    (sequences, units), gates, item = dh.shape, len(w_hh) // dh.shape[1], lanes(z.dtype)
    width, (few, parts) = min(_WIDTH, -(-units // item)), _shared(sequences)
    wide = item * width
    blocks = -(-units // wide)
    packed = np.zeros((gates * units, blocks * wide), z.dtype)
    packed[:, :units] = w_hh
    panels = np.ascontiguousarray(packed.reshape(gates * units, blocks, wide).transpose(1, 0, 2))
    du = memory.empty(z.shape, z.dtype)
    dz = memory.empty(z.shape, z.dtype) if gates == 3 else None
    launch.run(
        _back(z.dtype, gates, _height(few, width), width, gy is not None),
        parts,
        z.size * units / 64,
        **{"gy": None if gy is None else np.ascontiguousarray(gy), "panels": panels},
        **{"z": z, "before": before, "kept": last, "dh": dh, "dc": dc, "du": du, "dz": dz},
        **_sizes(sizes, len(z), sequences, reverse),
        **{"units": units, "blocks": blocks, "few": few},
    )
    return du, dz


def steps_of(sizes: Any, rows: int, sequences: int, reverse: bool) -> tuple[Any, Any]:
    """Where the rows of each step begin, and their number, in the order of time.

    ValueError unless there are so many rows, and no step has more of them than there are sequences.
    """
    counts = np.array(sizes, np.int64)
    if counts.sum() != rows or not all(0 <= n <= sequences for n in sizes):
        raise ValueError(f"steps of {tuple(sizes)} rows; expected {rows} together, 0 to {sequences} of each step")
    starts = np.cumsum(counts) - counts
    return (starts[::-1].copy(), counts[::-1].copy()) if reverse else (starts, counts)


def _sizes(sizes: Any, rows: int, sequences: int, reverse: bool) -> dict[str, Any]:
    starts, counts = steps_of(sizes, rows, sequences, reverse)
    return {"starts": starts, "counts": counts, "rows": rows, "sequences": sequences, "steps": len(counts)}
