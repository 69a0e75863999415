"""Scaled dot-product attention, as one primitive."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..autograd import Tensor
from ..extend import ArrayLike, attention_back, attention_forward, by_single, floating, lift, primitive, wrap
from .dropout import check_probability, dropout

__all__ = ["scaled_dot_product_attention"]


class _Once:
    """The cotangents of q, k and v that were computed together, for each to be taken once."""

    __slots__ = ("held",)

    def __init__(self) -> None:
        self.held: tuple[Any, list[Any]] = None, []

    def take(self, g: Any, position: int, *saved: Any) -> Any:
        """The cotangent at a position, for the cotangent g of the result."""
        known, found = self.held
        if known is not g or found[position] is None:
            self.held = g, found = g, attention_back(g, *saved)
        c, found[position] = found[position], None
        return c


@primitive(name="attention", aux=["e", "total", "once"])
def attention(q: Any, k: Any, v: Any, mask: Any, factors: Any, *, scale: float) -> Any:
    """Return softmax(scale q k^T + mask) v, and 0 where nothing is attended to.

    q is (..., L, E), k (..., S, E), v (..., S, F) with the same axes in front, mask (that broadcasts) and factors are
    (..., L, S) or None: the weights are multiplied by the factors, as dropout does. The result is (..., L, F).

    >>> attention(np.ones((1, 2)), np.ones((2, 2)), np.array([[1.0], [3.0]]), None, None, scale=1.0)
    array([[2.]])
    """
    dtype = np.result_type(*(x for x in (q, k, v, mask) if x is not None))
    if dtype.kind != "f":
        raise TypeError(f"attention: numbers of dtype {dtype}; expected real floats")
    return *attention_forward(q, k, v, mask, factors, scale), _Once()


def _plain(*values: Any) -> bool:
    return not any(isinstance(x, Tensor) for x in values)


def _weights(q: Any, k: Any, mask: Any, scale: float, e: Any, total: Any) -> tuple[Any, Any]:
    """`e` and `total`, with derivatives where these are asked for; the largest scores cancel and can be constants."""
    if _plain(q, k, mask):
        return e, total
    scores = (q * scale) @ np.matrix_transpose(k)
    if mask is not None:
        scores = scores + mask
    top = np.max(scores.detach(), axis=-1, keepdims=True, initial=-np.inf)
    e = np.exp(scores - np.where(top == -np.inf, 0, top))
    total = np.sum(e, axis=-1, keepdims=True)
    return e, np.where(total == 0, 1, total)


def _of_scores(g: Any, v: Any, factors: Any, e: Any, total: Any) -> Any:
    """The cotangent of the scores, scale q k^T + mask."""
    g = g / total
    c = g @ np.matrix_transpose(v)
    if factors is not None:
        c = c * factors
    return e * (c - np.sum(e * c, axis=-1, keepdims=True) / total)


@attention.vjp("q")
def _(g: Any, q: Any, k: Any, v: Any, mask: Any, factors: Any, scale: float, e: Any, total: Any, once: Any) -> Any:
    if _plain(g, q, k, v, mask):
        return once.take(g, 0, q, k, v, factors, scale, e, total)
    return _of_scores(g, v, factors, *_weights(q, k, mask, scale, e, total)) @ k * scale


@attention.vjp("k")
def _(g: Any, q: Any, k: Any, v: Any, mask: Any, factors: Any, scale: float, e: Any, total: Any, once: Any) -> Any:
    if _plain(g, q, k, v, mask):
        return once.take(g, 1, q, k, v, factors, scale, e, total)
    return np.matrix_transpose(_of_scores(g, v, factors, *_weights(q, k, mask, scale, e, total))) @ (q * scale)


@attention.vjp("v")
def _(g: Any, q: Any, k: Any, v: Any, mask: Any, factors: Any, scale: float, e: Any, total: Any, once: Any) -> Any:
    if _plain(g, q, k, v, mask):
        return once.take(g, 2, q, k, v, factors, scale, e, total)
    e, total = _weights(q, k, mask, scale, e, total)
    return np.matrix_transpose(e if factors is None else e * factors) @ (g / total)


@attention.vjp("mask")
def _(g: Any, q: Any, k: Any, v: Any, mask: Any, factors: Any, scale: float, e: Any, total: Any) -> Any:
    return _of_scores(g, v, factors, *_weights(q, k, mask, scale, e, total))


@attention.batch
def _(call: Any, n: int, values: Any, batched: set[int], *, scale: float) -> Any:
    ndim = max(np.ndim(x) - (i in batched) for i, x in enumerate(values) if x is not None)

    def spread(i: int, x: Any) -> Any:
        """With the axis of examples in front and all others behind it."""
        if x is None or i == 3 and i not in batched:
            return x
        x = x if i in batched else np.broadcast_to(x, (n, *x.shape))
        return np.reshape(x, (n, *(1,) * (ndim + 1 - np.ndim(x)), *x.shape[1:]))

    return call(*(spread(i, x) for i, x in enumerate(values)), scale=scale)


@attention.strategy
def _(draw: Any) -> Any:
    lead, length, keys = draw.shape(max_dims=2), draw.integer(1, 3), draw.one_of([0, 2, 3])
    q, k = (draw.array(shape=(*lead, n, 2), domain=(-1, 1), dtype=np.float64) for n in (length, keys))
    v = draw.array(shape=(*lead, keys, draw.integer(1, 3)), dtype=np.float64)
    mask = draw.array(shape=draw.one_of([(*lead, length, keys), (keys,), (1, keys)]), dtype=np.float64)
    return (q, k, v, mask, draw.array(shape=(*lead, length, keys), domain=(0, 2), dtype=np.float32)), {"scale": 0.5}


def scaled_dot_product_attention(
    query: ArrayLike,
    key: ArrayLike,
    value: ArrayLike,
    attn_mask: ArrayLike | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    *,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """Return softmax(scale query key^T + mask) value, for query (..., L, E), key (..., S, E) and value (..., S, F).

    `attn_mask`, which broadcasts to (..., L, S), is True where a query (a row) attends to a key, or is added; a query
    that attends to nothing gets 0. With `is_causal` the i-th query attends to the first i keys. The weights go through
    dropout, always. `scale` is 1 / sqrt(E) unless it is given. With `enable_gqa` key and value may have fewer heads
    (axis -3), each of which then serves as many of the query's. The result is (..., L, F). ValueError for shapes that
    do not fit. Source: Vaswani et al., Attention Is All You Need, 2017.

    >>> x = np.array([[1.0], [3.0]])
    >>> scaled_dot_product_attention(x, x, x, is_causal=True)[0]
    array([1.])
    """
    name = "scaled_dot_product_attention"
    given: Any = [floating(x) for x in (query, key, value)]
    q, k, v = given
    _check(q, k, v, name)
    check_probability(dropout_p, name)
    if enable_gqa:
        k, v = _for_all_heads(q, k, name), _for_all_heads(q, v, name)
    if not q.shape[:-2] == k.shape[:-2] == v.shape[:-2]:
        q, k, v = _alike(q, k, v, name)
    shape = (*q.shape[:-1], k.shape[-2])
    mask = None if attn_mask is None else additive(attn_mask, shape, q.dtype, name, "attn_mask", attended=True)
    if is_causal:
        causal = causal_mask(shape[-2], shape[-1], q.dtype)
        mask = causal if mask is None else mask + causal
    if scale is None:
        scale = 1 / math.sqrt(q.shape[-1]) if q.shape[-1] else 1.0
    return attended(q, k, v, mask, dropout_p, scale)


@by_single
def attended(q: Any, k: Any, v: Any, mask: Any, dropout_p: float, scale: float) -> Any:
    """Attention of checked arguments; the mask is added."""
    factors: Any = None
    if isinstance(dropout_p, Tensor) or dropout_p != 0:
        factors = dropout(np.ones((*q.shape[:-1], k.shape[-2]), q.dtype), dropout_p)
    if not _plain(q, k, v):  # then arrays would be copied
        mask, factors = (wrap(x) if x.__class__ is np.ndarray else x for x in (mask, factors))
    return _apply(q, k, v, mask, factors, scale=scale)


_apply = attention.apply


def _check(query: Any, key: Any, value: Any, name: str) -> None:
    if "c" in (query.dtype.kind, key.dtype.kind, value.dtype.kind):
        raise TypeError(f"{name}: query, key or value is complex; expected real numbers")
    if (
        min(query.ndim, key.ndim, value.ndim) < 2
        or query.shape[-1] != key.shape[-1]
        or key.shape[-2] != value.shape[-2]
    ):
        raise ValueError(
            f"{name}: query, key and value of shapes {query.shape}, {key.shape} and {value.shape}; expected "
            "(..., L, E), (..., S, E) and (..., S, F)"
        )


def _for_all_heads(query: Any, x: Any, name: str) -> Any:
    """Each head of x as often as the query has heads for it."""
    if query.ndim < 3 or x.ndim < 3 or not x.shape[-3] or query.shape[-3] % x.shape[-3]:
        raise ValueError(f"{name}: {x.shape} has no heads (axis -3) of which each serves as many of {query.shape}")
    return np.repeat(x, query.shape[-3] // x.shape[-3], axis=-3)


def _alike(query: Any, key: Any, value: Any, name: str) -> Any:
    """All with the same axes in front of the matrices."""
    shapes = [x.shape for x in (query, key, value)]
    try:
        lead = np.broadcast_shapes(*(shape[:-2] for shape in shapes))
    except ValueError:
        raise ValueError(
            f"{name}: query, key and value of shapes {', '.join(map(str, shapes))} do not broadcast"
        ) from None
    return [np.broadcast_to(x, (*lead, *x.shape[-2:])) for x in (query, key, value)]


def additive(mask: Any, shape: tuple[int, ...], dtype: Any, name: str, argument: str, attended: bool) -> Any:
    """A mask that broadcasts to `shape`, as numbers to be added: of bools, 0 where it is `attended`, -inf elsewhere.

    TypeError for a mask of anything but bools and floats, ValueError for one of another shape.
    """
    mask = lift(mask)
    if mask.dtype.kind not in "bf":
        raise TypeError(f"{name}: {argument} of dtype {mask.dtype}; expected bools, or floats to be added")
    lengths = zip(reversed(mask.shape), reversed(shape), strict=False)
    if mask.ndim > len(shape) or any(n not in (1, of) for n, of in lengths):
        raise ValueError(f"{name}: {argument} of shape {mask.shape}; expected one that broadcasts to {shape}")
    if mask.dtype.kind == "f":
        return mask if mask.dtype == dtype else mask.astype(dtype)
    zero, never = dtype.type(0), dtype.type(-np.inf)
    return np.where(mask, zero, never) if attended else np.where(mask, never, zero)


def causal_mask(length: int, keys: int, dtype: Any) -> Any:
    """Zeros (length, keys), and -inf above the diagonal."""
    return np.triu(np.full((length, keys), -np.inf, dtype), 1)
