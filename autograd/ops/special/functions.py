"""SciPy's special functions, a table of rules; SciPy itself is imported when one of them is first computed.

`scipy.special.erf(t)` on a Tensor and `special.erf(t)` are the same. The orders of zeta, expn, ive and kve have no
gradient.
"""

# mypy: disable-error-code="has-type"
from __future__ import annotations

import math
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from ...core.primitive import Primitive, elementwise, primitive, registry
from ...core.tensor import as_data, carried, finders, lift
from ...core.tracing import bottom
from ..elementwise import log, sigmoid, where
from ..reductions import log_softmax as log_softmax
from ..reductions import logsumexp as logsumexp
from ..reductions import softmax as softmax
from ..reductions import sum
from . import parameter_derivatives
from .scaled import dawsn_slope, erfcx_slope, exp_over, exp_square, hazard, ive_slope, kve_slope
from .sinc_i0 import i0 as i0

__all__ = [
    "beta", "betaln", "dawsn", "digamma", "entr", "erf", "erfc", "erfcinv", "erfcx", "erfi", "erfinv", "exp1",
    "expi", "expit", "expn", "gamma", "gammainc", "gammaincc", "gammaln", "i0", "i0e", "i1", "i1e", "iv",
    "ive", "j0", "j1", "jv", "k0", "k0e", "k1", "k1e", "kl_div", "kv", "kve", "log_expit", "log_ndtr",
    "log_softmax", "loggamma", "logit", "logsumexp", "multigammaln", "ndtr", "ndtri", "polygamma", "psi",
    "rel_entr", "rgamma", "softmax", "xlog1py", "xlogy", "y0", "y1", "yn", "yv", "zeta",
]  # fmt: skip

_POSITIVE = (0.3, 3.0)
_UNIT = (0.1, 0.9)
_PI = math.pi


def _scipy(name: str) -> Callable[..., Any]:
    """The function of `scipy.special`, looked up when it is called."""

    def function(*args: Any) -> Any:
        try:
            import scipy.special
        except ImportError as error:
            raise ImportError(f"{name}: SciPy computes it, pip install pullback[special]") from error
        dtype = np.result_type(*args)  # by which a Python number is no double, as it is for SciPy
        return getattr(scipy.special, name)(*(dtype.type(a).real if a.__class__ in (int, float) else a for a in args))

    function.__name__ = name
    function.__doc__ = f"`scipy.special.{name}`, on Tensors too."
    return function


def _find(ufunc: Any) -> Any:
    """The primitive of a ufunc of `scipy.special`, which is imported if someone calls it."""
    theirs = getattr(sys.modules.get("scipy.special"), ufunc.__name__, None) is ufunc
    name = _others.get(ufunc.__name__, ufunc.__name__)
    return registry[name] if theirs and name in registry else None


_others = {"expit": "sigmoid", "yn": "yv"}
finders.append(_find)


def _table(name: str, domain: Any = (-3.0, 3.0), **rules: Any) -> Primitive:
    return elementwise(_scipy(name), domain=domain, **rules)


def _of_order(name: str, **rule: Callable[..., Any]) -> Primitive:
    """A function of an order, which has no gradient, and of a positive number, which has."""

    @primitive(name=name)
    def function(x: Any, *, v: Any) -> Any:
        return _scipy(name)(np.asarray(v, np.result_type(x, np.float32)), x)

    function.vjp("x", "elementwise")(rule["x"])

    @function.strategy
    def _(draw: Any) -> Any:
        return (draw.array(domain=_POSITIVE),), {"v": draw.one_of([3.0, 4.0, 5.0])}

    def form(v: Any, x: Any) -> Any:
        x = lift(x)
        if carried(v):
            raise TypeError(f"{name}: no gradient with respect to the order v; detach() it")
        return function.apply(x, v=np.asarray(as_data(v), np.result_type(x, np.float32))[()])

    form.__name__ = name
    form.__doc__ = f"`scipy.special.{name}`, on Tensors too; there is no gradient in the order `v`."
    return function.public(form)


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


_erfcx = _scipy("erfcx")


def _exp(scale: float, x: Any) -> Any:
    return exp_square.apply(x, scale=scale)


def _density_over_ndtr(x: Any, log_ndtr: Any) -> Any:
    """The derivative of log_ndtr: left of 0 by erfcx, where the difference of the logarithms has few digits."""
    low = np.where(x < 0, x, 0)
    left = math.sqrt(2 / math.pi) / erfcx(low * -math.sqrt(0.5)) if x.dtype.kind == "c" else hazard(low)
    right = _exp(-0.5, np.where(x < 0, 0, x)) * np.exp(-np.where(x < 0, 0, log_ndtr))
    return np.where(x < 0, left, right / math.sqrt(2 * math.pi))


