"""Batching: values with a batch axis of their own, and how an operation on examples becomes one on the whole batch.

A batching rule is `rule(call, n, values, batched, **options)`: `call` is the primitive, `values` are its arrays, of
which those at the positions in `batched` have the batch axis in front; so must the results have that it returns.
The ones here serve most primitives; which one a primitive has, its kind says:

    pointwise    elementwise in all arguments
    along        an option names the axis
    stacked      acts on the last axes and broadcasts over those in front
    folded       samples (N, ...) side by side: the batch becomes more of them
    looped       all others: one example after another
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from ..runtime.libraries import is_foreign, library_of
from .graph import modes
from .pytrees import flatten
from .tensor import Tensor, holds_tensors, unmasked, wrap
from .tracing import Tracer, bottom, is_later, level_of, raw, tracer
from .types import Array


class Differs(TypeError):
    """A number was asked of a value that differs over a batch."""

    def __init__(self, batch: Batched, message: str = "") -> None:
        super().__init__(
            message
            or "vmap: no number, array, condition or slice can be made of a value that differs from example to "
            "example; use where() in place of if and of a mask, x[i + arange(n)] in place of x[i : i + n]"
        )
        self.batch = batch


class NoBatch(ValueError):
    """The results of the examples of a batch, where they are computed one by one, have different shapes."""

    batch: Batched


NOT_AT_ONCE = (Differs, NoBatch)  # what is raised where no call for all examples at once can be


class Batched(Tracer):
    """A value for each example of a batch, along the first axis of what it holds."""

    __slots__ = ()

    @property
    def shape(self) -> tuple[int, ...]:
        return self.value.shape[1:]

    @property
    def size(self) -> int:
        return self.value.size // len(self.value)

    @property
    def _held(self) -> Any:
        raise Differs(self)

    def __repr__(self) -> str:
        return f"for each example, {self.value!r}"

    def detached(self) -> Any:
        value = self.value
        return Batched(self.level, value.detach() if isinstance(value, Tensor) else value)

    def outputs(self, primitive: Any, args: tuple[Any, ...], options: dict[str, Any]) -> tuple[Any, ...]:
        batched = {i for i, x in enumerate(args) if level_of(x) == self.level}
        values = [x._held.value if i in batched else x for i, x in enumerate(args)]
        results = primitive.batching(primitive.outputs, len(self.value), values, batched, **options)
        return tuple(self.raised(result) for result in results)

    def computed(self, function: Any, values: list[Any], rebuild: Any) -> Any:
        def one(*values: Any) -> tuple[Any]:
            args, kwargs = rebuild(values)
            return (computed(function, *args, **kwargs),)

        one.__name__ = function.__name__
        batched = {i for i, x in enumerate(values) if level_of(x) == self.level}
        values = [x._held.value if i in batched else x for i, x in enumerate(values)]
        rule = pointwise if isinstance(function, np.ufunc) else looped
        return self.raised(rule(one, len(self.value), values, batched)[0])

    def raised(self, result: Any) -> Any:
        """A result, or several, as a value of this batch."""
        if isinstance(result, (tuple, list)):
            return _like(result, map(self.raised, result))
        return wrap(Batched(self.level, result)) if isinstance(result, (Tensor, np.ndarray, np.generic)) else result


def drawn(draw: Callable[[tuple[int, ...]], Array], shape: tuple[int, ...]) -> Tensor | Array:
    """`draw(shape)`, random numbers: inside `vmap` each example's own or the same for all, as its `randomness` says."""
    if any(randomness == "error" for _, _, randomness in modes.batches):
        raise RuntimeError(
            "vmap: random numbers are drawn inside; pass randomness='different' for each example to have its own, "
            "or randomness='same'"
        )
    each = [(level, n) for level, n, randomness in modes.batches if randomness == "different"]
    drawing: Any = modes.recorder.drawn if modes.recorder is not None else lambda draw, shape: draw(shape)
    numbers: Tensor | Array = drawing(draw, (*(n for _, n in each), *shape))
    for level, _ in each:
        numbers = wrap(Batched(level, numbers))
    return numbers


