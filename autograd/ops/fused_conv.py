"""Convolution, ReLU and max-pooling in one pass over memory; graph and gradients are those of the three in turn."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from ..core.aliasing import own
from ..core.graph import RECORD, TRANSFORM, Node, Shortcut, modes
from ..core.tensor import Tensor, wrap
from ..core.types import ArrayLike
from ..kernels import conv_native
from ..kernels.geometry import Geometry
from .convolution import arguments, conv
from .elementwise import gate, relu
from .pooling import max_pool, pooling_geometry, window_place

__all__ = ["convolved"]

_LARGEST = 1 << 6  # entries of a tile: code is written out for each
_ZERO = np.zeros(1)


def convolved(
    x: ArrayLike,
    w: ArrayLike,
    *settings: object,
    bias: ArrayLike | None,
    rectified: bool,
    pooling: tuple[object, ...] = (),
) -> Tensor:
    """`conv`, then `relu` if `rectified`, then `max_pool` with the arguments `pooling` unless they are empty."""
    if modes.dispatch is not TRANSFORM and all([p.rules[i].given == given for p, i, given in _RULES]):
        together = _together(*arguments(x, w, *settings, bias=bias), rectified, pooling)
        if together is not None:
            return together
    y = conv(x, w, *settings, bias=bias)
    y = relu(y) if rectified else y
    return max_pool(y, *pooling) if pooling else y


def _together(given: Any, geo: Geometry, groups: int, rectified: bool, pooling: tuple[Any, ...]) -> Tensor | None:
    """As `convolved`, in one pass; None where that is not possible."""
    x, w, b = (a._held if isinstance(a, Tensor) else a for a in given)
    shape = (len(x), len(w), *geo.out)
    between = np.ndarray(shape, w.dtype, _ZERO, 0, (0,) * len(shape))  # only its shape and dtype count
    over = pooling_geometry("max_pool", between, *pooling) if pooling else None
    if not (conv_native.available(x, w, b) and (over is None or _tiles(over))):
        return None
    tile = over.kernel if over else ()
    recorded = modes.dispatch is RECORD and any(isinstance(a, Tensor) and a._node is not None for a in given)
    out, choice = conv_native.convolved(x, w, b, geo, groups, rectified, tile, recorded and bool(tile))
    if not recorded:
        return wrap(out)
    if not (rectified and over):
        y = conv.computed(between if rectified or over else out, *given, geo=geo, groups=groups)
        return relu.computed(out, y) if rectified else max_pool.computed((out, choice), y, geo=over) if over else y
    if np.isnan(out.max(initial=0)):
        return None  # relu's rule makes NaN of all entries that are, not just of those that were chosen
    given = [
        a if a is None else wrap(own(a._held), a._node) if isinstance(a, Tensor) else wrap(own(a, True)) for a in given
    ]
    y = conv.computed(between, *given, geo=geo, groups=groups)
    kept = *(a if a is None else a._held for a in given), geo, groups
    node = Node(relu, ((y._node, _PASSED, kept),), between)
    return wrap(out, Node(max_pool, ((node, _GATED, (out, choice, over)),), out))


@functools.lru_cache(256)
def _tiles(geo: Geometry) -> bool:
    """Whether the windows are tiles: side by side, and all inside the input."""
    beside = geo.kernel == geo.stride == geo.extent and not any(map(any, geo.padding))
    inside = all(k * count <= n for n, k, count in zip(geo.spatial, geo.kernel, geo.out, strict=True))
    return beside and inside and math.prod(geo.kernel) <= _LARGEST


# The rules for which this is made: others could ask for what is not computed here.
_RULES = [(p, i, rule.given) for p in (conv, relu, max_pool) for i, rule in p.rules.items()]


# What relu stops is stopped before it is spread over the tiles, all but one entry of which get zero anyway.
_GATED = Shortcut(
    max_pool.rule(0),
    lambda g, out, choice, geo: window_place.apply(gate.apply(g, out), choice, geo=geo),
    lambda out, choice, geo: (choice, geo),
)
_PASSED = Shortcut(
    relu.rule(0),
    lambda g, *_: g,
    lambda x, w, b, geo, groups: (relu.function(conv.function(x, w, b, geo=geo, groups=groups)),),
)
