"""Shapes as paths for Matplotlib, texts by the outlines of their characters: much quicker than its own texts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .shapes import Block, Curve, Polygon, Shape, Text

if TYPE_CHECKING:
    from matplotlib.path import Path

_UNIT = 100  # the size of the outlines that are held
_NARROW = 0.9  # Matplotlib's font is wider than Helvetica, for which there is room
_KAPPA = 0.5523  # of Bezier curves that are nearly quarters of a circle
_CORNERS = np.array([(1, 1), (-1, 1), (-1, -1), (1, -1)], float)

Look = tuple["Path", str, str, float, str]  # with fill, line, the line's width and style


class Outlines:
    """The outlines of characters, each read from the font once: points, codes and the way to the next character."""

    def __init__(self) -> None:
        from matplotlib import font_manager, ft2font

        self._font = font_manager.get_font(font_manager.findfont(font_manager.FontProperties()))
        self._font.set_size(_UNIT, 72)
        self._flags: Any = ft2font.LoadFlags.NO_HINTING if hasattr(ft2font, "LoadFlags") else 2
        self._known: dict[str, tuple[Any, Any, float]] = {}

    def of(self, character: str) -> tuple[Any, Any, float]:
        """The outline of a character, of size `_UNIT`."""
        if character not in self._known:
            glyph = self._font.load_char(ord(character), flags=self._flags)
            points, codes = self._font.get_path()
            self._known[character] = np.reshape(points, (-1, 2)), codes, glyph.linearHoriAdvance / 65536
        return self._known[character]

    def text(self, text: Text) -> Path:
        """The outline of a text in its place."""
        from matplotlib.path import Path

        points, codes, along = [np.zeros((0, 2))], [np.zeros(0, np.uint8)], 0.0
        for character in text.content:
            outline, own, way = self.of(character)
            points.append(outline + (along, 0.0))
            codes.append(own)
            along += way
        scale = _NARROW * text.size / _UNIT
        x, y = text.at
        whole = np.concatenate(points) * (scale, -scale) + (x - scale * along / 2, y + 0.35 * text.size)
        return Path(whole, np.concatenate(codes))


def outlined(shape: Shape, outlines: Outlines) -> Look:
    """A shape as a path, with its looks."""
    from matplotlib.path import Path

    match shape:
        case Text():
            return outlines.text(shape), shape.colour, "none", 0.0, "-"
        case Block(_, _, _, fill, line, width):
            return _block(shape), fill, line, width, "-"
        case Curve(points, line, width, dashed):
            codes = [Path.MOVETO] + [Path.CURVE4] * (len(points) - 1)
            return Path(points, codes), "none", line, width, "--" if dashed else "-"
        case Polygon(points, fill):
            return Path([*points, points[0]], closed=True), fill, fill, 0.0, "-"
    raise TypeError(f"outlined: {shape!r} is not a shape")


def _block(block: Block) -> Path:
    """A rectangle with round corners, from corner to corner."""
    from matplotlib.path import Path

    half, radius = np.array(block.size) / 2, block.radius
    points = []
    for corner, (into, out) in zip(_CORNERS, (((0, 1), (1, 0)), ((1, 0), (0, 1))) * 2, strict=True):
        first, last = corner * (half - radius * np.array(into)), corner * (half - radius * np.array(out))
        bend = 1 - _KAPPA
        middle = corner * half
        points += [first, first + (middle - first) * (1 - bend), last + (middle - last) * (1 - bend), last]
    codes = [Path.LINETO, Path.CURVE4, Path.CURVE4, Path.CURVE4] * 4
    codes[0] = Path.MOVETO
    return Path(np.array([*points, points[0]]) + block.at, [*codes, Path.CLOSEPOLY])
