"""An end of the training when it no longer helps."""

from __future__ import annotations

from typing import Any

from .callback import Training
from .monitor import Mode, Monitor

__all__ = ["EarlyStopping"]


class EarlyStopping(Monitor):
    """Stops when the score `monitor` has not become better for `patience` epochs in a row.

    `monitor`, `mode` and `min_delta` are those of `Monitor`. With `restore_best` the model has the weights of the best
    epoch again when training ends, for whatever reason. ValueError unless `patience` is a positive integer.
    Source: Prechelt, Early stopping, but when?, 1998.

    >>> from pullback import nn, optim
    >>> model = nn.Linear(1, 1)
    >>> optimizer = optim.SGD(model.parameters(), lr=0.0)
    >>> trainer = optim.Trainer(model, nn.MSELoss(), optimizer, [EarlyStopping(patience=2)])
    >>> len(trainer.fit(([[1.0]], [[0.0]]), epochs=9, progress=False)["loss"])
    3
    """

    def __init__(
        self,
        monitor: str | None = None,
        patience: int = 3,
        *,
        mode: Mode | None = None,
        min_delta: float = 0.0,
        restore_best: bool = False,
    ) -> None:
        super().__init__(monitor, mode=mode, min_delta=min_delta)
        if isinstance(patience, bool) or not isinstance(patience, int) or patience < 1:
            raise ValueError(f"EarlyStopping: patience must be a positive integer, not {patience!r}")
        self.patience, self.restore_best = patience, restore_best
        self.waited = 0

    def on_epoch_end(self, trainer: Training) -> None:
        """Stop if the patience is at its end."""
        if self.improved(trainer):
            self.waited = 0
            if self.restore_best:
                self.keep(trainer.model)
            return
        self.waited += 1
        if self.waited >= self.patience:
            self.waited = 0  # for another fit
            trainer.stop = True

    def on_train_end(self, trainer: Training) -> None:
        """Restore the best weights."""
        self.restore(trainer.model)

    def state_dict(self) -> dict[str, Any]:
        """Return what `Monitor` does, and the epochs waited."""
        return {**super().state_dict(), "waited": self.waited}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over such a state."""
        super().load_state_dict(state)
        self.waited = state["waited"]
