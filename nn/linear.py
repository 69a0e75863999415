"""The linear and the bilinear layer, as functions and as modules, and the layer that does nothing."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..autograd import Tensor, affine, asarray, reshape
from ..extend import ArrayLike, DTypeLike, TensorLike
from . import init
from .factory import empty
from .module import Module, Parameter

__all__ = [
    "Bilinear",
    "Identity",
    "Linear",
    "bilinear",
    "linear",
]

_affine = affine.form


def linear(input: TensorLike, weight: ArrayLike, bias: ArrayLike | None = None) -> Tensor:
    """Return input (..., in) times the transpose of weight (out, in), plus bias (out,): shape (..., out)."""
    return _affine(input, weight, bias)


def bilinear(input1: ArrayLike, input2: ArrayLike, weight: TensorLike, bias: ArrayLike | None = None) -> Tensor:
    """Return y[..., k] = sum_ij input1[..., i] weight[k, i, j] input2[..., j] + bias[k]: shape (..., out).

    The inputs are (..., in1) and (..., in2), with equal axes before the last, weight (out, in1, in2) and bias (out,).
    ValueError for other shapes.

    >>> bilinear(np.ones((5, 2)), np.ones((5, 3)), np.ones((4, 2, 3))).shape
    (5, 4)
    """
    a, b = asarray(input1), asarray(input2)
    out, *features = np.shape(weight)
    if len(features) != 2 or a.shape[:-1] != b.shape[:-1] or [*a.shape[-1:], *b.shape[-1:]] != features:
        shapes = f"inputs of shapes {a.shape} and {b.shape} for a weight of shape {np.shape(weight)}"
        raise ValueError(f"bilinear: {shapes}; expected (..., in1) and (..., in2) for (out, in1, in2)")
    products = reshape(a[..., :, None] * b[..., None, :], (*a.shape[:-1], math.prod(features)))
    return _affine(products, reshape(weight, (out, math.prod(features))), bias)


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


class Bilinear(Module):
    """A map linear in each of two inputs, (..., in1_features) and (..., in2_features); see `functional.bilinear`.

    `weight` is (out_features, in1_features, in2_features). ValueError for inputs of other numbers of features.

    >>> from pullback import nn
    >>> nn.Bilinear(2, 3, 4)(np.ones((5, 2), np.float32), np.ones((5, 3), np.float32)).shape
    (5, 4)
    """

    weight: Parameter
    bias: Parameter | None

    def __init__(
        self,
        in1_features: int,
        in2_features: int,
        out_features: int,
        bias: bool = True,
        device: str | None = None,
        dtype: DTypeLike | None = None,
    ) -> None:
        if in1_features <= 0:
            raise ValueError(f"Bilinear: in1_features={in1_features}; expected a positive number")
        super().__init__()
        self.in1_features, self.in2_features, self.out_features = in1_features, in2_features, out_features
        self.weight = empty((out_features, in1_features, in2_features), device, dtype, name="Bilinear")
        self.bias = empty(out_features, device, dtype, name="Bilinear") if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new initial values."""
        bound = 1 / math.sqrt(self.in1_features)
        init.uniform_(self.weight, -bound, bound)
        if self.bias is not None:
            init.uniform_(self.bias, -bound, bound)

    def forward(self, input1: TensorLike, input2: TensorLike) -> Tensor:
        one, two = np.shape(input1), np.shape(input2)
        if one[-1:] != (self.in1_features,) or two[-1:] != (self.in2_features,) or one[:-1] != two[:-1]:
            expected = f"(..., {self.in1_features}) and (..., {self.in2_features})"
            raise ValueError(f"Bilinear expected inputs of shapes {expected}, got {one} and {two}")
        return bilinear(input1, input2, self.weight, self.bias)

    def extra_repr(self) -> str:
        features = f"in1_features={self.in1_features}, in2_features={self.in2_features}"
        return f"{features}, out_features={self.out_features}, bias={self.bias is not None}"


class Identity(Module):
    """A layer that returns its input; it takes any arguments, so that it can stand in for any layer."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__()

    def forward(self, input: TensorLike) -> Tensor:
        given: Any = input  # an array stays one
        return given
