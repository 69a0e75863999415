"""The computation graph that operations record, and the pass that pulls cotangents back through it.

A node holds its edges: for every input that requires a gradient the input's node, the rule that pulls a
cotangent back to it, and just the arrays for which that rule asked by name. Nodes never hold tensors, so
there is no reference cycle, and a graph that is dropped is freed at once.
"""

from __future__ import annotations

import io
import itertools
import math
import threading
from collections.abc import Callable, Generator, Iterable
from functools import wraps
from heapq import heapify, heappop, heappush
from typing import Any

import numpy as np
from numpy import ndarray

from ..kernels.sums import added, summed

LAST = -math.inf  # the key of a hook that runs after all others
_creation = itertools.count(0, -1)  # newest first: a heap of nodes pops in reverse order of creation


def now() -> int:
    """A number larger than the `order` of all nodes to come, and smaller than that of those that exist."""
    return next(_creation)


class _Modes(threading.local):
    """What is switched on in this thread; `special` is 0 while operations compute and record, 1 while they just
    compute, and else 2.

    `depth` counts the transforms around that put values of their own in place of arrays (see levels.py), `scopes` has
    a number for each, which falls with time, `batches` the level, the number of examples and the randomness of those
    that are a `vmap`, outermost first; `checkpoints` counts those around.
    """

    special = 0
    recording = True
    depth = 0
    scopes: tuple[int, ...] = ()
    batches: tuple[tuple[int, int, str], ...] = ()
    checkpoints = 0
    overrides: dict[Any, Any] = {}
    watchers: tuple[Any, ...] = ()  # see watching.py
    retaining = True  # whether a pass fills the `grad` of what `retain_grad` was called for


modes = _Modes()


