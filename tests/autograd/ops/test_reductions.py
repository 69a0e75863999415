import math
from fractions import Fraction

import numpy as np
import pytest

import pullback as pb
from pullback import Tensor
from pullback.testing import gradgradcheck

X = np.random.default_rng(3).normal(size=(2, 3, 4))
AXES = [None, 0, -1, (0, 2), (1, -1), ()]
FORMULAS = {  # for moderate numbers
    "logsumexp": lambda x, axis=None: np.log(np.exp(x).sum(axis)),
    "softmax": lambda x, axis=None: np.exp(x) / np.exp(x).sum(axis, keepdims=True),
    "log_softmax": lambda x, axis=None: x - np.log(np.exp(x).sum(axis, keepdims=True)),
}


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
def test_gradients_are_pytorchs(torch, name, axis, keepdims):
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
    np.testing.assert_allclose(pb.logsumexp(Tensor(X), (0, 2)).data, FORMULAS["logsumexp"](X, (0, 2)), rtol=1e-14)
    assert pb.logsumexp(Tensor(np.zeros((0, 2))), 0).data.tolist() == [-np.inf, -np.inf]


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_softmax_and_its_logarithm(axis):
    np.testing.assert_allclose(pb.softmax(Tensor(X), axis).data, FORMULAS["softmax"](X, axis), rtol=1e-14)
    np.testing.assert_allclose(pb.log_softmax(Tensor(X), axis).data, FORMULAS["log_softmax"](X, axis), rtol=1e-14)
    np.testing.assert_allclose(gradient(lambda x: pb.softmax(x, axis), X), np.zeros_like(X), atol=1e-15)
    n, p = X.shape[axis], FORMULAS["softmax"](X, axis)
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
        np.testing.assert_allclose(out.data, FORMULAS[name](np.array(values, float)))


def windows(x, g, without):
    """The sum over j of g_j times the product of x_0 ... x_j without two (perhaps no) places, exact."""
    x, g = ([Fraction(float(v)) for v in values] for values in (x, g))
    reached = range(max(without, default=0), len(x))
    return builtins_sum(g[j] * math.prod(x[i] for i in range(j + 1) if i not in without) for j in reached)


def close(actual, exact, dtype):
    """Whether a number is the exact one but for rounding, or inf where that is beyond the dtype."""
    kind = np.finfo(dtype)
    if abs(exact) > Fraction(float(kind.max)):
        return actual == (np.inf if exact > 0 else -np.inf)
    error = abs(Fraction(float(actual)) - exact)
    return error <= 20 * abs(exact) * Fraction(float(kind.eps)) + 4 * Fraction(float(kind.smallest_subnormal))


RANGES = [  # neighbours' products are beyond the range of numbers, where the results are within
    ([-200, 200, 200, -200], [0, 0, 0, 0]),
    ([200, 200, -200, -200], [0, 0, 0, 0]),
    ([-300, -300, 300, 300, 10], [0, 0, 0, -200, -300]),
    ([200, -200, -200, -200], [0, 0, 0, 100]),
    ([300, 300, 300], [-300, 0, -300]),
    ([300, None, 300, -300], [0, 0, 0, 0]),
    ([-300, 250, None, 250, -300], [None, 0, 0, None, 100]),
    ([250, 250, None, None, 2], [0, 0, 0, 0, 0]),
    ([30, 250, 250, 250], [0, None, None, None]),
    ([-300, 300] * 20, [0] * 40),
]


@pytest.mark.parametrize("powers, of_g", RANGES, ids=str)
@pytest.mark.parametrize("dtype, part", [(np.float32, 1 / 8), (np.float64, 1)])
@pytest.mark.parametrize("name", ["cumprod", "prod"])
@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid")
def test_products_beyond_the_range_of_numbers(name, dtype, part, powers, of_g):
    x, g = (np.array([0 if p is None else 1.5 * 10 ** (p * part) for p in v], dtype) for v in (powers, of_g))
    if name == "prod":
        g[:-1] = 0
    t = Tensor(x, requires_grad=True)
    getattr(pb, name)(t).backward(g if name == "cumprod" else g[-1])
    exact = [windows(x, g, {k}) for k in range(len(x))]
    assert all(map(close, t.grad.data, exact, [dtype] * len(x))), t.grad.data
    if name == "cumprod":  # the tangent of the last product
        tangent = pb.jvp(pb.cumprod, (Tensor(x),), (Tensor(np.eye(len(x), dtype=dtype)[0]),))[1].data
        last = [windows(x[:n], np.eye(n)[-1], {0}) for n in range(1, len(x) + 1)]
        assert all(map(close, tangent, last, [dtype] * len(x))), tangent


