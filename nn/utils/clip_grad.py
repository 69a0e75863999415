"""Limits for gradients as a whole."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from ...autograd import Tensor

__all__ = ["clip_grad_norm_", "clip_grad_value_"]


def _with_gradients(parameters: Tensor | Iterable[Tensor]) -> list[Tensor]:
    given = [parameters] if isinstance(parameters, Tensor) else parameters
    return [p for p in given if p.grad is not None]


def clip_grad_norm_(parameters: Tensor | Iterable[Tensor], max_norm: float, norm_type: float = 2.0) -> float:
    """Scale the gradients so that their norm, taken as one vector, is at most `max_norm`; returns what it was.

    Gradients whose norm is not finite are left as they are.

    >>> p = Tensor([3.0, 4.0], requires_grad=True)
    >>> (p * p / 2).sum().backward()
    >>> clip_grad_norm_([p], 1.0)
    5.0
    >>> p.grad
    Tensor([0.6, 0.8])
    """
    held = _with_gradients(parameters)
    each = [float(np.linalg.norm(np.ravel(p.grad.numpy()), norm_type)) for p in held]  # type: ignore[union-attr]
    total = float(np.linalg.norm(each, norm_type)) if each else 0.0
    if max_norm < total < math.inf:
        for p in held:
            p.grad = Tensor(p.grad.numpy() * (max_norm / total))  # type: ignore[union-attr]
    return total


def clip_grad_value_(parameters: Tensor | Iterable[Tensor], clip_value: float) -> None:
    """Limit every entry of the gradients to [-clip_value, clip_value]."""
    for p in _with_gradients(parameters):
        p.grad = Tensor(np.clip(p.grad.numpy(), -clip_value, clip_value))  # type: ignore[union-attr]
