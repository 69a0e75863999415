"""Derivatives of functions whose result has one element and axes: shape (1,), (1, 1) or (1, 1, 1), at every level.

Each operation picks out or weighs the cubes of the arguments x, so that its one entry is sum(c x**3), with the
gradient 3 c x**2, the second derivatives 6 c x on the diagonal, and the third 6 c.
"""

import numpy as np
import pytest

import pullback as pb
from pullback import Tensor, grad, hessian, hvp, jvp, nn, value_and_grad, vmap

X = np.array([1.5, -2.0, 0.5, 3.0])
V, U = np.array([1.0, -0.5, 2.0, 0.25]), np.array([-1.0, 3.0, 0.5, 2.0])
W = np.array([2.0, -1.0, 4.0, 0.5])
FIRST, LAST, ALL = np.array([1.0, 0, 0, 0]), np.array([0, 0, 0, 1.0]), np.ones(4)
LARGEST = LAST  # of the cubes of X, and of those of the batch

OPERATIONS = {  # name -> the operation on the cubes, and the weights c of its one entry
    "matmul": (lambda x: x.reshape(1, 4) @ W.reshape(4, 1), W),
    "matmul of stacks": (lambda x: x.reshape(1, 1, 4) @ W.reshape(1, 4, 1), W),
    "matmul with a vector": (lambda x: x.reshape(1, 4) @ W, W),
    "product of parts": (lambda x: W[:1] * x[:1], 2 * FIRST),
    "affine": (lambda x: nn.functional.linear(x, W.reshape(1, 4), np.ones(1)), W),
    "affine of rows": (lambda x: nn.functional.linear(x.reshape(1, 4), W.reshape(1, 4), np.ones(1)), W),
    "einsum": (lambda x: pb.einsum("ij,jk->ik", x.reshape(1, 4), W.reshape(4, 1)), W),
    "tensordot": (lambda x: pb.tensordot(x.reshape(1, 2, 2), W.reshape(2, 2, 1), 2), W),
    "outer": (lambda x: pb.outer(x[:1], [3.0]), 3 * FIRST),
    "kron": (lambda x: pb.kron(x[:1], [3.0]), 3 * FIRST),
    "stack": (lambda x: pb.stack([x.sum()]), ALL),
    "stack of axes": (lambda x: pb.stack([x[:1]], axis=1), FIRST),
    "concatenate": (lambda x: pb.concatenate([x[:1]]), FIRST),
    "concatenate with nothing": (lambda x: pb.concatenate([x[3:], x[:0]]), LAST),
    "cumsum": (lambda x: pb.cumsum(x)[-1:], ALL),
    "cumsum at the end": (lambda x: pb.cumsum(x[:1]), FIRST),
    "cumprod": (lambda x: pb.cumprod(x[:1]), FIRST),
    "flip": (lambda x: pb.flip(x[:1]), FIRST),
    "roll": (lambda x: pb.roll(x[:1], 1), FIRST),
    "transpose": (lambda x: x[:1].reshape(1, 1).T, FIRST),
    "swapaxes": (lambda x: pb.swapaxes(x[:1].reshape(1, 1, 1), 0, 2), FIRST),
    "moveaxis": (lambda x: pb.moveaxis(x[:1].reshape(1, 1, 1), 0, 2), FIRST),
    "reshape": (lambda x: pb.reshape(x[:1], (1, 1, 1)), FIRST),
    "reshape of a number": (lambda x: pb.reshape(x.sum(), (1, 1)), ALL),
    "expand_dims": (lambda x: pb.expand_dims(x[0], 0), FIRST),
    "atleast_3d": (lambda x: pb.atleast_3d(x[0]), FIRST),
    "squeeze": (lambda x: pb.squeeze(x[:1].reshape(1, 1, 1), 0), FIRST),
    "broadcast_to": (lambda x: pb.broadcast_to(x[0], (1, 1)), FIRST),
    "repeat": (lambda x: pb.repeat(x[:1], 1), FIRST),
    "tile": (lambda x: pb.tile(x[:1], (1, 1)), FIRST),
    "sum": (lambda x: x.sum(keepdims=True), ALL),
    "mean": (lambda x: x.reshape(2, 2).mean(keepdims=True), ALL / 4),
    "max": (lambda x: x.max(keepdims=True), LARGEST),
    "sort": (lambda x: pb.sort(x)[3:], LARGEST),
    "median": (lambda x: pb.median(x[:1], keepdims=True), FIRST),
    "slice": (lambda x: x[3:], LAST),
    "numbers": (lambda x: x[[0]], FIRST),
    "mask": (lambda x: x[np.array([False, False, False, True])], LAST),
    "take": (lambda x: pb.take(x, [3]), LAST),
    "take_along_axis": (lambda x: pb.take_along_axis(x, np.array([3]), 0), LAST),
    "setitem": (lambda x: pb.setitem(np.zeros((1, 1)), (0, 0), x[0]), FIRST),
    "pad": (lambda x: pb.pad(x[:0].sum() + x[:1], 0), FIRST),
    "tril": (lambda x: pb.tril(x[:1].reshape(1, 1)), FIRST),
    "diag": (lambda x: pb.diag(x[:1]), FIRST),
    "where": (lambda x: pb.where([True], x[:1], 0.0), FIRST),
    "maximum": (lambda x: pb.maximum(x[:1], [-9.0]), FIRST),
    "relu": (lambda x: pb.relu(x[3:].reshape(1, 1)), LAST),
    "abs": (lambda x: pb.abs(x[:1]), FIRST),
    "convolve": (lambda x: pb.convolve(x, W[::-1], "valid"), W),
    "conv": (lambda x: pb.conv(x.reshape(1, 1, 4), W.reshape(1, 1, 4)), W),
    "conv2": (lambda x: pb.conv(x.reshape(1, 1, 2, 2), W.reshape(1, 1, 2, 2))[0], W),
    "conv_transpose": (lambda x: pb.conv_transpose(x.reshape(1, 4, 1), W.reshape(4, 1, 1)), W),
    "max_pool": (lambda x: pb.max_pool(x.reshape(1, 1, 4), 4), LARGEST),
    "avg_pool": (lambda x: pb.avg_pool(x.reshape(1, 1, 4), 4), ALL / 4),
    "adaptive_avg_pool": (lambda x: nn.functional.adaptive_avg_pool1d(x.reshape(1, 1, 4), 1), ALL / 4),
    "adaptive_max_pool": (lambda x: nn.functional.adaptive_max_pool1d(x.reshape(1, 1, 4), 1), LARGEST),
    "im2col": (lambda x: pb.im2col(x[:1].reshape(1, 1, 1), 1), FIRST),
    "solve": (lambda x: pb.linalg.solve([[2.0]], x[:1].reshape(1, 1)), FIRST / 2),
    "det": (lambda x: pb.linalg.det(x[:1].reshape(1, 1, 1)), FIRST),
    "trace": (lambda x: pb.trace(x.reshape(2, 2, 1)), FIRST + LAST),
    "rfft": (lambda x: pb.real(pb.fft.rfft(x))[:1], ALL),
    "mse_loss": (lambda x: nn.functional.mse_loss(pb.sqrt(x[3:]), [0.0], reduction="none"), LAST),
    "gradient inside": (lambda x: grad(lambda y: (y * x[:1]).sum())(np.ones(1)), FIRST),
}  # fmt: skip
BATCH = np.stack([X, X + [0.5, 0.25, -0.25, 1.0], 2 * X])


