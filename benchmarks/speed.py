"""Whole training steps, layers and optimizers beside other libraries: the same work, dtype and number of threads.

    python benchmarks/speed.py [--threads 1 2] [--only WORDS [--report FILE]] [--peers NAMES]

Each library runs in a process of its own, on as many CPUs as there are threads, and holds one workload ready. The
processes take turns in short rounds, so that what else happens on the machine hits all alike; between turns they sleep,
and each begins with a call that is not timed.
A time is the median over the rounds, a ratio the median of the rounds' ratios. It writes speed.md and its
pictures beside itself; what workloads and libraries there are, workloads.py and peers.py say.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import math
import multiprocessing
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import report
from peers import PEERS
from report import EAGER, FOR_ALL, OURS, PLAIN, Results, Timed
from workloads import CNN, NETS, SECTIONS, VGG, training

PAUSE = 0.15  # seconds, for longer than the threads of NumPy's BLAS turn in circles after a library's last product
TURN = 0.05  # seconds, so that clocks cost nothing
SECONDS = 0.7  # that a workload gets in a library, and ten times as many if it takes them for three rounds
ROUNDS = (3, 11)
PATIENCE = 400


# In the libraries' processes


def status(name: str) -> int:
    """An entry of /proc/self/status, in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(name + ":"))


class Service:
    """What the parent process asks of a library."""

    def __init__(self, name: str) -> None:
        self.library = PEERS[name]()
        self.run: Callable[[], Any] | None = None

    def about(self) -> str:
        return self.library.about()

    def prepare(self, section: str, name: str) -> tuple[float | None]:
        """Build a workload and warm it up; the mean of what the first call returns."""
        self.run = None
        gc.collect()
        self.run = run = SECTIONS[section][name](self.library)
        first = run()
        for _ in range(self.library.warmups):
            run()
        return (None if first is None else mean(first),)

    def turn(self, number: int) -> float:
        """Seconds of a call, after one that warms caches and threads up again."""
        run = self.run
        assert run, "nothing is prepared"
        run()
        start = time.perf_counter()
        for _ in range(number):
            run()
        return (time.perf_counter() - start) / number

    def memory(self, name: str) -> tuple[int, int]:
        """Bytes by which ten training steps raise the peak over the level after import and creation of the model; and
        that peak, of the whole process."""
        run = training(*NETS[name])(self.library)
        gc.collect()
        Path("/proc/self/clear_refs").write_text("5")
        level = status("VmRSS")
        for _ in range(10):
            run()
        return status("VmHWM") - level, status("VmHWM")


def mean(value: Any) -> float:
    array = value.numpy() if hasattr(value, "numpy") else value
    return float(np.mean(np.asarray(array)))


