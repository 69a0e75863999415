"""L-BFGS: a quasi-Newton method of limited memory."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..autograd import Tensor, enable_grad
from ..extend import Array, writable
from .line_search import Point, strong_wolfe
from .optimizer import Group, Optimizer, Params, Result, State, put, reals
from .options import number, read

__all__ = ["LBFGS"]


class LBFGS(Optimizer):
    """L-BFGS, step for step as PyTorch's: steps by an inverse Hessian that the last steps and gradients tell of.

    A `step(closure)` makes up to `max_iter` iterations. The closure clears the gradients, computes the loss and its
    gradients, and returns the loss; it is called up to `max_eval` times (5/4 of `max_iter` unless given). Iterations
    end where no gradient's entry is larger than `tolerance_grad`, or where a step, or the loss, changes by less than
    `tolerance_change`. `history_size` is how many steps are remembered, each as two arrays of all parameters' size.
    With `line_search_fn="strong_wolfe"` a step's length is looked for, beginning with `lr`; or else it is `lr`.

    There is one group of parameters, to which none can be added. What is kept (of all parameters together) is in the
    state of the first. ValueError for a negative lr, another line search, a second group, or no closure.
    Source: Nocedal and Wright, Numerical optimization, 2006, algorithm 7.4.

    >>> from pullback import Tensor
    >>> x = Tensor([3.0, -2.0], requires_grad=True)
    >>> optimizer = LBFGS([x], line_search_fn="strong_wolfe")
    >>> def closure():
    ...     optimizer.zero_grad()
    ...     loss = ((x - 1) ** 4).sum() + (x * x).sum()
    ...     loss.backward()
    ...     return loss
    >>> optimizer.step(closure).item()
    110.0
    >>> x.data.round(4)
    array([0.4102, 0.4102])
    """

    not_negative = ("lr", "max_iter", "max_eval", "tolerance_grad", "tolerance_change")
    single = True

    needs_closure = True

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        max_eval = max_iter * 5 // 4 if max_eval is None else max_eval
        limits = {"max_iter": max_iter, "max_eval": max_eval, "history_size": history_size}
        tolerances = {"tolerance_grad": tolerance_grad, "tolerance_change": tolerance_change}
        super().__init__(params, {"lr": lr, **limits, **tolerances, "line_search_fn": line_search_fn})

    def check(self, group: Group) -> None:
        if self.param_groups and group["params"] is not self.param_groups[0]["params"]:
            raise ValueError("LBFGS: one group of parameters only; it has no options for some of them alone")
        if not group["history_size"] >= 1:
            raise ValueError(f"LBFGS: history_size must be at least 1, but is {group['history_size']}")
        if group["line_search_fn"] not in (None, "strong_wolfe"):
            raise ValueError(f"LBFGS: line_search_fn must be None or 'strong_wolfe', not {group['line_search_fn']!r}")

    def step(self, closure: Callable[[], Result] | None = None) -> Result | None:
        """Make up to `max_iter` iterations; returns what `closure` computes at first (the loss)."""
        if closure is None:
            raise ValueError(
                "LBFGS: step needs a closure that clears the gradients, calls backward and returns the loss"
            )
        group, params = read(self.param_groups[0]), self.param_groups[0]["params"]
        state = self.state[params[0]]
        work = _Work(self, params, closure)
        result = work.evaluate()
        state["func_evals"] = state.get("func_evals", 0) + 1
        state.setdefault("n_iter", 0)
        if not _largest(work.gradient) <= group["tolerance_grad"]:
            self._iterate(work, state, group)
        return result

    def _iterate(self, work: _Work, state: State, group: Group) -> None:
        evaluations, least = 1, group["tolerance_change"]
        for i in range(1, int(group["max_iter"]) + 1):
            state["n_iter"] += 1
            direction = _direction(work.gradient, state, group["history_size"])
            state["prev_flat_grad"], state["prev_loss"] = work.gradient.copy(), work.loss
            slope = float(work.gradient @ direction)
            first = state["n_iter"] == 1
            state["t"] = t = group["lr"] * (min(1.0, 1.0 / _total(work.gradient)) if first else 1.0)
            if slope > -least:
                break
            tried = self._advance(work, state, group, slope, evaluations, last=i == group["max_iter"])
            evaluations += tried
            state["func_evals"] += tried
            t = state["t"]
            flat = _largest(work.gradient) <= group["tolerance_grad"]
            still = t * _largest(direction) <= least or abs(work.loss - state["prev_loss"]) < least
            if evaluations >= group["max_eval"] or flat or still:
                break

    def _advance(self, work: _Work, state: State, group: Group, slope: float, evaluations: int, last: bool) -> int:
        """Move along the direction; returns how often the loss was computed. After the last iteration nobody asks."""
        t, direction = state["t"], state["d"]
        if group["line_search_fn"] is None:
            work.move(t, direction)
            if not last:
                work.evaluate()
            return int(not last)
        before = work.values()

        def at(t: float) -> Point:
            work.move(t, direction)
            work.evaluate()
            work.put(before)
            return Point(t, work.loss, work.gradient, float(work.gradient @ direction))

        start = Point(0.0, work.loss, work.gradient, slope)
        most = group["max_eval"] - evaluations
        point, tried = strong_wolfe(at, start, t, _largest(direction), group["tolerance_change"], most)
        state["t"], work.loss, work.gradient = point.t, point.loss, point.gradient
        work.move(point.t, direction)
        return tried

    def _unfit(self, kept: State, p: Tensor, group: Group) -> list[str]:
        params = group["params"]
        size = sum(q.size * (2 if q.dtype.kind == "c" else 1) for q in params)
        arrays = [("d", kept.get("d")), ("prev_flat_grad", kept.get("prev_flat_grad"))]
        arrays += [(name, a) for name in ("old_dirs", "old_stps") for a in kept.get(name) or ()]
        found = [f"unknown {name}" for name in kept if name not in _NAMES]
        found += [f"no {name}" for name in ("func_evals", "n_iter") if name not in kept]
        found += [
            f"{k} of shape {a.shape} given for {size} numbers"
            for k, a in arrays
            if a is not None and a.shape != (size,)
        ]
        return found if p is params[0] else ["LBFGS keeps all in the first parameter's state"]

    def _restored(self, name: str, value: Any, p: Tensor) -> Any:
        if isinstance(value, list):
            return [self._restored(name, v, p) for v in value]
        if not hasattr(value, "__array__"):
            return value
        return np.array(value, _flat_dtype(self.param_groups[0]["params"])) if np.ndim(value) else float(value)


_NAMES = (
    *("func_evals", "n_iter", "d", "t", "old_dirs", "old_stps", "ro", "H_diag", "prev_flat_grad", "prev_loss", "al"),
)


class _Work:
    """The parameters as one vector of real numbers, with the loss and its gradient at them."""

    def __init__(self, optimizer: LBFGS, params: list[Tensor], closure: Callable[[], Any]) -> None:
        self.optimizer, self.params, self.closure = optimizer, params, closure
        self.dtype = _flat_dtype(params)
        self.loss, self.gradient = math.nan, np.empty(0)

    def evaluate(self) -> Any:
        with enable_grad():
            result = self.closure()
        self.loss = number("LBFGS", "the loss", result)
        parts = []
        for p in self.params:
            held, node = p._held, p._node
            if node is None or node.grad is None:
                parts.append(np.zeros(held.size * (2 if held.dtype.kind == "c" else 1), self.dtype))
            else:
                parts.append(self.optimizer._checked(node.grad._held, {}, np.asarray(held)))
        self.gradient = _flat(parts, self.dtype)
        return result

    def move(self, t: float, direction: Array) -> None:
        """Add t times the direction."""
        self._write(lambda part, move: part + t * move, direction)

    def values(self) -> Array:
        return _flat([np.asarray(p._held) for p in self.params], self.dtype)

    def put(self, values: Array) -> None:
        self._write(lambda part, value: value, values)

    def _write(self, f: Callable[[Array, Array], Array], vector: Array) -> None:
        start = 0
        for p in self.params:
            data = writable(p)
            (part,) = reals([data])
            part[...] = f(part, vector[start : start + part.size].reshape(part.shape))
            start += part.size
            put(p, data, data)


def _flat_dtype(params: list[Tensor]) -> Any:
    """That of all parameters together, real and at least of single precision."""
    dtypes = [np.empty(0, p.dtype).real.dtype for p in params]
    return np.result_type(np.float32, *dtypes)


def _flat(arrays: list[Array], dtype: Any) -> Array:
    return np.concatenate([a.reshape(-1) for a in reals(arrays)]).astype(dtype, copy=False)


def _largest(x: Array) -> float:
    return float(np.max(np.abs(x), initial=0.0))


def _total(x: Array) -> float:
    return float(np.sum(np.abs(x)))


def _direction(gradient: Array, state: State, history_size: int) -> Array:
    """Where to go: the gradient times an inverse Hessian, negated; remembers the last step."""
    if state["n_iter"] == 1:
        state.update(old_dirs=[], old_stps=[], ro=[], H_diag=1.0, d=-gradient)
        return state["d"]
    changes, steps, ro = state["old_dirs"], state["old_stps"], state["ro"]
    change, step = gradient - state["prev_flat_grad"], state["d"] * state["t"]
    product = float(change @ step)
    if product > 1e-10:
        if len(changes) >= history_size:
            for memory in (changes, steps, ro):
                memory.pop(0)
        changes.append(change)
        steps.append(step)
        ro.append(1.0 / product)
        state["H_diag"] = product / float(change @ change)
    al = state.setdefault("al", [None] * history_size)
    d = -gradient
    for i in reversed(range(len(changes))):
        al[i] = float(steps[i] @ d) * ro[i]
        d -= al[i] * changes[i]
    d *= state["H_diag"]
    for i in range(len(changes)):
        d += (al[i] - float(changes[i] @ d) * ro[i]) * steps[i]
    state["d"] = d
    return d
