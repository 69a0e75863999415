"""Parts of a computation that keep nothing of their inside: they are done again in the backward pass."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import nullcontext
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from ..core.aliasing import own
from ..core.conversion import leaf, seed
from ..core.graph import enable_grad, mode, modes, now
from ..core.pytrees import flatten
from ..core.replay import surroundings
from ..core.tensor import Tensor, wrap
from ..ops.elementwise import positive
from .segments import beyond_of, check_same, is_at, outlined, pulled

__all__ = ["checkpoint"]

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

_DEEPEST = 50  # checkpoints inside one another: the backward passes through them are, too; others just run


class _Limit:
    """A context for the outermost of checkpoints inside one another: says what a RecursionError in it comes from."""

    def __init__(self, f: Callable[..., Any]) -> None:
        self.f = f

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> None:
        if isinstance(error, RecursionError):
            name, most = getattr(self.f, "__name__", "the function"), sys.getrecursionlimit()
            raise RecursionError(
                f"checkpoint: {name} holds calls (of checkpoints perhaps) inside one another, deeper than Python's "
                f"limit of {most}; call checkpointed parts one after the other, or raise sys.setrecursionlimit"
            ) from error


def checkpoint(f: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """The function that keeps nothing of its inside for backward but its arguments: backward runs `f` again.

    Arguments and results are as for `grad`; Tensors that `f` closes over, as a module does over its parameters, get
    their gradients too. Random numbers of `nn` (dropout) are drawn again as they were. RuntimeError in backward if
    `f` gives other values then, because something that it closes over has changed.
    Source: Chen et al., Training deep nets with sublinear memory cost, 2016.

    >>> x = Tensor(2.0, requires_grad=True)
    >>> checkpoint(lambda x: x**3)(x).backward()
    >>> x.grad
    Tensor(12.)
    """

    @wraps(f)
    def checkpointed(*args: Any, **kwargs: Any) -> Any:
        inside = modes.checkpoints
        if not modes.recording or inside == _DEEPEST:
            return f(*args, **kwargs)
        level, start = 2 * modes.depth, now()
        limit = nullcontext() if inside else _Limit(f)
        arguments, rebuild = flatten((args, kwargs))
        arguments = [wrap(own(x._held), x._node) if isinstance(x, Tensor) else own(x, True) for x in arguments]
        asked = [i for i, x in enumerate(arguments) if isinstance(x, Tensor) and is_at(level, x)]
        inputs = tuple(arguments[i]._held for i in asked)
        others = [None if i in asked else x for i, x in enumerate(arguments)]
        again = surroundings()

        def run(values: Any) -> tuple[list[Any], Any]:
            places = dict(zip(asked, values, strict=True))
            given, named = rebuild([places.get(i, x) for i, x in enumerate(others)])
            with mode(checkpoints=inside + 1):
                return flatten(f(*given, **named))

        first = [leaf(x, level) for x in inputs]
        with limit:
            results, as_result = run(first)
        made = [i for i, x in enumerate(results) if isinstance(x, Tensor) and is_at(level, x, start)]
        beyond = beyond_of([results[i] for i in made], start)

        def find(g: Any, inputs: Any, outputs: Any, create_graph: bool) -> dict[int, Any]:
            with limit, enable_grad(), again():
                fresh = [positive(x) if create_graph else leaf(x, level) for x in inputs]
                second = run(fresh)[0]
                for i, out in zip(made, outputs, strict=True):
                    check_same("checkpoint", second[i], out, out)
                seeds = [seed(second[i], c, create_graph) for i, c in zip(made, g, strict=True) if c is not None]
                return pulled(seeds, [*(x._node for x in fresh), *beyond], create_graph)

        parents = [*(arguments[i]._node for i in asked), *beyond]
        if parents and made:
            outputs = outlined("checkpoint", [results[i] for i in made], parents, inputs, find)
            for i, out in zip(made, outputs, strict=True):
                results[i] = out
        return as_result(results)

    return checkpointed
