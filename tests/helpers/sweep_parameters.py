"""Derivatives of functions of parameters and an argument, by mpmath: difference quotients with very many digits."""

import itertools

import mpmath
from mpmath import mp, mpf

STEP = mpf(10) ** -20  # relative: a central difference is off by its square
DIGITS = 90  # the second quotient loses 40 of them, and more where the first place is small


def partial(f, orders):
    """The derivative of f, so many times by each of its first places, as a central difference."""

    def form(*places):
        with mp.workdps(DIGITS + 2 * max(0, -int(mpmath.log10(places[0])))):
            steps = [x * STEP for x in places]
            total = mpf(0)
            for stencil in itertools.product(*(STENCILS[order] for order in orders)):
                moved = [x + i * step for x, step, (i, _) in zip(places, steps, stencil, strict=False)]
                weight = mp.fprod(weight for _, weight in stencil)
                total += weight * f(*moved, *places[len(orders) :])
            return total / mp.fprod(step**order for step, order in zip(steps, orders, strict=False))

    return form


STENCILS = [[(0, 1)], [(1, mpf(1) / 2), (-1, -mpf(1) / 2)], [(1, 1), (0, -2), (-1, 1)]]


def both(f):
    return [(orders, partial(f, orders)) for orders in ((1, 0), (0, 1), (2, 0), (1, 1), (0, 2))]


def by_argument(f):
    return [(orders, partial(f, orders)) for orders in ((0, 1), (0, 2))]


def lower(a, x):
    """The regularized incomplete gamma function, right of its middle less 1."""
    return mp.gammainc(a, 0, x, regularized=True) if x < a else -mp.gammainc(a, x, regularized=True)


def expn(n):
    """By the recurrence from exp1, or for n <= 0 as a sum."""

    def form(x):
        if n <= 0:
            return mp.exp(-x) * sum(mp.factorial(-n) / mp.factorial(k) * x ** (k + n - 1) for k in range(1 - n))
        with mp.workdps(60 + 2 * int(n * abs(mpmath.log10(x)) + n + x)):
            value = mp.e1(x)
            for k in range(1, n):
                value = (mp.exp(-x) - x * value) / k
            return value

    return form


def gap(n, a, b):
    """psi of order n at a, less that at a + b."""
    with mp.workdps(60 + int(abs(mpmath.log10(a / b)))):
        return mp.psi(n, a) - mp.psi(n, a + b)


BETALN = [
    ((1, 0), lambda a, b: gap(0, a, b)),
    ((0, 1), lambda a, b: gap(0, b, a)),
    ((2, 0), lambda a, b: gap(1, a, b)),
    ((1, 1), lambda a, b: -mp.psi(1, a + b)),
    ((0, 2), lambda a, b: gap(1, b, a)),
]


def mixed(a, b):
    """The derivative of beta by both: three terms that cancel where one is small, and analytic at 0."""
    a, b = max(a, mpf(10) ** -25), max(b, mpf(10) ** -25)
    with mp.workdps(150):
        total = mp.psi(0, a + b)
        return mp.beta(a, b) * ((mp.psi(0, a) - total) * (mp.psi(0, b) - total) - mp.psi(1, a + b))


BETA = [
    ((1, 0), lambda a, b: mp.beta(a, b) * gap(0, a, b)),
    ((0, 1), lambda a, b: mp.beta(a, b) * gap(0, b, a)),
    ((2, 0), lambda a, b: mp.beta(a, b) * (gap(0, a, b) ** 2 + gap(1, a, b))),
    ((1, 1), mixed),
    ((0, 2), lambda a, b: mp.beta(a, b) * (gap(0, b, a) ** 2 + gap(1, b, a))),
]
ZETA = [((0, 1), lambda s, x: -s * mp.zeta(s + 1, x)), ((0, 2), lambda s, x: s * (s + 1) * mp.zeta(s + 2, x))]
EXPN = [((0, 1), lambda n, x: -expn(int(n) - 1)(x)), ((0, 2), lambda n, x: expn(int(n) - 2)(x))]
VALUES = {
    "jv": mp.besselj,
    "yv": mp.bessely,
    "iv": mp.besseli,
    "kv": mp.besselk,
    "ive": lambda v, x: mp.exp(-x) * mp.besseli(v, x),
    "kve": lambda v, x: mp.exp(x) * mp.besselk(v, x),
    "beta": mp.beta,
    "zeta": mp.zeta,
    "expn": lambda n, x: expn(int(n))(x),
}
TINY = [-1020, -700, -120, -40, -10]  # exponents of 2
PLAIN = [0.3, 0.77, 1.7, 3.3, 8.1, 21.0, 60.0, 303.0]
HUGE = [1e4, 1e10, 1e30]
# name -> derivatives, parameters, arguments beside the tiny ones
FORMS = {
    "jv": (both(mp.besselj), [1e-3, 0.3, 1, 2.5, 7, 40.25], PLAIN),
    "yv": (both(mp.bessely), [1e-3, 0.05, 0.3, 1.25, 2.5, 40.25], PLAIN),
    "iv": (both(mp.besseli), [1e-3, 0.3, 1, 2.5, 7, 40.25], [*PLAIN, 600.0]),
    "kv": (both(mp.besselk), [1e-3, 0.05, 0.3, 1.25, 2.5, 40.25], [*PLAIN, 600.0]),
    "ive": (by_argument(VALUES["ive"]), [1e-3, 0.3, 1, 2.5, 7, 40.25], [*PLAIN, 1e4]),
    "kve": (by_argument(VALUES["kve"]), [1e-3, 0.05, 0.3, 1.25, 2.5, 40.25], [*PLAIN, 1e4]),
    "zeta": (ZETA, [1.1, 2, 3.5, 10, 40], PLAIN + HUGE),
    "expn": (EXPN, [0, 1, 2, 3, 10], PLAIN),
    "gammainc": (both(lower), [1e-3, 1e-30, 0.4, 1, 2.5, 7.7, 40, 300], [*PLAIN, 41]),
    "gammaincc": (both(lambda a, x: -lower(a, x)), [1e-3, 1, 7.7, 300], [*PLAIN, 41]),
    "beta": (BETA, [1e-300, 1e-30, 1e-3, 0.4, 1, 2.5, 7.7, 40], PLAIN),
    "betaln": (BETALN, [1e-300, 1e-30, 1e-3, 0.4, 1, 2.5, 7.7, 40, 1e9, 1e200], PLAIN + HUGE),
}
MORE = [0.5, 5.5, 17.3, 29.5, 90.2]  # parameters for thorough runs
