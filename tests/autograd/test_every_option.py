"""Every option of every public function with a value for each example of a batch, beside a loop over the values.

The calls of NumPy's functions are those of numpy_calls.py, and what is expected is NumPy's own; the package's other
functions are called as in `OWN`, with one value after another. Where the results of the loop fit in a batch, vmap gives
them; where they do not, its error names "vmap", the function and the option.
"""

import inspect
import io
import re

import numpy as np
import pytest

import pullback as pb
from pullback import Tensor, grad, jvp, nn, vmap
from pullback.autograd.core.registry import _primitives as primitives
from pullback.tests.helpers import nn_samples
from pullback.tests.helpers.calls import flattened, qualified
from pullback.tests.helpers.numpy_calls import CALLS

F, L = nn.functional, pb.linalg
X = np.random.default_rng(0).standard_normal((3, 4))
SQUARE = X[:, :3] / 4 + 2 * np.eye(3)
IMAGE = np.random.default_rng(1).standard_normal((1, 2, 6, 6))
FILTERS = np.random.default_rng(2).standard_normal((2, 2, 3, 3))

OWN = [  # functions, their arguments, the options that are tried: all that are numbers, and those given
    (F.softmax, (X, 0), {}),
    (F.log_softmax, (X, 0), {}),
    (F.leaky_relu, (X,), {}),
    (F.elu, (X,), {}),
    (F.softplus, (X,), {}),
    (F.dropout, (X,), {"training": False}),
    (F.flatten, (IMAGE,), {}),
    (F.unflatten, (X, 1, (2, 2)), {}),
    (F.pad, (X, (1, 1)), {}),
    (F.max_pool2d, (IMAGE, 2), {}),
    (F.avg_pool2d, (IMAGE, 2), {}),
    (F.adaptive_avg_pool2d, (IMAGE, 2), {}),
    (F.adaptive_max_pool2d, (IMAGE, 2), {}),
    (F.conv2d, (IMAGE, FILTERS), {}),
    (F.conv_transpose2d, (IMAGE, FILTERS), {}),
    (F.cross_entropy, (X, np.array([0, 1, 2])), {}),
    (F.nll_loss, (X, np.array([0, 1, 2])), {}),
    (pb.conv, (IMAGE, FILTERS), {}),
    (pb.conv_transpose, (IMAGE, FILTERS), {}),
    (pb.conv_matrix, (FILTERS, (4, 4)), {}),
    (pb.im2col, (IMAGE, 3), {}),
    (pb.col2im, (np.ones((1, 18, 16)), (6, 6), 3), {}),
    (pb.max_pool, (IMAGE, 2), {}),
    (pb.avg_pool, (IMAGE, 2), {}),
    (pb.adaptive_avg_pool, (IMAGE, (2, 2)), {}),
    (pb.adaptive_max_pool, (IMAGE, (2, 2)), {}),
    (pb.softmax, (X,), {}),
    (pb.log_softmax, (X,), {}),
    (pb.logsumexp, (X,), {}),
    (pb.cumulative_trapezoid, (X,), {"initial": 0.0}),
    (L.cho_factor, (SQUARE @ SQUARE.T,), {}),
    (L.solve_triangular, (SQUARE, X), {}),
    (L.lu, (SQUARE,), {}),
    (L.matrix_rank, (SQUARE,), {"rtol": 0.8}),
    (L.matrix_rank, (SQUARE,), {"tol": 2.1}),
    (pb.special.logsumexp, (X,), {}),
    (pb.special.softmax, (X,), {}),
    (pb.special.multigammaln, (np.abs(X) + 3, 2), {}),
    (pb.special.polygamma, (1, np.abs(X) + 1), {}),
    (pb.zeros, (3,), {}), (pb.ones, ((2, 3),), {}), (pb.full, (3, 2.0), {}), (pb.eye, (3,), {}),
    (pb.tri, (3,), {}), (pb.identity, (3,), {}), (pb.arange, (3,), {"step": 0.5}), (pb.empty, (3,), {}),
    (pb.linspace, (0.0, 1.0, 4), {}), (pb.logspace, (0.0, 1.0, 4), {}), (pb.geomspace, (1.0, 2.0, 4), {}),
    (pb.kaiser, (4, 2.0), {}), (pb.hanning, (4,), {}), (pb.bartlett, (4,), {}), (pb.blackman, (4,), {}),
    (pb.hamming, (4,), {}), (pb.indices, ((2, 3),), {}), (pb.fft.fftfreq, (4,), {}), (pb.fft.rfftfreq, (4,), {}),
    (pb.round, (X,), {}), (pb.var, (X,), {}), (pb.std, (X,), {}), (pb.expand_dims, (X, 1), {}),
    (L.norm, (X,), {"ord": 1.0}), (L.vector_norm, (X,), {}), (L.matrix_norm, (X,), {"ord": 1}), 
    (L.cond, (SQUARE, 1), {}),
    (L.matrix_power, (SQUARE, -1), {}), (L.pinv, (X,), {"rtol": 0.5}), (L.pinv, (X,), {"rcond": 0.5}),
    (L.lstsq, (X.T, X[0]), {"rcond": 0.5}),
    (pb.unwrap, (9 * X,), {"discont": 4.0}), (pb.interp, (X, [0.0, 1.0, 2.0], [1.0, 2.0, 4.0]), {"period": 2.5}),
    (pb.pad, (X, 1, "linear_ramp"), {"end_values": 2.0}), (pb.pad, (X, 1, "mean"), {"stat_length": 1}),
    (pb.pad, (X, 1), {"constant_values": 2.0}), (pb.trace, (SQUARE,), {}), (pb.diagonal, (SQUARE,), {}),
    (pb.diag, (SQUARE,), {}), (pb.tril, (SQUARE,), {}), (pb.nan_to_num, (np.where(X > 1, np.nan, X),), {}),
    (Tensor.round, (Tensor(X),), {}), (Tensor.var, (Tensor(X),), {}), (Tensor.std, (Tensor(X),), {}),
    (Tensor.sum, (Tensor(X),), {}), (Tensor.trace, (Tensor(X),), {}), (Tensor.diagonal, (Tensor(X),), {}),
    (Tensor.reshape, (Tensor(X), (2, 6)), {}), (Tensor.squeeze, (Tensor(X[:, None]),), {"axis": 1}),
    (Tensor.swapaxes, (Tensor(SQUARE), 0, 1), {}), (Tensor.repeat, (Tensor(X), 2), {}),
    (Tensor.argsort, (Tensor(X),), {}),
    (Tensor.take, (Tensor(X), [0, 1]), {"axis": 1}), (Tensor.transpose, (Tensor(X), (1, 0)), {}),
    *nn_samples.option_calls(X),
]  # fmt: skip
TRIED = {  # options that are None by default -> values
    "axis": 0, "dim": 0, "ord": 1, "rtol": 0.1, "rcond": 0.1, "tol": 0.1, "correction": 0.5, "n": 2, "minlength": 4,
    "initial": 2.0, "discont": 4.0, "period": 3.0, "left": 1.0, "right": 2.0, "nan": 1.0, "posinf": 2.0, "neginf": 3.0,
    "deg": 1, "ddof": 1, "k": 1, "offset": 1, "append": 1.0, "prepend": 1.0, "to_end": 1.0, "to_begin": 1.0,
}  # fmt: skip


