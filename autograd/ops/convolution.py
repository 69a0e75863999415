"""Convolution of any number of spatial axes, its transpose, and its weight's gradient.

With the windows of the input as columns a convolution is a matrix product, Y = W im2col(X), and the two
laws of matrix calculus (see `matmul`) give everything else:

    conv              Y  = W cols           cols = im2col(X)
    conv_transpose    X  = col2im(W^T Y)    Law 1 for the columns, then the transpose of im2col
    conv_weight       dW = dY cols^T        Law 2

Each of the three is linear in both arguments, and its derivatives are the two others, so that they are
closed under differentiation. Columns are made in blocks that fit the cache and made again in the backward
pass, which is faster than to keep them: see the kernels, `conv_native` and `conv_numpy`.
"""

from __future__ import annotations

import functools
import itertools
import math
from typing import Any

import numpy as np

from ..core.batching import full
from ..core.conversion import known, lift
from ..core.forms import ConvWeight
from ..core.primitive import Primitive, primitive
from ..core.tensor import Tensor
from ..core.types import ArrayLike, Padding, PerAxis, Shape
from ..kernels import conv_native, conv_numpy
from ..kernels.geometry import Geometry, agree, belong, extent, geometry, pairs, per_axis
from ..kernels.sums import summed
from ..kernels.weight_layouts import swapped
from ..runtime import memory
from .im2col import draw_geometry
from .indexing import scatter
from .shape import reshape

__all__ = ["conv", "conv_matrix", "conv_transpose", "conv_weight"]


def _kernels(*arrays: Any) -> Any:
    """What has the convolutions of arrays like these: by machine code, or by NumPy."""
    return conv_native if conv_native.available(*arrays) else conv_numpy


@primitive
def conv(x: Any, w: Any, b: Any, *, geo: Geometry, groups: int) -> Any:
    """The convolution (cross-correlation, as everywhere in neural networks) of x with w, plus a bias.

    x is (N, C, *spatial), w (K, C/groups, *kernel), bias (K,) or None; the result is (N, K, *out).
    `stride` and `dilation` are numbers or one per spatial axis, `padding` also a pair (before, after) per
    axis, "valid" or "same". ValueError where shapes do not fit.

    >>> from pullback import Tensor
    >>> conv(Tensor([[[1.0, 2.0, 3.0]]]), Tensor([[[1.0, 10.0]]]))
    Tensor([[[21., 32.]]])
    """
    return _kernels(x, w, b).conv(x, w, b, geo, groups)


