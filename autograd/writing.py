"""NumPy's functions that write into an array, on Tensors: each becomes what it would hold, with gradients."""

from __future__ import annotations

from typing import Any

import numpy as np

from .arranging import resize
from .calls import into
from .indexing import plain_index, setitem
from .primitive import implements
from .shaping import broadcast_to, ravel, reshape
from .tensor import Tensor, apart, as_data

__all__ = ["copyto", "place", "put", "putmask"]


@implements(np.copyto)
def copyto(dst: Any, src: Any, casting: Any = "same_kind", where: Any = True) -> None:
    """Write `src`, which broadcasts, into `dst`, only where the mask `where` is True.

    >>> x = Tensor([1.0, 2.0])
    >>> copyto(x, 5.0, where=[True, False])
    >>> x
    Tensor([5., 2.])
    """
    new = broadcast_to(src, np.shape(dst))
    if where is not True:
        where = np.broadcast_to(as_data(where), new.shape)
        new = new[where]
    into(dst, new, "numpy.copyto", where, casting)


def _writable(name: str, x: Any) -> None:
    if not isinstance(x, Tensor):
        raise TypeError(f"{name}: a NumPy array cannot record Tensors; make it a Tensor")


def _write(name: str, x: Any, index: Any, values: Any) -> None:
    """Write into the flattened `x`."""
    _writable(name, x)
    x._assign(reshape(setitem(ravel(x), index, values), x.shape))


@implements(np.put)
def put(a: Any, ind: Any, v: Any, mode: Any = "raise") -> None:
    """Write the values `v`, over and over, at the places `ind` of the flattened array."""
    _writable("put", a)
    places = np.ravel(as_data(ind))
    if mode != "raise":  # wrap or clip, as take does
        places = np.arange(a.size).take(places, mode=mode)
    if places.size:
        _write("put", a, places, resize(v, places.shape))


@implements(np.putmask)
def putmask(a: Any, /, mask: Any, values: Any) -> None:
    """Write the `values`, over and over, and of these the ones that come to stand where the mask is True."""
    _writable("putmask", a)
    mask = np.ravel(as_data(mask))
    _write("putmask", a, mask, resize(values, (a.size,))[mask])


@implements(np.place)
def place(arr: Any, mask: Any, vals: Any) -> None:
    """Write the values, over and over, one after the other where the mask is True."""
    places = np.flatnonzero(as_data(mask))
    if places.size:
        put(arr, places, vals)


class Flat:
    """The entries of a Tensor in a row, to be read and written by index: what `Tensor.flat` is."""

    def __init__(self, tensor: Tensor) -> None:
        self._tensor = tensor

    def __len__(self) -> int:
        return self._tensor.size

    def __getitem__(self, index: Any) -> Any:
        return apart(ravel(self._tensor)[index])

    def __setitem__(self, index: Any, values: Any) -> None:
        places = np.arange(len(self))[plain_index(index)]
        _write("flat", self._tensor, places, resize(values, np.shape(places)))


Tensor.flat = property(Flat, lambda self, values: self.flat.__setitem__(slice(None), values))  # type: ignore[attr-defined]
Tensor.fill = copyto  # type: ignore[attr-defined]
Tensor.put = put  # type: ignore[attr-defined]
