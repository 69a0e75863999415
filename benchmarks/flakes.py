"""How often a gradient checker's verdict is wrong, on functions with kinks: false alarms and misses.

    OMP_NUM_THREADS=1 python benchmarks/flakes.py [runs]

Every run draws a function, an input and whether to plant a fault, from the run's number alone: entries at random, at
kinks and in ties exactly, or off them by 1e-12 to 1e-6, at any scale from 1e-6 to 1e6. Of Pullback's own checker it
makes `runs` (100,000) with right gradients and a tenth as many with wrong ones; of each peer that is installed, the
first RUNS of the same draws, since these take longer. It writes flakes.md beside itself.
"""

import importlib.util
import os
import platform
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from importlib.metadata import version
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"
os.environ["JAX_ENABLE_X64"] = "1"

import numpy as np

import pullback as pb
from pullback.testing import GradcheckError, gradcheck

REPORT = Path(__file__).with_suffix(".md")
FUNCTIONS = ("relu", "max_pool", "sort", "abs", "clip")
FAULTS = ("twice", "negated", "1% more", "largest entry lost", "beyond all slopes at kinks")
PLACES = ("anywhere", "at kinks", "near kinks")
RUNS = {"PyTorch": 2000, "JAX": 200, "autograd": 500}
WRONG = 0.1  # the share of runs that are made with a wrong gradient, too
MODULES = {"PyTorch": "torch", "JAX": "jax", "autograd": "autograd"}
WINDOWS = [[0, 1, 3, 4], [1, 2, 4, 5], [3, 4, 6, 7], [4, 5, 7, 8]]  # of 2 x 2, in 3 x 3


class Draw:
    """The function, input and fault of one run."""

    def __init__(self, number, wrong):
        rng = np.random.default_rng((number, wrong))
        self.name = FUNCTIONS[number % len(FUNCTIONS)]
        self.place = PLACES[rng.integers(3)]
        self.scale = 10.0 ** rng.integers(-6, 7) if rng.random() < 0.5 else 1.0
        n = 9 if self.name == "max_pool" else int(rng.integers(3, 6))
        x = rng.uniform(-2, 2, n)
        x[0] = 0.5  # where the slope is 1, whatever the function
        at = np.zeros(n, bool)
        if self.place != "anywhere":
            at[1:] = rng.random(n - 1) < 0.5
            at[1] = True
            off = rng.choice([-1.0, 1.0], n) * 10.0 ** rng.uniform(-12, -6, n) * (self.place == "near kinks")
            ties = x[2] if rng.random() < 0.5 else 2.5  # the largest of all, or not
            kinks = {"relu": np.zeros(n), "abs": np.zeros(n), "clip": rng.choice([-1.0, 1.0], n)}
            x = np.where(at, kinks.get(self.name, np.full(n, ties)) + off, x)
        exact = self.place == "at kinks" and (self.name in kinks or at.sum() > 1)
        self.fault = FAULTS[rng.integers(len(FAULTS) if exact else len(FAULTS) - 1)] if wrong else None
        self.x, self.at = x * self.scale, at

    def spoil(self, g):
        """A wrong gradient in place of the right one."""
        if self.fault == "beyond all slopes at kinks":
            return g + 3.0 * self.at.reshape(g.shape)
        if self.fault == "largest entry lost":
            return np.where(np.abs(g) == np.max(np.abs(g)), 0, g)
        return g * {"twice": 2, "negated": -1, "1% more": 1.01, None: 1}[self.fault]


def ours(draw):
    shape = (1, 1, 3, 3) if draw.name == "max_pool" else draw.x.shape
    low, high = -draw.scale, draw.scale
    f = {
        "relu": pb.relu,
        "abs": pb.abs,
        "sort": pb.sort,
        "clip": lambda x: pb.clip(x, low, high),
        "max_pool": lambda x: pb.max_pool(x, 2, 1),
    }[draw.name]
    x = pb.Tensor(draw.x.reshape(shape), requires_grad=True)
    if draw.fault is None:
        return passes(gradcheck, f, x, error=GradcheckError)
    with pb.override(spoiled, "x", draw.spoil):
        return passes(gradcheck, lambda x: f(spoiled(x)), x, error=GradcheckError)


@pb.primitive
def spoiled(x):
    return x


@spoiled.vjp("x")
def _(g):
    return g


def passes(check, *args, error, **options):
    try:
        return check(*args, **options) is not False
    except error:
        return False


