"""The base of the schedulers: they write the rates of an optimizer's groups, and their state is plain data."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial, wraps
from types import FunctionType
from typing import Any, Protocol

import numpy as np

from ...autograd import Tensor
from ...extend import performed
from ...nn.described import described

__all__ = ["LRScheduler"]

_FLAGS = {"_get_lr_called_within_step", "_is_initial", "verbose"}  # in PyTorch's states, the last in older ones


class HasGroups(Protocol):
    """An optimizer, as schedulers see it: groups with "lr", and "momentum" or "betas" for those that cycle them."""

    @property
    def param_groups(self) -> list[dict[str, Any]]: ...


def _in_programs(step: Callable[..., None]) -> Callable[..., None]:
    """The `step` of a class, which a program that is being written down does whenever it runs."""

    @wraps(step)
    def run(self: Any, *args: Any, **kwargs: Any) -> None:
        if not performed(f"{type(self).__name__}.step", partial(step, self, *args, **kwargs)):
            step(self, *args, **kwargs)

    return run


class LRScheduler:
    """The base of the schedulers; a subclass gives `get_lr`, the groups' next rates, computed for `last_epoch`.

    A group's rate at construction is kept in it as "initial_lr", and here in `base_lrs`. Construction takes the step to
    epoch `last_epoch + 1`; each `step()`, after the optimizer's, goes to the next epoch. `step(epoch)` goes to any, by
    the closed form `_get_closed_form_lr` where there is one. A rate that is a Tensor or an array is written in place.
    TypeError for what has no `param_groups`; KeyError where `last_epoch` is given and a group has no "initial_lr"; a
    warning for a step before the optimizer's first.

    >>> from pullback import Tensor, optim
    >>> class Halved(LRScheduler):
    ...     def get_lr(self):
    ...         return [lr / 2**self.last_epoch for lr in self.base_lrs]
    >>> optimizer = optim.SGD([Tensor([1.0], requires_grad=True)], lr=8.0)
    >>> scheduler = Halved(optimizer)
    >>> for _ in range(3):
    ...     optimizer.step()
    ...     scheduler.step()
    >>> scheduler.get_last_lr(), optimizer.param_groups[0]["lr"]
    ([1.0], 1.0)
    """

    outside_programs = True  # a compiled function does whole steps, as all is when it runs
    _get_lr_called_within_step = False
    _is_initial = False  # in the step that construction takes

    def __init__(self, optimizer: HasGroups, last_epoch: int = -1) -> None:
        self.optimizer = checked(optimizer, self._name)
        for i, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", number(group["lr"]))
            elif "initial_lr" not in group:
                raise KeyError(
                    f"{self._name}: last_epoch={last_epoch}, but param_groups[{i}] has no 'initial_lr'; load the "
                    "optimizer's state first, or leave last_epoch=-1"
                )
        _watch(optimizer)
        self.base_lrs = [number(group["initial_lr"]) for group in optimizer.param_groups]
        self.last_epoch = last_epoch
        self._initial_step()

    @property
    def _name(self) -> str:
        return type(self).__name__

    def __repr__(self) -> str:
        place = {"last_epoch": self.last_epoch} if "last_epoch" in vars(self) else {}
        return described(self, without=("optimizer", "last_epoch"), **place, lr=self.get_last_lr())

    def get_last_lr(self) -> list[float]:
        """Return the rates of the groups as the last step wrote them."""
        return list(self._last_lr)

    def get_lr(self) -> Sequence[float]:
        """Compute the rates of the groups for `last_epoch`; called within `step`, see `get_last_lr` for the present."""
        raise NotImplementedError(f"{self._name} has no get_lr")

    def _get_closed_form_lr(self) -> Sequence[float]:
        return self.get_lr()

    def _rates(self) -> list[float]:
        return [number(group["lr"]) for group in self.optimizer.param_groups]

    # Steps

    def __init_subclass__(cls, **options: object) -> None:
        super().__init_subclass__(**options)
        if "step" in cls.__dict__:
            cls.step = _in_programs(cls.__dict__["step"])  # type: ignore[method-assign]

    @_in_programs
    def step(self, epoch: int | None = None) -> None:
        """Go to the next epoch, or to the given one."""
        if epoch is None and self._step_count == 1 and not getattr(self.optimizer, "_opt_called", True):
            warnings.warn(
                f"{self._name}.step() was called before the optimizer's step(), so the first rate of the schedule is "
                "never used; call optimizer.step() first",
                stacklevel=3,
            )
        self._step_count += 1
        self._update_lr(epoch)

    def _initial_step(self) -> None:
        self._step_count = 0
        self._is_initial = True
        try:
            self.step()
        finally:
            self._is_initial = False

    def _update_lr(self, epoch: int | None = None) -> None:
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        self._get_lr_called_within_step = True
        try:
            rates = self.get_lr() if epoch is None else self._get_closed_form_lr()
        finally:
            self._get_lr_called_within_step = False
        write(self, "lr", rates)
        self._last_lr = self._rates()

    # As a part of others (see `combined`)

    def _undo(self) -> None:
        """Take back the step of construction."""
        self.last_epoch = -1

    def _begin(self) -> None:
        """Take the step of construction once more."""
        self._undo()
        self._initial_step()

    def _take_over(self) -> None:
        """Go to epoch 0 after another scheduler."""
        self._update_lr(0)

    # State

    def state_dict(self) -> dict[str, object]:
        """Return all attributes but the optimizer, as numbers, strings, None, and lists and dicts of them.

        Functions are not saved, of other callables their attributes are, and of schedulers their states.
        """
        return {name: _data(value) for name, value in vars(self).items() if name != "optimizer"}

    def load_state_dict(self, state_dict: Mapping[str, object]) -> None:
        """Take over what `state_dict` of such a scheduler gave, here or in PyTorch.

        The rates are the optimizer's, whose own state holds them. ValueError, and no change, for the state of another
        kind of scheduler or for another number of parameter groups.
        """
        self._check_state(state_dict)
        for name, value in state_dict.items():
            if name != "verbose":
                self.__dict__[name] = _loaded(self.__dict__.get(name), value)

    def _check_state(self, state: Mapping[str, Any]) -> None:
        own, given = vars(self).keys() - {"optimizer", *_FLAGS}, state.keys() - _FLAGS
        if own != given:
            parts = {"missing": own - given, "unexpected": given - own}
            faults = "; ".join(f"{what}: {', '.join(sorted(names))}" for what, names in parts.items() if names)
            raise ValueError(f"{self._name}: the state of another kind of scheduler ({faults})")
        groups = len(self.optimizer.param_groups)
        if len(state["_last_lr"]) != groups:
            raise ValueError(f"{self._name}: a state for {len(state['_last_lr'])} parameter groups given for {groups}")


def checked(optimizer: HasGroups, name: str) -> HasGroups:
    if not isinstance(getattr(optimizer, "param_groups", None), list):
        raise TypeError(
            f"{name}: optimizer must have param_groups, as optim.SGD has, and a {_kind(optimizer)} has none"
        )
    return optimizer


def _watch(optimizer: Any) -> None:
    """Let an optimizer that has hooks tell, in `_opt_called`, whether it has stepped since schedulers have it."""
    if hasattr(optimizer, "register_step_post_hook") and not hasattr(optimizer, "_opt_called"):
        optimizer._opt_called = False
        optimizer.register_step_post_hook(_called)


def _called(optimizer: Any, args: object, kwargs: object) -> None:
    optimizer._opt_called = True


def number(value: Any) -> float:
    """The one number of a Tensor or an array, or a number as such."""
    return float(value.item() if hasattr(value, "item") else value)


def write(scheduler: LRScheduler, option: str, values: Sequence[float]) -> None:
    """Set an option of all groups; one that is a Tensor or an array stays the same object, with another value."""
    groups = scheduler.optimizer.param_groups
    if len(values) != len(groups):
        raise ValueError(
            f"{scheduler._name}: {len(values)} values of {option} for {len(groups)} parameter groups; make a new "
            "scheduler after add_param_group"
        )
    for group, value in zip(groups, values, strict=True):
        held = group.get(option)
        if isinstance(held, Tensor):
            held.data = np.full(held.shape, value, held.dtype)
        elif isinstance(held, np.ndarray):
            held[...] = value
        else:
            group[option] = number(value)


def per_group(scheduler: str, name: str, value: Any, optimizer: HasGroups) -> list[float]:
    """One number for each parameter group, from one for all or a list of them."""
    groups = len(optimizer.param_groups)
    values = list(value) if isinstance(value, (list, tuple)) else [value] * groups
    if len(values) != groups:
        raise ValueError(f"{scheduler}: {name} has {len(values)} values, the optimizer {groups} parameter groups")
    return [number(v) for v in values]


def _data(value: Any) -> Any:
    """What a state holds of an attribute."""
    if isinstance(value, LRScheduler):
        return value.state_dict()
    if isinstance(value, (list, tuple)):
        return [_data(part) for part in value]
    if isinstance(value, dict):
        return type(value)({key: _data(part) for key, part in value.items()})
    if isinstance(value, np.generic):
        return value.item()
    if callable(value):
        return None if isinstance(value, FunctionType) else _data(dict(getattr(value, "__dict__", {})))
    return value


def _loaded(own: Any, saved: Any) -> Any:
    """What becomes of an attribute by what a state holds of it."""
    if isinstance(own, LRScheduler):
        own.load_state_dict(saved)
        return own
    if isinstance(own, Counter):
        return Counter({int(key): count for key, count in saved.items()})  # JSON makes strings of numbers
    if callable(own):
        vars(own).update(saved or {})
        return own
    if isinstance(own, list) and any(isinstance(part, LRScheduler) or callable(part) for part in own):
        return [_loaded(*pair) for pair in zip(own, saved, strict=True)]
    return _data(saved)


def _kind(value: object) -> str:
    return type(value).__name__
