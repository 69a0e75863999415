"""What may be written in a call of the primitives whose forms are made at run time, for type checkers and editors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol, TypeVar, overload

from ..kernels.geometry import Geometry
from .tensor import Tensor
from .types import Array, ArrayLike, Axis, DTypeLike, OutputSize, Padding, PerAxis

TensorLike = Tensor | Array
Given = TypeVar("Given", Tensor, Array)
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


class OfThree(Protocol):
    """A function of three arrays, without options."""

    def __call__(self, a: ArrayLike, b: ArrayLike, x: ArrayLike, /) -> Tensor: ...


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


class WithoutNaN(Protocol):
    """A reduction of the entries that are not NaN; what options there are besides is the reduction's."""

    def __call__(
        self,
        x: ArrayLike,
        axis: Axis = None,
        dtype: DTypeLike | None = None,
        *,
        keepdims: bool = False,
        where: ArrayLike = True,
        **options: ArrayLike,
    ) -> Tensor: ...


class Cumulative(Protocol):
    """Running sums or products, in the Array API's form."""

    def __call__(
        self,
        x: ArrayLike,
        /,
        *,
        axis: int | None = None,
        dtype: DTypeLike | None = None,
        include_initial: bool = False,
    ) -> Tensor: ...


class Quantile(Protocol):
    """A quantile of the entries along axes."""

    def __call__(
        self,
        a: ArrayLike,
        q: ArrayLike,
        axis: Axis = None,
        *,
        method: str = "linear",
        keepdims: bool = False,
        weights: ArrayLike | None = None,
    ) -> Tensor: ...


class OverAxes(Protocol):
    """A Fourier transform over several axes."""

    def __call__(
        self, a: ArrayLike, s: Sequence[int] | None = None, axes: Sequence[int] | None = ..., norm: str | None = None
    ) -> Tensor: ...


class OnAll(Protocol):
    """A function of one array that gives a tuple for several."""

    @overload
    def __call__(self, x: ArrayLike, /) -> Tensor: ...
    @overload
    def __call__(self, *arys: ArrayLike) -> tuple[Tensor, ...]: ...


class OfOrder(Protocol):
    """A special function of an order, which has no gradient, and of an array."""

    def __call__(self, v: ArrayLike, x: ArrayLike) -> Tensor: ...


class Where(Protocol):
    """`where` of three arrays; of one the places at which it is not 0."""

    @overload
    def __call__(self, condition: ArrayLike, x: ArrayLike, y: ArrayLike, /) -> Tensor: ...
    @overload
    def __call__(self, condition: ArrayLike, /) -> tuple[Tensor, ...]: ...


class MaxPool(Protocol):
    """`max_pool`, with the indices of the largest entries if they are asked for."""

    @overload
    def __call__(
        self,
        x: ArrayLike,
        kernel_size: PerAxis,
        stride: PerAxis | None = None,
        padding: Padding = 0,
        dilation: PerAxis = 1,
        ceil_mode: bool = False,
        return_indices: Literal[False] = False,
    ) -> Tensor: ...
    @overload
    def __call__(
        self,
        x: ArrayLike,
        kernel_size: PerAxis,
        stride: PerAxis | None = None,
        padding: Padding = 0,
        dilation: PerAxis = 1,
        ceil_mode: bool = False,
        *,
        return_indices: Literal[True],
    ) -> tuple[Tensor, Tensor]: ...
    @overload
    def __call__(
        self,
        x: ArrayLike,
        kernel_size: PerAxis,
        stride: PerAxis | None = None,
        padding: Padding = 0,
        dilation: PerAxis = 1,
        ceil_mode: bool = False,
        return_indices: bool = False,
    ) -> Tensor | tuple[Tensor, Tensor]: ...


class AdaptiveMaxPool(Protocol):
    """`adaptive_max_pool`, with the indices of the largest entries if they are asked for."""

    @overload
    def __call__(self, x: ArrayLike, output_size: OutputSize, return_indices: Literal[False] = False) -> Tensor: ...
    @overload
    def __call__(
        self, x: ArrayLike, output_size: OutputSize, return_indices: Literal[True]
    ) -> tuple[Tensor, Tensor]: ...
    @overload
    def __call__(
        self, x: ArrayLike, output_size: OutputSize, return_indices: bool = False
    ) -> Tensor | tuple[Tensor, Tensor]: ...


class Frequencies(Protocol):
    """The frequencies of a discrete Fourier transform of n points that are d apart."""

    def __call__(
        self, n: int, d: float = 1.0, device: str | None = None, *, dtype: DTypeLike | None = None
    ) -> Tensor: ...


class MatrixRank(Protocol):
    """The ranks of matrices, constants of the graph."""

    def __call__(
        self, A: ArrayLike, tol: ArrayLike | None = None, hermitian: bool = False, *, rtol: ArrayLike | None = None
    ) -> Tensor: ...


class OfWindows(Protocol):
    """A linear map of the windows of an array, or into them."""

    def __call__(self, x: ArrayLike, /, *, geo: Geometry) -> Tensor: ...


class OfChoices(Protocol):
    """A linear map of the entries that windows choose, or into their places."""

    def __call__(self, x: ArrayLike, choice: ArrayLike, /, *, geo: Geometry) -> Tensor: ...


class BoxSum(Protocol):
    """Sums over windows that cover an array evenly."""

    def __call__(self, x: ArrayLike, *, sizes: tuple[int, ...]) -> Tensor: ...


class ConvWeight(Protocol):
    """The derivative of a convolution with respect to its weight, along y."""

    def __call__(self, x: ArrayLike, y: ArrayLike, *, geo: Geometry, groups: int) -> Tensor: ...
