"""Steps by the gradients' mean squares: Adagrad, Adadelta and RMSprop."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..autograd import Tensor
from ..extend import Array
from .elementwise import Elementwise, Numbers, directed, directions
from .optimizer import Group, Params
from .options import number

__all__ = ["Adadelta", "Adagrad", "RMSprop"]


def _by_sum(p: Any, s: Any, g: Any, *, size: Any, eps: Any, **direction: Any) -> tuple[Any, ...]:
    p, g = directed(p, g, **direction)
    s += g * g
    root = np.sqrt(s)
    root += eps
    p -= size * g / root
    return p, s


class Adagrad(Elementwise):
    """Steps by the sum of all squared gradients, step for step as PyTorch's: often-moved entries move less and less.

    From the gradient g of a parameter p (negated to `maximize`), the t-th step computes

        g <- g + weight_decay * p
        s <- s + g^2                                                    (at first `initial_accumulator_value`)
        p <- p - lr / (1 + (t - 1) * lr_decay) * g / (sqrt(s) + eps)

    ValueError for a negative lr, lr_decay, weight_decay, initial_accumulator_value or eps.
    Source: Duchi, Hazan and Singer, Adaptive subgradient methods for online learning and stochastic optimization, 2011.

    >>> from pullback import Tensor
    >>> x = Tensor([1.0, 2.0], requires_grad=True)
    >>> x.grad = [3.0, -4.0]
    >>> Adagrad([x], lr=0.25, eps=0.0).step()
    >>> x.data
    array([0.75, 2.25])
    """

    not_negative = ("lr", "lr_decay", "weight_decay", "initial_accumulator_value", "eps")
    single = True
    averages = ("sum",)
    _formula = staticmethod(_by_sum)

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        options = {"lr": lr, "lr_decay": lr_decay, "eps": eps, "weight_decay": weight_decay, "maximize": maximize}
        forms = {"foreach": foreach, "differentiable": differentiable, "fused": fused}
        super().__init__(params, {**options, "initial_accumulator_value": initial_accumulator_value, **forms})

    def add_param_group(self, group: Mapping[str, object]) -> None:
        """As for all optimizers; the sums are there from the beginning, as PyTorch's."""
        super().add_param_group(group)
        added = self.param_groups[-1]
        for p in added["params"]:
            data = np.empty(p.shape, self._kept_dtype(p.dtype))
            self.state[p] = {"step": 0, "sum": self._begin("sum", data, added)}

    def _begin(self, name: str, data: Array, group: Group) -> Array:
        value = group["initial_accumulator_value"]
        return np.full_like(data, complex(value, value) if data.dtype.kind == "c" else value)

    def _numbers(self, step: Any, group: Group) -> Numbers:
        size = group["lr"] / (1 + (step - 1) * group["lr_decay"])
        return {"size": size, "eps": group["eps"], **directions(group)}


def _by_both(
    p: Any, v: Any, s: Any, g: Any, *, lr: Any, rho: Any, rate: Any, eps: Any, **direction: Any
) -> tuple[Any, ...]:
    p, g = directed(p, g, **direction)
    v *= rho
    v += rate * (g * g)
    step = np.sqrt(s + eps)
    step /= np.sqrt(v + eps)
    step *= g
    s *= rho
    s += rate * (step * step)
    p -= lr * step
    return p, v, s


