"""Every public function under vmap, beside a loop over the examples.

NumPy's functions are called as in numpy_calls.py, and the values expected are NumPy's own; the package's other
functions, and what may be batched besides differentiable arguments (indices, masks, counts), beside calls for the
arrays of one example at a time, which are NumPy's own where it has the function. Gradients are expected from plain
backward passes, one by one. What no function is called for here is a primitive that test_every_mode.py walks, a
constant of test_batched_constants.py, or in `NO_EXAMPLES`.
"""

import inspect
import math
import pickle

import numpy as np
import pytest

import pullback as pb
from pullback import Tensor, grad, nn, vmap
from pullback.autograd.core.primitive import Primitive
from pullback.autograd.core.pytrees import flatten
from pullback.autograd.core.tensor import functions
from pullback.autograd.ops.nondifferentiable import constants
from pullback.tests.helpers import nn_samples, torch_calls
from pullback.tests.helpers.calls import qualified
from pullback.tests.helpers.numpy_calls import CALLS
from pullback.tests.parity.cases import CASES

F = nn.functional
SCALES = (1.0, 0.98, 0.99, 1.01)
N = len(SCALES)


def normal(*shape):
    return np.random.default_rng(sum(shape)).standard_normal((N, *shape))


def integers(low, high, *shape):
    return np.random.default_rng(sum(shape) + high).integers(low, high, (N, *shape))


def masks(*shape):
    return normal(*shape) > 0.2


def positive(*shape):
    return np.abs(normal(*shape)) + 0.3


def square(n):
    return normal(n, n) / 4 + 2 * np.eye(n)


def symmetric(n):
    return square(n) @ square(n).mT + np.eye(n)


def changed(change):
    """A function that gives back a copy of its first argument, after a change in place."""

    def run(x, *others):
        y = x * 1
        change(y, *others)
        return y

    return run


def assigned(index):
    return changed(lambda y, v, *parts: y.__setitem__(index(*parts), v))


def added(index):
    return changed(lambda y, v, *parts: np.add.at(y, index(*parts), v))


I, J, K = integers(-4, 4), integers(0, 4, 3), integers(0, 3, 2, 3)  # noqa: E741
X = normal(4, 4, 5, 4)
EVERY = slice(None)
INDICES = {  # what stands for an index -> that, of arrays that differ over the batch
    "[i]": (lambda i: i, I),
    "[:, i]": (lambda i: (EVERY, i), I),
    "[..., i]": (lambda i: (..., i), I),
    "[None, i]": (lambda i: (None, i), I),
    "[i, 1:3]": (lambda i: (i, slice(1, 3)), I),
    "[i, None, i]": (lambda i: (i, None, i), I),
    "[i, ..., i]": (lambda i: (i, ..., i), I),
    "[1, ..., i, None]": (lambda i: (1, ..., i, None), I),
    "[[i, 1]]": (lambda i: ([i, 1],), I),
    "[j, j, j]": (lambda j: (j, j, j), J),
    "[:, j, j]": (lambda j: (EVERY, j, j), J),
    "[j, :, j]": (lambda j: (j, EVERY, j), J),
    "[:, j, :, j]": (lambda j: (EVERY, j, EVERY, j), J),
    "[j, j, ..., j]": (lambda j: (j, j, ..., j), J),
    "[::2, i, j]": (lambda i, j: (slice(None, None, 2), i, j), I, J),
    "[:, k, [1, 2, 0]]": (lambda k: (EVERY, k, [1, 2, 0]), K),
    "[2, :, k]": (lambda k: (2, EVERY, k), K),
    "[i, constant mask]": (lambda i: (i, np.array([True, False, True, False])), I),
}
MASKS = {  # a mask that differs -> it as an index, the mask, and what may be written there
    "[m]": (lambda m: m, masks(4, 4), normal(5, 4)[:, :1]),
    "[m], of all axes": (lambda m: m, masks(4, 4, 5, 4), normal()),
    "[m], a length of one": (lambda m: m, masks(4), normal(1, 4, 5, 4)),
    "[:, m]": (lambda m: (EVERY, m), masks(4, 5), normal(4, 1, 4)),
    "[..., m, 1:3]": (lambda m: (..., m, slice(1, 3)), masks(5), normal(4, 4, 1, 2)),
    "[1:3, m, None]": (lambda m: (slice(1, 3), m, None), masks(4), normal(2, 1, 1, 5, 4)),
}
ONE_OF_FOUR = np.arange(4) == integers(0, 4, 3, 1)
AS_OFTEN = np.random.default_rng(0).permuted(np.tile(np.arange(6) < 4, (N, 1)), axis=1)  # True as often in all


