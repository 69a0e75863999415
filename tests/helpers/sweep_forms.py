"""Derivatives of elementwise functions by mpmath: from mathematics, with as many digits as the numbers ask for."""

from functools import cache

import mpmath
from mpmath import mp, mpf


def digits(*numbers, power=3):
    """As many as leave 50 when, at these numbers, terms cancel that differ by this power of their size."""
    size = max((abs(mpf(float(x))) for x in numbers if x), default=mpf(1))
    return 50 + power * max(int(mpmath.log10(size)), 0)


@cache
def _kept(f, places, precision):
    return f(*places)


def once(f, *places):
    """f(*places), which takes long, for all forms that are made of it."""
    return _kept(f, places, mp.prec)


def gauss(scale, factor):
    return (
        lambda x: factor() * once(mp.exp, scale * x * x),
        lambda x: 2 * scale * x * factor() * once(mp.exp, scale * x * x),
    )


def far(sign, factor, order):
    """The derivative of factor * (1 / (2 x) + sign / (4 x**3) + 3 / (8 x**5) + sign 15 / (16 x**7) + ...)."""

    def form(x):
        total = mpf(0)
        for k in range(8):
            power = 2 * k + 1
            term = factor() * sign**k * mp.fac2(2 * k - 1) / mpf(2) ** (k + 1) / x**power
            total += term * (-power / x if order == 1 else power * (power + 1) / x**2)
        return total

    return form


def nested(near, sign, factor, order, where):
    beyond = far(sign, factor, order)
    return lambda x: beyond(x) if where(x) else near(x)


def erfcx(x):
    return mp.exp(x * x) * mp.erfc(x)


def erfcx_slope(x):
    return 2 * x * erfcx(x) - 2 / mp.sqrt(mp.pi)


def dawsn(x):
    return mp.sqrt(mp.pi) / 2 * mp.exp(-x * x) * mp.erfi(x)


def mills(x):
    """The slope of log_ndtr."""
    return -x + 1 / -x if x < -1e15 else mp.npdf(x) / mp.ncdf(x)


def mills_curve(x):
    return -1 + 1 / x**2 if x < -1e15 else -mills(x) * (x + mills(x))


def quantile(p):
    """x with erfc(x) = p: Newton's method on the logarithm."""
    if p > 1:
        return -quantile(2 - p)
    if p > 0.1:
        return mp.erfinv(1 - p)
    x = mp.sqrt(-mp.log(p * mp.sqrt(-mp.log(p))))
    for _ in range(60):
        step = (mp.log(mp.erfc(x)) - mp.log(p)) / (2 / mp.sqrt(mp.pi) * mp.exp(-x * x) / mp.erfc(x))
        x += step
        if abs(step) < mpf(10) ** -40:
            break
    return x


def erfcinv(p):
    x = quantile(p)
    slope = -mp.sqrt(mp.pi) / 2 * mp.exp(x * x)
    return slope, 2 * x * slope**2


def erfinv(p):
    x = mp.erfinv(p) if abs(p) < 0.5 else quantile(1 - abs(p)) * mp.sign(p)
    slope = mp.sqrt(mp.pi) / 2 * mp.exp(x * x)
    return slope, 2 * x * slope**2


def ndtri(p):
    """-sqrt(2) erfcinv(2 p)."""
    slope, curve = erfcinv(2 * p)
    return -2 * mp.sqrt(2) * slope, -4 * mp.sqrt(2) * curve


def besselk(n, x):
    """By the recurrence from orders 0 and 1, which adds positive numbers."""
    low, high = (once(mp.besselk, k, x) for k in (0, 1))
    for k in range(1, n):
        low, high = high, low + 2 * k / x * high
    return high if n else low


