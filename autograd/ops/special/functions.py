"""SciPy's special functions, a table of rules; SciPy itself is imported when one of them is first computed.

`scipy.special.erf(t)` on a Tensor and `special.erf(t)` are the same. The orders of zeta, expn, ive and kve have no
gradient.
"""

# mypy: disable-error-code="has-type"
from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ...core.elementwise import elementwise
from ...core.forms import OfOne
from ...core.primitive import Primitive
from ..logistic import share, sigmoid
from ..reductions import log_softmax_form as log_softmax
from ..reductions import logsumexp_form as logsumexp
from ..reductions import softmax_form as softmax
from .bessel import (
    i0e,
    i1,
    i1e,
    iv,
    ive,
    j0,
    j1,
    jv,
    k0,
    k0e,
    k1,
    k1e,
    kv,
    kve,
    y0,
    y1,
    yn,
    yv,
)
from .gamma_functions import (
    beta,
    betaln,
    digamma,
    gamma,
    gammainc,
    gammaincc,
    gammaln,
    loggamma,
    multigammaln,
    polygamma,
    psi,
    rgamma,
    zeta,
)
from .incomplete_beta import betainc as betainc
from .incomplete_beta import betaincinv as betaincinv
from .incomplete_beta import gammainccinv as gammainccinv
from .incomplete_beta import gammaincinv as gammaincinv
from .logarithms import (
    entr,
    kl_div,
    rel_entr,
    xlog1py,
    xlogy,
)
from .scaled import dawsn_slope, erfcx_slope, exp_over, exp_square, hazard
from .sinc_i0 import i0_form as i0
from .table import POSITIVE, UNIT, of_order, scipy_function, table

__all__ = [
    "beta", "betainc", "betaincinv", "betaln", "dawsn", "digamma", "entr", "erf", "erfc", "erfcinv", "erfcx", "erfi",
    "erfinv", "exp1", "expi", "expit", "expn", "gamma", "gammainc", "gammaincc", "gammainccinv", "gammaincinv",
    "gammaln", "i0", "i0e", "i1", "i1e", "iv", "ive", "j0", "j1", "jv", "k0", "k0e", "k1", "k1e", "kl_div", "kv",
    "kve", "log_expit", "log_ndtr", "log_softmax", "loggamma", "logit", "logsumexp", "multigammaln", "ndtr", "ndtri",
    "polygamma", "psi", "rel_entr", "rgamma", "softmax", "xlog1py", "xlogy", "y0", "y1", "yn", "yv", "zeta",
]  # fmt: skip

_erfcx = scipy_function("erfcx")


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


def _expn(v: Any, x: Any) -> Any:
    """`scipy.special.expn`, and for orders n <= 0, of which its derivatives are, a sum (DLMF 8.19.8)."""
    direct = scipy_function("expn")(np.maximum(v, 1), x)
    if not np.any(v <= 0):
        return direct
    with np.errstate(divide="ignore", over="ignore"):
        term = total = np.exp(-x) / x
        for k in range(1, int(-np.min(v)) + 1):
            term = np.where(k <= -v, total, 0) * (k / x)
            total = np.where(k <= -v, np.exp(-x) / x + term, total)
    return np.where(v <= 0, total, direct).astype(direct.dtype)[()]


# The error function and the normal distribution
erf = table("erf", x=lambda g, x: g * (_exp(-1, x) * (2 / math.sqrt(math.pi))))
erfc = table("erfc", x=lambda g, x: g * (_exp(-1, x) * (-2 / math.sqrt(math.pi))))
erfcx = table("erfcx", x=lambda g, x, out: g * _erfcx_slope(x, out))
erfi = table("erfi", x=lambda g, x: g * (_exp(1, x) * (2 / math.sqrt(math.pi))))
dawsn = table("dawsn", x=lambda g, x, out: g * _dawsn_slope(x, out))
ndtr = table("ndtr", x=lambda g, x: g * (_exp(-0.5, x) / math.sqrt(2 * math.pi)))
log_ndtr = table("log_ndtr", x=lambda g, x, out: g * _density_over_ndtr(x, out))


def _inverse(name: str, domain: Any, factor: float, power: Callable[..., Any], scale: float) -> Primitive[OfOne]:
    """The inverse y of a normal distribution, whose slope is factor * exp(scale * y * y); that by p too, as y has lost
    digits."""
    y = table(name, domain, p=lambda g, p: g * (factor * density(p)))
    density = elementwise(
        lambda p: power(np.abs(y.function(p)), p),
        name=f"{name}_slope",
        domain=domain,
        dtype=np.float64,
        p=lambda g, p, out: g * (2 * scale * factor * out * y(p) * out),
    )
    return y


erfinv = _inverse(
    "erfinv",
    (-0.8, 0.8),
    math.sqrt(math.pi) / 2,
    lambda y, p: np.where(y < 0.5, np.exp(y * y), _erfcx(y) / (1 - np.abs(p)))[()],
    1,
)
erfcinv = _inverse(
    "erfcinv", (0.2, 1.8), -math.sqrt(math.pi) / 2, lambda y, p: _erfcx(y) / np.where(p < 1, p, 2 - p), 1
)
ndtri = _inverse(
    "ndtri",
    UNIT,
    math.sqrt(2 * math.pi),
    lambda y, p: _erfcx(y * math.sqrt(0.5)) / (2 * np.where(p < 0.5, p, 1 - p)),
    0.5,
)

# Logistic function
expit = sigmoid
logit = table("logit", UNIT, p=lambda g, p: g / p / (1 - p))
log_expit = table("log_expit", x=lambda g, x: g * share(-x))

# Integrals
expi = table("expi", POSITIVE, x=lambda g, x: g * exp_over.apply(x, sign=1.0))
exp1 = table("exp1", POSITIVE, x=lambda g, x: -g * exp_over.apply(x, sign=-1.0))
expn = of_order("expn", x=lambda g, x, v: -g * expn(v - 1, x), function=_expn)
