"""Units: the operations and module calls that are drawn as one box each, and repeats of them."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field

from . import labels
from .form import Form, Group, Operation, Value, enclosing
from .repeats import LEAST, Run, runs


@dataclass(eq=False)
class Unit:
    """What is drawn as one box: an operation, or all operations of a module call."""

    place: Operation | Group
    operations: list[Operation] = field(default_factory=list)

    @property
    def around(self) -> Group | None:
        """The innermost module call around it."""
        return self.place.group if isinstance(self.place, Operation) else self.place.parent


def units_of(form: Form, depth: int | None, limit: int | None) -> list[Unit]:
    """The units at the depth that is asked for, or at the largest at which there are not too many."""
    if depth is not None:
        return _at_depth(form, depth, set())
    outer = {group.parent for group in form.groups}
    whole = _around_all(form)
    leaves = {group for group in form.groups if group not in outer and group is not whole}
    deepest = max((group.depth for group in form.groups), default=0)
    least = 0 if whole is None else whole.depth + 1
    for level in range(deepest + 1, least - 1, -1):
        units = _at_depth(form, level, leaves)
        if limit is None or len(units) <= limit:
            break
    return units


def _around_all(form: Form) -> Group | None:
    """The outermost module call, if everything ran in one."""
    ran = dict.fromkeys(operation.group for operation in form.operations)
    places = [*ran, *(group for group in form.groups if group.error)]
    outermost = {next(reversed(list(enclosing(place))), None) for place in places}
    return outermost.pop() if len(outermost) == 1 else None


def _at_depth(form: Form, depth: int, leaves: set[Group]) -> list[Unit]:
    """Module calls of this depth as units, and also the `leaves`; else operations. What failed is the last."""
    units: dict[Operation | Group, Unit] = {}

    def unit_of(place: Operation | Group, groups: Iterable[Group]) -> Unit:
        for group in groups:
            if group.depth >= depth or group in leaves:
                place = group
        return units.setdefault(place, Unit(place))

    for operation in form.operations:
        unit_of(operation, enclosing(operation.group)).operations.append(operation)
    failed = [group for group in form.groups if group.error]
    if form.error and failed and not any(operation.error for operation in form.operations):
        unit_of(failed[-1], enclosing(failed[-1]))
    return list(units.values())


def repeats(units: list[Unit]) -> list[Run]:
    """Runs of units that do the same with what they get from each other, where they can begin with a module call."""
    around = [list(enclosing(unit.around)) for unit in units]
    begins = [i == 0 or len(set(groups) - set(around[i - 1])) > 0 for i, groups in enumerate(around)]
    alike = runs([(_signature(unit), *(group.name for group in enclosing(unit.around))) for unit in units], begins)
    number = {operation: i for i, unit in enumerate(units) for operation in unit.operations}
    return [part for run in alike for part in _connected_alike(run, units, number)]


def _connected_alike(run: Run, units: list[Unit], number: dict[Operation, int]) -> list[Run]:
    """The parts of a run in which each repeat takes from itself and the one before what the others do."""

    def taken(k: int) -> list[Hashable]:
        """Where each argument in the k-th repeat comes from."""
        start = run.start + k * run.period
        mine = units[start : start + run.period]
        read = (value for unit in mine for operation in unit.operations for _, value in operation.arguments)
        return [_origin(value, start, run.period, number) for value in read]

    found, first = [], 0
    while first < run.times - 1:
        before, usual, last = taken(first), taken(first + 1), first
        if all(a == b or _carried(b) for a, b in zip(before, usual, strict=True)):
            last = first + 1
            while last + 1 < run.times and taken(last + 1) == usual:
                last += 1
        if last - first + 1 >= LEAST:
            found.append(Run(run.start + first * run.period, run.period, last - first + 1))
        first = last + 1
    return found


def _origin(value: Value, start: int, period: int, number: dict[Operation, int]) -> Hashable:
    """Where a value comes from, as a repeat from unit `start` on sees it."""
    maker = value.maker
    if maker is None:
        return value.kind, value.shape, value.dtype
    if -period <= number[maker] - start < period:
        return number[maker] - start, maker.results.index(value)
    return value


def _carried(origin: Hashable) -> bool:
    """Whether something comes from the repeat before: the first repeat has it from elsewhere."""
    return isinstance(origin, tuple) and isinstance(origin[0], int) and origin[0] < 0


def _signature(unit: Unit) -> Hashable:
    """What two units have in common if one repeats the other."""
    place = unit.place
    names = tuple(operation.name for operation in unit.operations)
    results = names, tuple((value.shape, value.dtype) for last in unit.operations[-1:] for value in last.results)
    if isinstance(place, Group):
        return place.name, place.extra, place.parameters, results
    options = tuple(labels.options(place)) if place.name != "getitem" else ()
    return place.name, options, tuple(labels.inlined(place)), results


def rolled_up(
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
            for k in range(1, run.times):
                stand_in[units[i + k * run.period]] = units[i]
    return [unit for unit in units if unit not in stand_in], stand_in, run_of


def repeated(run: Run, units: list[Unit]) -> str:
    """How often something runs, and whether with the same parameters."""

    def parameters(k: int) -> set[Value]:
        """Those of the k-th repeat."""
        mine = units[run.start + k * run.period : run.start + (k + 1) * run.period]
        read = (value for unit in mine for operation in unit.operations for _, value in operation.arguments)
        return {value for value in read if value.kind in ("parameter", "leaf")}

    sets = [parameters(k) for k in range(1, run.times)]  # what the first has from outside may be what others carry on
    if not any(sets):
        return f"×{run.times}"
    if all(other == sets[0] for other in sets):
        return f"×{run.times}, same parameters"
    shared = sum(map(len, sets)) > len(set().union(*sets))
    return f"×{run.times}, {'some' if shared else 'all'} parameters different"
