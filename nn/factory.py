"""How layers make their parameters: where, and of which dtype."""

from __future__ import annotations

from typing import Any

import numpy as np

from .module import Parameter


def check_device(device: Any, name: str) -> None:
    """Raise ValueError for another device than the CPU."""
    if device is not None and str(device).partition(":")[0] != "cpu":
        raise ValueError(f"{name}: device={device!r}; arrays are on the CPU, device='cpu'")


def empty(shape: int | tuple[int, ...], device: Any = None, dtype: Any = None, *, name: str = "Parameter") -> Parameter:
    """A Parameter to be filled, float32 unless `dtype` is another float type; errors begin with `name`."""
    check_device(device, name)
    kind = np.dtype(np.float32 if dtype is None else dtype)
    if kind.kind != "f":
        raise TypeError(f"{name}: dtype={dtype!r} is not a float type")
    if min((shape,) if isinstance(shape, int) else shape, default=0) < 0:
        raise ValueError(f"{name}: a negative size in the shape {shape} of a parameter")
    return Parameter(np.empty(shape, kind))
