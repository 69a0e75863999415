"""Samplers: in which order the samples of a dataset come."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Sized
from itertools import islice
from typing import Any, Generic, TypeVar

import numpy as np

from ...extend import ArrayLike
from ..described import described
from .dataset import indices_of, rng_of

__all__ = [
    "BatchSampler",
    "DistributedSampler",
    "RandomSampler",
    "Sampler",
    "SequentialSampler",
    "SubsetRandomSampler",
    "WeightedRandomSampler",
]

T = TypeVar("T")


class Sampler(Generic[T]):
    """A base for samplers, which define `__iter__` over indices, or over lists of them, and perhaps `__len__`.

    A loader that is resumed passes over the indices that it had used; where a new iteration would give others, the
    sampler has a `state_dict`, called before an iteration begins, and `load_state_dict`, after which the same one
    begins.

    >>> class Reversed(Sampler[int]):
    ...     def __iter__(self):
    ...         return iter([2, 1, 0])
    >>> list(Reversed())
    [2, 1, 0]
    """

    def __repr__(self) -> str:
        length = [f"{len(self)} indices"] if hasattr(self, "__len__") else []
        return described(self, *length, without=("data_source", "dataset", "indices", "weights", "generator"))

    def __iter__(self) -> Iterator[T]:
        """Return an iterator over the indices of one epoch."""
        raise NotImplementedError(f"{type(self).__name__}: a sampler defines __iter__()")


class OrderSampler(Sampler[int]):
    """A sampler that makes the whole order at once, as an array."""

    def order(self) -> np.ndarray[Any, Any]:
        """The indices of the next epoch."""
        raise NotImplementedError

    def __iter__(self) -> Iterator[int]:
        """Return an iterator over the indices of one epoch."""
        return iter(self.order().tolist())


class SequentialSampler(OrderSampler):
    """The indices of a dataset from first to last.

    >>> list(SequentialSampler("abc"))
    [0, 1, 2]
    """

    def __init__(self, data_source: Sized) -> None:
        self.data_source = data_source

    def __len__(self) -> int:
        """Return the number of indices."""
        return len(self.data_source)

    def order(self) -> np.ndarray[Any, Any]:
        """Return the indices, as an array."""
        return np.arange(len(self))


class _Drawn(OrderSampler):
    """A sampler with a generator: a seed or a NumPy generator (None: the one that `nn.manual_seed` seeds)."""

    def __init__(self, generator: int | np.random.Generator | None) -> None:
        self.generator = None if generator is None else rng_of(generator)

    def state_dict(self) -> dict[str, object]:
        """Return the state of the sampler's own generator; without one, nothing."""
        return {} if self.generator is None else {"generator": self.generator.bit_generator.state}

    def load_state_dict(self, state_dict: Mapping[str, object]) -> None:
        """Go back to a state, from which the same order will be drawn."""
        if self.generator is not None:
            self.generator.bit_generator.state = state_dict["generator"]  # type: ignore[assignment]


class RandomSampler(_Drawn):
    """The indices of a dataset in random order, or `num_samples` draws of them with `replacement`.

    Without replacement more than there are come in several orders, one after another. `generator` is a seed or a
    NumPy generator (None: the one that `nn.manual_seed` seeds). ValueError for a `num_samples` that is no positive
    integer.

    >>> sorted(RandomSampler("abc", generator=0))
    [0, 1, 2]
    >>> len(list(RandomSampler("abc", replacement=True, num_samples=7)))
    7
    """

    def __init__(
        self,
        data_source: Sized,
        replacement: bool = False,
        num_samples: int | None = None,
        generator: int | np.random.Generator | None = None,
    ) -> None:
        super().__init__(generator)
        if not isinstance(replacement, bool):
            raise TypeError(f"RandomSampler: replacement is True or False, not {replacement!r}")
        self.data_source, self.replacement = data_source, replacement
        self._num_samples = num_samples if num_samples is None else count("RandomSampler", "num_samples", num_samples)

    @property
    def num_samples(self) -> int:
        """How many indices come in an epoch."""
        return len(self.data_source) if self._num_samples is None else self._num_samples

    def __len__(self) -> int:
        """Return the number of indices."""
        return self.num_samples

    def order(self) -> np.ndarray[Any, Any]:
        """Return the indices of a new epoch, as an array. ValueError if there are none to draw from."""
        rng, total, wanted = rng_of(self.generator), len(self.data_source), self.num_samples
        if not total:
            if wanted:
                raise ValueError(f"RandomSampler: cannot draw {wanted} samples of an empty dataset")
            return np.arange(0)
        if self.replacement:
            return rng.integers(total, size=wanted)
        whole = [rng.permutation(total) for _ in range(math.ceil(wanted / total))]
        return np.concatenate(whole)[:wanted] if len(whole) != 1 else whole[0][:wanted]


