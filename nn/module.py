"""Module and Parameter: layers that hold their parameters and other layers as ordinary attributes.

What a module registers is not kept in tables of its own: its parameters, buffers and children are the
attributes that are Parameters, that were named as buffers, and that are Modules. So reading an attribute
costs what it costs on any object, and there is nothing to get out of step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np

from ..autograd import Tensor
from ..autograd.core.graph import RemovableHandle
from .located import located
from .summary import Summary, summarize

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


class IncompatibleKeys(NamedTuple):
    """What `load_state_dict` found to differ."""

    missing_keys: list[str]
    unexpected_keys: list[str]


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
        """What calling the module computes."""
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
        """The same as assigning the attribute `name`, for names that are made at run time."""
        self._check_name(name)
        if not (param is None or isinstance(param, Parameter)):
            raise TypeError(f"register_parameter: {name!r} must be a Parameter or None, not {type(param).__name__}")
        setattr(self, name, param)

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Hold a Tensor that is state but no parameter; in the state_dict only if `persistent`."""
        self._check_name(name)
        if not (tensor is None or isinstance(tensor, Tensor)):
            raise TypeError(f"register_buffer: {name!r} must be a Tensor or None, not {type(tensor).__name__}")
        self.__dict__["_persistence"] = {**self._persistence, name: persistent}
        setattr(self, name, tensor)

    def add_module(self, name: str, module: Module | None) -> None:
        """The same as assigning the attribute `name`, for names that are made at run time."""
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
        """This module and all below it with their dotted names, a shared one once (under its first name)."""
        return self._named_modules(prefix, set() if remove_duplicate else None)

    def _named_modules(self, name: str, seen: set[int] | None) -> Iterator[tuple[str, Module]]:
        return ((name, module) for name, module, left in self._walk(name, seen) if not left)

    def _walk(self, name: str, seen: set[int] | None) -> Iterator[tuple[str, Module, bool]]:
        """This module and all below it, however deep, each as it is reached and as all below it is done.

        One in `seen` is left out; without that ValueError for a module that is a part of itself.
        """
        inside: dict[int, tuple[str, Module]] = {}
        waiting = [iter([(name, self)])]
        while waiting:
            for name, module in waiting[-1]:
                if seen is not None:
                    if id(module) in seen:
                        continue
                    seen.add(id(module))
                elif id(module) in inside:
                    raise ValueError(f"{type(self).__name__}: the module {inside[id(module)][0]!r} is a part of itself")
                yield name, module, False
                inside[id(module)] = name, module
                waiting.append(iter([(_join(name, part), child) for part, child in module._own_modules()]))
                break
            else:
                waiting.pop()
                if inside:
                    name, module = inside.popitem()[1]
                    yield name, module, True

    def modules(self) -> Iterator[Module]:
        """This module and all below it."""
        return (module for _, module in self.named_modules())

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The modules directly below this one, with their names."""
        seen: set[int] = set()
        for name, module in self._own_modules():
            if id(module) not in seen:
                seen.add(id(module))
                yield name, module

    def children(self) -> Iterator[Module]:
        """The modules directly below this one."""
        return (module for _, module in self.named_children())

    def _named(
        self, own: Callable[[Any], list[tuple[str, Any]]], prefix: str, recurse: bool, remove_duplicate: bool
    ) -> Iterator[tuple[str, Any]]:
        seen: set[int] = set()
        modules = self.named_modules(prefix, remove_duplicate) if recurse else iter([(prefix, self)])
        for module_name, module in modules:
            for name, value in own(module):
                if remove_duplicate:
                    if id(value) in seen:
                        continue
                    seen.add(id(value))
                yield _join(module_name, name), value

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """The parameters of this module and (with `recurse`) all below it, with their dotted names."""
        return self._named(Module._own_parameters, prefix, recurse, remove_duplicate)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """The parameters of this module and (with `recurse`) all below it."""
        return (parameter for _, parameter in self.named_parameters(recurse=recurse))

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """The buffers of this module and (with `recurse`) all below it, with their dotted names."""
        return self._named(Module._own_buffers, prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """The buffers of this module and (with `recurse`) all below it."""
        return (buffer for _, buffer in self.named_buffers(recurse=recurse))

    def get_submodule(self, target: str) -> Module:
        """The module with the dotted name `target` ("" is this one); AttributeError if there is none."""
        module = self
        for name in target.split(".") if target else ():
            child = module.__dict__.get(name)
            if not isinstance(child, Module):
                raise AttributeError(f"{type(self).__name__} has no submodule {target!r}: nothing at {name!r}")
            module = child
        return module

    def get_parameter(self, target: str) -> Parameter:
        """The parameter with the dotted name `target`; AttributeError if there is none."""
        path, _, name = target.rpartition(".")
        parameter = self.get_submodule(path).__dict__.get(name)
        if not isinstance(parameter, Parameter):
            raise AttributeError(f"{type(self).__name__} has no parameter {target!r}")
        return parameter

    # What is done to all of it

    def apply(self, fn: Callable[[Module], Any]) -> Self:
        """Call `fn` on every module below this one, then on this one, once on each, and return this one."""
        for _, module, left in self._walk("", set()):
            if left:
                fn(module)
        return self

    def train(self, mode: bool = True) -> Self:
        """Set `training`, here and below: how dropout behaves."""
        for module in self.modules():
            module.training = mode
        return self

    def eval(self) -> Self:
        """The same as `train(False)`."""
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Set `requires_grad` of all parameters: False freezes them."""
        for parameter in self.parameters():
            parameter.requires_grad = requires_grad
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the parameters' gradients, or make them zeros."""
        for parameter in self.parameters():
            if parameter.grad is not None:
                parameter.grad = None if set_to_none else Tensor(np.zeros_like(parameter.data))

    def to(self, dtype: Any) -> Self:
        """Convert the real floating-point parameters and buffers (and gradients) to the float type `dtype`."""
        dtype = np.dtype(dtype)
        if dtype.kind != "f":
            raise TypeError(f"{type(self).__name__}.to: dtype {dtype} is not a float type")
        for tensor in (*self.parameters(), *self.buffers()):
            if tensor.dtype.kind == "f" and tensor.dtype != dtype:
                tensor.data = tensor.data.astype(dtype)
                if tensor.grad is not None:
                    tensor.grad = tensor.grad.detach().astype(dtype)
        return self

    def float(self) -> Self:
        """The same as `to(numpy.float32)`."""
        return self.to(np.float32)

    def double(self) -> Self:
        """The same as `to(numpy.float64)`."""
        return self.to(np.float64)

    # State

    def _state(self) -> dict[str, Tensor]:
        state: dict[str, Tensor] = {}
        for prefix, module in self.named_modules(remove_duplicate=False):
            buffers = [(name, value) for name, value in module._own_buffers() if module._persistence[name]]
            state.update((_join(prefix, name), value) for name, value in [*module._own_parameters(), *buffers])
        return state

    def state_dict(self) -> dict[str, Tensor]:
        """Copies of the parameters and persistent buffers by their dotted names, as PyTorch names them."""
        return {name: Tensor(tensor.data) for name, tensor in self._state().items()}

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True) -> IncompatibleKeys:
        """Take over values (Tensors, arrays or what `numpy.asarray` takes) by name, each cast to what it replaces.

        Nothing is changed unless everything fits: RuntimeError names the keys that are missing or unexpected (only
        if `strict`), of another shape, or of another kind of dtype (an integer for a float).
        """
        if not isinstance(state_dict, Mapping):
            wrong = f"load_state_dict of {type(self).__name__}: expected a dict of names and values, not a "
            write = "write other.state_dict()" if isinstance(state_dict, Module) else "nn.load(path) reads one"
            raise TypeError(f"{wrong}{type(state_dict).__name__}; {write}")
        own = self._state()
        missing = [key for key in own if key not in state_dict]
        unexpected = [key for key in state_dict if key not in own]
        faults = [f"missing: {', '.join(missing)}"] if missing and strict else []
        faults += [f"unexpected: {', '.join(unexpected)}"] if unexpected and strict else []
        values = {}
        for key, tensor in own.items():
            if key in state_dict:
                given = state_dict[key]
                value = np.asarray(given.data if isinstance(given, Tensor) else given)
                if value.shape != tensor.shape:
                    faults.append(f"{key}: shape {value.shape} given for {tensor.shape}")
                elif _kind(value.dtype) != _kind(tensor.dtype):
                    faults.append(f"{key}: dtype {value.dtype} given for {tensor.dtype}")
                else:
                    values[key] = np.array(value, dtype=tensor.dtype, order="C")
        if faults:
            raise RuntimeError(f"load_state_dict of {type(self).__name__}: " + "; ".join(faults))
        for key, value in values.items():
            own[key].data = value
        return IncompatibleKeys(missing, unexpected)

    # Pictures in text

    def summary(self, input_shape: tuple[int, ...]) -> Summary:
        """A printable table of the layers: names, output shapes, numbers of parameters.

        `input_shape` is that of one sample; a batch of one sample of zeros is run through the model in eval mode.
        """
        return summarize(self, input_shape)

    def extra_repr(self) -> str:
        """What stands between the parentheses in the repr."""
        return ""

    def __repr__(self) -> str:
        lines: list[str] = []
        inside: set[int] = set()
        todo: list[Any] = [("", "", self)]  # for each line or module its indent, and what stands before it
        while todo:
            indent, before, item = todo.pop()
            if isinstance(item, str):
                lines.append(indent + before + item.replace("\n", "\n" + indent))
            elif not isinstance(item, Module):
                inside.remove(item)
            elif id(item) in inside:
                lines.append(f"{indent}{before}...")  # it is a part of itself
            elif item is not self and type(item).__repr__ is not Module.__repr__:
                todo.append((indent, before, repr(item)))
            else:
                name, extra, children = type(item).__name__, item.extra_repr(), item._own_modules()
                if not children:
                    todo.append((indent, before, f"{name}({extra})"))
                    continue
                inside.add(id(item))
                lines.append(f"{indent}{before}{name}(")
                below = [(indent + "  ", f"({name}): ", child) for name, child in children]
                more = [(indent + "  ", "", extra)] if extra else []
                todo += [("", "", id(item)), (indent, "", ")"), *reversed([*more, *below])]
        return "\n".join(lines)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """A copy of all below, too, however deep: first empty modules, which then find each other."""
        states = []
        for module in self.modules():
            own = module is not self and type(module).__deepcopy__ is not Module.__deepcopy__
            if not own and id(module) not in memo:
                reduced: Any = module.__reduce_ex__(4)
                make, arguments, *rest = reduced
                memo[id(module)] = twin = make(*deepcopy(arguments, memo))
                states.append((twin, rest[0] if rest else None))
        for twin, state in states:
            state = deepcopy(state, memo)
            if hasattr(twin, "__setstate__"):
                twin.__setstate__(state)
                continue
            state, slots = state if isinstance(state, tuple) else (state, None)
            twin.__dict__.update(state or {})
            for name, value in (slots or {}).items():
                object.__setattr__(twin, name, value)
        return memo[id(self)]


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


def _join(prefix: str, name: str) -> str:
    return f"{prefix}.{name}" if prefix else name


def _kind(dtype: np.dtype[Any]) -> str:
    return "i" if dtype.kind == "u" else dtype.kind
