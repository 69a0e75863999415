import numpy as np
import pytest

import pullback as pb
from pullback import Tensor
from pullback.testing import gradcheck, gradgradcheck

X = np.random.default_rng(5).permutation(24).reshape(2, 3, 4) / 4.0
AXES = [None, 0, 1, -1]


def leaf(values):
    return Tensor(values, requires_grad=True)


def gradient(f, values, g=None):
    x = leaf(values)
    out = f(x)
    out.backward(np.ones(out.shape) if g is None else g)
    return x.grad.data


@pytest.mark.parametrize("axis", AXES)
def test_sort(axis):
    for out in (pb.sort(leaf(X), axis), np.sort(leaf(X), axis=axis), np.sort(leaf(X), axis, stable=True)):
        np.testing.assert_array_equal(out.data, np.sort(X, axis))
    assert gradcheck(lambda x: pb.sort(x, axis) ** 2, leaf(X))
    assert gradgradcheck(lambda x: pb.sort(x, axis) ** 2, leaf(X[:, :2, 0]) if axis != -1 else leaf(X[0]))


def test_sort_takes_the_cotangent_back_to_where_the_entry_was():
    np.testing.assert_array_equal(gradient(pb.sort, [3.0, 1.0, 2.0], [1.0, 10.0, 100.0]), [100, 1, 10])
    assert gradient(pb.sort, [2.0, 2.0, 2.0], [1.0, 10.0, 100.0]).sum() == 111


def test_sort_in_place_is_ndarrays_method():
    x = leaf([3.0, 1.0, 2.0])
    y = x * 1
    assert y.sort() is None
    np.testing.assert_array_equal(y.data, [1, 2, 3])
    y.backward([1.0, 10.0, 100.0])
    np.testing.assert_array_equal(x.grad.data, [100, 1, 10])


def test_sort_of_nothing_scalars_and_complex_numbers():
    assert pb.sort(leaf(np.zeros((2, 0)))).shape == (2, 0)
    with pytest.raises(np.exceptions.AxisError):
        pb.sort(leaf(2.0))
    np.testing.assert_array_equal(np.sort_complex(leaf([2.0, 1.0])).data, [1 + 0j, 2])
    assert pb.sort(Tensor(np.float32([2, 1]))).dtype == np.float32


@pytest.mark.parametrize("axis", AXES)
def test_partition(axis):
    out = np.partition(leaf(X), 1, axis=axis)
    np.testing.assert_array_equal(out.data, np.partition(X, 1, axis))
    np.testing.assert_array_equal(gradient(lambda x: pb.partition(x, 1, axis), X), np.ones(X.shape))


def test_positions_are_constants():
    x = leaf([3.0, 1.0, 2.0])
    assert pb.argsort(x).data.tolist() == [1, 2, 0] and not pb.argsort(x).requires_grad
    assert np.searchsorted(leaf([1.0, 2.0]), x).data.tolist() == [2, 0, 1]
    assert np.digitize(x, [1.5]).data.tolist() == [1, 0, 1]
    assert np.lexsort((x,)).data.tolist() == [1, 2, 0]
    counts, edges = np.histogram(x, bins=2)
    assert counts.data.tolist() == [1, 2] and edges.data.tolist() == [1, 2, 3]
    values, places = np.unique(x.detach(), return_inverse=True)
    assert values.data.tolist() == [1, 2, 3] and places.data.tolist() == [2, 0, 1]


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("indices", [1, [0, 1], [[1, 1], [0, -1]]])
def test_take(axis, indices):
    for out in (pb.take(leaf(X), indices, axis), np.take(leaf(X), indices, axis=axis), leaf(X).take(indices, axis)):
        np.testing.assert_array_equal(out.data, np.take(X, indices, axis))
    want = np.zeros(X.shape)
    np.add.at(want.reshape(-1), np.take(np.arange(24).reshape(X.shape), indices, axis), 1)
    np.testing.assert_array_equal(gradient(lambda x: pb.take(x, indices, axis), X), want)


@pytest.mark.parametrize("mode", ["wrap", "clip"])
def test_take_outside(mode):
    np.testing.assert_array_equal(pb.take(leaf(X), [-5, 7], 1, mode=mode).data, np.take(X, [-5, 7], 1, mode=mode))
    with pytest.raises(IndexError):
        pb.take(leaf(X), [7], 1)
    with pytest.raises(ValueError, match="mode 'wrong'"):
        pb.take(leaf(X), [7], 1, mode="wrong")
    with pytest.raises(TypeError, match="take: out is a NumPy array"):
        np.take(leaf(X), [1], out=np.zeros(1))


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_along_an_axis(axis):
    indices = np.argsort(X, axis)[:1]
    out = np.take_along_axis(leaf(X), indices, axis)
    np.testing.assert_array_equal(out.data, np.take_along_axis(X, indices, axis))
    x, y = X.copy(), leaf(X) * 1
    np.put_along_axis(x, indices, -1.0, axis)
    np.put_along_axis(y, indices, -1.0, axis)
    np.testing.assert_array_equal(y.data, x)


def test_along_no_axis():
    np.testing.assert_array_equal(pb.take_along_axis(leaf(X), [3, 3, 0], None).data, X.ravel()[[3, 3, 0]])
    y, v = Tensor(X), leaf(7.0)
    pb.put_along_axis(y, [2, 3], v, None)
    np.testing.assert_array_equal(y.data[0, 0], [*X[0, 0, :2], 7, 7])
    y.backward(np.ones(X.shape))
    assert v.grad.item() == 2
    with pytest.raises(ValueError, match="indices of shape"):
        pb.take_along_axis(leaf(X), [1])


