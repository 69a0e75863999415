"""Schedulers of schedulers: one after another, or all at once."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .base import HasGroups, LRScheduler, write
from .plateau import ReduceLROnPlateau

__all__ = ["ChainedScheduler", "SequentialLR"]


class _Combined(LRScheduler):
    _schedulers: list[LRScheduler]

    def _take(self, schedulers: Iterable[LRScheduler], optimizer: HasGroups | None) -> None:
        """Keep the schedulers, which must have the same optimizer."""
        self._schedulers = list(schedulers)
        if not self._schedulers:
            raise ValueError(f"{self._name}: expected at least one scheduler, got none")
        for i, scheduler in enumerate(self._schedulers):
            if not isinstance(scheduler, LRScheduler):
                raise TypeError(
                    f"{self._name}: expected schedulers, but the one at {i} is a {type(scheduler).__name__}"
                )
            if isinstance(scheduler, ReduceLROnPlateau):
                raise ValueError(
                    f"{self._name}: the scheduler at {i} is a ReduceLROnPlateau, which steps by a metric: step it apart"
                )
        self.optimizer = self._schedulers[0].optimizer if optimizer is None else optimizer
        for i, scheduler in enumerate(self._schedulers):
            if scheduler.optimizer is not self.optimizer:
                raise ValueError(f"{self._name}: the {scheduler._name} at {i} belongs to another optimizer")

    def _undo(self) -> None:
        for scheduler in self._schedulers:
            scheduler._undo()

    def _take_over(self) -> None:
        _restore(self)
        self._begin()

    def _check_state(self, state: Mapping[str, Any]) -> None:
        super()._check_state(state)
        if len(state["_schedulers"]) != len(self._schedulers):
            raise ValueError(
                f"{self._name}: a state of {len(state['_schedulers'])} schedulers given for {len(self._schedulers)}"
            )
        for scheduler, part in zip(self._schedulers, state["_schedulers"], strict=True):
            scheduler._check_state(part)


class SequentialLR(_Combined):
    """One scheduler after another: the one at i + 1 begins, at its epoch 0, in the epoch `milestones[i]`.

    The schedulers may be chains and sequences themselves. ValueError for schedulers of another optimizer, a number of
    milestones that is not one less than that of schedulers, milestones that fall, and a `last_epoch` (`load_state_dict`
    resumes a sequence); TypeError for what is no scheduler.

    >>> from pullback import Tensor, optim
    >>> from pullback.optim.lr_scheduler import ExponentialLR, LinearLR
    >>> optimizer = optim.SGD([Tensor([1.0], requires_grad=True)], lr=1.0)
    >>> warm_up, decay = LinearLR(optimizer, 0.5, total_iters=2), ExponentialLR(optimizer, gamma=0.5)
    >>> scheduler = SequentialLR(optimizer, [warm_up, decay], milestones=[2])
    >>> for _ in range(4):
    ...     print(scheduler.get_last_lr())
    ...     optimizer.step()
    ...     scheduler.step()
    [0.5]
    [0.75]
    [1.0]
    [0.5]
    """

    def __init__(
        self, optimizer: HasGroups, schedulers: Sequence[LRScheduler], milestones: Sequence[int], last_epoch: int = -1
    ) -> None:
        self._take(schedulers, optimizer)
        self._milestones = list(milestones)
        if len(self._milestones) != len(self._schedulers) - 1:
            raise ValueError(
                f"{self._name}: {len(self._milestones)} milestones for {len(self._schedulers)} schedulers; expected "
                "one between each two of them"
            )
        if self._milestones != sorted(self._milestones):
            raise ValueError(f"{self._name}: milestones must rise, but are {self._milestones}")
        if last_epoch != -1:
            raise ValueError(f"{self._name}: last_epoch={last_epoch}; load_state_dict() resumes a sequence")
        _restore(self)
        self._begin()

    def _initial_step(self) -> None:
        self.last_epoch = 0
        first = self._schedulers[bisect_right(self._milestones, 0)]
        first._begin()
        self._last_lr = first.get_last_lr()

    def step(self) -> None:
        """Go to the next epoch."""
        self.last_epoch += 1
        i = bisect_right(self._milestones, self.last_epoch)
        scheduler = self._schedulers[i]
        if i and self._milestones[i - 1] == self.last_epoch:
            scheduler._take_over()
        else:
            scheduler.step()
        self._last_lr = scheduler.get_last_lr()


class ChainedScheduler(_Combined):
    """Several schedulers at once: each steps on from the rates that the one before it has left.

    TypeError and ValueError for what is no scheduler, none, or those of different optimizers.

    >>> from pullback import Tensor, optim
    >>> from pullback.optim.lr_scheduler import ConstantLR, ExponentialLR
    >>> optimizer = optim.SGD([Tensor([1.0], requires_grad=True)], lr=1.0)
    >>> scheduler = ChainedScheduler([ConstantLR(optimizer, factor=0.5), ExponentialLR(optimizer, gamma=0.5)])
    >>> optimizer.step()
    >>> scheduler.step()
    >>> scheduler.get_last_lr()
    [0.25]
    """

    def __init__(self, schedulers: Sequence[LRScheduler], optimizer: HasGroups | None = None) -> None:
        self._take(schedulers, optimizer)
        self._last_lr = self._rates()

    def _initial_step(self) -> None:
        for scheduler in self._schedulers:
            scheduler._begin()
        self._last_lr = self._rates()

    def step(self) -> None:
        """Go to the next epoch."""
        for scheduler in self._schedulers:
            scheduler.step()
        self._last_lr = self._rates()


def _restore(scheduler: LRScheduler) -> None:
    write(scheduler, "lr", [group["initial_lr"] for group in scheduler.optimizer.param_groups])
