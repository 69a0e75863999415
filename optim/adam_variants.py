"""Variants of Adam: NAdam, RAdam and Adamax."""

from __future__ import annotations

import math
from collections.abc import Hashable
from typing import Any

import numpy as np

from ..autograd import Tensor
from .adam import moments, rates
from .elementwise import Elementwise, Numbers, directed, directions
from .optimizer import Group, Params, State

__all__ = ["Adamax", "NAdam", "RAdam"]


def _with_nesterov(
    p: Any, m: Any, v: Any, g: Any, *,
    of_gradient: Any, of_average: Any, correction: Any, eps: Any, rate1: Any, beta2: Any, rate2: Any, **direction: Any,
) -> tuple[Any, ...]:  # fmt: skip
    p, g = directed(p, g, **direction)
    m, v = moments(m, v, g, rate1, beta2, rate2)
    root = np.sqrt(v / correction)
    root += eps
    p -= (of_gradient * g + of_average * m) / root
    return p, m, v


class NAdam(Elementwise):
    """Adam with Nesterov's momentum, step for step as PyTorch's.

    From the gradient g of a parameter p (negated to `maximize`), the t-th step computes, with the product M of all mu,

        g  <- g + weight_decay * p         (with `decoupled_weight_decay` instead p <- p - lr * weight_decay * p)
        mu <- beta1 * (1 - 0.96^(t * momentum_decay) / 2),  mu' that of the next step
        m  <- beta1 * m + (1 - beta1) * g
        v  <- beta2 * v + (1 - beta2) * g^2
        p  <- p - lr * ((1 - mu) / (1 - M) * g + mu' / (1 - M * mu') * m) / (sqrt(v / (1 - beta2^t)) + eps)

    ValueError for a negative lr, eps, weight_decay or momentum_decay, and for betas outside of [0, 1).
    Source: Dozat, Incorporating Nesterov momentum into Adam, 2016.

    >>> from pullback import Tensor
    >>> x = Tensor([1.0], requires_grad=True)
    >>> x.grad = [3.0]
    >>> NAdam([x], lr=0.5, betas=(0.0, 0.0)).step()
    >>> x.data.round(6)
    array([0.5])
    """

    not_negative = ("lr", "eps", "weight_decay", "momentum_decay")
    fractions = ("betas",)
    single = True
    counters = ("step", "mu_product")
    averages = ("exp_avg", "exp_avg_sq")
    _formula = staticmethod(_with_nesterov)

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum_decay: float = 4e-3,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ) -> None:
        options = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "momentum_decay": momentum_decay}
        flags = {"decoupled_weight_decay": decoupled_weight_decay, "maximize": maximize}
        forms = {"foreach": foreach, "capturable": capturable, "differentiable": differentiable}
        super().__init__(params, {**options, **flags, **forms})

    def _advance(self, state: State, group: Group) -> Hashable:
        step = state["step"] = state.get("step", 0) + 1
        product = state["mu_product"] = state.get("mu_product", 1.0) * self._momentum(step, group)
        return step, product

    def _momentum(self, step: float, group: Group) -> float:
        return group["betas"][0] * (1 - 0.5 * 0.96 ** (step * group["momentum_decay"]))

    def _numbers(self, now: Any, group: Group) -> Numbers:
        (step, product), lr = now, group["lr"]
        mu, following = (self._momentum(t, group) for t in (step, step + 1))
        shares = {
            "of_gradient": lr * (1 - mu) / (1 - product),
            "of_average": lr * following / (1 - product * following),
        }
        shared = {**rates(group), **directions(group, bool(group["decoupled_weight_decay"]))}
        return {**shares, "correction": 1 - group["betas"][1] ** step, "eps": group["eps"], **shared}


def _rectified(
    p: Any, m: Any, v: Any, g: Any, *,
    size: Any, eps: Any, adapts: bool, rate1: Any, beta2: Any, rate2: Any, **direction: Any,
) -> tuple[Any, ...]:  # fmt: skip
    p, g = directed(p, g, **direction)
    m, v = moments(m, v, g, rate1, beta2, rate2)
    step = size * m
    if adapts:
        root = np.sqrt(v)
        root += eps
        step /= root
    p -= step
    return p, m, v


