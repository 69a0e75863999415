"""Complex tensors: a gradient is d/dx - i d/dy of the real part, nothing is conjugated on the way."""

import inspect

import numpy as np
import pytest

import pullback as pb
from pullback import Tensor, multiply, override
from pullback.testing import GradcheckError, gradcheck, gradgradcheck

RNG = np.random.default_rng(5)


def leaf(a):
    return Tensor(a, requires_grad=True)


def noise(*shape):
    return RNG.normal(size=shape) + 1j * RNG.normal(size=shape)


def grad(f, a):
    x = leaf(a)
    out = f(x)
    out.backward(np.ones(out.shape))
    return x.grad.numpy()


Z = np.array([0.5 + 0.25j, -1.5 + 2j, 0.75 - 0.5j, -0.25 - 3j])

CONVENTION = {  # f, and d Re f / dx - i d Re f / dy at x + iy
    "square": (lambda z: z * z, 2 * Z),
    "exp": (pb.exp, np.exp(Z)),
    "conj": (pb.conj, np.ones(4)),
    "i conj": (lambda z: 1j * pb.conj(z), np.full(4, -1j)),
    "real": (pb.real, np.ones(4)),
    "imag": (pb.imag, np.full(4, -1j)),
    "abs": (pb.abs, np.conj(Z) / np.abs(Z)),
    "square of abs": (lambda z: pb.real(z * pb.conj(z)), 2 * np.conj(Z)),
    "angle": (pb.angle, -1j / Z),
    "angle of degrees": (lambda z: pb.angle(z, deg=True), -1j / Z * 180 / np.pi),
}


@pytest.mark.parametrize("name", CONVENTION)
def test_the_convention(name):
    f, expected = CONVENTION[name]
    np.testing.assert_allclose(grad(f, Z), expected, rtol=1e-14, atol=1e-15)


def test_descent_goes_against_the_conjugate():
    z = leaf(3 + 4j)
    for _ in range(50):
        z.grad = None
        pb.square(pb.abs(z - (1 - 2j))).backward()
        z.data = z.data - 0.2 * np.conj(z.grad.numpy())
    np.testing.assert_allclose(z.item(), 1 - 2j, atol=1e-8)


def test_a_linear_map_is_transposed_not_conjugated():
    a, g = noise(2, 4), noise(2)
    x = leaf(Z)
    (a @ x).backward(g)
    np.testing.assert_allclose(x.grad.numpy(), a.T @ g, rtol=1e-14)


FINITE_AT_0 = {
    "abs": (pb.abs, 0),
    "angle": (pb.angle, 0),
    "sign": (pb.sign, 0),
    "sqrt": (pb.sqrt, 0),
    "power": (lambda z: z**2, 0),
    "power 1": (lambda z: z**1, 1),
    "power 0": (lambda z: z**0, 0),
    "complex power": (lambda z: z ** (2 + 0j), 0),
    "zeroth power": (lambda z: z ** np.array([0j]), 0),
    "norm": (lambda z: pb.linalg.norm(z), 0),
    "std": (lambda z: pb.std(z), 0),
}


@pytest.mark.parametrize("name", FINITE_AT_0)
def test_finite_subgradients_at_0(name):
    f, expected = FINITE_AT_0[name]
    with np.errstate(all="raise"):
        np.testing.assert_array_equal(grad(f, np.zeros(1, complex)), [expected])


def test_angle_of_real_numbers_does_not_change_with_them():
    np.testing.assert_array_equal(grad(pb.angle, np.array([2.0, 0.0, -1.0])), [0, 0, 0])


OFF_THE_REAL_LINE = np.array([2 + 1j, -2 + 1j, -2 - 1j, 2 - 1j, 0.5 + 3j, -0.5 + 3j, -0.5 - 0.25j])
EVERYWHERE = """arccos arccosh arcsin arcsinh arctan arctanh cos cosh exp exp2 expm1 log log10 log1p log2 reciprocal sin
sinc sinh sqrt square tan tanh abs sign conj real imag angle negative positive"""


