"""Pictures of filters, feature maps and images, as tiles."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..autograd import Tensor
from ..extend import Array, ArrayLike, Arrays
from ..nn import Module
from .deconvnet import activation
from .figures import (
    FRAME,
    GREY,
    INK,
    WIDEST,
    Picture,
    add_bar,
    add_outlines,
    bare,
    mapped,
    new_figure,
    redden,
    signed_colours,
    unfinished,
)  # fmt: skip
from .probing import Layer

__all__ = ["feature_maps", "filters", "images"]


Limits = tuple[float, float]

_TILE = 32  # pixels along a tile's longer side, to which small ones are enlarged
_BOARD = 4000  # pixels of a row of tiles beyond which they are not
_NUMBERS = 24  # tiles along a side, of which more are not all numbered
_GRAYS = "Mid-gray is 0, white is positive, black is negative"


def filters(layer: Module | ArrayLike, *, shared: bool = False) -> Picture:
    """Draw the kernels of a convolution, a tile for each: gray, RGB, or for other numbers of channels a column.

    `layer` is a module with a `weight`, or the weights themselves, (K, C, height, width) or (K, C, length).
    Mid-gray is 0. Every kernel is scaled by its largest magnitude, or all by the largest of all if `shared`, and then
    a bar says what the grays mean. What is not finite is red. ValueError for another shape.

    >>> filters(np.ones((8, 3, 5, 5))).png()[:4]
    b'\\x89PNG'
    """
    given = numbers(getattr(layer, "weight", layer), "filters: weights")
    weights = _thickened(given)
    if weights.ndim != 4 or not weights.size:
        raise ValueError(f"filters: weights of shape {weights.shape} are not (K, C, height, width) or (K, C, length)")
    finite = np.where(np.isfinite(weights), np.abs(weights), 0)
    largest = finite.max(axis=None if shared else (1, 2, 3), keepdims=True)
    tiles = 0.5 + 0.5 * weights / np.where(largest == 0, 1, largest)
    count, channels = weights.shape[:2]
    columns, sides = _columns(count), ["filter"]
    if channels == 3:
        tiles = tiles.transpose(0, 2, 3, 1)
    else:
        tiles = tiles.swapaxes(0, 1).reshape(-1, *tiles.shape[2:])
        if channels > 1:
            columns, sides = count, ["filter", "channel"]
    figure, axes = _mosaic(tiles, columns, limits=(0, 1), sides=sides)
    if shared:
        reach = float(largest.max()) or 1.0
        _key(axes, (-reach, reach), "gray")
    scale = "all on one scale" if shared else "each on its own scale"
    shape = " \u00d7 ".join(map(str, given.shape[1:]))
    zero = "Mid-gray is 0 in each colour" if channels == 3 else _GRAYS
    dead = int((finite.max(axis=(1, 2, 3)) == 0).sum())
    notes = [f"{count} filters of {shape} weights, {scale}. {zero}."]
    notes += [f"Of filters, {dead} {'is' if dead == 1 else 'are'} 0 everywhere."] if dead else []
    return Picture(figure, " ".join([*notes, *unfinished(_bad(weights))]))


def feature_maps(model: Module, x: ArrayLike, layer: Layer) -> Picture:
    """Draw the output of `layer` for the batch x (N, C, *spatial): a tile for each channel, a row for each sample.

    `layer` is a module of the model, its name, or its index among the model's children; its output must be
    (N, channels, height, width), (N, channels, length) or (N, channels), or ValueError is raised. One scale holds for
    all, on which 0 is mid-gray where there are negative values. What is not finite is red.

    >>> from pullback import nn
    >>> x = np.ones((1, 1, 8, 8), np.float32)
    >>> feature_maps(nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU()), x, 1).png()[:4]
    b'\\x89PNG'
    """
    maps = numbers(activation(model, x, layer), "feature_maps: the output")
    name, kind = ("unit", "units") if maps.ndim == 2 else ("channel", "feature maps")
    shape = " \u00d7 ".join(map(str, maps.shape[2:]))
    maps = _thickened(maps[:, :, None, None] if maps.ndim == 2 else maps)
    if maps.ndim != 4 or not maps.size:
        raise ValueError(
            f"feature_maps: the layer's output has shape {maps.shape}, not (N, channels, height, width), "
            "(N, channels, length) or (N, channels)"
        )
    samples, channels = maps.shape[:2]
    low, high = _range(maps)
    signed = low < 0
    limits = _limits(maps, signed) if signed else (0.0, high or 1.0)
    columns = _columns(channels) if samples == 1 else channels
    sides = [name] if samples == 1 else [name, "sample"]
    colours = signed_colours() if signed else "viridis"
    figure, axes = _mosaic(maps.reshape(-1, *maps.shape[2:]), columns, limits=limits, sides=sides, colours=colours)
    _key(axes, limits, colours)
    silent = int(((maps == 0).all(axis=(0, 2, 3))).sum())
    of = f" of {shape}" if shape else ""
    notes = [f"{channels} {kind}{of}, {samples} {'sample' if samples == 1 else 'samples'}, all on one scale."]
    notes += ["Gray is 0, yellow is positive, blue is negative."] if signed else []
    notes += [f"Of {kind}, {silent} {'is' if silent == 1 else 'are'} 0 everywhere."] if silent else []
    return Picture(figure, " ".join([*notes, *unfinished(_bad(maps))]))


def images(
    arrays: Arrays,
    titles: Sequence[str] | None = None,
    columns: int = 8,
    *,
    signed: bool | Sequence[bool] | None = None,
    shared: bool = False,
) -> Picture:
    """Draw images in rows of `columns`, each (H, W), (1 or 3, H, W) or (H, W, 3), with a title above each.

    Each is stretched to its own range, or all to that of all if `shared`, and then a bar says what the grays mean. Of
    what is `signed`, such as a gradient, mid-gray is 0: all, none or some of the images; None for those with negative
    values. What is the same everywhere is mid-gray, and what is not finite red; the caption counts both.
    ValueError for no images, other shapes, or another number of titles or signs.

    >>> images([np.eye(4), -np.eye(4)], ["plus", "minus"]).png()[:4]
    b'\\x89PNG'
    """
    prepared = [_as_image(numbers(a, "images: an array"), i) for i, a in enumerate(arrays)]
    if not prepared:
        raise ValueError("images: there are none")
    if titles is not None and len(titles) != len(prepared):
        raise ValueError(f"images: {len(titles)} titles given for {len(prepared)} images")
    signs = _signs(prepared, signed)
    scales = [_limits(image, sign) for image, sign in zip(prepared, signs, strict=True)]
    if shared:
        whole = _limits(np.concatenate([image.ravel() for image in prepared]), any(signs))
        scales, signs = [whole] * len(prepared), [any(signs)] * len(prepared)
    columns = min(len(prepared), columns)
    rows = -(-len(prepared) // columns)
    side = min(2.2, WIDEST / columns)
    figure = new_figure(side * columns, (side + (0.3 if titles else 0)) * rows)
    for i, (image, (low, high)) in enumerate(zip(prepared, scales, strict=True)):
        axes = figure.add_subplot(rows, columns, i + 1)
        scaled = np.clip((image - low) / (high - low), 0, 1)
        bad = _spoiled(image)
        axes.imshow(np.where(bad[..., None], 0, scaled) if image.ndim == 3 else scaled, cmap="gray", vmin=0, vmax=1)
        redden(axes, bad)
        bare(axes, spines=("left", "right", "top", "bottom"))
        axes.set_xticks(())
        axes.set_yticks(())
        if titles is not None:
            size = min(9.0, 72 * side / (0.65 * max(1, len(titles[i]))))
            axes.set_title(titles[i], fontsize=size, color=INK, parse_math=False)
    figure.tight_layout(pad=0.4)
    if shared:
        add_bar(figure, mapped(scales[0], "gray"), cax=figure.add_axes((1.01, 0.1, 0.02, 0.8)))
    return Picture(figure, _caption(prepared, signs, shared))


def numbers(values: Any, name: str) -> Array:
    """Real numbers in float64; ValueError for complex ones, of which a picture would lose a part."""
    a = values.numpy() if isinstance(values, Tensor) else np.asarray(values)
    if a.dtype.kind not in "fiub":
        raise ValueError(f"{name} of dtype {a.dtype} holds no real numbers: draw abs, angle, real or imag of it")
    return a.astype(np.float64)


def _caption(prepared: list[Array], signs: list[bool], shared: bool) -> str:
    """Which grays mean what, which images are constant, and how much is not finite."""
    scale = ["All are on one scale." if shared else "Each is on its own scale."] if len(prepared) > 1 else []
    if all(signs):
        notes = [*scale, f"{_GRAYS}."]
    elif any(signs):
        which = ", ".join(str(i) for i, sign in enumerate(signs) if sign)
        notes = [*scale, f"Images with a sign (counted from 0: {which}): {_GRAYS.lower()}."]
    else:
        notes = [*scale, "Black is least, white is largest."]
    for i, image in enumerate(prepared):
        low, high = _range(image)
        if low == high and np.isfinite(image).any():
            notes.append(f"Image {i} is {low:.4g} everywhere.")
    return " ".join([*notes, *unfinished(sum(map(_bad, prepared)))])


def _signs(prepared: list[Array], signed: bool | Sequence[bool] | None) -> list[bool]:
    if signed is None:
        return [_range(image)[0] < 0 for image in prepared]
    signs = [signed] * len(prepared) if isinstance(signed, bool) else list(signed)
    if len(signs) != len(prepared):
        raise ValueError(f"images: signed has {len(signs)} entries for {len(prepared)} images")
    return signs


def _thickened(a: Array) -> Array:
    """Images, where the last of three axes is one of length, as bands of a third of it."""
    return a[:, :, None].repeat(max(1, a.shape[2] // 3), axis=2) if a.ndim == 3 else a


def _columns(count: int) -> int:
    """Of a grid that is a little wider than high."""
    return min(count, math.ceil(math.sqrt(1.5 * count)))


def _as_image(a: Array, index: int) -> Array:
    if a.ndim == 3 and a.shape[0] in (1, 3):
        a = a.transpose(1, 2, 0)
    if a.ndim == 3 and a.shape[2] == 1:
        a = a[:, :, 0]
    if not a.size or not (a.ndim == 2 or (a.ndim == 3 and a.shape[2] == 3)):
        raise ValueError(f"images: array {index} of shape {a.shape} is not (H, W), (1 or 3, H, W) or (H, W, 3)")
    return a


def _spoiled(image: Array) -> Array:
    """Where pixels, of one or of three colours, are not finite."""
    depth = (2,) if image.ndim == 3 else ()
    return np.logical_or.reduce(~np.isfinite(image), axis=depth)


def _bad(a: Array) -> int:
    return int(a.size - np.isfinite(a).sum())


def _range(a: Array) -> Limits:
    """The least and the largest entry that are finite."""
    finite = a[np.isfinite(a)]
    return (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)


def _limits(a: Array, signed: bool) -> Limits:
    """What black and white mean: never the same, and with 0 in the middle of what is signed."""
    low, high = _range(a)
    if signed:
        high = max(-low, high)
        low = -high
    around = (abs(low) or 1.0) if low == high else 0.0
    return low - around, high + around


def _mosaic(
    tiles: Array, columns: int, *, limits: Limits, sides: Sequence[str], colours: Any = "gray"
) -> tuple[Any, Any]:
    """Tiles (count, height, width) or (count, height, width, 3) as one image, framed and numbered."""
    zoom = max(1, min(_TILE, _BOARD // columns) // max(tiles.shape[1:3]))
    tiles = tiles.repeat(zoom, axis=1).repeat(zoom, axis=2)
    bad = np.stack([_spoiled(tile) for tile in tiles])
    if tiles.ndim == 4:
        tiles = np.where(bad[..., None], 0, tiles)
        tiles = np.concatenate([tiles, np.ones_like(tiles[..., :1])], axis=3)  # opaque, unlike what lies between
    count, height, width = tiles.shape[:3]
    rows, line = -(-count // columns), max(1, max(height, width) // 12)
    nothing = 0.0 if tiles.ndim == 4 else np.nan
    board = np.full((rows * (height + line) - line, columns * (width + line) - line, *tiles.shape[3:]), nothing)
    red = np.zeros(board.shape[:2], bool)
    frames = []
    for i, tile in enumerate(tiles):
        top, left = i // columns * (height + line), i % columns * (width + line)
        board[top : top + height, left : left + width] = tile
        red[top : top + height, left : left + width] = bad[i]
        up, down, west, east = top - 0.5, top + height - 0.5, left - 0.5, left + width - 0.5
        frames.append([(west, up), (east, up), (east, down), (west, down)])
    scale = min(WIDEST, 0.6 * columns + 1) / board.shape[1]
    figure = new_figure(scale * board.shape[1], scale * board.shape[0])
    axes = figure.add_axes((0, 0, 1, 1))
    axes.imshow(board, cmap=colours, vmin=limits[0], vmax=limits[1])
    redden(axes, red)
    add_outlines(axes, frames, FRAME)
    bare(axes, spines=())
    steps = (width + line, height + line), (columns, rows), (width, height)
    _number(axes, steps, sides)
    return figure, axes


def _number(axes: Any, steps: tuple[tuple[int, int], ...], sides: Sequence[str]) -> None:
    """Number columns and rows of tiles; rows that go on with the tiles of the one above say where they begin."""
    across, counts, sizes = steps
    every = [max(1, math.ceil(n / _NUMBERS)) for n in counts]
    shown = [range(0, n, e) for n, e in zip(counts, every, strict=True)]
    places = [[i * a + s / 2 - 0.5 for i in own] for own, a, s in zip(shown, across, sizes, strict=True)]
    wrapped = len(sides) == 1
    first = "+" if wrapped and counts[1] > 1 else ""
    axes.set_xticks(places[0], [f"{first if i else ''}{i}" for i in shown[0]])
    axes.set_yticks(places[1], [str(i * counts[0]) if wrapped else str(i) for i in shown[1]])
    axes.tick_params(labelsize=7)
    axes.set_xlabel(f"{sides[0]} \u2192", color=GREY, loc="left", fontsize=9)
    if not wrapped:
        axes.set_ylabel(f"\u2190 {sides[1]}", color=GREY, loc="top", fontsize=9)


def _key(axes: Any, limits: Limits, colours: Any) -> None:
    """A bar to the right of a mosaic that says what its colours mean."""
    step = 0.12 / axes.figure.get_figwidth()
    add_bar(axes.figure, mapped(limits, colours), cax=axes.inset_axes((1 + step, 0, step, 1)))