def close(actual, expected):
    assert actual.shape == np.shape(expected)
    np.testing.assert_allclose(actual.numpy(), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", OPERATIONS)
def test_all_derivatives(name):
    operation, c = OPERATIONS[name]

    def f(x):
        out = operation(x**3)
        assert out.shape in ((1,), (1, 1), (1, 1, 1))
        return out

    value, gradient = value_and_grad(f)(X)
    offset = 1 if "affine" in name else 0
    close(value, np.full(value.shape, np.sum(c * X**3) + offset))
    close(gradient, 3 * c * X**2)
    close(grad(f)(X), 3 * c * X**2)
    close(hessian(f)(X), np.diag(6 * c * X))
    close(hvp(f, X, V), 6 * c * X * V)
    value, tangent = jvp(grad(f), (X,), (V,))
    close(value, 3 * c * X**2)
    close(tangent, 6 * c * X * V)
    close(grad(lambda x: (grad(f)(x) * V).sum(keepdims=True))(X), 6 * c * X * V)
    close(vmap(grad(f))(BATCH), 3 * c * BATCH**2)
    close(vmap(hessian(f))(BATCH), 6 * c * BATCH[:, None] * np.eye(4))
    close(jvp(vmap(grad(f)), (BATCH,), (BATCH * V,))[1], 6 * c * BATCH**2 * V)
    close(hvp(lambda x: (hvp(f, x, V) * U).sum(keepdims=True), X, U), 0 * X)
    close(grad(lambda x: (hvp(f, x, V) * U).sum(keepdims=True))(X), 6 * c * V * U)
    x = Tensor(X, requires_grad=True)
    f(x).backward(create_graph=True)
    close(x.grad, 3 * c * X**2)
