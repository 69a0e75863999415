"""CIFAR-10 and CIFAR-100 in their binary form: records of labels and 3,072 bytes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from .files import located, verified
from .images import ImagesInMemory, Transform

__all__ = ["CIFAR10", "CIFAR100"]


class CIFAR10(ImagesInMemory):
    """Color photographs (3, 32, 32) of 10 classes: 50,000 to train on or, with `train=False`, 10,000 to test with.

    The files are those of the binary version, which has no pickles: data_batch_1.bin to data_batch_5.bin and
    test_batch.bin, in root/cifar-10-batches-bin or in root. Samples are images, float32 in [0, 1], through `transform`,
    and class numbers, through `target_transform`.

    Unless `verify` is False, as for data of your own in this format, sizes and SHA-1 must be the published ones.
    FileNotFoundError says which files are wanted, ValueError what is wrong in one, and where.
    """

    classes = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
    source = "The CIFAR-10 dataset (binary version, cifar-10-binary.tar.gz, unpacked), www.cs.toronto.edu/~kriz/cifar"
    folder = "cifar-10-batches-bin"
    names = {True: [f"data_batch_{i}.bin" for i in range(1, 6)], False: ["test_batch.bin"]}
    labels: tuple[int, ...] = (10,)  # how many classes each label of a record has
    checksums = {  # SHA-1
        "data_batch_1.bin": "aadd24acce27caa71bf4b10992e9e7b2d74c2540",
        "data_batch_2.bin": "c0ba65cce70568cd57b4e03e9ac8d2a5367c1795",
        "data_batch_3.bin": "1dd00a74ab1d17a6e7d73e185b69dbf31242f295",
        "data_batch_4.bin": "aab85764eb3584312d3c7f65fd2fd016e36a258e",
        "data_batch_5.bin": "26e2849e66a845b7f1e4614ae70f4889ae604628",
        "test_batch.bin": "67eb016db431130d61cd03c7ad570b013799c88c",
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
        root = Path(root)
        paths = located(type(self).__name__, [root / self.folder, root], self.names[train], self.source)
        for path in paths:
            if verify and path.name in self.checksums:
                verified(path, self.checksums[path.name])
        records = np.concatenate([self._records(path) for path in paths])
        count = len(self.labels)
        self.data, labels = records[:, count:].reshape(-1, 3, 32, 32), records[:, :count].astype(np.int64)
        self._name(paths[0].parent, labels)

    def _name(self, folder: Path, labels: np.ndarray[Any, Any]) -> None:
        """What the labels are, and their names."""
        (self.targets,) = labels.T

    def _records(self, path: Path) -> np.ndarray[Any, Any]:
        """The records of a file, as rows of bytes, labels first."""
        length = len(self.labels) + 3072
        content = path.read_bytes()
        if not content or len(content) % length:
            raise ValueError(
                f"{str(path)!r}: ends at offset {len(content)}, within a record: records have {length} bytes"
            )
        records = np.frombuffer(content, np.uint8).reshape(-1, length)
        for column, classes in enumerate(self.labels):
            if len(foreign := np.flatnonzero(records[:, column] >= classes)):
                place = int(foreign[0])
                raise ValueError(
                    f"{str(path)!r}: label {records[place, column]} at offset {place * length + column} is none of "
                    f"{classes} classes"
                )
        return records


class CIFAR100(CIFAR10):
    """Small color photographs of 100 classes in 20 groups, in all else as `CIFAR10`.

    The files are train.bin or test.bin, and fine_label_names.txt with the names of the classes (without it these are
    numbers), in root/cifar-100-binary or in root. `targets` are the classes, `coarse_targets` the groups.
    """

    coarse_targets: np.ndarray[Any, Any]

    source = "The CIFAR-100 dataset (binary version, cifar-100-binary.tar.gz, unpacked), www.cs.toronto.edu/~kriz/cifar"
    folder = "cifar-100-binary"
    names = {True: ["train.bin"], False: ["test.bin"]}
    labels = (20, 100)
    checksums = {
        "train.bin": "e207cd2e05b73b1393c74c7f5e7bea451d63e08e",
        "test.bin": "8fb6623e830365ff53cf14adec797474f5478006",
    }

    def _name(self, folder: Path, labels: np.ndarray[Any, Any]) -> None:
        self.coarse_targets, self.targets = labels.T
        names = folder / "fine_label_names.txt"
        self.classes = names.read_text(encoding="utf-8").split() if names.is_file() else [str(i) for i in range(100)]
        if len(self.classes) != 100:
            raise ValueError(f"{str(names)!r}: {len(self.classes)} names for 100 classes")
