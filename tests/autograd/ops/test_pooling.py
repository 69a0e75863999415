"""Pooling and unpooling against hand-made pictures, naive windows and PyTorch."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pullback as pb
from pullback import Tensor
from pullback.testing import gradgradcheck

X = np.array([[[[1.0, 5.0, 2.0], [4.0, 3.0, 9.0], [7.0, 8.0, 6.0]]]])


def test_max_pool_of_a_3x3_image_with_its_unpooling():
    y, indices = pb.max_pool(X, 2, stride=1, return_indices=True)
    assert np.array_equal(y[0, 0], [[5, 9], [8, 9]])
    assert np.array_equal(indices[0, 0], [[1, 5], [7, 5]])
    assert np.array_equal(pb.max_unpool(y, indices, (3, 3))[0, 0], [[0, 5, 0], [0, 0, 18], [0, 8, 0]])


def test_max_pool_gradient_is_the_selection_matrix_transposed():
    x = pb.Tensor(X, requires_grad=True)
    pb.max_pool(x, 2, stride=1).backward(np.array([[[[1.0, 10.0], [100.0, 1000.0]]]]))
    assert np.array_equal(x.grad.data[0, 0], [[0, 1, 0], [0, 0, 1010], [0, 100, 0]])


def test_first_of_tied_entries_gets_the_cotangent():
    x = pb.Tensor(np.zeros((1, 1, 2, 2)), requires_grad=True)
    pb.max_pool(x, 2).sum().backward()
    assert np.array_equal(x.grad.data[0, 0], [[1, 0], [0, 0]])


def test_nan_is_the_maximum_and_minus_infinity_can_be():
    x = pb.Tensor([[[1.0, np.nan, 3.0], [-np.inf, -np.inf, -np.inf]]], requires_grad=True)
    y = pb.max_pool(x, 3)
    y.sum().backward()
    assert np.isnan(y.data[0, 0, 0]) and y.data[0, 1, 0] == -np.inf
    assert np.array_equal(x.grad.data, [[[0, 1, 0], [1, 0, 0]]])


def test_repeated_indices_add_and_their_gradient_is_that_maps():
    y = pb.Tensor([[[1.0, 2.0, 4.0]]], requires_grad=True)
    x = pb.max_unpool(y, [[[1, 1, 0]]], 3)
    assert np.array_equal(x.data, [[[4, 3, 0]]])
    x.backward(np.array([[[10.0, 20.0, 30.0]]]))
    assert np.array_equal(y.grad.data, [[[20, 20, 10]]])


def test_integers_are_pooled():
    assert np.array_equal(pb.max_pool(np.array([[[-5, -7, -2, -1]]]), 2), [[[-5, -1]]])


@st.composite
def cases(draw):
    """A shape and settings of pooling that PyTorch takes, too."""
    axes = draw(st.integers(1, 3))

    def each(low, high):
        return draw(st.lists(st.integers(low, high), min_size=axes, max_size=axes))

    kernel, stride, extra = each(1, 3), each(1, 3), each(0, 5)
    padding = [min(p, k // 2) for p, k in zip(each(0, 1), kernel, strict=True)]
    dilation = [1 if p else d for p, d in zip(padding, each(1, 2), strict=True)]
    spatial = [d * (k - 1) + 1 + e for k, d, e in zip(kernel, dilation, extra, strict=True)]
    return (2, 3, *spatial), kernel, stride, padding, dilation, draw(st.booleans())


@given(cases())
def test_max_pool_against_pytorch(torch, case):
    shape, *settings = case
    x = np.random.default_rng(0).permutation(np.arange(float(np.prod(shape)))).reshape(shape)
    mine, its = pb.Tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    pool = getattr(torch.nn.functional, f"max_pool{len(shape) - 2}d")
    y, indices = pb.max_pool(mine, *settings, return_indices=True)
    ty, tindices = pool(its, *settings, return_indices=True)
    assert np.array_equal(y.data, ty.detach()) and np.array_equal(indices.data, tindices)
    y.backward(y.detach())
    ty.backward(ty.detach())
    assert np.allclose(mine.grad.data, its.grad)


@given(cases(), st.booleans())
def test_avg_pool_against_pytorch(torch, case, count_include_pad):
    shape, kernel, stride, padding, _, ceil_mode = case
    x = np.random.default_rng(0).standard_normal(shape)
    mine, its = pb.Tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    pool = getattr(torch.nn.functional, f"avg_pool{len(shape) - 2}d")
    y = pb.avg_pool(mine, kernel, stride, padding, ceil_mode, count_include_pad)
    ty = pool(its, kernel, stride, padding, ceil_mode, count_include_pad)
    assert np.allclose(y.data, ty.detach())
    y.backward(y.detach())
    ty.backward(ty.detach())
    assert np.allclose(mine.grad.data, its.grad)


ROW = [2.0, 4.0, 6.0, 8.0]  # windows of 3 at every second place from the padding on: (_, 2, 4), (4, 6, 8), (8, _)


@pytest.mark.parametrize(
    ("ceil_mode", "count_include_pad", "means", "slopes"),
    [
        (False, True, [2, 6], [1 / 3, 2 / 3, 1 / 3, 1 / 3]),
        (False, False, [3, 6], [1 / 2, 1 / 2 + 1 / 3, 1 / 3, 1 / 3]),
        (True, True, [2, 6, 4], [1 / 3, 2 / 3, 1 / 3, 1 / 3 + 1 / 2]),  # what lies behind the padding does not count
        (True, False, [3, 6, 8], [1 / 2, 1 / 2 + 1 / 3, 1 / 3, 1 / 3 + 1]),
    ],
)
def test_padding_that_counts_and_windows_that_are_not_whole(ceil_mode, count_include_pad, means, slopes):
    settings = {"ceil_mode": ceil_mode, "count_include_pad": count_include_pad}
    for lead in ((), (1,)):  # one spatial axis, and two
        x = Tensor(np.reshape(ROW, (1, 1, *lead, 4)), requires_grad=True)
        y = pb.avg_pool(x, (*lead, 3), (*lead, 2), (*(0 for _ in lead), 1), **settings)
        y.sum().backward()
        np.testing.assert_allclose(y.data.ravel(), means, rtol=1e-15)
        np.testing.assert_allclose(x.grad.data.ravel(), slopes, rtol=1e-15)
    module = pb.nn.AvgPool1d(3, 2, 1, **settings)(np.reshape(ROW, (1, 1, 4)))
    np.testing.assert_allclose(np.ravel(module), means, rtol=1e-15)


@pytest.mark.parametrize(("ceil_mode", "largest", "places"), [(False, [4, 8], [1, 3]), (True, [4, 8, 8], [1, 3, 3])])
def test_largest_of_windows_that_are_not_whole(ceil_mode, largest, places):
    x = Tensor(np.reshape(ROW, (1, 1, 4)), requires_grad=True)
    y, indices = pb.max_pool(x, 3, 2, 1, ceil_mode=ceil_mode, return_indices=True)
    y.sum().backward()
    assert y.data.ravel().tolist() == largest and indices.data.ravel().tolist() == places
    assert x.grad.data.ravel().tolist() == [0, 1, 0, len(largest) - 1]
    assert pb.max_pool(x[..., :3], 3, 2, 0, ceil_mode=True).shape == (1, 1, 1)
    assert pb.max_pool(x, 2, 2, 1, ceil_mode=True).shape == (1, 1, 3)
    assert pb.max_pool(x[..., :3], 2, 3, 1, ceil_mode=True).shape == (1, 1, 2)  # a third would begin in the padding


def test_avg_pool_is_im2col_and_a_row_of_one_over_k():
    x = np.random.default_rng(0).standard_normal((2, 1, 5, 4))
    row = np.full((1, 6), 1 / 6)
    expected = (row @ pb.im2col(x, (2, 3), 2, 1)).reshape(2, 1, 3, 2)
    assert np.allclose(pb.avg_pool(x, (2, 3), 2, 1), expected)


def test_second_derivatives():
    x = pb.Tensor(np.random.default_rng(0).permutation(12).reshape(1, 1, 3, 4) / 3, requires_grad=True)
    assert gradgradcheck(lambda x: pb.max_pool(x * x, 2, 1), (x,))
    assert gradgradcheck(lambda x: pb.avg_pool(x * x, 2, 1), (x,))
    indices = np.array([[[0, 3, 3]]])
    y = pb.Tensor([[[1.0, 2.0, 3.0]]], requires_grad=True)
    assert gradgradcheck(lambda y: pb.max_unpool(y * y, indices, 5), (y,))


@pytest.mark.parametrize(
    "call,error,message",
    [
        (lambda: pb.max_pool(X, 4), ValueError, r"max_pool: windows of \(4, 4\).*spatial shape \(3, 3\)"),
        (lambda: pb.max_pool(X, 2, padding=2), ValueError, "more than half"),
        (lambda: pb.avg_pool(X[0, 0], 2), ValueError, r"avg_pool: x of shape \(3, 3\)"),
        (lambda: pb.max_unpool(X, np.zeros((1, 1, 2, 2), int), (3, 3)), ValueError, "max_unpool: y of shape"),
        (lambda: pb.max_unpool(X, np.full(X.shape, 9), (3, 3)), ValueError, "indices from 9 to 9"),
        (lambda: pb.max_unpool(X, np.zeros(X.shape), (3, 3)), TypeError, "not integers"),
    ],
)
def test_errors(call, error, message):
    with pytest.raises(error, match=message):
        call()


def naive_windows(n, k, s, p, ceil_mode):
    """The places of each window, those of padding too, as PyTorch counts windows; None where there is none."""
    room = n + 2 * p - k
    count = (-(-room // s) if ceil_mode else room // s) + 1
    if ceil_mode and (count - 1) * s >= n + p:  # it would start in the padding on the right
        count -= 1
    return [range(i * s - p, i * s - p + k) for i in range(count)] or None


@pytest.mark.parametrize("k, s, p", [(5, 5, 0), (5, 4, 0), (4, 3, 2), (7, 9, 1), (5, 1, 0), (3, 2, 1)])
@pytest.mark.parametrize("n", [1, 2, 3, 4])
@pytest.mark.parametrize("ceil_mode", [False, True])
def test_windows_wider_than_the_axis(n, k, s, p, ceil_mode):
    x = np.random.default_rng(0).normal(size=(1, 2, n, 4))
    windows = naive_windows(n, k, s, p, ceil_mode)
    settings = {"stride": (s, 1), "padding": (p, 0), "ceil_mode": ceil_mode}
    if windows is None:
        for pool in (pb.max_pool, pb.avg_pool):
            with pytest.raises(ValueError, match="do not fit"):
                pool(Tensor(x), (k, 1), **settings)
        return
    rows = [[x[:, :, i] for i in window if 0 <= i < n] for window in windows]
    sizes = [sum(-p <= i < n + p for i in window) for window in windows]
    largest = np.stack([np.max(row, 0) for row in rows], 2)
    means = np.stack([np.sum(row, 0) / size for row, size in zip(rows, sizes, strict=True)], 2)
    np.testing.assert_allclose(pb.max_pool(Tensor(x), (k, 1), **settings).numpy(), largest)
    np.testing.assert_allclose(pb.avg_pool(Tensor(x), (k, 1), **settings).numpy(), means)
    sums = pb.avg_pool(Tensor(x), (k, 1), **settings, divisor_override=2).numpy()
    np.testing.assert_allclose(sums, means * np.reshape(sizes, (-1, 1)) / 2)


def test_a_divisor_of_ones_own():
    x = Tensor(np.ones((1, 1, 2, 4), np.float32), requires_grad=True)
    out = pb.nn.AvgPool2d(2, divisor_override=8)(x)
    out.sum().backward()
    assert out.dtype == np.float32 and out.numpy().tolist() == [[[[0.5, 0.5]]]] and np.all(x.grad.numpy() == 0.125)
    assert pb.nn.functional.avg_pool1d(x[0], 2, divisor_override=1).numpy().tolist() == [[[2, 2], [2, 2]]]
    with pytest.raises(ValueError, match="divisor_override is 0"):
        pb.avg_pool(x, 2, divisor_override=0)


def naive(x, k, s, p, d=1):
    """The largest entry of each window of rows x (R, n), its place, and the number of windows: one after another."""
    n = x.shape[1]
    count = (n + 2 * p - d * (k - 1) - 1) // s + 1
    best, places = np.empty((len(x), count), x.dtype), np.empty((len(x), count), int)
    for r, i in np.ndindex(len(x), count):
        window = [j for j in range(i * s - p, i * s - p + d * (k - 1) + 1, d) if 0 <= j < n]
        places[r, i] = max(window, key=lambda j: x[r, j])
        best[r, i] = x[r, places[r, i]]
    return best, places


LAYOUTS = {
    "as it is": lambda x: x,
    "every third": lambda x: np.repeat(x, 3, -1)[..., ::3],
    "backwards": lambda x: x[..., ::-1].copy()[..., ::-1],
    "turned": lambda x: np.asfortranarray(x),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_rest_of_windows_by_lanes(dtype, layout):
    """Rows of 3 to 52 windows, which are more than three vectors of any CPU; integers, so that sums are exact."""
    rng, turned = np.random.default_rng(0), LAYOUTS[layout]
    for n in range(3, 53):
        x = rng.permutation(4 * n).reshape(4, n).astype(dtype)
        for k, s, p, d in ((3, 1, 1, 1), (2, 2, 0, 1), (2, 1, 0, 2)):
            best, places = naive(x, k, s, p, d)
            g = rng.integers(-9, 10, best.shape).astype(dtype)
            grad, image = np.zeros(x.shape, dtype), np.zeros(x.shape, dtype)
            for r, i in np.ndindex(*best.shape):
                grad[r, places[r, i]] += g[r, i]
                image[r, places[r, i]] += best[r, i]
            leaf = Tensor(turned(x.reshape(2, 2, n)), requires_grad=True)
            y, indices = pb.max_pool(leaf, k, s, p, d, return_indices=True)
            y.backward(turned(g.reshape(y.shape)))
            np.testing.assert_array_equal(y.data.reshape(4, -1), best)
            np.testing.assert_array_equal(indices.data.reshape(4, -1), places)
            np.testing.assert_array_equal(leaf.grad.data.reshape(4, -1), grad)
            values = Tensor(turned(best.reshape(y.shape)), requires_grad=True)
            unpooled = pb.max_unpool(values, turned(places.reshape(y.shape)), n)
            np.testing.assert_array_equal(unpooled.data.reshape(4, -1), image)
            unpooled.backward(turned(x.reshape(2, 2, n)))
            np.testing.assert_array_equal(values.grad.data.reshape(4, -1), best)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("value", [-np.inf, 1.0])
def test_equal_entries_have_the_first_that_is_not_padding(value, dtype):
    x = Tensor(np.full((1, 2, 11, 5), value, dtype), requires_grad=True)
    y, indices = pb.max_pool(x, 3, 1, 1, return_indices=True)
    firsts = [max(i - 1, 0) * 5 + max(j - 1, 0) for i in range(11) for j in range(5)]
    np.testing.assert_array_equal(y.data, np.full((1, 2, 11, 5), value))
    np.testing.assert_array_equal(indices.data.reshape(2, -1), [firsts, firsts])
    y.backward(np.ones(y.shape, dtype))
    np.testing.assert_array_equal(x.grad.data.reshape(2, -1), [np.bincount(firsts, minlength=55)] * 2)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("k", [64, 65, 255, 256, 300])
@pytest.mark.parametrize("s", [1, 3, None])  # side by side, and far apart
def test_windows_of_many_entries(k, s, dtype):
    rng = np.random.default_rng(k)
    n = k + 2 * (s or k) + 1
    x = rng.permutation(2 * n).reshape(2, n).astype(dtype)
    x[:, n - 3] = 3 * n  # the last entry but some of the last window
    best, places = naive(x, k, s or k, 0)
    grad = np.zeros(x.shape)
    np.add.at(grad, (np.arange(2)[:, None], places), 1)
    for shape, kernel in (((1, 2, n), (k,)), ((1, 2, 1, n), (1, k)), ((2, 1, n, 1), (k, 1))):
        leaf = Tensor(x.reshape(shape), requires_grad=True)
        step = kernel if s is None else s
        y, indices = pb.max_pool(leaf, kernel, step, return_indices=True)
        y.sum().backward()
        np.testing.assert_array_equal(y.data.reshape(2, -1), best)
        np.testing.assert_array_equal(indices.data.reshape(2, -1), places)
        np.testing.assert_array_equal(leaf.grad.data.reshape(2, -1), grad)
