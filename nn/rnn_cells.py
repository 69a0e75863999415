"""One step of the recurrent layers."""

from __future__ import annotations

from typing import Any, Generic

import numpy as np

from ..autograd import Tensor, expand_dims, squeeze
from ..extend import DTypeLike, TensorLike, by_single, floating
from .factory import empty
from .module import Module
from .rnn import (
    GATES,
    KINDS,
    First,
    Last,
    check_nonlinearity,
    check_sizes,
    check_states,
    draw_weights,
    given_states,
    one_layer,
)

__all__ = [
    "GRUCell",
    "LSTMCell",
    "RNNCell",
]


class RNNCellBase(Module, Generic[First, Last]):
    """What the recurrent cells have in common: one step of one layer."""

    def __init__(
        self,
        mode: str,
        input_size: int,
        hidden_size: int,
        bias: bool,
        device: str | None = None,
        dtype: DTypeLike | None = None,
    ) -> None:
        super().__init__()
        name, gates = type(self).__name__, GATES[mode] * hidden_size
        check_sizes(name, input_size=input_size, hidden_size=hidden_size)
        self._mode, self.input_size, self.hidden_size, self.bias = mode, input_size, hidden_size, bias
        self.weight_ih = empty((gates, input_size), device, dtype, name=name)
        self.weight_hh = empty((gates, hidden_size), device, dtype, name=name)
        self.bias_ih = empty(gates, device, dtype, name=name) if bias else None
        self.bias_hh = empty(gates, device, dtype, name=name) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new initial values."""
        draw_weights(self, self.hidden_size)

    def forward(self, input: TensorLike, hx: First | None = None) -> Last:
        name, x, count = type(self).__name__, floating(input), 2 if self._mode == "LSTM" else 1
        if x.ndim not in (1, 2) or x.shape[-1] != self.input_size:
            raise ValueError(
                f"{name} expected (N, {self.input_size}) or ({self.input_size},), got an input of shape {x.shape}"
            )
        shape = (*x.shape[:-1], self.hidden_size)
        states: tuple[Any, ...] = (np.zeros(shape, x.dtype),) * count
        if hx is not None:
            states = given_states(name, hx, count)
            check_states(name, states, (shape,) * count)
        if x.ndim == 1:
            last = tuple(squeeze(s, 0) for s in _cell(expand_dims(x, 0), self, [expand_dims(s, 0) for s in states]))
        else:
            last = _cell(x, self, states)
        found: Any = last if count == 2 else last[0]
        return found

    def extra_repr(self) -> str:
        bias, relu = "" if self.bias else f", bias={self.bias}", ", nonlinearity=relu" * (self._mode == "RNN_RELU")
        return f"{self.input_size}, {self.hidden_size}{bias}{relu}"


@by_single
def _cell(x: Any, module: RNNCellBase[Any, Any], states: Any) -> tuple[Any, ...]:
    weights = {kind: w for kind in KINDS if (w := getattr(module, kind, None)) is not None}
    return tuple(one_layer(module._mode, x, weights, tuple(states), (len(x),))[1:])


class RNNCell(RNNCellBase[TensorLike, Tensor]):
    """One step of Elman's recurrent layer: tanh(W_ih x + b_ih + W_hh h + b_hh), or the rectifier of it ("relu").

    x is (N, input_size) or (input_size,), h, zeros unless given, (N, hidden_size) or (hidden_size,).

    >>> RNNCell(2, 3)(np.zeros((4, 2), np.float32)).shape
    (4, 3)
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        device: str | None = None,
        dtype: DTypeLike | None = None,
    ) -> None:
        self.nonlinearity = check_nonlinearity("RNNCell", nonlinearity)
        super().__init__(f"RNN_{nonlinearity.upper()}", input_size, hidden_size, bias, device, dtype)


class LSTMCell(RNNCellBase[tuple[TensorLike, TensorLike], tuple[Tensor, Tensor]]):
    """One step of `LSTM`: from x and the pair (h, c), zeros unless given, to the pair (h', c').

    >>> h, c = LSTMCell(2, 3)(np.zeros((4, 2), np.float32))
    >>> h.shape, c.shape
    ((4, 3), (4, 3))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: str | None = None,
        dtype: DTypeLike | None = None,
    ) -> None:
        super().__init__("LSTM", input_size, hidden_size, bias, device, dtype)


class GRUCell(RNNCellBase[TensorLike, Tensor]):
    """One step of `GRU`: from x and h, zeros unless given, to h'.

    >>> GRUCell(2, 3)(np.zeros((4, 2), np.float32)).shape
    (4, 3)
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: str | None = None,
        dtype: DTypeLike | None = None,
    ) -> None:
        super().__init__("GRU", input_size, hidden_size, bias, device, dtype)
