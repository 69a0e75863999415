"""Views: from the form of a computation graph, what of it is drawn, as boxes, links and clusters.

First each operation gets its place: itself, or the module call that is drawn as one box. Then repeats are rolled, what
is too much is left out, and only what is left gets its text.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import NamedTuple

from . import labels
from .drawing import Box, Cluster, Drawing, Legend, Link
from .form import Form, Group, Operation, Value, enclosing
from .repeats import Run
from .units import Unit, repeated, repeats, rolled_up, units_of

SHOWN = frozenset(
    ("shapes", "values", "gradients", "statistics", "bytes", "kept", "time", "source", "parameters", "options", "names")
)
USUAL = frozenset(("shapes", "values", "gradients", "parameters", "options", "names"))
DIRECTIONS = ("forward", "backward", "both")
LEGEND = {
    "input": "input",
    "parameter": "parameter",
    "leaf": "leaf",
    "ghost": "one more use",
    "constant": "constant",
    "value": "value",
    "kept": "kept for backward",
    "output": "output",
    "operation": "operation",
    "module": "module call",
    "failed": "failed",
}
MANY = 3  # units that read a value, from which on each has a box of it
FEW = 60  # operations, up to which each value between two of them has a box of its own


class Settings(NamedTuple):
    """What a view shows; see `graph`."""

    depth: int | None = None
    limit: int | None = 300
    direction: str = "forward"
    show: frozenset[str] = USUAL
    roll: bool = True
    values: bool | None = None
    title: str = ""
    legend: bool = False
    color_by: str | Callable[[Operation | Value], float | None] | None = None

    def checked(self) -> Settings:
        """Themselves, if there is such a view: ValueError if not."""
        for name, least in (("depth", 0), ("limit", 1)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise ValueError(f"graph: {name} is {value}, and has to be at least {least}, or None")
        if self.direction not in DIRECTIONS:
            raise ValueError(f"graph: direction is {self.direction!r}, not one of {', '.join(DIRECTIONS)}")
        if unknown := self.show - SHOWN:
            raise ValueError(f"graph: cannot show {', '.join(sorted(unknown))}; show has {', '.join(sorted(SHOWN))}")
        return self


def view(form: Form, settings: Settings) -> Drawing:
    """What of a form is drawn: at most `limit` boxes, those nearest to the output."""
    form = form.behind()
    units = units_of(form, settings.depth, settings.limit)
    rolled: list[Run] = []
    if settings.roll and len(units) > FEW:
        rolled = repeats(units)
    readers = form.readers()
    limit = most = len(units) if settings.limit is None else settings.limit
    while True:
        drawing = _Writer(form, settings, units, rolled, readers, most).drawing()
        if settings.limit is None or len(drawing.boxes) <= limit or most <= 1:
            return drawing
        most = max(1, min(most - 1, most * limit // len(drawing.boxes)))


class _Writer:
    """Writes units as boxes, and what goes from one to another as links."""

    def __init__(
        self,
        form: Form,
        settings: Settings,
        units: list[Unit],
        rolled: list[Run],
        readers: dict[Value, list[tuple[Operation, int]]],
        most: int,
    ) -> None:
        self.form, self.settings, self.show, self.readers = form, settings, settings.show, readers
        self.boxes: list[Box] = []
        self.links: dict[tuple[int, int, Hashable], Link] = {}
        self.clusters: list[Cluster] = []
        self.cluster_of: dict[Group | Run, int] = {}
        self.outputs = set(form.outputs)
        drawn, stand_in, self.run_of = rolled_up(units, rolled)
        self.labels = {run: repeated(run, units) for run in rolled}
        self.also: dict[Unit | Value, list[str]] = {}  # the ids of repeats that are not drawn
        self.same: dict[Value, Value] = {}  # for a value in a repeat that is not drawn, the one in that which is
        for unit, other in stand_in.items():
            self.also.setdefault(other, []).append(unit.place.id)
            for mine, its in zip(unit.operations, other.operations, strict=True):
                self.same.update(zip(mine.results, its.results, strict=True))
        for value, shown in self.same.items():
            self.also.setdefault(shown, []).append(value.id)
        self.unit_of = {operation: unit for unit in units for operation in unit.operations}
        self.hidden = max(0, len(drawn) - most)
        self.units = drawn[self.hidden :]
        self.box_of: dict[object, int] = {}
        wide = len(self.units) > FEW or any(isinstance(unit.place, Group) for unit in self.units)
        self.values = settings.values if settings.values is not None else not wide
        self.scalar = all(value.shape in ((), None) for value in form.values)

    def drawing(self) -> Drawing:
        """Draw the units, then what goes into them, then what comes out."""
        drawn = set(self.units)
        for unit in self.units:
            rolled = unit in self.run_of
            kind = "failed" if unit.place.error else "module" if isinstance(unit.place, Group) else "operation"
            cells, also = _cells_of(unit, self.show, rolled), self.also.get(unit, ())
            self.box_of[unit] = self._box(cells, kind, unit.place.id, self._cluster(unit), also)
        for unit in self.units:
            for key, role, value in self._given(unit):
                self._argument(unit, key, role, value, drawn)
        for unit in self.units:
            for operation in unit.operations:
                for value in operation.results:
                    if self.values and isinstance(unit.place, Operation) and value not in self.outputs:
                        self._link(self.box_of[unit], self._value_box(value), "", value)
        for value in self.form.outputs:
            box, source = self._value_box(value), self.same.get(value, value).maker
            if source is not None and self.unit_of[source] in self.box_of:
                self._link(self.box_of[self.unit_of[source]], box, "", value)
        return self._finished()

    def _finished(self) -> Drawing:
        links, title = list(self.links.values()), self.settings.title
        if self.settings.direction == "backward":
            if not links:
                raise ValueError("graph: no gradient is known, and so no backward pass; run backward first")
            self.boxes, links = _linked(self.boxes, links)
        kinds = {box.kind for box in self.boxes} if self.settings.legend and self.settings.color_by is None else ()
        legend = Legend("", [Box(kind, (text,)) for kind, text in LEGEND.items() if kind in kinds])
        words = f"the {len(self.units):,} nearest to the output; {self.hidden:,} more are not drawn" * bool(self.hidden)
        failed = f"failed: {labels.shortened(labels.printable(self.form.error), 120)}" * bool(self.form.error)
        caption = "\n".join(filter(None, (title, words, failed)))
        return Drawing(self.boxes, links, self.scalar, caption, self.clusters, legend)

    # Boxes

    def _box(self, cells: list[str], kind: str, id: str, cluster: int, also: Iterable[str] = ()) -> int:
        self.boxes.append(Box(kind, tuple(filter(None, cells)), cluster, id, tuple(also)))
        return len(self.boxes) - 1

    def _cluster(self, unit: Unit) -> int:
        """The number of the innermost cluster, or -1: of module calls, and of a run within those around all of it."""
        chain: list[tuple[Group | Run, str]] = [(g, _called(g)) for g in enclosing(unit.around) if g.path]
        if unit in self.run_of:
            run, common = self.run_of[unit]
            outside = set(enclosing(common))
            inside = [pair for pair in chain if pair[0] not in outside]
            chain = [*inside, (run, self.labels[run]), *chain[len(inside) :]]
        number = -1
        for key, label in reversed(chain):
            if key not in self.cluster_of:
                self.cluster_of[key] = len(self.clusters)
                self.clusters.append(Cluster(label, number))
            number = self.cluster_of[key]
        return number

    def _value_box(self, value: Value) -> int:
        if value not in self.box_of:
            output = value in self.outputs
            kind = "output" if output else "kept" if value.kept and value.maker else value.kind
            home = None if output or value.kind == "input" else self._home(value)
            cluster = -1 if home is None else self.boxes[self.box_of[home]].cluster
            cells = _cells_of_value(value, self.show, home in self.run_of and value.maker is not None)
            if output and value.maker is None and value.kind in ("value", "constant"):
                cells.append("how it came is not recorded")
            self.box_of[value] = self._box(cells, kind, value.id, cluster, self.also.get(value, ()))
        return self.box_of[value]

    def _home(self, value: Value) -> Unit | None:
        """The unit with which a value is drawn: the one that makes it, or the only one that reads it."""
        makers = [value.maker] if value.maker is not None else [operation for operation, _ in self.readers[value]]
        homes = {self.unit_of[operation] for operation in makers}
        home = homes.pop() if len(homes) == 1 else None
        return home if home in self.box_of else None

    # Links

    def _given(self, unit: Unit) -> Iterator[tuple[Hashable, str, Value]]:
        """What goes into a unit: a key for each link, a role and the value."""
        place = unit.place
        if isinstance(place, Operation):
            for position, (_, value) in enumerate(place.arguments):
                yield (value, position), labels.role(place, position), value
            return
        given = set(place.arguments)
        read = [value for operation in unit.operations for _, value in operation.arguments]
        for value in dict.fromkeys([*place.arguments, *read]):
            own = value.maker is None and value not in given and value.kind in ("constant", "parameter")
            if not own and not (value.kind == "constant" and value.shape is None):
                yield value, "", value

    def _argument(self, unit: Unit, key: Hashable, role: str, value: Value, drawn: set[Unit]) -> None:
        """Draw where an argument comes from."""
        box = self.box_of[unit]
        if value in self.same:  # one link for all repeats
            value = key = self.same[value]
        if value.maker is not None:
            source = self.unit_of[value.maker]
            if source is unit:
                return
            if source not in drawn:
                self._link(self._more(unit), box, "", value, unit)
            elif self.values or value in self.outputs:
                self._link(self._value_box(value), box, role, value, key)
            elif self.box_of[source] < box:
                self._link(self.box_of[source], box, role, value, key)
        elif value.kind == "constant" and value.shape in ((), None) and not value.names:
            pass  # in the operation's own text
        elif self.values or self.scalar or len(self._readers_of(value)) < MANY:
            self._link(self._value_box(value), box, role, value, key)
        else:  # a small copy at each use: links from all over the picture to one box hide it
            self._link(self._ghost(value, unit), box, role, value, key)

    def _readers_of(self, value: Value) -> set[Unit]:
        return {self.unit_of[operation] for operation, _ in self.readers[value]} & self.box_of.keys()

    def _ghost(self, value: Value, unit: Unit) -> int:
        """A box for one more use of a value; the first has all that is said of it."""
        if (value, unit) not in self.box_of:
            first = value not in self.box_of
            cells = _cells_of_value(value, self.show, False) if first else [_title(value)]
            kind = value.kind if first else "ghost"
            cluster = -1 if value.kind == "input" else self.boxes[self.box_of[unit]].cluster
            self.box_of[value, unit] = self._box(cells, kind, value.id, cluster)
            self.box_of.setdefault(value, self.box_of[value, unit])
        return self.box_of[value, unit]

    def _more(self, unit: Unit) -> int:
        if ("more", unit) not in self.box_of:
            cluster = self.boxes[self.box_of[unit]].cluster
            self.box_of["more", unit] = self._box(["⋯"], "more", "", cluster)
        return self.box_of["more", unit]

    def _link(self, tail: int, head: int, role: str, value: Value, key: Hashable = None) -> None:
        """Add a link with its text: the role, and the shape of what has no box to say it."""
        text, direction = role, self.settings.direction
        if "shapes" in self.show and value.shape and value.maker is not None and value not in self.box_of:
            text = " ".join(filter(None, (role, "×".join(map(str, value.shape)))))
        back = value.gradient is not None
        if direction == "backward":
            if back:
                self.links.setdefault((tail, head, key or value), Link(head, tail, text, "backward"))
            return
        kind = "both" if direction == "both" and back else "forward"
        self.links.setdefault((tail, head, key or value), Link(tail, head, text, kind))


def _linked(boxes: list[Box], links: list[Link]) -> tuple[list[Box], list[Link]]:
    """The boxes that a link leads from or to, and the links with their new numbers."""
    used = sorted({end for link in links for end in (link.tail, link.head)})
    new = {old: i for i, old in enumerate(used)}
    return [boxes[i] for i in used], [link._replace(tail=new[link.tail], head=new[link.head]) for link in links]


def _called(group: Group) -> str:
    return f"{group.path}: {group.name}" + (f", call {group.call}" if group.call > 1 else "")


def _title(value: Value) -> str:
    return labels.name(value.names) if value.names else value.kind


def _cells_of(unit: Unit, show: frozenset[str], rolled: bool) -> list[str]:
    """The texts of a unit's box; one that stands for others (`rolled`) says of an index that it goes on."""
    place = unit.place
    if isinstance(place, Group):
        cells = [labels.shortened(_called(place) if place.path else place.name)]
        if "options" in show and place.extra:
            cells += labels.lines(place.extra)
        if "parameters" in show and place.parameters:
            cells.append(f"{place.parameters:,} parameters")
        given, source = place.arguments, unit.operations[-1].place if unit.operations else ""
    else:
        cells = [" ".join([labels.symbol(place), *labels.inlined(place)])]
        if "options" in show:
            more = " …" if rolled and place.name == "getitem" else ""
            cells += [text + more for text in labels.options(place)]
        given, source = [value for _, value in place.arguments], place.place
    if place.error:
        cells += [f"given {', '.join(filter(None, map(labels.shape, given)))}", labels.shortened(place.error, 100)]
    if "time" in show:
        cells += _times(unit.operations)
    if "kept" in show and (kept := sum(operation.kept for operation in unit.operations)):
        cells.append(f"keeps {labels.size(kept)}")
    if "source" in show and source:
        cells.append(source)
    return list(map(labels.printable, cells))


