"""The arguments of kernels: what a kernel declares of them, and the check before each launch.

Machine code has addresses, and does not know where arrays end. So a kernel declares what each argument is, and how many
entries of each array it may touch, as a formula of its integer arguments; a formula may also use the number of `parts`
and of `threads`, the `lanes` of a vector, and the parameters that the kernel is made with. From the declaration a
function is generated that takes arrays and integers by name, checks them, and returns the addresses. For calls that
come again and again there is one whose fixed arguments were checked in advance.
"""

from __future__ import annotations

import ctypes
import itertools
import marshal
import os
import re
import sys
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from keyword import kwlist
from struct import Struct
from types import CodeType
from typing import Any, NamedTuple, NoReturn

import numpy as np
from numpy import ndarray

from . import code_cache, generated

__all__ = [
    "Door", "LaunchError", "OverlapError", "address", "in_place", "integer", "natural", "per_thread", "positive",
    "reads", "strided", "writes",
]  # fmt: skip

CHECK = int(os.environ.get("PULLBACK_CHECK") or 0)  # 1: use guard pages (guard_pages.py); 2: print names, too

_from_buffer: Any = ctypes.c_char.from_buffer
_addressof = ctypes.addressof
_NAME = re.compile(r"\b[A-Za-z_]\w*")


class LaunchError(RuntimeError):
    """Arguments that a kernel does not take: a mistake in this package, found before any memory was touched."""


class OverlapError(LaunchError):
    """Arrays that overlap, and at least one of them would be written."""


class Integer(NamedTuple):
    """A 64-bit integer of at least `least`."""

    least: int


class Pointer(NamedTuple):
    """An array, C-contiguous unless it is a matrix with `steps`."""

    need: str  # the least number of entries, or of each thread's own entries if there is an `apart`
    kind: str = "number"  # of the kernel's dtype; or "int64" or "uint8"
    written: bool = False
    in_place: bool = False  # whether it may be the same array as another argument
    apart: str = ""  # the integer argument that is the distance between the threads' own entries
    shape: tuple[str, str] = ("", "")
    steps: tuple[str, str] = ("", "")  # the integer arguments that are the distances between rows and between columns


Arguments = Mapping[str, Integer | Pointer]

natural, positive, integer = Integer(0), Integer(1), Integer(-(1 << 63))


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
    """Scratch memory in which each thread has entries of its own."""
    return Pointer(need, kind, written=True, apart=apart)


def strided(rows: str, columns: str, down: str, across: str) -> Pointer:
    """A matrix of any layout that is read."""
    return Pointer("", shape=(rows, columns), steps=(down, across))


def address(a: Any) -> int:
    """The address of an array's first entry."""
    try:
        return _addressof(_from_buffer(a))  # four times as fast
    except (TypeError, ValueError):  # read-only, not contiguous, or empty
        return a.__array_interface__["data"][0]


class _Where(NamedTuple):
    """An argument, as errors name it."""

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
    """The address of a C-contiguous array of at least `need` entries."""
    if a.__class__ is ndarray and a.size >= need and (a.dtype is dtype or a.dtype == dtype):
        try:
            return _addressof(_from_buffer(a))  # takes C-contiguous arrays only
        except (TypeError, ValueError):  # read-only, not contiguous, or empty
            if a.flags.c_contiguous:
                return a.__array_interface__["data"][0]
    if a is None and not need:
        return 0
    where.refuse_array(f"at least {need} entries", a, False)


def _written(a: Any, dtype: Any, need: int, where: _Where) -> int:
    """As `_read`, for an array that is writeable, too."""
    if a.__class__ is ndarray and a.size >= need and (a.dtype is dtype or a.dtype == dtype):
        try:
            return _addressof(_from_buffer(a))  # takes C-contiguous, writeable arrays only
        except (TypeError, ValueError):
            pass
    if a is None and not need:
        return 0
    where.refuse_array(f"at least {need} entries", a, True)


