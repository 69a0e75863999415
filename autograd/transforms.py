"""Functions that turn a function of tensors into its derivatives.

They nest: within `f` an argument stands for itself alone, so that a derivative inside a derivative never mixes up
what is held fixed with what varies.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np

from .creation import asarray
from .elementwise import positive
from .graph import enable_grad, modes, pull
from .shaping import reshape, stack
from .tensor import Tensor, leaf, lowered, plain, seed, wrap

__all__ = ["grad", "hessian", "jacobian", "value_and_grad", "vjp"]


def grad(f: Callable[..., Any], argnums: int | tuple[int, ...] = 0) -> Callable[..., Any]:
    """The function that gives the gradient of `f`, whose result has one element, in the arguments `argnums`.

    Arguments are Tensors, arrays or numbers; floats that are differentiated. The gradient is a Tensor of the
    argument's shape and dtype, or a tuple of them for several `argnums`. TypeError where `f` gives no Tensor or an
    argument is not float or complex, RuntimeError where the result has more elements.

    >>> grad(grad(lambda x: x**3))(2.0)
    Tensor(12.)
    """
    both = value_and_grad(f, argnums)

    @wraps(f)
    def gradient(*args: Any, **kwargs: Any) -> Any:
        return both(*args, **kwargs)[1]

    return gradient


def value_and_grad(f: Callable[..., Any], argnums: int | tuple[int, ...] = 0) -> Callable[..., Any]:
    """As `grad`, but the function gives the pair of value and gradient.

    >>> value_and_grad(lambda x, y: x * y, argnums=(0, 1))(2.0, 5.0)
    (Tensor(10.), (Tensor(5.), Tensor(2.)))
    """

    @wraps(f)
    def value_and_gradient(*args: Any, **kwargs: Any) -> Any:
        value, pull_back = _traced(f, argnums, args, kwargs)
        return _plain(value, pull_back), pull_back(None)

    return value_and_gradient


def vjp(f: Callable[..., Any], *args: Any) -> tuple[Any, Callable[[Any], tuple[Any, ...]]]:
    """The value of `f` and the function that pulls a cotangent of it back to all arguments, as often as wanted.

    >>> value, pull_back = vjp(lambda x, y: x * y, 2.0, 5.0)
    >>> pull_back(10.0)
    (Tensor(50.), Tensor(20.))
    """
    value, pull_back = _traced(f, tuple(range(len(args))), args, {})
    return _plain(value, pull_back), pull_back


def jacobian(f: Callable[..., Any], argnums: int = 0) -> Callable[..., Any]:
    """The function that gives the derivatives of all entries of f's result: of shape (*result, *argument).

    For a complex argument they are the gradients of the entries' real parts, f' where `f` is holomorphic.

    >>> jacobian(lambda x: x**2)([1.0, 2.0])
    Tensor([[2., 0.],
            [0., 4.]])
    """

    @wraps(f)
    def derivatives(*args: Any, **kwargs: Any) -> Any:
        value, pull_back = _traced(f, argnums, args, kwargs)
        shape = np.shape(asarray(args[argnums]).data)
        units = np.eye(value.size, dtype=value.dtype).reshape(value.size, *value.shape)
        rows = [pull_back(unit) for unit in units]
        if rows and value.dtype.kind == "c" != rows[0].dtype.kind:
            rows = [row + 1j * pull_back(-1j * unit) for row, unit in zip(rows, units, strict=True)]
        return reshape(stack(rows), (*value.shape, *shape)) if rows else Tensor(np.zeros((*value.shape, *shape)))

    return derivatives


def hessian(f: Callable[..., Any], argnums: int = 0) -> Callable[..., Any]:
    """The function that gives the second derivatives of `f`, whose result has one element: (*argument, *argument).

    >>> hessian(lambda x: (x**3).sum())([1.0, 2.0])
    Tensor([[ 6.,  0.],
            [ 0., 12.]])
    """
    return jacobian(grad(f, argnums), argnums)


class _PullBack:
    """From a cotangent of the value to those of the arguments."""

    def __init__(self, value: Tensor, inputs: list[Tensor], create_graph: bool, single: bool) -> None:
        self.value, self.inputs, self.create_graph, self.single = value, inputs, create_graph, single

    def __call__(self, cotangent: Any) -> Any:
        nodes = [x._node for x in self.inputs]
        found: dict[Any, Any] = {}
        if self.value._node is not None:
            start = seed(self.value, cotangent, self.create_graph)
            wanted = {node for node in nodes if node is not None}
            found = pull([start], wanted, retain_graph=True, create_graph=self.create_graph)
        grads = []
        for x, node in zip(self.inputs, nodes, strict=True):
            g = found.get(node, np.zeros_like(x._data))
            grads.append(g if isinstance(g, Tensor) else wrap(g))
        return grads[0] if self.single else tuple(grads)


def _traced(f: Callable[..., Any], argnums: Any, args: Any, kwargs: Any) -> tuple[Tensor, _PullBack]:
    """The value of `f`, recorded from fresh nodes for the arguments, and its pull-back."""
    single = isinstance(argnums, int)
    numbers = (argnums,) if single else tuple(argnums)
    if not numbers or any(not -len(args) <= i < len(args) for i in numbers):
        raise ValueError(f"argnums {argnums} given for a call with {len(args)} arguments")
    given = [asarray(args[i]) for i in numbers]
    arguments = list(args)
    with enable_grad():
        inputs = [_fresh(x) for x in given]
        for i, x in zip(numbers, inputs, strict=True):
            arguments[i] = x
        value = f(*arguments, **kwargs)
    if not isinstance(value, Tensor):
        raise TypeError(f"{getattr(f, '__name__', f)}: expected a Tensor as the result, not a {type(value).__name__}")
    return value, _PullBack(value, inputs, _goes_on(value, inputs), single)


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


def _plain(value: Tensor, pull_back: _PullBack) -> Tensor:
    """The value: with its graph if that goes on beyond the arguments."""
    return value if pull_back.create_graph else lowered(value, 2 * modes.depth - 1)
