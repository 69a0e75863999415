"""Analytic functions of square matrices, by SciPy: the exponential, the square root and the logarithm.

One rule serves all, of any order: f of [[a, d], [0, a]] has the derivative of f at a along d beside f(a), and the
transpose of that derivative is the one at a^T. Source: Higham, Functions of Matrices, 2008, theorem 4.12.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np

from .batching import stacked
from .levels import bottom
from .primitive import Primitive, primitive
from .solving import regular_square, square


def from_scipy(name: str) -> Any:
    """The function of `scipy.linalg`; ImportError without SciPy."""
    try:
        return getattr(import_module("scipy.linalg"), name)
    except ImportError as error:
        raise ImportError(f"{name}: SciPy computes it, pip install pullback[special]") from error


def _of_matrices(name: str, doc: str) -> Primitive:
    @primitive(name=name)
    def function(a: Any) -> Any:
        one = from_scipy(name)
        double = a.astype(np.result_type(a, np.float64))
        out = np.array([one(matrix) for matrix in double.reshape(-1, *a.shape[-2:])]) if a.size else a
        return out.reshape(a.shape).astype(np.result_type(a, np.complex64) if np.iscomplexobj(out) else a.dtype)

    @function.vjp("a")
    def _(g: Any, a: Any) -> Any:
        n = a.shape[-1]
        size = np.max(np.abs(bottom(g)), initial=0) or g.dtype.type(1)  # that the blocks may be of one size
        upper = np.concatenate([a.mT, g / size], axis=-1)
        lower = np.concatenate([np.zeros_like(a), a.mT], axis=-1)
        return function.apply(np.concatenate([upper, lower], axis=-2))[..., :n, n:] * size

    function.batch(stacked)
    function.strategy(regular_square)
    function.public(lambda a: function.apply(square(a, name)))
    function.__doc__ = doc
    return function


expm = _of_matrices("expm", "The exponentials of square matrices, sum(a^k / k!), by SciPy.")
sqrtm = _of_matrices("sqrtm", "The principal square roots of square matrices, by SciPy; complex where one must be.")
logm = _of_matrices("logm", "The principal logarithms of square matrices, by SciPy; complex where one must be.")


@expm.strategy
def _(draw: Any) -> Any:
    n = draw.integer(0, 3)
    return (draw.array(shape=(*draw.shape(max_dims=1), n, n), domain=(-1.0, 1.0)),), {}
