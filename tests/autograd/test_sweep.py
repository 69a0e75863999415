"""Two derivatives of special and of two-argument functions over the whole range of numbers, beside mpmath.

An error counts in units in the last place of the right value. Where a derivative has a zero between the ends of the
range, or is a wave, a unit is that of a floor instead: how much it changes when an argument changes in its last place.
"""

import numpy as np
import pytest

import pullback as pb
from pullback import Tensor, special

pytest.importorskip("mpmath")
pytest.importorskip("scipy.special")

from mpmath import mp, mpf  # noqa: E402

from pullback.tests.helpers import sweep_forms  # noqa: E402
from pullback.tests.helpers.beyond import at_many_places

UNITS = 8
# Their derivatives have zeros: a change of an argument by its last place counts as a unit
ZEROS = {
    "dawsn", "gamma", "rgamma", "i1e", "j0", "j1", "y0", "y1", "logit", "expi", "entr", "log_expit", "logaddexp",
    "logaddexp2", "arctan2", "power", "rel_entr", "kl_div", "xlog1py", "psi", "gammaln", "loggamma",
    "sinc",
}  # fmt: skip
SUBNORMAL = {"j0", "j1"}  # made of SciPy's j1, which is off by some hundred of the least numbers where it is subnormal
pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")


def sizes(dtype, count):
    kind = np.finfo(dtype)
    return 1.37 * 2.0 ** np.linspace(kind.minexp, kind.maxexp - 1, count)


def numbers(low, high, dtype, count):
    near = np.array([1e-2, 1e-4, 3e-7])
    x = np.concatenate([sizes(dtype, count), np.geomspace(0.01, 900, 2 * count), 1 + near, 1 - near, 2 - near])
    x = np.concatenate([-x, x]).astype(dtype)
    return np.unique(x[(x > low) & (x < high)])


def pairs(inside, dtype, count):
    size = np.concatenate([sizes(dtype, count), [0.3, 1.1, 3.7, 700.0, np.finfo(dtype).max]])
    size = np.concatenate([-size, size]).astype(dtype)
    near = np.array([-0.7, 0.3, 1.0, 1e-3, 55, -90]).astype(dtype)
    grids = np.meshgrid(size, size * dtype(0.9)), np.meshgrid(near, np.concatenate([near * (1 - 1e-3), near * 3]))
    a, b = (np.concatenate([grid[i].ravel() for grid in grids]).astype(dtype) for i in (0, 1))
    ok = np.array([inside(x, y) for x, y in zip(a.tolist(), b.tolist(), strict=True)])
    return a[ok], b[ok]


def floor(form, places):
    """How much a form changes, relatively, when one of its places does."""
    change, base = mpf(0), form(*places)
    for i, x in enumerate(places):
        step = mpf(2) ** -40 / max(abs(x), 1)
        moved = [*places[:i], x * (1 + step), *places[i + 1 :]]
        change = max(change, abs(form(*moved) - base) / step)
    return change


def wrong(name, form, dtype, actual, arrays):
    """Where and what numbers are that are not the form's but for some units."""
    kind, found = np.finfo(dtype), []
    largest, eps, least = (mpf(float(v)) for v in (kind.max, kind.eps, kind.smallest_subnormal))
    for value, *places in zip(actual.tolist(), *(array.tolist() for array in arrays), strict=True):
        whole = len(places) == 1 or name in ("fmod", "remainder")  # the others cancel nothing
        with mp.workdps(sweep_forms.digits(*places) if whole else 60):
            exact = mp.re(form(*map(mpf, places)))
            size = abs(exact)
            if size > largest * (1 + eps):
                good = np.isinf(value) and np.sign(value) == mp.sign(exact)
            elif not np.isfinite(value) and size < largest:
                good = False
            else:
                error = abs(mpf(value) - exact) if np.isfinite(value) else mpf(0)  # infinite from rounding
                good = error <= UNITS * max(size * eps, least)
                if not good and name in ZEROS:
                    good = error <= UNITS * eps * floor(form, tuple(map(mpf, places)))
                good = good or (name in SUBNORMAL and error <= 1000 * least)
        if not good:
            found.append((*places, value, float(exact)))
    return found


def one(name, dtype, count):
    *forms, low, high = sweep_forms.ONE[name]
    x = numbers(low, high, dtype, count)
    f = getattr(special, name, None) or getattr(pb, name)
    first = pb.grad(lambda x: f(x).sum())
    derivatives = first(Tensor(x)), pb.grad(lambda x: first(x).sum())(Tensor(x))
    for order, (actual, form) in enumerate(zip(derivatives, forms, strict=True)):
        found = wrong(name, form, dtype, actual.numpy(), (x,))
        assert not found, (order + 1, len(found), found[:4])


def partial(f, position):
    return pb.grad(lambda *arrays: f(*arrays).sum(), argnums=position)


def two(name, dtype, count):
    by_a, by_b, twice_a, both, twice_b, inside = sweep_forms.TWO[name]
    a, b = pairs(inside, dtype, count)
    f = getattr(pb, name, None) or getattr(special, name)
    first = partial(f, 0), partial(f, 1)
    cases = [("a", first[0], by_a), ("b", first[1], by_b), ("aa", partial(first[0], 0), twice_a)]
    cases += [("ab", partial(first[0], 1), both), ("ba", partial(first[1], 0), both)]
    cases += [("bb", partial(first[1], 1), twice_b)]
    for place, derivative, form in cases:
        actual = derivative(Tensor(a), Tensor(b)).numpy()
        found = wrong(name, form, dtype, actual, (a, b))
        assert not found, (place, len(found), found[:4])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", sweep_forms.ONE)
def test_one_argument(name, dtype):
    one(name, dtype, 8)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", sweep_forms.TWO)
def test_two_arguments(name, dtype):
    two(name, dtype, 3)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", ["arctan2", "hypot", "power"])
def test_one_place_at_a_time(name, dtype):
    """The short forms of rules, which are for arrays of ordinary numbers alone."""
    *forms, _, _, _, inside = sweep_forms.TWO[name]
    a, b = pairs(inside, dtype, 3)
    for argument, form in enumerate(forms):
        slope = partial(getattr(pb, name), argument)
        actual = np.array([slope(Tensor(x), Tensor(y)).numpy() for x, y in zip(a, b, strict=True)])
        found = wrong(name, form, dtype, actual, (a, b))
        assert not found, (argument, len(found), found[:4])


@pytest.mark.thorough
@at_many_places(sweep_forms.ONE, "erf-float32", "erfc-float32")
def test_one_argument_at_many_places(name, dtype):
    one(name, dtype, 60)


@pytest.mark.thorough
@at_many_places(sweep_forms.TWO, "power-float32")
def test_two_arguments_at_many_places(name, dtype):
    two(name, dtype, 14)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_ldexp(dtype):
    """Its derivative is the power of two, where that is a number."""
    kind = np.finfo(dtype)
    exponents = np.arange(kind.minexp - kind.nmant, kind.maxexp)
    slope = pb.grad(lambda x: pb.ldexp(x, exponents).sum())(Tensor(np.full(exponents.shape, 0.75, dtype)))
    assert slope.numpy().tolist() == [2.0 ** float(n) for n in exponents]
