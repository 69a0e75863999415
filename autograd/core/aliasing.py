"""Memory that others can write into: what a graph keeps never lies there.

A graph keeps the arrays that its rules will want, as they are. The outside sees the memory of a Tensor
through `.data`, `.numpy()`, `np.asarray` and DLPack, and gives its own through `asarray`, `from_dlpack` and plain
arrays as operands. Three rules make writing there harmless:

    lent     a Tensor hands out its memory only if nobody but its views and base holds it, or else moves to a copy first
    leased   as long as somebody sees the memory, or it came from outside, a graph keeps copies of what lies there
    foreign  of an operand that is a plain array a graph keeps a copy
"""

from __future__ import annotations

import weakref
from typing import Any

import numpy as np

from .views import alone, retaken, root_of, seen


class _Lease(weakref.ref[Any]):
    """Weak reference, alive while outside code can write to some memory."""

    __slots__ = ("owner",)
    owner: int


leases: dict[int, _Lease] = {}  # by the id of the array that has the memory


def _lease(array: Any, owner: int) -> Any:
    """The array of the lease that there is of some memory, or of a new one."""
    lease = _Lease(array, _ended)
    lease.owner = owner
    there = leases.setdefault(owner, lease)()
    if there is None:  # it ends just now
        leases[owner] = lease
    return array if there is None else there


def _ended(lease: _Lease, leases: dict[int, _Lease] = leases) -> None:
    if leases.get(lease.owner) is lease:
        del leases[lease.owner]


def _owner(array: Any) -> Any:
    """The array that has the memory."""
    base = array.base
    while base is not None:
        if base.__class__ is memoryview:
            base = base.obj
        if not isinstance(base, np.ndarray):
            break
        array, base = base, base.base
    return array


def own(x: Any, foreign: bool = False) -> Any:
    """What a graph can keep of an array: a copy, where others can write into it."""
    return x.copy("K") if isinstance(x, np.ndarray) and (foreign or id(_owner(x)) in leases) else x


def owned(option: Any) -> Any:
    """What a graph can keep of an option, which may be an array or have arrays in it."""
    if option.__class__ is tuple:
        for part in option:
            if part.__class__ is np.ndarray or part.__class__ is tuple:
                return tuple([owned(part) for part in option])
        return option
    return list(map(owned, option)) if option.__class__ is list else own(option, True)


def lent(tensor: Any) -> Any:
    """The array of a tensor, for others to read and to write: in memory that no graph holds, and that its family (see
    views.py) has in common."""
    root = tensor if tensor._view is None else root_of(tensor)
    if root._held.__class__ is not np.ndarray:  # a number, of which there are views
        retaken(root, np.array(root._held))
    array = root._held
    owner = id(array if array.base is None else _owner(array))
    lease = leases.get(owner)
    there = None if lease is None else lease()
    if there is None or not (id(there) == owner or there is array or getattr(there.base, "obj", None) is array):
        del array
        if not alone(root):
            retaken(root, root._held.copy("K"))
            owner = id(root._held)
        array = _lease(np.asarray(memoryview(root._held)), owner)
    elif id(there) != owner:
        array = there
    return array if root is tensor else seen(tensor, array)


def shared(array: Any) -> Any:
    """An array of the outside, in memory that is leased from now on."""
    if isinstance(array, np.ndarray):
        owner = _owner(array)
        _lease(owner, id(owner))
    return array


def is_lent(array: Any, held: Any) -> bool:
    """Whether this is what `lent` gave for what is held, as in `x.data = x.data`."""
    if array.__class__ is not np.ndarray or held.__class__ is not np.ndarray:
        return False
    layout, same = array.__array_interface__, held.__array_interface__
    if any(layout[key] != same[key] for key in ("data", "shape", "strides", "typestr")):
        return False
    while array.__class__ is np.ndarray:
        array = array.base
    return array.__class__ is memoryview
