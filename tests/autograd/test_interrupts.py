"""Ctrl-C at any place: locks, workers, BLAS and modes are as before, and the next work is right and shared.

Python looks for signals as a function begins, after calls and at the ends of turns. So a signal is raised, in C, just
before the n-th instruction of the engine's code that runs, and comes through at the next such place.
"""

import _thread
import contextlib
import ctypes
import itertools
import os
import signal
import sys
import threading
import time
from functools import partial

import numpy as np
import pytest

import pullback as pb
from pullback import Tensor, enable_grad, no_grad, override
from pullback.autograd.core import backward, graph, tracing
from pullback.autograd.core.graph import modes
from pullback.autograd.debug import anomaly
from pullback.autograd.kernels import implicit_im2col
from pullback.autograd.kernels import matrix_product as matmul
from pullback.autograd.runtime import launch, memory, threads
from pullback.autograd.runtime.threads import one_blas_thread, parallel, pool

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals as of POSIX")
WATCHED = {
    m.__file__ for m in (anomaly, launch, backward, graph, tracing, implicit_im2col, memory, matmul, threads)
} | {__file__}


def interrupted(call, n):
    """Whether a call has an n-th instruction, from 0 on, before which a signal came."""
    later, number = {}, itertools.count()
    numbers = itertools.chain(
        itertools.repeat(0, n), [signal.SIGINT], map(later.pop, itertools.repeat("x"), itertools.repeat(0))
    )
    trip = ctypes.PyDLL(None)[
        "raise"
    ]  # takes what a trace function does, but raises the next of `numbers`, 0 being none
    trip.argtypes = [type("Next", (), {"from_param": partial(next, each)}) for each in (numbers, number, number)]
    trip.restype = None

    def trace(frame, event, argument):
        if frame.f_code.co_filename in WATCHED and frame.f_code is not handler.__code__:
            frame.f_trace_opcodes, frame.f_trace_lines = True, False
            return trip

    def handler(signum, frame):
        if frame.f_code is trace.__code__:  # where without a trace there would be no place to come through
            later["x"] = signum
        else:
            raise KeyboardInterrupt

    before = sys.gettrace(), signal.signal(signal.SIGINT, handler)
    try:
        with contextlib.suppress(KeyboardInterrupt):
            sys.settrace(trace)
            try:
                call()
            finally:
                sys.settrace(before[0])
    finally:
        signal.signal(signal.SIGINT, before[1])
    return next(number) > 2 * n


X, W = np.random.default_rng(0).normal(size=(64, 2, 16, 16)), np.random.default_rng(1).normal(size=(2, 2, 3, 3))
A = np.random.default_rng(2).normal(size=(40, 40)) * (1 + 1j)


def convolution():
    w = Tensor(W, requires_grad=True)
    y = pb.conv(X, w)
    y.backward(y.data)
    return w.grad.data


def first_convolution():
    pool.resize(0)  # so that workers are started
    convolution()


def fewer_threads():
    pool.resize(4)
    convolution()


at_work = set()  # workers in the midst of a part


def parts():
    def work(turns):
        for _ in turns:
            me = threading.get_ident()
            if me != threading.main_thread().ident:
                at_work.add(me)
                time.sleep(1e-3)
                at_work.discard(me)

    parallel(work, range(6))


def blas():
    matmul.product(A, A)


def contexts():
    x = Tensor(np.ones(3), requires_grad=True)
    with no_grad():
        with enable_grad(), override(pb.relu, "x", lambda g: g):
            y = pb.sum(pb.relu(x) ** 2)
        y.backward(create_graph=True)
    with pb.detect_anomaly():
        pb.jvp(pb.exp, (X[0],), (X[0],))
        pb.vmap(pb.sum)(X)
    no_grad()(pb.exp)(x)


def working(count):
    """A call of a helper that finds the next thread at work on another part."""
    meeting = threading.Barrier(count, timeout=20)
    parallel(lambda turns: [meeting.wait() for _ in turns], range(count))


@pytest.fixture
def three(monkeypatch, set_threads):
    """Three threads, for small work, too, and what is to be as it was."""
    monkeypatch.setattr(threads, "WORTH", 0)
    monkeypatch.setattr(launch, "WORTH", 1e-9)
    monkeypatch.setattr(matmul, "_PART", 1 << 12)
    monkeypatch.setattr(matmul, "_FEW", 0)
    monkeypatch.setattr(matmul, "SMALL", 0)
    monkeypatch.setattr(sys, "unraisablehook", lambda lost: None)  # what comes in a callback of a weak reference
    set_threads(3)


def present():
    """The modes of this thread."""
    return [getattr(modes, name) for name in ("recording", "dispatch", "depth", "batches", "overrides", "observers")]


def blas_threads():
    return [library.get_num_threads() for library in threads._blas() or ()]


CALLS = [convolution, first_convolution, fewer_threads, parts, blas, contexts]


def sweep(call, numbers):
    """Interrupt a call at instructions of these numbers, as long as it has so many; how many that were."""
    working(3)  # so that all workers are there to be counted
    expected, settings, before, others = convolution(), present(), blas_threads(), _thread._count() - len(pool.workers)
    came = 0
    for n in numbers:
        if not interrupted(call, n):
            break
        came += 1
        assert not pool.lock.locked() and pool.leader is None, n
        assert not one_blas_thread.lock.locked() and not one_blas_thread.calls and not one_blas_thread.limited, n
        assert not at_work, n
        assert blas_threads() == before and present() == settings, n
        np.testing.assert_array_equal(convolution(), expected)
        working(3)
        assert [worker.number for worker in pool.workers] == [1, 2], n
    until = time.monotonic() + 20
    while _thread._count() != others + 2 and time.monotonic() < until:
        time.sleep(0.01)
    assert _thread._count() == others + 2
    return came


@pytest.mark.parametrize("call", CALLS)
def test_a_sample_of_places(call, three):
    assert sweep(call, itertools.count(0, 7 if call is parts else 37)) > 15


@pytest.mark.thorough
@pytest.mark.parametrize("call", CALLS)
def test_all_places(call, three):
    assert sweep(call, itertools.count()) > 500


def test_while_the_caller_waits(three):
    done, begun = [], threading.Event()

    def work(turns):
        for _ in turns:
            if threading.current_thread() is threading.main_thread():
                begun.wait(20)  # leaves a part to a helper, and then waits for it
                return
            begun.set()
            time.sleep(0.1)
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
            time.sleep(0.1)
            done.append(1)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # shells let what is in the background ignore it
    try:
        with pytest.raises(KeyboardInterrupt):
            parallel(work, range(2))
    finally:
        signal.signal(signal.SIGINT, before)
    assert done and pool.leader is None and not one_blas_thread.calls
    working(3)


@pytest.mark.parametrize("most", [0, 1])
def test_threads_that_do_not_start(most, three, monkeypatch):
    expected, started, start = convolution(), [], _thread.start_new_thread

    def limited(*arguments):
        if len(started) == most:
            raise RuntimeError("can't start new thread")
        started.append(start(*arguments))

    pool.resize(0)
    with monkeypatch.context() as patch:
        patch.setattr(_thread, "start_new_thread", limited)
        for _ in range(3):
            np.testing.assert_array_equal(convolution(), expected)
            parts()
        assert len(pool.workers) == most and pool.leader is None
    working(3)
