"""Functions of matrices by functions of numbers: f of the eigenvalues, with the same eigenvectors; where these are
too few, or nearly dependent, `schur_parlett` takes over.

The derivative (Daleckii and Krein) weighs a direction, in the basis of the eigenvectors, with the divided differences
f[w_i, w_j] = (f(w_i) - f(w_j)) / (w_i - w_j), which are f'(w_i) where the two are equal; that of order k with those of
k + 1 eigenvalues. Source: Higham, Functions of Matrices, 2008, theorem 3.11 and section B.16.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import combinations
from typing import Any

import numpy as np

from ...core.batching import stacked
from ...core.conversion import lowered, result
from ...core.forward import dual
from ...core.graph import mode
from ...core.primitive import primitive
from ...core.tensor import Tensor, carried, plain
from ...core.tracing import new_level, raw
from ...core.types import ArrayLike
from ..elementwise import cos, exp, square
from .schur_parlett import corner
from .solving import adjoint, regular
from .solving import square as square_matrices

_ROUNDING = 8  # in units of its last place: a difference quotient with more is left to a quadrature,
_AGREEMENT = 500  # if the two differ by no more than this many times the rounding


@primitive
def function_of_matrix(a: Any, *directions: Any, f: Any) -> Any:
    """f(a), or what stands in the upper right corner of f of a matrix of blocks, with a's along its diagonal and the
    directions above it: their sum over all orders is the derivative along all of them."""
    k, shape = len(directions), np.broadcast_shapes(a.shape, *(d.shape for d in directions))
    if 0 in shape:
        return np.zeros(shape, np.result_type(a, *directions))
    v, inverse, weights, real, defective = _decomposed(a, f, k)
    if not directions:
        out = (v * weights[..., None, :]) @ inverse
    else:
        terms: Any = [x for i, d in enumerate(directions) for x in (inverse @ d @ v, [..., i, i + 1])]
        out = v @ np.einsum(weights, [..., *range(k + 1)], *terms, [..., 0, k]) @ inverse
    if np.any(defective):
        out, turned_real = _with_corners(out, defective, a, directions, f)
        real = real and turned_real
    dtype = np.result_type(a, *directions, np.float32 if real else np.complex64)
    return (out if dtype.kind == "c" else out.real).astype(dtype)


def _decomposed(a: Any, f: Callable[..., Any], order: int) -> tuple[Any, Any, Any, bool, Any]:
    """Eigenvectors, their inverse, the divided differences of f at the eigenvalues, whether f(a) is real, and which
    matrices lack eigenvectors: they have zeros."""
    n = a.shape[-1]
    matrices, results = a.reshape(-1, n, n), []
    defective = np.zeros(len(matrices), bool)
    hermitian = np.all(matrices == adjoint(matrices), axis=(-2, -1))
    if np.any(hermitian):
        w, v = np.linalg.eigh(matrices[hermitian])
        results.append((hermitian, w, v, adjoint(v)))
    if not np.all(hermitian):
        w, v = np.linalg.eig(matrices[~hermitian])
        lacking = ~(np.linalg.cond(v) <= 0.1 * np.finfo(v.dtype).eps ** -0.5)
        defective[~hermitian] = lacking
        if not np.all(lacking):
            w, v = w[~lacking], v[~lacking]
            results.append((~hermitian & ~defective, w, v, np.linalg.inv(v)))
    parts = [(which, v, inv, _divided_differences(f, w, order), w) for which, w, v, inv in results]
    dtype = np.result_type(a, *(x for _, *arrays, _ in parts for x in arrays))
    shapes = [(n, n), (n, n), (n,) * (order + 1)]
    merged = [np.zeros((len(matrices), *shape), dtype) for shape in shapes]
    for which, *arrays, _ in parts:
        for whole, x in zip(merged, arrays, strict=True):
            whole[which] = x
    v, inverse, weights = (x.reshape(*a.shape[:-2], *shape) for x, shape in zip(merged, shapes, strict=True))
    real = all(_is_real(a, w, f) for *_, w in parts)
    return v, inverse, weights, real, defective.reshape(a.shape[:-2])


def _with_corners(out: Any, defective: Any, a: Any, directions: Any, f: Any) -> tuple[Any, bool]:
    """The result with that of the matrices that lack eigenvectors, and whether f of these is real."""
    out = out.astype(np.result_type(out, np.complex128))
    real = True
    a, *directions = (np.broadcast_to(x, out.shape).astype(np.result_type(x, np.float64)) for x in (a, *directions))
    for place in map(tuple, np.argwhere(np.broadcast_to(defective, out.shape[:-2]))):
        out[place], centres = corner(a[place], [d[place] for d in directions], partial(_values, f))
        real = real and _is_real(a[place], centres, f)
    return out, real


def _values(f: Callable[..., Any], w: Any, order: int = 0) -> Any:
    """f of an array, or a derivative of it, entry by entry."""
    for _ in range(order):
        f = _slope(f)
    with mode(observers=()), np.errstate(all="ignore"):
        out = f(w)
    if carried(out):
        raise TypeError("matrix_function: f depends on a tensor that is differentiated or batched; give it arrays")
    out = raw(out) if isinstance(out, Tensor) else np.asarray(out)
    if out.shape not in (w.shape, ()):
        raise ValueError(f"matrix_function: f gives shape {out.shape} for numbers of shape {w.shape}")
    return np.broadcast_to(out, w.shape).astype(np.result_type(w, out.dtype if out.dtype.kind == "c" else w.dtype))


def _slope(f: Callable[..., Any]) -> Callable[..., Any]:
    """The derivative of a function that works entry by entry, which is another one."""

    def slope(x: Any) -> Any:
        with new_level() as level:
            point = dual(level, plain(x) if isinstance(x, Tensor) else x, np.ones(x.shape, x.dtype))
            out = lowered(f(point) + 0 * point, level)
        return result(out._held.tangent)

    return slope


def _is_real(a: Any, w: Any, f: Callable[..., Any]) -> bool:
    """Whether f(a) is real: a is, and f takes what is conjugate to what is conjugate."""
    if a.dtype.kind == "c":
        return False
    ahead, behind = _values(f, w), _values(f, np.conj(w) + 0 * w)
    return bool(np.allclose(np.conj(ahead), behind, equal_nan=True))


@np.errstate(all="ignore")
def _divided_differences(f: Callable[..., Any], w: Any, order: int) -> Any:
    """f[w_i, ..., w_j] for all choices of `order` + 1 of the numbers w (m, n): of shape (m, n, ..., n).

    Each is the difference quotient of two of lower order, by the two numbers furthest apart; where rounding is large
    beside it, since all are close, it is the mean of f's derivative over what lies between them (Hermite and
    Genocchi), by a quadrature. That is taken only where it is what the quotient is but for rounding: where f jumps,
    or is no polynomial over such a distance, the quotient is better.
    """
    m, n = w.shape
    eps = np.finfo(w.dtype).eps
    values = _values(f, w)
    errors = eps * (
        np.abs(values) + np.abs(w * _values(f, w, 1)) if order else values
    )  # f may be small by cancellation
    for k in range(1, order + 1):
        places = np.indices((n,) * (k + 1)).reshape(k + 1, -1)
        points = w[:, places]  # (m, k + 1, n ** (k + 1))
        gap = np.zeros(points[:, 0].shape, w.dtype)
        quotient, error = np.zeros(gap.shape, values.dtype), np.zeros(gap.shape)
        for i, j in combinations(range(k + 1), 2):
            one, other = (np.ravel_multi_index(np.delete(places, at, 0), (n,) * k) for at in (i, j))
            distance, new = points[:, j] - points[:, i], values[:, one] - values[:, other]
            further = np.abs(distance) > np.abs(gap)
            quotient = np.where(further, new / np.where(further, distance, 1), quotient)
            unsure = (errors[:, one] + errors[:, other]) / np.abs(np.where(further, distance, 1))
            error = np.where(further, unsure, error)
            gap = np.where(further, distance, gap)
        close = ~(error <= _ROUNDING * eps * np.abs(quotient)) | (gap == 0)
        if np.any(close):
            mean = _mean_of_derivative(f, np.moveaxis(points, 1, -1)[close])
            fits = (gap[close] == 0) | (np.abs(mean - quotient[close]) <= _AGREEMENT * error[close])
            quotient = quotient.astype(np.result_type(quotient, mean))
            quotient[close] = np.where(fits, mean, quotient[close])
            error[close] = np.where(fits, eps * np.abs(mean), error[close])
        values, errors = quotient, error
    return values.reshape(m, *(n,) * (order + 1))


def _mean_of_derivative(f: Callable[..., Any], points: Any) -> Any:
    """The integral of f's derivative of order k over the simplex with k + 1 corners, for each row of them."""
    k = points.shape[-1] - 1
    nodes, weights = np.polynomial.legendre.leggauss(6)
    nodes, weights = (nodes + 1) / 2, weights / 2
    at, total = points[:, :1], np.ones(1)
    for i in range(1, k + 1):  # a mean of those before, by the part u, and the next: its measure is u ** (i - 1) du
        at = (at[..., None] * nodes + points[:, i, None, None] * (1 - nodes)).reshape(len(points), -1)
        total = (total[:, None] * weights * nodes ** (i - 1)).ravel()
    return _values(f, at, k) @ total.astype(at.real.dtype)


