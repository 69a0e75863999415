"""Derivatives in the forms of HIPS autograd and JAX, and nests as vectors: by hand."""

import numpy as np
import pytest

import pullback as pb
from pullback import Tensor

A = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])


def f(x, y=2.0):
    return y * pb.sin(A @ x)


@pytest.mark.parametrize("transform", [pb.jacfwd, pb.jacrev, pb.jacobian])
def test_jacobians(transform):
    x = np.array([0.3, -0.7])
    expected = 2 * np.cos(A @ x)[:, None] * A
    np.testing.assert_allclose(transform(f)(x).numpy(), expected, rtol=1e-12)
    at_x, at_y = transform(f, (0, 1))(x, 2.0)
    np.testing.assert_allclose(at_x.numpy(), expected, rtol=1e-12)
    np.testing.assert_allclose(at_y.numpy(), np.sin(A @ x), rtol=1e-12)


@pytest.mark.parametrize("outer", [pb.jacfwd, pb.jacrev])
@pytest.mark.parametrize("inner", [pb.jacfwd, pb.jacrev])
def test_hessians_of_both(outer, inner):
    hessian = outer(inner(lambda x: (x**3).sum()))(np.array([1.0, 2.0]))
    np.testing.assert_allclose(hessian.numpy(), np.diag([6.0, 12.0]), rtol=1e-12)


def test_which_way_it_goes():
    passes = []

    def counted(x):
        passes.append(x)
        return f(x)

    pb.jacrev(counted)(np.zeros(2))
    assert len(passes) == 1  # forward runs the function a second time
    pb.jacfwd(counted)(np.zeros(2))
    assert len(passes) == 3
    with pytest.raises(ValueError, match="jacobian: mode='up'"):
        pb.jacobian(f, mode="up")


def test_elementwise_grad():
    x = np.array([0.5, 1.0])
    np.testing.assert_allclose(pb.elementwise_grad(pb.tanh)(x).numpy(), 1 - np.tanh(x) ** 2)
    np.testing.assert_allclose(pb.elementwise_grad(pb.elementwise_grad(lambda x: x**3))(x).numpy(), 6 * x)
    np.testing.assert_allclose(pb.elementwise_grad(lambda x, y: x * y**2, 1)(x, x).numpy(), 2 * x * x)


def test_products_with_vectors():
    x, v, g = np.array([0.3, -0.7]), np.array([1.0, 2.0]), np.array([1.0, -1.0, 0.5])
    jacobian = 2 * np.cos(A @ x)[:, None] * A
    pull, value = pb.make_vjp(f)(x)
    np.testing.assert_allclose(value.numpy(), 2 * np.sin(A @ x))
    np.testing.assert_allclose(pull(g).numpy(), g @ jacobian)
    value, tangent = pb.make_jvp(f)(x)(v)
    np.testing.assert_allclose(tangent.numpy(), jacobian @ v)
    np.testing.assert_allclose(pb.vector_jacobian_product(f)(x, 2.0, g).numpy(), g @ jacobian)
    np.testing.assert_allclose(pb.make_vjp(f, 1)(x, 2.0)[0](g).numpy(), g @ np.sin(A @ x))

    def cubes(y, x):
        return y * (x**3).sum()

    np.testing.assert_allclose(pb.hessian_vector_product(cubes, 1)(2.0, x, v).numpy(), 12 * x * v)
    times, gradient = pb.make_hvp(cubes, 1)(2.0, x)
    np.testing.assert_allclose(times(v).numpy(), 12 * x * v)
    np.testing.assert_allclose(gradient.numpy(), 6 * x**2)


def test_gradients_by_name_and_with_more():
    gradient, more = pb.grad_and_aux(lambda x: (x**2, "more"))(3.0)
    assert gradient == 6 and more == "more"
    assert pb.grad_named(lambda x, y: x * y**2, "y")(3.0, 2.0) == 12
    with pytest.raises(ValueError, match="no argument 'z', but x, y"):
        pb.grad_named(lambda x, y: x, "z")


def test_nests():
    tree = {"w": np.array([[1.0, 2.0]]), "b": (np.float32(3.0), None)}
    assert pb.tree_leaves(tree)[1] == 3 and len(pb.tree_leaves(tree)) == 2
    doubled = pb.tree_map(lambda x, y: x + y, tree, tree)
    np.testing.assert_array_equal(doubled["w"], [[2, 4]])
    assert doubled["b"] == (6, None)
    with pytest.raises(ValueError, match="given for a dict"):
        pb.tree_map(lambda x, y: x, tree, {"w": 1.0})


def test_nests_as_vectors():
    tree = {"w": Tensor([[1.0, 2.0]], requires_grad=True), "b": (np.float32(3.0), None), "n": []}
    vector, unravel = pb.ravel_pytree(tree)
    assert vector.tolist() == [1, 2, 3]
    back = unravel(vector * 2)
    assert back["b"][0].dtype == np.float32 and back["b"][1] is None and back["n"].shape == (0,)
    np.testing.assert_array_equal(back["w"].detach().numpy(), [[2, 4]])
    (vector**2).sum().backward()
    np.testing.assert_array_equal(tree["w"].grad.numpy(), [[2, 4]])
    gradient = pb.grad(lambda v: unravel(v)["w"].sum() * unravel(v)["b"][0])(np.array([1.0, 2.0, 3.0]))
    np.testing.assert_allclose(gradient.numpy(), [3, 3, 3])
    with pytest.raises(ValueError, match=r"a vector of shape \(2,\) for 3 numbers"):
        unravel(np.zeros(2))
