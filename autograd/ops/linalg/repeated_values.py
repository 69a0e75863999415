"""Eigen- and singular values that repeat, and what derivatives of their vectors are then.

Where values repeat (but for rounding), their vectors are an arbitrary basis, and no derivative of them exists. That of
a function of them may: of V f(w) V^T it does. But from the cotangents of w and V alone nothing can tell f(w) = 1 from
f(w) = w^2 there. So gradients are right where the cotangents of the vectors vanish within their common space and those
of its values are equal, as for sum(w); for a function that does not see the values at all it is enough that turning the
basis changes nothing, as for the projection on the space. Else they are NaN. So are tangents of w and V in a direction
that splits the values. `linalg.matrix_function` has all derivatives of V f(w) V^T.
(Where all cotangents vanish, as those of V w V^T at 0 may, the gradient is 0: that is beyond any rule.)
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...core.tracing import bottom
from .solving import on_diagonal

__all__ = ["differ", "matters", "off_diagonal", "reciprocal", "reciprocal_gaps", "repeated", "rounding", "settled"]


def rounding(x: Any, size: Any) -> Any:
    """Which of some values are nothing but rounding beside `size`, all of them together."""
    return np.abs(x) <= 4 * x.shape[-1] * np.finfo(x.dtype).eps * size


def repeated(w: Any) -> Any:
    """At (i, j), whether w_i and w_j are equal but for rounding."""
    size = np.sum(np.abs(w), axis=-1, keepdims=True)
    return rounding(w[..., None, :] - w[..., :, None], size[..., None])


def reciprocal(x: Any, lost: Any) -> Any:
    """1 / x, and 0 for those that are lost."""
    return np.where(lost, 0, 1 / np.where(lost, 1, x))


def reciprocal_gaps(w: Any, same: Any) -> Any:
    """1 / (w_j - w_i) at (i, j), and 0 where the two are the same."""
    return reciprocal(w[..., None, :] - w[..., :, None], same)


def matters(x: Any, *of: Any) -> Any:
    """Which entries of matrices are more than rounding beside the sum of all entries of others."""
    size = sum(np.sum(np.abs(y), axis=(-2, -1), keepdims=True) for y in of)
    return np.abs(x) > np.finfo(x.dtype).eps ** 0.75 * size


def differ(x: Any) -> Any:
    """At (i, j), whether x_i and x_j differ by more than rounding, of them and of values that are equal but for it."""
    size = np.max(np.abs(x), axis=-1, initial=0, keepdims=True)[..., None]
    return np.abs(x[..., None, :] - x[..., :, None]) > np.finfo(x.dtype).eps ** 0.5 * size


def off_diagonal(where: Any) -> Any:
    """Without the diagonal."""
    return on_diagonal(where, False)


def settled(name: str, part: str, turn: Any, *cotangents: Any) -> None:
    """LinAlgError if the derivative `turn` along what is arbitrary is more than rounding beside the cotangents."""
    turn, size = bottom(turn), sum(np.sum(np.abs(bottom(g))) for g in cotangents)
    if np.greater(np.max(np.abs(turn), initial=0), np.finfo(turn.dtype).eps ** 0.5 * size):
        raise np.linalg.LinAlgError(f"{name}: the result depends on {part}, which is arbitrary, and so has no gradient")
