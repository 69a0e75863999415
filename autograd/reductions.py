"""Operations that reduce along axes. Their primitives take `axis` as a tuple of non-negative integers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .elementwise import sqrt, square
from .primitive import implements, linear, primitive
from .shaping import axes_of, broadcast_to, expand_dims, inverse
from .tensor import lift


def _spread(g: Any, shape: tuple[int, ...], axis: tuple[int, ...], keepdims: bool) -> Any:
    """The transpose of a sum: every summand gets the cotangent of its sum."""
    return broadcast_to.apply(_kept(g, axis, keepdims), shape=shape)


def _kept(reduced: Any, axis: tuple[int, ...], keepdims: bool) -> Any:
    """A reduced array with its axes back, of length 1."""
    return reduced if keepdims or not reduced.ndim else expand_dims(reduced, axis)


def _count(shape: tuple[int, ...], axis: tuple[int, ...]) -> int:
    return math.prod(shape[a] for a in axis)


def _sample(draw: Any, **entries: Any) -> Any:
    x = draw.array(**entries)
    return (x,), {"axis": draw.axes(x.ndim), "keepdims": draw.flag()}


def _nonempty(draw: Any) -> Any:
    return _sample(draw, shape=draw.shape(min_side=1), distinct=True)


def _reduction(made: Any, *numpy_functions: Any) -> Any:
    """Give a primitive with options `axis` and `keepdims` NumPy's form."""
    name = made.name

    def form(x: Any, axis: Any = None, *, dtype: Any = None, keepdims: bool = False) -> Any:
        x = lift(x)
        if dtype is not None:
            x = x.astype(dtype)
        return made.apply(x, axis=axes_of(axis, x.ndim, name), keepdims=bool(keepdims))

    form.__name__, form.__doc__ = name, made.__doc__
    implements(*numpy_functions)(form)
    return made.public(form)


def _ufunc_reduce(ufunc: np.ufunc, function: Any) -> None:
    implements((ufunc, "reduce"))(lambda x, axis=0, **options: function(x, axis, **options))


@linear("x")
def sum(x: Any, *, axis: Any, keepdims: Any) -> Any:
    """The sum over `axis` (None: over all axes).

    >>> sum(Tensor([[1.0, 2.0], [3.0, 4.0]]), axis=0)
    Tensor([4., 6.])
    """
    return np.add.reduce(x, axis=axis, keepdims=keepdims)


sum.vjp("x")(lambda g, x_shape, axis, keepdims: _spread(g, x_shape, axis, keepdims))
sum.strategy(_sample)
_reduction(sum, np.sum)
_ufunc_reduce(np.add, sum)


@linear("x")
def mean(x: Any, *, axis: Any, keepdims: Any) -> Any:
    """The mean over `axis` (None: over all axes)."""
    return np.add.reduce(x, axis=axis, keepdims=keepdims) / _count(x.shape, axis)


@mean.vjp("x")
def _(g: Any, x_shape: Any, axis: Any, keepdims: Any) -> Any:
    return _spread(g / (_count(x_shape, axis) or 1), x_shape, axis, keepdims)


mean.strategy(_nonempty)
_reduction(mean, np.mean)


