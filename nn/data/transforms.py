"""Augmentations of images: functions of one (C, H, W), or of a batch (N, C, H, W) of which each gets its own draw.

They take arrays or Tensors and give the same kind and dtype. They draw from `pullback.random.generator()`, which a
loader seeds for each batch: put them into a `Transformed` dataset, the `transform` of one of `nn.datasets`, or a
`collate_fn`, as in `Compose([default_collate, MixUp(num_classes=10)])`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from ...autograd import Tensor
from ...extend import Array, ArrayLike, raw, wrap
from ..described import Described
from ..init import generator
from .sampler import count

__all__ = [
    "CenterCrop",
    "Compose",
    "CutMix",
    "Cutout",
    "MixUp",
    "Normalize",
    "RandomCrop",
    "RandomErasing",
    "RandomHorizontalFlip",
    "RandomRotation",
    "RandomVerticalFlip",
]

Data = TypeVar("Data")
Image = TypeVar("Image", bound=ArrayLike)


class Compose(Described):
    """One function after another.

    >>> Compose([np.sort, np.cumsum])(np.array([3, 1, 2]))
    array([1, 3, 6])
    """

    def __init__(self, transforms: Iterable[Callable[..., object]]) -> None:
        self.transforms = list(transforms)

    def __call__(self, data: Data) -> Data:
        """Return what the last function gives."""
        changed: Any = data
        for transform in self.transforms:
            changed = transform(changed)
        return changed


class ImageTransform(Described):
    """A base for transforms, of which each changes a batch by numbers that it draws."""

    def __call__(self, image: Image) -> Image:
        """Return the image (C, H, W), or the batch of them (N, C, H, W), changed. ValueError for other shapes."""
        array = np.asarray(raw(image) if isinstance(image, Tensor) else image)
        if array.ndim not in (3, 4):
            raise ValueError(
                f"{type(self).__name__}: expected an image (C, H, W) or a batch (N, C, H, W), not shape {array.shape}"
            )
        changed = self.apply(array if array.ndim == 4 else array[np.newaxis], generator())
        changed = changed if array.ndim == 4 else changed[0]
        like: Any = wrap(changed) if isinstance(image, Tensor) else changed
        return like

    def apply(self, batch: Array, rng: np.random.Generator) -> Array:
        """A new batch (N, C, H, W)."""
        raise NotImplementedError


class Normalize(ImageTransform):
    """(x - mean) / std in each channel. TypeError for integers, which it would round.

    >>> Normalize([0.5], [0.25])(np.ones((1, 1, 2), np.float32))
    array([[[2., 2.]]], dtype=float32)
    """

    def __init__(self, mean: float | Sequence[float], std: float | Sequence[float]) -> None:
        self.mean, self.std = mean, std
        if not np.all(np.asarray(std) > 0):
            raise ValueError(f"Normalize: std must be positive, not {std}")

    def apply(self, batch: Array, rng: np.random.Generator) -> Array:
        """A new batch (N, C, H, W)."""
        if batch.dtype.kind != "f":
            raise TypeError(f"Normalize: expected floats, not {batch.dtype}; write image / np.float32(255)")
        mean, std = (np.asarray(value, batch.dtype).reshape(-1, 1, 1) for value in (self.mean, self.std))
        if {len(mean), len(std)} - {1, batch.shape[1]}:
            raise ValueError(f"Normalize: mean {self.mean} and std {self.std} are not for {batch.shape[1]} channels")
        return (batch - mean) / std


class CenterCrop(ImageTransform):
    """The middle of an image, `size` (one number, or height and width). ValueError where it is smaller than that.

    >>> CenterCrop(2)(np.arange(16).reshape(1, 4, 4))
    array([[[ 5,  6],
            [ 9, 10]]])
    """

    def __init__(self, size: int | tuple[int, int]) -> None:
        self.size = _pair("CenterCrop", "size", size, least=1)

    def apply(self, batch: Array, rng: np.random.Generator) -> Array:
        """A new batch (N, C, H, W)."""
        top, left = (room // 2 for room in _room(self, batch.shape, self.size))
        return batch[:, :, top : top + self.size[0], left : left + self.size[1]].copy()


class RandomCrop(ImageTransform):
    """A piece of `size` (one number, or height and width) at a random place of the image, around which there are first
    `padding` rows and columns of `fill`. ValueError where it is still smaller than that.

    >>> RandomCrop(28, padding=4)(np.ones((5, 1, 28, 28))).shape
    (5, 1, 28, 28)
    """

    def __init__(self, size: int | tuple[int, int], padding: int | tuple[int, int] = 0, fill: float = 0) -> None:
        self.size = _pair("RandomCrop", "size", size, least=1)
        self.padding = _pair("RandomCrop", "padding", padding, least=0)
        self.fill = fill

    def apply(self, batch: Array, rng: np.random.Generator) -> Array:
        """A new batch (N, C, H, W)."""
        edges = [(0, 0), (0, 0), *((width, width) for width in self.padding)]
        padded = np.pad(batch, edges, constant_values=self.fill) if any(self.padding) else batch
        top, left = (rng.integers(room + 1, size=len(batch)) for room in _room(self, padded.shape, self.size))
        return sliding_window_view(padded, self.size, axis=(2, 3))[np.arange(len(batch)), :, top, left]


class _RandomFlip(ImageTransform):
    axis: int

    def __init__(self, p: float = 0.5) -> None:
        self.p = _probability(type(self).__name__, p)

    def apply(self, batch: Array, rng: np.random.Generator) -> Array:
        """A new batch (N, C, H, W)."""
        chosen = rng.random(len(batch)) < self.p
        flipped = batch.copy()
        flipped[chosen] = np.flip(batch[chosen], self.axis)
        return flipped


class RandomHorizontalFlip(_RandomFlip):
    """The image with left and right exchanged, with probability `p`.

    >>> RandomHorizontalFlip(p=1.0)(np.array([[[1, 2]]]))
    array([[[2, 1]]])
    """

    axis = 3


class RandomVerticalFlip(_RandomFlip):
    """The image upside down, with probability `p`.

    >>> RandomVerticalFlip(p=1.0)(np.array([[[1], [2]]]))
    array([[[2],
            [1]]])
    """

    axis = 2


class RandomRotation(ImageTransform):
    """The image turned about its middle by a random angle of -degrees to degrees, counterclockwise.

    Each pixel is the nearest one of the image, or `fill` where that is outside.

    >>> RandomRotation((90, 90))(np.array([[[1, 2], [3, 4]]]))
    array([[[2, 4],
            [1, 3]]])
    """

    def __init__(self, degrees: float | tuple[float, float], fill: float = 0) -> None:
        self.degrees = degrees if isinstance(degrees, tuple) else (-degrees, degrees)
        self.fill = fill
        if len(self.degrees) != 2 or not self.degrees[0] <= self.degrees[1]:
            raise ValueError(f"RandomRotation: degrees must be 0 or more, or a range of two numbers, not {degrees!r}")

    def apply(self, batch: Array, rng: np.random.Generator) -> Array:
        """A new batch (N, C, H, W)."""
        n, _, height, width = batch.shape
        low, high = self.degrees
        angles = np.deg2rad(rng.uniform(low, high, size=n)).reshape(-1, 1, 1)
        y = np.arange(height).reshape(-1, 1) - (height - 1) / 2
        x = np.arange(width) - (width - 1) / 2
        rows = _nearest(np.cos(angles) * y + np.sin(angles) * x + (height - 1) / 2)  # (n, height, width)
        columns = _nearest(np.cos(angles) * x - np.sin(angles) * y + (width - 1) / 2)
        inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
        picked = batch[np.arange(n).reshape(-1, 1, 1), :, rows % height, columns % width]  # (n, height, width, c)
        return np.where(inside[:, np.newaxis], np.moveaxis(picked, 3, 1), np.asarray(self.fill, batch.dtype))


class Cutout(ImageTransform):
    """The image with a square of `size` blank (`value`), around a random pixel, so that it may reach outside.

    From DeVries and Taylor, Improved Regularization of Convolutional Neural Networks with Cutout (arXiv:1708.04552).

    >>> int(Cutout(4)(np.ones((1, 9, 9))).sum()) >= 81 - 16
    True
    """

    def __init__(self, size: int, value: float = 0) -> None:
        self.size, self.value = count("Cutout", "size", size), value

    def apply(self, batch: Array, rng: np.random.Generator) -> Array:
        """A new batch (N, C, H, W)."""
        n, _, height, width = batch.shape
        top, left = (rng.integers(length, size=n) - self.size // 2 for length in (height, width))
        return _blank(batch, _boxes(batch.shape, top, left, top + self.size, left + self.size), self.value)


class RandomErasing(ImageTransform):
    """The image with a random box blank (`value`), with probability `p`.

    The box takes a share of the image drawn from `scale`, and its height is to its width as drawn from `ratio`, evenly
    in the logarithm. Ten are drawn, of which the first that fits is taken, if any does. From Zhong et al., Random
    Erasing Data Augmentation (arXiv:1708.04896).

    >>> erased = RandomErasing(p=1.0, scale=(0.25, 0.25), ratio=(1.0, 1.0))(np.ones((1, 8, 8)))
    >>> int(erased.sum())
    48
    """

    def __init__(
        self,
        p: float = 0.5,
        scale: tuple[float, float] = (0.02, 0.33),
        ratio: tuple[float, float] = (0.3, 3.3),
        value: float = 0,
    ) -> None:
        self.p, self.scale, self.ratio, self.value = _probability("RandomErasing", p), scale, ratio, value
        if not 0 <= scale[0] <= scale[1] <= 1:
            raise ValueError(f"RandomErasing: scale must be a range within 0 and 1, not {scale}")
        if not 0 < ratio[0] <= ratio[1]:
            raise ValueError(f"RandomErasing: ratio must be a range of positive numbers, not {ratio}")

    def apply(self, batch: Array, rng: np.random.Generator) -> Array:
        """A new batch (N, C, H, W)."""
        n, _, height, width = batch.shape
        area = rng.uniform(*self.scale, size=(n, 10)) * height * width
        low, high = np.log(self.ratio)
        ratio = np.exp(rng.uniform(low, high, size=(n, 10)))
        h, w = np.rint(np.sqrt(area * ratio)).astype(int), np.rint(np.sqrt(area / ratio)).astype(int)
        fits = (h <= height) & (w <= width)
        first = fits.argmax(1)
        erased = (rng.random(n) < self.p) & fits.any(1)
        h, w = (np.where(erased, side[np.arange(n), first], 0) for side in (h, w))
        top, left = rng.integers(height - h + 1), rng.integers(width - w + 1)
        return _blank(batch, _boxes(batch.shape, top, left, top + h, left + w), self.value)


class _Mixing(Described):
    """A base for what mixes each sample of a batch (x, y) with another one, and its label with the other's."""

    def __init__(self, alpha: float = 1.0, num_classes: int | None = None) -> None:
        if not alpha > 0:
            raise ValueError(f"{type(self).__name__}: alpha must be positive, not {alpha}")
        self.alpha = alpha
        self.num_classes = None if num_classes is None else count(type(self).__name__, "num_classes", num_classes)

    def __call__(self, batch: Sequence[ArrayLike]) -> tuple[Any, Any]:
        """Return the images (N, C, H, W) mixed, and their labels as shares of the classes (N, num_classes).

        Labels are class numbers (N,), for which `num_classes` was given, or already shares.
        """
        images, labels = (np.asarray(raw(part) if isinstance(part, Tensor) else part) for part in batch)
        if images.ndim != 4 or images.dtype.kind != "f":
            raise ValueError(
                f"{type(self).__name__}: expected a batch of floats (N, C, H, W), not {images.dtype} {images.shape}"
            )
        rng = generator()
        shares, other = self._shares(labels, images.dtype), rng.permutation(len(images))
        images, kept = self.mix(images, images[other], rng.beta(self.alpha, self.alpha, size=len(images)), rng)
        kept = kept.astype(images.dtype)[:, np.newaxis]
        mixed = images, kept * shares + (1 - kept) * shares[other]
        return (wrap(mixed[0]), wrap(mixed[1])) if isinstance(batch[0], Tensor) else mixed

    def mix(self, images: Array, others: Array, share: Array, rng: np.random.Generator) -> tuple[Array, Array]:
        """The images, and what share of each is its own."""
        raise NotImplementedError

    def _shares(self, labels: Array, dtype: np.dtype[Any]) -> Array:
        if labels.ndim == 2:
            return labels.astype(dtype)
        if self.num_classes is None or labels.dtype.kind not in "iu":
            raise ValueError(
                f"{type(self).__name__}: labels of dtype {labels.dtype} and shape {labels.shape} are neither class "
                "numbers, for which num_classes is given, nor shares (N, num_classes)"
            )
        return (labels[:, np.newaxis] == np.arange(self.num_classes)).astype(dtype)


