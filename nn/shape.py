"""Other shapes: flattening and its inverse, as functions and as modules."""

from __future__ import annotations

from .. import autograd
from ..autograd import Tensor, flatten
from ..extend import TensorLike
from .module import Module

__all__ = [
    "Flatten",
    "Unflatten",
    "flatten",
    "unflatten",
]


def unflatten(input: TensorLike, dim: int, unflattened_size: tuple[int, ...]) -> Tensor:
    """Make several axes of the axis `dim`, of the lengths `unflattened_size`, one of which may be -1.

    ValueError if the lengths do not fit.

    >>> import numpy as np
    >>> unflatten(np.zeros((2, 12)), 1, (3, -1)).shape
    (2, 3, 4)
    """
    return autograd.unflatten(input, dim, unflattened_size)


class Flatten(Module):
    """A layer that makes one axis of those from `start_dim` to `end_dim`; see `functional.flatten`."""

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        super().__init__()
        self.start_dim, self.end_dim = start_dim, end_dim

    def forward(self, input: TensorLike) -> Tensor:
        return flatten(input, self.start_dim, self.end_dim)

    def extra_repr(self) -> str:
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Unflatten(Module):
    """A layer that makes several axes of the axis `dim`; see `functional.unflatten`.

    TypeError for names of axes, which PyTorch takes and arrays do not have, and for sizes that are no integers.
    """

    def __init__(self, dim: int, unflattened_size: tuple[int, ...]) -> None:
        super().__init__()
        if isinstance(dim, str):
            raise TypeError(f"Unflatten: dim={dim!r}; axes of arrays have no names, write the number")
        if not isinstance(unflattened_size, (tuple, list)) or any(
            isinstance(n, (str, tuple)) for n in unflattened_size
        ):
            raise TypeError(f"Unflatten: unflattened_size={unflattened_size!r}; expected a tuple of integers")
        self.dim, self.unflattened_size = dim, tuple(unflattened_size)

    def forward(self, input: TensorLike) -> Tensor:
        return unflatten(input, self.dim, self.unflattened_size)

    def extra_repr(self) -> str:
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"
