"""NumPy's functions that write into an array, on Tensors: the Tensor has the new values then, with gradients."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.conversion import apart, lift, values_of
from ..core.examples import by_example, writes
from ..core.graph import modes
from ..core.primitive import implements
from ..core.tensor import Tensor, as_data, carried
from ..core.types import Array, ArrayLike, Casting, Mode
from .indexing import getitem, is_mask, setitem
from .joining import resize
from .shape import broadcast_to, ravel, reshape
from .sorting import take

__all__ = ["copyto", "place", "put", "putmask"]


def check_out(name: str, out: Any) -> None:
    if not isinstance(out, (Tensor, np.ndarray)):
        raise TypeError(f"{name}: out must be a Tensor or an array, not {type(out).__name__}")


def into(out: Any, result: Any, name: str, where: Any = True, casting: Any = "same_kind") -> Any:
    """`out`, a Tensor or an array, changed in place to the result, or only where the mask says so."""
    out, result = out[0] if isinstance(out, tuple) and len(out) == 1 else out, lift(result)
    check_out(name, out)
    if not np.can_cast(result.dtype, out.dtype, casting):
        raise TypeError(f"{name}: cannot cast the result from {result.dtype} to out, {out.dtype}, by {casting!r}")
    if not isinstance(out, Tensor):
        values = as_data(result)
        if carried(result) and modes.recording:
            raise TypeError(f"{name}: out is a NumPy array, which cannot record the result; make it a Tensor")
        if where is True and out.shape != result.shape:
            raise ValueError(f"{name}: result of shape {result.shape} does not fit out of shape {out.shape}")
        out[... if where is True else where] = values
        return out
    if result.dtype != out.dtype:
        result = lift(result).astype(out.dtype)
    if is_mask(where):
        return out._assign(np.where(where, result, out))
    return out._assign(result if where is True else setitem(out, where, result))


@implements(np.copyto)
@writes
def copyto(dst: Tensor | Array, src: ArrayLike, casting: Casting = "same_kind", where: ArrayLike = True) -> None:
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
def put(a: Tensor | Array, ind: ArrayLike, v: ArrayLike, mode: Mode = "raise") -> None:
    """Write the values `v`, repeated if there are fewer, at the places `ind` of the flattened array."""
    _writable("put", a)
    places = np.ravel(values_of(ind))
    if mode != "raise":
        places = take(np.arange(a.size), places, mode=mode)
    if places.size:
        _write("put", a, places, resize(v, places.shape))


@implements(np.putmask)
@writes
def putmask(a: Tensor | Array, /, mask: ArrayLike, values: ArrayLike) -> None:
    """Write, where the mask is True, the entries at the same places of the `values` repeated over all of `a`."""
    _writable("putmask", a)
    mask = reshape(values_of(mask), a.shape)
    a._assign(np.where(mask, resize(values, a.shape), a).astype(a.dtype))


@implements(np.place)
@writes
def place(arr: Tensor | Array, mask: ArrayLike, vals: ArrayLike) -> None:
    """Write the values one after the other where the mask is True, repeated if there are fewer."""
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


for _name, _attribute in {
    "flat": property(Flat, lambda self, values: self.flat.__setitem__(slice(None), values)),
    "fill": by_example(copyto),
    "put": by_example(put),
}.items():
    setattr(Tensor, _name, _attribute)
