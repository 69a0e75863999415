"""How far a training is: a state that can be saved, and gone on from."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from typing import Any

from ..extend import Communicator, generator
from .callbacks import load_states, states_of
from .running import Running
from .together import Together
from .training_checks import checked_callbacks

__all__ = ["TrainingState"]


class TrainingState:
    """What a `Trainer` knows of its training, beside model and optimizer: see there."""

    def __init__(self, callbacks: Iterable[object], communicator: Communicator | None = None) -> None:
        self.callbacks: list[Any] = checked_callbacks(callbacks)
        self._together = Together(communicator)
        self.history: dict[str, list[float]] = {}
        self.latest: dict[str, float] = {}
        self.interrupted: list[int] = []
        self.epoch = self.epochs = 0
        self.stop = self.training = False
        self.loader: Any = None
        self._start: int | None = None
        self._running: Running | None = None
        self._resumed: dict[str, Any] | None = None
        self._clock = 0.0

    @property
    def communicator(self) -> Communicator:
        """The processes that train together; one, unless told otherwise."""
        return self._together.communicator

    @property
    def batch(self) -> int:
        """The batches of the epoch under way that are done."""
        return 0 if self._running is None else self._running.batch

    def scores(self) -> dict[str, float]:
        """Return the mean loss, and the accuracy, of the epoch under way so far."""
        return (self._running or Running()).scores()

    def state_dict(self) -> dict[str, object]:
        """Return a copy of the state of the training, see the class; model and optimizer have states of their own."""
        running = self._running
        if running is not None:
            running.seconds = self._elapsed()
        return {
            "epoch": self.epoch,
            "start": self._start,
            "stop": self.stop,
            "history": deepcopy(self.history),
            "interrupted": list(self.interrupted),
            "running": None if running is None else running.state_dict(),
            "random": generator().bit_generator.state,
            "loader": self.loader.state_dict() if hasattr(self.loader, "state_dict") else None,
            "callbacks": states_of(self.callbacks),
        }

    def load_state_dict(self, state_dict: Mapping[str, object]) -> None:
        """Take over what `state_dict` gave; ValueError, and no change, for one of other callbacks or of no trainer."""
        before: dict[str, Any] = self.state_dict()
        state: dict[str, Any] = dict(state_dict)
        if missing := before.keys() - state.keys():
            raise ValueError(f"Trainer: the state lacks {', '.join(sorted(missing))}")
        names, own = ([entry["name"] for entry in each["callbacks"]] for each in (state, before))
        if names != own:
            raise ValueError(f"Trainer: state of callbacks {names} given for {own}")
        try:
            load_states(self.callbacks, state["callbacks"])
        except BaseException:
            load_states(self.callbacks, before["callbacks"])
            raise
        self.epoch, self.stop = state["epoch"], state["stop"]
        self.history, self.interrupted = deepcopy(state["history"]), list(state["interrupted"])
        self._resumed = None if state["start"] is None else deepcopy(state)

    @contextmanager
    def _under_way(self, loader: Any, epochs: int) -> Iterator[None]:
        """What is set while `fit` runs: to begin with, or as it was when the state was saved that has been loaded."""
        saved = self._resumed
        self.loader, self.training = loader, True
        try:
            if saved is None:
                start, self.stop = self.epoch, False
            else:
                start = saved["start"]
                self._running = None if saved["running"] is None else Running(**saved["running"])
                self._position(saved["loader"])
                generator().bit_generator.state = saved["random"]
                self._resumed = None
            self._start, self.epochs = start, start + epochs
            self._clock = time.perf_counter() - (0.0 if self._running is None else self._running.seconds)
            yield
        finally:
            self._start = self._running = None
            self.training = False

    def _position(self, state: Any) -> None:
        """Put the loader where it was."""
        if state is None:
            return
        if not hasattr(self.loader, "load_state_dict"):
            raise ValueError(f"fit: the state that was loaded is of a loader with a state, not of {self.loader!r}")
        self.loader.load_state_dict(state)
        if self._running is not None:
            self._running.random = None  # no batch need be taken twice

    def _begin(self) -> Running:
        """A new epoch."""
        self.epoch += 1
        self._running, self._clock = Running(), time.perf_counter()
        return self._running

    def _record(self, results: dict[str, float]) -> None:
        """The end of an epoch: its scores go into the history."""
        self.latest = {**results, "seconds": self._elapsed()}
        for name, value in self.latest.items():
            self.history.setdefault(name, []).append(value)
        self._running = None

    def _elapsed(self) -> float:
        return time.perf_counter() - self._clock
