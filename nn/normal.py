"""The normal distribution function, from rational functions, without SciPy."""

from __future__ import annotations

import math
from functools import reduce
from typing import Any

import numpy as np

from ..extend import elementwise, in_blocks, in_one_pass

__all__: list[str] = []

# float64, by Cephes (Moshier): erf(z) = z T(z z) / U(z z) for abs(z) < 1, erfc(z) = exp(-z z) P(z) / Q(z) from there on
_T = (9.60497373987051638749, 9.00260197203842689217e1, 2.23200534594684319226e3, 7.00332514112805075473e3,
      5.55923013010394962768e4)  # fmt: skip
_U = (1.0, 3.35617141647503099647e1, 5.21357949780152679795e2, 4.59432382970980127987e3, 2.26290000613890934246e4,
      4.92673942608635921086e4)  # fmt: skip
_P = (2.46196981473530512524e-10, 5.64189564831068821977e-1, 7.46321056442269912687, 4.86371970985681366614e1,
      1.96520832956077098242e2, 5.26445194995477358631e2, 9.34528527171957607540e2, 1.02755188689515710272e3,
      5.57535335369399327526e2)  # fmt: skip
_Q = (1.0, 1.32281951154744992508e1, 8.67072140885989742329e1, 3.54937778887819891062e2, 9.75708501743205489753e2,
      1.82390916687909736289e3, 2.24633760818710981792e3, 1.65666309194161350182e3,
      5.57535340817727675546e2)  # fmt: skip
# float32, by Eigen: erf(z) = z A(z z) / B(z z), within 4, beyond which it is 1
_A = (-2.72614225801306e-10, 2.77068142495902e-8, -2.10102402082508e-6, -5.69250639462346e-5, -7.34990630326855e-4,
      -2.95459980854025e-3, -1.60960333262415e-2)  # fmt: skip
_B = (-1.45660718464996e-5, -2.13374055278905e-4, -1.68282697438203e-3, -7.37332916720468e-3, -1.42647390514189e-2)


def _polynomial(coefficients: tuple[float, ...], x: Any) -> Any:
    return reduce(lambda sum, c: sum * x + c, coefficients[1:], coefficients[0])


def single(x: Any) -> bool:
    """Whether x is an array of float32."""
    return x.__class__ is np.ndarray and x.dtype == np.float32


def single_cdf(x: Any) -> Any:
    """`normal_cdf` of an array of float32, or as machine code."""
    z = np.minimum(np.maximum(x * math.sqrt(0.5), -4.0), 4.0)
    square = z * z
    return 0.5 + 0.5 * (z * _polynomial(_A, square) / _polynomial(_B, square))


_by_single = in_one_pass(single_cdf)


@in_blocks
def _by_double(x: Any) -> Any:
    z = np.abs(x) * math.sqrt(0.5)
    small, large = np.minimum(z, 1), np.minimum(np.maximum(z, 1), 40)
    square = small * small
    near = 0.5 * (small * _polynomial(_T, square) / _polynomial(_U, square))
    tail = 0.5 * np.exp(-large * large) * (_polynomial(_P, large) / _polynomial(_Q, large))
    return np.where(z < 1, 0.5 + np.copysign(near, x), np.where(x < 0, tail, 1 - tail))


def _cdf(x: Any) -> Any:
    x = np.asarray(x)
    return (_by_single if single(x) else _by_double)(x)


def density(x: Any) -> Any:
    """The derivative of `normal_cdf`."""
    return np.exp(-0.5 * (x * x)) * (1 / math.sqrt(2 * math.pi))


normal_cdf = elementwise(_cdf, name="normal_cdf", x=lambda g, x: g * density(x))
normal_cdf.strategy(lambda draw: ((draw.array(dtype=np.float64),), {}))
