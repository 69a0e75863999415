"""The same parameters and states in all processes."""

from __future__ import annotations

from itertools import zip_longest

from ...autograd import Tensor
from ...extend import Communicator, world
from ...nn import Module
from ..optimizer import Optimizer

__all__ = ["broadcast_optimizer_state", "broadcast_parameters"]


def broadcast_parameters(model: Module, communicator: Communicator | None = None, root: int = 0) -> None:
    """Give a model's parameters and buffers the values that they have in process `root` (None: of `world()`).

    ValueError, in all processes, where the models differ: it names the first entry of which name, shape or dtype do.

    >>> from pullback import nn
    >>> broadcast_parameters(nn.Linear(2, 1))
    """
    communicator = world() if communicator is None else communicator
    tensors = [*model.named_parameters(), *model.named_buffers()]
    check_alike(tensors, communicator)
    for _, tensor in tensors:
        tensor.data = communicator.broadcast(tensor.numpy(), root)


def broadcast_optimizer_state(optimizer: Optimizer, communicator: Communicator | None = None, root: int = 0) -> None:
    """Give an optimizer the options and the state that it has in process `root`."""
    communicator = world() if communicator is None else communicator
    optimizer.load_state_dict(communicator.broadcast_object(optimizer.state_dict(), root))


def check_alike(tensors: list[tuple[str, Tensor]], communicator: Communicator) -> None:
    """ValueError, in all processes, unless all have tensors of the same names, shapes and dtypes."""
    told = communicator.allgather([f"{name!r} of shape {t.shape} and {t.dtype}" for name, t in tensors])
    for rank, other in enumerate(told):
        for ours, theirs in zip_longest(told[0], other, fillvalue="nothing more"):
            if ours != theirs:
                raise ValueError(f"models differ between processes: rank 0 has {ours}, where rank {rank} has {theirs}")
