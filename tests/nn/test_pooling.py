from typing import Any

import numpy as np
import pytest

import pullback as pb
from pullback import Tensor, nn
from pullback.nn import functional as F
from pullback.testing import check_module

SPATIAL = {1: (11,), 2: (9, 8), 3: (6, 5, 7)}


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"stride": 1, "padding": 1},
        {"ceil_mode": True, "return_indices": True},
        {"dilation": 2, "stride": 1},
        {"padding": 1, "ceil_mode": True, "return_indices": True},
    ],
    ids=str,
)
def test_max_pool_against_pytorch(both: Any, same: Any, normal: Any, dims: int, options: dict[str, Any]) -> None:
    same(*both(f"MaxPool{dims}d", 2, **options), normal(2, 3, *SPATIAL[dims]))


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"stride": 1, "padding": 1},
        {"ceil_mode": True},
        {"padding": 1, "count_include_pad": False},
        {"padding": 1, "ceil_mode": True, "count_include_pad": False},
        {"padding": 1, "ceil_mode": True},
    ],
    ids=str,
)
def test_avg_pool_against_pytorch(torch: Any, same: Any, normal: Any, dims: int, options: dict[str, Any]) -> None:
    ours, theirs = getattr(nn, f"AvgPool{dims}d")(3, **options), getattr(torch.nn, f"AvgPool{dims}d")(3, **options)
    if dims > 1:
        same(ours, theirs, normal(2, 3, *SPATIAL[dims]))
    else:  # PyTorch's repr shows tuples here and nowhere else in pooling
        same(ours.forward, theirs, normal(2, 3, *SPATIAL[dims]))


