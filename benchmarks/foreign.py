"""Gradients of other libraries, and hand-written ones, under Pullback's checker: what it finds wrong.

    OMP_NUM_THREADS=1 python benchmarks/foreign.py

Every case is a function and its vector-Jacobian product on NumPy arrays, handed to `testing.check_vjp`; a library that
is not installed is left out. It writes foreign.md beside itself.
"""

import importlib.util
import os
import platform
import warnings
from importlib.metadata import version
from pathlib import Path

os.environ["JAX_ENABLE_X64"] = "1"

import numpy as np

from pullback.testing import GradcheckError, check_vjp

REPORT = Path(__file__).with_suffix(".md")
MODULES = {"PyTorch": "torch", "JAX": "jax", "autograd": "autograd", "MyGrad": "mygrad"}


def of_torch(f):
    """A function of torch tensors as a pair on arrays; gradients of complex tensors are conjugated there."""
    import torch

    def vjp(g, *arrays):
        inputs = [torch.tensor(x.copy(), requires_grad=True) for x in arrays]  # they take no negative strides
        grads = torch.autograd.grad(f(*inputs), inputs, torch.tensor(np.conj(g).copy()))
        return tuple(np.conj(x.numpy()) for x in grads)

    return lambda *arrays: f(*(torch.tensor(x.copy()) for x in arrays)).numpy(), vjp


def of_jax(f):
    """A function of JAX arrays as a pair on arrays: the convention is the same."""
    import jax

    def vjp(g, *arrays):
        return tuple(np.asarray(x) for x in jax.vjp(f, *arrays)[1](jax.numpy.asarray(g)))

    return lambda *arrays: np.asarray(f(*arrays)), vjp


def of_autograd(f):
    """A function of autograd's arrays as a pair: the convention is the same."""
    from autograd import make_vjp

    def vjp(g, *arrays):
        numbers = range(len(arrays))
        return tuple(make_vjp(f, argnum=i)(*(x[()] for x in arrays))[0](g[()]) for i in numbers)

    return f, vjp


def of_mygrad(f):
    """A function of MyGrad's tensors as a pair."""
    import mygrad

    def vjp(g, *arrays):
        inputs = [mygrad.tensor(x) for x in arrays]
        f(*inputs).backward(g)
        return tuple(x.grad for x in inputs)

    return lambda *arrays: f(*map(mygrad.tensor, arrays)).data, vjp


rng = np.random.default_rng(0)
X, Y = rng.uniform(0.5, 2, (3, 4)), rng.uniform(0.5, 2, (4, 3))
SPD = X @ X.T + np.eye(3)
ZERO_INSIDE, ZEROS, SAME = np.array([2.0, 0.0, 3.0]), np.zeros(3), np.full(3, 1.5)
TIES = np.array([1.0, 2.0, 2.0])
SINGULAR = np.array([[1.0, 2.0], [2.0, 4.0]])
SINGLE = X.astype(np.float32)


