"""What optimizers, schedulers, callbacks and metrics say of themselves: the options that they were made with."""

import inspect

import pytest

from pullback import Tensor
from pullback.optim import SGD, callbacks, lr_scheduler
from pullback.optim.callbacks import (
    F1,
    MAE,
    AccumulateGradients,
    Callback,
    Checkpointing,
    ClassWeights,
    ClipGradients,
    EarlyStopping,
    HistoryFile,
    KeepBest,
    Metrics,
    Schedule,
    TopK,
)


class Mine(Callback):
    def __init__(self, path, every=2):
        self.path, self.every = path, every


def optimizer():
    return SGD([Tensor([1.0], requires_grad=True)], lr=0.5)


def test_callbacks(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for made, expected in (
        (Callback(), "Callback()"),
        (Mine("out"), "Mine(path='out', every=2)"),
        (AccumulateGradients(4), "AccumulateGradients(batches=4)"),
        (ClassWeights([1.0, 3.0]), "ClassWeights(weight=[1., 3.])"),
        (ClipGradients(1.5), "ClipGradients(max_norm=1.5, norm_type=2.0)"),
        (EarlyStopping(patience=5), "EarlyStopping(patience=5, mode='min', min_delta=0.0, restore_best=False)"),
        (
            KeepBest("val_accuracy", "best.safetensors", restore=False),
            "KeepBest(monitor='val_accuracy', path='best.safetensors', mode='max', min_delta=0.0, restores=False)",
        ),
        (Metrics(top=TopK(3), f1=F1(), mae=MAE()), "Metrics(top=TopK(k=3), f1=F1(average='macro'), mae=MAE())"),
        (
            Schedule(lr_scheduler.StepLR(optimizer(), 3), "step"),
            "Schedule(scheduler=StepLR(step_size=3, gamma=0.1, last_epoch=0, lr=[0.5]), every='step')",
        ),
        (Checkpointing("saved", batches=10), "Checkpointing(directory='saved', keep=3, epochs=1, batches=10)"),
    ):
        assert repr(made) == expected
    assert repr(HistoryFile("h.json")).startswith("HistoryFile(path=") and "h.json" in repr(HistoryFile("h.json"))


def half(epoch):
    return 0.5**epoch


@pytest.mark.parametrize(
    "make, expected",
    [
        (lambda o: lr_scheduler.LambdaLR(o, half), "LambdaLR(lr_lambdas=[half], last_epoch=0, lr=[0.5])"),
        (lambda o: lr_scheduler.ExponentialLR(o, 0.9), "ExponentialLR(gamma=0.9, last_epoch=0, lr=[0.5])"),
        (
            lambda o: lr_scheduler.CosineAnnealingLR(o, 8, 0.1),
            "CosineAnnealingLR(T_max=8, eta_min=0.1, last_epoch=0, lr=[0.5])",
        ),
        (
            lambda o: lr_scheduler.ReduceLROnPlateau(o, patience=2),
            "ReduceLROnPlateau(mode='min', factor=0.1, patience=2, threshold=0.0001, threshold_mode='rel', cooldown=0, "
            "min_lrs=[0.0], eps=1e-08, last_epoch=0, lr=[0.5])",
        ),
        (
            lambda o: lr_scheduler.SequentialLR(o, [lr_scheduler.ExponentialLR(o, 0.9)] * 2, [4]),
            "milestones=[4], last_epoch=0, lr=[0.5])",
        ),
    ],
)
def test_schedulers(make, expected):
    assert repr(make(optimizer())).endswith(expected)


def test_none_says_where_it_is_in_memory():
    """No public class falls back to object's repr."""
    for module in (callbacks, lr_scheduler):
        kinds = [kind for name in module.__all__ if inspect.isclass(kind := getattr(module, name))]
        assert all(kind.__repr__ is not object.__repr__ for kind in kinds if kind is not callbacks.Training)
