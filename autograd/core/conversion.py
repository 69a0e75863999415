"""What functions take, as Tensors or arrays; and what they give, as Tensors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, overload

import numpy as np

from ..runtime.libraries import is_foreign
from .aliasing import own, shared
from .graph import Node
from .tensor import Tensor, as_data, functions, holds_tensors, wrap
from .tracing import Tracer, detached, raw
from .types import Array, ArrayLike, DTypeLike, Values


def borrowed(data: Any, dtype: Any = None, copy: bool | None = None) -> Any:
    """As `as_data`, of what others hold, whose memory is shared unless `copy`; see aliasing.py."""
    array = as_data(data, dtype, copy)
    return array if copy or isinstance(data, (Tensor, list, tuple)) else shared(array)


def values_of(x: Any) -> Any:
    """The values of anything that can be a Tensor, as a constant: an array, or a Tensor if they differ over a batch."""
    data = detached(x) if isinstance(x, Tensor) else as_data(x)
    return wrap(data) if isinstance(data, Tracer) else data


def known(option: Any) -> Any:
    """An option, on whose value depends what is done, without Tensors in it; TypeError if it differs over a batch."""
    if isinstance(option, (tuple, list)):
        return type(option)(map(known, option))
    return raw(option) if isinstance(option, Tensor) else option


@overload
def lift(x: Tensor) -> Tensor: ...
@overload
def lift(x: Array) -> Array: ...
@overload
def lift(x: ArrayLike) -> Tensor | Values: ...
def lift(x: ArrayLike) -> Tensor | Values:
    """A Tensor or an array, of anything that can be one: a Tensor of a nested list or tuple with Tensors in it."""
    if isinstance(x, (Tensor, np.ndarray, np.generic)):
        return x
    kind: Any = x.__class__
    if is_foreign(kind):
        return as_data(x)
    return np.stack([lift(part) for part in x]) if holds_tensors(x) else as_data(x)


@overload
def floating(x: Tensor, least: DTypeLike = ...) -> Tensor: ...
@overload
def floating(x: Array, least: DTypeLike = ...) -> Array: ...
@overload
def floating(x: ArrayLike, least: DTypeLike = ...) -> Tensor | Values: ...
def floating(x: ArrayLike, least: DTypeLike = np.float64) -> Tensor | Values:
    """A Tensor or an array of floating-point numbers, as functions have it that compute in them.

    Floats and complex numbers stay as they are; integers and bools become float64 (or, as ufuncs have it with float16
    for `least`, the smallest floats from there on that hold all of their dtype).
    """
    x = lift(x)
    return x if x.dtype.kind in "fc" else x.astype(np.result_type(x.dtype, least))


finders: list[Callable[[Any], Any]] = []  # give what runs a ufunc of a library that is not imported here, or None


def find(ufunc: Any) -> Any:
    """What runs a ufunc on Tensors, or None."""
    return functions.get(ufunc) or next(filter(None, (finder(ufunc) for finder in finders)), None)


def leaf(value: Any, level: int) -> Tensor:
    """A Tensor of a value (an array or a Tensor of a lower level) from which the graph of some level starts."""
    return wrap(value, Node.at(level, None, (), value))


def lowered(x: Tensor, level: int) -> Tensor:
    """A Tensor without the graphs above some level."""
    while x._node is not None and x._node.level > level:
        x = x._held if isinstance(x._held, Tensor) else wrap(x._held)
    return x


def apart(x: Any) -> Any:
    """The same value as a Tensor that is no view, where NumPy would copy: what is written into one is not seen by the
    other, though they share memory until then."""
    return wrap(x._held, x._node) if isinstance(x, Tensor) else x


def result(derivative: Any) -> Tensor:
    """A derivative as a Tensor for the user, in no memory that others can write into: a cotangent or tangent that the
    user gave, or a constant of the function, may have come through as it is."""
    if isinstance(derivative, Tensor):
        return wrap(own(derivative._held), derivative._node)
    return wrap(own(derivative))


def seed(output: Tensor, gradient: ArrayLike | None = None, create_graph: bool = False) -> tuple[Node, Tensor | Values]:
    """Where a backward pass starts: the output's node and first cotangent (None: one), of its shape and dtype."""
    if not isinstance(output, Tensor):
        raise TypeError(f"backward: expected a Tensor, not {type(output).__name__}")
    if output._node is None:
        raise RuntimeError("backward: this tensor does not require a gradient, and nothing was recorded for it")
    if gradient is None:
        held = output._held
        if held.size != 1:
            raise RuntimeError(f"backward: an output of shape {held.shape} needs a gradient of that shape")
        if is_foreign(held.__class__):
            one = np.ones_like(held)
        else:
            one = np.ones(held.shape, held.dtype) if held.ndim else held.dtype.type(1)
        return output._node, wrap(one) if create_graph else one
    given = gradient if isinstance(gradient, Tensor) else wrap(borrowed(gradient))
    if given.shape != output.shape:
        raise ValueError(f"backward: gradient of shape {given.shape} given for an output of shape {output.shape}")
    if given.dtype != output.dtype:
        if given.dtype.kind == "c" != output.dtype.kind:
            raise TypeError(f"backward: gradient of dtype {given.dtype} given for an output of dtype {output.dtype}")
        given = given.astype(output.dtype)
    traced = create_graph or output._node.level or isinstance(given._held, Tracer)
    return output._node, given if traced else given._held
