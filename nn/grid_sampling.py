"""Sampling of images at any places: `affine_grid` makes the places, `grid_sample` the values there.

A sample is a weighted sum of a few entries. With x (N, C, M), the entries of an image in one row, and the places and
weights (N, P, T) of the T entries of each of P samples

    sample            y_ncp = sum_t w_npt x_nc,places_npt
    spread            x_ncm = sum_pt w_npt y_ncp [places_npt = m]     its transpose
    sample_weights    w_npt = sum_c y_ncp x_nc,places_npt             its gradient with respect to w

Each is linear in both arguments, and its derivatives are the two others, as with convolutions.
"""

from __future__ import annotations

import functools
import itertools
import math
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..autograd import Tensor, isfinite, matmul, nan_to_num, reshape, stop_gradient, where
from ..extend import TensorLike, by_single, floating, folded, lift, pooled, primitive, surely, wrap

__all__ = ["affine_grid", "grid_sample"]

_SAMPLES = 1 << 13


@primitive
def sample(x: Any, weights: Any, places: Any) -> Any:
    """The sums of some entries of x (N, C, M), by weights and places (N, P, T): (N, C, P)."""
    out = pooled((*x.shape[:2], places.shape[1]), np.result_type(x, weights))
    with np.errstate(invalid="ignore", over="ignore"):
        _sum_taps(x, weights, places, out, np.multiply)
        if not np.isfinite(out.sum()):
            _sum_taps(x, weights, places, out, _careful_product)
    return out


def _sum_taps(x: Any, weights: Any, places: Any, out: Any, product: Any) -> None:
    for image, w, at, y in zip(x, weights, places, out, strict=True):
        for t in range(at.shape[1]):
            taken = product(image.take(at[:, t], 1, mode="clip"), w[:, t])
            if t:
                y += taken
            else:
                y[...] = taken


def _careful_product(values: Any, weights: Any) -> Any:
    """The product, 0 where the weight is 0, of infinities and NaN, too."""
    return np.where(weights == 0, 0, values * weights)


@primitive
def spread(y: Any, weights: Any, places: Any, *, size: int) -> Any:
    """The transpose of `sample`: y (N, C, P), by weights added to zeros (N, C, size) at the places."""
    if np.iscomplexobj(y) or np.iscomplexobj(weights):
        parts = [spread.function(*pair, places, size=size) for pair in itertools.product(_parts(y), _parts(weights))]
        return parts[0] - parts[3] + 1j * (parts[1] + parts[2])
    out = pooled((*y.shape[:2], size), np.result_type(y, weights))
    product = np.multiply if np.isfinite(y.sum()) else _careful_product
    with np.errstate(invalid="ignore", over="ignore"):
        for given, w, at, x in zip(y, weights, places, out, strict=True):
            flat = at.ravel()
            for channel, row in zip(given, x, strict=True):
                row[...] = np.bincount(flat, product(channel[:, None], w).ravel(), size)
    return out


def _parts(x: Any) -> tuple[Any, Any]:
    return x.real, x.imag if np.iscomplexobj(x) else np.zeros_like(x)


@primitive
def sample_weights(x: Any, y: Any, places: Any) -> Any:
    """For every sample the products of y (N, C, P) with the entries of x (N, C, M) at its places: (N, P, T)."""
    out = pooled(places.shape, np.result_type(x, y))
    for image, given, at, w in zip(x, y, places, out, strict=True):
        for t in range(at.shape[1]):
            w[:, t] = np.einsum("cp,cp->p", image.take(at[:, t], 1, mode="clip"), given)
    return out


sample.vjp("x", "linear")(lambda g, x_shape, weights, places: spread.apply(g, weights, places, size=x_shape[2]))
sample.vjp("weights", "linear")(lambda g, x, places: sample_weights.apply(x, g, places))
spread.vjp("y", "linear")(lambda g, weights, places: sample.apply(g, weights, places))
spread.vjp("weights", "linear")(lambda g, y, places: sample_weights.apply(g, y, places))
sample_weights.vjp("x", "linear")(lambda g, x_shape, y, places: spread.apply(y, g, places, size=x_shape[2]))
sample_weights.vjp("y", "linear")(lambda g, x, places: sample.apply(x, g, places))
for _sampling in (sample, spread, sample_weights):
    _sampling.batch(folded)


