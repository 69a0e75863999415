"""Boxes and links between them, drawn by Graphviz where it is installed, and without it."""

from __future__ import annotations

import html
import math
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib.util import find_spec
from typing import NamedTuple

from .layout import ranked

FONT = "Helvetica,Arial,sans-serif"
SIZE = 12.0  # of the text, in points
GREY = "#73777d"  # has a contrast of 4.5 with white and with black
COLOURS = {  # fill and line by the kind of a box
    "input": ("#ffffff", "#3b7dd8"),
    "parameter": ("#cfe3fb", "#3b7dd8"),
    "leaf": ("#cfe3fb", "#3b7dd8"),
    "ghost": ("#eef5fe", "#a9c8f0"),
    "constant": ("#ffffff", "#c3c9d2"),
    "value": ("#ffffff", "#9aa3af"),
    "kept": ("#fcdcae", "#c77a0a"),
    "output": ("#bfe3bd", "#2f7a32"),
    "operation": ("#e9ecf1", "#9aa3af"),
    "module": ("#e4e0f5", "#7a6bc2"),
    "more": ("#ffffff", "#ffffff"),
    "failed": ("#fbd3d0", "#c62828"),
}
ROUND = ("operation", "module", "failed")  # kinds of boxes with round corners, to which a link leads anywhere
BOLD = ("kept", "output", "failed")  # kinds of boxes with a strong line, which print in grey as such
BACKWARD = "#7d84e8"  # links of the backward pass
_TIMEOUT = 3.0  # seconds
_MOST = 1000  # ranks that all links span, up to which `dot` takes half a second: its time grows with their square
_RASTER = ("png", "jpg", "jpeg", "gif", "webp")
_PIXELS = 4e6  # up to which a picture has twice the resolution
_MOST_PIXELS = 6e7
_LARGEST = 32_000  # pixels along either side


class Paint(NamedTuple):
    """The colours of a box, and whether its line is a strong one."""

    fill: str
    line: str
    bold: bool = False

    @property
    def ink(self) -> str:
        """The colour of text on it: black or white, of which one always has a contrast of 4.5 or more."""
        return _ink(self.fill)


@cache
def _ink(fill: str) -> str:
    parts = (int(fill[i : i + 2], 16) / 255 for i in (1, 3, 5))
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return "#000000" if 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.179 else "#ffffff"


class Box(NamedTuple):
    """A box with text in cells, in the cluster of this number (-1: in none); `id` is that of what it stands for.

    `kind` is that of a value (form.py), "kept", operation, module, "failed" for one of these, "ghost" for one more box
    of a value, or "more" for what is not drawn. `also` are the ids of its repeats, which are not drawn; `paint`
    replaces the kind's colours.
    """

    kind: str
    cells: tuple[str, ...]
    cluster: int = -1
    id: str = ""
    also: tuple[str, ...] = ()
    paint: Paint | None = None


def paint(box: Box) -> Paint:
    """The colours of a box: its own, or those of its kind."""
    return box.paint or Paint(*COLOURS[box.kind], box.kind in BOLD)


class Link(NamedTuple):
    """An arrow from the box at index `tail` to the one at index `head`; `kind` is forward, backward or both.

    One with a `colour` of its own is drawn strong.
    """

    tail: int
    head: int
    label: str = ""
    kind: str = "forward"
    colour: str = ""


class Cluster(NamedTuple):
    """A frame around boxes, with a title; `parent` is the number of the cluster around it, or -1."""

    label: str
    parent: int = -1


class Legend(NamedTuple):
    """What colours mean: boxes below a drawing, with a title."""

    title: str = ""
    boxes: Sequence[Box] = ()

    def rows(self, breadth: int = 60) -> list[list[Box]]:
        """The boxes in rows of about so many characters, all with about as many boxes."""
        rows = math.ceil(sum(len(box.cells[0]) + 4 for box in self.boxes) / breadth)
        each = math.ceil(len(self.boxes) / max(1, rows))
        return [list(self.boxes[i : i + each]) for i in range(0, len(self.boxes), each or 1)]


