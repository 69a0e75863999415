"""Recurrent layers: Elman's, long short-term memory, gated recurrent units."""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

import numpy as np

from ..autograd import Tensor, concatenate, expand_dims, reshape, squeeze, stack, swapaxes, take
from ..extend import DTypeLike, TensorLike, by_single, floating, lift
from . import init
from .dropout import dropout as _dropout
from .factory import empty
from .module import Module, Parameter
from .recurrence import Sizes, gru_layer, lstm_layer, lstm_projected_layer, rnn_layer
from .utils.rnn import PackedSequence, sizes_of

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
]

GATES = {"RNN_TANH": 1, "RNN_RELU": 1, "LSTM": 4, "GRU": 3}
KINDS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr")
_STATES = ("h_0", "c_0")

First = TypeVar("First")  # what states may be given: of a layer as a whole, a pair for LSTM
Last = TypeVar("Last")  # what they come back as


def one_layer(
    mode: str, x: Any, weights: dict[str, Any], states: tuple[Any, ...], sizes: Sizes, reverse: bool = False
) -> tuple[Any, ...]:
    """One layer over all steps: all states that it gives, and the last states (and cells)."""
    w_ih, w_hh = weights["weight_ih"], weights["weight_hh"]
    zeros: Any = np.zeros(w_ih.shape[:1], w_ih.dtype)
    b_ih, b_hh = weights.get("bias_ih", zeros), weights.get("bias_hh", zeros)
    if mode == "GRU":
        return gru_layer.apply(x, w_ih, w_hh, b_ih, b_hh, *states, sizes=sizes, reverse=reverse)
    b = b_ih + b_hh
    if mode != "LSTM":
        rectified = mode == "RNN_RELU"
        return rnn_layer.apply(x, w_ih, w_hh, b, *states, sizes=sizes, reverse=reverse, rectified=rectified)
    if "weight_hr" in weights:
        return lstm_projected_layer.apply(x, w_ih, w_hh, b, *states, weights["weight_hr"], sizes=sizes, reverse=reverse)
    return lstm_layer.apply(x, w_ih, w_hh, b, *states, sizes=sizes, reverse=reverse)


@by_single
def _layers(data: Any, module: RNNBase[Any, Any], states: tuple[Any, ...], sizes: Sizes) -> tuple[Any, ...]:
    """All layers over packed data (rows, features): what the last gives, and the last states of all, one below another.

    `states` are the first ones, (layers times directions, sequences, units).
    """
    last: list[Any] = []
    for layer in range(module.num_layers):
        outs = []
        for direction in range(1 + module.bidirectional):
            first = tuple(s[len(last)] for s in states)
            y, *ends = one_layer(module.mode, data, module._weights(layer, direction), first, sizes, bool(direction))
            outs.append(y)
            last.append(ends)
        data = concatenate(outs, 1) if len(outs) > 1 else outs[0]
        if module.dropout and layer + 1 < module.num_layers:
            data = _dropout(data, module.dropout, module.training)
    return data, *(stack(ends) if len(last) > 1 else expand_dims(ends[0], 0) for ends in zip(*last, strict=True))


def draw_weights(module: Module, hidden_size: int) -> None:
    """Draw new initial values: uniform from -1 / sqrt(hidden_size) to 1 / sqrt(hidden_size)."""
    bound = 1 / math.sqrt(hidden_size)
    for weight in module.parameters():
        init.uniform_(weight, -bound, bound)


def check_sizes(name: str, **sizes: Any) -> None:
    for what, n in sizes.items():
        if isinstance(n, bool) or not isinstance(n, (int, np.integer)):
            raise TypeError(f"{name}: {what}={n!r}; expected an integer")
        if n <= 0:
            raise ValueError(f"{name}: {what}={n}; expected at least 1")


def check_nonlinearity(name: str, nonlinearity: str) -> str:
    if nonlinearity not in ("tanh", "relu"):
        raise ValueError(f"{name}: nonlinearity={nonlinearity!r}; expected 'tanh' or 'relu'")
    return nonlinearity


def given_states(name: str, hx: Any, count: int) -> tuple[Any, ...]:
    """The states that were given, `count` of them."""
    if count == 1:
        return (lift(hx),)
    if not isinstance(hx, (tuple, list)) or len(hx) != count:
        raise TypeError(f"{name} expected the pair (h_0, c_0), got a {type(hx).__name__}")
    return tuple(map(lift, hx))


def check_states(name: str, states: tuple[Any, ...], expected: tuple[tuple[int, ...], ...]) -> None:
    for what, state, shape in zip(_STATES, states, expected, strict=False):
        if state.shape != shape:
            raise ValueError(f"{name} expected {what} of shape {shape}, got one of shape {state.shape}")


