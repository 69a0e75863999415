import math

import numpy as np
import pytest

import pullback as pb
from pullback import Tensor

NAN = float("nan")


def leaf(values, dtype=None):
    return Tensor(values, requires_grad=True, dtype=dtype)


def gradients(f, *values):
    """The gradients of the sum of f at these values."""
    leaves = [leaf(v, np.float64) for v in values]
    f(*leaves).sum().backward()
    return [x.grad.data for x in leaves]


def gradient(f, value):
    return gradients(f, value)[0]


# f, x, f'(x) from tables
DERIVATIVES = [
    (pb.exp, 2.0, math.exp(2)),
    (pb.exp2, 3.0, 8 * math.log(2)),
    (pb.expm1, 1e-10, 1 + 1e-10),
    (pb.log, 4.0, 0.25),
    (pb.log2, 4.0, 0.25 / math.log(2)),
    (pb.log10, 4.0, 0.25 / math.log(10)),
    (pb.log1p, 3.0, 0.25),
    (pb.sqrt, 4.0, 0.25),
    (pb.square, 3.0, 6.0),
    (pb.reciprocal, 2.0, -0.25),
    (pb.sin, 1.0, math.cos(1)),
    (pb.cos, 1.0, -math.sin(1)),
    (pb.tan, 1.0, 1 / math.cos(1) ** 2),
    (pb.arcsin, 0.6, 1.25),
    (pb.arccos, 0.6, -1.25),
    (pb.arctan, 2.0, 0.2),
    (pb.sinh, 1.0, math.cosh(1)),
    (pb.cosh, 1.0, math.sinh(1)),
    (pb.tanh, 1.0, 1 / math.cosh(1) ** 2),
    (pb.arcsinh, 0.75, 0.8),
    (pb.arccosh, 1.25, 1 / 0.75),
    (pb.arctanh, 0.5, 4 / 3),
    (pb.sigmoid, 0.0, 0.25),
    (pb.softplus, 0.0, 0.5),
    (pb.abs, -2.0, -1.0),
    (pb.relu, 2.0, 1.0),
    (pb.relu, -2.0, 0.0),
    (pb.negative, 2.0, -1.0),
    (pb.positive, 2.0, 1.0),
]


@pytest.mark.parametrize("f, x, slope", DERIVATIVES, ids=lambda v: getattr(v, "name", str(v)))
def test_derivatives(f, x, slope):
    assert gradient(f, x) == pytest.approx(slope, rel=1e-14)
    np.testing.assert_allclose(gradient(f, [[x], [x]]), [[slope], [slope]], rtol=1e-14)


def test_two_arguments():
    a, b = np.array([[1.0], [2.0]]), np.array([3.0, 4.0, 5.0])
    for f, da, db in (
        (pb.add, [[3], [3]], [2, 2, 2]),
        (pb.subtract, [[3], [3]], [-2, -2, -2]),
        (pb.multiply, [[12], [12]], [3, 3, 3]),
        (pb.divide, [[47 / 60], [47 / 60]], [-3 / 9, -3 / 16, -3 / 25]),
        (pb.power, [[12], [3 * 4 + 4 * 8 + 5 * 16]], [8 * math.log(2), 16 * math.log(2), 32 * math.log(2)]),
        (pb.hypot, a * np.sum(1 / np.hypot(a, b), 1, keepdims=True), b * np.sum(1 / np.hypot(a, b), 0)),
    ):
        grad_a, grad_b = gradients(f, a, b)
        np.testing.assert_allclose(grad_a, da, rtol=1e-14)
        np.testing.assert_allclose(grad_b, db, rtol=1e-14)


def test_arctan2_in_all_quadrants():
    for y, x in ((1.0, 2.0), (1.0, -2.0), (-1.0, -2.0), (-1.0, 2.0), (1.0, 0.0)):
        dy, dx = gradients(pb.arctan2, y, x)
        assert dy == pytest.approx(x / (x * x + y * y)) and dx == pytest.approx(-y / (x * x + y * y))


def test_second_derivative_of_power_by_its_exponent_at_zero():
    x, y = leaf(2.0), leaf(0.0)
    (x**y).backward(create_graph=True)
    dx = x.grad
    y.grad = None
    dx.backward()
    assert y.grad.item() == pytest.approx(0.5)  # d/dy of y x^(y-1) at y = 0 is 1/x


