"""Views: tensors that are a part or another form of one that they are taken from, their base, as NumPy's are.

A view knows its base and the operation that took it, and a base knows its living views, weakly. A write to a tensor is
a write to the base at the root of all: `put`, which each operation that takes views has, says what the base becomes,
and then the living views are taken anew, by operations that are recorded like all others. Reading checks nothing.

The arrays of a family, a root and its living views, lie in one memory, so that what is written there, by an optimizer
or by the outside (see aliasing.py), is seen by all of them.
"""

from __future__ import annotations

import math
import threading
from sys import getrefcount
from types import NoneType
from typing import Any
from weakref import ref

import numpy as np
from numpy import ndarray

from ..runtime import memory
from ..runtime.libraries import in_library, is_foreign
from .graph import modes
from .tracing import Tracer, example, level_of, noticed

_FEW = 1 << 4  # views that a base knows of before it forgets those that are gone
_forgetting = threading.Lock()


def shares(out: Any, x: Any) -> bool:
    """Whether a result of a function of an array lies in the memory of that."""
    if out.__class__ is not ndarray:
        return False
    base = out.base
    return out is x or base is not None and (base is x or base is x.base)


def shares_one(primitive: Any, x: Any, options: dict[str, Any]) -> bool:
    """Whether NumPy gives a view of `x`, or of one example where it stands for a batch."""
    array = example(x)
    if is_foreign(array.__class__):
        return laid_out_alike(primitive, array, options)
    return shares(primitive.function(array, **options), array)


def laid_out_alike(primitive: Any, array: Any, options: dict[str, Any]) -> bool:
    """Whether NumPy gives a view of an array in the place of another library's."""
    if any(is_foreign(part.__class__) for option in options.values() for part in _parts(option)):
        return False
    order = sorted(range(array.ndim), key=lambda axis: -abs(array.strides[axis]))
    example = np.empty([array.shape[axis] for axis in order], array.dtype)
    example = example.transpose([order.index(axis) for axis in range(array.ndim)])
    return shares(primitive.function(example, **options), example)


def _parts(option: Any) -> Any:
    return option if option.__class__ in (tuple, list) else (option,)


def link(view: Any, base: Any, primitive: Any, options: dict[str, Any]) -> None:
    """Make a tensor a view, taken by `primitive` from its base."""
    view._view = base, primitive, *options.values()
    more(base, ref(view))


def more(base: Any, known: Any) -> None:
    """Let a base know of one more view: the only one as it is, several in a list, from which those that are gone are
    taken now and then."""
    while (views := base._views).__class__ is not list:
        several = known if views is None else [views, known]
        if base._views is views:  # nothing is called from here on: no other thread has a turn
            base._views = several
            return
    views.append(known)
    count = len(views)
    if count > _FEW and not count & (count - 1) and _forgetting.acquire(blocking=False):
        try:
            views[:count] = [known for known in views[:count] if known() is not None]
        finally:
            _forgetting.release()


def family(root: Any) -> list[Any]:
    """A tensor and the living views of it, of these and so on, each after its base."""
    found = [root]
    if root._views is None:
        return found
    for tensor in found:
        views = tensor._views
        for known in (views,) if views.__class__ is ref else views or ():
            view = known()
            if view is not None:
                found.append(view)
    return found


def _nobody() -> None:
    """What a base knows in the place of a view that has left."""


def taken(view: Any) -> tuple[Any, Any, dict[str, Any]]:
    """The base of a view, and the operation that takes it from there."""
    base, primitive, *values = view._view
    return base, primitive, dict(zip(primitive.options, values, strict=True))


def root_of(tensor: Any) -> Any:
    """The base of the base and so on."""
    while (view := tensor._view) is not None:
        tensor = view[0]
    return tensor


def related(tensor: Any) -> bool:
    """Whether a tensor is a view, or has living ones."""
    return tensor._view is not None or len(family(tensor)) > 1