def bessel(f, sign, last, scaled=0):
    """Two derivatives of f(n, .), where f(n)' = (sign f(n - 1) + last f(n + 1)) / 2, times exp(scaled x)."""
    a, b = sign, last

    def slopes(n):
        def of(k, x):
            turned = (-1) ** k if k < 0 and a != b else 1  # J and Y of order -k; I and K are even in it
            return turned * (mp.exp(scaled * x) if scaled else 1) * once(f, abs(k), x)

        def first(x):
            return (a * of(n - 1, x) + b * of(n + 1, x)) / 2 + scaled * of(n, x)

        def second(x):
            inner = (a * a * of(n - 2, x) + 2 * a * b * of(n, x) + b * b * of(n + 2, x)) / 4
            return inner + scaled * (a * of(n - 1, x) + b * of(n + 1, x)) + scaled**2 * of(n, x)

        return first, second

    return slopes


def scaled(near, n, sign, factor):
    """For x > 1e4 by the series factor / sqrt(x) * sum of (sign)**k a_k / x**k, whose terms have derivatives."""

    def series(order, x):
        total, a = mpf(0), mpf(1)
        for k in range(12):
            power = -k - mpf(1) / 2
            total += sign**k * a * x ** (power - order) * (power if order == 1 else power * (power - 1))
            a *= (4 * n * n - (2 * k + 1) ** 2) / mpf(8 * (k + 1))
        return factor() * total

    return tuple(lambda x, near=f, order=k + 1: series(order, x) if x > 1e4 else near(x) for k, f in enumerate(near))


def even(forms, n, plus=False):
    """For all x, from those for x > 0 of a function with the parity of n."""
    first, second = forms
    return (
        lambda x: first(abs(x)) * (-1) ** (n + 1) if x < 0 else first(x),
        lambda x: second(abs(x)) * (-1) ** n if x < 0 else second(x),
    )


J = bessel(mp.besselj, 1, -1)
Y = bessel(mp.bessely, 1, -1)
I = bessel(mp.besseli, 1, 1)  # noqa: E741
K = bessel(besselk, -1, -1)
IE = bessel(mp.besseli, 1, 1, -1)
KE = bessel(besselk, -1, -1, 1)


def gamma_forms():
    return (
        lambda x: mp.gamma(x) * mp.psi(0, x),
        lambda x: mp.gamma(x) * (mp.psi(0, x) ** 2 + mp.psi(1, x)),
    )


def rgamma_slope(x):
    with mp.workdps(mp.dps + digits(1 / x, power=1)):  # 1 / x**2 cancels, 1 / x stays
        return -mp.rgamma(x) * mp.psi(0, x)


def rgamma_curve(x):
    with mp.workdps(mp.dps + digits(1 / x, power=1)):  # 1 / x**2 cancels, 1 / x stays
        return mp.rgamma(x) * (mp.psi(0, x) ** 2 - mp.psi(1, x))


def sinc_slope(x):
    if abs(x) < 1e-30:
        return -(mp.pi**2) * x / 3
    with mp.workdps(mp.dps + digits(1 / x)):
        return (mp.cospi(x) - mp.sincpi(x)) / x


def sinc_curve(x):
    if abs(x) < 1e-30:
        return -(mp.pi**2) / 3
    with mp.workdps(mp.dps + digits(1 / x)):
        return -mp.pi * mp.sinpi(x) / x - 2 * (mp.cospi(x) - mp.sincpi(x)) / x**2


