"""The base of the optimizers: groups of parameters with their options, and state that can be saved."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

import numpy as np
from numpy import ndarray

from ..autograd import Tensor, enable_grad
from ..extend import Array, writable

__all__ = ["Optimizer"]

Result = TypeVar("Result")
Params = Iterable[Tensor] | Iterable[Mapping[str, object]]  # with options, see `Optimizer`


class Optimizer:
    """The base of the optimizers; a subclass gives `update` and, for its options, `check`.

    `params` is an iterable of Tensors, or of dicts `{"params": ..., option: value}` whose options stand in for
    the `defaults`. `param_groups` holds these dicts with all options, and `state` what the optimizer keeps of each
    parameter. TypeError for what is no Tensor; ValueError for no parameters, one given twice, one that is not a leaf.
    """

    single = False  # whether parameters of float16 are moved, and their state is kept, as float32

    def __init__(self, params: Params, defaults: dict[str, Any]) -> None:
        if isinstance(params, (Tensor, dict)) or not isinstance(params, Iterable):
            raise TypeError(
                f"{self._name}: params must be an iterable of Tensors or dicts, not a {_kind(params)}{_instead(params)}"
            )
        self.defaults = defaults
        self.param_groups: list[dict[str, Any]] = []
        self.state: defaultdict[Tensor, dict[str, Any]] = defaultdict(dict)
        groups: list[Any] = list(params)
        if not groups:
            raise ValueError(f"{self._name}: got an empty list of parameters")
        for group in groups if isinstance(groups[0], dict) else [{"params": groups}]:
            self.add_param_group(group)

    def __repr__(self) -> str:
        groups = []
        for group in self.param_groups:
            options = "".join(f", {name}={value!r}" for name, value in group.items() if name != "params")
            groups.append(f"{len(group['params'])} parameters{options}")
        return f"{self._name}({groups[0]})" if len(groups) == 1 else "\n  ".join([f"{self._name}(", *groups]) + "\n)"

    @property
    def _name(self) -> str:
        return type(self).__name__

    def add_param_group(self, group: dict[str, Any]) -> None:
        """Optimize more parameters: `{"params": a Tensor or several, option: value, ...}`; errors as for the class."""
        if not isinstance(group, dict):
            raise TypeError(f"{self._name}: a parameter group must be a dict, not a {_kind(group)}")
        params = group["params"]
        if isinstance(params, (set, frozenset)):
            raise TypeError(f"{self._name}: parameters need an order that lasts; give a list, not a set")
        params = [params] if isinstance(params, Tensor) else list(params)
        seen = {id(p) for old in self.param_groups for p in old["params"]}
        for p in params:
            if not isinstance(p, Tensor):
                raise TypeError(f"{self._name}: can optimize Tensors only, not a {_kind(p)}{_instead(p)}")
            if not p.is_leaf:
                raise ValueError(f"{self._name}: a Tensor of shape {p.shape} is not a leaf: an operation made it")
            if id(p) in seen:
                raise ValueError(f"{self._name}: a parameter of shape {p.shape} is given twice")
            seen.add(id(p))
        group = {**self.defaults, **group, "params": params}
        self.check(group)
        self.param_groups.append(group)

    def check(self, group: dict[str, Any]) -> None:
        """Raise ValueError if the group's options make no sense."""

    def update(self, data: Array, gradient: Array, state: dict[str, Any], group: dict[str, Any]) -> None:
        """Move a parameter, its array `data` in place, as its gradient, its state and its group's options say."""
        raise NotImplementedError(f"{self._name} has no update")

    def step(self, closure: Callable[[], Result] | None = None) -> Result | None:
        """Move every parameter that has a gradient; returns what `closure`, called first, computes (the loss)."""
        loss: Result | None = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        moved = []
        for group in self.param_groups:
            for p in group["params"]:
                node = p._node
                if node is not None and (grad := node.grad) is not None:
                    gradient, state, held = grad._held, self.state[p], p._held
                    dtype = gradient.dtype
                    if state or dtype is not held.dtype or gradient.shape != held.shape or dtype.kind == "c":
                        gradient = self._checked(gradient, state, held)
                    moved.append((p, gradient, state, group))
        held = None
        for p, gradient, state, group in moved:
            data = writable(p)
            if self.single and data.dtype == np.float16:
                wide = data.astype(np.float32)
                self.update(wide, gradient.astype(np.float32), state, group)
                data[...] = wide
            else:
                self.update(data, gradient, state, group)
            if not data.ndim:
                p._node.value = data[()]
                if data is not p._held:
                    p._held = p._node.value
        return loss

    def _checked(self, gradient: Any, state: dict[str, Any], data: Any) -> Any:
        """The direction of steepest ascent, in its parameter's dtype; ValueError or TypeError if the gradient or the
        state does not fit the data, which may have been assigned since.
        """
        shape, dtype = data.shape, data.dtype
        if gradient.shape != shape:
            raise ValueError(
                f"{self._name}: grad of shape {gradient.shape} found at a parameter of shape {shape}; "
                "call zero_grad() when its data gets another shape"
            )
        if gradient.dtype != dtype:
            if not np.can_cast(gradient.dtype, dtype, "same_kind"):
                raise TypeError(f"{self._name}: cannot cast grad from {gradient.dtype} to {dtype} by 'same_kind'")
            gradient = gradient.astype(dtype)
        if dtype.kind == "c":
            gradient = np.conj(gradient)  # see `backward`
        kept = np.promote_types(dtype, np.float32) if self.single else dtype
        for name, value in state.items():
            if value.__class__ is ndarray and not (value.shape == shape and value.dtype == kept):
                if value.shape != shape:
                    raise ValueError(
                        f"{self._name}: {name} of shape {value.shape} kept of a parameter that has shape {shape} now; "
                        "make a new optimizer, or state.pop(parameter)"
                    )
                raise TypeError(
                    f"{self._name}: {name} of {value.dtype} kept of a parameter that is {data.dtype} now; "
                    "load_state_dict(state_dict()) casts what is kept"
                )
        return gradient

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget all gradients, or set them to zeros."""
        for group in self.param_groups:
            for p in group["params"]:
                node = p._node
                if node is not None and node.grad is not None:
                    node.grad = None if set_to_none else Tensor(np.zeros_like(p._held))

    def state_dict(self) -> dict[str, Any]:
        """Return a copy of all options and of the state, the parameters in it being replaced by their numbers."""
        order = [p for group in self.param_groups for p in group["params"]]
        numbers = {id(p): i for i, p in enumerate(order)}
        return {
            "state": {i: _copied(self.state[p]) for i, p in enumerate(order) if self.state.get(p)},
            "param_groups": [
                {**group, "params": [numbers[id(p)] for p in group["params"]]} for group in self.param_groups
            ],
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what `state_dict` of such an optimizer gave; ValueError, and no change, if it does not fit."""
        groups, saved = self.param_groups, state_dict["param_groups"]
        sizes, saved_sizes = ([len(group["params"]) for group in some] for some in (groups, saved))
        if sizes != saved_sizes:
            raise ValueError(f"{self._name}: state of groups of {saved_sizes} parameters given for ones of {sizes}")
        for group in saved:
            self.check(group)
        order = [p for group in groups for p in group["params"]]
        numbers = [i for group in saved for i in group["params"]]
        state: defaultdict[Tensor, dict[str, Any]] = defaultdict(dict)
        for p, i in zip(order, numbers, strict=True):
            if i in state_dict["state"]:
                state[p] = {name: self._fitted(name, v, p) for name, v in state_dict["state"][i].items()}
        self.state = state
        self.param_groups = [{**new, "params": group["params"]} for group, new in zip(groups, saved, strict=True)]

    def _fitted(self, name: str, value: Any, p: Tensor) -> Any:
        """A copy of a saved value, an array in its parameter's dtype, or in that in which it is moved."""
        if not isinstance(value, np.ndarray):
            return value
        if value.shape != p.shape:
            raise ValueError(f"{self._name}: {name} of shape {value.shape} given for a parameter of shape {p.shape}")
        return value.astype(np.promote_types(p.dtype, np.float32) if self.single else p.dtype)


def _kind(value: Any) -> str:
    return type(value).__name__


def _instead(value: object) -> str:
    return "; write model.parameters()" if hasattr(value, "parameters") else ""


def _copied(state: dict[str, Any]) -> dict[str, Any]:
    return {name: v.copy() if isinstance(v, np.ndarray) else v for name, v in state.items()}


def reals(*groups: list[Any]) -> list[list[Any]]:
    """Return arrays, those of complex numbers as (views of) pairs of real ones."""
    return [[a[..., None].view(a.real.dtype) if a.dtype.kind == "c" else a for a in arrays] for arrays in groups]
