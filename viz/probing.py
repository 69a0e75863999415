"""Running a model to look into it: what its layers give, and which units are meant, with all else left as it was."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple, TypedDict

import numpy as np

from ..autograd import Tensor
from ..extend import Array, ArrayLike, Node, backward_pass, bottom, generator, mode
from ..nn import Module
from ..nn.hooks import register_module_forward_pre_hook

Model = Module | Callable[..., object]
Layer = Module | str | int  # itself, its name, or its index among the model's children
Unit = int | tuple[int, ...] | None  # a channel or class, one with a position, or whichever is strongest
Several = tuple[ArrayLike, ...]  # batches, one for each argument of the model
Samples = ArrayLike | Several
Parts = tuple[Array | None, ...]  # one for each argument, None for integers
Attributions = Array | Parts


class Where(TypedDict, total=False):
    """What all attributions have in common."""

    layer: Layer | None
    call: int
    strongest: int | None
    batch_size: int | None


class Spot(NamedTuple):
    """Where to look: at what a layer gives (None: the model) in one of its calls, numbered as a list is."""

    layer: Layer | None = None
    call: int = -1


class Seen(NamedTuple):
    """What was seen at a spot: the values, and the node of the graph with which they were recorded."""

    node: Node | None
    values: Array


class Question:
    """What is asked of a model: the sum, for each sample, of some units at a spot, and its derivatives."""

    def __init__(self, caller: str, model: Model, spot: Spot) -> None:
        self.caller, self.model, self.spot = caller, model, spot

    def values(self, inputs: Sequence[Array]) -> Array:
        """All that the spot gives."""
        with probed(self.caller, self.model, inputs, self.spot, record=False) as (_, (seen,)):
            return seen.values

    def scores(self, inputs: Sequence[Array], mask: Array) -> Array:
        """The sum of the units of `mask`, for each sample."""
        return per_sample(np.where(mask, self.values(inputs), 0))

    def gradients(self, inputs: Sequence[Array], cotangent: Callable[[Array], Array]) -> list[Array | None]:
        """What is pulled back to the inputs from the spot, where `cotangent` is a function of its values."""
        if not any(a.dtype.kind in "fc" for a in inputs):
            raise TypeError(f"{self.caller}: x is of {inputs[0].dtype}; expected floats, which have derivatives")
        with probed(self.caller, self.model, inputs, self.spot) as (leaves, (seen,)):
            found = pulled(seen, cotangent(seen.values), [leaf._node for leaf in leaves])
            if not found:
                raise RuntimeError(f"{self.caller}: what is asked for does not depend on the input, as far as recorded")
            return [
                None if leaf._node is None else found.get(leaf._node, np.zeros(leaf.shape, leaf.dtype))
                for leaf in leaves
            ]


def rows(x: Array) -> Array:
    """The entries of each sample in a row."""
    return x.reshape(len(x), math.prod(x.shape[1:]))


def per_sample(x: Array) -> Array:
    """The sum of all entries of each sample."""
    total: Array = rows(x).sum(1)
    return total


def mapped(
    f: Callable[[tuple[Array, ...]], Sequence[Array | None]], x: Samples, batch_size: int | None
) -> list[Array | None]:
    """The results of f for x, a tuple of arrays (one for each argument of the model), batch by batch."""
    inputs = arrays(x)
    if batch_size is None:
        return list(f(inputs))
    if batch_size < 1:
        raise ValueError(f"batch_size={batch_size} is not positive")
    starts = range(0, max(len(inputs[0]), 1), batch_size)
    parts = [f(tuple(a[start : start + batch_size] for a in inputs)) for start in starts]
    return [None if part[0] is None else np.concatenate(part) for part in zip(*parts, strict=True)]


def in_form_of(x: Samples, results: Sequence[Array | None]) -> Attributions:
    """Results, one for each input, as x was given: a tuple if that is one."""
    if isinstance(x, tuple):
        return tuple(results)
    (result,) = results
    assert result is not None
    return result


def arrays(x: Samples) -> tuple[Array, ...]:
    """The batches as arrays, one for each argument of the model."""
    inputs = tuple(np.asarray(bottom(a)) for a in (x if isinstance(x, tuple) else (x,)))
    if len({a.shape[:1] for a in inputs}) != 1 or not inputs[0].ndim:
        raise ValueError(f"x: inputs of shapes {', '.join(str(a.shape) for a in inputs)} are no batches of one length")
    return inputs


def baselines(caller: str, inputs: tuple[Array, ...], baseline: Samples) -> tuple[Array, ...]:
    """A baseline for each input, in its shape and dtype; among several inputs integers stay what they are."""
    given = baseline if isinstance(baseline, tuple) else (baseline,) * len(inputs)
    if len(given) != len(inputs):
        raise ValueError(f"{caller}: {len(given)} baselines for {len(inputs)} inputs; expected one for each")
    found = []
    fixed = "biu" if len(inputs) > 1 else ""
    for a, b in zip(inputs, given, strict=True):
        b = np.asarray(bottom(b))
        try:
            found.append(np.broadcast_to(b, a.shape).astype(a.dtype) if a.dtype.kind not in fixed else a)
        except ValueError:
            raise ValueError(f"{caller}: a baseline of shape {b.shape} for an input of shape {a.shape}") from None
    return tuple(found)


@contextmanager
def probed(
    caller: str, model: Model, inputs: Sequence[Array], *spots: Spot, record: bool = True
) -> Iterator[tuple[list[Tensor], list[Seen]]]:
    """Run a model on inputs; gives these as leaves (integers as constants), and what was seen at the spots.

    The model is in eval mode, and left as it was with the context.
    """
    seen: list[list[Seen]] = [[] for _ in spots]
    with ExitStack() as stack:
        for spot, calls in zip(spots, seen, strict=True):
            if spot.layer is not None and spot.layer is not model:
                watch = _watch(calls, threading.get_ident())
                stack.callback(_find(model, spot.layer).register_forward_hook(watch).remove)
        stack.enter_context(left_alone(model))
        stack.enter_context(mode(recording=record, retaining=False))
        leaves = [Tensor(a, requires_grad=record and a.dtype.kind in "fc") for a in inputs]
        output = model(*leaves)
        for spot, calls in zip(spots, seen, strict=True):
            if spot.layer is None or spot.layer is model:
                calls.append(_seen(output))
            if not calls:
                raise RuntimeError(f"{caller}: layer {spot.layer!r} took no part in the model's forward pass")
            if not -len(calls) <= spot.call < len(calls):
                raise ValueError(f"{caller}: call={spot.call} of {spot.layer!r}, which was called {len(calls)} times")
        yield leaves, [calls[spot.call] for spot, calls in zip(spots, seen, strict=True)]


def pulled(seen: Seen, cotangent: Array, to: Sequence[Node | None]) -> dict[Node, Array]:
    """The cotangent of what was seen, pulled back to those nodes that lead there."""
    wanted = {node for node in to if node is not None}
    if seen.node is None or not wanted:
        return {}
    seeds = [(seen.node, cotangent.astype(seen.values.dtype))]
    found = backward_pass(seeds, wanted, retain_graph=False, create_graph=False)
    return {node: np.asarray(g) for node, g in found.items()}


def chosen(values: Array, unit: Unit, strongest: int | None = 1, what: str = "unit") -> Array:
    """A mask of the units that are meant: of those that `unit` leaves open each sample's strongest, or all (None)."""
    place = () if unit is None else (unit,) if isinstance(unit, (int, np.integer)) else tuple(unit)
    if not values.ndim:
        raise ValueError(f"{what} {unit!r} of an output of shape (): expected one value or more for each sample")
    extents = values.shape[1:]
    if len(place) > len(extents) or not all(-n <= i < n for i, n in zip(place, extents, strict=False)):
        raise ValueError(f"{what} {unit!r} does not exist in an output of shape {values.shape}")
    if strongest is not None and strongest < 1:
        raise ValueError(f"strongest={strongest} is not positive; expected how many units, or None for all")
    open_: Any = (slice(None), *place)
    mask = np.zeros(values.shape, bool)
    within = rows(values[open_])
    best = np.full(within.shape, strongest is None)
    if strongest is not None:
        np.put_along_axis(best, np.argsort(-within, axis=1, kind="stable")[:, :strongest], True, 1)
    mask[open_] = best.reshape(values[open_].shape)
    return mask


