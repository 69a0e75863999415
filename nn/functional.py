"""The layers and losses as functions, with PyTorch's names and arguments; `axis` is accepted for `dim`."""

from __future__ import annotations

import math
import sys
from typing import Any

import numpy as np

from .. import autograd
from ..autograd import abs, affine, expm1, mean, relu, reshape, sigmoid, square, sum, tanh, where
from ..autograd.core.batching import drawn, everywhere
from ..autograd.core.examples import face_by_example
from ..autograd.core.half_precision import by_single
from ..autograd.ops.shape import axes_of
from ..autograd.ops.special import functions
from . import init
from .cross_entropy import check_reduction, cross_entropy, nll_loss
from .windowed import (
    adaptive_avg_pool1d,
    adaptive_avg_pool2d,
    adaptive_avg_pool3d,
    adaptive_max_pool1d,
    adaptive_max_pool2d,
    adaptive_max_pool3d,
    avg_pool1d,
    avg_pool2d,
    avg_pool3d,
    conv1d,
    conv2d,
    conv3d,
    conv_transpose1d,
    conv_transpose2d,
    conv_transpose3d,
    max_pool1d,
    max_pool2d,
    max_pool3d,
    max_unpool1d,
    max_unpool2d,
    max_unpool3d,
    pad,
)

__all__ = [
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool3d",
    "adaptive_max_pool1d",
    "adaptive_max_pool2d",
    "adaptive_max_pool3d",
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "binary_cross_entropy_with_logits",
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
    "cross_entropy",
    "dropout",
    "elu",
    "flatten",
    "gelu",
    "l1_loss",
    "leaky_relu",
    "linear",
    "log_softmax",
    "max_pool1d",
    "max_pool2d",
    "max_pool3d",
    "max_unpool1d",
    "max_unpool2d",
    "max_unpool3d",
    "mse_loss",
    "nll_loss",
    "pad",
    "relu",
    "sigmoid",
    "silu",
    "softmax",
    "softplus",
    "tanh",
    "unflatten",
]

_affine = affine.form


def linear(input: Any, weight: Any, bias: Any = None) -> Any:
    """input (..., in) times the transpose of weight (out, in), plus bias (out,)."""
    return _affine(input, weight, bias)


def flatten(input: Any, start_dim: int = 0, end_dim: int = -1) -> Any:
    """The axes from `start_dim` to `end_dim` as one.

    >>> flatten(np.zeros((2, 3, 4)), 1).shape
    (2, 12)
    """
    if not input.ndim:
        return reshape(input, (1,))
    first, last = (axes_of((dim,), input.ndim, "flatten")[0] for dim in (start_dim, end_dim))
    if first > last:
        raise ValueError(f"flatten: start_dim={start_dim} comes after end_dim={end_dim} in shape {input.shape}")
    shape = input.shape
    return reshape(input, (*shape[:first], math.prod(shape[first : last + 1]), *shape[last + 1 :]))


def unflatten(input: Any, dim: int, unflattened_size: tuple[int, ...]) -> Any:
    """The axis `dim` as several, of the lengths `unflattened_size`, one of which may be -1."""
    (axis,) = axes_of((dim,), input.ndim, "unflatten")
    length, sizes = input.shape[axis], list(unflattened_size)
    known = math.prod(n for n in sizes if n != -1)
    if sizes.count(-1) == 1 and known:
        sizes[sizes.index(-1)] = length // known
    if math.prod(sizes) != length or any(n < 0 for n in sizes):
        raise ValueError(f"unflatten: axis {dim} of shape {input.shape} cannot become {tuple(unflattened_size)}")
    return reshape(input, (*input.shape[:axis], *sizes, *input.shape[axis + 1 :]))


def softmax(input: Any, dim: int = -1, *, axis: int | None = None) -> Any:
    """exp(input) / sum(exp(input)) along `dim`."""
    return autograd.softmax(input, dim if axis is None else axis)


def log_softmax(input: Any, dim: int = -1, *, axis: int | None = None) -> Any:
    """log(softmax(input)) along `dim`."""
    return autograd.log_softmax(input, dim if axis is None else axis)


