"""Linear layers, and those that only change the shape."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..autograd import affine
from . import functional as F
from . import init
from .module import Module, Parameter

_affine = affine.form


class Linear(Module):
    """x (..., in_features) times the transpose of `weight` (out_features, in_features), plus `bias`.

    >>> from pullback import nn
    >>> nn.Linear(2, 3)(nn.init.zeros_(nn.Parameter(np.zeros((5, 2), np.float32)))).shape
    (5, 3)
    """

    weight: Parameter
    bias: Parameter | None

    def __init__(self, in_features: int, out_features: int, bias: bool = True) -> None:
        super().__init__()
        self.in_features, self.out_features = in_features, out_features
        self.weight = Parameter(np.empty((out_features, in_features), np.float32))
        self.bias = Parameter(np.empty(out_features, np.float32)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new initial values."""
        init.default_(self.weight, self.bias)

    def forward(self, input: Any) -> Any:
        try:
            return _affine(input, self.weight, self.bias)
        except ValueError:
            shape = np.shape(input)
            if shape[-1:] == (self.in_features,):
                raise
        raise ValueError(f"Linear expected {self.in_features} features, got an input of shape {shape}")

    def extra_repr(self) -> str:
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"


class Identity(Module):
    """Its input; whatever arguments it is made with, so that it can stand in for any layer."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()

    def forward(self, input: Any) -> Any:
        return input


class Flatten(Module):
    """The axes from `start_dim` to `end_dim` as one."""

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        super().__init__()
        self.start_dim, self.end_dim = start_dim, end_dim

    def forward(self, input: Any) -> Any:
        return F.flatten(input, self.start_dim, self.end_dim)

    def extra_repr(self) -> str:
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Unflatten(Module):
    """The axis `dim` as several, of the lengths `unflattened_size`."""

    def __init__(self, dim: int, unflattened_size: tuple[int, ...]) -> None:
        super().__init__()
        self.dim, self.unflattened_size = dim, tuple(unflattened_size)

    def forward(self, input: Any) -> Any:
        return F.unflatten(input, self.dim, self.unflattened_size)

    def extra_repr(self) -> str:
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"