@pytest.mark.parametrize("name", EVERYWHERE.split())
def test_elementwise_functions_in_all_quadrants(name):
    f = getattr(np, name)
    np.testing.assert_allclose(f(Tensor(OFF_THE_REAL_LINE)).numpy(), f(OFF_THE_REAL_LINE))
    assert gradcheck(f, leaf(OFF_THE_REAL_LINE))
    assert gradgradcheck(f, leaf(OFF_THE_REAL_LINE), rtol=1e-4)


X = RNG.uniform(0.5, 2, 4)
MIXED = {  # one argument real, the other complex
    **{symbol: (f, X, Z) for symbol, f in (("+", np.add), ("-", np.subtract), ("*", np.multiply), ("/", np.divide))},
    "power": (np.power, X, Z),
    "power of a negative number": (lambda a, b: np.power(-a, b), X, Z),
    "complex to a real power": (lambda a, b: np.power(b, a), X, Z),
    "where": (lambda a, b: np.where([True, False, True, False], a, b), X, Z),
    "concatenate": (lambda a, b: np.concatenate([a, b]), X, Z),
    "matmul": (lambda a, b: a.reshape(2, 2) @ b.reshape(2, 2), X, Z),
    "dot": (np.dot, X, Z),
    "vdot": (np.vdot, X, Z),
    "vdot, conjugated": (lambda a, b: np.vdot(b, a), X, Z),
    "inner": (np.inner, X, Z),
    "outer": (np.outer, X, Z),
    "kron": (np.kron, X, Z),
    "tensordot": (lambda a, b: np.tensordot(a, b, 1), X, Z),
    "einsum": (lambda a, b: np.einsum("i,j,j->ij", a, b, b), X, Z),
    "convolve": (np.convolve, X, Z),
    "correlate": (lambda a, b: np.correlate(a, b, "full"), X, Z),
    "correlate, not conjugated": (lambda a, b: np.correlate(b, a, "full"), X, Z),
    "cross": (lambda a, b: np.cross(a[:3], b[:3]), X, Z),
    "solve": (lambda a, b: np.linalg.solve(a.reshape(2, 2), b[:2]), X, Z),
    "fft of real": (lambda a, b: np.fft.fft(a) * b, X, Z),
    "polyval": (np.polyval, X, Z),
    "interp of complex": (lambda a, b: np.interp(a, [0.0, 1.0, 2.0, 3.0], b), X, Z),
}


@pytest.mark.parametrize("name", MIXED)
def test_a_real_argument_beside_a_complex_one(name):
    f, x, z = MIXED[name]
    a, b = leaf(x), leaf(z)
    out = f(a, b)
    np.testing.assert_allclose(out.numpy(), f(x, z), rtol=1e-13)
    out.backward(noise(*out.shape))
    assert a.grad.dtype == np.float64 and b.grad.dtype == np.complex128
    assert gradcheck(f, (leaf(x), leaf(z))) and gradgradcheck(f, (leaf(x), leaf(z)), rtol=1e-4)


