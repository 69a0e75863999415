"""Losses beside loops over their definitions, one entry or sample at a time."""

import warnings
from math import exp, inf, lgamma, log, pi, sqrt
from typing import Any

import numpy as np
import pytest

from pullback import Tensor, nn
from pullback.nn import functional as F
from pullback.testing import check_loss

RNG = np.random.default_rng(3)
X, Y, Z = RNG.normal(size=(4, 3)), RNG.normal(size=(4, 3)), RNG.normal(size=(4, 3))
P, Q = 1 / (1 + np.exp(-X)), 1 / (1 + np.exp(-Y))
SIGNS = np.where(RNG.uniform(size=(4, 3)) < 0.5, -1, 1)
COUNTS = np.array([[0.0, 1, 2], [3, 5, 0], [1, 1, 4], [2, 0, 7]])
CLASSES = np.array([2, 0, 1, 1])
LABELS = np.array([[2, 0, -1], [1, -1, 0], [-1, 1, 2], [0, 1, 2]])
WEIGHT = np.array([0.5, 2.0, 1.5])


def bce(p: float, t: float) -> float:
    return -(t * log(p) + (1 - t) * log(1 - p))


def smooth(x: float, t: float, beta: float = 1.0) -> float:
    return (x - t) ** 2 / (2 * beta) if abs(x - t) < beta else abs(x - t) - beta / 2


def huber(x: float, t: float, delta: float = 1.0) -> float:
    return (x - t) ** 2 / 2 if abs(x - t) < delta else delta * (abs(x - t) - delta / 2)


def stirling(t: float) -> float:
    return t * log(t) - t + log(2 * pi * t) / 2 if t > 1 else 0.0


ENTRIES = {  # module and its options, inputs, the loss of an entry
    "MSELoss": ({}, (X, Y), lambda x, t: (x - t) ** 2),
    "L1Loss": ({}, (X, Y), lambda x, t: abs(x - t)),
    "SmoothL1Loss": ({}, (X, Y), smooth),
    "SmoothL1Loss, beta": ({"beta": 0.25}, (X, Y), lambda x, t: smooth(x, t, 0.25)),
    "SmoothL1Loss, beta 0": ({"beta": 0.0}, (X, Y), lambda x, t: abs(x - t)),
    "HuberLoss": ({}, (X, Y), huber),
    "HuberLoss, delta": ({"delta": 0.5}, (X, Y), lambda x, t: huber(x, t, 0.5)),
    "BCELoss": ({}, (P, Q), bce),
    "BCELoss, weight": ({"weight": Tensor(Q)}, (P, Q), lambda p, t: t * bce(p, t)),
    "BCEWithLogitsLoss": ({}, (X, Q), lambda x, t: bce(1 / (1 + exp(-x)), t)),
    "KLDivLoss": ({}, (X, Q), lambda x, t: t * (log(t) - x)),
    "KLDivLoss, log_target": ({"log_target": True}, (X, Y), lambda x, t: exp(t) * (t - x)),
    "PoissonNLLLoss": ({}, (X, COUNTS), lambda x, t: exp(x) - t * x),
    "PoissonNLLLoss, full": ({"full": True}, (X, COUNTS), lambda x, t: exp(x) - t * x + stirling(t)),
    "PoissonNLLLoss, mean": ({"log_input": False, "eps": 0.25}, (P, COUNTS), lambda p, t: p - t * log(p + 0.25)),
    "GaussianNLLLoss": ({}, (X, Y, P), lambda x, t, v: (log(v) + (x - t) ** 2 / v) / 2),
    "GaussianNLLLoss, full": (
        {"full": True, "eps": 0.5},
        (X, Y, P),
        lambda x, t, v: (log(2 * pi) + log(max(v, 0.5)) + (x - t) ** 2 / max(v, 0.5)) / 2,
    ),
    "HingeEmbeddingLoss": ({"margin": 0.7}, (X, SIGNS), lambda x, t: x if t == 1 else max(0, 0.7 - x)),
    "SoftMarginLoss": ({}, (X, SIGNS), lambda x, t: log(1 + exp(-t * x))),
    "MarginRankingLoss": ({"margin": 0.3}, (X, Y, SIGNS), lambda a, b, t: max(0, 0.3 - t * (a - b))),
}


def distance(a: Any, b: Any) -> float:
    return sqrt(sum((u - v + 1e-6) ** 2 for u, v in zip(a, b, strict=True)))


def cosine(a: Any, b: Any) -> float:
    return a @ b / sqrt(a @ a) / sqrt(b @ b)


