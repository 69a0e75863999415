"""Polynomials, as their coefficients, highest power first."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from ..core.batching import agreed, everywhere
from ..core.conversion import floating, lift, values_of
from ..core.primitive import implements
from ..core.tensor import Tensor
from ..core.types import ArrayLike
from .casting import imag, real
from .correlation import convolve
from .elementwise import conj, sqrt
from .indexing import setitem
from .joining import atleast_1d, ends_of, trim_zeros
from .linalg.compositions import eigvals, inv, lstsq
from .padding import pad
from .reductions import sum
from .shape import concatenate, flip, reshape, stack

__all__ = [
    "poly", "polyadd", "polyder", "polydiv", "polyfit", "polyint", "polymul", "polysub", "polyval", "roots",
    "vander",
]  # fmt: skip


@implements(np.polyval)
def polyval(p: ArrayLike, x: ArrayLike) -> Tensor:
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
def vander(x: ArrayLike, N: int | None = None, increasing: bool = False) -> Tensor:
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
def polyadd(a1: ArrayLike, a2: ArrayLike) -> Tensor:
    """The sum of two polynomials."""
    a1, a2 = _together(a1, a2)
    return a1 + a2


@implements(np.polysub)
def polysub(a1: ArrayLike, a2: ArrayLike) -> Tensor:
    """The difference of two polynomials."""
    a1, a2 = _together(a1, a2)
    return a1 - a2


@implements(np.polymul)
def polymul(a1: ArrayLike, a2: ArrayLike) -> Tensor:
    """The product of two polynomials, without the zeros in front of them."""
    return convolve(
        *(
            trim_zeros(a, "f") if agreed(np.any(a != 0), "polymul: that all coefficients are 0") else a[-1:]
            for a in atleast_1d(a1, a2)
        )
    )


@implements(np.polyder)
def polyder(p: ArrayLike, m: int = 1) -> Tensor:
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
def polyint(p: ArrayLike, m: int = 1, k: ArrayLike | None = None) -> Tensor:
    """The `m`-th integral of a polynomial; `k` are the constants of integration (None: 0), one or `m`."""
    if m < 0:
        raise ValueError(f"polyint: m={m}; use polyder for derivatives")
    p = floating(p) if m else lift(p)
    constants = np.broadcast_to(atleast_1d(0.0 if k is None else k), (m,))
    for constant in constants:
        p = concatenate([p / np.arange(p.size, 0, -1, dtype=p.dtype), reshape(constant, (1,)).astype(p.dtype)])
    return p


@implements(np.poly)
def poly(seq_of_zeros: ArrayLike) -> Tensor:
    """The polynomial with the given roots (a matrix: with its eigenvalues) and 1 in front."""
    roots = floating(seq_of_zeros)
    if roots.ndim == 2 and roots.shape[0] == roots.shape[1]:
        roots = eigvals(roots)
    if roots.ndim != 1:
        raise ValueError(f"poly: expected a vector of roots or a square matrix, not shape {roots.shape}")
    p = np.ones_like(roots, shape=1)
    for root in roots:
        p = convolve(p, stack([np.ones_like(root), -root]))
    paired = roots.dtype.kind == "c" and everywhere(np.sort(values_of(roots)) == np.sort(values_of(conj(roots))))
    return real(p) if paired else p


@implements(np.polydiv)
def polydiv(u: ArrayLike, v: ArrayLike) -> tuple[Tensor, Tensor]:
    """The quotient and the remainder of two polynomials, the latter without the zeros in front of it.

    >>> polydiv(np.array([3.0, 5.0, 2.0]), np.array([2.0, 1.0]))
    (array([1.5 , 1.75]), array([0.25]))
    """
    u, v = map(floating, atleast_1d(u, v))
    dtype = np.result_type(u.dtype, v.dtype)
    r, v = u.astype(dtype), v.astype(dtype)
    quotient = []
    for k in range(u.size - v.size + 1):
        quotient.append(r[k] / v[0])
        part = slice(k, k + v.size)
        r = setitem(r, part, r[part] - quotient[-1] * v)
    while r.size > 1 and np.allclose(r[0], 0, rtol=1e-14):
        r = r[1:]
    return stack(quotient) if quotient else np.zeros_like(r, shape=1), r


@implements(np.roots)
def roots(p: ArrayLike) -> Tensor:
    """The roots of a polynomial: the eigenvalues of its companion matrix, complex where one is."""
    p = floating(atleast_1d(p))
    if p.ndim != 1:
        raise ValueError(f"roots: expected a vector of coefficients, not shape {p.shape}")
    first, stop = ends_of(p, "roots")[0]
    if not stop:
        return np.zeros_like(p, shape=0)
    zeros = np.zeros_like(p, shape=p.size - stop)
    p = p[first:stop]
    if p.size == 1:
        return zeros
    below = np.eye(p.size - 2, p.size - 1, dtype=p.dtype)
    found = eigvals(concatenate([reshape(-p[1:] / p[0], (1, -1)), below]))
    found = real(found) if everywhere(imag(found) == 0) else found
    return concatenate([found, zeros.astype(found.dtype)])


@implements(np.polyfit)
def polyfit(
    x: ArrayLike,
    y: ArrayLike,
    deg: int,
    rcond: float | None = None,
    full: bool = False,
    w: ArrayLike | None = None,
    cov: bool | str = False,
) -> Tensor | tuple[Tensor, ...]:
    """The polynomial of degree `deg` with the least sum of squares of its distances, times `w`, from the points (x, y).

    `y` is a vector, or a matrix of several, column by column. With `full` also what `lstsq` gives, and `rcond`; with
    `cov` the covariance of the coefficients, unscaled if it is "unscaled".
    """
    x, y = lift(x) + 0.0, lift(y) + 0.0
    if x.ndim != 1 or y.ndim not in (1, 2) or len(x) != len(y):
        raise TypeError(f"polyfit: expected a vector and as many values, not shapes {x.shape} and {y.shape}")
    if deg < 0:
        raise ValueError(f"polyfit: degree {deg} is negative")
    rcond = len(x) * np.finfo(x.dtype).eps if rcond is None else rcond
    powers = vander(x, int(deg) + 1)
    if w is not None:
        column = reshape(w, (-1, 1))
        powers, y = powers * column, y * (column if y.ndim == 2 else w)
    scale = sqrt(sum(powers * powers, 0))
    powers = powers / scale
    c, residuals, rank, s = lstsq(powers, y, rcond)
    if rank < powers.shape[1] and not full:
        warnings.warn("polyfit may be poorly conditioned", np.exceptions.RankWarning, stacklevel=2)
    c = c / (scale if y.ndim == 1 else reshape(scale, (-1, 1)))
    if full:
        return c, residuals, rank, s, rcond
    if not cov:
        return c
    base = inv(powers.T @ powers) / (reshape(scale, (-1, 1)) * scale)
    if cov != "unscaled":
        if len(x) <= powers.shape[1]:
            raise ValueError(f"polyfit: {len(x)} points are too few to scale the covariance; cov='unscaled' does not")
        base = (base if y.ndim == 1 else base[:, :, None]) * (residuals / (len(x) - powers.shape[1]))
    return c, base if y.ndim == 1 or base.ndim == 3 else base[:, :, None]