def torch_cases():
    import torch
    import torch.nn.functional as F

    pooled = torch.tensor([[[0, 3], [3, 1]]])[None]
    unpool = lambda y: F.max_unpool2d(y, pooled, 2, output_size=(4, 4))  # noqa: E731
    yield from (
        ("matmul, tanh", lambda x, y: torch.tanh(x @ y), (X, Y)),
        ("sort with ties", lambda x: torch.sort(x).values, (TIES,)),
        ("max with ties", torch.amax, (TIES,)),
        ("maximum at a tie", torch.maximum, (TIES, TIES.copy())),
        ("conv2d", lambda x, w: F.conv2d(x, w, stride=2), (X.reshape(1, 1, 3, 4), Y[:2, :2].reshape(1, 1, 2, 2))),
        ("eigvalsh", lambda x: torch.linalg.eigvalsh((x + x.mT) / 2), (SPD,)),
        ("fft of complex numbers", torch.fft.fft, (X + 1j * X[::-1],)),
        ("prod with a zero", torch.prod, (ZERO_INSIDE,)),
        ("norm at 0", torch.linalg.vector_norm, (ZEROS,)),
        ("max_unpool2d with repeated indices", unpool, (X[:2, :2].reshape(1, 1, 2, 2),)),
        ("std of a constant", torch.std, (SAME,)),
        ("hypot at 0", torch.hypot, (ZEROS, ZEROS.copy())),
        ("logsumexp of -inf beside numbers", lambda x: torch.logsumexp(x, 0), (np.array([-np.inf, 1.0, 2.0]),)),
        ("det of a singular matrix", torch.linalg.det, (SINGULAR,)),
        ("det of the zero matrix", torch.linalg.det, (np.zeros((3, 3)),)),
        ("x ** y at x = 0", torch.pow, (np.array([0.0, 2.0]), np.array([2.0, 3.0]))),
        ("cdist at a distance of 0", torch.cdist, (X, X.copy())),
        ("cosine_similarity at 0", lambda x, y: F.cosine_similarity(x, y, 0), (ZEROS, TIES)),
        ("sinc at 0", torch.sinc, (np.array([0.0, 0.5]),)),
        ("where(x > 0, sqrt(x), 0) at -1", lambda x: torch.where(x > 0, torch.sqrt(x), 0), (np.array([-1.0, 4.0]),)),
        ("renorm", lambda x: torch.renorm(x, 2, 0, 1.0), (X,)),
        ("renorm at 0", lambda x: torch.renorm(x, 2, 0, 1.0), (np.zeros((2, 3)),)),
        ("cumprod with a zero", lambda x: torch.cumprod(x, 0), (ZERO_INSIDE,)),
        ("pinv of a singular matrix", torch.linalg.pinv, (SINGULAR + 0,)),
        ("relu in float32", torch.relu, (SINGLE,)),
        ("remainder", torch.remainder, (X + 3, X)),
        ("hardshrink at its threshold", F.hardshrink, (np.array([0.5, 1.0]),)),
        ("rrelu, random", lambda x: F.rrelu(x - 1, training=True), (X,)),
    )


def jax_cases():
    import jax
    import jax.numpy as jnp

    yield from (
        ("matmul, tanh", lambda x, y: jnp.tanh(x @ y), (X, Y)),
        ("sort with ties", jnp.sort, (TIES,)),
        ("max with ties", jnp.max, (TIES,)),
        ("maximum at a tie", jnp.maximum, (TIES, TIES.copy())),
        ("eigvalsh", jnp.linalg.eigvalsh, (SPD,)),
        ("fft of complex numbers", jnp.fft.fft, (X + 1j * X[::-1],)),
        ("prod with a zero", jnp.prod, (ZERO_INSIDE,)),
        ("norm at 0", jnp.linalg.norm, (ZEROS,)),
        ("std of a constant", jnp.std, (SAME,)),
        ("hypot at 0", jnp.hypot, (ZEROS, ZEROS.copy())),
        ("abs of complex 0", jnp.abs, (np.array([0j, 1 + 1j]),)),
        ("logsumexp of -inf beside numbers", jax.nn.logsumexp, (np.array([-np.inf, 1.0, 2.0]),)),
        ("det of a singular matrix", jnp.linalg.det, (SINGULAR,)),
        ("det of the zero matrix", jnp.linalg.det, (np.zeros((3, 3)),)),
        ("x ** y at x = 0", jnp.power, (np.array([0.0, 2.0]), np.array([2.0, 3.0]))),
        ("sinc at 0", jnp.sinc, (np.array([0.0, 0.5]),)),
        ("where(x > 0, sqrt(x), 0) at -1", lambda x: jnp.where(x > 0, jnp.sqrt(x), 0), (np.array([-1.0, 4.0]),)),
        ("clip at its ends", lambda x: jnp.clip(x, -1, 1), (np.array([-1.0, 1.0, 0.5]),)),
        ("median with ties", jnp.median, (TIES,)),
        ("cumprod with a zero", jnp.cumprod, (ZERO_INSIDE,)),
        ("pinv of a singular matrix", jnp.linalg.pinv, (SINGULAR,)),
        ("remainder", jnp.remainder, (X + 3, X)),
        ("relu6 in float32", jax.nn.relu6, (SINGLE,)),
        ("arctan2 on the negative axis", jnp.arctan2, (np.array([0.5]), np.array([-1.0]))),
    )


