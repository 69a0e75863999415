"""Sliding windows over the spatial axes of (N, C, *spatial): their geometry.

Everything holds for any number of spatial axes. In a geometry every setting is a tuple with one entry per
spatial axis, and padding has a pair (before, after) for each."""

from __future__ import annotations

import functools
import itertools
import operator
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

BLOCK = 1 << 20  # bytes to work on at a time: about what a core's second-level cache holds

FEW, MANY = 4, 16  # parts for threads to share: of work in Python, and in machine code
_FAR = 1 << 48  # more than memory has

Pairs = tuple[tuple[int, int], ...]


class Geometry(NamedTuple):
    """Where the windows of a kernel lie: `spatial` is the input's shape, `out` that of the grid of windows."""

    spatial: tuple[int, ...]
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: Pairs
    dilation: tuple[int, ...]
    out: tuple[int, ...]

    @property
    def extent(self) -> tuple[int, ...]:
        """How many entries a window spans, gaps of dilation included."""
        return extent(self.kernel, self.dilation)


@functools.lru_cache(1024)
def extent(kernel: tuple[int, ...], dilation: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True))


def per_axis(value: Any, axes: int, name: str, least: int = 1) -> tuple[int, ...]:
    """A number for all axes, or one for each, as a tuple; `name` is "operation: argument" for errors."""
    if value.__class__ is int and value >= least:  # the usual forms, at the cost of a look
        return (value,) * axes
    if value.__class__ is tuple and len(value) == axes:
        for v in value:
            if v.__class__ is not int or v < least:
                break
        else:
            return value
    value = _integer(value)
    given = (value,) * axes if isinstance(value, (int, float, np.number)) else tuple(map(_integer, value))
    if len(given) != axes:
        raise ValueError(f"{name} {value} has {len(given)} numbers for {axes} spatial axes")
    if any(not isinstance(v, (int, np.integer)) or v < least for v in given):
        raise ValueError(f"{name} {value} must be integers of at least {least}")
    return tuple(map(int, given))


def _integer(value: Any) -> Any:
    """An integer as one of Python's, also where it is what an array or a Tensor holds; all else as it is."""
    return operator.index(value) if getattr(value, "ndim", None) == 0 and value.dtype.kind in "iub" else value


def pairs(padding: Any, axes: int, name: str) -> Pairs:
    """Padding as a number, one per axis, or a pair (before, after) per axis."""
    if padding.__class__ is int and padding >= 0:
        return ((padding, padding),) * axes
    padding = _integer(padding)
    given = padding if isinstance(padding, (int, np.integer)) else tuple(padding)
    if isinstance(given, tuple) and any(isinstance(p, (tuple, list)) for p in given):
        if len(given) != axes:
            raise ValueError(f"{name} padding {padding} has {len(given)} pairs for {axes} spatial axes")
        before_after = (per_axis(p, 2, f"{name} padding", least=0) for p in given)
        return tuple((before, after) for before, after in before_after)
    return tuple((p, p) for p in per_axis(given, axes, f"{name} padding", least=0))


def geometry(
    name: str,
    spatial: tuple[int, ...],
    kernel: Any,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
) -> Geometry:
    """The windows that the settings, as users give them, mean; ValueError (with the operation's name) if none fits.

    Padding may be "valid" (none) or "same": as much as gives ceil(n / stride) windows, the odd one after.
    """
    axes = len(spatial)
    if not axes:
        raise ValueError(f"{name}: expected an input of shape (N, C, *spatial)")
    kernel = per_axis(kernel, axes, f"{name}: kernel size")
    stride = per_axis(stride, axes, f"{name}: stride")
    dilation = per_axis(dilation, axes, f"{name}: dilation")
    if not isinstance(padding, str):
        padding = pairs(padding, axes, f"{name}:")
    elif padding not in ("same", "valid"):
        raise ValueError(f"{name}: padding {padding!r} is not 'same', 'valid' or numbers")
    return _fitted(name, tuple(spatial), kernel, stride, padding, dilation, bool(ceil_mode))


