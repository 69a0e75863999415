"""Fractional max-pooling: windows of one size at places that are drawn, so many that the result has a given shape."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..autograd import Tensor, argmax, astype, expand_dims, flat_take, floor, reshape, stop_gradient, take_along_axis
from ..extend import TensorLike, drawn, lift, required, wrap
from . import init
from .windowed import Windowed, batched, per_dimension, thin

__all__ = [
    "FractionalMaxPool2d",
    "FractionalMaxPool3d",
    "fractional_max_pool2d",
    "fractional_max_pool2d_with_indices",
    "fractional_max_pool3d",
    "fractional_max_pool3d_with_indices",
]


def fractional_max_pool_nd_with_indices(
    dims: int,
    input: TensorLike,
    kernel_size: int | tuple[int, ...],
    output_size: int | tuple[int, ...] | None = None,
    output_ratio: float | tuple[float, ...] | None = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Return what `fractional_max_pool2d` (or 3d) does with `return_indices`, whatever that is here."""
    name, input = f"fractional_max_pool{dims}d", lift(input)
    kernel = per_dimension(kernel_size, dims, f"{name}: kernel_size")
    if (output_size is None) == (output_ratio is None):
        raise ValueError(f"{name}: output_size={output_size}, output_ratio={output_ratio}; expected one of the two")
    lengths = input.shape[-dims:]
    if output_size is None:
        ratios = per_dimension(output_ratio, dims, f"{name}: output_ratio")
        sizes = tuple(int(n * ratio) for n, ratio in zip(lengths, ratios, strict=False))
    else:
        sizes = per_dimension(output_size, dims, f"{name}: output_size")

    def pooled(x: Tensor) -> tuple[Tensor, Tensor]:
        if any(k < 1 or size < 1 or k + size - 1 > n for n, k, size in zip(lengths, kernel, sizes, strict=True)):
            raise ValueError(f"{name}: {sizes} windows of {kernel} do not fit an input of shape {input.shape}")
        samples = _samples(name, x, dims, _random_samples)
        places = _places(x, kernel, sizes, samples)
        chosen = expand_dims(argmax(stop_gradient(flat_take(x, places)), -1), -1)
        places = take_along_axis(places, chosen, -1)[..., 0]
        return flat_take(x, places), wrap(places) if isinstance(x, Tensor) and not isinstance(
            places, Tensor
        ) else places

    found: tuple[Tensor, Tensor] = batched(pooled, input, dims, name)
    return found


