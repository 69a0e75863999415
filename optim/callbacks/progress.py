"""A progress bar for each epoch, in terminals and notebooks."""

from __future__ import annotations

from typing import Any

from .callback import Callback, Training

__all__ = ["ProgressBar"]


class ProgressBar(Callback):
    """A bar over the batches of each epoch, with the loss so far and at the end with all scores, by tqdm.

    `Trainer.fit` adds one unless told `progress=False`. ImportError without tqdm (the extra `train`).

    >>> from pullback import nn, optim
    >>> model = nn.Linear(1, 1)
    >>> bar = ProgressBar()
    >>> trainer = optim.Trainer(model, nn.MSELoss(), optim.SGD(model.parameters(), lr=0.1), [bar])
    >>> _ = trainer.fit(([[0.0]], [[0.0]]), epochs=1, progress=False)
    """

    def __init__(self) -> None:
        try:
            from tqdm.auto import tqdm
        except ImportError as error:
            raise ImportError(
                "fit: the progress bar needs tqdm: pip install pullback[train], or pass progress=False"
            ) from error
        self._bar: Any = None
        self._new = tqdm

    def on_epoch_start(self, trainer: Training) -> None:
        """Show an empty bar."""
        self._show(trainer)

    def on_settled(self, trainer: Training) -> None:
        """Move the bar on."""
        if trainer.batch:
            bar = self._show(trainer)
            bar.set_postfix_str(f"loss {trainer.scores()['loss']:.4f}", refresh=False)
            bar.update(trainer.batch - bar.n)

    def on_epoch_end(self, trainer: Training) -> None:
        """Show all scores."""
        bar = self._show(trainer)
        scores = ((name, value) for name, value in trainer.latest.items() if name != "seconds")
        bar.set_postfix_str(", ".join(f"{name} {value:.4f}" for name, value in scores))
        self.on_close(trainer)

    def on_close(self, trainer: Training) -> None:
        """Leave the bar as it is."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _show(self, trainer: Training) -> Any:
        if self._bar is None:
            total = len(trainer.loader) if hasattr(trainer.loader, "__len__") else None
            title = f"epoch {trainer.epoch}/{trainer.epochs}"
            self._bar = self._new(desc=title, total=total, initial=trainer.batch, mininterval=0.5)
        return self._bar
