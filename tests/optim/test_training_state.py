"""A training that goes on from a saved state ends as one that was never broken off."""

import json

import numpy as np
import pytest

from pullback import Tensor, nn
from pullback.nn.data import DataLoader, TensorDataset
from pullback.optim import SGD, Adam, Trainer
from pullback.optim.callbacks import (
    MAE,
    AccumulateGradients,
    EarlyStopping,
    HistoryFile,
    KeepBest,
    Metrics,
    Schedule,
    TopK,
)

rng = np.random.default_rng(0)
POINTS = rng.normal(size=(52, 2)).astype(np.float32)
CLASSES = (POINTS[:, 0] > POINTS[:, 1]).astype(np.int64)


class Decay:
    """A scheduler with a state, as users write one."""

    def __init__(self, optimizer, factor):
        self.optimizer, self.factor, self.steps = optimizer, factor, 0

    def step(self):
        self.steps += 1
        for group in self.optimizer.param_groups:
            group["lr"] *= self.factor

    def state_dict(self):
        return {"steps": self.steps}

    def load_state_dict(self, state):
        self.steps = state["steps"]


class Positioned:
    """A loader with a state: shuffled by a generator of its own, whose position it can go back to."""

    def __init__(self):
        self.random = np.random.default_rng(5)
        self.begun, self.at, self.fresh = self.random.bit_generator.state, 0, True

    def __iter__(self):
        if self.fresh:
            self.begun, self.at = self.random.bit_generator.state, 0
        self.random.bit_generator.state = self.begun
        order = self.random.permutation(52)
        self.fresh = True
        while self.at < 4:
            self.at += 1
            chosen = order[13 * (self.at - 1) : 13 * self.at]
            yield Tensor(POINTS[chosen]), Tensor(CLASSES[chosen])
        self.begun, self.at = self.random.bit_generator.state, 0

    def state_dict(self):
        return {"begun": self.begun, "at": self.at}

    def load_state_dict(self, state):
        self.begun, self.at, self.fresh = state["begun"], state["at"], False


class Drawn:
    """A loader without a state, whose order comes from the generator that dropout draws from, too."""

    def __iter__(self):
        order = nn.init.generator().permutation(52)
        for i in range(0, 52, 13):
            yield Tensor(POINTS[order[i : i + 13]]), Tensor(CLASSES[order[i : i + 13]])


class Snapshots:
    """Copies of all states, at every moment at which they may be saved."""

    def __init__(self):
        self.taken = []

    def on_settled(self, trainer):
        weights = {name: np.array(value) for name, value in trainer.model.state_dict().items()}
        self.taken.append((trainer.state_dict(), weights, trainer.optimizer.state_dict()))


