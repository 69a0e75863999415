"""Elementwise formulas over large arrays in one pass through memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from inspect import signature
from typing import Any

import numpy as np

from ..runtime import launch, memory
from ..runtime.arguments import Arguments, OverlapError, address, in_place, positive, reads
from ..runtime.llvm import UFUNCS, IRValue, KernelBuilder, available, kernel
from ..runtime.threads import parallel_for
from .exponentials import exp, expm1, log1p

__all__ = ["fused", "fused_each", "if_positive", "in_blocks", "in_one_pass"]

Array = np.ndarray[Any, Any]
UFUNCS |= {
    np.exp: exp,
    np.expm1: expm1,
    np.log1p: log1p,
    np.absolute: lambda code, x: code._intrinsic("fabs", code.vector, [x.raw], code.vector),
    np.minimum: lambda code, a, b: -code.maximum(-a, -b),
}

_BLOCK, _PART = 1 << 15, 1 << 14  # entries of which a few such blocks fit in the cache; those of a part in machine code
_MANY = 1 << 16  # entries from which blocks pay
_LEAST = 1 << 11  # entries for which more than one call pays


def fused(
    formula: Callable[..., Any], targets: Sequence[Any], others: Sequence[Any] = (), /, **numbers: object
) -> None:
    """Write formula(*targets, *others, **numbers), a tuple with an array for each target, into the targets.

    All arrays have one shape and one dtype, or it is a ValueError. The formula works entry by entry: with operators
    (on targets in place, too), `np.sqrt`, `np.maximum`, `np.minimum`, `np.absolute`, `np.sign`, `np.exp`, `np.expm1`,
    `np.log1p` and `if_positive`, and it may ask bools among the numbers what to do. With machine code it is compiled,
    once for all values of the other numbers; or else NumPy goes through blocks that fit the cache. Both round alike,
    but for exp, expm1 and log1p. Where a target lies in another array, and is not the same, NumPy has them as a whole.
    """
    _Formula(formula, len(targets), numbers).write([*targets, *others])


def fused_each(formula: Callable[..., Any], targets: int, sets: Sequence[Sequence[Any]], /, **numbers: object) -> None:
    """Do `fused` for many sets of arrays, the first so many of each being its targets, which lie nowhere in others.

    Small arrays are laid end to end, those of one dtype, so that the formula is worked out once for all of them.
    """
    small: dict[Any, list[Sequence[Array]]] = {}
    prepared = _Formula(formula, targets, numbers)
    for arrays in sets:
        if arrays[0].__class__ is not np.ndarray:
            prepared.by_numpy(arrays)
        elif arrays[0].size < _LEAST:
            small.setdefault(arrays[0].dtype, []).append(arrays)
        else:
            prepared.write(arrays)
    for alike in small.values():
        if len(alike) == 1:
            prepared.by_numpy(alike[0])
            continue
        joined = [np.concatenate(column, axis=None) for column in zip(*alike, strict=True)]
        prepared.write(joined)
        start = 0
        for arrays in alike:
            stop = start + arrays[0].size
            for whole, target in zip(joined, arrays[:targets], strict=False):
                target[...] = whole[start:stop].reshape(target.shape)
            start = stop


class _Formula:
    """A formula with its numbers, for as many sets of arrays as there are; the first `targets` of each are written."""

    def __init__(self, formula: Callable[..., Any], targets: int, numbers: dict[str, Any]) -> None:
        self.formula, self.targets, self.numbers = formula, targets, numbers
        self.kernels: dict[tuple[Any, int], tuple[Any, Any]] = {}

    def write(self, arrays: Sequence[Any]) -> None:
        """Write the results for these arrays into the targets, by machine code or in blocks where that can be done."""
        shape, dtype, size = arrays[0].shape, arrays[0].dtype, arrays[0].size
        targets, simple = arrays[: self.targets], size >= _LEAST
        for a in arrays:
            if a.shape != shape or a.dtype != dtype:
                kinds = ", ".join(f"{a.dtype} {a.shape}" for a in arrays)
                raise ValueError(f"fused: arrays {kinds}; expected one shape and one dtype")
            simple = simple and a.flags.c_contiguous
        for a in targets:
            simple = simple and a.flags.writeable
        if not simple:
            self.by_numpy(arrays)
        elif available(*arrays):
            run, values = self.kernels.get((dtype, len(arrays))) or self._compiled(dtype, len(arrays))
            named = {f"a{i}": a for i, a in enumerate(arrays)}
            try:
                launch.run(run, -(-size // _PART), size * len(arrays), **named, values=values, size=size, part=_PART)
            except OverlapError:
                self.by_numpy(arrays)
        elif any(address(t) != address(a) and np.may_share_memory(t, a) for t in targets for a in arrays):
            self.by_numpy(arrays)
        else:
            parts = [slice(i, i + _BLOCK) for i in range(0, size, _BLOCK)]
            flat = [a.reshape(-1) for a in arrays]
            parallel_for(lambda p: self.by_numpy([a[p] for a in flat]), parts, size * len(arrays))

    def by_numpy(self, arrays: Sequence[Any]) -> None:
        """The same by NumPy, on the arrays as a whole."""
        for target, value in zip(arrays, self.formula(*arrays, **self.numbers), strict=False):
            if value is not target:
                target[...] = value

    def _compiled(self, dtype: Any, arrays: int) -> tuple[Any, Any]:
        """The kernel for so many arrays of a dtype, and the numbers as it takes them."""
        flags = tuple((name, n) for name, n in self.numbers.items() if isinstance(n, bool))
        given = tuple(name for name, n in self.numbers.items() if not isinstance(n, bool))
        run = _compiled(dtype, self.formula, self.targets, arrays, False, given, flags)
        values = np.array([self.numbers[name] for name in given], dtype) if given else None
        self.kernels[dtype, arrays] = run, values
        return run, values


def if_positive(x: Array, yes: Array | float, no: Array | float) -> Array:
    """`yes` where x is positive, or else `no`; for formulas (see `fused`)."""
    if not isinstance(x, IRValue):
        return np.where(x > 0, yes, no)
    code = x.code
    positive = IRValue(code, code.builder.fcmp_ordered(">", x.raw, code.constant().raw))
    chosen: Any = code.where(positive, *(code.constant(v) if isinstance(v, (int, float)) else v for v in (yes, no)))
    return chosen


_NUMBERS = (bool, int, float, complex, np.generic)


def in_blocks(formula: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator: a formula that works entry by entry, of any NumPy functions, goes through blocks that fit the cache
    where its first argument is a large array; so are then the others, of the same shape, or numbers.

    >>> half = in_blocks(lambda x: np.exp(x) / 2)
    >>> half(np.zeros(100_000)).sum()
    np.float64(50000.0)
    """

    @wraps(formula)
    def run(x: Any, *others: Any) -> Any:
        if x.__class__ is not np.ndarray or x.size < _MANY or not x.flags.c_contiguous:
            return formula(x, *others)
        for a in others:
            alike = isinstance(a, np.ndarray) and a.shape == x.shape and a.flags.c_contiguous
            if not (alike or isinstance(a, _NUMBERS)):  # what knows of a graph or a batch is neither
                return formula(x, *others)
        flat = [a.reshape(-1) if isinstance(a, np.ndarray) else a for a in (x, *others)]

        def part(places: slice) -> Any:
            return formula(*(a[places] if isinstance(a, np.ndarray) else a for a in flat))

        def write(places: slice) -> None:
            out[places] = part(places)

        blocks = [slice(i, i + _BLOCK) for i in range(0, x.size, _BLOCK)]
        first = part(blocks[0])
        result = memory.empty(x.shape, first.dtype)
        out = result.reshape(-1)
        out[blocks[0]] = first
        parallel_for(write, blocks[1:], x.size * (len(flat) + 1))
        return result

    return run


