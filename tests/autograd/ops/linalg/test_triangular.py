import numpy as np
import pytest

import pullback as pb
from pullback import Tensor, linalg
from pullback.testing import gradcheck, gradgradcheck

scipy_linalg = pytest.importorskip("scipy.linalg")

RNG = np.random.default_rng(8)
A = RNG.normal(size=(3, 3)) + 3 * np.eye(3)
Z = A + 1j * RNG.normal(size=(3, 3))
B = RNG.normal(size=(3, 2))


def leaf(values):
    return Tensor(values, requires_grad=True)


@pytest.mark.parametrize("unit_diagonal", [False, True])
@pytest.mark.parametrize("lower", [False, True])
@pytest.mark.parametrize("trans", [0, 1, 2, "N", "T", "C"])
def test_triangular_systems(trans, lower, unit_diagonal):
    for a in (A, Z):
        for b in (B, B[:, 0]):
            expected = scipy_linalg.solve_triangular(a, b, trans, lower, unit_diagonal)
            out = linalg.solve_triangular(Tensor(a), b, trans, lower, unit_diagonal)
            np.testing.assert_allclose(out.numpy(), expected, rtol=1e-12)
    assert gradcheck(lambda a, b: linalg.solve_triangular(a, b, trans, lower, unit_diagonal), (leaf(A), leaf(B)))


def test_only_a_triangle_is_read():
    x = leaf(A)
    linalg.solve_triangular(x, B, lower=True).sum().backward()
    np.testing.assert_array_equal(x.grad.numpy() != 0, np.tri(3, dtype=bool))
    junk = A + np.triu(np.full((3, 3), np.nan), 1)
    np.testing.assert_allclose(
        linalg.solve_triangular(junk, B, lower=True), linalg.solve_triangular(A, B, lower=True), rtol=1e-15
    )


def test_systems_in_a_stack():
    stack = np.stack([A, A.T, A @ A])
    out = linalg.solve_triangular(stack, B)
    for a, x in zip(stack, out, strict=True):
        np.testing.assert_allclose(np.triu(a) @ x, B, rtol=1e-12)


@pytest.mark.parametrize("lower", [False, True])
@pytest.mark.parametrize("trans", ["N", "T"])
@pytest.mark.parametrize("place", [(i, j) for i in range(3) for j in range(3)])
def test_an_infinity_is_substituted(place, trans, lower):
    """An exchange of rows would make such a matrix a singular one."""
    a = A.copy()
    a[place] = np.inf
    with np.errstate(invalid="ignore"):
        expected = scipy_linalg.solve_triangular(a, B, trans, lower, check_finite=False)
        actual = linalg.solve_triangular(Tensor(a), B, trans, lower).numpy()
    known = np.isfinite(expected)
    np.testing.assert_allclose(actual[known], expected[known], rtol=1e-12)


@pytest.mark.parametrize("lower", [False, True])
def test_cholesky_factors_solve(lower):
    for a in (A @ A.T, Z @ Z.conj().T):
        factor = linalg.cho_factor(Tensor(a), lower)
        assert factor[1] is lower
        np.testing.assert_allclose(linalg.cho_solve(factor, B).numpy(), np.linalg.solve(a, B), rtol=1e-10)
    assert gradcheck(lambda a, b: linalg.cho_solve(linalg.cho_factor(a @ a.mT, lower), b), (leaf(A), leaf(B)))


@pytest.mark.parametrize("shape", [(3, 3), (2, 4), (4, 2), (2, 3, 3), (0, 3), (0, 3, 2), (2, 0, 0)])
def test_lu(shape):
    for a in (RNG.normal(size=shape), RNG.normal(size=shape) + 1j * RNG.normal(size=shape)):
        p, low, up = (x.numpy() for x in linalg.lu(Tensor(a)))
        k = min(shape[-2:])
        assert low.shape == (*shape[:-1], k) and up.shape == (*shape[:-2], k, shape[-1])
        np.testing.assert_allclose(p @ low @ up, a, rtol=1e-12, atol=1e-14)
        np.testing.assert_array_equal(low, np.tril(low, -1) + np.eye(*low.shape[-2:]))
        np.testing.assert_array_equal(up, np.triu(up))
        np.testing.assert_array_equal(p @ p.mT, np.broadcast_to(np.eye(shape[-2]), p.shape))


