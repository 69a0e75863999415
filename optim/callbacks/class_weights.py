"""Classes that count more than others while training."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...autograd import Tensor, asarray
from ...extend import ArrayLike
from .callback import Callback, Training

__all__ = ["ClassWeights"]


class ClassWeights(Callback):
    """Gives the loss its `weight`, one for each class, while training only: evaluations weigh all samples alike.

    The loss is a module with a `weight`, such as `CrossEntropyLoss` or `NLLLoss`, which divides by the sum of its
    batch's weights; a weight that is given to the loss itself counts in evaluations, too. TypeError for a loss without
    `weight`, ValueError where weights are not one axis of finite numbers of at least 0.

    >>> ClassWeights.balanced([0, 0, 0, 1]).weight
    array([0.66666667, 2.        ])
    """

    def __init__(self, weight: ArrayLike) -> None:
        self.weight = np.asarray(weight, float)
        if self.weight.ndim != 1 or not (np.isfinite(self.weight) & (self.weight >= 0)).all():
            raise ValueError(f"ClassWeights: needs a number of at least 0 for each class, not {weight!r}")
        self._before: Any = None
        self._placed = False

    @classmethod
    def balanced(cls, labels: ArrayLike, num_classes: int | None = None) -> ClassWeights:
        """Return weights by which all classes count the same: samples / (classes * samples of the class).

        `num_classes` is one more than the largest label unless given. ValueError for a class that has no sample.
        """
        counts = np.bincount(asarray(labels).numpy().ravel(), minlength=num_classes or 0)
        if not counts.all():
            raise ValueError(f"ClassWeights: no sample of class {int(np.argmin(counts))} of {len(counts)}")
        return cls(counts.sum() / (len(counts) * counts))

    def on_train_start(self, trainer: Training) -> None:
        """Give the loss its weights."""
        loss: Any = trainer.loss
        if not hasattr(loss, "weight"):
            name = getattr(loss, "__name__", type(loss).__name__)
            raise TypeError(f"ClassWeights: the loss {name} has no weight; take nn.CrossEntropyLoss() or nn.NLLLoss()")
        self._before, self._placed = loss.weight, True
        loss.weight = Tensor(self.weight)

    def on_pass_start(self, trainer: Training) -> None:
        """Take them away for an evaluation."""
        if self._placed and not trainer.training:
            self._set(trainer, self._before)

    def on_pass_end(self, trainer: Training, scores: dict[str, float]) -> None:
        """Give them back after it."""
        if self._placed and not trainer.training:
            self._set(trainer, Tensor(self.weight))

    def on_close(self, trainer: Training) -> None:
        """Leave the loss as it was."""
        if self._placed:
            self._set(trainer, self._before)
            self._placed = False

    def _set(self, trainer: Training, weight: Any) -> None:
        loss: Any = trainer.loss
        loss.weight = weight