def _erfcx_slope(x: Any, out: Any) -> Any:
    if x.dtype.kind == "c":
        return 2 * x * out - 2 / math.sqrt(math.pi)
    return erfcx_slope.apply(x, order=1)


def _dawsn_slope(x: Any, out: Any) -> Any:
    return 1 - 2 * x * out if x.dtype.kind == "c" else dawsn_slope.apply(x, order=1)


# The error function and the normal distribution
erf = _table("erf", x=lambda g, x: g * (_exp(-1, x) * (2 / math.sqrt(math.pi))))
erfc = _table("erfc", x=lambda g, x: g * (_exp(-1, x) * (-2 / math.sqrt(math.pi))))
erfcx = _table("erfcx", x=lambda g, x, out: g * _erfcx_slope(x, out))
erfi = _table("erfi", x=lambda g, x: g * (_exp(1, x) * (2 / math.sqrt(math.pi))))
dawsn = _table("dawsn", x=lambda g, x, out: g * _dawsn_slope(x, out))
ndtr = _table("ndtr", x=lambda g, x: g * (_exp(-0.5, x) / math.sqrt(2 * math.pi)))
log_ndtr = _table("log_ndtr", x=lambda g, x, out: g * _density_over_ndtr(x, out))


def _inverse(name: str, domain: Any, factor: float, power: Callable[..., Any], scale: float) -> Primitive:
    """The inverse y of a normal distribution, whose slope is factor * exp(scale * y * y); that by p too, as y has lost
    digits."""
    y = _table(name, domain, p=lambda g, p: g * (factor * density(p)))
    density = elementwise(
        lambda p: power(np.abs(y.function(p)), p),
        name=f"{name}_slope",
        domain=domain,
        p=lambda g, p, out: g * (2 * scale * factor * out * y(p) * out),
    )
    return y


erfinv = _inverse("erfinv", (-0.8, 0.8), math.sqrt(math.pi) / 2, lambda y, p: _erfcx(y) / (1 - np.abs(p)), 1)
erfcinv = _inverse(
    "erfcinv", (0.2, 1.8), -math.sqrt(math.pi) / 2, lambda y, p: _erfcx(y) / np.where(p < 1, p, 2 - p), 1
)
ndtri = _inverse(
    "ndtri",
    _UNIT,
    math.sqrt(2 * math.pi),
    lambda y, p: _erfcx(y * math.sqrt(0.5)) / (2 * np.where(p < 0.5, p, 1 - p)),
    0.5,
)

# Logistic function
expit = sigmoid
logit = _table("logit", _UNIT, p=lambda g, p: g / p / (1 - p))
log_expit = _table("log_expit", x=lambda g, x: g * sigmoid(-x))

# The gamma function and its kin
gamma = _table("gamma", _POSITIVE, x=lambda g, x, out: g * (out * psi(x)))
gammaln = _table("gammaln", _POSITIVE, x=lambda g, x: g * psi(x))
loggamma = _table("loggamma", _POSITIVE, x=lambda g, x: g * psi(x))
rgamma = _table("rgamma", _POSITIVE, x=lambda g, x: g * _rgamma_slope(x))


def _rgamma_slope(x: Any) -> Any:
    """The derivative of 1 / gamma: by reflection where gamma has its poles, at which its own one is of no use."""
    left = np.real(x) < 0.5
    low, high = np.where(left, x, 0), np.where(left, 1, x)
    whole = np.rint(np.real(low))
    turn = _PI * (low - whole)
    turned = (1 - 2 * (whole % 2)) * gamma(1 - low) * (np.cos(turn) - psi(1 - low) * (np.sin(turn) / _PI))
    return np.where(left, turned, -rgamma(high) * psi(high))


def _beta_slope(a: Any, b: Any, out: Any) -> Any:
    """The derivative of beta in a; where beta is 0, a + b being a pole of gamma, by that of 1 / gamma."""
    pole = np.logical_and(a + b <= 0, np.floor(a + b) == a + b)
    at_pole = gamma(np.where(pole, a, 1)) * gamma(np.where(pole, b, 1)) * _rgamma_slope(np.where(pole, a + b, 1))
    return np.where(pole, at_pole, out * (psi(np.where(pole, 1, a)) - psi(np.where(pole, 1, a + b))))


