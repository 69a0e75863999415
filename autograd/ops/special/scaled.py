"""Derivatives of special functions in whose recurrences all digits cancel, as integrals of what has one sign.

The integrals are computed in double precision and rounded once. Sources: DLMF 7.5 and 7.7 (error function, Dawson's
integral), 10.32 (modified Bessel functions).
"""

# mypy: disable-error-code="has-type"
from __future__ import annotations

import math
import sys
from collections.abc import Callable
from decimal import Decimal, localcontext
from functools import cache
from typing import Any

import numpy as np

from ...core.elementwise import elementwise
from ...core.primitive import primitive
from .slopes import polynomial

_FAR = 45.0  # exp(-45) is nothing beside 1
_FEW = 1 << 10
_LARGEST = sys.float_info.max / 8


@cache
def _legendre(count: int) -> list[tuple[float, float]]:
    """Places and weights of Gauss and Legendre on (0, 1) with all their digits: NumPy's weights have 12."""
    pairs = []
    with localcontext(prec=50):
        for guess in np.polynomial.legendre.leggauss(count)[0].tolist():
            t, step = Decimal(guess), Decimal(0)
            for _ in range(3):
                t -= step
                last, value = Decimal(1), t
                for k in range(2, count + 1):
                    last, value = value, ((2 * k - 1) * t * value - (k - 1) * last) / k
                slope = count * (last - t * value) / (1 - t * t)
                step = value / slope
            pairs.append((float((1 + t) / 2), float(1 / ((1 - t * t) * slope * slope))))
    return pairs


def integral(term: Callable[[Any], Any], stop: Any) -> Any:
    """The integral of term(t) for t from 0 to `stop`, where it falls by _FAR in the exponent at the most."""
    if np.size(stop) < _FEW:  # at once: t has the places along a first axis of its own
        places, weights = np.transpose(_legendre(48))
        return np.tensordot(weights, term(np.multiply.outer(places, stop)), 1) * stop
    total = 0
    for place, weight in _legendre(48):
        total = total + weight * term(place * stop)
    return total * stop


def between(term: Callable[[Any], Any], low: Any, width: Any) -> Any:
    """The integral of term(t) for t from `low` on, over this width."""
    return integral(lambda t: term(low + t), width)


def size_of(x: Any) -> Any:
    """abs(x) in double precision, and for inf a number with which nothing overflows."""
    return np.minimum(np.abs(np.asarray(x, np.float64)), _LARGEST)


def arc(size: Any, most: float) -> Any:
    """Where size * (1 - cos(t)) is _FAR, or `most` if that is less."""
    return 2 * np.arcsin(np.minimum(np.sqrt(_FAR / 2 / np.maximum(size, 1)), math.sin(most / 2)))


@primitive
def exp_square(x: Any, *, scale: float) -> Any:
    """exp(scale * x * x), with the digits that the rounding of the square takes: what is next to x has an exact one."""
    near = np.where(np.abs(x) < 64, np.rint(x * 16) / 16, x)
    with np.errstate(invalid="ignore"):  # inf - inf
        rest = np.where(x == near, 0, (x - near) * (x + near))
    return np.exp(scale * near * near) * np.exp(scale * rest)


exp_square.vjp("x", "elementwise")(lambda g, x, out, scale: g * (2 * scale * (np.where(out == 0, 0, x) * out)))


@primitive
def exp_over(x: Any, *, sign: float) -> Any:
    """exp(sign * x) / x, also where the exponential alone overflows."""
    half = np.exp(sign * x / 2)
    return half / x * half


@exp_over.vjp("x", "elementwise")
def _(g: Any, x: Any, out: Any, sign: float) -> Any:
    finite = np.where(np.isinf(x), 1, x)
    return g * (out * np.where(np.isinf(x), sign, (sign * finite - 1) / finite))


@primitive
def erfcx_slope(x: Any, *, order: int) -> Any:
    """The derivative of some order of erfcx, for x > 0 the integral of exp(-t**2 - 2 x t), times 2 / sqrt(pi)."""
    size = size_of(x)
    stop = _FAR / (size + np.hypot(size, math.sqrt(_FAR)))
    total = integral(lambda t: (-2 * t) ** order * np.exp(-t * (t + 2 * size)), stop) * (2 / math.sqrt(math.pi))
    left = np.where(np.isnan(x), x, np.minimum(x, 0)).astype(np.float64)  # erfcx(x) + erfcx(-x) = 2 exp(x**2)
    mirrored = _gaussian(2.0, 2.0, order)(left) * exp_square.function(left, scale=1.0) + (-1) ** (order + 1) * total
    return np.where(x >= 0, total, mirrored).astype(np.result_type(x))[()]


@primitive
def dawsn_slope(x: Any, *, order: int) -> Any:
    """The derivative of some order of dawsn, for x > 0 the integral of exp(t**2 - 2 x t) from 0 to x."""
    size, root = size_of(x), math.sqrt(_FAR)
    stop = np.minimum(size, _FAR / (np.maximum(size, 1) + np.sqrt(np.maximum(size - root, 0)) * np.sqrt(size + root)))
    at_end = _gaussian(0.0, -2.0, order, -2.0)(np.minimum(size, 40)) * exp_square.function(size, scale=-1.0)
    total = integral(lambda t: (-2 * t) ** order * np.exp(t * (t - 2 * size)), stop) + at_end
    return (total if order % 2 else np.sign(x) * total).astype(np.result_type(x))[()]