def multi_margin(x: Any, t: int, p: int = 1, margin: float = 1.0) -> float:
    return sum(max(0, margin - x[t] + x[c]) ** p for c in range(3) if c != t) / 3


def multilabel_margin(x: Any, labels: Any) -> float:
    held = [t for i, t in enumerate(labels) if (labels[: i + 1] >= 0).all()]
    return sum(max(0, 1 - x[t] + x[c]) for t in held for c in range(3) if c not in held) / 3


ROWS = {  # module and its options, inputs, the loss of a row
    "CosineEmbeddingLoss": (
        {"margin": 0.1},
        (X, Y, SIGNS[:, 0]),
        lambda a, b, t: 1 - cosine(a, b) if t == 1 else max(0, cosine(a, b) - 0.1),
    ),
    "TripletMarginLoss": ({}, (X, Y, Z), lambda a, p, n: max(0, 1 + distance(a, p) - distance(a, n))),
    "TripletMarginLoss, swap": (
        {"swap": True, "margin": 2.0},
        (X, Y, Z),
        lambda a, p, n: max(0, 2 + distance(a, p) - min(distance(a, n), distance(p, n))),
    ),
    "TripletMarginWithDistanceLoss": (
        {"distance_function": lambda a, b: abs(a - b).sum(axis=-1), "margin": 0.5},
        (X, Y, Z),
        lambda a, p, n: max(0, 0.5 + abs(a - p).sum() - abs(a - n).sum()),
    ),
    "MultiMarginLoss": ({}, (X, CLASSES), multi_margin),
    "MultiMarginLoss, squares": ({"p": 2, "margin": 0.5}, (X, CLASSES), lambda x, t: multi_margin(x, t, 2, 0.5)),
    "MultiMarginLoss, weight": (
        {"weight": Tensor(WEIGHT)},
        (X, CLASSES),
        lambda x, t: WEIGHT[t] * multi_margin(x, t),
    ),
    "MultiLabelMarginLoss": ({}, (X, LABELS), multilabel_margin),
    "MultiLabelSoftMarginLoss": (
        {"weight": Tensor(WEIGHT)},
        (X, Q),
        lambda x, t: sum(w * bce(1 / (1 + exp(-a)), b) for a, b, w in zip(x, t, WEIGHT, strict=True)) / 3,
    ),
}
ALL = {**ENTRIES, **ROWS}
MEAN = pytest.mark.filterwarnings("ignore:kl_div")


def made(name: str, **options: Any) -> Any:
    return getattr(nn, name.partition(",")[0])(**options)


@MEAN
@pytest.mark.parametrize("name", ALL)
def test_values_and_reductions_by_loops(name: str) -> None:
    options, inputs, loss = ALL[name]
    rows = inputs[0].shape if name in ENTRIES else inputs[0].shape[:1]
    each = np.array([loss(*(x[i] for x in inputs)) for i in np.ndindex(rows)]).reshape(rows)
    for reduction, expected in {"none": each, "sum": each.sum(), "mean": each.mean()}.items():
        found = made(name, reduction=reduction, **options)(*map(Tensor, inputs))
        np.testing.assert_allclose(found.numpy(), expected, rtol=1e-10)


@pytest.mark.slow
@MEAN
@pytest.mark.parametrize("name", ALL)
def test_derivatives(name: str) -> None:
    options, inputs, _ = ALL[name]
    if "Gaussian" in name:  # below eps the slope is that of var, as in PyTorch
        inputs = (*inputs[:2], inputs[2] + 0.6)
    assert check_loss(made(name, **options), inputs)


@MEAN
@pytest.mark.parametrize("name", ALL)
def test_float16_and_no_samples(name: str) -> None:
    options, inputs, _ = ALL[name]
    options = {k: v for k, v in options.items() if k != "weight"}
    loss = made(name, **options)
    narrow = [x.astype(np.float16) if x.dtype.kind == "f" else x for x in inputs]
    wide = [x.astype(float) if x.dtype.kind == "f" else x for x in narrow]
    found = loss(*map(Tensor, narrow))
    assert found.dtype == np.float16
    np.testing.assert_allclose(found.item(), loss(*map(Tensor, wide)).item(), rtol=2e-3)
    none = made(name, reduction="sum", **options)(*(Tensor(x[:0]) for x in inputs))
    assert none.item() == 0


def test_the_sum_of_many_float16_losses() -> None:
    x = np.full(30_000, 2.0, np.float16)
    assert F.l1_loss(x, 0 * x, reduction="sum") == np.float16(60_000)
    assert F.huber_loss(x, 0 * x) == 1.5


