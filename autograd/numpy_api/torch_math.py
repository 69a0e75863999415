"""Arithmetic, products and reductions as PyTorch spells them (see spellings.py); dtypes are NumPy's."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..core.conversion import floating, lift
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


def add(x: Any, other: Any, *, alpha: Any = 1) -> Any:
    """Return x + alpha * other."""
    return el.add(lift(x), _scaled(other, alpha))


def sub(x: Any, other: Any, *, alpha: Any = 1) -> Any:
    """Return x - alpha * other.

    >>> sub(np.array([3.0, 4.0]), 1.0, alpha=2)
    array([1., 2.])
    """
    return el.subtract(lift(x), _scaled(other, alpha))


def rsub(x: Any, other: Any, *, alpha: Any = 1) -> Any:
    """Return other - alpha * x."""
    return el.subtract(other, _scaled(lift(x), alpha))


def mul(x: Any, other: Any) -> Any:
    """Return x * other; `multiply`."""
    return el.multiply(lift(x), other)


def div(x: Any, other: Any, *, rounding_mode: str | None = None) -> Any:
    """Return x / other, rounded as `rounding_mode` says: towards 0 by "trunc", down by "floor"; ValueError for another.

    >>> div(np.array([-7.0, 7.0]), 2.0, rounding_mode="trunc")
    array([-3.,  3.])
    """
    x = lift(x)
    if rounding_mode is None:
        return el.divide(x, other)
    if rounding_mode == "floor":
        return el.floor_divide(x, other)
    if rounding_mode != "trunc":
        raise ValueError(f"div: rounding_mode={rounding_mode!r}; expected None, 'trunc' or 'floor'")
    if np.result_type(x, other).kind in "iu":
        return el.floor_divide(el.subtract(x, el.fmod(x, other)), other)
    return el.trunc(el.divide(x, other))


def neg(x: Any) -> Any:
    """Return -x; `negative`."""
    return el.negative(lift(x))


def rsqrt(x: Any) -> Any:
    """Return 1 / sqrt(x)."""
    return el.reciprocal(el.sqrt(lift(x)))


def frac(x: Any) -> Any:
    """Return what is behind the point, x - trunc(x)."""
    x = lift(x)
    return x - el.trunc(x)


def clamp(x: Any, min: Any = None, max: Any = None) -> Any:
    """Return x limited to [min, max], either of which may be None, but not both (ValueError).

    Where x lies on a limit the gradient is x's, as in PyTorch; `clip` shares it.

    >>> clamp(np.array([-1.0, 0.5, 2.0]), 0, 1)
    array([0. , 0.5, 1. ])
    """
    x = lift(x)
    if min is None and max is None:
        raise ValueError("clamp: min or max must be given")
    if min is not None:
        x = el.where(np.less(x, min), min, x)
    return x if max is None else el.where(np.greater(x, max), max, x)


def clamp_min(x: Any, min: Any) -> Any:
    """Return x, or `min` where that is larger; see `clamp`."""
    return clamp(x, min)


def clamp_max(x: Any, max: Any) -> Any:
    """Return x, or `max` where that is smaller; see `clamp`."""
    return clamp(x, None, max)


def lerp(x: Any, end: Any, weight: Any) -> Any:
    """Return x + weight * (end - x).

    >>> lerp(np.array([0.0, 2.0]), np.array([4.0, 4.0]), 0.25)
    array([1. , 2.5])
    """
    x = lift(x)
    return x + weight * (lift(end) - x)


def addcmul(x: Any, tensor1: Any, tensor2: Any, *, value: Any = 1) -> Any:
    """Return x + value * tensor1 * tensor2."""
    return lift(x) + _scaled(el.multiply(tensor1, tensor2), value)


def addcdiv(x: Any, tensor1: Any, tensor2: Any, *, value: Any = 1) -> Any:
    """Return x + value * tensor1 / tensor2."""
    return lift(x) + _scaled(el.divide(tensor1, tensor2), value)


def where_self(x: Any, condition: Any, other: Any) -> Any:
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


def mm(x: Any, mat2: Any) -> Any:
    """Return the product of two matrices; ValueError for other shapes, which `matmul` takes."""
    return _product("mm", x, mat2, (2, 2))


def mv(x: Any, vec: Any) -> Any:
    """Return the product of a matrix and a vector; ValueError for other shapes."""
    return _product("mv", x, vec, (2, 1))


def bmm(x: Any, mat2: Any) -> Any:
    """Return the products of the matrices in two batches; ValueError for other shapes, which `matmul` takes."""
    return _product("bmm", x, mat2, (3, 3))


def ger(x: Any, vec2: Any) -> Any:
    """Return the outer product of two vectors; ValueError for other shapes, which `outer` takes."""
    x, vec2 = lift(x), lift(vec2)
    if (x.ndim, vec2.ndim) != (1, 1):
        raise ValueError(f"ger: shapes {x.shape} and {vec2.shape}; expected vectors")
    return x[:, None] * vec2


def addmm(x: Any, mat1: Any, mat2: Any, *, beta: Any = 1, alpha: Any = 1) -> Any:
    """Return beta * x + alpha * (mat1 @ mat2), without x where beta is 0.

    >>> addmm(np.ones(2), np.eye(2), np.eye(2), alpha=2)
    array([[3., 1.],
           [1., 3.]])
    """
    return _added("addmm", x, mm(mat1, mat2), beta, alpha)


def addmv(x: Any, mat: Any, vec: Any, *, beta: Any = 1, alpha: Any = 1) -> Any:
    """Return beta * x + alpha * (mat @ vec), without x where beta is 0."""
    return _added("addmv", x, mv(mat, vec), beta, alpha)


def addr(x: Any, vec1: Any, vec2: Any, *, beta: Any = 1, alpha: Any = 1) -> Any:
    """Return beta * x + alpha * outer(vec1, vec2), without x where beta is 0."""
    return _added("addr", x, ger(vec1, vec2), beta, alpha)


def baddbmm(x: Any, batch1: Any, batch2: Any, *, beta: Any = 1, alpha: Any = 1) -> Any:
    """Return beta * x + alpha * bmm(batch1, batch2), without x where beta is 0."""
    return _added("baddbmm", x, bmm(batch1, batch2), beta, alpha)


def addbmm(x: Any, batch1: Any, batch2: Any, *, beta: Any = 1, alpha: Any = 1) -> Any:
    """Return beta * x + alpha * the sum of bmm(batch1, batch2) over the batch, without x where beta is 0."""
    return _added("addbmm", x, _sum(bmm(batch1, batch2), 0), beta, alpha)


def inverse(x: Any) -> Any:
    """Return the inverse of a matrix, or of each; `linalg.inv`."""
    return inv(x)


# Norms and extrema


def norm(x: Any, p: Any = "fro", dim: Any = None, keepdim: bool = False, dtype: Any = None) -> Any:
    """Return the p-norm of the entries, along `dim` if that is given; "fro" is 2, "nuc" a matrix's nuclear norm.

    `linalg.norm` has other norms of matrices.

    >>> norm(np.array([3.0, 4.0]))
    np.float64(5.0)
    """
    x = floating(x) if dtype is None else lift(x).astype(dtype)
    if p != "nuc":
        return vector_norm(x, axis=dim, keepdims=keepdim, ord=2 if p == "fro" else p)
    axes = (-2, -1) if dim is None else tuple(dim)
    out = matrix_norm(np.moveaxis(x, axes, (-2, -1)), ord="nuc")
    return np.expand_dims(out, tuple(axis % x.ndim for axis in axes)) if keepdim else out


def dist(x: Any, other: Any, p: float = 2) -> Any:
    """Return the p-norm of x - other, which broadcast."""
    return vector_norm(floating(el.subtract(x, other)), ord=p)


def cdist(x1: Any, x2: Any, p: float = 2.0) -> Any:
    """Return the p-norms of the differences of all rows of x1 from all rows of x2: (..., rows of x1, rows of x2).

    >>> cdist(np.array([[0.0, 0.0]]), np.array([[3.0, 4.0], [0.0, 1.0]]))
    array([[5., 1.]])
    """
    x1, x2 = lift(x1), lift(x2)
    if min(x1.ndim, x2.ndim) < 2 or x1.shape[-1] != x2.shape[-1]:
        raise ValueError(f"cdist: shapes {x1.shape} and {x2.shape}; expected rows of one length")
    return vector_norm(expand_dims(x1, -2) - expand_dims(x2, -3), axis=-1, ord=p)


class Extrema(NamedTuple):
    """The smallest and the largest entries."""

    min: Any
    max: Any


def amax(
    x: Any, axis: Any = None, keepdims: bool = False, *, dtype: Any = None, initial: Any = None, where: Any = True
) -> Any:
    """Return the largest entry along `axis`; `max`. Several that are largest share the gradient."""
    return _max(x, axis, dtype, keepdims=keepdims, initial=initial, where=where)


def amin(
    x: Any, axis: Any = None, keepdims: bool = False, *, dtype: Any = None, initial: Any = None, where: Any = True
) -> Any:
    """Return the smallest entry along `axis`; `min`. Several that are smallest share the gradient."""
    return _min(x, axis, dtype, keepdims=keepdims, initial=initial, where=where)


def aminmax(x: Any, *, dim: int | None = None, keepdim: bool = False) -> Extrema:
    """Return the smallest and the largest entry, along `dim` if that is given."""
    return Extrema(_min(x, dim, keepdims=keepdim), _max(x, dim, keepdims=keepdim))


def logdet(x: Any) -> Any:
    """Return the logarithm of a matrix's determinant, or of each; NaN where that is negative."""
    sign, logarithm = slogdet(x)
    return el.where(np.less(sign, 0), np.nan, logarithm)
