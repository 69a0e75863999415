"""SciPy's optimizers by `optim.minimize`, beside SciPy called by hand with derivatives on paper."""

import sys

import numpy as np
import pytest

from pullback import Tensor, nn, no_grad, optim
from pullback.optim import minimize

scipy_optimize = pytest.importorskip("scipy.optimize")
rosen, rosen_der = scipy_optimize.rosen, scipy_optimize.rosen_der

WITHOUT = ["Nelder-Mead", "Powell", "COBYLA", "COBYQA"]
GRADIENT = ["CG", "BFGS", "L-BFGS-B", "TNC", "SLSQP", None]
PRODUCTS = ["Newton-CG", "trust-ncg", "trust-krylov", "trust-constr"]
HESSIAN = ["dogleg", "trust-exact"]
START = np.array([1.05, 1.1, 1.2])  # the Hessian is positive there, as "dogleg" wants it


def rosenbrock(x):
    return (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()


def nested(nest):
    (y, z) = nest["rest"]
    return rosenbrock(np.stack([nest["x"], y[0], z]))


def nest_of(x):
    return {"x": Tensor(x[0]), "rest": (x[1:2], x[2])}


@pytest.mark.parametrize("method", [*WITHOUT, *GRADIENT, *PRODUCTS, *HESSIAN])
def test_each_method_has_the_derivatives_that_it_uses(monkeypatch, method):
    given = {}
    monkeypatch.setattr(scipy_optimize, "minimize", lambda f, x0, **options: given.update(options, f=f, x0=x0) or 1 / 0)
    with pytest.raises(ZeroDivisionError):
        minimize(nested, nest_of(START), method=method, tol=1e-3, options={"maxiter": 7})
    assert given["method"] == method and given["tol"] == 1e-3 and given["options"] == {"maxiter": 7}
    assert np.array_equal(given["x0"], START) and given["x0"].dtype == np.float64
    assert ("jac" in given, "hess" in given, "hessp" in given) == (
        method not in WITHOUT, method in HESSIAN, method in PRODUCTS
    )  # fmt: skip
    rng = np.random.default_rng(0)
    for x, v in rng.normal(size=(5, 2, 3)):
        value = given["f"](x)
        if method not in WITHOUT:
            value, gradient = value
            np.testing.assert_allclose(gradient, rosen_der(x), rtol=1e-12, atol=1e-10)
        np.testing.assert_allclose(value, rosen(x), rtol=1e-13)
        if method in HESSIAN:
            np.testing.assert_allclose(given["hess"](x), scipy_optimize.rosen_hess(x), rtol=1e-12, atol=1e-10)
        if method in PRODUCTS:
            np.testing.assert_allclose(
                given["hessp"](x, v), scipy_optimize.rosen_hess_prod(x, v), rtol=1e-11, atol=1e-9
            )


@pytest.mark.parametrize("method", [*WITHOUT[1:2], *GRADIENT, *PRODUCTS, *HESSIAN])
def test_it_comes_where_scipy_comes(method):
    hand = {}
    if method in PRODUCTS:
        hand["hessp"] = scipy_optimize.rosen_hess_prod
    if method in HESSIAN:
        hand["hess"] = scipy_optimize.rosen_hess
    if method not in WITHOUT:
        hand["jac"] = rosen_der
    expected = scipy_optimize.minimize(rosen, START, method=method, **hand)
    result = minimize(nested, nest_of(START), method=method)
    assert result.success and isinstance(result, scipy_optimize.OptimizeResult)
    assert isinstance(result.x["x"], Tensor) and isinstance(result.x["rest"][0], np.ndarray)
    x = np.array([result.x["x"].item(), result.x["rest"][0][0], result.x["rest"][1]])
    np.testing.assert_allclose(x, expected.x, rtol=0, atol=1e-6)
    np.testing.assert_allclose(result.fun, expected.fun, rtol=0, atol=1e-10)


def test_numbers_lists_and_dtypes():
    result = minimize(lambda p: ((p[0] - 3) ** 2).sum() + (p[1] + 1) ** 2, ([1, 2], 0))
    np.testing.assert_allclose(result.x[0], [3, 3], atol=1e-6)
    np.testing.assert_allclose(result.x[1], -1, atol=1e-6)
    seen = []
    single = minimize(lambda x: seen.append(x.dtype) or ((x - 2) ** 2).sum(), np.zeros((2, 2), np.float32))
    assert single.x.dtype == np.float32 and single.x.shape == (2, 2) and set(seen) == {np.dtype(np.float32)}
    np.testing.assert_allclose(single.x, np.full((2, 2), 2), atol=1e-3)
    with no_grad():
        assert minimize(lambda x, a, b: (x - a * b) ** 2, 0.0, (2.0, 3.0)).x == pytest.approx(6)


def logistic():
    """Data, and the penalized loss of logistic regression and its gradient in (w, b), on paper."""
    rng = np.random.default_rng(0)
    features = rng.normal(size=(60, 3))
    labels = np.sign(features @ [1.0, -2.0, 0.5] + rng.normal(size=60))

    def loss(v):
        margins = labels * (features @ v[:3] + v[3])
        weights = -labels / (1 + np.exp(margins)) / 60
        value = np.log1p(np.exp(-margins)).mean() + 0.05 * (v[:3] ** 2).sum()
        return value, np.append(features.T @ weights + 0.1 * v[:3], weights.sum())

    return features, labels, loss


@pytest.mark.parametrize(
    ("bounds", "pairs"),
    [
        (None, None),
        ((0, None), [(0, None)] * 4),
        ((None, 0.3), [(None, 0.3)] * 4),
        (({"w": [0, -1, 0], "b": None}, {"w": 0.5, "b": 0.1}), [(0, 0.5), (-1, 0.5), (0, 0.5), (None, 0.1)]),
        (([(0, 1)] * 4), [(0, 1)] * 4),
        (scipy_optimize.Bounds(-0.5, 0.5), [(-0.5, 0.5)] * 4),
    ],
    ids=str,
)
def test_logistic_regression(bounds, pairs):
    features, labels, by_hand = logistic()

    def loss(p):
        margins = labels * (features @ p["w"] + p["b"])
        return np.logaddexp(0, -margins).mean() + 0.05 * (p["w"] ** 2).sum()

    precise = {"ftol": 1e-15, "gtol": 1e-10}
    result = minimize(loss, {"w": np.full(3, 0.1), "b": 0.1}, method="L-BFGS-B", bounds=bounds, options=precise)
    start = np.full(4, 0.1)
    expected = scipy_optimize.minimize(by_hand, start, jac=True, method="L-BFGS-B", bounds=pairs, options=precise)
    np.testing.assert_allclose([*result.x["w"], result.x["b"]], expected.x, atol=1e-7)


def test_constraints():
    def f(p):
        return ((p["x"] - 2) ** 2).sum()

    start = {"x": np.array([0.1, 0.2])}
    circle = lambda p: 1 - (p["x"] ** 2).sum()  # noqa: E731
    dicts = {"type": "ineq", "fun": circle}
    scaled = {"type": "ineq", "fun": lambda p, r: r**2 - (p["x"] ** 2).sum(), "args": (2.0,)}
    own = {"type": "ineq", "fun": circle, "jac": lambda x: -2 * x}
    objects = scipy_optimize.NonlinearConstraint(circle, 0, np.inf)
    given = scipy_optimize.NonlinearConstraint(circle, 0, np.inf, jac=lambda x: -2 * x[None])
    for constraints, method, radius in [
        (dicts, "SLSQP", 1), ([own], "SLSQP", 1), ((scaled,), None, 2), (objects, "trust-constr", 1),
        (given, "trust-constr", 1), (objects, "SLSQP", 1), (dicts, "COBYLA", 1),
    ]:  # fmt: skip
        # COBYLA may return what violates a constraint by catol, 1.5e-8 unless given. With f's slope along the radius,
        # 3.7, and the Lagrangian's curvature along the circle, 5.7, a point sqrt(2 * 3.7 / 2 * catol / 5.7) beside the
        # solution counts as better than that: 1e-4 for 1.5e-8, and 8e-7 for 1e-12.
        options = {"catol": 1e-12} if method == "COBYLA" else {}
        result = minimize(f, start, method=method, constraints=constraints, tol=1e-10, options=options)
        near = 1e-4 if method == "trust-constr" else 1e-6
        np.testing.assert_allclose(result.x["x"], [radius / np.sqrt(2)] * 2, atol=near)
    line = scipy_optimize.LinearConstraint([[1, 1]], 1, 1)
    np.testing.assert_allclose(minimize(f, start, constraints=line).x["x"], [0.5, 0.5], atol=1e-8)


def test_jacobians_of_constraints_are_the_engines(monkeypatch):
    given = {}
    monkeypatch.setattr(scipy_optimize, "minimize", lambda f, x0, **options: given.update(options) or 1 / 0)
    of = {"type": "eq", "fun": lambda p: p["x"] ** 2 * p["y"]}
    objects = scipy_optimize.NonlinearConstraint(of["fun"], 0, 1)
    with pytest.raises(ZeroDivisionError):
        minimize(rosenbrock, {"x": np.ones(2), "y": 2.0}, constraints=[of, objects])
    first, second = given["constraints"]
    for fun, jac in ((first["fun"], first["jac"]), (second.fun, second.jac)):
        np.testing.assert_allclose(fun(np.array([1.0, 2.0, 3.0])), [3, 12])
        np.testing.assert_allclose(jac(np.array([1.0, 2.0, 3.0])), [[6, 0, 1], [0, 12, 4]])


# Callbacks


@pytest.mark.parametrize("method", ["Nelder-Mead", "BFGS", "TNC", "COBYLA", "SLSQP", "trust-constr", "trust-ncg"])
def test_callbacks(method):
    xs, results = [], []

    def by_x(x, *state):
        xs.append(x)

    def by_result(intermediate_result):
        results.append(intermediate_result)

    result = minimize(nested, nest_of(START), method=method, callback=by_x)
    minimize(nested, nest_of(START), method=method, callback=by_result)
    assert len(xs) == len(results) >= result.get("nit", 2) - 1
    for x in (xs[-1], results[-1].x):
        np.testing.assert_allclose(x["x"].item(), result.x["x"].item(), atol=1e-3)
        assert isinstance(x["rest"][1], (np.ndarray, np.floating))


def test_a_callback_ends_the_search():
    def stop(x):
        raise StopIteration

    result = minimize(nested, nest_of(START), method="BFGS", callback=stop)
    assert result.nit == 1 and not result.success


# Models


def network():
    nn.manual_seed(0)
    model = nn.Sequential(nn.Linear(2, 5), nn.Tanh(), nn.Linear(5, 1)).double()
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 2))
    return model, lambda: ((model(x) - np.sin(x[:, :1]) * x[:, 1:]) ** 2).mean()