def picked(index, x, *parts):
    """How a value for the entries at an index is shaped."""
    rows = [np.broadcast_to(0, x.shape[1:])[_plain(index(*(p[n] for p in parts)))] for n in range(N)]
    return normal(*rows[0].shape)


def _plain(index):
    return tuple(np.asarray(p) if isinstance(p, list) else p for p in index) if isinstance(index, tuple) else index


IMAGES, FILTERS = normal(1, 2, 6, 6), normal(2, 2, 3, 3)
LINES, VOLUMES = normal(1, 2, 7), normal(1, 1, 4, 4, 4)
VECTOR, MATRIX = normal(6), normal(3, 4)
FAR = np.where(normal(4) > 1, np.inf, np.where(normal(4) < -1, -np.inf, normal(4) / 2))


def unpooled(dims, **options):
    pool, unpool = (getattr(F, f"max_{name}pool{dims}d") for name in ("", "un"))
    return lambda x: unpool(*pool(x, 2, return_indices=True), 2)


def _own():
    """name -> samples of a function and batches of its arguments."""
    made = {
        "getitem": [
            *((lambda x, *parts, f=f: x[f(*parts)], X, *parts) for f, *parts in INDICES.values()),
            (lambda x, m: x[m], VECTOR, AS_OFTEN),
            (lambda i: pb.getitem(np.arange(12.0).reshape(3, 4), (1, i)), I),
        ],
        "setitem": [
            *((assigned(f), X, picked(f, X, *parts), *parts) for f, *parts in INDICES.values()),
            *((assigned(f), X, normal(), *parts) for f, *parts in INDICES.values()),
            *((assigned(f), X, value, m) for f, m, value in MASKS.values()),
            (assigned(lambda m: m), VECTOR, normal(4), AS_OFTEN),
            (changed(lambda y, i: y.__setitem__(i, 2 * y[i])), X, I),
            (changed(lambda y, i: y[1:].__setitem__((EVERY, i), 2.0)), X, I),
            (changed(lambda y, i: y[i].__imul__(y[1])), X, I),
            (changed(lambda y, i: y[1:, ..., None, i, :][0].__imul__(3.0)), X, I),
            (changed(lambda y, j: y[j].__imul__(3.0)), X, J),  # a copy
        ],
        "scatter": [(lambda v, i: pb.scatter(v, i, (7,)), normal(5), integers(-7, 7, 5))],
        "add.at": [
            *((added(f), X, picked(f, X, *parts), *parts) for f, *parts in INDICES.values()),
            (added(lambda m: m), X, normal(4), masks(4, 4, 5)),
        ],
        "multiply.at": [
            (changed(lambda y, v, j: np.multiply.at(y, j, v)), VECTOR, normal(8), integers(-6, 6, 8)),
            (changed(lambda y, v, m: np.multiply.at(y, m, v)), VECTOR, normal(), masks(6)),
            (changed(lambda y, v, j: np.power.at(y, j, v)), positive(6), normal(4), integers(0, 3, 4)),
        ],
        "exp.at": [(changed(lambda y, j: np.exp.at(y, (EVERY, j))), MATRIX, J)],
        "flat": [
            (lambda x, j: x.flat[j], MATRIX, J),
            (changed(lambda y, v, j: y.flat.__setitem__(j, v)), MATRIX, normal(3), J),
        ],
        "put": [
            (changed(lambda y, v, j: np.put(y, j, v)), MATRIX, normal(2), integers(-12, 12, 5)),
            *(
                (changed(lambda y, v, j, m=m: np.put(y, j, v, m)), MATRIX, normal(2), integers(-40, 40, 5))
                for m in ("wrap", "clip")
            ),
        ],
        "putmask": [(changed(lambda y, v, m: np.putmask(y, m, v)), MATRIX, normal(5), masks(3, 4))],
        "place": [(changed(lambda y, v, m: np.place(y, m, v)), MATRIX, normal(5), masks(3, 4))],
        "copyto": [(changed(lambda y, v, m: np.copyto(y, v, where=m)), MATRIX, normal(4), masks(3, 4))],
        "where": [(lambda m, x, y: pb.where(m, x, y), masks(3, 4), MATRIX, normal(4))],
        "take": [
            (lambda x, i: pb.take(x, i, 1), MATRIX, I),
            (lambda x, j: pb.take(x, j, mode="wrap"), MATRIX, integers(-40, 40, 2, 2)),
            (lambda j: pb.take(np.arange(9.0), j), J),
        ],
        "take_along_axis": [(lambda x, k: pb.take_along_axis(x, k, 1), MATRIX, integers(0, 4, 3, 2))],
        "put_along_axis": [
            (changed(lambda y, v, k: np.put_along_axis(y, k, v, 1)), MATRIX, normal(3, 2), integers(0, 4, 3, 2))
        ],
        "compress": [(lambda x, m: pb.compress(m, x), VECTOR, AS_OFTEN)],
        "extract": [(lambda x, m: pb.extract(m, x), VECTOR, AS_OFTEN)],
        "choose": [(lambda x, y, k: pb.choose(k, [x, y]), MATRIX, normal(4), integers(0, 2, 3, 4))],
        "select": [(lambda x, m: pb.select([m, ~m], [x, 2 * x]), MATRIX, masks(3, 4))],
        "piecewise": [
            (lambda x, m: np.piecewise(x, [m], [lambda v: v * v, 3.0]), MATRIX, masks(3, 4)),
            (lambda x: np.piecewise(x, [x > 0, x < -1], [np.log, 2.0, np.sin]), MATRIX),
        ],
        "bincount": [
            (lambda j: pb.bincount(j, minlength=9), integers(0, 9, 5)),
            (lambda w, j: pb.bincount(j, w, minlength=9), normal(5), integers(0, 9, 5)),
        ],
        "roll": [
            (lambda x, i: pb.roll(x, i), MATRIX, I),
            (lambda x, i: pb.roll(x, i, -1), MATRIX, I),
            (lambda x, i: pb.roll(x, (i, 1), (0, 1)), MATRIX, I),
            (lambda x, j: pb.roll(x, j, (0, 1, 0)), MATRIX, J),
        ],
        "pad": [
            (lambda x, c: pb.pad(x, 1, constant_values=c), MATRIX, normal()),
            (lambda x, c: pb.pad(x, ((1, 2), (0, 1)), constant_values=c), MATRIX, normal(2, 2)),
            (lambda c: pb.pad(np.arange(3.0), 1, constant_values=c), normal()),
            (lambda k: pb.pad(k, 1, "edge"), K),
        ],
        "delete": [(lambda x, i: pb.delete(x, i, 1), MATRIX, I)],
        "insert": [(lambda x, v, i: pb.insert(x, i, v, 1), MATRIX, normal(3), I)],
        "repeat": [(lambda x, r: pb.repeat(x, r), VECTOR, np.tile([2, 0, 1, 1, 0, 3], (N, 1)))],
        "interp": [
            (lambda x, a, y: pb.interp(x, a, y), normal(5), np.sort(normal(4)), normal(4)),
            (lambda x, y: pb.interp(x, [-np.inf, 0.0, 1.0, np.inf], y), normal(5), FAR),
        ],
        "quantile": [
            (lambda x, q: pb.quantile(x, q, 0), FAR, np.abs(np.sin(normal(2)))),
            (lambda k, q: pb.quantile(k, q), integers(0, 9, 5), np.abs(np.sin(normal(2)))),
            (lambda k, q: pb.quantile(k, q, method="nearest"), integers(0, 9, 5), np.abs(np.sin(normal(2)))),
            (lambda x, q: pb.quantile(x, q, 1), MATRIX, np.abs(np.sin(normal(2)))),
            (lambda x, w: pb.quantile(x, 0.4, 1, method="inverted_cdf", weights=w), MATRIX, positive(3, 4)),
            (lambda x, m: np.nanquantile(np.where(m, np.nan, x), [0.3, 1.0], 1), MATRIX, ONE_OF_FOUR),
        ],
        "where=": [
            *(
                (lambda x, m, f=f: f(x, axis=0, where=m), MATRIX, np.arange(3)[:, None] != integers(0, 3, 1, 4))
                for f in (pb.sum, pb.prod, pb.mean, pb.var, pb.std, np.nanmean, np.nanvar)
            ),
            (lambda x, m: pb.max(x, where=m, initial=-9.0), MATRIX, masks(3, 4)),
            (lambda x, m: np.sqrt(x, where=m, out=x * 1), positive(3, 4), masks(3, 4)),
        ],
        "initial=": [(lambda s: pb.sum(Tensor(np.ones(3)), initial=s), normal())],
        "emath": [
            (lambda x, f=f: f(x), 1.5 * VECTOR)
            for f in (np.emath.sqrt, np.emath.log, np.emath.arcsin, np.emath.arccos, np.emath.arctanh)
        ],
        "polymul": [(lambda a, b: pb.polymul(a, b), normal(3), normal(4))],
        "polyint": [(lambda p, k: pb.polyint(p, 2, k), normal(3), normal(2))],
        "roots": [
            (lambda p: np.roots(p), normal(5) * [0, 1, 1, 1, 0]),
           (lambda p: pb.roots(p), np.stack([np.poly(r) for r in np.sort(normal(3))]))],
        "trim_zeros": [(lambda p: pb.trim_zeros(p), normal(5) * [0, 1, 1, 1, 0])],
        "lstsq": [(lambda a, b: pb.linalg.lstsq(a, b)[:2], normal(4, 2), normal(4))],
        "max_pool": [
            (lambda x: pb.max_pool(x, 2, padding=1), IMAGES),
            (lambda x: pb.max_pool(x, 2, return_indices=True), IMAGES),
        ],
        "adaptive_max_pool": [(lambda x: pb.adaptive_max_pool(x, (2, 4), return_indices=True), IMAGES)],
        "max_unpool": [(lambda y, k: pb.max_unpool(y, k, (4, 4)), normal(1, 2, 2, 2), integers(0, 16, 1, 2, 2, 2))],
        "avg_pool": [(lambda x: pb.avg_pool(x, 2, padding=1), IMAGES)],
        "adaptive_avg_pool": [(lambda x: pb.adaptive_avg_pool(x, (2, 4)), IMAGES)],
        "im2col": [(lambda x: pb.im2col(x, 3, padding=1), IMAGES)],
        "col2im": [(lambda x: pb.col2im(x, (4, 4), 3), normal(1, 18, 4))],
        "conv": [(lambda x, w, b: pb.conv(x, w, 2, 1, bias=b), IMAGES, FILTERS, normal(2))],
        "conv_transpose": [(lambda x, w: pb.conv_transpose(x, w, 2, 1), IMAGES, FILTERS)],
        "conv_matrix": [(lambda w: pb.conv_matrix(w, (4, 4)), FILTERS)],
        "affine": [(lambda x, w, b: pb.affine(x, w, b), MATRIX, normal(2, 4), normal(2))],
        "softmax": [(lambda x: pb.softmax(x, axis=0), MATRIX)],
        "log_softmax": [(lambda x: pb.log_softmax(x, axis=0), MATRIX)],
        "logsumexp": [(lambda x: pb.logsumexp(x, axis=0), MATRIX), (lambda x: pb.logsumexp(x), MATRIX)],
        "cumulative_trapezoid": [(lambda y, x: pb.cumulative_trapezoid(y, x), normal(4), np.sort(normal(4)))],
        "argsort": [(lambda x: pb.argsort(x, axis=0), MATRIX)],
        "unique_values": [(lambda k: pb.unique_values(k), integers(0, 4, 1))],
        "array": [(lambda a, b: pb.array([[a, 1.0], [2.0, b]]), normal(), normal())],
        "full": [(lambda a: pb.full((2, 3), a), normal())],
        "asarray": [(lambda a: pb.asarray([a, a]), normal())],
        "zeros_like": [(lambda x: pb.zeros_like(x) + pb.ones_like(x), MATRIX)],
        "stop_gradient": [(lambda x: x * pb.stop_gradient(x), MATRIX)],
        "checkpoint": [(pb.checkpoint(lambda x: pb.sin(x) * x), MATRIX)],
        "dropout": nn_samples.dropouts(normal(2, 3, 4)),
        "block_diag": [(lambda a, b: pb.linalg.block_diag(a, b), MATRIX, normal(2, 2))],
        "cho_solve": [(lambda a, b: pb.linalg.cho_solve(pb.linalg.cho_factor(a), b), symmetric(3), normal(3))],
        "lu_solve": [(lambda a, b: pb.linalg.lu_solve(pb.linalg.lu_factor(a), b), square(3), normal(3))],
        "lu": [(lambda a: pb.linalg.lu(a), square(3))],
        "solve_triangular": [(lambda a, b: pb.linalg.solve_triangular(a, b, lower=True), square(3), normal(3))],
        "expm": [(lambda a, f=f: f(a), symmetric(3)) for f in (pb.linalg.expm, pb.linalg.logm, pb.linalg.sqrtm)],
        "matrix_function": [(lambda a: pb.linalg.matrix_function(a, pb.exp), symmetric(3))],
        "solve_sylvester": [
            (lambda a, b, q: pb.linalg.solve_sylvester(a, b, q), symmetric(3), symmetric(2), normal(3, 2))
        ],
        "hfft2": [(lambda x, f=f: f(x), MATRIX) for f in (pb.fft.hfft2, pb.fft.hfftn, pb.fft.ihfft2, pb.fft.ihfftn)],
        "special": [
            *((lambda x, f=f: f(x), positive(4)) for f in (pb.special.softmax, pb.special.log_softmax)),
            (lambda x: pb.special.logsumexp(x, axis=0), MATRIX),
            (lambda x: pb.special.multigammaln(x + 3, 2), positive(4)),
            (lambda x: pb.special.polygamma(1, x), positive(4)),
            (lambda x: pb.special.expn(2, x), positive(4)),
            (lambda x: pb.special.zeta(2.5, x), positive(4)),
            *((lambda x, f=f: f(0.5, x), positive(4)) for f in (pb.special.ive, pb.special.kve)),
        ],
        "cross_entropy": [(lambda x, k: F.cross_entropy(x, k), MATRIX, integers(0, 4, 3))],
        "nll_loss": [(lambda x, k: F.nll_loss(x, k), MATRIX, integers(0, 4, 3))],
        "losses": nn_samples.losses(MATRIX, normal(3, 4) / 3),
        "linear": [(lambda x, w, b: F.linear(x, w, b), MATRIX, normal(2, 4), normal(2))],
        "flatten": [(lambda x: F.flatten(x), IMAGES), (lambda x: F.unflatten(x, 1, (2, 2)), MATRIX)],
        "activations": nn_samples.activations(MATRIX),
        "F.pad": [
            (lambda x: F.pad(x, (1, 2), mode="replicate"), LINES),
            (lambda x, c: F.pad(x, (1, 2), value=c), LINES, normal()),
        ],
    }  # fmt: skip
    for dims, x in enumerate((LINES, IMAGES, VOLUMES), 1):
        w = normal(2, x.shape[2], *(2,) * dims)
        t = normal(x.shape[2], 2, *(2,) * dims)
        for name in ("conv", "conv_transpose"):
            f = getattr(F, f"{name}{dims}d")
            made[f"{name}{dims}d"] = [(lambda x, w, f=f: f(x, w), x, w if name == "conv" else t)]
        for name in ("max_pool", "avg_pool", "adaptive_max_pool", "adaptive_avg_pool"):
            f = getattr(F, f"{name}{dims}d")
            made[f"{name}{dims}d"] = [(lambda x, f=f: f(x, 2), x)]
        made[f"max_unpool{dims}d"] = [(unpooled(dims), x)]
    return made


