"""sqrtm, logm and solve_sylvester where eigenvalues are negative, repeat, vanish, or have too few eigenvectors."""

import numpy as np
import pytest

from pullback import Tensor, grad, jvp, linalg, vmap

scipy_linalg = pytest.importorskip("scipy.linalg")

RNG = np.random.default_rng(7)


def indefinite(n=3):
    """A symmetric matrix with eigenvalues of both signs, apart from one another."""
    q = np.linalg.qr(RNG.normal(size=(n, n))).Q
    return q * (RNG.uniform(0.5, 1, n) + np.arange(n)) * np.where(np.arange(n) % 2, 1, -1) @ q.T


JORDAN = np.array([[2.0, 1.0, 0.0], [0.0, 2.0, 1.0], [0.0, 0.0, 2.0]])
TURN = RNG.normal(size=(3, 3)) + 2 * np.eye(3)
MATRICES = {
    "positive": np.diag([1.0, 2.0, 5.0]) + 0.1,
    "repeated": 3 * np.eye(3),
    "two equal": TURN @ np.diag([2.0, 2.0, 5.0]) @ np.linalg.inv(TURN),
    "one block": JORDAN,
    "one block, turned": TURN @ JORDAN @ np.linalg.inv(TURN),
    "nearly repeated": np.diag([1.0, 1.0 + 1e-9, 1.0 + 1e-5]),
    "complex pair": np.array([[1.0, 4.0, 0.0], [-2.0, 1.0, 1.0], [0.5, 0.0, 3.0]]),
    "negative and positive": indefinite(),
    "negative, not symmetric": TURN @ np.diag([-1.0, 2.0, -3.0]) @ np.linalg.inv(TURN),
    "complex": np.diag([1.0, 2.0, 3j]) + 0.3 * RNG.normal(size=(3, 3)),
    "complex, repeated": (1 + 2j) * np.eye(3),
    "stack": np.stack([indefinite(2), np.eye(2), [[2.0, 1.0], [0.0, 2.0]]]),
}


def derivatives(f, a, d, orders):
    """f and its derivatives along d, in forward mode within forward mode."""
    out = [f]
    for _ in range(orders):
        out.append(lambda x, f=out[-1]: jvp(f, (x,), (d,))[1])
    return [np.asarray(f(Tensor(a)).numpy()) for f in out]


def backward(f, a, d, g):
    """Derivatives of Re <g, f> at a along d, of order 1 and 2, and the latter along another time, all backward."""

    def along(f):
        return lambda x: (grad(f)(x) * d).real.sum() if np.iscomplexobj(d) else (grad(f)(x) * d).sum().real

    scalar = lambda x: (f(x) * g).real.sum()  # noqa: E731
    return [along(scalar)(Tensor(a)).item(), along(along(scalar))(Tensor(a)).item()]


def close(actual, expected, tolerance=1e-8):
    np.testing.assert_allclose(actual, expected, rtol=tolerance, atol=tolerance * np.max(np.abs(expected), initial=1))


def check_backward(f, a, d, forward):
    g = RNG.normal(size=a.shape) + 1j * RNG.normal(size=a.shape)
    g = g if np.iscomplexobj(forward[0]) else g.real
    expected = [np.sum(g * x).real for x in forward[1:3]]
    close(backward(f, a, d, g), expected)


@pytest.mark.parametrize("name", MATRICES)
def test_derivatives_of_roots(name):
    """Those of x(t)^2 = a + t d, by the rule of products: x x' + x' x = d, and those of higher order are 0."""
    a, d = MATRICES[name], RNG.normal(size=MATRICES[name].shape)
    x, x1, x2, x3 = xs = derivatives(linalg.sqrtm, a, d, 3)
    close(x @ x, a)
    close(x @ x1 + x1 @ x, d)
    close(x @ x2 + 2 * x1 @ x1 + x2 @ x, 0 * d)
    close(x @ x3 + 3 * (x1 @ x2 + x2 @ x1) + x3 @ x, 0 * d, 1e-7)
    check_backward(linalg.sqrtm, a, d, xs)


@pytest.mark.parametrize("name", MATRICES)
def test_derivatives_of_logarithms(name):
    """Those of exp(x(t)) = a + t d, by exp of blocks: of [[x, x', x''/2], [0, x, x'], [0, 0, x]] it has, in the first
    row, the derivatives of exp(x(t)), by 0!, 1! and 2!."""
    a, d = MATRICES[name], RNG.normal(size=MATRICES[name].shape)
    x, x1, x2 = xs = derivatives(linalg.logm, a, d, 2)
    o, n = np.zeros_like(x), a.shape[-1]
    row = scipy_linalg.expm(np.block([[x, x1, x2 / 2], [o, x, x1], [o, o, x]]))[..., :n, :]
    close(row, np.concatenate([a, d, 0 * d], axis=-1))
    check_backward(linalg.logm, a, d, xs)


def differences(f, w):
    """Divided differences of numbers that are well apart, and 0 on the diagonal."""
    n = range(len(w))
    return np.array([[0 if i == j else (f(w[i]) - f(w[j])) / (w[i] - w[j]) for j in n] for i in n])


@pytest.mark.parametrize("name", ["sqrtm", "logm"])
def test_gradients_at_symmetric_indefinite_matrices(name):
    """V (f[w_i, w_j] * V^T D V) V^T, by Daleckii and Krein, f with its principal branch, and f' on the diagonal."""
    f, slope = {
        "sqrtm": (lambda w: np.sqrt(w + 0j), lambda w: 0.5 / np.sqrt(w + 0j)),
        "logm": (lambda w: np.log(w + 0j), lambda w: 1 / w),
    }[name]
    for _ in range(12):
        a, d, g = indefinite(4), *RNG.normal(size=(2, 4, 4))
        g = g + 1j * RNG.normal(size=(4, 4))
        w, v = np.linalg.eigh(a)
        weights = differences(f, w) + np.diag(slope(w))
        along = v @ (weights * (v.T @ d @ v)) @ v.T
        x = Tensor(a, requires_grad=True)
        getattr(linalg, name)(x).backward(g)
        np.testing.assert_allclose(np.sum(x.grad.numpy() * d), np.sum(g * along).real, rtol=1e-9)


