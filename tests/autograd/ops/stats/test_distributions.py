"""Distributions on the real line: values and derivatives beside textbook formulas in 60 digits, and SciPy's values."""

import warnings

import numpy as np
import pytest

from pullback import Tensor, grad, hessian, jvp, stats, vmap

pytest.importorskip("scipy")
mpmath = pytest.importorskip("mpmath")

from mpmath import mp, mpf  # noqa: E402
from scipy import stats as theirs  # noqa: E402

from pullback.tests.helpers.densities import CONTINUOUS, DISCRETE  # noqa: E402

LOC, SCALE = 0.25, 1.5
FUNCTIONS = ("logpdf", "pdf", "cdf", "sf", "logcdf", "logsf")
X = np.array([-50.0, -3, -1, -0.3, 0, 0.1, 0.4, 0.5, 0.9, 1, 1.3, 2, 5, 40, np.inf, -np.inf, np.nan])


@pytest.fixture(autouse=True)
def digits():
    with mp.workdps(60):
        yield


def exact(name, function):
    """A function of (x, *shapes, loc, scale) in mpmath."""
    density, parts, *_ = CONTINUOUS[name]
    formula = {"pdf": density, "logpdf": density}.get(function) or parts["sf" in function]

    def f(x, *parameters):
        *shapes, loc, scale = parameters
        value = formula((x - loc) / scale, *shapes) / (scale if "pdf" in function else 1)
        return mp.log(value) if function.startswith("log") else value

    return f


def partials(f, args, order):
    """The derivatives of a function in mpmath: a list, or for order 2 a list of lists."""
    args = [mpf(a) for a in args]
    units = np.eye(len(args), dtype=int)
    if order == 1:
        return np.array([float(mp.diff(f, args, tuple(u.tolist()))) for u in units])
    found = np.zeros((len(args), len(args)))
    for i, u in enumerate(units):
        for j, v in enumerate(units[: i + 1]):
            found[i, j] = found[j, i] = float(mp.diff(f, args, tuple((u + v).tolist())))
    return found


def near(found, expected, rtol):
    """As near as a part of the largest entry, for which the terms of a derivative cancel."""
    found = np.array([np.asarray(x) for x in found], float)
    np.testing.assert_allclose(found, expected, rtol, rtol * np.max(np.abs(expected), initial=0))


def functions_of(name):
    return FUNCTIONS if CONTINUOUS[name][1] else FUNCTIONS[:2]


@pytest.mark.slow
@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("name", CONTINUOUS)
def test_values_and_first_derivatives(name, function):
    if function not in functions_of(name):
        pytest.skip("SciPy has a series for it")
    _, _, shapes, places, far = CONTINUOUS[name]
    ours, f = getattr(getattr(stats, name), function), exact(name, function)
    for z in (*places, *far):
        args = (z * SCALE + LOC, *shapes, LOC, SCALE)
        true = float(f(*map(mpf, args)))
        if true == 0 or abs(true) < 1e-290:
            continue
        # what rounding of (x - loc) / scale alone does to the value, in the tails
        if function in ("cdf", "sf") and true > 1 - 1e-9:
            continue  # derivatives are those of the other part
        slack = 1e-11 + 1e-15 * abs(
            float(mp.diff(f, list(map(mpf, args)), (1, *(0,) * (len(args) - 1)))) * args[0] / true
        )
        np.testing.assert_allclose(ours(*args).item(), true, slack)
        near(grad(ours, tuple(range(len(args))))(*args), partials(f, args, 1), 1e-9 + 10 * slack)


@pytest.mark.slow
@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("name", CONTINUOUS)
def test_second_derivatives(name, function):
    if function not in functions_of(name):
        pytest.skip("SciPy has a series for it")
    _, _, shapes, places, _ = CONTINUOUS[name]
    ours, f = getattr(getattr(stats, name), function), exact(name, function)
    for z in places[::3]:
        args = (z * SCALE + LOC, *shapes, LOC, SCALE)
        rows = hessian(ours, tuple(range(len(args))))(*args)
        near([[np.asarray(x) for x in row] for row in rows], partials(f, args, 2), 1e-7)


