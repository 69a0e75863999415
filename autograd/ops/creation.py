"""Tensors from numbers, nested sequences and arrays."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np

from ..core.batching import Differs
from ..core.conversion import apart, borrowed, known, lift
from ..core.dtypes import by_default
from ..core.examples import by_itself, one_by_one
from ..core.graph import modes
from ..core.primitive import implements
from ..core.pytrees import over
from ..core.tensor import UNMASKED, Tensor, as_data, unmasked, wrap
from ..core.tracing import bottom
from ..core.types import ArrayLike, DTypeLike, HasDLPack, Shape
from ..runtime.libraries import is_foreign
from .casting import astype
from .elementwise import floor
from .shape import broadcast_to, moveaxis

__all__ = [
    "arange", "array", "asarray", "bartlett", "blackman", "empty", "empty_like", "eye", "from_dlpack",
    "fromfunction", "full", "full_like", "geomspace", "hamming", "hanning", "identity", "indices", "kaiser",
    "linspace", "logspace", "ones", "ones_like", "tri", "zeros", "zeros_like",
]  # fmt: skip


@by_itself
def asarray(
    obj: ArrayLike, dtype: DTypeLike | None = None, copy: bool | None = None, *, device: str | None = None
) -> Tensor:
    """A Tensor of `obj`: an array's memory is shared unless `copy` is True (False: ValueError where it cannot be);
    a Tensor keeps its graph, and so do the Tensors in a nested list or tuple.

    >>> x = Tensor(2.0, requires_grad=True)
    >>> asarray([x, 3.0])
    Tensor([2., 3.], requires_grad=True)
    """
    if isinstance(obj, (list, tuple)):
        obj = lift(obj)
    if not isinstance(obj, Tensor):
        obj = wrap(borrowed(obj, dtype, copy))
        copy = None
    if device is not None:
        obj = obj.to_device(device)
    out = obj if dtype is None or obj.dtype == dtype else astype(obj, dtype)
    if copy is False and out is not obj:
        raise ValueError(f"asarray: cannot convert {obj.dtype} to {np.dtype(dtype)} without a copy")
    return astype(out, out.dtype) if copy and out is obj else out


_OF_SHAPES = (np.zeros, np.ones, np.empty)


def creator(function: Any) -> Callable[..., Tensor]:
    """A function of NumPy that makes an array, as one that makes a Tensor."""

    @wraps(function, assigned=("__name__",), updated=())
    def create(*args: Any, requires_grad: bool = False, **kwargs: Any) -> Any:
        for given in args:
            if given.__class__ not in UNMASKED:
                unmasked(given)
        if kwargs:
            unmasked(list(kwargs.values()))
        try:
            made = function(*args, **kwargs)
            if modes.floats is not None and not _chosen(args, kwargs):
                made = tuple(map(by_default, made)) if isinstance(made, tuple) else by_default(made)
            if isinstance(made, tuple):  # as of linspace(retstep=True)
                return tuple(wrap(as_data(part)) for part in made)
            tensor = wrap(as_data(made))
        except (TypeError, ValueError):
            try:
                over(known, (args, kwargs))
            except Differs as error:
                return one_by_one(create, args, kwargs, error)
            if function in _OF_SHAPES and len(args) > 1 and {*map(type, args)} == {int}:
                name = function.__name__
                raise TypeError(f"{name}: the lengths of a shape are one tuple; write {name}({args})") from None
            raise
        if requires_grad:
            tensor.requires_grad = True
        return tensor

    by_itself(create)
    create.__doc__ = f"A Tensor of what `numpy.{function.__name__}` makes of the same arguments."
    return create


_functions: Any = (np.zeros, np.ones, np.full, np.empty, np.eye, np.identity, np.tri, np.indices, np.fromfunction)
zeros, ones, _full, empty, eye, identity, tri, indices, fromfunction = map(creator, _functions)
arange = creator(np.arange)
bartlett, blackman, hamming, hanning, kaiser = map(
    creator, (np.bartlett, np.blackman, np.hamming, np.hanning, np.kaiser)
)


def _chosen(args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Whether somebody says which dtype is to be made: by naming it, or by an argument that has one of floats."""
    given = [*args, *kwargs.values()]
    named = kwargs.get("dtype") is not None or any(isinstance(x, (type, np.dtype)) for x in given)
    return named or any(x.dtype.kind in "fc" for x in given if hasattr(x, "dtype"))


