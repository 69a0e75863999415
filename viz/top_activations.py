"""What the feature maps of a layer answer to most, over a data set: figure 2 of Zeiler and Fergus."""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from ..autograd import Tensor
from ..extend import Array, ArrayLike
from ..nn import Module
from ..nn.data import DataLoader, Dataset
from ..nn.forward_pass import Layer
from .deconvnet import activation, deconvnet
from .figures import Picture, new_figure
from .receptive_fields import ReceptiveFields

__all__ = ["TopActivation", "TopActivations", "top_activations"]

_FIRST = 16  # maps that are shown where none are named
_TILE = 48  # pixels along a tile's longer side, to which small ones are enlarged
_INK, _GREY = "#2b3038", "#5b6470"
_BEYOND = 0.91, 0.93, 0.96, 1.0
_CAPTION = """Left: what of an image the unit saw, projected back; mid-gray is 0, each has its own scale.
Right: the patches of the images, the strongest activation first; pale is beyond the image."""
Field = tuple["slice[int, int, None]", ...]


class TopActivation(NamedTuple):
    """A strong activation: its value, in which image (counted from 0) and at which place of the map, what of the image
    the unit sees (a slice for each axis), that patch of the image, and the deconvolution picture there."""

    value: float
    image: int
    place: tuple[int, ...]
    field: Field
    patch: Array
    projection: Array


def top_activations(
    model: Module,
    data: ArrayLike | Dataset[object] | Iterable[ArrayLike | Sequence[ArrayLike]],
    layer: Layer,
    maps: int | Sequence[int] | None = None,
    n: int = 9,
    batch_size: int = 64,
) -> TopActivations:
    """Find the `n` images in which a map of `layer` is most active, for each of some maps, and what the unit saw there.

    `data` is an array of images (N, C, *spatial), a dataset, or an iterable of batches, of images or of tuples that
    begin with them; it is gone through once, `batch_size` images at a time where it is no batches yet, and of its
    images only those are kept that are among the strongest so far. `maps` are channels of the layer's output
    (N, channels, ...), None for the first 16. Of an image the strongest activation of a map counts, if it is positive,
    so that of a map that is seldom active there are fewer. It is projected back by `deconvnet`; the picture and the
    image are cropped to the unit's receptive field. The result shows itself in notebooks: for each map the projections
    at the left, and the patches of the images at the right, the strongest first. The model is run in eval mode.

    ValueError for a layer or map that does not exist, for no images and for activations that are NaN. Source: Zeiler
    and Fergus, Visualizing and Understanding Convolutional Networks, 2014.

    >>> from pullback import nn
    >>> model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(2))
    >>> images = np.random.default_rng(0).normal(size=(20, 1, 8, 8)).astype(np.float32)
    >>> top = top_activations(model, images, 2, maps=[0, 3], n=4)
    >>> [(found.patch.shape, found.projection.shape) for found in top.maps[3]][:1]
    [((1, 4, 4), (1, 4, 4))]
    """
    if n < 1:
        raise ValueError(f"top_activations: n={n}; expected at least 1")
    wanted = [maps] if isinstance(maps, (int, np.integer)) else maps
    strongest: dict[int, list[tuple[float, int, tuple[int, ...], Array]]] = {}
    count = 0
    for images in _batches(data, batch_size):
        values = activation(model, images, layer)
        if values.ndim < 2:
            raise ValueError(f"top_activations: layer {layer!r} gives {values.shape}; expected (N, channels, ...)")
        if not count:
            strongest = {channel: [] for channel in _channels(wanted, values.shape[1])}
        _keep(strongest, images, values, count, n)
        count += len(images)
    if not count:
        raise ValueError("top_activations: there are no images")

    fields: dict[tuple[int, ...], ReceptiveFields] = {}

    def seen(channel: int, value: float, number: int, place: tuple[int, ...], image: Array) -> TopActivation:
        if image.shape not in fields:
            fields[image.shape] = ReceptiveFields(model, (1, *image.shape), layer, "top_activations")
        unit = (channel, *place)
        field = fields[image.shape].of(unit)
        projection = deconvnet(model, image[None], layer, unit)[0]
        return TopActivation(value, number, place, field, image[field], projection[field])

    found = {
        channel: [
            seen(channel, value, -minus, place, image) for value, minus, place, image in sorted(kept, reverse=True)
        ]
        for channel, kept in strongest.items()
    }
    return TopActivations(found, n)


def _batches(data: Any, batch_size: int) -> Iterator[Array]:
    """The images, batch by batch."""
    batches = data
    if isinstance(data, (np.ndarray, Tensor)):
        batches = (data[i : i + batch_size] for i in range(0, len(data), batch_size))
    elif hasattr(data, "__getitem__") and not isinstance(data, (list, tuple)):
        batches = DataLoader(data, batch_size, dtype=None)
    for batch in batches:
        images = batch[0] if isinstance(batch, (tuple, list)) else batch
        if len(images):
            yield images.numpy() if isinstance(images, Tensor) else np.asarray(images)


def _channels(maps: Sequence[int] | None, count: int) -> list[int]:
    wanted = range(min(count, _FIRST)) if maps is None else maps
    for channel in wanted:
        if not -count <= channel < count:
            raise ValueError(f"top_activations: there is no map {channel} among the layer's {count}")
    return [int(channel) % count for channel in wanted]