def leaky_relu(input: Any, negative_slope: float = 0.01) -> Any:
    """input where it is positive, negative_slope * input elsewhere."""
    return where(input > 0, input, input * negative_slope)


def elu(input: Any, alpha: float = 1.0) -> Any:
    """input where it is positive, alpha * (exp(input) - 1) elsewhere (Clevert et al., 2016)."""
    return where(input > 0, input, alpha * expm1(where(input > 0, 0, input)))


def gelu(input: Any, approximate: str = "none") -> Any:
    """input * Phi(input) with the normal distribution function Phi (Hendrycks and Gimpel, 2016).

    Phi is SciPy's (ImportError without it) or, with `approximate="tanh"`, an approximation by tanh.
    """
    if approximate == "none":
        return input * functions.ndtr(input)
    if approximate != "tanh":
        raise ValueError(f"gelu: approximate={approximate!r} is neither 'none' nor 'tanh'")
    inner = math.sqrt(2 / math.pi) * (input + 0.044715 * (input * input * input))
    return 0.5 * input * (1 + tanh(inner))


def silu(input: Any) -> Any:
    """input * sigmoid(input), also known as swish."""
    return input * sigmoid(input)


def softplus(input: Any, beta: float = 1.0, threshold: float = 20.0) -> Any:
    """log(1 + exp(beta * input)) / beta, a smooth relu; just input where beta * input exceeds `threshold`."""
    scaled = input * beta
    linear_part = scaled > threshold
    return where(linear_part, input, autograd.softplus(where(linear_part, 0, scaled)) / beta)


def dropout(input: Any, p: float = 0.5, training: bool = True) -> Any:
    """In training zero each entry with probability `p` and scale the others by 1 / (1 - p); else input itself.

    Draws from this thread's generator, which `nn.manual_seed` starts anew.
    """
    check_probability(p, "dropout")
    differs = isinstance(p, autograd.Tensor)  # from example to example, it may be
    if not training or not differs and p == 0:
        return input
    if not differs and p == 1:
        return input * input.dtype.type(0)
    kept = drawn(lambda shape: init.generator().random(shape, np.float32), input.shape) >= p
    return input * np.divide(kept, where(p == 1, 1, 1 - p) if differs else 1 - p, dtype=input.dtype)


def check_probability(p: float, name: str) -> None:
    """ValueError unless p is between 0 and 1."""
    if not everywhere(np.logical_and(p >= 0, p <= 1)):
        raise ValueError(f"{name}: p={p}; expected a probability, 0 to 1")


def _reduced(losses: Any, reduction: str) -> Any:
    return losses if reduction == "none" else mean(losses) if reduction == "mean" else sum(losses)


def _check_pair(input: Any, target: Any, reduction: str, name: str) -> None:
    check_reduction(reduction, name)
    if np.shape(input) != np.shape(target):
        raise ValueError(f"{name}: input of shape {np.shape(input)} and target of shape {np.shape(target)} differ")


@by_single
def mse_loss(input: Any, target: Any, reduction: str = "mean") -> Any:
    """The squared differences, averaged, summed or ("none") as they are; ValueError if the shapes differ."""
    _check_pair(input, target, reduction, "mse_loss")
    return _reduced(square(input - target), reduction)


@by_single
def l1_loss(input: Any, target: Any, reduction: str = "mean") -> Any:
    """The absolute differences, averaged, summed or ("none") as they are; ValueError if the shapes differ."""
    _check_pair(input, target, reduction, "l1_loss")
    return _reduced(abs(input - target), reduction)


@by_single
def binary_cross_entropy_with_logits(
    input: Any, target: Any, weight: Any = None, reduction: str = "mean", pos_weight: Any = None
) -> Any:
    """-(target * log sigmoid(input) + (1 - target) * log sigmoid(-input)), without overflow.

    `weight` multiplies the losses and `pos_weight` those of the positive class; both broadcast.
    """
    _check_pair(input, target, reduction, "binary_cross_entropy_with_logits")
    softened = autograd.softplus(-input)
    if pos_weight is not None:
        softened = softened * (1 + (pos_weight - 1) * target)
    losses = (1 - target) * input + softened
    return _reduced(losses if weight is None else losses * weight, reduction)


face_by_example(sys.modules[__name__], __all__)
