"""States that each process has for itself, in a checkpoint of all."""

from __future__ import annotations

from typing import Any

from ..extend import Communicator
from .checkpoint import load_state, state_of

__all__ = ["PerRank"]

_KEY = "states by rank"


class PerRank:
    """A part of a checkpoint that differs between processes, as where a loader is, or a random generator.

    Its state is that of all processes, by rank; of one process alone it is the part's own. ValueError where it is of
    another number of processes.
    """

    def __init__(self, part: Any, communicator: Communicator) -> None:
        self.part, self.communicator = part, communicator

    def __repr__(self) -> str:
        return repr(self.part)

    def state_dict(self) -> Any:
        """Return the states of all processes."""
        own = state_of(self.part)
        return own if self.communicator.size == 1 else {_KEY: self.communicator.allgather(own)}

    def load_state_dict(self, state_dict: Any) -> None:
        """Take over the state of this process."""
        several = isinstance(state_dict, dict) and _KEY in state_dict
        states = state_dict[_KEY] if several else [state_dict]
        if len(states) != self.communicator.size:
            raise ValueError(
                f"a state of {len(states)} processes, given to {self.communicator.size}; start as many as there were"
            )
        load_state(self.part, states[self.communicator.rank])
