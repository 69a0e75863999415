"""What PyTorch's users write, on Tensors: a table of names, each of a function, as a method, in the package, or both.

docs/torch_spellings.md is made of it. Where a name of PyTorch's is one of NumPy's with another meaning, NumPy's stays
(see `CLASHES`, and `core/spellings.py` for arguments).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, NamedTuple

import numpy as np

from ..core.examples import by_example
from ..core.primitive import Primitive
from ..core.tensor import Tensor
from ..ops import casting, correlation, diagonals, differences, joining, matmul, shape, splitting, statistics
from ..ops import elementwise as el
from ..ops import nondifferentiable as constants
from ..ops.linalg import compositions as linalg
from ..ops.logistic import sigmoid
from ..ops.reductions import logsumexp
from ..ops.sorting import bincount
from ..ops.special import functions as special
from ..ops.special.sinc_i0 import i0, sinc
from . import torch_inplace as inplace
from . import torch_making as making
from . import torch_math as math
from . import torch_places as places
from . import torch_shapes as shapes
from .torch_making import CONVERTERS

__all__ = ["ABSENT", "CLASHES", "TABLE", "Spelling", "bare"]


class Spelling(NamedTuple):
    """A function, what NumPy's users write for it, and whether it is a method ("x"), in the package ("pb"), or both."""

    function: Any
    numpy: str
    where: str = "x pb"


