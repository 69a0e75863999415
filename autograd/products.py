"""Matrix products, and the two laws of matrix calculus that everything built on products uses."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .primitive import implements, primitive
from .shaping import expand_dims, reshape, squeeze
from .tensor import Tensor, lift


@primitive
def matmul(a: Any, b: Any) -> Any:
    """The matrix product over the last two axes, broadcasting the others; a 1-d operand is a row or a column.

    >>> from pullback import Tensor
    >>> matmul(Tensor([[1.0, 2.0]]), Tensor([[3.0], [4.0]]))
    Tensor([[11.]])
    """
    return np.matmul(a, b)


@matmul.vjp("a", "linear")  # Law 2:  Y = A B  =>  dA = dY B^T
def _(g: Any, b: Any) -> Any:
    return g @ b.mT


@matmul.vjp("b", "linear")  # Law 1:  Y = A B  =>  dB = A^T dY
def _(g: Any, a: Any) -> Any:
    return a.mT @ g


@matmul.strategy
def _(draw: Any) -> Any:
    n, k, m = (draw.integer(0, 3) for _ in range(3))
    left, right = draw.broadcastable(2, max_dims=2)
    return (draw.array(shape=(*left, n, k)), draw.array(shape=(*right, k, m))), {}


@matmul.public
@implements(np.matmul)
def _(a: Any, b: Any) -> Any:
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


@primitive
def affine(x: Any, w: Any, b: Any) -> Any:
    """x w^T + b: a linear layer; x is (..., in), w (out, in) and b (out,)."""
    out = np.matmul(x, w.T)
    return np.add(out, b, out=out if out.dtype == b.dtype else None)


affine.vjp("x")(lambda g, w: g @ w)  # Law 2
affine.vjp("w")(lambda g, x: g.T @ x)  # Law 1, of w^T, transposed
affine.vjp("b")(lambda g: g)


@affine.strategy
def _(draw: Any) -> Any:
    n, k, m = (draw.integer(0, 3) for _ in range(3))
    return (draw.array(shape=(n, k)), draw.array(shape=(m, k)), draw.array(shape=(m,))), {}


@affine.public
def _(x: Any, w: Any, b: Any) -> Any:
    x = lift(x)
    try:
        if x.ndim == 2:
            return affine.apply(x, w, b)
        return reshape(affine.apply(_rows(x), w, b), (*x.shape[:-1], np.shape(w)[0]))
    except (ValueError, IndexError):
        shapes = f"x of shape {x.shape}, w {np.shape(w)}, b {np.shape(b)}"
        raise ValueError(f"affine: {shapes}; expected (..., in), (out, in), (out,)") from None
