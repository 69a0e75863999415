"""Pictures of computation graphs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import Any, TypedDict, Unpack

import numpy as np

from ..autograd import Tensor, tree_leaves
from ..nn import Module
from . import page, scene
from .builder import Builder, backward_of, of_tensors
from .drawing import Drawing, graphviz
from .form import Form
from .recording import Recording, recording
from .views import USUAL, Settings, view

__all__ = ["Graph", "Record", "graph", "record"]


class Graph:
    """A picture of a computation graph, described in Graphviz' DOT language by `source`; notebooks show it."""

    def __init__(self, drawing: Drawing, form: Form) -> None:
        self._drawing, self.form = drawing, form
        self.source = drawing.dot()

    def __repr__(self) -> str:
        kinds = {"module": ("module",), "leaf": ("leaf", "parameter"), "operation": ("operation",)}
        counts = {word: sum(box.kind in kind for box in self._drawing.boxes) for word, kind in kinds.items()}
        plural = {"module": "modules", "leaf": "leaves", "operation": "operations"}
        drawn = " and ".join(f"{n} {word if n == 1 else plural[word]}" for word, n in counts.items() if n)
        return f"<Graph of {drawn or 'values'}: render(path) draws it, notebooks show it>"

    def render(self, path: str | PathLike[str]) -> None:
        """Write the picture in the format that the path's suffix names (.svg, .png, .pdf, .dot, ...).

        Graphviz draws it where its program `dot` or the package pygraphviz is installed, and the picture is one that
        it is quick at; else the package's own layout does, as SVG or through Matplotlib. The caption says which.
        ValueError for a format that cannot be written.
        """
        path = Path(path)
        path.write_bytes(self._written(path.suffix[1:].lower()))

    def to_html(self, path: str | PathLike[str], title: str = "Computation graph") -> None:
        """Write one HTML page on which the whole graph can be looked at: it needs no other file and no network.

        Modules unfold, a search finds operations and names, a click shows what led to a value and what it leads to,
        and a slider plays the backward pass. It works with keyboard, mouse and touch.
        """
        Path(path).write_text(page.html(self.form, title), encoding="utf-8")

    def _written(self, form: str) -> bytes:
        if form in ("dot", "gv"):
            return self.source.encode()
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


class Options(TypedDict, total=False):
    """What `graph` takes by keyword, as to how a picture looks."""

    depth: int | None
    limit: int | None
    direction: str
    show: Iterable[str]
    roll: bool
    values: bool | None
    title: str
    legend: bool


def graph(
    output: object,
    model: Module | None = None,
    names: Mapping[str, object] | None = None,
    *,
    inputs: object = None,
    depth: int | None = None,
    limit: int | None = 300,
    direction: str = "forward",
    show: Iterable[str] = USUAL,
    roll: bool = True,
    values: bool | None = None,
    title: str = "",
    legend: bool = False,
) -> Graph:
    """Draw a computation graph: of a Tensor or a nest of them, or of a function or Module called with `inputs`.

    `inputs` are the arguments in a tuple, or one that is no tuple. Of a Tensor alone the graph has what requires a
    gradient, of a call all operations, and calls of modules as boxes. A `model` gives parameters their names, `names`
    (such as `locals()`) Tensors theirs. An output of one element shows the gradients of a backward pass from it, which
    changes no `grad` (hooks run); outputs of more those that leaves have.

    - `depth`: calls of modules so deep in others are one box each: 0 is the whole model. None: those that call no
      others, or fewer levels, until there are few boxes enough.
    - `limit`: at most so many boxes, those nearest to the output; None for all.
    - `direction`: "forward", "backward" (the way of the cotangents) or "both".
    - `show`: some of shapes, values, gradients, statistics, bytes, kept (for the backward pass), time, source (lines of
      code), parameters (how many), options and names.
    - `roll`: draw what repeats itself once, in a frame that says how often it ran.
    - `values`: whether values between operations have boxes of their own; None: where there are few.
    - `title` and `legend` are added to the picture.

    RuntimeError where nothing was recorded, or a backward pass has freed it. See `record` for programs that fail.

    >>> x = Tensor(2.0, requires_grad=True)
    >>> graph(x * x, names={"x": x}).source.count("->")
    3
    >>> from pullback.nn import Linear
    >>> graph(Linear(3, 2), inputs=Tensor([[1.0, 2.0, 3.0]]), depth=0)
    <Graph of 1 module: render(path) draws it, notebooks show it>
    """
    settings = Settings(depth, limit, direction, frozenset(show), roll, values, title, legend).checked()
    if inputs is not None:
        given = inputs if isinstance(inputs, tuple) else (inputs,)
        form = _run(output, model, names, given)
    else:
        form = _of(output, model, names)
    return Graph(view(form, settings), form)


