import numpy as np
import pytest

import pullback as pb
from pullback import Tensor
from pullback.testing import gradcheck, gradgradcheck

X = np.random.default_rng(5).permutation(24).reshape(2, 3, 4) / 4.0
HOLES = X.copy()
HOLES[[0, 0, 1, 1], [0, 1, 2, 1], [1, 0, 3, 1]] = np.nan
AXES = [None, 0, -1, (0, 2)]
METHODS = [
    *("inverted_cdf", "averaged_inverted_cdf", "closest_observation", "interpolated_inverted_cdf", "hazen", "weibull"),
    *("linear", "median_unbiased", "normal_unbiased", "lower", "higher", "midpoint", "nearest"),
]


def leaf(values):
    return Tensor(values, requires_grad=True)


def gradient(f, values):
    x = leaf(values)
    f(x).sum().backward()
    return x.grad.data


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("axis", [None, 1])
def test_quantiles_are_numpys(method, axis):
    q = np.array([[0, 0.05, 0.25, 0.5], [0.6, 2 / 3, 0.875, 1]])
    for name in ("quantile", "nanquantile"):
        x = X if name == "quantile" else HOLES
        out = getattr(np, name)(leaf(x), q, axis=axis, method=method)
        np.testing.assert_allclose(out.data, getattr(np, name)(x, q, axis=axis, method=method), rtol=1e-13)


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("keepdims", [False, True])
def test_median_and_percentile(axis, keepdims):
    for name, args in (("median", ()), ("percentile", (30,)), ("percentile", ([30, 70],))):
        out = getattr(np, name)(leaf(X), *args, axis=axis, keepdims=keepdims)
        np.testing.assert_allclose(out.data, getattr(np, name)(X, *args, axis=axis, keepdims=keepdims), rtol=1e-14)
        name = "nan" + name
        out = getattr(np, name)(leaf(HOLES), *args, axis=axis, keepdims=keepdims)
        np.testing.assert_allclose(out.data, getattr(np, name)(HOLES, *args, axis=axis, keepdims=keepdims), rtol=1e-14)


def test_gradients_of_quantiles():
    q = leaf([0.3, 0.8])
    assert gradcheck(lambda x, q: pb.quantile(x, q, 1), (leaf(X), q))
    assert gradgradcheck(lambda x, q: pb.quantile(x, q, 1), (leaf(X[0]), q))
    np.testing.assert_array_equal(gradient(pb.median, [3.0, 1.0, 8.0, 4.0]), [0.5, 0, 0, 0.5])
    np.testing.assert_array_equal(gradient(pb.median, [3.0, 1.0, 8.0]), [1, 0, 0])
    assert gradient(pb.median, [2.0, 2.0, 2.0, 2.0]).sum() == 1
    np.testing.assert_array_equal(gradient(lambda x: pb.quantile(x, 0.25), [3.0, 1.0, 8.0]), [0.5, 0.5, 0])


def test_a_nan_makes_a_nan_and_gets_the_gradient():
    assert np.isnan(pb.median(leaf([1.0, np.nan, 2.0])).item())
    for f in (pb.median, pb.max, pb.min, lambda x: pb.quantile(x, 0.5)):
        np.testing.assert_array_equal(gradient(f, [1.0, np.nan, 2.0]), [0, 1, 0])
    assert np.isnan(pb.nanmedian(leaf([np.nan, np.nan])).item())


def test_errors_of_quantiles():
    with pytest.raises(ValueError, match="method 'wrong'"):
        pb.quantile(X, 0.5, method="wrong")
    with pytest.raises(ValueError, match="q must be from 0 to 100"):
        pb.percentile(X, 101)
    with pytest.raises(ValueError, match="quantile: weights go with method 'inverted_cdf'"):
        np.quantile(leaf(X), 0.5, weights=np.ones(X.shape))


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("name", ["nansum", "nanprod", "nanmean", "nanvar", "nanstd", "nanmax", "nanmin"])
def test_functions_without_nan(name, axis):
    x = HOLES / 4
    out = getattr(np, name)(leaf(x), axis=axis, keepdims=True)
    np.testing.assert_allclose(out.data, getattr(np, name)(x, axis=axis, keepdims=True), rtol=1e-13)
    full = getattr(np, name)
    assert gradcheck(lambda v: full(np.where(np.isnan(x), np.nan, v), axis=axis), leaf(np.nan_to_num(x)))


def test_running_functions_without_nan():
    x = np.array([2.0, np.nan, 3.0])
    np.testing.assert_array_equal(np.nancumsum(leaf(x)).data, [2, 2, 5])
    np.testing.assert_array_equal(np.nancumprod(leaf(x)).data, [2, 2, 6])


def test_var_with_numpys_options():
    for options in ({"ddof": 1}, {"where": X > 2}, {"dtype": np.float32}, {"mean": np.mean(X, 1, keepdims=True)}):
        for name in ("var", "std"):
            out = getattr(np, name)(leaf(X), axis=1, **options)
            np.testing.assert_allclose(out.data, getattr(np, name)(X, axis=1, **options), rtol=1e-6)
    z = X + 1j * X[::-1]
    np.testing.assert_allclose(np.var(Tensor(z)).data, np.var(z), rtol=1e-14)
    with pytest.raises(ValueError, match="two names"):
        pb.var(X, ddof=1, correction=1)


def test_average():
    w = np.arange(1.0, 4)
    for axis, weights in ((1, w), (None, X), (None, None), (0, None)):
        out, scale = np.average(leaf(X), axis, weights, True)
        np.testing.assert_allclose(out.data, np.average(X, axis, weights), rtol=1e-14)
        np.testing.assert_allclose(scale.data, np.average(X, axis, weights, True)[1])
    assert gradcheck(lambda x, w: pb.average(x, 1, w), (leaf(X), leaf(w)))
    with pytest.raises(ValueError, match="weights of shape"):
        pb.average(X, 0, w)


def test_weights_that_sum_to_zero():
    for weights, axis in (([1.0, -1.0], 0), ([[1.0, 2.0], [-1.0, 0.0]], 0)):
        with pytest.raises(ZeroDivisionError, match="average: the weights sum to 0"):
            np.average(Tensor([[1.0, 2.0], [3.0, 4.0]]), axis, weights)


@pytest.mark.filterwarnings("ignore:invalid value", "ignore:Mean of empty")
@pytest.mark.parametrize("f", [np.median, np.nanmedian, lambda a, axis=None: np.nanquantile(a, 0.75, axis)])
def test_the_middle_of_nothing(f):
    for shape, axis in (((0,), None), ((2, 0), 1), ((2, 0), 0), ((0, 3), (0, 1))):
        expected = f(np.zeros(shape), axis=axis)
        out = f(Tensor(np.zeros(shape)), axis=axis)
        np.testing.assert_array_equal(out.numpy(), expected)
        assert out.shape == np.shape(expected)
    with pytest.warns(RuntimeWarning):
        np.median(Tensor(np.zeros(0)))


def test_the_middle_of_complex_numbers_keeps_their_type():
    for dtype in (np.complex64, np.complex128):
        assert pb.nanmedian(np.array([1, 2j, np.nan], dtype)).dtype == dtype


def test_weights_of_another_shape_need_an_axis():
    x = np.ones((2, 3))
    for module in (np, pb):
        with pytest.raises(TypeError, match="axis|Axis"):
            module.average(x, weights=[1.0, 2.0, 3.0])
