"""Makes einops know Tensors, when it is imported; nothing is imported here."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType
from typing import Any

from ..core.tensor import Tensor


class _WhenImported:
    """Runs `then` on a module when it is imported: an import finder that removes itself when it is first asked."""

    def __init__(self, name: str, then: Callable[[ModuleType], None]) -> None:
        self.name, self.then = name, then

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        if name != self.name:
            return None
        sys.meta_path.remove(self)
        spec = find_spec(name)
        loader: Any = spec and spec.loader
        if loader:
            execute = loader.exec_module

            def execute_and_then(module: ModuleType) -> None:
                execute(module)
                self.then(module)

            loader.exec_module = execute_and_then
        return spec


def when_imported(name: str, then: Callable[[ModuleType], None]) -> None:
    """Run `then` on the module of this name: now if it is imported, else when it is, and never if it is not."""
    module = sys.modules.get(name)
    if module is None:
        sys.meta_path.insert(0, _WhenImported(name, then))
    else:
        then(module)


_kept: list[type] = []  # a class holds its subclasses only weakly


def _backend(einops: Any) -> None:
    """Add Tensors to einops, which finds the backend of an array among the subclasses of its own."""

    class PullbackBackend(einops.NumpyBackend):
        framework_name = __package__.rpartition(".")[0]

        def __init__(self) -> None:
            self.np = import_module(__package__.rpartition(".")[0])

        def is_appropriate_type(self, tensor: Any) -> bool:
            return isinstance(tensor, Tensor)

        def from_numpy(self, x: Any) -> Tensor:
            return self.np.asarray(x)

        def to_numpy(self, x: Tensor) -> Any:
            return x.numpy()

    _kept.append(PullbackBackend)


when_imported("einops._backends", _backend)
