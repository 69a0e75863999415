"""`numpy.emath` on Tensors: functions that give complex numbers where the real ones end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.batching import everywhere
from ..core.conversion import lift, values_of
from ..core.primitive import implements
from . import elementwise as el
from .casting import complexes, imag, joined, real


def _negative(x: Any) -> Any:
    return x < 0


def _beyond_one(x: Any) -> Any:
    return (x < -1) | (x > 1)  # the least integer has no absolute value


def _extended(x: Any, outside: Callable[[Any], Any]) -> Any:
    """The numbers, as complex ones if some are outside of a function's domain."""
    x = lift(x)
    if x.dtype.kind != "c" and not everywhere(~outside(values_of(x))):
        return complexes(x)
    return x


for _name, _function, _outside in (
    ("sqrt", el.sqrt, _negative),
    ("log", el.log, _negative),
    ("log2", el.log2, _negative),
    ("log10", el.log10, _negative),
    ("arctanh", el.arctanh, _beyond_one),
):

    def _on_tensors(x: Any, _function: Any = _function, _outside: Any = _outside) -> Any:
        return _function(_extended(x, _outside))

    implements(getattr(np.emath, _name))(_on_tensors)


@implements(np.emath.arcsin)
def arcsin(x: Any) -> Any:
    """The inverse of the sine; beyond 1, on the branch cut, by the inverse of the hyperbolic cosine."""
    x = lift(x)
    if x.dtype.kind == "c" or everywhere(~_beyond_one(values_of(x))):
        return el.arcsin(x)
    x = real(complexes(x))
    beyond = _beyond_one(values_of(x))
    turned = el.where(beyond, el.arccosh(el.where(beyond, np.abs(x), 2)), 0)
    return joined(el.where(beyond, el.sign(x) * float(np.pi / 2), el.arcsin(el.where(beyond, 0, x))), turned)


@implements(np.emath.arccos)
def arccos(x: Any) -> Any:
    """The inverse of the cosine, pi / 2 less that of the sine."""
    x = lift(x)
    inside = x.dtype.kind == "c" or everywhere(~_beyond_one(values_of(x)))
    if inside:
        return el.arccos(x)
    sine = arcsin(x)
    return joined(float(np.pi / 2) - real(sine), -imag(sine))


@implements(np.emath.logn)
def logn(n: Any, x: Any) -> Any:
    """The logarithm of x to the base n."""
    return el.log(_extended(x, _negative)) / el.log(_extended(n, _negative))


@implements(np.emath.power)
def power(x: Any, p: Any) -> Any:
    """x ** p, with integers for p below 0 as floats."""
    p = lift(p)
    whole = p.dtype.kind in "iu" and not everywhere(values_of(p) >= 0)
    return el.power(_extended(x, _negative), p.astype(np.float64) if whole else p)
