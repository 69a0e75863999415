"""Random numbers as Tensors, by NumPy's names (`numpy.random.Generator`), from the thread's generator.

What is a formula of its parameters and of standard draws has gradients in them (the reparametrization of Kingma and
Welling, Auto-encoding variational Bayes, 2014). `size` is the shape of the result, by default that of the parameters;
`dtype` a float type, by default that of the parameters or, of numbers, the default one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.batching import drawn
from ..core.conversion import known, lift
from ..core.generator import generator, manual_seed
from ..core.graph import modes
from ..core.tensor import Tensor, wrap
from ..core.types import ArrayLike, DTypeLike, Shape
from .casting import astype
from .creation import asarray
from .elementwise import exp
from .sorting import take

__all__ = [
    "bernoulli", "binomial", "choice", "exponential", "gamma", "generator", "gumbel", "integers", "laplace",
    "logistic", "lognormal", "manual_seed", "multinomial", "normal", "permutation", "poisson", "random",
    "standard_normal", "uniform",
]  # fmt: skip

Size = Shape | None
_Draw = Callable[[np.random.Generator, tuple[int, ...]], Any]


def _dtype_of(dtype: DTypeLike | None, *parameters: Any, name: str) -> Any:
    """The float type of a result; TypeError for another."""
    given = [p.dtype for p in parameters if hasattr(p, "dtype")]
    found = np.dtype(dtype or (np.result_type(*given) if given else modes.floats or np.float64))
    found = np.result_type(found, np.float16) if dtype is None and found.kind in "iub" else found
    if found.kind != "f":
        raise TypeError(f"{name}: dtype {found} is not a float type")
    return found


def _shape_of(size: Size, *parameters: Any, name: str) -> tuple[int, ...]:
    """The shape of a result; ValueError where the parameters do not broadcast to it."""
    own = np.broadcast_shapes(*(np.shape(p) for p in parameters))
    if size is None:
        return own
    shape = (int(size),) if isinstance(size, (int, np.integer)) else tuple(map(int, size))
    if any(n < 0 for n in shape):
        raise ValueError(f"{name}: size={size} has a negative length")
    try:
        if np.broadcast_shapes(own, shape) == shape:
            return shape
    except ValueError:
        pass
    raise ValueError(f"{name}: parameters of shape {own} do not broadcast to size={size}")


def _standard(draw: _Draw, shape: tuple[int, ...], dtype: Any) -> Any:
    """Draws that depend on no parameter, as a Tensor."""
    made = drawn(lambda shape: np.asarray(draw(generator(), shape)).astype(dtype)[()], shape)
    return made if isinstance(made, Tensor) else wrap(made)


def _moved(name: str, draw: _Draw, loc: Any, scale: Any, size: Size, dtype: Any) -> Any:
    """loc + scale * draws."""
    kind, shape = _dtype_of(dtype, loc, scale, name=name), _shape_of(size, loc, scale, name=name)
    _not_negative(scale, name, "scale")
    loc, scale = _cast(loc, kind), _cast(scale, kind)
    return _standard(draw, shape, kind) * scale + loc


def _cast(x: Any, dtype: Any) -> Any:
    return astype(lift(x), dtype)


def _not_negative(x: Any, name: str, parameter: str) -> None:
    values = x.detach().numpy() if isinstance(x, Tensor) and not modes.depth else x
    if not isinstance(values, Tensor) and np.any(np.asarray(values) < 0):
        raise ValueError(f"{name}: {parameter} must not be negative")


def normal(
    loc: ArrayLike = 0.0, scale: ArrayLike = 1.0, size: Size = None, *, dtype: DTypeLike | None = None
) -> Tensor:
    """Draw from normal distributions with mean `loc` and standard deviation `scale`, with gradients in both.

    >>> _ = manual_seed(0)
    >>> normal(0.0, 1.0, (2, 3)).shape
    (2, 3)
    """
    return _moved("normal", lambda rng, shape: rng.standard_normal(shape), loc, scale, size, dtype)


def standard_normal(size: Size = None, *, dtype: DTypeLike | None = None) -> Tensor:
    """Draw from the normal distribution with mean 0 and standard deviation 1."""
    return normal(0.0, 1.0, size, dtype=dtype)


def laplace(
    loc: ArrayLike = 0.0, scale: ArrayLike = 1.0, size: Size = None, *, dtype: DTypeLike | None = None
) -> Tensor:
    """Draw from Laplace distributions, exp(-|x - loc| / scale) / (2 scale), with gradients in both parameters."""
    return _moved("laplace", lambda rng, shape: rng.laplace(size=shape), loc, scale, size, dtype)


def logistic(
    loc: ArrayLike = 0.0, scale: ArrayLike = 1.0, size: Size = None, *, dtype: DTypeLike | None = None
) -> Tensor:
    """Draw from logistic distributions, with gradients in both parameters."""
    return _moved("logistic", lambda rng, shape: rng.logistic(size=shape), loc, scale, size, dtype)


def gumbel(
    loc: ArrayLike = 0.0, scale: ArrayLike = 1.0, size: Size = None, *, dtype: DTypeLike | None = None
) -> Tensor:
    """Draw from Gumbel distributions, -log(-log(u)) for u uniform, with gradients in both parameters."""
    return _moved("gumbel", lambda rng, shape: rng.gumbel(size=shape), loc, scale, size, dtype)


def exponential(scale: ArrayLike = 1.0, size: Size = None, *, dtype: DTypeLike | None = None) -> Tensor:
    """Draw from exponential distributions with mean `scale`, with gradients in it."""
    return _moved("exponential", lambda rng, shape: rng.standard_exponential(shape), 0.0, scale, size, dtype)


def lognormal(
    mean: ArrayLike = 0.0, sigma: ArrayLike = 1.0, size: Size = None, *, dtype: DTypeLike | None = None
) -> Tensor:
    """Draw numbers whose logarithms are normal with these parameters, with gradients in both."""
    return exp(_moved("lognormal", lambda rng, shape: rng.standard_normal(shape), mean, sigma, size, dtype))


def uniform(
    low: ArrayLike = 0.0, high: ArrayLike = 1.0, size: Size = None, *, dtype: DTypeLike | None = None
) -> Tensor:
    """Draw uniformly from [low, high), with gradients in both ends."""
    kind, shape = _dtype_of(dtype, low, high, name="uniform"), _shape_of(size, low, high, name="uniform")
    low, high = _cast(low, kind), _cast(high, kind)
    source = np.float32 if kind.itemsize < 8 else np.float64  # float32's own draws never round up to 1
    return low + (high - low) * _standard(lambda rng, shape: rng.random(shape, source), shape, kind)


def random(size: Size = None, *, dtype: DTypeLike | None = None) -> Tensor:
    """Draw uniformly from [0, 1)."""
    return uniform(0.0, 1.0, size, dtype=dtype)


def gamma(shape: ArrayLike, scale: ArrayLike = 1.0, size: Size = None, *, dtype: DTypeLike | None = None) -> Tensor:
    """Draw from gamma distributions, with gradients in `scale`; ValueError where one is asked for in `shape`."""
    if isinstance(shape, Tensor) and shape.requires_grad:
        raise ValueError("gamma: draws have no gradient in shape; give shape.detach()")
    kind, whole = _dtype_of(dtype, shape, scale, name="gamma"), _shape_of(size, shape, scale, name="gamma")
    _not_negative(shape, "gamma", "shape")
    a = known(shape)
    return _moved("gamma", lambda rng, n: rng.standard_gamma(np.broadcast_to(a, n)), 0.0, scale, whole, kind)


def _counted(name: str, draw: Callable[..., Any], size: Size, *parameters: Any, dtype: Any = np.int64) -> Tensor:
    """Whole numbers drawn with parameters, in which there is no gradient."""
    values = tuple(np.asarray(known(p)) for p in parameters)
    return _standard(lambda rng, shape: draw(rng, *values, shape), _shape_of(size, *values, name=name), dtype)


def integers(
    low: int, high: int | None = None, size: Size = None, dtype: DTypeLike = np.int64, endpoint: bool = False
) -> Tensor:
    """Draw whole numbers from low to high - 1 (from 0 to low - 1 without `high`), to `high` with `endpoint`."""
    return _standard(
        lambda rng, n: rng.integers(low, high, n, dtype, endpoint), _shape_of(size, name="integers"), dtype
    )


def bernoulli(p: ArrayLike, size: Size = None, *, dtype: DTypeLike | None = None) -> Tensor:
    """Draw 1 with probability `p`, else 0, as floats; ValueError for a p beyond 0 to 1."""
    kind = _dtype_of(dtype, p, name="bernoulli")
    return _counted("bernoulli", lambda rng, p, n: rng.binomial(1, p, n), size, p, dtype=kind)


def binomial(n: ArrayLike, p: ArrayLike, size: Size = None) -> Tensor:
    """Draw how many of `n` trials succeed, each with probability `p`; ValueError for a p beyond 0 to 1."""
    return _counted("binomial", lambda rng, n, p, shape: rng.binomial(n, p, shape), size, n, p)


def poisson(lam: ArrayLike = 1.0, size: Size = None) -> Tensor:
    """Draw from Poisson distributions with mean `lam`; ValueError for a negative one."""
    return _counted("poisson", lambda rng, lam, shape: rng.poisson(lam, shape), size, lam)


def multinomial(n: int, pvals: ArrayLike, size: Size = None) -> Tensor:
    """Draw how often each of several outcomes comes in `n` trials: (*size, outcomes); `pvals` add up to 1."""
    p = np.asarray(known(pvals), np.float64)
    shape = _shape_of(size, np.empty(p.shape[:-1]), name="multinomial")
    return _standard(lambda rng, shape: rng.multinomial(n, p, shape[:-1]), (*shape, p.shape[-1]), np.int64)


def permutation(x: ArrayLike, axis: int = 0) -> Tensor:
    """Shuffle the entries of x along `axis`, with gradients in them; of a number the whole numbers below it.

    >>> _ = manual_seed(0)
    >>> sorted(permutation(4).tolist())
    [0, 1, 2, 3]
    """
    x = lift(x)
    if not x.ndim:
        return permutation(np.arange(int(x)))
    order = _standard(lambda rng, shape: _permuted(rng, shape), (x.shape[axis],), np.int64)
    return take(asarray(x), order, axis)


def _permuted(rng: np.random.Generator, shape: tuple[int, ...]) -> Any:
    return rng.permuted(np.broadcast_to(np.arange(shape[-1]), shape), axis=-1)


def choice(a: ArrayLike, size: Size = None, replace: bool = True, p: ArrayLike | None = None, axis: int = 0) -> Tensor:
    """Draw entries of `a` along `axis` (of a number from the whole numbers below it), with probabilities `p`, with
    gradients in the entries; without `replace` each at most once. ValueError where these are too few."""
    a = lift(a)
    a = a if a.ndim else np.arange(int(a))
    weights = None if p is None else np.asarray(known(p), np.float64)
    places = _standard(
        lambda rng, shape: rng.choice(a.shape[axis], shape, replace, weights), _shape_of(size, name="choice"), np.int64
    )
    return take(asarray(a), places, axis)
