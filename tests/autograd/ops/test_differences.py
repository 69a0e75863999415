import numpy as np
import pytest

import pullback as pb
from pullback import Tensor
from pullback.testing import gradcheck

X = np.random.default_rng(5).normal(size=(3, 4))
T = np.array([0.0, 0.5, 2.0, 3.0])


def leaf(values):
    return Tensor(values, requires_grad=True)


@pytest.mark.parametrize("options", [{}, {"n": 2}, {"n": 0}, {"axis": 0}, {"prepend": 1.0}, {"append": X[:, :2]}])
def test_diff(options):
    np.testing.assert_allclose(np.diff(leaf(X), **options).data, np.diff(X, **options), rtol=1e-14)
    assert gradcheck(lambda x: pb.diff(x, **options), leaf(X))


def test_diff_of_bools_and_both_ends():
    np.testing.assert_array_equal(np.diff(Tensor([True, True, False])).data, [False, True])
    np.testing.assert_array_equal(pb.diff(Tensor([1.0, 3.0]), prepend=[0.0], append=9.0).data, [1, 2, 6])
    np.testing.assert_array_equal(np.ediff1d(leaf([1.0, 4.0]), 9.0, [7.0, 8.0]).data, [7, 8, 3, 9])
    with pytest.raises(ValueError, match="n=-1"):
        pb.diff(X, -1)


def test_trapezoid():
    for options in ({}, {"dx": 0.5}, {"x": T}, {"x": np.broadcast_to(T, X.shape)}, {"axis": 0}):
        np.testing.assert_allclose(np.trapezoid(leaf(X), **options).data, np.trapezoid(X, **options), rtol=1e-14)
    assert gradcheck(lambda y, x: pb.trapezoid(y, x), (leaf(X), leaf(T)))


@pytest.mark.parametrize("initial", [None, 0])
def test_cumulative_trapezoid(initial):
    integrate = pytest.importorskip("scipy.integrate")
    for options in ({}, {"dx": 0.5}, {"x": T}, {"x": np.broadcast_to(T, X.shape)}, {"axis": 0}):
        out = pb.cumulative_trapezoid(leaf(X), **options, initial=initial)
        expected = integrate.cumulative_trapezoid(X, **options, initial=initial)
        np.testing.assert_allclose(out.data, expected, rtol=1e-13, atol=1e-14)
    assert gradcheck(lambda y, x: pb.cumulative_trapezoid(y, x, initial=initial), (leaf(X), leaf(T)))
    assert pb.cumulative_trapezoid(Tensor(np.float32([1, 2, 4])), initial=initial).dtype == np.float32


@pytest.mark.parametrize("edge_order", [1, 2])
@pytest.mark.parametrize("spacing", [(), (0.5,), (0.5, T), (np.array([0.0, 1.0, 3.0]), 2.0)])
def test_gradient(edge_order, spacing):
    outs = np.gradient(leaf(X), *spacing, edge_order=edge_order)
    for out, expected in zip(outs, np.gradient(X, *spacing, edge_order=edge_order), strict=True):
        np.testing.assert_allclose(out.data, expected, rtol=1e-12, atol=1e-13)


def test_gradient_by_samples_and_coordinates():
    assert gradcheck(lambda f, t: pb.gradient(f, t, axis=1, edge_order=2), (leaf(X), leaf(T)))
    assert pb.gradient(Tensor(np.float32([1, 2, 4]))).dtype == np.float32
    with pytest.raises(TypeError, match="3 spacings for 2 axes"):
        pb.gradient(X, 1, 2, 3)


def test_unwrap():
    p = np.array([0.0, 3.0, -3.0, -0.5, 4.0])
    np.testing.assert_array_equal(np.unwrap(leaf(p)).data, np.unwrap(p))
    np.testing.assert_array_equal(np.unwrap(leaf(p), period=4).data, np.unwrap(p, period=4))
