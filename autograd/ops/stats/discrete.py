"""Discrete distributions: what each is. The names, parameters and their order are SciPy's."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import random
from ..special.functions import betaln, gammainc, gammaincc, gammaln, xlog1py, xlogy
from ..special.incomplete_beta import betainc
from .distribution import Discrete
from .tails import log_gammainc, log_gammaincc

__all__ = ["bernoulli", "binom", "geom", "nbinom", "poisson"]


def _binom_logpmf(k: Any, n: Any, p: Any) -> Any:
    return xlogy(k, p) + xlog1py(n - k, -p) - betaln(k + 1, n - k + 1) - np.log1p(n)


poisson = Discrete(
    "poisson",
    ("mu",),
    low=0,
    valid=lambda mu: mu >= 0,
    logpmf=lambda k, mu: xlogy(k, mu) - gammaln(k + 1) - mu,
    cdf=lambda k, mu: gammaincc(k + 1, mu),
    sf=lambda k, mu: gammainc(k + 1, mu),
    logcdf=lambda k, mu: log_gammaincc(k + 1, mu),
    logsf=lambda k, mu: log_gammainc(k + 1, mu),
    draw=lambda mu, size: random.poisson(mu, size),
    brief="The Poisson distribution with mean `mu`.",
)
binom = Discrete(
    "binom",
    ("n", "p"),
    low=0,
    high=lambda n, p: n,
    valid=lambda n, p: np.logical_and(np.logical_and(n >= 0, n == np.floor(n)), np.logical_and(p >= 0, p <= 1)),
    stand_in=(1.0, 0.5),
    logpmf=_binom_logpmf,
    cdf=lambda k, n, p: betainc(np.where(k < n, n - k, 1), k + 1, 1 - p),
    sf=lambda k, n, p: betainc(k + 1, np.where(k < n, n - k, 1), p),
    draw=random.binomial,
    brief="How many of `n` trials succeed, each with probability `p`.",
)
bernoulli = Discrete(
    "bernoulli",
    ("p",),
    low=0,
    high=1,
    valid=lambda p: np.logical_and(p >= 0, p <= 1),
    logpmf=lambda k, p: xlogy(k, p) + xlog1py(1 - k, -p),
    cdf=lambda k, p: 1 - p + 0 * k,
    sf=lambda k, p: p + 0 * k,
    draw=lambda p, size: random.bernoulli(p, size),
    brief="1 with probability `p`, else 0.",
)
geom = Discrete(
    "geom",
    ("p",),
    low=1,
    valid=lambda p: np.logical_and(p > 0, p <= 1),
    logpmf=lambda k, p: np.log(p) + xlog1py(k - 1, -p),
    cdf=lambda k, p: -np.expm1(xlog1py(k, -p)),
    sf=lambda k, p: np.exp(xlog1py(k, -p)),
    logsf=lambda k, p: xlog1py(k, -p),
    brief="The number of the first trial that succeeds, each with probability `p`.",
)
nbinom = Discrete(
    "nbinom",
    ("n", "p"),
    low=0,
    valid=lambda n, p: np.logical_and(n > 0, np.logical_and(p > 0, p <= 1)),
    logpmf=lambda k, n, p: xlogy(n, p) + xlog1py(k, -p) - betaln(n, k + 1) - np.log(n + k),
    cdf=lambda k, n, p: betainc(n, k + 1, p),
    sf=lambda k, n, p: betainc(k + 1, n, 1 - p),
    brief="How many trials fail before `n` succeed, each with probability `p`.",
)
