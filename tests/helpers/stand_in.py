"""A strict stand-in for CuPy on machines without a GPU: arrays of a library that NumPy knows by its protocols alone.

`Array` keeps its numbers where nothing else finds them. It is no ndarray and no buffer, refuses `__array__`, answers
`__array_ufunc__` and `__array_function__` only for what CuPy 14.2 has (`FUNCTIONS`, `SPECIAL`: read from its
namespaces), refuses NumPy's arrays as operands as CuPy does, and gives arrays of no axes where NumPy gives scalars.
`counts` has how often arrays were copied to the host (`get`, `tolist`) or from it (`asarray`, an index), and how
often one number was asked for (`item`, `bool`, `float`, ...), for which a GPU must have finished.
The module registers itself as the libraries `stand_in` and `stand_in.special`.
"""

from __future__ import annotations

import operator
import sys
from collections import Counter
from types import ModuleType

import numpy as np
import scipy.special

from pullback.autograd.runtime.libraries import DEVICES
from pullback.autograd.runtime.libraries import SPECIAL as SPECIAL_AT

FUNCTIONS = set(
    [
        "abs",
        "absolute",
        "acos",
        "acosh",
        "add",
        "all",
        "allclose",
        "amax",
        "amin",
        "angle",
        "any",
        "append",
        "apply_along_axis",
        "apply_over_axes",
        "arange",
        "arccos",
        "arccosh",
        "arcsin",
        "arcsinh",
        "arctan",
        "arctan2",
        "arctanh",
        "argmax",
        "argmin",
        "argpartition",
        "argsort",
        "argwhere",
        "around",
        "array",
        "array2string",
        "array_equal",
        "array_equiv",
        "array_repr",
        "array_split",
        "array_str",
        "asanyarray",
        "asarray",
        "asarray_chkfinite",
        "ascontiguousarray",
        "asfortranarray",
        "asin",
        "asinh",
        "astype",
        "atan",
        "atan2",
        "atanh",
        "atleast_1d",
        "atleast_2d",
        "atleast_3d",
        "average",
        "bartlett",
        "base_repr",
        "binary_repr",
        "bincount",
        "bitwise_and",
        "bitwise_count",
        "bitwise_invert",
        "bitwise_left_shift",
        "bitwise_not",
        "bitwise_or",
        "bitwise_right_shift",
        "bitwise_xor",
        "blackman",
        "broadcast_arrays",
        "broadcast_shapes",
        "broadcast_to",
        "can_cast",
        "cbrt",
        "ceil",
        "choose",
        "clip",
        "column_stack",
        "common_type",
        "compress",
        "concat",
        "concatenate",
        "conj",
        "conjugate",
        "convolve",
        "copy",
        "copysign",
        "copyto",
        "corrcoef",
        "correlate",
        "cos",
        "cosh",
        "count_nonzero",
        "cov",
        "cross",
        "cumprod",
        "cumsum",
        "cumulative_prod",
        "cumulative_sum",
        "deg2rad",
        "degrees",
        "delete",
        "diag",
        "diag_indices",
        "diag_indices_from",
        "diagflat",
        "diagonal",
        "diff",
        "digitize",
        "divide",
        "divmod",
        "dot",
        "dsplit",
        "dstack",
        "ediff1d",
        "einsum",
        "empty",
        "empty_like",
        "equal",
        "exp",
        "exp2",
        "expand_dims",
        "expm1",
        "extract",
        "eye",
        "fabs",
        "fill_diagonal",
        "fix",
        "flatnonzero",
        "flip",
        "fliplr",
        "flipud",
        "float_power",
        "floor",
        "floor_divide",
        "fmax",
        "fmin",
        "fmod",
        "format_float_positional",
        "format_float_scientific",
        "frexp",
        "from_dlpack",
        "frombuffer",
        "fromfile",
        "fromfunction",
        "fromiter",
        "fromstring",
        "full",
        "full_like",
        "gcd",
        "genfromtxt",
        "get_printoptions",
        "gradient",
        "greater",
        "greater_equal",
        "hamming",
        "hanning",
        "heaviside",
        "histogram",
        "histogram2d",
        "histogramdd",
        "hsplit",
        "hstack",
        "hypot",
        "i0",
        "identity",
        "imag",
        "indices",
        "inner",
        "interp",
        "intersect1d",
        "invert",
        "isclose",
        "iscomplex",
        "iscomplexobj",
        "isdtype",
        "isfinite",
        "isfortran",
        "isin",
        "isinf",
        "isnan",
        "isneginf",
        "isposinf",
        "isreal",
        "isrealobj",
        "isscalar",
        "issubdtype",
        "iterable",
        "ix_",
        "kaiser",
        "kron",
        "lcm",
        "ldexp",
        "left_shift",
        "less",
        "less_equal",
        "lexsort",
        "linspace",
        "load",
        "loadtxt",
        "log",
        "log10",
        "log1p",
        "log2",
        "logaddexp",
        "logaddexp2",
        "logical_and",
        "logical_not",
        "logical_or",
        "logical_xor",
        "logspace",
        "mask_indices",
        "matmul",
        "matrix_transpose",
        "max",
        "maximum",
        "may_share_memory",
        "mean",
        "median",
        "meshgrid",
        "min",
        "min_scalar_type",
        "minimum",
        "mintypecode",
        "mod",
        "modf",
        "moveaxis",
        "multiply",
        "nan_to_num",
        "nanargmax",
        "nanargmin",
        "nancumprod",
        "nancumsum",
        "nanmax",
        "nanmean",
        "nanmedian",
        "nanmin",
        "nanprod",
        "nanstd",
        "nansum",
        "nanvar",
        "ndim",
        "negative",
        "nextafter",
        "nonzero",
        "not_equal",
        "ones",
        "ones_like",
        "outer",
        "packbits",
        "pad",
        "partition",
        "percentile",
        "permute_dims",
        "piecewise",
        "place",
        "poly",
        "polyadd",
        "polyfit",
        "polymul",
        "polysub",
        "polyval",
        "positive",
        "pow",
        "power",
        "printoptions",
        "prod",
        "promote_types",
        "ptp",
        "put",
        "put_along_axis",
        "putmask",
        "quantile",
        "rad2deg",
        "radians",
        "ravel",
        "ravel_multi_index",
        "real",
        "real_if_close",
        "reciprocal",
        "remainder",
        "repeat",
        "require",
        "reshape",
        "resize",
        "result_type",
        "right_shift",
        "rint",
        "roll",
        "rollaxis",
        "roots",
        "rot90",
        "round",
        "row_stack",
        "save",
        "savetxt",
        "savez",
        "savez_compressed",
        "searchsorted",
        "select",
        "set_printoptions",
        "setdiff1d",
        "setxor1d",
        "shape",
        "shares_memory",
        "show_config",
        "sign",
        "signbit",
        "sin",
        "sinc",
        "sinh",
        "size",
        "sort",
        "sort_complex",
        "split",
        "sqrt",
        "square",
        "squeeze",
        "stack",
        "std",
        "subtract",
        "sum",
        "swapaxes",
        "take",
        "take_along_axis",
        "tan",
        "tanh",
        "tensordot",
        "tile",
        "trace",
        "transpose",
        "trapezoid",
        "tri",
        "tril",
        "tril_indices",
        "tril_indices_from",
        "trim_zeros",
        "triu",
        "triu_indices",
        "triu_indices_from",
        "true_divide",
        "trunc",
        "typename",
        "union1d",
        "unique",
        "unique_all",
        "unique_counts",
        "unique_inverse",
        "unique_values",
        "unpackbits",
        "unravel_index",
        "unwrap",
        "vander",
        "var",
        "vdot",
        "vsplit",
        "vstack",
        "where",
        "zeros",
        "zeros_like",
        "linalg.cholesky",
        "linalg.cond",
        "linalg.cross",
        "linalg.det",
        "linalg.eig",
        "linalg.eigh",
        "linalg.eigvals",
        "linalg.eigvalsh",
        "linalg.inv",
        "linalg.lstsq",
        "linalg.matmul",
        "linalg.matrix_power",
        "linalg.matrix_rank",
        "linalg.matrix_transpose",
        "linalg.norm",
        "linalg.pinv",
        "linalg.qr",
        "linalg.slogdet",
        "linalg.solve",
        "linalg.svd",
        "linalg.tensorinv",
        "linalg.tensorsolve",
        "fft.fft",
        "fft.fft2",
        "fft.fftfreq",
        "fft.fftn",
        "fft.fftshift",
        "fft.hfft",
        "fft.ifft",
        "fft.ifft2",
        "fft.ifftn",
        "fft.ifftshift",
        "fft.ihfft",
        "fft.irfft",
        "fft.irfft2",
        "fft.irfftn",
        "fft.rfft",
        "fft.rfft2",
        "fft.rfftfreq",
        "fft.rfftn",
    ]
)