@pytest.mark.parametrize("shape", [(3, 3), (2, 4), (4, 2)])
def test_derivatives_of_lu(shape):
    a = RNG.permutation(np.eye(*shape) * 4) + RNG.normal(size=shape)  # with rows to exchange

    def factors(x):
        return linalg.lu(x)[1:]

    assert gradcheck(factors, leaf(a)) and gradgradcheck(factors, leaf(a))


def test_the_determinant_by_lu():
    """Its gradient is that of det, and P has none."""
    x, y = leaf(A[::-1]), leaf(A[::-1])
    p, _, up = linalg.lu(x)
    (linalg.det(p) * pb.prod(linalg.diagonal(up))).backward()
    linalg.det(y).backward()
    np.testing.assert_allclose(x.grad.numpy(), y.grad.numpy(), rtol=1e-12)
    low = linalg.lu(Tensor(np.float32(A), requires_grad=True))[1]
    assert low.dtype == np.float32


def test_lu_of_a_batch():
    stack = np.stack([A, A[::-1], A @ A])
    out = pb.vmap(lambda a: pb.sum(linalg.lu(a)[2] ** 2))(Tensor(stack))
    np.testing.assert_allclose(out.numpy(), [(scipy_linalg.lu(a)[2] ** 2).sum() for a in stack], rtol=1e-12)


P, R = RNG.normal(size=(5, 5)), RNG.normal(size=(5, 2))


def test_lu_factor_as_scipy_packs_it():
    for a in (P, P[::-1], P + 1j * P.T, np.eye(5)[[2, 0, 1, 4, 3]]):
        packed, pivots = linalg.lu_factor(Tensor(a))
        expected = scipy_linalg.lu_factor(a)
        np.testing.assert_allclose(packed.numpy(), expected[0], rtol=1e-12, atol=1e-14)
        np.testing.assert_array_equal(pivots.numpy(), expected[1])
    stack = np.stack([P, P.T, P[::-1]])
    np.testing.assert_array_equal(linalg.lu_factor(stack)[1], [scipy_linalg.lu_factor(a)[1] for a in stack])


@pytest.mark.parametrize("trans", [0, 1, 2])
def test_lu_factors_solve(trans):
    turned = (lambda a: a, lambda a: a.mT, lambda a: np.conj(a.mT))[trans]
    stack = np.stack([P, P[::-1], P @ P])
    for a, b in ((P, R[:, 0]), (P, R), (P + 1j * P.T, R[:, 0]), (stack, R)):
        for lifted in (a, Tensor(a)):
            out = linalg.lu_solve(linalg.lu_factor(lifted), b, trans)
            assert isinstance(out, Tensor) == isinstance(lifted, Tensor)
            np.testing.assert_allclose(np.asarray(out), np.linalg.solve(turned(a), b), rtol=1e-9)
    assert gradcheck(lambda a, b: linalg.lu_solve(linalg.lu_factor(a), b, trans), (leaf(A[::-1]), leaf(B)))


def test_block_diag():
    arrays = (A, B, 2.0, B[:, 0])
    np.testing.assert_array_equal(linalg.block_diag(*map(Tensor, arrays)).numpy(), scipy_linalg.block_diag(*arrays))
    assert gradcheck(linalg.block_diag, (leaf(A), leaf(B)))


ERRORS = {
    "solve_triangular: trans=3": lambda x: linalg.solve_triangular(x[:, :2], x, 3),
    r"solve_triangular: expected square matrices, not shape \(2, 3\)": lambda x: linalg.solve_triangular(x, x),
    "Singular": lambda x: linalg.solve_triangular(x[:, :2] * 0, x),
    "lu: expected a matrix": lambda x: linalg.lu(x[0]),
    r"block_diag: expected matrices, not shapes \[\(1, 2, 3\)\]": lambda x: linalg.block_diag(x[None]),
}


@pytest.mark.parametrize("message", ERRORS)
def test_errors(message):
    with pytest.raises(ValueError, match=message):
        ERRORS[message](Tensor(np.ones((2, 3))))