def full(n: int, values: Any, batched: set[int]) -> list[Any]:
    """The values, all of them with the batch axis."""
    return [v if i in batched or v is None else np.broadcast_to(v, (n, *np.shape(v))) for i, v in enumerate(values)]


def aligned(values: Any, batched: set[int], core: int) -> list[Any]:
    """The values with axes of length 1 behind the batch axis, so that all broadcast in front of the `core` last."""
    ndim = max([np.ndim(v) - (i in batched) for i, v in enumerate(values)] + [core])
    return [
        np.reshape(v, (v.shape[0], *(1,) * (ndim - v.ndim + 1), *v.shape[1:])) if i in batched else v
        for i, v in enumerate(values)
    ]


def pointwise(call: Any, n: int, values: Any, batched: set[int], /, **options: Any) -> Any:
    return call(*aligned(values, batched, 0), **options)


def stacked(call: Any, n: int, values: Any, batched: set[int], /, **options: Any) -> Any:
    return call(*aligned(values, batched, 2), **options)


def along(call: Any, n: int, values: Any, batched: set[int], /, *, axis: Any, **options: Any) -> Any:
    ndims = {np.ndim(v) - (i in batched) for i, v in enumerate(values) if v is not None}
    if axis is None or len(ndims) > 1:  # arguments that broadcast
        return looped(call, n, values, batched, axis=axis, **options)
    one = isinstance(axis, (int, np.integer))
    axes = tuple(i + 1 if i >= 0 else i for i in ((axis,) if one else axis))
    return call(*full(n, values, batched), axis=axes[0] if one else axes, **options)


