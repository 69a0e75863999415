from typing import Any

import numpy as np
import pytest

from pullback import Tensor, nn
from pullback.testing import check_module

X = np.random.default_rng(0).normal(size=(6, 8))
CLASSES = np.array([0, 11, 4, 2, 5, 11])


def made(**options: Any) -> Any:
    nn.manual_seed(0)
    return nn.AdaptiveLogSoftmaxWithLoss(8, 12, [3, 7], **options).double()


def log_probability(loss: Any, x: Any, k: int) -> float:
    """By the definition, with the weights as they are."""

    def normed(scores: Any) -> Any:
        return scores - np.log(np.exp(scores).sum())

    state = {name: value.numpy() for name, value in loss.state_dict().items()}
    head = normed(state["head.weight"] @ x + state.get("head.bias", 0))
    if k < 3:
        return head[k]
    i, first = (0, 3) if k < 7 else (1, 7)
    tail = normed(state[f"tail.{i}.1.weight"] @ (state[f"tail.{i}.0.weight"] @ x))
    return head[3 + i] + tail[k - first]


@pytest.mark.parametrize("options", [{}, {"head_bias": True, "div_value": 2.0}])
def test_beside_the_definition(options: dict[str, Any]) -> None:
    loss = made(**options)
    table = np.array([[log_probability(loss, x, k) for k in range(12)] for x in X])
    output, mean = loss(Tensor(X), CLASSES)
    np.testing.assert_allclose(output.numpy(), table[np.arange(6), CLASSES], rtol=1e-10)
    np.testing.assert_allclose(mean.item(), -table[np.arange(6), CLASSES].mean(), rtol=1e-10)
    np.testing.assert_allclose(loss.log_prob(Tensor(X)).numpy(), table, rtol=1e-10)
    np.testing.assert_allclose(np.exp(table).sum(1), 1)
    one = loss(Tensor(X[1]), np.array(11))
    assert one.output.shape == one.loss.shape == ()
    np.testing.assert_allclose(one.output.item(), table[1, 11], rtol=1e-10)


def test_the_most_probable_class() -> None:
    loss = made()
    for scale in (0.0, 3.0, -3.0):  # clusters that are never, sometimes and always the largest of the head
        loss.head.weight.data = loss.head.weight.data * (scale or 1.0)
        head = loss.head(Tensor(X)).numpy()
        table = np.array([[log_probability(loss, x, k) for k in range(12)] for x in X])
        expected = [h.argmax() if h.argmax() < 3 else row.argmax() for h, row in zip(head, table, strict=True)]
        np.testing.assert_array_equal(loss.predict(Tensor(X)).numpy(), expected)


@pytest.mark.slow
@pytest.mark.parametrize("classes", [CLASSES, np.array([0, 1, 2, 0, 1, 2]), np.array([8, 9, 8, 9, 10, 11])])
def test_derivatives(classes: Any) -> None:
    assert check_module(made(head_bias=True), (X, classes))


def test_state_and_initial_values() -> None:
    loss = nn.AdaptiveLogSoftmaxWithLoss(8, 12, [3, 7], head_bias=True)
    shapes = {name: value.shape for name, value in loss.state_dict().items()}
    assert shapes == {
        "head.weight": (5, 8),
        "head.bias": (5,),
        "tail.0.0.weight": (2, 8),
        "tail.0.1.weight": (4, 2),
        "tail.1.0.weight": (0, 8),
        "tail.1.1.weight": (5, 0),
    }
    before = loss.head.weight.numpy().copy()
    loss.reset_parameters()
    assert (loss.head.weight.numpy() != before).any() and abs(loss.head.weight.numpy()).max() <= 8**-0.5


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: nn.AdaptiveLogSoftmaxWithLoss(8, 12, []),
            ValueError,
            r"cutoffs=\[\]; expected rising integers from 1",
        ),
        (lambda: nn.AdaptiveLogSoftmaxWithLoss(8, 12, [3, 3]), ValueError, r"cutoffs=\[3, 3\]"),
        (lambda: nn.AdaptiveLogSoftmaxWithLoss(8, 12, [12]), ValueError, r"cutoffs=\[12\]; .* n_classes - 1 = 11"),
        (lambda: made()(Tensor(X), CLASSES[:3]), ValueError, r"input of shape \(6, 8\) and target of shape \(3,\)"),
        (lambda: made()(Tensor(X), CLASSES + 1), ValueError, "target 12 is out of range for 12 classes"),
        (lambda: made()(Tensor(X), CLASSES * 1.0), TypeError, "target of dtype float64; expected integers"),
    ],
)
def test_bad_input(call: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        call()
