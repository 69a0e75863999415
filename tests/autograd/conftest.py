"""Fixtures for tests of the engine."""

import pytest

from pullback import get_num_threads, primitive, set_num_threads
from pullback.autograd.core.graph import RECORD, _Modes, modes
from pullback.autograd.core.registry import _primitives


@pytest.fixture
def planted():
    """A decorator like `primitive` whose primitives are registered for one test only."""
    before = set(_primitives)
    yield primitive
    for name in set(_primitives) - before:
        del _primitives[name]


@pytest.fixture
def set_threads():
    """`set_num_threads`, undone after the test, however it ends."""
    before = get_num_threads()
    yield set_num_threads
    set_num_threads(before)


@pytest.fixture
def among_libraries():
    """A test that meets arrays of other libraries, after which all is as if there had been none."""
    yield
    _Modes.elsewhere, _Modes.dispatch = False, RECORD
    for name in ("elsewhere", "dispatch"):
        modes.__dict__.pop(name, None)
