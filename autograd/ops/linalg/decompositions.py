"""Factorizations of matrices, or stacks of them, real or complex, as primitives.

A function of eigen- or singular vectors has a gradient only if it does not depend on their arbitrary sign, phase (of
complex ones) or basis (of a complement): where it does, it is a LinAlgError.

Where values repeat, see `repeated_values`.
Sources: Giles, Collected matrix derivative results, 2008; Townsend, Differentiating the SVD, 2016; Walter and
Lehmann, On evaluating higher-order derivatives of the QR decomposition, 2012; Wan and Zhang, 2019 (complex SVD).
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, Protocol, overload

import numpy as np

from ...core.batching import stacked
from ...core.primitive import Primitive, implements, primitive
from ...core.tensor import Tensor
from ...core.types import ArrayLike
from ..casting import astype
from ..shape import matrix_transpose
from .repeated_values import differ, matters, off_diagonal, reciprocal_gaps, repeated, settled
from .solving import adjoint, filled, matrices, on_diagonal, regular, regular_square


class EighResult(NamedTuple):
    eigenvalues: Tensor
    eigenvectors: Tensor


class EigResult(NamedTuple):
    eigenvalues: Tensor
    eigenvectors: Tensor


class QRResult(NamedTuple):
    Q: Tensor
    R: Tensor


class QR(Protocol):
    """`qr`, or just the triangular matrices."""

    @overload
    def __call__(self, a: ArrayLike, mode: Literal["reduced", "complete"] = "reduced") -> QRResult: ...
    @overload
    def __call__(self, a: ArrayLike, mode: Literal["r"]) -> Tensor: ...


def _half(x: Any) -> Any:
    """The lower triangle, with half of the diagonal; half(x) + its adjoint is x again if x is Hermitian."""
    return on_diagonal(np.where(np.tri(x.shape[-1], dtype=bool), x, 0), x / 2)


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
def cholesky_form(a: ArrayLike, /, *, upper: bool = False) -> Tensor:
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
    settled("eigh", "the phases of complex eigenvectors", np.imag(np.diagonal(along, axis1=-2, axis2=-1)), gv)
    same = repeated(w)
    unsure = matters(along - adjoint(along) if g[0] is None else along, gv)
    unknown = off_diagonal(same & (unsure | differ(gw)))
    inner = np.where(unknown, np.nan, reciprocal_gaps(w, same) * along)
    return _of_lower(np.conj(v) @ on_diagonal(inner, gw[..., None, :]) @ v.mT)


@eigh.jvp("a")
def _(t: Any, out: Any) -> Any:
    w, v = out
    t = _half(t)
    along = adjoint(v) @ (t + adjoint(t)) @ v
    tw, same = np.real(np.diagonal(along, axis1=-2, axis2=-1)), repeated(w)
    unknown = np.any(off_diagonal(same & (matters(along, t) | differ(tw))), axis=-2)
    tv = v @ (reciprocal_gaps(w, same) * along)
    return np.where(unknown, np.nan, tw), np.where(unknown[..., None, :], np.nan, tv)


eigh.strategy(lambda draw: regular_square(draw, np.float64))  # of complex ones the phases are arbitrary


@eigh.public
@implements(np.linalg.eigh)
def eigh_form(a: ArrayLike, UPLO: str = "L") -> EighResult:
    a = matrices(a, "eigh")
    if UPLO.upper() not in ("L", "U"):
        raise ValueError(f"eigh: UPLO must be 'L' or 'U', not {UPLO!r}")
    return EighResult(*eigh.apply(a if UPLO.upper() == "L" else np.conj(matrix_transpose(a))))


@primitive(outputs=["eigenvalues", "eigenvectors"], aux=["largest", "dependent"])
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
    along, same = v.mT @ gv, repeated(w) | dependent
    unknown = off_diagonal(same & (matters(along, gv) | differ(gw)))
    inner = np.where(unknown, np.nan, reciprocal_gaps(w, same) * along)
    n = v.shape[-1]
    mean = np.sum(gw, axis=-1, keepdims=True)[..., None] / max(n, 1)  # apart: of it no rounding is made large
    inner = on_diagonal(inner, (gw - mean[..., 0])[..., None, :])
    return np.linalg.solve(v.mT, inner @ v.mT) + mean * np.eye(n, dtype=v.dtype)


@eig.jvp("a")
def _(t: Any, out: Any, largest: Any, dependent: Any) -> Any:
    w, v = out
    along, same = np.linalg.solve(v, t @ v), repeated(w) | dependent
    tw = np.diagonal(along, axis1=-2, axis2=-1)
    unknown = np.any(off_diagonal(same & (matters(along, along) | differ(tw))), axis=-2)
    tv = v @ (reciprocal_gaps(w, same) * along)
    size, _ = _parts(np.sum(np.conj(v) * tv, axis=-2, keepdims=True))
    _, turn = _parts(np.sum(np.where(largest, tv / np.where(largest, v, 1), 0), axis=-2, keepdims=True))
    return np.where(unknown, np.nan, tw), np.where(unknown[..., None, :], np.nan, tv - v * (size + turn))


def _parts(x: Any) -> tuple[Any, Any]:
    """The real part, and the imaginary one times i."""
    return (x + np.conj(x)) / 2, (x - np.conj(x)) / 2


eig.strategy(regular_square)


@eig.public
@implements(np.linalg.eig)
def eig_form(a: ArrayLike) -> EigResult:
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
    settled("qr", "the basis of the columns' complement", turn - adjoint(turn), gq)
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


def nearly_regular_square(draw: Any, dtype: Any = None) -> Any:
    """Matrices whose full factorization is determined up to signs."""
    n = draw.integer(0, 3)
    return regular(draw, (*draw.shape(max_dims=1), *draw.one_of([(n, n), (n, n + 1), (n + 1, n)])), dtype)


@qr.strategy
def _(draw: Any) -> Any:
    mode = draw.one_of(["reduced", "complete"])
    return (nearly_regular_square(draw, None if mode == "reduced" else np.float64),), {"mode": mode}


@qr.public
@implements(np.linalg.qr)
def _(a: ArrayLike, mode: str = "reduced") -> Tensor | tuple[Tensor, Tensor]:
    if mode not in ("reduced", "complete", "r"):
        raise ValueError(f"qr: mode must be 'reduced', 'complete' or 'r', not {mode!r}")
    q, r = qr.apply(matrices(a, "qr"), mode="reduced" if mode == "r" else mode)
    return r if mode == "r" else QRResult(q, r)


qr_form: Primitive[QR] = qr


for _decomposition in (cholesky, eigh, eig, qr):
    _decomposition.batch(stacked)