_S = Spelling
TABLE: dict[str, dict[str, Spelling]] = {
    "Shapes": {
        "view": _S(shapes.view, "reshape(x, shape), which it is: it copies where NumPy must", "x"),
        "view_as": _S(shapes.view_as, "reshape(x, y.shape)", "x"),
        "reshape_as": _S(shapes.reshape_as, "reshape(x, y.shape)", "x"),
        "flatten": _S(shapes.flatten, "reshape; flatten(order) by a letter"),
        "unflatten": _S(shapes.unflatten, "reshape"),
        "unsqueeze": _S(shapes.unsqueeze, "expand_dims(x, axis)"),
        "permute": _S(shapes.permute, "transpose(x, axes)"),
        "t": _S(shapes.t, "x.T"),
        "adjoint": _S(shapes.adjoint, "conj(x.mT)"),
        "movedim": _S(shapes.movedim, "moveaxis(x, source, destination)"),
        "swapdims": _S(shapes.swapdims, "swapaxes(x, axis1, axis2)"),
        "expand": _S(shapes.expand, "broadcast_to(x, shape)", "x"),
        "expand_as": _S(shapes.expand_as, "broadcast_to(x, y.shape)", "x"),
        "contiguous": _S(shapes.contiguous, "ascontiguousarray(x)", "x"),
        "is_contiguous": _S(shapes.is_contiguous, "x.flags.c_contiguous", "x"),
        "clone": _S(shapes.clone, "copy(x)"),
        "numel": _S(shapes.numel, "x.size"),
        "nelement": _S(shapes.numel, "x.size", "x"),
        "ndimension": _S(shapes.dim, "x.ndim", "x"),
        "dim": _S(shapes.dim, "x.ndim", "x"),
        "element_size": _S(shapes.element_size, "x.itemsize", "x"),
        "diag_embed": _S(shapes.diag_embed, "zeros and an index"),
    },
    "Parts": {
        "narrow": _S(shapes.narrow, "x[:, start : start + length]"),
        "select": _S(shapes.select, "x[:, index]", "x"),
        "chunk": _S(shapes.chunk, "split(x, places)"),
        "unbind": _S(shapes.unbind, "unstack(x, axis)"),
        "split_with_sizes": _S(shapes.split_with_sizes, "split(x, places, axis)"),
        "tensor_split": _S(splitting.array_split, "array_split(x, parts or places, axis)"),
        "unfold": _S(shapes.unfold, "sliding_window_view(x, size, axis)[::step]", "x"),
        "cat": _S(shapes.cat, "concatenate(arrays, axis)", "pb"),
    },
    "Entries by places": {
        "gather": _S(places.gather, "take_along_axis(x, index, axis)"),
        "take_along_dim": _S(places.take_along_dim, "take_along_axis(x, indices, axis)"),
        "index_select": _S(places.index_select, "take(x, index, axis)"),
        "scatter": _S(places.put_at, "put_along_axis(x, index, src, axis), in place", "x"),
        "scatter_add": _S(places.scatter_add, "add.at(x, index, src), in place"),
        "scatter_reduce": _S(places.scatter_reduce, "maximum.at(x, index, src) and the like, in place"),
        "index_add": _S(places.index_add, "add.at(x, index, source), in place"),
        "index_copy": _S(places.index_copy, "x[:, index] = source, in place"),
        "index_fill": _S(places.index_fill, "x[:, index] = value, in place"),
        "index_put": _S(places.index_put, "x[indices] = values, in place"),
        "masked_select": _S(places.masked_select, "x[mask]"),
        "masked_fill": _S(places.masked_fill, "where(mask, value, x)"),
        "masked_scatter": _S(places.masked_scatter, "place(x, mask, source), in place"),
        "where": _S(math.where_self, "where(condition, x, y)", "x"),
        "repeat_interleave": _S(places.repeat_interleave, "repeat(x, repeats, axis)"),
        "topk": _S(places.topk, "argsort and take_along_axis"),
        "kthvalue": _S(places.kthvalue, "argsort and take_along_axis"),
        "cummax": _S(places.cummax, "maximum.accumulate(x, axis), the values"),
        "cummin": _S(places.cummin, "minimum.accumulate(x, axis), the values"),
    },
    "Arithmetic": {
        "add": _S(math.add, "add(x, y)", "x"),
        "sub": _S(math.sub, "subtract(x, y)"),
        "rsub": _S(math.rsub, "subtract(y, x)", "pb"),
        "mul": _S(math.mul, "multiply(x, y)"),
        "div": _S(math.div, "divide(x, y)"),
        "neg": _S(math.neg, "negative(x)"),
        "rsqrt": _S(math.rsqrt, "1 / sqrt(x)"),
        "frac": _S(math.frac, "modf(x)[0]"),
        "clamp": _S(math.clamp, "clip(x, min, max)"),
        "clamp_min": _S(math.clamp_min, "maximum(x, min)"),
        "clamp_max": _S(math.clamp_max, "minimum(x, max)"),
        "lerp": _S(math.lerp, "x + weight * (end - x)"),
        "addcmul": _S(math.addcmul, "x + value * y * z"),
        "addcdiv": _S(math.addcdiv, "x + value * y / z"),
        "sgn": _S(el.sign, "sign(x)"),
        "erf": _S(special.erf, "scipy.special.erf(x)"),
        "erfc": _S(special.erfc, "scipy.special.erfc(x)"),
        "erfinv": _S(special.erfinv, "scipy.special.erfinv(x)"),
        "lgamma": _S(special.gammaln, "scipy.special.gammaln(x)"),
        "digamma": _S(special.digamma, "scipy.special.digamma(x)"),
        "logit": _S(special.logit, "scipy.special.logit(x)"),
        "xlogy": _S(special.xlogy, "scipy.special.xlogy(x, y)"),
        "eq": _S(constants.equal, "x == y"),
        "ne": _S(constants.not_equal, "x != y"),
        "lt": _S(constants.less, "x < y"),
        "le": _S(constants.less_equal, "x <= y"),
        "gt": _S(constants.greater, "x > y"),
        "ge": _S(constants.greater_equal, "x >= y"),
    },
    "Products, norms and extrema": {
        "mm": _S(math.mm, "x @ y"),
        "mv": _S(math.mv, "x @ v"),
        "bmm": _S(math.bmm, "x @ y"),
        "ger": _S(math.ger, "outer(x, y)"),
        "addmm": _S(math.addmm, "beta * x + alpha * (y @ z)"),
        "addmv": _S(math.addmv, "beta * x + alpha * (y @ v)"),
        "addr": _S(math.addr, "beta * x + alpha * outer(v, w)"),
        "addbmm": _S(math.addbmm, "beta * x + alpha * (y @ z).sum(0)"),
        "baddbmm": _S(math.baddbmm, "beta * x + alpha * (y @ z)"),
        "inverse": _S(linalg.inv, "linalg.inv(x)"),
        "pinverse": _S(linalg.pinv, "linalg.pinv(x)"),
        "det": _S(linalg.det, "linalg.det(x)"),
        "slogdet": _S(linalg.slogdet, "linalg.slogdet(x)"),
        "logdet": _S(math.logdet, "linalg.slogdet(x)[1]"),
        "matrix_power": _S(linalg.matrix_power, "linalg.matrix_power(x, n)"),
        "norm": _S(math.norm, "linalg.vector_norm(x, ord=p, axis=axis)"),
        "dist": _S(math.dist, "linalg.vector_norm(x - y, ord=p)"),
        "cdist": _S(math.cdist, "linalg.vector_norm(x[:, None] - y, ord=p, axis=-1)", "pb"),
        "amax": _S(math.amax, "max(x, axis)"),
        "amin": _S(math.amin, "min(x, axis)"),
        "aminmax": _S(math.aminmax, "min(x, axis), max(x, axis)"),
    },
    "Dtypes and devices": {
        **{
            name: _S(convert, f"astype(x, {np.dtype(making.DTYPES[name]).name})", "x")
            for name, convert in CONVERTERS.items()
        },
        "to": _S(making.to, "astype(x, dtype)", "x"),
        "type": _S(making.cast, "astype(x, dtype)", "x"),
        "type_as": _S(making.type_as, "astype(x, y.dtype)", "x"),
        "cpu": _S(making.cpu, "x", "x"),
        "cuda": _S(making.cuda, "an error: there is only the CPU", "x"),
        "is_floating_point": _S(making.is_floating_point, "isdtype(x.dtype, 'real floating')"),
        "is_complex": _S(making.is_complex, "iscomplexobj(x)"),
        "is_tensor": _S(making.is_tensor, "isinstance(x, Tensor)", "pb"),
    },
    "Making Tensors": {
        "tensor": _S(making.tensor, "Tensor(data, dtype=dtype)", "pb"),
        "as_tensor": _S(making.as_tensor, "asarray(data, dtype)", "pb"),
        "from_numpy": _S(making.from_numpy, "asarray(array)", "pb"),
        "new_tensor": _S(making.new_tensor, "Tensor(data, dtype=x.dtype)", "x"),
        "new_zeros": _S(making.new_zeros, "zeros(shape, x.dtype)", "x"),
        "new_ones": _S(making.new_ones, "ones(shape, x.dtype)", "x"),
        "new_full": _S(making.new_full, "full(shape, value, x.dtype)", "x"),
        "new_empty": _S(making.new_empty, "empty(shape, x.dtype)", "x"),
        "rand": _S(making.rand, "random.random(size)", "pb"),
        "randn": _S(making.randn, "random.standard_normal(size)", "pb"),
        "randint": _S(making.randint, "random.integers(low, high, size)", "pb"),
        "randperm": _S(making.randperm, "random.permutation(n)", "pb"),
        "rand_like": _S(making.rand_like, "random.random(x.shape)", "pb"),
        "randn_like": _S(making.randn_like, "random.standard_normal(x.shape)", "pb"),
        "randint_like": _S(making.randint_like, "random.integers(low, high, x.shape)", "pb"),
        "normal": _S(making.normal, "random.normal(mean, std, size)", "pb"),
        "bernoulli": _S(making.bernoulli, "random.bernoulli(p)", "x pb"),
        "multinomial": _S(making.multinomial, "random.choice(len(p), n, replacement, p)", "x pb"),
    },
}

