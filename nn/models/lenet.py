"""LeNet-5, which reads digits."""

from __future__ import annotations

from ... import nn
from ...autograd import Tensor

__all__ = ["LeNet5"]


class LeNet5(nn.Module):
    """Two convolutions with tanh and average pooling, then three linear layers: (N, 1, 28, 28) to (N, num_classes).

    As it is built today: all maps of the second convolution see all of the first, pooling has no parameters, and the
    results are logits. Source: LeCun, Bottou, Bengio and Haffner, Gradient-based learning applied to document
    recognition, 1998.

    >>> import numpy as np
    >>> LeNet5()(np.zeros((2, 1, 28, 28), np.float32)).shape
    (2, 10)
    """

    def __init__(self, num_classes: int = 10) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 6, 5, padding=2),  # (N, 6, 28, 28)
            nn.Tanh(),
            nn.AvgPool2d(2),  # (N, 6, 14, 14)
            nn.Conv2d(6, 16, 5),  # (N, 16, 10, 10)
            nn.Tanh(),
            nn.AvgPool2d(2),  # (N, 16, 5, 5)
        )
        self.classifier = nn.Sequential(
            nn.Flatten(),
            nn.Linear(400, 120),
            nn.Tanh(),
            nn.Linear(120, 84),
            nn.Tanh(),
            nn.Linear(84, num_classes),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x))
