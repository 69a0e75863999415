"""What has no derivative under vmap, beside a loop over the examples by NumPy itself."""

import numpy as np
import pytest

import pullback as pb
from pullback import Tensor, grad, jvp, vmap
from pullback.autograd.core.pytrees import flatten
from pullback.autograd.ops.nondifferentiable import constants

X = np.array([[1.0, 4.0, 1.0, 0.0], [5.0, 2.0, 5.0, 3.0], [0.0, 0.0, -2.0, 7.0]])
SQUARES = np.array([[[1.0, 2.0], [0.0, 3.0]], [[1.0, 1.0], [1.0, 1.0]], [[0.0, 5.0], [2.0, 0.0]]])
N = np.array([[1, 4, 1, 0], [5, 2, 5, 3], [0, 0, 2, 7]])
BYTES = N.astype(np.uint8)

SAMPLES = {  # name -> what is called with one example of each of some batches, and these
    **{name: [(lambda f, x: f(x, 1.0), X), (lambda f, x, y: f(y, x), X, X[::-1])] for name in (
        "less", "less_equal", "greater", "greater_equal", "equal", "not_equal", "isclose", "allclose", "array_equal",
        "array_equiv", "logical_and", "logical_or", "logical_xor",
    )},
    **{name: [(lambda f, x: f(x), X)] for name in (
        "logical_not", "isfinite", "isinf", "isnan", "signbit", "spacing", "isneginf", "isposinf", "iscomplex",
        "isreal", "iscomplexobj", "isrealobj", "nonzero", "flatnonzero", "argwhere", "unique", "unique_all",
        "unique_counts", "unique_inverse", "shape", "ndim", "size", "common_type", "isscalar", "iterable",
        "min_scalar_type", "array2string", "array_repr", "array_str", "histogram", "histogram_bin_edges",
        "histogramdd",
    )},
    **{name: [(lambda f, x: f(x), X), (lambda f, x: f(x, axis=0), SQUARES)] for name in (
        "all", "any", "argmax", "argmin", "count_nonzero", "nanargmax", "nanargmin",
    )},
    **{name: [(lambda f, x, y: f(x, y), N, N[::-1])] for name in (
        "bitwise_and", "bitwise_or", "bitwise_xor", "bitwise_left_shift", "bitwise_right_shift", "gcd", "lcm",
    )},
    **{name: [(lambda f, x: f(x), N)] for name in ("bitwise_invert", "bitwise_count")},
    **{name: [(lambda f, x, y: f(x, y), X, X[::-1])] for name in (
        "isin", "intersect1d", "setdiff1d", "setxor1d", "union1d", "histogram2d", "shares_memory", "may_share_memory",
    )},
    **{name: [(lambda f, x: f(x), SQUARES)] for name in (
        "diag_indices_from", "tril_indices_from", "triu_indices_from",
    )},
    **{name: [(lambda f, x: f(2) + (x,), X)] for name in ("diag_indices", "tril_indices", "triu_indices")},
    "allclose": [
        (lambda f, x: f(x, 1.0), np.array([[1.0], [5.0]])),
        (lambda f, x: f(x, x), X),
        (lambda f, x, t: f(x, 1.0, atol=t), X, np.array([0.5, 9.0, 1.0])),
    ],
    "array_equal": [(lambda f, x, y: f(x, y), X, np.where(X == 5, 1, X)), (lambda f, x: f(x, x), X)],
    "min_scalar_type": [(lambda f, x: f(x[0]), N), (lambda f, x: f(x[0]), 100 * N), (lambda f, x: f(x), N)],
    "argpartition": [(lambda f, x: f(x, 1), X)],
    "lexsort": [(lambda f, x, y: f((x, y)), X, X[::-1]), (lambda f, x: f(x), SQUARES)],
    "searchsorted": [(lambda f, x, y: f(x, y), np.sort(X), X[::-1]), (lambda f, x: f([0.5, 2.0], x), X)],
    "digitize": [(lambda f, x, b: f(x, b), X, np.sort(X[::-1]))],
    "ix_": [(lambda f, x, y: f(x, y), N, N[::-1])],
    "unravel_index": [(lambda f, i: f(i, (2, 4)), N)],
    "ravel_multi_index": [(lambda f, i, j: f((i, j), (8, 8)), N, N[::-1])],
    "mask_indices": [(lambda f, x: f(2, np.triu) + (x,), X)],
    "packbits": [(lambda f, x: f(x), BYTES % 2)],
    "unpackbits": [(lambda f, x: f(x), BYTES)],
    "einsum_path": [(lambda f, x: f("i,i->", x, x), X)],
    "can_cast": [(lambda f, x: f(x.dtype, np.int32), X)],
    "result_type": [(lambda f, x: f(x, np.float32(1)), X)],
    "matrix_rank": [(lambda f, x: f(x), SQUARES)],
    "isscalar": [(lambda f, x: f(x), X), (lambda f, x: f(x[0]), X)],
}  # fmt: skip
WRITERS = {"save", "savetxt", "savez", "savez_compressed"}
BY_NAME = {f.__name__: f for f in constants}


