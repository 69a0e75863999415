"""Scores for TensorBoard."""

from __future__ import annotations

import os
from typing import Any

from .callback import Callback, Training

__all__ = ["TensorBoard"]


class TensorBoard(Callback):
    """Writes the scores and the learning rates of each epoch to event files in `folder`, for TensorBoard to draw.

    A score of the validation, "val_loss", becomes "loss/validation", that of the training "loss/training", so that
    both are in one picture. ImportError without tensorboardX (the extra `tensorboard`).

    >>> trainer = optim.Trainer(model, loss, optimizer, [TensorBoard("runs/first")])  # doctest: +SKIP
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        try:
            from tensorboardX import SummaryWriter
        except ImportError as error:
            raise ImportError("TensorBoard needs tensorboardX: pip install pullback[tensorboard]") from error
        self.folder = os.fspath(folder)
        self._new = SummaryWriter
        self._writer: Any = None

    def on_train_start(self, trainer: Training) -> None:
        """Open a new event file."""
        self._writer = None if trainer.communicator.rank else self._new(self.folder)

    def on_epoch_end(self, trainer: Training) -> None:
        """Write the epoch's scores."""
        if self._writer is None:
            return
        paired = {name.removeprefix("val_") for name in trainer.latest} - {"seconds"}
        for name, value in trainer.latest.items():
            base = name.removeprefix("val_")
            kind = "validation" if name.startswith("val_") else "training"
            self._writer.add_scalar(f"{base}/{kind}" if base in paired else name, value, trainer.epoch)
        for i, group in enumerate(trainer.optimizer.param_groups):
            self._writer.add_scalar(f"lr/{i}", float(group["lr"]), trainer.epoch)
        self._writer.flush()

    def on_close(self, trainer: Training) -> None:
        """Close the file."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None
