"""What modules hold: Parameters, which are learned, and Buffers, which are not."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..autograd import Tensor
from ..extend import ArrayLike

__all__ = ["Buffer", "Parameter"]


class Parameter(Tensor):
    """A Tensor that a Module lists among its parameters; it requires a gradient unless told otherwise.

    An array keeps its dtype, Python numbers become float32.

    >>> Parameter([1.0, 2.0]).dtype
    dtype('float32')
    """

    __slots__ = ()

    def __init__(self, data: ArrayLike, requires_grad: bool = True) -> None:
        super().__init__(data, requires_grad, None if hasattr(data, "dtype") else np.float32)

    def __repr__(self) -> str:
        return f"Parameter containing:\n{super().__repr__()}"


class Buffer(Tensor):
    """A Tensor that a Module, as it is assigned, registers as a buffer; in the state_dict only if `persistent`.

    >>> from pullback import nn
    >>> module = nn.Module()
    >>> module.mean = nn.Buffer(np.zeros(2))
    >>> list(module.state_dict())
    ['mean']
    """

    __slots__ = ("persistent",)

    def __init__(self, data: ArrayLike, *, persistent: bool = True) -> None:
        super().__init__(data)
        self.persistent = persistent

    def __reduce__(self) -> tuple[object, ...]:
        make, arguments = super().__reduce__()
        return make, arguments, (None, {"persistent": self.persistent})

    def __copy__(self) -> Buffer:
        twin: Any = super().__copy__()
        twin.persistent = self.persistent
        return twin
