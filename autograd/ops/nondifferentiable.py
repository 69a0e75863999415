"""Functions whose results are constants of the graph: comparisons, positions, counts, sets, shapes, files."""

from __future__ import annotations

import builtins
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.batching import Batched, at_once, computed
from ..core.examples import writes
from ..core.graph import modes
from ..core.primitive import implements
from ..core.spellings import are_numpys, translated
from ..core.tensor import Tensor, carried, holds_tensors
from ..core.types import ArrayLike

__all__ = [
    "all", "allclose", "any", "argmax", "argmin", "argpartition", "argwhere", "array2string", "array_equal",
    "array_equiv", "array_repr", "array_str", "bitwise_and", "bitwise_count", "bitwise_invert",
    "bitwise_left_shift", "bitwise_not", "bitwise_or", "bitwise_right_shift", "bitwise_xor", "common_type",
    "count_nonzero", "diag_indices", "diag_indices_from", "digitize", "einsum_path", "equal", "flatnonzero", "gcd",
    "greater", "greater_equal", "histogram", "histogram2d", "histogram_bin_edges", "histogramdd", "intersect1d",
    "invert", "isclose", "iscomplex", "iscomplexobj", "isfinite", "isin", "isinf", "isnan", "isneginf", "isposinf",
    "isreal", "isrealobj", "isscalar", "iterable", "ix_", "lcm", "left_shift", "less", "less_equal", "lexsort",
    "logical_and", "logical_not", "logical_or", "logical_xor", "mask_indices", "may_share_memory",
    "min_scalar_type", "nanargmax", "nanargmin", "ndim", "nonzero", "not_equal", "packbits", "ravel_multi_index",
    "right_shift", "save", "savetxt", "savez", "savez_compressed", "searchsorted", "setdiff1d", "setxor1d", "shape",
    "shares_memory", "signbit", "size", "spacing", "tril_indices", "tril_indices_from", "triu_indices",
    "triu_indices_from", "union1d", "unique", "unique_all", "unique_counts", "unique_inverse", "unique_values",
    "unpackbits", "unravel_index",
]  # fmt: skip


constants: set[Any] = set()


def _carried(value: Any) -> bool:
    """Whether a value requires a gradient or a tangent, also inside of a batch or a list."""
    if isinstance(value, (list, tuple)):
        return holds_tensors(value) and builtins.any(map(_carried, value))
    if carried(value) and value._node is None and isinstance(value._held, Batched):
        return _carried(value._held.value)
    return carried(value)


def constant(function: Any, *names: str, run: Callable[..., Any] = computed) -> Callable[..., Any]:
    """A function whose results are constants of the graph (comparisons, positions, shapes), on Tensors.

    The arguments of these names have entries that go into the result: TypeError if one of them requires a gradient.
    `run(function, *args, **kwargs)` calls it, by default for each example of a batch.
    """

    def on_tensors(*args: Any, **kwargs: Any) -> Any:
        if kwargs and not are_numpys(kwargs):
            args, kwargs = translated(function, args, kwargs)
        if names and modes.recording:
            given = inspect.signature(function).bind(*args, **kwargs).arguments
            lost = [name for name in names if _carried(given.get(name))]
            if lost:
                raise TypeError(
                    f"{function.__name__}: {lost[0]} requires a gradient, which has no rule here; detach() it"
                )
        return run(function, *args, **kwargs)

    constants.add(on_tensors)
    if run is at_once:
        writes(on_tensors)
    on_tensors.__wrapped__ = function  # type: ignore[attr-defined]  # for its signature
    on_tensors.__name__ = function.__name__
    on_tensors.__doc__ = f"`numpy.{function.__name__}`, on Tensors too; what it gives is a constant of the graph."
    implements(function)(on_tensors)
    return on_tensors


less, less_equal, greater, greater_equal = map(constant, (np.less, np.less_equal, np.greater, np.greater_equal))


equal, not_equal = constant(np.equal), constant(np.not_equal)


logical_and, logical_or, logical_not = map(constant, (np.logical_and, np.logical_or, np.logical_not))


isfinite, isinf, isnan = map(constant, (np.isfinite, np.isinf, np.isnan))


all, any = constant(np.all), constant(np.any)


argmax, argmin = constant(np.argmax), constant(np.argmin)


count_nonzero, nonzero = constant(np.count_nonzero), constant(np.nonzero)


array_equal, allclose, isclose = map(constant, (np.array_equal, np.allclose, np.isclose))


logical_xor, bitwise_and, bitwise_or, bitwise_xor = map(
    constant, (np.logical_xor, np.bitwise_and, np.bitwise_or, np.bitwise_xor)
)


bitwise_invert, bitwise_left_shift, bitwise_right_shift, bitwise_count = map(
    constant, (np.bitwise_invert, np.bitwise_left_shift, np.bitwise_right_shift, np.bitwise_count)
)


invert, left_shift, right_shift = bitwise_invert, bitwise_left_shift, bitwise_right_shift


gcd, lcm, signbit, spacing = map(constant, (np.gcd, np.lcm, np.signbit, np.spacing))


isneginf, isposinf, iscomplex, isreal = map(constant, (np.isneginf, np.isposinf, np.iscomplex, np.isreal))


iscomplexobj, isrealobj, array_equiv = map(constant, (np.iscomplexobj, np.isrealobj, np.array_equiv))


argpartition, lexsort, searchsorted, digitize = map(
    constant, (np.argpartition, np.lexsort, np.searchsorted, np.digitize)
)


nanargmax, nanargmin, flatnonzero, argwhere = map(constant, (np.nanargmax, np.nanargmin, np.flatnonzero, np.argwhere))


histogram, histogram2d, histogramdd = (
    constant(function, "weights", "bins") for function in (np.histogram, np.histogram2d, np.histogramdd)
)


histogram_bin_edges, isin = constant(np.histogram_bin_edges, "bins"), constant(np.isin)


unique, unique_all, unique_counts, unique_inverse = (
    constant(function, "ar", "x") for function in (np.unique, np.unique_all, np.unique_counts, np.unique_inverse)
)


@implements(np.unique_values)
def unique_values(x: ArrayLike, /) -> Tensor:
    """The distinct entries, sorted; a constant of the graph."""
    return unique(x)


intersect1d, setdiff1d, setxor1d, union1d = (
    constant(function, "ar1", "ar2") for function in (np.intersect1d, np.setdiff1d, np.setxor1d, np.union1d)
)


shape, ndim, size = map(constant, (np.shape, np.ndim, np.size))


ix_ = constant(np.ix_, "args")


unravel_index, ravel_multi_index = constant(np.unravel_index), constant(np.ravel_multi_index)


diag_indices_from, tril_indices_from, triu_indices_from = map(
    constant, (np.diag_indices_from, np.tril_indices_from, np.triu_indices_from)
)


diag_indices, mask_indices, tril_indices, triu_indices = map(
    constant, (np.diag_indices, np.mask_indices, np.tril_indices, np.triu_indices)
)


packbits, unpackbits, einsum_path = constant(np.packbits), constant(np.unpackbits), constant(np.einsum_path)


common_type, min_scalar_type, isscalar, iterable = map(
    constant, (np.common_type, np.min_scalar_type, np.isscalar, np.iterable)
)


shares_memory, may_share_memory = constant(np.shares_memory), constant(np.may_share_memory)


array2string, array_repr, array_str = map(constant, (np.array2string, np.array_repr, np.array_str))


save, savetxt, savez, savez_compressed = (
    constant(function, run=at_once) for function in (np.save, np.savetxt, np.savez, np.savez_compressed)
)


bitwise_not = bitwise_invert
