"""Derivatives of functions of a parameter over the whole range of their arguments, beside mpmath.

An error counts in units in the last place of the right value, or of how much that changes when the parameter or the
argument changes in its last place. What SciPy's own values are off by is allowed for: those of beta, kv, and of jv and
ive at fractional orders by up to some hundred units, those of zeta by more. docs/edges.md says why.
"""

import numpy as np
import pytest

import pullback as pb
from pullback import Tensor, special
from pullback.extend import registry

pytest.importorskip("mpmath")
scipy_special = pytest.importorskip("scipy.special")

from mpmath import mp, mpf  # noqa: E402

from pullback.tests.autograd import test_range  # noqa: E402
from pullback.tests.helpers import sweep_forms, sweep_incomplete  # noqa: E402
from pullback.tests.helpers.beyond import at_many_places  # noqa: E402
from pullback.tests.helpers.sweep_parameters import FORMS, MORE, TINY, VALUES, partial  # noqa: E402

UNITS = 8
ROUNDED = ("yv", "kv", "kve")  # their derivatives are made of functions of order v + 1 and v - 1, which are rounded
pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")


def floor(form, places):
    """How much a form changes, relatively, when one of its places does."""
    change, base = mpf(0), form(*places)
    for i, x in enumerate(places):
        step = mpf(2) ** -40 / max(abs(x), 1)
        moved = [*places[:i], x * (1 + step), *places[i + 1 :]]
        change = max(change, abs(form(*moved) - base) / step)
    return change


def off(name, v, x, dtype):
    """By how much SciPy's values are off, relatively, of the functions of which the derivatives are made."""
    worst = mpf(0)
    for order in {dtype(v), *(() if name == "beta" else (dtype(v - 1), dtype(v + 1), dtype(v + 2)))}:
        with np.errstate(all="ignore"):
            value = float(getattr(scipy_special, name)(order, dtype(x)))
        if np.isfinite(value) and value and (name != "expn" or order > 0):
            exact = VALUES[name](mpf(float(order)), mpf(x))
            worst = max(worst, abs(value / exact - 1))
    return worst


def derivatives(f, orders, places):
    """Those of f, so many times by each of its places."""
    for position, order in enumerate(orders):
        for _ in range(order):
            f = partial_of(f, position)
    return f(*map(Tensor, places)).numpy()


def partial_of(f, position):
    return pb.grad(lambda *places: f(*places).sum(), argnums=position)


def good(name, orders, form, dtype, value, places, terms=None):
    """Whether a value is the form's but for some units, which may be those of the size of its terms."""
    kind = np.finfo(dtype)
    largest, eps, least = (mpf(float(v)) for v in (kind.max, kind.eps, kind.smallest_subnormal))
    numbers = tuple(map(mpf, places))
    with mp.workdps(60):
        exact = mp.re(form(*numbers))
        size = abs(exact)
        if size > largest * (1 + eps):
            return bool(np.isinf(value) and np.sign(value) == mp.sign(exact))
        if not np.isfinite(value):
            return bool(size > largest * (1 - eps))
        error = abs(mpf(value) - exact)
        factor = numbers[0] * (numbers[0] + 1) if name == "zeta" else 1  # of what may be subnormal
        if error <= UNITS * max(eps * size, least * factor):
            return True
        unit = max(size, floor(form, numbers))
        if terms:
            unit = max(unit, terms(*numbers), floor(terms, numbers))
        if name in ROUNDED:
            unit = max(unit, floor(lambda order, x: form(order - 1, x), (numbers[0] + 1, numbers[1])))
        return bool(error <= UNITS * eps * unit + (2 * size * off(name, *places, dtype) if name in VALUES else 0))


