"""Bessel functions: the derivative of one is made of those of the neighbouring orders."""

# mypy: disable-error-code="has-type"
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...core.elementwise import elementwise
from ...core.forms import OfOrder
from ...core.primitive import Primitive, primitive
from .bessel_orders import iv_slope, jv_slope, kv_slope, scaled_iv_slope, scaled_kv_slope, yv_slope
from .gamma_functions import rgamma
from .gamma_slopes import divided
from .scaled import ive_slope, kve_slope
from .sinc_i0 import i0
from .table import POSITIVE, of_order, scipy_function, table

__all__ = [
    "i0e", "i1", "i1e", "iv", "ive", "j0", "j1", "jv", "k0", "k0e", "k1", "k1e", "kv", "kve", "y0", "y1", "yn", "yv",
]  # fmt: skip


def _near_zero(sign: int, direct: Any, v: Any, x: Any, k: int) -> Any:
    """`direct` over x**k; where the argument is small beside the order by the series, as SciPy loses digits there, or
    all: jv, or with sign 1 iv."""
    if direct.dtype.kind == "c":
        return direct / x**k
    v, x = np.broadcast_arrays(np.asarray(v, np.float64), np.asarray(x, np.float64))
    most = np.maximum(v + 1, 0.04)
    if sign > 0:  # all terms have one sign
        most = np.where(v >= 0, np.maximum(8 * most, 480), most)
    with np.errstate(all="ignore"):
        near = ((x > 0) | (x != 0) & (v == np.rint(v))) & (x * x < most) & (v < 170)
        series = _ascending(sign, np.where(near, v, 0), np.where(near, x / 2, 1), k) if near.any() else direct
        direct = divided(direct, x, k)
    return np.where(near, series, direct)


def _ascending(sign: int, v: Any, half: Any, k: int) -> Any:
    """The sum of sign**n half**(v + 2 n) / (n! gamma(v + n + 1)), over (2 half)**k (DLMF 10.2.2, 10.25.2)."""
    turned = (v < 0) & (v == np.rint(v))
    v = np.where(turned, -v, v)
    term = total = np.where(turned & (v % 2 == 1), sign, 1) / 2**k * rgamma.function(v + 1)
    for n in range(1, 100):
        if (np.abs(term) < 1e-17 * np.abs(total)).all():
            break
        term = term * (sign * half * half / (n * (v + n)))
        total = total + term
    return total * np.where(v < 1, divided(half**v, half, k), half ** (v - k))  # such that v - k is exact


def _rescued(name: str, slope: Any) -> Callable[..., Any]:
    """SciPy's function, and by the integral where that gives up before its result is beyond the range."""
    function = scipy_function(name)

    def value(v: Any, x: Any) -> Any:
        direct = function(v, x)
        if direct.dtype.kind == "c" or np.isfinite(direct).all():
            return direct
        lost = ~np.isfinite(direct) & (np.asarray(x) > 0) & np.isfinite(x) & np.isfinite(v)
        out, v, x = np.broadcast_arrays(direct, v, x)
        out = out.copy()
        out[lost] = slope.function(v[lost].astype(float), x[lost].astype(float), n=0, m=0)
        return out[()]

    value.__doc__ = function.__doc__
    return value


def _jv(v: Any, x: Any, k: int = 0) -> Any:
    """`scipy.special.jv`, on Tensors too."""
    direct = scipy_function("jv")(v, x)
    return _near_zero(-1, direct, v, x, k).astype(direct.dtype)


def _iv(v: Any, x: Any, k: int = 0) -> Any:
    """`scipy.special.iv`, on Tensors too; by way of `ive`, since SciPy's may be 5 % off at orders next to integers."""
    direct, size = scipy_function("iv")(v, x), np.abs(x)
    if direct.dtype.kind == "c":
        return _near_zero(1, direct, v, x, k)
    safe = (size > 0) & (size < np.log(np.finfo(direct.dtype).max) - 1)
    if k:  # of which a sum with infinite terms of both signs is made
        direct = np.minimum(direct, np.finfo(direct.dtype).max)
    value = np.where(safe, scipy_function("ive")(v, x) * np.exp(np.where(safe, size, 0)), direct)
    return _near_zero(1, value, v, x, k).astype(direct.dtype)


