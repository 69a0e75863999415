"""Derivatives of functions of a parameter and an argument, by mpmath: difference quotients with very many digits."""

import mpmath
from mpmath import mp, mpf

STEP = mpf(10) ** -30  # relative: a central difference is off by its square
DIGITS = 160


def partial(f, orders):
    """The derivative of f by its parameter and its argument, so many times by each, as a central difference."""

    def form(*places):
        with mp.workdps(DIGITS):
            steps = [abs(x) * STEP or STEP for x in places]
            total = mpf(0)
            for i, weight in stencil(orders[0]):
                for j, other in stencil(orders[1]):
                    total += weight * other * f(places[0] + i * steps[0], places[1] + j * steps[1])
            return total / (steps[0] ** orders[0] * steps[1] ** orders[1])

    return form


def stencil(order):
    half = mpf(1) / 2
    return [[(0, 1)], [(1, half), (-1, -half)], [(1, 1), (0, -2), (-1, 1)], [(2, half), (1, -1), (-1, 1), (-2, -half)]][order]


def every(f):
    return [(orders, partial(f, orders)) for orders in ((1, 0), (0, 1), (2, 0), (1, 1), (0, 2))]


def by_argument(f):
    return [(orders, partial(f, orders)) for orders in ((0, 1), (0, 2))]


def lower(a, x):
    """The regularized incomplete gamma function, right of its middle less 1."""
    return mp.gammainc(a, 0, x, regularized=True) if x < a else -mp.gammainc(a, x, regularized=True)


def expn(n, x):
    return mp.expint(n, x)


def exact_gap(n, a, b):
    """psi of order n at a, less that at a + b."""
    with mp.workdps(60 + int(abs(mpmath.log10(a / b)))):
        return mp.psi(n, a) - mp.psi(n, a + b)


def beta_forms():
    gap, f = exact_gap, mp.beta
    forms = [
        ((1, 0), lambda a, b: f(a, b) * gap(0, a, b)),
        ((0, 1), lambda a, b: f(a, b) * gap(0, b, a)),
        ((2, 0), lambda a, b: f(a, b) * (gap(0, a, b) ** 2 + gap(1, a, b))),
        ((1, 1), lambda a, b: f(a, b) * (gap(0, a, b) * gap(0, b, a) - mp.psi(1, a + b))),
        ((0, 2), lambda a, b: f(a, b) * (gap(0, b, a) ** 2 + gap(1, b, a))),
    ]
    return forms


def betaln_forms():
    gap = exact_gap
    return [
        ((1, 0), lambda a, b: gap(0, a, b)),
        ((0, 1), lambda a, b: gap(0, b, a)),
        ((2, 0), lambda a, b: gap(1, a, b)),
        ((1, 1), lambda a, b: -mp.psi(1, a + b)),
        ((0, 2), lambda a, b: gap(1, b, a)),
    ]


tiny = [-1020, -700, -300, -120, -40, -10]  # exponents of 2
plain = [0.3, 0.77, 1.7, 3.3, 8.1, 21.0, 60.0]
large = [1e2, 7e2, 1e4]
# name -> forms, parameters, exponents of 2 of tiny arguments, ordinary arguments
FORMS = {
    "jv": (every(mp.besselj), [1e-3, 0.3, 1, 2.5, 7, 40], plain + [300.0]),
    "yv": (every(mp.bessely), [1e-3, 0.3, 1, 2.5, 7, 40], plain + [300.0]),
    "iv": (every(mp.besseli), [1e-3, 0.3, 1, 2.5, 7, 40], plain + [300.0, 600.0]),
    "kv": (every(mp.besselk), [1e-3, 0.3, 1, 2.5, 7, 40], plain + [300.0, 600.0]),
    "ive": (by_argument(lambda v, x: mp.exp(-x) * mp.besseli(v, x)), [1e-3, 0.3, 1, 2.5, 7, 40], plain + large),
    "kve": (by_argument(lambda v, x: mp.exp(x) * mp.besselk(v, x)), [1e-3, 0.3, 1, 2.5, 7, 40], plain + large),
    "zeta": (by_argument(mp.zeta), [1.1, 2, 3.5, 10, 40], plain + large + [1e10, 1e30]),
    "expn": (by_argument(expn), [0, 1, 2, 3, 10, 40], plain + [300.0, 600.0]),
    "gammainc": (every(lower), [1e-30, 1e-3, 0.4, 1, 2.5, 7.7, 40.0, 300.0], plain + [41.0, 303.0]),
    "gammaincc": (every(lambda a, x: -lower(a, x)), [1e-30, 1e-3, 0.4, 1, 2.5, 7.7, 40.0, 300.0], plain + [41.0, 303.0]),
    "beta": (beta_forms(), [1e-300, 1e-30, 1e-3, 0.4, 1, 2.5, 7.7, 40.0], [*plain, 1e10, 1e30]),
    "betaln": (betaln_forms(), [1e-300, 1e-30, 1e-3, 0.4, 1, 2.5, 7.7, 40.0, 1e9, 1e200], [*plain, 1e10, 1e30, 1e250]),
}
