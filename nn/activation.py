"""Activations, as functions and as modules."""

from __future__ import annotations

import math

from .. import autograd, special
from ..autograd import Tensor, expm1, relu, sigmoid, tanh, where
from ..extend import TensorLike
from .module import Module

__all__ = [
    "ELU",
    "GELU",
    "LeakyReLU",
    "LogSoftmax",
    "ReLU",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "Tanh",
    "elu",
    "gelu",
    "leaky_relu",
    "log_softmax",
    "relu",
    "sigmoid",
    "silu",
    "softmax",
    "softplus",
    "tanh",
]

_relu, _sigmoid, _tanh = relu.form, sigmoid.form, tanh.form


def softmax(input: TensorLike, dim: int = -1, *, axis: int | None = None) -> Tensor:
    """Return the softmax, exp(input) / sum(exp(input)) along `dim`, in the input's shape."""
    return autograd.softmax(input, dim if axis is None else axis)


def log_softmax(input: TensorLike, dim: int = -1, *, axis: int | None = None) -> Tensor:
    """Return log(softmax(input)) along `dim`, without overflow, in the input's shape."""
    return autograd.log_softmax(input, dim if axis is None else axis)


def leaky_relu(input: TensorLike, negative_slope: float = 0.01) -> Tensor:
    """Return input where it is positive and negative_slope * input elsewhere (Maas et al., 2013)."""
    return where(input > 0, input, input * negative_slope)


def elu(input: TensorLike, alpha: float = 1.0) -> Tensor:
    """Return input where it is positive and alpha * (exp(input) - 1) elsewhere (Clevert et al., 2016)."""
    return where(input > 0, input, alpha * expm1(where(input > 0, 0, input)))


def gelu(input: TensorLike, approximate: str = "none") -> Tensor:
    """Return input * Phi(input), where Phi is the normal distribution function (Hendrycks and Gimpel, 2016).

    Phi is SciPy's (ImportError without it) or, with `approximate="tanh"`, an approximation by tanh. ValueError for
    another `approximate`.
    """
    if approximate == "none":
        return special.ndtr(input) * input
    if approximate != "tanh":
        raise ValueError(f"gelu: approximate={approximate!r} is neither 'none' nor 'tanh'")
    inner = math.sqrt(2 / math.pi) * (input + 0.044715 * (input * input * input))
    return (1 + tanh(inner)) * (0.5 * input)


def silu(input: TensorLike) -> Tensor:
    """Return input * sigmoid(input), also known as swish (Ramachandran et al., 2017)."""
    return sigmoid(input) * input


def softplus(input: TensorLike, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """Return log(1 + exp(beta * input)) / beta, a smooth ReLU; where beta * input exceeds `threshold`, input itself."""
    scaled = input * beta
    linear_part = scaled > threshold
    return where(linear_part, input, autograd.softplus(where(linear_part, 0, scaled)) / beta)


class _Inplace(Module):
    """`inplace` is accepted for PyTorch's sake: the result is a new tensor all the same."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def extra_repr(self) -> str:
        return "inplace=True" if self.inplace else ""


class ReLU(_Inplace):
    """The rectifier, max(x, 0); `inplace` is accepted, but the result is a new tensor all the same."""

    def forward(self, input: TensorLike) -> Tensor:
        return _relu(input)


class Tanh(Module):
    """The hyperbolic tangent."""

    def forward(self, input: TensorLike) -> Tensor:
        return _tanh(input)


class Sigmoid(Module):
    """The logistic function, 1 / (1 + exp(-x))."""

    def forward(self, input: TensorLike) -> Tensor:
        return _sigmoid(input)


class _Along(Module):
    def __init__(self, dim: int = -1) -> None:
        super().__init__()
        self.dim = dim

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class Softmax(_Along):
    """The softmax, exp(x) / sum(exp(x)) along `dim`."""

    def forward(self, input: TensorLike) -> Tensor:
        return softmax(input, self.dim)


class LogSoftmax(_Along):
    """The logarithm of the softmax along `dim`."""

    def forward(self, input: TensorLike) -> Tensor:
        return log_softmax(input, self.dim)


class LeakyReLU(_Inplace):
    """The leaky rectifier: x where it is positive, negative_slope * x elsewhere (Maas et al., 2013)."""

    def __init__(self, negative_slope: float = 0.01, inplace: bool = False) -> None:
        super().__init__(inplace)
        self.negative_slope = negative_slope

    def forward(self, input: TensorLike) -> Tensor:
        return leaky_relu(input, self.negative_slope)

    def extra_repr(self) -> str:
        return ", ".join(filter(None, [f"negative_slope={self.negative_slope}", super().extra_repr()]))


class ELU(_Inplace):
    """The exponential linear unit: x where positive, alpha * (exp(x) - 1) elsewhere (Clevert et al., 2016)."""

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__(inplace)
        self.alpha = alpha

    def forward(self, input: TensorLike) -> Tensor:
        return elu(input, self.alpha)

    def extra_repr(self) -> str:
        return ", ".join(filter(None, [f"alpha={self.alpha}", super().extra_repr()]))


class GELU(Module):
    """The Gaussian error linear unit, x * Phi(x); see `functional.gelu` for Phi and `approximate`."""

    def __init__(self, approximate: str = "none") -> None:
        super().__init__()
        self.approximate = approximate

    def forward(self, input: TensorLike) -> Tensor:
        return gelu(input, self.approximate)

    def extra_repr(self) -> str:
        return f"approximate={self.approximate!r}"


class SiLU(_Inplace):
    """The sigmoid linear unit, x * sigmoid(x); `inplace` is accepted, but the result is a new tensor all the same."""

    def forward(self, input: TensorLike) -> Tensor:
        return silu(input)


class Softplus(Module):
    """The smooth ReLU log(1 + exp(beta * x)) / beta; where beta * x exceeds `threshold`, x itself."""

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        super().__init__()
        self.beta, self.threshold = beta, threshold

    def forward(self, input: TensorLike) -> Tensor:
        return softplus(input, self.beta, self.threshold)

    def extra_repr(self) -> str:
        return f"beta={self.beta}, threshold={self.threshold}"
