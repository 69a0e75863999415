"""Workers, which make batches ahead of the loop that wants them: threads, or processes that may be killed.

A worker takes tasks in order and gives a reply to each, so that batch n of an epoch comes from worker n modulo their
number, and what a batch is depends on its task alone. Processes start by forkserver or spawn, since this process has
threads of its own; one that dies closes its end of the pipe, which is what the loop then finds. What is large comes
through memory that has no name, and so cannot be left behind.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import random
import signal
import threading
import time
import traceback
import weakref
from collections.abc import Callable, Iterator
from contextlib import suppress
from multiprocessing import forkserver
from multiprocessing.connection import Connection, wait
from multiprocessing.context import BaseContext
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple, Protocol

import numpy as np

from ...autograd import set_num_threads
from ...extend import manual_seed
from . import shared_memory
from .mapped import MappingPickler
from .recipe import Made, Opening, Recipe, WorkerInfo, here

GRACE = 5.0  # seconds in which workers end by themselves, before they are made to

_UNPICKLABLE = (TypeError, AttributeError, pickle.PicklingError)  # what pickling raises

Init = Callable[[int], object] | None  # `worker_init_fn`


class Task(NamedTuple):
    """A batch to make: the number of the epoch among those of the pool, its opening, the batch's number and indices."""

    epoch: int
    opening: Opening
    number: int
    indices: Any


class Failed(NamedTuple):
    """What a worker has in the place of a batch: an error, and its traceback as text."""

    error: BaseException
    text: str


Reply = tuple[int, Made | Failed]  # the task's epoch, and what came out


class WorkerTraceback(Exception):
    """The traceback of an error in a worker process, as the cause of that error here."""

    def __str__(self) -> str:
        return f"\n{self.args[0]}"


class Worker(Protocol):
    """A worker, as the pool sees it."""

    def give(self, task: Task) -> None:
        """Give a task."""

    def take(self, timeout: float | None) -> Reply:
        """Wait for the next reply. TimeoutError if none comes in time, RuntimeError if the worker is dead."""

    def end(self) -> None:
        """Tell the worker to end after its present batch."""

    def join(self, until: float) -> None:
        """Wait until it has ended, no longer than to a time, and make it."""


def serve(
    recipe: Callable[[], Recipe],
    info: tuple[int, int, int],
    init: Init,
    tasks: Iterator[Task],
    give: Callable[[Reply], None],
) -> None:
    """What a worker does: a reply for each task. What goes wrong at the start is what is replied to all of them."""
    epoch, make, broken = None, None, None
    try:
        manual_seed(info[2])
        made = recipe()
        here.worker = WorkerInfo(*info, made.dataset)
        if init is not None:
            init(info[0])
    except BaseException as error:
        broken = failure(error)
    for task in tasks:
        try:
            if broken is None and (make is None or task.epoch != epoch):
                epoch, make = task.epoch, None
                make = made.opened(task.opening)
            result = broken or make(task.number, task.indices)  # type: ignore[misc]
        except BaseException as error:
            result = failure(error)
        give((task.epoch, result))
        result = None  # an error, with all frames that it goes through at the loader, would keep that alive


def failure(error: BaseException) -> Failed:
    """An error as what a worker gives in the place of a batch."""
    return Failed(error, "".join(traceback.format_exception(error)))


class ThreadWorker:
    """A thread as a worker."""

    def __init__(self, recipe: Recipe, info: tuple[int, int, int], init: Init) -> None:
        self.tasks: SimpleQueue[Task | None] = SimpleQueue()
        self.replies: SimpleQueue[Reply] = SimpleQueue()
        self.ended = threading.Event()
        arguments = (lambda: recipe, info, init, taken(self.tasks, self.ended), self.replies.put)
        self.thread = threading.Thread(target=serve, args=arguments, name=f"loader-{info[0]}", daemon=True)
        self.thread.start()

    def give(self, task: Task) -> None:
        self.tasks.put(task)

    def take(self, timeout: float | None) -> Reply:
        try:
            return self.replies.get(timeout=timeout)
        except Empty:
            raise TimeoutError from None

    def end(self) -> None:
        self.ended.set()
        self.tasks.put(None)

    def join(self, until: float) -> None:
        if self.thread is not threading.current_thread():
            self.thread.join(max(0.0, until - time.monotonic()))


