"""Sample calls of NumPy's functions beside those that follow from their signatures; see numpy_calls.py."""

from __future__ import annotations

import numpy as np

from pullback.tests.helpers.calls import (
    HOLES,
    INDEX,
    MASK,
    POINTS,
    SPD,
    X0,
    Z2,
    A,
    B,
    C,
    Call,
    P,
    Q,
    S,
    T,
    U,
    V,
    W,
    Z,
    changed,
    empty,
    entries,
)

ODD: dict[str, list[Call]] = {}

# Ufuncs
ODD["numpy.divide"] = [Call(lambda f, x, y: f(x, y * MASK, where=MASK, out=np.zeros_like(x + y)), x=P, y=Q)]
ODD["numpy.heaviside"] = [Call(lambda f, y: f(0.0, y), y=B)]
ODD["numpy.ldexp"] = [Call(lambda f, x: f(x, np.array([1, 0, -2])), x=A)]
ODD["numpy.frexp"] = [Call(lambda f, x: f(x)[0], x=A)]
ODD["numpy.modf"] = [Call(lambda f, x: f(x), x=A)]
ODD["numpy.divmod"] = [Call(lambda f, x, y: f(x, y), x=P, y=Q + 0.03)]
ODD["numpy.matmul"] = [
    Call(lambda f, x, y: f(x, y), x=A, y=S),
    Call(lambda f, x, y: f(x, y), x=T, y=V[:3]),
    Call(lambda f, x, y: f(x, y), x=V, y=W),
    Call(lambda f, x, y: f(x, y), x=Z, y=S),
    Call(lambda f, x, y: f(x, y, axes=[(0, 1), (1, 0), (1, 0)]), x=S, y=T[0]),
    Call(lambda f, x, y: f(x, y, out=empty((2, 3), x, y)), x=A, y=S),
]
ODD["numpy.vecdot"] = [
    Call(lambda f, x, y: f(x, y), x=A, y=B),
    Call(lambda f, x, y: f(x, y, axis=0), x=A, y=B),
    Call(lambda f, x, y: f(x, y), x=Z, y=Z2),
    Call(lambda f, x, y: f(x, y, keepdims=True), x=A, y=B),
]
ODD["numpy.matvec"] = [Call(lambda f, x, y: f(x, y), x=T, y=A), Call(lambda f, x, y: f(x, y), x=S, y=V[:3])]
ODD["numpy.vecmat"] = [Call(lambda f, x, y: f(x, y), x=A, y=T), Call(lambda f, x, y: f(x, y), x=Z[0], y=T)]

# Methods of ufuncs
for _name in ("add", "multiply", "maximum", "minimum", "fmax", "fmin", "logaddexp", "logaddexp2", "hypot"):
    ODD[f"numpy.{_name}.reduce"] = [
        Call(lambda f, x: f(x), x=A),
        Call(lambda f, x: f(x, axis=1, keepdims=True), x=A),
        Call(lambda f, x: f(x, axis=(0, 2)), x=C),
        Call(lambda f, x, initial: f(x, 1, initial=initial), x=A, initial=X0),
    ]
for _name in ("add", "multiply", "maximum", "minimum"):
    ODD[f"numpy.{_name}.reduce"] += [
        Call(lambda f, x: f(x, axis=1, where=MASK, initial=0.6), x=A),
        Call(lambda f, x: f(x, out=empty(3, x)), x=A),
    ]
