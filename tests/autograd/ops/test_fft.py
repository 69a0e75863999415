"""Fourier transforms: values are NumPy's; the gradients of complex functions are checked on pairs of real numbers.

A gradient at z = x + iy is d/dx - i d/dy of a real loss, so with weights g the loss is Re(sum(g f(z))).
"""

import numpy as np
import pytest

import pullback as pb
from pullback import Tensor
from pullback.testing import gradcheck, gradgradcheck

RNG = np.random.default_rng(7)
NORMS = [None, "backward", "ortho", "forward"]
COMPLEX_INPUT = ("fft", "ifft", "fft2", "ifft2", "fftn", "ifftn", "irfft", "irfft2", "irfftn", "hfft")
REAL_INPUT = ("rfft", "rfft2", "rfftn", "ihfft")


def entries(name, shape):
    x = RNG.normal(size=shape)
    return x if name in REAL_INPUT else x + 1j * RNG.normal(size=shape)


def cases():
    for name in ("fft", "ifft", "rfft", "irfft", "hfft", "ihfft"):
        for n in (None, 3, 4, 5, 6, 1):
            yield name, {"n": n}
        yield name, {"axis": 0}
        yield name, {"n": 7, "axis": -2, "norm": "ortho"}
    for name in ("fftn", "ifftn", "rfftn", "irfftn"):
        yield name, {}
        yield name, {"axes": (0,)}
        yield name, {"axes": (1, 0), "s": (3, 7)}
        yield name, {"axes": (0, 1), "s": (-1, 3)}
        yield name, {"axes": (0, 1, 0)}
        yield name, {"axes": (1, 1), "s": (6, 5)}
    for name in ("fft2", "ifft2", "rfft2", "irfft2"):
        yield name, {}
        yield name, {"s": (2, 5), "axes": (1, 0)}


