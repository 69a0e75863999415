from typing import Any

import numpy as np
import pytest

from pullback import Tensor, jvp, nn, vmap
from pullback.nn import functional as F
from pullback.testing import check_module

IMAGE = np.random.default_rng(0).normal(size=(2, 3, 5, 6))


def _columns(x: Any, kernel: Any, dilation: Any, padding: Any, stride: Any) -> Any:
    """Window by window."""
    x = np.pad(x, ((0, 0), (0, 0), (padding[0],) * 2, (padding[1],) * 2))
    reach = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
    found = []
    for i in range(0, x.shape[2] - reach[0] + 1, stride[0]):
        for j in range(0, x.shape[3] - reach[1] + 1, stride[1]):
            window = x[:, :, i : i + reach[0] : dilation[0], j : j + reach[1] : dilation[1]]
            found.append(window.reshape(len(x), -1))
    return np.stack(found, -1)


@pytest.mark.parametrize(
    ("kernel", "dilation", "padding", "stride"),
    [((2, 2), (1, 1), (0, 0), (1, 1)), ((3, 2), (1, 2), (1, 0), (2, 1)), ((2, 3), (2, 1), (2, 1), (1, 3))],
)
def test_unfold_and_its_transpose(kernel: Any, dilation: Any, padding: Any, stride: Any) -> None:
    expected = _columns(IMAGE, kernel, dilation, padding, stride)
    np.testing.assert_array_equal(F.unfold(IMAGE, kernel, dilation, padding, stride), expected)
    np.testing.assert_array_equal(F.unfold(IMAGE[1], kernel, dilation, padding, stride), expected[1])
    columns = np.random.default_rng(1).normal(size=expected.shape)
    back = F.fold(columns, (5, 6), kernel, dilation, padding, stride)
    np.testing.assert_allclose(np.sum(back * IMAGE), np.sum(columns * expected), rtol=1e-12)
    counts = F.fold(
        F.unfold(np.ones_like(IMAGE), kernel, dilation, padding, stride), (5, 6), kernel, dilation, padding, stride
    )
    np.testing.assert_allclose(
        F.fold(expected, (5, 6), kernel, dilation, padding, stride), IMAGE * counts, rtol=1e-12, atol=1e-12
    )
    np.testing.assert_array_equal(F.fold(columns[0], (5, 6), kernel, dilation, padding, stride), back[0])


@pytest.mark.parametrize("r", [1, 2, 3])
def test_pixels_are_shuffled_as_the_formula_says(r: int) -> None:
    x = np.arange(2.0 * 2 * r * r * 3 * 4).reshape(2, 2 * r * r, 3, 4)
    y = F.pixel_shuffle(x, r)
    assert y.shape == (2, 2, 3 * r, 4 * r)
    for n, c, h, w in np.ndindex(y.shape):
        assert y[n, c, h, w] == x[n, c * r * r + r * (h % r) + w % r, h // r, w // r]
    np.testing.assert_array_equal(F.pixel_unshuffle(y, r), x)
    np.testing.assert_array_equal(F.pixel_shuffle(x[0], r), y[0])


def test_channels_are_taken_from_each_group_in_turn() -> None:
    x = np.arange(6.0).reshape(1, 6, 1, 1)
    assert F.channel_shuffle(x, 2).ravel().tolist() == [0, 3, 1, 4, 2, 5]
    assert F.channel_shuffle(x, 3).ravel().tolist() == [0, 2, 4, 1, 3, 5]


LAYERS = [
    (nn.Unfold(2, padding=1, stride=2), (1, 2, 3, 4)),
    (nn.Fold((3, 4), (2, 3)), (1, 6, 4)),
    (nn.PixelShuffle(2), (1, 4, 2, 3)),
    (nn.PixelUnshuffle(2), (1, 1, 2, 4)),
    (nn.ChannelShuffle(2), (1, 4, 2, 2)),
]


@pytest.mark.slow
@pytest.mark.parametrize(("layer", "shape"), LAYERS, ids=str)
def test_modules(layer: Any, shape: tuple[int, ...]) -> None:
    x = np.random.default_rng(0).normal(size=shape)
    assert check_module(layer, x)
    two = np.stack([x, -x])
    np.testing.assert_array_equal(vmap(layer)(two).numpy(), np.stack([layer(x), layer(-x)]))
    np.testing.assert_array_equal(jvp(layer, (x,), (2 * x,))[1].numpy(), 2 * layer(x))
    assert layer(Tensor(x.astype(np.float16))).dtype == np.float16


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: F.unfold(IMAGE, 7), r"^unfold: windows of \(7, 7\)"),
        (lambda: F.unfold(IMAGE[0, 0], 2), r"^unfold: input of shape \(5, 6\)"),
        (lambda: F.unfold(IMAGE, (2, 2, 2)), r"^unfold: kernel_size=\(2, 2, 2\)"),
        (lambda: F.unfold(IMAGE, 2, padding=-1), "^unfold: padding"),
        (lambda: F.fold(np.ones((1, 8, 5)), (3, 4), 2), r"^fold: cols of shape \(1, 8, 5\)"),
        (lambda: F.fold(np.ones((1, 7, 6)), (3, 4), 2), r"^fold: cols of shape \(1, 7, 6\)"),
        (lambda: F.fold(np.ones(7), (3, 4), 2), r"^fold: input of shape \(7,\)"),
        (lambda: F.pixel_shuffle(IMAGE, 2), r"^pixel_shuffle: .*\(2, 3, 5, 6\).*multiple of 4 channels"),
        (lambda: F.pixel_unshuffle(IMAGE, 2), r"^pixel_unshuffle: .*\(2, 3, 5, 6\).*multiples of 2"),
        (lambda: F.pixel_shuffle(IMAGE, 0), "^pixel_shuffle: factor 0"),
        (lambda: F.pixel_shuffle(IMAGE[0, 0], 1), r"^pixel_shuffle: input of shape \(5, 6\)"),
        (lambda: F.channel_shuffle(IMAGE, 2), r"^channel_shuffle: .*\(2, 3, 5, 6\).*groups=2"),
    ],
)
def test_errors_name_the_bad_value(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
