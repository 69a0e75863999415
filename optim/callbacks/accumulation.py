"""Steps by the gradients of several batches."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...autograd import Tensor
from ...extend import Array
from .callback import Callback, Training, gradients_count

__all__ = ["AccumulateGradients"]


class AccumulateGradients(Callback):
    """One step for every `batches` batches, by the gradient of the mean loss over all their samples.

    It is the step of one batch of all of them, whatever their sizes, where the loss is a mean over samples and layers
    do not mix these as batch normalization does; the last step of an epoch may be of fewer. ValueError unless
    `batches` is a positive integer.

    >>> from pullback import nn, optim
    >>> model = nn.Linear(1, 1, bias=False)
    >>> model.weight.data[...] = 1
    >>> trainer = optim.Trainer(
    ...     model, nn.MSELoss(), optim.SGD(model.parameters(), lr=0.25), [AccumulateGradients(2)]
    ... )
    >>> _ = trainer.fit([([[1.0]], [[0.0]]), ([[2.0]], [[0.0]])], epochs=1, progress=False)
    >>> model.weight.item()  # 1 - 0.25 * (2 * 1 + 2 * 4) / 2
    -0.25
    """

    def __init__(self, batches: int) -> None:
        if isinstance(batches, bool) or not isinstance(batches, int) or batches < 1:
            raise ValueError(f"AccumulateGradients: batches must be a positive integer, not {batches!r}")
        self.batches = batches
        self._size = self._seen = self._samples = 0
        self._sums: dict[str, Array] = {}

    def on_train_start(self, trainer: Training) -> None:
        """Refuse an optimizer that does not use these gradients."""
        gradients_count(trainer, "AccumulateGradients")

    def on_output(self, trainer: Training, output: Any, target: Any) -> None:
        """Note the size of the batch."""
        if trainer.training:
            self._size = len(target)

    def on_backward(self, trainer: Training) -> None:
        """Add the batch's gradients, and hold back its step unless there are enough."""
        for i, p in enumerate(_parameters(trainer)):
            if p.grad is not None:
                gradient = p.grad.numpy() * self._size
                self._sums[str(i)] = self._sums[str(i)] + gradient if str(i) in self._sums else gradient
        self._samples += self._size
        self._seen += 1
        trainer.step_due = self._seen == self.batches
        if trainer.step_due:
            self._give(trainer)

    def on_pass_end(self, trainer: Training, scores: dict[str, float]) -> None:
        """Make the epoch's last step."""
        if trainer.training and self._seen:
            self._give(trainer)
            trainer.step()

    def state_dict(self) -> dict[str, Any]:
        """Return the sums of gradients, by the numbers of their parameters, and of how much they are."""
        sums = {i: array.copy() for i, array in self._sums.items()}
        return {"seen": self._seen, "samples": self._samples, "sums": sums}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over such sums."""
        self._seen, self._samples = state["seen"], state["samples"]
        self._sums = {i: np.array(array) for i, array in state["sums"].items()}

    def _give(self, trainer: Training) -> None:
        """The means become the parameters' gradients."""
        for i, p in enumerate(_parameters(trainer)):
            if str(i) in self._sums:
                p.grad = Tensor((self._sums[str(i)] / self._samples).astype(p.dtype))
        self._seen, self._samples, self._sums = 0, 0, {}


def _parameters(trainer: Training) -> list[Tensor]:
    return [p for group in trainer.optimizer.param_groups for p in group["params"]]
