"""Hooks: what looks on, of one module or of all, as modules are called and as cotangents go through them."""

from __future__ import annotations

import math
import warnings
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from itertools import count
from types import MappingProxyType
from typing import Any, NamedTuple, Self

from ..autograd import Tensor, concatenate, reshape, zeros_like
from ..extend import RemovableHandle, read_everywhere

__all__ = [
    "register_module_backward_hook",
    "register_module_forward_hook",
    "register_module_forward_pre_hook",
    "register_module_full_backward_hook",
    "register_module_full_backward_pre_hook",
]

NOTHING: Mapping[Any, Any] = MappingProxyType({})
Gradients = tuple[Tensor | None, ...]  # of the arguments or outputs of a module
_keys = count()


class Hook(NamedTuple):
    """A hook: what it looks at, the function, and how that is called."""

    kind: str
    function: Callable[..., Any]
    with_kwargs: bool = False
    always_call: bool = False


Hooks = MutableMapping[Any, Hook]

EVERYWHERE: Hooks = OrderedDict()  # those of all modules, which run before a module's own
read_everywhere.append(EVERYWHERE)


def registered(hooks: Hooks, hook: Hook, prepend: bool = False) -> RemovableHandle:
    """Add a hook to others; no key is used twice in a process, nor one that came with a pickle."""
    if not callable(hook.function):
        raise TypeError(f"a hook is a function, not a {type(hook.function).__name__}")
    key = next(key for key in _keys if key not in hooks)
    handle = RemovableHandle(hooks, hook, key)
    if prepend:
        hooks.move_to_end(key, last=False)  # type: ignore[attr-defined]
    return handle


def of_kind(kind: str, *sources: Mapping[Any, Hook]) -> list[tuple[Any, Hook]]:
    """The hooks of a kind, in the order in which they run."""
    return [pair for hooks in sources for pair in list(hooks.items()) if pair[1].kind == kind]


class _OfKind(MutableMapping[Any, Any]):
    """The functions of a module's hooks of one kind, by their keys."""

    def __init__(self, module: Any, kind: str) -> None:
        self._hooks, self._kind = module._own_hooks(), kind

    def __getitem__(self, key: Any) -> Any:
        """Return self[key]."""
        return dict(of_kind(self._kind, self._hooks))[key].function

    def __setitem__(self, key: Any, function: Any) -> None:
        """Set self[key]."""
        self._hooks[key] = Hook(self._kind, function)

    def __delitem__(self, key: Any) -> None:
        """Delete self[key]."""
        del self._hooks[key]

    def __iter__(self) -> Iterator[Any]:
        """Return an iterator over the keys."""
        return iter([key for key, _ in of_kind(self._kind, self._hooks)])

    def __len__(self) -> int:
        """Return len(self)."""
        return len(of_kind(self._kind, self._hooks))


def _dict_of(kind: str) -> property:
    """PyTorch's name for the hooks of a kind; a mapping that is assigned takes the place of those there."""

    def replace(module: Any, functions: Mapping[Any, Any]) -> None:
        view = _OfKind(module, kind)
        view.clear()
        view.update(functions)

    return property(lambda module: _OfKind(module, kind), replace)