def fractional_max_pool_nd(
    dims: int,
    input: TensorLike,
    kernel_size: int | tuple[int, ...],
    output_size: int | tuple[int, ...] | None = None,
    output_ratio: float | tuple[float, ...] | None = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> Any:
    """Return the largest entries of windows of `kernel_size` at places drawn for each sample and channel.

    The input is (N, C, *spatial) or (C, *spatial); the result has the spatial shape `output_size`, or `output_ratio`
    times the input's. With `return_indices` also the places of the largest, flat over the spatial axes. The windows
    follow `_random_samples` (N, C, dims), from 0 to 1, or are drawn from this thread's generator, which
    `nn.manual_seed` starts anew. ValueError where the windows do not fit.
    Source: Graham, Fractional max-pooling, 2014.
    """
    found = fractional_max_pool_nd_with_indices(
        dims, input, kernel_size, output_size, output_ratio, return_indices, _random_samples
    )
    return found if return_indices else found[0]


_, fractional_max_pool2d, fractional_max_pool3d = thin(fractional_max_pool_nd)
_, fractional_max_pool2d_with_indices, fractional_max_pool3d_with_indices = thin(fractional_max_pool_nd_with_indices)


def _samples(name: str, x: Tensor, dims: int, given: Any) -> Any:
    """Numbers from 0 to 1 for each sample, channel and axis."""
    shape = (*x.shape[:2], dims)
    if given is None:
        return drawn(lambda shape: init.generator().random(shape, np.float32), shape)
    given = lift(given)
    if given.shape != shape:
        raise ValueError(f"{name}: _random_samples of shape {given.shape}; expected {shape}")
    required((given >= 0) & (given <= 1), f"{name}: _random_samples are not from 0 to 1")
    return stop_gradient(given)


def _places(x: Tensor, kernel: tuple[int, ...], sizes: tuple[int, ...], samples: Any) -> Any:
    """The entries of all windows, flat over the spatial axes: (N, C, *sizes, prod(kernel)).

    A sequence of starts, floor((i + u) a) - floor(u a), has gaps that are all one of two neighbouring integers; the
    last window ends where the input does.
    """
    dims, lengths = len(kernel), x.shape[2:]
    flat: Any = 0
    for axis, (n, k, size) in enumerate(zip(lengths, kernel, sizes, strict=True)):
        u = samples[..., axis if dims == 3 else 1 - axis][..., None]  # in the plane PyTorch has the last axis first
        starts = np.full((*x.shape[:2], 1), n - k)
        if size > 1:
            step = u.dtype.type((n - k) / (size - 1))
            before = floor((np.arange(size - 1, dtype=u.dtype) + u) * step) - floor(u * step)
            starts = np.concatenate([astype(before, int), starts], -1)
        entries = np.reshape(starts, (*x.shape[:2], *(size if i == axis else 1 for i in range(dims)), *(1,) * dims))
        inside = np.arange(k).reshape(tuple(k if i == axis else 1 for i in range(dims)))
        flat = (flat * n) + entries + inside
    return reshape(flat, (*x.shape[:2], *sizes, math.prod(kernel)))


class _FractionalMaxPool(Windowed):
    _random_samples: Tensor | None

    def __init__(
        self,
        kernel_size: int | tuple[int, ...],
        output_size: int | tuple[int, ...] | None = None,
        output_ratio: float | tuple[float, ...] | None = None,
        return_indices: bool = False,
        _random_samples: Tensor | None = None,
    ) -> None:
        super().__init__()
        name, dims = type(self).__name__, self._dims
        if (output_size is None) == (output_ratio is None):
            raise ValueError(f"{name}: output_size={output_size}, output_ratio={output_ratio}; expected one of the two")
        self.kernel_size = per_dimension(kernel_size, dims, f"{name}: kernel_size")
        self.return_indices = return_indices
        self.register_buffer("_random_samples", _random_samples)
        self.output_size = None if output_size is None else per_dimension(output_size, dims, f"{name}: output_size")
        self.output_ratio = None if output_ratio is None else per_dimension(output_ratio, dims, f"{name}: output_ratio")
        if min(self.kernel_size) < 1:
            raise ValueError(f"{name}: kernel_size={kernel_size}; expected 1 or more")
        if self.output_ratio is not None and not all(0 < ratio < 1 for ratio in self.output_ratio):
            raise ValueError(f"{name}: output_ratio={output_ratio}; expected numbers between 0 and 1")

    def forward(self, input: TensorLike) -> Any:
        settings = self.kernel_size, self.output_size, self.output_ratio, self.return_indices
        return fractional_max_pool_nd(self._dims, input, *settings, _random_samples=self._random_samples)


class FractionalMaxPool2d(_FractionalMaxPool, dims=2):
    """The largest entries of windows of (N, C, H, W) at places that are drawn; see `functional.fractional_max_pool2d`.

    Of `output_size` and `output_ratio` one is given.

    >>> from pullback import nn
    >>> nn.FractionalMaxPool2d(2, output_ratio=0.7)(np.zeros((1, 3, 10, 20), np.float32)).shape
    (1, 3, 7, 14)
    """


class FractionalMaxPool3d(_FractionalMaxPool, dims=3):
    """The largest entries of windows of (N, C, D, H, W) at places that are drawn; see FractionalMaxPool2d."""
