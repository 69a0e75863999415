"""What a training loop has seen of the pass over the data that is under way: as data, so that it can be saved."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ..autograd import Tensor, asarray
from ..extend import Array, generator

__all__ = ["Running", "class_scores"]


@dataclass
class Running:
    """Sums of a pass under way: of its batches, samples, losses, labels and right answers.

    `results` are the scores when all batches have been trained on, `seconds` what the epoch took before it was saved,
    and `random` is the state of the random generator from which the loader's order of this epoch comes.
    """

    batch: int = 0
    samples: int = 0
    loss: float = 0.0
    labels: int = 0
    right: int = 0
    skipped: int = 0
    seconds: float = 0.0
    results: dict[str, float] | None = None
    random: dict[str, Any] | None = None

    def add(self, loss: float, output: Any, target: Any) -> None:
        """Count a batch, of which the loss is the mean."""
        self.samples += len(target)
        self.loss += loss * len(target)
        found = class_scores(output, target)
        if found is not None:
            scores, labels = found
            self.labels += labels.size
            self.right += int(np.count_nonzero(scores.argmax(1) == labels))

    def scores(self) -> dict[str, float]:
        """Return the mean loss, NaN of no samples, and the accuracy if there were labels."""
        accuracy = {"accuracy": self.right / self.labels} if self.labels else {}
        return {"loss": self.loss / self.samples if self.samples else math.nan, **accuracy}

    def to_come(self, loader: Iterable[Any]) -> Iterator[Any]:
        """Return the batches of the pass that are not done: those that are, a loader without a state gives once more.

        `random` is set where the pass begins.
        """
        source = generator().bit_generator
        if self.random is None:
            self.random = dict(source.state)
            return iter(loader)
        now, source.state = source.state, self.random
        batches = iter(loader)
        for _ in range(self.batch):
            next(batches, None)
        if self.batch:  # the order has been drawn
            source.state = now
        return batches

    def state_dict(self) -> dict[str, Any]:
        """Return all sums by name."""
        return asdict(self)


def class_scores(output: object, target: Any) -> tuple[Array, Array] | None:
    """Return scores, (N, C, ...), and class indices, (N, ...), as arrays; None where this is not what they are."""
    if not isinstance(output, Tensor):  # there are several
        return None
    labels = asarray(target).numpy()
    if labels.dtype.kind in "iu" and output.ndim > 1 and labels.shape == output.shape[:1] + output.shape[2:]:
        return output.numpy(), labels
    return None
