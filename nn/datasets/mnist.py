"""Digits of MNIST."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..data import TensorDataset

__all__ = ["mnist5k"]


def mnist5k() -> tuple[TensorDataset, TensorDataset]:
    """Return 5,000 digits of MNIST, 500 of each class in random order: 4,000 to train on and 1,000 to test with.

    Images are float32 of shape (N, 1, 28, 28) in [0, 1], ink being 1, and labels int64 of shape (N,); the
    folder's README names their source.

    >>> train, test = mnist5k()
    >>> train.tensors[0].shape, test.tensors[1].shape
    ((4000, 1, 28, 28), (1000,))
    """
    with np.load(Path(__file__).with_name("mnist5k.npz")) as file:
        images = (file["images"][:, np.newaxis] / np.float32(255)).astype(np.float32, copy=False)
        labels = file["labels"].astype(np.int64)
    return TensorDataset(images[:4000], labels[:4000]), TensorDataset(images[4000:], labels[4000:])
