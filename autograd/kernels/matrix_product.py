"""Matrix products by machine code or by BLAS, whichever is faster for their sizes, in parts for threads to share."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy import ndarray

from ..runtime import memory
from ..runtime.threads import one_blas_thread, parallel_for
from . import gemm
from .sums import SMALL

__all__ = ["product", "product_plus"]

_FEW, _PART = 1 << 18, 1 << 23  # multiplications for which BLAS uses one thread; that are worth a thread


def product(a: Any, b: Any) -> Any:
    """a @ b; of Tensors and others that are no arrays by their own operator.

    By machine code, or by BLAS at one thread, in parts that the threads of the pool share.
    """
    if a.__class__ is not ndarray or b.__class__ is not ndarray:
        return a @ b
    matrices = a.ndim == b.ndim == 2
    if a.size + b.size < SMALL:
        return a.dot(b) if matrices else np.matmul(a, b)  # dot begins sooner
    if matrices and a.size * b.shape[1] <= _FEW and len(a) > 1 < b.shape[1]:
        return a.dot(b)
    if matrices and gemm.worth(a, b):
        return gemm.product(a, b)
    return one_blas_thread(lambda: _by_blas(a, b) if matrices else np.matmul(a, b))


def product_plus(a: Any, b: Any, more: Any) -> Any:
    """a @ b plus a row, in one pass where machine code multiplies the matrices."""
    matrices = all(x.__class__ is ndarray for x in (a, b, more)) and a.ndim == b.ndim == 2
    if matrices and a.size * b.shape[1] > _FEW and more.shape == b.shape[1:] and gemm.worth(a, b, more):
        return gemm.product(a, b, more)
    out = product(a, b)
    return np.add(out, more, out=out if out.dtype == more.dtype else None)


def _by_blas(a: Any, b: Any) -> Any:
    (m, k), n = a.shape, b.shape[1]
    shape, dtype, size = (m, n), np.result_type(a, b), m * k * n
    longest = max(m, n, k)
    step = -(-longest // max(1, min(8, size // _PART)))
    parts = [slice(i, i + step) for i in range(0, longest, step)]
    if len(parts) == 1:
        return np.matmul(a, b, out=memory.empty(shape, dtype))
    if longest == k:
        terms = memory.empty((len(parts), *shape), dtype)
        parallel_for(lambda part: np.matmul(a[:, part], b[part], out=terms[part.start // step]), parts, size / 64)
        return np.add.reduce(terms, axis=0)
    out = memory.empty(shape, dtype)
    if longest == m:
        parallel_for(lambda part: np.matmul(a[part], b, out=out[part]), parts, size / 64)
    else:
        parallel_for(lambda part: np.matmul(a, b[:, part], out=out[:, part]), parts, size / 64)
    return out
