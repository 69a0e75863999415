"""Heat: boxes of a drawing coloured by a number of what they stand for, with a legend."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np

from . import labels
from .drawing import Box, Drawing, Legend, Paint
from .form import Form, Operation, Value, enclosing

Part = Operation | Value
PALETTE = (  # dark to light through blue and yellow, as those who do not see red or green see it, too; even in grey
    "#00224e", "#123570", "#3b496c", "#575d6d", "#707173", "#8a8678", "#a59c74", "#c3b369", "#e1cc55", "#fee838"
)  # fmt: skip
RED = Paint("#d62728", "#8b0000", True)  # NaN and infinities
PLAIN = Paint("#ffffff", "#9aa3af")  # what has no number
_DECADES = 2  # that numbers span at least where the scale is logarithmic
_STEPS = 5  # of the legend
_PREFIXES = ((1.0, ""), (1e-3, "m"), (1e-6, "µ"), (1e-9, "n"))


class Measure(NamedTuple):
    """A number of operations and values, None where there is none; what a box stands for has their sum, or the largest
    where they do not add up."""

    name: str
    of: Callable[[Part], float | None]
    adds: bool = False
    unit: str = ""


def _time(part: Part) -> float | None:
    if isinstance(part, Value) or (part.seconds is None and part.back_seconds is None):
        return None
    return (part.seconds or 0.0) + (part.back_seconds or 0.0)


def _bytes(part: Part) -> float | None:
    values = [part] if isinstance(part, Value) else part.results
    return float(sum(value.nbytes for value in values)) if any(v.shape is not None for v in values) else None


def _gradient(part: Part) -> float | None:
    values = [part] if isinstance(part, Value) else part.results
    norms = [labels.norm(value.gradient) for value in values if value.gradient is not None]
    return float(labels.norm(np.asarray(norms))) if norms else None


MEASURES = {
    "time": Measure("time, forward and backward", _time, True, "s"),
    "bytes": Measure("bytes of results", _bytes, True, "B"),
    "gradient": Measure("norm of the gradient", _gradient),
}


def measure(color_by: str | Callable[[Part], float | None]) -> Measure:
    """The measure that a user names, or gives as a function: TypeError or ValueError where there is none."""
    if isinstance(color_by, str):
        if color_by not in MEASURES:
            names = ", ".join(map(repr, MEASURES))
            raise ValueError(f"graph: color_by is {color_by!r}, not one of {names} or a function")
        return MEASURES[color_by]
    if not callable(color_by):
        raise TypeError(f"graph: color_by is a {type(color_by).__name__}, not a name or a function")
    return Measure(getattr(color_by, "__name__", type(color_by).__name__), color_by)


def heated(drawing: Drawing, form: Form, color_by: str | Callable[[Part], float | None]) -> Drawing:
    """A drawing with boxes coloured by a number, which they also say, and a legend.

    The scale is logarithmic where the numbers span two decades or more and none is negative. NaN and infinities are
    red. ValueError where no box has a number.
    """
    by = measure(color_by)
    inside = _inside(form)
    parts = [[part for id in (box.id, *box.also) for part in inside.get(id, ())] for box in drawing.boxes]
    numbers = [_number(own, by) for own in parts]
    known = [number for number in numbers if number is not None]
    if not known:
        raise ValueError(
            f"graph: color_by has no number ({by.name}) for what is drawn; "
            "times need inputs= or viz.record, gradients a backward pass"
        )
    scale = Scale.of(known, by.unit)
    boxes = []
    for box, number in zip(drawing.boxes, numbers, strict=True):
        cells = box.cells if number is None else (*box.cells, scale.text(number))
        boxes.append(box._replace(cells=cells, paint=PLAIN if number is None else scale.paint(number)))
    finite = any(np.isfinite(known))
    title = f"{by.name}{', log scale' * scale.log}"
    legend = [Box("operation", (scale.text(x),), paint=scale.paint(x)) for x in scale.steps() if finite]
    if not all(np.isfinite(known)):
        legend.append(Box("operation", ("NaN or Inf",), paint=RED))
    return drawing._replace(boxes=boxes, legend=Legend(title, legend))


def _inside(form: Form) -> dict[str, list[Part]]:
    """What a box of this id stands for: itself, or the operations of a module call."""
    parts: list[Part] = [*form.values, *form.operations]
    inside = {part.id: [part] for part in parts}
    for operation in form.operations:
        for group in enclosing(operation.group):
            inside.setdefault(group.id, []).append(operation)
    return inside


def _number(parts: Iterable[Part], by: Measure) -> float | None:
    found = [float(x) for x in map(by.of, parts) if x is not None]
    if not found:
        return None
    return float(np.sum(found) if by.adds else np.max(found))


class Scale(NamedTuple):
    """From numbers to colours: from the least to the largest that is finite, in steps or in ratios."""

    least: float
    largest: float
    log: bool
    factor: float = 1.0
    prefix: str = ""
    unit: str = ""

    @classmethod
    def of(cls, numbers: Sequence[float], unit: str = "") -> Scale:
        """The scale of some numbers; a logarithmic one begins with the least that is not 0."""
        finite = [x for x in numbers if np.isfinite(x)] or [0.0]
        positive = [x for x in finite if x > 0]
        log = bool(positive) and min(finite) >= 0 and max(finite) / min(positive) >= 10**_DECADES
        largest = max(finite)
        factor, prefix = 1.0, ""
        if unit == "s" and largest > 0:
            factor, prefix = next((pair for pair in _PREFIXES if largest >= pair[0]), _PREFIXES[-1])
        return cls(min(positive) if log else min(finite), largest, log, factor, prefix, unit)

    def place(self, number: float) -> float:
        """Where a finite number is, from 0 to 1; in the middle where all are alike."""
        if self.least == self.largest:
            return 0.5
        if self.log:
            number = max(number, self.least)
            least, largest, own = np.log([self.least, self.largest, number])
            return float((own - least) / (largest - least))
        half = self.largest / 2 - self.least / 2  # the difference itself may overflow
        return float((number / 2 - self.least / 2) / half)

    def paint(self, number: float) -> Paint:
        """The colours of a box with this number."""
        if not np.isfinite(number):
            return RED
        return Paint(_mixed(self.place(number)), "#5f6673")

    def text(self, number: float) -> str:
        """The number with its unit."""
        if not np.isfinite(number):
            return "NaN" if np.isnan(number) else labels.number(number).replace("inf", "Inf")
        if self.unit == "B":
            return labels.size(number)
        return f"{labels.number(number / self.factor)} {self.prefix}{self.unit}".rstrip()

    def steps(self) -> list[float]:
        """The numbers that the legend has, the least and the largest among them."""
        if self.least == self.largest:
            return [self.least]
        ways = np.arange(_STEPS) / (_STEPS - 1)
        if self.log:
            inner = np.exp(np.log(self.least) * (1 - ways[1:-1]) + np.log(self.largest) * ways[1:-1])
        else:
            inner = self.least * (1 - ways[1:-1]) + self.largest * ways[1:-1]
        return [self.least, *map(float, inner), self.largest]


def _mixed(place: float) -> str:
    """The colour at a place of the palette, from 0 to 1."""
    along = place * (len(PALETTE) - 1)
    i = min(int(along), len(PALETTE) - 2)
    ends = ([int(colour[k : k + 2], 16) for k in (1, 3, 5)] for colour in PALETTE[i : i + 2])
    return "#" + "".join(f"{round(a + (b - a) * (along - i)):02x}" for a, b in zip(*ends, strict=True))
