"""What cannot be done to a whole batch at once, since it asks for a number that differs from example to example: a
public function is then called for one example after another.

The examples are taken out of the batch, as one value with their axis in front, and what they give is put back in:
two linear maps, each the other's transpose, so that all derivatives go through them.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterable
from functools import wraps
from types import ModuleType
from typing import Any, ParamSpec, TypeVar

import numpy as np

from .batching import NOT_AT_ONCE, Batched, Differs, NoBatch, together
from .graph import Node, Output, mode, modes
from .pytrees import flatten
from .spellings import are_numpys, translated
from .tensor import Tensor, plain, wrap
from .tracing import level_of

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")
Function = TypeVar("Function")


def writes(function: Function) -> Function:
    """Decorator: a function that writes into something, which is never called for one example after another."""
    marked: Any = function
    marked.writes = True
    return function


def by_itself(function: Function) -> Function:
    """Decorator: a function that needs no `by_example` around it, for speed."""
    marked: Any = function
    marked.by_itself = True
    return function


def by_example(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Decorator: a public function that, where it asks for a number that differs over a batch, is called for one
    example after another. TypeError with its name and the argument's where it cannot be."""

    @wraps(function)
    def form(*args: Any, **kwargs: Any) -> Result:
        if kwargs and not are_numpys(kwargs):
            args, kwargs = translated(function, args, kwargs)
        try:
            return function(*args, **kwargs)
        except NOT_AT_ONCE as error:
            out: Any = one_by_one(function, args, kwargs, error)
            return out

    return form


_made: dict[Any, Any] = {}  # function -> that in several faces by one or more names


def face_by_example(face: ModuleType, names: Iterable[str], room: str = "") -> None:
    """Make the functions of these names in a module such as `by_example` does, if they were defined in that room."""
    for name in names:
        function: Any = getattr(face, name)
        plain_function = inspect.isfunction(function) and not hasattr(function, "by_itself")
        if not plain_function or not function.__module__.startswith(room):
            continue
        if function not in _made:
            _made[function] = by_itself(by_example(function))
            home, own_name = sys.modules[function.__module__], function.__name__
            if getattr(home, own_name, None) is function:  # where pickle looks for it
                setattr(home, own_name, _made[function])
        setattr(face, name, _made[function])


def one_by_one(function: Callable[..., Any], args: Any, kwargs: Any, error: Any) -> Any:
    """What a call that ended in `error` gives, by a call for each example of the batch that is in question."""
    name: str = getattr(function, "__name__", "a function")
    level, n = error.batch.level, len(error.batch.value)
    values, rebuild = flatten((args, kwargs))
    batched = {i for i, x in enumerate(values) if level_of(x) >= level}
    called = any(callable(x) and not isinstance(x, type) for x in values)
    if not batched or called and all(getattr(x, "_held", None) is not error.batch for x in values):
        raise error  # of another function's, which asked for the number
    what = _arguments(function, args, kwargs, error.batch)
    if getattr(function, "writes", False):
        raise Differs(
            error.batch,
            f"vmap: {name}: {what} must be the same for all examples of a batch, as this writes; use where() and what "
            "gives a new array",
        ) from None
    out = Across(level, n, outwards=True)
    values = [out(x) if i in batched else x for i, x in enumerate(values)]
    rows = []
    around = tuple(batch for batch in modes.batches if batch[0] != level or batch[2] == "error")
    with mode(batches=around):  # where random numbers are an error, they are here
        for k in range(n):
            given, options = rebuild(_option(x[k]) if i in batched else x for i, x in enumerate(values))
            try:
                rows.append(by_example(function)(*given, **options))
            except Exception as found:
                found.add_note(f"vmap: {name} is called for one example after another, as {what} differs; this is {k}")
                raise
    try:
        return out.transpose.nest(together(tuple(rows), name, what))
    except NoBatch as differing:
        differing.batch = error.batch
        raise differing from None


def _option(x: Any) -> Any:
    """An example's value as functions have it for options: NumPy takes no bool of its own for keepdims."""
    return bool(x) if isinstance(x, np.bool) else x


def _arguments(function: Callable[..., Any], args: Any, kwargs: Any, batch: Batched) -> str:
    """The names of the arguments that differ over the batch: of the one that was asked for its number, if it is one."""
    try:
        given = inspect.signature(function).bind(*args, **kwargs).arguments
    except (TypeError, ValueError):  # none that Python knows
        given = dict(enumerate(args)) | kwargs
    parts = {key: flatten(list(x.values()) if isinstance(x, dict) else x)[0] for key, x in given.items()}
    asked = [key for key, leaves in parts.items() if any(getattr(x, "_held", None) is batch for x in leaves)]
    asked = asked or [key for key, leaves in parts.items() if any(level_of(x) >= batch.level for x in leaves)]
    return " and ".join(f"argument {key + 1}" if isinstance(key, int) else key for key in asked)


class Across(Output):
    """The linear map that takes the examples of a batch out, as one value with their axis in front, or puts them in."""

    def __init__(self, level: int, n: int, outwards: bool) -> None:
        super().__init__("examples", 0, 1)
        self.level, self.n, self.outwards = level, n, outwards

    @property
    def transpose(self) -> Across:
        return Across(self.level, self.n, not self.outwards)

    def function(self, g: Any) -> Any:
        return self.transpose(g)

    def __call__(self, x: Any) -> Any:
        top = level_of(x)
        if top < self.level:
            if self.outwards:
                return np.broadcast_to(x, (self.n, *np.shape(x)))
            return wrap(Batched(self.level, plain(x) if isinstance(x, Tensor) else x))
        if top == self.level:
            return x._held.value
        if x._node is not None:
            out = self(x._held)
            return wrap(out, Node.at(top, self, ((x._node, self, ()),), out) if modes.recording else None)
        if isinstance(x._held, Batched):
            return wrap(Batched(top, self._inside(x._held.value)))
        return x._held.through(self)

    def _inside(self, values: Any) -> Any:
        """This map of the values of another batch, whose axis stays in front."""
        return np.moveaxis(self(values), 0, 1) if self.outwards else self(np.moveaxis(values, 0, 1))

    def nest(self, out: Any) -> Any:
        """This map of an array or of all those in a result."""
        leaves, rebuild = flatten(out)
        return rebuild(self(x) if isinstance(x, (Tensor, np.ndarray, np.generic)) else x for x in leaves)