@contextmanager
def left_alone(model: Model) -> Iterator[None]:
    """Eval mode for a context, after which modes, buffers and this thread's random numbers are as before.

    Of a function that is so for the modules that it calls.
    """
    source, thread = generator().bit_generator, threading.get_ident()
    state = source.state
    kept: dict[int, tuple[Any, bool, list[tuple[str, Tensor, Array]]]] = {}

    def keep(module: Any, inputs: object = None) -> None:
        if id(module) not in kept and threading.get_ident() == thread:
            buffers = [(name, held, bottom(held).copy()) for name, held in module._own_buffers()]
            kept[id(module)] = module, module.training, buffers
            module.training = False

    try:
        with ExitStack() as stack:
            if isinstance(model, Module):
                for module in model.modules():
                    keep(module)
            else:
                stack.enter_context(register_module_forward_pre_hook(keep))
            yield
    finally:
        source.state = state
        for module, training, buffers in kept.values():
            module.training = training
            for name, held, values in buffers:
                if not np.array_equal(bottom(held), values, equal_nan=values.dtype.kind in "fc"):
                    held.data = values
                if module.__dict__.get(name) is not held:
                    setattr(module, name, held)


def _watch(calls: list[Seen], thread: int) -> Callable[[object, object, object], None]:
    """A hook that notes what a module gives in this thread."""

    def hook(module: object, inputs: object, output: object) -> None:
        if threading.get_ident() == thread:
            calls.append(_seen(output))

    return hook


def _seen(output: Any) -> Seen:
    first = output[0] if isinstance(output, (tuple, list)) else output
    if not isinstance(first, Tensor):
        raise TypeError(f"the layer gives a {type(first).__name__}; expected a Tensor, or a tuple that begins with one")
    return Seen(first._node, np.asarray(first.numpy()))


def _find(model: Model, layer: Layer) -> Any:
    if not isinstance(model, Module):
        if isinstance(layer, Module):
            return layer
        raise ValueError(f"layer: {layer!r} of a function, which names no layers; give the module itself")
    if isinstance(layer, int):
        children = list(model.children())
        if not -len(children) <= layer < len(children):
            raise ValueError(f"layer: there is no index {layer} among the model's {len(children)} children")
        return children[layer]
    modules = dict(model.named_modules(remove_duplicate=False))
    if isinstance(layer, str):
        if layer not in modules:
            raise ValueError(f"layer: no module is named {layer!r}; there are {', '.join(filter(None, modules))}")
        return modules[layer]
    if not any(module is layer for module in modules.values()):
        raise ValueError(f"layer: {layer!r} is not a module of the model")
    return layer
