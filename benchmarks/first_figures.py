"""First figures: Pullback beside PyTorch eager (and micrograd), one thread, float32, in one run.

    OMP_NUM_THREADS=1 python benchmarks/first_figures.py

Each pair of measurements alternates, after a warm-up, and the report gives medians, ratios of medians and
the growth of peak memory of each workload, run alone in a process of its own. It writes first_figures.md
beside itself.
"""

import os

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

REPORT = Path(__file__).with_suffix(".md")
rng = np.random.default_rng(0)


def small_operations(lib: str) -> dict[str, Callable[[], object]]:
    """Forward, and forward with backward, of one operation on a 4 x 4 matrix."""
    a, g = rng.standard_normal((4, 4)).astype(np.float32), np.ones((4, 4), np.float32)
    if lib == "pullback":
        import pullback as xp

        x, one = xp.Tensor(a, requires_grad=True), xp.Tensor(g)
    else:
        import torch as xp

        x, one = xp.tensor(a, requires_grad=True), xp.tensor(g)

    def both(f: Callable[[], object]) -> Callable[[], None]:
        def run() -> None:
            f().backward(one)
            x.grad = None

        return run

    forward = {"multiply": lambda: x * x, "tanh": lambda: xp.tanh(x), "matmul": lambda: x @ x, "sum": lambda: x.sum(0)}
    passes = {f"{name}, forward and backward": both(f) for name, f in forward.items() if name != "sum"}
    return {**{f"{name}, forward": f for name, f in forward.items()}, **passes}


def scalar_chain(lib: str, length: int = 200) -> Callable[[], object]:
    """y = y * 1.01 + x, over and over, and its backward pass, on scalars."""
    if lib == "pullback":
        from pullback import Tensor

        x = Tensor(1.0, requires_grad=True)
    elif lib == "torch":
        import torch

        x = torch.tensor(1.0, requires_grad=True)
    else:
        from micrograd.engine import Value

        x = Value(1.0)

    def run() -> None:
        y = x
        for _ in range(length // 2):
            y = y * 1.01 + x
        y.backward()
        x.grad = 0 if lib == "micrograd" else None

    return run


def training_step(lib: str, model: str) -> Callable[[], object]:
    """Forward, loss, backward and SGD step of a model, the same modules and the same data in both libraries."""
    if lib == "pullback":
        from pullback import Tensor, nn
        from pullback.optim import SGD
    else:
        import torch
        from torch import nn
        from torch.optim import SGD

        torch.set_num_threads(1)

    if model == "mlp":
        x, classes = rng.standard_normal((32, 2)).astype(np.float32), 2
        layers = [nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 2)]
    else:
        x, classes = rng.random((64, 1, 28, 28), dtype=np.float32), 10
        layers = [nn.Conv2d(1, 32, 3), nn.ReLU(), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()]
        layers += [nn.Linear(9216, 128), nn.ReLU(), nn.Linear(128, 10)]
    t = rng.integers(0, classes, len(x))
    net, loss = nn.Sequential(*layers), nn.CrossEntropyLoss()
    optimizer = SGD(net.parameters(), lr=0.01)
    x, t = (Tensor(x), Tensor(t)) if lib == "pullback" else (torch.tensor(x), torch.tensor(t))

    def run() -> float:
        optimizer.zero_grad()
        value = loss(net(x), t)
        value.backward()
        optimizer.step()
        return value.item()

    return run


def median_times(runs: list[Callable[[], object]], number: int, rounds: int) -> list[float]:
    """Seconds of one call of each, measured by turns."""
    times: list[list[float]] = [[] for _ in runs]
    for f in runs:
        for _ in range(max(3, number // 10)):
            f()
    for _ in range(rounds):
        for f, taken in zip(runs, times, strict=True):
            start = time.perf_counter()
            for _ in range(number):
                f()
            taken.append((time.perf_counter() - start) / number)
    return [statistics.median(taken) for taken in times]


def peak_memory(lib: str, model: str) -> float:
    """MiB by which ten training steps raise a fresh process's peak memory over what it had before them."""
    code = f"import first_figures as f; print(f.grown({lib!r}, {model!r}))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=REPORT.parent)
    return float(out.stdout)


def grown(lib: str, model: str) -> float:
    run = training_step(lib, model)
    before = high_water_mark()
    for _ in range(10):
        run()
    return high_water_mark() - before


def high_water_mark() -> float:
    """The most memory, in MiB, that this process has had at once (Linux)."""
    status = Path("/proc/self/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) / 1024


def main() -> None:
    import torch

    import pullback

    torch.set_num_threads(1)
    libs = ("pullback", "torch")
    rows: list[tuple[str, list[float], str]] = []
    operations = [small_operations(lib) for lib in libs]
    for name in operations[0]:
        rows.append((name, median_times([o[name] for o in operations], 2000, 15), "1.0"))
    chain = [scalar_chain(lib) for lib in (*libs, "micrograd")]
    chain_times = [t / 200 for t in median_times(chain, 20, 15)]
    rows.append(("scalar chain, an operation forward and backward", chain_times, ""))
    for title, model, number, mark in (
        ("2-16-16-2 MLP, batch 32, training step", "mlp", 200, "0.5"),
        ("seed CNN, batch 64, training step", "cnn", 1, "1.2"),
    ):
        rows.append((title, median_times([training_step(lib, model) for lib in libs], number, 25), mark))
    memory = [peak_memory(lib, "cnn") for lib in libs]

    table = [
        f"| {name} | {human(ours)} | {human(theirs)} | {ours / theirs:.2f} | {mark} |"
        for name, (ours, theirs, *_), mark in rows
    ]
    chain_ratio = chain_times[0] / chain_times[2]
    report = f"""# First figures

Pullback {pullback.__version__} beside PyTorch {torch.__version__} (eager), float32, one thread each,
by turns in one run. Times are medians; the machine is shared, so read the ratios.
A mark is the ratio that we set out for.

- Machine: {cpu()}; NumPy {np.__version__}, Python {platform.python_version()}
- Command: `OMP_NUM_THREADS=1 python benchmarks/first_figures.py`

| work | Pullback | PyTorch | ratio | mark |
|---|---|---|---|---|
{chr(10).join(table)}

The scalar chain in micrograd takes {human(chain_times[2])} an operation; Pullback's ratio to it is {chain_ratio:.2f}.

Ten training steps of the seed CNN raise a fresh process's peak memory by {memory[0]:.0f} MiB in Pullback and by
{memory[1]:.0f} MiB in PyTorch.
"""
    REPORT.write_text(report)
    print(report)


def human(seconds: float) -> str:
    return f"{seconds * 1e3:.1f} ms" if seconds > 1e-3 else f"{seconds * 1e6:.2f} us"


def cpu() -> str:
    info = Path("/proc/cpuinfo")
    names = (
        [line.split(":")[1].strip() for line in info.read_text().splitlines() if "model name" in line]
        if info.exists()
        else []
    )
    return f"{names[0] if names else platform.processor()}, {os.cpu_count()} cores"


if __name__ == "__main__":
    main()