def _on_tensors(call):
    return lambda *arrays: call(pb, *map(pb.asarray, arrays))


def _scaled(x):
    """A batch of what a call is given: of the same indices and masks, of other numbers."""
    return np.stack([x * scale if x.dtype.kind == "f" else x for scale in SCALES])


OWN = _own()
SAMPLES = {f"{name} {i}": sample for name, samples in OWN.items() for i, sample in enumerate(samples)}
SAMPLES |= {
    f"as in PyTorch: {name} {i}": (_on_tensors(call), *(_scaled(x) for x in arrays))
    for name, calls in torch_calls.CASES.items()
    for i, (call, *arrays) in enumerate(calls)
}


def of_call(name, i, keys):
    """A call of NumPy's function, and batches of those of its arguments."""
    function, call = qualified(name), CALLS[name][i]
    run = lambda *arrays: call(function, **dict(zip(keys, arrays, strict=True)))  # noqa: E731
    return (run, *(np.stack([call.arrays[key] * scale for scale in SCALES]) for key in keys))


CALLED = {
    f"{name} {i} {' '.join(keys)}": (name, i, keys)
    for name, calls in CALLS.items()
    if qualified(name)
    for i, call in enumerate(calls)
    for keys in dict.fromkeys([tuple(call.arrays), *((key,) for key in call.arrays)])
}
NEVER_ASKED = {  # of arrays and these NumPy makes numbers of these before it would ask
    key: CALLED.pop(key)
    for key, (name, _, keys) in list(CALLED.items())
    if keys == ("initial",) or (name, keys) == ("numpy.polyint", ("k",))
}
ALWAYS_COMPLEX = ("numpy.linalg.eig", "numpy.linalg.eigvals")


