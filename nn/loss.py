"""Losses of regression, which compare entry by entry, as functions and as modules, and what all losses share."""

from __future__ import annotations

import warnings
from typing import Any, ClassVar

import numpy as np

from ..autograd import Tensor, abs, astype, mean, relu, square, sum
from ..extend import TensorLike, by_single, elementwise, floating, in_blocks, lift
from .module import Module
from .rectifiers import between, clamp

__all__ = [
    "HuberLoss", "L1Loss", "MSELoss", "SmoothL1Loss", "huber_loss", "l1_loss", "mse_loss", "smooth_l1_loss",
]  # fmt: skip

REDUCTIONS = ("none", "mean", "sum")


def check_reduction(reduction: str, name: str, known: tuple[str, ...] = REDUCTIONS) -> None:
    """Raise ValueError unless `reduction` is one of the known ones."""
    if reduction not in known:
        *others, last = map(repr, known)
        raise ValueError(f"{name}: reduction {reduction!r}; expected {', '.join(others)} or {last}")


def reduction_of(
    name: str,
    reduction: str,
    size_average: bool | None = None,
    reduce: bool | None = None,
    known: tuple[str, ...] = REDUCTIONS,
) -> str:
    """The reduction, also by PyTorch's old flags, with a warning; ValueError for one that is not known."""
    if size_average is None and reduce is None:
        check_reduction(reduction, name, known)
        return reduction
    for flag in (size_average, reduce):
        if isinstance(flag, str):
            raise TypeError(f"{name}: {flag!r} in the place of size_average or reduce; write reduction={flag!r}")
    reduction = "none" if reduce is False else "sum" if size_average is False else "mean"
    warnings.warn(f"{name}: size_average and reduce are deprecated; write reduction={reduction!r}", stacklevel=4)
    return reduction


def reduced(losses: Any, reduction: str) -> Tensor:
    """The losses as they are, or their mean or sum."""
    return losses if reduction == "none" else mean(losses) if reduction == "mean" else sum(losses)


def alike(x: TensorLike, dtype: Any) -> Any:
    """A target or a weight; in `dtype` if it is no float, so that it does not widen the losses."""
    x = lift(x)
    return x if x.dtype.kind in "fc" else astype(x, dtype)


def pair(input: TensorLike, target: TensorLike, name: str, kinds: str = "f") -> tuple[Any, Any]:
    """Input and target as floats; ValueError if their shapes differ, TypeError for another kind of numbers."""
    input = floating(input)
    target = alike(target, input.dtype)
    if not {input.dtype.kind, target.dtype.kind} <= set(kinds):
        raise TypeError(f"{name}: input of dtype {input.dtype}, target of dtype {target.dtype}; expected real numbers")
    if input.shape != target.shape:
        raise ValueError(f"{name}: input of shape {input.shape} and target of shape {target.shape} differ")
    return input, target


def _weighted(losses: Any, weight: Any, name: str) -> Any:
    weight = alike(weight, losses.dtype)
    if weight.shape != losses.shape:
        raise ValueError(f"{name}: weight of shape {weight.shape} for an input of shape {losses.shape}")
    return losses * weight


def _weighted_mean(losses: Any, weight: Any, reduction: str, name: str) -> Any:
    """As `reduced`, where there is a weight of the losses multiplied by it, with a mean that is divided by its sum."""
    if weight is None:
        return reduced(losses, reduction)
    losses = _weighted(losses, weight, name)
    return sum(losses) / sum(weight) if reduction == "mean" else reduced(losses, reduction)


@in_blocks
def _rounded(x: Any, edge: Any) -> Any:
    """Half the square within the edge, the straight line in its direction beyond: both of x and x limited to it."""
    limited = np.clip(x, -edge, edge)
    return limited * (x - 0.5 * limited)


rounded = elementwise(
    _rounded,
    name="huber",
    x=lambda g, x, edge: g * clamp.apply(x, -edge, edge),
    edge=lambda g, x, edge: g * relu(abs(x) - edge),
)
rounded.strategy(between(0.75))


@by_single
def mse_loss(
    input: TensorLike,
    target: TensorLike,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: TensorLike | None = None,
) -> Tensor:
    """Return the squared differences, averaged, summed or ("none") as they are.

    `weight`, in the input's shape, multiplies them, and the mean is then divided by its sum. ValueError if shapes
    differ.
    """
    reduction = reduction_of("mse_loss", reduction, size_average, reduce)
    input, target = pair(input, target, "mse_loss")
    return _weighted_mean(square(input - target), weight, reduction, "mse_loss")


