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
    "input": ("#ffffff", "#3b7dd8"),
    "parameter": ("#dcebfd", "#3b7dd8"),
    "leaf": ("#dcebfd", "#3b7dd8"),
    "ghost": ("#eef5fe", "#a9c8f0"),
    "constant": ("#ffffff", "#c3c9d2"),
    "value": ("#ffffff", "#9aa3af"),
    "kept": ("#fde9cf", "#d98c1c"),
    "output": ("#ddf0dc", "#3f9142"),
    "operation": ("#e9ecf1", "#9aa3af"),
    "module": ("#e4e0f5", "#7a6bc2"),
}
ROUND = ("operation", "module")  # kinds of boxes with round corners, to which a link leads anywhere
BACKWARD = "#7d84e8"  # links of the backward pass
_TIMEOUT = 10.0  # seconds
_RASTER = ("png", "jpg", "jpeg", "gif", "webp")


class Box(NamedTuple):
    """A box with text in cells, in the cluster of this number (-1: in none); `id` is that of what it stands for.

    `kind` is that of a value (form.py), "kept", operation, module, "ghost" for one more box of a value, or "more" for
    what is not drawn.
    """

    kind: str
    cells: tuple[str, ...]
    cluster: int = -1
    id: str = ""


class Link(NamedTuple):
    """An arrow from the box at index `tail` to the one at index `head`; `kind` is forward, backward or both."""

    tail: int
    head: int
    label: str = ""
    kind: str = "forward"


class Cluster(NamedTuple):
    """A frame around boxes, with a title; `parent` is the number of the cluster around it, or -1."""

    label: str
    parent: int = -1


class Drawing(NamedTuple):
    """A drawing of boxes and links, from left to right or from top to bottom, with a caption below."""

    boxes: Sequence[Box]
    links: Sequence[Link]
    rightward: bool
    caption: str = ""
    clusters: Sequence[Cluster] = ()

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
        lines += self._boxes_of(-1)
        for tail, head, label, kind in self.links:
            port = "" if self.boxes[head].kind in ROUND else ":w" if self.rightward else ":n"
            look = {"label": _escaped(label)} if label else {}
            if kind != "forward":
                look |= {"color": BACKWARD, "style": "dashed"} if kind == "backward" else {"dir": "both"}
            lines.append(f"n{tail} -> n{head}{port}" + (f" {_attributes(look)}" if look else ""))
        return "\n  ".join(["digraph {", *lines]) + "\n}\n"

    def _boxes_of(self, cluster: int) -> list[str]:
        """DOT's lines of the boxes in a cluster, and of the clusters in it."""
        lines: list[str] = []
        boxes: dict[int, list[str]] = {}
        for i, box in enumerate(self.boxes):
            boxes.setdefault(box.cluster, []).append(f"n{i} {_attributes(_look(box))}")
        inner: dict[int, list[int]] = {}
        for i, frame in enumerate(self.clusters):
            inner.setdefault(frame.parent, []).append(i)
        waiting: list[int | str] = [cluster]
        while waiting:
            number = waiting.pop()
            if isinstance(number, str):
                lines.append(number)
                continue
            if number >= 0:
                look = {"label": _escaped(self.clusters[number].label), "style": "dashed,rounded", "color": GREY}
                lines += [f"subgraph cluster_{number} {{", f"graph {_attributes(look)}"]
                waiting.append("}")
            lines += boxes.get(number, [])
            waiting += reversed(inner.get(number, []))
        return lines


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
    if box.kind in ROUND or box.kind == "ghost":
        text = "\\n".join(cells)
        style = "rounded,filled" if box.kind in ROUND else "filled,dashed"
        return {"label": text, "shape": "box", **look, "style": style, "width": "0.4"}
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
