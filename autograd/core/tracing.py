"""The tower of transforms: which of the values that meet in an operation was put there by the innermost transform.

A Tensor's `_held` is an array, or a `Tracer` that a transform such as `jvp` put in its place; if the Tensor has a
node above level 0, it is an array or a Tensor of a lower level. At depth d (inside d such transforms) a transform's
values have level 2 d - 1 and the graphs that are recorded there level 2 d. An operation is done by the highest level
among its arguments, which in turn asks for operations on what its own values hold, of lower levels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from ..runtime.libraries import is_foreign
from .graph import mode, modes, now

read_everywhere: list[Mapping[Any, Any]] = []  # what may change what all functions do (see programs/guards.py)


class Tracer:
    """What a transform puts in place of an array: it does the operations in which it is the highest."""

    __slots__ = ("level", "value")
    later = False  # whether its numbers are known only when a program runs (see programs/trace.py)

    def __init__(self, level: int, value: Any) -> None:
        self.level, self.value = level, value

    @property
    def shape(self) -> tuple[int, ...]:
        return self.value.shape

    @property
    def dtype(self) -> Any:
        return self.value.dtype

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return self.value.size

    @property
    def _held(self) -> Any:
        return self.value

    @property
    def example(self) -> Any:
        """A value of the same layout in memory: for what depends on shapes and strides alone."""
        return self.value

    def outputs(self, primitive: Any, args: tuple[Any, ...], options: dict[str, Any]) -> tuple[Any, ...]:
        """What `primitive.outputs` gives for arguments of which this is the highest."""
        raise NotImplementedError

    def computed(self, function: Any, values: list[Any], rebuild: Any) -> Any:
        """What a function without derivatives gives for a nest of values of which this is the highest."""
        raise NotImplementedError

    def detached(self) -> Any:
        """What remains of this when all derivatives stop here."""
        raise NotImplementedError

    def through(self, linear: Any) -> Any:
        """A linear map of this, as a Tensor."""
        raise NotImplementedError

    def outside(self, *_: Any, **__: Any) -> Any:
        raise RuntimeError(f"a {type(self).__name__} value was used outside of the transform in which it stands")

    __array_ufunc__ = __array_function__ = __array__ = outside


def noticed(x: Any) -> Any:
    """A value that is asked for, of which a program that is being written down knows now: it may be from outside."""
    if modes.recorder is not None:
        modes.recorder.adopt(x)
    return x


def assigned(x: Any, values: Any) -> bool:
    """Whether a program is being written down, in which the `data` of a Tensor are these from here on."""
    if modes.recorder is not None:
        modes.recorder.assign(x, values)
    return modes.recorder is not None


def performed(name: str, action: Callable[[], object], moved: Sequence[Any] = ()) -> bool:
    """Whether a program is being written down, which will perform the action, on what is outside of it, whenever it
    runs; `moved` are the Tensors that have other values then."""
    if modes.recorder is not None:
        modes.recorder.perform(name, action, moved)
    return modes.recorder is not None


def new_level() -> mode:
    """Inside a transform that puts values of its own in place of arrays; gives their level."""
    return mode(depth=lambda depth: depth + 1, scopes=lambda scopes: (*scopes, now()))


def level_of(x: Any) -> int:
    """The level of the transform or graph that an argument of an operation belongs to."""
    noticed(x)
    node = getattr(x, "_node", None)
    if node is not None:
        return node.level
    return getattr(getattr(x, "_held", None), "level", 0)


def tracer(args: Iterable[Any], level: int) -> Tracer:
    """A value of that level among arguments."""
    return next(x._held for x in args if level_of(x) == level)


def raw(x: Any) -> Any:
    """The array at the bottom of a Tensor: the values without what any transform knows of them."""
    noticed(x)
    data = x._held
    while isinstance(data, Tracer) or hasattr(data, "_held"):
        data = data._held
    return data


def bottom(x: object) -> Any:
    """All the values in a Tensor, an array or a number: where they differ over a batch, with its axis in front."""
    noticed(x)
    while isinstance(x, Tracer) or hasattr(x, "_held"):
        x = x.value if isinstance(x, Tracer) else x._held
    return x


def layout(x: Any) -> Any:
    """An array laid out in memory as a value is: where it differs over a batch, with the batch's axis in front."""
    while isinstance(x, Tracer) or hasattr(x, "_held"):
        x = x.example if isinstance(x, Tracer) else x._held
    return x if is_foreign(x.__class__) else np.asarray(x)


def example(x: Any) -> Any:
    """An array laid out in memory as a value is, of the first example where there is a batch."""
    array = layout(x)
    if array.ndim and (hasattr(x, "_held") or isinstance(x, Tracer)):
        array = array[(0,) * (array.ndim - len(x.shape))]
    return array if is_foreign(array.__class__) else np.asarray(array)


def is_later(x: Any) -> bool:
    """Whether the numbers in a value are known only when a program runs that is being written down."""
    noticed(x)
    while isinstance(x, Tracer) or hasattr(x, "_held"):
        if isinstance(x, Tracer) and x.later:
            return True
        x = x.value if isinstance(x, Tracer) else x._held
    return False


def detached(x: Any) -> Any:
    """A Tensor's `_held` without the graphs and the tangents that belong to it."""
    noticed(x)
    data = x._held
    while isinstance(data, Tracer) or hasattr(data, "_held"):
        if isinstance(data, Tracer):
            return data.detached()
        data = data._held
    return data