def _matrix(a: Any, dtype: Any, shape: Any, strides: Any, where: _Where) -> int:
    """The address of a matrix of exactly that shape and those strides (in bytes)."""
    if a.__class__ is ndarray and a.shape == shape and a.strides == strides and (a.dtype is dtype or a.dtype == dtype):
        return address(a)
    found = f"ndarray of {a.dtype} {a.shape}, strides {a.strides}" if isinstance(a, ndarray) else type(a).__name__
    where.refuse(f"ndarray of {dtype} {shape}, strides {strides}", found)


def _integer(n: Any, least: int, where: _Where) -> int:
    """One of NumPy's integers as an int."""
    if not isinstance(n, (int, np.integer)) or n < least:
        where.refuse(f"an int of at least {least}", repr(n))
    return int(n)


def _refuse_formula(name: str, formula: str, given: Mapping[str, Any]) -> NoReturn:
    raise LaunchError(f"{name}: expected {formula}; found {', '.join(f'{n}={v}' for n, v in given.items())}")


def _refuse_place(at: int, where: _Where) -> NoReturn:
    where.refuse(f"a multiple of {where.dtype.itemsize} bytes", f"at {at:#x}")


def _refuse_overlap(where: _Where, other: _Where) -> NoReturn:
    where.refuse("memory of its own", f"written, and meets {other.name}", OverlapError)


# `_read` or `_written` inlined for the common case, which saves a call
_QUICK = """if {n}.__class__ is _ndarray and {n}.dtype is _dtype_{n} and {n}.size >= _size_{n}:
        try: _begin_{n} = _addressof(_from_buffer({n}))
        except (TypeError, ValueError): {line}
    else: {line}"""


