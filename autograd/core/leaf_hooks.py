"""Hooks of leaves that run when the gradient is in `grad`, while the backward pass goes on behind the graph's other
parts; and what is to run when the pass is over."""

from __future__ import annotations

import operator
import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from .accumulation import accumulate
from .graph import LAST, Node, RemovableHandle, mode, modes
from .tensor import Tensor

alive: weakref.WeakSet[LeafHooks] = weakref.WeakSet()


class LeafHooks(dict[int, Callable[[], object]]):
    """What runs last at a leaf: its cotangent is added to `grad`, and then the hooks run, the oldest first.

    While there are any of these, backward passes look for the leaves' turns.
    """

    __hash__ = object.__hash__  # type: ignore[assignment]

    def __init__(self) -> None:
        super().__init__()
        alive.add(self)

    def __call__(self, node: Node, g: Any) -> Any:
        """Return the cotangent as it is."""
        if modes.retaining and modes.ending is not None:
            accumulate(node, g)
            for key in sorted(self, reverse=True):
                self[key]()
        return g


_order = operator.attrgetter("order")


def turns(starts: Iterable[Node], wanted: set[Node] | None) -> dict[Node, list[Node]]:
    """The wanted leaves with such hooks, by the oldest node that uses them, after which their gradients are complete.

    A leaf whose oldest user will not be visited is in vain among them.
    """
    last: dict[Node, Node] = {}
    stack = list(starts)
    seen = set(stack)
    while stack:
        node = stack.pop()
        for parent, _, _ in node.edges or ():
            if parent.primitive is not None:
                if parent not in seen:
                    seen.add(parent)
                    stack.append(parent)
            elif parent.hooks and LAST in parent.hooks and (wanted is None or parent in wanted):
                last[parent] = max(last.get(parent, node), node, key=_order)
    found: dict[Node, list[Node]] = {}
    for leaf, node in last.items():
        found.setdefault(node, []).append(leaf)
    return found


@contextmanager
def ending() -> Iterator[None]:
    """A backward pass, at whose end, unless it fails, what was given to `at_end` runs."""
    calls: dict[Callable[[], object], None] = {}
    with mode(ending=calls):
        yield
    for call in calls:
        call()


def at_end(call: Callable[[], object]) -> None:
    """Call this, once, when the `backward` that runs in this thread is over, with all gradients in `grad`; for hooks.

    In other passes, such as that of `grads`, which fill no `grad`, nothing is called.
    """
    if modes.ending is not None and modes.retaining:
        modes.ending[call] = None


def register_post_accumulate_grad_hook(self: Tensor, hook: Callable[[Tensor], object]) -> RemovableHandle:
    """Call `hook` with this leaf each time that `backward` has added to its `grad`, as soon as that is complete.

    The pass goes on then, so that what the hook does with the gradient can hide behind it. Returns a handle whose
    `remove()` takes the hook away. RuntimeError for a tensor that requires no gradient, or that an operation made.

    >>> x = Tensor(2.0, requires_grad=True)
    >>> _ = x.register_post_accumulate_grad_hook(lambda leaf: print(leaf.grad))
    >>> (3 * x).backward()
    Tensor(3.)
    """
    node = self._node
    if node is None or node.primitive is not None:
        raise RuntimeError(
            "register_post_accumulate_grad_hook: this tensor is no leaf that requires a gradient; for others there is "
            "register_hook"
        )
    if node.hooks is None or LAST not in node.hooks:
        node.add_hook(LeafHooks(), LAST)
    own = weakref.ref(self)  # a node never holds its tensor
    hooks: Any = node.hooks
    return RemovableHandle(hooks[LAST], lambda: _call(hook, own()))


def _call(hook: Callable[[Tensor], object], tensor: Tensor | None) -> None:
    if tensor is not None:
        hook(tensor)


_method: Any = Tensor
_method.register_post_accumulate_grad_hook = register_post_accumulate_grad_hook
