"""What datasets of small images in memory have in common."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...autograd import Tensor, asarray
from ...extend import Array, ArrayLike, Index
from ..data.dataset import Dataset, takes_arrays
from ..described import described

__all__: list[str] = []

Transform = Callable[[Array], ArrayLike] | None


class ImagesInMemory(Dataset[tuple[Tensor, Tensor]]):
    """A base for datasets of images: `data` uint8 (N, C, H, W), `targets` int64 (N,), and the names of the `classes`.

    A sample is the image, float32 in [0, 1], and its class. An array of indices gives a batch, for which `transform`
    and `target_transform` are called once.
    """

    data: np.ndarray[Any, Any]
    targets: np.ndarray[Any, Any]
    classes: list[str]
    transform: Transform = None
    target_transform: Transform = None

    def __repr__(self) -> str:
        return described(self, f"{len(self)} images {self.data.shape[1:]}", f"{len(self.classes)} classes")

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.data)

    @takes_arrays
    def __getitem__(self, index: Index) -> tuple[Tensor, Tensor]:
        """Return an image and its class, or for an array of indices a batch of them."""
        image: ArrayLike = self.data[index] / np.float32(255)  # type: ignore[index]
        target: ArrayLike = self.targets[index]  # type: ignore[index]
        if self.transform is not None:
            image = self.transform(image)  # type: ignore[arg-type]
        if self.target_transform is not None:
            target = self.target_transform(target)  # type: ignore[arg-type]
        return asarray(image), asarray(target)
