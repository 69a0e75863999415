"""SciPy's special functions, a table of rules; SciPy itself is imported when one of them is first computed.

`scipy.special.erf(t)` on a Tensor and `special.erf(t)` are the same. Orders and shape parameters (v, n, the a and b
of incomplete integrals) have no gradient.
"""

# mypy: disable-error-code="has-type"
from __future__ import annotations

import math
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from .elementwise import log, sigmoid, where
from .integrals import i0 as i0
from .primitive import Primitive, elementwise, primitive, registry
from .reductions import log_softmax as log_softmax
from .reductions import logsumexp as logsumexp
from .reductions import softmax as softmax
from .tensor import Tensor, as_data, finders, lift

_POSITIVE = (0.3, 3.0)
_UNIT = (0.1, 0.9)


def _scipy(name: str) -> Callable[..., Any]:
    """The function of `scipy.special`, looked up when it is called."""

    def function(*args: Any) -> Any:
        try:
            import scipy.special
        except ImportError as error:
            raise ImportError(f"{name}: SciPy computes it, pip install pullback[special]") from error
        return getattr(scipy.special, name)(*args)

    function.__name__ = name
    function.__doc__ = f"`scipy.special.{name}`, on Tensors too."
    return function


def _find(ufunc: Any) -> Any:
    """The primitive of a ufunc of `scipy.special`, which is imported if someone calls it."""
    theirs = getattr(sys.modules.get("scipy.special"), ufunc.__name__, None) is ufunc
    name = _others.get(ufunc.__name__, ufunc.__name__)
    return registry[name] if theirs and name in registry else None


_others = {"expit": "sigmoid"}
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
        if isinstance(v, Tensor) and v.requires_grad:
            raise TypeError(f"{name}: no gradient with respect to the order v; detach() it")
        return function.apply(x, v=np.asarray(as_data(v), np.result_type(x, np.float32))[()])

    form.__name__ = name
    form.__doc__ = f"`scipy.special.{name}`, on Tensors too; there is no gradient in the order `v`."
    return function.public(form)


def _gamma_density(v: Any, x: Any) -> Any:
    v = v + np.zeros_like(x)  # in its dtype
    return np.exp(xlogy(v - 1, x) - x - gammaln(v))


# The error function and the normal distribution
erf = _table("erf", x=lambda g, x: g * (np.exp(-x * x) * (2 / math.sqrt(math.pi))))
erfc = _table("erfc", x=lambda g, x: g * (np.exp(-x * x) * (-2 / math.sqrt(math.pi))))
erfcx = _table("erfcx", x=lambda g, x, out: g * (2 * x * out - 2 / math.sqrt(math.pi)))
erfi = _table("erfi", x=lambda g, x: g * (np.exp(x * x) * (2 / math.sqrt(math.pi))))
dawsn = _table("dawsn", x=lambda g, x, out: g * (1 - 2 * x * out))
erfinv = _table("erfinv", (-0.8, 0.8), x=lambda g, out: g * (np.exp(out * out) * (math.sqrt(math.pi) / 2)))
erfcinv = _table("erfcinv", (0.2, 1.8), x=lambda g, out: g * (np.exp(out * out) * (-math.sqrt(math.pi) / 2)))
ndtr = _table("ndtr", x=lambda g, x: g * (np.exp(-x * x / 2) / math.sqrt(2 * math.pi)))
log_ndtr = _table("log_ndtr", x=lambda g, x, out: g * (np.exp(-x * x / 2 - out) / math.sqrt(2 * math.pi)))
ndtri = _table("ndtri", _UNIT, p=lambda g, out: g * (np.exp(out * out / 2) * math.sqrt(2 * math.pi)))

# Logistic function
expit = sigmoid
logit = _table("logit", _UNIT, p=lambda g, p: g / (p * (1 - p)))
log_expit = _table("log_expit", x=lambda g, x: g * sigmoid(-x))

