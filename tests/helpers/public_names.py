"""Writes the lists of public names: each name stands in the `__all__` of the file that defines it, and goes from there
into `autograd/__init__.py` (what it imports, and its `__all__`), into those of the package and into public_names.txt.

    python tests/helpers/public_names.py

`tests/test_names.py` keeps them true.
"""

from __future__ import annotations

import ast
import importlib
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
ENGINE, PACKAGE, KEPT = ROOT / "autograd/__init__.py", ROOT / "__init__.py", ROOT / "tests/public_names.txt"
_IMPORT = re.compile(r"^from (\.[\w.]*) import (\([^)]*\)|[\w, ]+)", re.MULTILINE)
_ALL = re.compile(r"^__all__ = \[[^]]*\]", re.MULTILINE)


def file(module: str) -> Path:
    """The file of a module that `autograd/__init__.py` imports from."""
    path = ENGINE.parent.joinpath(*module.strip(".").split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def names_of(path: Path) -> list[str] | None:
    """The `__all__` of a file, or None where it has none."""
    found = _ALL.search(path.read_text(encoding="utf-8"))
    return ast.literal_eval(found[0].partition("= ")[2]) if found else None


def wrapped(before: str, names: list[str], brackets: str) -> str:
    """The names, in one line if they fit and need no brackets there, else in lines of at most 120 characters."""
    line = f"{before}{', '.join(names)}"
    if brackets == "()" and len(line) <= 120:
        return line
    rows = textwrap.fill(", ".join(names), 118, initial_indent="    ", subsequent_indent="    ")
    return f"{before}{brackets[0]}\n{rows},\n{brackets[1]}"


def listed(names: list[str]) -> str:
    return wrapped("__all__ = ", [f'"{name}"' for name in names], "[]")


def engine(text: str) -> tuple[str, list[str]]:
    """The text of `autograd/__init__.py`, with all that the files list from which it imports, and its public names."""

    def imports(found: re.Match[str]) -> str:
        names = None if " as " in found[2] else names_of(file(found[1]))
        return found[0] if names is None else wrapped(f"from {found[1]} import ", sorted(names), "()")

    text = _IMPORT.sub(imports, text)
    public = [
        name
        for module, names in _IMPORT.findall(text)
        for name in re.findall(r"(?:\w+ as )?(\w+)", names)
        if (name[0] != "_" or name.startswith("__")) and not file(f"{module}.{name}").exists()
    ]
    return _ALL.sub(lambda _: listed(sorted(public)), text), sorted(public)


def package(text: str, names: list[str]) -> str:
    """The text of the package's `__init__.py`, with the names of the engine's."""
    text = re.sub(
        r"^from \.autograd import \([^)]*\)", lambda _: wrapped("from .autograd import ", names, "()"), text, flags=re.M
    )
    return _ALL.sub(lambda _: listed(sorted([*names, "__version__"])), text)


def kept(text: str) -> str:
    """The lines of public_names.txt, with the names that are new; none is taken out."""
    lines = dict(line.split(": ") for line in text.splitlines())
    for place in lines:
        if place != "pullback.Tensor":
            new: Any = getattr(importlib.import_module(place), "__all__", ())
            lines[place] = " ".join(sorted({*lines[place].split(), *(name for name in new if name[0] != "_")}))
    return "".join(f"{place}: {line}\n" for place, line in lines.items())


def written() -> Iterator[tuple[Path, str]]:
    """The files, and what they are to say; the last one is made of what the others say."""
    text, names = engine(ENGINE.read_text(encoding="utf-8"))
    yield ENGINE, text
    yield PACKAGE, package(PACKAGE.read_text(encoding="utf-8"), names)
    yield KEPT, kept(KEPT.read_text(encoding="utf-8"))


if __name__ == "__main__":
    for path, text in written():
        path.write_text(text, encoding="utf-8")
