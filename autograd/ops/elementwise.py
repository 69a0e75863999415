"""Operations that act entry by entry, with broadcasting; each line is a function and its derivative.

Kinks have a finite subgradient, and where two arguments tie they share the cotangent evenly. Where a slope is infinite
(sqrt at 0) or has a direction (hypot and abs of complex numbers at 0) it is 0, and the second derivative NaN.
"""

# mypy: disable-error-code="has-type"
from __future__ import annotations

import operator
from typing import Any

import numpy as np
from numpy import ndarray

from ..core.batching import computed
from ..core.conversion import apart, lift
from ..core.elementwise import elementwise
from ..core.forms import Binary, OfOne, Where
from ..core.primitive import Primitive, implements, primitive
from ..core.tensor import Tensor
from ..core.types import ArrayLike
from ..kernels.fused_elementwise import fused, if_positive
from ..runtime import memory
from .logistic import share
from .short_forms import passing
from .special.slopes import cosine_by, divisor, per_square, slope_in_base, slope_in_exponent

__all__ = [
    "abs", "absolute", "acos", "acosh", "add", "arccos", "arccosh", "arcsin", "arcsinh", "arctan", "arctan2",
    "arctanh", "asin", "asinh", "atan", "atan2", "atanh", "cbrt", "ceil", "clip", "conj", "conjugate", "copysign",
    "cos", "cosh", "deg2rad", "degrees", "divide", "exp", "exp2", "expm1", "fabs", "fix", "floor", "floor_divide",
    "fmax", "fmin", "fmod", "heaviside", "hypot", "log", "log10", "log1p", "log2", "logaddexp", "logaddexp2",
    "maximum", "minimum", "mod", "multiply", "nan_to_num", "negative", "nextafter", "positive", "pow", "power",
    "rad2deg", "radians", "reciprocal", "relu", "remainder", "rint", "sign", "sin", "sinh", "sqrt",
     "square", "subtract", "tan", "tanh", "true_divide", "trunc", "where",
]  # fmt: skip

_POSITIVE = (0.2, 3.0)
_UNIT = (-0.8, 0.8)


def _zero(g: Any) -> Any:
    return np.zeros_like(g)


# Arithmetic. Python's operators are NumPy's ufuncs on arrays, and much faster on NumPy scalars.
add = elementwise(operator.add, ufunc=np.add, a=lambda g: g, b=lambda g: g)
subtract = elementwise(operator.sub, name="subtract", ufunc=np.subtract, a=lambda g: g, b=lambda g: -g)
multiply = elementwise(operator.mul, name="multiply", ufunc=np.multiply, a=lambda g, b: g * b, b=lambda g, a: g * a)
divide = elementwise(
    operator.truediv,
    name="divide",
    ufunc=np.divide,
    domain=((-3.0, 3.0), _POSITIVE),
    a=lambda g, b: g / b,
    b=lambda g, b, out: -(g * out / b),
)
power = elementwise(
    operator.pow,
    name="power",
    ufunc=np.power,
    domain=(_POSITIVE, (-3.0, 3.0)),
    a=lambda g, a, b, out: g * slope_in_base(a, b, out),
    b=lambda g, a, b, out: g * slope_in_exponent(a, b, out),
)


@power.public
def power_form(a: ArrayLike, b: ArrayLike) -> Tensor:
    """a ** b; unlike that operator with the square of bools as an integer, as `numpy.power` has it."""
    if b.__class__ is int and lift(a).dtype == np.bool_:
        a = lift(a).astype(int)
    return power.apply(a, b)


negative = elementwise(operator.neg, name="negative", ufunc=np.negative, x=lambda g: -g)
positive = elementwise(operator.pos, name="positive", ufunc=np.positive, x=lambda g: g)
remainder = elementwise(
    operator.mod,
    name="remainder",
    ufunc=np.remainder,
    domain=((0.1, 0.9), (1.0, 3.0)),
    a=lambda g: g,
    b=lambda g, a, b: -g * np.floor_divide(a, b),
)
fmod = elementwise(
    np.fmod,
    domain=((0.1, 0.9), (1.0, 3.0)),
    a=lambda g: g,
    b=lambda g, a, b: g * _negated(np.floor_divide(np.abs(a), np.abs(b)), (a < 0) == (b < 0)),
)


def _negated(x: Any, where: Any) -> Any:
    return np.where(where, -x, x)


