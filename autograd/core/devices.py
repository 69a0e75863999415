"""Where arrays are, and what takes part of the engine when they are another library's (see runtime/libraries.py)."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..runtime.libraries import Library, is_foreign, library_at, library_of
from .graph import elsewhere
from .types import DTypeLike


def kept(data: Any, dtype: DTypeLike | None, copy: bool | None) -> Any:
    """An array of another library as it is, or as that library converts and copies it."""
    elsewhere()
    if copy:
        return data.astype(data.dtype if dtype is None else dtype)
    return data if dtype is None else data.astype(dtype, copy=False)


def on_cpu(device: Any) -> None:
    """ValueError for a device other than the one there is."""
    if device not in (None, "cpu"):
        raise ValueError(f"there is no device {device!r}, only 'cpu'")


def named_device(device: Any) -> str:
    """The name of a device that there is: "cpu", or that of a library, which is imported."""
    kind = str(getattr(device, "type", device))
    if kind.partition(":")[0] == "cpu":
        return "cpu"
    found = library_at(kind).device
    elsewhere()
    return found


def device_of(data: Any) -> str:
    """Where an array or a NumPy scalar is."""
    return library_of(data.__class__).device if is_foreign(data.__class__) else "cpu"


class InLibrary:
    """A primitive as seen by the versions of functions for a library: its function is one, too."""

    def __init__(self, primitive: Any, library: Library) -> None:
        self._primitive, self.function = primitive, library.version(primitive.function)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._primitive(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._primitive, name)


def agreed(name: str, values: list[Any], given: set[int]) -> Library | None:
    """The library whose arrays are among the values, or None; TypeError for Tensors of several. What was `given` as
    NumPy's array is copied to where the others are."""
    libraries = {library_of(x.__class__) for x in values if is_foreign(x.__class__)}
    if not libraries:
        return None
    if len(libraries) > 1 or any(x.__class__ is np.ndarray and i not in given for i, x in enumerate(values)):
        devices = ", ".join(str(device_of(x)) for x in values if hasattr(x, "shape"))
        raise TypeError(f"{name}: arrays on different devices ({devices}); move them with to_device")
    return libraries.pop()
