"""Functions with right rules, in which faults are planted (see faults.py).

A value or rule is written once, in the terms of any array library `xp`, so that all checkers see the same:

    value       (xp, *arrays, **options)
    rule        (xp, g, ...) and a tangent's rule (xp, t, ...), the rest by name: an array, an option or `out`

`xp` is the library's own namespace with the few functions of `Library`. Rules follow Pullback's convention of complex
gradients, which is that of JAX and HIPS autograd.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from pullback import primitive, stop_gradient
from pullback.autograd import Primitive, Tensor


class Library:
    """NumPy for Pullback's rules: they run on arrays and on Tensors."""

    def __getattr__(self, name: str) -> Any:
        return getattr(np, name)

    def detach(self, x: Any) -> Any:
        """The values of x as a constant."""
        return stop_gradient(x) if isinstance(x, Tensor) else x

    def constant(self, x: Any, like: Any) -> Any:
        """A NumPy array as one of the library, of the dtype of `like`."""
        return np.asarray(x, like.dtype)

    def cast(self, x: Any, dtype: str) -> Any:
        return x.astype(dtype)

    def writable(self, x: Any) -> bool:
        """Whether x is an array that can be written into."""
        return isinstance(x, np.ndarray) and x.flags.writeable

    def strides(self, x: Any) -> tuple[int, ...]:
        """The strides of x, all 0 where it has no memory of its own."""
        return x.strides if isinstance(x, np.ndarray) else (0,) * x.ndim

    def in_memory(self, x: Any) -> Any:
        """The entries of x in a row, as they stand in memory."""
        return x.ravel(order="K") if isinstance(x, np.ndarray) else x.ravel()


class Function(NamedTuple):
    """A function with its rules and how its arguments are drawn."""

    value: Callable[..., Any]
    rules: dict[str, Callable[..., Any]]
    draw: Callable[[Any], Any]
    kind: str = "elementwise"
    outputs: tuple[str, ...] = ()
    tangents: dict[str, Callable[..., Any]] = {}
    batch: Callable[..., Any] | None = None


def as_primitive(function: Function, name: str, make: Any = primitive, xp: Any = None) -> Primitive:
    """The function as a primitive of Pullback."""
    xp = xp or Library()
    made = make(partial(function.value, xp), name=name, outputs=function.outputs)
    for argument, rule in function.rules.items():
        made.vjp(argument, function.kind)(partial(rule, xp))
    for argument, rule in function.tangents.items():
        made.jvp(argument)(partial(rule, xp))
    if function.batch:
        made.batch(function.batch)
    made.strategy(function.draw)
    return made


def entries(domain: Any = (-3.0, 3.0), **kwargs: Any) -> Any:
    return lambda draw: ((draw.array(domain=domain, **kwargs),), {})


def pairs(*domains: Any) -> Any:
    return lambda draw: (draw.entries(domains, dtype=np.float64), {})


def along(min_side: int = 0, **kwargs: Any) -> Any:
    """An array and one of its axes."""

    def draw_them(draw: Any) -> Any:
        x = draw.array(draw.shape(min_dims=1, min_side=min_side), **kwargs)
        return (x,), {"axis": draw.axis(x.ndim)}

    return draw_them


def reducing(draw: Any) -> Any:
    (x,), options = along(min_side=1, dtype=np.float64)(draw)
    return (x,), {**options, "keepdims": draw.flag()}


def ties(draw: Any) -> Any:
    """Entries among which the largest may come several times."""
    x = draw.array(draw.shape(min_dims=1, min_side=1), domain=(0.5, 1.0), dtype=np.float64)
    return (np.round(2 * x) / 2,), {"axis": draw.axis(x.ndim)}


def square(draw: Any) -> Any:
    """A matrix whose diagonal outweighs the rest."""
    n = draw.integer(1, 3)
    return (draw.array((n, n), domain=(-0.5, 0.5)) + 2 * np.eye(n),), {}


