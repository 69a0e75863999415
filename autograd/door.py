"""The door to machine code: what kernels say of their arguments, and the check of what they are given.

Machine code has addresses, and no notion of where arrays end. So a kernel says of each argument what it is, and of each
array how many entries it may touch, as a formula of its integers; besides these a formula may have the number of
`parts` and `threads`, the `lanes` of a vector, and the parameters that the kernel is made with. From what it says one
function is made, which takes arrays and integers by name, checks them and gives the addresses.
"""

from __future__ import annotations

import ctypes
import itertools
import math
import os
from array import array
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, NoReturn

import numpy as np
from numpy import ndarray

__all__ = [
    "LaunchError", "OverlapError", "address", "door", "in_place", "integer", "natural", "per_thread", "positive",
    "reads", "strided", "writes",
]  # fmt: skip

CHECK = int(os.environ.get("PULLBACK_CHECK") or 0)  # 1: between guard pages (see `guard`); 2: names are printed, too

_from_buffer: Any = ctypes.c_char.from_buffer
_addressof = ctypes.addressof


class LaunchError(RuntimeError):
    """Arguments that a kernel does not take: a mistake in this package, which has been kept from memory."""


class OverlapError(LaunchError):
    """Arrays that lie in one another, one of them to be written."""


class Integer(NamedTuple):
    """An integer of 64 bits, no less than that."""

    least: float


class Pointer(NamedTuple):
    """An array, C-contiguous unless it is a matrix with `steps`."""

    need: str  # how many entries it has at least; those of each thread, where it has an `apart`
    kind: str = "number"  # of the kernel's dtype, or "int64" or "uint8"
    written: bool = False
    in_place: bool = False  # whether it may be another argument, too, as a whole
    apart: str = ""  # the integer that says how far apart the threads' own entries begin
    shape: tuple[str, str] = ("", "")
    steps: tuple[str, str] = ("", "")  # the integers that say how far apart rows and columns are


Arguments = Mapping[str, Integer | Pointer]

natural, positive, integer = Integer(0), Integer(1), Integer(-math.inf)


def reads(need: str, kind: str = "number") -> Pointer:
    """An array that is read."""
    return Pointer(need, kind)


def writes(need: str, kind: str = "number") -> Pointer:
    """An array that is written; no other argument lies in it."""
    return Pointer(need, kind, written=True)


def in_place(need: str) -> Pointer:
    """An array that is read and written entry by entry; other arguments may be the same array."""
    return Pointer(need, written=True, in_place=True)


def per_thread(need: str, kind: str = "number", apart: str = "room") -> Pointer:
    """Memory of which each thread has entries of its own."""
    return Pointer(need, kind, written=True, apart=apart)


def strided(rows: str, columns: str, down: str, across: str) -> Pointer:
    """A matrix of any layout that is read."""
    return Pointer("", shape=(rows, columns), steps=(down, across))


def address(a: Any) -> int:
    """Where an array's numbers are."""
    try:
        return _addressof(_from_buffer(a))  # four times as fast
    except (TypeError, ValueError):  # read-only, not contiguous, or empty
        return a.__array_interface__["data"][0]


class _Where(NamedTuple):
    """An argument, for errors."""

    kernel: str
    name: str
    dtype: Any

    def refuse(self, expected: str, found: Any, error: type[LaunchError] = LaunchError) -> NoReturn:
        raise error(f"{self.kernel}: {self.name} is {found}; expected {expected}")

    def refuse_array(self, need: str, a: Any, written: bool) -> NoReturn:
        found = type(a).__name__
        if isinstance(a, ndarray):
            order = "C-contiguous" if a.flags.c_contiguous else f"of strides {a.strides}"
            found = f"{found} of {a.dtype} {a.shape}, {order}{'' if a.flags.writeable else ', read-only'}"
        self.refuse(f"ndarray of {self.dtype}, {need}, C-contiguous{', writeable' * written}", found)


def _read(a: Any, dtype: Any, need: int, where: _Where) -> int:
    """The address of an array of at least so many entries."""
    if a.__class__ is ndarray and a.size >= need and (a.dtype is dtype or a.dtype == dtype):
        try:
            return _addressof(_from_buffer(a))  # which is for C-contiguous arrays alone
        except (TypeError, ValueError):  # read-only, not contiguous, or empty
            if a.flags.c_contiguous:
                return a.__array_interface__["data"][0]
    if a is None and not need:
        return 0
    where.refuse_array(f"at least {need} entries", a, False)


def _written(a: Any, dtype: Any, need: int, where: _Where) -> int:
    """As `_read`, for one that may be written."""
    if a.__class__ is ndarray and a.size >= need and (a.dtype is dtype or a.dtype == dtype):
        try:
            return _addressof(_from_buffer(a))  # which is for writeable arrays alone, too
        except (TypeError, ValueError):
            pass
    if a is None and not need:
        return 0
    where.refuse_array(f"at least {need} entries", a, True)


def _matrix(a: Any, dtype: Any, shape: Any, steps: Any, where: _Where) -> tuple[int, int, int]:
    """The address of a matrix of just that shape and those steps, where its memory begins and where it ends."""
    item = dtype.itemsize
    wanted = steps[0] * item, steps[1] * item
    if a.__class__ is ndarray and a.dtype == dtype and a.shape == shape and a.size and a.strides == wanted:
        at = address(a)
        spans = [(n - 1) * step for n, step in zip(shape, wanted, strict=True)]
        return at, at + sum(s for s in spans if s < 0), at + sum(s for s in spans if s > 0) + item
    found = f"of {a.dtype} {a.shape}, strides {a.strides}" if isinstance(a, ndarray) else type(a).__name__
    where.refuse(f"ndarray of {dtype} {shape}, strides {wanted}", found)


