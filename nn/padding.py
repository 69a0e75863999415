"""Padding, as a function and as layers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from .. import autograd
from ..autograd import Tensor, getitem
from ..extend import TensorLike, lift, linear, pooled
from .windowed import Windowed

__all__ = [
    "CircularPad1d",
    "CircularPad2d",
    "CircularPad3d",
    "ConstantPad1d",
    "ConstantPad2d",
    "ConstantPad3d",
    "ReflectionPad1d",
    "ReflectionPad2d",
    "ReflectionPad3d",
    "ReplicationPad1d",
    "ReplicationPad2d",
    "ReplicationPad3d",
    "ZeroPad1d",
    "ZeroPad2d",
    "ZeroPad3d",
    "pad",
]

Widths = tuple[tuple[int, int], ...]


def pad(input: TensorLike, pad: Sequence[int], mode: str = "constant", value: float | Tensor | None = None) -> Tensor:
    """Pad the last axes; `pad` has a pair (before, after) for each, the last axis first, as in PyTorch.

    Where a number is negative, as many entries are cut off, before the others are padded.
    `mode` is "constant" (with `value`, or 0), "reflect", "replicate" or "circular"; ValueError where reflect or
    circular would need more than the axis has, and for a `value` that they do not take.

    >>> pad(Tensor([1.0, 2.0, 3.0]), (2, 1), mode="reflect")
    Tensor([3., 2., 1., 2., 3., 2.])
    """
    input = lift(input)
    if len(pad) % 2 or len(pad) > 2 * input.ndim:
        raise ValueError(f"pad: pad={pad} for an input of shape {input.shape}; expected pairs, at most one an axis")
    if mode not in ("constant", "reflect", "replicate", "circular"):
        raise ValueError(f"pad: mode {mode!r}; expected 'constant', 'reflect', 'replicate' or 'circular'")
    if mode != "constant" and not (value is None or (isinstance(value, (int, float)) and value == 0)):
        raise ValueError(f"pad: value={value} in mode {mode!r}; it is for mode 'constant'")
    widths = tuple(zip(pad[-2::-2], pad[::-2], strict=True))  # of the last axes, in their order
    _check(input.shape[input.ndim - len(widths) :], widths, mode)
    if mode in ("constant", "circular"):
        input, widths = _cut(input, widths), tuple((max(b, 0), max(a, 0)) for b, a in widths)
    if not any(map(any, widths)):
        same: Any = input
        return same
    if mode == "constant":
        return _filled(input, ((0, 0),) * (input.ndim - len(widths)) + widths, 0 if value is None else value)
    around = tuple((max(b, 0), max(a, 0)) for b, a in widths)
    out = pad_edges.apply(input, widths=around, mode=mode) if any(map(any, around)) else input
    return _cut(out, widths)


def _check(lengths: tuple[int, ...], widths: Widths, mode: str) -> None:
    """ValueError where there is less to cut off or to copy than is asked for."""
    for n, pair in zip(lengths, widths, strict=True):
        if n + min(pair[0], 0) + min(pair[1], 0) < 0:
            raise ValueError(f"pad: {pair} cuts more than there is from an axis of length {n}")
        left = n + min(pair[0], 0) + min(pair[1], 0)
        most = {"reflect": n - 1, "circular": left, "replicate": max(pair) if n else 0}.get(mode, max(pair))
        if max(pair) > max(most, 0):
            raise ValueError(f"pad: {pair} for an axis of length {n}; mode {mode!r} takes at most {max(most, 0)}")


def _cut(x: Any, widths: Widths) -> Any:
    """The last axes without what negative widths cut off."""
    if all(min(pair) >= 0 for pair in widths):
        return x
    lengths = x.shape[x.ndim - len(widths) :]
    kept = [slice(max(-b, 0), n - max(-a, 0)) for n, (b, a) in zip(lengths, widths, strict=True)]
    index: Any = (..., *kept)
    return getitem(x, index)


def _filled(x: TensorLike, widths: Widths, value: float | Tensor) -> Tensor:
    if isinstance(value, (int, float)) and value == 0:
        return autograd.pad(x, widths)
    return autograd.pad(x, widths, constant_values=value)


def _edges(n: int, before: int, after: int, mode: str) -> Iterator[tuple[slice, slice]]:
    """Where, along an axis with its padding, the padding is and what it is a copy of."""
    last, end = before + n - 1, before + n + after
    if mode == "reflect":
        yield slice(0, before), slice(2 * before, before, -1)
        yield slice(last + 1, end), slice(last - 1, last - 1 - after if last > after else None, -1)
    elif mode == "replicate":
        yield slice(0, before), slice(before, before + 1)
        yield slice(last + 1, end), slice(last, last + 1)
    else:
        yield slice(0, before), slice(n, n + before)
        yield slice(last + 1, end), slice(before, before + after)


def _steps(shape: tuple[int, ...], widths: Widths, mode: str) -> Iterator[tuple[int, Any, Any]]:
    """Axis by axis, the last one first: where the padding of an array of that shape (with it) is, in those rows that
    are no padding of the axes before, and what it is a copy of."""
    lengths = [m - b - a for m, (b, a) in zip(shape[len(shape) - len(widths) :], widths, strict=True)]
    inside = [slice(b, b + n) for n, (b, _) in zip(lengths, widths, strict=True)]
    for i in reversed(range(len(widths))):
        for target, source in _edges(lengths[i], *widths[i], mode):
            if target.start < target.stop:
                behind = (slice(None),) * (len(widths) - i - 1)
                yield i - len(widths), (..., *inside[:i], target, *behind), (..., *inside[:i], source, *behind)


def _inside(shape: tuple[int, ...], widths: Widths) -> Any:
    lengths = shape[len(shape) - len(widths) :]
    return (..., *(slice(b, m - a) for m, (b, a) in zip(lengths, widths, strict=True)))


@linear("x")
def pad_edges(x: Any, *, widths: Widths, mode: str) -> Any:
    """The last axes of x with copies of their entries around them, as `pad` has them."""
    lead = x.shape[: x.ndim - len(widths)]
    sides = (n + b + a for n, (b, a) in zip(x.shape[len(lead) :], widths, strict=True))
    out = pooled((*lead, *sides), x.dtype)
    out[_inside(out.shape, widths)] = x
    for _, target, source in _steps(out.shape, widths, mode):
        out[target] = out[source]
    return out


@linear("y")
def fold_edges(y: Any, *, widths: Widths, mode: str) -> Any:
    """The transpose of `pad_edges`: the padding added to what it is a copy of."""
    total = pooled(y.shape, y.dtype)
    total[...] = y
    for axis, target, source in reversed(list(_steps(y.shape, widths, mode))):
        total[source] += total[target].sum(axis, keepdims=True) if mode == "replicate" else total[target]
    return total[_inside(y.shape, widths)].copy()


pad_edges.vjp("x")(lambda g, widths, mode: fold_edges.apply(g, widths=widths, mode=mode))
fold_edges.vjp("y")(lambda g, widths, mode: pad_edges.apply(g, widths=widths, mode=mode))


def _in_front(call: Any, n: int, values: Any, batched: set[int], /, **options: Any) -> Any:
    return call(*values, **options)


pad_edges.batch(_in_front)
fold_edges.batch(_in_front)


def _draw(draw: Any) -> tuple[tuple[int, ...], Widths, str]:
    lengths = tuple(draw.integer(2, 4) for _ in range(draw.integer(1, 2)))
    mode = ("reflect", "replicate", "circular")[draw.integer(0, 2)]
    return lengths, tuple((draw.integer(0, n - 1), draw.integer(0, n - 1)) for n in lengths), mode


@pad_edges.strategy
def _(draw: Any) -> Any:
    lengths, widths, mode = _draw(draw)
    return (draw.array(shape=(draw.integer(0, 2), *lengths)),), {"widths": widths, "mode": mode}


@fold_edges.strategy
def _(draw: Any) -> Any:
    lengths, widths, mode = _draw(draw)
    shape = tuple(n + b + a for n, (b, a) in zip(lengths, widths, strict=True))
    return (draw.array(shape=(draw.integer(0, 2), *shape)),), {"widths": widths, "mode": mode}


class _Pad(Windowed):
    """The common base: `padding` is a number for all sides, or a pair for each axis, the last axis first."""

    _mode: str
    padding: tuple[int, ...]

    def __init__(self, padding: int | Sequence[int]) -> None:
        super().__init__()
        sides = 2 * self._dims
        self.padding = (padding,) * sides if isinstance(padding, int) else tuple(padding)
        if len(self.padding) != sides:
            raise ValueError(f"{type(self).__name__}: padding={padding}; expected a number or {sides} of them")

    def forward(self, input: TensorLike) -> Tensor:
        if np.ndim(input) not in (self._dims + 1, self._dims + 2):
            raise ValueError(
                f"{type(self).__name__} expected {self._dims + 1} or {self._dims + 2} dimensions, "
                f"got an input of shape {np.shape(input)}"
            )
        return pad(input, self.padding, self._mode)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class _ConstantPad(_Pad):
    value: float

    def __init__(self, padding: int | Sequence[int], value: float) -> None:
        super().__init__(padding)
        self.value = value

    def forward(self, input: TensorLike) -> Tensor:
        return pad(input, self.padding, "constant", self.value)

    def extra_repr(self) -> str:
        return f"padding={self.padding}, value={self.value}"


class _ZeroPad(_ConstantPad):
    def __init__(self, padding: int | Sequence[int]) -> None:
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class _ReflectionPad(_Pad):
    _mode = "reflect"


class _ReplicationPad(_Pad):
    _mode = "replicate"


class _CircularPad(_Pad):
    _mode = "circular"


class ConstantPad1d(_ConstantPad, dims=1):
    """A layer that puts `value` around (N, C, L) or (C, L); see `functional.pad`."""


class ConstantPad2d(_ConstantPad, dims=2):
    """A layer that puts `value` around (N, C, H, W) or (C, H, W); see `functional.pad`."""


class ConstantPad3d(_ConstantPad, dims=3):
    """A layer that puts `value` around (N, C, D, H, W) or (C, D, H, W); see `functional.pad`."""


class ZeroPad1d(_ZeroPad, dims=1):
    """A layer that puts zeros around (N, C, L) or (C, L); see `functional.pad`."""


class ZeroPad2d(_ZeroPad, dims=2):
    """A layer that puts zeros around (N, C, H, W) or (C, H, W); see `functional.pad`."""


class ZeroPad3d(_ZeroPad, dims=3):
    """A layer that puts zeros around (N, C, D, H, W) or (C, D, H, W); see `functional.pad`."""


class ReflectionPad1d(_ReflectionPad, dims=1):
    """A layer that mirrors the inside at the ends of (N, C, L) or (C, L); see `functional.pad`."""


class ReflectionPad2d(_ReflectionPad, dims=2):
    """A layer that mirrors the inside at the ends of (N, C, H, W) or (C, H, W); see `functional.pad`.

    `padding` is a number, or (left, right, top, bottom); negative ones cut off.

    >>> from pullback import nn
    >>> nn.ReflectionPad2d((1, 0, 0, 1))(Tensor([[[1.0, 2.0], [3.0, 4.0]]]))
    Tensor([[[2., 1., 2.],
             [4., 3., 4.],
             [2., 1., 2.]]])
    """


class ReflectionPad3d(_ReflectionPad, dims=3):
    """A layer that mirrors the inside at the ends of (N, C, D, H, W) or (C, D, H, W); see `functional.pad`."""


class ReplicationPad1d(_ReplicationPad, dims=1):
    """A layer that puts the entries at the ends around (N, C, L) or (C, L); see `functional.pad`."""


class ReplicationPad2d(_ReplicationPad, dims=2):
    """A layer that puts the entries at the ends around (N, C, H, W) or (C, H, W); see `functional.pad`."""


class ReplicationPad3d(_ReplicationPad, dims=3):
    """A layer that puts the entries at the ends around (N, C, D, H, W) or (C, D, H, W); see `functional.pad`."""


class CircularPad1d(_CircularPad, dims=1):
    """A layer that puts the entries from the other end around (N, C, L) or (C, L); see `functional.pad`."""


class CircularPad2d(_CircularPad, dims=2):
    """A layer that puts the entries from the other end around (N, C, H, W) or (C, H, W); see `functional.pad`."""


class CircularPad3d(_CircularPad, dims=3):
    """A layer that puts the entries from the other end around (N, C, D, H, W) or (C, D, H, W); see `functional.pad`."""
