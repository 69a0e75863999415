"""Solutions of ordinary differential equations, with derivatives by differential equations again."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from ..core.batching import Batched
from ..core.graph import no_grad
from ..core.primitive import primitive
from ..core.pytrees import flatten, matching
from ..core.tensor import Tensor, carried, wrap
from ..core.tracing import Tracer, bottom, raw
from ..core.types import ArrayLike
from ..ops.casting import astype
from ..ops.creation import asarray
from ..ops.shape import concatenate, reshape
from .derivatives import jvp, vjp
from .forms import ravel_pytree

__all__ = ["odeint"]

# The tableau of Dormand and Prince: places, the stages' weights (the last are those of the step), and of the error
_PLACES = (1 / 5, 3 / 10, 4 / 5, 8 / 9, 1.0, 1.0)
_STAGES = (
    (1 / 5,),
    (3 / 40, 9 / 40),
    (44 / 45, -56 / 15, 32 / 9),
    (19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729),
    (9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656),
    (35 / 384, 0.0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84),
)
_ERROR = (71 / 57600, 0.0, -71 / 16695, 71 / 1920, -17253 / 339200, 22 / 525, -1 / 40)


def odeint(
    func: Callable[..., Any],
    y0: Any,
    t: ArrayLike,
    *args: Any,
    rtol: float = 1.4e-8,
    atol: float = 1.4e-8,
    mxstep: float = math.inf,
) -> Any:
    """The solution of dy/dt = func(y, t, *args) with y = y0 at t[0], at the increasing times t: y0's form, times first.

    y0 and args are Tensors, arrays, numbers or nests of them, as in JAX's `jax.experimental.ode.odeint`; SciPy's
    `odeint` has the same order, with args in a tuple. Steps are as long as a local error of `rtol` times y plus `atol`
    allows (no finer than ten roundings), at most `mxstep` from one time to the next. Gradients in y0, t and args are
    solutions of the adjoint equation, backwards in time, and tangents of the linearized one: to the same tolerances,
    of any order, without a graph of the steps. TypeError where func depends on other Tensors that require a gradient,
    ValueError where t does not increase or func gives another form than y0, RuntimeError where steps become too many
    or too short. Sources: Dormand and Prince, A family of embedded Runge-Kutta formulae, 1980; Chen et al., Neural
    ordinary differential equations, 2018.

    >>> rate = Tensor(2.0, requires_grad=True)
    >>> y = odeint(lambda y, t, rate: -rate * y, 1.0, [0.0, 1.0], rate)
    >>> y[1].backward()
    >>> abs(y[1] - np.exp(-2.0)) < 1e-7, abs(rate.grad + np.exp(-2.0)) < 1e-7
    (Tensor(True), Tensor(True))
    """
    state, as_state, y0 = _state(y0, args)
    given, as_args = flatten(args)
    leaves = [astype(asarray(x), state.dtype) if isinstance(x, float) else x for x in given]
    varying = [i for i, x in enumerate(leaves) if getattr(x, "dtype", np.dtype(int)).kind == "f"]
    parameters, as_parameters = ravel_pytree([asarray(leaves[i]) for i in varying])

    def flat(y: Any, s: Any, a: Any) -> Any:
        places = dict(zip(varying, as_parameters(a), strict=True))
        out = func(as_state(y), s, *as_args(places.get(i, x) for i, x in enumerate(leaves)))
        parts = [asarray(part) for part in matching(y0, out, "odeint: func's result")]
        for part, x in zip(parts, flatten(y0)[0], strict=True):
            if part.shape != x.shape:
                raise ValueError(f"odeint: func gives shape {part.shape} for a y of shape {x.shape}")
        return astype(concatenate([reshape(part, -1) for part in parts]), y.dtype)

    times = astype(asarray(t), state.dtype)
    if times.ndim != 1 or not times.size or not np.all(bottom(times[1:] > times[:-1])):
        raise ValueError("odeint: t must be a vector of increasing times")
    if _depends(flat(state.detach(), times[0].detach(), parameters.detach())):
        raise TypeError("odeint: func depends on Tensors beside its arguments; give them as args to have gradients")
    x = concatenate([state, times, astype(parameters, state.dtype)])
    sizes = state.size, times.size
    return _unraveled(_solve.apply(x, func=flat, sizes=sizes, rtol=rtol, atol=atol, mxstep=mxstep), y0)


def _depends(out: Any) -> bool:
    """Whether a derivative can be asked of the result of constants."""
    while isinstance(out, (Tensor, Batched)):
        if isinstance(out, Tensor) and out._node is not None:
            return True
        out = out.value if isinstance(out, Batched) else out._held
    return isinstance(out, Tracer)


def _state(y0: Any, args: Any) -> tuple[Tensor, Callable[[Any], Any], Any]:
    """y0 as a vector, what makes a nest of one, and the nest, of floats."""
    leaves, rebuild = flatten(y0)
    parts = [asarray(x) for x in leaves]
    if any(part.dtype.kind == "c" for part in parts):
        raise TypeError("odeint: y0 is complex; take real and imaginary parts")
    kinds = [part.dtype for part in parts if part.dtype.kind == "f"]
    y0 = rebuild([x if x.dtype.kind == "f" else astype(x, np.result_type(np.float64, *kinds)) for x in parts])
    vector, unravel = ravel_pytree(y0)
    return vector, unravel, y0


def _unraveled(out: Any, y0: Any) -> Any:
    """Solutions in the form of y0, with the times along a first axis."""
    leaves, rebuild = flatten(y0)
    ends = np.cumsum([x.size for x in leaves])
    parts = (out[:, end - x.size : end] for x, end in zip(leaves, ends, strict=True))
    return rebuild(
        astype(reshape(part, (out.shape[0], *x.shape)), x.dtype) for part, x in zip(parts, leaves, strict=True)
    )


@primitive(name="odeint")
def _solve(x: Any, *, func: Any, sizes: tuple[int, int], rtol: float, atol: float, mxstep: float) -> Any:
    """The states at all times, one beneath the other: of `x`, which has the first one, the times and the arguments."""
    y, times, a = _parts(x, sizes)
    arguments = wrap(a)

    def f(y: Any, s: Any) -> Any:
        with no_grad():
            return raw(func(wrap(y), wrap(s), arguments))

    least = 10 * float(np.finfo(y.dtype).eps)
    size_of = partial(_relative, rtol=max(rtol, least), atol=atol)
    states, slope, step = [y], f(y, times[0]), math.inf
    for start, end in zip(times[:-1], times[1:], strict=True):
        if step == math.inf:
            step = _first_step(f, start, y, slope, size_of)
        y, slope, step = _advanced(f, start, end, y, slope, step, size_of, mxstep)
        states.append(y)
    return np.stack(states)


def _parts(x: Any, sizes: tuple[int, int]) -> tuple[Any, Any, Any]:
    """The first state, the times and the arguments."""
    n, m = sizes
    return x[:n], x[n : n + m], x[n + m :]


def _relative(error: Any, *states: Any, rtol: float, atol: float) -> float:
    """The mean of an error's entries, relative to what is allowed."""
    if not error.size:
        return 0.0
    allowed = atol + rtol * np.max(np.abs(states), 0)
    with np.errstate(over="ignore", invalid="ignore"):
        return float(np.sqrt(np.mean((error / allowed) ** 2, dtype=np.float64)))


