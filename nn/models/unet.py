"""A U-Net with unpooling, which says of each pixel what it belongs to."""

from __future__ import annotations

from ... import nn
from ...autograd import Tensor, concatenate

__all__ = ["UNet"]


def convolutions(channels: int, out_channels: int) -> nn.Sequential:
    """Two convolutions that keep the size of maps (N, channels, H, W), normalized and with ReLU."""
    layers: list[nn.Module] = []
    for given in (channels, out_channels):
        layers += [nn.Conv2d(given, out_channels, 3, padding=1, bias=False), nn.BatchNorm2d(out_channels), nn.ReLU()]
    return nn.Sequential(*layers)


class UNet(nn.Module):
    """Down by max-pooling, up by unpooling to where the maxima were, and shortcuts: (N, channels, H, W) to logits.

    The result is (N, num_classes, H, W), for any H and W of at least 2^depth. Maps have `width` channels at the top and
    twice as many at each of `depth` levels below. Sources: Ronneberger, Fischer and Brox, U-Net, 2015, for the
    shortcuts; Badrinarayanan, Kendall and Cipolla, SegNet, 2017, for the unpooling.

    >>> import numpy as np
    >>> UNet(channels=1, num_classes=2, width=4, depth=2)(np.zeros((2, 1, 12, 15), np.float32)).shape
    (2, 2, 12, 15)
    """

    def __init__(self, channels: int = 3, num_classes: int = 2, width: int = 64, depth: int = 4) -> None:
        super().__init__()
        widths = [width * 2**level for level in range(depth + 1)]
        self.down = nn.ModuleList([convolutions(channels, width)])
        self.down.extend(convolutions(widths[i], widths[i + 1]) for i in range(depth))
        self.pool = nn.MaxPool2d(2, return_indices=True)
        self.unpool = nn.MaxUnpool2d(2)
        self.narrow = nn.ModuleList(nn.Conv2d(2 * n, n, 1) for n in widths[:-1])  # as many maps as were pooled
        self.up = nn.ModuleList(convolutions(2 * n, n) for n in widths[:-1])
        self.head = nn.Conv2d(width, num_classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        passed = []
        for level in list(self.down)[:-1]:
            x = level(x)
            pooled, places = self.pool(x)
            passed.append((x, places))
            x = pooled
        x = self.down[-1](x)
        for level, narrow, (shortcut, places) in reversed(list(zip(self.up, self.narrow, passed, strict=True))):
            x = self.unpool(narrow(x), places, output_size=shortcut.shape)
            x = level(concatenate([shortcut, x], axis=1))
        return self.head(x)
