import numpy as np
import pytest

import pullback as pb
from pullback import Tensor
from pullback.autograd.kernels import matrix_product as matmul
from pullback.autograd.kernels.sums import added
from pullback.testing import gradgradcheck

RNG = np.random.default_rng(5)


def gradients(f, *arrays, seed=0):
    leaves = [Tensor(a, requires_grad=True) for a in arrays]
    out = f(*leaves)
    g = np.random.default_rng(seed).normal(size=out.shape)
    out.backward(g)
    return out.data, g, [x.grad.data for x in leaves]


def test_law_1_and_law_2():
    """Y = A B  =>  dA = dY B^T and dB = A^T dY."""
    a, b = RNG.normal(size=(2, 3)), RNG.normal(size=(3, 4))
    y, g, (da, db) = gradients(pb.matmul, a, b)
    np.testing.assert_allclose(y, np.dot(a, b), rtol=1e-14)
    np.testing.assert_allclose(da, np.einsum("ik,jk->ij", g, b), rtol=1e-13)
    np.testing.assert_allclose(db, np.einsum("ij,ik->jk", a, g), rtol=1e-13)


SHAPES = [
    ((3,), (3,)),
    ((3,), (3, 2)),
    ((2, 3), (3,)),
    ((2, 3), (3, 2)),
    ((4, 2, 3), (3,)),
    ((3,), (4, 3, 2)),
    ((4, 2, 3), (3, 5)),
    ((2, 3), (4, 3, 5)),
    ((4, 2, 3), (4, 3, 5)),
    ((6, 1, 2, 3), (4, 3, 5)),
    ((2, 0), (0, 3)),
    ((0, 3), (3, 2)),
    ((0, 2, 3), (3, 2)),
    ((1, 1), (1, 1)),
]