def torch_checks(draw):
    import torch

    class Spoiled(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.clone()

        @staticmethod
        def backward(ctx, g):
            return torch.from_numpy(np.asarray(draw.spoil(g.numpy())))

    f = {
        "relu": torch.relu,
        "abs": torch.abs,
        "sort": lambda x: torch.sort(x).values,
        "clip": lambda x: torch.clip(x, -draw.scale, draw.scale),
        "max_pool": lambda x: torch.nn.functional.max_pool2d(x.reshape(1, 1, 3, 3), 2, 1),
    }[draw.name]
    x = torch.tensor(draw.x, requires_grad=True)
    return passes(torch.autograd.gradcheck, lambda x: f(Spoiled.apply(x)), (x,), error=RuntimeError)


def jax_checks(draw):
    import jax
    import jax.numpy as jnp
    from jax.test_util import check_grads

    @jax.custom_vjp
    def same(x):
        return x

    same.defvjp(lambda x: (x, None), lambda _, g: (jax.numpy.asarray(draw.spoil(np.asarray(g))),))
    f = {
        "relu": jax.nn.relu,
        "abs": jnp.abs,
        "sort": jnp.sort,
        "clip": lambda x: jnp.clip(x, -draw.scale, draw.scale),
        "max_pool": lambda x: jnp.stack([jnp.max(x[np.array(w)]) for w in WINDOWS]),
    }[draw.name]
    check = lambda x: check_grads(lambda x: f(same(x)), (x,), order=1, modes=("rev",))  # noqa: E731
    return passes(check, jnp.asarray(draw.x), error=AssertionError)


def autograd_checks(draw):
    import autograd.numpy as anp
    from autograd.extend import defvjp, primitive
    from autograd.test_util import check_grads

    same = primitive(lambda x: x * 1.0)
    plain = primitive(lambda g: np.asarray(draw.spoil(g)))
    defvjp(same, lambda ans, x: plain)
    f = {
        "relu": lambda x: anp.maximum(x, 0),
        "abs": anp.abs,
        "sort": anp.sort,
        "clip": lambda x: anp.clip(x, -draw.scale, draw.scale),
        "max_pool": lambda x: anp.stack([anp.max(x[np.array(w)]) for w in WINDOWS]),
    }[draw.name]
    check = lambda x: check_grads(lambda x: f(same(x)), modes=["rev"], order=1)(x)  # noqa: E731
    return passes(check, draw.x, error=AssertionError)


CHECKS = {"Pullback": ours, "PyTorch": torch_checks, "JAX": jax_checks, "autograd": autograd_checks}


def part(library, wrong, numbers):
    """How many runs there were, and how many were judged wrongly, by function and by place; with some that were."""
    counts, examples = Counter(), []
    for number in numbers:
        draw = Draw(number, wrong)
        failed = CHECKS[library](draw) == wrong
        for key in (draw.name, draw.place, draw.fault):
            counts[key, "runs"] += 1
            counts[key, "failed"] += failed
        if failed:
            examples.append((number, draw.name, draw.place, draw.fault))
    return counts, examples


def measure(library, runs, pool, found):
    """Add the counts for right gradients and for wrong ones, and seconds, to what was found, a twentieth at a time."""
    step = max(1, runs // 20)
    for start in range(0, runs, step):
        began, jobs = time.perf_counter(), []
        for wrong, share in ((False, 1), (True, WRONG)):
            numbers = range(int(start * share), int(min(start + step, runs) * share))
            jobs += [(wrong, pool.submit(part, library, wrong, numbers[k::10])) for k in range(10)]
        for wrong, job in jobs:
            counts, examples = job.result()
            found[wrong].update(counts)
            if library == "Pullback" and examples:
                print(examples, flush=True)
        found["seconds"] += time.perf_counter() - began
        yield


def share(counts, key):
    runs, failed = counts[key, "runs"], counts[key, "failed"]
    return f"{failed:,} of {runs:,}" if runs else "-"


def main():
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    libraries = ["Pullback", *(m for m in RUNS if importlib.util.find_spec(MODULES[m]))]
    results = {}
    with ProcessPoolExecutor() as pool:
        for library in libraries:
            results[library] = found = {False: Counter(), True: Counter(), "seconds": 0.0}
            for _ in measure(library, min(runs, RUNS.get(library, runs)), pool, found):
                report(runs, results)


def report(runs, results):
    libraries = [*results]
    versions = ", ".join(f"{m} {version(MODULES[m])}" for m in libraries[1:])
    text = [
        "# Flaky verdicts",
        "",
        "How often a gradient checker's verdict is wrong on functions with kinks: right gradients that it rejects",
        "(false alarms), and wrong ones that it takes (misses). A third of the inputs are at random, a third have",
        "entries exactly at kinks or in ties, a third off them by 1e-12 to 1e-6; half are scaled, by 1e-6 to 1e6.",
        "Every checker has its default settings (the peers: reverse mode, first order) and sees the same draws, the",
        "slower ones the first of them. In `max_pool` 2 x 2 windows overlap; `clip` is to -1 and 1, times the scale.",
        "",
        f"- NumPy {np.__version__}, Python {platform.python_version()}; {versions or 'no peers installed'}",
        f"- Command: `OMP_NUM_THREADS=1 python benchmarks/flakes.py {runs}`",
        "",
    ]
    head = ["", *libraries]
    for wrong, title, keys in (
        (False, "False alarms", (*FUNCTIONS, *PLACES)),
        (True, "Misses", (*FUNCTIONS, *PLACES, *FAULTS)),
    ):
        text += [f"## {title}", "", " | ".join(["", *head, ""]).strip(), "|---" * len(head) + "|"]
        for key in keys:
            text.append(" | ".join(["", key, *(share(results[m][wrong], key) for m in libraries), ""]).strip())
        text.append("")
    checks = {m: sum(found[w][f, "runs"] for w in (False, True) for f in FUNCTIONS) for m, found in results.items()}
    seconds = (f"{m} {1e3 * found['seconds'] / checks[m]:.1f} ms" for m, found in results.items())
    text += [
        "Time for each check, as many at a time as there are cores, on a machine that was shared: "
        + ", ".join(seconds)
        + ".",
        "",
    ]
    REPORT.write_text("\n".join(text))


if __name__ == "__main__":
    main()
