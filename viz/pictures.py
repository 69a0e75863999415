"""Pictures of filters, feature maps, images, training curves and confusions."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..autograd import Profile, Tensor
from ..extend import FIGURES, Array, ArrayLike, Arrays, quantity
from ..nn import Module
from .deconvnet import activation
from .figures import Picture, add_outlines, new_figure
from .probing import Layer

__all__ = ["confusion", "curves", "feature_maps", "filters", "images", "profile"]


_BLUE, _ORANGE, _INK, _GREY, _FRAME = "#3b7dd8", "#d9861c", "#2b3038", "#7c8591", "#b6bdc7"
_WIDEST = 8.0  # inches
_TILE = 32  # pixels along a tile's longer side, to which small ones are enlarged
_BOARD = 4000  # pixels of a row of tiles beyond which they are not
_ANNOTATED = 25  # classes at most whose counts are written into a confusion matrix
_SLANTED = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"}


def filters(layer: Module | ArrayLike) -> Picture:
    """Draw the kernels of a convolution, a tile for each: gray, RGB, or for other numbers of channels a column.

    `layer` is a module with a `weight`, or the weights themselves, (K, C, height, width) or (K, C, length).
    Mid-gray is 0, and every kernel is scaled by its largest magnitude. ValueError for another shape.

    >>> filters(np.ones((8, 3, 5, 5))).png()[:4]
    b'\\x89PNG'
    """
    weights = _array(getattr(layer, "weight", layer))
    weights = _thickened(weights)
    if weights.ndim != 4 or not weights.size:
        raise ValueError(f"filters: weights of shape {weights.shape} are not (K, C, height, width) or (K, C, length)")
    largest = np.where(np.isfinite(weights), np.abs(weights), 0).max(axis=(1, 2, 3), keepdims=True)
    tiles = 0.5 + 0.5 * weights / np.where(largest == 0, 1, largest)
    count, channels = weights.shape[:2]
    if channels == 3:
        return _mosaic(tiles.transpose(0, 2, 3, 1), _columns(count), limits=(0, 1))
    if channels == 1:
        return _mosaic(tiles[:, 0], _columns(count), limits=(0, 1))
    tiles = tiles.swapaxes(0, 1).reshape(-1, *tiles.shape[2:])
    return _mosaic(tiles, count, limits=(0, 1), sides=("filter", "channel"))


def feature_maps(model: Module, x: ArrayLike, layer: Layer) -> Picture:
    """Draw the output of `layer` for the batch x (N, C, *spatial): a tile for each channel, a row for each sample.

    `layer` is a module of the model, its name, or its index among the model's children; its output must be
    (N, channels, height, width) or (N, channels, length), or ValueError is raised.

    >>> from pullback import nn
    >>> x = np.ones((1, 1, 8, 8), np.float32)
    >>> feature_maps(nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU()), x, 1).png()[:4]
    b'\\x89PNG'
    """
    maps = _thickened(activation(model, x, layer))
    if maps.ndim != 4 or not maps.size:
        raise ValueError(f"feature_maps: the layer's output has shape {maps.shape}, not (N, channels, height, width)")
    several = len(maps) > 1
    columns = maps.shape[1] if several else _columns(maps.shape[1])
    limits = _range(maps)
    sides = ("channel", "sample") if several else None
    return _mosaic(maps.reshape(-1, *maps.shape[2:]), columns, limits=limits, sides=sides, colours="viridis", key=True)


def images(arrays: Arrays, titles: Sequence[str] | None = None, columns: int = 8) -> Picture:
    """Draw images in rows of `columns`, each (H, W), (1 or 3, H, W) or (H, W, 3), with a title above each.

    Each is stretched to its own range; where there are negative values, as in a gradient, mid-gray is 0.
    ValueError for no images, other shapes, or another number of titles.

    >>> images([np.eye(4), -np.eye(4)], ["plus", "minus"]).png()[:4]
    b'\\x89PNG'
    """
    prepared = [_as_image(_array(a), i) for i, a in enumerate(arrays)]
    if not prepared:
        raise ValueError("images: there are none")
    if titles is not None and len(titles) != len(prepared):
        raise ValueError(f"images: {len(titles)} titles given for {len(prepared)} images")
    columns = min(len(prepared), columns)
    rows = -(-len(prepared) // columns)
    side = min(2.2, _WIDEST / columns)
    figure = new_figure(side * columns, (side + (0.3 if titles else 0)) * rows)
    for i, image in enumerate(prepared):
        axes = figure.add_subplot(rows, columns, i + 1)
        axes.imshow(image, cmap="gray", vmin=0, vmax=1)
        axes.axis("off")
        if titles is not None:
            size = min(9.0, 72 * side / (0.65 * max(1, len(titles[i]))))
            axes.set_title(titles[i], fontsize=size, color=_INK, parse_math=False)
    figure.tight_layout(pad=0.4)
    return Picture(figure)


def curves(history: Mapping[str, Sequence[float]]) -> Picture:
    """Draw loss, accuracy and whatever else `history` holds (as `optim.Trainer` leaves it), over the epochs.

    A panel for each quantity, in which the one of the same name with "val_" before it is drawn, too; "seconds" is
    left out. ValueError for an empty history.

    >>> curves({"loss": [2.0, 1.5], "val_loss": [2.1, 1.8]}).png()[:4]
    b'\\x89PNG'
    """
    names = list(dict.fromkeys(name.removeprefix("val_") for name in history if name != "seconds"))
    if not names:
        raise ValueError("curves: the history is empty")
    figure = new_figure(4.4 * len(names), 3.2)
    for i, name in enumerate(names):
        axes = figure.add_subplot(1, len(names), i + 1)
        _bare(axes)
        for key, label, colour in ((name, "training", _BLUE), (f"val_{name}", "validation", _ORANGE)):
            if key in history:
                values = np.array(history[key], float)
                marker = "o" if len(values) <= 30 else None
                axes.plot(
                    np.arange(1, len(values) + 1), values, color=colour, marker=marker, markersize=3.5, label=label
                )
        axes.set_title(name, fontsize=11, color=_INK, loc="left", parse_math=False)
        axes.set_xlabel("epoch", color=_GREY)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(axis="y", color="#e3e6ea", linewidth=0.8)
        axes.set_axisbelow(True)
        if f"val_{name}" in history:
            axes.legend(frameon=False, fontsize=9, labelcolor=_INK)
    figure.tight_layout()
    return Picture(figure)


def profile(profile: Profile, by: str = "operation", value: str = "seconds", limit: int = 12) -> Picture:
    """Draw where time or memory went: a bar for each operation or module, forward and backward end to end.

    `value` is "seconds", "calls", "allocated" or "kept", as in the rows of `pullback.profile`; of all bars the `limit`
    longest are drawn. ValueError for another `by` or `value`, or if nothing was recorded.

    >>> import pullback as pb
    >>> with pb.profile() as prof:
    ...     y = pb.exp(pb.ones(3))
    >>> profile(prof).png()[:4]
    b'\\x89PNG'
    """
    if value not in FIGURES:
        raise ValueError(f"profile: value={value!r} given; there are {', '.join(FIGURES)}")
    sums = {(getattr(row, by), row.direction): getattr(row, value) for row in profile.by(by, "direction")}
    totals: dict[str, float] = {}
    for (label, _), number in sums.items():
        totals[label] = totals.get(label, 0) + number
    if not totals:
        raise ValueError("profile: nothing was recorded")
    labels = sorted(totals, key=totals.__getitem__, reverse=True)[:limit]
    figure = new_figure(6.4, 0.9 + 0.3 * len(labels))
    axes = figure.add_subplot()
    _bare(axes, spines=("left",))
    before = np.zeros(len(labels))
    for direction, colour in (("forward", _BLUE), ("backward", _ORANGE)):
        widths = np.array([sums.get((label, direction), 0) for label in labels], float)
        axes.barh(range(len(labels)), widths, left=before, color=colour, label=direction, height=0.7)
        before += widths
    axes.set_yticks(range(len(labels)), [label or "(no module)" for label in labels], parse_math=False)
    axes.invert_yaxis()
    axes.set_xlabel(value, color=_GREY)
    axes.xaxis.set_major_formatter(lambda number, _: quantity(number, value))
    axes.xaxis.get_major_locator().set_params(nbins=5)
    axes.grid(axis="x", color="#e3e6ea", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.legend(frameon=False, fontsize=9, labelcolor=_INK, loc="lower right")
    figure.tight_layout()
    return Picture(figure)


def confusion(labels: ArrayLike, predictions: ArrayLike, classes: Sequence[str] | None = None) -> Picture:
    """Draw how often each label (row) was predicted as each class (column), with the share of right ones.

    `labels` are integers (N,); `predictions` too, or scores (N, classes) of which the largest counts. ValueError for
    other shapes or dtypes, and for `classes` that do not name every class.

    >>> confusion([0, 1, 1], [0, 1, 0], ["cat", "dog"]).png()[:4]
    b'\\x89PNG'
    """
    labels, predictions = _array(labels), _array(predictions)
    count = max(int(labels.max(initial=0)) + 1, len(classes or ()))
    if predictions.ndim == 2:
        count = max(count, predictions.shape[1])
        predictions = _array(predictions.argmax(axis=1))
    for name, values in (("labels", labels), ("predictions", predictions)):
        if values.ndim != 1 or values.dtype.kind not in "iu" or not values.size or values.min() < 0:
            raise ValueError(
                f"confusion: {name} must be class numbers (N,), not {values.dtype} of shape {values.shape}"
                + (f" with a least value of {values.min()}" if values.size else "")
            )
    if labels.shape != predictions.shape:
        raise ValueError(f"confusion: {len(labels)} labels given for {len(predictions)} predictions")
    count = max(count, int(predictions.max()) + 1)
    if classes is not None and len(classes) != count:
        raise ValueError(f"confusion: {len(classes)} names given for {count} classes")
    table = np.bincount(labels * count + predictions, minlength=count * count).reshape(count, count)
    shares = table / np.maximum(table.sum(axis=1, keepdims=True), 1)

    side = min(_WIDEST, 1.6 + 0.42 * count)
    figure = new_figure(side, side)
    axes = figure.add_subplot()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    if count <= _ANNOTATED:
        for (i, j), n in np.ndenumerate(table):
            if n:
                axes.text(
                    j, i, str(n), ha="center", va="center", fontsize=8, color="white" if shares[i, j] > 0.6 else _INK
                )
        axes.set_xticks(range(count), classes or range(count), **(_SLANTED if classes else {}))
        axes.set_yticks(range(count), classes or range(count))
    _bare(axes, spines=())
    axes.set_xlabel("predicted", color=_GREY)
    axes.set_ylabel("label", color=_GREY)
    axes.set_title(
        f"{np.mean(labels == predictions):.1%} of {len(labels):,} right", fontsize=11, color=_INK, loc="left"
    )
    figure.tight_layout()
    return Picture(figure)


def _array(values: Any) -> Array:
    return values.numpy() if isinstance(values, Tensor) else np.asarray(values)


def _thickened(a: Array) -> Array:
    """Images, where the last of three axes is one of length, as bands of a third of it."""
    return a[:, :, None].repeat(max(1, a.shape[2] // 3), axis=2) if a.ndim == 3 else a


def _columns(count: int) -> int:
    """Of a grid that is a little wider than high."""
    return math.ceil(math.sqrt(1.5 * count))


def _as_image(a: Array, index: int) -> Array:
    if a.ndim == 3 and a.shape[0] in (1, 3):
        a = a.transpose(1, 2, 0)
    if a.ndim == 3 and a.shape[2] == 1:
        a = a[:, :, 0]
    if not a.size or not (a.ndim == 2 or (a.ndim == 3 and a.shape[2] == 3)):
        raise ValueError(f"images: array {index} of shape {a.shape} is not (H, W), (1 or 3, H, W) or (H, W, 3)")
    low, high = _range(a)
    if low < 0:
        high = max(-low, high)
        low = -high
    scaled = np.clip((a - low) / ((high - low) or 1.0), 0, 1)
    return np.where(np.isnan(scaled), 0, scaled) if a.ndim == 3 else scaled


def _range(a: Array) -> tuple[float, float]:
    """The least and the largest entry that are finite: NaN and infinities do not blank a picture."""
    finite = a[np.isfinite(a)]
    return (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)


def _mosaic(
    tiles: Array,
    columns: int,
    *,
    limits: tuple[float, float],
    sides: tuple[str, str] | None = None,
    colours: str = "gray",
    key: bool = False,
) -> Picture:
    """Tiles (count, height, width) or (count, height, width, 3) as one image, framed."""
    zoom = max(1, min(_TILE, _BOARD // columns) // max(tiles.shape[1:3]))
    tiles = tiles.repeat(zoom, axis=1).repeat(zoom, axis=2)
    if tiles.ndim == 4:
        tiles = np.concatenate([tiles, np.ones_like(tiles[..., :1])], axis=3)  # opaque, unlike what lies between
    count, height, width = tiles.shape[:3]
    rows, line = -(-count // columns), max(1, max(height, width) // 12)
    nothing = 0.0 if tiles.ndim == 4 else np.nan
    board = np.full((rows * (height + line) - line, columns * (width + line) - line, *tiles.shape[3:]), nothing)
    frames = []
    for i, tile in enumerate(tiles):
        top, left = i // columns * (height + line), i % columns * (width + line)
        board[top : top + height, left : left + width] = tile
        up, down, west, east = top - 0.5, top + height - 0.5, left - 0.5, left + width - 0.5
        frames.append([(west, up), (east, up), (east, down), (west, down)])
    scale = min(_WIDEST, 0.6 * columns + 1) / board.shape[1]
    figure = new_figure(scale * board.shape[1], scale * board.shape[0])
    axes = figure.add_axes((0, 0, 1, 1))
    shown = axes.imshow(board, cmap=colours, vmin=limits[0], vmax=limits[1])
    add_outlines(axes, frames, _FRAME)
    _bare(axes, spines=())
    axes.set_xticks(())
    axes.set_yticks(())
    if sides is not None:
        axes.set_xlabel(f"{sides[0]} \u2192", color=_GREY, loc="left")
        axes.set_ylabel(f"\u2190 {sides[1]}", color=_GREY, loc="top")
    if key:
        step = 0.12 / figure.get_figwidth()
        bar = figure.colorbar(shown, cax=axes.inset_axes((1 + step, 0, step, 1)))
        bar.outline.set_visible(False)
        bar.ax.tick_params(length=0, labelsize=8, colors=_INK)
    return Picture(figure)


def _bare(axes: Any, spines: tuple[str, ...] = ("left", "bottom")) -> None:
    """Take from axes what does not carry information."""
    for side, spine in axes.spines.items():
        spine.set_visible(side in spines)
        spine.set_color(_FRAME)
    axes.tick_params(length=0, labelsize=8, colors=_INK)
