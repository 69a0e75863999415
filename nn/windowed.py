"""Convolution and pooling as functions: one N-d form each, and thin 1d, 2d and 3d names over it.

Inputs are (N, C, *spatial), or (C, *spatial) for a single sample, whose result has no batch axis either.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import autograd
from ..autograd import Tensor, expand_dims, getitem, reshape, squeeze


def per_dimension(value: Any, dims: int, name: str) -> tuple[Any, ...]:
    """A number as that number for each dimension; ValueError if there is not one value for each."""
    values = tuple(value) if isinstance(value, (tuple, list)) else (value,) * dims
    if len(values) != dims:
        raise ValueError(f"{name}={value}: {len(values)} values for {dims} spatial dimensions")
    return values


def _batched(function: Callable[[Any], Any], x: Any, dims: int, name: str) -> Any:
    """`function` of a batch, for a batch or a single sample."""
    if x.ndim == dims + 2:
        return function(x)
    if x.ndim != dims + 1:
        raise ValueError(
            f"{name}: input of shape {x.shape}; expected (N, C, ...) or (C, ...) with {dims} spatial dimensions"
        )
    out = function(expand_dims(x, 0))
    return tuple(squeeze(o, 0) for o in out) if isinstance(out, tuple) else squeeze(out, 0)


def _thin(function: Callable[..., Any]) -> list[Callable[..., Any]]:
    """The 1d, 2d and 3d forms of a function whose first argument is the number of dimensions."""

    def fixed(dims: int) -> Callable[..., Any]:
        def named(*args: Any, **kwargs: Any) -> Any:
            return function(dims, *args, **kwargs)

        signature = inspect.signature(function)
        named.__name__ = named.__qualname__ = function.__name__.replace("_nd", f"{dims}d")
        named.__doc__, named.__module__ = function.__doc__, function.__module__
        named.__signature__ = signature.replace(parameters=list(signature.parameters.values())[1:])  # type: ignore[attr-defined]
        return named

    return [fixed(dims) for dims in (1, 2, 3)]


def conv_nd(
    dims: int,
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Any:
    """Cross-correlation of input (N, C, *spatial) with weight (K, C/groups, *kernel), plus bias (K,).

    `padding` may be "same" or "valid"; stride, padding and dilation are numbers or one for each dimension.
    """

    def run(x: Any) -> Any:
        return autograd.conv(x, weight, stride, padding, dilation, groups, bias=bias)

    return _batched(run, input, dims, f"conv{dims}d")


def conv_transpose_nd(
    dims: int,
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Any:
    """The transposed convolution of input (N, C, *spatial) with weight (C, K/groups, *kernel), plus bias (K,)."""

    def run(x: Any) -> Any:
        out = autograd.conv_transpose(x, weight, stride, padding, output_padding, dilation, groups)
        return out if bias is None else out + reshape(bias, (-1, *(1,) * dims))

    return _batched(run, input, dims, f"conv_transpose{dims}d")


def max_pool_nd(
    dims: int,
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest entry of every window; with `return_indices` also its place in the flattened spatial axes."""
    kernel = per_dimension(kernel_size, dims, "kernel_size")

    def run(x: Any) -> Any:
        return autograd.max_pool(x, kernel, stride, padding, dilation, ceil_mode, return_indices)

    return _batched(run, input, dims, f"max_pool{dims}d")


def avg_pool_nd(
    dims: int,
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: float | None = None,
) -> Any:
    """The mean of every window, the padding's zeros counted unless `count_include_pad` is False; or its sum over
    `divisor_override`."""
    kernel = per_dimension(kernel_size, dims, "kernel_size")

    def run(x: Any) -> Any:
        return autograd.avg_pool(x, kernel, stride, padding, ceil_mode, count_include_pad, divisor_override)

    return _batched(run, input, dims, f"avg_pool{dims}d")


def adaptive_avg_pool_nd(dims: int, input: Any, output_size: Any) -> Any:
    """The means of as many windows along each axis as `output_size` says, None for an axis that stays as it is."""
    return _batched(lambda x: autograd.adaptive_avg_pool(x, output_size), input, dims, f"adaptive_avg_pool{dims}d")


