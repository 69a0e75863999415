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
def test_max_pool_against_pytorch(case):
    torch = pytest.importorskip("torch")
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
def test_avg_pool_against_pytorch(case, count_include_pad):
    torch = pytest.importorskip("torch")
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
