"""What an operation costs beside its arithmetic, in Pullback and in its peers.

The peers are PyTorch eager, JAX op by op, MyGrad, HIPS autograd and micrograd.

    OMP_NUM_THREADS=1 python benchmarks/overhead.py

Arrays are so small that arithmetic hardly counts; float32, one thread, by turns in one process after a warm-up. Memory
is what the graph of 20,000 operations adds to a fresh process. A peer that is not installed is left out. It writes
overhead.md beside itself.
"""

import os

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"
os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"

import importlib.util
import platform
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from first_figures import cpu, human, median_times

import pullback

REPORT = Path(__file__).with_suffix(".md")
HEAD = """# Overhead

Time of an operation on arrays of 4 x 4 (of a step, where it says so), and in brackets Pullback's time as a share of
it; medians of 15 rounds by turns, one thread, float32. The machine is shared: read the shares. JAX runs op by op,
without jit; JAX and autograd have no graph outside of `grad`, so their forward passes record nothing. micrograd has
scalars alone.

- Machine: {machine}; NumPy {numpy}, Python {python}
- {versions}
- Command: `OMP_NUM_THREADS=1 python benchmarks/overhead.py`

"""
MODULES = {
    "Pullback": "pullback",
    "PyTorch": "torch",
    "JAX": "jax",
    "MyGrad": "mygrad",
    "autograd": "autograd",
    "micrograd": "micrograd",
}
rng = np.random.default_rng(0)
A = rng.standard_normal((4, 4)).astype(np.float32) / 4
X, T = rng.standard_normal((32, 2)).astype(np.float32), rng.integers(0, 2, 32)
SIZES = [(2, 16), (16, 16), (16, 2)]
WEIGHTS = [rng.standard_normal(size).astype(np.float32) * 0.3 for size in SIZES]
HOT = np.eye(2, dtype=np.float32)[T]

Run = Callable[[], object]


def no_gradient(x: Any) -> None:
    x.grad = None


def zero_gradient(x: Any) -> None:
    x.grad = 0


def backward_on(
    leaf: Callable[[Any], Any], constant: Any, tanh: Any, relu: Any, log_softmax: Any, clear: Callable[[Any], None]
) -> Callable[[str], Run]:
    """The work in a library whose tensors have `.backward()` and `.grad`."""

    def make(work: str) -> Run:
        if work == "step":
            parameters = [(leaf(w), leaf(np.zeros(w.shape[1], np.float32))) for w in WEIGHTS]
            x, hot = constant(X), constant(HOT)

            def step() -> None:
                h = x
                for i, (w, b) in enumerate(parameters):
                    h = h @ w + b
                    h = relu(h) if i < 2 else h
                (log_softmax(h) * hot).sum().__neg__().backward()
                for pair in parameters:
                    for p in pair:
                        g = p.grad
                        p.data -= 0.01 * (g if g.__class__ is np.ndarray else g.data)
                        clear(p)

            return step
        x = leaf(A if work != "scalars" else np.float32(1))
        f = expression(work, tanh)

        def both() -> None:
            out = f(x)
            (out if work == "scalars" else out.sum()).backward()
            clear(x)

        return (lambda: f(x)) if work in FORWARD else both

    return make


def functional(grad: Any, asarray: Any, tanh: Any, relu: Any, log_softmax: Any) -> Callable[[str], Run]:
    """The work in a library that turns functions into their gradients."""

    def make(work: str) -> Run:
        if work == "step":
            state = [[asarray(w), asarray(np.zeros(w.shape[1], np.float32))] for w in WEIGHTS]
            x, hot = asarray(X), asarray(HOT)

            def loss(parameters: Any) -> Any:
                h = x
                for i, (w, b) in enumerate(parameters):
                    h = h @ w + b
                    h = relu(h) if i < 2 else h
                return -(log_softmax(h) * hot).sum()

            gradient = grad(loss)

            def step() -> None:
                for pair, grads in zip(state, gradient(state), strict=True):
                    pair[:] = [p - 0.01 * g for p, g in zip(pair, grads, strict=True)]

            return step
        x = asarray(A if work != "scalars" else np.float32(1))
        f = expression(work, tanh)
        if work in FORWARD:
            return lambda: f(x)
        gradient = grad(f if work == "scalars" else lambda x: f(x).sum())
        return lambda: gradient(x)

    return make


FORWARD = {"multiply": 1, "tanh": 1, "matmul": 1, "sum": 1, "row": 1}


def expression(work: str, tanh: Any) -> Callable[[Any], Any]:
    """The operations of a piece of work."""

    def chain(x: Any) -> Any:
        y = x
        for _ in range(5):
            y = tanh(y * x + x) @ x
        return y

    def scalars(x: Any) -> Any:
        y = x
        for _ in range(100):
            y = y * 0.99 + x
        return y

    simple = {"multiply": lambda x: x * x, "tanh": tanh, "matmul": lambda x: x @ x, "sum": lambda x: x.sum(0)}
    simple["row"] = lambda x: x[1]
    return {**simple, "chain": chain, "scalars": scalars}[work]


