"""Parts and other forms of numbers: real and imaginary, whole and fraction, exponent and mantissa, another dtype."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.batching import computed, everywhere, pointwise
from ..core.conversion import floating, lift
from ..core.forms import OfOne, OfTwo
from ..core.primitive import Primitive, implements, linear, primitive
from ..core.tensor import Tensor, on_cpu
from ..core.types import ArrayLike, DTypeLike
from .elementwise import arctan2, floor_divide, fmod, power, rad2deg, remainder, trunc

__all__ = [
    "angle", "around", "astype", "divmod", "float_power", "frexp", "imag", "ldexp", "modf", "real",
    "real_if_close", "round",
]  # fmt: skip


@linear("re", "im", jointly=True)
def joined(re: Any, im: Any) -> Any:
    """The complex numbers of these real and imaginary parts."""
    out = np.empty(np.broadcast_shapes(np.shape(re), np.shape(im)), np.result_type(re, im, np.complex64))
    out.real, out.imag = re, im
    return out


joined.vjp("re", "jointly linear")(lambda g: g)  # the engine casts a cotangent to its input's dtype
joined.vjp("im", "jointly linear")(lambda g: g * 1j)
joined.batch(pointwise)


@joined.strategy
def _(draw: Any) -> Any:
    re = draw.array(dtype=np.float64)
    return (re, draw.array(shape=re.shape, dtype=np.float64)), {}


@primitive
def real(x: Any) -> Any:
    """The real part."""
    return np.real(x)


real.vjp("x", "elementwise")(lambda g: g)  # the engine casts a cotangent to its input's dtype
real.view(lambda x, value: joined(value, imag(x)) if x.dtype.kind == "c" else value)


@real.strategy
def _(draw: Any) -> Any:
    return (draw.array(),), {}


real.public(implements(np.real)(lambda val: real.apply(lift(val))))
real_form: Primitive[OfOne] = real


@primitive
def imag(x: Any) -> Any:
    """The imaginary part; zeros, and no gradient, for real `x`."""
    return np.imag(x)


imag.vjp("x", "elementwise")(lambda g: g * -1j)
imag.view(lambda x, value: joined(real(x), value))


@imag.strategy
def _(draw: Any) -> Any:
    return (draw.array() * (1 + 2j),), {}


@imag.public
@implements(np.imag)
def imag_form(val: ArrayLike) -> Tensor:
    val = lift(val)
    return imag.apply(val) if val.dtype.kind == "c" else np.zeros_like(val)


def complexes(x: Any) -> Any:
    """`x` as complex numbers, as NumPy has it: of single precision for single precision and short integers."""
    return x if x.dtype.kind == "c" else x.astype(np.complex64 if x.dtype.char in "fbBhH" else np.complex128)


@implements(np.angle)
def angle(z: ArrayLike, deg: bool = False) -> Tensor:
    """The angle of complex numbers to the positive real axis, in radians or, if `deg`, in degrees."""
    z = lift(z)
    out = arctan2(imag(z), real(z)) if z.dtype.kind == "c" else arctan2(0, trunc(z))  # its sign, with derivative 0
    return rad2deg(out) if deg else out


@primitive
def round(x: Any, *, decimals: int) -> Any:
    """`x` to a number of decimals, halves to the even neighbour."""
    return np.round(x, decimals)


round.vjp("x", "elementwise")(lambda g: np.zeros_like(g))


@round.strategy
def _(draw: Any) -> Any:
    return (draw.array(domain=(0.6, 1.4)),), {"decimals": 0}


@round.public
@implements(np.round, np.around)
def round_form(a: ArrayLike, decimals: int = 0) -> Tensor:
    return round.apply(lift(a), decimals=decimals)


around = round


@implements(np.real_if_close)
def real_if_close(a: ArrayLike, tol: float = 100) -> Tensor:
    """The real part of complex numbers whose imaginary parts are all within `tol` (times the machine epsilon, if
    over 1) of 0; else the numbers as they are."""
    a = lift(a)
    if a.dtype.kind != "c":
        return a
    bound = tol * np.finfo(a.dtype).eps if tol > 1 else tol
    return real(a) if everywhere(np.abs(imag(a)) < bound) else a


# An exponent and a fraction
@primitive
def ldexp(x: Any, exponent: Any) -> Any:
    """x times 2 to an integer exponent."""
    return np.ldexp(x, exponent)


ldexp.kinds["exponent"] = "elementwise"
ldexp.vjp("x", "elementwise")(lambda g, exponent: np.ldexp(g, exponent))
implements(np.ldexp)(ldexp)


@ldexp.strategy
def _(draw: Any) -> Any:
    x = draw.array()
    return (x, draw.integers(x.shape, -3, 3)), {}


@implements(np.frexp)
def frexp(x: ArrayLike) -> tuple[Tensor, Tensor]:
    """The mantissa, of a size from 1/2 to 1, and the exponent, a constant, with x = mantissa * 2**exponent."""
    exponent = computed(lambda x: np.frexp(x)[1], x)
    return ldexp(x, -exponent), exponent if isinstance(x, Tensor) else exponent.data


@implements(np.modf)
def modf(x: ArrayLike) -> tuple[Tensor, Tensor]:
    """The fractional part and the integral part, both with the sign of x."""
    x = floating(x, np.float16)
    return fmod(np.where(np.isinf(x), 0, x), 1), trunc(x)


@implements(np.divmod)
def divmod(a: ArrayLike, b: ArrayLike) -> tuple[Tensor, Tensor]:
    """`floor_divide` and `remainder`."""
    return floor_divide(a, b), remainder(a, b)


@implements(np.float_power)
def float_power(a: ArrayLike, b: ArrayLike) -> Tensor:
    """`power` in at least double precision."""
    a, b = lift(a), lift(b)
    dtype = np.result_type(a.dtype, b.dtype, np.float64)
    return power(a.astype(dtype), b.astype(dtype))


@primitive
def astype(x: Any, *, dtype: Any) -> Any:
    """`x` converted to `dtype`; the cotangent is converted back."""
    return x.astype(dtype)


astype.vjp("x", "elementwise")(lambda g: g)  # the engine casts a cotangent to its input's dtype


@astype.strategy
def _(draw: Any) -> Any:
    x = draw.array()
    return (x,), {"dtype": np.result_type(x, draw.one_of([np.float64, np.complex128]))}


@astype.public
@implements(np.astype)
def astype_form(x: ArrayLike, dtype: DTypeLike, *, copy: bool = True, device: str | None = None) -> Tensor:
    on_cpu(device)
    x, dtype = lift(x), np.dtype(dtype)
    if not copy and x.dtype == dtype:
        return x
    if dtype.kind in "fc":
        return astype.apply(x, dtype=dtype)
    return computed(np.astype, x, dtype) if isinstance(x, Tensor) else x.astype(dtype)


ldexp_form: Primitive[OfTwo] = ldexp
