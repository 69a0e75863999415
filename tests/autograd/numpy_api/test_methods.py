import operator

import numpy as np
import pytest

import pullback as pb
from pullback import Tensor

A = np.array([[1.5, -2.0, 0.5], [4.0, 2.5, -1.0]])
B = np.array([2.0, 3.0, -0.5])


@pytest.mark.parametrize(
    "name", ["add", "sub", "mul", "truediv", "mod", "floordiv", "lt", "le", "gt", "ge", "eq", "ne"]
)
def test_operators_on_both_sides(name):
    f = getattr(operator, name)
    for a, b in ((A, B), (A, 2.0), (2.0, B), (A, np.float64(3)), (A[0, 0], B[0])):
        expected = f(a, b)
        for left, right in ((Tensor(a), b), (a, Tensor(b)), (Tensor(a), Tensor(b))):
            out = f(left, right)
            assert isinstance(out, Tensor)
            np.testing.assert_array_equal(out.data, expected)


def test_power_and_matmul_operators():
    np.testing.assert_allclose((Tensor(np.abs(A)) ** B).data, np.abs(A) ** B)
    np.testing.assert_allclose((2.0 ** Tensor(B)).data, 2.0**B)
    np.testing.assert_allclose((Tensor(A) @ B).data, A @ B)
    np.testing.assert_allclose((A @ Tensor(B)).data, A @ B)


def test_unary_operators():
    np.testing.assert_array_equal((-Tensor(A)).data, -A)
    np.testing.assert_array_equal((+Tensor(A)).data, A)
    np.testing.assert_array_equal(abs(Tensor(A)).data, np.abs(A))
    np.testing.assert_array_equal((~(Tensor(A) > 0)).data, A <= 0)


def test_operators_from_the_right_have_gradients():
    x = Tensor(2.0, requires_grad=True)
    for f, slope in (
        (lambda x: 3 - x, -1),
        (lambda x: 6 / x, -1.5),
        (lambda x: 2**x, 4 * np.log(2)),
        (lambda x: np.float64(3) * x, 3),
    ):
        x.grad = None
        f(x).backward()
        assert x.grad.item() == pytest.approx(slope)


@pytest.mark.parametrize(
    "name, args",
    [
        ("all", ()),
        ("any", (1,)),
        ("argmax", (1,)),
        ("argmin", ()),
        ("argsort", (0,)),
        ("cumsum", (1,)),
        ("ravel", ()),
        ("flatten", ()),
        ("copy", ()),
        ("conj", ()),
        ("tolist", ()),
        ("clip", (-1.0, 2.0)),
    ],
)
def test_methods_are_numpys(name, args):
    out, expected = getattr(Tensor(A), name)(*args), getattr(A, name)(*args)
    np.testing.assert_array_equal(out.data if isinstance(out, Tensor) else out, expected)


@pytest.mark.parametrize("name", ["isfinite", "isinf", "isnan", "argmax", "count_nonzero", "shape", "ndim", "size"])
def test_constants_of_the_graph(name):
    x = Tensor([1.0, np.nan, np.inf, 0.0], requires_grad=True)
    for f in (getattr(pb, name), getattr(np, name)):
        out = f(x)
        assert not (isinstance(out, Tensor) and out.requires_grad)
        np.testing.assert_array_equal(out.data if isinstance(out, Tensor) else out, getattr(np, name)(x.data))


def test_comparing_functions():
    x = Tensor(A)
    assert pb.allclose(x, A) and pb.array_equal(x, x) and not pb.array_equal(x, A + 1)
    np.testing.assert_array_equal(pb.isclose(x, A + 1e-12).data, np.full(A.shape, True))
    np.testing.assert_array_equal(np.less(x, 1).data, A < 1)
    np.testing.assert_array_equal(pb.logical_and(x > 0, x < 2).data, (A > 0) & (A < 2))
    (rows, columns), expected = x.nonzero(), A.nonzero()
    np.testing.assert_array_equal(rows, expected[0])
    np.testing.assert_array_equal(columns, expected[1])
    assert pb.result_type(Tensor(np.ones(2, np.float32)), 2.0) == np.float32


def test_what_has_no_rule_is_refused_by_name():
    x = Tensor(A, requires_grad=True)
    with pytest.raises(TypeError, match=r"numpy.abs \(vectorized\) has no rule on Tensors"):
        np.frompyfunc(abs, 1, 1)(x)
    with pytest.raises(TypeError, match=r"numpy.isnat has no rule"):
        np.isnat(x)
    with pytest.raises(TypeError, match="would lose it"):
        np.asarray(x)


def test_entries_that_would_lose_their_gradient_are_refused():
    x = Tensor([3.0, 1.0, 3.0], requires_grad=True)
    for call in (
        lambda: np.unique(x),
        lambda: pb.unique_values(x),
        lambda: np.union1d([1.0], x),
        lambda: np.histogram([1.0, 2.0, 3.0], 2, weights=x),
        lambda: np.histogram([1.0, 2.0, 3.0], bins=x),
        lambda: np.ix_(x, [0.0]),
    ):
        with pytest.raises(TypeError, match="requires a gradient, which has no rule here"):
            call()
    assert np.unique(x.detach()).tolist() == [1.0, 3.0]
    assert np.histogram(x, 2)[0].tolist() == [1, 2]
    with pb.no_grad():
        assert pb.unique_values(x).tolist() == [1.0, 3.0]


def test_distinct_values_come_sorted():
    assert (
        pb.unique_values(Tensor([3, 1, 0, 1])).tolist() == np.unique_values(Tensor([3, 1, 0, 1])).tolist() == [0, 1, 3]
    )
    assert pb.unique_values(Tensor([1, 0])).tolist() == [0, 1]
