"""Adafactor: mean squares of a matrix by its rows and columns alone."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..autograd import Tensor
from ..extend import Array, fused
from .optimizer import Group, Optimizer, Params, State
from .options import number
from .saving import unfit

__all__ = ["Adafactor"]


class Adafactor(Optimizer):
    """Adafactor, step for step as PyTorch's: of a matrix it keeps the mean squares of rows and of columns, no more.

    With b = t^beta2_decay, and rms(x) the root of the mean square of x, the t-th step computes from the gradient g of
    a parameter p (negated to `maximize`)

        a <- max(eps[1], rms(p)) * min(lr, 1 / sqrt(t))
        p <- p - lr * weight_decay * p
        R <- (1 - b) R + b mean(g^2, -1),  C <- (1 - b) C + b mean(g^2, -2),  V = R C / max(mean(R), eps[0])
        u = g / sqrt(max(V, eps[0]^2))
        p <- p - a * u / max(1, rms(u) / d)

    V <- (1 - b) V + b g^2 instead where p has fewer than two dimensions. An eps[0] of None is the dtype's. More than
    two dimensions are a stack of matrices. ValueError for a negative lr, weight_decay or eps, a positive beta2_decay,
    a d below 1, and complex parameters.
    Source: Shazeer and Stern, Adafactor: adaptive learning rates with sublinear memory cost, 2018.

    >>> from pullback import Tensor
    >>> x = Tensor([1.0, -1.0], requires_grad=True)
    >>> x.grad = [4.0, -0.5]
    >>> Adafactor([x], lr=0.25).step()
    >>> x.data
    array([ 0.75, -0.75])
    """

    not_negative = ("lr", "weight_decay")
    single = True
    counters = ("step",)
    averages = ("row_var", "col_var", "variance")

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-2,
        beta2_decay: float = -0.8,
        eps: tuple[float | None, float] = (None, 1e-3),
        d: float = 1.0,
        weight_decay: float = 0.0,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
    ) -> None:
        options = {"lr": lr, "beta2_decay": beta2_decay, "eps": eps, "d": d, "weight_decay": weight_decay}
        super().__init__(params, {**options, "foreach": foreach, "maximize": maximize})

    def check(self, group: Group) -> None:
        if not number(self._name, "beta2_decay", group["beta2_decay"]) <= 0:
            raise ValueError(f"{self._name}: beta2_decay must not be positive, but is {group['beta2_decay']}")
        if not number(self._name, "d", group["d"]) >= 1:
            raise ValueError(f"{self._name}: d must be at least 1, but is {group['d']}")
        least, scale = group["eps"]
        if not ((least is None or least >= 0) and scale >= 0):
            raise ValueError(f"{self._name}: eps must be None or a number, and a number, not negative: {group['eps']}")
        for p in group["params"]:
            if p.dtype.kind == "c":
                raise ValueError(f"{self._name}: a parameter of {p.dtype}; complex ones are for Adam")

    def _kept_shape(self, name: str, shape: tuple[int, ...]) -> tuple[int, ...]:
        if name == "row_var":
            return (*shape[:-1], 1)
        return (*shape[:-2], 1, *shape[-1:]) if name == "col_var" else shape

    def _unfit(self, kept: State, p: Tensor, group: Group) -> list[str]:
        names = _names(p.ndim)
        return unfit(kept, p.shape, self.counters, names, names, self._kept_shape)

    def update(self, data: Array, gradient: Array, state: State, group: Group) -> None:
        if not data.size:
            return
        if not state:
            shapes = {name: self._kept_shape(name, data.shape) for name in _names(data.ndim)}
            state.update({"step": 0, **{name: np.zeros(shape, data.dtype) for name, shape in shapes.items()}})
        state["step"] += 1
        lr, step, (least, scale) = float(group["lr"]), state["step"], group["eps"]
        least = float(np.finfo(data.dtype).eps) if least is None else least
        size = max(scale, _rms(data)) * min(lr, 1 / math.sqrt(step))
        rate = step ** group["beta2_decay"]
        if data.ndim > 1:
            row, column = state["row_var"], state["col_var"]
            rows, columns = _mean_squares(gradient)
            row += rate * (rows - row)
            column += rate * (columns - column)
            u = _scaled(gradient, row / np.maximum(row.mean(-2, keepdims=True), least), column, least**2)
        else:
            variance = state["variance"]
            variance += rate * (gradient * gradient - variance)
            u = gradient / np.sqrt(np.maximum(variance, least**2))
        size /= max(1.0, _rms(u) / group["d"])
        size = -size if group["maximize"] else size
        fused(_moved, [data], [u], shrunk=1 - lr * group["weight_decay"], size=size)


def _names(dimensions: int) -> tuple[str, ...]:
    return ("row_var", "col_var") if dimensions > 1 else ("variance",)


def _moved(p: Any, u: Any, shrunk: Any, size: Any) -> tuple[Any, ...]:
    return (shrunk * p - size * u,)


def _rms(x: Array) -> float:
    return math.sqrt(float(np.vdot(x, x)) / x.size)


def _mean_squares(g: Array) -> tuple[Array, Array]:
    """The mean squares of rows and of columns."""
    return np.mean(g * g, -1, keepdims=True), np.mean(g * g, -2, keepdims=True)


def _scaled(g: Array, row: Array, column: Array, least: float) -> Array:
    """g / sqrt(max(row * column, least))."""
    v = row * column
    np.maximum(v, least, out=v)
    np.sqrt(v, out=v)
    return np.divide(g, v, out=v)