WORKS = {
    "multiply": ("x * x, forward, recorded", 1),
    "tanh": ("tanh(x)", 1),
    "matmul": ("x @ x", 1),
    "sum": ("x.sum(0)", 1),
    "row": ("x[1], a view", 1),
    "chain": ("20 operations, forward and backward, an operation", 20),
    "scalars": ("200 scalar operations, forward and backward, an operation", 200),
    "step": ("2-16-16-2 MLP, batch 32, training step by tensor operations", 1),
}


def library(name: str) -> Callable[[str], Run]:
    """How a library does each piece of work."""
    if name == "Pullback":
        import pullback as pb

        return backward_on(
            lambda a: pb.Tensor(a, requires_grad=True),
            pb.Tensor,
            pb.tanh,
            pb.relu,
            lambda h: pb.log_softmax(h, axis=1),
            no_gradient,
        )
    if name == "PyTorch":
        import torch

        torch.set_num_threads(1)
        return backward_on(
            lambda a: torch.tensor(a, requires_grad=True),
            torch.tensor,
            torch.tanh,
            torch.relu,
            lambda h: torch.log_softmax(h, 1),
            no_gradient,
        )
    if name == "JAX":
        import jax

        return functional(jax.grad, jax.numpy.asarray, jax.numpy.tanh, jax.nn.relu, jax.nn.log_softmax)
    if name == "MyGrad":
        import mygrad
        from mygrad.nnet.activations import logsoftmax, relu

        log_softmax = lambda h: logsoftmax(h, axis=1)  # noqa: E731
        constant = lambda a: mygrad.tensor(a, constant=True)  # noqa: E731
        return backward_on(mygrad.tensor, constant, mygrad.tanh, relu, log_softmax, mygrad.Tensor.null_grad)
    if name == "autograd":
        import autograd.numpy as anp
        from autograd.scipy.special import logsumexp

        import autograd

        return functional(
            autograd.grad,
            np.asarray,
            anp.tanh,
            lambda h: anp.maximum(h, 0),
            lambda h: h - logsumexp(h, axis=1, keepdims=True),
        )
    from micrograd.engine import Value

    return backward_on(lambda a: Value(float(a)), None, None, None, None, zero_gradient)


def kept(name: str, count: int = 20_000) -> float:
    """Bytes that the graph of one operation on a 4 x 4 float32 array, or in micrograd on a number, adds."""
    if name in ("JAX", "autograd"):
        raise ValueError("its graph lives inside grad")
    leaf = {
        "Pullback": lambda: __import__("pullback").Tensor(A, requires_grad=True),
        "PyTorch": lambda: __import__("torch").tensor(A, requires_grad=True),
        "MyGrad": lambda: __import__("mygrad").tensor(A),
        "micrograd": lambda: __import__("micrograd.engine").engine.Value(1.0),
    }[name]
    y = x = leaf()
    for _ in range(100):
        y = y * x
    y, before = x, resident()
    for _ in range(count):
        y = y * x
    return (resident() - before) / count


def linked() -> float:
    """Seconds of an x[1] that go into its being a view: beside the same, compiled as if it gave none."""
    from pullback.autograd.core.fast_apply import compiled
    from pullback.autograd.ops.indexing import getitem

    with_views, getitem.views = compiled(getitem), False
    without = compiled(getitem)
    getitem.views = True
    x = pullback.Tensor(A, requires_grad=True)
    runs = [lambda: with_views(x, index=1), lambda: without(x, index=1)]
    view, value = median_times(runs, 500, 101)
    return view - value


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _version(name: str) -> str:
    return pullback.__version__ if name == "Pullback" else version(MODULES[name])


def main() -> None:
    names = [name for name, module in MODULES.items() if importlib.util.find_spec(module)]
    libraries = {name: library(name) for name in names}
    rows = []
    for work, (title, operations) in WORKS.items():
        able = [name for name in names if name != "micrograd" or work == "scalars"]
        runs = [libraries[name](work) for name in able]
        number = {"step": 20, "chain": 20, "scalars": 5}.get(work, 500)
        times = dict(zip(able, median_times(runs, number, 15), strict=True))
        rows.append((title, {name: t / operations for name, t in times.items()}))
    memory = {}
    for name in names:
        if name not in ("JAX", "autograd"):
            code = f"import overhead as o; print(o.kept({name!r}))"
            out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=REPORT.parent)
            memory[name] = float(out.stdout)
    versions = ", ".join(f"{name} {_version(name)}" for name in names)
    lines = HEAD.format(machine=cpu(), numpy=np.__version__, python=platform.python_version(), versions=versions)
    lines = [*lines.splitlines(), f"| work | {' | '.join(names)} |", f"|---|{'---|' * len(names)}"]
    for title, times in rows:
        ours = times["Pullback"]
        cells = [f"{human(times[n])} ({ours / times[n]:.2f})" if n in times else "" for n in names]
        lines.append(f"| {title} | {' | '.join(cells)} |")
    cells = [f"{memory[n]:.0f} bytes" if n in memory else "" for n in names]
    lines.append(f"| memory of a node, y * x kept for backward | {' | '.join(cells)} |")
    lines += ["", f"Of the time of x[1], {human(linked())} go into its being a view: its base and it know one another."]
    REPORT.write_text("\n".join(lines) + "\n")
    print(REPORT.read_text())


if __name__ == "__main__":
    main()
