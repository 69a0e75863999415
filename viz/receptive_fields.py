"""Receptive fields: what of an input a unit can see, from the geometry of the operations in between.

For each axis it is asked which indices lead to those that are wanted, from the layer back to the input. Along an axis
the answer for a convolution or a pooling depends on that axis alone, so the ends along each are exact, also where
branches meet. What other operations need is seen from the places where their gradients are not 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import reduce
from typing import Any

import numpy as np

from ..autograd import vjp
from ..extend import Array
from ..nn import Module
from ..nn.forward_pass import Layer, Operation, forward_pass, name_of

__all__ = ["receptive_field"]

Unit = int | tuple[int, ...] | None
Sets = tuple[Array, ...]  # for each axis of an array, which indices are meant


def receptive_field(
    model: Module, x_shape: tuple[int, ...], layer: Layer, unit: Unit = None
) -> tuple[slice[int, int, None], ...]:
    """Return the smallest box in a sample that holds all that `unit` of `layer` depends on, a slice for each axis.

    `x_shape` is the shape (N, C, *spatial) of a batch, so that `x[(n, *field)]` is what the unit sees of sample n; at
    the borders of the image the box ends there. `layer` is a module of the model, its name, or its index among the
    model's children; `unit` is (channel, *position), or the first of these numbers for all units that have them. The
    model runs once, on zeros, in eval mode. What a unit depends on is taken from the sizes of kernels, strides,
    padding and dilation, whatever the weights and the data are. ValueError for a layer or unit that does not exist.

    >>> from pullback import nn
    >>> model = nn.Sequential(nn.Conv1d(2, 4, 3, padding=1), nn.ReLU(), nn.MaxPool1d(2))
    >>> receptive_field(model, (1, 2, 10), 2, (0, 1))
    (slice(0, 2, None), slice(1, 5, None))
    """
    return ReceptiveFields(model, x_shape, layer, "receptive_field").of(unit)


class ReceptiveFields:
    """The receptive fields of all units of a layer, for inputs of one shape."""

    def __init__(self, model: Module, x_shape: tuple[int, ...], layer: Layer, caller: str) -> None:
        self.caller = caller
        x = np.zeros((1, *x_shape[1:]), np.float32)
        self.passed = forward_pass(model, x, name_of(model, layer, caller), caller)

    def of(self, unit: Unit) -> tuple[slice[int, int, None], ...]:
        """A slice for each axis of a sample, as `receptive_field` gives them."""
        end, start, operations = self.passed.end, self.passed.start, self.passed.operations
        wanted: dict[Any, Sets] = {end: self._chosen(unit)}
        for operation in reversed(operations):
            results = [wanted.get(node) for node in operation.nodes]
            for position, source in enumerate(operation.sources):
                if source is None or all(result is None for result in results):
                    continue
                found = _needed(operation, position, results)
                if all(indices.any() for indices in found):
                    before = wanted.get(source, found)
                    wanted[source] = tuple(a | b for a, b in zip(before, found, strict=True))
        sample = wanted.get(start, tuple(np.zeros(n, bool) for n in self.passed.input.shape))[1:]
        return tuple(_span(indices) for indices in sample)

    def _chosen(self, unit: Unit) -> Sets:
        """What `unit` names in the layer's output."""
        shape = self.passed.output.shape
        place = () if unit is None else unit if isinstance(unit, tuple) else (unit,)
        extents = shape[1:]
        if len(place) > len(extents) or not all(-n <= i < n for i, n in zip(place, extents, strict=False)):
            raise ValueError(f"{self.caller}: unit {unit!r} does not exist in an output of shape {shape}")
        sets = [np.ones(n, bool) for n in shape]
        for axis, i in enumerate(place, 1):
            sets[axis] = np.arange(shape[axis]) == i % shape[axis]
        return tuple(sets)


def _span(indices: Array) -> slice[int, int, None]:
    there = np.flatnonzero(indices)
    return slice(int(there[0]), int(there[-1]) + 1) if there.size else slice(0, 0)


def _needed(operation: Operation, position: int, results: list[Sets | None]) -> Sets:
    """Which indices of an argument lead to those that are wanted of the results."""
    rule = _RULES.get(operation.primitive.name) if position == 0 else None
    wanted = results[0]
    if wanted is not None and len(results) == 1:
        if rule is not None:
            return rule(operation, wanted)
        if operation.primitive.kind(position) == "elementwise":
            return _broadcast(np.shape(operation.args[position]), wanted)
    return _by_gradient(operation, position, results)


