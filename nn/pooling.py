"""Pooling, as functions and as layers."""

from __future__ import annotations

import math
from typing import Any, Literal, Protocol, overload

from .. import autograd
from ..autograd import Tensor, abs, power, relu
from ..extend import OutputSize, Padding, PerAxis, TensorLike, by_single
from .windowed import Windowed, by_sample, per_dimension, thin

__all__ = [
    "AdaptiveAvgPool1d",
    "AdaptiveAvgPool2d",
    "AdaptiveAvgPool3d",
    "AdaptiveMaxPool1d",
    "AdaptiveMaxPool2d",
    "AdaptiveMaxPool3d",
    "AvgPool1d",
    "AvgPool2d",
    "AvgPool3d",
    "LPPool1d",
    "LPPool2d",
    "LPPool3d",
    "MaxPool1d",
    "MaxPool2d",
    "MaxPool3d",
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool3d",
    "adaptive_max_pool1d",
    "adaptive_max_pool1d_with_indices",
    "adaptive_max_pool2d",
    "adaptive_max_pool2d_with_indices",
    "adaptive_max_pool3d",
    "adaptive_max_pool3d_with_indices",
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "lp_pool1d",
    "lp_pool2d",
    "lp_pool3d",
    "max_pool1d",
    "max_pool1d_with_indices",
    "max_pool2d",
    "max_pool2d_with_indices",
    "max_pool3d",
    "max_pool3d_with_indices",
]


