"""A program as one function of arrays: its equations written out one beneath the other, each value dropped where it is
used for the last time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.fast_apply import scalar
from ..core.primitive import Primitive
from ..runtime.generated import run
from ..runtime.memory import owned
from .program import ChangedShape, Equation, Program, Slot, another_form, check_shape, filled, slots_of

__all__ = ["planned"]


def planned(program: Program) -> Callable[..., list[Any]]:
    """A function of the arrays of the inputs and the captured Tensors that gives a list of those of the slots in the
    outputs, in memory of their own.

    For `lambda x, w: tanh(x @ w)` it reads

        def run(v0, v1):
            v2 = _f0(v0, v1)
            v3 = _f1(v2)
            del v2
            return [_own(v3, (v0, v1))]
    """
    scope: dict[str, Any] = {
        **{"__name__": __name__, "_ndarray": np.ndarray, "_scalar": scalar, "_own": _own, "_filled": filled},
        **{"_check_shape": check_shape, "_ChangedShape": ChangedShape, "_another_form": another_form},
    }
    scope |= {f"v{slot.number}": value[()] for slot, value in program.constants.items()}
    given = [f"v{slot.number}" for slot in (*program.inputs, *program.captured)]
    last = {slot: i for i, equation in enumerate(program.equations) for slot in (*equation.inputs, *equation.defines)}
    kept = {*slots_of(program.outputs), *program.constants, *program.inputs, *program.captured}
    lines = [f"def run({', '.join(given)}):"]
    for i, equation in enumerate(program.equations):
        lines += [f"    {line}" for line in _lines(equation, i, scope)]
        dead = [
            f"v{slot.number}"
            for slot in dict.fromkeys((*equation.inputs, *equation.defines))
            if last[slot] == i and slot not in kept
        ]
        lines += [f"    del {', '.join(dead)}"] * bool(dead)
    others = ", ".join([*given, *(f"v{slot.number}" for slot in program.constants)])
    outputs = (f"_own(v{slot.number}, ({others},))" for slot in slots_of(program.outputs))
    lines.append(f"    return [{', '.join(outputs)}]")
    run("\n".join(lines), f"<pullback program {program.name}>", scope)
    return scope["run"]


def _lines(equation: Equation, i: int, scope: dict[str, Any]) -> list[str]:
    """The lines that do one operation; what they need is put into the scope."""
    operation = equation.operation
    primitive = isinstance(operation, Primitive)
    scope[f"_f{i}"] = operation.function if isinstance(operation, Primitive) else operation
    given = [_argument(x, f"_c{i}_{n}", scope) for n, x in enumerate(equation.args)]
    given += [f"{name}={_argument(x, f'_c{i}_{name}', scope)}" for name, x in equation.options.items()]
    out, *aux = equation.outputs
    if isinstance(operation, Primitive) and operation.several:
        out = (*out, *aux)
    elif aux:
        out = equation.outputs
    lines = [f"{_target(out)} = _f{i}({', '.join(given)})"]
    for x in aux:
        changed = "_aux.__class__ is _ndarray" if x is None else f"v{x.number} is None" if isinstance(x, Slot) else None
        if changed:
            lines.append(f"if {changed}: raise _ChangedShape(_another_form({equation.name!r}))")
    for slot in equation.defines:
        name = f"v{slot.number}"
        if not slot.shape:
            lines.append(f"{name} = _scalar({name})")
        if not primitive:
            scope[f"_s{slot.number}"] = slot
            lines.append(
                f"if {name}.shape != _s{slot.number}.shape: _check_shape({name}, _s{slot.number}, {equation.name!r})"
            )
    return lines


def _target(nest: Any) -> str:
    """How a nest of results is taken apart; what is None in it is nothing."""
    if nest is None:
        return "_aux"
    if isinstance(nest, Slot):
        return f"v{nest.number}"
    return f"({', '.join(map(_target, nest))},)"


def _argument(x: Any, name: str, scope: dict[str, Any]) -> str:
    """How an argument is written: a slot by its name, a nest with slots as it is, all else by a name in the scope."""
    if isinstance(x, Slot):
        return f"v{x.number}"
    if isinstance(x, (int, float, type(None))) and type(x) in (int, bool, type(None)):
        return repr(x)
    slots = list(slots_of(x))
    scope[name] = x
    if not slots:
        return name
    inside = ", ".join(f"{slot.number}: v{slot.number}" for slot in slots)
    return f"_filled({name}, {{{inside}}})"


def _own(x: Any, others: tuple[Any, ...]) -> Any:
    """A result in memory that nothing else holds."""
    if x.__class__ is not np.ndarray:
        return x
    shared = x.base is not None and not owned(x) or any(x is other for other in others)
    return x.copy() if shared else x