def arrays_of(out):
    """The arrays and numbers in a result."""
    parts = flatten(tuple(out) if isinstance(out, (tuple, list)) else out)[0]
    return tuple(x for x in parts if isinstance(x, (Tensor, np.ndarray, np.generic)))


def loss(f):
    """A number, in which all entries of all results count for something else."""

    def weighted(*arrays):
        terms = [0.0]
        for out in arrays_of(f(*arrays)):
            if out.dtype.kind in "fc":
                weights = np.cos(np.arange(out.size) + 1.0).reshape(out.shape)
                terms.append(pb.sum(pb.real(pb.where(pb.isfinite(out), out, 0) * weights)))
        return sum(terms)

    return weighted


def loop(f, rows):
    """The results for one example after another, and the gradients of `loss` by backward passes."""
    results, gradients = [], []
    for row in rows:
        leaves = [Tensor(x, requires_grad=x.dtype.kind in "fc") for x in row]
        results.append(arrays_of(f(*row)))
        value = loss(f)(*leaves)
        if isinstance(value, Tensor) and value.requires_grad:
            value.backward()
        gradients.append(
            [np.zeros_like(x) if t.grad is None else t.grad.numpy() for x, t in zip(row, leaves, strict=True)]
        )
    return [
        [np.stack([np.asarray(x) for x in column]) for column in zip(*found, strict=True)]
        for found in (results, gradients)
    ]


