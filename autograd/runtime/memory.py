"""Large arrays in memory that is used again as soon as nothing holds it.

The operating system hands out fresh memory page by page, each at the cost of a page fault; for large elementwise work
that is more than the arithmetic. A training step wants the same sizes again and again.

Smaller arrays lie in malloc's heap, at the end of which glibc keeps as much free memory as twice the largest block that
it ever mapped and gave back (128 KiB at first, 64 MiB at most). It is shown a large one, or else each step would end
with giving memory back that the next one faults in again.
"""

from __future__ import annotations

import math
import sys
import threading
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from .arguments import address

LARGE = 1 << 20  # bytes; smaller arrays come from memory that the process has already
PAGE = 1 << 21  # bytes of a large page; from two of them on NumPy asks the operating system for such pages
_IDLE = 1 << 28  # bytes that are kept at most while nothing holds them

np.empty((1 << 25) - PAGE, np.uint8)  # given back at once, untouched; 32 MiB are the most that glibc learns from


class _Pool(threading.local):
    def __init__(self) -> None:
        self.blocks: dict[int, list[Any]] = {}  # by their size

    def holds(self, array: Any) -> bool:
        return any(array is block for blocks in self.blocks.values() for block in blocks)

    def shrink(self) -> None:
        """Give up blocks that are free, beyond what may be idle."""
        idle = 0
        for size, blocks in self.blocks.items():
            for i in reversed(range(len(blocks))):
                if sys.getrefcount(blocks[i]) == 2:  # the pool and the argument
                    idle += size
                    if idle > _IDLE:
                        del blocks[i]
        self.blocks = {size: blocks for size, blocks in self.blocks.items() if blocks}


_pool = _Pool()


def empty(shape: tuple[int, ...], dtype: DTypeLike) -> np.ndarray[Any, Any]:
    """As `numpy.empty`. A large array, and every view of it, holds the block of this thread's pool in which it lies;
    a block that only the pool holds is free."""
    size = math.prod(shape) * np.dtype(dtype).itemsize
    if size < LARGE:
        return np.empty(shape, dtype)
    aligned = size >= PAGE
    room = size + PAGE if aligned else size
    blocks: Any = _pool.blocks.get(room, ())
    for i in range(len(blocks)):
        if sys.getrefcount(blocks[i]) == 2:
            block = blocks[i]
            break
    else:
        _pool.shrink()
        block = np.empty(room, np.uint8)
        _pool.blocks.setdefault(room, []).append(block)
    return np.ndarray(shape, dtype, block, -address(block) % PAGE if aligned else 0)


def used(owner: Any) -> int:
    """The bytes of an array that owns its memory, or, of a block of this thread's pool, those that were asked for."""
    more = PAGE if owner.nbytes >= 2 * PAGE and _pool.holds(owner) else 0
    return owner.nbytes - more


def holders(array: Any) -> int:
    """How many references there are to the base of an array, this thread's pool not counted."""
    return sys.getrefcount(array.base) - 1 - _pool.holds(array.base)


def owned(array: Any) -> bool:
    """Whether an array has memory for itself alone: its own, or all of a base (as a block of this thread's pool is)."""
    if array.base is None:
        return True
    alone = array.flags.c_contiguous and array.flags.writeable and holders(array) == 1
    return alone and array.base.__class__ is np.ndarray and array.nbytes == used(array.base)


def parts(shape: tuple[int, ...]) -> list[slice]:
    """Ranges of the first axis that fit the nearest cache, for several operations on each."""
    step = max(1, LARGE // 16 // max(1, math.prod(shape[1:])))
    return [slice(i, i + step) for i in range(0, shape[0], step)]
