"""Layers without the cost of meaning in their initial values."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar

from .. import init as initial
from ..module import Module

__all__ = ["skip_init"]

Arguments = ParamSpec("Arguments")
M = TypeVar("M", bound=Module)


def skip_init(module_cls: Callable[Arguments, M], *args: Arguments.args, **kwargs: Arguments.kwargs) -> M:
    """Make a module the values of whose parameters are to be set: any may be there, and none are taken from the
    generator.

    RuntimeError for what is no class of modules.

    >>> from pullback import nn
    >>> skip_init(nn.Linear, 2, 3)
    Linear(in_features=2, out_features=3, bias=True)
    """
    kind: object = module_cls
    if not (isinstance(kind, type) and issubclass(kind, Module)):
        raise RuntimeError(f"skip_init: expected a class of modules, not {module_cls!r}")
    source = initial.generator().bit_generator
    before = source.state
    try:
        return module_cls(*args, **kwargs)
    finally:
        source.state = before
