"""vmap: the same as a loop over the examples, in value and in derivatives of every mode and nesting."""

import numpy as np
import pytest

import pullback as pb
from pullback import Tensor, grad, hessian, jacobian, jvp, vmap

RNG = np.random.default_rng(0)
X = RNG.normal(size=(5, 4, 3))
W = RNG.normal(size=(3, 2))

FUNCTIONS = {
    "elementwise": lambda a: pb.sin(a) * a + a[0] - 2.0,
    "sum": lambda a: a.sum(0) + a.mean(axis=0, keepdims=True),
    "matmul": lambda a: W.T @ a.T @ (a @ W),
    "vector": lambda a: (a @ a[0])[:3] + a[:, 0] @ a,
    "where": lambda a: pb.where((a > 0) & ~(a > 1), a, a * a),
    "max": lambda a: a.max(axis=1),
    "concatenate": lambda a: pb.concatenate([a, np.ones((1, 3)), a[:1] * 2]),
    "svd": lambda a: pb.linalg.svd(a, full_matrices=False)[1],
    "solve": lambda a: pb.linalg.solve(a.T @ a, a[0]),
    "fft": lambda a: pb.real(pb.fft.rfft(a, axis=0)),
    "einsum": lambda a: pb.einsum("ij,kj,l->kl", a, a, W[0]),
    "slices": lambda a: a[1:, None, ::-1],
    "arrays": lambda a: a[[0, 1, 1], [1, 2, 2]],
    "arrays apart": lambda a: pb.stack([a, a, a])[[0, 1], :, [1, 2]],
    "setitem": lambda a: pb.setitem(a, (slice(1, 3), 0), a[0, :2]),
    "in place": lambda a: _changed(a),
    "softmax": lambda a: pb.softmax(a, axis=1),
    "cumprod": lambda a: pb.cumprod(a, 1),
    "pad": lambda a: pb.pad(a, 1),
    "std": lambda a: a.std(axis=0),
    "conv": lambda a: pb.conv(a.reshape(1, 1, 4, 3), W[:2, :].reshape(1, 1, 2, 2)),
    "conv by itself": lambda a: pb.conv(a.reshape(1, 1, 4, 3), a[:2, :2].reshape(1, 1, 2, 2), bias=a[0, :1]),
    "conv of constants": lambda a: pb.conv(W.reshape(1, 1, 3, 2), a[:2, :2].reshape(1, 1, 2, 2)),
    "conv_transpose": lambda a: pb.conv_transpose(a.reshape(1, 2, 2, 3), a[:2, :2].reshape(2, 1, 1, 2), stride=2),
    "max_pool": lambda a: pb.max_pool(a.reshape(1, 1, 4, 3), 2),
    "im2col": lambda a: pb.im2col(a.reshape(1, 1, 4, 3), 2),
    "place of the maximum": lambda a: a[pb.argmax(a[:, 0])],
    "sort": lambda a: pb.sort(a, axis=0) * np.arange(3.0),
    "median": lambda a: pb.median(a, axis=0),
    "take": lambda a: pb.take(a, pb.argmax(a, axis=1), axis=1),
    "nan_to_num": lambda a: pb.nan_to_num(a),
    "does not depend": lambda a: Tensor(W) * 2,
    "gradient": grad(lambda a: (pb.exp(a) @ W).sum()),
    "tangent": lambda a: jvp(lambda x: x * x * a, (a,), (a,))[1],
    "likes": lambda a: pb.zeros_like(a) + pb.ones_like(a) * a,
    "nested": lambda a: vmap(lambda r: r * r.sum() + a[0])(a),
    "nested, another axis": lambda a: vmap(lambda r: a.T @ r, in_axes=1, out_axes=1)(a),
}


def _changed(a):
    x = a * 1
    x[0] = x[1] ** 2
    x *= a
    return x


def in_turn(f, xs):
    return pb.stack([f(x) for x in xs])


