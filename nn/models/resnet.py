"""Residual networks, with torchvision's names."""

from __future__ import annotations

from collections.abc import Sequence

from ... import nn
from ...autograd import Tensor, relu

__all__ = ["ResNet", "resnet18", "resnet34", "resnet50"]


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut that is added; for 18 and 34 layers."""

    expansion = 1

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = shortcut(channels, width, stride)

    def forward(self, x: Tensor) -> Tensor:
        y = relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return relu(y + (x if self.downsample is None else self.downsample(x)))


class Bottleneck(nn.Module):
    """A 3x3 convolution of few channels between two 1x1 ones, and a shortcut that is added; for 50 layers and more."""

    expansion = 4

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, 4 * width, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * width)
        self.downsample = shortcut(channels, 4 * width, stride)

    def forward(self, x: Tensor) -> Tensor:
        y = relu(self.bn1(self.conv1(x)))
        y = relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        return relu(y + (x if self.downsample is None else self.downsample(x)))


def shortcut(channels: int, out_channels: int, stride: int) -> nn.Sequential | None:
    """A 1x1 convolution for where a block changes the shape, else None."""
    if stride == 1 and channels == out_channels:
        return None
    return nn.Sequential(nn.Conv2d(channels, out_channels, 1, stride, bias=False), nn.BatchNorm2d(out_channels))


class ResNet(nn.Module):
    """Four stages of blocks with shortcuts, each of half the size and twice the channels of the one before.

    Images (N, 3, H, W) become logits (N, num_classes). `layers` are the numbers of blocks in the stages, and `width`
    are the channels of the first. Source: He, Zhang, Ren and Sun, Deep residual learning for image recognition, 2016,
    with the strides of bottlenecks in their 3x3 convolutions, as torchvision has them.

    >>> import numpy as np
    >>> ResNet(BasicBlock, [1, 1, 1, 1], num_classes=5, width=4)(np.zeros((2, 3, 32, 32), np.float32)).shape
    (2, 5)
    """

    def __init__(
        self, block: type[BasicBlock | Bottleneck], layers: Sequence[int], num_classes: int = 1000, width: int = 64
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU()
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        channels = width
        for stage, depth in enumerate(layers):
            blocks = nn.Sequential()
            for i in range(depth):
                blocks.append(block(channels, width * 2**stage, stride=2 if stage and not i else 1))
                channels = width * 2**stage * block.expansion
            self.add_module(f"layer{stage + 1}", blocks)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(channels, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(nn.functional.flatten(self.avgpool(x), 1))


def resnet18(num_classes: int = 1000, width: int = 64) -> ResNet:
    """Make a ResNet of 18 layers."""
    return ResNet(BasicBlock, [2, 2, 2, 2], num_classes, width)


def resnet34(num_classes: int = 1000, width: int = 64) -> ResNet:
    """Make a ResNet of 34 layers."""
    return ResNet(BasicBlock, [3, 4, 6, 3], num_classes, width)


def resnet50(num_classes: int = 1000, width: int = 64) -> ResNet:
    """Make a ResNet of 50 layers."""
    return ResNet(Bottleneck, [3, 4, 6, 3], num_classes, width)
