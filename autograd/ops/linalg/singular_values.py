"""The singular value decomposition, of real and complex matrices; where its values repeat, see `repeated_values`.

Sources: Townsend, Differentiating the SVD, 2016; Wan and Zhang, 2019 (complex SVD).
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, Protocol, overload

import numpy as np

from ...core.batching import computed, stacked
from ...core.primitive import Primitive, implements, primitive
from ...core.tensor import Tensor
from ...core.types import ArrayLike
from ..sorting import take_along_axis
from .decompositions import eigh, nearly_regular_square
from .repeated_values import differ, matters, off_diagonal, reciprocal, reciprocal_gaps, repeated, rounding, settled
from .solving import adjoint, by_finite, filled, matrices, on_diagonal


class SVDResult(NamedTuple):
    U: Tensor
    S: Tensor
    Vh: Tensor


class SVD(Protocol):
    """`svd`, or just the singular values."""

    @overload
    def __call__(
        self, a: ArrayLike, full_matrices: bool = True, compute_uv: Literal[True] = True, hermitian: bool = False
    ) -> SVDResult: ...
    @overload
    def __call__(
        self, a: ArrayLike, full_matrices: bool = True, *, compute_uv: Literal[False], hermitian: bool = False
    ) -> Tensor: ...


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
        settled("svd", "the basis of what is beyond the singular values", turn - adjoint(turn), of)
    u_back, vh_back = np.conj(u[..., :k]), np.conj(vh[..., :k, :])
    gu = gu[..., :k] - np.conj(u[..., k:]) @ (adjoint(gu[..., k:]) @ u_back)
    gvh = gvh[..., :k, :] - (vh_back @ adjoint(gvh[..., k:, :])) @ np.conj(vh[..., k:, :])
    p, q = u[..., :k].mT @ gu, gvh @ vh[..., :k, :].mT
    phase = np.imag(np.diagonal(p, axis1=-2, axis2=-1) - np.diagonal(q, axis1=-2, axis2=-1))
    settled("svd", "the phases of complex singular vectors", phase, gu, gvh)
    p_turn, q_turn = p - adjoint(p), q - adjoint(q)
    same, zero, none = _alike(s)
    inverse = reciprocal(s, zero)
    left, right = gu - u_back @ p, gvh - q @ vh_back
    unsure = matters(p_turn - q_turn, gu, gvh) | none & (matters(p_turn, gu, gvh) | matters(q_turn, gu, gvh))
    if g[1] is not None:
        unsure = unsure | matters(p + adjoint(p), gu, gvh) | matters(q + adjoint(q), gu, gvh)
    unknown = off_diagonal(same & (unsure | differ(gs) | none & _counts(gs)))
    both = matters(p, gu, gvh) & matters(q, gu, gvh)
    lost = np.diagonal(both, axis1=-2, axis2=-1)  # the sign of u v^H for the singular value 0
    if u.shape[-2] != vh.shape[-1]:  # it has more vectors, on one side
        out_of = np.any(matters(left, gu, gvh), axis=-2) | np.any(matters(right, gu, gvh), axis=-1)
        lost = lost | out_of | _counts(gs)[..., 0, :]
    unknown = on_diagonal(unknown, (zero & lost)[..., None, :])
    sums = reciprocal(s[..., None, :] + s[..., :, None], none)
    inner = ((p_turn + q_turn) * sums + (p_turn - q_turn) * reciprocal_gaps(s, same)) / 2
    phase = inverse * np.diagonal(p_turn, axis1=-2, axis2=-1) / 2  # of complex matrices
    diagonal = gs + phase
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
    ts, (same, zero, none) = np.real(np.diagonal(along, axis1=-2, axis2=-1)), _alike(s)
    left, right = t @ v[..., :k] - u[..., :k] @ along, adjoint(t) @ u[..., :k] - v[..., :k] @ adjoint(along)
    unsure = matters(even, t) | matters(along, t) & none
    unknown = np.any(off_diagonal(same & (unsure | differ(ts) | none & _counts(ts))), axis=-2)
    if u.shape[-2] != vh.shape[-1]:
        lost = np.any(matters(left, t), axis=-2) | np.any(matters(right, t), axis=-2) | _counts(ts)[..., 0, :]
        unknown = unknown | zero & lost
    sums, inverse = reciprocal(s[..., None, :] + s[..., :, None], none), reciprocal(s, zero)
    shared, apart = reciprocal_gaps(s, same) * even, sums * odd
    phases = np.diagonal(odd, axis1=-2, axis2=-1) * inverse
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
    return repeated(s) | none, zero, none


def _counts(x: Any) -> Any:
    """Which entries are more than rounding beside the largest, with an axis in front of the last."""
    size = np.max(np.abs(x), axis=-1, initial=0, keepdims=True)
    return (np.abs(x) > np.finfo(x.dtype).eps ** 0.5 * size)[..., None, :]


@svd.strategy
def _(draw: Any) -> Any:
    return (nearly_regular_square(draw, np.float64),), {"full_matrices": draw.flag()}  # of complex ones, see eigh


@svd.public
@implements(np.linalg.svd)
def _(
    a: ArrayLike, full_matrices: bool = True, compute_uv: bool = True, hermitian: bool = False
) -> Tensor | tuple[Tensor, Tensor, Tensor]:
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


svd_form: Primitive[SVD] = svd


svd.batch(stacked)
