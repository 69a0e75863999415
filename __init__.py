"""Pullback: tensors on NumPy that know their gradients.

>>> import pullback as pb
>>> x = pb.Tensor([1.0, 2.0], requires_grad=True)
>>> (x * pb.exp(x)).sum().backward()
>>> x.grad
Tensor([ 5.43656366, 22.1671683 ])
"""

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

from .autograd import (
    Primitive, Profile, Tensor, __array_api_version__, __array_namespace_info__, abs, absolute, acos, acosh,
    adaptive_avg_pool, adaptive_max_pool, add, affine, all, allclose, amax, amin, angle, any, append, apply_along_axis,
    apply_over_axes, arange, arccos, arccosh, arcsin, arcsinh, arctan, arctan2, arctanh, argmax, argmin, argpartition,
    argsort, argwhere, around, array, array2string, array_equal, array_equiv, array_repr, array_split, array_str,
    asarray, asin, asinh, astype, atan, atan2, atanh, atleast_1d, atleast_2d, atleast_3d, average, avg_pool, bartlett,
    bincount, bitwise_and, bitwise_count, bitwise_invert, bitwise_left_shift, bitwise_not, bitwise_or,
    bitwise_right_shift, bitwise_xor, blackman, block, bool, box_sum, broadcast_arrays, broadcast_shapes, broadcast_to,
    c_, can_cast, cbrt, ceil, checkpoint, choose, clip, col2im, column_stack, common_type, complex128, complex64,
    compress, concat, concatenate, conj, conjugate, conv, conv_matrix, conv_transpose, conv_weight, convolve, copy,
    copysign, copyto, corrcoef, correlate, cos, cosh, count_nonzero, cov, cross, cumprod, cumsum, cumulative_prod,
    cumulative_sum, cumulative_trapezoid, default_dtype, deg2rad, degrees, delete, detect_anomaly, diag, diag_indices,
    diag_indices_from, diagflat, diagonal, diff, digitize, divide, divmod, dot, dsplit, dstack, e, ediff1d, einsum,
    einsum_path, elementwise_grad, empty, empty_like, enable_grad, equal, exp, exp2, expand_dims, expm1, extract, eye,
    fabs, fill_diagonal, finfo, fix, fixed_point, flat_take, flatnonzero, flip, fliplr, flipud, float32, float64,
    float_power, floor, floor_divide, fmax, fmin, fmod, frexp, from_dlpack, fromfunction, full, full_like, gcd,
    geomspace, get_default_dtype, get_num_threads, getitem, grad, grad_and_aux, grad_named, gradient, grads, greater,
    greater_equal, hamming, hanning, heaviside, hessian, hessian_vector_product, histogram, histogram2d,
    histogram_bin_edges, histogramdd, hsplit, hstack, hvp, hypot, i0, identity, iinfo, im2col, imag, implicit, indices,
    inf, inner, insert, int16, int32, int64, int8, interp, intersect1d, invert, isclose, iscomplex, iscomplexobj,
    isdtype, isfinite, isin, isinf, isnan, isneginf, isposinf, isreal, isrealobj, isscalar, iterable, ix_, jacfwd,
    jacobian, jacrev, jvp, kaiser, kron, lcm, ldexp, left_shift, less, less_equal, lexsort, linear, linear_solve,
    linspace, log, log10, log1p, log2, log_softmax, logaddexp, logaddexp2, logical_and, logical_not, logical_or,
    logical_xor, logspace, logsumexp, make_hvp, make_jvp, make_vjp, manual_seed, mask_indices, matmul,
    matrix_transpose, matvec, max, max_pool, max_unpool, maximum, may_share_memory, mean, median, meshgrid, min,
    min_scalar_type, minimum, mod, modf, moveaxis, multiply, nan, nan_to_num, nanargmax, nanargmin, nancumprod,
    nancumsum, nanmax, nanmean, nanmedian, nanmin, nanpercentile, nanprod, nanquantile, nanstd, nansum, nanvar, ndim,
    negative, newaxis, nextafter, no_grad, nonzero, not_equal, odeint, on_arrays, ones, ones_like, outer, override,
    packbits, pad, partition, percentile, permute_dims, pi, piecewise, place, poly, polyadd, polyder, polydiv, polyfit,
    polyint, polymul, polysub, polyval, positive, pow, power, primitive, prod, profile, promote_types, ptp, put,
    put_along_axis, putmask, quantile, r_, rad2deg, radians, ravel, ravel_multi_index, ravel_pytree, real,
    real_if_close, reciprocal, registry, relu, remainder, repeat, reshape, resize, result_type, right_shift, rint,
    roll, rollaxis, roots, rot90, round, save, savetxt, savez, savez_compressed, scatter, searchsorted, select,
    set_default_dtype, set_num_threads, setdiff1d, setitem, setxor1d, shape, shares_memory, sigmoid, sign, signbit,
    sin, sinc, sinh, size, sliding_window_view, softmax, softplus, sort, sort_complex, spacing, split, sqrt, square,
    squeeze, stack, std, stop_gradient, subtract, sum, swapaxes, take, take_along_axis, tan, tanh, tensordot, tile,
    trace, transpose, trapezoid, tree_leaves, tree_map, tri, tril, tril_indices, tril_indices_from, trim_zeros, triu,
    triu_indices, triu_indices_from, true_divide, trunc, uint16, uint32, uint64, uint8, union1d, unique, unique_all,
    unique_counts, unique_inverse, unique_values, unpackbits, unravel_index, unstack, unwrap, value_and_grad, vander,
    var, vdot, vecdot, vecmat, vector_jacobian_product, vjp, vmap, vsplit, vstack, where, window_place, window_select,
    window_spread, window_sum, zeros, zeros_like,
)  # fmt: skip

