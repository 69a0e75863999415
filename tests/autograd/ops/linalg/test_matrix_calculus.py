"""matrix_function: polynomials and closed forms of divided differences, where eigenvalues are equal, or nearly."""

import numpy as np
import pytest

import pullback as pb
from pullback import Tensor, grad, jvp, linalg, registry, vmap

RNG = np.random.default_rng(11)
TURN = np.linalg.qr(RNG.normal(size=(3, 3))).Q
SKEW = RNG.normal(size=(3, 3)) + 2 * np.eye(3)


def turned(*w):
    a = TURN * w @ TURN.T
    return (a + a.T) / 2


MATRICES = {
    "apart": turned(1.0, 2.0, 4.0),
    "two equal": turned(1.0, 2.0, 2.0),
    "two equal, diagonal": np.diag([2.0, 1.0, 2.0]),
    "all equal": 2 * np.eye(3),
    "zero": np.zeros((3, 3)),
    "indefinite": turned(-2.0, 2.0, 2.0),
    "near": turned(1.0, 1 + 1e-9, 1 + 1e-4),
    "not symmetric": SKEW @ np.diag([1.0, 2.0, 2.0]) @ np.linalg.inv(SKEW),
    "complex pair": np.array([[1.0, 2.0, 0.0], [-2.0, 1.0, 1.0], [0.5, 0.0, 3.0]]),
    "hermitian": turned(1.0, 3.0, 3.0) + 1j * (lambda x: x - x.T)(np.arange(9.0).reshape(3, 3)),
    "complex": np.diag([1 + 1j, 1 + 1j, 2.0]) + 0j,
    "stack": np.stack([turned(1.0, 2.0, 2.0), SKEW, np.eye(3)]),
}


def derivatives(f, a, d, orders):
    out = [f]
    for _ in range(orders):
        out.append(lambda x, f=out[-1]: jvp(f, (x,), (d,))[1])
    return [f(Tensor(a)).numpy() for f in out]


def close(actual, expected, tolerance=1e-11):
    np.testing.assert_allclose(actual, expected, rtol=tolerance, atol=tolerance * np.max(np.abs(expected), initial=1))


@pytest.mark.parametrize("name", MATRICES)
def test_the_cube_of_a_matrix_at_three_orders(name):
    """Its derivatives along d are sums of products of a and d."""
    a = MATRICES[name]
    d = RNG.normal(size=a.shape)
    expected = [a @ a @ a, a @ a @ d + a @ d @ a + d @ a @ a, 2 * (a @ d @ d + d @ a @ d + d @ d @ a), 6 * d @ d @ d]
    out = derivatives(lambda x: linalg.matrix_function(x, lambda w: w**3), a, d, 3)
    for value, known in zip(out, expected, strict=True):
        close(value, known)
        assert value.dtype == a.dtype


@pytest.mark.parametrize("name", MATRICES)
def test_gradients_of_three_orders_are_those_of_the_product(name):
    a, g, h, k = MATRICES[name], *RNG.normal(size=(3, *MATRICES[name].shape))

    def orders(f):
        first = lambda x: grad(lambda x: (f(x) * g).sum().real)(x)  # noqa: E731
        second = lambda x: grad(lambda x: (first(x) * h).sum().real)(x)  # noqa: E731
        third = lambda x: grad(lambda x: (second(x) * k).sum().real)(x)  # noqa: E731
        return [order(Tensor(a)).numpy() for order in (first, second, third)]

    for value, known in zip(
        orders(lambda x: linalg.matrix_function(x, lambda w: w**3 - w)), orders(lambda x: x @ x @ x - x), strict=True
    ):
        close(value, known)


def divided(name, *w):
    """Divided differences without a difference."""
    if name == "sqrt":  # 1 / (sqrt x + sqrt y), and from it -1 / ((x' + y') (y' + z') (x' + z')) of the roots
        r = [x**0.5 for x in w]
        return 1 / (r[0] + r[1]) if len(r) == 2 else -1 / ((r[0] + r[1]) * (r[1] + r[2]) * (r[0] + r[2]))
    if name == "reciprocal":
        return (-1) ** (len(w) - 1) / np.prod(w)
    mean, half = (w[0] + w[1]) / 2, (w[1] - w[0]) / 2  # exp: exp(mean) sinh(half) / half, by its series
    return np.exp(mean) * (1 + half**2 / 6 + half**4 / 120 + half**6 / 5040)


