"""The incomplete beta function, and the inverses of it and of the incomplete gamma function."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...core.elementwise import elementwise
from ...core.forms import OfThree, OfTwo
from ...core.primitive import Primitive
from .beta_slopes import beta_density, betainc_slope
from .gamma_slopes import double, gamma_density, gammainc_slope
from .table import UNIT, table

__all__ = ["betainc", "betaincinv", "gammainccinv", "gammaincinv"]

_SHAPES = (0.5, 3.0)

betainc: Primitive[OfThree] = table(
    "betainc",
    (_SHAPES, _SHAPES, UNIT),
    a=lambda g, a, b, x: g * betainc_slope.apply(a, b, x, n=1, m=0),
    b=lambda g, a, b, x: g * betainc_slope.apply(a, b, x, n=0, m=1),
    x=lambda g, a, b, x: g * beta_density.apply(a, b, x, n=0, m=0, i=0, j=0),
)


def _beta_lean(a: Any, b: Any, x: Any) -> Any:
    """Less the derivative of the logarithm of the density, two terms that may cancel."""
    return (b - 1) / (1 - x) - (a - 1) / x


# One over a density: the derivative of an inverse. Its own derivatives are multiples of it, and no square overflows
per_gamma_density = elementwise(
    lambda a, x: 1 / gamma_density.function(a, x, n=0, k=0),
    name="per_gamma_density",
    domain=(_SHAPES, _SHAPES),
    dtype=np.float64,
    a=lambda g, a, x, out: -(g * out) * (gamma_density.apply(a, x, n=1, k=0) * out),
    x=lambda g, a, x, out: (g * out) * ((x - (a - 1)) / x),
)
beta_lean: Primitive[Any] = elementwise(
    lambda a, b, x: _beta_lean(*double(a, b, x)).astype(np.result_type(a, b, x))[()],
    name="beta_lean",
    domain=(_SHAPES, _SHAPES, UNIT),
    dtype=np.float64,
    a=lambda g, x: -g / x,
    b=lambda g, x: g / (1 - x),
    x=lambda g, a, b, x: g * ((b - 1) / (1 - x) ** 2 + (a - 1) / x**2),
)
per_beta_density: Primitive[Any] = elementwise(
    lambda a, b, x: 1 / beta_density.function(a, b, x, n=0, m=0, i=0, j=0),
    name="per_beta_density",
    domain=(_SHAPES, _SHAPES, UNIT),
    dtype=np.float64,
    a=lambda g, a, b, x, out: -(g * out) * (beta_density.apply(a, b, x, n=1, m=0, i=0, j=0) * out),
    b=lambda g, a, b, x, out: -(g * out) * (beta_density.apply(a, b, x, n=0, m=1, i=0, j=0) * out),
    x=lambda g, a, b, x, out: (g * out) * beta_lean(a, b, x),
)

betaincinv: Primitive[OfThree] = table(
    "betaincinv",
    (_SHAPES, _SHAPES, UNIT),
    a=lambda g, a, b, out: -g * (betainc_slope.apply(a, b, out, n=1, m=0) * per_beta_density(a, b, out)),
    b=lambda g, a, b, out: -g * (betainc_slope.apply(a, b, out, n=0, m=1) * per_beta_density(a, b, out)),
    y=lambda g, a, b, out: g * per_beta_density(a, b, out),
)


def _inverse(name: str, sign: int) -> Primitive[OfTwo]:
    return table(
        name,
        (_SHAPES, UNIT),
        a=lambda g, a, out: -g * (gammainc_slope.apply(a, out, n=1) * per_gamma_density(a, out)),
        y=lambda g, a, out: sign * g * per_gamma_density(a, out),
    )


gammaincinv, gammainccinv = _inverse("gammaincinv", 1), _inverse("gammainccinv", -1)