@pytest.mark.parametrize("name", [n for n in CONTINUOUS if hasattr(getattr(stats, n), "ppf")])
def test_quantiles_are_the_inverse_of_cdf(name):
    """By the derivatives of an implicit function, from those of cdf in mpmath."""
    _, _, shapes, places, _ = CONTINUOUS[name]
    cdf, ours = exact(name, "cdf"), getattr(stats, name).ppf
    for z in places:
        x = z * SCALE + LOC
        parameters = (*shapes, LOC, SCALE)
        q = float(cdf(mpf(x), *map(mpf, parameters)))
        found = ours(q, *parameters).item()
        np.testing.assert_allclose(found, x, 1e-10)
        by_x, *rest = partials(cdf, (found, *parameters), 1)
        expected = np.array([1 / by_x, *(-r / by_x for r in rest)])
        near(grad(ours, tuple(range(len(parameters) + 1)))(q, *parameters), expected, 1e-8)


@pytest.mark.parametrize("name", CONTINUOUS)
def test_scipys_values_everywhere(name):
    """Inside, outside, at the ends, at infinities and NaN; where SciPy's are NaN at an infinity, or have underflown,
    ours need only be no NaN."""
    shapes = CONTINUOUS[name][2]
    for function in functions_of(name):
        for loc, scale in ((0, 1), (0.2, 1.5)):
            found = getattr(getattr(stats, name), function)(X, *shapes, loc, scale).numpy()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                expected = getattr(getattr(theirs, name), function)(X, *shapes, loc, scale)
            given_up = np.isinf(X) & np.isnan(expected) | (function == "logsf") & np.isinf(expected) & np.isfinite(
                found
            )
            if name == "vonmises":  # on the circle there is no infinity
                given_up |= np.isinf(X)
            assert not np.isnan(found[given_up]).any()
            np.testing.assert_allclose(found[~given_up], expected[~given_up], 1e-11, 1e-300)


@pytest.mark.parametrize("name", CONTINUOUS)
def test_outside_and_at_the_ends_no_gradient_is_nan(name):
    shapes = CONTINUOUS[name][2]
    x = np.concatenate([X[:-1], [1.0 + 1e-9, 0.0, 1.0, -1.0, 2.0]])
    for function in functions_of(name):
        f = getattr(getattr(stats, name), function)
        numbers = range(len(shapes) + 3)
        gradients = grad(lambda *args, f=f: _finite_sum(f(*args)), tuple(numbers))(x, *shapes, 0.0, 1.0)
        for g in gradients:
            assert not np.isnan(g.numpy()).any(), (function, g)


def _finite_sum(out):
    """The sum of what is finite: -inf - -inf is NaN by itself."""
    return np.sum(np.where(np.isinf(out), 0, out))


@pytest.mark.parametrize(
    ("name", "shapes"), [("gamma", (2.3,)), ("beta", (2.0, 3.0)), ("lognorm", (0.7,)), ("pareto", (2.0,))]
)
def test_outside_of_the_support(name, shapes):
    family = getattr(stats, name)
    x = Tensor([-2.0, -1e-9, -np.inf], requires_grad=True)
    out = family.logpdf(x, *shapes)
    out.backward(np.ones(3))
    assert (out.numpy() == -np.inf).all() and (x.grad.numpy() == 0).all()
    assert (family.pdf(x, *shapes).numpy() == 0).all() and (family.cdf(x, *shapes).numpy() == 0).all()
    assert (family.sf(x, *shapes).numpy() == 1).all() and (family.logcdf(x, *shapes).numpy() == -np.inf).all()


def test_densities_at_the_ends():
    assert stats.gamma.logpdf(0.0, 1.0).item() == 0 and grad(stats.gamma.logpdf)(0.0, 1.0).item() == -1
    assert stats.gamma.logpdf(0.0, 0.5).item() == np.inf and stats.gamma.logpdf(0.0, 2.0).item() == -np.inf
    assert stats.beta.pdf(1.0, 2.0, 1.0).item() == 2 and stats.beta.pdf(0.0, 2.0, 1.0).item() == 0
    for args in ((0.0, 2.0, 0.0, 1.5), (0.0, 0.5, 0.0, 1.5)):
        assert all(g.item() == 0 for g in grad(stats.gamma.logpdf, (0, 1, 2, 3))(*args))


