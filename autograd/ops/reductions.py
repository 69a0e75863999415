"""Operations that reduce along axes. Their primitives take `axis` as a tuple of non-negative integers."""

from __future__ import annotations

import builtins
import math
from functools import partial
from typing import Any

import numpy as np

from ..core.batching import computed
from ..core.conversion import floating, lift, values_of
from ..core.forms import Along, Cumulative, Reduction
from ..core.half_precision import by_single
from ..core.primitive import Primitive, implements, linear, primitive
from ..core.tensor import Tensor, carried
from ..core.types import ArrayLike, Axis, DTypeLike
from ..kernels.sums import HALF, rounded, summed, totals
from .elementwise import add as plus
from .elementwise import logaddexp, maximum, minimum
from .shape import axes_of, axes_over, broadcast_to, concatenate, expand_dims, reshape

__all__ = [
    "amax", "amin", "cumsum", "cumulative_sum", "log_softmax", "logsumexp", "max", "mean", "min", "nanmax", "nanmin",
    "ptp", "softmax", "sum",
]  # fmt: skip


def _spread(g: Any, shape: tuple[int, ...], axis: tuple[int, ...], keepdims: bool) -> Any:
    """The transpose of a sum: every summand gets the cotangent of its sum."""
    if not keepdims and g.ndim:
        g = reshape.apply(g, shape=tuple([1 if i in axis else n for i, n in enumerate(shape)]))
    return broadcast_to.apply(g, shape=shape)


def _kept(reduced: Any, axis: tuple[int, ...], keepdims: bool) -> Any:
    """A reduced array with its axes back, of length 1."""
    return reduced if keepdims or not reduced.ndim else expand_dims(reduced, axis)


def count_of(shape: tuple[int, ...], axis: tuple[int, ...]) -> int:
    return math.prod(map(shape.__getitem__, axis))


def sample(draw: Any, **entries: Any) -> Any:
    x = draw.array(**entries)
    return (x,), {"axis": draw.axes(x.ndim), "keepdims": draw.flag()}


def _nonempty(draw: Any) -> Any:
    return sample(draw, shape=draw.shape(min_side=1), distinct=True)


def in_dtype(out: Any, dtype: Any) -> Any:
    """A result in the dtype asked for (None: its own): small integers are added up in larger ones."""
    return out if dtype is None or out.dtype == dtype else out.astype(dtype)


def started(initial: Any, dtype: Any) -> Any:
    """What a reduction begins with, in its dtype, unless that would end a derivative."""
    return initial if carried(initial) and dtype.kind not in "fc" else in_dtype(lift(initial), dtype)


def _named(form: Any, made: Any) -> Any:
    form.__name__ = form.__qualname__ = made.name  # which an unexpected argument's TypeError names
    form.__doc__ = made.__doc__
    return form


def reduction(
    made: Any,
    *numpy_functions: Any,
    combine: Any = None,
    neutral: Any = None,
    prepare: Any = lift,
    decorate: Any = None,
) -> Any:
    """Give a primitive with options `axis` and `keepdims` NumPy's form.

    `combine` is the operation of two numbers that is repeated, `neutral` what it leaves alone; `prepare` makes an
    array, and `decorate` the form another one.
    """

    def form(
        x: ArrayLike,
        axis: Axis = None,
        dtype: DTypeLike | None = None,
        *,
        keepdims: bool = False,
        initial: ArrayLike | None = None,
        where: ArrayLike = True,
    ) -> Tensor:
        x = prepare(x)
        axes = axes_over(axis, x.ndim, made.name)
        if where is True and dtype is None and initial is None:
            return made.apply(x, axis=axes, keepdims=bool(keepdims))
        if where is not True:
            start = initial if neutral is None else neutral
            if start is None:
                raise ValueError(f"{made.name}: where= needs initial=, since there is no {made.name} of nothing")
            x = np.where(where, x, started(start, x.dtype) if neutral is None else start)
        if dtype is not None:
            x = x.astype(dtype)
        nothing = initial is not None and not count_of(x.shape, axes)
        out = in_dtype((sum if nothing else made).apply(x, axis=axes, keepdims=bool(keepdims)), dtype)
        if initial is None:
            return out
        return plus(out, started(initial, out.dtype)) if nothing else combine(out, started(initial, out.dtype))

    form = _named(form, made) if decorate is None else decorate(_named(form, made))
    implements(*numpy_functions)(form)
    return made.public(form)


