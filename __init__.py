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
    Compiled, Primitive, Profile, Tensor, __array_api_version__, __array_namespace_info__, abs, absolute, acos, acosh,
    adaptive_avg_pool, adaptive_max_pool, add, addbmm, addcdiv, addcmul, addmm, addmv, addr, adjoint, affine, all,
    allclose, amax, amin, aminmax, angle, any, append, apply_along_axis, apply_over_axes, arange, arccos, arccosh,
    arcsin, arcsinh, arctan, arctan2, arctanh, argmax, argmin, argpartition, argsort, argwhere, around, array,
    array2string, array_equal, array_equiv, array_repr, array_split, array_str, as_tensor, asarray, asin, asinh,
    astype, atan, atan2, atanh, atleast_1d, atleast_2d, atleast_3d, average, avg_pool, baddbmm, bartlett, bernoulli,
    bincount, bitwise_and, bitwise_count, bitwise_invert, bitwise_left_shift, bitwise_not, bitwise_or,
    bitwise_right_shift, bitwise_xor, blackman, block, bmm, bool, box_sum, broadcast_arrays, broadcast_shapes,
    broadcast_to, c_, can_cast, cat, cbrt, cdist, cdouble, ceil, cfloat, checkpoint, choose, chunk, clamp, clamp_max,
    clamp_min, clip, clone, col2im, column_stack, common_type, compile, complex128, complex64, compress, concat,
    concatenate, cond, conj, conjugate, conv, conv_matrix, conv_transpose, conv_weight, convolve, copy, copysign,
    copyto, corrcoef, correlate, cos, cosh, count_nonzero, cov, cross, cummax, cummin, cumprod, cumsum,
    cumulative_prod, cumulative_sum, cumulative_trapezoid, default_dtype, deg2rad, degrees, delete, det,
    detect_anomaly, diag, diag_embed, diag_indices, diag_indices_from, diagflat, diagonal, diff, digamma, digitize,
    dist, div, divide, divmod, dot, double, dsplit, dstack, e, ediff1d, einsum, einsum_path, elementwise_grad, empty,
    empty_like, enable_grad, eq, equal, erf, erfc, erfinv, exp, exp2, expand_dims, expm1, extract, eye, fabs,
    fill_diagonal, finfo, fix, fixed_point, flat_take, flatnonzero, flatten, flip, fliplr, flipud, float, float16,
    float32, float64, float_power, floor, floor_divide, fmax, fmin, fmod, frac, frexp, from_dlpack, from_numpy,
    fromfunction, full, full_like, gather, gcd, ge, geomspace, ger, get_default_dtype, get_num_threads, getitem, grad,
    grad_and_aux, grad_named, gradient, grads, greater, greater_equal, gt, half, hamming, hanning, heaviside, hessian,
    hessian_vector_product, histogram, histogram2d, histogram_bin_edges, histogramdd, hsplit, hstack, hvp, hypot, i0,
    identity, iinfo, im2col, imag, implicit, index_add, index_copy, index_fill, index_put, index_select, indices, inf,
    inner, insert, int, int16, int32, int64, int8, interp, intersect1d, inverse, invert, is_complex,
    is_floating_point, is_tensor, isclose, iscomplex, iscomplexobj, isdtype, isfinite, isin, isinf, isnan, isneginf,
    isposinf, isreal, isrealobj, isscalar, iterable, ix_, jacfwd, jacobian, jacrev, jvp, kaiser, kron, kthvalue, lcm,
    ldexp, le, left_shift, lerp, less, less_equal, lexsort, lgamma, linear, linear_solve, linspace, load_program, log,
    log10, log1p, log2, log_softmax, logaddexp, logaddexp2, logdet, logical_and, logical_not, logical_or, logical_xor,
    logit, logspace, logsumexp, long, lt, make_hvp, make_jvp, make_vjp, manual_seed, mask_indices, masked_fill,
    masked_scatter, masked_select, matmul, matrix_power, matrix_transpose, matvec, max, max_pool, max_unpool, maximum,
    may_share_memory, mean, median, meshgrid, min, min_scalar_type, minimum, mm, mod, modf, moveaxis, movedim, mul,
    multinomial, multiply, mv, nan, nan_to_num, nanargmax, nanargmin, nancumprod, nancumsum, nanmax, nanmean,
    nanmedian, nanmin, nanpercentile, nanprod, nanquantile, nanstd, nansum, nanvar, narrow, ndim, ne, neg, negative,
    newaxis, nextafter, no_grad, nonzero, norm, normal, not_equal, numel, odeint, on_arrays, ones, ones_like, outer,
    override, packbits, pad, partition, percentile, permute, permute_dims, pi, piecewise, pinverse, place, poly,
    polyadd, polyder, polydiv, polyfit, polyint, polymul, polysub, polyval, positive, pow, power, primitive, prod,
    profile, program, promote_types, ptp, put, put_along_axis, putmask, quantile, r_, rad2deg, radians, rand,
    rand_like, randint, randint_like, randn, randn_like, randperm, ravel, ravel_multi_index, ravel_pytree, real,
    real_if_close, reciprocal, registry, relu, remainder, repeat, repeat_interleave, reshape, resize, result_type,
    right_shift, rint, roll, rollaxis, roots, rot90, round, rsqrt, rsub, save, save_program, savetxt, savez,
    savez_compressed, scan, scatter, scatter_add, scatter_reduce, searchsorted, select, set_default_dtype,
    set_num_threads, setdiff1d, setitem, setxor1d, sgn, shape, shares_memory, short, sigmoid, sign, signbit, sin,
    sinc, sinh, size, sliding_window_view, slogdet, softmax, softplus, sort, sort_complex, spacing, split,
    split_with_sizes, sqrt, square, squeeze, stack, std, stop_gradient, sub, subtract, sum, swapaxes, swapdims, t,
    take, take_along_axis, take_along_dim, tan, tanh, tensor, tensor_split, tensordot, tile, topk, trace, transpose,
    trapezoid, tree_leaves, tree_map, tri, tril, tril_indices, tril_indices_from, trim_zeros, triu, triu_indices,
    triu_indices_from, true_divide, trunc, uint16, uint32, uint64, uint8, unbind, unflatten, union1d, unique,
    unique_all, unique_counts, unique_inverse, unique_values, unpackbits, unravel_index, unsqueeze, unstack, unwrap,
    value_and_grad, vander, var, vdot, vecdot, vecmat, vector_jacobian_product, vjp, vmap, vsplit, vstack, where,
    while_loop, window_place, window_select, window_spread, window_sum, xlogy, zeros, zeros_like,
)  # fmt: skip