@pytest.mark.parametrize("name", FUNCTIONS)
def test_beside_a_loop(name):
    f = FUNCTIONS[name]
    np.testing.assert_allclose(vmap(f)(X).numpy(), in_turn(f, Tensor(X)).numpy(), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_derivatives_beside_a_loop(name):
    f = FUNCTIONS[name]

    def batch(X):
        return (vmap(f)(X) ** 2).sum()

    def loop(X):
        return (in_turn(f, X) ** 2).sum()

    def close(a, b):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-9, atol=1e-10)

    expected = grad(loop)(X)
    close(grad(batch)(X), expected)
    close(vmap(grad(lambda a: (f(a) ** 2).sum()))(X), expected)
    v = RNG.normal(size=X.shape)
    close(jvp(batch, (X,), (v,))[1], (expected * v).sum())
    close(vmap(lambda a, t: jvp(lambda a: (f(a) ** 2).sum(), (a,), (t,))[1])(X, v).sum(), (expected * v).sum())
    second = jvp(grad(loop), (X,), (v,))[1]
    close(jvp(grad(batch), (X,), (v,))[1], second)
    close(vmap(lambda a, t: jvp(grad(lambda a: (f(a) ** 2).sum()), (a,), (t,))[1])(X, v), second)


def test_axes():
    a, b = X[0], W.T
    assert vmap(lambda x, y: x @ y, in_axes=(0, None))(a, b[0]).shape == (4,)
    out = vmap(lambda x, y: (x + y, {"sum": x.sum()}), in_axes=(1, 1), out_axes=(-1, 0))(a, a)
    np.testing.assert_array_equal(out[0].numpy(), 2 * a)
    np.testing.assert_allclose(out[1]["sum"].numpy(), a.sum(0))
    nest = {"w": a, "b": (a.T, 3.0)}
    out = vmap(lambda p: p["w"] * p["b"][0] + p["b"][1], in_axes=({"w": 0, "b": (1, None)},))(nest)
    np.testing.assert_allclose(out.numpy(), a * a + 3)
    shared = vmap(lambda x: (x, Tensor(2.0)), out_axes=(0, None))(a)[1]
    assert shared.shape == () and shared.item() == 2


def test_gradients_of_each_example_with_shared_parameters():
    def loss(w, x):
        return (pb.tanh(x @ w) ** 2).sum()

    each = vmap(grad(loss), in_axes=(None, 0))(W, X[0])
    assert each.shape == (4, 3, 2)
    for g, x in zip(each, X[0], strict=True):
        np.testing.assert_allclose(g.numpy(), grad(loss)(W, x).numpy(), rtol=1e-12)


def test_graphs_of_outside_go_on():
    w = Tensor(W, requires_grad=True)
    (vmap(lambda x: x @ w)(X[0]) ** 2).sum().backward()
    np.testing.assert_allclose(w.grad.numpy(), 2 * X[0].T @ (X[0] @ W), rtol=1e-12)
    w.grad = None
    vmap(grad(lambda x: ((x @ w) ** 2).sum()))(X[0]).sum().backward()
    np.testing.assert_allclose(w.grad.numpy(), grad(lambda w: (2 * (X[0] @ w) @ w.T).sum())(W).numpy(), rtol=1e-12)


def test_hessian_of_a_batch_is_block_diagonal():
    h = hessian(lambda x: vmap(lambda r: pb.sin(r).sum() ** 2)(x).sum())(X[0]).numpy()
    each = vmap(hessian(lambda r: pb.sin(r).sum() ** 2))(X[0]).numpy()
    for i in range(4):
        for j in range(4):
            np.testing.assert_allclose(h[i, :, j], each[i] if i == j else 0, rtol=1e-10, atol=1e-12)


def test_dtype_stays():
    assert vmap(lambda x: pb.exp(x) * 2)(X.astype(np.float32)).dtype == np.float32
    assert vmap(lambda x: x > 0)(X).dtype == bool
    assert vmap(lambda x: x + 1)(np.arange(3)).dtype == np.int64


def test_an_operation_is_done_once_for_the_batch(planted):
    calls = []

    @planted(name="counted")
    def counted(x):
        calls.append(x.shape)
        return 2 * x

    counted.vjp("x", "elementwise")(lambda g: 2 * g)
    assert vmap(counted)(X[0]).shape == (4, 3) and calls == [(4, 3)]


def test_a_primitive_of_which_nothing_is_known_is_looped(planted):
    backwards = planted(lambda x: np.sort(x)[::-1], name="backwards")
    np.testing.assert_array_equal(vmap(backwards)(X[0]).numpy(), np.sort(X[0])[:, ::-1])


@pytest.mark.parametrize("axis", [0, -1, None, (0, -1)])
def test_an_axis_may_be_counted_from_the_end_or_be_none(planted, axis):
    total = planted(lambda x, *, axis: np.sum(x, axis), name="total")
    x = RNG.normal(size=(4, 3, 2))
    expected = np.stack([np.sum(row, axis) for row in x])
    np.testing.assert_allclose(vmap(lambda x: total.apply(x, axis=axis))(x).numpy(), expected, rtol=1e-12)


