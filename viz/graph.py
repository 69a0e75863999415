"""Pictures of computation graphs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import Any

from ..autograd import Tensor, tree_leaves
from ..nn import Module
from . import scene
from .drawing import Drawing, graphviz
from .form import Form
from .recording import Builder, backward_of, of_tensors, recording
from .report import page
from .views import USUAL, Settings, view

__all__ = ["Graph", "graph"]


class Graph:
    """A picture of a computation graph, described in Graphviz' DOT language by `source`; notebooks show it."""

    def __init__(self, drawing: Drawing, form: Form) -> None:
        self._drawing, self.form = drawing, form
        self.source = drawing.dot()

    def __repr__(self) -> str:
        drawn = [
            sum(box.kind in kinds for box in self._drawing.boxes) for kinds in (("leaf", "parameter"), ("operation",))
        ]
        return "<Graph of {} leaves and {} operations: render(path) draws it, notebooks show it>".format(*drawn)

    def render(self, path: str | PathLike[str]) -> None:
        """Write the picture in the format that the path's suffix names (.svg, .png, .pdf, .dot, ...).

        Graphviz draws it where its program `dot` is installed. Where it is not, or is still busy after ten
        seconds, the package's own layout does, as SVG or through Matplotlib. ValueError for a format that
        cannot be written.
        """
        path = Path(path)
        path.write_bytes(self._written(path.suffix[1:].lower()))

    def to_html(self, path: str | PathLike[str]) -> None:
        """Write a self-contained HTML page that shows the picture."""
        Path(path).write_text(page("Computation graph", self._repr_html_(), "wide"), encoding="utf-8")

    def _written(self, form: str) -> bytes:
        if form in ("dot", "gv"):
            return self.source.encode()
        if not form:
            raise ValueError("render: the path needs a suffix that names the format, such as .svg")
        drawn = graphviz(self.source, form)
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
        return f'<div style="overflow: auto">{svg[svg.index("<svg") :]}</div>'


def graph(
    output: object,
    model: Module | None = None,
    names: Mapping[str, object] | None = None,
    *,
    inputs: Sequence[object] | None = None,
    depth: int | None = None,
    limit: int = 300,
    direction: str = "forward",
    show: Iterable[str] | None = None,
    roll: bool = True,
    values: bool | None = None,
    title: str = "",
) -> Graph:
    """Draw a computation graph: of a Tensor, or of a function or Module called with `inputs`.

    >>> x = Tensor(2.0, requires_grad=True)
    >>> graph(x * x, names={"x": x}).source.count("->")
    3
    """
    settings = Settings(depth, limit, direction, USUAL if show is None else frozenset(show), roll, values, title)
    form = _of(output, model, names) if inputs is None else _run(output, model, names, inputs)
    return Graph(view(form, settings), form)


def _of(output: object, model: Module | None, names: Mapping[str, object] | None) -> Form:
    if not isinstance(output, Tensor):
        raise TypeError(f"graph: output is a {type(output).__name__}, not a Tensor")
    if output._node is None:
        raise RuntimeError("graph: output does not require a gradient, and nothing was recorded for it")
    builder = Builder(model, names)
    form = of_tensors(builder, [output])
    if output.size == 1:
        backward_of(builder, output)
    else:
        for node, value in builder.of_node.items():
            value.gradient = None if node.grad is None else node.grad._held
    return form


def _run(function: Any, model: Module | None, names: Mapping[str, object] | None, inputs: Sequence[object]) -> Form:
    builder = Builder(function if model is None and isinstance(function, Module) else model, names)
    given = [x if isinstance(x, Tensor) else Tensor(x) for x in inputs]
    with recording(model, builder, given) as seen:
        out = function(*given)
    outputs = [x for x in tree_leaves(out) if isinstance(x, Tensor)]
    form = seen.finished(outputs)
    if len(outputs) == 1 and outputs[0].size == 1 and outputs[0]._node is not None:
        backward_of(builder, outputs[0])
    return form
