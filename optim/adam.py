"""Adam, and AdamW, whose weight decay is apart from the gradient."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..extend import Array, fused
from .optimizer import Optimizer, Params, reals

__all__ = ["Adam", "AdamW"]


class Adam(Optimizer):
    """Adam, step for step as PyTorch's: the step size is independent of the gradient's scale.

    From the gradient g of a parameter p (negated to `maximize`), the t-th step computes, entry by entry,

        g <- g + weight_decay * p
        m <- beta1 * m + (1 - beta1) * g
        v <- beta2 * v + (1 - beta2) * g^2
        p <- p - lr * (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + eps)

    with `amsgrad` with the largest v so far in the place of v. ValueError for a negative lr, eps or weight_decay, and
    for betas outside of [0, 1). Source: Kingma and Ba, Adam: a method for stochastic optimization, 2015; Reddi et al.,
    On the convergence of Adam and beyond, 2018.

    >>> from pullback import Tensor
    >>> x = Tensor([1.0, 2.0], requires_grad=True)
    >>> (x * x).sum().backward()
    >>> Adam([x], lr=0.25).step()
    >>> x.data
    array([0.75, 1.75])
    """

    decoupled = False
    single = True  # in float16 300 has no square, and 1e-8 is 0

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        options = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay}
        super().__init__(params, {**options, "amsgrad": amsgrad, "maximize": maximize})

    def check(self, group: dict[str, Any]) -> None:
        for name in ("lr", "eps", "weight_decay"):
            if not group[name] >= 0:
                raise ValueError(f"{self._name}: {name} must not be negative, but is {group[name]}")
        if len(group["betas"]) != 2 or not all(0 <= beta < 1 for beta in group["betas"]):
            raise ValueError(f"{self._name}: betas must be two numbers of at least 0 and below 1, not {group['betas']}")

    def update(self, data: Array, gradient: Array, state: dict[str, Any], group: dict[str, Any]) -> None:
        if not state:
            names = ("exp_avg", "exp_avg_sq", "max_exp_avg_sq")[: 3 if group["amsgrad"] else 2]
            state.update({"step": 0, **{name: np.zeros_like(data) for name in names}})
        state["step"] += 1
        (beta1, beta2), decay = group["betas"], group["weight_decay"]
        size = group["lr"] / (1 - beta1 ** state["step"])
        scale = math.sqrt(1 - beta2 ** state["step"])
        averages = [state[name] for name in ("exp_avg", "exp_avg_sq", "max_exp_avg_sq") if name in state]
        numbers = {"size": size, "scale": scale, "eps": float(group["eps"]), "decay": float(decay)}
        rates = {"rate1": 1.0 - beta1, "beta2": float(beta2), "rate2": 1.0 - beta2, "kept": 1.0 - group["lr"] * decay}
        flags = {"decays": decay != 0, "decoupled": self.decoupled, "maximize": bool(group["maximize"])}
        fused(_adapted, *reals([data, *averages], [gradient]), **numbers, **rates, **flags)


def _adapted(
    p: Any, m: Any, v: Any, *rest: Any,
    size: Any, scale: Any, eps: Any, decay: Any, rate1: Any, beta2: Any, rate2: Any, kept: Any,
    decays: bool, decoupled: bool, maximize: bool,
) -> Any:  # fmt: skip
    *most, g = rest
    if maximize:
        g = -g
    if decays and decoupled:
        p *= kept
    elif decays:
        g = g + decay * p
    m += rate1 * (g - m)
    v *= beta2
    v += rate2 * (g * g)
    most = [np.maximum(largest, v) for largest in most]
    root = np.sqrt([*most, v][0])
    root /= scale
    root += eps
    p -= size * m / root
    return p, m, v, *most


class AdamW(Adam):
    """Adam with weight decay that shrinks the parameter itself, p <- p - lr * weight_decay * p, before the step.

    Arguments and errors as for `Adam`, but a decay of 0.01 unless given.
    Source: Loshchilov and Hutter, Decoupled weight decay regularization, 2019.

    >>> from pullback import Tensor
    >>> x = Tensor([1.0], requires_grad=True)
    >>> x.grad = [0.0]
    >>> AdamW([x], lr=0.5, weight_decay=0.5).step()
    >>> x.data
    array([0.75])
    """

    decoupled = True

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, maximize=maximize)
