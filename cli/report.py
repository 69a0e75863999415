"""`pullback show`: what a model has learned, as pictures and a report."""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .. import viz
from ..autograd import Tensor
from ..extend import Array
from ..nn import Conv2d, CrossEntropyLoss, Module
from ..nn.traversal import in_mode
from ..optim import Trainer
from .data import Images, arrays, chosen_images
from .mistakes import Mistake, nearest
from .models import loaded

__all__ = ["show", "write_report"]

Section = tuple[str, str, list[Any]]

_SHOWN = 8  # images in a row


def show(options: argparse.Namespace) -> int:
    """Write the pictures and the report of a model with its weights."""
    data = chosen_images(options)
    model = loaded(options.model, len(data.classes), options.weights)
    if options.layer is not None and options.layer not in (
        names := [name for name, _ in model.named_modules() if name]
    ):
        raise Mistake(f"{options.model} has no layer {options.layer!r}{nearest(options.layer, names)}")
    scores = Trainer(model, CrossEntropyLoss()).evaluate(data.test, batch_size=options.batch_size)
    folder = Path(options.out)
    folder.mkdir(parents=True, exist_ok=True)
    pictures = write_report(folder, f"{options.model} on {options.data}", model, data, scores, layer=options.layer)
    print(f"{folder / 'report.html'} written")
    for name, picture in pictures.items():
        write = picture.render if isinstance(picture, viz.Graph) else picture.save
        write(folder / f"{name}.png")
        print(f"{folder / name}.png written")
    return 0


def write_report(
    folder: Path,
    title: str,
    model: Module,
    data: Images,
    scores: Mapping[str, float],
    history: Mapping[str, Sequence[float]] | None = None,
    layer: str | None = None,
) -> dict[str, viz.Picture]:
    """Write report.html, and return its pictures by names."""
    images, labels = arrays(data.test, 200)
    names = [data.classes[label] for label in labels[:_SHOWN]]
    sections: list[Section] = [
        (
            "Accuracy",
            f"{scores['accuracy']:.1%} of the images to test with, which no step of training saw, are named rightly, "
            f"at a loss of {scores['loss']:.4f}. Here are some of them, with their classes.",
            [viz.images(images[:_SHOWN], names)],
        )
    ]
    if history:
        text = "While training, and on the images to test with after each epoch."
        sections.append(("Loss and accuracy", text, [viz.curves(history)]))
    answers = Trainer(model, CrossEntropyLoss()).predict(images)
    if len(data.classes) <= 100:
        text = f"Of {len(images)} images. A row is a class, a column what its images were taken for."
        sections.append(("Confusion", text, [viz.confusion(labels, answers, list(data.classes))]))
    with in_mode(model, training=False):
        sections += _inside(model, images, layer)
    viz.report(folder / "report.html", title, sections)
    return {
        heading.lower().replace(" ", "-") + (f"-{i}" if len(pictures) > 1 else ""): picture
        for heading, _, pictures in sections
        for i, picture in enumerate(pictures, start=1)
    }


def _inside(model: Module, images: Array, layer: str | None) -> list[Section]:
    """What the layers of a network make of images."""
    found = [(name, module) for name, module in model.named_modules() if isinstance(module, Conv2d)]
    text = "What one image goes through: each box is a layer, links have the shapes of what is between."
    graph: Section = ("Computation graph", text, [viz.graph(model, inputs=(images[:1],))])
    pixels = viz.saliency(model, images[:_SHOWN])
    text = "The images, and under each how much the score of its class hangs on each pixel."
    sections: list[Section] = [("Saliency", text, [viz.images([*images[:_SHOWN], *pixels], columns=_SHOWN)])]
    if not found:
        return [graph, *sections]
    (_, first), (last, _) = found[0], found[-1]
    layer = layer or last
    sections = [
        ("Filters", "The patterns that the first layer looks for.", [viz.filters(first)]),
        (
            "Feature maps",
            "What the first layer makes of the first image.",
            [viz.feature_maps(model, images[:1], first)],
        ),
        *sections,
    ]
    text = (
        f"Each picture belongs to a channel of the layer {layer}: the images that excite it most, and under each what "
        "in it the most active unit saw, projected back to the pixels by a deconvolution network."
    )
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        pictures = _excited(model, images, layer)
    text += "".join(f"\n\n{message}" for message in dict.fromkeys(str(warning.message) for warning in said))
    return [graph, *sections, ("Deconvolutions", text, pictures)]


def _excited(model: Module, images: Array, layer: str) -> list[viz.Picture]:
    """A picture for each of the three channels that have the strongest activations."""
    outputs: list[Array] = []
    handle = model.get_submodule(layer).register_forward_hook(lambda module, x, out: outputs.append(out.numpy()))
    try:
        model(Tensor(images))
    finally:
        handle.remove()
    peaks = outputs[0].reshape(*outputs[0].shape[:2], -1).max(axis=2)
    pictures = []
    for channel in np.argsort(-peaks.max(axis=0), kind="stable")[:3]:
        best = np.argsort(-peaks[:, channel], kind="stable")[:_SHOWN]
        seen = viz.deconvnet(model, images[best], layer, int(channel))
        pictures.append(viz.images([*images[best], *seen], columns=_SHOWN))
    return pictures