# The gamma function and its kin
gamma = _table("gamma", _POSITIVE, x=lambda g, x, out: g * (out * psi(x)))
gammaln = _table("gammaln", _POSITIVE, x=lambda g, x: g * psi(x))
loggamma = _table("loggamma", _POSITIVE, x=lambda g, x: g * psi(x))
rgamma = _table("rgamma", _POSITIVE, x=lambda g, x, out: -g * (out * psi(x)))
psi = digamma = _table("psi", _POSITIVE, x=lambda g, x: g * zeta(2, x))
zeta = _of_order("zeta", x=lambda g, x, v: -g * (v * zeta(v + 1, x)))
beta = _table(
    "beta",
    _POSITIVE,
    a=lambda g, a, b, out: g * (out * (psi(a) - psi(a + b))),
    b=lambda g, a, b, out: g * (out * (psi(b) - psi(a + b))),
)
betaln = _table(
    "betaln",
    _POSITIVE,
    a=lambda g, a, b: g * (psi(a) - psi(a + b)),
    b=lambda g, a, b: g * (psi(b) - psi(a + b)),
)
gammainc = _of_order("gammainc", x=lambda g, x, v: g * _gamma_density(v, x))
gammaincc = _of_order("gammaincc", x=lambda g, x, v: -g * _gamma_density(v, x))


def polygamma(n: Any, x: Any) -> Any:
    """The n-th derivative of `digamma` at x.

    >>> from pullback import Tensor
    >>> polygamma(1, Tensor(1.0))
    Tensor(1.64493407)
    """
    n, x = as_data(n), lift(x)
    factor = np.asarray((-1.0) ** (n + 1) * gamma(n + 1.0), x.dtype)
    return where(n == 0, psi(x), factor * zeta(np.maximum(n, 1) + 1, x))


# Integrals
expi = _table("expi", _POSITIVE, x=lambda g, x: g * (np.exp(x) / x))
exp1 = _table("exp1", _POSITIVE, x=lambda g, x: -g * (np.exp(-x) / x))
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
    y=lambda g, x, y: g * (1 - x / np.where(x == 0, 1, y)),
)


def _log_ratio(x: Any, y: Any) -> Any:
    """log(x / y), and 0 where x is."""
    return log(np.where(x == 0, 1, x) / np.where(x == 0, 1, y))


# Bessel functions: the derivative of one is made of those of the neighbouring orders
jv = _of_order("jv", x=lambda g, x, v: g * ((jv(v - 1, x) - jv(v + 1, x)) / 2))
yv = _of_order("yv", x=lambda g, x, v: g * ((yv(v - 1, x) - yv(v + 1, x)) / 2))
iv = _of_order("iv", x=lambda g, x, v: g * ((iv(v - 1, x) + iv(v + 1, x)) / 2))
kv = _of_order("kv", x=lambda g, x, v: -g * ((kv(v - 1, x) + kv(v + 1, x)) / 2))
ive = _of_order("ive", x=lambda g, x, v, out: g * ((ive(v - 1, x) + ive(v + 1, x)) / 2 - np.sign(x) * out))
kve = _of_order("kve", x=lambda g, x, v, out: g * (out - (kve(v - 1, x) + kve(v + 1, x)) / 2))
j0 = _table("j0", x=lambda g, x: -g * j1(x))
j1 = _table("j1", x=lambda g, x: g * ((j0(x) - jv(2, x)) / 2))
y0 = _table("y0", _POSITIVE, x=lambda g, x: -g * y1(x))
y1 = _table("y1", _POSITIVE, x=lambda g, x: g * ((y0(x) - yv(2, x)) / 2))
i1 = _table("i1", x=lambda g, x: g * ((i0(x) + iv(2, x)) / 2))
i0e = _table("i0e", x=lambda g, x, out: g * (i1e(x) - np.sign(x) * out))
i1e = _table("i1e", x=lambda g, x, out: g * ((i0e(x) + ive(2, x)) / 2 - np.sign(x) * out))
k0 = _table("k0", _POSITIVE, x=lambda g, x: -g * k1(x))
k1 = _table("k1", _POSITIVE, x=lambda g, x: -g * ((k0(x) + kv(2, x)) / 2))

# Tested on real numbers alone: no zeta of complex ones is there for the gradients, or single precision is not kept
for _made in (gamma, loggamma, rgamma, psi):
    _made.strategy(lambda draw: (draw.entries((_POSITIVE,), dtype=np.float64), {}))
for _made in (xlogy, xlog1py):
    _made.strategy(lambda draw: (draw.entries((_POSITIVE, _POSITIVE), dtype=np.float64), {}))
