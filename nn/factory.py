"""How layers make their parameters: where, and of which dtype."""

from __future__ import annotations

from typing import TypeGuard

import numpy as np

from ..extend import DEVICES, DTypeLike, modes
from .parameter import Parameter

_DEVICES = ("cpu", "cuda", "hpu", "ipu", "meta", "mps", "mtia", "xpu")


def is_device(value: object) -> TypeGuard[str]:
    """Whether this names a device: a text such as "cuda:0", or an object with such a text as its `type`."""
    return (value if isinstance(value, str) else str(getattr(value, "type", ""))).partition(":")[0] in (
        *_DEVICES,
        *DEVICES,
    )


def check_device(device: str | None, name: str) -> None:
    """Raise ValueError for another device than the CPU, where modules are made."""
    if device is not None and str(device).partition(":")[0] != "cpu":
        raise ValueError(f"{name}: device={device!r}; modules are made on the CPU, device='cpu'; then to({device!r})")


def empty(
    shape: int | tuple[int, ...], device: str | None = None, dtype: DTypeLike | None = None, *, name: str = "Parameter"
) -> Parameter:
    """A Parameter to be filled, in `dtype`, a float type (None: the default one if it was set, or float32).

    Errors begin with `name`.
    """
    check_device(device, name)
    kind = np.dtype((modes.floats or np.float32) if dtype is None else dtype)
    if kind.kind != "f":
        raise TypeError(f"{name}: dtype={dtype!r} is not a float type")
    if min((shape,) if isinstance(shape, int) else shape, default=0) < 0:
        raise ValueError(f"{name}: a negative size in the shape {shape} of a parameter")
    return Parameter(np.empty(shape, kind))