def serve(pipe: Any, name: str) -> None:
    sys.stdout = open(os.devnull, "w")  # noqa: SIM115
    service: Any = None
    while message := pipe.recv():
        command, *arguments = message
        try:
            service = service or Service(name)
            pipe.send((True, getattr(service, command)(*arguments)))
        except Exception as error:
            pipe.send((False, f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"))


# In the parent's


class Worker:
    """A library in a process of its own, bound to as many CPUs as it may have threads; begun anew if it ends."""

    def __init__(self, name: str, threads: int) -> None:
        self.name, self.threads = name, threads
        self.failures: list[str] = []
        self.start()

    def start(self) -> None:
        for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUM_CPU_THREADS"):
            os.environ[variable] = str(self.threads)
        os.environ["JAX_PLATFORMS"] = "cpu"
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=serve, args=(theirs, self.name))
        cpus = os.sched_getaffinity(0)
        os.sched_setaffinity(0, sorted(cpus)[-self.threads :])
        self.process.start()
        os.sched_setaffinity(0, cpus)
        theirs.close()

    def tell(self, *command: Any) -> None:
        with contextlib.suppress(OSError):  # where the process has ended, `answer` says so
            self.pipe.send(command)

    def answer(self, task: str) -> Any:
        """What the last command gave; None if it failed."""
        done, value, ended = False, f"no answer in {PATIENCE:.0f} s", True
        with contextlib.suppress(EOFError, OSError):
            if self.pipe.poll(PATIENCE):
                value = "the process ended"
                (done, value), ended = self.pipe.recv(), False
        if ended:
            self.close()
            self.start()
        if not done:
            self.failures.append(f"{self.name}, {task}: {value}")
        return value if done else None

    def close(self, patience: float = 0) -> None:
        with contextlib.suppress(OSError):
            self.pipe.send(None)
        self.process.join(patience)
        self.process.kill()
        self.process.join()
        self.pipe.close()


def alternate(workers: list[Worker], section: str, name: str) -> dict[str, Timed]:
    """Times of one workload in every library that has it."""

    def turn(worker: Worker, number: int) -> Any:
        if worker.threads > 1:
            time.sleep(PAUSE)
        worker.tell("turn", number)
        return worker.answer(name)

    for worker in workers:
        worker.tell("prepare", section, name)
    prepared = [(worker, value) for worker in workers if (value := worker.answer(name)) is not None]
    plans = []
    for worker, value in prepared:
        if once := turn(worker, 1):
            number = max(1, round(TURN / once))
            seconds = max(SECONDS, min(10 * SECONDS, ROUNDS[0] * once * number))
            rounds = min(max(1, round(seconds / (once * number))), ROUNDS[1])
            plans.append((worker, number, rounds, Timed([], *value)))
    for i in range(ROUNDS[1]):
        for worker, number, rounds, timed in plans:
            if i < rounds:
                timed.rounds.append(turn(worker, number))
    return {worker.name: timed for worker, _, _, timed in plans if None not in timed.rounds}


def unlike(times: dict[str, Timed]) -> list[str]:
    """The libraries whose first values are not PyTorch's."""
    if EAGER not in times or times[EAGER].value is None:
        return []
    right = times[EAGER].value
    return [name for name, timed in times.items() if not math.isclose(timed.value, right, rel_tol=1e-3, abs_tol=1e-4)]


def measure(threads: int, names: list[str], only: str) -> Results:
    """All workloads in all libraries."""
    results = Results({}, {}, [])
    with contextlib.ExitStack() as stack:
        workers = [Worker(name, threads) for name in names]
        for worker in workers:
            stack.callback(worker.close, 5)
            worker.tell("about")
        results.versions.update({worker.name: v for worker in workers if (v := worker.answer("left out")) is not None})
        if not {OURS, EAGER} <= results.versions.keys():
            raise SystemExit("\n".join(words for worker in workers for words in worker.failures))
        present = [worker for worker in workers if worker.name in results.versions]
        for section, cases in SECTIONS.items():
            able = [worker for worker in present if section in FOR_ALL or worker.name in (OURS, EAGER)]
            for name in cases:
                if all(word.lower() in f"{section} {name}".lower() for word in only.split()):
                    times = alternate(able, section, name)
                    results.times.setdefault(section, {})[name] = times
                    results.failures.extend(f"{peer}, {name}: computes something else" for peer in unlike(times))
                    figures = ", ".join(f"{peer} {report.human(timed.seconds)}" for peer, timed in times.items())
                    print(f"{report.threads(threads)}, {name}: {figures}", file=sys.stderr)
        results.failures.extend(words for worker in workers for words in worker.failures)
    return results


def memory() -> dict[str, dict[str, tuple[int, int]]]:
    """What ten training steps need, each library and network in a fresh process."""
    result: dict[str, dict[str, tuple[int, int]]] = {CNN: {}, VGG: {}}
    for net, needed in result.items():
        for name in (OURS, EAGER, PLAIN):
            worker = Worker(name, 1)
            worker.tell("memory", net)
            needed[name] = worker.answer(net)
            worker.close()
            if worker.failures:
                raise SystemExit(worker.failures[0])
    return result


def importing() -> float:
    """Seconds that `import pullback` takes where NumPy has been imported, after a first time that left byte code."""
    code = "import numpy, time; start = time.perf_counter(); import pullback; print(time.perf_counter() - start)"
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": ""}
    runs = [float(subprocess.check_output([sys.executable, "-c", code], env=environment)) for _ in range(6)]
    return statistics.median(runs[1:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--only", default="", help="words that the names of sections and workloads are to have")
    parser.add_argument("--report", type=Path, help="where to write what --only measures")
    parser.add_argument(
        "--peers", nargs="*", choices=PEERS, default=list(PEERS), help="libraries besides Pullback and PyTorch"
    )
    options = parser.parse_args()
    names = [name for name in PEERS if name in (OURS, EAGER, *options.peers)]
    start = time.perf_counter()
    memories = {} if options.only else memory()
    results = {n: measure(n, names, options.only) for n in options.threads}
    text = report.text(results, memories, importing(), time.perf_counter() - start)
    if not options.only:
        report.write(text, results, memories)
    elif options.report:
        options.report.write_text(text)
    print(text)


if __name__ == "__main__":
    main()
