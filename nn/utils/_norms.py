"""Weights by length and direction, and by their largest singular value."""

from __future__ import annotations

from typing import Any

from ...autograd import Tensor, maximum, moveaxis, no_grad, reshape, sqrt, square
from .. import init
from ..convolution import ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from ..module import Module


def lengths(v: Any, dim: int) -> Any:
    """The 2-norms of the slices of v at each index of one axis, of length 1 along all others; of all for dim -1."""
    axes = tuple(i for i in range(v.ndim) if dim == -1 or i != dim % v.ndim)
    return sqrt(square(v).sum(axis=axes, keepdims=dim != -1))


def rows(weight: Any, dim: int) -> Any:
    """The weight as a matrix that has a row for each index of one axis."""
    return reshape(moveaxis(weight, dim, 0), (weight.shape[dim], -1))


def spectral_dim(module: Module, dim: int | None) -> int:
    """The axis of a layer's outputs in its weight, unless one is given."""
    if dim is not None:
        return dim
    return int(isinstance(module, (ConvTranspose1d, ConvTranspose2d, ConvTranspose3d)))


def normalized(x: Any, eps: float) -> Any:
    """A vector of length 1 (of less where it is nearly 0)."""
    return x / maximum(sqrt((x * x).sum()), eps)


def scaled(weight: Any, g: Any, dim: int) -> Any:
    """The weight with the lengths g in place of its own; see `lengths`."""
    return weight * (g / lengths(weight, dim))


class PowerIteration:
    """The power method for the largest singular value of a weight, taken as a matrix by its axis `dim`.

    Source: Miyato et al., Spectral normalization for generative adversarial networks, 2018.
    """

    def __init__(self, n_power_iterations: int, dim: int, eps: float, v_first: bool = False) -> None:
        if n_power_iterations <= 0:
            raise ValueError(f"spectral_norm: n_power_iterations={n_power_iterations}; expected a positive number")
        self.n_power_iterations, self.dim, self.eps = n_power_iterations, dim, eps
        self.v_first = v_first  # of u and v, the one that is improved last is the nearer one

    def drawn(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        """Random directions of outputs and of inputs."""
        shape = rows(weight.detach(), self.dim).shape
        draw = init.generator().normal
        u, v = (Tensor(normalized(draw(size=n), self.eps).astype(weight.dtype)) for n in shape)
        return u, v

    def improved(self, weight: Any, u: Any, v: Any, steps: int | None = None) -> tuple[Any, Any]:
        """Nearer to the first singular vectors by some steps, without a graph."""
        with no_grad():
            matrix = rows(weight.detach(), self.dim)
            for _ in range(self.n_power_iterations if steps is None else steps):
                v = normalized(matrix.mT @ u, self.eps) if self.v_first else v
                u = normalized(matrix @ v, self.eps)
                v = v if self.v_first else normalized(matrix.mT @ u, self.eps)
        return u, v

    def divided(self, weight: Any, u: Any, v: Any) -> Any:
        """The weight over its singular value u^T W v."""
        return weight / (u * (rows(weight, self.dim) @ v)).sum()
