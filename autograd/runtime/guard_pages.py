"""Guard pages: kernels run on copies of their arrays between protected pages, for tests (environment: PULLBACK_CHECK).

Each launch gets copies that are exactly as long as the kernel has declared. One that reads or writes beyond them ends
the process with a segmentation fault, and a traceback that shows what was launched.
"""

from __future__ import annotations

import ctypes
import faulthandler
import itertools
import mmap
import sys
from array import array
from collections.abc import Callable, Sequence
from typing import Any

from .arguments import CHECK, Pointer

__all__ = ["guarded"]

_PAGE = mmap.PAGESIZE
_turns = itertools.count()
_moved: Any = ctypes.memmove


class _Copy:
    """A copy of some bytes that ends, or begins, where a guard page does."""

    def __init__(self, begin: int, size: int, at_end: bool) -> None:
        self.begin, self.size = begin, size
        pages = -(-size // _PAGE) * _PAGE
        self.memory = mmap.mmap(-1, pages + 2 * _PAGE)
        start = ctypes.addressof(ctypes.c_char.from_buffer(self.memory))
        protect = ctypes.CDLL(None, use_errno=True).mprotect
        protect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
        for page in (start, start + _PAGE + pages):
            if protect(page, _PAGE, 0):
                raise OSError(ctypes.get_errno(), "mprotect")
        self.at = start + _PAGE + (pages - size if at_end else 0)


def guarded(
    name: str, given: bytes, spans: Sequence[tuple[int, int, int, int, Pointer]], launch: Callable[[bytes], Any]
) -> None:
    """Launch a kernel with the addresses of guarded copies in place of its arrays', and copy back what it wrote."""
    if not faulthandler.is_enabled():
        faulthandler.enable()
    if CHECK > 1:
        print(name, file=sys.stderr, flush=True)
    turn, copies, integers = next(_turns), [], array("q", given)
    for position, at, begin, end, pointer in spans:
        copy = _Copy(begin, end - begin, (turn + position) % 2 == 0)
        copies.append((copy, pointer.written and not pointer.apart))
        if pointer.apart:  # scratch memory: what lies in it must not matter
            ctypes.memset(copy.at, 0xFF, copy.size)
        else:
            _moved(copy.at, begin, copy.size)
        integers[position] = copy.at + (at - begin)
    launch(integers.tobytes())
    for copy, back in copies:
        if back:
            _moved(copy.begin, copy.at, copy.size)
