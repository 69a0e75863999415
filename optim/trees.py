"""Nests of data as JSON, with their arrays beside it, so that all comes back as it was."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np

from ..autograd import Tensor
from ..extend import raw

__all__ = ["decode", "encode"]

_EXACT = 2**53  # up to which every reader of JSON keeps integers
_NATIVE = frozenset(np.dtype(code) for code in "?bBhHiIlLqQefdF")  # what the format of arrays has

Arrays = dict[str, np.ndarray[Any, Any]]


def encode(tree: object) -> tuple[Any, Arrays]:
    """Return a nest of data as what JSON has, and its arrays by the names that this gives them.

    Data are None, bools, numbers, strings, bytes, lists, tuples, dicts (with any keys that are data), NumPy's scalars
    and arrays of any dtype but objects, and Tensors without their graph. What JSON lacks becomes a dict of one key
    that begins with a dollar sign. TypeError for anything else, ValueError for a nest too deep, or inside itself.

    >>> encode({"a": (1, np.zeros(3)), "b": {0: math.inf}})
    ({'a': {'$tuple': [1, {'$array': 'a/1'}]}, 'b': {'$dict': [[0, {'$float': 'inf'}]]}}, {'a/1': array([0., 0., 0.])})
    """
    arrays: Arrays = {}
    try:
        return _encoded(tree, "", arrays), arrays
    except RecursionError:
        raise ValueError("cannot be saved: the nest is too deep, or holds itself") from None


def decode(value: Any, arrays: Arrays) -> Any:
    """Return the nest of which `encode` gave this value and these arrays."""
    if isinstance(value, list):
        return [decode(entry, arrays) for entry in value]
    if not isinstance(value, dict):
        return value
    tag: str = next(iter(value), "")
    content: Any = value.get(tag)
    match tag:
        case "$int":
            return int(content, 16)
        case "$float":
            return float(content)
        case "$complex":
            return complex(*decode(content, arrays))
        case "$bytes":
            return bytes.fromhex(content)
        case "$tuple":
            return tuple(decode(content, arrays))
        case "$dict":
            return {key: entry for key, entry in decode(content, arrays)}
        case "$tensor":
            return Tensor(decode(content, arrays))
        case "$array" if "dtype" in value:
            return np.ndarray(value["shape"], _dtype(value, arrays), arrays[content])
        case "$array":
            return arrays[content]
        case "$scalar":
            return np.ndarray((), _dtype(value, arrays), bytes.fromhex(content))[()]
    return {key: decode(entry, arrays) for key, entry in value.items()}


def _encoded(value: Any, place: str, arrays: Arrays) -> Any:
    kind = type(value)
    if value is None or kind in (bool, str):
        return value
    if kind is int:
        return value if abs(value) <= _EXACT else {"$int": hex(value)}
    if kind is float:
        return value if math.isfinite(value) else {"$float": repr(value)}
    if kind is complex:
        return {"$complex": [_encoded(part, place, arrays) for part in (value.real, value.imag)]}
    if kind is bytes:
        return {"$bytes": value.hex()}
    if kind in (list, tuple):
        entries = [_encoded(entry, _below(place, i), arrays) for i, entry in enumerate(value)]
        return entries if kind is list else {"$tuple": entries}
    if isinstance(value, dict):
        if all(type(key) is str and key[:1] != "$" for key in value):
            return {key: _encoded(entry, _below(place, key), arrays) for key, entry in value.items()}
        pairs = [[_encoded(k, place, arrays), _encoded(v, _below(place, k), arrays)] for k, v in value.items()]
        return {"$dict": pairs}
    if isinstance(value, Tensor):
        return {"$tensor": _encoded(np.asarray(raw(value)), place, arrays)}
    if kind is np.ndarray:
        return _array(value, place, arrays)
    if isinstance(value, np.generic):
        return {"$scalar": value.tobytes().hex(), "dtype": _description(value.dtype, place, arrays)}
    raise TypeError(f"cannot be saved: {place or 'this'} is a {kind.__name__}{_instead(value)}")


def _array(array: np.ndarray[Any, Any], place: str, arrays: Arrays) -> dict[str, Any]:
    """An array as it is, if the format has its dtype, else as its bytes."""
    places = (place if i == 0 else f"{place}#{i}" for i in itertools.count())
    name = next(n for n in places if n not in arrays)
    if array.dtype in _NATIVE:  # and in the byte order of this machine
        arrays[name] = array
        return {"$array": name}
    description = _description(array.dtype, place, arrays)
    arrays[name] = np.frombuffer(array.tobytes(), np.uint8)
    return {"$array": name, "dtype": description, "shape": array.shape}


def _description(dtype: np.dtype[Any], place: str, arrays: Arrays) -> Any:
    if dtype.hasobject or dtype.isbuiltin == 2:
        what = f"{place or 'this'} has dtype {dtype}"
        raise TypeError(f"cannot be saved: {what}, which holds objects, or is not NumPy's own")
    return _encoded(np.lib.format.dtype_to_descr(dtype), place, arrays)


def _dtype(value: dict[str, Any], arrays: Arrays) -> np.dtype[Any]:
    dtype = np.lib.format.descr_to_dtype(decode(value["dtype"], arrays))
    if dtype.hasobject:
        raise ValueError("an array of objects is no data")
    return dtype


def _below(place: str, key: object) -> str:
    """The place of an entry, in letters that all readers take."""
    name = key if isinstance(key, str) else repr(key)
    name = name.encode("utf-8", "backslashreplace").decode()
    return f"{place}/{name}" if place else name


def _instead(value: object) -> str:
    if isinstance(value, np.ndarray):
        return "; write numpy.asarray(it), if that keeps all of it"
    if isinstance(value, (set, frozenset)):
        return "; write a sorted list"
    if hasattr(value, "_asdict"):
        return "; write it._asdict()"
    if hasattr(value, "state_dict"):
        return "; write it.state_dict()"
    return ", no data (dict, list, tuple, str, bytes, number, bool, None, array)"