@pytest.mark.parametrize("name", CONTINUOUS)
def test_wrong_parameters_give_nan_and_no_gradient(name):
    family, shapes = getattr(stats, name), CONTINUOUS[name][2]
    for function in functions_of(name):
        f = getattr(family, function)
        assert np.isnan(f(0.5, *shapes, 0.0, -1.0).item()) and np.isnan(f(0.5, *shapes, 0.0, 0.0).item())
        for i in range(len(shapes)):
            bad = [-3.0 if i == j else s for j, s in enumerate(shapes)]
            if name != "truncnorm" or i:
                assert np.isnan(f([0.5, 2.0], *bad).numpy()).all()
                assert (grad(lambda x, f=f, bad=bad: np.nansum(f(x, *bad)))([0.5, 2.0]).numpy() == 0).all()


@pytest.mark.slow
@pytest.mark.parametrize("name", CONTINUOUS)
def test_dtypes_broadcasting_and_transforms(name):
    family, shapes = getattr(stats, name), CONTINUOUS[name][2]
    places = np.array(CONTINUOUS[name][3])
    for function in (*functions_of(name), *(("ppf",) if hasattr(family, "ppf") else ())):
        f = getattr(family, function)
        x = np.array([0.2, 0.5, 0.7]) if function == "ppf" else places
        single = Tensor(x.astype(np.float32), requires_grad=True)
        out = f(single, *shapes)
        out.sum().backward()
        assert out.dtype == np.float32 == single.grad.dtype
        np.testing.assert_allclose(out.numpy(), f(x, *shapes).numpy(), 3e-5, 1e-6)
        assert f(1, *shapes).dtype == np.float64 == f(np.array([1]), *shapes).dtype
        loc = np.array([[0.0], [0.1]]) if function == "ppf" else np.zeros((2, 1))
        assert f(x, *shapes, loc, 1.0).shape == (2, 3)
        batched = vmap(lambda x, f=f: f(x, *shapes))(x)
        np.testing.assert_allclose(batched.numpy(), [f(v, *shapes).item() for v in x], 1e-13)
        slopes = vmap(grad(lambda x, f=f: f(x, *shapes)))(x)
        forward = [jvp(lambda x, f=f: f(x, *shapes), (v,), (1.0,))[1].item() for v in x]
        np.testing.assert_allclose(slopes.numpy(), forward, 1e-10, 1e-14)


@pytest.mark.parametrize("name", [n for n in CONTINUOUS if hasattr(getattr(stats, n), "rvs")])
def test_draws_have_their_distribution(name):
    from pullback import manual_seed

    manual_seed(0)
    family, shapes = getattr(stats, name), CONTINUOUS[name][2]
    draws = family.rvs(*shapes, LOC, SCALE, size=(4000,))
    assert draws.shape == (4000,) and draws.dtype == np.float64
    frozen = getattr(theirs, name)(*shapes, LOC, SCALE)
    assert theirs.kstest(draws.numpy(), frozen.cdf).pvalue > 1e-3
    assert family.rvs(*shapes, Tensor(np.zeros(3, np.float32)), np.float32(1)).shape == (3,)


@pytest.mark.slow
@pytest.mark.parametrize("function", ["logpmf", "pmf", "cdf", "sf", "logcdf", "logsf"])
@pytest.mark.parametrize("name", DISCRETE)
def test_discrete_values_and_derivatives(name, function):
    mass, parts, shapes, asked, places = DISCRETE[name]
    formula = mass if "pmf" in function else parts["sf" in function]

    def f(k, *shapes):
        value = formula(k, *shapes)
        return mp.log(value) if function.startswith("log") else value

    ours = getattr(getattr(stats, name), function)
    for k in places:
        np.testing.assert_allclose(ours(k, *shapes).item(), float(f(mpf(k), *map(mpf, shapes))), 1e-11)
        free = [shapes[i] for i in asked]

        def put(values):
            values = iter(values)
            return [next(values) if i in asked else s for i, s in enumerate(shapes)]

        def by_mp(*values, k=k, put=put):
            return f(mpf(k), *put(values))

        def by_ours(*values, k=k, put=put):
            return ours(k, *put(values))

        numbers = tuple(range(len(free)))
        near(grad(by_ours, numbers)(*free), partials(by_mp, free, 1), 1e-9)
        second = hessian(by_ours, numbers)(*free)
        near([[np.asarray(x) for x in row] for row in second], partials(by_mp, free, 2), 1e-7)


