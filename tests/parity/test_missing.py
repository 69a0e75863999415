"""What torch.nn has is compared, or left out for a reason."""

import inspect
from functools import reduce

from pullback import nn

from .absent import ABSENT, HELD_ELSEWHERE
from .missing import missing


def test_nothing_is_missing(torch):
    assert missing() == []


def test_what_is_absent_is_in_pytorch_and_not_here(torch):
    for name in ABSENT:
        *places, last = name.split(".")
        there, here = (reduce(getattr, places, library) for library in (torch.nn, nn))
        assert hasattr(there, last) or hasattr(torch.nn.modules, last), name
        assert not hasattr(here, last) or last in HELD_ELSEWHERE, name


def test_initializers_and_utilities(torch):
    """By name: tests/nn holds what they do."""
    absent = []
    for place in ("init", "utils", "utils.rnn", "utils.parametrize", "utils.parametrizations"):
        there, here = (reduce(getattr, place.split("."), library) for library in (torch.nn, nn))
        for name, value in vars(there).items():
            own = inspect.isfunction(value) and value.__module__.startswith(f"torch.nn.{place}")
            if own and name[0] != "_" and not hasattr(here, name):
                absent.append(f"{place}.{name}")
    assert set(absent) <= set(ABSENT), absent
