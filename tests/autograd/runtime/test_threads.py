"""Work spread over threads: all of it, once, to the bit as on one thread, and nothing left over after errors."""

import contextlib
import os
import subprocess
import sys
import textwrap
import threading
import time
from functools import partial

import numpy as np
import pytest

import pullback as pb
from pullback import Tensor, get_num_threads, set_num_threads
from pullback.autograd.kernels import matrix_product as matmul
from pullback.autograd.runtime import launch, threads
from pullback.autograd.runtime.threads import parallel, parallel_for


@contextlib.contextmanager
def number(count):
    """So many threads, for small work, too."""
    before = get_num_threads()
    set_num_threads(count)
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(threads, "WORTH", 0)
            patch.setattr(launch, "WORTH", 1e-9)
            yield
    finally:
        set_num_threads(before)


@pytest.mark.parametrize("count", [1, 2, 5])
@pytest.mark.parametrize("parts", [0, 1, 2, 100])
def test_every_part_is_done_once(count, parts):
    done = []
    with number(count):
        parallel(lambda turns: done.extend(turns), range(parts))
    assert sorted(done) == list(range(parts))


def test_several_threads_take_part():
    meeting, names = threading.Barrier(2, timeout=20), set()

    def work(turns):
        for _ in turns:
            meeting.wait()
            names.add(threading.current_thread().name)

    with number(2):
        parallel(work, range(2))
    assert len(names) == 2


def test_settings_of_the_caller_hold_on_all_threads():
    meeting, found = threading.Barrier(2, timeout=20), []

    def part(_):
        meeting.wait()
        found.append(np.geterr()["over"])

    with number(2), np.errstate(over="raise"):
        parallel_for(part, range(2))
    assert found == ["raise", "raise"]


@pytest.mark.parametrize("bad", [0, 3])
def test_errors_come_through_and_stop_the_rest(bad):
    done = []

    def work(turns):
        for i in turns:
            if i == bad:
                raise ZeroDivisionError(i)
            done.append(i)

    with number(2):
        with pytest.raises(ZeroDivisionError, match=str(bad)):
            parallel(work, range(10_000))
        assert len(done) < 10_000
        again = []
        parallel(lambda turns: again.extend(turns), range(10))
    assert sorted(again) == list(range(10)) and not threads.one_blas_thread.calls


@pytest.mark.parametrize("where", ["caller", "helper", "both"])
def test_an_error_inside_a_thread_comes_to_the_caller(where):
    """From a helper as well, whose own thread goes on serving."""
    meeting, caller = threading.Barrier(2, timeout=20), threading.current_thread()

    def work(turns):
        for part in turns:
            meeting.wait()
            here = "caller" if threading.current_thread() is caller else "helper"
            if where in (here, "both"):
                raise ZeroDivisionError(f"{here} {part}")

    with number(2):
        for _ in range(3):
            with pytest.raises(ZeroDivisionError, match="caller|helper" if where == "both" else where):
                parallel(work, range(2))
            assert threads.pool.leader is None and not threads.one_blas_thread.calls
            assert [worker.number for worker in threads.pool.workers] == [1]


def test_after_an_error_of_the_caller_helpers_take_no_further_part():
    done, begun, caller = [], threading.Event(), threading.current_thread()

    def work(turns):
        for part in turns:
            if threading.current_thread() is caller:
                assert begun.wait(20)
                raise ZeroDivisionError
            begun.set()
            done.append(part)
            time.sleep(1e-3)

    with number(2), pytest.raises(ZeroDivisionError):
        parallel(work, range(3000))
    assert 0 < len(done) < 1000


@pytest.mark.parametrize("count", [0, -1, 1.5, "2"])
def test_numbers_that_are_none(count):
    with pytest.raises(ValueError, match="expected a positive integer"):
        set_num_threads(count)


def test_blas_has_one_thread_inside_and_its_own_after():
    info = pytest.importorskip("threadpoolctl").threadpool_info
    blas = lambda: [each["num_threads"] for each in info() if each["user_api"] == "blas"]  # noqa: E731
    before, inside = blas(), []

    def work(turns):
        for _ in turns:
            inside.extend(blas())

    with number(2):
        parallel(work, range(4))
        with pytest.raises(ZeroDivisionError):
            parallel(lambda turns: 1 / 0, range(4))
    assert set(inside) == {1} and blas() == before


