"""Operations that move entries without changing them; each is linear, and most are one another's transpose."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core.batching import aligned
from ..core.conversion import apart, lift, values_of
from ..core.primitive import implements, linear, primitive
from ..core.tensor import Tensor, wrap
from ..core.tracing import example
from ..core.types import ArrayLike, Arrays, Axis, Casting, DTypeLike, Order, PerAxis, Shape
from .casting import astype

__all__ = [
    "broadcast_arrays", "broadcast_shapes", "broadcast_to", "concat", "concatenate", "copy", "expand_dims", "flip",
    "matrix_transpose", "moveaxis", "permute_dims", "ravel", "reshape", "roll", "rollaxis", "squeeze", "stack",
    "swapaxes", "transpose",
]  # fmt: skip


def axes_of(axis: Any, ndim: int, name: str) -> tuple[int, ...]:
    """NumPy's `axis` argument (None, a number or several) as a tuple of different non-negative numbers."""
    if axis is None:
        return tuple(range(ndim))
    if axis.__class__ is int and -ndim <= axis < ndim:
        return (axis % ndim,)
    given = (axis,) if isinstance(axis, int) or getattr(axis, "ndim", 1) == 0 else tuple(axis)
    axes = tuple(a + ndim if a < 0 else a for a in map(operator.index, given))
    if any(not 0 <= a < ndim for a in axes) or len(set(axes)) != len(axes):
        raise np.exceptions.AxisError(f"{name}: axis {axis} does not fit an array of {ndim} dimensions")
    return axes


def axes_over(axis: Any, ndim: int, name: str) -> tuple[int, ...]:
    """`axes_of` for what takes axes away: of a number 0 and -1 are none, as NumPy's sums have it."""
    return axes_of(axis if ndim or axis not in (0, -1) else None, ndim, name)


@linear("x")
def reshape(x: Any, *, shape: tuple[int, ...]) -> Any:
    """The same entries, in row-major order, in another shape; one length may be -1.

    >>> reshape(Tensor([[1.0, 2.0], [3.0, 4.0]]), (4,))
    Tensor([1., 2., 3., 4.])
    """
    return x.reshape(shape)


reshape.vjp("x")(lambda g, x_shape: np.reshape(g, x_shape))
reshape.view(lambda x, value, *, shape: reshape.apply(value, shape=x.shape))


@reshape.batch
def _(call: Any, n: int, values: Any, batched: Any, *, shape: tuple[int, ...]) -> Any:
    return call(*values, shape=(n, *shape))


@reshape.strategy
def _(draw: Any) -> Any:
    x = draw.array()
    return (x,), {"shape": draw.one_of([x.shape[::-1], (x.size,), (1, *x.shape)])}


@reshape.public
@implements(np.reshape)
def reshape_form(a: ArrayLike, /, shape: Shape, order: Order = "C", *, copy: bool | None = None) -> Tensor:
    a = lift(a)
    shape = (shape,) if isinstance(shape, (int, np.integer)) else tuple(shape)
    if order == "A":
        order = "F" if example(a).flags.fnc else "C"
    if order not in ("C", "F"):
        raise ValueError(f"reshape: order={order!r}; expected 'C', 'F' or 'A'")
    if copy is False:  # or ValueError
        np.reshape(example(a), shape, order, copy=False)
    out = transpose(reshape.apply(transpose(a), shape=shape[::-1])) if order == "F" else reshape.apply(a, shape=shape)
    return astype(out, out.dtype) if copy else out


@linear("x")
def transpose(x: Any, *, axes: tuple[int, ...]) -> Any:
    """The array with its axes in the order `axes` (None: reversed)."""
    return x.transpose(axes)


transpose.vjp("x")(lambda g, axes: np.transpose(g, inverse(axes)))
transpose.view(lambda x, value, *, axes: transpose.apply(value, axes=inverse(axes)))


