"""All parameters of a model as one vector, and back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ...autograd import Tensor, concatenate, reshape
from ...extend import ArrayLike

__all__ = ["parameters_to_vector", "vector_to_parameters"]


def parameters_to_vector(parameters: Iterable[Tensor]) -> Any:
    """Return all entries of the parameters as one vector, differentiably."""
    return concatenate([reshape(p, -1) for p in parameters])


def vector_to_parameters(vec: ArrayLike, parameters: Iterable[Tensor]) -> None:
    """Set the parameters to the entries of one vector, in order; ValueError unless it has just as many."""
    held = list(parameters)
    values = vec.data if isinstance(vec, Tensor) else np.asarray(vec)
    sizes = [p.size for p in held]
    if values.shape != (sum(sizes),):
        raise ValueError(f"vector_to_parameters: a vector of shape {values.shape} for {sum(sizes)} entries")
    for p, part in zip(held, np.split(values, np.cumsum(sizes)[:-1]), strict=True):
        p.data = part.reshape(p.shape).astype(p.dtype)
