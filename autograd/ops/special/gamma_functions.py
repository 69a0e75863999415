"""The gamma function and its kin."""

# mypy: disable-error-code="has-type"
from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...core.conversion import lift
from ...core.tensor import Tensor, as_data
from ...core.tracing import bottom
from ...core.types import ArrayLike
from ..elementwise import where
from ..reductions import sum
from .beta_slopes import beta_slope
from .gamma_slopes import gamma_density, gammainc_slope, psi, psi_gap, zeta
from .table import POSITIVE, table

__all__ = [
    "beta", "betaln", "digamma", "gamma", "gammainc", "gammaincc", "gammaln", "loggamma", "multigammaln", "polygamma",
    "psi", "rgamma", "zeta",
]  # fmt: skip


gamma = table("gamma", POSITIVE, x=lambda g, x, out: g * (out * psi(x)))
gammaln = table("gammaln", POSITIVE, x=lambda g, x: g * psi(x))
loggamma = table("loggamma", POSITIVE, x=lambda g, x: g * psi(x))
rgamma = table("rgamma", POSITIVE, x=lambda g, x: g * _rgamma_slope(x))


def _rgamma_slope(x: Any) -> Any:
    """The derivative of 1 / gamma: by reflection where gamma has its poles, at which its own one is of no use."""
    left = np.real(x) < 0.5
    low, high = np.where(left, x, 0), np.where(left, 1, x)
    whole = np.rint(np.real(low))
    turn = math.pi * (low - whole)
    turned = (1 - 2 * (whole % 2)) * gamma(1 - low) * (np.cos(turn) - psi(1 - low) * (np.sin(turn) / math.pi))
    return np.where(left, turned, -rgamma(high) * psi(high))


def _beta_slope(a: Any, b: Any, out: Any, n: int, m: int) -> Any:
    """The derivative of beta, n times by a or m times by b, one of which is 1."""
    positive = np.logical_and(a > 0, b > 0)
    slope = beta_slope.apply(np.where(positive, a, 1), np.where(positive, b, 1), n=n, m=m)
    if np.all(bottom(positive)):
        return slope
    a, b, out = np.where(positive, -0.3, a), np.where(positive, -0.3, b), np.where(positive, 1, out)
    return np.where(positive, slope, _beta_beyond(a, b, out) if n else _beta_beyond(b, a, out))


def _beta_beyond(a: Any, b: Any, out: Any) -> Any:
    """The derivative of beta in a; where beta is 0, a + b being a pole of gamma, by that of 1 / gamma."""
    pole = np.logical_and(a + b <= 0, np.floor(a + b) == a + b)
    at_pole = gamma(np.where(pole, a, 1)) * gamma(np.where(pole, b, 1)) * _rgamma_slope(np.where(pole, a + b, 1))
    return np.where(pole, at_pole, out * psi_gap.apply(np.where(pole, 1, a), np.where(pole, 1, b), n=0))


digamma = psi
beta = table(
    "beta",
    POSITIVE,
    a=lambda g, a, b, out: g * _beta_slope(a, b, out, 1, 0),
    b=lambda g, a, b, out: g * _beta_slope(a, b, out, 0, 1),
)
betaln = table(
    "betaln",
    POSITIVE,
    a=lambda g, a, b: g * psi_gap.apply(a, b, n=0),
    b=lambda g, a, b: g * psi_gap.apply(b, a, n=0),
)
gammainc = table(
    "gammainc",
    POSITIVE,
    a=lambda g, a, x: g * gammainc_slope.apply(a, x, n=1),
    x=lambda g, a, x: g * gamma_density.apply(a, x, n=0, k=0),
)
gammaincc = table(
    "gammaincc",
    POSITIVE,
    a=lambda g, a, x: -g * gammainc_slope.apply(a, x, n=1),
    x=lambda g, a, x: -g * gamma_density.apply(a, x, n=0, k=0),
)


def polygamma(n: ArrayLike, x: ArrayLike) -> Tensor:
    """The n-th derivative of `digamma` at x.

    >>> from pullback import Tensor
    >>> polygamma(1, Tensor(1.0))
    Tensor(1.64493407)
    """
    n, x = as_data(n), lift(x)
    factor = np.asarray((-1.0) ** (n + 1) * gamma(n + 1.0), x.dtype)
    first = n == 0
    return where(first, psi(where(first, x, 1)), factor * zeta(np.maximum(n, 1) + 1, where(first, 1, x)))


def multigammaln(a: ArrayLike, d: int) -> Tensor:
    """The logarithm of the multivariate gamma function of dimension `d` at a > (d - 1) / 2.

    >>> multigammaln(3.0, 1).item() == gammaln(3.0).item()
    True
    """
    a = lift(a)
    if np.any(bottom(a) <= (d - 1) / 2):
        raise ValueError(f"multigammaln: a must be more than (d - 1) / 2 = {(d - 1) / 2}")
    steps = np.arange(d) / 2
    out = sum(gammaln(a[..., None] - steps.astype(a.dtype if a.dtype.kind == "f" else float)), -1)
    return out + d * (d - 1) / 4 * math.log(math.pi)


for _made in (gamma, loggamma, rgamma, psi):  # tested on real numbers alone: the gradients need zeta, which is of those
    _made.strategy(lambda draw: (draw.entries((POSITIVE,), dtype=np.float64), {}))
