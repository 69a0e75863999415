import numpy as np
import pytest

import pullback as pb
from pullback import Tensor, linalg
from pullback.autograd.ops.linalg.solving import solve
from pullback.testing import gradcheck, gradgradcheck

RNG = np.random.default_rng(7)
inf = np.inf


def regular(*shape):
    return RNG.normal(size=shape) + 4 * np.eye(shape[-2], shape[-1])


def leaf(a):
    return Tensor(a, requires_grad=True)


def grad(f, a):
    x = leaf(a)
    f(x).backward()
    return x.grad.numpy()


# `np.linalg.f` on arrays is NumPy's own function: the expected value

COMPOSED = {
    "inv": (lambda a: np.linalg.inv(a), regular(2, 3, 3)),
    "inv 1x1": (lambda a: np.linalg.inv(a), regular(1, 1)),
    "solve": (lambda a, b: np.linalg.solve(a, b), regular(3, 3), RNG.normal(size=(3, 2))),
    "solve vector": (lambda a, b: np.linalg.solve(a, b), regular(3, 3), RNG.normal(size=3)),
    "solve stack, vector": (lambda a, b: np.linalg.solve(a, b), regular(2, 3, 3), RNG.normal(size=3)),
    "solve broadcast": (lambda a, b: np.linalg.solve(a, b), regular(2, 1, 3, 3), RNG.normal(size=(4, 3, 2))),
    "det": (lambda a: np.linalg.det(a), regular(2, 3, 3)),
    "logdet": (lambda a: np.linalg.slogdet(a)[1], regular(2, 3, 3)),
    "sign": (lambda a: np.linalg.slogdet(a).sign * np.linalg.det(a), -regular(3, 3)),
    "pinv tall": (lambda a: np.linalg.pinv(a), regular(4, 2)),
    "pinv wide": (lambda a: np.linalg.pinv(a), regular(2, 2, 3)),
    "power 0": (lambda a: np.linalg.matrix_power(a, 0), regular(3, 3)),
    "power 1": (lambda a: np.linalg.matrix_power(a, 1), regular(3, 3)),
    "power 5": (lambda a: np.linalg.matrix_power(a, 5), regular(2, 2) / 4),
    "power 6": (lambda a: np.linalg.matrix_power(a, 6), regular(2, 2, 2) / 4),
    "power -3": (lambda a: np.linalg.matrix_power(a, -3), regular(2, 2)),
    "trace": (lambda a: np.linalg.trace(a, offset=1), RNG.normal(size=(2, 3, 4))),
    "diagonal": (lambda a: np.linalg.diagonal(a, offset=-1), RNG.normal(size=(2, 3, 4))),
    "matrix_transpose": (lambda a: np.linalg.matrix_transpose(a), RNG.normal(size=(2, 3, 4))),
    "matmul": (lambda a, b: np.linalg.matmul(a, b), RNG.normal(size=(2, 3)), RNG.normal(size=(3, 2))),
    "outer": (lambda a, b: np.linalg.outer(a, b), RNG.normal(size=2), RNG.normal(size=3)),
    "vecdot": (lambda a, b: np.linalg.vecdot(a, b, axis=0), RNG.normal(size=(3, 2)), RNG.normal(size=(3, 2))),
    "cross": (lambda a, b: np.linalg.cross(a, b, axis=0), RNG.normal(size=(3, 2)), RNG.normal(size=(3, 2))),
    "tensordot": (lambda a, b: np.linalg.tensordot(a, b), RNG.normal(size=(2, 3, 1)), RNG.normal(size=(3, 1, 2))),
    "multi_dot 2": (lambda a, b: np.linalg.multi_dot([a, b]), RNG.normal(size=3), RNG.normal(size=3)),
    "multi_dot 3": (
        lambda a, b, c: np.linalg.multi_dot([a, b, c]),
        RNG.normal(size=3),
        RNG.normal(size=(3, 2)),
        RNG.normal(size=2),
    ),
    "multi_dot 4": (
        lambda a, b, c, d: np.linalg.multi_dot([a, b, c, d]),
        *(RNG.normal(size=s) for s in ((4, 1), (1, 3), (3, 2), (2, 2))),
    ),
    "tensorsolve": (lambda a, b: np.linalg.tensorsolve(a, b), RNG.normal(size=(2, 3, 6)), RNG.normal(size=(2, 3))),
    "tensorsolve axes": (
        lambda a, b: np.linalg.tensorsolve(a, b, axes=(0, 2)),
        RNG.normal(size=(2, 6, 3)),
        RNG.normal(size=6),
    ),
    "tensorinv": (lambda a: np.linalg.tensorinv(a, ind=1), RNG.normal(size=(6, 2, 3))),
    "cholesky": (lambda a: np.linalg.cholesky(a @ a.mT), regular(2, 3, 3)),
    "cholesky upper": (lambda a: np.linalg.cholesky(a @ a.mT, upper=True), regular(3, 3)),
    "eigvalsh": (lambda a: np.linalg.eigvalsh(a), regular(2, 3, 3)),
    "eigvalsh of the upper": (lambda a: np.linalg.eigvalsh(a, UPLO="U"), regular(3, 3)),
    "projectors": (lambda a: (lambda v: v[..., :1] @ v[..., :1].mT)(np.linalg.eigh(a).eigenvectors), regular(2, 3, 3)),
    "eigvals": (lambda a: np.linalg.eigvals(a).real, np.diag([1.0, 3.0, 6.0]) + RNG.normal(size=(3, 3)) / 5),
    "r": (lambda a: np.linalg.qr(a, "r"), regular(2, 4, 3)),
    "reduced, tall": (lambda a: np.linalg.qr(a).Q, regular(4, 2)),
    "reduced, wide": (lambda a: np.linalg.qr(a).R, regular(2, 4)),
    "complete, wide": (lambda a: np.linalg.qr(a, mode="complete").Q, regular(2, 4)),
    "complement of the columns": (lambda a: (lambda q: q @ q.mT)(np.linalg.qr(a, "complete").Q[:, 2:]), regular(4, 2)),
    "svdvals": (lambda a: np.linalg.svdvals(a), regular(2, 3, 2)),
    "singular values": (lambda a: np.linalg.svd(a, compute_uv=False), regular(2, 3)),
    "polar factor": (lambda a: (lambda f: f.U @ f.Vh)(np.linalg.svd(a, full_matrices=False)), regular(4, 2)),
    "kernel": (lambda a: (lambda v: v.mT @ v)(np.linalg.svd(a).Vh[2:]), regular(2, 4)),
    "cokernel": (lambda a: (lambda u: u @ u.mT)(np.linalg.svd(a).U[:, 2:]), regular(4, 2)),
    "lstsq tall": (lambda a, b: np.linalg.lstsq(a, b)[0], regular(4, 2), RNG.normal(size=(4, 2))),
    "lstsq wide": (lambda a, b: np.linalg.lstsq(a, b)[0], regular(2, 4), RNG.normal(size=2)),
    "residuals": (lambda a, b: np.linalg.lstsq(a, b)[1], regular(4, 2), RNG.normal(size=4)),
    **{
        f"cond {p}": (lambda a, p=p: np.linalg.cond(a, p), regular(3, 3))
        for p in (None, 2, -2, 1, -1, inf, -inf, "fro")
    },
    "cond tall": (lambda a: np.linalg.cond(a), regular(2, 4, 3)),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", COMPOSED)
def test_value_and_gradients(name):
    f, *arrays = COMPOSED[name]
    leaves = tuple(leaf(a) for a in arrays)
    out = f(*leaves)
    assert isinstance(out, Tensor)
    np.testing.assert_allclose(out.numpy(), f(*arrays), rtol=1e-9, atol=1e-11)
    assert gradcheck(f, leaves)
    assert gradgradcheck(f, leaves, rtol=1e-4)


VECTOR_ORDERS = [None, inf, -inf, 0, 1, -1, 2, -2, 3, 0.5, 2.5]
MATRIX_ORDERS = [None, "fro", "nuc", inf, -inf, 1, -1, 2, -2]


@pytest.mark.slow
@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("ord", VECTOR_ORDERS)
def test_norms_of_vectors(ord, keepdims):
    a = RNG.permutation(np.arange(1, 13)).reshape(2, 3, 2) / 4 * RNG.choice([-1, 1], (2, 3, 2))
    for f in (
        lambda x: np.linalg.norm(x, ord, axis=1, keepdims=keepdims),
        lambda x: np.linalg.vector_norm(x, ord=2 if ord is None else ord, axis=(2, 0), keepdims=keepdims),
        lambda x: np.linalg.vector_norm(x, ord=2 if ord is None else ord, keepdims=keepdims),
    ):
        np.testing.assert_allclose(f(Tensor(a)).numpy(), f(a), rtol=1e-13)
        assert f(Tensor(a)).shape == f(a).shape
        if ord != 0:
            assert gradcheck(f, leaf(a))
    if ord != 0:
        assert gradgradcheck(f, leaf(a))


@pytest.mark.slow
@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("ord", MATRIX_ORDERS)
def test_norms_of_matrices(ord, keepdims):
    a = RNG.normal(size=(3, 2, 4))
    for f in (
        lambda x: np.linalg.norm(x, ord, axis=(2, 0), keepdims=keepdims),
        lambda x: np.linalg.norm(x[0], ord, keepdims=keepdims),
        lambda x: np.linalg.matrix_norm(x, ord="fro" if ord is None else ord, keepdims=keepdims),
    ):
        np.testing.assert_allclose(f(Tensor(a)).numpy(), f(a), rtol=1e-12)
        assert f(Tensor(a)).shape == f(a).shape
        assert gradcheck(f, leaf(a))
    assert gradgradcheck(f, leaf(a), rtol=1e-4)


@pytest.mark.parametrize("ord", VECTOR_ORDERS)
def test_gradient_of_a_vectors_norm_at_0_is_0(ord):
    with np.errstate(divide="ignore"):
        np.testing.assert_array_equal(grad(lambda x: linalg.norm(x * 1, ord), np.zeros(3)), np.zeros(3))


@pytest.mark.parametrize("ord", MATRIX_ORDERS)
def test_gradient_of_a_matrixs_norm_at_0_is_0(ord):
    np.testing.assert_array_equal(grad(lambda x: linalg.norm(x, ord), np.zeros((2, 3))), np.zeros((2, 3)))


@pytest.mark.parametrize("p", [0.5, 1.5, 3])
def test_entries_of_0_in_a_norm(p):
    """d|x|_p / dx = sign(x) (|x| / |x|_p) ** (p - 1), of two orders at an entry that is 0, where a root has but one."""
    x = leaf([0.0, 3.0])
    linalg.norm(x, p).backward(create_graph=True)
    np.testing.assert_allclose(x.grad.numpy(), [0.0, 1.0])
    first, x.grad = x.grad, None
    first.sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), [np.nan if p < 1 else 0.0, 0.0], atol=1e-15)


