"""Derivatives of the incomplete beta function and of inverses of such functions, by mpmath."""

from mpmath import mp, mpf

from pullback.tests.helpers.sweep_parameters import lower, partial


def density(a, b, x):
    return x ** (a - 1) * (1 - x) ** (b - 1) / mp.beta(a, b)


def bend(a, b, x):
    """The derivative of the density by x."""
    return density(a, b, x) * ((a - 1) / x - (b - 1) / (1 - x))


def part(a, b, x):
    return mp.betainc(a, b, 0, x, regularized=True)


def rest(a, b, x):
    return -mp.betainc(b, a, 0, 1 - x, regularized=True)


def of_beta(orders):
    """That derivative of betainc by a, b and x."""
    *shapes, last = orders

    def form(a, b, x):
        f = (part if x < a / (a + b) else rest, density, bend)[last]
        return partial(f, shapes)(a, b, x)

    return form


def of_gamma(sign):
    return lambda orders: partial(lambda a, x: sign * lower(a, x), orders)


def inverse(derivative, orders, size=False):
    """That derivative by the parameters and y of the x with f(parameters, x) = y, as a function of the parameters and
    x, by those of f: from differentiating the equation. Or the `size` of its terms, which may cancel."""
    places = [k for k, order in enumerate(orders) for _ in range(order)]
    y, x = len(orders) - 1, len(orders)

    def form(*numbers):
        def by(*which):
            if y in which:
                return mpf(-(len(which) == 1))
            return derivative([*(which.count(k) for k in range(y)), which.count(x)])(*numbers)

        def slope(k):
            return -by(k) / by(x)

        with mp.workdps(90):
            if len(places) == 1:
                return slope(*places)
            i, j = places
            terms = by(i, j), by(i, x) * slope(j), by(j, x) * slope(i), by(x, x) * slope(i) * slope(j)
            return sum(map(abs, terms)) / abs(by(x)) if size else -sum(terms) / by(x)

    return form


TWO = [(1, 0), (0, 1), (2, 0), (1, 1), (0, 2)]
THREE = [(1, 0, 0), (0, 1, 0), (0, 0, 1), (2, 0, 0), (0, 2, 0), (0, 0, 2), (1, 1, 0), (1, 0, 1), (0, 1, 1)]
SHAPES = [1e-30, 1e-3, 0.4, 1, 2.5, 40, 300]
OTHERS = [1e-3, 0.4, 1, 7.7, 300]
PARTS = [1e-300, 1e-20, 1e-3, 0.1, 0.5, 0.77, 1 - 1e-9]
# name -> orders, the function of which it is the inverse or itself, the parameters, the last argument
FORMS = {
    "betainc": (THREE, of_beta, (SHAPES, OTHERS), PARTS),
    "betaincinv": (THREE, of_beta, (SHAPES[1:], OTHERS), PARTS),
    "gammaincinv": (TWO, of_gamma(1), (SHAPES,), PARTS),
    "gammainccinv": (TWO, of_gamma(-1), (SHAPES,), PARTS),
}
