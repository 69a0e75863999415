"""Operators and methods of Tensor: each is a function from elsewhere, under its name in NumPy."""

from __future__ import annotations

import builtins
import inspect
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.batching import NOT_AT_ONCE, computed
from ..core.examples import by_example, one_by_one, writes
from ..core.graph import modes
from ..core.primitive import Primitive
from ..core.spellings import are_numpys, translated
from ..core.tensor import Tensor, as_data, wrap
from ..core.tracing import raw
from ..ops import casting
from ..ops import elementwise as el
from ..ops.diagonals import diagonal, trace
from ..ops.indexing import getitem, setitem
from ..ops.joining import repeat
from ..ops.logistic import sigmoid
from ..ops.matmul import dot, matmul
from ..ops.nondifferentiable import (
    all,
    any,
    argmax,
    argmin,
    argpartition,
    nonzero,
    searchsorted,
)
from ..ops.reductions import cumsum, log_softmax, max, mean, min, softmax, sum
from ..ops.running_products import cumprod, prod
from ..ops.shape import copy, matrix_transpose, ravel, reshape, squeeze, swapaxes, transpose
from ..ops.sorting import argsort, choose, partition, sort, take
from ..ops.statistics import std, var


def _binary_operator(symbol: str, function: Callable[[Any, Any], Any]) -> None:
    setattr(Tensor, f"__{symbol}__", function)
    setattr(Tensor, f"__r{symbol}__", lambda self, other: function(other, self))
    setattr(Tensor, f"__i{symbol}__", lambda self, other: self._assign(function(self, other)))


for _symbol, _primitive in {
    "add": el.add,
    "sub": el.subtract,
    "mul": el.multiply,
    "truediv": el.divide,
    "pow": el.power,
    "mod": el.remainder,
    "floordiv": el.floor_divide,
}.items():
    _binary_operator(_symbol, _primitive.apply)
_binary_operator("matmul", matmul.form)


def _comparison(symbol: str, ufunc: np.ufunc) -> None:
    compare = getattr(operator, symbol)

    def method(self: Tensor, other: Any) -> Any:
        if modes.depth:
            return computed(ufunc, self, other)
        out = compare(raw(self), raw(other) if isinstance(other, Tensor) else other)
        if out.__class__ is bool:
            return NotImplemented  # NumPy does not know the other
        return wrap(out if out.__class__ is np.ndarray or isinstance(out, np.generic) else as_data(out))

    setattr(Tensor, f"__{symbol}__", method)


def _constant_operator(symbol: str, ufunc: np.ufunc) -> None:
    """An operator on integers and bools, which have no gradient."""

    def method(self: Tensor, other: Any) -> Any:
        return computed(ufunc, self, other)

    def reflected(self: Tensor, other: Any) -> Any:
        return computed(ufunc, other, self)

    setattr(Tensor, f"__{symbol}__", method)
    setattr(Tensor, f"__r{symbol}__", reflected)
    setattr(Tensor, f"__i{symbol}__", lambda self, other: self._assign(method(self, other)))


for _symbol, _ufunc in {
    "and": np.bitwise_and,
    "or": np.bitwise_or,
    "xor": np.bitwise_xor,
    "lshift": np.left_shift,
    "rshift": np.right_shift,
}.items():
    _constant_operator(_symbol, _ufunc)

for _symbol, _ufunc in {
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
    "eq": np.equal,
    "ne": np.not_equal,
}.items():
    _comparison(_symbol, _ufunc)


def _setitem(self: Tensor, index: Any, value: Any) -> None:
    if not _is_there(self, index, value):
        self._assign(setitem(self, index, value))


def _is_there(x: Tensor, index: Any, value: Any) -> bool:
    """Whether a value is itself the view x[index], as at the end of `x[i] += v`: then it has been written already."""
    if not isinstance(value, Tensor) or value._view is None:
        return False
    base, primitive, *options = value._view
    return base is x and primitive is getitem and _same(options[0], index)


def _same(a: Any, b: Any) -> bool:
    if a.__class__ is tuple and b.__class__ is tuple:
        return len(a) == len(b) and builtins.all(map(_same, a, b))
    return a is b or a.__class__ is b.__class__ and isinstance(a, (int, slice)) and a == b


