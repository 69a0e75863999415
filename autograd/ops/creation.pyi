# What creation.py makes, much of it of NumPy's functions, for type checkers and editors; a test compares both.
from collections.abc import Callable
from typing import Any, Literal, overload

from ..core.tensor import Tensor
from ..core.types import ArrayLike, DTypeLike, HasDLPack, Order, Shape

Device = Literal["cpu"] | None

def asarray(
    obj: ArrayLike, dtype: DTypeLike | None = None, copy: bool | None = None, *, device: str | None = None
) -> Tensor: ...
def array(object: ArrayLike, dtype: DTypeLike | None = None, *, copy: bool | None = True) -> Tensor: ...
def from_dlpack(x: HasDLPack, /, *, device: Device = None, copy: bool | None = None) -> Tensor: ...
def creator(function: Callable[..., Any]) -> Callable[..., Tensor]: ...
def zeros(
    shape: Shape,
    dtype: DTypeLike | None = None,
    order: Order = "C",
    *,
    device: Device = None,
    like: ArrayLike | None = None,
    requires_grad: bool = False,
) -> Tensor: ...
def ones(
    shape: Shape,
    dtype: DTypeLike | None = None,
    order: Order = "C",
    *,
    device: Device = None,
    like: ArrayLike | None = None,
    requires_grad: bool = False,
) -> Tensor: ...
def empty(
    shape: Shape,
    dtype: DTypeLike | None = None,
    order: Order = "C",
    *,
    device: Device = None,
    like: ArrayLike | None = None,
    requires_grad: bool = False,
) -> Tensor: ...
def full(
    shape: Shape,
    fill_value: ArrayLike,
    dtype: DTypeLike | None = None,
    order: Order = "C",
    *,
    device: Device = None,
    like: ArrayLike | None = None,
    requires_grad: bool = False,
) -> Tensor: ...
def zeros_like(
    a: ArrayLike,
    dtype: DTypeLike | None = None,
    order: Order = "K",
    subok: bool = True,
    shape: Shape | None = None,
    *,
    device: Device = None,
    requires_grad: bool = False,
) -> Tensor: ...
def ones_like(
    a: ArrayLike,
    dtype: DTypeLike | None = None,
    order: Order = "K",
    subok: bool = True,
    shape: Shape | None = None,
    *,
    device: Device = None,
    requires_grad: bool = False,
) -> Tensor: ...
def empty_like(
    prototype: ArrayLike,
    /,
    dtype: DTypeLike | None = None,
    order: Order = "K",
    subok: bool = True,
    shape: Shape | None = None,
    *,
    device: Device = None,
    requires_grad: bool = False,
) -> Tensor: ...
def full_like(
    a: ArrayLike,
    fill_value: ArrayLike,
    dtype: DTypeLike | None = None,
    order: Order = "K",
    subok: bool = True,
    shape: Shape | None = None,
    *,
    device: Device = None,
    requires_grad: bool = False,
) -> Tensor: ...
def eye(
    N: int,
    M: int | None = None,
    k: int = 0,
    dtype: DTypeLike = ...,
    order: Order = "C",
    *,
    device: Device = None,
    like: ArrayLike | None = None,
    requires_grad: bool = False,
) -> Tensor: ...
def identity(
    n: int, dtype: DTypeLike | None = None, *, like: ArrayLike | None = None, requires_grad: bool = False
) -> Tensor: ...
def tri(
    N: int,
    M: int | None = None,
    k: int = 0,
    dtype: DTypeLike = ...,
    *,
    like: ArrayLike | None = None,
    requires_grad: bool = False,
) -> Tensor: ...
@overload
def indices(
    dimensions: Shape, dtype: DTypeLike = ..., sparse: Literal[False] = False, *, requires_grad: bool = False
) -> Tensor: ...
@overload
def indices(dimensions: Shape, dtype: DTypeLike = ..., *, sparse: Literal[True]) -> tuple[Tensor, ...]: ...
def fromfunction(
    function: Callable[..., ArrayLike],
    shape: Shape,
    *,
    dtype: DTypeLike = ...,
    like: ArrayLike | None = None,
    requires_grad: bool = False,
    **kwargs: object,
) -> Tensor: ...
def arange(
    start_or_stop: float,
    /,
    stop: float | None = None,
    step: float = 1,
    *,
    dtype: DTypeLike | None = None,
    device: Device = None,
    like: ArrayLike | None = None,
    requires_grad: bool = False,
) -> Tensor: ...
@overload
def linspace(
    start: ArrayLike,
    stop: ArrayLike,
    num: int = 50,
    endpoint: bool = True,
    retstep: Literal[False] = False,
    dtype: DTypeLike | None = None,
    axis: int = 0,
    *,
    device: Device = None,
    requires_grad: bool = False,
) -> Tensor: ...
@overload
def linspace(
    start: ArrayLike,
    stop: ArrayLike,
    num: int = 50,
    endpoint: bool = True,
    *,
    retstep: Literal[True],
    dtype: DTypeLike | None = None,
    axis: int = 0,
    device: Device = None,
) -> tuple[Tensor, Tensor]: ...
def logspace(
    start: ArrayLike,
    stop: ArrayLike,
    num: int = 50,
    endpoint: bool = True,
    base: ArrayLike = 10.0,
    dtype: DTypeLike | None = None,
    axis: int = 0,
    *,
    requires_grad: bool = False,
) -> Tensor: ...
def geomspace(
    start: ArrayLike,
    stop: ArrayLike,
    num: int = 50,
    endpoint: bool = True,
    dtype: DTypeLike | None = None,
    axis: int = 0,
    *,
    requires_grad: bool = False,
) -> Tensor: ...
def bartlett(M: int, *, requires_grad: bool = False) -> Tensor: ...
def blackman(M: int, *, requires_grad: bool = False) -> Tensor: ...
def hamming(M: int, *, requires_grad: bool = False) -> Tensor: ...
def hanning(M: int, *, requires_grad: bool = False) -> Tensor: ...
def kaiser(M: int, beta: float, *, requires_grad: bool = False) -> Tensor: ...
