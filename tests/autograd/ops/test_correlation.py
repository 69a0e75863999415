import numpy as np
import pytest

import pullback as pb
from pullback import Tensor
from pullback.testing import gradcheck, gradgradcheck

RNG = np.random.default_rng(13)


@pytest.mark.parametrize("name", ["convolve", "correlate"])
@pytest.mark.parametrize("mode", ["full", "same", "valid"])
def test_values_and_gradients(name, mode):
    function = getattr(np, name)
    for n in range(1, 7):
        for m in range(1, 7):
            a, v = RNG.normal(size=n), RNG.normal(size=m)
            ta, tv = Tensor(a, requires_grad=True), Tensor(v, requires_grad=True)
            expected = function(a, v, mode)
            out = function(ta, tv, mode)
            np.testing.assert_allclose(out.data, expected, rtol=1e-12, atol=1e-13)
            np.testing.assert_allclose(getattr(pb, name)(a, tv, mode=mode).data, expected, rtol=1e-12, atol=1e-13)
            g = RNG.normal(size=expected.shape)
            out.backward(g)
            want_a = [np.sum(g * function(unit, v, mode)) for unit in np.eye(n)]
            want_v = [np.sum(g * function(a, unit, mode)) for unit in np.eye(m)]
            np.testing.assert_allclose(ta.grad.data, want_a, rtol=1e-11, atol=1e-12)
            np.testing.assert_allclose(tv.grad.data, want_v, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("name", ["convolve", "correlate"])
def test_other_dtypes(name):
    a, v = RNG.normal(size=5) + 1j * RNG.normal(size=5), RNG.normal(size=3) + 1j * RNG.normal(size=3)
    np.testing.assert_allclose(getattr(np, name)(Tensor(a), Tensor(v)).data, getattr(np, name)(a, v), rtol=1e-12)
    integers = getattr(np, name)(Tensor([1, 2, 3]), Tensor([1, 10]))
    np.testing.assert_array_equal(integers.data, getattr(np, name)([1, 2, 3], [1, 10]))
    x = Tensor(np.ones(4, np.float32), requires_grad=True)
    out = getattr(np, name)(x, np.ones(2, np.float32))
    out.sum().backward()
    assert out.dtype == x.grad.dtype == np.float32


def test_second_order_of_convolve():
    a, v = Tensor(RNG.normal(size=4), requires_grad=True), Tensor(RNG.normal(size=3), requires_grad=True)
    assert gradgradcheck(np.convolve, (a, v)) and gradgradcheck(np.correlate, (a, v))


COV = [
    {},
    {"rowvar": False},
    {"bias": True},
    {"ddof": 0},
    {"ddof": 2},
    {"fweights": [1, 2, 0, 3, 1]},
    {"aweights": [0.5, 1.0, 0.2, 3.0, 1.0]},
    {"fweights": [1, 2, 0, 3, 1], "aweights": [0.5, 1.0, 0.2, 3.0, 1.0], "ddof": 2},
]


@pytest.mark.parametrize("options", COV, ids=str)
def test_cov(options):
    m = RNG.normal(size=(3, 5)) if options.get("rowvar", True) else RNG.normal(size=(5, 3))
    x = Tensor(m, requires_grad=True)
    np.testing.assert_allclose(np.cov(x, **options).data, np.cov(m, **options), rtol=1e-12, atol=1e-14)
    assert gradcheck(lambda x: pb.cov(x, **options), (x,))


def test_cov_of_two_and_of_a_vector():
    a, b = RNG.normal(size=6), RNG.normal(size=(2, 6))
    for args in ((a,), (a, b), (b, b), (b.T, None, False)):
        np.testing.assert_allclose(pb.cov(*args), np.cov(*args), rtol=1e-12, atol=1e-14)
        lifted = [Tensor(x) if isinstance(x, np.ndarray) else x for x in args]
        np.testing.assert_allclose(np.cov(*lifted).data, np.cov(*args), rtol=1e-12, atol=1e-14)
    z = b + 1j * RNG.normal(size=b.shape)
    np.testing.assert_allclose(np.cov(Tensor(z)).data, np.cov(z), rtol=1e-12)
    single = np.cov(Tensor(b, dtype=np.float32))
    assert single.dtype == np.float32
    assert np.cov(Tensor(b, dtype=np.float32), dtype=np.float64).dtype == np.float64


def test_cov_has_a_gradient_in_its_weights():
    m, counts, weights = RNG.normal(size=(3, 5)), np.array([1, 2, 1, 3, 1]), RNG.uniform(0.5, 2.0, size=5)
    out = np.cov(m, fweights=counts, aweights=Tensor(weights, requires_grad=True))
    np.testing.assert_allclose(out.data, np.cov(m, fweights=counts, aweights=weights), rtol=1e-12)
    leaves = Tensor(m, requires_grad=True), Tensor(weights, requires_grad=True)
    assert gradcheck(lambda m, w: pb.cov(m, fweights=counts, aweights=w), leaves)
    with pytest.raises(TypeError, match="fweights must be whole numbers"):
        np.cov(leaves[0], fweights=weights)


def test_corrcoef():
    a, b = RNG.normal(size=(3, 6)), RNG.normal(size=(1, 6))
    x = Tensor(a, requires_grad=True)
    np.testing.assert_allclose(np.corrcoef(x).data, np.corrcoef(a), rtol=1e-12)
    np.testing.assert_allclose(np.corrcoef(x, b).data, np.corrcoef(a, b), rtol=1e-12)
    np.testing.assert_allclose(np.corrcoef(Tensor(a), rowvar=False).data, np.corrcoef(a, rowvar=False), rtol=1e-12)
    assert np.corrcoef(Tensor(a[0])).item() == 1
    assert gradcheck(lambda x: np.corrcoef(x)[0, 1:], (x,))


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda x: np.convolve(x, np.ones((2, 2))), r"convolve: two sequences .* \(3,\) and \(2, 2\)"),
        (lambda x: np.correlate(x[:0], x), r"correlate: two sequences .* \(0,\) and \(3,\)"),
        (lambda x: np.convolve(x, x, "half"), "convolve: mode='half'"),
        (lambda x: np.cov(x, aweights=[1.0, 2.0]), r"cov: aweights of shape \(2,\) for 3 observations"),
        (lambda x: np.cov(x, aweights=[[1.0], [2.0], [3.0]]), r"cov: aweights of shape \(3, 1\)"),
        (lambda x: np.cov(x, fweights=[1, 2, -1]), "cov: fweights .* from 0"),
        (lambda x: np.cov(x[None, None]), r"cov: expected at most 2 dimensions, not shape \(1, 1, 3\)"),
    ],
)
def test_errors(call, message):
    with pytest.raises(ValueError, match=message):
        call(Tensor([1.0, 2.0, 3.0]))
