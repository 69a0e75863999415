"""Fourier transforms with gradients, as in `numpy.fft`: three linear maps along an axis, and what is made of them.

The matrix of the complex transform is symmetric, so it is its own transpose; the real one and its inverse are
one another's, up to conjugates and the weights of the entries that stand for two.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..core.conversion import lift
from ..core.forms import Frequencies, OverAxes
from ..core.primitive import implements, linear
from ..core.tensor import Tensor
from ..core.types import ArrayLike, Axis
from .creation import creator
from .elementwise import conj
from .padding import pad
from .shape import axes_of, roll

__all__ = [
    "fft", "fft2", "fftfreq", "fftn", "fftshift", "hfft", "hfft2", "hfftn", "ifft", "ifft2", "ifftn",
    "ifftshift", "ihfft", "ihfft2", "ihfftn", "irfft", "irfft2", "irfftn", "rfft", "rfft2", "rfftfreq",
    "rfftn",
]  # fmt: skip

_OPPOSITE = {"backward": "forward", "ortho": "ortho", "forward": "backward"}


@linear("x")
def dft(x: Any, *, axis: int, inverse: bool, norm: Any) -> Any:
    """The Fourier transform along one axis."""
    return np.fft.ifft(x, axis=axis, norm=norm) if inverse else np.fft.fft(x, axis=axis, norm=norm)


dft.vjp("x")(lambda g, axis, inverse, norm: dft.apply(g, axis=axis, inverse=inverse, norm=norm))


@linear("x")
def real_dft(x: Any, *, axis: int, norm: Any) -> Any:
    """The Fourier transform of real numbers along one axis, without its mirror image."""
    return np.fft.rfft(x, axis=axis, norm=norm)


@linear("x")
def inverse_real_dft(x: Any, *, n: int, axis: int, norm: Any) -> Any:
    """The `n` real numbers along one axis of which `x` is the Fourier transform without its mirror image."""
    return np.fft.irfft(x, n, axis, norm)


@real_dft.vjp("x")
def _(g: Any, x_shape: Any, axis: int, norm: str) -> Any:
    n = x_shape[axis]
    return inverse_real_dft.apply(np.conj(g) / _count(n, axis, g), n=n, axis=axis, norm=_OPPOSITE[norm])


@inverse_real_dft.vjp("x")
def _(g: Any, x_shape: Any, n: int, axis: int, norm: str) -> Any:
    return np.conj(real_dft.apply(g, axis=axis, norm=_OPPOSITE[norm])) * _count(n, axis, g)


def _count(n: int, axis: int, g: Any) -> Any:
    """How many entries of a full transform each one of a real transform stands for: 2, or 1 at the ends."""
    count = np.full(n // 2 + 1, 2, np.finfo(g.dtype).dtype)
    count[0] = count[n // 2 if n % 2 == 0 else 0] = 1
    return count.reshape((-1,) + (1,) * (g.ndim - 1 - axis))


@dft.strategy
def _(draw: Any) -> Any:
    (x,), options = _sample(draw)
    return (x + 1j * draw.array(shape=x.shape),), {**options, "inverse": draw.flag()}


def _sample(draw: Any, dtype: Any = None) -> Any:
    shape = draw.shape(min_dims=1, min_side=1)
    options = {"axis": draw.axis(len(shape)), "norm": draw.one_of(sorted(_OPPOSITE))}
    return (draw.array(shape=shape, dtype=dtype),), options


real_dft.strategy(lambda draw: _sample(draw, np.float64))


@inverse_real_dft.strategy
def _(draw: Any) -> Any:
    (x,), options = _sample(draw)
    n = 2 * x.shape[options["axis"]] - draw.integer(1, 2)
    return (x + 1j * draw.array(shape=x.shape),), {**options, "n": n or 1}


def _prepared(a: Any, n: int | None, axis: int, norm: str | None, name: str) -> tuple[Any, dict[str, Any]]:
    """An array cut or filled with zeros to length `n` along `axis`, and the options of its transform."""
    a = lift(a)
    (axis,) = axes_of(axis, a.ndim, name)
    norm = norm or "backward"
    if norm not in _OPPOSITE:
        raise ValueError(f"{name}: norm={norm!r}; expected 'backward', 'ortho' or 'forward'")
    length = a.shape[axis]
    n = length if n is None else int(n)
    if n < 1:
        raise ValueError(f"{name}: {n} points along axis {axis} of shape {a.shape}; at least 1 is needed")
    if n < length:
        a = a[(slice(None),) * axis + (slice(n),)]
    elif n > length:
        a = pad(a, [(0, n - length if i == axis else 0) for i in range(a.ndim)])
    return a, {"axis": axis, "norm": norm}


@implements(np.fft.fft)
def fft(a: ArrayLike, n: int | None = None, axis: int = -1, norm: str | None = None) -> Tensor:
    """The Fourier transform along `axis`, over `n` points (the array is cut, or filled with zeros).

    >>> from pullback import Tensor
    >>> fft(Tensor([1.0, 2.0]))
    Tensor([ 3.+0.j, -1.+0.j], dtype=complex128)
    """
    a, options = _prepared(a, n, axis, norm, "fft")
    return dft.apply(a, inverse=False, **options)


@implements(np.fft.ifft)
def ifft(a: ArrayLike, n: int | None = None, axis: int = -1, norm: str | None = None) -> Tensor:
    """The inverse of `fft`."""
    a, options = _prepared(a, n, axis, norm, "ifft")
    return dft.apply(a, inverse=True, **options)


@implements(np.fft.rfft)
def rfft(a: ArrayLike, n: int | None = None, axis: int = -1, norm: str | None = None) -> Tensor:
    """The Fourier transform of real numbers, just the first n // 2 + 1 entries: the others are their conjugates."""
    a, options = _prepared(a, n, axis, norm, "rfft")
    return real_dft.apply(a, **options)