class Hooked:
    """What a Module has of hooks."""

    _hooks: Mapping[Any, Hook] = NOTHING  # of all kinds, so that a call asks just once whether there are any
    _forward_hooks = _dict_of("forward")
    _forward_pre_hooks = _dict_of("forward_pre")
    _backward_hooks = _dict_of("backward")
    _backward_pre_hooks = _dict_of("backward_pre")

    def _own_hooks(self) -> Any:
        return self.__dict__.setdefault("_hooks", OrderedDict())

    def register_forward_hook(
        self,
        hook: Callable[..., object],
        *,
        prepend: bool = False,
        with_kwargs: bool = False,
        always_call: bool = False,
    ) -> RemovableHandle:
        """Call `hook(module, args, output)` after every forward; what it returns, unless None, is the output.

        With `with_kwargs` it is `hook(module, args, kwargs, output)`; with `prepend` it runs before those there; with
        `always_call` it is called also where an error is raised, then with the output there is, or None.
        """
        return registered(self._own_hooks(), Hook("forward", hook, with_kwargs, always_call), prepend)

    def register_forward_pre_hook(
        self, hook: Callable[..., object], *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Call `hook(module, args)` before every forward; what it returns, unless None, replaces the arguments.

        With `with_kwargs` it is `hook(module, args, kwargs)`, which returns a pair of both; with `prepend` it runs
        before those there.
        """
        return registered(self._own_hooks(), Hook("forward_pre", hook, with_kwargs), prepend)

    def register_full_backward_hook(
        self, hook: Callable[[Self, Gradients, Gradients], object], prepend: bool = False
    ) -> RemovableHandle:
        """Call `hook(module, grad_input, grad_output)` as a backward pass has gone through the module.

        Both are tuples, `grad_input` one entry for each positional argument, None where that has no gradient. What the
        hook returns, unless None, takes the place of `grad_input`. Where no argument has a gradient it is called as
        soon as the outputs' are known.

        >>> from pullback import nn
        >>> layer = nn.Identity()
        >>> handle = layer.register_full_backward_hook(lambda module, given, got: (10 * given[0],))
        >>> x = Tensor(1.0, requires_grad=True)
        >>> layer(x).backward()
        >>> x.grad
        Tensor(10.)
        """
        return registered(self._own_hooks(), Hook("backward", hook), prepend)

    def register_full_backward_pre_hook(
        self, hook: Callable[[Self, Gradients], object], prepend: bool = False
    ) -> RemovableHandle:
        """Call `hook(module, grad_output)` before a backward pass goes through the module.

        What it returns, unless None, takes the place of `grad_output`, a tuple.
        """
        return registered(self._own_hooks(), Hook("backward_pre", hook), prepend)

    def register_backward_hook(self, hook: Callable[[Self, Gradients, Gradients], object]) -> RemovableHandle:
        """Do the same as `register_full_backward_hook`, by its old name.

        PyTorch's gives the gradients of the module's last operation for `grad_input`, whichever that is.
        """
        return self.register_full_backward_hook(hook)


def called(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Call a module's forward in the sight of its hooks and of those of all modules."""
    sources = EVERYWHERE, module._hooks
    done: set[int] = set()
    output = None
    try:
        for _, hook in of_kind("forward_pre", *sources):
            args, kwargs = _changed(hook, module, args, kwargs)
        backward = _Backward(module, sources)
        output = module.forward(*backward.entered(args), **kwargs)
        for _, hook in of_kind("forward", *sources):
            done.add(id(hook))
            output = _seen(hook, module, args, kwargs, output)
        return backward.left(output)
    except Exception:
        for _, hook in of_kind("forward", *sources):
            if hook.always_call and id(hook) not in done:
                try:
                    output = _seen(hook, module, args, kwargs, output)
                except Exception as error:
                    message = f"{type(module).__name__}: a forward hook (always_call=True) raised {error!r}, too"
                    warnings.warn(message, stacklevel=3)
        raise


def _changed(hook: Hook, module: Any, args: Any, kwargs: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments, as a hook leaves them."""
    if not hook.with_kwargs:
        changed = hook.function(module, args)
        if changed is not None:
            args = changed if isinstance(changed, tuple) else (changed,)
        return args, kwargs
    changed = hook.function(module, args, kwargs)
    if changed is None:
        return args, kwargs
    if not (isinstance(changed, tuple) and len(changed) == 2):
        raise RuntimeError(f"a forward pre-hook (with_kwargs=True) returns None or (args, kwargs), not {changed!r}")
    return changed


def _seen(hook: Hook, module: Any, args: Any, kwargs: Any, output: Any) -> Any:
    """The output, as a hook leaves it."""
    given = (args, kwargs, output) if hook.with_kwargs else (args, output)
    changed = hook.function(module, *given)
    return output if changed is None else changed


class _Backward:
    """One call of a module, for its backward hooks: cotangents arrive at its outputs and leave at its inputs."""

    def __init__(self, module: Any, sources: Sequence[Mapping[Any, Hook]]) -> None:
        self.module = module
        self.before = [hook.function for _, hook in of_kind("backward_pre", *sources)]
        self.after = [hook.function for _, hook in of_kind("backward", *sources)]
        self.nothing: tuple[None, ...] = ()  # one for each argument
        self.grad_output: tuple[Any, ...] | None = None
        self.reaches_inputs = False

    def entered(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        self.nothing = (None,) * len(args)
        if not self.after:
            return args
        watched = _watched(args, self._leave)
        self.reaches_inputs = any(a is not b for a, b in zip(args, watched, strict=True))
        return watched

    def left(self, output: Any) -> Any:
        if not (self.before or self.after):
            return output
        if isinstance(output, Tensor):
            return _watched((output,), self._arrive)[0]
        if not isinstance(output, tuple):
            name = type(self.module).__name__
            message = f"{name}: backward hooks see Tensors and tuples of them, not the {type(output).__name__} returned"
            warnings.warn(message, stacklevel=4)
            return output
        watched = _watched(output, self._arrive)
        return type(output)(*watched) if hasattr(output, "_fields") else watched

    def _arrive(self, grad_output: tuple[Any, ...]) -> tuple[Any, ...]:
        for hook in self.before:
            grad_output = _replaced(hook(self.module, grad_output), grad_output, "pre-hook", "grad_output")
        self.grad_output = grad_output
        if self.after and not self.reaches_inputs:
            for hook in self.after:
                changed = hook(self.module, self.nothing, grad_output)
                if changed is not None and any(g is not None for g in changed):
                    raise RuntimeError("a backward hook returned gradients for arguments that have none")
        return grad_output

    def _leave(self, grad_input: tuple[Any, ...]) -> tuple[Any, ...]:
        if self.grad_output is None:
            return grad_input  # not by way of the outputs
        for hook in self.after:
            changed = hook(self.module, grad_input, self.grad_output)
            grad_input = _replaced(changed, grad_input, "hook", "grad_input")
        self.grad_output = None
        return grad_input


def _replaced(changed: Any, before: tuple[Any, ...], kind: str, what: str) -> tuple[Any, ...]:
    if changed is None:
        return before
    changed = changed if isinstance(changed, tuple) else (changed,)
    if len(changed) != len(before):
        raise RuntimeError(f"a backward {kind} returned {len(changed)} gradients for {len(before)} of {what}")
    return changed


def _watched(values: tuple[Any, ...], hook: Callable[[tuple[Any, ...]], tuple[Any, ...]]) -> tuple[Any, ...]:
    """The same values, the gradients of which go through `hook` together: a tuple, None for what has none.

    Several go through one vector, so that all are there (zeros where none arrived) as that is reached.
    """
    places = [i for i, x in enumerate(values) if isinstance(x, Tensor) and x.requires_grad]
    if not places:
        return values
    watched = list(values)
    shapes = [values[i].shape for i in places]

    def on_all(gradients: list[Any]) -> list[Any]:
        given = dict(zip(places, gradients, strict=True))
        changed = hook(tuple(map(given.get, range(len(values)))))
        return [zeros_like(given[i]) if changed[i] is None else changed[i] for i in places]

    if len(places) == 1:
        one = watched[places[0]] = reshape(values[places[0]], shapes[0])
        one.register_hook(lambda g: on_all([g])[0])
        return tuple(watched)
    vector = concatenate([reshape(values[i], -1) for i in places])
    vector.register_hook(lambda g: concatenate([reshape(x, -1) for x in on_all(_parts(g, shapes))]))
    for i, part in zip(places, _parts(vector, shapes), strict=True):
        watched[i] = part.astype(values[i].dtype)
    return tuple(watched)


def _parts(vector: Any, shapes: list[tuple[int, ...]]) -> list[Any]:
    """The entries of a vector as arrays of these shapes, one after the other."""
    parts, end = [], 0
    for shape in shapes:
        start, end = end, end + math.prod(shape)
        parts.append(reshape(vector[start:end], shape))
    return parts


def register_module_forward_hook(
    hook: Callable[..., object], *, with_kwargs: bool = False, always_call: bool = False
) -> RemovableHandle:
    """Call `hook` after every forward of all modules, in all threads, as `Module.register_forward_hook` says."""
    return registered(EVERYWHERE, Hook("forward", hook, with_kwargs, always_call))


def register_module_forward_pre_hook(hook: Callable[..., object]) -> RemovableHandle:
    """Call `hook` before every forward of all modules, in all threads."""
    return registered(EVERYWHERE, Hook("forward_pre", hook))


def register_module_full_backward_hook(hook: Callable[[Any, Any, Any], Any]) -> RemovableHandle:
    """Call `hook` as a backward pass has gone through any module, in all threads."""
    return registered(EVERYWHERE, Hook("backward", hook))


def register_module_full_backward_pre_hook(hook: Callable[[Any, Any], Any]) -> RemovableHandle:
    """Call `hook` before a backward pass goes through any module, in all threads."""
    return registered(EVERYWHERE, Hook("backward_pre", hook))


def register_module_backward_hook(hook: Callable[[Any, Any, Any], Any]) -> RemovableHandle:
    """Do the same as `register_module_full_backward_hook`, by its old name."""
    return register_module_full_backward_hook(hook)
