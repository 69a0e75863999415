"""What is checked: a function with arrays for it, and what pulls cotangents back through it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NoReturn, Self

import numpy as np

from .lines import Line
from .numerical import joined, parts, scales
from .report import fail


class Case:
    """A function, with arrays for it: `value` and `gradients` are all that is known of it.

    `value(arrays)` is the result as one array, `gradients(arrays, g)` one array for each of the positions `asked`, the
    gradients of Re(sum(g * value)). `names` are those of the arrays, `again()` lines of Python that run the check
    once more, `at(arrays)` the same case elsewhere.
    """

    options: dict[str, Any] = {}  # what the function is called with beside arrays

    def __init__(self, title: str, arrays: Iterable[Any], asked: Sequence[int], names: Sequence[str]) -> None:
        self.title, self.names, self.asked = title, list(names), list(asked)
        self.arrays = [np.asarray(x) for x in arrays]
        rng = np.random.default_rng(0)
        self.out = self.value([x.copy() for x in self.arrays])
        self.g, self.h = random(rng, self.out), random(rng, self.out)
        self.v = [random(rng, x) for x in self.arrays]
        floats = [x.dtype for x in (*(self.arrays[i] for i in self.asked), self.out) if x.dtype.kind in "fc"]
        self.eps = max([float(np.finfo(dtype).eps) for dtype in floats], default=float(np.finfo(np.float64).eps))
        self.exact = max(1e-10, 1e3 * self.eps)  # of what agrees up to rounding
        self.wide = self._wide()

    def value(self, arrays: Any) -> Any:
        raise NotImplementedError

    def pull(self, arrays: Any, g: Any) -> Any:
        raise NotImplementedError

    def again(self) -> list[str]:
        raise NotImplementedError

    def at(self, arrays: Any) -> Self:
        """The same with other arrays."""
        raise NotImplementedError

    def gradients(self, arrays: Any, g: Any) -> list[Any]:
        """The gradients with respect to the asked arrays, of their shapes and dtypes."""
        grads = [np.asarray(grad) for grad in self.pull(arrays, g)]
        if len(grads) != len(self.asked):
            self.failure(f"{len(grads)} gradients for {len(self.asked)} arguments")
        for i, grad in zip(self.asked, grads, strict=True):
            if grad.shape != arrays[i].shape or grad.dtype != arrays[i].dtype:
                given = f"{arrays[i].dtype} {arrays[i].shape}"
                self.failure(f"gradient is {grad.dtype} {grad.shape} for an argument that is {given}", i)
        return grads

    def rows(self, weights: Any) -> list[Any]:
        """For each asked array the gradients, as real parts, of sums of the value's real parts by these weights."""
        shape = parts(self.out).shape
        cotangents = (np.conj(joined(w.reshape(shape), self.out)).astype(self.out.dtype) for w in weights)
        pulled = [self.gradients(self.arrays, g) for g in cotangents]
        return [np.array([parts(np.conj(row[k])).ravel() for row in pulled]) for k in range(len(self.asked))]

    def _wide(self) -> bool:
        """Whether the function works in double precision where its arguments do, though those given do not."""
        if self.eps < 1e-12:
            return False
        try:
            with np.errstate(all="ignore"):
                out = self.value([widened(x) for x in self.arrays])
        except Exception:
            return False
        close = np.abs(out - self.out) <= 1e4 * self.eps * np.max(np.abs(self.out), initial=0)
        return out.dtype in (np.float64, np.complex128) and bool(np.all(close | ~np.isfinite(self.out)))

    def scaled(self) -> list[Any]:
        """For each asked array, what counts as a step of 1 in each of its real parts."""
        return [scales(parts(self.arrays[i])) for i in self.asked]

    def line(self, direction: dict[int, Any], arrays: Any = None) -> Line:
        """The parts of the value, in a row, as arrays move: `direction` gives real arrays by position."""
        start = [widened(x) if self.wide else x for x in (self.arrays if arrays is None else arrays)]

        def moved(t: Any) -> Any:
            arrays = list(start)
            for i, v in direction.items():
                real = parts(start[i])
                kind = np.complex64 if isinstance(t, complex) else real.dtype
                arrays[i] = joined((real + t * v).astype(np.result_type(real, kind)), start[i])
            out = self.value(arrays)
            return out.ravel() if isinstance(t, complex) else parts(out).ravel()

        return Line(moved, float(np.finfo(np.float64).eps) if self.wide else self.eps)

    def entry(self, row: int) -> str:
        """The name of one of the real parts of the value."""
        at = [int(k) for k in np.unravel_index(row, parts(self.out).shape)]
        part = {0: "Re ", 1: "Im "}[at.pop()] if self.out.dtype.kind == "c" else ""
        return f"{part}output{at or ''}"

    def compare(self, what: str, actual: Any, beside: str, expected: Any, tolerance: Any, i: int | None = None) -> None:
        """Fail unless what was computed agrees with what it should be, naming the worst entry."""
        actual, expected = np.asarray(actual), np.asarray(expected)
        if actual.shape != expected.shape:
            self.failure(f"{what} has shape {actual.shape}, {beside} {expected.shape}", i)
        at = worst(actual, expected, tolerance)
        if at is not None:
            where = f" at {list(at)}" if at else ""
            self.failure(f"{what}{where} is {actual[at].item()!r}, {beside} {expected[at].item()!r}", i)

    def same(self, what: str, actual: Any, beside: str, expected: Any, rtol: float | None = None) -> None:
        """Fail unless two lists of gradients agree, each up to `rtol` of its largest entry."""
        for i, a, b in zip(self.asked, actual, expected, strict=True):
            self.compare(what, a, beside, b, (self.exact if rtol is None else rtol) * size_of(b), i)

    def failure(self, what: str, i: int | None = None, more: Sequence[str] = ()) -> NoReturn:
        argument = f", argument {self.names[i]}" if i is not None else ""
        lines = [f"{self.title}{argument}: {what}", *more, "  called with"]
        for name, x in zip(self.names, self.arrays, strict=True):
            text = np.array2string(x, separator=", ", threshold=100, prefix="      ")
            lines.append(f"    {name}, {x.dtype} {x.shape}:\n      {text}")
        lines += [f"    {k}={v!r}" for k, v in self.options.items()]
        again = self.again()
        imports = dict.fromkeys(line for line in again if line.startswith(("import ", "from ")))
        fail([*lines, "  to see it again:", "", *imports, *(line for line in again if line not in imports)])


