"""DCGAN: a network that draws images, and one that tells them from real ones."""

from __future__ import annotations

from ... import nn
from ...autograd import Tensor

__all__ = ["DCGANDiscriminator", "DCGANGenerator"]


class DCGANGenerator(nn.Module):
    """Noise (N, noise, 1, 1) becomes images (N, channels, size, size) in [-1, 1], by deconvolutions.

    The maps have 4 x 4 pixels first and twice as many in each direction at each further step; `width` is the channels
    before the last. `size` is 8, 16, 32, ...; ValueError for another. Source: Radford, Metz and Chintala, Unsupervised
    representation learning with deep convolutional generative adversarial networks, 2016.

    >>> import numpy as np
    >>> DCGANGenerator(noise=3, width=4, channels=1, size=16)(np.zeros((2, 3, 1, 1), np.float32)).shape
    (2, 1, 16, 16)
    """

    def __init__(self, noise: int = 100, width: int = 64, channels: int = 3, size: int = 64) -> None:
        super().__init__()
        steps = _steps(size, "DCGANGenerator")
        given, out = noise, width * 2 ** (steps - 1)
        layers: list[nn.Module] = []
        for i in range(steps):
            stride, padding = (2, 1) if i else (1, 0)
            layers += [nn.ConvTranspose2d(given, out, 4, stride, padding, bias=False), nn.BatchNorm2d(out), nn.ReLU()]
            given, out = out, out // 2
        self.main = nn.Sequential(*layers, nn.ConvTranspose2d(given, channels, 4, 2, 1, bias=False), nn.Tanh())
        _initialize(self)

    def forward(self, noise: Tensor) -> Tensor:
        return self.main(noise)


class DCGANDiscriminator(nn.Module):
    """Images (N, channels, size, size) become logits (N,), of being real, by convolutions; see DCGANGenerator.

    >>> import numpy as np
    >>> DCGANDiscriminator(width=4, channels=1, size=16)(np.zeros((2, 1, 16, 16), np.float32)).shape
    (2,)
    """

    def __init__(self, width: int = 64, channels: int = 3, size: int = 64) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(channels, width, 4, 2, 1, bias=False), nn.LeakyReLU(0.2)]
        for _ in range(_steps(size, "DCGANDiscriminator") - 1):
            layers += [nn.Conv2d(width, 2 * width, 4, 2, 1, bias=False), nn.BatchNorm2d(2 * width), nn.LeakyReLU(0.2)]
            width *= 2
        self.main = nn.Sequential(*layers, nn.Conv2d(width, 1, 4, bias=False))
        _initialize(self)

    def forward(self, images: Tensor) -> Tensor:
        return nn.functional.flatten(self.main(images))


def _steps(size: int, name: str) -> int:
    """How often 4 x 4 maps double to give images of this size."""
    steps = size.bit_length() - 3
    if steps < 1 or size != 4 * 2**steps:
        raise ValueError(f"{name}: size={size}; expected 8, 16, 32, ...")
    return steps


def _initialize(model: nn.Module) -> None:
    for module in model.modules():
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
            nn.init.normal_(module.weight, 0, 0.02)
        elif isinstance(module, nn.BatchNorm2d) and module.weight is not None:
            nn.init.normal_(module.weight, 1, 0.02)
