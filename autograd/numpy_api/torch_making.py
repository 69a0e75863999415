"""Making Tensors, and other dtypes of them, as PyTorch spells it (see spellings.py); random ones draw from `random`."""

from __future__ import annotations

import builtins
from typing import Any

import numpy as np

from ..core.conversion import known, lift
from ..core.spellings import dtype_of_target, is_device
from ..core.tensor import Tensor, on_cpu
from ..core.types import Array, ArrayLike, DTypeLike, HasArray, Shape
from ..ops import creation, random
from ..ops.casting import astype
from .torch_shapes import shape_of, sizes_of

# fmt: off
half = float16 = np.float16
float = np.float32  # as the names of dtypes, which are methods, too
double = np.float64
short, int, long = np.int16, np.int32, np.int64
cfloat, cdouble = np.complex64, np.complex128
# fmt: on

DTYPES = {
    **{"half": np.float16, "float": np.float32, "double": np.float64, "cfloat": np.complex64, "cdouble": np.complex128},
    **{"byte": np.uint8, "char": np.int8, "short": np.int16, "int": np.int32, "long": np.int64, "bool": np.bool},
}


def _converter(name: str, dtype: Any) -> Any:
    def convert(x: ArrayLike) -> Tensor:
        return astype(lift(x), dtype, copy=False)

    convert.__name__ = convert.__qualname__ = name
    convert.__doc__ = f"Return x in the dtype {np.dtype(dtype).name}, itself if it has it; `astype`."
    return convert


CONVERTERS = {name: _converter(name, dtype) for name, dtype in DTYPES.items()}


def to(
    x: ArrayLike,
    *target: HasArray | DTypeLike,
    device: str | None = None,
    dtype: DTypeLike | None = None,
    non_blocking: bool = False,
    copy: bool = False,
) -> Tensor:
    """Return x in the dtype, and on the device, of `target`: a dtype, "cpu", both, or a Tensor that has them.

    It is x itself if nothing changes, unless `copy`. ValueError for a device other than "cpu"; TypeError for a dtype
    that is no number's.

    >>> to(Tensor([1, 2]), np.float32)
    Tensor([1., 2.], dtype=float32)
    """
    asked = dtype_of_target(target, dtype, device)
    x = lift(x)
    places: list[Any] = [given for given in (device, *target) if given is not None and is_device(given)]
    places += [given.device for given in target if isinstance(given, Tensor)]
    if places:
        x = creation.asarray(x).to_device(places[0])
    return astype(x, x.dtype if asked is None else asked, copy=copy)


def cpu(x: Tensor) -> Tensor:
    """Return x on the CPU, x itself if it is there; `to_device("cpu")`."""
    return x.to_device("cpu")


def cuda(x: Tensor, device: str | None = None) -> Tensor:
    """Return x on the GPU, where CuPy computes; `to_device("cuda")`."""
    return x.to_device("cuda" if device is None else device)


def cast(x: ArrayLike, dtype: DTypeLike) -> Tensor:
    """Return x in that dtype; `astype`."""
    return astype(lift(x), dtype, copy=False)


def type_as(x: ArrayLike, other: ArrayLike) -> Tensor:
    """Return x in the dtype of `other`."""
    return cast(x, lift(other).dtype)


def is_tensor(obj: object) -> bool:
    """Say whether `obj` is a Tensor."""
    return isinstance(obj, Tensor)


def is_floating_point(x: ArrayLike) -> bool:
    """Say whether the entries are floats."""
    return bool(lift(x).dtype.kind == "f")


def is_complex(x: ArrayLike) -> bool:
    """Say whether the entries are complex."""
    return bool(lift(x).dtype.kind == "c")


# From data


def tensor(
    data: ArrayLike, *, dtype: DTypeLike | None = None, device: str | None = None, requires_grad: bool = False
) -> Tensor:
    """Return a leaf of a copy of `data`; `Tensor`, whose floats are float64 unless a default was set.

    >>> tensor([1.0, 2.0], requires_grad=True)
    Tensor([1., 2.], requires_grad=True)
    """
    on_cpu(device)
    return Tensor(data, requires_grad=requires_grad, dtype=dtype)


def as_tensor(data: ArrayLike, dtype: DTypeLike | None = None, device: str | None = None) -> Tensor:
    """Return a Tensor that shares the memory of `data` where it can, with its graph; `asarray`."""
    return creation.asarray(data, dtype, device=device)


def from_numpy(ndarray: Array) -> Tensor:
    """Return a Tensor that shares the memory of an array; TypeError for anything else. `asarray`."""
    if not isinstance(ndarray, np.ndarray):
        raise TypeError(f"from_numpy: expected an array of NumPy's, not {ndarray.__class__.__name__}")
    return creation.asarray(ndarray)


def _made(tensor: Tensor, device: Any, requires_grad: bool) -> Tensor:
    on_cpu(device)
    if requires_grad:
        tensor.requires_grad = True
    return tensor


