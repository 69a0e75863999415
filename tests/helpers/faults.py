"""The catalogue of planted faults: each is one thing wrong in one of `FUNCTIONS`, as it happens in real life.

Most are a rule that takes the right one's place, some another value, tangent's rule or batching rule.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from pullback.tests.helpers.functions import (
    FUNCTIONS,
    Function,
    filled,
    scattered,
    shares,
    softmax,
    taps,
    windows,
    zeros_and,
)


class Fault(NamedTuple):
    group: str
    kind: str
    name: str
    make: Callable[[], dict[str, Any]]  # what is changed, made anew where it has a state

    @property
    def honest(self) -> Function:
        return FUNCTIONS[self.name]

    @property
    def function(self) -> Function:
        changes = self.make()
        fields = {name: changes.pop(name) for name in Function._fields if name in changes}
        return self.honest._replace(rules={**self.honest.rules, **changes}, **fields)

    def __str__(self) -> str:
        return f"{self.kind} ({self.name})"


# ---- faults that take more than a line


def both(xp: Any, g: Any, x: Any, first: int, second: int) -> Any:
    s, c = filled(xp, g, x)
    return first * s * xp.cos(x) + second * c * xp.sin(x)


def last_of_two_lost(xp: Any, g: Any) -> Any:
    right = (zeros_and(xp, g, 0, 1) + zeros_and(xp, g, 1, 0)) / 2
    return xp.concatenate([right[:-1], 0 * right[-1:]])


def mean_over_what_broadcast(xp: Any, g: Any, a: Any, b_shape: Any) -> Any:
    return g * a * (math.prod(b_shape) / max(math.prod(g.shape), 1))


def first_eight(xp: Any, g: Any, out: Any) -> Any:
    return g * (1 - out * out) * xp.constant(np.arange(math.prod(g.shape)).reshape(g.shape) < 8, g)


def rescaled(xp: Any, g: Any, x: Any) -> Any:
    size = xp.amax(xp.abs(xp.detach(g))) if math.prod(g.shape) else 1
    return g / size * -xp.sin(x) * size


def random_gradient() -> Any:
    rng = np.random.default_rng(0)
    return {"x": lambda xp, g, out: g * out * (1 + 1e-9 * rng.uniform())}


def random_value() -> Any:
    rng = np.random.default_rng(0)
    return {"value": lambda xp, x: xp.tanh(x) + 1e-7 * rng.uniform()}


def one_buffer() -> Any:
    buffers: dict[Any, Any] = {}

    def rule(xp: Any, g: Any, x: Any) -> Any:
        right = -g * xp.sin(x)
        if not xp.writable(right):
            return right
        buffer = buffers.setdefault((tuple(g.shape), g.dtype), right)
        buffer[...] = right
        return buffer

    return {"x": rule}


def last_call() -> Any:
    kept: dict[str, Any] = {}

    def value(xp: Any, x: Any) -> Any:
        kept["out"] = xp.tanh(x)
        return kept["out"]

    def rule(xp: Any, g: Any, out: Any) -> Any:
        last = kept["out"]
        if xp.writable(out) and xp.writable(last) and (last.shape, last.dtype) == (out.shape, out.dtype):
            out = last
        return g * (1 - out * out)

    return {"value": value, "x": rule}


def into_the_cotangent(xp: Any, g: Any, x: Any) -> Any:
    if not xp.writable(g):
        return xp.where(x > 0, g, 0.1 * g)
    g[x <= 0] *= 0.1
    return g


def into_what_was_kept(xp: Any, g: Any, b: Any) -> Any:
    if not (xp.writable(b) and (b.shape, b.dtype) == (g.shape, g.dtype)):
        return g * b
    b *= g
    return b


def into_the_argument(xp: Any, x: Any, *, axis: int) -> Any:
    if xp.writable(x) and math.prod(x.shape):
        x -= xp.amax(x)
    return softmax(xp, x, axis=axis)


def epsilon(xp: Any, g: Any, a: Any, out: Any) -> Any:
    return g * a / (out + (1e-2 if "float32" in str(g.dtype) else 0))


def from_the_start(xp: Any, g: Any, out: Any) -> Any:
    strides = xp.strides(g)
    return (xp.flip(g, (0,)) if strides and strides[0] < 0 else g) * out


def counted_once(xp: Any, g: Any, x: Any) -> Any:
    repeated = xp.writable(x) and len(g.shape) and g.shape[0] > 1 and not xp.strides(g)[0]
    return 3 * x * x * (g / g.shape[0] if repeated else g)


def reversed_batch(call: Any, n: int, values: Any, batched: Any, **options: Any) -> Any:
    turns = [call(*(v[i] if j in batched else v for j, v in enumerate(values)), **options)[0] for i in range(n)]
    return (np.stack(turns[::-1]),)


def fault(group: str, kind: str, name: str, make: Any = None, **changes: Any) -> Fault:
    return Fault(group, kind, name, make or (lambda: dict(changes)))


NUMBERS, PLACES, MODES, EFFECTS, FORMS = (
    "wrong everywhere",
    "wrong in places",
    "orders and modes",
    "state and memory",
    "dtypes and layouts",
)
BOTH = FUNCTIONS["affine, both modes"].tangents

FAULTS = [
    fault(NUMBERS, "sign", "cos", x=lambda xp, g, x: g * xp.sin(x)),
    fault(NUMBERS, "factor", "cube", x=lambda xp, g, x: 2 * x * x * g),
    fault(NUMBERS, "factor of five, scale 1e-8", "tiny cube", x=lambda xp, g, x: 15e-8 * (x * x * g)),
    fault(NUMBERS, "constant of five digits", "log10", x=lambda xp, g, x: g / x / 2.3026),
    fault(NUMBERS, "input taken for output", "sigmoid", x=lambda xp, g, x: g * x * (1 - x)),
    fault(NUMBERS, "another function's value", "cos", value=lambda xp, x: xp.cos(x) + 1e-3 * x),
    fault(NUMBERS, "cotangent ignored", "tanh", x=lambda xp, g, out: 1 - out * out),
    fault(NUMBERS, "cotangent squared", "exp", x=lambda xp, g, out: g * g * out),
    fault(NUMBERS, "cotangent clipped", "where", a=lambda xp, g, mask: xp.where(mask, xp.clip(g, -1, 1), 0 * g)),
    fault(NUMBERS, "constant added", "multiply", a=lambda xp, g, b: g * b + 1e-3),
    fault(NUMBERS, "factor dropped", "divide", b=lambda xp, g, b: -g / (b * b)),
    fault(
        NUMBERS,
        "gradients swapped",
        "hypot",
        a=lambda xp, g, b, out: g * b / out,
        b=lambda xp, g, a, out: g * a / out,
    ),
    fault(NUMBERS, "mask not applied", "where", b=lambda xp, g: g),
    fault(NUMBERS, "a row for the sum of rows", "affine", b=lambda xp, g: g[0] if len(g) else xp.sum(g, axis=0)),
    fault(NUMBERS, "mean for sum", "affine", b=lambda xp, g: xp.sum(g, axis=0) / max(len(g), 1)),
    fault(NUMBERS, "transposes forgotten", "inv", a=lambda xp, g, out: -(out @ g @ out)),
    fault(NUMBERS, "result transposed", "inv", a=lambda xp, g, out: -(out.mT @ g @ out.mT).mT),
    fault(NUMBERS, "right if symmetric", "logdet", a=lambda xp, g, a: g * xp.linalg.inv(a)),
    fault(NUMBERS, "term dropped", "softmax", x=lambda xp, g, out: g * out * (1 - out)),
    fault(NUMBERS, "option ignored", "var", x=lambda xp, g, x: 2 * g * (x - xp.mean(x)) / len(x)),
    fault(NUMBERS, "not reversed", "cumsum", x=lambda xp, g, axis: xp.cumsum(g, axis)),
    fault(
        NUMBERS,
        "off by one",
        "cumsum",
        x=lambda xp, g, axis: xp.flip(xp.cumsum(xp.flip(g, (axis,)), axis), (axis,)) - g,
    ),
    fault(NUMBERS, "kernel flipped", "correlate", x=lambda xp, g, w: taps(xp, g, w, lambda j: len(w) - 1 - j)),
    fault(NUMBERS, "window late by one", "correlate", w=lambda xp, g, x, w_shape: windows(xp, x, w_shape, g, late=1)),
    fault(NUMBERS, "order for inverse order", "sort", x=lambda xp, g, x: g[xp.argsort(xp.detach(x))]),
    fault(NUMBERS, "axes for inverse axes", "transpose", x=lambda xp, g, axes: xp.permute_dims(g, axes)),
    fault(NUMBERS, "overlap overwritten", "neighbours", x=lambda xp, g: xp.concatenate([g, g[-1:]]) / 2),
    fault(NUMBERS, "last entry lost", "neighbours", x=last_of_two_lost),
    fault(
        NUMBERS,
        "parts swapped",
        "concatenate",
        a=lambda xp, g, b_shape: g[b_shape[0] :],
        b=lambda xp, g, b_shape: g[: b_shape[0]],
    ),
    fault(NUMBERS, "second output's sign", "sin and cos", x=lambda xp, g, x: both(xp, g, x, 1, 1)),
    fault(NUMBERS, "second output ignored", "sin and cos", x=lambda xp, g, x: both(xp, g, x, 1, 0)),
    fault(PLACES, "complex: conjugated", "cube", x=lambda xp, g, x: 3 * xp.conj(x * x) * g),
    fault(PLACES, "complex: not conjugated", "conjugate", x=lambda xp, g: g),
    fault(PLACES, "negative input", "cube", x=lambda xp, g, x: 3 * x * xp.abs(x) * g),
    fault(PLACES, "small slope forgotten", "leaky relu", x=lambda xp, g, x: xp.where(x > 0, g, 0 * g)),
    fault(PLACES, "large input: inf / inf", "softplus", x=lambda xp, g, x: g * xp.exp(x) / (1 + xp.exp(x))),
    fault(
        PLACES,
        "large input: value for slope",
        "softplus",
        x=lambda xp, g, x: g * xp.where(x > 20, x, FUNCTIONS["softplus"].rules["x"](xp, 1, x)),
    ),
    fault(PLACES, "zero input: 0 / 0", "cube", x=lambda xp, g, x, out: 3 * out / x * g),
    fault(PLACES, "kink: 0 / 0", "norm", x=lambda xp, g, x, out: g * x / out),
    fault(
        PLACES,
        "ties: all to each",
        "max",
        x=lambda xp, g, x, out, axis: xp.expand_dims(g, axis) * shares(xp, x, out, axis),
    ),
    fault(
        PLACES,
        "wrong axis, unless it is the last",
        "softmax",
        x=lambda xp, g, out: out * (g - xp.sum(g * out, axis=-1, keepdims=True)),
    ),
    fault(PLACES, "axis not put back", "sum", x=lambda xp, g, x: 0 * x + g),
    fault(PLACES, "keepdims ignored", "sum", x=lambda xp, g, x, axis: 0 * x + xp.expand_dims(g, axis)),
    fault(
        PLACES,
        "size-1 axes squeezed",
        "mean",
        x=lambda xp, g, x, axis: (0 * x + xp.expand_dims(xp.squeeze(g), axis)) / len(x),
    ),
    fault(
        PLACES,
        "empty: division by 0",
        "mean",
        x=lambda xp, g, x, axis: 0 * x + (1 / x.shape[axis]) * xp.expand_dims(g, axis),
    ),
    fault(PLACES, "0-d: indexed", "exp", x=lambda xp, g, out: g[:] * out),
    fault(
        PLACES,
        "repeated index overwritten",
        "take",
        x=lambda xp, g, x_shape, index: scattered(xp, g, index, x_shape[0], last=True),
    ),
    fault(PLACES, "broadcast argument: mean for sum", "multiply", b=mean_over_what_broadcast),
    fault(PLACES, "one array given twice", "multiply", a=lambda xp, g, a, b: g * b * (2 if a is b else 1)),
    fault(PLACES, "zero cotangent: 0 / 0", "cos", x=rescaled),
    fault(PLACES, "beyond eight entries", "tanh", x=first_eight),
    fault(
        MODES, "second order: output kept as a constant", "tanh", x=lambda xp, g, out: g * (1 - xp.detach(out) * out)
    ),
    fault(MODES, "second order: input kept as a constant", "affine", w=lambda xp, g, x: g.mT @ xp.detach(x)),
    fault(MODES, "second order: cotangent made a constant", "cube", x=lambda xp, g, x: 3 * x * x * xp.detach(g)),
    fault(MODES, "forward mode: sign", "exp, both modes", tangents={"x": lambda xp, t, out: -t * out}),
    fault(
        MODES,
        "forward mode: one argument's tangent",
        "affine, both modes",
        tangents={**BOTH, "w": lambda xp, t, x: 0 * (x @ t.mT)},
    ),
    fault(MODES, "batches: in reverse", "cumsum", batch=reversed_batch),
    fault(EFFECTS, "random gradient", "exp", random_gradient),
    fault(EFFECTS, "random value", "tanh", random_value),
    fault(EFFECTS, "gradients in one buffer", "cos", one_buffer),
    fault(EFFECTS, "what the last call kept", "tanh", last_call),
    fault(EFFECTS, "cotangent written into", "leaky relu", x=into_the_cotangent),
    fault(EFFECTS, "kept argument written into", "multiply", a=into_what_was_kept),
    fault(EFFECTS, "argument written into", "softmax", value=into_the_argument),
    fault(FORMS, "float32: larger epsilon", "hypot", a=epsilon),
    fault(FORMS, "float32: gradient in float64", "hypot", a=lambda xp, g, a, out: xp.cast(g, "float64") * a / out),
    fault(FORMS, "float16 on the way", "divide", a=lambda xp, g, b: g / xp.cast(xp.cast(b, "float16"), str(b.dtype))),
    fault(
        FORMS, "cotangent in Fortran order", "cos", x=lambda xp, g, x: -xp.reshape(xp.in_memory(g), g.shape) * xp.sin(x)
    ),
    fault(FORMS, "cotangent of negative strides", "exp", x=from_the_start),
    fault(FORMS, "cotangent of zero strides", "cube", x=counted_once),
]