function_of_matrix.batch(stacked)


@function_of_matrix.vjp("a")
def _(g: Any, a: Any, directions: Any, f: Any) -> Any:
    places = range(len(directions) + 1)
    return sum(function_of_matrix.apply(a, *directions[i:], g.mT, *directions[:i], f=f) for i in places).mT


@function_of_matrix.jvp("a")
def _(t: Any, a: Any, directions: Any, f: Any) -> Any:
    places = range(len(directions) + 1)
    return sum(function_of_matrix.apply(a, *directions[:i], t, *directions[i:], f=f) for i in places)


@function_of_matrix.vjp("directions", "linear")
def _(g: Any, a: Any, directions: Any, position: int, f: Any) -> Any:
    return function_of_matrix.apply(a, *directions[position:], g.mT, *directions[: position - 1], f=f).mT


@function_of_matrix.strategy
def _(draw: Any) -> Any:
    n, lead = draw.integer(0, 3), draw.shape(max_dims=1)
    a = regular(draw, (*lead, n, n))
    if draw.flag():
        a = a + adjoint(a)
    directions = (draw.array(shape=a.shape) for _ in range(draw.integer(0, 1)))
    return (a, *directions), {"f": draw.one_of([lambda w: exp(w / 8), square, lambda w: cos(w / 2)])}


def matrix_function(a: ArrayLike, f: Callable[..., object]) -> Tensor:
    """f of square matrices (..., n, n): V f(w) V^-1 of their eigenvalues w and eigenvectors V, and its limit where
    there are too few eigenvectors (by SciPy and derivatives of f).

    `f` is a function of arrays and Tensors that acts entry by entry, as `pb.exp` or `lambda w: w**2`.
    Derivatives of any order are right where eigenvalues repeat, too, where `eigh` and `eig` have none.
    Hermitian matrices have real eigenvalues, others complex ones where they are: f is to be holomorphic then. The
    result is real if `a` is and f takes conjugate numbers to conjugate ones.
    LinAlgError where a matrix without n independent eigenvectors needs derivatives that f does not have, or of high
    order where f takes no complex numbers, or where the result depends on rounding; TypeError where f itself depends on
    a tensor that requires a gradient.

    >>> a = Tensor(4 * np.eye(2), requires_grad=True)
    >>> matrix_function(a, np.sqrt).sum().backward()
    >>> a.grad
    Tensor([[0.25, 0.25],
            [0.25, 0.25]])
    """
    return function_of_matrix.apply(square_matrices(a, "matrix_function"), f=f)