inf = float("inf")
root_pi = lambda: mp.sqrt(mp.pi)  # noqa: E731
# name -> two derivatives, and from where to where the function is
ONE = {
    "erf": (*gauss(-1, lambda: 2 / root_pi()), -inf, inf),
    "erfc": (*gauss(-1, lambda: -2 / root_pi()), -inf, inf),
    "erfi": (*gauss(1, lambda: 2 / root_pi()), -inf, inf),
    "ndtr": (*gauss(mpf(-0.5), lambda: 1 / mp.sqrt(2 * mp.pi)), -inf, inf),
    "erfcx": (
        nested(erfcx_slope, -1, lambda: 2 / root_pi(), 1, lambda x: x > 1e5),
        nested(lambda x: 2 * erfcx(x) + 2 * x * erfcx_slope(x), -1, lambda: 2 / root_pi(), 2, lambda x: x > 1e5),
        -inf,
        inf,
    ),
    "dawsn": (
        nested(lambda x: 1 - 2 * x * dawsn(x), 1, lambda: 1, 1, lambda x: abs(x) > 1e5),
        nested(lambda x: -2 * dawsn(x) - 2 * x * (1 - 2 * x * dawsn(x)), 1, lambda: 1, 2, lambda x: abs(x) > 1e5),
        -inf,
        inf,
    ),
    "log_ndtr": (mills, mills_curve, -inf, inf),
    "erfinv": (lambda p: erfinv(p)[0], lambda p: erfinv(p)[1], -1, 1),
    "erfcinv": (lambda p: erfcinv(p)[0], lambda p: erfcinv(p)[1], 0, 2),
    "ndtri": (lambda p: ndtri(p)[0], lambda p: ndtri(p)[1], 0, 1),
    "logit": (lambda p: 1 / (p * (1 - p)), lambda p: (2 * p - 1) / (p * (1 - p)) ** 2, 0, 1),
    "log_expit": (
        lambda x: 1 / (1 + mp.exp(x)),
        lambda x: -1 / (2 * mp.cosh(x / 2)) ** 2,
        -inf,
        inf,
    ),
    "gamma": (*gamma_forms(), 0, inf),
    "gammaln": (lambda x: mp.psi(0, x), lambda x: mp.psi(1, x), 0, inf),
    "loggamma": (lambda x: mp.psi(0, x), lambda x: mp.psi(1, x), 0, inf),
    "rgamma": (rgamma_slope, rgamma_curve, -30, 170),  # SciPy has 0 for what is subnormal
    "psi": (lambda x: mp.psi(1, x), lambda x: mp.psi(2, x), 0, inf),
    "expi": (lambda x: mp.exp(x) / x, lambda x: mp.exp(x) * (x - 1) / x**2, -inf, inf),
    "exp1": (lambda x: -mp.exp(-x) / x, lambda x: mp.exp(-x) * (x + 1) / x**2, 0, inf),
    "entr": (lambda x: -mp.log(x) - 1, lambda x: -1 / x, 0, inf),
    "i0": (*even(I(0), 0), -1e4, 1e4),
    "i1": (*even(I(1), 1), -1e4, 1e4),
    "i0e": (*even(scaled(IE(0), 0, -1, lambda: 1 / mp.sqrt(2 * mp.pi)), 0), -inf, inf),
    "i1e": (*even(scaled(IE(1), 1, -1, lambda: 1 / mp.sqrt(2 * mp.pi)), 1), -inf, inf),
    "k0": (*K(0), 0, 1e4),
    "k1": (*K(1), 0, 1e4),
    "k0e": (*scaled(KE(0), 0, 1, lambda: mp.sqrt(mp.pi / 2)), 0, inf),
    "k1e": (*scaled(KE(1), 1, 1, lambda: mp.sqrt(mp.pi / 2)), 0, inf),
    "j0": (*even(J(0), 0), -1e5, 1e5),
    "j1": (*even(J(1), 1), -1e5, 1e5),
    "y0": (*Y(0), 0, 1e5),
    "y1": (*Y(1), 0, 1e5),
    "sinc": (sinc_slope, sinc_curve, -inf, inf),
}


def one(*_):
    return mpf(1)


def none(*_):
    return mpf(0)


def length(a, b):
    return mp.sqrt(a * a + b * b)


def logistic(x):
    return 1 / (1 + mp.exp(-x))


def flat(x):
    return 1 / (2 * mp.cosh(x / 2)) ** 2


def extremum(sign):
    share = lambda a, b: mpf(1) / 2 if a == b else mpf(sign * (a - b) > 0)  # noqa: E731
    return share, lambda a, b: share(b, a), none, none, none


