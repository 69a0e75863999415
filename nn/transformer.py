"""Transformers: stacks of their layers, and an encoder with a decoder."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from ..autograd import Tensor
from ..extend import ArrayLike, DTypeLike, TensorLike
from . import init
from .attention import causal_mask
from .containers import ModuleList
from .factory import check_device
from .module import Module
from .normalization import LayerNorm
from .rectifiers import relu
from .transformer_layers import Activation, TransformerDecoderLayer, TransformerEncoderLayer

__all__ = ["Transformer", "TransformerDecoder", "TransformerEncoder"]


class TransformerEncoder(Module):
    """A stack of `num_layers` copies of a layer, and a normalization, if there is one, after the last.

    Shapes and masks are those of the layer. All copies begin with the same values. `enable_nested_tensor` and
    `mask_check` are accepted: nothing depends on them here.

    >>> from pullback import nn
    >>> layer = nn.TransformerEncoderLayer(4, 2, dim_feedforward=8)
    >>> nn.TransformerEncoder(layer, 2)(np.ones((5, 2, 4), np.float32)).shape
    (5, 2, 4)
    """

    def __init__(
        self,
        encoder_layer: Module,
        num_layers: int,
        norm: Module | None = None,
        enable_nested_tensor: bool = True,
        mask_check: bool = True,
    ) -> None:
        super().__init__()
        self.layers = _copies(encoder_layer, num_layers)
        self.num_layers, self.norm = num_layers, norm
        self.enable_nested_tensor, self.mask_check = enable_nested_tensor, mask_check

    def forward(
        self,
        src: TensorLike,
        mask: ArrayLike | None = None,
        src_key_padding_mask: ArrayLike | None = None,
        is_causal: bool | None = None,
    ) -> Tensor:
        options = {"src_mask": mask, "src_key_padding_mask": src_key_padding_mask, "is_causal": bool(is_causal)}
        out: Any = src
        for layer in self.layers:
            out = layer(out, **options)
        return out if self.norm is None else self.norm(out)


class TransformerDecoder(Module):
    """A stack of `num_layers` copies of a layer, and a normalization, if there is one, after the last.

    Shapes and masks are those of the layer. All copies begin with the same values.

    >>> from pullback import nn
    >>> layer = nn.TransformerDecoderLayer(4, 2, dim_feedforward=8)
    >>> nn.TransformerDecoder(layer, 2)(np.ones((5, 2, 4), np.float32), np.ones((3, 2, 4), np.float32)).shape
    (5, 2, 4)
    """

    def __init__(self, decoder_layer: Module, num_layers: int, norm: Module | None = None) -> None:
        super().__init__()
        self.layers = _copies(decoder_layer, num_layers)
        self.num_layers, self.norm = num_layers, norm

    def forward(
        self,
        tgt: TensorLike,
        memory: TensorLike,
        tgt_mask: ArrayLike | None = None,
        memory_mask: ArrayLike | None = None,
        tgt_key_padding_mask: ArrayLike | None = None,
        memory_key_padding_mask: ArrayLike | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Tensor:
        options = {
            "tgt_mask": tgt_mask,
            "memory_mask": memory_mask,
            "tgt_key_padding_mask": tgt_key_padding_mask,
            "memory_key_padding_mask": memory_key_padding_mask,
            "tgt_is_causal": bool(tgt_is_causal),
            "memory_is_causal": memory_is_causal,
        }
        out: Any = tgt
        for layer in self.layers:
            out = layer(out, memory, **options)
        return out if self.norm is None else self.norm(out)


def _copies(layer: Module, count: int) -> ModuleList:
    return ModuleList([copy.deepcopy(layer) for _ in range(count)])


class Transformer(Module):
    """An encoder of `src` and a decoder of `tgt` that attends to what the encoder gives.

    `src` is (S, N, d_model) and `tgt` (T, N, d_model), or with N in front (`batch_first`), or both without; the result
    is in the shape of `tgt`. Masks are as for `MultiheadAttention`. `custom_encoder` and `custom_decoder` take the
    place of those that are made of the other arguments. Initial values are by Glorot and Bengio. ValueError for shapes
    that do not fit. Source: Vaswani et al., Attention Is All You Need, 2017.

    >>> from pullback import nn
    >>> model = nn.Transformer(4, 2, num_encoder_layers=1, num_decoder_layers=1, dim_feedforward=8)
    >>> model(np.ones((3, 2, 4), np.float32), np.ones((5, 2, 4), np.float32)).shape
    (5, 2, 4)
    """

    def __init__(
        self,
        d_model: int = 512,
        nhead: int = 8,
        num_encoder_layers: int = 6,
        num_decoder_layers: int = 6,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: str | Activation = relu,
        custom_encoder: Module | None = None,
        custom_decoder: Module | None = None,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: str | None = None,
        dtype: DTypeLike | None = None,
    ) -> None:
        super().__init__()
        same = (d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps, batch_first, norm_first, bias)
        placed: dict[str, Any] = {"device": device, "dtype": dtype}
        if custom_encoder is None:
            norm = LayerNorm(d_model, layer_norm_eps, bias=bias, **placed)
            custom_encoder = TransformerEncoder(TransformerEncoderLayer(*same, **placed), num_encoder_layers, norm)
        if custom_decoder is None:
            norm = LayerNorm(d_model, layer_norm_eps, bias=bias, **placed)
            custom_decoder = TransformerDecoder(TransformerDecoderLayer(*same, **placed), num_decoder_layers, norm)
        self.encoder, self.decoder = custom_encoder, custom_decoder
        self._reset_parameters()
        self.d_model, self.nhead, self.batch_first = d_model, nhead, batch_first

    def _reset_parameters(self) -> None:
        for parameter in self.parameters():
            if parameter.ndim > 1:
                init.xavier_uniform_(parameter)

    def forward(
        self,
        src: TensorLike,
        tgt: TensorLike,
        src_mask: ArrayLike | None = None,
        tgt_mask: ArrayLike | None = None,
        memory_mask: ArrayLike | None = None,
        src_key_padding_mask: ArrayLike | None = None,
        tgt_key_padding_mask: ArrayLike | None = None,
        memory_key_padding_mask: ArrayLike | None = None,
        src_is_causal: bool | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Tensor:
        shapes, batch = (np.shape(src), np.shape(tgt)), 0 if self.batch_first else 1
        for what, shape in zip(("src", "tgt"), shapes, strict=True):
            if len(shape) not in (2, 3) or shape[-1] != self.d_model:
                raise ValueError(f"Transformer expected {self.d_model} features of {what}, got one of shape {shape}")
        if len(shapes[0]) != len(shapes[1]) or (len(shapes[0]) == 3 and shapes[0][batch] != shapes[1][batch]):
            raise ValueError(f"Transformer: src of shape {shapes[0]} and tgt of shape {shapes[1]}; expected one batch")
        memory = self.encoder(src, mask=src_mask, src_key_padding_mask=src_key_padding_mask, is_causal=src_is_causal)
        return self.decoder(
            tgt,
            memory,
            tgt_mask=tgt_mask,
            memory_mask=memory_mask,
            tgt_key_padding_mask=tgt_key_padding_mask,
            memory_key_padding_mask=memory_key_padding_mask,
            tgt_is_causal=tgt_is_causal,
            memory_is_causal=memory_is_causal,
        )

    @staticmethod
    def generate_square_subsequent_mask(sz: int, device: str | None = None, dtype: DTypeLike | None = None) -> Tensor:
        """Return the causal mask (sz, sz) to be added: 0 up to the diagonal and -inf above it.

        >>> Transformer.generate_square_subsequent_mask(2)
        Tensor([[  0., -inf],
                [  0.,   0.]], dtype=float32)
        """
        check_device(device, "generate_square_subsequent_mask")
        return Tensor(causal_mask(sz, sz, np.float32 if dtype is None else dtype))
