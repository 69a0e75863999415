"""The values of a module's parameters and buffers by name: what `state_dict` gives and `load_state_dict` takes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np

from ..autograd import Tensor
from ..extend import RemovableHandle, is_foreign, moved
from .hooks import NOTHING, Hook, of_kind, registered
from .parameter import Parameter
from .traversal import walk

__all__ = ["IncompatibleKeys"]

_EXTRA = "_extra_state"
_PLAN = "plan of this load"  # where the plan stands in what a load tells each module
_MOST = 100  # keys for which the nearest is looked for, among as many


class IncompatibleKeys(NamedTuple):
    """The keys in which a state and a module differ, as `load_state_dict` returns them."""

    missing_keys: list[str]
    unexpected_keys: list[str]


class Stateful:
    """What a Module has of its state."""

    _version = 1
    _state_hooks: Mapping[Any, Hook] = NOTHING

    if TYPE_CHECKING:
        _persistence: Mapping[str, bool]

        def _own_parameters(self) -> list[tuple[str, Parameter]]: ...

        def _own_buffers(self) -> list[tuple[str, Tensor]]: ...

    def state_dict(
        self, *args: object, destination: dict[str, Any] | None = None, prefix: str = "", keep_vars: bool = False
    ) -> dict[str, Any]:
        """Return copies of the parameters and persistent buffers by their dotted names, as PyTorch names them.

        With `keep_vars` they are the parameters and buffers themselves. They are added to `destination` where that is
        given, with `prefix` before their names.
        """
        given: Any = (*args, *(destination, prefix, keep_vars)[len(args) :])
        destination, prefix, keep_vars = given
        state: dict[str, Any] = {} if destination is None else destination
        for path, module, left in walk(self, "", None):
            below = f"{prefix}{path}." if path else prefix
            if not left:
                for _, hook in of_kind("save_pre", module._state_hooks):
                    hook.function(module, below, keep_vars)
                module._save_to_state_dict(state, below, keep_vars)
                continue
            for _, hook in of_kind("save_post", module._state_hooks):
                if hook.function(module, state, below, {"version": module._version}) is not None:
                    raise RuntimeError("a state_dict post-hook changes the dict that it is given and returns None")
        return state

    def _save_to_state_dict(self, destination: dict[str, Any], prefix: str, keep_vars: bool) -> None:
        for name, tensor in self._own_state():
            destination[prefix + name] = tensor if keep_vars else Tensor(tensor.data)
        if type(self).get_extra_state is not Stateful.get_extra_state:
            destination[prefix + _EXTRA] = self.get_extra_state()

    def _own_state(self) -> list[tuple[str, Tensor]]:
        persistent = [(name, value) for name, value in self._own_buffers() if self._persistence[name]]
        return [*self._own_parameters(), *persistent]

    def load_state_dict(
        self, state_dict: Mapping[str, object], strict: bool = True, assign: bool = False
    ) -> IncompatibleKeys:
        """Take over values (Tensors, arrays or nested lists) by name, each cast to the dtype of what it replaces.

        With `assign` the values themselves take the places of parameters and buffers, of their own dtypes. Nothing is
        changed unless everything fits: RuntimeError names all keys that are missing or unexpected (only if `strict`),
        of another shape, or of another kind of dtype (an integer for a float). Where there are post-hooks, which may
        take keys from the lists of missing and unexpected ones, these decide after the values are there.
        """
        if not isinstance(state_dict, Mapping):
            wrong = f"load_state_dict of {type(self).__name__}: expected a dict of names and values, not a "
            write = "write other.state_dict()" if hasattr(state_dict, "state_dict") else "nn.load(path) reads one"
            raise TypeError(f"{wrong}{type(state_dict).__name__}; {write}")
        return _Load(self, state_dict, assign).run(strict)

    def _load_from_state_dict(
        self,
        state_dict: dict[str, Any],
        prefix: str,
        local_metadata: dict[str, Any],
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        lists = strict, missing_keys, unexpected_keys, error_msgs
        for _, hook in of_kind("load_pre", self._state_hooks):
            hook.function(self, state_dict, prefix, local_metadata, *lists)
        local_metadata[_PLAN].add(self, state_dict, prefix, missing_keys, error_msgs)

    def get_extra_state(self) -> object:
        """Return what else is to be in the state_dict, under the name "_extra_state"; to be defined by classes."""
        raise RuntimeError(f"{type(self).__name__} has no extra state: define get_extra_state and set_extra_state")

    def set_extra_state(self, state: Any) -> None:
        """Take over what `get_extra_state` returned; to be defined by classes."""
        raise RuntimeError(f"{type(self).__name__} has no extra state: define get_extra_state and set_extra_state")

    def _add_state_hook(self, hook: Hook) -> RemovableHandle:
        return registered(self.__dict__.setdefault("_state_hooks", OrderedDict()), hook)

    def register_state_dict_pre_hook(self, hook: Callable[[Self, str, bool], object]) -> RemovableHandle:
        """Call `hook(module, prefix, keep_vars)` before `state_dict` collects this module's values."""
        return self._add_state_hook(Hook("save_pre", hook))

    def register_state_dict_post_hook(self, hook: Callable[..., object]) -> RemovableHandle:
        """Call `hook(module, state_dict, prefix, local_metadata)` when this module and those below are collected."""
        return self._add_state_hook(Hook("save_post", hook))

    def register_load_state_dict_pre_hook(self, hook: Callable[..., None]) -> RemovableHandle:
        """Call a hook before `load_state_dict` looks for this module's values.

        It is `hook(module, state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs)`; it
        may change the dict (a copy of what was given), as to rename keys, and add to the lists.
        """
        return self._add_state_hook(Hook("load_pre", hook))

    def _register_load_state_dict_pre_hook(self, hook: Callable[..., None], with_module: bool = False) -> Any:
        return self.register_load_state_dict_pre_hook(hook if with_module else _WithoutModule(hook))

    def register_load_state_dict_post_hook(self, hook: Callable[[Self, IncompatibleKeys], object]) -> RemovableHandle:
        """Call `hook(module, incompatible_keys)` when values are loaded; it may change both lists of keys."""
        return self._add_state_hook(Hook("load_post", hook))