def adaptive_max_pool_nd(dims: int, input: Any, output_size: Any, return_indices: bool = False) -> Any:
    """The largest entries of as many windows along each axis as `output_size` says; see `max_pool_nd`."""
    return _batched(
        lambda x: autograd.adaptive_max_pool(x, output_size, return_indices), input, dims, f"adaptive_max_pool{dims}d"
    )


def max_unpool_nd(
    dims: int,
    input: Any,
    indices: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    output_size: Any = None,
) -> Any:
    """Zeros with the entries of `input` put back at `indices`, as `max_pool` returned them.

    The spatial shape is the smallest that pools to the input's, or `output_size` (with or without the leading
    axes), which may differ from it by less than a stride.
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
    return _batched(lambda x: autograd.max_unpool(x, places, shape), input, dims, name)


conv1d, conv2d, conv3d = _thin(conv_nd)
conv_transpose1d, conv_transpose2d, conv_transpose3d = _thin(conv_transpose_nd)
max_pool1d, max_pool2d, max_pool3d = _thin(max_pool_nd)
avg_pool1d, avg_pool2d, avg_pool3d = _thin(avg_pool_nd)
adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d = _thin(adaptive_avg_pool_nd)
adaptive_max_pool1d, adaptive_max_pool2d, adaptive_max_pool3d = _thin(adaptive_max_pool_nd)
max_unpool1d, max_unpool2d, max_unpool3d = _thin(max_unpool_nd)


def pad(input: Any, pad: tuple[int, ...], mode: str = "constant", value: float = 0.0) -> Any:
    """Pad the last axes; `pad` has a pair (before, after) for each, the last axis first, as in PyTorch.

    Where a number is negative, as many entries are cut off, before the others are padded.
    `mode` is "constant" (with `value`), "reflect", "replicate" or "circular"; ValueError where reflect or
    circular would need more than the axis has.

    >>> pad(Tensor([1.0, 2.0, 3.0]), (2, 1), mode="reflect")
    Tensor([3., 2., 1., 2., 3., 2.])
    """
    if len(pad) % 2 or len(pad) > 2 * input.ndim:
        raise ValueError(f"pad: pad={pad} for an input of shape {input.shape}; expected pairs, at most one an axis")
    if mode not in ("constant", "reflect", "replicate", "circular"):
        raise ValueError(f"pad: mode {mode!r}; expected 'constant', 'reflect', 'replicate' or 'circular'")
    for i, widths in enumerate(zip(pad[::2], pad[1::2], strict=True)):
        axis = input.ndim - 1 - i
        if any(widths):
            input = _pad_axis(input, axis, widths, mode, value)
    return input


def _pad_axis(x: Any, axis: int, widths: tuple[int, int], mode: str, value: float) -> Any:
    if min(widths) < 0 and mode in ("constant", "circular"):
        start, stop = max(-widths[0], 0), x.shape[axis] - max(-widths[1], 0)
        if start > stop:
            raise ValueError(f"pad: {widths} cuts more than there is from an axis of length {x.shape[axis]}")
        x = getitem(x, (slice(None),) * axis + (slice(start, stop),))
        widths = max(widths[0], 0), max(widths[1], 0)
    if mode == "constant":
        fill = autograd.full if isinstance(value, Tensor) else np.full
        blocks = [fill((*x.shape[:axis], n, *x.shape[axis + 1 :]), value, dtype=x.dtype) for n in widths]
        return autograd.concatenate([blocks[0], x, blocks[1]], axis=axis)
    length = x.shape[axis]
    most = {"reflect": length - 1, "circular": length}.get(mode, max(widths))
    if max(widths) > most or not length:
        raise ValueError(f"pad: {widths} for an axis of length {length}; mode {mode!r} takes at most {most}")
    places = np.arange(-widths[0], length + widths[1])
    if mode == "reflect":
        places = length - 1 - np.abs(length - 1 - np.abs(places))
    elif mode == "replicate":
        places = places.clip(0, length - 1)
    return getitem(x, (slice(None),) * axis + (places % length,))
