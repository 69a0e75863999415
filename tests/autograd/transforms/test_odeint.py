"""odeint beside matrix exponentials, closed forms and SciPy's solvers, with derivatives of first and second order."""

import numpy as np
import pytest

from pullback import Tensor, grad, hessian, jacobian, jvp, no_grad, odeint, vjp, vmap
from pullback.testing import gradcheck

A = np.array([[0.0, 1.0], [-2.0, -0.3]])
Y0 = np.array([1.0, -0.5])
T = np.array([0.2, 0.7, 2.0])
TIGHT = {"rtol": 1e-11, "atol": 1e-11}


def linear(y, t, a):
    return a @ y


def van_der_pol(y, t, mu):
    return np.stack([y[1], mu * (1 - y[0] ** 2) * y[1] - y[0]])


def test_linear_systems_are_matrix_exponentials():
    linalg = pytest.importorskip("scipy.linalg")
    found = odeint(linear, Y0, T, A, **TIGHT)
    expected = np.stack([linalg.expm(A * (t - T[0])) @ Y0 for t in T])
    np.testing.assert_allclose(found.numpy(), expected, 1e-9)
    np.testing.assert_array_equal(found[0].numpy(), Y0)


def test_gradients_of_linear_systems():
    """w . y(t1), whose derivatives are by y0 expm(A' t) w and by the end w' A y."""
    linalg = pytest.importorskip("scipy.linalg")
    w, t = np.array([2.0, 1.0]), np.array([0.5, 1.7])

    def f(y0, t, a):
        return np.sum(w * odeint(linear, y0, t, a, **TIGHT)[-1])

    by_y, by_t, by_a = grad(f, (0, 1, 2))(Y0, t, A)
    power = linalg.expm(A * 1.2)
    np.testing.assert_allclose(by_y.numpy(), power.T @ w, 1e-8)
    speed = w @ A @ power @ Y0
    np.testing.assert_allclose(by_t.numpy(), [-speed, speed], 1e-8)
    expected = np.array([[w @ linalg.expm_frechet(A * 1.2, 1.2 * _unit(i, j))[1] @ Y0 for j in (0, 1)] for i in (0, 1)])
    np.testing.assert_allclose(by_a.numpy(), expected, 1e-8)


def _unit(i, j):
    unit = np.zeros((2, 2))
    unit[i, j] = 1
    return unit


@pytest.mark.parametrize("mu", [0.5, 5.0])
def test_van_der_pol_is_scipys(mu):
    integrate = pytest.importorskip("scipy.integrate")
    times = np.linspace(0.0, 12.0, 25)
    found = odeint(van_der_pol, np.array([2.0, 0.0]), times, mu, **TIGHT)
    theirs = integrate.solve_ivp(
        lambda t, y: [y[1], mu * (1 - y[0] ** 2) * y[1] - y[0]], (0, 12), [2.0, 0.0], "DOP853", times, rtol=1e-12,
        atol=1e-12,
    )  # fmt: skip
    np.testing.assert_allclose(found.numpy(), theirs.y.T, 1e-7, 1e-8)


def test_default_tolerances_hold():
    found = odeint(lambda y, t: -y, 1.0, np.linspace(0, 5, 11)).numpy()
    np.testing.assert_allclose(found, np.exp(-np.linspace(0, 5, 11)), 1e-7, 1e-7)
    rough = odeint(lambda y, t: -y, 1.0, [0.0, 5.0], rtol=1e-3, atol=1e-3)[1].item()
    assert 1e-9 < abs(rough - np.exp(-5.0)) < 5e-3


def test_gradients_are_finite_differences():
    inputs = [Tensor(x, requires_grad=True) for x in (np.array([1.5, -0.4]), T[:2], np.array(0.8))]
    assert gradcheck(lambda y0, t, mu: odeint(van_der_pol, y0, t, mu, **TIGHT)[1], inputs)


