"""Initial values of parameters, and the random generator that nn draws from.

Every function fills the tensor it is given (new values, the same shape and dtype) and returns it.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..autograd import Tensor
from ..extend import generator, manual_seed

__all__ = [
    "calculate_gain",
    "constant_",
    "default_",
    "fan_in_and_fan_out",
    "generator",
    "kaiming_normal_",
    "kaiming_uniform_",
    "manual_seed",
    "normal_",
    "ones_",
    "orthogonal_",
    "trunc_normal_",
    "uniform_",
    "xavier_normal_",
    "xavier_uniform_",
    "zeros_",
]

_thread_generator = generator  # whose name is an argument's below


def _fill(tensor: Tensor, values: Any) -> Tensor:
    if not isinstance(tensor, Tensor):
        raise TypeError(f"init: expected a Tensor to fill, not {type(tensor).__name__}")
    tensor.data = np.broadcast_to(values, tensor.shape).astype(tensor.dtype)
    return tensor


def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0, generator: np.random.Generator | None = None) -> Tensor:
    """Fill with draws from the uniform distribution on [a, b)."""
    return _fill(tensor, (generator or _thread_generator()).uniform(a, b, tensor.shape))


def normal_(
    tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: np.random.Generator | None = None
) -> Tensor:
    """Fill with draws from the normal distribution."""
    return _fill(tensor, (generator or _thread_generator()).normal(mean, std, tensor.shape))


def trunc_normal_(
    tensor: Tensor,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    generator: np.random.Generator | None = None,
) -> Tensor:
    """Fill with draws from the normal distribution restricted to [a, b]; ValueError unless a < b and std > 0."""
    if not (a < b and std > 0):
        raise ValueError(f"trunc_normal_: a={a}, b={b}, std={std}; expected a < b and std > 0")
    rng = generator or _thread_generator()
    low, high = (a - mean) / std, (b - mean) / std
    mode = min(max(0.0, low), high)
    low, high = max(low, mode - 9), min(high, mode + 9)  # beyond lies less than 1e-18
    values = np.empty(tensor.size)
    open_places = np.arange(tensor.size)
    while open_places.size:
        drawn = rng.uniform(low, high, open_places.size)
        accepted = rng.random(open_places.size) < np.exp((mode**2 - drawn**2) / 2)
        values[open_places[accepted]] = drawn[accepted]
        open_places = open_places[~accepted]
    return _fill(tensor, np.clip(mean + std * values, a, b).reshape(tensor.shape))


def constant_(tensor: Tensor, val: float) -> Tensor:
    """Fill with one value."""
    return _fill(tensor, val)


def zeros_(tensor: Tensor) -> Tensor:
    """Fill with 0."""
    return _fill(tensor, 0)


def ones_(tensor: Tensor) -> Tensor:
    """Fill with 1."""
    return _fill(tensor, 1)


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """Return the factor by which weights before this nonlinearity should have a larger standard deviation.

    `param` is the negative slope of "leaky_relu" (0.01 by default). ValueError for an unknown nonlinearity.

    >>> calculate_gain("tanh")
    1.6666666666666667
    """
    if nonlinearity in ("linear", "sigmoid") or nonlinearity.startswith("conv"):
        return 1.0
    if nonlinearity == "leaky_relu":
        return math.sqrt(2 / (1 + (0.01 if param is None else param) ** 2))
    gains = {"tanh": 5 / 3, "relu": math.sqrt(2), "selu": 3 / 4}
    if nonlinearity not in gains:
        raise ValueError(f"calculate_gain: nonlinearity {nonlinearity!r}; known: linear, sigmoid, leaky_relu, {gains}")
    return gains[nonlinearity]


def fan_in_and_fan_out(tensor: Tensor) -> tuple[int, int]:
    """Return the numbers of inputs per output and of outputs per input of a weight (out, in, *kernel).

    A transposed convolution's weight is (in, out, *kernel) and is counted by the same rule, as in PyTorch.
    ValueError for fewer than two axes.
    """
    if tensor.ndim < 2:
        raise ValueError(f"init: a tensor of shape {tensor.shape} has no fan-in: at least 2 dimensions are needed")
    field = math.prod(tensor.shape[2:])
    return tensor.shape[1] * field, tensor.shape[0] * field


def xavier_uniform_(tensor: Tensor, gain: float = 1.0, generator: np.random.Generator | None = None) -> Tensor:
    """Fill with uniform draws of variance gain^2 * 2 / (fan_in + fan_out) (Glorot and Bengio, 2010)."""
    bound = gain * math.sqrt(6 / sum(fan_in_and_fan_out(tensor)))
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator: np.random.Generator | None = None) -> Tensor:
    """Fill with normal draws of variance gain^2 * 2 / (fan_in + fan_out) (Glorot and Bengio, 2010)."""
    return normal_(tensor, 0.0, gain * math.sqrt(2 / sum(fan_in_and_fan_out(tensor))), generator)


def _kaiming_std(tensor: Tensor, a: float, mode: str, nonlinearity: str) -> float:
    fans = dict(zip(("fan_in", "fan_out"), fan_in_and_fan_out(tensor), strict=True))
    if mode not in fans:
        raise ValueError(f"kaiming: mode {mode!r}; expected 'fan_in' or 'fan_out'")
    return calculate_gain(nonlinearity, a) / math.sqrt(max(fans[mode], 1))


def kaiming_uniform_(
    tensor: Tensor,
    a: float = 0.0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: np.random.Generator | None = None,
) -> Tensor:
    """Fill with uniform draws of variance gain^2 / fan (He et al., 2015); `a` is the slope of "leaky_relu"."""
    bound = math.sqrt(3) * _kaiming_std(tensor, a, mode, nonlinearity)
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(
    tensor: Tensor,
    a: float = 0.0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: np.random.Generator | None = None,
) -> Tensor:
    """Fill with normal draws of variance gain^2 / fan (He et al., 2015); `a` is the slope of "leaky_relu"."""
    return normal_(tensor, 0.0, _kaiming_std(tensor, a, mode, nonlinearity), generator)


def orthogonal_(tensor: Tensor, gain: float = 1.0, generator: np.random.Generator | None = None) -> Tensor:
    """Fill with a random matrix of orthonormal rows or columns, times `gain`; axes after the first count as one.

    ValueError for fewer than two axes. Source: Saxe et al., Exact solutions to the nonlinear dynamics of learning in
    deep linear neural networks, 2014.
    """
    if tensor.ndim < 2:
        raise ValueError(f"orthogonal_: a tensor of shape {tensor.shape}: at least 2 dimensions are needed")
    rows, columns = tensor.shape[0], math.prod(tensor.shape[1:])
    drawn = (generator or _thread_generator()).normal(size=(max(rows, columns), min(rows, columns)))
    q, r = np.linalg.qr(drawn)
    q *= np.sign(np.diagonal(r))
    return _fill(tensor, gain * (q if rows >= columns else q.T).reshape(tensor.shape))


def default_(weight: Tensor, bias: Tensor | None) -> None:
    """Fill a layer's weight and bias with uniform draws within 1 / sqrt(fan_in), as PyTorch does."""
    kaiming_uniform_(weight, a=math.sqrt(5))
    if bias is not None:
        bound = 1 / math.sqrt(max(fan_in_and_fan_out(weight)[0], 1))
        uniform_(bias, -bound, bound)
