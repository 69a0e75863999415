"""Pictures of computation graphs."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from ..autograd import Tensor
from ..extend import Node, Observer, Several, backward_pass, mode, modes, seed
from ..nn import Module
from . import scene
from .drawing import Box, Drawing, Link, graphviz
from .report import page

__all__ = ["Graph", "graph"]


_LIMIT = 250  # results and leaves drawn at most: those nearest to the output
_SMALL = 4  # tensors of up to so many entries are shown with their values
_LONGEST = 60  # characters of a name
_INFIX = {"subtract": "−", "divide": "÷", "matmul": "@", "power": "**"}
_SYMBOLS = {"add": "+", "multiply": "×", "negative": "−", **_INFIX}
_SYMMETRIC = {"add", "multiply", "maximum", "minimum", "hypot", "logaddexp"}


class Graph:
    """A picture of a computation graph, described in Graphviz' DOT language by `source`; notebooks show it."""

    def __init__(self, drawing: Drawing) -> None:
        self._drawing = drawing
        self.source = drawing.dot()

    def __repr__(self) -> str:
        drawn = [sum(box.kind == kind for box in self._drawing.boxes) for kind in ("leaf", "operation")]
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


def graph(output: Tensor, model: Module | None = None, names: Mapping[str, object] | None = None) -> Graph:
    """Draw the graph of operations that made `output`, each value with its gradient.

    Scalars are shown with their value, tensors with their shape and dtype (small ones that have a name
    also with their values), both with the gradient of `output` if that has one element: its value, or
    for larger tensors its norm. Names are those of `model.named_parameters()` and of the Tensors among
    `names`. Inputs that require no gradient are not recorded and do not appear; of large graphs, the
    part nearest to the output does. Hooks run as in a backward pass. Draw before `backward`, or after
    `backward(retain_graph=True)`: RuntimeError once the graph is freed.

    >>> x = Tensor(2.0, requires_grad=True)
    >>> graph(x * x, names={"x": x}).source.count("->")
    3
    """
    if not isinstance(output, Tensor):
        raise TypeError(f"graph: output is a {type(output).__name__}, not a Tensor")
    if output._node is None:
        raise RuntimeError("graph: output does not require a gradient, and nothing was recorded for it")
    named = _named(model, names or {})
    named.setdefault(output._node, ([], output._held))
    nodes = _nearest(output._node)
    drawn = {node: i for i, node in enumerate(nodes[:_LIMIT])}
    if output.size == 1:
        with mode(observers=(*modes.observers, Observer()), retaining=False):  # who draws looks on: nothing is skipped
            gradients = backward_pass([seed(output)], set(drawn), retain_graph=True, create_graph=False)
    else:
        gradients = {node: node.grad._held for node in drawn if node.grad is not None}

    boxes = []
    for node in drawn:
        kind = "leaf" if node.primitive is None else "output" if node is output._node else "value"
        boxes.append(Box(kind, tuple(_cells(node, *named.get(node, ([], None)), gradients.get(node)))))
    links = []
    for node, i in drawn.items():
        if node.primitive is None:
            continue
        operation = len(boxes)
        boxes.append(Box("operation", (_SYMBOLS.get(node.primitive.name, node.primitive.name),)))
        links.append(Link(operation, i))
        if any(parent not in drawn for parent, _, _ in node.edges or ()):
            links.append(Link(len(boxes), operation))
            boxes.append(Box("more", ("⋯",)))
        for parent, rule, _ in node.edges or ():
            if parent in drawn:
                links.append(Link(drawn[parent], operation, _role(rule)))
    hidden = len(nodes) - len(drawn)
    caption = f"the {len(drawn):,} values nearest to the output; {hidden:,} more are not drawn" if hidden else ""
    return Graph(Drawing(boxes, links, all(node.shape == () for node in drawn), caption))


def _named(model: Any, names: Mapping[str, Any]) -> dict[Node, tuple[list[str], Any]]:
    """Names and values of the nodes that have some."""
    named: dict[Node, tuple[list[str], Any]] = {}
    for name, tensor in [*(model.named_parameters() if model is not None else ()), *names.items()]:
        if not isinstance(name, str):
            raise TypeError(f"graph: names maps a name to a Tensor, not {name!r} to {type(tensor).__name__}")
        if isinstance(tensor, Tensor) and tensor._node is not None:
            named.setdefault(tensor._node, ([], tensor._held))[0].append(name)
    return named


def _nearest(output: Node) -> list[Node]:
    """All nodes behind the output, in the order of their distance from it."""
    seen = {output}
    nodes = [output]
    for node in nodes:
        if node.edges is None:
            raise RuntimeError(
                f"graph: the graph behind {node!r} was freed by backward; "
                "draw it before, or pass retain_graph=True to backward"
            )
        for parent, _, _ in node.edges:
            if parent not in seen:
                seen.add(parent)
                nodes.append(parent)
    return nodes


def _role(rule: Any) -> str:
    """The name of the argument that an input was given for, where the arguments are not alike."""
    primitive, position = rule.primitive, rule.position
    if primitive.name in _INFIX:
        return ("left", "right")[position]
    if primitive.name in _SYMMETRIC or (len(primitive.arrays) == 1 and not primitive.variadic):
        return ""
    return primitive.arrays[position] if position < len(primitive.arrays) else str(position)


def _cells(node: Node, names: list[str], value: Any, gradient: Any) -> list[str]:
    cells = [_shortened(_printable(" = ".join(names)))] if names else []
    if node.kind is Several:
        return [*cells, ", ".join(node.primitive.several)]
    if node.value is not None:
        cells.append(f"data {_numbers(node.value)}")
    else:
        cells.append(f"{node.shape} {node.dtype}")
        if value is not None and value.size <= _SMALL:
            cells.append(f"data {_numbers(value)}")
    if gradient is not None:
        small = gradient.size <= _SMALL
        cells.append(f"grad {_numbers(gradient)}" if small else f"‖grad‖ {_numbers(_norm(gradient))}")
    return cells


def _norm(values: Any) -> Any:
    """The Euclidean norm in double precision, scaled: no square is too small or too large."""
    sizes = np.abs(np.asarray(values, np.result_type(values, np.float64)))
    largest = sizes.max()
    return largest * np.linalg.norm(sizes / largest) if 0 < largest < np.inf else largest


def _numbers(values: Any) -> str:
    if np.ndim(values):
        return f"[{' '.join(map(_numbers, values))}]"
    return f"{values:.4g}"


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _shortened(text: str) -> str:
    """A long name without its middle: beginning and end tell it from others."""
    if len(text) <= _LONGEST:
        return text
    head = (_LONGEST - 1) // 3
    return f"{text[:head]}…{text[len(text) - (_LONGEST - 1 - head) :]}"
