"""Writing a program down: the function runs once, on its examples, and each operation at its level is an equation.

A recorded value carries the example's array, so that shapes and dtypes are real; but what asks it for a number, on
which Python would go on, is an error, since the number of the next call may be another.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from copy import deepcopy
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ..core.batching import checked, drawn
from ..core.conversion import lowered, values_of
from ..core.generator import drawing_from, generator
from ..core.graph import mode
from ..core.primitive import Primitive
from ..core.pytrees import flatten, over
from ..core.tensor import Tensor, as_data, wrap
from ..core.tracing import Tracer, example, level_of, new_level
from .program import ARRAYS, Equation, Program, Slot, inputs_of

__all__ = ["TracedValueError", "record"]

_OF_SHAPES = {  # functions of shapes, dtypes and layouts alone
    *(np.shape, np.ndim, np.size, np.iscomplexobj, np.isrealobj, np.isscalar, np.iterable, np.common_type),
    *(np.min_scalar_type, np.diag_indices_from, np.tril_indices_from, np.triu_indices_from),
    *(np.may_share_memory, np.shares_memory, np.result_type, np.can_cast),
}
_VALUES = (np.ndarray, np.generic)
_PACKAGE = __name__.partition(".")[0]


class TracedValueError(TypeError):
    """A number was asked of a value that a program is to be given later."""


def users_line() -> str:
    """The file and the line of the user's code that led here."""
    frame = sys._getframe(1)
    while frame.f_back is not None and str(frame.f_globals.get("__name__")).partition(".")[0] == _PACKAGE:
        frame = frame.f_back
    return f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}"


class Recorded(Tracer):
    """A value of a program that is being written down."""

    __slots__ = ("known", "recorder", "slot")
    later = True

    def __init__(self, recorder: Recorder, slot: Slot, known: Any) -> None:
        self.level, self.recorder, self.slot, self.known = recorder.level, recorder, slot, known

    def __repr__(self) -> str:
        return f"{self.slot}: {self.slot.kind}"

    @property
    def shape(self) -> tuple[int, ...]:
        return self.slot.shape

    @property
    def dtype(self) -> Any:
        return self.slot.dtype

    @property
    def size(self) -> int:
        return self.slot.size

    @property
    def example(self) -> Any:
        return self.known

    @property
    def _held(self) -> Any:
        raise TracedValueError(
            f"{self.recorder.name}: {users_line()} asks for the number of {self.slot.kind}, which a program is given "
            "only when it runs; use where() in place of if and of a mask, or pass it as a Python value"
        )

    value = _held

    def detached(self) -> Any:
        return self

    def outputs(self, primitive: Any, args: tuple[Any, ...], options: dict[str, Any]) -> tuple[Any, ...]:
        known = [example(x)[()] if isinstance(x, Tensor) else x for x in args]
        results = primitive.outputs(*known, **options)
        return self.recorder.equation(primitive, args, options, results)

    def computed(self, function: Any, values: list[Any], rebuild: Any) -> Any:
        args, kwargs = rebuild(values)
        known, options = rebuild([example(x)[()] if isinstance(x, Tensor) else x for x in values])
        if function in _OF_SHAPES:
            return function(*known, **options)
        (out,) = self.recorder.equation(function, args, kwargs, (function(*known, **options),))
        return out


class Recorder:
    """The equations of a program that is being written down, and the values from outside that they use."""

    def __init__(self, name: str, level: int) -> None:
        self.name, self.level = name, level
        self.equations: list[Equation] = []
        self.captured: dict[Slot, Tensor] = {}
        self.constants: dict[Slot, Any] = {}
        self.slots: dict[int, Slot] = {}  # of what is captured, by its identity
        self.count = 0

    def slot(self, value: Any) -> Slot:
        """A new slot for a value like this."""
        self.count += 1
        return Slot(self.count - 1, value.shape, value.dtype)

    def atom(self, x: Any) -> Any:
        """What stands in an equation for an argument: a slot, or a number."""
        if isinstance(x, Tensor):
            if level_of(x) == self.level:
                return x._held.slot
            if id(x) not in self.slots:
                self.slots[id(x)] = self.slot(x)
                self.captured[self.slots[id(x)]] = x
            return self.slots[id(x)]
        if not isinstance(x, np.ndarray):
            return x
        slot = self.slot(x)
        self.constants[slot] = x.copy()
        return slot

    def result(self, x: Any) -> Any:
        """What stands in the outputs for what the function returned: a slot, or what is no array as it is."""
        if isinstance(x, Tensor):
            return self.atom(lowered(x, self.level))
        return self.atom(np.asarray(as_data(x))) if isinstance(x, ARRAYS) else x

    def equation(self, operation: Any, args: Any, options: Any, results: tuple[Any, ...], effect: bool = False) -> Any:
        """Write an operation down; gives its results as recorded values."""
        leaves, rebuild = flatten(results)
        slots = [self.slot(leaf) if isinstance(leaf, _VALUES) else None for leaf in leaves]
        if not isinstance(operation, Primitive) and None in slots:
            name = getattr(operation, "__name__", "a function")
            raise TracedValueError(
                f"{self.name}: {users_line()} asks {name} for a Python value of what a program is given only when it "
                "runs; use where() in place of if, or pass it as a Python value"
            )
        given, named = over(self.atom, args), over(self.atom, options)
        self.equations.append(Equation(operation, given, named, rebuild(slots), effect, users_line()))
        return rebuild(
            [wrap(Recorded(self, slot, leaf)) if slot else leaf for slot, leaf in zip(slots, leaves, strict=True)]
        )

    def drawn(self, draw: Callable[[tuple[int, ...]], Any], shape: tuple[int, ...]) -> Any:
        """Random numbers that are drawn anew whenever the program runs."""
        (out,) = self.equation(partial(drawn, draw), (shape,), {}, (draw(shape),), effect=True)
        return out

    def checked(self, check: Callable[[Any], None], x: Any) -> None:
        """Check values whenever the program runs."""
        self.equation(partial(checked, check), (values_of(x),), {}, (None,), effect=True)


def record(f: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], name: str) -> Program:
    """The program of a function for example arguments: Tensors and arrays are its inputs, all else is Python's.

    The random numbers that the function draws will be drawn once more when the program runs.
    """
    given, form = inputs_of(args, kwargs)
    leaves, rebuild = flatten((args, kwargs))
    around: dict[str, Any] = {"batches": (), "observers": (), "overrides": {}}
    with new_level() as level:
        recorder = Recorder(name, level)
        with mode(recorder=recorder, **around), drawing_from(deepcopy(generator())):
            inputs = [recorder.slot(x) for x in given]
            known = zip(inputs, given, strict=True)
            stand_ins = (wrap(Recorded(recorder, slot, example(x)[()])) for slot, x in known)
            args, kwargs = rebuild(next(stand_ins) if isinstance(x, ARRAYS) else x for x in leaves)
            result = over(recorder.result, f(*args, **kwargs))
    return Program(
        name, form, tuple(inputs), tuple(recorder.equations), result, recorder.captured, recorder.constants
    ).verified()