def ufunc_reduce(ufunc: np.ufunc, function: Any) -> None:
    implements((ufunc, "reduce"))(lambda x, axis=0, **options: function(x, axis, **options))


@linear("x")
def sum(x: Any, *, axis: Any, keepdims: Any) -> Any:
    """The sum over `axis` (None: over all axes).

    >>> sum(Tensor([[1.0, 2.0], [3.0, 4.0]]), axis=0)
    Tensor([4., 6.])
    """
    return summed(x, axis, keepdims)


sum.vjp("x")(lambda g, x_shape, axis, keepdims: _spread(g, x_shape, axis, keepdims))
sum.strategy(sample)
reduction(sum, np.sum, combine=plus, neutral=0)
sum_form: Primitive[Reduction] = sum
ufunc_reduce(np.add, sum)


@linear("x")
def mean(x: Any, *, axis: Any, keepdims: Any, correction: float) -> Any:
    """The mean over `axis` (None: over all axes)."""
    return rounded(totals(x, axis, keepdims) / builtins.max(count_of(x.shape, axis) - correction, 0), x.dtype)


@mean.vjp("x")
def _(g: Any, x_shape: Any, axis: Any, keepdims: Any, correction: float) -> Any:
    count = count_of(x_shape, axis)
    g = g.astype(np.float32) if g.dtype.__class__ is HALF else g  # which has no number as large as some counts
    return _spread(g / (builtins.max(count - correction, 0) if count else 1), x_shape, axis, keepdims)


@mean.strategy
def _(draw: Any) -> Any:
    arrays, options = _nonempty(draw)
    return arrays, {**options, "correction": draw.integer(0, 1) / 2}


@mean.public
@implements(np.mean)
def mean_form(
    x: ArrayLike, axis: Axis = None, dtype: DTypeLike | None = None, *, keepdims: bool = False, where: ArrayLike = True
) -> Tensor:
    x = floating(x) if dtype is None else lift(x).astype(dtype)
    if where is not True or x.dtype.kind not in "fc":
        return _mean_where(x, axis, keepdims, where, dtype)
    return mean.apply(x, axis=axes_over(axis, x.ndim, "mean"), keepdims=bool(keepdims), correction=0)


@by_single
def _mean_where(x: Any, axis: Any, keepdims: bool, where: Any, dtype: Any = None) -> Any:
    total = sum(x, axis, dtype, keepdims=keepdims, where=where)
    out = total / count_where(where, x.shape, axis, keepdims).astype(total.dtype)
    return in_dtype(out, total.dtype)  # of integers if these were asked for


def count_where(where: Any, shape: tuple[int, ...], axis: Any, keepdims: bool) -> Any:
    """How many entries of an array of `shape` are left in a reduction by the mask `where`."""
    return np.sum(np.broadcast_to(values_of(where), shape), axis=axes_over(axis, len(shape), "sum"), keepdims=keepdims)


def _share(g: Any, x: Any, out: Any, axis: Any, keepdims: Any) -> Any:
    """The cotangent of an extremum, in equal shares to all entries that attain it; a NaN attains a NaN."""
    best = _kept(out, axis, keepdims)
    hit = np.logical_or(x == best, np.logical_and(x != x, best != best))
    count = np.sum(hit, axis=axis, dtype=np.promote_types(g.dtype, np.float32), keepdims=True)
    return np.where(hit, _kept(g, axis, keepdims) / count, 0)


def _extremum(name: str, ufunc: np.ufunc, doc: str) -> Primitive[Reduction]:
    @primitive(name=name)
    def extremum(x: Any, *, axis: Any, keepdims: Any) -> Any:
        return ufunc.reduce(x, axis=axis, keepdims=keepdims)

    extremum.__doc__ = doc + " over `axis` (None: over all axes); entries that tie share the cotangent."
    extremum.vjp("x")(_share)
    extremum.strategy(_nonempty)
    return extremum


max = amax = _extremum("max", np.maximum, "The largest entry")
min = amin = _extremum("min", np.minimum, "The smallest entry")
nanmax = _extremum("nanmax", np.fmax, "The largest entry that is not NaN")
nanmin = _extremum("nanmin", np.fmin, "The smallest entry that is not NaN")
for _made, _numpy_functions, _ufunc, _combine in (
    (max, (np.max, np.amax), np.maximum, maximum),
    (min, (np.min, np.amin), np.minimum, minimum),
    (nanmax, (np.nanmax,), np.fmax, maximum),
    (nanmin, (np.nanmin,), np.fmin, minimum),
):
    reduction(_made, *_numpy_functions, combine=_combine)
    ufunc_reduce(_ufunc, _made)


