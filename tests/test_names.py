"""The public names: as they are listed, and none lost."""

import importlib
import inspect
from pathlib import Path

import pytest

import pullback
from pullback.tests.helpers import public_names

LINES = Path(__file__).with_name("public_names.txt").read_text(encoding="utf-8").splitlines()
NAMES = {place: names.split() for place, names in (line.split(": ") for line in LINES)}  # before the rooms were moved


@pytest.mark.parametrize("place", NAMES)
def test_no_name_is_lost(place):
    module = pullback.Tensor if place == "pullback.Tensor" else importlib.import_module(place)
    assert [name for name in NAMES[place] if not hasattr(module, name)] == []


@pytest.mark.parametrize("module", [pullback, pullback.autograd], ids=lambda module: module.__name__)
def test_what_is_there_is_listed(module):
    there = {name for name, value in vars(module).items() if name[0] != "_" and not inspect.ismodule(value)}
    assert there - {"Any", "TYPE_CHECKING", "import_module"} == {name for name in module.__all__ if name[0] != "_"}
    assert list(module.__all__) == sorted(module.__all__) and len(set(module.__all__)) == len(module.__all__)


@pytest.mark.parametrize("path, text", list(public_names.written()), ids=lambda x: getattr(x, "name", ""))
def test_lists_are_those_of_the_files_that_define_the_names(path, text):
    assert path.read_text(encoding="utf-8") == text, "run `make names`"
