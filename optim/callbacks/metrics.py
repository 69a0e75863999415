"""Scores beside the loss, over all batches of a pass."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from copy import deepcopy
from typing import Any

import numpy as np

from ...autograd import Tensor, no_grad
from ...extend import Array
from ...nn.described import Described
from .callback import Callback, Training

__all__ = ["MAE", "MeanOf", "Metric", "Metrics"]


class Metric(Described):
    """The base of metrics: `update` adds a batch to `sums`, numbers and arrays by name, and `compute` is their score.

    A subclass has these two, and calls `add` in `update`. The score is that of all samples at once, however they are
    dealt into batches, and over processes, whose sums `merge` puts together.

    >>> class Largest(Metric):
    ...     def update(self, output, target):
    ...         self.sums["largest"] = max(self.sums.get("largest", 0.0), output.max().item())
    ...     def merge(self, sums):
    ...         self.sums["largest"] = max(each.get("largest", 0.0) for each in sums)
    ...     def compute(self):
    ...         return self.sums["largest"]
    """

    def __init__(self) -> None:
        self.sums: dict[str, Any] = {}

    def update(self, output: Any, target: Any) -> None:
        """Add a batch."""
        raise NotImplementedError(f"{type(self).__name__} has no update")

    def compute(self) -> float | Array:
        """Return the score."""
        raise NotImplementedError(f"{type(self).__name__} has no compute")

    def reset(self) -> None:
        """Forget all batches."""
        self.sums = {}

    def merge(self, sums: Iterable[dict[str, Any]]) -> None:
        """Take the sums of several processes as those of all batches: each name's added up."""
        self.reset()
        for each in sums:
            self.add(**each)

    def add(self, **numbers: float | Array) -> None:
        """Add to the sums of these names, which begin at 0."""
        for name, number in numbers.items():
            self.sums[name] = self.sums[name] + number if name in self.sums else number


class MeanOf(Metric):
    """The mean over samples of a user's `function(output, target)`, a number for each batch, the mean of its samples.

    >>> metric = MeanOf(lambda output, target: abs(output - target).max(axis=1).mean())
    >>> metric.update(Tensor([[1.0, 5.0]]), Tensor([[1.0, 2.0]]))
    >>> metric.compute()
    3.0
    """

    def __init__(self, function: Callable[[Any, Any], Any]) -> None:
        super().__init__()
        self.function = function

    def update(self, output: Any, target: Any) -> None:
        """Add a batch."""
        self.add(total=float(self.function(output, target)) * len(target), samples=len(target))

    def compute(self) -> float:
        """Return the mean."""
        return self.sums["total"] / self.sums["samples"]


class MAE(Metric):
    """The mean absolute error, over all entries; ValueError where output and target differ in shape.

    >>> metric = MAE()
    >>> metric.update(Tensor([[1.0], [2.0]]), Tensor([[2.0], [4.0]]))
    >>> metric.compute()
    1.5
    """

    def update(self, output: Any, target: Any) -> None:
        """Add a batch."""
        outputs, targets = (np.asarray(part) for part in (output, target))
        if outputs.shape != targets.shape:
            raise ValueError(f"MAE: output of shape {outputs.shape} and target of shape {targets.shape}")
        self.add(total=float(np.abs(outputs - targets).sum(dtype=float)), entries=outputs.size)

    def compute(self) -> float:
        """Return the error."""
        return self.sums["total"] / self.sums["entries"]


class Metrics(Callback):
    """Measures more than loss and accuracy, while training and in evaluations: `Metrics(top5=TopK(5), mae=MAE())`.

    Each is a `Metric`, or a function of output and target (see `MeanOf`). Numbers go, by their names, into the history
    (with "val_" those of the validation) and into what `evaluate` returns; `trained` and `evaluated` hold all scores,
    arrays such as a confusion matrix, too, of the last pass of each kind. ValueError for no metrics and for the names
    "loss" and "seconds", TypeError for what is neither metric nor function.

    >>> from pullback import nn, optim
    >>> model = nn.Linear(1, 1)
    >>> metrics = Metrics(mae=MAE(), bias=lambda output, target: (output - target).mean())
    >>> trainer = optim.Trainer(model, nn.MSELoss(), optim.SGD(model.parameters(), lr=0.1), [metrics])
    >>> sorted(trainer.evaluate(([[1.0]], [[0.0]])))
    ['bias', 'loss', 'mae']
    """

    def __init__(self, **metrics: Metric | Callable[[Any, Any], Any]) -> None:
        if not metrics or {"loss", "seconds"} & metrics.keys():
            raise ValueError(f"Metrics: needs metrics by names of their own, not {', '.join(metrics) or 'none'}")
        for name, metric in metrics.items():
            if not isinstance(metric, Metric) and (not callable(metric) or isinstance(metric, type)):
                raise TypeError(f"Metrics: {name} must be a Metric or a function, not {metric!r}")
        kept = {name: m if isinstance(m, Metric) else MeanOf(m) for name, m in metrics.items()}
        self._metrics, self._evaluation = kept, deepcopy(kept)
        self.trained: dict[str, float | Array] = {}
        self.evaluated: dict[str, float | Array] = {}

    def on_pass_start(self, trainer: Training) -> None:
        """Begin anew."""
        for metric in self._of(trainer).values():
            metric.reset()

    def on_output(self, trainer: Training, output: Any, target: Any) -> None:
        """Add a batch to each metric."""
        output = output.detach() if isinstance(output, Tensor) else output
        with no_grad():
            for metric in self._of(trainer).values():
                metric.update(output, target)

    def on_pass_end(self, trainer: Training, scores: dict[str, float]) -> None:
        """Add the scores to those of the pass."""
        if trainer.communicator.size > 1:
            for metric in self._of(trainer).values():
                metric.merge(trainer.communicator.allgather(metric.sums))
        found = {name: metric.compute() for name, metric in self._of(trainer).items()}
        if trainer.training:
            self.trained = found
        else:
            self.evaluated = found
        scores.update({name: float(score) for name, score in found.items() if np.ndim(score) == 0})

    def state_dict(self) -> dict[str, Any]:
        """Return the sums of the pass under way."""
        return {name: deepcopy(metric.sums) for name, metric in self._metrics.items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over such sums; ValueError where they are of other metrics."""
        if state.keys() != self._metrics.keys():
            raise ValueError(f"Metrics: state of {', '.join(state)} given for {', '.join(self._metrics)}")
        for name, metric in self._metrics.items():
            metric.sums = deepcopy(state[name])

    def _of(self, trainer: Training) -> dict[str, Metric]:
        return self._metrics if trainer.training else self._evaluation
