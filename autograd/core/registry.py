"""All primitives by name."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

_primitives: dict[str, Any] = {}


class Registry(Mapping[str, Any]):
    """All primitives by name, read-only."""

    def __getitem__(self, name: str) -> Any:
        if name not in _primitives:
            raise KeyError(f"no primitive named {name!r}; registered: {', '.join(sorted(_primitives))}")
        return _primitives[name]

    def __iter__(self) -> Iterator[str]:
        return iter(_primitives)

    def __len__(self) -> int:
        return len(_primitives)


def registered(name: str, module: str | None) -> Any:
    """The primitive of that name, which the module, once imported, has registered: what stands in a pickle."""
    if name not in _primitives and module is not None:
        import_module(module)
    return Registry()[name]


def _may_register(name: str, function: Any) -> None:
    """Whether a primitive may have that name, or take the place of the one that has it: where that was defined in the
    same place, or both in a notebook or session, with a warning, which Python shows once. ValueError where they come
    from different libraries.
    """
    old = _primitives.get(name)
    if old is None:
        return
    places = [(getattr(f, "__module__", None), getattr(f, "__qualname__", None)) for f in (old.function, function)]
    if old.function is not function and places[0] != places[1] and {module for module, _ in places} != {"__main__"}:
        raise ValueError(
            f"a primitive named {name!r} is registered already, by {places[0][0]}; "
            "give this one another name: primitive(name=...)"
        )
    warnings.warn(f"the primitive {name!r} was defined again; the new one takes its place", stacklevel=5)


def register(primitive: Any) -> None:
    if primitive.listed:
        _may_register(primitive.name, primitive.function)
        _primitives[primitive.name] = primitive
