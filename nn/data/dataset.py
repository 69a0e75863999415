"""Datasets: samples at an index, or one after another."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Generic, Protocol, TypeVar

import numpy as np

from ...autograd import Tensor, asarray
from ...extend import Array, ArrayLike, Index
from ..described import described
from ..init import generator as default_generator

__all__ = [
    "ChainDataset",
    "ConcatDataset",
    "Dataset",
    "IterableDataset",
    "StackDataset",
    "Subset",
    "TensorDataset",
    "Transformed",
    "random_split",
]

T = TypeVar("T")
Sample = TypeVar("Sample", covariant=True)
Method = TypeVar("Method", bound=Callable[..., object])


class Samples(Protocol[Sample]):
    """What serves as a dataset: anything with a length and, at each index, a sample, such as a list."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Sample: ...


class Dataset(Generic[T]):
    """A base for datasets, which define `__getitem__` and `__len__`.

    A sample is an array, a number, a text, or a tuple, list or dict of them. Nothing needs to derive from this class:
    a list is a dataset, too. `a + b` is the one dataset after the other.

    >>> class Squares(Dataset[int]):
    ...     def __len__(self):
    ...         return 3
    ...     def __getitem__(self, index):
    ...         return index**2
    >>> (Squares() + [7, 8])[4]
    8
    """

    def __repr__(self) -> str:
        return described(self, *_length(self))

    def __getitem__(self, index: int) -> T:
        """Return the sample at an index."""
        raise NotImplementedError(f"{type(self).__name__}: a dataset defines __getitem__(index)")

    def __add__(self, other: Samples[T]) -> ConcatDataset[T]:
        """Return the samples of both, one dataset after the other."""
        return ConcatDataset([self, other])  # type: ignore[list-item]


class IterableDataset(Dataset[T]):
    """A base for streams of samples, which define `__iter__`, and perhaps `__len__`.

    A loader reads a stream in order, in one place: with workers one of them reads it. A loader that is resumed passes
    over what it had read, unless the dataset has `state_dict` and `load_state_dict`, of which the latter makes the
    next iteration begin where the former was called.

    >>> class Naturals(IterableDataset[int]):
    ...     def __iter__(self):
    ...         return iter(range(4))
    >>> list(Naturals())
    [0, 1, 2, 3]
    """

    def __iter__(self) -> Iterator[T]:
        """Return an iterator over all samples."""
        raise NotImplementedError(f"{type(self).__name__}: a stream of samples defines __iter__()")

    def __add__(self, other: Iterable[T]) -> ChainDataset[T]:  # type: ignore[override]
        """Return the samples of both, one stream after the other."""
        return ChainDataset([self, other])


def takes_arrays(getitem: Method) -> Method:
    """Mark a `__getitem__` that gives a batch, made at once, for an array of indices."""
    getitem.takes_arrays = True  # type: ignore[attr-defined]
    return getitem


class TensorDataset(Dataset[tuple[Tensor, ...]]):
    """A dataset whose samples are the entries, along the first axis, of arrays or Tensors of one length.

    The arrays are not copied. An index, slice or array of indices gives a tuple of Tensors. ValueError if the
    lengths differ.

    >>> dataset = TensorDataset([[1.0, 2.0], [3.0, 4.0]], [0, 1])
    >>> dataset[1]
    (Tensor([3., 4.]), Tensor(1))
    """

    def __init__(self, *arrays: ArrayLike) -> None:
        self.tensors: tuple[Any, ...] = tuple(asarray(array) for array in arrays)
        shapes = [tensor.shape for tensor in self.tensors]
        if not shapes or () in shapes or len({shape[0] for shape in shapes}) != 1:
            raise ValueError(f"{type(self).__name__}: needs arrays of one length (first axis), not of shapes {shapes}")

    def __repr__(self) -> str:
        parts = ", ".join(f"{tensor.shape[1:]} {tensor.dtype}" for tensor in self.tensors)
        return f"{type(self).__name__}({len(self)} samples: {parts})"

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.tensors[0])

    @takes_arrays
    def __getitem__(self, index: Index) -> tuple[Tensor, ...]:
        """Return a sample, or for an array of indices a batch."""
        return tuple(tensor[index] for tensor in self.tensors)


class Subset(Dataset[T]):
    """The samples of `dataset` at `indices`, in that order. TypeError unless these are integers, ValueError
    unless they have one axis.

    >>> Subset(TensorDataset([1.0, 2.0, 3.0]), [2, 0])[0]
    (Tensor(3.),)
    """

    def __init__(self, dataset: Samples[T], indices: Sequence[int] | np.ndarray[Any, Any]) -> None:
        self.dataset, self.indices = dataset, indices_of("Subset", indices)

    def __repr__(self) -> str:
        return f"Subset({len(self)} of {self.dataset!r})"

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.indices)

    def __getitem__(self, index: Index) -> T:
        """Return a sample, or for an array of indices a batch."""
        places: Any = self.indices[index]  # type: ignore[index]
        return self.dataset[places if places.ndim else int(places)]


