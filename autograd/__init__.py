"""Tensors, primitives and their rules, the backward pass, and what transforms functions of tensors.

What is listed here is what users have of them.
"""

import sys
from types import SimpleNamespace as _SimpleNamespace

# fmt: off
from .core import backward
from .core.backward import grads as grads
from .core.examples import face_by_example as _face_by_example
from .core.graph import enable_grad as enable_grad
from .core.graph import default_dtype as default_dtype
from .core.graph import get_default_dtype as get_default_dtype
from .core.graph import set_default_dtype as set_default_dtype
from .core.graph import no_grad as no_grad
from .core.primitive import Primitive as Primitive
from .core.primitive import linear as linear
from .core.primitive import override as override
from .core.primitive import primitive as primitive
from .core.primitive import registry as registry
from .core.tensor import Tensor as Tensor
from .debug.anomaly import detect_anomaly
from .debug.profiling import Profile, profile
from . import ops as _ops
from .numpy_api import dispatch, einops, methods
from .numpy_api import spellings as _spellings
from .numpy_api import operator_docs as _operator_docs
from .old_paths import keep as _keep
from .numpy_api.array_api import (
    __array_api_version__, __array_namespace_info__, bool, can_cast, complex128, complex64, e, finfo, float32,
    float64, iinfo, inf, int16, int32, int64, int8, isdtype, nan, newaxis, pi, promote_types, result_type, uint16,
    uint32, uint64, uint8,
)
from .numpy_api.torch_making import (
    as_tensor, bernoulli, cdouble, cfloat, double, float, float16, from_numpy, half, int, is_complex,
    is_floating_point, is_tensor, long, multinomial, normal, rand, rand_like, randint, randint_like, randn, randn_like,
    randperm, short, tensor,
)
from .numpy_api.torch_math import (
    addbmm, addcdiv, addcmul, addmm, addmv, addr, amax, amin, aminmax, baddbmm, bmm, cdist, clamp, clamp_max,
    clamp_min, dist, div, frac, ger, lerp, logdet, mm, mul, mv, neg, norm, rsqrt, rsub, sub,
)
from .numpy_api.torch_places import (
    cummax, cummin, gather, index_add, index_copy, index_fill, index_put, index_select, kthvalue, masked_fill,
    masked_scatter, masked_select, repeat_interleave, scatter_add, scatter_reduce, take_along_dim, topk,
)
from .numpy_api.torch_shapes import (
    adjoint, cat, chunk, clone, diag_embed, flatten, movedim, narrow, numel, permute, split_with_sizes, swapdims, t,
    unbind, unflatten, unsqueeze,
)
from .ops import emath
from .ops import fft as _fft  # for NumPy's own fft to find it, and so with the others
from .ops.adaptive_pooling import (
    adaptive_avg_pool, adaptive_max_pool_form as adaptive_max_pool, box_sum_form as box_sum,
)
from .ops.casting import (
    angle, round_form as around, astype_form as astype, divmod, float_power, frexp, imag_form as imag,
    ldexp_form as ldexp, modf, real_form as real, real_if_close, round_form as round,
)
from .ops import collectives as _collectives  # for the registry to have its primitive
from .ops.convolution import (
    conv_form as conv, conv_matrix, conv_transpose_form as conv_transpose, conv_weight_form as conv_weight,
)
from .ops.correlation import convolve, corrcoef, correlate, cov
from .ops.creation import (
    arange, array, asarray, bartlett, blackman, empty, empty_like, eye, from_dlpack, fromfunction, full, full_like,
    geomspace, hamming, hanning, identity, indices, kaiser, linspace, logspace, ones, ones_like, tri, zeros,
    zeros_like,
)
from .ops.diagonals import diag, diagflat, diagonal_form as diagonal, fill_diagonal, trace, tril, triu
from .ops.differences import cumulative_trapezoid, diff, ediff1d, gradient, trapezoid, unwrap_form as unwrap
from .ops import devices as _devices, elsewhere as _elsewhere  # noqa: F401 - register
from .ops.einsum import einsum_form as einsum
from .ops.elementwise import (
    abs, absolute, acos, acosh, add, arccos, arccosh, arcsin, arcsinh, arctan, arctan2, arctanh, asin, asinh, atan,
    atan2, atanh, cbrt, ceil, clip, conj, conjugate, copysign, cos, cosh, deg2rad, degrees, divide, exp, exp2, expm1,
    fabs, fix, floor, floor_divide, fmax, fmin, fmod, heaviside, hypot, log, log10, log1p, log2, logaddexp, logaddexp2,
    maximum, minimum, mod, multiply, nan_to_num, negative, nextafter, positive, power_form as pow, power_form as power,
    rad2deg, radians, reciprocal, relu, remainder, rint, sign_form as sign, sin, sinh, sqrt, square,
    subtract, tan, tanh, true_divide, trunc, where_form as where,
)
from .ops.im2col import col2im_form as col2im, im2col_form as im2col
from .ops.index_tricks import c_, r_
from .ops.indexing import getitem_form as getitem, scatter_form as scatter, setitem_form as setitem
from .ops.inplace import copyto, place, put, putmask
from .ops.joining import (
    append, apply_along_axis, apply_over_axes, atleast_1d, atleast_2d, atleast_3d, block, column_stack, delete,
    dstack, fliplr, flipud, hstack, insert, meshgrid, repeat, resize, rot90, sliding_window_view, tile, trim_zeros,
    vstack,
)
from .ops.linalg import compositions as _linalg
from .ops.linalg import matrix_calculus as _matrix_calculus  # for the registry to have its primitive
from .ops.logistic import sigmoid, softplus
from .ops.matmul import (
    affine_form as affine, cross, dot, inner, kron, matmul_form as matmul, matvec, outer, tensordot, vdot, vecdot,
    vecmat,
)
from .ops.nondifferentiable import (
    all, allclose, any, argmax, argmin, argpartition, argwhere, array2string, array_equal, array_equiv, array_repr,
    array_str, bitwise_and, bitwise_count, bitwise_invert, bitwise_left_shift, bitwise_not, bitwise_or,
    bitwise_right_shift, bitwise_xor, common_type, count_nonzero, diag_indices, diag_indices_from, digitize,
    einsum_path, equal, flatnonzero, gcd, greater, greater_equal, histogram, histogram2d, histogram_bin_edges,
    histogramdd, intersect1d, invert, isclose, iscomplex, iscomplexobj, isfinite, isin, isinf, isnan, isneginf,
    isposinf, isreal, isrealobj, isscalar, iterable, ix_, lcm, left_shift, less, less_equal, lexsort, logical_and,
    logical_not, logical_or, logical_xor, mask_indices, may_share_memory, min_scalar_type, nanargmax, nanargmin, ndim,
    nonzero, not_equal, packbits, ravel_multi_index, right_shift, save, savetxt, savez, savez_compressed,
    searchsorted, setdiff1d, setxor1d, shape, shares_memory, signbit, size, spacing, tril_indices, tril_indices_from,
    triu_indices, triu_indices_from, union1d, unique, unique_all, unique_counts, unique_inverse, unique_values,
    unpackbits, unravel_index,
)
from .ops.padding import pad_form as pad
from .ops.polynomials import poly, polyadd, polyder, polydiv, polyfit, polyint, polymul, polysub, polyval, roots, vander
from .ops.pooling import (
    avg_pool, flat_take_form as flat_take, max_pool_form as max_pool, max_unpool_form as max_unpool,
    window_place_form as window_place, window_select_form as window_select, window_spread_form as window_spread,
    window_sum_form as window_sum,
)
from .ops import random as random
from .ops.random import manual_seed as manual_seed
from .ops.reductions import (
    cumsum_form as cumsum, cumulative_sum, log_softmax_form as log_softmax, logsumexp_form as logsumexp, max,
    mean_form as mean, min, nanmax, nanmin, ptp, softmax_form as softmax, sum_form as sum,
)
from .ops.running_products import cumprod_form as cumprod, cumulative_prod, prod_form as prod
from .ops.shape import (
    broadcast_arrays, broadcast_shapes, broadcast_to_form as broadcast_to, concatenate_form as concat,
    concatenate_form as concatenate, copy, expand_dims, flip_form as flip, matrix_transpose, moveaxis,
    transpose_form as permute_dims, ravel, reshape_form as reshape, roll_form as roll, rollaxis, squeeze, stack,
    swapaxes, transpose_form as transpose,
)
from .ops.sorting import (
    argsort, bincount, choose, compress, extract, interp, partition, piecewise, put_along_axis, select, sort,
    sort_complex, take, take_along_axis,
)
from .ops.special import functions as _special
from .ops.special.sinc_i0 import i0_form as i0, sinc_form as sinc
from .ops.splitting import array_split, dsplit, hsplit, split, unstack, vsplit
from .ops.statistics import (
    average, median, nancumprod, nancumsum, nanmean, nanmedian, nanpercentile, nanprod, nanquantile, nanstd, nansum,
    nanvar, percentile, quantile, std, var,
)
from .ops.elementwise import sign_form as sgn
from .ops.linalg.compositions import det as det
from .ops.linalg.compositions import inv as inverse
from .ops.linalg.compositions import matrix_power as matrix_power
from .ops.linalg.compositions import pinv as pinverse
from .ops.linalg.compositions import slogdet as slogdet
from .ops.nondifferentiable import equal as eq
from .ops.nondifferentiable import greater as gt
from .ops.nondifferentiable import greater_equal as ge
from .ops.nondifferentiable import less as lt
from .ops.nondifferentiable import less_equal as le
from .ops.nondifferentiable import not_equal as ne
from .ops.special.functions import digamma as digamma
from .ops.special.functions import erf as erf
from .ops.special.functions import erfc as erfc
from .ops.special.functions import erfinv as erfinv
from .ops.special.functions import gammaln as lgamma
from .ops.special.functions import logit as logit
from .ops.special.functions import xlogy as xlogy
from .ops.splitting import array_split as tensor_split
from .programs.compiled import Compiled, compile, program
from .programs.control_flow import cond, scan, while_loop
from .programs.saving import load_program, save_program
from .runtime.threads import get_num_threads as get_num_threads
from .runtime.threads import set_num_threads as set_num_threads
from .transforms.checkpoint import checkpoint
from .transforms.derivatives import (
    elementwise_grad, grad, hessian, hvp, jacfwd, jacobian, jacrev, jvp, on_arrays, stop_gradient, value_and_grad, vjp,
)
from .transforms.forms import (
    grad_and_aux, grad_named, hessian_vector_product, make_hvp, make_jvp, make_vjp, ravel_pytree, tree_leaves,
    tree_map, vector_jacobian_product,
)
from .transforms.implicit import fixed_point, implicit, linear_solve
from .transforms.odeint import odeint
from .transforms.vmap import vmap
# fmt: on

