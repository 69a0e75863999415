"""Derivatives as functions: values, nesting, and what stays untouched."""

import numpy as np
import pytest

import pullback as pb
from pullback import Tensor


def leaf(value):
    return Tensor(value, requires_grad=True)


def test_grad_of_numbers_arrays_and_tensors():
    for x in (3.0, np.float64(3.0), np.array(3.0), Tensor(3.0)):
        g = pb.grad(lambda x: x**2 + 2.0 * x)(x)
        assert isinstance(g, Tensor) and g.item() == 8.0 and not g.requires_grad
    g = pb.grad(lambda x: (x * x).sum())(np.array([1.0, 2.0], np.float32))
    assert g.tolist() == [2.0, 4.0] and g.dtype == np.float32


def test_argnums_and_keywords():
    def f(x, y, *, k):
        return k * x * y**2

    assert pb.grad(f, 1)(2.0, 3.0, k=10.0).item() == 120.0
    assert [g.item() for g in pb.grad(f, (0, 1))(2.0, 3.0, k=1.0)] == [9.0, 12.0]
    assert [g.item() for g in pb.grad(f, (-1,))(2.0, 3.0, k=1.0)] == [12.0]
    with pytest.raises(ValueError, match="argnums 2 given for a call with 2 arguments"):
        pb.grad(f, 2)(2.0, 3.0, k=1.0)


def test_value_and_grad():
    value, g = pb.value_and_grad(lambda x: (x**2).sum())([1.0, 2.0])
    assert value.item() == 5.0 and g.tolist() == [2.0, 4.0] and not value.requires_grad


def test_every_order():
    f = lambda x: x**4  # noqa: E731
    for expected in (32.0, 48.0, 48.0, 24.0, 0.0):
        f = pb.grad(f)
        assert f(2.0).item() == expected


def test_no_perturbation_confusion():
    # d/dx [x * d/dy (x + y) at y = 1] = 1, and d/dx [x * d/dy (x * y) at y = x] = d/dx x^2 = 2 x
    assert pb.grad(lambda x: x * pb.grad(lambda y: x + y)(1.0))(1.0).item() == 1.0
    assert pb.grad(lambda x: x * pb.grad(lambda y: x * y)(x))(3.0).item() == 6.0


def test_what_a_function_closes_over_is_not_lost():
    assert pb.grad(lambda x: pb.grad(lambda y: x * y)(1.0))(3.0).item() == 1.0
    w = leaf(5.0)
    g = pb.grad(lambda x: w * x**2)(3.0)  # 2 w x
    g.backward()
    assert g.item() == 30.0 and w.grad.item() == 6.0


def test_an_argument_that_does_not_matter_has_gradient_zero():
    assert pb.grad(lambda x, y: Tensor(y), 0)(1.0, 3.0).item() == 0.0
    assert pb.grad(lambda x: Tensor(1.0))(5.0).item() == 0.0


def test_vjp_pulls_back_as_often_as_wanted():
    value, pull_back = pb.vjp(lambda a, b: a @ b, np.eye(2), np.array([[1.0], [2.0]]))
    assert value.tolist() == [[1.0], [2.0]]
    for factor in (1.0, 10.0):
        da, db = pull_back(factor * np.array([[1.0], [1.0]]))
        assert da.tolist() == [[factor, 2 * factor]] * 2 and db.tolist() == [[factor], [factor]]


def test_jacobian_and_hessian():
    a = np.array([[1.0, 2.0], [3.0, 5.0]])
    assert pb.jacobian(lambda x: a @ x)([1.0, 1.0]).tolist() == a.tolist()
    assert pb.hessian(lambda x: x @ (a @ x))([1.0, 1.0]).tolist() == (a + a.T).tolist()
    assert pb.jacobian(lambda x: x[:0])([1.0, 2.0]).shape == (0, 2)
    j = pb.jacobian(lambda x: pb.reshape(x, (2, 1)) * x)([1.0, 2.0])
    assert j.shape == (2, 2, 2) and j.tolist() == [[[2, 0], [2, 1]], [[2, 1], [0, 4]]]


