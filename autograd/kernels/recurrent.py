"""Recurrent layers on arrays: all time steps forward, and back from the cotangents of what they gave.

Sequences of different lengths lie packed: step t has `sizes[t]` rows, those of the sequences that are so long, the
longest sequence first, and the rows of all steps lie beneath one another. A step takes the states of its sequences (the
first rows of the states) to new ones; in reverse the last step comes first, so that shorter sequences join later.

The products with the input are one for all steps, and so can be those that give the weights' gradients: the ways back
give the cotangents of all products. What a step keeps for its way back lies where its rows lie.

A layer of n units has weights of G n rows, gate after gate: G is 1 for `rnn`, 4 for `lstm` (i, f, g, o; Hochreiter and
Schmidhuber, 1997; Gers et al., 2000), 3 for `gru` (r, z, n; Cho et al., 2014).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..runtime import memory
from ..runtime.threads import one_blas_thread
from . import recurrent_native as native
from .matrix_product import product

__all__ = ["gru", "gru_back", "lstm", "lstm_back", "rnn", "rnn_back"]

Sizes = tuple[int, ...]
Array = np.ndarray[Any, Any]
Kept = tuple[Array, ...]  # for the way back


def _steps(sizes: Sizes, rows: int, sequences: int, reverse: bool) -> list[tuple[slice, int]]:
    """The rows of each step and their number, in the order of time."""
    starts, counts = (numbers.tolist() for numbers in native.steps_of(sizes, rows, sequences, reverse))
    return [(slice(start, start + n), n) for start, n in zip(starts, counts, strict=True)]


def _forward(z: Any, w_hh: Any, h: Any, sizes: Sizes, reverse: bool, cell: Callable[..., Any]) -> tuple[Any, Any]:
    """Run `cell(at, n, z, u, before, y)` for each step: it makes y of the products z with the input and u with the
    state `before`, and may leave in z what it keeps. The states h become the last. Returns all y and all `before`.
    """
    shape = len(z), h.shape[1]
    y, before = memory.empty(shape, z.dtype), memory.empty(shape, z.dtype)
    w = np.ascontiguousarray(w_hh.T)
    u = np.empty((len(h), w.shape[1]), z.dtype)

    def run() -> None:
        for at, n in _steps(sizes, len(z), len(h), reverse):
            before[at] = h[:n]
            np.matmul(before[at], w, out=u[:n])
            cell(at, n, z[at], u[:n], before[at], y[at])
            h[:n] = y[at]

    one_blas_thread(run)
    return y, before


def _start(g: Any, shape: Any, dtype: Any) -> Any:
    """The cotangents of the last states, an array to be changed."""
    return np.zeros(shape, dtype) if g is None else g.copy("C")


def _back(gy: Any, dh: Any, w_hh: Any, sizes: Sizes, reverse: bool, cell: Callable[..., Any]) -> Any:
    """Run `cell(at, n, g, du)` for each step, the last first: it makes the cotangent du of the products with the state
    of g, that of the new state, and leaves in g what comes back directly. The cotangents dh of the last states become
    those of the first. Returns all du."""
    du = memory.empty((sum(sizes), len(w_hh)), w_hh.dtype)
    through = np.empty_like(dh)

    def run() -> None:
        for at, n in reversed(_steps(sizes, len(du), len(dh), reverse)):
            g = dh[:n]
            if gy is not None:
                g += gy[at]
            cell(at, n, g, du[at])
            np.matmul(du[at], w_hh, out=through[:n])
            g += through[:n]

    one_blas_thread(run)
    return du


def _sigmoid(x: Any) -> None:
    """Make x its logistic function."""
    x *= 0.5
    np.tanh(x, out=x)
    x *= 0.5
    x += 0.5


def rnn(
    x: Array, w_ih: Array, w_hh: Array, b: Array, h: Array, *, sizes: Sizes, reverse: bool, rectified: bool
) -> tuple[Array, Array, Kept]:
    """h' = tanh(W_ih x + b + W_hh h), or the rectifier of that (Elman, 1990): all h', the last ones, and what is kept.

    x is (rows, features), h (sequences, units).
    """

    def cell(at: slice, n: int, z: Any, u: Any, before: Any, y: Any) -> None:
        np.add(z, u, out=y)
        if rectified:
            np.maximum(y, 0, out=y)
        else:
            np.tanh(y, out=y)

    last = h.copy("C")
    y, before = _forward(product(x, w_ih.T) + b, w_hh, last, sizes, reverse, cell)
    return y, last, (before,)


def rnn_back(
    gy: Array | None,
    gh: Array | None,
    w_hh: Array,
    h_shape: tuple[int, ...],
    y: Array,
    kept: Kept,
    *,
    sizes: Sizes,
    reverse: bool,
    rectified: bool,
) -> tuple[Array, Array]:
    """The cotangents of the products (with the input, and the same with the state) and of the first states."""

    def cell(at: slice, n: int, g: Any, du: Any) -> None:
        if rectified:
            np.multiply(g, y[at] > 0, out=du)
        else:
            np.multiply(y[at], y[at], out=du)
            np.subtract(1, du, out=du)
            du *= g
        g[...] = 0

    dh = _start(gh, h_shape, w_hh.dtype)
    du = _back(gy, dh, w_hh, sizes, reverse, cell)
    return du, dh


def lstm(
    x: Array, w_ih: Array, w_hh: Array, b: Array, h: Array, c: Array, p: Array | None, *, sizes: Sizes, reverse: bool
) -> tuple[Array, Array, Array, tuple[Any, ...]]:
    """c' = f c + i g and h' = o tanh(c'), times the transpose of p unless None: all h', the last states, what is kept.

    i, f, o are sigmoids and g is a tanh of W_ih x + b + W_hh h.
    """
    z, h, c = product(x, w_ih.T), h.copy("C"), c.copy("C")
    if p is None and native.available(z, w_hh, h):
        y, before, before_c, t = native.forward(z, w_hh, np.ascontiguousarray(b), h, sizes, reverse, c=c)
        return y, h, c, (before, z, before_c, t, None)
    z += b
    rows, units = len(x), c.shape[1]
    before_c, t = (memory.empty((rows, units), x.dtype) for _ in range(2))
    m = None if p is None else memory.empty((rows, units), x.dtype)
    turned = None if p is None else np.ascontiguousarray(p.T)

    def cell(at: slice, n: int, z: Any, u: Any, before: Any, y: Any) -> None:
        z += u
        _sigmoid(z[:, : 2 * units])
        _sigmoid(z[:, 3 * units :])
        i, f, g, o = _gates(z, units)
        np.tanh(g, out=g)
        now, out = c[:n], y if m is None else m[at]
        before_c[at] = now
        now *= f
        np.multiply(i, g, out=out)
        now += out
        np.tanh(now, out=t[at])
        np.multiply(o, t[at], out=out)
        if turned is not None:
            np.matmul(out, turned, out=y)

    y, before = _forward(z, w_hh, h, sizes, reverse, cell)
    return y, h, c, (before, z, before_c, t, m)


def lstm_back(
    gy: Array | None,
    gh: Array | None,
    gc: Array | None,
    w_hh: Array,
    h_shape: tuple[int, ...],
    p: Array | None,
    kept: tuple[Any, ...],
    *,
    sizes: Sizes,
    reverse: bool,
) -> tuple[Array, Array, Array, Array | None]:
    """The cotangents of the products (with the input, and the same with the state), of the first states and cells, and
    of all states (None without p)."""
    _, z, before_c, t, _ = kept
    units = t.shape[1]
    dh, dc = _start(gh, h_shape, z.dtype), _start(gc, (h_shape[0], units), z.dtype)
    if p is None and native.available(z, w_hh, dh):
        du, _ = native.back(gy, dh, w_hh, (z, before_c, t), sizes, reverse, dc=dc)
        return du, dh, dc, None
    dy: Any = None if p is None else memory.empty((len(z), h_shape[1]), z.dtype)
    room = np.empty_like(dc), np.empty_like(dc)

    def cell(at: slice, n: int, g: Any, du: Any) -> None:
        dm, new = g, dc[:n]
        s, r = room[0][:n], room[1][:n]
        if p is not None:
            dy[at] = g
            dm = np.matmul(g, p, out=r)
        (i, f, v, o), (di, df, dv, do) = _gates(z[at], units), _gates(du, units)
        th = t[at]
        np.multiply(dm, th, out=do)  # the cotangents of the gates
        np.multiply(dm, o, out=s)
        new += s
        s *= th
        s *= th
        new -= s  # dm o (1 - t^2)
        np.multiply(new, v, out=di)
        np.multiply(new, before_c[at], out=df)
        np.multiply(new, i, out=dv)
        for gate, slope in ((i, di), (f, df), (o, do)):  # and of what they are made of
            np.subtract(1, gate, out=s)
            s *= gate
            slope *= s
        np.multiply(v, v, out=s)
        np.subtract(1, s, out=s)
        dv *= s
        new *= f
        g[...] = 0

    du = _back(gy, dh, w_hh, sizes, reverse, cell)
    return du, dh, dc, dy


def gru(
    x: Array, w_ih: Array, w_hh: Array, b_ih: Array, b_hh: Array, h: Array, *, sizes: Sizes, reverse: bool
) -> tuple[Array, Array, Kept]:
    """h' = (1 - z) n + z h: all h', the last ones, and what is kept.

    r and z are sigmoids of W_ih x + b_ih + W_hh h + b_hh, and n is the tanh of W_ih x + b_ih + r (W_hh h + b_hh).
    """
    z, h, units = product(x, w_ih.T), h.copy("C"), h.shape[1]
    if native.available(z, w_hh, h):
        b_ih, b_hh = np.ascontiguousarray(b_ih), np.ascontiguousarray(b_hh)
        y, before, _, v = native.forward(z, w_hh, b_ih, h, sizes, reverse, b_hh=b_hh)
        return y, h, (before, z, v)
    z += b_ih
    v = memory.empty((len(x), units), x.dtype)

    def cell(at: slice, n: int, z: Any, u: Any, before: Any, y: Any) -> None:
        u += b_hh
        z[:, : 2 * units] += u[:, : 2 * units]
        _sigmoid(z[:, : 2 * units])
        v[at] = u[:, 2 * units :]
        r, keep, new = _gates(z, units)
        np.multiply(r, v[at], out=y)
        new += y
        np.tanh(new, out=new)
        np.subtract(before, new, out=y)
        y *= keep
        y += new

    y, before = _forward(z, w_hh, h, sizes, reverse, cell)
    return y, h, (before, z, v)


def gru_back(
    gy: Array | None,
    gh: Array | None,
    w_hh: Array,
    h_shape: tuple[int, ...],
    kept: Kept,
    *,
    sizes: Sizes,
    reverse: bool,
) -> tuple[Array, Array, Array]:
    """The cotangents of the products with the input, of those with the state, and of the first states."""
    before, z, v = kept
    units, dh = v.shape[1], _start(gh, h_shape, z.dtype)
    if native.available(z, w_hh, dh):
        du, dz = native.back(gy, dh, w_hh, kept=(z, before, v), sizes=sizes, reverse=reverse)
        return dz, du, dh
    dz = memory.empty(z.shape, z.dtype)
    room = np.empty(h_shape, z.dtype)

    def cell(at: slice, n: int, g: Any, du: Any) -> None:
        (r, keep, new), (dr, dk, dn), s = _gates(z[at], units), _gates(dz[at], units), room[:n]
        np.subtract(before[at], new, out=dk)
        dk *= g
        np.subtract(1, keep, out=s)
        np.multiply(g, s, out=dn)
        s *= keep
        dk *= s
        g *= keep
        np.multiply(new, new, out=s)
        np.subtract(1, s, out=s)
        dn *= s
        np.subtract(1, r, out=s)
        s *= r
        s *= v[at]
        np.multiply(dn, s, out=dr)
        du[...] = dz[at]
        du[:, 2 * units :] *= r

    du = _back(gy, dh, w_hh, sizes, reverse, cell)
    return dz, du, dh


def _gates(z: Any, units: int) -> list[Any]:
    """The columns of each gate."""
    return [z[:, i : i + units] for i in range(0, z.shape[1], units)]
