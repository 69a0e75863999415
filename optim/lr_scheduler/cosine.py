"""Schedules that fall along half a cosine, once or again and again."""

from __future__ import annotations

import math

from .base import HasGroups, LRScheduler

__all__ = ["CosineAnnealingLR", "CosineAnnealingWarmRestarts"]


class CosineAnnealingLR(LRScheduler):
    """The rates down to `eta_min` in `T_max` epochs along half a cosine, then up again, and so on.

        lr = eta_min + (initial_lr - eta_min) * (1 + cos(pi * epoch / T_max)) / 2

    Steps compute it from the rate before, so that other schedulers of a chain act together with it. ValueError unless
    T_max is positive. Source: Loshchilov and Hutter, SGDR: stochastic gradient descent with warm restarts, 2017.

    >>> from pullback import Tensor, optim
    >>> optimizer = optim.SGD([Tensor([1.0], requires_grad=True)], lr=1.0)
    >>> scheduler = CosineAnnealingLR(optimizer, T_max=4)
    >>> scheduler.step(4)
    >>> scheduler.get_last_lr()
    [0.0]
    """

    def __init__(self, optimizer: HasGroups, T_max: int, eta_min: float = 0.0, last_epoch: int = -1) -> None:
        if not T_max > 0:
            raise ValueError(f"{self._name}: T_max must be a positive number of epochs, not {T_max}")
        self.T_max, self.eta_min = T_max, eta_min
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        rates = self._rates()
        if self._is_initial:
            return rates
        if (self.last_epoch - 1 - self.T_max) % (2 * self.T_max) == 0:  # up from the lowest, where the ratio is 0 / 0
            rise = (1 - math.cos(math.pi / self.T_max)) / 2
            return [r + (base - self.eta_min) * rise for r, base in zip(rates, self.base_lrs, strict=True)]
        ratio = _half(self.last_epoch / self.T_max) / _half((self.last_epoch - 1) / self.T_max)
        return [self.eta_min + (rate - self.eta_min) * ratio for rate in rates]

    def _get_closed_form_lr(self) -> list[float]:
        return [_half(self.last_epoch / self.T_max, self.eta_min, base) for base in self.base_lrs]


class CosineAnnealingWarmRestarts(LRScheduler):
    """The rates down to `eta_min` along half a cosine, and at once up again, after `T_0` epochs, T_0 * T_mult, ...

        lr = eta_min + (initial_lr - eta_min) * (1 + cos(pi * T_cur / T_i)) / 2

    where T_cur epochs of T_i have passed since the last restart. `step(epoch)` takes fractions, too, as within an epoch
    `scheduler.step(epoch + i / len(loader))`. ValueError unless T_0 and T_mult are positive integers, and for a
    negative epoch. Source: as for `CosineAnnealingLR`.

    >>> from pullback import Tensor, optim
    >>> optimizer = optim.SGD([Tensor([1.0], requires_grad=True)], lr=1.0)
    >>> scheduler = CosineAnnealingWarmRestarts(optimizer, T_0=1, T_mult=2)
    >>> scheduler.step(2.0)
    >>> scheduler.T_cur, scheduler.T_i, scheduler.get_last_lr()
    (1.0, 2, [0.5])
    """

    def __init__(
        self, optimizer: HasGroups, T_0: int, T_mult: int = 1, eta_min: float = 0.0, last_epoch: int = -1
    ) -> None:
        for name, value in (("T_0", T_0), ("T_mult", T_mult)):
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"{self._name}: {name} must be an integer of at least 1, not {value!r}")
        self.T_0 = self.T_i = T_0
        self.T_mult, self.eta_min = T_mult, eta_min
        self.T_cur: float = last_epoch
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        return [_half(self.T_cur / self.T_i, self.eta_min, base) for base in self.base_lrs]

    def step(self, epoch: float | None = None) -> None:
        """Go to the next epoch, or to the given one, or a place within it."""
        super().step(epoch)

    def _update_lr(self, epoch: float | None = None) -> None:
        at = self.last_epoch + 1 if epoch is None else epoch
        if at < 0:
            raise ValueError(f"{self._name}: epoch must not be negative, but is {epoch}")
        self.T_cur, self.T_i = at, self.T_0
        if self.T_mult == 1:
            self.T_cur %= self.T_0
        while self.T_cur >= self.T_i:
            self.T_cur -= self.T_i
            self.T_i *= self.T_mult
        super()._update_lr(math.floor(at))


def _half(part: float, low: float = 0.0, high: float = 1.0) -> float:
    """Half a cosine, from `high` for a part of 0 down to `low` for 1."""
    return low + (high - low) * (1 + math.cos(math.pi * part)) / 2
