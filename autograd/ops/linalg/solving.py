"""Primitives of linear algebra that make one thing of a matrix: a solution, a determinant, an inverse.

All take stacks of matrices, (..., m, n). Rules hold for complex matrices, too; `np.conj` in them is nothing for
real ones.
"""

from __future__ import annotations

from itertools import combinations, permutations
from typing import Any, NamedTuple

import numpy as np

from ...core.batching import stacked
from ...core.conversion import floating, lift
from ...core.forms import OfOne
from ...core.primitive import Primitive, implements, primitive
from ...core.tensor import Tensor
from ...core.types import ArrayLike
from ..diagonals import tril
from ..shape import expand_dims, squeeze


class SlogdetResult(NamedTuple):
    sign: Tensor
    logabsdet: Tensor


def matrices(a: Any, name: str) -> Any:
    """`a` as a Tensor or array; LinAlgError unless it is a matrix or a stack of matrices."""
    a = lift(a)
    if a.ndim < 2:
        raise np.linalg.LinAlgError(f"{name}: expected a matrix or a stack of matrices, not shape {a.shape}")
    return a


def square(a: Any, name: str) -> Any:
    """`a` as float or complex square matrices; LinAlgError if it is something else."""
    a = matrices(a, name)
    if a.shape[-1] != a.shape[-2]:
        raise np.linalg.LinAlgError(f"{name}: expected square matrices, not shape {a.shape}")
    return floating(a)


def filled(g: Any, out: Any) -> Any:
    """The cotangents of several outputs, with zeros for those that are not used."""
    return [np.zeros_like(o) if c is None else c for c, o in zip(g, out, strict=True)]


def adjoint(x: Any) -> Any:
    return np.conj(x.mT)


def on_diagonal(x: Any, entries: Any) -> Any:
    """Square matrices with other entries on the diagonal."""
    return np.where(np.eye(x.shape[-1], dtype=bool), entries, x)


def regular(draw: Any, shape: tuple[int, ...], dtype: Any = None) -> Any:
    """Well conditioned matrices with distinct eigenvalues and singular values, and no 0, where signs may turn."""
    x = draw.array(shape=shape, domain=(0.2, 1.0), dtype=dtype)
    return x + np.eye(shape[-2], shape[-1]) * (4 + 4 * np.arange(shape[-1]))


def regular_square(draw: Any, dtype: Any = None) -> Any:
    """Arguments for a primitive of square matrices."""
    n = draw.integer(0, 3)
    return (regular(draw, (*draw.shape(max_dims=1), n, n), dtype),), {}


def by_finite(f: Any, a: Any) -> Any:
    """f of matrices, a decomposition by singular values or what is made of one: NaN for those with an infinite entry,
    from which LAPACK may never come back; LinAlgError where an entry is NaN, as in NumPy."""
    if np.all(np.isfinite(a)):
        return f(a)
    if np.any(np.isnan(a)):
        raise np.linalg.LinAlgError("SVD did not converge: an entry is NaN")
    beyond = ~np.all(np.isfinite(a), axis=(-2, -1))
    out = f(np.where(beyond[..., None, None], 0, a).astype(a.dtype))
    for part in out if isinstance(out, tuple) else (out,):
        part[beyond] = np.nan
    return out


@primitive
def solve(a: Any, b: Any) -> Any:
    """The solution x of a x = b, for square `a` of shape (..., n, n) and `b` (n,) or (..., n, k).

    LinAlgError where a matrix is singular.

    >>> solve(Tensor([[2.0, 0.0], [0.0, 4.0]]), Tensor([2.0, 2.0]))
    Tensor([1. , 0.5])
    """
    return np.linalg.solve(a, b)


solve.vjp("a")(lambda g, a, out: -np.linalg.solve(a.mT, g) @ out.mT)
solve.vjp("b", "linear")(lambda g, a: np.linalg.solve(a.mT, g))


@solve.strategy
def _(draw: Any) -> Any:
    n, k = draw.integer(0, 3), draw.integer(0, 3)
    left, right = draw.broadcastable(2, max_dims=1)
    return (regular(draw, (*left, n, n)), regular(draw, (*right, n, k))), {}


@solve.public
@implements(np.linalg.solve)
def solve_form(a: ArrayLike, b: ArrayLike) -> Tensor:
    a, b = matrices(a, "solve"), lift(b)
    if b.ndim == 1:
        return squeeze(solve.apply(a, expand_dims(b, 1)), -1)
    return solve.apply(a, b)