def same(actual, expected, what):
    assert len(actual) == len(expected), what
    for a, e in zip(actual, expected, strict=True):
        a = a.numpy() if isinstance(a, Tensor) else np.broadcast_to(a, e.shape)
        assert a.shape == e.shape and a.dtype == e.dtype, (what, a.shape, e.shape, a.dtype, e.dtype)
        size = max(1.0, np.max(np.abs(e[np.isfinite(e)]), initial=0))
        np.testing.assert_allclose(a, e, rtol=0, atol=1e-9 * size, err_msg=what)


def check(f, batches, thorough, as_complex=False):
    """vmap of a function and of its gradient, and (if `thorough`) of vmaps of these, beside a loop over arrays."""
    if as_complex:
        g, f = f, lambda *row: [x * (1 + 0j) for x in arrays_of(g(*row))]
    rows = list(zip(*batches, strict=True))
    values, gradients = loop(f, rows)
    asked = tuple(i for i, x in enumerate(batches) if x.dtype.kind in "fc")
    examples = lambda *row: arrays_of(f(*row))  # noqa: E731
    modes = {"vmap": vmap(examples)}
    expected = {"vmap": values}
    if any(x.dtype.kind in "fc" for x in values) and asked:
        modes["vmap of grad"] = vmap(grad(loss(f), asked))
        expected["vmap of grad"] = [gradients[i] for i in asked]
    for what, mode in modes.items():
        same(mode(*batches), expected[what], what)
        if thorough:
            squares = [x.reshape(2, 2, *x.shape[1:]) for x in batches]
            twice = vmap(mode)(*squares)
            same([x.reshape(N, *x.shape[2:]) for x in twice], expected[what], f"vmap of {what}")


