"""Normalization: entries less their mean, divided by their deviation, times a weight, plus a bias; and the way back.

By machine code where an array can be seen as it wants (`layout_of`), or else by NumPy. The variance is the mean square
distance from the mean, and so keeps its digits where the mean is large.
"""

from __future__ import annotations

import functools
import math
from typing import Any, NamedTuple

import numpy as np

from ..runtime import memory
from . import normalization_columns, normalization_native
from .normalization_native import Layout, available
from .sums import totals

__all__ = ["Statistics", "normalization", "normalization_back"]

_LEAST = 1 << 6  # entries for which machine code pays
_SHORT = 4  # entries of a row for which it does


class Statistics(NamedTuple):
    """What the way back needs of the way there: `found` holds means, what is left of them, inverse deviations."""

    found: Any
    layout: Layout | None = None
    shape: tuple[
        int, ...
    ] = ()  # of what there is of a weight for each segment or entry, with as many axes as the array


@functools.lru_cache(1 << 10)
def layout_of(shape: tuple[int, ...], axes: tuple[int, ...], weights: tuple[int, ...] | None) -> Layout | None:
    """How machine code sees an array whose `axes` are normalized, and a weight of the shape `weights`; or None."""
    over = [i in axes for i, n in enumerate(shape) if n > 1]
    sides = [n for n in shape if n > 1]
    sizes, kind = [1, 1, 1, 1], 3  # from the last to the first: entries of a row, statistics, rows, outer statistics
    for n, reduced in zip(reversed(sides), reversed(over), strict=True):
        while kind >= 0 and reduced != (kind in (1, 3)):
            kind -= 1
        if kind < 0:
            return None
        sizes[kind] *= n
    outer, rows, inner, length = sizes
    columns = length == 1 < rows and inner >= _SHORT
    if length < _SHORT and not columns:
        return None
    if weights is None:
        return Layout(outer, rows, inner, length, 1, False)
    own = [m for n, m in zip(shape, (1,) * (len(shape) - len(weights)) + weights, strict=True) if n > 1]
    last = len(sides) - next((i for i, reduced in enumerate(reversed(over)) if not reduced), len(over))
    before = list(zip(own[:last], over[:last], strict=True))
    if any(m > 1 and reduced for m, reduced in before):
        return None
    if columns:
        return Layout(outer, rows, inner, length, 1, False)
    row, count = own[last:], 0
    while count < len(row) and row[len(row) - 1 - count] == 1:
        count += 1
    split = len(row) - count
    if row[:split] != sides[last : last + split]:
        return None
    if split == len(row):
        return Layout(outer, rows, inner, length, 1, True) if rows == 1 and all(m == 1 for m, _ in before) else None
    return Layout(outer, rows, inner, length, math.prod(row[:split]), False)


def _layout(x: Any, weight: Any, bias: Any, axes: tuple[int, ...]) -> Layout | None:
    if x.size < _LEAST or not available(x, weight, bias):
        return None
    shapes = {a.shape for a in (weight, bias) if a is not None}
    return layout_of(x.shape, axes, *shapes) if len(shapes) == 1 else None if shapes else layout_of(x.shape, axes, None)


def _shape(x: Any, own: tuple[int, ...], axes: tuple[int, ...], layout: Layout) -> tuple[int, ...]:
    """The shape of what machine code takes and gives of a weight of the shape `own`, with as many axes as x."""
    if layout.along:
        return tuple(n if i in axes else 1 for i, n in enumerate(x.shape))
    own = (1,) * (x.ndim - len(own)) + own
    return tuple(m if i in axes else n for i, (n, m) in enumerate(zip(x.shape, own, strict=True)))


def _by(layout: Layout) -> Any:
    """The machine code for a layout."""
    return normalization_columns if layout.length == 1 else normalization_native


def _seen(a: Any, shape: tuple[int, ...]) -> Any:
    return a if a is None else np.ascontiguousarray(a if a.size == math.prod(shape) else np.broadcast_to(a, shape))


def normalization(
    x: Any, weight: Any, bias: Any, axes: tuple[int, ...], eps: float, centered: bool
) -> tuple[Any, Any, Any, Statistics]:
    """The result, the mean and the variance (with axes of length 1), and what `normalization_back` takes.

    Unless `centered` the mean is taken as 0.
    """
    kept = tuple(1 if i in axes else n for i, n in enumerate(x.shape))
    layout = _layout(x, weight, bias, axes)
    if layout is None:
        return _by_numpy(x, weight, bias, axes, eps, centered)
    x = np.ascontiguousarray(x)
    own = next((a.shape for a in (weight, bias) if a is not None), ())
    shape = _shape(x, own, axes, layout)
    y, found = _by(layout).normalized(x, _seen(weight, shape), _seen(bias, shape), eps, centered, layout)
    return y, (found[0] + found[1]).reshape(kept), found[3].reshape(kept), Statistics(found, layout, shape)


def _by_numpy(
    x: Any, weight: Any, bias: Any, axes: tuple[int, ...], eps: float, centered: bool
) -> tuple[Any, Any, Any, Statistics]:
    n = math.prod(x.shape[i] for i in axes)
    given = [a.dtype for a in (x, weight, bias) if a is not None]
    dtype = np.result_type(*given)
    out = memory.empty(x.shape, np.promote_types(dtype, np.float32))
    mean: Any = 0
    if centered:
        mean = _mean(x, axes, n, out.dtype)
        np.subtract(x, mean, out=out)
        left = _mean(out, axes, n, out.dtype)
        out -= left
    else:
        left = np.zeros(tuple(1 if i in axes else m for i, m in enumerate(x.shape)), out.dtype)
        out[...] = x
    variance = _mean(np.square(out), axes, n, out.dtype)
    inverse = 1 / np.sqrt(variance + out.dtype.type(eps))
    out *= inverse
    if weight is not None:
        out *= weight
    if bias is not None:
        out += bias
    return out.astype(dtype, copy=False), mean + left, variance, Statistics((mean, left, inverse))


def _mean(x: Any, axes: tuple[int, ...], n: int, dtype: Any) -> Any:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.divide(totals(x, axes, True), n), dtype)  # nan of nothing


def normalization_back(
    g: Any, x: Any, weight: Any, biased: bool, statistics: Statistics, axes: tuple[int, ...], centered: bool
) -> tuple[Any, Any, Any]:
    """The cotangents of x, of the weight and of the bias, these two perhaps not yet summed along what they repeat."""
    found, layout, shape = statistics
    if layout is None:
        return _back_by_numpy(g, x, weight, statistics, axes, centered)
    x, g = np.ascontiguousarray(x), np.require(g, None, ["C", "A"])
    gx, gw, gb = _by(layout).pulled(g, x, _seen(weight, shape), biased, found, centered, layout)
    return gx, *(a if a is None else a.reshape(shape) for a in (gw, gb))


def _back_by_numpy(
    g: Any, x: Any, weight: Any, statistics: Statistics, axes: tuple[int, ...], centered: bool
) -> tuple[Any, Any, Any]:
    mean, left, inverse = statistics.found
    n = math.prod(x.shape[i] for i in axes)
    z = ((x - mean) - left) * inverse
    h = g if weight is None else g * weight
    gx = h - z * _mean(h * z, axes, n, inverse.dtype)
    if centered:
        gx -= _mean(h, axes, n, inverse.dtype)
    gx *= inverse
    z *= g
    return gx, z, g
