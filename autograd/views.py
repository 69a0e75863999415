"""Views: tensors that are a part or another form of one that they are taken from, their base, as NumPy's are.

A view knows its base and the operation that took it, and a base knows its living views, weakly. A write to a tensor is
a write to the base at the root of all: `put`, which each operation that takes views has, says what the base becomes,
and then the living views are taken anew, by operations that are recorded like all others. Reading checks nothing.

The arrays of a family, a root and its living views, lie in one memory, so that what is written there, by an optimizer
or by the outside (see lending.py), is seen by all of them.
"""

from __future__ import annotations

import math
import sys
from typing import Any
from weakref import ref

import numpy as np
from numpy import ndarray

from . import memory
from .graph import modes
from .levels import level_of

_FEW = 1 << 4  # views that are listed before those that are gone are looked for


def shares(out: Any, x: Any) -> bool:
    """Whether a result of a function of an array lies in the memory of that."""
    if out.__class__ is not ndarray:
        return False
    base = out.base
    return out is x or base is not None and (base is x or base is x.base)


def shares_one(primitive: Any, x: Any, options: dict[str, Any]) -> bool:
    """Whether NumPy gives a view of `x`, or of one example where it stands for a batch."""
    array = x._held
    while not isinstance(array, (ndarray, np.generic)):
        array = array.value if hasattr(array, "value") else array._held
    example = np.asarray(array[(0,) * (array.ndim - x.ndim)])
    return shares(primitive.function(example, **options), example)


def link(view: Any, base: Any, primitive: Any, options: dict[str, Any]) -> None:
    """Make a tensor a view, taken by `primitive` from its base."""
    view._view = base, primitive, options
    try:
        views = base._views
    except AttributeError:
        base._views = [ref(view)]
        return
    views.append(ref(view))
    count = len(views)
    if count > _FEW and not count & (count - 1):
        views[:] = [known for known in views if known() is not None]


def family(root: Any) -> list[Any]:
    """A tensor and the living views of it, of these and so on, each after its base."""
    found = [root]
    for tensor in found:
        for known in getattr(tensor, "_views", ()):
            view = known()
            if view is not None:
                found.append(view)
    return found


def root_of(tensor: Any) -> Any:
    """The base of the base and so on."""
    while (view := getattr(tensor, "_view", None)) is not None:
        tensor = view[0]
    return tensor


def related(tensor: Any) -> bool:
    """Whether a tensor is a view, or has living ones."""
    return hasattr(tensor, "_view") or any(known() is not None for known in getattr(tensor, "_views", ()))


def leave(tensor: Any) -> None:
    """Cut the ties of a tensor to its base and to its views, which keep their values."""
    if hasattr(tensor, "_view"):
        base = tensor._view[0]
        base._views = [known for known in base._views if known() is not tensor]
        del tensor._view
    if hasattr(tensor, "_views"):
        for view in (view for known in tensor._views if (view := known()) is not None):
            del view._view
        del tensor._views


def write(tensor: Any, new: Any) -> None:
    """Let a tensor become `new`, another of its shape and dtype, and with it its base and all their views."""
    if not hasattr(tensor, "_view") and not hasattr(tensor, "_views"):
        _permit(tensor, new, (tensor,))
        _become(tensor, new)
        return
    root = root_of(tensor)
    members = family(root)
    _permit(root, new, members)
    while tensor is not root:
        base, primitive, options = tensor._view
        if primitive.put is None:
            raise ValueError(f"in-place operation: a view by {primitive.name} is read-only; write into a copy() of it")
        new, tensor = primitive.put(base, new, **options), base
    before = root._held
    _become(root, new)
    if before.__class__ is root._held.__class__ is ndarray:
        root._held = _laid_out(root._held, before)
    for view in members[1:]:
        base, primitive, options = view._view
        _become(view, primitive.apply(base, **options))


def _permit(root: Any, new: Any, members: Any) -> None:
    """RuntimeError for what must not be written, or written into."""
    if modes.recording:
        for member in members:
            if member._node is not None and member._node.primitive is None:
                what = "a leaf" if len(members) == 1 else "a leaf, or a view of one,"
                raise RuntimeError(
                    f"in-place operation on {what} that requires a gradient: use no_grad() to update it, or x = x + ..."
                )
    if modes.depth:
        level = level_of(new)
        if level and getattr(root, "_scope", math.inf) > modes.scopes[(level - 1) // 2]:
            raise RuntimeError(
                "in-place operation: a value that a transform (grad, jvp, vmap, ...) traces cannot be written into a "
                f"tensor of shape {root.shape} that was made outside of it; make the tensor inside, or return the value"
            )


def _become(tensor: Any, new: Any) -> None:
    """Take over the value of another tensor and, where that is recorded, its node."""
    if modes.recording:
        retained, tensor._node = tensor.retains_grad, new._node
        if retained:
            tensor.retain_grad()
    elif tensor._node is not None and tensor._node.value is not None:
        tensor._node.value = new._held
    tensor._held = new._held


def _laid_out(array: Any, like: Any) -> Any:
    """An array in the order in memory of another one, so that the same operations give views of it."""
    if array.base is None and array.strides == like.strides and array.flags.writeable:
        return array
    out = np.empty_like(like)
    out[...] = array
    return out


def alone(root: Any) -> bool:
    """Whether nobody but the family of a root holds its memory."""
    members = family(root) if hasattr(root, "_views") else [root]
    held = [id(array) for member in members for array in (member._held, member._held.base)]
    if not root._held.flags.writeable or any(_holders(m) != held.count(id(m._held)) for m in members):
        return False
    if root._held.base is None:
        return True
    return root._held.base.__class__ is ndarray and memory.holders(root._held) == held.count(id(root._held.base))


def _holders(tensor: Any) -> int:
    """How many hold the array of a tensor."""
    return sys.getrefcount(tensor._held) - 1  # what is given


def retaken(root: Any, array: Any) -> None:
    """Let a family hold another array of the same values, and views of it."""
    root._held = array
    for view in family(root)[1:]:
        base, primitive, options = view._view
        view._held = primitive.function(base._held, **options)


def writable(tensor: Any) -> Any:
    """The array of a tensor, to be written into in the sight of its family alone, which is in other memory now if
    anybody else held the old."""
    root = root_of(tensor)
    if not alone(root):
        retaken(root, np.array(root._held))
    return tensor._held


def seen(tensor: Any, array: Any) -> Any:
    """The part, or form, of an array in the place of the root's that a tensor is of its root's."""
    steps = []
    while (view := getattr(tensor, "_view", None)) is not None:
        tensor, primitive, options = view
        steps.append((primitive, options))
    for primitive, options in reversed(steps):
        array = primitive.function(array, **options)
    return array
