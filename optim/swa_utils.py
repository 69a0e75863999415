"""Averages of a model's weights over the training: stochastic weight averaging and exponential moving averages."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from copy import deepcopy
from itertools import chain
from typing import Any

import numpy as np

from ..autograd import Tensor, asarray, no_grad
from ..extend import ArrayLike, fused_each, performed, writable
from ..nn import BatchNorm1d, BatchNorm2d, BatchNorm3d, Module
from .lr_scheduler.base import HasGroups, LRScheduler, checked, per_group
from .optimizer import put, reals

__all__ = [
    "AveragedModel", "SWALR", "get_ema_avg_fn", "get_ema_multi_avg_fn", "get_swa_avg_fn", "get_swa_multi_avg_fn",
    "update_bn",
]  # fmt: skip

Average = Callable[[Tensor, Tensor, Tensor], ArrayLike | Tensor]
Averages = Callable[[Sequence[Tensor], Sequence[Tensor], Tensor], object]
_NOTHING = object()


def get_ema_avg_fn(decay: float = 0.999) -> Average:
    """Return decay * averaged + (1 - decay) * current, as a function for `AveragedModel(avg_fn=...)`.

    ValueError unless decay is in [0, 1].

    >>> get_ema_avg_fn(0.75)(Tensor([4.0]), Tensor([8.0]), Tensor(1))
    Tensor([5.])
    """
    _check_decay("get_ema_avg_fn", decay)
    return lambda averaged, current, num_averaged: decay * averaged + (1 - decay) * current


def get_swa_avg_fn() -> Average:
    """Return the mean of all so far, averaged + (current - averaged) / (num_averaged + 1), as a function.

    >>> get_swa_avg_fn()(Tensor([4.0]), Tensor([8.0]), Tensor(3))
    Tensor([5.])
    """
    return lambda averaged, current, num_averaged: averaged + (current - averaged) / (num_averaged + 1)


def get_ema_multi_avg_fn(decay: float = 0.999) -> Averages:
    """Return `get_ema_avg_fn` for lists, the first of which it changes in place: for `AveragedModel(multi_avg_fn=...)`.

    >>> average = Tensor([4.0])
    >>> get_ema_multi_avg_fn(0.75)([average], [Tensor([8.0])], Tensor(1))
    >>> average
    Tensor([5.])
    """
    _check_decay("get_ema_multi_avg_fn", decay)

    def update(averaged: Sequence[Tensor], current: Sequence[Tensor], num_averaged: Tensor) -> None:
        _approach(averaged, current, 1 - decay)

    return update


def get_swa_multi_avg_fn() -> Averages:
    """Return `get_swa_avg_fn` for lists, the first of which it changes in place: for `AveragedModel(multi_avg_fn=...)`.

    >>> average = Tensor([4.0])
    >>> get_swa_multi_avg_fn()([average], [Tensor([8.0])], Tensor(3))
    >>> average
    Tensor([5.])
    """

    def update(averaged: Sequence[Tensor], current: Sequence[Tensor], num_averaged: Tensor) -> None:
        _approach(averaged, current, 1 / (asarray(num_averaged).item() + 1))

    return update


def _check_decay(name: str, decay: float) -> None:
    if not 0 <= decay <= 1:
        raise ValueError(f"{name}: decay must be between 0 and 1, but is {decay}")


def _approach(averaged: Sequence[Tensor], current: Sequence[Tensor], weight: float) -> None:
    """Move averages towards the current values by a share of the way."""
    alike, sets = [], []
    for own, new in zip(averaged, current, strict=True):
        dtype = own.dtype
        if dtype == new.dtype and dtype.kind in "fc" and dtype != np.float16:
            data = writable(own)
            alike.append((own, data))
            sets.append(reals([data, new._held]))
        else:
            wide = np.promote_types(dtype, np.float32)
            (value,) = _moved(own.numpy().astype(wide), new.numpy().astype(wide), weight)
            own.data = np.asarray(value).astype(dtype)
    fused_each(_moved, 1, sets, weight=float(weight))
    for own, data in alike:
        put(own, data, data)


def _moved(a: Any, b: Any, weight: Any) -> Any:
    a += weight * (b - a)
    return (a,)


class AveragedModel(Module):
    """A copy of a model, in `module`, whose parameters `update_parameters(model)` makes averages of the model's.

    They are means of all updates (SWA), unless `avg_fn(averaged, current, num_averaged)` returns each average or
    `multi_avg_fn(averaged, current, num_averaged)` changes lists of them, of one dtype each, in place. The first update
    copies. With `use_buffers` buffers are averaged, too (integers are cut off), without they are copied: after the last
    update let `update_bn` compute running statistics anew. ValueError where both functions are given, and for a model
    with parameters or buffers of other shapes. Source: Izmailov et al., Averaging weights leads to wider optima, 2018.

    >>> from pullback import nn
    >>> model = nn.Linear(1, 1)
    >>> average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.75))
    >>> for value in (4.0, 8.0):
    ...     model.weight.data = np.array([[value]], np.float32)
    ...     average.update_parameters(model)
    >>> average.module.weight.tolist(), average.n_averaged.item()
    ([[5.0]], 2)
    """

    n_averaged: Tensor

    def __init__(
        self,
        model: Module,
        device: str | None = None,
        avg_fn: Average | None = None,
        multi_avg_fn: Averages | None = None,
        use_buffers: bool = False,
    ) -> None:
        super().__init__()
        if avg_fn is not None and multi_avg_fn is not None:
            raise ValueError("AveragedModel: avg_fn and multi_avg_fn given; give one of them")
        self.module = deepcopy(model) if device is None else deepcopy(model).to(device)
        self.register_buffer("n_averaged", Tensor(np.int64(0)))
        self.avg_fn, self.multi_avg_fn, self.use_buffers = avg_fn, multi_avg_fn, use_buffers

    def forward(self, *args: object, **kwargs: object) -> Any:
        return self.module(*args, **kwargs)

    def update_parameters(self, model: Module) -> None:
        """Take the model's present parameters into the averages."""
        moved = [*self.module.parameters(), *self.module.buffers(), self.n_averaged]
        if performed("AveragedModel.update_parameters", lambda: self.update_parameters(model), moved):
            return
        parameters = _pairs("parameters", self.module.parameters(), model.parameters())
        buffers = _pairs("buffers", self.module.buffers(), model.buffers())
        averaged, copied = ([*parameters, *buffers], []) if self.use_buffers else (parameters, buffers)
        with no_grad():
            if self.n_averaged.item() == 0:
                averaged, copied = [], [*averaged, *copied]
            for own, current in copied:
                own.data = current.numpy().astype(own.dtype)
            self._average(averaged)
            self.n_averaged += 1

    def _average(self, pairs: list[tuple[Tensor, Tensor]]) -> None:
        if self.avg_fn is not None:
            for own, current in pairs:
                value = self.avg_fn(own.detach(), current.detach(), self.n_averaged)
                own.data = asarray(value).numpy().astype(own.dtype)
            return
        update = self.multi_avg_fn or get_swa_multi_avg_fn()
        for dtype in dict.fromkeys(own.dtype for own, _ in pairs):
            of_dtype = [pair for pair in pairs if pair[0].dtype == dtype]
            update([own for own, _ in of_dtype], [current for _, current in of_dtype], self.n_averaged)


