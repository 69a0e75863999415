"""The training loop: epochs over batches, with a progress bar, a history and callbacks."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from ..autograd import Tensor, asarray, no_grad
from ..extend import Array, ArrayLike
from ..nn import Module
from ..nn.data import DataLoader, Subset, TensorDataset
from ..nn.traversal import in_mode
from .optimizer import Optimizer

__all__ = ["Trainer"]

Data = TensorDataset | Subset | Iterable[object]  # see `Trainer`


class Trainer:
    """A training loop, in which `optimizer` makes `loss(model(x), y)` small.

    Data are a loader, or any iterable of batches `(x, ..., y)` that can be iterated many times; or a TensorDataset, a
    Subset of one, or a tuple of whole arrays `(x, ..., y)`, of which batches of `batch_size` are made, floats in the
    dtype of the model's parameters.
    The loss of a batch is taken to be the mean over its samples. Where y holds class indices and the model's
    output scores along axis 1, accuracies (shares of right answers) are measured, too.

    `history` holds a list with an entry per epoch for "loss" and "accuracy" (while training, dropout and all),
    "val_loss" and "val_accuracy" (after the epoch), and "seconds". The `callbacks` are objects with any of
    `on_epoch_start(trainer)`, `on_batch_end(trainer, loss)` and `on_epoch_end(trainer)`; they find the number of the
    epoch, from 1, in `trainer.epoch`, and may set `trainer.stop = True` at the end of a batch or an epoch.

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
    ) -> None:
        self.model, self.loss, self.optimizer, self.callbacks = model, loss, optimizer, list(callbacks)
        self.history: dict[str, list[float]] = {}
        self.epoch = 0
        self.stop = False

    def __repr__(self) -> str:
        parameters = sum(parameter.size for parameter in self.model.parameters())
        loss = getattr(self.loss, "__name__", type(self.loss).__name__)
        parts = f"{type(self.model).__name__} of {parameters:,} parameters, {loss}, {type(self.optimizer).__name__}"
        callbacks = f", {len(self.callbacks)} callbacks" if self.callbacks else ""
        return f"Trainer({parts}{callbacks}; {self.epoch} epochs trained)"

    def fit(
        self, loader: Data, epochs: int, validation: Data | None = None, *, batch_size: int = 64, progress: bool = True
    ) -> dict[str, list[float]]:
        """Train for `epochs` more passes over the data, evaluating on `validation` after each; returns `history`.

        What is no loader is shuffled anew for each epoch. `progress` shows a bar with the loss so far (by tqdm).
        ValueError if the loader gives no batch, or for a negative number of epochs; FloatingPointError where a batch's
        loss is NaN or infinite, before the model is changed by it.
        """
        if isinstance(epochs, bool) or not isinstance(epochs, (int, np.integer)) or epochs < 0:
            raise ValueError(f"fit: epochs must be a number of passes, 0 or more, not {epochs!r}")
        loader = self._batches(loader, batch_size, shuffle=True)
        self.stop = False
        with in_mode(self.model, training=True):
            for i in range(epochs):
                self.epoch += 1
                self._call("on_epoch_start")
                start = time.perf_counter()
                with _progress(f"epoch {i + 1}/{epochs}", loader, progress) as show:
                    results = self._train(loader, show)
                    if validation is not None:
                        scores = self.evaluate(validation, batch_size=batch_size)
                        results.update({f"val_{name}": value for name, value in scores.items()})
                    show(", ".join(f"{name} {value:.4f}" for name, value in results.items()), 0)
                for name, value in {**results, "seconds": time.perf_counter() - start}.items():
                    self.history.setdefault(name, []).append(value)
                self._call("on_epoch_end")
                if self.stop:
                    break
        return self.history

    def evaluate(self, loader: Data, *, batch_size: int = 256) -> dict[str, float]:
        """Return the mean loss and, for class indices, the accuracy over all samples, in eval mode.

        ValueError if the loader gives no samples.
        """
        seen = _Score()
        with in_mode(self.model, training=False), no_grad():
            for *inputs, target in self._batches(loader, batch_size):
                output = self.model(*inputs)
                seen.add(self.loss(output, target), output, target)
        return seen.results("evaluate")

    def predict(self, x: ArrayLike | Data, *, batch_size: int = 256) -> Array:
        """Return the model's outputs, in eval mode, for an array or Tensor x, or for data without their labels.

        Of a batch `(x, ..., y)` the last part is taken to be the labels, unless it is the only one.
        """
        data = (x,) if isinstance(x, (np.ndarray, Tensor)) else x
        with in_mode(self.model, training=False), no_grad():
            outputs = [self.model(*_inputs(batch)).numpy() for batch in self._batches(data, batch_size)]
        return np.concatenate(outputs)

    def _train(self, loader: Any, show: Callable[[str, int], None]) -> dict[str, float]:
        seen = _Score()
        for *inputs, target in loader:
            self.optimizer.zero_grad()
            output = self.model(*inputs)
            loss = self.loss(output, target)
            if not np.isfinite(loss.item()):
                raise FloatingPointError(
                    f"fit: the loss is {loss.item()} in epoch {self.epoch}, after {seen.samples} samples of it; try a "
                    "smaller learning rate, look for NaN in the data, or run with detect_anomaly()"
                )
            loss.backward()
            self.optimizer.step()
            seen.add(loss, output, target)
            show(f"loss {seen.loss / seen.samples:.4f}", 1)
            self._call("on_batch_end", loss.item())
            if self.stop:
                break
        return seen.results("fit")

    def _call(self, event: str, *details: Any) -> None:
        for callback in self.callbacks:
            getattr(callback, event, _ignore)(self, *details)

    def _batches(self, data: Any, batch_size: int, shuffle: bool = False) -> Any:
        if isinstance(data, tuple):
            data = TensorDataset(*data)
        if not isinstance(data, (TensorDataset, Subset)):
            return data
        dtype = next((p.dtype for p in self.model.parameters()), None)
        return DataLoader(data, batch_size, shuffle, dtype=dtype)


