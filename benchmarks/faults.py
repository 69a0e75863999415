"""Which planted faults are found by Pullback's `check_primitive` and by the gradient checks of its peers.

The catalogue is tests/helpers/faults.py. Each function there becomes a primitive of Pullback, a
torch.autograd.Function, a jax.custom_vjp and a primitive of HIPS autograd, with the same right or wrong rules.

    OMP_NUM_THREADS=1 python benchmarks/faults.py

Pullback's checker draws its own arguments; the peers, which are given arguments by their users, get as many examples
drawn by the same strategies, real and complex: 20, or as many as the environment variable EXAMPLES says. Pullback's
default, 100 examples, is a column of its own. Where a peer's check fails, and fails the right function too, it found
nothing; how often is counted. PROCESSES faults are tried at a time (as many as there are cores). It writes faults.md
beside itself.
"""

import inspect
import itertools
import multiprocessing
import os
import platform
import time
import warnings
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import autograd.extend
import autograd.numpy as anp
import autograd.test_util
import hypothesis
import jax
import jax.numpy as jnp
import jax.test_util
import numpy as np
import torch
from autograd.numpy.numpy_boxes import ArrayBox
from first_figures import cpu

import autograd as hips
import pullback
from pullback.autograd.core.registry import _primitives
from pullback.testing import check_primitive, strategies
from pullback.tests.helpers.faults import FAULTS
from pullback.tests.helpers.functions import FUNCTIONS, Function, Library, as_primitive

jax.config.update("jax_enable_x64", True)
torch.set_num_threads(1)
ArrayBox.mT = property(lambda self: anp.swapaxes(self, -1, -2))

PROCESSES = int(os.environ.get("PROCESSES", os.cpu_count() or 1))
EXAMPLES, DEFAULT = int(os.environ.get("EXAMPLES", 20)), 100
REPORT = Path(__file__).with_suffix(".md")
DRAWN = hypothesis.settings(
    max_examples=EXAMPLES,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[hypothesis.Phase.generate],
    suppress_health_check=list(hypothesis.HealthCheck),
)
HEAD = """# Planted faults, and who finds them

{count} faults of {kinds} kinds in {functions} functions, each one thing wrong in one rule, from
`tests/helpers/faults.py`. Each library checks at {examples} examples drawn by the same strategies, real and
complex: Pullback with `check_primitive(op)`, which draws them itself, PyTorch with
`gradcheck(check_batched_grad=True)`, `check_forward_ad` where a rule for tangents is defined, and `gradgradcheck`; JAX
with `check_grads(order=2, modes=["rev"])` in float64 and in float32; HIPS autograd with `check_grads(order=2)`. The
first column is Pullback's as users run it, with its default of {default} examples.

"-" stands where a library cannot have the fault, or not by its interface for rules of one's own: JAX has no writable or
strided arrays and derives forward mode and batches, HIPS autograd has no batches, PyTorch no negative strides, and
PyTorch converts a gradient to the dtype of its tensor. Where a peer's check fails, it is run on the right function
there, too: if it fails that as well (at ties, say), nothing was found.

- Machine: {machine}; NumPy {numpy}, Python {python}
- {versions}
- Command: `OMP_NUM_THREADS=1 python benchmarks/faults.py`

"""


def called(rule: Callable[..., Any], xp: Any, g: Any, names: Any, arrays: Any, out: Any, options: Any) -> Any:
    """What a rule gives, with what it asks for by name."""
    have = {**dict(zip(names, arrays, strict=True)), **options, "out": out}
    have |= {f"{name}_shape": tuple(x.shape) for name, x in zip(names, arrays, strict=True)}
    return rule(xp, g, *(have[want] for want in list(inspect.signature(rule).parameters)[2:]))


def arrays_of(function: Function) -> list[str]:
    parameters = list(inspect.signature(function.value).parameters.values())[1:]
    return [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]


def fitted(c: Any, x: Any) -> Any:
    """A cotangent as that of x: summed over what broadcasting spread, real if x is, as Pullback's engine does."""
    shape = np.shape(x)
    if "complex" in str(c.dtype) and "complex" not in str(x.dtype):
        c = c.real
    while len(c.shape) > len(shape):
        c = c.sum(0)
    for axis, n in enumerate(shape):
        if n == 1 != c.shape[axis]:
            c = c.sum(axis, keepdims=True)
    return c


class Torch(Library):
    def __getattr__(self, name: str) -> Any:
        return getattr(
            torch, {"permute_dims": "permute", "expand_dims": "unsqueeze", "concatenate": "cat"}.get(name, name)
        )

    def where(self, condition: Any, a: Any, b: Any) -> Any:
        return torch.where(torch.as_tensor(condition), a, b)

    def sort(self, x: Any) -> Any:
        return torch.sort(x).values

    def conj(self, x: Any) -> Any:
        return torch.conj(x).clone()

    def detach(self, x: Any) -> Any:
        return x.detach()

    def constant(self, x: Any, like: Any) -> Any:
        return torch.as_tensor(np.array(x), dtype=like.dtype)

    def cast(self, x: Any, dtype: str) -> Any:
        return x.to(getattr(torch, dtype.removeprefix("torch.")))

    def writable(self, x: Any) -> bool:
        return not torch.is_grad_enabled()

    def strides(self, x: Any) -> Any:
        return x.stride()

    def in_memory(self, x: Any) -> Any:
        return x.permute(sorted(range(x.ndim), key=lambda i: -x.stride(i))).reshape(-1)


