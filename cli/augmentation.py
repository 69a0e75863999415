"""Augmentations by name, for images to train on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..nn.data import Transformed, default_collate
from ..nn.data.dataset import Samples
from ..nn.data.transforms import (
    Compose,
    CutMix,
    Cutout,
    MixUp,
    RandomCrop,
    RandomHorizontalFlip,
    RandomRotation,
)
from .mistakes import Mistake, nearest

__all__ = ["AUGMENTATIONS", "augmented", "augmentations"]

Collate = Callable[[list[Any]], Any]

_OF_IMAGES: dict[str, Callable[[int, int], Any]] = {  # by height and width
    "crop": lambda height, width: RandomCrop((height, width), padding=(_eighth(height), _eighth(width))),
    "flip": lambda height, width: RandomHorizontalFlip(),
    "rotate": lambda height, width: RandomRotation(15),
    "cutout": lambda height, width: Cutout(2 * _eighth(min(height, width))),
}
_OF_BATCHES: dict[str, Callable[[int], Any]] = {  # by the number of classes
    "mixup": lambda classes: MixUp(0.2, classes),
    "cutmix": lambda classes: CutMix(1.0, classes),
}
AUGMENTATIONS = (*_OF_IMAGES, *_OF_BATCHES)


def augmentations(text: str) -> list[str]:
    """Return the names in a list with commas; Mistake for one that is no augmentation, or is there twice."""
    names = [name.strip().lower() for name in text.split(",") if name.strip()]
    for i, name in enumerate(names):
        if name not in AUGMENTATIONS:
            raise Mistake(f"there is no augmentation {name!r}{nearest(name, AUGMENTATIONS)}")
        if name in names[:i]:
            raise Mistake(f"--augment has {name} twice")
    return names


def augmented(
    dataset: Samples[Any], shape: tuple[int, ...], classes: int, names: list[str]
) -> tuple[Samples[Any], Collate | None]:
    """Return images of shape (C, H, W) augmented, and how batches of them are made (None: as usual).

    What changes one image comes first, in the order of the names, and what mixes those of a batch after it.
    """
    each = [_OF_IMAGES[name](*shape[1:]) for name in names if name in _OF_IMAGES]
    mixed = [_OF_BATCHES[name](classes) for name in names if name in _OF_BATCHES]
    changed = Transformed(dataset, Compose(each)) if each else dataset
    return changed, Compose([default_collate, *mixed]) if mixed else None


def _eighth(side: int) -> int:
    return max(1, side // 8)
