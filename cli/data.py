"""Images with their classes, from the files that are there."""

from __future__ import annotations

import argparse
import csv
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..autograd import Tensor, no_grad
from ..extend import Array
from ..nn import datasets
from ..nn.data import Subset, TensorDataset, Transformed, random_split
from ..nn.data.dataset import Samples
from ..nn.functional import interpolate
from .mistakes import Mistake, nearest
from .models import Kind, kind_of

__all__ = ["FORMATS", "Images", "arrays", "chosen_images", "open_images"]

FORMATS = """\
DATA is mnist5k, 5,000 digits that come with the package, or what is on your disk:
  a folder with the files of MNIST, FashionMNIST, KMNIST or EMNIST (IDX, with .gz or not)
  a folder with the files of CIFAR-10 or CIFAR-100 (the binary version, *.bin)
  a folder of images with a folder for each class in it, or in train and test (or val)
  an .npz file: x_train, y_train, x_test, y_test, or x and y; x is (N, H, W) or (N, C, H, W)
  a .csv file: a column of classes, "label" or what --target says, and the pixels of a square image in the others
A tenth of what has no test images is held out for them."""

_SIDE = 64  # of the images of a folder, unless the model or the user says otherwise


@dataclass
class Images:
    """Data to train on and to test with, and the names of the classes."""

    train: Samples[Any]
    test: Samples[Any]
    classes: Sequence[str]


def chosen_images(options: argparse.Namespace) -> Images:
    """Return the images that a command line asks for, in the form for its model."""
    given = {"split": options.split, "target": options.target}
    return open_images(options.data, kind_of(options.model), options.size, options.seed, options.verify, **given)


def open_images(
    source: str,
    kind: Kind,
    size: int | None = None,
    seed: int = 0,
    verify: bool = True,
    *,
    split: str | None = None,
    target: str | None = None,
) -> Images:
    """Return the images of DATA, see `FORMATS`, as the model takes them: so many channels, and of its size.

    `split` is EMNIST's, `target` the column of a table. Mistake for what is none of these.
    """
    if size is not None and (size < kind.size or kind.fixed and size != kind.size):
        least = "" if kind.fixed else "at least "
        raise Mistake(f"--size {size}: this model takes images of {least}{kind.size} x {kind.size}")
    side = size or (kind.size if kind.fixed else None)
    found = _found(source, side or max(_SIDE, kind.size), seed, verify, split, target)
    shape = np.shape(found.train[0][0])
    if len(shape) != 3 or shape[0] not in (1, 3):
        raise Mistake(f"{source!r} holds samples of shape {shape}, not images with 1 or 3 channels")
    wanted = (side, side) if side else (max(shape[1], kind.size), max(shape[2], kind.size))
    form = _Form(kind.channels, wanted)
    if shape == (kind.channels, *wanted):
        return found
    return Images(Transformed(found.train, form), Transformed(found.test, form), found.classes)


def arrays(dataset: Samples[Any], count: int) -> tuple[Array, Array]:
    """Return the first images of a dataset, and their classes."""
    samples = [dataset[i] for i in range(min(count, len(dataset)))]
    return np.stack([np.asarray(x) for x, _ in samples]), np.array([int(y) for _, y in samples])


@dataclass
class _Form:
    """Images, or one, with so many channels and of a size: gray for each color, and the mean of colors for gray."""

    channels: int
    size: tuple[int, int]

    def __call__(self, images: Array) -> Array:
        if images.shape[-3] != self.channels:
            images = images.mean(-3, keepdims=True, dtype=images.dtype)
            images = np.repeat(images, self.channels, axis=-3)
        if images.shape[-2:] == self.size:
            return images
        whole = images.reshape(-1, *images.shape[-3:])
        with no_grad():
            scaled = np.asarray(interpolate(whole, self.size, mode="bilinear"))
        return scaled.reshape(*images.shape[:-2], *self.size)


def _found(source: str, side: int, seed: int, verify: bool, split: str | None, target: str | None) -> Images:
    if source == "mnist5k":
        return Images(*datasets.mnist5k(), [str(i) for i in range(10)])
    path = Path(source)
    if not path.exists():
        raise Mistake(f"there is no file or folder {source!r}{nearest(source, ['mnist5k', *_beside(path)])}")
    if path.is_file():
        if path.suffix == ".csv":
            return _table(source, target, seed)
        if path.suffix != ".npz":
            raise Mistake(f"{source!r} is no .npz or .csv file\n{FORMATS}")
        return _npz(source, seed)
    for kind, files in _KNOWN.items():
        if any(next(path.glob(name), None) for name in files):
            train, test = (kind(path, train=train, verify=verify) for train in (True, False))
            return Images(train, test, train.classes)
    if splits := _splits(path):
        return _emnist(path, splits, split, verify)
    return _folders(path, side, seed)


_KNOWN: dict[Any, tuple[str, ...]] = {
    datasets.CIFAR10: ("data_batch_1.bin", "cifar-10-batches-bin/*.bin"),
    datasets.CIFAR100: ("train.bin", "cifar-100-binary/train.bin"),
    datasets.FashionMNIST: ("FashionMNIST/raw/train-images-idx3-ubyte*",),
    datasets.KMNIST: ("KMNIST/raw/train-images-idx3-ubyte*",),
    datasets.MNIST: ("train-images-idx3-ubyte*", "MNIST/raw/train-images-idx3-ubyte*"),
}


