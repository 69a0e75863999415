import numpy as np
import pytest
import scipy.special

import pullback as pb
from pullback import Tensor
from pullback.testing import gradgradcheck

X = np.random.default_rng(3).normal(size=(2, 3, 4))
AXES = [None, 0, -1, (0, 2), (1, -1), ()]


def gradient(f, values, g=None):
    x = Tensor(values, requires_grad=True)
    out = f(x)
    out.backward(np.ones(out.shape) if g is None else g)
    return x.grad.data


@pytest.mark.parametrize("name", ["sum", "mean", "max", "min", "prod", "var", "std"])
@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("keepdims", [False, True])
def test_values_are_numpys(name, axis, keepdims):
    expected = getattr(np, name)(X, axis=axis, keepdims=keepdims)
    for out in (
        getattr(pb, name)(Tensor(X), axis=axis, keepdims=keepdims),
        getattr(Tensor(X), name)(axis=axis, keepdims=keepdims),
        getattr(np, name)(Tensor(X), axis=axis, keepdims=keepdims),
    ):
        assert isinstance(out, Tensor)
        np.testing.assert_allclose(out.data, expected, rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("axis", [1, (0, 2), None])
@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("name", ["sum", "mean", "max", "prod", "var", "std", "logsumexp"])
def test_gradients_are_pytorchs(name, axis, keepdims):
    torch = pytest.importorskip("torch")
    x = torch.tensor(X, requires_grad=True)
    axes = tuple(range(3)) if axis is None else axis
    if name == "prod":
        t = torch.prod(x, 1, keepdim=keepdims) if axis == 1 else None
    elif name == "max":
        t = torch.amax(x, axes, keepdim=keepdims)
    elif name in ("var", "std"):
        t = getattr(torch, name)(x, axes, correction=0, keepdim=keepdims)
    else:
        t = getattr(torch, name)(x, axes, keepdim=keepdims)
    if t is None:
        pytest.skip("torch.prod takes one axis")
    g = np.random.default_rng(4).normal(size=tuple(t.shape))
    t.backward(torch.tensor(g))
    ours = gradient(lambda v: getattr(pb, name)(v, axis, keepdims=keepdims), X, g)
    np.testing.assert_allclose(ours, x.grad.numpy(), rtol=1e-12, atol=1e-14)


def test_second_derivatives_of_prod_with_two_zeros():
    x = Tensor([0.0, 0.0, 4.0], requires_grad=True)
    pb.prod(x).backward(create_graph=True)
    first = x.grad
    x.grad = None
    first[0].backward()
    np.testing.assert_array_equal(x.grad.data, [0, 4, 0])  # d2/dx0 dx1 = x2
    assert gradgradcheck(pb.prod, Tensor([0.0, 0.0, 2.0, -1.0], requires_grad=True))


def test_prod_of_nothing():
    assert pb.prod(Tensor(np.zeros(0))).item() == 1
    np.testing.assert_array_equal(pb.prod(Tensor(np.zeros((0, 2))), 0).data, [1, 1])
    assert gradient(lambda x: pb.prod(x, 0), np.zeros((0, 2))).shape == (0, 2)


def test_logsumexp():
    assert pb.logsumexp(Tensor([1000.0, 1000.0])).item() == pytest.approx(1000 + np.log(2), rel=1e-15)
    assert pb.logsumexp(Tensor([-np.inf, -np.inf])).item() == -np.inf
    assert pb.logsumexp(Tensor([np.inf, 0.0])).item() == np.inf
    np.testing.assert_array_equal(gradient(pb.logsumexp, [-np.inf, 3.0]), [0, 1])
    assert np.all(np.isfinite(gradient(pb.logsumexp, [-np.inf, -np.inf])))
    np.testing.assert_allclose(pb.logsumexp(Tensor(X), (0, 2)).data, scipy.special.logsumexp(X, (0, 2)), rtol=1e-14)
    assert pb.logsumexp(Tensor(np.zeros((0, 2))), 0).data.tolist() == [-np.inf, -np.inf]


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_softmax_and_its_logarithm(axis):
    np.testing.assert_allclose(pb.softmax(Tensor(X), axis).data, scipy.special.softmax(X, axis), rtol=1e-14)
    np.testing.assert_allclose(pb.log_softmax(Tensor(X), axis).data, scipy.special.log_softmax(X, axis), rtol=1e-14)
    np.testing.assert_allclose(gradient(lambda x: pb.softmax(x, axis), X), np.zeros_like(X), atol=1e-15)
    n, p = X.shape[axis], scipy.special.softmax(X, axis)
    np.testing.assert_allclose(gradient(lambda x: pb.log_softmax(x, axis), X), 1 - n * p, atol=1e-14)


def test_softmax_far_out():
    np.testing.assert_array_equal(pb.softmax(Tensor([1000.0, 0.0, -np.inf])).data, [1, 0, 0])
    np.testing.assert_array_equal(pb.log_softmax(Tensor([1000.0, 0.0])).data, [0, -1000])


def test_correction():
    assert pb.var(Tensor([1.0, 2.0, 6.0]), correction=1).item() == 7
    assert np.var(Tensor([1.0, 2.0, 6.0]), correction=1).item() == 7


def test_cumsum():
    np.testing.assert_array_equal(pb.cumsum(Tensor([[1.0, 2.0], [3.0, 4.0]])).data, [1, 3, 6, 10])
    np.testing.assert_array_equal(pb.cumsum(Tensor([[1.0, 2.0], [3.0, 4.0]]), 0).data, [[1, 2], [4, 6]])
    np.testing.assert_array_equal(gradient(pb.cumsum, [5.0, 6.0, 7.0], [1.0, 10.0, 100.0]), [111, 110, 100])
    np.testing.assert_array_equal(pb.cumsum(Tensor([1.0, 2.0, 3.0]), reverse=True).data, [6, 5, 3])


def test_empty_and_scalar():
    assert pb.sum(Tensor(np.zeros((0, 3)))).item() == 0
    assert gradient(pb.sum, np.zeros((0, 3))).shape == (0, 3)
    for f in (pb.sum, pb.mean, pb.max, pb.min, pb.prod, pb.logsumexp):
        assert f(Tensor(2.5)).item() == 2.5 and gradient(f, 2.5) == 1
    with pytest.raises(ValueError, match="zero-size"):
        pb.max(Tensor(np.zeros(0)))


@pytest.mark.parametrize(
    "name", ["sum", "mean", "max", "min", "prod", "var", "std", "logsumexp", "softmax", "log_softmax"]
)
@pytest.mark.parametrize("whole", [False, True])
def test_float32_stays_float32(name, whole):
    x = Tensor(X.astype(np.float32), requires_grad=True)
    out = getattr(pb, name)(x if not whole else x.reshape(-1), axis=0)
    out.sum().backward()
    assert out.dtype == x.grad.dtype == np.float32


def test_dtype():
    x = Tensor(np.ones(3, np.float32), requires_grad=True)
    out = pb.sum(x, dtype=np.float64)
    out.backward()
    assert out.dtype == np.float64 and x.grad.dtype == np.float32


def test_a_wrong_axis_is_named():
    for f in (pb.sum, pb.max, pb.softmax, pb.cumsum, pb.var):
        with pytest.raises(np.exceptions.AxisError, match="axis 3"):
            f(Tensor(X), axis=3)
    with pytest.raises(np.exceptions.AxisError, match="sum"):
        pb.sum(Tensor(X), axis=(0, -3))


def test_ufunc_methods():
    np.testing.assert_array_equal(np.add.reduce(Tensor(X)).data, X.sum(0))
    np.testing.assert_array_equal(np.maximum.reduce(Tensor(X), axis=1, keepdims=True).data, X.max(1, keepdims=True))
    np.testing.assert_allclose(np.multiply.reduce(Tensor(X), axis=(0, 1)).data, X.prod((0, 1)), rtol=1e-14)
    np.testing.assert_array_equal(np.subtract.reduce(Tensor(X)).data, np.subtract.reduce(X))


def test_cumprod_with_zeros():
    def by_hand(x):  # the derivative of the sum of the running products
        n = len(x)
        return [builtins_sum(np.prod(np.delete(x[: i + 1], k)) for i in range(k, n)) for k in range(n)]

    for x in ([2.0, 0.0, 3.0, 4.0], [0.0, 0.0, 5.0], [1.5, -2.0, 3.0, 0.5, 4.0], [3.0], []):
        np.testing.assert_allclose(pb.cumprod(Tensor(x)).data, np.cumprod(x))
        np.testing.assert_allclose(gradient(pb.cumprod, np.array(x)), by_hand(np.array(x)))
    assert gradgradcheck(pb.cumprod, Tensor([2.0, 0.0, 3.0, 0.0, -1.0], requires_grad=True))
    np.testing.assert_array_equal(np.cumprod(Tensor(X), axis=1).data, np.cumprod(X, 1))


builtins_sum = sum


@pytest.mark.parametrize("name", ["cumulative_sum", "cumulative_prod"])
def test_cumulative(name):
    f = getattr(np, name)
    for options in ({"axis": 1}, {"axis": -1, "include_initial": True}, {"axis": 0, "dtype": np.float32}):
        out = f(Tensor(X), **options)
        np.testing.assert_allclose(out.data, f(X, **options), rtol=1e-6)
        assert out.dtype == f(X, **options).dtype
    with pytest.raises(ValueError, match="axis is needed"):
        f(Tensor(X))


@pytest.mark.parametrize("name", ["sum", "prod", "mean", "max", "min"])
def test_where_and_initial(name):
    f, mask = getattr(np, name), X > -0.5
    options = {"mean": {}, "max": {"initial": -1.0}, "min": {"initial": 1.0}}.get(name, {"initial": 2.0})
    np.testing.assert_allclose(f(Tensor(X), 1, where=mask, **options).data, f(X, 1, where=mask, **options), rtol=1e-13)
    np.testing.assert_allclose(f(Tensor(X), **options).data, f(X, **options), rtol=1e-13)
    with pytest.raises(TypeError, match=f"numpy.{name}: out is a NumPy array"):
        f(Tensor(X, requires_grad=True), out=np.zeros(()))


@pytest.mark.parametrize("f", [np.sum, np.prod, np.max, np.min])
def test_initial_is_what_there_is_of_nothing(f):
    x = np.zeros((2, 0, 3), np.float32)
    for options in ({"axis": 1}, {"axis": (0, 1), "keepdims": True}, {}):
        out, expected = f(Tensor(x), initial=2.5, **options), f(x, initial=2.5, **options)
        np.testing.assert_array_equal(out.numpy(), expected)
        assert out.dtype == np.float32 and out.shape == np.shape(expected)


def test_where_of_an_extremum_needs_initial():
    with pytest.raises(ValueError, match="max: where= needs initial="):
        pb.max(Tensor(X), where=X > 0)
    np.testing.assert_allclose(pb.ptp(Tensor(X), 0).data, np.ptp(X, 0))


def test_logsumexp_keeps_small_terms():
    assert pb.logsumexp(Tensor([0.0, -50.0])).item() == pytest.approx(np.exp(-50), rel=1e-14)
    assert np.isnan(pb.logsumexp(Tensor([np.nan, 0.0])).item())


@pytest.mark.parametrize("name", ["sum", "prod", "max", "min", "logsumexp", "softmax", "log_softmax"])
@pytest.mark.parametrize("axis", [0, -1])
def test_a_number_has_an_axis_as_numpy_lets_pass(name, axis):
    expected = {"softmax": (1, 0), "log_softmax": (0, 0)}.get(name, (3, 1))
    value, slope = pb.value_and_grad(lambda x: getattr(pb, name)(x, axis))(3.0)
    assert (value.item(), slope.item(), value.shape) == (*expected, ())
    with pytest.raises(np.exceptions.AxisError):
        getattr(pb, name)(Tensor(3.0), 1)


@pytest.mark.parametrize("name", ["logsumexp", "softmax", "log_softmax"])
def test_exponentials_of_integers(name):
    for values in ([1, 2, 5], [True, False]):
        out = getattr(pb, name)(Tensor(values))
        np.testing.assert_allclose(out.data, getattr(scipy.special, name)(np.array(values, float)))
