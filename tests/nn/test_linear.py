from typing import Any

import numpy as np
import pytest

from pullback import Tensor, nn
from pullback.nn import functional as F


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