def _broadcast(shape: tuple[int, ...], wanted: Sets) -> Sets:
    own = wanted[len(wanted) - len(shape) :]
    return tuple(
        indices if len(indices) == n else np.array([indices.any()]) for indices, n in zip(own, shape, strict=True)
    )


def _windows(operation: Operation, wanted: Sets) -> Sets:
    """The entries of windows, along the spatial axes."""
    geo = operation.options["geo"]
    found = list(wanted[:2])
    for indices, n, k, s, (before, _), d in zip(wanted[2:], *geo[:5], strict=True):
        entries = np.flatnonzero(indices)[:, None] * s - before + d * np.arange(k)
        found.append(_marked(entries[(entries >= 0) & (entries < n)], n))
    return tuple(found)


def _placed(operation: Operation, wanted: Sets) -> Sets:
    """The windows that reach what is wanted, along the spatial axes."""
    geo = operation.options["geo"]
    found = list(wanted[:2])
    for indices, k, s, (before, _), d, count in zip(wanted[2:], *geo[1:], strict=True):
        entries = np.arange(count)[:, None] * s - before + d * np.arange(k)
        inside = (entries >= 0) & (entries < len(indices))
        found.append((inside & indices[np.where(inside, entries, 0)]).any(axis=1))
    return tuple(found)


def _marked(entries: Array, n: int) -> Array:
    marks = np.zeros(n, bool)
    marks[entries] = True
    return marks


def _mixed(move: Callable[[Operation, Sets], Sets]) -> Callable[[Operation, Sets], Sets]:
    """A convolution takes, beside that, all channels of the groups of those that are wanted."""

    def needed(operation: Operation, wanted: Sets) -> Sets:
        samples, channels, *spatial = move(operation, wanted)
        count = operation.options["groups"]
        groups = channels.reshape(count, -1).any(axis=1)
        return samples, np.repeat(groups, operation.args[0].shape[1] // count), *spatial

    return needed


def _adaptive(operation: Operation, wanted: Sets) -> Sets:
    """The i-th of k windows over n entries is from floor(i n / k) to ceil((i + 1) n / k)."""
    found = list(wanted[:2])
    for indices, n in zip(wanted[2:], operation.args[0].shape[2:], strict=True):
        k = len(indices)
        edges = [(i * n // k, math.ceil((i + 1) * n / k)) for i in np.flatnonzero(indices).tolist()]
        found.append(reduce(np.logical_or, (_marked(np.arange(*edge), n) for edge in edges), np.zeros(n, bool)))
    return tuple(found)


def _features(operation: Operation, wanted: Sets) -> Sets:
    return (*wanted[:-1], np.ones(operation.args[0].shape[-1], bool))


_RULES: dict[str, Callable[[Operation, Sets], Sets]] = {
    "adaptive_max_pool": _adaptive,
    "box_sum": _adaptive,
    "conv": _mixed(_windows),
    "conv_transpose": _mixed(_placed),
    "linear": _features,
    "max_pool": _windows,
    "window_sum": _windows,
}


def _by_gradient(operation: Operation, position: int, results: list[Sets | None]) -> Sets:
    """Where the gradient is not 0 of an operation that is given random numbers, whatever it had."""
    random = np.random.default_rng(0)

    def drawn(x: Any) -> Any:
        x = x.numpy() if hasattr(x, "numpy") else x
        return random.uniform(0.5, 1.5, x.shape) if isinstance(x, np.ndarray) and x.dtype.kind == "f" else x

    args = [drawn(x) for x in operation.args]

    def run(x: Any) -> Any:
        return operation.primitive.apply(*args[:position], x, *args[position + 1 :], **operation.options)

    values, pull_back = vjp(run, args[position])
    cotangents = []
    for out, wanted in zip(values if isinstance(values, tuple) else [values], results, strict=True):
        cotangent = np.zeros(out.shape, out.dtype)
        if wanted is not None:
            cotangent[np.ix_(*wanted)] = random.uniform(0.5, 1.5, cotangent[np.ix_(*wanted)].shape)
        cotangents.append(cotangent)
    pulled = pull_back(tuple(cotangents) if isinstance(values, tuple) else cotangents[0])[0].numpy() != 0
    axes = range(pulled.ndim)
    return tuple(pulled.any(axis=tuple(i for i in axes if i != axis)) for axis in axes)
