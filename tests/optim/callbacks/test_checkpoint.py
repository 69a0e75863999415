import os
import signal

import numpy as np
import pytest

from pullback import nn
from pullback.nn.data import DataLoader, TensorDataset
from pullback.optim import Adam, Checkpoint, Trainer
from pullback.optim.callbacks import (
    F1,
    AccumulateGradients,
    Callback,
    Checkpointing,
    ClassWeights,
    ClipGradients,
    ConfusionMatrix,
    EarlyStopping,
    KeepBest,
    Metrics,
)  # fmt: skip

pytest.importorskip("safetensors")

rng = np.random.default_rng(0)
POINTS = rng.normal(size=(22, 2)).astype(np.float32)
CLASSES = (POINTS[:, 0] > POINTS[:, 1]).astype(np.int64)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "run"


def training(*callbacks, seed=0, width=5):
    nn.manual_seed(seed)
    model = nn.Sequential(nn.Linear(2, width), nn.BatchNorm1d(width), nn.ReLU(), nn.Dropout(0.3), nn.Linear(width, 2))
    return Trainer(model, nn.CrossEntropyLoss(), Adam(model.parameters(), lr=0.05), callbacks)


def fit(trainer, epochs=3, **options):
    """Six batches an epoch."""
    loader = DataLoader(TensorDataset(POINTS, CLASSES), 4, shuffle=True, **options)
    trainer.fit(loader, epochs, validation=(POINTS, CLASSES), progress=False)
    return outcome(trainer)


def outcome(trainer):
    states = trainer.optimizer.state_dict()["state"].values()
    states = [value for state in states for _, value in sorted(state.items())]
    values = [*trainer.model.state_dict().values(), *states]
    history = {name: entries for name, entries in trainer.history.items() if name != "seconds"}
    return b"".join(np.asarray(value).tobytes() for value in values), history, nn.init.generator().random()


class At(Callback):
    """Does something after some batches in all."""

    def __init__(self, count, action):
        self.count, self.action = count, action

    def on_batch_end(self, trainer, loss):
        self.count -= 1
        if not self.count:
            self.action()


class Broken(Exception):
    pass


def fail():
    raise Broken


@pytest.fixture(scope="module")
def alone():
    return fit(training())


@pytest.mark.parametrize("after", [1, 5, 6, 7, 12, 13, 18])
def test_a_training_that_broke_goes_on_to_the_bit(folder, alone, after):
    saved = Checkpointing(folder, batches=1)
    with pytest.raises(Broken):
        fit(training(saved, At(after, fail)))
    saved = Checkpointing(folder, batches=1)
    trainer = training(saved, At(0, fail), seed=7)
    assert saved.resume(trainer) == (after > 1)
    assert fit(trainer if after > 1 else training(saved, At(0, fail))) == alone


def test_batches_that_workers_had_ready_are_not_lost(folder, alone):
    options = {"num_workers": 2, "workers": "thread", "prefetch_factor": 3}
    saved = Checkpointing(folder, batches=1)
    with pytest.raises(Broken):
        fit(training(saved, At(9, fail)), **options)
    trainer = training(saved, At(0, fail), seed=7)
    assert saved.resume(trainer) and fit(trainer, **options) == alone


@pytest.mark.parametrize("after", [1, 6, 8, 12, 17])
def test_an_interrupted_training_goes_on_to_the_bit(folder, alone, after):
    """Though its own history has the epoch that was broken off."""
    saved = Checkpointing(folder, epochs=None)
    trainer = training(saved, At(after, lambda: os.kill(os.getpid(), signal.SIGINT)))
    fit(trainer)
    assert len(saved.checkpoint.paths) == 1 and trainer.interrupted
    saved = Checkpointing(folder)
    trainer = training(saved, At(0, fail), seed=7)
    assert saved.resume(trainer)
    assert fit(trainer) == alone and not trainer.interrupted


def crowd():
    """All callbacks that have a state."""
    return [
        AccumulateGradients(4), ClipGradients(max_norm=1.0), ClassWeights([1.0, 2.0]), KeepBest(),
        Metrics(f1=F1(), cm=ConfusionMatrix()), EarlyStopping("val_f1", patience=2, mode="max"),
    ]  # fmt: skip


def test_all_callbacks_go_on(folder):
    expected = fit(training(*crowd()), 4)
    for after in (3, 5, 6, 7, 11, 14):
        run = folder.with_name(f"run{after}")
        with pytest.raises(Broken):
            fit(training(*crowd(), Checkpointing(run, batches=1), At(after, fail)), 4)
        saved = Checkpointing(run)
        trainer = training(*crowd(), saved, At(0, fail), seed=7)
        assert saved.resume(trainer) and fit(trainer, 4) == expected


def test_a_training_that_is_done_is_not_trained_again(folder, alone):
    assert fit(training(Checkpointing(folder))) == alone
    saved = Checkpointing(folder)
    trainer = training(saved, seed=7)
    assert saved.resume(trainer) and fit(trainer) == alone


