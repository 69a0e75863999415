"""The windows of (N, C, *spatial) as columns, and back: the pair im2col and col2im."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core.batching import folded
from ..core.conversion import lift
from ..core.primitive import linear
from ..core.tensor import Tensor
from ..core.types import ArrayLike, Padding, PerAxis, Shape
from ..kernels.geometry import Geometry, add_windows, agree, extent, geometry, padded, windows

__all__ = ["col2im", "im2col"]


@linear("x")
def im2col(x: Any, *, geo: Geometry) -> Any:
    """The windows of x (N, C, *spatial) as columns: (N, C * prod(kernel), L), as PyTorch's unfold.

    >>> from pullback import Tensor
    >>> im2col(Tensor([[[1.0, 2.0, 3.0]]]), 2)
    Tensor([[[1., 2.],
             [2., 3.]]])
    """
    agree("im2col", geo, x.shape, whole=True)
    n, c = x.shape[:2]
    return windows(padded(x, geo.padding), geo).reshape(n, c * math.prod(geo.kernel), math.prod(geo.out))


@im2col.public
def im2col_form(
    x: ArrayLike, kernel_size: PerAxis, stride: PerAxis = 1, padding: Padding = 0, dilation: PerAxis = 1
) -> Tensor:
    x = lift(x)
    return im2col.apply(x, geo=geometry("im2col", x.shape[2:], kernel_size, stride, padding, dilation))


@linear("cols")
def col2im(cols: Any, *, geo: Geometry) -> Any:
    """Columns (N, C * prod(kernel), L) added back into (N, C, *spatial_shape): the transpose of `im2col`.

    >>> from pullback import Tensor
    >>> col2im(Tensor([[[1.0, 2.0], [2.0, 3.0]]]), 3, 2)
    Tensor([[[1., 4., 3.]]])
    """
    agree("col2im", geo)
    if cols.ndim != 3 or cols.shape[1] % math.prod(geo.kernel) or cols.shape[2] != math.prod(geo.out):
        raise ValueError(f"col2im: cols of shape {cols.shape}; expected (N, C * prod(kernel), L) for {geo}")
    n, c = len(cols), cols.shape[1] // math.prod(geo.kernel)
    x = np.zeros((n, c, *geo.spatial), cols.dtype)
    add_windows(x, cols.reshape(n, c, *geo.kernel, *geo.out), geo)
    return x


im2col.vjp("x")(lambda g, geo: col2im.apply(g, geo=geo))
col2im.vjp("cols")(lambda g, geo: im2col.apply(g, geo=geo))
im2col.batch(folded)
col2im.batch(folded)


@col2im.public
def col2im_form(
    cols: ArrayLike,
    spatial_shape: Shape,
    kernel_size: PerAxis,
    stride: PerAxis = 1,
    padding: Padding = 0,
    dilation: PerAxis = 1,
) -> Tensor:
    cols = lift(cols)
    spatial = (spatial_shape,) if isinstance(spatial_shape, (int, np.integer)) else tuple(spatial_shape)
    geo = geometry("col2im", spatial, kernel_size, stride, padding, dilation)
    rows, windows_count = math.prod(geo.kernel), math.prod(geo.out)
    if cols.ndim != 3 or cols.shape[1] % rows or cols.shape[2] != windows_count:
        raise ValueError(f"col2im: cols of shape {cols.shape}; expected (N, C * {rows}, {windows_count})")
    return col2im.apply(cols, geo=geo)


def draw_geometry(draw: Any, axes: int, pooling: bool = False) -> Geometry:
    """Any geometry of a few windows, for the property tests; in one for `pooling` none lies in padding alone."""
    kernel, stride, dilation = (tuple(draw.integer(1, m) for _ in range(axes)) for m in (3, 3, 2))
    most = [(k // 2 if d == 1 else 0) if pooling else 2 for k, d in zip(kernel, dilation, strict=True)]
    padding = [(draw.integer(0, m), draw.integer(0, m)) for m in most]
    spatial = [
        max(1, e - b - a) + draw.integer(0, 3) for e, (b, a) in zip(extent(kernel, dilation), padding, strict=True)
    ]
    return geometry("windows", tuple(spatial), kernel, stride, padding, dilation)


@im2col.strategy
def _(draw: Any) -> Any:
    geo = draw_geometry(draw, draw.integer(1, 2))
    return (draw.array(shape=(draw.integer(0, 2), draw.integer(1, 2), *geo.spatial)),), {"geo": geo}


@col2im.strategy
def _(draw: Any) -> Any:
    geo = draw_geometry(draw, draw.integer(1, 2))
    shape = (draw.integer(0, 2), draw.integer(1, 2) * math.prod(geo.kernel), math.prod(geo.out))
    return (draw.array(shape=shape),), {"geo": geo}