def _times(operations: list[Operation]) -> list[str]:
    cells = []
    for word, seconds in (
        ("forward", [operation.seconds for operation in operations if operation.seconds is not None]),
        ("backward", [operation.back_seconds for operation in operations if operation.back_seconds is not None]),
    ):
        if seconds:
            cells.append(f"{word} {labels.duration(sum(seconds))}")
    return cells


def _cells_of_value(value: Value, show: frozenset[str], rolled: bool) -> list[str]:
    """The texts of a value's box; of one that stands for others (`rolled`) not what is its own."""
    cells = [labels.name(value.names)] if value.names and "names" in show else []
    if not cells and value.kind in ("input", "constant"):
        cells.append(value.kind)
    if value.shape and "shapes" in show:
        cells.append(labels.shape(value))
    if rolled:
        return cells or [labels.shape(value)]
    if value.data is not None and value.shape is not None:
        if "values" in show and _count(value) <= labels.SMALL:
            cells.append(f"data {labels.numbers(value.data)}")
        elif "statistics" in show:
            cells.append(labels.statistics(value.data))
    if value.gradient is not None and "gradients" in show:
        if _count(value) <= labels.SMALL:
            cells.append(f"grad {labels.numbers(value.gradient)}")
        else:
            cells.append(f"‖grad‖ {labels.number(labels.norm(value.gradient))}")
    if "bytes" in show:
        cells.append(labels.size(value.nbytes))
    return cells or [labels.shape(value)]


def _count(value: Value) -> int:
    size = 1
    for n in value.shape or ():
        size *= n
    return size
