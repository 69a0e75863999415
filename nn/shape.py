"""Other shapes: flattening, its inverse and padding, as functions and as modules."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import autograd
from ..autograd import Tensor, flatten, getitem
from ..extend import Given, TensorLike
from .module import Module

__all__ = [
    "Flatten",
    "Unflatten",
    "flatten",
    "pad",
    "unflatten",
]


def unflatten(input: TensorLike, dim: int, unflattened_size: tuple[int, ...]) -> Tensor:
    """Make several axes of the axis `dim`, of the lengths `unflattened_size`, one of which may be -1.

    ValueError if the lengths do not fit.

    >>> unflatten(np.zeros((2, 12)), 1, (3, -1)).shape
    (2, 3, 4)
    """
    return autograd.unflatten(input, dim, unflattened_size)


def pad(input: Given, pad: tuple[int, ...], mode: str = "constant", value: float = 0.0) -> Given:
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


class Flatten(Module):
    """A layer that makes one axis of those from `start_dim` to `end_dim`; see `functional.flatten`."""

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        super().__init__()
        self.start_dim, self.end_dim = start_dim, end_dim

    def forward(self, input: TensorLike) -> Tensor:
        return flatten(input, self.start_dim, self.end_dim)

    def extra_repr(self) -> str:
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Unflatten(Module):
    """A layer that makes several axes of the axis `dim`; see `functional.unflatten`.

    TypeError for names of axes, which PyTorch takes and arrays do not have, and for sizes that are no integers.
    """

    def __init__(self, dim: int, unflattened_size: tuple[int, ...]) -> None:
        super().__init__()
        if isinstance(dim, str):
            raise TypeError(f"Unflatten: dim={dim!r}; axes of arrays have no names, write the number")
        if not isinstance(unflattened_size, (tuple, list)) or any(
            isinstance(n, (str, tuple)) for n in unflattened_size
        ):
            raise TypeError(f"Unflatten: unflattened_size={unflattened_size!r}; expected a tuple of integers")
        self.dim, self.unflattened_size = dim, tuple(unflattened_size)

    def forward(self, input: TensorLike) -> Tensor:
        return unflatten(input, self.dim, self.unflattened_size)

    def extra_repr(self) -> str:
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"