__all__ = [
    "Compiled", "Primitive", "Profile", "Tensor", "__array_api_version__", "__array_namespace_info__", "abs",
    "absolute", "acos", "acosh", "adaptive_avg_pool", "adaptive_max_pool", "add", "addbmm", "addcdiv", "addcmul",
    "addmm", "addmv", "addr", "adjoint", "affine", "all", "allclose", "amax", "amin", "aminmax", "angle", "any",
    "append", "apply_along_axis", "apply_over_axes", "arange", "arccos", "arccosh", "arcsin", "arcsinh", "arctan",
    "arctan2", "arctanh", "argmax", "argmin", "argpartition", "argsort", "argwhere", "around", "array",
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

_faces = (sys.modules[__name__], _linalg, _fft, _special, random)
for _face in _faces:
    _face_by_example(_face, _face.__all__, _ops.__name__)  # others take functions, or are scopes and settings
_face_by_example(_faces[0], _spellings.FUNCTIONS, _spellings.__package__)

for _face in _faces:
    for _name, _made in list(vars(_face).items()):
        if "<locals>" in getattr(_made, "__qualname__", ""):  # of a function that made it: here pickle finds it
            _made.__module__, _made.__qualname__ = _face.__name__, _name

_operator_docs.explain()
_keep(__name__, (_SimpleNamespace(norm=_linalg.norm), *_faces))