for _name in ("add", "subtract", "multiply", "divide", "maximum", "fmin", "logaddexp", "hypot"):
    ODD[f"numpy.{_name}.accumulate"] = [
        Call(lambda f, x: f(x), x=P),
        Call(lambda f, x: f(x, axis=1), x=P),
    ]
    ODD[f"numpy.{_name}.reduceat"] = [
        Call(lambda f, x: f(x, [0, 3, 1, 2]), x=POINTS),
        Call(lambda f, x: f(x, [0, 2], axis=1), x=P),
    ]
    ODD[f"numpy.{_name}.at"] = [
        Call(lambda f, x, y: changed(x, lambda a: f(a, [2, 0, 2], y), y), x=POINTS, y=P[0]),
        Call(lambda f, x: changed(x, lambda a: f(a, (slice(None), 1), 2.0)), x=P),
        Call(lambda f, x, y: changed(x, lambda a: f(a, [0, 1, 0], y), y), x=P, y=POINTS[:3]),
    ]
for _name in ("subtract", "divide"):
    ODD[f"numpy.{_name}.reduce"] = [Call(lambda f, x: f(x), x=P), Call(lambda f, x: f(x, axis=1), x=P)]
ODD["numpy.exp.at"] = [Call(lambda f, x: changed(x, lambda a: f(a, [1, 3])), x=V)]

# Elementwise functions
for _name in ("sinc", "i0"):
    ODD[f"numpy.{_name}"] = [Call(lambda f, x: f(x), x=X0)]
ODD["numpy.real"] = [Call(lambda f, val: f(val), val=A)]
ODD["numpy.real_if_close"] = [Call(lambda f, a: f(a), a=Z)]
for _name in ("round", "around"):
    ODD[f"numpy.{_name}"] = [
        Call(lambda f, a: f(a, decimals=1, out=empty((2, 3), a)), a=A * 1.001),
    ]
ODD["numpy.clip"] = [
    Call(lambda f, a: f(a, -1, 1), a=A * 1.1),
    Call(lambda f, a, a_min, a_max: f(a, a_min, a_max), a=A, a_min=B - 1.01, a_max=B[0] + 1.04),
    Call(lambda f, a, a_min: f(a, a_min=a_min, a_max=None), a=A, a_min=B),
    Call(lambda f, a: f(a, max=1.1, min=None), a=A),
    Call(lambda f, a: f(a, -1.1, 1.1, out=empty((2, 3), a)), a=A),
]
ODD["numpy.where"] = [
    Call(lambda f, x, y: f(MASK, x, y), x=A, y=B),
    Call(lambda f, x, y: f(MASK[0], x, y), x=A, y=B[0, 0]),
]
ODD["numpy.astype"] = [Call(lambda f, x: f(x, np.complex128), x=A)]
ODD["numpy.unwrap"] = [
    Call(lambda f, p: f(p, 1.0, 0), p=A * 4),
]

# Reductions
for _name in ("sum", "prod", "max", "min", "amax", "amin"):
    ODD[f"numpy.{_name}"] = [
        Call(lambda f, a, initial: f(a, axis=0, initial=initial), a=A, initial=X0),
    ]
for _name in ("sum", "prod"):
    ODD[f"numpy.{_name}"] += [
        Call(lambda f, a: f(a, 1, np.float64, None, True), a=A),
        Call(lambda f, a: f(a, axis=0), a=Z),
        Call(lambda f, a: f(a, where=MASK), a=A),
    ]
ODD["numpy.prod"].append(Call(lambda f, a: f(a * np.array([1.0, 0.0, 1.0]), axis=1), a=A))
for _name in ("mean", "var", "std"):
    ODD[f"numpy.{_name}"] = [
        Call(lambda f, a: f(a, axis=1, keepdims=True), a=A),
        Call(lambda f, a: f(a, (0, 2), dtype=np.float64), a=C),
        Call(lambda f, a: f(a, axis=0), a=Z),
    ]
for _name in ("var", "std"):
    ODD[f"numpy.{_name}"] += [
        Call(lambda f, a, mean: f(a, axis=1, mean=mean), a=A, mean=np.mean(A, 1, keepdims=True)),
    ]
