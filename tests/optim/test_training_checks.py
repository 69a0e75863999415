"""Mistakes in what a trainer is given, each of which would train nothing, or not as meant."""

import numpy as np
import pytest

from pullback import nn, optim
from pullback.optim import SGD, Trainer, lr_scheduler
from pullback.optim.callbacks import EarlyStopping

X, Y = np.ones((4, 2), np.float32), np.zeros(4, np.int64)


def parts():
    model = nn.Linear(2, 2)
    return model, nn.CrossEntropyLoss(), SGD(model.parameters(), lr=0.1)


def fit(model, loss, optimizer, data=(X, Y), callbacks=()):
    return Trainer(model, loss, optimizer, callbacks).fit(data, 1, progress=False)


@pytest.mark.parametrize(
    "callbacks, match",
    [
        ([EarlyStopping], r"a callback is an object, not a class; write EarlyStopping\(\.\.\.\)"),
        (EarlyStopping(), r"callbacks must be a list, not a EarlyStopping; write \[EarlyStopping\(patience=3"),
        (["early stopping"], "a str has none of the events of a Callback"),
    ],
)
def test_callbacks(callbacks, match):
    with pytest.raises(TypeError, match=match):
        Trainer(*parts(), callbacks)


def test_a_scheduler_is_no_callback():
    model, loss, optimizer = parts()
    with pytest.raises(TypeError, match=r"a StepLR has none of the events of a Callback; write Schedule\(StepLR"):
        Trainer(model, loss, optimizer, [lr_scheduler.StepLR(optimizer, 1)])


def test_an_object_with_one_event_is_a_callback():
    class Counts:
        batches = 0

        def on_batch_end(self, trainer, loss):
            self.batches += 1

    counts = Counts()
    fit(*parts(), callbacks=[counts])
    assert counts.batches == 1


def test_optimizers():
    model, loss, _ = parts()
    with pytest.raises(TypeError, match="the trainer's optimizer is the class SGD; write"):
        fit(model, loss, SGD)
    with pytest.raises(TypeError, match="the trainer's optimizer is a str; write"):
        fit(model, loss, "sgd")
    with pytest.raises(ValueError, match="SGD has no parameter of the model, which would never change"):
        fit(model, loss, SGD(nn.Linear(2, 2).parameters()))


def test_an_optimizer_of_the_losss_parameters():
    class Scaled(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(np.ones(1, np.float32))

        def forward(self, output, target):
            return (self.scale * output).square().mean()

    loss = Scaled()
    fit(nn.Linear(2, 2), loss, SGD(loss.parameters(), lr=0.1))
    assert loss.scale.item() < 1


def test_one_array():
    for data in (X, nn.Parameter(X)):
        with pytest.raises(TypeError, match=r"arrays \(x, y\), not one array of shape \(4, 2\)"):
            fit(*parts(), data=data)


def test_a_group_without_parameters():
    with pytest.raises(ValueError, match="Adam: a parameter group needs 'params', and has lr"):
        optim.Adam([{"lr": 0.1}])