class RAdam(Elementwise):
    """Adam whose first steps, while the variance of its step size is large, do without the second moment, as PyTorch's.

    From the gradient g of a parameter p (negated to `maximize`), the t-th step computes m and v as Adam, then with
    rho' = 2 / (1 - beta2) - 1 and rho = rho' - 2 t beta2^t / (1 - beta2^t)

        p <- p - lr * m / (1 - beta1^t) * r * sqrt(1 - beta2^t) / (sqrt(v) + eps)      where rho > 5,
        r  = sqrt((rho - 4) (rho - 2) rho' / ((rho' - 4) (rho' - 2) rho))
        p <- p - lr * m / (1 - beta1^t)                                                or else

    ValueError for a negative lr, eps or weight_decay, and for betas outside of [0, 1).
    Source: Liu et al., On the variance of the adaptive learning rate and beyond, 2020.

    >>> from pullback import Tensor
    >>> x = Tensor([1.0], requires_grad=True)
    >>> x.grad = [0.5]
    >>> RAdam([x], lr=0.5).step()
    >>> x.data
    array([0.75])
    """

    not_negative = ("lr", "eps", "weight_decay")
    fractions = ("betas",)
    single = True
    averages = ("exp_avg", "exp_avg_sq")
    _formula = staticmethod(_rectified)

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ) -> None:
        options = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay}
        flags = {"decoupled_weight_decay": decoupled_weight_decay, "maximize": maximize}
        forms = {"foreach": foreach, "capturable": capturable, "differentiable": differentiable}
        super().__init__(params, {**options, **flags, **forms})

    def _numbers(self, step: Any, group: Group) -> Numbers:
        beta1, beta2 = group["betas"]
        size, correction = group["lr"] / (1 - beta1**step), 1 - beta2**step
        most = 2 / (1 - beta2) - 1
        length = most - 2 * step * beta2**step / correction
        adapts = length > 5
        if adapts:
            ratio = (length - 4) * (length - 2) * most / ((most - 4) * (most - 2) * length)
            size *= math.sqrt(ratio * correction)
        shared = {**rates(group), **directions(group, bool(group["decoupled_weight_decay"]))}
        return {"size": size, "eps": group["eps"], "adapts": adapts, **shared}


def _by_largest(
    p: Any, m: Any, u: Any, g: Any, *, size: Any, eps: Any, rate1: Any, beta2: Any, **direction: Any
) -> tuple[Any, ...]:
    p, g = directed(p, g, **direction)
    m += rate1 * (g - m)
    u = np.maximum(beta2 * u, np.maximum(g, -g) + eps)
    p -= size * m / u
    return p, m, u


class Adamax(Elementwise):
    """Adam by the largest gradient instead of the mean square, step for step as PyTorch's.

    From the gradient g of a parameter p (negated to `maximize`), the t-th step computes

        g <- g + weight_decay * p
        m <- beta1 * m + (1 - beta1) * g
        u <- max(beta2 * u, abs(g) + eps)
        p <- p - lr / (1 - beta1^t) * m / u

    ValueError for a negative lr, eps or weight_decay, and for betas outside of [0, 1).
    Source: Kingma and Ba, Adam: a method for stochastic optimization, 2015.

    >>> from pullback import Tensor
    >>> x = Tensor([1.0], requires_grad=True)
    >>> x.grad = [-3.0]
    >>> Adamax([x], lr=0.25, eps=0.0).step()
    >>> x.data
    array([1.25])
    """

    not_negative = ("lr", "eps", "weight_decay")
    fractions = ("betas",)
    single = True
    averages = ("exp_avg", "exp_inf")
    _formula = staticmethod(_by_largest)

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        options = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "maximize": maximize}
        forms = {"foreach": foreach, "capturable": capturable, "differentiable": differentiable}
        super().__init__(params, {**options, **forms})

    def _numbers(self, step: Any, group: Group) -> Numbers:
        beta1, beta2 = group["betas"]
        size = group["lr"] / (1 - beta1**step)
        return {"size": size, "eps": group["eps"], "rate1": 1 - beta1, "beta2": beta2, **directions(group)}