class RNNBase(Module, Generic[First, Last]):
    """What the recurrent layers have in common: layers upon one another, in one direction or in both."""

    def __init__(
        self,
        mode: str,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: str | None = None,
        dtype: DTypeLike | None = None,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        check_sizes(name, input_size=input_size, hidden_size=hidden_size, num_layers=num_layers)
        for what, flag in {"bias": bias, "batch_first": batch_first}.items():
            if not isinstance(flag, bool):
                raise TypeError(f"{name}: {what}={flag!r}; expected True or False")
        if isinstance(dropout, bool) or not isinstance(dropout, (int, float, np.number)) or not 0 <= dropout <= 1:
            raise ValueError(f"{name}: dropout={dropout!r}; expected a probability, 0 to 1")
        if not 0 <= proj_size < hidden_size:
            raise ValueError(f"{name}: proj_size={proj_size}; expected less than hidden_size={hidden_size}, 0 for none")
        if dropout > 0 and num_layers == 1:
            warnings.warn(
                "dropout option adds dropout after all but last recurrent layer, so non-zero dropout expects "
                f"num_layers greater than 1, but got dropout={dropout} and num_layers={num_layers}",
                stacklevel=3,
            )
        self.mode, self.input_size, self.hidden_size, self.num_layers = mode, input_size, hidden_size, num_layers
        self.bias, self.batch_first, self.dropout = bias, batch_first, float(dropout)
        self.bidirectional, self.proj_size = bidirectional, proj_size
        gates, out = GATES[mode] * hidden_size, proj_size or hidden_size
        for layer in range(num_layers):
            features = input_size if layer == 0 else out * (1 + bidirectional)
            shapes = [(gates, features), (gates, out), (gates,), (gates,), (proj_size, hidden_size)]
            for direction in range(1 + bidirectional):
                for full, shape in zip(self._names(layer, direction), shapes, strict=True):
                    if full:
                        setattr(self, full, empty(shape, device, dtype, name=name))
        self.reset_parameters()

    def _names(self, layer: int, direction: int) -> list[str]:
        """The names of a layer's weights in one direction, in the order of `KINDS`; "" for those that it has not."""
        there = (True, True, self.bias, self.bias, bool(self.proj_size))
        suffix = f"_l{layer}" + "_reverse" * direction
        return [kind + suffix if has else "" for kind, has in zip(KINDS, there, strict=True)]

    def _weights(self, layer: int, direction: int) -> dict[str, Any]:
        names = self._names(layer, direction)
        return {kind: getattr(self, name) for kind, name in zip(KINDS, names, strict=True) if name}

    @property
    def all_weights(self) -> list[list[Parameter]]:
        """The weights of each layer and direction."""
        return [
            list(self._weights(layer, direction).values())
            for layer in range(self.num_layers)
            for direction in range(1 + self.bidirectional)
        ]

    def flatten_parameters(self) -> None:
        """Do nothing: it is for GPUs."""

    def reset_parameters(self) -> None:
        """Draw new initial values."""
        draw_weights(self, self.hidden_size)

    def _expected(self, batch: tuple[int, ...]) -> tuple[tuple[int, ...], ...]:
        """The shapes of the states."""
        count = self.num_layers * (1 + self.bidirectional)
        shapes = (count, *batch, self.proj_size or self.hidden_size), (count, *batch, self.hidden_size)
        return shapes if self.mode == "LSTM" else shapes[:1]

    def _run(self, data: Any, hx: Any, sizes: Sizes, batch: tuple[int, ...], order: Any = None) -> tuple[Any, ...]:
        """What the layers give for packed data, and the last states, as users see them."""
        expected = self._expected(batch)
        if hx is None:
            states: tuple[Any, ...] = tuple(np.zeros(shape, data.dtype) for shape in expected)
        else:
            states = given_states(type(self).__name__, hx, len(expected))
            check_states(type(self).__name__, states, expected)
        if not batch:
            states = tuple(expand_dims(s, 1) for s in states)
        if order is not None:
            states = tuple(take(s, np.asarray(order), axis=1) for s in states)
        return _layers(data, self, states, sizes)

    def _check_features(self, x: Any, ndims: tuple[int, ...], wanted: str) -> None:
        if x.ndim not in ndims:
            raise ValueError(f"{type(self).__name__} expected {wanted}, got an input of shape {x.shape}")
        if x.shape[-1] != self.input_size:
            raise ValueError(
                f"{type(self).__name__} expected {self.input_size} features, got an input of shape {x.shape}"
            )

    @overload
    def forward(self, input: TensorLike, hx: First | None = None) -> tuple[Tensor, Last]: ...

    @overload
    def forward(self, input: PackedSequence, hx: First | None = None) -> tuple[PackedSequence, Last]: ...

    def forward(self, input: Any, hx: Any = None) -> Any:
        if isinstance(input, PackedSequence):
            return self._packed(input, hx)
        x = floating(input)
        self._check_features(x, (2, 3), "(L, N, features), (N, L, features) with batch_first, or (L, features)")
        single, turned = x.ndim == 2, x.ndim == 3 and self.batch_first
        if single:
            x = expand_dims(x, 1)
        elif turned:
            x = swapaxes(x, 0, 1)
        length, n, features = x.shape
        if not length:
            raise ValueError(f"{type(self).__name__} expected at least one time step, got an input of shape {x.shape}")
        data = reshape(x, (length * n, features))
        y, *last = self._run(data, hx, (n,) * length, () if single else (n,))
        y = reshape(y, (length, n, y.shape[1]))
        if single:
            y, last = squeeze(y, 1), [squeeze(s, 1) for s in last]
        return swapaxes(y, 0, 1) if turned else y, self._last(last)

    if TYPE_CHECKING:  # of overloads, a module's call would have but the first
        __call__ = forward

    def _packed(self, packed: PackedSequence, hx: Any) -> Any:
        data, sizes = floating(packed.data), sizes_of(packed)
        self._check_features(data, (2,), "packed data of shape (rows, features)")
        if not sizes or sum(sizes) != data.shape[0] or list(sizes) != sorted(sizes, reverse=True):
            raise ValueError(
                f"{type(self).__name__}: batch_sizes {sizes} for {data.shape[0]} rows; expected sizes that do not grow "
                "and are as many rows together, as pack_padded_sequence gives them"
            )
        y, *last = self._run(data, hx, sizes, sizes[:1], packed.sorted_indices)
        if packed.unsorted_indices is not None:
            last = [take(s, np.asarray(packed.unsorted_indices), axis=1) for s in last]
        return packed._replace(data=y), self._last(last)

    def _last(self, states: list[Any]) -> Any:
        return tuple(states) if self.mode == "LSTM" else states[0]

    def extra_repr(self) -> str:
        parts = [f"{self.input_size}, {self.hidden_size}"]
        defaults = {"num_layers": 1, "bias": True, "batch_first": False, "dropout": 0, "bidirectional": False}
        for name, default in {"proj_size": 0, **defaults}.items():
            if getattr(self, name) != default:
                parts.append(f"{name}={getattr(self, name)}")
        return ", ".join(parts)


class RNN(RNNBase[TensorLike, Tensor]):
    """Elman's recurrent layers: h' = tanh(W_ih x + b_ih + W_hh h + b_hh), or the rectifier of it ("relu").

    The input is (L, N, input_size), (N, L, input_size) with `batch_first`, (L, input_size) or a PackedSequence; the
    states are (num_layers * directions, N, hidden_size). Gives the states of the last layer, in the input's form, and
    the last states of all layers. `dropout` is between layers, in training. ValueError for other shapes.
    Source: Elman, Finding structure in time, 1990.

    >>> output, h_n = RNN(2, 3)(np.zeros((5, 4, 2), np.float32))
    >>> output.shape, h_n.shape
    ((5, 4, 3), (1, 4, 3))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: str | None = None,
        dtype: DTypeLike | None = None,
    ) -> None:
        mode = f"RNN_{check_nonlinearity('RNN', nonlinearity).upper()}"
        super().__init__(
            mode, input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, 0, device, dtype
        )
        self.nonlinearity = nonlinearity


class LSTM(RNNBase[tuple[TensorLike, TensorLike], tuple[Tensor, Tensor]]):
    """Long short-term memory: c' = f c + i g and h' = o tanh(c'), with gates i, f, o and candidates g.

    i, f and o are sigmoids, g is a tanh, of W_ih x + b_ih + W_hh h + b_hh. With `proj_size` the states are W_hr h'.
    Forms are as in `RNN`; states and cells are the pair (h_0, c_0), and gives the output and the pair (h_n, c_n).
    Source: Hochreiter and Schmidhuber, Long short-term memory, 1997; projections: Sak et al., 2014.

    >>> output, (h_n, c_n) = LSTM(2, 3, num_layers=2)(np.zeros((5, 4, 2), np.float32))
    >>> output.shape, c_n.shape
    ((5, 4, 3), (2, 4, 3))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: str | None = None,
        dtype: DTypeLike | None = None,
    ) -> None:
        sizes = input_size, hidden_size, num_layers
        super().__init__("LSTM", *sizes, bias, batch_first, dropout, bidirectional, proj_size, device, dtype)


class GRU(RNNBase[TensorLike, Tensor]):
    """Gated recurrent units: h' = (1 - z) n + z h, with gates r and z and candidates n.

    r and z are sigmoids of W_ih x + b_ih + W_hh h + b_hh, n is the tanh of W_in x + b_in + r (W_hn h + b_hn).
    Forms are as in `RNN`. Source: Cho et al., Learning phrase representations using RNN encoder-decoder, 2014.

    >>> output, h_n = GRU(2, 3, bidirectional=True)(np.zeros((5, 4, 2), np.float32))
    >>> output.shape, h_n.shape
    ((5, 4, 6), (2, 4, 3))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: str | None = None,
        dtype: DTypeLike | None = None,
    ) -> None:
        sizes = input_size, hidden_size, num_layers
        super().__init__("GRU", *sizes, bias, batch_first, dropout, bidirectional, 0, device, dtype)