class Record:
    """What `record` gives: the graph of what ran, also of a program that failed."""

    def __init__(self, seen: Recording) -> None:
        self._seen = seen

    def __repr__(self) -> str:
        return f"<Record of {len(self._seen.form.operations)} operations: graph() draws them>"

    def graph(
        self, output: object = None, names: Mapping[str, object] | None = None, **options: Unpack[Options]
    ) -> Graph:
        """Draw what ran: what led to `output`, a Tensor or a nest of them; the options are those of `viz.graph`.

        Without an output, what led to the Tensors that `backward` was called of, or else to all that nothing reads;
        where the program failed, all that ran, with what failed last.
        """
        settings = Settings(**{**options, "show": frozenset(options.get("show", USUAL))}).checked()  # type: ignore[arg-type]
        form = self._seen.finished(None if output is None else _tensors(output))
        self._seen.builder.named(names)
        return Graph(view(form, settings), form)


@contextmanager
def record(model: Module | None = None) -> Iterator[Record]:
    """Record what runs in this thread: `with record(model) as rec`, and then `rec.graph()` draws it.

    Forward and backward passes, calls of modules (a `model` gives them their paths), in-place writes and what requires
    no gradient are all there. Where the program fails, `rec.graph()` draws it up to there.

    >>> x = Tensor([1.0, 2.0], requires_grad=True)
    >>> with record() as rec:
    ...     (x * x).sum().backward()
    >>> rec.graph(names={"x": x})
    <Graph of 1 leaf and 2 operations: render(path) draws it, notebooks show it>
    """
    with recording(model, Builder(model)) as seen:
        try:
            yield Record(seen)
        except Exception as error:
            error.add_note("viz.record has seen this: graph() of what it gave draws what ran, and what failed last")
            raise


def _tensors(output: object) -> list[Tensor]:
    tensors = [x for x in tree_leaves(output) if isinstance(x, Tensor)]
    if not tensors:
        raise TypeError(f"graph: output is a {type(output).__name__}, not a Tensor or a nest of Tensors")
    return tensors


def _of(output: object, model: Module | None, names: Mapping[str, object] | None) -> Form:
    if isinstance(output, Module) or (callable(output) and not isinstance(output, Tensor)):
        raise TypeError(f"graph: {type(output).__name__} is called where inputs= has arguments for it, and has none")
    outputs = _tensors(output)
    if all(out._node is None for out in outputs):
        raise RuntimeError("graph: output does not require a gradient, and nothing was recorded for it")
    builder = Builder(model)
    form = of_tensors(builder, outputs)
    _with_gradients(builder, outputs)
    builder.named(names)
    return form


def _run(function: Any, model: Module | None, names: Mapping[str, object] | None, inputs: tuple[object, ...]) -> Form:
    if not callable(function):
        raise TypeError(f"graph: inputs= is for a function or Module, not for a {type(function).__name__}")
    builder = Builder(function if model is None and isinstance(function, Module) else model)
    given = [Tensor(x) if isinstance(x, np.ndarray) else x for x in inputs]
    paths = function if isinstance(function, Module) else model
    with recording(paths, builder, [x for x in tree_leaves(given) if isinstance(x, Tensor)]) as seen:
        try:
            out = function(*given)
        except Exception as error:
            error.add_note("to draw what ran before: call it in `with viz.record(model) as rec`, then rec.graph()")
            raise
    outputs = _tensors(out)
    form = seen.finished(outputs)
    _with_gradients(builder, outputs)
    builder.named({name: x for name, x in (names or {}).items()})
    return form


def _with_gradients(builder: Builder, outputs: list[Tensor]) -> None:
    """Add the steps of a backward pass from one output of one element; else the gradients that leaves have."""
    if len(outputs) == 1 and outputs[0].size == 1 and outputs[0]._node is not None:
        return backward_of(builder, outputs[0])
    for node, value in builder.of_node.items():
        value.gradient = None if node.grad is None else node.grad._held
    return None
