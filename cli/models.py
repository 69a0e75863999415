"""Models by name."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from textwrap import shorten

from ..nn import Module, load, models
from .mistakes import Mistake, nearest

__all__ = ["MODELS", "Kind", "kind_of", "loaded"]


@dataclass(frozen=True)
class Kind:
    """A classifier of images: how it is made for so many classes, and what images it takes.

    `size` is the height and width of its images, or with `fixed=False` the least.
    """

    make: Callable[[int], Module]
    channels: int
    size: int
    fixed: bool = False


MODELS = {
    "lenet": Kind(models.LeNet5, 1, 28, fixed=True),
    "resnet18": Kind(models.resnet18, 3, 1),
    "resnet34": Kind(models.resnet34, 3, 1),
    "resnet50": Kind(models.resnet50, 3, 1),
    "tinyml_vgg11": Kind(models.tinyml_vgg11, 3, 16),
    "tinyml_vgg16": Kind(models.tinyml_vgg16, 3, 32),
    "vgg11": Kind(models.vgg11, 3, 32),
    "vgg16": Kind(models.vgg16, 3, 32),
    "vit_b_16": Kind(models.vit_b_16, 3, 224, fixed=True),
}


def kind_of(name: str) -> Kind:
    """Return the model of a name; Mistake where there is none."""
    if name not in MODELS:
        raise Mistake(f"there is no model {name!r}{nearest(name, MODELS)}")
    return MODELS[name]


def loaded(name: str, classes: int, weights: str | os.PathLike[str]) -> Module:
    """Return a model with the weights of a safetensors file; Mistake where they are not its own."""
    model = kind_of(name).make(classes)
    state = load(weights)
    try:
        model.load_state_dict(state)
    except (KeyError, ValueError, TypeError, RuntimeError) as error:
        what = shorten(str(error.args[0]), 200, placeholder=" ...")
        text = f"{os.fspath(weights)!r} does not hold the weights of {name} for {classes} classes: {what}"
        raise Mistake(text) from error
    return model