@implements(np.ptp)
def ptp(x: ArrayLike, axis: Axis = None, *, keepdims: bool = False) -> Tensor:
    """The largest entry over `axis` less the smallest."""
    return max(x, axis, keepdims=keepdims) - min(x, axis, keepdims=keepdims)


@primitive
def logsumexp(x: Any, *, axis: Any, keepdims: Any) -> Any:
    """log(sum(exp(x))) over `axis` (None: over all axes), without overflow; -inf where all entries are.

    >>> from pullback import Tensor
    >>> logsumexp(Tensor([1000.0, 1000.0]))
    Tensor(1000.69314718)
    """
    top = np.maximum.reduce(x, axis=axis, keepdims=True, initial=-np.inf)
    at_top = x == top
    count = np.maximum(np.add.reduce(at_top, axis=axis, keepdims=True, dtype=top.dtype), 1)
    with np.errstate(invalid="ignore"):  # inf - inf, at the top
        below = np.add.reduce(np.where(at_top, 0, np.exp(x - top)), axis=axis, keepdims=True)
    out = top + (np.log(count) + np.log1p(below / count))
    if out.dtype.kind == "c":  # the principal value
        out = out.real + 1j * np.angle(np.exp(1j * out.imag))
    return out if keepdims else np.squeeze(out, axis=axis)


@logsumexp.vjp("x")
def _(g: Any, x: Any, out: Any, axis: Any, keepdims: Any) -> Any:
    """exp(x - out), but what is infinite shares an infinite sum, and where the sum is 0 nothing has a share."""
    out = _kept(out, axis, keepdims)
    same = np.logical_and(x == out, np.isinf(out))
    count = np.maximum(np.sum(same, axis=axis, keepdims=True, dtype=g.dtype), 1)
    share = np.exp(np.where(same, np.where(out > 0, -np.log(count), out), x) - np.where(same, 0, out))
    return _kept(g, axis, keepdims) * share


logsumexp.strategy(sample)
reduction(logsumexp, combine=logaddexp, neutral=-np.inf, prepare=floating, decorate=by_single)
implements((np.logaddexp, "reduce"))(lambda x, axis=0, **options: logsumexp(floating(x, np.float16), axis, **options))
_unweighted = partial(logsumexp.form)  # which stays when the public form becomes another


@logsumexp.public
def logsumexp_form(
    x: ArrayLike,
    axis: Axis = None,
    dtype: DTypeLike | None = None,
    *,
    b: ArrayLike | None = None,
    keepdims: bool = False,
    initial: ArrayLike | None = None,
    where: ArrayLike = True,
) -> Tensor:
    """log(sum(b * exp(x))) over `axis` (None: over all axes), without overflow; -inf where all entries of x are.

    The factors `b` (None: 1) may be negative, but if the sum is, too, its logarithm is NaN.

    >>> from pullback import Tensor
    >>> logsumexp(Tensor([1000.0, 1000.0]))
    Tensor(1000.69314718)
    """
    if b is None:
        return _unweighted(x, axis, dtype, keepdims=keepdims, initial=initial, where=where)
    if initial is not None:
        raise TypeError("logsumexp: initial= goes without b=; give it to logaddexp, with the result")
    x, b = floating(x), lift(b) if where is True else np.where(where, b, 0)
    x, b = (broadcast_to(v, np.broadcast_shapes(x.shape, b.shape)) for v in (x, b))
    top = max(np.where(b == 0, -np.inf, x), axis, keepdims=True, initial=-np.inf)
    top = computed(lambda top: np.where(np.isfinite(top), top, 0), top)
    far = np.logical_and(b == 0, x - top > np.log(np.finfo(x.dtype).max) / 2)  # whose part of the sum is 0 all the same
    total = sum(b * np.exp(np.where(far, 0, x - top)), axis, dtype, keepdims=True)
    out = np.log(total) + top
    return out if keepdims else np.squeeze(out, axes_over(axis, x.ndim, "logsumexp"))


def _along(made: Any) -> Primitive[Along]:
    """Give a primitive with the option `axis`, one number, its form."""

    def form(x: ArrayLike, axis: int = -1) -> Tensor:
        x = floating(x)
        if not x.ndim and axis in (0, -1):
            return np.reshape(form(np.reshape(x, 1)), ())
        (axis,) = axes_of(axis, x.ndim, made.name)
        return made.apply(x, axis=axis)

    made.strategy(sample_along)
    return made.public(by_single(_named(form, made)))


