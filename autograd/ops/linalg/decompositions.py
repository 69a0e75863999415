"""Factorizations of matrices, or stacks of them, real or complex, as primitives.

A function of eigen- or singular vectors has a gradient only if it does not depend on their arbitrary sign, phase (of
complex ones) or basis (of a complement): where it does, it is a LinAlgError.

Where values repeat (but for rounding), their vectors are an arbitrary basis, and no derivative of them exists. That of
what is made of them may: of V f(w) V^T it does. But from the cotangents of w and V alone nothing can tell f(w) = 1 from
f(w) = w^2 there. So gradients are right where the cotangents of the vectors vanish within their common space and those
of its values are equal, as for sum(w); for a function that does not see the values at all it is enough that turning the
basis changes nothing, as for the projection on the space. Else they are NaN. So are tangents of w and V in a direction
that splits the values. `linalg.matrix_function` has all derivatives of V f(w) V^T.
(Where all cotangents vanish, as those of V w V^T at 0 may, the gradient is 0: that is beyond any rule.)
Sources: Giles, Collected matrix derivative results, 2008; Townsend, Differentiating the SVD, 2016; Walter and
Lehmann, On evaluating higher-order derivatives of the QR decomposition, 2012; Wan and Zhang, 2019 (complex SVD).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ...core.batching import computed, stacked
from ...core.primitive import implements, primitive
from ...core.tracing import bottom
from ..casting import astype
from ..shape import matrix_transpose
from ..sorting import take_along_axis
from .solving import adjoint, by_finite, filled, matrices, on_diagonal, regular, regular_square


class EighResult(NamedTuple):
    eigenvalues: Any
    eigenvectors: Any


class EigResult(NamedTuple):
    eigenvalues: Any
    eigenvectors: Any


class QRResult(NamedTuple):
    Q: Any
    R: Any


class SVDResult(NamedTuple):
    U: Any
    S: Any
    Vh: Any


def _half(x: Any) -> Any:
    """The lower triangle, with half of the diagonal; half(x) + its adjoint is x again if x is Hermitian."""
    return on_diagonal(np.where(np.tri(x.shape[-1], dtype=bool), x, 0), x / 2)


def rounding(x: Any, size: Any) -> Any:
    """Which of some values are nothing but rounding beside `size`, all of them together."""
    return np.abs(x) <= 4 * x.shape[-1] * np.finfo(x.dtype).eps * size


def _repeated(w: Any) -> Any:
    """At (i, j), whether w_i and w_j are equal but for rounding."""
    size = np.sum(np.abs(w), axis=-1, keepdims=True)
    return rounding(w[..., None, :] - w[..., :, None], size[..., None])


def _reciprocal(x: Any, lost: Any) -> Any:
    """1 / x, and 0 for those that are lost."""
    return np.where(lost, 0, 1 / np.where(lost, 1, x))


def _reciprocal_gaps(w: Any, same: Any) -> Any:
    """1 / (w_j - w_i) at (i, j), and 0 where the two are the same."""
    return _reciprocal(w[..., None, :] - w[..., :, None], same)


def _matters(x: Any, *of: Any) -> Any:
    """Which entries of matrices are more than rounding beside the sum of all entries of others."""
    size = sum(np.sum(np.abs(y), axis=(-2, -1), keepdims=True) for y in of)
    return np.abs(x) > np.finfo(x.dtype).eps ** 0.75 * size


def _differ(x: Any) -> Any:
    """At (i, j), whether x_i and x_j differ by more than rounding, of them and of values that are equal but for it."""
    size = np.max(np.abs(x), axis=-1, initial=0, keepdims=True)[..., None]
    return np.abs(x[..., None, :] - x[..., :, None]) > np.finfo(x.dtype).eps ** 0.5 * size


def _pairs(where: Any) -> Any:
    """Without the diagonal."""
    return on_diagonal(where, False)


def _settled(name: str, part: str, turn: Any, *cotangents: Any) -> None:
    """LinAlgError if the derivative `turn` along what is arbitrary is more than rounding beside the cotangents."""
    turn, size = bottom(turn), sum(np.sum(np.abs(bottom(g))) for g in cotangents)
    if np.max(np.abs(turn), initial=0) > np.finfo(turn.dtype).eps ** 0.5 * size:
        raise np.linalg.LinAlgError(f"{name}: the result depends on {part}, which is arbitrary, and so has no gradient")


@primitive
def cholesky(a: Any) -> Any:
    """The lower triangular L with L L^H = a, or with `upper` the upper triangular U with U^H U = a.

    Only that triangle of `a` is read, and only there is the gradient not 0.

    >>> cholesky(Tensor([[4.0, 0.0], [2.0, 2.0]]))
    Tensor([[2., 0.],
            [1., 1.]])
    """
    return np.linalg.cholesky(a)


@cholesky.vjp("a")
def _(g: Any, out: Any) -> Any:
    inner = np.linalg.solve(out.mT, _half(out.mT @ g))
    return _of_lower(np.linalg.solve(adjoint(out), inner.mT).mT)


def _of_lower(s: Any) -> Any:
    """The cotangent of a lower triangle, from that of the Hermitian matrix it stands for."""
    return _half(s + adjoint(s))


@cholesky.strategy
def _(draw: Any) -> Any:
    n = draw.integer(0, 3)
    x = regular(draw, (*draw.shape(max_dims=1), n, n))
    return (x @ adjoint(x),), {}


@cholesky.public
@implements(np.linalg.cholesky)
def _(a: Any, /, *, upper: bool = False) -> Any:
    a = matrices(a, "cholesky")
    return matrix_transpose(cholesky.apply(matrix_transpose(a))) if upper else cholesky.apply(a)


@primitive(outputs=["eigenvalues", "eigenvectors"])
def eigh(a: Any) -> Any:
    """The eigenvalues, ascending, and the eigenvectors, as columns, of symmetric or Hermitian matrices.

    Only the triangle `UPLO` ("L" or "U") of `a` is read, and only there is the gradient not 0.
    Where eigenvalues repeat, the gradient is NaN unless the cotangents of their eigenvectors vanish within the space of
    these and those of the eigenvalues are equal, as for their sum. The derivatives of V f(w) V^T exist there:
    `matrix_function` has them.

    >>> eigh(Tensor([[2.0, 0.0], [0.0, 3.0]])).eigenvalues
    Tensor([2., 3.])
    """
    return np.linalg.eigh(a)


@eigh.vjp("a")
def _(g: Any, out: Any) -> Any:
    (gw, gv), (w, v) = filled(g, out), out
    along = v.mT @ gv
    _settled("eigh", "the phases of complex eigenvectors", np.imag(np.linalg.diagonal(along)), gv)
    same = _repeated(w)
    unsure = _matters(along - adjoint(along) if g[0] is None else along, gv)
    unknown = _pairs(same & (unsure | _differ(gw)))
    inner = np.where(unknown, np.nan, _reciprocal_gaps(w, same) * along)
    return _of_lower(np.conj(v) @ on_diagonal(inner, gw[..., None, :]) @ v.mT)


@eigh.jvp("a")
def _(t: Any, out: Any) -> Any:
    w, v = out
    t = _half(t)
    along = adjoint(v) @ (t + adjoint(t)) @ v
    tw, same = np.real(np.linalg.diagonal(along)), _repeated(w)
    unknown = np.any(_pairs(same & (_matters(along, t) | _differ(tw))), axis=-2)
    tv = v @ (_reciprocal_gaps(w, same) * along)
    return np.where(unknown, np.nan, tw), np.where(unknown[..., None, :], np.nan, tv)


eigh.strategy(lambda draw: regular_square(draw, np.float64))  # of complex ones the phases are arbitrary


@eigh.public
@implements(np.linalg.eigh)
def _(a: Any, UPLO: str = "L") -> Any:
    a = matrices(a, "eigh")
    if UPLO.upper() not in ("L", "U"):
        raise ValueError(f"eigh: UPLO must be 'L' or 'U', not {UPLO!r}")
    return EighResult(*eigh.apply(a if UPLO.upper() == "L" else np.conj(matrix_transpose(a))))


@primitive(outputs=["eigenvalues", "eigenvectors"], residuals=["largest", "dependent"])
def eig(a: Any) -> Any:
    """The eigenvalues and eigenvectors, as columns, of square matrices; always complex.

    Eigenvectors have length 1 and a real largest entry. The gradient asks that there be n of them, independent. Where
    they are not, or eigenvalues repeat, it is NaN unless the cotangents of the eigenvectors (where they are not, of all
    of them) vanish within the space of these and those of the eigenvalues are equal, as for their sum. The
    derivatives of V f(w) V^-1 exist where eigenvalues repeat: `matrix_function` has them.
    """
    w, v = np.linalg.eig(a)
    places = np.argmax(np.abs(v), axis=-2, keepdims=True) if v.size else np.zeros_like(v)
    size = np.linalg.cond(v) if v.size else np.zeros(v.shape[:-2])
    dependent = ~(size < 0.1 * np.finfo(v.dtype).eps ** -0.5)
    return w, v, np.arange(v.shape[-2])[:, None] == places, dependent[..., None, None]


@eig.vjp("a")
def _(g: Any, out: Any, largest: Any, dependent: Any) -> Any:
    (gw, gv), (w, v) = filled(g, out), out
    size, turn = _parts(np.sum(gv * v, axis=-2, keepdims=True))
    gv = gv - np.conj(v) * size - np.where(largest, turn / np.where(largest, v, 1), 0)
    along, same = v.mT @ gv, _repeated(w) | dependent
    unknown = _pairs(same & (_matters(along, gv) | _differ(gw)))
    inner = np.where(unknown, np.nan, _reciprocal_gaps(w, same) * along)
    n = v.shape[-1]
    mean = np.sum(gw, axis=-1, keepdims=True)[..., None] / max(n, 1)  # apart: of it no rounding is made large
    inner = on_diagonal(inner, (gw - mean[..., 0])[..., None, :])
    return np.linalg.solve(v.mT, inner @ v.mT) + mean * np.eye(n, dtype=v.dtype)


@eig.jvp("a")
def _(t: Any, out: Any, largest: Any, dependent: Any) -> Any:
    w, v = out
    along, same = np.linalg.solve(v, t @ v), _repeated(w) | dependent
    tw = np.linalg.diagonal(along)
    unknown = np.any(_pairs(same & (_matters(along, along) | _differ(tw))), axis=-2)
    tv = v @ (_reciprocal_gaps(w, same) * along)
    size, _ = _parts(np.sum(np.conj(v) * tv, axis=-2, keepdims=True))
    _, turn = _parts(np.sum(np.where(largest, tv / np.where(largest, v, 1), 0), axis=-2, keepdims=True))
    return np.where(unknown, np.nan, tw), np.where(unknown[..., None, :], np.nan, tv - v * (size + turn))


def _parts(x: Any) -> tuple[Any, Any]:
    """The real part, and the imaginary one times i."""
    return (x + np.conj(x)) / 2, (x - np.conj(x)) / 2


eig.strategy(regular_square)


@eig.public
@implements(np.linalg.eig)
def _(a: Any) -> Any:
    out = eig.apply(matrices(a, "eig"))
    return EigResult(*(astype(x, np.result_type(x.dtype, np.complex64)) for x in out))


@primitive(outputs=["Q", "R"])
def qr(a: Any, *, mode: Any) -> Any:
    """Q with orthonormal columns and R upper triangular with Q R = a, for `a` (..., m, n).

    Q is (m, k) and R (k, n), with k = min(m, n) in `mode` "reduced" and k = m in mode "complete"; mode "r"
    gives R alone. The gradient asks that the first min(m, n) columns of `a` be independent (else LinAlgError).
    """
    return np.linalg.qr(a, mode)


@qr.vjp("a")
def _(g: Any, out: Any) -> Any:
    (gq, gr), (q, r) = filled(g, out), out
    k = min(q.shape[-2], r.shape[-1])
    turn = q[..., k:].mT @ gq[..., k:]
    _settled("qr", "the basis of the columns' complement", turn - adjoint(turn), gq)
    q, rest, gq, g_rest = q[..., :k], np.conj(q[..., k:]), gq[..., :k], gq[..., k:]
    (r, beyond), (gr, g_beyond) = _columns(r[..., :k, :], k), _columns(gr[..., :k, :], k)
    back = np.conj(q)
    gq = gq - rest @ (adjoint(g_rest) @ back) + back @ (np.conj(beyond) @ adjoint(g_beyond))
    lower = _half(np.conj(r) @ adjoint(gr) - adjoint(gq) @ back)
    first = np.linalg.solve(r, (gq + back @ (lower + adjoint(lower))).mT).mT
    return np.concatenate([first, back @ g_beyond], axis=-1)


def _columns(x: Any, k: int) -> Any:
    """The first k columns, and the others."""
    return x[..., :k], x[..., k:]


def _nearlyregular_square(draw: Any, dtype: Any = None) -> Any:
    """Matrices whose full factorization is determined up to signs."""
    n = draw.integer(0, 3)
    return regular(draw, (*draw.shape(max_dims=1), *draw.one_of([(n, n), (n, n + 1), (n + 1, n)])), dtype)


@qr.strategy
def _(draw: Any) -> Any:
    mode = draw.one_of(["reduced", "complete"])
    return (_nearlyregular_square(draw, None if mode == "reduced" else np.float64),), {"mode": mode}


@qr.public
@implements(np.linalg.qr)
def _(a: Any, mode: str = "reduced") -> Any:
    if mode not in ("reduced", "complete", "r"):
        raise ValueError(f"qr: mode must be 'reduced', 'complete' or 'r', not {mode!r}")
    q, r = qr.apply(matrices(a, "qr"), mode="reduced" if mode == "r" else mode)
    return r if mode == "r" else QRResult(q, r)


@primitive(outputs=["U", "S", "Vh"])
def svd(a: Any, *, full_matrices: bool) -> Any:
    """U, S and Vh with (U * S) @ Vh = a: orthonormal columns, singular values descending, orthonormal rows.

    With `full_matrices` U and Vh are square, and what is beyond the min(m, n) singular values is an arbitrary
    basis. Without `compute_uv` only S is given. `hermitian` matrices go through `eigh`.
    Where singular values repeat, the gradient is NaN unless the cotangents of their vectors vanish within the spaces of
    these and those of the values are equal, as for their sum. The vectors of the singular value 0, if there is more
    than one or `a` is not square, must have no cotangents at all.

    >>> svd(Tensor([[0.0, 2.0], [3.0, 0.0]])).S
    Tensor([3., 2.])
    """
    return by_finite(lambda a: tuple(np.linalg.svd(a, full_matrices)), a)


@svd.vjp("a")
def _(g: Any, out: Any) -> Any:
    (gu, gs, gvh), (u, s, vh) = filled(g, out), out
    k = s.shape[-1]
    for turn, of in ((u[..., k:].mT @ gu[..., k:], gu), (gvh[..., k:, :] @ vh[..., k:, :].mT, gvh)):
        _settled("svd", "the basis of what is beyond the singular values", turn - adjoint(turn), of)
    u_back, vh_back = np.conj(u[..., :k]), np.conj(vh[..., :k, :])
    gu = gu[..., :k] - np.conj(u[..., k:]) @ (adjoint(gu[..., k:]) @ u_back)
    gvh = gvh[..., :k, :] - (vh_back @ adjoint(gvh[..., k:, :])) @ np.conj(vh[..., k:, :])
    p, q = u[..., :k].mT @ gu, gvh @ vh[..., :k, :].mT
    phase = np.imag(np.linalg.diagonal(p) - np.linalg.diagonal(q))
    _settled("svd", "the phases of complex singular vectors", phase, gu, gvh)
    p_turn, q_turn = p - adjoint(p), q - adjoint(q)
    same, zero, none = _alike(s)
    inverse = _reciprocal(s, zero)
    left, right = gu - u_back @ p, gvh - q @ vh_back
    unsure = _matters(p_turn - q_turn, gu, gvh) | none & (_matters(p_turn, gu, gvh) | _matters(q_turn, gu, gvh))
    if g[1] is not None:
        unsure = unsure | _matters(p + adjoint(p), gu, gvh) | _matters(q + adjoint(q), gu, gvh)
    unknown = _pairs(same & (unsure | _differ(gs) | none & _counts(gs)))
    lost = np.linalg.diagonal(_matters(p, gu, gvh) & _matters(q, gu, gvh))  # the sign of u v^H for the singular value 0
    if u.shape[-2] != vh.shape[-1]:  # it has more vectors, on one side
        out_of = np.any(_matters(left, gu, gvh), axis=-2) | np.any(_matters(right, gu, gvh), axis=-1)
        lost = lost | out_of | _counts(gs)[..., 0, :]
    unknown = on_diagonal(unknown, (zero & lost)[..., None, :])
    sums = _reciprocal(s[..., None, :] + s[..., :, None], none)
    inner = ((p_turn + q_turn) * sums + (p_turn - q_turn) * _reciprocal_gaps(s, same)) / 2
    diagonal = gs + inverse * np.linalg.diagonal(p_turn) / 2  # the second is the phase, of complex matrices
    inner = np.where(unknown, np.nan, on_diagonal(inner, diagonal[..., None, :]))
    left, right = left * inverse[..., None, :], inverse[..., :, None] * right
    return u_back @ inner @ vh_back + left @ vh_back + u_back @ right


@svd.jvp("a")
def _(t: Any, out: Any) -> Any:
    u, s, vh = out
    k = s.shape[-1]
    v = adjoint(vh)
    along = adjoint(u[..., :k]) @ t @ v[..., :k]
    even, odd = (along + adjoint(along)) / 2, (along - adjoint(along)) / 2
    ts, (same, zero, none) = np.real(np.linalg.diagonal(along)), _alike(s)
    left, right = t @ v[..., :k] - u[..., :k] @ along, adjoint(t) @ u[..., :k] - v[..., :k] @ adjoint(along)
    unsure = _matters(even, t) | _matters(along, t) & none
    unknown = np.any(_pairs(same & (unsure | _differ(ts) | none & _counts(ts))), axis=-2)
    if u.shape[-2] != vh.shape[-1]:
        lost = np.any(_matters(left, t), axis=-2) | np.any(_matters(right, t), axis=-2) | _counts(ts)[..., 0, :]
        unknown = unknown | zero & lost
    sums, inverse = _reciprocal(s[..., None, :] + s[..., :, None], none), _reciprocal(s, zero)
    shared, apart = _reciprocal_gaps(s, same) * even, sums * odd
    phases = np.linalg.diagonal(odd) * inverse
    tu = _turned(u, on_diagonal(shared + apart, phases[..., None, :]), left * inverse[..., None, :], unknown)
    tv = _turned(v, on_diagonal(shared - apart, 0), right * inverse[..., None, :], unknown)
    return tu, np.where(unknown, np.nan, ts), adjoint(tv)


def _turned(u: Any, within: Any, out_of: Any, unknown: Any) -> Any:
    """The tangent of orthonormal columns that turn `within` their space and `out_of` it, against those beyond."""
    k = within.shape[-1]
    first = np.where(unknown[..., None, :], np.nan, u[..., :k] @ within + out_of)
    if k == u.shape[-1]:
        return first
    back = u[..., :k] @ (adjoint(out_of) @ u[..., k:])
    return np.concatenate([first, np.where(np.any(unknown, axis=-1)[..., None, None], np.nan, -back)], axis=-1)


def _alike(s: Any) -> tuple[Any, Any, Any]:
    """At (i, j), whether s_i and s_j are equal but for rounding; which are 0; at (i, j), whether both are."""
    zero = rounding(s, np.sum(np.abs(s), axis=-1, keepdims=True))
    none = zero[..., None, :] & zero[..., :, None]
    return _repeated(s) | none, zero, none


def _counts(x: Any) -> Any:
    """Which entries are more than rounding beside the largest, with an axis in front of the last."""
    size = np.max(np.abs(x), axis=-1, initial=0, keepdims=True)
    return (np.abs(x) > np.finfo(x.dtype).eps ** 0.5 * size)[..., None, :]


@svd.strategy
def _(draw: Any) -> Any:
    return (_nearlyregular_square(draw, np.float64),), {"full_matrices": draw.flag()}  # of complex ones, see eigh


@svd.public
@implements(np.linalg.svd)
def _(a: Any, full_matrices: bool = True, compute_uv: bool = True, hermitian: bool = False) -> Any:
    a = matrices(a, "svd")
    if hermitian:
        w, u = eigh(a)
        order = np.flip(computed(np.argsort, np.abs(w)), -1)
        w, u = take_along_axis(w, order, -1), take_along_axis(u, order[..., None, :], -1)
        s = np.abs(w)
        return SVDResult(u, s, adjoint(u * np.sign(w)[..., None, :])) if compute_uv else s
    if not compute_uv:
        return svd.apply(a, full_matrices=False)[1]
    return SVDResult(*svd.apply(a, full_matrices=full_matrices))


for _decomposition in (cholesky, eigh, eig, qr, svd):
    _decomposition.batch(stacked)