def _pairs(what: str, own: Iterable[Tensor], current: Iterable[Tensor]) -> list[tuple[Tensor, Tensor]]:
    ours, theirs = list(own), list(current)
    shapes, given = [x.shape for x in ours], [x.shape for x in theirs]
    if shapes != given:
        raise ValueError(f"AveragedModel: {what} of shapes {given} given for averages of shapes {shapes}")
    return list(zip(ours, theirs, strict=True))


def update_bn(loader: Iterable[object], model: Module, device: str | None = None) -> None:
    """Compute the running statistics of all BatchNorm layers anew, as means over the batches of a loader.

    Of a batch that is a tuple or list the first part is the model's input. Modes and momenta are as before afterwards.
    ValueError, and nothing changed, where there is a BatchNorm layer and the loader gives no batch.

    >>> from pullback import nn
    >>> model = nn.BatchNorm1d(1)
    >>> update_bn([np.float32([[1.0], [3.0]]), np.float32([[5.0], [7.0]])], model)
    >>> model.running_mean
    Tensor([4.], dtype=float32)
    """
    kinds = (BatchNorm1d, BatchNorm2d, BatchNorm3d)
    momenta = {module: module.momentum for module in model.modules() if isinstance(module, kinds)}
    if not momenta:
        return
    batches = iter(loader)
    first = next(batches, _NOTHING)
    if first is _NOTHING:
        raise ValueError("update_bn: the loader gives no batch")
    modes = {module: module.training for module in model.modules()}
    model.train()
    try:
        for module in momenta:
            module.reset_running_stats()
            module.momentum = None
        with no_grad():
            for batch in chain([first], batches):
                input = batch[0] if isinstance(batch, (tuple, list)) else batch
                model(input if device is None else asarray(input, device=device))  # type: ignore[arg-type]
    finally:
        for module, momentum in momenta.items():
            module.momentum = momentum
        for each, training in modes.items():
            each.training = training


class SWALR(LRScheduler):
    """The rates from what they are to `swa_lr` (a number, or a list with one for each group), which then stay.

    It takes `anneal_epochs` epochs, along half a cosine ("cos") or a line ("linear"). ValueError for another
    `anneal_strategy`, epochs that are no integer of at least 0, and a list of another length than there are groups.

    >>> from pullback import optim
    >>> optimizer = optim.SGD([Tensor([1.0], requires_grad=True)], lr=1.0)
    >>> scheduler = SWALR(optimizer, swa_lr=0.5, anneal_epochs=2, anneal_strategy="linear")
    >>> for _ in range(3):
    ...     optimizer.step()
    ...     scheduler.step()
    ...     print(scheduler.get_last_lr())
    [0.75]
    [0.5]
    [0.5]
    """

    def __init__(
        self,
        optimizer: HasGroups,
        swa_lr: float | Sequence[float],
        anneal_epochs: int = 10,
        anneal_strategy: str = "cos",
        last_epoch: int = -1,
    ) -> None:
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(f"{self._name}: anneal_strategy={anneal_strategy!r}; expected 'cos' or 'linear'")
        if not isinstance(anneal_epochs, int) or anneal_epochs < 0:
            raise ValueError(f"{self._name}: anneal_epochs must be an integer of at least 0, not {anneal_epochs!r}")
        rates = per_group(self._name, "swa_lr", swa_lr, checked(optimizer, self._name))
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["swa_lr"] = rate
        self.anneal_epochs, self._anneal_strategy = anneal_epochs, anneal_strategy
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        step = self._step_count - 1 if self.anneal_epochs else max(1, self._step_count - 1)
        before, now = self._done(step - 1), self._done(step)
        rates = []
        for rate, group in zip(self._rates(), self.optimizer.param_groups, strict=True):
            goal = group["swa_lr"]
            start = goal if before == 1 else (rate - before * goal) / (1 - before)
            rates.append(now * goal + (1 - now) * start)
        return rates

    def _done(self, step: int) -> float:
        """The share of the way from the first rates after some steps."""
        part = max(0.0, min(1.0, step / max(1, self.anneal_epochs)))
        return (1 - math.cos(math.pi * part)) / 2 if self._anneal_strategy == "cos" else part
