"""What in an input moves a unit: the backward pass, with or without another rule for what rectifies."""

# mypy: disable-error-code="overload-overlap"
from __future__ import annotations

import warnings
from typing import TypedDict, Unpack, overload

import numpy as np

from ..extend import Array, ArrayLike
from .probing import (
    Attributions,
    Layer,
    Model,
    Parts,
    Question,
    Samples,
    Several,
    Spot,
    Unit,
    Where,
    chosen,
    in_form_of,
    mapped,
    rows,
)
from .rectifying import Method, deconvolved, guided, rectifying

__all__ = ["deconvnet", "guided_backprop", "saliency"]


class Projected(TypedDict, total=False):
    """What both projections have in common."""

    call: int
    strongest: int | None
    seed: str | float
    batch_size: int | None


@overload
def deconvnet(
    model: Model, x: Several, layer: Layer | None = ..., unit: Unit = ..., **where: Unpack[Projected]
) -> Parts: ...
@overload
def deconvnet(
    model: Model, x: ArrayLike, layer: Layer | None = ..., unit: Unit = ..., **where: Unpack[Projected]
) -> Array: ...
def deconvnet(
    model: Model,
    x: Samples,
    layer: Layer | None = None,
    unit: Unit = None,
    *,
    call: int = -1,
    strongest: int | None = 1,
    seed: str | float = "activation",
    batch_size: int | None = None,
) -> Attributions:
    """Project the activation of a unit of `layer` back to the input x; returns an array of the shape of x.

    x is a batch (N, C, *spatial), of which each sample gets its own projection; for a model of several arguments a
    tuple of batches, as is then the result (None for integers). `model` is a Module, or any function of Tensors.
    `layer` is a module of the model, its name, or its index among the model's children; None is the model's own output.
    `call` numbers the calls of a layer that is used several times. `unit` is (channel, *position); of a channel, or of
    all (None), each sample's `strongest` units are taken, as many as that says, and with `strongest=None` the whole
    feature map. What is projected is the activation, or instead of it the number `seed`.

    On the way back ReLU lets pass what is positive of the cotangent, convolutions are transposed and maxima go
    where they came from, which is the network that Zeiler and Fergus attach in "Visualizing and Understanding
    Convolutional Networks" (2014). So do `maximum(x, 0)`, `clip(x, 0, None)`, `where(x > 0, x, 0)`, a product with
    the mask `x > 0`, ReLU6 and leaky ReLUs (which scale what is negative). Of anything else that is neither linear nor
    a maximum over some places a warning says that its plain gradient was taken. Another is of an activation that is
    not positive: its picture is upside down, or blank.

    The model is run in eval mode, `batch_size` samples at once if that is given, and left as it was. ValueError for a
    layer, call or unit that does not exist, RuntimeError if the layer does not depend on x.

    >>> from pullback import nn
    >>> model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(2))
    >>> deconvnet(model, np.ones((1, 1, 8, 8), np.float32), 2, unit=0, seed=1).shape
    (1, 1, 8, 8)
    """
    question = Question("deconvnet", model, Spot(layer, call))
    return _projected(question, deconvolved, x, unit, strongest, seed, batch_size)


@overload
def guided_backprop(
    model: Model, x: Several, layer: Layer | None = ..., unit: Unit = ..., **where: Unpack[Projected]
) -> Parts: ...
@overload
def guided_backprop(
    model: Model, x: ArrayLike, layer: Layer | None = ..., unit: Unit = ..., **where: Unpack[Projected]
) -> Array: ...
def guided_backprop(
    model: Model,
    x: Samples,
    layer: Layer | None = None,
    unit: Unit = None,
    *,
    call: int = -1,
    strongest: int | None = 1,
    seed: str | float = "activation",
    batch_size: int | None = None,
) -> Attributions:
    """Project a unit back as `deconvnet` does, but let ReLU also stop the cotangent where its input was negative.

    Springenberg et al., "Striving for Simplicity: The All Convolutional Net" (2015).

    >>> from pullback import nn
    >>> model = nn.Sequential(nn.Linear(3, 4), nn.ReLU())
    >>> guided_backprop(model, np.ones((1, 3), np.float32), 1, seed=1).shape
    (1, 3)
    """
    question = Question("guided_backprop", model, Spot(layer, call))
    return _projected(question, guided, x, unit, strongest, seed, batch_size)


@overload
def saliency(model: Model, x: Several, target: Unit = ..., **where: Unpack[Where]) -> Parts: ...
@overload
def saliency(model: Model, x: ArrayLike, target: Unit = ..., **where: Unpack[Where]) -> Array: ...
def saliency(
    model: Model,
    x: Samples,
    target: Unit = None,
    *,
    layer: Layer | None = None,
    call: int = -1,
    strongest: int | None = 1,
    batch_size: int | None = None,
) -> Attributions:
    """Return the gradient of the score of class `target` with respect to the input, of the shape of x.

    x is a batch (N, ...) and the model's output scores (N, classes, ...); None takes each sample's largest
    score. `target` may also be a unit of a `layer`; that and all else is as in `deconvnet`. The gradient has its
    sign; the picture of the paper is its magnitude. Simonyan et al., "Deep Inside Convolutional Networks" (2014).

    >>> from pullback import nn
    >>> model = nn.Linear(2, 3)
    >>> bool((saliency(model, np.ones((1, 2), np.float32), 1) == model.weight.numpy()[1]).all())
    True
    """
    question = Question("saliency", model, Spot(layer, call))

    def gradients(inputs: tuple[Array, ...]) -> list[Array | None]:
        return question.gradients(inputs, lambda values: chosen(values, target, strongest, "target"))

    return in_form_of(x, mapped(gradients, x, batch_size))


def activation(model: Model, x: ArrayLike, layer: Layer) -> Array:
    """Return the output of `layer` when the model, in eval mode, is given the batch x."""
    question = Question("activation", model, Spot(layer))
    (values,) = mapped(lambda inputs: [question.values(inputs)], x, None)
    assert values is not None
    return values


def _projected(
    question: Question,
    method: Method,
    x: Samples,
    unit: Unit,
    strongest: int | None,
    seed: str | float,
    batch_size: int | None,
) -> Attributions:
    if isinstance(seed, str) and seed != "activation":
        raise ValueError(f"{question.caller}: seed={seed!r} is neither 'activation' nor a number")
    lowest: list[float] = []

    def start(values: Array) -> Array:
        mask = chosen(values, unit, strongest)
        if not isinstance(seed, str):
            return mask * np.asarray(seed, values.dtype)
        started: Array = np.where(mask, values, 0)
        for sample in rows(started):
            if sample.size and (sample.min() < 0 or sample.max() <= 0):
                lowest.append(float(sample.min()))
        return started

    with rectifying(question.caller, method):
        results = mapped(lambda inputs: question.gradients(inputs, start), x, batch_size)
    if lowest:
        warnings.warn(
            f"{question.caller}: activations that are not positive, of {len(lowest)} samples and down to "
            f"{min(lowest):.3g}, were projected: such a picture is upside down, or blank; pass seed=1 or another unit",
            stacklevel=3,
        )
    return in_form_of(x, results)
