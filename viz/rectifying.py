"""Other rules for whatever rectifies on the way back: ReLU, and what is one but is written otherwise."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np

from ..autograd import Tensor
from ..extend import Array, Node, Observer, bottom, mode, modes, override, registry

Method = Callable[[Array, Array, Any], Array]
"""How a cotangent g goes back through a rectifier with the input x, whose slope below 0 is the third argument."""

_LINEAR = {"add", "subtract", "negative", "positive", "multiply", "divide", "linear", "conv", "rescale"}
_LINEAR |= {"astype", "real", "imag", "conj", "cut_thirds"}
_MAXIMA = {"max", "min", "nanmax", "nanmin", "max_pool", "adaptive_max_pool"}


def deconvolved(g: Array, x: Array, slope: Any) -> Array:
    """Rectify the cotangent, whatever came forward (Zeiler and Fergus, 2014)."""
    return np.where(g > 0, g, slope * g)


def guided(g: Array, x: Array, slope: Any) -> Array:
    """Rectify the cotangent of the plain gradient (Springenberg et al., 2015)."""
    lifted = deconvolved(g, x, slope)
    return np.where(x > 0, lifted, slope * lifted)


class _Rectifiers(Observer):
    """The rules by which a method takes what rectifies, and the names of what else was passed that is not linear.

    Among these is a linear operation that rectified all the same, as `einsum` does with a mask.
    """

    def __init__(self, method: Method) -> None:
        self.method = method
        self.passed: dict[str, None] = {}
        self.rules: dict[tuple[str, str], Callable[..., Array]] = {
            ("relu", "x"): lambda g, out: method(g, out, 0),
            ("leaky_relu", "x"): lambda g, x, slope: method(g, x, slope),
            ("hardtanh", "x"): self._clamped,
            ("threshold", "x"): self._above,
            ("where", "a"): lambda g, condition, a, b, out: self._where("a", g, condition, a, b, out),
            ("where", "b"): lambda g, condition, a, b, out: self._where("b", g, condition, b, a, out),
            ("setitem", "x"): lambda g, x, index, out: self._written(g, x, index, out),
            ("multiply", "a"): lambda g, a, b, out: self._masked(g, a, b, out),
            ("multiply", "b"): lambda g, a, b, out: self._masked(g, b, a, out),
        }
        for name in ("maximum", "fmax", "minimum", "fmin"):
            self.rules |= self._extrema(name)

    def ran(
        self, primitive: Any, args: tuple[Any, ...], options: dict[str, Any], out: Any, seconds: float | None
    ) -> None:
        for i, x in enumerate(args if isinstance(out, Tensor) and seconds is not None else ()):
            if (
                isinstance(x, Tensor)
                and x._node is not None
                and (primitive.name, primitive.argument(i)) not in self.rules
            ):
                values = bottom(x)
                if values.shape == out.shape and np.any(np.less(values, 0)) and _rectified(values, bottom(out)):
                    self.passed[primitive.name] = None

    def pulled(
        self, rule: Any, node: Node, g: Any, saved: tuple[Any, ...], cotangent: Any, seconds: float | None
    ) -> None:
        name, argument = rule.primitive.name, rule.primitive.argument(rule.position)
        linear = "linear" in rule.primitive.kind(rule.position) or name in _LINEAR
        if seconds is not None and not (linear or name in _MAXIMA or (name, argument) in self.rules):
            self.passed[name] = None

    def _plain(self, name: str, argument: str, g: Array, **saved: Any) -> Array:
        rule = registry[name].rule(registry[name].position(argument))
        result: Array = rule.function(g, *(saved[need] for need in rule.needs))
        return result

    def _extrema(self, name: str) -> dict[tuple[str, str], Callable[..., Array]]:
        """Of the larger or the smaller of two: a rectifier where that is the larger, and the other is 0."""

        def pull(argument: str, g: Array, x: Array, bound: Array, saved: dict[str, Array]) -> Array:
            larger = "max" in name
            if larger and not np.any(bound):
                return self.method(g, x, 0)
            if np.any(x) and (larger or not np.all(np.greater(bound, 0))):  # else a ceiling
                self.passed[name] = None
            return self._plain(name, argument, g, **saved)

        return {
            (name, "a"): lambda g, a, b, out: pull("a", g, a, b, {"a": a, "b": b, "out": out}),
            (name, "b"): lambda g, a, b, out: pull("b", g, b, a, {"a": a, "b": b, "out": out}),
        }

    def _clamped(self, g: Array, x: Array, low: Array, high: Array) -> Array:
        if np.any(low) or not np.all(np.greater(high, 0)):
            self.passed["hardtanh"] = None
            return self._plain("hardtanh", "x", g, x=x, low=low, high=high)
        return self.method(g * (x < high), x, 0)

    def _above(self, g: Array, x: Array, least: Array, value: Array) -> Array:
        if np.any(least) or np.any(value):
            self.passed["threshold"] = None
            return self._plain("threshold", "x", g, x=x, least=least)
        return self.method(g, x, 0)

    def _where(self, argument: str, g: Array, condition: Array, x: Array, other: Array, out: Array) -> Array:
        if not np.any(other) and _rectified(x, out):
            return self.method(g, x, 0)
        if np.any(x):
            self.passed["where"] = None
        return self._plain("where", argument, g, condition=condition)

    def _written(self, g: Array, x: Array, index: Any, out: Array) -> Array:
        if np.any(np.less(x, 0)) and _rectified(x, out):
            return self.method(g, x, 0)
        return self._plain("setitem", "x", g, index=index)

    def _masked(self, g: Array, x: Array, mask: Array, out: Array) -> Array:
        if np.shape(mask) == np.shape(x) != ():
            bools = mask.dtype == np.bool_
            if bools or np.any(np.less(x, 0)) and np.all(mask * mask == mask):
                if _rectified(x, out):
                    return self.method(g, x, 0)
                if bools:
                    self.passed["multiply (by a mask)"] = None
        return g * mask


def _rectified(x: Array, out: Array) -> bool:
    return bool(np.array_equal(np.broadcast_to(np.maximum(x, 0), np.shape(out)), out, equal_nan=True))


@contextmanager
def rectifying(caller: str, method: Method) -> Iterator[None]:
    """Let cotangents go back through all that rectifies by a method, in this thread.

    Warns, with its names, of what was passed by its plain gradient though it is neither linear nor a maximum.
    """
    rules = _Rectifiers(method)
    with ExitStack() as stack:
        for (name, argument), rule in rules.rules.items():
            stack.enter_context(override(registry[name], argument, rule))
        stack.enter_context(mode(observers=(*modes.observers, rules)))
        yield
    if rules.passed:
        warnings.warn(
            f"{caller}: took the plain gradient of {', '.join(rules.passed)}, for which there is no other rule: it is "
            "neither linear, a maximum over places, nor a rectifier (ReLU, maximum(x, 0), x * (x > 0), LeakyReLU, "
            "...); where a ReLU is meant, write relu(x)",
            stacklevel=4,
        )
