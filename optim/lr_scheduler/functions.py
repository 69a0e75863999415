"""Schedules by functions of the user's."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from .base import HasGroups, LRScheduler, checked

__all__ = ["LambdaLR", "MultiplicativeLR"]

Function = Callable[[int], float]


class _ByFunctions(LRScheduler):
    def __init__(self, optimizer: HasGroups, lr_lambda: Function | Sequence[Function], last_epoch: int = -1) -> None:
        groups = len(checked(optimizer, self._name).param_groups)
        self.lr_lambdas = list(lr_lambda) if isinstance(lr_lambda, Sequence) else [lr_lambda] * groups
        if len(self.lr_lambdas) != groups:
            raise ValueError(f"{self._name}: {len(self.lr_lambdas)} lr_lambdas for {groups} parameter groups")
        for function in self.lr_lambdas:
            if not callable(function):
                raise TypeError(f"{self._name}: lr_lambda must be a function, not a {type(function).__name__}")
        super().__init__(optimizer, last_epoch)

    def _factors(self) -> list[float]:
        return [function(self.last_epoch) for function in self.lr_lambdas]


class LambdaLR(_ByFunctions):
    """The initial rate times `lr_lambda(epoch)`, one function for all groups or a list with one for each.

    ValueError for another number of functions than groups, TypeError for what is none.

    >>> from pullback import Tensor, optim
    >>> optimizer = optim.SGD([Tensor([1.0], requires_grad=True)], lr=2.0)
    >>> LambdaLR(optimizer, lambda epoch: 0.5 + epoch).get_last_lr()
    [1.0]
    """

    def get_lr(self) -> list[float]:
        return [base * factor for base, factor in zip(self.base_lrs, self._factors(), strict=True)]


class MultiplicativeLR(_ByFunctions):
    """The present rate times `lr_lambda(epoch)`, from epoch 1 on; arguments and errors as for `LambdaLR`.

    >>> from pullback import Tensor, optim
    >>> optimizer = optim.SGD([Tensor([1.0], requires_grad=True)], lr=2.0)
    >>> scheduler = MultiplicativeLR(optimizer, lambda epoch: 0.5)
    >>> optimizer.step()
    >>> scheduler.step()
    >>> scheduler.get_last_lr()
    [1.0]
    """

    def get_lr(self) -> list[float]:
        if self._is_initial:
            return self._rates()
        return [rate * factor for rate, factor in zip(self._rates(), self._factors(), strict=True)]
