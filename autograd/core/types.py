"""What functions take, for annotations; results are Tensors (of Tensors; of arrays they are arrays)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from types import EllipsisType
from typing import Any, Generic, Literal, NamedTuple, Protocol, TypeVar

import numpy as np
from numpy.typing import DTypeLike as DTypeLike

Part = TypeVar("Part", covariant=True)
Result = TypeVar("Result")


class HasArray(Protocol):
    """A Tensor, an array, a number of NumPy's, or what else can become an array."""

    def __array__(self) -> np.ndarray[Any, Any]: ...


class HasRows(HasArray, Protocol):
    """A Tensor or an array, for its parts along the first axis."""

    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[Any]: ...
    def __getitem__(self, index: int, /) -> Any: ...


class HasDLPack(Protocol):
    """An array of another library, which gives its memory by DLPack."""

    def __dlpack__(self, /, *, stream: None = None) -> Any: ...
    def __dlpack_device__(self) -> tuple[Any, Any]: ...


class Nested(Protocol[Part]):
    """A list or tuple, or one of them (but no string, whose `in` does not take all objects)."""

    def __len__(self) -> int: ...
    def __contains__(self, part: object, /) -> bool: ...
    def __getitem__(self, index: int, /) -> Part | Nested[Part]: ...
    def __iter__(self) -> Iterator[Part | Nested[Part]]: ...
    def __reversed__(self) -> Iterator[Part | Nested[Part]]: ...
    def count(self, value: Any, /) -> int: ...
    def index(self, value: Any, /) -> int: ...


Array = np.ndarray[Any, Any]
Values = Array | np.generic  # NumPy's numbers, where there are no axes
ArrayLike = HasArray | complex | Nested[HasArray | complex]
Arrays = Sequence[ArrayLike] | HasRows
Inputs = ArrayLike | tuple[ArrayLike, ...]
Axis = int | Sequence[int] | None
PerAxis = int | Sequence[int]
Shape = int | Sequence[int]
OutputSize = int | None | Sequence[int | None]
Padding = int | Sequence[int | Sequence[int]] | Literal["same", "valid"]
IndexPart = int | slice | EllipsisType | None | HasArray | Nested[HasArray | int]
Index = IndexPart | tuple[IndexPart, ...]
Casting = Literal["no", "equiv", "safe", "same_kind", "unsafe"]
Order = Literal["C", "F", "A", "K"]
Side = Literal["left", "right"]
Mode = Literal["raise", "wrap", "clip"]


class Chosen(NamedTuple, Generic[Result]):
    """Values, and where along the axis they are."""

    values: Result
    indices: Result


class Extrema(NamedTuple, Generic[Result]):
    """The smallest and the largest entries."""

    min: Result
    max: Result
