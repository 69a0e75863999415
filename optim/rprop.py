"""Resilient backpropagation."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..autograd import Tensor
from ..extend import Array, if_positive
from .elementwise import Elementwise, Numbers
from .optimizer import Group, Params
from .options import number

__all__ = ["Rprop"]


def _by_signs(
    p: Any, prev: Any, size: Any, g: Any, *, less: Any, more: Any, least: Any, most: Any, maximize: bool
) -> tuple[Any, ...]:
    if maximize:
        g = -g
    same = np.sign(g) * np.sign(prev)
    size = size * if_positive(same, more, if_positive(-same, less, 1.0))
    size = np.maximum(-np.maximum(-size, -most), least)
    g = if_positive(-same, 0.0, g)
    p -= np.sign(g) * size
    return p, g, size


class Rprop(Elementwise):
    """Steps whose sizes depend on the signs of gradients alone, step for step as PyTorch's; for whole data sets.

    The step size of an entry, `lr` at first, is multiplied by etas[1] where its gradient (negated to `maximize`) has
    the sign of the one before, and by etas[0] where it has the other, within the bounds `step_sizes`. Where the sign
    has changed the entry stays, and the gradient counts as 0 in the next step; others move a step size against it.
    ValueError for a negative lr, and unless 0 < etas[0] < 1 < etas[1].
    Source: Riedmiller and Braun, A direct adaptive method for faster backpropagation learning, 1993.

    >>> from pullback import Tensor
    >>> x = Tensor([1.0, 2.0], requires_grad=True)
    >>> x.grad = [1e-9, -1e9]
    >>> Rprop([x], lr=0.5).step()
    >>> x.data
    array([0.5, 2.5])
    """

    not_negative = ("lr",)
    averages = ("prev", "step_size")
    _formula = staticmethod(_by_signs)

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50),
        *,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        options = {"lr": lr, "etas": etas, "step_sizes": step_sizes, "maximize": maximize}
        forms = {"foreach": foreach, "capturable": capturable, "differentiable": differentiable}
        super().__init__(params, {**options, **forms})

    def _begin(self, name: str, data: Array, group: Group) -> Array:
        size = group["lr"] if name == "step_size" else 0.0
        return np.full_like(data, complex(size, size) if data.dtype.kind == "c" else size)

    def check(self, group: Group) -> None:
        less, more = (number(self._name, "etas", eta) for eta in group["etas"])
        if not 0 < less < 1 < more:
            raise ValueError(f"{self._name}: etas must be one below 1 and one above, positive, not {group['etas']}")

    def _numbers(self, step: Any, group: Group) -> Numbers:
        (less, more), (least, most) = group["etas"], group["step_sizes"]
        return {"less": less, "more": more, "least": least, "most": most, "maximize": bool(group["maximize"])}
