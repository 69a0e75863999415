"""Module and Parameter: layers that hold their parameters and other layers as ordinary attributes.

What a module registers is not kept in tables of its own: its parameters, buffers and children are the
attributes that are Parameters, that were named as buffers, and that are Modules. So reading an attribute
costs what it costs on any object, and there is nothing to get out of step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from ..autograd import Tensor
from ..extend import RemovableHandle, dtype_of_target
from .located import located
from .state import IncompatibleKeys, loaded, persistent
from .summary import Summary, described, summarize
from .traversal import copied, named, walk

__all__ = ["Module", "Parameter"]

_nothing: Mapping[Any, Any] = MappingProxyType({})


class Parameter(Tensor):
    """A Tensor that a Module lists among its parameters; it requires a gradient unless told otherwise.

    An array keeps its dtype, Python numbers become float32.

    >>> Parameter([1.0, 2.0]).dtype
    dtype('float32')
    """

    __slots__ = ()

    def __init__(self, data: Any, requires_grad: bool = True) -> None:
        super().__init__(data, requires_grad, None if hasattr(data, "dtype") else np.float32)

    def __repr__(self) -> str:
        return f"Parameter containing:\n{super().__repr__()}"


class Module:
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
    _persistence: Mapping[str, bool] = _nothing  # buffer names, and whether they are in the state_dict
    _forward_hooks: Mapping[int, Callable[..., Any]] = _nothing
    _forward_pre_hooks: Mapping[int, Callable[..., Any]] = _nothing

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Compute what calling the module gives; every layer and model defines its own."""
        raise NotImplementedError(f"{type(self).__name__} has no forward method")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        try:
            if self._forward_hooks or self._forward_pre_hooks:
                return self._call_with_hooks(args, kwargs)
            return self.forward(*args, **kwargs)
        except Exception as error:
            located(error, self)
            raise

    def _call_with_hooks(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        for pre_hook in list(self._forward_pre_hooks.values()):
            changed = pre_hook(self, args)
            if changed is not None:
                args = changed if isinstance(changed, tuple) else (changed,)
        output = self.forward(*args, **kwargs)
        for hook in list(self._forward_hooks.values()):
            changed = hook(self, args, output)
            if changed is not None:
                output = changed
        return output

    def register_forward_hook(self, hook: Callable[[Any, tuple[Any, ...], Any], Any]) -> RemovableHandle:
        """Call `hook(module, args, output)` after every forward; what it returns, unless None, is the output."""
        return RemovableHandle(self.__dict__.setdefault("_forward_hooks", {}), hook)

    def register_forward_pre_hook(self, hook: Callable[[Any, tuple[Any, ...]], Any]) -> RemovableHandle:
        """Call `hook(module, args)` before every forward; what it returns, unless None, replaces the arguments."""
        return RemovableHandle(self.__dict__.setdefault("_forward_pre_hooks", {}), hook)

    # Registration

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for name in _methods & cls.__dict__.keys():
            value = cls.__dict__[name]
            if not (callable(value) or isinstance(value, (classmethod, staticmethod))):
                _check_method(cls, name, value)

    if TYPE_CHECKING:  # of attributes that are made at run time, as in Sequential, nothing is known

        def __getattr__(self, name: str) -> Any: ...

    def __setattr__(self, name: str, value: Any) -> None:
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
        self.__dict__["_persistence"] = {**self._persistence, name: persistent}
        setattr(self, name, tensor)

    def add_module(self, name: str, module: Module | None) -> None:
        """Assign the attribute `name`, for names that are made at run time.

        TypeError for anything but a Module or None, ValueError for a name that cannot be registered.
        """
        self._check_name(name)
        if not (module is None or isinstance(module, Module)):
            raise TypeError(f"add_module: {name!r} must be a Module or None, not {type(module).__name__}")
        setattr(self, name, module)

    # What is registered

    def _own_parameters(self) -> list[tuple[str, Parameter]]:
        return [(name, value) for name, value in self.__dict__.items() if isinstance(value, Parameter)]

    def _own_buffers(self) -> list[tuple[str, Tensor]]:
        named = ((name, self.__dict__.get(name)) for name in self._persistence)
        return [(name, value) for name, value in named if value is not None]

    def _own_modules(self) -> list[tuple[str, Module]]:
        return [(name, value) for name, value in self.__dict__.items() if isinstance(value, Module)]

    def named_modules(self, prefix: str = "", remove_duplicate: bool = True) -> Iterator[tuple[str, Module]]:
        """Yield this module and all below it with their dotted names, a shared one once (under its first name)."""
        walked = walk(self, prefix, set() if remove_duplicate else None)
        return ((name, module) for name, module, left in walked if not left)

    def modules(self) -> Iterator[Module]:
        """Yield this module and all below it."""
        return (module for _, module in self.named_modules())

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

    # What is done to all of it

    def apply(self, fn: Callable[[Module], Any]) -> Self:
        """Call `fn` on every module below this one, then on this one, once on each, and return this one."""
        for _, module, left in walk(self, "", set()):
            if left:
                fn(module)
        return self

    def train(self, mode: bool = True) -> Self:
        """Set `training`, here and below, on which dropout depends; returns this module."""
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

    def to(self, *target: Any, device: Any = None, dtype: Any = None) -> Self:
        """Convert the real floating-point parameters and buffers (and gradients) to a float type.

        It is given as `dtype` or as `target`, which may also be the device "cpu", or a Tensor that has both.

        TypeError for a dtype that is no float type; ValueError for another device.
        """
        dtype = dtype_of_target(target, dtype, device)
        if dtype is None:
            return self
        if dtype.kind != "f":
            raise TypeError(f"{type(self).__name__}.to: dtype {dtype} is not a float type")
        for tensor in (*self.parameters(), *self.buffers()):
            if tensor.dtype.kind == "f" and tensor.dtype != dtype:
                tensor.data = tensor.data.astype(dtype)
                if tensor.grad is not None:
                    tensor.grad = tensor.grad.detach().astype(dtype)
        return self

    def cpu(self) -> Self:
        """Do the same as `to("cpu")`: nothing."""
        return self

    def cuda(self, device: Any = "cuda") -> Self:
        """Raise a ValueError: there is only the device "cpu"."""
        return self.to(device=device)

    def float(self) -> Self:
        """Do the same as `to(numpy.float32)`."""
        return self.to(np.float32)

    def double(self) -> Self:
        """Do the same as `to(numpy.float64)`."""
        return self.to(np.float64)

    # State

    def state_dict(self) -> dict[str, Tensor]:
        """Return copies of the parameters and persistent buffers by their dotted names, as PyTorch names them."""
        return {name: Tensor(tensor.data) for name, tensor in persistent(self).items()}

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True) -> IncompatibleKeys:
        """Take over values (Tensors, arrays or nested lists) by name, each cast to the dtype of what it replaces.

        Nothing is changed unless everything fits: RuntimeError names the keys that are missing or unexpected (only
        if `strict`), of another shape, or of another kind of dtype (an integer for a float).
        """
        return loaded(self, state_dict, strict)

    # Pictures in text

    def summary(self, input_shape: tuple[int, ...]) -> Summary:
        """Return a printable table of the layers: names, output shapes, numbers of parameters.

        `input_shape` is that of one sample; a batch of one sample of zeros is run through the model in eval mode.
        """
        return summarize(self, input_shape)

    def extra_repr(self) -> str:
        """Return what stands between the parentheses in the repr."""
        return ""

    def __repr__(self) -> str:
        return described(self, Module.__repr__)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Copy this module and all below it, however deep."""
        return copied(self, memo, Module.__deepcopy__)


_methods = frozenset(name for name, value in vars(Module).items() if callable(value) and not name.startswith("__"))

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
