"""Layers without the cost of meaning in their initial values."""

from __future__ import annotations

from typing import Any, TypeVar

from .. import init as initial
from ..module import Module

__all__ = ["skip_init"]

M = TypeVar("M", bound=Module)


def skip_init(module_cls: type[M], *args: Any, **kwargs: Any) -> M:
    """Make a module the values of whose parameters are to be set: any may be there, and none are taken from the
    generator.

    RuntimeError for what is no class of modules.

    >>> from pullback import nn
    >>> skip_init(nn.Linear, 2, 3)
    Linear(in_features=2, out_features=3, bias=True)
    """
    if not (isinstance(module_cls, type) and issubclass(module_cls, Module)):
        raise RuntimeError(f"skip_init: expected a class of modules, not {module_cls!r}")
    source = initial.generator().bit_generator
    before = source.state
    try:
        return module_cls(*args, **kwargs)
    finally:
        source.state = before
