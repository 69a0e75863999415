"""Attention, softmax(scale q k^T + mask) v, and the way back; by NumPy in parts that fit the cache."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..runtime import memory
from ..runtime.threads import one_blas_thread, parallel_for
from . import attention_native

__all__ = ["attention_back", "attention_forward"]

Array = np.ndarray[Any, Any]

_SMALL = 1 << 10  # weights of which the largest of each row is found as soon as that of all
_PART = 1 << 18  # bytes of weights in a part, which with what belongs to them fits the cache
_PASSES = 8  # over the weights, about


def attention_forward(
    q: Array, k: Array, v: Array, mask: Array | None, factors: Array | None, scale: float
) -> tuple[Array, Array, Array]:
    """The result, the exponentials of the scores less the largest, and their sums (1 where nothing is attended to).

    q is (..., L, E), k (..., S, E), v (..., S, F) with the same axes in front, mask (that broadcasts) and factors are
    (..., L, S) or None.
    """
    shape = (*q.shape[:-1], k.shape[-2])
    if attention_native.available(q, k, v, mask, factors):
        if mask is not None:
            mask = np.ascontiguousarray(np.broadcast_to(mask, (*mask.shape[:-2], *shape[-2:])))
        factors = factors if factors is None else np.ascontiguousarray(factors)
        q, k, v = map(np.ascontiguousarray, (q, k, v))
        return attention_native.forward(q, k, v, mask, factors, scale)
    dtype = np.result_type(*(x for x in (q, k, v, mask) if x is not None))
    e, out = memory.empty(shape, dtype), memory.empty((*q.shape[:-1], v.shape[-1]), dtype)
    total = np.empty((*q.shape[:-1], 1), dtype)
    mask = None if mask is None else np.broadcast_to(mask, shape)

    def attend(part: Any) -> None:
        weights, sums = e[part], total[part]
        scaled = np.multiply(q[part], dtype.type(scale), order="C")
        _exponentials(weights, sums, scaled, np.ascontiguousarray(k[part]), None if mask is None else mask[part])
        np.matmul(weights if factors is None else weights * factors[part], v[part], out=out[part])
        out[part] /= sums

    _by_parts(attend, e, q.shape[-1] + v.shape[-1])
    return out, e, total


def _by_parts(body: Callable[[Any], None], e: Any, width: int) -> None:
    """Call `body` with indices of parts of the axes in front, whose weights e fit the cache; threads share them.

    Each weight takes about `width` multiplications.
    """
    lead, axis = e.shape[:-2], 0
    while axis + 1 < len(lead) and math.prod(e.shape[axis + 1 :]) * e.itemsize > _PART:
        axis += 1
    step = max(1, _PART // max(1, math.prod(e.shape[axis + 1 :]) * e.itemsize))
    ranges = [slice(i, i + step) for i in range(0, lead[axis], step)] if lead else [...]
    parts = [(*before, part) for before in np.ndindex(lead[:axis]) for part in ranges]
    one_blas_thread(lambda: parallel_for(body, parts, e.size * (_PASSES + width / 64)))


def _exponentials(weights: Any, sums: Any, q: Any, k: Any, mask: Any) -> None:
    """Write exp(q k^T + mask - top) and its sums over the last axis; top is the largest score of all, which is quicker
    to find, or of each row, where rows differ so much that digits would be lost."""
    for top_of_all in (weights.size > _SMALL, False):
        np.matmul(q, np.matrix_transpose(k), out=weights)
        if mask is not None:
            weights += mask
        top = np.max(weights) if top_of_all else np.max(weights, axis=-1, keepdims=True, initial=-np.inf)
        if not top_of_all:
            top[top == -np.inf] = 0
        elif not np.isfinite(top):
            continue
        np.exp(np.subtract(weights, top, out=weights), out=weights)
        np.matmul(weights, np.ones((weights.shape[-1], 1), weights.dtype), out=sums)
        if not top_of_all:
            sums[sums == 0] = 1
        elif np.min(sums) < np.finfo(sums.dtype).tiny ** (2 / 3):
            continue
        break


def attention_back(
    g: Array, q: Array, k: Array, v: Array, factors: Array | None, scale: float, e: Array, total: Array
) -> list[Array]:
    """The cotangents of q, k and v; `e` and `total` are what `attention_forward` gave."""
    if attention_native.available(g, q, k, v, factors, e, total):
        g, q, k, v = map(np.ascontiguousarray, (g, q, k, v))
        factors = factors if factors is None else np.ascontiguousarray(factors)
        return attention_native.back(g, q, k, v, factors, scale, e, total)
    of_q, of_k, of_v = (memory.empty(x.shape, e.dtype) for x in (q, k, v))

    def pull(part: Any) -> None:
        weights, sums, keys, more = e[part], total[part], k[part], None if factors is None else factors[part]
        of_out = np.divide(g[part], sums, order="C")
        c = of_out @ np.matrix_transpose(v[part])
        if more is not None:
            c *= more
        c -= np.vecdot(weights, c)[..., None] / sums
        c *= weights
        np.matmul(c, keys, out=of_q[part])
        of_q[part] *= scale
        np.matmul(np.matrix_transpose(c), np.multiply(q[part], e.dtype.type(scale), order="C"), out=of_k[part])
        np.matmul(np.matrix_transpose(weights if more is None else weights * more), of_out, out=of_v[part])

    _by_parts(pull, e, 2 * (q.shape[-1] + v.shape[-1]))
    return [of_q, of_k, of_v]
