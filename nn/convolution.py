"""Convolution and its transpose, as functions and as layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import autograd
from ..autograd import Tensor, reshape
from ..extend import ArrayLike, DTypeLike, Padding, PerAxis, TensorLike
from . import init
from .factory import empty
from .module import Parameter
from .padding import pad
from .windowed import Windowed, by_sample, per_dimension, thin

__all__ = [
    "Conv1d",
    "Conv2d",
    "Conv3d",
    "ConvTranspose1d",
    "ConvTranspose2d",
    "ConvTranspose3d",
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
]


@by_sample
def conv_nd(
    dims: int,
    input: TensorLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    stride: PerAxis = 1,
    padding: Padding = 0,
    dilation: PerAxis = 1,
    groups: int = 1,
) -> Tensor:
    """Return the cross-correlation of input (N, C, *spatial) with weight (K, C/groups, *kernel), plus bias (K,).

    `padding` may be "same" or "valid"; stride, padding and dilation are numbers or one for each dimension. A single
    sample (C, *spatial) is taken, too; ValueError for other shapes.
    """
    return autograd.conv(input, weight, stride, padding, dilation, groups, bias=bias)


@by_sample
def conv_transpose_nd(
    dims: int,
    input: TensorLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    stride: PerAxis = 1,
    padding: Padding = 0,
    output_padding: PerAxis = 0,
    groups: int = 1,
    dilation: PerAxis = 1,
) -> Tensor:
    """Return the transposed convolution of input (N, C, *spatial) with weight (C, K/groups, *kernel), plus bias (K,).

    A single sample (C, *spatial) is taken, too; ValueError for other shapes.
    """
    out = autograd.conv_transpose(input, weight, stride, padding, output_padding, dilation, groups)
    return out if bias is None else out + reshape(bias, (-1, *(1,) * dims))


conv1d, conv2d, conv3d = thin(conv_nd)
conv_transpose1d, conv_transpose2d, conv_transpose3d = thin(conv_transpose_nd)


class _Conv(Windowed):
    """The common base of convolutions and transposed ones."""

    weight: Parameter
    bias: Parameter | None
    transposed = False
    _padding_modes: tuple[str, ...] = ("zeros",)
    output_padding: tuple[int, ...]

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: PerAxis,
        stride: PerAxis = 1,
        padding: Padding = 0,
        dilation: PerAxis = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: str | None = None,
        dtype: DTypeLike | None = None,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        if padding_mode not in self._padding_modes:
            raise ValueError(f"{name}: padding_mode {padding_mode!r}; expected one of {', '.join(self._padding_modes)}")
        if groups < 1 or in_channels % groups or out_channels % groups:
            raise ValueError(
                f"{name}: in_channels={in_channels}, out_channels={out_channels}; expected multiples of groups={groups}"
            )
        if isinstance(padding, str) and padding not in ("same", "valid"):
            raise ValueError(f"{name}: padding {padding!r}; expected numbers, 'same' or 'valid'")
        dims = self._dims
        self.in_channels, self.out_channels, self.groups = in_channels, out_channels, groups
        self.kernel_size = per_dimension(kernel_size, dims, f"{name}: kernel_size")
        self.stride = per_dimension(stride, dims, f"{name}: stride")
        self.padding = padding if isinstance(padding, str) else per_dimension(padding, dims, f"{name}: padding")
        self.dilation = per_dimension(dilation, dims, f"{name}: dilation")
        if padding == "same" and not self.transposed and self.stride != (1,) * dims:
            raise ValueError(f"{name}: padding='same' needs stride 1, not {self.stride}")
        self.output_padding = (0,) * dims
        self.padding_mode = padding_mode
        channels = (in_channels, out_channels) if self.transposed else (out_channels, in_channels)
        shape = (channels[0], channels[1] // groups, *self.kernel_size)
        self.weight = empty(shape, device, dtype, name=name)
        self.bias = empty(out_channels, device, dtype, name=name) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new initial values."""
        init.default_(self.weight, self.bias)

    def _weight_for(self, input: Any) -> Tensor:
        """The weight, of which each reading may be a computation; ValueError unless it fits the input's dimensions and
        channels.
        """
        shape = input.shape if hasattr(input, "shape") else np.shape(input)
        weight = self.weight
        channels = weight.shape[0] if self.transposed else weight.shape[1] * self.groups
        if len(shape) not in (self._dims + 1, self._dims + 2):
            wanted = f"{self._dims + 1} or {self._dims + 2} dimensions"
        elif shape[-1 - self._dims] != channels:
            wanted = f"{channels} channels"
        else:
            return weight
        raise ValueError(f"{type(self).__name__} expected {wanted}, got an input of shape {shape}")

    def _pairs(self) -> list[tuple[int, int]]:
        """The padding before and after each axis, where it is not "same"."""
        given = (0,) * self._dims if isinstance(self.padding, str) else self.padding
        return [tuple(p) if isinstance(p, (tuple, list)) else (p, p) for p in given]

    def extra_repr(self) -> str:
        parts = [f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"]
        zeros, ones = (0,) * self._dims, (1,) * self._dims
        if self.padding != zeros:
            parts.append(f"padding={self.padding}")
        if self.dilation != ones:
            parts.append(f"dilation={self.dilation}")
        if self.output_padding != zeros:
            parts.append(f"output_padding={self.output_padding}")
        if self.groups != 1:
            parts.append(f"groups={self.groups}")
        if self.bias is None:
            parts.append("bias=False")
        if self.padding_mode != "zeros":
            parts.append(f"padding_mode={self.padding_mode}")
        return ", ".join(parts)


class _ConvNd(_Conv):
    _padding_modes = ("zeros", "reflect", "replicate", "circular")

    def forward(self, input: TensorLike) -> Tensor:
        return conv_nd(self._dims, *self._given(input))

    def _given(self, input: Any) -> tuple[Any, ...]:
        weight = self._weight_for(input)
        padding: Any = self.padding
        if self.padding_mode != "zeros" and padding != "valid":
            input = pad(input, self._widths(), mode=self.padding_mode)
            padding = 0
        return input, weight, self.bias, self.stride, padding, self.dilation, self.groups

    def _widths(self) -> tuple[int, ...]:
        """The padding as `functional.pad` wants it: pairs, the last axis first."""
        if self.padding == "same":
            totals = [d * (k - 1) for k, d in zip(self.kernel_size, self.dilation, strict=True)]
            pairs = [(total // 2, total - total // 2) for total in totals]
        else:
            pairs = self._pairs()
        return tuple(width for pair in reversed(pairs) for width in pair)


class _ConvTransposeNd(_Conv):
    transposed = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: PerAxis,
        stride: PerAxis = 1,
        padding: Padding = 0,
        output_padding: PerAxis = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: PerAxis = 1,
        padding_mode: str = "zeros",
        device: str | None = None,
        dtype: DTypeLike | None = None,
    ) -> None:
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, padding_mode, device, dtype
        )
        self.output_padding = per_dimension(output_padding, self._dims, f"{type(self).__name__}: output_padding")

    def forward(self, input: TensorLike, output_size: Sequence[int] | None = None) -> Tensor:
        weight = self._weight_for(input)
        more = self.output_padding if output_size is None else self._output_padding(input, tuple(output_size))
        return conv_transpose_nd(
            self._dims, input, weight, self.bias, self.stride, self.padding, more, self.groups, self.dilation
        )

    def _output_padding(self, input: Any, output_size: tuple[int, ...]) -> tuple[int, ...]:
        """What must be added to the smallest possible result to get `output_size`."""
        lengths = input.shape[-self._dims :]
        if self.padding == "same":
            smallest = [n * s for n, s in zip(lengths, self.stride, strict=True)]
        else:
            spans = [d * (k - 1) + 1 for k, d in zip(self.kernel_size, self.dilation, strict=True)]
            grown = [(n - 1) * s + e for n, s, e in zip(lengths, self.stride, spans, strict=True)]
            smallest = [n - sum(pair) for n, pair in zip(grown, self._pairs(), strict=True)]
        more = tuple(n - m for n, m in zip(output_size[-self._dims :], smallest, strict=False))
        if len(output_size) not in (self._dims, input.ndim) or any(
            not 0 <= m < s for m, s in zip(more, self.stride, strict=True)
        ):
            raise ValueError(
                f"{type(self).__name__}: output_size={output_size} for an input of shape {input.shape}; each length "
                f"must be at least that of {smallest} and less than a stride {self.stride} above it"
            )
        return more


class Conv1d(_ConvNd, dims=1):
    """Cross-correlation of (N, in_channels, L) with `out_channels` learned filters, plus a bias for each."""


class Conv2d(_ConvNd, dims=2):
    """Cross-correlation of (N, in_channels, H, W) with `out_channels` learned filters, plus a bias for each.

    `padding` may be "same" or "valid"; `padding_mode` says what is padded: "zeros", "reflect", "replicate" or
    "circular". A single sample (in_channels, H, W) is taken, too.

    >>> import numpy as np
    >>> from pullback import nn
    >>> nn.Conv2d(1, 32, 3, padding=1)
    Conv2d(1, 32, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1))
    >>> nn.Conv2d(1, 32, 3)(np.zeros((5, 1, 28, 28), np.float32)).shape
    (5, 32, 26, 26)
    """


class Conv3d(_ConvNd, dims=3):
    """Cross-correlation of (N, in_channels, D, H, W) with `out_channels` learned filters, plus a bias for each."""


class ConvTranspose1d(_ConvTransposeNd, dims=1):
    """The transpose of Conv1d, from (N, in_channels, L); see ConvTranspose2d."""


class ConvTranspose2d(_ConvTransposeNd, dims=2):
    """The transpose of Conv2d (deconvolution), from (N, in_channels, H, W), plus a bias for each of `out_channels`.

    Where the stride lets several lengths convolve to the input's, `output_padding` or the argument `output_size`
    of the call (with or without the leading axes) chooses one.
    """


class ConvTranspose3d(_ConvTransposeNd, dims=3):
    """The transpose of Conv3d, from (N, in_channels, D, H, W); see ConvTranspose2d."""
