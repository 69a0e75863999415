import sys

import numpy as np
import pytest

import pullback as pb
from pullback import Tensor, special

scipy_special = pytest.importorskip("scipy.special")


def gradient(f, *values):
    leaves = [Tensor(v, requires_grad=True) for v in values]
    f(*leaves).sum().backward()
    return [x.grad.data for x in leaves]


@pytest.mark.parametrize("name", ["erf", "gammaln", "psi", "expit", "log1p", "j0", "i1e", "ndtr", "entr"])
def test_scipys_ufuncs_take_tensors(name):
    x = np.array([0.5, 2.0])
    out = getattr(scipy_special, name)(Tensor(x, requires_grad=True))
    assert out.requires_grad
    np.testing.assert_allclose(out.data, getattr(scipy_special, name)(x), rtol=1e-15)


def test_two_arguments():
    x, y = np.array([0.5, 2.0]), np.array([1.5, 3.0])
    for name in ("beta", "betaln", "xlogy", "xlog1py", "rel_entr", "kl_div"):
        out = getattr(scipy_special, name)(x, Tensor(y))
        np.testing.assert_allclose(out.data, getattr(scipy_special, name)(x, y), rtol=1e-15)


@pytest.mark.parametrize("n", [0, 1, 4, [[0], [2]]])
def test_polygamma(n):
    x = np.array([0.5, 2.0])
    np.testing.assert_allclose(special.polygamma(n, x), scipy_special.polygamma(n, x), rtol=1e-14)
    (grad,) = gradient(lambda x: special.polygamma(n, x), x)
    expected = scipy_special.polygamma(np.asarray(n) + 1, x)
    np.testing.assert_allclose(grad, expected.sum(0) if expected.ndim == 2 else expected, rtol=1e-13)
    assert special.polygamma(n, x.astype(np.float32)).dtype == np.float32


@pytest.mark.parametrize("d", [1, 2, 5])
def test_multigammaln(d):
    a = np.array([[2.3, 4.0], [7.5, 30.0]])
    np.testing.assert_allclose(special.multigammaln(Tensor(a), d).data, scipy_special.multigammaln(a, d), rtol=1e-14)
    (grad,) = gradient(lambda a: special.multigammaln(a, d), a)
    np.testing.assert_allclose(grad, sum(scipy_special.psi(a - k / 2) for k in range(d)), rtol=1e-13)
    assert special.multigammaln(a.astype(np.float32), d).dtype == np.float32
    with pytest.raises(ValueError, match=r"multigammaln: a must be more than \(d - 1\) / 2"):
        special.multigammaln((d - 1) / 2, d)


def test_slopes_at_zero():
    assert gradient(special.erf, 0.0) == [pytest.approx(2 / np.sqrt(np.pi))]
    assert gradient(special.j1, 0.0) == [0.5] and gradient(special.i1, 0.0) == [0.5]
    for f in (special.xlogy, special.rel_entr):
        assert np.all(np.isfinite(gradient(f, 0.0, 0.0)))
    assert np.isfinite(gradient(special.entr, 0.0)[0])


@pytest.mark.parametrize("dtype, rtol", [(np.float64, 1e-14), (np.float32, 1e-6)])
def test_the_slope_of_log_ndtr_far_out(dtype, rtol):
    """It is 1 over Mills' ratio, for which 1 / (x + 1 / (x + 2 / (x + 3 / ...))) is a continued fraction."""
    x = np.array([-1e4, -300.0, -20.0], dtype)
    (grad,) = gradient(special.log_ndtr, x)
    expected = np.abs(x).astype(float)
    for k in range(60, 0, -1):
        expected = np.abs(x) + k / expected
    np.testing.assert_allclose(grad, expected, rtol=rtol)


