"""Which operations of one computation graph stand for which of another: by structure, not by name, id or order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence

from . import labels
from .form import Form, Operation, Value

_LOOKED_AT = 64  # candidates of the same structure

Codes = dict[Hashable, int]  # numbers for what is told apart, the same for both graphs
Label = Callable[[Operation], Hashable]


class Structure:
    """A form in an order that its structure alone decides: depth first from the outputs, arguments before results."""

    def __init__(self, form: Form) -> None:
        self.form = form = form.behind()
        self.readers = form.readers()
        self.outputs = {value: i for i, value in enumerate(form.outputs)}
        self.order: list[Operation] = []
        seen: set[Operation] = set()
        ends = [value.maker for value in form.outputs if value.maker is not None]
        for end in (*ends, *form.operations):
            stack = [] if end in seen else [(end, iter(self.before(end)))]
            seen.add(end)
            while stack:
                operation, rest = stack[-1]
                found = next((maker for maker in rest if maker not in seen), None)
                if found is None:
                    self.order.append(operation)
                    stack.pop()
                else:
                    seen.add(found)
                    stack.append((found, iter(self.before(found))))

    def before(self, operation: Operation) -> list[Operation]:
        """The operations that made the arguments, as often as they are argument."""
        return [value.maker for _, value in operation.arguments if value.maker is not None]

    def after(self, operation: Operation) -> list[Operation]:
        """The operations that read the results."""
        return [reader for value in operation.results for reader, _ in self.readers[value]]

    def label(self, operation: Operation) -> Hashable:
        """All that is said of an operation itself: name, arguments that no operation made, options, results."""
        given = [(role, None if v.maker else leaf(v)) for role, v in operation.arguments]
        made = [(value.shape, str(value.dtype), self.outputs.get(value)) for value in operation.results]
        return operation.name, tuple(given), tuple(labels.options(operation)), tuple(made)

    def from_inputs(self, label: Label, codes: Codes) -> dict[Operation, int]:
        """Codes that are alike where all is that leads to two operations."""
        found: dict[Operation, int] = {}
        for operation in self.order:
            given = []
            for _, value in operation.arguments:
                maker = value.maker
                given.append(None if maker is None else (found[maker], maker.results.index(value)))
            key = "from inputs", label(operation), tuple(given)
            found[operation] = codes.setdefault(key, len(codes))
        return found

    def from_outputs(self, label: Label, codes: Codes) -> dict[Operation, int]:
        """Codes that are alike where all is to which two operations lead."""
        found: dict[Operation, int] = {}
        for operation in reversed(self.order):
            read = []
            for i, value in enumerate(operation.results):
                read += [(i, position, found[reader]) for reader, position in self.readers[value]]
                read += [(i, -1, self.outputs[value])] if value in self.outputs else []
            key = "from outputs", label(operation), tuple(sorted(read))
            found[operation] = codes.setdefault(key, len(codes))
        return found


def leaf(value: Value) -> Hashable:
    """All that is compared of a value that no operation made: shape, dtype, and of constant numbers which."""
    number = labels.number(value.data) if is_number(value) and value.data is not None else None
    return value.shape, str(value.dtype), number


def is_number(value: Value) -> bool:
    """Whether it is a constant number, which is part of its operation's text."""
    return value.kind == "constant" and value.maker is None and value.shape in ((), None) and not value.names


def matched(a: Structure, b: Structure) -> dict[Operation, Operation]:
    """For operations of `a` those of `b` that stand for them.

    First those between whose inputs and outputs all is alike, then those where what leads to them is, or what they lead
    to; then the same with names of operations alone; last what a longest common subsequence pairs.
    """
    found: dict[Operation, Operation] = {}
    codes: Codes = {}
    for one, other in ((a.label, b.label), (_named, _named)):
        up = a.from_inputs(one, codes), b.from_inputs(other, codes)
        down = a.from_outputs(one, codes), b.from_outputs(other, codes)
        both = tuple({x: (above[x], below[x]) for x in above} for above, below in zip(up, down, strict=True))
        _pair(found, (a.order, b.order), both, (a.before, b.before), tuple)
        _pair(found, (a.order, b.order), up, (a.before, b.before), tuple)
        _pair(found, (a.order[::-1], b.order[::-1]), down, (a.after, b.after), frozenset)
    for one, other in ((a.label, b.label), (_named, _named)):
        taken = set(found.values())
        left, right = [x for x in a.order if x not in found], [y for y in b.order if y not in taken]
        pairs = common([one(x) for x in left], [other(y) for y in right])
        found.update((left[i], right[j]) for i, j in pairs)
    return _in_order(found, a, b)


