"""`pad` in NumPy's modes: zeros are a linear pair with cropping, the other modes go axis by axis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core.batching import computed, everywhere
from ..core.conversion import lift
from ..core.primitive import implements, linear
from ..core.tensor import Tensor, carried
from ..core.tracing import bottom
from ..core.types import ArrayLike, HasArray
from .elementwise import where
from .indexing import setitem
from .reductions import max, mean, min, sum
from .shape import broadcast_to, concatenate, moveaxis
from .statistics import median

__all__ = ["pad"]

_OPTIONS = {
    "constant": "constant_values",
    "edge": None,
    "wrap": None,
    "reflect": "reflect_type",
    "symmetric": "reflect_type",
    "linear_ramp": "end_values",
    "mean": "stat_length",
    "maximum": "stat_length",
    "minimum": "stat_length",
    "median": "stat_length",
}
_STATISTICS: dict[str, Any] = {"mean": mean, "maximum": max, "minimum": min, "median": median}


@linear("x")
def pad(x: Any, *, widths: tuple[tuple[int, int], ...]) -> Any:
    """Entries put before and after those of each axis; see `numpy.pad`.

    `pad_width` is a number, a pair (before, after), one pair for each axis, or a dictionary from axes to these.
    The modes are "constant" (with `constant_values`), "edge", "wrap", "reflect" and "symmetric" (with
    `reflect_type`), "linear_ramp" (with `end_values`), "mean", "maximum", "minimum" and "median" (with `stat_length`);
    ValueError for others.

    >>> pad(Tensor([1.0, 2.0, 3.0]), (2, 1), mode="reflect")
    Tensor([3., 2., 1., 2., 3., 2.])
    """
    return np.pad(x, widths) if widths else x


pad.vjp("x")(lambda g, x_shape, widths: g[_inside(x_shape, widths)])


def _inside(shape: Any, widths: Any) -> Any:
    """Where the array itself is, in the padded one."""
    return tuple(slice(before, before + n) for (before, _), n in zip(widths, shape, strict=True))


@pad.batch
def _(call: Any, n: int, values: Any, batched: Any, *, widths: Any) -> Any:
    return call(*values, widths=((0, 0), *widths) if widths else widths)


@pad.strategy
def _(draw: Any) -> Any:
    x = draw.array()
    return (x,), {"widths": tuple((draw.integer(0, 2), draw.integer(0, 2)) for _ in x.shape)}


@pad.public
@implements(np.pad)
def pad_form(
    array: ArrayLike,
    pad_width: int | Sequence[int | Sequence[int]] | HasArray | dict[int, int | Sequence[int]],
    mode: str = "constant",
    **options: object,
) -> Tensor:
    x = lift(array)
    if mode not in _OPTIONS:
        raise ValueError(f"pad: mode {mode!r} is not supported; there are {', '.join(_OPTIONS)}")
    if set(options) - {_OPTIONS[mode]}:
        raise ValueError(f"pad: mode {mode!r} has no option {', '.join(sorted(set(options) - {_OPTIONS[mode]}))}")
    differentiable = isinstance(x, Tensor) and x.dtype.kind in "fc"
    if not differentiable and not carried(lift(options.get("constant_values", 0))):
        out = computed(np.pad, x, pad_width, mode, **options)
        return out if isinstance(x, Tensor) else out.numpy()
    widths = _widths(pad_width, x.ndim)
    if mode == "constant":
        if not options:
            return pad.apply(x, widths=widths)
        ends = lift(options["constant_values"])
        if not isinstance(ends, Tensor):
            return setitem(np.pad(np.zeros(x.shape, x.dtype), widths, **options), _inside(x.shape, widths), x)
        for axis, pair in enumerate(broadcast_to(ends, (x.ndim, 2)).astype(x.dtype)):
            x = _between(x, axis, pair, widths[axis])
        return x
    for axis, width in enumerate(widths):
        if any(width):
            x = _pad_axis(x, axis, width, mode, {name: _along(axis, value, x) for name, value in options.items()})
    return x


def _widths(pad_width: Any, ndim: int) -> tuple[tuple[int, int], ...]:
    """Any form of `pad_width` as a pair for each axis."""
    if isinstance(pad_width, dict):
        by_axis = {range(ndim)[axis]: width for axis, width in pad_width.items()}
        pad_width = [np.broadcast_to(by_axis.get(axis, 0), 2) for axis in range(ndim)]
    widths = np.broadcast_to(pad_width if ndim else 0, (ndim, 2))
    if widths.dtype.kind not in "iu" or (widths < 0).any():
        raise ValueError(f"pad: pad_width={pad_width!r}; expected integers from 0")
    return tuple((int(before), int(after)) for before, after in widths)


def _along(axis: int, option: Any, x: Any) -> Any:
    """The part of an option that is about one axis."""
    return option if option is None or isinstance(option, str) else tuple(np.broadcast_to(option, (x.ndim, 2))[axis])


def _between(x: Any, axis: int, ends: Any, width: tuple[int, int]) -> Any:
    """The array between its two ends along an axis, as often as their widths say."""
    first, last = (
        broadcast_to(end, (*x.shape[:axis], count, *x.shape[axis + 1 :]))
        for end, count in zip(ends, width, strict=True)
    )
    return concatenate([first, x, last], axis=axis)


def _pad_axis(x: Any, axis: int, width: tuple[int, int], mode: str, options: dict[str, Any]) -> Any:
    """Padding of one axis: entries repeated, or else products with the matrix that the mode is."""
    n = x.shape[axis]
    pad_one: Any = np.pad
    if mode in ("edge", "wrap", "reflect", "symmetric") and options.get("reflect_type", "even") == "even":
        return x[(slice(None),) * axis + (pad_one(np.arange(n), width, mode),)]
    if mode in _STATISTICS:
        before, after = (n if length is None else length for length in options.get("stat_length") or (None, None))
        lead, statistic = (slice(None),) * axis, _STATISTICS[mode]
        parts = [statistic(x[(*lead, part)], axis, keepdims=True) for part in (slice(before), slice(-after, None))]
        return _between(x, axis, parts, width)
    constant = pad_one(np.zeros(n, x.dtype), width, mode, **options)
    ends = {name: (pair, (0, 0)) if name == "end_values" else pair for name, pair in options.items()}
    matrix = pad_one(np.eye(n, dtype=x.dtype), (width, (0, 0)), mode, **ends) - constant[:, None]
    line = moveaxis(x, axis, -1)
    if everywhere(np.isfinite(bottom(x))):
        return moveaxis(line @ matrix.T + constant, -1, axis)
    terms = where(matrix == 0, 0, line[..., None, :] * matrix)  # 0 times an infinity would be NaN
    return moveaxis(sum(terms, -1) + constant, -1, axis)
