"""A function of a matrix that has too few eigenvectors, or nearly so, by its Schur form.

Eigenvalues that are close make one block, of which the function is a Taylor polynomial about their mean; what is beside
the blocks follows from f(T) T = T f(T), one Sylvester equation for two blocks. Of a block matrix with `a` along its
diagonal and directions above it the corner is a derivative. Source: Davies and Higham, A Schur-Parlett algorithm for
computing matrix functions, 2003; Higham, Functions of Matrices, 2008, chapter 9.

There is no bound for the error. So all is done again in another basis and about other points, with eigenvalues, blocks
and their order others but for rounding: it is a LinAlgError where results differ, as they do where f has no derivative
that is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from .matrix_functions import from_scipy

_DIFFERENTIATED = 4  # orders of derivatives of f in any case,
_ORDERS = 7  # and at most: each takes twice or three times as long as the one before
_NEAR = 0.02  # eigenvalues whose distance is less, beside their size, make one block
_SPREADS = (1e-7, 1e-5, 1e-3, 2e-2)  # or that is less beside the norm: q equal ones move apart by the q-th root of eps
_AGREEMENT, _ENOUGH = 1e-8, 1e-12  # of the results in two bases; with the latter no other spread is tried
_SHIFT = 1e-12  # of the points about which f is developed
_UNSURE = 1e-10  # what a Taylor coefficient may add, beside the sum
_POINTS = 128  # of a circle
_EPS = float(np.finfo(float).eps)
Values = Callable[[Any, int], Any]  # of numbers, the values of a derivative of f


@np.errstate(all="ignore")
def corner(a: Any, directions: Any, values: Values) -> tuple[Any, Any]:
    """The upper right corner of f of the block matrix of `a` (n, n) and the directions, and the numbers about which f
    was developed; LinAlgError where it cannot be had to eight digits."""
    n = len(a)
    size = np.max(np.abs(a)) or 1.0
    sizes = [np.max(np.abs(d)) / size or 1.0 for d in directions]
    directions = [d / s for d, s in zip(directions, sizes, strict=True)]
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(n, n))).Q
    turned = turn.T @ a @ turn, [turn.T @ d @ turn for d in directions]
    best, least = None, _AGREEMENT
    for spread in _SPREADS:
        try:
            first, largest, centres = _corner(a, directions, spread, 0.0, values)
            others = [_corner(*turned, spread, shift, values)[0] for shift in (-_SHIFT, _SHIFT)]
        except _Unsettled:
            continue
        difference = max(np.max(np.abs(first - turn @ x @ turn.T)) for x in others) / (largest or 1.0)
        if difference < least:
            best, least = (first * np.prod(sizes), centres), difference
        if least < _ENOUGH:
            break
    if best is None:
        raise np.linalg.LinAlgError(
            "matrix_function: a matrix that is not Hermitian has no n independent eigenvectors, and its function "
            "cannot be told from rounding, or f lacks derivatives at its eigenvalues that are needed then"
        )
    return best


class _Unsettled(Exception):
    """Taylor series that have not converged."""


def _corner(a: Any, directions: Any, spread: float, shift: float, values: Values) -> tuple[Any, float, Any]:
    """The corner, the largest entry of f of the whole block matrix, and the centres of clusters."""
    n, k = len(a), len(directions)
    t, u = from_scipy("schur")(a, output="complex")
    labels, centres = _clusters(np.diagonal(t), float(spread * np.linalg.norm(t)), a.dtype.kind != "c")
    centres = centres + shift * np.max(np.abs(t))
    whole = np.kron(np.eye(k + 1), t)
    for i, d in enumerate(directions):
        whole[i * n : (i + 1) * n, (i + 1) * n : (i + 2) * n] = u.conj().T @ d @ u
    out = _of_triangular(whole, np.tile(labels, k + 1), centres, values)
    return u @ out[:n, k * n :] @ u.conj().T, np.max(np.abs(out)), centres


def _clusters(w: Any, spread: float, real: bool) -> tuple[Any, Any]:
    """A number for each eigenvalue, the same for those that are near, and the mean of each such cluster."""
    gap = np.maximum.outer(np.abs(w), np.abs(w)) * _NEAR + spread
    near = np.abs(np.subtract.outer(w, w)) <= gap
    for _ in w:  # neighbours of neighbours
        near = near @ near
    _, labels = np.unique(np.argmax(near, axis=1), return_inverse=True)
    centres = np.array([np.mean(w[labels == i]) for i in range(max(labels) + 1)])
    rounding = 100 * len(w) * _EPS * np.max(np.abs(w))
    if real and np.all(np.abs(centres.imag) <= rounding):  # each cluster is its own conjugate
        centres = centres.real
    return labels, centres


def _of_triangular(t: Any, labels: Any, centres: Any, values: Values) -> Any:
    """f of an upper triangular matrix, whose diagonal entries are in clusters."""
    t, turned, labels = _ordered(t, labels)
    ends = np.flatnonzero(np.diff(labels)) + 1
    parts = [slice(i, j) for i, j in zip([0, *ends], [*ends, len(t)], strict=True)]
    out = np.zeros_like(t)
    blocks = _polynomials([t[part, part] for part in parts], centres[labels[[0, *ends]]], values)
    for part, block in zip(parts, blocks, strict=True):
        out[part, part] = block
    (solver,) = from_scipy("get_lapack_funcs")(("trsyl",), (t,))
    for distance in range(1, len(parts)):
        for one, other in zip(parts, parts[distance:], strict=False):
            rest = slice(one.start, other.stop)  # out is still 0 in what is looked for
            known = out[one, rest] @ t[rest, other] - t[one, rest] @ out[rest, other]
            found, scale, _ = solver(t[one, one], t[other, other], known, isgn=-1)
            out[one, other] = found / scale
    return turned @ out @ turned.conj().T


def _ordered(t: Any, labels: Any) -> tuple[Any, Any, Any]:
    """The same matrix in a basis in which clusters are contiguous, that basis, and the labels there."""
    (swap,) = from_scipy("get_lapack_funcs")(("trexc",), (t,))
    turned, labels = np.eye(len(t), dtype=t.dtype), list(labels)
    for place in range(len(labels)):
        at = place + int(np.argmin(labels[place:]))
        if at > place:
            t, turned, _ = swap(t, turned, at + 1, place + 1)
            labels.insert(place, labels.pop(at))
    return t, turned, np.array(labels)


def _polynomials(blocks: list[Any], centres: Any, values: Values) -> list[Any]:
    """f of blocks whose eigenvalues are near their centres, by its Taylor series."""
    rest = [block - centre * np.eye(len(block)) for block, centre in zip(blocks, centres, strict=True)]
    sizes = [np.linalg.norm(x) for x in rest]
    powers = [np.eye(len(x), dtype=x.dtype) for x in rest]
    outs: list[Any] = [0.0 for _ in rest]
    small, low = [0 for _ in rest], [False for _ in rest]  # how many terms were small; whether further powers are, too
    for order, (coefficients, errors) in enumerate(_coefficients(centres, values)):
        for i, x in enumerate(rest):
            if not np.any(powers[i]):
                continue
            term = coefficients[i] * powers[i]
            outs[i] = outs[i] + term
            least = np.max(np.abs(outs[i]))
            if errors[i] * np.max(np.abs(powers[i])) > _UNSURE * least:
                raise _Unsettled
            small[i] = small[i] + 1 if np.max(np.abs(term)) <= _EPS * least else 0
            powers[i] = powers[i] @ x
            low[i] |= order + 1 >= len(x) or np.linalg.norm(powers[i]) <= len(x) * _EPS * sizes[i] ** (order + 1)
        if all(not np.any(p) or (n > 1 and done) for p, n, done in zip(powers, small, low, strict=True)):
            return outs
    raise _Unsettled


def _coefficients(centres: Any, values: Values) -> Iterator[tuple[Any, Any]]:
    """Taylor coefficients of f at its centres, and their errors: a few by its derivatives, others by Cauchy's integral
    where f is found to be holomorphic, and else by derivatives as far as time allows."""
    first, factor = [], 1.0
    for order in range(_DIFFERENTIATED + 1):
        factor *= max(order, 1)
        first.append(values(centres, order) / factor)
        yield first[-1], np.zeros(len(centres))
    try:
        series = [_by_cauchy(values, *x) for x in zip(centres, np.transpose(first), strict=True)]
    except (TypeError, _Unsettled):  # f takes no complex numbers, or is not holomorphic
        for order in range(_DIFFERENTIATED + 1, _ORDERS + 1):
            factor *= order
            yield values(centres, order) / factor, np.zeros(len(centres))
        return
    for order in range(_DIFFERENTIATED + 1, _POINTS // 4):
        found, errors = (np.array(x) for x in zip(*(one[order] for one in series), strict=True))
        yield found if first[0].dtype.kind == "c" else found.real, errors


def _by_cauchy(values: Values, centre: Any, known: Any) -> list[tuple[Any, float]]:
    """Taylor coefficients of f at a number with their errors, each by the circle that gives it best.

    The mean of f(z) z^-k over a circle is that of order k and, for k < 0, is 0. Source: Bornemann, Accuracy and
    stability of computing high-order derivatives of analytic functions by Cauchy integrals, 2011.
    """
    best = [(0.0, np.inf)] * (_POINTS // 4)
    for radius in (abs(centre) or 1.0) * np.sqrt(0.5) ** np.arange(-8, 24):
        around = values(centre + radius * np.exp(2j * np.pi * np.arange(_POINTS) / _POINTS), 0)
        if not np.all(np.isfinite(around)):
            continue
        means = np.fft.fft(around) / _POINTS
        error = 16 * _EPS * np.max(np.abs(means))
        if np.max(np.abs(means[_POINTS // 2 :])) > error:
            continue
        sizes = radius ** np.arange(len(best), dtype=float)
        best = [min(one, (m / s, error / s), key=lambda x: x[1]) for one, m, s in zip(best, means, sizes, strict=False)]
    for one, (other, error) in zip(known, best, strict=False):
        if not abs(one - other) <= 100 * error:
            raise _Unsettled
    return best
