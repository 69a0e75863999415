"""Samples put together as batches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ...autograd import Tensor, asarray, stack
from ...extend import wrap

__all__ = ["default_collate", "default_convert"]


def default_collate(batch: Sequence[object]) -> Any:
    """Return one batch of samples of one structure: what is an array or a number in each, as one Tensor of all.

    Tuples, named tuples, lists and dicts stay so, texts and bytes become lists. TypeError for what is none of these,
    ValueError for samples that do not fit together.

    >>> default_collate([(1.0, "a"), (2.0, "b")])
    (Tensor([1., 2.]), ['a', 'b'])
    """
    if not len(batch):
        raise ValueError("default_collate: an empty list of samples is no batch")
    return _collated(batch)


def _collated(batch: Sequence[Any]) -> Any:
    first = batch[0]
    if isinstance(first, Mapping):
        for sample in batch:
            if sample.keys() != first.keys():
                raise ValueError(f"default_collate: samples have different keys, {list(first)} and {list(sample)}")
        return {key: _collated([sample[key] for sample in batch]) for key in first}
    if isinstance(first, (str, bytes)):
        return list(batch)
    if isinstance(first, (tuple, list)):
        lengths = {len(sample) for sample in batch}
        if len(lengths) > 1:
            raise ValueError(f"default_collate: samples have different numbers of parts, {sorted(lengths)}")
        return _like(first, [_collated(parts) for parts in zip(*batch, strict=True)])
    if isinstance(first, np.ndarray) and all(type(sample) is np.ndarray for sample in batch):
        shapes = {sample.shape for sample in batch}
        if len(shapes) == 1:
            return wrap(np.stack(batch)) if first.dtype.kind in "biufc" else _tensor(first)
        raise ValueError(f"default_collate: samples have different shapes, {' and '.join(map(str, sorted(shapes)))}")
    return stack([_tensor(sample) for sample in batch])


def default_convert(data: object) -> object:
    """Return a sample with its arrays as Tensors; all else stays as it is.

    >>> default_convert({"x": np.array([1.0]), "name": "a"})
    {'x': Tensor([1.]), 'name': 'a'}
    """
    return cast(data, None)


def cast(data: Any, dtype: np.dtype[Any] | None) -> Any:
    """The arrays in tuples, lists and dicts as Tensors, those of floats in a dtype, unless it is None."""
    if isinstance(data, Tensor):
        if dtype is None or data.dtype.kind != "f" or data.dtype == dtype:
            return data
        return data.astype(dtype)
    if isinstance(data, (np.ndarray, np.generic)):
        return cast(asarray(data), dtype) if data.dtype.kind in "biufc" else data
    if isinstance(data, (tuple, list)):
        return _like(data, [cast(part, dtype) for part in data])
    if isinstance(data, Mapping):
        return {key: cast(part, dtype) for key, part in data.items()}
    return data


def _like(first: Any, parts: list[Any]) -> Any:
    if type(first) is tuple or isinstance(first, list):
        return parts if isinstance(first, list) else tuple(parts)
    return type(first)(*parts) if hasattr(first, "_fields") else tuple(parts)


def _tensor(sample: Any) -> Tensor:
    if sample is None or getattr(getattr(sample, "dtype", None), "kind", "f") not in "biufc":
        kind = getattr(sample, "dtype", type(sample).__name__)
        raise TypeError(
            f"default_collate: a sample holds {kind}; expected arrays, numbers, texts, or tuples, lists or dicts of "
            "them; give the loader a collate_fn for anything else"
        )
    try:
        return asarray(sample)
    except TypeError as error:
        raise TypeError(f"default_collate: a sample holds a {type(sample).__name__}: {error}") from error
