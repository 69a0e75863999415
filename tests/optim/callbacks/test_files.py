"""The history in files."""

import csv
import json
import struct

import numpy as np
import pytest

from pullback import nn
from pullback.optim import SGD, Trainer
from pullback.optim.callbacks import HistoryFile, TensorBoard

DATA = np.ones((4, 1), np.float32), np.zeros((4, 1), np.float32)


def trainer(*callbacks):
    model = nn.Linear(1, 1)
    return Trainer(model, nn.MSELoss(), SGD(model.parameters(), lr=0.1), callbacks)


class Interrupt:
    def on_batch_end(self, trainer, loss):
        if trainer.epoch == 4:
            raise KeyboardInterrupt


def test_history_files(tmp_path):
    files = tmp_path / "history.csv", tmp_path / "history.json"
    one = trainer(*map(HistoryFile, files), Interrupt())
    history = one.fit(DATA, 2, progress=False)
    one.fit(DATA, 2, validation=DATA, progress=False)
    with open(files[0], newline="", encoding="utf-8") as file:
        table = list(csv.DictReader(file))
    rows = json.loads(files[1].read_text(encoding="utf-8"))
    assert [row["epoch"] for row in rows] == [1, 2, 3, 4] == [int(row["epoch"]) for row in table]
    assert [row["loss"] for row in rows] == history["loss"] == [float(row["loss"]) for row in table]
    assert rows[2]["val_loss"] == history["val_loss"][0] == float(table[2]["val_loss"])
    assert "val_loss" not in rows[0] and table[0]["val_loss"] == ""
    assert [row.get("interrupted") for row in rows] == [None, None, None, True]
    assert [row["interrupted"] for row in table] == ["", "", "", "True"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["history.csv", "history.json"]
    with pytest.raises(ValueError, match=r"must end in \.csv or \.json, not 'history.txt'"):
        HistoryFile("history.txt")


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError):
        trainer(HistoryFile(tmp_path / "none" / "history.csv")).fit(DATA, 1, progress=False)


def records(path):
    """The payloads of a file of TensorFlow's records: length, its checksum, payload, checksum."""
    data, at = path.read_bytes(), 0
    while at < len(data):
        (length,) = struct.unpack("<Q", data[at : at + 8])
        yield data[at + 12 : at + 12 + length]
        at += 16 + length


def test_tensorboard(tmp_path):
    pytest.importorskip("tensorboardX")
    from tensorboardX.proto.event_pb2 import Event

    history = trainer(TensorBoard(tmp_path)).fit(DATA, 3, validation=DATA, progress=False)
    (path,) = tmp_path.iterdir()
    found = {}
    for payload in records(path):
        event = Event.FromString(payload)
        for value in event.summary.value:
            found.setdefault(value.tag, []).append((event.step, value.simple_value))
    assert set(found) == {"loss/training", "loss/validation", "seconds", "lr/0"}
    for name, tag in (("loss", "loss/training"), ("val_loss", "loss/validation")):
        assert [step for step, _ in found[tag]] == [1, 2, 3]
        np.testing.assert_allclose([value for _, value in found[tag]], history[name], rtol=1e-6)
    np.testing.assert_allclose([value for _, value in found["lr/0"]], 0.1, rtol=1e-6)


def test_without_tensorboard(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "tensorboardX", None)
    with pytest.raises(ImportError, match=r"pip install pullback\[tensorboard\]"):
        TensorBoard("runs")
