from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pullback import Tensor, grad, nn, no_grad, vmap
from pullback.nn import functional as F
from pullback.nn.cross_entropy import class_cross_entropy
from pullback.testing import check_primitive, gradcheck, gradgradcheck

SHAPES = [(3,), (5, 3), (4, 3, 2), (2, 3, 4, 3), (2, 1)]
WEIGHT = np.array([0.5, 2.0, 1.5], np.float32)


def _targets(shape: tuple[int, ...], classes: int) -> Any:
    spatial = shape[:1] + shape[2:] if len(shape) > 1 else ()
    return np.random.default_rng(1).integers(0, classes, spatial)


def test_the_primitive() -> None:
    assert check_primitive(class_cross_entropy, settings=settings(max_examples=20, database=None))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize(
    "options",
    [{}, {"weight": WEIGHT}, {"ignore_index": 1}, {"label_smoothing": 0.2}]
    + [{"weight": WEIGHT, "ignore_index": 0, "label_smoothing": 0.1}],
    ids=lambda o: ",".join(o),
)
def test_cross_entropy_against_pytorch(
    both: Any, same: Any, normal: Any, shape: tuple[int, ...], reduction: str, options: dict[str, Any]
) -> None:
    classes = shape[min(1, len(shape) - 1)]
    if "weight" in options:
        options = {**options, "weight": WEIGHT[:classes]}
    targets = _targets(shape, classes)
    same(*both("CrossEntropyLoss", reduction=reduction, **options), 3 * normal(*shape), targets)


@pytest.mark.parametrize("classes", [32, 33, 500])
def test_few_and_many_classes_against_pytorch(both: Any, same: Any, normal: Any, classes: int) -> None:
    same(*both("CrossEntropyLoss"), 3 * normal(5, classes), _targets((5, classes), classes))


@pytest.mark.parametrize("shape", SHAPES[:4])
@pytest.mark.parametrize("options", [{}, {"weight": WEIGHT, "label_smoothing": 0.1, "reduction": "sum"}])
def test_class_probabilities_against_pytorch(
    both: Any, same: Any, normal: Any, shape: tuple[int, ...], options: dict[str, Any]
) -> None:
    axis = min(1, len(shape) - 1)
    p = np.exp(normal(*shape))
    same(*both("CrossEntropyLoss", **options), normal(*shape), p / p.sum(axis, keepdims=True))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("options", [{}, {"weight": WEIGHT, "reduction": "none"}, {"ignore_index": 2}])
def test_nll_against_pytorch(
    both: Any, same: Any, normal: Any, shape: tuple[int, ...], options: dict[str, Any]
) -> None:
    classes = shape[min(1, len(shape) - 1)]
    if "weight" in options:
        options = {**options, "weight": WEIGHT[:classes]}
    targets = _targets(shape, classes)
    if not (targets != options.get("ignore_index")).any():
        targets = targets * 0
    same(*both("NLLLoss", **options), normal(*shape), targets)


@pytest.mark.parametrize("name", ["MSELoss", "L1Loss", "BCEWithLogitsLoss"])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_differences_against_pytorch(both: Any, same: Any, normal: Any, name: str, reduction: str) -> None:
    x, y = normal(4, 3), np.abs(normal(4, 3)) % 1
    same(*both(name, reduction=reduction), 3 * x, y)


def test_weighted_bce_against_pytorch(both: Any, same: Any, normal: Any) -> None:
    x, y = 20 * normal(4, 3), np.abs(normal(4, 3)) % 1
    same(*both("BCEWithLogitsLoss", weight=WEIGHT, pos_weight=WEIGHT), x, y)


