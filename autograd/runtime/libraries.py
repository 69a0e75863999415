"""Arrays of other libraries that follow NumPy's protocols, CuPy's above all, and NumPy's code run on them.

The one place where it is decided what computes: NumPy's own arrays go to the function that is written down, with its
kernels; others to `Library.version` of it, the same code in which `np` stands for that library. There

    zeros, ones, empty and full     make arrays of the library
    all other functions             are NumPy's, which dispatches by its protocols; arrays of NumPy's beside the
                                    library's (tables of indices, say) are copied there first
    functions of this package       are versions in turn, or what is given for them by `instead_of`; machine code and
                                    what goes by pointers is not there

so that nothing is copied to the host, and no kernel sees an array that is not NumPy's.
"""

from __future__ import annotations

import builtins
import functools
import sys
from collections.abc import Callable
from importlib import import_module
from types import CellType, CodeType, FunctionType, ModuleType, SimpleNamespace
from typing import Any

import numpy as np
from numpy import ndarray

__all__ = [
    "DEVICES",
    "SPECIAL",
    "Library",
    "in_library",
    "instead_of",
    "is_foreign",
    "library_at",
    "library_of",
    "moved",
]

DEVICES = {"cuda": "cupy"}  # the library of a device
SPECIAL = {"cupy": "cupyx.scipy.special"}  # where a library has what `scipy.special` has
_PACKAGE = __name__.partition(".autograd.")[0]
_ON_ARRAYS = tuple(f"{_PACKAGE}.{room}." for room in ("autograd.kernels", "autograd.ops", "autograd.transforms", "nn"))
_CREATION = {id(f): f for f in (np.arange, np.empty, np.eye, np.full, np.indices, np.ones, np.tri, np.zeros)}
_UNDISPATCHED = {  # by id, as values may be arrays, which are not to be compared
    id(f): f for f in (np.array, np.asarray, np.ascontiguousarray, np.asfortranarray, np.lib.stride_tricks.as_strided)
}
_REDUCTIONS: dict[Any, Callable[..., Any]] = {  # what a library has in the place of `ufunc.reduce`
    np.maximum: np.max,
    np.minimum: np.min,
    np.fmax: np.nanmax,
    np.fmin: np.nanmin,
    np.logical_and: np.all,
    np.logical_or: np.any,
}
_substitutes: dict[Any, Callable[..., Any]] = {}