def _between(function: Any, of_tensors: Callable[[Any, Any, Any, Any], Any]) -> Callable[..., Tensor]:
    """Numbers between two: with Tensors for `start` or `stop` by a formula on them and the numbers from 0 to 1."""
    make = creator(function)

    @implements(function)
    @wraps(make)
    def create(start: Any, stop: Any, num: int = 50, endpoint: bool = True, **options: Any) -> Any:
        if not any(isinstance(given, Tensor) for given in (start, stop, options.get("base"))):
            return make(start, stop, num, endpoint, **options)
        unknown = set(options) - {"axis", "base", "dtype", "retstep"}
        if unknown:
            raise TypeError(f"{function.__name__}: {', '.join(sorted(unknown))} is not supported on Tensors")
        weak = [end if isinstance(end, (int, float, complex)) else lift(end).dtype for end in (start, stop)]
        dtype = np.result_type(*weak, 0.0)
        if function is np.geomspace and any(np.any(bottom(lift(end)) == 0) for end in (start, stop)):
            raise ValueError("geomspace: no geometric sequence has a 0 in it")
        start, stop = lift(start).astype(dtype), lift(stop).astype(dtype)
        steps = np.linspace(0, 1, num, endpoint, dtype=dtype).reshape((num,) + (1,) * max(start.ndim, stop.ndim))
        out = moveaxis(of_tensors(start, stop, steps, options.get("base", 10.0)), 0, options.get("axis", 0))
        if options.get("dtype") is not None:
            whole = function is np.linspace and np.dtype(options["dtype"]).kind in "iu"
            out = astype(floor(out) if whole else out, options["dtype"])
        return (out, astype((stop - start) / (num - bool(endpoint)), dtype)) if options.get("retstep") else out

    return create


def _linear(start: Any, stop: Any, t: Any, base: Any) -> Any:
    return np.where(t == 1, 0, start) * (1 - t) + stop * t


linspace = _between(np.linspace, _linear)
logspace = _between(np.logspace, lambda *given: given[-1] ** _linear(*given))


def _geometric(start: Any, stop: Any, t: Any, base: Any) -> Any:
    if np.any(bottom(start) == 0) or np.any(bottom(stop) == 0):
        raise ValueError("geomspace: no number times itself leads from or to 0")
    return np.where(t == 1, stop, start * (stop / start) ** t)


geomspace = _between(np.geomspace, _geometric)


def _prototype(x: Any) -> Any:
    """An array of the shape and dtype of x."""
    if not isinstance(x, Tensor):
        return x
    held = x._held
    if isinstance(held, np.ndarray) or is_foreign(held.__class__):
        return held
    return np.broadcast_to(x.dtype.type(), x.shape)


def _like(function: Any) -> Callable[..., Tensor]:
    make = creator(function)

    @implements(function)
    @wraps(make)
    def create(x: Any, *args: Any, **kwargs: Any) -> Tensor:
        return make(_prototype(x), *args, **kwargs)

    return create


_likes: Any = (np.zeros_like, np.ones_like, np.full_like, np.empty_like)
zeros_like, ones_like, _full_like, empty_like = map(_like, _likes)


def _filled(make: Any, like: Any, value: Any, args: Any, kwargs: Any) -> Tensor:
    """An array that `make` fills with a value; if that is a Tensor, with its graph."""
    if not isinstance(value, Tensor):
        return make(like, value, *args, **kwargs)
    zero = make(like, value.dtype.type(), *args, **kwargs)
    return apart(broadcast_to(astype(value, zero.dtype), zero.shape))


@wraps(_full)
def full(shape: Shape, fill_value: ArrayLike, *args: object, **kwargs: object) -> Tensor:
    return _filled(_full, shape, fill_value, args, kwargs)


@implements(np.full_like)
@wraps(_full_like)
def full_like(a: ArrayLike, fill_value: ArrayLike, *args: object, **kwargs: object) -> Tensor:
    return _filled(_full_like, a, fill_value, args, kwargs)


@by_itself
def array(object: ArrayLike, dtype: DTypeLike | None = None, *, copy: bool | None = True) -> Tensor:
    """`asarray` with a copy, unless `copy` is None (only where needed) or False (ValueError where needed)."""
    return asarray(object, dtype, copy)


def from_dlpack(x: HasDLPack, /, *, device: str | None = None, copy: bool | None = None) -> Tensor:
    """A Tensor on the memory of another library's array, by the DLPack protocol; a copy if `copy`."""
    unmasked(x)
    return wrap(borrowed(np.from_dlpack(x, device=device, copy=copy), copy=copy))
