"""Sums of windows by NumPy, and their transpose."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..runtime.threads import parallel_for
from .geometry import Geometry, sample_blocks, taps

__all__ = ["window_spread", "window_sum"]


def window_sum(x: Any, geo: Geometry) -> Any:
    """As `pooling.window_sum`."""
    for axis in range(len(geo.out)):  # one after the other, with fewer terms in each sum
        x = _sum_along(x, geo, axis)
    return x


def _sum_along(x: Any, geo: Geometry, axis: int) -> Any:
    """The sum of each window along one axis."""
    n = x.ndim - 2
    spatial, plain = x.shape[2:], ((1,) * n, (1,) * n, ((0, 0),) * n, (1,) * n, x.shape[2:])
    settings = (p[:axis] + given[axis : axis + 1] + p[axis + 1 :] for p, given in zip(plain, geo[1:], strict=True))
    line = Geometry(spatial, *settings)
    y = np.zeros((*x.shape[:2], *line.out), x.dtype)

    def fill(samples: slice) -> None:
        for _, inside, met in taps(line):
            y[samples][met] += x[samples][inside]

    parallel_for(fill, sample_blocks(len(x), x[:1].nbytes))
    return y


def window_spread(y: Any, geo: Geometry) -> Any:
    """As `pooling.window_spread`."""
    x = np.zeros((*y.shape[:2], *geo.spatial), y.dtype)

    def fill(samples: slice) -> None:
        for _, inside, met in taps(geo):
            x[samples][inside] += y[samples][met]

    parallel_for(fill, sample_blocks(len(x), x[:1].nbytes))
    return x
