"""Passes: functions from a program to one that gives the same, with less to do.

    without_dead     what leads to no output is left out
    folded           what depends on constants alone is computed now
    merged           of equations that compute the same, the first remains
    simplified       operations that change nothing, and pairs that undo one another, are left out

`optimized` runs them in turn until nothing changes, with a check of the program between them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import numpy as np

from ..core.primitive import Primitive, registry
from ..core.pytrees import over
from .program import Equation, Program, Slot, slots_of

__all__ = ["PASSES", "folded", "merged", "optimized", "simplified", "without_dead"]

_FOLDED = 1 << 12  # entries of a result that is kept in the place of an equation
_ROUNDS = 8  # of all passes


def without_dead(program: Program) -> Program:
    """The program without equations, constants and captured Tensors that lead to no output; random draws remain, since
    those after them would be others."""
    used = set(slots_of(program.outputs))
    kept: list[Equation] = []
    for equation in reversed(program.equations):
        if equation.effect or used.intersection(equation.defines):
            kept.append(equation)
            used.update(equation.inputs)
    return replace(
        program,
        equations=tuple(reversed(kept)),
        constants={slot: value for slot, value in program.constants.items() if slot in used},
        captured={slot: tensor for slot, tensor in program.captured.items() if slot in used},
    )


def folded(program: Program) -> Program:
    """The program with small results that depend on constants alone in the place of what computes them."""
    constants = dict(program.constants)
    equations = []
    for equation in program.equations:
        known = all(slot in constants for slot in equation.inputs)
        small = all(slot.size <= _FOLDED for slot in equation.defines)
        if equation.effect or not (known and small):
            equations.append(equation)
            continue
        results = equation.run({slot.number: constants[slot] for slot in equation.inputs})
        constants |= {slot: np.array(x) for slot, x in equation.defined(results)}
    return replace(program, equations=tuple(equations), constants=constants)


def merged(program: Program) -> Program:
    """The program in which of constants that are equal, and of equations that do the same, only the first remains."""
    known: dict[Any, tuple[Slot, ...]] = {}
    same: dict[Slot, Slot] = {}
    constants = {}
    for slot, value in program.constants.items():
        first = known.setdefault((value.dtype, value.shape, value.tobytes()), (slot,))
        if first == (slot,):
            constants[slot] = value
        else:
            same[slot] = first[0]
    equations = []
    for equation in program.equations:
        equation = _renamed(equation, same)
        key = equation.operation, id(equation) if equation.effect else _key((equation.args, equation.options))
        if key in known:
            same |= zip(equation.defines, known[key], strict=True)
        else:
            known[key] = equation.defines
            equations.append(equation)
    return replace(
        program, equations=tuple(equations), constants=constants, outputs=_renamed_nest(program.outputs, same)
    )


def simplified(program: Program) -> Program:
    """The program without reshapes, transpositions and casts that change nothing, with two of them in a row as one, and
    without factors 1, whose results are the same to the bit."""
    made: dict[Slot, Equation] = {}
    same: dict[Slot, Slot] = {}
    equations = []
    for equation in program.equations:
        equation = _renamed(equation, same)
        rule = _SIMPLER.get(equation.name) if isinstance(equation.operation, Primitive) else None
        found = rule(equation, made) if rule is not None else equation
        if isinstance(found, Slot):
            same[equation.defines[0]] = found
            continue
        made |= dict.fromkeys(found.defines, found)
        equations.append(found)
    return replace(program, equations=tuple(equations), outputs=_renamed_nest(program.outputs, same))


def optimized(program: Program, passes: Iterable[Callable[[Program], Program]] = ()) -> Program:
    """The program after all passes (or these), again and again until they find nothing to do."""
    for _ in range(_ROUNDS):
        before = len(program.equations)
        for each in tuple(passes) or PASSES:
            program = each(program).verified()
        if len(program.equations) == before:
            break
    return program


def _chained(name: str) -> Callable[[Equation, dict[Slot, Equation]], Any]:
    """A rule for operations of which only the last of two in a row matters, as it says the whole form."""

    def rule(equation: Equation, made: dict[Slot, Equation]) -> Any:
        x = equation.args[0]
        if not isinstance(x, Slot):
            return equation
        before = made.get(x)
        if before is not None and before.name == name and isinstance(before.args[0], Slot):
            equation, x = replace(equation, args=before.args), before.args[0]
        (out,) = equation.defines
        return x if (x.shape, x.dtype) == (out.shape, out.dtype) else equation

    return rule


def _transposed(equation: Equation, made: dict[Slot, Equation]) -> Any:
    (x,), axes = equation.args, equation.options["axes"]
    if not isinstance(x, Slot) or not isinstance(axes, tuple):
        return equation
    before = made.get(x)
    if before is not None and before.name == "transpose" and isinstance(before.options["axes"], tuple):
        axes = tuple(before.options["axes"][axis] for axis in axes)
        equation = replace(equation, args=before.args, options={"axes": axes})
        (x,) = before.args
    return x if axes == tuple(range(len(axes))) else equation


def _times(equation: Equation, made: dict[Slot, Equation]) -> Any:
    (out,) = equation.defines
    for one, x in (equation.args, equation.args[::-1]):
        if isinstance(x, Slot) and x.dtype == out.dtype and type(one) in (int, float) and one == 1:
            return x
    return equation


def _power(equation: Equation, made: dict[Slot, Equation]) -> Any:
    """x**1 is x, x**2 is x * x, as NumPy computes it."""
    x, exponent = equation.args
    (out,) = equation.defines
    if not isinstance(x, Slot) or x.dtype != out.dtype or x.shape != out.shape or type(exponent) not in (int, float):
        return equation
    if exponent == 1:
        return x
    return replace(equation, operation=registry["multiply"], args=(x, x)) if exponent == 2 else equation


_SIMPLER = {
    "reshape": _chained("reshape"),
    "positive": _chained(""),
    "broadcast_to": _chained(""),
    "transpose": _transposed,
    "multiply": _times,
    "power": _power,
}


def _renamed_nest(nest: Any, same: dict[Slot, Slot]) -> Any:
    return over(lambda x: same.get(x, x) if isinstance(x, Slot) else x, nest) if same else nest


def _renamed(equation: Equation, same: dict[Slot, Slot]) -> Equation:
    if not same or not same.keys() & set(equation.inputs):
        return equation
    return replace(
        equation, args=_renamed_nest(equation.args, same), options=_renamed_nest(dict(equation.options), same)
    )


def _key(x: Any) -> Any:
    """Something hashable that is equal where two nests are the same, to the sign of zero and the kind of number."""
    if isinstance(x, dict):
        return tuple((name, _key(part)) for name, part in x.items())
    if isinstance(x, (tuple, list)):
        return type(x), tuple(map(_key, x))
    if isinstance(x, slice):
        return slice, x.start, x.stop, x.step
    if isinstance(x, (np.ndarray, np.generic)):
        return x.dtype, x.shape, x.tobytes()
    if isinstance(x, (float, complex)):
        return type(x), repr(x)
    return x if isinstance(x, Slot) else (type(x), x)


PASSES = (without_dead, simplified, folded, merged, without_dead)