def test_gradients_at_ties_sum_to_one():
    np.testing.assert_allclose(grad(lambda x: linalg.norm(x, inf), np.array([2.0, -2.0, 1.0])), [0.5, -0.5, 0])
    np.testing.assert_allclose(grad(lambda x: linalg.norm(x, 2), 3 * np.eye(2)), np.eye(2) / 2)


def test_norm_of_integers_and_empty():
    assert linalg.norm(Tensor([3, 4])).numpy() == 5.0
    assert linalg.norm(Tensor(np.zeros((0, 3)))).numpy() == 0.0
    assert linalg.norm(Tensor(-2.0)).numpy() == 2.0


def test_det_at_singular_matrices_has_the_cofactors_as_gradient():
    np.testing.assert_allclose(grad(linalg.det, np.array([[1.0, 2.0], [2.0, 4.0]])), [[4, -2], [-2, 1]], atol=1e-14)
    a = np.arange(9.0).reshape(3, 3)
    np.testing.assert_allclose(grad(linalg.det, a), [[-3, 6, -3], [6, -12, 6], [-3, 6, -3]], atol=1e-13)
    np.testing.assert_array_equal(grad(linalg.det, np.zeros((3, 3))), np.zeros((3, 3)))
    np.testing.assert_array_equal(grad(linalg.det, np.zeros((1, 1))), [[1.0]])


