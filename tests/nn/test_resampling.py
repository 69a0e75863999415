import math
from typing import Any

import numpy as np
import pytest

from pullback import Tensor, jvp, nn, vmap
from pullback.nn import functional as F
from pullback.testing import check_module, gradcheck

INPUT = np.random.default_rng(0).normal(size=(2, 1, 5, 6))


def _tent(t: float) -> float:
    return max(0.0, 1 - abs(t))


def _cubic(a: float) -> Any:
    """Keys' kernel, piece by piece."""

    def weigh(t: float) -> float:
        t = abs(t)
        if t <= 1:
            return (a + 2) * t**3 - (a + 3) * t**2 + 1
        return a * t**3 - 5 * a * t**2 + 8 * a * t - 4 * a if t < 2 else 0.0

    return weigh


def _lanczos(t: float) -> float:
    if abs(t) >= 3:
        return 0.0
    return 1.0 if t == 0 else 3 * math.sin(math.pi * t) * math.sin(math.pi * t / 3) / (math.pi * t) ** 2


def _line(x: Any, k: int, mode: str, align: bool, antialias: bool = False) -> list[float]:
    """One line, entry by entry: the entries around each place, weighted by a kernel; those outside are the ends."""
    n, out = len(x), []
    for i in range(k):
        step = (n - 1) / (k - 1) if align and k > 1 else 0 if align else n / k
        if antialias:
            weigh, wide = {"linear": _tent, "cubic": _cubic(-0.5), "lanczos": _lanczos}[mode], max(1.0, step)
            weights = [weigh((j + 0.5 - (i + 0.5) * step) / wide) for j in range(n)]
            out.append(sum(w * v for w, v in zip(weights, x, strict=True)) / sum(weights))
            continue
        at = i * step if align else (i + 0.5) * step - 0.5
        weigh = _tent if mode == "linear" else _cubic(-0.75)
        out.append(sum(weigh(at - j) * x[min(max(j, 0), n - 1)] for j in range(-4, n + 4)))
    return out


def _separable(x: Any, sizes: tuple[int, ...], *options: Any) -> Any:
    for axis, k in enumerate(sizes, x.ndim - len(sizes)):
        x = np.apply_along_axis(_line, axis, x, k, *options)
    return x


