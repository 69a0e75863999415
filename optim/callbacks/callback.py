"""What a callback is: the events of a training, in their order, and what of the trainer it may use."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Protocol

from ...autograd import Tensor
from ...extend import Communicator
from ...nn import Module
from ...nn.described import Described
from ..optimizer import Optimizer

__all__ = ["Callback", "Training", "gradients_count", "load_states", "states_of"]


class Training(Protocol):
    """What callbacks see of a `Trainer`.

    `epoch` counts from 1 and `epochs` is the number of the last of this `fit`; `batch` counts the batches of the epoch
    that are done. `training` is False during evaluations. A callback may set `stop = True`, to end the training when
    batch or epoch are over, and in `on_backward` `step_due = False`, so that this batch makes no step.
    """

    model: Module
    loss: Callable[..., Tensor]
    optimizer: Optimizer
    history: dict[str, list[float]]
    latest: dict[str, float]
    interrupted: list[int]
    loader: Any
    epoch: int
    epochs: int
    stop: bool
    training: bool
    step_due: bool

    @property
    def communicator(self) -> Communicator:
        """The processes that train together; what is written, the first one writes."""

    @property
    def batch(self) -> int:
        """The batches of the epoch that are done."""

    def scores(self) -> dict[str, float]:
        """Return the mean loss, and the accuracy, of the epoch so far."""

    def step(self) -> None:
        """Move the parameters, by gradients that a callback has held back."""


def gradients_count(trainer: Training, name: str) -> None:
    """ValueError if the optimizer evaluates the loss anew, whatever a callback of this name does to the gradients."""
    if trainer.optimizer.needs_closure:
        kind = type(trainer.optimizer).__name__
        raise ValueError(f"{name}: {kind} computes gradients of its own in each step; leave the callback out")


class Callback(Described):
    """The events of a training, all of which do nothing: a callback has some of them, of this class or not.

    They come in this order; of several callbacks each event goes to the first one first:

        on_train_start(trainer)                    fit begins, or goes on from a state that was loaded
          on_epoch_start(trainer)                  (not again in an epoch that was begun before the state was saved)
            on_pass_start(trainer)                 a pass over the data, to train (trainer.training) or to evaluate
              on_batch_start(trainer)              the batch is there; while training only, as are the next but one
              on_output(trainer, output, target)   the model's output of the batch, while evaluating, too
              on_backward(trainer)                 the batch's gradients are there
              on_step_start(trainer)               the gradients are those of the step; not where step_due is False
              on_step_end(trainer)
              on_batch_end(trainer, loss)          loss is a float; not for a batch that was skipped
              on_settled(trainer)
            on_pass_end(trainer, scores)           scores may be changed and added to: they go into the history
          on_epoch_end(trainer)                    after the evaluation, and with the epoch's scores in the history
          on_settled(trainer)
        on_interrupt(trainer)                      Ctrl-C, between two batches; then on_settled, and no on_epoch_end
        on_train_end(trainer)
        on_settled(trainer)                        not after an interrupt
        on_close(trainer)                          fit is left, be it by an error: close what is open

    In `on_settled` all callbacks have seen what was before: the place to save `trainer.state_dict()`. With a
    `state_dict()` and `load_state_dict(state)` a callback is a part of that; its state is data: dicts with strings
    as keys, lists, numbers, strings, None and arrays.

    >>> from pullback import nn, optim
    >>> class Halve(Callback):
    ...     def on_epoch_end(self, trainer):
    ...         trainer.optimizer.param_groups[0]["lr"] /= 2
    >>> model = nn.Linear(1, 1)
    >>> trainer = optim.Trainer(model, nn.MSELoss(), optim.SGD(model.parameters(), lr=1.0), [Halve()])
    >>> _ = trainer.fit(([[0.0]], [[0.0]]), epochs=3, progress=False)
    >>> trainer.optimizer.param_groups[0]["lr"]
    0.125
    """

    def on_train_start(self, trainer: Training) -> None:
        """Fit begins, or goes on."""

    def on_epoch_start(self, trainer: Training) -> None:
        """An epoch begins."""

    def on_pass_start(self, trainer: Training) -> None:
        """A pass over the data begins."""

    def on_batch_start(self, trainer: Training) -> None:
        """A batch has come."""

    def on_output(self, trainer: Training, output: Any, target: Any) -> None:
        """The model has an output for a batch."""

    def on_backward(self, trainer: Training) -> None:
        """The gradients of a batch are there."""

    def on_step_start(self, trainer: Training) -> None:
        """The optimizer is about to move the parameters."""

    def on_step_end(self, trainer: Training) -> None:
        """The optimizer has moved the parameters."""

    def on_batch_end(self, trainer: Training, loss: float) -> None:
        """A batch is done."""

    def on_pass_end(self, trainer: Training, scores: dict[str, float]) -> None:
        """A pass over the data is done."""

    def on_epoch_end(self, trainer: Training) -> None:
        """An epoch is done, evaluation and all."""

    def on_settled(self, trainer: Training) -> None:
        """All callbacks have seen what happened: the state can be saved."""

    def on_interrupt(self, trainer: Training) -> None:
        """The user has pressed Ctrl-C."""

    def on_train_end(self, trainer: Training) -> None:
        """The last epoch of fit is done."""

    def on_close(self, trainer: Training) -> None:
        """Fit is left."""


def states_of(callbacks: Iterable[Any]) -> list[dict[str, Any]]:
    """Return the class's name and the state of each callback, None where it has none."""
    own = (callback.state_dict() if hasattr(callback, "state_dict") else None for callback in callbacks)
    return [{"name": type(callback).__name__, "state": state} for callback, state in zip(callbacks, own, strict=True)]


def load_states(callbacks: Iterable[Any], states: Iterable[dict[str, Any]]) -> None:
    """Give each callback its state of those that `states_of` returned."""
    for callback, entry in zip(callbacks, states, strict=True):
        if entry["state"] is not None:
            callback.load_state_dict(entry["state"])
