"""Pooling and unpooling against hand-made pictures, naive windows and PyTorch."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pullback as pb
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