@pytest.mark.parametrize("align", [False, True])
@pytest.mark.parametrize("sizes", [(9, 4), (5, 6), (1, 1), (3, 13), (2, 80)])
@pytest.mark.parametrize(("mode", "kind"), [("bilinear", "linear"), ("bicubic", "cubic")])
def test_interpolation_entry_by_entry(mode: str, kind: str, sizes: tuple[int, int], align: bool) -> None:
    got = F.interpolate(Tensor(INPUT), size=sizes, mode=mode, align_corners=align).numpy()
    np.testing.assert_allclose(got, _separable(INPUT, sizes, kind, align), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("sizes", [(2, 3), (5, 6), (7, 4), (1, 1), (40, 2)])
@pytest.mark.parametrize(("mode", "kind"), [("bilinear", "linear"), ("bicubic", "cubic"), ("lanczos", "lanczos")])
def test_antialias_entry_by_entry(mode: str, kind: str, sizes: tuple[int, int]) -> None:
    got = F.interpolate(Tensor(INPUT), size=sizes, mode=mode, antialias=True).numpy()
    np.testing.assert_allclose(got, _separable(INPUT, sizes, kind, False, True), rtol=1e-12, atol=1e-12)


def test_long_axes_of_many_blocks() -> None:
    x = np.random.default_rng(1).normal(size=(1, 1, 130))
    for k in (33, 257):
        np.testing.assert_allclose(
            F.interpolate(x, size=k, mode="linear"), _separable(x, (k,), "linear", False), rtol=1e-12, atol=1e-12
        )


@pytest.mark.parametrize(("mode", "middle"), [("nearest", 0.0), ("nearest-exact", 0.5)])
def test_nearest_entry_by_entry(mode: str, middle: float) -> None:
    x = np.arange(12.0).reshape(1, 1, 12)
    for k in (1, 3, 5, 7, 12, 24, 36, 41):
        places = [min(int((i + middle) * 12 / k), 11) for i in range(k)]
        assert np.ravel(F.interpolate(x, size=k, mode=mode)).tolist() == places


def test_entries_of_which_nothing_is_made_have_no_gradient() -> None:
    for n, k in ((9, 2), (90, 2), (4000, 40), (90_000, 40)):  # memory of all kinds that had something else in it
        blocks = [np.full((1, 1, n), np.nan) for _ in range(20)]
        del blocks
        x = Tensor(np.ones((1, 1, n)), requires_grad=True)
        F.interpolate(x, size=k).sum().backward()
        assert np.flatnonzero(x.grad.numpy()).tolist() == [i * n // k for i in range(k)]
        assert x.grad.numpy().sum() == k


def test_area_is_the_mean() -> None:
    x = np.arange(16.0).reshape(1, 1, 4, 4)
    assert F.interpolate(x, scale_factor=0.5, mode="area").tolist() == [[[[2.5, 4.5], [10.5, 12.5]]]]


def test_places_follow_the_factor_or_the_lengths() -> None:
    x = np.arange(5.0).reshape(1, 1, 5)  # a line, on which the value is the place
    given = F.interpolate(x, scale_factor=1.5, mode="linear")
    np.testing.assert_allclose(given.ravel(), np.clip((np.arange(7) + 0.5) / 1.5 - 0.5, 0, 4), rtol=1e-12)
    again = F.interpolate(x, scale_factor=1.5, mode="linear", recompute_scale_factor=True)
    np.testing.assert_allclose(again.ravel(), np.clip((np.arange(7) + 0.5) * 5 / 7 - 0.5, 0, 4), rtol=1e-12)


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("mode", ["nearest", "nearest-exact", "bilinear", "bicubic", "lanczos"])
def test_infinities_and_nan_reach_only_what_they_weigh_in(mode: str, transposed: bool) -> None:
    """A block is one product, where a zero times an infinity would be NaN."""
    options = {"size": (20, 22), "mode": mode, "antialias": mode == "lanczos"}
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(1, 1, 10, 11)), rng.normal(size=(1, 1, 20, 22))
    given = y if transposed else x
    marks = [(3, 4), (7, 9)]

    def run(values: Any) -> Any:
        leaf = Tensor(x if transposed else values, requires_grad=True)
        out = F.interpolate(leaf, **options)
        if not transposed:
            return out.numpy()
        out.backward(values)
        return leaf.grad.numpy()

    reached = np.zeros(run(given).shape, bool)
    for place in marks:
        one = np.zeros(given.shape)
        one[0, 0, *place] = 1
        reached |= run(one) != 0
    broken = given.copy()
    broken[0, 0, *marks[0]], broken[0, 0, *marks[1]] = np.inf, np.nan
    got = run(broken)
    assert not np.isfinite(got[reached]).any()
    np.testing.assert_allclose(got[~reached], run(given)[~reached], rtol=1e-12)


@pytest.mark.parametrize("mode", ["nearest", "bilinear", "bicubic", "area"])
def test_transforms_and_dtypes(mode: str) -> None:
    def f(x: Any) -> Any:
        return F.interpolate(x, size=(7, 4), mode=mode)

    expected = f(INPUT)
    np.testing.assert_allclose(vmap(f)(INPUT[:, None]).numpy(), expected[:, None], rtol=1e-12)
    np.testing.assert_allclose(jvp(f, (INPUT,), (2 * INPUT,))[1].numpy(), 2 * expected, rtol=1e-12)
    assert gradcheck(f, (Tensor(INPUT, requires_grad=True),))
    assert f(Tensor(INPUT.astype(np.float32))).dtype == np.float32
    half = f(Tensor(INPUT.astype(np.float16)))
    assert half.dtype == np.float16
    np.testing.assert_allclose(half.numpy(), expected, rtol=2e-3, atol=2e-3)
    assert F.interpolate(Tensor(np.zeros((0, 2, 3, 4))), size=(2, 5), mode=mode).shape == (0, 2, 2, 5)


@pytest.mark.slow
@pytest.mark.parametrize(
    "layer",
    [
        nn.Upsample(scale_factor=2),
        nn.Upsample((3, 7), mode="bilinear", align_corners=True),
        nn.Upsample(scale_factor=(1.5, 0.5), mode="bicubic"),
        nn.UpsamplingNearest2d(scale_factor=2),
        nn.UpsamplingBilinear2d((4, 9)),
    ],
    ids=str,
)
def test_modules(layer: Any) -> None:
    assert check_module(layer, INPUT[:1, :, :3, :4])


def test_module_settings() -> None:
    x = np.arange(4.0).reshape(1, 1, 2, 2)
    np.testing.assert_array_equal(nn.UpsamplingNearest2d(scale_factor=2)(x)[0, 0, 0], [0, 0, 1, 1])
    np.testing.assert_allclose(nn.UpsamplingBilinear2d(size=(3, 3))(x)[0, 0], [[0, 0.5, 1], [1, 1.5, 2], [2, 2.5, 3]])
    assert repr(nn.Upsample(scale_factor=2)) == "Upsample(scale_factor=2.0, mode='nearest')"
    assert repr(nn.Upsample(size=(2, 3), mode="bicubic")) == "Upsample(size=(2, 3), mode='bicubic')"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 3, "mode": "cubic"}, "mode 'cubic'"),
        ({"size": 3, "mode": "linear"}, r"\(2, 1, 5, 6\); mode 'linear' takes"),
        ({"size": 3, "mode": "nearest", "align_corners": True}, "align_corners=True has no meaning"),
        ({}, "expected one of the two"),
        ({"size": 3, "scale_factor": 2}, "expected one of the two"),
        ({"size": (3, 4, 5)}, r"size=\(3, 4, 5\) for 2 spatial axes"),
        ({"size": 3, "recompute_scale_factor": True}, "recompute_scale_factor"),
        ({"size": (0, 3)}, r"size=\(0, 3\)"),
        ({"size": -1}, "size=-1"),
        ({"scale_factor": 0.1}, r"scale_factor=0.1 makes of lengths \(5, 6\) \(0, 0\)"),
        ({"size": 3, "antialias": True}, "antialias=True in mode 'nearest'"),
        ({"size": 3, "mode": "lanczos"}, "antialias=False in mode 'lanczos'"),
    ],
)
def test_errors_name_the_bad_value(options: Any, message: str) -> None:
    with pytest.raises(ValueError, match=f"interpolate: .*{message}"):
        F.interpolate(Tensor(INPUT), **options)
    with pytest.raises(TypeError, match=r"size=2.5"):
        F.interpolate(Tensor(INPUT), size=2.5)