def new_tensor(
    x: ArrayLike,
    data: ArrayLike,
    *,
    dtype: DTypeLike | None = None,
    device: str | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return a leaf of a copy of `data`, in the dtype of x."""
    return tensor(data, dtype=dtype or lift(x).dtype, device=device, requires_grad=requires_grad)


def new_full(
    x: ArrayLike,
    size: Shape,
    fill_value: ArrayLike,
    *,
    dtype: DTypeLike | None = None,
    device: str | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return a Tensor of this size that is full of a number, in the dtype of x."""
    lengths: Any = size if shape_of(size) else (size,)
    return _made(creation.full(tuple(lengths), fill_value, dtype or lift(x).dtype), device, requires_grad)


def new_zeros(
    x: ArrayLike, *size: Shape, dtype: DTypeLike | None = None, device: str | None = None, requires_grad: bool = False
) -> Tensor:
    """Return zeros of this size, in the dtype of x."""
    return new_full(x, sizes_of(size), 0, dtype=dtype, device=device, requires_grad=requires_grad)


def new_ones(
    x: ArrayLike, *size: Shape, dtype: DTypeLike | None = None, device: str | None = None, requires_grad: bool = False
) -> Tensor:
    """Return ones of this size, in the dtype of x."""
    return new_full(x, sizes_of(size), 1, dtype=dtype, device=device, requires_grad=requires_grad)


def new_empty(
    x: ArrayLike, *size: Shape, dtype: DTypeLike | None = None, device: str | None = None, requires_grad: bool = False
) -> Tensor:
    """Return a Tensor of this size with any values, in the dtype of x."""
    return _made(creation.empty(sizes_of(size), dtype or lift(x).dtype), device, requires_grad)


# At random


def rand(
    *size: Shape, dtype: DTypeLike | None = None, device: str | None = None, requires_grad: bool = False
) -> Tensor:
    """Draw numbers uniformly from [0, 1), so many along each axis; `random.random`."""
    return _made(random.random(sizes_of(size), dtype=dtype), device, requires_grad)


def randn(
    *size: Shape, dtype: DTypeLike | None = None, device: str | None = None, requires_grad: bool = False
) -> Tensor:
    """Draw numbers from the normal distribution with mean 0 and standard deviation 1; `random.standard_normal`.

    >>> randn(2, 3).shape
    (2, 3)
    """
    return _made(random.standard_normal(sizes_of(size), dtype=dtype), device, requires_grad)


def randint(
    *bounds: ArrayLike, size: Shape | None = None, dtype: DTypeLike = np.int64, device: str | None = None
) -> Tensor:
    """Draw whole numbers from `low` (0 if not given) to `high` - 1: `randint(low, high, size)`; `random.integers`.

    TypeError unless one or two bounds and a size are given.
    """
    given: list[Any] = [*bounds]
    lengths: Any = size
    if lengths is None and given and shape_of(given[-1]):
        *given, lengths = given
    if lengths is None or len(given) not in (1, 2):
        raise TypeError("randint: expected randint(high, size) or randint(low, high, size), with size a tuple")
    on_cpu(device)
    low, high = (0, *given)[-2:]
    return random.integers(known(low), known(high), tuple(lengths), dtype)


def randperm(n: builtins.int, *, dtype: DTypeLike = np.int64, device: str | None = None) -> Tensor:
    """Draw an order of the whole numbers below n; `random.permutation`."""
    on_cpu(device)
    return astype(random.permutation(known(n)), dtype, copy=False)


def rand_like(
    x: ArrayLike, *, dtype: DTypeLike | None = None, device: str | None = None, requires_grad: bool = False
) -> Tensor:
    """Draw numbers uniformly from [0, 1), as many as x has, in its dtype."""
    return rand(shape_of(x), dtype=dtype or lift(x).dtype, device=device, requires_grad=requires_grad)


def randn_like(
    x: ArrayLike, *, dtype: DTypeLike | None = None, device: str | None = None, requires_grad: bool = False
) -> Tensor:
    """Draw numbers from the normal distribution with mean 0 and deviation 1, as many as x has, in its dtype."""
    return randn(shape_of(x), dtype=dtype or lift(x).dtype, device=device, requires_grad=requires_grad)


def randint_like(x: ArrayLike, *bounds: ArrayLike, dtype: DTypeLike | None = None, device: str | None = None) -> Tensor:
    """Draw whole numbers from `low` (0 if not given) to `high` - 1, as many as x has, in its dtype."""
    drawn = randint(*bounds, size=shape_of(x), device=device)
    return astype(drawn, dtype or lift(x).dtype, copy=False)


def bernoulli(p: ArrayLike) -> Tensor:
    """Draw 1 with probability `p`, else 0, in the dtype of p; `random.bernoulli`."""
    return random.bernoulli(p)


def normal(
    mean: ArrayLike = 0.0, std: ArrayLike = 1.0, size: Shape | None = None, *, dtype: DTypeLike | None = None
) -> Tensor:
    """Draw from normal distributions, with gradients in both parameters; `random.normal`."""
    return random.normal(mean, std, size, dtype=dtype)


def multinomial(p: ArrayLike, num_samples: builtins.int, replacement: bool = False) -> Tensor:
    """Draw places along the last axis of `p`, with probabilities in proportion to its entries; ValueError for negative
    ones, for all 0, or where there are too few without `replacement`. `random.multinomial` counts them.

    >>> multinomial([0.0, 1.0, 0.0], 2, replacement=True)
    Tensor([1, 1])
    """
    weights = np.asarray(known(lift(p)), np.float64)
    if weights.ndim not in (1, 2):
        raise ValueError(f"multinomial: p of shape {weights.shape}; expected one or two axes")
    if not np.all(weights >= 0) or not np.all(weights.sum(-1) > 0):
        raise ValueError("multinomial: p must not be negative, or all 0")
    if not replacement and np.any(np.count_nonzero(weights, -1) < num_samples):
        raise ValueError(f"multinomial: num_samples={num_samples} without replacement; p has fewer that are not 0")
    rows = [
        random.choice(weights.shape[-1], num_samples, replacement, row / row.sum()) for row in np.atleast_2d(weights)
    ]
    return rows[0] if weights.ndim == 1 else creation.asarray(np.stack(rows))
