"""How objects with options say what they are: by the arguments that they were made with."""

from __future__ import annotations

import inspect
import reprlib
from collections.abc import Iterator
from typing import Any

import numpy as np

__all__ = ["Described", "described"]

_Kind = inspect.Parameter


class Described:
    """A base of what has options: its repr is a call with those that are not None, as `described` finds them.

    >>> class Halve(Described):
    ...     def __init__(self, times=1, where=None):
    ...         self.times, self.where = times, where
    >>> Halve(2)
    Halve(times=2)
    """

    def __repr__(self) -> str:
        return described(self)


def described(obj: object, *first: str, without: tuple[str, ...] = (), **more: object) -> str:
    """Return `Kind(first, option=value, ..., more=value)`, with the options of the constructor that are not None.

    An option is kept in the attribute of its name, of that with an underscore before it, or of its plural; what is
    kept nowhere, and what is named in `without`, is left out. Long values are shortened.
    """
    shown = [*first, *_options(obj, without), *(f"{name}={_short(value)}" for name, value in more.items())]
    return f"{type(obj).__name__}({', '.join(shown)})"


def _options(obj: Any, without: tuple[str, ...]) -> Iterator[str]:
    kept = vars(obj)
    for name, parameter in inspect.signature(type(obj)).parameters.items():
        found = [key for key in (name, f"_{name}", f"{name}s") if key in kept]
        if not found or name in without or (value := kept[found[0]]) is None:
            continue
        if parameter.kind not in (_Kind.VAR_POSITIONAL, _Kind.VAR_KEYWORD):
            yield f"{found[0].lstrip('_')}={_short(value)}"
        elif isinstance(value, dict):
            yield from (f"{key}={_short(each)}" for key, each in value.items())
        else:
            yield from map(_short, value)


class _Shortened(reprlib.Repr):
    """Six entries of what is long, and objects as they call themselves."""

    def __init__(self) -> None:
        super().__init__()
        self.maxother = self.maxstring = 200
        self.maxlist = self.maxtuple = self.maxdict = 6

    def repr_ndarray(self, array: np.ndarray[Any, Any], level: int) -> str:
        return np.array2string(array, threshold=6, edgeitems=2, separator=", ").replace("\n", "")

    def repr_instance(self, x: Any, level: int) -> str:
        return str(getattr(x, "__qualname__", None) or super().repr_instance(x, level))

    repr_function = repr_instance


_short = _Shortened().repr
