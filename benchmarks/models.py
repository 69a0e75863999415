"""Models that benchmarks/speed.py trains, with the names that Pullback's and PyTorch's nn share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

GPT_WORDS = 256


def first(nn: Any, recurrent: Any) -> Any:
    """The outputs of a recurrent layer, without its last states."""

    class Outputs(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.layer = recurrent

        def forward(self, x: Any) -> Any:
            return self.layer(x)[0]

    return Outputs()


def basic_block(nn: Any, c: int, k: int, stride: int = 1) -> Any:
    """The block of ResNet-18 and 34 (He et al., Deep residual learning, 2015)."""

    class Block(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.conv1, self.bn1 = nn.Conv2d(c, k, 3, stride, 1, bias=False), nn.BatchNorm2d(k)
            self.conv2, self.bn2 = nn.Conv2d(k, k, 3, 1, 1, bias=False), nn.BatchNorm2d(k)
            self.relu = nn.ReLU()
            short = nn.Sequential(nn.Conv2d(c, k, 1, stride, bias=False), nn.BatchNorm2d(k))
            self.downsample = nn.Identity() if c == k and stride == 1 else short

        def forward(self, x: Any) -> Any:
            y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
            return self.relu(y + self.downsample(x))

    return Block()


def resnet18(nn: Any) -> Any:
    blocks = [
        basic_block(nn, c, k, stride)
        for before, k in ((64, 64), (64, 128), (128, 256), (256, 512))
        for c, stride in ((before, 1 + (before != k)), (k, 1))
    ]
    stem = nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(3, 2, 1)
    return nn.Sequential(*stem, *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 1000))


def gpt(nn: Any, layers: int = 4, width: int = 128, length: int = 64) -> Any:
    """A decoder alone, normalized first; words and places are embedded."""

    class Model(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.words, self.places = nn.Embedding(GPT_WORDS, width), nn.Embedding(length, width)
            layer = encoder(width, activation="gelu", norm_first=True)(nn)
            self.blocks = nn.TransformerEncoder(layer, layers, nn.LayerNorm(width), enable_nested_tensor=False)
            self.head = nn.Linear(width, GPT_WORDS)
            self.register_buffer("mask", nn.Transformer.generate_square_subsequent_mask(length))

        def forward(self, x: Any) -> Any:
            return self.head(self.blocks(self.words(x) + self.places.weight, self.mask, is_causal=True))

    return Model()


def encoder(width: int, **options: Any) -> Callable[..., Any]:
    """Makes an encoder layer of four heads; without dropout, unless it is given, so that results can be compared."""
    options = {"nhead": 4, "dim_feedforward": 4 * width, "dropout": 0.0, "batch_first": True, **options}
    return lambda nn: nn.TransformerEncoderLayer(width, **options)
