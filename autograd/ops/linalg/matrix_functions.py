"""Functions of square matrices by SciPy: the exponential, the square root and the logarithm, and the equation that
their derivatives lead to.

Derivatives need no eigenvectors: they are right, of any order, where eigenvalues repeat and where a matrix has too few
eigenvectors. The square root and the logarithm have none at singular matrices: there it is a LinAlgError. On the branch
cut, at negative eigenvalues, derivatives are those along changes that leave the eigenvalues on it (as those of real
matrices are, if they do not repeat): those of the square root, or logarithm, that was chosen. It is a LinAlgError where
some eigenvalues chose one side of the cut and others the same place on the other side.
Source: Higham, Functions of Matrices, 2008: theorems 3.4 (adjoint), 4.12 (blocks), sections 6.1 and 11.8.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np

from ...core.batching import stacked
from ...core.forms import OfOne
from ...core.primitive import Primitive, primitive
from ...core.tensor import Tensor
from ...core.tracing import bottom
from ...core.types import ArrayLike
from .solving import matrices, regular, regular_square, square


def from_scipy(name: str) -> Any:
    """The function of `scipy.linalg`; ImportError without SciPy."""
    try:
        return getattr(import_module("scipy.linalg"), name)
    except ImportError as error:
        raise ImportError(f"{name}: SciPy computes it, pip install pullback[special]") from error


@primitive
def solve_sylvester(a: Any, b: Any, q: Any) -> Any:
    """The solution x of a x + x b = q, for square `a` (..., m, m) and `b` (..., n, n) and `q` (..., m, n), by SciPy.

    LinAlgError where it is not the only one: an eigenvalue of `a` is one of -b.

    >>> solve_sylvester(np.diag([1.0, 2.0]), np.array([[3.0]]), np.array([[8.0], [10.0]]))
    array([[2.],
           [2.]])
    """
    dtype = np.result_type(a, b, q)
    m, n = q.shape[-2:]
    lead = np.broadcast_shapes(a.shape[:-2], b.shape[:-2], q.shape[:-2])
    if not q.size or 0 in lead:
        return np.zeros((*lead, m, n), dtype)
    stacks = (np.broadcast_to(x, (*lead, *x.shape[-2:])).reshape(-1, *x.shape[-2:]) for x in (a, b, q))
    eps = np.finfo(dtype).eps
    out = np.array([_solution(a, b, q, eps) for a, b, q in zip(*stacks, strict=True)])
    return (out if dtype.kind == "c" else out.real).reshape(*lead, m, n).astype(dtype)


def _solution(a: Any, b: Any, q: Any, eps: Any) -> Any:
    """By the Schur forms r and s of a and b: r y + y s = u^H q v, with x = u y v^H."""
    if not all(np.all(np.isfinite(x)) for x in (a, b, q)):
        return np.full(q.shape, np.nan)
    double = np.result_type(a, b, q, np.float64)
    schur = from_scipy("schur")
    (r, u), (s, v) = (schur(x.astype(double), output="complex") for x in (a, b))
    w, z = np.diagonal(r)[:, None], np.diagonal(s)
    if np.any(np.abs(w + z) <= 8 * len(w) * eps * (np.abs(w) + np.abs(z))):
        raise np.linalg.LinAlgError("solve_sylvester: an eigenvalue of a is one of -b, there is no single solution")
    (solver,) = from_scipy("get_lapack_funcs")(("trsyl",), (r, s))
    y, scale, _ = solver(r, s, u.conj().T @ q @ v)
    return u @ (scale * y) @ v.conj().T


solve_sylvester.vjp("a")(lambda g, a, b, out: -solve_sylvester.apply(a.mT, b.mT, g) @ out.mT)
solve_sylvester.vjp("b")(lambda g, a, b, out: -out.mT @ solve_sylvester.apply(a.mT, b.mT, g))
solve_sylvester.vjp("q", "linear")(lambda g, a, b: solve_sylvester.apply(a.mT, b.mT, g))
solve_sylvester.batch(stacked)


@solve_sylvester.strategy
def _(draw: Any) -> Any:
    m, n, lead = draw.integer(0, 3), draw.integer(0, 3), draw.shape(max_dims=1)
    return (regular(draw, (*lead, m, m)), regular(draw, (*lead, n, n)), regular(draw, (*lead, m, n))), {}


@solve_sylvester.public
def solve_sylvester_form(a: ArrayLike, b: ArrayLike, q: ArrayLike) -> Tensor:
    a, b, q = square(a, "solve_sylvester"), square(b, "solve_sylvester"), matrices(q, "solve_sylvester")
    if q.shape[-2:] != (a.shape[-1], b.shape[-1]):
        raise np.linalg.LinAlgError(f"solve_sylvester: q of shape {q.shape} beside a {a.shape} and b {b.shape}")
    return solve_sylvester.apply(a, b, q)


def _finite(a: Any) -> Any:
    """Which matrices are."""
    return np.all(np.isfinite(a), axis=(-2, -1))


def _or_identity(a: Any) -> Any:
    """The identity instead of matrices with an entry that is infinite or NaN."""
    return np.where(_finite(a)[..., None, None], a, np.eye(a.shape[-1], dtype=a.dtype))


def _of_matrices(name: str, derivative: Callable[[Any, Any, Any], Any], doc: str) -> Primitive[OfOne]:
    """A function of matrices, of which `derivative(a, f(a), d)` is the derivative at a along d."""

    @primitive(name=name)
    def function(a: Any) -> Any:
        one = from_scipy(name)
        double = _or_identity(a) if name != "expm" else a  # from others SciPy may never come back
        double = double.astype(np.result_type(a, np.float64))
        out = np.array([one(matrix) for matrix in double.reshape(-1, *a.shape[-2:])]) if a.size else a
        out = out.reshape(a.shape)
        if name != "expm":
            out[~_finite(a)] = np.nan
        return out.astype(np.result_type(a, np.complex64) if np.iscomplexobj(out) else a.dtype)

    function.vjp("a")(lambda g, a, out: derivative(a.mT, out.mT, g))  # its transpose is the derivative at a^T
    function.jvp("a")(lambda t, a, out: derivative(a, out, t))
    function.batch(stacked)
    function.strategy(regular_square)
    function.public(lambda a: function.apply(square(a, name)))
    function.__doc__ = doc
    return function


def _of_expm(a: Any, out: Any, d: Any) -> Any:
    """exp of [[a, d], [0, a]] has it beside exp(a)."""
    n = a.shape[-1]
    known = np.abs(bottom(d))
    size = np.max(known[np.isfinite(known)], initial=0) or d.dtype.type(1)  # that the blocks may be of one size
    upper = np.concatenate([a, d / size], axis=-1)
    lower = np.concatenate([np.zeros_like(a), a], axis=-1)
    return expm.apply(np.concatenate([upper, lower], axis=-2))[..., :n, n:] * size


def _of_sqrtm(a: Any, out: Any, d: Any) -> Any:
    """x^2 = a: x dx + dx x = d."""
    _regular("sqrtm", a)
    return solve_sylvester.apply(out, out, d)


_NODES, _WEIGHTS = (x / 2 for x in np.polynomial.legendre.leggauss(16))


def _of_logm(a: Any, out: Any, d: Any) -> Any:
    """The logarithm of the square root is half as large, and so on: where it is 1 or less, that of 1 + y has the
    integral of (1 + t y)^-1 d (1 + t y)^-1 for t from 0 to 1; sixteen nodes are exact to rounding."""
    _regular("logm", a)
    size = np.max(np.sum(np.abs(np.nan_to_num(bottom(out))), axis=-1), initial=0)
    halvings = int(np.ceil(np.log2(max(size, 1))))
    roots = [expm.apply(out / 2**halvings)]
    for _ in range(1, halvings):
        roots.append(roots[-1] @ roots[-1])
    for root in reversed(roots[:halvings]):
        d = solve_sylvester.apply(root, root, d)
    one = np.eye(out.shape[-1], dtype=out.dtype)
    y = roots[0] - one
    nodes, weights = ((x.astype(out.real.dtype)).reshape(-1, *(1,) * out.ndim) for x in (_NODES + 0.5, _WEIGHTS))
    between = one + nodes * y
    terms = np.linalg.solve(between.mT, np.linalg.solve(between, d[None]).mT).mT
    return np.sum(weights * terms, axis=0) * 2**halvings


def _regular(name: str, a: Any) -> None:
    """LinAlgError where an eigenvalue is nothing but rounding beside the largest."""
    sizes = np.abs(np.linalg.eigvals(_or_identity(bottom(a))))
    if sizes.size and np.any(sizes <= a.shape[-1] * np.finfo(a.dtype).eps * np.max(sizes, axis=-1, keepdims=True)):
        raise np.linalg.LinAlgError(f"{name}: no derivative at a singular matrix")


expm = _of_matrices("expm", _of_expm, "The exponentials of square matrices, sum(a^k / k!), by SciPy.")
sqrtm = _of_matrices(
    "sqrtm",
    _of_sqrtm,
    """The principal square roots of square matrices, by SciPy; complex where one must be.

    A derivative at a singular matrix is a LinAlgError. Where eigenvalues are negative it is that of the root which was
    chosen, along changes that leave them negative.
    """,
)
logm = _of_matrices(
    "logm",
    _of_logm,
    """The principal logarithms of square matrices, by SciPy; complex where one must be.

    A singular matrix has none (SciPy takes 1e-20 for 0), and a derivative there is a LinAlgError. Where eigenvalues are
    negative it is that of the logarithm which was chosen, along changes that leave them negative.
    """,
)


@expm.strategy
def _(draw: Any) -> Any:
    n = draw.integer(0, 3)
    return (draw.array(shape=(*draw.shape(max_dims=1), n, n), domain=(-1.0, 1.0)),), {}
