import numpy as np
import pytest

import pullback as pb
from pullback import Tensor
from pullback.testing import gradcheck, gradgradcheck

X = np.arange(12.0).reshape(3, 4)
INDICES = {
    "number": 1,
    "negative": -1,
    "slice": slice(None, None, -2),
    "two": (1, 2),
    "slices": (slice(1, None), slice(None, 2)),
    "newaxis": (None, slice(None), None, 1),
    "ellipsis": (..., 0),
    "list": [2, 0],
    "repeats": [1, 1, -2],
    "arrays": ([0, 2, 0], [1, 3, 1]),
    "array and slice": (slice(None), np.array([[0, 0], [3, 1]])),
    "apart": (np.array([0, 0]), None, np.array([1, 1])),
    "mask": X > 4,
    "row mask": np.array([True, False, True]),
    "mask and number": (np.array([True, False, True]), 2),
    "nothing": [],
    "no rows": slice(0, 0),
    "whole": (),
    "numpy integer": np.int64(2),
    "Tensor": Tensor([2, 2]),
}


def plain(index):
    return index.data if isinstance(index, Tensor) else index


@pytest.mark.parametrize("index", INDICES.values(), ids=INDICES)
def test_reading(index):
    x = Tensor(X, requires_grad=True)
    out = x[index]
    rows = np.asarray([], int) if isinstance(index, list) and not index else plain(index)
    expected = X[rows]
    np.testing.assert_array_equal(out.data, expected)
    assert out.shape == expected.shape
    g = np.random.default_rng(0).normal(size=expected.shape)
    out.backward(g)
    want = np.zeros_like(X)
    np.add.at(want, rows, g)
    np.testing.assert_allclose(x.grad.data, want, rtol=1e-15)


def test_reading_in_second_order():
    x = Tensor(X, requires_grad=True)
    assert gradgradcheck(lambda x: (x[[0, 0, 2]] ** 2)[:, ::2], x)


def test_float32_stays_float32():
    x = Tensor(X.astype(np.float32), requires_grad=True)
    out = x[[0, 0, 1]]
    out.sum().backward()
    assert out.dtype == x.grad.dtype == np.float32


@pytest.mark.parametrize("index", [v for k, v in INDICES.items() if k != "nothing"])
def test_writing(index):
    x, v = Tensor(X, requires_grad=True), Tensor(7.5, requires_grad=True)
    y = x * 1
    y[index] = v
    expected = X.copy()
    expected[plain(index)] = 7.5
    np.testing.assert_array_equal(y.data, expected)
    g = np.random.default_rng(0).normal(size=X.shape)
    y.backward(g)
    hit = expected == 7.5
    np.testing.assert_array_equal(x.grad.data, np.where(hit, 0, g))
    np.testing.assert_allclose(v.grad.data, g[hit].sum(), rtol=1e-14, atol=1e-15)


def test_writing_where_an_index_comes_twice_the_last_value_counts():
    v = Tensor([1.0, 2.0, 3.0], requires_grad=True)
    y = Tensor(np.zeros(3))
    y[[0, 1, 0]] = v
    np.testing.assert_array_equal(y.data, [3, 2, 0])
    y.backward([10.0, 20.0, 30.0])
    np.testing.assert_array_equal(v.grad.data, [0, 20, 10])


def test_in_place_writing_keeps_what_the_graph_needs():
    x = Tensor([1.0, 2.0, 3.0], requires_grad=True)
    y = x * 1
    squares = y * y
    y[0] = 100.0
    (squares.sum() + y.sum()).backward()
    np.testing.assert_array_equal(x.grad.data, [2, 5, 7])


def test_in_place_arithmetic():
    x = Tensor([1.0, 2.0], requires_grad=True)
    y = x * 1
    same = y
    y += x
    y *= y
    assert same is y
    np.testing.assert_array_equal(y.data, [4, 16])
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.data, [8, 16])  # (2x)^2


def test_in_place_arithmetic_on_a_part():
    def f(x):
        y = x * 1
        y[1:] *= x[:-1]
        y[[0, 0]] += 1.0
        return y

    assert gradcheck(f, Tensor([1.0, 2.0, 3.0], requires_grad=True))
    assert gradgradcheck(f, Tensor([1.0, 2.0, 3.0], requires_grad=True))


