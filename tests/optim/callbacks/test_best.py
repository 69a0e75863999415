"""Callbacks that watch a score: early stopping and the best weights."""

import numpy as np
import pytest

from pullback import nn
from pullback.optim import SGD, Trainer
from pullback.optim.callbacks import EarlyStopping, KeepBest, Monitor


class Scripted:
    """Scores "loss" and "accuracy" as they are written here, and a weight that is the number of the epoch."""

    def __init__(self, losses):
        self.losses = losses

    def on_pass_end(self, trainer, scores):
        scores["loss"] = self.losses[trainer.epoch - 1]
        scores["accuracy"] = -scores["loss"]

    def on_epoch_end(self, trainer):
        trainer.model.weight.data[...] = trainer.epoch


def run(losses, *callbacks, epochs=None):
    model = nn.Linear(1, 1, bias=False)
    trainer = Trainer(model, nn.MSELoss(), SGD(model.parameters(), lr=0.0), [Scripted(losses), *callbacks])
    trainer.fit((np.ones((2, 1)), np.ones((2, 1))), epochs or len(losses), progress=False)
    return trainer


nan = float("nan")


@pytest.mark.parametrize(
    "losses, options, ends, best",
    [
        ([3, 2, 1, 0], {"patience": 1}, 4, 4),
        ([3, 2, 2, 0], {"patience": 1}, 3, 2),
        ([3, 2, 2, 2.5, 1, 1, 1, 1], {"patience": 3}, 8, 5),
        ([3, 2, 2, 2.5, 1, 1, 1, 0], {"patience": 2}, 4, 2),
        ([3, 2.9, 2.8, 2.7, 2.6], {"patience": 3, "min_delta": 0.25}, 5, 4),
        ([3, 2.75, 2.5], {"patience": 2, "min_delta": 0.25}, 3, 3),
        ([-3, -4, -2, -2], {"patience": 2, "monitor": "accuracy"}, 4, 2),
        ([1, 2, 3, 3], {"patience": 1, "mode": "max"}, 4, 3),
        ([nan, 2, nan, 1, nan, nan], {"patience": 2}, 6, 4),
        ([nan, nan, 1], {"patience": 2}, 2, 0),
    ],
)
def test_early_stopping(losses, options, ends, best):
    stopping = EarlyStopping(**options)
    trainer = run(losses, stopping)
    assert (trainer.epoch, stopping.best_epoch) == (ends, best)
    assert stopping.best is None if best == 0 else abs(stopping.best) == abs(losses[best - 1])
    assert trainer.model.weight.item() == ends


def test_another_fit_has_its_patience_again():
    stopping = EarlyStopping(patience=2)
    trainer = run([1, 2, 3, 4, 5, 6], stopping)
    assert trainer.epoch == 3
    trainer.fit((np.ones((2, 1)), np.ones((2, 1))), 3, progress=False)
    assert trainer.epoch == 5


def test_patience_goes_on_with_a_state():
    first, second = EarlyStopping(patience=3), EarlyStopping(patience=3)
    run([1, 2, 3], first)
    second.load_state_dict(first.state_dict())
    assert run([4, 5, 6], second).epoch == 1 and second.best == 1


@pytest.mark.parametrize("kind", [lambda: EarlyStopping(patience=2, restore_best=True), KeepBest])
def test_the_best_weights_come_back(kind):
    callback = kind()
    assert run([3, 1, 2, 2, 5], callback).model.weight.item() == 2 == callback.best_epoch
    assert callback.weights["weight"].tolist() == [[2.0]]
    assert run([nan, nan], kind()).model.weight.item() == 2  # there is no best one


def test_best_weights_on_disk(tmp_path):
    pytest.importorskip("safetensors")
    path = tmp_path / "best.safetensors"
    trainer = run([3, 1, 2], KeepBest(path=path, restore=False))
    assert trainer.model.weight.item() == 3 and nn.load(path)["weight"].tolist() == [[2.0]]


def test_validation_comes_first():
    best = KeepBest()
    model = nn.Linear(1, 1)
    trainer = Trainer(model, nn.MSELoss(), SGD(model.parameters(), lr=0.1), [best])
    data = np.ones((4, 1)), np.zeros((4, 1))
    history = trainer.fit(data, 2, validation=data, progress=False)
    assert best.best == min(history["val_loss"])


def test_errors():
    for name in ("val_bleu", "mine"):
        with pytest.raises(ValueError, match=f"is '{name}' better when it is smaller or larger"):
            EarlyStopping(name)
    assert [Monitor(name).mode for name in ("val_loss", "mae", "val_accuracy", "top5", "f1")] == [
        *["min"] * 2, *["max"] * 3,
    ]  # fmt: skip
    assert Monitor("mine", mode="max").mode == "max"
    with pytest.raises(ValueError, match="EarlyStopping: there is no score 'val_loss', but .*give fit a valid"):
        run([1], EarlyStopping("val_loss"))
    for options, message in (
        ({"mode": "best"}, "mode must be 'min' or 'max'"),
        ({"min_delta": -1}, "min_delta must not be negative, but is -1"),
        ({"patience": 0}, "patience must be a positive integer, not 0"),
        ({"patience": 1.5}, "patience must be a positive integer"),
    ):
        with pytest.raises(ValueError, match=f"EarlyStopping: {message}"):
            EarlyStopping(**options)
