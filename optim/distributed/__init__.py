"""Training by several processes, on one machine or many, which MPI starts and connects."""

from ...extend import Communicator, world
from .data_parallel import DistributedDataParallel
from .parameters import broadcast_optimizer_state, broadcast_parameters
from .zero import ZeroRedundancyOptimizer

__all__ = [
    "Communicator",
    "DistributedDataParallel",
    "ZeroRedundancyOptimizer",
    "broadcast_optimizer_state",
    "broadcast_parameters",
    "world",
]