def test_no_overflow_far_out():
    x = leaf([-1000.0, 1000.0])
    for f, value, slope in (
        (pb.sigmoid, [0, 1], [0, 0]),
        (pb.softplus, [0, 1000], [0, 1]),
        (pb.tanh, [-1, 1], [0, 0]),
    ):
        x.grad = None
        out = f(x)
        out.sum().backward()
        np.testing.assert_array_equal(out.data, value)
        np.testing.assert_array_equal(x.grad.data, slope)


def test_steps_have_gradient_zero():
    for f in (pb.sign, pb.floor, pb.ceil, pb.trunc, pb.rint):
        np.testing.assert_array_equal(gradient(f, [-1.7, 0.0, 2.3]), [0, 0, 0])
    assert gradients(pb.floor_divide, 7.0, 2.0) == [0, 0]
    assert gradients(pb.remainder, 7.5, 2.0) == [1, -3]
    assert gradients(pb.remainder, -7.5, 2.0) == [1, 4]


def test_where_and_clip():
    a, b = gradients(lambda a, b: pb.where(np.array([True, False]), a, b), [1.0, 2.0], 5.0)
    np.testing.assert_array_equal(a, [1, 0])
    assert b == 1
    np.testing.assert_array_equal(gradient(lambda x: x.clip(-1, 1), [-2.0, 0.5, 3.0]), [0, 1, 0])
    np.testing.assert_array_equal(gradient(lambda x: pb.clip(x, None, 1), [-2.0, 0.5, 3.0]), [1, 1, 0])
    x, low, high = gradients(pb.clip, [-2.0, 0.5, 3.0], -1.0, 1.0)
    np.testing.assert_array_equal(x, [0, 1, 0])
    assert (low, high) == (1, 1)
    x = Tensor([-2.0, 0.5, 3.0])
    for given in ({"a_min": -1.0, "a_max": 1.0}, {"min": -1.0, "max": 1.0}):
        np.testing.assert_array_equal(pb.clip(x, **given).data, [-1.0, 0.5, 1.0])


def test_a_nan_on_the_other_side_of_where_does_no_harm():
    x = leaf([-1.0, 4.0])
    pb.where(x.data > 0, x * 2, NAN).sum().backward()
    np.testing.assert_array_equal(x.grad.data, [0, 2])


def test_repeated_argument():
    assert gradient(lambda x: x * x, 3.0) == 6
    assert gradient(lambda x: x - x, 3.0) == 0
    assert gradient(lambda x: x / x, 3.0) == pytest.approx(0, abs=1e-16)
    assert gradient(lambda x: pb.maximum(x, x), 3.0) == 1


@pytest.mark.parametrize(
    "name",
    sorted(
        n
        for n, p in pb.registry.items()
        if [p.kinds.get(i) for i in p.arrays] == ["elementwise"] * len(p.rules) and not p.options and n != "imag"
    ),
)
@pytest.mark.parametrize("shape", [(), (3,)])
def test_float32_stays_float32(name, shape):
    made = pb.registry[name]
    xs = [leaf(np.full(shape, 0.5 if made.name != "arccosh" else 1.5), np.float32) for _ in made.arrays]
    out = made(*xs)
    out.sum().backward()
    assert out.dtype == np.float32 and all(x.grad.dtype == np.float32 for x in xs)


def test_python_numbers_do_not_widen_float32():
    x = leaf([1.0, 2.0], np.float32)
    out = pb.exp((2 * x + 1.0) ** 2 / 3 - 1)
    out.sum().backward()
    assert out.dtype == x.grad.dtype == np.float32
    assert (x * np.float64(2)).dtype == np.float64
    assert (x ** np.float64(2)).dtype == (x.data ** np.float64(2)).dtype  # float32 before NumPy 2.3


def test_broadcast_empty_and_scalar_arrays():
    a, b = gradients(pb.multiply, np.zeros((0, 3)), [1.0, 2.0, 3.0])
    assert a.shape == (0, 3)
    np.testing.assert_array_equal(b, [0, 0, 0])
    a, b = gradients(pb.multiply, np.ones((2, 1, 3)), np.full((4, 1), 2.0))
    np.testing.assert_array_equal(a, np.full((2, 1, 3), 8))
    np.testing.assert_array_equal(b, np.full((4, 1), 6))