class Jax(Library):
    def __getattr__(self, name: str) -> Any:
        return getattr(jnp, name)

    def detach(self, x: Any) -> Any:
        return jax.lax.stop_gradient(x)

    def constant(self, x: Any, like: Any) -> Any:
        return jnp.asarray(x, like.dtype)


class Hips(Library):
    def __getattr__(self, name: str) -> Any:
        return getattr(anp, {"permute_dims": "transpose"}.get(name, name))

    def flip(self, x: Any, axes: Any) -> Any:
        return x[tuple(slice(None, None, -1) if i in axes else slice(None) for i in range(x.ndim))]

    def detach(self, x: Any) -> Any:
        return self.detach(x._value) if isinstance(x, ArrayBox) else x

    def constant(self, x: Any, like: Any) -> Any:
        return np.asarray(x, like.dtype)


def with_torch(function: Function, arrays: Any, options: Any) -> None:
    xp, names = Torch(), arrays_of(function)

    def rule(ctx: Any, name: str, g: Any) -> Any:
        saved = ctx.saved_tensors
        inputs, outputs = saved[: len(names)], saved[len(names) :]
        g = tuple(x.conj() for x in g)  # PyTorch's gradients are the conjugates of the others'
        g, out = (g, outputs) if function.outputs else (g[0], outputs[0])
        grad = called(function.rules[name], xp, g, names, inputs, out, options)
        return fitted(grad, inputs[names.index(name)]).conj()

    class Made(torch.autograd.Function):
        generate_vmap_rule = function.batch is None

        @staticmethod
        def forward(*arrays: Any) -> Any:
            return function.value(xp, *arrays, **options)

        @staticmethod
        def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
            outputs = output if function.outputs else (output,)
            ctx.save_for_backward(*inputs, *outputs)
            ctx.save_for_forward(*inputs, *outputs)

        @staticmethod
        def backward(ctx: Any, *g: Any) -> Any:
            return tuple(rule(ctx, name, g) for name in names)

        if function.tangents:

            @staticmethod
            def jvp(ctx: Any, *tangents: Any) -> Any:
                *inputs, out = ctx.saved_tensors
                return sum(
                    called(function.tangents[name], xp, t, names, inputs, out, options)
                    for name, t in zip(names, tangents, strict=True)
                )

        if function.batch:

            @staticmethod
            def vmap(info: Any, in_dims: Any, x: Any) -> Any:
                return torch.stack([Made.apply(row) for row in x.movedim(in_dims[0], 0)][::-1]), 0

    inputs = [torch.tensor(x, requires_grad=True) for x in arrays]
    forward = bool(function.tangents)
    torch.autograd.gradcheck(Made.apply, inputs, check_batched_grad=True, check_forward_ad=forward)
    torch.autograd.gradgradcheck(Made.apply, inputs)


def with_jax(function: Function, arrays: Any, options: Any, single: bool = False) -> None:
    xp, names = Jax(), arrays_of(function)

    @jax.custom_vjp
    def made(*arrays: Any) -> Any:
        return function.value(xp, *arrays, **options)

    def pulled(kept: Any, g: Any) -> Any:
        arrays, out = kept
        grads = [called(function.rules[name], xp, g, names, arrays, out, options) for name in names]
        return tuple(fitted(c, x) for c, x in zip(grads, arrays, strict=True))

    def forward(*arrays: Any) -> Any:
        out = function.value(xp, *arrays, **options)
        return out, (arrays, out)

    made.defvjp(forward, pulled)
    given = [jnp.asarray(x, _single(x.dtype) if single else x.dtype) for x in arrays]
    jax.test_util.check_grads(made, given, order=2, modes=["rev"])


def _single(dtype: Any) -> Any:
    return np.complex64 if dtype.kind == "c" else np.float32


def with_hips(function: Function, arrays: Any, options: Any) -> None:
    xp, names = Hips(), arrays_of(function)
    made = hips.extend.primitive(partial(function.value, Library(), **options))

    def rule(name: str) -> Any:
        def pulling(out: Any, *arrays: Any) -> Any:
            x = arrays[names.index(name)]
            return lambda g: fitted(called(function.rules[name], xp, g, names, arrays, out, options), x)

        return pulling

    hips.extend.defvjp(made, *(rule(name) for name in names))
    if function.tangents:
        hips.extend.defjvp(
            made,
            *(
                lambda t, out, *arrays, name=name: called(function.tangents[name], xp, t, names, arrays, out, options)
                for name in names
            ),
        )
    modes = ["fwd", "rev"] if function.tangents else ["rev"]
    autograd.test_util.check_grads(made, modes=modes, order=2)(*(x.copy() for x in arrays))


