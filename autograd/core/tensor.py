"""Tensor: an array and, if a gradient may be asked of it, the node of the graph that made it."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from operator import attrgetter
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np

from ..runtime.libraries import is_foreign
from .aliasing import is_lent, lent
from .devices import device_of, kept, named_device
from .devices import on_cpu as on_cpu
from .dtypes import by_default, differentiable, masked_arrays, python
from .graph import LAST, Node, mode, modes
from .registry import Registry
from .text import described, formatted
from .tracing import Tracer, assigned, detached, noticed, raw
from .types import Array, ArrayLike, DTypeLike, Values
from .views import leave, related, write

if TYPE_CHECKING:
    from .declarations import Operations

    _Operations = Operations["Tensor"]
else:
    _Operations = object

registry = Registry()
_DEEPEST = 64  # axes that an array can have
_NUMBERS = frozenset((bool, int, float, complex, np.float64, np.float32, np.int64, np.bool_))
UNMASKED = frozenset((*_NUMBERS, np.ndarray, str, type, slice, type(Ellipsis), type(None)))


def as_data(data: Any, dtype: DTypeLike | None = None, copy: bool | None = None) -> Values:
    """A numeric array of `data`; a 0-d one as a NumPy scalar, whose arithmetic is several times faster."""
    if data.__class__ not in UNMASKED:
        if isinstance(data, Tensor):
            data = raw(data)
        if is_foreign(data.__class__):
            return kept(data, dtype, copy)
        unmasked(data)
    array = np.array(data, dtype=dtype, copy=copy)
    if array.dtype.kind not in "biufc":
        raise TypeError(f"Tensor: dtype {array.dtype} is not numeric (bool, integer, float or complex)")
    if modes.floats is not None and dtype is None and python(data):
        array = by_default(array)
    return array if array.ndim else array[()]


def unmasked(data: Any) -> None:
    """TypeError for a masked array with masked entries, which would become ordinary numbers, also in nested lists."""
    if data.__class__ in UNMASKED:
        return
    if isinstance(data, (list, tuple)):
        holds_tensors(data)
    elif isinstance(data, masked_arrays()) and np.ma.is_masked(data):
        raise TypeError("Tensor: a masked array would lose its mask; give its filled(), or where(mask, ..., ...)")


def holds_tensors(x: Any, around: tuple[int, ...] = ()) -> TypeGuard[Sequence[Any]]:
    """Whether a nested list or tuple holds Tensors; ValueError where that has no end, which NumPy would look for."""
    if not isinstance(x, (list, tuple)):
        return False
    if id(x) in around or len(around) > _DEEPEST:
        raise ValueError(f"Tensor: a {type(x).__name__} is a part of itself, or inside more than {_DEEPEST} others")
    kinds = set(map(type, x))
    if kinds <= _NUMBERS:
        return False
    if any(issubclass(kind, masked_arrays()) for kind in kinds):
        for part in x:
            unmasked(part)
    if not any(issubclass(kind, (list, tuple)) for kind in kinds):
        return any(issubclass(kind, Tensor) for kind in kinds)
    inside = (*around, id(x))
    return any([isinstance(part, Tensor) or holds_tensors(part, inside) for part in x])  # all are looked into


class Tensor(_Operations):
    """An array that records what is computed from it, so that gradients can be asked of it.

    `data` is copied: anything that `np.array` takes, numeric, or a Tensor (whose graph is left behind).
    With `requires_grad` it becomes a leaf whose `.grad` is filled by `backward`; TypeError for integers
    and bools. A 0-d result is held as a NumPy scalar.

    >>> x = Tensor([1.0, 2.0], requires_grad=True)
    >>> (x * x).sum().backward()
    >>> x.grad
    Tensor([2., 4.])
    """

    __slots__ = ("_held", "_node", "_view", "_views", "_scope", "__weakref__")
    _held: Any
    _node: Node | None
    _view: tuple[Any, ...] | None  # a view's base, and the operation and the options that took it (see views.py)
    _views: weakref.ref[Tensor] | list[weakref.ref[Tensor]] | None  # a base's, the only one or several
    _scope: int  # of what is made inside a transform: the number of that (see `modes.scopes`)

    def __init__(self, data: ArrayLike, requires_grad: bool = False, dtype: DTypeLike | None = None) -> None:
        if requires_grad.__class__ is not bool and not isinstance(requires_grad, np.bool):
            raise TypeError(
                f"Tensor: requires_grad is True or False, not {requires_grad!r}; write Tensor([...]) for several "
                "numbers, zeros(shape) for a shape, dtype=... for a dtype"
            )
        self._held = as_data(data, dtype, copy=True)
        self._node = self._view = self._views = None
        if modes.depth:
            self._scope = modes.scopes[-1]
        if requires_grad:
            self.requires_grad = True

    @property
    def data(self) -> Array:
        """The values: a NumPy array, or a NumPy scalar where `ndim` is 0.

        What is written into the array is written into this tensor, and so into its views and its base, but not into
        what was computed from it before. Assigned, it is copied: values of the same shape and dtype are seen by views
        and base, too; with others this tensor parts from them, and they keep what they have.
        """
        if noticed(self)._held.__class__ is np.ndarray:
            return lent(self)
        if is_foreign(self._held.__class__):
            return self._held
        return self._held.data if isinstance(self._held, Tensor) else raw(self).copy()

    @data.setter
    def data(self, values: Any) -> None:
        if is_lent(values, self._held) or assigned(self, values):
            return
        values, old = as_data(values, copy=True), self._node
        if related(self):
            if (values.shape, values.dtype) == (self.shape, self.dtype):
                with mode(recording=False):
                    write(self, wrap(values))
                values = self._held
            else:
                leave(self)
        if old is not None:
            differentiable(values.dtype)
            if old.primitive is None and (values.shape, values.dtype) == (old.shape, old.dtype):
                old.value = None if isinstance(values, np.ndarray) else values
            else:
                self._node = Node.at(old.level, None, (), values)
                self._node.grad, self._node.hooks = old.grad, old.hooks
        self._held = values

    @property
    def requires_grad(self) -> bool:
        """Whether operations on this tensor are recorded; a leaf that stops requiring a gradient forgets its `grad`."""
        return self._node is not None

    @requires_grad.setter
    def requires_grad(self, flag: bool) -> None:
        if not flag:
            if not self.is_leaf:
                raise RuntimeError("requires_grad: an operation made this tensor; detach() or detach_() it instead")
            self._node = None
        elif noticed(self)._node is None:
            differentiable(self._held.dtype)
            if isinstance(self._held, Tracer):
                self._held = wrap(self._held)
            self._node = Node.at(2 * modes.depth, None, (), self._held)

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Set `requires_grad` and return the tensor itself."""
        self.requires_grad = requires_grad
        return self

    @property
    def is_leaf(self) -> bool:
        """Whether no recorded operation made this tensor."""
        return (node := noticed(self)._node) is None or node.primitive is None

    @property
    def grad(self) -> Tensor | None:
        """The gradient that `backward` has accumulated, or None: for what is no leaf only after `retain_grad`."""
        return None if (node := noticed(self)._node) is None else node.grad

    @grad.setter
    def grad(self, value: ArrayLike | None) -> None:
        if noticed(self)._node is None and value is None:
            return
        if self._node is None:
            raise RuntimeError("grad: this tensor does not require a gradient")
        if value is not None:
            value = value if isinstance(value, Tensor) else Tensor(value)
            if value.shape != self.shape:
                raise ValueError(f"grad: shape {value.shape} given for a tensor of shape {self.shape}")
        self._node.grad = value

    @property
    def device(self) -> str:
        """Where the values are: "cpu" for NumPy's arrays, "cuda" for those of CuPy."""
        return device_of(raw(self))

    def detach(self) -> Tensor:
        """The same values without the graph, as a tensor of its own: neither sees what is written into the other."""
        return wrap(detached(self))

    def detach_(self) -> Tensor:
        """Leave the graph, and return the tensor itself."""
        self._held, self._node = detached(self), None
        return self

    @property
    def retains_grad(self) -> bool:
        """Whether `retain_grad` was called for this tensor, which is no leaf."""
        return not self.is_leaf and self._node.hooks is not None and LAST in self._node.hooks  # type: ignore[union-attr]

    def numpy(self) -> Array:
        """The values as a NumPy array, as `data` gives them, whether or not a gradient is required."""
        return np.asarray(self.data)

    def item(self, *index: int) -> Any:
        """The one value (or the one at `index`) as a Python number; ValueError if there are more."""
        return raw(self).item(*index)

    def _assign(self, new: Any) -> Tensor:
        """Become `new`, in place: what was recorded with the old value keeps it."""
        new = new if isinstance(new, Tensor) else wrap(new)
        before, after = self._held, new._held
        if after.shape != before.shape:
            raise ValueError(f"in-place operation: result of shape {after.shape} does not fit shape {before.shape}")
        if after.dtype is not before.dtype and after.dtype != before.dtype:
            if not np.can_cast(after.dtype, before.dtype, "same_kind"):
                raise TypeError(f"in-place operation: cannot cast the result from {after.dtype} to {before.dtype}")
            new = new.astype(before.dtype)
        write(self, new)
        return self

    __array_priority__ = 1000.0

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> Array:
        values = raw(self)
        if _would_end(self):
            raise TypeError(
                "a Tensor that requires a gradient would lose it in a NumPy array: "
                "use .detach() or .numpy() for its values, or stack() for a list of Tensors"
            )
        return np.array(values if copy else self.data, dtype=dtype, copy=copy)

    def __array_namespace__(self, *, api_version: str | None = None) -> ModuleType:
        """The package, as the Python array API standard's namespace; ValueError for a revision that it is not."""
        if api_version not in (None, "2021.12", "2022.12", "2023.12", "2024.12", "2025.12"):
            raise ValueError(f"there is no revision {api_version!r} of the array API here; the newest is 2025.12")
        return import_module(__package__.partition(".")[0])

    def __dlpack__(
        self,
        *,
        stream: None = None,
        max_version: tuple[int, int] | None = None,
        dl_device: tuple[int, int] | None = None,
        copy: bool | None = None,
    ) -> Any:
        """The values for another library to share, through DLPack; TypeError if a gradient would be lost.

        What runs backwards through memory is copied, unless `copy=False`: PyTorch would abort the process.
        """
        array = self.__array__()
        if copy is None and any(step < 0 for step in array.strides):
            array = array.copy()
        return array.__dlpack__(stream=stream, max_version=max_version, dl_device=dl_device, copy=copy)

    def __dlpack_device__(self) -> tuple[int, int]:
        return np.asarray(raw(self)).__dlpack_device__()

    def to_device(self, device: str, /, *, stream: None = None) -> Tensor:
        """The same values on a device, "cpu" or "cuda" (with CuPy): the tensor itself where they are there already.

        Its gradient comes back to here. ValueError for another device, ImportError where its library is missing.
        """
        found = named_device(device)
        return self if found == self.device else registry["to_device"].apply(self, device=found, source=self.device)

    def __repr__(self) -> str:
        return described(self)

    def __format__(self, spec: str) -> str:
        return formatted(self, spec)

    def __len__(self) -> int:
        if not self.ndim:
            raise TypeError("len() of a 0-d Tensor")
        return self.shape[0]

    def __iter__(self) -> Iterator[Tensor]:
        if not self.ndim:
            raise TypeError(f"iteration over a 0-d Tensor, {raw(self)}")
        return (self[i] for i in range(len(self)))

    def __bool__(self) -> bool:
        return bool(raw(self))

    def _number(self, kind: str) -> Any:
        """The value, for a number of that kind."""
        if self.ndim:
            raise TypeError(f"only a 0-d Tensor is a number, not one of shape {self.shape}; see item()")
        value = raw(self).item()
        if _would_end(self):
            raise TypeError(
                f"{kind}() of a Tensor of which a gradient may be asked would lose it (NumPy and math call it where "
                "they want a number): use .item() for the value, or stack() for an array of Tensors"
            )
        return value

    def __int__(self) -> int:
        return int(self._number("int"))

    def __float__(self) -> float:
        return float(self._number("float"))

    def __complex__(self) -> complex:
        return complex(self._number("complex"))

    def __index__(self) -> int:
        return np.asarray(raw(self)).__index__()

    def __contains__(self, value: object) -> bool:
        return bool(np.any(raw(self) == (raw(value) if isinstance(value, Tensor) else value)))

    __hash__ = object.__hash__

    def __copy__(self) -> Tensor:
        if not self.is_leaf:
            return wrap(self._held, self._node)
        return _rebuild(type(self), raw(self), self.requires_grad, self.grad)

    def __reduce__(self) -> tuple[object, ...]:
        if not self.is_leaf:
            raise TypeError("only a leaf can be pickled or deep-copied: the graph stays here (detach() it first)")
        return _rebuild, (type(self), self.data, self.requires_grad, self.grad)  # a pickle may give the memory itself


