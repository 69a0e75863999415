import numpy as np
import pytest

from pullback import Tensor, exp
from pullback.testing import numerical_grad, numerical_jacobian

X = np.array([[0.5, -1.25], [2.0, 3.0]])
ACCURACY = {"forward": 1e-6, "backward": 1e-6, "central": 1e-9, "complex": 1e-15}


@pytest.mark.parametrize("method", ACCURACY)
def test_gradient_of_a_scalar_function(method):
    grad = numerical_grad(lambda x: np.sum(np.exp(x) * x), X, method=method)
    np.testing.assert_allclose(grad, np.exp(X) * (X + 1), rtol=0, atol=100 * ACCURACY[method])


def test_one_sided_differences_lie_on_both_sides_of_a_convex_slope():
    forward = numerical_grad(lambda x: np.sum(x**2), X, method="forward", eps=1e-3)
    backward = numerical_grad(lambda x: np.sum(x**2), X, method="backward", eps=1e-3)
    assert np.all(backward < 2 * X) and np.all(forward > 2 * X)


def test_at_a_kink_the_sides_differ():
    assert numerical_grad(np.abs, np.array(0.0), method="forward") == 1
    assert numerical_grad(np.abs, np.array(0.0), method="backward") == -1
    assert numerical_grad(np.abs, np.array(0.0), method="central") == 0


def test_jacobian():
    a = np.arange(6.0).reshape(2, 3)
    jacobian = numerical_jacobian(lambda x: a @ x, np.ones((3, 2)))
    assert jacobian.shape == (2, 2, 3, 2)
    np.testing.assert_allclose(jacobian, np.einsum("ij,kl->ikjl", a, np.eye(2)), atol=1e-9)


def test_array_function_weighted_by_a_gradient():
    g = np.array([[1.0, -2.0], [0.5, 3.0]])
    np.testing.assert_allclose(numerical_grad(np.sin, X, gradient=g), g * np.cos(X), rtol=1e-8)


@pytest.mark.parametrize("method", ACCURACY)
@pytest.mark.parametrize("scale", [1e-100, 1e-8, 1.0, 1e8, 1e100])
def test_steps_follow_the_scale_of_x(method, scale):
    x = scale * np.array([1.0, 2.0, 3.0])
    np.testing.assert_allclose(numerical_grad(lambda x: np.sum(np.log(x)), x, method=method), 1 / x, rtol=1e-6)


@pytest.mark.parametrize("method", ACCURACY)
def test_float32_stays_float32(method):
    grad = numerical_grad(lambda x: np.sum(x * x), X.astype(np.float32), method=method)
    assert grad.dtype == np.float32
    np.testing.assert_allclose(grad, 2 * X, rtol=5e-3)


def test_functions_of_tensors_are_called_with_tensors():
    seen = []

    def f(x):
        seen.append(type(x))
        return (exp(x) * x).sum()

    grad = numerical_grad(f, Tensor(X))
    assert set(seen) == {Tensor} and isinstance(grad, np.ndarray)
    np.testing.assert_allclose(grad, np.exp(X) * (X + 1), rtol=1e-8)
    np.testing.assert_allclose(numerical_grad(f, Tensor(2.0), method="complex"), np.exp(2) * 3, rtol=1e-15)


def test_neither_x_nor_its_layout_is_changed():
    x = X.copy()
    np.testing.assert_allclose(numerical_grad(lambda x: np.sum(x**3), x.T), 3 * x.T**2, rtol=1e-8)
    np.testing.assert_array_equal(x, X)


def test_empty_scalar_and_integer_inputs():
    assert numerical_grad(np.sum, np.zeros((0, 3))).shape == (0, 3)
    assert numerical_jacobian(np.exp, np.zeros((0,))).shape == (0, 0)
    assert numerical_grad(lambda x: x**2, 3) == pytest.approx(6)


def test_errors_name_what_is_wrong():
    with pytest.raises(ValueError, match="unknown method 'centre'.*forward, backward, central, complex"):
        numerical_grad(np.sum, X, method="centre")
    with pytest.raises(ValueError, match=r"f gives shape \(2, 2\)"):
        numerical_grad(np.sin, X)
    with pytest.raises(ValueError, match=r"gradient of shape \(3,\) given for f of shape \(2, 2\)"):
        numerical_grad(np.sin, X, gradient=np.ones(3))
    with pytest.raises(TypeError, match="x is complex128"):
        numerical_grad(np.sum, X + 1j)