def test_analytic_sensitivity_of_logistic_growth():
    """y = k / (1 + (k / y0 - 1) exp(-r t)), its derivatives of both orders by the formula."""

    def growth(y0, r, k):
        return odeint(lambda y, t, r, k: r * y * (1 - y / k), y0, [0.0, 1.5], r, k, rtol=1e-9, atol=1e-9)[1]

    def formula(y0, r, k):
        return k / (1 + (k / y0 - 1) * np.exp(-1.5 * r))

    at = (0.3, 1.2, 2.0)
    np.testing.assert_allclose(growth(*at).item(), formula(*at), 1e-9)
    for found, true in zip(grad(growth, (0, 1, 2))(*at), grad(formula, (0, 1, 2))(*at), strict=True):
        np.testing.assert_allclose(found.item(), true.item(), 1e-8)
    ours, theirs = hessian(growth, (0, 1, 2))(*at), hessian(formula, (0, 1, 2))(*at)
    np.testing.assert_allclose(
        [[x.item() for x in row] for row in ours], [[x.item() for x in row] for row in theirs], 1e-6
    )


def test_derivatives_of_third_order():
    decay = lambda r: odeint(lambda y, t, r: -r * y, 1.0, [0.0, 1.0], r)[1]  # noqa: E731
    np.testing.assert_allclose(grad(grad(grad(decay)))(2.0).item(), -np.exp(-2.0), 1e-6)
    np.testing.assert_allclose(grad(lambda r: jvp(decay, (r,), (1.0,))[1])(2.0).item(), np.exp(-2.0), 1e-6)
    np.testing.assert_allclose(jvp(grad(decay), (2.0,), (1.0,))[1].item(), np.exp(-2.0), 1e-6)


def test_all_times_have_cotangents_and_tangents():
    def f(y0, t, a):
        return odeint(linear, y0, t, a, **TIGHT)

    rng = np.random.default_rng(0)
    point, direction = (Y0, T, A), tuple(rng.normal(size=np.shape(x)) for x in (Y0, T, A))
    g = rng.normal(size=(3, 2))
    tangent = jvp(f, point, direction)[1]
    back = vjp(f, *point)[1](g)
    pulled = sum(np.sum(b.numpy() * d) for b, d in zip(back, direction, strict=True))
    np.testing.assert_allclose(np.sum(g * tangent.numpy()), pulled, 1e-8)
    eps = 1e-6
    ahead, behind = (f(*(x + s * eps * d for x, d in zip(point, direction, strict=True))).numpy() for s in (1, -1))
    np.testing.assert_allclose(tangent.numpy(), (ahead - behind) / (2 * eps), 1e-6, 1e-8)


def test_equations_that_depend_on_time():
    """dy/dt = p cos(t): y = y0 + p (sin(t1) - sin(t0))."""
    f = lambda y0, t, p: odeint(lambda y, t, p: p * np.cos(t), y0, t, p, **TIGHT)[-1]  # noqa: E731
    by_y, by_t, by_p = grad(f, (0, 1, 2))(1.0, [0.3, 0.9], 2.0)
    expected = [1, -2 * np.cos(0.3), 2 * np.cos(0.9), np.sin(0.9) - np.sin(0.3)]
    np.testing.assert_allclose([by_y.item(), *by_t.tolist(), by_p.item()], expected, 1e-9)


def test_nests_of_states_and_arguments():
    def f(y, t, p, power):
        return {"x": p["k"][0] * y["v"][0], "v": (-p["k"][1] * y["x"] ** power,)}

    y0 = {"x": np.array([1.0, 2.0]), "v": (np.array([0.0, 0.5]),)}
    p = {"k": [Tensor(1.0), Tensor(4.0)]}
    out = odeint(f, y0, T, p, 1, **TIGHT)  # sqrt(4) is the frequency
    assert out["x"].shape == (3, 2) == out["v"][0].shape
    s = 2 * (T[:, None] - T[0])
    np.testing.assert_allclose(out["x"].numpy(), y0["x"] * np.cos(s) + y0["v"][0] / 2 * np.sin(s), 1e-8, 1e-9)
    found = grad(lambda p: np.sum(odeint(f, y0, T, p, 1, **TIGHT)["x"][-1]))(p)["k"]
    s = T[-1] - T[0]
    by_k = np.sum((-y0["x"] * s / 4 - y0["v"][0] / 16) * np.sin(2 * s) + y0["v"][0] * s / 8 * np.cos(2 * s))
    np.testing.assert_allclose(found[1].item(), by_k, 1e-8)


