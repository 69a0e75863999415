"""Losses that compare entry by entry, as functions and as modules, and what all losses share."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import autograd
from ..autograd import Tensor, abs, mean, square, sum
from ..extend import TensorLike, by_single
from .module import Module

__all__ = [
    "BCEWithLogitsLoss",
    "L1Loss",
    "MSELoss",
    "binary_cross_entropy_with_logits",
    "l1_loss",
    "mse_loss",
]


def check_reduction(reduction: str, name: str) -> None:
    """Raise ValueError unless `reduction` is "none", "mean" or "sum"."""
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"{name}: reduction {reduction!r}; expected 'none', 'mean' or 'sum'")


def _reduced(losses: Any, reduction: str) -> Any:
    return losses if reduction == "none" else mean(losses) if reduction == "mean" else sum(losses)


def _check_pair(input: Any, target: Any, reduction: str, name: str) -> None:
    check_reduction(reduction, name)
    if np.shape(input) != np.shape(target):
        raise ValueError(f"{name}: input of shape {np.shape(input)} and target of shape {np.shape(target)} differ")


@by_single
def mse_loss(input: TensorLike, target: TensorLike, reduction: str = "mean") -> Tensor:
    """Return the squared differences, averaged, summed or ("none") as they are; ValueError if the shapes differ."""
    _check_pair(input, target, reduction, "mse_loss")
    return _reduced(square(input - target), reduction)


@by_single
def l1_loss(input: TensorLike, target: TensorLike, reduction: str = "mean") -> Tensor:
    """Return the absolute differences, averaged, summed or ("none") as they are; ValueError if the shapes differ."""
    _check_pair(input, target, reduction, "l1_loss")
    return _reduced(abs(input - target), reduction)


@by_single
def binary_cross_entropy_with_logits(
    input: TensorLike,
    target: TensorLike,
    weight: TensorLike | None = None,
    reduction: str = "mean",
    pos_weight: TensorLike | None = None,
) -> Tensor:
    """Return -(target * log sigmoid(input) + (1 - target) * log sigmoid(-input)), without overflow.

    `weight` multiplies the losses and `pos_weight` those of the positive class; both broadcast. ValueError if the
    shapes of input and target differ.
    """
    _check_pair(input, target, reduction, "binary_cross_entropy_with_logits")
    softened = autograd.softplus(-input)
    if pos_weight is not None:
        softened = softened * (1 + (pos_weight - 1) * target)
    losses = (1 - target) * input + softened
    return _reduced(losses if weight is None else losses * weight, reduction)


class Loss(Module):
    """Base of the losses: a reduction, and weights as buffers."""

    weight: Tensor | None

    def __init__(self, reduction: str = "mean") -> None:
        super().__init__()
        check_reduction(reduction, type(self).__name__)
        self.reduction = reduction

    def _hold(self, name: str, values: Any) -> None:
        if values is not None and not isinstance(values, Tensor):
            values = Tensor(values, dtype=np.float32)
        self.register_buffer(name, values)


class MSELoss(Loss):
    """The mean squared difference; see `functional.mse_loss` for shapes and `reduction`."""

    def forward(self, input: TensorLike, target: TensorLike) -> Tensor:
        return mse_loss(input, target, self.reduction)


class L1Loss(Loss):
    """The mean absolute difference; see `functional.l1_loss` for shapes and `reduction`."""

    def forward(self, input: TensorLike, target: TensorLike) -> Tensor:
        return l1_loss(input, target, self.reduction)


class BCEWithLogitsLoss(Loss):
    """The binary cross-entropy of logits; see `functional.binary_cross_entropy_with_logits`."""

    pos_weight: Tensor | None

    def __init__(
        self, weight: TensorLike | None = None, reduction: str = "mean", pos_weight: TensorLike | None = None
    ) -> None:
        super().__init__(reduction)
        self._hold("weight", weight)
        self._hold("pos_weight", pos_weight)

    def forward(self, input: TensorLike, target: TensorLike) -> Tensor:
        return binary_cross_entropy_with_logits(input, target, self.weight, self.reduction, self.pos_weight)
