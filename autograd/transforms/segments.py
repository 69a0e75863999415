"""Parts of a computation that stand in the graph as one node: done again in the backward pass, or solved backwards.

A segment's parents are the arguments that are differentiated and all that its function reaches beside them: Tensors
that it closes over, such as the parameters of a module.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..core.backward import backward_pass
from ..core.graph import BackwardRule, Node, Output, Several
from ..core.tensor import Tensor, wrap
from ..core.tracing import bottom, is_later

__all__ = ["Place", "Segment", "beyond_of", "check_same", "is_at", "outlined", "pulled"]


class Segment:
    """What stands for a primitive in the node of a segment, one with several outputs even if there is one.

    All cotangents are found at once, by position, and lie with the cotangent for which they were found: that one is
    made anew for each visit of the node (see `Output`), so no other pass, or thread, takes them for its own.
    """

    arrays, variadic = (), "inputs"

    def __init__(self, name: str, find: Callable[..., dict[int, Any]], outputs: int) -> None:
        self.name, self.find = name, find
        self.several = tuple(map(str, range(outputs))) if outputs > 1 else ("out",)

    def cotangent(self, position: int, g: Any, *saved: Any) -> Any:
        if g.found is None:
            g.found = self.find(g, *saved)
        return g.found.pop(position)


class Place:
    """The rule by which a segment's node leads to one of its parents."""

    def __init__(self, segment: Segment, position: int) -> None:
        self.primitive, self.position, self.key = segment, position, (segment, position)

    def __repr__(self) -> str:
        return f"the rule of {self.primitive.name}"

    def function(self, g: Any, *saved: Any) -> Any:
        return self.primitive.cotangent(self.position, g, *saved)

    def standing_in(self, recorded: BackwardRule, saved: Any) -> tuple[BackwardRule, Any]:
        return self, saved

    def rewrap(self, node: Node, saved: Any, parents: dict[int, Node]) -> Any:
        inputs, outputs, _ = saved
        return tuple(wrap(x, parents[i]) for i, x in enumerate(inputs)), tuple(_tops(node, outputs)), True


def _tops(node: Node, values: Sequence[Any]) -> list[Tensor]:
    """The outputs of a segment's node, as Tensors of nodes on top of it."""
    names = node.primitive.several
    several = (Output(name, i, len(names)) for i, name in enumerate(names))
    return [wrap(v, Node.at(node.level, o, ((node, o, ()),), v)) for o, v in zip(several, values, strict=True)]


def outlined(name: str, outputs: Sequence[Tensor], parents: Sequence[Node], inputs: Any, find: Any) -> list[Tensor]:
    """The outputs, as those of one node above the parents; `find(g, inputs, outputs, create_graph)` leads to those."""
    values = tuple(out._held for out in outputs)
    segment = Segment(name, find, len(values))
    edges = tuple((parent, Place(segment, i), (inputs, values, False)) for i, parent in enumerate(parents))
    node = Node.at(parents[0].level, segment, edges, Several())
    node.value = None
    return _tops(node, values)


def beyond_of(outputs: Sequence[Tensor], start: int) -> list[Node]:
    """The nodes from before `start` to which the graph behind the outputs leads."""
    nodes: list[Any] = [out._node for out in outputs]
    seen: dict[Any, None] = dict.fromkeys(nodes)
    found: dict[Node, None] = {}
    for node in nodes:
        for parent, _, _ in node.edges or ():
            if parent.order > start:
                found[parent] = None
            elif parent not in seen:
                seen[parent] = None
                nodes.append(parent)
    return list(found)


def is_at(level: int, x: Tensor, start: float = math.inf) -> bool:
    """Whether a Tensor stands in the graph of some level, since `start`."""
    return x._node is not None and x._node.level == level and x._node.order < start


def check_same(name: str, again: Any, before: Any, scale: Any) -> None:
    """RuntimeError unless two runs of a function gave the same, up to rounding of what is as large as `scale`."""
    if is_later(again):
        return
    new, old = bottom(again), bottom(before)
    near = np.finfo(new.dtype).eps ** 0.75
    if new.shape != old.shape or not np.allclose(
        new, old, near, near * np.max(np.abs(bottom(scale)), initial=0), equal_nan=True
    ):
        raise RuntimeError(
            f"{name}: run again in the backward pass, the function gave other values than before; "
            "what it closes over must not change in between"
        )


def pulled(seeds: Any, nodes: Sequence[Any], create_graph: bool) -> dict[int, Any]:
    """The cotangents of the nodes, by position, zeros where they are not reached."""
    found = backward_pass(seeds, set(nodes), retain_graph=create_graph, create_graph=create_graph, through=False)
    return {i: found[n] if n in found else np.zeros(n.shape, n.dtype)[()] for i, n in enumerate(nodes)}
