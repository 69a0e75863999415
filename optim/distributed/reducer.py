"""Gradients averaged over processes, in buckets, while the backward pass goes on."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...autograd import Tensor
from ...extend import Array, Communicator, Pending, at_end, writable
from .compression import Compression, Compressor

__all__ = ["Reducer"]

_FIRST = 1.0  # megabytes of the first bucket, which is to leave soon


class Bucket:
    """Parameters whose gradients travel together: these, one after another, and for each a 1 if there is one."""

    def __init__(self, numbers: list[int], parameters: Sequence[Tensor], compressor: Compressor | None) -> None:
        self.numbers, self.parameters, self.compressor = numbers, [parameters[i] for i in numbers], compressor
        self.ends = np.cumsum([p.size for p in self.parameters]).tolist()
        self.buffer: Array = np.empty(self.ends[-1] + len(numbers), self.parameters[0].dtype)
        self.missing = len(numbers)

    def launch(self, communicator: Communicator) -> Pending:
        """Begin to sum what there is."""
        for p, part, i in zip(self.parameters, self.parts(), range(self.ends[-1], len(self.buffer)), strict=True):
            grad = p.grad
            part[...] = 0 if grad is None else grad._held
            self.buffer[i] = grad is not None
        if self.compressor is None:
            return communicator.iallreduce(self.buffer)
        return self.compressor.begin(self.buffer)

    def parts(self) -> list[Array]:
        """The buffer's entries for each parameter, in its shape."""
        starts = [0, *self.ends]
        return [self.buffer[i:j].reshape(p.shape) for i, j, p in zip(starts, self.ends, self.parameters, strict=False)]

    def give(self, sums: Array, size: int) -> None:
        """Put the means of the sums into `grad`, but where no process has a gradient."""
        if sums is not self.buffer:
            self.buffer[...] = sums
        self.buffer[: self.ends[-1]] /= size
        for p, part, there in zip(self.parameters, self.parts(), self.buffer[self.ends[-1] :], strict=True):
            if there:
                _give(p, part)
        self.missing = len(self.numbers)


def _give(p: Tensor, mean: Array) -> None:
    grad = p.grad
    if grad is None or not grad.ndim or grad.requires_grad:
        p.grad = Tensor(mean)
    else:
        writable(grad)[...] = mean


class Reducer:
    """Averages the gradients of parameters over processes in each backward pass, while it is `enabled`.

    A bucket leaves as soon as its last gradient is there and those before it have left; at the end of the pass all
    others do, and the means come into `grad`. Which parameters are in a bucket follows from the order in which they
    are complete in the first pass of process 0, whose buckets leave at its end.
    """

    def __init__(
        self,
        parameters: Sequence[Tensor],
        communicator: Communicator,
        bucket_cap_mb: float | None = None,
        compression: Compression | None = None,
    ) -> None:
        self.parameters, self.enabled = list(parameters), True
        self.communicator = communicator.duplicate()
        self._caps = (_FIRST, 25.0) if bucket_cap_mb is None else (bucket_cap_mb, bucket_cap_mb)
        self._compression = compression
        self.buckets: list[Bucket] = []
        self._bucket_of: dict[int, Bucket] = {}
        self._arrived: list[int] = []
        self._launched: list[Pending] = []
        own = weakref.WeakMethod(self._complete)
        self._handles = [p.register_post_accumulate_grad_hook(_telling(own, i)) for i, p in enumerate(self.parameters)]

    def expect(self) -> None:
        """Average at the end of the pass that runs, also where no gradient comes in it; for hooks."""
        if self.enabled:
            at_end(self._finish)

    def _complete(self, i: int) -> None:
        """The gradient of a parameter is there."""
        if not self.enabled:
            return
        self.expect()
        self._arrived.append(i)
        if self.buckets:
            self._bucket_of[i].missing -= 1
            while (n := len(self._launched)) < len(self.buckets) and not self.buckets[n].missing:
                self._launch()
        for pending in self._launched:
            pending.test()  # MPI moves on while it is called

    def _launch(self) -> None:
        self._launched.append(self.buckets[len(self._launched)].launch(self.communicator))

    def _finish(self) -> None:
        """The pass is over."""
        if not self.buckets:
            self._build()
        while len(self._launched) < len(self.buckets):
            self._launch()
        launched, self._launched, self._arrived = self._launched, [], []
        for bucket, pending in zip(self.buckets, launched, strict=True):
            bucket.give(pending.wait(), self.communicator.size)

    def _build(self) -> None:
        """Make the buckets, all processes the same ones."""
        unused = set(range(len(self.parameters))) - set(self._arrived)
        order = self.communicator.broadcast_object([*self._arrived, *sorted(unused, reverse=True)])
        filling: dict[Any, list[int]] = {}
        groups: list[list[int]] = []
        for i in order:
            p = self.parameters[i]
            group = filling.setdefault(p.dtype, [])
            group.append(i)
            if sum(self.parameters[j]._held.nbytes for j in group) >= self._caps[bool(groups)] * 2**20:
                groups.append(filling.pop(p.dtype))
        groups += filling.values()
        for group in groups:
            compressor = None if self._compression is None else Compressor(self._compression, self.communicator)
            self.buckets.append(Bucket(group, self.parameters, compressor))
        self._bucket_of = {i: bucket for bucket in self.buckets for i in bucket.numbers}


def _telling(complete: Any, i: int) -> Any:
    """A hook that keeps no reducer alive."""

    def hook(leaf: Tensor) -> None:
        method = complete()
        if method is not None:
            method(i)

    return hook
