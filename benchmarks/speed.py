"""Whole training steps, layers and optimizers beside PyTorch eager: the same code, work and number of threads.

    python benchmarks/speed.py [--threads 1 2] [--only WORDS]

Pullback has PyTorch's names, so that each workload is written once, for either library. Measurements of the two
alternate in one process, after a warm-up; the report has medians and their ratios, for each number of threads, beside
what the machine can do at most (matrix products that sit in cache, copies of what does not). It writes speed.md and
speed.svg beside itself.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

REPORT = Path(__file__).with_suffix(".md")
rng = np.random.default_rng(0)


def normal(*shape: int) -> Any:
    return rng.standard_normal(shape).astype(np.float32)


def classes(count: int, n: int) -> Any:
    return rng.integers(0, count, n)


class Library:
    """What a workload uses: `nn`, `F`, `optim`, and `tensor` of an array."""

    def __init__(self, name: str) -> None:
        self.name = name
        if name == "pullback":
            import pullback

            self.nn, self.F, self.optim = pullback.nn, pullback.nn.functional, pullback.optim
            self.tensor, self.main = pullback.Tensor, pullback
        else:
            import torch

            self.nn, self.F, self.optim = torch.nn, torch.nn.functional, torch.optim
            self.tensor, self.main = torch.tensor, torch


# Models


def seed_cnn(nn: Any) -> list[Any]:
    return [
        *(nn.Conv2d(1, 32, 3), nn.ReLU(), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()),
        *(nn.Linear(9216, 128), nn.ReLU(), nn.Linear(128, 10)),
    ]


def lenet(nn: Any) -> list[Any]:
    return [
        *(nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10)),
    ]


def mlp(*sizes: int) -> Callable[[Any], list[Any]]:
    def layers(nn: Any) -> list[Any]:
        pairs = [(nn.Linear(a, b), nn.ReLU()) for a, b in zip(sizes, sizes[1:], strict=False)]
        return [layer for pair in pairs for layer in pair][:-1]

    return layers


def vgg11(nn: Any) -> list[Any]:
    """VGG11 with an eighth of its channels: 8 to 64."""
    layers, inputs = [], 3
    for outs, pool in ((8, 1), (16, 1), (32, 0), (32, 1), (64, 0), (64, 1), (64, 0), (64, 1)):
        layers += [nn.Conv2d(inputs, outs, 3, padding=1), nn.ReLU(), *([nn.MaxPool2d(2)] * pool)]
        inputs = outs
    return [*layers, nn.Flatten(), nn.Linear(64 * 49, 512), nn.ReLU(), nn.Linear(512, 10)]


def training(layers: Callable[[Any], list[Any]], x: Any, t: Any) -> Callable[[Library], Callable[[], Any]]:
    def make(lib: Library) -> Callable[[], Any]:
        net, loss = lib.nn.Sequential(*layers(lib.nn)), lib.nn.CrossEntropyLoss()
        optimizer = lib.optim.SGD(net.parameters(), lr=0.001)
        data, target = lib.tensor(x), lib.tensor(t)

        def step() -> None:
            optimizer.zero_grad()
            loss(net(data), target).backward()
            optimizer.step()

        return step

    return make


def inference(layers: Callable[[Any], list[Any]], x: Any) -> Callable[[Library], Callable[[], Any]]:
    def make(lib: Library) -> Callable[[], Any]:
        net, data = lib.nn.Sequential(*layers(lib.nn)), lib.tensor(x)
        return lib.main.no_grad()(lambda: net(data))

    return make


# Layers, forward and backward


def both(f: Callable[..., Any], *arrays: Any) -> Callable[[Library], Callable[[], Any]]:
    """f(lib, *tensors) and the gradients of a weighted sum of it by all of them."""

    def make(lib: Library) -> Callable[[], Any]:
        leaves = [lib.tensor(a, requires_grad=True) for a in arrays]
        g = lib.tensor(normal(*f(lib, *leaves).shape))

        def run() -> None:
            f(lib, *leaves).backward(g)
            for x in leaves:
                x.grad = None

        return run

    return make


def convolution(
    n: int, c: int, k: int, size: tuple[int, ...], kernel: int, transposed: bool = False, **options: Any
) -> Any:
    shape = (c, k) if transposed else (k, c // options.get("groups", 1))
    name = f"conv{'_transpose' if transposed else ''}{len(size)}d"
    x, w = normal(n, c, *size), normal(*shape, *(kernel,) * len(size))
    return both(lambda lib, x, w: getattr(lib.F, name)(x, w, **options), x, w)


def grid() -> dict[str, Any]:
    """Convolutions of all sorts."""
    cases: dict[str, Any] = {}
    for c, k, size in ((1, 16, 28), (3, 32, 64), (16, 32, 32), (64, 64, 16), (64, 64, 56), (256, 256, 8), (8, 8, 224)):
        n = max(1, min(32, 2**21 // (c * size * size)))
        for kernel in (1, 3, 5, 7):
            cases[f"{kernel}x{kernel}, {c} to {k} channels, {size}x{size}, batch {n}"] = convolution(
                n, c, k, (size, size), kernel, padding=kernel // 2
            )
    for c, size in ((16, 32), (64, 28), (3, 112)):
        cases[f"3x3, stride 2, {c} to 64 channels, {size}x{size}"] = convolution(
            16, c, 64, (size, size), 3, stride=2, padding=1
        )
        cases[f"3x3, dilation 2, {c} to 64 channels, {size}x{size}"] = convolution(
            16, c, 64, (size, size), 3, dilation=2, padding=2
        )
    cases["1x1, stride 2, 64 to 128 channels, 28x28"] = convolution(16, 64, 128, (28, 28), 1, stride=2)
    cases["depthwise 3x3, 64 channels, 28x28"] = convolution(16, 64, 64, (28, 28), 3, groups=64, padding=1)
    cases["depthwise 5x5, 32 channels, 56x56"] = convolution(8, 32, 32, (56, 56), 5, groups=32, padding=2)
    cases["4 groups, 3x3, 64 to 64 channels, 28x28"] = convolution(16, 64, 64, (28, 28), 3, groups=4, padding=1)
    cases["audio: 9, stride 4, 1 to 32 channels, 16000"] = convolution(8, 1, 32, (16000,), 9, stride=4)
    cases["audio: 3, 64 to 64 channels, 1000"] = convolution(16, 64, 64, (1000,), 3, padding=1)
    cases["volume: 3x3x3, 8 to 16 channels, 24x24x24"] = convolution(4, 8, 16, (24, 24, 24), 3, padding=1)
    for stride in (1, 2):
        cases[f"transposed 3x3, stride {stride}, 32 to 16 channels, 28x28"] = convolution(
            16, 32, 16, (28, 28), 3, transposed=True, stride=stride
        )
    return cases


def pooling() -> dict[str, Any]:
    x = normal(32, 64, 24, 24)

    def unpooled(lib: Library, x: Any) -> Any:
        y, indices = lib.F.max_pool2d(x, 2, return_indices=True)
        return lib.F.max_unpool2d(y, indices, 2)

    return {
        "max 2x2": both(lambda lib, x: lib.F.max_pool2d(x, 2), x),
        "max 3x3, stride 2": both(lambda lib, x: lib.F.max_pool2d(x, 3, 2), x),
        "max 3x3, stride 1": both(lambda lib, x: lib.F.max_pool2d(x, 3, 1), x),
        "average 2x2": both(lambda lib, x: lib.F.avg_pool2d(x, 2), x),
        "average 3x3, stride 2": both(lambda lib, x: lib.F.avg_pool2d(x, 3, 2), x),
        "max 2x2 and unpooling": both(unpooled, x),
    }


# Blocks, written with tensor operations


def residual(lib: Library, x: Any, v: Any, w: Any) -> Any:
    return lib.F.relu(x + lib.F.conv2d(lib.F.relu(lib.F.conv2d(x, v, padding=1)), w, padding=1))


def lstm_step(lib: Library, x: Any, h: Any, c: Any, w: Any, u: Any) -> Any:
    sigmoid, tanh = lib.main.sigmoid, lib.main.tanh
    z = x @ w + h @ u
    n = h.shape[1]
    i, f, o, g = (z[:, k * n : (k + 1) * n] for k in range(4))
    return sigmoid(o) * tanh(sigmoid(f) * c + sigmoid(i) * tanh(g))


def transformer(lib: Library, x: Any, qkv: Any, out: Any, up: Any, down: Any) -> Any:
    """One block: x is (batch, length, width), four heads."""
    n, length, width = x.shape

    def normed(x: Any) -> Any:
        x = x - x.mean(-1)[..., None]
        return x / ((x * x).mean(-1)[..., None] + 1e-5) ** 0.5

    q, k, v = ((normed(x) @ qkv[i]).reshape(n, length, 4, width // 4) for i in range(3))
    q, v = q.swapaxes(1, 2), v.swapaxes(1, 2)
    scores = q @ k.swapaxes(1, 2).swapaxes(2, 3) / math.sqrt(width // 4)
    mixed = (lib.F.softmax(scores, -1) @ v).swapaxes(1, 2).reshape(n, length, width)
    x = x + mixed @ out
    return x + lib.F.relu(normed(x) @ up) @ down


def optimizing(name: str, **options: Any) -> Callable[[Library], Callable[[], Any]]:
    """Steps over ten million parameters."""

    def make(lib: Library) -> Callable[[], Any]:
        parameters = [lib.tensor(normal(2500, 1000), requires_grad=True) for _ in range(4)]
        for p in parameters:
            p.grad = lib.tensor(normal(2500, 1000))
        return getattr(lib.optim, name)(parameters, lr=1e-3, **options).step

    return make


def workloads() -> dict[str, tuple[dict[str, Any], dict[str, float]]]:
    """By section: the workloads, and the marks that we set out for."""
    digits, images = normal(64, 1, 28, 28), normal(8, 3, 224, 224)
    flat, tiny = normal(64, 784), normal(32, 2)
    steps = {
        "seed CNN, batch 64": training(seed_cnn, digits, classes(10, 64)),
        "LeNet-5, batch 64": training(lenet, digits, classes(10, 64)),
        "MLP 784-128-10, batch 64": training(mlp(784, 128, 10), flat, classes(10, 64)),
        "MLP 2-16-16-2, batch 32": training(mlp(2, 16, 16, 2), tiny, classes(2, 32)),
        "VGG11, 8 to 64 channels, 224x224, batch 8": training(vgg11, images, classes(10, 8)),
    }
    marks = dict(zip(steps, (0.75, 0.7, 0.9, 0.35, 0.8), strict=True))
    w = 128
    blocks = {
        "residual block, 32 channels, 28x28, batch 16": both(
            residual, normal(16, 32, 28, 28), normal(32, 32, 3, 3), normal(32, 32, 3, 3)
        ),
        "LSTM step, width 128, batch 32": both(
            lstm_step, normal(32, w), normal(32, w), normal(32, w), normal(w, 4 * w), normal(w, 4 * w)
        ),
        "transformer block, width 64, length 32, batch 16": both(
            transformer, normal(16, 32, 64), normal(3, 64, 64), normal(64, 64), normal(64, 256), normal(256, 64)
        ),
    }
    optimizers = {
        "SGD": optimizing("SGD"),
        "SGD with momentum": optimizing("SGD", momentum=0.9),
        "Adam": optimizing("Adam"),
        "AdamW": optimizing("AdamW"),
    }
    pools = pooling()
    return {
        "Training steps": (steps, marks),
        "Inference": (
            {"seed CNN, batch 64": inference(seed_cnn, digits), "VGG11, batch 8": inference(vgg11, images)},
            {},
        ),
        "Convolutions, forward and backward": (grid(), {}),
        "Pooling, forward and backward": (pools, dict.fromkeys(pools, 1.0)),
        "Blocks written with tensor operations, forward and backward": (blocks, {}),
        "Optimizers, ten million parameters": (optimizers, dict.fromkeys(optimizers, 1.0)),
    }


# Measuring


def medians(runs: list[Callable[[], Any]], seconds: float = 1.5) -> list[float]:
    """Seconds of a call of each, by turns."""
    for f in runs:
        f()
        f()
    start = time.perf_counter()
    for f in runs:
        f()
    once = time.perf_counter() - start
    number = max(1, int(0.01 / once))
    rounds = max(5, min(25, int(seconds / (once * number))))
    times: list[list[float]] = [[] for _ in runs]
    for _ in range(rounds):
        for f, taken in zip(runs, times, strict=True):
            start = time.perf_counter()
            for _ in range(number):
                f()
            taken.append((time.perf_counter() - start) / number)
    return [statistics.median(taken) for taken in times]


def limits() -> dict[str, float]:
    """What the machine does at most: GFLOP/s of products in cache, GB/s of copies between arrays that are not."""
    a, b, out = (np.ones((192, 192), np.float32) for _ in range(3))
    (product,) = medians([lambda: [np.matmul(a, b, out=out) for _ in range(50)]])
    x, y = np.ones(1 << 25, np.float32), np.ones(1 << 25, np.float32)
    (copy,) = medians([lambda: np.copyto(y, x)])
    return {"gflops": 50 * 2 * 192**3 / product / 1e9, "bandwidth": 2 * x.nbytes / copy / 1e9}


def measure(only: str) -> dict[str, Any]:
    """Medians of both libraries, by section and workload, with the number of threads of this process."""
    import torch

    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    libraries = [Library("pullback"), Library("torch")]
    result: dict[str, Any] = {"limits": limits()}
    for section, (cases, _) in workloads().items():
        result[section] = {
            name: medians([make(lib) for lib in libraries])
            for name, make in cases.items()
            if all(word.lower() in f"{section} {name}".lower() for word in only.split())
        }
    return result


def human(seconds: float) -> str:
    return f"{seconds * 1e3:.1f} ms" if seconds > 1e-3 else f"{seconds * 1e6:.0f} us"


def geometric_mean(ratios: list[float]) -> float:
    return math.exp(statistics.fmean(map(math.log, ratios)))


def table(section: str, marks: dict[str, float], results: dict[int, Any]) -> str:
    """Times and ratios of a section, for each number of threads."""
    heads = "".join(f" Pullback, {n} | PyTorch, {n} | ratio, {n} |" for n in results)
    lines = [f"## {section}", "", f"| work |{heads} mark |", "|---|" + "---|" * (3 * len(results) + 1)]
    names = next(iter(results.values()))[section]
    for name in names:
        pairs = [result[section][name] for result in results.values()]
        cells = "".join(f" {human(a)} | {human(b)} | **{a / b:.2f}** |" for a, b in pairs)
        lines.append(f"| {name} |{cells} {marks.get(name, '')} |")
    for n, result in results.items():
        ratios = [a / b for a, b in result[section].values()]
        if len(ratios) > 1:
            lines.append(
                f"\n{n} thread{'s' * (n > 1)}: geometric mean of the ratios **{geometric_mean(ratios):.2f}**, "
                f"largest {max(ratios):.2f}, {sum(r <= 1 for r in ratios)} of {len(ratios)} at most 1."
            )
    return "\n".join(lines) + "\n"


def plot(results: dict[int, Any]) -> None:
    """All ratios, on a logarithmic axis, into speed.svg."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    sections = [section for section in next(iter(results.values())) if section != "limits"]
    rows = [(section, name) for section in sections for name in next(iter(results.values()))[section]]
    figure, axes = pyplot.subplots(figsize=(9, 0.22 * len(rows) + 1), layout="constrained")
    for shift, (n, result) in enumerate(results.items()):
        values = [result[section][name][0] / result[section][name][1] for section, name in rows]
        places = [-i + 0.2 * shift for i in range(len(rows))]
        axes.plot(values, places, "os"[shift % 2], markersize=4, label=f"{n} thread{'s' * (n > 1)}")
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set(xscale="log", xlabel="Pullback's time / PyTorch's", ylim=(-len(rows), 1))
    axes.set_xticks([0.2, 0.5, 1, 2, 4], ["0.2", "0.5", "1", "2", "4"])
    axes.set_yticks([-i for i in range(len(rows))], [name for _, name in rows], fontsize=7)
    axes.minorticks_off()
    axes.grid(axis="x", alpha=0.3)
    axes.legend()
    figure.savefig(REPORT.with_suffix(".svg"))