def widened(x: Any) -> Any:
    """An array in double precision, if it is float or complex."""
    return x.astype(np.result_type(x, np.float64)) if x.dtype.kind in "fc" else x


def random(rng: Any, like: Any) -> Any:
    """Numbers like those of an array, of no exact relation to each other, none of them small."""
    shape = parts(like).shape
    drawn = np.asarray(joined(rng.choice([-1.0, 1.0], shape) * rng.uniform(0.5, 1.5, shape), like))
    return drawn.astype(like.dtype) if like.dtype.kind in "fc" else drawn


def worst(actual: Any, expected: Any, tolerance: Any) -> tuple[int, ...] | None:
    """Where `actual` is farthest beyond `tolerance` from `expected`, or None; the same nan or inf agrees."""
    actual, expected = (np.asarray(v, np.result_type(v, np.float64)) for v in (actual, expected))
    with np.errstate(invalid="ignore"):
        excess = np.abs(actual - expected) - tolerance
    excess = np.where((actual == expected) | (np.isnan(actual) & np.isnan(expected)), -1, excess)
    excess = np.where(np.isnan(excess), np.inf, excess)
    if not excess.size or np.max(excess) <= 0:
        return None
    return tuple(int(i) for i in np.unravel_index(np.argmax(excess), excess.shape))


def inner(a: Any, b: Any) -> Any:
    """<a, b>: the real part of the sum of products, in which nothing is conjugated."""
    return np.sum(a * b).real


def size_of(x: Any) -> Any:
    """The magnitude of the largest entry."""
    return np.max(np.abs(x), initial=0)


class Pair(Case):
    """A function on arrays and what pulls cotangents back through it, of any library."""

    def __init__(
        self,
        title: str,
        f: Callable[..., Any],
        vjp: Callable[..., Any],
        arrays: Iterable[Any],
        again: Callable[[list[Any]], list[str]],
    ) -> None:
        self.f, self.vjp, self._again = f, vjp, again
        arrays = [np.asarray(x) for x in arrays]
        asked = [i for i, x in enumerate(arrays) if x.dtype.kind in "fc"]
        super().__init__(title, arrays, asked, [f"input {i}" for i in range(len(arrays))])

    def value(self, arrays: Any) -> Any:
        return np.asarray(self.f(*arrays))

    def pull(self, arrays: Any, g: Any) -> Any:
        grads = self.vjp(g, *arrays)
        grads = grads if isinstance(grads, (tuple, list)) else (grads,)
        return [grads[i] for i in self.asked] if len(grads) == len(self.arrays) else grads

    def again(self) -> list[str]:
        return self._again(self.arrays)

    def at(self, arrays: Any) -> Self:
        return type(self)(self.title, self.f, self.vjp, arrays, self._again)
