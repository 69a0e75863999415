from typing import Any

import numpy as np
import pytest

from pullback import Tensor, nn
from pullback.nn import functional as F

SPATIAL = {1: (9,), 2: (8, 7), 3: (6, 5, 7)}


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"stride": 2, "padding": 1},
        {"dilation": 2, "bias": False},
        {"groups": 2, "padding": 2},
        {"padding": "same", "dilation": 2},
        {"padding": "valid", "stride": 3},
        {"padding": 1, "padding_mode": "reflect"},
        {"padding": 2, "padding_mode": "replicate"},
        {"padding": 2, "padding_mode": "circular", "stride": 2},
        {"padding": "same", "padding_mode": "circular"},
    ],
    ids=str,
)
def test_conv_against_pytorch(both: Any, same: Any, normal: Any, dims: int, options: dict[str, Any]) -> None:
    ours, theirs = both(f"Conv{dims}d", 4, 6, 3, **options)
    same(ours, theirs, normal(2, 4, *SPATIAL[dims]))


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel:UserWarning")
def test_conv_with_a_setting_for_each_axis(both: Any, same: Any, normal: Any) -> None:
    options = {"kernel_size": (3, 2), "stride": (2, 1), "padding": (1, 0), "dilation": (1, 2)}
    same(*both("Conv2d", 2, 3, **options), normal(2, 2, 8, 7))
    same(*both("Conv2d", 2, 3, (4, 2), padding="same", padding_mode="replicate"), normal(2, 2, 8, 7))
    same(*both("Conv2d", 2, 3, (4, 2), padding="same"), normal(2, 2, 8, 7))


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"stride": 2, "padding": 1, "output_padding": 1},
        {"stride": 3, "dilation": 2, "bias": False},
        {"groups": 2, "padding": 2},
    ],
    ids=str,
)
def test_conv_transpose_against_pytorch(both: Any, same: Any, normal: Any, dims: int, options: dict[str, Any]) -> None:
    ours, theirs = both(f"ConvTranspose{dims}d", 4, 6, 3, **options)
    same(ours, theirs, normal(2, 4, *(n - 2 for n in SPATIAL[dims])))


def test_unbatched(both: Any, same: Any, normal: Any) -> None:
    for name in ("Conv1d", "ConvTranspose1d"):
        same(*both(name, 2, 3, 3), normal(2, 7))
    for name in ("Conv2d", "ConvTranspose2d"):
        same(*both(name, 2, 3, 3), normal(2, 7, 6))
    same(*both("Conv2d", 2, 3, 3, padding=1, padding_mode="circular"), normal(2, 7, 6))
    same(*both("Conv2d", 2, 3, 3), normal(0, 2, 7, 6))


@pytest.mark.parametrize("size", [(7, 8), (8, 9), (2, 3, 8, 8)])
def test_output_size(both: Any, same: Any, normal: Any, size: tuple[int, ...]) -> None:
    ours, theirs = both("ConvTranspose2d", 2, 3, 3, stride=2, padding=1)
    same(ours, theirs, normal(2, 2, 4, 4 if size[-1] == 8 else 5), output_size=list(size))


def test_output_size_out_of_range() -> None:
    layer = nn.ConvTranspose2d(2, 3, 3, stride=2, padding=1)
    for size in ((6, 7), (9, 7), (7,), (1, 2, 3, 7, 7)):
        with pytest.raises(ValueError, match=r"output_size=.*\[7, 7\].*\(2, 2\)"):
            layer(np.zeros((1, 2, 4, 4), np.float32), output_size=size)


def test_by_hand() -> None:
    x = np.arange(9.0).reshape(1, 1, 3, 3)
    w = np.array([[[[1.0, 2.0], [3.0, 4.0]]]])
    y = F.conv2d(x, w)
    np.testing.assert_array_equal(y, [[[[27, 37], [57, 67]]]])
    np.testing.assert_array_equal(F.conv2d(x, w, np.array([10.0])), y + 10)
    article = np.array([[[[37.0, 47.0], [67.0, 77.0]]]])
    expected = [[[[37, 121, 94], [178, 500, 342], [201, 499, 308]]]]
    np.testing.assert_array_equal(F.conv_transpose2d(article, w), expected)
    np.testing.assert_array_equal(F.conv_transpose2d(article, w, np.array([-1.0])), np.array(expected) - 1)


