import math
from typing import Any

import numpy as np
import pytest

from pullback import Tensor, jvp, vmap
from pullback.nn import functional as F
from pullback.testing import check_module, gradcheck, gradgradcheck

RNG = np.random.default_rng(0)
PADDINGS = ("zeros", "border", "reflection")


def _value(image: Any, at: tuple[int, ...]) -> float:
    inside = all(0 <= i < n for i, n in zip(at, image.shape, strict=True))
    return float(image[at]) if inside else 0.0


def _mirrored(at: float, low: float, high: float) -> float:
    """Reflected at both ends until it is between them."""
    if low == high:
        return 0.0
    while not low <= at <= high:
        at = 2 * low - at if at < low else 2 * high - at
    return at


def _moved(at: float, n: int, padding: str, align: bool) -> float:
    if padding == "reflection":
        at = _mirrored(at, 0 if align else -0.5, n - 1 if align else n - 0.5)
    return at if padding == "zeros" else min(max(at, 0), n - 1)


def _cubic(t: float) -> float:
    t, a = abs(t), -0.75
    if t <= 1:
        return (a + 2) * t**3 - (a + 3) * t**2 + 1
    return a * t**3 - 5 * a * t**2 + 8 * a * t - 4 * a if t < 2 else 0.0


def _one(image: Any, place: Any, mode: str, padding: str, align: bool) -> float:
    """One value of one channel."""
    lines = []
    for n, g in zip(image.shape, place[::-1], strict=True):
        at = (g + 1) / 2 * (n - 1) if align else ((g + 1) * n - 1) / 2
        if mode == "bicubic":
            first = math.floor(at)
            lines.append([(int(_moved(j, n, padding, align)), _cubic(at - j)) for j in range(first - 1, first + 3)])
            continue
        at = _moved(at, n, padding, align)
        first = math.floor(at)
        linear = [(first, 1 - (at - first)), (first + 1, at - first)]
        lines.append([(round(at), 1.0)] if mode == "nearest" else linear)
    total = 0.0
    for index in np.ndindex(*map(len, lines)):
        taps = [line[i] for line, i in zip(lines, index, strict=True)]
        total += math.prod(w for _, w in taps) * _value(image, tuple(i for i, _ in taps))
    return total


