"""Machine code whose parts several threads do.

To wake a thread takes longer than many a part, and so does Python's way of handing something to another thread. So the
helpers (see `threads`) look out for work, in machine code and without Python's lock, for a moment after what they did
last; between looks they yield their CPU to whoever waits for it. Whoever has parts to be done opens them, does what
nobody else has begun, closes them again and waits for the helpers that are inside. All are done then, whether or not a
helper was awake.
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
from .door import CHECK, address
from .guard import guarded
from .machine import Kernel, compiled
from .threads import MOST, Helper, team

__all__ = ["Scratch", "run"]

WORTH = 1 << 15  # numbers for each thread: about 30 microseconds' work
_PATIENCE = 1 << 13  # looks, together some milliseconds

# What threads tell one another: numbers, in lines of the cache of their own; each thread has two lines
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

; All parts, open to helpers: threads from 1 to the last.
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
    engine: Any
    give_way: int  # the address of the operating system's function for it


@functools.cache
def _native() -> _Native:
    """The machine code of the threads themselves."""
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
    engine = compiled(lambda: text, text)
    alone, lead, follow = (
        ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * count)(engine.get_function_address(name))
        for name, count in (("alone", 3), ("lead", 6), ("follow", 4))
    )
    words = np.zeros(_OF_THREADS + 2 * _LINE * MOST, np.int64)
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=lambda: words.fill(0))
    Helper.idle, Helper.called = _idle, _call
    return _Native(words, alone, lead, follow, engine, at)


def _called(helper: Helper) -> int:
    return _OF_THREADS + (2 * helper.number + 1) * _LINE


def _call(helper: Helper) -> None:
    _native().words[_called(helper)] = 1


def _idle(helper: Helper) -> None:
    native = _native()
    native.words[_called(helper)] = 0
    if helper.tasks.empty():
        native.follow(address(native.words), helper.number, _PATIENCE, native.give_way)


class Scratch(NamedTuple):
    """An argument of `run`: memory that it has ready for each thread that may take part, one thread's after another's.

    It is `run` that knows how many threads there are.
    """

    room: int  # numbers for a thread
    dtype: Any

    def memory(self, threads: int) -> Any:
        """An array for so many threads; a page at least, so that it is one that was used before."""
        return memory.empty((max(self.room * threads, memory.PAGE // self.dtype.itemsize),), self.dtype)


def run(kernel: Kernel, parts: int, size: float = math.inf, /, **arguments: Any) -> None:
    """Let machine code do all parts, in several threads if their size is worth it.

    `size` is about how many numbers go in or out, a product being a 64th. The arguments are the arrays, integers and
    `Scratch` that the kernel has declared; LaunchError for others.
    """
    call = object()
    try:
        helpers = team.gathered(call, min(parts, int(min(size / WORTH, MOST))))
        last = len(team.helpers) if helpers else 0
        arguments = _with_memory(arguments, last + 1)  # which is to live as long as the work
        entered = kernel.enter(parts, last + 1, **arguments)
        if CHECK:
            given, spans = entered
            guarded(kernel.name, given, spans, lambda: _launch(kernel, parts, given, helpers, last))
        else:
            _launch(kernel, parts, entered, helpers, last)
    finally:
        if team.leader is call:
            team.leader = None


def _with_memory(arguments: dict[str, Any], threads: int) -> dict[str, Any]:
    return {name: a.memory(threads) if a.__class__ is Scratch else a for name, a in arguments.items()}


def _launch(kernel: Kernel, parts: int, given: Any, helpers: Sequence[Helper], last: int) -> None:
    native, at = _native(), given.buffer_info()[0]
    if helpers:
        for helper in helpers:
            if not helper.awake:
                helper.give(_nothing)
        native.lead(address(native.words), kernel.address, at, parts, last, native.give_way)
    elif parts:
        native.alone(kernel.address, at, parts)


def _nothing() -> None:
    """What a helper is given that is only to look out."""
