"""Parts of a computation that stand in the graph as one node: done again in the backward pass, or solved backwards.

A segment's parents are the arguments that are differentiated and all that its function reaches beside them: Tensors
that it closes over, such as the parameters of a module.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import wraps
from typing import Any

import numpy as np

from ..core.aliasing import own
from ..core.backward import backward_pass
from ..core.graph import BackwardRule, Node, Output, Several, enable_grad, mode, modes, no_grad, now
from ..core.pytrees import flatten
from ..core.replay import surroundings
from ..core.tensor import Tensor, carried, leaf, lowered, plain, seed, wrap
from ..core.tracing import bottom
from ..ops.creation import asarray
from ..ops.elementwise import positive
from ..ops.shape import matrix_transpose, ravel, reshape
from .derivatives import jacobian, vjp

__all__ = ["checkpoint", "fixed_point", "implicit", "linear_solve"]


_DEEPEST = 50  # checkpoints inside one another: the backward passes through them are, too; others just run


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


class _Limit:
    """A context for the outermost of checkpoints inside one another: says what a RecursionError in it comes from."""

    def __init__(self, f: Callable[..., Any]) -> None:
        self.f = f

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> None:
        if isinstance(error, RecursionError):
            name, most = getattr(self.f, "__name__", "the function"), sys.getrecursionlimit()
            raise RecursionError(
                f"checkpoint: {name} holds calls (of checkpoints perhaps) inside one another, deeper than Python's "
                f"limit of {most}; call checkpointed parts one after the other, or raise sys.setrecursionlimit"
            ) from error


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


def _outlined(name: str, outputs: Sequence[Tensor], parents: Sequence[Node], inputs: Any, find: Any) -> list[Tensor]:
    """The outputs, as those of one node above the parents; `find(g, inputs, outputs, create_graph)` leads to those."""
    values = tuple(out._held for out in outputs)
    segment = Segment(name, find, len(values))
    edges = tuple((parent, Place(segment, i), (inputs, values, False)) for i, parent in enumerate(parents))
    node = Node.at(parents[0].level, segment, edges, Several())
    node.value = None
    return _tops(node, values)


def _beyond(outputs: Sequence[Tensor], start: int) -> list[Node]:
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


def _at(level: int, x: Tensor, start: float = math.inf) -> bool:
    """Whether a Tensor stands in the graph of some level, since `start`."""
    return x._node is not None and x._node.level == level and x._node.order < start


def checkpoint(f: Callable[..., Any]) -> Callable[..., Any]:
    """The function that keeps nothing of its inside for backward but its arguments: backward runs `f` again.

    Arguments and results are as for `grad`; Tensors that `f` closes over, as a module does over its parameters, get
    their gradients too. Random numbers of `nn` (dropout) are drawn again as they were. RuntimeError in backward if
    `f` gives other values then, because something that it closes over has changed.
    Source: Chen et al., Training deep nets with sublinear memory cost, 2016.

    >>> x = Tensor(2.0, requires_grad=True)
    >>> checkpoint(lambda x: x**3)(x).backward()
    >>> x.grad
    Tensor(12.)
    """

    @wraps(f)
    def checkpointed(*args: Any, **kwargs: Any) -> Any:
        inside = modes.checkpoints
        if not modes.recording or inside == _DEEPEST:
            return f(*args, **kwargs)
        level, start = 2 * modes.depth, now()
        limit = nullcontext() if inside else _Limit(f)
        arguments, rebuild = flatten((args, kwargs))
        arguments = [wrap(own(x._held), x._node) if isinstance(x, Tensor) else own(x, True) for x in arguments]
        asked = [i for i, x in enumerate(arguments) if isinstance(x, Tensor) and _at(level, x)]
        inputs = tuple(arguments[i]._held for i in asked)
        others = [None if i in asked else x for i, x in enumerate(arguments)]
        again = surroundings()

        def run(values: Any) -> tuple[list[Any], Any]:
            places = dict(zip(asked, values, strict=True))
            given, named = rebuild([places.get(i, x) for i, x in enumerate(others)])
            with mode(checkpoints=inside + 1):
                return flatten(f(*given, **named))

        first = [leaf(x, level) for x in inputs]
        with limit:
            results, as_result = run(first)
        made = [i for i, x in enumerate(results) if isinstance(x, Tensor) and _at(level, x, start)]
        beyond = _beyond([results[i] for i in made], start)

        def find(g: Any, inputs: Any, outputs: Any, create_graph: bool) -> dict[int, Any]:
            with limit, enable_grad(), again():
                fresh = [positive(x) if create_graph else leaf(x, level) for x in inputs]
                second = run(fresh)[0]
                for i, out in zip(made, outputs, strict=True):
                    _same("checkpoint", second[i], out, out)
                seeds = [seed(second[i], c, create_graph) for i, c in zip(made, g, strict=True) if c is not None]
                return _pulled(seeds, [*(x._node for x in fresh), *beyond], create_graph)

        parents = [*(arguments[i]._node for i in asked), *beyond]
        if parents and made:
            outlined = _outlined("checkpoint", [results[i] for i in made], parents, inputs, find)
            for i, out in zip(made, outlined, strict=True):
                results[i] = out
        return as_result(results)

    return checkpointed


def _same(name: str, again: Any, before: Any, scale: Any) -> None:
    """RuntimeError unless two runs of a function gave the same, up to rounding of what is as large as `scale`."""
    new, old = bottom(again), bottom(before)
    near = np.finfo(new.dtype).eps ** 0.75
    if new.shape != old.shape or not np.allclose(
        new, old, near, near * np.max(np.abs(bottom(scale)), initial=0), equal_nan=True
    ):
        raise RuntimeError(
            f"{name}: run again in the backward pass, the function gave other values than before; "
            "what it closes over must not change in between"
        )


def _pulled(seeds: Any, nodes: Sequence[Any], create_graph: bool) -> dict[int, Any]:
    """The cotangents of the nodes, by position, zeros where they are not reached."""
    found = backward_pass(seeds, set(nodes), retain_graph=create_graph, create_graph=create_graph, through=False)
    return {i: found[n] if n in found else np.zeros(n.shape, n.dtype)[()] for i, n in enumerate(nodes)}


def implicit(residual: Callable[[Any], Any], x: Any, solve: Callable[..., Any] | None = None) -> Tensor:
    """`x`, a root of `residual` however it was found, with its derivatives by all that `residual` depends on.

    `residual` gives a Tensor of the shape of x. By the implicit function theorem dx = -A^-1 dr, where A is its
    derivative by x: `solve(matvec, g)` solves A^T w = g, where matvec(w) = A^T w (by default with the whole matrix A).
    Backward and its derivatives are exact at any order; inside `jvp` and `vmap`, up to the seventh.
    Source: Blondel et al., Efficient and modular implicit differentiation, 2022.

    >>> a = Tensor(9.0, requires_grad=True)
    >>> implicit(lambda x: x * x - a, 3.0).backward()
    >>> a.grad  # 1 / (2 sqrt(a))
    Tensor(0.16666667)
    """
    level, x = 2 * modes.depth, asarray(x).detach()
    for _ in range(3 if modes.depth and carried(lowered(residual(x), level - 1)) else 0):  # Newton's steps
        a = lowered(_matrix(residual, x), level - 1)
        x = x - reshape(np.linalg.solve(a, ravel(lowered(residual(x), level - 1))), x.shape)
    start, again = now(), surroundings()
    first = leaf(plain(x), level)
    with enable_grad() if modes.recording else nullcontext():
        out = residual(first)
    if out.shape != x.shape:
        raise ValueError(f"implicit: residual of shape {out.shape} for x of shape {x.shape}")
    beyond = _beyond([out], start) if _at(level, out) else []
    if not beyond:
        return x
    before = out._held

    def backwards(g: Tensor, root: Tensor, create_graph: bool) -> Tensor:
        """w with A^T w = g."""
        if solve is None:
            return reshape(np.linalg.solve(matrix_transpose(_matrix(residual, root)), ravel(g)), root.shape)
        pull_back = vjp(residual, root)[1]
        with no_grad():
            w = solve(lambda w: pull_back(w)[0], g.detach())
        return implicit(lambda w: pull_back(w)[0] - g, w, solve) if create_graph or modes.depth else w

    def find(g: Any, inputs: Any, outputs: Any, create_graph: bool) -> dict[int, Any]:
        with enable_grad(), again():
            root, g = asarray(outputs[0]), asarray(g[0])
            w = backwards(g, root, create_graph)
            fresh = positive(root) if create_graph else leaf(plain(root), level)
            w = w if create_graph else lowered(w, level - 1)
            second = residual(fresh)
            _same("implicit", second, before, x)
            found = _pulled([seed(second, -w, create_graph)], [fresh._node, *beyond], create_graph)
            return {i - 1: c for i, c in found.items() if i}

    return _outlined("implicit", [first], beyond, (), find)[0]


def _matrix(f: Callable[[Any], Any], x: Any) -> Any:
    """The Jacobian of a function from arrays of x's shape to such arrays, as a matrix."""
    return reshape(jacobian(f)(x), (x.size, x.size))


