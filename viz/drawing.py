"""Boxes and links between them, drawn by Graphviz where it is installed, and without it."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from typing import NamedTuple

FONT = "Helvetica,Arial,sans-serif"
SIZE = 12.0  # of the text, in points
GREY = "#7c8591"  # readable on white and on black
COLOURS = {  # fill and line by the kind of a box
    "leaf": ("#dcebfd", "#3b7dd8"),
    "value": ("#ffffff", "#9aa3af"),
    "output": ("#fdf0d0", "#d99a1c"),
    "operation": ("#e9ecf1", "#9aa3af"),
}
_TIMEOUT = 10.0  # seconds
_RASTER = ("png", "jpg", "jpeg", "gif", "webp")


class Box(NamedTuple):
    """A box with text in cells; `kind` is leaf, value, output, operation, or "more" for what is not drawn."""

    kind: str
    cells: tuple[str, ...]


class Link(NamedTuple):
    """An arrow from the box at index `tail` to the one at index `head`."""

    tail: int
    head: int
    label: str = ""


class Drawing(NamedTuple):
    """A drawing of boxes and links, from left to right or from top to bottom, with a caption below."""

    boxes: Sequence[Box]
    links: Sequence[Link]
    rightward: bool
    caption: str = ""

    def dot(self) -> str:
        """Write the drawing in Graphviz' DOT language."""
        text = {"fontname": FONT, "fontsize": f"{SIZE:g}"}
        whole = {"rankdir": "LR" if self.rightward else "TB", "bgcolor": "transparent", "nodesep": "0.2"}
        whole |= {"ranksep": "0.45", "fontcolor": GREY, **text}
        arrow = {**text, "fontsize": f"{SIZE - 2:g}", "fontcolor": GREY, "color": GREY, "arrowsize": "0.6"}
        arrow["tailport"] = "e" if self.rightward else "s"
        if self.caption:
            whole["label"] = _escaped(self.caption)
        lines = [
            f"graph {_attributes(whole)}",
            f"node {_attributes({'height': '0.3', 'margin': '0.11,0.04', **text})}",
            f"edge {_attributes(arrow)}",
        ]
        lines += [f"n{i} {_attributes(_look(box))}" for i, box in enumerate(self.boxes)]
        for tail, head, label in self.links:
            port = "" if self.boxes[head].kind == "operation" else ":w" if self.rightward else ":n"
            lines.append(f"n{tail} -> n{head}{port}" + (f" {_attributes({'label': _escaped(label)})}" if label else ""))
        return "\n  ".join(["digraph {", *lines]) + "\n}\n"


_useless: set[str] = set()  # programs that could not be run, or took too long: they are not asked again


def graphviz(source: str, form: str) -> bytes | None:
    """Let Graphviz draw DOT source in the format `form`; None without its program, or if that fails."""
    program = shutil.which("dot")
    if program is None or program in _useless:
        return None
    command = [program, f"-T{form}", *(["-Gdpi=144"] if form in _RASTER else [])]
    try:
        done = subprocess.run(command, input=source.encode(), capture_output=True, timeout=_TIMEOUT)
    except (subprocess.TimeoutExpired, OSError):
        _useless.add(program)
        return None
    if done.returncode or not done.stdout or (form == "svg" and b"<svg" not in done.stdout):
        return None
    return re.sub(rb"<title>.*?</title>\n", b"", done.stdout) if form == "svg" else done.stdout  # they pop up as n0, n1


def _look(box: Box) -> dict[str, str]:
    cells = [_escaped(cell) for cell in box.cells]
    if box.kind == "more":
        return {"label": " ".join(cells), "shape": "plaintext", "fontcolor": GREY}
    fill, line = COLOURS[box.kind]
    look = {"style": "filled", "fillcolor": fill, "color": line}
    if box.kind == "operation":
        return {"label": " ".join(cells), "shape": "box", **look, "style": "rounded,filled", "width": "0.4"}
    return {"label": f"{{{'|'.join(f' {_in_record(cell)} ' for cell in cells)}}}", "shape": "record", **look}


def _escaped(text: str) -> str:
    """Text as a DOT label shows it: without escape sequences and entities."""
    return text.replace("\\", "\\\\").replace("&", "&amp;")


def _in_record(cell: str) -> str:
    """An escaped text as a field of a record, where braces have a meaning and Graphviz drops some spaces."""
    return re.sub("[{}|<>]", r"\\\g<0>", re.sub(" (?=[^!-~])", "\u00a0", cell))


def _attributes(values: Mapping[str, str]) -> str:
    quoted = (f"{key}={chr(34)}{value.replace(chr(34), chr(92) + chr(34))}{chr(34)}" for key, value in values.items())
    return f"[{', '.join(quoted)}]"