def _in_place(function: Callable[..., Any]) -> Callable[..., None]:
    """A method that changes its Tensor in place, as NumPy's method of this name does, unlike the function."""

    def method(self: Tensor, *args: Any, **kwargs: Any) -> None:
        self._assign(function(self, *args, **kwargs))

    method.__wrapped__ = function  # type: ignore[attr-defined]  # for its signature
    method.__name__ = function.__name__
    return writes(method)


def _with_options(name: str, function: Any) -> Callable[..., Any]:
    """A method that takes `out=`, and more arguments by position than the function."""
    numpy_function = getattr(np, name)
    function = function.form if isinstance(function, Primitive) else function

    def method(self: Tensor, *args: Any, **kwargs: Any) -> Any:
        if kwargs and not are_numpys(kwargs):
            (_, *args), kwargs = translated(function, (self, *args), kwargs)  # type: ignore[assignment]
        try:
            return (numpy_function if len(args) > 1 or "out" in kwargs else function)(self, *args, **kwargs)
        except NOT_AT_ONCE as error:
            return one_by_one(method, (self, *args), kwargs, error)

    taken = inspect.signature(function)
    out = inspect.Parameter("out", inspect.Parameter.KEYWORD_ONLY, default=None)
    parameters = [p.replace(annotation=p.empty) for p in taken.parameters.values() if p.name != "out"]
    at = next((i for i, p in enumerate(parameters) if p.kind is p.VAR_KEYWORD), len(parameters))
    method.__signature__ = inspect.Signature([*parameters[:at], out, *parameters[at:]])  # type: ignore[attr-defined]
    method.__name__, method.__qualname__, method.__doc__ = name, f"Tensor.{name}", function.__doc__
    return method


def _value(name: str) -> property:
    """An attribute of NumPy's arrays, read from the values."""
    return property(lambda self: getattr(raw(self), name))


def _missing(name: str) -> property:
    """An attribute whose error says why it is missing (a `__getattr__` would make all other attributes slower)."""

    def missing(self: Tensor) -> Any:
        message = f"{type(self).__name__} has no attribute {name!r}; it is about an array's memory, see .numpy()"
        raise AttributeError(message, name=name, obj=self)

    return property(missing, doc="Not here, as it is about an array's memory; see `numpy()`.")


def _conj(self: Tensor) -> Any:
    """The complex conjugate; the tensor itself where it is not complex."""
    return el.conj(self) if self.dtype.kind == "c" else self


def _set_imag(self: Tensor, values: Any) -> None:
    if self.dtype.kind != "c":
        raise TypeError(f"imag: a Tensor of {self.dtype} has no imaginary part to write into")
    self.imag[...] = values


def _reshape(self: Tensor, *shape: Any, order: Any = "C", copy: bool | None = None) -> Any:
    """The same entries in another shape, given as one tuple or as several numbers; see `reshape`."""
    return reshape(self, _one_or_several(shape), order, copy=copy)


def _transpose(self: Tensor, *axes: Any) -> Any:
    """The axes in another order, in reverse unless `axes` are given, as one tuple or as several numbers."""
    if len(axes) == 2 < self.ndim:
        raise ValueError(
            f"transpose: axes {axes} for a Tensor of {self.ndim} axes: all of them are given, as in NumPy; write "
            f"swapaxes{axes} for what PyTorch's transpose does"
        )
    return transpose(self, _one_or_several(axes) if axes else None)


def _one_or_several(given: tuple[Any, ...]) -> Any:
    return given[0] if len(given) == 1 else given