@pytest.mark.parametrize("name", DISCRETE)
def test_discrete_values_of_scipy(name):
    k = np.array([-1.0, 0, 1, 2, 3, 5, 7, 8, 2.5, np.inf, -np.inf, np.nan])
    shapes = DISCRETE[name][2]
    for function in ("logpmf", "pmf", "cdf", "sf", "logcdf", "logsf"):
        f = getattr(getattr(stats, name), function)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            expected = getattr(getattr(theirs, name), function)(k, *shapes)
        expected[-3] = {"cdf": 1, "logsf": -np.inf, "logpmf": -np.inf}.get(function, 0)  # at inf SciPy has NaN
        np.testing.assert_allclose(f(k, *shapes).numpy(), expected, 1e-11, 1e-300)
        assert f(np.array([1, 2]), *(np.float32(s) for s in shapes)).dtype == np.float32
        batch = vmap(lambda *s, f=f: f(2, *s))(*(np.array([s, s]) for s in shapes))
        np.testing.assert_allclose(batch.numpy(), [f(2, *shapes).item()] * 2, 1e-13)


def test_certain_outcomes_have_gradients():
    assert stats.poisson.logpmf(0, 0.0).item() == 0 and grad(stats.poisson.logpmf, 1)(0, 0.0).item() == -1
    assert stats.bernoulli.logpmf(1, 1.0).item() == 0 and grad(stats.bernoulli.logpmf, 1)(1, 1.0).item() == 1
    assert stats.binom.pmf(3, 3, 1.0).item() == 1 and stats.binom.pmf(0, 3, 1.0).item() == 0
    assert np.isnan(stats.binom.pmf(1, 2.5, 0.5).item()) and np.isnan(stats.poisson.pmf(1, -1.0).item())


def test_far_tails_where_probabilities_underflow():
    cases = [
        (stats.norm.logcdf, (-40.0,), mp.log(mp.ncdf(-40))),
        (stats.gamma.logsf, (2000.0, 2.3), mp.log(mp.gammainc(mpf(2.3), 2000, mp.inf, regularized=True))),
        (stats.gamma.logcdf, (1e-200, 2.3), mpf(2.3) * mp.log(mpf(1e-200)) - mp.loggamma(mpf(3.3))),
        (stats.poisson.logcdf, (3, 2000.0), mp.log(mp.gammainc(4, 2000, mp.inf, regularized=True))),
        (stats.t.logpdf, (1e200, 1.0), -mp.log(mp.pi) - 2 * mp.log(mpf(10) ** 200)),
    ]
    for f, args, true in cases:
        np.testing.assert_allclose(f(*args).item(), float(true), 1e-13)
    slope = grad(stats.gamma.logsf, (0, 1))(2000.0, 2.3)
    true = partials(lambda x, a: mp.log(mp.gammainc(a, x, mp.inf, regularized=True)), (2000.0, 2.3), 1)
    np.testing.assert_allclose([x.item() for x in slope], true, 1e-11)


def test_densities_that_underflow_have_no_gradient():
    """Where the logarithm overflows, too."""
    assert stats.gumbel_r.pdf(-720.0).item() == 0 and grad(stats.gumbel_r.pdf)(-720.0).item() == 0
    assert [g.item() for g in grad(stats.gumbel_r.pdf, (1, 2))(-720.0, 0.0, 1.0)] == [0, 0]


def test_t_with_many_degrees_of_freedom_is_normal():
    with mp.workdps(60):
        x, df = mpf(1.5), mpf(10) ** 9
        true = (
            mp.loggamma((df + 1) / 2)
            - mp.loggamma(df / 2)
            - mp.log(df * mp.pi) / 2
            - (df + 1) / 2 * mp.log(1 + x * x / df)
        )
    np.testing.assert_allclose(stats.t.logpdf(1.5, 1e9).item(), float(true), 1e-13)


def test_calls_that_do_not_fit():
    with pytest.raises(TypeError, match=r"gamma.logpdf\(x, a, loc=0.0, scale=1.0\): missing"):
        stats.gamma.logpdf(1.0)
    with pytest.raises(TypeError, match="real numbers"):
        stats.norm.logpdf(1j)
    assert stats.gamma.logpdf(1.0, a=2.0, scale=1.0).item() == pytest.approx(-1)
    assert repr(stats.gamma) == "<the distribution gamma(a, loc, scale)>"
    for name in stats.__all__:
        family = getattr(stats, name)
        assert family.__doc__ and all(
            getattr(family, f).__doc__ for f in dir(family) if f in (*FUNCTIONS, "ppf", "rvs")
        )