def test_a_python_number_leaves_single_precision():
    x = Tensor(np.float32([0.5, 2.0]), requires_grad=True)
    for name in ("xlogy", "xlog1py", "beta", "betaln", "rel_entr", "gammainc", "jv"):
        f, oracle = getattr(special, name), getattr(scipy_special, name)
        for out, expected in ((f(x, 1.5), oracle(x.data, 1.5)), (f(2, x), oracle(2, x.data))):
            assert out.dtype == np.float32, name
            np.testing.assert_allclose(out.data, expected, rtol=1e-5)
    assert special.jv(1, Tensor(1 + 2j)).item() == scipy_special.jv(1, 1 + 2j)  # whose orders are real


@pytest.mark.filterwarnings("ignore:overflow")
@pytest.mark.filterwarnings("ignore:invalid value")
def test_slopes_of_i0_far_out():
    (grad,) = gradient(special.i0, np.array([700.0, -700.0, 800.0, -1e200, np.inf, np.nan]))
    np.testing.assert_allclose(grad, [*scipy_special.i1([700.0, -700.0]), np.inf, -np.inf, np.inf, np.nan], rtol=1e-13)


def test_an_order_has_no_gradient():
    with pytest.raises(TypeError, match="kve: no gradient with respect to the order"):
        special.kve(Tensor(1.0, requires_grad=True), 2.0)


def slope(f, v, step=1e-3):
    """The derivative of f at v, by central differences of the sixth order."""
    one, half, quarter = ((f(v + h) - f(v - h)) / (2 * h) for h in (step, step / 2, step / 4))
    return (64 * quarter - 20 * half + one) / 45


SOME = [(-1.3, 0.5), (0.0, 3.0), (2.0, 20.0)]  # of the orders and arguments, those that are tried each time
ORDERS = [
    pytest.param(v, x, marks=() if (v, x) in SOME else pytest.mark.thorough)
    for v in (-1.3, 0.0, 0.7, 2.0, 12.5, 30.0)
    for x in (0.01, 0.5, 3.0, 20.0, 150.0)
]
ORDERS.append(pytest.param(60.0, 58.0))  # where an integral goes over many waves


@pytest.mark.parametrize("v, x", ORDERS)
@pytest.mark.parametrize("name", ["jv", "yv", "iv", "kv"])
def test_derivatives_of_bessel_functions_by_their_order(name, v, x):
    order = Tensor(v, requires_grad=True)
    getattr(special, name)(order, x).backward()
    f = getattr(scipy_special, name)
    size = max(abs(f(v, x)), abs(f(v + 0.5, x))) if x > v else abs(f(v, x))
    assert order.grad.item() == pytest.approx(slope(lambda v: f(v, x), v), rel=1e-8, abs=1e-8 * size)


@pytest.mark.parametrize("x", [0.0, 1e-3, 0.5, 8.0, 60.0, 900.0])
@pytest.mark.parametrize("a", [0.05, 1.0, 7.5, 60.0])
def test_derivatives_of_incomplete_gamma_functions_by_their_parameter(a, x):
    for name, sign in (("gammainc", 1), ("gammaincc", -1)):
        shape = Tensor(a, requires_grad=True)
        getattr(special, name)(shape, x).backward()
        expected = slope(lambda a: scipy_special.gammainc(a, x), a, a / 100)
        assert sign * shape.grad.item() == pytest.approx(expected, rel=1e-8, abs=1e-12)


def test_what_has_no_rule_is_named():
    with pytest.raises(TypeError, match="ellipk has no rule"):
        scipy_special.ellipk(Tensor(0.5))


def test_without_scipy_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy.special", None)
    with pytest.raises(ImportError, match=r"erf: .*pullback\[special\]"):
        special.erf(1.0)


def test_iv_next_to_an_integer_order() -> None:
    """By mpmath; SciPy 1.17 has 0.6586 and 1.5205."""
    np.testing.assert_allclose(special.iv(1.9999999999999998, 2.0), 0.688948447698738, rtol=1e-14)
    np.testing.assert_allclose(special.iv(np.array([0.9999999999999998]), 2.0), [1.59063685463733], rtol=1e-14)
    v, x = np.meshgrid([0.0, 0.5, 3.0, -1.3, 50.0], [0.0, 1e-8, 2.0, -2.0, 90.0, 710.0, np.inf, np.nan])
    for dtype, rtol in ((np.float64, 1e-13), (np.float32, 2e-6)):
        orders, places = v.astype(dtype), x.astype(dtype)
        np.testing.assert_allclose(special.iv(orders, places), scipy_special.iv(orders, places), rtol=rtol)


