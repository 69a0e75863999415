"""How the engine bears depth, width, doubling, length and threads, beside its peers where they have the same.

The peers are PyTorch, MyGrad, HIPS autograd and micrograd.

    OMP_NUM_THREADS=1 python benchmarks/stress.py

Each piece of work runs in a process of its own, once, with two minutes at most; a peer that is not installed is left
out, and what it raises is written down. It writes stress.md beside itself.
"""

import gc
import importlib.util
import os
import platform
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from first_figures import cpu, human
from overhead import MODULES, _version, resident

REPORT = Path(__file__).with_suffix(".md")
HEAD = """# Stress

Forward and backward of graphs of numbers (0-d tensors) that are deep, wide or double at each step: seconds, and what
the process grew by at most. Each in a process of its own, one thread; the machine is shared.

- Machine: {machine}; NumPy {numpy}, Python {python}
- {versions}
- Command: `OMP_NUM_THREADS=1 python benchmarks/stress.py`

"""
LIMIT = 120


def chain(x: Any, n: int) -> Any:
    for _ in range(n):
        x = x + 1.0
    return x


def consumers(x: Any, n: int) -> Any:
    total = x * 0.0
    for i in range(n):
        total = total + x * float(i)
    return total


def doubling(x: Any, n: int) -> Any:
    for _ in range(n):
        x = x + x
    return x


WORKS: dict[str, tuple[str, Callable[[Any, int], Any], int, float]] = {
    "depth": ("a chain of {n:,} additions", chain, 1_000_000, 1.0),
    "width": ("one tensor, {n:,} products of it, added up", consumers, 100_000, 100_000 * 99_999 / 2),
    "half": ("y = y + y, {n:,} times", doubling, 500, 2.0**500),
    "doubling": ("y = y + y, {n:,} times", doubling, 1_000, 2.0**1_000),
}


def gradient(library: str, work: str) -> float:
    """The derivative of the work, at 1."""
    _, f, n, _ = WORKS[work]
    if library == "autograd":
        import autograd

        return float(autograd.grad(lambda x: f(x, n))(1.0))
    if library == "Pullback":
        import pullback

        x: Any = pullback.Tensor(1.0, requires_grad=True)
    elif library == "PyTorch":
        import torch

        x = torch.tensor(1.0, dtype=torch.float64, requires_grad=True)
    elif library == "MyGrad":
        import mygrad

        x = mygrad.tensor(1.0)
    else:
        from micrograd.engine import Value

        x = Value(1.0)
    f(x, n).backward()
    return float(x.grad)


def measure(library: str, work: str) -> None:
    """Print the seconds and bytes of one piece of work, or what went wrong with it."""
    importlib.import_module(MODULES[library])
    before = peak()
    start = time.perf_counter()
    try:
        result = gradient(library, work)
    except (RecursionError, OverflowError, MemoryError) as error:
        print(type(error).__name__)
        return
    seconds = time.perf_counter() - start
    wrong = "" if result == WORKS[work][3] else f", wrong: {result:g}"
    print(f"{human(seconds) if seconds < 1 else f'{seconds:.1f} s'}, {max(0, peak() - before) / 1e6:.0f} MB{wrong}")


def peak() -> int:
    """Bytes in memory at most so far."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def train(seed: int, steps: int, after: Callable[[int], None] = lambda step: None) -> list[Any]:
    """A 2-16-16-2 network, trained for some steps on 32 examples each."""
    from pullback import Tensor, nn, optim

    nn.manual_seed(seed)
    rng = np.random.default_rng(seed)
    model = nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 2))
    optimizer, loss = optim.SGD(model.parameters(), lr=0.05, momentum=0.9), nn.CrossEntropyLoss()
    for step in range(steps):
        x = rng.standard_normal((32, 2)).astype(np.float32)
        optimizer.zero_grad()
        loss(model(Tensor(x)), (x[:, 0] * x[:, 1] > 0).astype(int)).backward()
        optimizer.step()
        after(step)
    return [p.numpy() for p in model.parameters()]


def steps(n: int = 10_000) -> str:
    """Ten thousand steps with the collector off, and again with it on."""
    sizes: list[tuple[int, int]] = []

    def after(step: int) -> None:
        if step in (n // 10, n - 1):
            sizes.append((resident(), sys.getallocatedblocks()))

    gc.collect()
    gc.disable()
    start = time.perf_counter()
    train(0, n, after)
    seconds = time.perf_counter() - start
    gc.enable()
    (first, few), (last, many) = sizes
    gc.collect()
    before = gc.get_stats()
    train(0, n)
    gc.collect()
    found = sum(b["collected"] - a["collected"] for a, b in zip(before, gc.get_stats(), strict=True))
    runs = sum(b["collections"] - a["collections"] for a, b in zip(before, gc.get_stats(), strict=True))
    return (
        f"{n:,} training steps of a 2-16-16-2 network, batch 32, in {seconds:.1f} s with the garbage collector off: "
        f"from step {n // 10:,} to the last the process grew by {(last - first) / 1e3:.0f} kB, its blocks of memory "
        f"from {few:,} to {many:,}. With it on, {runs} collections (one asked for) found {found} objects."
    )


def threads(count: int = 8, n: int = 1_000) -> str:
    """Eight threads, each training its own model, and the same one after the other."""
    start = time.perf_counter()
    alone = [train(seed, n) for seed in range(count)]
    middle = time.perf_counter()
    together: list[Any] = [None] * count

    def run(seed: int) -> None:
        together[seed] = train(seed, n)

    workers = [threading.Thread(target=run, args=(seed,)) for seed in range(count)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    end = time.perf_counter()
    pairs = zip(alone, together, strict=True)
    same = sum(all(np.array_equal(p, q) for p, q in zip(a, b, strict=True)) for a, b in pairs)
    lock = "with" if getattr(sys, "_is_gil_enabled", lambda: True)() else "without"
    return (
        f"{count} threads ({lock} the global lock), each training such a network of its own for {n:,} steps: "
        f"{same} of {count} end equal to the bit to those trained alone; {end - middle:.1f} s together, "
        f"{middle - start:.1f} s one after the other."
    )


def ask(code: str) -> str:
    """What a process of its own prints."""
    try:
        done = subprocess.run(
            [sys.executable, "-c", f"import stress; {code}"],
            capture_output=True,
            text=True,
            cwd=REPORT.parent,
            timeout=LIMIT,
        )
    except subprocess.TimeoutExpired:
        return f"more than {LIMIT} s"
    return done.stdout.strip() or f"ended with code {done.returncode}"


def main() -> None:
    names = [name for name, module in MODULES.items() if name != "JAX" and importlib.util.find_spec(module)]
    versions = ", ".join(f"{name} {_version(name)}" for name in names)
    lines = HEAD.format(machine=cpu(), numpy=np.__version__, python=platform.python_version(), versions=versions)
    lines = [*lines.splitlines(), f"| work | {' | '.join(names)} |", f"|---|{'---|' * len(names)}"]
    for work, (title, _, n, _) in WORKS.items():
        cells = [ask(f"stress.measure({name!r}, {work!r})") for name in names]
        lines.append(f"| {title.format(n=n)} | {' | '.join(cells)} |")
    lines += ["", *(f"- {ask(f'print(stress.{part}())')}" for part in ("steps", "threads"))]
    REPORT.write_text("\n".join(lines) + "\n")
    print(REPORT.read_text())


if __name__ == "__main__":
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[variable] = "1"
    main()
