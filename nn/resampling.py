"""Resampling to other lengths, as a function and as layers: along each axis a linear map with few entries in a row.

An axis of n entries becomes one of k by a matrix (k, n) whose rows are zero outside of a few neighbours, and all axes
one after the other. It is kept as blocks of rows that are dense, so that it and its transpose are small products.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..autograd import Tensor, adaptive_avg_pool
from ..extend import TensorLike, by_single, floating, lift, linear, pooled
from .module import Module

__all__ = ["Upsample", "UpsamplingBilinear2d", "UpsamplingNearest2d", "interpolate"]

_ROWS = 32  # of a block: enough for a product to pay, few enough for it to be dense

Array = np.ndarray[Any, Any]


class Axis(NamedTuple):
    """The map of an axis: its mode, both lengths, and the distance of neighbouring places, in entries of the input."""

    mode: str
    before: int
    after: int
    step: float
    align_corners: bool
    antialias: bool


def _tent(t: Array) -> Array:
    return np.maximum(1 - np.abs(t), 0)


def _cubic(t: Array, a: float) -> Array:
    """Keys, Cubic convolution interpolation for digital image processing, 1981."""
    t = np.abs(t)
    near, far = ((a + 2) * t - (a + 3)) * t * t + 1, (((t - 5) * t + 8) * t - 4) * a
    return np.where(t <= 1, near, np.where(t < 2, far, 0))


def _lanczos(t: Array) -> Array:
    return np.where(np.abs(t) < 3, np.sinc(t) * np.sinc(t / 3), 0)


_FILTERS: dict[str, tuple[Callable[[Array], Array], float]] = {  # and how far they reach
    "linear": (_tent, 1),
    "cubic": (lambda t: _cubic(t, -0.5), 2),
    "lanczos": (_lanczos, 3),
}


def _taps(axis: Axis) -> tuple[Array, Array]:
    """Which entries of the input, and with which weights, make those of the output: both (after, some)."""
    mode, n, k, step, align_corners, antialias = axis
    if mode.startswith("nearest"):  # in single precision, as in PyTorch: which one is the nearest hangs on it
        half = np.float32(0.5 if mode == "nearest-exact" else 0)
        places = np.floor((np.arange(k, dtype=np.float32) + half) * np.float32(step)).astype(int)
        return places.clip(max=n - 1)[:, None], np.ones((k, 1))
    if antialias:
        weigh, reach = _FILTERS[mode]
        wide = max(step, 1.0)
        centre = step * (np.arange(k) + 0.5)[:, None]
        first, last = (centre - reach * wide + 0.5).astype(int), (centre + reach * wide + 0.5).astype(int)
        places = first.clip(min=0) + np.arange(math.ceil(2 * reach * wide) + 1)
        weights = weigh((places - centre + 0.5) / wide) * (places < last.clip(max=n))
        return places.clip(max=n - 1), weights / weights.sum(1, keepdims=True)
    at = step * np.arange(k) if align_corners else step * (np.arange(k) + 0.5) - 0.5
    places = np.floor(at).astype(int)[:, None] + (np.arange(2) if mode == "linear" else np.arange(-1, 3))
    distance = at[:, None] - places
    return places.clip(0, n - 1), _tent(distance) if mode == "linear" else _cubic(distance, -0.75)


@functools.lru_cache(256)
def _blocks(axis: Axis, dtype: np.dtype[Any]) -> list[tuple[slice, slice, Array]]:
    """Blocks of the map's rows: the entries of the output, those of the input that make them, and the matrix."""
    places, weights = _taps(axis)
    blocks = []
    for start in range(0, axis.after, _ROWS):
        rows = slice(start, min(start + _ROWS, axis.after))
        low, high = int(places[rows].min()), int(places[rows].max()) + 1
        matrix = np.zeros((rows.stop - start, high - low))
        np.add.at(matrix, (np.arange(len(matrix))[:, None], places[rows] - low), weights[rows])
        blocks.append((rows, slice(low, high), matrix.astype(dtype)))
    return blocks


