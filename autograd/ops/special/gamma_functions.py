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
from . import parameter_derivatives
from .logarithms import xlogy
from .table import POSITIVE, of_order, table

__all__ = [
    "beta", "betaln", "digamma", "gamma", "gammainc", "gammaincc", "gammaln", "loggamma", "multigammaln", "polygamma",
    "psi", "rgamma", "zeta",
]  # fmt: skip


def _gamma_density(a: Any, x: Any) -> Any:
    a = a + np.zeros_like(x)  # in its dtype
    return np.exp(xlogy(a - 1, x) - x - gammaln(a))


def _gammainc_by_a(a: Any, x: Any) -> Any:
    """gammainc is the sum of exp(-x) x**(a + k) / gamma(a + k + 1)."""
    a, top = a + np.zeros_like(x), parameter_derivatives.largest(x)

    def term(k: Any) -> Any:
        n = a + k
        factor = np.log(np.where(x == 0, 1, x)) - psi(n + 1)
        return np.exp(xlogy(n, x) - x - gammaln(n + 1)) * factor

    return parameter_derivatives.summed(term, int(top + 12 * top**0.5) + 40, np.ndim(a), a.dtype)


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


def _beta_slope(a: Any, b: Any, out: Any) -> Any:
    """The derivative of beta in a; where beta is 0, a + b being a pole of gamma, by that of 1 / gamma."""
    pole = np.logical_and(a + b <= 0, np.floor(a + b) == a + b)
    at_pole = gamma(np.where(pole, a, 1)) * gamma(np.where(pole, b, 1)) * _rgamma_slope(np.where(pole, a + b, 1))
    return np.where(pole, at_pole, out * (psi(np.where(pole, 1, a)) - psi(np.where(pole, 1, a + b))))


psi = digamma = table("psi", POSITIVE, x=lambda g, x: g * zeta(2, x))
zeta = of_order("zeta", x=lambda g, x, v: -g * (v * zeta(v + 1, x)))
beta = table(
    "beta",
    POSITIVE,
    a=lambda g, a, b, out: g * _beta_slope(a, b, out),
    b=lambda g, a, b, out: g * _beta_slope(b, a, out),
)
betaln = table(
    "betaln",
    POSITIVE,
    a=lambda g, a, b: g * (psi(a) - psi(a + b)),
    b=lambda g, a, b: g * (psi(b) - psi(a + b)),
)
gammainc = table(
    "gammainc",
    POSITIVE,
    a=lambda g, a, x: g * _gammainc_by_a(a, x),
    x=lambda g, a, x: g * _gamma_density(a, x),
)
gammaincc = table(
    "gammaincc",
    POSITIVE,
    a=lambda g, a, x: -g * _gammainc_by_a(a, x),
    x=lambda g, a, x: -g * _gamma_density(a, x),
)


def polygamma(n: ArrayLike, x: ArrayLike) -> Tensor:
    """The n-th derivative of `digamma` at x.

    >>> from pullback import Tensor
    >>> polygamma(1, Tensor(1.0))
    Tensor(1.64493407)
    """
    n, x = as_data(n), lift(x)
    factor = np.asarray((-1.0) ** (n + 1) * gamma(n + 1.0), x.dtype)
    return where(n == 0, psi(x), factor * zeta(np.maximum(n, 1) + 1, x))


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
