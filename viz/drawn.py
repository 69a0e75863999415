"""What can be drawn: written in many formats, and shown by notebooks."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import Any

from . import scene
from .drawing import Drawing, graphviz
from .exports import mermaid
from .report import page


class Drawn:
    """A drawing of boxes and links, described in Graphviz' DOT language by `source`; notebooks show it."""

    def __init__(self, drawing: Drawing) -> None:
        self._drawing = drawing

    @cached_property
    def source(self) -> str:
        """The picture in Graphviz' language DOT."""
        return self._drawing.dot()

    def render(self, path: str | PathLike[str]) -> None:
        """Write the picture in the format that the path's suffix names (.svg, .png, .pdf, .dot, ...), or as text (.mmd,
        and where it has such, .json and .txt) or as a page (.html).

        Graphviz draws it where its program `dot` or the package pygraphviz is installed, and the picture is one that
        it is quick at; else the package's own layout does, as SVG or through Matplotlib. The caption says which.
        ValueError for a format that cannot be written.
        """
        path = Path(path)
        form = path.suffix[1:].lower()
        if form == "html":
            self.to_html(path)
        else:
            path.write_bytes(self._written(form))

    def to_html(self, path: str | PathLike[str]) -> None:
        """Write a self-contained HTML page that shows the picture."""
        Path(path).write_text(page("Computation graph", self._repr_html_(), "wide"), encoding="utf-8")

    def to_mermaid(self) -> str:
        """Return the picture in the language of Mermaid, which GitHub and others draw in Markdown."""
        return mermaid(self._drawing)

    def to_graphviz(self) -> Any:
        """Return the picture as a `Source` of the package graphviz, which is in the extra `viz`."""
        try:
            import graphviz as package
        except ImportError:
            raise ImportError("to_graphviz needs the package graphviz: pip install pullback[viz]") from None
        return package.Source(self.source)

    def _texts(self) -> dict[str, Callable[[], str]]:
        """What writes it as text, by suffix."""
        return {"dot": lambda: self.source, "gv": lambda: self.source, "mmd": self.to_mermaid}

    def _written(self, form: str) -> bytes:
        if form in self._texts():
            return self._texts()[form]().encode()
        if not form:
            raise ValueError("render: the path needs a suffix that names the format, such as .svg")
        drawn = graphviz(self._drawing, form)
        if drawn is not None:
            return drawn
        laid_out = scene.scene(self._drawing)
        return scene.svg(laid_out).encode() if form == "svg" else scene.by_matplotlib(laid_out, form)

    @cached_property
    def _svg(self) -> bytes:
        return self._written("svg")

    def _repr_svg_(self) -> str:
        return self._svg.decode()

    def _repr_html_(self) -> str:
        svg = self._repr_svg_()
        whole = svg[svg.index("<svg") :].replace("<svg", '<svg style="max-width: none"', 1)
        return f'<div style="overflow: auto">{whole}</div>'
