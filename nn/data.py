"""Datasets, and the loader that makes batches of them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from ..autograd import Tensor, asarray, stack
from ..autograd.core.tensor import unmasked
from .init import generator as default_generator


class Dataset(Protocol):
    """Whatever has a length and gives its sample at an index: an array, a number, or a tuple or dict of them."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: Any) -> Any: ...


class TensorDataset:
    """Samples that are the entries, along their first axis, of arrays or Tensors of one length.

    The arrays are not copied. An index, slice or array of indices gives a tuple of Tensors. ValueError if the
    lengths differ.

    >>> dataset = TensorDataset([[1.0, 2.0], [3.0, 4.0]], [0, 1])
    >>> dataset[1]
    (Tensor([3., 4.]), Tensor(1))
    """

    def __init__(self, *arrays: Any) -> None:
        self.tensors: tuple[Any, ...] = tuple(asarray(array) for array in arrays)
        shapes = [tensor.shape for tensor in self.tensors]
        if not shapes or () in shapes or len({shape[0] for shape in shapes}) != 1:
            raise ValueError(f"TensorDataset: needs arrays of one length (first axis), not of shapes {shapes}")

    def __repr__(self) -> str:
        parts = ", ".join(f"{tensor.shape[1:]} {tensor.dtype}" for tensor in self.tensors)
        return f"TensorDataset({len(self)} samples: {parts})"

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.tensors[0])

    def __getitem__(self, index: Any) -> tuple[Tensor, ...]:
        """Return a sample, or for an array of indices a batch."""
        return tuple(tensor[index] for tensor in self.tensors)


class Subset:
    """The samples of `dataset` at `indices`, in that order. TypeError unless these are integers.

    >>> Subset(TensorDataset([1.0, 2.0, 3.0]), [2, 0])[0]
    (Tensor(3.),)
    """

    def __init__(self, dataset: Dataset, indices: Sequence[int] | np.ndarray[Any, Any]) -> None:
        numbers = np.asarray(indices)
        if numbers.size and numbers.dtype.kind not in "iu":
            hint = "; for a mask give numpy.flatnonzero(mask)" if numbers.dtype.kind == "b" else ""
            raise TypeError(f"Subset: indices must be integers, not {numbers.dtype}{hint}")
        if numbers.ndim != 1:
            raise ValueError(f"Subset: indices must be a list of numbers, not of shape {numbers.shape}")
        unmasked(indices)
        self.dataset, self.indices = dataset, numbers.astype(np.intp)

    def __repr__(self) -> str:
        return f"Subset({len(self)} of {self.dataset!r})"

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.indices)

    def __getitem__(self, index: Any) -> Any:
        """Return a sample, or for an array of indices a batch."""
        return self.dataset[self.indices[index]]


def random_split(
    dataset: Dataset, lengths: Sequence[float], generator: int | np.random.Generator | None = None
) -> list[Subset]:
    """Disjoint random subsets of the given lengths, or fractions of the whole, which must make up the whole.

    What fractions leave over by rounding down goes to the first subsets, one sample each. `generator` is
    a seed or a NumPy generator (None: the one that `nn.manual_seed` seeds).

    >>> parts = random_split(TensorDataset(np.arange(10.0)), [0.75, 0.25], generator=0)
    >>> [len(part) for part in parts]
    [8, 2]
    """
    total = len(dataset)
    counts = [int(length) for length in lengths]
    if math.isclose(sum(lengths), 1) and all(0 <= length <= 1 for length in lengths):
        counts = [math.floor(total * length) for length in lengths]
        for i in range(total - sum(counts)):
            counts[i % len(counts)] += 1
    elif min(lengths, default=0) < 0 or counts != list(lengths) or sum(counts) != total:
        raise ValueError(
            f"random_split: lengths {list(lengths)} make up neither the dataset's {total} samples nor, as fractions, 1"
        )
    order = _rng(generator).permutation(total)
    return [Subset(dataset, part) for part in np.split(order, np.cumsum(counts)[:-1])]


class DataLoader:
    """Batches of a dataset's samples, as Tensors: a tuple (or dict) of them where the samples are such.

    Can be iterated many times; with `shuffle` each time in a new order. `generator` is a seed or a NumPy
    generator (None: the one that `nn.manual_seed` seeds); the same seed gives the same orders. Float data
    comes as `dtype` (None: as it is), integers and bools as they are. With `drop_last` a last batch of
    fewer than `batch_size` samples is left out.

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
        dtype: Any = np.float32,
    ) -> None:
        if isinstance(batch_size, bool) or not isinstance(batch_size, (int, np.integer)) or batch_size < 1:
            raise ValueError(f"DataLoader: batch_size must be a positive integer, not {batch_size!r}")
        self.dataset, self.batch_size, self.shuffle, self.drop_last = dataset, int(batch_size), shuffle, drop_last
        self.dtype = None if dtype is None else np.dtype(dtype)
        self._generator = generator if generator is None else _rng(generator)

    def __repr__(self) -> str:
        options = f"batch_size={self.batch_size}, shuffle={self.shuffle}, drop_last={self.drop_last}"
        return f"DataLoader({self.dataset!r}, {options}, dtype={self.dtype})"

    def __len__(self) -> int:
        """The number of batches."""
        whole, rest = divmod(len(self.dataset), self.batch_size)
        return whole + (rest > 0 and not self.drop_last)

    def __iter__(self) -> Iterator[Any]:
        """Return an iterator over the batches of one epoch."""
        total = len(self.dataset)
        order = _rng(self._generator).permutation(total) if self.shuffle else np.arange(total)
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


def _rng(generator: int | np.random.Generator | None) -> np.random.Generator:
    return default_generator() if generator is None else np.random.default_rng(generator)


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
