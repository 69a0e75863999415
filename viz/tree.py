"""Graphs as a tree of text: calls of modules, and the operations beside them, with shapes and parameters."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass, field

from . import labels
from .form import Form, Group, Operation, Value, enclosing
from .repeats import runs

_COLUMNS = ("", "input", "output", "parameters")
_WIDEST = 56  # characters of shapes

Inside = dict[Group | None, list[Group | Operation]]  # what is directly in a module call, or in none


@dataclass(eq=False)
class _Node:
    """A line of the tree: the `call`-th call of a module, an operation, or what is repeated so many times."""

    cells: tuple[str, ...]
    children: list[_Node] = field(default_factory=list)
    call: int = 1

    def signature(self) -> Hashable:
        """What two lines have in common if one repeats the other: not a module's own name, nor which call it is."""
        return self.cells[0].rpartition(": ")[2], self.cells[1:], tuple(child.signature() for child in self.children)


def tree(form: Form, depth: int | None = None, limit: int | None = None) -> str:
    """A form as text: each call of a module with its shapes and parameters, repeats once, and sums below.

    Operations are there where a module calls others beside them, or where there are no modules. `depth`: no deeper
    calls than this; 0 is the whole model. `limit`: at most so many lines of the tree.
    """
    form = form.behind()
    whole = _Node(("",), _children(None, _inside(form), _made(form), depth))
    rows = [_COLUMNS, *_lines(whole)]
    if limit is not None and len(rows) > limit + 1:
        rows[limit + 1 :] = [(f"… {len(rows) - limit - 1:,} more lines",)]
    widths = [max(len(row[i]) for row in rows if i < len(row)) for i in range(len(_COLUMNS))]
    lines = [_row(row, widths) for row in rows]
    rule = "─" * max(map(len, lines))
    return "\n".join([lines[0], rule, *lines[1:], rule, *_sums(form)]) + "\n"


def _row(row: tuple[str, ...], widths: list[int]) -> str:
    texts = [text.ljust(width) for text, width in zip(row[:-1], widths, strict=False)]
    return "  ".join([*texts, row[-1].rjust(widths[-1])] if len(row) == len(widths) else row).rstrip()


def _inside(form: Form) -> Inside:
    """What is directly in each module call, in the order in which it ran."""
    inside: Inside = {None: []}
    waiting = iter(form.groups)

    def enter(last: Group | None) -> None:
        """Calls begin in their order, so all before this one have begun, too; some have no operations."""
        while last is not None and last not in inside:
            group = next(waiting)
            inside[group.parent].append(group)
            inside[group] = []

    for operation in form.operations:
        enter(operation.group)
        inside[operation.group].append(operation)
    for group in form.groups:
        enter(group)
    return inside


def _made(form: Form) -> dict[Group, list[Value]]:
    """What comes out of each module call: what is made in it and read outside."""
    around = {operation: list(enclosing(operation.group)) for operation in form.operations}
    made: dict[Group, dict[Value, None]] = {group: {} for group in form.groups}
    read = [(value, around[operation]) for operation in form.operations for _, value in operation.arguments]
    for value, outside in [*read, *((value, []) for value in form.outputs)]:
        for group in () if value.maker is None else around[value.maker]:
            if group not in outside:
                made[group][value] = None
    return {group: list(values) for group, values in made.items()}


def _children(group: Group | None, inside: Inside, made: dict[Group, list[Value]], depth: int | None) -> list[_Node]:
    """The lines below that of a module call, of which repeats are one."""
    parts = inside[group]
    if group is not None and not any(isinstance(part, Group) for part in parts):
        return []  # the operations of a module that calls no others are its own
    nodes = []
    for part in parts:
        if isinstance(part, Operation):
            nodes.append(_Node(_cells_of(part)))
        else:
            below = _children(part, inside, made, depth) if depth is None or part.depth < depth else []
            nodes.append(_Node(_cells_of_call(part, made[part]), below, part.call))
    return _rolled(nodes)


def _rolled(nodes: list[_Node]) -> list[_Node]:
    signatures = [node.signature() for node in nodes]
    found: list[_Node] = []
    at = 0
    for start, period, count in runs(signatures):
        found += nodes[at:start]
        at = start + period * count
        if period == 1:
            first, last = nodes[start].cells, nodes[at - 1].cells
            names = [cells[0].rpartition(": ")[0] for cells in (first, last)]
            name = first[0] if names[0] == names[1] else f"{names[0]} … {names[1]}: {first[0].rpartition(': ')[2]}"
            found.append(_Node((f"{name} ×{count}", *first[1:]), nodes[start].children, nodes[start].call))
        else:
            found.append(_Node((f"×{count}", "", "", ""), nodes[start : start + period]))
    return found + nodes[at:]


def _cells_of_call(group: Group, made: list[Value]) -> tuple[str, ...]:
    parent = group.parent.path if group.parent is not None else ""
    own = group.path.removeprefix(f"{parent}." if parent else "")
    name = f"{group.name}({labels.shortened(group.extra, 80)})" if group.extra else group.name
    name = f"{own}: {name}" if own else name
    parameters = f"{group.parameters:,}" if group.parameters else ""
    if group.error:
        name = f"{name}, failed"
    return labels.printable(name), _shapes(group.arguments), _shapes(made), parameters


def _cells_of(operation: Operation) -> tuple[str, ...]:
    given = [value for _, value in operation.arguments if value.shape or value.kind != "constant"]
    text = " ".join([operation.name, *labels.options(operation)])
    if operation.error:
        text = f"{text}, failed"
    sizes = {value: _size(value) for value in given if value.kind == "parameter"}
    parameters = f"{sum(sizes.values()):,}" if sizes else ""
    return labels.shortened(labels.printable(text), 100), _shapes(given), _shapes(operation.results), parameters


def _shapes(values: Iterable[Value]) -> str:
    found = ["?" if v.shape is None else str(v.shape) for v in values]
    return labels.shortened(", ".join(found), _WIDEST)


def _size(value: Value) -> int:
    return value.nbytes // value.dtype.itemsize if value.dtype is not None and value.dtype.itemsize else 0


def _lines(whole: _Node) -> Iterator[tuple[str, ...]]:
    """The cells of each line, with branches before its name, and of a later call that it is one."""
    waiting = [(node, "", "", "") for node in reversed(whole.children)]
    while waiting:
        node, before, branch, under = waiting.pop()
        name, *shapes, parameters = node.cells
        if node.call > 1:
            name, parameters = f"{name}, call {node.call}", "the same" if parameters else ""
        yield (before + branch + name, *shapes, parameters)
        for child in reversed(node.children):
            last = child is node.children[-1]
            waiting.append((child, before + under, "└─ " if last else "├─ ", "   " if last else "│  "))


def _sums(form: Form) -> Iterator[str]:
    parameters = [value for value in form.values if value.kind == "parameter"]
    if parameters:
        yield f"parameters: {sum(map(_size, parameters)):,} in {len(parameters):,} arrays, those shared counted once"
    yield f"operations: {len(form.operations):,}"
    results = sum(value.nbytes for value in form.values if value.maker is not None)
    kept = sum(value.nbytes for value in form.values if value.maker is not None and value.kept)
    kept += sum(operation.kept for operation in form.operations)
    yield f"results: {labels.size(results)}; kept for the backward pass: {labels.size(kept)}"
    if form.error:
        yield f"failed: {labels.shortened(labels.printable(form.error), 120)}"