def test_more_epochs_than_at_first(folder):
    fit(training(Checkpointing(folder)), 2)
    saved = Checkpointing(folder)
    trainer = training(saved, seed=7)
    saved.resume(trainer)
    assert fit(trainer, 4) == fit(training(), 4)


def test_two_fits_of_one_trainer(folder):
    def twice(trainer):
        fit(trainer, 1)
        return fit(trainer, 2)

    expected = twice(training())
    assert twice(training(Checkpointing(folder))) == expected
    saved = Checkpointing(folder, batches=1)
    with pytest.raises(Broken):
        twice(training(Checkpointing(folder.with_name("b"), batches=1), At(10, fail)))
    saved = Checkpointing(folder.with_name("b"), batches=1)
    trainer = training(saved, At(0, fail), seed=7)
    saved.resume(trainer)
    assert fit(trainer, 2) == expected


@pytest.mark.parametrize(
    "every, numbers",
    [
        ({}, [6, 12, 18, 18]),
        ({"epochs": 2}, [12, 18]),
        ({"epochs": None}, [18]),
        ({"epochs": None, "batches": 4}, [4, 8, 12, 16, 18]),
        ({"epochs": 1, "batches": 4}, [4, 6, 10, 12, 16, 18, 18]),
        ({"epochs": None, "seconds": 5}, [5, 10, 15, 18]),
    ],
)
def test_when(folder, monkeypatch, every, numbers):
    """A batch takes a second here, and what else there is none."""
    saved = Checkpointing(folder, keep=None, **every)
    seen = []
    clock = 0.0

    class Clock(Callback):
        def on_batch_end(self, trainer, loss):
            nonlocal clock
            clock += 1

    save = Checkpoint.save
    monkeypatch.setattr(Checkpoint, "save", lambda *args, **parts: seen.append(clock) or save(*args, **parts))
    monkeypatch.setattr("time.monotonic", lambda: clock)
    fit(training(Clock(), saved))
    assert seen == numbers and len(saved.checkpoint.paths) == len(numbers)


def test_a_damaged_checkpoint_costs_no_more_than_its_batches(folder, alone):
    saved = Checkpointing(folder, batches=1)
    with pytest.raises(Broken):
        fit(training(saved, At(9, fail)))
    newest = saved.checkpoint.paths[-1]
    newest.write_bytes(newest.read_bytes()[:-1])
    saved = Checkpointing(folder)
    trainer = training(saved, At(0, fail), seed=7)
    with pytest.warns(RuntimeWarning, match="damaged.* is loaded"):
        saved.resume(trainer)
    assert fit(trainer) == alone


def test_checkpoints_of_another_training_are_not_lost(folder):
    fit(training(Checkpointing(folder)), 1)
    before = os.listdir(folder)
    with pytest.raises(FileExistsError, match="there are checkpoints in .*run: go on from them, by resume"):
        fit(training(Checkpointing(folder)), 1)
    assert os.listdir(folder) == before
    other = Checkpointing(folder)
    wrong = training(other, width=6)
    weights = outcome(wrong)[0]
    with pytest.raises(ValueError, match="model: RuntimeError: .*; optimizer: ValueError"):
        other.resume(wrong)
    assert outcome(wrong)[0] == weights
    with pytest.raises(FileExistsError):
        fit(wrong, 1)
    with pytest.raises(ValueError, match="trainer: ValueError: Trainer: state of callbacks"):
        other.resume(training(Callback(), other))


def test_one_writer(folder):
    """While fit runs, and no longer, however it ends."""
    other = Checkpoint(folder)

    def check():
        with pytest.raises(RuntimeError, match="another writes"):
            other.save(step=1)

    whole, broken = Checkpointing(folder), Checkpointing(folder.with_name("b"))
    fit(training(whole, At(2, check)), 1)
    other.save(step=1)
    other.close()
    with pytest.raises(Broken):
        fit(training(broken, At(2, fail)), 1)
    Checkpoint(folder.with_name("b")).save()
    with pytest.raises(RuntimeError, match="another writes"), Checkpoint(folder.with_name("c")) as other:
        other.lock()
        fit(training(Checkpointing(folder.with_name("c"))), 1)


def test_other_objects_go_along(folder):
    noise = np.random.default_rng(3)
    other = nn.Linear(2, 1)
    saved = Checkpointing(folder, noise=noise, other=other, run="first")
    fit(training(saved, At(3, lambda: noise.random(5))), 1)
    expected = noise.random(4).tolist(), other.weight.tolist()
    noise, other = np.random.default_rng(4), nn.Linear(2, 1)
    saved = Checkpointing(folder, noise=noise, other=other)
    assert saved.resume(training(saved, At(0, fail)))
    assert (noise.random(4).tolist(), other.weight.tolist()) == expected
    assert saved.checkpoint.load()["run"] == "first"


@pytest.mark.parametrize("name", ["epochs", "batches", "seconds"])
@pytest.mark.parametrize("number", [0, -1])
def test_bad_numbers(folder, name, number):
    with pytest.raises(ValueError, match=f"{name} must be a positive number, or None, not {number}"):
        Checkpointing(folder, **{name: number})