for _name, _doc in {
    "shape": "The lengths of the axes, a tuple.",
    "dtype": "The NumPy dtype of the entries.",
    "ndim": "The number of axes.",
    "size": "The number of entries.",
}.items():
    setattr(Tensor, _name, property(attrgetter(f"_held.{_name}"), doc=_doc))

functions: dict[Any, Callable[..., Any]] = {}  # NumPy's functions and ufuncs -> what runs them on Tensors
strategies: dict[Any, Callable[[Any], Any]] = {}  # some of them -> how tests draw what they are called with


def plain(x: Tensor) -> Any:
    """The array of a Tensor of which no transform or graph knows, or else the same as a Tensor."""
    return wrap(x._held, x._node) if carried(x) else x._held


def carried(x: Any) -> bool:
    """Whether a derivative may be asked of what is computed from a value."""
    return isinstance(noticed(x), Tensor) and (x._node is not None or isinstance(x._held, Tracer))


def _would_end(x: Any) -> bool:
    """Whether a derivative that may be asked now would end in what is made of a value's array or number."""
    if not carried(x) or modes.recording:
        return carried(x)
    while isinstance(x, Tensor):
        x = x._held
    return isinstance(x, Tracer)  # of which `no_grad` is no matter


def bare(data: object) -> Tensor:
    """A Tensor of an array as it is, not copied, that no transform around is to know of."""
    tensor = _new(Tensor)
    tensor._held = data
    tensor._node = tensor._view = tensor._views = None
    return tensor


def wrap(data: object, node: Node | None = None) -> Tensor:
    """A Tensor of an array as it is, not copied."""
    tensor = _new(Tensor)
    tensor._held = data
    tensor._node = node
    tensor._view = tensor._views = None
    if modes.depth:
        tensor._scope = modes.scopes[-1]
    return tensor


_new = Tensor.__new__


def _rebuild(cls: type[Tensor], data: Any, requires_grad: bool, grad: Tensor | None) -> Tensor:
    tensor = cls.__new__(cls)
    if isinstance(data, np.ndarray) and data.base is not None:  # a pickle's buffer, into which others may write
        data = data.copy("K")
    tensor._held, tensor._node, tensor._view, tensor._views = data, None, None, None
    if modes.depth:
        tensor._scope = modes.scopes[-1]
    tensor.requires_grad, tensor.grad = requires_grad, grad
    return tensor
