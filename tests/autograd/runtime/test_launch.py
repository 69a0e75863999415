"""Parts of machine code spread over threads: all of them, once, whoever does them, and whatever else goes on."""

import os
import random
import subprocess
import sys
import textwrap
import threading
import time

import numpy as np
import pytest

import pullback as pb
from pullback import Tensor, get_num_threads, set_num_threads
from pullback.autograd.runtime import launch, llvm, memory, threads
from pullback.autograd.runtime.arguments import natural, writes
from pullback.autograd.runtime.llvm import available
from pullback.autograd.runtime.threads import parallel_for, pool

pytest.importorskip("llvmlite")


@pytest.fixture(scope="module")
def kernel():
    """Adds 1 to an entry of a table for its part, and to one for its thread, and spends some time."""

    @llvm.kernel(table=writes("parts", "int64"), counts=writes("threads * 16", "int64"), rounds=natural)
    def count(code):
        table, threads, rounds = code.arguments
        table[code.part] = table[code.part] + 1
        own = code.thread * 16
        threads[own] = threads[own] + 1

        def body(_):
            threads[own + 1] = threads[own + 1] * 3 + 1

        code.loop(0, rounds, 1, body)

    return count(np.float64)


@pytest.fixture(params=[1, 2, 5])
def number(request, set_threads):
    set_threads(request.param)
    return request.param


def rounds(kernel, parts, work):
    """What the parts and the threads counted."""
    done, threads = np.zeros(max(1, parts), np.int64), np.zeros(16 * 16, np.int64)
    launch.run(kernel, parts, table=done, counts=threads, rounds=work)
    return done[:parts], threads[::16]


@pytest.mark.parametrize("parts", [0, 1, 2, 7, 1000])
def test_every_part_is_done_once(kernel, number, parts):
    for pause in (0, 0, 0, 0.02):
        time.sleep(pause)
        done, threads = rounds(kernel, parts, 100)
        np.testing.assert_array_equal(done, 1)
        assert threads.sum() == parts and not threads[number:].any()


def test_helpers_take_part(kernel):
    before = get_num_threads()
    set_num_threads(2)
    try:
        for _ in range(100):  # where other processes keep the CPUs busy it takes some turns
            threads = rounds(kernel, 1000, 20_000)[1]
            if threads[1]:
                break
        assert threads[1]
    finally:
        set_num_threads(before)


def test_beside_work_in_python(kernel, number):
    for _ in range(50):
        done = []
        parallel_for(done.append, range(20))
        assert sorted(done) == list(range(20))
        np.testing.assert_array_equal(rounds(kernel, 30, 50)[0], 1)


def test_from_many_threads(kernel, number):
    wrong = []

    def call():
        for _ in range(100):
            if (rounds(kernel, 20, 200)[0] != 1).any():
                wrong.append(1)

    callers = [threading.Thread(target=call) for _ in range(6)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert not wrong and pool.leader is None


def test_small_work_stays_on_one_thread(kernel, set_threads, monkeypatch):
    set_threads(2)
    asked, gathered = [], pool.gathered
    monkeypatch.setattr(pool, "gathered", lambda call, count: asked.append(count) or gathered(call, count))
    for _ in range(20):
        done, threads = np.zeros(50, np.int64), np.zeros(64, np.int64)
        launch.run(kernel, 50, 2 * launch.WORTH - 1, table=done, counts=threads, rounds=1000)
        assert threads[0] == 50 and not threads[16:].any()
    for size in (2 * launch.WORTH, 7 * launch.WORTH, 1e9 * launch.WORTH):
        launch.run(kernel, 50, size, table=done, counts=np.zeros(64, np.int64), rounds=1)
    assert asked == [2, 7, 50]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_child_has_helpers_of_its_own(kernel):
    before = get_num_threads()
    set_num_threads(2)
    try:
        rounds(kernel, 100, 1000)
        child = os.fork()
        if not child:
            done = [rounds(kernel, 100, 1000)[0] for _ in range(20)]
            os._exit(int((np.array(done) != 1).any()))
        assert os.waitpid(child, 0)[1] == 0
    finally:
        set_num_threads(before)


def test_the_end_of_the_process_while_workers_look_out():
    code = """
        import atexit
        atexit.register(lambda: print(pb.conv(x, x[:4, :, :3, :3]).shape, len(threads.pool.workers)))
        import numpy as np, pullback as pb
        from pullback.autograd.runtime import launch, threads
        launch.WORTH = 1e-9
        pb.set_num_threads(4)
        x = pb.Tensor(np.ones((64, 4, 40, 40), "float32"))
        for _ in range(20):
            y = pb.conv(x, x[:4, :, :3, :3])
        print(len(threads.pool.workers))
    """
    for _ in range(5):
        done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=60)
        assert (done.returncode, done.stdout, done.stderr) == (0, "3\n(64, 4, 38, 38) 0\n", "")