@transpose.batch
def _(call: Any, n: int, values: Any, batched: Any, *, axes: tuple[int, ...]) -> Any:
    return call(*values, axes=(0, *(i + 1 for i in axes)))


@transpose.strategy
def _(draw: Any) -> Any:
    x = draw.array()
    return (x,), {"axes": draw.permutation(x.ndim)}


def inverse(axes: tuple[int, ...]) -> tuple[int, ...]:
    """The permutation that undoes `axes`."""
    return tuple(sorted(range(len(axes)), key=axes.__getitem__))


@transpose.public
@implements(np.transpose, np.permute_dims)
def transpose_form(a: ArrayLike, axes: Sequence[int] | None = None) -> Tensor:
    a = lift(a)
    order = tuple(reversed(range(a.ndim))) if axes is None else axes_of(axes, a.ndim, "transpose")
    if len(order) != a.ndim:
        raise ValueError(f"transpose: axes {axes} given for an array of {a.ndim} dimensions")
    return transpose.apply(a, axes=order)


permute_dims = transpose


@implements(np.swapaxes)
def swapaxes(a: ArrayLike, axis1: int, axis2: int) -> Tensor:
    """The array with two axes exchanged."""
    a = lift(a)
    i, j = axes_of((axis1,), a.ndim, "swapaxes") + axes_of((axis2,), a.ndim, "swapaxes")
    order = list(range(a.ndim))
    order[i], order[j] = j, i
    return transpose.apply(a, axes=tuple(order))


@implements(np.moveaxis)
def moveaxis(a: ArrayLike, source: Axis, destination: Axis) -> Tensor:
    """The array with the axes `source` at the places `destination`, the others in their order."""
    a = lift(a)
    come, go = axes_of(source, a.ndim, "moveaxis"), axes_of(destination, a.ndim, "moveaxis")
    if len(come) != len(go):
        raise ValueError(f"moveaxis: {len(come)} source axes for {len(go)} destinations")
    order = [i for i in range(a.ndim) if i not in come]
    for place, i in sorted(zip(go, come, strict=True)):
        order.insert(place, i)
    return transpose.apply(a, axes=tuple(order))


@implements(np.rollaxis)
def rollaxis(a: ArrayLike, axis: int, start: int = 0) -> Tensor:
    """The array with `axis` moved to before the axis `start`; `moveaxis` is easier to read."""
    a = lift(a)
    (axis,) = axes_of(axis, a.ndim, "rollaxis")
    if not -a.ndim <= start <= a.ndim:
        raise np.exceptions.AxisError(f"rollaxis: start={start} does not fit an array of {a.ndim} dimensions")
    start += a.ndim * (start < 0)
    return moveaxis(a, axis, start - (axis < start))


@implements(np.matrix_transpose)
def matrix_transpose(x: ArrayLike) -> Tensor:
    """The array with its last two axes exchanged; ValueError below two dimensions."""
    x = lift(x)
    if x.ndim < 2:
        raise ValueError(f"matrix_transpose: expected at least 2 dimensions, not shape {x.shape}")
    return transpose.apply(x, axes=(*range(x.ndim - 2), x.ndim - 1, x.ndim - 2))


@linear("x")
def broadcast_to(x: Any, *, shape: tuple[int, ...]) -> Any:
    """The array stretched to `shape` by NumPy's broadcasting; copied only when it must be."""
    if x.ndim or x.__class__ is not np.ndarray:
        return np.broadcast_to(x, shape)
    return np.ndarray(shape, x.dtype, x, 0, (0,) * len(shape))  # the same, five times faster


broadcast_to.vjp("x")(lambda g: g)  # its transpose, the sum, is the engine's un-broadcasting
broadcast_to.view(None)


@broadcast_to.batch
def _(call: Any, n: int, values: Any, batched: Any, *, shape: tuple[int, ...]) -> Any:
    return call(*aligned(values, batched, len(shape)), shape=(n, *shape))