def test_samples_without_a_batch_and_sizes_that_are_asked_for() -> None:
    for layer, shape in ((nn.Conv2d(2, 3, 3), (2, 7, 6)), (nn.ConvTranspose1d(2, 3, 3, stride=2), (2, 5))):
        x = np.random.default_rng(0).normal(size=shape).astype(np.float32)
        one, several = layer(Tensor(x)).numpy(), layer(Tensor(x[None])).numpy()
        assert one.shape == several.shape[1:]
        np.testing.assert_array_equal(one, several[0])
    wide = nn.ConvTranspose2d(1, 1, 3, stride=2, padding=1, bias=False)
    x = np.ones((1, 1, 4, 5), np.float32)
    for size, shape in (([7, 9], (7, 9)), ([8, 9], (8, 9)), ([1, 1, 8, 10], (8, 10))):
        y = wide(x, output_size=size).numpy()
        assert y.shape == (1, 1, *shape)
        np.testing.assert_array_equal(y[..., :7, :9], wide(x).numpy())


NUMPYS = {"zeros": "constant", "constant": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}


@pytest.mark.parametrize("mode", ["zeros", "reflect", "replicate", "circular"])
@pytest.mark.parametrize(
    ("padding", "kernel", "dilation"), [(2, 3, 1), ("same", 3, 2), ("same", 4, 1), ("valid", 3, 2)]
)
@pytest.mark.parametrize("groups", [1, 2])
def test_modules_by_loops(mode: str, padding: Any, kernel: int, dilation: int, groups: int) -> None:
    """Of small integers, which add up exactly; of an odd number of zeros, one more is behind."""
    rng = np.random.default_rng(0)
    stride = 1 if padding == "same" else 2
    layer = nn.Conv2d(2, 4, (kernel, 2), stride, padding, dilation, groups, padding_mode=mode)
    x, w, b = (rng.integers(-4, 5, shape) for shape in ((2, 2, 7, 6), layer.weight.shape, (4,)))
    layer.weight.data, layer.bias.data = (a.astype(np.float32) for a in (w, b))
    spans = [dilation * (kernel - 1), dilation]
    totals = spans if padding == "same" else [0, 0] if padding == "valid" else [2 * padding] * 2
    widths = [(0, 0), (0, 0), *((total // 2, total - total // 2) for total in totals)]
    padded = np.pad(x, widths, NUMPYS[mode])
    heights, breadths = (range(0, n - span, stride) for n, span in zip(padded.shape[2:], spans, strict=True))
    expected = np.zeros((2, 4, len(heights), len(breadths)))
    for n, k, i, j in np.ndindex(expected.shape):
        own = padded[n, :, heights[i] :: dilation, breadths[j] :: dilation][:, :kernel, :2]
        expected[n, k, i, j] = b[k] + (own[k // 2 :][:1] * w[k] if groups == 2 else own * w[k]).sum()
    np.testing.assert_array_equal(layer(x.astype(np.float32)).numpy(), expected)


@pytest.mark.parametrize(
    "options", [{}, {"padding": 1, "output_padding": 1}, {"dilation": 2}, {"groups": 2, "bias": False}]
)
def test_transposed_modules_by_loops(options: dict[str, Any]) -> None:
    rng = np.random.default_rng(0)
    layer = nn.ConvTranspose1d(2, 4, 3, 2, **options)
    x, w = rng.integers(-4, 5, (2, 2, 5)), rng.integers(-4, 5, layer.weight.shape)
    layer.weight.data = w.astype(np.float32)
    groups, dilation, padding = (options.get(name, n) for name, n in (("groups", 1), ("dilation", 1), ("padding", 0)))
    whole = np.zeros((2, 4, 4 * 2 + dilation * 2 + 2))
    for n, c, i, k, a in np.ndindex(2, 2, 5, 4 // groups, 3):
        whole[n, (k if groups == 1 else 2 * c + k), 2 * i + a * dilation] += w[c, k, a] * x[n, c, i]
    length = 4 * 2 + dilation * 2 + 1 - 2 * padding + options.get("output_padding", 0)
    expected = whole[:, :, padding : padding + length]
    if layer.bias is not None:
        layer.bias.data = np.array([1, 2, 3, 4], np.float32)
        expected = expected + [[1], [2], [3], [4]]
    np.testing.assert_array_equal(layer(x.astype(np.float32)).numpy(), expected)


@pytest.mark.parametrize("mode", ["constant", "reflect", "replicate", "circular"])
@pytest.mark.parametrize("widths", [(1, 2), (0, 1, 2, 0), (2, 1, 1, 3)])
def test_pad_is_numpys(mode: str, widths: tuple[int, ...]) -> None:
    """The last axis comes first; a negative width cuts."""
    x = np.arange(2.0 * 5 * 4).reshape(2, 5, 4)
    pairs = [(0, 0)] * (3 - len(widths) // 2) + [(widths[i], widths[i + 1]) for i in range(len(widths) - 2, -1, -2)]
    t = Tensor(x, requires_grad=True)
    y = F.pad(t, widths, mode)
    np.testing.assert_array_equal(y.numpy(), np.pad(x, pairs, NUMPYS[mode]))
    y.backward(np.ones(y.shape))
    places = np.pad(
        np.arange(x.size).reshape(x.shape),
        pairs,
        NUMPYS[mode],
        **({"constant_values": -1} if mode == "constant" else {}),
    )
    np.testing.assert_array_equal(t.grad.numpy().ravel(), np.bincount(places[places >= 0], minlength=x.size))
    np.testing.assert_array_equal(F.pad(x, (-1, -2), mode), x[..., 1:-2])


def test_asymmetric_padding_is_that_of_the_padded_input() -> None:
    layer = nn.Conv2d(1, 1, 2, padding=((1, 0), (0, 2)))
    x = np.arange(12, dtype=np.float32).reshape(1, 1, 3, 4)
    plain = nn.Conv2d(1, 1, 2)
    plain.load_state_dict(layer.state_dict())
    padded = np.pad(x, ((0, 0), (0, 0), (1, 0), (0, 2)))
    np.testing.assert_allclose(layer(x).numpy(), plain(padded).numpy(), rtol=1e-6)
    wrapped = nn.Conv2d(1, 1, 2, padding=((1, 0), (0, 2)), padding_mode="circular")
    wrapped.load_state_dict(layer.state_dict())
    padded = np.pad(x, ((0, 0), (0, 0), (1, 0), (0, 2)), mode="wrap")
    np.testing.assert_allclose(wrapped(x).numpy(), plain(padded).numpy(), rtol=1e-6)


def test_transpose_is_the_transpose_with_same_padding() -> None:
    x, y = Tensor(np.ones((1, 1, 6))), np.ones((1, 1, 3))
    back = nn.ConvTranspose1d(1, 1, 3, stride=2, padding="same", bias=False).double()
    forth = F.conv1d(x, back.weight, stride=2, padding="same")
    np.testing.assert_allclose((forth * y).sum().item(), (back(y) * x).sum().item())
    assert back(y, output_size=(6,)).shape == (1, 1, 6)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nn.Conv2d(3, 4, 3, groups=2), "in_channels=3.*groups=2"),
        (lambda: nn.Conv2d(4, 3, 3, groups=2), "out_channels=3.*groups=2"),
        (lambda: nn.Conv2d(4, 4, (3, 3, 3)), r"Conv2d: kernel_size=\(3, 3, 3\)"),
        (lambda: nn.Conv1d(4, 4, 3, stride=(1, 1)), r"Conv1d: stride=\(1, 1\)"),
        (lambda: nn.Conv2d(4, 4, 3, padding="full"), "padding 'full'"),
        (lambda: nn.Conv2d(4, 4, 3, padding="same", stride=2), "padding='same' needs stride 1"),
        (lambda: nn.Conv2d(4, 4, 3, padding_mode="mirror"), "padding_mode 'mirror'"),
        (lambda: nn.ConvTranspose2d(4, 4, 3, padding_mode="reflect"), "padding_mode 'reflect'"),
        (lambda: nn.Conv2d(4, 4, 3)(np.zeros((4, 5))), r"^Conv2d expected 3 or 4 dimensions, got .* shape \(4, 5\)$"),
        (lambda: nn.Conv2d(4, 4, 3)(np.zeros((8, 3, 5, 5))), r"^Conv2d expected 4 channels, got .* \(8, 3, 5, 5\)$"),
        (lambda: nn.Conv1d(4, 4, 3, groups=2)(np.zeros((2, 5))), r"^Conv1d expected 4 channels, got .* \(2, 5\)$"),
        (
            lambda: nn.ConvTranspose2d(4, 2, 3)(np.zeros((2, 5, 5))),
            "^ConvTranspose2d expected 4 channels, got",
        ),
        (lambda: nn.Conv2d(4, 4, 3)(np.zeros((4, 2, 5))), r"^conv2d: windows of \(3, 3\)"),
        (lambda: F.conv1d(np.zeros((2, 5)), np.zeros((1, 3, 2))), "^conv1d: x of shape"),
        (lambda: F.conv_transpose1d(np.zeros((2, 5)), np.zeros((3, 1, 2))), "^conv_transpose1d: x of shape"),
        (lambda: nn.Conv2d(1, 1, 3, padding=3, padding_mode="reflect")(np.zeros((1, 1, 3, 3))), r"pad: \(3, 3\)"),
    ],
)
def test_errors_name_the_bad_value(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("mode", ["constant", "reflect", "replicate", "circular"])
@pytest.mark.parametrize("widths", [(1, 2), (0, 1, 2, 0), (2, 1, 1, 1)])
def test_pad_against_pytorch(same: Any, normal: Any, mode: str, widths: tuple[int, ...]) -> None:
    import torch

    dims = len(widths) // 2
    x = normal(2, 3, 4, 3) if dims == 2 else normal(2, 3, 4)
    same(lambda t: F.pad(t, widths, mode), lambda t: torch.nn.functional.pad(t, widths, mode), x)


@pytest.mark.parametrize("mode", ["constant", "reflect", "replicate", "circular"])
@pytest.mark.parametrize("widths", [(-1, 1), (-1, 1, -2, 1), (2, -1, 0, -3)])
def test_pad_by_less_than_nothing_cuts(torch: Any, same: Any, normal: Any, mode: str, widths: tuple[int, ...]) -> None:
    x = normal(1, 3, 4) if len(widths) == 2 else normal(1, 2, 4, 4)
    same(lambda t: F.pad(t, widths, mode), lambda t: torch.nn.functional.pad(t, widths, mode), x)


def test_pad_errors() -> None:
    with pytest.raises(ValueError, match=r"pad: \(-2, -2\) cuts more than there is from an axis of length 3"):
        F.pad(np.zeros(3), (-2, -2))
    with pytest.raises(ValueError, match="expected pairs"):
        F.pad(np.zeros(3), (1,))
    with pytest.raises(ValueError, match="expected pairs"):
        F.pad(np.zeros(3), (1, 1, 1, 1))
    with pytest.raises(ValueError, match="mode 'edge'"):
        F.pad(np.zeros(3), (1, 1), mode="edge")
    with pytest.raises(ValueError, match="at most 3"):
        F.pad(np.zeros(3), (4, 0), mode="circular")
    np.testing.assert_array_equal(F.pad(np.ones(2), (1, 2), value=5.0), [5, 1, 1, 5, 5])


def test_thin_functions_have_pytorchs_signatures() -> None:
    import inspect

    names = list(inspect.signature(F.conv_transpose2d).parameters)
    assert names == ["input", "weight", "bias", "stride", "padding", "output_padding", "groups", "dilation"]
    assert F.conv1d.__name__ == "conv1d"
