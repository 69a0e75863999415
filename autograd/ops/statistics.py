"""Means and spreads, functions that leave NaN out, order statistics: compositions of reductions and `sort`."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core.batching import computed, everywhere
from ..core.conversion import apart, floating, lift, values_of
from ..core.forms import Quantile, WithoutNaN
from ..core.half_precision import by_single
from ..core.primitive import implements
from ..core.tensor import Tensor
from ..core.tracing import bottom
from ..core.types import ArrayLike, Axis, DTypeLike
from .casting import real
from .elementwise import conj, sqrt, square
from .indexing import getitem
from .reductions import count_where, cumsum, mean, sum
from .running_products import cumprod, prod
from .shape import axes_of, axes_over, broadcast_to, expand_dims, reshape
from .sorting import between, sort

__all__ = [
    "average", "median", "nancumprod", "nancumsum", "nanmean", "nanmedian", "nanpercentile", "nanprod", "nanquantile",
    "nanstd", "nansum", "nanvar", "percentile", "quantile", "std", "var",
]  # fmt: skip


@implements(np.var)
@by_single
def var(
    x: ArrayLike,
    axis: Axis = None,
    dtype: DTypeLike | None = None,
    *,
    ddof: float = 0,
    keepdims: bool = False,
    where: ArrayLike = True,
    mean: ArrayLike | None = None,
    correction: float | None = None,
) -> Tensor:
    """The variance over `axis` (None: over all axes): the mean square distance from the mean, with the
    count less `correction` (or `ddof`) as its divisor."""
    whole = dtype is not None and np.dtype(dtype).kind not in "fc"  # then mean, sum and result are integers
    x = lift(x) if dtype is None or whole else lift(x).astype(dtype)
    if correction is not None:
        if ddof:
            raise ValueError(f"var: ddof={ddof} and correction={correction} are two names of one thing")
        ddof = correction
    if where is not True:
        x = np.where(where, x, 0)
    from_mean = x - (_mean(x, axis, dtype if whole else None, keepdims=True, where=where) if mean is None else mean)
    squares = real(from_mean * conj(from_mean)) if from_mean.dtype.kind == "c" else square(from_mean)
    if dtype is None and x.dtype.kind not in "fc":
        squares = squares.astype(np.float64)  # also of a `mean` with fewer digits
    if where is True and not whole:
        axes = axes_over(axis, squares.ndim, "var")
        return _mean_with.apply(squares, axis=axes, keepdims=bool(keepdims), correction=ddof)
    total = sum(squares, axis, dtype if whole else None, keepdims=keepdims, where=where)
    count = np.maximum(count_where(where, x.shape, axis, keepdims) - ddof, 0)
    out = total / lift(count).astype(total.dtype if total.dtype.kind in "fc" else float)
    return out.astype(dtype) if whole else out


_mean, _mean_with = mean.form, mean


@implements(np.std)
@by_single
def std(
    x: ArrayLike,
    axis: Axis = None,
    dtype: DTypeLike | None = None,
    *,
    ddof: float = 0,
    keepdims: bool = False,
    where: ArrayLike = True,
    mean: ArrayLike | None = None,
    correction: float | None = None,
) -> Tensor:
    """The standard deviation over `axis`: the square root of `var`; its gradient is 0 where all entries agree,
    and its second derivative NaN (that of `var` is not)."""
    squared = var(x, axis, dtype, ddof=ddof, keepdims=keepdims, where=where, mean=mean, correction=correction)
    if squared.dtype.kind not in "fc":
        if squared.ndim:
            raise TypeError(f"std: roots are no numbers of {squared.dtype}; ask for another dtype")  # as NumPy's
        return sqrt(squared).astype(squared.dtype)
    return sqrt(squared)


@implements(np.average)
@by_single
def average(
    a: ArrayLike, axis: Axis = None, weights: ArrayLike | None = None, returned: bool = False, *, keepdims: bool = False
) -> Tensor | tuple[Tensor, Tensor]:
    """The mean over `axis` with `weights` (None: equal ones), of the shape of `a` or one for each place along `axis`;
    if `returned` with the sum of the weights. ZeroDivisionError if that is 0."""
    a, given = floating(a), weights is not None
    weights = lift(weights) if given else np.ones(a.shape, a.dtype)
    a, weights = (x.astype(np.result_type(a.dtype, weights.dtype)) for x in (a, weights))
    weights = _weights_of(a, axis, weights, "average")
    scale = sum(weights, axis, keepdims=keepdims)
    if given and np.any(bottom(scale) == 0):
        raise ZeroDivisionError("average: the weights sum to 0")
    out = sum(a * weights, axis, keepdims=keepdims) / scale
    return (out, apart(broadcast_to(scale, out.shape))) if returned else out


def _weights_of(a: Any, axis: Any, weights: Any, name: str) -> Any:
    """Weights for each entry of `a`, of weights in its shape or for each place along `axis`."""
    if weights.shape == a.shape:
        return weights
    if axis is None:
        raise TypeError(f"{name}: weights of shape {weights.shape} for shape {a.shape} need an axis")
    axes = axes_of(axis, a.ndim, name)
    if weights.shape != tuple(a.shape[i] for i in axes):
        raise ValueError(f"{name}: weights of shape {weights.shape} for axis {axis} of shape {a.shape}")
    return broadcast_to(expand_dims(weights, [i for i in range(a.ndim) if i not in axes]), a.shape)


def _without_nan(function: Any, numpy_function: Any) -> WithoutNaN:
    def form(x: ArrayLike, axis: Axis = None, dtype: DTypeLike | None = None, **options: Any) -> Tensor:
        x = lift(x)
        where = np.logical_and(~np.isnan(x), options.pop("where", True))
        return function(x, axis, dtype, where=where, **options)

    form.__wrapped__ = function  # type: ignore[attr-defined]  # for its signature

    form.__name__ = form.__qualname__ = numpy_function.__name__
    form.__doc__ = f"`{function.__name__}` of the entries that are not NaN."
    return implements(numpy_function)(form)


nansum, nanprod, nanmean = _without_nan(sum, np.nansum), _without_nan(prod, np.nanprod), _without_nan(mean, np.nanmean)
nanvar, nanstd = _without_nan(var, np.nanvar), _without_nan(std, np.nanstd)


@implements(np.nancumsum)
def nancumsum(x: ArrayLike, axis: int | None = None, dtype: DTypeLike | None = None) -> Tensor:
    """`cumsum` with NaN taken as 0."""
    return cumsum(np.where(np.isnan(x), 0, x), axis, dtype)


@implements(np.nancumprod)
def nancumprod(x: ArrayLike, axis: int | None = None, dtype: DTypeLike | None = None) -> Tensor:
    """`cumprod` with NaN taken as 1."""
    return cumprod(np.where(np.isnan(x), 1, x), axis, dtype)


# A quantile lies at place n q + alpha + q (1 - alpha - beta) - 1 of the n sorted entries (Hyndman and Fan, 1996):
# method -> alpha, beta and, of the place's fraction and whole part, the weight of the next entry
_METHODS: dict[str, Any] = {
    "inverted_cdf": (0, 1, lambda f, j: f > 0),
    "averaged_inverted_cdf": (0, 1, lambda f, j: np.where(f > 0, 1, 0.5)),
    "closest_observation": (-0.5, 1.5, lambda f, j: np.logical_or(f > 0, j % 2 == 0)),
    "interpolated_inverted_cdf": (0, 1, lambda f, j: f),
    "hazen": (0.5, 0.5, lambda f, j: f),
    "weibull": (0, 0, lambda f, j: f),
    "linear": (1, 1, lambda f, j: f),
    "median_unbiased": (1 / 3, 1 / 3, lambda f, j: f),
    "normal_unbiased": (3 / 8, 3 / 8, lambda f, j: f),
    "lower": (1, 1, lambda f, j: 0 * f),
    "higher": (1, 1, lambda f, j: f > 0),
    "midpoint": (1, 1, lambda f, j: np.where(f > 0, 0.5, 0)),
    "nearest": (1, 1, lambda f, j: np.logical_or(f > 0.5, np.logical_and(f == 0.5, j % 2 == 1))),
}


_PICKING = {"inverted_cdf", "closest_observation", "lower", "higher", "nearest"}  # an entry, so in its dtype


def _all_whole(q: Any, alpha: float, beta: float) -> bool:
    """Whether the places of quantiles are integers since all that they are made of is."""
    return q.dtype.kind in "biu" and isinstance(alpha, int) and isinstance(beta, int)


def _in_rows(x: Any, axis: Any, name: str) -> tuple[Any, tuple[int, ...]]:
    """The array with the axes of a reduction as one, the last; and the shape that keeps these axes."""
    axes = axes_of(axis, x.ndim, name)
    others = tuple(a for a in range(x.ndim) if a not in axes)
    length = math.prod(x.shape[a] for a in axes)
    rows = reshape(np.transpose(x, (*others, *axes)), (*(x.shape[a] for a in others), length))
    return rows, tuple(1 if a in axes else n for a, n in enumerate(x.shape))


def _shaped(out: Any, lead: tuple[int, ...], kept: tuple[int, ...], keepdims: bool) -> Any:
    return reshape(out, (*lead, *kept)) if keepdims else out


def _quantile(numpy_function: Any, scale: int, skip_nan: bool) -> Quantile:
    name = numpy_function.__name__

    def form(
        a: ArrayLike,
        q: ArrayLike,
        axis: Axis = None,
        *,
        method: str = "linear",
        keepdims: bool = False,
        weights: ArrayLike | None = None,
    ) -> Tensor:
        a, q = lift(a), lift(q)
        if method not in _METHODS:
            raise ValueError(f"{name}: method {method!r} is none of {', '.join(_METHODS)}")
        if not everywhere(np.logical_and(q >= 0, q <= scale)):
            raise ValueError(f"{name}: q must be from 0 to {scale}")
        unsorted, kept = _in_rows(a, axis, name)
        rows = sort(unsorted, stable=False)
        if weights is not None:
            if method != "inverted_cdf":
                raise ValueError(f"{name}: weights go with method 'inverted_cdf', not {method!r}")
            weights = _in_rows(_weights_of(a, axis, values_of(weights), name), axis, name)[0]
            ranks = np.where(np.isnan(unsorted), np.nan, np.argsort(np.argsort(values_of(unsorted))))
            place = computed(numpy_function, ranks, values_of(q), -1, method=method, weights=weights)
            place = np.nan_to_num(place, nan=-1).astype(np.intp)
            out = getitem(rows, (*np.indices(rows.shape[:-1], sparse=True), place))
            return _shaped(out, q.shape, kept, keepdims)
        if skip_nan and not rows.shape[-1]:
            return _shaped(broadcast_to(mean(rows, -1), (*q.shape, *rows.shape[:-1])), q.shape, kept, keepdims)
        n = np.sum(~np.isnan(rows), axis=-1) if skip_nan else rows.shape[-1]
        alpha, beta, weight = _METHODS[method]
        lead = q.shape
        place = (n + 1 - alpha - beta) * reshape(q / scale, (*lead, *(1,) * (rows.ndim - 1))) + (alpha - 1)
        below = values_of(np.floor(place))
        inexact = rows.dtype.kind in "fc"
        t = weight(place - below, below).astype(np.finfo(rows.dtype if inexact else np.result_type(q.dtype, 0.0)).dtype)
        if not inexact and (method in _PICKING or scale == 1 and _all_whole(q, alpha, beta)):
            t = t == 1
        places = np.indices(rows.shape[:-1], sparse=True)
        last = values_of(n) - 1
        low, high = (getitem(rows, (*places, np.clip(j, 0, last).astype(np.intp))) for j in (below, below + 1))
        spoilt = np.isnan(rows[..., -1])
        if t.dtype == np.bool_:
            out = np.where(t, high, low)
        elif rows.dtype == np.bool_:
            raise TypeError(f"{name}: there is nothing between bools; method='nearest' and others give one of them")
        else:
            low, high = (v.astype(np.result_type(rows.dtype, t.dtype)) for v in (low, high))  # before they wrap
            low, high = (v if skip_nan else np.where(spoilt, 0, v) for v in (low, high))
            out = between(low, high, t)
        if not skip_nan:
            out = np.where(spoilt, rows[..., -1], out)
        return _shaped(out, lead, kept, keepdims)

    form.__name__ = form.__qualname__ = name
    form.__doc__ = (
        f"`numpy.{name}`, by any of its methods: a gradient goes to the entries beside the place in sorted order, and "
        'to q. With `weights`, as with NumPy, only by "inverted_cdf", which picks an entry: they have no gradient.'
    )
    return implements(numpy_function)(form)


quantile, percentile = _quantile(np.quantile, 1, False), _quantile(np.percentile, 100, False)
nanquantile, nanpercentile = _quantile(np.nanquantile, 1, True), _quantile(np.nanpercentile, 100, True)


@implements(np.median)
def median(a: ArrayLike, axis: Axis = None, *, keepdims: bool = False) -> Tensor:
    """The middle entry over `axis` in sorted order, or the mean of the two in the middle; NaN if one is, or if there
    are none.

    >>> from pullback import Tensor
    >>> median(Tensor([3.0, 1.0, 8.0, 4.0]))
    Tensor(3.5)
    """
    rows, kept = _in_rows(lift(a), axis, "median")
    rows = sort(rows, stable=False)
    n = rows.shape[-1]
    out = mean(rows[..., max(n - 1, 0) // 2 : n // 2 + 1], -1)
    if n:
        out = np.where(np.isnan(rows[..., -1]), rows[..., -1], out)
    return _shaped(out, (), kept, keepdims)


@implements(np.nanmedian)
def nanmedian(a: ArrayLike, axis: Axis = None, *, keepdims: bool = False) -> Tensor:
    """`median` of the entries that are not NaN."""
    a = lift(a)
    if a.dtype.kind not in "fc":
        return median(a, axis, keepdims=keepdims)
    return nanquantile(a, 0.5, axis, keepdims=keepdims)
