"""PyTorch's words for arguments, where NumPy has others: `dim` for `axis`, `keepdim` for `keepdims`.

They are translated where a function of NumPy's means the same by them. Where PyTorch's function of that name gives
something else they are refused, and the error says what to write.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from .tensor import Tensor

__all__ = ["CLASHES", "WORDS", "are_numpys", "dtype_of_target", "translated"]

WORDS = {  # PyTorch's -> NumPy's, of which a function has one
    "dim": ("axis",),
    "dims": ("axis", "axes", "reps"),
    "keepdim": ("keepdims",),
    "dim1": ("axis1",),
    "dim2": ("axis2",),
    "shifts": ("shift",),
    "diagonal": ("k",),
}
_PLACES = {"input": 0, "tensors": 0, "other": 1}  # PyTorch's names of a function's first arguments
_REFUSED = frozenset(("dim", "keepdim", "dim0", "as_tuple", "unbiased", "split_size_or_sections"))  # in what clashes

_PAIRS = (
    "gives pairs of values and positions in PyTorch; write {name}(axis={dim}) for the values and arg{name}(axis={dim}) "
    "for the positions"
)
_MEDIAN = (
    "gives pairs of values and positions in PyTorch, and the lower of two middle values; write {name}(axis={dim}), or "
    "{quantile}(x, 0.5, axis={dim}, method='lower')"
)
_DIVISOR = (
    "divides by n - 1 in PyTorch and by n in NumPy; write {name}(axis={dim}, ddof=1), or ddof=0 for NumPy's divisor"
)
CLASHES = {  # what means something else in PyTorch -> what is said where it is called by PyTorch's words
    "max": _PAIRS,
    "min": _PAIRS,
    "sort": "gives pairs of values and positions in PyTorch; write sort(x, axis={dim}) and argsort(x, axis={dim})",
    "median": _MEDIAN.replace("{quantile}", "quantile"),
    "nanmedian": _MEDIAN.replace("{quantile}", "nanquantile"),
    "std": _DIVISOR,
    "var": _DIVISOR,
    "split": "takes the length of each part in PyTorch, and the number of parts, or places, in NumPy; write "
    "split_with_sizes(x, lengths, dim={dim}) or chunk(x, parts, dim={dim})",
    "repeat": "repeats the whole in PyTorch, and each entry in NumPy; write tile(x, times) for the one and "
    "repeat(x, times, axis={dim}) or repeat_interleave for the other",
    "nonzero": "gives a row for each entry in PyTorch, which argwhere(x) does, and a tuple for all axes in NumPy",
    "transpose": "exchanges two axes in PyTorch, and takes all axes in NumPy; write swapaxes(x, axis1, axis2)",
}


def translated(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments of a call with PyTorch's words in NumPy's; TypeError for a word by which PyTorch means something
    else, or where two words are given for one thing."""
    names, name = _names(function), getattr(function, "__name__", "this function")
    found: dict[str, Any] = {}
    for word, value in kwargs.items():
        own = word if word in names else next((known for known in WORDS.get(word, ()) if known in names), word)
        if name in CLASHES and word in _REFUSED and word not in names and not kwargs.keys() & {"ddof", "correction"}:
            said = CLASHES[name].format(name=name, dim=kwargs.get("dim", "..."))
            raise TypeError(f"{name}: with {word}= it {said}")
        if own is not word and own in kwargs:
            raise TypeError(f"{name}: {word}= and {own}= are two words for one thing; write one of them")
        if word not in names and _PLACES.get(word) == len(args):
            args = (*args, value)
        else:
            found[own] = value
    return args, found


are_numpys = _REFUSED.union(WORDS, _PLACES).isdisjoint  # whether there is nothing to translate, asked of a call's words


@functools.lru_cache(1024)
def _names(function: Callable[..., Any]) -> tuple[str, ...]:
    """The names of a function's arguments, of which none is known of some of NumPy's."""
    try:
        return tuple(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return ()


def dtype_of_target(target: tuple[Any, ...], dtype: Any = None, device: Any = None) -> Any:
    """The dtype that `to(*target)` asks for, or None: of a dtype, a device, both or a Tensor. ValueError for a device
    other than "cpu"; TypeError for what is none of them."""
    for given in target:
        if given is None or is_device(given):
            continue
        elif isinstance(given, (Tensor, np.ndarray)):
            dtype = given.dtype
        elif isinstance(given, (str, type, np.dtype)):
            dtype = given
        else:
            raise TypeError(f"to: {given!r} is no dtype, device or Tensor")
    return None if dtype is None else np.dtype(dtype)


def is_device(given: object) -> bool:
    """Whether this names a device rather than a dtype."""
    return isinstance(given, str) and not _is_dtype(given)


def _is_dtype(name: str) -> bool:
    try:
        np.dtype(name)
    except TypeError:
        return False
    return True
