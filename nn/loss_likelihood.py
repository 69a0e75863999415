"""Losses that are negative logarithms of a likelihood, or differences of such, as functions and as modules."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from .. import autograd
from ..autograd import Tensor, exp, log, stop_gradient, where
from ..extend import TensorLike, by_single, elementwise, required
from .loss import REDUCTIONS, Loss, WeightedLoss, alike, check_reduction, pair, reduced, reduction_of

__all__ = [
    "BCELoss", "BCEWithLogitsLoss", "GaussianNLLLoss", "KLDivLoss", "PoissonNLLLoss", "binary_cross_entropy",
    "binary_cross_entropy_with_logits", "gaussian_nll_loss", "kl_div", "poisson_nll_loss",
]  # fmt: skip

_BATCHMEAN = (*REDUCTIONS, "batchmean")


def _log(x: Any) -> Any:
    """The logarithm, and no less than -100."""
    with np.errstate(divide="ignore"):
        return np.maximum(np.log(x), -100)


binary = elementwise(
    lambda x, t: -(t * _log(x) + (1 - t) * _log(1 - x)),
    name="binary_cross_entropy",
    domain=((0.1, 0.9), (0.0, 1.0)),
    x=lambda g, x, t: g * (x - t) / np.maximum(x * (1 - x), 1e-12),
    t=lambda g, x: g * (_log(1 - x) - _log(x)),
)


@by_single
def binary_cross_entropy(
    input: TensorLike,
    target: TensorLike,
    weight: TensorLike | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Return -(target * log(input) + (1 - target) * log(1 - input)), with logarithms of no less than -100.

    `weight` multiplies the losses and broadcasts. ValueError if the shapes of input and target differ or the input is
    not between 0 and 1.
    """
    reduction = reduction_of("binary_cross_entropy", reduction, size_average, reduce)
    input, target = pair(input, target, "binary_cross_entropy")
    required(
        (input >= 0) & (input <= 1),
        "binary_cross_entropy: an input is not between 0 and 1; for logits there is ..._with_logits",
    )
    return reduced(_times(binary.apply(input, target), weight, "binary_cross_entropy"), reduction)


def _times(losses: Any, weight: Any, name: str) -> Any:
    """The losses times a weight that broadcasts to them, or to which they broadcast."""
    if weight is None:
        return losses
    weight = alike(weight, losses.dtype)
    try:
        np.broadcast_shapes(losses.shape, weight.shape)
    except ValueError:
        raise ValueError(f"{name}: weight of shape {weight.shape} for an input of shape {losses.shape}") from None
    return losses * weight


@by_single
def binary_cross_entropy_with_logits(
    input: TensorLike,
    target: TensorLike,
    weight: TensorLike | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    pos_weight: TensorLike | None = None,
) -> Tensor:
    """Return -(target * log sigmoid(input) + (1 - target) * log sigmoid(-input)), without overflow.

    `weight` multiplies the losses and `pos_weight` those of the positive class; both broadcast. ValueError if the
    shapes of input and target differ.
    """
    reduction = reduction_of("binary_cross_entropy_with_logits", reduction, size_average, reduce)
    input, target = pair(input, target, "binary_cross_entropy_with_logits")
    softened = autograd.softplus(-input)
    if pos_weight is not None:
        softened = softened * (1 + (alike(pos_weight, input.dtype) - 1) * target)
    losses = (1 - target) * input + softened
    return reduced(_times(losses, weight, "binary_cross_entropy_with_logits"), reduction)


@by_single
def kl_div(
    input: TensorLike,
    target: TensorLike,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    log_target: bool = False,
) -> Tensor:
    """Return target * (log(target) - input), where `input` are logarithms and, with `log_target`, `target` are, too.

    The sum of it is the Kullback-Leibler divergence; `reduction="batchmean"` divides that by the length of the first
    axis, and "mean", with a warning, by the number of entries. ValueError if the shapes differ.
    """
    if size_average is None and reduce is None and reduction == "mean":
        warnings.warn(
            "kl_div: reduction='mean' divides by the number of all entries; 'batchmean' gives the divergence",
            stacklevel=3,
        )
    reduction = reduction_of("kl_div", reduction, size_average, reduce, _BATCHMEAN)
    x, t = pair(input, target, "kl_div")
    losses = exp(t) * (t - x) if log_target else t * log(where(t == 0, 1, t)) - t * x
    if reduction == "batchmean":
        return reduced(losses, "sum") / (len(x) if x.ndim else 1)
    return reduced(losses, reduction)