class ProcessWorker:
    """A process as a worker, at the other end of a pipe."""

    def __init__(self, recipe: Recipe, info: tuple[int, int, int], init: Init, context: BaseContext) -> None:
        self.connection, other = context.Pipe()
        arguments = (other, _Parcel((recipe, init)), info)
        self.process = context.Process(target=_main, args=arguments, name=f"loader-{info[0]}", daemon=True)  # type: ignore[attr-defined]
        try:
            self.process.start()
        except _UNPICKLABLE as error:
            raise TypeError(
                f"DataLoader: {_culprit(recipe, init)} cannot be pickled, which worker processes need ({error}); "
                "define functions and classes at the top of a module, open files when they are first read, or take "
                'threads: workers="thread"'
            ) from error
        finally:
            other.close()

    def give(self, task: Task) -> None:
        with suppress(BrokenPipeError, ConnectionResetError):  # `take` says what has become of it
            self.connection.send(task)

    def take(self, timeout: float | None) -> Reply:
        if not self.connection.poll(timeout):
            raise TimeoutError
        try:
            return shared_memory.receive(self.connection)
        except (EOFError, OSError) as error:
            self.process.join(GRACE)
            code = self.process.exitcode
            how = f"was killed by {signal.Signals(-code).name}" if code and code < 0 else f"ended with exit code {code}"
            raise RuntimeError(
                f"DataLoader: worker process {self.process.pid} {how} before it gave its batch. It may have run out "
                "of memory; a script that starts workers needs `if __name__ == '__main__':` around what it does"
            ) from error

    def end(self) -> None:
        with suppress(OSError):  # where it is dead
            self.connection.send(None)
        self.connection.close()

    def join(self, until: float) -> None:
        self.process.join(max(0.0, until - time.monotonic()))
        for stop in (self.process.terminate, self.process.kill):
            if self.process.exitcode is None:
                stop()
                self.process.join(1)
        with suppress(ValueError):  # where it is still there
            self.process.close()


class _Parcel:
    """What is unpickled when it is opened, and no earlier, so that an error there is one of the worker's."""

    def __init__(self, content: Any, packed: bytes | None = None) -> None:
        self.content, self.packed = content, packed

    def __reduce__(self) -> tuple[object, ...]:
        return _Parcel, (None, bytes(MappingPickler.dumps(self.content, pickle.HIGHEST_PROTOCOL)))

    def open(self) -> Any:
        return self.content if self.packed is None else pickle.loads(self.packed)


def _culprit(recipe: Recipe, init: Init) -> str:
    """Which of the loader's arguments cannot be pickled."""
    for name, part in {"collate_fn": recipe.collate_fn, "worker_init_fn": init}.items():
        try:
            MappingPickler.dumps(part)
        except Exception:
            return f"{name} {part!r}"
    return f"the dataset, a {type(recipe.dataset).__name__},"