@implements(np.fft.irfft)
def irfft(a: ArrayLike, n: int | None = None, axis: int = -1, norm: str | None = None) -> Tensor:
    """The inverse of `rfft`: `n` real numbers; None means an even number of them, so give `n` if it is odd."""
    a = lift(a)
    n = 2 * (a.shape[axes_of(axis, a.ndim, "irfft")[0]] - 1) if n is None else int(n)
    a, options = _prepared(a, n // 2 + 1 if n > 0 else 0, axis, norm, "irfft")
    return inverse_real_dft.apply(a, n=n, **options)


@implements(np.fft.hfft)
def hfft(a: ArrayLike, n: int | None = None, axis: int = -1, norm: str | None = None) -> Tensor:
    """The Fourier transform, real, of numbers whose other half are their conjugates."""
    return irfft(conj(a), n, axis, _OPPOSITE.get(norm or "backward", norm))


@implements(np.fft.ihfft)
def ihfft(a: ArrayLike, n: int | None = None, axis: int = -1, norm: str | None = None) -> Tensor:
    """The inverse of `hfft`."""
    return conj(rfft(a, n, axis, _OPPOSITE.get(norm or "backward", norm)))


def _axes(a: Any, s: Any, axes: Any, name: str) -> list[tuple[int, int]]:
    """The number of points and the axis of each transform; an axis may come twice."""
    shape = np.shape(a)
    if axes is None:
        axes = range(len(shape)) if s is None else range(len(shape) - len(s), len(shape))
    axes = [axes_of(int(axis), len(shape), name)[0] for axis in axes]
    s = [-1] * len(axes) if s is None else s
    if len(s) != len(axes):
        raise ValueError(f"{name}: s={s} and axes={axes} have different lengths")
    return [(shape[axis] if n == -1 else n, axis) for n, axis in zip(s, axes, strict=True)]


def _over_axes(name: str, one: Callable[..., Any], default: Any = None) -> OverAxes:
    """A complex transform over several axes, one after the other as NumPy takes them."""

    def transform(a: Any, s: Any = None, axes: Any = default, norm: str | None = None) -> Any:
        a = lift(a)
        for n, axis in reversed(_axes(a, s, axes, name)):
            a = one(a, n, axis, norm)
        return a

    transform.__name__, transform.__doc__ = name, f"`{one.__name__}` over several axes (None: all)."
    return implements(getattr(np.fft, name))(transform)


fftn, ifftn = _over_axes("fftn", fft), _over_axes("ifftn", ifft)
fft2, ifft2 = _over_axes("fft2", fft, (-2, -1)), _over_axes("ifft2", ifft, (-2, -1))


def _last_apart(a: Any, s: Any, axes: Any, name: str) -> Any:
    """The transforms over all but the last axis, and the one over the last."""
    given = _axes(a, s, axes, name)
    if not given:
        raise ValueError(f"{name}: at least one axis is needed")
    return given[:-1], *given[-1]


@implements(np.fft.rfftn)
def rfftn(
    a: ArrayLike, s: Sequence[int] | None = None, axes: Sequence[int] | None = None, norm: str | None = None
) -> Tensor:
    """`rfft` along the last of several axes (None: all), `fft` along the others."""
    a = lift(a)
    others, n, last = _last_apart(a, s, axes, "rfftn")
    a = rfft(a, n, last, norm)
    for n, axis in reversed(others):
        a = fft(a, n, axis, norm)
    return a


@implements(np.fft.irfftn)
def irfftn(
    a: ArrayLike, s: Sequence[int] | None = None, axes: Sequence[int] | None = None, norm: str | None = None
) -> Tensor:
    """The inverse of `rfftn`; the last length of `s` says whether there is an odd number of entries."""
    a = lift(a)
    others, n, last = _last_apart(a, s, axes, "irfftn")
    for m, axis in others:
        a = ifft(a, m, axis, norm)
    return irfft(a, None if s is None else n, last, norm)


@implements(np.fft.rfft2)
def rfft2(
    a: ArrayLike, s: Sequence[int] | None = None, axes: Sequence[int] = (-2, -1), norm: str | None = None
) -> Tensor:
    """`rfftn` over two axes."""
    return rfftn(a, s, axes, norm)


@implements(np.fft.irfft2)
def irfft2(
    a: ArrayLike, s: Sequence[int] | None = None, axes: Sequence[int] = (-2, -1), norm: str | None = None
) -> Tensor:
    """`irfftn` over two axes."""
    return irfftn(a, s, axes, norm)


def hfftn(
    a: ArrayLike, s: Sequence[int] | None = None, axes: Sequence[int] | None = None, norm: str | None = None
) -> Tensor:
    """`hfft` along the last of several axes (None: all), `fft` along the others; as in `scipy.fft`."""
    return irfftn(conj(a), s, axes, _OPPOSITE.get(norm or "backward", norm))


def ihfftn(
    a: ArrayLike, s: Sequence[int] | None = None, axes: Sequence[int] | None = None, norm: str | None = None
) -> Tensor:
    """The inverse of `hfftn`."""
    return conj(rfftn(a, s, axes, _OPPOSITE.get(norm or "backward", norm)))


def hfft2(
    a: ArrayLike, s: Sequence[int] | None = None, axes: Sequence[int] = (-2, -1), norm: str | None = None
) -> Tensor:
    """`hfftn` over two axes."""
    return hfftn(a, s, axes, norm)


def ihfft2(
    a: ArrayLike, s: Sequence[int] | None = None, axes: Sequence[int] = (-2, -1), norm: str | None = None
) -> Tensor:
    """`ihfftn` over two axes."""
    return ihfftn(a, s, axes, norm)


def _shift(x: Any, axes: Any, sign: int, name: str) -> Any:
    x = lift(x)
    axes = axes_of(axes, x.ndim, name)
    return roll(x, [sign * (x.shape[a] // 2) for a in axes], axes)


@implements(np.fft.fftshift)
def fftshift(x: ArrayLike, axes: Axis = None) -> Tensor:
    """The array with the zero frequency moved from the start to the middle of `axes` (None: all)."""
    return _shift(x, axes, 1, "fftshift")


@implements(np.fft.ifftshift)
def ifftshift(x: ArrayLike, axes: Axis = None) -> Tensor:
    """The inverse of `fftshift`."""
    return _shift(x, axes, -1, "ifftshift")


def _frequencies(function: Any) -> Frequencies:
    def make(n: int, d: float = 1.0, device: str | None = None, *, dtype: Any = None) -> Any:
        return function(n, d, device).astype(dtype)

    make.__name__ = function.__name__
    return creator(make)


fftfreq, rfftfreq = _frequencies(np.fft.fftfreq), _frequencies(np.fft.rfftfreq)
