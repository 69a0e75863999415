"""The training loop: epochs over batches, with a history, events for callbacks, and a state that can be saved."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal

import numpy as np

from ..autograd import Tensor, no_grad
from ..autograd import compile as compiled
from ..extend import Array, ArrayLike, Communicator
from ..nn import Module
from ..nn.traversal import in_mode
from .batches import Data, batches_of, inputs_of, set_epoch
from .callbacks import LogEpochs, ProgressBar, Training
from .interrupts import DeferredInterrupt
from .optimizer import Optimizer
from .running import Running
from .training_checks import moves
from .training_state import TrainingState

__all__ = ["Trainer"]


class Trainer(TrainingState):
    """A training loop, in which `optimizer` makes `loss(model(x), y)` small (to evaluate and predict it takes none).

    Data are a loader, or any iterable of batches `(x, ..., y)` that can be iterated many times; or an `nn.data.Dataset`
    or a tuple of whole arrays `(x, ..., y)`, of which batches of `batch_size` are made, floats in the dtype of the
    model's parameters.
    The loss of a batch is taken to be the mean over its samples. Where y holds class indices and the model's
    output scores along axis 1, accuracies (shares of right answers) are measured, too.

    `history` holds a list with an entry per epoch for "loss" and "accuracy" (while training, dropout and all),
    "val_loss" and "val_accuracy" (after the epoch), and "seconds". The `callbacks` are objects with any of the events
    of `optim.callbacks.Callback`; they find the number of the epoch, from 1, in `trainer.epoch`, and may set
    `trainer.stop = True` at the end of a batch or an epoch. A batch whose loss is NaN or infinite raises
    FloatingPointError, or is left out with a warning where `nonfinite="skip"`, before parameters and buffers change.

    Of several processes with a `communicator` (`distributed.world()`) each trains on its share, of which `batch_size`
    counts, by the mean gradient over all samples, and evaluates its share; scores are those of all. Where data is no
    loader it is shared out. The first process alone prints and writes files. A script is started by
    `mpiexec -n 4 python -m mpi4py script.py`.

    With `compile` forward and backward pass are one program (see `pullback.compile`; TypeError where they cannot be):
    `on_output` comes after the backward pass then. ValueError with several processes.

    Ctrl-C ends `fit` after the batch: the epoch's scores so far are in the history, its number is in `interrupted`,
    and what the evaluation would have given is NaN. A second Ctrl-C raises KeyboardInterrupt at once.

    `state_dict()` is all of the training that is neither in the model nor in the optimizer: data (dicts with strings
    as keys, lists, numbers, strings, None, arrays) with the entries "epoch", "start" (epochs before the `fit` under
    way; None between two), "stop", "history", "interrupted", "running" (sums of the epoch under way; None between
    two), "random" (of this thread's generator), "loader" (its `state_dict()`, None if it has none) and "callbacks".
    Taken in `on_settled`, and with the states of model and optimizer of that moment loaded, too, the next `fit` with
    the same arguments completes that one, from the middle of an epoch if need be, as if nothing had happened.

    >>> from pullback import nn, optim
    >>> _ = nn.manual_seed(0)
    >>> x = np.linspace(-1, 1, 64).reshape(64, 1)
    >>> model = nn.Linear(1, 1)
    >>> trainer = optim.Trainer(model, nn.MSELoss(), optim.SGD(model.parameters(), lr=0.5))
    >>> history = trainer.fit((x, 3 * x + 1), epochs=20, batch_size=16, progress=False)
    >>> history["loss"][-1] < 1e-3
    True
    """

    def __init__(
        self,
        model: Module,
        loss: Callable[..., Tensor],
        optimizer: Optimizer | None = None,
        callbacks: Iterable[object] = (),
        *,
        nonfinite: Literal["raise", "skip"] = "raise",
        communicator: Communicator | None = None,
        compile: bool = False,
    ) -> None:
        if nonfinite not in ("raise", "skip"):
            raise ValueError(f"Trainer: nonfinite must be 'raise' or 'skip', not {nonfinite!r}")
        super().__init__(callbacks, communicator)
        if compile and self._together.several:
            raise ValueError("Trainer: compile=True is for one process; gradients of several are averaged on their way")
        self._pass = compiled(_differentiated) if compile else None
        self.model, self.loss, self.nonfinite = model, loss, nonfinite
        self.optimizer: Any = optimizer
        self.step_due = True
        self._own: list[object] = []  # callbacks of one `fit`
        self._interrupt = DeferredInterrupt()
        self._last: tuple[Sequence[Any], Any] = ((), None)  # inputs and target of the last batch

    def __repr__(self) -> str:
        parameters = sum(parameter.size for parameter in self.model.parameters())
        loss = getattr(self.loss, "__name__", type(self.loss).__name__)
        parts = f"{type(self.model).__name__} of {parameters:,} parameters, {loss}, {type(self.optimizer).__name__}"
        callbacks = f", {len(self.callbacks)} callbacks" if self.callbacks else ""
        return f"Trainer({parts}{callbacks}; {self.epoch} epochs trained)"

    def fit(
        self,
        loader: Data,
        epochs: int,
        validation: Data | None = None,
        *,
        batch_size: int = 64,
        progress: bool = True,
        verbose: bool = False,
    ) -> dict[str, list[float]]:
        """Train for `epochs` more passes over the data, evaluating on `validation` after each; returns `history`.

        What is no loader is shuffled anew for each epoch. `progress` shows a bar with the loss so far (by tqdm), and
        `verbose` a line for each epoch (by logging, see `optim.callbacks.LogEpochs`).
        ValueError if the loader gives no batch, for a negative number of epochs, and for an optimizer that has no
        parameter of the model; TypeError for an array without labels; FloatingPointError where a batch's
        loss is NaN or infinite, or with `nonfinite="skip"` that of every batch.
        """
        if isinstance(epochs, bool) or not isinstance(epochs, (int, np.integer)) or epochs < 0:
            raise ValueError(f"fit: epochs must be a number of passes, 0 or more, not {epochs!r}")
        if self.optimizer is None:
            raise ValueError("fit: the trainer has no optimizer; write Trainer(model, loss, optimizer)")
        moves(self.optimizer, self.model, self.loss)
        shown = ((ProgressBar, progress), (LogEpochs, verbose)) if self._together.first else ()
        self._own = [kind() for kind, wanted in shown if wanted]
        loader = self._batches(loader, batch_size, shuffle=True)
        self._interrupt = DeferredInterrupt()
        with in_mode(self.model, training=True), self._interrupt, self._under_way(loader, epochs):
            try:
                self._call("on_train_start")
                while self._running is not None or (self.epoch < self.epochs and not self.stop):
                    self._one_epoch(validation, batch_size)
                self._call("on_train_end")
                self._call("on_settled")
            except KeyboardInterrupt:
                if self._interrupt.noted > 1 or (self._together.several and not self._interrupt.raised):
                    raise  # what the other processes know nothing of
                self._break_off(validation is not None)
            finally:
                self._call("on_close")
                self._own = []
        return self.history

    def evaluate(self, loader: Data, *, batch_size: int = 256) -> dict[str, float]:
        """Return the mean loss and, for class indices, the accuracy over all samples, in eval mode.

        What callbacks add, such as metrics, is in the result, too. ValueError if the loader gives no samples.
        """
        seen, before = Running(), self.training
        self.training = False
        try:
            with in_mode(self.model, training=False), no_grad():
                self._call("on_pass_start")
                for *inputs, target in self._batches(loader, batch_size):
                    output = self.model(*inputs)
                    seen.add(self.loss(output, target).item(), output, target)
                    self._call("on_output", output, target)
                    if not self._together.several:
                        self._interrupt.check()
                return self._ended(seen, "evaluate")
        finally:
            self.training = before

    def predict(self, x: ArrayLike | Data, *, batch_size: int = 256) -> Array:
        """Return the model's outputs, in eval mode, for an array or Tensor x, or for data without their labels.

        Of a batch `(x, ..., y)` the last part is taken to be the labels, unless it is the only one.
        """
        data = (x,) if isinstance(x, (np.ndarray, Tensor)) else x
        with in_mode(self.model, training=False), no_grad():
            outputs = [self.model(*inputs_of(batch)).numpy() for batch in self._batches(data, batch_size, alone=True)]
        return np.concatenate(outputs)

    def step(self) -> None:
        """Move the parameters by the gradients that they have; for callbacks that hold back steps.

        LBFGS, which evaluates the loss several times a step, is given the last batch each time.
        """
        self._call("on_step_start")
        self.optimizer.step(self._evaluated if self.optimizer.needs_closure else None)
        self._call("on_step_end")

    def _evaluated(self) -> Tensor:
        """The loss of the last batch, whose gradients the parameters have then."""
        inputs, target = self._last
        self.optimizer.zero_grad()
        loss = self.loss(self._together.wrapped(self.model)(*inputs), target)
        self._together.backward(loss)
        return self._together.mean(loss)

    def _one_epoch(self, validation: Data | None, batch_size: int) -> None:
        running = self._running
        if running is None:
            running = self._begin()
            set_epoch(self.loader, self.epoch)
            self._call("on_epoch_start")
            self._call("on_pass_start")
        if running.results is None:
            self._train(running)
            running.results = self._ended(running, "fit")
        results = dict(running.results)
        if validation is not None:
            scores = self.evaluate(validation, batch_size=batch_size)
            results |= {f"val_{name}": value for name, value in scores.items()}
        self._record(results)
        self._call("on_epoch_end")
        self._call("on_settled")
        self._settle()

    def _train(self, running: Running) -> None:
        if self.stop:
            return
        buffers = list(self.model.buffers())
        for *inputs, target in self._together.in_step(running.to_come(self.loader), self.epoch):
            self._call("on_batch_start")
            loss = self._train_on(inputs, target, running, buffers)
            running.batch += 1
            if loss is not None:
                self._call("on_batch_end", loss)
            self._call("on_settled")
            self._settle()
            if self.stop:
                break

    def _settle(self) -> None:
        """Stop, or raise KeyboardInterrupt, where that is due in any process."""
        self.stop, interrupted = self._together.any(self.stop, self._interrupt.noted > 0)
        self._interrupt.noted = max(self._interrupt.noted, interrupted)
        self._interrupt.check()

    def _train_on(
        self, inputs: Sequence[Any], target: Any, running: Running, buffers: Sequence[Tensor]
    ) -> float | None:
        """Make a step for a batch and return its loss, or None if it was left out."""
        before = [buffer.numpy().copy() for buffer in buffers]
        self._last = inputs, target
        self.optimizer.zero_grad()
        if self._pass is not None:
            loss, output = self._pass(self.model, self.loss, inputs, target)
        else:
            output = self._together.wrapped(self.model)(*inputs)
            loss = self.loss(output, target)
        value = loss.item()
        judged = value if self.nonfinite == "raise" else self._together.mean(loss).item()
        if not math.isfinite(judged):
            for buffer, data in zip(buffers, before, strict=True):
                buffer.data = data
            self.optimizer.zero_grad()
            self._not_finite(judged, running)
            return None
        self._call("on_output", output, target)
        if self._pass is None:
            self._together.backward(loss)
        self.step_due = True
        self._call("on_backward")
        if self.step_due:
            self.step()
        running.add(value, output, target)
        return value

    def _not_finite(self, loss: float, running: Running) -> None:
        where = f"the loss is {loss} in epoch {self.epoch}, after {running.samples} samples of it"
        if self.nonfinite == "raise":
            raise FloatingPointError(
                f"fit: {where}; try a smaller learning rate, look for NaN in the data, or run with detect_anomaly()"
            )
        running.skipped += 1
        self._together.warn("fit: %s; the batch is skipped", where)

    def _ended(self, running: Running, action: str) -> dict[str, float]:
        if self.training:
            self._together.align(self.model)
        running = self._together.merged(running)
        if not running.samples:
            if running.skipped:
                raise FloatingPointError(f"{action}: no batch of epoch {self.epoch} has a finite loss")
            raise ValueError(f"{action}: the loader gave no samples")
        scores = running.scores()
        self._call("on_pass_end", scores)
        return scores

    def _break_off(self, validated: bool) -> None:
        """End after Ctrl-C, with what there is of the epoch in the history."""
        self._call("on_interrupt")
        self._call("on_settled")
        running = self._running
        where = (
            f"in epoch {self.epoch}, after {running.batch} batches of it" if running else f"after epoch {self.epoch}"
        )
        self._together.warn("fit: interrupted %s", where)
        if running is not None and running.samples:
            missing = [name for name in self.history if name.startswith("val_")] if validated else []
            results = running.results or self._ended(running, "fit")
            self._record(results | dict.fromkeys(missing, math.nan))
            self.interrupted.append(self.epoch)
        elif running is not None:
            self.epoch -= 1
        self._call("on_train_end")

    def _call(self, event: str, *details: Any) -> None:
        trainer: Training = self
        for callback in (*self.callbacks, *self._own):
            getattr(callback, event, _ignore)(trainer, *details)

    def _batches(self, data: Any, batch_size: int, shuffle: bool = False, alone: bool = False) -> Any:
        dtype = next((p.dtype for p in self.model.parameters()), None)
        return batches_of(data, batch_size, dtype, shuffle, None if alone else self.communicator)


def _differentiated(model: Module, loss: Callable[..., Tensor], inputs: Any, target: Any) -> tuple[Tensor, Tensor]:
    """The loss of a batch, whose gradients the parameters have then, and the model's output."""
    output = model(*inputs)
    value = loss(output, target)
    value.backward()
    return value.detach(), output.detach()


def _ignore(*args: Any) -> None:
    """What a callback that lacks an event does."""
