"""Dropout of whole channels, and with SELU's lowest value."""

from typing import Any

import numpy as np
import pytest

from pullback import Tensor, nn
from pullback.nn import functional as F
from pullback.testing import check_module

KINDS = {  # module, function, a shape, the axes that a channel fills
    "Dropout": (F.dropout, (30, 40), ()),
    "Dropout1d": (F.dropout1d, (30, 40, 5), (2,)),
    "Dropout1d, one sample": (F.dropout1d, (400, 5), (1,)),
    "Dropout2d": (F.dropout2d, (30, 40, 2, 3), (2, 3)),
    "Dropout3d": (F.dropout3d, (30, 40, 2, 3, 2), (2, 3, 4)),
    "Dropout3d, one sample": (F.dropout3d, (400, 2, 3, 2), (1, 2, 3)),
    "AlphaDropout": (F.alpha_dropout, (30, 40), ()),
    "FeatureAlphaDropout": (F.feature_alpha_dropout, (30, 40, 2, 3), (2, 3)),
}
LOWEST = -1.0507009873554805 * 1.6732632423543772  # of SELU


@pytest.mark.parametrize("p", [0.2, 0.5])
@pytest.mark.parametrize("name", KINDS)
def test_whole_channels_or_entries_are_dropped(name: str, p: float) -> None:
    function, shape, filled = KINDS[name]
    nn.manual_seed(0)
    x = Tensor(np.ones(shape, np.float32), requires_grad=True)
    module = getattr(nn, name.partition(",")[0])(p)
    y = module(x)
    y.backward(np.ones(shape, np.float32))
    slope = x.grad.numpy()
    dropped = slope == 0
    assert y.dtype == np.float32 and y.shape == shape
    assert (dropped == dropped.max(axis=filled, keepdims=True)).all()
    channels = dropped.min(axis=filled)
    assert abs(channels.mean() - p) < 5 * np.sqrt(p * (1 - p) / channels.size)
    scale = ((1 - p) * (1 + p * LOWEST**2)) ** -0.5 if "Alpha" in name else 1 / (1 - p)
    shift = -p * LOWEST * scale if "Alpha" in name else 0.0
    np.testing.assert_allclose(slope[~dropped], scale, rtol=1e-6)
    np.testing.assert_allclose(y.numpy()[~dropped], scale + shift, rtol=1e-5)
    np.testing.assert_allclose(y.numpy()[dropped], LOWEST * scale + shift if "Alpha" in name else 0, rtol=1e-5)
    nn.manual_seed(0)
    np.testing.assert_array_equal(function(x, p, True, True).numpy(), y.numpy())
    assert module.eval()(x) is x and function(x, 0.0, True) is x and function(x, p, False) is x
    np.testing.assert_array_equal(function(x, 1.0, True).numpy(), np.zeros(shape))
    assert repr(module) == f"{name.partition(',')[0]}(p={p}, inplace=False)"


@pytest.mark.parametrize("name", ["AlphaDropout", "FeatureAlphaDropout"])
def test_mean_and_variance_stay(name: str) -> None:
    nn.manual_seed(1)
    x = np.random.default_rng(0).normal(size=(500, 1000))
    y = getattr(nn, name)(0.3)(Tensor(x)).numpy()
    assert abs(y.mean()) < 0.02 and abs(y.var() - 1) < 0.02


@pytest.mark.slow
@pytest.mark.parametrize("name", ["Dropout1d", "Dropout3d", "AlphaDropout", "FeatureAlphaDropout"])
def test_derivatives(name: str) -> None:
    shape = (2, 3, 2, 2, 2) if name == "Dropout3d" else (2, 3, 4)
    assert check_module(getattr(nn, name)(0.4), np.random.default_rng(0).normal(size=shape))


def test_axes_that_are_not_those_of_the_layer() -> None:
    with pytest.warns(UserWarning, match=r"dropout2d: expected \(N, C, H, W\), got an input of shape \(2, 3, 4\)"):
        y = F.dropout2d(np.ones((2, 3, 4)), 0.5)
    assert (y == y[:, :, :1]).all()
    with pytest.warns(UserWarning, match="dropout3d: expected"):
        F.dropout3d(np.ones((2, 3)), 0.5)
    for call, message in (
        (lambda: F.dropout1d(np.ones(3)), r"dropout1d: expected \(N, C, L\) or \(C, L\), got an input of shape \(3,\)"),
        (lambda: F.feature_alpha_dropout(np.ones(3)), r"feature_alpha_dropout: expected \(N, C, ...\)"),
    ):
        with pytest.raises(ValueError, match=message):
            call()


@pytest.mark.parametrize("name", KINDS)
def test_p_is_a_probability(name: str) -> None:
    function: Any = KINDS[name][0]
    for p in (-0.1, 1.5):
        with pytest.raises(ValueError, match=f"{function.__name__}: p={p}; expected a probability"):
            function(np.ones((2, 3, 4)), p)
        with pytest.raises(ValueError, match=f"{name.partition(',')[0]}: p={p}"):
            getattr(nn, name.partition(",")[0])(p)