def test_batches_have_steps_of_their_own():
    decay = lambda y0, r: odeint(lambda y, t, r: -r * y, y0, [0.0, 1.0], r, **TIGHT)[1]  # noqa: E731
    rates = np.array([1.0, 40.0])
    np.testing.assert_allclose(vmap(decay)(np.ones(2), rates).numpy(), np.exp(-rates), 1e-6, 1e-11)
    np.testing.assert_allclose(vmap(grad(decay, 1))(np.ones(2), rates).numpy(), -np.exp(-rates), 1e-6, 1e-11)
    whole = jacobian(lambda r: vmap(decay)(np.ones(2), r))(rates)
    np.testing.assert_allclose(whole.numpy(), -np.diag(np.exp(-rates)), 1e-6, 1e-11)


def test_dtypes():
    y0 = np.array([1.0, 0.5], np.float32)
    rate = Tensor(np.float32(1), requires_grad=True)
    out = odeint(lambda y, t, r: -r * y, y0, [0.0, 1.0], rate)
    out.sum().backward()
    assert out.dtype == np.float32 == rate.grad.dtype
    np.testing.assert_allclose(out[1].numpy(), y0 * np.exp(-1), 2e-6)
    np.testing.assert_allclose(rate.grad.item(), -1.5 * np.exp(-1), 1e-5)
    assert odeint(lambda y, t, r: -r * y, y0, [0.0, 1.0], 1.0).dtype == np.float32
    assert odeint(lambda y, t: y, 1, [0, 1])[1].item() == pytest.approx(np.e, 1e-7)
    assert odeint(lambda y, t: y, 2.0, [3.0]).tolist() == [2.0]


def test_what_does_not_fit():
    decay = lambda y, t: -y  # noqa: E731
    for t in ([0.0, 1.0, 1.0], [1.0, 0.0], [], 1.0, [0.0, np.nan]):
        with pytest.raises(ValueError, match="increasing times"):
            odeint(decay, 1.0, t)
    with pytest.raises(ValueError, match=r"shape \(2,\) for a y of shape \(3,\)"):
        odeint(lambda y, t: y[:2], np.ones(3), [0.0, 1.0])
    with pytest.raises(ValueError, match="odeint: func's result"):
        odeint(lambda y, t: y["a"], {"a": 1.0}, [0.0, 1.0])
    with pytest.raises(RuntimeError, match=r"at t = 1.00000000\d+ steps become shorter"):
        odeint(lambda y, t: y * y, 1.0, [0.0, 2.0])  # 1 / (1 - t)
    with pytest.raises(RuntimeError, match="3 steps do not lead from t = 0.0 to 9.0"):
        odeint(decay, 1.0, [0.0, 9.0], mxstep=3)
    with pytest.raises(TypeError, match="complex"):
        odeint(decay, 1j, [0.0, 1.0])
    outside = Tensor(2.0, requires_grad=True)
    with pytest.raises(TypeError, match="give them as args"):
        odeint(lambda y, t: -outside * y, 1.0, [0.0, 1.0])
    with pytest.raises(TypeError, match="give them as args"):
        jvp(lambda r: odeint(lambda y, t: -r * y, 1.0, [0.0, 1.0]), (2.0,), (1.0,))
    with no_grad():
        assert odeint(lambda y, t: -outside * y, 1.0, [0.0, 1.0])[1].item() == pytest.approx(np.exp(-2), 1e-7)


def test_an_equation_that_blows_up_at_once_is_an_error():
    with pytest.raises(RuntimeError, match="steps become shorter"):
        odeint(lambda y, t: y * np.nan, 1.0, [0.0, 1.0])


def test_few_evaluations_are_needed():
    """A step of Dormand and Prince takes six, its last slope being the next one's first."""
    calls = []

    def f(y, t):
        calls.append(t)
        return -y

    odeint(f, 1.0, [0.0, 1.0], rtol=1e-6, atol=1e-6, mxstep=16)
    assert len(calls) < 100
