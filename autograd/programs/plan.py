"""A program as one function of arrays: its equations written out one beneath the other, each value dropped where it is
used for the last time."""

from __future__ import annotations

from collections.abc import Callable, Container
from typing import Any

import numpy as np

from ..core.fast_apply import scalar
from ..core.primitive import Primitive
from ..core.tracing import raw
from ..runtime.generated import run
from ..runtime.memory import owned
from .program import ChangedShape, Equation, Program, Slot, another_form, check_shape, filled, slots_of
from .state import Outside, SetGradient, Write

__all__ = ["planned"]


def planned(program: Program) -> Callable[..., list[Any]]:
    """A function of the arrays of the inputs that gives a list of those of the slots in the outputs, in memory of their
    own. Captured Tensors are read where it begins, and their arrays let go of after their last use, so that what is
    done to the Tensors then is done in place.

    For `lambda x, w: tanh(x @ w)` it reads

        def run(v0):
            v1 = _held(_t1)                                           # w, if that is from outside
            v2 = _f0(v0, v1)
            del v1
            v3 = _f1(v2)
            del v2
            return [_own(v3, _others)]

    where `_others`, known at its beginning, are the identities of v0 and v1.
    """
    scope: dict[str, Any] = {
        **{"__name__": __name__, "_ndarray": np.ndarray, "_scalar": scalar, "_own": _own, "_filled": filled},
        **{"_held": _held},
        **{f"_t{slot.number}": source for slot, source in program.captured.items()},
        **{"_check_shape": check_shape, "_ChangedShape": ChangedShape, "_another_form": another_form},
    }
    scope |= {f"v{slot.number}": value[()] for slot, value in program.constants.items()}
    given = [f"v{slot.number}" for slot in program.inputs]
    last = {slot: i for i, equation in enumerate(program.equations) for slot in (*equation.inputs, *equation.defines)}
    kept = {*slots_of(program.outputs), *program.constants, *program.inputs}
    others = [*given, *(f"v{slot.number}" for slot in (*program.captured, *program.constants))]
    lines = [f"def run({', '.join(given)}):"]
    lines += [f"    v{slot.number} = _held(_t{slot.number})" for slot in program.captured]
    lines.append(f"    _others = {{{', '.join(f'id({v})' for v in others)}}}")
    for i, equation in enumerate(program.equations):
        lines += [f"    {line}" for line in _lines(equation, i, scope)]
        dead = [
            f"v{slot.number}"
            for slot in dict.fromkeys((*equation.inputs, *equation.defines))
            if last[slot] == i and slot not in kept
        ]
        lines += [f"    del {', '.join(dead)}"] * bool(dead)
    outputs = (f"_own(v{slot.number}, _others)" for slot in slots_of(program.outputs))
    lines.append(f"    return [{', '.join(outputs)}]")
    run("\n".join(lines), f"<pullback program {program.name}>", scope)
    return scope["run"]


def _lines(equation: Equation, i: int, scope: dict[str, Any]) -> list[str]:
    """The lines that do one operation; what they need is put into the scope."""
    operation = equation.operation
    primitive = isinstance(operation, Primitive)
    scope[f"_f{i}"] = operation.function if isinstance(operation, Primitive) else operation
    given = [_argument(x, f"_c{i}_{n}", scope) for n, x in enumerate(equation.args)]
    if isinstance(operation, (Write, SetGradient)):
        given = [f"_own({x}, _others)" for x in given]
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
    if nest is None or nest == ():
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


def _held(source: Outside) -> Any:
    """The array of a Tensor from outside, None of a gradient that is not there."""
    tensor = source.now
    return None if tensor is None else raw(tensor)


def _own(x: Any, others: Container[int]) -> Any:
    """A result in memory that nothing else holds."""
    if x.__class__ is not np.ndarray:
        return x
    shared = x.base is not None and not owned(x) or id(x) in others
    return x.copy() if shared else x
