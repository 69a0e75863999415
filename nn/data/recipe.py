"""How batches are made of a dataset: by the loader itself, or by its workers."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple

import numpy as np

from ...extend import drawing_from
from .collate import cast, default_collate, default_convert
from .dataset import IterableDataset, Subset, TensorDataset, Transformed, indices_of
from .sampler import state_of

__all__ = ["WorkerInfo", "get_worker_info"]


@dataclass(frozen=True)
class WorkerInfo:
    """A worker of a loader: its number `id` of `num_workers`, its copy of the `dataset`, and a `seed` of its own."""

    id: int
    num_workers: int
    seed: int
    dataset: object


class _Here(threading.local):
    worker: WorkerInfo | None = None


here = _Here()


def get_worker_info() -> WorkerInfo | None:
    """Return the worker that runs this code, or None outside of workers.

    >>> get_worker_info() is None
    True
    """
    return here.worker


class Opening(NamedTuple):
    """What an epoch begins with: the seed of its random numbers, how many batches have been had, and the state that
    the dataset had then, if it has any."""

    seed: int
    passed: int
    state: Any


Made = tuple[Any, Any] | None  # a batch, and the state of the dataset after it, if it has any; None: a stream's end
Make = Callable[[int, Any], Made]  # from a batch's number and indices


@dataclass
class Recipe:
    """What a batch is made by. Unless `batched`, samples come one by one, and `collate_fn` gets them so."""

    dataset: Any
    collate_fn: Callable[[Any], Any] | None
    dtype: np.dtype[Any] | None
    batched: bool
    batch_size: int  # of a stream
    drop_last: bool

    @property
    def streaming(self) -> bool:
        """Whether the samples come one after another, without indices."""
        return isinstance(self.dataset, IterableDataset)

    @property
    def plain(self) -> bool:
        """Whether no code of the user's takes part, which could draw random numbers."""
        return self.collate_fn is None and _is_plain(self.dataset)

    def opened(self, opening: Opening) -> Make:
        """Return the function that makes the batches of one epoch."""
        return self._of_stream(opening) if self.streaming else self._of_indices(opening.seed)

    def _of_indices(self, seed: int) -> Make:
        gather, dtype = self._gatherer(), self.dtype
        if self.plain:
            return lambda number, indices: (cast(gather(indices), dtype), None)

        def make(number: int, indices: Any) -> Made:
            with draws(seed, number):
                return cast(gather(indices), dtype), None

        return make

    def _gatherer(self) -> Callable[[Any], Any]:
        """A function from indices to their batch: one copy where the dataset can index at once."""
        dataset = self.dataset
        if not self.batched:
            convert = self.collate_fn or default_convert
            return lambda index: convert(dataset[index])
        if self.collate_fn is None and _at_once(dataset):
            return lambda indices: dataset[_array(indices)]
        collate = self.collate_fn or default_collate
        if hasattr(dataset, "__getitems__"):
            return lambda indices: collate(dataset.__getitems__(_listed(indices)))
        return lambda indices: collate([dataset[i] for i in _listed(indices)])

    def _of_stream(self, opening: Opening) -> Make:
        dataset, seed, size = self.dataset, opening.seed, self.batch_size
        collate = self.collate_fn or (default_collate if self.batched else default_convert)
        with draws(seed, -1):
            if opening.state is not None:
                dataset.load_state_dict(opening.state)
            samples: Iterator[Any] = iter(dataset)
        for number in range(opening.passed if opening.state is None else 0):
            with draws(seed, number):
                list(islice(samples, size))

        def make(number: int, _: Any) -> Made:
            with draws(seed, number):
                batch = list(islice(samples, size))
                if not batch or (self.drop_last and len(batch) < size):
                    return None
                state = copy.deepcopy(state_of(dataset))
                return cast(collate(batch if self.batched else batch[0]), self.dtype), state

        return make


def draws(seed: int, number: int) -> AbstractContextManager[None]:
    """Let what is inside draw the random numbers of one batch (-1: of what comes before the first)."""
    return drawing_from(np.random.default_rng([seed, number + 1]))


def _at_once(dataset: Any) -> bool:
    """Whether an array of indices gives their batch."""
    getitem = type(dataset).__getitem__
    if getitem in (Subset.__getitem__, Transformed.__getitem__):
        return _at_once(dataset.dataset)
    return getattr(getitem, "takes_arrays", False)


def _is_plain(dataset: Any) -> bool:
    getitem = getattr(type(dataset), "__getitem__", None)
    return getitem is TensorDataset.__getitem__ or getitem is Subset.__getitem__ and _is_plain(dataset.dataset)


def _array(indices: Any) -> np.ndarray[Any, Any]:
    return indices if getattr(indices, "dtype", None) == np.intp else indices_of("DataLoader", indices)


def _listed(indices: Any) -> list[Any]:
    return indices.tolist() if isinstance(indices, np.ndarray) else list(indices)
