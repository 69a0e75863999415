"""The backward pass, which pulls cotangents back through the graph, and what a Tensor has of it: `backward`, hooks."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from heapq import heapify, heappop, heappush
from typing import Any

import numpy as np
from numpy import ndarray

from ..kernels.sums import added, summed
from ..runtime.libraries import is_foreign
from ..runtime.memory import owned
from .accumulation import accumulate
from .conversion import result, seed
from .graph import LAST, BackwardRule, Node, RemovableHandle, mode, modes
from .leaf_hooks import alive, ending, turns
from .pytrees import flatten, matching
from .tensor import Tensor, as_data, bare, wrap
from .tracing import bottom


class LazySum:
    """A cotangent that is summed when its node's turn comes, of its own term and those of all that are added to it.

    `make(terms)` is their sum: many small parts of one large array cost no large array each.
    """

    def __init__(self, make: Callable[[list[Any]], Any], term: Any, like: Any, shape: tuple[int, ...]) -> None:
        self.make, self.terms, self.rest = make, [term], None
        self.shape, self.dtype = shape, like.dtype

    def __add__(self, other: Any) -> LazySum:
        if other.__class__ is LazySum and other.make is self.make:
            if len(other.terms) > len(self.terms):
                self, other = other, self
            self.terms += other.terms
            other = other.rest
        if other is not None:
            other = force(other)
            self.rest = other if self.rest is None else self.rest + other
        return self


def force(g: Any) -> Any:
    """A cotangent as it is, or summed if it is a `LazySum`."""
    if g.__class__ is not LazySum:
        return g
    total = g.make(g.terms)
    return total if g.rest is None else g.rest + total


def backward_pass(
    seeds: Iterable[tuple[Node, Any]],
    wanted: set[Node] | None,
    *,
    retain_graph: bool,
    create_graph: bool,
    through: bool = True,
) -> dict[Node, Any]:
    """Pull cotangents from the seeds back to the `wanted` nodes (None: all leaves).

    Visits each node once, newest first, so that a node's cotangent is complete when its turn comes, and none
    that cannot lead to what is wanted.
    Cotangents are plain arrays, or Tensors with `create_graph`, when what the rules do with them and with
    what was saved is recorded in turn. Without `through` the pass stops at what is wanted, hooks and all. Returns the
    cotangents by node.
    """
    if create_graph and not modes.recording:
        with mode(recording=True):
            return backward_pass(seeds, wanted, retain_graph=retain_graph, create_graph=True, through=through)
    pending: dict[Node, Any] = {}  # what has arrived at nodes whose turn has not come
    found: dict[Node, Any] = {}
    for node, g in seeds:
        pending[node] = pending[node] + g if node in pending else g
    heap = [(node.order, node) for node in pending if node.primitive is not None]
    oldest = max((node.order for node in wanted), default=-math.inf) if wanted is not None else 0
    heapify(heap)
    overrides, observers = modes.overrides, modes.observers
    plain = not (create_graph or overrides or observers)
    parents: dict[int, Node] = {}
    early = turns(pending, wanted) if alive else None

    def complete(leaf: Node, g: Any) -> None:
        if g.__class__ is LazySum:
            g = force(g)
        found[leaf] = g = g if leaf.hooks is None or not through else _hooked(leaf, g)
        for observer in observers:
            observer.arrived(leaf, g)

    while heap:
        node = heappop(heap)[1]
        g = pending.pop(node)
        if g.__class__ is LazySum:
            g = force(g)
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
        if create_graph:
            parents = {rule.position: parent for parent, rule, _ in edges}
        for parent, rule, saved in edges:
            if parent.order > oldest:
                continue  # it is older than all that is wanted, and cannot lead there
            if not plain:
                rule, saved = overrides.get(rule.key, rule).standing_in(rule, saved)
                if create_graph:
                    saved = rule.rewrap(node, saved, parents)
                for observer in observers:
                    rule = observer.rule(rule, node, parent)
            c = rule.function(g, *saved)
            if c.__class__ is not parent.kind or c.shape != parent.shape or c.dtype is not parent.dtype:
                c = unbroadcast(c, parent, rule)
            if parent in pending:
                pending[parent] = c + pending[parent] if c.__class__ is LazySum else pending[parent] + c
            else:
                pending[parent] = c
                if parent.primitive is not None:
                    heappush(heap, (parent.order, parent))
        if not retain_graph:
            node.edges = None
        if early and node in early:
            for leaf in early[node]:
                complete(leaf, pending.pop(leaf))
    for leaf, g in pending.items():
        if wanted is None or leaf in wanted:
            complete(leaf, g)
    return found


def _hooked(node: Node, g: Any) -> Any:
    """A cotangent after the hooks of the node at which it has arrived, oldest first."""
    hooks = dict(node.hooks or {})
    for key in sorted(hooks, reverse=True):
        g = hooks[key](node, g)
    return g


def unbroadcast(c: Any, node: Node, rule: BackwardRule) -> Any:
    """A cotangent in its node's own shape and dtype: what broadcasting spread is summed, here and nowhere else."""
    if c.__class__ is LazySum:
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


