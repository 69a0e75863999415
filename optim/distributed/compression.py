"""Sums over processes that travel as 16-bit numbers."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from ...extend import Array, Communicator, Pending

__all__ = ["Compression", "Compressor"]

Compression = Literal["float16", "bfloat16"]


class Compressor:
    """Sums of one buffer after another, sent as float16 or bfloat16: half of what float32 takes.

    What rounding takes away is kept, and added to the buffer that comes next (error feedback), so that it is late and
    not lost. Each process sums one part, in the buffer's own dtype, and sends the rounded sum to all: so all have the
    same. Source: Seide et al., 1-bit stochastic gradient descent and its application to data-parallel distributed
    training of speech DNNs, 2014; Karimireddy et al., Error feedback fixes SignSGD, 2019.
    """

    def __init__(self, kind: Compression, communicator: Communicator) -> None:
        if kind not in ("float16", "bfloat16"):
            raise ValueError(f"compression must be 'float16', 'bfloat16' or None, not {kind!r}")
        self.kind, self.communicator = kind, communicator
        self._own: Any = 0.0  # what was taken from this process's buffers
        self._sum: Any = 0.0  # and from the part that it sums

    def begin(self, buffer: Array) -> Pending:
        """Begin to sum a buffer; `wait()` gives a new array. TypeError for complex numbers."""
        if buffer.dtype.kind != "f":
            raise TypeError(f"compression: gradients of {buffer.dtype} cannot be sent as {self.kind}")
        size = self.communicator.size
        exact = np.zeros(-(-len(buffer) // size) * size, buffer.dtype)
        exact[: len(buffer)] = buffer
        exact += self._own
        sent = encode(exact, self.kind)
        self._own = exact - decode(sent, self.kind, buffer.dtype)
        return _Compressed(self, self.communicator.iexchange(sent.reshape(size, -1)), buffer)

    def summed(self, parts: Array, buffer: Array) -> Array:
        """Sum the parts that have come, and gather the sums of all processes."""
        exact = decode(parts, self.kind, buffer.dtype).sum(0) + self._sum
        sent = encode(exact, self.kind)
        self._sum = exact - decode(sent, self.kind, buffer.dtype)
        gathered = self.communicator.iallgather(sent).wait()
        return decode(gathered.reshape(-1), self.kind, buffer.dtype)[: len(buffer)]


class _Compressed(Pending):
    """The first half is on its way; the second one begins when it is waited for, in the same order in all processes."""

    def __init__(self, compressor: Compressor, exchange: Pending, buffer: Array) -> None:
        super().__init__(buffer)
        self._compressor, self._exchange = compressor, exchange

    def test(self) -> bool:
        return self._exchange.test() and False

    def wait(self) -> Array:
        return self._compressor.summed(self._exchange.wait(), self._result)


def encode(values: Array, kind: Compression) -> Array:
    """Floats rounded to float16, or to bfloat16, as 16-bit integers; ties go to even ones.

    >>> decode(encode(np.array([1.0, 3.1415927], np.float32), "bfloat16"), "bfloat16", np.float32)
    array([1.      , 3.140625], dtype=float32)
    """
    if kind == "float16":
        with np.errstate(over="ignore"):
            return values.astype(np.float16).view(np.uint16)
    bits = values.astype(np.float32).view(np.uint32)
    rounded = ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)
    return np.where(np.isnan(values), np.uint16(0x7FC0), rounded)


def decode(bits: Array, kind: Compression, dtype: Any) -> Array:
    """What `encode` made, as floats of a dtype."""
    if kind == "float16":
        return bits.view(np.float16).astype(dtype)
    return (bits.astype(np.uint32) << 16).view(np.float32).astype(dtype)
