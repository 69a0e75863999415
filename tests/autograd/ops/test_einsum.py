import numpy as np
import pytest

import pullback as pb
from pullback import Tensor
from pullback.testing import gradgradcheck

RNG = np.random.default_rng(11)

CASES = [
    ("ij,jk->ik", (2, 3), (3, 4)),
    ("ij,jk", (2, 3), (3, 4)),
    ("ji", (2, 3)),
    ("ii", (3, 3)),
    ("ii->i", (3, 3)),
    ("iji->j", (3, 2, 3)),
    ("iii->i", (2, 2, 2)),
    ("i,i", (3,), (3,)),
    ("i,j", (3,), (2,)),
    ("ij->", (2, 3)),
    ("ij->i", (2, 3)),
    (",ij->ji", (), (2, 3)),
    (",->", (), ()),
    ("->", ()),
    ("i...->...", (2, 3, 4)),
    ("...i->i...", (2, 3, 4)),
    ("...ij,...jk->...ik", (5, 2, 3), (3, 4)),
    ("...ij,...jk", (5, 1, 2, 3), (4, 3, 4)),
    ("i...,i...", (3, 2, 4), (3, 4)),
    ("bij,bjk,k->bi", (2, 3, 4), (2, 4, 2), (2,)),
    ("ab,bc,cd,da->", (2, 3), (3, 4), (4, 2), (2, 2)),
    ("ij,ij,ij->ij", (2, 3), (2, 3), (2, 3)),
    ("ij,ij->i", (2, 1), (2, 3)),
    ("ij,jk->k", (2, 1), (3, 4)),
    ("ij,kj->ik", (1, 3), (4, 1)),
    ("ii,i->i", (3, 3), (1,)),
    ("ij,kl->jl", (2, 3), (4, 2)),
    ("ij,jk->ik", (2, 0), (0, 3)),
    ("Ab,bA->A", (2, 3), (3, 2)),
    ("ba,c", (2, 3), (4,)),
]


@pytest.mark.parametrize("subscripts, shapes", [(case[0], case[1:]) for case in CASES])
def test_values_and_gradients(subscripts, shapes):
    arrays = [RNG.normal(size=shape) for shape in shapes]
    expected = np.einsum(subscripts, *arrays)
    leaves = [Tensor(a, requires_grad=True) for a in arrays]
    for out in (np.einsum(subscripts, *leaves), pb.einsum(subscripts, *leaves, optimize=False)):
        assert out.shape == expected.shape
        np.testing.assert_allclose(out.data, expected, rtol=1e-12, atol=1e-13)
    g = RNG.normal(size=expected.shape)
    out.backward(g)
    for i, leaf in enumerate(leaves):  # linear in each: the gradient is what g weighs a unit with
        for at in np.ndindex(leaf.shape):
            unit = np.zeros(leaf.shape)
            unit[at] = 1
            want = np.sum(g * np.einsum(subscripts, *arrays[:i], unit, *arrays[i + 1 :]))
            np.testing.assert_allclose(leaf.grad.data[at], want, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("subscripts, shapes", [(case[0], case[1:]) for case in CASES[:28:3]])
def test_second_order(subscripts, shapes):
    leaves = [Tensor(RNG.normal(size=shape), requires_grad=True) for shape in shapes]
    assert gradgradcheck(lambda *x: pb.einsum(subscripts, *x), leaves)


def test_lists_of_indices():
    a, b = RNG.normal(size=(2, 3)), RNG.normal(size=(3, 4))
    for lists in ((a, [0, 1], b, [1, 2]), (a, [0, 1], b, [1, 2], [2, 0]), (a, [..., 30], [30, ...]), (a, [7, 2])):
        ours = [Tensor(x) if isinstance(x, np.ndarray) else x for x in lists]
        np.testing.assert_allclose(np.einsum(*ours).data, np.einsum(*lists), rtol=1e-13)


def test_an_operand_twice_and_single_precision():
    x = Tensor([1.0, 2.0, 3.0], dtype=np.float32, requires_grad=True)
    out = np.einsum("i,i,i->", x, x, x)
    out.backward()
    assert out.dtype == x.grad.dtype == np.float32
    np.testing.assert_array_equal(x.grad.data, [3, 12, 27])


def test_complex_operands_are_not_conjugated():
    z, w = np.array([1 + 2j, 3.0]), np.array([2j, 1 - 1j])
    x = Tensor(z, requires_grad=True)
    np.einsum("i,i", x, w).backward()
    np.testing.assert_array_equal(x.grad.data, w)


@pytest.mark.parametrize(
    "subscripts, shapes, message",
    [
        ("ij,jk", [(2, 3)], "'ij,jk' does not fit operands of 2 dimensions"),
        ("ij", [(2, 3, 4)], "does not fit operands of 3"),
        ("...ijk", [(2, 3)], "does not fit operands of 2"),
        ("ij,jk", [(2, 3), (4, 2)], r"two lengths for one index: shapes \(2, 3\), \(4, 2\)"),
        ("ii", [(1, 3)], "index 'i' names axes of lengths 1 and 3"),
        ("ij->k", [(2, 3)], "invalid subscripts"),
        ("ij->ii", [(2, 3)], "invalid subscripts"),
        ("i1", [(2, 3)], "invalid subscripts"),
        ("...i->i", [(2, 3)], "lacks the ..."),
    ],
)
def test_errors(subscripts, shapes, message):
    with pytest.raises(ValueError, match="einsum: .*" + message):
        np.einsum(subscripts, *[Tensor(np.ones(s)) for s in shapes])


def test_refused_options():
    with pytest.raises(TypeError, match="dtype"):
        np.einsum("ij->j", Tensor(np.ones((2, 3))), dtype=float)
