"""PyTorch's words for arguments, where NumPy has others: `dim` for `axis`, `keepdim` for `keepdims`.

They are translated where a function of NumPy's means the same by them. Where PyTorch's function of that name gives
something else, `dim` is refused, and the error says what to write.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

__all__ = ["CLASHES", "WORDS", "translated"]

WORDS = {"dim": "axis", "dims": "axis", "keepdim": "keepdims", "shifts": "shift"}  # PyTorch's -> NumPy's
_PLACES = {"input": 0, "other": 1}  # PyTorch's names of a function's first arguments
_PAIRS = "gives pairs of values and positions in PyTorch; write {0}(axis={1}) for the values and arg{0}(axis={1}) for"
_DIVISOR = "divides by n - 1 in PyTorch and by n in NumPy; write {0}(axis={1}, ddof=1) or {0}(axis={1}, ddof=0)"

CLASHES = {  # what means something else in PyTorch, where `dim` is given -> what is written instead
    "max": _PAIRS + " these",
    "min": _PAIRS + " these",
    "sort": "gives pairs of values and positions in PyTorch; write sort(x, axis={1}) and argsort(x, axis={1})",
    "median": "gives pairs of values and positions in PyTorch, and the lower of two middle values; write "
    "median(axis={1}), or quantile(0.5, axis={1}, method='lower')",
    "nanmedian": "gives pairs of values and positions in PyTorch, and the lower of two middle values; write "
    "nanmedian(axis={1}), or nanquantile(0.5, axis={1}, method='lower')",
    "std": _DIVISOR,
    "var": _DIVISOR,
    "split": "takes the length of each part in PyTorch, and the number of parts or places in NumPy; write "
    "split(x, range(length, x.shape[{1}], length), axis={1}), or chunk(x, parts, dim={1})",
    "repeat": "repeats the whole in PyTorch, and each entry in NumPy; write tile(x, times) or repeat(x, times, axis={1})",
    "unique": "sorts whole slices in PyTorch, too; write unique(axis={1})",
}


def translated(function: Callable[..., Any], kwargs: dict[str, Any]) -> dict[str, Any]:
    """Keyword arguments with PyTorch's words in NumPy's; TypeError for `dim` where PyTorch means something else by it,
    or where both words are given."""
    if _AT_ALL.isdisjoint(kwargs):
        return kwargs
    names, name = _names(function), getattr(function, "__name__", "this function")
    found = {}
    for word, value in kwargs.items():
        own = word
        if word not in names and word in WORDS and WORDS[word] in names:
            if name in CLASHES and word == "dim":
                raise TypeError(f"{name}: with dim= it " + CLASHES[name].format(name, value))
            own = WORDS[word]
        elif word not in names and word in _PLACES and len(names) > _PLACES[word]:
            own = names[_PLACES[word]]
        if own in found or own is not word and own in kwargs:
            raise TypeError(f"{name}: {word}= and {own}= are two words for one thing; write one of them")
        found[own] = value
    return found


_AT_ALL = frozenset((*WORDS, *_PLACES))


@functools.lru_cache(1024)
def _names(function: Callable[..., Any]) -> tuple[str, ...]:
    """The names of the arguments of a function, those first that can be given without."""
    try:
        return tuple(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return ()