def _draw(draw: Any) -> dict[str, Any]:
    n, c, m, p, t = (draw.integer(int(i > 0), 3) for i in range(5))
    places = draw.integers((n, p, t), 0, m - 1)
    return {
        "x": draw.array(shape=(n, c, m)), "y": draw.array(shape=(n, c, p)), "weights": draw.array(shape=(n, p, t)),
        "places": places, "size": m,
    }  # fmt: skip


@sample.strategy
def _(draw: Any) -> Any:
    a = _draw(draw)
    return (a["x"], a["weights"], a["places"]), {}


@spread.strategy
def _(draw: Any) -> Any:
    a = _draw(draw)
    return (a["y"], a["weights"], a["places"]), {"size": a["size"]}


@sample_weights.strategy
def _(draw: Any) -> Any:
    a = _draw(draw)
    return (a["x"], a["y"], a["places"]), {}


Line = list[tuple[Any, Any, Any]]  # of an axis: places, their weights, and the slopes of these


def _line(g: Any, n: int, mode: str, padding: str, align: bool) -> Line:
    """Which entries of an axis of length n make the values at places g from -1 to 1, how much of each, and how that
    changes with g."""
    at, scale = ((g + 1) * ((n - 1) / 2), (n - 1) / 2) if align else (((g + 1) * n - 1) / 2, n / 2)
    if mode == "bicubic":
        first = np.floor(at)
        t = at - first
        parts = [(_far(1 + t), _far_slope(1 + t)), (_near(t), _near_slope(t))]
        parts += [(_near(1 - t), -_near_slope(1 - t)), (_far(2 - t), -_far_slope(2 - t))]
        places = [_held(first + i, n, padding, align)[0] for i in (-1, 0, 1, 2)]
        return [_entry(place, w, scale * slope, n, padding) for place, (w, slope) in zip(places, parts, strict=True)]
    at, turn = _held(at, n, padding, align)
    if mode == "nearest":
        return [_entry(np.round(at), np.ones_like(at), np.zeros_like(at), n, padding)]
    first, slope = np.floor(at), scale * turn
    t = at - first
    return [_entry(first, 1 - t, -slope, n, padding), _entry(first + 1, t, slope, n, padding)]


_A = -0.75  # Keys, Cubic convolution interpolation for digital image processing, 1981


def _near(t: Any) -> Any:
    return ((_A + 2) * t - (_A + 3)) * t * t + 1


def _near_slope(t: Any) -> Any:
    return (3 * (_A + 2) * t - 2 * (_A + 3)) * t


def _far(t: Any) -> Any:
    return (((t - 5) * t + 8) * t - 4) * _A


def _far_slope(t: Any) -> Any:
    return ((3 * t - 10) * t + 8) * _A


def _held(at: Any, n: int, padding: str, align: bool) -> tuple[Any, Any]:
    """Places moved to where there are entries, unless there are zeros around them; and how they change by that."""
    if padding == "zeros":
        return at, np.ones_like(at)
    turn: Any = 1
    if padding == "reflection":
        low, span = (0.0, n - 1.0) if align else (-0.5, float(n))
        if not span:
            return np.zeros_like(at), np.zeros_like(at)
        times = np.floor((at - low) / (2 * span)) * (2 * span)
        turn = np.where(at - times - low >= span, -1, 1)
        at = np.where(turn < 0, 2 * span + 2 * low - (at - times), at - times)
    inside = (at > 0) & (at < n - 1)
    return np.clip(at, 0, n - 1), (inside * turn).astype(at.dtype)


def _entry(place: Any, weight: Any, slope: Any, n: int, padding: str) -> tuple[Any, Any, Any]:
    """A place as an index, and its weight and slope, which are 0 where there is no such place."""
    if padding == "zeros":
        inside = (place >= 0) & (place < n)
        weight, slope = np.where(inside, weight, 0), np.where(inside, slope, 0)
    return np.clip(place, 0, n - 1).astype(int), weight, slope


def _product(factors: Any) -> Any:
    return functools.reduce(lambda a, b: a * b, factors)


def _blocks(array: Any) -> list[slice]:
    """So many samples at a time that what is computed of them stays in the cache."""
    return [slice(start, start + _SAMPLES) for start in range(0, len(array), _SAMPLES)]