def called(key, thorough):
    f, *batches = of_call(*CALLED[key])
    check(f, batches, thorough, as_complex=CALLED[key][0] in ALWAYS_COMPLEX)


ALL_BATCHED = [key for key, (name, i, keys) in CALLED.items() if keys == tuple(CALLS[name][i].arrays)]


@pytest.mark.parametrize("key", ALL_BATCHED)
@pytest.mark.filterwarnings("ignore")
def test_numpys_functions(key):
    called(key, thorough=False)


@pytest.mark.parametrize("key", NEVER_ASKED)
def test_what_numpy_makes_numbers_of(key):
    f, batch = of_call(*NEVER_ASKED[key])
    with pytest.raises((TypeError, ValueError)) as caught:
        vmap(f)(batch)
    assert "vmap: no number" in f"{caught.value} {caught.value.__cause__}"


@pytest.mark.parametrize("key", SAMPLES)
@pytest.mark.filterwarnings("ignore")
def test_functions(key):
    f, *batches = SAMPLES[key]
    check(f, batches, thorough=False)


@pytest.mark.thorough
@pytest.mark.parametrize("key", CALLED)
@pytest.mark.filterwarnings("ignore")
def test_numpys_functions_thoroughly(key):
    called(key, thorough=True)


@pytest.mark.thorough
@pytest.mark.parametrize("key", SAMPLES)
@pytest.mark.filterwarnings("ignore")
def test_functions_thoroughly(key):
    f, *batches = SAMPLES[key]
    check(f, batches, thorough=True)
    for k, batch in enumerate(batches) if len(batches) > 1 else ():

        def alone(x, k=k):
            row = [Tensor(y[0]) if isinstance(x, Tensor) else y[0] for y in batches]
            return f(*row[:k], x, *row[k + 1 :])

        check(alone, [batch], thorough=True)


