"""Triangular matrices: systems of equations with them, and a matrix as a product of two, by SciPy's names."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from ...core.batching import computed, stacked
from ...core.conversion import floating, known, lift
from ...core.primitive import primitive
from ...core.tensor import Tensor
from ...core.types import ArrayLike
from ..diagonals import tril, triu
from ..indexing import setitem
from .decompositions import cholesky
from .matrix_functions import from_scipy
from .solving import adjoint, filled, matrices, on_diagonal, regular, square

Trans = Literal[0, 1, 2, "N", "T", "C"]  # what is solved with: the matrix, its transpose or its adjoint


@primitive
def solve_upper(a: Any, b: Any) -> Any:
    """The solution x of a x = b for upper triangular `a`; row by row where an infinity would spread within LAPACK."""
    if np.all(np.isfinite(a)):
        return np.linalg.solve(a, b)
    if not np.all(np.diagonal(a, axis1=-2, axis2=-1)):
        raise np.linalg.LinAlgError("Singular matrix")
    stack = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    x = np.zeros((*stack, *b.shape[-2:]), np.result_type(a, b))
    with np.errstate(all="ignore"):
        for i in reversed(range(a.shape[-1])):
            rest = a[..., i, None, i + 1 :] @ x[..., i + 1 :, :]
            x[..., i, :] = (b[..., i, :] - rest[..., 0, :]) / a[..., i, i, None]
    return x


def _solve_lower(a: Any, b: Any) -> Any:
    """The same for lower triangular `a`, which is upper triangular from the other end."""
    return np.flip(solve_upper(np.flip(a, (-2, -1)), np.flip(b, -2)), -2)


solve_upper.vjp("a")(lambda g, a, out: -_solve_lower(a.mT, g) @ out.mT)
solve_upper.vjp("b", "linear")(lambda g, a: _solve_lower(a.mT, g))
solve_upper.batch(stacked)


@solve_upper.strategy
def _(draw: Any) -> Any:
    n, k = draw.integer(0, 3), draw.integer(0, 3)
    left, right = draw.broadcastable(2, max_dims=1)
    return (np.triu(regular(draw, (*left, n, n))), regular(draw, (*right, n, k))), {}


def solve_triangular(
    a: ArrayLike, b: ArrayLike, trans: Trans = 0, lower: bool = False, unit_diagonal: bool = False
) -> Tensor:
    """The solution x of a x = b (`trans` 1 or "T": of the transpose; 2 or "C": of the adjoint) for triangular `a`.

    Only the upper triangle of `a` is read, or the `lower` one, and without its diagonal if that is said to be 1.
    `b` is (n,) or (..., n, k). LinAlgError where there is a 0 on the diagonal.

    >>> solve_triangular(np.array([[2.0, 0.0], [1.0, 4.0]]), np.array([2.0, 9.0]), lower=True)
    array([1., 2.])
    """
    trans = known(trans)
    forms = {0: lambda x: x, 1: lambda x: x.mT, 2: adjoint}
    form = forms.get({"N": 0, "T": 1, "C": 2}.get(trans, trans))
    if form is None:
        raise ValueError(f"solve_triangular: trans={trans!r}; expected 0, 1, 2, 'N', 'T' or 'C'")
    a = square(a, "solve_triangular")
    a, b = tril(a) if lower else triu(a), lift(b)
    a = form(on_diagonal(a, a.dtype.type(1)) if unit_diagonal else a)
    solved = _solve_lower if lower == (form is forms[0]) else solve_upper
    return solved(a, b[:, None])[:, 0] if b.ndim == 1 else solved(a, b)


def cho_factor(a: ArrayLike, lower: bool = False) -> tuple[Tensor, bool]:
    """The triangle that `cholesky` makes of `a`, upper or `lower`, and which of them it is: what `cho_solve` takes."""
    return cholesky(a, upper=not lower), lower


def cho_solve(c_and_lower: tuple[ArrayLike, bool], b: ArrayLike) -> Tensor:
    """The solution x of a x = b, of what `cho_factor` made of `a`.

    >>> cho_solve(cho_factor(np.array([[4.0, 0.0], [0.0, 2.0]])), np.array([4.0, 4.0]))
    array([1., 2.])
    """
    c, lower = c_and_lower
    first, second = (0, 2) if lower else (2, 0)
    return solve_triangular(c, solve_triangular(c, b, first, lower), second, lower)


@primitive(outputs=["p", "l", "u"])
def lu(a: Any) -> Any:
    """P, L and U with a = P L U, by SciPy: a permutation (a constant), a lower triangle with ones on its diagonal, and
    an upper one.

    `a` is (..., m, n), and L (..., m, k), U (..., k, n) with the smaller k of the two.

    >>> lu(np.array([[0.0, 2.0], [1.0, 3.0]]))[2]
    array([[1., 3.],
           [0., 2.]])
    """
    if a.size:
        return from_scipy("lu")(a)
    *lead, m, n = a.shape
    k = min(m, n)
    return tuple(np.broadcast_to(np.eye(*shape, dtype=a.dtype), (*lead, *shape)) for shape in ((m, m), (m, k), (k, n)))


@lu.vjp("a")
def _(g: Any, out: Any) -> Any:
    """With F = L^-1 P^T dA U^-1 of the square part, dL = L lower(F), dU = upper(F) U; what is beyond it is linear."""
    (_, g_low, g_up), (p, low, up) = filled(g, out), out
    m, k, n = low.shape[-2], low.shape[-1], up.shape[-1]
    below = np.linalg.solve(up[..., :k], g_low[..., k:, :].mT).mT
    right = np.linalg.solve(low[..., :k, :].mT, g_up[..., k:])
    g_low = g_low[..., :k, :] - right @ up[..., k:].mT
    g_up = g_up[..., :k] - low[..., k:, :].mT @ below
    low, up = low[..., :k, :], up[..., :k]
    inner = np.tril(low.mT @ g_low, -1) + np.triu(g_up @ up.mT)
    core = np.linalg.solve(low.mT, np.linalg.solve(up, inner.mT).mT)
    return p @ (np.concatenate([core, below], axis=-2) if m > n else np.concatenate([core, right], axis=-1))


lu.batch(stacked)


@lu.strategy
def _(draw: Any) -> Any:
    return (regular(draw, (*draw.shape(max_dims=1), draw.integer(0, 3), draw.integer(0, 3))),), {}


@lu.public
def lu_form(a: ArrayLike) -> tuple[Tensor, Tensor, Tensor]:
    a = matrices(a, "lu")
    return lu.apply(floating(a))


def lu_factor(a: ArrayLike) -> tuple[Tensor, Tensor]:
    """L and U of square matrices in one array, U on and above the diagonal and L below, and the pivots: for each row
    the one with which it was exchanged. `lu_solve` takes both.

    >>> lu_factor(np.array([[0.0, 2.0], [1.0, 3.0]]))
    (array([[1., 3.],
           [0., 2.]]), array([1, 1]))
    """
    a = square(a, "lu_factor")
    p, low, up = lu(a)
    pivots = computed(_pivots, p)
    return tril(low, -1) + up, pivots if isinstance(a, Tensor) else pivots.numpy()


def _pivots(p: Any) -> Any:
    """The changes of places, one after the other, that make a permutation."""
    order = np.argmax(p, axis=-2)
    pivots, rows = np.empty_like(order), np.broadcast_to(np.arange(order.shape[-1]), order.shape).copy()
    for k in range(order.shape[-1]):
        place = np.argmax(rows == order[..., k, None], axis=-1)[..., None]
        np.put_along_axis(rows, place, rows[..., k, None], -1)
        pivots[..., k], rows[..., k] = place[..., 0], order[..., k]
    return pivots


def _exchange(pivots: Any) -> Any:
    """The matrix that changes rows as the pivots say."""
    out = np.broadcast_to(np.eye(pivots.shape[-1]), (*pivots.shape, pivots.shape[-1])).copy()
    for k in range(pivots.shape[-1]):
        there = pivots[..., k, None, None]
        row = np.take_along_axis(out, there, -2)
        np.put_along_axis(out, there, out[..., k, None, :], -2)
        out[..., k, None, :] = row
    return out


def lu_solve(lu_and_piv: tuple[ArrayLike, ArrayLike], b: ArrayLike, trans: Trans = 0) -> Tensor:
    """The solution x of a x = b (`trans` as for `solve_triangular`), of what `lu_factor` made of `a`.

    >>> lu_solve(lu_factor(np.array([[0.0, 2.0], [1.0, 3.0]])), np.array([2.0, 4.0]))
    array([1., 1.])
    """
    factors, pivots = lu_and_piv
    exchange, b = computed(_exchange, pivots).astype(factors.dtype), lift(b)
    x = b[:, None] if b.ndim == 1 else b
    if trans in (0, "N"):
        x = solve_triangular(factors, exchange @ x, 0, True, True)
        x = solve_triangular(factors, x)
    else:
        x = solve_triangular(factors, x, trans)
        x = exchange.mT @ solve_triangular(factors, x, trans, True, True)
    x = x if any(isinstance(v, Tensor) for v in (factors, b)) else x.numpy()
    return x[..., 0] if b.ndim == 1 else x


def block_diag(*arrs: ArrayLike) -> Tensor:
    """The matrix with the given ones along its diagonal, zeros elsewhere; a vector is one row.

    >>> block_diag(np.array([[1.0]]), np.array([2.0, 3.0]))
    array([[1., 0., 0.],
           [0., 2., 3.]])
    """
    blocks = [np.atleast_2d(lift(a)) for a in arrs]
    if any(b.ndim > 2 for b in blocks):
        raise ValueError(f"block_diag: expected matrices, not shapes {[b.shape for b in blocks]}")
    out: Any = np.zeros(np.sum([b.shape for b in blocks], axis=0), np.result_type(*(b.dtype for b in blocks)))
    row = column = 0
    for block in blocks:
        m, n = block.shape
        out = setitem(out, (slice(row, row + m), slice(column, column + n)), block)
        row, column = row + m, column + n
    return out
