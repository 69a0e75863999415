"""Tensors from numbers, nested sequences and arrays."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np

from .elementwise import astype, positive
from .primitive import implements
from .shaping import stack
from .tensor import Tensor, as_data, wrap


def asarray(obj: Any, dtype: Any = None, copy: bool | None = None) -> Tensor:
    """A Tensor of `obj`: an array's memory is shared unless `copy` (False: or ValueError), a Tensor keeps
    its graph, and so do the Tensors in a nested list or tuple.

    >>> x = Tensor(2.0, requires_grad=True)
    >>> asarray([x, 3.0])
    Tensor([2., 3.], requires_grad=True)
    """
    if _holds_tensors(obj):
        obj = stack([asarray(part) for part in obj])
    if not isinstance(obj, Tensor):
        return wrap(as_data(obj, dtype, copy))
    out = obj if dtype is None or obj.dtype == dtype else astype(obj, dtype)
    if copy is False and out is not obj:
        raise ValueError(f"asarray: cannot convert {obj.dtype} to {np.dtype(dtype)} without a copy")
    return positive(out) if copy and out is obj else out


def _holds_tensors(obj: Any) -> bool:
    return isinstance(obj, (list, tuple)) and any(isinstance(part, Tensor) or _holds_tensors(part) for part in obj)


def _creator(function: Any) -> Callable[..., Tensor]:
    @wraps(function, assigned=("__name__",), updated=())
    def create(*args: Any, requires_grad: bool = False, **kwargs: Any) -> Tensor:
        tensor = wrap(as_data(function(*args, **kwargs)))
        tensor.requires_grad = requires_grad
        return tensor

    create.__doc__ = f"A Tensor of what `numpy.{function.__name__}` makes of the same arguments."
    return create


_functions: Any = (np.zeros, np.ones, np.full, np.empty, np.eye, np.arange, np.linspace)
zeros, ones, full, empty, eye, arange, linspace = map(_creator, _functions)


def _like(function: Any) -> Callable[..., Tensor]:
    make = _creator(function)

    @implements(function)
    @wraps(make)
    def create(x: Any, *args: Any, **kwargs: Any) -> Tensor:
        return make(x._data if isinstance(x, Tensor) else x, *args, **kwargs)

    return create


zeros_like, ones_like, full_like = map(_like, (np.zeros_like, np.ones_like, np.full_like))