@pytest.mark.slow
@pytest.mark.parametrize(("method", "steps"), [("L-BFGS-B", 60), ("trust-exact", 400)])
def test_a_network_goes_lower_than_by_sgd(method, steps):
    model, loss = network()
    optimizer = optim.SGD(model.parameters(), lr=0.2)
    for _ in range(150):
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()
    reached = loss().item()
    model, loss = network()
    weight, place = model[0].weight, model[0].weight.numpy().copy()
    result = minimize(model, loss=loss, method=method, options={"maxiter": steps})
    assert result.fun == loss().item() < 0.2 * reached and result.nfev < 3 * steps
    if method == "trust-exact":
        assert result.success and np.abs(result.jac).max() < 1e-4
    assert model[0].weight is weight and weight.requires_grad and weight.grad is None
    assert not np.array_equal(weight.numpy(), place) and list(result.x) == [n for n, _ in model.named_parameters()]
    np.testing.assert_array_equal(result.x["0.weight"].numpy(), weight.numpy())


def test_a_model_is_at_the_result_where_the_last_iteration_is_not():
    model, seen = nn.ParameterList([nn.Parameter(START)]), []
    loss = lambda: rosenbrock(model[0])  # noqa: E731
    options = {"method": "COBYLA", "callback": lambda x: seen.append(loss().item()), "options": {"maxiter": 40}}
    result = minimize(model, loss=loss, **options)
    assert seen[-1] != result.fun == loss().item()