square = elementwise(np.square, x=lambda g, x: 2 * g * x)
reciprocal = elementwise(np.reciprocal, domain=_POSITIVE, x=lambda g, out: -g * out * out)

# Exponentials and logarithms
exp = elementwise(np.exp, x=lambda g, out: g * out)
exp2 = elementwise(np.exp2, x=lambda g, out: g * out * float(np.log(2)))


def _expm1(x: Any) -> Any:
    """exp(x) - 1, exact for small x, too.

    >>> from pullback import Tensor
    >>> expm1(Tensor(1e-20))
    Tensor(1.e-20)
    """
    with np.errstate(invalid="ignore", over="ignore"):
        out = np.expm1(x)
        if out.dtype.kind != "c":
            return out
        return np.where(np.logical_and(np.isfinite(x), x != 0), out, np.exp(x) - 1)  # else NaN where one part is not


expm1 = elementwise(_expm1, name="expm1", ufunc=np.expm1, x=lambda g, x: g * np.exp(x))
log = elementwise(np.log, domain=_POSITIVE, x=lambda g, x: g / x)
log2 = elementwise(np.log2, domain=_POSITIVE, x=lambda g, x: g / float(np.log(2)) / x)
log10 = elementwise(np.log10, domain=_POSITIVE, x=lambda g, x: g / float(np.log(10)) / x)
log1p = elementwise(np.log1p, domain=_POSITIVE, x=lambda g, x: g / (1 + x))
sqrt = elementwise(np.sqrt, domain=_POSITIVE, x=lambda g, out: g / divisor(2 * out))
cbrt = elementwise(np.cbrt, domain=_POSITIVE, x=lambda g, out: g / (3 * divisor(out * out)))
logaddexp = elementwise(np.logaddexp, a=lambda g, a, b: g * share(_gap(a, b)), b=lambda g, a, b: g * share(_gap(b, a)))
logaddexp2 = elementwise(
    np.logaddexp2,
    a=lambda g, a, b: g * share(_gap(a, b) * float(np.log(2))),
    b=lambda g, a, b: g * share(_gap(b, a) * float(np.log(2))),
)


def _gap(x: Any, y: Any) -> Any:
    """x - y; where both are the same infinity 0, or -inf for -inf."""
    same = np.logical_and(x == y, np.isinf(x))
    return np.where(same, np.minimum(x, 0), x) - np.where(same, 0, y)


# Trigonometric and hyperbolic functions
sin = elementwise(np.sin, x=lambda g, x: g * np.cos(x))
cos = elementwise(np.cos, x=lambda g, x: -g * np.sin(x))
tan = elementwise(np.tan, domain=(-1.2, 1.2), x=lambda g, out: g * (1 + out * out))
arcsin = elementwise(np.arcsin, domain=_UNIT, x=lambda g, x: g / divisor(_leg(x)))
arccos = elementwise(np.arccos, domain=_UNIT, x=lambda g, x: -g / divisor(_leg(x)))
arctan = elementwise(np.arctan, x=lambda g, x: g / _root(x) / _root(x))
arctan2: Primitive[Binary] = elementwise(
    np.arctan2,
    domain=_POSITIVE,
    y=lambda g, y, x: g * per_square(x, y),
    x=lambda g, y, x: -g * per_square(y, x),
)
hypot = elementwise(
    np.hypot,
    domain=_POSITIVE,
    a=lambda g, a, b, out: g * cosine_by(out, a, b),
    b=lambda g, a, b, out: g * cosine_by(out, b, a),
)


one_less_square = elementwise(
    lambda x: (1 - x) * (1 + x), name="one_less_square", domain=_UNIT, x=lambda g, x: -2 * (g * x)
)


def _leg(x: Any) -> Any:
    """The square root of 1 - x * x, with all its digits next to 1, also where the square overflows."""
    return np.sqrt(1 - x) * np.sqrt(1 + x) if x.dtype.kind == "c" else np.sqrt(one_less_square(x))


def _root(x: Any) -> Any:
    """The square root of 1 + x * x, also where the square overflows."""
    return np.sqrt(1 + 1j * x) * np.sqrt(1 - 1j * x) if x.dtype.kind == "c" else np.hypot(x, 1)


