"""matrix_function of matrices with too few eigenvectors: formulas of Jordan blocks, products, and errors beyond."""

from math import factorial

import numpy as np
import pytest

import pullback as pb
from pullback import Tensor, grad, jvp, linalg, vmap

RNG = np.random.default_rng(5)


def jordan(w, q):
    return w * np.eye(q) + np.eye(q, k=1)


def joined(*blocks):
    out = np.zeros((sum(map(len, blocks)),) * 2, np.result_type(*blocks))
    at = 0
    for block in blocks:
        out[at : at + len(block), at : at + len(block)] = block
        at += len(block)
    return out


# f -> its Taylor coefficient of order p at w
SERIES = {
    "exp": lambda w, p: np.exp(w) / factorial(p),
    "sqrt": lambda w, p: np.prod(0.5 - np.arange(p)) / factorial(p) * w ** (0.5 - p),
    "log": lambda w, p: (-1) ** (p - 1) / p / w**p if p else np.log(w),
    "reciprocal": lambda w, p: (-1) ** p / w ** (p + 1),
    "sin": lambda w, p: np.sin(w + p * np.pi / 2) / factorial(p),
}


def of_block(name, w, q):
    return sum(SERIES[name](w, p) * np.eye(q, k=p) for p in range(q))


def close(actual, expected, tolerance):
    assert np.max(np.abs(actual - expected)) <= tolerance * np.max(np.abs(expected))


@pytest.mark.slow
@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize(
    "sizes", [[(2.0, 2)], [(0.7, 3)], [(2.0, 4)], [(2.0, 2), (2.0, 2)], [(2.0, 3), (1.0, 2), (5.0, 1)]]
)
@pytest.mark.parametrize("name", SERIES)
def test_jordan_blocks_by_formula(name, sizes, turned):
    """And the derivative along the identity: f'."""
    a, value = (joined(*(f(w, q) for w, q in sizes)) for f in (jordan, lambda w, q: of_block(name, w, q)))
    if turned:
        s = RNG.normal(size=a.shape) + 2 * np.eye(len(a))
        a, value = s @ a @ np.linalg.inv(s), s @ value @ np.linalg.inv(s)
    tolerance = 1e-14 * np.linalg.cond(s) ** 2 if turned else 1e-13
    out, slope = jvp(lambda x: linalg.matrix_function(x, getattr(pb, name)), (a,), (np.eye(len(a)),))
    close(out.numpy(), value, tolerance)
    slopes = {"exp": lambda: value, "log": lambda: np.linalg.inv(a), "sqrt": lambda: np.linalg.inv(value) / 2}
    if name in slopes:
        close(slope.numpy(), slopes[name](), 10 * tolerance)


@pytest.mark.parametrize("q", [2, 3, 4])
def test_the_derivative_along_a_corner_is_a_divided_difference(q):
    """Along the lower left corner d of a block, sum f_p sum_i N^i d N^(p - 1 - i) is a Toeplitz matrix of the Taylor
    coefficients, to the order 2 q - 1."""
    a, d = jordan(2.0, q), np.zeros((q, q))
    d[-1, 0] = 1
    for name, coefficient in SERIES.items():
        slope = jvp(lambda x, name=name: linalg.matrix_function(x, getattr(pb, name)), (a,), (d,))[1].numpy()
        close(slope[0, -1], coefficient(2.0, 2 * q - 1), 1e-10)
        np.testing.assert_allclose(slope[-1, 0], coefficient(2.0, 1), rtol=1e-12)
        full = np.array([[coefficient(2.0, q - i + j) for j in range(q)] for i in range(q)])
        close(slope, full, 1e-11)


@pytest.mark.slow
@pytest.mark.parametrize("shift", [0.0, 0.3j])
@pytest.mark.parametrize("q", [2, pytest.param(3, marks=pytest.mark.thorough)])
def test_three_orders_are_those_of_products(q, shift):
    a = joined(jordan(1.5, q), jordan(-0.4, 2))
    s = RNG.normal(size=a.shape) + 2 * np.eye(len(a))
    a = s @ a @ np.linalg.inv(s) + shift * np.eye(len(a))
    g, h, k = RNG.normal(size=(3, *a.shape))

    def orders(f):
        first = lambda x: grad(lambda x: (f(x) * g).sum().real)(x)  # noqa: E731
        second = lambda x: grad(lambda x: (first(x) * h).sum().real)(x)  # noqa: E731
        third = lambda x: grad(lambda x: (second(x) * k).sum().real)(x)  # noqa: E731
        return [order(Tensor(a)).numpy() for order in (f, first, second, third)]

    found, known = (
        orders(f) for f in (lambda x: linalg.matrix_function(x, lambda w: w**4 - w), lambda x: x @ x @ x @ x - x)
    )
    for x, y in zip(found, known, strict=True):
        assert x.dtype == y.dtype
        close(x, y, 1e-12 * np.linalg.cond(s) ** 2)


