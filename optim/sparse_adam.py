"""Adam for embeddings: only the rows that a batch has touched."""

from __future__ import annotations

import math

import numpy as np

from ..autograd import Tensor
from ..extend import Array, fused
from .adam import adapted, rates
from .optimizer import Group, Optimizer, Params, State

__all__ = ["SparseAdam"]


class SparseAdam(Optimizer):
    """Adam that moves, and keeps averages of, the rows alone whose gradient is not all zeros: those a batch touched.

    The gradients of PyTorch's SparseAdam are sparse tensors; here they are arrays as any others, and a row (the entries
    of an index along the first axis) counts as touched where any of its entries is not 0. In the other rows moments do
    not decay. The t-th step computes, in the touched rows, from the gradient g (negated to `maximize`)

        m <- beta1 * m + (1 - beta1) * g
        v <- beta2 * v + (1 - beta2) * g^2
        p <- p - lr * sqrt(1 - beta2^t) / (1 - beta1^t) * m / (sqrt(v) + eps)

    ValueError unless lr and eps are positive and betas in [0, 1), and for complex parameters.
    Source: Kingma and Ba, Adam: a method for stochastic optimization, 2015.

    >>> from pullback import Tensor
    >>> x = Tensor([[1.0, 1.0], [2.0, 2.0]], requires_grad=True)
    >>> x.grad = [[0.0, 0.0], [0.5, -0.5]]
    >>> SparseAdam([x], lr=0.25).step()
    >>> x.data.round(6)
    array([[1.  , 1.  ],
           [1.75, 2.25]])
    """

    not_negative = ("lr", "eps")
    fractions = ("betas",)
    single = True
    averages = ("step", "exp_avg", "exp_avg_sq")  # PyTorch keeps this step as a number

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "maximize": maximize})

    def check(self, group: Group) -> None:
        for name in ("lr", "eps"):
            if group[name] == 0:
                raise ValueError(f"{self._name}: {name} must be positive, but is {group[name]}")
        for p in group["params"]:
            if p.dtype.kind == "c":
                raise ValueError(f"{self._name}: a parameter of {p.dtype}; complex ones are for Adam")

    def update(self, data: Array, gradient: Array, state: State, group: Group) -> None:
        if not state:
            state.update(step=0, exp_avg=np.zeros_like(data), exp_avg_sq=np.zeros_like(data))
        state["step"] += 1
        targets = [np.atleast_1d(a) for a in (data, state["exp_avg"], state["exp_avg_sq"])]
        g = np.atleast_1d(gradient)
        rows = np.flatnonzero((g.reshape(len(g), -1) != 0).any(1))
        if not rows.size:
            return
        beta1, beta2 = group["betas"]
        size = group["lr"] * math.sqrt(1 - beta2 ** state["step"]) / (1 - beta1 ** state["step"])
        numbers = {"size": size, "scale": 1.0, "eps": group["eps"], **rates(group), "decay": 0.0, "kept": 1.0}
        flags = {"decays": False, "decoupled": False, "maximize": bool(group["maximize"])}
        parts = [a[rows] for a in targets]
        fused(adapted, parts, [g[rows]], **{k: float(v) for k, v in numbers.items()}, **flags)
        for whole, part in zip(targets, parts, strict=True):
            whole[rows] = part
