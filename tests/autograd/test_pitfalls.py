"""What other engines get wrong, by the design's section 6 (see test_edges.py for wrong numbers at single points).

The pictures that leave other maps on are tested in tests/viz/test_deconvnet.py, arrays that safetensors writes wrongly
in tests/nn/test_serialization.py.
"""

from fractions import Fraction

import numpy as np
import pytest

import pullback as pb
from pullback import Tensor, nn, testing
from pullback.autograd.core.graph import modes

RNG = np.random.default_rng(0)
A = RNG.normal(size=(2, 3, 4))


def leaf(values):
    return Tensor(values, requires_grad=True)


# HIPS autograd

HIPS_LACKS = {
    "cumprod": lambda x: pb.cumprod(x, 1),
    "flip": lambda x: pb.flip(x, (0, 2)),
    "sort of three dimensions": lambda x: pb.sort(x, 1),
    "median": lambda x: pb.median(x, -1),
    "rfft of odd length": lambda x: pb.real(pb.fft.rfft(x, axis=1) * (1 + 2j)),
    "irfft to odd length": lambda x: pb.fft.irfft(x * (1 - 1j), 5),
    "rfft of length 1": lambda x: pb.real(pb.fft.rfft(x[..., :1])),
    "qr": lambda x: pb.linalg.qr(pb.swapaxes(x, 1, 2)).R,
    "lstsq": lambda x: pb.linalg.lstsq(x[0].T, x[1, 0])[0],
    "diag of a wide matrix": lambda x: pb.diag(x[0], 1),
}


@pytest.mark.parametrize("name", HIPS_LACKS)
def test_functions_that_hips_autograd_lacks(name):
    assert testing.gradcheck(HIPS_LACKS[name], leaf(A))
    assert testing.gradgradcheck(HIPS_LACKS[name], leaf(A))


@pytest.mark.parametrize("f", [pb.var, pb.std, pb.max, lambda x: pb.where(x > 0, x, 0.0), lambda x: pb.mean(x) ** 2])
def test_float32_is_not_widened(f):
    x = leaf(A.astype(np.float32))
    out = f(x)
    out.backward(np.ones(out.shape))
    assert out.dtype == x.grad.dtype == np.float32


def test_an_exception_inside_nested_derivatives_leaves_no_trace():
    def in_force():
        return modes.recording, modes.dispatch, modes.overrides, modes.depth

    before = in_force()

    def fails(x):
        pb.grad(lambda y: (x * y).foo)(x)

    for _ in range(3):
        with pytest.raises(AttributeError):
            pb.grad(fails)(2.0)
    assert in_force() == before
    assert pb.grad(pb.grad(lambda x: x**3))(2.0).item() == 12


def test_a_derivative_inside_a_derivative_does_not_mix_them_up():
    assert pb.grad(lambda x: x * pb.grad(lambda y: x + y)(1.0))(1.0).item() == 1  # and not 2: perturbation confusion


# MyGrad and micrograd


@pytest.mark.parametrize("create_graph", [False, True])
def test_depth(create_graph):
    x = leaf(1.0)
    y = x
    for _ in range(10_000):
        y = y * 1.0 + 0.0
    y.backward(create_graph=create_graph)
    assert x.grad.item() == 1


def test_a_second_backward_adds_the_same_again():
    """micrograd adds up what is left on inner nodes: of x * x * x its second pass gives 36, not 12."""
    x = leaf(2.0)
    y = x * x
    z = y * x
    z.backward(retain_graph=True)
    assert x.grad.item() == 12
    z.backward(retain_graph=True)
    assert x.grad.item() == 24
    x.grad = None
    z.backward()
    assert x.grad.item() == 12
    with pytest.raises(RuntimeError, match="freed"):
        z.backward()


