"""SciPy's solvers take functions that transforms made, and give arrays back."""

import numpy as np
import pytest

import pullback as pb
from pullback import Tensor, grad, hessian, hvp, jacobian, on_arrays, value_and_grad

optimize = pytest.importorskip("scipy.optimize")
integrate = pytest.importorskip("scipy.integrate")

GRADIENT = ["CG", "BFGS", "L-BFGS-B", "TNC", "SLSQP", "trust-constr"]
HESSIAN = ["Newton-CG", "dogleg", "trust-ncg", "trust-exact", "trust-krylov", "trust-constr"]
PRODUCT = ["Newton-CG", "trust-ncg", "trust-krylov", "trust-constr"]
PLAIN = ["Nelder-Mead", "Powell", "COBYLA", "COBYQA"]
START = np.array([1.5, -0.5, 0.25])
MINIMUM = np.array([1.0, 2.0, -1.0])


def bowl(x):
    """Convex, with the value 3 at its minimum."""
    d = x - MINIMUM
    return pb.sum(pb.cosh(d)) + pb.sum(d**2) * 0.5 + d[0] * d[1] * 0.25


def arrays_only(result):
    for name, value in result.items():
        for part in value if isinstance(value, (list, tuple)) else [value]:
            assert not isinstance(part, Tensor), name
    assert type(result.x) is np.ndarray


def minimized(method, **options):
    start = START.copy()
    result = optimize.minimize(on_arrays(value_and_grad(bowl)), start, jac=True, method=method, tol=1e-9, **options)
    arrays_only(result)
    np.testing.assert_allclose(result.x, MINIMUM, atol=1e-4)
    assert result.fun == pytest.approx(3.0)
    np.testing.assert_array_equal(start, START)


@pytest.mark.parametrize("method", GRADIENT)
def test_minimize_with_gradients(method):
    minimized(method)


@pytest.mark.parametrize("method", HESSIAN)
def test_minimize_with_hessians(method):
    minimized(method, hess=on_arrays(hessian(bowl)))


@pytest.mark.parametrize("method", PRODUCT)
def test_minimize_with_products(method):
    minimized(method, hessp=on_arrays(lambda x, v: hvp(bowl, x, v)))


@pytest.mark.parametrize("method", PLAIN)
def test_minimize_without_gradients(method):
    result = optimize.minimize(on_arrays(bowl), START, method=method, tol=1e-8)
    arrays_only(result)
    np.testing.assert_allclose(result.x, MINIMUM, atol=1e-3)


def test_every_method_of_minimize_is_tested():
    from scipy.optimize._minimize import MINIMIZE_METHODS

    assert {m.lower() for m in MINIMIZE_METHODS} == {m.lower() for m in {*GRADIENT, *HESSIAN, *PRODUCT, *PLAIN}}


def test_constraints():
    # the point of the line x + y = 1 that is nearest to the origin
    def off_the_line(x):
        return x[0] + x[1] - 1

    def distance(x):
        return (x**2).sum()

    line = {"type": "eq", "fun": on_arrays(off_the_line), "jac": on_arrays(grad(off_the_line))}
    result = optimize.minimize(
        on_arrays(distance), [2.0, 0.0], jac=on_arrays(grad(distance)), method="SLSQP", constraints=[line]
    )
    np.testing.assert_allclose(result.x, [0.5, 0.5], atol=1e-7)


def system(x):
    """Zero at (1, 2)."""
    return pb.stack([x[0] ** 2 + x[1] - 3, x[0] * x[1] - 2])


@pytest.mark.parametrize("method", ["trf", "dogbox", "lm"])
def test_least_squares(method):
    derivatives, exact = on_arrays(jacobian(system)), {"ftol": 1e-14, "xtol": 1e-14, "gtol": 1e-14}
    result = optimize.least_squares(on_arrays(system), [1.2, 1.7], derivatives, method=method, **exact)
    arrays_only(result)
    np.testing.assert_allclose(result.x, [1.0, 2.0], rtol=1e-7)