def test_arguments_may_broadcast_beside_an_axis(planted):
    weighted = planted(lambda x, w, *, axis: np.sum(x * w, axis), name="weighted")
    x, w = RNG.normal(size=(3, 2, 3)), RNG.normal(size=(3, 3))
    expected = np.stack([x[i] @ w[i] for i in range(3)])
    both = vmap(lambda x, w: weighted.apply(x, w, axis=1))(x, w)
    np.testing.assert_allclose(both.numpy(), expected, rtol=1e-12)


def test_errors_name_what_is_wrong():
    with pytest.raises(ValueError, match=r"in_axes 0 of arguments of shapes \(4, 3\), \(3, 2\) give no one number"):
        vmap(lambda x, y: x)(X[0], W)
    with pytest.raises(ValueError, match=r"axis 2 for an argument of shape \(4, 3\)"):
        vmap(lambda x: x, in_axes=2)(X[0])
    with pytest.raises(ValueError, match="has not the form"):
        vmap(lambda x, y: x, in_axes=(0,))(X[0], X[0])
    with pytest.raises(ValueError, match="no one number"):
        vmap(lambda x: x, in_axes=None)(X[0])
    with pytest.raises(ValueError, match="no one number"):
        vmap(lambda x: x)(np.zeros((0, 3)))
    with pytest.raises(ValueError, match=r"out_axes is None for a result of shape \(3,\) that depends on"):
        vmap(lambda x: (x.sum(), x), out_axes=(0, None))(X[0])
    for read in (bool, float, np.asarray, lambda x: np.ones(3)[x > 0], lambda x: x.item()):
        with pytest.raises(TypeError, match="differs from example to example|would lose it|index"):
            vmap(lambda x, read=read: Tensor(read(x)))(np.ones(3))


def test_jacobian_takes_all_rows_at_once():
    calls = []

    def f(x):
        calls.append(1)
        return pb.tanh(x[:, None] * W[0]).sum(axis=0)

    x = RNG.normal(size=100)
    rows = jacobian(f)(x).numpy()
    assert len(calls) == 1
    np.testing.assert_allclose(rows, ((1 - np.tanh(np.outer(x, W[0])) ** 2) * W[0]).T, rtol=1e-12)


def test_indices_and_masks_of_an_outer_batch_inside_an_inner_one():
    i, mask = np.array([1, -1, 2, 0, 0]), RNG.normal(size=(5, 3)) > 0

    def written(row, i, k):
        row = row * 1
        row[[i, k]] = 7.0
        return row

    def cleared(row, mask):
        row = row * 1
        row[mask] = 0.0
        return row

    k = np.arange(4) % 3
    each = [[written(X[n, m], i[n], k[m]) for m in range(4)] for n in range(5)]
    nested = vmap(lambda x, i: vmap(lambda row, k: written(row, i, k))(x, k))
    np.testing.assert_array_equal(nested(X, i).numpy(), each)
    each = [[X[n, m, [i[n], k[m]]] for m in range(4)] for n in range(5)]
    nested = vmap(lambda x, i: vmap(lambda row, k: row[[i, k]])(x, k))
    np.testing.assert_array_equal(nested(X, i).numpy(), each)
    nested = vmap(lambda x, mask: vmap(lambda row: cleared(row, mask))(x))
    np.testing.assert_array_equal(nested(X, mask).numpy(), np.where(mask[:, None], 0, X))


def test_second_derivatives_through_writes_at_an_index_of_each_example():
    def f(x, i):
        y = x * x
        y[:, i] = y[:, 0] ** 2 * x[:, 1]
        np.multiply.at(y, (i,), x[0])
        row = y[i]
        row *= x[1]
        return (y**3).sum()

    i = np.array([1, -1, 2, 0, 0])
    np.testing.assert_allclose(vmap(f)(X, i).numpy(), [f(x, k) for x, k in zip(X, i, strict=True)], rtol=1e-12)
    expected = [hessian(lambda x, k=k: f(x, k))(x).numpy() for x, k in zip(X, i, strict=True)]
    np.testing.assert_allclose(vmap(hessian(f))(X, i).numpy(), expected, rtol=1e-9, atol=1e-9)
