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
from pullback.tests.helpers.stand_in_names import FUNCTIONS, SPECIAL

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
        numpy = getattr(np, owner) if owner else np
        if hasattr(numpy, last):  # not in every version
            setattr(where, last, _offered(numpy, last))
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
