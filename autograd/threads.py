"""Large work in parts, spread over threads.

How work falls into parts does not depend on the number of threads, and neither does the order in which what the parts
give is added, so that results are the same to the bit. Within the parts BLAS runs on one thread; setting it so takes
threadpoolctl (extra `threads`), without which there is one thread here, too, until `set_num_threads` says otherwise.

The threads besides the caller's own are helpers: whoever is first to have large work has them all, for as long as it
lasts; who comes meanwhile, also from within a part, works alone. Nobody waits for a helper that is slow to wake up.
"""

from __future__ import annotations

import atexit
import math
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from numbers import Integral
from queue import SimpleQueue
from typing import Any

__all__ = ["get_num_threads", "set_num_threads"]

MOST = 1 << 10  # threads
WORTH = 1 << 20  # numbers for which it pays to wake a thread, about a millisecond's work


@cache
def _blas() -> Any:
    """The BLAS libraries that are loaded, whose number of threads can be set, or None."""
    try:
        from threadpoolctl import ThreadpoolController
    except ImportError:
        return None
    return ThreadpoolController().select(user_api="blas").lib_controllers


class _OneBlasThread:
    """While a `with` is under way, BLAS has one thread (its own would wait by turning in circles, and take the CPUs
    from those here)."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
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


class Helper:
    """A thread that does what it is given, and then `idle` before it sleeps."""

    idle: Callable[[Helper], None] | None = None  # machine code, that looks out for more of its kind for a moment
    called: Callable[[Helper], None] | None = None  # ends that

    def __init__(self, number: int) -> None:
        self.number, self.awake = number, False
        self.tasks: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self.thread = threading.Thread(target=self._serve, name=f"pullback-{number}", daemon=True)
        self.thread.start()

    def give(self, task: Callable[[], None] | None) -> None:
        """Something to do; None ends the thread."""
        self.awake = True
        self.tasks.put(task)
        if Helper.called:
            Helper.called(self)

    def _serve(self) -> None:
        while task := self.tasks.get():
            task()
            if Helper.idle:
                Helper.idle(self)
            self.awake = not self.tasks.empty()


class Team:
    """The helpers, and the lock that one who has work for them holds."""

    def __init__(self) -> None:
        self.lock, self.helpers = threading.Lock(), list[Helper]()

    def gathered(self, count: int) -> Sequence[Helper]:
        """All helpers but for the caller, if work for so many threads may have them; `lock` is then to be released."""
        if count < 2 or not self.lock.acquire(blocking=False):
            return ()
        threads = min(get_num_threads(), MOST)
        if len(self.helpers) != threads - 1:
            self.dismiss()
            self.helpers = [Helper(i) for i in range(1, threads)]
        return self.helpers[: count - 1]

    def dismiss(self) -> None:
        for helper in self.helpers:
            helper.give(None)
        for helper in self.helpers:
            helper.thread.join()
        self.helpers = []

    def close(self) -> None:
        """No helpers from now on, as the process ends: machine code may go while they look out for it."""
        self.lock.acquire(timeout=1)
        self.dismiss()


team, one_blas_thread = Team(), _OneBlasThread()
_count: int | None = None


def _forget() -> None:
    """In a forked child there are no threads but one."""
    team.__init__()  # type: ignore[misc]
    one_blas_thread.__init__()  # type: ignore[misc]


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
atexit.register(team.close)


def get_num_threads() -> int:
    """The number of threads over which operations spread large work.

    At first OMP_NUM_THREADS, or else the number of CPUs.
    """
    global _count
    if _count is None:
        cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        _count = int(os.environ.get("OMP_NUM_THREADS") or cpus) if _blas() is not None else 1
    return _count


def set_num_threads(count: int) -> None:
    """Spread large work over this many threads from now on; results are the same to the bit for any number.

    >>> before = get_num_threads()
    >>> set_num_threads(2)
    >>> get_num_threads()
    2
    >>> set_num_threads(before)
    """
    global _count
    if not isinstance(count, Integral) or count < 1:
        raise ValueError(f"set_num_threads: expected a positive integer, not {count!r}")
    _count = int(count)


class _Job:
    """The parts, each given to the thread that asks next, and the helpers that are at work on them."""

    def __init__(self, work: Callable[[Iterator[Any]], None], parts: Sequence[Any]) -> None:
        self.work, self.parts, self.lock = work, iter(parts), threading.Lock()
        self.busy, self.open = 0, True
        self.error: BaseException | None = None
        self.last = threading.Lock()

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        with self.lock:
            return next(self.parts)

    def join(self) -> None:
        """What a helper does."""
        with self.lock:
            if not self.open:
                return
            self.busy += 1
        try:
            self.work(self)
        except BaseException as error:
            self.error = error
        with self.lock:
            self.busy -= 1
            if not self.open and not self.busy:
                self.last.release()

    def close(self) -> None:
        """Leave no part, and wait for the helpers that are at work."""
        list(self)  # after an error the helpers are to stop, too
        self.last.acquire()
        with self.lock:
            self.open = False
            if not self.busy:
                return
        self.last.acquire()


def spread(work: Callable[[Iterator[Any]], None], parts: Sequence[Any], size: float = math.inf) -> None:
    """Let several threads run `work`, which does what an iterator of parts gives it, on all the parts together.

    `size` is about how many numbers go in or out, a product being a 64th: one thread is enough for small work.
    """
    if len(parts) < 2:
        work(iter(parts))
        return
    with one_blas_thread:
        helpers = team.gathered(min(get_num_threads(), len(parts))) if size >= WORTH else ()
        if not helpers:
            work(iter(parts))
            return
        job = _Job(work, parts)
        try:
            for helper in helpers:
                helper.give(job.join)
            try:
                work(job)
            finally:
                job.close()
        finally:
            team.lock.release()
        if job.error:
            raise job.error


def each(body: Callable[[Any], Any], parts: Sequence[Any], size: float = math.inf) -> None:
    """Run `body` on each of the parts, in several threads if the size of the work is worth it (see `spread`)."""

    def work(turns: Iterator[Any]) -> None:
        for part in turns:
            body(part)

    spread(work, parts, size)