def _first_step(f: Callable[..., Any], t: Any, y: Any, slope: Any, size_of: Callable[..., float]) -> float:
    """Source: Hairer, Norsett and Wanner, Solving ordinary differential equations I, II.4."""
    size, speed = size_of(y, y), size_of(slope, y)
    step = 0.01 * size / speed if size > 1e-5 and speed > 1e-5 else 1e-6
    bend = size_of(f(y + y.dtype.type(step) * slope, t + y.dtype.type(step)) - slope, y) / step
    most = max(speed, bend)
    return min(100 * step, (0.01 / most) ** 0.2 if most > 1e-15 else max(1e-6, step * 1e-3))


def _advanced(
    f: Callable[..., Any],
    start: Any,
    end: Any,
    y: Any,
    slope: Any,
    step: float,
    size_of: Callable[..., float],
    mxstep: float,
) -> tuple[Any, Any, float]:
    """The state at the end and its slope, and how long the next step may be."""
    t, kind, count = start, y.dtype.type, 0
    while t < end:
        if count >= mxstep:
            raise RuntimeError(f"odeint: {mxstep} steps do not lead from t = {start} to {end}; raise mxstep")
        if not step > 8 * float(np.spacing(max(abs(t), abs(end)))):
            raise RuntimeError(
                f"odeint: at t = {t} steps become shorter than roundings of t: y grows without bound there"
            )
        count += 1
        last = step >= float(end - t)
        h = end - t if last else kind(step)
        slopes = [slope]
        for place, weights in zip(_PLACES, _STAGES, strict=True):
            there = y + h * _weighted(weights, slopes)
            slopes.append(f(there, t + h * kind(place)))
        ratio = size_of(h * _weighted(_ERROR, slopes), y, there)
        accepted = ratio <= 1
        factor = min(10.0, max(0.2, 0.9 * ratio**-0.2)) if 0 < ratio < math.inf else 10.0 if ratio == 0 else 0.2
        if accepted:
            t, y, slope = end if last else t + h, there, slopes[-1]
            step = max(step, float(h) * factor) if last else float(h) * factor
        else:
            step = float(h) * min(factor, 0.9)
    return y, slope, step


