"""Adaptive windows, a given number along each axis: their sums and largest entries, by machine code or by NumPy.

The i-th of k windows over n entries is from floor(i n / k) to ceil((i + 1) n / k).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from . import box_windows
from .box_windows import Along, Tables, available, tables

__all__ = ["box_largest", "box_sum", "counts"]


@functools.lru_cache(256)
def _windows(n: int, k: int) -> tuple[Any, Any]:
    """Where k windows over n entries begin and end."""
    numbers = np.arange(k + 1) * n
    return numbers[:-1] // k, -(-numbers[1:] // k)


@functools.lru_cache(256)
def _along(n: int, k: int) -> Along:
    """The windows along an axis."""
    starts, stops = _windows(n, k)
    places = starts + np.arange(max(stops - starts))[:, None]
    inside = places < stops
    return Along(places[inside], np.broadcast_to(np.arange(k), places.shape)[inside], n, k)


@functools.lru_cache(256)
def _tables(spatial: tuple[int, ...], sizes: tuple[int, ...], rows_first: bool = False) -> Tables:
    return tables(list(map(_along, spatial, sizes)), rows_first)


def _entries(x: Any, k: int, axis: int) -> Iterator[tuple[Any, Any]]:
    """The t-th entry of each of k windows along an axis: which windows have one, and where."""
    before = (slice(None),) * axis
    for places in _along(x.shape[axis], k).table():
        has = places >= 0
        yield (*before, has), (*before, places[has])


@functools.lru_cache(256)
def counts(spatial: tuple[int, ...], sizes: tuple[int, ...]) -> Any:
    """How many entries each window has."""
    lengths = (np.bincount(_along(n, k).windows) for n, k in zip(spatial, sizes, strict=True))
    return functools.reduce(np.multiply.outer, lengths)


def box_sum(x: Any, sizes: tuple[int, ...]) -> Any:
    """As `adaptive_pooling.box_sum`."""
    if available(x):
        return box_windows.box_sum(x, sizes, _tables(x.shape[2:], sizes))
    for axis, k in enumerate(sizes, 2):
        n, before = x.shape[axis], (slice(None),) * axis
        y = np.zeros((*x.shape[:axis], k, *x.shape[axis + 1 :]), x.dtype)
        if k <= n:
            for has, places in _entries(x, k, axis):
                y[has] += x[places]
        else:
            for j, ends in enumerate(zip(*_windows(k, n), strict=True)):
                y[(*before, slice(*ends))] += x[(*before, slice(j, j + 1))]
        x = y
    return x


def box_largest(x: Any, sizes: tuple[int, ...]) -> tuple[Any, Any]:
    """As `adaptive_pooling.adaptive_max_pool`."""
    if available(x):
        return box_windows.box_largest(x, sizes, _tables(x.shape[2:], sizes, rows_first=True))
    positions = np.broadcast_to(np.arange(math.prod(x.shape[2:])).reshape(x.shape[2:]), x.shape)
    for axis, k in reversed(list(enumerate(sizes, 2))):  # so that of equal ones the first is taken
        largest: Any = None
        found: Any = None
        for has, places in _entries(x, k, axis):
            entry, at = x[places], positions[places]
            if largest is None:
                largest, found = entry, at
                continue
            better = ~(entry <= largest[has]) & (largest[has] == largest[has])  # NaN is larger than all
            largest[has], found[has] = np.where(better, entry, largest[has]), np.where(better, at, found[has])
        x, positions = largest, found
    return x, positions
