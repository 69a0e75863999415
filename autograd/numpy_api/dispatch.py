"""NumPy's two protocols: ufuncs and functions of NumPy's, called on Tensors with all their options.

Each function has a handler, which takes the options that mean something to it. All other options are handled here:
`out=` (a Tensor becomes the result, in place; an array takes values that have no gradient), `where=` and `dtype=` of
ufuncs, `axis=`, `axes=` and `keepdims=` of those on vectors and matrices. An option with NumPy's default is ignored;
any other is a TypeError that names it.

Some of NumPy's functions never call these protocols: `array` and its kin, `full`, `r_` and `c_`, `vectorize`, and
`numpy.polynomial` for its coefficients. They make an array of their arguments, which a Tensor that requires a gradient
refuses (`stack`, `concatenate` and this package's `array` and `full` do the same with gradients). So it refuses
`float(t)`, by which `a[0] = t`, `a.fill(t)`, `fromiter`, `np.sum(a, initial=t)` for an array `a`, and `math.sin(t)` ask
for a number; `t.item()` gives it. `save` and its kin, and printing, take the values.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import cache, reduce
from itertools import accumulate
from typing import Any

import numpy as np

from ..core.batching import NOT_AT_ONCE, agreed, computed
from ..core.examples import one_by_one, writes
from ..core.graph import modes
from ..core.primitive import Primitive, implements
from ..core.tensor import Tensor, find, functions, lift, values_of
from ..core.tracing import bottom
from ..ops.index_parts import differs, is_mask, plain_index
from ..ops.indexing import places_of, scatter, setitem
from ..ops.inplace import check_out, into
from ..ops.nondifferentiable import constants
from ..ops.reductions import started
from ..ops.shape import axes_of, broadcast_to, concatenate, expand_dims, moveaxis, ravel, reshape, stack


def named(function: Any) -> str:
    module = getattr(function, "__module__", None) or "numpy"
    return f"{module}.{function.__name__}"


def refuse(name: str, options: Any) -> None:
    """TypeError if there are any options."""
    if options:
        raise TypeError(f"{name}: {', '.join(options)} is not supported on Tensors")


def unsupported(name: str) -> TypeError:
    return TypeError(f"{name} has no rule on Tensors; {name}(x.numpy()) gives its value, without a gradient")


# Functions


def call_function(function: Any, args: Any, kwargs: Any) -> Any:
    """Call NumPy's `function(*args, **kwargs)` on Tensors; TypeError if it has no handler."""
    handler = functions.get(function)
    if handler is None:
        raise unsupported(named(function))
    leading, same, translate = _translation(function, handler)
    out = None
    if len(args) > leading or not kwargs.keys() <= same:
        args, kwargs, out = translate(args, kwargs)
    try:
        result = handler(*args, **kwargs)
    except NOT_AT_ONCE as error:
        result = one_by_one(handler, args, kwargs, error)
    return result if out is None else into(out, result, named(function), casting=_CASTING.get(function, "same_kind"))


_CASTING = dict.fromkeys(  # functions that NumPy lets divide into `out`, whatever its dtype
    (np.mean, np.nanmean, np.var, np.nanvar, np.median, np.nanmedian, np.nanquantile, np.nanpercentile), "unsafe"
)