@broadcast_to.strategy
def _(draw: Any) -> Any:
    x = draw.array()
    return (x,), {"shape": (2, *(3 if n == 1 else n for n in x.shape))}


@broadcast_to.public
@implements(np.broadcast_to)
def broadcast_to_form(array: ArrayLike, shape: Shape) -> Tensor:
    return broadcast_to.apply(lift(array), shape=(shape,) if isinstance(shape, (int, np.integer)) else tuple(shape))


broadcast_shapes = np.broadcast_shapes


@implements(np.broadcast_arrays)
def broadcast_arrays(*args: ArrayLike) -> tuple[Tensor, ...]:
    """The arrays, all stretched to the shape that NumPy's broadcasting gives them together."""
    shape = np.broadcast_shapes(*map(np.shape, args))
    return tuple(broadcast_to(a, shape) if isinstance(a, Tensor) else np.broadcast_to(a, shape) for a in args)


@implements(np.expand_dims)
def expand_dims(a: ArrayLike, axis: Axis) -> Tensor:
    """The array with axes of length 1 inserted, at the places `axis` of the result."""
    a = lift(a)
    new = (axis,) if isinstance(axis, (int, np.integer)) else tuple(axis)
    at = axes_of(new, a.ndim + len(new), "expand_dims")
    old = iter(a.shape)
    return reshape.apply(a, shape=tuple(1 if i in at else next(old) for i in range(a.ndim + len(new))))


@implements(np.squeeze)
def squeeze(a: ArrayLike, axis: Axis = None) -> Tensor:
    """The array without the axes `axis` (None: without all) of length 1; ValueError if one is longer."""
    a = lift(a)
    gone = tuple(i for i, n in enumerate(a.shape) if n == 1) if axis is None else axes_over(axis, a.ndim, "squeeze")
    if any(a.shape[i] != 1 for i in gone):
        raise ValueError(f"squeeze: axis {axis} of shape {a.shape} is not of length 1")
    return reshape.apply(a, shape=tuple(n for i, n in enumerate(a.shape) if i not in gone))


@implements(np.ravel)
def ravel(a: ArrayLike, order: str = "C") -> Tensor:
    """The entries as one dimension, in row-major order; `order` "F" is column-major, "A" that if the values lie so
    in memory, "K" as they lie in memory."""
    a = lift(a)
    if order == "K":
        steps = np.abs(example(a).strides)
        return reshape(transpose(a, tuple(int(i) for i in np.argsort(-steps, kind="stable"))), -1)
    return reshape(a, -1, order)


@implements(np.copy)
def copy(a: ArrayLike, order: str = "K") -> Tensor:
    """The same values in memory of their own; `order` is taken, as in NumPy, and ignored."""
    a = lift(a)
    return astype(a, a.dtype)


@linear("x")
def flip(x: Any, *, axis: tuple[int, ...]) -> Any:
    """The array with the entries along `axis` (None: along all axes) in reverse order."""
    return np.flip(x, axis)


flip.vjp("x")(lambda g, axis: np.flip(g, axis))
flip.view(lambda x, value, *, axis: flip.apply(value, axis=axis))


@flip.strategy
def _(draw: Any) -> Any:
    x = draw.array()
    return (x,), {"axis": draw.axes(x.ndim)}


@flip.public
@implements(np.flip)
def flip_form(m: ArrayLike, axis: Axis = None) -> Tensor:
    m = lift(m)
    return flip.apply(m, axis=axes_of(axis, m.ndim, "flip"))


@linear("x")
def roll(x: Any, *, shift: tuple[int, ...], axis: tuple[int, ...]) -> Any:
    """The array with its entries moved on by `shift` along `axis` (None: in the flattened array), those that
    leave at the end coming back at the start.

    >>> roll(Tensor([1.0, 2.0, 3.0]), 1)
    Tensor([3., 1., 2.])
    """
    return np.roll(x, shift, axis) if axis else x


roll.vjp("x")(lambda g, shift, axis: roll.apply(g, shift=tuple(-n for n in shift), axis=axis))