def guard(monkeypatch, given):
    """Have other numbers behind all memory that kernels are given for their threads."""
    memory = launch.Scratch.memory

    def guarded(scratch, threads):
        asked = memory(scratch, threads).size
        given.append((np.full(asked + 80 * scratch.room, 77, scratch.dtype), asked))
        return given[-1][0][:asked]

    monkeypatch.setattr(launch.Scratch, "memory", guarded)


def untouched(given):
    return all((array[asked:] == 77).all() for array, asked in given)


def test_memory_is_for_the_threads_that_take_part(kernel, monkeypatch):
    """However soon after they are called together another thread changes their number."""
    given, gathered, before = [], pool.gathered, get_num_threads()

    def soon(call, count):
        workers = gathered(call, count)
        set_num_threads(1)
        return workers

    guard(monkeypatch, given)
    monkeypatch.setattr(memory, "PAGE", 8)  # no more than asked for
    monkeypatch.setattr(pool, "gathered", soon)
    try:
        for _ in range(100):  # as in `test_helpers_take_part`
            set_num_threads(3)
            done = np.zeros(1000, np.int64)
            launch.run(kernel, 1000, table=done, counts=launch.Scratch(16, np.dtype(np.int64)), rounds=20_000)
            assert untouched(given) and (done == 1).all()
            if given.pop()[0][16:32].any():
                break
    finally:
        set_num_threads(before)


@pytest.mark.parametrize("seconds", [3, pytest.param(60, marks=pytest.mark.thorough)])
def test_the_number_of_threads_changes_meanwhile(seconds, monkeypatch):
    """Results are those of one thread to the bit, and no thread writes behind the memory that there is for all."""
    rng, given = np.random.default_rng(0), []
    x, w, a = rng.normal(size=(64, 2, 16, 16)), rng.normal(size=(2, 2, 3, 3)), rng.normal(size=(150, 150))

    def work():
        p, q = Tensor(x, requires_grad=True), Tensor(w, requires_grad=True)
        y = pb.relu(pb.conv(p, q, padding=1))
        z = pb.max_pool(y, 3, 2, padding=1)
        boxes = pb.avg_pool(y, 5, 1), pb.adaptive_max_pool(y, (5, 7)), pb.max_pool(y, (7, 2), 1)
        (pb.sum(z) + pb.sum(pb.conv_transpose(z, q, 2)) + sum(map(pb.sum, boxes))).backward()
        return [p.grad.data, q.grad.data, z.data, *(box.data for box in boxes), pb.matmul(a, a.T)]

    monkeypatch.setattr(launch, "WORTH", 1e-9)
    monkeypatch.setattr(threads, "WORTH", 0)
    guard(monkeypatch, given)
    before, ended, rounds = get_num_threads(), threading.Event(), 0

    def change():
        counts = random.Random(0)
        while not ended.is_set():
            set_num_threads(counts.randint(1, 64))
            time.sleep(1e-4)

    changing = threading.Thread(target=change)
    try:
        set_num_threads(1)
        expected = work()
        changing.start()
        until = time.monotonic() + seconds
        while rounds < 3 or time.monotonic() < until:
            given.clear()
            for one, other in zip(work(), expected, strict=True):
                np.testing.assert_array_equal(one, other)
            assert bool(given) == available(x) and untouched(given)
            rounds += 1
    finally:
        ended.set()
        changing.join()
        set_num_threads(before)