NAMES = {"amax": "max", "amin": "min"}
AS_THEY_ARE = {  # options that refuse values that differ, by name, whatever the results
    "copyto", "put", "fill_diagonal", "repeat", "compress", "sliding_window_view",
}  # fmt: skip


def signature(function):
    try:
        return inspect.signature(function)
    except ValueError:  # some of NumPy's have none
        return None


def other(value):
    """Another value that an option can have, or None."""
    if isinstance(value, (bool, np.bool)):
        return not value
    if isinstance(value, (int, np.integer)):
        return value + 1
    if isinstance(value, float):
        return 1.25 * value + 0.1
    if isinstance(value, (list, tuple)) and value and all(isinstance(v, int) for v in value):
        return value[::-1] if value[::-1] != value else type(value)(v + 1 for v in value)
    return None


def variations(function, args, kwargs):
    """option -> two values of it, and the call with a value in its place."""
    form = signature(function)
    if form is None:
        return
    given = form.bind(*args, **kwargs).arguments
    for name, p in form.parameters.items():
        value = given.get(name, p.default)
        value = TRIED.get(name) if value is None else value
        if p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD) or name in ("out", "copy", "subok", "overwrite_input"):
            continue
        if other(value) is not None:
            yield name, np.array([value, other(value)]) if isinstance(value, (list, tuple)) else (value, other(value))
    for name, value in given.get("kwargs", given.get("options", {})).items():
        if other(value) is not None:
            yield name, (value, other(value))


