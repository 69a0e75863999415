"""Operators and methods of Tensor: each is a function that is registered elsewhere, put where NumPy has it."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from . import elementwise as el
from .indexing import getitem, setitem
from .primitive import Primitive, implements
from .products import matmul
from .reductions import cumsum, log_softmax, max, mean, min, prod, softmax, std, sum, var
from .shaping import matrix_transpose, ravel, reshape, squeeze, swapaxes, transpose
from .tensor import Tensor, wrap


def _lower(value: Any) -> Any:
    """A value without Tensors in it."""
    if isinstance(value, (list, tuple)):
        return type(value)(_lower(v) for v in value)
    return value._data if isinstance(value, Tensor) else value


def constant(function: Any) -> Callable[..., Any]:
    """A function whose results are constants of the graph (comparisons, positions, shapes), on Tensors."""

    def on_tensors(*args: Any, **kwargs: Any) -> Any:
        out = function(*(_lower(a) for a in args), **{k: _lower(v) for k, v in kwargs.items()})
        return wrap(out) if isinstance(out, (np.ndarray, np.generic)) else out

    on_tensors.__name__ = function.__name__
    on_tensors.__doc__ = f"`numpy.{function.__name__}`, on Tensors too; what it gives is a constant of the graph."
    implements(function)(on_tensors)
    return on_tensors


less, less_equal, greater, greater_equal = map(constant, (np.less, np.less_equal, np.greater, np.greater_equal))
equal, not_equal = constant(np.equal), constant(np.not_equal)
logical_and, logical_or, logical_not = map(constant, (np.logical_and, np.logical_or, np.logical_not))
isfinite, isinf, isnan = map(constant, (np.isfinite, np.isinf, np.isnan))
all, any = constant(np.all), constant(np.any)
argmax, argmin, argsort = map(constant, (np.argmax, np.argmin, np.argsort))
count_nonzero, nonzero = constant(np.count_nonzero), constant(np.nonzero)
array_equal, allclose, isclose = map(constant, (np.array_equal, np.allclose, np.isclose))
shape, ndim, size, result_type = map(constant, (np.shape, np.ndim, np.size, np.result_type))


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
    _binary_operator(_symbol, _primitive.form)
_binary_operator("matmul", matmul.form)


def _comparison(symbol: str) -> None:
    compare = getattr(operator, symbol)

    def method(self: Tensor, other: Any) -> Any:
        return wrap(compare(self._data, other._data if isinstance(other, Tensor) else other))

    setattr(Tensor, f"__{symbol}__", method)


for _symbol in ("lt", "le", "gt", "ge", "eq", "ne"):
    _comparison(_symbol)


def _setitem(self: Tensor, index: Any, value: Any) -> None:
    self._assign(setitem(self, index, value))


def _one_or_several(given: tuple[Any, ...]) -> Any:
    return given[0] if len(given) == 1 else given


_attributes: dict[str, Any] = {
    "__neg__": el.negative,
    "__pos__": el.positive,
    "__abs__": el.abs,
    "conj": el.conj,
    "__invert__": lambda x: wrap(~x._data),
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
    "all": all,
    "any": any,
    "argmax": argmax,
    "argmin": argmin,
    "argsort": argsort,
    "nonzero": nonzero,
    "clip": el.clip,
    "astype": el.astype,
    "ravel": ravel,
    "flatten": ravel,
    "squeeze": squeeze,
    "swapaxes": swapaxes,
    "reshape": lambda x, *shape: reshape(x, _one_or_several(shape)),
    "transpose": lambda x, *axes: transpose(x, _one_or_several(axes) if axes else None),
    "copy": el.positive,
    "exp": el.exp,
    "log": el.log,
    "sqrt": el.sqrt,
    "tanh": el.tanh,
    "sigmoid": el.sigmoid,
    "relu": el.relu,
    "softmax": softmax,
    "log_softmax": log_softmax,
    "tolist": lambda x: x._data.tolist(),
}


for _name, _attribute in _attributes.items():
    setattr(Tensor, _name, _attribute.form if isinstance(_attribute, Primitive) else _attribute)