class SubsetRandomSampler(_Drawn):
    """The given indices in random order. TypeError unless they are integers.

    >>> sorted(SubsetRandomSampler([7, 3, 5], generator=0))
    [3, 5, 7]
    """

    def __init__(self, indices: Sequence[int], generator: int | np.random.Generator | None = None) -> None:
        super().__init__(generator)
        self.indices = indices_of("SubsetRandomSampler", indices)

    def __len__(self) -> int:
        """Return the number of indices."""
        return len(self.indices)

    def order(self) -> np.ndarray[Any, Any]:
        """Return the indices of a new epoch, as an array."""
        return self.indices[rng_of(self.generator).permutation(len(self))]


class WeightedRandomSampler(_Drawn):
    """`num_samples` draws of the indices 0 to len(weights) - 1, each with a probability in proportion to its weight.

    `generator` is a seed or a NumPy generator (None: the one that `nn.manual_seed` seeds). ValueError for weights that
    are negative, not finite or all 0, and without replacement for fewer positive ones than `num_samples`.

    >>> list(WeightedRandomSampler([0.0, 2.0, 0.0], 3))
    [1, 1, 1]
    """

    def __init__(
        self,
        weights: ArrayLike,
        num_samples: int,
        replacement: bool = True,
        generator: int | np.random.Generator | None = None,
    ) -> None:
        super().__init__(generator)
        if not isinstance(replacement, bool):
            raise TypeError(f"WeightedRandomSampler: replacement is True or False, not {replacement!r}")
        self.weights = np.array(weights, np.float64)
        self.num_samples, self.replacement = count("WeightedRandomSampler", "num_samples", num_samples), replacement
        if self.weights.ndim != 1 or not np.all(np.isfinite(self.weights) & (self.weights >= 0)):
            raise ValueError(
                "WeightedRandomSampler: weights must be finite numbers, 0 or more, along one axis, not "
                f"{np.array2string(self.weights, threshold=8)} of shape {self.weights.shape}"
            )
        possible = np.count_nonzero(self.weights)
        if not possible:
            raise ValueError(f"WeightedRandomSampler: all of the {len(self.weights)} weights are 0")
        if not replacement and possible < self.num_samples:
            raise ValueError(
                f"WeightedRandomSampler: {possible} positive weights cannot give {num_samples} samples without "
                "replacement"
            )

    def __len__(self) -> int:
        """Return the number of indices."""
        return self.num_samples

    def order(self) -> np.ndarray[Any, Any]:
        """Return the indices of a new epoch, as an array."""
        shares = self.weights / self.weights.max()  # whose sum is finite
        return rng_of(self.generator).choice(
            len(shares), self.num_samples, replace=self.replacement, p=shares / shares.sum()
        )


