"""Several operations in one pass over memory: what each of them records is as if they came one after the other."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from . import shifted
from .convolution import arguments, conv
from .elementwise import relu
from .graph import modes
from .pooling import max_pool
from .tensor import Tensor, wrap
from .windows import geometry

__all__ = ["convolved"]

_LARGEST = 1 << 6  # entries of a tile: code is written out for each
_ZERO = np.zeros(1)


def convolved(x: Any, w: Any, *settings: Any, bias: Any, rectified: bool, tile: tuple[int, ...]) -> Any:
    """`conv`; then the largest entries of tiles, if they have a size; then `relu`, if rectified."""
    given, geo, groups = arguments(x, w, *settings, bias=bias)
    x, w, bias = (a._held if isinstance(a, Tensor) else a for a in given)
    fits = all(t <= n for t, n in zip(tile, geo.out, strict=False)) and math.prod(tile) <= _LARGEST
    if modes.special == 2 or not (fits and shifted.available(x, w, bias)):
        y = conv.apply(*given, geo=geo, groups=groups)
        y = max_pool(y, tile) if tile else y
        return relu(y) if rectified else y
    recorded = modes.special == 0
    out, choice = shifted.convolved(x, w, bias, geo, groups, rectified, tile, recorded and bool(tile))
    if not recorded:
        return wrap(out)
    shape = (len(x), len(w), *geo.out)
    between = np.ndarray(shape, out.dtype, _ZERO, 0, (0,) * len(shape))  # whose entries nobody asks for
    y = conv.computed(between if tile or rectified else out, *given, geo=geo, groups=groups)
    if tile:
        y = max_pool.computed((out, choice), y, geo=geometry("max_pool", geo.out, tile, tile))
    return relu.computed(out, y) if rectified else y