@primitive(aux=["places"])
def tap_weights(grid: Any, *, lengths: tuple[int, ...], mode: str, padding: str, align: bool) -> Any:
    """The weights (N, P, T) of the entries that make the values at points (N, P, dims), and where these are."""
    n, p, dims = grid.shape
    count, points = {"nearest": 1, "bilinear": 2, "bicubic": 4}[mode] ** dims, grid.reshape(n * p, dims)
    weights, places = pooled((n * p, count), grid.dtype), pooled((n * p, count), np.dtype(int))
    for block in _blocks(points):
        lines = [_line(points[block, -1 - i], size, mode, padding, align) for i, size in enumerate(lengths)]
        for k, taps in enumerate(itertools.product(*lines)):
            weights[block, k] = _product(weight for _, weight, _ in taps)
            place: Any = 0
            for (at, _, _), size in zip(taps, lengths, strict=True):
                place = place * size + at
            places[block, k] = place
    return weights.reshape(n, p, count), places.reshape(n, p, count)


def _grid_gradient(g: Any, grid: Any, lengths: tuple[int, ...], mode: str, padding: str, align: bool) -> Any:
    """The cotangent of points (..., dims) for that of their weights (..., T)."""
    lines = [_line(grid[..., -1 - i], size, mode, padding, align) for i, size in enumerate(lengths)]
    totals: list[Any] = [0] * len(lengths)
    for k, taps in enumerate(itertools.product(*lines)):
        for i in range(len(lengths)):
            totals[i] = totals[i] + g[..., k] * _product(tap[2 if i == j else 1] for j, tap in enumerate(taps))
    return np.stack(totals[::-1], -1)


@tap_weights.vjp("grid")
def _(g: Any, grid: Any, lengths: Any, mode: str, padding: str, align: bool) -> Any:
    settings = lengths, mode, padding, align
    if g.__class__ is not np.ndarray or grid.__class__ is not np.ndarray:
        return _grid_gradient(g, grid, *settings)
    out = pooled((math.prod(grid.shape[:2]), grid.shape[2]), g.dtype)
    points, weights = grid.reshape(out.shape), g.reshape(len(out), g.shape[2])
    for block in _blocks(points):
        out[block] = _grid_gradient(weights[block], points[block], *settings)
    return out.reshape(grid.shape)


tap_weights.batch(folded)


@tap_weights.strategy
def _(draw: Any) -> Any:
    dims, mode = draw.integer(2, 3), ("nearest", "bilinear", "bicubic")[draw.integer(0, 2)]
    lengths = tuple(draw.integer(1, 4) for _ in range(dims))
    cells = draw.integers((draw.integer(0, 2), draw.integer(1, 2), dims), -3, 6)
    grid = (2 * cells + 1.8) / np.array(lengths[::-1]) - 1  # 0.4 beyond the middles of entries, away from kinks
    padding = ("zeros", "border", "reflection")[draw.integer(0, 2)]
    return (grid,), {"lengths": lengths, "mode": mode, "padding": padding, "align": False}


_FAR = 1e6  # a place in place of an infinite one


@by_single
def grid_sample(
    input: TensorLike,
    grid: Tensor,
    mode: str = "bilinear",
    padding_mode: str = "zeros",
    align_corners: bool | None = None,
) -> Tensor:
    """Return the values of `input` (N, C, *spatial) at the places of `grid` (N, *out, dims): (N, C, *out).

    There are two or three spatial axes. A place has a number for each, the last axis first, from -1 at one end to 1 at
    the other: at the outer edges of the entries there, or at their middles with `align_corners`; NaN is as -1. `mode`
    is "bilinear" (of three axes trilinear), "nearest" or "bicubic" (of two axes). Outside there are zeros, or with
    `padding_mode` "border" the nearest entries, or with "reflection" mirror images. Gradients go to both, any order.
    ValueError for other modes and shapes.
    Source: Jaderberg et al., Spatial transformer networks, 2015.

    >>> grid_sample(Tensor([[[[1.0, 3.0]]]]), np.array([[[[0.0, 0.0], [0.5, 0.0]]]]), align_corners=False)
    Tensor([[[[2., 3.]]]])
    """
    x, grid = floating(input), floating(grid)
    dims = x.ndim - 2
    _check(x, grid, mode, padding_mode)
    align = _aligned("grid_sample", align_corners)
    out, lengths = grid.shape[1:-1], x.shape[2:]
    if grid.dtype != x.dtype:
        grid = grid.astype(x.dtype)
    fixed = stop_gradient(grid)
    if not surely(isfinite(fixed)):
        grid = where(isfinite(fixed), grid, nan_to_num(fixed, nan=-1, posinf=_FAR, neginf=-_FAR))
    points = reshape(grid, (len(grid), math.prod(out), dims))
    weights, places = tap_weights.bind(points, lengths=lengths, mode=mode, padding=padding_mode, align=align)
    if not isinstance(places, Tensor):
        places = wrap(places)  # an array would be copied
    flat = sample.apply(reshape(x, (*x.shape[:2], math.prod(lengths))), weights, places)
    return reshape(flat, (*x.shape[:2], *out))


