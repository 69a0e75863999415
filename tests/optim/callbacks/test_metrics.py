"""Metrics over batches of any sizes are those of all samples at once."""

import numpy as np
import pytest

from pullback import Tensor, nn
from pullback.optim import SGD, Trainer
from pullback.optim.callbacks import F1, MAE, Accuracy, ConfusionMatrix, Metric, Metrics, TopK

rng = np.random.default_rng(0)
SCORES = rng.normal(size=(61, 5)).astype(np.float32)
LABELS = rng.integers(0, 4, 61)  # class 4 has no sample
MAPS, MAP_LABELS = rng.normal(size=(7, 3, 2, 2)), rng.integers(0, 3, (7, 2, 2))


def over_batches(metric, output, target, sizes=(1, 20, 37, 3)):
    ends = np.cumsum(sizes)
    for part, labels in zip(np.split(output, ends), np.split(target, ends), strict=True):
        if len(part):
            metric.update(Tensor(part), Tensor(labels))
    return metric.compute()


@pytest.mark.parametrize("average", ["macro", "micro", "weighted", None])
def test_f1_is_scikit_learns(average):
    sklearn = pytest.importorskip("sklearn.metrics")
    for labels in (LABELS, LABELS % 2):  # with classes that occur in answers alone
        expected = sklearn.f1_score(labels, SCORES.argmax(1), average=average, zero_division=0)
        np.testing.assert_allclose(over_batches(F1(average), SCORES, labels), expected, rtol=1e-12)


def test_macro_f1_leaves_out_classes_that_do_not_occur():
    """Two classes of three: F1 of class 0 is 2*1/(2*1+1+0), of class 1 2*1/(2*1+0+1)."""
    scores = np.eye(3)[[0, 0, 1]]
    assert over_batches(F1(), scores, np.array([0, 1, 1]), (3,)) == pytest.approx(2 / 3)
    assert over_batches(F1(None), scores, np.array([0, 1, 1]), (3,)).tolist() == pytest.approx([2 / 3, 2 / 3, 0])


def test_binary_f1_and_confusion():
    sklearn = pytest.importorskip("sklearn.metrics")
    two, labels = SCORES[:, :2], LABELS % 2
    assert over_batches(F1("binary"), two, labels) == pytest.approx(sklearn.f1_score(labels, two.argmax(1)))
    expected = sklearn.confusion_matrix(LABELS, SCORES.argmax(1), labels=range(5))
    np.testing.assert_array_equal(over_batches(ConfusionMatrix(), SCORES, LABELS), expected)


@pytest.mark.parametrize("k", [1, 2, 5, 9])
def test_top_k_is_scikit_learns(k):
    sklearn = pytest.importorskip("sklearn.metrics")
    k_known = min(k, 5)
    expected = (
        1.0 if k_known == 5 else sklearn.top_k_accuracy_score(LABELS, SCORES, k=k_known, labels=range(5))
    )  # it warns where all are among them
    assert over_batches(TopK(k), SCORES, LABELS) == pytest.approx(expected)


def test_top_k_with_equal_scores_and_nan():
    """Of equal ones the first count; a sample whose score is NaN is wrong."""
    scores = np.array([[1.0, 1.0, 1.0], [1.0, 1.0, 1.0], [1.0, np.nan, 0.0]])
    assert over_batches(TopK(2), scores, np.array([1, 2, 1]), (3,)) == pytest.approx(1 / 3)
    assert over_batches(TopK(1), np.zeros((3, 2)), np.array([0, 1, 0]), (1, 2)) == pytest.approx(2 / 3)


def test_maps_of_classes():
    right = MAPS.argmax(1) == MAP_LABELS
    for metric in (Accuracy(), TopK(1)):
        assert over_batches(metric, MAPS, MAP_LABELS, (4, 3)) == pytest.approx(right.mean())
    counts = over_batches(ConfusionMatrix(), MAPS, MAP_LABELS, (4, 3))
    assert counts.sum() == 28 and np.trace(counts) == right.sum()


def test_mae():
    target = rng.normal(size=(61, 5))
    expected = abs(SCORES - target).mean()
    assert over_batches(MAE(), SCORES, target) == pytest.approx(expected, rel=1e-6)
    with pytest.raises(ValueError, match=r"MAE: output of shape \(3, 1\) and target of shape \(3,\)"):
        MAE().update(Tensor(np.ones((3, 1))), Tensor(np.ones(3)))


