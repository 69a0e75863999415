"""The loader, which makes batches of a dataset's samples."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from ...autograd import asarray, stack
from ...extend import DTypeLike
from .dataset import Dataset, Subset, TensorDataset, rng_of

__all__ = ["DataLoader"]


class DataLoader:
    """An iterable over batches of a dataset's samples: Tensors, or tuples or dicts of them as the samples are.

    It can be iterated many times; with `shuffle` each time in a new order. `generator` is a seed or a NumPy
    generator (None: the one that `nn.manual_seed` seeds); the same seed gives the same orders. Float data
    comes as `dtype` (None: as it is), integers and bools as they are. With `drop_last` a last batch of
    fewer than `batch_size` samples is left out. ValueError for a `batch_size` that is no positive integer.

    >>> loader = DataLoader(TensorDataset(np.arange(5.0)), batch_size=2)
    >>> [x.tolist() for (x,) in loader]
    [[0.0, 1.0], [2.0, 3.0], [4.0]]
    """

    def __init__(
        self,
        dataset: Dataset,
        batch_size: int = 1,
        shuffle: bool = False,
        *,
        drop_last: bool = False,
        generator: int | np.random.Generator | None = None,
        dtype: DTypeLike | None = np.float32,
    ) -> None:
        if isinstance(batch_size, bool) or not isinstance(batch_size, (int, np.integer)) or batch_size < 1:
            raise ValueError(f"DataLoader: batch_size must be a positive integer, not {batch_size!r}")
        self.dataset, self.batch_size, self.shuffle, self.drop_last = dataset, int(batch_size), shuffle, drop_last
        self.dtype = None if dtype is None else np.dtype(dtype)
        self._generator = generator if generator is None else rng_of(generator)

    def __repr__(self) -> str:
        options = f"batch_size={self.batch_size}, shuffle={self.shuffle}, drop_last={self.drop_last}"
        return f"DataLoader({self.dataset!r}, {options}, dtype={self.dtype})"

    def __len__(self) -> int:
        """Return the number of batches."""
        whole, rest = divmod(len(self.dataset), self.batch_size)
        return whole + (rest > 0 and not self.drop_last)

    def __iter__(self) -> Iterator[Any]:
        """Return an iterator over the batches of one epoch."""
        total = len(self.dataset)
        order = rng_of(self._generator).permutation(total) if self.shuffle else np.arange(total)
        gather = _gatherer(self.dataset)
        for start in range(0, len(self) * self.batch_size, self.batch_size):
            yield self._cast(gather(order[start : start + self.batch_size]))

    def _cast(self, batch: Any) -> Any:
        if isinstance(batch, Mapping):
            return {key: self._cast(part) for key, part in batch.items()}
        if isinstance(batch, tuple):
            return tuple(self._cast(part) for part in batch)
        floats = self.dtype is not None and batch.dtype.kind == "f" and batch.dtype != self.dtype
        return batch.astype(self.dtype) if floats else batch


def _gatherer(dataset: Dataset) -> Any:
    """A function from an array of indices to their batch: one copy where the dataset can index at once."""
    if isinstance(dataset, TensorDataset):
        return dataset.__getitem__
    if isinstance(dataset, Subset):
        gather = _gatherer(dataset.dataset)
        return lambda indices: gather(dataset.indices[indices])
    return lambda indices: _collate([dataset[int(i)] for i in indices])


def _collate(samples: list[Any]) -> Any:
    """Samples of one structure as one batch."""
    first = samples[0]
    if isinstance(first, Mapping):
        return {key: _collate([sample[key] for sample in samples]) for key in first}
    if isinstance(first, (tuple, list)):
        return tuple(_collate(list(parts)) for parts in zip(*samples, strict=True))
    return stack([asarray(sample) for sample in samples])
