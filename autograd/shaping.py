"""Operations that move entries without changing them; each is linear, and most are one another's transpose."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .primitive import implements, linear
from .tensor import lift


def axes_of(axis: Any, ndim: int, name: str) -> tuple[int, ...]:
    """NumPy's `axis` argument (None, a number or several) as a tuple of different non-negative numbers."""
    if axis is None:
        return tuple(range(ndim))
    if axis.__class__ is int and -ndim <= axis < ndim:
        return (axis % ndim,)
    given = (axis,) if isinstance(axis, (int, np.integer)) else tuple(axis)
    axes = tuple(a + ndim if a < 0 else a for a in given)
    if any(not 0 <= a < ndim for a in axes) or len(set(axes)) != len(axes):
        raise np.exceptions.AxisError(f"{name}: axis {axis} does not fit an array of {ndim} dimensions")
    return axes


@linear("x")
def reshape(x: Any, *, shape: tuple[int, ...]) -> Any:
    """The same entries, in row-major order, in another shape; one length may be -1.

    >>> reshape(Tensor([[1.0, 2.0], [3.0, 4.0]]), (4,))
    Tensor([1., 2., 3., 4.])
    """
    return x.reshape(shape)


reshape.vjp("x")(lambda g, x_shape: np.reshape(g, x_shape))


@reshape.strategy
def _(draw: Any) -> Any:
    x = draw.array()
    return (x,), {"shape": draw.one_of([x.shape[::-1], (x.size,), (1, *x.shape)])}


@reshape.public
@implements(np.reshape)
def _(x: Any, shape: Any) -> Any:
    x = lift(x)
    return reshape.apply(x, shape=(shape,) if isinstance(shape, (int, np.integer)) else tuple(shape))


@linear("x")
def transpose(x: Any, *, axes: tuple[int, ...]) -> Any:
    """The array with its axes in the order `axes` (None: reversed)."""
    return x.transpose(axes)


transpose.vjp("x")(lambda g, axes: np.transpose(g, inverse(axes)))


@transpose.strategy
def _(draw: Any) -> Any:
    x = draw.array()
    return (x,), {"axes": draw.permutation(x.ndim)}


def inverse(axes: tuple[int, ...]) -> tuple[int, ...]:
    """The permutation that undoes `axes`."""
    return tuple(sorted(range(len(axes)), key=axes.__getitem__))


@transpose.public
@implements(np.transpose, np.permute_dims)
def _(x: Any, axes: Any = None) -> Any:
    x = lift(x)
    order = tuple(reversed(range(x.ndim))) if axes is None else axes_of(axes, x.ndim, "transpose")
    if len(order) != x.ndim:
        raise ValueError(f"transpose: axes {axes} given for an array of {x.ndim} dimensions")
    return transpose.apply(x, axes=order)


@implements(np.swapaxes)
def swapaxes(x: Any, axis1: int, axis2: int) -> Any:
    """The array with two axes exchanged."""
    x = lift(x)
    i, j = axes_of((axis1,), x.ndim, "swapaxes") + axes_of((axis2,), x.ndim, "swapaxes")
    order = list(range(x.ndim))
    order[i], order[j] = j, i
    return transpose.apply(x, axes=tuple(order))


@implements(np.moveaxis)
def moveaxis(x: Any, source: Any, destination: Any) -> Any:
    """The array with the axes `source` at the places `destination`, the others in their order."""
    x = lift(x)
    come, go = axes_of(source, x.ndim, "moveaxis"), axes_of(destination, x.ndim, "moveaxis")
    if len(come) != len(go):
        raise ValueError(f"moveaxis: {len(come)} source axes for {len(go)} destinations")
    order = [a for a in range(x.ndim) if a not in come]
    for place, a in sorted(zip(go, come, strict=True)):
        order.insert(place, a)
    return transpose.apply(x, axes=tuple(order))


@implements(np.matrix_transpose)
def matrix_transpose(x: Any) -> Any:
    """The array with its last two axes exchanged; ValueError below two dimensions."""
    x = lift(x)
    if x.ndim < 2:
        raise ValueError(f"matrix_transpose: expected at least 2 dimensions, not shape {x.shape}")
    return transpose.apply(x, axes=(*range(x.ndim - 2), x.ndim - 1, x.ndim - 2))


@linear("x")
def broadcast_to(x: Any, *, shape: tuple[int, ...]) -> Any:
    """The array stretched to `shape` by NumPy's broadcasting; copied only when it must be."""
    if x.ndim:
        return np.broadcast_to(x, shape)
    return np.ndarray(shape, x.dtype, x, 0, (0,) * len(shape))  # the same, five times faster


broadcast_to.vjp("x")(lambda g: g)  # its transpose, the sum, is the engine's un-broadcasting


