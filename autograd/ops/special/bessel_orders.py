"""Derivatives of Bessel functions by their orders, and by their arguments as often as one likes.

Bessel functions are integrals of exp(x sinh(u) - v u) or exp(x cosh(u) - v u) over u (Schlaefli's), and so are their
derivatives, with powers of -u and of sinh(u) or cosh(u). The path goes up through the saddle, where nothing cancels,
and along lines. All is computed in double precision and rounded once. Source: DLMF 10.9, 10.32 and 2.4(iv).
"""

# mypy: disable-error-code="has-type"
from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ...core.primitive import Primitive, primitive
from .scaled import between, integral

__all__ = ["iv_slope", "jv_slope", "kv_slope", "scaled_iv_slope", "scaled_kv_slope", "yv_slope"]

_FAR = 45.0  # exp(-45) is nothing beside 1
_PANEL = 8.0  # of a line: exp(-exp(t)) on it is as good as a polynomial


def _numbers(v: Any, x: Any) -> tuple[Any, Any, Any]:
    """v, abs(x) and the direction of x, with double precision."""
    v, x = np.broadcast_arrays(np.asarray(v, np.float64), np.asarray(x))
    x = x.astype(np.complex128 if x.dtype.kind == "c" else np.float64)
    size = np.abs(x)
    return v, size, x / np.where(size == 0, 1, size)


def _result(total: Any, v: Any, x: Any) -> Any:
    return total.astype(np.result_type(v, x, np.float16))[()]


def _height(function: Callable[..., Any], size: Any, t: Any) -> Any:
    """size * sinh(t) or size * cosh(t), where the hyperbolic function alone may overflow."""
    return np.where(t < 40, size * function(np.minimum(t, 40)), np.exp(t + np.log(size / 2)))


def _over(size: Any, m: int, factor: Any, exponent: Any) -> Any:
    """factor * exp(exponent) / size**m, where the exponential alone may be 0 and 1 / size**m infinite."""
    root = np.exp(exponent / 2)
    factor = factor * root
    for k in range(m):
        factor = factor / size * (1 if k else root)
    return factor if m else factor * root


def _gap(t: Any) -> Any:
    """cosh(t) - 1."""
    return 2 * np.sinh(t / 2) ** 2


def _more(t: Any) -> Any:
    """cosh(t) + 1."""
    return 2 * np.cosh(t / 2) ** 2


def _line(function: Callable[..., Any], term: Callable[..., Any], v: Any, size: Any, start: Any, grows: Any) -> Any:
    """The integral of term(t, size * function(t)) for t from `start` on; it falls as exp(-size * function(t)), and
    before as exp(-v t), or where it `grows` as exp(v t) does."""
    rate = np.abs(v)
    reach = 3 * np.where(grows, rate, 0) + _FAR + 15
    few = np.minimum(reach / size, 1e10)
    end = np.arcsinh(few) if function is np.sinh else 2 * np.arcsinh(np.sqrt(few / 2))
    end = np.where(few < 1e10, end, np.log(2 * reach) - np.log(size))
    top = np.arcsinh(np.minimum(rate / size, 1e300))
    start = np.where(grows, np.maximum(start, top - 3 - _FAR / rate), start)
    end = np.maximum(np.where(grows, end, np.minimum(end, start + _FAR / rate)), start)
    knee = np.maximum(start, end - 5 * _PANEL)
    total: Any = 0
    for k in range(6):
        low = start if k == 0 else knee + (k - 1) / 5 * (end - knee)
        width = knee + k / 5 * (end - knee) - low
        part = between(lambda t: term(t, _height(function, size, t)), low, width)
        total = total + np.where(width > 0, part, 0)
    return total


def _turned(n: int, v: Any) -> Callable[[Any], Any]:
    """(i pi - t)**n exp(i pi v)."""
    whole = np.rint(v)
    sign, rest = 1 - 2 * (np.abs(whole) % 2), math.pi * (v - whole)
    turn = sign * (np.cos(rest) + 1j * np.sin(rest))
    return lambda t: (1j * math.pi - t) ** n * turn


def _tail(function: Callable[..., Any], v: Any, size: Any, way: Any, start: Any, n: int, m: int) -> Any:
    """What the lines give to J and I: no more than a multiple of sin(pi v) and its derivatives."""
    turned = _turned(n, v)

    def term(t: Any, height: Any) -> Any:
        return turned(t).imag * _over(size, m, (-height) ** m, -v * t - way * height)

    return -_line(function, term, v, size, start, v < 0) / math.pi


