from typing import Any

import numpy as np
import pytest

from pullback import Tensor, jvp, nn, vmap
from pullback.nn import functional as F
from pullback.testing import check_module

NUMPY = {"constant": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}
SHAPES = {1: (2, 3, 5), 2: (2, 3, 4, 5), 3: (1, 2, 4, 3, 5)}
WIDTHS = {1: (2, 1), 2: (1, 0, 2, 1), 3: (0, 2, 1, 1, 3, 0)}
LAYERS = {"Zero": "constant", "Constant": "constant", "Reflection": "reflect", "Replication": "replicate"} | {
    "Circular": "circular"
}


def _by_numpy(x: Any, widths: tuple[int, ...], mode: str, value: float = 0.0) -> Any:
    pairs = [(0, 0)] * (x.ndim - len(widths) // 2) + list(zip(widths[-2::-2], widths[::-2], strict=True))
    return np.pad(x, pairs, NUMPY[mode], **({"constant_values": value} if mode == "constant" else {}))


@pytest.mark.parametrize("mode", NUMPY)
@pytest.mark.parametrize("dims", SHAPES)
def test_pad_against_numpy(mode: str, dims: int) -> None:
    x = np.random.default_rng(0).normal(size=SHAPES[dims])
    widths = WIDTHS[dims] if mode != "reflect" or dims < 3 else (0, 2, 1, 1, 3, 0)
    expected = _by_numpy(x, widths, mode)
    np.testing.assert_array_equal(F.pad(Tensor(x), widths, mode).numpy(), expected)
    np.testing.assert_array_equal(vmap(lambda x: F.pad(x, widths, mode))(x).numpy(), expected)
    np.testing.assert_array_equal(jvp(lambda x: F.pad(x, widths, mode), (x,), (x,))[1].numpy(), expected)
    assert F.pad(Tensor(x.astype(np.float32)), widths, mode).dtype == np.float32


@pytest.mark.slow
@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize("dims", SHAPES)
def test_layers(kind: str, dims: int) -> None:
    x = np.random.default_rng(1).normal(size=SHAPES[dims])
    value = {"value": 2.5} if kind == "Constant" else {}
    layer = getattr(nn, f"{kind}Pad{dims}d")(WIDTHS[dims], **value)
    np.testing.assert_array_equal(layer(x), _by_numpy(x, WIDTHS[dims], LAYERS[kind], **value))
    np.testing.assert_array_equal(layer(x[0]), layer(x)[0])
    np.testing.assert_array_equal(getattr(nn, f"{kind}Pad{dims}d")(1, **value)(x).shape[2:], np.add(x.shape[2:], 2))
    assert check_module(layer, x[:, :1, ..., :3] if dims == 1 else x[:1, :1])


@pytest.mark.parametrize(
    ("mode", "widths", "expected"),
    [
        ("constant", (-1, 2), [2, 3, 0, 0]),
        ("reflect", (-1, 2), [2, 3, 2, 1]),
        ("replicate", (2, -2), [1, 1, 1]),
        ("circular", (-1, 1), [2, 3, 2]),
        ("constant", (-3, 0), []),
    ],
)
def test_negative_widths_cut_off(mode: str, widths: tuple[int, int], expected: list[float]) -> None:
    x = Tensor([[1.0, 2.0, 3.0]], requires_grad=True)
    y = F.pad(x, widths, mode)
    assert y.numpy().tolist() == [expected]
    y.sum().backward()
    assert x.grad.numpy().tolist() == [[expected.count(v) for v in (1, 2, 3)]]


def test_gradients_of_what_is_copied_add_up() -> None:
    x = Tensor([[1.0, 2.0, 3.0]], requires_grad=True)
    F.pad(x, (2, 1), "replicate").backward(np.array([[1.0, 10, 100, 1000, 10000, 100000]]))
    assert x.grad.numpy().tolist() == [[111, 1000, 110000]]
    x.grad = None
    F.pad(x, (2, 1), "reflect").backward(np.array([[1.0, 10, 100, 1000, 10000, 100000]]))
    assert x.grad.numpy().tolist() == [[100, 101010, 10001]]


def test_infinities_and_nan_stay_where_they_are() -> None:
    x = np.array([[np.inf, 1.0, np.nan]])
    np.testing.assert_array_equal(F.pad(x, (1, 1), "reflect"), [[1, np.inf, 1, np.nan, 1]])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: F.pad(np.ones((1, 2, 3)), (1,)), r"pad: pad=\(1,\)"),
        (lambda: F.pad(np.ones((1, 2, 3)), (3, 0), "reflect"), r"pad: \(3, 0\) .* length 3.*at most 2"),
        (lambda: F.pad(np.ones((1, 2, 3)), (0, 4), "circular"), r"pad: \(0, 4\) .* length 3.*at most 3"),
        (lambda: F.pad(np.ones((1, 2, 3)), (-2, -2)), r"pad: \(-2, -2\) cuts more"),
        (lambda: F.pad(np.ones((1, 2, 0)), (1, 0), "replicate"), "length 0"),
        (lambda: F.pad(np.ones((1, 2, 3)), (1, 0), "mirror"), "mode 'mirror'"),
        (lambda: F.pad(np.ones((1, 2, 3)), (1, 0), "reflect", 1.0), "value=1.0 in mode 'reflect'"),
        (lambda: nn.ZeroPad2d((1, 2)), r"ZeroPad2d: padding=\(1, 2\); expected a number or 4"),
        (lambda: nn.ReflectionPad1d(1)(np.ones(3)), r"ReflectionPad1d expected 2 or 3 dimensions, .* \(3,\)"),
        (lambda: nn.CircularPad2d(1)(np.ones((1, 1, 1, 2, 2))), "CircularPad2d expected 3 or 4 dimensions"),
    ],
)
def test_errors_name_the_bad_value(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