@broadcast_to.strategy
def _(draw: Any) -> Any:
    x = draw.array()
    return (x,), {"shape": (2, *(3 if n == 1 else n for n in x.shape))}


@broadcast_to.public
@implements(np.broadcast_to)
def _(x: Any, shape: Any) -> Any:
    return broadcast_to.apply(x, shape=(shape,) if isinstance(shape, (int, np.integer)) else tuple(shape))


@implements(np.expand_dims)
def expand_dims(x: Any, axis: Any) -> Any:
    """The array with axes of length 1 inserted, at the places `axis` of the result."""
    x = lift(x)
    new = (axis,) if isinstance(axis, (int, np.integer)) else tuple(axis)
    at = axes_of(new, x.ndim + len(new), "expand_dims")
    old = iter(x.shape)
    return reshape.apply(x, shape=tuple(1 if i in at else next(old) for i in range(x.ndim + len(new))))


@implements(np.squeeze)
def squeeze(x: Any, axis: Any = None) -> Any:
    """The array without the axes `axis` (None: without all) of length 1; ValueError if one is longer."""
    x = lift(x)
    gone = tuple(i for i, n in enumerate(x.shape) if n == 1) if axis is None else axes_of(axis, x.ndim, "squeeze")
    if any(x.shape[i] != 1 for i in gone):
        raise ValueError(f"squeeze: axis {axis} of shape {x.shape} is not of length 1")
    return reshape.apply(x, shape=tuple(n for i, n in enumerate(x.shape) if i not in gone))


@implements(np.ravel)
def ravel(x: Any) -> Any:
    """The entries in row-major order, as one dimension."""
    return reshape(x, -1)


@linear("x")
def flip(x: Any, *, axis: tuple[int, ...]) -> Any:
    """The array with the entries along `axis` (None: along all axes) in reverse order."""
    return np.flip(x, axis)


flip.vjp("x")(lambda g, axis: np.flip(g, axis))


@flip.strategy
def _(draw: Any) -> Any:
    x = draw.array()
    return (x,), {"axis": draw.axes(x.ndim)}


@flip.public
@implements(np.flip)
def _(m: Any, axis: Any = None) -> Any:
    m = lift(m)
    return flip.apply(m, axis=axes_of(axis, m.ndim, "flip"))


@linear("arrays")
def concatenate(*arrays: Any, axis: int) -> Any:
    """Arrays joined along an existing axis (None: flattened first); their other lengths agree.

    >>> concatenate([Tensor([1.0]), Tensor([2.0, 3.0])])
    Tensor([1., 2., 3.])
    """
    return np.concatenate(arrays, axis=axis)


@concatenate.vjp("arrays", "linear")
def _(g: Any, position: int, arrays_shape: Any, axis: int) -> Any:
    start = math.fsum(shape[axis] for shape in arrays_shape[:position])
    return g[(slice(None),) * axis + (slice(int(start), int(start) + arrays_shape[position][axis]),)]


@concatenate.strategy
def _(draw: Any) -> Any:
    shape = draw.shape(min_dims=1)
    axis = draw.axis(len(shape))
    lengths = [draw.integer(0, 3) for _ in range(draw.integer(1, 3))]
    return [draw.array(shape=(*shape[:axis], n, *shape[axis + 1 :])) for n in lengths], {"axis": axis}


@concatenate.public
@implements(np.concatenate)
def _(arrays: Any, axis: int | None = 0) -> Any:
    arrays = [lift(a) for a in arrays]
    if not arrays:
        raise ValueError("concatenate: at least one array is needed")
    if axis is None:
        arrays, axis = [reshape(a, -1) for a in arrays], 0
    (axis,) = axes_of(axis, arrays[0].ndim, "concatenate")
    return concatenate.apply(*arrays, axis=axis)


@implements(np.stack)
def stack(arrays: Any, axis: int = 0) -> Any:
    """Arrays of one shape joined along a new axis."""
    arrays = [lift(a) for a in arrays]
    if len({a.shape for a in arrays}) != 1:
        raise ValueError(f"stack: arrays of one shape are needed, not {[a.shape for a in arrays]}")
    return concatenate([expand_dims(a, axis) for a in arrays], axis=axis)


@linear("x")
def pad(x: Any, *, widths: tuple[tuple[int, int], ...]) -> Any:
    """Zeros (or another constant) put before and after the entries of each axis; see `numpy.pad`."""
    return np.pad(x, widths) if widths else x


@pad.vjp("x")
def _(g: Any, x_shape: Any, widths: Any) -> Any:
    return g[tuple(slice(before, before + n) for (before, _), n in zip(widths, x_shape, strict=True))]


@pad.strategy
def _(draw: Any) -> Any:
    x = draw.array()
    return (x,), {"widths": tuple((draw.integer(0, 2), draw.integer(0, 2)) for _ in x.shape)}
