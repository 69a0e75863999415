"""Batches of whatever a trainer is given as data."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ..autograd import Tensor
from ..extend import Communicator, DTypeLike
from ..nn.data import DataLoader, Dataset, DistributedSampler, IterableDataset, TensorDataset
from ..nn.data.dataset import Samples

__all__ = ["Data", "batches_of", "inputs_of", "set_epoch"]

Data = Samples[object] | Iterable[object]  # see `Trainer`


def batches_of(
    data: Any, batch_size: int, dtype: DTypeLike | None, shuffle: bool = False, communicator: Communicator | None = None
) -> Any:
    """Return a loader: of a dataset, or of a tuple of arrays; all else is one.

    Of several processes each has its share: shuffled, shares are of one size, and so some samples may come twice; or
    else each sample is in one. ValueError for what cannot be shared out so.
    """
    if isinstance(data, (np.ndarray, Tensor)):
        raise TypeError(f"Trainer: data are a loader, a dataset or arrays (x, y), not one array of shape {data.shape}")
    if isinstance(data, tuple):
        data = TensorDataset(*data)
    several = communicator is not None and communicator.size > 1
    if not isinstance(data, Dataset):
        if several and not shuffle:
            _check_share(data)
        return data
    samples: Any = data
    if communicator is None or not several:
        return DataLoader(samples, batch_size, shuffle and not isinstance(data, IterableDataset), dtype=dtype)
    rank, size = communicator.rank, communicator.size
    if isinstance(data, IterableDataset):
        raise ValueError(
            f"a stream of samples cannot be shared out over {size} processes; give each a loader of its own"
        )
    own: Any = DistributedSampler(samples, size, rank) if shuffle else range(rank, len(samples), size)
    return DataLoader(samples, batch_size, sampler=own, dtype=dtype)


def _check_share(loader: Any) -> None:
    """ValueError for a loader of which several processes get a sample twice."""
    sampler = getattr(loader, "sampler", None)
    if isinstance(sampler, DistributedSampler) and sampler.total_size > len(sampler.dataset):
        raise ValueError(
            f"evaluate: the loader's DistributedSampler gives {sampler.total_size} samples of {len(sampler.dataset)}, "
            "some of them twice; give the dataset itself, which is shared out exactly, or use drop_last=True"
        )


def set_epoch(loader: Any, epoch: int) -> None:
    """Tell the sampler of a loader which epoch is next, if it wants to know."""
    sampler = getattr(loader, "sampler", None)
    if isinstance(sampler, DistributedSampler):
        sampler.set_epoch(epoch)


def inputs_of(batch: Any) -> tuple[Any, ...]:
    """Return the parts of a batch that are no labels: all but the last, unless it is the only one."""
    if not isinstance(batch, (tuple, list)):
        return (batch,)
    return tuple(batch[:-1] if len(batch) > 1 else batch)
