"""Arrays of files that are mapped into memory: another process maps the file for itself, and nothing is copied."""

from __future__ import annotations

import mmap
import os
from multiprocessing.reduction import ForkingPickler
from typing import Any

import numpy as np

from ...autograd import Tensor, asarray
from ...extend import Array, raw


class MappingPickler(ForkingPickler):
    """What pickles for another process of this machine: an array that a file holds as its place in that file.

    What that process writes into it stays its own, as with a copy.
    """

    def reducer_override(self, value: Any) -> Any:
        """How to make the value again; NotImplemented: as other pickles do."""
        if type(value) is Tensor and not value.requires_grad and value.grad is None:
            return NotImplemented if _file_of(raw(value)) is None else (asarray, (raw(value),))
        whole = _file_of(value)
        if whole is None or min(value.strides, default=0) < 0:
            return NotImplemented
        start = whole.offset + _address(value) - _address(whole)
        return _mapped, (whole.filename, whole.mode, start, value.shape, value.dtype, value.strides)


def _file_of(array: Any) -> Any:
    """The memmap, of a file that is still there, that an array is of; None if it is of none."""
    while isinstance(array, np.ndarray) and not isinstance(array.base, mmap.mmap):
        array = array.base
    if not isinstance(array, np.memmap) or array.mode == "c" or array.filename is None:  # "c": not what the file has
        return None
    return array if os.path.exists(array.filename) else None


def _address(array: Array) -> int:
    address: int = array.__array_interface__["data"][0]
    return address


def _mapped(
    filename: str, mode: str, start: int, shape: tuple[int, ...], dtype: np.dtype[Any], strides: tuple[int, ...]
) -> Array:
    """The array at a place of a file."""
    reach = dtype.itemsize + sum((length - 1) * stride for length, stride in zip(shape, strides, strict=True))
    content = np.memmap(filename, np.uint8, "r" if mode == "r" else "c", start, (reach if np.prod(shape) else 0,))
    return np.ndarray(shape, dtype, content, 0, strides)