psi = digamma = _table("psi", _POSITIVE, x=lambda g, x: g * zeta(2, x))
zeta = _of_order("zeta", x=lambda g, x, v: -g * (v * zeta(v + 1, x)))
beta = _table(
    "beta",
    _POSITIVE,
    a=lambda g, a, b, out: g * _beta_slope(a, b, out),
    b=lambda g, a, b, out: g * _beta_slope(b, a, out),
)
betaln = _table(
    "betaln",
    _POSITIVE,
    a=lambda g, a, b: g * (psi(a) - psi(a + b)),
    b=lambda g, a, b: g * (psi(b) - psi(a + b)),
)
gammainc = _table(
    "gammainc",
    _POSITIVE,
    a=lambda g, a, x: g * _gammainc_by_a(a, x),
    x=lambda g, a, x: g * _gamma_density(a, x),
)
gammaincc = _table(
    "gammaincc",
    _POSITIVE,
    a=lambda g, a, x: -g * _gammainc_by_a(a, x),
    x=lambda g, a, x: -g * _gamma_density(a, x),
)


def polygamma(n: Any, x: Any) -> Any:
    """The n-th derivative of `digamma` at x.

    >>> from pullback import Tensor
    >>> polygamma(1, Tensor(1.0))
    Tensor(1.64493407)
    """
    n, x = as_data(n), lift(x)
    factor = np.asarray((-1.0) ** (n + 1) * gamma(n + 1.0), x.dtype)
    return where(n == 0, psi(x), factor * zeta(np.maximum(n, 1) + 1, x))


def multigammaln(a: Any, d: int) -> Any:
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


# Integrals
expi = _table("expi", _POSITIVE, x=lambda g, x: g * exp_over.apply(x, sign=1.0))
exp1 = _table("exp1", _POSITIVE, x=lambda g, x: -g * exp_over.apply(x, sign=-1.0))
expn = _of_order("expn", x=lambda g, x, v: -g * expn(v - 1, x))

# Products with logarithms: 0 log 0 is 0, and where x is 0 so is the derivative that has no limit there
xlogy = _table(
    "xlogy",
    _POSITIVE,
    x=lambda g, x, y: g * log(np.where(np.logical_and(x == 0, y == 0), 1, y)),
    y=lambda g, x, y: g * (x / np.where(np.logical_and(x == 0, y == 0), 1, y)),
)
xlog1py = _table(
    "xlog1py",
    _POSITIVE,
    x=lambda g, x, y: g * np.log1p(np.where(np.logical_and(x == 0, y == -1), 0, y)),
    y=lambda g, x, y: g * (x / (1 + np.where(np.logical_and(x == 0, y == -1), 0, y))),
)
entr = _table("entr", _POSITIVE, x=lambda g, x: -g * (log(np.where(x == 0, 1, x)) + np.sign(x)))
rel_entr = _table(
    "rel_entr",
    _POSITIVE,
    x=lambda g, x, y: g * (_log_ratio(x, y) + np.sign(x)),
    y=lambda g, x, y: -g * (x / np.where(x == 0, 1, y)),
)
kl_div = _table(
    "kl_div",
    (_UNIT, (1.1, 3.0)),
    x=lambda g, x, y: g * _log_ratio(x, y),
    y=lambda g, x, y: g * np.where(x == 0, 1, _lack(x, np.where(x == 0, 1, y))),
)


# 1 - x / y, with its digits where they are next to each other
_lack = elementwise(
    lambda x, y: (y - x) / y,
    name="lack",
    domain=(_UNIT, (1.1, 3.0)),
    x=lambda g, y: -g / y,
    y=lambda g, x, y: g * (x / y / y),
)


def _log_of_ratio(x: Any, y: Any) -> Any:
    """log(x / y), also where the quotient overflows and next to 1; 0 where one of them is."""
    x, y = np.where(x == 0, 1, x), np.where(y == 0, 1, y)
    near = np.logical_and(x > y / 2, x < 2 * y)
    with np.errstate(over="ignore", under="ignore"):
        ratio = x / y
    whole = np.logical_and(ratio > np.finfo(ratio.dtype).tiny, ratio < np.inf)
    gap = np.where(near, x - y, 0) / np.where(near, y, 1)
    return np.where(near, np.log1p(gap), np.where(whole, np.log(np.where(whole, ratio, 1)), np.log(x) - np.log(y)))[()]


_log_ratio = elementwise(
    _log_of_ratio,
    name="log_ratio",
    domain=_POSITIVE,
    x=lambda g, x: g / np.where(x == 0, np.inf, x),
    y=lambda g, y: -g / np.where(y == 0, np.inf, y),
)


# Bessel functions: the derivative of one is made of those of the neighbouring orders
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


