"""Slopes of hypot, arctan2 and power as primitives: closed under differentiation, so that no order cancels or overflows
in between."""

# mypy: disable-error-code="has-type"
from __future__ import annotations

from typing import Any

import numpy as np

from ...core.elementwise import elementwise
from ...core.primitive import primitive
from ..short_forms import ordinary, within_range

_POSITIVE = (0.2, 3.0)


# x, and inf for 0: what one divides by to have 0 where 1 / x has a pole. There is no second derivative there, or it is
# lost (of norm(x) ** 2 it is 2 and of norm(x) ** 3 it is 0, by the same rules on the same numbers): NaN.
divisor = elementwise(
    lambda x: np.where(x == 0, np.inf, x), name="divisor", domain=_POSITIVE, x=lambda g, x: np.where(x == 0, np.nan, g)
)


def _over_hypot(a: Any, b: Any, twice: bool) -> Any:
    """a / hypot(a, b), or with `twice` over its square; 0 where both are 0."""
    length: Any = np.hypot(a, b)
    if ordinary(length):
        return a / length / length if twice else a / length
    scale: Any = 1.0
    if np.any(np.isinf(length)):  # finite at half the size
        scale = np.where(np.isinf(length), 0.5, 1).astype(length.dtype)
        a, b = a * scale, b * scale
        length = np.hypot(a, b)
        if twice:  # 0 where one is infinite
            a = np.where(np.isinf(length) & ~np.isnan(a) & ~np.isnan(b), 0, a)
    length = np.where(length == 0, np.inf, length)
    return (a / length / length * scale if twice else a / length)[()]


def _off_zero(g: Any, a: Any, b: Any) -> Any:
    """g, and NaN at the origin, where a direction has no derivative."""
    return np.where(np.logical_and(a == 0, b == 0), np.nan, g)


# The cosine of the angle of (a, b), and a / (a * a + b * b)
cosine = elementwise(
    lambda a, b: _over_hypot(a, b, False),
    name="cosine",
    domain=_POSITIVE,
    dtype=np.float64,
    a=lambda g, a, b: _off_zero(g, a, b) * (cosine(b, a) * per_square(b, a)),
    b=lambda g, a, b: -_off_zero(g, a, b) * (cosine(a, b) * per_square(b, a)),
)
per_square = elementwise(
    lambda a, b: _over_hypot(a, b, True),
    name="per_square",
    domain=_POSITIVE,
    dtype=np.float64,
    a=lambda g, a, b: (
        _off_zero(g, a, b) * ((per_square(b, a) - per_square(a, b)) * (per_square(b, a) + per_square(a, b)))
    ),
    b=lambda g, a, b: -_off_zero(g, a, b) * (2 * per_square(a, b) * per_square(b, a)),
)


def cosine_by(length: Any, a: Any, b: Any) -> Any:
    """`cosine`, whose length hypot(a, b) is known."""
    return a / length if ordinary(length) else cosine(a, b)


def polynomial(p: tuple[float, ...], b: Any) -> Any:
    """A polynomial, by its coefficients from the last on."""
    total = p[-1]
    for coefficient in p[-2::-1]:
        total = total * b + coefficient
    return total


@primitive
def power_slope(a: Any, b: Any, *, p: tuple[float, ...], n: int, m: int) -> Any:
    """p(b) * a**(b - n) * log(a)**m, of which derivatives of a**b are sums; p: coefficients, lowest first."""
    factor = polynomial(p, b)
    a = np.where(np.logical_and(factor == 0, (a == 0) | np.isnan(a)), 1, a)  # 0 times a pole or NaN is nothing
    power = np.asarray(a ** (b - n))
    if power.dtype.kind == "f":
        lost = np.logical_or((b - n) + n != b, np.isinf(power))  # digits of the exponent, or all
        if np.any(lost):
            whole = np.asarray(a**b)
            lost = lost & np.isfinite(whole) & (np.abs(whole) > np.finfo(power.dtype).tiny) & (a != 0)
            factor, below = factor * np.where(lost, whole, 1), np.where(lost, a, 1)
            for _ in range(n):
                factor = factor / below
            power = np.where(lost, 1, power)
        factor = np.where(power == 0, 0, factor).astype(power.dtype)  # which may be infinite
    if m:
        factor = factor * np.log(np.where(a == 0, 1, a).astype(power.dtype)) ** m
    return (factor * power)[()]


@power_slope.vjp("a", "elementwise")
def _(g: Any, a: Any, b: Any, p: tuple[float, ...], n: int, m: int) -> Any:
    raised = tuple(high - n * low for high, low in zip((0, *p), (*p, 0), strict=True))  # p(b) * (b - n)
    slope = power_slope.apply(a, b, p=raised, n=n + 1, m=m)
    return g * (slope + power_slope.apply(a, b, p=tuple(m * c for c in p), n=n + 1, m=m - 1) if m else slope)


@power_slope.vjp("b", "elementwise")
def _(g: Any, a: Any, b: Any, p: tuple[float, ...], n: int, m: int) -> Any:
    slope = power_slope.apply(a, b, p=p, n=n, m=m + 1)
    lowered = tuple(k * c for k, c in enumerate(p))[1:]
    return g * (slope + power_slope.apply(a, b, p=lowered, n=n, m=m) if lowered else slope)


@power_slope.strategy
def _(draw: Any) -> Any:
    options = {"p": draw.one_of([(0, 1), (0, -1, 1)]), "n": draw.integer(0, 2), "m": draw.integer(0, 1)}
    return draw.entries((_POSITIVE, (-3.0, 3.0))), options


def slope_in_base(a: Any, b: Any, out: Any) -> Any:
    """The derivative of out = a ** b in a; 0 where that has a pole though a ** b has none."""
    if (b.__class__ is int or b.__class__ is float) and not 0 <= b < 1 and (b - 1) + 1 == b:
        return b * a ** (b - 1)
    short = within_range(lambda a, b: b * (out / a), a, b) if ordinary(out) else None
    if short is not None:
        return short
    at_zero = np.logical_and(a == 0, np.logical_and(np.real(b) >= 0, np.real(b) < 1))
    slope = power_slope.apply(np.where(at_zero, 1, a), b, p=(0, 1), n=1, m=0)
    return slope / divisor(np.where(np.logical_and(at_zero, b != 0), a, 1))


def slope_in_exponent(a: Any, b: Any, out: Any) -> Any:
    """The derivative of out = a ** b in b; 0 where a is and a ** b has no pole."""
    short = within_range(lambda a: out * np.log(a, dtype=out.dtype), a) if ordinary(out) else None
    if short is not None:
        return short
    base = np.where(np.logical_and(a == 0, np.real(b) >= 0), 1, a)
    return power_slope.apply(base, b, p=(1,), n=0, m=1)
