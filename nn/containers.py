"""Modules that hold modules, in a sequence or by name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Generic, Self, TypeVar, overload

from ..autograd import Tensor
from ..extend import ArrayLike
from .lookahead import applied
from .module import Module, Parameter

__all__ = ["ModuleDict", "ModuleList", "ParameterList", "Sequential"]

Item = TypeVar("Item")
Taken = TypeVar("Taken")


class _Sequence(Module, Generic[Item, Taken]):
    """Modules or parameters under the names "0", "1", ..."""

    _item: type = Module

    def __init__(self, items: Iterable[Taken] = ()) -> None:
        super().__init__()
        self.extend(items)

    def _items(self) -> list[Any]:
        kind = self._item
        return [value for value in self.__dict__.values() if isinstance(value, kind)]

    def _names(self) -> list[str]:
        return [name for name, value in self.__dict__.items() if isinstance(value, self._item)]

    def _name(self, index: int) -> str:
        names = self._names()
        if not -len(names) <= index < len(names):
            raise IndexError(f"{type(self).__name__}: index {index} is out of range for {len(names)} entries")
        return names[index]

    def _put(self, name: str, value: Any) -> None:
        if not isinstance(value, self._item):
            raise TypeError(f"{type(self).__name__}: expected a {self._item.__name__}, not {type(value).__name__}")
        setattr(self, name, value)

    def __len__(self) -> int:
        """Return len(self)."""
        return len(self._names())

    def __iter__(self) -> Iterator[Item]:
        """Return an iterator over the entries."""
        return iter(self._items())

    def __contains__(self, value: object) -> bool:
        """Return whether this very object is an entry."""
        return any(item is value for item in self._items())

    @overload
    def __getitem__(self, index: int) -> Item: ...

    @overload
    def __getitem__(self, index: slice) -> Self: ...

    def __getitem__(self, index: int | slice) -> Item | Self:
        """Return self[index]; of a slice, the same kind of container."""
        if isinstance(index, slice):
            return type(self)(self._items()[index])
        return getattr(self, self._name(index))

    def __setitem__(self, index: int, value: Taken) -> None:
        """Replace the entry `index`."""
        self._put(self._name(index), value)

    def append(self, value: Taken) -> Self:
        """Add an entry at the end, and return the container."""
        self._put(str(len(self)), value)
        return self

    def extend(self, values: Iterable[Taken]) -> Self:
        """Add entries at the end, and return the container."""
        for value in values:
            self.append(value)
        return self


class Sequential(_Sequence[Module, Module]):
    """Modules applied one after the other; named by their places, or by the keys of a mapping.

    A convolution, and a ReLU and a max-pooling behind it, are one pass over memory, which nothing but the time tells
    from the modules one after the other: these run where one has hooks, or is of a class or has a `forward` of its own.

    >>> from pullback import nn
    >>> nn.Sequential(nn.Linear(2, 3), nn.ReLU())
    Sequential(
      (0): Linear(in_features=2, out_features=3, bias=True)
      (1): ReLU()
    )
    """

    @overload
    def __init__(self, *args: Module) -> None: ...

    @overload
    def __init__(self, modules: Mapping[str, Module], /) -> None: ...

    def __init__(self, *args: Any) -> None:
        super().__init__()
        if len(args) == 1 and isinstance(args[0], Mapping):
            for name, module in args[0].items():
                self.add_module(name, module)
        else:
            self.extend(args)

    @overload
    def __getitem__(self, index: int) -> Module: ...

    @overload
    def __getitem__(self, index: slice) -> Sequential: ...

    def __getitem__(self, index: int | slice) -> Module | Sequential:
        """Return self[index]; of a slice, the same kind of container."""
        if isinstance(index, slice):
            return Sequential({name: getattr(self, name) for name in self._names()[index]})
        return getattr(self, self._name(index))

    def forward(self, input: ArrayLike) -> Tensor:
        return applied(self._items(), input)


class ModuleList(_Sequence[Module, Module]):
    """A list of modules, each of which is registered; it has no forward of its own."""


class ParameterList(_Sequence[Parameter, ArrayLike]):
    """A list of parameters, each of which is registered; other values are made Parameters."""

    _item = Parameter

    def _put(self, name: str, value: Any) -> None:
        super()._put(name, value if isinstance(value, Parameter) else Parameter(value))

    def extra_repr(self) -> str:
        return "\n  ".join(f"({n}): Parameter of shape {p.shape}, {p.dtype}" for n, p in self.named_parameters())


class ModuleDict(Module):
    """Modules by name, each of which is registered; it has no forward of its own.

    ValueError for a name with a dot or one that the class uses itself, such as "forward".
    """

    def __init__(self, modules: Mapping[str, Module] | None = None) -> None:
        super().__init__()
        self.update(modules or {})

    def update(self, modules: Mapping[str, Module]) -> None:
        """Add the modules of a mapping under their names, replacing those there."""
        for name, module in modules.items():
            self[name] = module

    def __setitem__(self, name: str, module: Module) -> None:
        """Add the module under this name, or replace the one there."""
        self.add_module(name, module)

    def __getitem__(self, name: str) -> Module:
        """Return the module of this name."""
        return dict(self._own_modules())[name]

    def __delitem__(self, name: str) -> None:
        """Take the module of this name out."""
        self[name]
        delattr(self, name)

    def __len__(self) -> int:
        """Return len(self)."""
        return len(self._own_modules())

    def __iter__(self) -> Iterator[str]:
        """Return an iterator over the names."""
        return iter(dict(self._own_modules()))

    def __contains__(self, name: str) -> bool:
        """Return whether a module has this name."""
        return name in dict(self._own_modules())

    def keys(self) -> Iterable[str]:
        """Return the names."""
        return dict(self._own_modules()).keys()

    def values(self) -> Iterable[Module]:
        """Return the modules."""
        return dict(self._own_modules()).values()

    def items(self) -> Iterable[tuple[str, Module]]:
        """Return the pairs of names and modules."""
        return dict(self._own_modules()).items()
