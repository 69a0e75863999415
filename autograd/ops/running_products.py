"""Products and running products along axes, whose derivatives are right with zeros and where others over- or underflow.

There are two forms of them, see `short_forms`: the other one multiplies what was divided by powers of 2 before, such
that products of neighbours stay in the range.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.forms import Reduction
from ..core.primitive import Primitive, implements, primitive
from ..core.tensor import Tensor
from ..core.types import ArrayLike, DTypeLike
from .elementwise import multiply
from .reductions import count_of, cumsum, cumulative, in_dtype, one_axis, reduction, sample, sample_along, ufunc_reduce
from .shape import inverse
from .short_forms import within_range

__all__ = ["cumprod", "cumulative_prod", "prod"]


def _before(x: Any) -> Any:
    """The products of all that comes before each entry along the first axis."""
    return np.concatenate([np.ones_like(x[:1]), np.multiply.accumulate(x[:-1], axis=0)])


def _times_others(g: Any, x: Any) -> Any:
    """g times, for each entry, the product of all others along the first axis; by halving, so that no zero divides."""
    half, n = len(x) // 2, len(x)
    if not half:
        return np.broadcast_to(g, x.shape)
    a, b, rest = x[:half], x[half : 2 * half], x[2 * half :]
    pairs = np.empty_like(x, shape=(n - half, *x.shape[1:]))
    np.multiply(a, b, out=pairs[:half])
    pairs[half:] = rest
    pairs = _times_others(g, pairs)
    out = np.empty_like(x, dtype=pairs.dtype)
    np.multiply(pairs[:half], b, out=out[:half])
    np.multiply(pairs[:half], a, out=out[half : 2 * half])
    out[2 * half :] = pairs[half:]
    return out


def _solved(s: Any, a: Any) -> Any:
    """The solution of s_k = s_k + a_k s_(k+1) in doubling steps along the first axis."""
    s, step = np.array(s), 1
    while step < len(s):
        s[:-step] += a * s[step:]
        a = a[:-step] * a[step:]
        step *= 2
    return s


def _raised(x: Any, *powers: Any) -> Any:
    """x times 2 to the sum of the powers (None: 0), by two factors, since one may be out of range where x is not."""
    given = [power for power in powers if power is not None]
    if not given:
        return x
    kind = np.finfo(x.dtype)
    power = np.clip(sum(given), 2 * (kind.minexp - kind.nmant), 2 * kind.maxexp - 2).astype(np.int32)
    half = power // 2
    return x * np.ldexp(kind.dtype.type(1), half) * np.ldexp(kind.dtype.type(1), power - half)


def _minus(power: Any) -> Any:
    return None if power is None else -power


def _flip(x: Any, axis: int = 0) -> Any:
    return None if x is None else np.flip(x, axis)


@primitive(aux=["powers", "less"])
def balanced(x: Any, *, axis: int) -> Any:
    """x * 2 ** less, of which neighbours along an axis have products from 1/2 to 2 or 0; and the powers of 2 that the
    running products lack. x as it is, and None, if its running products are well inside the range of numbers.
    """
    limit = 2.0 ** (np.finfo(x.dtype).maxexp // 4 - 2)
    with np.errstate(all="ignore"):
        running = np.abs(np.multiply.accumulate(np.where(x == 0, 1, x), axis=axis))
        if not x.size or (1 / limit <= np.minimum.reduce(running, axis=None) and running.max() <= limit):
            return x.copy(), None, None
        wide = x.astype(np.result_type(x.dtype, np.float64))
        logs = np.log2(np.abs(wide)) if wide.dtype.kind == "f" else np.log(wide).real / np.log(2)
    powers = np.rint(np.cumsum(np.where(np.isfinite(logs), logs, 0), axis=axis)).astype(np.int64)
    less = -np.diff(powers, axis=axis, prepend=0)
    return _raised(x, less), powers, less


@balanced.vjp("x")
def _(g: Any, less: Any) -> Any:
    return _raised(g, less)


balanced.strategy(sample_along)


@primitive(aux=["top"])
def recurrence(s: Any, a: Any, power: Any, *, axis: int) -> Any:
    """The solution of s_k = s_k * 2 ** power_k + a_k s_(k+1) along an axis, as a number times 2 ** top; None is 0."""
    s = s.astype(np.result_type(s, a), copy=False)
    s, a, power = (None if v is None else np.moveaxis(v, axis, 0) for v in (s, a, power))
    out, top = None if power is not None and power.any() else within_range(_solved, s, a), None
    if out is None:
        out, top = _scaled_recurrence(s, a, power)
        top = np.moveaxis(top, 0, axis)
    return np.moveaxis(out, 0, axis), top


def _scaled_recurrence(s: Any, a: Any, power: Any) -> tuple[Any, Any]:
    """As `recurrence` along the first axis, each number with an exponent of its own."""
    each = _exponents(s)
    s, power = _raised(s, -each), each if power is None else power + each
    step = 1
    while step < len(s):
        near, far = (s[:-step], power[:-step]), (a * s[step:], power[step:])
        top = _largest_power(*near, *far)
        total = _raised(near[0], near[1] - top) + _raised(far[0], far[1] - top)
        s, power = np.concatenate([total, s[-step:]]), np.concatenate([top, power[-step:]])
        a = a[:-step] * a[step:]
        step *= 2
    return s, power


def _exponents(x: Any) -> Any:
    size = np.abs(x) if x.dtype.kind == "f" else np.maximum(np.abs(x.real), np.abs(x.imag))
    return np.frexp(size)[1].astype(np.int64)


def _largest_power(x: Any, p: Any, y: Any, q: Any) -> Any:
    """The larger of two exponents, of 0 only if both numbers are."""
    both = np.maximum(p, q)
    return np.where(x == 0, np.where(y == 0, both, q), np.where(y == 0, p, both))


def _transposed(g: Any, a: Any, top: Any, axis: int) -> tuple[Any, Any]:
    """The cotangents of the recurrence's solution before these are divided by 2 ** top, as numbers and exponents."""
    given = _flip(g, axis), _flip(a, axis), _minus(_flip(top, axis))
    return tuple(_flip(v, axis) for v in recurrence.bind(*given, axis=axis))


