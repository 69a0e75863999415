"""Launching machine code, its parts spread over the pool of workers.

Waking a thread costs more than most parts, and so does handing it something through Python. So idle workers (the
workers of `threads`) spin briefly in machine code, without the GIL, and look for work; between looks they yield their
CPU. The caller opens its parts, runs the unclaimed ones itself, closes them, then waits for busy workers. All parts are
done then, whether or not a worker was awake.
"""

from __future__ import annotations

import ctypes
import functools
import math
import os
import platform
from collections.abc import Callable, Sequence
from string import Template
from typing import Any, NamedTuple

import numpy as np

from . import memory
from .arguments import CHECK, address
from .guard_pages import guarded
from .llvm import Kernel, compiled
from .threads import MOST, Worker, get_num_threads, pool

__all__ = ["Scratch", "run"]

WORTH = 1 << 15  # numbers for each thread: about 30 microseconds' work
_PATIENCE = 1 << 13  # looks, together some milliseconds

# The words that threads share, each in a cache line of its own; of each thread there are two
_LINE = 16
_OPEN, _NEXT, _COUNT, _TASK, _GIVEN, _OF_THREADS = (i * _LINE for i in range(6))

_CODE = """
declare void @llvm.x86.sse2.pause()

; Let others have a turn that share this core, or (by a function of the operating system's) wait for this CPU.
define private void @rest(ptr %give.way) {
  $pauses
  call i32 %give.way()
  ret void
}

; Do parts that nobody has begun, as long as there are any.
define private void @take(ptr %words, i64 %thread) {
  %next = getelementptr i64, ptr %words, i64 $NEXT
  %at.count = getelementptr i64, ptr %words, i64 $COUNT
  %at.task = getelementptr i64, ptr %words, i64 $TASK
  %at.given = getelementptr i64, ptr %words, i64 $GIVEN
  %count = load i64, ptr %at.count
  %task = load ptr, ptr %at.task
  %given = load ptr, ptr %at.given
  br label %turn
turn:
  %part = atomicrmw add ptr %next, i64 1 seq_cst
  %more = icmp slt i64 %part, %count
  br i1 %more, label %do, label %done
do:
  call void %task(i64 %part, i64 %thread, ptr %given)
  br label %turn
done:
  ret void
}

; All parts, by one thread and without the others' knowledge.
define void @alone(ptr %task, ptr %given, i64 %count) {
  br label %turn
turn:
  %part = phi i64 [ 0, %0 ], [ %following, %turn ]
  call void %task(i64 %part, i64 0, ptr %given)
  %following = add i64 %part, 1
  %more = icmp slt i64 %following, %count
  br i1 %more, label %turn, label %done
done:
  ret void
}

; All parts, open to workers: threads from 1 to the last.
define void @lead(ptr %words, ptr %task, ptr %given, i64 %count, i64 %last, ptr %give.way) {
  %open = getelementptr i64, ptr %words, i64 $OPEN
  %next = getelementptr i64, ptr %words, i64 $NEXT
  %at.count = getelementptr i64, ptr %words, i64 $COUNT
  %at.task = getelementptr i64, ptr %words, i64 $TASK
  %at.given = getelementptr i64, ptr %words, i64 $GIVEN
  store i64 %count, ptr %at.count
  store ptr %task, ptr %at.task
  store ptr %given, ptr %at.given
  store i64 0, ptr %next
  store atomic i64 1, ptr %open seq_cst, align 8
  call void @take(ptr %words, i64 0)
  store atomic i64 0, ptr %open seq_cst, align 8
  br label %helper
helper:
  %thread = phi i64 [ 1, %0 ], [ %thread, %wait ], [ %following, %left ]
  %which = mul i64 %thread, $TWO_LINES
  %own = getelementptr i64, ptr %words, i64 %which
  %at.busy = getelementptr i64, ptr %own, i64 $BUSY
  %busy = load atomic i64, ptr %at.busy seq_cst, align 8
  %inside = icmp ne i64 %busy, 0
  br i1 %inside, label %wait, label %left
wait:
  call void @rest(ptr %give.way)
  br label %helper
left:
  %following = add i64 %thread, 1
  %more = icmp sle i64 %following, %last
  br i1 %more, label %helper, label %done
done:
  ret void
}

; What a helper does until it is called, or has looked often enough in vain.
define void @follow(ptr %words, i64 %thread, i64 %patience, ptr %give.way) {
  %open = getelementptr i64, ptr %words, i64 $OPEN
  %next = getelementptr i64, ptr %words, i64 $NEXT
  %at.count = getelementptr i64, ptr %words, i64 $COUNT
  %which = mul i64 %thread, $TWO_LINES
  %own = getelementptr i64, ptr %words, i64 %which
  %busy = getelementptr i64, ptr %own, i64 $BUSY
  %called = getelementptr i64, ptr %own, i64 $CALLED
  br label %turn
turn:
  %looks = phi i64 [ %patience, %0 ], [ %fewer, %on ]
  %now = load atomic i64, ptr %open seq_cst, align 8
  %is.open = icmp ne i64 %now, 0
  %begun = load atomic i64, ptr %next seq_cst, align 8
  %count = load atomic i64, ptr %at.count seq_cst, align 8
  %left = icmp slt i64 %begun, %count
  %promising = and i1 %is.open, %left
  br i1 %promising, label %enter, label %idle
enter:
  store atomic i64 1, ptr %busy seq_cst, align 8
  %again = load atomic i64, ptr %open seq_cst, align 8
  %still = icmp ne i64 %again, 0
  br i1 %still, label %inside, label %leave
inside:
  call void @take(ptr %words, i64 %thread)
  br label %leave
leave:
  %renewed = phi i64 [ %looks, %enter ], [ %patience, %inside ]
  store atomic i64 0, ptr %busy seq_cst, align 8
  br label %on
idle:
  call void @rest(ptr %give.way)
  br label %on
on:
  %left.looks = phi i64 [ %looks, %idle ], [ %renewed, %leave ]
  %fewer = sub i64 %left.looks, 1
  %at.call = load atomic i64, ptr %called seq_cst, align 8
  %is.called = icmp ne i64 %at.call, 0
  %tired = icmp sle i64 %fewer, 0
  %end = or i1 %is.called, %tired
  br i1 %end, label %done, label %turn
done:
  ret void
}
"""


