"""Normalization of each sample alone: over its last axes, groups of channels, neighbouring channels, or one axis."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from ..autograd import Tensor, maximum, reshape, square
from ..extend import ArrayLike, DTypeLike, PerAxis, Shape, TensorLike, by_single, floating, standardize
from . import init
from .factory import empty
from .module import Module, Parameter
from .padding import pad
from .pooling import avg_pool2d

__all__ = [
    "GroupNorm",
    "LayerNorm",
    "LocalResponseNorm",
    "RMSNorm",
    "group_norm",
    "layer_norm",
    "local_response_norm",
    "normalize",
    "rms_norm",
]

_standardize = standardize.apply


def real(input: ArrayLike, name: str) -> Tensor:
    """The input as a Tensor or array of real floating-point numbers; TypeError for complex ones."""
    x: Any = floating(input)
    if x.dtype.kind != "f":
        raise TypeError(f"{name}: input of dtype {x.dtype}; expected real numbers")
    return x


def shape_of(a: Any) -> tuple[int, ...]:
    """The shape of a Tensor, or of what NumPy makes an array of; of a Tensor `numpy.shape` takes its time."""
    shape: tuple[int, ...] = a.shape if isinstance(a, Tensor) else np.shape(a)
    return shape


@by_single
def layer_norm(
    input: TensorLike,
    normalized_shape: Shape,
    weight: TensorLike | None = None,
    bias: TensorLike | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """Return input less its mean, divided by sqrt(variance + eps), both over the last axes, times weight, plus bias.

    `normalized_shape` is the shape of these axes (a number: of one), which weight and bias have, too, or are None.
    ValueError for others.
    Source: Ba, Kiros and Hinton, Layer normalization, 2016.

    >>> layer_norm(np.array([[1.0, 3.0], [6.0, 2.0]]), (2,), eps=1e-9)
    array([[-1.,  1.],
           [ 1., -1.]])
    """
    input = real(input, "layer_norm")
    axes = _last_axes("layer_norm", input, normalized_shape, weight, bias)
    return _standardize(input, weight, bias, axes=axes, eps=eps, centered=True)


@by_single
def rms_norm(
    input: TensorLike, normalized_shape: Shape, weight: TensorLike | None = None, eps: float | None = None
) -> Tensor:
    """Return input divided by sqrt(mean(input**2) + eps) over the last axes, times weight.

    `eps` (None) is that of the dtype. Shapes and errors are those of `layer_norm`.
    Source: Zhang and Sennrich, Root mean square layer normalization, 2019.

    >>> rms_norm(np.array([1.0, 7.0]), (2,))
    array([0.2, 1.4])
    """
    input = real(input, "rms_norm")
    axes = _last_axes("rms_norm", input, normalized_shape, weight, None)
    eps = float(np.finfo(input.dtype).eps) if eps is None else eps
    return _standardize(input, weight, None, axes=axes, eps=eps, centered=False)


def _last_axes(name: str, x: Any, normalized_shape: Shape, weight: Any, bias: Any) -> tuple[int, ...]:
    """The axes that have `normalized_shape`; ValueError if these are not x's last, or a weight has another shape."""
    shape = _shape(normalized_shape)
    first = x.ndim - len(shape)
    if not shape or x.shape[max(first, 0) :] != shape:
        raise ValueError(f"{name}: normalized_shape={shape} for an input of shape {x.shape}; expected its last axes")
    for what, a in (("weight", weight), ("bias", bias)):
        if a is not None and shape_of(a) != shape:
            raise ValueError(f"{name}: {what} of shape {shape_of(a)} for normalized_shape={shape}; expected the same")
    return tuple(range(first, x.ndim))


def _shape(normalized_shape: Shape) -> tuple[int, ...]:
    return (int(normalized_shape),) if isinstance(normalized_shape, (int, np.integer)) else tuple(normalized_shape)