class Door:
    """Checks the arguments of one kernel. Formulas may use the names in `known` besides the arguments."""

    def __init__(self, name: str, arguments: Arguments, requires: str, dtype: Any, known: Mapping[str, Any]) -> None:
        self.name, self.arguments, self.requires = name, arguments, requires
        self.pointers = {n: a for n, a in arguments.items() if isinstance(a, Pointer)}
        self.written = [n for n, a in self.pointers.items() if a.written and not a.in_place]
        self.dtypes = {n: np.dtype(dtype if a.kind == "number" else a.kind) for n, a in self.pointers.items()}
        self.scope: dict[str, Any] = {**known, "_name": name, "_pointers": self.pointers}
        self.scope |= {"_pack": Struct(f"{len(arguments)}q").pack, "_ndarray": ndarray}
        self.scope |= {"_addressof": _addressof, "_from_buffer": _from_buffer}
        self.scope |= {"_read": _read, "_written": _written, "_matrix": _matrix, "_integer": _integer}
        self.scope |= {"_formula": _refuse_formula, "_place": _refuse_place, "_overlap": _refuse_overlap}
        self.scope |= {f"_where_{n}": _Where(name, n, self.dtypes.get(n)) for n in arguments}
        self.scope |= {f"_dtype_{n}": dtype for n, dtype in self.dtypes.items()}

    def _statements(self) -> Iterator[tuple[str, str]]:
        """The statements of the generated function: (target, value), or ("", check)."""
        for n, a in self.arguments.items():
            if isinstance(a, Integer):
                yield n, f"{n} if {n}.__class__ is int and {n} >= {a.least} else _integer({n}, {a.least}, _where_{n})"
        if self.requires:
            yield self._demand(self.requires)
        for n, a in self.pointers.items():
            yield from self._enter(n, a, self.dtypes[n].itemsize)
        for (m, a), (n, b) in itertools.combinations(self.pointers.items(), 2):
            if a.written or b.written:
                m, n = (m, n) if a.written else (n, m)
                other = f" and _begin_{m} != _begin_{n}" * (a.in_place or b.in_place)
                meet = f"_begin_{m} < _end_{n} and _begin_{n} < _end_{m}{other}"
                yield "", f"{meet} and _overlap(_where_{m}, _where_{n})"

    def _demand(self, formula: str) -> tuple[str, str]:
        names = sorted({*_NAME.findall(formula)}.difference(kwlist))
        found = ", ".join(f"{n!r}: {n}" for n in names)
        return "", f"({formula}) or _formula(_name, {formula!r}, {{{found}}})"

    def _enter(self, n: str, a: Pointer, item: int) -> Iterator[tuple[str, str]]:
        """Check an array and take its address."""
        if a.steps[0]:
            yield f"_shape_{n}", f"({', '.join(a.shape)})"
            yield f"_strides_{n}", f"({', '.join(f'({s}) * {item}' for s in a.steps)})"
            yield f"_at_{n}", f"_matrix({n}, _dtype_{n}, _shape_{n}, _strides_{n}, _where_{n})"
            spans = [f"(_shape_{n}[{i}] - 1) * _strides_{n}[{i}]" for i in range(2)]
            low, high = (" + ".join(f"{f}(0, {span})" for span in spans) for f in ("min", "max"))
            yield f"_low_{n}", low
            yield f"_high_{n}", f"{high} + {item}"
            yield f"_begin_{n}", f"_at_{n} + _low_{n}"
            yield f"_end_{n}", f"_at_{n} + _high_{n}"
            return
        yield f"_need_{n}", a.need
        if a.apart:
            yield self._demand(f"_need_{n} <= {a.apart}")
        size = f"(threads - 1) * {a.apart} + _need_{n} if _need_{n} else 0" if a.apart else f"_need_{n}"
        enter = "_written" if a.written else "_read"
        yield f"_size_{n}", size
        yield f"_begin_{n}", f"{enter}({n}, _dtype_{n}, _size_{n}, _where_{n})"
        yield f"_end_{n}", f"_begin_{n} + _size_{n} * {item}"
        yield f"_at_{n}", f"_begin_{n}"
        if item > 1:
            yield "", f"_at_{n} & {item - 1} and _place(_at_{n}, _where_{n})"

    def opened(self, **fixed: Any) -> Callable[..., Any]:
        """The function `(parts, threads, *, ...)` that checks the arguments and packs them, in order, into 64-bit
        integers, as machine code takes them; those that are `fixed` are checked now.

        With guard pages it also returns what is to be guarded: each array's position, address, begin and end.
        """
        given, scope = [n for n in self.arguments if n not in fixed], {**self.scope, **fixed}
        text, code = marshal.loads(code_cache.kept(self._key(given), lambda: marshal.dumps(self._compiled(given))))
        generated.show(text, code.co_filename)
        exec(code, scope)
        return scope[self.name]

    def _compiled(self, given: Sequence[str]) -> tuple[str, CodeType]:
        text = self._text(given)
        return text, compile(text, f"<pullback {self.name}.arguments {zlib.crc32(text.encode()):08x}>", "exec")

    def _text(self, given: Sequence[str]) -> str:
        """The source: checks of the fixed arguments, then the function that checks the `given` ones."""
        unknown, now, later = {"parts", "threads", *given}, list[str](), list[str]()
        for target, value in self._statements():
            known = unknown.isdisjoint(_NAME.findall(value))
            line = f"{target} = {value}" if target else value
            if not known and value.startswith(("_read(", "_written(")):
                line = _QUICK.format(n=target.removeprefix("_begin_"), line=line)
            (now if known else later).append(line)
            if target and not known:
                unknown.add(target)
        values = f"_pack({', '.join(f'_at_{n}' if n in self.pointers else n for n in self.arguments)})"
        if CHECK:
            places = {n: i for i, n in enumerate(self.arguments)}
            spans = (f"({places[n]}, _at_{n}, _begin_{n}, _end_{n}, _pointers[{n!r}])" for n in self.pointers)
            values += f", ({', '.join(spans)},)"
        head = f"def {self.name}(parts, threads{', *, ' * bool(given)}{', '.join(given)}):"
        return "\n".join([*now, "\n    ".join([head, *later, f"return {values}"])])

    def _key(self, given: Sequence[str]) -> bytes:
        """All that the compiled text depends on (see `code_cache`)."""
        items = [str(dtype) for dtype in self.dtypes.values()]
        return code_cache.key(sys.version, CHECK > 0, self.name, dict(self.arguments), self.requires, items, given)