_FROM = {  # functions of NumPy's names that are methods, too
    el: (
        "abs absolute acos acosh arccos arccosh arcsin arcsinh arctan arctan2 arctanh asin asinh atan atan2 atanh ceil "
        "copysign cos cosh deg2rad divide exp2 expm1 fix floor floor_divide fmax fmin fmod heaviside hypot log10 log1p "
        "log2 logaddexp logaddexp2 maximum minimum multiply nan_to_num negative nextafter positive pow rad2deg "
        "reciprocal remainder sign sin sinh square subtract tan true_divide trunc"
    ),
    casting: "angle float_power frexp ldexp",
    constants: (
        "allclose argwhere bitwise_and bitwise_left_shift bitwise_not bitwise_or bitwise_right_shift bitwise_xor "
        "count_nonzero gcd greater greater_equal isclose isfinite isinf isnan isneginf isposinf isreal lcm less "
        "less_equal logical_and logical_not logical_or logical_xor not_equal signbit unique"
    ),
    diagonals: "diag diagflat tril triu",
    differences: "diff",
    joining: "fliplr flipud rot90 tile",
    matmul: "cross inner kron matmul outer vdot",
    shape: "broadcast_to flip moveaxis roll",
    splitting: "dsplit hsplit vsplit",
    correlation: "corrcoef cov",
    statistics: "median nanmean nanmedian nanquantile nansum quantile",
}
METHODS: dict[str, Any] = {name: getattr(room, name) for room, names in _FROM.items() for name in names.split()}
METHODS |= {"logsumexp": logsumexp, "bincount": bincount, "i0": i0, "sinc": sinc}

_IN_PLACE = (
    "abs absolute arccos arccosh arcsin arcsinh arctan arctanh acos acosh asin asinh atan atanh ceil cos cosh "
    "deg2rad exp2 expm1 floor floor_divide fmod hypot log10 log1p log2 logical_and logical_not logical_or "
    "logical_xor bitwise_and bitwise_not bitwise_or bitwise_xor copysign divide fix float_power multiply nan_to_num "
    "negative pow rad2deg reciprocal remainder "
    "sign sin sinh square subtract tan tril triu true_divide trunc "
    "add sub mul div neg rsqrt frac clamp clamp_min clamp_max lerp addcmul addcdiv erf erfc erfinv lgamma digamma "
    "scatter scatter_add scatter_reduce index_add index_copy index_fill index_put masked_fill masked_scatter "
    "addmm addmv addr addbmm baddbmm"
)
FUNCTIONS = sorted(name for rows in TABLE.values() for name, row in rows.items() if "pb" in row.where.split())
for _rows in TABLE.values():
    METHODS |= {name: row.function for name, row in _rows.items() if "x" in row.where.split()}
