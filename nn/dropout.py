"""Dropout, as a function and as a module."""

from __future__ import annotations

import numpy as np

from ..autograd import Tensor, where
from ..extend import Given, drawn, everywhere
from . import init
from .module import Module

__all__ = [
    "Dropout",
    "dropout",
]


def dropout(input: Given, p: float = 0.5, training: bool = True) -> Given:
    """Zero each entry with probability `p` and scale the others by 1 / (1 - p), but only in training.

    Draws from this thread's generator, which `nn.manual_seed` starts anew. ValueError unless p is between 0 and 1.
    Source: Srivastava et al., Dropout, 2014.
    """
    check_probability(p, "dropout")
    differs = isinstance(p, Tensor)  # from example to example, it may be
    if not training or not differs and p == 0:
        return input
    if not differs and p == 1:
        return input * input.dtype.type(0)
    kept = drawn(lambda shape: init.generator().random(shape, np.float32), input.shape) >= p
    return input * np.divide(kept, where(p == 1, 1, 1 - p) if differs else 1 - p, dtype=input.dtype)


def check_probability(p: float, name: str) -> None:
    """Raise ValueError unless p is between 0 and 1."""
    if not everywhere(np.logical_and(p >= 0, p <= 1)):
        raise ValueError(f"{name}: p={p}; expected a probability, 0 to 1")


class Dropout(Module):
    """A layer that in training zeros entries with probability `p` and scales the others by 1 / (1 - p).

    Source: Srivastava et al., Dropout, 2014. `inplace` is accepted, but the result is a new tensor all the same.
    """

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        check_probability(p, "Dropout")
        self.p, self.inplace = p, inplace

    def forward(self, input: Tensor) -> Tensor:
        return dropout(input, self.p, self.training)

    def extra_repr(self) -> str:
        return f"p={self.p}, inplace={self.inplace}"
