import logging
import sys
import threading
from contextlib import nullcontext

import numpy as np
import pytest

from pullback import Tensor, nn, optim
from pullback.nn.data import DataLoader, Subset, TensorDataset
from pullback.optim import SGD, Trainer
from pullback.optim.callbacks import Callback

rng = np.random.default_rng(0)
POINTS = rng.normal(size=(90, 2)).astype(np.float32)
CLASSES = (POINTS[:, 0] > POINTS[:, 1]).astype(np.int64)


def classifier(seed=0, dropout=0.2):
    nn.manual_seed(seed)
    return nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Dropout(dropout), nn.Linear(8, 2))


def trainer_of(model, callbacks=(), lr=0.2):
    return Trainer(model, nn.CrossEntropyLoss(), SGD(model.parameters(), lr=lr, momentum=0.9), callbacks)


def weights(model):
    return b"".join(p.numpy().tobytes() for p in model.parameters())


def train(seed):
    model = classifier(seed)
    trainer_of(model).fit((POINTS, CLASSES), epochs=3, batch_size=16, progress=False)
    return weights(model)


def numpy_scores(model, x, y):
    """Mean cross-entropy and accuracy, computed in plain NumPy."""
    (w, b), (v, c) = ((m.weight.numpy(), m.bias.numpy()) for m in model.children() if isinstance(m, nn.Linear))
    scores = (np.maximum(x @ w.T + b, 0) @ v.T + c).astype(float)
    shares = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
    return -np.log(shares[np.arange(len(y)), y]).mean(), np.mean(scores.argmax(1) == y), scores


def test_fit_learns_and_keeps_a_history():
    trainer = trainer_of(classifier())
    loader = DataLoader(TensorDataset(POINTS[:60], CLASSES[:60]), 8, shuffle=True, generator=0)
    history = trainer.fit(loader, 12, validation=(POINTS[60:], CLASSES[60:]), progress=False)
    assert history is trainer.history
    assert set(history) == {"loss", "accuracy", "val_loss", "val_accuracy", "seconds"}
    assert all(len(entries) == 12 for entries in history.values())
    assert history["loss"][-1] < history["loss"][0] / 2 and history["val_accuracy"][-1] > 0.9
    loss, accuracy, _ = numpy_scores(trainer.model, POINTS[60:], CLASSES[60:])
    np.testing.assert_allclose([history["val_loss"][-1], history["val_accuracy"][-1]], [loss, accuracy], rtol=1e-5)
    assert min(history["seconds"]) > 0
    trainer.fit(loader, 1, progress=False)
    assert trainer.epoch == 13 and len(history["loss"]) == 13 and len(history["val_loss"]) == 12


@pytest.mark.parametrize("batch_size", [1, 7, 90, 1000])
def test_evaluate_weights_batches_by_their_size(batch_size):
    trainer = trainer_of(classifier())
    loss, accuracy, _ = numpy_scores(trainer.model, POINTS, CLASSES)
    dataset = TensorDataset(POINTS, CLASSES)
    for data in ((POINTS, CLASSES), dataset, Subset(dataset, range(90)), DataLoader(dataset, batch_size)):
        scores = trainer.evaluate(data, batch_size=batch_size)
        assert set(scores) == {"loss", "accuracy"}
        np.testing.assert_allclose([scores["loss"], scores["accuracy"]], [loss, accuracy], rtol=1e-5)


def test_losses_while_training_are_weighted_too():
    """With a learning rate of 0 the epoch's loss is that of the unchanged model."""
    trainer = trainer_of(classifier(dropout=0.0), lr=0.0)
    history = trainer.fit((POINTS, CLASSES), 1, batch_size=64, progress=False)
    loss, accuracy, _ = numpy_scores(trainer.model, POINTS, CLASSES)
    np.testing.assert_allclose([history["loss"][0], history["accuracy"][0]], [loss, accuracy], rtol=1e-5)


