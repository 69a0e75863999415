"""Gradients added up in `grad`."""

from __future__ import annotations

from typing import Any

import numpy as np

from .conversion import result
from .graph import Node
from .tensor import Tensor, wrap


def accumulate(node: Node, g: Any) -> None:
    """Add to a node's `grad`, to which other threads add, too: what is there is replaced if it is what was added to.

    No other thread has a turn between that question and the replacement, as nothing is called there (a lock, which
    would say so, costs a twentieth of a small backward pass).
    """
    while True:
        before = there = node.grad
        if before is not None and (before._held.shape != node.shape or before._held.dtype != node.dtype):
            before = _fitting(before, node)
        if isinstance(g, Tensor):
            after = result(g) if before is None else before + g
        else:
            after = wrap(g.copy() if before is None else before._held + g)
        if node.grad is there:
            node.grad = after
            return


def _fitting(grad: Tensor, node: Node) -> Tensor:
    """What a `grad` was before, in the dtype of its tensor, whose `data` may have been assigned since."""
    if grad.shape != node.shape:
        raise ValueError(
            f"backward: a gradient of shape {node.shape} cannot be added to grad of shape {grad.shape}; "
            "set grad to None when data gets another shape"
        )
    if not np.can_cast(grad.dtype, node.dtype, "same_kind"):
        raise TypeError(f"backward: a gradient of {node.dtype} cannot be added to grad of {grad.dtype}")
    return grad.astype(node.dtype)
