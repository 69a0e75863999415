"""Checkpoints while a model is trained, from which the training goes on."""

from __future__ import annotations

import logging
import os
import time
from typing import Any

from ...nn.described import described
from ..checkpoint import Checkpoint
from ..per_rank import PerRank
from .callback import Callback, Training

__all__ = ["Checkpointing"]

_log = logging.getLogger("pullback")


class Checkpointing(Callback):
    """Saves the whole training every so many `epochs`, `batches` or `seconds`, after Ctrl-C and at the end.

    Saved are model, optimizer and the trainer's own state, in the middle of an epoch, too; `objects`, such as
    schedulers or NumPy generators, go with them, see `optim.Checkpoint`, as do `directory` and `keep`. While `fit`
    runs, no other may write into the directory. `resume` before `fit` makes it go on where the newest whole checkpoint
    is: model, optimizer, history and random numbers come out, to the bit, as if nothing had happened.
    ValueError for numbers that are not positive; FileExistsError from `fit` where there are checkpoints that were not
    resumed from, since these would go in time.

    >>> import tempfile
    >>> from pullback import nn, optim
    >>> x = [[0.0], [1.0], [2.0], [3.0]]
    >>> def training(folder):
    ...     model, checkpointing = nn.Linear(1, 1), Checkpointing(folder, batches=10)
    ...     trainer = optim.Trainer(model, nn.MSELoss(), optim.Adam(model.parameters()), [checkpointing])
    ...     resumed = checkpointing.resume(trainer)
    ...     history = trainer.fit((x, x), epochs=3, batch_size=2, progress=False)
    ...     return resumed, history["loss"]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     first, again = training(folder), training(folder)
    >>> first[0], again[0], first[1] == again[1]
    (False, True, True)
    """

    def __init__(
        self,
        directory: str | os.PathLike[str],
        *,
        epochs: int | None = 1,
        batches: int | None = None,
        seconds: float | None = None,
        keep: int | None = 3,
        **objects: Any,
    ) -> None:
        self._every = {"epochs": epochs, "batches": batches, "seconds": seconds}
        for name, number in self._every.items():
            if number is not None and not number > 0:
                raise ValueError(f"Checkpointing: {name} must be a positive number, or None, not {number!r}")
        self.checkpoint = Checkpoint(directory, keep)
        self.objects = objects
        self._mine = False  # whether what is in the directory is of this training
        self._begin()

    def __repr__(self) -> str:
        told: dict[str, Any] = {"directory": str(self.checkpoint.directory), "keep": self.checkpoint.keep}
        told |= {name: number for name, number in self._every.items() if number is not None}
        return described(self, **told)

    def resume(self, trainer: Training) -> bool:
        """Set trainer, model, optimizer and objects to the newest whole checkpoint; whether there is one."""
        self.checkpoint.communicator = trainer.communicator
        resumed = self.checkpoint.load(**self._parts(trainer)) is not None
        if resumed:
            self._mine = True
            _log.info("fit: resumed in epoch %d", trainer.epoch)
        return resumed

    def on_train_start(self, trainer: Training) -> None:
        """Become the only writer."""
        self.checkpoint.communicator = trainer.communicator
        if not trainer.communicator.rank:
            self._claim()
        self._mine = True
        self._begin()

    def _claim(self) -> None:
        self.checkpoint.lock()
        if self.checkpoint.paths and not self._mine:
            raise FileExistsError(
                f"fit: there are checkpoints in {self.checkpoint.directory}: go on from them, by resume(trainer) "
                "before fit, or choose another directory"
            )

    def on_batch_end(self, trainer: Training, loss: float) -> None:
        """Count the batch."""
        self._passed["batches"] += 1

    def on_epoch_end(self, trainer: Training) -> None:
        """Count the epoch."""
        self._passed["epochs"] += 1

    def on_interrupt(self, trainer: Training) -> None:
        """Save next."""
        self._due = True

    def on_train_end(self, trainer: Training) -> None:
        """Save next."""
        self._due = True

    def on_settled(self, trainer: Training) -> None:
        """Save, if it is time."""
        passed = {**self._passed, "seconds": time.monotonic() - self._since}
        due = self._due or any(number is not None and passed[name] >= number for name, number in self._every.items())
        if self._every["seconds"] is not None:  # clocks differ
            due = trainer.communicator.broadcast_object(due)
        if due:
            self.checkpoint.save(**self._parts(trainer))
            self._begin()

    def on_close(self, trainer: Training) -> None:
        """Let others write."""
        self.checkpoint.close()

    def _parts(self, trainer: Training) -> dict[str, Any]:
        own = {name: PerRank(part, trainer.communicator) for name, part in {"trainer": trainer, **self.objects}.items()}
        return {"model": trainer.model, "optimizer": trainer.optimizer, **own}

    def _begin(self) -> None:
        self._passed = {"epochs": 0, "batches": 0}
        self._since = time.monotonic()
        self._due = False