@pytest.mark.parametrize("machine_code", ["0", "1"])
def test_blas_in_a_fresh_process(machine_code):
    """It has as many threads as it came with before, after and beside our work, and one within; also after an error."""
    pytest.importorskip("threadpoolctl")
    code = """
        import numpy as np, threadpoolctl
        from threadpoolctl import threadpool_info
        blas = lambda: [each["num_threads"] for each in threadpool_info() if each["user_api"] == "blas"]
        threadpoolctl.threadpool_limits(3, user_api="blas")
        before = blas()
        import pullback as pb
        from pullback.autograd.runtime import launch, threads
        assert blas() == before and 3 in before, (blas(), before)
        launch.WORTH, threads.WORTH, inside = 1e-9, 0, []
        pb.set_num_threads(2)
        assert blas() == before
        x = pb.Tensor(np.ones((8, 4, 40, 40)), requires_grad=True)
        pb.conv(x, np.ones((4, 4, 3, 3))).sum().backward()
        pb.matmul(np.ones((300, 300), complex), np.ones((300, 300), complex))
        assert blas() == before, (blas(), before)
        threads.parallel(lambda turns: [inside.extend(blas()) for _ in turns], range(4))
        assert set(inside) == {1} and blas() == before, (inside, blas())
        try:
            threads.parallel(lambda turns: 1 / 0, range(4))
        except ZeroDivisionError:
            assert blas() == before
            print("end")
    """
    environment = {**os.environ, "PULLBACK_MACHINE_CODE": machine_code}
    environment.pop("OMP_NUM_THREADS", None)
    command = [sys.executable, "-c", textwrap.dedent(code)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout, done.stderr) == (0, "end\n", "")


CPUS = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


@pytest.mark.parametrize(
    "text, count",
    [("3", 3), (" 3 ", 3), ("4,2", 4), ("4 , 2", 4), ("1", 1), ("1000000000", 1024)]
    + [(text, CPUS) for text in ("", "0", "-2", "abc", "2.5", ",4", "0,4", "9" * 9999)],
)
def test_numbers_from_the_environment(text, count, monkeypatch):
    pytest.importorskip("threadpoolctl")
    monkeypatch.setenv("OMP_NUM_THREADS", text)
    monkeypatch.setattr(threads, "_count", None)
    assert get_num_threads() == count


def test_a_huge_number_is_as_many_as_there_can_be():
    with number(10**9):
        assert get_num_threads() == 1024
        done = []
        parallel(lambda turns: done.extend(turns), range(100))
        assert sorted(done) == list(range(100)) and len(threads.pool.workers) <= 99