def test_parameters_that_are_frozen_and_tied():
    model = nn.Linear(2, 2).double()
    model.bias.requires_grad = False
    model.other = model.weight
    bias = model.bias.numpy().copy()
    result = minimize(model, loss=lambda: ((model.weight - 3) ** 2).sum() + (model.bias + model.other).sum() * 0)
    np.testing.assert_allclose(model.other.numpy(), np.full((2, 2), 3.0), atol=1e-6)
    assert list(result.x) == ["weight"] and np.array_equal(model.bias.numpy(), bias)


@pytest.mark.parametrize("by_result", [False, True])
def test_a_model_is_moved_before_each_callback_and_stays_there(by_result):
    model, loss = network()
    seen = []

    def by_x(x):
        seen.append((loss().item(), x["0.bias"].numpy().copy(), model[0].bias.numpy().copy()))
        if len(seen) == 3:
            raise KeyboardInterrupt

    def of_result(intermediate_result):
        assert intermediate_result.fun == pytest.approx(loss().item(), rel=1e-12)
        by_x(intermediate_result.x)

    with pytest.raises(KeyboardInterrupt):
        minimize(model, loss=loss, method="BFGS", callback=of_result if by_result else by_x)
    assert seen[0][0] > seen[1][0] > seen[2][0] == loss().item()
    for _, x, own in seen:
        np.testing.assert_array_equal(x, own)


