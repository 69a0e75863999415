"""Shapes and parts as PyTorch spells them: functions that are methods of Tensors, too (see spellings.py)."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from ..core.conversion import apart, lift
from ..core.tensor import Tensor
from ..core.tracing import bottom
from ..core.types import ArrayLike, Arrays, PerAxis, Shape
from ..ops.elementwise import conj
from ..ops.indexing import getitem, scatter
from ..ops.joining import sliding_window_view
from ..ops.shape import (
    broadcast_to,
    concatenate,
    copy,
    expand_dims,
    matrix_transpose,
    moveaxis,
    ravel,
    reshape,
    swapaxes,
    transpose,
)


def sizes_of(sizes: tuple[Any, ...]) -> tuple[int, ...]:
    """Lengths given as one sequence or as several numbers."""
    given = sizes[0] if len(sizes) == 1 and isinstance(sizes[0], Sequence) else sizes
    return tuple(map(int, given))


def shape_of(x: Any) -> tuple[int, ...]:
    """The shape of anything that can be a Tensor."""
    return np.shape(x)


def view(x: ArrayLike, *shape: Shape) -> Tensor:
    """Return the same entries in another shape, one of whose lengths may be -1; TypeError for a dtype.

    >>> from pullback import Tensor
    >>> view(Tensor([1.0, 2.0, 3.0, 4.0]), -1, 2)
    Tensor([[1., 2.],
            [3., 4.]])
    """
    if len(shape) == 1 and isinstance(shape[0], (type, np.dtype)):
        raise TypeError(f"view: {shape[0]} is a dtype; entries are converted by astype(dtype), not read as others")
    return reshape(x, sizes_of(shape))


def view_as(x: ArrayLike, other: ArrayLike) -> Tensor:
    """Return the same entries in the shape of `other`."""
    return reshape(x, shape_of(other))


def unsqueeze(x: ArrayLike, dim: int) -> Tensor:
    """Return x with an axis of length 1 in the place `dim` of the result; `expand_dims`."""
    return expand_dims(x, dim)


def permute(x: ArrayLike, *dims: PerAxis) -> Tensor:
    """Return x with its axes in another order, given as one sequence or as several numbers; `transpose`."""
    return transpose(x, sizes_of(dims))


def t(x: ArrayLike) -> Tensor:
    """Return the transpose of a matrix, or a vector or number as it is; ValueError for more axes."""
    if len(shape_of(x)) > 2:
        raise ValueError(f"t: a Tensor of shape {shape_of(x)} is no matrix; write x.mT, or permute")
    return transpose(x)


def expand(x: ArrayLike, *sizes: Shape) -> Tensor:
    """Return x repeated along axes of length 1 and along new ones in front; -1 stands for the length that there is.

    ValueError where lengths do not fit. `broadcast_to`, which takes no -1.

    >>> from pullback import Tensor
    >>> expand(Tensor([[1.0], [2.0]]), -1, 2)
    Tensor([[1., 1.],
            [2., 2.]])
    """
    shape, given = shape_of(x), sizes_of(sizes)
    lead = len(given) - len(shape)
    if lead < 0 or any(n == -1 for n in given[:lead]):
        raise ValueError(f"expand: sizes {given} for a Tensor of shape {shape}")
    return broadcast_to(x, tuple(shape[i - lead] if n == -1 else n for i, n in enumerate(given)))


def expand_as(x: ArrayLike, other: ArrayLike) -> Tensor:
    """Return x broadcast to the shape of `other`."""
    return broadcast_to(x, shape_of(other))


def flatten(x: ArrayLike, start_dim: int | str = 0, end_dim: int = -1, *, order: str = "C") -> Tensor:
    """Make one axis of those from `start_dim` to `end_dim`; a letter is NumPy's `order`. ValueError if there are none.

    >>> from pullback import Tensor
    >>> flatten(Tensor(np.zeros((2, 3, 4))), 1).shape
    (2, 12)
    """
    x = lift(x)
    if isinstance(start_dim, str) or not x.ndim or (start_dim, end_dim) == (0, -1):
        return apart(ravel(x, start_dim if isinstance(start_dim, str) else order))
    first, last = (normalize_axis_index(dim, x.ndim, "flatten") for dim in (start_dim, end_dim))
    if first > last:
        raise ValueError(f"flatten: start_dim={start_dim} comes after end_dim={end_dim} in shape {x.shape}")
    shape = (*x.shape[:first], math.prod(x.shape[first : last + 1]), *x.shape[last + 1 :])
    return apart(reshape(x, shape, order))


def unflatten(x: ArrayLike, dim: int, sizes: Sequence[int]) -> Tensor:
    """Make several axes of the axis `dim`, of these lengths, one of which may be -1; ValueError if they do not fit.

    >>> unflatten(np.zeros((2, 12)), 1, (3, -1)).shape
    (2, 3, 4)
    """
    shape = shape_of(x)
    axis, lengths = normalize_axis_index(dim, len(shape), "unflatten"), list(sizes)
    others = math.prod(n for n in lengths if n != -1)
    if lengths.count(-1) == 1 and others:
        lengths[lengths.index(-1)] = shape[axis] // others
    if math.prod(lengths) != shape[axis] or any(n < 0 for n in lengths):
        raise ValueError(f"unflatten: axis {dim} of shape {shape} cannot become {tuple(sizes)}")
    return reshape(x, (*shape[:axis], *lengths, *shape[axis + 1 :]))


def contiguous(x: ArrayLike) -> Tensor:
    """Return x itself if its entries lie in memory in their order, or else a copy of which that is true."""
    held: Any = x
    return held if is_contiguous(x) else reshape(ravel(x), shape_of(x))


def clone(x: ArrayLike) -> Tensor:
    """Return a copy, through which gradients go; `copy`."""
    return copy(x)


# Parts


def along(x: ArrayLike, dim: int, part: Any, name: str) -> Tensor:
    """The entries of x at an index along one axis."""
    return getitem(x, (*(slice(None),) * normalize_axis_index(dim, len(shape_of(x)), name), part))


def length_of(x: ArrayLike, dim: int, name: str) -> int:
    """The length of an axis, that of a number being 1; an error with the name of what asks where there is none."""
    shape = shape_of(x) or (1,)
    return int(shape[normalize_axis_index(dim, len(shape), name)])


def narrow(x: ArrayLike, dim: int, start: int, length: int) -> Tensor:
    """Return the part of x from `start` on along `dim`, of this length; IndexError where it is not inside."""
    n = length_of(x, dim, "narrow")
    first = start + n if start < 0 else start
    if not 0 <= first <= first + length <= n:
        raise IndexError(f"narrow: start={start}, length={length} along axis {dim} of shape {shape_of(x)}")
    return along(x, dim, slice(first, first + length), "narrow")


def select(x: ArrayLike, dim: int, index: int) -> Tensor:
    """Return the part of x at one place along `dim`, without that axis."""
    return along(x, dim, int(index), "select")


def chunk(x: ArrayLike, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """Cut x along `dim` into at most so many parts of one length, but for the last; ValueError for less than one.

    >>> from pullback import Tensor
    >>> [part.tolist() for part in chunk(Tensor([1, 2, 3, 4, 5]), 3)]
    [[1, 2], [3, 4], [5]]
    """
    if chunks < 1:
        raise ValueError(f"chunk: chunks={chunks}; expected at least 1")
    n = length_of(x, dim, "chunk")
    step = max(1, -(-n // chunks))
    starts = range(0, n, step) if n else [0] * chunks
    return tuple(along(x, dim, slice(i, i + step), "chunk") for i in starts)


def unbind(x: ArrayLike, dim: int = 0) -> tuple[Tensor, ...]:
    """Return the parts of x at all places along `dim`, without that axis; `unstack`."""
    return tuple(along(x, dim, i, "unbind") for i in range(length_of(x, dim, "unbind")))


def split_with_sizes(x: ArrayLike, split_sizes: Sequence[int], dim: int = 0) -> tuple[Tensor, ...]:
    """Cut x along `dim` into parts of these lengths; ValueError where they are not all of it.

    >>> from pullback import Tensor
    >>> [part.tolist() for part in split_with_sizes(Tensor([1, 2, 3]), [1, 2])]
    [[1], [2, 3]]
    """
    n, ends = length_of(x, dim, "split_with_sizes"), np.cumsum([0, *split_sizes])
    if ends[-1] != n or min(split_sizes, default=0) < 0:
        raise ValueError(f"split_with_sizes: split_sizes={tuple(split_sizes)} along axis {dim} of shape {shape_of(x)}")
    return tuple(along(x, dim, slice(*pair), "split_with_sizes") for pair in itertools.pairwise(ends.tolist()))


def unfold(x: ArrayLike, dimension: int, size: int, step: int) -> Tensor:
    """Return the windows of `size` entries along an axis, one every `step`, as that axis and a new last one.

    >>> from pullback import Tensor
    >>> unfold(Tensor([1, 2, 3, 4]), 0, 2, 2).tolist()
    [[1, 2], [3, 4]]
    """
    axis = normalize_axis_index(dimension, len(shape_of(x)), "unfold")
    if not 0 < size <= shape_of(x)[axis] or step < 1:
        raise ValueError(f"unfold: size={size}, step={step} along axis {dimension} of shape {shape_of(x)}")
    return along(sliding_window_view(x, size, axis), axis, slice(None, None, step), "unfold")


def adjoint(x: ArrayLike) -> Tensor:
    """Return the complex conjugates of the matrices that the last two axes span, transposed."""
    return conj(matrix_transpose(x))


def cat(tensors: Arrays, dim: int = 0) -> Tensor:
    """Return Tensors one after another along `dim`; `concatenate`."""
    return concatenate(tensors, dim)


def movedim(x: ArrayLike, source: PerAxis, destination: PerAxis) -> Tensor:
    """Return x with the axes `source` in the places `destination`; `moveaxis`."""
    return moveaxis(x, source, destination)


def swapdims(x: ArrayLike, dim0: int, dim1: int) -> Tensor:
    """Return x with two axes exchanged; `swapaxes`, and `transpose` in PyTorch."""
    return swapaxes(x, dim0, dim1)


def reshape_as(x: ArrayLike, other: ArrayLike) -> Tensor:
    """Return the same entries in the shape of `other`."""
    return reshape(x, shape_of(other))


def numel(x: ArrayLike) -> int:
    """Return the number of entries; `size`."""
    return math.prod(shape_of(x))


def dim(x: ArrayLike) -> int:
    """Return the number of axes; `ndim`."""
    return len(shape_of(x))


def element_size(x: ArrayLike) -> int:
    """Return the bytes of one entry; `itemsize`."""
    return int(lift(x).dtype.itemsize)


def is_contiguous(x: ArrayLike) -> bool:
    """Say whether the entries lie in memory in their order."""
    return bool(np.asarray(bottom(lift(x))).flags.c_contiguous)


def diag_embed(x: ArrayLike, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """Return matrices, along two axes of the result, with the last axis of x on a diagonal and 0 elsewhere.

    >>> from pullback import Tensor
    >>> diag_embed(Tensor([1.0, 2.0]))
    Tensor([[1., 0.],
            [0., 2.]])
    """
    x = lift(x)
    n = x.shape[-1] + abs(offset)
    rows = np.arange(x.shape[-1]) + max(-offset, 0)
    out = scatter(x, (..., rows, rows + offset), (*x.shape[:-1], n, n))
    return moveaxis(out, (-2, -1), (dim1, dim2))