def _splits(path: Path) -> list[str]:
    """The splits of EMNIST whose files are there."""
    folders = (path, path / "EMNIST" / "raw")
    files = [file.name for folder in folders for file in folder.glob("emnist-*-train-images-idx3-ubyte*")]
    return sorted({name.split("-")[1] for name in files})


def _emnist(path: Path, splits: list[str], split: str | None, verify: bool) -> Images:
    if split is None and len(splits) > 1:
        raise Mistake(f"{os.fspath(path)!r} holds several splits of EMNIST: give --split, {', '.join(splits)}")
    if split is not None and split not in splits:
        raise Mistake(f"{os.fspath(path)!r} has no split {split!r} of EMNIST{nearest(split, splits)}")
    train, test = (datasets.EMNIST(path, split or splits[0], train, verify=verify) for train in (True, False))
    return Images(train, test, train.classes)


def _folders(path: Path, side: int, seed: int) -> Images:
    tests = [name for name in ("test", "val", "validation") if (path / name).is_dir()]
    if not (path / "train").is_dir() or not tests:
        whole = datasets.ImageFolder(path, size=(side, side))
        return Images(*_split(whole, seed), whole.classes)
    train, test = (datasets.ImageFolder(path / name, size=(side, side)) for name in ("train", tests[0]))
    if train.classes != test.classes:
        others = sorted({*train.classes} ^ {*test.classes})
        raise Mistake(f"{os.fspath(path)!r}: train and {tests[0]} differ in the classes {', '.join(others)}")
    return Images(train, test, train.classes)


def _npz(source: str, seed: int) -> Images:
    try:
        pairs = [datasets.NPZ(source, ("x_train", "y_train")), datasets.NPZ(source, ("x_test", "y_test"))]
    except KeyError:
        try:
            pairs = [datasets.NPZ(source, ("x", "y"))]
        except KeyError as error:
            raise Mistake(f"{error.args[0]}\n{FORMATS}") from error
    data = [_labelled(source, *pair.tensors) for pair in pairs]
    classes = 1 + max(int(part.tensors[1].numpy().max(initial=0)) for part in data)
    train, test = data if len(data) == 2 else _split(data[0], seed)
    return Images(train, test, [str(i) for i in range(classes)])


def _table(source: str, target: str | None, seed: int) -> Images:
    """The rows of a CSV file, each a square image of bytes, or of numbers up to 1."""
    with open(source, newline="", encoding="utf-8-sig") as file:
        columns = next((fields for fields in csv.reader(file) if fields), [])
    header = not all(_is_number(field) for field in columns)
    named = target or next((name for name in _TARGETS if name in columns), None)
    if named is None:
        some = ", ".join(columns[:5] if header else map(str, range(min(5, len(columns)))))
        raise Mistake(f"which column of {source!r} holds the classes? Give --target; there are {some}, ...")
    number = not (header and named in columns) and named.lstrip("-").isdecimal()
    table = datasets.CSV(source, int(named) if number else named, header=header)
    pixels, labels = (part.numpy() for part in table.tensors)
    count = pixels.shape[1]
    shapes = [(c, side, side) for c in (1, 3) if (side := math.isqrt(count // c)) and c * side**2 == count]
    if not shapes:
        raise Mistake(f"{source!r}: {count} numbers in a row are no square image, in gray or of three colors")
    images = pixels.reshape(-1, *shapes[0]) / np.float32(255 if pixels.max(initial=0) > 1 else 1)
    whole = _labelled(source, Tensor(images), Tensor(labels))
    classes = table.classes or [str(i) for i in range(1 + int(labels.max(initial=0)))]
    return Images(*_split(whole, seed), classes)


_TARGETS = ("label", "class", "target", "y")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _labelled(source: str, x: Any, y: Any) -> TensorDataset:
    """Images (N, C, H, W), floats, those in bytes from 0 to 1, with class numbers."""
    images, labels = x.numpy(), y.numpy()
    if images.ndim not in (3, 4) or labels.dtype.kind not in "iu" or labels.ndim != 1 or (labels < 0).any():
        held = f"{images.dtype} {images.shape} and {labels.dtype} {labels.shape}"
        raise Mistake(f"{source!r} holds {held}; expected images (N, H, W) or (N, C, H, W) and class numbers (N,)")
    scale = np.float32(255 if images.dtype == np.uint8 else 1)
    images = images.astype(np.float32) / scale
    return TensorDataset(images[:, np.newaxis] if images.ndim == 3 else images, labels.astype(np.int64))


def _split(whole: Samples[Any], seed: int) -> tuple[Subset[Any], Subset[Any]]:
    """A tenth is held out."""
    count = len(whole)
    held = max(1, count // 10)
    if count < 2:
        raise Mistake(f"{count} images are too few: one is held out to test with")
    train, test = random_split(whole, [count - held, held], generator=seed)
    return train, test


def _beside(path: Path) -> list[str]:
    """The paths beside one that is not there."""
    if not path.parent.is_dir():
        return []
    return [os.fspath(path.parent / entry.name) for entry in os.scandir(path.parent)][:1000]
