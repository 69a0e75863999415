"""Samples of a convolution merged until each has many windows: copies get longer, results do not change.

Merged samples lie along one more spatial axis, the last one, along which the kernel and its steps are 1 long.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .geometry import Geometry, belong

__all__ = ["merges_inputs", "merges_pairs"]


def at_once(geo: Geometry, samples: int, windows: int) -> int:
    """How many samples to merge into one, so that it has so many windows."""
    return max(1, min(samples, -(-windows // max(1, math.prod(geo.out)))))


def _merged(x: Any, m: int) -> Any:
    """Merge every m samples into one along a new last axis (zero-padded)."""
    if len(x) % m:
        x = np.concatenate([x, np.zeros((-len(x) % m, *x.shape[1:]), x.dtype)])
    return np.ascontiguousarray(np.moveaxis(x.reshape(len(x) // m, m, *x.shape[1:]), 1, -1))


def _parted(y: Any, n: int) -> Any:
    """The inverse of `_merged`: the n samples."""
    y = np.moveaxis(y, -1, 1)
    return y.reshape(-1, *y.shape[2:])[:n]


def _with_samples(geo: Geometry, m: int) -> Geometry:
    """The geometry of m samples merged."""
    more: Any = ((m,), (1,), (1,), ((0, 0),), (1,), (m,))
    return Geometry(*(setting + last for setting, last in zip(geo, more, strict=True)))


def merges_inputs(windows: int) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorator of `conv(x, w, bias, geo, groups, ...)` of arrays, which gives a tuple of what has the samples of x.

    It is given merged samples, of so many windows; ValueError if the shapes do not belong together.
    """

    def decorate(conv: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(conv)
        def over_samples(x: Any, w: Any, bias: Any, geo: Geometry, groups: int, *more: Any) -> Any:
            belong("conv", geo, groups, x.shape, w.shape, None, None if bias is None else bias.shape)
            m = at_once(geo, len(x), windows)
            if m == 1:
                return conv(x, w, bias, geo, groups, *more)
            found = conv(_merged(x, m), w[..., None], bias, _with_samples(geo, m), groups, *more)
            return tuple(y if y is None else _parted(y, len(x)) for y in found)

        return over_samples

    return decorate


def merges_pairs(windows: int) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorator of `conv_weight(x, y, geo, groups)` of arrays, as `merges_inputs` of a convolution."""

    def decorate(conv_weight: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(conv_weight)
        def over_samples(x: Any, y: Any, geo: Geometry, groups: int) -> Any:
            belong("conv_weight", geo, groups, x.shape, None, y.shape)
            m = at_once(geo, len(x), windows)
            if m == 1:
                return conv_weight(x, y, geo, groups)
            return conv_weight(_merged(x, m), _merged(y, m), _with_samples(geo, m), groups)[..., 0]

        return over_samples

    return decorate