@MEAN
def test_batchmean_and_the_warning_of_mean() -> None:
    found = F.kl_div(np.log(P), Q, reduction="batchmean")
    expected = sum(q * log(q / p) for p, q in zip(P.ravel(), Q.ravel(), strict=True)) / 4
    np.testing.assert_allclose(found, expected)
    np.testing.assert_allclose(nn.KLDivLoss(reduction="batchmean")(Tensor(np.log(P)), Q).numpy(), expected)
    assert F.kl_div(np.log(P[0]), np.array([0.0, 1.0, 0.0]), reduction="sum") == -np.log(P[0, 1])  # 0 log 0 is 0
    with pytest.warns(UserWarning, match="reduction='mean' divides by the number of all entries"):
        F.kl_div(np.log(P), Q)


def test_probabilities_0_and_1() -> None:
    x = Tensor(np.array([0.0, 1.0, 0.0, 1.0]), requires_grad=True)
    t = np.array([0.0, 1.0, 1.0, 0.0])
    losses = F.binary_cross_entropy(x, t, reduction="none")
    losses.backward(np.ones(4))
    np.testing.assert_array_equal(losses.numpy(), [0, 0, 100, 100])
    np.testing.assert_allclose(x.grad.numpy(), [0, 0, -1e12, 1e12])


def test_large_numbers_do_not_overflow() -> None:
    x = np.array([-1e4, 1e4])
    np.testing.assert_array_equal(F.soft_margin_loss(x, np.ones(2), reduction="none"), [1e4, 0])
    np.testing.assert_array_equal(F.multilabel_soft_margin_loss(x, np.array([1.0, 1.0])), 5e3)


def test_stirling_is_near_the_factorial() -> None:
    t = np.array([20.0, 50.0])
    full, plain = (F.poisson_nll_loss(np.zeros(2), t, full=full, reduction="none") for full in (True, False))
    np.testing.assert_allclose(full - plain, [lgamma(21), lgamma(51)], rtol=1e-3)


@pytest.mark.parametrize("var", [P, P[:, 0], P[:, :1], P[:1], 0.5, 2])
def test_shapes_of_variances(var: Any) -> None:
    full = np.broadcast_to(var[:, None] if np.ndim(var) == 1 else var, X.shape)
    each = [(log(v) + (x - t) ** 2 / v) / 2 for x, t, v in zip(X.flat, Y.flat, full.flat, strict=True)]
    np.testing.assert_allclose(F.gaussian_nll_loss(X, Y, var, reduction="sum"), sum(each))


@pytest.mark.parametrize("name", ["mse_loss", "l1_loss", "huber_loss"])
def test_weights_of_entries(name: str) -> None:
    loss = {"mse_loss": lambda d: d * d, "l1_loss": abs, "huber_loss": lambda d: huber(d, 0)}[name]
    each = P * np.array([[loss(d) for d in row] for row in X - Y])
    mean = each.mean() if name == "huber_loss" else each.sum() / P.sum()
    for reduction, expected in {"none": each, "sum": each.sum(), "mean": mean}.items():
        np.testing.assert_allclose(getattr(F, name)(X, Y, weight=P, reduction=reduction), expected, rtol=1e-12)


OLD = ["MSELoss", "L1Loss", "SmoothL1Loss", "BCELoss", "BCEWithLogitsLoss", "KLDivLoss", "PoissonNLLLoss"]
OLD += ["HingeEmbeddingLoss", "MarginRankingLoss", "CosineEmbeddingLoss", "SoftMarginLoss", "MultiLabelMarginLoss"]
OLD += ["MultiLabelSoftMarginLoss", "MultiMarginLoss", "TripletMarginLoss", "CrossEntropyLoss", "NLLLoss"]
FLAGS = [(None, False, "none"), (False, None, "sum"), (False, True, "sum"), (True, None, "mean"), (True, False, "none")]


@pytest.mark.parametrize(("size_average", "reduce", "reduction"), FLAGS)
@pytest.mark.parametrize("name", OLD)
def test_the_old_flags_warn(name: str, size_average: Any, reduce: Any, reduction: str) -> None:
    with pytest.warns(UserWarning, match=f"{name}: size_average and reduce are deprecated; .* reduction='{reduction}'"):
        module = made(name, size_average=size_average, reduce=reduce)
    assert module.reduction == reduction
    with pytest.warns(UserWarning, match="mse_loss: size_average and reduce are deprecated") as caught:
        found = F.mse_loss(X, Y, size_average, reduce)
    np.testing.assert_array_equal(found, F.mse_loss(X, Y, reduction=reduction))
    assert caught[0].filename == __file__


