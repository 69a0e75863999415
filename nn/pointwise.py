"""What all activations share: modules that are a function with some numbers, and `inplace`."""

from __future__ import annotations

from typing import Any, ClassVar

from .module import Module

__all__: list[str] = []


class Activation(Module):
    """A module whose repr shows the numbers named in `shown`, and `inplace` where it is asked for.

    `inplace` is accepted for PyTorch's sake: the result is a new tensor all the same.
    """

    shown: ClassVar[tuple[str, ...]] = ()
    inplace: bool = False

    def extra_repr(self) -> str:
        """Return the numbers, name=value."""
        numbers: list[tuple[str, Any]] = [(name, getattr(self, name)) for name in self.shown]
        return ", ".join([f"{name}={value!r}" for name, value in numbers] + ["inplace=True"] * self.inplace)


class Inplace(Activation):
    """An activation whose only argument is `inplace`."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace
