"""The transform that does to all examples of a batch what a function does to one."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from ..core.batching import Batched
from ..core.conversion import apart, lowered
from ..core.graph import mode, modes
from ..core.pytrees import flatten
from ..core.tensor import Tensor, plain, wrap
from ..core.tracing import level_of, new_level
from ..ops.creation import asarray
from ..ops.shape import broadcast_to, moveaxis
from .traced import check_function

__all__ = ["vmap"]

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def vmap(
    f: Callable[Arguments, Result], in_axes: object = 0, out_axes: object = 0, randomness: str = "error"
) -> Callable[Arguments, Result]:
    """The function that does to all examples of a batch, at once, what `f` does to one.

    `in_axes` is the axis of the examples in every argument, or a tuple of them, one for each argument (a number for all
    that it contains, or a nest of its form); None for an argument that all examples share. `out_axes` says the same of
    the results, None of one that is the same for all. ValueError where the arguments have different numbers of examples
    or none, and where `out_axes` is None for a result that depends on the example.

    Indices, masks to write by, counts and options may differ from example to example, too; where the functions that
    take them have no form for all examples at once, they are called for one after another. What gives results whose
    shapes differ is an error (`x[mask]`, `nonzero`, `unique`, `trim_zeros`): `where(mask, x, 0)`, `where=mask` of a
    reduction and `minlength=` of `bincount` give results of one shape.

    Where `f` draws random numbers of `nn` (dropout), `randomness` says whether they are "different" for each example
    or the "same" for all, as in PyTorch; RuntimeError where it does not ("error").

    >>> vmap(lambda x, y: x @ y)([[1.0, 2.0], [3.0, 4.0]], [[1.0, 0.0], [0.0, 1.0]])
    Tensor([1., 4.])
    >>> from pullback import grad
    >>> vmap(grad(lambda w, x: (w * x) ** 2), in_axes=(None, 0))(3.0, [1.0, 2.0])
    Tensor([ 6., 24.])
    """

    check_function("vmap", f)
    if randomness not in ("error", "different", "same"):
        raise ValueError(f"vmap: randomness {randomness!r}; expected 'error', 'different' or 'same'")

    @wraps(f)
    def on_batches(*args: Any, **kwargs: Any) -> Any:
        given, rebuild = flatten(args)
        axes = _axes(in_axes, args, "in_axes")
        tensors = [asarray(x) for x in given]
        for x, axis in zip(tensors, axes, strict=True):
            if axis is not None and not -x.ndim <= axis < x.ndim:
                raise ValueError(f"vmap: in_axes {in_axes} has axis {axis} for an argument of shape {x.shape}")
        counts = {x.shape[axis] for x, axis in zip(tensors, axes, strict=True) if axis is not None}
        if len(counts) != 1 or 0 in counts:
            shapes = ", ".join(str(x.shape) for x in tensors)
            raise ValueError(f"vmap: in_axes {in_axes} of arguments of shapes {shapes} give no one number of examples")
        (n,) = counts
        with new_level() as level, mode(batches=(*modes.batches, (level, n, randomness))):
            inputs = [
                x if axis is None else batched(level, moveaxis(x, axis, 0))
                for x, axis in zip(tensors, axes, strict=True)
            ]
            result = f(*rebuild(inputs), **kwargs)
            outputs, rebuild = flatten(result)
            places = _axes(out_axes, result, "out_axes")
            values = [_outside(asarray(out), level, n, axis) for out, axis in zip(outputs, places, strict=True)]
        return rebuild(values)

    return on_batches


def batched(level: int, x: Any) -> Tensor:
    """The examples along the first axis of a Tensor, as one value."""
    return wrap(Batched(level, plain(x)))


def _outside(out: Tensor, level: int, n: int, axis: int | None) -> Tensor:
    """A result with the batch axis where it is wanted."""
    out = lowered(out, level)
    own = level_of(out) == level
    if axis is None:
        if own:
            raise ValueError(f"vmap: out_axes is None for a result of shape {out.shape} that depends on the example")
        return out
    return apart(moveaxis(asarray(out._held.value) if own else broadcast_to(out, (n, *out.shape)), 0, axis))


def _axes(axes: Any, tree: Any, name: str) -> list[Any]:
    """The axis of each leaf: `axes` is a number or None, or has the form of the nest or of its upper part."""
    if axes is None or isinstance(axes, int):
        return [axes] * len(flatten(tree)[0])
    if isinstance(tree, dict) and isinstance(axes, dict) and tree.keys() == axes.keys():
        parts = [(axes[key], tree[key]) for key in tree]
    elif isinstance(tree, (list, tuple)) and isinstance(axes, (list, tuple)) and len(axes) == len(tree):
        parts = list(zip(axes, tree, strict=True))
    else:
        raise ValueError(f"vmap: {name} {axes} has not the form of what it is for")
    return [axis for part in parts for axis in _axes(*part, name)]