@primitive
def cofactor(a: Any, *directions: Any) -> Any:
    """The cofactors of square matrices, det(a) inv(a)^T, for singular ones as well; or their derivative in as many
    directions as are given, the same in any order.

    Polynomials all, and by the singular values also computed without a division: for diagonal a, the derivative of
    det(a) along matrices that give a row each is the product of the other diagonal entries times a determinant of these
    rows, summed over all choices of them.
    """
    u, s, vh = by_finite(np.linalg.svd, np.where(np.isnan(a), np.inf, a).astype(a.dtype))
    turned = [u.conj().mT @ d @ vh.conj().mT for d in directions]
    n, rows = s.shape[-1], range(len(directions) + 1)
    chosen = np.sum(np.indices((n,) * len(rows))[..., None] == np.arange(n), axis=0)
    others = np.prod(np.where(chosen, 1, s.reshape(*s.shape[:-1], *(1,) * len(rows), n)), axis=-1)
    others = np.where(np.all(chosen < 2, axis=-1), others, 0)
    total = np.zeros(a.shape[-2:], np.result_type(u, *directions))
    for order in permutations(rows):
        terms: Any = [x for row, d in enumerate(turned, 1) for x in (d, [..., row, order[row]])]
        result: Any = [..., 0, order[0]] if order[0] else [..., 0]
        term = _parity(order) * np.einsum(others, [..., *rows], *terms, result)
        total = total + (term if order[0] else np.where(np.eye(n, dtype=bool), term[..., None, :], 0))
    return (np.linalg.det(u) * np.linalg.det(vh))[..., None, None].astype(u.dtype) * (u.conj() @ total @ vh.conj())


def _parity(order: tuple[int, ...]) -> int:
    """1 for an even permutation, -1 for an odd one."""
    return (-1) ** sum(a > b for a, b in combinations(order, 2))


cofactor.vjp("a")(lambda g, a, directions: cofactor.apply(a, *directions, g))
cofactor.jvp("a")(lambda t, a, directions: cofactor.apply(a, *directions, t))


@cofactor.vjp("directions", "linear")
def _(g: Any, a: Any, directions: Any, position: int) -> Any:
    return cofactor.apply(a, *directions[: position - 1], *directions[position:], g)


@cofactor.strategy
def _(draw: Any) -> Any:
    (a,), options = regular_square(draw)
    return (a, *(draw.array(shape=a.shape) for _ in range(draw.integer(0, 2)))), options


@primitive
def det(a: Any) -> Any:
    """The determinants of square matrices; derivatives, of any order, are right for singular ones, too.

    >>> a = Tensor([[1.0, 2.0], [2.0, 4.0]], requires_grad=True)
    >>> det(a).backward()
    >>> a.grad
    Tensor([[ 4., -2.],
            [-2.,  1.]])
    """
    return np.linalg.det(a)


det.vjp("a")(lambda g, a: g[..., None, None] * cofactor.apply(a))
det.strategy(regular_square)
implements(np.linalg.det)(det)
det_form: Primitive[OfOne] = det


@primitive(outputs=["sign", "logabsdet"])
def slogdet(a: Any) -> Any:
    """The signs (for complex matrices: phases) of the determinants, and the logarithms of their magnitudes.

    0 and -inf for a singular matrix, where the logarithm has no derivative: one is a LinAlgError. That of the sign of a
    real matrix is 0.
    """
    return np.linalg.slogdet(a)


@slogdet.vjp("a")
def _(g: Any, a: Any, out: Any) -> Any:
    g_sign, g_log = g if a.dtype.kind != "c" else filled(g, out)
    if g_log is None:
        return np.zeros_like(a)
    if a.dtype.kind == "c":
        turn = g_sign * out[0]
        g_log = (turn - np.conj(turn)) / 2 + g_log
    return g_log[..., None, None] * np.linalg.inv(a).mT


slogdet.strategy(regular_square)


@slogdet.public
@implements(np.linalg.slogdet)
def slogdet_form(a: ArrayLike) -> SlogdetResult:
    return SlogdetResult(*slogdet.apply(matrices(a, "slogdet")))


@primitive
def pinv(a: Any, *, rcond: float | None) -> Any:
    """The pseudo-inverses of matrices of any shape; singular values below `rcond` (default 1e-15) times the
    largest count as 0. The gradient is that among matrices of the same rank.

    >>> pinv(Tensor([[2.0], [0.0]]))
    Tensor([[0.5, 0. ]])
    """
    return by_finite(lambda a: np.linalg.pinv(a, rcond), a)


@pinv.vjp("a")
def _(g: Any, a: Any, out: Any) -> Any:
    left, right = g.mT @ out @ adjoint(out), adjoint(out) @ out @ g.mT
    return np.conj(left - a @ (out @ left) + right - (right @ out) @ a) - out.mT @ g @ out.mT


@pinv.strategy
def _(draw: Any) -> Any:
    return (regular(draw, (*draw.shape(max_dims=1), draw.integer(0, 3), draw.integer(0, 3))),), {"rcond": None}


@pinv.public
@implements(np.linalg.pinv)
def pinv_form(
    a: ArrayLike, rcond: ArrayLike | None = None, hermitian: bool = False, *, rtol: ArrayLike | None = None
) -> Tensor:
    a = matrices(a, "pinv")
    if hermitian:  # the lower triangle is read, as by eigh
        a = tril(a) + adjoint(tril(a, -1))
    return pinv.apply(a, rcond=rtol if rcond is None else rcond)


for _of_matrices in (solve, cofactor, det, slogdet, pinv):
    _of_matrices.batch(stacked)