LOG2 = mp.log(2)
every = lambda a, b: True  # noqa: E731
positive = lambda a, b: a > 0 and b > 0  # noqa: E731
# name -> the derivatives by a, by b, twice by a, by both, and twice by b, and where the function is
TWO = {
    "hypot": (
        lambda a, b: a / length(a, b),
        lambda a, b: b / length(a, b),
        lambda a, b: b * b / length(a, b) ** 3,
        lambda a, b: -a * b / length(a, b) ** 3,
        lambda a, b: a * a / length(a, b) ** 3,
        every,
    ),
    "arctan2": (
        lambda a, b: b / (a * a + b * b),
        lambda a, b: -a / (a * a + b * b),
        lambda a, b: -2 * a * b / (a * a + b * b) ** 2,
        lambda a, b: (a - b) * (a + b) / (a * a + b * b) ** 2,
        lambda a, b: 2 * a * b / (a * a + b * b) ** 2,
        every,
    ),
    "power": (
        lambda a, b: b * once(pow, a, b - 1),
        lambda a, b: once(pow, a, b) * mp.log(a),
        lambda a, b: b * (b - 1) * once(pow, a, b - 2),
        lambda a, b: once(pow, a, b - 1) * (1 + b * mp.log(a)),
        lambda a, b: once(pow, a, b) * mp.log(a) ** 2,
        lambda a, b: a > 0,
    ),
    "divide": (
        lambda a, b: 1 / b,
        lambda a, b: -a / b**2,
        none,
        lambda a, b: -1 / b**2,
        lambda a, b: 2 * a / b**3,
        every,
    ),
    "multiply": (lambda a, b: b, lambda a, b: a, none, one, none, every),
    "logaddexp": (
        lambda a, b: logistic(a - b),
        lambda a, b: logistic(b - a),
        lambda a, b: flat(a - b),
        lambda a, b: -flat(a - b),
        lambda a, b: flat(a - b),
        every,
    ),
    "logaddexp2": (
        lambda a, b: logistic((a - b) * LOG2),
        lambda a, b: logistic((b - a) * LOG2),
        lambda a, b: LOG2 * flat((a - b) * LOG2),
        lambda a, b: -LOG2 * flat((a - b) * LOG2),
        lambda a, b: LOG2 * flat((a - b) * LOG2),
        every,
    ),
    "fmod": (one, lambda a, b: -mp.sign(a / b) * mp.floor(abs(a / b)), none, none, none, every),
    "remainder": (one, lambda a, b: -mp.floor(a / b), none, none, none, every),
    "copysign": (lambda a, b: mp.sign(a) * mp.sign(b), none, none, none, none, every),
    "maximum": (*extremum(1), every),
    "minimum": (*extremum(-1), every),
    "fmax": (*extremum(1), every),
    "fmin": (*extremum(-1), every),
    "xlogy": (
        lambda a, b: mp.log(b),
        lambda a, b: a / b,
        none,
        lambda a, b: 1 / b,
        lambda a, b: -a / b**2,
        lambda a, b: b > 0,
    ),
    "xlog1py": (
        lambda a, b: mp.log1p(b),
        lambda a, b: a / (1 + b),
        none,
        lambda a, b: 1 / (1 + b),
        lambda a, b: -a / (1 + b) ** 2,
        lambda a, b: b > -1,
    ),
    "rel_entr": (
        lambda a, b: mp.log(a / b) + 1,
        lambda a, b: -a / b,
        lambda a, b: 1 / a,
        lambda a, b: -1 / b,
        lambda a, b: a / b**2,
        positive,
    ),
    "kl_div": (
        lambda a, b: mp.log(a / b),
        lambda a, b: (b - a) / b,
        lambda a, b: 1 / a,
        lambda a, b: -1 / b,
        lambda a, b: a / b**2,
        positive,
    ),
}