@pytest.mark.parametrize("scale", [1.0, 1e-8])
@pytest.mark.parametrize("gap", [0.0, 1e-15, 1e-12, 1e-9, 1e-6, 1e-4, 1e-3, 1e-2, 0.1])
@pytest.mark.parametrize("name", ["sqrt", "reciprocal", "exp"])
def test_eigenvalues_at_any_distance(name, gap, scale):
    """To 12 digits: a difference quotient has 16 - log10(1 / gap) of them."""
    w = scale * np.array([1.0, 1 + gap, 1 + 3 * gap])
    f = getattr(pb, name)
    d = RNG.uniform(1, 2, size=(3, 3))
    first = jvp(lambda x: linalg.matrix_function(x, f), (np.diag(w),), (d,))[1].numpy()
    n = range(3)
    weights = np.array([[divided(name, w[i], w[j]) for j in n] for i in n])
    np.testing.assert_allclose(first, weights * d, rtol=1e-12)
    if name != "exp":
        second = derivatives(lambda x: linalg.matrix_function(x, f), np.diag(w), d, 2)[2]
        weights = np.array([[[divided(name, w[i], w[j], w[k]) for k in n] for j in n] for i in n])
        np.testing.assert_allclose(second, 2 * np.einsum("ijk,ij,jk->ik", weights, d, d), rtol=1e-10)


def test_where_f_jumps_between_eigenvalues_it_is_the_quotient():
    """Of a step between 1 and 1 + 2e-9, 1 / 2e-9; of the logarithm across its cut, 2 pi i / 2e-9 i."""
    step = lambda w: pb.where(w > 1 + 1e-9, 1.0, 0.0)  # noqa: E731
    out = jvp(lambda x: linalg.matrix_function(x, step), (np.diag([1.0, 1 + 2e-9]),), (np.ones((2, 2)),))[1].numpy()
    np.testing.assert_allclose(out, [[0, 1 / 2e-9], [1 / 2e-9, 0]], rtol=1e-6)
    a = np.diag([-1 + 1e-9j, -1 - 1e-9j])
    out = jvp(lambda x: linalg.matrix_function(x, pb.log), (a,), (np.ones_like(a),))[1].numpy()
    np.testing.assert_allclose(out, [[-1, np.pi / 1e-9], [np.pi / 1e-9, -1]], rtol=1e-6)


def test_far_apart_eigenvalues_with_nearly_equal_values_have_the_quotient():
    """(sin(1 + 20 pi) - sin(1)) / 20 pi = 0, where the mean of the cosine between takes many nodes."""
    a = np.diag([1.0, 1 + 20 * np.pi])
    out = jvp(lambda x: linalg.matrix_function(x, pb.sin), (a,), (np.ones((2, 2)),))[1].numpy()
    np.testing.assert_allclose(out, np.cos(1) * np.eye(2), atol=1e-14)


def test_the_projection_on_a_space_of_repeated_eigenvalues():
    """P = V V^T for the eigenvalue 2: P' = sum of (P d Q + Q d P) / (2 - w) over the projections Q on the others."""
    a, d = turned(1.0, 2.0, 2.0), RNG.normal(size=(3, 3))
    q = np.outer(TURN[:, 0], TURN[:, 0])
    p = np.eye(3) - q
    value, along = jvp(lambda x: linalg.matrix_function(x, lambda w: pb.where(w > 1.5, 1.0, 0.0)), (a,), (d,))
    close(value.numpy(), p)
    close(along.numpy(), p @ d @ q + q @ d @ p)


@pytest.mark.parametrize("name", ["exp", "sin", "log"])
def test_is_a_series_where_eigenvalues_repeat(name):
    """f(2 + x) for a small nilpotent or symmetric x, by the derivatives of f at 2, to the third order."""
    slopes = {
        "exp": [np.exp(2)] * 4,
        "sin": [np.sin(2), np.cos(2), -np.sin(2), -np.cos(2)],
        "log": [np.log(2), 1 / 2, -1 / 4, 2 / 8],
    }[name]
    d = RNG.normal(size=(3, 3))
    out = derivatives(lambda x: linalg.matrix_function(x, getattr(np, name)), 2 * np.eye(3), d, 3)
    for order, (value, slope) in enumerate(zip(out, slopes, strict=True)):
        close(value, slope * np.linalg.matrix_power(d, order))


