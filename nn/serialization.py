"""Weights on disk, in the safetensors format: arrays by name, never code."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..autograd import Tensor
from .module import Module


def save(state: Module | Mapping[str, Any], path: str | os.PathLike[str]) -> None:
    """Write a module's weights, or any arrays or Tensors by name, to a safetensors file.

    The file appears whole or not at all: until the new one is on disk the old one stays. TypeError for a name
    that is not a string or a dtype that the format lacks.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save({"weight": Tensor([1.0, 2.0])}, folder + "/w.safetensors")
    ...     load(folder + "/w.safetensors")
    {'weight': array([1., 2.])}
    """
    content = _library().save(_arrays(state.state_dict() if isinstance(state, Module) else state))
    target = Path(os.path.realpath(path))  # a link stays a link
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(8)}")
    try:
        with open(temporary, "xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


def load(path: str | os.PathLike[str]) -> dict[str, np.ndarray[Any, Any]]:
    """The arrays by name in a safetensors file, to be given to `load_state_dict`.

    FileNotFoundError if there is no such file, ValueError if it is not a whole safetensors file and nothing else.
    """
    library = _library()
    content = Path(path).read_bytes()
    try:
        return {name: array.copy() for name, array in library.load(content).items()}
    except KeyError as error:
        raise ValueError(f"load: {os.fspath(path)!r} holds an array of dtype {error}, which NumPy lacks") from None
    except Exception as error:
        raise ValueError(
            f"load: {os.fspath(path)!r} ({len(content)} bytes) is not a whole safetensors file: {error}"
        ) from error


def _arrays(state: Mapping[str, Any]) -> dict[str, np.ndarray[Any, Any]]:
    """The state in the one memory layout that the library writes rightly."""
    arrays = {}
    for name, value in state.items():
        if not isinstance(name, str):
            raise TypeError(f"save: names must be strings, not {name!r}")
        array = value.numpy() if isinstance(value, Tensor) else np.asarray(value)
        kind, bits = array.dtype.kind, 8 * array.dtype.itemsize
        if not (kind in "biuf" and bits <= 64 or kind == "c" and bits == 64):
            raise TypeError(f"save: {name!r} has dtype {array.dtype}, which the format lacks")
        arrays[name] = np.asarray(array, order="C")
    return arrays


def _library() -> Any:
    try:
        import safetensors.numpy
    except ImportError as error:
        raise ImportError("nn.save and nn.load need the safetensors library: pip install pullback[train]") from error
    return safetensors.numpy
