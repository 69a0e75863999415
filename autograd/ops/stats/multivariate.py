"""Distributions of vectors. The names, parameters and their order are SciPy's; whole batches of them broadcast."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...core.conversion import lift
from ...core.tensor import Tensor
from .. import random
from ..creation import asarray
from ..linalg.compositions import cholesky
from ..linalg.triangular import solve_triangular
from ..special.functions import gammaln, xlogy
from .distribution import numbers

__all__ = ["dirichlet", "multinomial", "multivariate_normal", "multivariate_t"]


def _length(name: str, *values: Any) -> int:
    """The length of vectors and matrices, next to which numbers and what has length 1 fit."""
    lengths = {v.shape[-1] for v in values if np.ndim(v)} - {1}
    if len(lengths) > 1:
        raise ValueError(f"{name}: shapes {', '.join(str(np.shape(v)) for v in values)} have different last lengths")
    return max(lengths, default=1)


def _square(name: str, matrix: Any, d: int) -> Any:
    """A covariance as a matrix: of a number so many times the identity, of a vector a diagonal."""
    if np.ndim(matrix) < 2:
        matrix = np.eye(d, dtype=matrix.dtype) * (matrix if np.ndim(matrix) == 0 else matrix[..., None, :])
    if matrix.shape[-2:] != (d, d):
        raise ValueError(f"{name}: a matrix of shape {matrix.shape} for vectors of length {d}")
    return matrix


def _whitened(name: str, x: Any, center: Any, matrix: Any) -> tuple[Any, Any, int]:
    """The squared distance of x from the center by a covariance, the logarithm of its determinant, the dimension."""
    x, center, matrix = numbers(x, center, matrix)
    if np.ndim(x) == 0:
        x = x[None]
    d = _length(name, x, center, matrix)
    gap = x - center
    low = cholesky(_square(name, matrix, d))
    shape = np.broadcast_shapes(gap.shape[:-1], low.shape[:-2])
    gap = np.broadcast_to(gap, (*shape, d))[..., None]
    solved = solve_triangular(np.broadcast_to(low, (*shape, d, d)), gap, lower=True)[..., 0]
    return np.sum(solved * solved, -1), 2 * np.sum(np.log(np.diagonal(low, axis1=-2, axis2=-1)), -1), d


class _OfVectors:
    """A family of distributions of vectors."""

    def __repr__(self) -> str:
        return f"<the distribution {next(name for name in __all__ if globals()[name] is self)}>"


class MultivariateNormal(_OfVectors):
    """The normal distribution of vectors with the mean `mean` and the covariance `cov`, both of whole batches, too."""

    @staticmethod
    def logpdf(x: Any, mean: Any = 0.0, cov: Any = 1.0) -> Tensor:
        """The logarithm of the density at x (..., d), by a Cholesky decomposition of cov (..., d, d).

        A number for `cov` is so many times the identity, a vector a diagonal. ValueError where shapes do not fit,
        LinAlgError where a matrix is not positive definite.

        >>> multivariate_normal.logpdf([0.0, 0.0])  # -log(2 pi)
        Tensor(-1.83787707)
        """
        square, log_det, d = _whitened("multivariate_normal", x, mean, cov)
        return asarray(-(square + log_det + d * math.log(2 * math.pi)) / 2)

    @staticmethod
    def pdf(x: Any, mean: Any = 0.0, cov: Any = 1.0) -> Tensor:
        """The density at x (..., d), see `logpdf`."""
        return asarray(np.exp(multivariate_normal.logpdf(x, mean, cov)))

    @staticmethod
    def rvs(mean: Any = 0.0, cov: Any = 1.0, size: Any = None) -> Tensor:
        """Draws of shape (*size, d), from the generator of `pullback.random`, with gradients in both parameters."""
        mean, cov = numbers(mean, cov)
        low = cholesky(_square("multivariate_normal", cov, _length("multivariate_normal", mean, cov)))
        own = np.broadcast_shapes(np.shape(mean)[:-1], low.shape[:-2])
        shape = own if size is None else (size,) if isinstance(size, int) else tuple(size)
        return asarray(mean + (low @ random.normal(size=(*shape, low.shape[-1], 1), dtype=low.dtype))[..., 0])


class MultivariateT(_OfVectors):
    """Student's t distribution of vectors: `loc`, the matrix `shape` and `df` degrees of freedom."""

    @staticmethod
    def logpdf(x: Any, loc: Any = 0.0, shape: Any = 1.0, df: Any = 1.0) -> Tensor:
        """The logarithm of the density at x (..., d); errors as of `multivariate_normal`.

        >>> multivariate_t.logpdf([0.0])  # -log(pi)
        Tensor(-1.14472989)
        """
        x, loc, shape, df = numbers(x, loc, shape, df)
        square, log_det, d = _whitened("multivariate_t", x, loc, shape)
        size = gammaln((df + d) / 2) - gammaln(df / 2) - d / 2 * np.log(math.pi * df)
        return asarray(size - log_det / 2 - (df + d) / 2 * np.log1p(square / df))

    @staticmethod
    def pdf(x: Any, loc: Any = 0.0, shape: Any = 1.0, df: Any = 1.0) -> Tensor:
        """The density at x (..., d)."""
        return asarray(np.exp(multivariate_t.logpdf(x, loc, shape, df)))