def _arc(v: Any, size: Any, way: Any, saddle: Any, n: int, m: int) -> Any:
    """What the way up from a - i pi to a + i pi gives. `saddle` is a, and x times sinh(a), its derivative cosh(a), and
    what counts as sinh(a); with cosh and sinh in turn for I."""
    a, real, imaginary, base = saddle
    stop = 2 * np.arcsin(np.minimum(1, np.sqrt(_FAR / 2 / np.maximum(real, _FAR / 2))))
    turns = (np.abs(v) + imaginary) * stop
    panels = 1 + int(np.max(turns, initial=0, where=np.isfinite(turns)) / 40)

    def term(t: Any) -> Any:
        less = -2 * real * np.sin(t / 2) ** 2 + 1j * imaginary * np.sin(t)

        def side(less: Any, t: Any) -> Any:
            return (-a - 1j * t) ** n * (base + less) ** m * np.exp(way * less + (way - 1) * base - 1j * v * t)

        up = side(less, t)
        return up.real if way.dtype.kind == "f" else (up + side(np.conj(less), -t)) / 2

    width = stop / panels
    total = 0
    for k in range(panels):
        total = total + between(term, k * width, width)
    return _over(size, m, total, base - v * a) / math.pi


def _wave(v: Any, x: Any, n: int, m: int) -> Any:
    """J + i Y by the saddle at i times the angle whose cosine is v / x."""
    angle = np.arccos(v / x)
    across, along = np.sqrt((x - v) * (x + v)), v
    way = (1 + 1j) / math.sqrt(2)
    stop = np.sqrt(2 * (_FAR + 15) / across)

    def term(s: Any) -> Any:
        w = way * s
        bend = 2j * across * np.sinh(w / 2) ** 2 + along * _sinh_less(w)
        height = 1j * across * np.cosh(w) + along * np.sinh(w)
        return (-(1j * angle + w)) ** n * (height / x) ** m * np.exp(bend)

    total = integral(lambda s: term(s) + term(-s), stop)
    return total * way * np.exp(1j * (across - v * angle)) / (1j * math.pi)


def _sinh_less(w: Any) -> Any:
    """sinh(w) - w, next to 0 by its series."""
    total: Any = 0
    for k in range(12, 0, -1):
        total = (total + 1) * w * w / (2 * k * (2 * k + 1))
    return total * w


def _past(v: Any, x: Any, n: int, m: int) -> Any:
    """J + i Y by the way along the real axis to 0, up to the saddle, and on to the line with imaginary part pi: where
    `_wave`'s straight way would not fall."""
    angle = np.arccos(v / x)
    rest = math.pi - angle

    def fall(t: Any, height: Any) -> Any:
        return t**n * (-height) ** m * np.exp(v * t - height)

    def up(t: Any) -> Any:
        return (-1j * t) ** n * (1j * np.sin(t)) ** m * np.exp(1j * (x * np.sin(t) - v * t))

    def on(t: Any) -> Any:
        w = t + 1j * (angle + rest * np.tanh(t / rest))
        height = np.sinh(w)
        return (-w) ** n * height**m * np.exp(x * height - v * w) * (1 + 1j / np.cosh(t / rest) ** 2)

    reach = _FAR + 15
    stop = 1.3 * np.minimum(np.sqrt(reach / np.sqrt((x - v) * (x + v))), np.cbrt(3 * reach / v))
    stop = np.minimum(stop, np.arcsinh(2 * reach / x))
    along = _line(np.sinh, fall, v, x, 0 * v, v != 0) / x**m + between(on, 0 * v, stop)
    return (between(up, 0 * v, angle) - 1j * along) / math.pi


def _split(near: Callable[..., Any], part: Callable[..., Any], n: int, m: int) -> Callable[..., Any]:
    """near(v, size, way), or a part of J + i Y where they are waves: next to the turning point, or with room for the
    path of steepest descent."""

    def value(v: Any, size: Any, way: Any) -> Any:
        waves = (size > np.maximum(2, v + 0.3 * np.cbrt(v))) & (v >= 0) & (way.dtype.kind == "f")
        beyond = (size > np.maximum(50, 2 * np.abs(v))) & (way.dtype.kind == "f")
        out = near(np.where(waves | beyond, 0, v), np.where(waves | beyond, 1, size), way)
        for here, wave in ((beyond, _wave), (waves & ~beyond, _past)):
            if here.any():
                out = np.where(here, part(wave(np.where(here, v, 0), np.where(here, size, 50), n, m)), out)
        return out

    return value