def backward(
    self: Tensor,
    gradient: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Tensor | Iterable[Tensor] | None = None,
) -> None:
    """Add to the `.grad` of every leaf, or of the `inputs` alone, the gradient of this tensor, weighted by `gradient`.

    `gradient` has this tensor's shape and may be left out if it has one element (then 1). The graph
    is freed as it is used unless `retain_graph`; `create_graph` records the pass itself, so that the
    gradients can be differentiated again. RuntimeError where no graph was recorded or it was freed.
    `inputs` need not be leaves, but must require a gradient; the `.grad` of one from which nothing leads here stays
    as it is, None at first. Only what lies between them and this tensor is used, and freed with the operations
    that made them.

    The gradient at a complex z = x + iy is d/dx - i d/dy, as in JAX, so that holomorphic functions keep the rules
    of the reals (d z**2 / dz is 2 z); its conjugate is the direction of steepest ascent. Of a complex result the
    real part is meant: `gradient` g weighs it by Re(g * result), in which nothing is conjugated.

    >>> x = Tensor(3.0, requires_grad=True)
    >>> (x ** 2).backward(create_graph=True)
    >>> x.grad
    Tensor(6., requires_grad=True)
    >>> z = Tensor(3 + 4j, requires_grad=True)
    >>> abs(z).backward()
    >>> z.grad
    Tensor(0.6-0.8j, dtype=complex128)
    """
    wanted = None if inputs is None else set(_nodes("backward", [inputs] if isinstance(inputs, Tensor) else inputs))
    start = seed(self, gradient, create_graph)
    retain = create_graph if retain_graph is None else retain_graph
    if not alive:
        _into_grads(start, wanted, retain, create_graph)
        return
    with ending():
        _into_grads(start, wanted, retain, create_graph)


def _into_grads(start: tuple[Node, Any], wanted: set[Node] | None, retain: bool, create_graph: bool) -> None:
    """Pull back from the start, and add what arrives to the `grad` of each leaf."""
    owners: dict[int, Node | None] = {id(start[1]): None}
    held = wrap if modes.depth else bare
    for node, g in backward_pass([start], wanted, retain_graph=retain, create_graph=create_graph).items():
        if node.hooks is not None and LAST in node.hooks:
            continue  # it has accumulated already
        if g.__class__ is ndarray and node.grad is None:
            if owners.setdefault(id(g), node) is not node or g.base is not None and not owned(g):
                g = g.copy()  # an array that another leaf was given too, or a view
            first = held(g)
            if node.grad is None:
                node.grad = first
                continue
        accumulate(node, g)


