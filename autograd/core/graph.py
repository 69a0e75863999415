"""The computation graph that operations record, and the modes in which a thread's operations run.

A node holds its edges: for every input that requires a gradient the input's node, the rule that pulls a
cotangent back to it, and just the arrays for which that rule asked by name. Nodes never hold tensors, so
there is no reference cycle, and a graph that is dropped is freed at once.
"""

from __future__ import annotations

import io
import itertools
import math
import threading
from collections.abc import Callable, Generator, MutableMapping, Sequence
from enum import IntEnum
from functools import wraps
from typing import Any, ParamSpec, Protocol, TypeVar

import numpy as np
from numpy import ndarray
from numpy.typing import DTypeLike

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")
Hook = TypeVar("Hook")
LAST = -math.inf  # the key of a hook that runs after all others
_creation = itertools.count(0, -1)  # newest first: a heap of nodes pops in reverse order of creation


def now() -> int:
    """A number larger than the `order` of all nodes to come, and smaller than that of those that exist."""
    return next(_creation)


class Dispatch(IntEnum):
    """What a call of a primitive does in the present modes."""

    RECORD = 0  # compute, and record where an argument requires a gradient
    COMPUTE = 1
    TRANSFORM = 2  # ask all modes: the general path, for transforms, overrides and observers


RECORD, COMPUTE, TRANSFORM = Dispatch


class _Modes(threading.local):
    """What is switched on in this thread; `dispatch` is what follows from it for a call of a primitive.

    `depth` counts the transforms around that put values of their own in place of arrays (see tracing.py), `scopes` has
    a number for each, which falls with time, `batches` the level, the number of examples and the randomness of those
    that are a `vmap`, outermost first; `checkpoints` counts those around; `recorder` writes down the operations of the
    innermost `program`; `floats` is the default dtype, if one was set.
    """

    dispatch = RECORD
    recording = True
    depth = 0
    scopes: tuple[int, ...] = ()
    batches: tuple[tuple[int, int, str], ...] = ()
    checkpoints = 0
    recorder: Any = None
    floats: Any = None
    overrides: dict[Any, BackwardRule] = {}  # by the key of the rule that they stand in for
    observers: tuple[Any, ...] = ()  # see observers.py
    ending: dict[Callable[[], object], None] | None = None  # what runs after the backward pass (see leaf_hooks.py)
    elsewhere = False  # whether arrays of other libraries were met (see `elsewhere`): all goes the general path
    retaining = True  # whether a pass fills the `grad` of what `retain_grad` was called for


modes = _Modes()