class _Score:
    """Loss and accuracy over the batches so far."""

    def __init__(self) -> None:
        self.samples = self.labels = self.right = 0
        self.loss = 0.0

    def add(self, loss: Tensor, output: Any, target: Any) -> None:
        self.samples += len(target)
        self.loss += loss.item() * len(target)
        if not isinstance(output, Tensor):  # there are several
            return
        target = asarray(target)
        if target.dtype.kind in "iu" and output.ndim > 1 and target.shape == output.shape[:1] + output.shape[2:]:
            self.labels += target.size
            self.right += int(np.count_nonzero(output.numpy().argmax(1) == target.numpy()))

    def results(self, action: str) -> dict[str, float]:
        if not self.samples:
            raise ValueError(f"{action}: the loader gave no samples")
        accuracy = {"accuracy": self.right / self.labels} if self.labels else {}
        return {"loss": self.loss / self.samples, **accuracy}


def _inputs(batch: Any) -> tuple[Any, ...]:
    if not isinstance(batch, (tuple, list)):
        return (batch,)
    return tuple(batch[:-1] if len(batch) > 1 else batch)


@contextmanager
def _progress(description: str, loader: Any, shown: bool) -> Iterator[Callable[[str, int], None]]:
    """A bar over the loader's batches, as the function that shows a text and moves on by some batches."""
    if not shown:
        yield lambda text, batches: None
        return
    try:
        from tqdm.auto import tqdm
    except ImportError as error:
        raise ImportError(
            "fit: the progress bar needs tqdm: pip install pullback[train], or pass progress=False"
        ) from error
    total = len(loader) if hasattr(loader, "__len__") else None
    with tqdm(desc=description, total=total, mininterval=0.5) as bar:

        def show(text: str, batches: int) -> None:
            bar.set_postfix_str(text, refresh=False)
            bar.update(batches)

        yield show


def _ignore(*args: Any) -> None:
    """What a callback that lacks an event does."""