def _settle(step: Callable[[Any], Any], x: Any, tolerance: float, most: int) -> Any:
    """x, after as many steps as it takes until it stays where it is, or goes to and fro by no more than roundings."""
    last = np.inf
    for _ in range(most):
        x, before = step(x), x
        gap = np.max(np.abs(bottom(x - before)), initial=0) / (1 + np.max(np.abs(bottom(x)), initial=0))
        if gap <= tolerance or last <= gap <= np.finfo(gap.dtype).eps ** 0.75:
            return x
        last = gap
    raise RuntimeError(f"fixed_point: not within a tolerance of {tolerance} after {most} steps")


def fixed_point(f: Callable[[Any], Any], start: Any, *, tolerance: float = 1e-12, most: int = 10_000) -> Tensor:
    """x with x = f(x), by repeating f from `start`, with the derivatives of the solution by all that `f` depends on.

    Neither the steps nor their graph are kept: backward is a fixed point, too, see `implicit`. RuntimeError where
    `most` steps do not bring x within `tolerance`, relative to its largest entry, or as near as its dtype allows.

    >>> a = Tensor(2.0, requires_grad=True)
    >>> x = fixed_point(lambda x: (x + a / x) / 2, 1.0)
    >>> x.backward()
    >>> x, a.grad  # sqrt(a) and 1 / (2 sqrt(a))
    (Tensor(1.41421356, requires_grad=True), Tensor(0.35355339))
    """
    with no_grad():
        x = _settle(f, asarray(start).detach(), tolerance, most)
    return implicit(lambda x: f(x) - x, x, lambda matvec, g: _settle(lambda w: w + matvec(w) - g, -g, tolerance, most))


