"""Python code that is written out at run time, which tracebacks and debuggers can show all the same."""

from __future__ import annotations

import linecache
from types import CodeType
from typing import Any

__all__ = ["run", "show"]


def show(text: str, filename: str) -> None:
    """Let the lines of code that was compiled under that name be found, which is no file's: as `<pullback ...>`."""
    linecache.cache[filename] = len(text), None, text.splitlines(True), filename


def run(text: str, filename: str, scope: dict[str, Any]) -> None:
    """Run code whose lines are shown under that name."""
    show(text, filename)
    code: CodeType = compile(text, filename, "exec")
    exec(code, scope)
