"""What a training loop has of the processes beside its own: batches in step, sums over all, and decisions."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from ..autograd import Tensor
from ..extend import Communicator
from ..nn import Module
from .distributed.data_parallel import DistributedDataParallel
from .running import Running

__all__ = ["Together"]

_log = logging.getLogger("pullback")


class Together:
    """The processes that train a model together, each on batches of its own; where there is one, all is as without."""

    def __init__(self, communicator: Communicator | None) -> None:
        self.communicator = Communicator() if communicator is None else communicator
        self._wrapped: DistributedDataParallel | None = None
        self._weight: float | None = None  # of this process's loss in the mean over all samples; None where all are 1

    @property
    def first(self) -> bool:
        """Whether this is the process that prints and writes."""
        return self.communicator.rank == 0

    @property
    def several(self) -> bool:
        """Whether there are others."""
        return self.communicator.size > 1

    def warn(self, text: str, *details: object) -> None:
        """Log a warning, once."""
        if self.first:
            _log.warning(text, *details)

    def wrapped(self, model: Module) -> Module:
        """The model as it is trained: its gradients become means over all processes."""
        if not self.several:
            return model
        if self._wrapped is None or self._wrapped.module is not model:
            self._wrapped = DistributedDataParallel(model, process_group=self.communicator)
        return self._wrapped

    def align(self, model: Module) -> None:
        """Give the buffers of the first process to all; the parameters are the same."""
        wrapped = self.wrapped(model)
        if isinstance(wrapped, DistributedDataParallel):
            wrapped.align_buffers()

    def in_step(self, batches: Iterable[Any], epoch: int) -> Iterator[Any]:
        """Yield the batches while all processes have one; ValueError, in all, where only some do."""
        source = iter(batches)
        while True:
            batch = next(source, None)
            if self.several:
                samples = 0 if batch is None else len(batch[-1])
                there, total = self.communicator.allreduce(np.array([batch is not None, samples]))
                if 0 < there < self.communicator.size:
                    what = "has ended" if batch is None else "goes on"
                    raise ValueError(
                        f"fit: in epoch {epoch} the loader of process {self.communicator.rank} {what}, while not all "
                        "do; give all as many batches, as DistributedSampler does"
                    )
                weight = samples * self.communicator.size / max(total, 1)
                self._weight = None if weight == 1 else weight
            if batch is None:
                return
            yield batch

    def backward(self, loss: Tensor) -> None:
        """Pull back from the loss of this process's batch, as it counts in the mean over all samples."""
        loss.backward(None if self._weight is None else Tensor(self._weight, dtype=loss.dtype))

    def mean(self, loss: Tensor) -> Tensor:
        """The loss over the batches of all processes."""
        if not self.several:
            return loss
        own = np.array(loss.item() * (1 if self._weight is None else self._weight))
        return Tensor(self.communicator.allreduce(own) / self.communicator.size, dtype=loss.dtype)

    def any(self, *flags: bool) -> list[bool]:
        """Which of some flags are set in any process."""
        if not self.several:
            return list(flags)
        return [bool(flag) for flag in self.communicator.allreduce(np.array(flags, np.int64), "max")]

    def merged(self, running: Running) -> Running:
        """The sums over all processes."""
        if not self.several:
            return running
        names = ("samples", "loss", "labels", "right", "skipped")
        sums = self.communicator.allreduce(np.array([getattr(running, name) for name in names], np.float64))
        values = {name: type(getattr(running, name))(value) for name, value in zip(names, sums, strict=True)}
        return Running(**values)