from .autograd.ops import random

if TYPE_CHECKING:
    from . import extend, fft, linalg, nn, optim, special, stats, testing, viz

__all__ = [
    "Compiled", "Primitive", "Profile", "Tensor", "__array_api_version__", "__array_namespace_info__", "__version__",
    "abs", "absolute", "acos", "acosh", "adaptive_avg_pool", "adaptive_max_pool", "add", "addbmm", "addcdiv",
    "addcmul", "addmm", "addmv", "addr", "adjoint", "affine", "all", "allclose", "amax", "amin", "aminmax", "angle",
    "any", "append", "apply_along_axis", "apply_over_axes", "arange", "arccos", "arccosh", "arcsin", "arcsinh",
    "arctan", "arctan2", "arctanh", "argmax", "argmin", "argpartition", "argsort", "argwhere", "around", "array",
    "array2string", "array_equal", "array_equiv", "array_repr", "array_split", "array_str", "as_tensor", "asarray",
    "asin", "asinh", "astype", "atan", "atan2", "atanh", "atleast_1d", "atleast_2d", "atleast_3d", "average",
    "avg_pool", "baddbmm", "bartlett", "bernoulli", "bincount", "bitwise_and", "bitwise_count", "bitwise_invert",
    "bitwise_left_shift", "bitwise_not", "bitwise_or", "bitwise_right_shift", "bitwise_xor", "blackman", "block",
    "bmm", "bool", "box_sum", "broadcast_arrays", "broadcast_shapes", "broadcast_to", "c_", "can_cast", "cat", "cbrt",
    "cdist", "cdouble", "ceil", "cfloat", "checkpoint", "choose", "chunk", "clamp", "clamp_max", "clamp_min", "clip",
    "clone", "col2im", "column_stack", "common_type", "compile", "complex128", "complex64", "compress", "concat",
    "concatenate", "cond", "conj", "conjugate", "conv", "conv_matrix", "conv_transpose", "conv_weight", "convolve",
    "copy", "copysign", "copyto", "corrcoef", "correlate", "cos", "cosh", "count_nonzero", "cov", "cross", "cummax",
    "cummin", "cumprod", "cumsum", "cumulative_prod", "cumulative_sum", "cumulative_trapezoid", "default_dtype",
    "deg2rad", "degrees", "delete", "det", "detect_anomaly", "diag", "diag_embed", "diag_indices",
    "diag_indices_from", "diagflat", "diagonal", "diff", "digamma", "digitize", "dist", "div", "divide", "divmod",
    "dot", "double", "dsplit", "dstack", "e", "ediff1d", "einsum", "einsum_path", "elementwise_grad", "empty",
    "empty_like", "enable_grad", "eq", "equal", "erf", "erfc", "erfinv", "exp", "exp2", "expand_dims", "expm1",
    "extract", "eye", "fabs", "fill_diagonal", "finfo", "fix", "fixed_point", "flat_take", "flatnonzero", "flatten",
    "flip", "fliplr", "flipud", "float", "float16", "float32", "float64", "float_power", "floor", "floor_divide",
    "fmax", "fmin", "fmod", "frac", "frexp", "from_dlpack", "from_numpy", "fromfunction", "full", "full_like",
    "gather", "gcd", "ge", "geomspace", "ger", "get_default_dtype", "get_num_threads", "getitem", "grad",
    "grad_and_aux", "grad_named", "gradient", "grads", "greater", "greater_equal", "gt", "half", "hamming", "hanning",
    "heaviside", "hessian", "hessian_vector_product", "histogram", "histogram2d", "histogram_bin_edges",
    "histogramdd", "hsplit", "hstack", "hvp", "hypot", "i0", "identity", "iinfo", "im2col", "imag", "implicit",
    "index_add", "index_copy", "index_fill", "index_put", "index_select", "indices", "inf", "inner", "insert", "int",
    "int16", "int32", "int64", "int8", "interp", "intersect1d", "inverse", "invert", "is_complex",
    "is_floating_point", "is_tensor", "isclose", "iscomplex", "iscomplexobj", "isdtype", "isfinite", "isin", "isinf",
    "isnan", "isneginf", "isposinf", "isreal", "isrealobj", "isscalar", "iterable", "ix_", "jacfwd", "jacobian",
    "jacrev", "jvp", "kaiser", "kron", "kthvalue", "lcm", "ldexp", "le", "left_shift", "lerp", "less", "less_equal",
    "lexsort", "lgamma", "linear", "linear_solve", "linspace", "load_program", "log", "log10", "log1p", "log2",
    "log_softmax", "logaddexp", "logaddexp2", "logdet", "logical_and", "logical_not", "logical_or", "logical_xor",
    "logit", "logspace", "logsumexp", "long", "lt", "make_hvp", "make_jvp", "make_vjp", "manual_seed", "mask_indices",
    "masked_fill", "masked_scatter", "masked_select", "matmul", "matrix_power", "matrix_transpose", "matvec", "max",
    "max_pool", "max_unpool", "maximum", "may_share_memory", "mean", "median", "meshgrid", "min", "min_scalar_type",
    "minimum", "mm", "mod", "modf", "moveaxis", "movedim", "mul", "multinomial", "multiply", "mv", "nan",
    "nan_to_num", "nanargmax", "nanargmin", "nancumprod", "nancumsum", "nanmax", "nanmean", "nanmedian", "nanmin",
    "nanpercentile", "nanprod", "nanquantile", "nanstd", "nansum", "nanvar", "narrow", "ndim", "ne", "neg",
    "negative", "newaxis", "nextafter", "no_grad", "nonzero", "norm", "normal", "not_equal", "numel", "odeint",
    "on_arrays", "ones", "ones_like", "outer", "override", "packbits", "pad", "partition", "percentile", "permute",
    "permute_dims", "pi", "piecewise", "pinverse", "place", "poly", "polyadd", "polyder", "polydiv", "polyfit",
    "polyint", "polymul", "polysub", "polyval", "positive", "pow", "power", "primitive", "prod", "profile", "program",
    "promote_types", "ptp", "put", "put_along_axis", "putmask", "quantile", "r_", "rad2deg", "radians", "rand",
    "rand_like", "randint", "randint_like", "randn", "randn_like", "randperm", "ravel", "ravel_multi_index",
    "ravel_pytree", "real", "real_if_close", "reciprocal", "registry", "relu", "remainder", "repeat",
    "repeat_interleave", "reshape", "resize", "result_type", "right_shift", "rint", "roll", "rollaxis", "roots",
    "rot90", "round", "rsqrt", "rsub", "save", "save_program", "savetxt", "savez", "savez_compressed", "scan",
    "scatter", "scatter_add", "scatter_reduce", "searchsorted", "select", "set_default_dtype", "set_num_threads",
    "setdiff1d", "setitem", "setxor1d", "sgn", "shape", "shares_memory", "short", "sigmoid", "sign", "signbit", "sin",
    "sinc", "sinh", "size", "sliding_window_view", "slogdet", "softmax", "softplus", "sort", "sort_complex",
    "spacing", "split", "split_with_sizes", "sqrt", "square", "squeeze", "stack", "std", "stop_gradient", "sub",
    "subtract", "sum", "swapaxes", "swapdims", "t", "take", "take_along_axis", "take_along_dim", "tan", "tanh",
    "tensor", "tensor_split", "tensordot", "tile", "topk", "trace", "transpose", "trapezoid", "tree_leaves",
    "tree_map", "tri", "tril", "tril_indices", "tril_indices_from", "trim_zeros", "triu", "triu_indices",
    "triu_indices_from", "true_divide", "trunc", "uint16", "uint32", "uint64", "uint8", "unbind", "unflatten",
    "union1d", "unique", "unique_all", "unique_counts", "unique_inverse", "unique_values", "unpackbits",
    "unravel_index", "unsqueeze", "unstack", "unwrap", "value_and_grad", "vander", "var", "vdot", "vecdot", "vecmat",
    "vector_jacobian_product", "vjp", "vmap", "vsplit", "vstack", "where", "while_loop", "window_place",
    "window_select", "window_spread", "window_sum", "xlogy", "zeros", "zeros_like",
]  # fmt: skip

__version__ = "0.1.0"

sys.modules[f"{__name__}.random"] = random  # a file random.py here would be in the way of Python's own

_rooms = ("extend", "fft", "linalg", "nn", "optim", "special", "stats", "testing", "viz")


if not TYPE_CHECKING:  # or else every name would be there

    def __getattr__(name: str) -> Any:
        """The rooms above autograd are imported on first use."""
        if name in _rooms:
            return import_module(f".{name}", __name__)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_rooms])
