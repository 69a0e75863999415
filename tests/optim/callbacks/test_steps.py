"""Callbacks that change gradients, steps, rates and the loss."""

import numpy as np
import pytest

from pullback import Tensor, nn
from pullback.optim import SGD, Trainer
from pullback.optim.callbacks import AccumulateGradients, ClassWeights, ClipGradients, Schedule

rng = np.random.default_rng(0)
X = rng.normal(size=(23, 3))
Y = rng.normal(size=(23, 2))
LABELS = rng.integers(0, 2, 23)


def linear():
    nn.manual_seed(0)
    return nn.Linear(3, 2).to(np.float64)


def batches(*sizes):
    ends = np.cumsum(sizes)
    return [(Tensor(X[end - size : end]), Tensor(Y[end - size : end])) for size, end in zip(sizes, ends, strict=True)]


def gradient(w, b, x, y):
    """Of the mean squared error of x w^T + b."""
    g = 2 * (x @ w.T + b - y) / y.size
    return g.T @ x, g.sum(0)


def fit(callbacks, data, epochs=1, lr=0.1):
    model = linear()
    optimizer = SGD(model.parameters(), lr=lr)
    Trainer(model, nn.MSELoss(), optimizer, callbacks(optimizer)).fit(data, epochs, progress=False)
    return model.weight.numpy(), model.bias.numpy()


def test_accumulated_batches_are_one_batch_whatever_their_sizes():
    """Steps of batches 0 to 2, and of 3 and 4, the epoch's last."""
    w, b = (p.numpy().copy() for p in linear().parameters())
    for _ in range(2):
        for start, end in ((0, 11), (11, 23)):
            gw, gb = gradient(w, b, X[start:end], Y[start:end])
            w, b = w - 0.1 * gw, b - 0.1 * gb
    found = fit(lambda optimizer: [AccumulateGradients(3)], batches(2, 5, 4, 7, 5), epochs=2)
    np.testing.assert_allclose(found[0], w, rtol=1e-12)
    np.testing.assert_allclose(found[1], b, rtol=1e-12)


def test_steps_of_accumulated_gradients():
    class Count:
        steps = batches = 0

        def on_step_end(self, trainer):
            self.steps += 1

        def on_batch_end(self, trainer, loss):
            self.batches += 1

    count = Count()
    fit(lambda optimizer: [count, AccumulateGradients(2)], batches(5, 5, 5, 5, 3), epochs=3)
    assert (count.steps, count.batches) == (9, 15)


@pytest.mark.parametrize("order", [1, -1])
def test_clipping_sees_the_accumulated_gradient(order):
    w, b = (p.numpy() for p in linear().parameters())
    gw, gb = gradient(w, b, X, Y)
    norm = np.sqrt((gw**2).sum() + (gb**2).sum())
    given = [AccumulateGradients(2), ClipGradients(max_norm=norm / 3)][::order]
    found = fit(lambda optimizer: given, batches(10, 13))
    np.testing.assert_allclose(found[0], w - 0.1 * gw / 3, rtol=1e-5)  # PyTorch's 1e-6 beside the norm
    np.testing.assert_allclose(found[1], b - 0.1 * gb / 3, rtol=1e-5)


def test_clipping_values():
    w, b = (p.numpy() for p in linear().parameters())
    gw, gb = gradient(w, b, X, Y)
    limit = abs(gw).max() / 2
    found = fit(lambda optimizer: [ClipGradients(clip_value=limit)], batches(23))
    np.testing.assert_allclose(found[0], w - 0.1 * np.clip(gw, -limit, limit), rtol=1e-12)
    np.testing.assert_allclose(found[1], b - 0.1 * np.clip(gb, -limit, limit), rtol=1e-12)
    largest = fit(lambda optimizer: [ClipGradients(max_norm=limit, norm_type=np.inf)], batches(23))
    scale = limit / max(abs(gw).max(), abs(gb).max())
    np.testing.assert_allclose(largest[0], w - 0.1 * gw * scale, rtol=1e-5)


class Recording:
    """A scheduler that notes when it is stepped, and with what."""

    def __init__(self):
        self.given = []

    def step(self):
        self.given.append(None)


class Plateau(Recording):
    def step(self, metrics, epoch=None):
        self.given.append(metrics)


