"""Solutions of equations, however they were found, with derivatives by the implicit function theorem."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import numpy as np

from ..core.conversion import leaf, lowered, seed
from ..core.graph import enable_grad, modes, no_grad, now
from ..core.replay import surroundings
from ..core.tensor import Tensor, carried, plain
from ..core.tracing import bottom
from ..core.types import ArrayLike
from ..ops.creation import asarray
from ..ops.elementwise import positive
from ..ops.shape import matrix_transpose, ravel, reshape
from .derivatives import jacobian, vjp
from .segments import beyond_of, check_same, is_at, outlined, pulled

__all__ = ["fixed_point", "implicit", "linear_solve"]


def implicit(residual: Callable[[Tensor], Tensor], x: ArrayLike, solve: Callable[..., Tensor] | None = None) -> Tensor:
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
    beyond = beyond_of([out], start) if is_at(level, out) else []
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
            check_same("implicit", second, before, x)
            found = pulled([seed(second, -w, create_graph)], [fresh._node, *beyond], create_graph)
            return {i - 1: c for i, c in found.items() if i}

    return outlined("implicit", [first], beyond, (), find)[0]


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


def fixed_point(
    f: Callable[[Tensor], Tensor], start: ArrayLike, *, tolerance: float = 1e-12, most: int = 10_000
) -> Tensor:
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


def linear_solve(
    matvec: Callable[[Tensor], Tensor], b: ArrayLike, *, tolerance: float = 1e-12, most: int | None = None
) -> Tensor:
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