sinh = elementwise(np.sinh, x=lambda g, x: g * np.cosh(x))
cosh = elementwise(np.cosh, x=lambda g, x: g * np.sinh(x))
tanh = elementwise(np.tanh, x=lambda g, out: g * (1 - out * out))
arcsinh = elementwise(np.arcsinh, x=lambda g, x: g / _root(x))
arccosh = elementwise(np.arccosh, domain=(1.2, 3.0), x=lambda g, x: g / divisor(np.sqrt(x - 1) * np.sqrt(x + 1)))
arctanh = elementwise(np.arctanh, domain=_UNIT, x=lambda g, x: g / _leg(x) / _leg(x))
acos, acosh, asin, asinh, atan, atan2, atanh = arccos, arccosh, arcsin, arcsinh, arctan, arctan2, arctanh
pow, mod, true_divide = power, remainder, divide
deg2rad = elementwise(np.deg2rad, x=lambda g: np.deg2rad(g))
rad2deg = elementwise(np.rad2deg, x=lambda g: np.rad2deg(g))
radians, degrees = deg2rad, rad2deg
implements(np.radians)(radians)
implements(np.degrees)(degrees)


# Complex numbers: a gradient is d/dx - i d/dy, so that holomorphic functions keep the rules of the reals
conj = conjugate = elementwise(np.conjugate, name="conj", x=lambda g: np.conj(g))


# Kinks
def _attained(g: Any, mine: Any, other: Any, out: Any) -> Any:
    """The cotangent of the extremum of two where it is `mine`, half of it in a tie; a NaN attains a NaN."""
    return np.where(_same(mine, out), np.where(_same(other, out), g / 2, g), 0)


def _same(x: Any, y: Any) -> Any:
    return np.logical_or(x == y, np.logical_and(x != x, y != y))


def _direction(x: Any) -> Any:
    """x / abs(x), and 0 for 0."""
    return x / divisor(np.abs(x)) if x.dtype.kind == "c" else np.sign(x)


abs = absolute = elementwise(np.absolute, name="abs", kinks=(0.0,), x=lambda g, x: g * np.conj(_direction(x)))
fabs = elementwise(np.fabs, kinks=(0.0,), x=lambda g, x: g * np.sign(x))
maximum, minimum, fmax, fmin = (
    elementwise(
        ufunc,
        domain=((-3.0, 0.9), (1.1, 3.0)),
        a=lambda g, a, b, out: _attained(g, a, b, out),
        b=lambda g, a, b, out: _attained(g, b, a, out),
    )
    for ufunc in (np.maximum, np.minimum, np.fmax, np.fmin)
)
copysign = elementwise(
    np.copysign, domain=(_POSITIVE, _POSITIVE), a=lambda g, a, b: g * np.sign(a) * np.copysign(1.0, b), b=_zero
)


_MANY = 1 << 15  # entries for which one pass in machine code pays
_ZERO = {np.dtype(t): np.zeros((), t) for t in "fd"}  # NumPy takes longer to make an array of the number


def _relu(x: Any) -> Any:
    """The entries above 0, and 0 in the place of the others.

    >>> from pullback import Tensor
    >>> relu(Tensor([-1.0, 2.0]))
    Tensor([0., 2.])
    """
    if x.__class__ is not ndarray:
        return np.maximum(x, 0)
    if x.size < _MANY or x.dtype != np.result_type(x, 0):
        return np.maximum(x, _ZERO.get(x.dtype, 0))
    out = memory.empty(x.shape, x.dtype)
    fused(_rectified, [out], [x])
    return out


def _rectified(_: Any, x: Any) -> tuple[Any]:
    return (np.maximum(x, 0),)


def _gated(_: Any, g: Any, x: Any) -> tuple[Any]:
    side = np.sign(x)
    return (if_positive(0.5 - np.absolute(side), 0, g) * side,)


@primitive
def gate(g: Any, x: Any) -> Any:
    """g times the sign of x, with broadcasting: what passes a relu of the result x."""
    if g.__class__ is not ndarray or g.size < _MANY or g.shape != x.shape or g.dtype != x.dtype or g.dtype.kind == "c":
        return passing(g, np.sign(x.real))
    out = memory.empty(g.shape, g.dtype)
    fused(_gated, [out], [g, x])
    return out


gate.vjp("g", "elementwise")(lambda g, x: gate.apply(g, x))
gate.vjp("x", "elementwise")(lambda g: np.zeros_like(g))


