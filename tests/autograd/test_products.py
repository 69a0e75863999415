import numpy as np
import pytest

import pullback as pb
from pullback import Tensor
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
def test_matmul_of_any_shapes_is_pytorchs(left, right):
    torch = pytest.importorskip("torch")
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
    with pytest.raises(ValueError, match=r"affine: x of shape \(5, 4\), w \(2, 3\), b \(2,\)"):
        pb.affine(np.ones((5, 4)), np.ones((2, 3)), np.ones(2))