def called(function, args, kwargs, name, value):
    given = signature(function).bind(*args, **kwargs)
    rest = given.signature.parameters
    if name in rest:
        given.arguments[name] = value
        return function(*given.args, **given.kwargs)
    return function(*args, **{**kwargs, name: value})


def _samples():
    for name, calls in CALLS.items():
        function = qualified(name)
        if (
            function is None
            or function.__name__ in AS_THEY_ARE
            or isinstance(function, np.ufunc)
            or not callable(function)
            or "ufunc" in repr(function)
        ):
            continue
        for i, call in enumerate(calls):
            args, kwargs = call.given()
            kwargs = {k: v for k, v in kwargs.items() if k != "out"}
            for option, values in variations(function, args, kwargs):
                yield f"{name} {i} {option}", (function, args, kwargs, option, values)
    for i, (function, args, kwargs) in enumerate(OWN):
        for option, values in variations(function, args, kwargs):
            yield f"{i} {function.__name__} {option}", (function, args, kwargs, option, values)


LEFT_OUT = {"numpy.linalg.pinv 1 rcond": "rtol is given", "5 dropout training": "random"}
LEFT_OUT |= {f"numpy.{name} 5 q": "written into an array from outside" for name in
             ("quantile", "percentile", "nanquantile", "nanpercentile")}  # fmt: skip
if np.lib.NumpyVersion(np.__version__) < "2.4.0":
    LEFT_OUT |= {f"numpy.trim_zeros {i} axis": "takes any axis of a row; ours is an AxisError, as from 2.4 on"
                 for i, call in enumerate(CALLS["numpy.trim_zeros"]) if np.ndim(call.given()[0][0]) == 1}  # fmt: skip
SAMPLES = {key: sample for key, sample in _samples() if key not in LEFT_OUT}


def tensors(x):
    """The arrays of a call as Tensors, by which NumPy finds what runs it."""
    if isinstance(x, (list, tuple)):
        return type(x)(map(tensors, x))
    return Tensor(x) if isinstance(x, np.ndarray) and x.dtype.kind in "fc" else x


def results(out):
    return [x for x in flattened(out) if isinstance(x, (Tensor, np.ndarray, np.generic, int, float))]


def loop(function, args, kwargs, option, values):
    try:
        values = [tuple(v) if np.ndim(v) else v for v in values]
        rows = [results(called(function, args, kwargs, option, v)) for v in values]
    except Exception:
        return None
    return [[np.asarray(x) for x in row] for row in rows]


def check(f, key, function, option, rows, values, batches=()):
    """vmap of a function of an option's value (and of `batches`), beside what it gives for one value after another."""
    if rows is None or [x.shape for x in rows[0]] != [x.shape for x in rows[1]]:
        with pytest.raises(
            (TypeError, ValueError, IndexError, np.exceptions.AxisError, pb.linalg.LinAlgError)
        ) as caught:
            vmap(f)(np.array(values), *batches)
        if rows is not None:
            name = NAMES.get(function.__name__, function.__name__)
            assert re.search(rf"^vmap: {name}.*\b{option}\b", str(caught.value)) and "gradient" not in str(caught.value)
        return
    out = vmap(f)(np.array(values), *batches)
    assert len(out) == len(rows[0])
    for o, column in zip(out, zip(*rows, strict=True), strict=True):
        np.testing.assert_allclose(o.numpy(), np.stack(column), rtol=1e-9, atol=1e-12)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("key", SAMPLES)
def test_beside_a_loop(key):
    function, args, kwargs, option, values = SAMPLES[key]
    rows = loop(function, args, kwargs, option, values)
    args, kwargs = tensors(args), {k: tensors(v) for k, v in kwargs.items()}
    check(
        lambda v: tuple(map(pb.asarray, results(called(function, args, kwargs, option, v)))),
        key,
        function,
        option,
        rows,
        values,
    )