class Drawing(NamedTuple):
    """A drawing of boxes and links, from left to right or from top to bottom, with a legend and a caption below."""

    boxes: Sequence[Box]
    links: Sequence[Link]
    rightward: bool
    caption: str = ""
    clusters: Sequence[Cluster] = ()
    legend: Legend = Legend()

    def dot(self, note: str = "") -> str:
        """Write the drawing in Graphviz' DOT language, with a `note` below the caption."""
        text = {"fontname": FONT, "fontsize": f"{SIZE:g}"}
        whole = {"rankdir": "LR" if self.rightward else "TB", "bgcolor": "transparent", "nodesep": "0.2"}
        whole |= {"ranksep": "0.45", "fontcolor": GREY, **text}
        arrow = {**text, "fontsize": f"{SIZE - 2:g}", "fontcolor": GREY, "color": GREY, "arrowsize": "0.6"}
        arrow["tailport"] = "e" if self.rightward else "s"
        lines = [
            f"graph {_attributes(whole)}",
            f"node {_attributes({'height': '0.3', 'margin': '0.11,0.04', **text})}",
            f"edge {_attributes(arrow)}",
        ]
        below = [*self.caption.splitlines(), *([note] if note else [])]
        if self.legend.boxes:
            lines.append(f"label=<{_table(self.legend, below)}>")
        elif below:
            lines.append(f"label={_quoted(_escaped(chr(10).join(below)))}")
        lines += self._boxes_of(-1)
        for tail, head, label, kind, colour in self.links:
            port = "" if self.boxes[head].kind in ROUND else ":w" if self.rightward else ":n"
            look = {"label": f" {_escaped(label)}"} if label else {}  # not on the line
            if kind == "backward":
                look |= {"color": BACKWARD, "style": "dashed"}
            if colour:
                look |= {"color": colour, "penwidth": "2"}
            if kind == "both":  # two lines, one beside the other: the first has the head, the second the tail
                look |= {"color": f"{colour or GREY}:{BACKWARD}", "dir": "both"}
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
                title = _escaped(self.clusters[number].label)
                if not self.rightward:  # below, where mostly one link goes out, in the middle: it stands left of that
                    title += "\u00a0" * 2 * len(title)
                look = {"label": title + "\\l", "labelloc": "b", "style": "dashed,rounded", "color": GREY}
                lines += [f"subgraph cluster_{number} {{", f"graph {_attributes(look)}"]
                waiting.append("}")
            lines += boxes.get(number, [])
            waiting += reversed(inner.get(number, []))
        return lines


_useless: set[str] = set()  # programs that could not be run, took too long or failed: they are not asked again


class Program(NamedTuple):
    """One that draws DOT: its name for captions, what it is remembered by, and its command but for the format."""

    name: str
    key: str
    command: tuple[str, ...]


def programs() -> Iterator[Program]:
    """The programs that may draw: Graphviz's `dot`, then the Graphviz that the package pygraphviz brings along.

    That one holds the interpreter lock and cannot be interrupted, and so it runs in a process of its own.
    """
    found = shutil.which("dot")
    if found is not None:
        yield Program("Graphviz", found, (found,))
    if find_spec("pygraphviz") is not None:
        yield Program("pygraphviz", "pygraphviz", (sys.executable, "-c", _BUNDLED))


_BUNDLED = """
import sys, warnings
warnings.simplefilter("ignore")
from pygraphviz import AGraph
form = sys.argv[1].removeprefix("-T")
graph = AGraph(string=sys.stdin.buffer.read().decode())
graph.graph_attr.update(setting.removeprefix("-G").split("=") for setting in sys.argv[2:])
sys.stdout.buffer.write(graph.draw(format=form, prog="dot"))
"""