SPECIAL = set(
    [
        "bdtr",
        "beta",
        "betainc",
        "betaincinv",
        "betaln",
        "binom",
        "boxcox",
        "boxcox1p",
        "cbrt",
        "chdtr",
        "cosm1",
        "digamma",
        "ellipeinc",
        "ellipk",
        "ellipkinc",
        "ellipkm1",
        "entr",
        "erf",
        "erfc",
        "erfcinv",
        "erfcx",
        "erfinv",
        "exp1",
        "exp10",
        "exp2",
        "expi",
        "expit",
        "expm1",
        "expn",
        "exprel",
        "gamma",
        "gammainc",
        "gammaincc",
        "gammainccinv",
        "gammaincinv",
        "gammaln",
        "i0",
        "i0e",
        "i1",
        "i1e",
        "j0",
        "j1",
        "k0",
        "k0e",
        "k1",
        "k1e",
        "kl_div",
        "lambertw",
        "log1p",
        "log_expit",
        "log_ndtr",
        "loggamma",
        "logit",
        "lpmv",
        "ndtr",
        "ndtri",
        "poch",
        "polygamma",
        "pseudo_huber",
        "psi",
        "rel_entr",
        "rgamma",
        "shichi",
        "sici",
        "sinc",
        "softmax",
        "spherical_yn",
        "xlog1py",
        "xlogy",
        "y0",
        "y1",
        "yn",
        "zeta",
        "zetac",
    ]
)