@pytest.mark.parametrize("method", ["hybr", "lm"])
def test_root(method):
    result = optimize.root(on_arrays(system), [1.2, 1.7], jac=on_arrays(jacobian(system)), method=method)
    arrays_only(result)
    np.testing.assert_allclose(result.x, [1.0, 2.0], rtol=1e-7)


DERIVATIVE_FREE = [
    "broyden1",
    "broyden2",
    "anderson",
    "linearmixing",
    "diagbroyden",
    "excitingmixing",
    "krylov",
    "df-sane",
]


def falling(x):
    """Zero at (1, 2), near -x, as simple mixing needs it."""
    a, root = np.array([[0.5, -0.25], [0.25, 0.5]]), np.array([1.0, 2.0])
    return (root - x) + (pb.cos(a @ x) - np.cos(a @ root)) / 4


@pytest.mark.parametrize("method", DERIVATIVE_FREE)
@pytest.mark.parametrize("start", [[0.8, 2.3], np.array([0.8, 2.3]), (0.8, 2.3)])
def test_root_without_derivatives(method, start):
    options = {"df-sane": {}, "anderson": {"tol": 1e-10, "options": {"jac_options": {"M": 1}}}}
    result = optimize.root(on_arrays(falling), start, method=method, **options.get(method, {"tol": 1e-10}))
    arrays_only(result)
    assert result.success
    np.testing.assert_allclose(result.x, [1.0, 2.0], atol=1e-6)


def test_every_method_of_root_is_tested():
    from scipy.optimize._root import ROOT_METHODS

    assert set(ROOT_METHODS) == {"hybr", "lm", *DERIVATIVE_FREE}


def test_root_of_value_and_jacobian():
    result = optimize.root(on_arrays(lambda x: (system(x), jacobian(system)(x))), [1.2, 1.7], jac=True)
    np.testing.assert_allclose(result.x, [1.0, 2.0], rtol=1e-7)


CUBE = {
    "bisect": {"bracket": (0.0, 5.0)},
    "brentq": {"bracket": (0.0, 5.0)},
    "brenth": {"bracket": (0.0, 5.0)},
    "ridder": {"bracket": (0.0, 5.0)},
    "toms748": {"bracket": (0.0, 5.0)},
    "secant": {"x0": 3.0, "x1": 2.5},
    "newton": {"x0": 3.0, "fprime": on_arrays(grad(lambda x: x**3 - 8))},
    "halley": {
        "x0": 3.0,
        "fprime": on_arrays(grad(lambda x: x**3 - 8)),
        "fprime2": on_arrays(grad(grad(lambda x: x**3 - 8))),
    },
}


@pytest.mark.parametrize("method", CUBE)
def test_methods_of_root_scalar(method):
    result = optimize.root_scalar(on_arrays(lambda x: Tensor(x) ** 3 - 8), method=method, **CUBE[method])
    assert result.converged and result.root == pytest.approx(2.0)


def test_root_scalar():
    def pair(x):
        return value_and_grad(lambda x: x**3 - 8)(float(x))

    assert optimize.root_scalar(on_arrays(pair), x0=3.0, fprime=True, method="newton").root == pytest.approx(2.0)


@pytest.mark.parametrize("method", ["lm", "trf", "dogbox"])
def test_curve_fit(method):
    def decay(t, a, b):
        return a * pb.exp(-b * t)

    t = np.linspace(0, 2, 9)
    slopes = on_arrays(lambda t, a, b: pb.stack(jacobian(decay, (1, 2))(t, a, b), axis=-1))
    values = 2 * np.exp(-1.3 * t)
    found, covariance = optimize.curve_fit(on_arrays(decay), t, values, (1.0, 1.0), jac=slopes, method=method)
    assert type(found) is type(covariance) is np.ndarray
    np.testing.assert_allclose(found, [2.0, 1.3], rtol=1e-7)


