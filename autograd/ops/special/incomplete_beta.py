"""The incomplete beta function, and the inverses of it and of the incomplete gamma function.

Source: DLMF 8.17.8 (series), 8.17.4 (symmetry).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...core.primitive import Primitive
from ...core.tracing import bottom
from ..elementwise import where
from .gamma_functions import betaln, gammainc, gammaincc, gammaln, psi
from .logarithms import xlog1py, xlogy
from .table import UNIT, table

__all__ = ["betainc", "betaincinv", "gammainccinv", "gammaincinv", "series"]

_SHAPES = (0.5, 3.0)
_NOTHING, _MOST = -42.0, 2**15  # the exponent of what is nothing beside 1; terms


def series(term: Callable[[Any], Any], count: int, ndim: int, dtype: Any) -> Any:
    """term(0) + term(1) + ..., `count` of them, of arrays of `ndim` dimensions."""
    return np.sum(term(np.arange(count, dtype=dtype).reshape(-1, *(1,) * ndim)), axis=0)


def _density(a: Any, b: Any, x: Any) -> Any:
    return np.exp(xlogy(a - 1, x) + xlog1py(b - 1, -x) - betaln(a, b))


def _terms_needed(a: Any, b: Any, x: Any) -> int:
    """How many terms of the series there are before all others are nothing beside the first."""
    a, b, x = bottom(a), bottom(b), np.maximum(bottom(x), np.finfo(np.result_type(bottom(x))).tiny)
    of, count = gammaln.function, 64
    start = of(a + b) - of(a + 1)
    while count < _MOST and np.any(of(a + b + count) - of(a + 1 + count) - start + count * np.log(x) > _NOTHING):
        count *= 2
    return count


def _by_series(a: Any, b: Any, x: Any) -> tuple[Any, Any]:
    """The derivatives of betainc in a and in b, for x left of the mean: each of its terms by itself."""
    count = _terms_needed(a, b, x)
    log_x = np.log(where(x == 0, 1, x))

    def terms(factor: Callable[[Any], Any]) -> Any:
        def term(k: Any) -> Any:
            size = gammaln(a + b + k) - gammaln(a + k + 1) - gammaln(b)
            return np.exp(size + xlogy(a + k, x) + xlog1py(b, -x)) * factor(k)

        return series(term, count, np.ndim(a + b + x), np.result_type(a, b, x))

    by_a = terms(lambda k: psi(a + b + k) - psi(a + k + 1) + log_x)
    return by_a, terms(lambda k: psi(a + b + k) - psi(b) + np.log1p(-x))


def _by_shapes(a: Any, b: Any, x: Any) -> tuple[Any, Any]:
    """The derivatives of betainc in a and in b, from the nearer end."""
    left = x <= a / (a + b)
    first, second = _by_series(where(left, a, b), where(left, b, a), where(left, x, 1 - x))
    return where(left, first, -second), where(left, second, -first)


betainc: Primitive[Any] = table(
    "betainc",
    (_SHAPES, _SHAPES, UNIT),
    a=lambda g, a, b, x: g * _by_shapes(a, b, x)[0],
    b=lambda g, a, b, x: g * _by_shapes(a, b, x)[1],
    x=lambda g, a, b, x: g * _density(a, b, x),
)
betaincinv: Primitive[Any] = table(
    "betaincinv",
    (_SHAPES, _SHAPES, UNIT),
    a=lambda g, a, b, out: -g * (_by_shapes(a, b, out)[0] / _density(a, b, out)),
    b=lambda g, a, b, out: -g * (_by_shapes(a, b, out)[1] / _density(a, b, out)),
    y=lambda g, a, b, out: g / _density(a, b, out),
)


def _slope(of: Any, position: int, a: Any, x: Any) -> Any:
    """The derivative of a primitive of (a, x), as its rule has it."""
    rule = of.rule(position)
    return rule.function(np.ones_like(x), *rule.save(of(a, x), a, x))


def _inverse(name: str, of: Any) -> Any:
    return table(
        name,
        (_SHAPES, UNIT),
        a=lambda g, a, out: -g * (_slope(of, 0, a, out) / _slope(of, 1, a, out)),
        y=lambda g, a, out: g / _slope(of, 1, a, out),
    )


gammaincinv = _inverse("gammaincinv", gammainc)
gammainccinv = _inverse("gammainccinv", gammaincc)
