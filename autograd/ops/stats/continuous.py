"""Continuous distributions: what each is, in its standard form. The names, parameters and their order are SciPy's."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import random
from ..logistic import sigmoid, softplus
from ..special.functions import (
    betaln,
    erf,
    erfinv,
    gammainc,
    gammaincc,
    gammaln,
    i0e,
    log_ndtr,
    ndtr,
    ndtri,
    xlog1py,
    xlogy,
)
from ..special.incomplete_beta import betainc, betaincinv, gammainccinv, gammaincinv
from ..special.scaled import integral
from .distribution import Continuous
from .tails import log_gammainc, log_gammaincc, log_less_exp, log_normal_mass, log_one_and_square

__all__ = [
    "beta", "cauchy", "chi2", "expon", "gamma", "gumbel_r", "halfnorm", "invgamma", "laplace", "logistic", "lognorm",
    "norm", "pareto", "t", "truncnorm", "uniform", "vonmises", "weibull_min",
]  # fmt: skip

_HALF_LOG_2PI = math.log(2 * math.pi) / 2


def _by_side(z: Any, left: Any, right: Any) -> Any:
    """left(z) for z < 0 and right(z) for the others, each of numbers on its side alone."""
    return np.where(z < 0, left(np.where(z < 0, z, 0)), right(np.where(z < 0, 0, z)))


norm = Continuous(
    "norm",
    (),
    logpdf=lambda z: -z * z / 2 - _HALF_LOG_2PI,
    cdf=ndtr,
    sf=lambda z: ndtr(-z),
    logcdf=log_ndtr,
    logsf=lambda z: log_ndtr(-z),
    ppf=ndtri,
    draw=lambda size, dtype: random.normal(size=size, dtype=dtype),
    brief="The normal distribution with mean `loc` and standard deviation `scale`.",
)


def _t_top(df: Any) -> Any:
    """The logarithm of the density at 0."""
    return -betaln(df / 2, np.full_like(df, 0.5)) - np.log(df) / 2


def _t_cdf(z: Any, df: Any) -> Any:
    """By the incomplete beta function, and around 0, where that has a root in it, as an integral of the density."""
    near, most = np.abs(z) < 1, float(np.finfo(z.dtype).max) ** 0.4
    inner = np.where(near, z, 0)
    flatness = inner * inner / df
    area = integral(
        lambda u: (1 + flatness * (u * u)) ** (-(df + 1) / 2), np.ones(np.broadcast_shapes(flatness.shape, df.shape))
    )
    middle = 0.5 + inner * np.exp(_t_top(df)) * area.astype(z.dtype)
    square = np.clip(np.where(near, 1, z), -most, most) ** 2
    tail = betainc(df / 2, np.full_like(df, 0.5), df / (df + square)) / 2
    return np.where(near, middle, np.where(z > 0, 1 - tail, tail))


def _t_ppf(q: Any, df: Any) -> Any:
    """By the inverse of the incomplete beta function, and in the middle by that for its other argument."""
    part = 2 * np.where(q < 0.5, q, 1 - q)
    middle = part > 0.5
    half = np.full_like(df, 0.5)
    y = betaincinv(half, df / 2, np.where(middle, np.where(part == 1, 0.5, 1 - part), 0.5))
    near = np.sqrt(df * y / (1 - y))
    x = betaincinv(df / 2, half, np.where(middle, 0.25, part))
    far = np.sqrt(df * (1 - x) / x)
    return np.where(part == 1, 0, np.sign(q - 0.5) * np.where(middle, near, far))


t = Continuous(
    "t",
    ("df",),
    logpdf=lambda z, df: _t_top(df) - (df + 1) / 2 * log_one_and_square(z / np.sqrt(df)),
    cdf=_t_cdf,
    sf=lambda z, df: _t_cdf(-z, df),
    ppf=_t_ppf,
    brief="Student's t distribution with `df` degrees of freedom.",
)
gamma = Continuous(
    "gamma",
    ("a",),
    low=0,
    powers=(lambda a: a - 1, 0),
    logpdf=lambda z, a: xlogy(a - 1, z) - z - gammaln(a),
    cdf=lambda z, a: gammainc(a, z),
    sf=lambda z, a: gammaincc(a, z),
    logcdf=lambda z, a: log_gammainc(a, z),
    logsf=lambda z, a: log_gammaincc(a, z),
    ppf=lambda q, a: gammaincinv(a, q),
    draw=lambda a, size, dtype: random.gamma(a, size=size, dtype=dtype),
    brief="The gamma distribution with the shape `a`.",
)
chi2 = Continuous(
    "chi2",
    ("df",),
    low=0,
    powers=(lambda df: df - 2, 0),
    logpdf=lambda z, df: xlogy(df / 2 - 1, z) - z / 2 - gammaln(df / 2) - df * (math.log(2) / 2),
    cdf=lambda z, df: gammainc(df / 2, z / 2),
    sf=lambda z, df: gammaincc(df / 2, z / 2),
    logcdf=lambda z, df: log_gammainc(df / 2, z / 2),
    logsf=lambda z, df: log_gammaincc(df / 2, z / 2),
    ppf=lambda q, df: 2 * gammaincinv(df / 2, q),
    draw=lambda df, size, dtype: 2 * random.gamma(df / 2, size=size, dtype=dtype),
    brief="The chi-squared distribution with `df` degrees of freedom.",
)
invgamma = Continuous(
    "invgamma",
    ("a",),
    low=0,
    powers=(1, 0),
    logpdf=lambda z, a: -(a + 1) * np.log(z) - 1 / z - gammaln(a),
    cdf=lambda z, a: gammaincc(a, 1 / z),
    sf=lambda z, a: gammainc(a, 1 / z),
    logcdf=lambda z, a: log_gammaincc(a, 1 / z),
    logsf=lambda z, a: log_gammainc(a, 1 / z),
    ppf=lambda q, a: 1 / gammainccinv(a, q),
    draw=lambda a, size, dtype: 1 / random.gamma(a, size=size, dtype=dtype),
    brief="The distribution of 1 / y for y with the gamma distribution of the shape `a`.",
)
beta = Continuous(
    "beta",
    ("a", "b"),
    low=0,
    high=1,
    powers=(lambda a, b: a - 1, lambda a, b: b - 1),
    logpdf=lambda z, a, b: xlogy(a - 1, z) + xlog1py(b - 1, -z) - betaln(a, b),
    cdf=lambda z, a, b: betainc(a, b, z),
    sf=lambda z, a, b: betainc(b, a, 1 - z),
    ppf=lambda q, a, b: betaincinv(a, b, q),
    brief="The beta distribution with the shapes `a` and `b`.",
)
expon = Continuous(
    "expon",
    (),
    low=0,
    logpdf=lambda z: -z,
    cdf=lambda z: -np.expm1(-z),
    sf=lambda z: np.exp(-z),
    logcdf=log_less_exp,
    logsf=lambda z: -z,
    ppf=lambda q: -np.log1p(-q),
    draw=lambda size, dtype: random.exponential(size=size, dtype=dtype),
    brief="The exponential distribution with mean `scale`.",
)
laplace = Continuous(
    "laplace",
    (),
    logpdf=lambda z: -np.abs(z) - math.log(2),
    cdf=lambda z: _by_side(z, lambda z: np.exp(z) / 2, lambda z: 1 - np.exp(-z) / 2),
    sf=lambda z: _by_side(z, lambda z: 1 - np.exp(z) / 2, lambda z: np.exp(-z) / 2),
    logcdf=lambda z: _by_side(z, lambda z: z - math.log(2), lambda z: np.log1p(-np.exp(-z) / 2)),
    logsf=lambda z: _by_side(z, lambda z: np.log1p(-np.exp(z) / 2), lambda z: -z - math.log(2)),
    ppf=lambda q: np.where(
        q < 0.5, np.log(2 * np.where(q < 0.5, q, 0.5)), -np.log(2 * (1 - np.where(q < 0.5, 0.5, q)))
    ),
    draw=lambda size, dtype: random.laplace(size=size, dtype=dtype),
    brief="The Laplace distribution, exp(-abs(z)) / 2.",
)
logistic = Continuous(
    "logistic",
    (),
    logpdf=lambda z: -softplus(z) - softplus(-z),
    cdf=sigmoid,
    sf=lambda z: sigmoid(-z),
    logcdf=lambda z: -softplus(-z),
    logsf=lambda z: -softplus(z),
    ppf=lambda q: np.log(q) - np.log1p(-q),
    draw=lambda size, dtype: random.logistic(size=size, dtype=dtype),
    brief="The logistic distribution, whose cdf is `sigmoid`.",
)
lognorm = Continuous(
    "lognorm",
    ("s",),
    low=0,
    powers=(1, 0),
    logpdf=lambda z, s: -((np.log(z) / s) ** 2) / 2 - np.log(z) - np.log(s) - _HALF_LOG_2PI,
    cdf=lambda z, s: ndtr(np.log(z) / s),
    sf=lambda z, s: ndtr(-np.log(z) / s),
    logcdf=lambda z, s: log_ndtr(np.log(z) / s),
    logsf=lambda z, s: log_ndtr(-np.log(z) / s),
    ppf=lambda q, s: np.exp(s * ndtri(q)),
    draw=lambda s, size, dtype: random.lognormal(0.0, s, size, dtype=dtype),
    brief="The distribution of exp(s y) for y with the standard normal distribution.",
)
uniform = Continuous(
    "uniform",
    (),
    low=0,
    high=1,
    logpdf=lambda z: 0 * z,
    cdf=lambda z: z,
    sf=lambda z: 1 - z,
    ppf=lambda q: q,
    draw=lambda size, dtype: random.uniform(size=size, dtype=dtype),
    brief="The uniform distribution from `loc` to `loc + scale`.",
)
cauchy = Continuous(
    "cauchy",
    (),
    logpdf=lambda z: -math.log(math.pi) - log_one_and_square(z),
    cdf=lambda z: np.arctan2(1, -z) / math.pi,
    sf=lambda z: np.arctan2(1, z) / math.pi,
    ppf=lambda q: np.where(
        q < 0.5,
        -1 / np.tan(math.pi * np.where(q < 0.5, q, 0.25)),
        1 / np.tan(math.pi * (1 - np.where(q < 0.5, 0.75, q))),
    ),
    brief="The Cauchy distribution, 1 / (pi (1 + z * z)).",
)


def _floored(z: Any) -> Any:
    """z where exp(-exp(-z)) is more than 0, which it is not left of it."""
    return np.where(z < -7, -7, z)


gumbel_r = Continuous(
    "gumbel_r",
    (),
    logpdf=lambda z: -z - np.exp(-z),
    cdf=lambda z: np.where(z < -7, 0, np.exp(-np.exp(-_floored(z)))),
    sf=lambda z: -np.expm1(-np.exp(-_floored(z))),
    logcdf=lambda z: -np.exp(-z),
    logsf=lambda z: np.where(z > 40, -z, log_less_exp(np.exp(-_floored(np.where(z > 40, 0, z))))),
    ppf=lambda q: -np.log(-np.log(q)),
    draw=lambda size, dtype: random.gumbel(size=size, dtype=dtype),
    brief="The Gumbel distribution of maxima, whose cdf is exp(-exp(-z)).",
)
weibull_min = Continuous(
    "weibull_min",
    ("c",),
    low=0,
    powers=(lambda c: c - 1, 0),
    logpdf=lambda z, c: np.log(c) + xlogy(c - 1, z) - z**c,
    cdf=lambda z, c: -np.expm1(-(z**c)),
    sf=lambda z, c: np.exp(-(z**c)),
    logcdf=lambda z, c: log_less_exp(z**c),
    logsf=lambda z, c: -(z**c),
    ppf=lambda q, c: (-np.log1p(-q)) ** (1 / c),
    brief="The Weibull distribution of minima, whose sf is exp(-z**c).",
)
pareto = Continuous(
    "pareto",
    ("b",),
    low=1,
    logpdf=lambda z, b: np.log(b) - (b + 1) * np.log(z),
    cdf=lambda z, b: -np.expm1(-b * np.log(z)),
    sf=lambda z, b: np.exp(-b * np.log(z)),
    logcdf=lambda z, b: log_less_exp(b * np.log(z)),
    logsf=lambda z, b: -b * np.log(z),
    ppf=lambda q, b: np.exp(-np.log1p(-q) / b),
    brief="The Pareto distribution, whose sf is z**-b from 1 on.",
)
truncnorm = Continuous(
    "truncnorm",
    ("a", "b"),
    low=lambda a, b: a,
    high=lambda a, b: b,
    valid=lambda a, b: a < b,
    stand_in=(-1.0, 1.0),
    logpdf=lambda z, a, b: -z * z / 2 - _HALF_LOG_2PI - log_normal_mass(a, b),
    cdf=lambda z, a, b: np.exp(log_normal_mass(a, z) - log_normal_mass(a, b)),
    sf=lambda z, a, b: np.exp(log_normal_mass(z, b) - log_normal_mass(a, b)),
    logcdf=lambda z, a, b: log_normal_mass(a, z) - log_normal_mass(a, b),
    logsf=lambda z, a, b: log_normal_mass(z, b) - log_normal_mass(a, b),
    brief="The normal distribution between `a` and `b`, which are in units of `scale` from `loc`.",
)
halfnorm = Continuous(
    "halfnorm",
    (),
    low=0,
    logpdf=lambda z: -z * z / 2 - math.log(math.pi / 2) / 2,
    cdf=lambda z: erf(z * math.sqrt(0.5)),
    sf=lambda z: 2 * ndtr(-z),
    logsf=lambda z: math.log(2) + log_ndtr(-z),
    ppf=lambda q: math.sqrt(2) * erfinv(q),
    draw=lambda size, dtype: np.abs(random.normal(size=size, dtype=dtype)),
    brief="The distribution of abs(y) for y with the standard normal distribution.",
)
vonmises = Continuous(
    "vonmises",
    ("kappa",),
    logpdf=lambda z, kappa: -2 * kappa * np.sin(z / 2) ** 2 - np.log(2 * math.pi * i0e(kappa)),
    brief="The von Mises distribution on the circle, exp(kappa cos(z)) / (2 pi i0(kappa)); there is no cdf.",
)