M = noise(3, 4)
V = noise(3)
COMPLEX = {
    "sum": lambda m: np.sum(m, 0),
    "mean": lambda m: np.mean(m, 1, keepdims=True),
    "prod": lambda m: np.prod(m, 0),
    "cumsum": lambda m: np.cumsum(m, 0),
    "cumprod": lambda m: np.cumprod(m, 1),
    "var": lambda m: np.var(m, 0),
    "std": lambda m: np.std(m, 1, ddof=1),
    "average": lambda m: np.average(m, 0, weights=np.array([1.0, 2.0, 4.0])),
    "max": lambda m: np.max(m, 1),
    "sort": lambda m: np.sort(m, 1),
    "diff": lambda m: np.diff(m, axis=0),
    "gradient": lambda m: np.gradient(m, axis=1),
    "trapezoid": lambda m: np.trapezoid(m),
    "cov": lambda m: np.cov(m),
    "corrcoef": lambda m: np.corrcoef(m),
    "vecdot": lambda m: np.vecdot(m, np.flip(m)),
    "vdot": lambda m: np.vdot(m, m * m),
    "kron": lambda m: np.kron(m[:2, :2], m[1:, :2]),
    "inner": lambda m: np.inner(m, m),
    "outer": lambda m: np.outer(m[0], m[1]),
    "tensordot": lambda m: np.tensordot(m, m, ([0, 1], [0, 1])),
    "einsum": lambda m: np.einsum("ij,kj,ik", m, m, V[:, None] * V),
    "diagonal of einsum": lambda m: np.einsum("ii->i", m[:, :3]),
    "convolve": lambda m: np.convolve(m[0], m[1, :3], "same"),
    "correlate": lambda m: np.correlate(m[0], m[1, :3], "same"),
    "correlate valid": lambda m: np.correlate(m[1, :2], m[0]),
    "pad": lambda m: np.pad(m, 1, mode="linear_ramp"),
    "indexing": lambda m: m[[0, 2, 0], ::2],
    "take_along_axis": lambda m: np.take_along_axis(m, np.array([[1], [0], [3]]), 1),
    "tril": lambda m: np.tril(m),
    "roll": lambda m: np.roll(m, 1, 0),
    "repeat": lambda m: np.repeat(m, 2, 1),
    "polyval": lambda m: np.polyval(m[0], m[1]),
    "clip": lambda m: np.clip(m, -0.5, 0.5),
    "maximum": lambda m: np.maximum(m, m[::-1, ::-1]),
    "nansum": lambda m: np.nansum(m, 0),
}


@pytest.mark.parametrize("name", COMPLEX)
def test_complex_arrays(name):
    f = COMPLEX[name]
    np.testing.assert_allclose(f(Tensor(M)).numpy(), f(M), rtol=1e-12, atol=1e-13)
    assert gradcheck(f, leaf(M)) and gradgradcheck(f, leaf(M), rtol=1e-4)


ONLY_HERE = {
    "softmax": lambda m: pb.softmax(m, 0),
    "log_softmax": lambda m: pb.log_softmax(m, 1),
    "logsumexp": lambda m: pb.logsumexp(m, 1),
    "matvec": lambda m: pb.matvec(m, m[0]),
    "vecmat": lambda m: pb.vecmat(m[:, 0], m),
    "conv": lambda m: pb.conv(m[None], m[:2, None, :2] + np.zeros((2, 3, 2))),
    "conv_transpose": lambda m: pb.conv_transpose(m[None], m[:, None, :3], stride=2),
    "avg_pool": lambda m: pb.avg_pool(m[None], 2),
    "max_pool": lambda m: pb.max_pool(m[None], 2),
    "im2col": lambda m: pb.im2col(m[None, None], 2),
}


@pytest.mark.parametrize("name", ONLY_HERE)
def test_complex_arrays_through_functions_that_numpy_lacks(name):
    f = ONLY_HERE[name]
    assert gradcheck(f, leaf(M)) and gradgradcheck(f, leaf(M), rtol=1e-4)


def test_softmax_of_complex_numbers():
    e = np.exp(M)
    np.testing.assert_allclose(pb.softmax(M, 1), e / e.sum(1, keepdims=True), rtol=1e-13)
    np.testing.assert_allclose(np.exp(pb.logsumexp(M, 1)), e.sum(1), rtol=1e-13)
    np.testing.assert_allclose(pb.vecmat(V, M), np.conj(V) @ M, rtol=1e-13)
    np.testing.assert_allclose(pb.matvec(M, Z), M @ Z, rtol=1e-13)


REFUSED = [np.floor, np.ceil, np.trunc, np.arctan2, np.hypot, np.cbrt, np.fabs, np.logaddexp, np.heaviside, np.fmod]


@pytest.mark.parametrize("f", REFUSED, ids=lambda f: f.__name__)
def test_what_numpy_refuses_is_refused(f):
    args = [Z] * f.nin
    with pytest.raises(TypeError) as expected:
        f(*args)
    with pytest.raises(TypeError) as caught:
        f(*map(Tensor, args))
    assert str(caught.value) == str(expected.value)