def test_zero_dimensional_arrays_are_taken_as_scalars():
    assert pb.exp(np.array(0.0)) == 1 and not isinstance(pb.exp(np.array(0.0)), Tensor)
    assert gradient(pb.exp, np.array(0.0)) == 1


def test_astype():
    x = leaf([1.0, 2.0], np.float32)
    out = x.astype(np.float64) * np.array([1 / 3, 1.0])
    out.sum().backward()
    assert out.dtype == np.float64 and x.grad.dtype == np.float32
    counted = x.astype(int)
    assert counted.dtype == int and not counted.requires_grad


@pytest.mark.parametrize("f", [np.exp, np.sin, np.tanh, np.maximum, np.where, np.clip], ids=lambda f: f.__name__)
def test_numpy_functions_dispatch(f):
    given = {np.maximum: (Tensor([0.5]), 0.2), np.where: (np.array([True]), Tensor([0.5]), 0.0)}
    args = {**given, np.clip: (Tensor([0.5]), 0.0, 1.0)}.get(f, (Tensor([0.5]),))
    out = f(*args)
    assert isinstance(out, Tensor)
    np.testing.assert_array_equal(out.data, f(*(a.data if isinstance(a, Tensor) else a for a in args)))


def test_numpy_on_the_left():
    x = leaf([1.0, 2.0])
    for out in (np.array([3.0, 4.0]) * x, np.float64(3) * x, np.multiply(np.array([3.0, 4.0]), x)):
        assert isinstance(out, Tensor) and out.requires_grad


@pytest.mark.parametrize("f", [pb.maximum, pb.minimum, pb.fmax, pb.fmin], ids=lambda f: f.name)
def test_extrema_beside_nan(f):
    a, b = gradients(f, [NAN, 1.0, NAN], [1.0, NAN, NAN])
    np.testing.assert_array_equal(a + b, [1, 1, 1])
    assert a[0] == (0 if f in (pb.fmax, pb.fmin) else 1)


def test_new_ufuncs_and_functions_have_numpys_values():
    x = np.array([-1.75, -0.5, 0.25, 2.5])
    unary = (np.cbrt, np.fabs, np.deg2rad, np.degrees, np.sinc, np.trunc, np.round, np.real, np.imag, np.angle)
    for f in (*unary, np.modf, np.frexp, np.nan_to_num, np.rint):
        for out, expected in zip(f(Tensor(x)), f(x), strict=True):
            np.testing.assert_allclose(out.data, expected, rtol=1e-14, atol=1e-16)
    for f in (np.fmod, np.copysign, np.heaviside, np.logaddexp2, np.fmax, np.divmod, np.float_power, np.nextafter):
        for out, expected in zip(f(Tensor(abs(x)), 1.5), f(abs(x), 1.5), strict=True):
            np.testing.assert_allclose(out.data, expected, rtol=1e-14)


def test_sinc_at_zero():
    x = leaf(0.0)
    pb.sinc(x).backward(create_graph=True)
    first, x.grad = x.grad, None
    first.backward()
    assert first.item() == pytest.approx(0, abs=1e-15)
    assert x.grad.item() == pytest.approx(-(math.pi**2) / 3)  # from the series 1 - (pi x)^2 / 6 + ...


def test_complex_gradients_are_d_dx_less_i_d_dy():
    z = np.array([3.0 + 4.0j])
    for f, expected in (
        (pb.real, 1),
        (pb.imag, -1j),
        (pb.abs, 0.6 - 0.8j),
        (pb.angle, (-4 - 3j) / 25),
        (lambda z: pb.real(z * z), 2 * z),
    ):
        x = Tensor(z, requires_grad=True)
        f(x).sum().backward()
        np.testing.assert_allclose(x.grad.data, expected)


def test_nan_to_num_passes_on_what_is_finite():
    np.testing.assert_array_equal(gradient(pb.nan_to_num, [1.0, NAN, np.inf]), [1, 0, 0])


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_the_slope_of_expm1_keeps_its_digits_where_it_is_small(dtype):
    x = Tensor(np.array([-30.0, -20.0, 0.5], dtype), requires_grad=True)
    pb.expm1(x).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), np.exp([-30.0, -20.0, 0.5]), rtol=1e-6 if dtype == np.float32 else 1e-15)