@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid")
@pytest.mark.parametrize("powers", [[-200, 200, 200, -200], [-300, -100, 200, 100], [-100, None, 200, -100]], ids=str)
@pytest.mark.parametrize("f", [pb.prod, lambda x: pb.cumprod(x)[-1]], ids=["prod", "cumprod"])
def test_second_derivatives_of_products_beyond_the_range_of_numbers(f, powers):
    x = np.array([0 if p is None else 1.5 * 10.0**p for p in powers])
    actual = pb.hessian(f)(Tensor(x)).data
    for i, j in np.ndindex(4, 4):
        assert close(actual[i, j], windows(x, [0, 0, 0, 1], {i, j}) if i != j else 0, np.float64)


def test_a_running_product_is_not_spoilt_by_what_comes_later():
    x = Tensor([1.0, 2.0, np.inf, 3.0], requires_grad=True)
    pb.cumprod(x)[1].backward()
    assert x.grad.data.tolist() == [2, 1, 0, 0]


@pytest.mark.parametrize("x, b, expected", [
    ([1000, 1000], [1, 2], 1000 + np.log(3)), ([1000, 0], [0, 1], 0), ([0, 1], [3, -1], np.log(3 - np.e)),
    ([-np.inf, -np.inf], [1, 1], -np.inf), ([np.inf, 0], [0, 1], 0), ([1, 2], 2, np.log(2 * (np.e + np.e**2))),
])  # fmt: skip
@pytest.mark.filterwarnings("ignore:divide by zero")
def test_logsumexp_with_factors(x, b, expected):
    for dtype, rel in ((np.float32, 1e-6), (np.float64, 1e-14)):
        out = pb.special.logsumexp(Tensor(np.array(x, dtype)), b=np.asarray(b, dtype))
        assert out.dtype == dtype and out.item() == pytest.approx(expected, rel=rel)


def test_gradients_of_logsumexp_with_factors():
    x, b = Tensor([[1.0, 2.0], [3.0, 4.0]]), Tensor([0.0, 2.0])
    e = np.exp(x.numpy())
    by_x, by_b = pb.grad(lambda x, b: pb.logsumexp(x, 1, b=b).sum(), (0, 1))(x, b)
    np.testing.assert_allclose(by_x.numpy(), [[0, 1], [0, 1]], rtol=1e-14)
    np.testing.assert_allclose(by_b.numpy(), (e / (2 * e[:, 1:])).sum(0), rtol=1e-14)
    assert gradgradcheck(lambda x, b: pb.logsumexp(x, 1, b=b), (Tensor(X[0], True), Tensor(X[1] ** 2 + 1, True)))


def test_weighted_logsumexp_takes_a_mask_and_no_start():
    x, b, mask = np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 4.0]), [True, False, True]
    out = pb.logsumexp(Tensor(x), b=b, where=mask)
    assert out.item() == pytest.approx(np.log(np.exp(1) + 4 * np.exp(3)), rel=1e-14)
    with pytest.raises(TypeError, match="initial="):
        pb.logsumexp(Tensor(x), b=b, initial=0.0)


def test_the_gradient_of_a_variance_by_hand():
    """2 (x - mean) / (n - correction), of which n - correction may be a fraction."""
    for correction, scale in ((0, 2 / 3), (1, 1.0), (0.5, 0.8)):
        x = Tensor([1.0, 2.0, 6.0], requires_grad=True)
        pb.var(x, correction=correction).backward()
        np.testing.assert_allclose(x.grad.data, scale * np.array([-2.0, -1.0, 3.0]), rtol=1e-14)


def test_what_is_infinite_shares_an_infinite_sum():
    x = Tensor([[np.inf, 0.0, np.inf], [-np.inf, -np.inf, -np.inf]], requires_grad=True)
    y = pb.logsumexp(x, axis=1)
    y.backward(np.array([4.0, 4.0]))
    assert y.data.tolist() == [np.inf, -np.inf] and x.grad.data.tolist() == [[2, 0, 2], [0, 0, 0]]


@pytest.mark.parametrize("axis", [0, -1])
def test_a_number_has_an_axis_to_reduce(axis):
    x = np.array(5.0)
    for name in ("sum", "max", "nansum", "nanmean", "nanvar", "nanstd", "cumsum", "cumprod", "nancumsum", "squeeze"):
        out = getattr(pb, name)(Tensor(x), axis=axis)
        expected = getattr(np, name)(x, axis=axis)
        assert out.shape == expected.shape and out.tolist() == expected.tolist()
    for name, value in (("mean", 5), ("var", 0), ("std", 0), ("logsumexp", 5)):  # which PyTorch has, too
        assert getattr(pb, name)(Tensor(x), axis=axis).tolist() == value
    t = Tensor(5.0, requires_grad=True)
    (pb.mean(t, axis=axis) + pb.cumsum(t, axis=axis)[0]).backward()
    assert t.grad.tolist() == 2
    for f in (pb.sum, pb.mean, pb.cumsum, pb.squeeze):
        with pytest.raises(np.exceptions.AxisError, match="axis 1 does not fit an array of 0 dimensions"):
            f(t, axis=1)