def autograd_cases():
    import autograd.numpy as anp

    yield from (
        ("matmul, tanh", lambda x, y: anp.tanh(anp.matmul(x, y)), (X, Y)),
        ("sort with ties", anp.sort, (TIES,)),
        ("max with ties", anp.max, (TIES,)),
        ("maximum at a tie", anp.maximum, (TIES, TIES.copy())),
        ("eigvalsh", lambda x: anp.linalg.eigh(x)[0], (SPD,)),
        ("fft of complex numbers", anp.fft.fft, (X + 1j * X[::-1],)),
        ("prod with a zero", anp.prod, (ZERO_INSIDE,)),
        ("norm at 0", anp.linalg.norm, (ZEROS,)),
        ("std of a constant", anp.std, (SAME,)),
        ("var in float32", anp.var, (SINGLE,)),
        ("max in float32", anp.max, (SINGLE,)),
        ("where in float32", lambda x: anp.where(x > 1, x, 0 * x), (SINGLE,)),
        ("mean in float32", anp.mean, (SINGLE,)),
        ("diag of a matrix that is not square", lambda x: anp.diag(x), (X,)),
        ("sinc at 0", anp.sinc, (np.array([0.0, 0.5]),)),
        ("det of a singular matrix", anp.linalg.det, (SINGULAR,)),
        ("x ** y at x = 0", anp.power, (np.array([0.0, 2.0]), np.array([2.0, 3.0]))),
        ("einsum of a diagonal", lambda x: anp.einsum("ii->i", x), (SPD,)),
        ("abs of complex 0", anp.abs, (np.array([0j, 1 + 1j]),)),
        ("clip at its ends", lambda x: anp.clip(x, -1, 1), (np.array([-1.0, 1.0, 0.5]),)),
        ("logaddexp of -inf", anp.logaddexp, (np.array([-np.inf, 1.0]), np.array([1.0, 2.0]))),
        ("remainder", anp.remainder, (X + 3, X)),
        ("roll", lambda x: anp.roll(x, 2, axis=1), (X,)),
        ("repeat", lambda x: anp.repeat(x, 2, axis=1), (X,)),
        ("tile", lambda x: anp.tile(x, (2, 2)), (X,)),
        ("pinv", anp.linalg.pinv, (X,)),
        ("solve", anp.linalg.solve, (SPD, Y[:3])),
        ("getitem with repeats", lambda x: x[np.array([0, 0, 2])], (X,)),
        ("svd", lambda x: anp.linalg.svd(x, full_matrices=False)[1], (X,)),
        ("norm of rows, one 0", lambda x: anp.linalg.norm(x, axis=1), (np.array([[0.0, 0.0], [3.0, 4.0]]),)),
    )


def mygrad_cases():
    import mygrad as mg

    yield from (
        ("matmul, tanh", lambda x, y: mg.tanh(mg.matmul(x, y)), (X, Y)),
        ("maximum at a tie", mg.maximum, (TIES, TIES.copy())),
        ("minimum at a tie", mg.minimum, (TIES, TIES.copy())),
        ("max with ties", mg.max, (TIES,)),
        ("prod with a zero", mg.prod, (ZERO_INSIDE,)),
        ("norm at 0", mg.linalg.norm, (ZEROS,)),
        ("std of a constant", mg.std, (SAME,)),
        ("cumprod with a zero", mg.cumprod, (ZERO_INSIDE,)),
        ("sinc at 0", mg.sinc, (np.array([0.0, 0.5]),)),
        ("x ** y at x = 0", mg.power, (np.array([0.0, 2.0]), np.array([2.0, 3.0]))),
        ("var in float32", mg.var, (SINGLE,)),
        ("logaddexp", mg.logaddexp, (X, X[::-1].copy())),
        ("repeat", lambda x: mg.repeat(x, 2, axis=1), (X,)),
        ("arctan2", mg.arctan2, (X, X[::-1].copy())),
        ("clip at its ends", lambda x: mg.clip(x, -1, 1), (np.array([-1.0, 1.0, 0.5]),)),
    )


def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def cross_entropy(z, labels):
    return -np.mean(np.log(softmax(z)[np.arange(len(z)), labels]))


def of_cross_entropy(g, z, labels, mean=True):
    out = softmax(z)
    out[np.arange(len(z)), labels] -= 1
    return g * out / (len(z) if mean else 1)


def layer_norm(x):
    return (x - x.mean(axis=1, keepdims=True)) / np.sqrt(x.var(axis=1, keepdims=True) + 1e-5)


