"""Which dtypes numbers become, and which have gradients."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from .graph import modes

_PYTHONS = (bool, int, float, complex)


def python(data: Any) -> bool:
    """Whether this is a number of Python's, or a nested list of such."""
    return data.__class__ in _PYTHONS or isinstance(data, (list, tuple)) and all(map(python, data))


def by_default(array: Any) -> Any:
    """An array whose dtype nobody chose, in the default dtype, if one was set and it is one of floats."""
    if modes.floats is None or array.dtype.char not in "dD":
        return array
    return array.astype(modes.floats if array.dtype.char == "d" else np.result_type(modes.floats, np.complex64))


def differentiable(dtype: np.dtype[Any]) -> None:
    """TypeError for a dtype that has no gradients."""
    if dtype.kind not in "fc":
        raise TypeError(f"requires_grad: only float and complex tensors have gradients, not {dtype}")


def masked_arrays() -> Any:
    """NumPy's class of them; none as long as nobody has imported it, which takes longer than the first Tensor may."""
    return getattr(sys.modules.get("numpy.ma"), "MaskedArray", ())
