"""The result of a function, recorded apart from all else, and what transforms ask of functions."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, wraps
from typing import Any

import numpy as np

from ..core.backward import backward_pass
from ..core.graph import enable_grad, modes
from ..core.pytrees import flatten, over
from ..core.tensor import Tensor, carried, leaf, lowered, plain, result, seed
from ..ops.creation import asarray
from ..ops.elementwise import positive

__all__ = ["Traced", "check_function", "check_outputs", "given", "name_of"]


class Traced:
    """The result of a function, recorded from fresh nodes for those of its arguments that are differentiated."""

    def __init__(self, f: Callable[..., Any], args: tuple[Any, ...], argnums: Any, has_aux: bool = False) -> None:
        self.f, self.args, self.argnums = f, args, argnums
        self.numbers = (argnums,) if isinstance(argnums, int) else tuple(argnums)
        if not self.numbers or any(not -len(args) <= i < len(args) for i in self.numbers):
            raise ValueError(f"argnums {argnums} given for a call with {len(args)} arguments")
        chosen = args[argnums] if isinstance(argnums, int) else tuple(args[i] for i in argnums)
        leaves, self.as_arguments = flatten(chosen)
        self.given = [asarray(x) for x in leaves]
        with enable_grad():
            self.inputs = [_fresh(x) for x in self.given]
            self.result = self.call(self.inputs)
        if has_aux:
            self.result, aux = self.result
        self.outputs, self.as_result = flatten(self.result)
        check_outputs(f, self.outputs)
        self.create_graph = any(_goes_on(out, self.inputs) for out in self.outputs)
        level = 2 * modes.depth - 1

        def outside(x: Any) -> Any:
            """With its graph if that goes on beyond the arguments."""
            return x if self.create_graph or not isinstance(x, Tensor) else lowered(x, level)

        self.value = self.as_result(map(outside, self.outputs))
        self.aux = over(outside, aux) if has_aux else None

    def call(self, values: Any) -> Any:
        """The function, with other values in place of the arguments that are differentiated."""
        chosen = self.as_arguments(values)
        arguments = list(self.args)
        for i, value in zip(self.numbers, chosen if not isinstance(self.argnums, int) else (chosen,), strict=True):
            arguments[i] = value
        return self.f(*arguments)

    def cotangents(self, pairs: Any) -> list[Tensor]:
        """Those of the inputs, pulled back from pairs of an output and its cotangent."""
        nodes: list[Any] = [x._node for x in self.inputs]
        starts = [seed(out, g, self.create_graph or carried(g)) for out, g in pairs if out._node is not None]
        found = backward_pass(starts, set(nodes), retain_graph=True, create_graph=self.create_graph) if starts else {}
        grads = (found.get(node, np.zeros(x.shape, x.dtype)[()]) for x, node in zip(self.inputs, nodes, strict=True))
        return list(map(result, grads))


def given(f: Callable[..., Any], kwargs: dict[str, Any]) -> Callable[..., Any]:
    """The function with these arguments by name."""
    return wraps(f)(partial(f, **kwargs)) if kwargs else f


def check_function(caller: str, f: Any) -> None:
    """TypeError, in the name of a transform, for what is no function."""
    if not callable(f):
        raise TypeError(
            f"{caller}: expected a function, not a {type(f).__name__}: write {caller}(f) of a function f of it"
            + "; the gradients of a Tensor that was computed are t.backward() and x.grad, or grads(t, x)"
            * isinstance(f, Tensor)
        )


def name_of(f: Any) -> str:
    return getattr(f, "__name__", repr(f))


def check_outputs(f: Any, outputs: list[Any]) -> None:
    """TypeError if not all results of a function are Tensors."""
    wrong = [out for out in outputs if not isinstance(out, Tensor)]
    if wrong or not outputs:
        kind = type(wrong[0]).__name__ if wrong else "None"
        raise TypeError(f"{name_of(f)}: expected a Tensor as the result, not a {kind}")


def _fresh(x: Tensor) -> Tensor:
    """The same value from a node of its own, at the level of this depth."""
    level = 2 * modes.depth
    if x._node is not None and x._node.level == level:
        return positive(x)
    if x.dtype.kind not in "fc":
        raise TypeError(f"only float and complex tensors have gradients, not {x.dtype}")
    return leaf(plain(x), level)


def _goes_on(value: Tensor, inputs: list[Tensor]) -> bool:
    """Whether the graph behind a value leads past the inputs, to what is older: then its derivatives need one, too."""
    oldest = max((x._node.order for x in inputs if x._node is not None), default=0)
    nodes = [] if value._node is None else [value._node]
    seen = set(nodes)
    for node in nodes:
        for parent, _, _ in node.edges or ():
            if parent.order > oldest:
                return True
            if parent not in seen:
                seen.add(parent)
                nodes.append(parent)
    return False
