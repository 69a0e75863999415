"""The softmax and its kin, as functions and as modules."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from .. import autograd
from ..autograd import argmax, astype, stop_gradient
from ..extend import DTypeLike, Tensor, TensorLike, by_single, drawn, floating
from . import init
from .pointwise import Activation

__all__ = [
    "LogSoftmax", "Softmax", "Softmax2d", "Softmin", "gumbel_softmax", "log_softmax", "softmax", "softmin",
]  # fmt: skip


def _along(
    function: Callable[..., Any], name: str, input: Any, dim: int | None, axis: int | None, level: int, dtype: Any
) -> Any:
    input = floating(input) if dtype is None else astype(floating(input), dtype)
    dim = dim if axis is None else axis
    if dim is None:
        dim = 0 if input.ndim in (0, 1, 3) else 1
        warnings.warn(f"{name}: no dim is given, and {dim} is taken; write dim={dim}", stacklevel=level + 1)
    if not input.ndim and dim in (0, -1):
        return function(input.reshape(1), 0).reshape(())
    return function(input, dim)


def softmax(
    input: TensorLike,
    dim: int | None = None,
    _stacklevel: int = 3,
    dtype: DTypeLike | None = None,
    *,
    axis: int | None = None,
) -> Tensor:
    """Return the softmax, exp(input) / sum(exp(input)) along `dim`, in the input's shape, computed in `dtype`.

    Without `dim` it is 0 for an input of 0, 1 or 3 axes and else 1, as in PyTorch, with a warning.
    """
    return _along(autograd.softmax, "softmax", input, dim, axis, _stacklevel, dtype)


def log_softmax(
    input: TensorLike,
    dim: int | None = None,
    _stacklevel: int = 3,
    dtype: DTypeLike | None = None,
    *,
    axis: int | None = None,
) -> Tensor:
    """Return log(softmax(input)) along `dim`, without overflow; `dim` and `dtype` are as for `softmax`."""
    return _along(autograd.log_softmax, "log_softmax", input, dim, axis, _stacklevel, dtype)


def softmin(
    input: TensorLike,
    dim: int | None = None,
    _stacklevel: int = 3,
    dtype: DTypeLike | None = None,
    *,
    axis: int | None = None,
) -> Tensor:
    """Return softmax(-input) along `dim`; `dim` and `dtype` are as for `softmax`."""
    return _along(autograd.softmax, "softmin", -floating(input), dim, axis, _stacklevel, dtype)


@by_single
def gumbel_softmax(logits: TensorLike, tau: float = 1, hard: bool = False, eps: float = 1e-10, dim: int = -1) -> Tensor:
    """Draw from the Gumbel-softmax distribution: softmax((logits + draws) / tau) along `dim`.

    With `hard` the result has a 1 at the largest entry and 0 elsewhere, and the gradient is that without it. `eps` is
    PyTorch's and has no effect. Source: Jang et al., 2017, and Maddison et al., 2017.
    """
    if eps != 1e-10:
        warnings.warn("gumbel_softmax: eps has no effect", stacklevel=3)
    logits = floating(logits)
    draws = drawn(lambda shape: init.generator().gumbel(size=shape).astype(logits.dtype), logits.shape)
    soft = autograd.softmax((logits + draws) / tau, dim)
    if not hard:
        return soft
    places = np.arange(logits.shape[dim]).reshape((-1,) + (1,) * (-dim - 1 if dim < 0 else logits.ndim - 1 - dim))
    one = astype(argmax(soft, axis=dim, keepdims=True) == places, soft.dtype)
    return one + (soft - stop_gradient(soft))


class Softmax(Activation):
    """The softmax, exp(x) / sum(exp(x)) along `dim`; see `functional.softmax`."""

    shown: ClassVar[tuple[str, ...]] = ("dim",)

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: TensorLike) -> Tensor:
        return softmax(input, self.dim, 5)


class LogSoftmax(Softmax):
    """The logarithm of the softmax along `dim`."""

    def forward(self, input: TensorLike) -> Tensor:
        return log_softmax(input, self.dim, 5)


class Softmin(Softmax):
    """The softmax of -x along `dim`."""

    def forward(self, input: TensorLike) -> Tensor:
        return softmin(input, self.dim, 5)


class Softmax2d(Activation):
    """The softmax over the channels of images (N, C, H, W) or (C, H, W); ValueError for another number of axes."""

    def forward(self, input: TensorLike) -> Tensor:
        if input.ndim not in (3, 4):
            raise ValueError(f"Softmax2d expected (N, C, H, W) or (C, H, W), got an input of shape {input.shape}")
        return softmax(input, -3)