def test_targets_of_integers_do_not_widen() -> None:
    x = X.astype(np.float32)
    for f in (F.mse_loss, F.poisson_nll_loss, F.soft_margin_loss, F.binary_cross_entropy_with_logits):
        assert f(x, np.ones((4, 3), int)).dtype == np.float32
    assert F.margin_ranking_loss(x, x, np.ones((4, 3), int)).dtype == np.float32


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: F.mse_loss(X, Y, "sum"), TypeError, "'sum' in the place of size_average .* write reduction='sum'"),
        (lambda: F.smooth_l1_loss(X, Y[0]), ValueError, r"smooth_l1_loss: input of shape \(4, 3\) and target of shape"),
        (lambda: F.smooth_l1_loss(X, Y, beta=-1.0), ValueError, "smooth_l1_loss: beta=-1.0 is negative"),
        (lambda: F.huber_loss(X, Y, delta=0), ValueError, "huber_loss: delta=0 is not positive"),
        (lambda: F.l1_loss(X, Y, weight=P[0]), ValueError, r"l1_loss: weight of shape \(3,\) for an input of shape"),
        (
            lambda: F.kl_div(X, Y, reduction="max"),
            ValueError,
            "kl_div: .* expected 'none', 'mean', 'sum' or 'batchmean'",
        ),
        (lambda: F.binary_cross_entropy(X, Q), ValueError, "binary_cross_entropy: an input is not between 0 and 1"),
        (lambda: F.binary_cross_entropy(P, Q, X[:2]), ValueError, r"weight of shape \(2, 3\) for an input of shape"),
        (lambda: F.gaussian_nll_loss(X, Y, -P), ValueError, "gaussian_nll_loss: an entry of var is negative"),
        (lambda: F.gaussian_nll_loss(X, Y, P[:2]), ValueError, r"var of shape \(2, 3\) for an input of shape \(4, 3\)"),
        (
            lambda: F.margin_ranking_loss(X, Y, SIGNS[0]),
            ValueError,
            r"input1 of shape \(4, 3\), input2 of \(4, 3\) and",
        ),
        (lambda: F.cosine_embedding_loss(X, Y, SIGNS), ValueError, r"expected \(N, D\), \(N, D\) and \(N,\)"),
        (lambda: F.multi_margin_loss(X, CLASSES, p=3), ValueError, "multi_margin_loss: p=3; expected 1 or 2"),
        (lambda: F.multi_margin_loss(X, CLASSES + 1), ValueError, "a target is out of range for 3 classes"),
        (lambda: F.multi_margin_loss(X, X[:, 0]), TypeError, "multi_margin_loss: target of dtype float64"),
        (lambda: F.multi_margin_loss(X, CLASSES[:2]), ValueError, r"target of shape \(2,\); expected \(4,\)"),
        (
            lambda: F.multi_margin_loss(X, CLASSES, weight=WEIGHT[:2]),
            ValueError,
            r"weight of shape \(2,\) for 3 classes",
        ),
        (
            lambda: F.multilabel_margin_loss(X, LABELS + 1),
            ValueError,
            "multilabel_margin_loss: a target is out of range",
        ),
        (
            lambda: F.multilabel_margin_loss(X, LABELS[:, :2]),
            ValueError,
            r"target of shape \(4, 2\); expected \(4, 3\)",
        ),
        (lambda: F.triplet_margin_loss(X, Y, Z, 0.0), ValueError, "triplet_margin_loss: margin=0.0 is not positive"),
        (lambda: F.triplet_margin_loss(X, Y[0], Z), ValueError, "expected the same number of axes"),
        (lambda: nn.TripletMarginLoss(-1.0), ValueError, "TripletMarginLoss: margin=-1.0 is not positive"),
        (lambda: nn.MultiMarginLoss(3), ValueError, "MultiMarginLoss: p=3"),
        (lambda: nn.KLDivLoss(reduction="max"), ValueError, "KLDivLoss: reduction 'max'"),
        (lambda: nn.HuberLoss("max"), ValueError, "HuberLoss: reduction 'max'"),
    ],
)
def test_bad_input(call: Any, error: Any, message: str) -> None:
    with warnings.catch_warnings(), pytest.raises(error, match=message):
        warnings.simplefilter("error")
        call()


def test_nothing_to_average_is_nan() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert np.isnan(F.smooth_l1_loss(X[:0], Y[:0])) and F.huber_loss(X[:0], Y[:0], "sum") == 0
    assert F.soft_margin_loss(np.array([-inf]), np.ones(1)) == inf
