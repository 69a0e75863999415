"""Loops and choices that stay in a program: `scan`, `while_loop` and `cond`."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from ..core.batching import Differs
from ..core.graph import modes
from ..core.pytrees import flatten, matching, over
from ..core.tensor import Tensor
from ..core.tracing import bottom, is_later
from ..ops.creation import asarray
from ..ops.shape import stack
from ..transforms.checkpoint import checkpoint
from ..transforms.traced import check_function, name_of
from .branches import Choice, Loop, sharing
from .inner import Scan, body_of

__all__ = ["cond", "scan", "while_loop"]

Carry = TypeVar("Carry")
X = TypeVar("X")
Y = TypeVar("Y")
Result = TypeVar("Result")

_LEAF = object()
_LONG = 64  # steps from which gradients come by checkpoints


def scan(
    f: Callable[[Carry, X], tuple[Carry, Y]],
    init: object,
    xs: object = None,
    length: int | None = None,
    reverse: bool = False,
) -> tuple[Carry, Y]:
    """Call `carry, y = f(carry, x)` for each x along the first axis of `xs`; returns the last carry and all y, stacked.

    `init` is the first carry; carry, x and y are nests of Tensors, arrays and numbers, the carry of shapes and dtypes
    that stay the same (TypeError). Without xs, x is None, `length` times. With `reverse` the last x comes first, and
    its y stays last. A program (see `compile`) holds it as one operation, which has a program of one step.
    Gradients take the memory of about the square root of the steps: the others are done again (see `checkpoint`), in a
    program that of what is carried. ValueError for lengths that differ, or none.

    >>> scan(lambda total, x: (total + x, total * x), 0.0, np.array([1.0, 2.0, 3.0]))
    (Tensor(6.), Tensor([0., 2., 9.]))
    """
    check_function("scan", f)
    leaves, as_x = flatten(xs)
    rows = [asarray(x) for x in leaves]
    lengths = {x.shape[0] if x.ndim else None for x in rows} | ({length} if length is not None else set())
    if len(lengths) != 1 or None in lengths:
        raise ValueError(f"scan: xs of shapes {[x.shape for x in rows]} and length={length} give no one length")
    (count,) = lengths
    start, as_carry = flatten(init)
    carry = [asarray(x) for x in start]
    kinds = [(x.shape, x.dtype) for x in carry]
    form: list[Any] = [None]

    def step(*values: Any) -> list[Any]:
        moved = f(as_carry(values[: len(carry)]), as_x(values[len(carry) :]))
        if not (isinstance(moved, tuple) and len(moved) == 2):
            raise TypeError(f"scan: {name_of(f)} returns a pair, the carry and y, not a {type(moved).__name__}")
        after = [asarray(x) for x in matching(init, moved[0], "scan: the carry")]
        _check_carry("scan", f, after, kinds)
        ys, form[0] = flatten(moved[1])[0], _form_of(moved[1])
        return [*after, *map(asarray, ys)]

    if modes.recorder is not None or not count:
        examples = [*carry, *(x[0] if count else np.zeros(x.shape[1:], x.dtype)[()] for x in rows)]
        body, captured = body_of(step, examples, name_of(f))
        operation = Scan(body, len(captured), len(carry), int(count or 0), reverse)
        found: Any = operation.called(*captured, *carry, *rows)
    else:
        found = _by_parts(step, carry, rows, int(count or 0), reverse)
    return as_carry(found[: len(carry)]), form[0](found[len(carry) :])


def _by_parts(step: Callable[..., list[Any]], carry: list[Any], rows: list[Any], count: int, reverse: bool) -> Any:
    """The steps one after the other; where there are many, parts of them keep only what they began with."""

    def part(carry: list[Any], rows: list[Any], steps: int) -> tuple[list[Any], list[Any]]:
        ys, n = [], len(carry)
        for t in range(steps)[:: -1 if reverse else 1]:
            found = step(*carry, *(x[t] for x in rows))
            carry = found[:n]
            ys.append(found[n:])
        return carry, [stack(each) for each in zip(*ys[:: -1 if reverse else 1], strict=True)]

    size = count if count < _LONG else math.isqrt(count - 1) + 1
    run = part if size == count else checkpoint(part)
    parts = []
    for start in range(0, count, size)[:: -1 if reverse else 1]:
        carry, ys = run(carry, [x[start : start + size] for x in rows], min(size, count - start))
        parts.append(ys)
    ordered = parts[:: -1 if reverse else 1]
    return [*carry, *(each[0] if len(each) == 1 else np.concatenate(each) for each in zip(*ordered, strict=True))]


def _check_carry(name: str, f: Any, after: list[Any], kinds: list[Any]) -> None:
    for i, (x, (shape, dtype)) in enumerate(zip(after, kinds, strict=True)):
        if (x.shape, x.dtype) != (shape, dtype):
            raise TypeError(
                f"{name}: {name_of(f)} gives a carry of another kind: leaf {i} is {dtype} of shape {shape} before, and "
                f"{x.dtype} of shape {x.shape} after"
            )


def while_loop(cond_fun: Callable[[Carry], object], body_fun: Callable[[Carry], Carry], init_val: object) -> Carry:
    """Call `value = body_fun(value)` while `cond_fun(value)` is true, from `init_val` on; returns the last value.

    The value is a nest of Tensors, arrays and numbers of shapes and dtypes that stay the same (TypeError). A program
    (see `compile`) holds it as one operation, of two programs, which has tangents, but no gradient by reverse mode
    (TypeError): use `scan` there.

    >>> while_loop(lambda x: x < 100, lambda x: x * x, 3.0)
    Tensor(6561.)
    """
    check_function("while_loop", cond_fun)
    check_function("while_loop", body_fun)
    leaves, rebuild = flatten(init_val)
    carry: list[Any] = [asarray(x) for x in leaves]
    kinds = [(x.shape, x.dtype) for x in carry]

    def still(*values: Any) -> list[Any]:
        return [_truth("while_loop", cond_fun(rebuild(values)))]

    def step(*values: Any) -> list[Any]:
        after = [asarray(x) for x in matching(init_val, body_fun(rebuild(values)), "while_loop: the value")]
        _check_carry("while_loop", body_fun, after, kinds)
        return after

    if modes.recorder is not None:
        each = [body_of(f, carry, name_of(g)) for f, g in ((still, cond_fun), (step, body_fun))]
        (condition, body), captured = sharing(each)
        return rebuild(Loop(condition, body, len(captured)).called(*captured, *carry))
    while np.any(bottom(going := still(*carry)[0])):
        after = step(*carry)
        carry = [_chosen(going, new, old) for new, old in zip(after, carry, strict=True)]
    return rebuild(carry)


def cond(pred: object, true_fun: Callable[..., Result], false_fun: Callable[..., Result], *operands: object) -> Result:
    """Return `true_fun(*operands)` where `pred` is true, or else `false_fun(*operands)`.

    Operands and results are nests of Tensors, arrays and numbers. A program (see `compile`) holds it as one operation,
    of two programs, whose results are then of one form, of the same shapes and dtypes (TypeError); where `pred` differs
    over a `vmap`, both functions run.

    >>> cond(Tensor(2.0) > 1, lambda x: 2 * x, lambda x: -x, 5.0)
    Tensor(10.)
    """
    check_function("cond", true_fun)
    check_function("cond", false_fun)
    leaves, rebuild = flatten(operands)
    values = [asarray(x) for x in leaves]
    which = _truth("cond", pred)
    if not is_later(which):
        try:
            chosen = true_fun if which else false_fun
        except Differs:
            both = (f(*rebuild(values)) for f in (true_fun, false_fun))
            return over(lambda a, b: _chosen(which, asarray(a), asarray(b)), *both)
        return over(asarray, chosen(*rebuild(values)))
    forms: list[Callable[[Any], Any]] = []

    def flat(f: Callable[..., Any]) -> Callable[..., list[Any]]:
        def run(*given: Any) -> list[Any]:
            found = f(*rebuild(given))
            forms.append(_form_of(found))
            return flatten(found)[0]

        return run

    each = [body_of(flat(f), values, name_of(f)) for f in (true_fun, false_fun)]
    kinds = [[slot.kind for slot in body.outputs] for body, _ in each]
    if kinds[0] != kinds[1]:
        raise TypeError(f"cond: {name_of(true_fun)} gives {kinds[0]}, and {name_of(false_fun)} gives {kinds[1]}")
    (first, second), captured = sharing(each)
    return forms[0](Choice(first, second).called(which, *captured, *values))


def _form_of(nest: Any) -> Callable[[Any], Any]:
    """What builds a nest like this of other leaves, and holds none of these."""
    return flatten(over(lambda _: _LEAF, nest))[1]


def _truth(name: str, x: Any) -> Any:
    x = asarray(x)
    if x.shape:
        raise TypeError(f"{name}: the condition is one bool, not of shape {x.shape}; use all() or any()")
    return x if x.dtype == np.bool_ else x != 0


def _chosen(which: Tensor, new: Any, old: Any) -> Any:
    """The new value, or where that differs over a batch each example's."""
    return new if np.all(bottom(which)) else np.where(which, new, old)