def linear_solve(matvec: Callable[[Any], Any], b: Any, *, tolerance: float = 1e-12, most: int | None = None) -> Tensor:
    """x with matvec(x) = b for a symmetric positive definite linear map, by conjugate gradients, without its matrix.

    Derivatives are by `b` and by all that `matvec` depends on, see `implicit`. RuntimeError where `most` steps (ten
    times as many as there are unknowns) do not bring the residual within `tolerance`, relative to b.
    Source: Hestenes and Stiefel, 1952.

    >>> d = Tensor([2.0, 4.0], requires_grad=True)
    >>> linear_solve(lambda x: d * x, [2.0, 2.0]).sum().backward()
    >>> d.grad
    Tensor([-0.5  , -0.125])
    """
    b = asarray(b)

    def solve(matvec: Callable[[Any], Any], b: Any) -> Any:
        x, r = b * 0, b
        p, size = r, np.sum(r * r)
        enough = tolerance**2 * bottom(size)
        for _ in range(10 * b.size + 10 if most is None else most):
            if np.all(bottom(size) <= enough):
                return x
            q = matvec(p)
            step = size / np.sum(p * q)
            x, r = x + step * p, r - step * q
            size, before = np.sum(r * r), size
            p = r + size / before * p
        raise RuntimeError(f"linear_solve: not within a tolerance of {tolerance} of the right-hand side")

    with no_grad():
        x = solve(matvec, b.detach())
    return implicit(lambda x: matvec(x) - b, x, solve)