def _keep(strongest: dict[int, list[Any]], images: Array, values: Array, before: int, n: int) -> None:
    """Let the strongest activations of a batch take the places of weaker ones; `before` images came earlier."""
    copies: dict[int, Array] = {}  # an image that several maps keep is there once, and its batch is not held
    for channel, kept in strongest.items():
        flat = values[:, channel].reshape(len(values), -1)
        places = flat.argmax(axis=1)
        peaks = flat[np.arange(len(flat)), places]
        if np.isnan(peaks).any():
            number = before + int(np.isnan(peaks).argmax())
            raise ValueError(f"top_activations: an activation of map {channel} is NaN in image {number}")
        for i in np.flatnonzero(peaks > (kept[0][0] if len(kept) == n else 0)).tolist():
            place = tuple(map(int, np.unravel_index(places[i], values.shape[2:]))) if values.ndim > 2 else ()
            copy = copies.setdefault(i, images[i].copy())
            entry = float(peaks[i]), -before - i, place, copy
            if len(kept) < n:
                heapq.heappush(kept, entry)
            else:
                heapq.heappushpop(kept, entry)


class TopActivations:
    """The strongest activations of maps, `maps[channel]` a list of `TopActivation`; made by `top_activations`.

    `picture` draws them as figure 2 of Zeiler and Fergus does.
    """

    def __init__(self, maps: dict[int, list[TopActivation]], n: int) -> None:
        self.maps, self.n = maps, n

    def __repr__(self) -> str:
        count = sum(map(len, self.maps.values()))
        return f"<TopActivations of {len(self.maps)} maps, {count} in all: .maps has them, notebooks show them>"

    def _repr_png_(self) -> bytes:
        return self.picture.png()

    @cached_property
    def picture(self) -> Picture:
        """For each map the projections at the left, mid-gray where they are 0, and the patches at the right.

        Each projection has its own scale, all patches have the same one. ValueError for images that are not of 1 or 3
        channels (C, height, width).
        """
        patches = [found.patch for kept in self.maps.values() for found in kept]
        for patch in patches:
            if patch.ndim != 3 or len(patch) not in (1, 3):
                raise ValueError(f"top_activations: patches of shape {patch.shape} are no images of 1 or 3 channels")
        side = max([p.shape[1] for p in patches] or [1]), max([p.shape[2] for p in patches] or [1])
        low = min((float(p.min()) for p in patches), default=0.0)
        high = max((float(p.max()) for p in patches), default=1.0)
        columns = math.ceil(math.sqrt(self.n))
        rows, across = math.ceil(len(self.maps) / 2), min(2, len(self.maps))
        block = 1.85 * math.ceil(self.n / columns) / columns * side[0] / side[1] + 0.35
        height = rows * block + 0.55
        figure = new_figure(4 * across, height)
        blocks = figure.add_gridspec(
            rows, across, left=0.02, right=0.98, top=1 - 0.3 / height, bottom=0.55 / height, wspace=0.12,
            hspace=0.35 / (block - 0.35),
        )  # fmt: skip
        for place, (channel, kept) in zip(blocks, self.maps.items(), strict=False):
            projections = [(0.5 + 0.5 * _scaled(found.projection), found.field) for found in kept]
            images = [((found.patch - low) / ((high - low) or 1), found.field) for found in kept]
            for at, tiles in zip(place.subgridspec(1, 2, wspace=0.1), (projections, images), strict=True):
                axes = figure.add_subplot(at)
                axes.imshow(_grid(tiles, side, self.n, columns), interpolation="nearest")
                axes.axis("off")
                if tiles is projections:
                    axes.set_title(_title(channel, kept), fontsize=9, color=_INK, loc="left", pad=4)
        figure.text(0.02, 0.1 / height, _CAPTION, fontsize=8, color=_GREY, va="bottom")
        return Picture(figure)


def _title(channel: int, kept: list[TopActivation]) -> str:
    if not kept:
        return f"map {channel}: never active"
    return f"map {channel}: {kept[0].value:.2f} to {kept[-1].value:.2f}"


def _scaled(projection: Array) -> Array:
    """From -1 to 1, with 0 where it is."""
    largest: Array = np.abs(projection).max(initial=0)
    return projection / (largest or 1)


def _grid(tiles: list[tuple[Array, Field]], side: tuple[int, int], n: int, columns: int) -> Array:
    """Tiles (C, height, width) in rows of `columns`, as (height, width, RGBA); pale where there is no image."""
    zoom = max(1, _TILE // max(side))
    height, width = side[0] * zoom, side[1] * zoom
    line = max(1, max(height, width) // 16)
    shape = math.ceil(n / columns) * (height + line) - line, columns * (width + line) - line
    board = np.zeros((*shape, 4))
    for number, (tile, field) in enumerate(tiles):
        whole = np.full((*side, 4), _BEYOND)
        top, left = (_offset(*at) for at in zip(field[1:], side, strict=True))
        whole[top : top + tile.shape[1], left : left + tile.shape[2], :3] = np.clip(np.moveaxis(tile, 0, -1), 0, 1)
        row, column = number // columns * (height + line), number % columns * (width + line)
        board[row : row + height, column : column + width] = whole.repeat(zoom, 0).repeat(zoom, 1)
    return board


def _offset(field: slice[int, int, None], side: int) -> int:
    """Where in a tile a patch begins: what it lacks lies beyond the border of the image that it touches."""
    return side - (field.stop - field.start) if field.start == 0 else 0