def test_a_leaf_is_not_written_to_while_recording():
    x = Tensor([1.0, 2.0], requires_grad=True)
    with pytest.raises(RuntimeError, match="in-place operation on a leaf"):
        x[0] = 3.0
    with pb.no_grad():
        x[0] = 3.0
    np.testing.assert_array_equal(x.data, [3, 2])


def test_writing_into_a_scalar():
    x = Tensor(2.0, requires_grad=True)
    y = x * 1
    y[...] = x * 3
    y.backward()
    assert y.item() == 6 and x.grad.item() == 3


def test_scatter():
    y = Tensor([1.0, 2.0, 3.0], requires_grad=True)
    out = pb.scatter(y, ([0, 1, 0],), (3,))
    np.testing.assert_array_equal(out.data, [4, 2, 0])
    out.backward([10.0, 20.0, 30.0])
    np.testing.assert_array_equal(y.grad.data, [10, 20, 10])
    assert pb.scatter(Tensor(np.ones(2, np.float32)), [0, 0], (2,)).dtype == np.float32


def test_functional_setitem_leaves_its_argument():
    x = Tensor(X)
    out = pb.setitem(x, 0, 5.0)
    np.testing.assert_array_equal(x.data, X)
    np.testing.assert_array_equal(out.data[0], 5)


def test_errors():
    with pytest.raises(IndexError):
        Tensor(X)[5]
    with pytest.raises(ValueError, match="could not broadcast"):
        pb.setitem(Tensor(X), 0, Tensor([1.0, 2.0]))


@pytest.mark.parametrize("create_graph", [False, True])
def test_many_parts_of_one_array_are_put_together_once(create_graph, monkeypatch):
    made = []
    scatter = pb.registry["scatter"]
    counting = scatter.apply
    monkeypatch.setitem(scatter.__dict__, "apply", lambda *a, **k: made.append(len(a)) or counting(*a, **k))
    x = Tensor(np.arange(50.0), requires_grad=True)
    total = (x * x).sum() + x[[3, 3]].sum() + x[10:20].sum()
    for i in range(50):
        total = total + x[i] * x[i]
    total.backward(create_graph=create_graph)
    expected = 4 * x.data
    expected[3] += 2
    expected[10:20] += 1
    np.testing.assert_allclose(x.grad.data, expected)
    assert made == [102]


@pytest.mark.parametrize(
    ("index", "shape"), [(0, (1, 1, 3)), ((0, ...), (1, 3)), (([0, 0],), (1, 2, 3)), ((0, 0, ...), (1, 1))]
)
def test_what_is_written_may_have_more_axes_of_length_1_in_front(index, shape):
    weights = np.arange(1.0, 7.0).reshape(2, 3)

    def f(value):
        x = Tensor(np.zeros((2, 3))) * 1
        x[index] = value
        return (x * weights).sum()

    value = np.random.default_rng(0).normal(size=shape)
    expected = np.zeros(shape)
    for place in np.ndindex(shape):  # f is linear
        unit = np.zeros(shape)
        unit[place] = 1
        array = np.zeros((2, 3))
        array[index] = unit
        expected[place] = (array * weights).sum()
    np.testing.assert_array_equal(pb.grad(f)(value).data, expected)
    np.testing.assert_array_equal(pb.vmap(pb.grad(f))(np.stack([value, value])).data, [expected, expected])
    np.testing.assert_allclose(pb.jacobian(f)(value).data, expected)


def test_the_last_value_of_one_place_counts_in_any_layout():
    """NumPy goes through arrays backwards where all of them lie so in memory."""
    places, values = np.array([[0, 0]])[:, ::-1], np.array([[2.0, 1.0]])[:, ::-1]
    x, v = Tensor(np.zeros(2)), Tensor(values, requires_grad=True)
    v._held = v._held[:, ::-1].copy()[:, ::-1]
    out = pb.setitem(x, places, v)
    np.testing.assert_array_equal(out.numpy(), [2.0, 0.0])
    out.sum().backward()
    np.testing.assert_array_equal(v.grad.numpy(), [[0.0, 1.0]])