def test_a_module_as_a_function():
    model, _ = network()
    result = minimize(lambda x: model(x).sum(), np.zeros(2), bounds=(-1, 1))
    assert np.all(np.abs(result.x) <= 1) and result.fun == pytest.approx(model(result.x).item())


# Bad input


def test_values_with_which_no_search_goes_on():
    for f, match in [
        (lambda x: np.log(x).sum(), "the function is -inf at x0"),
        (lambda x: (x / x).sum(), "the function is nan at x0"),
        (lambda x: (1 / x).sum(), "the function is inf at x0"),
        (lambda x: (1e10 * (1e300 * x)).sum(), "the function is 0.0 at x0, but its gradient not finite"),
    ]:
        with np.errstate(all="ignore"), pytest.raises(FloatingPointError, match=f"minimize: {match}"):
            minimize(f, np.zeros(2))
    with np.errstate(all="ignore"), pytest.raises(FloatingPointError, match=r"is nan in evaluation \d+"):
        minimize(lambda x: np.sqrt(x).sum(), np.ones(2), method="BFGS")


def test_infinity_is_a_step_too_far():
    def barrier(x):
        inside = np.all(x.numpy() > 0)
        return (x - np.log(x)).sum() if inside else 0 * x.sum() + np.inf

    with np.errstate(all="ignore"):
        result = minimize(barrier, np.array([5.0, 0.01]), method="Nelder-Mead")
    np.testing.assert_allclose(result.x, [1, 1], atol=1e-3)


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda: minimize(rosenbrock), TypeError, "give x0, from where .*, or a Module and its loss"),
        (lambda: minimize(rosenbrock, START, loss=lambda: 0), TypeError, "give x0"),
        (lambda: minimize(rosenbrock, loss=lambda: 0), TypeError, "loss is for a Module, not for a function"),
        (lambda: minimize(nn.ReLU(), loss=lambda: 0), ValueError, "no parameter of this ReLU requires gradients"),
        (lambda: minimize(nn.ReLU(), None, (1,), loss=lambda: 0), TypeError, "args are for a function"),
        (lambda: minimize(rosenbrock, {}), ValueError, "x0 has no entries"),
        (lambda: minimize(rosenbrock, [1.0, np.nan]), ValueError, "x0 must be finite, but has nan"),
        (lambda: minimize(rosenbrock, [1j, 2]), TypeError, "x0 must be of real numbers, not complex128"),
        (lambda: minimize(lambda x: x, START), RuntimeError, r"the result has the shape \(3,\)"),
        (lambda: minimize(lambda x: x, START, method="Powell"), RuntimeError, r"gives the shape \(3,\)"),
        (lambda: minimize(lambda x: 1.0, START), TypeError, "expected a Tensor as the result"),
        (lambda: minimize(rosenbrock, START, bounds=(0, 1, 2)), ValueError, "a tuple .low, high., not one of 3"),
        (lambda: minimize(rosenbrock, START, bounds=(1, 0)), ValueError, "a low one is above its high one"),
        (lambda: minimize(rosenbrock, START, bounds=([0, 1], None)), ValueError, r"shape \(2,\) .* of shape \(3,\)"),
        (lambda: minimize(rosenbrock, START, bounds=((0, 1), (0, 1))), TypeError, "a tuple given for an array"),
        (lambda: minimize(nested, nest_of(START), bounds=({"x": 0}, None)), ValueError, "given for a dict of 2"),
    ],
)  # fmt: skip
def test_bad_input(call, error, match):
    with pytest.raises(error, match=match):
        call()


def test_without_scipy(monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy.optimize", None)
    with pytest.raises(ImportError, match=r"minimize: .*pip install pullback\[special\]"):
        minimize(rosenbrock, START)
