"""Parts of machine code spread over threads: all of them, once, whoever does them, and whatever else goes on."""

import os
import subprocess
import sys
import textwrap
import threading
import time

import numpy as np
import pytest

from pullback import get_num_threads, set_num_threads
from pullback.autograd import crew, machine
from pullback.autograd.door import natural, writes
from pullback.autograd.threads import each, team

pytest.importorskip("llvmlite")


@pytest.fixture(scope="module")
def kernel():
    """Adds 1 to an entry of a table for its part, and to one for its thread, and spends some time."""

    @machine.kernel(table=writes("parts", "int64"), counts=writes("threads * 16", "int64"), rounds=natural)
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
def number(request):
    before = get_num_threads()
    set_num_threads(request.param)
    yield request.param
    set_num_threads(before)


def rounds(kernel, parts, work):
    """What the parts and the threads counted."""
    done, threads = np.zeros(max(1, parts), np.int64), np.zeros(16 * 16, np.int64)
    crew.run(kernel, parts, table=done, counts=threads, rounds=work)
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
        each(done.append, range(20))
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
    assert not wrong and not team.lock.locked()


def test_small_work_stays_on_one_thread(kernel):
    before = get_num_threads()
    set_num_threads(2)
    try:
        for _ in range(20):
            done, threads = np.zeros(50, np.int64), np.zeros(64, np.int64)
            crew.run(kernel, 50, 2 * crew.WORTH - 1, table=done, counts=threads, rounds=1000)
            assert threads[0] == 50 and not threads[16:].any()
    finally:
        set_num_threads(before)


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


def test_the_end_of_the_process_while_helpers_look_out():
    code = """
        import atexit
        atexit.register(lambda: print(pb.conv(x, x[:4, :, :3, :3]).shape, len(threads.team.helpers)))
        import numpy as np, pullback as pb
        from pullback.autograd import crew, threads
        crew.WORTH = 1e-9
        pb.set_num_threads(4)
        x = pb.Tensor(np.ones((64, 4, 40, 40), "float32"))
        for _ in range(20):
            y = pb.conv(x, x[:4, :, :3, :3])
        print(len(threads.team.helpers))
    """
    for _ in range(5):
        done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=60)
        assert (done.returncode, done.stdout, done.stderr) == (0, "3\n(64, 4, 38, 38) 0\n", "")
