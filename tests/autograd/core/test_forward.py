"""Forward mode: values by hand and by differences, nesting with reverse mode, errors."""

import gc
import weakref

import numpy as np
import pytest

import pullback as pb
from pullback import Tensor, grad, hessian, jvp

RNG = np.random.default_rng(0)
A, DA = RNG.normal(size=(2, 4, 3))

FUNCTIONS = {
    "elementwise": lambda a: pb.sin(a) * a / pb.exp(a),
    "broadcast": lambda a: a * a[:1] + a[:, :1],
    "where": lambda a: pb.where(A > 0, a * a, -a),
    "jointly linear": lambda a: pb.concatenate([a, a * a, 2 * a], axis=1),
    "setitem": lambda a: pb.setitem(a, (slice(1, 3), 0), a[0, :2] ** 2),
    "fancy index": lambda a: a[[0, 0, 3], [1, 1, 2]] ** 3,
    "product": lambda a: pb.prod(a, axis=0),
    "einsum": lambda a: pb.einsum("ij,kj,il->kl", a, a, a),
    "affine": lambda a: pb.affine(a, a, a[:, 0]),
    "conv": lambda a: pb.conv(a.reshape(1, 1, 4, 3), a[:2, :2].reshape(1, 1, 2, 2), padding=1),
    "max_pool": lambda a: pb.max_pool(a.reshape(1, 1, 4, 3), 2, stride=1),
    "sort": lambda a: pb.sort(a, axis=0),
    "median": lambda a: pb.median(a, axis=1),
    "softmax": lambda a: pb.softmax(a, axis=1),
    "singular values": lambda a: pb.linalg.svd(a, full_matrices=False)[1],
    "qr": lambda a: pb.linalg.qr(a)[0] @ pb.linalg.qr(a)[1] ** 2,
    "pinv": lambda a: pb.linalg.pinv(a),
    "solve": lambda a: pb.linalg.solve(a.T @ a, a[0]),
    "complex between": lambda a: pb.real(pb.fft.fft(a) * pb.conj(pb.fft.fft(a * a))),
    "in place": lambda a: _in_place(a),
}


def _in_place(a):
    x = a * 1
    x[0] = x[1] ** 2
    x *= a
    return x


