"""Densities and distribution functions as textbooks have them, in mpmath: of a place and the shapes."""

from mpmath import mp, mpf

_gamma_parts = (
    lambda x, a: mp.gammainc(a, 0, x, regularized=True),
    lambda x, a: mp.gammainc(a, x, mp.inf, regularized=True),
)


def _laplace_cdf(x):
    return mp.exp(x) / 2 if x < 0 else 1 - mp.exp(-x) / 2


def _t_cdf(x, df):
    part = mp.betainc(df / 2, mpf(1) / 2, 0, df / (df + x * x), regularized=True) / 2
    return 1 - part if x > 0 else part


def _mass(a, b):
    return mp.ncdf(b) - mp.ncdf(a)


# name: density, (cdf, sf) or None, shapes, places inside of the support, places far out
CONTINUOUS = {
    "norm": (mp.npdf, (mp.ncdf, lambda x: mp.ncdf(-x)), (), (-1.3, 0.0, 2.5), (-40.0, -12.0, 9.0, 38.5)),
    "t": (
        lambda x, df: (
            mp.gamma((df + 1) / 2) / (mp.sqrt(df * mp.pi) * mp.gamma(df / 2)) * (1 + x * x / df) ** (-(df + 1) / 2)
        ),
        (_t_cdf, lambda x, df: _t_cdf(-x, df)),
        (3.5,),
        (-1.5, 0.3, 2.5),
        (-1e4, 1e6),
    ),
    "gamma": (
        lambda x, a: x ** (a - 1) * mp.exp(-x) / mp.gamma(a),
        _gamma_parts,
        (2.3,),
        (0.3, 2.0, 7.0),
        (1e-8, 60.0),
    ),
    "chi2": (
        lambda x, df: x ** (df / 2 - 1) * mp.exp(-x / 2) / (2 ** (df / 2) * mp.gamma(df / 2)),
        tuple(lambda x, df, part=part: part(x / 2, df / 2) for part in _gamma_parts),
        (3.0,),
        (0.4, 2.0, 9.0),
        (1e-8, 90.0),
    ),
    "invgamma": (
        lambda x, a: x ** (-a - 1) * mp.exp(-1 / x) / mp.gamma(a),
        tuple(lambda x, a, part=part: part(1 / x, a) for part in _gamma_parts[::-1]),
        (2.5,),
        (0.2, 0.6, 3.0),
        (0.02, 1e5),
    ),
    "beta": (
        lambda x, a, b: x ** (a - 1) * (1 - x) ** (b - 1) / mp.beta(a, b),
        (
            lambda x, a, b: mp.betainc(a, b, 0, x, regularized=True),
            lambda x, a, b: mp.betainc(a, b, x, 1, regularized=True),
        ),
        (2.0, 3.5),
        (0.1, 0.37, 0.8),
        (1e-7, 1 - 1e-7),
    ),
    "expon": (
        lambda x: mp.exp(-x),
        (lambda x: -mp.expm1(-x), lambda x: mp.exp(-x)),
        (),
        (0.2, 0.6, 3.0),
        (1e-12, 80.0),
    ),
    "laplace": (
        lambda x: mp.exp(-abs(x)) / 2,
        (_laplace_cdf, lambda x: _laplace_cdf(-x)),
        (),
        (-1.5, 0.5, 2.0),
        (-80.0, 80.0),
    ),
    "logistic": (
        lambda x: mp.exp(-x) / (1 + mp.exp(-x)) ** 2,
        (lambda x: 1 / (1 + mp.exp(-x)), lambda x: 1 / (1 + mp.exp(x))),
        (),
        (-1.5, 0.0, 2.0),
        (-80.0, 80.0),
    ),
    "lognorm": (
        lambda x, s: mp.npdf(mp.log(x) / s) / (s * x),
        (lambda x, s: mp.ncdf(mp.log(x) / s), lambda x, s: mp.ncdf(-mp.log(x) / s)),
        (0.7,),
        (0.3, 1.0, 4.0),
        (1e-8, 1e8),
    ),
    "uniform": (lambda x: mpf(1) + 0 * x, (lambda x: x, lambda x: 1 - x), (), (0.2, 0.5, 0.9), (1e-9,)),
    "cauchy": (
        lambda x: 1 / (mp.pi * (1 + x * x)),
        (lambda x: mp.atan(x) / mp.pi + mpf(1) / 2, lambda x: mpf(1) / 2 - mp.atan(x) / mp.pi),
        (),
        (-2.0, 0.0, 0.7),
        (-1e12, 1e12),
    ),
    "gumbel_r": (
        lambda x: mp.exp(-x - mp.exp(-x)),
        (lambda x: mp.exp(-mp.exp(-x)), lambda x: -mp.expm1(-mp.exp(-x))),
        (),
        (-1.0, 0.0, 2.5),
        (-4.0, 35.0, 50.0),
    ),
    "weibull_min": (
        lambda x, c: c * x ** (c - 1) * mp.exp(-(x**c)),
        (lambda x, c: -mp.expm1(-(x**c)), lambda x, c: mp.exp(-(x**c))),
        (1.7,),
        (0.2, 1.0, 2.5),
        (1e-7, 15.0),
    ),
    "pareto": (
        lambda x, b: b * x ** (-b - 1),
        (lambda x, b: 1 - x**-b, lambda x, b: x**-b),
        (2.2,),
        (1.2, 1.5, 4.0),
        (1 + 1e-6, 1e9),
    ),
    "truncnorm": (
        lambda x, a, b: mp.npdf(x) / _mass(a, b),
        (lambda x, a, b: _mass(a, x) / _mass(a, b), lambda x, a, b: _mass(x, b) / _mass(a, b)),
        (-1.0, 2.0),
        (-0.6, 0.1, 1.7),
        (-0.999, 1.999),
    ),
    "halfnorm": (
        lambda x: 2 * mp.npdf(x),
        (lambda x: mp.erf(x / mp.sqrt(2)), lambda x: mp.erfc(x / mp.sqrt(2))),
        (),
        (0.2, 1.0, 2.5),
        (1e-9, 37.0),
    ),
    "vonmises": (
        lambda x, kappa: mp.exp(kappa * mp.cos(x)) / (2 * mp.pi * mp.besseli(0, kappa)),
        None,
        (1.5,),
        (-2.0, 0.0, 1.0),
        (3.1,),
    ),
}


