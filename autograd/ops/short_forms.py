"""Short forms of rules: for arrays alone, and given up where a number on the way is beyond the range of its dtype.

The other form of such a rule is made of primitives, so that it has derivatives itself, and is right over the whole
range of numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy import ndarray

from ..core.tensor import Tensor

__all__ = ["ordinary", "passing", "within_range"]


def within_range(form: Callable[..., Any], *arrays: Any) -> Any:
    """What a form gives for arrays; None for Tensors, and where a number on the way is out of range, or is none."""
    for x in arrays:
        if isinstance(x, Tensor):
            return None
    try:
        with np.errstate(all="raise"):  # which the processor notes at no cost
            out = form(*arrays)
    except FloatingPointError:
        return None
    return None if np.logical_or.reduce(np.isnan(out), axis=None) else out


def passing(g: Any, factor: Any) -> Any:
    """g * factor; 0 where the factor is 0, of an infinite g, too: what a result does not reach does not spoil it."""
    if not isinstance(g, Tensor) and not isinstance(factor, Tensor):
        try:
            with np.errstate(invalid="raise"):  # which the processor notes at no cost, unlike `where`
                return g * factor
        except FloatingPointError:
            pass
    return np.where(factor == 0, 0, g) * factor


def ordinary(x: Any) -> bool:
    """Whether all entries of an array (or NumPy's number) of floats are positive, finite and have all their digits."""
    if not isinstance(x, (ndarray, np.floating)) or x.dtype.kind != "f" or not x.size:
        return False
    low, high = (np.minimum.reduce(x, axis=None), np.maximum.reduce(x, axis=None)) if x.ndim else (x, x)
    return bool(np.finfo(x.dtype).tiny <= low and high < np.inf)
