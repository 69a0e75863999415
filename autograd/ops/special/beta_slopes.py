"""What derivatives of the incomplete beta function are made of, such that no digits cancel.

Its n-th derivative by a and m-th by b is the integral of one of the density over t < x or over t > x, on the side on
which the first one has one sign. t is the logistic function of the variable of integration, in which the density is
log-concave; it is a b / (a + b) times what is smooth where a and b are 0. Sources: DLMF 5.11, 8.17.
"""

# mypy: disable-error-code="has-type"
from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from ...core.primitive import primitive
from .gamma_slopes import bell, divided, double, log_lack, polygamma, psi_gap, psi_lack, stirling
from .scaled import between
from .table import POSITIVE, UNIT

__all__ = ["beta_density", "beta_slope", "betainc_slope"]

_FAR = 45.0  # exp(-45) is nothing beside 1
_PANEL, _BENT = 8.0, 36.0  # of the path; beyond, the logistic function is an exponential one


def _stretch(z: Any) -> Any:
    """gamma(z + 1) exp(z) / z**z."""
    import scipy.special

    high = z > 10
    low, large = np.where(high, 1, z), np.where(high, z, 10)
    factorial = np.where(low < 1, scipy.special.gamma(low + 1), low * scipy.special.gamma(low))
    return np.where(high, np.sqrt(2 * math.pi * large) * np.exp(stirling(large)), factorial * np.exp(low) / low**low)


class _Side(NamedTuple):
    """A shape, the place t from its end, and how the mean, shape / total, compares with t."""

    shape: Any
    t: Any
    mean: Any
    off: Any  # t less the mean, times the total
    log: Any  # log(t)
    ratio: Any  # log(t / mean)

    @classmethod
    def of(cls, shape: Any, t: Any, rest: Any, mean: Any, off: Any) -> _Side:
        log = np.where(t == 0, 0, np.where(t < 0.5, np.log(t), np.log1p(-rest)))
        share = off / shape
        ratio = np.where(np.abs(share) < 0.5, np.log1p(share), log - np.log(mean))
        return cls(shape, t, mean, off, log, ratio)

    def power(self, k: int) -> Any:
        """t**(shape - k) / mean**shape times exp(-off), which is 1 over both sides: it keeps large powers small."""
        low = self.shape < 10
        shape = np.where(low, self.shape, 0)
        near = np.where((shape < 1) & (self.t != 0), divided(self.t**shape, self.t, k), self.t ** (shape - k))
        near = near / self.mean**shape * np.exp(-self.off)
        if np.all(low):
            return near
        half = bell(self.shape / 2, self.off / self.shape, self.t / self.mean)
        return np.where(low, near, half * np.where(half == 0, 0, divided(half, self.t, k)))


class _Place:
    """a, b, x and y = 1 - x, all in double precision, and what the density is made of at x."""

    def __init__(self, a: Any, b: Any, x: Any) -> None:
        self.a, self.b, self.x, self.y, self.total = a, b, x, 1 - x, a + b
        off = x * b - self.y * a
        self.sides = _Side.of(a, x, self.y, a / self.total, off), _Side.of(b, self.y, x, b / self.total, -off)

    def density(self, i: int, j: int) -> Any:
        """x**(a - i) y**(b - j) gamma(a + b + 1) / (gamma(a + 1) gamma(b + 1))."""
        left, right = self.sides
        return _stretch(self.total) / (_stretch(self.a) * _stretch(self.b)) * left.power(i) * right.power(j)

    def logarithms(self) -> tuple[Any, Any]:
        """The derivatives of the logarithm of density(0, 0) by a and by b."""
        both, lack = (self.a > 0.5) & (self.b > 0.5), psi_lack(self.total)

        def by(side: _Side, other: Any) -> Any:
            middle = side.ratio + lack - psi_lack(side.shape)
            if np.all(both):
                return middle
            small = np.log(side.t * self.total) + lack - polygamma(0, side.shape + 1)
            near = side.log - psi_gap.function(side.shape + 1, other, n=0)
            return np.where(both, middle, np.where((side.shape < 0.5) & (other > 10) & (side.t > 0), small, near))

        return by(self.sides[0], self.b), by(self.sides[1], self.a)

    def moment(self, n: int, m: int) -> Callable[[Any, Any], Any]:
        """Of these logarithms, the factor that n derivatives by a and m by b bring to a b / (a + b) density(0, 0)."""
        total, first, second = self.total, self.a / self.total, self.b / self.total

        def outer(k: int, q: int) -> Any:
            """The derivatives of a b / (a + b)."""
            if k + q < 2:
                return second * second if k else first * first if q else self.a * second
            form = k * (k - 1) * second**2 - 2 * k * q * first * second + q * (q - 1) * first**2
            return (-1) ** (k + q + 1) * math.factorial(k + q - 2) / total ** (k + q - 1) * form

        @cache
        def cumulant(k: int, q: int) -> Any:
            if k and q:
                return polygamma(k + q - 1, total + 1)
            shape, other = (self.a, self.b) if k else (self.b, self.a)
            return -psi_gap.function(shape + 1, other, n=k + q - 1)

        def factor(by_a: Any, by_b: Any) -> Any:
            @cache
            def inner(k: int, q: int) -> Any:
                if not k and not q:
                    return 1.0
                p, r = (k - 1, q) if k else (k, q - 1)
                terms: Any = 0
                for i in range(p + 1):
                    for j in range(r + 1):
                        order = (i + 1, j) if k else (i, j + 1)
                        log = by_a if order == (1, 0) else by_b if order == (0, 1) else cumulant(*order)
                        terms = terms + math.comb(p, i) * math.comb(r, j) * inner(p - i, r - j) * log
                return terms

            pairs = [(i, j) for i in range(n + 1) for j in range(m + 1)]
            return sum(math.comb(n, i) * math.comb(m, j) * outer(n - i, m - j) * inner(i, j) for i, j in pairs)

        return factor


