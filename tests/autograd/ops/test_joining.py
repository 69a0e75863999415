"""Moves of entries: joining, splitting, repeating, diagonals. NumPy moves the entries' own numbers, which says where
each entry goes and so what its gradient is."""

import numpy as np
import pytest

import pullback as pb
from pullback import Tensor
from pullback.testing import gradgradcheck

SHAPES = {0: (), 1: (5,), 2: (3, 4), 3: (2, 3, 4)}
ARRAYS = {ndim: 1 + np.arange(float(np.prod(shape))).reshape(shape) for ndim, shape in SHAPES.items()}


def moves():
    """(function's name, the dimensions of its array, its other arguments)."""
    for name in ("atleast_1d", "atleast_2d", "atleast_3d"):
        yield from ((name, ndim, ()) for ndim in SHAPES)
    for axis in (None, 0, -1):
        yield "delete", 2, (1, axis)
        yield "delete", 2, ([0, -1, 0], axis)
        yield "delete", 2, (slice(0, 2), axis)
        yield "append", 2, (np.zeros((3, 4)), axis)
        yield "insert", 2, (1, 0.0, axis)
        yield "insert", 2, ([2, 0, 2], 0.0, axis)
        yield "insert", 2, (slice(None, None, 2), 0.0, axis)
        yield "insert", 2, ([1], 0.0, axis)
        yield "repeat", 2, (3, axis)
        yield "repeat", 2, (0, axis)
        yield "repeat", 2, ([2], axis)
    yield "insert", 2, (-1, [[0.0, 0, 0, 0], [0, 0, 0, 0]], 0)
    yield "insert", 2, (1, [0.0, 0, 0], 1)
    yield "delete", 2, ([True, False, True], 0)
    yield "repeat", 2, ([1, 0, 2], 0)
    yield "repeat", 3, ([1, 0, 2], -2)
    for reps in (2, (2,), (2, 1, 3), (1, 2), 0, (2, 0)):
        yield from (("tile", ndim, (reps,)) for ndim in (0, 1, 2))
    for shift, axis in ((1, None), (-7, None), ((1, 2), (0, 1)), (5, -1), ((1, 1), (0, 0)), (2, (0, 1))):
        yield "roll", 2, (shift, axis)
    yield "roll", 0, (3,)
    yield "roll", 3, ((1, -1), (2, 0))
    for k in range(-1, 5):
        yield "rot90", 2, (k,)
        yield "rot90", 3, (k, (2, 0))
    yield from (("fliplr", ndim, ()) for ndim in (2, 3))
    yield from (("flipud", ndim, ()) for ndim in (1, 2, 3))
    for axis, start in ((0, 0), (2, 0), (0, 3), (-1, 1), (1, -1)):
        yield "rollaxis", 3, (axis, start)
    for shape in ((2, 3), 7, (0,), (5, 5), ()):
        yield "resize", 2, (shape,)
    for order in "CF":
        yield "reshape", 3, ((4, 6), order)
        yield "reshape", 3, (-1, order)
        yield "ravel", 3, (order,)
        yield "reshape", 0, ((1, 1), order)
    for ndim in (1, 2):
        yield from (("diag", ndim, (k,)) for k in (0, 1, -1, 2, -2, 4, -7))
    yield from (("diagflat", ndim, (k,)) for ndim in SHAPES for k in (0, -1, 2))
    for k in (0, 1, -1, 3, -2, 9):
        yield "diagonal", 2, (k,)
        yield "diagonal", 3, (k, 2, 0)
        yield "diagonal", 3, (k, -1, 1)
        yield from ((name, ndim, (k,)) for name in ("tril", "triu") for ndim in (1, 2, 3))
    yield "copy", 2, ()


@pytest.mark.parametrize("name, ndim, args", list(moves()))
def test_values_and_gradients(name, ndim, args):
    array = ARRAYS[ndim]
    expected = getattr(np, name)(array, *args)
    x = Tensor(array, requires_grad=True)
    for out in (getattr(np, name)(x, *args), getattr(pb, name)(x, *args)):
        assert isinstance(out, Tensor)
        np.testing.assert_array_equal(out.data, expected)
    np.testing.assert_array_equal(getattr(pb, name)(array, *args), expected)
    g = np.random.default_rng(0).normal(size=expected.shape)
    out.backward(g)
    want = np.zeros(array.size + 1)
    np.add.at(want, np.asarray(expected).astype(int).ravel(), g.ravel())
    np.testing.assert_allclose(x.grad.data, want[1:].reshape(array.shape), rtol=1e-13)
    single = getattr(np, name)(Tensor(array, dtype=np.float32), *args)
    assert single.dtype == getattr(np, name)(array.astype(np.float32), *args).dtype