@pytest.mark.parametrize("size, groups, stride", [(32, 1, 1), (33, 2, 2), (64, 1, 2)])
def test_results_are_the_same_to_the_bit(size, groups, stride):
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(24, 8, size, size)), rng.normal(size=(16, 8 // groups, 3, 3))

    def run():
        a, b = Tensor(x, requires_grad=True), Tensor(w, requires_grad=True)
        y = pb.conv(a, b, stride, padding=1, groups=groups)
        z = pb.conv_transpose(pb.max_pool(pb.relu(y), 3, 2), b, 2, groups=groups)
        pb.sum(pb.sin(z)).backward()
        return y.data, z.data, a.grad.data, b.grad.data

    results = []
    for count in (1, 2, 3):
        with number(count):
            results.append(run())
    for other in results[1:]:
        for one, two in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("shapes", [((600, 400), (400, 300)), ((100, 500), (500, 900)), ((700, 300), (300, 700))])
@pytest.mark.parametrize("dtype", ["float64", "complex128"])  # by machine code, if there is any, and by BLAS
def test_products_are_the_same_to_the_bit(shapes, dtype):
    a, b = (np.random.default_rng(i).normal(size=shape).astype(dtype) for i, shape in enumerate(shapes))
    assert a.size * shapes[1][1] >= 2 * matmul._PART
    results = []
    for count in (1, 2, 3):
        with number(count):
            results.append(matmul.product(a, b))
    np.testing.assert_allclose(results[0], np.einsum("ij,jk->ik", a, b), atol=1e-11)
    for other in results[1:]:
        np.testing.assert_array_equal(results[0], other)


def test_small_work_stays_on_one_thread(set_threads):
    names = set()
    set_threads(3)
    parallel_for(lambda part: names.add(threading.current_thread().name), range(50), threads.WORTH - 1)
    assert names == {threading.current_thread().name}


def test_many_callers_share_the_threads():
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(16, 8, 32, 32)), rng.normal(size=(8, 8, 3, 3))
    expected, wrong = pb.conv(x, w), []

    def call():
        for _ in range(5):
            if not np.array_equal(pb.conv(x, w), expected):
                wrong.append(1)

    with number(3):
        callers = [threading.Thread(target=call) for _ in range(8)]
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join()
    assert not wrong and not threads.one_blas_thread.calls


def together(*calls):
    """Run calls at the same time, with threads that take turns as often as they can; what they gave."""
    found, before = [None] * len(calls), sys.getswitchinterval()
    start = threading.Barrier(len(calls))

    def run(i):
        start.wait()
        found[i] = calls[i]()

    sys.setswitchinterval(1e-6)
    try:
        callers = [threading.Thread(target=run, args=(i,)) for i in range(len(calls))]
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join()
    finally:
        sys.setswitchinterval(before)
    return found


@pytest.mark.parametrize("create_graph", [False, True])
@pytest.mark.parametrize("inner", [False, True])
def test_gradients_from_many_threads_add_up(inner, create_graph):
    """In a leaf, and in a tensor inside of a graph that all share; integers, whose sums are exact."""
    for _ in range(200):
        x = Tensor(np.zeros(64), requires_grad=True)
        y = x * 1.0 if inner else x
        y.retain_grad()

        def call(i, y=y):
            for _ in range(2):
                (y * float(i)).sum().backward(retain_graph=True, create_graph=create_graph)

        together(*(partial(call, i) for i in range(8)))
        for z in (x, y):
            np.testing.assert_array_equal(z.grad.data, np.full(64, 2.0 * sum(range(8))))
        x.grad = y.grad = None  # with create_graph these may lead back to x


def test_hooks_from_many_threads_are_all_there():
    for _ in range(200):
        x, ran = Tensor(2.0, requires_grad=True), []
        y = x * 3.0
        handles = together(*[lambda y=y, ran=ran: y.register_hook(lambda g: ran.append(1))] * 7, y.retain_grad)
        y.backward(retain_graph=True)
        assert len(ran) == 7 and y.grad.item() == 1.0
        for handle in handles[:-1]:
            handle.remove()
        y.backward()
        assert len(ran) == 7


def test_a_hook_is_removed_after_retain_grad():
    x = Tensor(2.0, requires_grad=True)
    y = x * 3.0
    handle = y.register_hook(lambda g: g * 10.0)
    y.retain_grad()
    handle.remove()
    y.backward()
    assert (x.grad.item(), y.grad.item()) == (3.0, 1.0)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_fork_within_work():
    """The child, which lacks the workers and so some parts, says so, and then has threads of its own."""
    meeting, ended = threading.Barrier(2, timeout=20), []
    before = [blas.get_num_threads() for blas in threads._blas() or ()]

    def work(turns):
        for _ in turns:
            meeting.wait()
            if threading.current_thread() is threading.main_thread():
                children.append(os.fork())
                if not children[0]:
                    return
                ended.append(os.waitpid(children[0], 0)[1])
            meeting.wait()

    children = []
    with number(2):
        try:
            parallel(work, range(2))
        except RuntimeError as error:
            done = []
            parallel(lambda turns: done.extend(turns), range(50))
            again = [blas.get_num_threads() for blas in threads._blas() or ()]
            os._exit(not ("forked" in str(error) and sorted(done) == list(range(50)) and again == before))
        finally:
            if children and not children[0]:
                os._exit(2)
    assert ended == [0]


def test_the_end_of_the_process_during_work():
    code = """
        import threading, time
        import numpy as np, pullback as pb
        from pullback.autograd.runtime import launch, threads
        launch.WORTH, threads.WORTH = 1e-9, 0
        pb.set_num_threads(3)
        x, w = np.ones((64, 2, 16, 16)), np.ones((2, 2, 3, 3))
        a = np.ones((200, 200), complex)
        def work(f):
            while True:
                f()
        asleep = lambda: threads.parallel_for(time.sleep, [0.001] * 4)
        for f in (lambda: pb.conv(x, w), asleep, lambda: pb.matmul(a, a)):
            threading.Thread(target=work, args=(f,), daemon=True).start()
        time.sleep(0.2)
        print("end")
    """
    for _ in range(3):
        done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=60)
        assert (done.returncode, done.stdout, done.stderr) == (0, "end\n", "")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_child_has_threads_of_its_own():
    with number(2):
        parallel(lambda turns: list(turns), range(4))
        child = os.fork()
        if not child:
            done = []
            parallel(lambda turns: done.extend(turns), range(50))
            os._exit(sorted(done) != list(range(50)))
        assert os.waitpid(child, 0)[1] == 0
