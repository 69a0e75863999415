"""Weights on disk, in the safetensors format: arrays by name, never code."""

from __future__ import annotations

import itertools
import json
import os
import stat
import struct
import zipfile
from collections.abc import Iterable, Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ..autograd import Tensor
from ..extend import ArrayLike, moved, raw
from .atomic_files import put_in_place, remove_left, temporary
from .module import Module

__all__ = ["load", "save"]


_CODES = {"b": "BOOL", "i": "I", "u": "U", "f": "F", "c": "C"}  # by the kind of dtype; all but bools with their bits
_HEADER = 100_000_000  # bytes that readers take


def save(state: Module | Mapping[str, ArrayLike], path: str | os.PathLike[str]) -> None:
    """Write a module's weights, or any arrays or Tensors by name, to a safetensors file.

    The file appears whole or not at all: until the new one is on disk the old one stays, whose mode the new one has.
    TypeError for a name that is not a string or a dtype that the format lacks, ValueError for names that it lacks
    (`"__metadata__"`, no Unicode, or too long in all) and where `path` is no ordinary file, such as a device.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save({"weight": Tensor([1.0, 2.0])}, folder + "/w.safetensors")
    ...     load(folder + "/w.safetensors")
    {'weight': array([1., 2.])}
    """
    content = pieces(state.state_dict() if isinstance(state, Module) else state)
    target = Path(os.path.realpath(path))  # a link stays a link
    mode = _mode("save", target) if target.exists() else None
    prefix = f".{blake2b(os.fsencode(target.name), digest_size=8).hexdigest()}."  # however long the target's name is
    remove_left(target.parent, prefix)
    with temporary(target.parent, prefix) as file:
        for piece in content:
            file.write(piece)
        put_in_place(file, target, mode)


def load(path: str | os.PathLike[str]) -> dict[str, np.ndarray[Any, Any]]:
    """Read the arrays of a safetensors file by name, to be given to `load_state_dict`.

    bfloat16, which NumPy lacks, becomes float32, with the same values; all else is in the dtype that it was written in,
    and `load_state_dict` casts to those of the model. Of an index of several files, as `model.safetensors.index.json`,
    all of them are read.
    FileNotFoundError if there is no such file, ValueError if it is not a whole safetensors file and nothing else (for a
    pickle of PyTorch it says how to convert it), or if an index and its files do not agree. Memory is taken for no more
    than is in the file.
    """
    try:
        from safetensors import safe_open
    except ImportError as error:
        raise ImportError("nn.load needs the safetensors library: pip install pullback[train]") from error
    path = os.fsdecode(path)
    _mode("load", path)
    if path.endswith(".json"):
        return _load_parts(path)
    try:
        with safe_open(path, framework="np", backend="pread") as file:
            halves = [name for name in file.offset_keys() if file.get_slice(name).get_dtype() == "BF16"]
            if not halves:
                return dict(file.get_tensors())
            widened = _widened(path, halves)
            return {name: widened[name] if name in widened else file.get_tensor(name) for name in file.offset_keys()}
    except (OSError, MemoryError):
        raise
    except (TypeError, AttributeError) as error:  # of the dtype's name
        raise ValueError(f"load: {path!r} holds an array of a dtype which NumPy lacks: {error}") from error
    except Exception as error:
        size = os.path.getsize(path)
        what = _foreign(path) or str(error)
        raise ValueError(f"load: {path!r} ({size} bytes) is not a whole safetensors file: {what}") from error


def pieces(state: Mapping[str, ArrayLike], **texts: str) -> Iterable[bytes | memoryview]:
    """The bytes of a file of arrays, piece by piece, with texts about them; errors, as of `save`, come at once."""
    arrays = _arrays(state)
    header = _header(arrays, texts)
    start = struct.pack("<Q", len(header)) + header
    return itertools.chain([start], map(_bytes, arrays.values()))  # one at a time


def texts(path: str | os.PathLike[str]) -> dict[str, str]:
    """The texts about a whole file."""
    with open(path, "rb") as file:
        return _entries(file).get("__metadata__", {})


def _bytes(array: np.ndarray[Any, Any]) -> memoryview:
    """An array as it stands in the file, copied only if it lies otherwise in memory."""
    little = np.asarray(array, array.dtype.newbyteorder("<"), order="C")
    return little.reshape(-1).view(np.uint8).data


def _entries(file: BinaryIO) -> dict[str, Any]:
    """The header of a whole file, whose data come next."""
    (length,) = struct.unpack("<Q", file.read(8))
    return json.loads(file.read(length))


