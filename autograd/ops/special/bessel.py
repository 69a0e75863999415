"""Bessel functions: the derivative of one is made of those of the neighbouring orders."""

# mypy: disable-error-code="has-type"
from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ...core.elementwise import elementwise
from ...core.forms import OfTwo
from ...core.primitive import Primitive
from . import parameter_derivatives
from .gamma_functions import gammaln, psi
from .scaled import ive_slope, kve_slope
from .sinc_i0 import i0
from .table import POSITIVE, of_order, scipy_function, table

__all__ = [
    "i0e", "i1", "i1e", "iv", "ive", "j0", "j1", "jv", "k0", "k0e", "k1", "k1e", "kv", "kve", "y0", "y1", "yn", "yv",
]  # fmt: skip


def _ascending(sign: int, v: Any, x: Any) -> Any:
    """The derivative by v of the sum of sign**k (x / 2)**(v + 2 k) / (k! gamma(v + k + 1)): jv, or with sign 1 iv."""
    top = parameter_derivatives.largest(x)

    def term(k: Any) -> Any:
        power = np.exp((v + 2 * k) * np.log(x / 2) - gammaln(k + 1) - gammaln(v + k + 1))
        return sign**k * power * (np.log(x / 2) - psi(v + k + 1))

    return parameter_derivatives.summed(term, int(top + 12 * top**0.5) + 40, v.ndim, v.dtype)


def _by_order(sign: int, holds: Callable[[Any, Any], Any], integral: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    """The rule by the order v of jv or iv: by the series where it `holds` its digits, else by the integral."""

    def rule(g: Any, v: Any, x: Any) -> Any:
        v, x = v + np.zeros_like(np.real(x)), x + np.zeros_like(v)
        near = holds(v, np.abs(x))
        series = _ascending(sign, np.where(near, v, 1), np.where(near, x, 1))
        return g * np.where(near, series, integral(v, x))

    return rule


jv = table(
    "jv",
    POSITIVE,
    v=_by_order(
        -1,
        lambda v, x: np.logical_and(v >= 0, x * x < 4 * (v + 1)),
        parameter_derivatives.of_bessel(
            lambda v, x, t: -t * np.sin(v * t - x * np.sin(t)),
            lambda v, x, t: np.exp(-x * np.sinh(t) - v * t) * (t * np.sin(math.pi * v) / math.pi - np.cos(math.pi * v)),
        ),
    ),
    x=lambda g, v, x: g * ((jv(v - 1, x) - jv(v + 1, x)) / 2),
)
_yv_by_order = parameter_derivatives.of_bessel(
    lambda v, x, t: -t * np.cos(x * np.sin(t) - v * t),
    lambda v, x, t: (
        np.exp(-x * np.sinh(t))
        * (np.exp(-v * t) * (t * np.cos(math.pi * v) / math.pi + np.sin(math.pi * v)) - np.exp(v * t) * t / math.pi)
    ),
)
yv = table(
    "yv",
    POSITIVE,
    v=lambda g, v, x: g * _yv_by_order(v, x),
    x=lambda g, v, x: g * ((yv(v - 1, x) - yv(v + 1, x)) / 2),
)


def _iv(v: Any, x: Any) -> Any:
    """`scipy.special.iv`, on Tensors too; by way of `ive`, since SciPy's may be 5 % off at orders next to integers."""
    direct, size = scipy_function("iv")(v, x), np.abs(x)
    if direct.dtype.kind == "c":
        return direct
    safe = (size > 0) & (size < np.log(np.finfo(direct.dtype).max) - 1)
    return np.where(safe, scipy_function("ive")(v, x) * np.exp(np.where(safe, size, 0)), direct)[()]


iv: Primitive[OfTwo] = elementwise(
    _iv,
    name="iv",
    domain=POSITIVE,
    v=_by_order(
        1,
        lambda v, x: v >= 0,
        parameter_derivatives.of_bessel(
            lambda v, x, t: -t * np.sin(v * t) * np.exp(x * np.cos(t)),
            lambda v, x, t: np.exp(-x * np.cosh(t) - v * t) * (t * np.sin(math.pi * v) / math.pi - np.cos(math.pi * v)),
        ),
    ),
    x=lambda g, v, x: g * ((iv(v - 1, x) + iv(v + 1, x)) / 2),
)
_kv_by_order = parameter_derivatives.of_bessel(
    lambda v, x, t: 0 * t, lambda v, x, t: t * np.sinh(v * t) * np.exp(-x * np.cosh(t))
)
kv = table(
    "kv",
    POSITIVE,
    v=lambda g, v, x: g * _kv_by_order(v, x),
    x=lambda g, v, x: -g * ((kv(v - 1, x) + kv(v + 1, x)) / 2),
)
yn = yv
ive = of_order("ive", x=lambda g, x, v, out: g * ((ive(v - 1, x) + ive(v + 1, x)) / 2 - np.sign(x) * out))
kve = of_order("kve", x=lambda g, x, v, out: g * (out - (kve(v - 1, x) + kve(v + 1, x)) / 2))
j0 = table("j0", x=lambda g, x: -g * j1(x))
j1 = table("j1", x=lambda g, x: g * ((j0(x) - jv(2, x)) / 2))
y0 = table("y0", POSITIVE, x=lambda g, x: -g * y1(x))
y1 = table("y1", POSITIVE, x=lambda g, x: g * ((y0(x) - yv(2, x)) / 2))
i1 = table("i1", x=lambda g, x: g * i0.apply(x, order=2))
i0e = table("i0e", x=lambda g, x: g * ive_slope.apply(x, v=0.0, order=1))
i1e = table("i1e", x=lambda g, x: g * ive_slope.apply(x, v=1.0, order=1))
k0 = table("k0", POSITIVE, x=lambda g, x: -g * k1(x))
k1 = table("k1", POSITIVE, x=lambda g, x, out: -g * (k0(x) + out / x))
k0e = table("k0e", POSITIVE, x=lambda g, x: g * kve_slope.apply(x, v=0.0, order=1))
k1e = table("k1e", POSITIVE, x=lambda g, x: g * kve_slope.apply(x, v=1.0, order=1))

for _made in (jv, yv, iv, kv):  # their orders are real
    _made.strategy(lambda draw: ((lambda v, x: (np.abs(v), x))(*draw.entries((POSITIVE, POSITIVE))), {}))
