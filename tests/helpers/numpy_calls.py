"""Sample calls of every function of NumPy's that is differentiable in some argument.

`CALLS` maps a qualified name ("numpy.take_along_axis", "numpy.linalg.det", "numpy.add.reduce") to a list of `Call`s.
A `Call` is a lambda that takes the function and then, by their names, the arrays in `arrays`: float64 values
(complex128 where it is the point) away from kinks and ties, the named arguments in which the call is differentiable.
What does not matter to a gradient (axes, indices, masks) is in the lambda. A call gives an array or a tuple or list of
arrays (and other things, constants); a function that works in place is called on a copy, which the lambda gives back.

    for name, calls in CALLS.items():
        function = qualified(name)
        for call in calls:
            call(function)                    # on NumPy's arrays
            call(function, x=Tensor(...))     # with some of them replaced
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import reduce
from typing import Any

import numpy as np


class Call:
    """A call of a function, and the named arrays in which it is differentiable."""

    def __init__(self, run: Callable[..., Any], **arrays: Any):
        self.run, self.arrays = run, {name: np.array(a) for name, a in arrays.items()}

    def __call__(self, function: Any, **arrays: Any) -> Any:
        return self.run(function, **{**self.arrays, **arrays})


def qualified(name: str) -> Any:
    """The function of a qualified name, or None where this NumPy lacks it."""
    return reduce(lambda found, part: getattr(found, part, None), name.split(".")[1:], np)


def flattened(value: Any) -> Iterator[Any]:
    """The parts of nested tuples and lists, but for None."""
    if isinstance(value, (tuple, list)):
        for part in value:
            yield from flattened(part)
    elif value is not None:
        yield value


def changed(x: Any, change: Callable[[Any], Any], *given: Any) -> Any:
    """A copy of x after a change in place, by what is given: it is a Tensor where one of them is."""
    y = sum((0 * np.ravel(v)[0] for v in given), x * 1)
    change(y)
    return y


def empty(shape: Any, *arrays: Any) -> Any:
    """What `out=` takes for a result of these arrays."""
    return sum(np.zeros_like(a, shape=shape) for a in arrays)


_rng = np.random.default_rng(3)


def entries(*shape: int, low: float = -2.0, high: float = 2.0) -> Any:
    """Distinct entries in random order, none at or near a multiple of 1/2."""
    size = int(np.prod(shape))
    steps = _rng.permutation(np.linspace(low, high, 3 * size + 2)[1:-1:3])
    near = np.abs(2 * steps - np.round(2 * steps)) < 0.1
    return (steps + 0.07 * near).reshape(shape)


A, B, C = entries(2, 3), entries(2, 3, low=-1.83), entries(2, 2, 3, high=2.13)
P, Q = entries(2, 3, low=0.3, high=3.2), entries(2, 3, low=0.37, high=3.1)
U = entries(2, 3, low=-0.9, high=0.9)
V, W, POINTS = entries(4), entries(4, low=-1.83), np.array([0.2, 0.9, 2.1, 3.3])
S = entries(3, 3) / 4 + np.diag([2.0, 3.5, 5.0])
SPD = S @ S.T + np.eye(3)
T = entries(2, 3, 3) / 4 + np.diag([2.0, 3.5, 5.0])
Z, Z2 = A + 1j * B, B - 1j * A
HOLES = np.where(np.arange(6).reshape(2, 3) % 4 == 1, np.nan, A)
MASK = np.array([[True, False, True], [True, True, False]])
INDEX = np.array([[0, 2, 2, 1], [1, 0, 1, 1]])
X0 = np.array(0.7)

CALLS: dict[str, list[Call]] = {}


def _unary(names: str, *xs: Any) -> None:
    for name in names.split():
        CALLS[f"numpy.{name}"] = [Call(lambda f, x: f(x), x=x) for x in (*xs, xs[0][0, 0])]
        CALLS[f"numpy.{name}"] += [
            Call(lambda f, x: f(x, out=empty((2, 3), x)), x=xs[0]),
            Call(lambda f, x, out: f(x, out=out + empty((2, 3), x), where=MASK), x=xs[0], out=B),
            Call(lambda f, x: f(x, dtype=np.float64), x=xs[0]),
        ]


def _binary(names: str, x: Any, y: Any, **options: Any) -> None:
    for name in names.split():
        CALLS[f"numpy.{name}"] = [
            Call(lambda f, x, y: f(x, y), x=x, y=y),
            Call(lambda f, x, y: f(x, y), x=x, y=y[0]),
            Call(lambda f, x: f(x, 1.3), x=x),
            Call(lambda f, y: f(0.8, y), y=y),
            Call(lambda f, x, y: f(x, y, out=empty((2, 3), x, y)), x=x, y=y),
            Call(lambda f, x, y, out: f(x, y, out=out + empty((2, 3), x, y), where=MASK), x=x, y=y[0], out=C[0]),
            Call(lambda f, x, y: f(x, y, dtype=np.float64), x=x, y=y),
        ]
        CALLS[f"numpy.{name}.outer"] = [Call(lambda f, x, y: f(x, y), x=x, y=y[0])]


_unary("absolute abs fabs negative positive square sin cos arctan atan sinh cosh tanh arcsinh asinh", A)
_unary("exp exp2 expm1 deg2rad rad2deg degrees radians conjugate conj sign floor ceil trunc rint", A)
_unary("log log2 log10 log1p sqrt reciprocal cbrt", P)
_unary("tan arcsin arccos arctanh asin acos atanh", U)
_unary("arccosh acosh", P + 1)
_binary("add subtract multiply maximum minimum fmax fmin logaddexp logaddexp2 nextafter", A, B)
_binary("divide true_divide arctan2 atan2 hypot copysign power pow float_power", P, Q)
_binary("remainder mod fmod floor_divide", P, Q + 0.03)

# Options and arguments of ufuncs that the table does not have
for _name in ("absolute", "square", "exp", "sin", "cos", "tanh", "negative", "conjugate", "reciprocal", "log", "sqrt"):
    CALLS[f"numpy.{_name}"].append(Call(lambda f, x: f(x), x=Z))
for _name in ("add", "subtract", "multiply", "divide", "power"):
    CALLS[f"numpy.{_name}"].append(Call(lambda f, x, y: f(x, y), x=Z, y=Z2))
CALLS["numpy.divide"].append(
    Call(lambda f, x, y: f(x, y * MASK, where=MASK, out=np.zeros_like(x + y)), x=P, y=Q),
)
CALLS["numpy.heaviside"] = [Call(lambda f, x, y: f(x, y), x=A, y=B), Call(lambda f, y: f(0.0, y), y=B)]
CALLS["numpy.ldexp"] = [Call(lambda f, x: f(x, np.array([1, 0, -2])), x=A)]
CALLS["numpy.frexp"] = [Call(lambda f, x: f(x)[0], x=A)]
CALLS["numpy.modf"] = [Call(lambda f, x: f(x), x=A)]
CALLS["numpy.divmod"] = [Call(lambda f, x, y: f(x, y), x=P, y=Q + 0.03)]
CALLS["numpy.matmul"] = [
    Call(lambda f, x, y: f(x, y), x=A, y=S),
    Call(lambda f, x, y: f(x, y), x=T, y=V[:3]),
    Call(lambda f, x, y: f(x, y), x=V, y=W),
    Call(lambda f, x, y: f(x, y), x=Z, y=S),
    Call(lambda f, x, y: f(x, y, axes=[(0, 1), (1, 0), (1, 0)]), x=S, y=T[0]),
    Call(lambda f, x, y: f(x, y, out=empty((2, 3), x, y)), x=A, y=S),
]
CALLS["numpy.vecdot"] = [
    Call(lambda f, x, y: f(x, y), x=A, y=B),
    Call(lambda f, x, y: f(x, y, axis=0), x=A, y=B),
    Call(lambda f, x, y: f(x, y), x=Z, y=Z2),
    Call(lambda f, x, y: f(x, y, keepdims=True), x=A, y=B),
]
CALLS["numpy.matvec"] = [Call(lambda f, x, y: f(x, y), x=T, y=A), Call(lambda f, x, y: f(x, y), x=S, y=V[:3])]
CALLS["numpy.vecmat"] = [Call(lambda f, x, y: f(x, y), x=A, y=T), Call(lambda f, x, y: f(x, y), x=Z[0], y=T)]

# Methods of ufuncs
for _name in ("add", "multiply", "maximum", "minimum", "fmax", "fmin", "logaddexp", "logaddexp2", "hypot"):
    CALLS[f"numpy.{_name}.reduce"] = [
        Call(lambda f, x: f(x), x=A),
        Call(lambda f, x: f(x, axis=1, keepdims=True), x=A),
        Call(lambda f, x: f(x, axis=(0, 2)), x=C),
        Call(lambda f, x, initial: f(x, 1, initial=initial), x=A, initial=X0),
    ]
for _name in ("add", "multiply", "maximum", "minimum"):
    CALLS[f"numpy.{_name}.reduce"] += [
        Call(lambda f, x: f(x, axis=1, where=MASK, initial=0.6), x=A),
        Call(lambda f, x: f(x, out=empty(3, x)), x=A),
    ]
for _name in ("add", "subtract", "multiply", "divide", "maximum", "fmin", "logaddexp", "hypot"):
    CALLS[f"numpy.{_name}.accumulate"] = [
        Call(lambda f, x: f(x), x=P),
        Call(lambda f, x: f(x, axis=1), x=P),
    ]
    CALLS[f"numpy.{_name}.reduceat"] = [
        Call(lambda f, x: f(x, [0, 3, 1, 2]), x=POINTS),
        Call(lambda f, x: f(x, [0, 2], axis=1), x=P),
    ]
    CALLS[f"numpy.{_name}.at"] = [
        Call(lambda f, x, y: changed(x, lambda a: f(a, [2, 0, 2], y), y), x=POINTS, y=P[0]),
        Call(lambda f, x: changed(x, lambda a: f(a, (slice(None), 1), 2.0)), x=P),
        Call(lambda f, x, y: changed(x, lambda a: f(a, [0, 1, 0], y), y), x=P, y=POINTS[:3]),
    ]
for _name in ("subtract", "divide"):
    CALLS[f"numpy.{_name}.reduce"] = [Call(lambda f, x: f(x), x=P), Call(lambda f, x: f(x, axis=1), x=P)]
CALLS["numpy.exp.at"] = [Call(lambda f, x: changed(x, lambda a: f(a, [1, 3])), x=V)]

# Elementwise functions
if np.lib.NumpyVersion(np.__version__) < "2.5.0.dev0":  # from there on it is deprecated
    CALLS["numpy.fix"] = CALLS["numpy.trunc"][:2]
CALLS["numpy.sinc"] = [Call(lambda f, x: f(x), x=x) for x in (A, X0)]
CALLS["numpy.i0"] = [Call(lambda f, x: f(x), x=x) for x in (A, X0)]
for _name in ("real", "imag"):
    CALLS[f"numpy.{_name}"] = [Call(lambda f, val: f(val), val=Z)]
CALLS["numpy.real"].append(Call(lambda f, val: f(val), val=A))
CALLS["numpy.angle"] = [Call(lambda f, z: f(z), z=Z), Call(lambda f, z: f(z, deg=True), z=Z)]
CALLS["numpy.real_if_close"] = [Call(lambda f, a: f(a), a=A), Call(lambda f, a: f(a), a=Z)]
for _name in ("round", "around"):
    CALLS[f"numpy.{_name}"] = [
        Call(lambda f, a: f(a), a=A + 0.01),
        Call(lambda f, a: f(a, decimals=1, out=empty((2, 3), a)), a=A * 1.001),
    ]
CALLS["numpy.clip"] = [
    Call(lambda f, a: f(a, -1, 1), a=A * 1.1),
    Call(lambda f, a, a_min, a_max: f(a, a_min, a_max), a=A, a_min=B - 1.01, a_max=B[0] + 1.04),
    Call(lambda f, a, a_min: f(a, a_min=a_min, a_max=None), a=A, a_min=B),
    Call(lambda f, a: f(a, max=1.1, min=None), a=A),
    Call(lambda f, a: f(a, -1.1, 1.1, out=empty((2, 3), a)), a=A),
]
CALLS["numpy.nan_to_num"] = [Call(lambda f, x: f(x), x=A), Call(lambda f, x: f(x + HOLES * 0, nan=1.0), x=A)]
CALLS["numpy.where"] = [
    Call(lambda f, x, y: f(MASK, x, y), x=A, y=B),
    Call(lambda f, x, y: f(MASK[0], x, y), x=A, y=B[0, 0]),
]
CALLS["numpy.astype"] = [Call(lambda f, x: f(x, np.float64), x=A), Call(lambda f, x: f(x, np.complex128), x=A)]
CALLS["numpy.unwrap"] = [
    Call(lambda f, p: f(p), p=A * 4),
    Call(lambda f, p: f(p, axis=0, period=3.0), p=A * 4),
    Call(lambda f, p: f(p, 1.0, 0), p=A * 4),
]

# Reductions
for _name in ("sum", "prod", "max", "min", "amax", "amin"):
    CALLS[f"numpy.{_name}"] = [
        Call(lambda f, a: f(a), a=A),
        Call(lambda f, a: f(a, axis=-1), a=A),
        Call(lambda f, a: f(a, (0, 2), keepdims=True), a=C),
        Call(lambda f, a: f(a, axis=1, where=MASK, initial=0.4), a=A),
        Call(lambda f, a, initial: f(a, axis=0, initial=initial), a=A, initial=X0),
        Call(lambda f, a: f(a, 0, out=empty(3, a)), a=A),
    ]
for _name in ("sum", "prod"):
    CALLS[f"numpy.{_name}"] += [
        Call(lambda f, a: f(a, 1, np.float64, None, True), a=A),
        Call(lambda f, a: f(a, axis=0), a=Z),
        Call(lambda f, a: f(a, where=MASK), a=A),
    ]
CALLS["numpy.prod"].append(Call(lambda f, a: f(a * np.array([1.0, 0.0, 1.0]), axis=1), a=A))
for _name in ("mean", "var", "std"):
    CALLS[f"numpy.{_name}"] = [
        Call(lambda f, a: f(a), a=A),
        Call(lambda f, a: f(a, axis=1, keepdims=True), a=A),
        Call(lambda f, a: f(a, (0, 2), dtype=np.float64), a=C),
        Call(lambda f, a: f(a, axis=1, where=MASK), a=A),
        Call(lambda f, a: f(a, 0, out=empty(3, a)), a=A),
        Call(lambda f, a: f(a, axis=0), a=Z),
    ]
for _name in ("var", "std"):
    CALLS[f"numpy.{_name}"] += [
        Call(lambda f, a: f(a, axis=1, ddof=1), a=A),
        Call(lambda f, a: f(a, correction=1.5), a=A),
        Call(lambda f, a, mean: f(a, axis=1, mean=mean), a=A, mean=np.mean(A, 1, keepdims=True)),
    ]
for _name in ("nansum", "nanprod", "nanmax", "nanmin", "nanmean", "nanvar", "nanstd"):
    CALLS[f"numpy.{_name}"] = [
        Call(lambda f, a: f(a), a=A),
        Call(lambda f, a: f(a + HOLES * 0, axis=1), a=A),
        Call(lambda f, a: f(a + HOLES * 0, (0, 1), keepdims=True), a=A),
        Call(lambda f, a: f(a, 0, out=empty(3, a)), a=A),
        Call(lambda f, a: f(a, where=MASK, **({"initial": 1.1} if "m" in f.__name__[3:4] else {})), a=A)
        if _name not in ("nanmean", "nanmax", "nanmin")
        else Call(lambda f, a: f(a, axis=-1), a=C),
    ]
for _name in ("nanvar", "nanstd"):
    CALLS[f"numpy.{_name}"].append(Call(lambda f, a: f(a + HOLES * 0, axis=0, ddof=0.5), a=A))
CALLS["numpy.ptp"] = [
    Call(lambda f, a: f(a), a=A),
    Call(lambda f, a: f(a, 0, out=empty(3, a)), a=A),
    Call(lambda f, a: f(a, axis=1, keepdims=True), a=A),
]
CALLS["numpy.average"] = [
    Call(lambda f, a: f(a), a=A),
    Call(lambda f, a, weights: f(a, axis=1, weights=weights), a=A, weights=P[0]),
    Call(lambda f, a, weights: f(a, weights=weights, returned=True), a=A, weights=P),
    Call(lambda f, a, weights: f(a, (0, 2), weights, keepdims=True), a=C, weights=P),
]
for _name in ("cumsum", "cumprod", "nancumsum", "nancumprod"):
    CALLS[f"numpy.{_name}"] = [
        Call(lambda f, a: f(a), a=A),
        Call(lambda f, a: f(a, axis=1, dtype=np.float64), a=A),
        Call(lambda f, a: f(a, 0, out=empty((2, 3), a)), a=A),
    ]
    if "nan" in _name:
        CALLS[f"numpy.{_name}"].append(Call(lambda f, a: f(a + HOLES * 0, axis=1), a=A))
for _name in ("cumulative_sum", "cumulative_prod"):
    CALLS[f"numpy.{_name}"] = [
        Call(lambda f, x: f(x), x=V),
        Call(lambda f, x: f(x, axis=1, include_initial=True), x=A),
        Call(lambda f, x: f(x, axis=0, out=empty((2, 3), x)), x=A),
    ]

# Order statistics
for _name in ("median", "nanmedian"):
    CALLS[f"numpy.{_name}"] = [
        Call(lambda f, a: f(a), a=A),
        Call(lambda f, a: f(a, axis=1), a=A),
        Call(lambda f, a: f(a, (0, 2), keepdims=True), a=C),
        Call(lambda f, a: f(a, 0, out=empty(3, a)), a=A),
    ]
CALLS["numpy.nanmedian"].append(Call(lambda f, a: f(a + HOLES * 0, axis=1), a=A))
_METHODS = (
    *("linear", "lower", "higher", "midpoint", "nearest", "hazen", "weibull", "median_unbiased", "normal_unbiased"),
    *("inverted_cdf", "averaged_inverted_cdf", "closest_observation", "interpolated_inverted_cdf"),
)
for _name, _q in (("quantile", 0.01), ("percentile", 1.0), ("nanquantile", 0.01), ("nanpercentile", 1.0)):
    CALLS[f"numpy.{_name}"] = [
        Call(lambda f, a, q: f(a, q), a=A, q=_q * 37),
        Call(lambda f, a, q: f(a, q, axis=1), a=A, q=_q * np.array([13.0, 64.0])),
        Call(lambda f, a, _q=_q: f(a, 35 * _q, (0, 2), keepdims=True), a=C),
        Call(lambda f, a, _q=_q: f(a, 41 * _q, 0, empty(3, a)), a=A),
        Call(
            lambda f, a, _q=_q: f(a, 58 * _q, axis=1, weights=P, method="inverted_cdf"),
            a=A,
        ),
        *(Call(lambda f, a, _q=_q, m=m: f(a, 43 * _q, axis=1, method=m), a=C[0]) for m in _METHODS),
    ]
    if "nan" in _name:
        CALLS[f"numpy.{_name}"].append(Call(lambda f, a, q: f(a + HOLES * 0, q, axis=1), a=A, q=_q * 37))
CALLS["numpy.sort"] = [
    Call(lambda f, a: f(a), a=A),
    Call(lambda f, a: f(a, axis=0, kind="stable"), a=A),
    Call(lambda f, a: f(a, None), a=A),
]
CALLS["numpy.sort_complex"] = [Call(lambda f, a: f(a), a=V), Call(lambda f, a: f(a), a=Z[0])]
CALLS["numpy.partition"] = [Call(lambda f, a: f(a, 1), a=A), Call(lambda f, a: f(a, [1], axis=0), a=A)]

# Moving entries
CALLS["numpy.reshape"] = [
    Call(lambda f, a: f(a, (3, -1)), a=A),
    Call(lambda f, a: f(a, 6, order="F"), a=A),
    Call(lambda f, a: f(a, shape=(3, 2), order="A"), a=A),
    Call(lambda f, a: f(a, (6,), copy=True), a=A),
]
CALLS["numpy.ravel"] = [Call(lambda f, a, o=o: f(a, order=o), a=A) for o in "CFAK"]
CALLS["numpy.copy"] = [Call(lambda f, a: f(a), a=A), Call(lambda f, a: f(a, order="C"), a=A)]
CALLS["numpy.transpose"] = [Call(lambda f, a: f(a), a=A), Call(lambda f, a: f(a, (2, 0, 1)), a=C)]
CALLS["numpy.permute_dims"] = [Call(lambda f, a: f(a, axes=(1, 0)), a=A)]
CALLS["numpy.matrix_transpose"] = [Call(lambda f, x: f(x), x=C)]
CALLS["numpy.swapaxes"] = [Call(lambda f, a: f(a, 0, -1), a=C)]
CALLS["numpy.moveaxis"] = [Call(lambda f, a: f(a, 0, -1), a=C), Call(lambda f, a: f(a, [0, 1], [-1, 0]), a=C)]
CALLS["numpy.rollaxis"] = [Call(lambda f, a: f(a, 2), a=C), Call(lambda f, a: f(a, 0, start=2), a=C)]
CALLS["numpy.broadcast_to"] = [Call(lambda f, array: f(array, (4, 2, 3)), array=A)]
CALLS["numpy.broadcast_arrays"] = [Call(lambda f, x, y: f(x, y), x=A, y=V[:3])]
CALLS["numpy.expand_dims"] = [Call(lambda f, a: f(a, (0, -1)), a=A)]
CALLS["numpy.squeeze"] = [Call(lambda f, a: f(a[None]), a=A), Call(lambda f, a: f(a[:, None], axis=1), a=A)]
CALLS["numpy.flip"] = [Call(lambda f, m: f(m), m=A), Call(lambda f, m: f(m, axis=(0, -1)), m=C)]
for _name in ("fliplr", "flipud"):
    CALLS[f"numpy.{_name}"] = [Call(lambda f, m: f(m), m=A)]
CALLS["numpy.rot90"] = [Call(lambda f, m: f(m), m=A), Call(lambda f, m: f(m, k=-1, axes=(1, 2)), m=C)]
CALLS["numpy.roll"] = [
    Call(lambda f, a: f(a, 2), a=A),
    Call(lambda f, a: f(a, (1, -2), axis=(0, 1)), a=A),
]
CALLS["numpy.tile"] = [Call(lambda f, A: f(A, (2, 1, 2)), A=A)]
CALLS["numpy.repeat"] = [
    Call(lambda f, a: f(a, 2), a=A),
    Call(lambda f, a: f(a, [2, 0, 1], axis=1), a=A),
]
CALLS["numpy.resize"] = [Call(lambda f, a: f(a, (3, 5)), a=A)]
CALLS["numpy.concatenate"] = [
    Call(lambda f, x, y: f([x, y]), x=A, y=B),
    Call(lambda f, x, y: f((x, y), axis=1), x=A, y=S[:2]),
    Call(lambda f, x, y: f((x, y), axis=None, dtype=np.float64), x=A, y=V),
    Call(lambda f, x, y: f((x, y), axis=0, out=empty((4, 3), x, y)), x=A, y=B),
]
CALLS["numpy.concat"] = CALLS["numpy.concatenate"][:2]
CALLS["numpy.stack"] = [
    Call(lambda f, x, y: f([x, y]), x=A, y=B),
    Call(lambda f, x, y: f([x, y], axis=-1), x=A, y=B),
    Call(lambda f, x, y: f([x, y], out=empty((2, 2, 3), x, y)), x=A, y=B),
]
for _name in ("vstack", "hstack", "dstack", "column_stack"):
    CALLS[f"numpy.{_name}"] = [Call(lambda f, x, y: f([x, y]), x=A, y=B), Call(lambda f, x, y: f((x, y)), x=V, y=W)]
CALLS["numpy.block"] = [Call(lambda f, x, y: f([[x, y], [y, x]]), x=A, y=B)]
CALLS["numpy.append"] = [Call(lambda f, x, y: f(x, y), x=A, y=V), Call(lambda f, x, y: f(x, y, axis=0), x=A, y=B)]
CALLS["numpy.delete"] = [Call(lambda f, arr: f(arr, [0, 2], axis=1), arr=A), Call(lambda f, arr: f(arr, 1), arr=A)]
CALLS["numpy.insert"] = [
    Call(lambda f, arr, values: f(arr, [0, 2], values), arr=A, values=V[:2]),
    Call(lambda f, arr, values: f(arr, 1, values, axis=1), arr=A, values=V[:2]),
]
for _name in ("split", "array_split"):
    CALLS[f"numpy.{_name}"] = [
        Call(lambda f, ary: f(ary, 2), ary=A),
        Call(lambda f, ary: f(ary, [1], axis=1), ary=A),
    ]
CALLS["numpy.vsplit"] = CALLS["numpy.split"][:1]
CALLS["numpy.hsplit"] = [Call(lambda f, ary: f(ary, [1]), ary=A)]
CALLS["numpy.dsplit"] = [Call(lambda f, ary: f(ary, 3), ary=C)]
CALLS["numpy.unstack"] = [Call(lambda f, x: f(x), x=A), Call(lambda f, x: f(x, axis=1), x=A)]
for _name in ("atleast_1d", "atleast_2d", "atleast_3d"):
    CALLS[f"numpy.{_name}"] = [Call(lambda f, x, y: f(x, y), x=V, y=X0), Call(lambda f, x: f(x), x=A)]
CALLS["numpy.meshgrid"] = [
    Call(lambda f, x, y: f(x, y), x=V, y=A[0]),
    Call(lambda f, x, y: f(x, y, indexing="ij", sparse=True), x=V, y=A[0]),
]
CALLS["numpy.trim_zeros"] = [Call(lambda f, filt: f(filt * np.array([0.0, 1, 1, 0])), filt=V)]
CALLS["numpy.pad"] = [
    Call(lambda f, array: f(array, 1), array=A),
    Call(lambda f, array: f(array, ((1, 2), (0, 1)), constant_values=2.0), array=A),
    *(Call(lambda f, array, m=m: f(array, ((1, 1), (2, 0)), mode=m), array=A) for m in ("edge", "wrap", "reflect")),
    *(Call(lambda f, array, m=m: f(array, 1, mode=m), array=A) for m in ("symmetric", "linear_ramp", "mean")),
    *(Call(lambda f, array, m=m: f(array, 1, mode=m), array=A) for m in ("maximum", "minimum", "median")),
]
CALLS["numpy.diagonal"] = [Call(lambda f, a: f(a), a=A), Call(lambda f, a: f(a, 1, axis1=2, axis2=0), a=C)]
CALLS["numpy.diag"] = [Call(lambda f, v: f(v), v=A), Call(lambda f, v: f(v, k=-1), v=V)]
CALLS["numpy.diagflat"] = [Call(lambda f, v: f(v, 1), v=A)]
CALLS["numpy.trace"] = [
    Call(lambda f, a: f(a), a=A),
    Call(lambda f, a: f(a, 1, 1, 2, np.float64), a=T),
    Call(lambda f, a: f(a, out=empty(3, a)), a=T),
]
for _name in ("tril", "triu"):
    CALLS[f"numpy.{_name}"] = [Call(lambda f, m: f(m), m=S), Call(lambda f, m: f(m, k=1), m=C)]

# Choosing and writing entries
CALLS["numpy.take"] = [
    Call(lambda f, a: f(a, [0, 5, 0]), a=A),
    Call(lambda f, a: f(a, INDEX, axis=1, mode="clip"), a=A),
    Call(lambda f, a: f(a, [1, 0], axis=1, out=empty((2, 2), a)), a=A),
]
CALLS["numpy.take_along_axis"] = [
    Call(lambda f, arr: f(arr, INDEX, axis=1), arr=A),
    Call(lambda f, arr: f(arr, INDEX[0], axis=None), arr=A),
]
CALLS["numpy.put_along_axis"] = [
    Call(
        lambda f, arr, values: changed(arr, lambda a: f(a, INDEX[:, :1], values, axis=1), values),
        arr=A,
        values=V[:2, None],
    )
]
CALLS["numpy.compress"] = [
    Call(lambda f, a: f([True, False, True], a, axis=1), a=A),
    Call(lambda f, a: f([False, True], a, axis=0, out=empty((1, 3), a)), a=A),
]
CALLS["numpy.extract"] = [Call(lambda f, arr: f(MASK, arr), arr=A)]
CALLS["numpy.choose"] = [
    Call(lambda f, x, y: f(MASK.astype(int), [x, y]), x=A, y=B[0]),
    Call(lambda f, x, y: f(MASK.astype(int), [x, y], out=empty((2, 3), x, y)), x=A, y=B),
]
CALLS["numpy.select"] = [Call(lambda f, x, y: f([MASK, ~MASK[0]], [x, y], 3.0), x=A, y=B)]
CALLS["numpy.piecewise"] = [
    Call(lambda f, x: f(x, [MASK], [lambda v: v * v, lambda v: 3 * v]), x=A),
    Call(lambda f, x: f(x, [MASK, ~MASK], [lambda v, k: k * v, 2.0], 5.0), x=A),
]
CALLS["numpy.interp"] = [
    Call(lambda f, x, xp, fp: f(x, xp, fp), x=P, xp=POINTS, fp=V),
    Call(lambda f, x, fp: f(x, POINTS, fp, left=0.0, right=1.0), x=P * 2 - 1.03, fp=V),
    Call(lambda f, x, fp: f(x, POINTS, fp, period=4.0), x=P * 3, fp=V),
]
CALLS["numpy.bincount"] = [Call(lambda f, weights: f([0, 2, 2, 1], weights, minlength=5), weights=V)]
CALLS["numpy.copyto"] = [
    Call(lambda f, src: changed(A, lambda a: f(a, src), src), src=B[0]),
    Call(lambda f, dst, src: changed(dst, lambda a: f(a, src, where=MASK), src), dst=A, src=B),
]
CALLS["numpy.put"] = [
    Call(lambda f, a, v: changed(a, lambda x: f(x, [0, 4, 0], v), v), a=A, v=V[:3]),
    Call(lambda f, a, v: changed(a, lambda x: f(x, [7, -1, 2], v, mode="wrap"), v), a=A, v=V[:2]),
]
CALLS["numpy.putmask"] = [Call(lambda f, a, values: changed(a, lambda x: f(x, MASK, values), values), a=A, values=V)]
CALLS["numpy.place"] = [Call(lambda f, arr, vals: changed(arr, lambda x: f(x, MASK, vals), vals), arr=A, vals=V[:2])]
CALLS["numpy.fill_diagonal"] = [
    Call(lambda f, a, val: changed(a, lambda x: f(x, val), val), a=S, val=X0),
    Call(lambda f, a, val: changed(a, lambda x: f(x, val, wrap=True), val), a=entries(5, 2), val=X0),
]

# Products
for _name in ("dot", "inner"):
    CALLS[f"numpy.{_name}"] = [
        Call(lambda f, a, b: f(a, b), a=V, b=W),
        Call(lambda f, a, b: f(a, b), a=A, b=S),
        Call(lambda f, a, b: f(a, b), a=T, b=V[:3]),
        Call(lambda f, a, b: f(a, b), a=A, b=X0),
    ]
CALLS["numpy.dot"].append(Call(lambda f, a, b: f(a, b, out=empty((2, 3), a, b)), a=A, b=S))
CALLS["numpy.vdot"] = [Call(lambda f, a, b: f(a, b), a=A, b=B), Call(lambda f, a, b: f(a, b), a=Z, b=Z2)]
CALLS["numpy.outer"] = [
    Call(lambda f, a, b: f(a, b), a=A, b=V),
    Call(lambda f, a, b: f(a, b, out=empty((2, 3), a, b)), a=V[:2], b=W[:3]),
]
CALLS["numpy.kron"] = [Call(lambda f, a, b: f(a, b), a=A, b=S), Call(lambda f, a, b: f(a, b), a=V, b=A)]
CALLS["numpy.cross"] = [
    Call(lambda f, a, b: f(a, b), a=A, b=B),
    Call(lambda f, a, b: f(a, b, axisa=0, axisc=0), a=S, b=S + T[0]),
]
CALLS["numpy.tensordot"] = [
    Call(lambda f, a, b: f(a, b), a=C, b=C[0, :, :, None] * np.ones(2)),
    Call(lambda f, a, b: f(a, b, axes=([2, 0], [1, 0])), a=C, b=A),
    Call(lambda f, a, b: f(a, b, axes=0), a=V, b=A),
]
CALLS["numpy.einsum"] = [
    Call(lambda f, a, b: f("ij,kj->ik", a, b), a=A, b=S),
    Call(lambda f, a, b: f("...i,i", a, b, optimize=True), a=C, b=V[:3]),
    Call(lambda f, a: f("ii->i", a), a=S),
    Call(lambda f, a, b: f(a, [0, 1], b, [1, 2], [0, 2]), a=A, b=S),
    Call(lambda f, a, b: f("ij,jk->ik", a, b, out=empty((2, 3), a, b)), a=A, b=S),
]

# Calculus and signals
CALLS["numpy.diff"] = [
    Call(lambda f, a: f(a), a=A),
    Call(lambda f, a: f(a, n=2, axis=1), a=A),
    Call(lambda f, a, prepend: f(a, prepend=prepend, append=0.5), a=A, prepend=X0),
]
CALLS["numpy.ediff1d"] = [Call(lambda f, ary, to_end: f(ary, to_end, to_begin=[1.0, 2.0]), ary=A, to_end=V)]
CALLS["numpy.gradient"] = [
    Call(lambda f, x: f(x), x=A),
    Call(lambda f, x, h: f(x, h, 2.0), x=A, h=X0),
    Call(lambda f, x, points: f(x, points, edge_order=2), x=V, points=POINTS),
    Call(lambda f, x: f(x, axis=1), x=A),
]
CALLS["numpy.trapezoid"] = [
    Call(lambda f, y: f(y), y=A),
    Call(lambda f, y, x: f(y, x), y=V, x=POINTS),
    Call(lambda f, y, dx: f(y, dx=dx, axis=0), y=A, dx=X0),
]
for _name in ("convolve", "correlate"):
    CALLS[f"numpy.{_name}"] = [
        *(Call(lambda f, a, v, m=m: f(a, v, mode=m), a=V, v=A[0]) for m in ("full", "same", "valid")),
        Call(lambda f, a, v: f(a, v), a=Z[0], v=V),
    ]
CALLS["numpy.cov"] = [
    Call(lambda f, m: f(m), m=A),
    Call(lambda f, m, y: f(m, y, rowvar=False, bias=True), m=S, y=T[0]),
    Call(lambda f, m, w: f(m, ddof=0, fweights=[1, 2, 1], aweights=w), m=A, w=P[0]),
    Call(lambda f, m: f(m), m=Z),
]
CALLS["numpy.corrcoef"] = [Call(lambda f, x: f(x), x=S), Call(lambda f, x, y: f(x, y), x=V, y=W)]

# Polynomials
CALLS["numpy.polyval"] = [Call(lambda f, p, x: f(p, x), p=V, x=A)]
CALLS["numpy.polyadd"] = [Call(lambda f, a1, a2: f(a1, a2), a1=V, a2=A[0])]
CALLS["numpy.polysub"] = [Call(lambda f, a1, a2: f(a1, a2), a1=A[0], a2=V)]
CALLS["numpy.polymul"] = [Call(lambda f, a1, a2: f(a1, a2), a1=V, a2=A[0])]
CALLS["numpy.polydiv"] = [Call(lambda f, u, v: f(u, v), u=V, v=A[0, :2]), Call(lambda f, u, v: f(u, v), u=V, v=W)]
CALLS["numpy.polyder"] = [Call(lambda f, p: f(p), p=V), Call(lambda f, p: f(p, m=2), p=V)]
CALLS["numpy.polyint"] = [Call(lambda f, p: f(p), p=V), Call(lambda f, p, k: f(p, 2, k), p=V, k=A[0, :2])]
CALLS["numpy.poly"] = [Call(lambda f, r: f(r), r=x) for x in (V, S, np.array([[1.2, -2.1], [0.7, 0.4]]))]
CALLS["numpy.roots"] = [Call(lambda f, p: f(p), p=x) for x in ([1.2, -3.1, -2.2, 4.1], [1.2, -0.1, 2.2])]
CALLS["numpy.polyfit"] = [
    Call(lambda f, x, y: f(x, y, 2), x=POINTS, y=V),
    Call(lambda f, x, y, w: f(x, y, 1, w=w), x=POINTS, y=V, w=W + 3),
    Call(lambda f, x, y: f(x, y, 1), x=POINTS, y=np.stack([V, W], 1)),
]
CALLS["numpy.vander"] = [Call(lambda f, x: f(x), x=V), Call(lambda f, x: f(x, 3, increasing=True), x=V)]

# Over functions and axes
CALLS["numpy.apply_along_axis"] = [
    Call(lambda f, arr: f(lambda v: np.sum(v * v), 0, arr), arr=C),
    Call(lambda f, arr: f(lambda v, k: v[:2] * k, 1, arr, 3.0), arr=A),
]
CALLS["numpy.apply_over_axes"] = [Call(lambda f, a: f(np.sum, a, [0, 2]), a=C)]

# Numbers between two
for _name in ("linspace", "logspace", "geomspace"):
    CALLS[f"numpy.{_name}"] = [
        Call(lambda f, start, stop: f(start, stop, 5), start=P[0, 0], stop=Q[0, 1]),
        Call(lambda f, start, stop: f(start, stop, num=4, endpoint=False, axis=1), start=P[0], stop=Q[1]),
    ]
CALLS["numpy.linspace"].append(Call(lambda f, start: f(start, 3.0, 4, retstep=True), start=X0))
CALLS["numpy.logspace"].append(Call(lambda f, start, base: f(start, 2.0, 4, base=base), start=X0, base=P[0, 1]))
CALLS["numpy.full_like"] = [Call(lambda f, fill_value: f(0 * fill_value * A, fill_value), fill_value=X0)]

# numpy.linalg
CALLS["numpy.linalg.cholesky"] = [
    Call(lambda f, a: f(a @ np.matrix_transpose(a) + np.eye(3)), a=S),
    Call(lambda f, a: f(a @ np.matrix_transpose(a) + np.eye(3), upper=True), a=T),
]
CALLS["numpy.linalg.cond"] = [Call(lambda f, x, p=p: f(x, p), x=S) for p in (None, -2, 1, "fro", np.inf)]
CALLS["numpy.linalg.cross"] = [Call(lambda f, x1, x2: f(x1, x2), x1=A, x2=B)]
CALLS["numpy.linalg.det"] = [Call(lambda f, a: f(a), a=T)]
CALLS["numpy.linalg.slogdet"] = [Call(lambda f, a: f(a), a=T)]
CALLS["numpy.linalg.diagonal"] = [Call(lambda f, x: f(x, offset=1), x=T)]
CALLS["numpy.linalg.trace"] = [Call(lambda f, x: f(x, offset=-1), x=T)]
CALLS["numpy.linalg.eig"] = [Call(lambda f, a: f(a)[0], a=S), Call(lambda f, a: np.abs(f(a)[1]), a=S)]
CALLS["numpy.linalg.eigh"] = [
    Call(lambda f, a: f(a)[0], a=SPD),
    Call(lambda f, a: np.abs(f(a, UPLO="U")[1]), a=SPD),
]
CALLS["numpy.linalg.eigvals"] = [Call(lambda f, a: f(a), a=S)]
CALLS["numpy.linalg.eigvalsh"] = [Call(lambda f, a: f(a), a=SPD), Call(lambda f, a: f(a, UPLO="U"), a=SPD)]
CALLS["numpy.linalg.inv"] = [Call(lambda f, a: f(a), a=T)]
CALLS["numpy.linalg.pinv"] = [
    Call(lambda f, a: f(a), a=A),
    Call(lambda f, a: f(a, rtol=1e-10), a=T),
    Call(lambda f, a: f(a @ a.T, hermitian=True), a=S),
]
CALLS["numpy.linalg.lstsq"] = [
    Call(lambda f, a, b: f(a, b)[:2], a=entries(4, 2), b=V),
    Call(lambda f, a, b: f(a, b, rcond=None)[0], a=A, b=B[:, :2]),
]
CALLS["numpy.linalg.matmul"] = [Call(lambda f, x1, x2: f(x1, x2), x1=A, x2=S)]
CALLS["numpy.linalg.matrix_norm"] = [
    *(Call(lambda f, x, o=o: f(x, ord=o), x=T) for o in ("fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf)),
    Call(lambda f, x: f(x, keepdims=True), x=T),
]
CALLS["numpy.linalg.vector_norm"] = [
    *(Call(lambda f, x, o=o: f(x, ord=o, axis=1), x=A) for o in (1, 2, 3.5, 0, np.inf, -np.inf, -1)),
    Call(lambda f, x: f(x, axis=(0, 2), keepdims=True), x=C),
]
CALLS["numpy.linalg.norm"] = [
    *(Call(lambda f, x, o=o: f(x, o), x=A) for o in (None, "fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf)),
    *(Call(lambda f, x, o=o: f(x, o, axis=1), x=A) for o in (None, 0, 1, 2, 2.5, np.inf)),
    Call(lambda f, x: f(x, axis=(0, 2), keepdims=True), x=C),
    Call(lambda f, x: f(x), x=Z),
]
CALLS["numpy.linalg.matrix_power"] = [Call(lambda f, a, n=n: f(a, n), a=T) for n in (3, -2, 0, 1)]
CALLS["numpy.linalg.matrix_transpose"] = [Call(lambda f, x: f(x), x=C)]
CALLS["numpy.linalg.multi_dot"] = [
    Call(lambda f, a, b, c: f([a, b, c]), a=A, b=S, c=V[:3]),
    Call(lambda f, a, b: f([a, b], out=empty((2, 3), a, b)), a=A, b=S),
]
CALLS["numpy.linalg.outer"] = [Call(lambda f, x1, x2: f(x1, x2), x1=V, x2=A[0])]
CALLS["numpy.linalg.qr"] = [
    Call(lambda f, a: f(a), a=S),
    Call(lambda f, a: f(a, mode="r"), a=T),
    Call(lambda f, a: f(a, "reduced"), a=entries(4, 2)),
]
CALLS["numpy.linalg.solve"] = [
    Call(lambda f, a, b: f(a, b), a=S, b=V[:3]),
    Call(lambda f, a, b: f(a, b), a=T, b=S),
]
CALLS["numpy.linalg.svd"] = [
    Call(lambda f, a: f(a, compute_uv=False), a=A),
    Call(lambda f, a: [np.abs(part) for part in f(a, full_matrices=False)], a=A),
    Call(lambda f, a: f(a @ a.T, hermitian=True)[1], a=S),
]
CALLS["numpy.linalg.svdvals"] = [Call(lambda f, x: f(x), x=T)]
CALLS["numpy.linalg.tensordot"] = [Call(lambda f, x1, x2: f(x1, x2, axes=1), x1=A, x2=S)]
CALLS["numpy.linalg.tensorinv"] = [Call(lambda f, a: f(np.reshape(a, (3, 3, 1)), ind=1), a=S)]
CALLS["numpy.linalg.tensorsolve"] = [Call(lambda f, a, b: f(a, b), a=S, b=V[:3])]
CALLS["numpy.linalg.vecdot"] = [
    Call(lambda f, x1, x2: f(x1, x2, axis=0), x1=A, x2=B),
    Call(lambda f, x1, x2: f(x1, x2), x1=Z, x2=Z2),
]

# numpy.fft
for _name in ("fft", "ifft", "rfft", "irfft", "hfft", "ihfft"):
    _x = A if _name in ("rfft", "ihfft") else Z
    CALLS[f"numpy.fft.{_name}"] = [
        Call(lambda f, a: f(a), a=_x),
        Call(lambda f, a: f(a, 5, axis=0, norm="ortho"), a=_x),
        Call(lambda f, a: f(a, n=2, norm="forward"), a=_x),
        Call(lambda f, a: f(a), a=V),
    ]
CALLS["numpy.fft.fft"].append(Call(lambda f, a: f(a, out=empty((2, 3), a)), a=Z))
for _name in ("fft2", "ifft2", "rfft2", "irfft2", "fftn", "ifftn", "rfftn", "irfftn"):
    _x = C if _name.startswith("rfft") else C + 1j * C[::-1]
    CALLS[f"numpy.fft.{_name}"] = [
        Call(lambda f, a: f(a, axes=(0, 1)), a=_x),
        Call(lambda f, a: f(a, s=(3, 4), axes=(1, 2), norm="ortho"), a=_x),
    ]
for _name in ("fftshift", "ifftshift"):
    CALLS[f"numpy.fft.{_name}"] = [Call(lambda f, x: f(x), x=A), Call(lambda f, x: f(x, axes=1), x=A)]

# numpy.emath and numpy.lib
for _name, _x in (("sqrt", A), ("log", A), ("log2", A), ("log10", A), ("arcsin", A), ("arccos", A), ("arctanh", A)):
    CALLS[f"numpy.emath.{_name}"] = [Call(lambda f, x: f(x), x=_x), Call(lambda f, x: f(x), x=U[U > 0])]
CALLS["numpy.emath.logn"] = [Call(lambda f, n, x: f(n, x), n=P[0] + 1, x=A)]
CALLS["numpy.emath.power"] = [Call(lambda f, x, p: f(x, p), x=A, p=P), Call(lambda f, x, p: f(x, p), x=P, p=A)]
CALLS["numpy.lib.stride_tricks.sliding_window_view"] = [
    Call(lambda f, x: f(x, 2), x=V),
    Call(lambda f, x: f(x, (2, 2)), x=A),
    Call(lambda f, x: f(x, 2, axis=-1), x=C),
]