def _weighted(weights: tuple[float, ...], slopes: list[Any]) -> Any:
    total = 0
    for weight, slope in zip(weights, slopes, strict=True):
        if weight:
            total = total + slope.dtype.type(weight) * slope
    return total


def _slopes(func: Any, states: Any, times: Any, a: Any) -> Any:
    return np.stack([asarray(func(asarray(y), asarray(s), asarray(a))) for y, s in zip(states, times, strict=True)])


def _linearized(func: Any, n: int, both: Any, s: Any, arguments: Any) -> Any:
    """The equation of a state and its tangent, of arguments and their tangents."""
    a, da = arguments[: arguments.size // 2], arguments[arguments.size // 2 :]
    slope, change = jvp(lambda y, a: func(y, s, a), (both[:n], a), (both[n:], da))
    return concatenate([slope, change])


def _adjoint(func: Any, n: int, whole: Any, s: Any, a: Any) -> Any:
    """The equation of a state, its cotangent and that of the arguments, for the time -s."""
    slope, back = vjp(lambda y, a: func(y, -s, a), whole[:n], a)
    by_y, by_a = back(whole[n : 2 * n])
    return concatenate([-slope, by_y, by_a])


@_solve.jvp("x")
def _(g: Any, x: Any, out: Any, func: Any, sizes: Any, rtol: float, atol: float, mxstep: float) -> Any:
    n, m = sizes
    (y, times, a), (dy, dt, da) = _parts(x, sizes), _parts(g, sizes)
    moved = dt[:, None] * _slopes(func, out, times, a)
    both = np.concatenate([y, dy - moved[0], times, a, da])
    options = {"rtol": rtol, "atol": atol, "mxstep": mxstep}
    found = _solve.apply(both, func=partial(_linearized, func, n), sizes=(2 * n, m), **options)
    return _as(g, found[:, n:] + moved)


@_solve.vjp("x")
def _(g: Any, x: Any, out: Any, func: Any, sizes: Any, rtol: float, atol: float, mxstep: float) -> Any:
    n, m = sizes
    _, times, a = _parts(x, sizes)
    by_t = list(np.sum(g * _slopes(func, out, times, a), 1))
    by_y, by_a, equation = g[m - 1], np.zeros_like(a), partial(_adjoint, func, n)
    options = {"rtol": rtol, "atol": atol, "mxstep": mxstep}
    for i in range(m - 1, 0, -1):
        start = np.concatenate([out[i], by_y, by_a, -times[i, None], -times[i - 1, None], a])
        whole = _solve.apply(start, func=equation, sizes=(2 * n + a.size, 2), **options)[1]
        by_y, by_a = whole[n : 2 * n], whole[2 * n :]
        if i == 1:  # y0 holds at the first time, wherever that is
            by_t[0] = -np.sum(by_y * _slopes(func, out[:1], times[:1], a)[0])
        by_y = by_y + g[i - 1]
    if m == 1:
        by_t[0] = np.zeros_like(by_t[0])
    return _as(g, np.concatenate([by_y, np.stack(by_t), by_a]))


def _as(g: Any, derivative: Any) -> Any:
    """A derivative, as an array where the cotangent or tangent is one and nothing can be asked of it."""
    return derivative if isinstance(g, Tensor) or carried(derivative) else raw(asarray(derivative))


@_solve.strategy
def _(draw: Any) -> Any:
    """Decay at a rate that grows in time, for a short time: each check solves many equations of equations."""
    y, a = draw.array(shape=(2,), dtype=np.float64)
    options = {"func": _decay, "sizes": (1, 2), "rtol": 1e-12, "atol": 1e-12, "mxstep": math.inf}
    return (np.array([y, 0.5, 0.52, a]),), options


def _decay(y: Any, s: Any, a: Any) -> Any:
    return -a * s * y