@pytest.mark.parametrize("batch_size", [1, 7, 61, 100])
def test_in_history_and_evaluation(batch_size):
    """With a learning rate of 0 all passes have the scores of the one model, in NumPy: w x + b."""
    nn.manual_seed(0)
    model = nn.Linear(5, 5)
    metrics = Metrics(
        top2=TopK(2), f1=F1(), confusion=ConfusionMatrix(), margin=lambda output, y: output.max(axis=1).mean()
    )
    trainer = Trainer(model, nn.CrossEntropyLoss(), SGD(model.parameters(), lr=0.0), [metrics])
    history = trainer.fit((SCORES, LABELS), 2, (SCORES, LABELS), batch_size=batch_size, progress=False)
    outputs = SCORES @ model.weight.numpy().T + model.bias.numpy()
    ranks = (outputs > outputs[np.arange(61), LABELS][:, None]).sum(1)
    answers = outputs.argmax(1)
    f1 = [2 * np.sum((answers == c) & (c == LABELS)) / (np.sum(answers == c) + np.sum(c == LABELS)) for c in range(5)]
    expected = {"top2": (ranks < 2).mean(), "margin": outputs.max(1).mean(), "f1": np.mean(f1)}
    evaluated = trainer.evaluate((SCORES, LABELS), batch_size=batch_size)
    assert set(history) == {*expected, *(f"val_{n}" for n in expected), "loss", "accuracy", "val_loss", "val_accuracy",
                            "seconds"}  # fmt: skip
    for name, value in expected.items():
        np.testing.assert_allclose([*history[name], *history[f"val_{name}"], evaluated[name]], value, rtol=1e-5)
    for found in (metrics.trained, metrics.evaluated):
        assert found["confusion"].sum() == 61 and np.trace(found["confusion"]) == (answers == LABELS).sum()


def test_an_evaluation_while_training_does_not_disturb_it():
    class Evaluate:
        def on_batch_end(self, trainer, loss):
            trainer.evaluate((SCORES[:9], LABELS[:9]))

    def history(*callbacks):
        nn.manual_seed(0)
        model = nn.Linear(5, 5)
        trainer = Trainer(model, nn.CrossEntropyLoss(), SGD(model.parameters(), lr=0.1), [Metrics(f1=F1()), *callbacks])
        return trainer.fit((SCORES, LABELS), 2, batch_size=20, progress=False)["f1"]

    assert history(Evaluate()) == history()


def test_a_metric_of_ones_own():
    class Last(Metric):
        def update(self, output, target):
            self.sums["last"] = float(output[-1, 0])

        def compute(self):
            return self.sums["last"]

    model = nn.Linear(5, 5)
    trainer = Trainer(model, nn.CrossEntropyLoss(), None, [Metrics(last=Last())])
    expected = trainer.predict(SCORES)[-1, 0]
    assert trainer.evaluate((SCORES, LABELS))["last"] == pytest.approx(expected)


def test_errors():
    with pytest.raises(ValueError, match=r"F1: needs scores \(N, C, ...\) and class indices .* not float64 \(2, 3\)"):
        F1().update(Tensor(np.ones((2, 3))), Tensor(np.ones(2)))
    with pytest.raises(ValueError, match=r"ConfusionMatrix: labels 0 to 3 for 3 classes"):
        ConfusionMatrix().update(Tensor(np.ones((2, 3))), Tensor([0, 3]))
    with pytest.raises(ValueError, match="F1: average='binary' for 5 classes"):
        over_batches(F1("binary"), SCORES, LABELS)
    for kind, given in ((F1, "mean"), (TopK, 0), (TopK, 1.5)):
        with pytest.raises(ValueError, match=f"{kind.__name__}: .* must be"):
            kind(given)
    for given in ({}, {"loss": MAE()}):
        with pytest.raises(ValueError, match="Metrics: needs metrics by names of their own"):
            Metrics(**given)
    for given in (3, MAE):
        with pytest.raises(TypeError, match="Metrics: mae must be a Metric or a function"):
            Metrics(mae=given)
