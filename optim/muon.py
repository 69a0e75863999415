"""Muon: momentum, made orthogonal."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..extend import Array, fused
from .optimizer import Group, Optimizer, Params, State
from .options import number

__all__ = ["Muon"]


class Muon(Optimizer):
    """Muon, for the matrices of hidden layers: moves each along its momentum, made orthogonal; others need another.

    From the gradient g of a matrix p a step computes

        v <- momentum * v + (1 - momentum) * g
        u = (1 - momentum) * g + momentum * v      (or v, without nesterov)
        X = u / max(norm(u), eps), then `ns_steps` times  X <- a X + (b A + c A A) X,  A = X X^T
        p <- p - lr * weight_decay * p - lr * r * X

    with (a, b, c) = `ns_coefficients` (Newton and Schulz's iteration, on the transpose of a tall matrix), and r =
    sqrt(max(1, rows / columns)) or, with `adjust_lr_fn="match_rms_adamw"`, 0.2 sqrt(max(rows, columns)).
    PyTorch iterates in bfloat16; here it is the parameter's dtype, and float32 for float16.
    ValueError for a negative lr, weight_decay or momentum, other than three coefficients, 100 steps or more, and
    parameters that are no real matrices. Source: Jordan et al., Muon: an optimizer for hidden layers in neural
    networks, 2024; Liu et al., Muon is scalable for LLM training, 2025.

    >>> from pullback import Tensor
    >>> x = Tensor([[1.0, 0.0], [0.0, 1.0]], requires_grad=True)
    >>> x.grad = [[2.0, 0.0], [0.0, 2.0]]
    >>> Muon([x], lr=0.1, weight_decay=0.0, ns_coefficients=(1.5, -0.5, 0.0), ns_steps=10).step()
    >>> x.data.round(6)
    array([[0.9, 0. ],
           [0. , 0.9]])
    """

    not_negative = ("lr", "weight_decay", "momentum", "eps")
    single = True
    averages = ("momentum_buffer",)

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
        nesterov: bool = True,
        ns_coefficients: tuple[float, float, float] = (3.4445, -4.775, 2.0315),
        eps: float = 1e-7,
        ns_steps: int = 5,
        adjust_lr_fn: str | None = None,
    ) -> None:
        options = {"lr": lr, "weight_decay": weight_decay, "momentum": momentum, "nesterov": nesterov}
        iteration = {"ns_coefficients": ns_coefficients, "eps": eps, "ns_steps": ns_steps}
        super().__init__(params, {**options, **iteration, "adjust_lr_fn": adjust_lr_fn})

    def check(self, group: Group) -> None:
        if not 0 <= number(self._name, "ns_steps", group["ns_steps"]) < 100:
            raise ValueError(f"{self._name}: ns_steps must be from 0 to 99, but is {group['ns_steps']}")
        if len(group["ns_coefficients"]) != 3:
            raise ValueError(f"{self._name}: ns_coefficients must be three numbers, not {group['ns_coefficients']}")
        if group["adjust_lr_fn"] not in (None, "original", "match_rms_adamw"):
            known = "None, 'original' or 'match_rms_adamw'"
            raise ValueError(f"{self._name}: adjust_lr_fn must be {known}, not {group['adjust_lr_fn']!r}")
        for p in group["params"]:
            if p.ndim != 2 or p.dtype.kind == "c":
                raise ValueError(
                    f"{self._name}: a parameter of shape {p.shape} and {p.dtype} is no real matrix; give it to AdamW"
                )

    def update(self, data: Array, gradient: Array, state: State, group: Group) -> None:
        momentum, lr = float(group["momentum"]), float(group["lr"])
        if not state:
            state["momentum_buffer"] = np.zeros_like(data)
        v = state["momentum_buffer"]
        u = np.empty_like(v)
        fused(_averaged, [v, u], [gradient], rate=1 - momentum, momentum=momentum, nesterov=bool(group["nesterov"]))
        x = _orthogonal(u, group["ns_coefficients"], int(group["ns_steps"]), group["eps"])
        rows, columns = data.shape
        if group["adjust_lr_fn"] == "match_rms_adamw":
            ratio = 0.2 * math.sqrt(max(rows, columns))
        else:
            ratio = math.sqrt(max(1, rows / columns)) if columns else 1.0
        fused(_moved, [data], [x], shrunk=1 - lr * group["weight_decay"], size=lr * ratio)


def _averaged(v: Any, u: Any, g: Any, rate: Any, momentum: Any, nesterov: bool) -> tuple[Any, ...]:
    v += rate * (g - v)
    return v, (g + momentum * (v - g) if nesterov else v)


def _moved(p: Any, x: Any, shrunk: Any, size: Any) -> tuple[Any, ...]:
    return (shrunk * p - size * x,)


def _orthogonal(u: Array, coefficients: tuple[float, float, float], steps: int, eps: float) -> Array:
    """The iteration's end: it acts on the singular values alone, so that it is made of the eigenvalues of X X^T."""
    a, b, c = map(float, coefficients)
    norm = math.sqrt(float(np.vdot(u, u)))
    if not norm < math.inf:
        return np.full_like(u, math.nan)
    tall = u.shape[0] > u.shape[1]
    x = (u.T if tall else u) / max(norm, eps)
    squares, vectors = np.linalg.eigh(x @ x.T)
    factors = np.ones_like(squares)
    for _ in range(steps):
        factor = a + (b + c * squares) * squares
        factors *= factor
        squares *= factor * factor
    x = (vectors * factors) @ vectors.T @ x
    return np.ascontiguousarray(x.T) if tall else x