def test_schedules():
    every_epoch, every_step, plateau, named = Recording(), Recording(), Plateau(), Plateau()
    callbacks = [
        Schedule(every_epoch),
        Schedule(every_step, "step"),
        Schedule(plateau),
        Schedule(named, monitor="loss"),
        AccumulateGradients(2),
    ]
    model = linear()
    trainer = Trainer(model, nn.MSELoss(), SGD(model.parameters(), lr=0.1), callbacks)
    history = trainer.fit(batches(5, 5, 5), 2, batches(23), progress=False)
    assert len(every_epoch.given) == 2 and len(every_step.given) == 4
    assert plateau.given == history["val_loss"] and named.given == history["loss"]
    trainer.fit(batches(5), 1, progress=False)
    assert plateau.given[2] == history["loss"][2]  # there is no validation now


def test_a_rate_follows_its_schedule():
    class Halve:
        def __init__(self, optimizer):
            self.optimizer = optimizer

        def step(self):
            self.optimizer.param_groups[0]["lr"] /= 2

    w, b = (p.numpy() for p in linear().parameters())
    for lr in (0.1, 0.05, 0.025):
        gw, gb = gradient(w, b, X, Y)
        w, b = w - lr * gw, b - lr * gb
    found = fit(lambda optimizer: [Schedule(Halve(optimizer))], batches(23), epochs=3)
    np.testing.assert_allclose(found[0], w, rtol=1e-12)


def test_class_weights_count_while_training_only():
    x, weight = X, np.array([1.0, 5.0])
    model = linear()
    outputs = x @ model.weight.numpy().T + model.bias.numpy()
    losses = np.log(np.exp(outputs).sum(1)) - outputs[np.arange(23), LABELS]
    shares = weight[LABELS] / weight[LABELS].sum()
    loss = nn.CrossEntropyLoss()
    trainer = Trainer(model, loss, SGD(model.parameters(), lr=0.0), [ClassWeights(weight)])
    history = trainer.fit((x, LABELS), 2, (x, LABELS), batch_size=23, progress=False)
    np.testing.assert_allclose(history["loss"], (shares * losses).sum(), rtol=1e-12)
    np.testing.assert_allclose(history["val_loss"], losses.mean(), rtol=1e-12)
    assert loss.weight is None
    assert trainer.evaluate((x, LABELS))["loss"] == pytest.approx(losses.mean())
    with pytest.raises(ValueError):
        trainer.fit([], 1, progress=False)
    assert loss.weight is None


def test_balanced_class_weights_are_scikit_learns():
    sklearn = pytest.importorskip("sklearn.utils.class_weight")
    labels = rng.integers(0, 4, 50)
    expected = sklearn.compute_class_weight("balanced", classes=np.arange(4), y=labels)
    np.testing.assert_allclose(ClassWeights.balanced(Tensor(labels)).weight, expected, rtol=1e-12)


def test_errors():
    model = linear()
    trainer = Trainer(model, nn.MSELoss(), SGD(model.parameters(), lr=0.1), [ClassWeights([1.0, 2.0])])
    with pytest.raises(TypeError, match="ClassWeights: the loss MSELoss has no weight"):
        trainer.fit(batches(5), 1, progress=False)
    for given in ([[1.0]], [-1.0], [np.nan], 3.0):
        with pytest.raises(ValueError, match="ClassWeights: needs a number of at least 0 for each class"):
            ClassWeights(given)
    with pytest.raises(ValueError, match="ClassWeights: no sample of class 1 of 3"):
        ClassWeights.balanced([0, 2, 2])
    with pytest.raises(ValueError, match="ClassWeights: no sample of class 2 of 3"):
        ClassWeights.balanced([0, 1], 3)
    for given in (0, 1.5, True):
        with pytest.raises(ValueError, match="AccumulateGradients: batches must be a positive integer"):
            AccumulateGradients(given)
    with pytest.raises(ValueError, match="ClipGradients: give max_norm or clip_value"):
        ClipGradients()
    with pytest.raises(ValueError, match="ClipGradients: max_norm must be positive, not -1"):
        ClipGradients(-1)
    with pytest.raises(TypeError, match=r"Schedule: a int has no step\(\)"):
        Schedule(3)
    with pytest.raises(ValueError, match="Schedule: every must be"):
        Schedule(Recording(), "batch")
    with pytest.raises(ValueError, match="Schedule: Plateau needs a score, which there is every 'epoch' only"):
        Schedule(Plateau(), "step")
    with pytest.raises(ValueError, match="Schedule: there is no score 'val_accuracy', but loss, seconds; give fit"):
        fit(lambda optimizer: [Schedule(Plateau(), monitor="val_accuracy")], batches(5))