@cache
def _translation(function: Any, handler: Any) -> tuple[int, frozenset[str], Callable[..., Any]]:
    """How the arguments of NumPy's function become those of its handler.

    Returns how many positional arguments, and which keywords, mean the same to both, and a function for other calls.
    """
    name = named(function)
    try:
        signature = inspect.signature(function)
    except ValueError:  # one that is built in has none before NumPy 2.4: all but a keyword out= is handed on
        return 0, frozenset(), lambda args, kwargs: (args, kwargs, kwargs.pop("out", None))
    theirs = signature.parameters
    implementation = handler.form if isinstance(handler, Primitive) else handler
    ours = inspect.signature(implementation, follow_wrapped=False).parameters
    takes_all = any(p.kind is p.VAR_KEYWORD for p in ours.values())
    any_number = any(p.kind is p.VAR_POSITIONAL for p in ours.values())
    by_place = [p.name for p in ours.values() if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    by_name = {p.name for p in ours.values() if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)} - {"out"}

    def required(p: Any) -> bool:
        return p.kind is p.POSITIONAL_ONLY or (p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD)

    leading = 0
    for p in theirs.values():
        if p.kind is p.VAR_POSITIONAL:
            leading = 1 << 16
        if p.name == "out" or not (required(p) or any_number or by_place[leading : leading + 1] == [p.name]):
            break
        leading += 1
    same = frozenset(p.name for p in theirs.values() if p.name != "out" and (takes_all or p.name in by_name))
    same -= {p.name for p in theirs.values() if required(p)}

    def translate(args: Any, kwargs: Any) -> tuple[list[Any], dict[str, Any], Any]:
        try:
            given = signature.bind(*args, **kwargs).arguments
        except TypeError as error:
            raise TypeError(f"{name}: {error}") from None
        positional: list[Any] = []
        keywords: dict[str, Any] = {}
        for key, value in given.items():
            p = theirs[key]
            if p.kind is p.VAR_POSITIONAL:
                positional += value
            elif p.kind is p.VAR_KEYWORD:
                keywords |= value
            elif required(p):
                positional.append(value)
            elif takes_all and key != "out" or key in by_name:
                keywords[key] = value
            elif key not in ("out", "overwrite_input") and not _same(value, p.default):
                refuse(name, [f"{key}={value!r}"])
        if not takes_all:
            refuse(name, keywords.keys() - by_name)
        return positional, keywords, given.get("out")

    return leading, same, translate


def _same(value: Any, default: Any) -> bool:
    return value is default or (isinstance(value, (str, int, float)) and value == default)


# Ufuncs


def call_ufunc(ufunc: np.ufunc, method: str, inputs: Any, options: dict[str, Any]) -> Any:
    """`ufunc(*inputs, **options)`, or one of its methods, on Tensors."""

    def called(*inputs: Any, **options: Any) -> Any:
        return _called(ufunc, method, inputs, options)

    try:
        return called(*inputs, **options)
    except NOT_AT_ONCE as error:
        called.__name__ = ufunc.__name__ if method == "__call__" else f"{ufunc.__name__}.{method}"
        return one_by_one(writes(called) if "out" in options or method == "at" else called, inputs, options, error)


def _called(ufunc: np.ufunc, method: str, inputs: Any, options: dict[str, Any]) -> Any:
    handler = find(ufunc)
    name = ufunc.__name__ if method == "__call__" else f"{ufunc.__name__}.{method}"
    name = f"numpy.{name}" if handler is None or ufunc in functions else f"scipy.special.{name}"
    if handler is None:
        raise unsupported(name)
    outs = options.pop("out", None)
    for out in outs or ():
        if out is not None:
            check_out(name, out)
    if handler in constants and method not in ("__call__", "at"):
        result = computed(getattr(ufunc, method), *inputs, **options)
        return result if outs is None else into(outs, result, name)
    if method == "at":
        return _at(handler, name, functions.get((ufunc, "at")), *inputs)
    if method == "outer":
        a, b = map(lift, inputs)
        inputs, method = (reshape(a, (*a.shape, *(1,) * b.ndim)), b), "__call__"
    if method == "__call__":
        return _call(ufunc, handler, name, inputs, outs, **options)
    special = functions.get((ufunc, method))
    if special is not None:
        result = special(*inputs, **options)
    elif ufunc.nin != 2 or ufunc.nout != 1 or ufunc.signature:
        raise unsupported(name)
    else:
        result = _METHODS[method](handler, ufunc, name, *inputs, **options)
    return result if outs is None else into(outs, result, name)


