"""The history on disk."""

from __future__ import annotations

import csv
import json
import os
from io import StringIO
from pathlib import Path
from typing import Any

from ...nn.atomic_files import put_in_place, temporary
from .callback import Callback, Training

__all__ = ["HistoryFile"]


class HistoryFile(Callback):
    """Writes the scores of all epochs to a file, anew after each: a table (`.csv`) or a list of objects (`.json`).

    A row has the number of the epoch and its scores by name; one that was broken off has `interrupted` True. JSON holds
    NaN as Python writes it. The file is replaced as a whole, so that readers find no half of it. ValueError for another
    suffix.

    >>> import tempfile
    >>> from pullback import nn, optim
    >>> model = nn.Linear(1, 1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = HistoryFile(folder + "/history.csv")
    ...     trainer = optim.Trainer(model, nn.MSELoss(), optim.SGD(model.parameters(), lr=0.1), [file])
    ...     _ = trainer.fit(([[1.0]], [[0.0]]), epochs=2, progress=False)
    ...     Path(folder, "history.csv").read_text().splitlines()[0]
    'epoch,loss,seconds'
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        if self.path.suffix not in (".csv", ".json"):
            raise ValueError(f"HistoryFile: the file must end in .csv or .json, not {os.fspath(path)!r}")
        self.rows: list[dict[str, Any]] = []

    def on_epoch_end(self, trainer: Training) -> None:
        """Write the epoch's row."""
        self.rows.append({"epoch": trainer.epoch, **trainer.latest})
        self._write(trainer)

    def on_train_end(self, trainer: Training) -> None:
        """Write the row of an epoch that was broken off."""
        last = self.rows[-1]["epoch"] if self.rows else 0
        if trainer.epoch > last and trainer.epoch in trainer.interrupted:
            self.rows.append({"epoch": trainer.epoch, **trainer.latest, "interrupted": True})
            self._write(trainer)

    def state_dict(self) -> dict[str, Any]:
        """Return the rows."""
        return {"rows": [dict(row) for row in self.rows]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over such rows; the file is written after the next epoch."""
        self.rows = [dict(row) for row in state["rows"]]

    def _write(self, trainer: Training) -> None:
        if trainer.communicator.rank:
            return
        if self.path.suffix == ".json":
            text = json.dumps(self.rows, indent=1) + "\n"
        else:
            names = list(dict.fromkeys(name for row in self.rows for name in row))
            table = StringIO(newline="")
            writer = csv.DictWriter(table, names, lineterminator="\n")
            writer.writeheader()
            writer.writerows(self.rows)
            text = table.getvalue()
        with temporary(self.path.parent, f".{self.path.name}.") as file:
            file.write(text.encode())
            put_in_place(file, self.path)