def test_by_hand() -> None:
    x = np.log(np.array([[1.0, 3.0], [4.0, 4.0]]))
    np.testing.assert_allclose(F.cross_entropy(x, np.array([1, 0])), np.log([4 / 3, 2]).mean())
    np.testing.assert_allclose(F.cross_entropy(x, [1, 0], reduction="none"), np.log([4 / 3, 2]))
    np.testing.assert_allclose(F.cross_entropy(x, [1, 0], weight=[1.0, 3.0]), (3 * np.log(4 / 3) + np.log(2)) / 4)
    np.testing.assert_allclose(F.cross_entropy(x, [1, -100]), np.log(4 / 3))
    np.testing.assert_allclose(F.nll_loss(np.array([[-1.0, -2.0]]), [1]), 2)
    np.testing.assert_allclose(F.mse_loss(np.array([1.0, 4.0]), np.array([0.0, 0.0])), 8.5)
    np.testing.assert_allclose(F.l1_loss(np.array([1.0, -4.0]), np.array([0.0, 0.0])), 2.5)
    np.testing.assert_allclose(F.l1_loss(np.array([1.0, -4.0]), np.array([1 + 1j, 3j])), 3.0)
    np.testing.assert_allclose(F.binary_cross_entropy_with_logits(np.zeros(2), np.array([0.0, 1.0])), np.log(2))
    x = Tensor(np.array([[0.0, 0.0]]), requires_grad=True)
    F.cross_entropy(x, [1]).backward()
    np.testing.assert_allclose(x.grad.numpy(), [[0.5, -0.5]])


LOGITS = np.log(np.array([[1.0, 2.0, 5.0], [4.0, 2.0, 2.0], [1.0, 1.0, 6.0]]))
SHARES = np.array([[1, 2, 5], [4, 2, 2], [1, 1, 6]]) / 8  # their softmax


def _weighted(targets: Any, weight: Any, smoothing: float, ignore_index: int = -100) -> tuple[Any, Any]:
    """The loss of each row of LOGITS, term by term, and its weight in the mean."""
    losses, weights = np.zeros(len(targets)), np.zeros(len(targets))
    for i, t in enumerate(targets):
        if t != ignore_index:
            weights[i] = weight[t]
            losses[i] = -(1 - smoothing) * weight[t] * np.log(SHARES[i, t])
            for c in range(3):
                losses[i] -= smoothing / 3 * weight[c] * np.log(SHARES[i, c])
    return losses, weights