@pytest.mark.parametrize("method", ["RK45", "RK23", "DOP853", "Radau", "BDF", "LSODA"])
def test_solve_ivp(method):
    def rotation(t, y):
        return pb.stack([y[1], -y[0]])

    implicit = {"jac": on_arrays(jacobian(rotation, 1))} if method in ("Radau", "BDF", "LSODA") else {}
    result = integrate.solve_ivp(on_arrays(rotation), (0.0, 1.0), [1.0, 0.0], method, rtol=1e-8, atol=1e-10, **implicit)
    assert type(result.y) is np.ndarray
    np.testing.assert_allclose(result.y[:, -1], [np.cos(1.0), -np.sin(1.0)], rtol=1e-6)


@pytest.mark.parametrize("method", ["trf", "dogbox", "lm"])
def test_options_of_least_squares(method):
    """Bounds, losses and the linear problem inside; the Jacobian as an array."""
    slopes = on_arrays(jacobian(system))
    options = [{}] if method == "lm" else [{"loss": "soft_l1"}, {"tr_solver": "lsmr"}, {"bounds": ([0, 0], [5, 1.9])}]
    for more in options:
        result = optimize.least_squares(on_arrays(system), [1.2, 1.7], slopes, method=method, **more)
        arrays_only(result)
        assert result.success
        inside = "bounds" not in more
        np.testing.assert_allclose(result.x[inside:], [1.0, 2.0][inside:] if inside else [result.x[0], 1.9], rtol=1e-4)


def test_methods_of_minimize_scalar():
    f = on_arrays(lambda x: (Tensor(x) - 2) ** 4 + 1)
    for method, more in [("brent", {}), ("golden", {}), ("bounded", {"bounds": (0.0, 5.0)})]:
        assert optimize.minimize_scalar(f, method=method, **more).fun == pytest.approx(1.0)


def test_functions_that_take_more_arguments():
    def shifted(x, shift, scale):
        return ((x - shift) ** 2).sum() * scale

    both = on_arrays(value_and_grad(shifted))
    for method in GRADIENT:
        result = optimize.minimize(both, np.zeros(2), args=(np.array([1.0, 2.0]), 3.0), jac=True, method=method)
        arrays_only(result)
        np.testing.assert_allclose(result.x, [1.0, 2.0], atol=1e-4)


def test_check_grad_and_global_searches():
    assert optimize.check_grad(on_arrays(bowl), on_arrays(grad(bowl)), START) < 1e-6
    local = {"jac": True, "method": "L-BFGS-B"}
    result = optimize.basinhopping(on_arrays(value_and_grad(bowl)), START, niter=2, minimizer_kwargs=local, rng=0)
    np.testing.assert_allclose(result.x, MINIMUM, atol=1e-4)


def test_the_arrays_are_the_callers():
    weights, tensor = np.array([1.0, 2.0]), Tensor([3.0, 4.0], requires_grad=True)
    first = on_arrays(grad(lambda x: (x * weights).sum()))(np.ones(2))
    first[:] = 0
    np.testing.assert_array_equal(weights, [1.0, 2.0])
    same = on_arrays(lambda: tensor)()
    same[:] = 0
    np.testing.assert_array_equal(tensor.data, [3.0, 4.0])


def test_nests_and_numbers():
    out = on_arrays(lambda: {"a": (Tensor(2.0), None), "b": [Tensor([1.0]), "text"]})()
    assert type(out["a"][0]) is np.float64 and out["a"][1] is None
    assert type(out["b"][0]) is np.ndarray and out["b"][1] == "text"


def test_inside_a_transform_there_is_no_array():
    with pytest.raises(TypeError):
        grad(lambda x: on_arrays(lambda y: y * 2)(x).sum())(np.ones(2))
