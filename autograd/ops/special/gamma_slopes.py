"""What derivatives of beta and of the incomplete gamma functions are made of, such that no digits cancel.

Sources: DLMF 5.11 (Stirling's series), 8.2 and 8.7 (incomplete gamma functions), 25.11(iii) (Euler and Maclaurin).
"""

# mypy: disable-error-code="has-type"
from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ...core.primitive import primitive
from .scaled import between
from .table import POSITIVE, of_order, table

__all__ = ["gamma_density", "gammainc_slope", "psi", "psi_gap", "zeta"]

_FAR = 45.0  # exp(-45) is nothing beside 1
_FEW = 1 << 10
_BERNOULLI = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6)

psi = table("psi", POSITIVE, x=lambda g, x: g * zeta(2, x))
zeta = of_order("zeta", x=lambda g, x, v: -g * (v * zeta(v + 1, x)))


def double(*arrays: Any) -> tuple[Any, ...]:
    """Arrays of one shape and double precision."""
    return np.broadcast_arrays(*(np.asarray(a, np.float64) for a in arrays))


def _added(term: Callable[[Any], Any], count: int, like: Any) -> Any:
    """term(0) + term(1) + ..., arrays of one shape: at once where that is small."""
    if np.size(like) < _FEW:
        return term(np.arange(float(count)).reshape(-1, *(1,) * np.ndim(like))).sum(axis=0)
    return sum(term(k) for k in range(count))


def polygamma(n: int, x: Any) -> Any:
    """The n-th derivative of psi, of arrays."""
    import scipy.special

    return (-1) ** (n + 1) * math.factorial(n) * scipy.special.zeta(n + 1, x) if n else scipy.special.psi(x)


@primitive
def psi_gap(a: Any, b: Any, *, n: int) -> Any:
    """The n-th derivative of psi at a, less that at a + b: a sum of gaps between powers, then its integral."""
    dtype = np.result_type(a, b)
    a, b = double(a, b)
    inside = (a > 0) & (a + b > 0)
    with np.errstate(all="ignore"):
        low, step, s = np.where(inside, a, 1), np.where(inside, b, 0), n + 1

        def gap(power: int, low: Any) -> Any:
            return divided(-np.expm1(-power * np.log1p(step / low)), low, power)

        total = _added(lambda k: gap(s, low + k), 12, low)
        low = low + 12
        total = total + (gap(s - 1, low) / (s - 1) if n else np.log1p(step / low)) + gap(s, low) / 2
        for j, number in enumerate(_BERNOULLI, 1):
            rising = math.prod(range(s, s + 2 * j - 1)) / math.factorial(2 * j)
            total = total + number * rising * gap(s + 2 * j - 1, low)
        total = np.where(inside, (-1) ** (n + 1) * math.factorial(n) * total, polygamma(n, a) - polygamma(n, a + b))
    return total.astype(dtype)[()]


@psi_gap.vjp("a", "elementwise")
def _(g: Any, a: Any, b: Any, n: int) -> Any:
    return g * psi_gap.apply(a, b, n=n + 1)


@psi_gap.vjp("b", "elementwise")
def _(g: Any, a: Any, b: Any, n: int) -> Any:
    return (-1) ** (n + 1) * g * (math.factorial(n + 1) * zeta(n + 2, a + b))


def divided(y: Any, x: Any, k: int) -> Any:
    """y / x**k, where the power alone may be 0."""
    for _ in range(k):
        y = y / x
    return y


def log_lack(u: Any, log: Any) -> Any:
    """u - log1p(u), that logarithm being known, next to 0 by a series."""
    small = np.abs(u) < 0.5
    r = np.where(small, u, 0)
    r = r / (2 + r)
    total, square = np.zeros_like(r), r * r
    for k in range(18, 0, -1):
        total += 1 / (2 * k + 1)
        total *= square
    return np.where(small, 2 * r * (r / (1 - r) - total), u - log)


def bell(shape: Any, off: Any, ratio: Any) -> Any:
    """(ratio * exp(-off))**shape, ratio being 1 + off."""
    near = np.abs(off) < 0.5
    u = np.where(near, off, 0)
    return np.where(near, np.exp(-shape * log_lack(u, u)), (np.where(near, 1, ratio) * np.exp(-off)) ** shape)


def stirling(a: Any) -> Any:
    """log(gamma(a)) less (a - 1/2) log(a) - a + log(2 pi) / 2, for a > 10."""
    return sum(c / (2 * k * (2 * k - 1)) / a ** (2 * k - 1) for k, c in enumerate(_BERNOULLI, 1))


def _density(a: Any, x: Any, k: int, factor: Any = 1) -> Any:
    """factor * x**(a - 1 - k) exp(-x) / gamma(max(a, a + 1)), the larger one where a < 1."""
    import scipy.special

    high, low = (a > 10) & ((a > 100) | (x > a / 2)), a < 1
    large = np.where(high, a, 10)
    far = bell(large, (x - large) / large, x / large) * np.exp(-stirling(large)) * np.sqrt(large / (2 * math.pi))
    far = divided(far, x, k + 1) * factor
    power = np.where(low & (x != 0), divided(x**a * factor, x, k + 1), x ** (a - (k + 1)) * factor)
    near = power * np.exp(-x) * scipy.special.rgamma(np.where(low, a + 1, a))
    return np.where(high, np.where(x == 0, 0, far), near)