def cpu() -> str:
    info = Path("/proc/cpuinfo")
    names = [line for line in info.read_text().splitlines() if "model name" in line] if info.exists() else []
    name = names[0].split(":")[1].strip() if names else platform.processor()
    return f"{name}, {os.cpu_count()} cores"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--only", default="", help="words that the names of sections and workloads are to have")
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(options.only)))
        return
    results = {}
    for n in options.threads:
        command = [sys.executable, __file__, "--measure", "--only", options.only]
        environment = {**os.environ, "OMP_NUM_THREADS": str(n), "OPENBLAS_NUM_THREADS": str(n)}
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
        results[n] = json.loads(done.stdout)

    import torch

    import pullback

    peaks = "; ".join(
        f"{n} thread{'s' * (n > 1)}: {r['limits']['gflops']:.0f} GFLOP/s, {r['limits']['bandwidth']:.0f} GB/s"
        for n, r in results.items()
    )
    head = f"""# Speed

Pullback {pullback.__version__} beside PyTorch {torch.__version__} (eager), float32, the same code by turns in one
process for each number of threads. Times are medians, and the machine is shared: read the ratios, Pullback's time as a
share of PyTorch's. A mark is the ratio that we set out for.

- Machine: {cpu()}; NumPy {np.__version__}, Python {platform.python_version()}
- Matrix products in cache and copies out of cache, measured in the same run: {peaks}
- Command: `python benchmarks/speed.py`

![ratios](speed.svg)

"""
    sections = [
        table(section, marks, results)
        for section, (_, marks) in workloads().items()
        if results[options.threads[0]][section]
    ]
    report = head + "\n".join(sections)
    if not options.only:
        REPORT.write_text(report)
        plot(results)
    print(report)


if __name__ == "__main__":
    main()