def test_gradient_of_slogdet_at_a_singular_matrix_is_an_error():
    with pytest.raises(linalg.LinAlgError, match="Singular"):
        linalg.slogdet(leaf(np.zeros((2, 2)))).logabsdet.backward()


def test_logdet_of_complex_matrices():
    normal = np.random.default_rng(0).normal
    a = normal(size=(4, 3, 3)) + 1j * normal(size=(4, 3, 3))
    np.testing.assert_allclose(np.exp(pb.logdet(a)), np.linalg.det(a))
    np.testing.assert_allclose(grad(lambda x: pb.logdet(x).sum().real, a), np.linalg.inv(a).mT, rtol=1e-12)
    assert np.isnan(pb.logdet(np.diag([1.0, -1.0])))


def test_only_the_triangle_that_is_read_has_a_gradient():
    a = np.array([[4.0, 99.0], [2.0, 5.0]])
    np.testing.assert_allclose(linalg.cholesky(Tensor(a)).numpy(), [[2, 0], [1, 2]])
    np.testing.assert_allclose(grad(lambda x: linalg.cholesky(x)[1, 1], a), [[1 / 16, 0], [-1 / 4, 1 / 4]])
    np.testing.assert_allclose(
        grad(lambda x: linalg.cholesky(x, upper=True)[1, 1], a.T), [[1 / 16, -1 / 4], [0, 1 / 4]]
    )
    assert not np.triu(grad(lambda x: linalg.eigvalsh(x)[0], a), 1).any()
    assert not np.tril(grad(lambda x: linalg.eigvalsh(x, "U")[0], a), -1).any()


