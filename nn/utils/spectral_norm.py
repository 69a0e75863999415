"""Spectral normalization with the names that PyTorch had before parametrizations: `weight_orig`, `weight_u`, ..."""

from __future__ import annotations

from typing import Any, TypeVar

from ..module import Module, Parameter
from ._derived import Derived, derive, derived, settle
from ._norms import PowerIteration, spectral_dim

__all__ = ["remove_spectral_norm", "spectral_norm"]

M = TypeVar("M", bound=Module)


class SpectralNorm(Derived):
    """A weight that is computed of another; as a hook before forward, what improves the estimate in training."""

    def __init__(self, name: str, method: PowerIteration) -> None:
        self.name, self.method = name, method

    def parts(self, module: Any) -> tuple[Any, Any, Any]:
        return tuple(getattr(module, f"{self.name}_{part}") for part in ("orig", "u", "v"))

    def value(self, module: Any) -> Any:
        return self.method.divided(*self.parts(module))

    def assign(self, module: Any, value: Any) -> None:
        raise AttributeError(f"{self.name} is computed of {self.name}_orig; assign to that")

    def __call__(self, module: Any, args: Any) -> None:
        if module.training:
            weight, u, v = self.parts(module)
            u, v = self.method.improved(weight, u, v)
            setattr(module, self.name + "_u", u)
            setattr(module, self.name + "_v", v)


def spectral_norm(
    module: M, name: str = "weight", n_power_iterations: int = 1, eps: float = 1e-12, dim: int | None = None
) -> M:
    """Let a weight be `weight_orig` over its largest singular value, by the power method; returns the module.

    RuntimeError where it is so already, ValueError where there is no such parameter. New models are better served by
    `nn.utils.parametrizations.spectral_norm`. Source: Miyato et al., Spectral normalization for generative adversarial
    networks, 2018.

    >>> from pullback import nn
    >>> list(spectral_norm(nn.Linear(3, 2)).state_dict())
    ['bias', 'weight_orig', 'weight_u', 'weight_v']
    """
    if name in derived(module):
        raise RuntimeError(f"spectral_norm: {name!r} of {type(module).__name__} is computed already")
    weight = dict(module._own_parameters()).get(name)
    if weight is None:
        raise ValueError(f"spectral_norm: {type(module).__name__} has no parameter {name!r}")
    method = PowerIteration(n_power_iterations, spectral_dim(module, dim), eps, v_first=True)
    u, v = method.drawn(weight)
    delattr(module, name)
    module.register_parameter(name + "_orig", weight)
    module.register_buffer(name + "_u", u)
    module.register_buffer(name + "_v", v)
    how = SpectralNorm(name, method)
    derive(module, name, how)
    module.register_forward_pre_hook(how)
    return module


def remove_spectral_norm(module: M, name: str = "weight") -> M:
    """Make the weight a parameter again, of its present value; ValueError where there is no spectral normalization."""
    how = derived(module).get(name)
    if not isinstance(how, SpectralNorm):
        raise ValueError(f"remove_spectral_norm: there is none of {name!r} of {type(module).__name__}")
    weight = Parameter(getattr(module, name).detach())
    settle(module, name)
    for part in ("u", "v", "orig"):
        delattr(module, f"{name}_{part}")
    for key, hook in list(module._forward_pre_hooks.items()):
        if hook is how:
            del module._forward_pre_hooks[key]
    module.register_parameter(name, weight)
    return module