def test_differentiating_through_a_gradient_reaches_outer_tensors():
    w = leaf(2.0)
    pb.grad(lambda x: w * x**2)(leaf(3.0)).backward()  # 2 w x
    assert w.grad.item() == 6.0


def test_graphs_and_gradients_of_others_are_left_alone():
    w = leaf(2.0)
    h = w * w
    assert pb.grad(lambda x: x * h)(3.0).item() == 4.0
    assert w.grad is None
    h.backward()
    assert w.grad.item() == 4.0


def test_inside_no_grad():
    with pb.no_grad():
        assert pb.grad(lambda x: x * x)(3.0).item() == 6.0


def test_errors():
    with pytest.raises(TypeError, match="expected a Tensor as the result, not a float"):
        pb.grad(lambda x: 1.0)(2.0)
    with pytest.raises(TypeError, match="only float and complex"):
        pb.grad(lambda x: x * 1.0)(2)
    with pytest.raises(RuntimeError, match=r"shape \(2,\); give its sum"):
        pb.grad(lambda x: x * x)([1.0, 2.0])


def test_a_cotangent_that_requires_a_gradient_keeps_it():
    _, pull_back = pb.vjp(lambda x: x**2, np.array([1.0, 2.0]))
    weights = np.array([1.0, 10.0])
    gradient = pb.grad(lambda v: (pull_back(v)[0] * weights).sum())([3.0, 4.0])
    np.testing.assert_array_equal(gradient.data, [2.0, 40.0])  # 2 x times the weights
    v = Tensor([3.0, 4.0], requires_grad=True)
    pull_back(v)[0].sum().backward()
    np.testing.assert_array_equal(v.grad.data, [2.0, 4.0])


def test_cotangents_and_tangents_have_the_form_of_what_they_are_for():
    _, pull_back = pb.vjp(lambda x: [2 * x, {"a": 3 * x, "b": 5 * x}], 1.0)
    assert pull_back([1.0, {"b": 100.0, "a": 10.0}])[0].item() == 2 + 30 + 500
    value, tangent = pb.jvp(lambda d: d["a"] * 3 + d["b"], ({"a": 1.0, "b": 2.0},), ({"b": 1.0, "a": 0.0},))
    assert (value.item(), tangent.item()) == (5, 1)
    _, tangent = pb.jvp(lambda xs: xs[0] * xs[1], ([Tensor(2.0), Tensor(3.0)],), ([1.0, 1.0],))
    assert tangent.item() == 5
    for wrong in ([1.0], (1.0, 2.0, 3.0), {"a": 1.0}, [1.0, {"a": 1.0}], [1.0, 2.0]):
        with pytest.raises(ValueError, match="vjp: cotangents: .* given for a (list|dict) of 2"):
            pull_back(wrong)


def test_a_result_of_integers_or_bools_has_no_gradient():
    for f in (lambda x: x > 0, lambda x: pb.argmax(x), lambda x: x.astype(int)):
        with pytest.raises(TypeError, match="a result of dtype .* has no gradient"):
            pb.grad(f)(1.0)


def test_results_share_no_memory_with_the_directions_that_were_given():
    weights = np.array([1.0, 2.0, 3.0])
    one, other = pb.vjp(lambda a, b: a + b, np.ones(3), np.ones(3))[1](weights)
    one.data[0] = 100
    out = pb.jvp(lambda a: a + 1, (np.ones(3),), (weights,))[1]
    out.data[0] = 100
    np.testing.assert_array_equal(other.data, [1.0, 2.0, 3.0])
    np.testing.assert_array_equal(weights, [1.0, 2.0, 3.0])


def test_nothing_in_a_nest_has_no_tangent():
    def f(nest):
        return nest["a"] * nest["c"][1]

    primals, tangents = {"a": 2.0, "b": None, "c": (None, 5.0)}, {"a": 1.0, "b": None, "c": (None, 10.0)}
    out, tangent = pb.jvp(f, (primals,), (tangents,))
    assert (out.item(), tangent.item()) == (10.0, 25.0)
