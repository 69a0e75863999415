"""The time of a commit as a share of another's: two processes that take turns on one CPU, several pairs of them.

    python benchmarks/turns.py BEFORE NOW [--only WORDS] [--pairs 5] [--rounds 7] [--cpu 0]

BEFORE and NOW are folders that hold a checkout each, by the name of pullback. What is measured is CPU time, one thread,
of the workloads of the checkout before; a process's memory alone moves it by some percent, so look at all pairs.
"""

from __future__ import annotations

import argparse
import importlib
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

AT_LEAST = 0.1  # seconds of a round


def serve(folder: str) -> None:
    """Prepare and run workloads as asked on standard input: a section and a name, or how often to run the last one."""
    sys.path.insert(0, os.path.join(folder, "pullback", "benchmarks"))
    library = importlib.import_module("peers").Pullback()
    sections = importlib.import_module("workloads").SECTIONS
    run: Callable[[], Any] = int
    for line in sys.stdin:
        section, _, name = line.rstrip("\n").partition("\t")
        if name:
            run = sections[section][name](library)
        count = 1 if name else int(section)
        for _ in range(5 * bool(name)):
            run()
        start = time.process_time()
        for _ in range(count):
            run()
        print((time.process_time() - start) / count, flush=True)


def ask(process: Any, text: str) -> float:
    process.stdin.write(text + "\n")
    process.stdin.flush()
    return float(process.stdout.readline())


def started(folder: str, workloads: str, cpu: int) -> Any:
    own = {"PYTHONPATH": folder, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    command = ["taskset", "-c", str(cpu), sys.executable, __file__, "--serve", workloads]
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, **own}
    )


def ratio(pair: list[Any], case: str, rounds: int) -> float:
    """The median over the rounds of the second one's time by the first one's."""
    count = max(1, int(AT_LEAST / max(ask(process, case) for process in pair)))
    found = []
    for turn in range(rounds):
        order = pair[:: 1 if turn % 2 else -1]
        times = {process.pid: ask(process, str(count)) for process in order}
        found.append(times[pair[1].pid] / times[pair[0].pid])
    return statistics.median(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="*", metavar="BEFORE NOW")
    parser.add_argument("--only", default="Training steps|Inference|Blocks", help="words of sections or names, by |")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    for name, value in (("pairs", 5), ("rounds", 7), ("cpu", 0)):
        parser.add_argument(f"--{name}", type=int, default=value)
    given = parser.parse_args()
    if given.serve:
        serve(given.serve)
        return
    before, now = map(os.path.abspath, given.folders)
    sys.path.insert(0, os.path.join(before, "pullback", "benchmarks"))
    sections = importlib.import_module("workloads").SECTIONS
    cases = [f"{section}\t{name}" for section, names in sections.items() for name in names]
    cases = [case for case in cases if any(word in case for word in given.only.split("|"))]
    ratios: dict[str, list[float]] = {case: [] for case in cases}
    for _ in range(given.pairs):
        for case in cases:
            pair = [started(folder, before, given.cpu) for folder in (before, now)]
            ratios[case].append(ratio(pair, case, given.rounds))
            for process in pair:
                process.communicate()
    for case, found in ratios.items():
        section, name = case.split("\t")
        print(f"| {section}: {name} | {statistics.median(found):.2f} | {min(found):.2f} to {max(found):.2f} |")


if __name__ == "__main__":
    main()
