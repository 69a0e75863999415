"""Pooling and unpooling layers: one N-d class of each kind, thin names over it."""

from __future__ import annotations

from typing import Any

from . import windowed
from .module import Module


class _Pool(Module):
    _dims: int

    def __init__(self, kernel_size: Any, stride: Any = None, padding: Any = 0) -> None:
        super().__init__()
        self.kernel_size, self.padding = kernel_size, padding
        self.stride = kernel_size if stride is None else stride

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class _MaxPool(_Pool):
    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        dilation: Any = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__(kernel_size, stride, padding)
        self.dilation, self.return_indices, self.ceil_mode = dilation, return_indices, ceil_mode

    def forward(self, input: Any) -> Any:
        return windowed.max_pool_nd(
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


class _AvgPool(_Pool):
    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: float | None = None,
    ) -> None:
        super().__init__(kernel_size, stride, padding)
        self.ceil_mode, self.count_include_pad, self.divisor_override = ceil_mode, count_include_pad, divisor_override

    def forward(self, input: Any) -> Any:
        settings = self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad
        return windowed.avg_pool_nd(self._dims, input, *settings, self.divisor_override)


class _AdaptiveAvgPool(Module):
    _dims: int

    def __init__(self, output_size: Any) -> None:
        super().__init__()
        self.output_size = output_size

    def forward(self, input: Any) -> Any:
        return windowed.adaptive_avg_pool_nd(self._dims, input, self.output_size)

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class _AdaptiveMaxPool(_AdaptiveAvgPool):
    def __init__(self, output_size: Any, return_indices: bool = False) -> None:
        super().__init__(output_size)
        self.return_indices = return_indices

    def forward(self, input: Any) -> Any:
        return windowed.adaptive_max_pool_nd(self._dims, input, self.output_size, self.return_indices)


class _MaxUnpool(_Pool):
    def __init__(self, kernel_size: Any, stride: Any = None, padding: Any = 0) -> None:
        kernel = windowed.per_dimension(kernel_size, self._dims, "kernel_size")
        steps = kernel if stride is None else windowed.per_dimension(stride, self._dims, "stride")
        super().__init__(kernel, steps, windowed.per_dimension(padding, self._dims, "padding"))

    def forward(self, input: Any, indices: Any, output_size: Any = None) -> Any:
        return windowed.max_unpool_nd(
            self._dims, input, indices, self.kernel_size, self.stride, self.padding, output_size
        )


class MaxPool1d(_MaxPool):
    """The largest entry of every window of (N, C, L); with `return_indices` also where it was, for MaxUnpool1d."""

    _dims = 1


class MaxPool2d(_MaxPool):
    """The largest entry of every window of (N, C, H, W); with `return_indices` also where it was, for MaxUnpool2d."""

    _dims = 2


class MaxPool3d(_MaxPool):
    """The largest entry of every window of (N, C, D, H, W); with `return_indices` also where, for MaxUnpool3d."""

    _dims = 3


class AvgPool1d(_AvgPool):
    """The mean of every window of (N, C, L)."""

    _dims = 1


class AvgPool2d(_AvgPool):
    """The mean of every window of (N, C, H, W)."""

    _dims = 2


class AvgPool3d(_AvgPool):
    """The mean of every window of (N, C, D, H, W)."""

    _dims = 3


class MaxUnpool1d(_MaxUnpool):
    """Zeros with the entries put back where MaxPool1d found them; see `functional.max_unpool1d`."""

    _dims = 1


class MaxUnpool2d(_MaxUnpool):
    """Zeros with the entries put back where MaxPool2d found them; see `functional.max_unpool2d`."""

    _dims = 2


class MaxUnpool3d(_MaxUnpool):
    """Zeros with the entries put back where MaxPool3d found them; see `functional.max_unpool3d`."""

    _dims = 3


class AdaptiveAvgPool1d(_AdaptiveAvgPool):
    """The means of `output_size` windows of (N, C, L); see `functional.adaptive_avg_pool1d`."""

    _dims = 1


class AdaptiveMaxPool1d(_AdaptiveMaxPool):
    """The largest entries of `output_size` windows of (N, C, L); see `functional.adaptive_max_pool1d`."""

    _dims = 1


class AdaptiveAvgPool2d(_AdaptiveAvgPool):
    """The means of `output_size` windows of (N, C, H, W); see `functional.adaptive_avg_pool2d`."""

    _dims = 2


class AdaptiveMaxPool2d(_AdaptiveMaxPool):
    """The largest entries of `output_size` windows of (N, C, H, W); see `functional.adaptive_max_pool2d`."""

    _dims = 2


class AdaptiveAvgPool3d(_AdaptiveAvgPool):
    """The means of `output_size` windows of (N, C, D, H, W); see `functional.adaptive_avg_pool3d`."""

    _dims = 3


class AdaptiveMaxPool3d(_AdaptiveMaxPool):
    """The largest entries of `output_size` windows of (N, C, D, H, W); see `functional.adaptive_max_pool3d`."""

    _dims = 3
