"""A program: equations, each an operation on what is there already, from the inputs to the outputs.

It is data. `Program.__call__`, which runs one equation after the other, is what it means; passes (see passes.py) give
another program of the same meaning, and `verified` holds them to it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from ..core.batching import computed
from ..core.conversion import apart
from ..core.primitive import Primitive
from ..core.pytrees import flatten, over
from ..core.tensor import Tensor, as_data, wrap
from ..core.types import Array
from .state import Outside

__all__ = [
    "ARRAYS",
    "ChangedShape",
    "Equation",
    "InvalidProgram",
    "Program",
    "Slot",
    "check_shape",
    "filled",
    "inputs_of",
    "slots_of",
]


class ChangedShape(RuntimeError):
    """An operation gave another shape than for the examples, since that depends on numbers."""


class InvalidProgram(ValueError):
    """A program whose equations do not fit together."""


class _Array:
    """What stands for an array in the form of arguments."""

    def __repr__(self) -> str:
        return "*"

    def __reduce__(self) -> str:
        return "ARRAY"


ARRAY = _Array()
ARRAYS = (Tensor, np.ndarray, np.generic, list)  # a list that is a leaf of a nest is one of numbers


@dataclass(frozen=True, slots=True)
class Slot:
    """A value of a program: its number, shape and dtype."""

    number: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    def __repr__(self) -> str:
        return f"%{self.number}"

    @property
    def kind(self) -> str:
        """The dtype and the shape, as in `float32[64,128]`."""
        return f"{self.dtype}[{','.join(map(str, self.shape))}]"

    @property
    def size(self) -> int:
        return int(np.prod(self.shape, dtype=np.int64))


@dataclass(frozen=True, slots=True, eq=False)
class Equation:
    """An operation of a program: a primitive, or a function on arrays that has no derivatives.

    `args` and `options` are nests of slots and constants, `outputs` is the nest of slots that the operation defines,
    None for auxiliary outputs that are no arrays: these say only how the rules of the examples went on.
    `effect` says that it draws random numbers or raises errors, so that it must run; `line` is where the user wrote it.
    """

    operation: Primitive[Callable[..., Any]] | Callable[..., Any]
    args: tuple[Any, ...]
    options: Mapping[str, Any]
    outputs: tuple[Any, ...]
    effect: bool = False
    line: str = ""

    @property
    def name(self) -> str:
        operation: Any = getattr(self.operation, "func", self.operation)
        return operation.__name__ if hasattr(operation, "__name__") else repr(operation)

    @property
    def inputs(self) -> tuple[Slot, ...]:
        """The slots that the operation needs, in their order, each as often as it does."""
        return tuple(slots_of((self.args, dict(self.options))))

    @property
    def defines(self) -> tuple[Slot, ...]:
        """The slots that the operation defines."""
        return tuple(slots_of(self.outputs))

    def __str__(self) -> str:
        given = [*map(_written, self.args), *(f"{name}={_written(x)}" for name, x in self.options.items())]
        left = ", ".join(f"{slot}: {slot.kind}" for slot in self.defines)
        told = getattr(self.operation, "told", "")
        lines = [f"{left}{' = ' * bool(left)}{self.name}({', '.join([*given, *filter(None, [told])])})"]
        for inner in getattr(self.operation, "programs", ()):
            lines += [f"    {line}" for line in str(inner).splitlines()]
        return "\n".join(lines)

    def run(self, values: Mapping[int, Any]) -> tuple[Any, ...]:
        """What the operation gives for the values of slots, by their numbers, in the form of `outputs`."""
        args, options = filled((self.args, dict(self.options)), values)
        if isinstance(self.operation, Primitive):
            return self.operation.bind(*args, **options)
        run = self.operation if self.effect else partial(computed, self.operation)
        results = (run(*args, **options),)
        for slot, x in self.defined(results):
            check_shape(x, slot, self.name)
        return results

    def defined(self, results: Any) -> list[tuple[Slot, Any]]:
        """The slots, with what the operation gave; ChangedShape where that has not the form it had for the examples."""
        pairs = list(_pairs(self.outputs, results))
        for slot, x in pairs:
            if x is None if slot else isinstance(x, (np.ndarray, Tensor)):
                raise ChangedShape(another_form(self.name))
        return [(slot, x) for slot, x in pairs if slot is not None]


@dataclass(frozen=True, slots=True, eq=False)
class Program:
    """What a function does, as `program` writes it down: called with arguments like the examples, it does that again.

    `inputs` are slots, in the order of the arguments; `form` is what is fixed of these: their nest, and what is no
    array. `captured` says of the Tensors from outside that the function uses, by slot, where they are: each call takes
    the present value. `constants` are arrays, `equations` the operations in their order, `outputs` the nest of slots
    that the function returns; `follows` says that gradients in what is captured can be asked of them. Programs are
    equal if they do the same operations on the same constants.

    >>> from pullback import program
    >>> square = program(lambda x: (x * x).sum())([1.0, 2.0])
    >>> print(square)
    program <lambda>
      input    %0: float64[2]
      %1: float64[2] = multiply(%0, %0)
      %2: float64[] = sum(%1, axis=(0,), keepdims=False)
      output   %2
    >>> square([3.0, 4.0])
    Tensor(25.)
    """

    name: str
    form: Any
    inputs: tuple[Slot, ...]
    equations: tuple[Equation, ...]
    outputs: Any
    captured: Mapping[Slot, Outside] = field(default_factory=dict)
    constants: Mapping[Slot, Array] = field(default_factory=dict)
    follows: bool = False

    @property
    def operations(self) -> dict[str, int]:
        """How often each operation occurs, the most frequent first."""
        names = [equation.name for equation in self.equations]
        return dict(sorted(((name, names.count(name)) for name in set(names)), key=lambda pair: (-pair[1], pair[0])))

    @property
    def flops(self) -> int:
        """How many additions and multiplications the operations take: those of products and convolutions by their
        shapes, and one for each entry of all other results."""
        return sum(_flops(equation) for equation in self.equations)

    @property
    def bytes(self) -> int:
        """How many bytes all values have that the operations define."""
        return sum(slot.size * slot.dtype.itemsize for e in self.equations for slot in e.defines)

    def __str__(self) -> str:
        lines = [f"program {self.name}"]
        lines += [f"  input    {slot}: {slot.kind}" for slot in self.inputs]
        lines += [f"  captured {slot}: {slot.kind}" for slot in self.captured]
        lines += [f"  constant {slot}: {slot.kind}{_small(value)}" for slot, value in self.constants.items()]
        lines += [f"  {line}" for equation in self.equations for line in str(equation).splitlines()]
        return "\n".join([*lines, f"  output   {_written(self.outputs)}"])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Program) and _alike(self, other)

    def __hash__(self) -> int:
        return hash((self.inputs, len(self.equations)))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The results for other arguments of the examples' form, shapes and dtypes; ValueError for others.

        Tensors that require gradients, and those of transforms around, are followed as by the function itself.
        """
        given, form = inputs_of(args, kwargs)
        for i, (slot, x) in enumerate(zip(self.inputs, given, strict=False)):
            if (x.shape, x.dtype) != (slot.shape, slot.dtype):
                raise ValueError(
                    f"{self.name}: input {i} is {x.dtype} of shape {x.shape}, but the program was written down for "
                    f"{slot.dtype} of shape {slot.shape}"
                )
        if form != self.form:
            raise ValueError(
                f"{self.name}: arguments {_written(form)} given for a program of {_written(self.form)} (* is an array)"
            )
        return self.results(given)

    def results(self, given: list[Any]) -> Any:
        """The results for a list of values of the inputs, by one equation after the other."""
        values: dict[int, Any] = {slot.number: x for slot, x in zip(self.inputs, given, strict=True)}
        values |= {slot.number: source.now for slot, source in self.captured.items()}
        values |= {slot.number: x for slot, x in self.constants.items()}
        for equation in self.equations:
            for slot, x in equation.defined(equation.run(values)):
                values[slot.number] = x
        return over(_given, filled(self.outputs, values))

    def verified(self) -> Program:
        """The program itself; InvalidProgram unless each slot is defined once, and before it is used."""
        known: dict[int, Slot] = {}

        def define(slot: Slot, where: object) -> None:
            if slot.number in known:
                raise InvalidProgram(f"{self.name}: {slot} is defined twice, the second time as {where}")
            known[slot.number] = slot

        def use(slot: Slot, where: object) -> None:
            if known.get(slot.number) != slot:
                raise InvalidProgram(f"{self.name}: {slot}: {slot.kind} is used by {where} but not defined before")

        for slot in (*self.inputs, *self.captured, *self.constants):
            define(slot, "an input, a captured Tensor or a constant")
        for slot, value in self.constants.items():
            if (value.shape, value.dtype) != (slot.shape, slot.dtype):
                raise InvalidProgram(f"{self.name}: {slot}: {slot.kind} stands for {value.dtype} of {value.shape}")
        for equation in self.equations:
            for slot in equation.inputs:
                use(slot, equation)
            for slot in equation.defines:
                define(slot, equation)
        for slot in slots_of(self.outputs):
            use(slot, "the outputs")
        return self


