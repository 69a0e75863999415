"""Large work in parts, spread over threads.

How work falls into parts does not depend on the number of threads, and neither does the order in which what the parts
give is added, so that results are the same to the bit. Within the parts BLAS runs on one thread; setting it so takes
threadpoolctl (extra `threads`), without which there is one thread here, too, until `set_num_threads` says otherwise.

Beside the caller's own thread there is a pool of workers: the first caller with large work has them all
until it is done; others work alone meanwhile, also from within a part. Nobody waits for a worker that is slow to wake.

Ctrl-C raises KeyboardInterrupt in the main thread wherever it happens to be: as a function written in Python begins,
after any call, and at the end of a turn of a loop. So what is to hold afterwards hangs on what can not be cut in two:
a `with` of a lock, assignments without a call among them, a `finally` that begins with such or with a call of C. What
takes more can be done twice, and is, when the first time was cut short. From Python 3.12 on, a turn that ends in an
`if` has its end outside of the `try` or `with` around it: such loops are functions of their own.
"""

from __future__ import annotations

import _thread
import atexit
import math
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextvars import copy_context
from functools import cache, partial
from numbers import Integral
from queue import SimpleQueue
from typing import Any, TypeVar

__all__ = ["get_num_threads", "set_num_threads"]

Part = TypeVar("Part")
Result = TypeVar("Result")
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
    """Limit BLAS to one thread; its own would spin and compete with ours."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.calls = set[object]()
        self.limited: list[tuple[Any, int]] = []  # libraries, and the numbers of threads to restore

    def __call__(self, work: Callable[[], Result]) -> Result:
        """Run `work()` and return its result."""
        call = object()
        try:
            self.enter(call)
            return work()
        finally:
            try:
                self.leave(call)
            except BaseException:
                self.leave(call)
                raise

    def enter(self, call: object) -> None:
        with self.lock:
            self.calls.add(call)
            if len(self.calls) == 1:
                self._limit()

    def _limit(self) -> None:
        for blas in _blas() or ():
            if (n := blas.get_num_threads()) != 1:
                self.limited.append((blas, n))
                blas.set_num_threads(1)

    def leave(self, call: object) -> None:
        """End a call, whether or not its `enter` and an earlier `leave` came to their ends."""
        with self.lock:
            self.calls.discard(call)
            if not self.calls:
                self._set_back()

    def _set_back(self) -> None:
        while self.limited:
            blas, n = self.limited[-1]
            blas.set_num_threads(n)
            self.limited.pop()


class Worker:
    """A worker: a thread that runs the tasks it is given, and `idle` before it sleeps."""

    idle: Callable[[Worker], None] | None = None  # machine code that looks for more parts for a moment
    called: Callable[[Worker], None] | None = None  # ends that

    def __init__(self, number: int) -> None:
        self.number, self.awake = number, False
        self.tasks: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self.alive = threading.Lock()  # which the thread holds
        self.alive.acquire()

    def start(self) -> None:
        """RuntimeError where the system has no more threads. (`threading.Thread` would not survive an interrupt.)"""
        _thread.start_new_thread(self._serve, ())

    def give(self, task: Callable[[], None] | None) -> None:
        """Something to do; None ends the thread."""
        self.awake = True
        self.tasks.put(task)
        if Worker.called:
            Worker.called(self)

    def _serve(self) -> None:
        while task := self.tasks.get():
            task()
            if Worker.idle:
                Worker.idle(self)
            self.awake = not self.tasks.empty()
        self.alive.release()


class Pool:
    """The pool of workers, and the call that has them, its `leader`; `leader = None` sets them free."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.leader: object = None
        self.workers: list[Worker] = []  # number i + 1 at i; one that is not here has ended
        self.staying = 0  # how many of the workers stay; the others have been told to end

    def gathered(self, call: object, count: int) -> Sequence[Worker]:
        """Workers for `count` parts, with `call` as their leader; none if one thread is enough or others have them.

        Any worker that looks for machine code may take part: those in `workers`, which does not change meanwhile.
        """
        threads = get_num_threads()
        if min(count, threads) < 2 or not self.taken(call):
            return ()
        wanted = max(min(count, threads) - 1, min(len(self.workers), threads - 1))
        if not len(self.workers) == self.staying == wanted:
            self.resize(wanted)
        return self.workers[: count - 1]

    def taken(self, call: object) -> bool:
        with self.lock:
            if self.leader is None:
                self.leader = call
            return self.leader is call

    def resize(self, count: int) -> None:
        """Have so many workers, or as many as the system has threads for."""
        self.staying = min(self.staying, count)
        for worker in self.workers[self.staying :]:
            worker.give(None)
        for worker in self.workers[self.staying :]:
            with worker.alive:
                pass
        self.workers = self.workers[: self.staying]
        while len(self.workers) < count:
            worker = Worker(len(self.workers) + 1)
            try:
                worker.start()
                self.workers, self.staying = [*self.workers, worker], self.staying + 1
            except RuntimeError:
                return
            except BaseException:
                worker.give(None)
                raise

    def close(self) -> None:
        """End all workers at exit, before the machine code in which they spin is freed."""
        until = time.monotonic() + 1
        while not self.taken(self) and time.monotonic() < until:
            time.sleep(0.001)
        self.resize(0)