@by_single
def group_norm(
    input: TensorLike,
    num_groups: int,
    weight: TensorLike | None = None,
    bias: TensorLike | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """Return input (N, C, ...) normalized over each of `num_groups` groups of channels of each sample.

    Then it is multiplied by weight (C,) and bias (C,) is added. ValueError for other shapes, for channels that do not
    make groups, and for one value in all of them.
    Source: Wu and He, Group normalization, 2018.

    >>> group_norm(np.array([[1.0, 3.0, 6.0, 2.0]]), 2, eps=1e-9)
    array([[-1.,  1.,  1., -1.]])
    """
    input = real(input, "group_norm")
    shape = input.shape
    if len(shape) < 2 or num_groups < 1 or shape[1] % num_groups:
        raise ValueError(f"group_norm: num_groups={num_groups} for an input of shape {shape}; expected (N, C, ...)")
    for what, a in (("weight", weight), ("bias", bias)):
        if a is not None and shape_of(a) != shape[1:2]:
            raise ValueError(
                f"group_norm: {what} of shape {shape_of(a)} for an input of shape {shape}; expected {shape[1:2]}"
            )
    if math.prod(shape) == num_groups:
        raise ValueError(f"group_norm: Expected more than 1 value per channel when training, got input size {shape}")
    own = num_groups, shape[1] // num_groups
    grouped = reshape(input, (shape[0], *own, *shape[2:]))
    weight, bias = (a if a is None else reshape(a, (*own, *(1,) * (len(shape) - 2))) for a in (weight, bias))
    axes = tuple(range(2, len(shape) + 1))
    return reshape(_standardize(grouped, weight, bias, axes=axes, eps=eps, centered=True), shape)


@by_single
def local_response_norm(
    input: TensorLike, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> Tensor:
    """Return input (N, C, ...) over (k + alpha * mean)**beta; the mean is of `size` neighbouring channels' squares.

    Channels beyond the first and the last count as 0. ValueError for fewer than 3 axes.
    Source: Krizhevsky, Sutskever and Hinton, ImageNet classification, 2012.

    >>> local_response_norm(np.array([[[3.0], [4.0]]]), 2, alpha=2.0, beta=0.5, k=0.0).round(3).tolist()
    [[[1.0], [0.8]]]
    """
    input = real(input, "local_response_norm")
    if input.ndim < 3:
        raise ValueError(f"local_response_norm: input of shape {input.shape}; expected (N, C, ...), 3 axes or more")
    if size < 1:
        raise ValueError(f"local_response_norm: size={size}; expected 1 or more")
    if not input.size:
        return input
    shape = input.shape
    squares = pad(reshape(square(input), (shape[0], 1, shape[1], -1)), (0, 0, size // 2, (size - 1) // 2))
    means = reshape(avg_pool2d(squares, (size, 1), 1), shape)
    return input / (k + alpha * means) ** beta


@by_single
def normalize(
    input: TensorLike, p: float = 2.0, dim: PerAxis = 1, eps: float = 1e-12, out: Tensor | None = None
) -> Tensor:
    """Return input over its norm of order p along `dim`, an axis or several; eps is the least norm.

    The result is written into `out`, if given, and this returned.

    >>> normalize(np.array([[3.0, 4.0]]))
    array([[0.6, 0.8]])
    """
    x: Any = floating(input)
    axes = normalize_axis_tuple(dim, x.ndim, "normalize: dim")
    result = x / maximum(np.linalg.vector_norm(x, axis=axes, keepdims=True, ord=p), eps)
    if out is None:
        return result
    out[...] = result
    return out


class _OverLastAxes(Module):
    """Base of the layers that normalize over the last axes."""

    weight: Parameter | None
    bias: Parameter | None

    def __init__(
        self,
        normalized_shape: Shape,
        eps: float | None,
        elementwise_affine: bool,
        bias: bool,
        device: str | None,
        dtype: DTypeLike | None,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        self.normalized_shape = _shape(normalized_shape)
        if not self.normalized_shape:
            raise ValueError(f"{name}: normalized_shape=(); expected a number or more")
        self.eps, self.elementwise_affine = eps, elementwise_affine
        self.weight = empty(self.normalized_shape, device, dtype, name=name) if elementwise_affine else None
        self.bias = empty(self.normalized_shape, device, dtype, name=name) if elementwise_affine and bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set the weight to 1 and the bias to 0."""
        _reset(self.weight, self.bias)

    def _checked(self, input: Any) -> Any:
        input, shape = real(input, type(self).__name__), self.normalized_shape
        if input.shape[-len(shape) :] != shape:
            raise ValueError(f"{type(self).__name__} expected last axes {shape}, got an input of shape {input.shape}")
        return input

    def extra_repr(self) -> str:
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"


def _reset(weight: Parameter | None, bias: Parameter | None) -> None:
    if weight is not None:
        init.ones_(weight)
    if bias is not None:
        init.zeros_(bias)


class LayerNorm(_OverLastAxes):
    """Normalizes over the last axes, of shape `normalized_shape`; see `functional.layer_norm`.

    Without `elementwise_affine` it has no weight and bias. ValueError for inputs with other last axes.

    >>> from pullback import nn
    >>> nn.LayerNorm(2, eps=1e-9)(np.array([[1.0, 3.0]])).numpy().round(3).tolist()
    [[-1.0, 1.0]]
    """

    eps: float

    def __init__(
        self,
        normalized_shape: Shape,
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        device: str | None = None,
        dtype: DTypeLike | None = None,
    ) -> None:
        super().__init__(normalized_shape, eps, elementwise_affine, bias, device, dtype)

    def forward(self, input: TensorLike) -> Tensor:
        return layer_norm(self._checked(input), self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, bias={self.bias is not None}"


class RMSNorm(_OverLastAxes):
    """Divides by the root mean square over the last axes, of shape `normalized_shape`; see `functional.rms_norm`.

    Without `elementwise_affine` it has no weight. ValueError for inputs with other last axes.

    >>> from pullback import nn
    >>> nn.RMSNorm(2)(np.array([1.0, 7.0])).numpy().round(6).tolist()
    [0.2, 1.4]
    """

    def __init__(
        self,
        normalized_shape: Shape,
        eps: float | None = None,
        elementwise_affine: bool = True,
        device: str | None = None,
        dtype: DTypeLike | None = None,
    ) -> None:
        super().__init__(normalized_shape, eps, elementwise_affine, False, device, dtype)

    def forward(self, x: TensorLike) -> Tensor:
        return rms_norm(self._checked(x), self.normalized_shape, self.weight, self.eps)


class GroupNorm(Module):
    """Normalizes groups of channels of (N, C, ...), each sample alone; see `functional.group_norm`.

    Without `affine` it has no weight and bias. ValueError for channels that do not make groups, and for inputs with
    another number of channels.

    >>> from pullback import nn
    >>> nn.GroupNorm(2, 4, eps=1e-9)(np.array([[1.0, 3.0, 6.0, 2.0]])).numpy().round(3).tolist()
    [[-1.0, 1.0, 1.0, -1.0]]
    """

    weight: Parameter | None
    bias: Parameter | None

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        device: str | None = None,
        dtype: DTypeLike | None = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        if num_groups < 1 or num_channels % num_groups:
            raise ValueError(f"GroupNorm: num_channels={num_channels} cannot be parted in num_groups={num_groups}")
        self.num_groups, self.num_channels, self.eps, self.affine = num_groups, num_channels, eps, affine
        self.weight = empty(num_channels, device, dtype, name="GroupNorm") if affine else None
        self.bias = empty(num_channels, device, dtype, name="GroupNorm") if affine and bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set the weight to 1 and the bias to 0."""
        _reset(self.weight, self.bias)

    def forward(self, input: TensorLike) -> Tensor:
        input = real(input, "GroupNorm")
        if input.ndim < 2 or input.shape[1] != self.num_channels:
            raise ValueError(f"GroupNorm expected {self.num_channels} channels, got an input of shape {input.shape}")
        return group_norm(input, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}, "
            f"bias={self.bias is not None}"
        )


class LocalResponseNorm(Module):
    """Divides by a power of the mean square of neighbouring channels; see `functional.local_response_norm`."""

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> None:
        super().__init__()
        self.size, self.alpha, self.beta, self.k = size, alpha, beta, k

    def forward(self, input: TensorLike) -> Tensor:
        return local_response_norm(input, self.size, self.alpha, self.beta, self.k)

    def extra_repr(self) -> str:
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"