class Transformed(Dataset[tuple[object, ...]]):
    """The samples `(x, ..., y)` of `dataset` as `(transform(x), ..., y)`, with x as an array.

    `transform` is a function of one sample's x or, where the dataset is made of arrays (a `TensorDataset`, a `Subset`
    of one), of a batch of them at once, as all of `nn.data.transforms` are.

    >>> from pullback.nn.data import transforms
    >>> dataset = Transformed(TensorDataset(np.ones((2, 1, 4, 4)), [5, 6]), transforms.CenterCrop(2))
    >>> image, label = dataset[1]
    >>> image.shape, label
    ((1, 2, 2), Tensor(6))
    """

    def __init__(self, dataset: Samples[tuple[ArrayLike, ...]], transform: Callable[[Array], ArrayLike]) -> None:
        self.dataset, self.transform = dataset, transform

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.dataset)

    def __getitem__(self, index: int) -> tuple[object, ...]:
        """Return a sample, or for an array of indices a batch, with its first part transformed."""
        first, *rest = self.dataset[index]
        return (self.transform(first.numpy() if isinstance(first, Tensor) else np.asarray(first)), *rest)


class ConcatDataset(Dataset[T]):
    """The samples of several datasets, one dataset after the other. ValueError for no datasets.

    >>> ConcatDataset([[1, 2], [3, 4, 5]])[-1]
    5
    """

    def __init__(self, datasets: Iterable[Samples[T]]) -> None:
        self.datasets = list(datasets)
        if not self.datasets:
            raise ValueError("ConcatDataset: needs at least one dataset")
        for dataset in self.datasets:
            if isinstance(dataset, IterableDataset):
                raise TypeError(f"ConcatDataset: a stream, {dataset!r}, has no indices; use ChainDataset")
        self.cumulative_sizes = np.cumsum([len(dataset) for dataset in self.datasets]).tolist()

    def __len__(self) -> int:
        """Return the number of samples."""
        return int(self.cumulative_sizes[-1])

    def __getitem__(self, index: int) -> T:
        """Return a sample, of a negative index one counted from the end; IndexError beyond the ends."""
        place = index + len(self) if index < 0 else index
        if not 0 <= place < len(self):
            raise IndexError(f"ConcatDataset: index {index} is out of range for {len(self)} samples")
        number = int(np.searchsorted(self.cumulative_sizes, place, side="right"))
        return self.datasets[number][place - (self.cumulative_sizes[number - 1] if number else 0)]


class ChainDataset(IterableDataset[T]):
    """The samples of several streams, one stream after the other.

    >>> list(ChainDataset([range(2), range(3)]))
    [0, 1, 0, 1, 2]
    """

    def __init__(self, datasets: Iterable[Iterable[T]]) -> None:
        self.datasets = list(datasets)

    def __iter__(self) -> Iterator[T]:
        """Return an iterator over all samples."""
        for dataset in self.datasets:
            yield from dataset

    def __len__(self) -> int:
        """Return the number of samples; TypeError where a stream has no length."""
        return sum(map(len, self.datasets))  # type: ignore[arg-type]


class StackDataset(Dataset[object]):
    """Samples made of the samples of several datasets of one length: tuples of them, or dicts by keyword.

    ValueError if lengths differ; TypeError unless they are all positional or all by keyword.

    >>> StackDataset([1, 2], ["a", "b"])[1]
    (2, 'b')
    >>> StackDataset(x=[1, 2], name=["a", "b"])[0]
    {'x': 1, 'name': 'a'}
    """

    def __init__(self, *datasets: Samples[object], **named: Samples[object]) -> None:
        if bool(datasets) == bool(named):
            raise TypeError("StackDataset: needs datasets that are all positional, or all by keyword")
        self.datasets: tuple[Samples[object], ...] | dict[str, Samples[object]] = datasets or named
        lengths = [len(dataset) for dataset in (datasets or named.values())]
        if len(set(lengths)) != 1:
            raise ValueError(f"StackDataset: needs datasets of one length, not of {lengths}")
        self._length = lengths[0]

    def __len__(self) -> int:
        """Return the number of samples."""
        return self._length

    def __getitem__(self, index: int) -> tuple[object, ...] | dict[str, object]:
        """Return the samples at an index of all datasets."""
        if isinstance(self.datasets, dict):
            return {name: dataset[index] for name, dataset in self.datasets.items()}
        return tuple(dataset[index] for dataset in self.datasets)


def random_split(
    dataset: Samples[T], lengths: Sequence[float], generator: int | np.random.Generator | None = None
) -> list[Subset[T]]:
    """Return disjoint random subsets of the given lengths, or fractions, which must make up the whole dataset.

    What fractions leave over by rounding down goes to the first subsets, one sample each. `generator` is
    a seed or a NumPy generator (None: the one that `nn.manual_seed` seeds). ValueError for lengths that do not fit.

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
    order = rng_of(generator).permutation(total)
    return [Subset(dataset, part) for part in np.split(order, np.cumsum(counts)[:-1])]


def _length(dataset: Any) -> list[str]:
    """How many samples there are, where that is known."""
    try:
        return [f"{len(dataset)} samples"]
    except TypeError:
        return []


def indices_of(where: str, indices: Sequence[int] | np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return indices as an array. TypeError unless they are integers, ValueError unless they have one axis."""
    numbers = np.asarray(indices)
    if numbers.size and numbers.dtype.kind not in "iu":
        hint = "; for a mask give numpy.flatnonzero(mask)" if numbers.dtype.kind == "b" else ""
        raise TypeError(f"{where}: indices must be integers, not {numbers.dtype}{hint}")
    if numbers.ndim != 1:
        raise ValueError(f"{where}: indices must be a list of numbers, not of shape {numbers.shape}")
    return asarray(indices).numpy().astype(np.intp)  # masked arrays are refused here


def rng_of(generator: int | np.random.Generator | None) -> np.random.Generator:
    """Return the NumPy generator that a seed or a generator means, None being this thread's own of `nn`."""
    return default_generator() if generator is None else np.random.default_rng(generator)
