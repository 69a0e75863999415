"""Metrics of classifiers: shares of right answers, and who is taken for whom."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from ...extend import Array
from ..running import class_scores
from .metrics import Metric

__all__ = ["F1", "Accuracy", "ConfusionMatrix", "TopK"]


class Accuracy(Metric):
    """The share of samples whose class has the largest score; `Trainer` measures it by itself.

    Here as in the others scores are (N, C, ...), and targets class indices, (N, ...); ValueError otherwise.

    >>> from pullback import Tensor
    >>> metric = Accuracy()
    >>> metric.update(Tensor([[1.0, 2.0], [3.0, 0.0]]), Tensor([1, 1]))
    >>> metric.compute()
    0.5
    """

    def update(self, output: Any, target: Any) -> None:
        """Add a batch."""
        scores, labels = _checked(self, output, target)
        self.add(right=int(np.count_nonzero(scores.argmax(1) == labels)), samples=labels.size)

    def compute(self) -> float:
        """Return the share."""
        return self.sums["right"] / self.sums["samples"]


class TopK(Accuracy):
    """The share of samples whose class is among those of the `k` largest scores, of equal ones the first.

    ValueError unless k is a positive integer.

    >>> from pullback import Tensor
    >>> metric = TopK(2)
    >>> metric.update(Tensor([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]]), Tensor([1, 2]))
    >>> metric.compute()
    0.5
    """

    def __init__(self, k: int = 5) -> None:
        super().__init__()
        if isinstance(k, bool) or not isinstance(k, int) or k < 1:
            raise ValueError(f"TopK: k must be a positive integer, not {k!r}")
        self.k = k

    def update(self, output: Any, target: Any) -> None:
        """Add a batch."""
        scores, labels = _checked(self, output, target)
        at = np.expand_dims(labels, 1)
        own = np.take_along_axis(scores, at, 1)
        classes = np.arange(scores.shape[1]).reshape(-1, *[1] * (scores.ndim - 2))
        before = (scores > own) | ((scores == own) & (classes < at))
        right = (before.sum(1) < self.k) & ~np.isnan(own[:, 0])
        self.add(right=int(np.count_nonzero(right)), samples=labels.size)


class ConfusionMatrix(Metric):
    """How many samples of class i (rows) have the largest score at class j (columns), an array (C, C) of integers.

    `viz.confusion` draws such a table. ValueError for a label that is no class.

    >>> from pullback import Tensor
    >>> metric = ConfusionMatrix()
    >>> metric.update(Tensor([[1.0, 2.0], [3.0, 0.0], [0.0, 1.0]]), Tensor([1, 1, 0]))
    >>> metric.compute()
    array([[0, 1],
           [1, 1]])
    """

    def update(self, output: Any, target: Any) -> None:
        """Add a batch."""
        scores, labels = _checked(self, output, target)
        classes = scores.shape[1]
        if labels.size and not 0 <= labels.min() <= labels.max() < classes:
            raise ValueError(f"{type(self).__name__}: labels {labels.min()} to {labels.max()} for {classes} classes")
        places = labels.ravel().astype(np.int64) * classes + scores.argmax(1).ravel()
        self.add(counts=np.bincount(places, minlength=classes**2).reshape(classes, classes))

    def compute(self) -> float | Array:
        """Return the table."""
        return self.sums["counts"]


class F1(ConfusionMatrix):
    """The harmonic mean of precision and recall, 2 TP / (2 TP + FP + FN) for each class.

    `average` is "macro" (their mean over classes that occur in targets or answers), "weighted" (by samples of the
    class), "micro" (of all TP, FP and FN together: the accuracy), "binary" (of class 1 of two), or None, for an array
    with all, where a class that does not occur has 0. As in scikit-learn. ValueError for another.

    >>> from pullback import Tensor
    >>> metric = F1("binary")
    >>> metric.update(Tensor([[1.0, 2.0], [3.0, 0.0], [0.0, 1.0]]), Tensor([1, 1, 0]))
    >>> metric.compute()
    0.5
    """

    def __init__(self, average: Literal["macro", "micro", "weighted", "binary"] | None = "macro") -> None:
        super().__init__()
        if average not in ("macro", "micro", "weighted", "binary", None):
            raise ValueError(f"F1: average must be 'macro', 'micro', 'weighted', 'binary' or None, not {average!r}")
        self.average = average

    def compute(self) -> float | Array:
        """Return the score, or the scores."""
        counts = self.sums["counts"]
        right, samples, answers = counts.diagonal(), counts.sum(1), counts.sum(0)
        if self.average == "micro":
            return float(right.sum() / counts.sum())
        scores = 2 * right / np.maximum(samples + answers, 1)
        if self.average == "binary":
            if len(scores) != 2:
                raise ValueError(f"F1: average='binary' for {len(scores)} classes; take 'macro', 'micro' or 'weighted'")
            return float(scores[1])
        if self.average == "macro":
            return float(scores[samples + answers > 0].mean())
        if self.average == "weighted":
            return float((scores * samples).sum() / samples.sum())
        return scores


def _checked(metric: Metric, output: Any, target: Any) -> tuple[Array, Array]:
    found = class_scores(output, target)
    if found is None:
        shapes = " and ".join(f"{getattr(p, 'dtype', type(p).__name__)} {np.shape(p)}" for p in (output, target))
        raise ValueError(
            f"{type(metric).__name__}: needs scores (N, C, ...) and class indices (N, ...), not {shapes}; "
            "for others give Metrics a function"
        )
    return found