def test_a_setting_for_each_axis_and_unbatched(both: Any, same: Any, normal: Any) -> None:
    same(*both("MaxPool2d", (3, 2), stride=(2, 1), padding=(1, 0), return_indices=True), normal(2, 9, 8))
    same(*both("AvgPool2d", (3, 2), stride=(2, 1)), normal(2, 9, 8))
    same(*both("MaxPool3d", 2), normal(2, 5, 4, 4))
    same(*both("MaxPool1d", 2), normal(2, 5))


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize(("stride", "padding"), [(None, 0), (4, 0), (2, 1)])
@pytest.mark.parametrize("batch", [(2,), ()])
def test_max_unpool_against_pytorch(
    both: Any, same: Any, normal: Any, dims: int, stride: int | None, padding: int, batch: tuple[int, ...]
) -> None:
    shape = (2, 3, 4)[:dims]
    y = normal(*batch, 3, *shape)
    smallest = [(n - 1) * (stride or 3) + 3 - 2 * padding for n in shape]
    rng = np.random.default_rng(0)
    # all different: where places repeat, PyTorch's result is undefined
    rows = [rng.permutation(np.prod(smallest))[: np.prod(shape)] for _ in range(y.size // np.prod(shape))]
    places = np.reshape(rows, y.shape)
    ours, theirs = both(f"MaxUnpool{dims}d", 3, stride, padding)
    assert repr(ours) == repr(theirs)
    same(ours.forward, theirs, y, places)
    same(ours.forward, theirs, y, places, output_size=[n + 1 for n in smallest])
    if batch:
        same(ours.forward, theirs, y, places, output_size=[2, 3, *(n + 1 for n in smallest)])


ROW = np.array([[[1.0, 9.0, 3.0, 4.0, 8.0, 6.0, 7.0]]])


@pytest.mark.parametrize(
    ("options", "largest", "places"),
    [
        ({"kernel_size": 2}, [9, 4, 8], [1, 3, 4]),
        ({"kernel_size": 2, "stride": 3}, [9, 8], [1, 4]),
        ({"kernel_size": 3, "stride": 3, "padding": 1}, [9, 8, 7], [1, 4, 6]),
        ({"kernel_size": 2, "stride": 2, "dilation": 3}, [4, 6], [3, 5]),
        ({"kernel_size": 2, "ceil_mode": True}, [9, 4, 8, 7], [1, 3, 4, 6]),
    ],
    ids=str,
)
def test_max_pool_modules_by_hand(options: dict[str, Any], largest: list[int], places: list[int]) -> None:
    y, indices = nn.MaxPool1d(**options, return_indices=True)(ROW)
    assert np.ravel(y).tolist() == largest and np.ravel(indices).tolist() == places
    assert np.ravel(nn.MaxPool1d(**options)(ROW)).tolist() == largest
    flat = {name: (1, n) if name in ("kernel_size", "stride", "dilation") else n for name, n in options.items()}
    if "padding" in flat:
        flat["padding"] = (0, 1)
    y, indices = nn.MaxPool2d(**flat, return_indices=True)(ROW[None])
    assert np.ravel(y).tolist() == largest and np.ravel(indices).tolist() == places


@pytest.mark.parametrize(
    ("options", "means"),
    [
        ({"kernel_size": 2}, [5, 3.5, 7]),
        ({"kernel_size": 2, "stride": 3}, [5, 6]),
        ({"kernel_size": 3, "stride": 3, "padding": 1}, [10 / 3, 5, 13 / 3]),
        ({"kernel_size": 3, "stride": 3, "padding": 1, "count_include_pad": False}, [5, 5, 6.5]),
        ({"kernel_size": 2, "ceil_mode": True}, [5, 3.5, 7, 7]),
    ],
    ids=str,
)
def test_avg_pool_modules_by_hand(options: dict[str, Any], means: list[float]) -> None:
    np.testing.assert_allclose(np.ravel(nn.AvgPool1d(**options)(ROW)), means, rtol=1e-15)
    up = np.moveaxis(ROW[None], -1, 2)
    tall = {name: (n, 1) if name in ("kernel_size", "stride") else n for name, n in options.items()}
    if "padding" in tall:
        tall["padding"] = (1, 0)
    np.testing.assert_allclose(np.ravel(nn.AvgPool2d(**tall)(up)), means, rtol=1e-15)


def test_adaptive_pooling_by_hand() -> None:
    """Of 7 entries 3 windows are those from 0 to 3, 2 to 5 and 4 to 7."""
    np.testing.assert_allclose(np.ravel(nn.AdaptiveAvgPool1d(3)(ROW)), [13 / 3, 5, 7], rtol=1e-15)
    y, indices = nn.AdaptiveMaxPool1d(3, return_indices=True)(ROW)
    assert np.ravel(y).tolist() == [9, 8, 8] and np.ravel(indices).tolist() == [1, 4, 4]
    square = ROW[..., :6].reshape(1, 1, 2, 3)
    assert np.ravel(nn.AdaptiveMaxPool2d((1, None))(square)).tolist() == [4, 9, 6]
    np.testing.assert_allclose(np.ravel(nn.AdaptiveAvgPool2d((None, 1))(square)), [13 / 3, 6], rtol=1e-15)


@pytest.mark.parametrize("size", [None, (7,), (1, 1, 7)])
def test_unpool_modules_by_hand(size: Any) -> None:
    y, places = np.array([[[9.0, 4.0, 8.0]]]), np.array([[[1, 3, 4]]])
    image = [0, 9, 0, 4, 8, 0] + [0] * (size is not None)
    assert np.ravel(nn.MaxUnpool1d(2)(y, places, output_size=size)).tolist() == image
    assert np.ravel(nn.MaxUnpool1d(3, 2, 1)(y, places, output_size=(5,))).tolist() == image[:5]


def test_unpool_by_hand() -> None:
    x = np.array([[[[1.0, 3.0, 2.0], [4.0, 0.0, 5.0], [9.0, 8.0, 7.0]]]])
    y, places = F.max_pool2d(x, 2, stride=1, return_indices=True)
    np.testing.assert_array_equal(y, [[[[4, 5], [9, 8]]]])
    np.testing.assert_array_equal(places, [[[[3, 5], [6, 7]]]])
    expected = [[[[0, 0, 0], [4, 0, 5], [9, 8, 0]]]]
    np.testing.assert_array_equal(F.max_unpool2d(y, places, 2, stride=1), expected)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nn.MaxPool2d((2, 2, 2))(np.zeros((1, 1, 4, 4))), r"kernel_size=\(2, 2, 2\)"),
        (lambda: nn.MaxPool2d(2)(np.zeros((4, 4))), r"max_pool2d: input of shape \(4, 4\)"),
        (lambda: nn.AvgPool2d(5)(np.zeros((1, 1, 4, 4))), r"avg_pool.*\(5, 5\)"),
        (lambda: nn.MaxPool2d(2, padding=2)(np.zeros((1, 1, 4, 4))), "padding 2"),
        (lambda: nn.MaxUnpool1d((2, 2)), r"kernel_size=\(2, 2\)"),
        (lambda: F.max_unpool1d(np.zeros((1, 1, 2)), np.zeros((1, 2), int), 2), r"indices of shape \(1, 2\)"),
        (lambda: F.max_unpool1d(np.zeros((1, 1, 2)), np.full((1, 1, 2), 4), 2), "4"),
        (
            lambda: F.max_unpool1d(np.zeros((1, 1, 2)), np.zeros((1, 1, 2), int), 2, output_size=(6,)),
            r"output_size=\(6,\).*\(4,\)",
        ),
        (
            lambda: F.max_unpool2d(np.zeros((1, 1, 2, 2)), np.zeros((1, 1, 2, 2), int), 2, output_size=(4,)),
            r"output_size=\(4,\)",
        ),
    ],
)
def test_errors_name_the_bad_value(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("size", [1, 3, (2, 5), (None, 4)], ids=str)
@pytest.mark.parametrize("kind", ["Avg", "Max"])
def test_adaptive_pool_against_pytorch(both: Any, same: Any, normal: Any, kind: str, size: Any) -> None:
    options = {"return_indices": True} if kind == "Max" else {}
    same(*both(f"Adaptive{kind}Pool2d", size, **options), normal(2, 3, 9, 8))
    if isinstance(size, int):
        same(*both(f"Adaptive{kind}Pool1d", size, **options), normal(3, 11))
        same(*both(f"Adaptive{kind}Pool3d", size, **options), normal(2, 3, 6, 5, 7))


def test_max_unpool_writes_the_last_of_several_entries_at_one_place() -> None:
    y = Tensor([[[1.0, 2.0, 3.0, 4.0]]], requires_grad=True)
    x = F.max_unpool1d(y, np.array([[[2, 5, 2, 0]]]), 2)
    assert x.numpy().tolist() == [[[4, 0, 3, 0, 0, 2, 0, 0]]]
    x.backward(np.arange(1.0, 9)[None, None])
    assert y.grad.numpy().tolist() == [[[0, 6, 3, 1]]]


def test_overlapping_windows_unpool_to_the_entries_themselves() -> None:
    x = np.array([[[1.0, 9.0, 3.0, 4.0, 8.0]]])
    y, places = F.max_pool1d(x, 3, stride=1, return_indices=True)
    assert np.ravel(F.max_unpool1d(y, places, 3, stride=1)).tolist() == [0, 9, 0, 0, 8]
    both = pb.vmap(lambda x: F.max_unpool1d(*F.max_pool1d(x, 3, stride=1, return_indices=True), 3, stride=1))
    assert both(np.stack([x[0], x[0, :, ::-1]])).numpy().tolist() == [[[0, 9, 0, 0, 8]], [[8, 0, 0, 9, 0]]]


@pytest.mark.parametrize(
    ("norm_type", "options", "expected"),
    [
        (2, {}, [5, 13]),
        (2, {"stride": 1}, [5, 41**0.5, 13]),
        (1, {}, [7, 17]),
        (float("inf"), {}, [4, 12]),
        (-float("inf"), {}, [3, 5]),
    ],
)
def test_lp_pool_by_hand(norm_type: float, options: dict[str, Any], expected: list[float]) -> None:
    x = np.array([[[3.0, 4.0, 5.0, 12.0]]])
    np.testing.assert_allclose(np.ravel(F.lp_pool1d(x, norm_type, 2, **options)), expected, rtol=1e-12)
    flat = {name: (1, n) for name, n in options.items()}
    np.testing.assert_allclose(np.ravel(F.lp_pool2d(x[None], norm_type, (1, 2), **flat)), expected, rtol=1e-12)
    np.testing.assert_allclose(np.ravel(F.lp_pool1d(x[0], norm_type, 2, **options)), expected, rtol=1e-12)


def test_lp_pool_of_half_floats_sums_in_single_precision() -> None:
    x = Tensor(np.full((1, 1, 100), 100, np.float16), requires_grad=True)
    out = F.lp_pool1d(x, 2, 100)
    out.sum().backward()
    assert out.dtype == np.float16 and out.item() == 1000  # of 1e6, which float16 has not
    assert x.grad is not None
    np.testing.assert_allclose(x.grad.numpy(), np.full((1, 1, 100), 0.1), rtol=1e-3)


def test_lp_pool_of_zeros_has_no_gradient() -> None:
    x = Tensor(np.zeros((1, 1, 4)), requires_grad=True)
    F.lp_pool1d(x, 2, 2).sum().backward()
    assert x.grad.numpy().tolist() == [[[0, 0, 0, 0]]]
    with pytest.raises(ValueError, match="lp_pool1d: norm_type=0"):
        F.lp_pool1d(x, 0, 2)


@pytest.mark.slow
@pytest.mark.parametrize("dims", [1, 2, 3])
def test_lp_pool_modules(dims: int) -> None:
    x = np.random.default_rng(dims).normal(size=(1, 1, *(4, 3, 2)[:dims]))
    assert check_module(getattr(nn, f"LPPool{dims}d")(2, 2), x)
    assert check_module(getattr(nn, f"LPPool{dims}d")(3.0, 2, 1, ceil_mode=True), np.abs(x))


def test_forms_with_indices() -> None:
    y, places = F.max_pool1d_with_indices(ROW, 2)
    assert np.ravel(y).tolist() == [9, 4, 8] and np.ravel(places).tolist() == [1, 3, 4]
    y, places = F.adaptive_max_pool1d_with_indices(ROW, 1)
    assert np.ravel(y).tolist() == [9] and np.ravel(places).tolist() == [1]


def test_errors_begin_with_the_name_that_was_called() -> None:
    for call, name in (
        (lambda: F.max_pool2d(np.ones((1, 2, 3, 3)), 4), "max_pool2d: windows"),
        (lambda: F.avg_pool1d(np.ones((1, 2, 3)), 4), "avg_pool1d: windows"),
        (lambda: F.adaptive_avg_pool1d(np.ones((1, 2, 3)), 0), "adaptive_avg_pool1d: output_size 0"),
        (lambda: F.adaptive_max_pool2d(np.ones((1, 2, 3, 3)), -1), "adaptive_max_pool2d: output_size -1"),
        (lambda: F.max_unpool1d(np.ones((1, 1, 2)), np.array([[[0, 9]]]), 2), "max_unpool1d: indices from 0 to 9"),
    ):
        with pytest.raises(ValueError, match=f"^{name}"):
            call()