def layer(draw: Any) -> Any:
    n, i, o = draw.integer(0, 3), draw.integer(1, 3), draw.integer(1, 3)
    return (draw.array((n, i)), draw.array((o, i)), draw.array((o,))), {}


def gathering(draw: Any) -> Any:
    x = draw.array(draw.shape(min_dims=1, max_dims=2, min_side=1))
    return (x,), {"index": draw.integers((draw.integer(0, 4),), 0, len(x) - 1)}


def permuting(draw: Any) -> Any:
    x = draw.array(draw.shape(min_dims=0))
    return (x,), {"axes": draw.permutation(x.ndim)}


def parts(draw: Any) -> Any:
    return (draw.array((draw.integer(0, 3),)), draw.array((draw.integer(0, 3),))), {}


def choosing(draw: Any) -> Any:
    shape = draw.shape()
    return (draw.array(shape), draw.array(shape)), {"mask": draw.mask(shape)}


def filtering(draw: Any) -> Any:
    n, k = draw.integer(3, 6), draw.integer(1, 3)
    return (draw.array((n,)), draw.array((k,))), {}


def correction(draw: Any) -> Any:
    x = draw.array((draw.integer(2, 4),))
    return (x,), {"ddof": draw.integer(0, 1)}


def kept(xp: Any, g: Any, axis: int, keepdims: bool) -> Any:
    return g if keepdims else xp.expand_dims(g, axis)


def zeros_and(xp: Any, g: Any, before: int, after: int) -> Any:
    """g with zeros around it."""
    return xp.concatenate([0 * xp.constant(np.ones(before), g), g, 0 * xp.constant(np.ones(after), g)])


def taps(xp: Any, g: Any, w: Any, order: Callable[[int], int]) -> Any:
    k = w.shape[0]
    return sum(zeros_and(xp, g * w[order(j)], j, k - 1 - j) for j in range(k))


def windows(xp: Any, x: Any, w_shape: Any, g: Any, late: int = 0) -> Any:
    k, n = w_shape[0], x.shape[0]
    starts = [min(j + late, k - 1) for j in range(k)]
    return xp.stack([xp.sum(g * x[j : j + n - k + 1]) for j in starts])


def softmax(xp: Any, x: Any, *, axis: int) -> Any:
    e = xp.exp(x)
    return e / xp.sum(e, axis=axis, keepdims=True)


def rows(index: Any, n: int, last: bool = False) -> Any:
    """The matrix that gathers; with `last` only the last of repeated indices counts."""
    matrix = np.eye(n)[index]
    return matrix * (np.cumsum(matrix[::-1], 0)[::-1] == 1) if last else matrix


def scattered(xp: Any, g: Any, index: Any, n: int, last: bool = False) -> Any:
    return xp.constant(rows(index, n, last).T, g) @ g


def shares(xp: Any, x: Any, out: Any, axis: int) -> Any:
    return xp.constant(1, x) * (x == xp.expand_dims(out, axis))


def filled(xp: Any, g: Any, x: Any) -> Any:
    """The cotangents of several outputs: zeros for None, that of one which is not used."""
    return tuple(0 * x if part is None else part for part in g)


