"""Adaptive pooling: as many windows as are asked for, of lengths that differ by one where they must.

The i-th of k windows over n entries is from floor(i n / k) to ceil((i + 1) n / k), as in PyTorch. Where lengths differ
or windows overlap, entries are taken side by side first, so that the windows tile what is taken, and pooled then.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from .elementwise import where
from .pooling import max_pool, window_sum
from .sorting import take
from .tensor import Tensor, lift, wrap
from .windows import Geometry, geometry

__all__ = ["adaptive_avg_pool", "adaptive_max_pool"]


def _windows(name: str, x: Any, output_size: Any) -> tuple[Any, list[Any], Geometry]:
    """x, its windows side by side; for each spatial axis what was taken, (windows, places), -1 for none; geometry."""
    axes = x.ndim - 2
    wanted = output_size if isinstance(output_size, (tuple, list)) else (output_size,) * axes
    if axes < 1 or len(wanted) != axes:
        raise ValueError(f"{name}: output_size {output_size} for x of shape {x.shape}; expected (N, C, *spatial)")
    tables = []
    for axis, (n, k) in enumerate(zip(x.shape[2:], wanted, strict=True), 2):
        k = n if k is None else k
        if not isinstance(k, (int, np.integer)) or k < 1 or n < 1:
            raise ValueError(f"{name}: output_size {output_size} for x of shape {x.shape}; expected positive integers")
        start, stop = np.arange(k) * n // k, -(-np.arange(1, k + 1) * n // k)
        places = start[:, None] + np.arange(max(stop - start))
        table = np.where(places < stop[:, None], places, -1)
        if n % k:
            x = take(x, np.maximum(table, 0).reshape(-1), axis=axis)
        tables.append(table)
    kernel = tuple(table.shape[1] for table in tables)
    return x, tables, geometry(name, x.shape[2:], kernel, kernel)


def _inside(tables: list[Any]) -> Any:
    """Which of the entries that were taken belong to their windows."""
    return functools.reduce(np.logical_and.outer, [table.reshape(-1) >= 0 for table in tables])


def adaptive_avg_pool(x: Any, output_size: Any) -> Any:
    """The means of `output_size` windows along each spatial axis of x (N, C, *spatial): (N, C, *output_size).

    `output_size` is a number for all axes or one for each, None for an axis that stays as it is. ValueError for
    others than positive ones.

    >>> from pullback import Tensor
    >>> adaptive_avg_pool(Tensor([[[1.0, 2.0, 3.0]]]), 2)
    Tensor([[[1.5, 2.5]]])
    """
    x, tables, geo = _windows("adaptive_avg_pool", lift(x), output_size)
    inside = _inside(tables)
    if not inside.all():
        x = where(inside, x, 0)
    counts = functools.reduce(np.multiply.outer, [(table >= 0).sum(1) for table in tables])
    return window_sum.apply(x, geo=geo) / counts.astype(x.dtype)


def adaptive_max_pool(x: Any, output_size: Any, return_indices: bool = False) -> Any:
    """The largest entries of `output_size` windows along each spatial axis of x (N, C, *spatial).

    Arguments and errors as for `adaptive_avg_pool`; with `return_indices` also the positions of the largest, flat over
    the spatial shape, as `max_pool` has them.

    >>> from pullback import Tensor
    >>> adaptive_max_pool(Tensor([[[1.0, 3.0, 2.0]]]), 2)
    Tensor([[[3., 3.]]])
    """
    x = lift(x)
    spatial = x.shape[2:]
    taken, tables, geo = _windows("adaptive_max_pool", x, output_size)
    inside = _inside(tables)
    if not inside.all():
        taken = where(inside, taken, -np.inf if x.dtype.kind == "f" else np.iinfo(x.dtype).min)
    if not return_indices:
        return max_pool(taken, geo.kernel)
    out, places = max_pool(taken, geo.kernel, return_indices=True)
    flat = places.data if isinstance(places, Tensor) else places
    parts = np.unravel_index(flat, taken.shape[2:])
    original = [np.maximum(table, 0).reshape(-1)[part] for table, part in zip(tables, parts, strict=True)]
    positions = np.ravel_multi_index(original, spatial)
    return out, wrap(positions) if isinstance(out, Tensor) else positions
