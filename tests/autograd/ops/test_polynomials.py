import numpy as np
import pytest

import pullback as pb
from pullback import Tensor
from pullback.testing import gradgradcheck

RNG = np.random.default_rng(17)


@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (0,)])
@pytest.mark.parametrize("degree", [0, 1, 4])
def test_polyval(shape, degree):
    p, x = RNG.normal(size=degree + 1), RNG.normal(size=shape)
    tp, tx = Tensor(p, requires_grad=True), Tensor(x, requires_grad=True)
    out = np.polyval(tp, tx)
    np.testing.assert_allclose(out.data, np.polyval(p, x), rtol=1e-12, atol=1e-13)
    out.sum().backward()
    np.testing.assert_allclose(tx.grad.data, np.polyval(np.polyder(p), x), rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(tp.grad.data, [np.sum(x**k) for k in range(degree, -1, -1)], rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(pb.polyval(p, x), np.polyval(p, x), rtol=1e-12, atol=1e-13)


def test_polyval_in_single_precision_and_of_numbers():
    x = Tensor([1.0, 2.0], dtype=np.float32, requires_grad=True)
    assert np.polyval(x, np.float32(3)).dtype == np.float32
    assert pb.polyval([1, 2, 3], 2) == 11


@pytest.mark.parametrize("options", [{}, {"N": 2}, {"increasing": True}, {"N": 5, "increasing": True}, {"N": 0}])
def test_vander(options):
    x = np.array([0.0, 1.0, -2.0])
    t = Tensor(x, requires_grad=True)
    out = np.vander(t, **options)
    np.testing.assert_array_equal(out.data, np.vander(x, **options))
    out.backward(np.ones(out.shape))
    want = sum((k * x ** max(k - 1, 0) for k in range(out.shape[1])), np.zeros(3))
    np.testing.assert_allclose(t.grad.data, want)


def test_second_order_and_errors():
    p, x = Tensor(RNG.normal(size=4), requires_grad=True), Tensor(RNG.normal(size=3), requires_grad=True)
    assert gradgradcheck(np.polyval, (p, x))
    with pytest.raises(ValueError, match=r"vander: expected a vector, not shape \(1, 3\)"):
        np.vander(x[None])


PAIRS = [
    ([1.0, 2.0, 3.0], [4.0, 5.0]),
    ([2.0], [1.0, 0.0, 3.0]),
    ([0.0, 1.0, 2.0], [3.0, 1.0]),
    ([0.0, 0.0], [1.0, 2.0]),
]


@pytest.mark.parametrize("a, b", PAIRS)
@pytest.mark.parametrize("name", ["polyadd", "polysub", "polymul"])
def test_arithmetic(name, a, b):
    function = getattr(np, name)
    ta, tb = Tensor(a, requires_grad=True), Tensor(b, requires_grad=True)
    np.testing.assert_array_equal(function(ta, tb).data, function(a, b))
    np.testing.assert_array_equal(getattr(pb, name)(a, tb).data, function(a, b))
    if a[0]:
        assert gradgradcheck(lambda a, b: function(a, b) ** 2, (ta, tb))


@pytest.mark.parametrize("m", [0, 1, 2, 4])
def test_derivatives_and_integrals(m):
    p = np.array([2.0, -3.0, 1.0, 5.0])
    x = Tensor(p, requires_grad=True)
    np.testing.assert_array_equal(np.polyder(x, m).data, np.polyder(p, m))
    np.testing.assert_allclose(np.polyint(x, m).data, np.polyint(p, m), rtol=1e-14)
    np.testing.assert_allclose(np.polyint(x, m, 3.0).data, np.polyint(p, m, [3.0] * m), rtol=1e-14)
    np.polyder(np.polyint(x, m), m).backward([1.0, 2.0, 3.0, 4.0])
    np.testing.assert_allclose(x.grad.data, [1, 2, 3, 4], rtol=1e-14)
    assert np.polyint(Tensor(p, dtype=np.float32), m).dtype == np.float32


def test_a_constant_of_integration_has_a_gradient():
    k = Tensor([2.0, 7.0], requires_grad=True)
    out = pb.polyint(np.array([6.0]), 2, k)
    np.testing.assert_array_equal(out.data, [3, 2, 7])
    out.backward([1.0, 10.0, 100.0])
    np.testing.assert_array_equal(k.grad.data, [10, 100])


@pytest.mark.parametrize("roots", [[], [2.0], [1.0, -2.0, 3.0]])
def test_poly(roots):
    x = Tensor(roots, requires_grad=True)
    np.testing.assert_allclose(pb.poly(x).data, np.atleast_1d(np.poly(roots)))
    if roots:
        assert gradgradcheck(np.poly, (x,))
        assert np.poly(Tensor(roots, dtype=np.float32)).dtype == np.float32


def test_errors():
    x = Tensor([1.0, 2.0])
    for call, message in (
        (lambda: np.polyder(x, -1), "polyder: m=-1; use polyint"),
        (lambda: np.polyint(x, -1), "polyint: m=-1; use polyder"),
        (lambda: np.poly(x[None]), r"poly: expected a vector of roots or a square matrix, not shape \(1, 2\)"),
    ):
        with pytest.raises(ValueError, match=message):
            call()


@pytest.mark.parametrize("columns", [0, 2])
def test_polyfit_gives_what_numpys_gives(columns):
    random = np.random.default_rng(2)
    x, y = np.linspace(0.1, 2.0, 7), random.standard_normal((7, columns) if columns else 7)
    w = random.uniform(0.5, 1.5, 7)
    for options in (
        {"full": True},
        {"cov": True},
        {"cov": "unscaled"},
        {"w": w, "cov": True},
        {"rcond": 0.3, "full": True},
    ):
        out = np.polyfit(Tensor(x, requires_grad=True), Tensor(y, requires_grad=True), 2, **options)
        expected = np.polyfit(x, y, 2, **options)
        out, expected = (v if isinstance(v, tuple) else (v,) for v in (out, expected))
        assert len(out) == len(expected)
        for o, e in zip(out, expected, strict=True):
            np.testing.assert_allclose(getattr(o, "data", o), e, rtol=1e-9)
        assert out[0].requires_grad
    with pytest.warns(np.exceptions.RankWarning, match="poorly conditioned"):
        pb.polyfit(np.ones(3), np.ones(3), 1)
    with pytest.raises(ValueError, match="3 points are too few"):
        pb.polyfit(x[:3], y[:3], 2, cov=True)
    with pytest.raises(TypeError, match=r"polyfit: .* not shapes \(7,\) and \(6"):
        pb.polyfit(x, y[:6], 1)
    with pytest.raises(ValueError, match="polyfit: degree -1 is negative"):
        pb.polyfit(x, y, -1)


@pytest.mark.parametrize("p", [[2.0, -3.0, 0.0, 0.0], [0.0, 0.0, 1.0, -2.0], [0.0], [3.0], [1.0, 0.0, 1.0], []])
def test_roots_are_numpys(p):
    out = pb.roots(np.array(p))
    np.testing.assert_allclose(np.sort(out), np.sort(np.roots(p)), atol=1e-12)
    assert pb.roots(Tensor(np.array(p, np.float32))).dtype in (np.float32, np.complex64)


def test_roots_move_as_the_implicit_function_says():
    """p(r) = 0 gives dr/dp_k = -r^(n-k) / p'(r)."""
    p = np.array([1.0, -6.0, 11.0, -6.0])  # 1, 2, 3
    x = Tensor(p, requires_grad=True)
    largest = pb.max(pb.roots(x))
    largest.backward()
    np.testing.assert_allclose(x.grad.data, -(3.0 ** np.arange(3, -1, -1)) / np.polyval(np.polyder(p), 3.0), rtol=1e-9)


def test_polydiv():
    for u, v in (([1.0, 5.0, 6.0], [1.0, 2.0]), ([1.0], [1.0, 2.0]), ([2.0, 1.0], [4.0]), ([1, 3, 2], [2, 1])):
        for out, expected in zip(pb.polydiv(Tensor(u), v), np.polydiv(u, v), strict=True):
            np.testing.assert_allclose(out.data if isinstance(out, Tensor) else out, expected)
    np.testing.assert_allclose(pb.poly(np.array([[0.0, 1.0], [-1.0, 0.0]])), [1, 0, 1], atol=1e-15)
