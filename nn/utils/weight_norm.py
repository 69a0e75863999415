"""Weight normalization with the names that PyTorch had before parametrizations: `weight_g` and `weight_v`."""

from __future__ import annotations

from typing import Any, TypeVar

from ..module import Module, Parameter
from ._derived import Derived, derive, derived, settle
from ._norms import lengths, scaled

__all__ = ["remove_weight_norm", "weight_norm"]

M = TypeVar("M", bound=Module)


class WeightNorm(Derived):
    """A weight that is computed of its lengths and directions."""

    def __init__(self, name: str, dim: int) -> None:
        self.name, self.dim = name, dim

    def value(self, module: Any) -> Any:
        return scaled(getattr(module, self.name + "_v"), getattr(module, self.name + "_g"), self.dim)

    def assign(self, module: Any, value: Any) -> None:
        raise AttributeError(f"{self.name} is computed of {self.name}_g and {self.name}_v; assign to those")


def weight_norm(module: M, name: str = "weight", dim: int | None = 0) -> M:
    """Let a weight be g v / ||v||, of the parameters `weight_g` and `weight_v`; returns the module.

    RuntimeError where it is so already, ValueError where there is no such parameter. New models are better served by
    `nn.utils.parametrizations.weight_norm`. Source: Salimans and Kingma, Weight normalization, 2016.

    >>> from pullback import nn
    >>> list(weight_norm(nn.Linear(3, 2)).state_dict())
    ['bias', 'weight_g', 'weight_v']
    """
    if name in derived(module):
        raise RuntimeError(f"weight_norm: {name!r} of {type(module).__name__} is computed already")
    weight = dict(module._own_parameters()).get(name)
    if weight is None:
        raise ValueError(f"weight_norm: {type(module).__name__} has no parameter {name!r}")
    how = WeightNorm(name, -1 if dim is None else dim)
    delattr(module, name)
    module.register_parameter(name + "_g", Parameter(lengths(weight.detach(), how.dim)))
    module.register_parameter(name + "_v", Parameter(weight.detach()))
    derive(module, name, how)
    return module


def remove_weight_norm(module: M, name: str = "weight") -> M:
    """Make the weight a parameter again, of its present value; ValueError where there is no weight normalization."""
    if not isinstance(derived(module).get(name), WeightNorm):
        raise ValueError(f"remove_weight_norm: there is none of {name!r} of {type(module).__name__}")
    weight = Parameter(getattr(module, name).detach())
    settle(module, name)
    delattr(module, name + "_g")
    delattr(module, name + "_v")
    module.register_parameter(name, weight)
    return module
