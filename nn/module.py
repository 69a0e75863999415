"""Module and Parameter: layers that hold their parameters and other layers as ordinary attributes.

What a module registers is not kept in tables of its own: its parameters, buffers and children are the
attributes that are Parameters, that were named as buffers, and that are Modules. So reading an attribute
costs what it costs on any object, and there is nothing to get out of step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, ParamSpec, Protocol, Self, TypeVar

import numpy as np

from ..autograd import Tensor
from .conversion import Converted
from .hooks import EVERYWHERE, NOTHING, Hooked, called
from .located import located
from .parameter import Buffer, Parameter
from .state import Stateful
from .summary import Summary, described, summarize
from .traversal import copied, named, walk

__all__ = ["Buffer", "Module", "Parameter"]

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result", covariant=True)


class HasForward(Protocol[Arguments, Result]):
    """What has a forward method."""

    def forward(self, *args: Arguments.args, **kwargs: Arguments.kwargs) -> Result: ...


class Module(Hooked, Converted, Stateful):
    """The base class of layers and models: assign Parameters and Modules as attributes, define `forward`.

    >>> from pullback import nn
    >>> class Half(nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.scale = nn.Parameter(0.5)
    ...     def forward(self, x):
    ...         return self.scale * x
    >>> Half()(4.0).item()
    2.0
    >>> [name for name, _ in Half().named_parameters()]
    ['scale']
    """

    training: bool = True
    _persistence: Mapping[str, bool] = NOTHING  # buffer names, and whether they are in the state_dict

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Compute what calling the module gives; every layer and model defines its own."""
        raise NotImplementedError(f"{type(self).__name__} has no forward method")

    if TYPE_CHECKING:  # a module is called as its `forward` is

        def __call__(
            self: HasForward[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs
        ) -> Result: ...

    else:

        def __call__(self, *args: Any, **kwargs: Any) -> Any:
            try:
                if self._hooks or EVERYWHERE:
                    return called(self, args, kwargs)
                return self.forward(*args, **kwargs)
            except Exception as error:
                located(error, self)
                raise

    # Registration

    def __init_subclass__(cls, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        for name in _methods & cls.__dict__.keys():
            value = cls.__dict__[name]
            if not (callable(value) or isinstance(value, (classmethod, staticmethod))):
                _check_method(cls, name, value)

    if TYPE_CHECKING:  # of attributes that are made at run time, as in Sequential, nothing is known

        def __getattr__(self, name: str) -> Any: ...

    def __setattr__(self, name: str, value: object) -> None:
        if name in _methods:
            _check_method(type(self), name, value)
        held = self.__dict__.get(name)
        for kind in (Parameter, Module):
            if isinstance(held, kind) and not (value is None or isinstance(value, kind)):
                raise TypeError(
                    f"{type(self).__name__}.{name}: cannot assign a {type(value).__name__} in the place of a "
                    f"{kind.__name__}; assign a {kind.__name__} or None, or set .data"
                )
        if name in self._persistence and not (value is None or isinstance(value, Tensor)):
            raise TypeError(
                f"{type(self).__name__}.{name}: cannot assign a {type(value).__name__} to a buffer; "
                "assign a Tensor or None"
            )
        object.__setattr__(self, name, value)
        if isinstance(value, Buffer):
            self.__dict__["_persistence"] = {**self._persistence, name: value.persistent}

    def __delattr__(self, name: str) -> None:
        object.__delattr__(self, name)
        if name in self._persistence:
            self.__dict__["_persistence"] = {key: kept for key, kept in self._persistence.items() if key != name}

    def _check_name(self, name: str) -> None:
        if not isinstance(name, str) or not name or "." in name:
            raise ValueError(f"{type(self).__name__}: {name!r} cannot be registered: no name, or a dot in it")
        if hasattr(self, name) and name not in self.__dict__:
            raise ValueError(f"{type(self).__name__}: {name!r} cannot be registered: the class has such an attribute")

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Assign the attribute `name`, for names that are made at run time.

        TypeError for anything but a Parameter or None, ValueError for a name that cannot be registered.
        """
        self._check_name(name)
        if not (param is None or isinstance(param, Parameter)):
            raise TypeError(f"register_parameter: {name!r} must be a Parameter or None, not {type(param).__name__}")
        setattr(self, name, param)

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Hold a Tensor that is state but no parameter; in the state_dict only if `persistent`.

        TypeError for anything but a Tensor or None, ValueError for a name that cannot be registered.
        """
        self._check_name(name)
        if not (tensor is None or isinstance(tensor, Tensor)):
            raise TypeError(f"register_buffer: {name!r} must be a Tensor or None, not {type(tensor).__name__}")
        setattr(self, name, tensor)
        self.__dict__["_persistence"] = {**self._persistence, name: persistent}

    def add_module(self, name: str, module: Module | None) -> None:
        """Assign the attribute `name`, for names that are made at run time.

        TypeError for anything but a Module or None, ValueError for a name that cannot be registered.
        """
        self._check_name(name)
        if not (module is None or isinstance(module, Module)):
            raise TypeError(f"add_module: {name!r} must be a Module or None, not {type(module).__name__}")
        setattr(self, name, module)

    def register_module(self, name: str, module: Module | None) -> None:
        """Do the same as `add_module`."""
        self.add_module(name, module)

    # What is registered

    def _own_parameters(self) -> list[tuple[str, Parameter]]:
        return [(name, value) for name, value in self.__dict__.items() if isinstance(value, Parameter)]

    def _own_buffers(self) -> list[tuple[str, Tensor]]:
        named = ((name, self.__dict__.get(name)) for name in self._persistence)
        return [(name, value) for name, value in named if value is not None]

    def _own_modules(self) -> list[tuple[str, Module]]:
        return [(name, value) for name, value in self.__dict__.items() if isinstance(value, Module)]

    def named_modules(
        self, memo: set[Module] | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Module]]:
        """Yield this module and all below it with their dotted names, a shared one once (under its first name).

        With `remove_duplicate` those in `memo`, and what is below them, are left out.
        """
        seen = {id(module) for module in memo or ()}
        walked = walk(self, prefix, seen if remove_duplicate else None)
        return ((name, module) for name, module, left in walked if not left)

    def modules(self, remove_duplicate: bool = True) -> Iterator[Module]:
        """Yield this module and all below it."""
        return (module for _, module in self.named_modules(remove_duplicate=remove_duplicate))

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """Yield the modules directly below this one, with their names."""
        seen: set[int] = set()
        for name, module in self._own_modules():
            if id(module) not in seen:
                seen.add(id(module))
                yield name, module

    def children(self) -> Iterator[Module]:
        """Yield the modules directly below this one."""
        return (module for _, module in self.named_children())

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """Yield the parameters of this module and (with `recurse`) all below it, with their dotted names."""
        return named(self, Module._own_parameters, prefix, recurse, remove_duplicate)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """Yield the parameters of this module and (with `recurse`) all below it."""
        return (parameter for _, parameter in self.named_parameters(recurse=recurse))

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """Yield the buffers of this module and (with `recurse`) all below it, with their dotted names."""
        return named(self, Module._own_buffers, prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """Yield the buffers of this module and (with `recurse`) all below it."""
        return (buffer for _, buffer in self.named_buffers(recurse=recurse))

    def get_submodule(self, target: str) -> Module:
        """Return the module with the dotted name `target` ("" is this one); AttributeError if there is none."""
        module = self
        for name in target.split(".") if target else ():
            child = module.__dict__.get(name)
            if not isinstance(child, Module):
                raise AttributeError(f"{type(self).__name__} has no submodule {target!r}: nothing at {name!r}")
            module = child
        return module

    def get_parameter(self, target: str) -> Parameter:
        """Return the parameter with the dotted name `target`; AttributeError if there is none."""
        path, _, name = target.rpartition(".")
        parameter = self.get_submodule(path).__dict__.get(name)
        if not isinstance(parameter, Parameter):
            raise AttributeError(f"{type(self).__name__} has no parameter {target!r}")
        return parameter

    def get_buffer(self, target: str) -> Tensor:
        """Return the buffer with the dotted name `target`; AttributeError if there is none."""
        path, _, name = target.rpartition(".")
        buffer = dict(self.get_submodule(path)._own_buffers()).get(name)
        if buffer is None:
            raise AttributeError(f"{type(self).__name__} has no buffer {target!r}")
        return buffer

    def set_submodule(self, target: str, module: Module, strict: bool = False) -> None:
        """Put a module in the place with the dotted name `target`, where (if `strict`) there is one already.

        ValueError for no name, AttributeError where there is no such place, TypeError for anything but a Module.
        """
        path, _, name = target.rpartition(".")
        if not name:
            raise ValueError("set_submodule: the module itself has no name; expected the dotted name of one below it")
        if not isinstance(module, Module):
            raise TypeError(f"set_submodule: {target!r} must be a Module, not a {type(module).__name__}")
        parent = self.get_submodule(path)
        if strict or name in parent.__dict__:
            self.get_submodule(target)
        parent.add_module(name, module)

    # What is done to all of it

    def apply(self, fn: Callable[[Module], object]) -> Self:
        """Call `fn` on every module below this one, then on this one, once on each, and return this one."""
        for _, module, left in walk(self, "", set()):
            if left:
                fn(module)
        return self

    def train(self, mode: bool = True) -> Self:
        """Set `training`, here and below, on which dropout depends; returns this module. ValueError for no bool."""
        if not isinstance(mode, (bool, np.bool)):
            raise ValueError(f"{type(self).__name__}.train: mode is True or False, not {mode!r}")
        for module in self.modules():
            module.training = mode
        return self

    def eval(self) -> Self:
        """Do the same as `train(False)`."""
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Set `requires_grad` of all parameters (False freezes them); returns this module."""
        for parameter in self.parameters():
            parameter.requires_grad = requires_grad
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the parameters' gradients, or make them zeros."""
        for parameter in self.parameters():
            if parameter.grad is not None:
                parameter.grad = None if set_to_none else Tensor(np.zeros_like(parameter.data))

    # Pictures in text

    def summary(self, input_shape: tuple[int, ...]) -> Summary:
        """Return a printable table of the layers: names, output shapes, numbers of parameters.

        `input_shape` is that of one sample; a batch of one sample of zeros is run through the model in eval mode.
        """
        return summarize(self, input_shape)

    def _get_name(self) -> str:
        return type(self).__name__

    def extra_repr(self) -> str:
        """Return what stands between the parentheses in the repr."""
        return ""

    def __dir__(self) -> list[str]:
        """Return the names of attributes; those that can be written after a dot."""
        return [name for name in super().__dir__() if name.isidentifier()]

    def __repr__(self) -> str:
        return described(self, Module.__repr__)

    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        """Copy this module and all below it, however deep."""
        return copied(self, memo, Module.__deepcopy__)


# What models may have attributes of their own by, as PyTorch's users do: nothing here calls these methods.
_FREE = {"bfloat16", "compile", "cpu", "cuda", "half", "ipu", "mtia", "share_memory", "to_empty", "type", "xpu"}
_methods = frozenset(
    name
    for kind in (Module, *Module.__bases__)
    for name, value in vars(kind).items()
    if callable(value) and not name.startswith("__") and name not in _FREE
)

_INSTEAD = {
    "train": "call train() or eval(), or set `training`",
    "eval": "call train() or eval(), or set `training`",
    **dict.fromkeys(("modules", "children"), "write self.layers = ModuleList([...])"),
    "parameters": "write self.weights = ParameterList([...])",
    "forward": "write `def forward(self, ...)`, or assign a function",
}


def _check_method(kind: type[Module], name: str, value: Any) -> None:
    """TypeError where a value would take the place of a method of all modules; `forward` may be another function."""
    if name == "forward" and callable(value) and not isinstance(value, (Module, Parameter)):
        return
    raise TypeError(
        f"{kind.__name__}.{name}: a {type(value).__name__} of this name would hide the method `{name}` of all modules; "
        f"{_INSTEAD.get(name, 'give it another name')}"
    )