@pytest.mark.parametrize("batch_size", [1, 32, 1000])
def test_predict(batch_size):
    trainer = trainer_of(classifier())
    expected = numpy_scores(trainer.model, POINTS, CLASSES)[2]
    for x in (
        POINTS,
        POINTS.astype(np.float64),
        Tensor(POINTS),
        (POINTS, CLASSES),
        TensorDataset(POINTS, CLASSES),
        DataLoader(TensorDataset(POINTS), batch_size),
        DataLoader(TensorDataset(POINTS, CLASSES), batch_size),
        [Tensor(POINTS[:50]), Tensor(POINTS[50:])],
    ):
        outputs = trainer.predict(x, batch_size=batch_size)
        assert isinstance(outputs, np.ndarray) and outputs.dtype == np.float32
        np.testing.assert_allclose(outputs, expected, rtol=1e-4, atol=1e-6)


def test_data_come_in_the_models_dtype():
    seen = []

    class Spy(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(np.ones(2))

        def forward(self, x):
            seen.append(x.dtype)
            return x * self.scale

    Trainer(Spy(), nn.CrossEntropyLoss(), None).evaluate((POINTS, CLASSES))
    assert seen == [np.float64]


def test_regression_has_no_accuracy():
    model = nn.Linear(2, 1)
    trainer = Trainer(model, nn.MSELoss(), SGD(model.parameters(), lr=0.1))
    history = trainer.fit((POINTS, POINTS @ np.array([[1.0], [-2.0]]) + 3), 30, progress=False)
    assert set(history) == {"loss", "seconds"} and history["loss"][-1] < 1e-3
    np.testing.assert_allclose(model.weight.numpy(), [[1, -2]], atol=0.05)


def test_a_loader_without_samples():
    trainer = trainer_of(classifier())
    with pytest.raises(ValueError, match="fit: the loader gave no samples"):
        trainer.fit([], 1, progress=False)
    with pytest.raises(ValueError, match="evaluate: the loader gave no samples"):
        trainer.evaluate(iter([]))


# Modes


def test_every_module_has_its_mode_back():
    trainer = trainer_of(classifier())
    layers = list(trainer.model.modules())
    layers[3].eval()
    modes = [layer.training for layer in layers]
    assert modes.count(False) == 1
    trainer.evaluate((POINTS, CLASSES))
    trainer.predict(POINTS)
    trainer.fit((POINTS, CLASSES), 1, validation=(POINTS, CLASSES), progress=False)
    for failing in (
        lambda: trainer.evaluate((POINTS[:, :1], CLASSES)),
        lambda: trainer.predict(POINTS[:, :1]),
        lambda: trainer.fit((POINTS[:, :1], CLASSES), 1, progress=False),
    ):
        with pytest.raises(ValueError):
            failing()
    assert [layer.training for layer in layers] == modes
    assert (Tensor(1.0, requires_grad=True) * 2).requires_grad


def test_training_uses_dropout_and_evaluation_does_not():
    trainer = trainer_of(classifier(dropout=0.9), lr=0.0)
    first, second = trainer.fit((POINTS, CLASSES), 2, progress=False)["loss"]
    assert first != second
    assert trainer.evaluate((POINTS, CLASSES)) == trainer.evaluate((POINTS, CLASSES))


# Callbacks


class Recorder:
    def __init__(self):
        self.events = []

    def on_epoch_start(self, trainer):
        self.events.append(("start", trainer.epoch))

    def on_batch_end(self, trainer, loss):
        assert isinstance(loss, float)
        self.events.append("batch")

    def on_epoch_end(self, trainer):
        self.events.append(("end", trainer.epoch, len(trainer.history["loss"])))


class StopAfter:
    def __init__(self, batches):
        self.left = batches

    def on_batch_end(self, trainer, loss):
        self.left -= 1
        trainer.stop = self.left == 0


def test_callbacks():
    recorder = Recorder()
    trainer_of(classifier(), [recorder]).fit((POINTS, CLASSES), 2, batch_size=45, progress=False)
    assert recorder.events == [
        *(("start", 1), "batch", "batch", ("end", 1, 1)),
        *(("start", 2), "batch", "batch", ("end", 2, 2)),
    ]


def test_a_callback_stops_training():
    recorder = Recorder()
    trainer = trainer_of(classifier(), [recorder, StopAfter(3)])
    history = trainer.fit((POINTS, CLASSES), 9, batch_size=45, progress=False)
    assert recorder.events[-3:] == [("start", 2), "batch", ("end", 2, 2)] and len(history["loss"]) == 2
    trainer.fit((POINTS, CLASSES), 1, progress=False)
    assert len(history["loss"]) == 3


# The progress bar


def test_the_bar_shows_epochs_and_scores(capsys):
    pytest.importorskip("tqdm")
    trainer = trainer_of(classifier())
    history = trainer.fit((POINTS, CLASSES), 2, validation=(POINTS, CLASSES), batch_size=30)
    shown = capsys.readouterr().err
    assert "epoch 1/2: 100%" in shown and "epoch 2/2: 100%" in shown and "3/3" in shown
    for name in ("loss", "accuracy", "val_loss", "val_accuracy"):
        assert f"{name} {history[name][-1]:.4f}" in shown
    trainer.fit((POINTS, CLASSES), 1, progress=False)
    assert capsys.readouterr().err == ""


def test_without_tqdm(monkeypatch):
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    trainer = trainer_of(classifier())
    with pytest.raises(ImportError, match=r"pip install pullback\[train\]"):
        trainer.fit((POINTS, CLASSES), 1)
    trainer.fit((POINTS, CLASSES), 1, progress=False)


# The same again


def test_two_runs_with_one_seed_give_the_same_weights():
    assert train(3) == train(3) != train(4)


def test_two_threads_train_as_one_after_the_other():
    expected = [train(seed) for seed in range(4)]
    found = [b""] * 4
    start = threading.Barrier(4)

    def run(seed):
        start.wait()
        found[seed] = train(seed)

    threads = [threading.Thread(target=run, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == expected


@pytest.mark.parametrize("epochs", [-1, 1.5, True, "2", None])
def test_epochs_that_are_no_number_of_passes(epochs):
    model = nn.Linear(1, 1)
    trainer = Trainer(model, nn.MSELoss(), SGD(model.parameters(), lr=0.1))
    with pytest.raises(ValueError, match="fit: epochs must be"):
        trainer.fit((np.ones((2, 1)), np.ones((2, 1))), epochs, progress=False)
    assert trainer.fit((np.ones((2, 1)), np.ones((2, 1))), 0, progress=False) == {}


def test_without_an_optimizer():
    trainer = Trainer(classifier(), nn.CrossEntropyLoss())
    assert set(trainer.evaluate((POINTS, CLASSES))) == {"loss", "accuracy"}
    with pytest.raises(ValueError, match="fit: the trainer has no optimizer"):
        trainer.fit((POINTS, CLASSES), 1, progress=False)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_loss_that_is_no_number_stops_the_training_before_it_spoils_the_model(bad):
    model = nn.Linear(1, 1)
    trainer = Trainer(model, nn.MSELoss(), SGD(model.parameters(), lr=0.1))
    x = np.ones((6, 1), np.float32)
    y = x.copy()
    y[4] = bad
    batches = [(x[i : i + 2], y[i : i + 2]) for i in (0, 2, 4)]
    with pytest.raises(FloatingPointError, match=r"the loss is (nan|inf) in epoch 1, after 4 samples"):
        trainer.fit(batches, 3, progress=False)
    assert all(np.isfinite(p.numpy()).all() for p in model.parameters())


def test_a_model_with_several_results_and_integer_targets():
    """As a recurrent one with its state: the loss takes them all, and no accuracy is measured."""

    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = classifier(dropout=0)

        def forward(self, x):
            scores = self.body(x)
            return scores, scores.sum()

    model = Two()
    loss = nn.CrossEntropyLoss()
    trainer = Trainer(model, lambda outputs, y: loss(outputs[0], y), SGD(model.parameters(), 0.1))
    history = trainer.fit((POINTS, CLASSES), epochs=2, validation=(POINTS, CLASSES), progress=False)
    assert set(history) == {"loss", "val_loss", "seconds"}
    assert history["val_loss"][-1] == pytest.approx(numpy_scores(model.body, POINTS, CLASSES)[0], rel=1e-5)


# Events


def test_the_order_of_events():
    """As the docstring of `Callback` has it."""
    events = []

    class All:
        def __getattr__(self, name):
            if not name.startswith("on_"):
                raise AttributeError(name)
            return lambda trainer, *details: events.append(f"{name[3:]}{'' if trainer.training else ' (eval)'}")

    trainer_of(classifier(), [All()]).fit((POINTS, CLASSES), 1, (POINTS, CLASSES), batch_size=45, progress=False)
    batch = ["batch_start", "output", "backward", "step_start", "step_end", "batch_end", "settled"]
    evaluation = ["pass_start (eval)", "output (eval)", "output (eval)", "pass_end (eval)"]
    expected = ["train_start", "epoch_start", "pass_start", *batch, *batch, "pass_end", *evaluation]
    expected += ["epoch_end", "settled", "train_end", "settled", "close"]
    assert events == expected
    listed = [line.split("(")[0].strip() for line in Callback.__doc__.splitlines() if line.strip().startswith("on_")]
    begun = [f"on_{name}" for name in expected[: expected.index("settled") + 1]]
    ended = ["on_pass_end", "on_epoch_end", "on_settled", "on_interrupt", "on_train_end", "on_settled", "on_close"]
    assert listed == begun + ended
    assert set(listed) == {name for name in vars(Callback) if name.startswith("on_")}


def test_callbacks_of_the_class_and_others_are_the_same():
    class Inherited(Callback):
        epochs = 0

        def on_epoch_end(self, trainer):
            self.epochs += 1

    callback = Inherited()
    trainer_of(classifier(), [callback, Recorder()]).fit((POINTS, CLASSES), 2, progress=False)
    assert callback.epochs == 2


def test_a_step_that_is_held_back():
    class Hold:
        def on_backward(self, trainer):
            trainer.step_due = False

    model = classifier()
    before = weights(model)
    trainer = trainer_of(model, [Hold()])
    trainer.fit((POINTS, CLASSES), 1, progress=False)
    assert weights(model) == before
    trainer.step()
    assert weights(model) != before


def test_callbacks_are_closed_by_an_error_too():
    class Closed:
        count = 0

        def on_close(self, trainer):
            self.count += 1

    closed = Closed()
    trainer = trainer_of(classifier(), [closed])
    with pytest.raises(ValueError):
        trainer.fit([], 1, progress=False)
    assert closed.count == 1 and not trainer.training
    trainer.fit((POINTS, CLASSES), 1, progress=False)
    assert closed.count == 2


# Losses that are no numbers


def poisoned(batches, where):
    """Batches of ones; at the places `where` there is a NaN in the input."""
    x = np.ones((2, 1), np.float32)
    return [(Tensor(np.full_like(x, np.nan) if i in where else x), Tensor(x)) for i in range(batches)]


@pytest.mark.parametrize("nonfinite", ["raise", "skip"])
def test_a_bad_batch_changes_neither_parameters_nor_buffers(nonfinite):
    nn.manual_seed(0)
    models = [nn.Sequential(nn.BatchNorm1d(1), nn.Linear(1, 1)) for _ in range(2)]
    models[1].load_state_dict(models[0].state_dict())
    trainers = [Trainer(model, nn.MSELoss(), SGD(model.parameters(), lr=0.1), nonfinite=nonfinite) for model in models]
    with pytest.raises(FloatingPointError) if nonfinite == "raise" else nullcontext():
        trainers[0].fit(poisoned(3, {1}) if nonfinite == "skip" else poisoned(2, {1}), 1, progress=False)
    trainers[1].fit(poisoned(2 if nonfinite == "skip" else 1, ()), 1, progress=False)
    for ours, theirs in zip(*(model.state_dict().values() for model in models), strict=True):
        assert np.array(ours).tobytes() == np.array(theirs).tobytes()
    if nonfinite == "skip":
        assert trainers[0].history["loss"] == trainers[1].history["loss"]


def test_skipped_batches_are_told(caplog):
    recorder = Recorder()
    model = nn.Linear(1, 1)
    trainer = Trainer(model, nn.MSELoss(), SGD(model.parameters(), lr=0.1), [recorder], nonfinite="skip")
    trainer.fit(poisoned(4, {0, 2}), 1, progress=False)
    assert recorder.events.count("batch") == 2
    assert [r.name for r in caplog.records] == ["pullback"] * 2 and "the batch is skipped" in caplog.text
    with pytest.raises(FloatingPointError, match="fit: no batch of epoch 2 has a finite loss"):
        trainer.fit(poisoned(2, {0, 1}), 1, progress=False)
    with pytest.raises(ValueError, match="nonfinite must be 'raise' or 'skip', not 'ignore'"):
        Trainer(model, nn.MSELoss(), None, nonfinite="ignore")


# Lines in a log


def test_verbose(capsys):
    trainer = trainer_of(classifier())
    logger = logging.getLogger("pullback")
    before = logger.handlers[:], logger.level
    handlers, root = logging.root.handlers[:], logging.getLogger()
    root.handlers[:] = []  # those of pytest
    try:
        history = trainer.fit((POINTS, CLASSES), 2, progress=False, verbose=True)
    finally:
        root.handlers[:] = handlers
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith(f"epoch 1/2: loss {history['loss'][0]:.4g}, accuracy ") and len(lines) == 2
    assert (logger.handlers, logger.level) == before


def test_verbose_where_logging_is_set_up(caplog, capsys):
    trainer = trainer_of(classifier())
    trainer.fit((POINTS, CLASSES), 1, progress=False, verbose=True)
    trainer.fit((POINTS, CLASSES), 1, progress=False)
    assert [(r.name, r.levelname) for r in caplog.records] == [("pullback", "INFO")]
    assert caplog.records[0].getMessage().startswith("epoch 1/1: loss ") and capsys.readouterr().err == ""


def test_an_optimizer_that_evaluates_several_times_gets_the_batch_again():
    """LBFGS with a line search solves least squares; what changes gradients is refused."""
    rng = np.random.default_rng(0)
    x, solution = rng.normal(size=(40, 3)), np.array([[1.0], [-2.0], [0.5]])
    model = nn.Linear(3, 1, bias=False, dtype=np.float64)
    ends = {"tolerance_grad": 0, "tolerance_change": 0}
    optimizer = optim.LBFGS(model.parameters(), max_iter=20, line_search_fn="strong_wolfe", **ends)
    trainer = optim.Trainer(model, nn.MSELoss(), optimizer)
    history = trainer.fit((x, x @ solution), epochs=4, batch_size=40, progress=False)
    np.testing.assert_allclose(model.weight.numpy(), solution.T, atol=1e-8)
    assert history["loss"][-1] < 1e-15 < history["loss"][0]
    for callback in (optim.callbacks.ClipGradients(1.0), optim.callbacks.AccumulateGradients(2)):
        with pytest.raises(ValueError, match=f"{type(callback).__name__}: LBFGS computes gradients of its own"):
            optim.Trainer(model, nn.MSELoss(), optimizer, [callback]).fit((x, x @ solution), 1, progress=False)
