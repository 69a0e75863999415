"""Operations that hold programs: a loop, or a choice, is one equation, and so are its derivatives, of programs, too."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np

from ..core.batching import full
from ..core.graph import mode
from ..core.primitive import Primitive
from ..core.tracing import example
from ..ops.creation import asarray
from ..transforms.derivatives import jvp, vjp
from ..transforms.vmap import vmap
from .plan import planned
from .program import Program, Slot
from .trace import TracedValueError, record

__all__ = [
    "Inner",
    "Scan",
    "batched_program",
    "body_of",
    "floats",
    "program_of",
    "pullback_of",
    "pushforward_of",
    "zeros",
]

_EXAMPLE = 0.5  # of the numbers in a program of derivatives, in which nothing depends on them


class Inner(Primitive[Callable[..., Any]]):
    """A primitive whose arrays are the inputs of programs, and which gives several results, of these slots."""

    listed = False

    def __init__(self, name: str, programs: Sequence[Program], given: Sequence[Slot], results: Sequence[Slot]) -> None:
        super().__init__(lambda *arrays: self.run(*arrays), name, (), (), [f"y{i}" for i in range(len(results))])
        self.programs, self.given, self.results = tuple(programs), tuple(given), tuple(results)
        self._derived: dict[Any, Any] = {}
        rule = self.make_rule("arrays", self._pulled_to)
        for position in range(len(given)):
            self.rules[position] = type(rule)(self, position, *rule.given)
            self.forward[position] = type(rule)(self, position, self._pushed_from, ("arrays", "position"))
        self._batching = self._on_batch

    @cached_property
    def plans(self) -> list[Callable[..., list[Any]]]:
        """The programs, as functions of arrays."""
        return [planned(program) for program in self.programs]

    def run(self, *arrays: Any) -> tuple[Any, ...]:
        """The results for arrays."""
        raise NotImplementedError

    def called(self, *values: Any) -> tuple[Any, ...]:
        """The results for anything that can be a Tensor, as Tensors."""
        return tuple(self.bind(*values)[0])

    def derived(self, key: Any, make: Callable[[], Any]) -> Any:
        """Another operation, made once."""
        if key not in self._derived:
            self._derived[key] = make()
        return self._derived[key]

    def _pulled_to(self, g: Any, arrays: Any, position: int) -> Any:
        if g.found is None:
            filled = [zeros(slot) if c is None else c for c, slot in zip(g, self.results, strict=True)]
            g.found = self.pulled(filled, arrays)
        return g.found.get(position, zeros(self.given[position]))  # of integers nothing is asked but this

    def _pushed_from(self, tangent: Any, arrays: Any, position: int) -> tuple[Any, ...]:
        return self.pushed(tangent, arrays, position)

    def _on_batch(self, call: Any, n: int, values: Any, batched: set[int]) -> Any:
        return (tuple(self.batch_of(n, full(n, values, batched), batched)),)

    def pulled(self, g: list[Any], arrays: Any) -> dict[int, Any]:
        """The cotangents of the arrays, by position, of those of all results."""
        raise NotImplementedError

    def pushed(self, tangent: Any, arrays: Any, position: int) -> tuple[Any, ...]:
        """The tangents of the results, None of those without one, of that of one array."""
        raise NotImplementedError

    def batch_of(self, n: int, values: list[Any], batched: set[int]) -> Sequence[Any]:
        """The results for all examples, along a first axis that all values have, too."""
        raise NotImplementedError


def zeros(slot: Slot) -> Any:
    """Zeros for a slot."""
    return np.zeros(slot.shape, slot.dtype)[()]


def floats(slots: Sequence[Slot]) -> list[int]:
    """The positions of those of which there are derivatives."""
    return [i for i, slot in enumerate(slots) if slot.dtype.kind in "fc"]


def program_of(f: Callable[..., Any], slots: Sequence[Slot], name: str) -> Program:
    """The program of a function of arrays like slots, which gives a sequence, as a tuple."""
    examples = tuple(np.full(slot.shape, _EXAMPLE, slot.dtype)[()] for slot in slots)
    with np.errstate(all="ignore"), mode(recording=True):
        return record(lambda *xs: tuple(map(asarray, f(*xs))), examples, {}, name)


def body_of(f: Callable[..., Any], examples: Sequence[Any], name: str) -> tuple[Program, list[Any]]:
    """The program of a function, in which what it takes from outside is an input, in front, and that."""
    given = tuple(np.array(example(x))[()] for x in examples)
    written = record(lambda *xs: tuple(map(asarray, f(*xs))), given, {}, name)
    if any(equation.effect for equation in written.equations):
        line = next(equation.line for equation in written.equations if equation.effect)
        raise TracedValueError(
            f"{name}: {line} draws random numbers, checks values or writes outside, which it cannot in a program; draw "
            "before, and pass the numbers in"
        )
    captured = written.captured
    body = replace(written, inputs=(*captured, *written.inputs), captured={}, form=((), {}))
    return body, [source.now for source in captured.values()]


def pullback_of(body: Program, cotangents: Sequence[int]) -> Callable[..., tuple[Any, ...]]:
    """The function of a program's inputs and of cotangents of some outputs that gives those of its float inputs."""
    chosen = floats(body.inputs)

    def pull(*values: Any) -> tuple[Any, ...]:
        inputs, g = list(values[: len(body.inputs)]), values[len(body.inputs) :]

        def of(*moved: Any) -> tuple[Any, ...]:
            results = body.results(_placed(inputs, chosen, moved))
            return tuple(results[i] for i in cotangents)

        return vjp(of, *(inputs[i] for i in chosen))[1](tuple(g))

    return pull


