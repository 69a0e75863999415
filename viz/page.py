"""The page of a computation graph: one HTML file with the form as data, and a script that shows it."""

from __future__ import annotations

import json
from base64 import b64encode
from html import escape
from importlib.resources import files
from string import Template
from typing import TypeVar

import numpy as np

from ..extend import Array
from . import labels
from .form import KINDS, Form, Operation, Value
from .parts import Part, parts

FEW = 16  # entries of a cotangent, up to which it is there in full
T = TypeVar("T")
_ENDS = ".css", "_layout.js", ".js", "_control.js"
_LARGE = 2_000  # values in a graph, above which only single numbers and what is given are there in full


def html(form: Form, title: str = "Computation graph") -> str:
    """The page as text: it needs no other file and no network.

    Modules unfold, a search finds operations and names, a click shows what led to a value and what it leads to, and a
    slider plays the backward pass.

    >>> from pullback import Tensor, viz
    >>> page = html(viz.graph(Tensor(2.0, requires_grad=True) * 3).form, "A product")
    >>> page[:15], "<title>A product</title>" in page
    ('<!DOCTYPE html>', True)
    """
    text = json.dumps(data(form), separators=(",", ":"), allow_nan=False)
    folder = files(__package__)
    style, *scripts = (folder.joinpath(f"page{end}").read_text("utf-8") for end in _ENDS)
    return Template(folder.joinpath("page.html").read_text("utf-8")).substitute(
        title=escape(labels.printable(title)),
        style=style,
        script="\n".join(scripts),
        form=text.replace("<", "\\u003c"),  # no text can end the script that it is in
    )


class _Texts:
    """Texts by number, each once."""

    def __init__(self) -> None:
        self.numbers = {"": 0}

    def __call__(self, text: str) -> int:
        return self.numbers.setdefault(text, len(self.numbers))


def data(form: Form) -> dict[str, object]:
    """What the page is given of a form, for JSON; texts, values, operations and parts by their numbers.

    - `parts`: [the part it is in, label, detail, 1 for a module call, 2 for one that failed], of which the first is
      the whole.
    - `values`: [kind, names, shape, data].
    - `operations`: [part, label, arguments, results, roles of the arguments, detail, line, error].
    - `steps` of the backward pass: [value, cotangent], the cotangent as `packed` gives it.
    - `kept` and `outputs`: values.

    Zeros at the end of a row are left out.
    """
    form = form.behind()
    texts = _Texts()
    tree = parts(form)
    place = {member: i for i, part in enumerate(tree) for member in part.members}
    number = {value: i for i, value in enumerate(form.values)}
    few = FEW if len(form.values) <= _LARGE else 1
    operations = []
    for operation in form.operations:
        given = [number[value] for _, value in operation.arguments]
        results = [number[value] for value in operation.results]
        said = [texts(text) for text in _said(operation)]
        operations.append(_trimmed([place[operation], texts(_called(operation)), given, results, *said]))
    return {
        "kinds": KINDS,
        "parts": [[place.get(part, -1), *map(texts, _told(part)), _kind(part)] for part in tree],
        "values": [_row(value, few, texts) for value in form.values],
        "operations": operations,
        "steps": [[number[value], packed(g, few if value.maker else FEW)] for value, g in form.steps],
        "kept": [number[value] for value in form.values if value.kept and value.maker],
        "outputs": [number[value] for value in form.outputs],
        "error": labels.printable(form.error),
        "texts": ["\n".join(map(labels.printable, text.split("\n"))) for text in texts.numbers],
    }


def _called(operation: Operation) -> str:
    """The label of an operation: its symbol, and constants that it was given."""
    return " ".join([labels.symbol(operation), *labels.inlined(operation)])


def _said(operation: Operation) -> tuple[str, str, str, str]:
    """What there is to read of an operation beside its label."""
    roles = [labels.role(operation, i) for i in range(len(operation.arguments))]
    return (
        ", ".join(roles) if any(roles) else "",
        ", ".join(labels.options(operation)),
        operation.place,
        labels.shortened(operation.error, 200),
    )


def _trimmed(row: list[T]) -> list[T]:
    """The row without zeros at its end."""
    while row and not row[-1]:
        row.pop()
    return row


def _told(part: Part) -> tuple[str, str]:
    """The label of a part, and its detail."""
    group = part.group
    if group is None:
        return part.label, ""
    call = f", call {group.call}" if group.call > 1 else ""
    label = f"{group.path}: {group.name}{call}" if group.path else group.name + call
    parameters = f"{group.parameters:,} parameters" if group.parameters else ""
    given = f"given {', '.join(map(labels.shape, group.arguments))}" if group.error else ""
    details = (labels.shortened(group.extra), parameters, given, labels.shortened(group.error, 200))
    return labels.shortened(label), "\n".join(filter(None, details))


def _kind(part: Part) -> int:
    return 0 if part.group is None else 2 if part.group.error else 1


def _row(value: Value, few: int, texts: _Texts) -> list[int | str]:
    shape = f"{labels.shape(value)}, {labels.size(value.nbytes)}" if value.shape else labels.shape(value)
    row: list[int | str] = [KINDS.index(value.kind), texts(labels.name(value.names)), texts(shape)]
    size = np.size(value.data)
    if value.data is None or (few == 1 and value.maker is not None and size > 1) or labels.is_inlined(value):
        return _trimmed(row)
    return [*row, labels.numbers(value.data) if size <= few else labels.statistics(value.data)]


def packed(g: Array | np.generic, few: int = FEW) -> str | list[float | int | None]:
    """A cotangent: if it has few entries their bits, else its statistics.

    The bits are the dtype's character and the bytes, little-endian, in base64. The statistics are least, mean and
    largest of the finite entries (of complex ones their sizes), the norm of all, and the numbers of NaN and infinities.

    >>> packed(np.float32(1.0)), packed(np.arange(5.0), few=4)
    ('fAACAPw==', [0.0, 2.0, 4.0, 5.47723, 0, 0])
    """
    array = np.asarray(g)
    if array.size <= few and array.dtype.char in "efdFD":
        return array.dtype.char + b64encode(array.astype(array.dtype.newbyteorder("<")).tobytes()).decode()
    sizes = np.abs(array) if array.dtype.kind == "c" else array
    finite = sizes[np.isfinite(sizes)].astype(np.float64)
    numbers = [finite.min(), finite.mean(), finite.max()] if finite.size else [np.nan] * 3
    counts = int(np.isnan(sizes).sum()), int(np.isinf(sizes).sum())
    return [*(_short(x) for x in (*numbers, labels.norm(array))), *counts]


def _short(x: float) -> float | None:
    """Six digits, None for what is no number."""
    return float(f"{x:.6g}") if np.isfinite(x) else None