CANNOT = {  # what has a shape that the values decide, or is no Tensor -> its error and what that says
    "a mask that is read": (lambda x: x[x > 0], TypeError, r"vmap: a mask picks .* use where\(mask, x, 0\)"),
    "many values at a mask": (changed(lambda y: y.__setitem__(y > 0, y)), TypeError, "vmap: a mask picks .*use where"),
    "many values, at": (changed(lambda y: np.add.at(y, y > 0, y)), TypeError, "vmap: a mask .* one value; use where"),
    "nonzero": (lambda x: pb.nonzero(x > 0)[0], ValueError, r"vmap: nonzero gives .*use where\(\).*no batch"),
    "flatnonzero": (lambda x: pb.flatnonzero(x > 0), ValueError, "vmap: flatnonzero gives .*use where"),
    "argwhere": (lambda x: pb.argwhere(x > 0), ValueError, "vmap: argwhere gives .*use where"),
    "unique": (lambda x: pb.unique(pb.where(x > 0, 1, x)), ValueError, "vmap: unique gives .*no batch"),
    "compress": (lambda x: pb.compress(x > 0, x), ValueError, "vmap: flatnonzero gives .*use where"),
    "extract": (lambda x: pb.extract(x > 0, x), ValueError, "vmap: flatnonzero gives .*use where"),
    "bincount": (lambda x: pb.bincount(pb.cumsum(x > 0)), ValueError, "vmap: bincount gives .*minlength="),
    "trim_zeros": (lambda x: pb.trim_zeros(pb.where(x > 0, x, 0)), TypeError, "vmap: trim_zeros: where the zeros end"),
    "roots": (lambda x: pb.roots(pb.where(x > 0, x, 0)), TypeError, "vmap: roots: where the zeros end"),
    "polymul": (lambda x: pb.polymul(pb.where(x > 0, x, 0), x), TypeError, "vmap: trim_zeros: where the zeros end"),
    "repeat": (lambda x: pb.repeat(x, (x > 0).astype(int)), TypeError, "vmap: repeat: repeats must be the same"),
    "reduceat": (lambda x: np.add.reduceat(x, (x > 0).astype(int)), TypeError, "vmap: numpy.add.reduceat: ind"),
    "lstsq": (lambda x: pb.linalg.lstsq(pb.diag(pb.where(x > 0, x, 0)), x), TypeError, "vmap: lstsq: the rank must be"),
    "a slice": (lambda x: x[(x[0] > 0).astype(int) :], TypeError, r"vmap: .*arange\(n\)\] in place of x\[i : i"),
    "arange": (lambda x: pb.arange(3 * (x[0] > 0)), ValueError, "vmap: arange by .* gives .*no batch"),
    "a shape": (lambda x: x.reshape(3 * (x[0] > 0) + 1, -1), ValueError, "vmap: reshape by shape gives .*no batch"),
    "if": (lambda x: x if x[0] > 0 else -x, TypeError, r"vmap: .*use where\(\) in place of if"),
    "range": (lambda x: range((x[0] > 0).astype(int)), TypeError, "vmap: no number"),
    "an array's index": (lambda x: np.ones(4)[(x[0] > 0).astype(int)], TypeError, "vmap: no number"),
    "an array's mask": (lambda x: np.ones(4)[x > 0], TypeError, "vmap: no number"),
    "a write into an array": (lambda x: np.copyto(np.ones(4), x), TypeError, "vmap: copyto: src must be the same"),
    **{
        name: (f, TypeError, "vmap: no number, array, condition or slice")
        for name, f in {
            "asarray": np.asarray, "array": lambda x: np.array([x[0], 1.0]), "numpy.full": lambda x: np.full(2, x[0]),
            "float": lambda x: float(x[0]), "int": lambda x: int(x[0]), "complex": lambda x: complex(x[0]),
            "sin": lambda x: math.sin(x[0]), "item": lambda x: x.item(0), "tolist": lambda x: x.tolist(),
            "numpy": lambda x: x.numpy(), "data": lambda x: x.data, "Tensor": Tensor, "in": lambda x: 1.0 in x,
            "format": lambda x: f"{x[0]:.2f}", "dlpack": lambda x: x.__dlpack__(), "pickle": pickle.dumps,
        }.items()
    },
}  # fmt: skip