def folded(call: Any, n: int, values: Any, batched: set[int], /, **options: object) -> Any:
    samples = [np.reshape(v, (n * v.shape[1], *v.shape[2:])) for v in full(n, values, batched)]
    return tuple(np.reshape(out, (n, out.shape[0] // n, *out.shape[1:])) for out in call(*samples, **options))


def looped(call: Any, n: int, values: Any, batched: set[int], /, **options: object) -> Any:
    rows = (call(*(v[k] if i in batched else v for i, v in enumerate(values)), **options) for k in range(n))
    name = getattr(getattr(call, "__self__", call), "__name__", "a function")
    return tuple(together(parts, name) for parts in zip(*rows, strict=True))


def together(parts: tuple[Any, ...], name: str, differing: str = "") -> Any:
    """What the examples gave, one beneath the other; what is no array or number has to be the same for all.

    `name` is the function's, `differing` the arguments' for which it was called for one example after another.
    """
    first = parts[0]
    counts = [len(part) if isinstance(part, (tuple, list)) else 1 for part in parts]
    if differing and len(set(counts)) > 1:
        raise NoBatch(
            f"vmap: {name} by {differing} gives {min(counts)} and {max(counts)} results, which are no batch; use one "
            f"{differing} for all examples"
        )
    if isinstance(first, (tuple, list)) and len(set(counts)) == 1:
        return _like(first, (together(each, name, differing) for each in zip(*parts, strict=True)))
    if any(isinstance(part, (Tensor, np.ndarray, np.generic)) for part in parts):
        shapes = list(dict.fromkeys(map(np.shape, parts)))
        if len(shapes) > 1:
            advice = "use where() for those that differ, or minlength= if there is one"
            if differing:
                name, advice = f"{name} by {differing}", f"use one {differing} for all examples, or where()"
            raise (NoBatch if differing else ValueError)(
                f"vmap: {name} gives results of shapes {shapes[0]} and {shapes[1]} ({advice}), which are no batch"
            )
        return np.stack(parts)
    other = next((part for part in parts if part != first), first)
    if other is first:
        return first
    if isinstance(first, (bool, int, float, complex)):
        return np.array(parts)
    if differing:
        name = f"{name} by {differing}"
    raise TypeError(f"vmap: {name} gives {first!r} for one example and {other!r} for another, which are no batch")


def _like(several: Any, parts: Iterable[Any]) -> Any:
    """Parts in a tuple, named or not, or a list, as that one is."""
    return several._make(parts) if hasattr(several, "_make") else type(several)(parts)


def by_kind(primitive: Any) -> Callable[..., Any]:
    """The rule that follows from what kind of map a primitive is."""
    if primitive.arrays and all(primitive.kinds.get(name) == "elementwise" for name in primitive.arrays):
        return pointwise
    return along if "axis" in primitive.options else looped


def agreed(x: Any, what: str) -> Any:
    """Values on which shapes depend: TypeError where they differ over a batch."""
    values = np.asarray(bottom(x))
    rows = values.reshape(-1, *np.shape(x))
    if len(rows) > 1 and (rows != rows[0]).any():
        raise TypeError(f"vmap: {what} must be the same for all examples of a batch")
    return rows[0]


def everywhere(condition: object) -> bool:
    """Whether a condition holds for all entries, of all examples."""
    return bool(np.all(bottom(condition)))


def surely(condition: object) -> bool:
    """Whether a condition is known by now to hold for all entries, of all examples."""
    return not is_later(condition) and not is_foreign(bottom(condition).__class__) and everywhere(condition)


def checked(check: Callable[[Any], None], x: Any) -> None:
    """Call `check`, which may raise, with all values in x, of all examples: in a program whenever that runs, and not
    where to ask would be to wait for another device."""
    if is_later(x):
        modes.recorder.checked(check, x)
    elif not is_foreign((values := bottom(x)).__class__):
        check(values)


def required(condition: object, message: str, error: type[Exception] = ValueError) -> None:
    """Raise an error unless a condition holds for all entries, of all examples: in a program whenever that runs."""

    def check(holds: Any) -> None:
        if not np.all(holds):
            raise error(message)

    checked(check, condition)


def _lower(value: Any) -> Any:
    """A value without Tensors in it."""
    if isinstance(value, (list, tuple)):
        return _like(value, map(_lower, value)) if holds_tensors(value) else value
    if isinstance(value, Tensor):
        return raw(value)
    unmasked(value)
    return value


def _raised(out: Any) -> Any:
    """A result, or several, as Tensors."""
    if isinstance(out, (tuple, list)):
        return _like(out, map(_raised, out))
    known = isinstance(out, (np.ndarray, np.generic)) or is_foreign(out.__class__)
    return wrap(out) if known else out


def computed(function: Any, *args: Any, **kwargs: Any) -> Any:
    """Apply a non-differentiable function to Tensors' values."""
    if modes.depth:
        values, rebuild = flatten((args, kwargs))
        if any(map(level_of, values)):
            return _for_examples(function, values, rebuild)
    return at_once(function, *args, **kwargs)


def at_once(function: Any, *args: Any, **kwargs: Any) -> Any:
    """`computed` by one call with the arrays in Tensors; TypeError where they differ over a batch."""
    args, kwargs = tuple(map(_lower, args)), {k: _lower(v) for k, v in kwargs.items()}
    for a in args if modes.elsewhere else ():
        if is_foreign(a.__class__):
            library = library_of(a.__class__)
            return _raised(library.call(library.version(function), *args, **kwargs))
    return _raised(function(*args, **kwargs))


def _for_examples(function: Any, values: list[Any], rebuild: Callable[[Any], Any]) -> Any:
    """`computed` for arguments with values that may differ over batches."""
    given = [x.detach() if isinstance(x, Tensor) else x for x in values]
    level = max(map(level_of, given), default=0)
    if level:
        return tracer(given, level).computed(function, given, rebuild)
    args, kwargs = rebuild(given)
    return at_once(function, *args, **kwargs)
