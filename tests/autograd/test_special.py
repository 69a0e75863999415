import sys

import numpy as np
import pytest

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


def test_slopes_at_zero():
    assert gradient(special.erf, 0.0) == [pytest.approx(2 / np.sqrt(np.pi))]
    assert gradient(special.j1, 0.0) == [0.5] and gradient(special.i1, 0.0) == [0.5]
    for f in (special.xlogy, special.rel_entr):
        assert np.all(np.isfinite(gradient(f, 0.0, 0.0)))
    assert np.isfinite(gradient(special.entr, 0.0)[0])


def test_an_order_has_no_gradient():
    with pytest.raises(TypeError, match="jv: no gradient with respect to the order"):
        special.jv(Tensor(1.0, requires_grad=True), 2.0)


def test_what_has_no_rule_is_named():
    with pytest.raises(TypeError, match="ellipk has no rule"):
        scipy_special.ellipk(Tensor(0.5))


def test_without_scipy_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy.special", None)
    with pytest.raises(ImportError, match=r"erf: .*pullback\[special\]"):
        special.erf(1.0)