def in_one_pass(formula: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator: a formula of what `fused` knows, of arrays and then numbers, whose result is a new array.

    It is compiled, once for all numbers, for large arrays of one shape and one dtype; others take the way of
    `in_blocks`, and what is no array (a Tensor, for one) the formula as it is.

    >>> bell = in_one_pass(lambda x, rate: np.exp(-rate * x * x))
    >>> bell(np.zeros(5000), 2.0).sum()
    np.float64(5000.0)
    """
    otherwise, names = in_blocks(formula), tuple(signature(formula).parameters)

    @wraps(formula)
    def run(*given: Any) -> Any:
        x = given[0]
        if x.__class__ is not np.ndarray or x.size < _LEAST:
            return formula(*given)
        numbers = [a for a in given if a.__class__ in (float, int)]
        arrays, called = given[: len(given) - len(numbers)], names[len(given) - len(numbers) : len(given)]
        alike = all(a.__class__ is np.ndarray and a.shape == x.shape and a.flags.c_contiguous for a in arrays)
        if not (alike and available(*arrays)):
            return otherwise(*given)
        out = memory.empty(x.shape, x.dtype)
        named = {f"a{i}": a for i, a in enumerate((out, *arrays))}
        code = _compiled(x.dtype, formula, 1, len(named), True, called, ())
        values = np.array(numbers, x.dtype) if numbers else None
        launch.run(code, -(-x.size // _PART), x.size * len(named), **named, values=values, size=x.size, part=_PART)
        return out

    return run


def _arguments(formula: Any, targets: int, arrays: int, fresh: bool, names: Any, flags: Any) -> Arguments:
    places = {f"a{i}": (in_place if i < targets else reads)("size") for i in range(arrays)}
    return {**places, "values": reads("len(names)"), "size": positive, "part": positive}


@kernel("", _arguments)
def _compiled(
    code: KernelBuilder,
    formula: Callable[..., Any],
    targets: int,
    arrays: int,
    fresh: bool,
    names: tuple[str, ...],
    flags: Any,
) -> None:
    """Write what the formula makes of all arrays, or of those that are no targets (`fresh`), into the targets."""
    *places, values, size, part = code.arguments
    numbers: dict[str, Any] = {name: code.filled(values[i]) for i, name in enumerate(names)}

    def vector(i: IRValue, mask: IRValue | None = None) -> None:
        entries = [code.load(at + i, mask) for at in places[targets * fresh :]]
        results = formula(*entries, **numbers, **dict(flags))
        results = [results] if isinstance(results, IRValue) else results
        for at, result in zip(places[:targets], results, strict=True):
            code.store(at + i, result, mask)

    start, stop = code.part * part, code.part * part + part
    stop = stop.if_less(size, stop, size)
    whole = stop - stop % code.lanes
    code.loop(start, whole, code.lanes, vector)
    code.loop(whole, stop, code.lanes, lambda i: vector(i, code.first(stop - i)))
