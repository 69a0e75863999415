"""Unpooling: entries put back to where max-pooling found them, as functions and as layers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import autograd
from ..autograd import Tensor, reshape, setitem, where
from ..extend import Padding, PerAxis, TensorLike, bottom
from .pooling import Pool
from .windowed import batched, per_dimension, thin

__all__ = [
    "MaxUnpool1d",
    "MaxUnpool2d",
    "MaxUnpool3d",
    "max_unpool1d",
    "max_unpool2d",
    "max_unpool3d",
]


def max_unpool_nd(
    dims: int,
    input: TensorLike,
    indices: TensorLike,
    kernel_size: PerAxis,
    stride: PerAxis | None = None,
    padding: Padding = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """Return zeros with the entries of `input` put back at `indices`, as `max_pool` returned them.

    The spatial shape is the smallest that pools to the input's, or `output_size` (with or without the leading
    axes), which may differ from it by less than a stride; ValueError for one that differs by more. Where a place is
    named twice the last entry is written, as in PyTorch, and the gradient is that entry's (`pullback.max_unpool` adds).
    """
    name = f"max_unpool{dims}d"
    if np.shape(indices) != input.shape:
        raise ValueError(f"{name}: indices of shape {np.shape(indices)} for an input of shape {input.shape}")
    kernel = per_dimension(kernel_size, dims, "kernel_size")
    steps = kernel if stride is None else per_dimension(stride, dims, "stride")
    pads = per_dimension(padding, dims, "padding")
    default = [(n - 1) * s + k - 2 * p for n, s, k, p in zip(input.shape[-dims:], steps, kernel, pads, strict=True)]
    if output_size is None:
        shape = tuple(default)
    else:
        shape = tuple(output_size)[-dims:]
        if len(output_size) not in (dims, input.ndim) or any(
            not d - s < n < d + s for n, d, s in zip(shape, default, steps, strict=True)
        ):
            raise ValueError(
                f"{name}: output_size={tuple(output_size)}; it must be within one stride {steps} of {tuple(default)}"
            )

    places = indices if isinstance(indices, Tensor) else np.asarray(indices)
    if input.ndim == dims + 1:
        places = places[None]
    return batched(lambda x: _written(x, places, shape), input, dims, name)


def _written(x: Any, places: Any, shape: tuple[int, ...]) -> Any:
    """`max_unpool`, but where a place is named twice the last entry is written, and the others are lost."""
    size, channels = math.prod(shape), math.prod(x.shape[:2])
    if places.dtype.kind in "iu" and _repeat(bottom(places).reshape(-1, math.prod(x.shape[2:])), size):
        flat = (reshape(places, (channels, -1)) + np.arange(channels)[:, None] * size).reshape(-1)
        numbers = np.arange(x.size)
        last = setitem(np.zeros(channels * size, int), flat, numbers)[flat] == numbers
        x = where(reshape(last, x.shape), x, 0)
    return autograd.max_unpool(x, places, shape)


def _repeat(rows: Any, size: int) -> bool:
    """Whether a row names one of `size` places twice; False where one is out of range, which is an error later."""
    if not rows.size or rows.min() < 0 or rows.max() >= size:
        return False
    flat = rows + np.arange(0, len(rows) * size, size)[:, None]
    return bool(np.bincount(flat.ravel()).max() > 1)


max_unpool1d, max_unpool2d, max_unpool3d = thin(max_unpool_nd)


class _MaxUnpool(Pool):
    def __init__(self, kernel_size: PerAxis, stride: PerAxis | None = None, padding: Padding = 0) -> None:
        kernel = per_dimension(kernel_size, self._dims, "kernel_size")
        steps = kernel if stride is None else per_dimension(stride, self._dims, "stride")
        super().__init__(kernel, steps, per_dimension(padding, self._dims, "padding"))

    def forward(self, input: TensorLike, indices: TensorLike, output_size: Sequence[int] | None = None) -> Tensor:
        return max_unpool_nd(self._dims, input, indices, self.kernel_size, self.stride, self.padding, output_size)


class MaxUnpool1d(_MaxUnpool, dims=1):
    """Zeros with the entries put back where MaxPool1d found them; see `functional.max_unpool1d`."""


class MaxUnpool2d(_MaxUnpool, dims=2):
    """Zeros with the entries put back where MaxPool2d found them; see `functional.max_unpool2d`."""


class MaxUnpool3d(_MaxUnpool, dims=3):
    """Zeros with the entries put back where MaxPool3d found them; see `functional.max_unpool3d`."""
