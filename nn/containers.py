"""Modules that hold modules or parameters in a sequence."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Generic, Self, TypeVar, overload

from ..autograd import Tensor
from ..extend import ArrayLike
from .lookahead import applied
from .module import Module, Parameter

__all__ = ["ModuleList", "ParameterList", "Sequential"]

T = TypeVar("T")

Taken = TypeVar("Taken")


class _Sequence(Module, Generic[T, Taken]):
    """Modules or parameters under the names "0", "1", ..."""

    _item: type = Module

    def __init__(self, items: Iterable[Taken] | None = None) -> None:
        super().__init__()
        self.extend(() if items is None else items)

    def _items(self) -> list[T]:
        kind: Any = self._item
        return [value for value in self.__dict__.values() if isinstance(value, kind)]

    def _names(self) -> list[str]:
        return [name for name, value in self.__dict__.items() if isinstance(value, self._item)]

    def _name(self, index: int) -> str:
        names, index = self._names(), operator.index(index)
        if not -len(names) <= index < len(names):
            raise IndexError(f"{type(self).__name__}: index {index} is out of range for {len(names)} entries")
        return names[index]

    def _made(self, value: Any) -> Any:
        """The value as it is held; TypeError for what cannot be."""
        if not isinstance(value, self._item):
            raise TypeError(f"{type(self).__name__}: expected a {self._item.__name__}, not {type(value).__name__}")
        return value

    def _renumber(self, items: list[T]) -> None:
        """Hold these entries, by their numbers."""
        for name in self._names():
            delattr(self, name)
        for i, value in enumerate(items):
            setattr(self, str(i), value)

    def __len__(self) -> int:
        """Return len(self)."""
        return len(self._names())

    def __iter__(self) -> Iterator[T]:
        """Return an iterator over the entries."""
        return iter(self._items())

    def __contains__(self, value: object) -> bool:
        """Return whether this very object is an entry."""
        return any(item is value for item in self._items())

    @overload
    def __getitem__(self, index: int) -> T: ...

    @overload
    def __getitem__(self, index: slice) -> Self: ...

    def __getitem__(self, index: int | slice) -> T | Self:
        """Return self[index]; of a slice, the same kind of container."""
        if isinstance(index, slice):
            items: Any = self._items()[index]
            return type(self)(items)
        return getattr(self, self._name(index))

    def __setitem__(self, index: int, value: Taken) -> None:
        """Replace the entry `index`."""
        setattr(self, self._name(index), self._made(value))

    def __delitem__(self, index: int | slice) -> None:
        """Take out an entry, or those of a slice; the others are numbered anew."""
        gone = self._names()[index] if isinstance(index, slice) else [self._name(index)]
        self._renumber([getattr(self, name) for name in self._names() if name not in gone])

    def append(self, value: Taken) -> Self:
        """Add an entry at the end, and return the container."""
        setattr(self, str(len(self)), self._made(value))
        return self

    def extend(self, values: Iterable[Taken]) -> Self:
        """Add entries at the end, and return the container; TypeError for what is no list or other iterable."""
        if isinstance(values, Tensor) or not isinstance(values, Iterable):
            raise TypeError(
                f"{type(self).__name__}.extend: expected an iterable of entries, not a {type(values).__name__}"
            )
        for value in list(values):
            self.append(value)
        return self

    def insert(self, index: int, value: Taken) -> Self:
        """Put an entry before the entry `index`, and return the container; the later ones are numbered anew.

        IndexError unless the index is from -n to n, for n entries.
        """
        items = self._items()
        if not -len(items) <= index <= len(items):
            raise IndexError(f"{type(self).__name__}.insert: index {index} is out of range for {len(items)} entries")
        items.insert(index, self._made(value))
        self._renumber(items)
        return self

    def pop(self, key: int | slice = -1) -> T | Self:
        """Take out an entry, or those of a slice, and return it."""
        value = self[key]
        del self[key]
        return value

    def __iadd__(self, other: Iterable[Taken]) -> Self:
        """Add entries at the end."""
        return self.extend(other)


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
    def __getitem__(self, index: slice) -> Self: ...

    def __getitem__(self, index: int | slice) -> Module | Self:
        """Return self[index]; of a slice, the same kind of container, with the names there are."""
        if isinstance(index, slice):
            return type(self)({name: getattr(self, name) for name in self._names()[index]})
        return getattr(self, self._name(index))

    def __add__(self, other: Iterable[Module]) -> Sequential:
        """Return a Sequential of the modules of both."""
        return Sequential(*self, *other) if isinstance(other, Iterable) else NotImplemented

    def __mul__(self, count: int) -> Sequential:
        """Return the modules, the same ones, `count` times one after the other; ValueError unless that is positive."""
        if not isinstance(count, int):
            return NotImplemented
        if count <= 0:
            raise ValueError(f"Sequential: expected a positive number of repetitions, not {count}")
        return Sequential(*self._items() * count)

    __rmul__ = __mul__

    def __imul__(self, count: int) -> Self:
        """Repeat the modules, the same ones, to be there `count` times."""
        return self.extend(self.__mul__(count)._items()[len(self) :])

    def forward(self, input: object) -> Any:
        return applied(self._items(), input)


class ModuleList(_Sequence[Module, Module]):
    """A list of modules, each of which is registered; it has no forward of its own.

    >>> from pullback import nn
    >>> nn.ModuleList([nn.Linear(2, 2) for _ in range(3)])
    ModuleList(
      (0-2): 3 x Linear(in_features=2, out_features=2, bias=True)
    )
    """

    _rolled = True  # in its repr

    def __init__(self, modules: Iterable[Module] | None = None) -> None:
        super().__init__(modules)

    def __add__(self, other: Iterable[Module]) -> ModuleList:
        """Return a ModuleList of the modules of both."""
        return ModuleList([*self, *other]) if isinstance(other, Iterable) else NotImplemented


class ParameterList(_Sequence[Parameter, ArrayLike]):
    """A list of parameters, each of which is registered; other values are made Parameters.

    >>> from pullback import nn
    >>> nn.ParameterList([nn.Parameter([1.0, 2.0]), nn.Parameter(0.5)])
    ParameterList(
        (0): Parameter containing: [float32 of size 2]
        (1): Parameter containing: [float32 of size ]
    )
    """

    _item = Parameter

    def __init__(self, values: Iterable[ArrayLike] | None = None) -> None:
        super().__init__(values)

    def _made(self, value: Any) -> Parameter:
        return value if isinstance(value, Parameter) else Parameter(value)

    def extra_repr(self) -> str:
        return listed(enumerate(self))


def listed(entries: Iterable[tuple[Any, Any]]) -> str:
    """A line for each parameter, as PyTorch writes them."""
    lines = []
    for name, p in entries:
        size = "" if p is None else "x".join(map(str, p.shape))
        text = "Object of type: NoneType" if p is None else f"Parameter containing: [{p.dtype} of size {size}]"
        lines.append(f"  ({name}): {text}")
    return "\n".join(lines)