class _Native(NamedTuple):
    words: Any
    alone: Callable[..., None]
    lead: Callable[..., None]
    follow: Callable[..., None]
    code: Any  # which owns the memory of these functions
    give_way: int  # the address of the operating system's function for it


@functools.cache
def _native() -> _Native:
    """The machine code by which threads share parts, made once."""
    system: Any = ctypes
    give_way = system.windll.kernel32.SwitchToThread if os.name == "nt" else ctypes.CDLL(None).sched_yield
    at = ctypes.cast(give_way, ctypes.c_void_p).value or 0
    x86 = platform.machine().lower() in ("x86_64", "amd64")
    places = {"OPEN": _OPEN, "NEXT": _NEXT, "COUNT": _COUNT, "TASK": _TASK, "GIVEN": _GIVEN, "TWO_LINES": 2 * _LINE}
    text = Template(_CODE).substitute(
        places,
        BUSY=_OF_THREADS,
        CALLED=_OF_THREADS + _LINE,
        pauses="\n  ".join(["call void @llvm.x86.sse2.pause()"] * 16 * x86),
    )
    whole, given = ctypes.c_int64, ctypes.c_char_p
    arguments = {
        "alone": (whole, given, whole),
        "lead": (whole, whole, given, whole, whole, whole),
        "follow": (whole,) * 4,
    }
    code = compiled(lambda: text, [*arguments], text)
    alone, lead, follow = (
        ctypes.CFUNCTYPE(None, *kinds)(at) for kinds, at in zip(arguments.values(), code.addresses, strict=True)
    )
    words = np.zeros(_OF_THREADS + 2 * _LINE * MOST, np.int64)
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=lambda: words.fill(0))
    Worker.idle, Worker.called = _idle, _call
    return _Native(words, alone, lead, follow, code, at)


def _called(worker: Worker) -> int:
    return _OF_THREADS + (2 * worker.number + 1) * _LINE


def _call(worker: Worker) -> None:
    _native().words[_called(worker)] = 1


def _idle(worker: Worker) -> None:
    native = _native()
    native.words[_called(worker)] = 0
    if worker.tasks.empty():
        native.follow(address(native.words), worker.number, _PATIENCE, native.give_way)


class Scratch(NamedTuple):
    """An argument of `run`: scratch memory for each thread that may take part, one thread's after another's.

    `run` allocates it, since only `run` knows how many threads there are.
    """

    room: int  # numbers for a thread
    dtype: Any

    def memory(self, threads: int) -> Any:
        """An array for so many threads; a page at least, so that it is one that was used before."""
        return memory.empty((max(self.room * threads, memory.PAGE // self.dtype.itemsize),), self.dtype)


def run(kernel: Kernel, parts: int, size: float = math.inf, /, **arguments: Any) -> None:
    """Run all parts of a kernel, on several threads if the work is large enough.

    `size` is about how many numbers go in or out; a multiplication counts as a 64th of one. The arguments are the
    arrays, integers and `Scratch` that the kernel has declared; LaunchError for others.
    """
    if parts < 2 or size < 2 * WORTH or get_num_threads() < 2:
        _launch(kernel, parts, (), 0, arguments)
        return
    call = object()
    try:
        workers = pool.gathered(call, min(parts, int(min(size / WORTH, MOST))))
        _launch(kernel, parts, workers, len(pool.workers) if workers else 0, arguments)
    finally:
        if pool.leader is call:
            pool.leader = None


def _launch(kernel: Kernel, parts: int, workers: Sequence[Worker], last: int, arguments: dict[str, Any]) -> None:
    for name in kernel.door.written:
        if arguments.get(name).__class__ is Scratch:
            arguments[name] = arguments[name].memory(last + 1)
    entered = kernel.enter(parts, last + 1, **arguments)
    if CHECK:
        given, spans = entered
        guarded(kernel.name, given, spans, lambda given: _begin(kernel, parts, workers, last, given))
    else:
        _begin(kernel, parts, workers, last, entered)


def _begin(kernel: Kernel, parts: int, workers: Sequence[Worker], last: int, given: bytes) -> None:
    native = _native()
    if workers:
        for worker in workers:
            if not worker.awake:
                worker.give(_nothing)
        native.lead(address(native.words), kernel.address, given, parts, last, native.give_way)
    elif parts:
        native.alone(kernel.address, given, parts)


def _nothing() -> None:
    """The task of a worker that is only to wake up and look for parts."""