_attributes: dict[str, Any] = {
    "__neg__": el.negative,
    "__pos__": el.positive,
    "__abs__": el.abs,
    "conj": _conj,
    "__invert__": lambda x: computed(np.invert, x),
    "__getitem__": getitem,
    "__setitem__": _setitem,
    "T": property(transpose.form),
    "mT": property(matrix_transpose),
    "sum": sum,
    "prod": prod,
    "mean": mean,
    "max": max,
    "min": min,
    "var": var,
    "std": std,
    "cumsum": cumsum,
    "cumprod": cumprod,
    "all": all,
    "any": any,
    "argmax": argmax,
    "argmin": argmin,
    "argsort": argsort,
    "argpartition": argpartition,
    "searchsorted": searchsorted,
    "nonzero": nonzero,
    "choose": choose,
    "compress": lambda x, condition, axis=None, out=None: np.compress(condition, x, axis, out),
    "partition": _in_place(partition),
    "sort": _in_place(sort),
    "take": take,
    "round": casting.round,
    "real": property(casting.real.form, lambda self, values: self.real.__setitem__(..., values)),
    "imag": property(casting.imag.form, _set_imag),
    "conjugate": _conj,
    "__divmod__": casting.divmod,
    "__rdivmod__": lambda self, other: casting.divmod(other, self),
    "__round__": lambda self, ndigits=0: casting.round(self, ndigits or 0),
    "clip": el.clip,
    "astype": casting.astype,
    "ravel": ravel,
    "squeeze": squeeze,
    "swapaxes": swapaxes,
    "reshape": _reshape,
    "transpose": _transpose,
    "copy": copy,
    "diagonal": diagonal,
    "dot": dot,
    "repeat": repeat,
    "trace": trace,
    "exp": el.exp,
    "log": el.log,
    "sqrt": el.sqrt,
    "tanh": el.tanh,
    "sigmoid": sigmoid,
    "relu": el.relu,
    "softmax": softmax,
    "log_softmax": log_softmax,
    "tolist": lambda self: raw(self).tolist(),
    "tobytes": lambda self, order="C": raw(self).tobytes(order),
    "tofile": lambda self, fid, sep="", format="%s": raw(self).tofile(fid, sep, format),
    "dump": lambda self, file: raw(self).dump(file),
    "dumps": lambda self: raw(self).dumps(),
    **{name: _value(name) for name in ("strides", "itemsize", "nbytes", "flags")},
    **{name: _missing(name) for name in ("base", "byteswap", "ctypes", "getfield", "resize", "setfield", "setflags")},
}

_WITH_OUT = (
    *("all", "any", "argmax", "argmin", "choose", "clip", "cumprod", "cumsum", "dot", "max", "mean"),
    *("min", "prod", "round", "std", "sum", "take", "trace", "var"),
)
_attributes |= {name: _with_options(name, _attributes[name]) for name in _WITH_OUT}

_DOCS = {  # docstrings of members that get none from a function
    "T": "The transpose: all axes in reverse order; a view.",
    "mT": "The matrices that the last two axes span, transposed; a view.",
    "real": "The real parts; a view.",
    "imag": "The imaginary parts; a view.",
    "compress": "The entries (along `axis`) at which `condition` is true.",
    "partition": "Put the `kth` entry along `axis` in its sorted place, the smaller before and the larger behind it.",
    "sort": "Sort the entries along `axis`, in place.",
    "tolist": "The values as nested lists of Python numbers; the number itself if there are no axes.",
    "tobytes": "The values as bytes.",
    "tofile": "Write the values to a file, as text with `sep` between them, or as bytes without.",
    "dump": "Write a pickle of the array of values to a file.",
    "dumps": "A pickle of the array of values.",
    "strides": "The steps in memory along each axis, in bytes.",
    "itemsize": "The bytes of one entry.",
    "nbytes": "The bytes of all entries.",
    "flags": "NumPy's flags of the layout in memory.",
}


def _takes_options(name: str, method: Any) -> bool:
    return name == "__round__" or name[0] != "_" and len(inspect.signature(method).parameters) > 1


for _name, _attribute in _attributes.items():
    _attribute = _attribute.form if isinstance(_attribute, Primitive) else _attribute
    if _name in _DOCS:
        if isinstance(_attribute, property):
            _attribute = property(_attribute.fget, _attribute.fset, doc=_DOCS[_name])
        else:
            _attribute.__name__, _attribute.__doc__ = _name, _DOCS[_name]
    if inspect.isfunction(_attribute) and _name not in _WITH_OUT and _takes_options(_name, _attribute):
        if _attribute.__name__[0] in "_<":  # defined in this file
            _attribute.__name__ = _name
        _attribute = by_example(_attribute)
    setattr(Tensor, _name, _attribute)