pool, one_blas_thread = Pool(), _OneBlasThread()
_count: int | None = None


def _forget() -> None:
    """In a forked child there are no threads but one."""
    if isinstance(pool.leader, _Job):
        pool.leader.desert()
    limited = one_blas_thread.limited
    pool.__init__()  # type: ignore[misc]
    one_blas_thread.__init__()  # type: ignore[misc]
    one_blas_thread.limited = limited
    one_blas_thread.leave(None)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
atexit.register(pool.close)


def get_num_threads() -> int:
    """The number of threads over which operations spread large work.

    At first OMP_NUM_THREADS, or else the number of CPUs.
    """
    global _count
    if _count is None:
        cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        _count = min(_asked() or cpus, MOST) if _blas() is not None else 1
    return _count


def _asked() -> int:
    """What OMP_NUM_THREADS says, in a list (for nested levels, in OpenMP) the first number; 0 where that is none."""
    try:
        return max(0, int(os.environ.get("OMP_NUM_THREADS", "").split(",")[0]))
    except ValueError:
        return 0


def set_num_threads(count: int) -> None:
    """Spread large work over this many threads from now on (1024 at most); results are the same to the bit for any
    number. ValueError for what is no positive integer.

    >>> before = get_num_threads()
    >>> set_num_threads(2)
    >>> get_num_threads()
    2
    >>> set_num_threads(before)
    """
    global _count
    if not isinstance(count, Integral) or count < 1:
        raise ValueError(f"set_num_threads: expected a positive integer, not {count!r}")
    _count = min(int(count), MOST)


class _Job:
    """Parts, each given to the thread that asks next, and the workers that are busy with them."""

    def __init__(self, work: Callable[[Iterator[Any]], None], parts: Sequence[Any]) -> None:
        self.work, self.parts, self.lock = work, iter(parts), threading.Lock()
        self.open = True
        self.error: BaseException | None = None
        self.inside: list[threading.Lock] = []  # each held by a worker while it is busy

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        with self.lock:
            return next(self.parts)

    def lead(self, workers: Sequence[Worker]) -> None:
        """What the caller does, whose context holds for the workers, too: what `np.errstate` says, for one."""
        self.inside = [threading.Lock() for _ in workers]
        for worker, inside in zip(workers, self.inside, strict=True):
            worker.give(partial(copy_context().run, self.join, inside))
        self.work(self)

    def join(self, inside: threading.Lock) -> None:
        """What a helper does."""
        with inside:
            try:
                if self.open:
                    self.work(self)
            except BaseException as error:
                self.error = error

    def close(self) -> None:
        """Leave no part, and wait for the workers that are at work; again, if the first time was cut short."""
        self.open, self.parts = False, iter(())  # after an error the workers are to stop, too
        for inside in self.inside:
            with inside:
                pass

    def desert(self) -> None:
        """In a forked child: the workers are gone, and the parts that they were at will not be done."""
        if any(inside.locked() for inside in self.inside):
            self.error = RuntimeError("the process was forked while other threads were at work on the same operation")
        self.inside, self.lock = [], threading.Lock()


def parallel(work: Callable[[Iterator[Part]], None], parts: Sequence[Part], size: float = math.inf) -> None:
    """Run `work(parts)` on several threads, which take their parts from one iterator in common.

    `size` is about how many numbers go in or out (a multiplication counts as a 64th): small work runs on one thread.
    """
    if len(parts) < 2:
        work(iter(parts))
        return
    one_blas_thread(lambda: _parallel(_Job(work, parts), len(parts) if size >= WORTH else 1))


def _parallel(job: _Job, count: int) -> None:
    try:
        job.lead(pool.gathered(job, count))
    finally:
        try:
            job.close()
        except BaseException:
            job.close()
            raise
        finally:
            if pool.leader is job:
                pool.leader = None
    if job.error:
        try:
            raise job.error
        finally:
            job.error = None  # or its traceback would lead back to it


def parallel_for(body: Callable[[Part], object], parts: Sequence[Part], size: float = math.inf) -> None:
    """Run `body` on each of the parts (a parallel for), on several threads if the work is large (see `parallel`)."""

    def work(turns: Iterator[Part]) -> None:
        for part in turns:
            body(part)

    parallel(work, parts, size)
