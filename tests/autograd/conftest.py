"""Fixtures for tests of the engine."""

import pytest

from pullback import primitive
from pullback.autograd.primitive import _primitives


@pytest.fixture
def planted():
    """A decorator like `primitive` whose primitives are registered for one test only."""
    before = set(_primitives)
    yield primitive
    for name in set(_primitives) - before:
        del _primitives[name]
