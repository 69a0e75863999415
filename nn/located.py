"""Where in a model an error was raised, said by the error itself."""

from __future__ import annotations

from itertools import chain
from typing import Any


def located(error: Exception, module: Any) -> None:
    """Put the path in the model where an error was raised before its message (in a note, unless that is one text).

    Each module that the error passes, from the innermost outwards, adds its own name for the part that it came from.
    """
    error.__dict__.setdefault("_place", _Place()).pass_out_of(module, error)


class _Place:
    """Where an error was raised, for the modules that it has yet to pass; no pickle or copy of the error holds it."""

    def __init__(self) -> None:
        self.module: Any = None  # the outermost that was passed
        self.path = self.kind = self.text = self.said = self.note = ""

    def __reduce__(self) -> Any:
        return _Place, ()

    def pass_out_of(self, module: Any, error: Exception) -> None:
        name = None if self.module is None else _name_in(module, self.module)
        if name is None:  # raised here, perhaps once more
            self.path, self.kind = "", type(module).__name__
        self.path, self.module = ".".join(filter(None, (name, self.path))), module
        if type(error).__str__ is not BaseException.__str__ or list(map(type, error.args)) != [str]:
            self._note(error)
            return
        if error.args[0] != self.said:  # new, or changed on the way
            self.text = error.args[0].replace(self.said, self.text, 1)
        self.said = f"{self.path}: {self.text}" if self.path else self.text
        error.args = (self.said,)

    def _note(self, error: Exception) -> None:
        notes = getattr(error, "__notes__", [])
        if self.note in notes:
            notes.remove(self.note)
        model = type(self.module).__name__
        self.note = f"in {self.path}: {self.kind} of this {model}" if self.path else f"in {self.kind}"
        error.add_note(self.note)


def _name_in(module: Any, part: Any) -> str | None:
    """The name of a module inside another: as its child, or else the first of all below (of a ModuleList, say)."""
    if part is module:
        return ""
    named = chain(module._own_modules(), module.named_modules())
    return next((name for name, other in named if other is part), None)
