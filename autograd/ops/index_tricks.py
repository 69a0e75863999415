"""`r_` and `c_`: arrays joined by the index of an object, as NumPy's of these names do with arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.conversion import lift
from .creation import asarray
from .shape import concatenate, ravel

__all__ = ["c_", "r_"]


class _Joined:
    """NumPy's tool is asked where each entry goes: it joins the numbers of the entries, which are then looked up."""

    def __init__(self, tool: Any) -> None:
        self.tool = tool

    def __getitem__(self, key: Any) -> Any:
        parts = [
            np.r_[part] if isinstance(part, slice) else part for part in (key if isinstance(key, tuple) else (key,))
        ]
        arrays = [part if isinstance(part, str) else lift(part) for part in parts]
        entries = [ravel(array) for array in arrays if not isinstance(array, str)]
        numbers, start = [], 0
        for array in arrays:
            if not isinstance(array, str):
                array = np.arange(start, start := start + array.size).reshape(array.shape)
            numbers.append(array)
        return asarray(concatenate(entries))[self.tool[tuple(numbers)]]


r_, c_ = _Joined(np.r_), _Joined(np.c_)