@functools.lru_cache(256)
def _phases(geo: Geometry) -> list[tuple[Any, Any, Any, Geometry]]:
    """The transpose of a convolution as convolutions of stride 1, one for each of the phases that the stride makes.

    Of each: the entries of x that it gives, those of y that it takes, the places of the flipped kernel that meet them,
    and its geometry.
    """
    axes = []
    for n, k, s, (before, _), d, count in zip(*geo, strict=True):
        phases = []
        for phase in range(min(s, n)):
            met = [a for a in range(k) if (phase + before - a * d) % s == 0]
            if met:
                lengths = -(-(n - phase) // s)
                first, last = ((phase + before - a * d) // s for a in (met[-1], met[0]))
                low, high = max(0, first), min(count, last + lengths)
                if low < high:
                    pads = (low - first, last + lengths - high)
                    places = slice(k - 1 - met[-1], k - met[0], s // math.gcd(s, d))
                    part = (high - low, len(met), 1, pads, d // math.gcd(s, d), lengths)
                    phases.append((slice(phase, None, s), slice(low, high), places, part))
        axes.append(phases)
    found = (zip(*choice, strict=True) for choice in itertools.product(*axes))
    return [(target, taken, places, Geometry(*zip(*parts, strict=True))) for target, taken, places, parts in found]


def _flipped(w: Any, groups: int, places: Any) -> Any:
    """Of the flipped kernels these places, with inputs and outputs of each group swapped."""
    kernel = w.shape[2:]
    numbers = np.flip(np.arange(math.prod(kernel)).reshape(kernel))[places]
    found = swapped(w, groups, tuple(numbers.ravel().tolist()))
    if found is not None:
        return found.reshape(*found.shape[:2], *numbers.shape)
    flipped = np.flip(w, tuple(range(2, w.ndim))).reshape(groups, len(w) // groups, *w.shape[1:]).swapaxes(1, 2)
    return flipped.reshape(groups * w.shape[1], len(w) // groups, *kernel)[:, :, *places]


@primitive
def conv_transpose(y: Any, w: Any, *, geo: Geometry, groups: int) -> Any:
    """The transposed convolution (deconvolution): the transpose of `conv` as a linear map of its input.

    y is (N, C, *spatial), w (C, K/groups, *kernel); the result is (N, K, *out), where out is
    (n - 1) * stride - padding before and after + dilation * (kernel - 1) + 1 + output_padding, or with
    padding "same" n * stride. Settings as in `conv`. ValueError where shapes do not fit.

    >>> from pullback import Tensor
    >>> conv_transpose(Tensor([[[21.0, 32.0]]]), Tensor([[[1.0, 10.0]]]))
    Tensor([[[ 21., 242., 320.]]])
    """
    agree("conv_transpose", geo, None, y.shape, whole=True)
    if w.ndim != y.ndim:
        raise ValueError(f"conv_transpose: y of shape {y.shape}, w of {w.shape}; expected as many dimensions")
    belong("conv_transpose", geo, groups, (len(y), w.shape[1] * groups, *geo.spatial), w.shape, y.shape)

    def correlated(taken: Any, places: Any, part: Geometry) -> Any:
        return conv.function(y[:, :, *taken], _flipped(w, groups, places), None, geo=part, groups=groups)

    phases = _phases(geo)
    if len(phases) == 1 and set(geo.stride) == {1}:
        return correlated(*phases[0][1:])
    x = memory.empty((len(y), groups * w.shape[1], *geo.spatial), np.result_type(y, w))
    if len(phases) < math.prod(map(min, geo.stride, geo.spatial)):
        x[...] = 0
    for target, *phase in phases:
        x[:, :, *target] = correlated(*phase)
    return x


@primitive
def conv_weight(x: Any, y: Any, *, geo: Geometry, groups: int) -> Any:
    """The third map of the trio: the gradient (K, C/groups, *kernel) of <conv(x, w), y> with respect to w."""
    return _kernels(x, y).conv_weight(x, y, geo, groups)


conv.vjp("x", "linear")(lambda g, w, geo, groups: conv_transpose.apply(g, w, geo=geo, groups=groups))
conv.vjp("w", "linear")(lambda g, x, geo, groups: conv_weight.apply(x, g, geo=geo, groups=groups))
conv.vjp("b")(lambda g: summed(g, (0, *range(2, g.ndim))))
conv.jvp("x")(lambda t, w, geo, groups: conv.apply(t, w, None, geo=geo, groups=groups))
conv.jvp("w")(lambda t, x, geo, groups: conv.apply(x, t, None, geo=geo, groups=groups))

conv_transpose.vjp("y", "linear")(lambda g, w, geo, groups: conv.apply(g, w, None, geo=geo, groups=groups))
conv_transpose.vjp("w", "linear")(lambda g, y, geo, groups: conv_weight.apply(g, y, geo=geo, groups=groups))

conv_weight.vjp("x", "linear")(lambda g, y, geo, groups: conv_transpose.apply(y, g, geo=geo, groups=groups))
conv_weight.vjp("y", "linear")(lambda g, x, geo, groups: conv.apply(x, g, None, geo=geo, groups=groups))


def _side_by_side(x: Any) -> Any:
    """The channels of all examples beside one another: (n, N, C, ...) as (N, n C, ...)."""
    x = np.moveaxis(x, 0, 1)
    return np.reshape(x, (x.shape[0], x.shape[1] * x.shape[2], *x.shape[3:]))


def _apart(y: Any, n: int) -> Any:
    return np.moveaxis(np.reshape(y, (y.shape[0], n, y.shape[1] // n, *y.shape[2:])), 1, 0)


def _grouped(call: Any, n: int, values: Any, batched: Any, *, geo: Geometry, groups: int) -> Any:
    """A batch of weights (and biases): the examples are groups of channels. With one weight they are samples."""
    x, *weights = values
    if batched == {0}:
        y = call(np.reshape(x, (n * x.shape[1], *x.shape[2:])), *weights, geo=geo, groups=groups)[0]
        return (np.reshape(y, (n, y.shape[0] // n, *y.shape[1:])),)
    x, *weights = full(n, values, batched)
    weights = [w if w is None else np.reshape(w, (n * w.shape[1], *w.shape[2:])) for w in weights]
    return (_apart(call(_side_by_side(x), *weights, geo=geo, groups=n * groups)[0], n),)


conv.batch(_grouped)
conv_transpose.batch(_grouped)


@conv_weight.batch
def _(call: Any, n: int, values: Any, batched: Any, *, geo: Geometry, groups: int) -> Any:
    w = call(*map(_side_by_side, full(n, values, batched)), geo=geo, groups=n * groups)[0]
    return (np.reshape(w, (n, w.shape[0] // n, *w.shape[1:])),)


def _check(name: str, x: Any, w: Any, groups: int, inputs: int) -> None:
    """ValueError unless x is (N, C, *spatial) and agrees with a weight for `inputs` channels."""
    problem = ""
    if x.ndim < 3 or w.ndim != x.ndim:
        problem = "expected (N, C, *spatial) and a weight of as many dimensions"
    elif not isinstance(groups, (int, np.integer)) or groups < 1 or w.shape[0] % groups:
        problem = f"the weight's first length is not a multiple of groups={groups}"
    elif x.shape[1] != inputs:
        problem = f"with groups={groups} the weight is for {inputs} channels, not {x.shape[1]}"
    if problem:
        raise ValueError(f"{name}: x of shape {x.shape}, w of shape {w.shape}: {problem}")


def arguments(
    x: Any, w: Any, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1, *, bias: Any = None
) -> tuple[tuple[Any, Any, Any], Geometry, int]:
    """The arguments of `conv` as users give them, in the one form that the primitive takes."""
    x, w = lift(x), lift(w)
    _check("conv", x, w, groups, w.shape[1] * groups if w.ndim > 1 else 0)
    if bias is not None:
        bias = lift(bias)
        if bias.shape != w.shape[:1]:
            raise ValueError(f"conv: bias of shape {bias.shape} for {w.shape[0]} output channels")
    geo = geometry("conv", x.shape[2:], w.shape[2:], stride, padding, dilation)
    return (x, w, bias), geo, groups


@conv.public
def conv_form(
    x: ArrayLike,
    w: ArrayLike,
    stride: PerAxis = 1,
    padding: Padding = 0,
    dilation: PerAxis = 1,
    groups: int = 1,
    *,
    bias: ArrayLike | None = None,
) -> Tensor:
    arrays, geo, groups = arguments(x, w, stride, padding, dilation, groups, bias=bias)
    return conv.apply(*arrays, geo=geo, groups=groups)


@conv_transpose.public
def conv_transpose_form(
    x: ArrayLike,
    w: ArrayLike,
    stride: PerAxis = 1,
    padding: Padding = 0,
    output_padding: PerAxis = 0,
    dilation: PerAxis = 1,
    groups: int = 1,
) -> Tensor:
    name = "conv_transpose"
    x, w = lift(x), lift(w)
    _check(name, x, w, groups, w.shape[0] if w.ndim else 0)
    axes = x.ndim - 2
    stride, dilation = per_axis(stride, axes, f"{name}: stride"), per_axis(dilation, axes, f"{name}: dilation")
    more = per_axis(output_padding, axes, f"{name}: output_padding", least=0)
    if any(m and m >= max(s, d) for m, s, d in zip(more, stride, dilation, strict=True)):
        raise ValueError(f"{name}: output_padding {more} must be less than stride {stride} or dilation {dilation}")
    full = tuple((n - 1) * s + e for n, s, e in zip(x.shape[2:], stride, extent(w.shape[2:], dilation), strict=True))
    padding = known(padding)
    if padding == "same":
        spatial = tuple(n * s for n, s in zip(x.shape[2:], stride, strict=True))
    else:
        padding = pairs(0 if padding == "valid" else padding, axes, f"{name}:")
        spatial = tuple(n - b - a for n, (b, a) in zip(full, padding, strict=True))
    spatial = tuple(n + m for n, m in zip(spatial, more, strict=True))
    if any(n < 1 for n in spatial):
        raise ValueError(f"{name}: x of shape {x.shape}, w of shape {w.shape}, padding {padding}: nothing is left")
    geo = geometry(name, spatial, w.shape[2:], stride, padding, dilation)._replace(out=x.shape[2:])
    return conv_transpose.apply(x, w, geo=geo, groups=groups)


def conv_matrix(
    w: ArrayLike, spatial_shape: Shape, stride: PerAxis = 1, padding: Padding = 0, dilation: PerAxis = 1
) -> Tensor:
    """The matrix W* that a convolution is: W* vec(x) = vec(conv(x, w)), and W*^T its transposed convolution.

    w is (K, C, *kernel), or just a kernel; spatial_shape is that of x. The result is
    (K * prod(out), C * prod(spatial)), mostly zeros: for teaching and for tests.

    >>> from pullback import Tensor
    >>> conv_matrix(Tensor([1.0, 2.0]), 3)
    Tensor([[1., 2., 0.],
            [0., 1., 2.]])
    """
    w = lift(w)
    spatial = (spatial_shape,) if isinstance(spatial_shape, (int, np.integer)) else tuple(spatial_shape)
    if w.ndim == len(spatial):
        w = reshape(w, (1, 1, *w.shape))
    if w.ndim != len(spatial) + 2:
        raise ValueError(f"conv_matrix: w of shape {w.shape} for spatial shape {spatial}")
    geo = geometry("conv_matrix", spatial, w.shape[2:], stride, padding, dilation)
    k, c = w.shape[:2]
    # indices of all products: (k, c, *kernel, *out)
    sizes = (k, c, *geo.kernel, *geo.out)
    grid = np.indices(sizes, sparse=True)
    axes = len(spatial)
    met = [grid[2 + axes + i] * geo.stride[i] + grid[2 + i] * geo.dilation[i] - geo.padding[i][0] for i in range(axes)]
    row, column, inside = grid[0], grid[1], np.ones(sizes, bool)
    for i, n in enumerate(spatial):
        row = row * geo.out[i] + grid[2 + axes + i]
        column = column * n + met[i]
        inside &= (met[i] >= 0) & (met[i] < n)
    row, column, source = (
        np.broadcast_to(a, sizes)[inside] for a in (row, column, np.arange(w.size).reshape(w.shape + (1,) * axes))
    )
    return scatter(reshape(w, -1)[source], (row, column), (k * math.prod(geo.out), c * math.prod(spatial)))


def _draw(draw: Any) -> Any:
    """A geometry, groups, and the shapes of x, w and y that belong to it."""
    geo, groups = draw_geometry(draw, draw.integer(1, 2)), draw.integer(1, 2)
    n, c, k = draw.integer(0, 2), groups * draw.integer(1, 2), groups * draw.integer(1, 2)
    shapes = {"x": (n, c, *geo.spatial), "w": (k, c // groups, *geo.kernel), "y": (n, k, *geo.out)}
    return {name: draw.array(shape=shape) for name, shape in shapes.items()}, {"geo": geo, "groups": groups}


@conv.strategy
def _(draw: Any) -> Any:
    a, options = _draw(draw)
    return (a["x"], a["w"], draw.array(shape=a["w"].shape[:1])), options


@conv_transpose.strategy
def _(draw: Any) -> Any:
    a, options = _draw(draw)
    return (a["y"], a["w"]), options


@conv_weight.strategy
def _(draw: Any) -> Any:
    a, options = _draw(draw)
    return (a["x"], a["y"]), options


conv_weight_form: Primitive[ConvWeight] = conv_weight
