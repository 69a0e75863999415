"""Large work in parts, spread over threads.

How work falls into parts does not depend on the number of threads, and neither does the order in which what the parts
give is added, so that results are the same to the bit. Within the parts BLAS runs on one thread; setting it so takes
threadpoolctl (extra `threads`), without which there is one thread here, too, until `set_num_threads` says otherwise.
"""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from functools import cache
from numbers import Integral
from typing import Any

__all__ = ["get_num_threads", "set_num_threads"]

_WORTH = 1 << 20  # numbers for which it pays to wake a thread, about a millisecond's work


@cache
def _blas() -> Any:
    """The BLAS libraries that are loaded, whose number of threads can be set, or None."""
    try:
        from threadpoolctl import ThreadpoolController
    except ImportError:
        return None
    return ThreadpoolController().select(user_api="blas").lib_controllers


class _State:
    """The threads that there are; while a `with` is under way, BLAS has one (its own would wait by turning in circles,
    and take the CPUs from those here)."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.count: int | None = None
        self.pool: ThreadPoolExecutor | None = None
        self.running = 0
        self.limited: list[tuple[Any, int]] = []

    def __enter__(self) -> None:
        with self.lock:
            self.running += 1
            if self.running == 1:
                self.limited = [(blas, n) for blas in _blas() or () if (n := blas.get_num_threads()) != 1]
                for blas, _ in self.limited:
                    blas.set_num_threads(1)

    def __exit__(self, *_: Any) -> None:
        with self.lock:
            self.running -= 1
            if not self.running:
                for blas, n in self.limited:
                    blas.set_num_threads(n)


_state = one_blas_thread = _State()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_state.__init__)  # type: ignore[misc]  # a child has none of the threads


def get_num_threads() -> int:
    """The number of threads over which operations spread large work.

    At first OMP_NUM_THREADS, or else the number of CPUs.
    """
    if _state.count is None:
        cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        _state.count = int(os.environ.get("OMP_NUM_THREADS") or cpus) if _blas() is not None else 1
    return _state.count


def set_num_threads(count: int) -> None:
    """Spread large work over this many threads from now on; results are the same to the bit for any number.

    >>> before = get_num_threads()
    >>> set_num_threads(2)
    >>> get_num_threads()
    2
    >>> set_num_threads(before)
    """
    if not isinstance(count, Integral) or count < 1:
        raise ValueError(f"set_num_threads: expected a positive integer, not {count!r}")
    with _state.lock:
        _state.count, old, _state.pool = int(count), _state.pool, None
    if old is not None:
        old.shutdown(wait=False)


class _Turns:
    """The parts, each given to the thread that asks next."""

    def __init__(self, parts: Sequence[Any]) -> None:
        self.parts, self.lock = iter(parts), threading.Lock()

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        with self.lock:
            return next(self.parts)


def spread(work: Callable[[Iterator[Any]], None], parts: Sequence[Any], size: float = math.inf) -> None:
    """Let several threads run `work`, which does what an iterator of parts gives it, on all the parts together.

    `size` is about how many numbers go in or out, a product being a 64th: one thread is enough for small work.
    """
    if len(parts) < 2:
        work(iter(parts))
        return
    with _state:
        turns, count = _Turns(parts), min(get_num_threads(), len(parts)) if size >= _WORTH else 1
        with _state.lock:
            if _state.pool is None and count > 1:
                _state.pool = ThreadPoolExecutor(get_num_threads() - 1, "pullback")
            helpers = [_state.pool.submit(work, turns) for _ in range(count - 1)] if _state.pool and count > 1 else []
        try:
            work(turns)
        finally:
            list(turns)  # after an error the helpers are to stop, too
            wait(helpers)
        for helper in helpers:
            helper.result()


def each(body: Callable[[Any], Any], parts: Sequence[Any], size: float = math.inf) -> None:
    """Run `body` on each of the parts, in several threads if the size of the work is worth it (see `spread`)."""

    def work(turns: Iterator[Any]) -> None:
        for part in turns:
            body(part)

    spread(work, parts, size)