def _widened(path: str, names: list[str]) -> dict[str, np.ndarray[Any, Any]]:
    """The bfloat16 arrays of a whole file as float32, of whose bits they are the upper half."""
    with open(path, "rb") as file:
        entries, first = _entries(file), file.tell()
        arrays = {}
        for name in names:
            shape, (start, end) = entries[name]["shape"], entries[name]["data_offsets"]
            file.seek(first + start)
            upper = np.fromfile(file, "<u2", (end - start) // 2).astype(np.uint32)
            arrays[name] = np.left_shift(upper, 16, out=upper).view(np.float32).reshape(shape)
    return arrays


def _load_parts(path: str) -> dict[str, np.ndarray[Any, Any]]:
    """The arrays of all files of an index, which says in which file each is."""
    try:
        places = json.loads(Path(path).read_bytes())["weight_map"]
        files = sorted(set(places.values()))
        foreign = [file for file in files if not file or os.path.basename(file) != file or file.endswith(".json")]
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"load: {path!r} is not an index of safetensors files, with a weight_map") from error
    if foreign:
        raise ValueError(f"load: {path!r} names {foreign[0]!r}, which is no file beside it")
    arrays: dict[str, np.ndarray[Any, Any]] = {}
    for file in files:
        part = load(os.path.join(os.path.dirname(path), file))
        expected = {name for name, place in places.items() if place == file}
        for what, names in (("lacks", expected - part.keys()), ("also holds", part.keys() - expected)):
            if names:
                raise ValueError(f"load: of what {path!r} says, {file!r} {what} {', '.join(sorted(names))}")
        arrays |= part
    return {name: arrays[name] for name in places}


def _foreign(path: str) -> str:
    """What a file is, where it is of another kind that is known, and how to read it."""
    with open(path, "rb") as file:
        start = file.read(6)
    if start == b"\x93NUMPY":
        return "it is an array of NumPy's, which np.load reads"
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
        if names and all(name.endswith(".npy") for name in names):
            return "it holds arrays of NumPy's, which np.load reads"
        pickled = any(name.endswith("data.pkl") for name in names)
    else:
        pickled = start[:1] == b"\x80" and start[1:2] in b"\2\3\4\5" and start[1:2] != b""
    if not pickled:
        return ""
    target = os.path.splitext(path)[0] + ".safetensors"
    return (
        "it is a pickle, which may run any code when it is read. To convert one that torch.save wrote of a state_dict, "
        "run, where PyTorch is: import torch; from safetensors.torch import save_file; "
        f"state = torch.load({path!r}, map_location='cpu', weights_only=True); "
        f"save_file({{k: v.clone().contiguous() for k, v in state.items()}}, {target!r})"
    )


def _arrays(state: Mapping[str, Any]) -> dict[str, np.ndarray[Any, Any]]:
    """The arrays of a state that the format has, the largest entries first, so that all are aligned."""
    arrays = {}
    for name, value in state.items():
        if not isinstance(name, str):
            raise TypeError(f"save: names must be strings, not {name!r}")
        if name == "__metadata__":
            raise ValueError("save: '__metadata__' names no array in the format, but texts about the file")
        array = np.asarray(moved(raw(value) if isinstance(value, Tensor) else value, "cpu"))
        kind, bits = array.dtype.kind, 8 * array.dtype.itemsize
        if not (kind in "biuf" and bits <= 64 or kind == "c" and bits == 64):
            raise TypeError(f"save: {name!r} has dtype {array.dtype}, which the format lacks")
        arrays[name] = array
    return dict(sorted(arrays.items(), key=lambda item: (-item[1].dtype.itemsize, item[0])))


def _header(arrays: Mapping[str, np.ndarray[Any, Any]], texts: Mapping[str, str]) -> bytes:
    """What says where in the file each array is."""
    entries: dict[str, Any] = {"__metadata__": texts} if texts else {}
    end = 0
    for name, array in arrays.items():
        code = _CODES[array.dtype.kind] + (str(8 * array.dtype.itemsize) if array.dtype.kind != "b" else "")
        entries[name] = {"dtype": code, "shape": array.shape, "data_offsets": (end, end + array.nbytes)}
        end += array.nbytes
    try:
        text = json.dumps(entries, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"save: a name holds {error.object[error.start]!r}, which is no Unicode text") from None
    text += b" " * (-len(text) % 8)
    if len(text) > _HEADER:
        raise ValueError(f"save: names and shapes take {len(text)} bytes, of which readers take {_HEADER}")
    return text


def _mode(action: str, path: str | os.PathLike[str]) -> int:
    """The mode of an ordinary file; IsADirectoryError or ValueError for what is none (a FIFO would wait for ever)."""
    mode = os.stat(path).st_mode
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(f"{action}: {os.fspath(path)!r} is a folder")
    if not stat.S_ISREG(mode):
        raise ValueError(f"{action}: {os.fspath(path)!r} is a device, FIFO or socket, not an ordinary file")
    return stat.S_IMODE(mode)
