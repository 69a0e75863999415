"""Nested containers of values: tuples, named tuples, lists and dictionaries, as arguments and results of transforms.

A list of nothing but numbers is an array.
"""

from __future__ import annotations

from collections.abc import Callable
from numbers import Number
from typing import Any

_DEEPEST = 100  # containers inside one another


def flatten(tree: Any) -> tuple[list[Any], Callable[[Any], Any]]:
    """The leaves of a nest of containers (None is an empty one), and what builds the same nest of other leaves.

    >>> leaves, rebuild = flatten({"w": (1.0, 2.0), "b": 3.0})
    >>> rebuild([10 * leaf for leaf in leaves])
    {'w': (10.0, 20.0), 'b': 30.0}
    """
    leaves: list[Any] = []
    build = _builder(tree, leaves, ())
    return leaves, lambda values: build(iter(values))


def _builder(tree: Any, leaves: list[Any], around: tuple[int, ...]) -> Callable[[Any], Any]:
    if tree is None:
        return lambda values: None
    if id(tree) in around or len(around) > _DEEPEST:
        raise ValueError(f"a {type(tree).__name__} is a part of itself, or inside more than {_DEEPEST} others")
    inside = (*around, id(tree))
    if isinstance(tree, dict):
        parts = {key: _builder(part, leaves, inside) for key, part in tree.items()}
        return lambda values: type(tree)((key, part(values)) for key, part in parts.items())
    if isinstance(tree, (list, tuple)) and not _an_array(tree):
        each = [_builder(part, leaves, inside) for part in tree]
        make = tree._make if hasattr(tree, "_make") else type(tree)
        return lambda values: make(part(values) for part in each)
    leaves.append(tree)
    return next


def _an_array(tree: Any, depth: int = 0) -> bool:
    """Whether this is a list of nothing but numbers, at any depth that an array can have."""
    if not isinstance(tree, list) or depth > _DEEPEST:
        return False
    return all(isinstance(part, Number) or _an_array(part, depth + 1) for part in tree)


def matching(tree: Any, other: Any, name: str) -> list[Any]:
    """What `other` has in the places of a nest's leaves; ValueError where it has not the form of the nest.

    >>> matching({"w": (1.0, 2.0), "b": 3.0}, {"b": 30.0, "w": (10.0, 20.0)}, "tangents")
    [10.0, 20.0, 30.0]
    """
    if isinstance(tree, dict):
        alike = isinstance(other, dict) and tree.keys() == other.keys()
        parts = [(tree[key], other[key]) for key in tree] if alike else []
    elif isinstance(tree, (list, tuple)) and not _an_array(tree):
        alike = isinstance(other, (list, tuple)) and len(tree) == len(other)
        parts = list(zip(tree, other, strict=True)) if alike else []
    else:
        return [] if tree is None else [other]
    if not alike:
        raise ValueError(f"{name}: {other!r} given for a {type(tree).__name__} of {len(tree)}")
    return [leaf for part in parts for leaf in matching(*part, name)]


def over(function: Callable[..., Any], tree: Any, *others: Any) -> Any:
    """The nest of what the function gives for the leaves of a nest, and of others of the same form."""
    leaves, rebuild = flatten(tree)
    return rebuild(list(map(function, leaves, *(matching(tree, other, "over") for other in others))))
