"""What workers gain where the samples of a dataset are slow to make, here and with PyTorch's DataLoader.

    OMP_NUM_THREADS=1 python benchmarks/loader.py

A sample waits (as for a disk or a network), or computes: in NumPy, which leaves the others a turn, or in Python, which
does not. An epoch is timed from its second on, with workers that stay. It writes loader.md beside itself.
"""

import os
import platform
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np

import pullback as pb
from pullback.nn.data import DataLoader

REPORT = Path(__file__).with_suffix(".md")
SAMPLES, BATCH, EPOCHS = 64, 8, 3
HEAD = """# Loading

Milliseconds for an epoch of {samples} samples in batches of {batch}, the median of {epochs}; all ways take turns. In
brackets how many times as fast as the same loader without workers. A sample waits for 2 ms, or computes about as long
in NumPy or in Python. PyTorch has no threads that load.

- Machine: {machine}, {cores} cores, load {load:.1f} at the start; NumPy {numpy}, Python {python}
- Pullback {pullback}, PyTorch {torch}
- Command: `OMP_NUM_THREADS=1 python benchmarks/loader.py`

"""


def waiting(index: int) -> np.ndarray[Any, Any]:
    """A sample that comes from elsewhere."""
    time.sleep(2e-3)
    return np.full(64, index, np.float32)


def numpy_work(index: int) -> np.ndarray[Any, Any]:
    """A sample that is computed by NumPy."""
    x = np.full(200_000, index, np.float32)
    for _ in range(3):
        np.sin(x, out=x)
    return x[:64].copy()


def python_work(index: int) -> np.ndarray[Any, Any]:
    """A sample that is computed by Python."""
    total = 0
    for i in range(20_000):
        total += i ^ index
    return np.full(64, total % 7, np.float32)


KINDS = {"waits": waiting, "computes in NumPy": numpy_work, "computes in Python": python_work}


class Slow:
    """A dataset of samples of one kind."""

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def __len__(self) -> int:
        return SAMPLES

    def __getitem__(self, index: int) -> Any:
        if not index < SAMPLES:
            raise IndexError(index)
        return KINDS[self.kind](index)


def ways(kind: str) -> dict[str, Any]:
    """The loaders by name."""
    from torch.utils.data import DataLoader as TorchLoader

    found: dict[str, Any] = {"Pullback, 0": DataLoader(Slow(kind), BATCH)}
    kinds = {"threads": "thread", "processes": "process"}
    for workers in kinds:
        for n in (1, 2):
            options: Any = {"num_workers": n, "workers": kinds[workers], "persistent_workers": True}
            found[f"Pullback, {n} {workers}"] = DataLoader(Slow(kind), BATCH, **options)
    found["PyTorch, 0"] = TorchLoader(Slow(kind), BATCH)
    for n in (1, 2):
        found[f"PyTorch, {n} processes"] = TorchLoader(
            Slow(kind), BATCH, num_workers=n, persistent_workers=True, multiprocessing_context="forkserver"
        )
    return found


def epoch(loader: Any) -> float:
    """The seconds of an epoch, whose batches are counted."""
    start = time.perf_counter()
    count = sum(1 for _ in loader)
    seconds = time.perf_counter() - start
    assert count == SAMPLES // BATCH
    return seconds


def main() -> None:
    import torch

    torch.set_num_threads(1)
    load = os.getloadavg()[0]
    rows: dict[str, list[str]] = {}
    for kind in KINDS:
        loaders = ways(kind)
        for loader in loaders.values():
            epoch(loader)
        times: dict[str, list[float]] = {name: [] for name in loaders}
        for _ in range(EPOCHS):
            for name, loader in loaders.items():
                times[name].append(epoch(loader))
        medians = {name: statistics.median(found) for name, found in times.items()}
        for name, seconds in medians.items():
            alone = medians[f"{name.split(',')[0]}, 0"]
            rows.setdefault(name, []).append(f"{seconds * 1e3:.0f} ({alone / seconds:.1f})")
        print(kind, medians, flush=True)
        del loaders
    lines = [f"| loader, workers | {' | '.join(KINDS)} |", "|---" * (1 + len(KINDS)) + "|"]
    lines += [f"| {name} | {' | '.join(cells)} |" for name, cells in rows.items()]
    head = HEAD.format(
        samples=SAMPLES, batch=BATCH, epochs=EPOCHS, machine=platform.processor() or platform.machine(),
        cores=os.cpu_count(), load=load, numpy=np.__version__, python=platform.python_version(),
        pullback=pb.__version__, torch=torch.__version__.split("+")[0],
    )  # fmt: skip
    REPORT.write_text(head + "\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
