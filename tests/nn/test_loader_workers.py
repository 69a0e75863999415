"""Loaders with workers: the same batches for any number and kind of them, errors that arrive, and nothing left."""

import gc
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import pullback as pb
from pullback import nn
from pullback.nn.data import DataLoader, IterableDataset, TensorDataset, Transformed, get_worker_info, transforms
from pullback.nn.data import workers as workers_module
from pullback.tests.helpers import loader_samples as samples

KINDS = ("thread", "process")
SOME = [(kind, number) for kind in KINDS for number in (1, 3)]


def arrays(batch):
    """All arrays in a batch, as lists."""
    if isinstance(batch, dict):
        batch = list(batch.values())
    parts = batch if isinstance(batch, (tuple, list)) else (batch,)
    return [np.asarray(part).tolist() for part in parts]


def epochs(dataset, number=2, **options):
    loader = DataLoader(dataset, generator=5, **options)
    return [[arrays(batch) for batch in loader] for _ in range(number)]


def loader_threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith("loader-")]


@pytest.fixture(autouse=True)
def nothing_left():
    """Each test ends all processes and threads that it has started, and leaves no memory and no open files."""
    samples_open = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    yield
    gc.collect()
    assert not multiprocessing.active_children() and not loader_threads()
    if samples_open:
        assert len(os.listdir("/proc/self/fd")) <= samples_open + 3  # those to the server of processes
    if os.path.isdir("/dev/shm"):
        assert not [name for name in os.listdir("/dev/shm") if name.startswith(("psm_", "pullback"))]