def graphviz(drawing: Drawing, form: str) -> bytes | None:
    """Let Graphviz draw in the format `form`; None without it, where it would take long, or if it fails."""
    for program in programs() if _quick(drawing) else ():
        if program.key not in _useless:
            source = drawing.dot(f"drawn by {program.name}").encode()
            drawn = _raster(program, source, form) if form in _RASTER else _asked(program, source, form)
            if drawn is not None:
                return drawn
    return None


def resolution(width: float, height: float) -> float:
    """Dots per inch for a picture of so many points: twice 72 for small ones, less where there would be too many."""
    area = width * height / 72**2
    usual = min(max(72.0, min(144.0, (_PIXELS / area) ** 0.5)), (_MOST_PIXELS / area) ** 0.5)
    return min(usual, 72 * _LARGEST / max(width, height))


def _quick(drawing: Drawing) -> bool:
    """Whether `dot` takes half a second or less."""
    try:
        ranks = ranked(len(drawing.boxes), [(link.tail, link.head) for link in drawing.links])
    except ValueError:  # links in a circle
        return False
    return sum(ranks[link.tail] - ranks[link.head] for link in drawing.links) <= _MOST


def _raster(program: Program, source: bytes, form: str) -> bytes | None:
    """A picture of pixels: how large it is, which its layout tells, says how many."""
    drawn = _asked(program, source, "svg")
    size = re.search(rb'<svg width="(\d+)pt" height="(\d+)pt"', drawn or b"")
    if size is None:
        return None
    return _asked(program, source, form, f"-Gdpi={resolution(*map(float, size.groups())):.0f}")


def _asked(program: Program, source: bytes, form: str, *options: str) -> bytes | None:
    command = [*program.command, f"-T{form}", *options]
    try:
        done = subprocess.run(command, input=source, capture_output=True, timeout=_TIMEOUT)
    except (subprocess.TimeoutExpired, OSError):
        _useless.add(program.key)
        return None
    if done.returncode or not done.stdout or (form == "svg" and b"<svg" not in done.stdout):
        if form == "svg":  # that it can always write
            _useless.add(program.key)
        return None
    return re.sub(rb"<title>.*?</title>\n", b"", done.stdout) if form == "svg" else done.stdout  # they pop up as n0, n1


def _look(box: Box) -> dict[str, str]:
    cells = [_escaped(cell) for cell in box.cells]
    if box.kind == "more":
        return {"label": " ".join(cells), "shape": "plaintext", "fontcolor": GREY}
    own = paint(box)
    look = {"style": "filled", "fillcolor": own.fill, "color": own.line, **({"penwidth": "2"} if own.bold else {})}
    if own.ink != "#000000":
        look["fontcolor"] = own.ink
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
    return f"[{', '.join(f'{key}={_quoted(value)}' for key, value in values.items())}]"


def _quoted(value: str) -> str:
    return '"' + value.replace('"', '\\"') + '"'


def _table(legend: Legend, below: Sequence[str]) -> str:
    """A legend, and lines of text below it, in the HTML that Graphviz knows."""
    rows = [f"<td>{_marked_up(line)}</td>" for line in (legend.title,) if line]
    for row in legend.rows():
        cells = "".join(_entry(box) for box in row)
        rows.append(
            f'<td><table border="0" cellborder="1" cellspacing="6" cellpadding="3"><tr>{cells}</tr></table></td>'
        )
    rows += [f"<td>{_marked_up(line)}</td>" for line in below]
    return f'<table border="0" cellspacing="0" cellpadding="1">{"".join(f"<tr>{row}</tr>" for row in rows)}</table>'


def _entry(box: Box) -> str:
    own = paint(box)
    return f'<td bgcolor="{own.fill}" color="{own.line}"><font color="{own.ink}">{_marked_up(box.cells[0])}</font></td>'


def _marked_up(text: str) -> str:
    """Text in HTML; a word joiner hides what Graphviz takes for escape sequences all the same."""
    return html.escape(text).replace("\\", "\\\u2060") or " "