def sweep(name, dtype, parameters, arguments, exponents):
    kind = np.finfo(dtype)
    x = [1.37 * 2.0**k for k in exponents if k > kind.minexp] + arguments
    v, x = (grid.ravel().astype(dtype) for grid in np.meshgrid(parameters, x))
    some = np.isfinite(x) & np.isfinite(v) & ((v > 0) | (name == "expn"))
    if name == "beta":  # below, psi at a has no digits more than that at a + b that a normal number can hold
        some &= x > 1000 * kind.tiny
    v, x = v[some], x[some]
    for orders, form in FORMS[name][0]:
        values = derivatives(getattr(special, name), orders, (v, x)).tolist()
        places = list(zip(v.tolist(), x.tolist(), strict=True))
        found = [(*p, y) for p, y in zip(places, values, strict=True) if not good(name, orders, form, dtype, y, p)]
        assert not found, (orders, len(found), found[:4])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", FORMS)
def test_two_derivatives(name, dtype):
    _, parameters, arguments = FORMS[name]
    sweep(name, dtype, parameters[::2], arguments[::2], TINY[::2])


@pytest.mark.thorough
@at_many_places(
    FORMS,
    *("gammainc-float32", "gammainc-float64", "gammaincc-float32", "iv-float64", "ive-float64", "jv-float64"),
    *("kv-float32", "kv-float64", "yv-float32", "yv-float64"),
)
def test_two_derivatives_at_many_places(name, dtype):
    _, parameters, arguments = FORMS[name]
    more = [4, 6, 20] if name == "expn" else MORE
    sweep(name, dtype, parameters + more, arguments + np.geomspace(0.03, 500, 9).tolist(), range(-1020, -5, 101))


@pytest.mark.parametrize("name", ["jv", "yv", "iv"])
def test_derivatives_by_the_order_at_order_0(name):
    """DLMF 10.15 and 10.38: pi / 2 times the other kind, or less the third."""
    x = np.array([1e-300, 1e-30, 0.02, 0.7, 1.9, 6.5, 30, 200])
    slope = pb.grad(lambda v: getattr(special, name)(v, x).sum())(Tensor(0 * x)).numpy()
    other = {"jv": scipy_special.y0(x) * np.pi / 2, "yv": scipy_special.j0(x) * -np.pi / 2, "iv": -scipy_special.k0(x)}
    np.testing.assert_allclose(slope, other[name], rtol=1e-12)


@pytest.mark.parametrize("name", ["jv", "yv", "iv", "kv", "gammainc"])
def test_derivatives_by_the_parameter_do_not_depend_on_the_entries_beside_them(name):
    v, x = np.array([0.4, 2.5, 30.0]), np.array([1e-12, 1.5, 90.0])
    slope = pb.grad(lambda v, x: getattr(special, name)(v, x).sum())
    together = slope(Tensor(v), Tensor(x)).numpy()
    alone = [slope(Tensor(a), Tensor(b)).item() for a, b in zip(v, x, strict=True)]
    np.testing.assert_allclose(together, alone, rtol=1e-13)


@pytest.mark.parametrize("orders", [(1, 0), (2, 0), (1, 1)])
def test_bessel_functions_beyond_their_turning_points(orders):
    """The error is small beside the wave's amplitude, of which J and Y are the parts."""
    v = np.array([0.3, 2.5, 12.5, 40.25, 40.25, 77.7])
    x = np.array([2.1, 3.3, 13.7, 44.00558683966965, 41.5, 110.0])
    found = [derivatives(getattr(special, name), orders, (v, x)) for name in ("jv", "yv")]
    for *values, order, place in zip(*found, v, x, strict=True):
        with mp.workdps(60):
            exact = [partial(VALUES[name], orders)(mpf(order), mpf(place)) for name in ("jv", "yv")]
            errors = [abs(value - number) for value, number in zip(values, exact, strict=True)]
            assert max(errors) <= 16 * 2.3e-16 * mp.hypot(*exact), (order, place)


