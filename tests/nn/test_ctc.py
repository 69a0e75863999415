from itertools import groupby, product
from math import exp, inf, log
from typing import Any

import numpy as np
import pytest

from pullback import Tensor, grad, jvp, nn, vmap
from pullback.nn import functional as F
from pullback.testing import check_loss, gradcheck, gradgradcheck

RNG = np.random.default_rng(0)


def log_softmax(x: Any) -> Any:
    return x - np.log(np.exp(x).sum(-1, keepdims=True))


def by_all_paths(log_probs: Any, target: Any, blank: int = 0) -> float:
    """The loss by its definition: over all paths of classes that read as the target, repeats and blanks left out."""
    time, classes = log_probs.shape
    total = 0.0
    for path in product(range(classes), repeat=time):
        if [k for k, _ in groupby(path) if k != blank] == list(target):
            total += exp(sum(log_probs[t, k] for t, k in enumerate(path)))
    return -log(total) if total else inf


X = log_softmax(RNG.normal(size=(5, 3, 4)))
TARGETS = np.array([[1, 1, 2], [3, 0, 0], [2, 3, 2]])
LENGTHS, COUNTS = np.array([5, 2, 4]), np.array([3, 1, 3])
EACH = [by_all_paths(X[:t, i], TARGETS[i, :s]) for i, (t, s) in enumerate(zip(LENGTHS, COUNTS, strict=True))]
FLAT = np.array([1, 1, 2, 3, 2, 3, 2])


@pytest.mark.parametrize("targets", [TARGETS, FLAT, Tensor(TARGETS), TARGETS.astype(np.int32)])
def test_beside_all_paths(targets: Any) -> None:
    for reduction, expected in {"none": EACH, "sum": sum(EACH), "mean": np.mean(EACH / COUNTS)}.items():
        found = nn.CTCLoss(reduction=reduction)(Tensor(X), targets, LENGTHS, Tensor(COUNTS))
        np.testing.assert_allclose(found.numpy(), expected, rtol=1e-12)


def test_another_blank_and_one_sample() -> None:
    expected = by_all_paths(X[:, 0], [0, 3, 3], blank=2)
    np.testing.assert_allclose(F.ctc_loss(X[:, 0], np.array([0, 3, 3]), 5, 3, 2, "none"), expected)
    np.testing.assert_allclose(F.ctc_loss(X[:, :1], np.array([[0, 3, 3]]), (5,), (3,), 2, "sum"), expected)


def test_no_labels_and_what_is_behind_the_ends_does_not_count() -> None:
    expected = [-X[:4, 0, 0].sum(), by_all_paths(X[:3, 1], [1])]
    targets = np.array([[9, -5], [1, 77]])
    x = np.where(np.arange(5)[:, None, None] < np.array([4, 3])[:, None], X[:, :2], np.nan)
    tensor = Tensor(x, requires_grad=True)
    found = F.ctc_loss(tensor, targets, [4, 3], [0, 1], reduction="none")
    found.backward(np.ones(2))
    np.testing.assert_allclose(found.numpy(), expected)
    assert not tensor.grad.numpy()[4:].any() and np.isfinite(tensor.grad.numpy()).all()
    np.testing.assert_allclose(F.ctc_loss(X[:, 0], np.array([], int), 5, 0), -X[:, 0, 0].sum())
    np.testing.assert_array_equal(F.ctc_loss(X[:, :2], targets, [0, 0], [0, 1], reduction="none"), [0, inf])


def test_targets_that_are_too_long() -> None:
    x = Tensor(X[:2], requires_grad=True)
    for zero_infinity, expected in ((False, inf), (True, 0.0)):
        found = nn.CTCLoss(reduction="none", zero_infinity=zero_infinity)(x, TARGETS, [2, 2, 2], COUNTS)
        np.testing.assert_allclose(found.numpy(), [expected, by_all_paths(X[:2, 1], [3]), expected])
        x.grad = None
        found.backward(np.ones(3))
        assert not x.grad.numpy()[:, [0, 2]].any() and x.grad.numpy()[:, 1].any()
    repeated = F.ctc_loss(X[:3, 0], np.array([1, 1]), 3, 2)  # just long enough: label, blank, label
    np.testing.assert_allclose(2 * repeated, by_all_paths(X[:3, 0], [1, 1]))
    assert F.ctc_loss(X[:2, 0], np.array([1, 1]), 2, 2) == inf


