"""The incomplete beta function, and the inverses of it and of the incomplete gamma function."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...core.elementwise import elementwise
from ...core.primitive import Primitive
from .beta_slopes import beta_density, betainc_slope
from .gamma_functions import psi
from .gamma_slopes import gamma_density, gammainc_slope, psi_gap
from .table import UNIT, table

__all__ = ["betainc", "betaincinv", "gammainccinv", "gammaincinv"]

_SHAPES = (0.5, 3.0)

betainc: Primitive[Any] = table(
    "betainc",
    (_SHAPES, _SHAPES, UNIT),
    a=lambda g, a, b, x: g * betainc_slope.apply(a, b, x, n=1, m=0),
    b=lambda g, a, b, x: g * betainc_slope.apply(a, b, x, n=0, m=1),
    x=lambda g, a, b, x: g * beta_density.apply(a, b, x, n=0, m=0, i=0, j=0),
)

# One over a density: the derivative of an inverse. Its own derivatives are multiples of it, where no square overflows
per_gamma_density = elementwise(
    lambda a, x: 1 / gamma_density.function(a, x, n=0, k=0),
    name="per_gamma_density",
    domain=(_SHAPES, _SHAPES),
    dtype=np.float64,
    a=lambda g, a, x, out: g * (out * (psi(a) - np.log(x))),
    x=lambda g, a, x, out: g * (out * ((x - (a - 1)) / x)),
)
per_beta_density: Primitive[Any] = elementwise(
    lambda a, b, x: 1 / beta_density.function(a, b, x, n=0, m=0, i=0, j=0),
    name="per_beta_density",
    domain=(_SHAPES, _SHAPES, UNIT),
    dtype=np.float64,
    a=lambda g, a, b, x, out: g * (out * (psi_gap.apply(a, b, n=0) - np.log(x))),
    b=lambda g, a, b, x, out: g * (out * (psi_gap.apply(b, a, n=0) - np.log1p(-x))),
    x=lambda g, a, b, x, out: g * (out * ((b - 1) / (1 - x) - (a - 1) / x)),
)

betaincinv: Primitive[Any] = table(
    "betaincinv",
    (_SHAPES, _SHAPES, UNIT),
    a=lambda g, a, b, out: -g * (betainc_slope.apply(a, b, out, n=1, m=0) * per_beta_density(a, b, out)),
    b=lambda g, a, b, out: -g * (betainc_slope.apply(a, b, out, n=0, m=1) * per_beta_density(a, b, out)),
    y=lambda g, a, b, out: g * per_beta_density(a, b, out),
)


def _inverse(name: str, sign: int) -> Any:
    return table(
        name,
        (_SHAPES, UNIT),
        a=lambda g, a, out: -g * (gammainc_slope.apply(a, out, n=1) * per_gamma_density(a, out)),
        y=lambda g, a, out: sign * g * per_gamma_density(a, out),
    )


gammaincinv, gammainccinv = _inverse("gammaincinv", 1), _inverse("gammainccinv", -1)
