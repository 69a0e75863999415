"""The weights of the best epoch."""

from __future__ import annotations

import os

from ...nn import save
from .callback import Training
from .monitor import Mode, Monitor

__all__ = ["KeepBest"]


class KeepBest(Monitor):
    """Keeps the weights of the epoch with the best score, and gives them to the model when training ends.

    `monitor`, `mode` and `min_delta` are those of `Monitor`. They are in `weights`, by name, and with `path` in a
    safetensors file, written anew at each best epoch. Without `restore` the model keeps what it has at the end.

    >>> from pullback import nn, optim
    >>> model = nn.Linear(1, 1)
    >>> best = KeepBest("loss")
    >>> trainer = optim.Trainer(model, nn.MSELoss(), optim.SGD(model.parameters(), lr=0.1), [best])
    >>> _ = trainer.fit(([[1.0]], [[0.0]]), epochs=3, progress=False)
    >>> best.best_epoch, sorted(best.weights)
    (3, ['bias', 'weight'])
    """

    def __init__(
        self,
        monitor: str | None = None,
        path: str | os.PathLike[str] | None = None,
        *,
        mode: Mode | None = None,
        min_delta: float = 0.0,
        restore: bool = True,
    ) -> None:
        super().__init__(monitor, mode=mode, min_delta=min_delta)
        self.path, self.restores = path, restore

    def on_epoch_end(self, trainer: Training) -> None:
        """Keep the weights if they are the best so far."""
        if self.improved(trainer):
            self.keep(trainer.model)
            if self.path is not None and not trainer.communicator.rank:
                save(trainer.model, self.path)

    def on_train_end(self, trainer: Training) -> None:
        """Restore the best weights."""
        if self.restores:
            self.restore(trainer.model)
