"""NumPy's functions that write into an array, on Tensors: each becomes what it would hold, with gradients."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.examples import by_example, writes
from ..core.primitive import implements
from ..core.tensor import Tensor, apart, values_of
from ..numpy_api.dispatch import into
from .indexing import getitem, is_mask, setitem
from .joining import resize
from .shape import broadcast_to, ravel, reshape
from .sorting import take

__all__ = ["copyto", "place", "put", "putmask"]


@implements(np.copyto)
@writes
def copyto(dst: Any, src: Any, casting: Any = "same_kind", where: Any = True) -> None:
    """Write `src`, which broadcasts, into `dst`, only where the mask `where` is True.

    >>> x = Tensor([1.0, 2.0])
    >>> copyto(x, 5.0, where=[True, False])
    >>> x
    Tensor([5., 2.])
    """
    new = broadcast_to(src, np.shape(dst))
    if where is not True:
        where = np.broadcast_to(values_of(where), new.shape)
        new = new if is_mask(where) else new[where]
    into(dst, new, "numpy.copyto", where, casting)


def _writable(name: str, x: Any) -> None:
    if not isinstance(x, Tensor):
        raise TypeError(f"{name}: a NumPy array cannot record Tensors; make it a Tensor")


def _write(name: str, x: Any, index: Any, values: Any) -> None:
    """Write into the flattened `x`."""
    _writable(name, x)
    x._assign(reshape(setitem(ravel(x), index, values), x.shape))


@implements(np.put)
@writes
def put(a: Any, ind: Any, v: Any, mode: Any = "raise") -> None:
    """Write the values `v`, over and over, at the places `ind` of the flattened array."""
    _writable("put", a)
    places = np.ravel(values_of(ind))
    if mode != "raise":
        places = take(np.arange(a.size), places, mode=mode)
    if places.size:
        _write("put", a, places, resize(v, places.shape))


@implements(np.putmask)
@writes
def putmask(a: Any, /, mask: Any, values: Any) -> None:
    """Write the `values`, over and over, and of these the ones that come to stand where the mask is True."""
    _writable("putmask", a)
    mask = reshape(values_of(mask), a.shape)
    a._assign(np.where(mask, resize(values, a.shape), a).astype(a.dtype))


@implements(np.place)
@writes
def place(arr: Any, mask: Any, vals: Any) -> None:
    """Write the values, over and over, one after the other where the mask is True."""
    mask = np.ravel(values_of(mask))
    if np.size(vals):
        turn = (np.cumsum(mask) - 1) % np.size(vals)
        putmask(arr, mask, take(vals, turn))
    elif np.any(mask):
        raise ValueError("place: no values to insert")


class Flat:
    """The entries of a Tensor in a row, to be read and written by index: what `Tensor.flat` is."""

    def __init__(self, tensor: Tensor) -> None:
        self._tensor = tensor

    def __len__(self) -> int:
        return self._tensor.size

    def __getitem__(self, index: Any) -> Any:
        return apart(ravel(self._tensor)[index])

    def __setitem__(self, index: Any, values: Any) -> None:
        places = getitem(np.arange(len(self)), index)
        _write("flat", self._tensor, places, resize(values, np.shape(places)))


Tensor.flat = property(Flat, lambda self, values: self.flat.__setitem__(slice(None), values))  # type: ignore[attr-defined]
Tensor.fill = by_example(copyto)  # type: ignore[attr-defined]
Tensor.put = by_example(put)  # type: ignore[attr-defined]
