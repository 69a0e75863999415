"""A primitive with arguments for it: the numbers that its checks compare, and the report where they differ."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from ..levels import raw
from ..primitive import Primitive
from ..shaping import concatenate, reshape
from ..tensor import wrap
from .gradcheck import GradcheckError, estimate, worst
from .numerical import joined, parts

RTOL = 1e-6  # of gradients beside central differences
COMPLEX = 1e-8  # beside the complex step: some functions lose digits of tiny imaginary parts
EXACT = 1e-10  # of what agrees up to rounding


def in_a_row(out: Any) -> Any:
    return concatenate([reshape(o, -1) for o in out]) if isinstance(out, tuple) else out


def as_outputs(out: Any, row: Any) -> Any:
    """Entries in a row in the shapes of several outputs again."""
    if not isinstance(out, tuple):
        return row
    parts = np.split(row, np.cumsum([np.size(o) for o in out])[:-1])
    return tuple(part.reshape(np.shape(o))[()] for part, o in zip(parts, out, strict=True))


class Case:
    """A primitive with arguments for it."""

    def __init__(self, primitive: Primitive, arrays: Any, options: dict[str, Any], reference: Any = None) -> None:
        self.primitive, self.options, self.reference = primitive, options, reference
        self.arrays = [np.asarray(x) for x in arrays]
        self.asked = [i for i, x in enumerate(self.arrays) if x.dtype.kind in "fc" and self._has_rule(i)]
        rng = np.random.default_rng(0)
        self.out = np.asarray(self.value(self.arrays))
        self.g = self.random(rng, self.out)
        self.h = self.random(rng, self.out)
        self.v = [self.random(rng, x) for x in self.arrays]

    @staticmethod
    def random(rng: Any, like: Any) -> Any:
        shape = parts(like).shape
        return np.asarray(joined(rng.choice([-1.0, 1.0], shape) * rng.uniform(0.5, 1.5, shape), like))

    def _has_rule(self, position: int) -> bool:
        with contextlib.suppress(TypeError):
            return bool(self.primitive.rule(position))
        return False

    def name(self, i: int) -> str:
        names = self.primitive.arrays
        return names[i] if i < len(names) else f"{self.primitive.variadic}[{i - len(names)}]"

    def kind(self, i: int) -> str:
        names = (*self.primitive.arrays, self.primitive.variadic)
        return self.primitive.kinds[str(names[min(i, len(names) - 1)])]

    def value(self, arrays: Any) -> Any:
        """What the primitive gives for these arrays (or Tensors); of several outputs, all entries in a row."""
        return in_a_row(self.primitive.apply(*arrays, **self.options))

    def leaves(self, arrays: Any) -> list[Any]:
        return [wrap(x[()]).requires_grad_(i in self.asked) for i, x in enumerate(arrays)]

    def given(self, arrays: Sequence[Any], values: Any, positions: Any = None) -> list[Any]:
        """The arrays with values in place of those at some positions (those that are asked)."""
        places = dict(zip(self.asked if positions is None else positions, values, strict=True))
        return [places.get(i, x) for i, x in enumerate(arrays)]

    def gradients(self, arrays: Any, g: Any) -> list[Any]:
        """The gradients with respect to the asked arrays, by an ordinary backward pass."""
        leaves = self.leaves(arrays)
        self.value(leaves).backward(g)
        grads = [np.asarray(raw(leaves[i].grad)) for i in self.asked]
        for i, grad in zip(self.asked, grads, strict=True):
            if grad.shape != arrays[i].shape or grad.dtype != arrays[i].dtype:
                raise self.failure(f"gradient is {grad.dtype} {grad.shape}", i)
        return grads

    def differences(self, f: Callable[[Any], Any], i: int, direction: Any) -> Iterator[tuple[str, Any, Any]]:
        """The derivative of `f` of all arrays as array `i` moves in a direction: by central differences and then,
        where it agrees with them, by the complex step, each with its tolerance."""

        def moved(t: Any) -> Any:
            return np.asarray(f([*self.arrays[:i], self.arrays[i] + t * direction, *self.arrays[i + 1 :]]))

        start = np.zeros(())
        slope, doubt = estimate(moved, start)
        tolerance = doubt + RTOL * np.abs(slope)
        yield "by central differences", slope, tolerance
        if np.result_type(*self.arrays).kind == "c":
            return
        try:
            exact, doubt = estimate(moved, start, "complex")
        except Exception:
            return  # it takes no complex numbers
        if worst(exact, slope, tolerance) is None:
            yield "by the complex step", exact, doubt + COMPLEX * size_of([exact, moved(0)])

    def compare(self, what: str, actual: Any, beside: str, expected: Any, tolerance: Any, i: int | None = None) -> None:
        """Fail unless what was computed agrees with what it should be, naming the worst entry."""
        actual, expected = np.asarray(actual), np.asarray(expected)
        if actual.shape != expected.shape:
            raise self.failure(f"{what} has shape {actual.shape}, {beside} {expected.shape}", i)
        at = worst(actual, expected, tolerance)
        if at is not None:
            where = f" at {list(at)}" if at else ""
            raise self.failure(f"{what}{where} is {actual[at].item()!r}, {beside} {expected[at].item()!r}", i)

    def same(self, what: str, actual: Any, beside: str, expected: Any, rtol: float = EXACT) -> None:
        """Fail unless two lists of gradients agree, each up to `rtol` of its largest entry."""
        for i, a, b in zip(self.asked, actual, expected, strict=True):
            self.compare(what, a, beside, b, rtol * size_of(b), i)

    def failure(self, what: str, i: int | None = None, during: Any = None) -> GradcheckError:
        argument = f", argument {self.name(i)}" if i is not None else ""
        when = f" (in the check of {during.__name__.strip('_').replace('_', ' ')})" if during else ""
        lines = [f"{self.primitive.name}{argument}: {what}{when}", "  called with"]
        for j, x in enumerate(self.arrays):
            text = np.array2string(x, separator=", ", threshold=100, prefix="      ")
            lines.append(f"    {self.name(j)}, {x.dtype} {x.shape}:\n      {text}")
        return GradcheckError("\n".join(lines + [f"    {k}={v!r}" for k, v in self.options.items()]))


def inner(a: Any, b: Any) -> Any:
    """<a, b>: the real part of the sum of products, in which nothing is conjugated."""
    return np.sum(a * b).real


def size_of(x: Any) -> Any:
    """The magnitude of the largest entry."""
    return np.max(np.abs(x), initial=0)
