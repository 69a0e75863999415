"""The Python array API standard beside its operations: constants, data types, and what the namespace can do."""

from __future__ import annotations

import builtins
from typing import Any, NamedTuple, Protocol

import numpy as np

from ..core.tensor import Tensor
from ..core.types import ArrayLike, Casting, DTypeLike
from ..ops.nondifferentiable import constant

__all__ = [
    "__array_api_version__", "__array_namespace_info__", "bool", "can_cast", "complex128", "complex64", "e", "finfo",
    "float32", "float64", "iinfo", "inf", "int16", "int32", "int64", "int8", "isdtype", "nan", "newaxis", "pi",
    "promote_types", "result_type", "uint16", "uint32", "uint64", "uint8",
]  # fmt: skip

__array_api_version__ = "2025.12"

e, inf, nan, newaxis, pi = np.e, np.inf, np.nan, np.newaxis, np.pi

bool = np.bool
int8, int16, int32, int64 = np.int8, np.int16, np.int32, np.int64
uint8, uint16, uint32, uint64 = np.uint8, np.uint16, np.uint32, np.uint64
float32, float64, complex64, complex128 = np.float32, np.float64, np.complex64, np.complex128


class _CanCast(Protocol):
    def __call__(self, from_: DTypeLike | ArrayLike, to: DTypeLike, casting: Casting = "safe", /) -> builtins.bool: ...


class _ResultType(Protocol):
    def __call__(self, /, *arrays_and_dtypes: ArrayLike | DTypeLike) -> np.dtype[Any]: ...


can_cast: _CanCast = constant(np.can_cast)
result_type: _ResultType = constant(np.result_type)
isdtype, promote_types = np.isdtype, np.promote_types


class HasDType(Protocol):
    """An array, which has a dtype."""

    @property
    def dtype(self) -> np.dtype[Any]: ...


class FloatInfo(NamedTuple):
    bits: int
    eps: float
    max: float
    min: float
    smallest_normal: float
    dtype: np.dtype[Any]


class IntegerInfo(NamedTuple):
    bits: int
    max: int
    min: int
    dtype: np.dtype[Any]


def _dtype(type: Any) -> np.dtype[Any]:
    return type.dtype if isinstance(type, (Tensor, np.ndarray, np.generic)) else np.dtype(type)


def finfo(type: DTypeLike | HasDType, /) -> FloatInfo:
    """The limits of a float dtype, or of a complex one's parts, given as dtype or by an array that has it.

    >>> finfo(float32).eps
    1.1920928955078125e-07
    """
    info = np.finfo(_dtype(type))
    eps, high, low, normal = map(float, (info.eps, info.max, info.min, info.smallest_normal))
    return FloatInfo(info.bits, eps, high, low, normal, info.dtype)


def iinfo(type: DTypeLike | HasDType, /) -> IntegerInfo:
    """The limits of an integer dtype, given as dtype or by an array that has it."""
    info = np.iinfo(_dtype(type))
    return IntegerInfo(info.bits, info.max, info.min, info.dtype)


_numpy_info: Any = np.__array_namespace_info__()


class __array_namespace_info__:
    """What the namespace can do, as the standard asks it: capabilities, devices and data types.

    >>> __array_namespace_info__().default_device()
    'cpu'
    """

    def __repr__(self) -> str:
        return f"<what the array API's revision {__array_api_version__} asks of pullback>"

    def capabilities(self) -> dict[str, bool | int | None]:
        """What the standard leaves optional, and the largest number of dimensions."""
        return {"boolean indexing": True, "data-dependent shapes": True, "max dimensions": 64}

    def default_device(self) -> str:
        """Where arrays are made: "cpu"."""
        return "cpu"

    def devices(self) -> tuple[str, ...]:
        """All devices: there is only "cpu"."""
        return ("cpu",)

    def default_dtypes(self, *, device: str | None = None) -> dict[str, np.dtype[Any]]:
        """The default dtypes by kind."""
        return _numpy_info.default_dtypes(device=device)

    def dtypes(
        self, *, device: str | None = None, kind: str | tuple[str, ...] | None = None
    ) -> dict[str, np.dtype[Any]]:
        """The dtypes by name, of one `kind` ("real floating", as for `isdtype`), of several or (None) of all."""
        return _numpy_info.dtypes(device=device, kind=kind)