from .autograd.ops import random

if TYPE_CHECKING:
    from . import extend, fft, linalg, nn, optim, special, stats, testing, viz

__all__ = [
    "Primitive", "Profile", "Tensor", "__array_api_version__", "__array_namespace_info__", "__version__", "abs",
    "absolute", "acos", "acosh", "adaptive_avg_pool", "adaptive_max_pool", "add", "affine", "all", "allclose", "amax",
    "amin", "angle", "any", "append", "apply_along_axis", "apply_over_axes", "arange", "arccos", "arccosh", "arcsin",
    "arcsinh", "arctan", "arctan2", "arctanh", "argmax", "argmin", "argpartition", "argsort", "argwhere", "around",
    "array", "array2string", "array_equal", "array_equiv", "array_repr", "array_split", "array_str", "asarray", "asin",
    "asinh", "astype", "atan", "atan2", "atanh", "atleast_1d", "atleast_2d", "atleast_3d", "average", "avg_pool",
    "bartlett", "bincount", "bitwise_and", "bitwise_count", "bitwise_invert", "bitwise_left_shift", "bitwise_not",
    "bitwise_or", "bitwise_right_shift", "bitwise_xor", "blackman", "block", "bool", "box_sum", "broadcast_arrays",
    "broadcast_shapes", "broadcast_to", "c_", "can_cast", "cbrt", "ceil", "checkpoint", "choose", "clip", "col2im",
    "column_stack", "common_type", "complex128", "complex64", "compress", "concat", "concatenate", "conj", "conjugate",
    "conv", "conv_matrix", "conv_transpose", "conv_weight", "convolve", "copy", "copysign", "copyto", "corrcoef",
    "correlate", "cos", "cosh", "count_nonzero", "cov", "cross", "cumprod", "cumsum", "cumulative_prod",
    "cumulative_sum", "cumulative_trapezoid", "default_dtype", "deg2rad", "degrees", "delete", "detect_anomaly",
    "diag", "diag_indices", "diag_indices_from", "diagflat", "diagonal", "diff", "digitize", "divide", "divmod", "dot",
    "dsplit", "dstack", "e", "ediff1d", "einsum", "einsum_path", "elementwise_grad", "empty", "empty_like",
    "enable_grad", "equal", "exp", "exp2", "expand_dims", "expm1", "extract", "eye", "fabs", "fill_diagonal", "finfo",
    "fix", "fixed_point", "flat_take", "flatnonzero", "flip", "fliplr", "flipud", "float32", "float64", "float_power",
    "floor", "floor_divide", "fmax", "fmin", "fmod", "frexp", "from_dlpack", "fromfunction", "full", "full_like",
    "gcd", "geomspace", "get_default_dtype", "get_num_threads", "getitem", "grad", "grad_and_aux", "grad_named",
    "gradient", "grads", "greater", "greater_equal", "hamming", "hanning", "heaviside", "hessian",
    "hessian_vector_product", "histogram", "histogram2d", "histogram_bin_edges", "histogramdd", "hsplit", "hstack",
    "hvp", "hypot", "i0", "identity", "iinfo", "im2col", "imag", "implicit", "indices", "inf", "inner", "insert",
    "int16", "int32", "int64", "int8", "interp", "intersect1d", "invert", "isclose", "iscomplex", "iscomplexobj",
    "isdtype", "isfinite", "isin", "isinf", "isnan", "isneginf", "isposinf", "isreal", "isrealobj", "isscalar",
    "iterable", "ix_", "jacfwd", "jacobian", "jacrev", "jvp", "kaiser", "kron", "lcm", "ldexp", "left_shift", "less",
    "less_equal", "lexsort", "linear", "linear_solve", "linspace", "log", "log10", "log1p", "log2", "log_softmax",
    "logaddexp", "logaddexp2", "logical_and", "logical_not", "logical_or", "logical_xor", "logspace", "logsumexp",
    "make_hvp", "make_jvp", "make_vjp", "manual_seed", "mask_indices", "matmul", "matrix_transpose", "matvec", "max",
    "max_pool", "max_unpool", "maximum", "may_share_memory", "mean", "median", "meshgrid", "min", "min_scalar_type",
    "minimum", "mod", "modf", "moveaxis", "multiply", "nan", "nan_to_num", "nanargmax", "nanargmin", "nancumprod",
    "nancumsum", "nanmax", "nanmean", "nanmedian", "nanmin", "nanpercentile", "nanprod", "nanquantile", "nanstd",
    "nansum", "nanvar", "ndim", "negative", "newaxis", "nextafter", "no_grad", "nonzero", "not_equal", "odeint",
    "on_arrays", "ones", "ones_like", "outer", "override", "packbits", "pad", "partition", "percentile",
    "permute_dims", "pi", "piecewise", "place", "poly", "polyadd", "polyder", "polydiv", "polyfit", "polyint",
    "polymul", "polysub", "polyval", "positive", "pow", "power", "primitive", "prod", "profile", "promote_types",
    "ptp", "put", "put_along_axis", "putmask", "quantile", "r_", "rad2deg", "radians", "ravel", "ravel_multi_index",
    "ravel_pytree", "real", "real_if_close", "reciprocal", "registry", "relu", "remainder", "repeat", "reshape",
    "resize", "result_type", "right_shift", "rint", "roll", "rollaxis", "roots", "rot90", "round", "save", "savetxt",
    "savez", "savez_compressed", "scatter", "searchsorted", "select", "set_default_dtype", "set_num_threads",
    "setdiff1d", "setitem", "setxor1d", "shape", "shares_memory", "sigmoid", "sign", "signbit", "sin", "sinc", "sinh",
    "size", "sliding_window_view", "softmax", "softplus", "sort", "sort_complex", "spacing", "split", "sqrt", "square",
    "squeeze", "stack", "std", "stop_gradient", "subtract", "sum", "swapaxes", "take", "take_along_axis", "tan",
    "tanh", "tensordot", "tile", "trace", "transpose", "trapezoid", "tree_leaves", "tree_map", "tri", "tril",
    "tril_indices", "tril_indices_from", "trim_zeros", "triu", "triu_indices", "triu_indices_from", "true_divide",
    "trunc", "uint16", "uint32", "uint64", "uint8", "union1d", "unique", "unique_all", "unique_counts",
    "unique_inverse", "unique_values", "unpackbits", "unravel_index", "unstack", "unwrap", "value_and_grad", "vander",
    "var", "vdot", "vecdot", "vecmat", "vector_jacobian_product", "vjp", "vmap", "vsplit", "vstack", "where",
    "window_place", "window_select", "window_spread", "window_sum", "zeros", "zeros_like",
]  # fmt: skip

__version__ = "0.1.0"

sys.modules[f"{__name__}.random"] = random  # a file random.py here would be in the way of Python's own

_rooms = ("extend", "fft", "linalg", "nn", "optim", "special", "stats", "testing", "viz")


def __getattr__(name: str) -> Any:
    """The rooms above autograd are imported on first use."""
    if name in _rooms:
        return import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_rooms])
