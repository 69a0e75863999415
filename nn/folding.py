"""Windows as columns and back, and entries moved between channels and places, as functions and as layers."""

from __future__ import annotations

from typing import Any

from ..autograd import Tensor, col2im, im2col, moveaxis, reshape, swapaxes
from ..extend import TensorLike, lift
from .module import Module
from .windowed import batched, per_dimension

__all__ = [
    "ChannelShuffle",
    "Fold",
    "PixelShuffle",
    "PixelUnshuffle",
    "Unfold",
    "channel_shuffle",
    "fold",
    "pixel_shuffle",
    "pixel_unshuffle",
    "unfold",
]

Pair = int | tuple[int, int]


def _settings(name: str, kernel_size: Pair, dilation: Pair, padding: Pair, stride: Pair) -> tuple[Any, ...]:
    """What `im2col` and `col2im` take, in their order."""
    given = {"kernel_size": kernel_size, "stride": stride, "padding": padding, "dilation": dilation}
    return tuple(per_dimension(value, 2, f"{name}: {argument}") for argument, value in given.items())


def unfold(input: TensorLike, kernel_size: Pair, dilation: Pair = 1, padding: Pair = 0, stride: Pair = 1) -> Tensor:
    """Return the windows of (N, C, H, W) or (C, H, W) as columns: (N, C * prod(kernel_size), L), or without N.

    Settings are numbers or pairs. ValueError for an input of another shape and windows that do not fit.
    """
    settings = _settings("unfold", kernel_size, dilation, padding, stride)
    columns: Tensor = batched(lambda x: im2col(x, *settings), lift(input), 2, "unfold")
    return columns


def fold(
    input: TensorLike, output_size: Pair, kernel_size: Pair, dilation: Pair = 1, padding: Pair = 0, stride: Pair = 1
) -> Tensor:
    """Return columns (N, C * prod(kernel_size), L) added to zeros (N, C, *output_size): the transpose of `unfold`.

    Without N the result has none either. ValueError for columns of another shape.
    """
    input, settings = lift(input), _settings("fold", kernel_size, dilation, padding, stride)
    size = per_dimension(output_size, 2, "fold: output_size")
    if input.ndim not in (2, 3):
        raise ValueError(f"fold: input of shape {input.shape}; expected (N, C * prod(kernel_size), L) or without N")
    image: Tensor = batched(lambda columns: col2im(columns, size, *settings), input, 1, "fold")
    return image


