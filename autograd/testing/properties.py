"""What every gradient keeps, of whatever library, whatever the function: checks of a case on arrays alone."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from .case import Case, size_of


def linear_in_the_cotangent(case: Case) -> None:
    """The gradient of 2 g - 3 h is that of g and h combined, and that of 0 is 0."""
    first, second = case.gradients(case.arrays, case.g), case.gradients(case.arrays, case.h)
    both = case.gradients(case.arrays, 2 * case.g - 3 * case.h)
    for i, a, b, c in zip(case.asked, first, second, both, strict=True):
        combined, tolerance = 2 * a - 3 * b, case.exact * (size_of(a) + size_of(b)) + 10 * case.eps
        what = "gradient of cotangent 2 g - 3 h"
        case.compare(what, c, "combined from those of g and h", combined, tolerance, i)
    zeros = [np.zeros_like(x) for x in first]
    case.same("gradient of a zero cotangent", case.gradients(case.arrays, 0 * case.g), "it must be", zeros)


def layouts(case: Case) -> None:
    """Arrays and cotangents that lie otherwise in memory have the same values and gradients."""
    expected = case.gradients(case.arrays, case.g)
    for name, laid in LAYOUTS.items():
        arrays, g = [laid(x) for x in case.arrays], laid(case.g)
        case.compare(f"value in {name}", case.value(arrays), "in C order", case.out, case.exact * size_of(case.out))
        case.same(f"gradient in {name}", case.gradients(arrays, g), "in C order", expected)
    flat = np.broadcast_to(case.g.dtype.type(0.75), case.g.shape)
    expected = case.gradients(case.arrays, flat.copy())
    case.same("gradient of a cotangent of zero strides", case.gradients(case.arrays, flat), "of its copy", expected)


def _gaps(x: Any) -> Any:
    room = np.zeros([2 * n for n in x.shape], x.dtype)
    room[(slice(None, None, 2),) * x.ndim] = x
    return room[(slice(None, None, 2),) * x.ndim]


LAYOUTS: dict[str, Callable[[Any], Any]] = {
    "Fortran order": lambda x: np.array(x, order="F"),
    "negative strides": lambda x: np.flip(np.flip(x).copy()),
    "memory with gaps": _gaps,
}


def unchanged_and_unshared(case: Case) -> None:
    """Nothing given is changed, runs agree to the bit, and gradients share no memory with anything."""
    arrays, g = [x.copy() for x in case.arrays], case.g.copy()
    held = {case.names[i]: x for i, x in enumerate(arrays)} | {"the cotangent": g}
    before = {name: x.copy() for name, x in held.items()}
    out = case.value(arrays)
    case.compare("value of a second run", case.value(arrays), "of the first", out, 0)
    gradients = case.gradients(arrays, g)
    for name, x in held.items():
        case.compare(f"{name} after a backward pass", x, "before it", before[name], 0)
    kept = [grad.copy() for grad in gradients]
    runs = [case.gradients(arrays, g) for _ in range(2)]
    for run in (*runs, gradients):
        case.same("gradient of a second run", run, "of the first", kept, 0)
    for i, grad in zip(case.asked, gradients, strict=True):
        others = {f"the gradient of {case.names[j]}": x for j, x in zip(case.asked, gradients, strict=True) if j != i}
        others |= held | {f"the gradient of {case.names[i]} in a later run": runs[0][case.asked.index(i)]}
        for name, x in others.items():
            if np.shares_memory(grad, x):
                case.failure(f"gradient shares its memory with {name}", i)


def one_array_twice(case: Case) -> None:
    """One array given for two arguments has the gradients of two equal ones."""
    for i, j, arrays in twice(case):
        with np.errstate(all="ignore"):
            try:
                expected = case.gradients([x.copy() for x in arrays], case.g)
            except Exception:
                continue  # what one argument may be, the other may not
            what = f"gradient where {case.names[i]} and {case.names[j]} are one array"
            case.same(what, case.gradients(arrays, case.g), "where they are equal", expected)


def twice(case: Case) -> Iterator[tuple[int, int, list[Any]]]:
    """Pairs of arguments that could be one, and the arrays where they are."""
    for i, j in itertools.combinations(case.asked, 2):
        if case.arrays[i].shape == case.arrays[j].shape and case.arrays[i].dtype == case.arrays[j].dtype:
            yield i, j, [case.arrays[j] if k == i else x for k, x in enumerate(case.arrays)]


PROPERTIES = (unchanged_and_unshared, linear_in_the_cotangent, layouts, one_array_twice)