def test_real_and_complex_results():
    a = turned(-1.0, 2.0, 3.0)
    root = linalg.matrix_function(a, lambda w: pb.sqrt(w + 0j))
    close(root @ root, a)
    assert np.isnan(linalg.matrix_function(a, lambda w: np.where(w < 0, np.nan, w))).all()
    rotation = np.array([[0.0, -1.0], [1.0, 0.0]])
    out = linalg.matrix_function(rotation, pb.exp)
    close(out, [[np.cos(1), -np.sin(1)], [np.sin(1), np.cos(1)]])
    assert out.dtype == np.float64 and linalg.matrix_function(rotation.astype(np.float32), pb.exp).dtype == np.float32
    assert linalg.matrix_function(np.diag([1, 2]), np.sqrt).dtype == np.float64
    assert linalg.matrix_function(rotation, lambda w: 1j * w).dtype == np.complex128


def test_a_negative_eigenvalue_beside_a_complex_pair_has_an_imaginary_root():
    a = np.array([[0.0, -4.0, 0.0], [4.0, 0.0, 0.0], [0.0, 0.0, -4.0]])
    root = linalg.matrix_function(a, pb.sqrt)
    close(root @ root, a)


def test_hermitian_matrices_have_real_eigenvalues():
    a = TURN.T @ MATRICES["hermitian"] @ TURN
    a = (a + np.conj(a.T)) / 2
    root = linalg.matrix_function(a, pb.cbrt)
    close(root @ root @ root, a)


def test_directions_in_the_order_that_they_are_given():
    """What stands beyond a, d, e in the corner of f of blocks, of which the sum over the orders is the derivative."""
    f = lambda a, d, e: registry["function_of_matrix"].apply(a, d, e, f=lambda w: w**3)  # noqa: E731
    a, d, e = (Tensor(x, requires_grad=True) for x in RNG.normal(size=(3, 2, 2)))
    np.testing.assert_allclose(f(a, d, e).numpy(), (a @ d @ e + d @ a @ e + d @ e @ a).numpy(), atol=1e-12)
    g = RNG.normal(size=(2, 2))
    known = grad(lambda *x: (g * (x[0] @ x[1] @ x[2] + x[1] @ x[0] @ x[2] + x[1] @ x[2] @ x[0])).sum(), (0, 1, 2))(
        a, d, e
    )
    for value, expected in zip(grad(lambda *x: (g * f(*x)).sum(), (0, 1, 2))(a, d, e), known, strict=True):
        np.testing.assert_allclose(value.numpy(), expected.numpy(), atol=1e-12)


def test_batches():
    a, d = MATRICES["stack"], RNG.normal(size=(3, 3, 3))
    f = lambda x: (linalg.matrix_function(x, pb.exp) ** 2).sum()  # noqa: E731
    curve = lambda x, d: jvp(grad(f), (x,), (d,))[1]  # noqa: E731
    out = vmap(curve)(a, d).numpy()
    close(out, np.stack([curve(x, y).numpy() for x, y in zip(a, d, strict=True)]), 1e-12)
    close(out, curve(a, d).numpy(), 1e-12)
    assert linalg.matrix_function(np.zeros((0, 2, 2)), pb.exp).shape == (0, 2, 2)
    assert linalg.matrix_function(np.zeros((2, 0, 0)), pb.exp).shape == (2, 0, 0)


def test_what_is_refused():
    x = Tensor(np.eye(2), requires_grad=True)
    p = Tensor(2.0, requires_grad=True)
    with pytest.raises(TypeError, match="f depends on a tensor that is differentiated"):
        linalg.matrix_function(x, lambda w: w**p)
    with pytest.raises(TypeError, match="f depends on a tensor that is differentiated or batched"):
        vmap(lambda p: linalg.matrix_function(x, lambda w: w**p))(np.ones(2))
    with pytest.raises(ValueError, match=r"f gives shape \(1, 2, 1\) for numbers of shape \(1, 2\)"):
        linalg.matrix_function(x, lambda w: w[..., None])
    with pytest.raises(linalg.LinAlgError, match="matrix_function: expected square matrices"):
        linalg.matrix_function(np.ones((2, 3)), pb.exp)
