"""`numpy.linalg` on Tensors: compositions of the primitives in solving.py and decompositions.py."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.linalg import LinAlgError

from ...core.batching import agreed
from ...core.conversion import floating, lift
from ...core.forms import MatrixRank
from ...core.half_precision import by_single
from ...core.primitive import implements
from ...core.tensor import Tensor
from ...core.types import ArrayLike, Arrays, Axis, DTypeLike
from .. import casting, diagonals
from .. import elementwise as el
from .. import matmul as products
from .. import reductions as red
from ..matmul import matmul_form as matmul
from ..matmul import tensordot, vecdot
from ..nondifferentiable import constant
from ..shape import axes_of, expand_dims, matrix_transpose, moveaxis, ravel, reshape
from .decompositions import EighResult, EigResult, QRResult
from .decompositions import cholesky_form as cholesky
from .decompositions import eig_form as eig
from .decompositions import eigh_form as eigh
from .decompositions import qr_form as qr
from .matrix_functions import expm, logm, sqrtm
from .matrix_functions import solve_sylvester_form as solve_sylvester
from .repeated_values import rounding
from .singular_values import SVDResult
from .singular_values import svd_form as svd
from .solving import SlogdetResult, matrices
from .solving import det_form as det
from .solving import pinv_form as pinv
from .solving import slogdet_form as slogdet
from .solving import solve_form as solve
from .triangular import block_diag, cho_factor, cho_solve, lu_factor, lu_solve, solve_triangular
from .triangular import lu_form as lu

__all__ = [
    "EigResult",
    "EighResult",
    "LinAlgError",
    "QRResult",
    "SVDResult",
    "SlogdetResult",
    "block_diag",
    "cho_factor",
    "cho_solve",
    "cholesky",
    "cond",
    "cross",
    "det",
    "diagonal",
    "eig",
    "eigh",
    "eigvals",
    "eigvalsh",
    "expm",
    "inv",
    "logm",
    "lstsq",
    "lu",
    "lu_factor",
    "lu_solve",
    "matmul",
    "matrix_norm",
    "matrix_power",
    "matrix_rank",
    "matrix_transpose",
    "multi_dot",
    "norm",
    "outer",
    "pinv",
    "qr",
    "slogdet",
    "solve",
    "solve_sylvester",
    "solve_triangular",
    "sqrtm",
    "svd",
    "svdvals",
    "tensordot",
    "tensorinv",
    "tensorsolve",
    "trace",
    "vecdot",
    "vector_norm",
]

for _function, _implementation in (
    (np.linalg.matmul, matmul),
    (np.linalg.matrix_transpose, matrix_transpose),
    (np.linalg.tensordot, tensordot),
    (np.linalg.vecdot, vecdot),
):
    implements(_function)(_implementation)

matrix_rank: MatrixRank = constant(np.linalg.matrix_rank)


# Products and parts


@implements(np.linalg.outer)
def outer(x1: ArrayLike, x2: ArrayLike, /) -> Tensor:
    """The products of every entry of one vector with every entry of another, as a matrix."""
    x1, x2 = lift(x1), lift(x2)
    if x1.ndim != 1 or x2.ndim != 1:
        raise ValueError(f"outer: expected two vectors, not shapes {x1.shape} and {x2.shape}")
    return products.outer(x1, x2)


@implements(np.linalg.cross)
def cross(x1: ArrayLike, x2: ArrayLike, /, *, axis: int = -1) -> Tensor:
    """The cross product of vectors of length 3 along `axis`."""
    x1, x2 = lift(x1), lift(x2)
    lengths = tuple(x.shape[axes_of(axis, x.ndim, "cross")[0]] for x in (x1, x2))
    if lengths != (3, 3):
        raise ValueError(f"cross: vectors of length 3 are needed, not {lengths[0]} and {lengths[1]}")
    return products.cross(x1, x2, axis=axis)


@implements(np.linalg.diagonal)
def diagonal(x: ArrayLike, /, *, offset: int = 0) -> Tensor:
    """The diagonals of matrices, `offset` places above the main one, as last axis."""
    return diagonals.diagonal(x, offset, -2, -1)


@implements(np.linalg.trace)
def trace(x: ArrayLike, /, *, offset: int = 0, dtype: DTypeLike | None = None) -> Tensor:
    """The sums along the diagonals of matrices."""
    return diagonals.trace(x, offset, -2, -1, dtype)


@implements(np.linalg.matrix_power)
def matrix_power(a: ArrayLike, n: int) -> Tensor:
    """Square matrices to an integer power, by repeated squaring; a negative one is that of the inverse."""
    a, n = matrices(a, "matrix_power"), operator.index(n)
    if a.shape[-1] != a.shape[-2]:
        raise LinAlgError(f"matrix_power: expected square matrices, not shape {a.shape}")
    if n < 0:
        return matrix_power(inv(a), -n)
    if n == 0:
        return el.where(True, np.eye(a.shape[-1], dtype=a.dtype), a)
    if n == 1:
        return a
    root = matrix_power(a, n // 2)
    return root @ root @ a if n % 2 else root @ root


@implements(np.linalg.multi_dot)
def multi_dot(arrays: Arrays) -> Tensor:
    """The product of two or more matrices in the cheapest order; the first and the last may be vectors."""
    arrays = [lift(a) for a in arrays]
    if len(arrays) < 2:
        raise ValueError(f"multi_dot: at least two arrays are needed, not {len(arrays)}")
    if {arrays[0].ndim, arrays[-1].ndim} - {1, 2} or any(a.ndim != 2 for a in arrays[1:-1]):
        raise LinAlgError(f"multi_dot: expected matrices, not shapes {[a.shape for a in arrays]}")
    rows = [a.shape[0] for a in arrays]
    sides = [rows[0] if arrays[0].ndim == 2 else 1, *rows[1:], arrays[-1].shape[1] if arrays[-1].ndim == 2 else 1]

    @cache
    def plan(i: int, j: int) -> tuple[int, int]:
        """How many multiplications the product of arrays i to j takes, and after which to split it."""
        splits = ((plan(i, k)[0] + plan(k + 1, j)[0] + sides[i] * sides[k + 1] * sides[j + 1], k) for k in range(i, j))
        return min(splits, default=(0, i))

    def product(i: int, j: int) -> Any:
        k = plan(i, j)[1]
        return arrays[i] if i == j else product(i, k) @ product(k + 1, j)

    return product(0, len(arrays) - 1)


# Solving


@implements(np.linalg.inv)
def inv(a: ArrayLike) -> Tensor:
    """The inverses of square matrices; LinAlgError where one is singular.

    >>> inv(np.array([[2.0, 0.0], [0.0, 4.0]]))
    array([[0.5 , 0.  ],
           [0.  , 0.25]])
    """
    a = matrices(a, "inv")
    return solve(a, np.eye(a.shape[-1], dtype=a.dtype))


@implements(np.linalg.tensorsolve)
def tensorsolve(a: ArrayLike, b: ArrayLike, axes: Sequence[int] | None = None) -> Tensor:
    """The x with tensordot(a, x, x.ndim) = b; the axes `axes` of `a` are moved to its end first."""
    a, b = lift(a), lift(b)
    if axes is not None:
        a = moveaxis(a, axes, range(a.ndim - len(axes), a.ndim))
    shape = a.shape[b.ndim :]
    if math.prod(shape) != b.size or a.size != b.size**2:
        raise LinAlgError(f"tensorsolve: a of shape {a.shape} is not square beside b of shape {b.shape}")
    return reshape(solve(reshape(a, (b.size, b.size)), ravel(b)), shape)


@implements(np.linalg.tensorinv)
def tensorinv(a: ArrayLike, ind: int = 2) -> Tensor:
    """The inverse of `a` as a map from its last axes to its first `ind`: tensordot(inverse, a, ind) is the identity."""
    a = lift(a)
    if ind <= 0:
        raise ValueError(f"tensorinv: ind must be positive, not {ind}")
    n = math.prod(a.shape[ind:])
    if n * n != a.size:
        raise LinAlgError(f"tensorinv: a of shape {a.shape} is not square with {ind} axes first")
    return reshape(inv(reshape(a, (n, n))), a.shape[ind:] + a.shape[:ind])


@implements(np.linalg.lstsq)
def lstsq(a: ArrayLike, b: ArrayLike, rcond: float | None = None) -> tuple[Tensor, Tensor, int, Tensor]:
    """The shortest x that minimizes |b - a x|; x, the squared residuals, the rank and the singular values of `a`.

    `a` is (m, n), `b` (m,) or (m, k). Singular values below `rcond` (default: max(m, n) times the machine
    epsilon; -1: that epsilon) times the largest count as 0; the residuals are empty unless the rank is n < m.

    >>> lstsq(np.array([[1.0], [1.0]]), np.array([1.0, 3.0]))[0]
    array([2.])
    """
    a, b = floating(a), floating(b)
    if np.float16 in (a.dtype, b.dtype):
        raise TypeError("lstsq: float16 is not supported, as in NumPy; use float32")
    if a.ndim != 2 or b.ndim not in (1, 2):
        raise LinAlgError(f"lstsq: expected a matrix and a vector or matrix, not shapes {a.shape} and {b.shape}")
    (m, n), eps = a.shape, float(np.finfo(a.dtype).eps)
    if rcond is None:
        rcond = eps * max(m, n)
    rcond = eps if rcond < 0 else rcond
    x, s = pinv(a, rcond) @ b, svdvals(a)
    rank = int(agreed(np.sum(s > rcond * s[:1]), "lstsq: the rank"))
    squares = ravel(red.sum(_squares(b - a @ x), 0))
    return x, squares if rank == n < m else squares[:0], rank, s


# Eigenvalues and singular values


@implements(np.linalg.eigvals)
def eigvals(a: ArrayLike) -> Tensor:
    """The eigenvalues of square matrices; always complex."""
    return eig(a)[0]


@implements(np.linalg.eigvalsh)
def eigvalsh(a: ArrayLike, UPLO: str = "L") -> Tensor:
    """The eigenvalues, ascending, of symmetric or Hermitian matrices, of which one triangle is read."""
    return eigh(a, UPLO)[0]


@implements(np.linalg.svdvals)
def svdvals(x: ArrayLike, /) -> Tensor:
    """The singular values of matrices, descending."""
    return svd(x, compute_uv=False)


# Norms, with gradient 0 at 0


def _squares(x: Any) -> Any:
    return casting.real(x * el.conj(x)) if x.dtype.kind == "c" else el.square(x)


def _power(x: Any, p: float) -> Any:
    """x ** p for x >= 0, with derivative 0 at 0, also where that is inf."""
    at_zero = x == 0
    return x**p if p > 0 else el.where(at_zero, np.inf, el.where(at_zero, 1, x) ** p)


def _largest(sizes: Any, axes: Any, keepdims: bool = False) -> Any:
    """The largest of numbers that are not negative, 0 if there are none."""
    return red.max(sizes, axes, keepdims=keepdims, initial=0)


def _of_vectors(x: Any, ord: Any, axes: tuple[int, ...], keepdims: bool) -> Any:
    if ord is None or ord == 2:
        return el.sqrt(red.sum(_squares(x), axes, keepdims=keepdims))
    size = el.abs(x if ord != 0 else el.where(np.isnan(x), 1, x))
    if ord == np.inf:
        return _largest(size, axes, keepdims)
    if ord == -np.inf:
        return red.min(size, axes, keepdims=keepdims)
    if ord == 0:
        return red.sum(el.sign(size), axes, keepdims=keepdims)
    if ord == 1:
        return red.sum(size, axes, keepdims=keepdims)
    if isinstance(ord, str):
        raise ValueError(f"norm: {ord!r} is no norm of vectors")
    return _power(red.sum(_power(size, ord), axes, keepdims=keepdims), 1 / ord)


def _values(x: Any) -> Any:
    return el.abs(svdvals(x))


def _that_count(x: Any) -> Any:
    s = svdvals(x)
    return el.where(rounding(s, red.sum(s, -1, keepdims=True)), 0, s)


_MATRIX_NORMS: dict[Any, Any] = {  # what is reduced along the last axis, and how
    "nuc": (_that_count, red.sum),
    2: (_values, _largest),
    -2: (_values, red.min),
    1: (lambda x: red.sum(el.abs(x), -2), _largest),
    -1: (lambda x: red.sum(el.abs(x), -2), red.min),
    np.inf: (lambda x: red.sum(el.abs(x), -1), _largest),
    -np.inf: (lambda x: red.sum(el.abs(x), -1), red.min),
}


def _of_matrices(x: Any, ord: Any, axes: tuple[int, ...], keepdims: bool) -> Any:
    if ord in (None, "fro", "f"):
        return _of_vectors(x, 2, axes, keepdims)
    if ord not in _MATRIX_NORMS:
        raise ValueError(
            f"norm: {ord!r} is no norm of matrices; there are 'fro', {', '.join(map(repr, _MATRIX_NORMS))}"
        )
    entries, reduce = _MATRIX_NORMS[ord]
    out = reduce(entries(moveaxis(x, axes, (-2, -1))), -1)
    return expand_dims(out, axes) if keepdims else out


@implements(np.linalg.norm)
@by_single
def norm(x: ArrayLike, ord: float | str | None = None, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The norm of a vector or matrix, or along `axis`, one for vectors and two for matrices.

    `ord` is None (2, or "fro"), inf, -inf, 0, 1, 2 or any number for vectors, and "fro", "nuc", inf, -inf, 1, -1, 2
    or -2 for matrices. The gradient at 0 is 0; entries or singular values that tie share it. The second
    derivatives at 0 are infinite, so that those of functions of the norm are lost: they are NaN, also of
    norm(x) ** 2. Write `vdot(x, x)` for that, whose Hessian is twice the unit matrix.

    >>> from pullback import Tensor
    >>> x = Tensor([3.0, 4.0], requires_grad=True)
    >>> norm(x).backward()
    >>> x.grad
    Tensor([0.6, 0.8])
    """
    x = floating(x)
    axes = axes_of(axis, x.ndim, "norm")
    if axis is None and ord is None or len(axes) == 1:
        return _of_vectors(x, ord, axes, keepdims)
    if len(axes) != 2:
        raise ValueError(f"norm: ord {ord!r} along axes {axes} of shape {x.shape}; one or two axes have such a norm")
    return _of_matrices(x, ord, axes, keepdims)


