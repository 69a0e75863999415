"""Arrays from NPZ files, and numbers from CSV files."""

from __future__ import annotations

import csv
import math
import os
import struct
import zipfile
import zlib
from array import array
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...extend import DTypeLike
from ..data.dataset import TensorDataset
from .files import MOST_DEFLATED, whole

__all__ = ["CSV", "NPZ"]


_DAMAGED = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, RuntimeError, UnicodeError, OverflowError)


class NPZ(TensorDataset):
    """The arrays of an NPZ file, as `np.savez` writes it: those of the given `names`, or all, in their order there.

    ValueError, with the file and the offset, for what is damaged, is no NPZ file, or holds Python objects, since those
    are pickles, which may run any code. Memory is taken for no more than is in the file. KeyError for other names.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.savez(folder + "/data.npz", x=np.zeros((5, 2)), y=np.arange(5))
    ...     NPZ(folder + "/data.npz")
    NPZ(5 samples: (2,) float64, () int64)
    """

    def __init__(self, path: str | os.PathLike[str], names: Sequence[str] | None = None) -> None:
        path = os.fspath(path)
        with open(path, "rb") as file:
            try:
                with zipfile.ZipFile(file) as archive:
                    members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
                    self.names = list(members if names is None else names)
                    if absent := [name for name in self.names if name not in members]:
                        raise KeyError(f"NPZ: {path!r} has no {', '.join(absent)}, but {', '.join(members)}")
                    arrays = [_array(archive, members[name], path) for name in self.names]
            except _DAMAGED as error:
                raise ValueError(f"{path!r}: no whole NPZ file, read up to offset {file.tell()}: {error}") from error
        super().__init__(*arrays)


def _array(archive: zipfile.ZipFile, member: zipfile.ZipInfo, path: str) -> np.ndarray[Any, Any]:
    """The array of a member of the archive."""
    where = f"{path!r}: {member.filename} at offset {member.header_offset}"
    if member.file_size > MOST_DEFLATED * (member.compress_size + 1):
        raise ValueError(f"{where} declares {member.file_size} bytes, which {member.compress_size} cannot hold")
    with archive.open(member) as file:
        try:
            version = np.lib.format.read_magic(file)
            readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
            shape, fortran, dtype = readers[version](file)
        except (ValueError, KeyError) as error:
            raise ValueError(f"{where} is no array of numbers as NumPy writes it: {error}") from error
        if dtype.hasobject:
            raise ValueError(f"{where} holds Python objects, a pickle, which may run any code: it is not read")
        start, size = file.tell(), math.prod(shape) * dtype.itemsize
        if start + size != member.file_size:
            raise ValueError(f"{where} has {member.file_size - start} bytes for {dtype} {shape}, which are {size}")
        content = whole(file, where, start, size)  # type: ignore[arg-type]
    return np.frombuffer(content, dtype).reshape(shape, order="F" if fortran else "C")


class CSV(TensorDataset):
    """A table of numbers, as the arrays (rows, columns) and, if `target` is given, (rows,): what is to be predicted.

    `target` is the name or the number of its column, -1 being the last. Its numbers are int64 if all of them are whole,
    or else as the others in `dtype`; texts are names of classes, which are numbered in the order of `classes`, sorted.
    `columns` are the names in the first line, unless `header` is False. ValueError, with the file and the line, for
    a row of another length and a field that is no number.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with open(folder + "/flowers.csv", "w") as file:
    ...         _ = file.write("length,width,kind\\n1.5,0.5,iris\\n2.5,1.0,aster\\n")
    ...     flowers = CSV(folder + "/flowers.csv", target="kind")
    >>> flowers[0], flowers.classes
    ((Tensor([1.5, 0.5], dtype=float32), Tensor(1)), ['aster', 'iris'])
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        target: str | int | None = None,
        *,
        delimiter: str = ",",
        header: bool = True,
        dtype: DTypeLike = np.float32,
    ) -> None:
        path = os.fspath(path)
        self.columns, rows, labels = _table(path, target, delimiter, header)
        self.classes: list[str] = []
        numbers = np.array(rows, np.float64).reshape(-1, len(self.columns) - (target is not None)).astype(dtype)
        super().__init__(numbers, *([] if target is None else [self._targets(labels, numbers.dtype)]))

    def _targets(self, labels: list[str], dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
        try:
            numbers = np.array([float(label) for label in labels])
        except ValueError:
            self.classes = sorted(set(labels))
            places = {name: number for number, name in enumerate(self.classes)}
            return np.array([places[label] for label in labels], np.int64)
        whole = np.all(np.isfinite(numbers) & (numbers == np.rint(numbers)))
        return numbers.astype(np.int64 if whole else dtype)


def _table(
    path: str, target: str | int | None, delimiter: str, header: bool
) -> tuple[list[str], array[float], list[str]]:
    """The names of the columns, all numbers but for the target's, row after row, and the target's fields."""
    numbers, labels, columns, place = array("d"), list[str](), list[str](), -1
    with open(path, newline="", encoding="utf-8-sig") as file:
        lines = csv.reader(file, delimiter=delimiter, strict=True)
        try:
            for fields in lines:
                if not fields:  # an empty line
                    continue
                if not columns:
                    columns = fields if header else [str(i) for i in range(len(fields))]
                    place = _place(columns, target)
                    if header:
                        continue
                if len(fields) != len(columns):
                    raise ValueError(f"{len(fields)} fields, where there are {len(columns)} columns")
                if target is not None:
                    labels.append(fields.pop(place).strip())
                numbers.extend(map(float, fields))
        except (ValueError, csv.Error) as error:
            raise ValueError(f"{path!r}: line {lines.line_num}: {error}") from error
    if not columns:
        raise ValueError(f"{path!r}: is empty")
    return columns, numbers, labels


def _place(columns: list[str], target: str | int | None) -> int:
    """The number of the target's column."""
    if target is None:
        return -1
    if isinstance(target, str) and target in columns:
        return columns.index(target)
    if isinstance(target, int) and not isinstance(target, bool) and -len(columns) <= target < len(columns):
        return target
    raise ValueError(f"there is no column {target!r}, but {', '.join(columns)}")