def of_layer_norm(g, x, whole=True):
    y, inverse = layer_norm(x), 1 / np.sqrt(x.var(axis=1, keepdims=True) + 1e-5)
    centered = g - g.mean(axis=1, keepdims=True)
    return inverse * (centered - y * (g * y).mean(axis=1, keepdims=True)) if whole else inverse * centered


def in_place(g, x):
    g *= 2 * x
    return g


LABELS = np.array([0, 3, 1])
BY_HAND = (
    ("cross entropy", cross_entropy, of_cross_entropy, (X, LABELS)),
    ("layer norm", layer_norm, of_layer_norm, (X,)),
    (
        "leaky relu at 0",
        lambda x: np.where(x > 0, x, 0.1 * x),
        lambda g, x: g * np.where(x > 0, 1, 0.1),
        (ZERO_INSIDE,),
    ),
    ("cross entropy, the mean forgotten", cross_entropy, lambda *a: of_cross_entropy(*a, mean=False), (X, LABELS)),
    ("layer norm, the variance held fixed", layer_norm, lambda *a: of_layer_norm(*a, whole=False), (X,)),
    ("a bias of one row, its sum forgotten", lambda x, b: x + b, lambda g, x, b: (g.copy(), g[0].copy()), (X, X[0])),
    ("square, in the cotangent's place", np.square, in_place, (X,)),
    ("mean, as a broadcast view", np.mean, lambda g, x: np.broadcast_to(g / x.size, x.shape), (X,)),
    ("identity, the cotangent itself", lambda x: x + 0, lambda g, x: g, (X,)),
    (
        "sigmoid in float32",
        lambda x: 1 / (1 + np.exp(-x)),
        lambda g, x: g * np.exp(-x) / (1 + np.exp(-x)) ** 2.0,
        (SINGLE,),
    ),
)
LIBRARIES = {
    "PyTorch": (of_torch, torch_cases),
    "JAX": (of_jax, jax_cases),
    "autograd": (of_autograd, autograd_cases),
    "MyGrad": (of_mygrad, mygrad_cases),
}


def verdict(f, vjp, arrays):
    """What the checker says of a pair: a line, or None where all is right."""
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            check_vjp(f, vjp, arrays)
    except GradcheckError as error:
        lines = str(error).splitlines()
        said = lines[0].removeprefix("check_vjp").removeprefix(", argument ").removeprefix(": ")
        numbers = [line.strip() for line in lines[1:] if line.startswith("    by ")]
        return "; ".join([said, *(" ".join(line.split()) for line in numbers[:2])])
    except Exception as error:
        return f"{type(error).__name__}: {str(error).splitlines()[0]}"


def main():
    cases = [("by hand", *case) for case in BY_HAND]
    installed = [m for m in MODULES if importlib.util.find_spec(MODULES[m])]
    for library in installed:
        pair, given = LIBRARIES[library]
        cases += [(library, name, *pair(f), arrays) for name, f, arrays in given()]
    found, right = [], {}
    for library, name, f, vjp, arrays in cases:
        said = verdict(f, vjp, arrays)
        print(library, name, said, flush=True)
        if said is None:
            right.setdefault(library, []).append(name)
        else:
            found.append(f"| {library} | {name} | {said} |".replace("\n", " "))
    versions = ", ".join(f"{m} {version(MODULES[m])}" for m in installed)
    text = [
        "# Gradients of other libraries",
        "",
        "What `pullback.testing.check_vjp` says of gradients that are not Pullback's: each library's function and its",
        "vector-Jacobian product, as a pair on NumPy arrays. At a kink it takes every gradient that is a mean of those",
        "around; nan is none. The hand-written ones have typical mistakes.",
        "",
        f"- NumPy {np.__version__}, Python {platform.python_version()}; {versions}",
        "- Command: `OMP_NUM_THREADS=1 python benchmarks/foreign.py`",
        "",
        "## Found wrong",
        "",
        "| whose | what | the checker's words |",
        "|---|---|---|",
        *found,
        "",
        "## Found right",
        "",
        *(f"- {library}: {'; '.join(names)}" for library, names in right.items()),
        "",
    ]
    REPORT.write_text("\n".join(text))


if __name__ == "__main__":
    main()
