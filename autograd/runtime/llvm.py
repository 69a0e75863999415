"""Machine code for a few inner loops, where llvmlite is installed (extra `fast`).

NumPy has no loop that keeps a tile of a matrix product in registers and reads its operands in place. Kernels build such
loops with `KernelBuilder`, and LLVM compiles them for the running CPU when they are first called, in some
tenths of a second; later processes find them on disk (see `code_cache`). Calls run without the GIL.
"""

from __future__ import annotations

import functools
import importlib.util
import inspect
import os
import platform
import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from . import code_cache
from .arguments import Arguments, Door, Integer, Pointer
from .images import Loaded, assembled, cpu, loaded, registers

_DTYPES = {np.dtype(np.float32), np.dtype(np.float64)}
_BYTES = {"float": 4, "double": 8, "i8": 1, "i64": 8}
_LETTERS = {"float": "f32", "double": "f64", "i8": "i8", "i64": "i64"}
_FLOATS = {"add": "fadd", "sub": "fsub", "mul": "fmul", "sdiv": "fdiv"}
_KERNELS = 256  # of each kind that are kept
_MASKED = 64  # bytes of the registers beside which there are others for masks
UFUNCS: dict[Any, Callable[..., Any]] = {}  # code for further functions of NumPy's, called with the builder
_enabled = os.environ.get("PULLBACK_MACHINE_CODE", "1") != "0" and importlib.util.find_spec("llvmlite") is not None


def available(*arrays: Any) -> bool:
    """Whether machine code takes these arrays (or None): NumPy's own, none empty, all aligned, all of float32 or all of
    float64."""
    given = [a for a in arrays if a is not None]
    kinds = {a.dtype for a in given}
    known = _enabled and len(kinds) == 1 and kinds <= _DTYPES
    return known and all(a.__class__ is np.ndarray and a.size and a.flags.aligned for a in given)


def lanes(dtype: Any) -> int:
    """How many numbers a vector register holds."""
    return registers()[0] // np.dtype(dtype).itemsize


class IRValue:
    """A value of the code under construction: an integer, number, vector or pointer. Python's numbers are constants.

    It takes part in formulas as arrays do: operators, `np.sqrt`, `np.maximum` and `np.sign` build the code for them.
    """

    def __init__(self, code: KernelBuilder, raw: Any, full: Any = None) -> None:
        self.code, self.raw, self.full = code, raw, full  # of a mask, where known: whether all of it is True

    def _with(self, name: str, a: Any, b: Any) -> IRValue:
        code, whole = self.code, self.raw.type in (self.code.int, self.code.integers)
        operands = (code.raw(v) if whole or isinstance(v, IRValue) else code.constant(v).raw for v in (a, b))
        return IRValue(code, getattr(code.builder, name if whole else _FLOATS[name])(*operands))

    def __add__(self, other: Any) -> IRValue:
        """A sum, or a pointer that has moved by that many items."""
        if self.raw.type.is_pointer:
            return IRValue(self.code, self.code.builder.gep(self.raw, [self.code.raw(other)]))
        return self._with("add", self, other)

    def __radd__(self, other: Any) -> IRValue:
        return self._with("add", other, self)

    def __sub__(self, other: Any) -> IRValue:
        return self._with("sub", self, other)

    def __rsub__(self, other: Any) -> IRValue:
        return self._with("sub", other, self)

    def __mul__(self, other: Any) -> IRValue:
        return self._with("mul", self, other)

    def __rmul__(self, other: Any) -> IRValue:
        return self._with("mul", other, self)

    def __truediv__(self, other: Any) -> IRValue:
        return self._with("sdiv", self, other)

    def __rtruediv__(self, other: Any) -> IRValue:
        return self._with("sdiv", other, self)

    def __mod__(self, other: Any) -> IRValue:
        """The remainder of a division of integers, neither of them negative."""
        return self._with("srem", self, other)

    def __neg__(self) -> IRValue:
        return IRValue(self.code, self.code.builder.fneg(self.raw))

    def __and__(self, other: IRValue) -> IRValue:
        """Both masks; | and ~ are for masks, too."""
        b, both = self.code.builder, self.full and other.full
        return IRValue(self.code, b.and_(self.raw, other.raw), both and b.and_(self.full, other.full))

    def __or__(self, other: IRValue) -> IRValue:
        return IRValue(self.code, self.code.builder.or_(self.raw, other.raw))

    def __invert__(self) -> IRValue:
        return IRValue(self.code, self.code.builder.not_(self.raw))

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any) -> Any:
        known = getattr(self.code, ufunc.__name__, None) or functools.partial(UFUNCS[ufunc], self.code)
        return known(*inputs) if method == "__call__" else NotImplemented

    def __getitem__(self, i: Any) -> IRValue:
        return IRValue(self.code, self.code.builder.load((self + i).raw))

    def __setitem__(self, i: Any, value: IRValue) -> None:
        self.code.builder.store(value.raw, (self + i).raw)

    def if_less(self, other: Any, yes: Any, no: Any) -> IRValue:
        """`yes` where an integer is less than another, or else `no`."""
        less = self.code.builder.icmp_signed("<", self.raw, self.code.raw(other))
        return IRValue(self.code, self.code.builder.select(less, self.code.raw(yes), self.code.raw(no)))


