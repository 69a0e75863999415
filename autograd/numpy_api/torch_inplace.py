"""The methods that change a Tensor in place, as PyTorch spells them: with a trailing underscore (see spellings.py).

They are recorded as `x[...] = value` is, and refused where that is: for a leaf that requires a gradient, unless
`no_grad` is in force. The Tensor keeps its shape and dtype.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any

from ..core.conversion import lift
from ..core.examples import writes
from ..core.primitive import Primitive
from ..core.tensor import Tensor
from ..ops import random
from ..ops.casting import astype
from ..ops.indexing import setitem
from ..ops.reductions import cumsum
from ..ops.running_products import cumprod


def in_place(name: str, function: Any) -> Callable[..., Tensor]:
    """The method that makes a Tensor what a function gives of it, and returns it."""
    function = function.form if isinstance(function, Primitive) else function
    bare = name.removesuffix("_")

    @wraps(function)
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        return self._assign(function(self, *args, **kwargs))

    method.__name__, method.__qualname__ = name, f"Tensor.{name}"
    method.__doc__ = f"Do the same as `{bare}` in place, and return the Tensor itself."
    method.__signature__ = inspect.signature(function)  # type: ignore[attr-defined]
    return writes(method)


def fill(x: Any, value: Any) -> Any:
    """Return `value`, a number, at all places; ValueError for more numbers."""
    value = lift(value)
    if value.ndim:
        raise ValueError(f"fill_: value of shape {value.shape}; expected a number")
    return setitem(x, ..., astype(value, x.dtype))


def zero(x: Any) -> Any:
    """Return 0 at all places."""
    return fill(x, 0)


def copy(x: Any, src: Any, non_blocking: bool = False) -> Any:
    """Return the entries of `src`, which broadcasts, in the dtype of x."""
    return setitem(x, ..., astype(lift(src), x.dtype))


def cumsum_along(x: Any, dim: int) -> Any:
    """Return the sums so far along `dim`."""
    return cumsum(x, dim)


def cumprod_along(x: Any, dim: int) -> Any:
    """Return the products so far along `dim`."""
    return cumprod(x, dim)


def normal(x: Any, mean: Any = 0.0, std: Any = 1.0) -> Any:
    """Return draws from a normal distribution."""
    return random.normal(mean, std, x.shape, dtype=x.dtype)


def uniform(x: Any, low: Any = 0.0, high: Any = 1.0) -> Any:
    """Return uniform draws from [low, high)."""
    return random.uniform(low, high, x.shape, dtype=x.dtype)


def bernoulli(x: Any, p: Any = 0.5) -> Any:
    """Return 1 with probability `p`, else 0."""
    return random.bernoulli(p, x.shape)


def exponential(x: Any, lambd: Any = 1.0) -> Any:
    """Return draws from the exponential distribution with mean 1 / lambd."""
    return random.exponential(1 / lambd, x.shape, dtype=x.dtype)
