"""Views: from the form of a computation graph, what of it is drawn, as boxes, links and clusters.

First each operation gets its place: itself, or the module call that is drawn as one box. Then repeats are rolled, what
is too much is left out, and only what is left gets its text.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from . import labels
from .drawing import Box, Cluster, Drawing, Link
from .form import Form, Group, Operation, Value, enclosing
from .repeats import Run, runs

SHOWN = frozenset(
    ("shapes", "values", "gradients", "statistics", "bytes", "kept", "time", "source", "parameters", "options", "names")
)
USUAL = frozenset(("shapes", "values", "gradients", "parameters", "options", "names"))
FEW = 60  # operations, up to which each value between two of them has a box of its own


class Settings(NamedTuple):
    """What a view shows; see `graph`."""

    depth: int | None = None
    limit: int = 300
    direction: str = "forward"
    show: frozenset[str] = USUAL
    roll: bool = True
    values: bool | None = None
    title: str = ""


@dataclass(eq=False)
class Unit:
    """What is drawn as one box: an operation, or all operations of a module call."""

    place: Operation | Group
    operations: list[Operation] = field(default_factory=list)
    hidden: int = 0  # units that it also stands for

    @property
    def around(self) -> Group | None:
        """The innermost module call around it."""
        return self.place.group if isinstance(self.place, Operation) else self.place.parent


def view(form: Form, settings: Settings) -> Drawing:
    """What of a form is drawn."""
    form = form.behind()
    units = _units(form, settings)
    rolled: list[Run] = []
    if settings.roll and len(units) > FEW:
        around = [list(enclosing(unit.around)) for unit in units]
        begins = [i == 0 or len(set(groups) - set(around[i - 1])) > 0 for i, groups in enumerate(around)]
        rolled = runs([(_signature(unit), *(group.name for group in enclosing(unit.around))) for unit in units], begins)
    return _Writer(form, settings, units, rolled).drawing()


def _units(form: Form, settings: Settings) -> list[Unit]:
    """The units at the depth that is asked for, or at the largest at which there are not too many."""
    if settings.depth is not None:
        return _at_depth(form, settings.depth, leaves=False)
    deepest = max((group.depth for group in form.groups), default=0)
    for depth in range(deepest + 1, 0, -1):
        units = _at_depth(form, depth, leaves=True)
        if len(units) <= settings.limit or depth == 1:
            return units
    return []


def _at_depth(form: Form, depth: int, leaves: bool) -> list[Unit]:
    """Module calls of this depth as units, and with `leaves` also those that called no others; else operations."""
    parents = {group.parent for group in form.groups}
    units: dict[Operation | Group, Unit] = {}
    for operation in form.operations:
        place: Operation | Group = operation
        for group in enclosing(operation.group):
            if group.depth >= depth or (leaves and group not in parents and group.depth):
                place = group
        units.setdefault(place, Unit(place)).operations.append(operation)
    return list(units.values())


def _signature(unit: Unit) -> Any:
    """What two units have in common if one repeats the other."""
    place = unit.place
    names = tuple(operation.name for operation in unit.operations)
    results = names, tuple((value.shape, value.dtype) for value in unit.operations[-1].results)
    if isinstance(place, Group):
        return place.name, place.extra, place.parameters, results
    return place.name, tuple(labels.options(place)) if place.name != "getitem" else (), results


class _Writer:
    """Writes units as boxes, and what goes from one to another as links."""

    def __init__(self, form: Form, settings: Settings, units: list[Unit], rolled: list[Run]) -> None:
        self.form, self.settings, self.show = form, settings, settings.show
        self.boxes: list[Box] = []
        self.links: dict[Any, Link] = {}
        self.clusters: list[Cluster] = []
        self.cluster_of: dict[Group | Run, int] = {}
        self.readers = form.readers()
        self.kept_units, stand_in, self.run_of = _rolled(units, rolled)
        self.same: dict[Value, Value] = {}  # for a value in a repeat that is not drawn, the one in that which is
        for unit, other in stand_in.items():
            for mine, its in zip(unit.operations, other.operations, strict=True):
                self.same.update(zip(mine.results, its.results, strict=True))
        self.unit_of = {operation: unit for unit in units for operation in unit.operations}
        self.hidden = 0
        if len(self.kept_units) > settings.limit:
            self.hidden = len(self.kept_units) - settings.limit
            self.kept_units = self.kept_units[-settings.limit :]
        self.box_of: dict[Any, int] = {}
        wide = len(self.kept_units) > FEW or any(isinstance(unit.place, Group) for unit in self.kept_units)
        self.values = settings.values if settings.values is not None else not wide
        self.scalar = all(value.shape in ((), None) for value in form.values)

    def drawing(self) -> Drawing:
        drawn = set(self.kept_units)
        for unit in self.kept_units:
            self.box_of[unit] = self._box(
                _cells_of(unit, self), "module" if isinstance(unit.place, Group) else "operation", unit
            )
        for unit in self.kept_units:
            for operation in unit.operations:
                for position, (_, value) in enumerate(operation.arguments):
                    self._argument(unit, operation, position, value, drawn)
        for unit in self.kept_units:
            for operation in unit.operations:
                for value in operation.results:
                    if self._has_box(value) and value not in self.form.outputs:
                        self._link(self.box_of[unit], self._value_box(value), "", value)
        for value in self.form.outputs:
            box, source = self._value_box(value), self.same.get(value, value).maker
            if source is not None and self.unit_of[source] in self.box_of:
                self._link(self.box_of[self.unit_of[source]], box, "", value)
        caption = self.settings.title
        if self.hidden:
            words = f"the {len(self.kept_units):,} nearest to the output; {self.hidden:,} more are not drawn"
            caption = f"{caption}\n{words}" if caption else words
        if self.form.error:
            caption = "\n".join(filter(None, (caption, f"failed: {self.form.error}")))
        return Drawing(self.boxes, list(self.links.values()), self.scalar, caption, self.clusters)

    # Boxes

    def _box(self, cells: list[str], kind: str, what: Unit | Value) -> int:
        cluster = self._cluster(what.around, self.run_of.get(what)) if isinstance(what, Unit) else -1
        self.boxes.append(Box(kind, tuple(filter(None, cells)), cluster, _id(what)))
        return len(self.boxes) - 1

    def _cluster(self, group: Group | None, run: tuple[Run, Group | None] | None) -> int:
        """The number of the innermost cluster, or -1: of module calls, and of a run within those around all of it."""
        chain: list[tuple[Group | Run, str]] = [(around, _called(around)) for around in enclosing(group) if around.path]
        if run is not None:
            outside = set(enclosing(run[1]))
            inside = [pair for pair in chain if pair[0] not in outside]
            chain = [*inside, (run[0], f"×{run[0].count}"), *chain[len(inside) :]]
        number = -1
        for key, label in reversed(chain):
            if key not in self.cluster_of:
                self.cluster_of[key] = len(self.clusters)
                self.clusters.append(Cluster(label, number))
            number = self.cluster_of[key]
        return number

    def _has_box(self, value: Value) -> bool:
        return value in self.form.outputs or self.values

    def _value_box(self, value: Value) -> int:
        if value not in self.box_of:
            kind = "output" if value in self.form.outputs else "kept" if value.kept and value.maker else value.kind
            self.box_of[value] = self._box(_cells_of_value(value, self.show), kind, value)
        return self.box_of[value]

    # Links

    def _argument(self, unit: Unit, operation: Operation, position: int, value: Value, drawn: set[Unit]) -> None:
        """Draw where an argument comes from."""
        box, one = self.box_of[unit], isinstance(unit.place, Operation)
        role = labels.role(operation, position) if one else ""
        key = (value, position) if one else value
        value = self.same.get(value, value)
        if value.maker is not None:
            source = self.unit_of[value.maker]
            if source is unit:
                return
            if source not in drawn:
                self._link(self._more(unit), box, "", value, unit)
            elif self._has_box(value):
                self._link(self._value_box(value), box, role, value, key)
            elif self.box_of[source] < box:
                self._link(self.box_of[source], box, role, value, key)
        elif value.kind == "constant" and value.shape in ((), None):
            pass  # in the operation's own text
        elif value.kind == "parameter" and not one:
            pass  # the module's own
        elif self.values or self.scalar or len(self.readers[value]) == 1:
            self._link(self._value_box(value), box, role, value, key)
        else:  # a small copy at each use: links from all over the picture to one box hide it
            self._link(self._ghost(value, unit), box, role, value, key)

    def _ghost(self, value: Value, unit: Unit) -> int:
        if (value, unit) not in self.box_of:
            self.box_of[value, unit] = self._box([_title(value)], "ghost", value)
        return self.box_of[value, unit]

    def _more(self, unit: Unit) -> int:
        if ("more", unit) not in self.box_of:
            self.box_of["more", unit] = self._box(["⋯"], "more", unit)
        return self.box_of["more", unit]

    def _link(self, tail: int, head: int, role: str, value: Value, key: Any = None) -> None:
        text = role
        if (
            "shapes" in self.show
            and value.shape
            and not self.values
            and value.maker is not None
            and value not in self.box_of
        ):
            text = " ".join(filter(None, (role, "×".join(map(str, value.shape)))))
        back = value.gradient is not None
        direction = self.settings.direction
        if direction == "backward":
            if back:
                self.links.setdefault((tail, head, key or value), Link(head, tail, text, "backward"))
            return
        kind = "both" if direction == "both" and back else "forward"
        self.links.setdefault((tail, head, key or value), Link(tail, head, text, kind))


def _called(group: Group) -> str:
    return f"{group.path}: {group.name}" + (f", call {group.call}" if group.call > 1 else "")


def _id(what: Unit | Value) -> str:
    return what.place.id if isinstance(what, Unit) else what.id


def _rolled(
    units: list[Unit], rolled: Iterable[Run]
) -> tuple[list[Unit], dict[Unit, Unit], dict[Unit, tuple[Run, Group | None]]]:
    """The units that are drawn, for each that is not the one that stands for it, and of those in a run the run and the
    module call around all of it."""
    stand_in: dict[Unit, Unit] = {}
    run_of: dict[Unit, tuple[Run, Group | None]] = {}
    for run in rolled:
        last = set(enclosing(units[run.start + run.period].around))
        common = next((group for group in enclosing(units[run.start].around) if group in last), None)
        for i in range(run.start, run.start + run.period):
            run_of[units[i]] = run, common
            for k in range(1, run.count):
                stand_in[units[i + k * run.period]] = units[i]
    return [unit for unit in units if unit not in stand_in], stand_in, run_of


def _title(value: Value) -> str:
    return labels.name(value.names) if value.names else value.kind


def _cells_of(unit: Unit, writer: _Writer) -> list[str]:
    place, show = unit.place, writer.show
    if isinstance(place, Group):
        last = unit.operations[-1]
        cells = [labels.shortened(f"{place.path}: {place.name}" if place.path else place.name)]
        if "options" in show and place.extra:
            cells.append(labels.shortened(place.extra))
        if "parameters" in show and place.parameters:
            cells.append(f"{place.parameters:,} parameters")
        if place.error:
            cells.append(labels.shortened(place.error))
    else:
        last = place
        cells = [" ".join([labels.symbol(place), *_inline(place)])]
        if "options" in show:
            cells += labels.options(place)
        if place.error:
            cells += [", ".join(labels.shape(value) for _, value in place.arguments), labels.shortened(place.error)]
    if "time" in show:
        cells += _times(unit.operations)
    if "kept" in show and (kept := sum(operation.kept for operation in unit.operations)):
        cells.append(f"keeps {kept:,} B")
    if "source" in show and last.place:
        cells.append(last.place)
    return cells


def _times(operations: list[Operation]) -> list[str]:
    cells = []
    for word, seconds in (
        ("forward", [operation.seconds for operation in operations if operation.seconds is not None]),
        ("backward", [operation.back_seconds for operation in operations if operation.back_seconds is not None]),
    ):
        if seconds:
            cells.append(f"{word} {1e6 * sum(seconds):.3g} µs")
    return cells


def _inline(operation: Operation) -> list[str]:
    """Scalar constants, as part of an operation's text."""
    found = []
    for i, (_, value) in enumerate(operation.arguments):
        if value.kind == "constant" and value.maker is None and value.shape in ((), None):
            text = "…" if value.data is None else labels.number(value.data)
            found.append(f"({text} left)" if i == 0 and operation.name in labels.INFIX else text)
    return found


def _cells_of_value(value: Value, show: frozenset[str]) -> list[str]:
    cells = [labels.name(value.names)] if value.names and "names" in show else []
    if not cells and value.kind in ("input", "constant"):
        cells.append(value.kind)
    if value.shape and "shapes" in show:
        cells.append(labels.shape(value))
    if value.data is not None and "values" in show and value.shape is not None:
        if _count(value) <= labels.SMALL:
            cells.append(f"data {labels.numbers(value.data)}")
        elif "statistics" in show:
            cells.append(labels.statistics(value.data))
    if value.gradient is not None and "gradients" in show:
        if _count(value) <= labels.SMALL:
            cells.append(f"grad {labels.numbers(value.gradient)}")
        else:
            cells.append(f"‖grad‖ {labels.number(labels.norm(value.gradient))}")
    if "bytes" in show:
        cells.append(f"{value.nbytes:,} B")
    return cells or [labels.shape(value)]


def _count(value: Value) -> int:
    size = 1
    for n in value.shape or ():
        size *= n
    return size
