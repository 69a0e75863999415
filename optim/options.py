"""Options of parameter groups: what makes sense, and what they are at a step."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from numbers import Real
from typing import Any

import numpy as np

from ..autograd import Tensor

__all__ = ["checked", "number", "read"]

_ARRAYS = frozenset((Tensor, np.ndarray))


def number(owner: str, name: str, value: object) -> float:
    """The number that an option is, which may be a Tensor or an array of one; TypeError or ValueError for others."""
    if isinstance(value, (Tensor, np.ndarray)):
        if value.size != 1:
            raise ValueError(f"{owner}: {name} must be one number, not an array of shape {value.shape}")
        return float(value.item())
    if not isinstance(value, Real):
        raise TypeError(f"{owner}: {name} must be a number, not a {type(value).__name__}")
    return float(value)


def read(group: dict[str, Any]) -> dict[str, Any]:
    """The options as they are now: numbers in the place of Tensors and arrays of one."""
    if _ARRAYS.isdisjoint(map(type, group.values())):
        return group
    return {k: float(v.item()) if isinstance(v, (Tensor, np.ndarray)) else v for k, v in group.items()}


def checked(owner: str, group: Mapping[str, Any], not_negative: Iterable[str], fractions: Iterable[str]) -> None:
    """Raise ValueError for options that are negative or NaN, for pairs of `fractions` outside of [0, 1), for switches
    that exclude each other, and for one that is for recorded steps.
    """
    for name in not_negative:
        if not number(owner, name, group[name]) >= 0:
            raise ValueError(f"{owner}: {name} must not be negative, but is {group[name]}")
    for name in fractions:
        if len(group[name]) != 2 or not all(0 <= number(owner, name, value) < 1 for value in group[name]):
            raise ValueError(f"{owner}: {name} must be two numbers of at least 0 and below 1, not {group[name]}")
    if group.get("differentiable"):
        raise ValueError(
            f"{owner}: differentiable must be False: steps are not recorded; to differentiate through one, "
            "write it with tensor operations and grads(..., create_graph=True)"
        )
    if group.get("fused") and group.get("foreach"):
        raise ValueError(f"{owner}: fused and foreach cannot both be True")