for _name in ("nansum", "nanprod", "nanmax", "nanmin", "nanmean", "nanvar", "nanstd"):
    ODD[f"numpy.{_name}"] = [
        Call(lambda f, a: f(a + HOLES * 0, (0, 1), keepdims=True), a=A),
        Call(lambda f, a: f(a, where=MASK, **({"initial": 1.1} if "m" in f.__name__[3:4] else {})), a=A)
        if _name not in ("nanmean", "nanmax", "nanmin")
        else Call(lambda f, a: f(a, axis=-1), a=C),
    ]
for _name in ("nanvar", "nanstd"):
    ODD[f"numpy.{_name}"].append(Call(lambda f, a: f(a + HOLES * 0, axis=0, ddof=0.5), a=A))
ODD["numpy.ptp"] = [
    Call(lambda f, a: f(a, axis=1, keepdims=True), a=A),
]
ODD["numpy.average"] = [
    Call(lambda f, a, weights: f(a, axis=1, weights=weights), a=A, weights=P[0]),
    Call(lambda f, a, weights: f(a, weights=weights, returned=True), a=A, weights=P),
    Call(lambda f, a, weights: f(a, (0, 2), weights, keepdims=True), a=C, weights=P),
]
for _name in ("nancumsum", "nancumprod", "nanmedian"):
    ODD[f"numpy.{_name}"] = [Call(lambda f, a: f(a + HOLES * 0, axis=1), a=A)]
for _name in ("cumulative_sum", "cumulative_prod"):
    ODD[f"numpy.{_name}"] = [
        Call(lambda f, x: f(x, axis=1, include_initial=True), x=A),
        Call(lambda f, x: f(x, axis=0, out=empty((2, 3), x)), x=A),
    ]

