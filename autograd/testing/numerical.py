"""Numerical differentiation of plain functions, by differences of several orders and by complex steps.

A step is `eps` times the scale of the entry it is taken in: its magnitude, or the array's mean magnitude if
that is larger (1 in an array of zeros), rounded to a power of two. The default `eps` balances truncation against
rounding: the machine epsilon to the power 1/2 (one-sided), 1/3 (central), 1/5 (fourth order), 3/2 (complex). A complex
entry moves along the real and along the imaginary axis.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ..core.tensor import Tensor, wrap
from ..core.types import Array, ArrayLike
from .lines import METHODS, STENCILS, Line, best_slope, slope


def scales(x: Any) -> Any:
    """What counts as a step of 1 in each entry of the real array `x`: a power of two near its magnitude."""
    size = np.abs(x)
    with np.errstate(all="ignore"):
        size = np.maximum(size, np.mean(size)) if x.size else size
    usual = np.isfinite(size) & (size > 0)
    return np.ldexp(x.dtype.type(1), np.frexp(np.where(usual, size, 1))[1] - 1)


def parts(x: Any) -> Any:
    """Complex numbers as their real and imaginary parts, along a last axis; real ones as they are."""
    return np.stack([x.real, x.imag], axis=-1) if x.dtype.kind == "c" else x


def joined(values: Any, like: Any) -> Any:
    """What `parts` made of an array like `like`, in one again."""
    return values[..., 0] + 1j * values[..., 1] if like.dtype.kind == "c" else values


def units(x: Any) -> Any:
    """One after the other, all the unit steps that an array like `x` can take: 1 at an entry, or i if it is complex."""
    shape = parts(x).shape
    count = math.prod(shape)
    return joined(np.eye(count).reshape(count, *shape), x)


def _plain(f: Callable[[Any], Any], x: Any, method: str) -> tuple[Callable[[Any], Any], Any, Any]:
    """`f` of an array of the parts of `x` (called with Tensors if `x` is one), `x` as an array, and its parts."""
    if method not in METHODS:
        raise ValueError(f"numerical_grad: unknown method {method!r}; there are {', '.join(METHODS)}")
    given = x.numpy() if isinstance(x, Tensor) else np.asarray(x)
    given = given if given.dtype.kind in "fc" else given.astype(np.float64)
    if method == "complex" and given.dtype.kind == "c":
        raise TypeError(f"numerical_grad: the complex step is for real x, not {given.dtype}; central differences do")
    if isinstance(x, Tensor):
        return lambda values: f(wrap(joined(values, given)[()])).numpy(), given, parts(given)
    return lambda values: np.asarray(f(joined(values, given))), given, parts(given)


def _columns(f: Callable[[Any], Any], x: Any, method: str, eps: float | None) -> Iterator[tuple[tuple[int, ...], Any]]:
    """The derivative of what `f` gives with respect to each entry of the float array `x`, with its index."""
    scale = scales(x)
    for at in np.ndindex(x.shape):

        def moved(t: Any, at: Any = at) -> Any:
            y = x.astype(np.result_type(x, np.complex64) if isinstance(t, complex) else x.dtype)
            y[at] += t * scale[at]
            return f(y)

        line = Line(moved, float(np.finfo(x.dtype).eps))
        with np.errstate(all="ignore"):
            if method in STENCILS:
                column = line.quotient(method, eps or line.step(method))
            else:
                column = (best_slope(line) if method == "auto" else slope(line, method, eps)).value
        yield at, column / scale[at]


def numerical_jacobian(
    f: Callable[..., object], x: ArrayLike, *, method: str = "central", eps: float | None = None
) -> Array:
    """The Jacobian of `f` at `x` by finite differences, of shape `f(x).shape + x.shape`.

    For complex `x` there is one more axis, of length 2: the derivatives by the real and by the imaginary part; for a
    holomorphic `f` the second is i times the first. Arguments as in `numerical_grad`.

    >>> import numpy as np
    >>> numerical_jacobian(lambda x: x * x, np.array([1.0, 2.0])).round(6)
    array([[2., 0.],
           [0., 4.]])
    """
    f, _, values = _plain(f, x, method)
    out, dtype = f(values), values.dtype
    jacobian: Any = np.empty(
        (*out.shape, *values.shape), np.result_type(dtype, np.complex64) if out.dtype.kind == "c" else dtype
    )
    for at, column in _columns(f, values, method, eps):
        jacobian[(..., *at)] = column
    return jacobian


def numerical_grad(
    f: Callable[..., object],
    x: ArrayLike,
    *,
    method: str = "central",
    eps: float | None = None,
    gradient: ArrayLike | None = None,
) -> Array:
    """The gradient of `f` at `x` by finite differences, an array of the shape of `x`.

    That of a complex `f` is its real part's; for complex x = a + ib it is d/da - i d/db, f' if `f` is holomorphic.
    `f` is called with what `x` is: Tensors if it is a Tensor, else NumPy arrays. A result of more than one
    entry is weighted by `gradient`, of its shape (ValueError without). `method` is "forward", "backward", "central",
    "fourth" (central, of fourth order), "richardson" (extrapolated over a ladder of steps, the largest `eps`),
    "complex", or "auto": of these what the function allows and is most exact. `eps` is the step relative to the size
    of x. The complex step, Im f(x + ih) / h, is right to rounding, but `f` must be analytic and take complex
    arrays: a function with abs, conj or comparisons inside may give a wrong number ("auto" verifies it).
    See Squire and Trapp, Using complex variables to estimate derivatives of real functions, 1998.

    >>> import numpy as np
    >>> numerical_grad(lambda x: np.sum(x**3), np.array([1.0, 2.0]), method="complex")
    array([ 3., 12.])
    """
    f, x, values = _plain(f, x, method)
    shape = f(values).shape
    if gradient is None and np.prod(shape) != 1:
        raise ValueError(f"numerical_grad: f gives shape {shape}; weight it by a gradient of that shape")
    weights = np.ones(shape) if gradient is None else np.asarray(gradient)
    if weights.shape != shape:
        raise ValueError(f"numerical_grad: gradient of shape {weights.shape} given for f of shape {shape}")
    out: Any = np.empty_like(values)
    for at, column in _columns(f, values, method, eps):
        out[at] = np.sum(weights * column).real
    return np.conj(joined(out, x))
