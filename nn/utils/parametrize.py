"""Parameters that are functions of others: symmetric, orthogonal, normalized, ... by construction."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from ...autograd import Tensor, no_grad
from ..containers import ModuleList
from ..dictionaries import ModuleDict
from ..module import Module, Parameter
from ._derived import Derived, base_class, derive, settle

__all__ = [
    "ParametrizationList",
    "cached",
    "is_parametrized",
    "register_parametrization",
    "remove_parametrizations",
    "transfer_parametrizations_and_params",
    "type_before_parametrizations",
]

M = TypeVar("M", bound=Module)


class _Cache(threading.local):
    """The values computed in this thread inside `cached`, by their lists; the lists are held, so none has their id."""

    depth = 0

    def __init__(self) -> None:
        self.values: dict[int, tuple[Any, Any]] = {}


_cache = _Cache()


@contextmanager
def cached() -> Iterator[None]:
    """Compute each parametrized tensor just once inside this context, in this thread.

    >>> from pullback import nn
    >>> layer = register_parametrization(nn.Linear(2, 2), "weight", nn.Tanh())
    >>> with cached():
    ...     layer.weight is layer.weight
    True
    """
    _cache.depth += 1
    try:
        yield
    finally:
        _cache.depth -= 1
        if not _cache.depth:
            _cache.values = {}


class _Parametrized(Derived):
    """An attribute that its parametrizations compute."""

    prefix = "Parametrized"

    def __init__(self, name: str) -> None:
        self.name = name

    def value(self, module: Any) -> Any:
        parametrizations = module.parametrizations[self.name]
        if not _cache.depth:
            return parametrizations()
        if id(parametrizations) not in _cache.values:
            _cache.values[id(parametrizations)] = parametrizations, parametrizations()
        return _cache.values[id(parametrizations)][1]

    def assign(self, module: Any, value: Any) -> None:
        module.parametrizations[self.name].right_inverse(value)


class ParametrizationList(ModuleList):
    """The parametrizations of one tensor, in order, and what they start from: `original`, or `original0`, ...

    The first may take several tensors, as many as its `right_inverse` returns. `register_parametrization` makes these.
    """

    def __init__(self, modules: Sequence[Module], original: Tensor, unsafe: bool = False) -> None:
        if not modules:
            raise ValueError("ParametrizationList: expected one or more modules")
        super().__init__(modules)
        self.unsafe = unsafe
        before = original.detach()
        new: Any = before
        with no_grad():
            for module in reversed(list(self)):
                new = _inverted(module, new)
        self.is_tensor = isinstance(new, Tensor)
        if not self.is_tensor and not (isinstance(new, Sequence) and all(isinstance(x, Tensor) for x in new)):
            raise ValueError(f"right_inverse must return a Tensor or several in a list, not a {type(new).__name__}")
        self.ntensors = 1 if self.is_tensor else len(new)
        if self.is_tensor:
            if new.dtype != before.dtype:
                raise ValueError(f"right_inverse may not change the dtype: {new.dtype} for {before.dtype}")
            if new is not before:
                original.data = new.data
            _hold(self, "original", original)
        else:
            for i, tensor in enumerate(new):
                learned = isinstance(original, Parameter)
                _hold(self, f"original{i}", Parameter(tensor, original.requires_grad) if learned else tensor)
        if not unsafe:
            _check_same("a parametrization", self(), before)

    def _originals(self) -> list[Any]:
        names = ["original"] if self.is_tensor else [f"original{i}" for i in range(self.ntensors)]
        return [getattr(self, name) for name in names]

    def right_inverse(self, value: Tensor) -> None:
        """Set the originals so that `value` comes out, by the `right_inverse` of all parametrizations.

        RuntimeError where one has none, ValueError where it returns other than what there is.
        """
        with no_grad():
            for module in reversed(list(self)):
                if not hasattr(module, "right_inverse"):
                    raise RuntimeError(f"parametrization {type(module).__name__} does not implement right_inverse")
                value = module.right_inverse(value)
        values = [value] if self.is_tensor else value
        originals = self._originals()
        if not isinstance(values, Sequence) or not all(isinstance(x, Tensor) for x in values):
            raise ValueError(f"right_inverse must return what it did at first, not a {type(value).__name__}")
        if len(values) != len(originals):
            raise ValueError(f"right_inverse returned {len(values)} tensors; there are {len(originals)}")
        for tensor, original in zip(values, originals, strict=True):
            if tensor.dtype != original.dtype:
                raise ValueError(f"right_inverse may not change the dtype: {tensor.dtype} for {original.dtype}")
        for tensor, original in zip(values, originals, strict=True):
            original.data = tensor.data

    def forward(self) -> Tensor:
        first, *others = self
        x = first(*self._originals())
        for module in others:
            x = module(x)
        return x


def _inverted(module: Module, value: Any) -> Any:
    try:
        return module.right_inverse(value) if hasattr(module, "right_inverse") else value
    except NotImplementedError:
        return value


def _hold(module: Module, name: str, tensor: Any) -> None:
    if isinstance(tensor, Parameter):
        module.register_parameter(name, tensor)
    else:
        module.register_buffer(name, tensor)


def _check_same(what: str, got: Any, expected: Any) -> None:
    """ValueError for other than a Tensor of the expected dtype and shape."""
    if not isinstance(got, Tensor):
        raise ValueError(f"{what} must return a Tensor, not a {type(got).__name__}")
    for name in ("dtype", "shape"):
        new, old = getattr(got, name), getattr(expected, name)
        if new != old:
            raise ValueError(f"{what} may not change the {name} ({new} for {old}), unless `unsafe`")


def register_parametrization(module: M, tensor_name: str, parametrization: Module, *, unsafe: bool = False) -> M:
    """Let a parameter or buffer be `parametrization(original)`, of which the original is learned; returns the module.

    The class of the module is one of its own from then on, in which the tensor is computed whenever it is asked for.
    Several parametrizations are applied one after the other. Where they have `right_inverse` the tensor can be
    assigned to. ValueError where there is no such tensor, or (unless `unsafe`) its shape or dtype would change.

    >>> from pullback import nn
    >>> class Symmetric(nn.Module):
    ...     def forward(self, x):
    ...         return (x + x.T) / 2
    >>> layer = register_parametrization(nn.Linear(2, 2), "weight", Symmetric())
    >>> bool((layer.weight == layer.weight.T).all()), list(layer.state_dict())
    (True, ['bias', 'parametrizations.weight.original'])
    """
    parametrization.train(module.training)
    if is_parametrized(module, tensor_name):
        there = module.parametrizations[tensor_name]
        if not unsafe:
            now = getattr(module, tensor_name)
            new = parametrization(now)
            _check_same(type(parametrization).__name__, new, now)
            with no_grad():
                _check_same("right_inverse", _inverted(parametrization, new), now)
        there.append(parametrization)
        there.unsafe |= unsafe
        return module
    original = dict([*module._own_parameters(), *module._own_buffers()]).get(tensor_name)
    if original is None:
        raise ValueError(f"{type(module).__name__} has no parameter or buffer {tensor_name!r} to be parametrized")
    made = ParametrizationList([parametrization], original, unsafe)
    delattr(module, tensor_name)
    if not is_parametrized(module):
        module.parametrizations = ModuleDict()
    module.parametrizations[tensor_name] = made
    derive(module, tensor_name, _Parametrized(tensor_name))
    return module


def is_parametrized(module: Module, tensor_name: str | None = None) -> bool:
    """Return whether a tensor of the module, or without a name any, is parametrized."""
    parametrizations = module.__dict__.get("parametrizations")
    if not isinstance(parametrizations, ModuleDict):
        return False
    return bool(len(parametrizations)) if tensor_name is None else tensor_name in parametrizations


def remove_parametrizations(module: M, tensor_name: str, leave_parametrized: bool = True) -> M:
    """Make a parametrized tensor an ordinary one again, of its present value or else of the original's.

    ValueError where it is not parametrized, or there are several originals and one is to be left.
    """
    if not is_parametrized(module, tensor_name):
        raise ValueError(f"{type(module).__name__} has no parametrization of {tensor_name!r}")
    there = module.parametrizations[tensor_name]
    if not there.is_tensor and not leave_parametrized:
        raise ValueError(f"{tensor_name!r} has {there.ntensors} originals, of which none can be left in its place")
    value = getattr(module, tensor_name)
    if there.is_tensor:
        original = there.original  # the same object, which optimizers hold
        if leave_parametrized:
            original.data = value.data
    else:
        original = Parameter(value.detach()) if value.requires_grad else value
    del module.parametrizations[tensor_name]
    if not len(module.parametrizations):
        del module.parametrizations
    settle(module, tensor_name)
    _hold(module, tensor_name, original)
    return module


def type_before_parametrizations(module: Module) -> type[Module]:
    """Return the class of a module as it was made."""
    return base_class(module)


def transfer_parametrizations_and_params(from_module: Module, to_module: M, tensor_name: str | None = None) -> M:
    """Give another module the parametrizations and the originals, themselves, of one tensor or of all; returns it."""
    if not is_parametrized(from_module):
        return to_module
    for name in list(from_module.parametrizations) if tensor_name is None else [tensor_name]:
        source = from_module.parametrizations[name]
        if not hasattr(to_module, name):
            setattr(to_module, name, Parameter(getattr(from_module, name)))
        for parametrization in source:
            register_parametrization(to_module, name, parametrization)
        target = to_module.parametrizations[name]
        for key, value in [*source._own_parameters(), *source._own_buffers()]:
            setattr(target, key, value)
    return to_module