CASES = {
    "noisy": (samples.Noisy(), {"batch_size": 3, "shuffle": True}),
    "noise in collate_fn": (samples.Noisy(), {"batch_size": 3, "collate_fn": samples.with_noise}),
    "single samples": (samples.Noisy(5), {"batch_size": None}),
    "batches of its own": (samples.Noisy(), {"batch_sampler": [[1, 2], [10], [4, 3, 2]]}),
    "drop_last": (samples.Noisy(), {"batch_size": 4, "drop_last": True}),
    "stream": (samples.Stream(), {"batch_size": 3}),
    "stream, single": (samples.Stream(5), {"batch_size": None}),
    "stream, drop_last": (samples.Stream(), {"batch_size": 3, "drop_last": True}),
    "augmented": (
        Transformed(TensorDataset(np.arange(7 * 16.0).reshape(7, 1, 4, 4), np.arange(7)), transforms.RandomCrop(3)),
        {"batch_size": 2, "shuffle": True},
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("dataset, options", CASES.values(), ids=CASES)
def test_batches_are_the_same_for_any_workers(dataset, options):
    expected = epochs(dataset, **options)
    assert expected[0] != expected[1] or "drop_last" in options and not len(expected[0])
    for kind, number in SOME:
        assert epochs(dataset, num_workers=number, workers=kind, **options) == expected, (kind, number)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dataset", [samples.Noisy(), samples.Stream()], ids=["indices", "stream"])
def test_persistent_workers_stay_and_give_the_same(kind, dataset):
    expected = epochs(dataset, 3, batch_size=3)
    loader = DataLoader(dataset, 3, generator=5, num_workers=2, workers=kind, persistent_workers=True)
    found = [[arrays(batch) for batch in loader]]
    first = multiprocessing.active_children() or loader_threads()
    for batch in loader:
        found.append([arrays(batch)])
        break  # the workers have made more, which belongs to this epoch alone
    found.append([arrays(batch) for batch in loader])
    assert found == [expected[0], expected[1][:1], expected[2]]
    assert set(multiprocessing.active_children() or loader_threads()) == set(first)
    for (a, b), (c, d) in zip(zip(loader, loader, strict=True), zip(loader, loader, strict=True), strict=True):
        assert type(a) is type(b) is type(c) is type(d)
    del loader


def test_without_a_seed_they_follow_manual_seed_and_the_thread_goes_on_undisturbed():
    found = []
    for options in ({}, {"num_workers": 2, "workers": "thread"}, {"num_workers": 2}):
        nn.manual_seed(3)
        loader = DataLoader(samples.Noisy(), 3, shuffle=True, **options)
        found.append(([arrays(batch) for batch in loader], float(pb.random.random())))
    assert found[0] == found[1] == found[2]


def test_plain_arrays_take_no_random_numbers_but_for_the_order():
    nn.manual_seed(3)
    list(DataLoader(TensorDataset(np.arange(5)), 2))
    after = float(pb.random.random())
    nn.manual_seed(3)
    assert after == float(pb.random.random())


def test_samples_of_one_batch_and_of_several_have_draws_of_their_own():
    (first, *_), _ = epochs(samples.Noisy(12), batch_size=4)
    batches, again = epochs(samples.Noisy(12), batch_size=4)
    noise = np.array([np.array(x) - np.array(y)[:, None] for x, y in batches + again])
    assert len(np.unique(noise)) == noise.size and arrays(first) == arrays(batches[0])


@pytest.mark.parametrize("kind", KINDS)
def test_workers_know_who_they_are(kind):
    assert get_worker_info() is None
    options = {"collate_fn": samples.worker_numbers, "workers": kind}
    found = list(DataLoader(samples.Noisy(4), 1, num_workers=2, **options))
    assert found == [(0, 2, "Noisy", 0), (1, 2, "Noisy", 1), (0, 2, "Noisy", 2), (1, 2, "Noisy", 3)]
    assert list(DataLoader(samples.Noisy(1), 1, collate_fn=samples.worker_numbers)) == [None]


def test_large_arrays_come_whole_and_can_be_written_to():
    expected = list(DataLoader(samples.Large(), 2, dtype=None))
    for found in (
        DataLoader(samples.Large(), 2, dtype=None, num_workers=2),
        DataLoader(samples.Large(), 2, dtype=None, num_workers=1),
    ):
        batches = list(found)
        for batch, right in zip(batches, expected, strict=True):
            for name in ("c", "f", "small", "empty"):
                assert batch[name].dtype == right[name].dtype
                np.testing.assert_array_equal(batch[name].numpy(), right[name].numpy())
            assert batch["text"] == right["text"]
        batches[0]["c"].data[:] = 5
        assert batches[1]["c"].data[0, 0, 0] == 2


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("persistent", [False, True])
def test_an_error_arrives_with_its_type_and_traceback(kind, persistent):
    dataset = samples.Failing(samples.raise_key_error)
    loader = DataLoader(dataset, 3, num_workers=2, workers=kind, persistent_workers=persistent)
    for _ in range(2):
        batches = iter(loader)
        assert arrays(next(batches))[1] == [0, 1, 2] and arrays(next(batches))[1] == [3, 4, 5]
        with pytest.raises(KeyError, match="^'seven'\nin worker 0 of the DataLoader, which made batch 2$") as caught:
            next(batches)
        text = str(caught.value.__cause__) if kind == "process" else str(caught.getrepr(style="short"))
        assert "in raise_key_error" in text and 'raise KeyError("seven")' in text
        assert list(batches) == []
        del caught


@pytest.mark.parametrize("kind", KINDS)
def test_a_lost_connection_of_the_dataset_is_no_end_of_the_worker(kind):
    loader = DataLoader(samples.Failing(samples.lose_connection), 3, num_workers=2, workers=kind, timeout=30)
    with pytest.raises(ConnectionResetError, match="the server of the data is gone"):
        list(loader)


def test_errors_that_cannot_be_pickled_arrive_as_text():
    with pytest.raises(RuntimeError, match="^Odd: 1 and 2\n") as caught:
        list(DataLoader(samples.Failing(samples.raise_odd), 3, num_workers=1))
    assert "in raise_odd" in str(caught.value.__cause__)


@pytest.mark.parametrize("kind", [None, *KINDS])
def test_a_stop_iteration_does_not_end_the_epoch_in_silence(kind):
    options = {} if kind is None else {"num_workers": 2, "workers": kind}
    with pytest.raises(RuntimeError, match="StopIteration"):
        list(DataLoader(samples.Failing(samples.stop_iteration), 3, **options))


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_as_a_worker_starts_arrives(kind):
    with pytest.raises(FileNotFoundError, match="worker 0 finds no file"):
        list(DataLoader(samples.Noisy(), 3, num_workers=2, workers=kind, worker_init_fn=samples.fail_to_start))
    with pytest.raises(RuntimeError, match="not here") as caught:
        list(DataLoader(samples.Ready(), 1, num_workers=1))
    assert "__setstate__" in str(caught.value.__cause__)


def test_a_batch_that_cannot_be_pickled_is_an_error():
    with pytest.raises(TypeError, match='DataLoader: a batch cannot be pickled, .*workers="thread"'):
        list(DataLoader(samples.Noisy(), 3, num_workers=1, collate_fn=samples.unpicklable))


@pytest.mark.parametrize("how, said", [("die", "was killed by SIGKILL"), ("leave_at_once", "ended with exit code 4")])
def test_a_dead_worker_is_an_error(how, said):
    loader = DataLoader(samples.Failing(getattr(samples, how)), 3, num_workers=2, persistent_workers=True)
    with pytest.raises(RuntimeError, match=rf"DataLoader: worker process \d+ {said} before it gave its batch"):
        list(loader)
    assert loader._pool is None


def test_an_exit_in_a_worker_is_not_one_of_the_program():
    with pytest.raises(SystemExit) as caught:
        list(DataLoader(samples.Failing(samples.leave), 3, num_workers=1))
    assert caught.value.code == 3


@pytest.mark.parametrize("kind", KINDS)
def test_workers_that_hang_are_ended(kind, monkeypatch):
    monkeypatch.setattr(workers_module, "GRACE", 0.1)
    ready = threading.Event()
    if kind == "thread":
        monkeypatch.setattr(samples.time, "sleep", lambda seconds: ready.wait(20))
    start = time.monotonic()
    with pytest.raises(TimeoutError, match=r"batch 2 did not come from worker 0 in timeout=0.2 seconds"):
        list(DataLoader(samples.Failing(samples.sleep), 3, num_workers=2, workers=kind, timeout=0.2))
    assert time.monotonic() - start < 15
    ready.set()
    for thread in loader_threads():
        thread.join(5)


@pytest.mark.parametrize("kind", KINDS)
def test_workers_end_with_the_loop(kind):
    loader = DataLoader(samples.Noisy(50), 2, num_workers=2, workers=kind)
    for _ in loader:
        break
    assert not multiprocessing.active_children() and not loader_threads()
    batches = iter(loader)
    next(batches)
    assert len(multiprocessing.active_children() or loader_threads()) == 2
    del batches
    assert not multiprocessing.active_children() and not loader_threads()
    with pytest.raises(ZeroDivisionError):
        for _ in loader:
            raise ZeroDivisionError
    assert not multiprocessing.active_children() and not loader_threads()


@pytest.mark.slow
@pytest.mark.parametrize(
    "wrong, said",
    [
        ({"collate_fn": lambda batch: batch}, "collate_fn <function"),
        ({"worker_init_fn": lambda number: None}, "worker_init_fn <function"),
        ({"dataset": type("Local", (samples.Noisy,), {})()}, "the dataset, a Local,"),
        ({"dataset": [threading.Lock()]}, "the dataset, a list,"),
    ],
)
def test_what_cannot_be_pickled_is_named(wrong, said):
    with pytest.raises(TypeError, match=rf"^DataLoader: {said}.* cannot be pickled, .*workers=\"thread\""):
        list(DataLoader(**{"dataset": samples.Noisy(), "num_workers": 2, **wrong}))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
@pytest.mark.parametrize(
    "context", ["spawn", "fork", multiprocessing.get_context("forkserver")], ids=["spawn", "fork", "object"]
)
def test_other_ways_to_start_processes(context):
    if sys.platform != "linux":
        pytest.skip("forks")
    expected = epochs(samples.Noisy(), 1, batch_size=3)
    assert epochs(samples.Noisy(), 1, batch_size=3, num_workers=1, multiprocessing_context=context) == expected


@pytest.mark.slow
def test_workers_compute_by_blas_and_by_the_engine():
    expected = epochs(samples.Computing(), 1, batch_size=2)
    assert epochs(samples.Computing(), 1, batch_size=2, num_workers=2, timeout=60) == expected


def test_indices_that_fill_the_pipe_wait_for_nobody():
    batches = [np.zeros(100_000, int)] * 4
    loader = DataLoader(TensorDataset(np.ones((1, 8), np.float32)), batch_sampler=batches, num_workers=1, timeout=60)
    assert [x.shape for (x,) in loader] == [(100_000, 8)] * 4


SCRIPT = """
import os, sys, time
from pullback.nn.data import DataLoader
from pullback.tests.helpers import loader_samples as samples
import multiprocessing

if __name__ == "__main__":
    kind, how = sys.argv[1:]
    loader = DataLoader(samples.Noisy(1000), 2, num_workers=2, workers=kind, persistent_workers=how == "error")
    batches = iter(loader)
    next(batches)
    print(*[process.pid for process in multiprocessing.active_children()], flush=True)
    if how == "error":
        raise SystemError("the end")
    if how == "wait":
        for _ in batches:
            time.sleep(0.1)
"""


def run(tmp_path, *arguments):
    path = tmp_path / "script.py"
    path.write_text(SCRIPT)
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "start_new_session": True}
    return subprocess.Popen([sys.executable, str(path), *arguments], **pipes)


def gone(pids):
    """Whether all these processes end, within a while."""
    until = time.monotonic() + 20
    while any(os.path.exists(f"/proc/{pid}") for pid in pids):
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.parametrize("how", ["error", "interrupt", "kill"])
def test_workers_end_with_the_program(tmp_path, how):
    with run(tmp_path, "process", "wait" if how in ("interrupt", "kill") else how) as program:
        pids = program.stdout.readline().split()
        assert len(pids) == 2
        if how == "interrupt":
            os.killpg(program.pid, signal.SIGINT)  # as Ctrl-C does: to all of its processes
        elif how == "kill":
            program.kill()
        _, errors = program.communicate(timeout=60)
    assert gone(pids)
    assert program.returncode == {"error": 1, "interrupt": -signal.SIGINT, "kill": -signal.SIGKILL}[how]
    assert errors.count("Traceback") == (how != "kill") and "leaked" not in errors


@pytest.mark.slow
def test_threads_end_with_the_program(tmp_path):
    with run(tmp_path, "thread", "end") as program:
        _, errors = program.communicate(timeout=60)
    assert program.returncode == 0 and not errors


def test_a_stream_read_by_several_threads_is_one_stream():
    class Counted(IterableDataset):
        begun = 0

        def __iter__(self):
            Counted.begun += 1
            return iter(range(5))

    loader = DataLoader(Counted(), 2, num_workers=4, workers="thread")
    assert [x.tolist() for x in loader] == [[0, 1], [2, 3], [4]] and Counted.begun == 1
