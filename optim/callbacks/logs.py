"""A line for each epoch, by Python's logging."""

from __future__ import annotations

import logging

from .callback import Callback, Training

__all__ = ["LogEpochs"]

_log = logging.getLogger("pullback")


class LogEpochs(Callback):
    """Logs the scores of each epoch, as INFO of the logger "pullback".

    Where nobody has set up logging for that, the lines go to stderr while `fit` runs; `Trainer.fit` adds one of
    these when told `verbose=True`.

    >>> from pullback import nn, optim
    >>> model = nn.Linear(1, 1)
    >>> trainer = optim.Trainer(model, nn.MSELoss(), optim.SGD(model.parameters(), lr=0.1), [LogEpochs()])
    >>> _ = trainer.fit(([[0.0]], [[0.0]]), epochs=1, progress=False)
    """

    def __init__(self) -> None:
        self._added: list[logging.Handler] = []
        self._level = logging.NOTSET

    def on_train_start(self, trainer: Training) -> None:
        """See to it that the lines are seen."""
        self._level = _log.level
        if not _log.isEnabledFor(logging.INFO):
            _log.setLevel(logging.INFO)
        if not _log.hasHandlers():
            self._added.append(logging.StreamHandler())
            _log.addHandler(self._added[0])

    def on_epoch_end(self, trainer: Training) -> None:
        """Log the epoch's scores."""
        scores = ", ".join(f"{name} {value:.4g}" for name, value in trainer.latest.items())
        _log.info("epoch %d/%d: %s", trainer.epoch, trainer.epochs, scores)

    def on_close(self, trainer: Training) -> None:
        """Leave logging as it was."""
        _log.setLevel(self._level)
        while self._added:
            _log.removeHandler(self._added.pop())