def inputs_of(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[list[Any], Any]:
    """The Tensors and arrays among arguments (lists of numbers are arrays, too), and what is fixed of the rest."""
    leaves, rebuild = flatten((args, kwargs))
    arrays = [x if isinstance(x, Tensor) else as_data(x) for x in leaves if isinstance(x, ARRAYS)]
    return arrays, rebuild(ARRAY if isinstance(x, ARRAYS) else x for x in leaves)


def filled(nest: Any, values: Mapping[int, Any]) -> Any:
    """A nest with the values of its slots in their places."""
    return over(lambda x: values[x.number] if isinstance(x, Slot) else x, nest)


def _given(value: Any) -> Any:
    """A result, as a Tensor that is no view of another; what is no array as it is."""
    if isinstance(value, Tensor):
        return apart(value)
    return wrap(value.copy()) if isinstance(value, (np.ndarray, np.generic)) else value


def _pairs(slots: Any, results: Any) -> Iterator[tuple[Slot | None, Any]]:
    if isinstance(slots, (tuple, list)) and slots.__class__ is not Slot:
        for slot, x in zip(slots, results, strict=True):
            yield from _pairs(slot, x)
    else:
        yield slots, results


def another_form(name: str) -> str:
    """What is said where the numbers are such that an operation goes on otherwise than for the examples."""
    return (
        f"{name} goes on otherwise for these numbers than for those of the examples, as products do that leave the "
        "range of floating-point numbers, which a program cannot follow: call the function itself"
    )


def check_shape(x: Any, slot: Slot, name: str) -> None:
    """ChangedShape if a result has not the shape of its slot."""
    if np.shape(x) != slot.shape:
        raise ChangedShape(
            f"{name} gave shape {np.shape(x)}, and {slot.shape} when the program was written down: that depends on "
            "numbers, which a program cannot follow; use where() in place of a mask, or minlength= if there is one"
        )


def slots_of(nest: Any) -> Iterator[Slot]:
    """The slots in a nest, each as often as it is there."""
    return (leaf for leaf in flatten(nest)[0] if isinstance(leaf, Slot))


def _flops(equation: Equation) -> int:
    out = equation.defines[0]
    shapes = [getattr(x, "shape", ()) for x in equation.args]
    if equation.name in ("matmul", "affine"):
        return 2 * out.size * (shapes[0] or (1,))[-1]
    if equation.name == "conv":
        return 2 * out.size * int(np.prod(shapes[1][1:]))
    if equation.name == "conv_transpose":
        return 2 * int(np.prod(shapes[0])) * int(np.prod(shapes[1][1:]))
    return sum(slot.size for slot in equation.defines)


def _written(x: Any) -> str:
    """An argument as it is printed: arrays by their kind alone."""
    if isinstance(x, np.ndarray) and x.size > 4:
        return Slot(0, x.shape, x.dtype).kind
    if isinstance(x, (tuple, list)):
        inside = ", ".join(map(_written, x))
        return f"[{inside}]" if isinstance(x, list) else f"({inside},)" if len(x) == 1 else f"({inside})"
    if isinstance(x, np.ndarray):
        return str(x.tolist())
    if isinstance(x, np.generic):
        return f"{x.dtype}({x.item()})"
    return getattr(x, "__name__", None) or str(x) if isinstance(x, (type, np.dtype)) or callable(x) else repr(x)


def _small(value: Any) -> str:
    return f" = {value.tolist()}" if value.size <= 4 else ""


def _alike(one: Program, other: Program) -> bool:
    """Whether two programs are the same but for the numbers of their slots."""
    numbers: dict[Slot, Slot] = {}

    def same(a: Any, b: Any) -> bool:
        if isinstance(a, Slot) and isinstance(b, Slot):
            return (a.shape, a.dtype) == (b.shape, b.dtype) and numbers.setdefault(a, b) == b
        if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
            return type(a) is type(b) and a.dtype == b.dtype and np.array_equal(a, b, equal_nan=a.dtype.kind in "fc")
        return type(a) is type(b) and bool(a == b)

    def nests(a: Any, b: Any) -> bool:
        left, right = flatten(a)[0], flatten(b)[0]
        return len(left) == len(right) and all(map(same, left, right))

    return (
        nests(one.inputs, other.inputs)
        and nests(tuple(one.captured), tuple(other.captured))
        and all(
            a.tensor is b.tensor and a.gradient == b.gradient
            for a, b in zip(one.captured.values(), other.captured.values(), strict=True)
        )
        and nests(
            (tuple(one.constants), tuple(one.constants.values())),
            (tuple(other.constants), tuple(other.constants.values())),
        )
        and len(one.equations) == len(other.equations)
        and all(
            a.operation is b.operation
            and nests((a.args, dict(a.options), a.outputs), (b.args, dict(b.options), b.outputs))
            for a, b in zip(one.equations, other.equations, strict=True)
        )
        and nests(one.outputs, other.outputs)
    )