JOINS = [
    ("hstack", [1, 1]),
    ("hstack", [2, 2]),
    ("hstack", [0, 1]),
    ("vstack", [1, 1]),
    ("vstack", [3, 3]),
    ("dstack", [1, 1]),
    ("dstack", [2, 2]),
    ("column_stack", [1, 1]),
    ("concatenate", [2, 2]),
    ("stack", [2, 2]),
    ("block", [1, 0]),
]


@pytest.mark.parametrize("name, dims", JOINS)
def test_joining(name, dims):
    arrays = [(i + 1) * ARRAYS[ndim] for i, ndim in enumerate(dims)]
    leaves = [Tensor(a, requires_grad=True) for a in arrays]
    expected = getattr(np, name)(arrays)
    for function in (getattr(np, name), getattr(pb, name)):
        out = function(leaves)
        np.testing.assert_array_equal(out.data, expected)
    out.backward(expected)
    for leaf, a in zip(leaves, arrays, strict=True):
        np.testing.assert_array_equal(leaf.grad.data, a)


@pytest.mark.parametrize("name", ["hstack", "vstack", "concatenate", "stack"])
def test_joining_to_a_dtype(name):
    x = Tensor(np.ones(3, np.float32), requires_grad=True)
    out = getattr(np, name)([x, np.zeros(3, int)], dtype=np.float32)
    assert out.dtype == np.float32
    out.sum().backward()
    assert x.grad.dtype == np.float32
    with pytest.raises(TypeError, match="casting"):
        getattr(np, name)([x, np.zeros(3)], casting="no")
    with pytest.raises(TypeError, match="cannot cast from float32 to int64"):
        getattr(np, name)([x, x], dtype=int)
    assert getattr(np, name)([x, x], casting="no").requires_grad


def test_block():
    a, b, c = np.ones((2, 2)), 2 * np.ones((2, 1)), 3 * np.ones((1, 3))
    blocks = [[a, b], [c]]
    leaves = [[Tensor(x, requires_grad=True) for x in row] for row in blocks]
    out = np.block(leaves)
    np.testing.assert_array_equal(out.data, np.block(blocks))
    out.backward(np.block(blocks))
    for row, arrays in zip(leaves, blocks, strict=True):
        for leaf, array in zip(row, arrays, strict=True):
            np.testing.assert_array_equal(leaf.grad.data, array)
    np.testing.assert_array_equal(pb.block([[[1.0, 2.0]], [[3.0, Tensor(4.0)]]]).data, np.block([[[1, 2]], [[3, 4]]]))
    for bad in ([], [[1.0], 2.0], [[]]):
        with pytest.raises(ValueError, match="block: lists must be nested equally deep"):
            pb.block(bad)


@pytest.mark.parametrize(
    "name, args",
    [
        ("split", (2, 1)),
        ("split", ([1, 3], -1)),
        ("split", ([2, 1, 9], 0)),
        ("array_split", (3, 1)),
        ("array_split", (5,)),
        ("array_split", ([-1],)),
        ("vsplit", (3,)),
        ("hsplit", ([1],)),
        ("unstack", ()),
    ],
)
def test_splitting(name, args):
    array = ARRAYS[2]
    expected = getattr(np, name)(array, *args)
    for function in (getattr(np, name), getattr(pb, name)):
        x = Tensor(array, requires_grad=True)
        parts = function(x, *args)
        assert type(parts) is type(expected) and len(parts) == len(expected)
        for part, values in zip(parts, expected, strict=True):
            np.testing.assert_array_equal(part.data, values)
        parts[0].backward(np.ones(parts[0].shape))
        np.testing.assert_array_equal(x.grad.data, np.isin(array, expected[0]))