class Adadelta(Elementwise):
    """Steps by the ratio of mean squares, of the steps before and of the gradients, step for step as PyTorch's.

    From the gradient g of a parameter p (negated to `maximize`) a step computes

        g <- g + weight_decay * p
        v <- rho * v + (1 - rho) * g^2
        d  = sqrt(s + eps) / sqrt(v + eps) * g
        s <- rho * s + (1 - rho) * d^2
        p <- p - lr * d

    ValueError for a negative lr, eps or weight_decay, and for rho outside of [0, 1].
    Source: Zeiler, Adadelta: an adaptive learning rate method, 2012.

    >>> from pullback import Tensor
    >>> x = Tensor([1.0], requires_grad=True)
    >>> x.grad = [1.5]
    >>> Adadelta([x], rho=0.0, eps=4.0).step()
    >>> x.data  # 1 - 2 / 2.5 * 1.5
    array([-0.2])
    """

    not_negative = ("lr", "eps", "weight_decay")
    single = True
    averages = ("square_avg", "acc_delta")
    _formula = staticmethod(_by_both)

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        capturable: bool = False,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        options = {"lr": lr, "rho": rho, "eps": eps, "weight_decay": weight_decay, "maximize": maximize}
        forms = {"foreach": foreach, "capturable": capturable, "differentiable": differentiable}
        super().__init__(params, {**options, **forms})

    def check(self, group: Group) -> None:
        if not 0 <= number(self._name, "rho", group["rho"]) <= 1:
            raise ValueError(f"{self._name}: rho must be from 0 to 1, but is {group['rho']}")

    def _numbers(self, step: Any, group: Group) -> Numbers:
        rho = group["rho"]
        return {"lr": group["lr"], "rho": rho, "rate": 1 - rho, "eps": group["eps"], **directions(group)}


def _by_mean(
    p: Any, v: Any, *rest: Any,
    lr: Any, alpha: Any, rate: Any, eps: Any, momentum: Any, moves: bool, centered: bool, **direction: Any,
) -> tuple[Any, ...]:  # fmt: skip
    *others, g = rest
    p, g = directed(p, g, **direction)
    v *= alpha
    v += rate * (g * g)
    mean = v
    if centered:
        a = others[-1]
        a += rate * (g - a)
        others[-1] = a
        mean = v - a * a
    root = np.sqrt(mean)
    root += eps
    step = g / root
    if moves:
        b = others[0]
        b *= momentum
        b += step
        others[0] = step = b
    p -= lr * step
    return p, v, *others


class RMSprop(Elementwise):
    """Steps by the gradients' mean square, step for step as PyTorch's.

    From the gradient g of a parameter p (negated to `maximize`) a step computes

        g <- g + weight_decay * p
        v <- alpha * v + (1 - alpha) * g^2
        a <- alpha * a + (1 - alpha) * g           (with `centered`; or else a = 0)
        b <- momentum * b + g / (sqrt(v - a^2) + eps)
        p <- p - lr * b

    ValueError for a negative lr, eps, weight_decay, momentum or alpha.
    Source: Tieleman and Hinton, Lecture 6.5: RMSprop, 2012; centered as in Graves, Generating sequences with recurrent
    neural networks, 2013.

    >>> from pullback import Tensor
    >>> x = Tensor([1.0], requires_grad=True)
    >>> x.grad = [2.0]
    >>> RMSprop([x], lr=0.25, alpha=0.75, eps=0.0).step()
    >>> x.data
    array([0.5])
    """

    not_negative = ("lr", "alpha", "eps", "weight_decay", "momentum")
    single = True
    averages = ("square_avg", "momentum_buffer", "grad_avg")
    _formula = staticmethod(_by_mean)

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        options = {"lr": lr, "alpha": alpha, "eps": eps, "weight_decay": weight_decay, "momentum": momentum}
        forms = {"foreach": foreach, "capturable": capturable, "differentiable": differentiable}
        super().__init__(params, {**options, "centered": centered, "maximize": maximize, **forms})

    def _kept(self, group: Group) -> tuple[str, ...]:
        square, momentum, mean = self.averages
        return (square, *[momentum] * (group["momentum"] > 0), *[mean] * bool(group["centered"]))

    def _numbers(self, step: Any, group: Group) -> Numbers:
        alpha, momentum = group["alpha"], group["momentum"]
        numbers = {"lr": group["lr"], "alpha": alpha, "rate": 1 - alpha, "eps": group["eps"], "momentum": momentum}
        return {**numbers, "moves": momentum > 0, "centered": bool(group["centered"]), **directions(group)}
