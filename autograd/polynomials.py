"""Polynomials, as their coefficients, highest power first."""

from __future__ import annotations

from typing import Any

import numpy as np

from .arranging import atleast_1d, trim_zeros
from .correlation import convolve
from .padding import pad
from .primitive import implements
from .shaping import concatenate, flip, reshape
from .tensor import lift

__all__ = ["poly", "polyadd", "polyder", "polyint", "polymul", "polysub", "polyval", "vander"]


@implements(np.polyval)
def polyval(p: Any, x: Any) -> Any:
    """The values at `x` of the polynomial with coefficients `p`, by Horner's rule.

    >>> from pullback import Tensor
    >>> polyval([1.0, 0.0, 2.0], Tensor([3.0, 4.0]))
    Tensor([11., 18.])
    """
    p, x = lift(p), lift(x)
    y = np.zeros_like(x)
    for coefficient in p:
        y = y * x + coefficient
    return y


@implements(np.vander)
def vander(x: Any, N: int | None = None, increasing: bool = False) -> Any:
    """The matrix of the powers of a vector's entries, a column for each of `N` (None: as many as entries)."""
    x = lift(x)
    if x.ndim != 1:
        raise ValueError(f"vander: expected a vector, not shape {x.shape}")
    powers = reshape(x, (-1, 1)) ** np.arange(x.size if N is None else N)
    return powers if increasing else flip(powers, 1)


def _together(a1: Any, a2: Any) -> tuple[Any, Any]:
    """Two polynomials of one length, the shorter with zeros in front."""
    a1, a2 = atleast_1d(a1, a2)
    n = max(a1.size, a2.size)
    return pad(a1, (n - a1.size, 0)), pad(a2, (n - a2.size, 0))


@implements(np.polyadd)
def polyadd(a1: Any, a2: Any) -> Any:
    """The sum of two polynomials."""
    a1, a2 = _together(a1, a2)
    return a1 + a2


@implements(np.polysub)
def polysub(a1: Any, a2: Any) -> Any:
    """The difference of two polynomials."""
    a1, a2 = _together(a1, a2)
    return a1 - a2


@implements(np.polymul)
def polymul(a1: Any, a2: Any) -> Any:
    """The product of two polynomials, without the zeros in front of them."""
    return convolve(*(trim_zeros(a, "f") if np.any(a != 0) else a[-1:] for a in atleast_1d(a1, a2)))


@implements(np.polyder)
def polyder(p: Any, m: int = 1) -> Any:
    """The `m`-th derivative of a polynomial.

    >>> polyder(np.array([1.0, 5.0, 7.0]))
    array([2., 5.])
    """
    if m < 0:
        raise ValueError(f"polyder: m={m}; use polyint for integrals")
    p = lift(p)
    for _ in range(m):
        p = p[:-1] * np.arange(p.size - 1, 0, -1)
    return p


@implements(np.polyint)
def polyint(p: Any, m: int = 1, k: Any = None) -> Any:
    """The `m`-th integral of a polynomial; `k` are the constants of integration (None: 0), one or `m`."""
    if m < 0:
        raise ValueError(f"polyint: m={m}; use polyder for derivatives")
    p = lift(p)
    constants = np.broadcast_to(atleast_1d(0.0 if k is None else k), (m,))
    for constant in constants:
        p = concatenate([p / np.arange(p.size, 0, -1, dtype=p.dtype), reshape(constant, (1,)).astype(p.dtype)])
    return p


@implements(np.poly)
def poly(seq_of_zeros: Any) -> Any:
    """The polynomial with the given roots and 1 in front."""
    roots = lift(seq_of_zeros)
    if roots.ndim != 1:
        raise ValueError(f"poly: expected a vector of roots, not shape {roots.shape}")
    p = np.ones_like(roots, shape=1)
    for root in roots:
        p = convolve(p, reshape(root, (1,)) * np.array([0, -1], roots.dtype) + np.array([1, 0], roots.dtype))
    return p
