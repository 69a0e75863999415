"""MNIST and its kin: images and labels in the IDX format, as MNIST's home page defines it."""

from __future__ import annotations

import math
import os
import string
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from .files import located, most_bytes, opened, verified, whole
from .images import ImagesInMemory, Transform

__all__ = ["EMNIST", "KMNIST", "MNIST", "FashionMNIST", "read_idx"]

_DTYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


def read_idx(path: str | os.PathLike[str]) -> np.ndarray[Any, Any]:
    """Return the array of an IDX file, which is unpacked if its name ends in .gz.

    ValueError, with the file and the offset, for one that is damaged, truncated or no IDX file. Memory is taken for no
    more than is in the file.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "x-idx1-ubyte")
    ...     _ = path.write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 3, 7, 8, 9]))
    ...     read_idx(path)
    array([7, 8, 9], dtype=uint8)
    """
    path = Path(path)
    with opened(path) as file:
        dtype, shape = _header(file, path)
        start, size = 4 + 4 * len(shape), math.prod(shape) * dtype.itemsize
        if size > most_bytes(path):
            raise ValueError(
                f"{str(path)!r}: the header at offset 0 declares shape {shape}, {size} bytes, which a file of "
                f"{path.stat().st_size} bytes cannot hold"
            )
        content = whole(file, path, start, size)
    return np.frombuffer(content, dtype).reshape(shape).astype(dtype.newbyteorder("="), copy=False)


def _header(file: BinaryIO, path: Path) -> tuple[np.dtype[Any], tuple[int, ...]]:
    zeros, code, axes = np.frombuffer(whole(file, path, 0, 4, last=False), [("0", ">u2"), ("1", "u1"), ("2", "u1")])[0]
    if zeros or int(code) not in _DTYPES:
        raise ValueError(
            f"{str(path)!r}: no IDX file: at offset 0 there is {int(zeros):04x}{code:02x}, not 0000 and the code of a "
            f"dtype, {', '.join(f'{known:02x}' for known in _DTYPES)}"
        )
    lengths = np.frombuffer(whole(file, path, 4, 4 * int(axes), last=False), ">u4")
    return np.dtype(_DTYPES[int(code)]), tuple(lengths.tolist())


class MNIST(ImagesInMemory):
    """Handwritten digits: 60,000 images to train on or, with `train=False`, 10,000 to test with, (1, 28, 28).

    The files lie in root/MNIST/raw, as torchvision has them, or in root: train-images-idx3-ubyte,
    train-labels-idx1-ubyte, and t10k-... to test, plain or with .gz. Samples are images, float32 in [0, 1] with ink as
    1, through `transform`, and class numbers, through `target_transform`.

    Unless `verify` is False, as for data of your own in this format, MD5s of gzipped files and all sizes must be the
    published ones. FileNotFoundError says which files are wanted, ValueError what is wrong in one, and where.
    """

    classes = [
        "0 - zero", "1 - one", "2 - two", "3 - three", "4 - four", "5 - five", "6 - six", "7 - seven", "8 - eight",
        "9 - nine",
    ]  # fmt: skip
    source = "the MNIST database, yann.lecun.com/exdb/mnist"
    images = {True: 60000, False: 10000}
    checksums = {  # MD5
        "train-images-idx3-ubyte.gz": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
        "train-labels-idx1-ubyte.gz": "d53e105ee54ea40749a09fcbcd1e9432",
        "t10k-images-idx3-ubyte.gz": "9fb629c4189551a2d022fa330f9573f3",
        "t10k-labels-idx1-ubyte.gz": "ec29112dd5afa0611ce80d1b7f02629c",
    }

    def __init__(
        self,
        root: str | os.PathLike[str],
        train: bool = True,
        transform: Transform = None,
        target_transform: Transform = None,
        *,
        verify: bool = True,
    ) -> None:
        self.root, self.train, self.transform, self.target_transform = root, train, transform, target_transform
        name, root = type(self).__name__, Path(root)
        names = [f"{self._prefix()}-{part}-ubyte" for part in ("images-idx3", "labels-idx1")]
        paths = located(name, [root / name / "raw", root], names, self.source, ["", ".gz"])
        for path in paths:
            if verify and path.name in self.checksums:
                verified(path, self.checksums[path.name])
        images, labels = (self._read(path, axes) for path, axes in zip(paths, (3, 1), strict=True))
        if len(images) != len(labels):
            raise ValueError(f"{name}: {len(images)} images in {str(paths[0])!r}, {len(labels)} labels in the other")
        if verify and images.shape != (expected := (self.images[train], 28, 28)):
            raise ValueError(
                f"{str(paths[0])!r}: images of shape {images.shape} are not those of {name}, {expected}; verify=False "
                "takes data of your own"
            )
        if len(foreign := np.flatnonzero(labels >= len(self.classes))):
            place = int(foreign[0])
            raise ValueError(
                f"{str(paths[1])!r}: label {labels[place]} at offset {8 + place} is none of {len(self.classes)} classes"
            )
        self.data, self.targets = images[:, np.newaxis], labels.astype(np.int64)

    def _prefix(self) -> str:
        """What the names of the files begin with."""
        return "train" if self.train else "t10k"

    def _read(self, path: Path, axes: int) -> np.ndarray[Any, Any]:
        array = read_idx(path)
        if array.dtype != np.uint8 or array.ndim != axes:
            raise ValueError(
                f"{str(path)!r}: the header at offset 0 declares {array.dtype}, {array.ndim} axes, not bytes, {axes}"
            )
        return array