def second(f, x):
    return pb.grad(lambda x: pb.grad(lambda x: f(x).sum())(x).sum())(Tensor(x)).data


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name, scale, factor", [
    ("erf", -1, 2 / np.sqrt(np.pi)), ("erfc", -1, -2 / np.sqrt(np.pi)), ("erfi", 1, 2 / np.sqrt(np.pi)),
    ("ndtr", -0.5, 1 / np.sqrt(2 * np.pi)),
])  # fmt: skip
@pytest.mark.skipif(np.finfo(np.longdouble).nmant <= 52, reason="longdouble has no more digits than float64")
def test_densities_have_all_their_digits(name, scale, factor, dtype):
    """factor * exp(scale * x * x), whose exponent the rounding of the square changes by hundreds of units."""
    x = np.linspace(-9, 9, 101).astype(dtype) * (1 if dtype == np.float32 else 2.9)
    wide = x.astype(np.longdouble)
    first = factor * np.exp(scale * wide * wide)
    (actual,) = gradient(getattr(special, name), x)
    np.testing.assert_allclose(actual, first.astype(dtype), rtol=8 * np.finfo(dtype).eps, atol=1e-45)
    expected = (2 * scale * wide * first).astype(dtype)
    np.testing.assert_allclose(second(getattr(special, name), x), expected, rtol=8 * np.finfo(dtype).eps, atol=1e-44)


FAR = {  # x -> two derivatives of dawsn and of erfcx, by mpmath 1.3 with 120 digits
    8.5: (-0.00706932025952637237, 0.00169970085200405124, -0.0076520845958465943, 0.00176480687056860034),
    30.0: (-0.000556484063550547906, 0.0000371610109145227719, -0.000625835410507484069, 0.0000416530923844588759),
    1e4: (-5.00000007500000188e-9, 1.00000003000000113e-12, -5.64189575084912745e-9, 1.12837913324413883e-12),
    1e8: (-5.00000000000000075e-17, 1.0000000000000003e-24, -5.64189583547756202e-17, 1.12837916709551224e-24),
}


@pytest.mark.parametrize("x", FAR)
@pytest.mark.parametrize("dtype, rtol", [(np.float32, 1e-6), (np.float64, 2e-15)])
def test_slopes_far_out_in_which_all_cancels(x, dtype, rtol):
    values = np.array([x], dtype)
    derivatives = [d for f in (special.dawsn, special.erfcx) for d in (*gradient(f, values), second(f, values))]
    np.testing.assert_allclose(np.ravel(derivatives), FAR[x], rtol=rtol)


def test_polygamma_at_its_poles():
    for n, slope in enumerate((np.inf, -np.inf, np.inf, -np.inf)):  # from the right
        assert gradient(lambda x, n=n: special.polygamma(n, x), np.array([0.0]))[0].tolist() == [slope]


def test_the_derivative_of_1_over_gamma_at_the_poles_of_gamma():
    x = np.array([0.0, -1.0, -2.0, -3.0, -4.0, 1.0, 2.0])
    euler = 0.5772156649015329
    expected = [1, -1, 2, -6, 24, euler, euler - 1]
    np.testing.assert_allclose(gradient(special.rgamma, x)[0], expected, rtol=1e-14)
    np.testing.assert_allclose(gradient(special.rgamma, x.astype(np.float32))[0], expected, rtol=1e-6)
    assert second(special.rgamma, np.array([0.0, 1e-200])) == pytest.approx([2 * euler] * 2, rel=1e-14)


def test_the_derivative_of_beta_where_it_is_0():
    """gamma(-1/2) gamma(1/2) times the derivative 1 of 1 / gamma at 0."""
    for slope in gradient(special.beta, np.array([-0.5, 0.5]), np.array([0.5, -0.5])):
        np.testing.assert_allclose(slope, [-2 * np.pi] * 2, rtol=1e-14)