def trained(loader, callbacks, taken=None, epochs=3):
    """A trainer after `fit`, from a snapshot on if one is given, and the snapshots taken on the way."""
    nn.manual_seed(0)
    body = [nn.Linear(2, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Dropout(0.3), nn.Linear(6, 2)]
    model = nn.Sequential(*body)
    optimizer = Adam(model.parameters(), lr=0.05)
    snapshots = Snapshots()
    trainer = Trainer(model, nn.CrossEntropyLoss(), optimizer, [*callbacks(optimizer), snapshots])
    if taken is not None:
        nn.manual_seed(1)
        state, weights, moments = taken
        trainer.load_state_dict(state)
        model.load_state_dict(weights)
        optimizer.load_state_dict(moments)
    trainer.fit(loader(), epochs, validation=(POINTS, CLASSES), batch_size=13, progress=False)
    return trainer, snapshots.taken


def ending(trainer):
    """Weights to the bit, and the history but for its seconds."""
    history = {name: values for name, values in trainer.history.items() if name != "seconds"}
    return b"".join(np.array(value).tobytes() for value in trainer.model.state_dict().values()), history


LOADERS = {
    "arrays": lambda: (POINTS, CLASSES),
    "shuffled": lambda: DataLoader(TensorDataset(POINTS, CLASSES), 13, shuffle=True),
    "list": lambda: [(Tensor(POINTS[i : i + 13]), Tensor(CLASSES[i : i + 13])) for i in range(0, 52, 13)],
    "drawn": Drawn,
    "positioned": Positioned,
}


@pytest.mark.parametrize("loader", LOADERS.values(), ids=LOADERS)
def test_goes_on_from_every_moment(loader):
    whole, snapshots = trained(loader, lambda optimizer: [])
    assert len(snapshots) == 3 * (4 + 1) + 1
    for taken in snapshots:
        assert ending(trained(loader, lambda optimizer: [], taken)[0]) == ending(whole)


def test_callbacks_go_on_too(tmp_path):
    def callbacks(optimizer):
        return [
            AccumulateGradients(3),
            Metrics(top1=TopK(1), mae=lambda output, target: abs(output).mean()),
            Schedule(Decay(optimizer, 0.9), "step"),
            Schedule(Decay(optimizer, 0.5)),
            EarlyStopping("val_loss", 2, restore_best=True),
            KeepBest("val_accuracy"),
            HistoryFile(tmp_path / "history.csv"),
        ]

    def rows():
        return [line.rpartition(",")[0] for line in (tmp_path / "history.csv").read_text().splitlines()]

    whole, snapshots = trained(LOADERS["arrays"], callbacks)
    expected = rows()
    assert {"top1", "val_mae"} <= whole.history.keys() and len(expected) == 4
    for taken in snapshots:
        trainer, _ = trained(LOADERS["arrays"], callbacks, taken)
        assert ending(trainer) == ending(whole) and rows() == expected
        for ours, theirs in zip(trainer.callbacks[2:4], whole.callbacks[2:4], strict=True):
            assert ours.scheduler.steps == theirs.scheduler.steps


def test_the_state_is_data():
    def check(value):
        if isinstance(value, dict):
            assert all(isinstance(key, str) for key in value)
            value = list(value.values())
        if isinstance(value, list):
            return [check(part) for part in value]
        return None if isinstance(value, np.ndarray) else json.loads(json.dumps(value))

    best = EarlyStopping(restore_best=True)
    _, snapshots = trained(Positioned, lambda optimizer: [AccumulateGradients(3), Metrics(top1=TopK(1)), best])
    for state, _, _ in snapshots:
        check(state)
    first, last = snapshots[0][0], snapshots[-1][0]
    assert first["epoch"] == 1 and first["running"]["batch"] == 1 and first["start"] == 0
    assert first["loader"]["at"] == 1 and first["history"] == {}
    assert last["epoch"] == 3 and last["running"] is None and len(last["history"]["loss"]) == 3


def test_a_state_of_a_finished_training_is_at_its_end():
    """The same `fit` has nothing left to do, a longer one the rest, and one between two begins anew."""
    whole, snapshots = trained(LOADERS["arrays"], lambda optimizer: [])
    assert len(trained(LOADERS["arrays"], lambda optimizer: [], snapshots[-1])[0].history["loss"]) == 3
    assert len(trained(LOADERS["arrays"], lambda optimizer: [], snapshots[-1], epochs=5)[0].history["loss"]) == 5
    between = (whole.state_dict(), *snapshots[-1][1:])
    again = trained(LOADERS["arrays"], lambda optimizer: [], between)[0]
    assert again.epoch == 6 and len(again.history["loss"]) == 6


def test_a_training_that_was_told_to_stop_stays_stopped():
    class Stop:
        def on_batch_end(self, trainer, loss):
            trainer.stop = trainer.epoch == 2 and trainer.batch == 3

    whole, snapshots = trained(LOADERS["arrays"], lambda optimizer: [Stop()])
    assert whole.epoch == 2
    for taken in snapshots[6:]:
        assert ending(trained(LOADERS["arrays"], lambda optimizer: [Stop()], taken)[0]) == ending(whole)


def test_seconds_of_an_epoch_go_on():
    _, snapshots = trained(LOADERS["list"], lambda optimizer: [])
    state, weights, moments = snapshots[2]
    state["running"]["seconds"] = 1000.0
    resumed, _ = trained(LOADERS["list"], lambda optimizer: [], (state, weights, moments))
    assert resumed.history["seconds"][0] > 1000 > resumed.history["seconds"][1]


def test_states_that_do_not_fit():
    model = nn.Linear(1, 1)

    def trainer(*callbacks):
        return Trainer(model, nn.MSELoss(), SGD(model.parameters(), lr=0.1), callbacks)

    state = trainer(KeepBest("loss")).state_dict()
    with pytest.raises(ValueError, match=r"callbacks \['KeepBest'\] given for \['EarlyStopping'\]"):
        trainer(EarlyStopping()).load_state_dict(state)
    with pytest.raises(ValueError, match="Trainer: the state lacks callbacks, epoch, history"):
        trainer().load_state_dict({})
    measured = trainer(KeepBest("loss"), Metrics(mae=MAE()))
    measured.callbacks[0].best = 7.0
    state = trainer(KeepBest("loss"), Metrics(other=MAE())).state_dict()
    with pytest.raises(ValueError, match="Metrics: state of other given for mae"):
        measured.load_state_dict(state)
    assert measured.callbacks[0].best == 7.0  # nothing is changed
    _, snapshots = trained(Positioned, lambda optimizer: [])
    with pytest.raises(ValueError, match="of a loader with a state, not of"):
        trained(LOADERS["list"], lambda optimizer: [], snapshots[0])


def test_a_copy_is_not_written_to():
    _, snapshots = trained(LOADERS["list"], lambda optimizer: [])
    assert [len(state["history"].get("loss", [])) for state, _, _ in snapshots] == [0] * 4 + [1] * 5 + [2] * 5 + [3] * 2
