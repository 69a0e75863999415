"""A learning rate to begin with."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..autograd import Tensor
from ..extend import generator
from ..nn import Module
from .batches import Data
from .callbacks import Callback, Training
from .optimizer import Optimizer
from .trainer import Trainer

__all__ = ["LRFinder", "lr_finder"]


@dataclass(frozen=True)
class LRFinder:
    """Learning rates, the losses (as they are, and smoothed) of the batches that had them, and a suggestion.

    `suggestion` is the rate where the smoothed loss falls most steeply over the logarithm of the rate, None where it
    falls nowhere.
    """

    rates: list[float]
    losses: list[float]
    smoothed: list[float]
    suggestion: float | None


def lr_finder(
    model: Module,
    loss: Callable[..., Tensor],
    optimizer: Optimizer,
    loader: Data,
    *,
    min_lr: float = 1e-7,
    max_lr: float = 10.0,
    steps: int = 100,
    smoothing: float = 0.9,
    divergence: float = 4.0,
    batch_size: int = 64,
) -> LRFinder:
    """Train for some `steps`, at rates that grow geometrically from `min_lr` to `max_lr`, and look at the losses.

    Data are as for `Trainer`. It ends before `max_lr` where the smoothed loss (an exponential moving average, with the
    share `smoothing` of what was, without its bias) is `divergence` times as large as the smallest, or not finite.
    Afterwards model, optimizer, random generator and a loader with `state_dict` are as they were. ValueError unless
    0 < min_lr < max_lr, `steps` are at least 3, 0 <= smoothing < 1 and divergence > 1. Source: Smith, Cyclical learning
    rates for training neural networks, 2017.

    >>> from pullback import nn, optim
    >>> _ = nn.manual_seed(0)
    >>> x = np.linspace(-1, 1, 64).reshape(64, 1)
    >>> model = nn.Linear(1, 1)
    >>> found = lr_finder(model, nn.MSELoss(), optim.SGD(model.parameters(), lr=0.1), (x, 3 * x + 1), max_lr=100.0)
    >>> 0.01 < found.suggestion < 1
    True
    """
    if not 0 < min_lr < max_lr:
        raise ValueError(f"lr_finder: needs 0 < min_lr < max_lr, not {min_lr} and {max_lr}")
    if steps < 3 or not 0 <= smoothing < 1 or not divergence > 1:
        raise ValueError(
            "lr_finder: needs steps >= 3, 0 <= smoothing < 1 and divergence > 1, "
            f"not {steps}, {smoothing} and {divergence}"
        )
    rates = np.geomspace(min_lr, max_lr, steps).tolist()
    raising = _Raise(rates, smoothing, divergence)
    restore = _snapshot(model, optimizer, loader)
    trainer = Trainer(model, loss, optimizer, [raising])
    try:
        with np.errstate(over="ignore", invalid="ignore"):
            trainer.fit(loader, steps, batch_size=batch_size, progress=False)
    except FloatingPointError:  # the rate was too large
        pass
    finally:
        restore()
    n = len(raising.losses)
    return LRFinder(rates[:n], raising.losses, raising.smoothed, _steepest(rates[:n], raising.smoothed))


class _Raise(Callback):
    """Sets the rates, one for each batch, and notes the losses."""

    def __init__(self, rates: list[float], smoothing: float, divergence: float) -> None:
        self.rates, self.smoothing, self.divergence = rates, smoothing, divergence
        self.losses: list[float] = []
        self.smoothed: list[float] = []
        self._average = 0.0

    def on_batch_start(self, trainer: Training) -> None:
        for group in trainer.optimizer.param_groups:
            group["lr"] = self.rates[len(self.losses)]

    def on_batch_end(self, trainer: Training, loss: float) -> None:
        self.losses.append(loss)
        self._average = self.smoothing * self._average + (1 - self.smoothing) * loss
        self.smoothed.append(self._average / (1 - self.smoothing ** len(self.losses)))
        diverged = self.smoothed[-1] > self.divergence * min(self.smoothed)
        trainer.stop = len(self.losses) == len(self.rates) or (diverged and min(self.smoothed) > 0)


def _snapshot(model: Module, optimizer: Optimizer, loader: Any) -> Callable[[], None]:
    """What puts all that training changes back as it is now."""
    weights = {name: np.array(value) for name, value in model.state_dict().items()}
    gradients = [(p, p.grad) for p in model.parameters()]
    state, random = optimizer.state_dict(), generator().bit_generator.state
    position = loader.state_dict() if hasattr(loader, "state_dict") else None

    def restore() -> None:
        model.load_state_dict(weights)
        optimizer.load_state_dict(state)
        generator().bit_generator.state = random
        for p, gradient in gradients:
            p.grad = gradient
        if position is not None:
            loader.load_state_dict(position)

    return restore


def _steepest(rates: list[float], losses: list[float]) -> float | None:
    if len(rates) < 3:
        return None
    slopes = np.gradient(losses, [math.log(rate) for rate in rates])
    steepest = int(np.argmin(slopes))
    return rates[steepest] if slopes[steepest] < 0 else None
