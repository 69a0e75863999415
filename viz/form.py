"""The one form of a computation graph, of which every picture is a view: values, the operations between them, groups.

A form is data. `recording` makes it of a Tensor's graph, or of what runs, all loops and no recursion; its parts have
ids that count what appears, so that the same program gives the same form.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from weakref import ReferenceType, ref

import numpy as np

from ..extend import Array

FEW = 16  # entries of arrays that are copied, lest a later write be seen in them
KINDS = ("input", "parameter", "leaf", "constant", "value", "output")  # of values


@dataclass(eq=False, slots=True)
class Group:
    """A call of a module, the `call`-th of this one; `path` is the module's in the model, `name` its class.

    `arguments` are the arrays that it was given, `extra` is what the module's repr says of its options, `error` what
    it raised in place of a result.
    """

    id: str
    path: str
    name: str
    parent: Group | None = None
    call: int = 1
    parameters: int = 0
    extra: str = ""
    error: str = ""
    arguments: list[Value] = field(default_factory=list)

    @property
    def depth(self) -> int:
        """The number of groups around this one."""
        return 0 if self.parent is None else self.parent.depth + 1


@dataclass(eq=False, slots=True)
class Value:
    """An array between operations: what it was given as (`kind`), names, data and, where they are known, gradient.

    Of what was not recorded, such as the other argument of an addition, `shape` is None. `kept` says that a rule saved
    it for the backward pass. `data` and `gradient` are the program's own arrays, as they are when somebody looks; of
    few entries (`FEW`) copies, as they were.
    """

    id: str
    kind: str
    shape: tuple[int, ...] | None
    dtype: np.dtype[Any] | None
    names: tuple[str, ...] = ()
    data: Any = None
    gradient: Any = None
    kept: bool = False
    _maker: ReferenceType[Operation] | None = field(default=None, init=False, repr=False)

    @property
    def maker(self) -> Operation | None:
        """The operation that it is a result of; the form holds that, its results do not: so there is no cycle."""
        return None if self._maker is None else self._maker()

    @maker.setter
    def maker(self, operation: Operation) -> None:
        self._maker = ref(operation)

    @property
    def nbytes(self) -> int:
        """The bytes of its data, views counted as if they were copies."""
        return 0 if self.shape is None or self.dtype is None else int(np.prod(self.shape)) * self.dtype.itemsize


class Argument(NamedTuple):
    """What an operation was given: the `role` is the name of the primitive's argument."""

    role: str
    value: Value


@dataclass(eq=False, slots=True, weakref_slot=True)
class Operation:
    """A call of a primitive: arguments, results and `options` (all that is no array), in the group where it ran.

    `place` is the user's line, "file:line", `kept` what the rules saved beside arguments and results, in bytes,
    `seconds` the time it took, `back_seconds` that of its rules in the backward pass, `error` what it raised in place
    of a result.
    """

    id: str
    name: str
    arguments: list[Argument] = field(default_factory=list)
    results: list[Value] = field(default_factory=list)
    options: dict[str, Any] = field(default_factory=dict)
    group: Group | None = None
    place: str = ""
    seconds: float | None = None
    back_seconds: float | None = None
    kept: int = 0
    error: str = ""


class Step(NamedTuple):
    """A step of the backward pass: the complete cotangent of a value, before it is pulled further back."""

    value: Value
    cotangent: Array | np.generic


@dataclass(eq=False, slots=True)
class Form:
    """A computation graph: operations in the order in which they ran, values in that in which they appeared.

    `steps` are those of a backward pass, in its order; `error` is what ended a program that failed.
    """

    values: list[Value] = field(default_factory=list)
    operations: list[Operation] = field(default_factory=list)
    groups: list[Group] = field(default_factory=list)
    outputs: list[Value] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    error: str = ""

    def behind(self, outputs: Iterable[Value] | None = None) -> Form:
        """The part that leads to some values, the outputs unless others are named; of a failed program, all of it."""
        if self.error and outputs is None:
            return self
        wanted = list(self.outputs if outputs is None else outputs)
        values, operations = set(wanted), set()
        while wanted:
            maker = wanted.pop().maker
            if maker is None or maker in operations:
                continue
            operations.add(maker)
            new = [value for _, value in maker.arguments if value not in values]
            wanted += new
            values.update(new)
        groups = {group for operation in operations for group in enclosing(operation.group)}
        values.update(value for group in groups for value in group.arguments if value.maker is None)
        return Form(
            [value for value in self.values if value in values],
            [operation for operation in self.operations if operation in operations],
            [group for group in self.groups if group in groups],
            [value for value in self.outputs if value in values],
            [step for step in self.steps if step.value in values],
            self.error,
        )

    def readers(self) -> dict[Value, list[tuple[Operation, int]]]:
        """The operations that take each value, with the numbers of the arguments."""
        found: dict[Value, list[tuple[Operation, int]]] = {value: [] for value in self.values}
        for operation in self.operations:
            for i, (_, value) in enumerate(operation.arguments):
                found[value].append((operation, i))
        return found


def enclosing(group: Group | None) -> Iterator[Group]:
    """A group and those around it, from the inside outwards."""
    while group is not None:
        yield group
        group = group.parent