WRITES = {
    "gradients in one buffer",
    "what the last call kept",
    "cotangent written into",
    "kept argument written into",
    "argument written into",
}
STRIDES = {"cotangent in Fortran order", "cotangent of negative strides", "cotangent of zero strides"}
TANGENTS = {"forward mode: sign", "forward mode: one argument's tangent"}
PEERS: dict[str, tuple[list[Callable[..., None]], set[str]]] = {  # the checks, and the faults that there cannot be
    "PyTorch": ([with_torch], {"float32: gradient in float64", "cotangent of negative strides"}),
    "JAX": ([with_jax, partial(with_jax, single=True)], WRITES | STRIDES | TANGENTS | {"batches: in reverse"}),
    "autograd": ([with_hips], {"batches: in reverse"}),
}


OURS = {f"Pullback, {DEFAULT} examples": DEFAULT, "Pullback": EXAMPLES}


def drawn(function: Function) -> list[Any]:
    """Arguments by the function's strategy, real and complex, each once."""
    made, found = as_primitive(function, "drawn"), {}
    del _primitives["drawn"]

    @DRAWN
    @hypothesis.given(strategies.arguments(made) | strategies.arguments(made, complex=True))
    def collect(example: Any) -> None:
        found.setdefault(repr(example), example)

    collect()
    return list(found.values())


def fails(check: Callable[..., None], function: Function, example: Any) -> bool:
    arrays, options = example
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            check(function, [np.array(x) for x in arrays], options)
    except Exception:
        return True
    return False


def ours(function: Function, examples: int) -> bool:
    """Whether Pullback's checker fails a function."""
    made = as_primitive(function, "planted")
    try:
        check_primitive(made, settings=hypothesis.settings(DRAWN, max_examples=examples))
    except AssertionError:
        return True
    finally:
        del _primitives["planted"]
    return False


def row(number: int) -> tuple[dict[str, str], Counter[str]]:
    """Who finds a fault, and how often a peer's check fails where it fails the right function, too."""
    fault, false = FAULTS[number], Counter[str]()
    marks = {who: "yes" if ours(fault.function, count) else "**no**" for who, count in OURS.items()}
    function, examples = fault.function, drawn(fault.honest)
    for who, (checks, cannot) in PEERS.items():
        marks[who] = "-" if fault.kind in cannot else "no"
        for check, example in itertools.product(checks, examples if fault.kind not in cannot else []):
            if fails(check, function, example):
                if not fails(check, fault.honest, example):
                    marks[who] = "yes"
                    break
                false[who] += 1
    return marks, false


def alarms(name: str) -> list[str]:
    """With how many examples Pullback fails a right function."""
    return [who for who, count in OURS.items() if ours(FUNCTIONS[name], count)]


def main() -> None:
    started = time.time()
    rows, caught, possible, false = [], Counter[str](), Counter[str](), Counter[str]()
    with ProcessPoolExecutor(PROCESSES, multiprocessing.get_context("spawn")) as pool:
        for fault, (marks, shared) in zip(FAULTS, pool.map(row, range(len(FAULTS))), strict=True):
            caught += Counter(who for who, mark in marks.items() if mark == "yes")
            possible += Counter(who for who, mark in marks.items() if mark != "-")
            false += shared
            rows.append(f"| {fault.group} | {fault.kind} | {fault.name} | {' | '.join(marks.values())} |")
            print(f"{time.time() - started:5.0f} s  {rows[-1]}", flush=True)
        failing = Counter(itertools.chain.from_iterable(pool.map(alarms, FUNCTIONS)))
    libraries, columns = {"PyTorch": "torch", "JAX": "jax", "autograd": "autograd"}, [*OURS, *PEERS]
    head = HEAD.format(
        count=len(FAULTS),
        kinds=len({fault.kind for fault in FAULTS}),
        functions=len({fault.name for fault in FAULTS}),
        examples=EXAMPLES,
        default=DEFAULT,
        machine=cpu(),
        numpy=np.__version__,
        python=platform.python_version(),
        versions=f"Pullback {pullback.__version__}, " + ", ".join(f"{n} {version(p)}" for n, p in libraries.items()),
    )
    lines = [
        f"| faults | | | {' | '.join(columns)} |",
        f"|---|---|---|{'---|' * len(columns)}",
        *rows,
        f"| **caught** | | | {' | '.join(f'**{caught[who]} of {possible[who]}**' for who in columns)} |",
    ]
    right = ", ".join(f"{who} {failing[who]} of {len(FUNCTIONS)}" for who in OURS)
    foot = f"\nRight functions that fail: {right}. Failures of a peer that the right function shares: "
    foot += ", ".join(f"{who} {false[who]}" for who in PEERS) + ".\n"
    REPORT.write_text(head + "\n".join(lines) + "\n" + foot)
    print(REPORT.read_text())


if __name__ == "__main__":
    main()