@by_single
def l1_loss(
    input: TensorLike,
    target: TensorLike,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: TensorLike | None = None,
) -> Tensor:
    """Return the absolute differences, averaged, summed or ("none") as they are; `weight` is as for `mse_loss`.

    Complex numbers are taken, too. ValueError if shapes differ.
    """
    reduction = reduction_of("l1_loss", reduction, size_average, reduce)
    input, target = pair(input, target, "l1_loss", "fc")
    return _weighted_mean(abs(input - target), weight, reduction, "l1_loss")


@by_single
def smooth_l1_loss(
    input: TensorLike,
    target: TensorLike,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    beta: float = 1.0,
) -> Tensor:
    """Return d**2 / (2 beta) where the absolute difference d is below beta, and d - beta / 2 elsewhere.

    ValueError if the shapes differ or beta is negative. Source: Girshick, Fast R-CNN, 2015.
    """
    reduction = reduction_of("smooth_l1_loss", reduction, size_average, reduce)
    if beta < 0:
        raise ValueError(f"smooth_l1_loss: beta={beta} is negative")
    input, target = pair(input, target, "smooth_l1_loss")
    if beta == 0:
        return reduced(abs(input - target), reduction)
    return reduced(rounded.apply(input - target, beta) / beta, reduction)


@by_single
def huber_loss(
    input: TensorLike, target: TensorLike, reduction: str = "mean", delta: float = 1.0, weight: TensorLike | None = None
) -> Tensor:
    """Return d**2 / 2 where the absolute difference d is below delta, and delta * (d - delta / 2) elsewhere.

    `weight`, in the input's shape, multiplies it. ValueError if the shapes differ or delta is not positive.
    Source: Huber, Robust estimation of a location parameter, 1964.
    """
    check_reduction(reduction, "huber_loss")
    if delta <= 0:
        raise ValueError(f"huber_loss: delta={delta} is not positive")
    input, target = pair(input, target, "huber_loss")
    losses = rounded.apply(input - target, delta)
    return reduced(losses if weight is None else _weighted(losses, weight, "huber_loss"), reduction)


class Loss(Module):
    """Base of the losses: a reduction, and weights as buffers."""

    reductions: ClassVar[tuple[str, ...]] = REDUCTIONS
    weight: Tensor | None

    def __init__(self, size_average: bool | None = None, reduce: bool | None = None, reduction: str = "mean") -> None:
        super().__init__()
        self.reduction = reduction_of(type(self).__name__, reduction, size_average, reduce, self.reductions)

    def _hold(self, name: str, values: Any) -> None:
        if values is not None and not isinstance(values, Tensor):
            values = Tensor(values, dtype=np.float32)
        self.register_buffer(name, values)


class WeightedLoss(Loss):
    """Base of the losses with a buffer `weight`, which may be None."""

    def __init__(
        self,
        weight: TensorLike | None = None,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self._hold("weight", weight)


class MSELoss(Loss):
    """The mean squared difference; see `functional.mse_loss` for shapes and `reduction`."""

    def forward(self, input: TensorLike, target: TensorLike) -> Tensor:
        return mse_loss(input, target, reduction=self.reduction)


class L1Loss(Loss):
    """The mean absolute difference; see `functional.l1_loss` for shapes and `reduction`."""

    def forward(self, input: TensorLike, target: TensorLike) -> Tensor:
        return l1_loss(input, target, reduction=self.reduction)


class SmoothL1Loss(Loss):
    """The absolute difference, rounded off below `beta`; see `functional.smooth_l1_loss`."""

    def __init__(
        self,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
        beta: float = 1.0,
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.beta = beta

    def forward(self, input: TensorLike, target: TensorLike) -> Tensor:
        return smooth_l1_loss(input, target, reduction=self.reduction, beta=self.beta)


class HuberLoss(Loss):
    """Half the squared difference, straight beyond `delta`; see `functional.huber_loss`."""

    def __init__(self, reduction: str = "mean", delta: float = 1.0) -> None:
        super().__init__(reduction=reduction)
        self.delta = delta

    def forward(self, input: TensorLike, target: TensorLike) -> Tensor:
        return huber_loss(input, target, self.reduction, self.delta)