def _others(x: Any) -> Any:
    """For each entry, the product of all others along the first axis; by halving, so that no zero divides."""
    n = len(x)
    if n < 2:
        return np.ones_like(x)
    a, b, rest = x[: n // 2], x[n // 2 : n - n % 2], x[n - n % 2 :]
    pairs = _others(np.concatenate([a * b, rest]))
    return np.concatenate([pairs[: n // 2] * b, pairs[: n // 2] * a, pairs[n // 2 :]])


@primitive
def prod(x: Any, *, axis: Any, keepdims: Any) -> Any:
    """The product over `axis` (None: over all axes); zeros among the entries do no harm to its gradient.

    >>> x = Tensor([2.0, 0.0, 3.0], requires_grad=True)
    >>> prod(x).backward()
    >>> x.grad
    Tensor([0., 6., 0.])
    """
    return np.multiply.reduce(x, axis=axis, keepdims=keepdims)


@prod.vjp("x")
def _(g: Any, x: Any, axis: Any, keepdims: bool) -> Any:
    order = (*axis, *(a for a in range(x.ndim) if a not in axis))
    moved = np.transpose(x, order)
    others = _others(np.reshape(moved, (_count(x.shape, axis), *moved.shape[len(axis) :])))
    return _kept(g, axis, keepdims) * np.transpose(np.reshape(others, moved.shape), inverse(order))


prod.strategy(_sample)
_reduction(prod, np.prod)
_ufunc_reduce(np.multiply, prod)


def _share(g: Any, x: Any, out: Any, axis: Any, keepdims: Any) -> Any:
    """The cotangent of an extremum, in equal shares to all entries that attain it."""
    hit = x == _kept(out, axis, keepdims)
    share = _kept(g, axis, keepdims) / np.sum(hit, axis=axis, dtype=g.dtype, keepdims=True)
    return np.where(hit, share, 0)


@primitive
def max(x: Any, *, axis: Any, keepdims: Any) -> Any:
    """The largest entry over `axis` (None: over all axes); entries that tie share the cotangent."""
    return np.maximum.reduce(x, axis=axis, keepdims=keepdims)


@primitive
def min(x: Any, *, axis: Any, keepdims: Any) -> Any:
    """The smallest entry over `axis` (None: over all axes); entries that tie share the cotangent."""
    return np.minimum.reduce(x, axis=axis, keepdims=keepdims)


for _extremum, _numpy_function, _ufunc in ((max, np.max, np.maximum), (min, np.min, np.minimum)):
    _extremum.vjp("x")(_share)
    _extremum.strategy(_nonempty)
    _reduction(_extremum, _numpy_function)
    _ufunc_reduce(_ufunc, _extremum)


def _exp_gap(x: Any, out: Any) -> Any:
    """exp(x - out), and 0 where both are -inf."""
    return np.exp(np.where(out == -np.inf, -np.inf, x) - np.where(out == -np.inf, 0, out))


@primitive
def logsumexp(x: Any, *, axis: Any, keepdims: Any) -> Any:
    """log(sum(exp(x))) over `axis` (None: over all axes), without overflow; -inf where all entries are.

    >>> logsumexp(Tensor([1000.0, 1000.0]))
    Tensor(1000.69314718)
    """
    top = np.maximum.reduce(x, axis=axis, keepdims=True, initial=-np.inf)
    top = np.where(np.isfinite(top), top, 0).astype(top.dtype)
    with np.errstate(divide="ignore"):
        out = np.log(np.add.reduce(np.exp(x - top), axis=axis, keepdims=True)) + top
    return out if keepdims else np.squeeze(out, axis=axis)


@logsumexp.vjp("x")
def _(g: Any, x: Any, out: Any, axis: Any, keepdims: Any) -> Any:
    return _kept(g, axis, keepdims) * _exp_gap(x, _kept(out, axis, keepdims))


logsumexp.strategy(_sample)
_reduction(logsumexp)


def _along(made: Any, *numpy_functions: Any) -> Any:
    """Give a primitive with the option `axis`, one number, its form."""

    def form(x: Any, axis: int = -1) -> Any:
        x = lift(x)
        (axis,) = axes_of(axis, x.ndim, made.name)
        return made.apply(x, axis=axis)

    form.__name__, form.__doc__ = made.name, made.__doc__
    implements(*numpy_functions)(form)
    made.strategy(_sample_along)
    return made.public(form)


def _sample_along(draw: Any) -> Any:
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


_along(softmax)
_along(log_softmax)


@linear("x")
def cumsum(x: Any, *, axis: int, reverse: bool) -> Any:
    """Running sums along `axis` (None: of the flattened array), from the end if `reverse`."""
    if reverse:
        return np.flip(np.add.accumulate(np.flip(x, axis), axis=axis), axis)
    return np.add.accumulate(x, axis=axis)


cumsum.vjp("x")(lambda g, axis, reverse: cumsum.apply(g, axis=axis, reverse=not reverse))


@cumsum.strategy
def _(draw: Any) -> Any:
    (x,), options = _sample_along(draw)
    return (x,), {**options, "reverse": draw.flag()}


@cumsum.public
@implements(np.cumsum)
def _(x: Any, axis: int | None = None, *, reverse: bool = False) -> Any:
    x = lift(x)
    if axis is None:
        x, axis = x.reshape(-1), 0
    (axis,) = axes_of(axis, x.ndim, "cumsum")
    return cumsum.apply(x, axis=axis, reverse=reverse)


@implements(np.var)
def var(x: Any, axis: Any = None, *, correction: float = 0, keepdims: bool = False) -> Any:
    """The variance over `axis` (None: over all axes): the mean square distance from the mean, with the
    count less `correction` as its divisor."""
    x = lift(x)
    axes = axes_of(axis, x.ndim, "var")
    count = _count(x.shape, axes) - correction
    total = sum.apply(square(x - mean.apply(x, axis=axes, keepdims=True)), axis=axes, keepdims=keepdims)
    return total / (count if count > 0 else 0)


@implements(np.std)
def std(x: Any, axis: Any = None, *, correction: float = 0, keepdims: bool = False) -> Any:
    """The standard deviation over `axis`: the square root of `var`; its gradient is 0 where all entries agree."""
    return sqrt(var(x, axis, correction=correction, keepdims=keepdims))
