"""Losses of vectors and their distances, as functions and as modules."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..autograd import minimum, relu, sqrt, sum, where
from ..extend import Tensor, TensorLike, by_single, floating
from .distance import PairwiseDistance, pairwise_distance
from .loss import Loss, alike, check_reduction, pair, reduced, reduction_of
from .loss_margin import MarginLoss, broadcast

__all__ = [
    "CosineEmbeddingLoss", "HingeEmbeddingLoss", "TripletMarginLoss", "TripletMarginWithDistanceLoss",
    "cosine_embedding_loss", "hinge_embedding_loss", "triplet_margin_loss", "triplet_margin_with_distance_loss",
]  # fmt: skip

Distance = Callable[[Tensor, Tensor], Tensor]


@by_single
def hinge_embedding_loss(
    input: TensorLike,
    target: TensorLike,
    margin: float = 1.0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Return the input where the target is 1 and max(0, margin - input) where it is -1. ValueError if shapes differ."""
    reduction = reduction_of("hinge_embedding_loss", reduction, size_average, reduce)
    input, target = pair(input, target, "hinge_embedding_loss")
    return reduced(where(target == -1, 0, input) + where(target == 1, 0, relu(margin - input)), reduction)


@by_single
def cosine_embedding_loss(
    input1: TensorLike,
    input2: TensorLike,
    target: TensorLike,
    margin: float = 0.0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Return 1 - c where the target is 1 and max(0, c - margin) where it is -1, for cosines c of (N, D) and (N, D).

    Targets are (N,); inputs (D,) have a target (). ValueError for other shapes.
    """
    reduction = reduction_of("cosine_embedding_loss", reduction, size_average, reduce)
    input1, input2 = floating(input1), floating(input2)
    target = alike(target, input1.dtype)
    shapes = [x.shape for x in (input1, input2)]
    if input1.ndim not in (1, 2) or input2.ndim != input1.ndim or target.ndim != input1.ndim - 1:
        expected = False
    else:
        expected = broadcast(shapes) and broadcast([np.broadcast_shapes(*shapes)[:-1], target.shape])
    if not expected:
        raise ValueError(
            f"cosine_embedding_loss: input1 of shape {shapes[0]}, input2 of {shapes[1]} and target of {target.shape}; "
            "expected (N, D), (N, D) and (N,), or (D,), (D,) and ()"
        )
    least = 1e-12
    sizes = (sum(input1 * input1, axis=-1) + least) * (sum(input2 * input2, axis=-1) + least)
    cosine = sum(input1 * input2, axis=-1) / sqrt(sizes)
    return reduced(where(target == 1, 1 - cosine, where(target == -1, relu(cosine - margin), 0)), reduction)


@by_single
def triplet_margin_loss(
    anchor: TensorLike,
    positive: TensorLike,
    negative: TensorLike,
    margin: float = 1.0,
    p: float = 2.0,
    eps: float = 1e-6,
    swap: bool = False,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Return max(0, margin + d(anchor, positive) - d(anchor, negative)), d the `pairwise_distance`, for (N, D) or (D,).

    With `swap` the distance of positive and negative counts where it is smaller (Balntas et al., 2016). ValueError for
    a margin that is not positive or different numbers of axes.
    """
    reduction = reduction_of("triplet_margin_loss", reduction, size_average, reduce)
    return _triplet(
        anchor, positive, negative, lambda x, y: pairwise_distance(x, y, p, eps), margin, swap, reduction,
        "triplet_margin_loss",
    )  # fmt: skip


@by_single
def triplet_margin_with_distance_loss(
    anchor: TensorLike,
    positive: TensorLike,
    negative: TensorLike,
    *,
    distance_function: Distance | None = None,
    margin: float = 1.0,
    swap: bool = False,
    reduction: str = "mean",
) -> Tensor:
    """Return the `triplet_margin_loss` with any function of two tensors as the distance (None: `pairwise_distance`)."""
    check_reduction(reduction, "triplet_margin_with_distance_loss")
    return _triplet(
        anchor, positive, negative, distance_function or pairwise_distance, margin, swap, reduction,
        "triplet_margin_with_distance_loss",
    )  # fmt: skip


def _triplet(
    anchor: Any, positive: Any, negative: Any, distance: Distance, margin: float, swap: bool, reduction: str, name: str
) -> Any:
    _check_margin(margin, name)
    anchor, positive, negative = floating(anchor), floating(positive), floating(negative)
    if not anchor.ndim == positive.ndim == negative.ndim:
        raise ValueError(
            f"{name}: anchor of shape {anchor.shape}, positive of {positive.shape} and negative of {negative.shape}; "
            "expected the same number of axes"
        )
    near, far = distance(anchor, positive), distance(anchor, negative)
    if swap:
        far = minimum(far, distance(positive, negative))
    return reduced(relu(margin + near - far), reduction)


def _check_margin(margin: float, name: str) -> None:
    if margin <= 0:
        raise ValueError(f"{name}: margin={margin} is not positive")


class HingeEmbeddingLoss(MarginLoss):
    """The input, or how much it is below a margin; see `functional.hinge_embedding_loss`."""

    def __init__(
        self,
        margin: float = 1.0,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(margin, size_average, reduce, reduction)

    def forward(self, input: TensorLike, target: TensorLike) -> Tensor:
        return hinge_embedding_loss(input, target, self.margin, reduction=self.reduction)


class CosineEmbeddingLoss(MarginLoss):
    """How far the cosine of two vectors is from 1 or above a margin; see `functional.cosine_embedding_loss`."""

    def forward(self, input1: TensorLike, input2: TensorLike, target: TensorLike) -> Tensor:
        return cosine_embedding_loss(input1, input2, target, self.margin, reduction=self.reduction)


class TripletMarginLoss(Loss):
    """How much nearer an anchor is to one vector than to another; see `functional.triplet_margin_loss`."""

    def __init__(
        self,
        margin: float = 1.0,
        p: float = 2.0,
        eps: float = 1e-6,
        swap: bool = False,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        _check_margin(margin, "TripletMarginLoss")
        self.margin, self.p, self.eps, self.swap = margin, p, eps, swap

    def forward(self, anchor: TensorLike, positive: TensorLike, negative: TensorLike) -> Tensor:
        return triplet_margin_loss(
            anchor, positive, negative, self.margin, self.p, self.eps, self.swap, reduction=self.reduction
        )


class TripletMarginWithDistanceLoss(Loss):
    """The triplet loss with any distance; see `functional.triplet_margin_with_distance_loss`."""

    def __init__(
        self,
        *,
        distance_function: Distance | None = None,
        margin: float = 1.0,
        swap: bool = False,
        reduction: str = "mean",
    ) -> None:
        super().__init__(reduction=reduction)
        _check_margin(margin, "TripletMarginWithDistanceLoss")
        self.distance_function = distance_function or PairwiseDistance()
        self.margin, self.swap = margin, swap

    def forward(self, anchor: TensorLike, positive: TensorLike, negative: TensorLike) -> Tensor:
        return triplet_margin_with_distance_loss(
            anchor, positive, negative, distance_function=self.distance_function, margin=self.margin, swap=self.swap,
            reduction=self.reduction,
        )  # fmt: skip