def _below(pmf, first=0):
    """cdf and sf as sums of probabilities; the tail by enough terms for 50 digits."""

    def cdf(k, *shapes):
        return mp.fsum(pmf(mpf(i), *shapes) for i in range(first, int(k) + 1))

    def sf(k, *shapes):
        return mp.fsum(pmf(mpf(i), *shapes) for i in range(int(k) + 1, int(k) + 500))

    return cdf, sf


def _poisson(k, mu):
    return mu**k * mp.exp(-mu) / mp.gamma(k + 1)


def _binom(k, n, p):
    return mp.binomial(n, k) * p**k * (1 - p) ** (n - k) if k <= n else mpf(0)


def _nbinom(k, n, p):
    return mp.gamma(k + n) / (mp.gamma(k + 1) * mp.gamma(n)) * p**n * (1 - p) ** k


_nbinom_parts = (
    lambda k, n, p: mp.betainc(n, k + 1, 0, p, regularized=True),
    lambda k, n, p: mp.betainc(k + 1, n, 0, 1 - p, regularized=True),
)


# name: probability, (cdf, sf), shapes, which of them a derivative is taken in, places
DISCRETE = {
    "poisson": (_poisson, _below(_poisson), (2.5,), (0,), (0, 1, 4, 30)),
    "binom": (_binom, _below(_binom), (7.0, 0.3), (1,), (0, 2, 6)),
    "bernoulli": (lambda k, p: p if k else 1 - p, (lambda k, p: 1 - p, lambda k, p: p), (0.3,), (0,), (0,)),
    "geom": (
        lambda k, p: (1 - p) ** (k - 1) * p,
        (lambda k, p: 1 - (1 - p) ** k, lambda k, p: (1 - p) ** k),
        (0.3,),
        (0,),
        (1, 3, 100),
    ),
    "nbinom": (_nbinom, _nbinom_parts, (2.5, 0.4), (0, 1), (0, 1, 4, 20)),
}