def sample_along(draw: Any) -> Any:
    x = draw.array(shape=draw.shape(min_dims=1))
    return (x,), {"axis": draw.axis(x.ndim)}


@primitive
def softmax(x: Any, *, axis: int) -> Any:
    """exp(x) / sum(exp(x)) along `axis`, without overflow.

    >>> softmax(Tensor([0.0, 0.0]))
    Tensor([0.5, 0.5])
    """
    z = np.exp(x - np.maximum.reduce(x, axis=axis, keepdims=True, initial=-np.inf))
    z /= np.add.reduce(z, axis=axis, keepdims=True)
    return z


@softmax.vjp("x")
def _(g: Any, out: Any, axis: int) -> Any:
    weighted = g * out
    return weighted - out * np.sum(weighted, axis=axis, keepdims=True)


@primitive
def log_softmax(x: Any, *, axis: int) -> Any:
    """log(softmax(x)) along `axis`, without overflow or loss of digits."""
    x = x - np.maximum.reduce(x, axis=axis, keepdims=True, initial=-np.inf)
    with np.errstate(divide="ignore"):
        return x - np.log(np.add.reduce(np.exp(x), axis=axis, keepdims=True))


@log_softmax.vjp("x")
def _(g: Any, out: Any, axis: int) -> Any:
    return g - np.exp(out) * np.sum(g, axis=axis, keepdims=True)


softmax_form, log_softmax_form = _along(softmax), _along(log_softmax)


@linear("x")
def cumsum(x: Any, *, axis: int, reverse: bool) -> Any:
    """Running sums along `axis` (None: of the flattened array), from the end if `reverse`."""
    if reverse:
        return np.flip(cumsum.function(np.flip(x, axis), axis=axis, reverse=False), axis)
    if x.dtype == np.float16:
        return np.add.accumulate(x, axis=axis, dtype=np.float32).astype(x.dtype)
    return np.add.accumulate(x, axis=axis)


cumsum.vjp("x")(lambda g, axis, reverse: cumsum.apply(g, axis=axis, reverse=not reverse))


@cumsum.strategy
def _(draw: Any) -> Any:
    (x,), options = sample_along(draw)
    return (x,), {**options, "reverse": draw.flag()}


@cumsum.public
@implements(np.cumsum)
def cumsum_form(
    x: ArrayLike, axis: int | None = None, dtype: DTypeLike | None = None, *, reverse: bool = False
) -> Tensor:
    x, axis = one_axis(x, axis, dtype, "cumsum")
    return in_dtype(cumsum.apply(x, axis=axis, reverse=reverse), dtype)


def one_axis(x: Any, axis: int | None, dtype: Any, name: str) -> tuple[Any, int]:
    """The array in `dtype` (None: its own) with its axis; None is the axis of the flattened array."""
    x = lift(x)
    if dtype is not None:
        x = x.astype(dtype)
    if axis is None or (not x.ndim and axis in (0, -1)):
        return x.reshape(-1), 0
    return x, axes_of(axis, x.ndim, name)[0]


implements((np.add, "accumulate"))(lambda x, axis=0, dtype=None: cumsum(x, axis, dtype))


def cumulative(running: Any, neutral: int, numpy_function: Any) -> Cumulative:
    def form(
        x: ArrayLike, /, *, axis: int | None = None, dtype: DTypeLike | None = None, include_initial: bool = False
    ) -> Tensor:
        x = lift(x)
        if axis is None and x.ndim != 1:
            raise ValueError(f"{form.__name__}: axis is needed for an array of {x.ndim} dimensions")
        out = running(x, -1 if axis is None else axis, dtype)
        if not include_initial:
            return out
        (axis,) = axes_of(-1 if axis is None else axis, x.ndim, form.__name__)
        first = np.full((*x.shape[:axis], 1, *x.shape[axis + 1 :]), neutral, out.dtype)
        return concatenate([first, out], axis=axis)

    form.__name__ = form.__qualname__ = numpy_function.__name__
    form.__module__ = running.function.__module__  # where pickle finds it
    form.__doc__ = f"`{running.name}` in the Array API's form; with `include_initial` a {neutral} comes first."
    return implements(numpy_function)(form)


cumulative_sum = cumulative(cumsum, 0, np.cumulative_sum)