@pytest.mark.parametrize("smoothing", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("weight", [(1.0, 1.0, 1.0), (1.0, 2.0, 4.0)])
@pytest.mark.parametrize("targets", [(2, 0, 1), (2, -100, 1)])
def test_weights_smoothing_and_reductions_by_hand(targets: Any, weight: Any, smoothing: float) -> None:
    losses, weights = _weighted(targets, weight, smoothing)
    expected = {"none": losses, "sum": losses.sum(), "mean": losses.sum() / weights.sum()}
    given = [np.array(weight)] if weight != (1.0, 1.0, 1.0) else [None, np.ones(3)]
    for w in given:
        for reduction, value in expected.items():
            options = {"weight": w, "label_smoothing": smoothing, "reduction": reduction}
            found = F.cross_entropy(Tensor(LOGITS), np.array(targets), **options)
            np.testing.assert_allclose(found.numpy(), value, rtol=1e-13)
    if not smoothing:
        for reduction, value in expected.items():
            found = F.nll_loss(np.log(SHARES), np.array(targets), np.array(weight), reduction=reduction)
            np.testing.assert_allclose(found, value, rtol=1e-13)


@pytest.mark.parametrize("reduction", ["none", "sum", "mean"])
def test_modules_pass_their_options_on(reduction: str) -> None:
    weight, targets = (1.0, 2.0, 4.0), np.array([2, 0, 1])
    reduced = {
        "none": lambda losses, weights: losses,
        "sum": lambda losses, weights: losses.sum(),
        "mean": lambda losses, weights: losses.sum() / weights.sum(),
    }[reduction]
    loss = nn.CrossEntropyLoss(np.array(weight), None, 0, None, reduction, 0.3)
    expected = reduced(*_weighted(targets, weight, 0.3, ignore_index=0))
    np.testing.assert_allclose(loss(Tensor(LOGITS), targets).numpy(), expected, rtol=1e-6)
    loss = nn.NLLLoss(np.array(weight), None, 0, None, reduction)
    expected = reduced(*_weighted(targets, weight, 0.0, ignore_index=0))
    np.testing.assert_allclose(loss(Tensor(np.log(SHARES)), targets).numpy(), expected, rtol=1e-6)
    x, y = np.log([3.0, 1.0]), np.array([0.25, 1.0])
    losses = 2 * np.array([4 * 0.25 * np.log(4 / 3) + 0.75 * np.log(4), 4 * np.log(2)])
    found = nn.BCEWithLogitsLoss(np.array([2.0, 2.0]), None, None, reduction, np.array([4.0, 4.0]))(Tensor(x), y)
    np.testing.assert_allclose(found.numpy(), reduced(losses, np.ones(2)), rtol=1e-6)
    for kind, losses in ((nn.MSELoss, np.array([1.0, 16.0])), (nn.L1Loss, np.array([1.0, 4.0]))):
        found = kind(reduction=reduction)(Tensor([1.0, -4.0]), np.zeros(2))
        np.testing.assert_allclose(found.numpy(), reduced(losses, np.ones(2)))


def test_the_gradient_of_a_weighted_smoothed_mean_by_hand() -> None:
    weight, x = np.array([1.0, 2.0, 4.0]), Tensor(LOGITS, requires_grad=True)
    F.cross_entropy(x, [2, 0, 1], weight=weight, label_smoothing=0.3).backward()
    expected = 0.1 * (SHARES * weight.sum() - weight)
    for i, t in enumerate((2, 0, 1)):
        expected[i] += 0.7 * weight[t] * (SHARES[i] - np.eye(3)[t])
    np.testing.assert_allclose(x.grad.numpy(), expected / (4 + 1 + 2), rtol=1e-13)


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_class_probabilities_by_hand(smoothing: float) -> None:
    """Their mean is over the samples, whatever the weights; smoothing mixes in equal shares."""
    weight, q = (1.0, 2.0, 4.0), np.array([[0.5, 0.25, 0.25], [0.0, 1.0, 0.0], [0.125, 0.125, 0.75]])
    losses = np.zeros(3)
    for i, c in np.ndindex(3, 3):
        losses[i] -= weight[c] * ((1 - smoothing) * q[i, c] + smoothing / 3) * np.log(SHARES[i, c])
    for reduction, value in {"none": losses, "sum": losses.sum(), "mean": losses.sum() / 3}.items():
        options = {"weight": np.array(weight), "label_smoothing": smoothing, "reduction": reduction}
        np.testing.assert_allclose(F.cross_entropy(LOGITS, q, **options), value, rtol=1e-13)


def test_binary_weights_and_reductions_by_hand() -> None:
    x, y = np.log([3.0, 1.0]), np.array([0.25, 1.0])  # of probabilities 3/4 and 1/2
    losses = 2 * np.array([4 * 0.25 * np.log(4 / 3) + 0.75 * np.log(4), 4 * np.log(2)])
    for reduction, value in {"none": losses, "sum": losses.sum(), "mean": losses.sum() / 2}.items():
        found = F.binary_cross_entropy_with_logits(x, y, weight=2.0, pos_weight=4.0, reduction=reduction)
        np.testing.assert_allclose(found, value, rtol=1e-14)
    for f, losses in ((F.mse_loss, np.array([1.0, 16.0])), (F.l1_loss, np.array([1.0, 4.0]))):
        for reduction, value in {"none": losses, "sum": losses.sum(), "mean": losses.sum() / 2}.items():
            np.testing.assert_array_equal(f(np.array([1.0, -4.0]), np.zeros(2), reduction=reduction), value)


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.int64])
def test_target_dtypes_and_tensors(dtype: Any) -> None:
    x, expected = np.log(np.array([[1.0, 3.0], [4.0, 4.0]])), (np.log(4 / 3) + np.log(2)) / 2
    for target in (np.array([1, 0], dtype), Tensor(np.array([1, 0], dtype))):
        np.testing.assert_allclose(F.cross_entropy(Tensor(x), target).item(), expected, rtol=1e-14)
    np.testing.assert_allclose(F.cross_entropy(x, [1, 0]), expected, rtol=1e-14)


def test_huge_and_infinite_logits() -> None:
    x = Tensor(np.array([[1e4, 1e8, 0], [-np.inf, 0, 0], [-np.inf, 0, 0]], np.float32), requires_grad=True)
    losses = F.cross_entropy(x, [0, 1, 0], reduction="none")
    np.testing.assert_allclose(losses.numpy(), [np.float32(1e8) - 1e4, np.log(2), np.inf], rtol=1e-6)
    losses.backward(np.ones(3, np.float32))
    np.testing.assert_allclose(x.grad.numpy(), [[-1, 1, 0], [0, -0.5, 0.5], [-1, 0.5, 0.5]], rtol=1e-6)


