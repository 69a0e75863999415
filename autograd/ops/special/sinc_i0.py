"""Functions that are the integral of an exponential over a range, and so are their derivatives of every order."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...core.conversion import lift
from ...core.forms import OfOne
from ...core.primitive import Primitive, implements, primitive
from .scaled import arc, integral, size_of

__all__ = ["i0", "sinc"]


@primitive
def sinc(x: Any, *, order: int) -> Any:
    """sin(pi x) / (pi x), or its derivative of some order: the integral of cos(pi x t) for t from 0 to 1."""
    if not order:
        return np.sinc(x)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        y = np.asarray(np.pi * x)
        turn = np.pi * (x if y.dtype.kind == "c" else np.fmod(x, 2))  # so much of y as a wave can see
        waves = np.sin(turn), np.cos(turn)
        out = waves[0] / np.pi / x
        for n in range(1, order + 1):
            out = (waves[n % 2] * (1, 1, -1, -1)[n % 4] - n * out) / np.pi / x
    out, small = np.array(out), np.abs(y) < 2 * order
    t, weight = np.polynomial.legendre.leggauss(8 + 2 * order)
    t, weight = (t + 1) / 2, weight / 2 * (1, -1, -1, 1)[order % 4]
    out[small] = ((np.cos, np.sin)[order % 2](np.multiply.outer(y[small], t)) * t**order) @ weight
    return out * np.asarray(np.pi**order, out.dtype)


@primitive
def i0(x: Any, *, order: int) -> Any:
    """The modified Bessel function of order 0, or its derivative of some order: the mean of cos(t)^n exp(x cos t).

    >>> from pullback import Tensor
    >>> x = Tensor(1.0, requires_grad=True)
    >>> i0(x).backward()
    >>> x.grad
    Tensor(0.5651591)
    """
    if not order:
        return np.i0(x)
    size = size_of(x)

    def term(t: Any) -> Any:  # of t and of pi - t
        other = -2 * size * np.cos(t)
        both = -np.expm1(other) if order % 2 else 1 + np.exp(other)
        return np.cos(t) ** order * np.exp(-2 * size * np.sin(t / 2) ** 2) * both

    total, root = integral(term, arc(size, np.pi / 2)) / np.pi, np.exp(size / 2)
    total = np.where(x < 0, (-1) ** order, 1) * (total * root * root)
    even = order + order % 2
    first = math.comb(even, even // 2) / 2**even * (x if order % 2 else 1)  # of the series, next to 0 all
    return np.where(size < 1e-9, first, total).astype(np.result_type(x))[()]


sinc.vjp("x", "elementwise")(lambda g, x, order: g * sinc.apply(x, order=order + 1))
i0.vjp("x", "elementwise")(lambda g, x, order: g * i0.apply(x, order=order + 1))


sinc.strategy(lambda draw: ((draw.array(),), {"order": draw.integer(0, 2)}))
i0.strategy(lambda draw: ((draw.array(dtype=np.float64),), {"order": draw.integer(0, 2)}))


sinc.public(implements(np.sinc)(lambda x: sinc.apply(lift(x), order=0)))
i0.public(implements(np.i0)(lambda x: i0.apply(lift(x), order=0)))
sinc_form: Primitive[OfOne] = sinc
i0_form: Primitive[OfOne] = i0
