"""What a state_dict is made of: data alone; and whether it fits."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

import numpy as np

Shape = tuple[int, ...]


def data(owner: str, name: str, value: Any) -> Any:
    """A copy of a value, arrays in the place of tensors; TypeError for what is no data."""
    if value is None or isinstance(value, (bool, int, str)) or type(value) is float:
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, dict):
        return {k: data(owner, f"{name}[{k!r}]", v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(data(owner, f"{name}[{i}]", v) for i, v in enumerate(value))
    if hasattr(value, "__array__"):
        return np.array(value)
    raise TypeError(f"{owner}: {name} is a {type(value).__name__}; a state_dict holds numbers, strings and arrays")


def unfit(
    kept: Mapping[str, Any],
    shape: Shape,
    counters: Collection[str],
    averages: Collection[str] | None,
    wanted: Collection[str],
    shaped: Callable[[str, Shape], Shape],
) -> list[str]:
    """What does not fit of the state of a parameter: unknown names, missing ones, shapes."""
    found = []
    if averages is not None:
        found += [f"unknown {name}" for name in kept if name not in counters and name not in averages]
        found += [f"no {name}" for name in (*counters, *wanted) if kept.get(name) is None]
    for name, value in kept.items():
        if name not in counters and hasattr(value, "shape") and tuple(value.shape) != shaped(name, shape):
            found.append(f"{name} of shape {tuple(value.shape)}")
    return [f"{text} given for a parameter of shape {shape}" for text in found]
