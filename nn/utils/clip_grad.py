"""Limits for gradients as a whole."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from ...autograd import Tensor, no_grad
from ...extend import is_later, required

__all__ = ["clip_grad_norm_", "clip_grad_value_", "clip_grads_with_norm_", "get_total_norm"]


def _with_gradients(parameters: Tensor | Iterable[Tensor]) -> list[Tensor]:
    given = [parameters] if isinstance(parameters, Tensor) else parameters
    return [p for p in given if p.grad is not None]


def get_total_norm(
    tensors: Tensor | Iterable[Tensor],
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> np.float64:
    """Return the norm of all entries of the tensors, taken as one vector; 0 for no tensors.

    RuntimeError where it is infinite or no number, if `error_if_nonfinite`. `foreach`, which chooses among PyTorch's
    loops, is taken and ignored.

    >>> float(get_total_norm([Tensor([3.0]), Tensor([4.0])]))
    5.0
    """
    given = [tensors] if isinstance(tensors, Tensor) else list(tensors)
    if any(map(is_later, given)):
        return _total_later(given, norm_type, error_if_nonfinite)
    norms = [_norm(tensor.numpy(), norm_type) for tensor in given]
    total = np.float64(np.linalg.norm(norms, norm_type) if norms else 0.0)
    if error_if_nonfinite and not math.isfinite(total):
        raise RuntimeError(f"get_total_norm: the norm of order {norm_type} is {total}")
    return total


def _total_later(tensors: list[Tensor], norm_type: float, error_if_nonfinite: bool) -> Any:
    """`get_total_norm` in a program that is being written down."""
    wide = [t.astype(np.float32) if t.dtype == np.float16 else t for t in tensors]
    norms = [np.linalg.norm(np.ravel(t), norm_type) for t in wide]
    total = np.linalg.norm(np.stack(norms).astype(np.float64), norm_type)
    if error_if_nonfinite:
        required(np.isfinite(total), f"get_total_norm: the norm of order {norm_type} is not finite", RuntimeError)
    return total


def _norm(array: np.ndarray, norm_type: float) -> float:
    if not array.size:
        return 0.0
    wide = array.astype(np.float32) if array.dtype == np.float16 else array  # whose squares end at 65504
    return float(np.linalg.norm(np.ravel(wide), norm_type))


def clip_grads_with_norm_(
    parameters: Tensor | Iterable[Tensor], max_norm: float, total_norm: float, foreach: bool | None = None
) -> None:
    """Scale the gradients by max_norm / (total_norm + 1e-6), as PyTorch does, unless that is more than 1.

    Where `total_norm` is not finite, gradients are left as they are.
    """
    each = {id(p.grad): p.grad for p in _with_gradients(parameters)}  # one may be that of several
    if is_later(total_norm):
        scale = np.where(np.isfinite(total_norm), np.minimum(max_norm / (total_norm + 1e-6), 1), 1)
        with no_grad():
            for grad in each.values():
                grad *= scale.astype(grad.dtype)  # type: ignore[assignment, union-attr]
        return
    factor = float(max_norm) / (float(total_norm) + 1e-6)
    if factor < 1 and math.isfinite(total_norm):
        with no_grad():
            for grad in each.values():
                grad *= factor  # type: ignore[operator, assignment]


def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> np.float64:
    """Scale the gradients so that their norm, taken as one vector, is at most `max_norm`; returns what it was.

    The factor is PyTorch's, max_norm / (norm + 1e-6). Gradients whose norm is not finite are left as they are
    (RuntimeError, if `error_if_nonfinite`).

    >>> p = Tensor([3.0, 4.0], requires_grad=True)
    >>> (p * p / 2).sum().backward()
    >>> clip_grad_norm_([p], 1.0).item()
    5.0
    >>> p.grad.round(3)
    Tensor([0.6, 0.8])
    """
    held = _with_gradients(parameters)
    total = get_total_norm([p.grad for p in held if p.grad is not None], norm_type, error_if_nonfinite)
    clip_grads_with_norm_(held, max_norm, total)
    return total


def clip_grad_value_(parameters: Tensor | Iterable[Tensor], clip_value: float, foreach: bool | None = None) -> None:
    """Limit every entry of the gradients to [-clip_value, clip_value]."""
    for p in _with_gradients(parameters):
        grad = p.grad.detach()  # type: ignore[union-attr]
        p.grad = np.clip(grad, -clip_value, clip_value)