@pytest.mark.parametrize("name, options", list(cases()))
def test_values_and_gradients(name, options):
    function = getattr(np.fft, name)
    for norm in NORMS if not options else [options.get("norm", "forward")]:
        given = {**options, "norm": norm}
        z = entries(name, (4, 5))
        expected = function(z, **given)
        x = Tensor(z, requires_grad=True)
        for out in (function(x, **given), getattr(pb.fft, name)(x, **given)):
            assert isinstance(out, Tensor) and out.dtype == expected.dtype
            np.testing.assert_allclose(out.data, expected, rtol=1e-13, atol=1e-13)
        g = RNG.normal(size=expected.shape) + (1j * RNG.normal(size=expected.shape) if out.dtype.kind == "c" else 0)
        out.backward(g)
        want = np.zeros(z.shape, z.dtype)
        for at in np.ndindex(z.shape):  # the transforms are linear over the reals
            for unit, part in ((1, 1), (1j, -1j))[: 1 + (z.dtype.kind == "c")]:
                direction = np.zeros(z.shape, z.dtype)
                direction[at] = unit
                want[at] += part * np.real(np.sum(g * function(direction, **given)))
        assert x.grad.dtype == z.dtype
        np.testing.assert_allclose(x.grad.data, want, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("name", ["fft", "ifft", "fft2", "irfft", "hfft", "irfftn"])
def test_real_input_where_complex_is_expected(name):
    x = Tensor(RNG.normal(size=(3, 4)), requires_grad=True)
    np.testing.assert_allclose(getattr(np.fft, name)(x).data, getattr(np.fft, name)(x.data), rtol=1e-13, atol=1e-14)
    assert gradcheck(lambda x: np.abs(getattr(np.fft, name)(x)) ** 2, (x,))


@pytest.mark.parametrize("n", [4, 5])
def test_second_order_through_complex_numbers(n):
    x = Tensor(RNG.normal(size=(2, n)), requires_grad=True)

    def power_of_the_spectrum(x):
        z = np.fft.rfft(x * x)
        return np.fft.irfft(z * np.conj(z) * z, n)

    assert gradcheck(power_of_the_spectrum, (x,)) and gradgradcheck(power_of_the_spectrum, (x,))
    assert gradgradcheck(lambda x: np.abs(np.fft.fft2(x * x)) ** 2, (x,))


def test_parsevals_theorem_by_hand():
    """The spectrum's energy is n times the signal's, so its gradient is 2 n x."""
    x = Tensor([1.0, -2.0, 4.0, 0.5, 3.0], requires_grad=True)
    spectrum = np.fft.fft(x)
    (np.abs(spectrum) ** 2).sum().backward()
    np.testing.assert_allclose(x.grad.data, 2 * 5 * x.data, rtol=1e-13)


@pytest.mark.parametrize("name", [*COMPLEX_INPUT, *REAL_INPUT])
def test_single_precision(name):
    dtype = np.float32 if name in REAL_INPUT else np.complex64
    x = Tensor(entries(name, (4, 4)), dtype=dtype, requires_grad=True)
    out = getattr(np.fft, name)(x)
    assert out.dtype == getattr(np.fft, name)(x.data).dtype and out.dtype.itemsize <= 8
    out.sum().backward()
    assert x.grad.dtype == dtype
    node = out._node
    while node.primitive is not None:
        ((node, rule, kept),) = node.edges or ((x._node, None, None),)
        assert node.dtype.itemsize <= 8


@pytest.mark.parametrize("name", ["fftshift", "ifftshift"])
@pytest.mark.parametrize("axes", [None, 0, (1,), (0, -1)])
def test_shifts(name, axes):
    array = RNG.normal(size=(4, 5))
    x = Tensor(array, requires_grad=True)
    out = getattr(np.fft, name)(x, axes)
    np.testing.assert_array_equal(out.data, getattr(np.fft, name)(array, axes))
    np.testing.assert_array_equal(getattr(pb.fft, name)(array, axes), getattr(np.fft, name)(array, axes))
    g = RNG.normal(size=(4, 5))
    out.backward(g)
    assert np.sum(x.grad.data * array) == pytest.approx(np.sum(g * out.data))


def test_frequencies():
    np.testing.assert_array_equal(pb.fft.fftfreq(5, 0.5).data, np.fft.fftfreq(5, 0.5))
    np.testing.assert_array_equal(pb.fft.rfftfreq(4, d=2.0).data, np.fft.rfftfreq(4, d=2.0))


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda x: np.fft.fft(x, 0), "fft: 0 points along axis 1"),
        (lambda x: np.fft.irfft(x[:, :1]), "irfft: 0 points"),
        (lambda x: np.fft.fft(x, norm="unitary"), "fft: norm='unitary'; expected 'backward', 'ortho' or 'forward'"),
        (lambda x: np.fft.fft(x, axis=2), "fft: axis 2"),
        (lambda x: np.fft.fftn(x, (2,), (0, 1)), "fftn: s=.* have different lengths"),
        (lambda x: np.fft.rfftn(x, axes=()), "rfftn: at least one axis is needed"),
        (lambda x: np.fft.irfft2(x, (), ()), "irfftn: at least one axis is needed"),
    ],
)
def test_errors(call, message):
    with pytest.raises(ValueError, match=message):
        call(Tensor(np.ones((2, 3))))


def test_out():
    out = np.zeros(2, complex)
    assert np.fft.fft(Tensor([1.0, 2.0]), out=out) is out and out.tolist() == [3, -1]
    with pytest.raises(TypeError, match="fft: out is a NumPy array"):
        np.fft.fft(Tensor([1.0, 2.0], requires_grad=True), out=out)


@pytest.mark.parametrize("norm", [None, "ortho", "forward"])
@pytest.mark.parametrize("name", ["hfft2", "hfftn", "ihfft2", "ihfftn"])
def test_hermitian_transforms_over_several_axes(name, norm):
    """By scipy.fft, which has them where NumPy has not."""
    theirs = getattr(pytest.importorskip("scipy.fft"), name)
    x = RNG.normal(size=(3, 4, 5))
    x = x if name.startswith("i") else x + 1j * RNG.normal(size=x.shape)
    for options in ({}, {"axes": (0, 2)}, {"s": (2, 7), "axes": (1, 0)}):
        out = getattr(pb.fft, name)(Tensor(x), **options, norm=norm)
        np.testing.assert_allclose(out.numpy(), theirs(x, **options, norm=norm), rtol=1e-12, atol=1e-12)
    assert gradcheck(lambda x: getattr(pb.fft, name)(x, norm=norm), Tensor(x[:2, :2, :3], requires_grad=True))
