"""What may be written in a call of the primitives whose forms are made at run time, for type checkers and editors."""

from __future__ import annotations

from typing import Protocol

from .tensor import Tensor
from .types import Array, ArrayLike, Axis, DTypeLike

Out = Tensor | Array | tuple[Tensor | Array] | None


class Unary(Protocol):
    """A ufunc of one array."""

    def __call__(
        self, x: ArrayLike, /, *, out: Out = None, where: ArrayLike = True, dtype: DTypeLike | None = None
    ) -> Tensor: ...


class Binary(Protocol):
    """A ufunc of two arrays."""

    def __call__(
        self, a: ArrayLike, b: ArrayLike, /, *, out: Out = None, where: ArrayLike = True, dtype: DTypeLike | None = None
    ) -> Tensor: ...


class OfOne(Protocol):
    """A function of one array, without options."""

    def __call__(self, x: ArrayLike, /) -> Tensor: ...


class OfTwo(Protocol):
    """A function of two arrays, without options."""

    def __call__(self, a: ArrayLike, b: ArrayLike, /) -> Tensor: ...


class Reduction(Protocol):
    """A sum or the like of the entries along axes."""

    def __call__(
        self,
        x: ArrayLike,
        axis: Axis = None,
        dtype: DTypeLike | None = None,
        *,
        keepdims: bool = False,
        initial: ArrayLike | None = None,
        where: ArrayLike = True,
    ) -> Tensor: ...


class Along(Protocol):
    """A function of the entries along one axis."""

    def __call__(self, x: ArrayLike, axis: int = -1) -> Tensor: ...
