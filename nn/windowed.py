"""The common ground of convolution and pooling: one N-d form of each, and thin 1d, 2d and 3d names over it.

Inputs are (N, C, *spatial), or (C, *spatial) for a single sample, whose result has no batch axis either.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

from ..autograd import expand_dims, squeeze
from .module import Module

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


class Windowed(Module):
    """Base of the layers over windows; a subclass names its number of spatial axes: `class Conv1d(_Conv, dims=1)`."""

    _dims: int

    def __init_subclass__(cls, dims: int | None = None, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        if dims is not None:
            cls._dims = dims


def per_dimension(value: Any, dims: int, name: str) -> tuple[Any, ...]:
    """Repeat a number for each dimension; ValueError if several are given, but not one for each."""
    values = tuple(value) if isinstance(value, (tuple, list)) else (value,) * dims
    if len(values) != dims:
        raise ValueError(f"{name}={value}: {len(values)} values for {dims} spatial dimensions")
    return values


_ENGINE = {"avg_pool", "col2im", "conv", "conv_transpose", "im2col", "max_pool", "max_unpool"} | {
    f"adaptive_{kind}_pool" for kind in ("avg", "max")
}  # whose errors begin with these names


def renamed(error: Exception, dims: int, name: str = "") -> None:
    """Let the message of an error of the engine begin with `name`, or "conv2d" for "conv" of two dimensions."""
    inner, _, rest = str(error).partition(":")
    if inner in _ENGINE:
        error.args = (f"{name or f'{inner}{dims}d'}:{rest}",)


def batched(function: Callable[[Any], Any], x: Any, dims: int, name: str) -> Any:
    """Apply a function of a batch to a batch or a single sample; ValueError for other shapes. Errors begin with `name`,
    not with that of the engine's operation."""
    if x.ndim not in (dims + 1, dims + 2):
        raise ValueError(
            f"{name}: input of shape {x.shape}; expected (N, C, ...) or (C, ...) with {dims} spatial dimensions"
        )
    single = x.ndim == dims + 1
    try:
        out = function(expand_dims(x, 0) if single else x)
    except (TypeError, ValueError) as error:
        renamed(error, dims, name)
        raise
    if not single:
        return out
    return tuple(squeeze(o, 0) for o in out) if isinstance(out, tuple) else squeeze(out, 0)


def by_sample(function: Callable[Concatenate[int, Arguments], Result]) -> Callable[Concatenate[int, Arguments], Result]:
    """Decorator: a function `name_nd(dims, input, ...)` of a batch takes a single sample, too."""

    def form(dims: int, input: Any, *args: Any, **kwargs: Any) -> Any:
        name = function.__name__.replace("_nd", f"{dims}d")
        return batched(lambda x: function(dims, x, *args, **kwargs), input, dims, name)

    made: Callable[..., Any] = wraps(function)(form)
    return made


def thin(function: Callable[Concatenate[int, Arguments], Result]) -> list[Callable[Arguments, Result]]:
    """Make the 1d, 2d and 3d forms of a function whose first argument is the number of dimensions."""

    def fixed(dims: int) -> Callable[Arguments, Result]:
        def named(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
            return function(dims, *args, **kwargs)

        signature = inspect.signature(function)
        named.__name__ = named.__qualname__ = function.__name__.replace("_nd", f"{dims}d")
        named.__doc__, named.__module__ = function.__doc__, function.__module__
        named.__signature__ = signature.replace(parameters=list(signature.parameters.values())[1:])  # type: ignore[attr-defined]
        return named

    return [fixed(dims) for dims in (1, 2, 3)]
