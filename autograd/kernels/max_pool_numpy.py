"""Max-pooling by NumPy, an offset of the kernel at a time; the chosen entries put back, or taken."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..runtime import memory
from ..runtime.threads import parallel_for
from .geometry import Geometry, sample_blocks, taps
from .window_choices import as_places, first_inside, number_of

__all__ = ["flat_place", "flat_take", "max_pool", "window_place", "window_select"]


def max_pool(x: Any, geo: Geometry) -> tuple[Any, Any]:
    """As `pooling.max_pool`."""
    shape, firsts = (*x.shape[:2], *geo.out), first_inside(geo)
    out, choice = memory.empty(shape, x.dtype), memory.empty(shape, firsts.dtype)
    out[:] = -np.inf if x.dtype.kind in "fc" else np.iinfo(x.dtype).min
    choice[:] = firsts

    def fill(samples: slice) -> None:
        for offset, inside, met in taps(geo):
            entry, best = np.ascontiguousarray(x[samples][inside]), out[samples][met]
            better = ~(entry <= best) & (best == best)  # NaN is larger than all, and the first one stays
            number = np.multiply(better, number_of(offset, geo), dtype=choice.dtype)  # they rise from tap to tap
            np.maximum(choice[samples][met], number, out=choice[samples][met])
            np.maximum(best, entry, out=best)

    parallel_for(fill, sample_blocks(len(x), x[:1].nbytes))
    return out, choice


def window_place(y: Any, choice: Any, geo: Geometry) -> Any:
    """As `pooling.window_place`."""
    tiled = (
        geo.extent == geo.kernel == geo.stride
        and geo.spatial == tuple(np.multiply(geo.kernel, geo.out))
        and not any(map(any, geo.padding))
    )
    x = memory.empty((*y.shape[:2], *geo.spatial), y.dtype)

    def fill(samples: slice) -> None:
        if not tiled:
            x[samples] = 0
        for offset, inside, met in taps(geo):
            part, chosen = y[samples][met], choice[samples][met] == number_of(offset, geo)
            if tiled:
                np.multiply(part, chosen, out=x[samples][inside])
            else:
                x[samples][inside] += part * chosen

    parallel_for(fill, sample_blocks(len(x), x[:1].nbytes))
    return x


def window_select(x: Any, choice: Any, geo: Geometry) -> Any:
    """As `pooling.window_select`."""
    y = np.zeros((*x.shape[:2], *geo.out), x.dtype)

    def fill(samples: slice) -> None:
        for offset, inside, met in taps(geo):
            chosen = choice[samples][met] == number_of(offset, geo)
            np.copyto(y[samples][met], x[samples][inside], where=chosen)

    parallel_for(fill, sample_blocks(len(x), x[:1].nbytes))
    return y


def flat_place(y: Any, indices: Any, spatial_shape: tuple[int, ...]) -> Any:
    """As `pooling.max_unpool`."""
    n, size = y.shape[0] * y.shape[1], math.prod(spatial_shape)
    indices = as_places(indices, size)
    out = np.zeros(n * size, y.dtype)
    places = np.arange(n)[:, None] * size + indices.reshape(n, math.prod(indices.shape[2:]))
    np.add.at(out, places.reshape(-1), y.reshape(-1))
    return out.reshape(*y.shape[:2], *spatial_shape)


def flat_take(x: Any, indices: Any) -> Any:
    """As `pooling.flat_take`."""
    indices = as_places(indices, math.prod(x.shape[2:]))
    return _flat(x)[_flat_index(indices)].reshape(indices.shape)


def _flat(x: Any) -> Any:
    return x.reshape(*x.shape[:2], math.prod(x.shape[2:]))


def _flat_index(indices: Any) -> Any:
    n, c = indices.shape[:2]
    return np.arange(n)[:, None, None], np.arange(c)[:, None], _flat(indices)
