"""`program` and `compile`: functions as programs."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial, wraps
from types import MethodType
from typing import Any, Generic, ParamSpec, TypeVar, overload

from ..core.graph import mode, modes
from ..core.pytrees import flatten
from ..core.tensor import Tensor, carried, wrap
from ..core.types import ArrayLike
from ..transforms.traced import check_function, name_of
from .guards import Guards
from .passes import optimized
from .plan import planned
from .program import Program, Slot, inputs_of
from .state import Outside
from .trace import TracedValueError, record

__all__ = ["Compiled", "compile", "program"]

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")
_MOST = 16  # programs for one kind of arguments, of which those used longest ago are forgotten


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


class Compiled(Generic[Arguments, Result]):
    """A function that is written down at its first call for arguments of some kind, and from then on run as a program.

    `programs` are those that there are so far, `explain` tells of them.
    """

    def __init__(self, f: Callable[Arguments, Result], fallback: bool = False) -> None:
        check_function("compile", f)
        wraps(f)(self)  # before all else, since f may be made of a compiled function, and have its attributes
        self.function, self.fallback = f, fallback
        self._plans: dict[Any, list[_Plan | _Break]] = {}
        self._lock = threading.RLock()

    def __repr__(self) -> str:
        return f"compile({name_of(self.function)})"

    @property
    def programs(self) -> list[Program]:
        """The programs that were written down so far."""
        return [plan.program for plans in self._plans.values() for plan in plans if isinstance(plan, _Plan)]

    def explain(self) -> str:
        """Return what was written down, for which arguments, what it looks at outside, and why it runs eagerly where
        it does."""
        plans = [plan for plans in self._plans.values() for plan in plans]
        return "\n".join([f"{self!r}: {len(plans)} kinds of calls", *(f"  {plan}" for plan in plans)])

    def __get__(self, instance: object, owner: type | None = None) -> object:
        """Return the method of an instance, where a class has it."""
        return self if instance is None else MethodType(self, instance)

    def __call__(self, *args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        if modes.overrides:
            return self.function(*args, **kwargs)
        given, form = inputs_of(args, kwargs)
        around = modes.recording, modes.floats
        key = (_hashable(form), tuple([(x.shape, x.dtype, _requires(x)) for x in given]), *around)
        plan = next((plan for plan in self._plans.get(key, ()) if plan.guards.hold()), None)
        if plan is None:
            plan = self._written(key, form, args, kwargs)
        return plan(given) if isinstance(plan, _Plan) else self.function(*args, **kwargs)

    def _written(self, key: Any, form: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> _Plan | _Break:
        """A new plan, or that which another thread has made by now."""
        with self._lock:
            plans = self._plans.setdefault(key, [])
            plan = next((plan for plan in plans if plan.guards.hold()), None)
            if plan is None:
                guards = _Around(self.function, form)
                try:
                    program = record(self.function, args, kwargs, name_of(self.function))
                    plan = _Plan(program, guards)
                except TracedValueError as error:
                    if not self.fallback:
                        raise
                    plan = _Break(str(error), inputs_of(args, kwargs), guards)
                self._plans[key] = [plan, *plans[: _MOST - 1]]
            return plan


class _Around:
    """What a program is written down with: Python values, and what kind of Tensors there are outside."""

    def __init__(self, f: Callable[..., Any], form: Any) -> None:
        self.values = Guards(f, form)
        self.tensors: list[tuple[Any, Any]] = []

    def hold(self) -> bool:
        """Whether all is as it was."""
        return all([_kind(source) == kind for source, kind in self.tensors]) and self.values.hold()


class _Break:
    """Arguments for which no program can be written down, and why."""

    def __init__(self, reason: str, given: tuple[list[Any], Any], guards: _Around) -> None:
        self.reason, self.guards = reason, guards
        self.kinds = ", ".join(f"{x.dtype}{list(x.shape)}" for x in given[0])

    def __str__(self) -> str:
        return f"for {self.kinds}: runs eagerly, since {self.reason}"


class _Plan:
    """A program, optimized, and how it is run."""

    def __init__(self, program: Program, guards: _Around) -> None:
        self.guards = guards
        guards.tensors = [(source, _kind(source)) for source in program.captured.values()]
        self.before, self.program = len(program.equations), optimized(program)
        self.run = planned(self.program)
        self.rebuild = flatten(self.program.outputs)

    def __str__(self) -> str:
        kinds = ", ".join(slot.kind for slot in self.program.inputs)
        tensors = len(self.guards.tensors)
        return (
            f"for {kinds}: {len(self.program.equations)} operations ({self.before} before the passes), which look at "
            f"{tensors} Tensors and {self.guards.values.count} Python values outside"
        )

    def __call__(self, given: list[Any]) -> Any:
        followed = any(map(carried, given)) or modes.recording and self.program.follows
        if followed or modes.observers or modes.depth:
            with mode(recording=modes.recording and followed):
                return self.program.results(given)
        arrays = [x._held if isinstance(x, Tensor) else x for x in given]
        leaves, rebuild = self.rebuild
        results = iter(self.run(*arrays))
        return rebuild(wrap(next(results)) if isinstance(x, Slot) else x for x in leaves)


def _requires(x: Any) -> bool:
    return isinstance(x, Tensor) and x._node is not None


def _kind(source: Outside) -> Any:
    """What a program takes for granted of a Tensor from outside."""
    x = source.now
    if x is None:
        return None
    node, held = x._node, x._held
    if node is None:
        return held.shape, held.dtype
    hooks = None if node.hooks is None else tuple(node.hooks.items())
    return held.shape, held.dtype, node.primitive is None, node.grad is None, hooks


@overload
def compile(f: Callable[Arguments, Result], *, fallback: bool = ...) -> Compiled[Arguments, Result]: ...
@overload
def compile(*, fallback: bool = ...) -> Callable[[Callable[Arguments, Result]], Compiled[Arguments, Result]]: ...
def compile(f: Callable[..., object] | None = None, *, fallback: bool = False) -> object:
    """A function that does what `f` does, as an optimized program: with less Python, and nothing computed twice.

    It is written down (see `program`) at the first call for each set of shapes, dtypes and Python values among the
    arguments: Tensors, arrays and lists of numbers are its inputs, all else is fixed, and another value is another
    program. Results are those of `f`; but sums may be taken in another order. Where gradients, tangents or a batch are
    followed from outside, the program's operations run one after the other, so that every transform goes through;
    inside an `override`, `f` itself runs. Random numbers are drawn anew at each call. Tensors from outside are read
    anew, and what is done to them is done at each call, in its order: writes, `backward()` into leaves, `zero_grad`,
    steps of optimizers and schedulers; so a whole training step can be compiled. Other variables that the code names,
    attributes, and all that Modules hold are looked at: another value is another program. What else it does outside
    it does only when it is written down.

    TypeError, with the line, for what no program can do: ask an input for a number, write into it, keep a value of the
    program outside, draw from `numpy.random`; with `fallback` `f` itself runs, and `explain()` of what is returned says
    why. Without `f` it is a decorator, `@compile(fallback=True)`.

    >>> from pullback import value_and_grad
    >>> step = compile(value_and_grad(lambda w, x: ((x @ w) ** 2).sum()))
    >>> step([1.0, 2.0], [[1.0, 0.0], [0.0, 1.0]])
    (Tensor(5.), Tensor([2., 4.]))
    """
    return partial(Compiled, fallback=fallback) if f is None else Compiled(f, fallback)


def _hashable(form: Any) -> Any:
    """Something hashable that is equal where two forms are: to the sign of zero and the type of numbers."""
    if isinstance(form, dict):
        return dict, tuple((key, _hashable(part)) for key, part in form.items())
    if isinstance(form, (tuple, list)):
        return type(form), tuple(map(_hashable, form))
    return (type(form), repr(form)) if isinstance(form, (float, complex)) else (type(form), form)