def symmetric(x):
    return (x + x.mT) / 2


TURN = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3))).Q
DEGENERATE = [np.eye(3), np.zeros((3, 3)), np.diag([1.0, 2.0, 2.0]), np.full((3, 3), 2.0), TURN * [2, -2, -2] @ TURN.T]


@pytest.mark.parametrize("a", DEGENERATE)
def test_repeated_eigenvalues(a):
    """trace(exp A) has the gradient exp A, and V V^T = 1 the gradient 0."""
    w, v = np.linalg.eigh(a)
    exp_trace = grad(lambda x: pb.sum(pb.exp(linalg.eigvalsh(symmetric(x)))), a)
    np.testing.assert_allclose(exp_trace, v @ np.diag(np.exp(w)) @ v.T, rtol=1e-10, atol=1e-12)
    identity = lambda x: (lambda v: pb.sum((v @ v.mT) * np.arange(9.0).reshape(3, 3)))(linalg.eigh(symmetric(x))[1])  # noqa: E731
    np.testing.assert_allclose(grad(identity, a), np.zeros((3, 3)), atol=1e-12)


@pytest.mark.parametrize("a", [np.diag([1.0, 2.0, 2.0]), TURN * [1, 2, 2] @ TURN.T])
def test_projection_on_the_space_of_a_repeated_eigenvalue(a):
    def projection(x):
        v = linalg.eigh(symmetric(x)).eigenvectors[:, 1:]
        return v @ v.mT

    assert gradcheck(projection, leaf(a))


@pytest.mark.parametrize("a", [*DEGENERATE, np.zeros((3, 2)), np.ones((2, 3)), np.eye(2, 3)])
@pytest.mark.parametrize("full", [False, True])
def test_repeated_and_vanishing_singular_values(a, full):
    """sum(s ** 2) has the gradient 2 A."""

    def squares(x):
        u, s, vh = linalg.svd(x, full_matrices=full)
        return pb.sum(s * s) + 0 * (pb.sum(u) + pb.sum(vh))

    np.testing.assert_allclose(grad(squares, a), 2 * a, atol=1e-12)


FACTORS = {
    "qr": lambda xp, a: xp.linalg.qr(a),
    "complete qr": lambda xp, a: xp.linalg.qr(a, mode="complete"),
    "svd": lambda xp, a: xp.linalg.svd(a, full_matrices=False),
    "eigh": lambda xp, a: xp.linalg.eigh((a + a.mT) / 2),
    "slogdet": lambda xp, a: xp.linalg.slogdet(a),
}


@pytest.mark.parametrize("shape", [(3, 3), (2, 3, 3), (4, 3), (2, 3, 4)])
@pytest.mark.parametrize("name", FACTORS)
def test_gradients_through_one_factor_alone_are_pytorchs(torch, name, shape):
    f, a = FACTORS[name], regular(*shape)
    if shape[-1] != shape[-2] and name in ("eigh", "slogdet", "complete qr"):
        return
    count = len(f(pb, Tensor(a)))
    for i in range(count):
        x, t = leaf(a), torch.tensor(a, requires_grad=True)
        out, expected = f(pb, x)[i], f(torch, t)[i]
        np.testing.assert_allclose(np.abs(out.numpy()), np.abs(expected.detach().numpy()), rtol=1e-9)
        signs = np.sign(out.numpy() * expected.detach().numpy())  # the factors are the same up to signs
        g = RNG.normal(size=out.shape)
        out.backward(g)
        expected.backward(torch.tensor(g * signs))
        known = 0 if t.grad is None else t.grad.numpy()
        np.testing.assert_allclose(x.grad.numpy(), known, rtol=1e-8, atol=1e-10)


