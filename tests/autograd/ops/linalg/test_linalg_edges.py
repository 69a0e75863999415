"""Linear algebra where it is singular, empty, repeated, arbitrary or complex; `np.linalg.f` of arrays is NumPy's."""

import numpy as np
import pytest

import pullback as pb
from pullback import Tensor, linalg
from pullback.testing import gradcheck, gradgradcheck

RNG = np.random.default_rng(3)
inf = np.inf


def leaf(a):
    return Tensor(a, requires_grad=True)


def grad(f, a):
    x = leaf(a)
    f(x).backward()
    return x.grad.numpy()


def noise(*shape):
    return RNG.normal(size=shape) + 1j * RNG.normal(size=shape)


def regular(*shape):
    return noise(*shape) + np.diag(np.arange(1, 1 + max(shape)) * 4)[: shape[-2], : shape[-1]]


def hermitian(x):
    return x + np.conj(x.mT)


# What does not depend on the phases of vectors, of complex matrices
COMPLEX = {
    "inv": (lambda a: np.linalg.inv(a), regular(2, 3, 3)),
    "solve": (lambda a, b: np.linalg.solve(a, b), regular(3, 3), noise(3)),
    "solve real": (lambda a, b: np.linalg.solve(a, b), regular(3, 3).real, noise(3, 2)),
    "det": (lambda a: np.linalg.det(a), regular(2, 3, 3)),
    "slogdet": (lambda a: tuple(np.linalg.slogdet(a)), regular(2, 2, 2)),
    "pinv tall": (lambda a: np.linalg.pinv(a), regular(4, 2)),
    "pinv wide": (lambda a: np.linalg.pinv(a), regular(2, 4)),
    "pinv hermitian": (lambda a: np.linalg.pinv(hermitian(a), hermitian=True), regular(3, 3)),
    "matrix_power": (lambda a: np.linalg.matrix_power(a, -3), regular(2, 2)),
    "lstsq": (lambda a, b: np.linalg.lstsq(a, b)[0], regular(4, 2), noise(4)),
    "residuals": (lambda a, b: np.linalg.lstsq(a, b)[1], regular(4, 2), noise(4, 2)),
    "lstsq mixed": (lambda a, b: np.linalg.lstsq(a, b)[0], regular(4, 2).real, noise(4)),
    "multi_dot": (lambda a, b, c: np.linalg.multi_dot([a, b, c]), noise(3), noise(3, 2), RNG.normal(size=2)),
    "tensorsolve": (lambda a, b: np.linalg.tensorsolve(a, b), noise(2, 2, 4), noise(2, 2)),
    "tensorinv": (lambda a: np.linalg.tensorinv(a, ind=1), noise(4, 2, 2)),
    "cholesky": (lambda a: np.linalg.cholesky(hermitian(a)), regular(3, 3)),
    "cholesky upper": (lambda a: np.linalg.cholesky(hermitian(a), upper=True), regular(2, 2, 2)),
    "eigvalsh": (lambda a: np.linalg.eigvalsh(a), regular(2, 3, 3)),
    "eigvalsh U": (lambda a: np.linalg.eigvalsh(a, UPLO="U"), regular(3, 3)),
    "eigh projection": (lambda a: (lambda v: v[:, :1] @ np.conj(v[:, :1].mT))(np.linalg.eigh(a)[1]), regular(3, 3)),
    "eigvals": (lambda a: np.linalg.eigvals(a), regular(3, 3)),
    "qr": (lambda a: tuple(np.linalg.qr(a)), regular(4, 2)),
    "qr wide": (lambda a: tuple(np.linalg.qr(a)), regular(2, 4)),
    "qr complement": (lambda a: (lambda q: q @ np.conj(q.mT))(np.linalg.qr(a, "complete").Q[:, 2:]), regular(4, 2)),
    "svdvals": (lambda a: np.linalg.svdvals(a), regular(2, 3, 2)),
    "polar": (lambda a: (lambda f: f.U @ f.Vh)(np.linalg.svd(a, full_matrices=False)), regular(4, 2)),
    "kernel": (lambda a: (lambda v: np.conj(v.mT) @ v)(np.linalg.svd(a).Vh[2:]), regular(2, 4)),
    "svd hermitian": (lambda a: np.linalg.svd(hermitian(a), hermitian=True).S, regular(3, 3) - 5 * np.eye(3)),
    "svd hermitian parts": (
        lambda a: (lambda f: (f.U * f.S**2) @ f.Vh)(np.linalg.svd(hermitian(a), hermitian=True)),
        regular(3, 3) - 5 * np.eye(3),
    ),
    **{f"cond {p}": (lambda a, p=p: np.linalg.cond(a, p), regular(2, 2)) for p in (2, -2, 1, -1, inf, -inf, "fro")},
    **{
        f"norm {p}": (lambda a, p=p: np.linalg.norm(a, p, axis=0), noise(3, 2))
        for p in (None, 1, -1, 2, -2, inf, -inf, 0.5, 3, -1.5)
    },
    **{
        f"matrix norm {p}": (lambda a, p=p: np.linalg.matrix_norm(a, ord=p), noise(2, 3, 2))
        for p in ("fro", "nuc", 1, -1, 2, -2, inf, -inf)
    },
    "vecdot": (lambda a, b: np.linalg.vecdot(a, b, axis=0), noise(3, 2), noise(3, 2)),
    "outer": (lambda a, b: np.linalg.outer(a, b), noise(2), RNG.normal(size=3)),
    "cross": (lambda a, b: np.linalg.cross(a, b), noise(2, 3), noise(3)),
    "trace": (lambda a: np.linalg.trace(a, offset=1), noise(3, 4)),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", [pytest.param(n, marks=[pytest.mark.thorough] * ("norm -" in n)) for n in COMPLEX])
def test_complex_matrices_at_two_orders(name):
    f, *arrays = COMPLEX[name]
    leaves = tuple(leaf(a) for a in arrays)
    out, expected = f(*leaves), f(*arrays)
    for actual, value in zip(*(x if isinstance(x, tuple) else (x,) for x in (out, expected)), strict=True):
        np.testing.assert_allclose(actual.numpy(), value, rtol=1e-9, atol=1e-11)
    assert gradcheck(f, leaves)
    assert gradgradcheck(f, leaves, rtol=1e-4)


ARBITRARY = {
    "eigh: .* phases": lambda a: pb.real(linalg.eigh(hermitian(a)).eigenvectors * (1 + 2j)),
    "svd: .* phases": lambda a: pb.real(linalg.svd(a).U * (1 + 2j)),
    "svd: .* basis of what is beyond": lambda a: pb.real(linalg.svd(a[:, :1]).U[:, 1:]),
    "qr: .* basis of the columns' complement": lambda a: pb.real(linalg.qr(a[:, :1], "complete").Q[:, 1:]),
}


@pytest.mark.parametrize("message", ARBITRARY)
def test_what_depends_on_an_arbitrary_choice_has_no_gradient(message):
    x = leaf(regular(3, 3))
    with pytest.raises(linalg.LinAlgError, match=message):
        ARBITRARY[message](x).backward(RNG.normal(size=ARBITRARY[message](x).shape))


def test_real_bases_of_more_than_one_vector_are_arbitrary_too():
    x = leaf(RNG.normal(size=(4, 2)))
    with pytest.raises(linalg.LinAlgError, match="svd: .* arbitrary"):
        linalg.svd(x).U[0, 3].backward()
    assert gradcheck(lambda a: linalg.svd(a).S, x)
    assert gradcheck(lambda a: linalg.svd(a)[0][:, :2], x)


@pytest.mark.parametrize("p", [None, 1, -1, 2, -2, inf, -inf, "fro"])
@pytest.mark.parametrize("a", [np.diag([2.0, 0.0]), np.zeros((2, 2)), np.stack([np.eye(2), np.diag([2.0, 0.0])])])
def test_condition_of_singular_matrices(a, p):
    x = leaf(a)
    out = linalg.cond(x, p)
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(out.numpy(), np.linalg.cond(a, p))
    out.backward(np.ones(out.shape))
    assert np.all(np.isfinite(x.grad.numpy()))


def test_condition_in_the_nuclear_norm():
    a = np.stack([np.eye(2), np.diag([2.0, 0.0]), np.diag([3.0, 1.0])])
    np.testing.assert_allclose(linalg.cond(Tensor(a), "nuc").numpy(), [4, inf, 4 * 4 / 3])


def test_condition_of_empty_matrices_is_an_error():
    with pytest.raises(linalg.LinAlgError, match=r"cond: not defined for empty matrices, of shape \(0, 2\)"):
        linalg.cond(Tensor(np.zeros((0, 2))))


@pytest.mark.parametrize("hermitian", [False, True])
def test_pinv_of_lower_rank_and_with_a_cutoff(hermitian):
    """The gradient is that among matrices of the rank: here of x -> u x u^T, with pinv u u^T / (x |u|^4)."""
    u = np.array([[1.0], [2.0], [-1.0]])
    f = lambda x: linalg.pinv(u * x @ u.T, hermitian=hermitian, rcond=1e-10)  # noqa: E731
    np.testing.assert_allclose(f(Tensor(2.0)).numpy(), u @ u.T / 72, atol=1e-15)
    x = leaf(2.0)
    f(x)[0, 1].backward()
    np.testing.assert_allclose(x.grad.item(), -2 / 144)
    np.testing.assert_allclose(linalg.pinv(Tensor(np.diag([1.0, 1e-3])), 1e-2).numpy(), np.diag([1.0, 0.0]))


def test_svd_of_hermitian_matrices_is_numpys():
    a = hermitian(noise(2, 3, 3))
    for actual, expected in zip(linalg.svd(Tensor(a), hermitian=True), np.linalg.svd(a, hermitian=True), strict=True):
        np.testing.assert_array_equal(actual.numpy(), expected)
    s = linalg.svd(Tensor(a), compute_uv=False, hermitian=True)
    np.testing.assert_allclose(s.numpy(), np.linalg.svd(a, compute_uv=False, hermitian=True))


@pytest.mark.parametrize("rcond", [None, -1, 0.2])
def test_lstsq_is_numpys(rcond):
    a, b = np.diag([1.0, 0.1, 1e-3])[:, :2] + 0.01, np.arange(6.0).reshape(3, 2)
    for actual, expected in zip(linalg.lstsq(Tensor(a), Tensor(b), rcond), np.linalg.lstsq(a, b, rcond), strict=True):
        np.testing.assert_allclose(np.asarray(actual), expected, rtol=1e-12)
    f = lambda a, b: (lambda x, _, __, s: (x, s))(*linalg.lstsq(a, b, rcond))  # noqa: E731
    assert gradcheck(f if rcond != 0.2 else lambda a, b: f(a, b)[1], (leaf(a), leaf(b)))


EMPTY = {
    "inv": lambda a: linalg.inv(a),
    "det": lambda a: linalg.det(a),
    "slogdet": lambda a: linalg.slogdet(a)[1],
    "pinv": lambda a: linalg.pinv(a),
    "cholesky": lambda a: linalg.cholesky(a),
    "eigh": lambda a: linalg.eigh(a)[0],
    "eig": lambda a: linalg.eigvals(a),
    "qr": lambda a: linalg.qr(a)[0],
    "svd": lambda a: linalg.svd(a)[0],
    "svdvals": lambda a: linalg.svdvals(a),
    "power": lambda a: linalg.matrix_power(a, -2),
    "norm": lambda a: linalg.norm(a, axis=(-2, -1)),
    "nuc": lambda a: linalg.matrix_norm(a, ord="nuc"),
    "trace": lambda a: linalg.trace(a),
    "expm": lambda a: linalg.expm(a),
    "sqrtm": lambda a: linalg.sqrtm(a),
    "logm": lambda a: linalg.logm(a),
}


@pytest.mark.parametrize("dtype", [np.float32, np.complex64])
@pytest.mark.parametrize("shape", [(0, 0), (0, 2, 2), (2, 0, 0)])
@pytest.mark.parametrize("name", EMPTY)
def test_empty_matrices_and_batches(name, shape, dtype):
    if name.endswith("m"):
        pytest.importorskip("scipy")
    x = leaf(np.zeros(shape, dtype))
    out = EMPTY[name](x)
    out.backward(np.ones(out.shape))
    assert x.grad.shape == shape and x.grad.dtype == dtype
    assert out.dtype in (np.float32, np.complex64)


@pytest.mark.parametrize("ord", [None, "fro", "nuc", 1, 2, inf])
@pytest.mark.parametrize("shape", [(0, 2), (2, 0), (0, 0), (3, 0, 2)])
def test_norms_of_nothing_are_0(ord, shape):
    x = leaf(np.zeros(shape))
    out = linalg.norm(x, ord, axis=(-2, -1))
    np.testing.assert_array_equal(out.numpy(), np.zeros(shape[:-2]), strict=True)
    out.backward(np.ones(out.shape))
    assert x.grad.shape == shape
    assert linalg.vector_norm(x, ord=inf).item() == linalg.vector_norm(x).item() == 0


@pytest.mark.parametrize("n", [1, 2, 3, 4])
@pytest.mark.parametrize("complex", [False, True])
def test_gradient_of_det_by_rank(n, complex):
    """The cofactors, by minors: of rank one if one is lost, 0 if more are."""
    a = noise(n, n) if complex else RNG.normal(size=(n, n))
    for lost in range(n + 1):
        b = a.copy()
        b[:, :lost] = b[:, -1:] * np.arange(lost)
        expected = np.empty_like(b)
        for i, j in np.ndindex(n, n):
            minor = np.delete(np.delete(b, i, 0), j, 1)
            expected[i, j] = (-1) ** (i + j) * np.linalg.det(minor)
        np.testing.assert_allclose(grad(linalg.det, b), expected, atol=1e-12)


def test_symmetric_functions_of_repeated_eigenvalues():
    a = np.diag([2.0, 2.0, 5.0])
    np.testing.assert_allclose(grad(lambda x: linalg.eigvalsh(x).sum(), a), np.eye(3), atol=1e-14)
    np.testing.assert_allclose(grad(lambda x: (linalg.eigvalsh(x) ** 2).sum(), a), 2 * a, atol=1e-14)
    np.testing.assert_allclose(grad(lambda x: pb.real(linalg.eigvals(x).sum()), a), np.eye(3), atol=1e-14)
    np.testing.assert_allclose(grad(lambda x: linalg.svdvals(x).sum(), a), np.eye(3), atol=1e-14)


def leibniz(a, places):
    """The derivative of det by the entries at some places: rows are replaced by the unit vectors of their columns."""
    rows = [i for i, _ in places]
    if len(set(rows)) < len(rows):
        return 0
    a = a.copy()
    for i, j in places:
        a[i] = np.eye(len(a))[j]
    return np.linalg.det(a)


@pytest.mark.parametrize("rank", range(4))
@pytest.mark.parametrize("complex", [False, True])
def test_det_is_a_polynomial_of_the_entries_at_any_rank(rank, complex):
    """All second and third derivatives, backward and forward, of a stack; those of fourth order of (3, 3) are 0."""
    stack = [noise(3, rank) @ noise(rank, 3) if complex else RNG.normal(size=(3, rank)) @ RNG.normal(size=(rank, 3))]
    stack.append(np.diag(np.arange(3) < rank).astype(stack[0].dtype))
    for a in stack:
        places = [*np.ndindex(3, 3)]
        second = np.array([[leibniz(a, (p, q)) for q in places] for p in places]).reshape((3,) * 4)
        third = np.array([[[leibniz(a, (p, q, r)) for r in places] for q in places] for p in places]).reshape((3,) * 6)
        gradient = pb.grad(lambda x: pb.real(linalg.det(x)))
        if not complex:
            np.testing.assert_allclose(pb.hessian(linalg.det)(a).numpy(), second, atol=1e-12)
            np.testing.assert_allclose(pb.jacobian(pb.hessian(linalg.det))(a).numpy(), third, atol=1e-12)
            assert np.abs(pb.jvp(pb.jacobian(pb.hessian(linalg.det)), (a,), (a + 1,))[1].numpy()).max() < 1e-12
        d, e = noise(3, 3), noise(3, 3)
        d, e = (d, e) if complex else (d.real, e.real)
        along = np.einsum("ijkl,kl->ij", second, d)
        np.testing.assert_allclose(pb.jvp(gradient, (a,), (d,))[1].numpy(), along, atol=1e-12)
        x = leaf(a)
        linalg.det(x).backward(create_graph=True)
        first, x.grad = x.grad, None
        first.backward(d, create_graph=True)
        np.testing.assert_allclose(x.grad.numpy(), along, atol=1e-12)
        twice, x.grad = x.grad, None
        twice.backward(e)
        np.testing.assert_allclose(x.grad.numpy(), np.einsum("ijklmn,kl,mn->ij", third, d, e), atol=1e-12)
    x = leaf(np.stack(stack))
    linalg.det(x).backward(np.array([1.0, 2.0]).astype(x.dtype), create_graph=True)
    first, x.grad = x.grad, None
    first.backward(np.broadcast_to(d, (2, 3, 3)).copy())
    np.testing.assert_allclose(x.grad.numpy()[1], 2 * along, atol=1e-12)
    batched = pb.vmap(lambda a: pb.jvp(gradient, (a,), (d,))[1])(np.stack(stack)).numpy()
    np.testing.assert_allclose(batched[1], along, atol=1e-12)


def test_mixed_second_derivative_of_a_determinant_that_is_0_but_for_rounding():
    second = pb.hessian(linalg.det)(np.array([[0.7, 0.1], [0.49, 0.07]])).numpy()
    np.testing.assert_allclose(second.reshape(4, 4), np.fliplr(np.diag([1.0, -1.0, -1.0, 1.0])), atol=1e-14)


def test_second_derivatives_of_det_where_singular_values_are_far_apart():
    d = RNG.normal(size=(2, 2))
    along = pb.jvp(pb.grad(linalg.det), (np.diag([1e10, 1e-10]),), (d,))[1].numpy()
    np.testing.assert_allclose(along, [[d[1, 1], -d[1, 0]], [-d[0, 1], d[0, 0]]], rtol=1e-14)


# Functions of a matrix through its decompositions, where values repeat: right, or NaN

SPECTRA = {
    "all": np.array([2.0, 2.0, 2.0]),
    "two": np.array([1.0, 2.0, 2.0]),
    "both signs": np.array([-2.0, 2.0, 2.0]),
    "two pairs": np.array([1.0, 1.0, 3.0, 3.0]),
    "nothing": np.zeros(3),
    "vanishing": np.array([0.0, 0.0, 2.0]),
}


def of_spectrum(name, turn):
    w = SPECTRA[name]
    q = np.linalg.qr(RNG.normal(size=(len(w), len(w)))).Q if turn else np.eye(len(w))
    return symmetric(q * w @ q.T)


def symmetric(x):
    return (x + x.mT) / 2


POLYNOMIALS = {  # f(w), and the same of a matrix
    "square": (lambda w: w * w, lambda x: x @ x),
    "cube": (lambda w: w * w * w - w, lambda x: x @ x @ x - x),
    "one": (lambda w: 0 * w + 1, lambda x: 0 * x + np.eye(x.shape[-1])),
}


def rebuilt(f):
    def through_eigh(x):
        w, v = linalg.eigh(symmetric(x))
        return (v * f(w)[..., None, :]) @ v.mT

    return through_eigh


def rebuilt_from_eig(f):
    def through_eig(x):
        w, v = linalg.eig(x)
        return pb.real((v * f(w)) @ linalg.inv(v))

    return through_eig


def odd(x):
    u, s, vh = linalg.svd(x, full_matrices=False)
    return (u * s**3) @ vh


REBUILT = {
    **{f"eigh {name}": (rebuilt(f), lambda x, p=p: p(symmetric(x))) for name, (f, p) in POLYNOMIALS.items()},
    **{f"eig {name}": (rebuilt_from_eig(f), p) for name, (f, p) in POLYNOMIALS.items()},
    "svd": (odd, lambda x: x @ x.mT @ x),
}


@pytest.mark.parametrize("turn", [False, True])
@pytest.mark.parametrize("spectrum", SPECTRA)
@pytest.mark.parametrize("name", REBUILT)
def test_what_is_rebuilt_of_repeated_values_is_right_or_nan(name, spectrum, turn):
    """Beside the product of matrices that it is: gradients of two orders and tangents, in general directions."""
    f, product = REBUILT[name]
    a = of_spectrum(spectrum, turn)
    g, h = symmetric(RNG.normal(size=a.shape)), RNG.normal(size=a.shape)

    def orders(f):
        first = lambda x: pb.grad(lambda x: (f(x) * g).sum())(x)  # noqa: E731
        yield first(Tensor(a)).numpy()
        yield pb.grad(lambda x: (first(x) * h).sum())(Tensor(a)).numpy()
        yield pb.jvp(f, (a,), (h,))[1].numpy()
        yield pb.jvp(first, (a,), (h,))[1].numpy()

    for value, known in zip(orders(f), orders(product), strict=True):
        assert np.isnan(value).any() or np.allclose(value, known, rtol=1e-6, atol=1e-6)
    if spectrum in ("all", "two", "two pairs") and not name.endswith("one"):
        assert np.isnan(next(orders(f))).all()


def test_gradients_that_do_not_depend_on_the_basis_are_right_where_values_repeat():
    """trace f(A) has the gradient f'(A); the projection on a space, P d Q + Q d P over the gap; of all, 0."""
    for turn in (False, True):
        a = of_spectrum("two", turn)
        w, v = np.linalg.eigh(a)
        slopes = v * np.cos(w) @ v.T
        np.testing.assert_allclose(grad(lambda x: pb.sin(linalg.eigvalsh(symmetric(x))).sum(), a), slopes, atol=1e-12)
        np.testing.assert_allclose(grad(lambda x: linalg.eigvalsh(x)[1:].sum(), np.diag(w)), np.diag([0, 1, 1]), atol=0)
        np.testing.assert_allclose(grad(lambda x: linalg.svdvals(x)[:2].sum(), a), v[:, 1:] @ v[:, 1:].T, atol=1e-12)
        slopes = grad(lambda x: pb.real(linalg.eigvals(x) ** 2).sum(), a)
        np.testing.assert_allclose(slopes, 2 * a, atol=1e-12)
        g = symmetric(RNG.normal(size=(3, 3)))
        p = v[:, 1:] @ v[:, 1:].T
        q = np.eye(3) - p
        for f in (
            lambda x: (lambda u: u @ u.mT)(linalg.eigh(symmetric(x)).eigenvectors[:, 1:]),
            lambda x: (lambda u: u @ u.mT)(linalg.svd(symmetric(x)).U[:, :2]),
            lambda x: (lambda u: u.mT @ u)(linalg.svd(symmetric(x)).Vh[:2]),
        ):
            gradient = grad(lambda x, f=f, g=g: (f(x) * g).sum(), a)
            np.testing.assert_allclose(gradient, p @ g @ q + q @ g @ p, atol=1e-12)
    d = RNG.normal(size=(3, 3))
    u = np.linalg.qr(d).Q  # the polar factor of u (1 + t x) turns by the antisymmetric part of x
    x = leaf(3 * u)
    (lambda f: ((f.U @ f.Vh) * d).sum())(linalg.svd(x)).backward()
    inner = u.T @ d
    np.testing.assert_allclose(x.grad.numpy(), u @ (inner - inner.T) / 6, atol=1e-12)


OPEN = {  # what has no derivative at the matrix 2
    "an eigenvalue": lambda a: linalg.eigvalsh(a)[0],
    "an eigenvalue of eig": lambda a: pb.real(linalg.eigvals(a))[0],
    "a singular value": lambda a: linalg.svdvals(a)[0],
    "an entry of a vector": lambda a: linalg.eigh(a)[1][0, 1],
    "an entry of a vector of eig": lambda a: pb.real(linalg.eig(a)[1])[0, 1],
    "an entry of a singular vector": lambda a: linalg.svd(a).U[0, 1],
    "a rebuilt square": lambda a: rebuilt(lambda w: w * w)(a)[0, 1],
    "a rebuilt matrix": lambda a: (lambda f: ((f.U * f.S) @ f.Vh)[0, 1])(linalg.svd(a)),
}


@pytest.mark.parametrize("name", OPEN)
def test_what_splits_repeated_values_is_nan_and_no_other_matrix_of_the_stack(name):
    f = OPEN[name]
    a = np.stack([2 * np.eye(3), np.diag([1.0, 2.0, 4.0])])
    for gradient in (pb.vmap(pb.grad(f))(a).numpy(), grad(lambda x: f(x[0]) + f(x[1]), a)):
        assert np.isnan(np.tril(gradient[0]) + np.triu(np.ones((3, 3)), 1)).sum() == 6  # of the triangle that is read
        assert np.isfinite(gradient[1]).all()
    tangents = pb.vmap(lambda x: pb.jvp(f, (x,), (np.arange(9.0).reshape(3, 3),))[1])(a).numpy()
    assert np.isnan(tangents[0]) and np.isfinite(tangents[1])


@pytest.mark.parametrize("values", [linalg.eigvalsh, linalg.eigvals, linalg.svdvals])
def test_tangents_in_a_direction_that_splits_no_values(values):
    out, along = pb.jvp(values, (2 * np.eye(3),), (3 * np.eye(3),))
    np.testing.assert_allclose(out.numpy(), [2, 2, 2])
    np.testing.assert_allclose(along.numpy(), [3, 3, 3])


def test_matrices_without_n_independent_eigenvectors():
    turn = RNG.normal(size=(3, 3))
    for block in (np.array([[2.0, 1, 0], [0, 2, 0], [0, 0, 5]]), np.array([[2.0, 1, 0], [0, 2, 1], [0, 0, 2]])):
        for a in (block, turn @ block @ np.linalg.inv(turn)):
            assert np.isnan(grad(lambda x: pb.real(linalg.eigvals(x))[0], a)).any()
            assert np.isnan(pb.jvp(linalg.eigvals, (a,), (np.arange(9.0).reshape(3, 3) ** 2,))[1].numpy()).any()
            np.testing.assert_allclose(grad(lambda x: pb.real(linalg.eigvals(x)).sum(), a), np.eye(3), atol=1e-14)


@pytest.mark.parametrize("shape", [(3, 2), (2, 3), (2, 2)])
def test_what_belongs_to_singular_values_that_vanish(shape):
    """A and A A^T A, rebuilt at matrices of rank 0 and 1; sums of even functions of the values are right."""
    for a in (np.zeros(shape), np.ones(shape), np.eye(*shape) * [1.0, *[0.0] * (shape[1] - 1)]):
        g, x, size = RNG.normal(size=shape), leaf(a), np.linalg.norm(a)
        (lambda f: ((f.U * f.S) @ f.Vh * g).sum())(linalg.svd(x, full_matrices=False)).backward()
        assert np.isnan(x.grad.numpy()).any() or np.allclose(x.grad.numpy(), g)
        np.testing.assert_allclose(grad(lambda x: (linalg.svdvals(x) ** 2).sum(), a), 2 * a, atol=1e-12)
        np.testing.assert_allclose(
            grad(lambda x: pb.cosh(linalg.svdvals(x)).sum(), a), np.sinh(size) * a / (size or 1), atol=1e-12
        )


@pytest.mark.parametrize("shape", [(3, 2), (2, 3), (2, 2)])
def test_the_sum_of_singular_values_has_no_derivative_at_0(shape):
    assert np.isnan(grad(lambda x: linalg.svdvals(x).sum(), np.zeros(shape))).all()


@pytest.mark.parametrize("shape", [(3, 2), (2, 3), (4, 4)])
def test_nuclear_norm_of_matrices_of_lower_rank(shape):
    """The subgradient U V^T of the singular values that are not 0."""
    u, v = RNG.normal(size=shape[0]), RNG.normal(size=shape[1])
    a = np.outer(u, v)
    np.testing.assert_allclose(grad(lambda x: linalg.norm(x, "nuc"), a), a / np.linalg.norm(a), atol=1e-12)


def test_condition_where_singular_values_tie_is_smallest():
    for p in (2, -2):
        np.testing.assert_allclose(grad(lambda x, p=p: linalg.cond(x, p), 3 * np.eye(3)), np.zeros((3, 3)), atol=1e-15)


def test_modes_of_qr_that_are_refused():
    with pytest.raises(ValueError, match="qr: mode must be 'reduced', 'complete' or 'r', not 'raw'"):
        linalg.qr(Tensor(np.eye(2)), "raw")


# Functions of matrices

ROOTS = {"sqrtm": lambda x: x @ x, "logm": lambda x: linalg.expm(x)}


@pytest.mark.slow
@pytest.mark.parametrize("complex", [False, True])
@pytest.mark.parametrize("name", ROOTS)
def test_roots_and_logarithms_are_inverses(name, complex):
    pytest.importorskip("scipy")
    f = getattr(linalg, name)
    a = regular(2, 3, 3) if complex else regular(2, 3, 3).real
    np.testing.assert_allclose(ROOTS[name](f(Tensor(a))).numpy(), a, rtol=1e-9, atol=1e-10)
    x, g = leaf(a), RNG.normal(size=a.shape)
    ROOTS[name](f(x)).backward(g)
    np.testing.assert_allclose(x.grad.numpy(), g, rtol=1e-7, atol=1e-8)
    assert gradcheck(f, leaf(a)) and gradgradcheck(f, leaf(a[0]), rtol=1e-4)
    assert f(Tensor(a.astype(np.complex64 if complex else np.float32))).numpy().itemsize == (8 if complex else 4)


def test_complex_roots_of_real_matrices():
    pytest.importorskip("scipy")
    a = np.array([[-1.0, 1.0], [0.5, -3.0]])
    assert linalg.sqrtm(Tensor(a)).dtype == linalg.logm(Tensor(a)).dtype == np.complex128
    assert gradcheck(linalg.sqrtm, leaf(a)) and gradcheck(linalg.logm, leaf(a))


@pytest.mark.parametrize("scale", [1e-12, 1.0, 1e12])
def test_gradient_of_expm_is_scipys_derivative_at_any_scale(scale):
    """<g, L(a, d)> = <L(a^T, g), d>, with SciPy's Frechet derivative L."""
    scipy_linalg = pytest.importorskip("scipy.linalg")
    a, g = RNG.normal(size=(2, 3, 3))
    expected = scipy_linalg.expm_frechet(a.T, g, compute_expm=False) * scale
    x = leaf(a)
    linalg.expm(x).backward(g * scale)
    np.testing.assert_allclose(x.grad.numpy(), expected, rtol=1e-10)


@pytest.mark.parametrize("name", ["expm", "logm", "sqrtm"])
def test_functions_of_what_is_not_square(name):
    with pytest.raises(linalg.LinAlgError, match=rf"{name}: expected square matrices, not shape \(2, 3\)"):
        getattr(linalg, name)(Tensor(np.ones((2, 3))))
    with pytest.raises(linalg.LinAlgError, match=f"{name}: expected a matrix"):
        getattr(linalg, name)(Tensor(np.ones(2)))
