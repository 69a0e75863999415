"""Attributes of a module that are computed, from its parameters, whenever they are asked for."""

from __future__ import annotations

from functools import cache
from typing import Any

from ..module import Module


class Derived:
    """How an attribute is computed; `assign` says what becomes of a value that is assigned to it."""

    prefix = ""  # to the name of the class of a module that has such an attribute

    def value(self, module: Any) -> Any:
        raise NotImplementedError

    def assign(self, module: Any, value: Any) -> None:
        raise NotImplementedError


def derive(module: Module, name: str, how: Derived) -> None:
    """Let the attribute `name` be computed; the module gets a class for it."""
    _set(module, {**derived(module), name: how})


def settle(module: Module, name: str) -> None:
    """Let the attribute be an ordinary one again, and the class, where no other is computed, its own."""
    _set(module, {key: how for key, how in derived(module).items() if key != name})


def base_class(module: Module) -> type[Module]:
    """The class that a module has without derived attributes."""
    kind = type(module)
    return kind.__bases__[0] if "_derived_names" in kind.__dict__ else kind


def derived(module: Module) -> dict[str, Derived]:
    """How the derived attributes of a module are computed, by their names."""
    return module.__dict__.get("_derived", {})


def _set(module: Module, attributes: dict[str, Derived]) -> None:
    kind: Any = base_class(module)
    if attributes:
        module.__dict__["_derived"] = attributes
        module.__class__ = _class(kind, tuple(attributes), max(how.prefix for how in attributes.values()))
    else:
        del module.__dict__["_derived"]
        module.__class__ = kind


@cache
def _class(kind: Any, names: tuple[str, ...], prefix: str) -> type[Module]:
    """A class of modules that compute these attributes; pickles and copies make it again."""

    def reduce(self: Any, protocol: Any) -> Any:
        return _blank, (kind, names, prefix), *kind.__reduce_ex__(self, protocol)[2:]

    body: dict[str, Any] = {name: _attribute(name) for name in names}
    body |= {"__slots__": (), "_derived_names": names, "__reduce_ex__": reduce, "__module__": kind.__module__}
    return type(prefix + kind.__name__, (kind,), body)


def _attribute(name: str) -> property:
    def get(module: Any) -> Any:
        return module.__dict__["_derived"][name].value(module)

    def assign(module: Any, value: Any) -> None:
        module.__dict__["_derived"][name].assign(module, value)

    return property(get, assign)


def _blank(kind: Any, names: tuple[str, ...], prefix: str) -> Module:
    made: Any = _class(kind, names, prefix)
    return made.__new__(made)
