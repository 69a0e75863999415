import numpy as np
import pytest

import pullback as pb
from pullback import Tensor

X = np.arange(24.0).reshape(2, 3, 4)

# the function as users call it, NumPy's, on the same arguments after the array
MOVES = [
    (pb.reshape, np.reshape, ((4, 6),)),
    (pb.reshape, np.reshape, (-1,)),
    (pb.reshape, np.reshape, ((3, -1),)),
    (pb.transpose, np.transpose, ()),
    (pb.transpose, np.transpose, ((1, -1, 0),)),
    (pb.swapaxes, np.swapaxes, (0, -1)),
    (pb.moveaxis, np.moveaxis, (0, -1)),
    (pb.moveaxis, np.moveaxis, ((0, 1), (-1, 0))),
    (pb.matrix_transpose, np.matrix_transpose, ()),
    (pb.broadcast_to, np.broadcast_to, ((5, 2, 3, 4),)),
    (pb.expand_dims, np.expand_dims, (1,)),
    (pb.expand_dims, np.expand_dims, ((0, -1),)),
    (pb.ravel, np.ravel, ()),
    (pb.flip, np.flip, ()),
    (pb.flip, np.flip, (1,)),
    (pb.flip, np.flip, ((0, -1),)),
]


@pytest.mark.parametrize("ours, numpys, args", MOVES)
def test_values_and_gradients(ours, numpys, args):
    """The gradient of entries weighted by g is g moved back: x's own numbers say where each entry went."""
    x = Tensor(X, requires_grad=True)
    out, expected = ours(x, *args), numpys(X, *args)
    np.testing.assert_array_equal(out.data, expected)
    np.testing.assert_array_equal(numpys(Tensor(X), *args).data, expected)
    np.testing.assert_array_equal(ours(X, *args), expected)
    g = np.random.default_rng(0).normal(size=expected.shape)
    out.backward(g)
    want = np.zeros(24)
    np.add.at(want, expected.astype(int).ravel(), g.ravel())
    np.testing.assert_allclose(x.grad.data, want.reshape(X.shape), rtol=1e-15)


def test_squeeze():
    x = Tensor(np.ones((1, 3, 1)), requires_grad=True)
    assert pb.squeeze(x).shape == (3,)
    assert pb.squeeze(x, 0).shape == (3, 1) and pb.squeeze(x, (-1, 0)).shape == (3,)
    pb.squeeze(x).backward([1.0, 2.0, 3.0])
    np.testing.assert_array_equal(x.grad.data, [[[1], [2], [3]]])
    with pytest.raises(ValueError, match=r"squeeze: axis 1 of shape \(1, 3, 1\)"):
        pb.squeeze(x, 1)


@pytest.mark.parametrize("axis", [0, 1, -1, None])
def test_concatenate(axis):
    parts = [Tensor(X, requires_grad=True), Tensor(2 * X, requires_grad=True), Tensor(3 * X)]
    out = pb.concatenate(parts, axis=axis)
    expected = np.concatenate([X, 2 * X, 3 * X], axis)
    np.testing.assert_array_equal(out.data, expected)
    out.backward(expected)
    np.testing.assert_array_equal(parts[0].grad.data, X)
    np.testing.assert_array_equal(parts[1].grad.data, 2 * X)


def test_concatenate_of_one_tensor_with_itself_and_arrays():
    x = Tensor([1.0, 2.0], requires_grad=True)
    out = np.concatenate([x, [5.0], x, np.zeros(0)])
    np.testing.assert_array_equal(out.data, [1, 2, 5, 1, 2])
    out.backward([1.0, 2.0, 3.0, 10.0, 20.0])
    np.testing.assert_array_equal(x.grad.data, [11, 22])
    with pytest.raises(ValueError, match="concatenate: at least one array"):
        pb.concatenate([])


@pytest.mark.parametrize("axis", [0, 1, 3, -1])
def test_stack(axis):
    a, b = Tensor(X, requires_grad=True), Tensor(-X, requires_grad=True)
    out = pb.stack([a, b], axis=axis)
    expected = np.stack([X, -X], axis)
    np.testing.assert_array_equal(out.data, expected)
    out.backward(expected)
    np.testing.assert_array_equal(a.grad.data, X)
    np.testing.assert_array_equal(b.grad.data, -X)


def test_stack_of_scalars_and_of_different_shapes():
    a, b = Tensor(2.0, requires_grad=True), Tensor(3.0, requires_grad=True)
    pb.stack([a, b, a]).backward([1.0, 10.0, 100.0])
    assert (a.grad.item(), b.grad.item()) == (101, 10)
    with pytest.raises(ValueError, match="stack: arrays of one shape"):
        pb.stack([Tensor([1.0]), Tensor([1.0, 2.0])])


def test_scalars_and_empty_arrays():
    x = Tensor(3.0, requires_grad=True)
    pb.broadcast_to(pb.reshape(x, (1, 1)), (2, 3)).sum().backward()
    assert x.grad.item() == 6
    assert pb.ravel(Tensor(3.0)).shape == (1,) and pb.transpose(Tensor(3.0)).shape == ()
    x = Tensor(np.zeros((0, 3)), requires_grad=True)
    pb.flip(pb.transpose(pb.reshape(x, (3, 0)))).backward(np.zeros((0, 3)))
    assert x.grad.shape == (0, 3)


def test_methods_take_axes_one_by_one_or_as_a_tuple():
    x = Tensor(X)
    assert x.reshape(6, 4).shape == x.reshape((6, 4)).shape == (6, 4)
    assert x.transpose(2, 0, 1).shape == x.transpose((2, 0, 1)).shape == (4, 2, 3)
    assert x.T.shape == (4, 3, 2) and x.mT.shape == (2, 4, 3)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda x: pb.transpose(x, (0, 1)), "transpose: axes"),
        (lambda x: pb.swapaxes(x, 0, 3), "swapaxes: axis"),
        (lambda x: pb.moveaxis(x, (0, 1), 2), "moveaxis: 2 source axes for 1"),
        (lambda x: pb.matrix_transpose(x[0, 0]), "matrix_transpose: .* at least 2 dimensions"),
        (lambda x: pb.flip(x, (1, 1)), "flip: axis"),
        (lambda x: pb.reshape(x, (5, 5)), "reshape"),
    ],
)
def test_errors(call, message):
    with pytest.raises((ValueError, np.exceptions.AxisError), match=message):
        call(Tensor(X))


def test_memory_is_shared_but_gradients_are_not():
    x = Tensor(X, requires_grad=True)
    view = x.reshape(-1)
    assert np.shares_memory(view._held, x._held)
    g = np.ones(24)
    view.backward(g)
    assert not np.shares_memory(x.grad.data, g)