def instead_of(*functions: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorator: what does the work of functions of this package on arrays of other libraries."""

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        _substitutes.update(dict.fromkeys(functions, function))
        return function

    return register


@functools.cache
def is_foreign(cls: type) -> bool:
    """Whether this is the array class, `ndarray`, of another library that follows NumPy's protocols."""
    if issubclass(cls, (ndarray, np.generic)) or not hasattr(cls, "__array_function__"):
        return False
    return getattr(sys.modules.get(cls.__module__.partition(".")[0]), "ndarray", None) is cls


@functools.cache
def library_of(cls: type) -> Library:
    """The library of an array class that `is_foreign`."""
    return _library(cls.__module__.partition(".")[0])


def moved(x: Any, device: str) -> Any:
    """An array of the same numbers on a device: a copy, unless it is there."""
    if is_foreign(x.__class__):
        if library_of(x.__class__).device == device:
            return x
        x = library_of(x.__class__).host(x)
    return x if device == "cpu" else library_at(device).xp.asarray(x)


def in_library(function: Callable[..., Any], array: Any) -> Callable[..., Any]:
    """A function, or its version for an array of another library."""
    return library_of(array.__class__).version(function) if is_foreign(array.__class__) else function


def library_at(device: str) -> Library:
    """The library for a device, imported; ValueError for no such device, ImportError if it is not installed."""
    kind, _, number = str(device).partition(":")
    if kind not in DEVICES or number not in ("", "0"):
        raise ValueError(f"there is no device {device!r}; there are 'cpu', {', '.join(map(repr, DEVICES))}")
    try:
        import_module(DEVICES[kind])
    except ImportError as error:
        raise ImportError(f"device {device!r}: {DEVICES[kind]} computes there, pip install pullback[{kind}]") from error
    return _library(DEVICES[kind])


@functools.cache
def _library(name: str) -> Library:
    return Library(name, sys.modules[name])


class Library:
    """A library of arrays: its namespace `xp`, the name of its device, and versions of functions for its arrays."""

    def __init__(self, name: str, xp: Any) -> None:
        self.name, self.xp = name, xp
        self.device = next((device for device, library in DEVICES.items() if library == name), name)
        self.numpy = _Namespace(self, np)
        self._builtins = {**vars(builtins), "__import__": self._imported}
        self._versions: dict[int, tuple[Any, Any]] = {}  # by id: what that is, and its version

    def owns(self, x: Any) -> bool:
        return is_foreign(x.__class__) and library_of(x.__class__) is self

    def host(self, x: Any) -> ndarray[Any, Any]:
        """An array of the library as one of NumPy's: a copy that was asked for."""
        copied: ndarray[Any, Any] = self.xp.asnumpy(x)
        return copied

    def version(self, value: Any) -> Any:
        """A function, or what one uses, for arrays of this library."""
        known = self._versions.get(id(value))
        if known is None:
            known = self._versions[id(value)] = value, self._made(value)
            if (source := _written_here(value)) is not None:
                self._fill(known[1], source)
        return known[1]

    def _made(self, value: Any) -> Any:
        if (source := _written_here(value)) is not None:
            scope = {"__builtins__": self._builtins, "__name__": source.__module__}
            return FunctionType(source.__code__, scope, source.__name__, None, _cells(source))
        if value.__class__ is ModuleType:
            if value.__name__ == "numpy":
                return self.numpy
            inside = value.__name__.startswith(_PACKAGE)
            return _Namespace(self, value) if inside or value.__name__.startswith("numpy.") else value
        if value.__class__ is functools.partial:
            return functools.partial(self.version(value.func), *value.args, **value.keywords)
        if isinstance(value, (tuple, list)) and any(callable(part) for part in value):
            return type(value)(map(self.version, value))
        if hasattr(value, "__in_library__"):
            return value.__in_library__(self)
        return self._named(value)

    def _named(self, value: Any) -> Any:
        """Of functions of NumPy's what computes with arrays of the library; all else as it is."""
        if isinstance(value, np.ufunc):
            return _Ufunc(self, value)
        if id(value) in _CREATION:
            return getattr(self.xp, value.__name__)
        if callable(value) and not isinstance(value, type) and _of_numpy(value):
            return functools.wraps(value)(functools.partial(self.call, value))
        return value

    def _fill(self, made: FunctionType, source: FunctionType) -> None:
        """Give a version of a function what the function uses, which may be the function itself."""
        known = source.__globals__
        for name in _names(source.__code__):
            if name in known:
                made.__globals__[name] = self.version(known[name])
        made.__defaults__ = source.__defaults__ and tuple(map(self.version, source.__defaults__))
        made.__kwdefaults__ = source.__kwdefaults__ and {k: self.version(v) for k, v in source.__kwdefaults__.items()}
        for cell, of in zip(made.__closure__ or (), source.__closure__ or (), strict=True):
            cell.cell_contents = self.version(of.cell_contents)

    def _imported(self, name: str, *args: Any, **options: Any) -> Any:
        """What `import` gives inside of versions: for `scipy.special` what the library has of it."""
        if name == "scipy.special":
            return SimpleNamespace(special=_Special(self, import_module(SPECIAL[self.name])))
        return builtins.__import__(name, *args, **options)

    def call(self, function: Any, *args: Any, **options: Any) -> Any:
        """A function of NumPy's: on the host where no array of the library is among the arguments."""
        if not any(map(self._among, (*args, *options.values()))):
            return function(*args, **options)
        args = tuple(map(self.taken, args))
        options = {key: self.taken(value) for key, value in options.items()}
        if id(function) in _UNDISPATCHED:
            place = function.__module__.removeprefix("numpy").lstrip(".")
            function = functools.reduce(getattr, filter(None, (*place.split("."), function.__name__)), self.xp)
        return function(*args, **options)

    def _among(self, x: Any) -> bool:
        return any(map(self._among, x)) if x.__class__ in (tuple, list) else self.owns(x)

    def taken(self, x: Any) -> Any:
        """An argument, with arrays of the library for those of NumPy's."""
        if x.__class__ in (tuple, list):
            return type(x)(map(self.taken, x))
        return self.xp.asarray(x) if x.__class__ is ndarray else x


def _written_here(value: Any) -> FunctionType | None:
    """The code of this package that computes what a function of it does, on arrays of other libraries."""
    if value.__class__ is not FunctionType:
        return None
    source: Any = _substitutes.get(value, value)
    return source if (source.__module__ or "").startswith(_ON_ARRAYS) else None


def _cells(function: FunctionType) -> tuple[CellType, ...] | None:
    return None if function.__closure__ is None else tuple(CellType() for _ in function.__closure__)


def _names(code: CodeType) -> set[str]:
    """The names in a function's code and in that of the functions in it."""
    inner = (part for part in code.co_consts if isinstance(part, CodeType))
    return set(code.co_names).union(*map(_names, inner))


def _of_numpy(value: Any) -> bool:
    return (getattr(value, "__module__", None) or "").partition(".")[0] == "numpy"


class _Namespace:
    """A module as seen by the versions of functions for a library."""

    def __init__(self, library: Library, module: ModuleType) -> None:
        self._library, self._module = library, module

    def __getattr__(self, name: str) -> Any:
        library, module = self._library, self._module
        value = getattr(module, name)
        self.__dict__[name] = value = library.version(value)
        return value


class _Special:
    """A library's special functions, whose arguments may be NumPy's."""

    def __init__(self, library: Library, module: ModuleType) -> None:
        self._library, self._module = library, module

    def __getattr__(self, name: str) -> Any:
        function = getattr(self._module, name, None)
        if function is None:
            raise NotImplementedError(f"{self._library.name} has no special function {name}")
        return lambda *args: function(*map(self._library.taken, args))


class _Ufunc:
    """A ufunc of NumPy's, called with arrays of a library."""

    def __init__(self, library: Library, ufunc: np.ufunc) -> None:
        self._library, self._ufunc, self.__name__ = library, ufunc, ufunc.__name__

    def __call__(self, *args: Any, **options: Any) -> Any:
        return self._library.call(self._ufunc, *args, **options)

    def reduce(self, x: Any, axis: Any = 0, **options: Any) -> Any:
        stand_in = _REDUCTIONS.get(self._ufunc)
        if stand_in is None or not self._library.owns(x):
            return self._library.call(self._ufunc.reduce, x, axis=axis, **options)
        return stand_in(x, axis=axis, **options)

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._ufunc, name)
        return functools.partial(self._library.call, method) if callable(method) else method