class BatchSampler(Sampler[list[int]]):
    """Lists of `batch_size` indices of another sampler, the last one with what is left unless `drop_last`.

    ValueError for a `batch_size` that is no positive integer, TypeError for a `drop_last` that is no bool.

    >>> list(BatchSampler(range(5), 2, drop_last=False))
    [[0, 1], [2, 3], [4]]
    """

    def __init__(self, sampler: Iterable[int], batch_size: int, drop_last: bool) -> None:
        if not isinstance(drop_last, bool):
            raise TypeError(f"BatchSampler: drop_last is True or False, not {drop_last!r}")
        self.sampler, self.drop_last = sampler, drop_last
        self.batch_size = count("BatchSampler", "batch_size", batch_size)

    def __len__(self) -> int:
        """Return the number of batches; TypeError where the sampler has no length."""
        whole, rest = divmod(len(self.sampler), self.batch_size)  # type: ignore[arg-type]
        return whole + (rest > 0 and not self.drop_last)

    def __iter__(self) -> Iterator[list[int]]:
        """Return an iterator over the batches of one epoch."""
        return (list(batch) for batch in self._lists(iter(self.sampler)))

    def batches(self) -> Iterator[Sequence[int] | np.ndarray[Any, Any]]:
        """Return an iterator over the batches of one epoch, as arrays where the sampler makes one array of all."""
        if getattr(type(self.sampler), "__iter__", None) is not OrderSampler.__iter__:
            return iter(self)
        order = self.sampler.order()  # type: ignore[attr-defined]
        stop = len(order) - (len(order) % self.batch_size if self.drop_last else 0)
        return (order[start : start + self.batch_size] for start in range(0, stop, self.batch_size))

    def _lists(self, indices: Iterator[int]) -> Iterator[list[int]]:
        while batch := list(islice(indices, self.batch_size)):
            if len(batch) == self.batch_size or not self.drop_last:
                yield batch

    def state_dict(self) -> dict[str, object]:
        """Return the state of the sampler of which the batches are made, if it has one."""
        return state_of(self.sampler) or {}

    def load_state_dict(self, state_dict: Mapping[str, object]) -> None:
        """Load the state of the sampler of which the batches are made."""
        if state_dict:
            self.sampler.load_state_dict(state_dict)  # type: ignore[attr-defined]


class DistributedSampler(OrderSampler):
    """The share of a dataset's indices that belongs to process `rank` of `num_replicas`, every `num_replicas`-th.

    All processes give the same `seed`, and call `set_epoch(epoch)` before each epoch, so that all of them shuffle in
    the same way, and each time in a new one. Where the samples cannot be shared out evenly, the first ones come
    a second time, or with `drop_last` the last ones not at all. ValueError for a rank that is not among the replicas.

    >>> sampler = DistributedSampler("abcde", num_replicas=2, rank=1, shuffle=False)
    >>> list(sampler)
    [1, 3, 0]
    """

    def __init__(
        self,
        dataset: Sized,
        num_replicas: int,
        rank: int,
        shuffle: bool = True,
        seed: int = 0,
        drop_last: bool = False,
    ) -> None:
        self.dataset, self.shuffle, self.seed, self.drop_last = dataset, shuffle, seed, drop_last
        self.num_replicas = count("DistributedSampler", "num_replicas", num_replicas)
        if isinstance(rank, bool) or not isinstance(rank, (int, np.integer)) or not 0 <= rank < num_replicas:
            raise ValueError(f"DistributedSampler: rank must be an integer of 0 to {num_replicas - 1}, not {rank!r}")
        self.rank, self.epoch = int(rank), 0
        share = len(dataset) / self.num_replicas
        self.num_samples = math.floor(share) if drop_last else math.ceil(share)
        self.total_size = self.num_samples * self.num_replicas

    def __len__(self) -> int:
        """Return the number of indices of this process."""
        return self.num_samples

    def order(self) -> np.ndarray[Any, Any]:
        """Return the indices of this process in the present epoch, as an array."""
        total = len(self.dataset)
        order = np.random.default_rng([self.seed, self.epoch]).permutation(total) if self.shuffle else np.arange(total)
        return np.resize(order, self.total_size)[self.rank :: self.num_replicas]

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch is next, by which the order is drawn."""
        self.epoch = epoch

    def state_dict(self) -> dict[str, int]:
        """Return the epoch."""
        return {"epoch": self.epoch}

    def load_state_dict(self, state_dict: Mapping[str, int]) -> None:
        """Go back to an epoch."""
        self.epoch = state_dict["epoch"]


def count(where: str, name: str, value: int, least: int = 1) -> int:
    """Return an integer that is no less than `least`, 1 or 0; ValueError for all else."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
        expected = "a positive integer" if least else "an integer, 0 or more"
        raise ValueError(f"{where}: {name} must be {expected}, not {value!r}")
    return int(value)


def state_of(part: object) -> dict[str, Any] | None:
    """Return the state of a sampler or dataset, None where it has none."""
    get: Callable[[], dict[str, Any]] | None = getattr(part, "state_dict", None)
    return None if get is None else get()