def _inside(a: Any, b: Any, x: Any) -> tuple[Any, _Place]:
    """Where the function is, and a place that is there everywhere."""
    ok = (a > 0) & (b > 0) & (x >= 0) & (x <= 1) & np.isfinite(a) & np.isfinite(b)
    return ok, _Place(np.where(ok, a, 1), np.where(ok, b, 1), np.where(ok, x, 0.25))


@primitive
def beta_density(a: Any, b: Any, x: Any, *, n: int, m: int, i: int, j: int) -> Any:
    """The n-th derivative by a and m-th by b of x**(a - 1 - i) (1 - x)**(b - 1 - j) / beta(a, b)."""
    dtype = np.result_type(a, b, x)
    with np.errstate(all="ignore"):
        inside, place = _inside(*double(a, b, x))
        factor = place.moment(n, m)(*(place.logarithms() if n or m else (0, 0)))
        return np.where(inside, place.density(1 + i, 1 + j) * factor, np.nan).astype(dtype)[()]


@beta_density.vjp("a", "elementwise")
def _(g: Any, a: Any, b: Any, x: Any, n: int, m: int, i: int, j: int) -> Any:
    return g * beta_density.apply(a, b, x, n=n + 1, m=m, i=i, j=j)


@beta_density.vjp("b", "elementwise")
def _(g: Any, a: Any, b: Any, x: Any, n: int, m: int, i: int, j: int) -> Any:
    return g * beta_density.apply(a, b, x, n=n, m=m + 1, i=i, j=j)


@beta_density.vjp("x", "elementwise")
def _(g: Any, a: Any, b: Any, x: Any, n: int, m: int, i: int, j: int) -> Any:
    def of(n: int, m: int, up: int) -> Any:
        return beta_density.apply(a, b, x, n=n, m=m, i=i + up, j=j + 1 - up)

    slope = (a - (1 + i)) * of(n, m, 1) - (b - (1 + j)) * of(n, m, 0)
    slope = slope + n * of(n - 1, m, 1) if n else slope
    return g * (slope - m * of(n, m - 1, 0) if m else slope)


def _end(height: Callable[[Any], Any], like: Any) -> Any:
    """Where the convex height is _FAR, to some percent: by halving the logarithms of what it may be."""
    low, high = np.full_like(like, -80.0), np.full_like(like, 370.0)
    for _ in range(13):
        middle = (low + high) / 2
        beyond = height(np.exp(middle)) > _FAR
        low, high = np.where(beyond, low, middle), np.where(beyond, middle, high)
    return np.exp(high)


def _along(place: _Place, weight: Callable[[Any, Any], Any], left: Any) -> Any:
    """The integral by logit(t) of the density over that at x, times the weight of log(t / x) and of
    log((1 - t) / (1 - x)): from 0 to x where `left`, else from x to 1."""
    turned = place.x > 0.5  # the path is computed from the nearer end
    x, y = np.where(turned, place.y, place.x), np.where(turned, place.x, place.y)
    a, b = np.where(turned, place.b, place.a), np.where(turned, place.a, place.b)
    total, slope, start = a + b, x * b - y * a, np.log(x) - np.log(y)
    way = np.where(left == turned, 1.0, -1.0)

    def log(s: Any) -> Any:
        """That of y + x exp(s)."""
        far = s > 40 - start
        half = np.exp(np.where(far, 0, s) / 2)
        more = np.where(s < 1, x * np.expm1(np.minimum(s, 1)), x * half * half - x)
        return np.where(far, s + np.log(x), np.log1p(more))

    def far_height(s: Any) -> Any:
        return total * log(s) - a * s

    def height(s: Any) -> Any:
        """How much the logarithm of the density is less at logit(x) + s than at x."""
        r = np.where(np.abs(s) < 1, s, 0)
        u = np.expm1(r)
        bend = x * log_lack(u, r) - log_lack(x * u, np.log1p(x * u))
        return np.where(r == s, slope * s + total * bend, far_height(s))

    def term(distance: Any) -> Any:
        s = way * distance
        rest = -log(s)
        return np.exp(-height(s)) * weight(np.where(turned, rest, s + rest), np.where(turned, s + rest, rest))

    end = _end(lambda distance: far_height(way * distance), x)
    bent = np.clip(np.minimum(end, _BENT - way * start), 0, end)
    knots = np.stack([0 * end, *(np.maximum(bent - _PANEL * k, 0) for k in range(9, -1, -1)), end])
    low, width = knots[:-1], np.diff(knots, axis=0)
    some = width.any(axis=tuple(range(1, width.ndim)))
    return between(term, low[some], width[some]).sum(axis=0)