@by_sample
def max_pool_nd(
    dims: int,
    input: TensorLike,
    kernel_size: PerAxis,
    stride: PerAxis | None = None,
    padding: Padding = 0,
    dilation: PerAxis = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """Return the largest entry of every window of (N, C, *spatial) or (C, *spatial).

    With `return_indices` also its place in the flattened spatial axes. ValueError for an input of another shape.
    """
    kernel = per_dimension(kernel_size, dims, "kernel_size")
    return autograd.max_pool(input, kernel, stride, padding, dilation, ceil_mode, return_indices)


@by_sample
def avg_pool_nd(
    dims: int,
    input: TensorLike,
    kernel_size: PerAxis,
    stride: PerAxis | None = None,
    padding: Padding = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: float | None = None,
) -> Tensor:
    """Return the mean of every window of (N, C, *spatial) or (C, *spatial).

    The padding's zeros count unless `count_include_pad` is False; with `divisor_override` it is the sum over that.
    ValueError for an input of another shape.
    """
    kernel = per_dimension(kernel_size, dims, "kernel_size")
    return autograd.avg_pool(input, kernel, stride, padding, ceil_mode, count_include_pad, divisor_override)


@by_sample
def adaptive_avg_pool_nd(dims: int, input: TensorLike, output_size: OutputSize) -> Tensor:
    """Return the means of `output_size` windows along each axis, a number or one for each axis, None for its length."""
    return autograd.adaptive_avg_pool(input, output_size)


@by_sample
def adaptive_max_pool_nd(dims: int, input: TensorLike, output_size: OutputSize, return_indices: bool = False) -> Any:
    """Return the largest entries of `output_size` windows along each axis; `return_indices` is as for `max_pool2d`."""
    return autograd.adaptive_max_pool(input, output_size, return_indices)


def max_pool_nd_with_indices(
    dims: int,
    input: TensorLike,
    kernel_size: PerAxis,
    stride: PerAxis | None = None,
    padding: Padding = 0,
    dilation: PerAxis = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> tuple[Tensor, Tensor]:
    """Return what `max_pool2d` (or 1d, 3d) does with `return_indices`, whatever that is here."""
    return max_pool_nd(dims, input, kernel_size, stride, padding, dilation, ceil_mode, True)


def adaptive_max_pool_nd_with_indices(
    dims: int, input: TensorLike, output_size: OutputSize, return_indices: bool = False
) -> tuple[Tensor, Tensor]:
    """Return what `adaptive_max_pool2d` (or 1d, 3d) does with `return_indices`, whatever that is here."""
    return adaptive_max_pool_nd(dims, input, output_size, True)


def lp_pool_nd(
    dims: int,
    input: TensorLike,
    norm_type: float,
    kernel_size: PerAxis,
    stride: PerAxis | None = None,
    ceil_mode: bool = False,
) -> Tensor:
    """Return (sum x^p)^(1/p), p = `norm_type`, of every window of (N, C, *spatial) or (C, *spatial).

    Powers are those of the entries, not of their magnitudes, as in PyTorch; p may be infinite. Where the sum is 0 the
    gradient is, too. ValueError for an input of another shape, and for p = 0.
    """
    name = f"lp_pool{dims}d"
    if not norm_type:
        raise ValueError(f"{name}: norm_type={norm_type}; expected another number than 0")
    kernel = per_dimension(kernel_size, dims, f"{name}: kernel_size")
    if math.isinf(norm_type):
        sign = math.copysign(1, norm_type)
        return sign * max_pool_nd(dims, sign * abs(input), kernel, stride, 0, 1, ceil_mode)
    return _lp_pool(input, norm_type, kernel, stride, ceil_mode)


@by_single
def _lp_pool(input: TensorLike, p: float, kernel: tuple[int, ...], stride: PerAxis | None, ceil_mode: bool) -> Tensor:
    mean = avg_pool_nd(len(kernel), power(input, p), kernel, stride, 0, ceil_mode)
    total = autograd.sign(mean) * relu(abs(mean)) * math.prod(kernel)
    return power(total, 1 / p)


class _MaxPooling(Protocol):
    @overload
    def __call__(
        self,
        input: TensorLike,
        kernel_size: PerAxis,
        stride: PerAxis | None = None,
        padding: Padding = 0,
        dilation: PerAxis = 1,
        ceil_mode: bool = False,
        return_indices: Literal[False] = False,
    ) -> Tensor: ...
    @overload
    def __call__(
        self,
        input: TensorLike,
        kernel_size: PerAxis,
        stride: PerAxis | None = None,
        padding: Padding = 0,
        dilation: PerAxis = 1,
        ceil_mode: bool = False,
        *,
        return_indices: Literal[True],
    ) -> tuple[Tensor, Tensor]: ...


class _AdaptiveMaxPooling(Protocol):
    @overload
    def __call__(
        self, input: TensorLike, output_size: OutputSize, return_indices: Literal[False] = False
    ) -> Tensor: ...
    @overload
    def __call__(
        self, input: TensorLike, output_size: OutputSize, return_indices: Literal[True]
    ) -> tuple[Tensor, Tensor]: ...


_max_pools: list[_MaxPooling] = [*thin(max_pool_nd)]
max_pool1d, max_pool2d, max_pool3d = _max_pools
avg_pool1d, avg_pool2d, avg_pool3d = thin(avg_pool_nd)
adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d = thin(adaptive_avg_pool_nd)
_adaptive_max_pools: list[_AdaptiveMaxPooling] = [*thin(adaptive_max_pool_nd)]
adaptive_max_pool1d, adaptive_max_pool2d, adaptive_max_pool3d = _adaptive_max_pools
lp_pool1d, lp_pool2d, lp_pool3d = thin(lp_pool_nd)
max_pool1d_with_indices, max_pool2d_with_indices, max_pool3d_with_indices = thin(max_pool_nd_with_indices)
adaptive_max_pool1d_with_indices, adaptive_max_pool2d_with_indices, adaptive_max_pool3d_with_indices = thin(
    adaptive_max_pool_nd_with_indices
)


class Pool(Windowed):
    """Base of the layers over windows of a kernel's size."""

    def __init__(self, kernel_size: PerAxis, stride: PerAxis | None = None, padding: Padding = 0) -> None:
        super().__init__()
        self.kernel_size, self.padding = kernel_size, padding
        self.stride = kernel_size if stride is None else stride

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class _MaxPool(Pool):
    def __init__(
        self,
        kernel_size: PerAxis,
        stride: PerAxis | None = None,
        padding: Padding = 0,
        dilation: PerAxis = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__(kernel_size, stride, padding)
        self.dilation, self.return_indices, self.ceil_mode = dilation, return_indices, ceil_mode

    def forward(self, input: TensorLike) -> Tensor:
        return max_pool_nd(
            self._dims,
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.dilation,
            self.ceil_mode,
            self.return_indices,
        )

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, dilation={self.dilation}, ceil_mode={self.ceil_mode}"


class _AvgPool(Pool):
    def __init__(
        self,
        kernel_size: PerAxis,
        stride: PerAxis | None = None,
        padding: Padding = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: float | None = None,
    ) -> None:
        super().__init__(kernel_size, stride, padding)
        self.ceil_mode, self.count_include_pad, self.divisor_override = ceil_mode, count_include_pad, divisor_override

    def forward(self, input: TensorLike) -> Tensor:
        settings = self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad
        return avg_pool_nd(self._dims, input, *settings, self.divisor_override)


class _AdaptiveAvgPool(Windowed):
    def __init__(self, output_size: OutputSize) -> None:
        super().__init__()
        self.output_size = output_size

    def forward(self, input: TensorLike) -> Tensor:
        return adaptive_avg_pool_nd(self._dims, input, self.output_size)

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class _AdaptiveMaxPool(_AdaptiveAvgPool):
    def __init__(self, output_size: OutputSize, return_indices: bool = False) -> None:
        super().__init__(output_size)
        self.return_indices = return_indices

    def forward(self, input: TensorLike) -> Tensor:
        return adaptive_max_pool_nd(self._dims, input, self.output_size, self.return_indices)


class _LPPool(Windowed):
    def __init__(
        self, norm_type: float, kernel_size: PerAxis, stride: PerAxis | None = None, ceil_mode: bool = False
    ) -> None:
        super().__init__()
        self.norm_type, self.kernel_size, self.stride, self.ceil_mode = norm_type, kernel_size, stride, ceil_mode

    def forward(self, input: TensorLike) -> Tensor:
        return lp_pool_nd(self._dims, input, self.norm_type, self.kernel_size, self.stride, self.ceil_mode)

    def extra_repr(self) -> str:
        return (
            f"norm_type={self.norm_type}, kernel_size={self.kernel_size}, stride={self.stride}, "
            f"ceil_mode={self.ceil_mode}"
        )


class MaxPool1d(_MaxPool, dims=1):
    """The largest entry of every window of (N, C, L); with `return_indices` also where it was, for MaxUnpool1d."""


class MaxPool2d(_MaxPool, dims=2):
    """The largest entry of every window of (N, C, H, W); with `return_indices` also where it was, for MaxUnpool2d."""


class MaxPool3d(_MaxPool, dims=3):
    """The largest entry of every window of (N, C, D, H, W); with `return_indices` also where, for MaxUnpool3d."""


class AvgPool1d(_AvgPool, dims=1):
    """The mean of every window of (N, C, L)."""

    def __init__(
        self,
        kernel_size: PerAxis,
        stride: PerAxis | None = None,
        padding: Padding = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        kernel = per_dimension(kernel_size, 1, "kernel_size")  # tuples, in this layer alone, as in PyTorch
        steps = kernel if stride is None else per_dimension(stride, 1, "stride")
        super().__init__(kernel, steps, per_dimension(padding, 1, "padding"), ceil_mode, count_include_pad)


class AvgPool2d(_AvgPool, dims=2):
    """The mean of every window of (N, C, H, W)."""


class AvgPool3d(_AvgPool, dims=3):
    """The mean of every window of (N, C, D, H, W)."""


class AdaptiveAvgPool1d(_AdaptiveAvgPool, dims=1):
    """The means of `output_size` windows of (N, C, L); see `functional.adaptive_avg_pool1d`."""


class AdaptiveMaxPool1d(_AdaptiveMaxPool, dims=1):
    """The largest entries of `output_size` windows of (N, C, L); see `functional.adaptive_max_pool1d`."""


class AdaptiveAvgPool2d(_AdaptiveAvgPool, dims=2):
    """The means of `output_size` windows of (N, C, H, W); see `functional.adaptive_avg_pool2d`."""


class AdaptiveMaxPool2d(_AdaptiveMaxPool, dims=2):
    """The largest entries of `output_size` windows of (N, C, H, W); see `functional.adaptive_max_pool2d`."""


class AdaptiveAvgPool3d(_AdaptiveAvgPool, dims=3):
    """The means of `output_size` windows of (N, C, D, H, W); see `functional.adaptive_avg_pool3d`."""


class AdaptiveMaxPool3d(_AdaptiveMaxPool, dims=3):
    """The largest entries of `output_size` windows of (N, C, D, H, W); see `functional.adaptive_max_pool3d`."""


class LPPool1d(_LPPool, dims=1):
    """(sum x^p)^(1/p), p = `norm_type`, of every window of (N, C, L); see `functional.lp_pool1d`."""


class LPPool2d(_LPPool, dims=2):
    """(sum x^p)^(1/p), p = `norm_type`, of every window of (N, C, H, W); see `functional.lp_pool2d`."""


class LPPool3d(_LPPool, dims=3):
    """(sum x^p)^(1/p), p = `norm_type`, of every window of (N, C, D, H, W); see `functional.lp_pool3d`."""