@functools.lru_cache(256)
def _repeats(axis: Axis) -> int:
    """How often each entry is repeated, where the map does nothing else; or 0."""
    times, rest = divmod(axis.after, axis.before)
    if rest or not times or not axis.mode.startswith("nearest"):
        return 0
    return times if np.array_equal(_taps(axis)[0][:, 0], np.arange(axis.after) // times) else 0


def _repeated(x: Array, times: int, out: Array, transposed: bool) -> None:
    """Write into `out` each entry of the middle axis so many times, or the sums of as many neighbours."""
    for j in range(times):
        if not transposed:
            out[:, j::times] = x
        elif j:
            out += x[:, j::times]
        else:
            out[...] = x[:, ::times]


def _careful_product(a: Array, b: Array) -> Array:
    """The product of matrices, with 0 where a zero meets an infinity or NaN."""
    met = (a != 0)[..., None] & (b != 0)[..., None, :, :]
    return np.where(met, a[..., None] * b[..., None, :, :], 0).sum(-2)


def _along(x: Array, axis: Axis, position: int, transposed: bool, careful: bool) -> Array:
    """The map, or its transpose, along one of the last axes (a negative position)."""
    lead, inner = x.shape[:position], x.shape[position:][1:]
    length, columns = axis.before if transposed else axis.after, math.prod(inner)
    x = x.reshape(math.prod(lead), x.shape[position], *((columns,) if columns > 1 else ()))
    out = pooled((len(x), length, *x.shape[2:]), x.dtype)
    if times := _repeats(axis):
        _repeated(x, times, out, transposed)
    else:
        _multiplied(x, axis, out, transposed, careful)
    return out.reshape(*lead, length, *inner)


def _multiplied(x: Array, axis: Axis, out: Array, transposed: bool, careful: bool) -> None:
    """Write into `out` the products of the blocks, or of their transposes, with x along its middle axis."""
    product = _careful_product if careful else np.matmul
    done = 0
    for rows, taken, matrix in _blocks(axis, x.dtype):
        to, given, matrix = (taken, rows, matrix.T) if transposed else (rows, taken, matrix)
        out[:, done : to.start] = 0
        seam = min(max(done, to.start), to.stop)  # what is before it has parts of more blocks
        for part, old in ((slice(to.start, seam), True), (slice(seam, to.stop), False)):
            if part.start < part.stop:
                some = matrix[part.start - to.start : part.stop - to.start]
                pair = (some, x[:, given]) if x.ndim > 2 else (x[:, given], some.T)
                if old:
                    out[:, part] += product(*pair)
                elif careful:
                    out[:, part] = product(*pair)
                else:
                    np.matmul(*pair, out=out[:, part])
        done = max(done, to.stop)
    out[:, done:] = 0


@linear("x")
def resample(x: Any, *, axes: tuple[Axis, ...], transposed: bool) -> Any:
    """The maps of the last axes of x, or their transposes, one after the other, those first that leave least."""
    growth = [axis.before / axis.after if transposed else axis.after / axis.before for axis in axes]
    positions = sorted(range(-len(axes), 0), key=lambda i: (growth[i], -i))
    with np.errstate(invalid="ignore", over="ignore"):
        for careful in (False, True):
            out = x
            for i in positions:
                if axes[i].before != axes[i].after or axes[i].step != 1:
                    out = _along(out, axes[i], i, transposed, careful)
            if np.isfinite(out.sum()):
                break
    return x.copy() if out is x else out


resample.vjp("x")(lambda g, axes, transposed: resample.apply(g, axes=axes, transposed=not transposed))


@resample.batch
def _(call: Any, n: int, values: Any, batched: set[int], /, **options: Any) -> Any:
    return call(*values, **options)


@resample.strategy
def _(draw: Any) -> Any:
    axes, transposed = [], draw.flag()
    for _ in range(draw.integer(1, 2)):
        mode = list(_KINDS)[draw.integer(0, len(_KINDS) - 1)]
        n, k = draw.integer(1, 5), draw.integer(1, 5)
        axes.append(Axis(_KINDS[mode][0], n, k, n / k, False, mode == "lanczos"))
    spatial = tuple(axis.after if transposed else axis.before for axis in axes)
    return (draw.array(shape=(draw.integer(0, 2), *spatial)),), {"axes": tuple(axes), "transposed": transposed}


_KINDS: dict[str, tuple[str, tuple[int, ...]]] = {  # of axes, and for how many of them
    "nearest": ("nearest", (1, 2, 3)),
    "nearest-exact": ("nearest-exact", (1, 2, 3)),
    "linear": ("linear", (1,)),
    "bilinear": ("linear", (2,)),
    "trilinear": ("linear", (3,)),
    "bicubic": ("cubic", (2,)),
    "lanczos": ("lanczos", (2,)),
}


@by_single
def interpolate(
    input: TensorLike,
    size: int | Sequence[int] | None = None,
    scale_factor: float | Sequence[float] | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Tensor:
    """Resample the spatial axes of (N, C, *spatial) to `size`, or to `scale_factor` times as many entries.

    `mode` is "nearest", "nearest-exact" or "area" (means, as `adaptive_avg_pool2d`) for one to three axes, "linear" for
    one, "bilinear", "bicubic" or "lanczos" for two, "trilinear" for three. The middles of the first and last entries
    stay where they are with `align_corners`, their outer edges without. `antialias`, for two axes ("lanczos" has
    nothing else), widens the filter where the result is smaller, as in Pillow. Places follow `scale_factor` as it is,
    or the lengths before and after with `recompute_scale_factor`. ValueError for other modes, shapes and sizes.
    Source: Keys, Cubic convolution interpolation for digital image processing, 1981 (a = -0.75, and -0.5 with
    `antialias`).

    >>> interpolate(Tensor([[[1.0, 3.0]]]), size=4, mode="linear")
    Tensor([[[1. , 1.5, 2.5, 3. ]]])
    """
    input = lift(input)
    lengths = input.shape[2:]
    kind, dims = ("area", (1, 2, 3)) if mode == "area" else _KINDS.get(mode, ("", ()))
    if not dims:
        raise ValueError(f"interpolate: mode {mode!r}; expected 'area' or one of {', '.join(map(repr, _KINDS))}")
    if len(lengths) not in dims or 0 in lengths:
        some = " or ".join(map(str, dims))
        raise ValueError(
            f"interpolate: input of shape {input.shape}; mode {mode!r} takes (N, C, ...), {some} axes more"
        )
    if mode in ("nearest", "nearest-exact", "area") and align_corners is not None:
        raise ValueError(f"interpolate: align_corners={align_corners} has no meaning in mode {mode!r}")
    if (antialias and mode not in ("bilinear", "bicubic", "lanczos")) or (mode == "lanczos" and not antialias):
        raise ValueError(f"interpolate: antialias={antialias} in mode {mode!r}; it is for 'bilinear' and 'bicubic'")
    if mode == "lanczos" and align_corners:
        raise ValueError("interpolate: align_corners=True in mode 'lanczos', which has none")
    sizes, factors = _sizes(lengths, size, scale_factor, bool(recompute_scale_factor))
    if mode == "area":
        return adaptive_avg_pool(input, sizes)
    axes = tuple(
        Axis(kind, n, k, _step(n, k, factor, bool(align_corners)), bool(align_corners), antialias)
        for n, k, factor in zip(lengths, sizes, factors, strict=True)
    )
    return resample.apply(floating(input), axes=axes, transposed=False)


def _sizes(
    lengths: tuple[int, ...], size: Any, scale_factor: Any, recompute: bool
) -> tuple[tuple[int, ...], tuple[float | None, ...]]:
    """The lengths of the result, and the factors that places follow, None where these are the lengths' own."""
    if (size is None) == (scale_factor is None):
        raise ValueError(f"interpolate: size={size}, scale_factor={scale_factor}; expected one of the two")
    if size is not None and recompute:
        raise ValueError(f"interpolate: recompute_scale_factor=True with size={size}; it is for scale_factor")
    given = scale_factor if size is None else size
    values = tuple(given) if isinstance(given, (tuple, list)) else (given,) * len(lengths)
    name = "scale_factor" if size is None else "size"
    if len(values) != len(lengths):
        raise ValueError(f"interpolate: {name}={given} for {len(lengths)} spatial axes")
    if size is not None and not all(isinstance(k, (int, np.integer)) for k in values):
        raise TypeError(f"interpolate: size={size}; expected integers")
    sizes = values if size is not None else tuple(int(n * s) for n, s in zip(lengths, values, strict=True))
    if min(sizes) < 1:
        raise ValueError(f"interpolate: {name}={given} makes of lengths {lengths} {sizes}; expected 1 or more")
    return sizes, values if size is None and not recompute else (None,) * len(lengths)


def _step(n: int, k: int, factor: float | None, align_corners: bool) -> float:
    """How far neighbours of k entries of the result are apart, in entries of the input, of which there are n."""
    if align_corners:
        return (n - 1) / (k - 1) if k > 1 else 0.0
    return n / k if factor is None else 1 / factor


class Upsample(Module):
    """A layer that resamples the spatial axes of (N, C, *spatial); see `functional.interpolate`.

    >>> from pullback import nn
    >>> nn.Upsample(scale_factor=2)(np.zeros((1, 3, 4, 5), np.float32)).shape
    (1, 3, 8, 10)
    """

    def __init__(
        self,
        size: int | tuple[int, ...] | None = None,
        scale_factor: float | tuple[float, ...] | None = None,
        mode: str = "nearest",
        align_corners: bool | None = None,
        recompute_scale_factor: bool | None = None,
    ) -> None:
        super().__init__()
        self.size, self.mode, self.align_corners = size, mode, align_corners
        self.scale_factor = tuple(map(float, scale_factor)) if isinstance(scale_factor, tuple) else scale_factor
        if isinstance(scale_factor, int):
            self.scale_factor = float(scale_factor)
        self.recompute_scale_factor = recompute_scale_factor

    def forward(self, input: TensorLike) -> Tensor:
        return interpolate(
            input, self.size, self.scale_factor, self.mode, self.align_corners, self.recompute_scale_factor
        )

    def extra_repr(self) -> str:
        given = f"size={self.size!r}" if self.scale_factor is None else f"scale_factor={self.scale_factor!r}"
        return f"{given}, mode={self.mode!r}"


class UpsamplingNearest2d(Upsample):
    """A layer that resamples (N, C, H, W) to the nearest entries; see `functional.interpolate`."""

    def __init__(
        self, size: int | tuple[int, int] | None = None, scale_factor: float | tuple[float, float] | None = None
    ) -> None:
        super().__init__(size, scale_factor, mode="nearest")


class UpsamplingBilinear2d(Upsample):
    """A layer that resamples (N, C, H, W) linearly, with `align_corners`; see `functional.interpolate`."""

    def __init__(
        self, size: int | tuple[int, int] | None = None, scale_factor: float | tuple[float, float] | None = None
    ) -> None:
        super().__init__(size, scale_factor, mode="bilinear", align_corners=True)
