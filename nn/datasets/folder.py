"""Images in folders, one folder for each class."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...extend import Array, ArrayLike
from ..data.dataset import Dataset
from ..described import described
from .images import Transform

__all__ = ["ImageFolder", "read_image"]

EXTENSIONS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")


def read_image(path: str | os.PathLike[str], size: tuple[int, int] | None = None) -> Array:
    """Return an image as float32 of shape (3, H, W) in [0, 1], red, green and blue, resized to `size` (H, W) if given.

    ValueError, with the file, for what is no image, damaged, or of more pixels than Pillow takes
    (`PIL.Image.MAX_IMAGE_PIXELS`), before memory is taken for them. Needs Pillow: pip install pullback[vision].
    """
    pillow = _pillow("read_image")
    path = os.fspath(path)
    with open(path, "rb") as file:
        try:
            with pillow.open(file) as image:
                most = pillow.MAX_IMAGE_PIXELS
                if most is not None and image.width * image.height > most:
                    raise ValueError(f"it declares {image.width} x {image.height} pixels, more than {most}")
                rgb = image.convert("RGB")
                pixels = rgb if size is None else rgb.resize(size[::-1], pillow.Resampling.BILINEAR)
                return np.moveaxis(np.asarray(pixels), 2, 0) / np.float32(255)
        except MemoryError:
            raise
        except Exception as error:  # of many kinds, as the formats are
            raise ValueError(
                f"{path!r}: no whole image, read up to offset {file.tell()} of {os.path.getsize(path)}: {error}"
            ) from error


class ImageFolder(Dataset[tuple[ArrayLike, object]]):
    """The images in a folder, in which each class has a folder of its own, at any depth within: root/cat/1.png.

    A sample is the image, float32 (3, H, W) in [0, 1], through `transform`, and the number of its class among the
    sorted names, through `target_transform`. Where images have several sizes, `size` (H, W) makes them one. They are
    read when they are asked for, by `loader` (default: `read_image`).
    FileNotFoundError for a folder without classes and for a class without images.

    `classes` are the names, `class_to_idx` their numbers, `samples` the paths and class numbers.
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        transform: Transform = None,
        target_transform: Callable[[int], object] | None = None,
        *,
        size: tuple[int, int] | None = None,
        loader: Callable[[str], Array] | None = None,
        extensions: Sequence[str] = EXTENSIONS,
    ) -> None:
        if loader is None:
            _pillow("ImageFolder")
        self.root, self.transform, self.target_transform = os.fspath(root), transform, target_transform
        self.size, self.loader = size, loader
        self.classes = sorted(entry.name for entry in os.scandir(root) if entry.is_dir())
        if not self.classes:
            raise FileNotFoundError(f"ImageFolder: {self.root!r} has no folders, one for each class, in it")
        self.class_to_idx = {name: number for number, name in enumerate(self.classes)}
        self.samples: list[tuple[str, int]] = []
        for name, number in self.class_to_idx.items():
            paths = [path for path in sorted(Path(root, name).rglob("*")) if path.suffix.lower() in extensions]
            if not paths:
                raise FileNotFoundError(
                    f"ImageFolder: {str(Path(root, name))!r} has no images ({', '.join(extensions)}) in it"
                )
            self.samples += [(str(path), number) for path in paths]
        self.targets = [number for _, number in self.samples]

    def __repr__(self) -> str:
        return described(self, f"{len(self)} images", f"{len(self.classes)} classes", without=("extensions",))

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.samples)

    def __getitem__(self, index: int) -> tuple[ArrayLike, object]:
        """Return an image and its class."""
        path, target = self.samples[index]
        image = read_image(path, self.size) if self.loader is None else self.loader(path)
        changed: ArrayLike = image if self.transform is None else self.transform(image)
        return changed, target if self.target_transform is None else self.target_transform(target)


def _pillow(name: str) -> Any:
    try:
        from PIL import Image
    except ImportError as error:
        raise ImportError(f"{name} needs Pillow: pip install pullback[vision]") from error
    return Image
