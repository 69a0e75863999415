"""Matplotlib figures without pyplot: no global state, no window, nothing to close."""

from __future__ import annotations

import io
from os import PathLike
from typing import Any

__all__ = ["Picture"]


DPI = 144


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


def add_outlines(axes: Any, polygons: list[list[tuple[float, float]]], colour: str) -> None:
    """Draw thin lines around polygons."""
    from matplotlib.collections import PolyCollection

    axes.add_collection(PolyCollection(polygons, facecolors="none", edgecolors=colour, linewidths=0.5))


class Picture:
    """A drawn Matplotlib figure; notebooks show it by themselves.

    `figure` may be changed further before it is saved.
    """

    def __init__(self, figure: Any) -> None:
        self.figure = figure

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
