"""A small mutation run: the faults of `faults.py` and `edges.py`, planted one at a time in a copy, and what tests say.

    python tests/mutants/run.py [WORD ...] [--processes N] [--seconds N] [--write]

Words choose faults by the path of their file. Prints each fault as caught or survived and exits with 1 if one survived
for no known reason; `--write` lists the survivors in docs/mutants.md. The named tests must pass without any fault,
which is tried first. Takes about ten seconds for each fault.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue

import faults as others
from edges import EDGES
from faults import Fault

FAULTS = [*others.FAULTS, *EDGES.values()]
ROOT = Path(__file__).resolve().parents[2]
_RUN = "sys.exit(pytest.main(sys.argv[1:]))"
NO_CODE_OF_OURS = {"tests", "benchmarks", "notebooks", "docs", "demo", "build"}


def sources(root: Path) -> Iterator[Path]:
    """The package's files."""
    for path in root.rglob("*.py"):
        first = path.relative_to(root).parts[0]
        if first not in NO_CODE_OF_OURS and not first.startswith("."):
            yield path


def located(faults: list[Fault]) -> dict[Fault, Path]:
    """The file of each fault, the only one that has its old text, and once; the run ends if there is another number."""
    texts, found, wrong = {path: path.read_text() for path in sources(ROOT)}, {}, []
    for fault in faults:
        hits = [path for path, text in texts.items() for _ in range(text.count(fault.old))]
        found[fault] = hits[0] if hits else ROOT
        if len(hits) != 1:
            wrong.append(f"{len(hits)} places have {fault.old!r}")
        elif not chosen(fault.tests)[0]:
            wrong.append(f"no tests are at {fault.tests!r}")
    if wrong:
        sys.exit("\n".join(wrong))
    return {fault: path.relative_to(ROOT) for fault, path in found.items()}


def chosen(tests: str) -> tuple[list[str], list[str]]:
    """The test files whose paths have one of the words, and pytest's option after them, if there is one."""
    words, _, keyword = tests.partition(" -k ")
    paths = sorted(path.relative_to(ROOT) for path in (ROOT / "tests").rglob("test_*.py"))
    files = [str(path) for path in paths if any(word in str(path) for word in words.split())]
    return files, ["-k", keyword] if keyword else []


class Copies:
    """Copies of the tree, one for each process."""

    def __init__(self, folder: Path, count: int, seconds: float) -> None:
        self.free: SimpleQueue[Path] = SimpleQueue()
        self.seconds, self.lock, self.sound = seconds, threading.Lock(), dict[str, bool]()
        for i in range(count):
            place = folder / str(i) / "pullback"
            shutil.copytree(ROOT, place, ignore=shutil.ignore_patterns(".*", "__pycache__", "demo", "node_modules"))
            (place.parent / "pytest_pullback").symlink_to(place / "pytest_pullback")
            self.free.put(place)

    def passed(self, place: Path, tests: str) -> bool | None:
        """Whether tests pass in a copy; None if that takes too long."""
        files, options = chosen(tests)
        environment = {**os.environ, "PYTHONPATH": str(place.parent), "PYTHONDONTWRITEBYTECODE": "1"}
        environment["PULLBACK_GRADIENTS"] = "quick"  # always the same examples
        program = f"import pullback, pytest, sys; assert pullback.__file__.startswith({str(place)!r}); {_RUN}"
        command = [sys.executable, "-c", program, "-x", "-p", "no:cacheprovider", *files, *options]
        quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        run = subprocess.Popen(command, cwd=place, env=environment, start_new_session=True, **quiet)
        try:
            return run.wait(self.seconds) == 0
        except subprocess.TimeoutExpired:
            return None
        finally:
            if run.poll() is None:
                os.killpg(run.pid, signal.SIGKILL)
                run.wait()

    def verdict(self, fault: Fault, path: Path) -> str:
        place = self.free.get()
        try:
            with self.lock:
                known = self.sound.get(fault.tests)
            if known is None:
                known = self.sound[fault.tests] = bool(self.passed(place, fault.tests))
            if not known:
                return "no verdict: its tests fail without it"
            target = place / path
            text = target.read_text()
            target.write_text(text.replace(fault.old, fault.new))
            try:
                return {True: "survived", False: "caught", None: "caught by time"}[self.passed(place, fault.tests)]
            finally:
                target.write_text(text)
        finally:
            self.free.put(place)


def report(verdicts: dict[Fault, tuple[Path, str]], command: str) -> str:
    """docs/mutants.md."""
    count = sum(verdict.startswith("caught") for _, verdict in verdicts.values())
    lines = [
        "# Planted faults",
        "",
        f"`{command}` plants {len(verdicts)} faults of a line each, one at a time, in a copy of the tree, and runs the",
        f"tests that should catch it. {count} were caught. These were not:",
        "",
    ]
    for fault, (path, verdict) in verdicts.items():
        if not verdict.startswith("caught"):
            lines += [f"- {path.as_posix()}: `{fault.old.strip()}` as `{fault.new.strip()}` ({verdict}). {fault.why}"]
    return "\n".join([*lines, *(["None."] if count == len(verdicts) else []), ""])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("words", nargs="*")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=300, help="after which tests count as failed")
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    places = located(FAULTS)
    faults = [f for f in FAULTS if not given.words or any(word in places[f].as_posix() for word in given.words)]
    verdicts = {}
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder, ThreadPoolExecutor(given.processes) as pool:
        copies = Copies(Path(folder), given.processes, given.seconds)
        results = pool.map(lambda fault: copies.verdict(fault, places[fault]), faults)
        for fault, verdict in zip(faults, results, strict=True):
            verdicts[fault] = places[fault], verdict
            print(f"{verdict:9} {places[fault]}: {fault.old.strip()[:90]!r} as {fault.new.strip()[:90]!r}", flush=True)
    print(f"{sum(v == 'caught' for _, v in verdicts.values())} of {len(verdicts)} caught")
    if given.write:
        (ROOT / "docs" / "mutants.md").write_text(report(verdicts, "make mutants"))
    return int(any(not verdict.startswith("caught") and not fault.why for fault, (_, verdict) in verdicts.items()))


if __name__ == "__main__":
    sys.exit(main())