@pytest.mark.parametrize("scale", [0.37, 0.78, 2.7, 5.0, 1e6])
def test_derivative_of_logm_to_rounding(scale):
    """log'(scale) at multiples of the identity, for all sizes of logarithms (of which there are half, quarter, ...)."""
    d = RNG.normal(size=(2, 2))
    np.testing.assert_allclose(jvp(linalg.logm, (scale * np.eye(2),), (d,))[1].numpy(), d / scale, rtol=4e-14)


@pytest.mark.parametrize("name", ["sqrtm", "logm"])
@pytest.mark.parametrize("a", [np.zeros((2, 2)), np.diag([1.0, 0.0]), [[1.0, 2.0], [2.0, 4.0]], np.diag([0j, 1j])])
@pytest.mark.filterwarnings("ignore:.*ingular", "ignore:logm result may be inaccurate", "ignore:Matrix is singular")
def test_singular_matrices_have_no_derivative(name, a):
    f, a = getattr(linalg, name), np.asarray(a)
    with pytest.raises(linalg.LinAlgError, match=f"{name}: no derivative at a singular matrix"):
        f(Tensor(a, requires_grad=True)).backward(np.ones((2, 2)))
    with pytest.raises(linalg.LinAlgError, match=f"{name}: no derivative at a singular matrix"):
        jvp(f, (a,), (np.ones_like(a),))


def test_on_the_cut_derivatives_are_those_along_it():
    """sqrt(-4 + t) = 2i - i t / 4 and log(-4 + t) = i pi + log(4) - t / 4, on the side that was chosen."""
    a, d = -4 * np.eye(2), np.array([[1.0, 2.0], [2.0, -1.0]])
    close(jvp(linalg.sqrtm, (a,), (d,))[1].numpy(), -0.25j * d)
    close(jvp(linalg.logm, (a,), (d,))[1].numpy(), -0.25 * d)


def test_eigenvalues_that_meet_on_the_cut_from_both_sides_have_no_derivative():
    a = np.diag([complex(-1.0, 0.0), complex(-1.0, -0.0)])
    x = Tensor(a, requires_grad=True)
    out = linalg.logm(x)
    close(out.numpy(), np.diag([1j * np.pi, -1j * np.pi]))
    with pytest.raises(linalg.LinAlgError, match="an eigenvalue of a is one of -b"):
        out.backward(np.ones((2, 2)))
    with np.errstate(all="ignore"):
        out = linalg.sqrtm(x)  # for SciPy its entries that are not on the diagonal are none
        out.backward(np.ones((2, 2)))
    assert np.isnan(out.numpy()).any() and np.isnan(x.grad.numpy()).all()


@pytest.mark.parametrize("name", ["expm", "sqrtm", "logm"])
def test_batches_have_the_derivatives_of_their_matrices(name):
    f = getattr(linalg, name)
    a, d = np.stack([MATRICES["positive"], MATRICES["one block"], 3 * np.eye(3)]), RNG.normal(size=(3, 3, 3))
    loss = lambda x: (f(x) ** 2).sum()  # noqa: E731
    curve = lambda x, d: jvp(grad(loss), (x,), (d,))[1]  # noqa: E731
    close(vmap(curve)(a, d).numpy(), [curve(x, y).numpy() for x, y in zip(a, d, strict=True)], 1e-12)
    close(jvp(f, (a,), (d,))[1].numpy(), [jvp(f, (x,), (y,))[1].numpy() for x, y in zip(a, d, strict=True)], 1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.complex64])
@pytest.mark.parametrize("name", ["sqrtm", "logm", "expm"])
def test_single_precision_stays(name, dtype):
    a = MATRICES["positive"].astype(dtype)
    x = Tensor(a, requires_grad=True)
    getattr(linalg, name)(x).backward(np.ones((3, 3), dtype))
    y = Tensor(a.astype(np.float64 if dtype is np.float32 else np.complex128), requires_grad=True)
    getattr(linalg, name)(y).backward(np.ones((3, 3), y.dtype))
    assert x.grad.dtype == dtype
    np.testing.assert_allclose(x.grad.numpy(), y.grad.numpy(), rtol=2e-4, atol=1e-5)


@pytest.mark.parametrize("complex", [False, True])
def test_solve_sylvester_is_scipys(complex):
    a, b, q = (RNG.normal(size=s) + 1j * complex * RNG.normal(size=s) for s in [(3, 3), (2, 2), (3, 2)])
    if not complex:
        a, b, q = a.real, b.real, q.real
    out = linalg.solve_sylvester(a, b, q)
    np.testing.assert_allclose(out, scipy_linalg.solve_sylvester(a, b, q), rtol=1e-10)
    assert out.dtype == q.dtype


def test_solve_sylvester_of_wrong_arguments():
    with pytest.raises(linalg.LinAlgError, match="solve_sylvester: an eigenvalue of a is one of -b"):
        linalg.solve_sylvester(np.diag([1.0, 2.0]), np.array([[-2.0]]), np.ones((2, 1)))
    with pytest.raises(linalg.LinAlgError, match=r"q of shape \(1, 2\) beside a \(2, 2\) and b \(1, 1\)"):
        linalg.solve_sylvester(np.eye(2), np.eye(1), np.ones((1, 2)))
