"""The training loop: epochs over batches, with a history, events for callbacks, and a state that can be saved."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from typing import Any, Literal

import numpy as np

from ..autograd import Tensor, no_grad
from ..extend import Array, ArrayLike, generator
from ..nn import Module
from ..nn.data import DataLoader, Subset, TensorDataset
from ..nn.traversal import in_mode
from .callbacks import ProgressBar
from .interrupts import DeferredInterrupt
from .optimizer import Optimizer
from .running import Running

__all__ = ["Trainer"]

Data = TensorDataset | Subset | Iterable[object]  # see `Trainer`

_log = logging.getLogger("pullback")


class Trainer:
    """A training loop, in which `optimizer` makes `loss(model(x), y)` small.

    Data are a loader, or any iterable of batches `(x, ..., y)` that can be iterated many times; or a TensorDataset, a
    Subset of one, or a tuple of whole arrays `(x, ..., y)`, of which batches of `batch_size` are made, floats in the
    dtype of the model's parameters.
    The loss of a batch is taken to be the mean over its samples. Where y holds class indices and the model's
    output scores along axis 1, accuracies (shares of right answers) are measured, too.

    `history` holds a list with an entry per epoch for "loss" and "accuracy" (while training, dropout and all),
    "val_loss" and "val_accuracy" (after the epoch), and "seconds". The `callbacks` are objects with any of the events
    of `optim.callbacks.Callback`; they find the number of the epoch, from 1, in `trainer.epoch`, and may set
    `trainer.stop = True` at the end of a batch or an epoch. A batch whose loss is NaN or infinite raises
    FloatingPointError, or is left out with a warning where `nonfinite="skip"`, before parameters and buffers change.

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
        optimizer: Optimizer,
        callbacks: Iterable[object] = (),
        *,
        nonfinite: Literal["raise", "skip"] = "raise",
    ) -> None:
        if nonfinite not in ("raise", "skip"):
            raise ValueError(f"Trainer: nonfinite must be 'raise' or 'skip', not {nonfinite!r}")
        self.model, self.loss, self.optimizer, self.callbacks = model, loss, optimizer, list(callbacks)
        self.nonfinite = nonfinite
        self.history: dict[str, list[float]] = {}
        self.interrupted: list[int] = []
        self.epoch = self.epochs = 0
        self.stop = self.training = False
        self.step_due = True
        self.loader: Any = None
        self._start: int | None = None
        self._running: Running | None = None
        self._resumed: dict[str, Any] | None = None
        self._own: list[object] = []  # callbacks of one `fit`
        self._interrupt = DeferredInterrupt()
        self._clock = 0.0

    def __repr__(self) -> str:
        parameters = sum(parameter.size for parameter in self.model.parameters())
        loss = getattr(self.loss, "__name__", type(self.loss).__name__)
        parts = f"{type(self.model).__name__} of {parameters:,} parameters, {loss}, {type(self.optimizer).__name__}"
        callbacks = f", {len(self.callbacks)} callbacks" if self.callbacks else ""
        return f"Trainer({parts}{callbacks}; {self.epoch} epochs trained)"

    @property
    def batch(self) -> int:
        """The batches of the epoch under way that are done."""
        return 0 if self._running is None else self._running.batch

    def scores(self) -> dict[str, float]:
        """Return the mean loss, and the accuracy, of the epoch under way so far."""
        return (self._running or Running()).scores()

    def fit(
        self, loader: Data, epochs: int, validation: Data | None = None, *, batch_size: int = 64, progress: bool = True
    ) -> dict[str, list[float]]:
        """Train for `epochs` more passes over the data, evaluating on `validation` after each; returns `history`.

        What is no loader is shuffled anew for each epoch. `progress` shows a bar with the loss so far (by tqdm).
        ValueError if the loader gives no batch, or for a negative number of epochs; FloatingPointError where a batch's
        loss is NaN or infinite, see the class.
        """
        if isinstance(epochs, bool) or not isinstance(epochs, (int, np.integer)) or epochs < 0:
            raise ValueError(f"fit: epochs must be a number of passes, 0 or more, not {epochs!r}")
        self._own = [ProgressBar()] if progress else []
        self.loader = self._batches(loader, batch_size, shuffle=True)
        with in_mode(self.model, training=True), DeferredInterrupt() as self._interrupt, self._under_way(epochs):
            try:
                self._call("on_train_start")
                while self._running is not None or (self.epoch < self.epochs and not self.stop):
                    self._one_epoch(validation, batch_size)
            except KeyboardInterrupt:
                if self._interrupt.noted > 1:
                    raise
                self._break_off(validation is not None)
            else:
                self._call("on_train_end")
                self._call("on_settled")
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
            outputs = [self.model(*_inputs(batch)).numpy() for batch in self._batches(data, batch_size)]
        return np.concatenate(outputs)

    def step(self) -> None:
        """Move the parameters by the gradients that they have; for callbacks that hold back steps."""
        self._call("on_step_start")
        self.optimizer.step()
        self._call("on_step_end")

    def state_dict(self) -> dict[str, Any]:
        """Return a copy of the state of the training, see the class; model and optimizer have states of their own."""
        running = self._running
        if running is not None:
            running.seconds = time.perf_counter() - self._clock
        return {
            "epoch": self.epoch,
            "start": self._start,
            "stop": self.stop,
            "history": deepcopy(self.history),
            "interrupted": list(self.interrupted),
            "running": None if running is None else running.state_dict(),
            "random": generator().bit_generator.state,
            "loader": self.loader.state_dict() if hasattr(self.loader, "state_dict") else None,
            "callbacks": _states(self.callbacks),
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what `state_dict` gave; ValueError, and no change, if it is of a trainer with other callbacks."""
        names, own = ([entry["name"] for entry in some] for some in (state_dict["callbacks"], _states(self.callbacks)))
        if names != own:
            raise ValueError(f"Trainer: state of callbacks {names} given for {own}")
        before = _states(self.callbacks)
        try:
            _load(self.callbacks, state_dict["callbacks"])
        except BaseException:
            _load(self.callbacks, before)
            raise
        self.epoch, self.stop = state_dict["epoch"], state_dict["stop"]
        self.history, self.interrupted = deepcopy(state_dict["history"]), list(state_dict["interrupted"])
        self._resumed = None if state_dict["start"] is None else deepcopy(state_dict)

    @contextmanager
    def _under_way(self, epochs: int) -> Iterator[None]:
        """What is set while `fit` runs, to begin with or as it was when the state was saved."""
        saved, self._resumed = self._resumed, None
        self._start, self.training = self.epoch, True
        if saved is None:
            self.stop = False
        else:
            self._start = saved["start"]
            self._running = None if saved["running"] is None else Running(**saved["running"])
            if saved["loader"] is not None:
                self.loader.load_state_dict(saved["loader"])
            generator().bit_generator.state = saved["random"]
        self.epochs = self._start + epochs
        self._clock = time.perf_counter() - (self._running.seconds if self._running is not None else 0.0)
        try:
            yield
        finally:
            self._call("on_close")
            self._start = self._running = None
            self.training, self._own = False, []

    def _one_epoch(self, validation: Data | None, batch_size: int) -> None:
        running = self._running
        if running is None:
            self.epoch += 1
            self._running = running = Running()
            self._clock = time.perf_counter()
            self._call("on_epoch_start")
            self._call("on_pass_start")
        if running.results is None:
            self._train(running)
            running.results = self._ended(running, "fit")
        results = dict(running.results)
        if validation is not None:
            results |= {
                f"val_{name}": value for name, value in self.evaluate(validation, batch_size=batch_size).items()
            }
        self._record(results)
        self._call("on_epoch_end")
        self._call("on_settled")
        self._interrupt.check()

    def _train(self, running: Running) -> None:
        if self.stop:
            return
        for *inputs, target in self._to_come(running):
            self._call("on_batch_start")
            loss = self._train_on(inputs, target, running)
            running.batch += 1
            if loss is not None:
                self._call("on_batch_end", loss)
            self._call("on_settled")
            self._interrupt.check()
            if self.stop:
                break

    def _train_on(self, inputs: Sequence[Any], target: Any, running: Running) -> float | None:
        """Make a step for a batch and return its loss, or None if it was left out."""
        buffers = [(buffer, buffer.numpy().copy()) for buffer in self.model.buffers()]
        self.optimizer.zero_grad()
        output = self.model(*inputs)
        loss = self.loss(output, target)
        value = loss.item()
        if not math.isfinite(value):
            for buffer, saved in buffers:
                buffer.data = saved
            self._not_finite(value, running)
            return None
        self._call("on_output", output, target)
        loss.backward()
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
        _log.warning("fit: %s; the batch is skipped", where)

    def _to_come(self, running: Running) -> Iterator[Any]:
        """The batches of the epoch that are not done; a loader without a state gives those that are done once more."""
        random = generator().bit_generator
        if running.random is None:
            running.random = random.state
            return iter(self.loader)
        if hasattr(self.loader, "state_dict"):
            return iter(self.loader)
        now, random.state = random.state, running.random
        batches = iter(self.loader)
        for _ in range(running.batch):
            next(batches)
        if running.batch:
            random.state = now
        return batches

    def _ended(self, running: Running, action: str) -> dict[str, float]:
        if not running.samples:
            skipped = f" but {running.skipped} batches with losses that are not finite" if running.skipped else ""
            raise ValueError(f"{action}: the loader gave no samples{skipped}")
        scores = running.scores()
        self._call("on_pass_end", scores)
        return scores

    def _record(self, results: dict[str, float]) -> None:
        for name, value in {**results, "seconds": time.perf_counter() - self._clock}.items():
            self.history.setdefault(name, []).append(value)
        self._running = None

    def _break_off(self, validated: bool) -> None:
        """End after Ctrl-C, with what there is of the epoch in the history."""
        self._call("on_interrupt")
        self._call("on_settled")
        running = self._running
        if running is not None and running.samples:
            _log.warning("fit: interrupted in epoch %d, after %d batches of it", self.epoch, running.batch)
            missing = [name for name in self.history if name.startswith("val_")] if validated else []
            results = running.results or self._ended(running, "fit")
            self._record(results | dict.fromkeys(missing, math.nan))
            self.interrupted.append(self.epoch)
        elif running is not None:
            self.epoch -= 1
        self._call("on_train_end")

    def _call(self, event: str, *details: Any) -> None:
        for callback in (*self.callbacks, *self._own):
            getattr(callback, event, _ignore)(self, *details)

    def _batches(self, data: Any, batch_size: int, shuffle: bool = False) -> Any:
        if isinstance(data, tuple):
            data = TensorDataset(*data)
        if not isinstance(data, (TensorDataset, Subset)):
            return data
        dtype = next((p.dtype for p in self.model.parameters()), None)
        return DataLoader(data, batch_size, shuffle, dtype=dtype)


def _inputs(batch: Any) -> tuple[Any, ...]:
    if not isinstance(batch, (tuple, list)):
        return (batch,)
    return tuple(batch[:-1] if len(batch) > 1 else batch)


def _states(callbacks: Iterable[Any]) -> list[dict[str, Any]]:
    """The name and, where they have one, the state of each callback."""
    return [
        {"name": type(c).__name__, "state": c.state_dict() if hasattr(c, "state_dict") else None} for c in callbacks
    ]


def _load(callbacks: Iterable[Any], states: Iterable[dict[str, Any]]) -> None:
    for callback, entry in zip(callbacks, states, strict=True):
        if entry["state"] is not None:
            callback.load_state_dict(entry["state"])


def _ignore(*args: Any) -> None:
    """What a callback that lacks an event does."""