@pytest.mark.parametrize("left, right", SHAPES)
def test_matmul_of_any_shapes_is_pytorchs(torch, left, right):
    a, b = RNG.normal(size=left), RNG.normal(size=right)
    y, g, (da, db) = gradients(pb.matmul, a, b)
    ta, tb = torch.tensor(a, requires_grad=True), torch.tensor(b, requires_grad=True)
    t = ta @ tb
    t.backward(torch.tensor(np.asarray(g)))
    assert y.shape == tuple(t.shape)
    np.testing.assert_allclose(y, t.detach().numpy(), rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(da, ta.grad.numpy(), rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(db, tb.grad.numpy(), rtol=1e-12, atol=1e-14)
    for out in (Tensor(a) @ b, a @ Tensor(b), np.matmul(Tensor(a), b)):
        assert isinstance(out, Tensor)
        np.testing.assert_allclose(out.data, np.matmul(a, b), rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("left, right", [((3,), (3,)), ((2, 3), (3,)), ((2, 2, 3), (3, 2))])
def test_matmul_second_order(left, right):
    a, b = Tensor(RNG.normal(size=left), requires_grad=True), Tensor(RNG.normal(size=right), requires_grad=True)
    assert gradgradcheck(pb.matmul, (a, b))


def test_a_matrix_times_itself():
    a = RNG.normal(size=(3, 3))
    _, g, (da,) = gradients(lambda a: a @ a, a)
    np.testing.assert_allclose(da, g @ a.T + a.T @ g, rtol=1e-13)


@pytest.mark.parametrize("lead", [(), (5,), (2, 5), (0,)])
def test_affine(lead):
    x, w, b = RNG.normal(size=(*lead, 3)), RNG.normal(size=(2, 3)), RNG.normal(size=2)
    y, g, (dx, dw, db) = gradients(pb.affine, x, w, b)
    np.testing.assert_allclose(y, np.einsum("...i,oi->...o", x, w) + b, rtol=1e-13)
    np.testing.assert_allclose(dx, np.einsum("...o,oi->...i", g, w), rtol=1e-13, atol=1e-15)
    np.testing.assert_allclose(dw, np.einsum("no,ni->oi", g.reshape(-1, 2), x.reshape(-1, 3)), rtol=1e-13, atol=1e-15)
    np.testing.assert_allclose(db, g.reshape(-1, 2).sum(0), rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("n, k, m", [(3, 5, 2), (64, 128, 32), (64, 128, 33), (1, 300, 300), (300, 300, 1)])
@pytest.mark.parametrize("dtype", ["f4", "f8", "c16", "i8"])
def test_matrices_small_and_large(n, k, m, dtype):
    a, b = (RNG.integers(-3, 4, size=shape).astype(dtype) for shape in ((n, k), (k, m)))
    for left, right in ((a, b), (a.T.copy().T, b[::-1][::-1])):
        out = matmul.product(left, right)
        assert out.dtype == dtype
        np.testing.assert_array_equal(out, np.einsum("ij,jk->ik", a, b))


@pytest.mark.parametrize("shape", [(4,), (5, 3), (90, 91), (91, 91), (0, 3), (9000, 0), (2, 3, 4)])
@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "c8", ">f8", "i4"])
def test_added(shape, dtype):
    x = RNG.integers(-3, 4, size=shape).astype(dtype)  # of which any order gives the same sum
    for axis in range(min(x.ndim, 2)):
        np.testing.assert_array_equal(added(x, axis), np.add.reduce(x, axis=axis))
        assert added(x, axis).dtype == np.add.reduce(x, axis=axis).dtype


def test_float32_stays_float32():
    x, w, b = (Tensor(np.ones(s, np.float32), requires_grad=True) for s in ((5, 3), (2, 3), (2,)))
    (pb.affine(x, w, b) @ w).sum().backward()
    assert x.grad.dtype == w.grad.dtype == b.grad.dtype == np.float32


def test_affine_promotes_as_numpy_does():
    x, w = np.ones((5, 3), np.float32), np.ones((2, 3), np.float32)
    assert pb.affine(Tensor(x), w, np.ones(2)).dtype == np.float64


def test_errors():
    with pytest.raises(ValueError, match=r"matmul: operands of shapes \(\) and \(3,\).*use \*"):
        pb.matmul(Tensor(2.0), Tensor([1.0, 2.0, 3.0]))
    with pytest.raises(ValueError, match="matmul"):
        Tensor(np.ones((2, 3))) @ Tensor(np.ones((2, 3)))
    with pytest.raises(ValueError, match=r"linear: x of shape \(5, 4\), w \(2, 3\), b \(2,\)"):
        pb.affine(np.ones((5, 4)), np.ones((2, 3)), np.ones(2))


def tuples(*shapes):
    return [tuple(RNG.normal(size=shape) for shape in pair) for pair in shapes]


FUNCTIONS = [
    *((np.dot, a, {}) for a in tuples(((), (3,)), ((3,), (3,)), ((2, 3), (3,)), ((3,), (2, 3, 4)), ((2, 3), (3, 4)))),
    *((np.dot, a, {}) for a in tuples(((4, 2, 3), (3,)), ((4, 2, 3), (5, 3, 2)), ((2, 0), (0, 3)))),
    *((np.inner, a, {}) for a in tuples(((), (2, 3)), ((3,), (3,)), ((2, 3), (4, 3)), ((2, 4, 3), (5, 3)))),
    *((np.outer, a, {}) for a in tuples(((3,), (2,)), ((2, 2), (3,)), ((), (3,)))),
    *((np.vdot, a, {}) for a in tuples(((3,), (3,)), ((2, 3), (3, 2)), ((), ()))),
    *(
        (np.kron, a, {})
        for a in tuples(((2,), (3,)), ((2, 3), (3, 2)), ((2, 2, 1), (3,)), ((), (2, 2)), ((0, 2), (2, 2)))
    ),
    *((np.cross, a, {}) for a in tuples(((3,), (3,)), ((2, 3), (3,)), ((4, 1, 3), (2, 3)))),
    *((np.cross, a, {"axis": 0}) for a in tuples(((3, 2), (3, 2)))),
    *((np.cross, a, {"axisa": 0, "axisb": 1, "axisc": 0}) for a in tuples(((3, 2), (2, 3)))),
    *(
        (np.cross, a, {})
        for a in tuples(((2,), (2,)), ((2,), (4, 3)), ((4, 1, 3), (5, 2)), ((4, 2), (1, 2)), ((4, 2), (4, 3)))
        if np.lib.NumpyVersion(np.__version__) < "2.5.0.dev0"  # from there on NumPy has it no more
    ),
    *((np.vecdot, a, {}) for a in tuples(((3,), (3,)), ((4, 1, 3), (2, 3)))),
    *((np.tensordot, a, {"axes": 2}) for a in tuples(((2, 3, 4), (3, 4, 5)))),
    *((np.tensordot, a, {"axes": 0}) for a in tuples(((2, 3), (4,)))),
    *((np.tensordot, a, {"axes": 1}) for a in tuples(((2, 0), (0, 3)))),
    *((np.tensordot, a, {"axes": (0, -1)}) for a in tuples(((2, 3), (4, 2)))),
    *((np.tensordot, a, {"axes": ([2, 0], [0, 1])}) for a in tuples(((2, 3, 4), (4, 2, 5)))),
    *((np.tensordot, a, {"axes": ([], [])}) for a in tuples(((2, 3), (4,)))),
]


@pytest.mark.filterwarnings("ignore:Arrays of 2-dimensional vectors")
@pytest.mark.parametrize("function, arrays, options", FUNCTIONS)
def test_products(function, arrays, options):
    """Values are NumPy's; products are linear in each argument, so gradients are weights of units."""
    expected = function(*arrays, **options)
    leaves = [Tensor(a, requires_grad=True) for a in arrays]
    for out in (function(*leaves, **options), getattr(pb, function.__name__)(*leaves, **options)):
        np.testing.assert_allclose(out.data, expected, rtol=1e-12, atol=1e-13)
        assert out.shape == np.shape(expected)
    g = RNG.normal(size=np.shape(expected))
    out.backward(g)
    for i, leaf in enumerate(leaves):
        for at in np.ndindex(leaf.shape):
            unit = np.zeros(leaf.shape)
            unit[at] = 1
            want = np.sum(g * function(*arrays[:i], unit, *arrays[i + 1 :], **options))
            np.testing.assert_allclose(leaf.grad.data[at], want, rtol=1e-11, atol=1e-12)
    single = function(*(Tensor(a, dtype=np.float32) for a in arrays), **options)
    assert single.dtype == np.float32


@pytest.mark.parametrize("name", ["dot", "inner", "outer", "kron", "tensordot"])
def test_second_order_of_products(name):
    a, b = Tensor(RNG.normal(size=(2, 2)), requires_grad=True), Tensor(RNG.normal(size=(2, 2)), requires_grad=True)
    assert gradgradcheck(getattr(pb, name), (a, b))


def test_matvec_vecmat_and_vecdot_over_another_axis():
    a, x, y = RNG.normal(size=(4, 2, 3)), RNG.normal(size=3), RNG.normal(size=(4, 2))
    np.testing.assert_allclose(pb.matvec(Tensor(a), x).data, a @ x, rtol=1e-13)
    np.testing.assert_allclose(pb.vecmat(y, Tensor(a)).data, np.einsum("ni,nij->nj", y, a), rtol=1e-13)
    np.testing.assert_allclose(pb.vecdot(Tensor(a), a, axis=0).data, (a * a).sum(0), rtol=1e-13)
    if hasattr(np, "matvec"):
        np.testing.assert_array_equal(np.matvec(Tensor(a), x).data, np.matvec(a, x))
        np.testing.assert_allclose(np.vecmat(y, Tensor(a)).data, np.vecmat(y, a), rtol=1e-13)


@pytest.mark.parametrize("name", ["vdot", "vecdot", "vecmat"])
def test_the_first_vector_is_conjugated(name):
    """For f = conj(x) . y the gradient with respect to y is conj(x), and Re f gives du/dx - i du/dy = y at x."""
    x, y = np.array([1 + 2j, 3 - 1j]), np.array([2j, 1.5 + 0j])
    tx, ty = Tensor(x, requires_grad=True), Tensor(y, requires_grad=True)
    out = getattr(pb, name)(tx, np.reshape(ty, (2, 1)) if name == "vecmat" else ty).sum()
    assert out.item() == np.vdot(x, y)
    out.backward()
    np.testing.assert_array_equal(ty.grad.data, np.conj(x))
    np.testing.assert_array_equal(tx.grad.data, np.conj(y))


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda x: np.tensordot(x, x, 3), r"tensordot: axes=3 for shapes \(2, 3\)"),
        (lambda x: np.tensordot(x, x, 1), "tensordot: .* pair different lengths"),
        (lambda x: np.tensordot(x, x, ([0, 0], [0, 0])), "tensordot: axis"),
        (lambda x: np.cross(x[:, :1], x), "cross: vectors of length 2 or 3 are needed, not 1 and 3"),
        (lambda x: np.linalg.cross(x.T, x.T), "cross: vectors of length 3 are needed, not 2 and 2"),
    ],
)
def test_errors_of_products(call, message):
    with pytest.raises(ValueError, match=message):
        call(Tensor(np.ones((2, 3))))


