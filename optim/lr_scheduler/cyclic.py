"""Schedules that go up and down, and the momentum with them the other way."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from .base import HasGroups, LRScheduler, checked, per_group, write

__all__ = ["CyclicLR", "OneCycleLR"]

Rates = float | Sequence[float]


class _Cycled(LRScheduler):
    """With `cycle_momentum` the groups' "momentum", or the first of their "betas", is cycled, too."""

    cycle_momentum: bool
    use_beta1: bool

    def _start_momentum(self, optimizer: HasGroups, base: Rates, most: Rates, last_epoch: int) -> list[list[float]]:
        """Find which momentum there is, and set it to the highest; returns the lowest and the highest."""
        groups = checked(optimizer, self._name).param_groups
        self.use_beta1 = "betas" in groups[0]
        if any(("betas" if self.use_beta1 else "momentum") not in group for group in groups):
            raise ValueError(
                f"{self._name}: cycle_momentum needs groups with momentum or betas, and those of "
                f"{type(optimizer).__name__} have neither; pass cycle_momentum=False"
            )
        named = (("base_momentum", base), ("max_momentum", most))
        lowest, highest = (per_group(self._name, name, value, optimizer) for name, value in named)
        if last_epoch == -1:
            self.optimizer = optimizer
            self._set_momentum(highest)
            for group, low, high in zip(groups, lowest, highest, strict=True):
                group["max_momentum"], group["base_momentum"] = high, low
        return [lowest, highest]

    def _set_momentum(self, values: list[float]) -> None:
        if not self.use_beta1:
            write(self, "momentum", values)
            return
        for group, value in zip(self.optimizer.param_groups, values, strict=True):
            group["betas"] = (value, *group["betas"][1:])


class CyclicLR(_Cycled):
    """The rates up from `base_lr` to `max_lr` in `step_size_up` steps, down in `step_size_down` (as many), and so on.

    The height of the n-th cycle is scaled by 1 ("triangular"), by 1 / 2^(n - 1) ("triangular2"), or in each step by
    gamma^step ("exp_range"), or by `scale_fn` of the cycle or the step, as `scale_mode` says: "cycle" or "iterations".
    With `cycle_momentum` the momentum (or beta1) goes from `max_momentum` down to `base_momentum` and up again.
    ValueError for other modes, lists of another length than there are groups, and a momentum that is not there.
    Source: Smith, Cyclical learning rates for training neural networks, 2017.

    >>> from pullback import Tensor, optim
    >>> optimizer = optim.SGD([Tensor([1.0], requires_grad=True)], lr=1.0, momentum=0.9)
    >>> scheduler = CyclicLR(optimizer, base_lr=1.0, max_lr=3.0, step_size_up=4)
    >>> scheduler.step(3)
    >>> scheduler.get_last_lr()
    [2.5]
    """

    def __init__(
        self,
        optimizer: HasGroups,
        base_lr: Rates,
        max_lr: Rates,
        step_size_up: int = 2000,
        step_size_down: int | None = None,
        mode: str = "triangular",
        gamma: float = 1.0,
        scale_fn: Callable[[float], float] | None = None,
        scale_mode: str = "cycle",
        cycle_momentum: bool = True,
        base_momentum: Rates = 0.8,
        max_momentum: Rates = 0.9,
        last_epoch: int = -1,
    ) -> None:
        self.optimizer = checked(optimizer, self._name)
        down = step_size_up if step_size_down is None else step_size_down
        if not (step_size_up > 0 and down > 0):
            raise ValueError(
                f"{self._name}: step_size_up and step_size_down must be positive, not {step_size_up}, {down}"
            )
        if scale_fn is None and mode not in ("triangular", "triangular2", "exp_range"):
            raise ValueError(f"{self._name}: mode={mode!r}; expected 'triangular', 'triangular2' or 'exp_range'")
        if scale_mode not in ("cycle", "iterations"):
            raise ValueError(f"{self._name}: scale_mode={scale_mode!r}; expected 'cycle' or 'iterations'")
        base_lrs = per_group(self._name, "base_lr", base_lr, optimizer)
        self.max_lrs = per_group(self._name, "max_lr", max_lr, optimizer)
        if last_epoch == -1:
            write(self, "lr", base_lrs)
        self.total_size = float(step_size_up + down)
        self.step_ratio = step_size_up / self.total_size
        self.mode, self.gamma, self._scale_fn_custom = mode, gamma, scale_fn
        self.scale_mode = scale_mode if scale_fn is not None else "iterations" if mode == "exp_range" else "cycle"
        self.cycle_momentum = cycle_momentum
        if cycle_momentum:
            momentums = self._start_momentum(optimizer, base_momentum, max_momentum, last_epoch)
            self.base_momentums, self.max_momentums = momentums
        super().__init__(optimizer, last_epoch)
        self.base_lrs = base_lrs

    def scale_fn(self, x: float) -> float:
        """Return what the height is scaled by in the cycle x, from 1, or the step x, from 0."""
        if self._scale_fn_custom is not None:
            return self._scale_fn_custom(x)
        return {"triangular": 1.0, "triangular2": 0.5 ** (x - 1), "exp_range": self.gamma**x}[self.mode]

    def get_lr(self) -> list[float]:
        cycle = math.floor(1 + self.last_epoch / self.total_size)
        place = 1 + self.last_epoch / self.total_size - cycle
        up = place <= self.step_ratio
        height = place / self.step_ratio if up else (place - 1) / (self.step_ratio - 1)
        height *= self.scale_fn(cycle if self.scale_mode == "cycle" else self.last_epoch)
        if self.cycle_momentum:
            both = zip(self.base_momentums, self.max_momentums, strict=True)
            self._set_momentum([high - (high - low) * height for low, high in both])
        return [low + (high - low) * height for low, high in zip(self.base_lrs, self.max_lrs, strict=True)]