def test_splitting_of_other_dimensions():
    assert [p.shape for p in np.hsplit(Tensor(ARRAYS[1]), [2])] == [(2,), (3,)]
    assert [p.shape for p in np.dsplit(Tensor(ARRAYS[3]), 2)] == [(2, 3, 2)] * 2
    assert [p.shape for p in np.unstack(Tensor(ARRAYS[3]), axis=1)] == [(2, 4)] * 3


def test_broadcast_arrays_and_meshgrid():
    a, b = ARRAYS[2], np.ones((2, 1, 1))
    for out, expected in zip(np.broadcast_arrays(Tensor(a), b), np.broadcast_arrays(a, b), strict=True):
        np.testing.assert_array_equal(out.data, expected)
    vectors = np.arange(2.0), np.arange(3.0), np.arange(4.0)
    for count in range(1, 4):
        for options in ({}, {"indexing": "ij"}, {"sparse": True}, {"sparse": True, "indexing": "ij"}):
            leaves = [Tensor(v, requires_grad=True) for v in vectors[:count]]
            for out, expected in zip(
                np.meshgrid(*leaves, **options), np.meshgrid(*vectors[:count], **options), strict=True
            ):
                np.testing.assert_array_equal(out.data, expected)
    x = Tensor(vectors[0], requires_grad=True)
    pb.meshgrid(x, vectors[1])[0].backward(np.ones((3, 2)))
    np.testing.assert_array_equal(x.grad.data, [3, 3])
    assert pb.meshgrid() == ()


def test_insert_of_tensors():
    """The values' gradient is the cotangent at the places where they went."""
    x, v = Tensor([1.0, 2.0, 3.0], requires_grad=True), Tensor([8.0, 9.0], requires_grad=True)
    np.insert(x, [3, 0], v).backward([1.0, 2.0, 3.0, 4.0, 5.0])
    np.testing.assert_array_equal(v.grad.data, [5, 1])
    np.testing.assert_array_equal(x.grad.data, [2, 3, 4])
    one = Tensor(7.0, requires_grad=True)
    np.insert(np.zeros((2, 3)), 1, one, axis=1).backward(np.arange(8.0).reshape(2, 4))
    assert one.grad.item() == 1 + 5


@pytest.mark.parametrize("trim", ["fb", "f", "b"])
def test_trim_zeros(trim):
    if np.lib.NumpyVersion(np.__version__) < "2.2.0":
        pytest.skip("np.trim_zeros of matrices came with NumPy 2.2")
    matrix = np.array([[0, 0, 0, 0], [0, 1, 0, 0], [0, 2, 3, 0.0]])
    for array, axis in [(np.array([0, 0, 1, 0, 2, 0.0]), None), (np.zeros(3), None), (matrix, None), (matrix, 1)]:
        np.testing.assert_array_equal(np.trim_zeros(Tensor(array), trim, axis).data, np.trim_zeros(array, trim, axis))


@pytest.mark.parametrize("shape, wrap", [((3, 3), False), ((3, 5), False), ((7, 3), False), ((7, 3), True)])
def test_fill_diagonal(shape, wrap):
    array = np.ones(shape)
    expected = array.copy()
    np.fill_diagonal(expected, 7.0, wrap)
    leaf = Tensor(array, requires_grad=True)
    x = leaf * 1
    v = Tensor(7.0, requires_grad=True)
    np.fill_diagonal(x, v, wrap)
    np.testing.assert_array_equal(x.data, expected)
    x.sum().backward()
    np.testing.assert_array_equal(leaf.grad.data, expected == 1)
    assert v.grad.item() == (expected == 7).sum()


def test_fill_diagonal_of_a_cube():
    x, expected = Tensor(np.zeros((3, 3, 3))), np.zeros((3, 3, 3))
    pb.fill_diagonal(x, 2.0)
    np.fill_diagonal(expected, 2.0)
    np.testing.assert_array_equal(x.data, expected)


@pytest.mark.parametrize("shape, args", [((3, 4), ()), ((3, 4), (1,)), ((2, 3, 4), (-1, 1, 2)), ((0, 2), ())])
def test_trace(shape, args):
    array = np.random.default_rng(0).normal(size=shape)
    x = Tensor(array, requires_grad=True)
    out = np.trace(x, *args)
    np.testing.assert_allclose(out.data, np.trace(array, *args), rtol=1e-14)
    out.backward(np.ones(out.shape))
    assert x.grad.shape == shape
    assert np.trace(Tensor(array, dtype=np.float32), *args, dtype=np.float64).dtype == np.float64


