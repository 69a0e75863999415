"""What training needs of memory: whole batches, accumulated ones, checkpoints, and data that stay in their file.

    OMP_NUM_THREADS=2 python benchmarks/memory.py

Each way runs in a process of its own; what counts is the most memory that the process had of its own (pages of mapped
files, which the system takes back when it needs them, are not counted), less what it had before. It writes memory.md
beside itself.
"""

import argparse
import importlib.util
import os
import platform
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from first_figures import cpu

REPORT = Path(__file__).with_suffix(".md")
LAYERS, WIDTH, BATCH, PARTS = 64, 128, 1 << 17, 8
ROWS = 1 << 22  # of the file
HEAD = f"""# Memory

A step of training (forward, backward, SGD) of an MLP of {LAYERS} layers of Linear({WIDTH}, {WIDTH}) and ReLU, batch
{BATCH:,}, float32: its layers give {LAYERS * 2 * WIDTH * BATCH * 4 / 1e9:.1f} GB, of which backward needs half. Each
way in a process of its own; memory is the most that was resident and in no file, less what it was before the step. The
norm is that of the gradient of the first layer's weight.

- Machine: {{machine}}, {{total:.0f}} GB; NumPy {{numpy}}, Python {{python}}
- {{versions}}
- Command: `OMP_NUM_THREADS=2 python benchmarks/memory.py`

"""


def own() -> int:
    """Bytes that are resident and in no file."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon"))


class Peak:
    """The most of `own` while it runs, looked at every few milliseconds, less what it was at first."""

    def __enter__(self) -> "Peak":
        self.first = self.most = own()
        self.done = threading.Event()
        self.thread = threading.Thread(target=self.watch)
        self.thread.start()
        return self

    def watch(self) -> None:
        while not self.done.wait(0.003):
            self.most = max(self.most, own())

    def __exit__(self, *_: object) -> None:
        self.done.set()
        self.thread.join()
        self.bytes = max(self.most, own()) - self.first


def libraries(name: str) -> tuple[Any, Any, Any]:
    """A library, its nn, and its checkpoint_sequential."""
    if name == "Pullback":
        import pullback as pb

        return pb, pb.nn, pb.nn.checkpoint_sequential
    import torch
    from torch.utils.checkpoint import checkpoint_sequential

    return torch, torch.nn, lambda *args: checkpoint_sequential(*args, use_reentrant=False)


def step(name: str, accumulated: int, segments: int) -> tuple[int, float, float]:
    """One step in so many small batches and segments: its memory, seconds, and a norm that all ways have in common."""
    lib, nn, checkpointed = libraries(name)
    rng = np.random.default_rng(0)
    draws = [rng.normal(0, (2 / WIDTH) ** 0.5, (WIDTH, WIDTH)).astype(np.float32) for _ in range(LAYERS)]
    model = nn.Sequential(*[part for _ in draws for part in (nn.Linear(WIDTH, WIDTH, bias=False), nn.ReLU())])
    for p, values in zip(model.parameters(), draws, strict=True):
        p.data = lib.asarray(values)
    optimizer = lib.optim.SGD(model.parameters(), lr=1e-3)
    x = rng.normal(size=(BATCH, WIDTH)).astype(np.float32)
    size = BATCH // accumulated
    with Peak() as peak:
        start = time.perf_counter()
        for i in range(accumulated):
            inputs = lib.asarray(x[i * size : (i + 1) * size])
            out = model(inputs) if segments == 1 else checkpointed(model, segments, inputs)
            ((out * out).sum() / BATCH).backward()
        norm = float(np.linalg.norm(np.asarray(next(iter(model.parameters())).grad)))
        optimizer.step()
        seconds = time.perf_counter() - start
    return peak.bytes, seconds, norm


def epoch(path: Path, mapped: bool) -> tuple[int, float, float]:
    """An epoch of a Trainer over a file of samples: its memory, seconds, and the loss."""
    pb, nn, _ = libraries("Pullback")
    nn.manual_seed(0)
    model = nn.Sequential(nn.Linear(WIDTH, 16), nn.ReLU(), nn.Linear(16, 2))
    trainer = pb.optim.Trainer(model, nn.CrossEntropyLoss(), pb.optim.SGD(model.parameters(), lr=0.1))
    with Peak() as peak:
        start = time.perf_counter()
        x, y = np.load(path, mmap_mode="r" if mapped else None), np.arange(ROWS) % 2
        history = trainer.fit((x, y), epochs=1, batch_size=4096, progress=False)
    return peak.bytes, time.perf_counter() - start, history["loss"][-1]


WAYS: dict[str, Callable[[str], tuple[int, float, float]]] = {
    "the whole batch": lambda name: step(name, 1, 1),
    f"{PARTS} checkpointed segments": lambda name: step(name, 1, PARTS),
    f"{PARTS} accumulated batches": lambda name: step(name, PARTS, 1),
    f"{PARTS} accumulated batches, each in {PARTS} checkpointed segments": lambda name: step(name, PARTS, PARTS),
}


def apart(*args: str) -> tuple[int, float, float]:
    """What a process of its own finds."""
    done = subprocess.run([sys.executable, __file__, *args], capture_output=True, text=True, check=True)
    size, seconds, check = done.stdout.split()
    return int(size), float(seconds), float(check)


def rows(names: list[str]) -> Iterator[str]:
    yield f"| a step | {' | '.join(f'{name}: memory | time | norm of a gradient' for name in names)} |\n"
    yield "|---" * (1 + 3 * len(names)) + "|\n"
    for way in WAYS:
        cells = []
        for name in names:
            size, seconds, norm = apart("step", way, name)
            cells.append(f"{size / 1e9:.2f} GB | {seconds:.1f} s | {norm:.6g}")
            print(f"{name}, {way}: {cells[-1]}", flush=True)
        yield f"| {way} | {' | '.join(cells)} |\n"


def files() -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "samples.npy"
        x = np.lib.format.open_memmap(path, "w+", np.float32, (ROWS, WIDTH))
        for start in range(0, ROWS, 1 << 15):
            x[start : start + (1 << 15)] = np.random.default_rng(start).normal(size=(1 << 15, WIDTH))
        yield f"\nAn epoch of `optim.Trainer` over a file of {x.nbytes / 1e9:.1f} GB, shuffled, in batches of 4,096:"
        del x
        yield "\n\n| the samples | memory | time | loss |\n|---|---|---|---|\n"
        for way in ("read", "mapped"):
            size, seconds, loss = apart("epoch", str(path), way)
            yield f"| {way} | {size / 1e9:.2f} GB | {seconds:.1f} s | {loss:.6f} |\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("one", nargs="*", help=argparse.SUPPRESS)
    one = parser.parse_args().one
    if one:
        kind, what, how = one
        print(*(WAYS[what](how) if kind == "step" else epoch(Path(what), how == "mapped")))
        return
    names = ["Pullback", *(["PyTorch"] if importlib.util.find_spec("torch") else [])]
    versions = [f"{name} {libraries(name)[0].__version__}" for name in names]
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    head = HEAD.format(
        machine=cpu(),
        total=total,
        numpy=np.__version__,
        python=platform.python_version(),
        versions=", ".join(versions),
    )
    REPORT.write_text(head + "".join(rows(names)) + "".join(files()))


if __name__ == "__main__":
    main()
