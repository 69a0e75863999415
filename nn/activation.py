"""Smooth activations, as functions and as modules; those of straight pieces are in rectifiers.py.

`inplace` is accepted everywhere, but results are new tensors all the same.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import autograd
from ..extend import Tensor, TensorLike, by_single, elementwise, floating, if_positive, in_blocks, in_one_pass
from .normal import density, normal_cdf, single, single_cdf
from .pointwise import Activation, Inplace

__all__ = [
    "CELU", "ELU", "GELU", "GLU", "LogSigmoid", "Mish", "SELU", "SiLU", "Sigmoid", "Softplus", "Softsign", "Tanh",
    "Tanhshrink", "celu", "elu", "gelu", "glu", "logsigmoid", "mish", "selu", "sigmoid", "silu", "softplus",
    "softsign", "tanh", "tanhshrink",
]  # fmt: skip

_POSITIVE = (0.5, 2.0)
_SELU = 1.6732632423543772848170429916717, 1.0507009873554804934193349852946  # of Klambauer et al.


def _below(x: Any) -> Any:
    """x where it is negative, else 0, so that no exponential overflows."""
    return np.where(x > 0, 0, x) if isinstance(x, Tensor) else np.minimum(x, 0)  # of which the slope at 0 is half


@in_one_pass
def _elu(x: Any, height: Any, rate: Any) -> Any:
    return np.maximum(x, 0) + np.expm1(np.minimum(x, 0) * rate) * height


@in_one_pass
def _elu_slope(g: Any, x: Any, height: Any, rate: Any) -> Any:
    slope = if_positive(x, 1, np.exp(_below(x) * rate) * (height * rate))
    return if_positive(np.absolute(slope), g, slope) * slope  # 0 where it is flat, of an infinite g, too


exponential = elementwise(
    _elu,
    name="elu",
    domain=((-3.0, 3.0), _POSITIVE, _POSITIVE),
    kinks=(0.0,),
    x=_elu_slope,
    height=lambda g, x, rate: g * np.expm1(_below(x) * rate),
    rate=lambda g, x, height, rate: g * (height * _below(x) * np.exp(_below(x) * rate)),
)


@in_one_pass
def _silu(x: Any) -> Any:
    with np.errstate(over="ignore", invalid="ignore"):
        return x / (1 + np.exp(-x))


@in_one_pass
def _silu_slope(g: Any, x: Any, out: Any) -> Any:
    s = _logistic(x)
    return g * (s + out * (1 - s))


def _logistic(x: Any) -> Any:
    """1 / (1 + exp(-x)); of arrays quicker than `sigmoid`, and 0 where that is tiny."""
    if isinstance(x, Tensor):
        return autograd.sigmoid(x)
    with np.errstate(over="ignore"):
        return 1 / (1 + np.exp(-x))


@in_one_pass
def _mish(x: Any) -> Any:
    n = _squared(np.exp(np.minimum(x, 20)))
    with np.errstate(invalid="ignore"):
        return x * (n / (n + 2))


@in_one_pass
def _mish_slope(g: Any, x: Any) -> Any:
    z = np.exp(np.minimum(x, 20))
    n = _squared(z)
    t = n / (n + 2)
    return g * (t + x * (z / (1 + z)) * ((1 + t) * (2 / (n + 2))))


def _squared(z: Any) -> Any:
    """n with tanh(log(1 + z)) = n / (n + 2), which is 1 for z = exp(20)."""
    return z * (z + 2)


def _gelu(x: Any) -> Any:
    return _single_gelu(x) if single(x) else _times_cdf(x)


@in_one_pass
def _single_gelu(x: Any) -> Any:
    with np.errstate(invalid="ignore"):
        return x * single_cdf(x)


def _times_cdf(x: Any) -> Any:
    with np.errstate(invalid="ignore"):
        return x * normal_cdf.apply(x)


def _gelu_slope(g: Any, x: Any) -> Any:
    return (_single_gelu_slope if single(g) and single(x) else _any_gelu_slope)(g, x)


@in_one_pass
def _single_gelu_slope(g: Any, x: Any) -> Any:
    return g * (single_cdf(x) + x * density(x))


@in_blocks
def _any_gelu_slope(g: Any, x: Any) -> Any:
    return g * (normal_cdf.apply(x) + x * density(x))


_GELU = 2 * math.sqrt(2 / math.pi)  # (1 + tanh(u)) / 2 is the logistic function of 2 u, in which nothing cancels


@in_one_pass
def _tanh_gelu(x: Any) -> Any:
    with np.errstate(over="ignore", invalid="ignore"):
        return x * _logistic(_GELU * (x + 0.044715 * (x * x * x)))


@in_one_pass
def _tanh_gelu_slope(g: Any, x: Any) -> Any:
    square = x * x
    s = _logistic(_GELU * (x + 0.044715 * (square * x)))
    return g * (s + _GELU * (x * (s * (1 - s)) * (1 + 0.134145 * square)))


swish = elementwise(_silu, name="silu", x=_silu_slope)
self_gated = elementwise(_mish, name="mish", x=_mish_slope)


@in_one_pass
def _smooth(x: Any, beta: Any, threshold: Any) -> Any:
    s = x * beta
    return (np.maximum(s, 0) + if_positive(s - threshold, 0, np.log1p(np.exp(-np.absolute(s))))) / beta


@in_one_pass
def _smooth_slope(g: Any, x: Any, beta: Any, threshold: Any) -> Any:
    s = x * beta
    return g * if_positive(s - threshold, 1, _logistic(s))


def _smooth_by_beta(g: Any, x: Any, beta: Any, threshold: Any, out: Any) -> Any:
    s = x * beta
    return g * ((x * autograd.sigmoid(s) - out) / beta) * ~(s > threshold)


smooth = elementwise(
    _smooth,
    name="softplus_up_to",
    x=_smooth_slope,
    beta=_smooth_by_beta,
    threshold=lambda g: np.zeros_like(g),
)
exact_gelu = elementwise(_gelu, name="gelu", x=_gelu_slope)
tanh_gelu = elementwise(_tanh_gelu, name="gelu_by_tanh", x=_tanh_gelu_slope)
smooth.strategy(lambda draw: ((*draw.entries(((-3.0, 3.0), _POSITIVE), dtype=np.float64), 7.5), {}))
exact_gelu.strategy(lambda draw: ((draw.array(dtype=np.float64),), {}))
sigmoid, tanh = autograd.sigmoid, autograd.tanh
_sigmoid, _tanh = sigmoid.form, tanh.form


@by_single
def elu(input: TensorLike, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """Return input where it is positive and alpha * (exp(input) - 1) elsewhere (Clevert et al., 2016)."""
    return exponential.apply(floating(input), alpha, 1.0)


@by_single
def celu(input: TensorLike, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """Return input where it is positive and alpha * (exp(input / alpha) - 1) elsewhere (Barron, 2017).

    ValueError for alpha 0.
    """
    if alpha == 0:
        raise ValueError("celu: alpha=0; expected another number")
    return exponential.apply(floating(input), alpha, 1 / alpha)


@by_single
def selu(input: TensorLike, inplace: bool = False) -> Tensor:
    """Return 1.0507... times the `elu` with alpha 1.6732..., which keeps mean 0 and variance 1.

    Source: Klambauer et al., Self-normalizing neural networks, 2017.
    """
    alpha, scale = _SELU
    return scale * exponential.apply(floating(input), alpha, 1.0)


@by_single
def gelu(input: TensorLike, approximate: str = "none") -> Tensor:
    """Return input * Phi(input), where Phi is the normal distribution function (Hendrycks and Gimpel, 2016).

    With `approximate="tanh"` it is approximated by tanh. ValueError for another `approximate`.
    """
    input = floating(input)
    if approximate == "none":
        return exact_gelu.apply(input)
    if approximate != "tanh":
        raise ValueError(f"gelu: approximate={approximate!r} is neither 'none' nor 'tanh'")
    return tanh_gelu.apply(input)


@by_single
def silu(input: TensorLike, inplace: bool = False) -> Tensor:
    """Return input * sigmoid(input), also known as swish (Ramachandran et al., 2017)."""
    return swish.apply(floating(input))


@by_single
def mish(input: TensorLike, inplace: bool = False) -> Tensor:
    """Return input * tanh(softplus(input)) (Misra, 2019)."""
    return self_gated.apply(floating(input))


@by_single
def softplus(input: TensorLike, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """Return log(1 + exp(beta * input)) / beta, a smooth ReLU; where beta * input exceeds `threshold`, input itself."""
    return smooth.apply(floating(input), beta, threshold)


@by_single
def logsigmoid(input: TensorLike) -> Tensor:
    """Return log(sigmoid(input)), without overflow."""
    return -autograd.softplus(-floating(input))


@by_single
def softsign(input: TensorLike) -> Tensor:
    """Return input / (1 + abs(input))."""
    x: Any = floating(input)
    return x / (1 + autograd.abs(x))


@by_single
def tanhshrink(input: TensorLike) -> Tensor:
    """Return input - tanh(input)."""
    input = floating(input)
    return input - _tanh(input)


@by_single
def glu(input: TensorLike, dim: int = -1) -> Tensor:
    """Return a * sigmoid(b) for the halves a and b of the input along `dim` (Dauphin et al., 2017).

    ValueError for an odd length along it, or none.
    """
    input = floating(input)
    if not -input.ndim <= dim < input.ndim or input.shape[dim] % 2:
        raise ValueError(f"glu: an input of shape {input.shape} has no two halves along dim={dim}")
    a, b = autograd.split(input, 2, dim)
    return a * _sigmoid(b)


class Tanh(Activation):
    """The hyperbolic tangent."""

    def forward(self, input: TensorLike) -> Tensor:
        return _tanh(input)


class Sigmoid(Activation):
    """The logistic function, 1 / (1 + exp(-x))."""

    def forward(self, input: TensorLike) -> Tensor:
        return _sigmoid(input)


class ELU(Activation):
    """The exponential linear unit: x where positive, alpha * (exp(x) - 1) elsewhere (Clevert et al., 2016)."""

    shown = ("alpha",)

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__()
        self.alpha, self.inplace = alpha, inplace

    def forward(self, input: TensorLike) -> Tensor:
        return elu(input, self.alpha)


class CELU(ELU):
    """The exponential linear unit with a slope of 1 at 0: alpha * (exp(x / alpha) - 1) left of it (Barron, 2017)."""

    def forward(self, input: TensorLike) -> Tensor:
        return celu(input, self.alpha)


class SELU(Inplace):
    """The scaled exponential linear unit (Klambauer et al., 2017); see `functional.selu`."""

    def forward(self, input: TensorLike) -> Tensor:
        return selu(input)


class GELU(Activation):
    """The Gaussian error linear unit, x * Phi(x); see `functional.gelu` for Phi and `approximate`."""

    shown = ("approximate",)

    def __init__(self, approximate: str = "none") -> None:
        super().__init__()
        self.approximate = approximate

    def forward(self, input: TensorLike) -> Tensor:
        return gelu(input, self.approximate)


class GLU(Activation):
    """The gated linear unit: one half of x times the sigmoid of the other, along `dim` (Dauphin et al., 2017).

    >>> from pullback import Tensor
    >>> GLU()(Tensor([3.0, 0.0]))
    Tensor([1.5])
    """

    shown = ("dim",)

    def __init__(self, dim: int = -1) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: TensorLike) -> Tensor:
        return glu(input, self.dim)


class SiLU(Inplace):
    """The sigmoid linear unit, x * sigmoid(x); `inplace` is accepted, but the result is a new tensor all the same."""

    def forward(self, input: TensorLike) -> Tensor:
        return silu(input)


class Mish(Inplace):
    """x * tanh(softplus(x)) (Misra, 2019)."""

    def forward(self, input: TensorLike) -> Tensor:
        return mish(input)


class Softplus(Activation):
    """The smooth ReLU log(1 + exp(beta * x)) / beta; where beta * x exceeds `threshold`, x itself."""

    shown = ("beta", "threshold")

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        super().__init__()
        self.beta, self.threshold = beta, threshold

    def forward(self, input: TensorLike) -> Tensor:
        return softplus(input, self.beta, self.threshold)


class LogSigmoid(Activation):
    """The logarithm of the logistic function."""

    def forward(self, input: TensorLike) -> Tensor:
        return logsigmoid(input)


class Softsign(Activation):
    """x / (1 + abs(x))."""

    def forward(self, input: TensorLike) -> Tensor:
        return softsign(input)


class Tanhshrink(Activation):
    """x - tanh(x)."""

    def forward(self, input: TensorLike) -> Tensor:
        return tanhshrink(input)
