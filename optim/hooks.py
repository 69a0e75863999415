"""Hooks of optimizers: functions that are called around steps, and around saving and loading."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from functools import wraps
from itertools import count
from typing import Any, TypeVar

from ..extend import RemovableHandle, modes, performed

__all__ = ["Hooked", "StateDict", "register_optimizer_step_post_hook", "register_optimizer_step_pre_hook"]

StateDict = dict[str, Any]
Self = TypeVar("Self", bound="Hooked")
StepPreHook = Callable[..., tuple[tuple[object, ...], dict[str, object]] | None]
StepPostHook = Callable[..., None]
StateHook = Callable[[Self, dict[str, object]], Mapping[str, object] | None]
_Hooks = OrderedDict[float, Callable[..., Any]]

_keys = count()
_before, _after = _Hooks(), _Hooks()  # the steps of all optimizers


def _registered(hooks: _Hooks, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
    if not callable(hook):
        raise TypeError(f"a hook is a function, not a {type(hook).__name__}")
    key = next(_keys)
    handle = RemovableHandle(hooks, hook, key)
    if prepend:
        hooks.move_to_end(key, last=False)
    return handle


def register_optimizer_step_pre_hook(hook: StepPreHook) -> RemovableHandle:
    """Call `hook(optimizer, args, kwargs)` before every step of every optimizer, ahead of the optimizer's own hooks.

    >>> with register_optimizer_step_pre_hook(lambda optimizer, args, kwargs: print("step")):
    ...     from pullback import Tensor, optim
    ...     optim.SGD([Tensor(1.0, requires_grad=True)]).step()
    step
    """
    return _registered(_before, hook)


def register_optimizer_step_post_hook(hook: StepPostHook) -> RemovableHandle:
    """Call `hook(optimizer, args, kwargs)` after every step of every optimizer, behind the optimizer's own hooks."""
    return _registered(_after, hook)


class Hooked:
    """What an Optimizer has of hooks; they are called in the order in which they came, or with `prepend` first."""

    outside_programs = True  # a compiled function does whole steps, as all is when it runs

    def __init__(self) -> None:
        self._step_pre_hooks, self._step_post_hooks = _Hooks(), _Hooks()
        self._state_dict_pre_hooks, self._state_dict_post_hooks = _Hooks(), _Hooks()
        self._load_pre_hooks, self._load_post_hooks = _Hooks(), _Hooks()

    def __init_subclass__(cls, **options: object) -> None:
        super().__init_subclass__(**options)
        if "step" in cls.__dict__:
            cls.step = _with_hooks(cls.__dict__["step"])  # type: ignore[attr-defined]

    def register_step_pre_hook(self, hook: StepPreHook) -> RemovableHandle:
        """Call `hook(optimizer, args, kwargs)` before every step, with the step's arguments, of which the optimizer is
        the first, as in PyTorch; a pair `(args, kwargs)` that it returns stands in for them.
        """
        return _registered(self._step_pre_hooks, hook)

    def register_step_post_hook(self, hook: StepPostHook) -> RemovableHandle:
        """Call `hook(optimizer, args, kwargs)` after every step."""
        return _registered(self._step_post_hooks, hook)

    def register_state_dict_pre_hook(
        self: Self, hook: Callable[[Self], None], prepend: bool = False
    ) -> RemovableHandle:
        """Call `hook(optimizer)` before `state_dict`."""
        return _registered(self._state_dict_pre_hooks, hook, prepend)

    def register_state_dict_post_hook(self: Self, hook: StateHook[Self], prepend: bool = False) -> RemovableHandle:
        """Call `hook(optimizer, state_dict)` after `state_dict`; a dict that it returns takes the other's place."""
        return _registered(self._state_dict_post_hooks, hook, prepend)

    def register_load_state_dict_pre_hook(self: Self, hook: StateHook[Self], prepend: bool = False) -> RemovableHandle:
        """Call `hook(optimizer, state_dict)` before loading, with a shallow copy of what is to be loaded; a dict that
        it returns is loaded instead.
        """
        return _registered(self._load_pre_hooks, hook, prepend)

    def register_load_state_dict_post_hook(
        self: Self, hook: Callable[[Self], None], prepend: bool = False
    ) -> RemovableHandle:
        """Call `hook(optimizer)` after `load_state_dict`."""
        return _registered(self._load_post_hooks, hook, prepend)

    def _passed(self, hooks: _Hooks, state_dict: StateDict) -> StateDict:
        """The state_dict after it went through hooks."""
        for hook in list(hooks.values()):
            result = hook(self, state_dict)
            state_dict = state_dict if result is None else result
        return state_dict


def _with_hooks(step: Callable[..., Any]) -> Callable[..., Any]:
    """The `step` of a class, and the hooks around it; what a subclass calls by super() runs without."""

    @wraps(step)
    def run(self: Any, *args: Any, **kwargs: Any) -> Any:
        if modes.recorder is not None and not (args or kwargs):
            moved = [p for group in self.param_groups for p in group["params"] if p.grad is not None]
            performed(f"{type(self).__name__}.step", self.step, moved)
            return None
        before, after = self._step_pre_hooks, self._step_post_hooks
        if not (before or after or _before or _after) or type(self).step is not run:
            return step(self, *args, **kwargs)
        args = (self, *args)
        for hook in (*_before.values(), *before.values()):
            result = hook(self, args, kwargs)
            if result is not None:
                if not (isinstance(result, tuple) and len(result) == 2):
                    raise TypeError(
                        f"{type(self).__name__}: a step hook returns None or (args, kwargs), not {result!r}"
                    )
                args, kwargs = result
        found = step(*args, **kwargs)
        for hook in (*after.values(), *_after.values()):
            hook(self, args, kwargs)
        return found

    return run