def grads(
    outputs: object,
    inputs: object,
    cotangents: object = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
) -> Any:
    """The gradients of recorded `outputs` with respect to `inputs`, in the form of these; no `.grad` is touched.

    Outputs and inputs are Tensors or nests of them (tuples, lists, dictionaries; inputs also `model.parameters()`); of
    several outputs the sum is meant. `cotangents`, in the form of the outputs, weigh them; None, for all or in the
    place of an output with one element, is 1. Inputs may be leaves or results; one that does not lead to the outputs
    has gradient 0, as in `grad` (where PyTorch's `autograd.grad` raises or gives None). As in `backward`, the graph is
    freed as it is used unless `retain_graph`, `create_graph` records the pass, and hooks run. RuntimeError where an
    output or an input does not require a gradient or the graph was freed.

    >>> x = Tensor(3.0, requires_grad=True)
    >>> first = grads(x**3, x, create_graph=True)
    >>> grads(first, x)
    Tensor(18.)
    >>> x.grad is None
    True
    """
    inputs = list(inputs) or () if isinstance(inputs, (Iterator, list)) else inputs
    results = flatten(outputs)[0]
    leaves, rebuild = flatten(inputs)
    _nodes("grads", results, "outputs")
    nodes = _nodes("grads", leaves)
    weights = [None] * len(results) if cotangents is None else matching(outputs, cotangents, "grads: cotangents")
    seeds = [seed(out, g, create_graph) for out, g in zip(results, weights, strict=True)]
    with mode(retaining=False):
        retain = create_graph if retain_graph is None else retain_graph
        found = backward_pass(seeds, set(nodes), retain_graph=retain, create_graph=create_graph)
    given = (found[node] if node in found else _zeros(x) for node, x in zip(nodes, leaves, strict=True))
    return rebuild(map(result, given))


def _zeros(x: Tensor) -> Any:
    """The gradient of what led nowhere, where its tensor is."""
    values = bottom(x)
    return np.zeros_like(values) if is_foreign(values.__class__) else np.zeros(x.shape, x.dtype)[()]


def _nodes(caller: str, tensors: Any, name: str = "inputs") -> list[Node]:
    """Those of Tensors that all require a gradient."""
    nodes = []
    for i, x in enumerate(tensors):
        if not isinstance(x, Tensor):
            raise TypeError(f"{caller}: {name}[{i}] is a {type(x).__name__}, not a Tensor")
        if x._node is None:
            raise RuntimeError(f"{caller}: {name}[{i}], of shape {x.shape}, does not require a gradient")
        nodes.append(x._node)
    if not nodes:
        raise ValueError(f"{caller}: {name} is empty" + "; leave it out for all leaves" * (caller == "backward"))
    return nodes


def register_hook(self: Tensor, hook: Callable[[Tensor], Any]) -> RemovableHandle:
    """Call `hook` with this tensor's gradient when backward reaches it; what it returns, unless None,
    replaces the gradient, in its shape and dtype. Returns a handle whose `remove()` takes the hook away.

    Several hooks run in the order in which they came, each with what those before it left. One that is added or
    removed while hooks of the tensor run is so from the next pass on.
    """
    if self._node is None:
        raise RuntimeError("register_hook: this tensor does not require a gradient")

    def on_cotangent(node: Node, g: Any) -> Any:
        lifted = isinstance(g, Tensor)
        new = hook(g if lifted else wrap(g))
        if new is None:
            return g
        new = new if isinstance(new, Tensor) else wrap(as_data(new))
        if new.shape != g.shape:
            raise ValueError(f"hook: returned shape {new.shape} for a gradient of shape {g.shape}")
        if new.dtype != g.dtype:
            if not np.can_cast(new.dtype, g.dtype, "same_kind"):
                raise TypeError(f"hook: returned dtype {new.dtype} for a gradient of dtype {g.dtype}")
            new = new.astype(g.dtype)
        return new if lifted else new._held

    return self._node.add_hook(on_cotangent)


def retain_grad(self: Tensor) -> None:
    """Let `backward` fill `grad` here, too, though this is no leaf: with what the hooks, of any age, leave.

    >>> x = Tensor(3.0, requires_grad=True)
    >>> y = x * x
    >>> y.retain_grad()
    >>> (2 * y).backward()
    >>> y.grad
    Tensor(2.)
    """
    if self._node is None:
        raise RuntimeError("retain_grad: this tensor does not require a gradient")
    if not self.is_leaf:
        self._node.add_hook(_retain, LAST)


def _retain(node: Node, g: Any) -> Any:
    if modes.retaining:
        accumulate(node, g)
    return g


for _method in (backward, register_hook, retain_grad):
    setattr(Tensor, _method.__name__, _method)
