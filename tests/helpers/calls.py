"""What a sample call of a function of NumPy's is, and the arrays that such calls share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import reduce
from typing import Any

import numpy as np


class Call:
    """A call of a function, and the named arrays in which it is differentiable."""

    def __init__(self, run: Callable[..., Any], **arrays: Any):
        self.run, self.arrays = run, {name: np.array(a) for name, a in arrays.items()}

    def __call__(self, function: Any, **arrays: Any) -> Any:
        return self.run(function, **{**self.arrays, **arrays})

    def given(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The arguments and the options that the function gets."""

        def function(*args: Any, **options: Any) -> Any:
            raise _Given(args, options)

        try:
            self(function)
        except _Given as given:
            return given.args  # type: ignore[return-value]
        raise AssertionError("the function is not called")


class _Given(Exception):
    """What a call gives to the function."""


def qualified(name: str) -> Any:
    """The function of a qualified name, or None where this NumPy lacks it."""
    return reduce(lambda found, part: getattr(found, part, None), name.split(".")[1:], np)


def flattened(value: Any) -> Iterator[Any]:
    """The parts of nested tuples and lists, but for None."""
    if isinstance(value, (tuple, list)):
        for part in value:
            yield from flattened(part)
    elif value is not None:
        yield value


def changed(x: Any, change: Callable[[Any], Any], *given: Any) -> Any:
    """A copy of x after a change in place, by what is given: it is a Tensor where one of them is."""
    y = sum((0 * np.ravel(v)[0] for v in given), x * 1)
    change(y)
    return y


def empty(shape: Any, *arrays: Any) -> Any:
    """What `out=` takes for a result of these arrays."""
    return sum(np.zeros_like(a, shape=shape) for a in arrays)


_rng = np.random.default_rng(3)


def entries(*shape: int, low: float = -2.0, high: float = 2.0) -> Any:
    """Distinct entries in random order, none at or near a multiple of 1/2."""
    size = int(np.prod(shape))
    steps = _rng.permutation(np.linspace(low, high, 3 * size + 2)[1:-1:3])
    near = np.abs(2 * steps - np.round(2 * steps)) < 0.1
    return (steps + 0.07 * near).reshape(shape)


A, B, C = entries(2, 3), entries(2, 3, low=-1.83), entries(2, 2, 3, high=2.13)
P, Q = entries(2, 3, low=0.3, high=3.2), entries(2, 3, low=0.37, high=3.1)
U = entries(2, 3, low=-0.9, high=0.9)
V, W, POINTS = entries(4), entries(4, low=-1.83), np.array([0.2, 0.9, 2.1, 3.3])
S = entries(3, 3) / 4 + np.diag([2.0, 3.5, 5.0])
SPD = S @ S.T + np.eye(3)
T = entries(2, 3, 3) / 4 + np.diag([2.0, 3.5, 5.0])
Z, Z2 = A + 1j * B, B - 1j * A
HOLES = np.where(np.arange(6).reshape(2, 3) % 4 == 1, np.nan, A)
MASK = np.array([[True, False, True], [True, True, False]])
INDEX = np.array([[0, 2, 2, 1], [1, 0, 1, 1]])
X0 = np.array(0.7)