def test_what_is_ignored_may_be_infinite() -> None:
    x = Tensor(np.array([[0, 0, 0], [-np.inf, -np.inf, 0]], np.float32), requires_grad=True)
    for loss in (F.cross_entropy(x, [1, -100]), F.cross_entropy(x, [1, 0], ignore_index=0)):
        np.testing.assert_allclose(loss.item(), np.log(3), rtol=1e-6)
        x.grad = None
        loss.backward()
        np.testing.assert_allclose(x.grad.numpy(), [[1 / 3, -2 / 3, 1 / 3], [0, 0, 0]], rtol=1e-6)
    assert F.nll_loss(x, [1, -100], reduction="sum").item() == 0


@settings(max_examples=30, deadline=None, database=None)
@given(st.integers(1, 4), st.integers(1, 4), st.floats(-1e6, 1e6), st.integers(0, 2**32 - 1))
def test_a_shift_of_all_logits_changes_nothing(n: int, c: int, shift: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, target = rng.normal(size=(n, c)), rng.integers(0, c, n)
    naive = np.mean([np.log(np.exp(row).sum()) - row[t] for row, t in zip(x, target, strict=True)])
    np.testing.assert_allclose(F.cross_entropy(x, target), naive, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(F.cross_entropy(x + shift, target), naive, rtol=1e-9, atol=1e-8)


@pytest.mark.parametrize(
    "loss",
    [
        lambda x: F.cross_entropy(x, [0, 2, 1]),
        lambda x: F.cross_entropy(x, [0, 2, 1], weight=WEIGHT, label_smoothing=0.3, ignore_index=2),
        lambda x: F.nll_loss(F.log_softmax(x, 1), [0, 2, 1], weight=WEIGHT),
        lambda x: F.binary_cross_entropy_with_logits(x, np.full((3, 3), 0.3), pos_weight=2.0),
        lambda x: F.mse_loss(x, np.full((3, 3), 0.3)),
    ],
)
def test_first_and_second_derivatives(normal: Any, loss: Any) -> None:
    x = Tensor(normal(3, 3), requires_grad=True, dtype=np.float64)
    assert gradcheck(loss, [x]) and gradgradcheck(loss, [x])


def test_nothing_to_average_is_nan_and_an_empty_sum_zero() -> None:
    x = np.zeros((2, 3), np.float32)
    logits = Tensor(x, requires_grad=True)
    loss = F.cross_entropy(logits, [-100, -100])
    loss.backward()
    assert np.isnan(loss.item()) and not logits.grad.numpy().any()  # as in PyTorch
    assert np.isnan(F.cross_entropy(x[:0], np.zeros(0, int)))
    assert F.cross_entropy(x, [-100, -100], reduction="sum") == 0
    assert F.cross_entropy(x[:0], np.zeros(0, int), reduction="none").shape == (0,)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda x: F.cross_entropy(x, [0, 3]), ValueError, "cross_entropy: target 3 is out of range for 3 classes"),
        (lambda x: F.cross_entropy(x, [0, -1]), ValueError, "target -1 is out of range for 3"),
        (lambda x: F.cross_entropy(x, [0, 5], weight=WEIGHT), ValueError, "target 5 is out of range"),
        (lambda x: F.cross_entropy(x, [0, 1, 2]), ValueError, r"target of shape \(3,\) for an input of shape \(2, 3\)"),
        (lambda x: F.cross_entropy(x, np.zeros(2)), ValueError, r"target of shape \(2,\) and dtype float64"),
        (lambda x: F.cross_entropy(x, [True, False]), TypeError, "target of dtype bool"),
        (lambda x: F.cross_entropy(x, [0, 1], weight=[1.0]), ValueError, r"weight of shape \(1,\) for 3 classes"),
        (lambda x: F.cross_entropy(x, [0, 1], reduction="avg"), ValueError, "reduction 'avg'"),
        (lambda x: F.cross_entropy(x, [0, 1], label_smoothing=2), ValueError, "label_smoothing=2"),
        (lambda x: F.cross_entropy(x[0, 0], 0), ValueError, r"input of shape \(\)"),
        (lambda x: F.nll_loss(x, [0, 3]), ValueError, "nll_loss: target 3"),
        (lambda x: F.nll_loss(x, [0.0, 1.0]), TypeError, "nll_loss: target of dtype float64"),
        (lambda x: F.mse_loss(x, x[0]), ValueError, r"mse_loss: input of shape \(2, 3\) and target of shape \(3,\)"),
        (lambda x: F.l1_loss(x, x, reduction="max"), ValueError, "l1_loss: reduction 'max'"),
        (lambda x: F.mse_loss(x, 1j * x), TypeError, "mse_loss: .*target of dtype complex128; expected real numbers"),
        (lambda x: F.huber_loss(1j * x, x), TypeError, "huber_loss: input of dtype complex128"),
        (lambda x: nn.MSELoss(reduction="max"), ValueError, "MSELoss: reduction 'max'"),
    ],
)
def test_errors_name_the_bad_value(call: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        call(np.zeros((2, 3)))


def test_weights_are_buffers_in_float32() -> None:
    loss = nn.CrossEntropyLoss(weight=[1.0, 2.0])
    assert list(loss.state_dict()) == ["weight"] and not list(loss.parameters())
    assert loss.weight.dtype == np.float32 and not list(nn.CrossEntropyLoss().state_dict())
    with no_grad():
        assert loss(Tensor(np.zeros((1, 2), np.float32)), [1]).dtype == np.float32


BATCHED = [
    {},
    {"reduction": "sum"},
    {"reduction": "none"},
    {"weight": [1.0, 2.0, 0.5], "label_smoothing": 0.1},
    {"weight": [1.0, 2.0, 0.5], "ignore_index": 1},
    {"ignore_index": 1, "reduction": "sum"},
    {"ignore_index": -1},
]


@pytest.mark.parametrize("shape", [(3,), (2, 3), (2, 3, 2)])
@pytest.mark.parametrize("options", BATCHED)
@pytest.mark.parametrize("name", ["cross_entropy", "nll_loss"])
def test_targets_that_differ_over_a_batch_beside_a_loop(shape: Any, options: dict[str, Any], name: str) -> None:
    if name == "nll_loss" and "label_smoothing" in options:
        options = {"weight": options["weight"]}
    rng = np.random.default_rng(0)
    x = rng.normal(size=(4, *shape)).astype(np.float32)
    axis = min(len(shape) - 1, 1)
    target = rng.integers(0, 3, (4, *shape[:axis], *shape[axis + 1 :]))
    target[0] = options.get("ignore_index", 0)  # an example of which nothing counts

    def loss(x: Any, y: Any) -> Any:
        return getattr(F, name)(x, y, **options)

    def check(actual: Any, f: Any) -> None:
        expected = np.stack([f(Tensor(a), b).numpy() for a, b in zip(x, target, strict=True)])
        assert actual.dtype == np.float32
        np.testing.assert_allclose(actual.numpy(), expected, rtol=1e-5, atol=1e-6)

    gradient = grad(lambda x, y: loss(x, y).sum())
    check(vmap(loss)(x, target), loss)
    check(vmap(gradient)(x, target), gradient)
    check(grad(lambda x: vmap(loss)(x, target).sum())(x), gradient)
    shared = vmap(loss, in_axes=(None, 0))(x[0], target).numpy()
    np.testing.assert_allclose(shared, np.stack([loss(x[0], t) for t in target]), rtol=1e-5)


def test_the_range_of_targets_is_checked_in_a_batch_too() -> None:
    with pytest.raises(ValueError, match="target 3 is out of range for 3 classes"):
        vmap(F.cross_entropy)(np.zeros((2, 3)), np.array([0, 3]))


def test_gradients_by_the_weights_of_classes(normal: Any) -> None:
    x, w = Tensor(normal(4, 3), dtype=np.float64), Tensor([1.0, 2.0, 0.5], requires_grad=True)
    y = np.array([0, 2, 1, 1])
    each = -F.log_softmax(x, 1).numpy()[np.arange(4), y]
    F.cross_entropy(x, y, weight=w).backward()
    total, mean = w.data[y].sum(), (w.data[y] * each).sum() / w.data[y].sum()
    expected = [(each[y == c] - mean).sum() / total for c in range(3)]  # by the rule of the quotient
    np.testing.assert_allclose(w.grad.numpy(), expected, rtol=1e-12)
