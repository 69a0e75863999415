"""The loader, which makes batches of a dataset's samples."""

from __future__ import annotations

import copy
import multiprocessing
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import islice, repeat
from multiprocessing.context import BaseContext
from typing import Any, Literal

import numpy as np

from ...extend import DTypeLike, drawing_from
from .dataset import IterableDataset, Samples, rng_of
from .recipe import Opening, Recipe
from .sampler import BatchSampler, RandomSampler, SequentialSampler, count, state_of
from .workers import Pool, safe_context

__all__ = ["DataLoader"]


@dataclass
class _Progress:
    """How far an epoch is, and the states from which it began."""

    epoch: int
    position: int = 0  # batches that were handed out
    generator: Any = None
    sampler: Any = None
    dataset: Any = None
    stage: Literal["loaded", "running", "finished"] = "running"


class DataLoader:
    """An iterable over batches of a dataset's samples: Tensors, or tuples, lists or dicts of them as the samples are.

    It can be iterated many times; with `shuffle` each time in a new order. `sampler` gives the indices, `batch_sampler`
    lists of them, instead. `collate_fn` makes a batch of a list of samples (default: `default_collate`); with
    `batch_size=None` samples come as they are. With `drop_last` a last batch of fewer than `batch_size` samples is left
    out. Float data comes as `dtype` (None: as it is), integers and bools as they are. `pin_memory` is for PyTorch's
    users and does nothing.

    `generator` is a seed or a NumPy generator (None: the one that `nn.manual_seed` seeds). The same seed gives the same
    batches for any number and kind of workers: what the samples of a batch and `collate_fn` draw by `pullback.random`,
    `nn` and `nn.data.transforms` hangs on the seed, the epoch and the number of the batch. (Worker processes seed
    `random` and `numpy.random` in this way, too.)

    `num_workers` workers make up to `prefetch_factor` batches each ahead, in processes, or with `workers="thread"` in
    threads, which start at once and share the dataset, but compute side by side only where NumPy lets them.
    An `IterableDataset` is read by one worker. `persistent_workers` stay for the next epoch; `worker_init_fn(number)`
    runs in each first. Processes start by forkserver or else spawn (`multiprocessing_context` says otherwise), so
    dataset and functions must be picklable, and a script has its `if __name__ == "__main__":`. RuntimeError if a
    worker is killed, TimeoutError if a batch takes over `timeout` seconds (0: no limit); an error in a worker is raised
    here, with its traceback.

    `state_dict()` is of plain data and says where the loader is, also in the middle of an epoch: after
    `load_state_dict` the next iteration goes on there, with the batches that would have come. ValueError or TypeError
    for arguments that do not fit together.

    >>> from pullback.nn.data import TensorDataset
    >>> loader = DataLoader(TensorDataset(np.arange(5.0)), batch_size=2)
    >>> [x.tolist() for (x,) in loader]
    [[0.0, 1.0], [2.0, 3.0], [4.0]]
    """

    def __init__(
        self,
        dataset: Samples[object] | IterableDataset[object],
        batch_size: int | None = 1,
        shuffle: bool = False,
        sampler: Iterable[object] | None = None,
        batch_sampler: Iterable[Iterable[object]] | None = None,
        num_workers: int = 0,
        collate_fn: Callable[..., object] | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable[[int], object] | None = None,
        multiprocessing_context: str | BaseContext | None = None,
        generator: int | np.random.Generator | None = None,
        *,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
        workers: Literal["process", "thread"] = "process",
        dtype: DTypeLike | None = np.float32,
    ) -> None:
        self.dataset, self.batch_size, self.drop_last = dataset, batch_size, drop_last
        self.shuffle, self.pin_memory, self.collate_fn = shuffle, pin_memory, collate_fn
        self.num_workers = count("DataLoader", "num_workers", num_workers, least=0)
        self.timeout, self.worker_init_fn, self.persistent_workers = timeout, worker_init_fn, persistent_workers
        self.prefetch_factor = 2 if prefetch_factor is None else count("DataLoader", "prefetch_factor", prefetch_factor)
        self.dtype = None if dtype is None else np.dtype(dtype)
        self.generator = None if generator is None else rng_of(generator)
        self.workers, self.multiprocessing_context = workers, multiprocessing_context
        self._check(sampler, batch_sampler)
        if sampler is None and batch_sampler is None and not isinstance(dataset, IterableDataset):
            sampler = RandomSampler(dataset, generator=self.generator) if shuffle else SequentialSampler(dataset)
        self._batched = batch_size is not None
        if batch_sampler is not None:
            self.batch_size = None
        elif batch_size is not None:
            self.batch_size = count("DataLoader", "batch_size", batch_size)
            if sampler is not None:
                batch_sampler = BatchSampler(sampler, self.batch_size, drop_last)  # type: ignore[arg-type]
        self.sampler, self.batch_sampler = sampler, batch_sampler
        self._pool: Pool | None = None
        self._progress = _Progress(-1, stage="finished")

    @property
    def _recipe(self) -> Recipe:
        return Recipe(self.dataset, self.collate_fn, self.dtype, self._batched, self.batch_size or 1, self.drop_last)

    def _check(self, sampler: object, batch_sampler: object) -> None:
        """Errors for arguments that do not fit together."""
        for name, value in {"shuffle": self.shuffle, "drop_last": self.drop_last}.items():
            if not isinstance(value, bool):
                raise TypeError(f"DataLoader: {name} is True or False, not {value!r}")
        if not self.timeout >= 0:
            raise ValueError(f"DataLoader: timeout must be a number of seconds, 0 or more, not {self.timeout!r}")
        if self.workers not in ("process", "thread"):
            raise ValueError(f'DataLoader: workers must be "process" or "thread", not {self.workers!r}')
        given = {
            "shuffle": self.shuffle,
            "sampler": sampler is not None,
            "batch_sampler": batch_sampler is not None,
            "batch_size": self.batch_size not in (1, None),
            "batch_size=None": self.batch_size is None,
            "drop_last": self.drop_last,
        }
        clashes = [("sampler", ["shuffle"]), ("batch_size=None", ["drop_last"])]
        clashes += [("batch_sampler", ["shuffle", "sampler", "batch_size", "batch_size=None", "drop_last"])]
        for name, others in clashes:
            if both := [other for other in others if given[name] and given[other]]:
                raise ValueError(f"DataLoader: {name} and {' and '.join(both)} exclude each other")
        if isinstance(self.dataset, IterableDataset):
            if both := [name for name in ("shuffle", "sampler", "batch_sampler") if given[name]]:
                raise ValueError(f"DataLoader: an IterableDataset gives its own order, without {' and '.join(both)}")
        elif not hasattr(self.dataset, "__getitem__"):
            raise TypeError(
                f"DataLoader: a dataset has __getitem__ and __len__, which {type(self.dataset).__name__} lacks; a "
                "stream of samples derives from IterableDataset"
            )

    def __repr__(self) -> str:
        options = f"batch_size={self.batch_size}, shuffle={self.shuffle}, drop_last={self.drop_last}"
        workers = f", {self.num_workers} {self.workers} workers" if self.num_workers else ""
        return f"DataLoader({self.dataset!r}, {options}, dtype={self.dtype}{workers})"

    def __len__(self) -> int:
        """Return the number of batches; TypeError where the dataset or the sampler has no length."""
        parts: Any = self.batch_sampler if self.batch_sampler is not None else self.sampler
        if parts is not None:
            return len(parts)
        whole, rest = divmod(len(self.dataset), self.batch_size or 1)  # type: ignore[arg-type]
        return whole + (rest > 0 and not self.drop_last)

    def __iter__(self) -> Iterator[Any]:
        """Return an iterator over the batches of one epoch, or of what is left of one whose state was loaded."""
        progress, batches, opening = self._begin()
        made = self._by_workers(batches, opening) if self.num_workers else self._made(batches, opening)
        for batch, state in made:
            progress.position += 1
            progress.dataset = state
            yield batch
        progress.stage = "finished"

    def _begin(self) -> tuple[_Progress, Iterator[Any], Opening]:
        """Begin an epoch, or go on in one: where it is, the indices of the batches to come, and what they need."""
        last = self._progress
        resumed = last.stage == "loaded"
        progress = last if resumed else _Progress(last.epoch + 1)
        with self._from(progress.generator):
            rng = rng_of(self.generator)
            progress.generator, progress.sampler = rng.bit_generator.state, copy.deepcopy(state_of(self._indices()))
            batches = self._batches()
            plain = self._recipe.plain and self.worker_init_fn is None
            seed = 0 if plain else int(rng.integers(1 << 63))
        progress.stage = "running"
        self._progress = progress
        return progress, islice(batches, progress.position, None), Opening(seed, progress.position, progress.dataset)

    def _from(self, state: Any) -> AbstractContextManager[None]:
        """Draw from a state of the generator, where one is given: of another than the thread's, which goes on."""
        if state is None:
            return nullcontext()
        if self.generator is not None:
            self.generator.bit_generator.state = state
            return nullcontext()
        again = getattr(np.random, state["bit_generator"])()
        again.state = state
        return drawing_from(np.random.Generator(again))

    def _indices(self) -> Any:
        return self.batch_sampler if self.batch_sampler is not None else self.sampler

    def _batches(self) -> Iterator[Any]:
        """The indices of each batch; of a stream, whose end nobody knows, None without end."""
        indices = self._indices()
        if indices is None:
            return repeat(None)
        return indices.batches() if type(indices) is BatchSampler else iter(indices)

    def _made(self, batches: Iterator[Any], opening: Opening) -> Iterator[tuple[Any, Any]]:
        """The batches, made here, each with the dataset's state."""
        make = self._recipe.opened(opening)
        for number, indices in enumerate(batches, opening.passed):
            made = make(number, indices)
            if made is None:
                return
            yield made

    def _by_workers(self, batches: Iterator[Any], opening: Opening) -> Iterator[tuple[Any, Any]]:
        """The batches, made by workers, each with the dataset's state."""
        pool = self._open(opening.seed)
        try:
            ask = pool.begin(opening)
            asked: deque[int] = deque()
            tasks = enumerate(batches, opening.passed)
            for number, indices in islice(tasks, len(pool.workers) * self.prefetch_factor):
                ask(number, indices)
                asked.append(number)
            while asked:
                made = pool.take(asked.popleft())
                if made is None:
                    return
                for number, indices in islice(tasks, 1):
                    ask(number, indices)
                    asked.append(number)
                yield made
        finally:
            if self.persistent_workers and pool.sound and self._pool is None:
                self._pool = pool
            else:
                pool.close()

    def _open(self, seed: int) -> Pool:
        """Workers: those that have stayed, or new ones."""
        pool, self._pool = self._pool, None
        if pool is not None and pool.close.alive:
            return pool
        count = 1 if self._recipe.streaming else self.num_workers
        return Pool(self._recipe, count, self.worker_init_fn, seed, self._context(), self.timeout)

    def _context(self) -> BaseContext | None:
        """How processes start, None for threads."""
        if self.workers == "thread":
            return None
        context = self.multiprocessing_context
        if context is None:
            return safe_context()
        return multiprocessing.get_context(context) if isinstance(context, str) else context

    def state_dict(self) -> dict[str, object]:
        """Return where the loader is: dicts, lists, numbers, texts and arrays.

        It holds the number of the `epoch`, the `position` (batches that were handed out), and the states of generator
        and sampler at the beginning of the epoch, from which its order is drawn again.

        >>> from pullback.nn.data import TensorDataset
        >>> loader = DataLoader(TensorDataset(np.arange(6.0)), 2, shuffle=True, generator=0)
        >>> batches = iter(loader)
        >>> (first,) = next(batches)
        >>> state = loader.state_dict()
        >>> other = DataLoader(TensorDataset(np.arange(6.0)), 2, shuffle=True, generator=1)
        >>> other.load_state_dict(state)
        >>> [x.tolist() for (x,) in other] == [x.tolist() for (x,) in batches]
        True
        """
        progress = self._progress
        if progress.stage == "finished":
            own = None if self.generator is None else self.generator.bit_generator.state
            progress = _Progress(progress.epoch + 1, 0, own, state_of(self._indices()))
        kept = {name: getattr(progress, name) for name in ("epoch", "position", "generator", "sampler", "dataset")}
        return copy.deepcopy({**kept, **self._fit()})

    def load_state_dict(self, state_dict: Mapping[str, object]) -> None:
        """Let the next iteration go on from a state. ValueError for one of a loader with other samples or batches.

        A generator or sampler that was not given as a seed goes back to what it was then.
        """
        state: dict[str, Any] = copy.deepcopy(dict(state_dict))
        names = ["epoch", "position", "generator", "sampler", "dataset", *self._fit()]
        if sorted(state) != sorted(names):
            raise ValueError(f"load_state_dict of DataLoader: expected {', '.join(names)}, not {', '.join(state)}")
        for name, value in self._fit().items():
            if state.pop(name) != value:
                raise ValueError(
                    f"load_state_dict of DataLoader: {name} is {value} here, and {state_dict[name]} in the state"
                )
        if state["sampler"] is not None:
            self._indices().load_state_dict(state["sampler"])
        self._progress = _Progress(**state, stage="loaded")

    def _fit(self) -> dict[str, int | None]:
        """What a loader has in common with those that can go on from its state."""
        try:
            samples = len(self.dataset)  # type: ignore[arg-type]
        except TypeError:
            samples = None
        return {"samples": samples, "batch_size": self.batch_size}

    def __getstate__(self) -> dict[str, object]:
        """What a copy has: all but the workers."""
        return {**self.__dict__, "_pool": None}