jv = _table(
    "jv",
    _POSITIVE,
    v=_by_order(
        -1,
        lambda v, x: np.logical_and(v >= 0, x * x < 4 * (v + 1)),
        parameter_derivatives.of_bessel(
            lambda v, x, t: -t * np.sin(v * t - x * np.sin(t)),
            lambda v, x, t: np.exp(-x * np.sinh(t) - v * t) * (t * np.sin(_PI * v) / _PI - np.cos(_PI * v)),
        ),
    ),
    x=lambda g, v, x: g * ((jv(v - 1, x) - jv(v + 1, x)) / 2),
)
_yv_by_order = parameter_derivatives.of_bessel(
    lambda v, x, t: -t * np.cos(x * np.sin(t) - v * t),
    lambda v, x, t: (
        np.exp(-x * np.sinh(t))
        * (np.exp(-v * t) * (t * np.cos(_PI * v) / _PI + np.sin(_PI * v)) - np.exp(v * t) * t / _PI)
    ),
)
yv = _table(
    "yv",
    _POSITIVE,
    v=lambda g, v, x: g * _yv_by_order(v, x),
    x=lambda g, v, x: g * ((yv(v - 1, x) - yv(v + 1, x)) / 2),
)


def _iv(v: Any, x: Any) -> Any:
    """`scipy.special.iv`, on Tensors too; by way of `ive`, since SciPy's may be 5 % off at orders next to integers."""
    direct, size = _scipy("iv")(v, x), np.abs(x)
    if direct.dtype.kind == "c":
        return direct
    safe = (size > 0) & (size < np.log(np.finfo(direct.dtype).max) - 1)
    return np.where(safe, _scipy("ive")(v, x) * np.exp(np.where(safe, size, 0)), direct)[()]


iv = elementwise(
    _iv,
    name="iv",
    domain=_POSITIVE,
    v=_by_order(
        1,
        lambda v, x: v >= 0,
        parameter_derivatives.of_bessel(
            lambda v, x, t: -t * np.sin(v * t) * np.exp(x * np.cos(t)),
            lambda v, x, t: np.exp(-x * np.cosh(t) - v * t) * (t * np.sin(_PI * v) / _PI - np.cos(_PI * v)),
        ),
    ),
    x=lambda g, v, x: g * ((iv(v - 1, x) + iv(v + 1, x)) / 2),
)
_kv_by_order = parameter_derivatives.of_bessel(
    lambda v, x, t: 0 * t, lambda v, x, t: t * np.sinh(v * t) * np.exp(-x * np.cosh(t))
)
kv = _table(
    "kv",
    _POSITIVE,
    v=lambda g, v, x: g * _kv_by_order(v, x),
    x=lambda g, v, x: -g * ((kv(v - 1, x) + kv(v + 1, x)) / 2),
)
yn = yv
ive = _of_order("ive", x=lambda g, x, v, out: g * ((ive(v - 1, x) + ive(v + 1, x)) / 2 - np.sign(x) * out))
kve = _of_order("kve", x=lambda g, x, v, out: g * (out - (kve(v - 1, x) + kve(v + 1, x)) / 2))
j0 = _table("j0", x=lambda g, x: -g * j1(x))
j1 = _table("j1", x=lambda g, x: g * ((j0(x) - jv(2, x)) / 2))
y0 = _table("y0", _POSITIVE, x=lambda g, x: -g * y1(x))
y1 = _table("y1", _POSITIVE, x=lambda g, x: g * ((y0(x) - yv(2, x)) / 2))
i1 = _table("i1", x=lambda g, x: g * i0.apply(x, order=2))
i0e = _table("i0e", x=lambda g, x: g * ive_slope.apply(x, v=0.0, order=1))
i1e = _table("i1e", x=lambda g, x: g * ive_slope.apply(x, v=1.0, order=1))
k0 = _table("k0", _POSITIVE, x=lambda g, x: -g * k1(x))
k1 = _table("k1", _POSITIVE, x=lambda g, x, out: -g * (k0(x) + out / x))
k0e = _table("k0e", _POSITIVE, x=lambda g, x: g * kve_slope.apply(x, v=0.0, order=1))
k1e = _table("k1e", _POSITIVE, x=lambda g, x: g * kve_slope.apply(x, v=1.0, order=1))

# Tested on real numbers alone: no zeta of complex ones is there for the gradients, or single precision is not kept
for _made in (gamma, loggamma, rgamma, psi):
    _made.strategy(lambda draw: (draw.entries((_POSITIVE,), dtype=np.float64), {}))
for _made in (jv, yv, iv, kv):  # their orders are real
    _made.strategy(lambda draw: ((lambda v, x: (np.abs(v), x))(*draw.entries((_POSITIVE, _POSITIVE))), {}))
for _made in (xlogy, xlog1py, _log_ratio):
    _made.strategy(lambda draw: (draw.entries((_POSITIVE, _POSITIVE), dtype=np.float64), {}))