def with_arrays(x, arrays):
    """Nested arguments with others in the place of the float arrays, and these."""
    if isinstance(x, (list, tuple)):
        return type(x)(with_arrays(part, arrays) for part in x)
    return next(arrays) if isinstance(x, Tensor) or isinstance(x, np.ndarray) and x.dtype.kind in "fc" else x


def arrays_in(x):
    return [y for y in flattened(x) if isinstance(y, Tensor) or isinstance(y, np.ndarray) and y.dtype.kind in "fc"]


@pytest.mark.thorough
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("depth", [1, 2])
@pytest.mark.parametrize("key", SAMPLES)
def test_with_batched_arrays(key, depth):
    """The arrays, too, have the batch axis; at depth 2 they have one of their own, and the option the other."""
    function, args, kwargs, option, values = SAMPLES[key]
    rows = loop(function, args, kwargs, option, values)
    names = list(kwargs)
    given = (*args, *kwargs.values())

    def run(v, *arrays):
        filled = with_arrays(given, iter(arrays))
        options = dict(zip(names, filled[len(args) :], strict=True))
        return tuple(map(pb.asarray, results(called(function, filled[: len(args)], options, option, v))))

    stacks = [np.stack([np.asarray(x)] * 2) for x in arrays_in(given)]
    if depth == 1:
        check(run, key, function, option, rows, values, stacks)
    elif rows is not None and stacks:
        mapped = lambda v: tuple(x[0] for x in vmap(lambda *arrays: run(v, *arrays))(*stacks))  # noqa: E731
        check(mapped, key, function, option, rows, values)


CONTINUOUS = {  # a function of x and of an option's value -> batches of values; each has a value for every example
    "norm": (lambda x, o: L.norm(x, o, axis=0), [1.0, 2.0, 3.5]),
    "norm of numpy": (lambda x, o: np.linalg.norm(x, o, axis=1), [1.0, 2.0, np.inf]),
    "vector_norm": (lambda x, o: L.vector_norm(x, ord=o), [1, 2, 3]),
    "matrix_norm": (lambda x, o: L.matrix_norm(x, ord=o), [1, 2, -2]),
    "cond": (lambda x, p: L.cond(x, p), [1, 2, -2]),
    "pinv": (lambda x, t: L.pinv(x, rtol=t), [1e-9, 0.5, 0.9]),
    "lstsq": (lambda x, t: L.lstsq(x, x[:, 0], rcond=t)[0], [1e-9, 0.5, 0.9]),
    "matrix_power": (lambda x, n: L.matrix_power(x, n), [2, -1, 3]),
    "var": (lambda x, c: pb.var(x, axis=0, correction=c), [0.0, 1.0, 0.5]),
    "std": (lambda x, c: x.std(ddof=c) if isinstance(x, Tensor) else np.std(x, ddof=c), [0.0, 1.0, 0.5]),
    "unwrap": (lambda x, p: pb.unwrap(9 * x, period=p), [2.0, 3.0, 6.0]),
    "interp": (lambda x, p: pb.interp(x, [0.0, 1.0, 2.0], [1.0, 2.0, 4.0], period=p), [2.5, 3.0, 7.0]),
    "linear_ramp": (lambda x, e: pb.pad(x, 1, "linear_ramp", end_values=e), [0.0, 1.0, 2.5]),
    "trace": (lambda x, k: pb.trace(x, k), [0, 1, -1]),
    "triu": (lambda x, k: pb.triu(x, k), [0, 1, -1]),
    "two options": (lambda x, p: pb.unwrap(9 * x, p, period=p), [2.0, 3.0, 6.0]),
}