@functools.lru_cache(1024)
def _fitted(
    name: str,
    spatial: tuple[int, ...],
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
    padding: Any,
    dilation: tuple[int, ...],
    ceil_mode: bool,
) -> Geometry:
    span = extent(kernel, dilation)
    if isinstance(padding, str):
        totals = ((max(0, (-(-n // s) - 1) * s + e - n)) for n, s, e in zip(spatial, stride, span, strict=True))
        padding = tuple((t // 2, t - t // 2) if padding == "same" else (0, 0) for t in totals)
    out = []
    for n, s, e, (before, after) in zip(spatial, stride, span, padding, strict=True):
        room = n + before + after - e
        count = (room + (s - 1 if ceil_mode else 0)) // s + 1
        if ceil_mode and (count - 1) * s >= n + before:  # the last window does not start inside
            count -= 1
        if count < 1:
            raise ValueError(
                f"{name}: windows of {kernel} with dilation {dilation} do not fit into "
                f"spatial shape {spatial} with padding {padding}"
            )
        out.append(count)
    return Geometry(spatial, kernel, stride, padding, dilation, tuple(out))


def taps(geo: Geometry, rows: slice = slice(None)) -> Iterator[tuple[tuple[int, ...], Any, Any]]:
    """For each offset inside the kernel: the offset, the input's entries that it meets as the window
    slides, and the windows for which it meets one; windows are left out where it falls on padding.

    `rows` restricts the grid of windows along its first axis, and the third item counts from there.
    """
    first, last, _ = rows.indices(geo.out[0])
    tables = []
    for axis, (n, k, s, (before, _), d, count) in enumerate(
        zip(geo.spatial, geo.kernel, geo.stride, geo.padding, geo.dilation, geo.out, strict=True)
    ):
        start, count = (first * s - before, last - first) if axis == 0 else (-before, count)
        table = []
        for offset in range(k):
            origin = start + offset * d
            low, high = max(0, -(origin // s)), min(count, (n - 1 - origin) // s + 1)
            if low < high:
                inside = slice(origin + low * s, origin + (high - 1) * s + 1, s)
                table.append((offset, inside, slice(low, high)))
        tables.append(table)
    for tap in itertools.product(*tables):
        offsets, inside, windows = zip(*tap, strict=True)
        yield offsets, (..., *inside), (..., *windows)


def shares(size: int, parts: int) -> int:
    """The least number of parts for `size` bytes, so that threads can share them."""
    return min(parts, 8 * size // BLOCK)


def block_count(samples: int, sample_bytes: int, parts: int = FEW) -> int:
    """How many ranges `sample_blocks` gives of one sample or more."""
    most = max(1, BLOCK // max(1, sample_bytes))
    return max(1, min(samples, shares(samples * sample_bytes, parts)), -(-samples // most))


def sample_blocks(samples: int, sample_bytes: int, parts: int = FEW) -> list[slice]:
    """Ranges of samples that fit a block (or single samples), of about one length; a few for threads to share."""
    count = block_count(samples, sample_bytes, parts)
    return [slice(samples * i // count, samples * (i + 1) // count) for i in range(count)] if samples else []


def padded(x: Any, padding: Pairs, zeros: Any = np.zeros) -> Any:
    """An array with zeros around its spatial axes, in what `zeros(shape, dtype)` gives; itself without padding."""
    if not any(map(any, padding)):
        return x
    spatial = x.shape[2:]
    out = zeros((*x.shape[:2], *(n + b + a for n, (b, a) in zip(spatial, padding, strict=True))), x.dtype)
    out[..., *(slice(b, b + n) for n, (b, _) in zip(spatial, padding, strict=True))] = x
    return out


def windows(x: Any, geo: Geometry, rows: slice = slice(None)) -> Any:
    """All windows of an array that is padded already, as a view: (N, C, *kernel, *out)."""
    x = np.ascontiguousarray(x)
    first, last, _ = rows.indices(geo.out[0])
    batch, channel, *steps = x.strides
    within = (step * d for step, d in zip(steps, geo.dilation, strict=True))
    between = (step * s for step, s in zip(steps, geo.stride, strict=True))
    shape = (*x.shape[:2], *geo.kernel, last - first, *geo.out[1:])
    # np.lib.stride_tricks.as_strided does the same, and takes ten times as long
    return np.ndarray(shape, x.dtype, x, first * geo.stride[0] * steps[0], (batch, channel, *within, *between))


def add_windows(x: Any, values: Any, geo: Geometry, rows: slice = slice(None)) -> None:
    """The transpose of `windows` and `padded`: add values (N, C, *kernel, *out) where in `x` they came from."""
    for offset, inside, met in taps(geo, rows):
        x[inside] += values[:, :, *offset][met]


@functools.lru_cache(1024)
def agree(
    name: str,
    geo: Geometry,
    x: tuple[int, ...] | None = None,
    y: tuple[int, ...] | None = None,
    *others: tuple[int, ...],
    whole: bool = False,
) -> None:
    """Check that windows lie where they can, and that x (N, C, *spatial) and y (N, K, *out) are of their shapes, and
    others of the same shape as y; ValueError if not.

    A `whole` window lies within the padding; others begin at least there.
    """
    problem = _problem(geo, whole)
    if not problem and x is not None and (len(x) != len(geo.spatial) + 2 or x[2:] != geo.spatial):
        problem = f"an input of shape {x} is not (N, C, *{geo.spatial})"
    if not problem and y is not None and (len(y) != len(geo.out) + 2 or y[2:] != geo.out):
        problem = f"an output of shape {y} is not (N, C, *{geo.out})"
    if not problem and any(other != y for other in others):
        problem = f"shapes {', '.join(map(str, (y, *others)))} are not the same"
    if problem:
        raise ValueError(f"{name}: {problem}, for {geo}")


def _problem(geo: Geometry, whole: bool) -> str:
    """What is wrong with a geometry."""
    if not isinstance(geo, Geometry):
        return "geo is not a Geometry"
    if not all(isinstance(setting, tuple) and len(setting) == len(geo.spatial) > 0 for setting in geo):
        return "settings are not tuples of one length"
    if not all(isinstance(pair, tuple) and len(pair) == 2 for pair in geo.padding):
        return "padding is not of pairs"
    for n, k, s, (before, after), d, count in zip(*geo, strict=True):
        if not all(isinstance(v, (int, np.integer)) for v in (n, k, s, before, after, d, count)):
            return "settings are not integers"
        if min(n, before, after) < 0 or min(k, s, d, count) < 1:
            return "settings are too small"
        start, span, room = (count - 1) * s, d * (k - 1) + 1, n + before + after
        if max(start + span, room) >= _FAR:
            return "windows are too far away"
        if start + span > room and (whole or start >= n + before):
            return "windows do not fit"
    return ""


@functools.lru_cache(1024)
def belong(
    name: str,
    geo: Geometry,
    groups: int,
    x: tuple[int, ...],
    w: tuple[int, ...] | None,
    y: tuple[int, ...] | None,
    bias: tuple[int, ...] | None = None,
) -> None:
    """Check that shapes of a convolution's input, weight, output and bias belong together; ValueError if not."""
    agree(name, geo, x, y, whole=True)
    good = isinstance(groups, (int, np.integer)) and groups > 0
    if good and w is None and y is not None:
        w = (y[1], x[1] // groups, *geo.kernel)
    good = good and w is not None and len(w) == len(x) and w[2:] == geo.kernel
    good = good and w is not None and x[1] == w[1] * groups and not w[0] % groups and bias in (None, w[:1])
    if not good or (w is not None and y is not None and y[:2] != (x[0], w[0])):
        raise ValueError(
            f"{name}: x of shape {x}, w of {w}, y of {y}, bias of {bias}, groups={groups}; expected "
            f"x (N, C, *spatial), w (K, C/groups, *{geo.kernel}), y (N, K, *out), bias (K,)"
        )