@by_single
def poisson_nll_loss(
    input: TensorLike,
    target: TensorLike,
    log_input: bool = True,
    full: bool = False,
    size_average: bool | None = None,
    eps: float = 1e-8,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Return exp(input) - target * input or, without `log_input`, input - target * log(input + eps).

    These are the negative log-likelihoods of Poisson distributions with mean exp(input) or input, without the term
    log(target!), which with `full` is approximated by Stirling's formula where target > 1. ValueError if the shapes
    differ.
    """
    reduction = reduction_of("poisson_nll_loss", reduction, size_average, reduce)
    input, target = pair(input, target, "poisson_nll_loss")
    losses = exp(input) - target * input if log_input else input - target * log(input + eps)
    if full:
        large = target > 1
        t = where(large, target, 1)
        losses = losses + where(large, t * log(t) - t + 0.5 * log(2 * math.pi * t), 0)
    return reduced(losses, reduction)


@by_single
def gaussian_nll_loss(
    input: TensorLike,
    target: TensorLike,
    var: TensorLike,
    full: bool = False,
    eps: float = 1e-6,
    reduction: str = "mean",
) -> Tensor:
    """Return (log(var) + (input - target)**2 / var) / 2, and with `full` log(2 pi) / 2 more.

    `var` is a number or has the input's shape, which may end in 1 or lack the last axis, or be 1 along one axis; below
    `eps` it counts as `eps`. ValueError for another shape, if those of input and target differ, or if it is negative.
    Source: Nix and Weigend, 1994.
    """
    check_reduction(reduction, "gaussian_nll_loss")
    input, target = pair(input, target, "gaussian_nll_loss")
    var = _variances(input, var)
    var = var + stop_gradient(where(var < eps, eps - var, 0))
    losses = 0.5 * (log(var) + (input - target) ** 2 / var)
    return reduced(losses + 0.5 * math.log(2 * math.pi) if full else losses, reduction)


def _variances(input: Any, var: Any) -> Any:
    if isinstance(var, (int, float)):
        var = np.full(input.shape, var, input.dtype)
    var = alike(var, input.dtype)
    required(var >= 0, "gaussian_nll_loss: an entry of var is negative")
    ones = [b for a, b in zip(input.shape, var.shape, strict=False) if a != b]
    if var.shape == input.shape[:-1] and input.ndim:
        return var[..., None]
    if var.ndim == input.ndim and ones in ([], [1]):
        return var
    raise ValueError(f"gaussian_nll_loss: var of shape {var.shape} for an input of shape {input.shape}")


class BCELoss(WeightedLoss):
    """The binary cross-entropy of probabilities; see `functional.binary_cross_entropy`."""

    def forward(self, input: TensorLike, target: TensorLike) -> Tensor:
        return binary_cross_entropy(input, target, self.weight, reduction=self.reduction)


class BCEWithLogitsLoss(WeightedLoss):
    """The binary cross-entropy of logits; see `functional.binary_cross_entropy_with_logits`."""

    pos_weight: Tensor | None

    def __init__(
        self,
        weight: TensorLike | None = None,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
        pos_weight: TensorLike | None = None,
    ) -> None:
        super().__init__(weight, size_average, reduce, reduction)
        self._hold("pos_weight", pos_weight)

    def forward(self, input: TensorLike, target: TensorLike) -> Tensor:
        return binary_cross_entropy_with_logits(
            input, target, self.weight, reduction=self.reduction, pos_weight=self.pos_weight
        )


class KLDivLoss(Loss):
    """The Kullback-Leibler divergence of logarithms from a target; see `functional.kl_div`."""

    reductions = _BATCHMEAN

    def __init__(
        self,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
        log_target: bool = False,
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.log_target = log_target

    def forward(self, input: TensorLike, target: TensorLike) -> Tensor:
        return kl_div(input, target, reduction=self.reduction, log_target=self.log_target)


class PoissonNLLLoss(Loss):
    """The negative log-likelihood of counts; see `functional.poisson_nll_loss`."""

    def __init__(
        self,
        log_input: bool = True,
        full: bool = False,
        size_average: bool | None = None,
        eps: float = 1e-8,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.log_input, self.full, self.eps = log_input, full, eps

    def forward(self, log_input: TensorLike, target: TensorLike) -> Tensor:
        return poisson_nll_loss(log_input, target, self.log_input, self.full, eps=self.eps, reduction=self.reduction)


class GaussianNLLLoss(Loss):
    """The negative log-likelihood of normal distributions; see `functional.gaussian_nll_loss`."""

    def __init__(self, *, full: bool = False, eps: float = 1e-6, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction)
        self.full, self.eps = full, eps

    def forward(self, input: TensorLike, target: TensorLike, var: TensorLike) -> Tensor:
        return gaussian_nll_loss(input, target, var, self.full, self.eps, self.reduction)