@pytest.mark.parametrize("key", CANNOT)
@pytest.mark.parametrize("depth", [1, 2])
@pytest.mark.parametrize("recording", [True, False])
def test_what_cannot_be(key, depth, recording):
    """No such message speaks of a gradient, which nobody has asked for."""
    f, error, says = CANNOT[key]
    nested, x = (vmap(f), normal(4)) if depth == 1 else (vmap(vmap(f)), normal(4).reshape(2, 2, 4))
    with pb.enable_grad() if recording else pb.no_grad(), pytest.raises(error, match=says) as caught:
        nested(x)
    assert "gradient" not in str(caught.value)


NO_EXAMPLES = {
    "of no values": "arange bartlett blackman broadcast_shapes empty empty_like eye fftfreq finfo from_dlpack "
    "fromfunction hamming hanning identity iinfo indices isdtype kaiser ones promote_types rfftfreq tri zeros",
    "scopes, settings": "default_dtype detect_anomaly enable_grad get_default_dtype get_num_threads linear manual_seed "
    "no_grad override primitive profile set_default_dtype set_num_threads",
    "programs": "compile cond load_program program save_program scan while_loop",
    "transforms": "elementwise_grad fixed_point grad grad_and_aux grad_named grads hessian hessian_vector_product hvp "
    "implicit jacfwd jacobian jacrev jvp linear_solve make_hvp make_jvp make_vjp odeint on_arrays value_and_grad "
    "vector_jacobian_product vjp vmap",
    "random": "gumbel_softmax",
    "nests": "ravel_pytree tree_leaves tree_map",
    "the same for all examples": "ones_like is_complex is_floating_point is_tensor numel",
    "copies, and at random": "as_tensor bernoulli from_numpy multinomial normal rand rand_like randint randint_like "
    "randn randn_like randperm tensor",
}
TOGETHER = {  # names here -> the functions that are called under it
    "special": "expn ive kve multigammaln polygamma zeta",
    "activations": nn_samples.ACTIVATIONS,
    "dropout": nn_samples.DROPOUTS,
    "losses": nn_samples.LOSSES,
    "hfft2": "hfftn ihfft2 ihfftn",
    "cho_solve": "cho_factor",
    "lu_solve": "lu_factor",
    "expm": "logm sqrtm",
    "flatten": "unflatten",
}


def test_all_are_here():
    known = {name for key in (*OWN, *NO_EXAMPLES.values(), *TOGETHER.values()) for name in key.split()}
    known |= torch_calls.names()
    known |= {name for name in ("matvec", "vecmat") if not hasattr(np, name)}  # of NumPy 2.2
    known |= {case.name.removeprefix("functional.") for cases in CASES.values() for case in cases}
    handlers = {functions.get(qualified(name)) for name in CALLS}
    handlers |= {handler.form for handler in handlers if isinstance(handler, Primitive)}
    missing = []
    for space in (pb.autograd, pb.linalg, pb.fft, pb.special, F):
        listed = getattr(space, "__all__", None) or [name for name in vars(space) if name[0] != "_"]
        for name in listed:
            f = getattr(space, name)
            if inspect.isfunction(f) and f not in constants and f not in handlers:
                f = getattr(f, "__wrapped__", f)  # without `by_example`
            if not callable(f) or inspect.isclass(f) or f in constants or f in handlers:
                continue
            if isinstance(f, Primitive) and (f.form == f.apply or f.form in handlers):
                continue
            if not hasattr(space, "__all__") and f.__module__ != space.__name__:
                continue
            missing.append(name)
    assert set(missing) <= known, set(missing) - known
