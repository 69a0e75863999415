"""Arrays cut into parts along an axis."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.conversion import lift
from ..core.primitive import implements
from ..core.tensor import Tensor
from ..core.types import ArrayLike, HasArray, PerAxis
from .shape import axes_of

__all__ = ["array_split", "dsplit", "hsplit", "split", "unstack", "vsplit"]


@implements(np.array_split)
def array_split(ary: ArrayLike, indices_or_sections: PerAxis | HasArray, axis: int = 0) -> list[Tensor]:
    """The parts of an array between indices along `axis`, or a number of parts as equal as can be."""
    ary = lift(ary)
    (axis,) = axes_of(axis, ary.ndim, "array_split")
    n = ary.shape[axis]
    if isinstance(indices_or_sections, (int, np.integer)):
        count = int(indices_or_sections)
        if count < 1:
            raise ValueError(f"array_split: {count} parts asked for; at least 1 is needed")
        inner = [i * (n // count) + min(i, n % count) for i in range(1, count)]
    else:
        inner = list(indices_or_sections)
    lead = (slice(None),) * axis
    return [ary[(*lead, slice(*ends))] for ends in zip([0, *inner], [*inner, None], strict=True)]


@implements(np.split)
def split(ary: ArrayLike, indices_or_sections: PerAxis | HasArray, axis: int = 0) -> list[Tensor]:
    """As `array_split`; ValueError where a number of parts does not divide the length."""
    ary = lift(ary)
    if isinstance(indices_or_sections, (int, np.integer)) and indices_or_sections > 0:
        (n,) = (ary.shape[a] for a in axes_of(axis, ary.ndim, "split"))
        if n % indices_or_sections:
            raise ValueError(f"split: {indices_or_sections} does not divide the length {n}; see array_split")
    return array_split(ary, indices_or_sections, axis)


@implements(np.vsplit)
def vsplit(ary: ArrayLike, indices_or_sections: PerAxis | HasArray) -> list[Tensor]:
    """`split` along the first axis of an array of at least two."""
    return split(at_least(2, ary, "vsplit"), indices_or_sections, 0)


@implements(np.hsplit)
def hsplit(ary: ArrayLike, indices_or_sections: PerAxis | HasArray) -> list[Tensor]:
    """`split` along the second axis, or the only one."""
    ary = at_least(1, ary, "hsplit")
    return split(ary, indices_or_sections, 1 if ary.ndim > 1 else 0)


@implements(np.dsplit)
def dsplit(ary: ArrayLike, indices_or_sections: PerAxis | HasArray) -> list[Tensor]:
    """`split` along the third axis of an array of at least three."""
    return split(at_least(3, ary, "dsplit"), indices_or_sections, 2)


def at_least(ndim: int, x: Any, name: str) -> Any:
    x = lift(x)
    if x.ndim < ndim:
        raise ValueError(f"{name}: expected at least {ndim} dimensions, not shape {x.shape}")
    return x


@implements(np.unstack)
def unstack(x: ArrayLike, /, *, axis: int = 0) -> tuple[Tensor, ...]:
    """The arrays that, stacked along `axis`, give `x`."""
    x = at_least(1, x, "unstack")
    lead = (slice(None),) * axes_of(axis, x.ndim, "unstack")[0]
    return tuple(x[(*lead, i)] for i in range(x.shape[len(lead)]))
