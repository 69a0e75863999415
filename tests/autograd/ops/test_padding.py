import numpy as np
import pytest

import pullback as pb
from pullback import Tensor
from pullback.testing import gradcheck

RNG = np.random.default_rng(3)
X = RNG.normal(size=(3, 4))

CASES = [
    ("constant", {}),
    ("constant", {"constant_values": 2.5}),
    ("constant", {"constant_values": (1.0, 2.0)}),
    ("constant", {"constant_values": ((1.0, 2.0), (3.0, 4.0))}),
    ("edge", {}),
    ("wrap", {}),
    ("reflect", {}),
    ("reflect", {"reflect_type": "odd"}),
    ("symmetric", {}),
    ("symmetric", {"reflect_type": "even"}),
    ("symmetric", {"reflect_type": "odd"}),
    ("linear_ramp", {}),
    ("linear_ramp", {"end_values": 2.0}),
    ("linear_ramp", {"end_values": ((1.0, 2.0), (3.0, 4.0))}),
    ("mean", {}),
    ("mean", {"stat_length": 2}),
    ("mean", {"stat_length": ((1, 2), (3, 1))}),
]
WIDTHS = [2, (1, 2), ((0, 3), (2, 1)), ((5, 7), (9, 0)), 0, [3], {0: 1, -1: (0, 2)}]


@pytest.mark.parametrize("mode, options", CASES)
@pytest.mark.parametrize("width", WIDTHS, ids=str)
def test_pad(mode, options, width):
    plain = [(1, 1), (0, 2)] if isinstance(width, dict) else width  # dictionaries came with NumPy 2.2
    expected = np.pad(X, plain, mode, **options)
    x = Tensor(X, requires_grad=True)
    out = pb.pad(x, width, mode, **options)
    np.testing.assert_allclose(out.data, expected, rtol=1e-13, atol=1e-13)
    np.testing.assert_allclose(np.pad(x, plain, mode, **options).data, expected, rtol=1e-13, atol=1e-13)
    g = RNG.normal(size=expected.shape)
    out.backward(g)
    bare = np.pad(np.zeros(X.shape), plain, mode, **options)
    for at in np.ndindex(X.shape):  # padding is affine: the gradient is what g weighs a unit with
        unit = np.zeros(X.shape)
        unit[at] = 1
        want = np.sum(g * (np.pad(unit, plain, mode, **options) - bare))
        np.testing.assert_allclose(x.grad.data[at], want, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("mode, options", CASES)
def test_dtypes(mode, options):
    x = Tensor(X, dtype=np.float32, requires_grad=True)
    out = pb.pad(x, 2, mode, **options)
    out.sum().backward()
    assert out.dtype == x.grad.dtype == np.float32
    integers = pb.pad(Tensor(np.arange(12).reshape(3, 4)), 2, mode, **options)
    np.testing.assert_array_equal(integers.data, np.pad(np.arange(12).reshape(3, 4), 2, mode, **options))


def test_complex_and_scalars():
    z = X + 1j
    for mode, options in CASES:
        expected = np.pad(z, 1, mode, **options)
        np.testing.assert_allclose(pb.pad(Tensor(z), 1, mode, **options).data, expected, rtol=1e-13, atol=1e-13)
    assert pb.pad(Tensor(3.0), ()).item() == 3
    assert pb.pad(Tensor(np.zeros((0, 2))), 1, constant_values=4.0).data.sum() == 2 * 4 * 4
    assert gradcheck(lambda x: pb.pad(x, 1, "reflect") ** 2, (Tensor(X, requires_grad=True),))


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda x: np.pad(x, 1, "empty"), "pad: mode 'empty' is not supported; there are constant, edge"),
        (lambda x: np.pad(x, 1, "edge", stat_length=3), "pad: mode 'edge' has no option stat_length"),
        (lambda x: np.pad(x, -1), "pad: pad_width=-1; expected integers from 0"),
        (lambda x: np.pad(x, 1.5), "pad: pad_width=1.5"),
        (lambda x: np.pad(x, [(1, 2)] * 3), "broadcast|pad"),
    ],
)
def test_errors(call, message):
    with pytest.raises(ValueError, match=message):
        call(Tensor(X))


def test_gradients_of_the_constants():
    x, ends = np.arange(6.0).reshape(2, 3), np.array([[1.5, -2.0], [0.5, 3.0]])
    both = [Tensor(a, requires_grad=True) for a in (x, ends)]
    assert gradcheck(lambda x, ends: pb.pad(x, ((1, 2), (0, 1)), constant_values=ends) ** 2, both)
    out = pb.pad(x, ((1, 2), (0, 1)), constant_values=Tensor(ends, requires_grad=True))
    np.testing.assert_array_equal(out.detach().numpy(), np.pad(x, ((1, 2), (0, 1)), constant_values=ends))