IN_PLACE: dict[str, Any] = {
    **{f"{name}_": METHODS[name] for name in _IN_PLACE.split()},
    **{"exp_": el.exp, "log_": el.log, "sqrt_": el.sqrt, "tanh_": el.tanh, "sigmoid_": sigmoid, "relu_": el.relu},
    **{"clip_": el.clip, "round_": casting.round, "fill_": inplace.fill, "zero_": inplace.zero, "copy_": inplace.copy},
    **{"cumsum_": inplace.cumsum_along, "cumprod_": inplace.cumprod_along},
    **{"normal_": inplace.normal, "uniform_": inplace.uniform},
    **{"bernoulli_": inplace.bernoulli, "exponential_": inplace.exponential},
}

CLASHES = {  # what PyTorch's users write and have something else by -> what that is, and what they write here
    "x.max(1), x.min(1), x.median(1)": (
        "values alone, and the mean of two middle ones",
        "x.max(1) and x.argmax(1), x.topk(1, 1); x.kthvalue(k, 1) for one of the middle",
    ),
    "x.sort()": ("sorts in place", "pb.sort(x) and x.argsort()"),
    "x.std(), x.var()": ("divide by n", "x.std(ddof=1), also x.std(dim=1, correction=1)"),
    "x.sum(1, True)": ("NumPy's second argument is dtype", "x.sum(1, keepdim=True)"),
    "x.repeat(2, 3)": ("each entry, along an axis", "x.tile((2, 3)); x.repeat_interleave(2) for each entry"),
    "x.nonzero()": ("a tuple, one for each axis", "x.argwhere()"),
    "x.transpose(0, 1)": ("an order of all axes", "x.swapaxes(0, 1) or x.mT"),
    "pb.split(x, 2)": ("2 parts", "x.chunk(2) for parts, x.split_with_sizes([2, 2]) for lengths"),
    "x.size(0), x.size()": ("x.size is the number of entries", "x.shape[0], x.shape"),
    "x.squeeze(0) of an axis of length 3": ("an error", "x.squeeze(), or no squeeze"),
    "x.equal(y)": ("pb.equal compares entries", "pb.array_equal(x, y) for one bool; x.eq(y) for entries"),
    "pb.select, pb.scatter": ("NumPy's select; this package's scatter(values, index, shape)", "x.select, x.scatter"),
    "pb.zeros(2, 3), ones, full, empty": ("NumPy's second argument is dtype", "pb.zeros((2, 3))"),
    "pb.gradient, pb.linear": ("NumPy's gradient; a decorator of primitives", "nn.functional.linear"),
    "torch.float32 by default": ("float64", "pb.set_default_dtype(pb.float32)"),
    "x / y of integers, mixed dtypes": ("NumPy 2's promotion: int64 and float32 give float64", "x.float()"),
}
ABSENT = {  # names of PyTorch's methods -> what to write, as the error says
    "equal": "PyTorch's is array_equal(x, y); x.eq(y), or pullback.equal, compares entries",
    "split": "PyTorch's is by lengths, NumPy's by parts: x.split_with_sizes(lengths, dim) or x.chunk(parts, dim)",
    "data_ptr": "it is about an array's memory, see .numpy()",
    "storage": "it is about an array's memory, see .numpy()",
    "untyped_storage": "it is about an array's memory, see .numpy()",
    "stride": "it is about an array's memory, see .strides",
}


def bare(function: Any) -> Callable[..., Any]:
    """A function that has a signature also where NumPy's ufuncs have none."""
    ufunc = getattr(function, "__wrapped__", None)
    if isinstance(function, Primitive):
        return function.form
    if not isinstance(ufunc, np.ufunc):
        return function
    if ufunc.nin == 1:
        return lambda x: function(x)
    return lambda x, other: function(x, other)


def _method(name: str, function: Any) -> Callable[..., Any]:
    given = bare(function)

    @wraps(given)
    def method(*args: Any, **kwargs: Any) -> Any:
        return given(*args, **kwargs)

    method.__name__, method.__qualname__, method.__doc__ = name, f"Tensor.{name}", function.__doc__
    return by_example(method)


def _absent(name: str) -> property:
    def missing(self: Tensor) -> Any:
        raise AttributeError(f"Tensor has no attribute {name!r}: {ABSENT[name]}", name=name, obj=self)

    return property(missing, doc=f"Not here: {ABSENT[name]}.")


for _name, _function in METHODS.items():
    setattr(Tensor, _name, _method(_name, _function))
for _name, _function in IN_PLACE.items():
    setattr(Tensor, _name, by_example(inplace.in_place(_name, bare(_function))))
for _name in ABSENT:
    setattr(Tensor, _name, _absent(_name))