@pytest.mark.parametrize("align", [False, True])
@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize(
    ("mode", "dims"), [("bilinear", 2), ("nearest", 2), ("bicubic", 2), ("bilinear", 3), ("nearest", 3)]
)
def test_entry_by_entry(mode: str, dims: int, padding: str, align: bool) -> None:
    x = RNG.normal(size=(2, 2, *(3, 4, 5)[:dims]))
    grid = RNG.uniform(-2.6, 2.6, size=(2, *(2, 3, 2)[:dims], dims))
    got = F.grid_sample(Tensor(x), Tensor(grid), mode, padding, align).numpy()
    assert got.shape == (2, 2, *grid.shape[1:-1])
    for n, c, *at in np.ndindex(got.shape):
        expected = _one(x[n, c], grid[n, *at], mode, padding, align)
        np.testing.assert_allclose(got[n, c, *at], expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("align", [False, True])
def test_the_grid_of_the_identity_gives_the_input(dims: int, align: bool) -> None:
    x = RNG.normal(size=(2, 3, *(3, 4, 5)[:dims]))
    theta = np.broadcast_to(np.eye(dims, dims + 1), (2, dims, dims + 1))
    grid = F.affine_grid(theta, x.shape, align)
    for mode in ("bilinear", "nearest") + (("bicubic",) if dims == 2 else ()):
        np.testing.assert_allclose(F.grid_sample(x, grid, mode, align_corners=align), x, rtol=1e-12, atol=1e-12)


def test_an_affine_grid_by_hand() -> None:
    theta = np.array([[[2.0, 0.0, 0.5], [0.0, -1.0, 0.25]]])
    grid = F.affine_grid(theta, (1, 1, 2, 3), align_corners=True)
    assert grid[0].tolist() == [[[-1.5, 1.25], [0.5, 1.25], [2.5, 1.25]], [[-1.5, -0.75], [0.5, -0.75], [2.5, -0.75]]]
    grid = F.affine_grid(theta, (1, 1, 2, 3), align_corners=False)
    np.testing.assert_allclose(grid[0, 0], [[2 * -2 / 3 + 0.5, 0.75], [0.5, 0.75], [2 * 2 / 3 + 0.5, 0.75]], rtol=1e-12)
    assert F.affine_grid(theta, (1, 1, 1, 1), align_corners=True).tolist() == [[[[0.5, 0.25]]]]
    assert gradcheck(lambda t: F.affine_grid(t, (1, 1, 2, 3), False), (Tensor(theta, requires_grad=True),))


@pytest.mark.slow
@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
def test_derivatives_and_transforms(mode: str, padding: str) -> None:
    def f(x: Any, grid: Any) -> Any:
        return F.grid_sample(x, grid, mode, padding, align_corners=False)

    x, grid = RNG.normal(size=(1, 1, 3, 4)), np.random.default_rng(3).uniform(-1.8, 1.8, size=(1, 1, 3, 2))
    leaves = Tensor(x, requires_grad=True), Tensor(grid, requires_grad=True)
    assert gradcheck(f, leaves) and gradgradcheck(f, leaves)
    expected = f(x, grid)
    np.testing.assert_allclose(vmap(f)(x[None], grid[None]).numpy()[0], expected, rtol=1e-12)
    np.testing.assert_allclose(vmap(f, (None, 0))(x, np.stack([grid, -grid])).numpy()[0], expected, rtol=1e-12)
    step = 1e-6
    numeric = (f(x + step * x, grid + step) - f(x - step * x, grid - step)) / (2 * step)
    np.testing.assert_allclose(jvp(f, (x, grid), (x, np.ones_like(grid)))[1].numpy(), numeric, rtol=1e-6, atol=1e-8)
    assert check_module(lambda x: f(x, np.asarray(grid, x.dtype)), x)


def test_far_away_and_nan_and_infinite() -> None:
    x = np.array([[[[1.0, 2.0, 4.0]]]])
    grid = np.array([[[[np.nan, 0.0], [1e9, 0.0], [-np.inf, 0.0]]]])
    ends = F.grid_sample(x, grid, padding_mode="border", align_corners=True)
    assert ends.tolist() == [[[[1, 4, 1]]]]
    assert F.grid_sample(x, grid[:, :, 1:], align_corners=True).tolist() == [[[[0, 0]]]]
    broken = np.array([[[[np.inf, 2.0, 4.0]]]])
    places = np.array([[[[0.0, 0.0], [0.5, 0.0], [-0.5, 0.0]]]])
    assert F.grid_sample(broken, places, align_corners=True)[0, 0, 0, 1:].tolist() == [3, np.inf]


def test_dtypes_and_no_samples() -> None:
    x, grid = RNG.normal(size=(2, 3, 4, 5)), RNG.uniform(-1, 1, size=(2, 3, 3, 2))
    expected = F.grid_sample(x, grid, align_corners=False)
    for dtype, tolerance in ((np.float32, 1e-5), (np.float16, 1e-3)):
        given = x.astype(dtype), grid.astype(dtype)
        got = F.grid_sample(*map(Tensor, given), align_corners=False)
        assert got.dtype == dtype
        rounded = F.grid_sample(*(a.astype(float) for a in given), align_corners=False)
        np.testing.assert_allclose(got.numpy(), rounded, rtol=tolerance, atol=tolerance)
    assert F.grid_sample(x[:0], grid[:0], align_corners=False).shape == (0, 3, 3, 3)
    with pytest.warns(UserWarning, match="align_corners=False"):
        np.testing.assert_array_equal(F.grid_sample(x, grid), expected)


X, GRID, THETA = np.ones((2, 3, 4, 5)), np.zeros((2, 3, 3, 2)), np.ones((2, 2, 3))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: F.grid_sample(X, GRID, "cubic"), "grid_sample: mode 'cubic'"),
        (lambda: F.grid_sample(X, GRID, padding_mode="wrap"), "grid_sample: padding_mode 'wrap'"),
        (lambda: F.grid_sample(X[0], GRID), r"grid_sample: input of shape \(3, 4, 5\)"),
        (lambda: F.grid_sample(X[:, :, :0], GRID), r"grid_sample: input of shape \(2, 3, 0, 5\)"),
        (lambda: F.grid_sample(X, GRID[:1]), r"grid of shape \(1, 3, 3, 2\) .*expected \(2, H, W, 2\)"),
        (lambda: F.grid_sample(X, np.zeros((2, 3, 3, 3))), r"grid of shape \(2, 3, 3, 3\)"),
        (
            lambda: F.grid_sample(X[..., None], np.zeros((2, 1, 3, 3, 3)), "bicubic"),
            "mode 'bicubic'; expected .N, C, H, W.$",
        ),
        (lambda: F.affine_grid(THETA, (2, 3, 4)), r"affine_grid: size=\(2, 3, 4\)"),
        (lambda: F.affine_grid(THETA, (2, 3, 0, 4)), r"affine_grid: size=\(2, 3, 0, 4\)"),
        (lambda: F.affine_grid(THETA, (1, 3, 4, 4)), r"theta of shape \(2, 2, 3\) .*\(1, 2, 3\)"),
        (lambda: F.affine_grid(THETA.astype(int), (2, 3, 4, 4)), "int64"),
    ],
)
def test_errors_name_the_bad_value(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


def test_an_infinite_cotangent_reaches_only_what_it_weighs_in() -> None:
    x = Tensor(np.ones((1, 1, 1, 3)), requires_grad=True)
    places = np.array([[[[0.0, 0.0], [0.5, 0.0]]]])
    F.grid_sample(x, places, align_corners=True).backward(np.array([[[[np.inf, 2.0]]]]))
    assert x.grad.numpy().tolist() == [[[[0, np.inf, 1]]]]


def test_many_samples_in_several_blocks() -> None:
    """On a plane x + 10 y the value is the place, and its slopes are those of the plane."""
    n = 150
    x = np.add.outer(10 * np.arange(n), np.arange(n)).astype(float)[None, None]
    grid = Tensor(RNG.uniform(-0.99, 0.99, size=(1, n, n, 2)), requires_grad=True)
    y = F.grid_sample(x, grid, align_corners=True)
    places = (grid.numpy() + 1) / 2 * (n - 1)
    np.testing.assert_allclose(y.numpy()[0, 0], places[0, ..., 0] + 10 * places[0, ..., 1], rtol=1e-10)
    y.sum().backward()
    np.testing.assert_allclose(
        grid.grad.numpy(), np.broadcast_to([(n - 1) / 2, 10 * (n - 1) / 2], grid.shape), rtol=1e-8
    )
