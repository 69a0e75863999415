"""Modules that hold modules or parameters by name."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import ItemsView, Iterable, Iterator, KeysView, Mapping, ValuesView
from operator import itemgetter
from typing import Any, Generic, Self, TypeVar

from ..extend import ArrayLike
from .containers import listed
from .module import Module, Parameter

__all__ = ["ModuleDict", "ParameterDict"]

T = TypeVar("T")


class _Named(Module, Generic[T]):
    """Modules or parameters by name, with the methods of a dict."""

    def _entries(self) -> dict[str, T]:
        raise NotImplementedError

    def update(self, entries: Mapping[str, T] | _Named[T] | Iterable[tuple[str, T]]) -> None:
        """Add the entries of a mapping, or pairs, under their names, replacing those there.

        TypeError for what is neither, ValueError for a sequence that is no pair.
        """
        name = type(self).__name__
        if not isinstance(entries, Iterable):
            raise TypeError(f"{name}.update: expected a mapping or pairs, not a {type(entries).__name__}")
        pairs = self._pairs(entries) if isinstance(entries, (Mapping, _Named)) else entries
        for i, pair in enumerate(pairs):
            if not isinstance(pair, Iterable):
                raise TypeError(f"{name}.update: entry {i} is a {type(pair).__name__}, not a pair of name and value")
            values = list(pair)
            if len(values) != 2:
                raise ValueError(f"{name}.update: entry {i} has length {len(values)}, not 2")
            self[values[0]] = values[1]

    def _pairs(self, entries: Any) -> Iterable[Any]:
        return entries.items()

    def __setitem__(self, name: str, value: T) -> None:
        """Add the entry under this name, or replace the one there."""
        raise NotImplementedError

    def __getitem__(self, name: str) -> T:
        """Return the entry of this name."""
        return self._entries()[name]

    def __delitem__(self, name: str) -> None:
        """Take the entry of this name out."""
        self[name]
        delattr(self, name)

    def __len__(self) -> int:
        """Return len(self)."""
        return len(self._entries())

    def __iter__(self) -> Iterator[str]:
        """Return an iterator over the names."""
        return iter(self._entries())

    def __contains__(self, name: str) -> bool:
        """Return whether there is an entry of this name."""
        return name in self._entries()

    def keys(self) -> KeysView[str]:
        """Return the names."""
        return self._entries().keys()

    def values(self) -> ValuesView[T]:
        """Return the entries."""
        return self._entries().values()

    def items(self) -> ItemsView[str, T]:
        """Return the pairs of names and entries."""
        return self._entries().items()

    def pop(self, key: str) -> T:
        """Take the entry of this name out, and return it."""
        value = self[key]
        del self[key]
        return value

    def clear(self) -> None:
        """Take all entries out."""
        for name in self._entries():
            del self[name]


class ModuleDict(_Named[Module]):
    """Modules by name, each of which is registered; it has no forward of its own.

    ValueError for a name with a dot or one that the class uses itself, such as "forward".
    """

    def __init__(self, modules: Mapping[str, Module] | Iterable[tuple[str, Module]] | None = None) -> None:
        super().__init__()
        self.update({} if modules is None else modules)

    def _entries(self) -> dict[str, Module]:
        return dict(self._own_modules())

    def __setitem__(self, name: str, module: Module) -> None:
        """Add the module under this name, or replace the one there."""
        self.add_module(name, module)


class ParameterDict(_Named[Any]):
    """Parameters by name, each of which is registered, with all methods of a dict; None may be held, too.

    Other values are made Parameters. The names of a plain dict are sorted, as in PyTorch. ValueError for a name with a
    dot or one that the class uses itself.

    >>> from pullback import nn
    >>> nn.ParameterDict({"left": [1.0, 2.0]}) | nn.ParameterDict({"right": 3.0})
    ParameterDict(
        (left): Parameter containing: [float32 of size 2]
        (right): Parameter containing: [float32 of size ]
    )
    """

    def __init__(
        self,
        parameters: Mapping[str, ArrayLike | None]
        | ParameterDict
        | Iterable[tuple[str, ArrayLike | None]]
        | None = None,
    ) -> None:
        super().__init__()
        self._keys: dict[str, None] = {}
        self.update({} if parameters is None else parameters)

    def _pairs(self, entries: Any) -> Iterable[Any]:
        # PyTorch sorts the names of a plain dict, and optimizers' states go by the order of parameters
        ordered = isinstance(entries, (OrderedDict, ParameterDict))
        return entries.items() if ordered else sorted(entries.items(), key=itemgetter(0))

    def _entries(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self._keys}

    def __setitem__(self, name: str, value: ArrayLike | None) -> None:
        """Add the parameter under this name, or replace the one there."""
        self.register_parameter(name, value if value is None or isinstance(value, Parameter) else Parameter(value))
        self._keys[name] = None

    def __delitem__(self, name: str) -> None:
        """Take the parameter of this name out."""
        del self._keys[name]
        delattr(self, name)

    def __reversed__(self) -> Iterator[str]:
        """Return an iterator over the names, the last one first."""
        return reversed(self._keys)

    def copy(self) -> ParameterDict:
        """Return a ParameterDict of the same parameters."""
        return ParameterDict(self)

    def get(self, key: str, default: object = None) -> Any:
        """Return the parameter of this name, or the default if there is none."""
        return self._entries().get(key, default)

    def setdefault(self, key: str, default: ArrayLike | None = None) -> Parameter | None:
        """Return the parameter of this name, after adding the default under it if there is none."""
        if key not in self._keys:
            self[key] = default
        return self[key]

    def popitem(self) -> tuple[str, Parameter | None]:
        """Take the last parameter out, and return its name and it; KeyError if there is none."""
        if not self._keys:
            raise KeyError("ParameterDict.popitem: there is no entry")
        name = next(reversed(self._keys))
        return name, self.pop(name)

    def fromkeys(self, keys: Iterable[str], default: ArrayLike | None = None) -> ParameterDict:
        """Return a new ParameterDict with these names, each for the default."""
        return ParameterDict((key, default) for key in keys)

    def __or__(self, other: Mapping[str, ArrayLike | None] | ParameterDict) -> ParameterDict:
        """Return a ParameterDict of the entries of both, those of the other where both have one."""
        if not isinstance(other, (Mapping, ParameterDict)):
            return NotImplemented
        new = self.copy()
        new.update(other)
        return new

    def __ror__(self, other: Mapping[str, ArrayLike | None]) -> ParameterDict:
        """Return a ParameterDict of the entries of both, those of this one where both have one."""
        return ParameterDict(other) | self

    def __ior__(self, other: Mapping[str, ArrayLike | None] | ParameterDict) -> Self:
        """Add the entries of the other."""
        self.update(other)
        return self

    def extra_repr(self) -> str:
        return listed(self.items())
