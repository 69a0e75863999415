"""Stochastic gradient descent, and its average."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy as np
from numpy import ndarray

from ..autograd import Tensor
from ..extend import writable
from .elementwise import Elementwise, Numbers, directed, directions
from .optimizer import Due, Group, Params, State, put

__all__ = ["ASGD", "SGD"]

_LARGE = 1 << 15  # entries from which machine code pays for a single product and difference


def _descended(
    p: Any, *rest: Any, lr: Any, momentum: Any, share: Any, nesterov: bool, **direction: Any
) -> tuple[Any, ...]:
    *buffer, g = rest
    p, g = directed(p, g, **direction)
    for v in buffer:
        v *= momentum
        v += share * g
        g, buffer = (g + momentum * v if nesterov else v), [v]
    p -= lr * g
    return p, *buffer


class SGD(Elementwise):
    """Stochastic gradient descent, with momentum, Nesterov's momentum and weight decay, step for step as PyTorch's.

    From the gradient g of a parameter p (negated to `maximize`) a step computes

        g <- g + weight_decay * p
        v <- momentum * v + (1 - dampening) * g     (at first v = g)
        p <- p - lr * v                             (with nesterov p - lr * (g + momentum * v))

    ValueError for a negative lr, momentum or weight_decay, and for nesterov without momentum or with dampening.
    Source: Sutskever et al., On the importance of initialization and momentum in deep learning, 2013.

    >>> from pullback import Tensor
    >>> x = Tensor([1.0, 2.0], requires_grad=True)
    >>> (x * x).sum().backward()
    >>> SGD([x], lr=0.25).step()
    >>> x.data
    array([0.5, 1. ])
    """

    not_negative = ("lr", "momentum", "weight_decay")
    counters = ()
    averages = ("momentum_buffer",)
    _formula = staticmethod(_descended)

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float | Tensor = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        options = {"lr": lr, "momentum": momentum, "dampening": dampening, "weight_decay": weight_decay}
        flags = {"maximize": maximize, "foreach": foreach, "differentiable": differentiable, "fused": fused}
        super().__init__(params, {**options, "nesterov": nesterov, **flags})

    def check(self, group: Group) -> None:
        if group["nesterov"] and (group["momentum"] <= 0 or group["dampening"] != 0):
            raise ValueError(
                "SGD: nesterov needs a momentum and no dampening, "
                f"not momentum {group['momentum']} and dampening {group['dampening']}"
            )

    def _kept(self, group: Group) -> tuple[str, ...]:
        return self.averages if group["momentum"] else ()

    def _move(self, due: Due, group: Group) -> None:
        """As for all; but where there is nothing but lr, two operations of NumPy's are the quickest on small arrays."""
        if group["momentum"] or group["weight_decay"] or group["maximize"]:
            super()._move(due, group)
            return
        large: Due = []
        lr = dtype = None
        for entry in due:
            p, gradient, _ = entry
            if gradient.size >= _LARGE or gradient.__class__ is not ndarray:
                large.append(entry)
                continue
            if gradient.dtype is not dtype:
                dtype = gradient.dtype
                lr = np.array(group["lr"], gradient.real.dtype)  # NumPy takes twice as long over Python's numbers
            data = writable(p)
            data -= lr * gradient
            if not data.ndim:
                put(p, data, data)
        super()._move(large, group)

    def _advance(self, state: State, group: Group) -> Hashable:
        return "momentum_buffer" in state

    def _numbers(self, begun: Any, group: Group) -> Numbers:
        share = 1.0 - group["dampening"] if begun else 1.0
        numbers = {"lr": group["lr"], "momentum": group["momentum"], "share": share}
        return {**numbers, "nesterov": bool(group["nesterov"]), **directions(group)}


def _averaged(
    p: Any, ax: Any, g: Any, *, eta: Any, shrunk: Any, mu: Any, averaged: bool, **direction: Any
) -> tuple[Any, ...]:
    p, g = directed(p, g, **direction)
    p *= shrunk
    p -= eta * g
    if averaged:
        ax += mu * (p - ax)
        return p, ax
    return p, p


class ASGD(Elementwise):
    """Averaged stochastic gradient descent, step for step as PyTorch's.

    From the gradient g of a parameter p (negated to `maximize`) the t-th step computes, with eta = lr and mu = 1 first,

        g   <- g + weight_decay * p
        p   <- (1 - lambd * eta) * p - eta * g
        ax  <- ax + mu * (p - ax)
        eta <- lr / (1 + lambd * lr * t)^alpha,  mu <- 1 / max(1, t - t0)

    The average from step t0 on is `state[p]["ax"]`. ValueError for a negative lr or weight_decay.
    Source: Polyak and Juditsky, Acceleration of stochastic approximation by averaging, 1992.

    >>> from pullback import Tensor
    >>> x = Tensor([2.0], requires_grad=True)
    >>> x.grad = [1.0]
    >>> ASGD([x], lr=0.5, lambd=0.5).step()
    >>> x.data
    array([1.])
    """

    not_negative = ("lr", "weight_decay")
    counters = ("step", "eta", "mu")
    averages = ("ax",)
    _formula = staticmethod(_averaged)

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-2,
        lambd: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        options = {"lr": lr, "lambd": lambd, "alpha": alpha, "t0": t0, "weight_decay": weight_decay}
        flags = {"maximize": maximize, "differentiable": differentiable, "capturable": capturable}
        super().__init__(params, {**options, "foreach": foreach, **flags})

    def _advance(self, state: State, group: Group) -> Hashable:
        lr = group["lr"]
        step, now = state.get("step", 0) + 1, (state.get("eta", lr), state.get("mu", 1.0))
        eta = lr / (1 + group["lambd"] * lr * step) ** group["alpha"]
        state.update(step=step, eta=eta, mu=1 / max(1, step - group["t0"]))
        return now

    def _numbers(self, now: Any, group: Group) -> Numbers:
        eta, mu = now
        shrunk = 1 - group["lambd"] * eta
        return {"eta": eta, "shrunk": shrunk, "mu": mu, "averaged": mu != 1, **directions(group)}