COMPLEX = [
    (np.matmul, (2, 3), (3, 2), {}),
    (np.tensordot, (2, 3), (3, 2), {"axes": 1}),
    (np.kron, (2, 1), (2,), {}),
    (np.cross, (3,), (3,), {}),
    (np.outer, (2,), (3,), {}),
    (np.inner, (2, 2), (3, 2), {}),
    (np.vdot, (2, 2), (4,), {}),
    (np.vecdot, (2, 3), (3,), {}),
    (np.convolve, (4,), (2,), {}),
    (np.correlate, (4,), (2,), {}),
]


@pytest.mark.parametrize("function, left, right, options", COMPLEX)
def test_complex_numbers_as_pairs_of_real_ones(function, left, right, options):
    """The loss Re(sum(g f)) has the gradient d/dx - i d/dy; f is linear over the reals in each argument."""
    arrays = [RNG.normal(size=s) + 1j * RNG.normal(size=s) for s in (left, right)]
    leaves = [Tensor(a, requires_grad=True) for a in arrays]
    out = function(*leaves, **options)
    np.testing.assert_allclose(out.data, function(*arrays, **options), rtol=1e-13, atol=1e-13)
    g = RNG.normal(size=out.shape) + 1j * RNG.normal(size=out.shape)
    out.backward(g)
    for i, leaf in enumerate(leaves):
        for at in np.ndindex(leaf.shape):
            units = np.zeros((2, *leaf.shape), complex)
            units[(0, *at)], units[(1, *at)] = 1, 1j
            along = [np.sum(g * function(*arrays[:i], u, *arrays[i + 1 :], **options)).real for u in units]
            np.testing.assert_allclose(leaf.grad.data[at], along[0] - 1j * along[1], rtol=1e-11, atol=1e-12)


def test_matmul_with_numpys_options():
    out = Tensor(np.zeros((2, 2)))
    a = Tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    assert pb.matmul(a, a, out=out) is out
    out.sum().backward()
    np.testing.assert_array_equal(out.data, [[7, 10], [15, 22]])
    np.testing.assert_array_equal(a.grad.data, [[7, 11], [9, 13]])  # row sums along rows plus column sums along columns
