"""What watches a score for its best value."""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np

from ...extend import Array
from ...nn import Module
from .callback import Callback, Training

__all__ = ["Monitor", "monitored"]

Mode = Literal["min", "max"]

_LARGER, _SMALLER = ("accuracy", "f1", "top", "precision", "recall"), ("loss", "mae", "mse", "error", "seconds")


class Monitor(Callback):
    """The base of callbacks that watch one score of each epoch; `best` is its best value, of epoch `best_epoch`.

    Better is smaller (`mode` "min") or larger ("max") by more than `min_delta`; NaN is never better. Unless given,
    the score is "val_loss", or "loss" without validation, and the mode follows from a name with "loss", "mae", "mse"
    or "error", or "accuracy", "f1", "top", "precision" or "recall". ValueError for another mode, a name that tells
    none, a negative `min_delta`, and at the first epoch where there is no score of that name.
    """

    def __init__(self, monitor: str | None = None, *, mode: Mode | None = None, min_delta: float = 0.0) -> None:
        if mode not in ("min", "max", None):
            raise ValueError(f"{self._name}: mode must be 'min' or 'max', not {mode!r}")
        if not min_delta >= 0:
            raise ValueError(f"{self._name}: min_delta must not be negative, but is {min_delta}")
        self.monitor, self.min_delta = monitor, min_delta
        self.mode = mode or self._implied(monitor or "loss")
        self.best: float | None = None
        self.best_epoch = 0
        self.weights: dict[str, Array] | None = None

    @property
    def _name(self) -> str:
        return type(self).__name__

    def _implied(self, monitor: str) -> Mode:
        modes: tuple[tuple[Mode, tuple[str, ...]], ...] = ("min", _SMALLER), ("max", _LARGER)
        for mode, words in modes:
            if any(word in monitor.lower() for word in words):
                return mode
        raise ValueError(f"{self._name}: is {monitor!r} better when it is smaller or larger? Give mode='min' or 'max'")

    def improved(self, trainer: Training) -> bool:
        """Note the epoch's score, and return whether it is the best."""
        value = monitored(trainer, self.monitor, self._name)[1]
        if math.isnan(value):
            return False
        gain = math.inf if self.best is None else (self.best - value if self.mode == "min" else value - self.best)
        if not gain > self.min_delta:
            return False
        self.best, self.best_epoch = value, trainer.epoch
        return True

    def keep(self, model: Module) -> None:
        """Keep a copy of the model's weights."""
        self.weights = {name: np.array(value) for name, value in model.state_dict().items()}

    def restore(self, model: Module) -> None:
        """Give the model the weights that were kept, if there are any."""
        if self.weights is not None:
            model.load_state_dict(self.weights)

    def state_dict(self) -> dict[str, Any]:
        """Return the best value, its epoch and its weights."""
        weights = None if self.weights is None else {name: value.copy() for name, value in self.weights.items()}
        return {"best": self.best, "best_epoch": self.best_epoch, "weights": weights}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over such a state."""
        weights = state["weights"]
        self.best, self.best_epoch = state["best"], state["best_epoch"]
        self.weights = None if weights is None else {name: np.array(value) for name, value in weights.items()}


def monitored(trainer: Training, monitor: str | None, name: str) -> tuple[str, float]:
    """Return the name and value of the latest epoch's score `monitor`, or without that of its loss."""
    latest = trainer.latest
    monitor = monitor or ("val_loss" if "val_loss" in latest else "loss")
    if monitor not in latest:
        needs = "; give fit a validation set" if monitor.startswith("val_") else ""
        raise ValueError(f"{name}: there is no score {monitor!r}, but {', '.join(latest)}{needs}")
    return monitor, latest[monitor]