class FashionMNIST(MNIST):
    """Pictures of clothes, in all else as `MNIST`, from root/FashionMNIST/raw."""

    classes = [
        "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
    ]  # fmt: skip
    source = "Fashion-MNIST, github.com/zalandoresearch/fashion-mnist"
    checksums = {
        "train-images-idx3-ubyte.gz": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
        "train-labels-idx1-ubyte.gz": "25c81989df183df01b3e8a0aad5dffbe",
        "t10k-images-idx3-ubyte.gz": "bef4ecab320f06d8554ea6380940ec79",
        "t10k-labels-idx1-ubyte.gz": "bb300cfdad3c16e7a12a480ee83cd310",
    }


class KMNIST(MNIST):
    """Handwritten Japanese characters, in all else as `MNIST`, from root/KMNIST/raw."""

    classes = ["o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"]
    source = "Kuzushiji-MNIST, codh.rois.ac.jp/kmnist"
    checksums = {
        "train-images-idx3-ubyte.gz": "bdb82020997e1d708af4cf47b453dcf7",
        "train-labels-idx1-ubyte.gz": "e144d726b3acfaa3e44228e80efcd344",
        "t10k-images-idx3-ubyte.gz": "5c965bf0a639b31b8f53240b1b52f4d7",
        "t10k-labels-idx1-ubyte.gz": "7320c461ea6c1c855c0b718fb2a4b134",
    }


class EMNIST(MNIST):
    """Handwritten letters and digits, in all else as `MNIST`, from root/EMNIST/raw: files emnist-SPLIT-train-....

    `split` is one of "byclass", "bymerge", "balanced", "letters", "digits", "mnist". Images are as in the files, with
    rows and columns exchanged. For the files no checksums are published, but for their archive, so sizes are verified.
    """

    source = "The EMNIST dataset (gzip.zip), nist.gov/itl/products-and-services/emnist-dataset"
    checksums = {}
    splits = {
        "byclass": (697932, 116323),
        "bymerge": (697932, 116323),
        "balanced": (112800, 18800),
        "letters": (124800, 20800),
        "digits": (240000, 40000),
        "mnist": (60000, 10000),
    }

    def __init__(
        self,
        root: str | os.PathLike[str],
        split: str,
        train: bool = True,
        transform: Transform = None,
        target_transform: Transform = None,
        *,
        verify: bool = True,
    ) -> None:
        if split not in self.splits:
            raise ValueError(f"EMNIST: split must be one of {', '.join(self.splits)}, not {split!r}")
        self.split, self.images = split, dict(zip((True, False), self.splits[split], strict=True))
        alike = {*string.ascii_lowercase} - {*"abdefghnqrt"}  # small letters that are taken for their capitals
        everything = sorted(string.digits + string.ascii_letters)
        merged = [name for name in everything if name not in alike]
        classes = {"byclass": everything, "bymerge": merged, "balanced": merged}
        classes["letters"] = ["N/A", *string.ascii_lowercase]
        self.classes = classes.get(split, list(string.digits))
        super().__init__(root, train, transform, target_transform, verify=verify)

    def _prefix(self) -> str:
        return f"emnist-{self.split}-{'train' if self.train else 'test'}"
