"""A choice between programs, and a program repeated while another says so, as one operation each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from .inner import Inner, batched_program, floats, program_of, pullback_of, pushforward_of, zeros
from .program import Program, Slot

__all__ = ["Choice", "Loop", "sharing"]

_PREDICATE = Slot(-1, (), np.dtype(np.bool_))


class Choice(Inner):
    """The first of two programs of the same inputs where the first array is true, or else the second."""

    def __init__(self, first: Program, second: Program) -> None:
        super().__init__("cond", [first, second], [_PREDICATE, *first.inputs], first.outputs)

    def __reduce__(self) -> tuple[object, ...]:
        return Choice, self.programs

    def run(self, *arrays: Any) -> tuple[Any, ...]:
        first, second = self.plans
        return tuple((first if arrays[0] else second)(*arrays[1:]))

    def pulled(self, g: list[Any], arrays: Any) -> dict[int, Any]:
        out, chosen = floats(self.results), floats(self.given)
        slots = [*self.given[1:], *(self.results[i] for i in out)]

        def back() -> Choice:
            return Choice(*(program_of(pullback_of(p, out), slots, f"back through {p.name}") for p in self.programs))

        found = self.derived("back", back).called(*arrays, *(g[i] for i in out))
        return dict(zip(chosen, found, strict=True))

    def pushed(self, tangent: Any, arrays: Any, position: int) -> tuple[Any, ...]:
        slots = [*self.given[1:], self.given[position]]

        def push() -> Choice:
            along = [position - 1]
            return Choice(*(program_of(pushforward_of(p, along), slots, f"{p.name}, tangents") for p in self.programs))

        found = self.derived(("push", position), push).called(*arrays, tangent)
        moved = iter(found[len(self.results) :])
        return tuple(next(moved) if i in floats(self.results) else None for i in range(len(self.results)))

    def batch_of(self, n: int, values: list[Any], batched: set[int]) -> Sequence[Any]:
        first, second = self.derived(n, lambda: [batched_program(p, n) for p in self.programs])
        if 0 not in batched:
            return self.derived(("choice", n), lambda: Choice(first, second)).called(values[0][0], *values[1:])
        each = [p.results(values[1:]) for p in (first, second)]
        where = [np.reshape(values[0], (n, *(1,) * len(slot.shape))) for slot in self.results]
        return [np.where(c, a, b) for c, a, b in zip(where, *each, strict=True)]


class Loop(Inner):
    """A program of constants and of what is carried, repeated on that while another program of these says so."""

    def __init__(self, condition: Program, body: Program, constants: int) -> None:
        self.condition, self.body, self.constants = condition, body, constants
        super().__init__("while_loop", [condition, body], body.inputs, body.outputs)

    def __reduce__(self) -> tuple[object, ...]:
        return Loop, (self.condition, self.body, self.constants)

    def run(self, *arrays: Any) -> tuple[Any, ...]:
        condition, body = self.plans
        constants, carry = arrays[: self.constants], list(arrays[self.constants :])
        while condition(*constants, *carry)[0]:
            carry = body(*constants, *carry)
        return tuple(map(np.array, carry))

    def pulled(self, g: list[Any], arrays: Any) -> dict[int, Any]:
        raise TypeError(
            "while_loop: in a program it has no gradient by reverse mode, as the number of its steps is not known; use "
            "scan over the most steps there can be, or jvp"
        )

    def pushed(self, tangent: Any, arrays: Any, position: int) -> tuple[Any, ...]:
        k, body = self.constants, self.body
        along = floats(body.outputs)
        extra = [position] * (position < k)
        push = pushforward_of(body, [*extra, *(k + i for i in along)])

        def step(*values: Any) -> tuple[Any, ...]:
            constants, rest = values[: k + len(extra)], values[k + len(extra) :]
            return push(*constants[:k], *rest[: len(body.outputs)], *constants[k:], *rest[len(body.outputs) :])

        def make() -> Loop:
            own = [body.inputs[position]] * len(extra)
            slots = [*body.inputs[:k], *own, *body.inputs[k:], *(body.outputs[i] for i in along)]

            def still(*values: Any) -> tuple[Any, ...]:
                constants, rest = values[:k], values[k + len(extra) :]
                return tuple(self.condition.results([*constants, *rest[: len(body.outputs)]]))

            condition = program_of(still, slots, f"{self.condition.name}, tangents")
            return Loop(condition, program_of(step, slots, f"{body.name}, tangents"), k + len(extra))

        tangents = [zeros(body.outputs[i]) for i in along]
        if position >= k:
            tangents[along.index(position - k)] = tangent
        operation = self.derived(("push", position), make)
        found = operation.called(*arrays[:k], *[tangent] * len(extra), *arrays[k:], *tangents)
        moved = iter(found[len(body.outputs) :])
        return tuple(next(moved) if i in along else None for i in range(len(body.outputs)))

    def batch_of(self, n: int, values: list[Any], batched: set[int]) -> Sequence[Any]:
        k = self.constants
        condition, body = self.derived(n, lambda: [batched_program(p, n) for p in self.programs])

        def any_still(*values: Any) -> tuple[Any, ...]:
            return (np.any(condition.results(list(values))[0]),)

        def step(*values: Any) -> tuple[Any, ...]:
            (still,) = condition.results(list(values))
            after = body.results(list(values))
            shapes = ((n, *(1,) * (len(slot.shape) - 1)) for slot in body.outputs)
            pairs = zip(shapes, after, values[k:], strict=True)
            return tuple(np.where(np.reshape(still, shape), new, old) for shape, new, old in pairs)

        def make() -> Loop:
            going = program_of(any_still, body.inputs, condition.name)
            return Loop(going, program_of(step, body.inputs, body.name), k)

        return self.derived(("loop", n), make).called(*values)


def sharing(programs: Sequence[tuple[Program, list[Any]]]) -> tuple[list[Program], list[Any]]:
    """Programs that take what each of them captured, all of it, in front of their own inputs; and that."""
    values = [x for _, captured in programs for x in captured]
    made, before = [], 0
    for body, captured in programs:
        after = before + len(captured)
        defined = [slot for equation in body.equations for slot in equation.defines]
        free = 1 + max((slot.number for slot in (*body.inputs, *body.constants, *defined)), default=0)
        own, others = body.inputs[: len(captured)], [Slot(free + i, x.shape, x.dtype) for i, x in enumerate(values)]
        inputs = (*others[:before], *own, *others[after:], *body.inputs[len(captured) :])
        made.append(replace(body, inputs=inputs).verified())
        before = after
    return made, values