@recurrence.vjp("s")
def _(g: Any, a: Any, power: Any, top: Any, axis: int) -> Any:
    u, powers = _transposed(g, a, top, axis)
    return _raised(u, powers, power)


@recurrence.vjp("a")
def _(g: Any, a: Any, out: Any, top: Any, axis: int) -> Any:
    u, powers = _transposed(g, a, top, axis)
    begin, end = ((slice(None),) * axis + (part,) for part in (slice(None, -1), slice(1, None)))
    return _raised(u[begin] * out[end], *(p if p is None else p[at] for p, at in ((powers, begin), (top, end))))


@recurrence.strategy
def _(draw: Any) -> Any:
    shape = draw.shape(min_dims=1, min_side=1)
    axis = draw.axis(len(shape))
    fewer = tuple(n - (i == axis) for i, n in enumerate(shape))
    return (draw.array(shape=shape), draw.array(shape=fewer), np.zeros(shape, np.intp)), {"axis": axis}


@primitive
def prod(x: Any, *, axis: Any, keepdims: Any) -> Any:
    """The product over `axis` (None: over all axes); zeros among the entries do no harm to its gradient.

    >>> x = Tensor([2.0, 0.0, 3.0], requires_grad=True)
    >>> prod(x).backward()
    >>> x.grad
    Tensor([0., 6., 0.])
    """
    return np.multiply.reduce(x, axis=axis, keepdims=keepdims)


def _in_front(axis: tuple[int, ...], ndim: int) -> tuple[int, ...]:
    return (*axis, *(a for a in range(ndim) if a not in axis))


