"""Other shapes: flattening and its inverse, as functions and as modules."""

from __future__ import annotations

import math
from typing import Any

from numpy.lib.array_utils import normalize_axis_index

from ..autograd import reshape
from .module import Module

__all__ = [
    "Flatten",
    "Unflatten",
    "flatten",
    "unflatten",
]


def flatten(input: Any, start_dim: int = 0, end_dim: int = -1) -> Any:
    """Make one axis of those from `start_dim` to `end_dim`; ValueError if there are none.

    >>> import numpy as np
    >>> flatten(np.zeros((2, 3, 4)), 1).shape
    (2, 12)
    """
    if not input.ndim:
        return reshape(input, (1,))
    first, last = (normalize_axis_index(dim, input.ndim, "flatten") for dim in (start_dim, end_dim))
    if first > last:
        raise ValueError(f"flatten: start_dim={start_dim} comes after end_dim={end_dim} in shape {input.shape}")
    shape = input.shape
    return reshape(input, (*shape[:first], math.prod(shape[first : last + 1]), *shape[last + 1 :]))


def unflatten(input: Any, dim: int, unflattened_size: tuple[int, ...]) -> Any:
    """Make several axes of the axis `dim`, of the lengths `unflattened_size`, one of which may be -1.

    ValueError if the lengths do not fit.

    >>> import numpy as np
    >>> unflatten(np.zeros((2, 12)), 1, (3, -1)).shape
    (2, 3, 4)
    """
    axis = normalize_axis_index(dim, input.ndim, "unflatten")
    length, sizes = input.shape[axis], list(unflattened_size)
    known = math.prod(n for n in sizes if n != -1)
    if sizes.count(-1) == 1 and known:
        sizes[sizes.index(-1)] = length // known
    if math.prod(sizes) != length or any(n < 0 for n in sizes):
        raise ValueError(f"unflatten: axis {dim} of shape {input.shape} cannot become {tuple(unflattened_size)}")
    return reshape(input, (*input.shape[:axis], *sizes, *input.shape[axis + 1 :]))


class Flatten(Module):
    """A layer that makes one axis of those from `start_dim` to `end_dim`; see `functional.flatten`."""

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        super().__init__()
        self.start_dim, self.end_dim = start_dim, end_dim

    def forward(self, input: Any) -> Any:
        return flatten(input, self.start_dim, self.end_dim)

    def extra_repr(self) -> str:
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Unflatten(Module):
    """A layer that makes several axes of the axis `dim`; see `functional.unflatten`."""

    def __init__(self, dim: int, unflattened_size: tuple[int, ...]) -> None:
        super().__init__()
        self.dim, self.unflattened_size = dim, tuple(unflattened_size)

    def forward(self, input: Any) -> Any:
        return unflatten(input, self.dim, self.unflattened_size)

    def extra_repr(self) -> str:
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"
