"""Normalization over any axes, with a weight and a bias: that of batches, layers, groups and instances."""

from __future__ import annotations

import weakref
from typing import Any

import numpy as np

from ..core.batching import aligned
from ..core.elementwise import elementwise
from ..core.primitive import primitive
from ..kernels.normalization import normalization, normalization_back
from ..kernels.rescaling import rescaled

__all__ = ["rescale", "standardize"]


class _Shared:
    """The cotangents of weight and bias, which come with that of x, until their rules' turns.

    They belong to one array, the cotangent of the result; what writes into arrays that others hold puts a new one in
    its place (see core/aliasing.py).
    """

    __slots__ = ("statistics", "biased", "left")

    def __init__(self, statistics: Any, biased: bool) -> None:
        self.statistics, self.biased = statistics, biased
        self.left: dict[str, tuple[Any, Any]] = {}

    def leave(self, g: Any, **cotangents: Any) -> None:
        """Keep what belongs to the cotangent g of the result."""
        self.left = {name: (weakref.ref(g), c) for name, c in cotangents.items()}

    def take(self, name: str, g: Any) -> Any:
        """What was left of that name for g; None if nothing was."""
        owner, c = self.left.pop(name, (None, None))
        return c if owner is not None and owner() is g else None


@primitive(aux=["mean", "variance", "shared"])
def standardize(x: Any, weight: Any, bias: Any, *, axes: tuple[int, ...], eps: float, centered: bool) -> Any:
    """(x - mean) / sqrt(variance + eps) * weight + bias, with the mean and variance of x over `axes`.

    Weight and bias, which may be None, are broadcast. Unless `centered` the mean is taken as 0, and the variance as the
    mean square.

    >>> standardize.apply(np.array([1.0, 3.0]), None, None, axes=(0,), eps=0.0, centered=True)
    array([-1.,  1.])
    """
    if x.dtype.kind != "f" or any(a is not None and a.dtype.kind == "c" for a in (weight, bias)):
        raise TypeError(f"standardize: numbers of {x.dtype}; expected real floating-point numbers")
    out, mean, variance, statistics = normalization(x, weight, bias, axes, eps, centered)
    return out, mean, variance, _Shared(statistics, bias is not None)


def _on_arrays(*values: Any) -> bool:
    """Whether the rules compute numbers, and record nothing."""
    return all([v is None or v.__class__ is np.ndarray for v in values])  # a list, which is quicker for so few


def _distances(x: Any, axes: tuple[int, ...], eps: float, centered: bool) -> tuple[Any, Any]:
    """x less its mean, divided by its deviation, and one by this; as a formula of x."""
    if centered:
        x = x - np.mean(x, axis=axes, keepdims=True)
    inverse = 1 / np.sqrt(np.mean(np.square(x), axis=axes, keepdims=True) + eps)
    return x * inverse, inverse


def _projected(h: Any, z: Any, axes: tuple[int, ...], centered: bool) -> Any:
    """h without what a change of x along its mean and along itself does not change."""
    out = h - z * np.mean(h * z, axis=axes, keepdims=True)
    return out - np.mean(h, axis=axes, keepdims=True) if centered else out


@standardize.vjp("x")
def _(g: Any, x: Any, weight: Any, axes: tuple[int, ...], eps: float, centered: bool, shared: _Shared) -> Any:
    if _on_arrays(g, x, weight):
        gx, gw, gb = normalization_back(g, x, weight, shared.biased, shared.statistics, axes, centered)
        shared.leave(g, weight=gw, bias=gb)
        return gx
    z, inverse = _distances(x, axes, eps, centered)
    return inverse * _projected(g if weight is None else g * weight, z, axes, centered)


@standardize.vjp("weight")
def _(g: Any, x: Any, weight: Any, axes: tuple[int, ...], eps: float, centered: bool, shared: _Shared) -> Any:
    if _on_arrays(g, x, weight):
        left = shared.take("weight", g)
        return normalization_back(g, x, weight, False, shared.statistics, axes, centered)[1] if left is None else left
    return g * _distances(x, axes, eps, centered)[0]


@standardize.vjp("bias")
def _(g: Any, shared: _Shared) -> Any:
    left = shared.take("bias", g) if g.__class__ is np.ndarray else None
    return g if left is None else left


@standardize.jvp("x")
def _(t: Any, x: Any, weight: Any, axes: tuple[int, ...], eps: float, centered: bool) -> Any:
    z, inverse = _distances(x, axes, eps, centered)
    out = inverse * _projected(t, z, axes, centered)
    return out if weight is None else out * weight


@standardize.jvp("weight")
def _(t: Any, x: Any, axes: tuple[int, ...], eps: float, centered: bool) -> Any:
    return t * _distances(x, axes, eps, centered)[0]


@standardize.jvp("bias")
def _(t: Any, x_shape: tuple[int, ...]) -> Any:
    return np.broadcast_to(t, x_shape)


@standardize.batch
def _(call: Any, n: int, values: Any, batched: set[int], /, *, axes: tuple[int, ...], **options: Any) -> Any:
    x, *others = aligned(values, batched, 0)
    x = x if 0 in batched else np.broadcast_to(x, (n, *x.shape))
    return call(x, *others, axes=tuple(i + 1 for i in axes), **options)


@standardize.strategy
def _(draw: Any) -> Any:
    shape = draw.shape(min_dims=1, min_side=1)
    axes = draw.axes(len(shape))
    options = {"axes": axes, "eps": draw.one_of([1e-5, 0.5]), "centered": draw.flag()}
    return tuple(draw.array(shape=s, dtype=np.float64) for s in (shape, shape[1:], shape)), options


rescale = elementwise(
    rescaled,
    name="rescale",
    dtype=np.float64,
    x=lambda g, scale: g * scale,
    mean=lambda g, scale: -g * scale,
    scale=lambda g, x, mean: g * (x - mean),
    bias=lambda g: g,
)