def _call(
    ufunc: np.ufunc,
    handler: Any,
    name: str,
    inputs: Any,
    outs: Any = None,
    *,
    where: Any = True,
    dtype: Any = None,
    casting: Any = "same_kind",
    axis: Any = None,
    axes: Any = None,
    keepdims: bool = False,
    **others: Any,
) -> Any:
    refuse(name, [f"{k}={v!r}" for k, v in others.items() if (k, v) not in (("order", "K"), ("subok", True))])
    if dtype is not None:
        given = tuple(type(x) if type(x) in (int, float, complex) else lift(x).dtype for x in inputs)
        types = ufunc.resolve_dtypes(
            (*given, *(None,) * ufunc.nout),
            signature=(*(None,) * ufunc.nin, *(np.dtype(dtype),) * ufunc.nout),
            casting=casting,
        )
        inputs = tuple(lift(x).astype(d) for x, d in zip(inputs, types, strict=False))
    if axis is not None:
        axes = [axis, axis, axis if keepdims else ()]
    elif keepdims:
        axes = [-1, -1, -1]
    if where is not True:
        if outs is None:
            raise TypeError(f"{name}: where= needs out=, whose entries stay where the mask is False")
        shape = next(out.shape for out in outs if out is not None)
        where = np.broadcast_to(values_of(where), shape)
        if is_mask(where):
            inputs = tuple(np.where(where, x, np.ones((), lift(x).dtype)) for x in inputs)
        else:
            inputs = tuple(broadcast_to(x, shape)[where] if np.ndim(x) else x for x in inputs)
    if axes is None:
        results = handler(*inputs)
    else:
        *ins, to = [(a,) if isinstance(a, (int, np.integer)) else tuple(a) for a in axes]
        results = handler(*(moveaxis(x, a, range(-len(a), 0)) for x, a in zip(inputs, ins, strict=True)))
        results = moveaxis(expand_dims(results, -1) if keepdims else results, range(-len(to), 0), to)
    if outs is None:
        return results
    results = tuple(map(lift, results if isinstance(results, tuple) else (results,)))
    kept = []
    for out, result in zip(outs, results, strict=True):
        if out is not None and where is True and out.shape != result.shape:
            result = broadcast_to(result, out.shape)
        kept.append(result if out is None else into(out, result, name, where, casting))
    return kept[0] if len(kept) == 1 else tuple(kept)


# Methods of ufuncs: the operation repeated, where no function of a family does better


def _rows(x: Any, axis: Any, dtype: Any, name: str) -> tuple[Any, tuple[int, ...]]:
    """The array with these axes merged into one, the first; and the axes."""
    x = lift(x) if dtype is None else lift(x).astype(dtype)
    axes = axes_of(axis, x.ndim, name)
    others = tuple(n for a, n in enumerate(x.shape) if a not in axes)
    return reshape(moveaxis(x, axes, range(len(axes))), (-1, *others)), axes


def _reduce(
    handler: Any,
    ufunc: np.ufunc,
    name: str,
    x: Any,
    axis: Any = 0,
    dtype: Any = None,
    keepdims: bool = False,
    initial: Any = None,
    where: Any = True,
) -> Any:
    if where is not True:
        refuse(name, ["where="])
    rows, axes = _rows(x, axis, dtype, name)
    start = initial if initial is not None or len(rows) else ufunc.identity
    if initial is not None:
        start = started(initial, ufunc.resolve_dtypes((rows.dtype, rows.dtype, None))[2])
    terms = [*([] if start is None else [broadcast_to(start, rows.shape[1:])]), *rows]
    if not terms:
        raise ValueError(f"{name}: there is none of nothing; give initial=")
    out = reduce(handler, terms)
    return expand_dims(out, axes) if keepdims else out


def _accumulate(handler: Any, ufunc: np.ufunc, name: str, x: Any, axis: int = 0, dtype: Any = None) -> Any:
    rows, axes = _rows(x, axis, dtype, name)
    return stack(list(accumulate(rows, handler)), axis=axes[0]) if len(rows) else lift(x)


