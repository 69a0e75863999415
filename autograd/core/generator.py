"""The random generator of a thread, from which all random numbers of the package come: draws, initial values, dropout,
shuffling. Each thread has its own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import numpy as np

from .replay import captures

__all__ = ["drawing_from", "generator", "manual_seed"]


class _Default(threading.local):
    def __init__(self) -> None:
        self.generator = np.random.default_rng()


_default = _Default()


def generator() -> np.random.Generator:
    """Return the generator from which this thread draws: a `numpy.random.Generator`, with its state and methods."""
    return _default.generator


def manual_seed(seed: int) -> np.random.Generator:
    """Start this thread's generator anew from `seed`, and return it; every thread has its own.

    `random`, `nn` (initial values, dropout) and `nn.data` (shuffling) draw from it.

    >>> first = manual_seed(0).random()
    >>> manual_seed(0).random() == first
    True
    """
    _default.generator = np.random.default_rng(seed)
    return _default.generator


@contextmanager
def drawing_from(source: np.random.Generator) -> Iterator[None]:
    """Let this thread draw from `source` inside of the `with`, and afterwards again from its own.

    >>> with drawing_from(np.random.default_rng(0)):
    ...     inside = generator().random()
    >>> inside == np.random.default_rng(0).random()
    True
    """
    before = _default.generator
    try:
        _default.generator = source
        yield
    finally:
        _default.generator = before


def _redrawing() -> Callable[[], AbstractContextManager[None]]:
    """What lets this thread draw once more what it draws from now on, and then go on where it was."""
    state = generator().bit_generator.state

    @contextmanager
    def redrawing() -> Iterator[None]:
        source = generator().bit_generator
        before, source.state = source.state, state
        try:
            yield
        finally:
            source.state = before

    return redrawing


captures.append(_redrawing)
