"""Modules as functions of their parameters, for the transforms: what is given stands in for what the module holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..autograd import Tensor, asarray
from ..extend import stand_in, standing_in
from .module import Module

__all__ = ["functional_call", "stack_module_state"]


def _owned(module: Module) -> dict[str, Tensor]:
    """The parameters and buffers under all their dotted names."""
    parameters, buffers = module.named_parameters(remove_duplicate=False), module.named_buffers(remove_duplicate=False)
    return {**dict(parameters), **dict(buffers)}


def functional_call(
    module: Module,
    parameters_and_buffers: dict[str, Any] | Sequence[dict[str, Any]],
    args: object = None,
    kwargs: Mapping[str, object] | None = None,
    *,
    strict: bool = False,
) -> Any:
    """Call a module with what is given by dotted names in the place of its parameters and buffers.

    So a loss becomes a function of the parameters, to which `grad`, `vmap` and the other transforms apply (a Module is
    no container for them, `dict(module.named_parameters())` is). What is not given (nothing, if `strict`) is the
    module's own. Several dictionaries, in a tuple or list, count as one; `args` that are no tuple are one argument,
    None is none.
    What is tied in the module stays tied. A new value that the module assigns to a buffer goes into the dictionary in
    which that was given. The module is as before afterwards, also after an error, and other threads, which may call it
    at the same time, see its own values throughout. KeyError for names that the module does not have or, if `strict`,
    that are missing, ValueError for different values of what is tied.

    >>> from pullback import grad, nn, vmap
    >>> model = nn.Linear(3, 2)
    >>> def loss(parameters, x, y):
    ...     return nn.functional.cross_entropy(nn.functional_call(model, parameters, x), y)
    >>> parameters = {name: p.detach() for name, p in model.named_parameters()}
    >>> x, y = np.ones((5, 3), np.float32), np.array([0, 1, 1, 0, 1])
    >>> vmap(grad(loss), in_axes=(None, 0, 0))(parameters, x, y)["weight"].shape  # the gradient of each example
    (5, 2, 3)
    """
    several = [parameters_and_buffers] if isinstance(parameters_and_buffers, Mapping) else parameters_and_buffers
    given = {name: (value, part) for part in several for name, value in part.items()}
    own = _owned(module)
    places: dict[Tensor, Tensor] = {}
    for name, (value, _) in given.items():
        if name not in own:
            raise KeyError(f"functional_call: {type(module).__name__} has no parameter or buffer {name!r}")
        value = asarray(value)
        if places.setdefault(own[name], value) is not value:
            raise ValueError(f"functional_call: {name} is tied to another for which a different value was given")
    missing = [name for name, tensor in own.items() if tensor not in places]
    if strict and missing:
        raise KeyError(f"functional_call: {', '.join(missing)} of {type(module).__name__} not given")
    try:
        with standing_in({tensor: stand_in(value) for tensor, value in places.items()}):
            given_args = () if args is None else args if isinstance(args, tuple) else (args,)
            return module(*given_args, **(kwargs or {}))
    finally:
        for name, (_, part) in given.items():
            path, _, attribute = name.rpartition(".")
            owner = module.get_submodule(path).__dict__
            if owner[attribute] is not own[name]:
                part[name], owner[attribute] = owner[attribute], own[name]


def stack_module_state(models: Sequence[Module]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Stack the parameters (as new leaves) and the buffers of models of one kind, by name, along a new first axis.

    With `vmap` over them `functional_call` of one model runs them all. ValueError for none, for models of different
    classes or modes, or with different names or shapes.

    >>> from pullback import nn, vmap
    >>> models = [nn.Linear(3, 2) for _ in range(4)]
    >>> vmap(lambda *state: nn.functional_call(models[0], state, np.ones(3)))(*stack_module_state(models)).shape
    (4, 2)
    """
    if len({(type(model), model.training) for model in models}) != 1:
        names = ", ".join(f"{type(model).__name__}, training={model.training}" for model in models)
        raise ValueError(f"stack_module_state: expected models of one class and mode, not [{names}]")

    def stacked(states: list[dict[str, Tensor]]) -> dict[str, Tensor]:
        if len({tuple((name, x.shape) for name, x in state.items()) for state in states}) != 1:
            raise ValueError("stack_module_state: the models have parameters or buffers of different names or shapes")
        return {
            name: Tensor(np.stack([state[name].data for state in states]), first.requires_grad)
            for name, first in states[0].items()
        }

    parameters = stacked([dict(model.named_parameters()) for model in models])
    return parameters, stacked([dict(model.named_buffers()) for model in models])
