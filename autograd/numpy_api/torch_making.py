"""Making Tensors, and other dtypes of them, as PyTorch spells it (see spellings.py); random ones draw from `random`."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.conversion import known, lift
from ..core.spellings import dtype_of_target
from ..core.tensor import Tensor, on_cpu
from ..ops import creation, random
from ..ops.casting import astype
from .torch_shapes import sizes_of

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
    def convert(x: Any) -> Any:
        return astype(lift(x), dtype, copy=False)

    convert.__name__ = convert.__qualname__ = name
    convert.__doc__ = f"Return x in the dtype {np.dtype(dtype).name}, itself if it has it; `astype`."
    return convert


CONVERTERS = {name: _converter(name, dtype) for name, dtype in DTYPES.items()}


def to(
    x: Any, *target: Any, device: Any = None, dtype: Any = None, non_blocking: bool = False, copy: bool = False
) -> Any:
    """Return x in the dtype, and on the device, of `target`: a dtype, "cpu", both, or a Tensor that has them.

    It is x itself if nothing changes, unless `copy`. ValueError for a device other than "cpu"; TypeError for a dtype
    that is no number's.

    >>> to(Tensor([1, 2]), np.float32)
    Tensor([1., 2.], dtype=float32)
    """
    asked = dtype_of_target(target, dtype, device)
    x = lift(x)
    return astype(x, x.dtype if asked is None else asked, copy=copy)


def cpu(x: Any) -> Any:
    """Return x itself: there is only the device "cpu"."""
    return x


def cuda(x: Any, device: Any = None) -> Any:
    """Raise a ValueError: there is only the device "cpu"."""
    on_cpu("cuda" if device is None else device)
    return x


def cast(x: Any, dtype: Any) -> Any:
    """Return x in that dtype; `astype`."""
    return astype(lift(x), dtype, copy=False)


def type_as(x: Any, other: Any) -> Any:
    """Return x in the dtype of `other`."""
    return cast(x, lift(other).dtype)


def is_tensor(obj: Any) -> bool:
    """Say whether `obj` is a Tensor."""
    return isinstance(obj, Tensor)


def is_floating_point(x: Any) -> bool:
    """Say whether the entries are floats."""
    return bool(lift(x).dtype.kind == "f")


def is_complex(x: Any) -> bool:
    """Say whether the entries are complex."""
    return bool(lift(x).dtype.kind == "c")


# From data


def tensor(data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Return a leaf of a copy of `data`; `Tensor`, whose floats are float64 unless a default was set.

    >>> tensor([1.0, 2.0], requires_grad=True)
    Tensor([1., 2.], requires_grad=True)
    """
    on_cpu(device)
    return Tensor(data, requires_grad=requires_grad, dtype=dtype)


def as_tensor(data: Any, dtype: Any = None, device: Any = None) -> Tensor:
    """Return a Tensor that shares the memory of `data` where it can, with its graph; `asarray`."""
    return creation.asarray(data, dtype, device=device)


def from_numpy(ndarray: Any) -> Tensor:
    """Return a Tensor that shares the memory of an array; TypeError for anything else. `asarray`."""
    if not isinstance(ndarray, np.ndarray):
        raise TypeError(f"from_numpy: expected an array of NumPy's, not {ndarray.__class__.__name__}")
    return creation.asarray(ndarray)


def _made(tensor: Tensor, device: Any, requires_grad: bool) -> Tensor:
    on_cpu(device)
    if requires_grad:
        tensor.requires_grad = True
    return tensor


def new_tensor(x: Any, data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Return a leaf of a copy of `data`, in the dtype of x."""
    return tensor(data, dtype=dtype or lift(x).dtype, device=device, requires_grad=requires_grad)


def new_full(
    x: Any, size: Any, fill_value: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Return a Tensor of this size that is full of a number, in the dtype of x."""
    shape = (size,) if np.ndim(size) == 0 else tuple(size)
    return _made(creation.full(shape, fill_value, dtype or lift(x).dtype), device, requires_grad)


def new_zeros(x: Any, *size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Return zeros of this size, in the dtype of x."""
    return new_full(x, sizes_of(size), 0, dtype=dtype, device=device, requires_grad=requires_grad)


def new_ones(x: Any, *size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Return ones of this size, in the dtype of x."""
    return new_full(x, sizes_of(size), 1, dtype=dtype, device=device, requires_grad=requires_grad)


def new_empty(x: Any, *size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Return a Tensor of this size with any values, in the dtype of x."""
    return _made(creation.empty(sizes_of(size), dtype or lift(x).dtype), device, requires_grad)


# At random


def rand(*size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Draw numbers uniformly from [0, 1), so many along each axis; `random.random`."""
    return _made(random.random(sizes_of(size), dtype=dtype), device, requires_grad)


def randn(*size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Draw numbers from the normal distribution with mean 0 and standard deviation 1; `random.standard_normal`.

    >>> randn(2, 3).shape
    (2, 3)
    """
    return _made(random.standard_normal(sizes_of(size), dtype=dtype), device, requires_grad)


def randint(*bounds: Any, size: Any = None, dtype: Any = np.int64, device: Any = None) -> Tensor:
    """Draw whole numbers from `low` (0 if not given) to `high` - 1: `randint(low, high, size)`; `random.integers`.

    TypeError unless one or two bounds and a size are given.
    """
    if size is None and bounds and np.ndim(bounds[-1]):
        *bounds, size = bounds  # type: ignore[assignment]
    if size is None or len(bounds) not in (1, 2):
        raise TypeError("randint: expected randint(high, size) or randint(low, high, size), with size a tuple")
    on_cpu(device)
    low, high = (0, *bounds)[-2:]
    return random.integers(known(low), known(high), tuple(size), dtype)


def randperm(n: Any, *, dtype: Any = np.int64, device: Any = None) -> Tensor:
    """Draw an order of the whole numbers below n; `random.permutation`."""
    on_cpu(device)
    return astype(random.permutation(known(n)), dtype, copy=False)


def rand_like(x: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Draw numbers uniformly from [0, 1), as many as x has, in its dtype."""
    return rand(np.shape(x), dtype=dtype or lift(x).dtype, device=device, requires_grad=requires_grad)


def randn_like(x: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Draw numbers from the normal distribution with mean 0 and deviation 1, as many as x has, in its dtype."""
    return randn(np.shape(x), dtype=dtype or lift(x).dtype, device=device, requires_grad=requires_grad)


def randint_like(x: Any, *bounds: Any, dtype: Any = None, device: Any = None) -> Tensor:
    """Draw whole numbers from `low` (0 if not given) to `high` - 1, as many as x has, in its dtype."""
    drawn = randint(*bounds, size=np.shape(x), device=device)
    return astype(drawn, dtype or lift(x).dtype, copy=False)


def bernoulli(p: Any) -> Tensor:
    """Draw 1 with probability `p`, else 0, in the dtype of p; `random.bernoulli`."""
    return random.bernoulli(p)


def normal(mean: Any = 0.0, std: Any = 1.0, size: Any = None, *, dtype: Any = None) -> Tensor:
    """Draw from normal distributions, with gradients in both parameters; `random.normal`."""
    return random.normal(mean, std, size, dtype=dtype)


def multinomial(p: Any, num_samples: Any, replacement: bool = False) -> Tensor:
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
