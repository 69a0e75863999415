"""The layers of a transformer: attention and two linear layers, each beside a shortcut and normalized."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..autograd import Tensor
from ..extend import ArrayLike, DTypeLike, TensorLike
from .activation import gelu
from .dropout import Dropout
from .linear import Linear
from .module import Module
from .multihead import MultiheadAttention
from .normalization import LayerNorm
from .rectifiers import relu

__all__ = ["TransformerDecoderLayer", "TransformerEncoderLayer"]

Activation = Callable[[Tensor], Tensor]

_ACTIVATIONS: dict[str, Activation] = {"relu": relu, "gelu": gelu}


def _activation(given: str | Activation, name: str) -> Activation:
    if not isinstance(given, str):
        return given
    if given not in _ACTIVATIONS:
        raise ValueError(f"{name}: activation={given!r}; expected 'relu', 'gelu' or a function")
    return _ACTIVATIONS[given]


class TransformerEncoderLayer(Module):
    """Self-attention, then two linear layers with an activation between them, each added to what it is given.

    `src` is (S, N, d_model), or (N, S, d_model) with `batch_first`, or (S, d_model), and so is the result. Masks are as
    for `MultiheadAttention`. What is added up is normalized; with `norm_first`, what each part is given is normalized
    in its place. `dropout` is that of the weights of attention and of each part. `activation` is "relu", "gelu" or a
    function. ValueError for shapes that do not fit.
    Source: Vaswani et al., Attention Is All You Need, 2017; Xiong et al., On Layer Normalization in the Transformer
    Architecture, 2020.

    >>> import numpy as np
    >>> from pullback import nn
    >>> nn.TransformerEncoderLayer(4, 2, dim_feedforward=8)(np.ones((5, 2, 4), np.float32)).shape
    (5, 2, 4)
    """

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: str | Activation = relu,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: str | None = None,
        dtype: DTypeLike | None = None,
    ) -> None:
        super().__init__()
        placed: dict[str, Any] = {"bias": bias, "device": device, "dtype": dtype}
        self.self_attn = MultiheadAttention(d_model, nhead, dropout, batch_first=batch_first, **placed)
        self.linear1 = Linear(d_model, dim_feedforward, **placed)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, **placed)
        self.norm_first = norm_first
        self.norm1 = LayerNorm(d_model, layer_norm_eps, **placed)
        self.norm2 = LayerNorm(d_model, layer_norm_eps, **placed)
        self.dropout1, self.dropout2 = Dropout(dropout), Dropout(dropout)
        self.activation = _activation(activation, "TransformerEncoderLayer")

    def forward(
        self,
        src: TensorLike,
        src_mask: ArrayLike | None = None,
        src_key_padding_mask: ArrayLike | None = None,
        is_causal: bool = False,
    ) -> Tensor:
        x, masks = src, (src_mask, src_key_padding_mask, is_causal)
        if self.norm_first:
            x = x + self._attention(self.norm1(x), masks)
            return x + self._feedforward(self.norm2(x))
        x = self.norm1(x + self._attention(x, masks))
        return self.norm2(x + self._feedforward(x))

    def _attention(self, x: Any, masks: Any) -> Any:
        return self.dropout1(attention_of(self.self_attn, x, x, masks))

    def _feedforward(self, x: Any) -> Any:
        return self.dropout2(self.linear2(self.dropout(self.activation(self.linear1(x)))))


def attention_of(attention: Any, x: Any, memory: Any, masks: Any) -> Any:
    """The attention of x to what is remembered, without its weights; masks as (of attention, of padding, is_causal)."""
    mask, padding, is_causal = masks
    options = {"attn_mask": mask, "key_padding_mask": padding, "is_causal": is_causal}
    return attention(x, memory, memory, need_weights=False, **options)[0]


class TransformerDecoderLayer(Module):
    """Self-attention, attention to `memory`, then two linear layers, each added to what it is given.

    `tgt` is (T, N, d_model), or (N, T, d_model) with `batch_first`, or (T, d_model), and so is the result; `memory`,
    with S for T, is what an encoder gave. All else is as for `TransformerEncoderLayer`.

    >>> import numpy as np
    >>> from pullback import nn
    >>> layer = nn.TransformerDecoderLayer(4, 2, dim_feedforward=8)
    >>> layer(np.ones((5, 2, 4), np.float32), np.ones((3, 2, 4), np.float32)).shape
    (5, 2, 4)
    """

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: str | Activation = relu,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: str | None = None,
        dtype: DTypeLike | None = None,
    ) -> None:
        super().__init__()
        placed: dict[str, Any] = {"bias": bias, "device": device, "dtype": dtype}
        self.self_attn = MultiheadAttention(d_model, nhead, dropout, batch_first=batch_first, **placed)
        self.multihead_attn = MultiheadAttention(d_model, nhead, dropout, batch_first=batch_first, **placed)
        self.linear1 = Linear(d_model, dim_feedforward, **placed)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, **placed)
        self.norm_first = norm_first
        self.norm1, self.norm2, self.norm3 = (LayerNorm(d_model, layer_norm_eps, **placed) for _ in range(3))
        self.dropout1, self.dropout2, self.dropout3 = (Dropout(dropout) for _ in range(3))
        self.activation = _activation(activation, "TransformerDecoderLayer")

    def forward(
        self,
        tgt: TensorLike,
        memory: TensorLike,
        tgt_mask: ArrayLike | None = None,
        memory_mask: ArrayLike | None = None,
        tgt_key_padding_mask: ArrayLike | None = None,
        memory_key_padding_mask: ArrayLike | None = None,
        tgt_is_causal: bool = False,
        memory_is_causal: bool = False,
    ) -> Tensor:
        x, own = tgt, (tgt_mask, tgt_key_padding_mask, tgt_is_causal)
        across = memory_mask, memory_key_padding_mask, memory_is_causal
        if self.norm_first:
            x = x + self._own(self.norm1(x), own)
            x = x + self._across(self.norm2(x), memory, across)
            return x + self._feedforward(self.norm3(x))
        x = self.norm1(x + self._own(x, own))
        x = self.norm2(x + self._across(x, memory, across))
        return self.norm3(x + self._feedforward(x))

    def _own(self, x: Any, masks: Any) -> Any:
        return self.dropout1(attention_of(self.self_attn, x, x, masks))

    def _across(self, x: Any, memory: Any, masks: Any) -> Any:
        return self.dropout2(attention_of(self.multihead_attn, x, memory, masks))

    def _feedforward(self, x: Any) -> Any:
        return self.dropout3(self.linear2(self.dropout(self.activation(self.linear1(x)))))