def _reduceat(handler: Any, ufunc: np.ufunc, name: str, x: Any, indices: Any, axis: int = 0, dtype: Any = None) -> Any:
    rows, axes = _rows(x, axis, dtype, name)
    starts = agreed(values_of(indices), f"{name}: indices").tolist()
    ends = [*starts[1:], len(rows)]
    parts = [rows[i:j] if i < j else rows[i : i + 1] for i, j in zip(starts, ends, strict=True)]
    return stack([call_ufunc(ufunc, "reduce", (part,), {}) for part in parts], axis=axes[0])


_METHODS: dict[str, Any] = {"reduce": _reduce, "accumulate": _accumulate, "reduceat": _reduceat}


def _at(handler: Any, name: str, special: Any, x: Any, indices: Any, *values: Any) -> None:
    """Apply a ufunc to the entries at `indices` in place, as often as each is named."""
    if not isinstance(x, Tensor):
        raise TypeError(f"{name}: a NumPy array cannot record Tensors; make it a Tensor")
    index = indices if modes.depth and differs(indices) else plain_index(indices)
    if is_mask(index):
        x._assign(_where_at(handler, x, index, *values))
        return
    if special is not None:
        x._assign(special(x, index, *values))
        return
    if index is indices and differs(index):
        x._assign(_at_places(handler, x, places_of(index, x.shape), *values))
        return
    at = np.arange(x.size).reshape(x.shape)[index]
    values = tuple(ravel(broadcast_to(v, at.shape)) for v in values)
    places, flat = at.ravel(), ravel(x)
    turn = _turns(places)
    for k in range(turn.max(initial=-1) + 1):
        now = np.flatnonzero(turn == k)
        flat = setitem(flat, places[now], handler(flat[places[now]], *(v[now] for v in values)))
    x._assign(reshape(flat, x.shape))


def _turns(places: Any) -> Any:
    """For each entry of a vector of places, how often that place occurs before it."""
    order = np.argsort(places, kind="stable")
    turn = np.empty_like(order)
    turn[order] = np.arange(order.size) - np.searchsorted(places[order], places[order])
    return turn


def _at_places(handler: Any, x: Any, places: Any, *values: Any) -> Any:
    """`ufunc.at` on x, at places that differ over a batch: entries whose turn has not come use a spare entry."""
    values = tuple(ravel(broadcast_to(v, places.shape)) for v in values)
    places, flat = ravel(places), concatenate([ravel(x), np.ones(1, x.dtype)])
    turn = computed(_turns, places)
    for k in range(bottom(turn).max(initial=-1) + 1):
        now = np.where(turn == k, places, x.size)
        flat = setitem(flat, now, handler(flat[now], *values))
    return reshape(flat[:-1], x.shape)


def _where_at(handler: Any, x: Any, mask: Any, *values: Any) -> Any:
    """`ufunc.at` on x, by a mask that differs over a batch."""
    if any(np.ndim(v) > x.ndim - mask.ndim for v in values):
        raise TypeError("vmap: a mask that differs from example to example takes one value; use where()")
    mask = reshape(mask, (*mask.shape, *(1,) * (x.ndim - mask.ndim)))
    return np.where(mask, handler(np.where(mask, x, 1), *values), x).astype(x.dtype)


implements((np.add, "at"))(lambda x, index, b: x + scatter(_spread(x, index, b), index, x.shape))
implements((np.subtract, "at"))(lambda x, index, b: x - scatter(_spread(x, index, b), index, x.shape))


def _spread(x: Any, index: Any, values: Any) -> Any:
    """The values, broadcast to the shape of the entries that they belong to."""
    at = places_of(index, x.shape) if differs(index) else np.broadcast_to(0, x.shape)[index]
    return broadcast_to(lift(values), at.shape).astype(x.dtype)


# The protocols


def _array_ufunc(self: Tensor, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
    """What NumPy calls for its ufuncs."""
    if not kwargs and method == "__call__" and ufunc in functions:
        return functions[ufunc](*inputs)
    return call_ufunc(ufunc, method, inputs, kwargs)


def _array_function(self: Tensor, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
    """What NumPy calls for its other functions."""
    return call_function(func, args, kwargs)


Tensor.__array_ufunc__, Tensor.__array_function__ = _array_ufunc, _array_function  # type: ignore[attr-defined]
