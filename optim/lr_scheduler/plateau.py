"""The schedule by what is measured: lower rates when a metric stops getting better."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import SupportsFloat

from .base import HasGroups, LRScheduler, checked, number, per_group, write

__all__ = ["ReduceLROnPlateau"]


class ReduceLROnPlateau(LRScheduler):
    """The rates times `factor` after more than `patience` epochs in a row without a better metric.

    `step(metric)` counts an epoch as a good one if the metric is below the best so far (`mode` "min") or above it
    ("max") by more than `threshold`, which is a share of the best ("rel") or a difference ("abs"). After a reduction
    `cooldown` epochs are not counted. No rate goes below `min_lr` (a number, or a list with one for each group), and a
    change of at most `eps` is not made. NaN is never better. ValueError for a factor of 1 or more, for other modes, and
    a list of another length than there are groups.

    >>> from pullback import Tensor, optim
    >>> optimizer = optim.SGD([Tensor([1.0], requires_grad=True)], lr=1.0)
    >>> scheduler = ReduceLROnPlateau(optimizer, factor=0.5, patience=1)
    >>> for loss in [3.0, 2.0, 2.0, 2.0]:
    ...     scheduler.step(loss)
    >>> scheduler.get_last_lr()
    [0.5]
    """

    def __init__(
        self,
        optimizer: HasGroups,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: float | Sequence[float] = 0,
        eps: float = 1e-8,
    ) -> None:
        if not factor < 1:
            raise ValueError(f"{self._name}: factor must be below 1, but is {factor}")
        if mode not in ("min", "max"):
            raise ValueError(f"{self._name}: mode={mode!r}; expected 'min' or 'max'")
        if threshold_mode not in ("rel", "abs"):
            raise ValueError(f"{self._name}: threshold_mode={threshold_mode!r}; expected 'rel' or 'abs'")
        self.optimizer = checked(optimizer, self._name)
        self.default_min_lr = None if isinstance(min_lr, (list, tuple)) else min_lr
        self.min_lrs = per_group(self._name, "min_lr", min_lr, optimizer)
        self.mode, self.threshold, self.threshold_mode = mode, threshold, threshold_mode
        self.factor, self.patience, self.cooldown, self.eps = factor, patience, cooldown, eps
        self.mode_worse = math.inf if mode == "min" else -math.inf
        self.last_epoch = 0
        self._last_lr = self._rates()
        self._reset()

    def _reset(self) -> None:
        """Forget the metrics so far."""
        self.best, self.cooldown_counter, self.num_bad_epochs = self.mode_worse, 0, 0

    @property
    def in_cooldown(self) -> bool:
        """Whether epochs are not counted, after a reduction."""
        return self.cooldown_counter > 0

    def step(self, metrics: SupportsFloat, epoch: int | None = None) -> None:
        """Take account of an epoch's metric, a number or a Tensor of one."""
        current = number(metrics)
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        self.num_bad_epochs += 1
        if self._is_better(current):
            self.best, self.num_bad_epochs = current, 0
        if self.in_cooldown:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            self._reduce()
            self.cooldown_counter, self.num_bad_epochs = self.cooldown, 0
        self._last_lr = self._rates()

    def _is_better(self, current: float) -> bool:
        sign = 1 if self.mode == "max" else -1
        least = (
            self.best * (1 + sign * self.threshold)
            if self.threshold_mode == "rel"
            else self.best + sign * self.threshold
        )
        return sign * current > sign * least

    def _reduce(self) -> None:
        rates = self._rates()
        if len(self.min_lrs) != len(rates) and self.default_min_lr is not None:
            self.min_lrs = [number(self.default_min_lr)] * len(rates)
        if len(self.min_lrs) != len(rates):
            raise ValueError(
                f"{self._name}: {len(self.min_lrs)} values of min_lr for {len(rates)} parameter groups; set min_lrs "
                "after add_param_group"
            )
        reduced = [max(rate * self.factor, low) for rate, low in zip(rates, self.min_lrs, strict=True)]
        kept = [old if old - new <= self.eps else new for old, new in zip(rates, reduced, strict=True)]
        write(self, "lr", kept)
