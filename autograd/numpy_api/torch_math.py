"""Arithmetic, products and reductions as PyTorch spells them (see spellings.py); dtypes are NumPy's."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.conversion import floating, lift
from ..core.tensor import Tensor
from ..core.types import ArrayLike, Axis, DTypeLike, Extrema
from ..ops import elementwise as el
from ..ops.linalg.compositions import inv, matrix_norm, vector_norm
from ..ops.linalg.solving import slogdet_form as slogdet
from ..ops.matmul import matmul
from ..ops.reductions import max as _max
from ..ops.reductions import min as _min
from ..ops.reductions import sum as _sum
from ..ops.shape import expand_dims

# Arithmetic


def _scaled(x: Any, factor: Any) -> Any:
    return x if isinstance(factor, (int, float)) and factor == 1 else factor * x


def add(x: ArrayLike, other: ArrayLike, *, alpha: ArrayLike = 1) -> Tensor:
    """Return x + alpha * other."""
    return el.add(lift(x), _scaled(other, alpha))


def sub(x: ArrayLike, other: ArrayLike, *, alpha: ArrayLike = 1) -> Tensor:
    """Return x - alpha * other.

    >>> sub(np.array([3.0, 4.0]), 1.0, alpha=2)
    array([1., 2.])
    """
    return el.subtract(lift(x), _scaled(other, alpha))


def rsub(x: ArrayLike, other: ArrayLike, *, alpha: ArrayLike = 1) -> Tensor:
    """Return other - alpha * x."""
    return el.subtract(other, _scaled(lift(x), alpha))


def mul(x: ArrayLike, other: ArrayLike) -> Tensor:
    """Return x * other; `multiply`."""
    return el.multiply(lift(x), other)


def div(x: ArrayLike, other: ArrayLike, *, rounding_mode: str | None = None) -> Tensor:
    """Return x / other, rounded as `rounding_mode` says: towards 0 by "trunc", down by "floor"; ValueError for another.

    >>> div(np.array([-7.0, 7.0]), 2.0, rounding_mode="trunc")
    array([-3.,  3.])
    """
    if rounding_mode is None:
        return el.divide(lift(x), other)
    if rounding_mode == "floor":
        return el.floor_divide(lift(x), other)
    if rounding_mode != "trunc":
        raise ValueError(f"div: rounding_mode={rounding_mode!r}; expected None, 'trunc' or 'floor'")
    a: Any = lift(x)
    b: Any = other
    if np.result_type(a, b).kind in "iu":
        return el.floor_divide(el.subtract(a, el.fmod(a, b)), b)
    return el.trunc(el.divide(a, b))


def neg(x: ArrayLike) -> Tensor:
    """Return -x; `negative`."""
    return el.negative(lift(x))


def rsqrt(x: ArrayLike) -> Tensor:
    """Return 1 / sqrt(x)."""
    return el.reciprocal(el.sqrt(lift(x)))


def frac(x: ArrayLike) -> Tensor:
    """Return what is behind the point, x - trunc(x)."""
    held: Any = lift(x)
    return held - el.trunc(held)


def clamp(x: ArrayLike, min: ArrayLike | None = None, max: ArrayLike | None = None) -> Tensor:
    """Return x limited to [min, max], either of which may be None, but not both (ValueError).

    Where x lies on a limit the gradient is x's, as in PyTorch; `clip` shares it.

    >>> clamp(np.array([-1.0, 0.5, 2.0]), 0, 1)
    array([0. , 0.5, 1. ])
    """
    out: Any = lift(x)
    least: Any = min
    most: Any = max
    if least is None and most is None:
        raise ValueError("clamp: min or max must be given")
    if least is not None:
        out = el.where(np.less(out, least), least, out)
    return out if most is None else el.where(np.greater(out, most), most, out)


def clamp_min(x: ArrayLike, min: ArrayLike) -> Tensor:
    """Return x, or `min` where that is larger; see `clamp`."""
    return clamp(x, min)


def clamp_max(x: ArrayLike, max: ArrayLike) -> Tensor:
    """Return x, or `max` where that is smaller; see `clamp`."""
    return clamp(x, None, max)


def lerp(x: ArrayLike, end: ArrayLike, weight: ArrayLike) -> Tensor:
    """Return x + weight * (end - x).

    >>> lerp(np.array([0.0, 2.0]), np.array([4.0, 4.0]), 0.25)
    array([1. , 2.5])
    """
    start: Any = lift(x)
    return start + weight * (lift(end) - start)


def addcmul(x: ArrayLike, tensor1: ArrayLike, tensor2: ArrayLike, *, value: ArrayLike = 1) -> Tensor:
    """Return x + value * tensor1 * tensor2."""
    return lift(x) + _scaled(el.multiply(tensor1, tensor2), value)


def addcdiv(x: ArrayLike, tensor1: ArrayLike, tensor2: ArrayLike, *, value: ArrayLike = 1) -> Tensor:
    """Return x + value * tensor1 / tensor2."""
    return lift(x) + _scaled(el.divide(tensor1, tensor2), value)


def where_self(x: ArrayLike, condition: ArrayLike, other: ArrayLike) -> Tensor:
    """Return x where the condition is True, and `other` elsewhere."""
    return el.where(condition, lift(x), other)


# Products


def _product(name: str, a: Any, b: Any, ndims: tuple[int, int]) -> Any:
    a, b = lift(a), lift(b)
    if (a.ndim, b.ndim) != ndims or ndims[0] == 3 and len(a) != len(b):
        raise ValueError(f"{name}: shapes {a.shape} and {b.shape}; expected {ndims[0]} and {ndims[1]} axes that fit")
    return matmul(a, b)


def _added(name: str, x: Any, product: Any, beta: Any, alpha: Any) -> Any:
    x, product = lift(x), _scaled(product, alpha)
    lengths = zip(reversed(x.shape), reversed(product.shape), strict=False)
    if x.ndim > product.ndim or any(m not in (1, n) for m, n in lengths):
        raise ValueError(f"{name}: x of shape {x.shape} does not fit a product of shape {product.shape}")
    return product if isinstance(beta, (int, float)) and not beta else _scaled(x, beta) + product


def mm(x: ArrayLike, mat2: ArrayLike) -> Tensor:
    """Return the product of two matrices; ValueError for other shapes, which `matmul` takes."""
    return _product("mm", x, mat2, (2, 2))


def mv(x: ArrayLike, vec: ArrayLike) -> Tensor:
    """Return the product of a matrix and a vector; ValueError for other shapes."""
    return _product("mv", x, vec, (2, 1))


def bmm(x: ArrayLike, mat2: ArrayLike) -> Tensor:
    """Return the products of the matrices in two batches; ValueError for other shapes, which `matmul` takes."""
    return _product("bmm", x, mat2, (3, 3))


def ger(x: ArrayLike, vec2: ArrayLike) -> Tensor:
    """Return the outer product of two vectors; ValueError for other shapes, which `outer` takes."""
    a: Any = lift(x)
    b: Any = lift(vec2)
    if (a.ndim, b.ndim) != (1, 1):
        raise ValueError(f"ger: shapes {a.shape} and {b.shape}; expected vectors")
    return a[:, None] * b


def addmm(x: ArrayLike, mat1: ArrayLike, mat2: ArrayLike, *, beta: ArrayLike = 1, alpha: ArrayLike = 1) -> Tensor:
    """Return beta * x + alpha * (mat1 @ mat2), without x where beta is 0.

    >>> addmm(np.ones(2), np.eye(2), np.eye(2), alpha=2)
    array([[3., 1.],
           [1., 3.]])
    """
    return _added("addmm", x, mm(mat1, mat2), beta, alpha)


def addmv(x: ArrayLike, mat: ArrayLike, vec: ArrayLike, *, beta: ArrayLike = 1, alpha: ArrayLike = 1) -> Tensor:
    """Return beta * x + alpha * (mat @ vec), without x where beta is 0."""
    return _added("addmv", x, mv(mat, vec), beta, alpha)


def addr(x: ArrayLike, vec1: ArrayLike, vec2: ArrayLike, *, beta: ArrayLike = 1, alpha: ArrayLike = 1) -> Tensor:
    """Return beta * x + alpha * outer(vec1, vec2), without x where beta is 0."""
    return _added("addr", x, ger(vec1, vec2), beta, alpha)


def baddbmm(x: ArrayLike, batch1: ArrayLike, batch2: ArrayLike, *, beta: ArrayLike = 1, alpha: ArrayLike = 1) -> Tensor:
    """Return beta * x + alpha * bmm(batch1, batch2), without x where beta is 0."""
    return _added("baddbmm", x, bmm(batch1, batch2), beta, alpha)


def addbmm(x: ArrayLike, batch1: ArrayLike, batch2: ArrayLike, *, beta: ArrayLike = 1, alpha: ArrayLike = 1) -> Tensor:
    """Return beta * x + alpha * the sum of bmm(batch1, batch2) over the batch, without x where beta is 0."""
    return _added("addbmm", x, _sum(bmm(batch1, batch2), 0), beta, alpha)


def inverse(x: ArrayLike) -> Tensor:
    """Return the inverse of a matrix, or of each; `linalg.inv`."""
    return inv(x)


# Norms and extrema


def norm(
    x: ArrayLike, p: float | str = "fro", dim: Axis = None, keepdim: bool = False, dtype: DTypeLike | None = None
) -> Tensor:
    """Return the p-norm of the entries, along `dim` if that is given; "fro" is 2, "nuc" a matrix's nuclear norm.

    `linalg.norm` has other norms of matrices.

    >>> norm(np.array([3.0, 4.0]))
    np.float64(5.0)
    """
    a: Any = floating(x) if dtype is None else lift(x).astype(dtype)
    if p != "nuc":
        return vector_norm(a, axis=dim, keepdims=keepdim, ord=2 if p == "fro" else p)
    along: Any = (-2, -1) if dim is None else dim
    axes = tuple(along)
    out: Any = matrix_norm(np.moveaxis(a, axes, (-2, -1)), ord="nuc")
    if keepdim:
        out = np.expand_dims(out, tuple(axis % a.ndim for axis in axes))
    return out


def dist(x: ArrayLike, other: ArrayLike, p: float = 2) -> Tensor:
    """Return the p-norm of x - other, which broadcast."""
    return vector_norm(floating(el.subtract(x, other)), ord=p)


def cdist(x1: ArrayLike, x2: ArrayLike, p: float = 2.0) -> Tensor:
    """Return the p-norms of the differences of all rows of x1 from all rows of x2: (..., rows of x1, rows of x2).

    >>> cdist(np.array([[0.0, 0.0]]), np.array([[3.0, 4.0], [0.0, 1.0]]))
    array([[5., 1.]])
    """
    x1, x2 = lift(x1), lift(x2)
    if min(x1.ndim, x2.ndim) < 2 or x1.shape[-1] != x2.shape[-1]:
        raise ValueError(f"cdist: shapes {x1.shape} and {x2.shape}; expected rows of one length")
    return vector_norm(expand_dims(x1, -2) - expand_dims(x2, -3), axis=-1, ord=p)


def amax(
    x: ArrayLike,
    axis: Axis = None,
    keepdims: bool = False,
    *,
    dtype: DTypeLike | None = None,
    initial: ArrayLike | None = None,
    where: ArrayLike = True,
) -> Tensor:
    """Return the largest entry along `axis`; `max`. Several that are largest share the gradient."""
    return _max(x, axis, dtype, keepdims=keepdims, initial=initial, where=where)


def amin(
    x: ArrayLike,
    axis: Axis = None,
    keepdims: bool = False,
    *,
    dtype: DTypeLike | None = None,
    initial: ArrayLike | None = None,
    where: ArrayLike = True,
) -> Tensor:
    """Return the smallest entry along `axis`; `min`. Several that are smallest share the gradient."""
    return _min(x, axis, dtype, keepdims=keepdims, initial=initial, where=where)


def aminmax(x: ArrayLike, *, dim: int | None = None, keepdim: bool = False) -> Extrema[Tensor]:
    """Return the smallest and the largest entry, along `dim` if that is given."""
    return Extrema(_min(x, dim, keepdims=keepdim), _max(x, dim, keepdims=keepdim))


def logdet(x: ArrayLike) -> Tensor:
    """Return the logarithm of a matrix's determinant, or of each; NaN of a negative one unless that is complex."""
    sign, logarithm = slogdet(x)
    if sign.dtype.kind == "c":
        return el.log(sign) + logarithm
    return el.where(np.less(sign, 0), np.nan, logarithm)