COMPLEX = {
    "expm": lambda a: linalg.expm(a / 9),
    "solve": lambda a: np.linalg.solve(a, np.ones(3)),
    "det": np.linalg.det,
    "slogdet": lambda a: np.linalg.slogdet(a)[0] * (1 + np.linalg.slogdet(a)[1]),
    "pinv": lambda a: np.linalg.pinv(a[:, :2]),
    "cholesky": lambda a: np.linalg.cholesky(a @ np.conj(a.mT)),
    "cholesky upper": lambda a: np.linalg.cholesky(a @ np.conj(a.mT), upper=True),
    "eigh": lambda a: np.linalg.eigh(a + np.conj(a.mT)).eigenvalues,
    "eigh U": lambda a: np.linalg.eigh(a, "U").eigenvalues,
    "eigh projection": lambda a: (lambda v: v @ np.conj(v.mT))(np.linalg.eigh(a).eigenvectors[:, :1]),
    "eig": lambda a: np.linalg.eig(a).eigenvalues,
    "eigenvectors": lambda a: np.linalg.eig(a).eigenvectors,
    "qr": lambda a: np.linalg.qr(a).Q,
    "r": lambda a: np.linalg.qr(a, "r"),
    "wide r": lambda a: np.linalg.qr(a[:2], "r"),
    "svd": lambda a: np.linalg.svd(a).S,
    "polar": lambda a: (lambda f: f.U @ f.Vh)(np.linalg.svd(a[:, :2], full_matrices=False)),
    "kernel": lambda a: (lambda v: np.conj(v.mT) @ v)(np.linalg.svd(a[:2]).Vh[2:]),
    "norm": lambda a: np.linalg.norm(a, axis=0) + np.linalg.norm(a, 3, axis=0) + np.linalg.norm(a, "nuc"),
}


@pytest.mark.parametrize("name", COMPLEX)
def test_complex_matrices(name):
    """d/dx - i d/dy of Re <f, g>, by central differences."""
    f = COMPLEX[name]
    a = RNG.normal(size=(3, 3)) + 1j * RNG.normal(size=(3, 3)) + np.diag([3, 6, 9])
    x = leaf(a)
    out = f(x)
    np.testing.assert_allclose(out.numpy(), f(a), rtol=1e-10)
    g = RNG.normal(size=out.shape) + (1j * RNG.normal(size=out.shape) if out.dtype.kind == "c" else 0)
    out.backward(g)
    step, expected = 1e-6, np.empty_like(a)
    for at in np.ndindex(3, 3):
        d = np.zeros_like(a)
        d[at] = step
        slopes = [np.sum(g * (f(a + e) - f(a - e))).real / (2 * step) for e in (d, 1j * d)]
        expected[at] = slopes[0] - 1j * slopes[1]
    np.testing.assert_allclose(x.grad.numpy(), expected, rtol=1e-6, atol=1e-7)


def test_expm():
    """exp of t [[0, 1], [-1, 0]] is a rotation by t, of any order of derivative."""
    t = leaf(0.7)
    (sine,) = linalg.expm(t * np.array([[0.0, 1.0], [-1.0, 0.0]]))[:1, 1]
    for expected in (np.cos(0.7), -np.sin(0.7), -np.cos(0.7)):
        sine, t.grad = (sine.backward(create_graph=True), t.grad)[1], None
        np.testing.assert_allclose(sine.item(), expected, rtol=1e-13)


def test_eigenvalues_of_a_real_matrix_that_are_complex():
    """A rotation by t with factor r has the eigenvalues r exp(+-it)."""
    r, t = leaf(2.0), leaf(0.7)

    def rotation(r, t):
        return r * pb.stack([pb.stack([pb.cos(t), -pb.sin(t)]), pb.stack([pb.sin(t), pb.cos(t)])])

    w, v = linalg.eig(rotation(r, t))
    np.testing.assert_allclose(np.sort_complex(w.numpy()), 2 * np.exp([-0.7j, 0.7j]), rtol=1e-14)
    pb.sum(pb.abs(w)).backward(retain_graph=True)
    np.testing.assert_allclose([r.grad.item(), t.grad.item()], [2, 0], atol=1e-15)
    a = np.diag([3.0, 4.0, 9.0]) + np.array([[0, 2, 0], [-3, 0, 1], [1, 0, 0.0]])
    assert np.linalg.eigvals(a).dtype.kind == "c"
    assert gradcheck(lambda x: pb.real(linalg.eig(x).eigenvectors), leaf(a))
    assert gradcheck(lambda x: pb.imag(linalg.eigvals(x)), leaf(a))


