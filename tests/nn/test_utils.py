from typing import Any

import numpy as np
import pytest

from pullback import Tensor, nn
from pullback.nn import utils


def _parameters() -> list[Any]:
    """Two with the gradients [3] and [4, 12], and one without."""
    parameters = [nn.Parameter([0.0]), nn.Parameter([0.0, 0.0]), nn.Parameter([1.0])]
    for p, grad in zip(parameters[:2], ([3.0], [4.0, 12.0]), strict=True):
        p.grad = Tensor(np.array(grad, np.float32))
    return parameters


def test_clip_grad_norm() -> None:
    p, q, r = _parameters()
    assert utils.clip_grad_norm_([p, q, r], 6.5) == pytest.approx(13)
    np.testing.assert_allclose(p.grad.numpy(), [1.5])
    np.testing.assert_allclose(q.grad.numpy(), [2, 6])
    assert r.grad is None and p.grad.dtype == np.float32
    assert utils.clip_grad_norm_(iter([p, q, r]), 100) == pytest.approx(6.5)
    np.testing.assert_allclose(q.grad.numpy(), [2, 6])
    assert utils.clip_grad_norm_([r], 1) == 0
    p, q, r = _parameters()
    assert utils.clip_grad_norm_([p, q, r], 6.0, norm_type=np.inf) == 12
    np.testing.assert_allclose(q.grad.numpy(), [2, 6])
    assert utils.clip_grad_norm_(p, 6.0, norm_type=1) == pytest.approx(1.5, rel=1e-6)


@pytest.mark.parametrize("norm_type", [1.0, 2.0, np.inf])
@pytest.mark.parametrize("bad", [np.inf, -np.inf, np.nan])
def test_gradients_whose_norm_is_not_finite_stay(bad: float, norm_type: float) -> None:
    p, q, _ = _parameters()
    q.grad = Tensor(np.array([4.0, bad], np.float32))
    norm = utils.clip_grad_norm_([p, q], 1.0, norm_type)
    assert np.isnan(norm) if np.isnan(bad) else norm == np.inf
    np.testing.assert_array_equal(p.grad.numpy(), [3])
    np.testing.assert_array_equal(q.grad.numpy(), np.array([4, bad], np.float32))


def test_clip_grad_value() -> None:
    p, q, r = _parameters()
    utils.clip_grad_value_([p, q, r], 3.5)
    np.testing.assert_allclose(q.grad.numpy(), [3.5, 3.5])
    np.testing.assert_allclose(p.grad.numpy(), [3])


def test_vectors() -> None:
    layer = nn.Linear(2, 1)
    vector = utils.parameters_to_vector(layer.parameters())
    assert vector.requires_grad and vector.shape == (3,)
    utils.vector_to_parameters(Tensor([1.0, 2.0, 3.0]), layer.parameters())
    np.testing.assert_array_equal(layer.weight.numpy(), [[1, 2]])
    assert layer.bias.item() == 3 and layer.weight.dtype == np.float32  # type: ignore[union-attr]
    with pytest.raises(ValueError, match=r"shape \(2,\) for 3 entries"):
        utils.vector_to_parameters([1.0, 2.0], layer.parameters())
