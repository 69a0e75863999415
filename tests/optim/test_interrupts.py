"""Ctrl-C while training."""

import os
import signal
import threading

import numpy as np
import pytest

from pullback import nn
from pullback.optim import SGD, Trainer
from pullback.optim.interrupts import DeferredInterrupt

X = np.linspace(-1, 1, 8, dtype=np.float32).reshape(8, 1)
DATA = X, 3 * X


@pytest.fixture(autouse=True)
def pythons_handler():
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # shells let what is in the background ignore it
    yield
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    signal.signal(signal.SIGINT, before)


def press():
    signal.raise_signal(signal.SIGINT)


def pressed():
    raise KeyboardInterrupt


class At:
    """Does something at an event of an epoch, when so many batches of it are done."""

    def __init__(self, event, epoch, batch, action):
        self.epoch, self.batch, self.action, self.events = epoch, batch, action, []
        setattr(self, event, self.here)

    def here(self, trainer, *details):
        if (trainer.epoch, trainer.batch) == (self.epoch, self.batch):
            self.action()

    def __getattr__(self, name):
        if not name.startswith("on_"):
            raise AttributeError(name)
        return lambda trainer, *details: self.events.append(name)


def fit(*callbacks, epochs=3, seed=0):
    nn.manual_seed(seed)
    model = nn.Linear(1, 1)
    trainer = Trainer(model, nn.MSELoss(), SGD(model.parameters(), lr=0.1), callbacks)
    trainer.fit(DATA, epochs, validation=DATA, batch_size=2, progress=False)
    return trainer


@pytest.mark.parametrize("action", [press, pressed], ids=["signal", "raised"])
def test_fit_ends_with_what_was_learned(action, caplog):
    callback = At("on_batch_end", 2, 3, action)
    trainer = fit(callback)
    assert trainer.epoch == 2 and trainer.interrupted == [2]
    assert [len(values) for values in trainer.history.values()] == [2, 2, 2]
    assert np.isfinite(trainer.history["loss"]).all() and np.isnan(trainer.history["val_loss"]).tolist() == [
        False,
        True,
    ]
    before = "on_settled" if action is press else "on_step_end"
    assert callback.events[-6:] == [
        before, "on_interrupt", "on_settled", "on_pass_end", "on_train_end", "on_close"
    ]  # fmt: skip
    assert "interrupted in epoch 2, after 3 batches" in caplog.text
    assert trainer.model.training and not trainer.training
    trainer.fit(DATA, 1, validation=DATA, progress=False)
    assert trainer.epoch == 3 and np.isfinite(trainer.history["val_loss"][2])


def test_the_batch_is_finished_first():
    """Pressed in the middle of a step, the model has made all of it."""

    class Pressing(SGD):
        def step(self, closure=None):
            if self.param_groups[0]["params"][0].grad is not None and not self.pressed:
                self.pressed = True
                press()
            return super().step(closure)

    nn.manual_seed(0)
    one, two = nn.Linear(1, 1), nn.Linear(1, 1)
    two.load_state_dict(one.state_dict())
    optimizer = Pressing(one.parameters(), lr=0.1)
    optimizer.pressed = False
    history = Trainer(one, nn.MSELoss(), optimizer).fit([DATA, DATA], 3, progress=False)
    Trainer(two, nn.MSELoss(), SGD(two.parameters(), lr=0.1)).fit([DATA], 1, progress=False)
    assert len(history["loss"]) == 1
    for ours, theirs in zip(one.parameters(), two.parameters(), strict=True):
        assert ours.numpy().tobytes() == theirs.numpy().tobytes()


def test_a_second_one_goes_through():
    closed = At("on_batch_end", 1, 1, lambda: (press(), press()))
    with pytest.raises(KeyboardInterrupt):
        fit(closed)
    assert closed.events[-1] == "on_close" and "on_train_end" not in closed.events
    slow = At("on_interrupt", 1, 1, press)  # while a callback saves something, say
    with pytest.raises(KeyboardInterrupt):
        fit(At("on_batch_end", 1, 1, press), slow)


def test_none_is_lost():
    with pytest.raises(KeyboardInterrupt):
        fit(At("on_close", 3, 0, press))
    with pytest.raises(KeyboardInterrupt), DeferredInterrupt():
        press()


@pytest.mark.parametrize("event", ["on_output", "on_pass_end"])
def test_during_an_evaluation(event):
    """The epoch's training is over; its scores are kept, those of the evaluation are not there."""

    class InValidation(At):
        def here(self, trainer, *details):
            if trainer.epoch == 2 and not trainer.training:
                self.action()

    trainer = fit(InValidation(event, 2, 4, press))
    if event == "on_output":
        assert trainer.interrupted == [2] and np.isnan(trainer.history["val_loss"][1])
        assert trainer.history["loss"] == fit(epochs=2).history["loss"]
    else:  # the last check is behind it, so the epoch is whole
        assert trainer.interrupted == [] and len(trainer.history["val_loss"]) == 2


def test_before_the_first_batch_of_an_epoch():
    trainer = fit(At("on_epoch_start", 2, 0, pressed))
    assert trainer.epoch == 1 and len(trainer.history["loss"]) == 1 and trainer.interrupted == []


def test_what_was_saved_at_an_interrupt_goes_on_as_if_there_had_been_none():
    class Save:
        def __init__(self):
            self.due, self.saved = False, None

        def on_interrupt(self, trainer):
            self.due = True

        def on_settled(self, trainer):
            if self.due:
                self.due = False
                weights = {name: np.array(value) for name, value in trainer.model.state_dict().items()}
                self.saved = trainer.state_dict(), weights

    whole = fit()
    for event, batch in (("on_batch_end", 3), ("on_output", 2), ("on_batch_end", 4), ("on_pass_end", 4)):
        save = Save()
        fit(At(event, 2, batch, press), save)
        state, weights = save.saved
        state["callbacks"] = []
        nn.manual_seed(7)
        model = nn.Linear(1, 1)
        trainer = Trainer(model, nn.MSELoss(), SGD(model.parameters(), lr=0.1))
        trainer.load_state_dict(state)
        model.load_state_dict(weights)
        trainer.fit(DATA, 3, validation=DATA, batch_size=2, progress=False)
        assert trainer.interrupted == []
        assert [trainer.history[name] for name in ("loss", "val_loss")] == [
            whole.history[name] for name in ("loss", "val_loss")
        ]


def test_other_handlers_stay():
    seen = []
    signal.signal(signal.SIGINT, lambda number, frame: seen.append(number))
    try:
        assert len(fit(At("on_batch_end", 1, 1, press)).history["loss"]) == 3 and seen == [signal.SIGINT]
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    found = []
    thread = threading.Thread(target=lambda: found.append(fit()))
    thread.start()
    thread.join()
    assert len(found[0].history["loss"]) == 3


def test_a_signal_from_outside():
    trainer = fit(At("on_batch_end", 1, 2, lambda: os.kill(os.getpid(), signal.SIGINT)))
    assert trainer.interrupted == [1]