# Order statistics
_METHODS = (
    *("linear", "lower", "higher", "midpoint", "nearest", "hazen", "weibull", "median_unbiased", "normal_unbiased"),
    *("inverted_cdf", "averaged_inverted_cdf", "closest_observation", "interpolated_inverted_cdf"),
)
for _name, _q in (("quantile", 0.01), ("percentile", 1.0), ("nanquantile", 0.01), ("nanpercentile", 1.0)):
    ODD[f"numpy.{_name}"] = [
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
        ODD[f"numpy.{_name}"].append(Call(lambda f, a, q: f(a + HOLES * 0, q, axis=1), a=A, q=_q * 37))
ODD["numpy.sort"] = [
    Call(lambda f, a: f(a, None), a=A),
]
ODD["numpy.sort_complex"] = [Call(lambda f, a: f(a), a=V), Call(lambda f, a: f(a), a=Z[0])]
ODD["numpy.partition"] = [Call(lambda f, a: f(a, [1], axis=0), a=A)]

# Moving entries
ODD["numpy.reshape"] = [
    Call(lambda f, a: f(a, shape=(3, 2), order="A"), a=A),
    Call(lambda f, a: f(a, 6, order="F"), a=A),
    Call(lambda f, a: f(a, (6,), copy=True), a=A),
]
ODD["numpy.ravel"] = [Call(lambda f, a, o=o: f(a, order=o), a=A) for o in "CAK"]
ODD["numpy.copy"] = [Call(lambda f, a: f(a, order="C"), a=A)]
ODD["numpy.transpose"] = [Call(lambda f, a: f(a, (2, 0, 1)), a=C)]
ODD["numpy.matrix_transpose"] = [Call(lambda f, x: f(x), x=C)]
ODD["numpy.swapaxes"] = [Call(lambda f, a: f(a, 0, -1), a=C)]
ODD["numpy.moveaxis"] = [Call(lambda f, a: f(a, 0, -1), a=C), Call(lambda f, a: f(a, [0, 1], [-1, 0]), a=C)]
ODD["numpy.rollaxis"] = [Call(lambda f, a: f(a, 2), a=C), Call(lambda f, a: f(a, 0, start=2), a=C)]
ODD["numpy.broadcast_arrays"] = [Call(lambda f, x, y: f(x, y), x=A, y=V[:3])]
ODD["numpy.expand_dims"] = [Call(lambda f, a: f(a, (0, -1)), a=A)]
ODD["numpy.squeeze"] = [Call(lambda f, a: f(a[None]), a=A), Call(lambda f, a: f(a[:, None], axis=1), a=A)]
ODD["numpy.flip"] = [Call(lambda f, m: f(m, axis=(0, -1)), m=C)]
ODD["numpy.rot90"] = [Call(lambda f, m: f(m, k=-1, axes=(1, 2)), m=C)]
ODD["numpy.roll"] = [
    Call(lambda f, a: f(a, (1, -2), axis=(0, 1)), a=A),
]
ODD["numpy.tile"] = [Call(lambda f, A: f(A, (2, 1, 2)), A=A)]
ODD["numpy.repeat"] = [
    Call(lambda f, a: f(a, [2, 0, 1], axis=1), a=A),
]
ODD["numpy.concatenate"] = [Call(lambda f, x, y: f((x, y), axis=None, dtype=np.float64), x=A, y=V)]
ODD["numpy.stack"] = [
    Call(lambda f, x, y: f([x, y], out=empty((2, 2, 3), x, y)), x=A, y=B),
]
for _name in ("vstack", "hstack", "dstack", "column_stack"):
    ODD[f"numpy.{_name}"] = [Call(lambda f, x, y: f((x, y)), x=V, y=W)]
ODD["numpy.block"] = [Call(lambda f, x, y: f([[x, y], [y, x]]), x=A, y=B)]
ODD["numpy.append"] = [Call(lambda f, arr, values: f(arr, values), arr=A, values=V)]
ODD["numpy.delete"] = [Call(lambda f, arr: f(arr, [0, 2], axis=1), arr=A)]
ODD["numpy.insert"] = [
    Call(lambda f, arr, values: f(arr, [0, 2], values), arr=A, values=V[:2]),
    Call(lambda f, arr, values: f(arr, 1, values, axis=1), arr=A, values=V[:2]),
]
for _name in ("split", "array_split"):
    ODD[f"numpy.{_name}"] = [
        Call(lambda f, ary: f(ary, 2), ary=A),
    ]
ODD["numpy.vsplit"] = ODD["numpy.split"][:1]
ODD["numpy.dsplit"] = [Call(lambda f, ary: f(ary, 3), ary=C)]
for _name in ("atleast_1d", "atleast_2d", "atleast_3d"):
    ODD[f"numpy.{_name}"] = [Call(lambda f, x, y: f(x, y), x=V, y=X0), Call(lambda f, x: f(x), x=A)]
ODD["numpy.meshgrid"] = [
    Call(lambda f, x, y: f(x, y), x=V, y=A[0]),
    Call(lambda f, x, y: f(x, y, indexing="ij", sparse=True), x=V, y=A[0]),
]
ODD["numpy.trim_zeros"] = [Call(lambda f, filt: f(filt * np.array([0.0, 1, 1, 0])), filt=V)]
ODD["numpy.pad"] = [
    Call(lambda f, array: f(array, ((1, 2), (0, 1)), constant_values=2.0), array=A),
    *(Call(lambda f, array, m=m: f(array, ((1, 1), (2, 0)), mode=m), array=A) for m in ("edge", "wrap", "reflect")),
    *(Call(lambda f, array, m=m: f(array, 1, mode=m), array=A) for m in ("symmetric", "linear_ramp", "mean")),
    *(Call(lambda f, array, m=m: f(array, 1, mode=m), array=A) for m in ("maximum", "minimum", "median")),
]
ODD["numpy.diagonal"] = [Call(lambda f, a: f(a, 1, axis1=2, axis2=0), a=C)]
ODD["numpy.diag"] = [Call(lambda f, v: f(v, k=-1), v=V)]
ODD["numpy.trace"] = [
    Call(lambda f, a: f(a, 1, 1, 2, np.float64), a=T),
    Call(lambda f, a: f(a, out=empty(3, a)), a=T),
]
for _name in ("tril", "triu"):
    ODD[f"numpy.{_name}"] = [Call(lambda f, m: f(m, k=1), m=C)]

# Choosing and writing entries
ODD["numpy.take"] = [
    Call(lambda f, a: f(a, [0, 5, 0]), a=A),
    Call(lambda f, a: f(a, INDEX, axis=1, mode="clip"), a=A),
    Call(lambda f, a: f(a, [1, 0], axis=1, out=empty((2, 2), a)), a=A),
]
ODD["numpy.take_along_axis"] = [
    Call(lambda f, arr: f(arr, INDEX[0], axis=None), arr=A),
]
ODD["numpy.put_along_axis"] = [
    Call(
        lambda f, arr, values: changed(arr, lambda a: f(a, INDEX[:, :1], values, axis=1), values),
        arr=A,
        values=V[:2, None],
    )
]
ODD["numpy.compress"] = [
    Call(lambda f, a: f([True, False, True], a, axis=1), a=A),
    Call(lambda f, a: f([False, True], a, axis=0, out=empty((1, 3), a)), a=A),
]
ODD["numpy.choose"] = [
    Call(lambda f, x, y: f(MASK.astype(int), [x, y], out=empty((2, 3), x, y)), x=A, y=B),
]
ODD["numpy.piecewise"] = [
    Call(lambda f, x: f(x, [MASK], [lambda v: v * v, lambda v: 3 * v]), x=A),
    Call(lambda f, x: f(x, [MASK, ~MASK], [lambda v, k: k * v, 2.0], 5.0), x=A),
]
ODD["numpy.interp"] = [
    Call(lambda f, x, fp: f(x, POINTS, fp, left=0.0, right=1.0), x=P * 2 - 1.03, fp=V),
    Call(lambda f, x, fp: f(x, POINTS, fp, period=4.0), x=P * 3, fp=V),
]
ODD["numpy.copyto"] = [
    Call(lambda f, src: changed(A, lambda a: f(a, src), src), src=B[0]),
    Call(lambda f, dst, src: changed(dst, lambda a: f(a, src, where=MASK), src), dst=A, src=B),
]
ODD["numpy.put"] = [
    Call(lambda f, a, v: changed(a, lambda x: f(x, [0, 4, 0], v), v), a=A, v=V[:3]),
    Call(lambda f, a, v: changed(a, lambda x: f(x, [7, -1, 2], v, mode="wrap"), v), a=A, v=V[:2]),
]
ODD["numpy.putmask"] = [Call(lambda f, a, values: changed(a, lambda x: f(x, MASK, values), values), a=A, values=V)]
ODD["numpy.place"] = [Call(lambda f, arr, vals: changed(arr, lambda x: f(x, MASK, vals), vals), arr=A, vals=V[:2])]
ODD["numpy.fill_diagonal"] = [
    Call(lambda f, a, val: changed(a, lambda x: f(x, val), val), a=S, val=X0),
    Call(lambda f, a, val: changed(a, lambda x: f(x, val, wrap=True), val), a=entries(5, 2), val=X0),
]

# Products
for _name in ("dot", "inner"):
    ODD[f"numpy.{_name}"] = [
        Call(lambda f, a, b: f(a, b), a=V, b=W),
        Call(lambda f, a, b: f(a, b), a=A, b=S),
        Call(lambda f, a, b: f(a, b), a=T, b=V[:3]),
        Call(lambda f, a, b: f(a, b), a=A, b=X0),
    ]
ODD["numpy.dot"].append(Call(lambda f, a, b: f(a, b, out=empty((2, 3), a, b)), a=A, b=S))
ODD["numpy.vdot"] = [Call(lambda f, a, b: f(a, b), a=Z, b=Z2)]
ODD["numpy.kron"] = [Call(lambda f, a, b: f(a, b), a=A, b=S), Call(lambda f, a, b: f(a, b), a=V, b=A)]
ODD["numpy.cross"] = [
    Call(lambda f, a, b: f(a, b, axisa=0, axisc=0), a=S, b=S + T[0]),
]
ODD["numpy.tensordot"] = [
    Call(lambda f, a, b: f(a, b), a=C, b=C[0, :, :, None] * np.ones(2)),
    Call(lambda f, a, b: f(a, b, axes=([2, 0], [1, 0])), a=C, b=A),
    Call(lambda f, a, b: f(a, b, axes=0), a=V, b=A),
]
ODD["numpy.einsum"] = [
    Call(lambda f, a, b: f("ij,kj->ik", a, b), a=A, b=S),
    Call(lambda f, a, b: f("...i,i", a, b, optimize=True), a=C, b=V[:3]),
    Call(lambda f, a: f("ii->i", a), a=S),
    Call(lambda f, a, b: f(a, [0, 1], b, [1, 2], [0, 2]), a=A, b=S),
    Call(lambda f, a, b: f("ij,jk->ik", a, b, out=empty((2, 3), a, b)), a=A, b=S),
]

# Calculus and signals
ODD["numpy.diff"] = [
    Call(lambda f, a, prepend: f(a, prepend=prepend, append=0.5), a=A, prepend=X0),
]
ODD["numpy.ediff1d"] = [Call(lambda f, ary, to_end: f(ary, to_end, to_begin=[1.0, 2.0]), ary=A, to_end=V)]
ODD["numpy.gradient"] = [
    Call(lambda function, f, h: function(f, h, 2.0), f=A, h=X0),
    Call(lambda function, f, points: function(f, points, edge_order=2), f=V, points=POINTS),
    Call(lambda function, f: function(f, axis=1), f=A),
]
ODD["numpy.trapezoid"] = [
    Call(lambda f, y, x: f(y, x), y=V, x=POINTS),
    Call(lambda f, y, dx: f(y, dx=dx, axis=0), y=A, dx=X0),
]
for _name in ("convolve", "correlate"):
    ODD[f"numpy.{_name}"] = [
        *(Call(lambda f, a, v, m=m: f(a, v, mode=m), a=V, v=A[0]) for m in ("full", "same", "valid")),
        Call(lambda f, a, v: f(a, v), a=Z[0], v=V),
    ]
ODD["numpy.cov"] = [
    Call(lambda f, m, y: f(m, y, rowvar=False, bias=True), m=S, y=T[0]),
    Call(lambda f, m, w: f(m, ddof=0, fweights=[1, 2, 1], aweights=w), m=A, w=P[0]),
    Call(lambda f, m: f(m), m=Z),
]
ODD["numpy.corrcoef"] = [Call(lambda f, x, y: f(x, y), x=V, y=W)]

# Polynomials
ODD["numpy.polyval"] = [Call(lambda f, p, x: f(p, x), p=V, x=A)]
ODD["numpy.polyadd"] = [Call(lambda f, a1, a2: f(a1, a2), a1=V, a2=A[0])]
ODD["numpy.polysub"] = [Call(lambda f, a1, a2: f(a1, a2), a1=A[0], a2=V)]
ODD["numpy.polydiv"] = [Call(lambda f, u, v: f(u, v), u=V, v=A[0, :2])]
ODD["numpy.polyint"] = [Call(lambda f, p, k: f(p, 2, k), p=V, k=A[0, :2])]
ODD["numpy.poly"] = [
    Call(lambda f, seq_of_zeros: f(seq_of_zeros), seq_of_zeros=x) for x in (S, np.array([[1.2, -2.1], [0.7, 0.4]]))
]
ODD["numpy.roots"] = [Call(lambda f, p: f(p), p=x) for x in ([1.2, -3.1, -2.2, 4.1], [1.2, -0.1, 2.2])]
ODD["numpy.polyfit"] = [
    Call(lambda f, x, y, w: f(x, y, 1, w=w), x=POINTS, y=V, w=W + 3),
    Call(lambda f, x, y: f(x, y, 1), x=POINTS, y=np.stack([V, W], 1)),
]
ODD["numpy.vander"] = [Call(lambda f, x: f(x, 3, increasing=True), x=V)]

# Over functions and axes
ODD["numpy.apply_along_axis"] = [
    Call(lambda f, arr: f(lambda v: np.sum(v * v), 0, arr), arr=C),
    Call(lambda f, arr: f(lambda v, k: v[:2] * k, 1, arr, 3.0), arr=A),
]
ODD["numpy.apply_over_axes"] = [Call(lambda f, a: f(np.sum, a, [0, 2]), a=C)]

# Numbers between two
for _name in ("linspace", "logspace", "geomspace"):
    ODD[f"numpy.{_name}"] = [
        Call(lambda f, start, stop: f(start, stop, 5), start=P[0, 0], stop=Q[0, 1]),
        Call(lambda f, start, stop: f(start, stop, num=4, endpoint=False, axis=1), start=P[0], stop=Q[1]),
    ]
ODD["numpy.linspace"].append(Call(lambda f, start: f(start, 3.0, 4, retstep=True), start=X0))
ODD["numpy.logspace"].append(Call(lambda f, start, base: f(start, 2.0, 4, base=base), start=X0, base=P[0, 1]))
ODD["numpy.full_like"] = [Call(lambda f, fill_value: f(0 * fill_value * A, fill_value), fill_value=X0)]

# numpy.linalg
ODD["numpy.linalg.cholesky"] = [
    Call(lambda f, a: f(a @ np.matrix_transpose(a) + np.eye(3)), a=S),
]
ODD["numpy.linalg.cond"] = [Call(lambda f, x, p=p: f(x, p), x=S) for p in (-2, 1, "fro", np.inf)]
ODD["numpy.linalg.diagonal"] = [Call(lambda f, x: f(x, offset=1), x=T)]
ODD["numpy.linalg.trace"] = [Call(lambda f, x: f(x, offset=-1), x=T)]
ODD["numpy.linalg.eig"] = [Call(lambda f, a: f(a)[0], a=S), Call(lambda f, a: np.abs(f(a)[1]), a=S)]
ODD["numpy.linalg.eigh"] = [
    Call(lambda f, a: f(a)[0], a=SPD),
    Call(lambda f, a: np.abs(f(a, UPLO="U")[1]), a=SPD),
]
ODD["numpy.linalg.eigvalsh"] = [Call(lambda f, a: f(a, UPLO="U"), a=SPD)]
ODD["numpy.linalg.pinv"] = [
    Call(lambda f, a: f(a, rtol=1e-10), a=T),
    Call(lambda f, a: f(a @ a.T, hermitian=True), a=S),
]
ODD["numpy.linalg.lstsq"] = [
    Call(lambda f, a, b: f(a, b)[:2], a=entries(4, 2), b=V),
    Call(lambda f, a, b: f(a, b, rcond=None)[0], a=A, b=B[:, :2]),
]
ODD["numpy.linalg.matrix_norm"] = [
    *(Call(lambda f, x, o=o: f(x, ord=o), x=T) for o in ("fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf)),
    Call(lambda f, x: f(x, keepdims=True), x=T),
]
ODD["numpy.linalg.vector_norm"] = [
    *(Call(lambda f, x, o=o: f(x, ord=o, axis=1), x=A) for o in (1, 2, 3.5, 0, np.inf, -np.inf, -1)),
]
ODD["numpy.linalg.norm"] = [
    *(Call(lambda f, x, o=o: f(x, o), x=A) for o in ("fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf)),
    *(Call(lambda f, x, o=o: f(x, o, axis=1), x=A) for o in (None, 0, 1, 2, 2.5, np.inf)),
    Call(lambda f, x: f(x), x=Z),
]
ODD["numpy.linalg.matrix_power"] = [Call(lambda f, a, n=n: f(a, n), a=T) for n in (3, -2, 0, 1)]
ODD["numpy.linalg.matrix_transpose"] = [Call(lambda f, x: f(x), x=C)]
ODD["numpy.linalg.multi_dot"] = [
    Call(lambda f, a, b, c: f([a, b, c]), a=A, b=S, c=V[:3]),
    Call(lambda f, a, b: f([a, b], out=empty((2, 3), a, b)), a=A, b=S),
]
ODD["numpy.linalg.qr"] = [
    Call(lambda f, a: f(a, mode="r"), a=T),
    Call(lambda f, a: f(a, "reduced"), a=entries(4, 2)),
]
ODD["numpy.linalg.solve"] = [
    Call(lambda f, a, b: f(a, b), a=S, b=V[:3]),
]
ODD["numpy.linalg.svd"] = [
    Call(lambda f, a: f(a, compute_uv=False), a=A),
    Call(lambda f, a: [np.abs(part) for part in f(a, full_matrices=False)], a=A),
    Call(lambda f, a: f(a @ a.T, hermitian=True)[1], a=S),
]
ODD["numpy.linalg.tensordot"] = [Call(lambda f, x1, x2: f(x1, x2, axes=1), x1=A, x2=S)]
ODD["numpy.linalg.tensorinv"] = [Call(lambda f, a: f(np.reshape(a, (3, 3, 1)), ind=1), a=S)]
ODD["numpy.linalg.vecdot"] = [
    Call(lambda f, x1, x2: f(x1, x2), x1=Z, x2=Z2),
]

# numpy.fft
for _name in ("fft", "ifft", "rfft", "irfft", "hfft", "ihfft"):
    _x = A if _name in ("rfft", "ihfft") else Z
    ODD[f"numpy.fft.{_name}"] = [
        Call(lambda f, a: f(a), a=_x),
        Call(lambda f, a: f(a, 5, axis=0, norm="ortho"), a=_x),
        Call(lambda f, a: f(a, n=2, norm="forward"), a=_x),
        Call(lambda f, a: f(a), a=V),
    ]
ODD["numpy.fft.fft"].append(Call(lambda f, a: f(a, out=empty((2, 3), a)), a=Z))
for _name in ("fft2", "ifft2", "rfft2", "irfft2", "fftn", "ifftn", "rfftn", "irfftn"):
    _x = C if _name.startswith("rfft") else C + 1j * C[::-1]
    ODD[f"numpy.fft.{_name}"] = [
        Call(lambda f, a: f(a, axes=(0, 1)), a=_x),
        Call(lambda f, a: f(a, s=(3, 4), axes=(1, 2), norm="ortho"), a=_x),
    ]
for _name in ("fftshift", "ifftshift"):
    ODD[f"numpy.fft.{_name}"] = [Call(lambda f, x: f(x, axes=1), x=A)]

# numpy.emath and numpy.lib
for _name in ("sqrt", "log", "log2", "log10", "arcsin", "arccos", "arctanh"):
    ODD[f"numpy.emath.{_name}"] = [Call(lambda f, x: f(x), x=U[U > 0])]
ODD["numpy.emath.power"] = [Call(lambda f, x, p: f(x, p), x=P, p=A)]
ODD["numpy.emath.logn"] = [Call(lambda f, n, x: f(n, x), n=P[0] + 1, x=A)]
ODD["numpy.lib.stride_tricks.sliding_window_view"] = [
    Call(lambda f, x: f(x, 2), x=V),
    Call(lambda f, x: f(x, (2, 2)), x=A),
    Call(lambda f, x: f(x, 2, axis=-1), x=C),
]
