"""Writing a program down: the function runs once, on its examples, and each operation at its level is an equation.

A recorded value carries the example's array, so that shapes and dtypes are real; but what asks it for a number, on
which Python would go on, is an error, since the number of the next call may be another.
"""

from __future__ import annotations

import gc
import math
import random
import sys
import weakref
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from copy import deepcopy
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ..core.batching import checked, drawn
from ..core.conversion import lift, lowered, values_of
from ..core.generator import drawing_from, generator
from ..core.graph import mode, modes
from ..core.primitive import Primitive
from ..core.pytrees import flatten, over
from ..core.stand_ins import stand_in, standing_in
from ..core.tensor import Tensor, as_data, wrap
from ..core.tracing import Tracer, example, level_of, new_level, noticed, raw
from ..core.views import write
from .program import ARRAYS, Equation, Program, Slot, inputs_of
from .state import Adopted, Outside, Perform, SetGradient, Write, leads_to

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

    __slots__ = ("__weakref__", "known", "recorder", "slot")
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

    def __init__(self, name: str, level: int, contexts: ExitStack) -> None:
        self.name, self.level, self.contexts = name, level, contexts
        self.scope = modes.scopes[-1]
        self.equations: list[Equation] = []
        self.captured: dict[Slot, Any] = {}
        self.constants: dict[Slot, Any] = {}
        self.adopted: dict[int, Adopted] = {}  # by the identity of the Tensor
        self.gradients: dict[int, Outside] = {}  # that there are as the program begins, by their identities
        self.living: list[tuple[weakref.ref[Recorded], str]] = []
        self.count = 0

    def slot(self, value: Any) -> Slot:
        """A new slot for a value like this."""
        self.count += 1
        return Slot(self.count - 1, value.shape, value.dtype)

    def recorded(self, slot: Slot, known: Any, line: str) -> Recorded:
        """A value of the program."""
        made = Recorded(self, slot, known)
        self.living.append((weakref.ref(made), line))
        return made

    def is_outside(self, x: Tensor) -> bool:
        """Whether a Tensor was made before the program began."""
        return getattr(x, "_scope", math.inf) > self.scope

    def adopt(self, x: Any) -> Adopted | None:
        """Let a value of the program stand in for x, if that is a Tensor from outside; gives what is known of it."""
        if not isinstance(x, Tensor) or modes.recorder is not self:
            return None
        known = self.adopted.get(id(x))
        if known is None and self.is_outside(x):
            with mode(recorder=None):
                slot, example_ = self.slot(x), example(x)[()]
                source = self.gradients.get(id(x)) or Outside(x)
                known = Adopted(x, source, self.recorded(slot, example_, users_line()), self.level)
            self.captured[slot] = source
            self.adopted[id(x)] = known
            if known.gradient is not None:
                self.gradients[id(known.gradient)] = Outside(x, gradient=True)
        if known is not None and stand_in(x) is not known.stand_in:
            self.contexts.enter_context(standing_in({x: known.stand_in}))
        return known

    def assign(self, x: Tensor, values: Any) -> None:
        """Let the `data` of x be these, in the program."""
        self.adopt(x)
        values = lift(values)
        if (values.shape, values.dtype) != (x.shape, x.dtype):
            raise TracedValueError(
                f"{self.name}: {users_line()} assigns data of another shape or dtype, {values.dtype} of shape "
                f"{values.shape} to {x.dtype} of shape {x.shape}, which a program cannot do; do that outside"
            )
        with mode(recording=False):
            write(x, values if isinstance(values, Tensor) else wrap(values.copy()))

    def atom(self, x: Any) -> Any:
        """What stands in an equation for an argument: a slot, or a number."""
        if isinstance(x, Tensor):
            if level_of(x) == self.level:
                return x._held.slot
            x = raw(x)
        if not isinstance(x, np.ndarray):
            return x
        slot = self.slot(x)
        self.constants[slot] = x.copy()
        return slot

    def result(self, x: Any) -> Any:
        """What stands in the outputs for what the function returned: a slot, or what is no array as it is."""
        if isinstance(x, Tensor):
            return self.named(x)
        return self.atom(np.asarray(as_data(x))) if isinstance(x, ARRAYS) else x

    def named(self, x: Tensor) -> Slot:
        """The slot of a Tensor, a constant's if it is one."""
        noticed(x)
        found = self.atom(lowered(x, self.level))
        if isinstance(found, Slot):
            return found
        return self.atom(np.asarray(found))

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
        given, named, line = over(self.atom, args), over(self.atom, options), users_line()
        self.equations.append(Equation(operation, given, named, rebuild(slots), effect, line))
        return rebuild(
            [wrap(self.recorded(slot, x, line)) if slot else x for slot, x in zip(slots, leaves, strict=True)]
        )

    def drawn(self, draw: Callable[[tuple[int, ...]], Any], shape: tuple[int, ...]) -> Any:
        """Random numbers that are drawn anew whenever the program runs."""
        (out,) = self.equation(partial(drawn, draw), (shape,), {}, (draw(shape),), effect=True)
        return out

    def checked(self, check: Callable[[Any], None], x: Any) -> None:
        """Check values whenever the program runs."""
        self.equation(partial(checked, check), (values_of(x),), {}, (None,), effect=True)

    def perform(self, name: str, action: Callable[[], object], moved: Sequence[Tensor]) -> None:
        """Do something outside whenever the program runs, after what was to be done there before."""
        for x in moved:
            self.adopt(x)
        self.settle()
        known = {id(x): self.adopted[id(x)] for x in moved}
        states = [*known.values(), *(x for key, x in self.adopted.items() if x.tied and key not in known)]
        results = tuple(state.value.known for state in states)
        (after,) = self.equation(Perform(name, action, [s.tensor for s in states]), (), {}, (results,), effect=True)
        for state, value in zip(states, after, strict=True):
            state.become(value._held)

    def settle(self) -> None:
        """Write down what is to be done to what is outside, to be as what stands in for it is by now."""
        for state in list(self.adopted.values()):
            if state.value is not state.known:
                self.refuse_views(state)
                self.equation(Write(state.source), (wrap(state.value),), {}, (None,), effect=True)
                state.known = state.value
            if state.moved():
                self._set_gradient(state)

    def refuse_views(self, state: Adopted) -> None:
        """RuntimeError for what is written into what shares its memory with others outside."""
        if state.tied:
            raise TracedValueError(
                f"{self.name}: writes into a tensor of shape {state.tensor.shape} from outside that has views or is "
                "one, which a program cannot follow; write into a copy"
            )

    def _set_gradient(self, state: Adopted) -> None:
        grad = state.grad
        if not state.leaf:
            raise TracedValueError(
                f"{self.name}: a backward pass inside of it comes to a tensor of shape {state.tensor.shape} that an "
                "operation outside made, where it would go on; write grads(...) inside, or call backward() outside"
            )
        if state.hooked:
            raise TracedValueError(
                f"{self.name}: a backward pass inside of it comes to a tensor of shape {state.tensor.shape} with hooks "
                "that run when its gradient is complete, which a program cannot call; take them away, or call "
                "backward() outside"
            )
        if grad is not None and grad._node is not None:
            raise TracedValueError(f"{self.name}: backward(create_graph=True) inside; write grads(...) there")
        value = () if grad is None else (self.values(grad),)
        self.equation(SetGradient(state.tensor), value, {}, (None,), effect=True)
        state.learn(grad)

    def values(self, x: Tensor) -> Any:
        """A Tensor for an equation, or an array if it is a constant."""
        x = lowered(x, self.level)
        return x if level_of(x) == self.level else np.asarray(raw(x))

    def refuse_changes(self, inputs: Sequence[Adopted]) -> None:
        """TracedValueError for what was done to arguments, and to the graphs of Tensors from outside."""
        for state in inputs:
            if state.value is not state.known or state.grad is not None or state.stand_in._node is not state.node:
                what = "writes into" if state.value is not state.known else "sets the gradient or the graph of"
                raise TracedValueError(
                    f"{self.name}: {what} an argument of shape {state.stand_in.shape}, which a program cannot do; "
                    "write into a copy, or return grads(...) of it"
                )
        for state in self.adopted.values():
            if state.stand_in._node is not state.node:
                raise TracedValueError(
                    f"{self.name}: gives a tensor of shape {state.stand_in.shape} from outside a graph of its own, or "
                    "takes that away; write into it within no_grad(), and call requires_grad_() outside"
                )

    def refuse_leaks(self) -> None:
        """TracedValueError if something outside holds a value of the program, which means nothing there."""
        if not any(value() is not None for value, _ in self.living):
            return
        gc.collect()
        for value, line in reversed(self.living):
            left = value()
            if left is not None:
                raise TracedValueError(
                    f"{self.name}: something outside (an attribute, a list, a closure) still holds the "
                    f"{left.slot.kind} of {line}, which is a value only while the program runs; return it instead"
                )


