"""Batches of whatever a trainer is given as data."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ..autograd import Tensor
from ..extend import DTypeLike
from ..nn.data import DataLoader, Dataset, IterableDataset, TensorDataset
from ..nn.data.dataset import Samples

__all__ = ["Data", "batches_of", "inputs_of"]

Data = Samples[object] | Iterable[object]  # see `Trainer`


def batches_of(data: Any, batch_size: int, dtype: DTypeLike | None, shuffle: bool = False) -> Any:
    """Return a loader: of a dataset, or of a tuple of arrays; all else is one."""
    if isinstance(data, (np.ndarray, Tensor)):
        raise TypeError(f"Trainer: data are a loader, a dataset or arrays (x, y), not one array of shape {data.shape}")
    if isinstance(data, tuple):
        data = TensorDataset(*data)
    if not isinstance(data, Dataset):
        return data
    samples: Any = data
    return DataLoader(samples, batch_size, shuffle and not isinstance(data, IterableDataset), dtype=dtype)


def inputs_of(batch: Any) -> tuple[Any, ...]:
    """Return the parts of a batch that are no labels: all but the last, unless it is the only one."""
    if not isinstance(batch, (tuple, list)):
        return (batch,)
    return tuple(batch[:-1] if len(batch) > 1 else batch)