def test_second_order():
    x, y = (Tensor(ARRAYS[2] / 9, requires_grad=True) for _ in range(2))
    assert gradgradcheck(lambda x, y: np.roll(np.tril(x), 1) * np.tile(np.diagonal(y), (3, 2))[:, :4], (x, y))


def test_resize_of_nothing():
    """As NumPy has it: zeros."""
    np.testing.assert_array_equal(np.resize(Tensor(np.zeros(0)), (2, 2)).data, np.zeros((2, 2)))


def test_methods():
    x = Tensor(ARRAYS[2])
    np.testing.assert_array_equal(x.repeat([1, 0, 2], axis=0).data, ARRAYS[2].repeat([1, 0, 2], axis=0))
    np.testing.assert_array_equal(x.diagonal(offset=1).data, ARRAYS[2].diagonal(1))
    np.testing.assert_array_equal(x.reshape(4, 3, order="F").data, ARRAYS[2].reshape(4, 3, order="F"))
    np.testing.assert_array_equal(x.flatten("F").data, ARRAYS[2].flatten("F"))
    assert x.trace().item() == ARRAYS[2].trace() and x.dot(x.T).shape == (3, 3)
    assert not np.shares_memory(x.copy().data, x.data)


def test_indices_are_constants():
    rows, columns = np.ix_(Tensor([2, 0]), [1, 3])
    np.testing.assert_array_equal(
        ARRAYS[2][rows.data if isinstance(rows, Tensor) else rows, columns], [[10, 12], [2, 4]]
    )
    np.testing.assert_array_equal(np.ravel_multi_index((Tensor([1]), Tensor([2])), (3, 4)).data, [6])
    assert [int(i[0]) for i in np.unravel_index(Tensor([6]), (3, 4))] == [1, 2]


def test_views_and_copies():
    x = Tensor(ARRAYS[2])
    assert not np.shares_memory(np.copy(x).data, x.data)
    assert not np.shares_memory(pb.reshape(x, -1, copy=True).data, x.data)
    assert np.shares_memory(pb.reshape(x, -1, copy=False)._held, x._held)
    with pytest.raises(ValueError):
        pb.reshape(x.T, -1, copy=False)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda x: np.split(x, 3, axis=1), "split: 3 does not divide the length 4"),
        (lambda x: np.array_split(x, 0), "array_split: 0 parts"),
        (lambda x: np.dsplit(x, 1), r"dsplit: expected at least 3 dimensions, not shape \(3, 4\)"),
        (lambda x: np.vsplit(x[0], 2), "vsplit: expected at least 2"),
        (lambda x: np.fliplr(x[0]), "fliplr: expected at least 2"),
        (lambda x: np.meshgrid(x, indexing="yx"), "meshgrid: indexing='yx'"),
        (lambda x: np.diag(x[None]), "diag: expected a vector or a matrix, not shape"),
        (lambda x: np.diagonal(x[0]), "diagonal: expected at least 2"),
        (lambda x: np.diagonal(x, 0, 1, 1), "diagonal: axis"),
        (lambda x: np.tril(x[0, 0]), "tril: expected at least 1"),
        (lambda x: np.fill_diagonal(x[0], 1.0), "fill_diagonal: expected a matrix"),
        (lambda x: np.reshape(x, -1, order="K"), "reshape: order='K'"),
        (lambda x: np.trim_zeros(x, "x"), "trim_zeros: trim='x'"),
        (lambda x: np.rollaxis(x, 0, 4), "rollaxis: start"),
        (lambda x: np.delete(x, 7, 0), "out of bounds"),
    ],
)
def test_errors(call, message):
    with pytest.raises((ValueError, IndexError), match=message):
        call(Tensor(ARRAYS[2]))


def test_fill_diagonal_wants_a_tensor():
    with pytest.raises(TypeError, match="fill_diagonal: a NumPy array cannot record Tensors"):
        pb.fill_diagonal(np.zeros((2, 2)), Tensor(1.0))