def _integral(place: _Place, n: int, m: int) -> Any:
    """That of the derivative of the density, over that at x, from 0 to x or less that from x to 1."""
    by_a, by_b = place.logarithms()
    factor = place.moment(n, m)
    if n and m:
        left = place.sides[0].off < 0
    else:
        left = place.moment(1, 0)(by_a, by_b) < 0 if n else place.moment(0, 1)(by_a, by_b) > 0
    whole = _along(place, lambda up, down: factor(by_a + up, by_b + down), left)
    return np.where(left, whole, -whole)


def _log_over(up: Any, t: Any, rest: Any) -> Any:
    """log(t) / (1 - t), `up` being log(t) and `rest` 1 - t."""
    some = np.where(rest == 0, 1, rest)
    return np.where(rest == 0, -1, np.where(t < 0.5, up, np.log1p(-np.minimum(some, 0.75))) / some)


@primitive
def beta_slope(a: Any, b: Any, *, n: int, m: int) -> Any:
    """The n-th derivative by a and m-th by b of beta for a, b > 0: by one of them as beta times what has one sign, by
    both as the integral of t**(a - 1) (1 - t)**(b - 1) log(t)**n log(1 - t)**m, which does, too."""
    import scipy.special

    dtype = np.result_type(a, b)
    a, b = double(a, b)
    with np.errstate(all="ignore"):
        if not (n and m):
            shape, other = (a, b) if n else (b, a)
            found = [scipy.special.beta(a, b)]
            gaps = [psi_gap.function(shape, other, n=k) for k in range(n + m)]
            for k in range(n + m):
                found.append(sum(math.comb(k, j) * found[k - j] * gaps[j] for j in range(k + 1)))
            return found[-1].astype(dtype)[()]
        inside, place = _inside(a + 1, b + 1, (a + 1) / (a + b + 2))
        x, y = np.log(place.x), np.log1p(-place.x)

        def weight(up: Any, down: Any) -> Any:
            t, rest = np.exp(x + up), np.exp(y + down)
            first, second = _log_over(x + up, t, rest), _log_over(y + down, rest, t)
            return first**n * second**m * rest ** (n - 1) * t ** (m - 1)

        total = sum(_along(place, weight, np.full(a.shape, left)) for left in (True, False))
        return np.where(inside, total * np.exp(place.a * x + place.b * y), np.nan).astype(dtype)[()]


@beta_slope.vjp("a", "elementwise")
def _(g: Any, a: Any, b: Any, n: int, m: int) -> Any:
    return g * beta_slope.apply(a, b, n=n + 1, m=m)


@beta_slope.vjp("b", "elementwise")
def _(g: Any, a: Any, b: Any, n: int, m: int) -> Any:
    return g * beta_slope.apply(a, b, n=n, m=m + 1)


@beta_slope.strategy
def _(draw: Any) -> Any:
    return draw.entries((POSITIVE, POSITIVE), dtype=np.float64), {"n": draw.integer(0, 1), "m": 1}


@primitive
def betainc_slope(a: Any, b: Any, x: Any, *, n: int, m: int) -> Any:
    """The n-th derivative by a and m-th by b of betainc, n + m being 1 at least."""
    dtype = np.result_type(a, b, x)
    with np.errstate(all="ignore"):
        a, b, x = double(a, b, x)
        ends = (x == 0) | (x == 1)
        inside, place = _inside(a, b, np.where(ends, 0.25, x))
        total = np.where(ends, 0, _integral(place, n, m) * place.density(0, 0))
        return np.where(inside, total, np.nan).astype(dtype)[()]


@betainc_slope.vjp("a", "elementwise")
def _(g: Any, a: Any, b: Any, x: Any, n: int, m: int) -> Any:
    return g * betainc_slope.apply(a, b, x, n=n + 1, m=m)


@betainc_slope.vjp("b", "elementwise")
def _(g: Any, a: Any, b: Any, x: Any, n: int, m: int) -> Any:
    return g * betainc_slope.apply(a, b, x, n=n, m=m + 1)


@betainc_slope.vjp("x", "elementwise")
def _(g: Any, a: Any, b: Any, x: Any, n: int, m: int) -> Any:
    return g * beta_density.apply(a, b, x, n=n, m=m, i=0, j=0)


@betainc_slope.strategy
def _(draw: Any) -> Any:
    return tuple(draw.array((2,), d, dtype=np.float64) for d in (POSITIVE, POSITIVE, UNIT)), {
        "n": draw.integer(0, 1),
        "m": 1,
    }


@beta_density.strategy
def _(draw: Any) -> Any:
    options = {name: draw.integer(0, 1) for name in ("n", "m", "i", "j")}
    return draw.entries((POSITIVE, POSITIVE, UNIT), dtype=np.float64), options