class MixUp(_Mixing):
    """Each image of a batch added to another one, in shares drawn from Beta(alpha, alpha), and their labels as well.

    From Zhang et al., mixup: Beyond Empirical Risk Minimization (arXiv:1710.09412), with a draw for each image.

    >>> images, labels = MixUp(num_classes=3)((np.ones((2, 1, 4, 4)), np.array([0, 2])))
    >>> images.shape, labels.shape, labels.sum(1)
    ((2, 1, 4, 4), (2, 3), array([1., 1.]))
    """

    def mix(self, images: Array, others: Array, share: Array, rng: np.random.Generator) -> tuple[Array, Array]:
        """The images, and what share of each is its own."""
        weight = share.astype(images.dtype).reshape(-1, 1, 1, 1)
        return weight * images + (1 - weight) * others, share


class CutMix(_Mixing):
    """Each image of a batch with a box of another one, and their labels mixed by the areas.

    The box is as high and wide as the image times sqrt(1 - share), with a share drawn from Beta(alpha, alpha), around
    a random place, and cut off at the edges. From Yun et al., CutMix: Regularization Strategy to Train Strong
    Classifiers with Localizable Features (arXiv:1905.04899), with a draw for each image.

    >>> images, labels = CutMix(num_classes=3)((np.ones((2, 1, 4, 4)), np.array([0, 2])))
    >>> images.shape, labels.shape, labels.sum(1)
    ((2, 1, 4, 4), (2, 3), array([1., 1.]))
    """

    def mix(self, images: Array, others: Array, share: Array, rng: np.random.Generator) -> tuple[Array, Array]:
        """The images, and what share of each is its own."""
        bounds = []
        for length in images.shape[2:]:
            middle, half = rng.integers(length, size=len(images)), (length * np.sqrt(1 - share) / 2).astype(int)
            bounds.append((middle - half, middle + half))
        (top, bottom), (left, right) = bounds
        boxes = _boxes(images.shape, top, left, bottom, right)
        return np.where(boxes, others, images), 1 - boxes.mean((1, 2, 3))