def _named(operation: Operation) -> Hashable:
    return operation.name


def _pair(
    found: dict[Operation, Operation],
    orders: Sequence[Sequence[Operation]],
    codes: Sequence[Mapping[Operation, Hashable]],
    neighbours: Sequence[Callable[[Operation], list[Operation]]],
    gather: Callable[[Iterable[Operation | None]], Hashable],
) -> None:
    """Pair what has the same code and neighbours that stand for each other, as far as these are paired at all."""
    back = {y: x for x, y in found.items()}
    candidates: dict[Hashable, deque[Operation]] = {}
    for y in orders[1]:
        if y not in back:
            candidates.setdefault(codes[1][y], deque()).append(y)
    for x in orders[0]:
        same = candidates.get(codes[0][x])
        if x in found or not same:
            continue
        wanted = gather(map(found.get, neighbours[0](x)))
        for i in range(min(len(same), _LOOKED_AT)):
            y = same[i]
            if gather(z if z in back else None for z in neighbours[1](y)) == wanted:
                found[x], back[y] = y, x
                del same[i]
                break


def common(a: Sequence[Hashable], b: Sequence[Hashable]) -> list[tuple[int, int]]:
    """The places of a longest common subsequence, by the bits of long integers (Hyyrö, 2004).

    >>> common("graph", "garage")
    [(0, 0), (1, 2), (2, 3)]
    """
    at: dict[Hashable, int] = {}
    for j, item in enumerate(b):
        at[item] = at.get(item, 0) | 1 << j
    full = (1 << len(b)) - 1
    rows = [full]  # of row i, bit j is 0 where b[:j + 1] has a longer subsequence in common with a[:i] than b[:j]
    for item in a:
        row = rows[-1]
        hits = row & at.get(item, 0)
        rows.append(((row + hits) | (row - hits)) & full)
    pairs, i, j = [], len(a), len(b)
    while i and j:
        if rows[i] >> (j - 1) & 1:
            j -= 1
        elif not rows[i - 1] >> (j - 1) & 1:
            i -= 1
        else:
            i, j = i - 1, j - 1
            pairs.append((i, j))
    return pairs[::-1]


def _in_order(found: dict[Operation, Operation], a: Structure, b: Structure) -> dict[Operation, Operation]:
    """The pairs, if they can all be drawn in one graph without circles; else those that are in the same order."""
    names = {y: x for x, y in found.items()}
    links = [(maker, x) for x in a.order for maker in a.before(x)]
    links += [(names.get(maker, maker), names.get(y, y)) for y in b.order for maker in b.before(y)]
    if not _circular(links):
        return found
    back = {y: i for i, y in enumerate(y for y in b.order if y in names)}
    pairs = [x for x in a.order if x in found]
    kept = _rising([back[found[x]] for x in pairs])
    return {pairs[i]: found[pairs[i]] for i in kept}


def _circular(links: Iterable[tuple[Operation, Operation]]) -> bool:
    after: dict[Operation, list[Operation]] = {}
    waiting: dict[Operation, int] = {}
    for tail, head in links:
        after.setdefault(tail, []).append(head)
        waiting[head] = waiting.get(head, 0) + 1
        waiting.setdefault(tail, 0)
    ready = [x for x, count in waiting.items() if not count]
    done = 0
    while ready:
        done += 1
        for head in after.get(ready.pop(), ()):
            waiting[head] -= 1
            if not waiting[head]:
                ready.append(head)
    return done < len(waiting)


def _rising(numbers: Sequence[int]) -> list[int]:
    """The places of a longest rising subsequence of different numbers."""
    return [i for i, _ in common(numbers, sorted(numbers))]
