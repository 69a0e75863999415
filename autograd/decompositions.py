"""Factorizations of matrices, or stacks of them, real or complex, as primitives.

A function of eigen- or singular vectors has a gradient only if it does not depend on their arbitrary sign, phase (of
complex ones) or basis (of a complement): where it does, it is a LinAlgError. Where values repeat, what the vectors give
within their common space counts as 0: gradients are finite, and right for functions of the values and of the projection
on that space; second ones are not.
Sources: Giles, Collected matrix derivative results, 2008; Townsend, Differentiating the SVD, 2016; Walter and
Lehmann, On evaluating higher-order derivatives of the QR decomposition, 2012; Wan and Zhang, 2019 (complex SVD).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .batching import computed, stacked
from .levels import bottom
from .parts import astype
from .primitive import implements, primitive
from .shaping import matrix_transpose
from .solving import adjoint, filled, matrices, on_diagonal, regular, regular_square
from .sorting import take_along_axis


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


def _reciprocal(x: Any, size: Any) -> Any:
    """1 / x, and 0 where x is nothing but rounding beside `size`."""
    lost = np.abs(x) <= x.shape[-1] * np.finfo(x.dtype).eps * size
    return np.where(lost, 0, 1 / np.where(lost, 1, x))


def _reciprocal_gaps(w: Any) -> Any:
    """1 / (w_j - w_i) at (i, j), and 0 where the two are equal."""
    size = np.sum(np.abs(w), axis=-1, keepdims=True)
    return _reciprocal(w[..., None, :] - w[..., :, None], size[..., None])


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

    >>> eigh(Tensor([[2.0, 0.0], [0.0, 3.0]])).eigenvalues
    Tensor([2., 3.])
    """
    return np.linalg.eigh(a)


@eigh.vjp("a")
def _(g: Any, out: Any) -> Any:
    (gw, gv), (w, v) = filled(g, out), out
    along = v.mT @ gv
    _settled("eigh", "the phases of complex eigenvectors", np.imag(np.linalg.diagonal(along)), gv)
    inner = on_diagonal(_reciprocal_gaps(w) * along, gw[..., None, :])
    return _of_lower(np.conj(v) @ inner @ v.mT)


eigh.strategy(lambda draw: regular_square(draw, np.float64))  # of complex ones the phases are arbitrary


@eigh.public
@implements(np.linalg.eigh)
def _(a: Any, UPLO: str = "L") -> Any:
    a = matrices(a, "eigh")
    if UPLO.upper() not in ("L", "U"):
        raise ValueError(f"eigh: UPLO must be 'L' or 'U', not {UPLO!r}")
    return EighResult(*eigh.apply(a if UPLO.upper() == "L" else np.conj(matrix_transpose(a))))


@primitive(outputs=["eigenvalues", "eigenvectors"], residuals=["largest"])
def eig(a: Any) -> Any:
    """The eigenvalues and eigenvectors, as columns, of square matrices; always complex.

    Eigenvectors have length 1 and a real largest entry. The gradient asks that there be n of them, independent.
    """
    w, v = np.linalg.eig(a)
    places = np.argmax(np.abs(v), axis=-2, keepdims=True) if v.size else np.zeros_like(v)
    return w, v, np.arange(v.shape[-2])[:, None] == places


@eig.vjp("a")
def _(g: Any, out: Any, largest: Any) -> Any:
    (gw, gv), (w, v) = filled(g, out), out
    along = np.sum(gv * v, axis=-2, keepdims=True)
    size, turn = (along + np.conj(along)) / 2, (along - np.conj(along)) / 2
    gv = gv - np.conj(v) * size - np.where(largest, turn / np.where(largest, v, 1), 0)
    inner = on_diagonal(_reciprocal_gaps(w) * (v.mT @ gv), gw[..., None, :])
    return np.linalg.solve(v.mT, inner @ v.mT)


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

    >>> svd(Tensor([[0.0, 2.0], [3.0, 0.0]])).S
    Tensor([3., 2.])
    """
    return np.linalg.svd(a, full_matrices)


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
    row, column, total = s[..., None, :], s[..., :, None], s[..., None, :] + s[..., :, None]
    gaps = _reciprocal_gaps(s) / np.where(total == 0, 1, total)
    inverse = _reciprocal(s, np.sum(s, axis=-1, keepdims=True))
    diagonal = gs + inverse * np.linalg.diagonal(p_turn) / 2  # the second is the phase, of complex matrices
    inner = on_diagonal(gaps * (p_turn * row - column * q_turn), diagonal[..., None, :])
    left, right = (gu - u_back @ p) * inverse[..., None, :], inverse[..., :, None] * (gvh - q @ vh_back)
    return u_back @ inner @ vh_back + left @ vh_back + u_back @ right


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
