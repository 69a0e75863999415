"""Derivatives of elementwise functions over the whole range of numbers, of two orders, beside closed forms.

The forms are computed as longdouble, whose exponents go 16 times as far, from forms in which nothing cancels.
"""

import numpy as np
import pytest

import pullback as pb
from pullback import Tensor

wide = np.longdouble


def density(x):
    z = np.exp(-abs(x))
    return z / (1 + z) ** 2


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


LOG2, LOG10 = np.log(wide(2)), np.log(wide(10))
FLAT = ("tanh", "sigmoid", "softplus")  # by their results, at a quarter of the time: to an epsilon of 1 where flat
POWERS = {"cbrt": (2, 5)}  # in the derivatives of NumPy's own result, which vector instructions make to some units
# name -> the first and the second derivative, and from where to where the function is
FORMS = {
    "square": (lambda x: 2 * x, lambda x: 2 + 0 * x, (-np.inf, np.inf)),
    "reciprocal": (lambda x: -1 / x**2, lambda x: 2 / x**3, (-np.inf, np.inf)),
    "exp": (np.exp, np.exp, (-np.inf, np.inf)),
    "exp2": (lambda x: np.exp2(x) * LOG2, lambda x: np.exp2(x) * LOG2**2, (-np.inf, np.inf)),
    "expm1": (np.exp, np.exp, (-np.inf, np.inf)),
    "log": (lambda x: 1 / x, lambda x: -1 / x**2, (0, np.inf)),
    "log2": (lambda x: 1 / x / LOG2, lambda x: -1 / x**2 / LOG2, (0, np.inf)),
    "log10": (lambda x: 1 / x / LOG10, lambda x: -1 / x**2 / LOG10, (0, np.inf)),
    "log1p": (lambda x: 1 / (1 + x), lambda x: -1 / (1 + x) ** 2, (-1, np.inf)),
    "sqrt": (lambda x: 1 / (2 * np.sqrt(x)), lambda x: -1 / (4 * x * np.sqrt(x)), (0, np.inf)),
    "cbrt": (lambda x: 1 / (3 * np.cbrt(x) ** 2), lambda x: -2 / (9 * np.cbrt(x) ** 5), (-np.inf, np.inf)),
    "sin": (np.cos, lambda x: -np.sin(x), (-np.inf, np.inf)),
    "cos": (lambda x: -np.sin(x), lambda x: -np.cos(x), (-np.inf, np.inf)),
    "tan": (lambda x: 1 / np.cos(x) ** 2, lambda x: 2 * np.tan(x) / np.cos(x) ** 2, (-np.inf, np.inf)),
    "arcsin": (
        lambda x: 1 / np.sqrt((1 - x) * (1 + x)),
        lambda x: x / np.sqrt((1 - x) * (1 + x)) ** 3,
        (-1, 1),
    ),
    "arccos": (
        lambda x: -1 / np.sqrt((1 - x) * (1 + x)),
        lambda x: -x / np.sqrt((1 - x) * (1 + x)) ** 3,
        (-1, 1),
    ),
    "arctan": (lambda x: 1 / (1 + x * x), lambda x: -2 * x / (1 + x * x) ** 2, (-np.inf, np.inf)),
    "sinh": (np.cosh, np.sinh, (-np.inf, np.inf)),
    "cosh": (np.sinh, np.cosh, (-np.inf, np.inf)),
    "tanh": (lambda x: 4 * density(2 * x), lambda x: -8 * density(2 * x) * np.tanh(x), (-np.inf, np.inf)),
    "arcsinh": (lambda x: 1 / np.sqrt(1 + x * x), lambda x: -x / np.sqrt(1 + x * x) ** 3, (-np.inf, np.inf)),
    "arccosh": (
        lambda x: 1 / np.sqrt((x - 1) * (x + 1)),
        lambda x: -x / np.sqrt((x - 1) * (x + 1)) ** 3,
        (1, np.inf),
    ),
    "arctanh": (lambda x: 1 / ((1 - x) * (1 + x)), lambda x: 2 * x / ((1 - x) * (1 + x)) ** 2, (-1, 1)),
    "sigmoid": (density, lambda x: -density(x) * np.tanh(x / 2), (-np.inf, np.inf)),
    "softplus": (sigmoid, density, (-np.inf, np.inf)),
}


