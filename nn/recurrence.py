"""One recurrent layer over all time steps, as one primitive: `rnn_layer`, `lstm_layer`, `lstm_projected_layer` and
`gru_layer`.

An ordinary backward pass takes the way back that stands beside the loop over the steps (kernels/recurrent.py). Where
derivatives go through the rule itself, in forward mode and for derivatives of higher order, the layer is composed,
operation by operation.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from ..autograd import Tensor, asarray, concatenate, jvp, relu, sigmoid, tanh, vjp
from ..extend import (
    Primitive,
    Several,
    added,
    gru,
    gru_back,
    looped,
    lstm,
    lstm_back,
    plain,
    primitive,
    product,
    rnn,
    rnn_back,
)

Sizes = tuple[int, ...]

_MOVING = ("x", "h", "c")  # what is different for each sequence


def _alike(name: str, *arrays: Any) -> list[Any]:
    """The arrays in one dtype, that of the result."""
    dtype = np.result_type(*arrays)
    if dtype.kind == "c":
        raise TypeError(f"{name}: complex numbers; expected real ones")
    return [a if a.dtype == dtype else a.astype(dtype) for a in arrays]


@primitive(outputs=["y", "h_n"], aux=["kept"])
def rnn_layer(x: Any, w_ih: Any, w_hh: Any, b: Any, h: Any, *, sizes: Sizes, reverse: bool, rectified: bool) -> Any:
    """Elman's layer: all states and the last ones; see `kernels.recurrent`."""
    x, w_ih, w_hh, b, h = _alike("rnn_layer", x, w_ih, w_hh, b, h)
    y, last, kept = rnn(x, w_ih, w_hh, b, h, sizes=sizes, reverse=reverse, rectified=rectified)
    return y, last, kept


def _rnn_back(g: Any, a: dict[str, Any], w_hh: Any, options: Any) -> dict[str, Any]:
    dz, dh = rnn_back(g[0], g[1], w_hh, a["h"].shape, a["y"], a["kept"], **options)
    return {"z": dz, "u": dz, "h": dh}


def _rnn_composed(x: Any, w_ih: Any, w_hh: Any, b: Any, h: Any, *, sizes: Sizes, reverse: bool, rectified: bool) -> Any:
    def step(z: Any, h: Any) -> Any:
        z = z + h @ w_hh.mT
        return (relu(z) if rectified else tanh(z),)

    return _scan(step, x @ w_ih.mT + b, (h,), sizes, reverse)


@primitive(outputs=["y", "h_n", "c_n"], aux=["kept"])
def lstm_layer(x: Any, w_ih: Any, w_hh: Any, b: Any, h: Any, c: Any, *, sizes: Sizes, reverse: bool) -> Any:
    """A layer of long short-term memory: all states, and the last states and cells; see `kernels.recurrent`."""
    x, w_ih, w_hh, b, h, c = _alike("lstm_layer", x, w_ih, w_hh, b, h, c)
    y, last, cells, kept = lstm(x, w_ih, w_hh, b, h, c, None, sizes=sizes, reverse=reverse)
    return y, last, cells, kept


@primitive(outputs=["y", "h_n", "c_n"], aux=["kept"])
def lstm_projected_layer(
    x: Any, w_ih: Any, w_hh: Any, b: Any, h: Any, c: Any, p: Any, *, sizes: Sizes, reverse: bool
) -> Any:
    """As `lstm_layer`, with states that are projected by p (Sak et al., 2014)."""
    x, w_ih, w_hh, b, h, c, p = _alike("lstm_projected_layer", x, w_ih, w_hh, b, h, c, p)
    y, last, cells, kept = lstm(x, w_ih, w_hh, b, h, c, p, sizes=sizes, reverse=reverse)
    return y, last, cells, kept


def _lstm_back(g: Any, a: dict[str, Any], w_hh: Any, options: Any) -> dict[str, Any]:
    dz, dh, dc, dy = lstm_back(g[0], g[1], g[2], w_hh, a["h"].shape, a.get("p"), a["kept"], **options)
    return {"z": dz, "u": dz, "h": dh, "c": dc, "y": dy}


