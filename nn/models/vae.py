"""The variational autoencoder."""

from __future__ import annotations

from ... import nn
from ...autograd import Tensor, exp, random, square

__all__ = ["VAE", "vae_loss"]


class VAE(nn.Module):
    """Images (N, pixels) become logits (N, pixels) of ink, by a code (N, code) drawn from a normal distribution.

    Returns the logits, and the mean and the logarithm of the variance of the codes. In evaluation the code is the mean.
    The draw is the mean plus noise times the standard deviation, so that gradients go through it. Source: Kingma and
    Welling, Auto-encoding variational Bayes, 2014.

    >>> import numpy as np
    >>> logits, mean, log_variance = VAE(pixels=6, hidden=4, code=2)(np.zeros((3, 6), np.float32))
    >>> logits.shape, mean.shape, log_variance.shape
    ((3, 6), (3, 2), (3, 2))
    """

    def __init__(self, pixels: int = 784, hidden: int = 400, code: int = 20) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(pixels, hidden), nn.ReLU())
        self.mean = nn.Linear(hidden, code)
        self.log_variance = nn.Linear(hidden, code)
        self.decoder = nn.Sequential(nn.Linear(code, hidden), nn.ReLU(), nn.Linear(hidden, pixels))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        hidden = self.encoder(x)
        mean, log_variance = self.mean(hidden), self.log_variance(hidden)
        code = random.normal(mean, exp(0.5 * log_variance)) if self.training else mean
        return self.decoder(code), mean, log_variance

    def generate(self, count: int) -> Tensor:
        """Return new images (count, pixels), as probabilities of ink, of codes drawn from the standard normal one."""
        code = random.standard_normal((count, self.mean.out_features), dtype=self.mean.weight.dtype)
        return nn.functional.sigmoid(self.decoder(code))


def vae_loss(outputs: tuple[Tensor, Tensor, Tensor], x: Tensor) -> Tensor:
    """Return the negative evidence lower bound, in nats an image: cross-entropy of the ink, and KL divergence.

    `outputs` are those of a VAE at x (N, pixels), whose entries are from 0 to 1. The divergence is that of the codes'
    distribution from the standard normal one, in closed form.
    """
    logits, mean, log_variance = outputs
    ink = nn.functional.binary_cross_entropy_with_logits(logits, x, reduction="sum")
    divergence = -0.5 * (1 + log_variance - square(mean) - exp(log_variance)).sum()
    return (ink + divergence) / len(x)