def _boxes(shape: tuple[int, ...], top: Array, left: Array, bottom: Array, right: Array) -> Array:
    """Masks (N, 1, H, W) of boxes, one for each image, as far as they are inside."""
    rows, columns = np.arange(shape[2]).reshape(-1, 1), np.arange(shape[3])
    top, left, bottom, right = (edge.reshape(-1, 1, 1, 1) for edge in (top, left, bottom, right))
    return (rows >= top) & (rows < bottom) & (columns >= left) & (columns < right)


def _blank(batch: Array, where: Array, value: float) -> Array:
    return np.where(where, np.asarray(value, batch.dtype), batch)


def _nearest(places: Array) -> Array:
    return np.floor(places + (0.5 + 1e-9)).astype(int)  # ties, which rounding would scatter, go one way


def _room(transform: Any, shape: tuple[int, ...], size: tuple[int, int]) -> tuple[int, int]:
    """How far a piece of some size can be moved down and to the right."""
    down, right = shape[2] - size[0], shape[3] - size[1]
    if min(down, right) < 0:
        raise ValueError(f"{type(transform).__name__}: images of {shape[2:]} have no piece of {size}")
    return down, right


def _pair(where: str, name: str, value: int | tuple[int, int], least: int) -> tuple[int, int]:
    both = value if isinstance(value, (tuple, list)) else (value, value)
    if len(both) != 2:
        raise ValueError(f"{where}: {name} must be a number, or one each for height and width, not {value!r}")
    return count(where, name, both[0], least), count(where, name, both[1], least)


def _probability(where: str, p: float) -> float:
    if not 0 <= p <= 1:
        raise ValueError(f"{where}: p must be a probability, not {p!r}")
    return p