class KernelBuilder:
    """Builds a kernel that runs part `part` on thread `thread`.

    Its other arguments (see arguments.py) are the same for all parts.
    """

    def __init__(self, name: str, arguments: Arguments, dtype: Any) -> None:
        from llvmlite import ir

        self.ir, self.int, self.byte = ir, ir.IntType(64), ir.IntType(8)
        self.number: Any = ir.FloatType() if np.dtype(dtype) == np.float32 else ir.DoubleType()
        self.lanes = lanes(dtype)
        self.vector: Any = ir.VectorType(self.number, self.lanes)
        self.integers: Any = ir.VectorType(self.int, self.lanes)
        self.module = ir.Module(name)
        self.function = ir.Function(
            self.module, ir.FunctionType(ir.VoidType(), [self.int, self.int, self.int.as_pointer()]), name
        )
        self.builder: Any = ir.IRBuilder(self.function.append_basic_block())
        self.part, self.thread, given = (IRValue(self, a) for a in self.function.args)
        self.one = IRValue(self, self.int(1))
        self.arguments = [self._argument(argument, given[i]) for i, argument in enumerate(arguments.values())]

    def _argument(self, argument: Integer | Pointer, value: IRValue) -> IRValue:
        if isinstance(argument, Integer):
            return value
        kind = {"number": self.number, "int64": self.int, "uint8": self.byte}[argument.kind]
        return IRValue(self, self.builder.inttoptr(value.raw, kind.as_pointer()))

    def widened(self, byte: IRValue) -> IRValue:
        """An unsigned byte as a 64-bit integer."""
        return IRValue(self, self.builder.zext(byte.raw, self.int))

    def raw(self, value: Any) -> Any:
        return value.raw if isinstance(value, IRValue) else self.int(value)

    def _intrinsic(self, name: str, result: Any, arguments: Sequence[Any], vector: Any) -> IRValue:
        """A call of one of LLVM's intrinsic functions, for vectors of some type."""
        suffix = f"v{vector.count}{_LETTERS[str(vector.element)]}"
        full = f"llvm.{name}.{suffix}" + (f".p0{suffix}" if name.startswith("masked") else "")
        kind = self.ir.FunctionType(result, [a.type for a in arguments])
        found = self.module.globals.get(full) or self.ir.Function(self.module, kind, full)
        return IRValue(self, self.builder.call(found, arguments))

    def loop(self, start: Any, stop: Any, step: Any, body: Callable[..., Any], carried: Sequence[IRValue] = ()) -> Any:
        """for i in range(start, stop, step): carried = body(i, *carried); returns the last `carried`."""
        b, before = self.builder, self.builder.block
        head, inside, after = (b.append_basic_block() for _ in range(3))
        b.branch(head)
        b.position_at_end(head)
        i, *values = (IRValue(self, b.phi(self.raw(v).type)) for v in (start, *carried))
        for phi, first in zip((i, *values), (start, *carried), strict=True):
            phi.raw.add_incoming(self.raw(first), before)
        b.cbranch(b.icmp_signed("<", i.raw, self.raw(stop)), inside, after)
        b.position_at_end(inside)
        results = body(i, *values)
        following = results if carried else ()
        for phi, value in zip((i, *values), (i + step, *following), strict=True):
            phi.raw.add_incoming(value.raw, b.block)
        b.branch(head)
        b.position_at_end(after)
        return values

    def constant(self, number: float = 0.0) -> IRValue:
        """A vector of the same number."""
        return IRValue(self, self.ir.Constant(self.vector, [self.number(number)] * self.lanes))

    def _filled(self, raw: Any) -> Any:
        nothing = self.ir.Constant(self.ir.VectorType(raw.type, self.lanes), self.ir.Undefined)
        return self._shuffled(self.builder.insert_element(nothing, raw, self.int(0)), nothing, [0] * self.lanes)

    def filled(self, number: IRValue) -> IRValue:
        """A vector of the same number."""
        return IRValue(self, self._filled(number.raw))

    def bytes(self, number: IRValue) -> IRValue:
        """A vector of the same small integer."""
        return IRValue(self, self._filled(self.builder.trunc(number.raw, self.byte)))

    def first(self, count: Any) -> IRValue:
        """A mask: which lanes of a vector are among the first `count`."""
        count, short = IRValue(self, self.raw(count)), self.ir.IntType(32)
        numbers = self.ir.Constant(self.ir.VectorType(short, self.lanes), [short(i) for i in range(self.lanes)])
        limit = self.builder.trunc(count.if_less(self.lanes, count, self.lanes).raw, short)
        full = self.builder.icmp_signed(">=", count.raw, self.int(self.lanes))
        return IRValue(self, self.builder.icmp_signed("<", numbers, self._filled(limit)), full)

    def less(self, a: IRValue, b: IRValue) -> IRValue:
        """A mask: where integers are less than others."""
        return IRValue(self, self.builder.icmp_signed("<", a.raw, b.raw))

    def larger(self, a: IRValue, b: IRValue) -> IRValue:
        """A mask: where a is larger than b, or NaN while b is not."""
        above, number = self.builder.fcmp_unordered(">", a.raw, b.raw), self.builder.fcmp_ordered("==", b.raw, b.raw)
        return IRValue(self, above) & IRValue(self, number)

    def where(self, mask: IRValue, a: IRValue, b: IRValue) -> IRValue:
        return IRValue(self, self.builder.select(mask.raw, a.raw, b.raw))

    def sqrt(self, x: IRValue) -> IRValue:
        return self._intrinsic("sqrt", self.vector, [x.raw], self.vector)

    def maximum(self, a: Any, b: Any) -> IRValue:
        """The larger of two, or NaN if either is."""
        a, b = (v if isinstance(v, IRValue) else self.constant(v) for v in (a, b))
        return self.where(self.larger(a, b), a, b)

    def sign(self, x: IRValue) -> IRValue:
        zero, one = self.constant(), self.constant(1.0)
        above, below = (self.builder.fcmp_ordered(c, x.raw, zero.raw) for c in "><")
        return self.where(IRValue(self, above), one, self.where(IRValue(self, below), -one, x))

    def _masked(self, mask: IRValue | None, whole: Callable[[], Any], *part: Any) -> Any:
        """What `whole` builds where there is no mask or all of it is True, or else the intrinsic function `part`.

        Only AVX-512 has registers for masks; elsewhere a store under a mask takes many times as long as another.
        """
        if mask is None or mask.full is None or registers()[0] == _MASKED:
            return whole() if mask is None else self._intrinsic(*part).raw
        b, ends = self.builder, []
        with b.if_else(mask.full) as branches:
            for branch, build in zip(branches, (whole, lambda: self._intrinsic(*part).raw), strict=True):
                with branch:
                    ends.append((build(), b.block))
        value: Any = b.phi(part[1]) if isinstance(part[1], self.ir.VectorType) else None  # a store has no value
        for end in ends if value else ():
            value.add_incoming(*end)
        return value

    def load(self, at: IRValue, mask: IRValue | None = None, fill: float = 0.0) -> IRValue:
        """The vector that lies from `at` on; `fill` where the mask is False."""
        item, b = at.raw.type.pointee, self.builder
        kind, size = self.ir.VectorType(item, self.lanes), _BYTES[str(item)]
        place = b.bitcast(at.raw, kind.as_pointer())
        others = self.constant(fill).raw if item == self.number else self.ir.Constant(kind, None)
        given = [place, self.ir.IntType(32)(size), mask and mask.raw, others]
        return IRValue(self, self._masked(mask, lambda: b.load(place, align=size), "masked.load", kind, given, kind))

    def store(self, at: IRValue, vector: IRValue, mask: IRValue | None = None) -> None:
        """Write a vector from `at` on, where the mask is True."""
        kind, b, nothing = vector.raw.type, self.builder, self.ir.VoidType()
        size, place = _BYTES[str(kind.element)], b.bitcast(at.raw, kind.as_pointer())
        given = [vector.raw, place, self.ir.IntType(32)(size), mask and mask.raw]
        self._masked(mask, lambda: b.store(vector.raw, place, align=size), "masked.store", nothing, given, kind)

    def gather(self, at: IRValue, places: IRValue, fill: float = 0) -> IRValue:
        """The numbers at these places, counted from `at`; `fill` where a place is negative."""
        b, item = self.builder, at.raw.type.pointee
        kind, size = self.ir.VectorType(item, self.lanes), _BYTES[str(item)]
        begin, steps = self._filled(b.ptrtoint(at.raw, self.int)), self.ir.Constant(self.integers, [size] * self.lanes)
        pointers = b.inttoptr(b.add(begin, b.mul(places.raw, steps)), self.ir.VectorType(at.raw.type, self.lanes))
        inside = b.icmp_signed(">=", places.raw, self.ir.Constant(self.integers, None))
        others = self.ir.Constant(kind, [item(fill)] * self.lanes)
        return self._intrinsic("masked.gather", kind, [pointers, self.ir.IntType(32)(size), inside, others], kind)

    def stepped(self, start: IRValue, step: int, count: IRValue) -> IRValue:
        """Places for `gather`: `count` of them from `start` on, a step apart; then none."""
        steps = self.ir.Constant(self.integers, [i * step for i in range(self.lanes)])
        places = self.builder.add(self._filled(start.raw), steps)
        return self.where(self.first(count), IRValue(self, places), self.filled(IRValue(self, self.int(-1))))

    def clear(self, at: IRValue, count: IRValue) -> None:
        """Write `count` zeros from `at` on."""
        self.loop(0, count, self.lanes, lambda i: self.store(at + i, self.constant(), self.first(count - i)))

    def transposed(self, rows: Sequence[IRValue]) -> list[IRValue]:
        """The transpose of as many vectors as each has lanes, by perfect shuffles, log2(lanes) of them."""
        raws, n = [row.raw for row in rows], self.lanes
        order = [i // 2 + i % 2 * n for i in range(2 * n)]
        for _ in range(n.bit_length() - 1):
            pairs = [(raws[i], raws[i + n // 2]) for i in range(n // 2)]
            raws = [self._shuffled(*pair, half) for pair in pairs for half in (order[:n], order[n:])]
        return [IRValue(self, raw) for raw in raws]

    def picked(self, a: IRValue, b: IRValue, places: Sequence[int]) -> IRValue:
        """A vector that begins with the lanes of two at these places; those of b are numbered after those of a."""
        filled = [*places, *[0] * (self.lanes - len(places))]
        return IRValue(self, self._shuffled(a.raw, b.raw, filled))

    def _shuffled(self, a: Any, b: Any, places: Sequence[int]) -> Any:
        """The lanes of two vectors at these places; those of the second are numbered after those of the first."""
        kind = self.ir.VectorType(self.ir.IntType(32), len(places))
        return self.builder.shuffle_vector(a, b, self.ir.Constant(kind, list(places)))

    def every(self, parts: Sequence[IRValue], first: int = 0) -> IRValue:
        """Every n-th number, from `first` on, of the n vectors `parts` laid end to end."""
        n, step, found = self.lanes, len(parts), parts[0].raw
        for j, part in enumerate(parts):
            wanted = [i * step + first for i in range(n)]
            places = [w if j == 0 else i if w < j * n else n + w - j * n for i, w in enumerate(wanted)]
            found = self._shuffled(found, part.raw, [p if p < 2 * n else 0 for p in places])
        return IRValue(self, found)

    def fma(self, a: IRValue, b: IRValue, c: IRValue) -> IRValue:
        """a b + c, rounded once where the CPU can do that."""
        product = self.builder.fmul(a.raw, b.raw, flags=("contract",))
        return IRValue(self, self.builder.fadd(product, c.raw, flags=("contract",)))

    def total(self, vector: IRValue) -> IRValue:
        """The sum of a vector's lanes."""
        found = self._intrinsic("vector.reduce.fadd", self.number, [self.number(-0.0), vector.raw], self.vector)
        found.raw.fastmath.add("reassoc")
        return found

    def text(self) -> str:
        """The finished function as LLVM IR."""
        self.builder.ret_void()
        return str(self.module)


class Kernel:
    """Machine code that runs the parts of some work (see `launch.run`)."""

    def __init__(self, name: str, code: Loaded, door: Door) -> None:
        self.name, self.code, self.door = name, code, door
        (self.address,) = code.addresses

    @functools.cached_property
    def enter(self) -> Callable[..., Any]:
        """Checks and packs the arguments (see `Door.opened`)."""
        return self.door.opened()

    def fixed(self, **arguments: Any) -> Kernel:
        """The same kernel with these arguments fixed, and checked now; calls give the others."""
        same = Kernel(self.name, self.code, self.door)
        same.enter = self.door.opened(**arguments)
        return same


def kernel(
    requires: str = "", declared: Callable[..., Arguments] | None = None, /, **arguments: Integer | Pointer
) -> Callable[[Callable[..., None]], Callable[..., Kernel]]:
    """Decorator: makes of `build(code, *parameters)`, which writes code down, a function `(dtype, *parameters)` that
    returns the compiled Kernel, the same one for the same parameters.

    The kernel's arguments are declared by keyword (see arguments.py), or by what `declared(*parameters)` returns;
    `requires` is a formula that must hold for the integers among them.
    """

    def decorate(build: Callable[..., None]) -> Callable[..., Kernel]:
        name, (_, *names) = build.__name__.strip("_"), inspect.signature(build).parameters

        @functools.lru_cache(_KERNELS)
        def made(dtype: Any, *parameters: Any) -> Kernel:
            given = declared(*parameters) if declared else arguments

            def text() -> str:
                code = KernelBuilder(name, given, dtype)
                build(code, *parameters)
                return code.text()

            code = compiled(text, [name], build, np.dtype(dtype).str, *parameters)
            known = {"lanes": lanes(dtype), **dict(zip(names, parameters, strict=True))}
            return Kernel(name, code, Door(name, given, requires, dtype, known))

        functools.update_wrapper(made, build)
        return made

    return decorate


def compiled(text: Callable[[], str], names: Sequence[str], *key: Any) -> Loaded:
    """The functions of these names of the LLVM IR that `text()` returns; from the disk, if kept there by this key."""
    code = code_cache.kept(_name(key), lambda: assembled(text(), names))
    return loaded(code, names)


def _name(key: tuple[Any, ...]) -> bytes:
    """The cache key of all that machine code depends on; empty if a part of it has no form common to all processes."""
    import llvmlite

    package = sys.modules[__name__.partition(".")[0]]
    versions = package.__version__, llvmlite.__version__, sys.platform, platform.machine(), sys.maxsize
    try:
        return code_cache.key(versions, cpu(), registers(), *map(code_cache.described, key))
    except (OSError, TypeError):
        return b""
