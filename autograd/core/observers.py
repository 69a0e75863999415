"""Observers: what looks on while a thread's operations and rules run, as `detect_anomaly` and `profile` do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import copy
from time import perf_counter
from typing import Any, TypeVar

import numpy as np

from .backward import unbroadcast
from .graph import BackwardRule, Node, Output
from .rule import Rule
from .signature import Signature
from .tensor import Tensor
from .tracing import Tracer

Options = dict[str, object]
Run = Callable[..., tuple[object, ...]]
Result = TypeVar("Result")


class Observer:
    """While it is among `modes.observers`, it is told of each operation and each rule once they have run.

    `seconds` is what that took, and None for what runs within another operation or rule.
    """

    _within = False

    def ran(
        self, primitive: Signature, args: tuple[object, ...], options: Options, out: object, seconds: float | None
    ) -> None:
        """An operation gave `out`."""

    def pulled(
        self, rule: Rule, node: Node, g: object, saved: tuple[object, ...], cotangent: object, seconds: float | None
    ) -> None:
        """A rule of the operation that made `node` gave a cotangent."""

    def arrived(self, node: Node, g: object) -> None:
        """The gradient of a leaf is complete."""

    def operation(self, primitive: Signature, run: Run) -> Run:
        """What runs in place of a primitive."""

        def observed(*args: object, **options: object) -> tuple[object, ...]:
            results, seconds = self._timed(run, *args, **options)
            self.ran(primitive, args, options, results[0], seconds)
            return results

        return observed

    def rule(self, rule: BackwardRule, node: Node, parent: Node) -> BackwardRule:
        """Wrap a rule so its call is reported; segments and outputs pass through."""
        if not isinstance(rule, Rule):
            return rule

        def observed(g: Any, *saved: Any) -> Any:
            cotangent, seconds = self._timed(lambda: unbroadcast(rule.function(g, *saved), parent, rule))
            self.pulled(rule, node, g, saved, cotangent, seconds)
            return cotangent

        stand_in = copy(rule)
        stand_in.function = observed
        return stand_in

    def _timed(self, run: Callable[..., Result], *args: object, **options: object) -> tuple[Result, float | None]:
        if self._within:
            return run(*args, **options), None
        self._within = True
        try:
            start = perf_counter()
            result = run(*args, **options)
            return result, perf_counter() - start
        finally:
            self._within = False


def arrays(x: Any) -> Iterator[Any]:
    """All arrays and numbers in a value or a tuple or list of them, those of all transforms included."""
    if isinstance(x, (tuple, list)):
        for part in x:
            yield from arrays(part)
    elif isinstance(x, Tensor):
        yield from arrays(x._held)
    elif isinstance(x, Tracer):
        yield from arrays((x.value, getattr(x, "tangent", None)))
    elif isinstance(x, (np.ndarray, np.generic, float, complex)):
        yield x


def nodes(x: Any) -> Iterator[Node]:
    """The nodes that an operation with this result has recorded, on all levels."""
    if isinstance(x, tuple):
        for part in x:
            yield from nodes(part)
    elif isinstance(x, Tensor):
        if x._node is not None:
            if isinstance(x._node.primitive, Output):
                yield from (node for node, _, _ in x._node.edges or ())
            yield x._node
        yield from nodes(x._held)
    elif isinstance(x, Tracer):
        yield from nodes((x.value, getattr(x, "tangent", None)))
