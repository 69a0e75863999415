"""What a program does outside of itself: Tensors from there that it reads, and writes, and their gradients.

While a program is written down, a value of it stands in, in this thread, for each Tensor from outside that is used.
What has become of that in the end is done, whenever the program runs, to the Tensor itself, by equations of effect.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ..core.conversion import values_of
from ..core.graph import LAST, Node, mode, modes
from ..core.tensor import Tensor, wrap
from ..core.views import related, write

__all__ = ["Adopted", "Outside", "Perform", "SetGradient", "Write", "leads_to"]


@dataclass(frozen=True, eq=False)
class Outside:
    """A Tensor from outside, or the gradient that it has when the program runs."""

    tensor: Tensor
    gradient: bool = False

    @property
    def now(self) -> Any:
        """The Tensor that is meant; None where there is no gradient."""
        return self.tensor.grad if self.gradient else self.tensor


class Write:
    """Writing into a Tensor from outside."""

    __name__ = "write"

    def __init__(self, target: Outside) -> None:
        self.target = target

    def __call__(self, value: Any) -> None:
        with mode(recording=False):
            write(self.target.now, value if isinstance(value, Tensor) else wrap(value))


class SetGradient:
    """Setting the gradient of a Tensor from outside, to None where there is no value."""

    __name__ = "set_grad"

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor

    def __call__(self, value: Any = None) -> None:
        self.tensor.grad = value if value is None else wrap(value) if not isinstance(value, Tensor) else value.detach()


class Perform:
    """What is done outside by a function of its own, such as an optimizer's step; gives what Tensors are then."""

    def __init__(self, name: str, action: Callable[[], object], moved: Sequence[Tensor]) -> None:
        self.__name__, self.action, self.moved = name, action, tuple(moved)

    def __call__(self) -> tuple[Any, ...]:
        if modes.depth and modes.recorder is None:
            raise RuntimeError(f"{self.__name__}: inside of a transform it would be done once for all; call it outside")
        self.action()
        return tuple(map(values_of, self.moved))


class Adopted:
    """A Tensor from outside, or an argument, and what stands in for it: in a graph of its own if it requires one."""

    def __init__(self, tensor: Tensor, source: Outside, value: Any, level: int) -> None:
        self.tensor, self.source = tensor, source
        node = tensor._node
        self.leaf = node is not None and node.primitive is None
        self.tied = related(tensor)
        self.hooked = node is not None and LAST in (node.hooks or {})  # to call when its gradient is complete
        self.stand_in = wrap(value)
        if node is not None:
            self.stand_in._held = wrap(value)
            self.stand_in._node = Node.at(level + 1, None, (), self.stand_in._held)
            hooks = {key: hook for key, hook in (node.hooks or {}).items() if key != LAST}
            self.stand_in._node.hooks = hooks or None
            self.stand_in._node.grad = node.grad if self.leaf else None
        self.node = self.stand_in._node
        self.known = self.value
        self.learn(self.grad)

    @property
    def value(self) -> Any:
        """What it has become."""
        held = self.stand_in._held
        return held._held if isinstance(held, Tensor) else held

    @property
    def grad(self) -> Any:
        """What its gradient has become."""
        return None if self.node is None else self.node.grad

    def moved(self) -> bool:
        """Whether its gradient is not what is known of it."""
        there = self.grad
        return there is not self.gradient or there is not None and there._held is not self.held

    def learn(self, gradient: Any) -> None:
        """Know that this is the gradient of the Tensor itself."""
        self.gradient, self.held = gradient, None if gradient is None else gradient._held

    def become(self, value: Any) -> None:
        """Have another value, which the Tensor itself has by then, too."""
        self.stand_in._held = value if self.node is None else wrap(value)
        self.known = value


def leads_to(outputs: Sequence[Any], nodes: set[Node]) -> bool:
    """Whether the graph behind Tensors leads to one of these nodes."""
    found = [x._node for x in outputs if isinstance(x, Tensor) and x._node is not None]
    seen = set(found)
    for node in found:
        if node in nodes:
            return True
        for parent, _, _ in node.edges or ():
            if parent not in seen:
                seen.add(parent)
                found.append(parent)
    return False
