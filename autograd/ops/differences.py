"""Differences and sums along an axis: numerical calculus on samples, as compositions."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.conversion import floating, lift
from ..core.primitive import implements, primitive
from ..core.tensor import Tensor
from ..core.types import ArrayLike, Axis
from .reductions import cumsum, sum
from .shape import axes_of, broadcast_to, concatenate, expand_dims, ravel

__all__ = ["cumulative_trapezoid", "diff", "ediff1d", "gradient", "trapezoid", "unwrap"]


def _part(x: Any, axis: int, start: int | None = None, stop: int | None = None) -> Any:
    return x[(slice(None),) * axis + (slice(start, stop),)]


@implements(np.diff)
def diff(
    a: ArrayLike, n: int = 1, axis: int = -1, prepend: ArrayLike | None = None, append: ArrayLike | None = None
) -> Tensor:
    """The `n`-th differences of neighbours along `axis`, after `prepend` and `append` have been joined to it."""
    a = lift(a)
    if n < 0:
        raise ValueError(f"diff: n={n} is negative")
    (axis,) = axes_of(axis, a.ndim, "diff")
    if not n:
        return a
    one = (*a.shape[:axis], 1, *a.shape[axis + 1 :])
    ends = (lift(end) if np.ndim(end) else broadcast_to(end, one) for end in (prepend, append) if end is not None)
    parts = [a, *ends]
    if prepend is not None:
        parts[:2] = parts[1::-1]
    a = concatenate(parts, axis=axis) if len(parts) > 1 else a
    for _ in range(n):
        later, earlier = _part(a, axis, 1), _part(a, axis, None, -1)
        a = later != earlier if a.dtype == np.bool_ else later - earlier
    return a


@implements(np.ediff1d)
def ediff1d(ary: ArrayLike, to_end: ArrayLike | None = None, to_begin: ArrayLike | None = None) -> Tensor:
    """The differences of neighbours in the flattened array, between `to_begin` and `to_end`."""
    ary = ravel(ary)
    for name, part in (("to_begin", to_begin), ("to_end", to_end)):
        if part is not None and not np.can_cast(lift(part).dtype, ary.dtype, "same_kind"):
            raise TypeError(f"ediff1d: cannot cast {name} from {lift(part).dtype} to {ary.dtype}")
    parts = [None if part is None else ravel(part).astype(ary.dtype) for part in (to_begin, to_end)]
    parts.insert(1, ary[1:] - ary[:-1])
    return concatenate([part for part in parts if part is not None])


@implements(np.trapezoid)
def trapezoid(y: ArrayLike, x: ArrayLike | None = None, dx: ArrayLike = 1.0, axis: int = -1) -> Tensor:
    """The integral of the samples `y` along `axis` by the trapezoidal rule, at the points `x` or in steps `dx`.

    >>> trapezoid(np.array([1.0, 2.0, 4.0])).item()
    4.5
    """
    strips, axis = _strips("trapezoid", y, x, dx, axis)
    return sum(strips, axis)


def cumulative_trapezoid(
    y: ArrayLike, x: ArrayLike | None = None, dx: ArrayLike = 1.0, axis: int = -1, initial: float | None = None
) -> Tensor:
    """The integrals from the first of the samples `y` to each later one, as `scipy.integrate.cumulative_trapezoid`
    has them; with `initial`, which SciPy wants to be 0, that comes first.

    >>> cumulative_trapezoid(np.array([1.0, 2.0, 4.0]), initial=0)
    array([0. , 1.5, 4.5])
    """
    strips, axis = _strips("cumulative_trapezoid", y, x, dx, axis)
    out = cumsum(strips, axis)
    if initial is None:
        return out
    return concatenate([np.full((*out.shape[:axis], 1, *out.shape[axis + 1 :]), initial, out.dtype), out], axis=axis)


def _strips(name: str, y: Any, x: Any, dx: Any, axis: int) -> tuple[Any, int]:
    """The areas between neighbouring samples along `axis`, and that axis."""
    y = lift(y)
    (axis,) = axes_of(axis, y.ndim, name)
    if x is not None:
        x = lift(x)
        dx = diff(x, axis=axis) if x.ndim != 1 else _on_axis(diff(x), axis, y.ndim)
    elif np.ndim(dx) == 1:
        dx = _on_axis(lift(dx), axis, y.ndim)
    return dx * (_part(y, axis, 1) + _part(y, axis, None, -1)) / 2, axis


def _on_axis(x: Any, axis: int, ndim: int) -> Any:
    """A vector laid along one of `ndim` axes."""
    return expand_dims(x, [i for i in range(ndim) if i != axis])


@implements(np.gradient)
def gradient(f: ArrayLike, *varargs: ArrayLike, axis: Axis = None, edge_order: int = 1) -> Tensor | tuple[Tensor, ...]:
    """The slopes of the samples `f` along each axis, by central differences and one-sided ones at the edges.

    `varargs` are the spacings, as numbers or as coordinates: none, one for all axes or one for each. The result
    is one array, or a tuple for several axes.
    """
    f = lift(f)
    if f.dtype == np.bool_:
        raise TypeError("gradient: bools have no differences; convert them to numbers")
    f = floating(f)
    axes = axes_of(axis, f.ndim, "gradient")
    spacings = varargs * len(axes) if len(varargs) == 1 else varargs or (1.0,) * len(axes)
    if len(spacings) != len(axes):
        raise TypeError(f"gradient: {len(varargs)} spacings for {len(axes)} axes")
    if edge_order not in (1, 2):
        raise ValueError(f"gradient: edge_order={edge_order} is neither 1 nor 2")
    slopes = tuple(_slopes(f, floating(spacing), a, edge_order) for a, spacing in zip(axes, spacings, strict=True))
    return slopes[0] if len(slopes) == 1 else slopes


def _slopes(f: Any, spacing: Any, axis: int, edge_order: int) -> Any:
    n = f.shape[axis]
    if n < edge_order + 1:
        raise ValueError(f"gradient: axis {axis} of shape {f.shape} needs at least {edge_order + 1} entries")
    if spacing.ndim and spacing.shape != (n,):
        raise ValueError(f"gradient: coordinates of shape {spacing.shape} for axis {axis} of shape {f.shape}")
    steps = diff(spacing) if spacing.ndim else broadcast_to(spacing, (n - 1,))
    h = _on_axis(steps, axis, f.ndim).astype(f.dtype)
    if n == 2:
        slope = diff(f, axis=axis) / h
        return concatenate([slope, slope], axis=axis)
    if edge_order == 1:
        first, last = (diff(_part(f, axis, *two), axis=axis) / _part(h, axis, *one) for two, one in _ENDS)
    else:  # the slopes of parabolas
        first = _parabola(f, h, axis, slice(0, 3), 0)
        last = _parabola(f, h, axis, slice(n - 3, n), 2)
    return concatenate([first, _parabola(f, h, axis, slice(0, n), 1), last], axis=axis)


_ENDS = ((None, 2), (None, 1)), ((-2, None), (-1, None))  # of samples, and of steps


def _parabola(f: Any, h: Any, axis: int, part: slice, place: int) -> Any:
    """The slopes at the first, second or third of three neighbouring samples of the parabola through them."""
    n = part.stop - part.start
    a, b, c = (_part(f, axis, part.start + i, part.start + n - 2 + i) for i in range(3))
    u, v = (_part(h, axis, part.start + i, part.start + n - 2 + i) for i in range(2))
    if place == 1:
        middle = (v - u) / (u * v)
        known = np.logical_or(middle != 0, np.isfinite(b))  # in steps of one size it does not count
        return c * (u / v / (u + v)) - a * (v / u / (u + v)) + np.where(known, b, 0) * middle
    if place == 0:
        return b * ((u + v) / u / v) - a * ((2 * u + v) / u / (u + v)) - c * (u / v / (u + v))
    return c * ((2 * v + u) / v / (u + v)) + a * (v / u / (u + v)) - b * ((u + v) / u / v)


@primitive
def unwrap(p: Any, *, discont: Any, axis: int, period: Any) -> Any:
    """Angles with whole periods added so that neighbours along `axis` differ by at most half a period."""
    return np.unwrap(p, discont, axis, period=period)


unwrap.vjp("p")(lambda g: g)


@unwrap.strategy
def _(draw: Any) -> Any:
    x = draw.array(shape=draw.shape(min_dims=1), domain=(-1.4, 1.4), dtype=np.float64)
    return (x,), {"discont": None, "axis": draw.axis(x.ndim), "period": 2 * np.pi}


@unwrap.public
@implements(np.unwrap)
def unwrap_form(p: ArrayLike, discont: ArrayLike | None = None, axis: int = -1, *, period: float = 2 * np.pi) -> Tensor:
    return unwrap.apply(lift(p), discont=discont, axis=axis, period=period)