@pytest.mark.parametrize("n, stride, expected", [(5, 2, 2), (6, 2, 2), (7, 3, 2), (8, 3, 2), (3, 5, 1)])
def test_convolution_whose_stride_does_not_divide(n, stride, expected):
    x, w = leaf(RNG.normal(size=(1, 1, n))), leaf(RNG.normal(size=(1, 1, 3)))
    out = pb.conv(x, w, stride)
    assert out.shape == (1, 1, expected)
    windows = np.array([x.numpy()[0, 0, stride * i : stride * i + 3] for i in range(expected)])
    np.testing.assert_allclose(out.numpy()[0, 0], windows @ w.numpy()[0, 0], rtol=1e-12)
    out.sum().backward()
    np.testing.assert_allclose(w.grad.numpy()[0, 0], windows.sum(0), rtol=1e-12)
    used = np.zeros(n)
    for i in range(expected):
        used[stride * i : stride * i + 3] += w.numpy()[0, 0]
    np.testing.assert_allclose(x.grad.numpy()[0, 0], used, rtol=1e-12)


# PyTorch


def test_repeated_places_of_an_unpooling_add_and_both_get_the_cotangent():
    y, places = leaf([[[2.0, 3.0]]]), np.array([[[1, 1]]])
    out = pb.max_unpool(y, places, (4,))
    assert out.tolist() == [[[0, 5, 0, 0]]]
    out.backward(np.array([[[10.0, 20.0, 30.0, 40.0]]]))
    assert y.grad.tolist() == [[[20, 20]]]


@pytest.mark.parametrize("kernel", [1, 2, 3, 4])
@pytest.mark.parametrize("stride", [1, 2])
def test_a_transposed_convolution_with_same_padding_is_the_transpose(kernel, stride):
    x, w = RNG.normal(size=(1, 2, 6)), RNG.normal(size=(3, 2, kernel))
    y = RNG.normal(size=pb.conv(x, w, stride, "same").shape)
    back = pb.conv_transpose(y, w, stride, "same")
    assert back.shape == x.shape
    np.testing.assert_allclose(np.vdot(pb.conv(x, w, stride, "same"), y), np.vdot(x, back), rtol=1e-12)


# tinyml


@pytest.mark.parametrize("padding", [0, 1, 2])
@pytest.mark.parametrize("shape", [(4, 4), (3, 5)])
def test_deconvolution_at_padding_2_and_on_what_is_not_square(padding, shape):
    """Of every input entry a copy of the filter, added up, then cropped by the padding."""
    x, w = RNG.normal(size=shape), RNG.normal(size=(3, 2))
    whole = np.zeros((2 * shape[0] + 1, 2 * shape[1]))
    for i, j in np.ndindex(shape):
        whole[2 * i : 2 * i + 3, 2 * j : 2 * j + 2] += x[i, j] * w
    expected = whole[padding : len(whole) - padding, padding : whole.shape[1] - padding]
    out = pb.conv_transpose(x[None, None], w[None, None], 2, padding)
    np.testing.assert_allclose(out[0, 0], expected, rtol=1e-12, atol=1e-14)


def test_unpooling_of_windows_that_are_not_square():
    x = np.arange(24.0).reshape(1, 1, 4, 6) % 7
    best, places = nn.functional.max_pool2d(Tensor(x), (2, 3), return_indices=True)
    expected = np.zeros((4, 6))
    for i in range(2):
        for j in range(2):
            window = x[0, 0, 2 * i : 2 * i + 2, 3 * j : 3 * j + 3]
            at = np.unravel_index(np.argmax(window), (2, 3))
            expected[2 * i + at[0], 3 * j + at[1]] = window.max()
    np.testing.assert_array_equal(nn.functional.max_unpool2d(best, places, (2, 3)).numpy()[0, 0], expected)


def test_masked_arrays_do_not_take_the_values_of_a_tensor_without_its_gradient():
    x = Tensor([1.0, 2.0], requires_grad=True)
    for use in (np.ma.exp, np.ma.getdata, lambda x: np.ma.array([1.0, 2.0]) + x, lambda x: np.ma.array(x)):
        with pytest.raises(TypeError):
            use(x)


def test_arrays_of_objects_are_refused():
    objects = np.array([Fraction(1), Fraction(2)])
    x = Tensor([1.0, 2.0], requires_grad=True)
    for use in (lambda: objects + x, lambda: x * objects, lambda: np.concatenate([x, objects]), lambda: x[0] + objects):
        with pytest.raises(TypeError, match="dtype object is not numeric"):
            use()
