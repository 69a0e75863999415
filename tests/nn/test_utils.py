from operator import attrgetter
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


def test_the_factor_is_pytorchs(torch: Any) -> None:
    rng = np.random.default_rng(0)
    for norm_type in (1.0, 2.0, 3.0, np.inf, -np.inf, 0.0, 0.5):
        for max_norm in (0.1, 1.0, 50.0):
            grads = [rng.normal(size=shape) for shape in ((3, 4), (5,), (), (2, 1, 2))]
            ours = [nn.Parameter(np.zeros(g.shape)) for g in grads]
            theirs = [torch.nn.Parameter(torch.zeros(g.shape, dtype=torch.float64)) for g in grads]
            for p, q, g in zip(ours, theirs, grads, strict=True):
                p.grad, q.grad = Tensor(g), torch.tensor(g)
            a = utils.clip_grad_norm_(ours, max_norm, norm_type, foreach=False)
            b = torch.nn.utils.clip_grad_norm_(theirs, max_norm, norm_type)
            np.testing.assert_allclose(a, b.item(), rtol=1e-12)
            for p, q in zip(ours, theirs, strict=True):
                np.testing.assert_allclose(p.grad.numpy(), q.grad.numpy(), rtol=1e-12)  # type: ignore[union-attr]


def test_the_factor_by_hand() -> None:
    p = nn.Parameter(np.zeros(2))
    p.grad = Tensor([3e-6, 4e-6])
    assert utils.clip_grad_norm_(p, 3e-6).item() == pytest.approx(5e-6)
    np.testing.assert_allclose(p.grad.numpy(), [1.5e-6, 2e-6])  # by 3 / (5 + 1)


def test_norms_in_parts() -> None:
    p, q, _ = _parameters()
    norm = utils.get_total_norm([p.grad, q.grad])
    assert norm == pytest.approx(13) and isinstance(norm, float) and norm.item() == norm
    assert utils.get_total_norm([]) == 0 and utils.get_total_norm(p.grad) == 3
    assert utils.get_total_norm([Tensor(np.zeros((0, 3))), p.grad], np.inf) == 3
    utils.clip_grads_with_norm_([p, q], 26.0, 52.0)
    np.testing.assert_allclose(q.grad.numpy(), [2, 6])
    half = nn.Parameter(np.zeros(2, np.float16))
    half.grad = Tensor(np.array([3000.0, 4000.0], np.float16))
    assert utils.clip_grad_norm_(half, 50.0) == pytest.approx(5000)  # whose square is no float16
    np.testing.assert_allclose(half.grad.numpy(), [30, 40])
    assert half.grad.dtype == np.float16


@pytest.mark.parametrize("bad", [np.inf, np.nan])
def test_norms_that_are_not_finite_may_be_errors(bad: float) -> None:
    p, q, _ = _parameters()
    q.grad = Tensor(np.array([4.0, bad], np.float32))
    with pytest.raises(RuntimeError, match=f"the norm of order 2.0 is {bad}"):
        utils.clip_grad_norm_([p, q], 1.0, error_if_nonfinite=True)
    np.testing.assert_array_equal(p.grad.numpy(), [3])


def test_skip_init() -> None:
    nn.manual_seed(3)
    layer = utils.skip_init(nn.Linear, 2, 3, bias=False)
    assert layer.weight.shape == (3, 2) and layer.bias is None
    assert nn.init.generator().random() == np.random.default_rng(3).random()
    with pytest.raises(RuntimeError, match="expected a class of modules, not 3"):
        utils.skip_init(3)  # type: ignore[arg-type]


def test_functional_call_by_its_first_place() -> None:
    assert utils.stateless.functional_call is nn.functional_call


LEFT_OUT = {
    "utils": "clip_grad_norm convert_conv2d_weight_memory_format convert_conv3d_weight_memory_format fuse_conv_bn_eval"
    " fuse_conv_bn_weights fuse_linear_bn_eval fuse_linear_bn_weights rnn",
    "utils.parametrize": "",
    "utils.parametrizations": "",
    "init": "",
}


@pytest.mark.parametrize("place", LEFT_OUT)
def test_pytorchs_names_are_there(torch: Any, place: str) -> None:
    theirs, ours = (attrgetter(place)(library) for library in (torch.nn, nn))
    assert [name for name in theirs.__all__ if not hasattr(ours, name) and name not in LEFT_OUT[place].split()] == []


def test_gradients_that_are_shared_seen_elsewhere_or_recorded() -> None:
    p, q, _ = _parameters()
    q.data = np.zeros(1, np.float32)
    p.grad = q.grad = Tensor(np.array([4.0], np.float32))
    seen = p.grad.numpy()
    utils.clip_grads_with_norm_([p, q, p], 2.0, 4.0)
    np.testing.assert_allclose(p.grad.numpy(), [2], rtol=1e-6)
    np.testing.assert_array_equal(seen, [4])  # an array that was taken before
    x = nn.Parameter(np.array([3.0]))
    (x**3).sum().backward(create_graph=True)
    assert x.grad is not None and x.grad.requires_grad
    assert utils.clip_grad_norm_(x, 13.5) == 27
    np.testing.assert_allclose(x.grad.numpy(), [13.5])
    fixed = nn.Parameter(np.zeros(2))
    array = np.array([3.0, 4.0])
    array.flags.writeable = False
    fixed.grad = Tensor(array)
    utils.clip_grad_norm_(fixed, 1.0)
    np.testing.assert_allclose(fixed.grad.numpy(), [0.6, 0.8], rtol=1e-6)
