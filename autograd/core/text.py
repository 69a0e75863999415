"""Tensors as text."""

from __future__ import annotations

from typing import Any

import numpy as np

from .tracing import raw


def described(tensor: Any) -> str:
    """A Tensor's repr."""
    data = tensor._held
    plain = isinstance(data, (np.ndarray, np.generic))
    body = np.array2string(np.asarray(data), separator=", ", prefix="Tensor(") if plain else repr(data)
    shape = f", shape={tensor.shape}" if not tensor.size and tensor.shape != (0,) else ""
    dtype = "" if tensor.dtype in (np.float64, np.int64, np.bool_) else f", dtype={tensor.dtype}"
    return f"Tensor({body}{shape}{dtype}{', requires_grad=True' if tensor._node else ''})"


def formatted(tensor: Any, spec: str) -> str:
    """A Tensor in an f-string; TypeError where `spec` is for one number and there are axes."""
    if tensor.ndim and spec[-1:] in tuple("bcdeEfFgGnoxX%"):
        raise TypeError(
            f"format {spec!r} is for one number, not for a Tensor of shape {tensor.shape}: format its entries, "
            "t.item() or each of t.tolist(), or round(t, 2)"
        )
    return format(raw(tensor) if tensor.ndim == 0 else str(tensor), spec)