def _log_less_psi(a: Any, x: Any) -> Any:
    """log(x) - psi(a)."""
    import scipy.special

    high = a > 10
    large = np.where(high, a, 10)
    u = (x - large) / large
    ratio = np.where(np.abs(u) < 0.5, np.log1p(u), np.log(x) - np.log(large))
    return np.where(high, ratio + (1 / large - psi_lack(large)), np.log(x) - scipy.special.psi(a))


def psi_lack(a: Any) -> Any:
    """psi(a + 1) - log(a), made of positive terms."""

    def step(k: Any) -> Any:
        off = -1 / (a + (k + 1))
        return log_lack(off, np.log1p(off))

    low = a < 10
    near = _added(step, 10, a) if np.any(low) else 0
    large = np.where(low, a + 10, a)
    series = 1 / (2 * large) - sum(c / (2 * j) / large ** (2 * j) for j, c in enumerate(_BERNOULLI, 1))
    return series + np.where(low, near, 0)


def _moment(n: int, a: Any) -> Any:
    """Of the logarithm log(x) - psi(a), or of that at a + 1 where a < 1, the factor that n derivatives by a bring to
    _density times a where a < 1, which is the density."""
    low = a < 1
    top = np.where(low, a + 1, a)
    higher = [-polygamma(j, top) for j in range(1, n)]

    def factor(log: Any) -> Any:
        factors: list[Any] = [1.0, log]
        for m in range(1, n):
            more = (math.comb(m, j) * factors[m - j] * higher[j - 1] for j in range(1, m + 1))
            factors.append(factors[m] * log + sum(more))
        return np.where(low, a * factors[n] + (n * factors[n - 1] if n else 0), factors[n])

    return factor


@primitive
def gamma_density(a: Any, x: Any, *, n: int, k: int) -> Any:
    """The n-th derivative by a of x**(a - 1 - k) exp(-x) / gamma(a)."""
    dtype = np.result_type(a, x)
    a, x = double(a, x)
    with np.errstate(all="ignore"):
        log = _log_less_psi(np.where(a < 1, a + 1, a), np.where(x == 0, 1, x)) if n else 0
        return _density(a, x, k, _moment(n, a)(log)).astype(dtype)[()]


@gamma_density.vjp("a", "elementwise")
def _(g: Any, a: Any, x: Any, n: int, k: int) -> Any:
    return g * gamma_density.apply(a, x, n=n + 1, k=k)


@gamma_density.vjp("x", "elementwise")
def _(g: Any, a: Any, x: Any, out: Any, n: int, k: int) -> Any:
    slope = (a - (k + 1)) * gamma_density.apply(a, x, n=n, k=k + 1) - out
    return g * (slope + n * gamma_density.apply(a, x, n=n - 1, k=k + 1) if n else slope)


def _series(a: Any, x: Any, n: int) -> Any:
    """For x <= 1: gammainc is the sum of exp(-x) x**(a + k) / gamma(a + k + 1)."""
    import scipy.special

    total, log = 0, np.log(np.where(x == 0, 1, x))
    for k in range(25):
        top = a + (k + 1)
        factor = _moment(n, top)(log - polygamma(0, top))
        total = total + x**k * scipy.special.rgamma(top) * factor
    return total * x**a * np.exp(-x)


def _end(h: Any, slope: Any, start: Any) -> Any:
    """Where the convex h is _FAR, by Newton's method from above."""
    s = start
    for _ in range(12):
        s = s - np.maximum(h(s) - _FAR, 0) / slope(s)
    return s


def _tails(a: Any, x: Any, n: int) -> Any:
    """For x > 1: the integral over t < x or over t > x, on the side on which log(t) - psi(a) has one sign."""
    left = _log_less_psi(a, x) < 0
    log, factor = _log_less_psi(np.where(a < 1, a + 1, a), x), _moment(n, a)
    way = np.where(left, -1, 1)

    def height(s: Any) -> Any:  # x exp(s) - x - a s, t being x exp(s)
        u = np.expm1(way * s)
        return (x - a) * u + a * log_lack(u, way * s)

    start = np.where(left, (_FAR + x) / a, np.minimum(np.sqrt(2 * _FAR / x), np.log(2 + 2 * _FAR / x)))
    end = _end(height, lambda s: way * (x * np.exp(way * s) - a), start)

    def term(s: Any) -> Any:
        return np.exp(-height(s)) * factor(log + way * s)

    total, low = 0, 0 * end
    for high in (end / 4, end):
        total = total + between(term, low, high - low)
        low = high
    return -way * total * x * _density(a, x, 0)


@primitive
def gammainc_slope(a: Any, x: Any, *, n: int) -> Any:
    """The n-th derivative of gammainc by a, n being 1 at least."""
    dtype = np.result_type(a, x)
    a, x = double(a, x)
    with np.errstate(all="ignore"):
        small = x <= 1
        near, far = _series(a, np.where(small, x, 1), n), _tails(a, np.where(small, 2, x), n)
        return np.where(small, near, far).astype(dtype)[()]


@gammainc_slope.vjp("a", "elementwise")
def _(g: Any, a: Any, x: Any, n: int) -> Any:
    return g * gammainc_slope.apply(a, x, n=n + 1)


@gammainc_slope.vjp("x", "elementwise")
def _(g: Any, a: Any, x: Any, n: int) -> Any:
    return g * gamma_density.apply(a, x, n=n, k=0)


for _made, _options in ((psi_gap, ("n",)), (gamma_density, ("n", "k")), (gammainc_slope, ("n",))):
    _made.strategy(
        lambda draw, options=_options: (
            draw.entries((POSITIVE, POSITIVE), dtype=np.float64),
            {option: draw.integer(1, 2) for option in options},
        )
    )