def numbers(low, high, dtype):
    """Numbers of all sizes between two, and such that are next to 0, 1 and -1."""
    kind = np.finfo(dtype)
    sizes = 1.37 * 2.0 ** np.linspace(kind.minexp - kind.nmant, kind.maxexp - 1, 150)
    near = 1 + np.array([-1, 1]) * np.array([[1e-1, 1e-2, 1e-3, 1e-4, 3e-6], [1e-1, 1e-5, 1e-8, 1e-11, 3e-14]]).T
    x = np.concatenate([sizes, near.ravel(), np.linspace(0.03, 40, 99)]).astype(dtype)
    x = np.unique(np.concatenate([-x, x]))
    return x[(x > low) & (x < high)]


def close(actual, exact, dtype, least, units=8):
    """Whether numbers are the exact ones but for some units in the last place, or in that of `least`."""
    kind = np.finfo(dtype)
    known = abs(exact) <= wide(kind.max)
    size = np.maximum(abs(exact), least)
    tolerance = units * np.maximum(size * wide(kind.eps), wide(kind.smallest_subnormal))
    return (abs(actual.astype(wide) - exact) <= tolerance) | ~known


def off(name, order, values):
    """By how many units a derivative is off, since NumPy's own result, of which it has a power, is."""
    if name not in POWERS:
        return 0
    f = getattr(np, name)
    return POWERS[name][order] * abs(f(values) / f(values.astype(wide)) - 1) / np.finfo(values.dtype).eps


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", FORMS)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.skipif(np.finfo(wide).maxexp <= np.finfo(float).maxexp, reason="longdouble is no wider than float64")
def test_two_derivatives_over_the_whole_range(name, dtype):
    *forms, (low, high) = FORMS[name]
    values = numbers(low, high, dtype)
    first = pb.grad(lambda x: getattr(pb, name)(x).sum())
    derivatives = first(Tensor(values)), pb.grad(lambda x: first(x).sum())(Tensor(values))
    for order, (actual, form) in enumerate(zip(derivatives, forms, strict=True)):
        least, units = 1 if name in FLAT else 0, 8 + off(name, order, values)
        right = close(actual.numpy(), form(values.astype(wide)), dtype, least, units)
        assert right.all(), (values[~right], actual.numpy()[~right], form(values.astype(wide))[~right])


# At (1 + 2 i) 2**p far out, where 1 is nothing beside the square: a factor over the number, or over its square
@pytest.mark.parametrize("name, power, factor", [
    ("arcsinh", 1, 1), ("arccosh", 1, 1), ("arcsin", 1, 1j), ("arccos", 1, -1j), ("arctan", 2, 1), ("arctanh", 2, -1),
])  # fmt: skip
@pytest.mark.parametrize("dtype", [np.complex64, np.complex128])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_complex_derivatives_far_out(name, power, factor, dtype):
    kind = np.finfo(dtype)
    for p in np.linspace(kind.nmant, (kind.maxexp - 4) / power, 9).astype(int):
        z = np.ldexp(kind.dtype.type(1), p) * dtype(1 + 2j)
        slope = pb.grad(lambda z: pb.real(getattr(pb, name)(z)))(Tensor(z)).item()
        expected = factor / (1 + 2j) ** power
        assert abs(slope / 2.0 ** float(-p * power) - expected) < 8 * kind.eps, (p, slope)


def test_steep_and_flat_numbers_have_derivatives_of_any_order():
    """At 0 the derivatives of tanh are 1, 0, -2, 0, 16 and those of sigmoid 1/4, 0, -1/8, 0, 1/4."""
    for f, expected in ((pb.tanh, [1, 0, -2, 0, 16]), (pb.sigmoid, [0.25, 0, -0.125, 0, 0.25])):
        for value in expected:
            f = pb.grad(f)
            assert f(0.0).item() == pytest.approx(value, abs=1e-14)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_power_slope_where_the_result_over_the_base_overflows(dtype):
    a, b = np.finfo(dtype).tiny / dtype(128), dtype(2.0**-14)
    exact = wide(b) * wide(a) ** (wide(b) - 1)
    slope = pb.grad(pb.power)(Tensor(a), Tensor(b)).numpy()
    assert abs(wide(slope) / exact - 1) < 8 * np.finfo(dtype).eps