@prod.vjp("x")
def _(g: Any, x: Any, axis: Any, keepdims: bool) -> Any:
    moved = np.transpose(x, _in_front(axis, x.ndim))
    rest = moved.shape[len(axis) :]
    g, rows = np.reshape(g, rest), np.reshape(moved, (count_of(x.shape, axis), *rest))
    out = within_range(_times_others, g, rows)
    if out is None:
        rows, powers, less = balanced.bind(rows, axis=0)
        others = _before(rows) * np.flip(_before(np.flip(rows, 0)), 0)
        out = _raised(g * others, None if powers is None else powers[-1:], less)
    return np.transpose(np.reshape(out, moved.shape), inverse(_in_front(axis, x.ndim)))


@primitive
def cumprod(x: Any, *, axis: int) -> Any:
    """Running products along `axis` (None: of the flattened array); zeros do no harm to the gradient.

    >>> x = Tensor([2.0, 0.0, 3.0], requires_grad=True)
    >>> cumprod(x).sum().backward()
    >>> x.grad
    Tensor([1., 8., 0.])
    """
    return np.multiply.accumulate(x, axis=axis)


@cumprod.vjp("x")
def _(g: Any, x: Any, axis: int) -> Any:
    """The k-th entry is what comes before it, x_1 ... x_(k-1), times s_k = g_k + x_(k+1) s_(k+1)."""
    g, x = np.moveaxis(g, axis, 0), np.moveaxis(x, axis, 0)
    out = within_range(lambda g, x: _before(x) * _solved(g, x[1:]), g, x)
    if out is None:
        rows, powers, less = balanced.bind(x, axis=0)
        unused = np.flip(cumsum.apply(np.flip(g != 0, 0), axis=0, reverse=False), 0) == 0
        s, power = recurrence.bind(g, _finite_where(unused, rows, 1)[1:], powers, axis=0)
        out = _raised(_finite_where(unused, _before(rows), 0) * s, power, less)
    return np.moveaxis(out, 0, axis)


def _tangents(t: Any, x: Any) -> Any:
    """The tangents of products: of the k-th, t_k times what comes before it, plus x_k times the tangent before."""
    out = within_range(lambda t, x: np.flip(_solved(np.flip(t * _before(x), 0), np.flip(x[1:], 0)), 0), t, x)
    if out is None:
        rows, powers, less = balanced.bind(x, axis=0)
        given = (_flip(v) for v in (t * _before(rows), rows[1:], less))
        s, power = recurrence.bind(*given, axis=0)
        out = _raised(_flip(s), _flip(power), powers)
    return out


@cumprod.jvp("x")
def _(t: Any, x: Any, axis: int) -> Any:
    return np.moveaxis(_tangents(np.moveaxis(t, axis, 0), np.moveaxis(x, axis, 0)), 0, axis)


@prod.jvp("x")
def _(t: Any, x: Any, out: Any, axis: Any, keepdims: bool) -> Any:
    """The tangent of the last of the running products."""
    t, x = (np.transpose(v, _in_front(axis, x.ndim)) for v in (t, x))
    shape = count_of(x.shape[: len(axis)], tuple(range(len(axis)))), *x.shape[len(axis) :]
    return np.reshape(np.sum(_tangents(np.reshape(t, shape), np.reshape(x, shape))[-1:], axis=0), np.shape(out))


def _finite_where(unused: Any, x: Any, neutral: int) -> Any:
    """x, where it is unused without infinities, which the 0 that it meets there would make NaN."""
    return np.where(np.logical_and(unused, ~np.isfinite(x)), neutral, x)


prod.strategy(sample)
reduction(prod, np.prod, combine=multiply, neutral=1)
prod_form: Primitive[Reduction] = prod
ufunc_reduce(np.multiply, prod)
cumprod.strategy(sample_along)


@cumprod.public
@implements(np.cumprod)
def cumprod_form(x: ArrayLike, axis: int | None = None, dtype: DTypeLike | None = None) -> Tensor:
    x, axis = one_axis(x, axis, dtype, "cumprod")
    return in_dtype(cumprod.apply(x, axis=axis), dtype)


implements((np.multiply, "accumulate"))(lambda x, axis=0, dtype=None: cumprod(x, axis, dtype))
cumulative_prod = cumulative(cumprod, 1, np.cumulative_prod)
