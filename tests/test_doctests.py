"""The examples in the docstrings of all modules, and of the primitives, run and are right."""

import doctest
import inspect
import pkgutil
from importlib import import_module

import pytest

import pullback
from pullback import registry
from pullback.autograd.core.registry import _primitives

MODULES = ["pullback", *(module.name for module in pkgutil.walk_packages(pullback.__path__, "pullback."))]
PRIMITIVES = [name for name in registry if hasattr(registry[name].function, "__globals__")]
FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """Examples write into a directory of their own, and what they register is gone afterwards."""
    monkeypatch.chdir(tmp_path)
    before = set(registry)
    yield
    for name in set(registry) - before:
        del _primitives[name]


class Runner(doctest.DocTestRunner):
    """An example that lacks a library ends its test by that error."""

    def report_unexpected_exception(self, out, test, example, exc_info):
        if isinstance(exc_info[1], ImportError):
            raise exc_info[1]
        super().report_unexpected_exception(out, test, example, exc_info)


def run(tests):
    runner = Runner(optionflags=FLAGS)
    for test in tests:
        runner.run(test)
    assert runner.summarize().failed == 0


@pytest.mark.parametrize("name", MODULES)
def test_module(name):
    run(doctest.DocTestFinder().find(import_module(name), name))


@pytest.mark.parametrize("name", PRIMITIVES)
def test_primitive(name):
    made = registry[name]
    names = {**inspect.unwrap(made.function).__globals__, "Tensor": pullback.Tensor}
    run([doctest.DocTestParser().get_doctest(made.__doc__ or "", names, name, None, None)])
