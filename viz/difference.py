"""The structural difference of two computation graphs, in one picture."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import NamedTuple

from . import labels
from .drawing import Box, Cluster, Drawing, Link, Paint
from .drawn import Drawn
from .form import Group, Operation, Value, enclosing
from .graph import Graph
from .matching import Structure, is_number, leaf, matched

SIGNS = {"added": "+ added", "removed": "− removed", "changed": "~ changed"}
PAINTS = {  # told apart also by those who do not see red or green
    "added": Paint("#c9ecdf", "#00795c", True),
    "removed": Paint("#ffdccc", "#c2410c", True),
    "changed": Paint("#fff0b8", "#8a6d00", True),
    "same": Paint("#ffffff", "#9aa3af"),
}

Part = Operation | Value
Tie = tuple[Part, Operation, int]  # from a part to an argument of an operation


class Change(NamedTuple):
    """An operation, or a value that no operation made, which both graphs have, but not alike."""

    before: Part
    after: Part

    def __str__(self) -> str:
        return f"{_name(self.after)}: {', '.join(_said(self.before, self.after)) or 'other arguments or outputs'}"


class Difference(Drawn):
    """What `difference` gives: a picture, and as lists what is `added`, `removed` and `changed`.

    These are operations, and values that none made; `moved` counts the arguments that come
    from another of these than before where all are in both graphs. It is false where there is no difference.
    """

    def __init__(self, union: _Union, limit: int | None, title: str) -> None:
        self.added, self.removed, self.changed = union.added, union.removed, union.changed
        self.moved = len({tie[1:] for tie in union.moved()})
        super().__init__(_Writer(union, limit).drawing(title, _counted(self)))

    def __bool__(self) -> bool:
        """Whether there is a difference."""
        return bool(self.added or self.removed or self.changed or self.moved)

    def __repr__(self) -> str:
        return f"<Difference: {_counted(self)}>"

    def __str__(self) -> str:
        lines = [f"− {_title(part)}{_where(part)}" for part in self.removed]
        lines += [f"+ {_title(part)}{_where(part)}" for part in self.added]
        lines += [f"~ {change}{_where(change.after)}" for change in self.changed]
        return "\n".join([*lines, _counted(self)])

    def _texts(self) -> dict[str, Callable[[], str]]:
        return super()._texts() | {"txt": self.__str__}


def difference(a: Graph, b: Graph, *, limit: int | None = 300, title: str = "") -> Difference:
    """Compare two graphs, and draw what was added, removed and changed from `a` to `b`, with what is next to it.

    Operations are matched by what leads to them and what they lead to; names, ids, data and the order in which they ran
    play no part. Another option, shape or dtype, or another constant number, is a change. `limit`: at most so many
    boxes for these; None for all.

    >>> from pullback import Tensor
    >>> from pullback.viz import graph
    >>> x = Tensor([1.0, 2.0], requires_grad=True)
    >>> print(difference(graph((x * x).sum()), graph((x * x).exp().sum())))
    + exp
    1 added
    >>> bool(difference(graph(x * x + x), graph(x * x + x)))
    False
    """
    for argument, given in (("a", a), ("b", b)):
        if not isinstance(given, Graph):
            raise TypeError(f"difference: {argument} is a {type(given).__name__}, not a Graph as viz.graph gives it")
    return Difference(_Union(Structure(a.form), Structure(b.form)), limit, title)


class _Union:
    """Two graphs as one: what is in both is the part of the second, for which `origin` has that of the first."""

    def __init__(self, a: Structure, b: Structure) -> None:
        self.a, self.b = a, b
        self.into: dict[Part, Part] = dict(matched(a, b).items())
        self._leaves()
        self.origin = {y: x for x, y in self.into.items()}
        self.before, self.after = _ties(a, self.into), _ties(b, {})
        ours, others = _parts(a), _parts(b)
        self.removed = [part for part in ours if part not in self.into]
        self.added = [part for part in others if part not in self.origin]
        self.changed = [
            Change(self.origin[part], part)
            for part in others
            if part in self.origin and self._said(a, self.origin[part]) != self._said(b, part)
        ]
        self.parts = _merged([self.into.get(part, part) for part in ours], others)
        self.state: dict[Part, str] = dict.fromkeys(self.parts, "same")
        self.state.update(dict.fromkeys(self.added, "added"))
        self.state.update(dict.fromkeys(self.removed, "removed"))
        self.state.update((change.after, "changed") for change in self.changed)

    def _leaves(self) -> None:
        """Match the values that no operation made: arguments of matched operations, then what has the same name."""
        ours, others = ([v for v in _parts(side) if isinstance(v, Value)] for side in (self.a, self.b))
        taken: set[Value] = set()
        pairs = [
            (mine, its)
            for x, y in self.into.items()
            if isinstance(x, Operation) and isinstance(y, Operation)
            for (_, mine), (_, its) in zip(x.arguments, y.arguments, strict=False)
        ]
        called = {(v.kind, v.names, leaf(v)): v for v in reversed(others)}
        pairs += [(v, called[key]) for v in ours if (key := (v.kind, v.names, leaf(v))) in called]
        for mine, its in pairs:
            if mine.maker is None and its.maker is None and mine not in self.into and its not in taken:
                self.into[mine] = its
                taken.add(its)

    @staticmethod
    def _said(structure: Structure, part: Part) -> Hashable:
        """What is compared of a part itself; of its arguments only numbers."""
        if isinstance(part, Value):
            return leaf(part)
        given = tuple((role, leaf(v) if is_number(v) else None) for role, v in part.arguments)
        made = tuple((value.shape, value.dtype, structure.outputs.get(value)) for value in part.results)
        return part.name, given, tuple(labels.options(part)), made

    def moved(self) -> list[Tie]:
        """Of arguments that come from another part than before the ties of both graphs, where all parts are in both."""
        sources: dict[tuple[Operation, int], list[Part]] = {}
        for source, head, position in dict.fromkeys([*self.before, *self.after]):
            sources.setdefault((head, position), []).append(source)
        return [
            (source, *place)
            for place, found in sources.items()
            if {self.state[part] for part in (place[0], *found)} <= _BOTH
            for source in found
            if ((source, *place) in self.before) != ((source, *place) in self.after)
        ]


_BOTH = {"same", "changed"}


def _parts(structure: Structure) -> list[Part]:
    """Operations, each after the values that are its arguments and that no operation made."""
    found: dict[Part, None] = {}
    for operation in structure.order:
        for _, value in operation.arguments:
            if value.maker is None and not is_number(value):
                found[value] = None
        found[operation] = None
    return list(found)


def _ties(structure: Structure, into: dict[Part, Part]) -> dict[Tie, Value]:
    """From what each argument comes, with the argument."""
    ties: dict[Tie, Value] = {}
    for operation in structure.order:
        for position, (_, value) in enumerate(operation.arguments):
            if not is_number(value):
                source: Part = value if value.maker is None else value.maker
                head = into.get(operation, operation)
                assert isinstance(head, Operation)
                ties[into.get(source, source), head, position] = value
    return ties


def _merged(ours: list[Part], others: list[Part]) -> list[Part]:
    """Both lists as one, what only the first has where it stands there: after what is before it."""
    known = set(others)
    behind: dict[Part | None, list[Part]] = {}
    last: Part | None = None
    for part in ours:
        if part in known:
            last = part
        else:
            behind.setdefault(last, []).append(part)
    merged = behind.get(None, [])
    for part in others:
        merged += [part, *behind.get(part, ())]
    return merged


class _Writer:
    """Writes what differs and what is next to it as boxes and links."""

    def __init__(self, union: _Union, limit: int | None) -> None:
        self.union = union
        self.ties = union.before | union.after
        near = {part for part, state in union.state.items() if state != "same"}
        near |= {end for tie in union.moved() for end in tie[:2]}
        around = {end for tie in self.ties if near & {*tie[:2]} for end in tie[:2] if _operates(end) or end in near}
        self.shown = [part for part in union.parts if part in near | around]
        self.cut = 0 if limit is None else max(0, len(self.shown) - limit)
        self.shown = self.shown[: len(self.shown) - self.cut]
        self.boxes: list[Box] = []
        self.links: list[Link] = []
        self.clusters: list[Cluster] = []
        self.cluster_of: dict[Hashable, int] = {}
        self.box_of: dict[Hashable, int] = {}

    def drawing(self, title: str, counted: str) -> Drawing:
        union = self.union
        if not self.shown:
            self.boxes.append(Box("operation", ("no difference",)))
        for part in self.shown:
            self._box(part)
        for tie in self.ties:
            self._link(tie)
        rest = sum(_operates(part) for part in union.parts) - sum(map(_operates, self.shown))
        words = (
            f"{rest:,} more operations are not drawn" if self.cut else f"{rest:,} unchanged operations are not drawn"
        )
        caption = "\n".join(filter(None, (title, counted, words * bool(rest))))
        return Drawing(self.boxes, self.links, False, caption, self.clusters)

    def _box(self, part: Part) -> None:
        state, before = self.union.state[part], self.union.origin.get(part)
        cells = [SIGNS.get(state, ""), _name(part) if state == "changed" else _title(part)]
        if state == "changed" and before is not None:
            cells += _said(before, part)
        elif state != "same" and isinstance(part, Operation):
            cells += labels.options(part)
        kind = "operation" if isinstance(part, Operation) else part.kind
        group = part.group if isinstance(part, Operation) else None
        self.box_of[part] = len(self.boxes)
        self.boxes.append(Box(kind, tuple(filter(None, cells)), self._cluster(group), part.id, (), PAINTS[state]))

    def _cluster(self, group: Group | None) -> int:
        """The number of the innermost cluster: that of a module call, which both graphs may have."""
        chain = [g for g in enclosing(group) if g.path][::-1]
        number = -1
        for i, g in enumerate(chain):
            key = tuple((g.path, g.name, g.call) for g in chain[: i + 1])
            if key not in self.cluster_of:
                self.cluster_of[key] = len(self.clusters)
                self.clusters.append(Cluster(labels.printable(f"{g.path}: {g.name}"), number))
            number = self.cluster_of[key]
        return number

    def _link(self, tie: Tie) -> None:
        source, head, _ = tie
        tail, end = self.box_of.get(source), self.box_of.get(head)
        if tail is None and end is None:
            return
        if tail is None:
            if _operates(source):
                self.links.append(Link(self._more(("before", head), self.boxes[end or 0].cluster), end or 0))
            return
        if end is None:
            if _operates(source):
                self.links.append(Link(tail, self._more(("after", source), self.boxes[tail].cluster)))
            return
        sign = "" if tie in self.union.before and tie in self.union.after else "+" if tie in self.union.after else "−"
        colour = {"": "", "+": PAINTS["added"].line, "−": PAINTS["removed"].line}[sign]
        self.links.append(Link(tail, end, sign, "forward", colour))

    def _more(self, key: Hashable, cluster: int) -> int:
        if key not in self.box_of:
            self.box_of[key] = len(self.boxes)
            self.boxes.append(Box("more", ("⋯",), cluster))
        return self.box_of[key]


def _operates(part: Part) -> bool:
    return isinstance(part, Operation)


def _name(part: Part) -> str:
    return part.name if isinstance(part, Operation) else labels.name(part.names) or part.kind


def _title(part: Part) -> str:
    """A name with what tells it from others: an operation's constant numbers, a value's shape."""
    if isinstance(part, Value):
        return f"{_name(part)} {labels.shape(part)}".rstrip()
    numbers = ["…" if v.data is None else labels.number(v.data) for _, v in part.arguments if is_number(v)]
    return " ".join([_name(part), *numbers])


def _said(before: Part, after: Part) -> list[str]:
    """What of a part is otherwise than before."""
    if isinstance(before, Value) or isinstance(after, Value):
        return [f"{_shape(before)} → {_shape(after)}"]
    said = [] if _title(before) == _title(after) else [f"{_title(before)} → {_title(after)}"]
    old, new = ({text.partition("=")[0]: text for text in labels.options(part)} for part in (before, after))
    for key in dict.fromkeys([*old, *new]):
        if old.get(key) != new.get(key):
            said.append(f"{old.get(key, f'no {key}')} → {new[key].partition('=')[2] if key in new else 'none'}")
    if _shape(before) != _shape(after):
        said.append(f"{_shape(before)} → {_shape(after)}")
    return list(map(labels.printable, said))


def _shape(part: Part) -> str:
    return labels.shape(part) if isinstance(part, Value) else ", ".join(map(labels.shape, part.results))


def _where(part: Part) -> str:
    return f" at {part.place}" if isinstance(part, Operation) and part.place else ""


def _counted(found: Difference) -> str:
    counts = {"added": len(found.added), "removed": len(found.removed), "changed": len(found.changed)}
    words = [f"{count:,} {word}" for word, count in counts.items() if count]
    words += [f"{found.moved:,} argument{'s' * (found.moved > 1)} moved"] * bool(found.moved)
    return ", ".join(words) or "no difference"
