from typing import Any

import numpy as np
import pytest

from pullback import Tensor, nn, vmap
from pullback.nn import functional as F
from pullback.testing import check_module

IMAGE = np.random.default_rng(0).normal(size=(2, 3, 9, 11))


def test_by_hand() -> None:
    """Of 5 rows 3 windows of 2 at floor((i + 0.5) 1.5) - floor(0.75) = 0, 2, and at the end, 3; of the columns, whose
    number comes first, at floor((i + 0.8) 1.5) - floor(1.2) = 0, 1, 3."""
    x = np.arange(25.0).reshape(1, 1, 5, 5)
    samples = np.array([[[0.8, 0.5]]])
    y, places = F.fractional_max_pool2d(x, 2, 3, return_indices=True, _random_samples=samples)
    corners = [6 + 5 * row + column for row in (0, 2, 3) for column in (0, 1, 3)]
    assert np.ravel(y).tolist() == corners == np.ravel(places).tolist()
    leaf = Tensor(x, requires_grad=True)
    F.fractional_max_pool2d(leaf, 2, 3, _random_samples=samples).sum().backward()
    assert np.flatnonzero(leaf.grad.numpy()).tolist() == sorted(corners) and leaf.grad.numpy().sum() == 9


def test_of_three_axes_the_first_number_is_the_first_axis() -> None:
    x = np.arange(125.0).reshape(1, 1, 5, 5, 5)
    y = F.fractional_max_pool3d(x, 2, 3, _random_samples=np.array([[[0.8, 0.5, 0.5]]]))
    starts = [(0, 1, 3), (0, 2, 3), (0, 2, 3)]
    assert np.ravel(y).tolist() == [31 + 25 * i + 5 * j + k for i in starts[0] for j in starts[1] for k in starts[2]]


def test_indices_are_where_the_entries_are() -> None:
    y, places = F.fractional_max_pool2d_with_indices(IMAGE, (2, 3), output_ratio=(0.5, 0.4))
    assert y.shape == (2, 3, 4, 4)
    np.testing.assert_array_equal(
        np.take_along_axis(IMAGE.reshape(2, 3, -1), places.reshape(2, 3, -1), -1), y.reshape(2, 3, -1)
    )


def test_places_are_drawn_anew_and_by_the_seed() -> None:
    x = np.broadcast_to(np.arange(100.0), (400, 2, 1, 100))
    layer = nn.FractionalMaxPool2d((1, 2), output_size=(1, 40))

    def ends() -> Any:
        return np.asarray(layer(x))[..., 0, :]

    nn.manual_seed(3)
    first, second = ends(), ends()
    nn.manual_seed(3)
    np.testing.assert_array_equal(ends(), first)
    layer.eval()
    assert (first != second).any() and (ends() != first).any()
    assert (first[:, 0] != first[:, 1]).any() and (first[0] != first[1]).any()
    gaps = np.diff(first[..., :-1])  # of 98 / 39 on average
    assert set(np.unique(gaps)) == {2, 3} and (first[..., 0] == 1).all() and (first[..., -1] == 99).all()
    np.testing.assert_allclose(gaps.mean(), 98 / 39, atol=0.01)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (nn.FractionalMaxPool2d(2, output_size=(2, 3)), (1, 2, 4, 5)),
        (nn.FractionalMaxPool2d((2, 1), output_ratio=0.5, return_indices=True), (2, 4, 5)),
        (nn.FractionalMaxPool3d(2, output_ratio=(0.5, 0.7, 0.6)), (1, 1, 4, 3, 4)),
    ],
)
def test_modules(layer: Any, shape: tuple[int, ...]) -> None:
    assert check_module(layer, np.random.default_rng(1).permutation(np.prod(shape)).reshape(shape) / 7.0)


def test_a_given_sample_is_state() -> None:
    layer = nn.FractionalMaxPool2d(2, 3, _random_samples=Tensor(np.full((2, 3, 2), 0.4)))
    assert list(layer.state_dict()) == ["_random_samples"] and not nn.FractionalMaxPool2d(2, 3).state_dict()
    np.testing.assert_array_equal(layer(IMAGE), layer(IMAGE))


def test_vmap_and_dtypes() -> None:
    def f(x: Any) -> Any:
        return F.fractional_max_pool2d(x, 2, 3)

    same = vmap(f, randomness="same")(np.stack([IMAGE, IMAGE])).numpy()
    different = vmap(f, randomness="different")(np.stack([IMAGE, IMAGE])).numpy()
    np.testing.assert_array_equal(same[0], same[1])
    assert (different[0] != different[1]).any()
    for dtype in (np.float16, np.float32):
        assert f(Tensor(IMAGE.astype(dtype))).dtype == dtype
    y = F.fractional_max_pool2d(np.where(IMAGE[0, 0, 4, 4] == IMAGE, np.nan, IMAGE), 9, 1)
    assert np.isnan(np.ravel(y)[0]) and np.isnan(y).sum() == 1


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: F.fractional_max_pool2d(IMAGE, 2), "fractional_max_pool2d: output_size=None, output_ratio=None"),
        (lambda: F.fractional_max_pool2d(IMAGE, 2, 3, 0.5), "expected one of the two"),
        (lambda: F.fractional_max_pool2d(IMAGE, 4, 9), r"\(9, 9\) windows of \(4, 4\) .* \(2, 3, 9, 11\)"),
        (lambda: F.fractional_max_pool2d(IMAGE, 2, 0), r"\(0, 0\) windows"),
        (lambda: F.fractional_max_pool2d(IMAGE[0, 0], 2, 3), r"fractional_max_pool2d: input of shape \(9, 11\)"),
        (
            lambda: F.fractional_max_pool2d(IMAGE, 2, 3, _random_samples=np.ones((1, 3, 2))),
            r"\(1, 3, 2\); expected \(2, 3, 2\)",
        ),
        (lambda: F.fractional_max_pool2d(IMAGE, 2, 3, _random_samples=np.full((2, 3, 2), 1.5)), "not from 0 to 1"),
        (lambda: nn.FractionalMaxPool2d(2), "FractionalMaxPool2d: output_size=None"),
        (lambda: nn.FractionalMaxPool3d(2, output_ratio=1.5), "FractionalMaxPool3d: output_ratio=1.5"),
        (lambda: nn.FractionalMaxPool3d(0, 3), "FractionalMaxPool3d: kernel_size=0"),
        (lambda: nn.FractionalMaxPool3d((1, 2), 3), r"FractionalMaxPool3d: kernel_size=\(1, 2\)"),
    ],
)
def test_errors_name_the_bad_value(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
