"""Tensors that, in one thread and for a while, stand in for others, wherever these are held."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache, partial
from typing import Any

from .replay import captures
from .tensor import Tensor


class _Calls(threading.local):
    """The Tensors that in this thread stand in for others."""

    places: Mapping[Tensor, Tensor] = {}


_calls = _Calls()
_lock = threading.Lock()
_users: Counter[Tensor] = Counter()  # how many calls, in all threads, each Tensor takes part in


def _slot(name: str) -> property:
    """A slot of a Tensor, or of what stands in for it."""
    own = Tensor.__dict__[name]

    def write(tensor: Tensor, value: Any) -> None:
        own.__set__(_calls.places.get(tensor, tensor), value)

    return property(lambda tensor: own.__get__(_calls.places.get(tensor, tensor)), write)


@cache
def _replaceable(kind: type[Tensor]) -> type[Tensor]:
    """The class that a Tensor has while, in some thread, another stands in for it."""
    slots = {name: _slot(name) for name in Tensor.__slots__ if name != "__weakref__"}
    return type(kind.__name__, (kind,), {"__slots__": (), **slots})


@contextmanager
def standing_in(places: Mapping[Tensor, Tensor]) -> Iterator[None]:
    """Let each key be, inside this context and in this thread alone, what its value is."""
    before = _calls.places
    with _lock:
        for tensor in places:
            if not _users[tensor]:
                kind: Any = type(tensor)
                tensor.__class__ = _replaceable(kind)
            _users[tensor] += 1
    _calls.places = {**before, **places}
    try:
        yield
    finally:
        _calls.places = before
        with _lock:
            for tensor in places:
                _users[tensor] -= 1
                if not _users[tensor]:
                    del _users[tensor]
                    tensor.__class__ = type(tensor).__base__  # type: ignore[assignment]


def stand_in(tensor: Tensor) -> Tensor:
    """What stands in for a Tensor in this thread, or else itself."""
    return _calls.places.get(tensor, tensor)


captures.append(lambda: partial(standing_in, _calls.places))
