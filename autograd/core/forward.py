"""Forward mode: values that carry a tangent, pushed through each operation as its rule's kind says.

elementwise      the derivative is a diagonal: the rule of the VJP, applied to the tangent
linear           the primitive itself, applied to the tangent
jointly linear   the same, with the tangents (or zeros) of all the arguments at once
general          the VJP's rule is a linear function of the cotangent: transposed, by one backward pass through it
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .backward import backward_pass, force
from .conversion import leaf
from .graph import Several, enable_grad
from .primitive import Primitive
from .tensor import Tensor, wrap
from .tracing import Tracer, level_of, new_level


class Dual(Tracer):
    """A value and its tangent."""

    __slots__ = ("tangent",)

    def __init__(self, level: int, value: Any, tangent: Any) -> None:
        super().__init__(level, value)
        self.tangent = tangent

    def __repr__(self) -> str:
        return f"{self.value!r}, tangent {self.tangent!r}"

    def detached(self) -> Any:
        return self.value if not isinstance(self.value, Tensor) else self.value.detach()._held

    def through(self, linear: Any) -> Tensor:
        return dual(self.level, linear(self.value), linear(self.tangent))

    def outputs(self, primitive: Primitive, args: tuple[Any, ...], options: dict[str, Any]) -> tuple[Any, ...]:
        level = self.level
        values, tangents = list(args), {}
        for i, x in enumerate(args):
            if level_of(x) == level:
                values[i], tangents[i] = x._held.value, x._held.tangent
        out, *aux = primitive.outputs(*values, **options)
        terms = _terms(primitive, tangents, (out, *aux), values, options)
        if not primitive.several:
            return dual(level, out, _total([term for (term,) in terms], out)), *aux
        pushed = (_total([term[i] for term in terms], o) for i, o in enumerate(out))
        return tuple(dual(level, o, t) for o, t in zip(out, pushed, strict=True)), *aux


def dual(level: int, value: Any, tangent: Any) -> Tensor:
    """A Tensor of a value with its tangent; None is none."""
    if tangent is None:
        return value if isinstance(value, Tensor) else wrap(value)
    return wrap(Dual(level, value, tangent))


def _terms(
    primitive: Primitive, tangents: dict[int, Any], results: tuple[Any, ...], values: list[Any], options: dict[str, Any]
) -> list[tuple[Any, ...]]:
    """What each tangent adds to those of the outputs."""
    terms = []
    together = {}
    for i, tangent in tangents.items():
        rule, kind = primitive.forward.get(i), primitive.kind(i)
        if rule is None and kind == "elementwise":
            rule = primitive.rule(i)
        if rule is not None:
            pushed = rule.function(tangent, *rule.save(*results, *values, **options))
            terms.append(pushed if primitive.several else (pushed,))
        elif kind == "linear":
            terms.append((primitive.outputs(*values[:i], tangent, *values[i + 1 :], **options)[0],))
        elif kind == "jointly linear":
            together[i] = tangent
        else:
            rule = primitive.rule(i)
            terms.append(transposed(rule, rule.save(*results, *values, **options), results[0], values[i], tangent))
    if together:
        args = [
            x if x is None or primitive.kind(i) != "jointly linear" else together.get(i, np.zeros_like(x))
            for i, x in enumerate(values)
        ]
        terms.append((primitive.outputs(*args, **options)[0],))
    return terms


def _total(terms: Sequence[Any], out: Any) -> Any:
    """The sum of tangents of an output, in its shape and dtype; None if there is none."""
    given = [term for term in terms if term is not None]
    if not given or out.dtype.kind not in "fc":
        return None
    total = given[0]
    for term in given[1:]:
        total = total + term
    if total.shape != out.shape:
        total = np.broadcast_to(total, out.shape)
    if total.dtype != out.dtype:
        if out.dtype.kind != "c":
            total = np.real(total)
        total = total.astype(out.dtype)
    return total


def transposed(rule: Any, saved: tuple[Any, ...], out: Any, x: Any, tangent: Any) -> tuple[Any, ...]:
    """What a tangent of `x` adds to those of the outputs, by the transpose of the rule, a linear map of cotangents."""
    with new_level() as level, enable_grad():
        cotangents = [leaf(np.zeros_like(o)[()], level + 1) for o in (out if isinstance(out, tuple) else (out,))]
        back = force(rule.function(Several(cotangents) if isinstance(out, tuple) else cotangents[0], *saved))
        nodes: list[Any] = [g._node for g in cotangents]
        if level_of(back) <= level:
            return (None,) * len(nodes)
        start = back._node, np.broadcast_to(tangent, back.shape).astype(back.dtype)[()]
        found = backward_pass([start], set(nodes), retain_graph=False, create_graph=False)
    return tuple(found.get(node) for node in nodes)