def record(f: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], name: str) -> Program:
    """The program of a function for example arguments: Tensors and arrays are its inputs, all else is Python's.

    The random numbers that the function draws will be drawn once more when the program runs.
    """
    given, form = inputs_of(args, kwargs)
    leaves, rebuild = flatten((args, kwargs))
    around: dict[str, Any] = {"batches": (), "observers": (), "overrides": {}}
    with ExitStack() as contexts, new_level() as level:
        recorder = Recorder(name, level, contexts)
        with mode(recorder=recorder, **around), drawing_from(deepcopy(generator())):
            states = [_stand_in(recorder, x) for x in given]
            inputs = tuple(state.known.slot for state in states)
            stand_ins = (state.stand_in for state in states)
            args, kwargs = rebuild(next(stand_ins) if isinstance(x, ARRAYS) else x for x in leaves)
            draws = _draws()
            result = f(*args, **kwargs)
            if draws != _draws():
                raise TracedValueError(
                    f"{name}: draws random numbers from numpy.random or random, which a program cannot draw anew; draw "
                    "from pullback.random, or pass them as an argument"
                )
            del args, kwargs, stand_ins
            nodes = {state.node for state in recorder.adopted.values() if state.node is not None}
            follows = leads_to(flatten(result)[0], nodes)
            result = over(recorder.result, result)
            recorder.settle()
            recorder.refuse_changes(states)
            del nodes, states
        contexts.close()
        recorder.adopted.clear()
    recorder.refuse_leaks()
    return Program(
        name, form, inputs, tuple(recorder.equations), result, recorder.captured, recorder.constants, follows
    ).verified()


def _draws() -> tuple[Any, ...]:
    """What moves where random numbers are drawn that are not the package's."""
    state: Any = np.random.get_state()  # noqa: NPY002
    return state[1][:1].tolist(), *state[2:], random.getstate()


def _stand_in(recorder: Recorder, x: Any) -> Adopted:
    """What stands in for an argument."""
    with mode(recorder=None):
        tensor = x if isinstance(x, Tensor) else wrap(x)
        value = recorder.recorded(recorder.slot(x), example(x)[()], "an argument")
        state = Adopted(tensor, Outside(tensor), value, recorder.level)
    if state.node is not None:
        state.node.grad = state.node.hooks = None
    state.learn(None)
    return state
