"""`program` and `compile`: functions as programs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from ..core.graph import modes
from ..core.pytrees import flatten
from ..core.tensor import Tensor, carried, wrap
from ..core.tracing import raw
from ..core.types import ArrayLike
from ..transforms.traced import check_function, name_of
from .passes import optimized
from .plan import planned
from .program import Program, Slot, inputs_of
from .trace import record

__all__ = ["Compiled", "compile", "program"]

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def program(f: Callable[..., object]) -> Callable[..., Program]:
    """The function that writes down what `f` does for examples of its arguments, as a `Program`.

    Tensors, arrays and lists of numbers among the arguments, in nests, are inputs; all else is Python's, fixed in the
    program. `f` runs once, and each operation on what depends on an input is an equation; so are those of the gradients
    and other derivatives that `f` takes. Tensors from outside that it uses are `captured`: each run takes their present
    values. TypeError, with the line, where `f` asks an input for a number (`if`, `float`, `item`, `numpy`, a mask as an
    index), on which it could go on otherwise next time; use `where`, or pass a Python value.

    >>> from pullback import Tensor, grad
    >>> print(program(grad(lambda x: x**3))(Tensor(2.0)))
    program <lambda>
      input    %0: float64[]
      %1: float64[] = power(%0, 3)
      %2: float64[] = power(%0, 2)
      %3: float64[] = multiply(3, %2)
      %4: float64[] = multiply(float64(1.0), %3)
      output   %4
    """
    check_function("program", f)

    @wraps(f)
    def examples(*args: ArrayLike, **kwargs: ArrayLike) -> Program:
        return record(f, args, kwargs, name_of(f))

    return examples


class Compiled:
    """A function that is written down at its first call for arguments of some kind, and from then on run as a program.

    `programs` are those that there are so far.
    """

    def __init__(self, f: Callable[..., Any]) -> None:
        check_function("compile", f)
        self.function = f
        self._plans: dict[Any, _Plan] = {}
        self._lock = threading.Lock()
        wraps(f)(self)

    def __repr__(self) -> str:
        return f"compile({name_of(self.function)})"

    @property
    def programs(self) -> list[Program]:
        """The programs that were written down so far."""
        return [plan.program for plan in self._plans.values()]

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if modes.overrides:
            return self.function(*args, **kwargs)
        given, form = inputs_of(args, kwargs)
        parts: Iterable[Any] = getattr(self.function, "modules", tuple)()  # of a Module, which is in training or not
        around = modes.recording, modes.floats, tuple([part.training for part in parts])
        key = (_hashable(form), tuple([(x.shape, x.dtype) for x in given]), *around)
        plan = self._plans.get(key)
        if plan is None:
            with self._lock:
                plan = self._plans.get(key) or _Plan(record(self.function, args, kwargs, name_of(self.function)))
                self._plans[key] = plan
        return plan(given)


class _Plan:
    """A program, optimized, and how it is run."""

    def __init__(self, program: Program) -> None:
        self.program = optimized(program)
        self.captured = tuple(self.program.captured.items())
        self.run = planned(self.program)
        self.rebuild = flatten(self.program.outputs)

    def __call__(self, given: list[Any]) -> Any:
        followed = any(map(carried, given)) or modes.recording and any([carried(x) for _, x in self.captured])
        if followed or modes.observers or modes.depth:
            return self.program.results(given)
        arrays = [x._held if isinstance(x, Tensor) else x for x in given]
        for slot, x in self.captured:
            if (x.shape, x.dtype) != (slot.shape, slot.dtype):
                raise ValueError(
                    f"{self.program.name}: a Tensor that was {slot.dtype} of shape {slot.shape} when the program was "
                    f"written down is {x.dtype} of shape {x.shape} by now; pass it as an argument"
                )
            arrays.append(raw(x))
        leaves, rebuild = self.rebuild
        results = iter(self.run(*arrays))
        return rebuild(wrap(next(results)) if isinstance(x, Slot) else x for x in leaves)


def compile(f: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """A function that does what `f` does, as an optimized program: with less Python, and nothing computed twice.

    It is written down (see `program`) at the first call for each set of shapes, dtypes and Python values among the
    arguments: Tensors, arrays and lists of numbers are its inputs, all else is fixed, and another value is another
    program. Results are those of `f`; but sums may be taken in another order. Where gradients, tangents or a batch are
    followed from outside, the program's operations run one after the other, so that every transform goes through;
    inside an `override`, `f` itself runs. Random numbers are drawn anew at each call. Tensors from outside are read
    anew; what else `f` reads from outside was read when it was written down, and what it does outside it does only
    then.

    >>> from pullback import value_and_grad
    >>> step = compile(value_and_grad(lambda w, x: ((x @ w) ** 2).sum()))
    >>> step([1.0, 2.0], [[1.0, 0.0], [0.0, 1.0]])
    (Tensor(5.), Tensor([2., 4.]))
    """
    return Compiled(f)


def _hashable(form: Any) -> Any:
    """Something hashable that is equal where two forms are: to the sign of zero and the type of numbers."""
    if isinstance(form, dict):
        return dict, tuple((key, _hashable(part)) for key, part in form.items())
    if isinstance(form, (tuple, list)):
        return type(form), tuple(map(_hashable, form))
    return (type(form), repr(form)) if isinstance(form, (float, complex)) else (type(form), form)
