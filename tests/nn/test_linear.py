from typing import Any

import numpy as np
import pytest

from pullback import Tensor, nn, vmap
from pullback.nn import functional as F
from pullback.testing import check_module


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(3,), (5, 3), (2, 4, 3), (0, 3)])
def test_linear_against_pytorch(same: Any, normal: Any, bias: bool, shape: tuple[int, ...]) -> None:
    import torch

    same(nn.Linear(3, 2, bias=bias), torch.nn.Linear(3, 2, bias=bias), normal(*shape))


def test_linear_by_hand() -> None:
    layer = nn.Linear(2, 1)
    layer.load_state_dict({"weight": [[2.0, 3.0]], "bias": [1.0]})
    x = Tensor(np.array([[1.0, 10.0]], np.float32), requires_grad=True)
    y = layer(x)
    y.backward()
    assert y.item() == 33
    np.testing.assert_array_equal(x.grad.numpy(), [[2.0, 3.0]])
    np.testing.assert_array_equal(layer.weight.grad.numpy(), [[1.0, 10.0]])
    np.testing.assert_array_equal(layer.bias.grad.numpy(), [1.0])


def test_linear_names_the_shapes() -> None:
    with pytest.raises(ValueError, match=r"Linear expected 3 features, got an input of shape \(4, 2\)"):
        nn.Linear(3, 2)(np.zeros((4, 2), np.float32))


@pytest.mark.parametrize("dims", [(), (0,), (0, 1), (1, 2), (-2, -1)])
def test_flatten_against_pytorch(same: Any, normal: Any, dims: tuple[int, ...]) -> None:
    import torch

    same(nn.Flatten(*dims), torch.nn.Flatten(*dims), normal(2, 3, 4))


def test_flatten_edges() -> None:
    assert F.flatten(np.float32(3)).shape == (1,)
    assert nn.Flatten()(np.zeros((0, 3, 4))).shape == (0, 12)
    with pytest.raises(ValueError, match="start_dim=2"):
        F.flatten(np.zeros((2, 3, 4)), 2, 1)


@pytest.mark.parametrize(
    ("dims", "shape"),
    [
        ((), (2, 60)),
        ((0,), (120,)),
        ((0, 1), (6, 4, 5)),
        ((1, 2), (2, 12, 5)),
        ((-2, -1), (2, 3, 20)),
        ((2, 2), (2, 3, 4, 5)),
    ],
)
def test_flatten_by_hand(dims: tuple[int, ...], shape: tuple[int, ...]) -> None:
    x = np.arange(120.0).reshape(2, 3, 4, 5)
    np.testing.assert_array_equal(nn.Flatten(*dims)(x), x.reshape(shape))


def test_unflatten(normal: Any) -> None:
    x = normal(4, 6, 2)
    for size, shape in (((2, 3), (4, 2, 3, 2)), ((-1, 2), (4, 3, 2, 2)), ((6, 1), (4, 6, 1, 2))):
        np.testing.assert_array_equal(nn.Unflatten(1, size)(x), x.reshape(shape))
    for size in ((4, 2), (-1, 4), (-1, -1)):
        with pytest.raises(ValueError, match="cannot become"):
            nn.Unflatten(-1, size)(normal(4, 6))


def test_identity() -> None:
    assert nn.Identity(5, any=3)("x") == "x"


@pytest.mark.slow
@pytest.mark.parametrize("batch", [(), (5,), (2, 1, 3), (0,)])
@pytest.mark.parametrize("bias", [True, False])
def test_bilinear_by_its_formula(batch: tuple[int, ...], bias: bool) -> None:
    rng = np.random.default_rng(0)
    layer = nn.Bilinear(3, 4, 2, bias=bias).double()
    a, b = rng.normal(size=(*batch, 3)), rng.normal(size=(*batch, 4))
    expected = np.einsum("...i,kij,...j->...k", a, layer.weight.numpy(), b) + (layer.bias.numpy() if bias else 0)  # type: ignore[union-attr]
    np.testing.assert_allclose(layer(a, b).numpy(), expected, rtol=1e-12, atol=1e-12)
    if 0 not in batch:
        assert check_module(layer, (a, b))


def test_bilinear_starts_as_pytorchs_does() -> None:
    nn.manual_seed(0)
    layer = nn.Bilinear(16, 30, 20)
    for values in (layer.weight.numpy(), np.concatenate([nn.Bilinear(16, 1, 20).bias.numpy() for _ in range(50)])):  # type: ignore[union-attr]
        assert values.dtype == np.float32 and 0.24 < abs(values).max() <= 0.25
        np.testing.assert_allclose(values.std(), 0.5 / np.sqrt(12), rtol=0.05)


def test_bilinear_errors() -> None:
    layer = nn.Bilinear(3, 4, 2)
    assert repr(layer) == "Bilinear(in1_features=3, in2_features=4, out_features=2, bias=True)"
    for one, two in (((5, 2), (5, 4)), ((5, 3), (5, 3)), ((5, 3), (4, 4)), ((3,), (1, 4)), ((), (4,))):
        with pytest.raises(
            ValueError, match=r"Bilinear expected inputs of shapes \(\.\.\., 3\) and \(\.\.\., 4\), got"
        ):
            layer(np.zeros(one, np.float32), np.zeros(two, np.float32))
        with pytest.raises(ValueError, match=r"bilinear: inputs of shapes .* for a weight of shape \(2, 3, 4\)"):
            F.bilinear(np.zeros(one), np.zeros(two), np.zeros((2, 3, 4)))
    with pytest.raises(ValueError, match="in1_features=0"):
        nn.Bilinear(0, 1, 1)


def test_bilinear_inside_vmap_and_in_single_precision() -> None:
    rng = np.random.default_rng(0)
    layer = nn.Bilinear(3, 4, 2)
    a, b = rng.normal(size=(5, 3)).astype(np.float32), rng.normal(size=(5, 4)).astype(np.float32)
    assert layer(a, b).dtype == np.float32
    np.testing.assert_allclose(vmap(layer)(a, b).numpy(), layer(a, b).numpy(), rtol=1e-5, atol=1e-6)


def test_unflatten_takes_no_names() -> None:
    with pytest.raises(TypeError, match="dim='features'; axes of arrays have no names"):
        nn.Unflatten("features", (2, 3))  # type: ignore[arg-type]
    for size in ((("a", 2), ("b", 3)), "23", 6):
        with pytest.raises(TypeError, match="expected a tuple of integers"):
            nn.Unflatten(1, size)  # type: ignore[arg-type]
