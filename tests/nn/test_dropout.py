from typing import Any

import numpy as np
import pytest

from pullback import Tensor, nn
from pullback.nn import functional as F


@pytest.mark.parametrize("p", [-0.1, 1.5, float("nan")])
def test_p_is_a_probability(p: float) -> None:
    with pytest.raises(ValueError, match=f"Dropout: p={p}"):
        nn.Dropout(p)
    with pytest.raises(ValueError, match=f"dropout: p={p}"):
        F.dropout(np.ones(2), p)


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_share_of_zeros_and_scale(p: float) -> None:
    nn.manual_seed(0)
    n = 40_000
    y = nn.Dropout(p)(np.full(n, 2.0, np.float32))
    assert y.dtype == np.float32
    kept = y != 0
    assert abs(kept.mean() - (1 - p)) < 5 * np.sqrt(p * (1 - p) / n)
    np.testing.assert_allclose(y[kept], 2 / (1 - p), rtol=1e-6)


def test_gradient_goes_where_the_values_went() -> None:
    x = Tensor(np.ones((20, 5), np.float32), requires_grad=True)
    y = F.dropout(x, 0.5)
    y.backward(np.full((20, 5), 3.0, np.float32))
    np.testing.assert_array_equal(x.grad.numpy(), 3 * y.numpy())
    assert x.grad.dtype == np.float32 and {0.0, 6.0} == set(x.grad.numpy().ravel().tolist())


def test_extremes() -> None:
    x = Tensor(np.ones(3), requires_grad=True)
    assert F.dropout(x, 0.0) is x and F.dropout(x, 0.5, training=False) is x
    assert nn.Dropout().eval()(x) is x
    y = F.dropout(x, 1.0)
    np.testing.assert_array_equal(y.numpy(), np.zeros(3))
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), np.zeros(3))
    assert F.dropout(np.zeros((0, 3)), 0.5).shape == (0, 3)


def test_seeded() -> None:
    def draw(seed: int) -> Any:
        nn.manual_seed(seed)
        return F.dropout(np.ones(50), 0.5)

    np.testing.assert_array_equal(draw(1), draw(1))
    assert not np.array_equal(draw(1), draw(2))
    assert repr(nn.Dropout(0.2)) == "Dropout(p=0.2, inplace=False)"
