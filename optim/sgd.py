"""Stochastic gradient descent."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..extend import Array, fused
from .optimizer import Optimizer, Params, reals

__all__ = ["SGD"]


class SGD(Optimizer):
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

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        options = {"lr": lr, "momentum": momentum, "dampening": dampening, "weight_decay": weight_decay}
        super().__init__(params, {**options, "nesterov": nesterov, "maximize": maximize})

    def check(self, group: dict[str, Any]) -> None:
        for name in ("lr", "momentum", "weight_decay"):
            if not group[name] >= 0:
                raise ValueError(f"SGD: {name} must not be negative, but is {group[name]}")
        if group["nesterov"] and (group["momentum"] <= 0 or group["dampening"] != 0):
            raise ValueError(
                "SGD: nesterov needs a momentum and no dampening, "
                f"not momentum {group['momentum']} and dampening {group['dampening']}"
            )

    def update(self, data: Array, gradient: Array, state: dict[str, Any], group: dict[str, Any]) -> None:
        lr, momentum, decay = group["lr"], group["momentum"], group["weight_decay"]
        if not (momentum or decay or group["maximize"]) and data.size < 1 << 15:
            data -= lr * gradient
            return
        targets = [data]
        if momentum:
            first = state.get("momentum_buffer") is None
            if first:
                state["momentum_buffer"] = np.zeros_like(data)
            targets.append(state["momentum_buffer"])
        share = 1.0 if not momentum or first else 1.0 - group["dampening"]
        numbers = {"lr": lr, "momentum": float(momentum), "share": share, "decay": float(decay)}
        flags = {"decays": decay != 0, "nesterov": bool(group["nesterov"]), "maximize": bool(group["maximize"])}
        fused(_descended, *reals(targets, [gradient]), **numbers, **flags)


def _descended(
    p: Any, *rest: Any, lr: Any, momentum: Any, share: Any, decay: Any, decays: bool, nesterov: bool, maximize: bool
) -> Any:
    *buffer, g = rest
    if maximize:
        g = -g
    if decays:
        g = g + decay * p
    for v in buffer:
        v *= momentum
        v += share * g
        g, buffer = (g + momentum * v if nesterov else v), [v]
    p -= lr * g
    return p, *buffer
