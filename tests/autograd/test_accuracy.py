"""Long sums beside exact ones: as good as PyTorch's, or as a theory of rounding lets them be."""

import math

import numpy as np
import pytest

import pullback as pb
from pullback import Tensor, get_num_threads, set_num_threads
from pullback.autograd.kernels.sums import summed, totals
from pullback.autograd.runtime import llvm
from pullback.tests.helpers import accuracy_cases
from pullback.tests.helpers.accuracy_cases import LARGE, SMALL

DTYPES = ["float32", "float64"]
RNG = np.random.default_rng(0)

# Bounds in multiples of eps: chains of n terms among m have rounding errors of about eps / 2 sqrt(n / 3) in each, which
# make eps / 2 n / sqrt(3 m) of all, and the largest of some thousand entries is four times as far off. Sums are rounded
# once more, products have chains of some hundred terms, as PyTorch's: its figures for these cases are up to 4.5 and 5
# times eps (2.13.0, x86-64; where it adds one after another 138, see benchmarks/accuracy.md).
BOUNDS = {"sum": 2.5, "mean": 2.5, "variance": 2.5, "un-broadcasting": 2.5, "bias": 2.5, "adaptive": 2.5}


def bound(name, dtype):
    factor = next((factor for word, factor in BOUNDS.items() if word in name), 6)
    return factor * np.finfo(dtype).eps


@pytest.mark.parametrize("positive", [True, False], ids=["positive", "normal"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", SMALL)
def test_errors_do_not_grow_with_the_number_of_terms(name, dtype, positive):
    if "product" in name and not llvm.available(np.ones(1)):
        pytest.skip("NumPy's own products")
    (error,) = accuracy_cases.errors([accuracy_cases.pullback()], SMALL[name], dtype, positive)
    assert error <= bound(name, dtype)


BOTH = [*SMALL, *(pytest.param(name, marks=pytest.mark.thorough) for name in LARGE)]


@pytest.mark.parametrize("positive", [True, False], ids=["positive", "normal"])
@pytest.mark.parametrize("name", BOTH)
def test_errors_beside_pytorch(torch, name, positive):
    libraries = accuracy_cases.pullback(), accuracy_cases.pytorch()
    ours, theirs = accuracy_cases.errors(libraries, (SMALL | LARGE)[name], "float32", positive)
    assert ours <= 2 * max(theirs, np.finfo("float32").eps / 2)  # which is what the last rounding may be off


@pytest.mark.parametrize("dtype", DTYPES)
def test_of_equal_terms_whose_roundings_all_go_one_way(dtype):
    """A chain of n such terms is off by up to n / 2 eps, which grows with n; chains of chains are not."""
    eps = np.finfo(dtype).eps
    for shape, axis in (((200_000, 3), 0), ((3, 200_000), 1), ((40, 5000, 3), (0, 1)), ((3000, 8, 3, 9), (0, 2, 3))):
        x = np.full(shape, 0.1, dtype)
        y = pb.sum(Tensor(x), axis).numpy()
        exact = x.size // y.size * float(x.flat[0]) if dtype == "float32" else math.fsum([0.1] * (x.size // y.size))
        np.testing.assert_allclose(y, exact, rtol=16 * eps)


def layouts(x):
    yield x
    yield np.asfortranarray(x)
    yield accuracy_cases.every_second(x)
    yield np.flip(np.ascontiguousarray(np.flip(x)))
    yield np.ascontiguousarray(np.moveaxis(x, 0, -1)).transpose(x.ndim - 1, *range(x.ndim - 1))


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "longdouble", "complex64", "complex128", ">f4"])
@pytest.mark.parametrize("shape", [(700, 3, 5), (3, 700, 5), (41, 43, 2), (1, 2000, 1), (65, 20), (64, 20), (4099, 1)])
def test_any_layout_and_axes(shape, dtype):
    kind = np.dtype(dtype)
    x = RNG.uniform(0.5, 1, shape).astype(dtype)
    if kind.kind == "c":
        x += 1j * RNG.uniform(0.5, 1, shape).astype(x.real.dtype)
    for n in range(1, 2 ** len(shape)):
        axis = tuple(i for i in range(len(shape)) if n >> i & 1)
        exact = x.astype("clongdouble" if kind.kind == "c" else "longdouble").sum(axis)
        for a in layouts(x):
            for keepdims in (False, True):
                y, expected = summed(a, axis, keepdims), np.add.reduce(a, axis=axis, keepdims=keepdims)
                assert y.dtype == expected.dtype and y.shape == expected.shape and type(y) is type(expected)
                off = abs(y.reshape(exact.shape) - exact) / abs(exact)
                assert np.max(off, initial=0) <= 4 * np.finfo(kind).eps


def test_a_sum_is_no_view_of_its_argument():
    x = np.ones((1, 2000), "float32")
    for a in (x, x.T, x[:, ::-1]):
        for axis in ((), (a.shape.index(1),)):
            assert not np.shares_memory(summed(a, axis), a)


