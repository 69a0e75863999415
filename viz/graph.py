"""Pictures of computation graphs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import Any, TypedDict, Unpack

import numpy as np

from ..autograd import Tensor, tree_leaves
from ..nn import Module
from . import page
from .builder import Builder, backward_of, of_tensors
from .drawing import Drawing
from .drawn import Drawn
from .exports import dumped, model_explorer, node_link, of_node_link
from .form import FEW, Form, Operation, Value
from .heat import heated
from .nonfinite import NonFinite, first_nonfinite, marked
from .recording import Recording, recording
from .tree import tree
from .views import USUAL, Settings, view

__all__ = ["Graph", "Record", "first_nan", "graph", "record"]


class Graph(Drawn):
    """A picture of a computation graph, described in Graphviz' DOT language by `source`; notebooks show it."""

    def __init__(self, drawing: Drawing, form: Form) -> None:
        super().__init__(drawing)
        self.form = form

    def __repr__(self) -> str:
        kinds = {"module": ("module",), "leaf": ("leaf", "parameter"), "operation": ("operation",)}
        counts = {word: sum(box.kind in kind for box in self._drawing.boxes) for word, kind in kinds.items()}
        plural = {"module": "modules", "leaf": "leaves", "operation": "operations"}
        drawn = " and ".join(f"{n} {word if n == 1 else plural[word]}" for word, n in counts.items() if n)
        return f"<Graph of {drawn or 'values'}: render(path) draws it, notebooks show it>"

    def __str__(self) -> str:
        return self.to_text(limit=300)

    def to_text(self, depth: int | None = None, limit: int | None = None) -> str:
        """Return the graph as a tree of module calls and operations, with shapes, parameters and sums.

        `depth`: no deeper calls than this; 0 is the whole model. `limit`: at most so many lines of the tree.
        """
        return tree(self.form, depth, limit)

    def to_html(self, path: str | PathLike[str], title: str = "Computation graph") -> None:
        """Write one HTML page on which the whole graph can be looked at: it needs no other file and no network.

        Modules unfold, a search finds operations and names, a click shows what led to a value and what it leads to,
        and a slider plays the backward pass. It works with keyboard, mouse and touch.
        """
        Path(path).write_text(page.html(self.form, title), encoding="utf-8")

    def to_json(self, entries: int | None = FEW) -> str:
        """Return the graph as JSON with nodes and edges (docs/graph_json.md), which `from_json` reads.

        Arrays of more than so many `entries` are left out; None writes all.
        """
        return dumped(node_link(self.form, entries))

    @classmethod
    def from_json(cls, text: str, **options: Unpack[Options]) -> Graph:
        """Draw a graph that `to_json` wrote, with the options of `graph`: ValueError for other text.

        >>> x = Tensor([1.0, 2.0], requires_grad=True)
        >>> Graph.from_json(graph(x * x).to_json())
        <Graph of 1 leaf and 1 operation: render(path) draws it, notebooks show it>
        """
        return _drawn(of_node_link(json.loads(text)), _settings(options))

    def to_model_explorer(self) -> str:
        """Return the graph as JSON that Google's Model Explorer opens."""
        return dumped(model_explorer(self.form))

    def _texts(self) -> dict[str, Callable[[], str]]:
        return super()._texts() | {"json": self.to_json, "txt": self.to_text}


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
    color_by: str | Callable[[Operation | Value], float | None] | None


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
    color_by: str | Callable[[Operation | Value], float | None] | None = None,
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
    - `color_by`: colours for "time", "bytes" (of results), "gradient" (its norm), or a function that gives a number for
      an operation or value, or None; a module call or a repeat has the sum of times and bytes, else the largest number.

    Where the outputs, or else the gradients, have NaN or infinities, the way of the first (see `first_nan`) is in red.

    RuntimeError where nothing was recorded, or a backward pass has freed it. See `record` for programs that fail.

    >>> x = Tensor(2.0, requires_grad=True)
    >>> graph(x * x, names={"x": x}).source.count("->")
    3
    >>> from pullback.nn import Linear
    >>> graph(Linear(3, 2), inputs=Tensor([[1.0, 2.0, 3.0]]), depth=0)
    <Graph of 1 module: render(path) draws it, notebooks show it>
    """
    settings = Settings(depth, limit, direction, frozenset(show), roll, values, title, legend, color_by).checked()
    if inputs is not None:
        given = inputs if isinstance(inputs, tuple) else (inputs,)
        form = _run(output, model, names, given)
    else:
        form = _of(output, model, names)
    return _drawn(form, settings)


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
        settings = _settings(options)
        form = self._seen.finished(None if output is None else _tensors(output))
        self._seen.builder.named(names)
        return _drawn(form, settings)


def first_nan(graph: Graph) -> NonFinite | None:
    """Find the first NaN or infinity that reached the outputs of a graph, or, where those are finite, its gradients.

    As text it says the operation that made it of finite numbers, the line of code (of graphs with `inputs`, or that
    `record` gave) and its way to the output. None where all is finite, also where an infinity was lost again.

    >>> x = Tensor([1.0, 0.0], requires_grad=True)
    >>> with np.errstate(divide="ignore", invalid="ignore"):
    ...     print(first_nan(graph((x.log() * x).sum())))
    first Inf: log, then multiply → sum
    """
    return first_nonfinite(graph.form)


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


def _drawn(form: Form, settings: Settings) -> Graph:
    """The view of a form, with heat where it is asked for, and the first NaN where there is one."""
    drawing = view(form, settings)
    if settings.color_by is not None:
        drawing = heated(drawing, form, settings.color_by)
    first = first_nonfinite(form)
    return Graph(drawing if first is None else marked(drawing, first), form)


def _settings(options: Options) -> Settings:
    settings = Settings(**{**options, "show": frozenset(options.get("show", USUAL))})  # type: ignore[arg-type]
    return settings.checked()


def _tensors(output: object) -> list[Tensor]:
    tensors = [x for x in tree_leaves(output) if isinstance(x, Tensor)]
    if not tensors:
        raise TypeError(f"graph: output is a {type(output).__name__}, not a Tensor or a nest of Tensors")
    return tensors


def _of(output: object, model: Module | None, names: Mapping[str, object] | None) -> Form:
    if isinstance(output, Module) or (callable(output) and not isinstance(output, Tensor)):
        raise TypeError(f"graph: a {type(output).__name__} is drawn by what it does; write graph(f, inputs=x)")
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