def _gaussian(start: float, step: float, order: int, end: float = 0.0) -> Any:
    """p where p(x) exp(step x**2 / 2) is the derivative of start exp(...), plus (end x)**k at each step where there is
    an end that moves."""
    x = np.polynomial.Polynomial([0.0, 1.0])
    p = np.polynomial.Polynomial([start])
    for k in range(order):
        p = p.deriv() + step * x * p + ((end * x) ** k if end else 0)
    coefficients = tuple(p.coef)
    return lambda x: polynomial(coefficients, x)


@primitive
def ive_slope(x: Any, *, v: float, order: int) -> Any:
    """The derivative of some order of ive, v being 0 or 1: the mean of cos(v t) exp(-x (1 - cos(t))), from 0 to pi."""
    size = size_of(x)

    def term(t: Any) -> Any:
        gap = -2 * np.sin(t / 2) ** 2
        return np.cos(v * t) * gap**order * np.exp(size * gap)

    total = integral(term, arc(size, math.pi)) / math.pi
    small = size < 1  # where the differences have more digits
    total = np.where(small, _difference(_ive, v, np.where(small, size, 1), order), total)
    return (np.sign(x) * total if (v + order) % 2 else total).astype(np.result_type(x))[()]


@primitive
def kve_slope(x: Any, *, v: float, order: int) -> Any:
    """The derivative of some order of kve, v being 0 or 1: the integral of cosh(v t) exp(-x (cosh(t) - 1))."""
    size = np.minimum(np.asarray(x, np.float64), _LARGEST)
    small = size < 0.5
    far = np.where(small, 0.5, size)

    def term(t: Any) -> Any:
        gap = -2 * np.sinh(t / 2) ** 2
        return np.cosh(v * t) * gap**order * np.exp(far * gap)

    total = integral(term, 2 * np.arcsinh(np.sqrt(_FAR / 2 / far)))
    near = _difference(_kve, v, np.where(small, size, 0.5), order) * (-1) ** order
    return np.where(small, near, total).astype(np.result_type(x))[()]


def _difference(f: Callable[[Any, int, float], list[Any]], v: float, x: Any, order: int) -> Any:
    """The derivative by x of ive, and but for its sign of kve: a central difference in the order v."""
    values = f(x, int(v) + order, 0.5**order)
    weights = [(-1) ** k * math.comb(2 * order, k) for k in range(2 * order + 1)]
    with np.errstate(invalid="ignore"):  # inf - inf, beside which the highest order is still more
        total = sum(weight * values[abs(int(v) + order - k)] for k, weight in enumerate(weights))
    return np.where(np.isinf(values[-1]), values[-1], total)


def _ive(x: Any, top: int, scale: float) -> list[Any]:
    import scipy.special

    return [scale * scipy.special.ive(v, x) for v in range(top + 1)]


def _kve(x: Any, top: int, scale: float) -> list[Any]:
    """By recurrence: SciPy's overflow before they must."""
    import scipy.special

    values = [scale * scipy.special.k0e(x), scale * scipy.special.k1e(x)]
    for v in range(1, top):
        values.append(values[-2] + 2 * v / x * values[-1])
    return values


erfcx_slope.vjp("x", "elementwise")(lambda g, x, order: g * erfcx_slope.apply(x, order=order + 1))
dawsn_slope.vjp("x", "elementwise")(lambda g, x, order: g * dawsn_slope.apply(x, order=order + 1))
ive_slope.vjp("x", "elementwise")(lambda g, x, v, order: g * ive_slope.apply(x, v=v, order=order + 1))
kve_slope.vjp("x", "elementwise")(lambda g, x, v, order: g * kve_slope.apply(x, v=v, order=order + 1))


def _excess(x: Any) -> Any:
    """The slope of log_ndtr at x < 0, plus x: 1 / abs(x) far out."""
    import scipy.special

    z = np.asarray(np.minimum(x, 0), np.float64) * -math.sqrt(0.5)
    far = z > 1e10
    near = np.where(far, 0, z)
    ratio = -erfcx_slope.function(near, order=1) / scipy.special.erfcx(near) * math.sqrt(0.5)
    return np.where(far, math.sqrt(0.5) / np.where(far, z, 1), ratio).astype(np.result_type(x))[()]


def _hazard(x: Any) -> Any:
    import scipy.special

    return math.sqrt(2 / math.pi) / scipy.special.erfcx(x * -math.sqrt(0.5))


hazard = elementwise(_hazard, name="hazard", domain=(-3.0, -0.2), x=lambda g, x, out: -g * (out * excess(x)))
excess = elementwise(_excess, name="excess", domain=(-3.0, -0.2), x=lambda g, x, out: g * (1 - hazard(x) * out))
exp_over.strategy(lambda draw: ((draw.array(domain=(0.3, 3.0)),), {"sign": draw.one_of([-1.0, 1.0])}))
exp_square.strategy(lambda draw: ((draw.array(),), {"scale": draw.one_of([-1.0, -0.5, 0.5, 1.0])}))
for _made in (erfcx_slope, dawsn_slope):
    _made.strategy(lambda draw: ((draw.array(dtype=np.float64),), {"order": draw.integer(1, 2)}))
for _made in (ive_slope, kve_slope):
    _made.strategy(
        lambda draw: (
            (draw.array(domain=(0.2, 3.0), dtype=np.float64),),
            {"v": draw.one_of([0.0, 1.0]), "order": draw.integer(1, 2)},
        )
    )
for _made in (hazard, excess):
    _made.strategy(lambda draw: (draw.entries(((-3.0, -0.2),), dtype=np.float64), {}))