class _WithoutModule:
    """A hook that is not given the module."""

    def __init__(self, hook: Callable[..., None]) -> None:
        self.hook = hook

    def __call__(self, module: Any, *args: Any) -> None:
        self.hook(*args)


class _Load:
    """One load: what is to be changed, so that nothing is before everything fits."""

    def __init__(self, root: Any, state_dict: Mapping[str, Any], assign: bool) -> None:
        self.root, self.assign = root, assign
        self.state = dict(state_dict)
        self.metadata = getattr(state_dict, "_metadata", None) or {}
        self.known: dict[str, set[str] | None] = {}  # by module; None where that looks for its values itself
        self.changes: list[Any] = []  # functions
        self.missing: list[str] = []
        self.unexpected: list[str] = []
        self.faults: list[str] = []

    def run(self, strict: bool) -> IncompatibleKeys:
        post_hooks = []
        for path, module, left in walk(self.root, "", None):
            if left:
                post_hooks += [(hook.function, module) for _, hook in of_kind("load_post", module._state_hooks)]
                continue
            prefix = f"{path}." if path else ""
            metadata = {**self.metadata.get(path, {}), "assign_to_params_buffers": self.assign, _PLAN: self}
            self.known[path] = None
            lists = self.missing, self.unexpected, self.faults
            module._load_from_state_dict(self.state, prefix, metadata, True, *lists)
        self.unexpected += [key for key in self.state if not self._expected(key) and key not in self.unexpected]
        differ = IncompatibleKeys(self.missing, self.unexpected)
        if self.faults or (strict and not post_hooks):
            self._raise(strict)
        for change in self.changes:
            change()
        for function, module in post_hooks:
            if function(module, differ) is not None:
                raise RuntimeError("a load_state_dict post-hook changes the lists that it is given and returns None")
        if strict:
            self._raise(strict)
        return differ

    def add(self, module: Any, state: dict[str, Any], prefix: str, missing: list[str], faults: list[str]) -> None:
        """Look for a module's own values."""
        own = dict(module._own_state())
        self.known[prefix.removesuffix(".")] = set(own)
        for name, tensor in own.items():
            key = prefix + name
            if key not in state:
                missing.append(key)
                continue
            given = state[key]
            value: Any = given.data if isinstance(given, Tensor) else given
            value = moved(value if is_foreign(value.__class__) else np.asarray(value), tensor.device)
            if value.shape != tensor.shape:
                faults.append(f"{key}: shape {value.shape} given for {tensor.shape} of {module._get_name()}")
            elif _kind(value.dtype) != _kind(tensor.dtype):
                faults.append(f"{key}: dtype {value.dtype} given for {tensor.dtype} of {module._get_name()}")
            elif self.assign:
                self.changes.append(_Assignment(module, name, _standing_for(tensor, given)))
            else:
                self.changes.append(_Copy(tensor, value.astype(tensor.dtype, order="C")))
        if type(module).set_extra_state is not Stateful.set_extra_state:
            self.known[prefix.removesuffix(".")] = {*own, _EXTRA}
            if prefix + _EXTRA in state:
                self.changes.append(lambda: module.set_extra_state(state[prefix + _EXTRA]))
            else:
                missing.append(prefix + _EXTRA)

    def _expected(self, key: str) -> bool:
        path, _, name = key.rpartition(".")
        names = self.known.get(path, set())
        return names is None or name in names

    def _raise(self, strict: bool) -> None:
        """Raise one error for all that does not fit, if there is anything."""
        faults = []
        for what, keys, others in (
            ("missing", self.missing, self.unexpected),
            ("unexpected", self.unexpected, self.missing),
        ):
            if strict and keys:
                named = [_with_nearest(key, others, what) for key in keys[:_MOST]] + keys[_MOST:]
                faults.append(f"{what}: {', '.join(named)}")
        faults += self.faults
        if faults:
            raise RuntimeError(f"load_state_dict of {self.root._get_name()}: " + "; ".join(faults))


class _Assignment(NamedTuple):
    module: Any
    name: str
    value: Any

    def __call__(self) -> None:
        setattr(self.module, self.name, self.value)


class _Copy(NamedTuple):
    tensor: Tensor
    value: Any

    def __call__(self) -> None:
        self.tensor.data = self.value


def _standing_for(tensor: Tensor, given: Any) -> Tensor:
    """What is given, as a Tensor of the same kind."""
    if isinstance(tensor, Parameter):
        return given if isinstance(given, Parameter) else Parameter(given, tensor.requires_grad)
    return given if isinstance(given, Tensor) else Tensor(given)


def _with_nearest(key: str, others: list[str], what: str) -> str:
    """A key, and the one of the others that may be meant."""
    near = get_close_matches(key, others[:_MOST], 1)
    if not near:
        return key
    return f"{key} (did you mean {near[0]!r}?)" if what == "unexpected" else f"{key} (nearest given: {near[0]!r})"


def _kind(dtype: np.dtype[Any]) -> str:
    return "i" if dtype.kind == "u" else dtype.kind