def _by_order(slope: Primitive[Any]) -> Callable[..., Any]:
    return lambda g, v, x: g * slope.apply(v, x, n=1, m=0)


def _first_kind(name: str, sign: int, value: Callable[..., Any], slope: Primitive[Any]) -> tuple[Any, Any]:
    """jv, or with sign 1 iv, whose derivatives by x are sums of such functions of higher orders over powers of x: with
    factors in which the order keeps its digits, as it does not in v - 1."""

    function: Any

    @primitive(name=f"{name}_over")
    def over(v: Any, x: Any, *, k: int) -> Any:
        return value(v, x, k)

    @over.vjp("v", "elementwise")
    def _(g: Any, v: Any, x: Any, k: int) -> Any:
        return g * (slope.apply(v, x, n=1, m=0) / x**k)

    @over.vjp("x", "elementwise")
    def _(g: Any, v: Any, x: Any, k: int) -> Any:
        return g * ((v - k) * over.apply(v, x, k=k + 1) + sign * over.apply(v + 1, x, k=k))

    @over.strategy
    def _(draw: Any) -> Any:
        return draw.entries((POSITIVE, POSITIVE), dtype=np.float64), {"k": draw.integer(0, 2)}

    def by_argument(v: Any, x: Any) -> Any:
        zero = x == 0
        higher, at_zero = sign * function(v + 1, x), np.where(zero, x, 1)
        off = v * over.apply(v, np.where(zero, 1, x), k=1) + higher
        return np.where(zero, (function(v - 1, at_zero) + higher) / 2, off)

    function = elementwise(
        value, name=name, domain=POSITIVE, v=_by_order(slope), x=lambda g, v, x: g * by_argument(v, x)
    )
    return function, by_argument


def _second_kind(v: Any, x: Any) -> Any:
    """The derivative of yv by x; where the neighbour farther from order 0 is infinite, it is all there is."""
    way = np.copysign(np.ones_like(v), v)
    far = yv(v + way, x)
    lost = np.isinf(far)
    near = np.where(lost, 0, yv(v - way, np.where(lost, 1, x)))
    return way * (near - far) / 2


jv: Primitive[OfOrder]
iv: Primitive[OfOrder]
jv, _ = _first_kind("jv", -1, _jv, jv_slope)
iv, iv_by_argument = _first_kind("iv", 1, _iv, iv_slope)
yv: Primitive[OfOrder] = elementwise(
    _rescued("yv", yv_slope),
    name="yv",
    domain=POSITIVE,
    v=_by_order(yv_slope),
    x=lambda g, v, x: g * _second_kind(v, x),
)
kv: Primitive[OfOrder] = elementwise(
    _rescued("kv", kv_slope),
    name="kv",
    domain=POSITIVE,
    v=_by_order(kv_slope),
    x=lambda g, v, x: -g * ((kv(v - 1, x) + kv(v + 1, x)) / 2),
)
yn = yv
ive = of_order("ive", x=lambda g, x, v: g * _ive_slope(v, x))
kve = of_order("kve", x=lambda g, x, v, out: g * _kve_slope(v, x, out))


def _ive_slope(v: Any, x: Any) -> Any:
    """By the integral where ive is nearly flat, else by the derivative of iv."""
    far = np.logical_and(x >= 1, x.dtype.kind == "f")
    near = np.where(far, 1, x)
    inside = np.exp(-np.abs(near)) * (iv_by_argument(v, near) - np.sign(near) * iv(v, near))
    return np.where(far, scaled_iv_slope.apply(v, np.where(far, x, 1), n=0, m=1), inside)


def _kve_slope(v: Any, x: Any, out: Any) -> Any:
    if x.dtype.kind == "c":
        return out - (kve(v - 1, x) + kve(v + 1, x)) / 2
    return scaled_kv_slope.apply(v, x, n=0, m=1)


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
