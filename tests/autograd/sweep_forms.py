"""Derivatives of elementwise functions by mpmath: from mathematics, with as many digits as the numbers ask for."""

import mpmath
from mpmath import mp, mpf



def digits(*numbers):
    """As many as leave 50 when, at these numbers, terms cancel that differ by the third power of their size."""
    size = max((abs(mpf(float(x))) for x in numbers if x), default=mpf(1))
    return 50 + 3 * max(int(mpmath.log10(size)), 0)


def gauss(scale, factor):
    return (
        lambda x: factor() * mp.exp(scale * x * x),
        lambda x: 2 * scale * x * factor() * mp.exp(scale * x * x),
    )


def far(sign, factor, order):
    """The derivative of the series factor * (1 / (2 x) + sign / (4 x**3) + 3 / (8 x**5) + sign 15 / (16 x**7) + ...)."""

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


def bessel(f, sign, last, scaled=0):
    """Two derivatives of f(n, .), where f' = last f(n - 1) - sign ... f' = (a f(n - 1) + b f(n + 1)) / 2."""
    a, b = sign, last

    def slopes(n):
        def of(k, x):
            return (mp.exp(scaled * x) if scaled else 1) * f(k, x)

        def first(x):
            return (a * of(n - 1, x) + b * of(n + 1, x)) / 2 + scaled * of(n, x)

        def second(x):
            inner = (a * a * of(n - 2, x) + 2 * a * b * of(n, x) + b * b * of(n + 2, x)) / 4
            return inner + scaled * (a * of(n - 1, x) + b * of(n + 1, x)) + scaled**2 * of(n, x)

        return first, second

    return slopes


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
K = bessel(mp.besselk, -1, -1)
IE = bessel(mp.besseli, 1, 1, -1)
KE = bessel(mp.besselk, -1, -1, 1)


def gamma_forms():
    return (
        lambda x: mp.gamma(x) * mp.psi(0, x),
        lambda x: mp.gamma(x) * (mp.psi(0, x) ** 2 + mp.psi(1, x)),
    )


def rgamma_slope(x):
    return -mp.rgamma(x) * mp.psi(0, x)


def rgamma_curve(x):
    return mp.rgamma(x) * (mp.psi(0, x) ** 2 - mp.psi(1, x))


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
        nested(
            lambda x: -2 * dawsn(x) - 2 * x * (1 - 2 * x * dawsn(x)), 1, lambda: 1, 2, lambda x: abs(x) > 1e5
        ),
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
    "rgamma": (rgamma_slope, rgamma_curve, -30, inf),
    "psi": (lambda x: mp.psi(1, x), lambda x: mp.psi(2, x), 0, inf),
    "expi": (lambda x: mp.exp(x) / x, lambda x: mp.exp(x) * (x - 1) / x**2, -inf, inf),
    "exp1": (lambda x: -mp.exp(-x) / x, lambda x: mp.exp(-x) * (x + 1) / x**2, 0, inf),
    "entr": (lambda x: -mp.log(x) - 1, lambda x: -1 / x, 0, inf),
    "i0": (*even(I(0), 0), -inf, inf),
    "i1": (*even(I(1), 1), -inf, inf),
    "i0e": (*even(IE(0), 0), -inf, inf),
    "i1e": (*even(IE(1), 1), -inf, inf),
    "k0": (*K(0), 0, inf),
    "k1": (*K(1), 0, inf),
    "k0e": (*KE(0), 0, inf),
    "k1e": (*KE(1), 0, inf),
    "j0": (*even(J(0), 0), -inf, inf),
    "j1": (*even(J(1), 1), -inf, inf),
    "y0": (*Y(0), 0, inf),
    "y1": (*Y(1), 0, inf),
}