counts = Counter()  # "to host", "from host" and "number"
_NUMBERS = (bool, int, float, complex, np.generic)


def counted(kind):
    counts[kind] += 1


def known(function, names):
    """Whether the library has one of NumPy's (or SciPy's) functions."""
    module = (getattr(function, "__module__", None) or "numpy").removeprefix("numpy").lstrip(".")
    return f"{module}.{function.__name__}".lstrip(".") in names


def host(x):
    """What stands for an argument on the host side of the stand-in; TypeError for an array that is there already."""
    if isinstance(x, Array):
        return x._numbers
    if isinstance(x, np.ndarray):
        raise TypeError(f"Unsupported type {type(x)}")
    if isinstance(x, (tuple, list)):
        return type(x)(map(host, x)) if type(x) in (tuple, list) else x
    if isinstance(x, dict):
        return {key: host(value) for key, value in x.items()}
    return x


def device(x):
    """A result, with arrays of this library for NumPy's arrays and scalars."""
    if isinstance(x, (np.ndarray, np.generic)):
        return Array(np.asarray(x))
    if isinstance(x, (tuple, list)):
        found = [device(part) for part in x]
        return type(x)(*found) if hasattr(x, "_fields") else type(x)(found)
    return x


class Device:
    id = 0

    def __repr__(self):
        return "<Stand-in Device 0>"


class Flags:
    def __init__(self, flags):
        self.c_contiguous, self.f_contiguous, self.owndata = flags.c_contiguous, flags.f_contiguous, flags.owndata


