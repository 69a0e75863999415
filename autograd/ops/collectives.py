"""What processes compute together, as operations with derivatives."""

from __future__ import annotations

from typing import Any

from ..core.conversion import lift
from ..core.primitive import linear
from ..core.tensor import Tensor
from ..core.types import ArrayLike
from ..runtime.communicator import Communicator

__all__ = ["all_reduce"]


@linear("x")
def all_reduce(x: Any, *, communicator: Communicator) -> Any:
    """The sum of all processes' x, of one shape; each has it.

    What each process pulls back is the cotangent of the sum of all their results, so all pull back together.

    >>> all_reduce([1.0, 2.0], Communicator())
    array([1., 2.])
    """
    return communicator.allreduce(x)


@all_reduce.public
def all_reduce_form(x: ArrayLike, communicator: Communicator) -> Tensor:
    return all_reduce.apply(lift(x), communicator=communicator)


all_reduce.vjp("x")(lambda g, communicator: all_reduce.apply(g, communicator=communicator))


@all_reduce.batch
def _(call: Any, n: int, values: Any, batched: Any, *, communicator: Communicator) -> Any:
    return call(*values, communicator=communicator)


@all_reduce.strategy
def _(draw: Any) -> Any:
    return (draw.array(),), {"communicator": Communicator()}
