import numpy as np
import pytest

from pullback import Tensor, exp
from pullback.testing import numerical_grad, numerical_jacobian

X = np.array([[0.5, -1.25], [2.0, 3.0]])
ACCURACY = {
    "forward": 1e-6,
    "backward": 1e-6,
    "central": 1e-9,
    "fourth": 1e-12,
    "richardson": 1e-12,
    "complex": 1e-15,
    "auto": 1e-15,
}


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
    np.testing.assert_allclose(numerical_grad(lambda x: np.sum(np.log(x / scale)), x, method=method), 1 / x, rtol=1e-6)


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
    with pytest.raises(
        ValueError, match="unknown method 'centre'.*forward, backward, central, fourth, richardson, complex, auto"
    ):
        numerical_grad(np.sum, X, method="centre")
    with pytest.raises(ValueError, match=r"f gives shape \(2, 2\)"):
        numerical_grad(np.sin, X)
    with pytest.raises(ValueError, match=r"gradient of shape \(3,\) given for f of shape \(2, 2\)"):
        numerical_grad(np.sin, X, gradient=np.ones(3))
    with pytest.raises(TypeError, match="the complex step is for real x, not complex128"):
        numerical_grad(np.sum, X + 1j, method="complex")


Z = X + 1j * X.T
COMPLEX = {  # f, its derivatives by the real and by the imaginary part, and the gradient of Re f
    "holomorphic": (np.exp, np.exp(Z), 1j * np.exp(Z), np.exp(Z)),
    "conj": (np.conj, np.ones_like(Z), -1j * np.ones_like(Z), np.ones_like(Z)),
    "real": (np.real, np.ones(Z.shape), np.zeros(Z.shape), np.ones_like(Z)),
    "imag": (np.imag, np.zeros(Z.shape), np.ones(Z.shape), -1j * np.ones_like(Z)),
    "abs": (np.abs, Z.real / np.abs(Z), Z.imag / np.abs(Z), np.conj(Z) / np.abs(Z)),
    "to one": (lambda z: z * np.conj(z), 2 * Z.real + 0j, 2 * Z.imag + 0j, 2 * np.conj(Z)),
}


@pytest.mark.parametrize("method", ["central", "forward", "backward", "fourth", "richardson", "auto"])
@pytest.mark.parametrize("name", COMPLEX)
def test_complex_numbers(name, method):
    f, by_real, by_imag, gradient = COMPLEX[name]
    jacobian = numerical_jacobian(f, Z, method=method)
    assert jacobian.shape == (2, 2, 2, 2, 2) and jacobian.dtype == by_real.dtype
    diagonal = np.einsum("ijijd->dij", jacobian)
    np.testing.assert_allclose(diagonal, [by_real, by_imag], atol=1e-5)
    assert np.count_nonzero(np.abs(jacobian) > 1e-6) == np.count_nonzero(np.abs(diagonal) > 1e-6)
    grad = numerical_grad(f, Z, method=method, gradient=np.ones((2, 2)))
    np.testing.assert_allclose(grad, gradient, atol=1e-5)
    turned = numerical_grad(f, Z, method=method, gradient=np.full((2, 2), -1j))
    np.testing.assert_allclose(turned, np.imag(by_real) - 1j * np.imag(by_imag), atol=1e-5)


def test_complex_results_of_real_numbers():
    jacobian = numerical_jacobian(lambda x: np.exp(1j * x), X[0])
    np.testing.assert_allclose(jacobian, np.diag(1j * np.exp(1j * X[0])), atol=1e-8)
    grad = numerical_grad(lambda x: np.exp(1j * x), X[0], gradient=np.array([1, 1j]))
    np.testing.assert_allclose(grad, [-np.sin(X[0, 0]), -np.cos(X[0, 1])], atol=1e-8)
    assert numerical_grad(lambda z: np.sum(z * z), Z.astype(np.complex64)).dtype == np.complex64