class mode(io.IOBase):
    """A context (or decorator) inside which, in this thread, modes have other values; a function is of the present one.

    As `with` enters, it gives the level of the innermost transform's values (see tracing.py).

    Modes are as before also where Ctrl-C interrupts this anywhere (see threads.py). An `__exit__` in Python could be
    interrupted before its first line; that of IOBase is in C, and so is what it calls, the `close` of a generator.
    """

    closed = True  # IOBase is not to close it once more

    def __init__(self, **settings: object) -> None:
        self._settings = settings

    def __enter__(self) -> Any:
        if "close" in self.__dict__:
            raise RuntimeError("a context that switches modes was entered a second time; make one for each `with`")
        switched = _switched(self._settings)
        try:
            next(switched)
        except BaseException:
            switched.close()
            raise
        self.close = switched.close  # type: ignore[method-assign]
        return 2 * modes.depth - 1

    def __call__(self, f: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
        @wraps(f)
        def inside(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
            with mode(**self._settings):
                return f(*args, **kwargs)

        return inside


def _switched(settings: dict[str, Any]) -> Generator[None, None, None]:
    before = {name: getattr(modes, name) for name in settings}
    after = {name: to(before[name]) if callable(to) else to for name, to in settings.items()}
    own = modes.__dict__
    try:
        own |= after
        through = modes.depth or modes.overrides or modes.observers or modes.elsewhere
        modes.dispatch = TRANSFORM if through else RECORD if modes.recording else COMPUTE
        yield
    finally:  # without a call
        own |= before
        through = modes.depth or modes.overrides or modes.observers or modes.elsewhere
        modes.dispatch = TRANSFORM if through else RECORD if modes.recording else COMPUTE


def elsewhere() -> None:
    """From now on, in all threads, arrays may be those of another library: no call takes the quick path of NumPy's."""
    _Modes.elsewhere, _Modes.dispatch = True, TRANSFORM
    modes.__dict__.pop("elsewhere", None)
    modes.dispatch = TRANSFORM


def no_grad() -> mode:
    """Record no graph inside this context (or decorated function): results require no gradient.

    >>> from pullback import Tensor
    >>> with no_grad():
    ...     (Tensor(2.0, requires_grad=True) * 3).requires_grad
    False
    """
    return mode(recording=False)


def enable_grad() -> mode:
    """Record again inside this context (or decorated function), also within `no_grad`."""
    return mode(recording=True)


def default_dtype(dtype: DTypeLike) -> mode:
    """Make numbers `dtype`, a float type, where nobody says of which they are: a context, or a decorator.

    That is what creation functions make of shapes and of Python's numbers, `Tensor([1.0])`, random numbers, and the
    parameters of new modules. Without it these are float64, and parameters float32. TypeError for no float type.

    >>> import pullback as pb
    >>> with default_dtype("float32"):
    ...     pb.zeros(3).dtype
    dtype('float32')
    """
    return mode(floats=_float_type(dtype, "default_dtype"))


def set_default_dtype(dtype: DTypeLike | None) -> None:
    """Do what `default_dtype` does from now on; None takes it back. TypeError for no float type."""
    _Modes.floats = modes.floats = None if dtype is None else _float_type(dtype, "set_default_dtype")


def get_default_dtype() -> np.dtype[Any]:
    """Return the dtype of numbers of which nobody says it: float64, unless another was set."""
    return modes.floats or np.dtype(np.float64)


def _float_type(dtype: DTypeLike, caller: str) -> np.dtype[Any]:
    found: np.dtype[Any] = np.dtype(dtype)
    if found.kind != "f":
        raise TypeError(f"{caller}: {dtype!r} is not a float type")
    return found


class BackwardRule(Protocol):
    """What the backward pass needs of a rule: how a cotangent of a node comes back to one of its inputs.

    `key` is what an override names it by, `position` which of the primitive's arrays it is for.
    """

    @property
    def primitive(self) -> Any: ...

    @property
    def position(self) -> int: ...

    @property
    def key(self) -> tuple[Any, int]: ...

    @property
    def function(self) -> Callable[..., Any]:
        """The cotangent of the input, of that of the node and what was saved: `function(g, *saved)`."""

    def rewrap(self, node: Node, saved: Any, parents: dict[int, Node]) -> Sequence[Any]:
        """What was saved, as Tensors of the graph again: for rules that are to be differentiated themselves.

        `parents` are the node's, by the position of the array that they are for.
        """

    def standing_in(self, recorded: BackwardRule, saved: Any) -> tuple[BackwardRule, Any]:
        """The rule that runs in place of the `recorded` one where not all is plain, and what it takes of what that
        saved; of most rules themselves, of an override's what it asks for."""


Edge = tuple["Node", BackwardRule, Any]  # an input's node, the rule that leads there, what was saved for it


class Node:
    """A vertex of the computation graph: a leaf (no primitive) or the result of a primitive.

    `order` falls with time, `edges` holds one `(parent, rule, saved)` per input that requires a gradient
    and becomes None once backward has used it, `value` is the result if that is a NumPy scalar, `hooks`
    are functions of the node and a cotangent that give the one to take its place. A primitive with several
    outputs has a node of kind `Several`, and one on top of it for each output.
    """

    __slots__ = ("order", "primitive", "edges", "kind", "value", "shape", "dtype", "grad", "hooks", "__weakref__")
    level = 0

    def __init__(self, primitive: Any, edges: tuple[Edge, ...], out: Any) -> None:
        self.order = next(_creation)
        self.primitive = primitive
        self.edges: tuple[Edge, ...] | None = edges
        self.kind = out.__class__
        self.shape = out.shape
        self.dtype = out.dtype
        self.value = None if self.kind is ndarray else out
        self.grad: Any = None
        self.hooks: dict[float, Callable[[Node, Any], Any]] | None = None

    def __repr__(self) -> str:
        return f"Node({self.primitive.name if self.primitive else 'leaf'}, shape={self.shape}, dtype={self.dtype})"

    def add_hook(self, hook: Callable[[Node, Any], Any], key: float | None = None) -> RemovableHandle:
        """Run `hook` on the cotangent that arrives here; after those with larger keys, which it has if it is older."""
        none: dict[float, Any] = {}
        if self.hooks is None:  # nothing is called from here on: no other thread has a turn
            self.hooks = none
        return RemovableHandle(self.hooks, hook, key)

    @classmethod
    def at(cls, level: int, primitive: Any, edges: tuple[Edge, ...], out: Any) -> Node:
        """A node of the graph at some level (see tracing.py)."""
        node: Any = cls(primitive, edges, out) if not level else RaisedNode(primitive, edges, out)
        if level:
            node.level = level
        elif not isinstance(out, np.generic):
            node.value = None
        return node


class RaisedNode(Node):
    """A node above level 0: what was saved for its rules may be Tensors of lower levels."""

    __slots__ = ("level",)


class RemovableHandle:
    """What registers a hook returns; `remove()`, or the end of `with` it, takes the hook away again."""

    def __init__(self, hooks: MutableMapping[float, Hook], hook: Hook, key: float | None = None) -> None:
        self._hooks: MutableMapping[float, Any] = hooks
        self._key = next(_creation) if key is None else key
        hooks[self._key] = hook

    def remove(self) -> None:
        self._hooks.pop(self._key, None)

    def __enter__(self) -> RemovableHandle:
        """Return self."""
        return self

    def __exit__(self, *error: object) -> None:
        """Take the hook away."""
        self.remove()


class Several(tuple[Any, ...]):
    """The cotangents of a primitive's several outputs, None where none has arrived."""

    shape = dtype = None
    found: Any = None  # by argument, where all are found at once (see transforms/segments.py)

    def __add__(self, other: Any) -> Several:
        return Several(b if a is None else a if b is None else a + b for a, b in zip(self, other, strict=True))


class Output:
    """One of a primitive's several outputs: as primitive and as rule of the node that stands for it."""

    def __init__(self, name: str, position: int, count: int) -> None:
        self.name, self.position, self.count = name, position, count
        self.arrays, self.variadic = ("outputs",), None

    @property
    def primitive(self) -> Output:
        return self

    @property
    def key(self) -> tuple[Output, int]:
        return self, 0

    def function(self, g: Any) -> Several:
        return Several(g if i == self.position else None for i in range(self.count))

    def rewrap(self, node: Node, saved: Any, parents: dict[int, Node]) -> tuple[()]:
        return ()

    def standing_in(self, recorded: BackwardRule, saved: Any) -> tuple[BackwardRule, Any]:
        return self, saved


class Shortcut:
    """What stands for a rule where several operations were one pass: quicker together, not to be told apart by a plain
    pass. `restored(*saved)` is what the rule itself would have saved.
    """

    def __init__(
        self, rule: BackwardRule, function: Callable[..., Any], restored: Callable[..., tuple[Any, ...]]
    ) -> None:
        self.rule, self.function, self.restored = rule, function, restored
        self.primitive, self.position, self.key = rule.primitive, rule.position, rule.key

    def __repr__(self) -> str:
        return repr(self.rule)

    def standing_in(self, recorded: BackwardRule, saved: Any) -> tuple[BackwardRule, Any]:
        return self.rule, self.restored(*saved)

    def rewrap(self, node: Node, saved: Any, parents: dict[int, Node]) -> Sequence[Any]:
        return self.rule.rewrap(node, self.restored(*saved), parents)