def test_compress_and_extract():
    for axis in (0, None):
        out = np.compress([False, True], leaf(X), axis)
        np.testing.assert_array_equal(out.data, np.compress([False, True], X, axis))
    np.testing.assert_array_equal(leaf(X).compress([True], 2).data, X[:, :, :1])
    np.testing.assert_array_equal(gradient(lambda x: np.extract(X > 2, x), X), X > 2)
    np.testing.assert_array_equal(np.extract(X > 2, leaf(X)).data, X[X > 2])


def test_choose():
    a, b = leaf([1.0, 2.0, 3.0]), leaf([[10.0], [20.0]])
    which = np.array([[0, 1, 0], [1, 1, 0]])
    out = np.choose(which, [a, b])
    np.testing.assert_array_equal(out.data, np.choose(which, [a.data, b.data]))
    out.backward(np.ones((2, 3)))
    np.testing.assert_array_equal(a.grad.data, [1, 0, 2])
    np.testing.assert_array_equal(b.grad.data, [[1], [2]])
    np.testing.assert_array_equal(pb.choose(which + 5, [a, b], mode="clip").data, np.broadcast_to(b.data, (2, 3)))
    with pytest.raises(ValueError, match="2 choices"):
        pb.choose(which + 5, [a, b])


def test_select():
    x = leaf([-1.0, 0.5, 2.0])
    out = np.select([x < 0, x < 1], [x * 2, x * 3], 7.0)
    np.testing.assert_array_equal(out.data, [-2, 1.5, 7])
    out.backward([1.0, 1.0, 1.0])
    np.testing.assert_array_equal(x.grad.data, [2, 3, 0])
    with pytest.raises(ValueError, match="2 conditions for 1"):
        pb.select([x < 0, x < 1], [x])


def test_piecewise():
    x = leaf([-1.0, 0.5, 2.0])
    out = np.piecewise(x, [x < 0, x > 1], [lambda t: t * t, 5.0, lambda t: 3 * t])
    np.testing.assert_array_equal(out.data, [1, 1.5, 5])
    out.backward([1.0, 1.0, 1.0])
    np.testing.assert_array_equal(x.grad.data, [-2, 3, 0])
    np.testing.assert_array_equal(pb.piecewise(x, x < 0, [-1.0, 1.0]).data, [-1, 1, 1])
    with pytest.raises(ValueError, match="1 functions for 2"):
        pb.piecewise(x, [x < 0, x > 1], [0.0])


def test_bincount():
    w = leaf([1.0, 2.0, 4.0])
    out = np.bincount([0, 2, 0], w, minlength=4)
    np.testing.assert_array_equal(out.data, [5, 0, 2, 0])
    out.backward([1.0, 10.0, 100.0, 1000.0])
    np.testing.assert_array_equal(w.grad.data, [1, 100, 1])
    np.testing.assert_array_equal(pb.bincount(Tensor([1, 1, 0])), [1, 2])


@pytest.mark.parametrize("options", [{}, {"left": -7.0}, {"right": 9.0}, {"period": 2.5}])
def test_interp(options):
    x, xp, fp = np.array([[-0.75, 0.3], [1.1, 2.75]]), np.array([0.0, 0.5, 1.5, 2.0]), np.array([1.0, -1.0, 4.0, 2.0])
    for out in (pb.interp(leaf(x), leaf(xp), leaf(fp), **options), np.interp(x, xp, leaf(fp), **options)):
        np.testing.assert_allclose(out.data, np.interp(x, xp, fp, **options), rtol=1e-14)
    assert gradcheck(lambda *a: pb.interp(*a, **options), (leaf(x), leaf(xp), leaf(fp)))
    assert gradgradcheck(lambda *a: pb.interp(*a, **options), (leaf(x), leaf(xp), leaf(fp)))


def test_interp_refuses_what_has_no_order():
    for x, xp in (([1j], [0.0, 1.0]), ([0.5], [0.0, 1j])):
        with pytest.raises(TypeError, match="interp: x of dtype .*; complex numbers are in no order"):
            pb.interp(np.array(x), np.array(xp), [1.0, 2.0])
    assert pb.interp(0.5, [0.0, 1.0], [1.0, 2j]).item() == 0.5 + 1j
    with pytest.raises(ValueError, match="interp: a period of 0"):
        pb.interp(0.5, [0.0, 1.0], [1.0, 2.0], period=0)


def test_interp_at_the_edges():
    xp, fp = np.array([0.0, 1.0, 3.0]), np.array([5.0, 7.0, 1.0])
    np.testing.assert_array_equal(pb.interp(leaf(xp), xp, fp).data, fp)
    np.testing.assert_array_equal(gradient(lambda x: pb.interp(x, xp, fp), [-1.0, 0.5, 2.0, 4.0]), [0, 2, -3, 0])
    assert np.isnan(pb.interp(leaf(np.nan), xp, fp).item())
    assert pb.interp(leaf(2.0), [1.0], [4.0]).item() == 4
    with pytest.raises(ValueError, match="one length"):
        pb.interp(leaf(2.0), xp, fp[:2])


def test_interp_around_the_ends_of_a_period_by_hand():
    x = np.array([0.0, 0.5, 1.0, 2.0, 3.0, 3.5, 4.0, -0.5, 7.5])
    fp = Tensor([10.0, 30.0], requires_grad=True)
    for xp, order in ((np.array([1.0, 3.0]), [0, 1]), (np.array([3.0, 1.0]), [1, 0])):
        values = pb.interp(x, xp, fp[order], period=4.0)
        np.testing.assert_allclose(values.data, [20, 15, 10, 20, 30, 25, 20, 25, 25], rtol=1e-15)
    fp.grad = None
    values.sum().backward()
    np.testing.assert_allclose(fp.grad.data, [4.0, 5.0], rtol=1e-15)