@implements(np.linalg.vector_norm)
@by_single
def vector_norm(x: ArrayLike, /, *, axis: Axis = None, keepdims: bool = False, ord: float | str = 2) -> Tensor:
    """The norm of all entries, or of those along one or more axes, as a vector; see `norm`."""
    x = floating(x)
    return _of_vectors(x, ord, axes_of(axis, x.ndim, "vector_norm"), keepdims)


@implements(np.linalg.matrix_norm)
@by_single
def matrix_norm(x: ArrayLike, /, *, keepdims: bool = False, ord: float | str = "fro") -> Tensor:
    """The norms of matrices; see `norm`."""
    x = matrices(floating(x), "matrix_norm")
    return _of_matrices(x, ord, (x.ndim - 2, x.ndim - 1), keepdims)


@implements(np.linalg.cond)
def cond(x: ArrayLike, p: float | str | None = None) -> Tensor:
    """The condition numbers of matrices in the norm `p`: the norm times that of the inverse.

    None is 2, for which matrices need not be square. That of a singular matrix is inf, with the gradient 0 (in the norm
    -2 it is 0). LinAlgError for empty matrices.
    """
    x = matrices(floating(x), "cond")
    if 0 in x.shape[-2:]:
        raise LinAlgError(f"cond: not defined for empty matrices, of shape {x.shape}")
    if p in (None, 2, -2):
        s = svdvals(x)
        largest, smallest = red.max(s, -1), red.min(s, -1)  # those that tie share the gradient
        above, below = (smallest, largest) if p == -2 else (largest, smallest)
        return el.where(below == 0, np.inf, above / el.where(below == 0, 1, below))
    singular = slogdet(x)[0] == 0
    x = el.where(singular[..., None, None], np.eye(x.shape[-1], dtype=x.dtype), x)
    return el.where(singular, np.inf, matrix_norm(x, ord=p) * matrix_norm(inv(x), ord=p))
