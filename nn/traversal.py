"""Walks over a module and all below it, however deep; the functions take any object with a Module's methods."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from typing import Any


def join(prefix: str, name: str) -> str:
    """Join two dotted names, the first of which may be empty."""
    return f"{prefix}.{name}" if prefix else name


def walk(root: Any, name: str, seen: set[int] | None) -> Iterator[tuple[str, Any, bool]]:
    """Yield the name and each module twice: as it is reached (False) and when all below it is done (True).

    Modules whose ids are in `seen` are left out; without that, ValueError for a module that is a part of itself.
    """
    inside: dict[int, tuple[str, Any]] = {}
    waiting = [iter([(name, root)])]
    while waiting:
        for name, module in waiting[-1]:
            if seen is not None:
                if id(module) in seen:
                    continue
                seen.add(id(module))
            elif id(module) in inside:
                raise ValueError(f"{type(root).__name__}: the module {inside[id(module)][0]!r} is a part of itself")
            yield name, module, False
            inside[id(module)] = name, module
            waiting.append(iter([(join(name, part), child) for part, child in module._own_modules()]))
            break
        else:
            waiting.pop()
            if inside:
                name, module = inside.popitem()[1]
                yield name, module, True


def named(
    root: Any, own: Callable[[Any], list[tuple[str, Any]]], prefix: str, recurse: bool, remove_duplicate: bool
) -> Iterator[tuple[str, Any]]:
    """Yield what `own` lists of a module and (with `recurse`) of all below it, with dotted names."""
    seen: set[int] = set()
    modules = (
        root.named_modules(prefix=prefix, remove_duplicate=remove_duplicate) if recurse else iter([(prefix, root)])
    )
    for module_name, module in modules:
        for name, value in own(module):
            if remove_duplicate:
                if id(value) in seen:
                    continue
                seen.add(id(value))
            yield join(module_name, name), value


@contextmanager
def in_mode(model: Any, training: bool) -> Iterator[None]:
    """Put a model into training or eval mode for this context; afterwards every module has its own mode again."""
    before = [(module, module.training) for module in model.modules()]
    try:
        model.train(training)
        yield
    finally:
        for module, mode in before:
            module.training = mode


def copied(root: Any, memo: dict[int, object], plain: Callable[..., Any]) -> Any:
    """Copy a module and all below it: first empty modules, which then find each other.

    Modules whose `__deepcopy__` is not `plain` copy themselves.
    """
    states = []
    for module in root.modules():
        own = module is not root and type(module).__deepcopy__ is not plain
        if not own and id(module) not in memo:
            make, arguments, *rest = module.__reduce_ex__(4)
            memo[id(module)] = twin = make(*deepcopy(arguments, memo))
            states.append((twin, rest[0] if rest else None))
    for twin, state in states:
        state = deepcopy(state, memo)
        if hasattr(twin, "__setstate__"):
            twin.__setstate__(state)
            continue
        state, slots = state if isinstance(state, tuple) else (state, None)
        twin.__dict__.update(state or {})
        for name, value in (slots or {}).items():
            object.__setattr__(twin, name, value)
    return memo[id(root)]
