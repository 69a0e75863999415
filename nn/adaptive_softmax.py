"""The adaptive softmax, for many classes of which few are frequent."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from ..autograd import Tensor, argmax, concatenate, log_softmax, mean, take, take_along_axis, where
from ..extend import DTypeLike, TensorLike, lift, plain
from .containers import ModuleList, Sequential
from .linear import Linear
from .module import Module

__all__ = ["AdaptiveLogSoftmaxWithLoss"]


class ASMOutput(NamedTuple):
    """The log-probabilities of the targets, (N,) or (), and the mean of minus these."""

    output: Any
    loss: Any


class AdaptiveLogSoftmaxWithLoss(Module):
    """The log-softmax over `n_classes`, sorted by frequency, and its loss: a head has the first `cutoffs[0]` classes
    and one entry for each cluster of the others, which is computed only for samples whose targets are in it.

    The features of cluster i are projected to in_features // div_value**(i + 1). Inputs are (N, in_features) and
    targets (N,), or (in_features,) and (). ValueError for cutoffs that do not rise from 1 to n_classes - 1, other
    shapes and targets out of range. Source: Grave et al., Efficient softmax approximation for GPUs, 2017.

    >>> from pullback import Tensor
    >>> loss = AdaptiveLogSoftmaxWithLoss(4, 10, cutoffs=[2, 5])
    >>> output, mean = loss(Tensor(np.ones((3, 4), np.float32)), np.array([0, 4, 9]))
    >>> output.shape, mean.shape
    ((3,), ())
    """

    def __init__(
        self,
        in_features: int,
        n_classes: int,
        cutoffs: Sequence[int],
        div_value: float = 4.0,
        head_bias: bool = False,
        device: str | None = None,
        dtype: DTypeLike | None = None,
    ) -> None:
        super().__init__()
        edges = [0, *cutoffs, n_classes]
        if len(edges) < 3 or any(int(c) != c for c in cutoffs) or any(a >= b for a, b in pairwise(edges)):
            raise ValueError(
                f"AdaptiveLogSoftmaxWithLoss: cutoffs={list(cutoffs)}; expected rising integers from 1 to "
                f"n_classes - 1 = {n_classes - 1}"
            )
        self.in_features, self.n_classes, self.cutoffs = in_features, n_classes, edges[1:]
        self.div_value, self.head_bias = div_value, head_bias
        self.shortlist_size, self.n_clusters = edges[1], len(edges) - 2
        self.head_size = self.shortlist_size + self.n_clusters
        self.head = Linear(in_features, self.head_size, head_bias, device, dtype)
        self.tail = ModuleList()
        for i, (start, stop) in enumerate(pairwise(self.cutoffs)):
            hidden = int(in_features // div_value ** (i + 1))
            self.tail.append(
                Sequential(
                    Linear(in_features, hidden, False, device, dtype),
                    Linear(hidden, stop - start, False, device, dtype),
                )
            )

    def reset_parameters(self) -> None:
        """Draw all weights anew."""
        self.head.reset_parameters()
        for cluster in self.tail:
            for part in cluster.children():
                part.reset_parameters()

    def forward(self, input: TensorLike, target: TensorLike) -> ASMOutput:
        input, target = lift(input), lift(target)
        target = plain(target) if isinstance(target, Tensor) else target
        if target.ndim > 1 or input.ndim != target.ndim + 1 or input.shape[:-1] != target.shape:
            raise ValueError(
                f"AdaptiveLogSoftmaxWithLoss: input of shape {input.shape} and target of shape {target.shape}; "
                "expected (N, in_features) and (N,), or (in_features,) and ()"
            )
        rows, classes = input.reshape(-1, input.shape[-1]), target.reshape(-1)
        self._check(classes)
        entries = np.where(classes < self.shortlist_size, classes, 0)
        places, parts = [np.flatnonzero(classes < self.shortlist_size)], []
        for i, (start, stop) in enumerate(pairwise(self.cutoffs)):
            there = np.flatnonzero((classes >= start) & (classes < stop))
            if there.size:
                entries[there] = self.shortlist_size + i
                places.append(there)
                scores = log_softmax(self.tail[i](take(rows, there, axis=0)), axis=1)
                parts.append(take_along_axis(scores, (classes[there] - start)[:, None], axis=1)[:, 0])
        output = take_along_axis(log_softmax(self.head(rows), axis=1), entries[:, None], axis=1)[:, 0]
        if parts:
            zeros = np.zeros(len(places[0]), output.dtype)
            output = output + take(concatenate([zeros, *parts]), np.argsort(np.concatenate(places)))
        return ASMOutput(output.reshape(target.shape), -mean(output))

    def _check(self, classes: Any) -> None:
        if classes.dtype.kind not in "iu":
            raise TypeError(f"AdaptiveLogSoftmaxWithLoss: target of dtype {classes.dtype}; expected integers")
        wrong = classes[(classes < 0) | (classes >= self.n_classes)]
        if wrong.size:
            raise ValueError(
                f"AdaptiveLogSoftmaxWithLoss: target {wrong[0]} is out of range for {self.n_classes} classes"
            )

    def log_prob(self, input: TensorLike) -> Tensor:
        """Return the log-probabilities of all classes, (N, n_classes), for an input (N, in_features)."""
        head = log_softmax(self.head(input), axis=1)
        first = self.shortlist_size
        clusters = [
            log_softmax(cluster(input), axis=1) + head[:, first + i, None] for i, cluster in enumerate(self.tail)
        ]
        return concatenate([head[:, :first], *clusters], axis=1)

    def predict(self, input: TensorLike) -> Tensor:
        """Return the most probable classes, (N,): of the shortlist where that has the largest entry of the head.

        For the others it is the largest log-probability of all.
        """
        best = argmax(self.head(input), axis=1)
        return where(best < self.shortlist_size, best, argmax(self.log_prob(input), axis=1))