def pixel_shuffle(input: TensorLike, upscale_factor: int) -> Tensor:
    """Return (..., C r^2, H, W) as (..., C, H r, W r), r = `upscale_factor`: channels become places.

    ValueError where the channels are no multiple of r^2.
    Source: Shi et al., Real-time single image and video super-resolution, 2016.

    >>> import numpy as np
    >>> pixel_shuffle(np.array([[[1.0]], [[2.0]], [[3.0]], [[4.0]]]), 2)
    array([[[1., 2.],
            [3., 4.]]])
    """
    r, (*lead, channels, height, width) = upscale_factor, _shape("pixel_shuffle", input, upscale_factor)
    if channels % (r * r):
        raise ValueError(f"pixel_shuffle: input of shape {input.shape}; expected a multiple of {r * r} channels")
    x = reshape(input, (*lead, channels // (r * r), r, r, height, width))
    return reshape(moveaxis(x, (-4, -3), (-3, -1)), (*lead, channels // (r * r), height * r, width * r))


def pixel_unshuffle(input: TensorLike, downscale_factor: int) -> Tensor:
    """Return (..., C, H r, W r) as (..., C r^2, H, W), r = `downscale_factor`: the inverse of `pixel_shuffle`.

    ValueError where the lengths are no multiples of r.
    """
    r, (*lead, channels, height, width) = downscale_factor, _shape("pixel_unshuffle", input, downscale_factor)
    if height % r or width % r:
        raise ValueError(f"pixel_unshuffle: input of shape {input.shape}; expected lengths that are multiples of {r}")
    x = reshape(input, (*lead, channels, height // r, r, width // r, r))
    return reshape(moveaxis(x, (-3, -1), (-4, -3)), (*lead, channels * r * r, height // r, width // r))


def _shape(name: str, x: TensorLike, factor: int) -> tuple[int, ...]:
    if x.ndim < 3:
        raise ValueError(f"{name}: input of shape {x.shape}; expected (..., C, H, W)")
    if factor < 1:
        raise ValueError(f"{name}: factor {factor}; expected 1 or more")
    return x.shape


def channel_shuffle(input: TensorLike, groups: int) -> Tensor:
    """Return (N, C, ...) with the channels of `groups` groups taken from each in turn.

    ValueError where the channels are no multiple of `groups`.
    Source: Zhang et al., ShuffleNet, 2018.

    >>> import numpy as np
    >>> channel_shuffle(np.arange(4.0).reshape(1, 4, 1), 2).ravel()
    array([0., 2., 1., 3.])
    """
    shape = input.shape
    if len(shape) < 3 or groups < 1 or shape[1] % groups:
        raise ValueError(
            f"channel_shuffle: input of shape {shape}, groups={groups}; expected (N, C, ...) with a multiple"
        )
    x = reshape(input, (shape[0], groups, shape[1] // groups, *shape[2:]))
    return reshape(swapaxes(x, 1, 2), shape)


class Unfold(Module):
    """A layer that makes columns of the windows of (N, C, H, W) or (C, H, W); see `functional.unfold`.

    >>> import numpy as np
    >>> from pullback import nn
    >>> nn.Unfold(2)(np.zeros((1, 3, 4, 5))).shape
    (1, 12, 12)
    """

    def __init__(self, kernel_size: Pair, dilation: Pair = 1, padding: Pair = 0, stride: Pair = 1) -> None:
        super().__init__()
        self.kernel_size, self.dilation, self.padding, self.stride = kernel_size, dilation, padding, stride

    def forward(self, input: TensorLike) -> Tensor:
        return unfold(input, self.kernel_size, self.dilation, self.padding, self.stride)

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, dilation={self.dilation}, padding={self.padding}, stride={self.stride}"


class Fold(Unfold):
    """A layer that adds columns to zeros of (N, C, *output_size), where Unfold took them; see `functional.fold`."""

    def __init__(
        self, output_size: Pair, kernel_size: Pair, dilation: Pair = 1, padding: Pair = 0, stride: Pair = 1
    ) -> None:
        super().__init__(kernel_size, dilation, padding, stride)
        self.output_size = output_size

    def forward(self, input: TensorLike) -> Tensor:
        return fold(input, self.output_size, self.kernel_size, self.dilation, self.padding, self.stride)

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}, {super().extra_repr()}"


class PixelShuffle(Module):
    """A layer that makes (..., C r^2, H, W) to (..., C, H r, W r); see `functional.pixel_shuffle`."""

    def __init__(self, upscale_factor: int) -> None:
        super().__init__()
        self.upscale_factor = upscale_factor

    def forward(self, input: TensorLike) -> Tensor:
        return pixel_shuffle(input, self.upscale_factor)

    def extra_repr(self) -> str:
        return f"upscale_factor={self.upscale_factor}"


class PixelUnshuffle(Module):
    """A layer that makes (..., C, H r, W r) to (..., C r^2, H, W); see `functional.pixel_unshuffle`."""

    def __init__(self, downscale_factor: int) -> None:
        super().__init__()
        self.downscale_factor = downscale_factor

    def forward(self, input: TensorLike) -> Tensor:
        return pixel_unshuffle(input, self.downscale_factor)

    def extra_repr(self) -> str:
        return f"downscale_factor={self.downscale_factor}"


class ChannelShuffle(Module):
    """A layer that takes channels from each of `groups` groups in turn; see `functional.channel_shuffle`."""

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.groups = groups

    def forward(self, input: TensorLike) -> Tensor:
        return channel_shuffle(input, self.groups)

    def extra_repr(self) -> str:
        return f"groups={self.groups}"
