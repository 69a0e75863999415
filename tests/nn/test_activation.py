from typing import Any

import numpy as np
import pytest

from pullback import Tensor, nn, override, relu
from pullback.nn import functional as F

MODULES = {
    "ReLU": {},
    "Tanh": {},
    "Sigmoid": {},
    "Softmax": {"dim": 1},
    "LogSoftmax": {"dim": -2},
    "LeakyReLU": {"negative_slope": 0.2},
    "ELU": {"alpha": 0.7},
    "GELU": {"approximate": "tanh"},
    "SiLU": {},
    "Softplus": {"beta": 2.0, "threshold": 3.0},
}


@pytest.mark.parametrize("name", MODULES)
def test_against_pytorch(same: Any, normal: Any, name: str) -> None:
    import torch

    ours, theirs = getattr(nn, name)(**MODULES[name]), getattr(torch.nn, name)(**MODULES[name])
    same(ours, theirs, 2 * normal(3, 4, 5))
    same(ours, theirs, np.array([[-90.0, -20.0, -0.0, 1e-3, 20.0, 90.0]], np.float32))


@pytest.mark.parametrize("name", ["ReLU", "LeakyReLU", "ELU", "SiLU"])
def test_inplace_is_accepted_and_changes_nothing(torch: Any, name: str) -> None:
    module = getattr(nn, name)(inplace=True)
    assert repr(module) == repr(getattr(torch.nn, name)(inplace=True))
    x = np.array([-1.0, 2.0], np.float32)
    module(Tensor(x)), module(x)
    np.testing.assert_array_equal(x, [-1, 2])


X = np.array([-2.0, -0.5, 0.0, 0.5, 4.0])
SIGMOID = 1 / (1 + np.exp(-X))
INNER = np.sqrt(2 / np.pi) * (X + 0.044715 * X**3)
BY_HAND = {  # module, its options -> values and slopes at X (at 0 any between those of its sides)
    "ReLU": ({}, [0, 0, 0, 0.5, 4], [0, 0, None, 1, 1]),
    "LeakyReLU": ({"negative_slope": 0.25}, [-0.5, -0.125, 0, 0.5, 4], [0.25, 0.25, None, 1, 1]),
    "LeakyReLU, default": ({}, [-0.02, -0.005, 0, 0.5, 4], [0.01, 0.01, None, 1, 1]),
    "ELU": (
        {"alpha": 0.5},
        [(np.exp(-2) - 1) / 2, (np.exp(-0.5) - 1) / 2, 0, 0.5, 4],
        [np.exp(-2) / 2, np.exp(-0.5) / 2, None, 1, 1],
    ),
    "SiLU": ({}, X * SIGMOID, SIGMOID * (1 + X * (1 - SIGMOID))),
    "Sigmoid": ({}, SIGMOID, SIGMOID * (1 - SIGMOID)),
    "Tanh": ({}, np.tanh(X), 1 / np.cosh(X) ** 2),
    "Softplus": (  # 2 * 4 is beyond the threshold
        {"beta": 2.0, "threshold": 3.0},
        [*np.log1p(np.exp(2 * X[:4])) / 2, 4],
        [*1 / (1 + np.exp(-2 * X[:4])), 1],
    ),
    "GELU": (
        {"approximate": "tanh"},
        X * (1 + np.tanh(INNER)) / 2,
        (1 + np.tanh(INNER)) / 2 + X / 2 / np.cosh(INNER) ** 2 * np.sqrt(2 / np.pi) * (1 + 3 * 0.044715 * X**2),
    ),
}


@pytest.mark.parametrize("name", BY_HAND)
def test_values_and_slopes_by_hand(name: str) -> None:
    options, values, slopes = BY_HAND[name]
    x = Tensor(X, requires_grad=True)
    y = getattr(nn, name.partition(",")[0])(**options)(x)
    y.backward(np.ones(5))
    np.testing.assert_allclose(y.numpy(), values, rtol=1e-13)
    known = [slope is not None for slope in slopes]
    np.testing.assert_allclose(x.grad.numpy()[known], np.array(slopes, float)[known], rtol=1e-13)


def test_dim_and_axis() -> None:
    x = np.log(np.array([[1.0, 3.0], [2.0, 2.0]]))
    np.testing.assert_allclose(F.softmax(x), [[0.25, 0.75], [0.5, 0.5]])
    np.testing.assert_allclose(F.softmax(x, dim=0), [[1 / 3, 3 / 5], [2 / 3, 2 / 5]])
    np.testing.assert_allclose(F.softmax(x, axis=0), [[1 / 3, 3 / 5], [2 / 3, 2 / 5]])
    np.testing.assert_allclose(F.log_softmax(x, axis=0), np.log([[1 / 3, 3 / 5], [2 / 3, 2 / 5]]))


def test_exact_gelu() -> None:
    erf = pytest.importorskip("scipy.special").erf
    x = np.array([-3.0, 0.0, 0.5, 2.0])
    np.testing.assert_allclose(F.gelu(Tensor(x)).numpy(), x * (1 + erf(x / np.sqrt(2))) / 2, rtol=1e-12)
    assert nn.GELU()(Tensor(x.astype(np.float32))).dtype == np.float32
    with pytest.raises(ValueError, match="approximate='wrong'"):
        F.gelu(x, "wrong")


def test_the_rule_of_relu_can_be_swapped_under_the_module() -> None:
    x = Tensor([-1.0, 2.0], requires_grad=True)
    with override(relu, "x", lambda g: g * 5):
        nn.ReLU()(x).sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), [5, 5])