class OneCycleLR(_Cycled):
    """The rates up from max_lr / div_factor to `max_lr`, then down to that start / final_div_factor, in `total_steps`.

    The way up takes the share `pct_start` of the steps; with `three_phase` the rates go down to the start in as many,
    and to the end in the rest. `anneal_strategy` is "cos" or "linear". With `cycle_momentum` the momentum (or beta1)
    goes from `max_momentum` down to `base_momentum` while the rates go up, and back. Instead of `total_steps` give
    `epochs` and `steps_per_epoch`. ValueError for a step beyond the last, for options out of range, and a momentum that
    is not there. Source: Smith and Topin, Super-convergence, 2018.

    >>> from pullback import Tensor, optim
    >>> optimizer = optim.SGD([Tensor([1.0], requires_grad=True)], lr=1.0, momentum=0.9)
    >>> scheduler = OneCycleLR(optimizer, max_lr=2.0, total_steps=20, div_factor=4.0)
    >>> scheduler.get_last_lr(), optimizer.param_groups[0]["momentum"]
    ([0.5], 0.95)
    >>> scheduler.step(5)
    >>> scheduler.get_last_lr(), optimizer.param_groups[0]["momentum"]
    ([2.0], 0.85)
    """

    def __init__(
        self,
        optimizer: HasGroups,
        max_lr: Rates,
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: Rates = 0.85,
        max_momentum: Rates = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ) -> None:
        checked(optimizer, self._name)
        self.total_steps = self._total(total_steps, epochs, steps_per_epoch)
        if not 0 <= pct_start <= 1:
            raise ValueError(f"{self._name}: pct_start must be between 0 and 1, but is {pct_start}")
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(f"{self._name}: anneal_strategy={anneal_strategy!r}; expected 'cos' or 'linear'")
        self._anneal_func_type = anneal_strategy
        self._schedule_phases = _phases(pct_start * self.total_steps, self.total_steps, three_phase)
        max_lrs = per_group(self._name, "max_lr", max_lr, optimizer)
        if last_epoch == -1:
            for group, rate in zip(optimizer.param_groups, max_lrs, strict=True):
                start = rate / div_factor
                group.update(initial_lr=start, max_lr=rate, min_lr=start / final_div_factor)
        self.cycle_momentum = cycle_momentum
        if cycle_momentum:
            self._start_momentum(optimizer, base_momentum, max_momentum, last_epoch)
        super().__init__(optimizer, last_epoch)

    def _total(self, total_steps: int | None, epochs: int | None, steps_per_epoch: int | None) -> int:
        counts = {"total_steps": total_steps, "epochs": epochs, "steps_per_epoch": steps_per_epoch}
        names = ["total_steps"] if total_steps is not None else ["epochs", "steps_per_epoch"]
        if any(counts[name] is None for name in names):
            raise ValueError(f"{self._name}: give total_steps, or epochs and steps_per_epoch")
        for name in names:
            if not isinstance(counts[name], int) or not counts[name] > 0:  # type: ignore[operator]
                raise ValueError(f"{self._name}: {name} must be a positive integer, not {counts[name]!r}")
        return math.prod(counts[name] for name in names)  # type: ignore[misc]

    def get_lr(self) -> list[float]:
        step = self.last_epoch
        if step > self.total_steps:
            raise ValueError(f"{self._name}: step {step} of a schedule of total_steps={self.total_steps}")
        start, phase = 0.0, self._schedule_phases[0]
        for following in self._schedule_phases[1:]:
            if step > phase["end_step"]:
                start, phase = phase["end_step"], following
        length = phase["end_step"] - start
        part = min((step - start) / length, 1.0) if length > 0 else 1.0
        groups = self.optimizer.param_groups
        if self.cycle_momentum:
            ends = [(group[phase["start_momentum"]], group[phase["end_momentum"]]) for group in groups]
            self._set_momentum([self._between(*pair, part) for pair in ends])
        return [self._between(group[phase["start_lr"]], group[phase["end_lr"]], part) for group in groups]

    def _between(self, start: float, end: float, part: float) -> float:
        if self._anneal_func_type == "cos":
            return end + (start - end) / 2 * (1 + math.cos(math.pi * part))
        return start + (end - start) * part


def _phases(up: float, total: int, three: bool) -> list[dict[str, Any]]:
    """When each phase ends, and which of a group's numbers it leads from and to."""
    ends = [up - 1, 2 * up - 2, total - 1] if three else [up - 1, total - 1]
    rates = ["initial_lr", "max_lr", *(["initial_lr"] if three else []), "min_lr"]
    momentums = ["max_momentum", "base_momentum", *["max_momentum"] * (len(ends) - 1)]
    return [
        {
            "end_step": end,
            "start_lr": rates[i],
            "end_lr": rates[i + 1],
            "start_momentum": momentums[i],
            "end_momentum": momentums[i + 1],
        }
        for i, end in enumerate(ends)
    ]
