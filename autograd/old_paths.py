"""The paths that modules had before they stood in rooms: what was pickled then is still found."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from types import ModuleType
from typing import Any

from .core.registry import registered
from .core.tensor import _rebuild

_OLD = """
adaptive anomaly arranging calculus convolution correlation creation decompositions diagonals einstein elementwise fft
gradients graph indexing inspection integrals joining linalg matrix_calculus methods padding parts polynomials pooling
primitive products profiling reductions running_products scimath segments shaping solving sorting special statistics
tensor threads transforms triangular windows writing
"""
_RENAMED = {"affine": "linear", "class_cross_entropy": "cross_entropy"}  # primitives


class OldPath(ModuleType):
    """A module that has the names of some others."""

    def __init__(self, name: str, places: Iterable[Any]) -> None:
        super().__init__(name, __doc__)
        self._places = places

    def __getattr__(self, name: str) -> Any:
        for place in self._places if not name.startswith("__") else ():
            if hasattr(place, name):
                return getattr(place, name)
        raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}", name=name, obj=self)

    _rebuild = staticmethod(_rebuild)

    @staticmethod
    def _registered(name: str, module: str | None) -> Any:
        return registered(_RENAMED.get(name, name), None)


def keep(package: str, places: Iterable[Any]) -> None:
    """Let the old modules of a package be imported, with what these places have."""
    for name in _OLD.split():
        sys.modules.setdefault(f"{package}.{name}", OldPath(f"{package}.{name}", places))