class mode(io.IOBase):
    """A context (or decorator) inside which, in this thread, modes have other values; a function is of the present one.

    As `with` enters, it gives the level of the innermost transform's values (see levels.py).

    Modes are as before also where Ctrl-C interrupts this anywhere (see threads.py). An `__exit__` in Python could be
    interrupted before its first line; that of IOBase is in C, and so is what it calls, the `close` of a generator.
    """

    closed = True  # IOBase is not to close it once more

    def __init__(self, **settings: Any) -> None:
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

    def __call__(self, f: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(f)
        def inside(*args: Any, **kwargs: Any) -> Any:
            with mode(**self._settings):
                return f(*args, **kwargs)

        return inside


def _switched(settings: dict[str, Any]) -> Generator[None, None, None]:
    before = {name: getattr(modes, name) for name in settings}
    after = {name: to(before[name]) if callable(to) else to for name, to in settings.items()}
    own = modes.__dict__
    try:
        own |= after
        modes.special = 2 if modes.depth or modes.overrides or modes.watchers else 0 if modes.recording else 1
        yield
    finally:  # without a call
        own |= before
        modes.special = 2 if modes.depth or modes.overrides or modes.watchers else 0 if modes.recording else 1


def no_grad() -> Any:
    """Record no graph inside this context (or decorated function): results require no gradient.

    >>> from pullback import Tensor
    >>> with no_grad():
    ...     (Tensor(2.0, requires_grad=True) * 3).requires_grad
    False
    """
    return mode(recording=False)


def enable_grad() -> Any:
    """Record again inside this context (or decorated function), also within `no_grad`."""
    return mode(recording=True)


class Node:
    """A vertex of the computation graph: a leaf (no primitive) or the result of a primitive.

    `order` falls with time, `edges` holds one `(parent, rule, kept)` per input that requires a gradient
    and becomes None once backward has used it, `value` is the result if that is a NumPy scalar, `hooks`
    are functions of the node and a cotangent that give the one to take its place. A primitive with several
    outputs has a node of kind `Several`, and one on top of it for each output.
    """

    __slots__ = ("order", "primitive", "edges", "kind", "value", "shape", "dtype", "grad", "hooks", "__weakref__")
    level = 0

    def __init__(self, primitive: Any, edges: Any, out: Any) -> None:
        self.order = next(_creation)
        self.primitive = primitive
        self.edges = edges
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
    def at(cls, level: int, primitive: Any, edges: Any, out: Any) -> Node:
        """A node of the graph at some level (see levels.py)."""
        if not level:
            return cls(primitive, edges, out)
        node = RaisedNode(primitive, edges, out)
        node.level = level
        return node


class RaisedNode(Node):
    """A node above level 0: what was kept for its rules may be Tensors of lower levels."""

    __slots__ = ("level",)


class RemovableHandle:
    """What registers a hook returns; `remove()` takes the hook away again."""

    def __init__(self, hooks: dict[Any, Any], hook: Callable[..., Any], key: float | None = None) -> None:
        self._hooks, self._key = hooks, next(_creation) if key is None else key
        hooks[self._key] = hook

    def remove(self) -> None:
        self._hooks.pop(self._key, None)


class Several(tuple[Any, ...]):
    """The cotangents of a primitive's several outputs, None where none has arrived."""

    shape = dtype = None
    found: dict[int, Any] | None = None  # what a segment found for these (see segments.py)

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

    def rewrap(self, node: Node, kept: Any, parents: Any) -> tuple[()]:
        return ()


class Shortcut:
    """What stands for a rule where several operations were one pass: quicker together, not to be told apart by a plain
    pass. `restored(*kept)` is what the rule itself would have kept.
    """

    def __init__(self, rule: Any, function: Callable[..., Any], restored: Callable[..., tuple[Any, ...]]) -> None:
        self.rule, self.function, self.restored = rule, function, restored
        self.primitive, self.position = rule.primitive, rule.position

    def __repr__(self) -> str:
        return repr(self.rule)


class Deferred:
    """A cotangent that is made when its node's turn comes, from its own term and those of all that are added to it.

    `make(terms)` is their sum: many small parts of one large array cost no large array each.
    """

    def __init__(self, make: Callable[[list[Any]], Any], term: Any, like: Any, shape: tuple[int, ...]) -> None:
        self.make, self.terms, self.rest = make, [term], None
        self.shape, self.dtype = shape, like.dtype

    def __add__(self, other: Any) -> Deferred:
        if other.__class__ is Deferred and other.make is self.make:
            if len(other.terms) > len(self.terms):
                self, other = other, self
            self.terms += other.terms
            other = other.rest
        if other is not None:
            other = made(other)
            self.rest = other if self.rest is None else self.rest + other
        return self


def made(g: Any) -> Any:
    """A cotangent as it is, or made if it is `Deferred`."""
    if g.__class__ is not Deferred:
        return g
    total = g.make(g.terms)
    return total if g.rest is None else g.rest + total


def pull(
    seeds: Iterable[tuple[Node, Any]],
    wanted: set[Node] | None,
    *,
    retain_graph: bool,
    create_graph: bool,
    through: bool = True,
) -> dict[Node, Any]:
    """Pull cotangents from the seeds back to the `wanted` nodes (None: all leaves); the heart of backward.

    Visits each node once, newest first, so that a node's cotangent is complete when its turn comes, and none
    that cannot lead to what is wanted.
    Cotangents are plain arrays, or Tensors with `create_graph`, when what the rules do with them and with
    what was kept is recorded in turn. Without `through` the pass stops at what is wanted, hooks and all. Returns the
    cotangents by node.
    """
    if create_graph and not modes.recording:
        with mode(recording=True):
            return pull(seeds, wanted, retain_graph=retain_graph, create_graph=True, through=through)
    pending: dict[Node, Any] = {}  # what has arrived at nodes whose turn has not come
    found: dict[Node, Any] = {}
    for node, g in seeds:
        pending[node] = pending[node] + g if node in pending else g
    heap = [(node.order, node) for node in pending if node.primitive is not None]
    oldest = max((node.order for node in wanted), default=-math.inf) if wanted is not None else 0
    heapify(heap)
    overrides, watchers = modes.overrides, modes.watchers
    plain = not (create_graph or overrides or watchers)
    while heap:
        node = heappop(heap)[1]
        g = pending.pop(node)
        if g.__class__ is Deferred:
            g = made(g)
        if not through and wanted is not None and node in wanted:
            found[node] = g
            continue
        if node.hooks is not None:
            g = _hooked(node, g)
        if wanted is not None and node in wanted:
            found[node] = g
        edges = node.edges
        if edges is None:
            raise RuntimeError(
                f"backward: the graph behind {node!r} was freed by an earlier backward; "
                "pass retain_graph=True to that one"
            )
        parents = {rule.position: parent for parent, rule, _ in edges} if create_graph else None
        for parent, rule, kept in edges:
            if parent.order > oldest:
                continue  # it is older than all that is wanted, and cannot lead there
            if not plain:
                if rule.__class__ is Shortcut:
                    rule, kept = rule.rule, rule.restored(*kept)
                if rule.key in overrides:
                    rule, kept = overrides[rule.key].standing_in(rule, kept)
                if create_graph:
                    kept = rule.rewrap(node, kept, parents)
                for watcher in watchers:
                    rule = watcher.rule(rule, node, parent)
            c = rule.function(g, *kept)
            if c.__class__ is not parent.kind or c.shape != parent.shape or c.dtype is not parent.dtype:
                c = fit(c, parent, rule)
            if parent in pending:
                pending[parent] = c + pending[parent] if c.__class__ is Deferred else pending[parent] + c
            else:
                pending[parent] = c
                if parent.primitive is not None:
                    heappush(heap, (parent.order, parent))
        if not retain_graph:
            node.edges = None
    for leaf, g in pending.items():
        if wanted is None or leaf in wanted:
            if g.__class__ is Deferred:
                g = made(g)
            found[leaf] = g = g if leaf.hooks is None or not through else _hooked(leaf, g)
            for watcher in watchers:
                watcher.arrived(leaf, g)
    return found


def _hooked(node: Node, g: Any) -> Any:
    """A cotangent after the hooks of the node at which it has arrived, oldest first."""
    hooks = dict(node.hooks or {})
    for key in sorted(hooks, reverse=True):
        g = hooks[key](node, g)
    return g


def fit(c: Any, node: Node, rule: Any) -> Any:
    """A cotangent in its node's own shape and dtype: what broadcasting spread is summed, here and nowhere else."""
    if c.__class__ is Deferred:
        return c
    if c.shape != node.shape:
        given, lead = c.shape, c.ndim - len(node.shape)
        if lead > 0:
            c = added(c, 0) if lead == 1 else summed(c, tuple(range(lead)))
        if c.shape != node.shape:
            stretched = tuple([i for i, (n, m) in enumerate(zip(node.shape, c.shape, strict=False)) if n == 1 != m])
            c = summed(c, stretched, True)
        if c.shape != node.shape:
            raise ValueError(f"{rule!r} returned a cotangent of shape {given} for an input of shape {node.shape}")
    if c.dtype != node.dtype:
        if c.dtype.kind == "c" and node.dtype.kind != "c":
            c = np.real(c)
        c = c.astype(node.dtype)
    if node.value is not None and isinstance(c, np.ndarray):
        c = c[()]
    return c