def _method(name):
    def method(self, *args, **kwargs):
        return device(getattr(self._numbers, name)(*host(args), **host(kwargs)))

    method.__name__ = name
    return method


def _binary(name, reflected=False):
    compute = getattr(operator, name)

    def method(self, other):
        if not isinstance(other, (Array, *_NUMBERS)):
            if isinstance(other, np.ndarray):
                raise TypeError(f"Unsupported type {type(other)}")
            return NotImplemented
        a, b = self._numbers, host(other)
        return device(compute(b, a) if reflected else compute(a, b))

    return method


def _in_place(name):
    compute = getattr(operator, name)

    def method(self, other):
        if not isinstance(other, (Array, *_NUMBERS)):
            raise TypeError(f"Unsupported type {type(other)}")
        numbers = self._numbers
        compute(numbers, host(other))  # a 0-d array is written into, too
        return self

    return method


def _copied(name, kind):
    def method(self, *args):
        counted(kind)
        return getattr(self._numbers, name)(*args)

    return method


def _refused(*_, **__):
    raise TypeError("Implicit conversion to a NumPy array is not allowed. Use `.get()` to construct a NumPy array.")


class Array:
    """An array of the library."""

    __module__ = "stand_in"
    __slots__ = ("_numbers",)  # no weak references, no attributes: as CuPy's
    __hash__ = None
    __array_priority__ = 100
    device = Device()
    __array__ = __array_interface__ = property(_refused)

    def __init__(self, numbers):
        assert type(numbers) is np.ndarray and numbers.dtype.kind in "biufc", numbers
        self._numbers = numbers

    def __array_ufunc__(self, ufunc, method, *inputs, **options):
        if not known(ufunc, FUNCTIONS) or ufunc.__name__ in SPECIAL - FUNCTIONS:
            return NotImplemented
        if method == "reduce" and ufunc not in (np.add, np.multiply):
            raise NotImplementedError(f"`{ufunc.__name__}.reduce` is not supported yet")
        return self._computed(getattr(ufunc, method), inputs, options)

    def __array_function__(self, function, types, args, options):
        if not known(function, FUNCTIONS):
            return NotImplemented
        if not all(issubclass(t, (Array, np.ndarray)) for t in types):
            return NotImplemented
        return self._computed(function, args, options)

    def _computed(self, function, args, options):
        outs = options.get("out")
        with np.errstate(all="ignore"):  # a GPU tells nothing of the kind
            result = device(function(*host(args), **host(options)))
        if outs is None:
            return result
        return outs[0] if isinstance(outs, tuple) and len(outs) == 1 else outs

    def __getitem__(self, index):
        return device(np.asarray(self._numbers[self._index(index)]))

    def __setitem__(self, index, value):
        self._numbers[self._index(index)] = host(value)

    def _index(self, index):
        """An index; CuPy takes lists and NumPy's arrays in it, and copies them to the device."""
        if isinstance(index, tuple):
            return tuple(map(self._index, index))
        if isinstance(index, (np.ndarray, list)):
            counted("from host")
            return index
        return host(index)

    def __eq__(self, other):
        return _binary("eq")(self, other)

    def __len__(self):
        return len(self._numbers)

    def __iter__(self):
        return (self[i] for i in range(len(self)))

    def get(self):
        """The numbers, copied to the host."""
        counted("to host")
        return self._numbers.copy()

    def __repr__(self):
        return repr(self.get())

    @property
    def flags(self):
        return Flags(self._numbers.flags)

    @property
    def base(self):
        return None if self._numbers.base is None else device(self._numbers.base)

    @property
    def real(self):
        return device(self._numbers.real)

    @real.setter
    def real(self, value):
        self._numbers.real = host(value)

    @property
    def imag(self):
        return device(self._numbers.imag)

    @imag.setter
    def imag(self, value):
        self._numbers.imag = host(value)