def _main(connection: Connection, parcel: _Parcel, info: tuple[int, int, int]) -> None:
    """What a worker process runs."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that has the loader, which ends this one
    set_num_threads(1)
    tasks: SimpleQueue[Task | None] = SimpleQueue()
    ended = threading.Event()
    threading.Thread(target=_listen, args=(connection, tasks, ended), daemon=True).start()
    content: list[Any] = []

    def recipe() -> Recipe:
        content.extend(parcel.open())
        return content[0]

    def init(number: int) -> None:
        if content[1] is not None:
            content[1](number)

    def give(reply: Reply) -> None:
        with suppress(BrokenPipeError, ConnectionResetError):  # where nobody takes it, `_listen` ends the tasks
            try:
                shared_memory.send(connection, portable(reply))
            except _UNPICKLABLE as error:
                refused = TypeError(
                    f"DataLoader: a batch cannot be pickled, as worker processes have to ({error}); give arrays, "
                    'numbers and texts, or take threads: workers="thread"'
                )
                shared_memory.send(connection, (reply[0], failure(refused)))

    serve(recipe, info, init, seeded(taken(tasks, ended)), give)


def _listen(connection: Connection, tasks: SimpleQueue[Task | None], ended: threading.Event) -> None:
    """Take tasks from the pipe as soon as they come, so that nobody waits to give one, until it is closed."""
    parent = multiprocessing.parent_process()
    gone = [] if parent is None else [parent.sentinel]
    with suppress(EOFError, OSError):
        while connection in wait([connection, *gone]) and (task := connection.recv()) is not None:
            tasks.put(task)
    ended.set()
    tasks.put(None)


def taken(tasks: SimpleQueue[Task | None], ended: threading.Event) -> Iterator[Task]:
    """The tasks of a queue, until the end."""
    while (task := tasks.get()) is not None and not ended.is_set():
        yield task


def seeded(tasks: Iterator[Task]) -> Iterator[Task]:
    """The same tasks, each with the generators of `random` and of `numpy.random` seeded for it."""
    for task in tasks:
        random.seed(f"{task.opening.seed} {task.number}")
        np.random.seed(np.random.SeedSequence([task.opening.seed, task.number]).generate_state(4))  # noqa: NPY002
        yield task


def portable(reply: Reply) -> Reply:
    """The same, with an error that can be pickled."""
    epoch, result = reply
    if not isinstance(result, Failed):
        return reply
    error = result.error.with_traceback(None)
    error.__cause__ = error.__context__ = None
    try:
        if type(pickle.loads(pickle.dumps(error))) is type(error):
            return epoch, Failed(error, result.text)
    except Exception:
        pass
    return epoch, Failed(RuntimeError(f"{type(error).__name__}: {error}"), result.text)


class Pool:
    """The workers of a loader. They end when it is closed or gone, and when this process ends."""

    def __init__(
        self, recipe: Recipe, count: int, init: Init, seed: int, context: BaseContext | None, timeout: float
    ) -> None:
        self.workers: list[Worker] = []
        self.epoch = 0
        self.timeout = timeout or None
        self.sound = True  # whether no reply was an error or cut short
        self.close = weakref.finalize(self, _close, self.workers, os.getpid())
        try:
            for number in range(count):
                info = number, count, seed + number
                self.workers.append(
                    ThreadWorker(recipe, info, init) if context is None else ProcessWorker(recipe, info, init, context)
                )
        except BaseException:
            self.close()
            raise

    def begin(self, opening: Opening) -> Callable[[int, Any], None]:
        """Begin an epoch; what was asked for in the last one is forgotten. Returns the function that asks for a batch,
        by its number and indices."""
        self.epoch += 1
        epoch = self.epoch
        return lambda number, indices: self._worker(number).give(Task(epoch, opening, number, indices))

    def take(self, number: int) -> Made:
        """Wait for the batch of a number, which was asked for in this epoch; raises what the worker raised."""
        epoch, result = -1, None
        self.sound = False
        while epoch != self.epoch:
            try:
                epoch, result = self._worker(number).take(self.timeout)
            except TimeoutError:
                raise TimeoutError(
                    f"DataLoader: batch {number} did not come from worker {number % len(self.workers)} in "
                    f"timeout={self.timeout} seconds"
                ) from None
        if not isinstance(result, Failed):
            self.sound = True
            return result
        error = result.error
        error.add_note(f"in worker {number % len(self.workers)} of the DataLoader, which made batch {number}")
        if error.__traceback__ is None:  # of another process
            raise error from WorkerTraceback(result.text)
        raise error

    def _worker(self, number: int) -> Worker:
        return self.workers[number % len(self.workers)]


def safe_context() -> BaseContext:
    """How processes start beside threads: by a server that has imported this package (20 ms a worker), or anew (600).

    The server has run nothing else, so forking it is safe. What a program has told its server to import stays so.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    if getattr(forkserver._forkserver, "_preload_modules", None) == ["__main__"]:
        context.set_forkserver_preload(["__main__", __name__])
    return context


def _close(workers: list[Worker], owner: int) -> None:
    if os.getpid() != owner:  # in a forked child
        return
    for worker in workers:
        worker.end()
    until = time.monotonic() + GRACE
    for worker in workers:
        worker.join(until)
    workers.clear()