class Dirichlet(_OfVectors):
    """The Dirichlet distribution of vectors of positive numbers that add up to 1."""

    @staticmethod
    def logpdf(x: Any, alpha: Any) -> Tensor:
        """The logarithm of the density at x, whose first axis, as in SciPy, is that of alpha (d,).

        It is -inf for vectors with an entry below 0, or whose sum is not 1. ValueError for vectors of another length.

        >>> dirichlet.logpdf([0.25, 0.75], [1.0, 1.0])
        Tensor(0.)
        """
        x, alpha = numbers(x, alpha)
        if np.ndim(alpha) != 1 or x.shape[:1] != alpha.shape:
            raise ValueError(f"dirichlet: x of shape {x.shape} for alpha of shape {alpha.shape}")
        power = alpha.reshape(-1, *(1,) * (x.ndim - 1)) - 1
        near = 1e3 * float(np.finfo(x.dtype).eps)
        inside = np.logical_and(np.all(x >= 0, 0), np.abs(np.sum(x, 0) - 1) <= near)
        open_end = np.logical_and(x == 0, power != 0)
        terms = xlogy(power, np.where(np.logical_or(x < 0, open_end), 1, x))
        out = np.sum(terms, 0) + gammaln(np.sum(alpha)) - np.sum(gammaln(alpha))
        at_end = np.where(np.any(np.logical_and(open_end, power > 0), 0), -np.inf, np.inf)
        outside = np.where(inside, at_end, -np.inf).astype(out.dtype)
        return asarray(np.where(np.logical_and(inside, np.logical_not(np.any(open_end, 0))), out, outside))

    @staticmethod
    def pdf(x: Any, alpha: Any) -> Tensor:
        """The density at x, see `logpdf`."""
        return asarray(np.exp(dirichlet.logpdf(x, alpha)))


class Multinomial(_OfVectors):
    """How often each of several outcomes comes in `n` trials, with the probabilities `p`."""

    @staticmethod
    def logpmf(x: Any, n: Any, p: Any) -> Tensor:
        """The logarithm of the probability of the counts x (..., k), -inf where they do not add up to `n`.

        >>> multinomial.logpmf([1, 1], 2, [0.5, 0.5]).exp()
        Tensor(0.5)
        """
        x, n, p = numbers(x, n, p)
        inside = np.logical_and(np.all(np.logical_and(x >= 0, x == np.floor(x)), -1), np.sum(x, -1) == n)
        counts = np.where(inside[..., None], x, 0)
        possible = np.all(np.logical_or(p > 0, counts == 0), -1)
        inside, chances = np.logical_and(inside, possible), np.where(np.logical_and(p == 0, counts > 0), 1, p)
        out = gammaln(n + 1) + np.sum(xlogy(counts, chances) - gammaln(counts + 1), -1)
        return asarray(np.where(inside, out, lift(-np.inf).astype(out.dtype)))

    @staticmethod
    def pmf(x: Any, n: Any, p: Any) -> Tensor:
        """The probability of the counts x, see `logpmf`."""
        return asarray(np.exp(multinomial.logpmf(x, n, p)))

    @staticmethod
    def rvs(n: Any, p: Any, size: Any = None) -> Tensor:
        """Draws of shape (*size, k), from the generator of `pullback.random`."""
        return random.multinomial(n, p, size)


multivariate_normal = MultivariateNormal()
multivariate_t = MultivariateT()
dirichlet = Dirichlet()
multinomial = Multinomial()