def _slope(name: str, value: Callable[..., Any]) -> Primitive:
    """value(v, abs(x), direction of x, n, m), the derivative n times by the order and m times by x, as a primitive."""

    @primitive(name=name)
    def function(v: Any, x: Any, *, n: int, m: int) -> Any:
        with np.errstate(all="ignore"):
            return _result(value(*_numbers(v, x), n, m), v, x)

    function.vjp("v", "elementwise")(lambda g, v, x, n, m: g * function.apply(v, x, n=n + 1, m=m))
    function.vjp("x", "elementwise")(lambda g, v, x, n, m: g * function.apply(v, x, n=n, m=m + 1))

    @function.strategy
    def _(draw: Any) -> Any:
        pair = draw.entries(((0.3, 3.0), (0.3, 3.0)), dtype=np.float64)
        return pair, {"n": draw.integer(0, 1), "m": draw.integer(0, 1)}

    return function


def _j(v: Any, size: Any, way: Any, n: int, m: int) -> Any:
    def near(v: Any, size: Any, way: Any) -> Any:
        inside = v > size
        across = np.sqrt(np.where(inside, (v - size) * (v + size), 0))
        a = np.where(inside, np.log(np.where(inside, v + across, 1)) - np.log(np.where(inside, size, 1)), 0)
        arc = _arc(v, size, way, (a, across, np.where(inside, v, size), across), n, m)
        return arc + _tail(np.sinh, v, size, way, a, n, m)

    return _split(near, np.real, n, m)(v, size, way)


def _y(v: Any, size: Any, way: Any, n: int, m: int) -> Any:
    def near(v: Any, size: Any, way: Any) -> Any:
        turned = _turned(n, v)
        panels = 1 + int(np.max(np.abs(v) + size, initial=0) * math.pi / 40)

        def wave(t: Any) -> Any:
            angle = way * size * np.sin(t) - v * t + (m - n) * math.pi / 2
            return t**n * np.sin(t) ** m * np.sin(angle)

        def fall(t: Any, height: Any) -> Any:
            power = t**n * np.exp(v * t - way * height) + turned(t).real * np.exp(-v * t - way * height)
            return power * (-height) ** m

        width = np.full(size.shape, math.pi / panels)
        arc = sum(between(wave, k * width, width) for k in range(panels))
        return (arc - _line(np.sinh, fall, v, size, 0 * v, v != 0) / size**m) / math.pi

    return _split(near, np.imag, n, m)(v, size, way)


def _i(scaled: bool) -> Callable[..., Any]:
    """I, or exp(-x) times it: with cosh(u) - 1 in the place of cosh(u)."""

    def value(v: Any, size: Any, way: Any, n: int, m: int) -> Any:
        right = np.maximum(v, 0)
        length = np.hypot(right, size)
        small = right < size
        a = np.where(small, np.arcsinh(np.where(small, right / size, 0)), np.log(right + length) - np.log(size))
        arc = _arc(v, size, way, (a, length, right, right * (right / (length + size)) if scaled else length), n, m)
        return arc + _tail(_more if scaled else np.cosh, v, size, way, a, n, m)

    return value


def _k(function: Callable[..., Any]) -> Callable[..., Any]:
    """K, or with cosh(t) - 1 as the function exp(x) times it."""

    def value(v: Any, size: Any, way: Any, n: int, m: int) -> Any:
        def term(t: Any, height: Any) -> Any:
            near = np.abs(v * t) < 1
            inside = (np.sinh if n % 2 else np.cosh)(np.where(near, v * t, 0)) * np.exp(-way * height)
            outside = (np.exp(v * t - way * height) + (-1) ** n * np.exp(-v * t - way * height)) / 2
            return t**n * np.where(near, inside, outside) * (-height) ** m

        return _line(function, term, v, size, 0 * v, v != 0) / size**m

    return value


jv_slope, yv_slope = _slope("jv_slope", _j), _slope("yv_slope", _y)
iv_slope, kv_slope = _slope("iv_slope", _i(False)), _slope("kv_slope", _k(np.cosh))
scaled_iv_slope, scaled_kv_slope = _slope("scaled_iv_slope", _i(True)), _slope("scaled_kv_slope", _k(_gap))
