"""The linear layer, as a function and as a module, and the layer that does nothing."""

from __future__ import annotations

import numpy as np

from ..autograd import Tensor, affine
from ..extend import ArrayLike, DTypeLike, Given, TensorLike
from . import init
from .factory import empty
from .module import Module, Parameter

__all__ = [
    "Identity",
    "Linear",
    "linear",
]

_affine = affine.form


def linear(input: TensorLike, weight: ArrayLike, bias: ArrayLike | None = None) -> Tensor:
    """Return input (..., in) times the transpose of weight (out, in), plus bias (out,): shape (..., out)."""
    return _affine(input, weight, bias)


class Linear(Module):
    """An affine map: x (..., in_features) times the transpose of `weight` (out_features, in_features), plus `bias`.

    ValueError for an input with another number of features.

    >>> from pullback import nn
    >>> nn.Linear(2, 3)(nn.init.zeros_(nn.Parameter(np.zeros((5, 2), np.float32)))).shape
    (5, 3)
    """

    weight: Parameter
    bias: Parameter | None

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        device: str | None = None,
        dtype: DTypeLike | None = None,
    ) -> None:
        super().__init__()
        self.in_features, self.out_features = in_features, out_features
        self.weight = empty((out_features, in_features), device, dtype, name="Linear")
        self.bias = empty(out_features, device, dtype, name="Linear") if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new initial values."""
        init.default_(self.weight, self.bias)

    def forward(self, input: TensorLike) -> Tensor:
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
    """A layer that returns its input; it takes any arguments, so that it can stand in for any layer."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__()

    def forward(self, input: Given) -> Given:
        return input
