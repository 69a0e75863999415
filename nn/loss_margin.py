"""Losses that ask for a margin between scores, as functions and as modules."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import autograd
from ..autograd import astype, relu, sum, take, take_along_axis, where
from ..extend import Tensor, TensorLike, by_single, floating, lift, required
from .loss import Loss, WeightedLoss, alike, pair, reduced, reduction_of

__all__ = [
    "MarginRankingLoss", "MultiLabelMarginLoss", "MultiLabelSoftMarginLoss", "MultiMarginLoss", "SoftMarginLoss",
    "margin_ranking_loss", "multi_margin_loss", "multilabel_margin_loss", "multilabel_soft_margin_loss",
    "soft_margin_loss",
]  # fmt: skip


@by_single
def soft_margin_loss(
    input: TensorLike,
    target: TensorLike,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Return log(1 + exp(-target * input)) for targets 1 and -1, without overflow. ValueError if shapes differ."""
    reduction = reduction_of("soft_margin_loss", reduction, size_average, reduce)
    input, target = pair(input, target, "soft_margin_loss")
    return reduced(autograd.softplus(-target * input), reduction)


@by_single
def margin_ranking_loss(
    input1: TensorLike,
    input2: TensorLike,
    target: TensorLike,
    margin: float = 0.0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Return max(0, margin - target * (input1 - input2)) for targets 1 and -1; the three broadcast.

    ValueError for shapes of different numbers of axes, or that do not broadcast.
    """
    reduction = reduction_of("margin_ranking_loss", reduction, size_average, reduce)
    input1, input2 = floating(input1), floating(input2)
    target = alike(target, input1.dtype)
    shapes = [x.shape for x in (input1, input2, target)]
    if len(set(map(len, shapes))) > 1 or not broadcast(shapes):
        raise ValueError("margin_ranking_loss: input1 of shape {}, input2 of {} and target of {}".format(*shapes))
    return reduced(relu(margin - target * (input1 - input2)), reduction)


def broadcast(shapes: list[tuple[int, ...]]) -> bool:
    """Whether shapes broadcast together."""
    try:
        return bool(np.broadcast_shapes(*shapes) or True)
    except ValueError:
        return False


def _class_scores(input: Any, name: str) -> Any:
    """Scores as (N, C)."""
    input = floating(input)
    if input.ndim not in (1, 2) or not input.shape[-1]:
        raise ValueError(f"{name}: input of shape {input.shape}; expected (N, C) or (C,)")
    return input.reshape(-1, input.shape[-1])


def _integers(target: Any, shape: tuple[int, ...], name: str) -> Any:
    target = lift(target)
    if target.dtype.kind not in "iu":
        raise TypeError(f"{name}: target of dtype {target.dtype}; expected integers, the class numbers")
    if target.shape != shape:
        raise ValueError(f"{name}: target of shape {target.shape}; expected {shape} for this input")
    return target


@by_single
def multi_margin_loss(
    input: TensorLike,
    target: TensorLike,
    p: int = 1,
    margin: float = 1.0,
    weight: TensorLike | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Return the sum over classes c other than the target t of max(0, margin - x_t + x_c)**p / C, for x (N, C) or (C,).

    Targets are class numbers (N,) or (), and `weight` (C,) has a factor for each class. ValueError for other shapes, a
    target out of range or a `p` other than 1 and 2.
    """
    name = "multi_margin_loss"
    reduction = reduction_of(name, reduction, size_average, reduce)
    if p not in (1, 2):
        raise ValueError(f"{name}: p={p}; expected 1 or 2")
    shape = np.shape(input)[:-1]
    scores = _class_scores(input, name)
    classes = scores.shape[1]
    target = _integers(target, shape, name).reshape(-1, 1)
    required((target >= 0) & (target < classes), f"{name}: a target is out of range for {classes} classes")
    short = relu(margin - take_along_axis(scores, target, axis=1) + scores)
    losses = where(target == np.arange(classes), 0, short if p == 1 else short * short)
    if weight is not None:
        weight = alike(weight, scores.dtype)
        if weight.shape != (classes,):
            raise ValueError(f"{name}: weight of shape {weight.shape} for {classes} classes")
        losses = losses * take(weight, target)
    return reduced((sum(losses, axis=1) / classes).reshape(shape), reduction)


@by_single
def multilabel_margin_loss(
    input: TensorLike,
    target: TensorLike,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Return the sum over targets t and other classes c of max(0, 1 - x_t + x_c) / C, for x (N, C) or (C,).

    A row of `target`, in the input's shape, has the class numbers that hold, and -1 behind them. ValueError for another
    shape or a target out of range.
    """
    name = "multilabel_margin_loss"
    reduction = reduction_of(name, reduction, size_average, reduce)
    shape = np.shape(input)
    scores = _class_scores(input, name)
    classes = scores.shape[1]
    target = _integers(target, shape, name).reshape(-1, classes)
    held = astype(autograd.cumprod(astype(target >= 0, np.int8), axis=1), bool)  # up to the first -1
    labels = where(held, target, 0)
    required(labels < classes, f"{name}: a target is out of range for {classes} classes")
    others = ~autograd.any((labels[:, :, None] == np.arange(classes)) & held[:, :, None], axis=1)
    short = relu(1 - take_along_axis(scores, labels, axis=1)[:, :, None] + scores[:, None, :])
    losses = sum(where(held[:, :, None] & others[:, None, :], short, 0), axis=(1, 2)) / classes
    return reduced(losses.reshape(shape[:-1]), reduction)


@by_single
def multilabel_soft_margin_loss(
    input: TensorLike,
    target: TensorLike,
    weight: TensorLike | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Return the mean over the last axis of the binary cross-entropies of logits and targets, 0 or 1.

    `weight` multiplies them and broadcasts. ValueError if the shapes of input and target differ, or have no axes.
    """
    name = "multilabel_soft_margin_loss"
    reduction = reduction_of(name, reduction, size_average, reduce)
    input, target = pair(input, target, name)
    if not input.ndim:
        raise ValueError(f"{name}: input of shape (); expected (N, C) or (C,)")
    losses = (1 - target) * input + autograd.softplus(-input)
    if weight is not None:
        losses = losses * alike(weight, input.dtype)
    return reduced(sum(losses, axis=-1) / input.shape[-1], reduction)


class MarginLoss(Loss):
    """A loss whose one number is the margin."""

    def __init__(
        self,
        margin: float = 0.0,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.margin = margin


class MarginRankingLoss(MarginLoss):
    """How far two scores are from the right order; see `functional.margin_ranking_loss`."""

    def forward(self, input1: TensorLike, input2: TensorLike, target: TensorLike) -> Tensor:
        return margin_ranking_loss(input1, input2, target, self.margin, reduction=self.reduction)


class SoftMarginLoss(Loss):
    """The logistic loss of targets 1 and -1; see `functional.soft_margin_loss`."""

    def forward(self, input: TensorLike, target: TensorLike) -> Tensor:
        return soft_margin_loss(input, target, reduction=self.reduction)


class MultiLabelMarginLoss(Loss):
    """The hinge loss of several classes that hold; see `functional.multilabel_margin_loss`."""

    def forward(self, input: TensorLike, target: TensorLike) -> Tensor:
        return multilabel_margin_loss(input, target, reduction=self.reduction)


class MultiLabelSoftMarginLoss(WeightedLoss):
    """The logistic loss of several classes that hold; see `functional.multilabel_soft_margin_loss`."""

    def forward(self, input: TensorLike, target: TensorLike) -> Tensor:
        return multilabel_soft_margin_loss(input, target, self.weight, reduction=self.reduction)


class MultiMarginLoss(WeightedLoss):
    """The hinge loss of one class among several; see `functional.multi_margin_loss`."""

    def __init__(
        self,
        p: int = 1,
        margin: float = 1.0,
        weight: TensorLike | None = None,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(weight, size_average, reduce, reduction)
        if p not in (1, 2):
            raise ValueError(f"MultiMarginLoss: p={p}; expected 1 or 2")
        self.p, self.margin = p, margin

    def forward(self, input: TensorLike, target: TensorLike) -> Tensor:
        return multi_margin_loss(input, target, self.p, self.margin, self.weight, reduction=self.reduction)
