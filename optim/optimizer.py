"""The base of the optimizers: groups of parameters with their options, and state that can be saved."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar

import numpy as np
from numpy import ndarray

from ..autograd import Tensor, enable_grad
from ..extend import Array, writable
from .hooks import Hooked, StateDict
from .options import checked, read
from .saving import data, unfit

__all__ = ["Optimizer"]

Result = TypeVar("Result")
Group = dict[str, Any]
State = dict[str, Any]
Params = Iterable[Tensor] | Iterable[tuple[str, Tensor]] | Iterable[Mapping[str, object]]  # see `Optimizer`
Due = list[tuple[Tensor, Array, State]]  # parameters with their gradients and their state


class Optimizer(Hooked):
    """The base of the optimizers; a subclass gives `update` and, for its options, `check`.

    `params` is an iterable of Tensors, of pairs `(name, Tensor)` as of `model.named_parameters()`, or of dicts
    `{"params": ..., option: value}` whose options stand in for the `defaults`. `param_groups` holds these dicts with
    all options (and the names, as "param_names"), and `state` what the optimizer keeps of each parameter. Options are
    read at each step; a learning rate may be a Tensor or array of one number. TypeError for what is no Tensor;
    ValueError for no parameters, one given twice, one that is not a leaf, and names for some parameters alone.

    `foreach`, `fused` and `capturable` choose between PyTorch's forms of the same step; here there is one, so they are
    kept and change nothing. Steps are not recorded: `differentiable=True` is a ValueError.
    """

    not_negative: tuple[str, ...] = ()  # names of options
    fractions: tuple[str, ...] = ()  # names of options that are pairs of numbers in [0, 1)
    needs_closure = False  # whether a step evaluates the loss several times
    single = False  # whether parameters of float16 are moved, and their state is kept, as float32
    counters: tuple[str, ...] = ()  # names of numbers in the state, which are saved as arrays of no dimension
    averages: tuple[str, ...] | None = None  # names of all else that can be in it; None where nobody knows

    def __init__(self, params: Params, defaults: Mapping[str, object]) -> None:
        super().__init__()
        if isinstance(params, (Tensor, dict)) or not isinstance(params, Iterable):
            raise TypeError(
                f"{self._name}: params must be an iterable of Tensors or dicts, not a {_kind(params)}{_instead(params)}"
            )
        self.defaults: Group = dict(defaults)
        self.param_groups: list[Group] = []
        self.state: defaultdict[Tensor, State] = defaultdict(dict)
        groups: list[Any] = list(params)
        if not groups:
            raise ValueError(f"{self._name}: got an empty list of parameters")
        for group in groups if isinstance(groups[0], dict) else [{"params": groups}]:
            self.add_param_group(group)

    def __repr__(self) -> str:
        groups = []
        for group in self.param_groups:
            told = {k: v for k, v in group.items() if k not in ("params", "param_names") and v is not None}
            options = "".join(f", {name}={value!r}" for name, value in told.items())
            groups.append(f"{len(group['params'])} parameters{options}")
        return f"{self._name}({groups[0]})" if len(groups) == 1 else "\n  ".join([f"{self._name}(", *groups]) + "\n)"

    @property
    def _name(self) -> str:
        return type(self).__name__

    def add_param_group(self, group: Mapping[str, object]) -> None:
        """Optimize more parameters: `{"params": a Tensor or several, option: value, ...}`; errors as for the class."""
        if not isinstance(group, dict):
            raise TypeError(f"{self._name}: a parameter group must be a dict, not a {_kind(group)}")
        if "params" not in group:
            raise ValueError(f"{self._name}: a parameter group needs 'params', and has {', '.join(group) or 'nothing'}")
        params: Any = group["params"]
        if isinstance(params, (set, frozenset)):
            raise TypeError(f"{self._name}: parameters need an order that lasts; give a list, not a set")
        params = [params] if isinstance(params, Tensor) else list(params)
        named = [p for p in params if isinstance(p, tuple)]
        if named:
            group = {**group, "param_names": [name for name, _ in named]}
        others = {"param_names" in old for old in self.param_groups}
        if len(named) not in (0, len(params)) or not others <= {"param_names" in group}:
            raise ValueError(f"{self._name}: either all parameters have names or none; write model.named_parameters()")
        params = [p[1] if isinstance(p, tuple) else p for p in params]
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
        self._check(group)
        self.param_groups.append(group)

    def _check(self, group: Group) -> None:
        """Raise an error if options make no sense, or not with the parameters."""
        checked(self._name, group, self.not_negative, self.fractions)
        self.check(group)

    def check(self, group: Group) -> None:
        """Raise ValueError if the group's options make no sense."""

    def update(self, data: Array, gradient: Array, state: State, group: Group) -> None:
        """Move a parameter, its array `data` in place, as its gradient, its state and its group's options say."""
        raise NotImplementedError(f"{self._name} has no update")

    def step(self, closure: Callable[[], Result] | None = None) -> Result | None:
        """Move every parameter that has a gradient; returns what `closure`, called first, computes (the loss).

        ValueError or TypeError, before any parameter is moved, for a gradient of another shape or of a dtype that
        cannot be cast, and where what is kept of a parameter does not fit it any more.
        """
        loss: Result | None = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        due = [(self._due(group["params"]), group) for group in self.param_groups]
        for found, group in due:
            if found:
                self._move(found, read(group))
        return loss

    def _due(self, params: list[Tensor]) -> Due:
        """The parameters that have gradients, which fit."""
        found = []
        for p in params:
            node = p._node
            if node is not None and (grad := node.grad) is not None:
                gradient, state, held = grad._held, self.state[p], p._held
                dtype = gradient.dtype
                if state or dtype is not held.dtype or gradient.shape != held.shape or dtype.kind == "c":
                    gradient = self._checked(gradient, state, held)
                found.append((p, gradient, state))
        return found

    def _move(self, due: Due, group: Group) -> None:
        for p, gradient, state in due:
            array = writable(p)
            wide = self._widened(array)
            self.update(wide, self._widened(gradient), state, group)
            put(p, array, wide)

    def _widened(self, array: Array) -> Array:
        return array.astype(np.float32) if self.single and array.dtype == np.float16 else array

    def _checked(self, gradient: Any, state: State, data: Any) -> Any:
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
        kept = self._kept_dtype(dtype)
        for name, value in state.items():
            if value.__class__ is ndarray:
                if value.shape != shape and value.shape != (expected := self._kept_shape(name, shape)):
                    raise ValueError(
                        f"{self._name}: {name} of shape {value.shape} kept of a parameter that has shape {shape} now, "
                        f"not {expected}; make a new optimizer, or state.pop(parameter)"
                    )
                if value.dtype != kept:
                    raise TypeError(
                        f"{self._name}: {name} of {value.dtype} kept of a parameter that is {data.dtype} now; "
                        "load_state_dict(state_dict()) casts what is kept"
                    )
        return gradient

    def _kept_dtype(self, dtype: Any) -> Any:
        return np.promote_types(dtype, np.float32) if self.single else dtype

    def _kept_shape(self, name: str, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of an array of this name that is kept of a parameter of this shape: the same."""
        return shape

    def _kept(self, group: Group) -> tuple[str, ...]:
        """The names of the `averages` that are kept with these options: all."""
        return self.averages or ()

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget all gradients, or set them to zeros."""
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    p.grad = None if set_to_none else Tensor(np.zeros(p.shape, p.dtype))

    def state_dict(self) -> StateDict:
        """Return a copy of all options and of the state, the parameters in it being replaced by their numbers.

        Keys and nesting are PyTorch's, with arrays for its tensors; a `step` is an array of no dimension. There are
        dicts, lists, tuples, strings, numbers, None and arrays in it; TypeError for an option that is anything else.
        """
        for hook in list(self._state_dict_pre_hooks.values()):
            hook(self)
        order = [p for group in self.param_groups for p in group["params"]]
        numbers = {id(p): i for i, p in enumerate(order)}
        state = {
            i: {k: np.array(float(v)) if k in self.counters else data(self._name, k, v) for k, v in kept.items()}
            for i, p in enumerate(order)
            if (kept := self.state.get(p))
        }
        groups = [
            {k: [numbers[id(p)] for p in v] if k == "params" else data(self._name, k, v) for k, v in group.items()}
            for group in self.param_groups
        ]
        return self._passed(self._state_dict_post_hooks, {"state": state, "param_groups": groups})

    def load_state_dict(self, state_dict: Mapping[str, object]) -> None:
        """Take over what `state_dict` of such an optimizer gave, here or in PyTorch (its tensors as arrays).

        Arrays are cast to their parameter's dtype. ValueError, which lists all that does not fit, and no change.
        """
        saved = self._passed(self._load_pre_hooks, dict(state_dict))
        groups, given = self.param_groups, saved["param_groups"]
        sizes, given_sizes = ([len(group["params"]) for group in some] for some in (groups, given))
        if sizes != given_sizes:
            raise ValueError(f"{self._name}: state of groups of {given_sizes} parameters given for ones of {sizes}")
        problems: list[str] = []
        new = [self._regrouped(old, group, problems) for old, group in zip(groups, given, strict=True)]
        owners = {i: (p, group) for group, old in zip(new, given, strict=True) for p, i in _pairs(group, old)}
        state: defaultdict[Tensor, State] = defaultdict(dict)
        for i, kept in ((i, kept) for i, kept in saved["state"].items() if kept):
            p, group = owners.get(i, (None, {}))
            found = ["it is in no group"] if p is None else self._unfit(kept, p, group)
            problems += [f"parameter {i}: {text}" for text in found]
            if p is not None and not found:
                state[p] = {k: self._restored(k, v, p) for k, v in kept.items() if v is not None}
        if problems:
            raise ValueError(f"{self._name}: a state that does not fit: {'; '.join(problems)}")
        self.state, self.param_groups = state, new
        for hook in list(self._load_post_hooks.values()):
            hook(self)

    def _regrouped(self, group: Group, saved: Group, problems: list[str]) -> Group:
        """The group with saved options; what is wrong with them is added to the problems. Switches may be missing."""
        switches = [k for k, v in self.defaults.items() if v is None or isinstance(v, bool)]
        known = {k: v for k, v in group.items() if k in self.defaults or k == "param_names"}
        new = {**known, **data(self._name, "a saved group", saved), "params": group["params"]}
        wrong = [f"no {name} in a group" for name in self.defaults if name not in saved and name not in switches]
        if not wrong:
            try:
                self._check(new)
            except (TypeError, ValueError) as error:
                wrong = [str(error).removeprefix(f"{self._name}: ")]
        problems += wrong
        return new

    def _unfit(self, kept: State, p: Tensor, group: Group) -> list[str]:
        """What does not fit of a parameter's saved state."""
        return unfit(kept, p.shape, self.counters, self.averages, self._kept(group), self._kept_shape)

    def _restored(self, name: str, value: Any, p: Tensor) -> Any:
        """A copy of a saved value, an array in its parameter's dtype, or in that in which it is moved."""
        if name in self.counters:
            return float(np.asarray(value).item())
        if not hasattr(value, "__array__"):
            return value
        return np.array(value, self._kept_dtype(p.dtype))


def _pairs(group: Group, saved: Group) -> Iterator[tuple[Tensor, int]]:
    return zip(group["params"], saved["params"], strict=True)


def put(p: Tensor, data: Array, moved: Array) -> None:
    """What is moved becomes the data, which `writable` gave, of a parameter."""
    if moved is not data:
        data[...] = moved
    node = p._node
    if not data.ndim and node is not None:
        node.value = data[()]
        if data is not p._held:
            p._held = node.value


def _kind(value: object) -> str:
    return type(value).__name__


def _instead(value: object) -> str:
    return "; write model.parameters()" if hasattr(value, "parameters") else ""


def reals(arrays: list[Any]) -> list[Any]:
    """Arrays, those of complex numbers as (views of) pairs of real ones."""
    return [a[..., None].view(a.real.dtype) if a.dtype.kind == "c" else a for a in arrays]
