"""Hypothesis strategies for what gradients are tested at: arrays, Tensors, matrices, shapes, axes, indices, settings.

Each function gives a strategy. Examples shrink to few and simple numbers, and are made so that what they are for is
differentiable and well conditioned. `programs` draws whole functions. In the strategy of a primitive, `Draw` draws.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import wraps
from inspect import signature
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

import numpy as np

from ..core.tensor import Tensor
from ..core.types import Array, DTypeLike, Index
from ..ops.im2col import draw_geometry
from .draw import Draw, Shape, arguments, drawn
from .programs import Program, draw_program

__all__ = [
    "Draw",
    "arguments",
    "arrays",
    "axes",
    "broadcastable_shapes",
    "convolutions",
    "dtypes",
    "einsums",
    "indices",
    "matrices",
    "orthogonal_matrices",
    "positive_definite_matrices",
    "programs",
    "shapes",
    "tensors",
    "triangular_matrices",
]

if TYPE_CHECKING:  # which imports take long
    from hypothesis.strategies import SearchStrategy

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

_DOMAINS: dict[str, tuple[tuple[float, float], tuple[float, ...]]] = {  # entries, and where there are none
    "real": ((-3.0, 3.0), ()),
    "nonzero": ((-3.0, 3.0), (0.0,)),
    "positive": ((0.2, 3.0), ()),
    "unit": ((0.1, 0.9), ()),
}


def _strategy(function: Callable[Concatenate[Draw, Arguments], Result]) -> Callable[Arguments, SearchStrategy[Result]]:
    """What gives the strategy of the values that `function(draw, ...)` draws."""

    @wraps(function)
    def made(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Any:
        return drawn(lambda draw: function(draw, *args, **kwargs))

    _, *rest = signature(function).parameters.values()
    made.__signature__ = signature(function).replace(parameters=rest)  # type: ignore[attr-defined]
    return made


@_strategy
def shapes(draw: Draw, min_dims: int = 0, max_dims: int = 3, min_side: int = 0, max_side: int = 3) -> Shape:
    """Shapes; where a side may be 0, one sometimes is."""
    return draw.shape(min_dims, max_dims, min_side, max_side)


@_strategy
def broadcastable_shapes(draw: Draw, n: int, max_dims: int = 3) -> tuple[Shape, ...]:
    """`n` shapes that broadcast together."""
    return draw.broadcastable(n, max_dims)


@_strategy
def dtypes(draw: Draw, kinds: str = "fc") -> np.dtype[Any]:
    """Types of numbers that have gradients: of kind "f" float64 and float32, of kind "c" complex128 and complex64."""
    of = {"f": (np.float64, np.float32), "c": (np.complex128, np.complex64)}
    return np.dtype(draw.one_of([dtype for kind in kinds for dtype in of[kind]]))


@_strategy
def arrays(
    draw: Draw,
    shape: Shape | None = None,
    domain: str | tuple[float, float] = "real",
    *,
    dtype: DTypeLike = np.float64,
    distinct: bool | int = False,
    kinks: Sequence[float] = (),
) -> Array:
    """Arrays of `shape` (None: any), with entries from `domain` and none near one of `kinks`, sometimes all the same.

    `domain` is the lowest and the highest entry, or "real" (from -3 to 3), "nonzero", "positive" or "unit" (between 0
    and 1). With `distinct=True` no two entries are the same, with the number of an axis no two along it: no ties. Of a
    complex `dtype` the entries are turned by less than an eighth of a circle.

    >>> from hypothesis import given
    >>> @given(arrays((2, 3), "positive", distinct=1))
    ... def test(x):
    ...     assert x.min() > 0 and all(len(set(row)) == 3 for row in x)
    >>> test()
    """
    return _array(draw, shape, domain, np.dtype(dtype), distinct, kinks)


@_strategy
def tensors(
    draw: Draw,
    shape: Shape | None = None,
    domain: str | tuple[float, float] = "real",
    *,
    dtype: DTypeLike = np.float64,
    distinct: bool | int = False,
    kinks: Sequence[float] = (),
    requires_grad: bool = True,
) -> Tensor:
    """Tensors, drawn as `arrays` are, that require a gradient."""
    return Tensor(_array(draw, shape, domain, np.dtype(dtype), distinct, kinks), requires_grad=requires_grad)


def _array(draw: Draw, shape: Any, domain: Any, dtype: Any, distinct: Any, kinks: Any) -> Any:
    shape = draw.shape() if shape is None else shape
    domain, holes = _DOMAINS[domain] if isinstance(domain, str) else (domain, ())
    options = {"domain": domain, "kinks": (*kinks, *holes)}
    if distinct is True or distinct is False:
        x = draw.array(shape, distinct=distinct, dtype=np.float64, **options)
    else:
        n, others = shape[distinct], np.delete(shape, distinct).astype(int)
        lines = [draw.array((n,), distinct=True, dtype=np.float64, **options) for _ in range(math.prod(others))]
        x = np.moveaxis(np.reshape(lines, (*others, n)), -1, distinct)
    if dtype.kind == "c":
        x = x * np.exp(1j * draw.array(shape, (-0.75, 0.75), dtype=np.float64))
    return x.astype(dtype)


def _bounded(draw: Draw, shape: Shape) -> Any:
    """A matrix whose rows and columns sum to at most 1/2, in size."""
    return draw.array(shape, (-3.0, 3.0), dtype=np.float64) / (6 * max(shape))


@_strategy
def matrices(draw: Draw, shape: Shape | None = None) -> Array:
    """Matrices of `shape` (None: any) of full rank, whose condition number is at most 5: the diagonal outweighs the
    rest, and the identity is the simplest."""
    shape = draw.shape(2, 2, min_side=1) if shape is None else shape
    rows, columns = shape
    return np.eye(rows, columns) * draw.one_of([1.0, -1.0, 2.0]) + _bounded(draw, shape)


@_strategy
def positive_definite_matrices(draw: Draw, n: int | None = None) -> Array:
    """Symmetric n x n matrices whose eigenvalues lie between 1/2 and 5/2."""
    half = _bounded(draw, 2 * (draw.integer(1, 3) if n is None else n,))
    return np.eye(len(half)) * draw.one_of([1.0, 2.0]) + (half + half.T) / 2


@_strategy
def orthogonal_matrices(draw: Draw, n: int | None = None) -> Array:
    """Orthogonal n x n matrices, rotations and (half of them, with n > 0) reflections: Cayley transforms."""
    entries = draw.array(2 * (draw.integer(1, 3) if n is None else n,), dtype=np.float64)
    skew, one = np.triu(entries, 1) - np.triu(entries, 1).T, np.eye(len(entries))
    out = np.linalg.solve(one + skew, one - skew)
    out[:1] *= draw.one_of([1.0, -1.0])
    return out


@_strategy
def triangular_matrices(draw: Draw, n: int | None = None, upper: bool = False) -> Array:
    """Triangular n x n matrices with a diagonal that outweighs the rest."""
    rest = _bounded(draw, 2 * (draw.integer(1, 3) if n is None else n,))
    out = np.eye(len(rest)) * draw.one_of([1.0, -1.0, 2.0]) + rest
    return np.triu(out) if upper else np.tril(out)


@_strategy
def axes(draw: Draw, ndim: int) -> int | tuple[int, ...] | None:
    """What `axis` may be for an array of `ndim` axes: None, a number or a tuple of some, counted from either end."""
    kind = draw.one_of(["none", "number", "tuple"] if ndim else ["none", "tuple"])
    if kind == "none":
        return None
    chosen = (draw.axis(ndim),) if kind == "number" else draw.permutation(ndim)[: draw.integer(0, ndim)]
    signed = tuple(a - ndim if draw.flag() else a for a in chosen)
    return signed[0] if kind == "number" else signed


@_strategy
def indices(draw: Draw, shape: Shape) -> Index:
    """Indices into an array of `shape`: basic, integer arrays (with repeats), a mask, or these mixed."""
    return draw.index(shape)


@_strategy
def einsums(draw: Draw) -> tuple[str | Array, ...]:
    """Arguments for `einsum`: subscripts and the operands, with repeated labels, ellipses and implicit results among
    them."""
    sizes = {label: draw.integer(1, 3) for label in "ijk"}
    labels = [[draw.one_of("ijk") for _ in range(draw.integer(0, 3))] for _ in range(draw.integer(1, 3))]
    used = sorted(set(sum(labels, [])))
    batch = draw.broadcastable(len(labels), max_dims=1) if draw.flag() else None
    dots = "" if batch is None else "..."
    terms = [dots + "".join(term) for term in labels]
    result = "".join(used[i] for i in draw.permutation(len(used))[: draw.integer(0, len(used))])
    subscripts = ",".join(terms) + ("->" + dots + result if draw.flag() else "")
    fronts: Sequence[Shape] = batch or [()] * len(labels)
    whole = [(*front, *(sizes[label] for label in term)) for front, term in zip(fronts, labels, strict=True)]
    return subscripts, *(draw.array(shape, dtype=np.float64) for shape in whole)


@_strategy
def convolutions(draw: Draw, spatial: int | None = None) -> tuple[Any, Any, dict[str, Any]]:
    """An input, a weight and settings for `conv` over `spatial` axes (None: 1 to 3), with a result that has entries."""
    geo, groups = draw_geometry(draw, draw.integer(1, 3) if spatial is None else spatial), draw.integer(1, 2)
    n, c, k = draw.integer(1, 2), draw.integer(1, 2), groups * draw.integer(1, 2)
    fits = all(side >= span for side, span in zip(geo.spatial, geo.extent, strict=True))
    padding = draw.one_of([geo.padding, "same", *(["valid"] if fits else [])])
    x = draw.array((n, groups * c, *geo.spatial), dtype=np.float64)
    w = draw.array((k, c, *geo.kernel), dtype=np.float64)
    return x, w, {"stride": geo.stride, "padding": padding, "dilation": geo.dilation, "groups": groups}


@_strategy
def programs(draw: Draw, *, smooth: bool = True, steps: int = 6) -> Program:
    """Functions of one to three arrays, put together from up to `steps` operations, with arguments; see `Program`.

    If `smooth` they are so wherever they are defined; if not, operations with kinks and ties are among them.
    """
    return draw_program(draw, smooth, steps)