@roll.strategy
def _(draw: Any) -> Any:
    x = draw.array()
    axis = draw.axes(x.ndim)
    return (x,), {"shift": tuple(draw.integer(-4, 4) for _ in axis), "axis": axis}


@roll.public
@implements(np.roll)
def roll_form(a: ArrayLike, shift: PerAxis, axis: Axis = None) -> Tensor:
    a = lift(a)
    if axis is None:
        return reshape(roll(reshape(a, -1), np.sum(shift), 0), a.shape)
    shift = values_of(lift(shift))
    if isinstance(shift, Tensor):  # it differs over a batch
        axes = np.atleast_1d(axis)
        for n, i in zip(broadcast_to(shift, axes.shape), axes.tolist(), strict=True):
            (i,) = axes_of(i, a.ndim, "roll")
            places = (np.arange(a.shape[i]) - n) % max(a.shape[i], 1)
            a = (a if isinstance(a, Tensor) else wrap(a))[(slice(None),) * i + (places,)]
        return apart(a)
    pairs = [(int(n), axes_of(int(i), a.ndim, "roll")[0]) for n, i in np.broadcast(shift, axis)]
    return roll.apply(a, shift=tuple(n for n, _ in pairs), axis=tuple(i for _, i in pairs))


@primitive(aux=("starts",))
def concatenate(*arrays: Any, axis: int) -> Any:
    """Arrays joined along an existing axis (None: flattened first); their other lengths agree.

    >>> concatenate([Tensor([1.0]), Tensor([2.0, 3.0])])
    Tensor([1., 2., 3.])
    """
    starts = list(itertools.accumulate((array.shape[axis] for array in arrays), initial=0))
    return np.concatenate(arrays, axis=axis), starts


@concatenate.vjp("arrays", "jointly linear")
def _(g: Any, position: int, starts: list[int], axis: int) -> Any:
    return g[(slice(None),) * axis + (slice(starts[position], starts[position + 1]),)]


@concatenate.strategy
def _(draw: Any) -> Any:
    shape = draw.shape(min_dims=1)
    axis = draw.axis(len(shape))
    lengths = [draw.integer(0, 3) for _ in range(draw.integer(1, 3))]
    return [draw.array(shape=(*shape[:axis], n, *shape[axis + 1 :])) for n in lengths], {"axis": axis}


@concatenate.public
@implements(np.concatenate)
def concatenate_form(
    arrays: Arrays, /, axis: int | None = 0, *, dtype: DTypeLike | None = None, casting: Casting = "same_kind"
) -> Tensor:
    arrays = [lift(a) for a in arrays]
    if dtype is not None or casting != "same_kind":
        dtype = np.result_type(*arrays) if dtype is None else dtype
        wrong = [a.dtype for a in arrays if not np.can_cast(a.dtype, dtype, casting)]
        if wrong:
            raise TypeError(f"concatenate: cannot cast from {wrong[0]} to {np.dtype(dtype)} by casting={casting!r}")
        arrays = [astype(a, dtype) for a in arrays]
    if not arrays:
        raise ValueError("concatenate: at least one array is needed")
    if axis is None:
        arrays, axis = [reshape(a, -1) for a in arrays], 0
    (axis,) = axes_of(axis, arrays[0].ndim, "concatenate")
    return concatenate.apply(*arrays, axis=axis)


concat = concatenate


@implements(np.stack)
def stack(arrays: Arrays, axis: int = 0, *, dtype: DTypeLike | None = None, casting: Casting = "same_kind") -> Tensor:
    """Arrays of one shape joined along a new axis."""
    arrays = [lift(a) for a in arrays]
    if len({a.shape for a in arrays}) != 1:
        raise ValueError(f"stack: arrays of one shape are needed, not {[a.shape for a in arrays]}")
    return concatenate([expand_dims(a, axis) for a in arrays], axis=axis, dtype=dtype, casting=casting)
