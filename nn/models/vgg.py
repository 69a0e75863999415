"""VGG: many small convolutions, with torchvision's names; the paper's, and narrow ones."""

from __future__ import annotations

from collections.abc import Sequence

from ... import nn
from ...autograd import Tensor

__all__ = ["VGG", "tinyml_vgg11", "tinyml_vgg16", "vgg11", "vgg16"]

# The channels that each convolution gives, block by block; behind each block maps are halved.
_VGG11 = ((64,), (128,), (256, 256), (512, 512), (512, 512))
_VGG16 = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
_TINYML_VGG11 = ((8, 8), (16, 16), (32, 32, 32), (64, 64, 64))
_TINYML_VGG16 = ((16, 16), (32, 32), (64, 64, 64), (128, 128, 128), (256, 256, 256))


class VGG(nn.Module):
    """Blocks of 3x3 convolutions with ReLU, each block with max-pooling behind it, then three linear layers.

    Images (N, 3, H, W) become logits (N, num_classes). `blocks` are the channels of the convolutions; the maps of the
    last are averaged to `pooled` x `pooled`, and `hidden` are the units of the first two linear layers. ReLU is a
    module after each convolution, so that `viz.deconvnet` finds the way back. Source: Simonyan and Zisserman, Very deep
    convolutional networks for large-scale image recognition, 2015.

    >>> import numpy as np
    >>> VGG([(4,), (8, 8)], num_classes=5, pooled=2, hidden=16)(np.zeros((2, 3, 16, 16), np.float32)).shape
    (2, 5)
    """

    def __init__(
        self,
        blocks: Sequence[Sequence[int]],
        num_classes: int = 1000,
        pooled: int = 7,
        hidden: int = 4096,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 3
        for block in blocks:
            for width in block:
                layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
                channels = width
            layers += [nn.MaxPool2d(2)]
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d((pooled, pooled))
        self.classifier = nn.Sequential(
            nn.Linear(channels * pooled**2, hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, num_classes),
        )
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, 0, 0.01)
            if isinstance(module, (nn.Conv2d, nn.Linear)) and module.bias is not None:
                nn.init.zeros_(module.bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(nn.functional.flatten(self.avgpool(self.features(x)), 1))


def vgg11(num_classes: int = 1000, dropout: float = 0.5) -> VGG:
    """Make the paper's net A, of 8 convolutions; images of 224 x 224."""
    return VGG(_VGG11, num_classes, dropout=dropout)


def vgg16(num_classes: int = 1000, dropout: float = 0.5) -> VGG:
    """Make the paper's net D, of 13 convolutions; images of 224 x 224."""
    return VGG(_VGG16, num_classes, dropout=dropout)


def tinyml_vgg11(num_classes: int = 2, dropout: float = 0.5, hidden: int = 4096) -> VGG:
    """Make tinyml's vgg11, of 10 convolutions with 8 to 64 channels; of images of 224 x 224, 14 x 14 are left."""
    return VGG(_TINYML_VGG11, num_classes, 14, hidden, dropout)


def tinyml_vgg16(num_classes: int = 2, dropout: float = 0.5, hidden: int = 4096) -> VGG:
    """Make tinyml's vgg16, of 13 convolutions with 16 to 256 channels; of images of 224 x 224, 7 x 7 are left."""
    return VGG(_TINYML_VGG16, num_classes, 7, hidden, dropout)
