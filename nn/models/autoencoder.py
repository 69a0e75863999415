"""An autoencoder with deconvolutions."""

from __future__ import annotations

from ... import nn
from ...autograd import Tensor

__all__ = ["Autoencoder"]


class Autoencoder(nn.Module):
    """Images (N, 1, 28, 28) are squeezed into (N, code) and drawn again from it: logits (N, 1, 28, 28) of ink.

    Convolutions of stride 2 lead down to 7 x 7 maps, deconvolutions (transposed convolutions) back up. Sources: Hinton
    and Salakhutdinov, Reducing the dimensionality of data with neural networks, 2006; Zeiler, Krishnan, Taylor and
    Fergus, Deconvolutional networks, 2010.

    >>> import numpy as np
    >>> model = Autoencoder(code=8, width=4)
    >>> model.encoder(np.zeros((2, 1, 28, 28), np.float32)).shape, model(np.zeros((2, 1, 28, 28), np.float32)).shape
    ((2, 8), (2, 1, 28, 28))
    """

    def __init__(self, code: int = 32, width: int = 16) -> None:
        super().__init__()
        maps = (2 * width, 7, 7)
        self.encoder = nn.Sequential(
            nn.Conv2d(1, width, 3, stride=2, padding=1),  # (N, width, 14, 14)
            nn.ReLU(),
            nn.Conv2d(width, 2 * width, 3, stride=2, padding=1),  # (N, 2 width, 7, 7)
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(98 * width, code),
        )
        self.decoder = nn.Sequential(
            nn.Linear(code, 98 * width),
            nn.ReLU(),
            nn.Unflatten(1, maps),
            nn.ConvTranspose2d(2 * width, width, 4, stride=2, padding=1),  # (N, width, 14, 14)
            nn.ReLU(),
            nn.ConvTranspose2d(width, 1, 4, stride=2, padding=1),  # (N, 1, 28, 28)
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.decoder(self.encoder(x))
