"""What networks compute where nothing is recorded: several operations in one pass."""

from __future__ import annotations

from typing import Any

from . import shifted
from .convolution import arguments, conv
from .elementwise import relu
from .pooling import max_pool
from .tensor import Tensor, wrap

__all__ = ["convolved"]


def convolved(x: Any, w: Any, *settings: Any, bias: Any, rectified: bool, tile: tuple[int, ...]) -> Any:
    """`conv`; then `relu`, if rectified, and the largest entries of tiles, if they have a size. Without a graph."""
    arrays, geo, groups = arguments(x, w, *settings, bias=bias)
    x, w, bias = (a._held if isinstance(a, Tensor) else a for a in arrays)
    if shifted.available(x, w, bias) and all(t <= n for t, n in zip(tile, geo.out, strict=False)):
        return wrap(shifted.conv(x, w, bias, geo, groups, rectified, tile))
    y = conv.apply(*arrays, geo=geo, groups=groups)
    y = max_pool(y, tile) if tile else y
    return relu(y) if rectified else y
