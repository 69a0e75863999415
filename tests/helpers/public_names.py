"""Writes the lists of public names: each name stands in the `__all__` of the file that defines it, and goes from there
into `autograd/__init__.py` (what it imports, and its `__all__`), into those of the package and into public_names.txt.

    python tests/helpers/public_names.py

`tests/test_names.py` keeps them true.
"""

from __future__ import annotations

import importlib
import inspect
import re
import textwrap
from pathlib import Path

import pullback

ROOT = Path(pullback.__file__).parent
ENGINE, PACKAGE, KEPT = ROOT / "autograd/__init__.py", ROOT / "__init__.py", ROOT / "tests/public_names.txt"
_IMPORT = re.compile(r"^from (\.[\w.]+) import (\([^)]*\)|[\w, ]+)$", re.MULTILINE)
_ALL = re.compile(r"^__all__ = \[.*?^\]", re.MULTILINE | re.DOTALL)


def wrapped(before: str, names: list[str], after: str) -> str:
    """The names in one line where they fit, else in indented ones, of at most 120 characters."""
    line = f"{before}{', '.join(names)}"
    if after == ")" and len(line) <= 120:
        return line
    rows = textwrap.fill(", ".join(names), 118, initial_indent="    ", subsequent_indent="    ")
    return f"{before}{'(' if after == ')' else '['}\n{rows},\n{after}"


def imports(module: str, names: list[str]) -> str:
    return wrapped(f"from {module} import ", names, ")")


def listed(names: list[str]) -> str:
    return wrapped("__all__ = ", [f'"{name}"' for name in names], "]")


def engine(text: str) -> str:
    """The text of `autograd/__init__.py`, with all that the `__all__` of the files list from which it imports."""

    def of_file(found: re.Match[str]) -> str:
        names = getattr(importlib.import_module(f"pullback.autograd{found[1]}"), "__all__", None)
        return found[0] if names is None or " as " in found[0] else imports(found[1], sorted(names))

    text = _IMPORT.sub(of_file, text)
    return _ALL.sub(listed(sorted(public(text))), text)


def public(text: str) -> set[str]:
    """The names that the imports in a text give, but for modules."""
    names = {name for _, names in _IMPORT.findall(text) for name in re.findall(r"(?:\w+ as )?(\w+)", names)}
    names = {name for name in names if name[0] != "_" or name.startswith("__")}
    return {name for name in names if not inspect.ismodule(getattr(pullback.autograd, name, None))}


def package(text: str, names: list[str]) -> str:
    """The text of the package's `__init__.py`, with the names of the engine's."""
    text = re.sub(r"^from \.autograd import \([^)]*\)", lambda _: imports(".autograd", names), text, flags=re.MULTILINE)
    return _ALL.sub(lambda _: listed(sorted([*names, "__version__"])), text)


def kept(text: str, names: list[str]) -> str:
    """The lines of public_names.txt, with the names that are new; none is taken out."""
    lines = dict(line.split(": ") for line in text.splitlines())
    for place in lines:
        new = names if place in ("pullback", "pullback.autograd") else getattr(module(place), "__all__", ())
        lines[place] = " ".join(sorted({*lines[place].split(), *(name for name in new if name[0] != "_")}))
    return "".join(f"{place}: {line}\n" for place, line in lines.items())


def module(place: str) -> object:
    return pullback.Tensor if place == "pullback.Tensor" else importlib.import_module(place)


def written() -> dict[Path, str]:
    """What the files are to say."""
    text = engine(ENGINE.read_text(encoding="utf-8"))
    names = sorted(public(text))
    return {
        ENGINE: text,
        PACKAGE: package(PACKAGE.read_text(encoding="utf-8"), names),
        KEPT: kept(KEPT.read_text(encoding="utf-8"), names),
    }


if __name__ == "__main__":
    for path, text in written().items():
        path.write_text(text, encoding="utf-8")
