"""Docstrings of a Tensor's operators, for `help`."""

from __future__ import annotations

from types import FunctionType

import numpy as np

from ..core.tensor import Tensor

_OWN = {
    "__array_ufunc__": "Run a ufunc of NumPy on Tensors; NumPy calls this.",
    "__array_function__": "Run a function of NumPy on Tensors; NumPy calls this.",
    "__complex__": "Return the one value as a complex number.",
    "__copy__": "Return the same tensor anew; of a leaf, with a gradient of its own.",
    "__dlpack_device__": "The device for DLPack: the CPU's memory.",
    "__round__": "Return the values rounded to `ndigits` decimal places, to whole numbers without.",
}


def explain() -> None:
    """Give the operators without a docstring their names, and the docstrings of NumPy's arrays."""
    for name, method in vars(Tensor).items():
        if name.startswith("__") and isinstance(method, FunctionType) and not method.__doc__:
            method.__name__, method.__qualname__ = name, f"Tensor.{name}"
            method.__doc__ = _OWN.get(name) or getattr(np.ndarray, name).__doc__