def test_what_is_not_finite_along_first_axes():
    for bad in ([np.nan], [np.inf], [-np.inf], [np.inf, -np.inf]):
        x = np.ones((5000, 20), "float32")
        x[100 : 100 + len(bad), 3] = bad
        with np.errstate(invalid="ignore"):
            y = summed(x, (0,))
            np.testing.assert_array_equal(y[3], np.sum(bad))
        np.testing.assert_array_equal(np.delete(y, 3), 5000)


def test_half_precision_is_added_up_as_numbers_of_more_digits():
    x = np.ones((5000, 3), "float16")
    assert pb.sum(Tensor(x), 0).numpy().tolist() == [5000] * 3  # one after another they stay at 2048
    x = np.full((40_000, 2), 4, "float16")
    mean = pb.mean(Tensor(x), 0)
    assert mean.dtype == "float16" and mean.numpy().tolist() == [4, 4]  # though the sum is no number of float16


def test_totals_have_more_digits_until_they_are_rounded():
    x = RNG.random((3000, 40)).astype("float32")
    assert totals(x, (0,)).dtype == "float64" and summed(x, (0,)).dtype == "float32"
    exact = x.astype("longdouble").mean(0)
    np.testing.assert_allclose(pb.mean(x, 0), exact, rtol=0.75 * np.finfo("float32").eps)


@pytest.mark.parametrize("correction", [0, 1, 0.5, 3])
def test_variance_and_its_gradient(correction):
    x = RNG.normal(size=(3, 4))
    t = Tensor(x, requires_grad=True)
    v = pb.var(t, 0, correction=correction) if correction < 3 else pb.var(t, correction=correction)
    n, from_mean = (3, x - x.mean(0)) if correction < 3 else (12, x - x.mean())
    np.testing.assert_allclose(v.numpy(), (from_mean**2).sum(0 if correction < 3 else None) / (n - correction))
    v.sum().backward()
    np.testing.assert_allclose(t.grad.numpy(), 2 * from_mean / (n - correction), atol=1e-15)


def test_any_number_of_threads_gives_the_same_bits():
    before, shapes = get_num_threads(), [((300_000, 10), (0,)), ((3000, 700), (0,)), ((30, 5000, 12), (1,))]
    arrays = [(RNG.normal(size=shape).astype("float32"), axis) for shape, axis in shapes]
    x, w = (Tensor(RNG.normal(size=s).astype("float32"), requires_grad=True) for s in ((3, 600, 9, 9), (40, 600, 3, 3)))
    found = []
    try:
        for threads in (1, 2, 3):
            set_num_threads(threads)
            x.grad = w.grad = None
            y = pb.conv(x, w)
            (y * y).sum().backward()
            found.append([*(summed(*given) for given in arrays), y.numpy(), x.grad.numpy(), w.grad.numpy()])
    finally:
        set_num_threads(before)
    for others in found[1:]:
        for a, b in zip(found[0], others, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("channels", [1, 21, 22, 43, 44, 100])
def test_convolutions_of_any_depth(channels):
    """Exact for small integers, also where the depth falls into several chains, and with ReLU and pooling on top."""
    rng = np.random.default_rng(channels)
    x = rng.integers(-4, 5, (2, channels, 9, 11)).astype("float32")
    w = rng.integers(-4, 5, (5, channels, 3, 3)).astype("float32")
    bias = rng.integers(-9, 10, 5).astype("float32")
    windows = np.lib.stride_tricks.sliding_window_view(x.astype(int), (3, 3), (2, 3))
    exact = np.einsum("nchwij,kcij->nkhw", windows, w.astype(int)) + bias.astype(int)[:, None, None]
    np.testing.assert_array_equal(pb.conv(x, w, bias=bias), exact)
    conv = pb.nn.Conv2d(channels, 5, 3)
    conv.weight.data, conv.bias.data = w, bias
    layers = conv, pb.nn.ReLU(), pb.nn.MaxPool2d((1, 3))
    with pb.no_grad():
        np.testing.assert_array_equal(pb.nn.Sequential(*layers[:2])(Tensor(x)).numpy(), np.maximum(exact, 0))
        pooled = np.maximum(exact, 0).reshape(2, 5, 7, 3, 3).max(-1)
        np.testing.assert_array_equal(pb.nn.Sequential(*layers)(Tensor(x)).numpy(), pooled)


def test_what_is_not_finite_in_a_long_convolution():
    x, w = np.ones((1, 600, 4, 5), "float32"), np.ones((3, 600, 1, 1), "float32")
    x[0, 599, 1, 1], x[0, 0, 2, 2], x[0, 300, 3, 3] = np.nan, np.inf, -np.inf
    expected = np.full((1, 3, 4, 5), 600.0)
    expected[..., 1, 1], expected[..., 2, 2], expected[..., 3, 3] = np.nan, np.inf, -np.inf
    np.testing.assert_array_equal(pb.conv(x, w), expected)
    conv = pb.nn.Conv2d(600, 3, 1, bias=False)
    conv.weight.data = w
    with pb.no_grad():
        y = pb.nn.Sequential(conv, pb.nn.ReLU())(Tensor(x)).numpy()
    np.testing.assert_array_equal(y, np.maximum(expected, 0))
