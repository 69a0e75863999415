"""The vision transformer, with torchvision's names."""

from __future__ import annotations

import math

import numpy as np

from ... import nn
from ...autograd import Tensor, broadcast_to, concatenate, swapaxes

__all__ = ["VisionTransformer", "vit_b_16"]

_EPS = 1e-6  # of all normalizations


class EncoderBlock(nn.Module):
    """Attention of (N, L, hidden_dim) to itself and two linear layers, each normalized before and added."""

    def __init__(self, num_heads: int, hidden_dim: int, mlp_dim: int, dropout: float, attention_dropout: float) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(hidden_dim, _EPS)
        self.self_attention = nn.MultiheadAttention(hidden_dim, num_heads, attention_dropout, batch_first=True)
        self.dropout = nn.Dropout(dropout)
        self.ln_2 = nn.LayerNorm(hidden_dim, _EPS)
        first, second = nn.Linear(hidden_dim, mlp_dim), nn.Linear(mlp_dim, hidden_dim)
        for layer in (first, second):
            nn.init.xavier_uniform_(layer.weight)
            if layer.bias is not None:
                nn.init.normal_(layer.bias, std=1e-6)
        self.mlp = nn.Sequential(first, nn.GELU(), nn.Dropout(dropout), second, nn.Dropout(dropout))

    def forward(self, x: Tensor) -> Tensor:
        y = self.ln_1(x)
        x = x + self.dropout(self.self_attention(y, y, y, need_weights=False)[0])
        return x + self.mlp(self.ln_2(x))


class Encoder(nn.Module):
    """Learned positions that are added to (N, seq_length, hidden_dim), blocks, and a normalization."""

    def __init__(
        self,
        seq_length: int,
        num_layers: int,
        num_heads: int,
        hidden_dim: int,
        mlp_dim: int,
        dropout: float,
        attention_dropout: float,
    ) -> None:
        super().__init__()
        self.pos_embedding = nn.Parameter(np.empty((1, seq_length, hidden_dim), np.float32))
        nn.init.normal_(self.pos_embedding, std=0.02)
        self.dropout = nn.Dropout(dropout)
        sizes = num_heads, hidden_dim, mlp_dim, dropout, attention_dropout
        self.layers = nn.Sequential({f"encoder_layer_{i}": EncoderBlock(*sizes) for i in range(num_layers)})
        self.ln = nn.LayerNorm(hidden_dim, _EPS)

    def forward(self, x: Tensor) -> Tensor:
        return self.ln(self.layers(self.dropout(x + self.pos_embedding)))


class VisionTransformer(nn.Module):
    """A transformer over square patches of images: (N, 3, image_size, image_size) to logits (N, num_classes).

    What it tells of the image is read from one more place, the class token, put before the patches. ValueError unless
    patches fill the image. Source: Dosovitskiy et al., An image is worth 16x16 words, 2021.

    >>> import numpy as np
    >>> model = VisionTransformer(8, 4, num_layers=1, num_heads=2, hidden_dim=8, mlp_dim=16, num_classes=5)
    >>> model(np.zeros((2, 3, 8, 8), np.float32)).shape
    (2, 5)
    """

    def __init__(
        self,
        image_size: int,
        patch_size: int,
        num_layers: int,
        num_heads: int,
        hidden_dim: int,
        mlp_dim: int,
        dropout: float = 0.0,
        attention_dropout: float = 0.0,
        num_classes: int = 1000,
    ) -> None:
        super().__init__()
        if image_size % patch_size:
            raise ValueError(f"VisionTransformer: patches of {patch_size} do not fill an image of {image_size}")
        self.class_token = nn.Parameter(np.zeros((1, 1, hidden_dim), np.float32))
        self.conv_proj = nn.Conv2d(3, hidden_dim, patch_size, patch_size)
        length = (image_size // patch_size) ** 2 + 1
        self.encoder = Encoder(length, num_layers, num_heads, hidden_dim, mlp_dim, dropout, attention_dropout)
        self.heads = nn.Sequential({"head": nn.Linear(hidden_dim, num_classes)})
        nn.init.trunc_normal_(self.conv_proj.weight, std=math.sqrt(1 / (3 * patch_size**2)))
        for parameter in (self.conv_proj.bias, *self.heads.parameters()):
            if parameter is not None:
                nn.init.zeros_(parameter)

    def forward(self, x: Tensor) -> Tensor:
        patches = swapaxes(nn.functional.flatten(self.conv_proj(x), 2), 1, 2)  # (N, L, hidden_dim)
        token = broadcast_to(self.class_token, (len(patches), *self.class_token.shape[1:]))
        return self.heads(self.encoder(concatenate([token, patches], axis=1))[:, 0])


def vit_b_16(num_classes: int = 1000) -> VisionTransformer:
    """Make ViT-B/16, for images of 224 x 224."""
    return VisionTransformer(224, 16, 12, 12, 768, 3072, num_classes=num_classes)
