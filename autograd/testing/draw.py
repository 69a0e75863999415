"""What strategies draw with: arrays of safe entries, shapes, axes, indices and options.

Entries come from a grid of multiples of 1/8: they are few, well spread, exact in float32, clear of kinks,
and read easily in a shrunk example.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np

from ..core.primitive import AnyForm, Primitive
from ..core.types import Array, DTypeLike, Index

Shape = tuple[int, ...]
Choice = TypeVar("Choice")


def hypothesis() -> Any:
    """The Hypothesis library; ImportError with what to install where it is missing."""
    try:
        import hypothesis.extra.numpy
        import hypothesis.strategies
    except ImportError as error:
        raise ImportError("this check draws its examples with Hypothesis: pip install pullback[testing]") from error
    return hypothesis


def arguments(primitive: Primitive[AnyForm], complex: bool = False) -> Any:
    """A strategy for `(arrays, options)` to apply `primitive` to, made from its `.strategy`; ValueError without one.

    With `complex` some of the arrays are complex, their entries turned from the real ones that are drawn.
    """
    samples = primitive.samples
    if samples is None:
        raise ValueError(
            f"{primitive.name}: no strategy for its arguments; give arrays, or say how to draw them and its options: "
            f"{primitive.name}.strategy(lambda draw: (({'draw.array(), ' * len(primitive.arrays)}), {{}}))"
        )

    def sample(draw: Draw) -> tuple[tuple[Any, ...], dict[str, Any]]:
        arrays, options = samples(draw)
        return tuple(arrays), options

    return drawn(sample, complex)


def drawn(sample: Callable[[Draw], Any], complex: bool = False) -> Any:
    """The strategy of what `sample` draws, each example anew.

    Five of six examples Hypothesis makes of one before, by repeating a part of it. It leaves alone what is in a
    collection of entries that differ: as the one entry of such a collection the example is drawn here.
    """
    strategies = hypothesis().strategies
    example = strategies.composite(lambda draw: sample(Draw(draw, complex)))()
    return strategies.lists(example, min_size=1, max_size=1, unique_by=id).map(lambda only: only[0])


def _grid(domain: tuple[float, float], kinks: Sequence[float], count: int) -> list[float]:
    """Multiples of 1/8 (or finer, if there must be `count`) in `domain`, not near `kinks`, the simplest first."""
    low, high = domain
    parts = 8
    while True:
        near = 0.5 / parts
        points = (i / parts for i in range(math.ceil(low * parts), math.floor(high * parts) + 1))
        values = [v for v in points if all(abs(v - kink) > near for kink in kinks)]
        if len(values) >= count:
            return sorted(values, key=lambda v: (float(v).as_integer_ratio()[1], abs(v), v < 0))
        parts *= 2


class Draw:
    """What a primitive's strategy draws with: arrays of safe entries, shapes, axes, indices and options.

    >>> def strategy(draw):
    ...     x = draw.array()
    ...     return (x,), {"axis": draw.axes(x.ndim), "keepdims": draw.flag()}
    """

    def __init__(self, draw: Callable[[Any], Any], complex: bool = False) -> None:
        library = hypothesis()
        self._draw, self._st, self._numpy, self._complex = draw, library.strategies, library.extra.numpy, complex

    def shape(self, min_dims: int = 0, max_dims: int = 3, min_side: int = 0, max_side: int = 3) -> Shape:
        """A shape; where a side may be 0, one sometimes is."""
        sides = [self.integer(max(min_side, 1), max_side) for _ in range(self.integer(min_dims, max_dims))]
        if sides and not min_side and self.sometimes():
            sides[self.axis(len(sides))] = 0
        return tuple(sides)

    def broadcastable(self, n: int, max_dims: int = 3) -> tuple[Shape, ...]:
        """`n` shapes that broadcast together."""
        whole = self.shape(max_dims=max_dims)
        return tuple(whole if n == 1 or self.flag() else self._narrowed(whole) for _ in range(n))

    def _narrowed(self, shape: Shape) -> Shape:
        return tuple(1 if self.flag() else side for side in shape[self.integer(0, len(shape)) :])

    def array(
        self,
        shape: Shape | None = None,
        domain: tuple[float, float] = (-3.0, 3.0),
        distinct: bool = False,
        kinks: Sequence[float] = (),
        dtype: DTypeLike | None = None,
    ) -> Array:
        """An array of `shape` (None: any) with entries from `domain`, not near `kinks`; `distinct`: all different, else
        sometimes all the same.

        Its `dtype` (None) is float64 or, where complex numbers are asked for, perhaps complex128: then every
        entry is turned by less than an eighth of a circle.
        """
        shape = self.shape() if shape is None else shape
        grid = _grid(domain, kinks, 2 * math.prod(shape) if distinct else 1)
        grid = grid if distinct or not self.sometimes() else grid[:1]
        x = self._entries(grid, shape, dtype or np.float64, unique=distinct)
        turned = dtype is None and self._complex and self.one_of([False, True, True])
        return x * np.exp(1j * self._entries([0.5, -0.25, -0.7], shape, np.float64)) if turned else x

    def _entries(self, choices: Sequence[float], shape: Shape, dtype: Any, unique: bool = False) -> Any:
        elements = self._st.sampled_from(choices)
        return self._draw(self._numpy.arrays(dtype, shape, elements=elements, fill=self._st.nothing(), unique=unique))

    def entries(
        self, domains: Sequence[tuple[float, float]], kinks: Sequence[float] = (), dtype: DTypeLike | None = None
    ) -> tuple[Array, ...]:
        """Arrays that broadcast together, one for each of `domains`."""
        shapes = self.broadcastable(len(domains))
        return tuple(
            self.array(shape, domain, kinks=kinks, dtype=dtype) for shape, domain in zip(shapes, domains, strict=True)
        )

    def axis(self, ndim: int) -> int:
        """One of `ndim` axes, as a non-negative number."""
        return self.integer(0, ndim - 1)

    def axes(self, ndim: int) -> tuple[int, ...]:
        """Some of `ndim` axes, perhaps none, in ascending order."""
        return tuple(a for a in range(ndim) if self.flag())

    def permutation(self, n: int) -> tuple[int, ...]:
        """The numbers below `n`, in any order."""
        return tuple(self._draw(self._st.permutations(range(n))))

    def flag(self) -> bool:
        return self._draw(self._st.booleans())

    def sometimes(self) -> bool:
        """True once in six times."""
        return self.one_of([False] * 5 + [True])

    def integer(self, low: int, high: int) -> int:
        """A number from `low` to `high`, both included."""
        return self.one_of(range(low, high + 1))

    def one_of(self, choices: Sequence[Choice]) -> Choice:
        return self._draw(self._st.sampled_from(choices))

    def integers(self, shape: Shape, low: int, high: int) -> Array:
        """An integer array with entries from `low` to `high`, both included."""
        return self._draw(self._numpy.arrays(np.intp, shape, elements=self._st.integers(low, high)))

    def mask(self, shape: Shape) -> Array:
        """A bool array."""
        return self._draw(self._numpy.arrays(np.bool_, shape))

    def index(self, shape: Shape) -> Index:
        """An index into an array of `shape`: basic, integer arrays (with repeats), a mask, or these mixed."""
        kind = self.one_of(["basic", "integers", "mask", "mixed"])
        if kind == "basic":
            return self._draw(self._numpy.basic_indices(shape, allow_newaxis=True))
        if kind == "integers":
            return tuple(self.integers(together, -n, n - 1) for together in [self.shape(max_dims=2)] for n in shape)
        if kind == "mask":
            return self.mask(shape[: self.integer(1, len(shape))])
        return self._mixed(shape)

    def _mixed(self, shape: Shape) -> tuple[Any, ...]:
        together = (self.integer(1, 3),)
        parts: list[Any] = []
        for n in shape:
            kind = self.one_of(["slice", "integers", "number", "newaxis"])
            if kind == "newaxis":
                parts.append(None)
            if kind == "integers":
                parts.append(self.integers(together, -n, n - 1))
            elif kind == "number":
                parts.append(self.integer(-n, n - 1))
            else:
                parts.append(self._draw(self._st.slices(n)))
        if self.flag():
            parts.insert(self.integer(0, len(parts)), ...)
        return tuple(parts)