def _refuse_integers(kernel: str, least: Mapping[str, float], given: tuple[Any, ...]) -> NoReturn:
    for (name, low), n in zip(least.items(), given, strict=True):
        if n.__class__ is not int or n < low:
            raise LaunchError(
                f"{kernel}: {name} is {n!r}; expected an int" + f" of at least {low:.0f}" * (low > -math.inf)
            )
    raise AssertionError


def _refuse_formula(kernel: str, formula: str, given: Mapping[str, Any]) -> NoReturn:
    raise LaunchError(f"{kernel}: expected {formula}; given {', '.join(f'{k}={v}' for k, v in given.items())}")


def _refuse_places(given: Mapping[_Where, int]) -> NoReturn:
    for where, at in given.items():
        if at % where.dtype.itemsize:
            where.refuse(f"an address of whole {where.dtype.itemsize} bytes", hex(at))
    raise AssertionError


def _refuse_overlap(one: _Where, other: _Where) -> NoReturn:
    one.refuse(f"one apart from {other.name}", f"an array that lies in {other.name}", OverlapError)


def door(
    name: str, arguments: Arguments, requires: str, dtype: Any, lanes: int, parameters: Mapping[str, Any]
) -> Callable[..., Any]:
    """The function `(parts, threads, *, ...)` that checks the arguments of a kernel and gives them as machine code has
    them, in an array of integers.

    If there are to be guard pages, also what there is to guard: of each array its position, address, begin and end.
    """
    least = {"parts": 0, "threads": 1, **{n: a.least for n, a in arguments.items() if isinstance(a, Integer)}}
    pointers = {n: a for n, a in arguments.items() if isinstance(a, Pointer)}
    integers = ", ".join(least)
    tests = (f"{n}.__class__ is int" + f" and {n} >= {low:.0f}" * (low > -math.inf) for n, low in least.items())
    scope: dict[str, Any] = {**parameters, "lanes": lanes, "math": math, "_array": array}
    scope |= {"_read": _read, "_written": _written, "_matrix": _matrix, "_name": name, "_least": least}
    scope |= {"_integers": _refuse_integers, "_formula": _refuse_formula, "_overlap": _refuse_overlap}
    scope |= {"_places": _refuse_places}
    lines = [
        f"def {name}(parts, threads, *, {', '.join(arguments)}):",
        f"    if not ({' and '.join(tests)}): _integers(_name, _least, ({integers},))",
    ]
    given = f"{{{', '.join(f'{n!r}: {n}' for n in least)}}}"
    conditions = [requires, *(f"({a.need}) <= {a.apart}" for a in pointers.values() if a.apart)]
    lines += [f"    if not ({c}): _formula(_name, {c!r}, {given})" for c in conditions if c]
    items: dict[str, int] = {}
    for n, a in pointers.items():
        kind: Any = np.dtype(dtype if a.kind == "number" else a.kind)
        scope[f"_dtype_{n}"], scope[f"_where_{n}"], items[n] = kind, _Where(name, n, kind), kind.itemsize
        told = f"_dtype_{n}"
        if a.steps[0]:
            given = f"({', '.join(a.shape)}), ({', '.join(a.steps)})"
            lines += [f"    _at_{n}, _begin_{n}, _end_{n} = _matrix({n}, {told}, {given}, _where_{n})"]
            continue
        need = f"(threads - 1) * {a.apart} + ({a.need}) if {a.need} else 0" if a.apart else a.need
        lines += [
            f"    _end_{n} = {need}",
            f"    _begin_{n} = _at_{n} = {'_written' if a.written else '_read'}({n}, {told}, _end_{n}, _where_{n})",
            f"    _end_{n} = _end_{n} * {kind.itemsize} + _begin_{n}",
        ]
    for item in sorted(set(items.values()) - {1}):
        names = [n for n, size in items.items() if size == item]
        places = f"{{{', '.join(f'_where_{n}: _at_{n}' for n in names)}}}"
        lines += [f"    if ({' | '.join(f'_at_{n}' for n in names)}) & {item - 1}: _places({places})"]
    for (m, a), (n, b) in itertools.combinations(pointers.items(), 2):
        if a.written or b.written:
            m, n = (m, n) if a.written else (n, m)
            other = f" and _begin_{m} != _begin_{n}" * (a.in_place or b.in_place)
            meet = f"_begin_{m} < _end_{n} and _begin_{n} < _end_{m}{other}"
            lines += [f"    if {meet}: _overlap(_where_{m}, _where_{n})"]
    values = f"_array('q', ({', '.join(f'_at_{n}' if n in pointers else n for n in arguments)},))"
    if CHECK:
        scope["_pointers"] = pointers
        spans = (f"({i}, _at_{n}, _begin_{n}, _end_{n}, _pointers[{n!r}])" for i, n in enumerate(arguments))
        values += f", ({', '.join(s for s, n in zip(spans, arguments, strict=True) if n in pointers)},)"
    exec("\n".join([*lines, f"    return {values}"]), scope)
    return scope[name]