def _lstm_composed(
    x: Any, w_ih: Any, w_hh: Any, b: Any, h: Any, c: Any, p: Any = None, *, sizes: Sizes, reverse: bool
) -> Any:
    units = c.shape[-1]

    def step(z: Any, h: Any, c: Any) -> Any:
        z = z + h @ w_hh.mT
        i, f, g, o = (z[..., k : k + units] for k in range(0, 4 * units, units))
        c = sigmoid(f) * c + sigmoid(i) * tanh(g)
        h = sigmoid(o) * tanh(c)
        return (h if p is None else h @ p.mT), c

    return _scan(step, x @ w_ih.mT + b, (h, c), sizes, reverse)


@primitive(outputs=["y", "h_n"], aux=["kept"])
def gru_layer(x: Any, w_ih: Any, w_hh: Any, b_ih: Any, b_hh: Any, h: Any, *, sizes: Sizes, reverse: bool) -> Any:
    """A layer of gated recurrent units: all states and the last ones; see `kernels.recurrent`."""
    x, w_ih, w_hh, b_ih, b_hh, h = _alike("gru_layer", x, w_ih, w_hh, b_ih, b_hh, h)
    y, last, kept = gru(x, w_ih, w_hh, b_ih, b_hh, h, sizes=sizes, reverse=reverse)
    return y, last, kept


def _gru_back(g: Any, a: dict[str, Any], w_hh: Any, options: Any) -> dict[str, Any]:
    dz, du, dh = gru_back(g[0], g[1], w_hh, a["h"].shape, a["kept"], **options)
    return {"z": dz, "u": du, "h": dh}


def _gru_composed(x: Any, w_ih: Any, w_hh: Any, b_ih: Any, b_hh: Any, h: Any, *, sizes: Sizes, reverse: bool) -> Any:
    units = h.shape[-1]

    def step(z: Any, h: Any) -> Any:
        u = h @ w_hh.mT + b_hh
        gates = sigmoid(z[..., : 2 * units] + u[..., : 2 * units])
        r, keep = gates[..., :units], gates[..., units:]
        new = tanh(z[..., 2 * units :] + r * u[..., 2 * units :])
        return (new + keep * (h - new),)

    return _scan(step, x @ w_ih.mT + b_ih, (h,), sizes, reverse)


def _scan(step: Callable[..., Any], z: Any, states: tuple[Any, ...], sizes: Sizes, reverse: bool) -> tuple[Any, ...]:
    """Run `step(z, *states)` for the rows of each time step; all first states that it gives, and the last states."""
    ends = np.cumsum(sizes, dtype=int).tolist()
    outs: dict[int, Any] = {}
    for t in reversed(range(len(sizes))) if reverse else range(len(sizes)):
        n = sizes[t]
        new = step(z[ends[t] - n : ends[t]], *(s[:n] for s in states))
        outs[t] = new[0]
        states = tuple(s if n == len(old) else concatenate([s, old[n:]], 0) for s, old in zip(new, states, strict=True))
    return concatenate([outs[t] for t in range(len(sizes))], 0), *states


def _of_argument(argument: str, found: dict[str, Any], known: dict[str, Any]) -> Any:
    """The cotangent of an argument, from those of the products z with the input and u with the state, and of others."""
    if argument == "x":
        return product(found["z"], known["w_ih"])
    if argument in ("h", "c"):
        return found[argument]
    if argument in ("b", "b_ih"):
        return added(found["z"], 0)
    if argument == "b_hh":
        return added(found["u"], 0)
    before, last = known["kept"][0], known["kept"][-1]
    g, x = {"w_ih": (found["z"], known["x"]), "w_hh": (found["u"], before), "p": (found.get("y"), last)}[argument]
    return product(g.T, x)