@pytest.mark.parametrize("name", ["j0", "j1", "y0", "y1"])
def test_bessel_functions_beside_the_zeros_of_their_derivatives(name):
    """The error is small beside the amplitude of the wave, whose square is 2 / (pi x)."""
    first, second, *_ = sweep_forms.ONE[name]
    zero = mp.besseljzero if name[0] == "j" else mp.besselyzero
    x = np.array([float(zero(int(name[1]), k, derivative=1)) for k in range(2, 8)])
    x = np.concatenate([x, x * (1 + 1e-15), x * (1 - 1e-9)])
    slope = pb.grad(lambda x: getattr(special, name)(x).sum())
    curve = pb.grad(lambda x: slope(x).sum())
    for derivative, form in ((slope, first), (curve, second)):
        for value, place in zip(derivative(Tensor(x)).numpy(), x, strict=True):
            with mp.workdps(40):
                assert abs(value - form(mpf(place))) <= UNITS * 2.3e-16 * mp.sqrt(2 / (mp.pi * place))


EXACT = "a multiple, which is rounded once, or a constant"
STEP = "0, or at a kink one of two constants"
PART = "a part of the derivatives of %s, which are in a sweep"
NOT_SWEPT = {
    **dict.fromkeys(("abs", "add", "astype", "conj", "deg2rad", "fabs", "imag", "negative", "positive"), EXACT),
    **dict.fromkeys(("rad2deg", "real", "subtract", "where"), EXACT),
    **dict.fromkeys(
        ("ceil", "floor", "floor_divide", "heaviside", "nextafter", "relu", "rint", "round", "trunc"), STEP
    ),
    **dict.fromkeys(("cosine", "per_square"), PART % "hypot and arctan2"),
    **dict.fromkeys(("divisor", "one_less_square"), PART % "sqrt and arcsin"),
    **dict.fromkeys(("dawsn_slope", "erfcx_slope", "exp_over", "exp_square"), PART % "dawsn, erfcx, expi and erf"),
    **dict.fromkeys(("erfcinv_slope", "erfinv_slope", "ndtri_slope"), PART % "erfcinv, erfinv and ndtri"),
    **dict.fromkeys(("excess", "hazard"), PART % "log_ndtr"),
    **dict.fromkeys(("gamma_density", "gammainc_slope", "psi_gap"), PART % "gammainc and beta"),
    **dict.fromkeys(("iv_over", "iv_slope", "jv_over", "jv_slope", "kv_slope", "yv_slope"), PART % "iv, jv, kv, yv"),
    **dict.fromkeys(("ive_slope", "kve_slope", "scaled_iv_slope", "scaled_kv_slope"), PART % "i0e, k0e, ive and kve"),
    **dict.fromkeys(("lack", "log_ratio"), PART % "kl_div"),
    **dict.fromkeys(("beta_density", "beta_slope", "betainc_slope"), PART % "beta and betainc"),
    **dict.fromkeys(("beta_lean", "per_beta_density", "per_gamma_density"), PART % "betaincinv and gammaincinv"),
    "rescale": "products and sums of what it is given",
    "power_slope": PART % "power",
    "share": PART % "log_expit and logaddexp",
    "gate": "relu's, as that has two constants",
    "ldexp": "has a test of its own in test_sweep.py, at every exponent",
}


def _own(made):
    """Not one that another test has registered: those of the package are of its modules, of NumPy or of operator."""
    module = getattr(made.function, "__module__", None)
    return module is None or module.startswith(("pullback.autograd.", "numpy", "_operator"))


def test_every_elementwise_primitive_is_in_a_sweep():
    """Or is in a list, with the reason for it."""
    elementwise = {
        name for name, made in registry.items() if made.kinds and "elementwise" in made.kinds.values() and _own(made)
    }
    swept = {*sweep_forms.ONE, *sweep_forms.TWO, *FORMS, *sweep_incomplete.FORMS, *test_range.FORMS}
    assert elementwise - swept - set(NOT_SWEPT) == set()
    assert set(NOT_SWEPT) & swept == set()
    assert set(NOT_SWEPT) <= elementwise