def pushforward_of(body: Program, moved: Sequence[int]) -> Callable[..., tuple[Any, ...]]:
    """The function of a program's inputs and of tangents of some of them that gives its outputs, and the tangents of
    those that are floats."""
    wanted = floats(body.outputs)

    def push(*values: Any) -> tuple[Any, ...]:
        inputs, tangents = list(values[: len(body.inputs)]), values[len(body.inputs) :]
        aside: list[Any] = []

        def of(*given: Any) -> tuple[Any, ...]:
            results = body.results(_placed(inputs, moved, given))
            aside[:] = [x for i, x in enumerate(results) if i not in wanted]
            return tuple(results[i] for i in wanted)

        found, pushed = jvp(of, tuple(inputs[i] for i in moved), tangents)
        others = iter(aside)
        floating = iter(found)
        outputs = (next(floating) if i in wanted else next(others) for i in range(len(body.outputs)))
        return (*outputs, *pushed)

    return push


def _placed(values: list[Any], places: Sequence[int], others: Sequence[Any]) -> list[Any]:
    """The values, with others in some places."""
    placed = list(values)
    for i, x in zip(places, others, strict=True):
        placed[i] = x
    return placed


class Scan(Inner):
    """A program run for one entry of `xs` after another: its inputs are constants, what is carried, and an entry."""

    def __init__(self, body: Program, constants: int, carried: int, length: int, reverse: bool) -> None:
        self.body, self.constants, self.carried, self.length, self.reverse = body, constants, carried, length, reverse
        inner = constants + carried
        given = [*body.inputs[:inner], *(self._long(slot) for slot in body.inputs[inner:])]
        results = [*body.outputs[:carried], *(self._long(slot) for slot in body.outputs[carried:])]
        super().__init__("scan", [body], given, results)

    def __reduce__(self) -> tuple[object, ...]:
        return Scan, (self.body, self.constants, self.carried, self.length, self.reverse)

    @property
    def told(self) -> str:
        """What a printed equation says of it."""
        return f"length={self.length}" + ", reverse=True" * self.reverse

    def _long(self, slot: Slot) -> Slot:
        return replace(slot, shape=(self.length, *slot.shape))

    def _parts(self, values: Sequence[Any]) -> tuple[list[Any], list[Any], list[Any]]:
        """Constants, what is carried, and what there is of each step."""
        inner = self.constants + self.carried
        return list(values[: self.constants]), list(values[self.constants : inner]), list(values[inner:])

    def run(self, *arrays: Any) -> tuple[Any, ...]:
        (step,) = self.plans
        constants, carry, xs = self._parts(arrays)
        ys = [np.empty(slot.shape, slot.dtype) for slot in self.results[self.carried :]]
        for t in range(self.length)[:: -1 if self.reverse else 1]:
            results = step(*constants, *carry, *[x[t] for x in xs])
            carry = results[: self.carried]
            for y, row in zip(ys, results[self.carried :], strict=True):
                y[t] = row
        return (*map(np.array, carry), *ys)

    def like(self, body: Program, constants: int, carried: int, turned: bool = False) -> Scan:
        """A scan over as many steps of another program."""
        return Scan(body, constants, carried, self.length, self.reverse != turned)

    def pulled(self, g: list[Any], arrays: Any) -> dict[int, Any]:
        """One scan forward for what was carried into each step, and one back, which does each step again."""
        body, k, m = self.body, self.constants, self.carried
        states = self.derived(
            "states", lambda: self.like(replace(body, outputs=(*body.outputs[:m], *body.inputs[k : k + m])), k, m)
        )
        constants, carry, xs = self._parts(arrays)
        before = states.called(*constants, *carry, *xs)[m:]
        chosen, out = floats(body.inputs), floats(body.outputs)
        into = [[i for i in chosen if low <= i < high] for low, high in ((0, k), (k, k + m), (k + m, len(body.inputs)))]
        back = self.derived("back", lambda: self._back(chosen, out, len(into[0]), len(into[1])))
        moved = [g[i] for i in out]
        last, each = moved[: len(into[1])], moved[len(into[1]) :]
        sums = [zeros(body.inputs[i]) for i in into[0]]
        found = back.called(*constants, *last, *sums, *before, *xs, *each)
        return dict(zip((*into[1], *into[0], *into[2]), found, strict=True))

    def _back(self, chosen: list[int], out: list[int], sums: int, carried: int) -> Scan:
        body, k, m = self.body, self.constants, self.carried
        pull = pullback_of(body, out)

        def step(*values: Any) -> tuple[Any, ...]:
            constants, rest = values[:k], values[k:]
            last, total, rest = rest[:carried], rest[carried : carried + sums], rest[carried + sums :]
            inputs, each = rest[: len(body.inputs) - k], rest[len(body.inputs) - k :]
            found = pull(*constants, *inputs, *last, *each)
            added = (a + b for a, b in zip(total, found[:sums], strict=True))
            return (*found[sums : sums + carried], *added, *found[sums + carried :])

        outputs = [body.outputs[i] for i in out]
        last, each = outputs[:carried], outputs[carried:]
        constants = [body.inputs[i] for i in chosen[:sums]]
        slots = [*body.inputs[:k], *last, *constants, *body.inputs[k : k + m], *body.inputs[k + m :], *each]
        return self.like(program_of(step, slots, f"back through {body.name}"), k, carried + sums, turned=True)

    def pushed(self, tangent: Any, arrays: Any, position: int) -> tuple[Any, ...]:
        body, k, m = self.body, self.constants, self.carried
        along = floats(body.inputs[k : k + m])
        constants, carry, xs = self._parts(arrays)
        push = self.derived(("push", position), lambda: self._push(position, along))
        tangents = [zeros(body.inputs[k + i]) for i in along]
        if k <= position < k + m:
            tangents[along.index(position - k)] = tangent
        first, each = ([tangent] if here else [] for here in (position < k, position >= k + m))
        found = list(push.called(*constants, *first, *carry, *tangents, *xs, *each))
        moved = iter(found[m : m + len(along)])
        ys = found[m + len(along) :]
        more = iter(ys[len(body.outputs) - m :])
        return tuple(
            (next(moved) if i < m else next(more)) if i in floats(body.outputs) else None
            for i in range(len(body.outputs))
        )

    def _push(self, position: int, along: list[int]) -> Scan:
        body, k, m = self.body, self.constants, self.carried
        extra = [position] * (not k <= position < k + m)
        push = pushforward_of(body, [*extra, *(k + i for i in along)])
        first, each = int(position < k), int(position >= k + m)

        def step(*values: Any) -> tuple[Any, ...]:
            constants, rest = values[: k + first], values[k + first :]
            carry, moved, rest = rest[:m], rest[m : m + len(along)], rest[m + len(along) :]
            xs = rest[: len(rest) - each]
            tangents = (*constants[k:], *rest[len(rest) - each :], *moved)
            found = push(*constants[:k], *carry, *xs, *tangents)
            outputs, pushed = found[: len(body.outputs)], found[len(body.outputs) :]
            return (*outputs[:m], *pushed[: len(along)], *outputs[m:], *pushed[len(along) :])

        chosen = [body.inputs[k + i] for i in along]
        own = [body.inputs[position]]
        slots = [*body.inputs[:k], *own * first, *body.inputs[k : k + m], *chosen, *body.inputs[k + m :], *own * each]
        return self.like(program_of(step, slots, f"{body.name}, tangents"), k + first, m + len(along))

    def batch_of(self, n: int, values: list[Any], batched: set[int]) -> Sequence[Any]:
        inner = self.constants + self.carried
        every = self.derived(n, lambda: self.like(batched_program(self.body, n), self.constants, self.carried))
        values = [x if i < inner else np.moveaxis(x, 0, 1) for i, x in enumerate(values)]
        found = every.called(*values)
        return [x if i < self.carried else np.moveaxis(x, 1, 0) for i, x in enumerate(found)]


def batched_program(body: Program, n: int) -> Program:
    """The program for n examples at once, along a first axis of all inputs and outputs."""
    slots = [replace(slot, shape=(n, *slot.shape)) for slot in body.inputs]
    return program_of(vmap(lambda *xs: tuple(body.results(list(xs)))), slots, f"{body.name}, {n} examples")