gate.strategy(lambda draw: (draw.entries(((-3.0, 3.0), _POSITIVE)), {}))


relu = elementwise(
    _relu,
    name="relu",
    kinks=(0.0,),
    x=lambda g, out: gate.function(g, out) if g.__class__ is ndarray is out.__class__ else gate.apply(g, out),
)


@primitive
def sign(x: Any) -> Any:
    """-1, 0 or 1, of derivative 0; of complex numbers x / abs(x), whose derivative is that of its angle."""
    return np.sign(x)


@sign.vjp("x")
def _(g: Any, x: Any, out: Any) -> Any:
    if out.dtype.kind != "c":
        return np.zeros_like(g)
    turn = g * out
    return (turn - np.conj(turn)) / 2 * np.conj(out) / np.where(x == 0, 1, abs(x))


sign.strategy(lambda draw: ((draw.array(kinks=(0.0,)),), {}))
sign.public(implements(np.sign)(lambda x: sign.apply(lift(x))))
sign_form: Primitive[OfOne] = sign

# Steps: their derivative is 0 almost everywhere
floor = elementwise(np.floor, domain=(0.1, 0.9), x=_zero)
ceil = elementwise(np.ceil, domain=(0.1, 0.9), x=_zero)
trunc = elementwise(np.trunc, domain=(0.1, 0.9), x=_zero)
rint = elementwise(np.rint, domain=(0.6, 1.4), x=_zero)
floor_divide = elementwise(
    operator.floordiv, name="floor_divide", ufunc=np.floor_divide, domain=((0.1, 0.9), (1.0, 3.0)), a=_zero, b=_zero
)
heaviside: Primitive[Binary] = elementwise(
    np.heaviside, kinks=(0.0,), x=_zero, at_zero=lambda g, x: np.where(x == 0, g, 0)
)
nextafter: Primitive[Binary] = elementwise(np.nextafter, domain=_POSITIVE, x=lambda g: g, towards=_zero)
fix = trunc
implements(np.fix)(fix)


@primitive
def where(condition: Any, a: Any, b: Any) -> Any:
    """Entries of `a` where `condition`, else of `b`; all three broadcast."""
    return np.where(condition, a, b)


where.kinds["condition"] = "elementwise"
where.vjp("a", "elementwise")(lambda g, condition: np.where(condition, g, 0))
where.vjp("b", "elementwise")(lambda g, condition: np.where(condition, 0, g))


@where.strategy
def _(draw: Any) -> Any:
    a, b = draw.entries(((-3.0, 3.0),) * 2)
    return (draw.mask(a.shape), a, b), {}


@where.public
@implements(np.where)
def _(condition: ArrayLike, x: ArrayLike | None = None, y: ArrayLike | None = None, /) -> Tensor | tuple[Tensor, ...]:
    if x is None and y is None:
        return np.nonzero(condition)
    return where.apply(condition, x, y)


where_form: Primitive[Where] = where


@implements(np.clip)
def clip(
    x: ArrayLike,
    /,
    min: ArrayLike | None = None,
    max: ArrayLike | None = None,
    *,
    a_min: ArrayLike | None = None,
    a_max: ArrayLike | None = None,
) -> Tensor:
    """`x` limited to [min, max] (NumPy also says `a_min` and `a_max`), either of which may be None; gradients follow
    `maximum` and `minimum`."""
    x = lift(x)
    low, high = a_min if min is None else min, a_max if max is None else max
    if x.dtype.kind in "iu":  # Python's integers may lie beyond all that x can be
        low = None if low.__class__ is int and low <= np.iinfo(x.dtype).min else low
        high = None if high.__class__ is int and high >= np.iinfo(x.dtype).max else high
    if low is not None:
        x = maximum(x, low)
    if high is not None:
        x = minimum(x, high)
    return apart(x) if low is high is None else x


@implements(np.nan_to_num)
def nan_to_num(
    x: ArrayLike, copy: bool = True, nan: float = 0.0, posinf: ArrayLike | None = None, neginf: ArrayLike | None = None
) -> Tensor:
    """`x` with numbers for NaN and the infinities (None: the largest there are), which get no gradient; without `copy`
    `x` itself, written into."""
    out = where(np.isfinite(x), x, computed(np.nan_to_num, x, True, nan, posinf, neginf))
    if copy:
        return out
    x[...] = out
    return x