@pytest.mark.parametrize("name", CONTINUOUS)
def test_derivatives_beside_a_loop(name):
    """vmap of the gradient, vmap of vmap of it, and the gradient and the tangent of a vmap."""
    f, options = CONTINUOUS[name]
    options = np.array(options)
    xs = np.random.default_rng(5).standard_normal((3, 3, 3)) / 4 + 2 * np.eye(3)
    weights = np.cos(np.arange(40.0))
    loss = lambda x, o: pb.sum(pb.ravel(f(x, o)) * weights[: np.size(f(x, o))])  # noqa: E731
    values = np.stack([np.asarray(f(x, o)) for x, o in zip(xs, options, strict=True)])
    slopes = np.stack([grad(loss)(x, o).numpy() for x, o in zip(xs, options.tolist(), strict=True)])
    close = lambda a, b: np.testing.assert_allclose(a.numpy(), b, rtol=1e-9, atol=1e-11)  # noqa: E731
    close(vmap(f)(xs, options), values)
    close(vmap(grad(loss))(xs, options), slopes)
    close(vmap(vmap(grad(loss)))(xs[None], options[None])[0], slopes)
    close(vmap(vmap(grad(loss)))(xs[:, None], options[:, None])[:, 0], slopes)
    each = vmap(vmap(grad(loss), in_axes=(0, None)))(np.stack([xs, xs[::-1]], 1), options)  # of the outer batch only
    close(each[:, 0], slopes)
    close(vmap(vmap(grad(loss), in_axes=(None, 0)))(xs, np.stack([options, options], 1))[:, 1], slopes)
    close(grad(lambda xs: vmap(loss)(xs, options).sum())(xs), slopes)
    directions = np.sin(np.arange(27.0)).reshape(3, 3, 3)
    close(jvp(lambda xs: vmap(loss)(xs, options), (xs,), (directions,))[1], (slopes * directions).sum((1, 2)))
    inner = lambda x, o, d: jvp(lambda x: loss(x, o), (x,), (d,))[1]  # noqa: E731
    close(vmap(inner)(xs, options, directions), (slopes * directions).sum((1, 2)))


@pytest.mark.parametrize("randomness", ["different", "same"])
def test_dropout(randomness):
    p = np.array([0.0, 0.3, 0.5, 1.0])
    x = np.ones((4, 100))
    nn.manual_seed(0)
    out = vmap(F.dropout, randomness=randomness)(x, p).numpy()
    kept = out != 0
    assert kept[0].all() and not kept[3].any()
    np.testing.assert_allclose(out[kept], (1 / np.where(p < 1, 1 - p, 1))[:, None].repeat(100, 1)[kept])
    assert (not (kept[2] & ~kept[1]).any()) == (randomness == "same")  # by the same numbers, what 0.5 keeps 0.3 does
    with pytest.raises(RuntimeError, match="vmap: random numbers"):
        vmap(F.dropout)(x, p)
    with pytest.raises(ValueError, match="dropout: p="):
        vmap(F.dropout, randomness=randomness)(x, p + 0.5)


def test_what_the_loop_raises_says_where():
    with pytest.raises(L.LinAlgError) as caught:
        vmap(lambda x, n: L.matrix_power(x, n))(np.stack([np.eye(2), np.zeros((2, 2))]), np.array([-1, -1]))
    assert caught.value.__notes__ == [
        "vmap: matrix_power is called for one example after another, as n differs; this is 1"
    ]


WRITERS = {  # what writes into an array -> its option, whose error says that it is to be one for all
    "put_along_axis": ("axis", lambda x, k: np.put_along_axis(x, np.array([[0]]), 1.0, k)),
    "fill_diagonal": ("wrap", lambda x, k: np.fill_diagonal(x, 1.0, k)),
    "sort": ("axis", lambda x, k: x.sort(k)),
    "save": ("arr", lambda x, k: np.save(io.BytesIO(), x)),
}


@pytest.mark.parametrize("name", WRITERS)
def test_nothing_is_written_example_by_example(name):
    option, write = WRITERS[name]
    x = np.ones((2, 2, 2))
    with pytest.raises(TypeError, match=f"^vmap: {name}: {option} must be the same"):
        vmap(lambda x, k: (write(x * 1, k), x)[1])(x, np.array([0, 1]))


def test_an_option_of_a_primitive():
    scaled = pb.primitive(lambda x, *, by: x * by, name="scaled by an option")
    try:
        scaled.vjp("x")(lambda g, by: g * by)
        x, by = np.arange(6.0).reshape(2, 3), np.array([2.0, 3.0])
        np.testing.assert_array_equal(vmap(lambda x, by: scaled(x, by=by))(x, by), x * by[:, None])
        slopes = vmap(grad(lambda x, by: scaled(x, by=by).sum()))(x, by)
        np.testing.assert_array_equal(slopes, np.repeat(by[:, None], 3, 1))
    finally:
        del primitives[scaled.name]
