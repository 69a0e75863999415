"""Adam, and AdamW, whose weight decay is apart from the gradient."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..autograd import Tensor
from .elementwise import Elementwise, Numbers, directed, directions
from .optimizer import Group, Params

__all__ = ["Adam", "AdamW", "adapted", "moments", "rates"]


def moments(m: Any, v: Any, g: Any, rate1: Any, beta2: Any, rate2: Any) -> tuple[Any, Any]:
    """The averages of the gradients and of their squares after one more gradient."""
    m += rate1 * (g - m)
    v *= beta2
    v += rate2 * (g * g)
    return m, v


def rates(group: Group) -> Numbers:
    """The numbers for `moments`."""
    beta1, beta2 = group["betas"]
    return {"rate1": 1.0 - beta1, "beta2": beta2, "rate2": 1.0 - beta2}


def adapted(
    p: Any, m: Any, v: Any, *rest: Any,
    size: Any, scale: Any, eps: Any, rate1: Any, beta2: Any, rate2: Any, **direction: Any,
) -> tuple[Any, ...]:  # fmt: skip
    """What a step makes of a parameter and what is kept of it; of the last of `rest`, the gradient, nothing."""
    *most, g = rest
    p, g = directed(p, g, **direction)
    m, v = moments(m, v, g, rate1, beta2, rate2)
    most = [np.maximum(largest, v) for largest in most]
    root = np.sqrt([*most, v][0])
    root /= scale
    root += eps
    p -= size * m / root
    return p, m, v, *most


class Adam(Elementwise):
    """Adam, step for step as PyTorch's: the step size is independent of the gradient's scale.

    From the gradient g of a parameter p (negated to `maximize`), the t-th step computes, entry by entry,

        g <- g + weight_decay * p          (with `decoupled_weight_decay` instead p <- p - lr * weight_decay * p)
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

    not_negative = ("lr", "eps", "weight_decay")
    fractions = ("betas",)
    single = True  # in float16 300 has no square, and 1e-8 is 0
    averages = ("exp_avg", "exp_avg_sq", "max_exp_avg_sq")
    _formula = staticmethod(adapted)

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-3,
        betas: tuple[float | Tensor, float | Tensor] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        decoupled_weight_decay: bool = False,
    ) -> None:
        betas = tuple(float(b.item()) if isinstance(b, Tensor) else b for b in betas)  # type: ignore[assignment]
        options = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "amsgrad": amsgrad}
        forms = {"foreach": foreach, "capturable": capturable, "differentiable": differentiable, "fused": fused}
        flags = {"maximize": maximize, "decoupled_weight_decay": decoupled_weight_decay}
        super().__init__(params, {**options, **flags, **forms})

    def _kept(self, group: Group) -> tuple[str, ...]:
        return self.averages if group["amsgrad"] else self.averages[:2]

    def _numbers(self, step: Any, group: Group) -> Numbers:
        beta1, beta2 = group["betas"]
        size, scale = group["lr"] / (1 - beta1**step), math.sqrt(1 - beta2**step)
        decoupled = bool(group["decoupled_weight_decay"])
        return {"size": size, "scale": scale, "eps": group["eps"], **rates(group), **directions(group, decoupled)}


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

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-3,
        betas: tuple[float | Tensor, float | Tensor] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        super().__init__(
            params, lr, betas, eps, weight_decay, amsgrad, foreach=foreach, maximize=maximize, capturable=capturable,
            differentiable=differentiable, fused=fused, decoupled_weight_decay=True,
        )  # fmt: skip

    def _regrouped(self, group: Group, saved: Group, problems: list[str]) -> Group:
        """As for all; also where Adam has saved them is the decay decoupled."""
        return super()._regrouped(group, {**saved, "decoupled_weight_decay": True}, problems)
