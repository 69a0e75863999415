"""Distances and similarities of vectors, as functions and as modules."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import linalg
from ..autograd import broadcast_to, sum, where
from ..extend import Tensor, TensorLike, by_single, floating
from .module import Module

__all__ = ["CosineSimilarity", "PairwiseDistance", "cosine_similarity", "pairwise_distance", "pdist"]


@by_single
def cosine_similarity(x1: TensorLike, x2: TensorLike, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """Return the cosine of the angle between x1 and x2 along `dim`, without it in the shape; they broadcast.

    Norms below `eps` count as `eps`. ValueError for shapes that do not broadcast or have no axis `dim`.
    """
    x1, x2 = _pair(x1, x2, "cosine_similarity")
    ndim = max(x1.ndim, x2.ndim)
    if not -ndim <= dim < ndim:
        raise ValueError(f"cosine_similarity: dim={dim} for inputs of shapes {x1.shape} and {x2.shape}")
    axis = dim if dim < 0 else dim - ndim  # of the one with fewer axes, too
    x1, x2 = (x.reshape((1,) * (ndim - x.ndim) + x.shape) for x in (x1, x2))
    (length,) = np.broadcast_shapes((x1.shape[axis],), (x2.shape[axis],))  # which the norms depend on
    x1, x2 = (broadcast_to(x, (*x.shape[:axis], length, *x.shape[x.ndim + axis + 1 :])) for x in (x1, x2))
    return sum(_unit(x1, axis, eps) * _unit(x2, axis, eps), axis=axis)


@by_single
def pairwise_distance(
    x1: TensorLike, x2: TensorLike, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False
) -> Tensor:
    """Return the p-norm of x1 - x2 + eps along the last axis; x1 and x2, (N, D) or (D,), broadcast."""
    x1, x2 = _pair(x1, x2, "pairwise_distance")
    return linalg.vector_norm(x1 - x2 + eps, axis=-1, keepdims=keepdim, ord=p)


@by_single
def pdist(input: TensorLike, p: float = 2.0) -> Tensor:
    """Return the p-norm distances of all pairs of rows of `input`, (N, M), row by row: (N * (N - 1) / 2,).

    ValueError for another number of axes or a negative `p`.

    >>> pdist(np.array([[0.0, 0.0], [3.0, 4.0], [0.0, 1.0]]))
    array([5.        , 1.        , 4.24264069])
    """
    input = floating(input)
    if input.ndim != 2 or p < 0:
        raise ValueError(f"pdist: an input of shape {input.shape} and p={p}; expected (N, M) and p >= 0")
    first, second = np.triu_indices(len(input), 1)
    return linalg.vector_norm(input[first] - input[second], axis=-1, ord=p)


def _pair(x1: Any, x2: Any, name: str) -> tuple[Any, Any]:
    x1, x2 = floating(x1), floating(x2)
    try:
        np.broadcast_shapes(x1.shape, x2.shape)
    except ValueError:
        raise ValueError(f"{name}: x1 of shape {x1.shape} and x2 of shape {x2.shape} do not broadcast") from None
    return x1, x2


def _unit(x: Any, axis: int, eps: float) -> Any:
    norm = linalg.vector_norm(x, axis=axis, keepdims=True)
    return x / where(norm > eps, norm, eps)


class CosineSimilarity(Module):
    """The cosine of the angle between two inputs along `dim`; see `functional.cosine_similarity`."""

    def __init__(self, dim: int = 1, eps: float = 1e-8) -> None:
        super().__init__()
        self.dim, self.eps = dim, eps

    def forward(self, x1: TensorLike, x2: TensorLike) -> Tensor:
        return cosine_similarity(x1, x2, self.dim, self.eps)


class PairwiseDistance(Module):
    """The p-norm of the difference of two inputs along the last axis; see `functional.pairwise_distance`."""

    def __init__(self, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> None:
        super().__init__()
        self.norm, self.eps, self.keepdim = p, eps, keepdim

    def forward(self, x1: TensorLike, x2: TensorLike) -> Tensor:
        return pairwise_distance(x1, x2, self.norm, self.eps, self.keepdim)