def _add_rules(made: Primitive, composed: Callable[..., Any], back: Callable[..., Any]) -> None:
    """Give a layer its rules: by `back` on arrays, or else those of the composed form.

    What the rules of one node have in common is found by the first that asks, and lies with the cotangents of the pass.
    """
    arrays, options = made.arrays, made.options
    names = ("g", *arrays, *options, "y", "kept")
    signature = inspect.Signature([inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD) for name in names])

    def pulled(g: Any, known: dict[str, Any]) -> dict[str, Any]:
        """The cotangents of all arguments, by the composed form."""
        wanted = [each is not None for each in g]
        asked = [name for name in arrays if known[name].dtype.kind == "f"]

        def function(*values: Any) -> Any:
            given = known | dict(zip(asked, values, strict=True))
            out = composed(*(given[name] for name in arrays), **{name: known[name] for name in options})
            return tuple(o for o, want in zip(out, wanted, strict=True) if want)

        _, pull_back = vjp(function, *(known[name] for name in asked))
        return dict(zip(asked, pull_back(tuple(each for each in g if each is not None)), strict=True))

    def register(argument: str) -> None:
        def pull(g: Any, *saved: Any) -> Any:
            known = dict(zip(names[1:], saved, strict=True))
            on_arrays = not any(isinstance(v, Tensor) for v in (*g, *saved))
            g = g if isinstance(g, Several) else Several(g)  # of who calls the rule itself
            if g.found is None and on_arrays:
                w_hh = known["w_hh"].astype(known["y"].dtype, copy=False)
                g.found = back(g, known, w_hh, {name: known[name] for name in options})
            elif g.found is None:
                g.found = pulled(g, known)
            return _of_argument(argument, g.found, known) if on_arrays else g.found[argument]

        def push(tangent: Any, *saved: Any) -> Any:
            known = dict(zip(names[1:], saved, strict=True))

            def function(value: Any) -> Any:
                given = (value if name == argument else known[name] for name in arrays)
                out = composed(*given, **{name: known[name] for name in options})
                return tuple(map(asarray, out))  # the cells do not depend on a projection

            return tuple(map(plain, jvp(function, (known[argument],), (tangent,))[1]))

        rule: Any
        for rule in (pull, push):
            rule.__signature__ = signature
        made.vjp(argument)(pull)
        made.jvp(argument)(push)

    for argument in arrays:
        register(argument)


def _add_batching(made: Primitive) -> None:
    """Put the sequences of all examples side by side, or, where they have weights of their own, go one by one."""
    arrays = made.arrays

    @made.batch
    def _(call: Any, n: int, values: Any, batched: set[int], /, *, sizes: Sizes, **options: Any) -> Any:
        if any(arrays[i] not in _MOVING for i in batched):
            one: Any = lambda *each: call(*each, sizes=sizes, **options)[:1]  # noqa: E731 - what is kept is no batch
            return *looped(one, n, values, batched), None
        sides = list(values)
        for i, name in enumerate(arrays):
            if i in batched:
                v = np.moveaxis(values[i], 0, 1)
                sides[i] = np.reshape(v, (len(v) * n, v.shape[2]))
            elif name in _MOVING:
                sides[i] = np.repeat(values[i], n, axis=0)
        out = call(*sides, sizes=tuple(size * n for size in sizes), **options)[0]
        parted = tuple(np.moveaxis(np.reshape(o, (len(o) // n, n, o.shape[1])), 1, 0) for o in out)
        return parted, None


def _add_strategy(made: Primitive) -> None:
    @made.strategy
    def _(draw: Any) -> Any:
        gates = {"rnn_layer": 1, "gru_layer": 3}.get(made.name, 4)
        features, units, out = draw.integer(1, 2), 2, draw.integer(1, 2) if "p" in made.arrays else 2
        sizes = tuple(sorted((draw.integer(1, 3) for _ in range(draw.integer(1, 3))), reverse=True))
        shapes = {
            **{"x": (sum(sizes), features), "h": (sizes[0], out), "c": (sizes[0], units)},
            **{"w_ih": (gates * units, features), "w_hh": (gates * units, out), "p": (out, units)},
        }
        given = tuple(
            draw.array(shapes.get(name, (gates * units,)), (-1.0, 1.0), dtype=np.float64) for name in made.arrays
        )
        further = {"rectified": False} if "rectified" in made.options else {}
        return given, {"sizes": sizes, "reverse": draw.flag(), **further}


for _made, _composed, _back in (
    (rnn_layer, _rnn_composed, _rnn_back),
    (lstm_layer, _lstm_composed, _lstm_back),
    (lstm_projected_layer, _lstm_composed, _lstm_back),
    (gru_layer, _gru_composed, _gru_back),
):
    _add_rules(_made, _composed, _back)
    _add_batching(_made)
    _add_strategy(_made)