def _check(x: TensorLike, grid: TensorLike, mode: str, padding_mode: str) -> None:
    if mode not in ("bilinear", "nearest", "bicubic"):
        raise ValueError(f"grid_sample: mode {mode!r}; expected 'bilinear', 'nearest' or 'bicubic'")
    if padding_mode not in ("zeros", "border", "reflection"):
        raise ValueError(f"grid_sample: padding_mode {padding_mode!r}; expected 'zeros', 'border' or 'reflection'")
    if x.ndim not in (4, 5) or 0 in x.shape[2:] or (mode == "bicubic" and x.ndim == 5):
        raise ValueError(
            f"grid_sample: input of shape {x.shape} in mode {mode!r}; expected (N, C, H, W)"
            + ("" if mode == "bicubic" else " or (N, C, D, H, W)")
        )
    if grid.ndim != x.ndim or grid.shape[0] != x.shape[0] or grid.shape[-1] != x.ndim - 2:
        raise ValueError(
            f"grid_sample: grid of shape {grid.shape} for an input of shape {x.shape}; expected "
            f"({x.shape[0]}, {'H, W' if x.ndim == 4 else 'D, H, W'}, {x.ndim - 2})"
        )


def _aligned(name: str, align_corners: bool | None) -> bool:
    if align_corners is None:
        warnings.warn(f"{name}: align_corners=False is taken; say which is meant", stacklevel=3)
    return bool(align_corners)


def affine_grid(theta: Tensor, size: Sequence[int], align_corners: bool | None = None) -> Tensor:
    """Return the places (N, H, W, 2) or (N, D, H, W, 3) to which matrices theta (N, 2, 3) or (N, 3, 4) take a grid.

    The grid is that of the entries of (N, C, H, W) or (N, C, D, H, W) = `size`, in the numbers that `grid_sample`
    takes, with the same `align_corners`. ValueError for other shapes.
    Source: Jaderberg et al., Spatial transformer networks, 2015.

    >>> affine_grid(Tensor([[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]]), (1, 1, 1, 2), align_corners=False)
    Tensor([[[[-0.5,  0. ],
              [ 0.5,  0. ]]]])
    """
    theta, size = lift(theta), tuple(size)
    dims = len(size) - 2
    if dims not in (2, 3) or min(size) < 1:
        raise ValueError(f"affine_grid: size={size}; expected positive (N, C, H, W) or (N, C, D, H, W)")
    if theta.dtype.kind != "f" or theta.shape != (size[0], dims, dims + 1):
        raise ValueError(
            f"affine_grid: theta of shape {theta.shape} and {theta.dtype} for size={size}; expected floats of shape "
            f"{(size[0], dims, dims + 1)}"
        )
    align, spatial = _aligned("affine_grid", align_corners), size[2:]
    lines = []
    for n in spatial:
        line = np.linspace(-1, 1, n, dtype=theta.dtype) if n > 1 else np.zeros(1, theta.dtype)
        lines.append(line if align else line * ((n - 1) / n))
    axes = np.meshgrid(*lines, indexing="ij")
    points = np.stack([*reversed(axes), np.ones_like(axes[0])], -1).reshape(-1, dims + 1)
    return reshape(matmul(points, theta.mT), (size[0], *spatial, dims))
