"""Where NaN or infinity came from: the first of them, and its way to the output."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from . import labels
from .drawing import Drawing, Paint, paint
from .form import Form, Operation, Value, enclosing

RED = "#d62728"
_SHOWN = 4  # operations of a way that are named on either side


class NonFinite(NamedTuple):
    """The first NaN or infinity (`what`), and its way to the output.

    `origin` is the operation that made it of finite numbers, or the value that had it when it was given to the program;
    `way` are the operations from the origin, if it is one, to the output. `backward` says that the forward pass had
    finite numbers alone, and that the operation's rules in the backward pass gave it. Of a graph of Tensors not all
    results are known: `certain` is false where one that is not may have been NaN or infinite before.
    """

    what: str
    origin: Operation | Value
    way: list[Operation]
    backward: bool = False
    certain: bool = True

    @property
    def place(self) -> str:
        """The line of code, as "file:line", where it is known."""
        return self.origin.place if isinstance(self.origin, Operation) else ""

    def __str__(self) -> str:
        name = self.origin.name if isinstance(self.origin, Operation) else _called(self.origin)
        later = [operation.name for operation in self.way if operation is not self.origin]
        if len(later) > 2 * _SHOWN:
            later[_SHOWN:-_SHOWN] = [f"… {len(later) - 2 * _SHOWN} more …"]
        where = f" at {self.place}" if self.place else ""
        pass_ = ", in the backward pass" if self.backward else ""
        first = f"first {self.what}" + ("" if self.certain else " that is known")
        return f"{first}: {name}{where}{pass_}" + (f", then {' → '.join(later)}" if later else "")


def _called(value: Value) -> str:
    return f"the {value.kind} {labels.name(value.names)}".rstrip()


def first_nonfinite(form: Form) -> NonFinite | None:
    """The first NaN or infinity that reached the outputs, or, where those are finite, the gradients; None without.

    An infinity that is lost again (as of a mask for softmax) is none that reached the outputs.
    """
    form = form.behind()
    bad = next((value for value in form.outputs if _what(value.data)), None)
    return _first_gradient(form) if bad is None else _back_from(form, bad)


def _back_from(form: Form, output: Value) -> NonFinite:
    """What made an output NaN or infinite: of all that it comes from by way of others that are, what ran first."""
    order = {operation: i for i, operation in enumerate(form.operations)}
    through: dict[Value, Value | None] = {output: None}  # with what comes after each
    waiting = [output]
    while waiting:
        value = waiting.pop()
        given = [] if value.maker is None else [v for _, v in value.maker.arguments]
        nan = [v for v in given if _what(v.data) == "NaN"]
        for parent in nan or [v for v in given if _what(v.data) or _unknown(v)]:
            if parent not in through:
                through[parent] = value
                waiting.append(parent)
    known = [value for value in through if _what(value.data)]
    origin = min(known, key=lambda value: -1 if value.maker is None else order[value.maker])
    certain = origin.maker is None or not any(_unknown(v) for _, v in origin.maker.arguments)
    way: list[Operation] = []
    ahead: Value | None = origin
    while ahead is not None:
        if ahead.maker is not None:
            way.append(ahead.maker)
        ahead = through[ahead]
    return NonFinite(_what(origin.data), origin.maker or origin, way, False, certain)


def _unknown(value: Value) -> bool:
    return value.data is None and value.maker is not None


def _first_gradient(form: Form) -> NonFinite | None:
    """What made the first cotangent NaN or infinite: the operation through whose rules it came, of the result that had
    a finite one."""
    value = next((value for value, cotangent in form.steps if _what(cotangent)), None)
    if value is None:
        return None
    readers = form.readers()
    through = [operation for operation, _ in readers[value]]
    clean = [o for o in through if any(v.gradient is not None and not _what(v.gradient) for v in o.results)]
    if not through:
        return NonFinite(_what(value.gradient), value.maker or value, [value.maker] if value.maker else [], True)
    origin = (clean or through)[0]
    return NonFinite(_what(value.gradient), origin, _shortest(form, origin, readers), True)


def _shortest(form: Form, origin: Operation, readers: dict[Value, list[tuple[Operation, int]]]) -> list[Operation]:
    """The shortest way from an operation to an output."""
    outputs, before = set(form.outputs), {origin: origin}
    waiting = deque([origin])
    operation = origin
    while waiting and not outputs.intersection(operation.results):
        operation = waiting.popleft()
        for result in operation.results:
            for reader, _ in readers[result]:
                if reader not in before:
                    before[reader] = operation
                    waiting.append(reader)
    way = [operation]
    while way[-1] is not origin:
        way.append(before[way[-1]])
    return way[::-1]


def _what(data: object) -> str:
    """NaN or Inf, if an array has any; both are NaN."""
    if data is None:
        return ""
    array = np.asarray(data)
    if array.dtype.kind not in "fc" or np.isfinite(array).all():
        return ""
    return "NaN" if np.isnan(array).any() else "Inf"


def marked(drawing: Drawing, first: NonFinite) -> Drawing:
    """A drawing with the way of the first NaN or infinity in strong red, and what it is in the caption."""
    origin, way = _ids([first.origin]), _ids(first.way)
    boxes, on = [], set()
    ahead: set[str] = {value.id for operation in first.way for value in operation.results}
    for i, box in enumerate(drawing.boxes):
        own = {box.id, *box.also}
        cells, colours = box.cells, box.paint
        if own & (origin | way):
            on.add(i)
            colours = Paint(paint(box).fill, RED, True)
        if own & origin:
            cells = (f"first {first.what}", *cells)
        elif own & ahead:
            on.add(i)
        boxes.append(box._replace(cells=cells, paint=colours))
    links = [link._replace(colour=RED) if {link.tail, link.head} <= on else link for link in drawing.links]
    caption = "\n".join(filter(None, (drawing.caption, labels.shortened(str(first), 160))))
    return drawing._replace(boxes=boxes, links=links, caption=caption)


def _ids(parts: Sequence[Operation | Value]) -> set[str]:
    """The ids of boxes that may stand for these: their own, and those of the module calls around them."""
    found = {part.id for part in parts}
    for part in parts:
        if isinstance(part, Operation):
            found.update(group.id for group in enclosing(part.group))
    return found