_OPERATORS = [
    "add",
    "sub",
    "mul",
    "truediv",
    "floordiv",
    "mod",
    "pow",
    "matmul",
    "and_",
    "or_",
    "xor",
    "lshift",
    "rshift",
]
for _name in _OPERATORS:
    _plain = _name.strip("_")
    setattr(Array, f"__{_plain}__", _binary(_name))
    setattr(Array, f"__r{_plain}__", _binary(_name, reflected=True))
    if _name != "matmul":
        setattr(Array, f"__i{_plain}__", _in_place(f"i{_plain}"))
for _name in ("lt", "le", "ne", "gt", "ge"):
    setattr(Array, f"__{_name}__", _binary(_name))
for _name in ("__neg__", "__pos__", "__abs__", "__invert__"):
    setattr(Array, _name, _method(_name))
for _name in ("__bool__", "__int__", "__float__", "__complex__", "__index__", "item"):
    setattr(Array, _name, _copied(_name, "number"))
for _name in ("tolist", "tobytes"):
    setattr(Array, _name, _copied(_name, "to host"))
for _name in [
    "all",
    "any",
    "argmax",
    "argmin",
    "argpartition",
    "argsort",
    "astype",
    "choose",
    "clip",
    "compress",
    "conj",
    "conjugate",
    "copy",
    "cumprod",
    "cumsum",
    "diagonal",
    "dot",
    "fill",
    "flatten",
    "max",
    "mean",
    "min",
    "nonzero",
    "partition",
    "prod",
    "ptp",
    "put",
    "ravel",
    "repeat",
    "reshape",
    "round",
    "searchsorted",
    "sort",
    "squeeze",
    "std",
    "sum",
    "swapaxes",
    "take",
    "trace",
    "transpose",
    "var",
    "view",
]:
    setattr(Array, _name, _method(_name))
for _name in ("T", "mT"):
    setattr(Array, _name, property(lambda self, name=_name: device(getattr(self._numbers, name))))
for _name in ("dtype", "itemsize", "nbytes", "ndim", "shape", "size", "strides"):
    setattr(Array, _name, property(lambda self, name=_name: getattr(self._numbers, name)))


def _offered(owner, name):
    function = getattr(owner, name)

    def offered(*args, **kwargs):
        with np.errstate(all="ignore"):
            result = device(function(*host(args), **host(kwargs)))
        return result if kwargs.get("out") is None else kwargs["out"]

    offered.__name__ = name
    return offered


def asarray(data, dtype=None, **options):
    """An array of the library; numbers, lists and NumPy's arrays are copied from the host."""
    if isinstance(data, Array):
        return data if dtype is None else data.astype(dtype)
    counted("from host")
    return Array(np.array(data, dtype))


def asnumpy(data):
    """A NumPy array; one of the library is copied to the host."""
    return data.get() if isinstance(data, Array) else np.asarray(data)


def library():
    """The library as a module, and its special functions as another."""
    xp, special, strides = ModuleType("stand_in"), ModuleType("stand_in.special"), ModuleType("stand_in.lib")
    for name in FUNCTIONS:
        owner, _, last = name.rpartition(".")
        where = xp if not owner else xp.__dict__.setdefault(owner, ModuleType(f"stand_in.{owner}"))
        setattr(where, last, _offered(getattr(np, owner) if owner else np, last))
    for name in SPECIAL & set(dir(scipy.special)):
        setattr(special, name, _offered(scipy.special, name))
    strides.stride_tricks = ModuleType("stand_in.lib.stride_tricks")
    for name in ("as_strided", "sliding_window_view"):
        setattr(strides.stride_tricks, name, _offered(np.lib.stride_tricks, name))
    xp.ndarray, xp.asarray, xp.asnumpy, xp.lib, xp.special = Array, asarray, asnumpy, strides, special
    return xp


xp = sys.modules["stand_in"] = library()
sys.modules["stand_in.special"] = xp.special
DEVICES["stand_in"], SPECIAL_AT["stand_in"] = "stand_in", "stand_in.special"
