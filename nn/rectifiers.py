"""Activations of straight pieces (rectifiers, clamps and shrinkages), as functions and as modules.

Slopes at kinks are PyTorch's. `inplace` is accepted everywhere, but results are new tensors all the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from .. import autograd
from ..extend import (
    DTypeLike,
    Tensor,
    TensorLike,
    by_single,
    drawn,
    elementwise,
    floating,
    fused,
    if_positive,
    in_blocks,
    in_one_pass,
    passing,
)
from . import init
from .factory import empty
from .pointwise import Activation, Inplace

__all__ = [
    "Hardshrink", "Hardsigmoid", "Hardswish", "Hardtanh", "LeakyReLU", "PReLU", "RReLU", "ReLU", "ReLU6", "Softshrink",
    "Threshold", "hardshrink", "hardsigmoid", "hardswish", "hardtanh", "leaky_relu", "prelu", "relu", "relu6", "rrelu",
    "softshrink", "threshold",
]  # fmt: skip

_MANY = 1 << 15  # entries for which one pass in machine code pays

# In place of np.where, which is slow: products with masks, as bools are 0 and 1, and `passing` where one is infinite


def _leaky(x: Any, slope: Any) -> Any:
    return _larger(x, slope) if _gentle(slope) else np.maximum(x, 0) + np.minimum(x, 0) * slope


def _gentle(slope: Any) -> bool:
    return slope.__class__ is float and 0 < slope <= 1


@in_one_pass
def _larger(x: Any, slope: float) -> Any:
    return np.maximum(x, x * slope)


def _leaky_slope(g: Any, x: Any, slope: Any) -> Any:
    if x.__class__ is np.ndarray and x.size >= _MANY and _gentle(slope) and (g.shape, g.dtype) == (x.shape, x.dtype):
        out = np.empty_like(g)
        fused(_leaking, [out], [g, x], slope=slope)
        return out
    right = x > 0
    return passing(g, right) + passing(passing(g, slope), ~right)


def _leaking(_: Any, g: Any, x: Any, slope: Any) -> tuple[Any]:
    return (g * np.maximum(np.sign(x), slope),)


@in_one_pass
def _hard_swish(x: Any) -> Any:
    return x * np.minimum(np.maximum(x + 3, 0), 6) * (1 / 6)


@in_one_pass
def _hard_swish_slope(g: Any, x: Any) -> Any:
    slope = if_positive(3 - np.absolute(x), x * (1 / 3) + 0.5, np.maximum(np.sign(x), 0))
    return if_positive(np.absolute(slope), g, slope) * slope  # 0 where it is flat, of an infinite g, too


@in_blocks
def _above(x: Any, least: Any, value: Any) -> Any:
    """x where it exceeds `least`, else `value`: no product of an infinity and 0."""
    held = x <= least
    return np.maximum(x, least) * ~held + np.multiply(held, value, dtype=np.result_type(x, value))


leaky = elementwise(
    _leaky,
    name="leaky_relu",
    kinks=(0.0,),
    x=_leaky_slope,
    slope=lambda g, x: passing(g, np.where(x > 0, 0, x)),
)
clamp = elementwise(
    lambda x, low, high: np.clip(x, low, high),
    name="hardtanh",
    x=lambda g, x, low, high: passing(g, ~((x <= low) | (x >= high))),
    low=lambda g, x, low, high: passing(g, (x <= low) & (low < high)),
    high=lambda g, x, low, high: passing(g, (x >= high) | (low >= high)),
)
shrink = elementwise(
    lambda x, by: x - np.clip(x, -by, by),
    name="softshrink",
    x=lambda g, x, by: passing(g, ~(np.abs(x) <= by)),
    by=lambda g, x, by: passing(-g, np.sign(x) * ~(np.abs(x) <= by)),
)
hard_swish = elementwise(_hard_swish, name="hardswish", x=_hard_swish_slope)
above = elementwise(
    _above,
    name="threshold",
    x=lambda g, x, least: passing(g, ~(x <= least)),
    least=lambda g: np.zeros_like(g),
    value=lambda g, x, least: passing(g, x <= least),
)


def between(*kinks: float) -> Callable[[Any], Any]:
    """A strategy: entries not near the kinks, and these kinks, in shapes that broadcast."""

    def strategy(draw: Any) -> Any:
        shape, *others = draw.broadcastable(1 + len(kinks))
        return (draw.array(shape, kinks=kinks, dtype=np.float64), *map(np.full, others, kinks)), {}

    return strategy


clamp.strategy(between(-1.5, 1.25))
shrink.strategy(between(0.75))
hard_swish.strategy(lambda draw: ((draw.array(None, (-5.0, 5.0), False, (-3.0, 3.0), np.float64),), {}))
above.strategy(between(0.5, -0.25))


def relu(input: TensorLike, inplace: bool = False) -> Tensor:
    """Return max(input, 0)."""
    return autograd.relu.form(input)


@by_single
def leaky_relu(input: TensorLike, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """Return input where it is positive and negative_slope * input elsewhere (Maas et al., 2013)."""
    return leaky.apply(floating(input), negative_slope)


@by_single
def prelu(input: TensorLike, weight: TensorLike) -> Tensor:
    """Return input where it is positive and weight * input elsewhere (He et al., 2015).

    `weight` is a number, (1,) or (C,), one for each channel of axis 1 (of an input of no or one axis: only one).
    ValueError for another shape.
    """
    input, weight = floating(input), floating(weight)
    channels = input.shape[1] if input.ndim > 1 else 1
    if weight.ndim > 1 or weight.ndim and weight.shape[0] not in (1, channels):
        raise ValueError(
            f"prelu: weight of shape {weight.shape} for an input of shape {input.shape}; expected (1,) or one for each "
            f"channel, ({channels},)"
        )
    if weight.ndim:
        weight = weight.reshape((-1,) + (1,) * (input.ndim - 2) if input.ndim > 1 else (1,) * input.ndim)
    return leaky.apply(input, weight)


@by_single
def rrelu(
    input: TensorLike, lower: float = 1 / 8, upper: float = 1 / 3, training: bool = False, inplace: bool = False
) -> Tensor:
    """Return input where it is positive and elsewhere a * input, with a drawn from lower to upper in training, and
    else in the middle of them (Xu et al., 2015). ValueError if lower exceeds upper."""
    if lower > upper:
        raise ValueError(f"rrelu: lower={lower} exceeds upper={upper}")
    input = floating(input)
    if not training:
        return leaky.apply(input, (lower + upper) / 2)
    draws = drawn(lambda shape: init.generator().random(shape, np.float32), input.shape)
    return leaky.apply(input, (lower + draws * (upper - lower)).astype(input.dtype))


@by_single
def threshold(input: TensorLike, threshold: float, value: float, inplace: bool = False) -> Tensor:
    """Return input where it exceeds `threshold` and `value` elsewhere."""
    return above.apply(floating(input), threshold, value)


@by_single
def hardtanh(input: TensorLike, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Tensor:
    """Return input limited to [min_val, max_val]; ValueError if min_val exceeds max_val."""
    if min_val > max_val:
        raise ValueError(f"hardtanh: min_val={min_val} exceeds max_val={max_val}")
    return clamp.apply(floating(input), min_val, max_val)


@by_single
def relu6(input: TensorLike, inplace: bool = False) -> Tensor:
    """Return input limited to [0, 6] (Howard et al., MobileNets, 2017)."""
    return clamp.apply(floating(input), 0.0, 6.0)


@by_single
def hardsigmoid(input: TensorLike, inplace: bool = False) -> Tensor:
    """Return (input + 3) / 6 limited to [0, 1]."""
    return clamp.apply(floating(input) + 3, 0.0, 6.0) / 6


@by_single
def hardswish(input: TensorLike, inplace: bool = False) -> Tensor:
    """Return input * hardsigmoid(input) (Howard et al., MobileNetV3, 2019)."""
    return hard_swish.apply(floating(input))


@by_single
def hardshrink(input: TensorLike, lambd: float = 0.5) -> Tensor:
    """Return input where its absolute value exceeds `lambd` and 0 elsewhere."""
    x: Any = floating(input)
    return autograd.where((x <= lambd) & (x >= -lambd), 0, x)


@by_single
def softshrink(input: TensorLike, lambd: float = 0.5) -> Tensor:
    """Return input moved by `lambd` towards 0, and 0 within `lambd` of it; ValueError for a negative `lambd`."""
    if lambd < 0:
        raise ValueError(f"softshrink: lambd={lambd} is negative")
    return shrink.apply(floating(input), lambd)


_relu = autograd.relu.form


class ReLU(Inplace):
    """The rectifier, max(x, 0); `inplace` is accepted, but the result is a new tensor all the same."""

    def forward(self, input: TensorLike) -> Tensor:
        return _relu(input)


class LeakyReLU(Activation):
    """The leaky rectifier: x where it is positive, negative_slope * x elsewhere (Maas et al., 2013)."""

    shown = ("negative_slope",)

    def __init__(self, negative_slope: float = 0.01, inplace: bool = False) -> None:
        super().__init__()
        self.negative_slope, self.inplace = negative_slope, inplace

    def forward(self, input: TensorLike) -> Tensor:
        return leaky_relu(input, self.negative_slope)


class PReLU(Activation):
    """The leaky rectifier whose slopes are learned, one or one for each channel of axis 1 (He et al., 2015).

    >>> from pullback import Tensor
    >>> PReLU(init=0.5)(Tensor([-2.0, 3.0])).numpy()
    array([-1.,  3.])
    """

    shown = ("num_parameters",)

    def __init__(
        self, num_parameters: int = 1, init: float = 0.25, device: str | None = None, dtype: DTypeLike | None = None
    ) -> None:
        super().__init__()
        self.num_parameters, self.init = num_parameters, init
        self.weight = empty(num_parameters, device, dtype, name="PReLU")
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set all slopes to `init`."""
        init.constant_(self.weight, self.init)

    def forward(self, input: TensorLike) -> Tensor:
        return prelu(input, self.weight)


