"""Attributions, what in an input moves a unit: the ordinary backward pass, with or without another rule for ReLU."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from ..autograd import Tensor, enable_grad, override, relu
from ..extend import Array, ArrayLike, backward_pass
from ..nn import Module
from ..nn.traversal import in_mode

__all__ = ["deconvnet", "guided_backprop", "saliency"]


Layer = Module | str | int  # itself, its name, or its index among the model's children


def deconvnet(model: Module, x: ArrayLike, layer: Layer, unit: int | tuple[int, ...] | None = None) -> Array:
    """Project the activation of a unit of `layer` back to the input x; returns an array of the shape of x.

    x is a batch (N, C, *spatial); each sample gets its own projection. `layer` is a module of the model, its
    name, or its index among the model's children. `unit` is (channel, *position), a channel, of which each
    sample's most active unit is taken, or None for the most active unit of all. On the way back ReLU lets
    pass what is positive of the cotangent, convolutions are transposed and maxima go where they came from,
    which is the network that Zeiler and Fergus attach in "Visualizing and Understanding Convolutional
    Networks" (2014). The model is run in eval mode; gradients of its parameters are left alone.
    ValueError for a layer or unit that does not exist, RuntimeError if the layer does not depend on x.

    >>> from pullback import nn
    >>> model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(2))
    >>> deconvnet(model, np.ones((1, 1, 8, 8), np.float32), 2, unit=0).shape
    (1, 1, 8, 8)
    """
    with override(relu, "x", lambda g: np.maximum(g, 0)):
        return _projected(model, x, layer, unit)


def guided_backprop(model: Module, x: ArrayLike, layer: Layer, unit: int | tuple[int, ...] | None = None) -> Array:
    """Project a unit back as `deconvnet` does, but let ReLU also stop the cotangent where its input was negative.

    Springenberg et al., "Striving for Simplicity: The All Convolutional Net" (2015).

    >>> from pullback import nn
    >>> guided_backprop(nn.Sequential(nn.Linear(3, 4), nn.ReLU()), np.ones((1, 3), np.float32), 1).shape
    (1, 3)
    """
    with override(relu, "x", lambda g, out: np.maximum(g, 0) * (out > 0)):
        return _projected(model, x, layer, unit)


def saliency(model: Module, x: ArrayLike, target: int | None = None) -> Array:
    """Return the gradient of the score of class `target` with respect to the input, of the shape of x.

    x is a batch (N, ...) and the model's output scores (N, classes, ...); None takes each sample's largest
    score. Simonyan et al., "Deep Inside Convolutional Networks" (2014).

    >>> from pullback import nn
    >>> model = nn.Linear(2, 3)
    >>> bool((saliency(model, np.ones((1, 2), np.float32), 1) == model.weight.numpy()[1]).all())
    True
    """
    with _run(model, x, model) as (pixels, scores):
        return _pulled(pixels, scores, _strongest(scores.numpy(), target, "target"))


def activation(model: Module, x: ArrayLike, layer: Layer) -> Array:
    """Return the output of `layer` when the model, in eval mode, is given the batch x."""
    with _run(model, x, layer) as (_, out):
        return out.numpy()


def _projected(model: Module, x: ArrayLike, layer: Layer, unit: int | tuple[int, ...] | None) -> Array:
    with _run(model, x, layer) as (pixels, out):
        values = out.numpy()
        return _pulled(pixels, out, np.where(_strongest(values, unit, "unit"), values, 0))


@contextmanager
def _run(model: Any, x: Any, layer: Any) -> Iterator[tuple[Tensor, Tensor]]:
    """The input, as a leaf, and what `layer` makes of it, while the model is in eval mode."""
    module = _find(model, layer)
    outputs: list[Any] = []
    hook = module.register_forward_hook(lambda module, inputs, output: outputs.append(_first(output)))
    try:
        with in_mode(model, training=False), enable_grad():
            pixels = Tensor(x, requires_grad=True)
            model(pixels)
            if not outputs:
                raise RuntimeError(f"layer {layer!r} took no part in the model's forward pass")
            yield pixels, outputs[-1]
    finally:
        hook.remove()


def _first(output: Any) -> Any:
    return output[0] if isinstance(output, tuple) else output


def _find(model: Any, layer: Any) -> Any:
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


def _strongest(values: Array, unit: int | tuple[int, ...] | None, what: str) -> Array:
    """A mask of one entry a sample: the largest of those that `unit` leaves open."""
    place = () if unit is None else (unit,) if isinstance(unit, (int, np.integer)) else tuple(unit)
    extents = values.shape[1:]
    if len(place) > len(extents) or not all(-n <= i < n for i, n in zip(place, extents, strict=False)):
        raise ValueError(f"{what} {unit!r} does not exist in an output of shape {values.shape}")
    chosen: Any = (slice(None), *place)
    mask = np.zeros(values.shape, bool)
    within = values[chosen].reshape(len(values), -1)
    best = np.zeros(within.shape, bool)
    best[np.arange(len(best)), within.argmax(1)] = True
    mask[chosen] = best.reshape(values[chosen].shape)
    return mask


def _pulled(pixels: Tensor, out: Tensor, cotangent: Array) -> Array:
    """The cotangent of an output, pulled back to the input."""
    found = {}
    if out._node is not None and pixels._node is not None:
        seeds = [(out._node, cotangent.astype(out.dtype))]
        found = backward_pass(seeds, {pixels._node}, retain_graph=False, create_graph=False)
    if not found:
        raise RuntimeError("the layer's output does not depend on the input, as far as was recorded")
    (pulled,) = found.values()
    return np.asarray(pulled)