def leave(tensor: Any) -> None:
    """Cut the ties of a tensor to its base and to its views, which keep their values."""
    if tensor._view is not None:
        base = tensor._view[0]
        if base._views.__class__ is ref:
            base._views = None
        else:
            base._views[next(i for i, known in enumerate(base._views) if known() is tensor)] = _nobody
    for view in family(tensor)[1:]:
        if view._view[0] is tensor:
            view._view = None
    tensor._view = tensor._views = None


def write(tensor: Any, new: Any) -> None:
    """Let a tensor become `new`, another of its shape and dtype, and with it its base and all their views."""
    noticed(tensor)
    root = tensor if tensor._view is None else root_of(tensor)
    members = (root,) if root._views is None else family(root)
    _permit(root, new, members)
    if len(members) == 1:
        _become(root, new)
        return
    while tensor is not root:
        base, primitive, options = taken(tensor)
        if primitive.put is None:
            raise ValueError(f"in-place operation: a view by {primitive.name} is read-only; write into a copy() of it")
        new, tensor = primitive.put(base, new, **options), base
    before = root._held
    _become(root, new)
    if before.__class__ is root._held.__class__ is ndarray:
        root._held = _laid_out(root._held, before)
    for view in members[1:]:
        base, primitive, options = taken(view)
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
        writable = 0 if modes.recorder is None else modes.recorder.level + 1
        if level > writable and getattr(root, "_scope", math.inf) > modes.scopes[(level - 1) // 2]:
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
    tensor._held = new if tensor._node is not None and isinstance(new._held, Tracer) else new._held


def _laid_out(array: Any, like: Any) -> Any:
    """An array in the order in memory of another one, so that the same operations give views of it."""
    if array.base is None and array.strides == like.strides and array.flags.writeable:
        return array
    out = np.empty_like(like)
    out[...] = array
    return out


def alone(root: Any) -> bool:
    """Whether nobody but the family of a root holds its memory."""
    here = below = 1
    if root._views is not None and len(members := family(root)) > 1:
        held = [id(array) for member in members for array in (member._held, member._held.base)]
        here, below = held.count(id(root._held)), held.count(id(root._held.base))
        if any(getrefcount(view._held) - 1 != held.count(id(view._held)) for view in members[1:]):
            return False
    if getrefcount(root._held) - 1 != here or not root._held.flags.writeable:  # less what is given
        return False
    base = root._held.base.__class__
    return base is NoneType or base is ndarray and memory.holders(root._held) == below


def retaken(root: Any, array: Any) -> None:
    """Let a family hold another array of the same values, and views of it."""
    root._held = array
    for view in family(root)[1:]:
        base, primitive, options = taken(view)
        view._held = in_library(primitive.function, base._held)(base._held, **options)


def writable(tensor: Any) -> np.ndarray[Any, Any]:
    """The array of a tensor, to be written into in the sight of its family alone, which is in other memory now if
    anybody else held the old; of a number that is no view an array beside it."""
    held = tensor._held
    if is_foreign(held.__class__):
        del held
        if related(tensor) or getrefcount(tensor._held) > 2:
            retaken(root_of(tensor), root_of(tensor)._held.copy())
        return tensor._held
    if held.__class__ is not ndarray and not related(tensor):
        return np.array(held)
    single = tensor._view is None is tensor._views and held.base is None and held.flags.writeable
    if single and getrefcount(tensor._held) == 3:  # the slot, the name and the argument: as `alone`
        return held
    del held
    root = root_of(tensor)
    if not alone(root):
        retaken(root, np.array(root._held))
    return tensor._held


def seen(tensor: Any, array: Any) -> Any:
    """The part, or form, of an array in the place of the root's that a tensor is of its root's."""
    steps = []
    while tensor._view is not None:
        tensor, primitive, options = taken(tensor)
        steps.append((primitive, options))
    for primitive, options in reversed(steps):
        array = in_library(primitive.function, array)(array, **options)
    return array