def test_float32_stays_float32():
    a = regular(3, 3).astype(np.float32)
    for f in (linalg.inv, linalg.norm, linalg.cond, linalg.svdvals, lambda x: linalg.lstsq(x, x[0])[0]):
        x = leaf(a)
        out = f(x)
        out.sum().backward()
        assert out.dtype == x.grad.dtype == np.float32
    x = leaf(a)
    (linalg.norm(x, "nuc") + linalg.norm(x[0], 3) + linalg.matrix_power(x, 0).sum()).backward()
    assert x.grad.dtype == np.float32


def test_constants_and_results_with_names():
    a = np.ones((3, 2))
    assert linalg.matrix_rank(Tensor(a)) == 1 and np.linalg.matrix_rank(Tensor(a)).item() == 1
    x, residuals, rank, s = linalg.lstsq(Tensor(a), np.ones(3))
    assert rank == 1 and residuals.shape == (0,) and s.shape == (2,)
    np.testing.assert_allclose(x.numpy(), [0.5, 0.5])
    assert linalg.lstsq(Tensor(regular(3, 2)), np.ones(3))[1].shape == (1,)
    assert linalg.slogdet(Tensor(np.eye(2)))._fields == np.linalg.slogdet(np.eye(2))._fields
    assert linalg.eigh(Tensor(np.eye(2)))._fields == np.linalg.eigh(np.eye(2))._fields
    assert linalg.eig(Tensor(np.eye(2)))._fields == np.linalg.eig(np.eye(2))._fields
    assert linalg.qr(Tensor(np.eye(2)))._fields == np.linalg.qr(np.eye(2))._fields
    assert linalg.svd(Tensor(np.eye(2)))._fields == np.linalg.svd(np.eye(2))._fields


def test_every_name_of_numpys_is_there():
    assert set(np.linalg.__all__) <= set(linalg.__all__)
    assert pb.linalg.solve is solve


def test_on_arrays_the_functions_give_arrays():
    a, b = regular(3, 3), RNG.normal(size=3)
    for f, arrays in ((linalg.solve, (a, b)), (linalg.inv, (a,)), (linalg.norm, (a, "nuc")), (linalg.svdvals, (a,))):
        out = f(*arrays)
        assert not isinstance(out, Tensor)
        np.testing.assert_allclose(out, getattr(np.linalg, f.__name__)(*arrays), rtol=1e-12)


def test_the_cheapest_order_of_a_product():
    arrays = [np.ones((1, 200)), np.ones((200, 200)), np.ones((200, 3)), np.ones((3, 300))]
    x = leaf(arrays[0])
    shapes, node = [], linalg.multi_dot([x, *arrays[1:]])._node
    while node.primitive:
        shapes.append(node.shape)
        node = node.edges[0][0]
    assert shapes == [(1, 300), (1, 3), (1, 200)]


ERRORS = {
    "inv: expected a matrix or a stack": lambda x: linalg.inv(x[0]),
    "must be square": lambda x: linalg.inv(x),
    "Singular": lambda x: linalg.inv(x[:, :2] * 0),
    r"matrix_power: expected square matrices, not shape \(2, 3\)": lambda x: linalg.matrix_power(x, 2),
    "multi_dot: at least two": lambda x: linalg.multi_dot([x]),
    "multi_dot: expected matrices": lambda x: linalg.multi_dot([x, x[0], x]),
    "norm: 'nuc' is no norm of vectors": lambda x: linalg.norm(x[0], "nuc"),
    "norm: 3 is no norm of matrices": lambda x: linalg.norm(x, 3),
    r"norm: ord 2 along axes \(0, 1, 2\)": lambda x: linalg.norm(x[None], 2),
    "qr: mode must be .* not 'raw'": lambda x: linalg.qr(x, "raw"),
    "eigh: UPLO must be 'L' or 'U', not 'X'": lambda x: linalg.eigh(x, UPLO="X"),
    "outer: expected two vectors": lambda x: linalg.outer(x, x),
    "tensorsolve: a of shape": lambda x: linalg.tensorsolve(x, x[0]),
    "tensorinv: ind must be positive": lambda x: linalg.tensorinv(x, 0),
    "tensorinv: a of shape": lambda x: linalg.tensorinv(x, 1),
    "lstsq: expected a matrix": lambda x: linalg.lstsq(x[None], x),
}


@pytest.mark.parametrize("message", ERRORS)
def test_errors(message):
    with pytest.raises(ValueError, match=message):
        ERRORS[message](Tensor(np.ones((2, 3))))