class RReLU(Activation):
    """The leaky rectifier whose slope is drawn for each entry in training and fixed in evaluation (Xu et al., 2015)."""

    shown = ("lower", "upper")

    def __init__(self, lower: float = 1 / 8, upper: float = 1 / 3, inplace: bool = False) -> None:
        super().__init__()
        self.lower, self.upper, self.inplace = lower, upper, inplace

    def forward(self, input: TensorLike) -> Tensor:
        return rrelu(input, self.lower, self.upper, self.training)


class Threshold(Activation):
    """x where it exceeds `threshold`, `value` elsewhere."""

    shown = ("threshold", "value")

    def __init__(self, threshold: float, value: float, inplace: bool = False) -> None:
        super().__init__()
        self.threshold, self.value, self.inplace = threshold, value, inplace

    def forward(self, input: TensorLike) -> Tensor:
        return threshold(input, self.threshold, self.value)


class Hardtanh(Activation):
    """x limited to [min_val, max_val]; ValueError unless min_val < max_val."""

    shown: ClassVar[tuple[str, ...]] = ("min_val", "max_val")

    def __init__(self, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> None:
        super().__init__()
        if min_val >= max_val:
            raise ValueError(f"{type(self).__name__}: min_val={min_val} is not below max_val={max_val}")
        self.min_val, self.max_val, self.inplace = min_val, max_val, inplace

    def forward(self, input: TensorLike) -> Tensor:
        return hardtanh(input, self.min_val, self.max_val)


class ReLU6(Hardtanh):
    """x limited to [0, 6] (Howard et al., MobileNets, 2017)."""

    shown: ClassVar[tuple[str, ...]] = ()

    def __init__(self, inplace: bool = False) -> None:
        super().__init__(0.0, 6.0, inplace)


class Hardsigmoid(Inplace):
    """(x + 3) / 6 limited to [0, 1]."""

    def forward(self, input: TensorLike) -> Tensor:
        return hardsigmoid(input)

    def extra_repr(self) -> str:
        return ""


class Hardswish(Inplace):
    """x * hardsigmoid(x) (Howard et al., MobileNetV3, 2019)."""

    def forward(self, input: TensorLike) -> Tensor:
        return hardswish(input)

    def extra_repr(self) -> str:
        return ""


class _Shrink(Activation):
    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__()
        self.lambd = lambd

    def extra_repr(self) -> str:
        return str(self.lambd)


class Hardshrink(_Shrink):
    """x where its absolute value exceeds `lambd`, 0 elsewhere."""

    def forward(self, input: TensorLike) -> Tensor:
        return hardshrink(input, self.lambd)


class Softshrink(_Shrink):
    """x moved by `lambd` towards 0, and 0 within `lambd` of it."""

    def forward(self, input: TensorLike) -> Tensor:
        return softshrink(input, self.lambd)
