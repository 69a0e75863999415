"""Pictures of the loss around a model's parameters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..autograd import Tensor, no_grad
from ..extend import Array
from ..nn import Module
from ..nn.traversal import in_mode
from .figures import GREY, Picture, add_bar, bare, new_figure, redden, unfinished

__all__ = ["landscape"]


def landscape(
    model: Module, loss: Callable[[], Tensor], *, span: float = 1.0, steps: int = 21, seed: int = 0
) -> Picture:
    """Draw the loss on a plane through the model's parameters, which are in its middle.

    `loss()` gives a Tensor of one element, such as the loss of a batch; it is called `steps` * `steps` times, in eval
    mode and without recording. Two random directions, the same for the same `seed`, span the plane from -`span` to
    `span`; each filter of theirs (a row of a weight) is as long as the model's, and biases and gains stay, so that
    pictures of models compare: Li et al., "Visualizing the Loss Landscape of Neural Nets" (2018). The parameters are
    afterwards as they were. The colours are logarithmic where all losses are positive and of several magnitudes, and
    red where a loss is not finite. ValueError for fewer than 3 steps, or a span that is not positive.

    >>> from pullback import nn
    >>> model, x = nn.Linear(2, 1), np.ones((1, 2), np.float32)
    >>> landscape(model, lambda: (model(Tensor(x)) ** 2).sum(), steps=5).png()[:4]
    b'\\x89PNG'
    """
    if steps < 3 or not span > 0:
        raise ValueError(f"landscape: steps={steps} and span={span} given; at least 3 steps and a positive span needed")
    along = np.linspace(-span, span, steps)
    losses, middle = _surface(model, loss, along, np.random.default_rng(seed))
    finite = losses[np.isfinite(losses)]
    figure = new_figure(5.4, 4.4)
    axes = figure.add_subplot()
    _draw(axes, along, losses, finite)
    figure.tight_layout()
    lowest = f"{finite.min():.4g} to {finite.max():.4g}" if finite.size else "nowhere finite"
    notes = [
        f"The loss on a plane of two random, filter-normalized directions (seed {seed}): {lowest}.",
        f"The cross is the model, with a loss of {middle:.4g}.",
    ]
    return Picture(figure, " ".join([*notes, *unfinished(losses.size - finite.size)]))


def _draw(axes: Any, along: Array, losses: Array, finite: Array) -> None:
    from matplotlib.colors import LogNorm, Normalize
    from matplotlib.ticker import LogLocator

    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    logarithmic = low > 0 and high > 20 * low
    norm = LogNorm(low, high) if logarithmic else Normalize(low, high if high > low else low + 1)
    half = (along[1] - along[0]) / 2
    place = {"origin": "lower", "extent": (along[0] - half, along[-1] + half) * 2}
    shown = axes.imshow(losses, cmap="viridis", norm=norm, **place)
    redden(axes, ~np.isfinite(losses), **place)
    if high > low:
        levels = np.geomspace(low, high, 14) if logarithmic else np.linspace(low, high, 14)
        axes.contour(along, along, losses, levels[1:-1], colors="white", linewidths=0.6, alpha=0.7)
    axes.plot([0], [0], "x", color="white", markersize=8, markeredgewidth=2)
    bare(axes, spines=())
    axes.set_xlabel("first direction \u2192", color=GREY, loc="left")
    axes.set_ylabel("second direction \u2192", color=GREY, loc="bottom")
    ticks = LogLocator(subs=(1, 2, 5)) if logarithmic else None
    add_bar(axes.figure, shown, ax=axes, label="loss", ticks=ticks, format=lambda number, _: f"{number:g}")


def _surface(
    model: Module, loss: Callable[[], Tensor], along: Array, generator: np.random.Generator
) -> tuple[Array, float]:
    """The losses [second, first] at steps along two directions, and that of the model itself."""
    parameters = list(model.parameters())
    kept = [p.numpy().copy() for p in parameters]
    first, second = (_direction(kept, generator) for _ in range(2))
    losses = np.empty((len(along), len(along)))
    try:
        with in_mode(model, training=False), no_grad(), np.errstate(all="ignore"):
            middle = loss().item()
            for i, j in np.ndindex(losses.shape):
                for p, own, a, b in zip(parameters, kept, first, second, strict=True):
                    p.data = (own + along[j] * a + along[i] * b).astype(own.dtype)
                losses[i, j] = loss().item()
    finally:
        for p, own in zip(parameters, kept, strict=True):
            p.data = own
    return losses, middle


def _direction(parameters: list[Array], generator: np.random.Generator) -> list[Array]:
    """Random numbers, each filter of which is as long as the parameters' own; 0 for what has no filters."""
    direction = []
    for own in parameters:
        step = generator.standard_normal(own.shape)
        across = tuple(range(1, own.ndim))
        lengths = [np.sqrt(np.square(a, dtype=np.float64).sum(across, keepdims=True)) for a in (own, step)]
        direction.append(step * (lengths[0] / lengths[1]) if across else np.zeros(own.shape))
    return direction
