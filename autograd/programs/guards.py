"""What a function reads from outside of itself as Python values: where that is another, the program is another.

Looked at are the variables that its code names, in the closures and the globals of all functions of users' that it
can come to by these names, the attributes that it names, of objects, what lies in dictionaries and lists there, and
all that Modules hold.
"""

from __future__ import annotations

import operator
import types
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from ..core.pytrees import flatten
from ..core.tensor import Tensor
from ..core.tracing import read_everywhere

__all__ = ["Guards"]

_PACKAGE = __name__.partition(".")[0]
_PLAIN = (bool, int, float, complex, str, bytes, type(None))
_OTHERS = (*_PLAIN, Tensor, type, types.ModuleType)  # of which it is enough to know which they are
_MOST = 1 << 12  # things that are looked at


class Guards:
    """The Python values that a function would read now, and a look at whether they are the same later."""

    def __init__(self, f: Callable[..., object], form: object) -> None:
        self._seen: dict[int, Any] = {}
        self._names: set[str] = set()
        self._objects: list[Any] = []
        self._read: list[tuple[Callable[[], list[Any]], list[Any]]] = []
        self._visit(f)
        for part in flatten(form)[0]:  # what is no array among the arguments
            self._visit(part)
        known = None
        while known != (len(self._names), len(self._objects)):
            known = len(self._names), len(self._objects)
            for thing in self._objects:
                for part in self._parts(thing)():
                    self._visit(part)
        for thing in self._objects:
            self._keep(self._parts(thing))
        for mapping in read_everywhere:
            self._keep(partial(_values, mapping))
        self.count = sum(len(held) for _, held in self._read)

    def hold(self) -> bool:
        """Whether all is as it was."""
        for read, held in self._read:
            now = read()
            if len(now) != len(held) or not (all(map(operator.is_, now, held)) or all(map(_same, now, held))):
                return False
        return True

    def _keep(self, read: Callable[[], list[Any]]) -> None:
        self._read.append((read, read()))

    def _visit(self, thing: Any) -> None:
        """Look at something that the function can come to."""
        if isinstance(thing, _OTHERS) or id(thing) in self._seen or len(self._seen) >= _MOST:
            return
        self._seen[id(thing)] = thing
        if isinstance(thing, types.MethodType):
            self._visit(thing.__self__)
            self._visit(thing.__func__)
        elif isinstance(thing, types.FunctionType):
            self._function(thing)
        elif isinstance(thing, partial):
            for part in (thing.func, *thing.args, *thing.keywords.values()):
                self._visit(part)
        elif isinstance(thing, tuple):
            for part in thing:
                self._visit(part)
        elif isinstance(thing, (dict, list)):
            self._kept(partial(_entries, thing, list(thing) if isinstance(thing, dict) else len(thing)))
        elif hasattr(thing, "__dict__") and not getattr(thing, "outside_programs", False):
            self._objects.append(thing)

    def _kept(self, read: Callable[[], list[Any]]) -> None:
        self._keep(read)
        for part in read():
            self._visit(part)

    def _function(self, f: types.FunctionType) -> None:
        self._kept(partial(_of_cells, f.__closure__ or ()))
        for part in (getattr(f, "__wrapped__", None), *(f.__defaults__ or ()), *(f.__kwdefaults__ or {}).values()):
            self._visit(part)
        if str(f.__module__).partition(".")[0] != _PACKAGE:
            names = set(_named(f.__code__))
            self._names |= names
            self._kept(partial(_entries, f.__globals__, sorted(names & f.__globals__.keys())))

    def _parts(self, thing: Any) -> Callable[[], list[Any]]:
        """What reads of an object all that it has, if it is a Module, or else what the code names."""
        if hasattr(thing, "named_parameters"):
            for part in vars(thing).values():
                if isinstance(part, dict):  # of hooks, perhaps, to which others may come
                    self._keep(partial(_values, part))
            self._visit(type(thing).forward)
            return partial(_values, vars(thing))
        for name in self._names:
            self._visit(getattr(type(thing), name, None))
        return partial(_entries, vars(thing), sorted(self._names & vars(thing).keys()))


def _values(mapping: Any) -> list[Any]:
    return list(mapping.values())


def _entries(mapping: Any, keys: Any) -> list[Any]:
    """What a dictionary has under keys, or the first so many entries of a list."""
    return [mapping.get(key) for key in keys] if isinstance(mapping, dict) else mapping[:keys]


def _of_cells(cells: tuple[types.CellType, ...]) -> list[Any]:
    """What closures hold, of what there is by now."""
    found = []
    for cell in cells:
        try:
            found.append(cell.cell_contents)
        except ValueError:
            found.append(None)
    return found


def _named(code: types.CodeType) -> Iterator[str]:
    """The names that code and the functions in it use."""
    yield from code.co_names
    for part in code.co_consts:
        if isinstance(part, types.CodeType):
            yield from _named(part)


def _same(now: Any, held: Any) -> bool:
    return now is held or type(now) is type(held) and isinstance(now, _PLAIN) and now == held
