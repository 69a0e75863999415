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
from array import array
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from .machine import Kernel, address, compiled, signature
from .threads import Helper, get_num_threads, team

__all__ = ["run"]

WORTH = 1 << 15  # numbers for which it pays to share: about 30 microseconds' work
_PAUSES = 16  # before each
_PATIENCE = 1 << 13  # looks, together some milliseconds
_MOST = 1 << 10  # threads

# What threads tell one another: words, each in cache lines of its own, and two for each helper
_LINE = 16
_OPEN, _NEXT, _COUNT, _TASK, _GIVEN = (i * _LINE for i in range(5))
_BUSY, _CALLED = 0, _LINE


def _of(helper: int) -> int:
    return (6 + 2 * helper) * _LINE


class _Native(NamedTuple):
    words: Any
    alone: Callable[..., None]
    lead: Callable[..., None]
    follow: Callable[..., None]
    engine: Any


@functools.cache
def _native() -> _Native:
    """The machine code of the threads themselves."""
    from llvmlite import binding, ir

    integer, module = ir.IntType(64), ir.Module("crew")
    task_type = ir.FunctionType(ir.VoidType(), signature(ir)).as_pointer()
    system: Any = ctypes
    give_way = system.windll.kernel32.SwitchToThread if os.name == "nt" else ctypes.CDLL(None).sched_yield
    others = ctypes.cast(give_way, ctypes.c_void_p).value
    x86 = binding.get_default_triple().startswith(("x86", "i"))
    pause = ir.Function(module, ir.FunctionType(ir.VoidType(), []), "llvm.x86.sse2.pause") if x86 else None

    def function(name: str, count: int) -> tuple[Any, Any]:
        made = ir.Function(module, ir.FunctionType(ir.VoidType(), [integer] * count), name)
        return ir.IRBuilder(made.append_basic_block()), made.args

    def word(b: Any, words: Any, number: Any) -> Any:
        return b.gep(b.inttoptr(words, integer.as_pointer()), [number if hasattr(number, "type") else integer(number)])

    def get(b: Any, place: Any) -> Any:
        return b.load_atomic(place, "seq_cst", align=8)

    def put(b: Any, value: Any, place: Any) -> None:
        b.store_atomic(value, place, "seq_cst", align=8)

    def repeat(b: Any, body: Callable[[], Any]) -> None:
        """While the body gives true."""
        inside, after = b.append_basic_block(), b.append_basic_block()
        b.branch(inside)
        b.position_at_end(inside)
        b.cbranch(body(), inside, after)
        b.position_at_end(after)

    def take(b: Any, words: Any, thread: Any) -> None:
        """Do parts that nobody has begun, as long as there are any."""
        count, task, given = (b.load(word(b, words, at)) for at in (_COUNT, _TASK, _GIVEN))

        def turn() -> Any:
            part = b.atomic_rmw("add", word(b, words, _NEXT), integer(1), "monotonic")
            more = b.icmp_signed("<", part, count)
            with b.if_then(more):
                b.call(b.inttoptr(task, task_type), [part, thread, b.inttoptr(given, integer.as_pointer())])
            return more

        repeat(b, turn)

    def look(b: Any, place: Any) -> Any:
        """Whether a word is not 0, after other threads that wait for this CPU, or share its core."""
        for _ in range(_PAUSES if pause else 0):
            b.call(pause, [])
        b.call(b.inttoptr(integer(others), ir.FunctionType(ir.IntType(32), []).as_pointer()), [])
        return b.icmp_signed("!=", get(b, place), integer(0))

    b, (task, given, count) = function("alone", 3)
    i = b.alloca(integer)
    b.store(integer(0), i)

    def part() -> Any:
        b.call(b.inttoptr(task, task_type), [b.load(i), integer(0), b.inttoptr(given, integer.as_pointer())])
        b.store(b.add(b.load(i), integer(1)), i)
        return b.icmp_signed("<", b.load(i), count)

    repeat(b, part)
    b.ret_void()

    b, (words, task, given, count, helpers) = function("lead", 5)
    for at, value in ((_COUNT, count), (_TASK, task), (_GIVEN, given), (_NEXT, integer(0))):
        b.store(value, word(b, words, at))
    put(b, integer(1), word(b, words, _OPEN))
    take(b, words, integer(0))
    put(b, integer(0), word(b, words, _OPEN))
    i = b.alloca(integer)
    b.store(integer(1), i)

    def helper() -> Any:
        repeat(b, lambda: look(b, word(b, words, b.add(b.mul(b.load(i), integer(2 * _LINE)), integer(_of(0) + _BUSY)))))
        b.store(b.add(b.load(i), integer(1)), i)
        return b.icmp_signed("<=", b.load(i), helpers)

    repeat(b, helper)
    b.ret_void()

    b, (words, thread, patience) = function("follow", 3)
    own = b.mul(thread, integer(2 * _LINE))
    busy, called = (word(b, words, b.add(own, integer(_of(0) + which))) for which in (_BUSY, _CALLED))
    i = b.alloca(integer)
    b.store(patience, i)

    def turn() -> Any:
        left = b.icmp_signed("<", get(b, word(b, words, _NEXT)), get(b, word(b, words, _COUNT)))
        with b.if_then(b.and_(look(b, word(b, words, _OPEN)), left)):
            put(b, integer(1), busy)
            with b.if_then(b.icmp_signed("!=", get(b, word(b, words, _OPEN)), integer(0))):
                take(b, words, thread)
                b.store(patience, i)
            put(b, integer(0), busy)
        b.store(b.sub(b.load(i), integer(1)), i)
        nobody = b.icmp_signed("==", get(b, called), integer(0))
        return b.and_(nobody, b.icmp_signed(">", b.load(i), integer(0)))

    repeat(b, turn)
    b.ret_void()

    engine = compiled(module)
    alone, lead, follow = (
        ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * count)(engine.get_function_address(name))
        for name, count in (("alone", 3), ("lead", 5), ("follow", 3))
    )
    words = np.zeros(_of(_MOST), np.int64)
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=lambda: words.fill(0))
    Helper.idle, Helper.called = _idle, _call
    return _Native(words, alone, lead, follow, engine)


def _call(helper: Helper) -> None:
    _native().words[_of(helper.number) + _CALLED] = 1


def _idle(helper: Helper) -> None:
    native = _native()
    native.words[_of(helper.number) + _CALLED] = 0
    if helper.tasks.empty():
        native.follow(address(native.words), helper.number, _PATIENCE)


def run(kernel: Kernel, parts: int, arguments: Sequence[int], size: float = math.inf) -> None:
    """Let machine code do all parts, in several threads if their size is worth it.

    `size` is about how many numbers go in or out, a product being a 64th.
    """
    given = array("q", arguments)
    native, at = _native(), given.buffer_info()[0]
    helpers = team.gathered(min(get_num_threads(), parts, _MOST)) if size >= WORTH else ()
    if not helpers:
        if parts:
            native.alone(kernel.address, at, parts)
        return
    try:
        for helper in helpers:
            if not helper.awake:
                helper.give(_nothing)
        native.lead(address(native.words), kernel.address, at, parts, len(team.helpers))
    finally:
        team.lock.release()


def _nothing() -> None:
    """What a helper is given that is only to look out."""
