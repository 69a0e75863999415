"""Many small trainings, in processes beside each other: grids of settings, and random ones."""

from __future__ import annotations

import csv
import json
import logging
import multiprocessing
import os
import pickle
import signal
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Sized
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice, product
from pathlib import Path
from typing import IO, Any, overload

import numpy as np

from ..autograd import Tensor, set_num_threads
from ..extend import manual_seed, one_blas_thread
from ..nn.atomic_files import lock
from ..nn.data.workers import safe_context

__all__ = ["Sweep", "Trial", "sweep"]

Config = dict[str, Any]
Space = Mapping[str, Sequence[Any] | Callable[[np.random.Generator], Any]]
Function = Callable[..., float | Mapping[str, float]]

_log = logging.getLogger("pullback")


@dataclass(frozen=True)
class Trial:
    """A call of a sweep's function: its number, its arguments, and what it returned after how many seconds, or why not.

    `error` is the traceback of a trial that failed, whose `result` is empty.
    """

    number: int
    config: Config
    result: dict[str, float]
    seconds: float
    error: str | None = None


class Sweep(Sequence[Trial]):
    """The trials of a sweep, by their numbers; printed as a table.

    >>> table = Sweep([Trial(0, {"lr": 0.1}, {"loss": 2.0}, 0.5), Trial(1, {"lr": 0.01}, {"loss": 1.0}, 0.5)])
    >>> table
    trial |   lr | loss | seconds
        0 |  0.1 |    2 |     0.5
        1 | 0.01 |    1 |     0.5
    >>> table.best("loss").config
    {'lr': 0.01}
    """

    def __init__(self, trials: Iterable[Trial]) -> None:
        self._trials = sorted(trials, key=lambda trial: trial.number)

    def __len__(self) -> int:
        """Return the number of trials."""
        return len(self._trials)

    @overload
    def __getitem__(self, index: int) -> Trial: ...
    @overload
    def __getitem__(self, index: slice) -> Sweep: ...
    def __getitem__(self, index: int | slice) -> Trial | Sweep:
        """Return a trial, or of a slice the sweep of those trials."""
        return Sweep(self._trials[index]) if isinstance(index, slice) else self._trials[index]

    def __repr__(self) -> str:
        columns, rows = self.table()
        texts = [columns, *([_text(value) for value in row] for row in rows)]
        widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
        lines = (" | ".join(text.rjust(w) for text, w in zip(row, widths, strict=True)) for row in texts)
        return "\n".join(lines)

    def table(self) -> tuple[list[str], list[list[Any]]]:
        """Return the names of the columns, and a row for each trial: number, arguments, results, seconds, the error.

        A column is named as the argument or result; None stands where a trial has no such value. The error, of which
        a row has the last line, has a column where a trial has failed.
        """
        arguments = list(dict.fromkeys(name for trial in self for name in trial.config))
        results = list(dict.fromkeys(name for trial in self for name in trial.result))
        failed = any(trial.error for trial in self)
        rows = []
        for trial in self:
            row = [trial.number, *map(trial.config.get, arguments), *map(trial.result.get, results), trial.seconds]
            rows.append([*row, *([(trial.error or "").strip().rpartition("\n")[2]] if failed else [])])
        return ["trial", *arguments, *results, "seconds", *["error"] * failed], rows

    def to_csv(self, path: str | os.PathLike[str]) -> None:
        """Write the table into a file, the names of the columns first."""
        columns, rows = self.table()
        with open(path, "w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([columns, *rows])

    def best(self, name: str | None = None, *, largest: bool = False) -> Trial:
        """Return the trial whose result of that name (None: the first one that there is) is the smallest, or largest.

        Trials that failed or that have NaN there are passed over; ValueError if none is left.
        """
        if name is None:
            name = next((name for trial in self for name in trial.result), "value")
        found = [trial for trial in self if trial.result.get(name, np.nan) == trial.result.get(name)]
        if not found:
            raise ValueError(f"Sweep.best: none of {len(self)} trials has a number as its {name!r}")
        return (max if largest else min)(found, key=lambda trial: trial.result[name])


def sweep(
    function: Function,
    space: Space,
    *,
    trials: int | None = None,
    seed: int = 0,
    processes: int | None = None,
    path: str | os.PathLike[str] | None = None,
) -> Sweep:
    """Call a function with many settings, and return the table of what it gives: a grid search, or a random one.

    `space` has the values of each keyword argument. A grid (`trials=None`) goes through all their combinations, the
    last argument's fastest; a random search makes so many `trials`, with one of the values drawn each time, or where a
    function of a generator stands in their place, what that draws. The function returns a number, named "value", or a
    dict of numbers; before each trial `manual_seed` is called with a seed made of `seed` and its number, so that the
    same trials give the same results in any number of processes.

    There are as many `processes` as CPUs unless given, with one thread each; with 0 all runs here. They import the
    function by its name, so it is defined at the top of a module, and a script that is run has
    `if __name__ == "__main__":` around its call of `sweep`.

    A trial that raises is a row with its error, and the others go on. With a `path` each row is written there when it
    is there, a line of JSON, and the same call later (with more trials perhaps) makes those alone that are not there or
    have failed. ValueError if the rows there are of other settings, for a `space` without values, and for negative
    numbers; TypeError for what cannot be pickled; RuntimeError if a process dies, or if another sweep writes there.

    >>> def loss(lr, width):
    ...     return (lr - 0.1) ** 2 + 1 / width
    >>> sweep(loss, {"lr": [0.1, 1.0], "width": [2, 4]}, processes=0).best().config
    {'lr': 0.1, 'width': 4}
    >>> found = sweep(loss, {"lr": lambda rng: 10 ** rng.uniform(-3, 0), "width": [2, 4]}, trials=3, processes=0)
    >>> len(found)
    3
    """
    configs = _drawn(space, trials, seed)
    with _rows(path) as file:
        done = _read(file, configs) if file else {}
        left = {number: config for number, config in enumerate(configs) if number not in done}
        for trial in _run(function, left, seed, os.cpu_count() or 1 if processes is None else processes):
            done[trial.number] = trial
            _log.info("trial %d of %d: %s: %s", trial.number, len(configs), trial.config, trial.result or trial.error)
            if file:
                _write(file, trial)
    return Sweep(done.values())


def _drawn(space: Space, trials: int | None, seed: int) -> list[Config]:
    """The arguments of all trials."""
    if trials is not None and (isinstance(trials, bool) or not isinstance(trials, int) or trials < 0):
        raise ValueError(f"sweep: trials={trials!r} is no number of trials, 0 or more")
    for name, values in space.items():
        if not callable(values) and (isinstance(values, str) or not isinstance(values, Sized) or not len(values)):
            raise ValueError(f"sweep: {name}={values!r} in space is no list of values, of which there is at least one")
        if callable(values) and trials is None:
            raise ValueError(f"sweep: a grid needs a list of values for {name}; say how many trials= to draw")
    if trials is None:
        return [dict(zip(space, values, strict=True)) for values in product(*space.values())]  # type: ignore[arg-type]
    rng = np.random.default_rng(seed)
    return [
        {name: v(rng) if callable(v) else v[int(rng.integers(len(v)))] for name, v in space.items()}
        for _ in range(trials)
    ]


def _run(function: Function, configs: dict[int, Config], seed: int, processes: int) -> Iterator[Trial]:
    """The trials, as they end."""
    if processes == 0:
        yield from (_trial(function, number, config, seed) for number, config in configs.items())
        return
    if processes < 0:
        raise ValueError(f"sweep: processes={processes} is no number of processes, or 0 for none but this one")
    _check_portable(function, configs)
    before = multiprocessing.active_children()
    pool = ProcessPoolExecutor(processes, safe_context(), _alone)
    try:
        # Not all at once, so that what an interrupted sweep has in its processes is all that it loses.
        waiting = iter(configs.items())
        running: dict[Future[Trial], int] = {}
        while True:
            for number, config in islice(waiting, processes - len(running)):
                running[pool.submit(_apart, function, number, config, seed)] = number
            if not running:
                return
            ended = next(as_completed(running))
            yield ended.result()
            del running[ended]
    except BrokenProcessPool as error:
        lost = ", ".join(f"{number}: {configs[number]}" for number in sorted(running.values()))
        raise RuntimeError(
            f"sweep: a process died, perhaps for want of memory, while these trials ran: {lost}"
        ) from error
    finally:
        pool.shutdown(wait=not running, cancel_futures=True)
        if running:
            for process in set(multiprocessing.active_children()).difference(before):
                process.terminate()


def _check_portable(function: Function, configs: dict[int, Config]) -> None:
    """TypeError for what cannot be pickled, as what goes to another process is."""
    try:
        pickle.dumps((function, configs))
    except (TypeError, AttributeError, pickle.PicklingError) as error:
        raise TypeError(
            f"sweep: {getattr(function, '__qualname__', function)!r} or its arguments cannot be pickled, which "
            f"processes need ({error}); define functions at the top of a module, or run here: processes=0"
        ) from error


def _alone() -> None:
    """What a process begins with: one thread, and a quiet end at Ctrl-C, which is for the process that sweeps."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    set_num_threads(1)


def _apart(*arguments: Any) -> Trial:
    return one_blas_thread(lambda: _trial(*arguments))


def _trial(function: Function, number: int, config: Config, seed: int) -> Trial:
    start = time.perf_counter()
    try:
        manual_seed(int(np.random.SeedSequence([seed, number]).generate_state(1)[0]))
        result, error = _numbers(function(**config)), None
    except Exception:
        result, error = {}, traceback.format_exc()
    return Trial(number, config, result, time.perf_counter() - start, error)


def _numbers(result: Any) -> dict[str, float]:
    given = result if isinstance(result, Mapping) else {"value": result}
    try:
        return {str(k): float(v.item() if isinstance(v, Tensor) else v) for k, v in given.items()}
    except (TypeError, ValueError) as error:
        raise TypeError(f"sweep: the function returns a number or a dict of numbers, not {result!r}") from error


@contextmanager
def _rows(path: str | os.PathLike[str] | None) -> Iterator[IO[bytes] | None]:
    """The file of the rows, which is this sweep's alone."""
    if path is None:
        yield None
        return
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a+b") as file:
        if not lock(file):
            raise RuntimeError(f"sweep: another sweep writes {os.fspath(path)}")
        yield file


def _label(config: Config) -> Config:
    """Arguments as JSON has them; what it cannot have, by its name."""
    return json.loads(json.dumps(config, default=lambda value: getattr(value, "__qualname__", None) or repr(value)))


def _read(file: IO[bytes], configs: list[Config]) -> dict[int, Trial]:
    """The trials that are in a file, but for those that failed; a last row that is not whole is taken away."""
    file.seek(0)
    content = file.read()
    whole = content[: content.rfind(b"\n") + 1]
    file.truncate(len(whole))
    done = {}
    for line, text in enumerate(whole.splitlines(), 1):
        try:
            row = json.loads(text)
            number, config, result, seconds, error = (row[key] for key in Trial.__dataclass_fields__)
        except (ValueError, KeyError, TypeError) as damage:
            raise ValueError(f"sweep: line {line} of {file.name} is no trial of a sweep: {text[:80]!r}") from damage
        if number < len(configs) and config != _label(configs[number]):
            raise ValueError(
                f"sweep: trial {number} in {file.name} was made with {config}, not {_label(configs[number])}; give "
                "the space and seed that it was begun with, or another path"
            )
        if number < len(configs) and error is None:
            done[number] = Trial(number, configs[number], result, seconds)
    return done


def _write(file: IO[bytes], trial: Trial) -> None:
    row = {name: getattr(trial, name) for name in Trial.__dataclass_fields__} | {"config": _label(trial.config)}
    file.write(json.dumps(row).encode() + b"\n")
    file.flush()
    os.fsync(file.fileno())


def _text(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else getattr(value, "__qualname__", None) or str(value)
