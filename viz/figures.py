"""Matplotlib figures without pyplot: no global state, no window, nothing to close."""

from __future__ import annotations

import html
import io
from base64 import b64encode
from collections.abc import Sequence
from os import PathLike
from typing import Any

from ..extend import Array

__all__ = ["Picture"]


DPI = 144
WIDEST = 8.0  # inches
BLUE, ORANGE, RED = "#2f6bc0", "#c06a00", "#e0142b"
INK, GREY, FRAME, RULE = "#2b3038", "#5f6873", "#b6bdc7", "#e3e6ea"
SIGNED = ("#0b3c8c", "#808080", "#ffd84d")  # of least, zero and largest: told apart in print and by the colour-blind
SLANTED = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"}


def new_figure(width: float, height: float) -> Any:
    """Make an empty figure of this size in inches; ImportError where Matplotlib is missing."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError("this picture needs Matplotlib: pip install pullback[viz]") from error
    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    return figure


def panels(count: int, columns: int, width: float, height: float) -> tuple[Any, list[Any]]:
    """Make a figure of `count` bare axes of this size in inches, in rows of at most `columns`."""
    columns = min(count, columns)
    rows = -(-count // columns)
    figure = new_figure(width * columns, height * rows)
    axes = [figure.add_subplot(rows, columns, i + 1) for i in range(count)]
    for own in axes:
        bare(own)
    return figure, axes


def bare(axes: Any, spines: Sequence[str] = ("left", "bottom")) -> None:
    """Take from axes what does not carry information."""
    for side, spine in axes.spines.items():
        spine.set_visible(side in spines)
        spine.set_color(FRAME)
    axes.tick_params(length=0, labelsize=8, colors=INK)
    axes.set_axisbelow(True)


def add_title(axes: Any, text: str) -> None:
    """Write a title above the left end of axes, letter by letter (a $ is a $)."""
    axes.set_title(text, fontsize=11, color=INK, loc="left", parse_math=False)


def add_outlines(axes: Any, polygons: list[list[tuple[float, float]]], colour: str) -> None:
    """Draw thin lines around polygons."""
    from matplotlib.collections import PolyCollection

    axes.add_collection(PolyCollection(polygons, facecolors="none", edgecolors=colour, linewidths=0.5))


def signed_colours() -> Any:
    """Return the colours of numbers with a sign: blue, mid-gray at zero, yellow."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("signed", SIGNED)


def add_bar(figure: Any, colours: Any, **place: Any) -> None:
    """Draw what colours mean, in axes of its own (`cax`) or in a part of others (`ax`)."""
    bar = figure.colorbar(colours, **place)
    bar.outline.set_visible(False)
    bar.minorticks_off()
    bar.ax.yaxis.label.set_color(GREY)
    bar.ax.tick_params(which="both", length=0, labelsize=8, colors=INK)


def mapped(limits: tuple[float, float], colours: Any) -> Any:
    """Return colours from one limit to another, for a bar."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    return ScalarMappable(Normalize(*limits), colours)


def redden(axes: Any, bad: Array, **place: Any) -> None:
    """Lay red over the pixels of an image that are no numbers to be drawn."""
    if bad.any():
        from matplotlib.colors import to_rgba

        axes.imshow(bad[..., None] * to_rgba(RED), interpolation="nearest", **place)


def inked(background: tuple[float, float, float]) -> str:
    """Black or white, whichever is read more easily on an sRGB colour: a contrast of 4.5 at least (WCAG 2.2)."""
    return "white" if luminance(background) < 0.179 else "black"


def luminance(colour: tuple[float, float, float]) -> float:
    """Relative luminance of an sRGB colour, as WCAG 2.2 defines it."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def unfinished(bad: int) -> list[str]:
    """Say how many numbers are not finite, if there are any."""
    return [f"{bad:,} {'value is' if bad == 1 else 'values are'} NaN or infinite (red)."] if bad else []


class Picture:
    """A drawn Matplotlib figure and a caption; notebooks and reports show both.

    `figure` may be changed further before it is saved. `caption` says what is seen, how it is scaled, and how many
    numbers are not finite; it is the alternative text, too.
    """

    def __init__(self, figure: Any, caption: str = "") -> None:
        self.figure, self.caption = figure, caption

    def __repr__(self) -> str:
        width, height = self.figure.get_size_inches()
        return f"<Picture of {width:.3g} x {height:.3g} inches: save(path) writes it, notebooks show it>"

    def save(self, path: str | PathLike[str], dpi: float = DPI) -> None:
        """Write the picture in the format that the path's suffix names (.png, .svg, .pdf, ...)."""
        self.figure.savefig(path, dpi=dpi, bbox_inches="tight")

    def png(self, dpi: float = DPI) -> bytes:
        """Return the picture as the contents of a PNG file."""
        file = io.BytesIO()
        self.figure.savefig(file, format="png", dpi=dpi, bbox_inches="tight")
        return file.getvalue()

    def _repr_png_(self) -> bytes:
        return self.png()

    def _repr_html_(self) -> str:
        return captioned(image(self.png(), self.caption), self.caption)


def image(png: bytes, alternative: str) -> str:
    """Write a PNG file as an HTML element, which narrow windows do not shrink beyond reading."""
    width = round(int.from_bytes(png[16:20]) * 96 / DPI)
    style = f"min-width: {min(width, 480)}px; background: white"
    data = b64encode(png).decode()
    return f'<img alt="{html.escape(alternative)}" width="{width}" style="{style}" src="data:image/png;base64,{data}">'


def captioned(element: str, caption: str) -> str:
    """Write an HTML figure, whose element is moved sideways where it is too wide."""
    below = f"<figcaption>{html.escape(caption)}</figcaption>" if caption else ""
    return f'<figure><div tabindex="0" style="overflow-x: auto">{element}</div>{below}</figure>'
