"""What a trainer is given, checked before anything is trained."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from ..nn import Module
from .callbacks import Callback

__all__ = ["checked_callbacks", "moves"]

_EVENTS = [name for name in vars(Callback) if name.startswith("on_")]


def checked_callbacks(callbacks: Iterable[object]) -> list[object]:
    """Return the callbacks as a list; TypeError for what has none of the events, and for a class."""
    if not isinstance(callbacks, Iterable):
        raise TypeError(f"Trainer: callbacks must be a list, not a {type(callbacks).__name__}; write [{callbacks!r}]")
    found = list(callbacks)
    for callback in found:
        if isinstance(callback, type):
            raise TypeError(f"Trainer: a callback is an object, not a class; write {callback.__name__}(...)")
        if not any(hasattr(callback, event) for event in _EVENTS):
            hint = f"; write Schedule({type(callback).__name__}(...))" if hasattr(callback, "step") else ""
            raise TypeError(f"Trainer: a {type(callback).__name__} has none of the events of a Callback{hint}")
    return found


def moves(optimizer: Any, model: Module, loss: Callable[..., Any]) -> None:
    """TypeError for no optimizer, ValueError for one that has no parameter of the model, nor of a loss with some."""
    if isinstance(optimizer, type) or not hasattr(optimizer, "step"):
        shown = f"the class {optimizer.__name__}" if isinstance(optimizer, type) else f"a {type(optimizer).__name__}"
        raise TypeError(f"fit: the trainer's optimizer is {shown}; write optim.SGD(model.parameters(), lr=0.1)")
    own = {id(p) for part in (model, loss) if isinstance(part, Module) for p in part.parameters()}
    moved = [p for group in getattr(optimizer, "param_groups", ()) for p in group["params"]]
    if moved and own.isdisjoint(map(id, moved)):
        raise ValueError(
            f"fit: {type(optimizer).__name__} has no parameter of the model, which would never change; make it of "
            "model.parameters()"
        )
