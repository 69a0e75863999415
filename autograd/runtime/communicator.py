"""Processes that compute together: messages between them, of arrays and of Python's objects, by MPI.

All processes run the same program. Every method is a collective: all of them call it, in the same order.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable
from functools import cache
from types import TracebackType
from typing import Any, Literal, TypeVar

import numpy as np

__all__ = ["Communicator", "MPICommunicator", "Pending", "world"]

Array = np.ndarray[Any, Any]
Op = Literal["sum", "max", "min"]
T = TypeVar("T")


class Pending:
    """A collective that was begun: `test()` helps it on and says whether it is done, `wait()` gives what it makes.

    This one is of a single process, and done.
    """

    def __init__(self, result: Array) -> None:
        self._result = result

    def test(self) -> bool:
        """Help the collective on, and return whether it is done."""
        return True

    def wait(self) -> Array:
        """Return the result when the collective is done."""
        return self._result


class Communicator:
    """The processes that compute together: this one is `rank` of `size`, counted from 0. Here it is alone.

    >>> world().allreduce(np.array([1.0, 2.0]))
    array([1., 2.])
    """

    rank = 0
    size = 1

    def __repr__(self) -> str:
        return f"{type(self).__name__}(rank={self.rank}, size={self.size})"

    def duplicate(self) -> Communicator:
        """Return a communicator of the same processes, whose collectives have an order of their own."""
        return self

    def barrier(self) -> None:
        """Wait until all processes are here."""

    def iallreduce(self, array: Array) -> Pending:
        """Begin to replace a contiguous array by its sum over all processes."""
        return Pending(array)

    def iexchange(self, parts: Array) -> Pending:
        """Begin to send part `parts[r]` to each process r; the result has the part from each process r at r."""
        return Pending(parts.copy())

    def iallgather(self, part: Array) -> Pending:
        """Begin to send an array to all processes; the result has that of each process r at r."""
        return Pending(part[None].copy())

    def allreduce(self, array: Array, op: Op = "sum") -> Array:
        """Return the sum (or what `op` says) of all processes' arrays, of one shape; the same to the bit in all."""
        return array.copy()

    def broadcast(self, array: Array, root: int = 0) -> Array:
        """Return the array of process `root`; the others give one of its shape and dtype."""
        return np.array(array)

    def broadcast_object(self, value: T, root: int = 0) -> T:
        """Return the object of process `root`, which can be pickled."""
        return value

    def allgather(self, value: T) -> list[T]:
        """Return the objects of all processes, which can be pickled, by rank."""
        return [value]


class _Request(Pending):
    """A collective of MPI."""

    def __init__(self, request: Any, *arrays: Array) -> None:
        super().__init__(arrays[-1])
        self._request, self._arrays = request, arrays  # which MPI reads and writes until it is done

    def test(self) -> bool:
        done: bool = self._request.Test()
        return done

    def wait(self) -> Array:
        self._request.Wait()
        return self._result


class MPICommunicator(Communicator):
    """The processes of a communicator of mpi4py's."""

    def __init__(self, comm: Any) -> None:
        self._comm, self._mpi = comm, importlib.import_module("mpi4py.MPI")
        self.rank, self.size = comm.Get_rank(), comm.Get_size()

    def duplicate(self) -> Communicator:
        return MPICommunicator(self._comm.Dup())

    def barrier(self) -> None:
        self._comm.Barrier()

    def iallreduce(self, array: Array) -> Pending:
        return _Request(self._comm.Iallreduce(self._mpi.IN_PLACE, array), array)

    def iexchange(self, parts: Array) -> Pending:
        received = np.empty_like(parts)
        return _Request(self._comm.Ialltoall(_bytes(parts), _bytes(received)), parts, received)

    def iallgather(self, part: Array) -> Pending:
        gathered = np.empty((self.size, *part.shape), part.dtype)
        return _Request(self._comm.Iallgather(_bytes(part), _bytes(gathered)), part, gathered)

    def allreduce(self, array: Array, op: Op = "sum") -> Array:
        found = np.array(array, order="C")
        self._comm.Allreduce(self._mpi.IN_PLACE, found, getattr(self._mpi, op.upper()))
        return found

    def broadcast(self, array: Array, root: int = 0) -> Array:
        found = np.array(array, order="C")
        self._comm.Bcast(_bytes(found), root)
        return found

    def broadcast_object(self, value: T, root: int = 0) -> T:
        found: T = self._comm.bcast(value, root)
        return found

    def allgather(self, value: T) -> list[T]:
        found: list[T] = self._comm.allgather(value)
        return found


def _bytes(array: Array) -> Array:
    """A contiguous array as bytes, of whatever dtype it is."""
    return array.reshape(-1).view(np.uint8)


_SIZES = ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "SLURM_STEP_NUM_TASKS")  # what mpiexec and srun say


@cache
def world() -> Communicator:
    """Return all processes that `mpiexec` started together, of whose number mpi4py knows; without it this one, alone.

    With several, an error that is not caught ends them all. ImportError without mpi4py (the extra `mpi`) where there
    are several.

    >>> world()
    Communicator(rank=0, size=1)
    """
    several = any(int(os.environ.get(name) or 1) > 1 for name in _SIZES)
    if not several and "mpi4py.MPI" not in sys.modules:
        return Communicator()
    try:
        mpi: Any = importlib.import_module("mpi4py.MPI")
    except ImportError as error:
        raise ImportError(
            f"world: mpiexec or srun started this process beside others, which it cannot know without mpi4py: {error}; "
            "pip install pullback[mpi]"
        ) from error
    if mpi.COMM_WORLD.Get_size() == 1:
        return Communicator()
    sys.excepthook = _ending_all(sys.excepthook, mpi.COMM_WORLD.Abort)
    return MPICommunicator(mpi.COMM_WORLD)


_Hook = Callable[[type[BaseException], BaseException, TracebackType | None], Any]


def _ending_all(before: _Hook, abort: Callable[[int], object]) -> _Hook:
    """What prints an error as it was printed before, and ends all processes, which would wait for this one."""

    def hook(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
        before(kind, error, traceback)
        sys.stderr.flush()
        abort(1)

    return hook