@pytest.mark.parametrize("name", FUNCTIONS)
def test_beside_differences(name):
    f, h = FUNCTIONS[name], 1e-6
    value, tangent = jvp(f, (A,), (DA,))
    np.testing.assert_allclose(value.numpy(), f(Tensor(A)).numpy(), rtol=1e-14, atol=1e-14)
    slope = (f(Tensor(A + h * DA)).numpy() - f(Tensor(A - h * DA)).numpy()) / (2 * h)
    np.testing.assert_allclose(tangent.numpy(), slope, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_order_of_nesting_gives_the_same_second_derivative(name):
    def f(a):
        return (FUNCTIONS[name](a) ** 2).sum()

    expected = (pb.grad(lambda a: (grad(f)(a) * DA).sum())(A)).numpy()
    forward_over_reverse = jvp(grad(f), (A,), (DA,))[1].numpy()
    reverse_over_forward = grad(lambda a: jvp(f, (a,), (DA,))[1])(A).numpy()
    forward_over_forward = jvp(lambda a: jvp(f, (a,), (DA,))[1], (A,), (DA,))[1].item()
    size = np.abs(expected).max()
    np.testing.assert_allclose(forward_over_reverse, expected, rtol=1e-9, atol=1e-10 * size)
    np.testing.assert_allclose(reverse_over_forward, expected, rtol=1e-9, atol=1e-10 * size)
    assert forward_over_forward == pytest.approx((expected * DA).sum(), rel=1e-9, abs=1e-9 * size)


def test_third_order_in_all_mixtures():
    def forward(f):
        return lambda x: jvp(f, (x,), (1.0,))[1]

    for first in (forward, grad):
        for second in (forward, grad):
            for third in (forward, grad):
                assert third(second(first(lambda x: x**5)))(2.0).item() == 240


def test_no_perturbation_confusion():
    assert jvp(lambda x: x * jvp(lambda y: x + y, (1.0,), (1.0,))[1], (1.0,), (1.0,))[1].item() == 1
    assert jvp(lambda x: x * grad(lambda y: x * y)(2.0), (3.0,), (1.0,))[1].item() == 6
    assert grad(lambda x: x * jvp(lambda y: x * y, (2.0,), (1.0,))[1])(3.0).item() == 6


def test_graphs_of_outside_go_on_through_value_and_tangent():
    w = Tensor(2.0, requires_grad=True)
    value, tangent = jvp(lambda x: x * x * w, (3.0,), (1.0,))
    (value + 10 * tangent).backward()
    assert w.grad.item() == 9 + 60
    w.grad = None
    value, tangent = jvp(lambda x: grad(lambda z: z**3 * w)(x), (3.0,), (1.0,))
    (value + 100 * tangent).backward()
    assert w.grad.item() == 27 + 1800


def test_a_graph_made_outside_is_pulled_back_inside():
    x = Tensor(3.0, requires_grad=True)
    y = x**2

    def pulled(v):
        y.backward(v, retain_graph=True)
        return x.grad

    assert jvp(pulled, (1.0,), (2.0,))[1].item() == 12


def test_several_arguments_and_outputs_of_one_primitive():
    value, tangent = jvp(lambda x, y: x * y, (2.0, 5.0), (1.0, 10.0))
    assert (value.item(), tangent.item()) == (10, 25)
    a = A.T @ A

    def f(a):
        w, v = pb.linalg.eigh(a)
        return (v * pb.log(w)) @ v.T

    h = 1e-6
    d = DA.T @ DA
    slope = (f(Tensor(a + h * d)) - f(Tensor(a - h * d))).numpy() / (2 * h)
    np.testing.assert_allclose(jvp(f, (a,), (d,))[1].numpy(), slope, rtol=1e-6, atol=1e-7)


def test_what_does_not_depend_has_a_tangent_of_zeros():
    value, tangent = jvp(lambda x: Tensor([1.0, 2.0]), (3.0,), (1.0,))
    assert value.tolist() == [1, 2] and tangent.tolist() == [0, 0]
    assert jvp(lambda x: x.detach() * x, (3.0,), (1.0,))[1].item() == 3
    assert jvp(lambda x: pb.floor(x), (3.5,), (1.0,))[1].item() == 0


def test_complex_and_real_tangents():
    assert jvp(lambda z: z * z, (1 + 2j,), (1j,))[1].item() == (1 + 2j) * 2j
    assert jvp(pb.abs, (3 + 4j,), (1j,))[1].item() == pytest.approx(0.8)
    assert jvp(pb.imag, (3 + 4j,), (1j,))[1].item() == 1
    out = jvp(lambda x: x * 1j, (2.0,), (1.0,))[1]
    assert out.dtype == np.complex128 and out.item() == 1j
    assert jvp(lambda z: pb.real(z * pb.conj(z)), (3 + 4j,), (1 - 1j,))[1].item() == -2


def test_float32_stays_float32():
    value, tangent = jvp(lambda x: pb.exp(x) * 2, (np.float32(1),), (1.0,))
    assert value.dtype == tangent.dtype == np.float32


def test_values_steer_python_inside():
    def f(x):
        return x * x if x > 0 and x.item() < 9 and len(pb.stack([x, x])) == 2 else x

    assert jvp(f, (3.0,), (1.0,))[1].item() == 6
    assert hessian(lambda x: jvp(f, (x,), (x,))[1])(3.0).item() == 4


def test_a_loop_keeps_no_graph():
    alive = []

    def f(x):
        for _ in range(50):
            x = pb.sin(x)
            alive.append(weakref.ref(x))
        return x

    gc.disable()
    try:
        jvp(f, (np.ones(3),), (np.ones(3),))
        assert not any(ref() is not None for ref in alive)
    finally:
        gc.enable()


def test_nothing_remains_after_an_error():
    def f(x):
        raise ValueError("here")

    with pytest.raises(ValueError, match="here"):
        jvp(f, (1.0,), (1.0,))
    x = Tensor(2.0, requires_grad=True)
    (x * x).backward()
    assert x.grad.item() == 4


def test_a_value_that_escapes_is_an_error_and_no_number():
    escaped = []
    jvp(lambda x: escaped.append(x) or x, (np.ones(2),), (np.ones(2),))
    with pytest.raises(RuntimeError, match="outside of the transform"):
        escaped[0] * np.ones(2)


def test_errors_name_what_is_wrong():
    with pytest.raises(TypeError, match="primal 0 is int64"):
        jvp(lambda x: x, (1,), (1,))
    with pytest.raises(ValueError, match=r"tangent 0 has shape \(2,\), its primal \(3,\)"):
        jvp(lambda x: x, (np.ones(3),), (np.ones(2),))
    with pytest.raises(ValueError, match="jvp: tangents: .* given for a tuple of 1"):
        jvp(lambda x: x, (1.0,), (1.0, 2.0))
    with pytest.raises(TypeError, match="expected a Tensor"):
        jvp(lambda x: 3.0, (1.0,), (1.0,))
    with pytest.raises(TypeError, match="would lose it"):
        jvp(lambda x: pb.asarray(np.asarray(x)), (1.0,), (1.0,))


def test_a_tangent_has_the_shape_of_its_result():
    """Also where a rule gives that of its argument: a row that is added to rows, or to a column."""
    for other in (np.zeros((2, 3)), np.zeros((2, 1))):
        out, tangent = pb.jvp(lambda x, other=other: x + other, (np.ones(3),), (np.arange(3.0),))
        assert out.shape == tangent.shape == (2, 3)
        np.testing.assert_array_equal(tangent.data, [[0, 1, 2]] * 2)
