"""Matrix products, and the two laws of matrix calculus that everything built on products uses."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core.batching import full, stacked
from ..core.conversion import lift
from ..core.primitive import implements, primitive
from ..core.tensor import Tensor
from ..core.types import ArrayLike
from ..kernels.matrix_product import product, product_plus
from ..kernels.sums import added
from .elementwise import conj
from .padding import pad
from .shape import axes_of, expand_dims, moveaxis, reshape, roll, squeeze, transpose

__all__ = [
    "affine", "cross", "dot", "inner", "kron", "matmul", "matvec", "outer", "tensordot", "vdot", "vecdot", "vecmat",
]  # fmt: skip


@primitive
def matmul(a: Any, b: Any) -> Any:
    """The matrix product over the last two axes, broadcasting the others; a 1-d operand is a row or a column.

    >>> from pullback import Tensor
    >>> matmul(Tensor([[1.0, 2.0]]), Tensor([[3.0], [4.0]]))
    Tensor([[11.]])
    """
    try:
        return product(a, b)
    except ValueError:
        return np.matmul(a, b)  # for its error


@matmul.vjp("a", "linear")  # Law 2:  Y = A B  =>  dA = dY B^T
def _(g: Any, b: Any) -> Any:
    return product(g, b.mT)


@matmul.vjp("b", "linear")  # Law 1:  Y = A B  =>  dB = A^T dY
def _(g: Any, a: Any) -> Any:
    return product(a.mT, g)


matmul.batch(stacked)


@matmul.strategy
def _(draw: Any) -> Any:
    n, k, m = (draw.integer(0, 3) for _ in range(3))
    left, right = draw.broadcastable(2, max_dims=2)
    return (draw.array(shape=(*left, n, k)), draw.array(shape=(*right, k, m))), {}


matmul.ufunc = np.matmul


@matmul.public
@implements(np.matmul)
def matmul_form(a: ArrayLike, b: ArrayLike) -> Tensor:
    if not (isinstance(a, Tensor) and isinstance(b, Tensor)):
        a, b = lift(a), lift(b)
    if a.ndim == b.ndim == 2:
        return _matmul(a, b)
    if not a.ndim or not b.ndim:
        raise ValueError(f"matmul: operands of shapes {a.shape} and {b.shape}; a 0-d one is not a matrix, use *")
    if a.ndim == 1:
        return squeeze(expand_dims(a, 0) @ b, -1 if b.ndim == 1 else -2)
    if b.ndim == 1:
        return squeeze(a @ expand_dims(b, 1), -1)
    if b.ndim == 2:  # a stack of matrices times one: a single product with a tall matrix
        return reshape(_matmul(_rows(a), b), (*a.shape[:-1], b.shape[-1]))
    return _matmul(a, b)


_matmul = matmul.apply


def _rows(x: Any) -> Any:
    """All the rows of a stack of matrices as one matrix."""
    return reshape(x, (math.prod(x.shape[:-1]), x.shape[-1]))


@primitive(name="linear")
def affine(x: Any, w: Any, b: Any) -> Any:
    """x w^T + b: a linear layer; x is (..., in), w (out, in) and b (out,)."""
    return product_plus(x, w.T, b)


affine.vjp("x")(lambda g, w: product(g, w))  # Law 2
affine.vjp("w")(lambda g, x: product(g.T, x))  # Law 1, of w^T, transposed
affine.vjp("b")(lambda g: added(g, 0))
affine.batch(lambda call, n, values, batched: (batched_affine(*full(n, values, batched)),))
affine.jvp("x")(lambda t, w: product(t, w.T))
affine.jvp("w")(lambda t, x: product(x, t.T))


def batched_affine(x: Any, w: Any, b: Any) -> Any:
    return np.matmul(x, np.matrix_transpose(w)) + np.expand_dims(b, 1)


@affine.strategy
def _(draw: Any) -> Any:
    n, k, m = (draw.integer(0, 3) for _ in range(3))
    return (draw.array(shape=(n, k)), draw.array(shape=(m, k)), draw.array(shape=(m,))), {}


@affine.public
def affine_form(x: ArrayLike, w: ArrayLike, b: ArrayLike | None = None) -> Tensor:
    if not isinstance(x, Tensor):
        x = lift(x)
    try:
        if b is None:
            return matmul(x, transpose(w))
        if x.ndim == 2:
            return affine.apply(x, w, b)
        out = affine.apply(_rows(x), w, b)
        return reshape(out, (*x.shape[:-1], out.shape[1]))
    except (ValueError, IndexError):
        shapes = f"x of shape {x.shape}, w {np.shape(w)}, b {None if b is None else np.shape(b)}"
        raise ValueError(f"linear: {shapes}; expected (..., in), (out, in), (out,)") from None


@implements(np.tensordot)
def tensordot(a: ArrayLike, b: ArrayLike, axes: int | Sequence[int | Sequence[int]] = 2) -> Tensor:
    """The sum of products over pairs of axes: (axes of a, axes of b), or how many, last of a and first of b.

    >>> from pullback import Tensor
    >>> tensordot(Tensor([[1.0, 2.0]]), Tensor([[3.0], [4.0]]), axes=([0, 1], [1, 0]))
    Tensor(11.)
    """
    a, b = lift(a), lift(b)
    if isinstance(axes, (int, np.integer)):
        if not 0 <= axes <= min(a.ndim, b.ndim):
            raise ValueError(f"tensordot: axes={axes} for shapes {a.shape} and {b.shape}")
        axes = range(a.ndim - axes, a.ndim), range(axes)
    left, right = (axes_of(pair, x.ndim, "tensordot") for pair, x in zip(axes, (a, b), strict=True))
    if [a.shape[i] for i in left] != [b.shape[i] for i in right]:
        raise ValueError(f"tensordot: axes={axes} pair different lengths of shapes {a.shape} and {b.shape}")
    rows = [i for i in range(a.ndim) if i not in left]
    columns = [i for i in range(b.ndim) if i not in right]
    n, k, m = (math.prod(x.shape[i] for i in some) for x, some in ((a, rows), (a, left), (b, columns)))
    product = reshape(transpose(a, (*rows, *left)), (n, k)) @ reshape(transpose(b, (*right, *columns)), (k, m))
    return reshape(product, (*(a.shape[i] for i in rows), *(b.shape[i] for i in columns)))


@implements(np.dot)
def dot(a: ArrayLike, b: ArrayLike) -> Tensor:
    """The sum of products over the last axis of a and the last but one of b (the only one of a vector)."""
    a, b = lift(a), lift(b)
    return a * b if not a.ndim or not b.ndim else tensordot(a, b, (-1, -min(b.ndim, 2)))


@implements(np.inner)
def inner(a: ArrayLike, b: ArrayLike, /) -> Tensor:
    """The sum of products over the last axis of both."""
    a, b = lift(a), lift(b)
    return a * b if not a.ndim or not b.ndim else tensordot(a, b, (-1, -1))


@implements(np.outer)
def outer(a: ArrayLike, b: ArrayLike) -> Tensor:
    """The products of every entry of a with every entry of b, as a matrix."""
    return reshape(a, (-1, 1)) * reshape(b, (1, -1))


@implements(np.vdot)
def vdot(a: ArrayLike, b: ArrayLike, /) -> Tensor:
    """The sum of products of all entries, those of a conjugated."""
    return reshape(_conjugate(a), -1) @ reshape(b, -1)


def _conjugate(x: Any) -> Any:
    x = lift(x)
    return conj(x) if x.dtype.kind == "c" else x


@implements(np.vecdot)
def vecdot(x1: ArrayLike, x2: ArrayLike, /, *, axis: int = -1) -> Tensor:
    """The sum of products over one axis, the entries of x1 conjugated; the other axes broadcast."""
    x1, x2 = (moveaxis(x, axis, -1) for x in (_conjugate(x1), x2))
    return squeeze(expand_dims(x1, -2) @ expand_dims(x2, -1), (-2, -1))


def matvec(x1: ArrayLike, x2: ArrayLike, /) -> Tensor:
    """The products of matrices with vectors, broadcasting."""
    return squeeze(x1 @ expand_dims(x2, -1), -1)


def vecmat(x1: ArrayLike, x2: ArrayLike, /) -> Tensor:
    """The products of vectors, conjugated, with matrices, broadcasting."""
    return squeeze(expand_dims(_conjugate(x1), -2) @ x2, -2)


for _function in (matvec, vecmat):
    if hasattr(np, _function.__name__):  # from NumPy 2.2
        implements(getattr(np, _function.__name__))(_function)


@implements(np.kron)
def kron(a: ArrayLike, b: ArrayLike) -> Tensor:
    """The Kronecker product: every entry of a times all of b, as blocks.

    >>> kron(np.array([1.0, 10.0]), np.array([1.0, 2.0]))
    array([ 1.,  2., 10., 20.])
    """
    a, b = lift(a), lift(b)
    ndim = max(a.ndim, b.ndim)
    left, right = ((1,) * (ndim - x.ndim) + x.shape for x in (a, b))
    blocks = reshape(a, sum(((n, 1) for n in left), ())) * reshape(b, sum(((1, n) for n in right), ()))
    return reshape(blocks, tuple(n * m for n, m in zip(left, right, strict=True)))


@implements(np.cross)
def cross(
    a: ArrayLike, b: ArrayLike, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None
) -> Tensor:
    """The cross product of vectors of length 3 along an axis of a and b; it lies along `axisc` of the result.

    Vectors of length 2 have a third entry 0; of two such ones the third entry of the product alone is given.
    """
    if axis is not None:
        axisa = axisb = axisc = axis
    a, b = moveaxis(a, axisa, -1), moveaxis(b, axisb, -1)
    lengths = a.shape[-1], b.shape[-1]
    if not {*lengths} <= {2, 3}:
        raise ValueError(f"cross: vectors of length 2 or 3 are needed, not {lengths[0]} and {lengths[1]}")
    if lengths == (2, 2):
        return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]
    a, b = (x if x.shape[-1] == 3 else pad(x, [(0, 0)] * (x.ndim - 1) + [(0, 1)]) for x in (a, b))
    return moveaxis(roll(a, -1, -1) * roll(b, 1, -1) - roll(a, 1, -1) * roll(b, -1, -1), -1, axisc)