FUNCTIONS = {
    "cos": Function(lambda xp, x: xp.cos(x), {"x": lambda xp, g, x: -g * xp.sin(x)}, entries()),
    "exp": Function(lambda xp, x: xp.exp(x), {"x": lambda xp, g, out: g * out}, entries()),
    "cube": Function(lambda xp, x: x * x * x, {"x": lambda xp, g, x: 3 * x * x * g}, entries()),
    "tiny cube": Function(lambda xp, x: 1e-8 * (x * x * x), {"x": lambda xp, g, x: 3e-8 * (x * x * g)}, entries()),
    "tanh": Function(lambda xp, x: xp.tanh(x), {"x": lambda xp, g, out: g * (1 - out * out)}, entries((-2.0, 2.0))),
    "log10": Function(
        lambda xp, x: xp.log(x) / float(np.log(10)),
        {"x": lambda xp, g, x: g / x / float(np.log(10))},
        entries((0.5, 3)),
    ),
    "sigmoid": Function(
        lambda xp, x: 1 / (1 + xp.exp(-x)), {"x": lambda xp, g, out: g * out * (1 - out)}, entries((-2.0, 2.0))
    ),
    "softplus": Function(
        lambda xp, x: xp.log1p(xp.exp(-xp.abs(x))) + (x + xp.abs(x)) / 2,
        {"x": lambda xp, g, x: g * xp.where(x > 0, 1 + 0 * x, xp.exp(-xp.abs(x))) / (1 + xp.exp(-xp.abs(x)))},
        entries((-60.0, 800.0), kinks=(0.0,), dtype=np.float64),
    ),
    "leaky relu": Function(
        lambda xp, x: xp.where(x > 0, x, 0.1 * x),
        {"x": lambda xp, g, x: xp.where(x > 0, g, 0.1 * g)},
        entries(kinks=(0.0,), dtype=np.float64),
    ),
    "conjugate": Function(lambda xp, x: xp.conj(x), {"x": lambda xp, g: xp.conj(g)}, entries(), kind="general"),
    "multiply": Function(
        lambda xp, a, b: a * b,
        {"a": lambda xp, g, b: g * b, "b": lambda xp, g, a: g * a},
        lambda draw: (draw.entries(((-3.0, 3.0),) * 2), {}),
    ),
    "divide": Function(
        lambda xp, a, b: a / b,
        {"a": lambda xp, g, b: g / b, "b": lambda xp, g, b, out: -g * out / b},
        pairs((-3.0, 3.0), (0.5, 3.0)),
    ),
    "hypot": Function(
        lambda xp, a, b: xp.sqrt(a * a + b * b),
        {"a": lambda xp, g, a, out: g * a / out, "b": lambda xp, g, b, out: g * b / out},
        pairs((0.5, 3.0), (0.5, 3.0)),
    ),
    "where": Function(
        lambda xp, a, b, *, mask: xp.where(mask, a, b),
        {"a": lambda xp, g, mask: xp.where(mask, g, 0 * g), "b": lambda xp, g, mask: xp.where(mask, 0 * g, g)},
        choosing,
        kind="general",
    ),
    "affine": Function(
        lambda xp, x, w, b: x @ w.mT + b,
        {
            "x": lambda xp, g, w: g @ w,
            "w": lambda xp, g, x: g.mT @ x,
            "b": lambda xp, g: xp.sum(g, axis=0),
        },
        layer,
        kind="general",
    ),
    "inv": Function(
        lambda xp, a: xp.linalg.inv(a), {"a": lambda xp, g, out: -(out.mT @ g @ out.mT)}, square, kind="general"
    ),
    "logdet": Function(
        lambda xp, a: xp.linalg.slogdet(a)[1],
        {"a": lambda xp, g, a: g * xp.linalg.inv(a).mT},
        lambda draw: ((square(draw)[0][0].real,), {}),
        kind="general",
    ),
    "softmax": Function(
        softmax,
        {"x": lambda xp, g, out, axis: out * (g - xp.sum(g * out, axis=axis, keepdims=True))},
        along(dtype=np.float64),
        kind="general",
    ),
    "sum": Function(
        lambda xp, x, *, axis, keepdims: xp.sum(x, axis=axis, keepdims=keepdims),
        {"x": lambda xp, g, x, axis, keepdims: 0 * x + kept(xp, g, axis, keepdims)},
        reducing,
        kind="general",
    ),
    "mean": Function(
        lambda xp, x, *, axis: xp.sum(x, axis=axis) / max(x.shape[axis], 1),
        {"x": lambda xp, g, x, axis: (0 * x + xp.expand_dims(g, axis)) / max(x.shape[axis], 1)},
        along(),
        kind="general",
    ),
    "var": Function(
        lambda xp, x, *, ddof: xp.sum((x - xp.mean(x)) ** 2) / (x.shape[0] - ddof),
        {"x": lambda xp, g, x, ddof: 2 * g * (x - xp.mean(x)) / (x.shape[0] - ddof)},
        correction,
        kind="general",
    ),
    "max": Function(
        lambda xp, x, *, axis: xp.amax(x, axis),
        {
            "x": lambda xp, g, x, out, axis: (
                xp.expand_dims(g, axis)
                * shares(xp, x, out, axis)
                / xp.sum(shares(xp, x, out, axis), axis=axis, keepdims=True)
            )
        },
        ties,
        kind="general",
    ),
    "norm": Function(
        lambda xp, x: xp.sqrt(xp.sum(x * x)),
        {"x": lambda xp, g, x, out: g * x / xp.where(out == 0, float("inf") + out, out)},
        lambda draw: ((draw.array(draw.shape(min_dims=1, max_dims=1, min_side=1), (0.0, 2.0), dtype=np.float64),), {}),
        kind="general",
    ),
    "cumsum": Function(
        lambda xp, x, *, axis: xp.cumsum(x, axis),
        {"x": lambda xp, g, axis: xp.flip(xp.cumsum(xp.flip(g, (axis,)), axis), (axis,))},
        along(),
        kind="linear",
    ),
    "neighbours": Function(
        lambda xp, x: (x[1:] + x[:-1]) / 2,
        {"x": lambda xp, g: (zeros_and(xp, g, 0, 1) + zeros_and(xp, g, 1, 0)) / 2},
        lambda draw: ((draw.array((draw.integer(2, 4),)),), {}),
        kind="linear",
    ),
    "take": Function(
        lambda xp, x, *, index: x[index],
        {"x": lambda xp, g, x_shape, index: scattered(xp, g, index, x_shape[0])},
        gathering,
        kind="general",
    ),
    "sort": Function(
        lambda xp, x: xp.sort(x),
        {"x": lambda xp, g, x: g[xp.argsort(xp.argsort(xp.detach(x)))]},
        lambda draw: ((draw.array((draw.integer(1, 5),), distinct=True, dtype=np.float64),), {}),
        kind="general",
    ),
    "transpose": Function(
        lambda xp, x, *, axes: xp.permute_dims(x, axes),
        {"x": lambda xp, g, axes: xp.permute_dims(g, tuple(int(i) for i in np.argsort(axes)))},
        permuting,
        kind="general",
    ),
    "concatenate": Function(
        lambda xp, a, b: xp.concatenate([a, b]),
        {"a": lambda xp, g, a_shape: g[: a_shape[0]], "b": lambda xp, g, a_shape: g[a_shape[0] :]},
        parts,
        kind="general",
    ),
    "correlate": Function(
        lambda xp, x, w: sum(w[j] * x[j : x.shape[0] - w.shape[0] + 1 + j] for j in range(w.shape[0])),
        {
            "x": lambda xp, g, w: taps(xp, g, w, lambda j: j),
            "w": lambda xp, g, x, w_shape: windows(xp, x, w_shape, g),
        },
        filtering,
        kind="general",
    ),
    "sin and cos": Function(
        lambda xp, x: (xp.sin(x), xp.cos(x)),
        {"x": lambda xp, g, x: filled(xp, g, x)[0] * xp.cos(x) - filled(xp, g, x)[1] * xp.sin(x)},
        entries(),
        kind="general",
        outputs=("s", "c"),
    ),
}
FUNCTIONS["exp, both modes"] = FUNCTIONS["exp"]._replace(kind="general", tangents={"x": lambda xp, t, out: t * out})
FUNCTIONS["affine, both modes"] = FUNCTIONS["affine"]._replace(
    tangents={
        "x": lambda xp, t, w: t @ w.mT,
        "w": lambda xp, t, x: x @ t.mT,
        "b": lambda xp, t, out: 0 * out + t,
    }
)
