"""What an index says of each axis: slices, places, and masks that may differ over a batch."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.conversion import lift, values_of
from ..core.tensor import Tensor, holds_tensors, unmasked
from ..core.tracing import level_of, raw
from ..runtime.libraries import is_foreign

__all__ = ["differs", "is_basic", "is_mask", "names_once", "parts_of", "plain_index"]


def plain_index(index: Any) -> Any:
    """An index without Tensors in it, integer lists as arrays."""
    if isinstance(index, tuple):
        return tuple(plain_index(part) for part in index)
    if isinstance(index, Tensor):
        return raw(index)
    unmasked(index)
    return np.asarray(index, dtype=None if len(index) else np.intp) if isinstance(index, list) else index


def names_once(index: Any) -> bool:
    """Whether no entry can be named twice: no integer arrays."""
    parts = index if isinstance(index, tuple) else (index,)
    return not any(
        (isinstance(part, np.ndarray) or is_foreign(part.__class__)) and part.dtype != np.bool_ for part in parts
    )


def differs(index: Any) -> bool:
    """Whether a part of an index belongs to a transform."""
    if isinstance(index, (tuple, list)):
        return holds_tensors(index) and any(map(differs, index))
    return level_of(index) > 0


def parts_of(index: Any, shape: tuple[int, ...]) -> list[Any]:
    """An index as a list that says something of each axis: slices, None, arrays and Tensors of integers, masks that
    differ over a batch."""
    parts: list[Any] = []
    for part in index if isinstance(index, tuple) else (index,):
        if part is not None and part is not Ellipsis and not isinstance(part, slice):
            part = values_of(lift(part))
            if part.dtype == np.bool_ and not isinstance(part, Tensor) and part.ndim:
                parts += np.nonzero(part)
                continue
            if part.dtype.kind not in "iu" and (part.dtype != np.bool_ or not isinstance(part, Tensor)):
                raise IndexError(f"vmap: an index of {part.dtype} beside one that differs from example to example")
        parts.append(part)
    named = sum(_axes_named(part) for part in parts)
    if named > len(shape):
        raise IndexError(f"an index of {named} axes for an array of shape {shape}")
    rest = [slice(None)] * (len(shape) - named)
    dots = [i for i, part in enumerate(parts) if part is Ellipsis]
    if len(dots) > 1:
        raise IndexError("an index can only have a single ellipsis ('...')")
    return [*parts[: dots[0]], *rest, *parts[dots[0] + 1 :]] if dots else parts + rest


def _axes_named(part: Any) -> int:
    return 0 if part is None or part is Ellipsis else part.ndim if is_mask(part) else 1


def is_mask(part: Any) -> bool:
    """Whether a part of an index, or the whole, is a mask that differs over a batch."""
    return isinstance(part, Tensor) and part.dtype == np.bool_ and level_of(part) > 0


def is_basic(part: Any) -> bool:
    return part is None or isinstance(part, slice)