def test_sigmoid_is_holomorphic_and_softplus_is_real():
    np.testing.assert_allclose(pb.sigmoid(Tensor(30 * Z)).data, 1 / (1 + np.exp(-30 * Z)), rtol=1e-12)
    with pytest.raises(TypeError, match="not supported for the input types"):
        pb.softplus(Tensor(Z))


@pytest.mark.parametrize("name", ["exp", "abs", "sign", "sqrt", "angle", "prod", "std"])
def test_single_precision_stays(name):
    x = leaf(Z.astype(np.complex64))
    out = getattr(pb, name)(x)
    assert out.dtype in (np.complex64, np.float32)
    out.backward(np.ones(out.shape))
    assert x.grad.dtype == np.complex64


def test_transforms():
    np.testing.assert_allclose(pb.grad(lambda z: pb.real(z**3))(Tensor(2 + 1j)).item(), 3 * (2 + 1j) ** 2)
    np.testing.assert_allclose(pb.grad(pb.grad(lambda z: z**3))(Tensor(2 + 1j)).item(), 6 * (2 + 1j))
    assert "Re(g * result)" in inspect.getdoc(Tensor.backward)


def test_jacobians():
    turn = pb.jacobian(lambda x: pb.exp(1j * x))(X)
    np.testing.assert_allclose(turn.numpy(), np.diag(1j * np.exp(1j * X)), atol=1e-15)
    assert pb.jacobian(lambda x: pb.exp(1j * x))(X.astype(np.float32)).dtype == np.complex64
    np.testing.assert_allclose(pb.jacobian(pb.exp)(Z).numpy(), np.diag(np.exp(Z)))
    np.testing.assert_allclose(pb.jacobian(pb.abs)(Z).numpy(), np.diag(np.conj(Z) / np.abs(Z)))


def test_forward_mode_of_what_is_not_holomorphic():
    """The derivative along t is that of x + h t for real h, whatever the cotangents' convention."""
    t, h = noise(4), 1e-6
    for f in (pb.abs, pb.conj, pb.real, pb.imag, pb.angle, pb.sign, lambda z: z * pb.conj(z), pb.std, pb.exp):
        value, tangent = pb.jvp(f, (Z,), (t,))
        expected = (f(Z + h * t) - f(Z - h * t)) / (2 * h)
        np.testing.assert_allclose(tangent.numpy(), expected, rtol=1e-8, atol=1e-9)
        assert tangent.dtype == value.dtype


def test_checks_catch_what_is_conjugated():
    for rule in (lambda g, b: g * np.conj(b), lambda g, b: np.conj(g) * b, lambda g, b: np.real(g * b)):
        with override(multiply, "a", rule), pytest.raises(GradcheckError):
            gradcheck(lambda z: z * Z, leaf(Z))


@pytest.mark.parametrize("operation", [lambda a, b: a * b, lambda a, b: a + b, lambda a, b: a - b, lambda a, b: a / b])
def test_a_complex_number_before_a_0d_tensor(operation):
    for dtype, result in ((np.float64, np.complex128), (np.float32, np.complex64)):
        x = Tensor(2.0, requires_grad=True, dtype=dtype)
        out = operation(1j, x)
        assert isinstance(out, Tensor) and out.dtype == result and out.item() == operation(1j, 2.0)
        pb.real(out * 1j).backward()
        assert x.grad.dtype == dtype
        with pb.no_grad():
            assert operation(1j, x).dtype == result


def test_logsumexp_gives_the_principal_value():
    z = np.array([[1.0 + 3j, 0.5 - 3j, 2.0 + 3.1j], [1.0 - 9j, 2.0 + 7j, 0.3 + 0j]])
    np.testing.assert_allclose(pb.logsumexp(Tensor(z), 1).numpy(), np.log(np.exp(z).sum(1)), rtol=1e-14)
    assert pb.logsumexp(Tensor(z.astype(np.complex64)), 1).dtype == np.complex64