def test_probabilities_of_0() -> None:
    p = np.array([[0.5, 0.5, 0.0], [0.0, 0.5, 0.5], [0.5, 0.0, 0.5]])
    with np.errstate(divide="ignore"):
        x = Tensor(np.log(p), requires_grad=True)
    loss = F.ctc_loss(x, np.array([1]), 3, 1, reduction="sum")
    np.testing.assert_allclose(loss.item(), -log(2 * 0.125))  # b a b, a a b
    loss.backward()
    np.testing.assert_allclose(x.grad.numpy(), [[-0.5, -0.5, 0], [0, -1, 0], [-1, 0, 0]])


def loss_of(x: Any) -> Any:
    return F.ctc_loss(F.log_softmax(x, -1), TARGETS, LENGTHS, COUNTS)


@pytest.mark.slow
def test_derivatives_of_any_order() -> None:
    x = Tensor(RNG.normal(size=(5, 3, 4)), requires_grad=True)
    assert gradcheck(loss_of, [x]) and gradgradcheck(loss_of, [x])
    twice = grad(lambda x: (grad(lambda x: (grad(loss_of)(x) ** 2).sum())(x) ** 2).sum())
    h, v = 1e-5, RNG.normal(size=x.shape)
    down, up = ((grad(lambda x: (grad(loss_of)(x) ** 2).sum())(x.detach() + s * h * v) ** 2).sum() for s in (-1, 1))
    np.testing.assert_allclose((twice(x).numpy() * v).sum(), (up - down).item() / (2 * h), rtol=1e-6)
    _, tangent = jvp(loss_of, (x.detach(),), (Tensor(v),))
    np.testing.assert_allclose(tangent.item(), (grad(loss_of)(x).numpy() * v).sum(), rtol=1e-12)
    short = np.array([[1, 2]])
    assert check_loss(lambda x: F.ctc_loss(x, short, [3], [2], zero_infinity=True), (X[:3, :1],))


def test_batches_beside_a_loop() -> None:
    many = RNG.normal(size=(4, 5, 3, 4))
    for f in (loss_of, grad(loss_of)):
        np.testing.assert_allclose(vmap(f)(many).numpy(), [np.asarray(f(Tensor(x))) for x in many], rtol=1e-10)
    counts = np.array([[3, 1, 3], [2, 1, 1]])
    found = vmap(lambda x, s: F.ctc_loss(x, TARGETS, LENGTHS, s))(np.stack([X, X]), counts)
    np.testing.assert_allclose(found.numpy(), [F.ctc_loss(X, TARGETS, LENGTHS, s) for s in counts])


@pytest.mark.parametrize(("dtype", "rtol"), [(np.float16, 1e-3), (np.float32, 1e-6)])
def test_narrow_floats(dtype: Any, rtol: float) -> None:
    x = Tensor(X.astype(dtype), requires_grad=True)
    loss = F.ctc_loss(x, TARGETS, LENGTHS, COUNTS)
    loss.backward()
    assert loss.dtype == dtype and x.grad.dtype == dtype
    np.testing.assert_allclose(loss.item(), np.mean(EACH / COUNTS), rtol=rtol)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: F.ctc_loss(X[0, 0], TARGETS, [5] * 3, COUNTS),
            ValueError,
            r"log_probs of shape \(4,\); expected \(T, N",
        ),
        (lambda: F.ctc_loss(X, TARGETS, [6, 5, 5], COUNTS), ValueError, r"input_lengths \[6, 5, 5\]; expected 0 to 5"),
        (lambda: F.ctc_loss(X, TARGETS, [5, 5], COUNTS), ValueError, r"input_lengths of shape \(2,\) for 3 samples"),
        (
            lambda: F.ctc_loss(X, TARGETS, LENGTHS, [4, 1, 1]),
            ValueError,
            r"target_lengths \[4, 1, 1\]; expected 0 to 3",
        ),
        (lambda: F.ctc_loss(X, FLAT, LENGTHS, [3, 1, 2]), ValueError, "7 targets for target_lengths that add up to 6"),
        (lambda: F.ctc_loss(X, TARGETS[:2], LENGTHS, COUNTS), ValueError, r"targets of shape \(2, 3\) for 3 samples"),
        (lambda: F.ctc_loss(X, TARGETS + 2, LENGTHS, COUNTS), ValueError, "target 4 is out of range for 4 classes"),
        (lambda: F.ctc_loss(X, TARGETS, LENGTHS, COUNTS, 4), ValueError, "blank=4 is out of range for 4 classes"),
        (lambda: F.ctc_loss(X, TARGETS * 1.0, LENGTHS, COUNTS), TypeError, "targets of dtype float64"),
        (lambda: F.ctc_loss(X, TARGETS, LENGTHS, COUNTS, 0, "max"), ValueError, "ctc_loss: reduction 'max'"),
        (lambda: nn.CTCLoss(reduction="max"), ValueError, "CTCLoss: reduction 'max'"),
    ],
)
def test_bad_input(call: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        call()
