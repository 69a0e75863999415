"""What distributions have in common where one term is next to another, or underflows."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...core.tracing import bottom
from ..special.functions import erf, gammainc, gammaincc, gammaln, log_ndtr

__all__ = [
    "log_gammainc", "log_gammaincc", "log_less_exp", "log_normal_mass", "log_of_part", "log_one_and_square",
]  # fmt: skip

_LEVELS = 80  # of a continued fraction
_AS_INFINITY = 1e10  # beyond it a normal distribution has nothing, and its square is in range


def log_less_exp(x: Any) -> Any:
    """log(1 - exp(-x)) for x > 0. Source: Mächler, Accurately computing log(1 - exp(-|a|)), 2012."""
    small = x < math.log(2)
    low, high = np.where(small, x, 1), np.where(small, 1, x)
    return np.where(small, np.log(-np.expm1(-low)), np.log1p(-np.exp(-high)))


def log_one_and_square(x: Any) -> Any:
    """log(1 + x * x), also where the square overflows."""
    large = np.abs(x) > 1e9
    far = np.where(large, x, 1)
    return np.where(large, 2 * np.log(np.abs(far)), np.log1p(np.where(large, 0, x) ** 2))


def log_of_part(part: Any, rest: Any) -> Any:
    """log(part), of two that add up to 1, by the smaller one; -inf for 0, without a gradient."""
    some, most = part > 0, part > 0.5
    by_itself = np.log(np.where(np.logical_and(some, np.logical_not(most)), part, 1))
    return np.where(some, np.where(most, np.log1p(-np.where(most, rest, 0)), by_itself), -np.inf)


def log_normal_mass(a: Any, b: Any) -> Any:
    """log(ndtr(b) - ndtr(a)) for a < b: on one side of 0 by logarithms, around it by the error function."""
    a = np.where(np.isinf(a), -_AS_INFINITY, a)
    b = np.where(np.isinf(b), _AS_INFINITY, b)
    around = np.logical_and(a <= 0, b >= 0)
    root = math.sqrt(0.5)
    whole = np.where(around, erf(np.where(around, b, 1) * root) - erf(np.where(around, a, 0) * root), 2) / 2
    low, high = np.where(a > 0, -b, a), np.where(a > 0, -a, b)  # both left of 0
    low, high = np.where(around, -2, low), np.where(around, -1, high)
    top = log_ndtr(high)
    return np.where(around, np.log(whole), top + log_less_exp(top - log_ndtr(low)))


def _small(p: Any) -> Any:
    """Where a probability is so small that it is about to underflow."""
    return p < math.sqrt(float(np.finfo(p.dtype).tiny))


def log_gammaincc(a: Any, x: Any) -> Any:
    """log(gammaincc(a, x)), far to the right by Legendre's continued fraction (DLMF 8.9.2)."""
    value = gammaincc(a, x)
    far = _small(value)
    near = log_of_part(np.where(far, 1, value), np.where(far, 0, gammainc(a, x)))
    if not np.any(bottom(far)):
        return near
    a, x = np.where(far, a, 1), np.where(far, x, 1)
    fraction = x + (2 * _LEVELS + 1) - a
    for k in range(_LEVELS, 0, -1):
        fraction = x + (2 * k - 1) - a - k * (k - a) / fraction
    return np.where(far, a * np.log(x) - x - gammaln(a) - np.log(fraction), near)


def log_gammainc(a: Any, x: Any) -> Any:
    """log(gammainc(a, x)), far to the left by its series (DLMF 8.7.1)."""
    value = gammainc(a, x)
    far = _small(value)
    near = log_of_part(np.where(far, 1, value), np.where(far, 0, gammaincc(a, x)))
    if not np.any(bottom(far)):
        return near
    a, x = np.where(far, a, 1), np.where(far, x, 0.5)
    ratio = float(np.max(bottom(x / (a + 1))))
    count = int(min(40 / -math.log(min(max(ratio, 1e-9), 0.999)), 10_000)) + 2
    start = gammaln(a + 1)
    k = np.arange(count, dtype=value.dtype).reshape(-1, *(1,) * np.ndim(value))
    total = np.sum(np.exp(k * np.log(x) + start - gammaln(a + 1 + k)), axis=0)
    return np.where(far, a * np.log(x) - x - start + np.log(total), near)