@pytest.mark.parametrize("gap", [1e-15, 1e-12, 1e-10, 1e-9, 1e-8, 1e-7, 1e-6, 1e-4, 1e-2])
def test_nearly_defective_matrices(gap):
    """Of [[w, 1], [0, w + gap]]: the corner is the divided difference, here of the root and the reciprocal."""
    a = np.array([[2.0, 1.0], [0.0, 2.0 + gap]])
    x, y = np.sqrt(np.diag(a))
    np.testing.assert_allclose(linalg.matrix_function(a, pb.sqrt)[0, 1], 1 / (x + y), rtol=1e-8)
    np.testing.assert_allclose(linalg.matrix_function(a, pb.reciprocal)[0, 1], -1 / a[0, 0] / a[1, 1], rtol=1e-8)


def test_a_series_that_starts_late():
    close(linalg.matrix_function(jordan(0.0, 6), lambda w: w**5), np.eye(6, k=5), 1e-14)


def test_functions_of_real_numbers_alone():
    a = jordan(8.0, 3)
    close(linalg.matrix_function(a, pb.cbrt), 2 * np.eye(3) + np.eye(3, k=1) / 12 - np.eye(3, k=2) / 288, 1e-14)


def test_dtypes_and_stacks():
    a = np.stack(
        [jordan(1.0, 2), np.eye(2), [[1.0, 2.0], [2.0, 4.0]], [[0.0, -1.0], [1.0, 0.0]], [[1.0, 2.0], [3.0, 4.0]]]
    )
    out = linalg.matrix_function(a, pb.exp)
    for x, one in zip(a, out, strict=True):
        close(one, linalg.expm(x), 1e-13)
    along = vmap(lambda x, d: jvp(lambda x: linalg.matrix_function(x, pb.exp), (x,), (d,))[1])(a, a[::-1])
    close(
        along.numpy(),
        np.stack([linalg.expm(np.block([[x, d], [0 * x, x]]))[:2, 2:] for x, d in zip(a, a[::-1], strict=True)]),
        1e-13,
    )
    for dtype in (np.float32, np.complex64, np.complex128):
        assert linalg.matrix_function(a[0].astype(dtype), pb.exp).dtype == dtype
    root = linalg.matrix_function(jordan(-4.0, 2), lambda w: pb.sqrt(w + 0j))
    close(root, np.array([[2j, -0.25j], [0, 2j]]), 1e-14)


@pytest.mark.slow
@pytest.mark.parametrize("f", [pb.sqrt, pb.log, pb.cbrt, pb.abs, pb.reciprocal, lambda w: pb.where(w > 0, w, 0)])
@pytest.mark.parametrize("turned", [False, True])
def test_no_derivative_where_it_is_needed_is_an_error(f, turned):
    a = jordan(0.0, 2)
    if turned:
        s = RNG.normal(size=a.shape)
        a = s @ a @ np.linalg.inv(s)
    with pytest.raises(linalg.LinAlgError, match="matrix_function: .* lacks derivatives"):
        linalg.matrix_function(a, f)


def test_a_root_that_depends_on_rounding_is_an_error():
    """The root of 1e-17 + N would be 3e-9 + N / 6e-9, next to a matrix that has none."""
    s = RNG.normal(size=(2, 2))
    with pytest.raises(linalg.LinAlgError, match="cannot be told from rounding"):
        linalg.matrix_function(s @ jordan(1e-17, 2) @ np.linalg.inv(s), pb.sqrt)


@pytest.mark.thorough
@pytest.mark.parametrize("seed", range(40))
def test_random_jordan_forms(seed):
    rng = np.random.default_rng(seed)
    blocks = [
        (rng.uniform(0.3, 3) * (rng.choice([1, np.exp(1j)])), int(rng.integers(1, 5)))
        for _ in range(rng.integers(1, 4))
    ]
    if seed % 2:
        blocks.append((blocks[0][0], 2))
    s = RNG.normal(size=(n := sum(q for _, q in blocks), n)) + 2 * np.eye(n)
    for name in SERIES:
        a, value = (
            joined(*(f(w, q) for w, q in blocks)) for f in (jordan, lambda w, q, name=name: of_block(name, w, q))
        )
        a, value = s @ a @ np.linalg.inv(s), s @ value @ np.linalg.inv(s)
        close(linalg.matrix_function(a, getattr(pb, name)), value, 1e-13 * np.linalg.cond(s) ** 2)
