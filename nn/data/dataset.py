"""Datasets: samples at an index."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from ...autograd import Tensor, asarray
from ...extend import ArrayLike, Index
from ..init import generator as default_generator

__all__ = ["Dataset", "Subset", "TensorDataset", "random_split"]


class Dataset(Protocol):
    """Any object with a length and, at each index, a sample: an array, a number, or a tuple or dict of them."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: Any) -> Any: ...


class TensorDataset:
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
            raise ValueError(f"TensorDataset: needs arrays of one length (first axis), not of shapes {shapes}")

    def __repr__(self) -> str:
        parts = ", ".join(f"{tensor.shape[1:]} {tensor.dtype}" for tensor in self.tensors)
        return f"TensorDataset({len(self)} samples: {parts})"

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.tensors[0])

    def __getitem__(self, index: Index) -> tuple[Tensor, ...]:
        """Return a sample, or for an array of indices a batch."""
        return tuple(tensor[index] for tensor in self.tensors)


class Subset:
    """The samples of `dataset` at `indices`, in that order. TypeError unless these are integers, ValueError
    unless they have one axis.

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
        self.dataset = dataset
        self.indices = asarray(indices).numpy().astype(np.intp)  # masked arrays are refused here

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


def rng_of(generator: int | np.random.Generator | None) -> np.random.Generator:
    """Return the NumPy generator that a seed or a generator means, None being this thread's own of `nn`."""
    return default_generator() if generator is None else np.random.default_rng(generator)