def numpys(name):
    return getattr(np, name, None) or getattr(np.linalg, name)


def test_all_are_here():
    assert BY_NAME.keys() - WRITERS == {numpys(name).__name__ for name in SAMPLES}


CALLS = [(name, *sample) for name, samples in SAMPLES.items() for sample in samples]


@pytest.mark.parametrize("name, call, batches", [(name, call, batches) for name, call, *batches in CALLS])
@pytest.mark.parametrize("depth", [1, 2])
def test_beside_a_loop(name, call, batches, depth):
    function = numpys(name)
    each = [flatten(call(function, *(x[k] for x in batches)))[0] for k in range(len(batches[0]))]
    arrays = {}

    def examples(*xs):
        out = flatten(call(BY_NAME[function.__name__], *xs))[0]
        assert len(out) == len(each[0])
        for i, o in enumerate(out):
            if isinstance(o, Tensor):
                arrays[i] = [row[i] for row in each]
            else:
                assert all(np.array_equal(o, row[i]) for row in each)  # the same for all
        return tuple(out[i] for i in arrays)

    nested = vmap(examples)
    for _ in range(depth - 1):
        nested, batches = vmap(nested), [x[None] for x in batches]
    if any(not alike(column) for column in zip(*each, strict=True)) or len(set(map(len, each))) > 1:
        with pytest.raises((TypeError, ValueError), match=rf"^vmap: {function.__name__} gives .* no batch$"):
            nested(*batches)
        return
    out = nested(*batches)
    for o, expected in zip(out, arrays.values(), strict=True):
        o = o.numpy()[(0,) * (depth - 1)]
        np.testing.assert_array_equal(o, np.stack(expected))
        assert o.dtype == np.stack(expected).dtype


def alike(results):
    """Whether these fit in a batch: arrays and numbers of one shape, or anything that is always the same."""
    if all(isinstance(r, (np.ndarray, np.generic, bool, int, float)) for r in results):
        return len(set(map(np.shape, results))) == 1
    return all(r == results[0] for r in results)


@pytest.mark.parametrize("name", sorted(WRITERS))
def test_a_file_is_not_written_for_each_example(name, tmp_path):
    path = tmp_path / "file"
    with pytest.raises(TypeError, match="vmap"):
        vmap(lambda x: (BY_NAME[name](path, x), x)[1])(X)
    assert not list(tmp_path.iterdir())
    BY_NAME[name](path, Tensor(X, requires_grad=True))
    assert list(tmp_path.iterdir())


def test_a_number_of_each_example_goes_on():
    hit = vmap(lambda v: pb.where(pb.allclose(v, 1.0), v.sum(), 0.0))(np.array([[1.0, 1.0], [5.0, 1.0]]))
    np.testing.assert_array_equal(hit.numpy(), [2.0, 0.0])
    with pytest.raises(TypeError, match="differs from example to example"):
        vmap(lambda v: v if np.array_equal(v, [1.0]) else -v)(np.array([[1.0], [5.0]]))


def test_examples_have_no_gradient_to_lose():
    """What refuses entries that require a gradient takes examples without one, and refuses them with one."""
    np.testing.assert_array_equal(vmap(np.unique)(X[:2, :3]).numpy(), [[1, 4], [2, 5]])
    for losing in (grad(lambda x: vmap(lambda v: np.unique(v) * v[0])(x).sum()), vmap(grad(lambda v: np.unique(v)[0]))):
        with pytest.raises(TypeError, match="unique: ar requires a gradient"):
            losing(X[:2, :3])


def test_a_batch_in_one_argument_of_several_in_a_list():
    other = np.array([1, 0, 1, 0])
    for lexsort in (lambda x: np.lexsort((other, x)), lambda x: pb.lexsort([other, x])):
        np.testing.assert_array_equal(vmap(lexsort)(X).numpy(), [np.lexsort((other, x)) for x in X])


def test_in_forward_mode():
    value, tangent = jvp(lambda x: x * pb.count_nonzero(x), (X[0],), (X[1],))
    np.testing.assert_array_equal(value.numpy(), X[0] * 3)
    np.testing.assert_array_equal(tangent.numpy(), X[1] * 3)
