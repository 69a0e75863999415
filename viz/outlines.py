"""Shapes as paths for Matplotlib, all of one look as one path, and texts by the outlines of their characters: single
shapes, and Matplotlib's own texts, take milliseconds each."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .shapes import Block, Curve, Polygon, Shape, Text

if TYPE_CHECKING:
    from matplotlib.path import Path

_UNIT = 100  # the size of the outlines that are held
_NARROW = 0.9  # Matplotlib's font is wider than Helvetica, for which there is room
_KAPPA = 0.5523  # of Bezier curves that are nearly quarters of a circle
_MOVE, _LINE, _CURVE, _CLOSE = 1, 2, 4, 79  # Matplotlib's codes of what leads to a point
_ROUND = [_MOVE, *[_CURVE] * 3, *[_LINE, *[_CURVE] * 3] * 3, _CLOSE]

Outline = tuple[Any, Any]  # points, and codes of what leads to them


class Look(NamedTuple):
    """The colours of an area and of the line around it, and the line's width and style."""

    fill: str = "none"
    line: str = "none"
    width: float = 0.0
    style: str = "-"


class Outlines:
    """The outlines of characters and texts, each made once: points, codes and the way to the next character."""

    def __init__(self) -> None:
        from matplotlib import font_manager, ft2font

        self._font = font_manager.get_font(font_manager.findfont(font_manager.FontProperties()))
        self._font.set_size(_UNIT, 72)
        self._flags: Any = ft2font.LoadFlags.NO_HINTING if hasattr(ft2font, "LoadFlags") else 2
        self._known: dict[str, tuple[Any, Any, float]] = {}
        self._texts: dict[str, Outline] = {}

    def of(self, character: str) -> tuple[Any, Any, float]:
        """The outline of a character, of size `_UNIT`."""
        if character not in self._known:
            glyph = self._font.load_char(ord(character), flags=self._flags)
            points, codes = self._font.get_path()
            self._known[character] = np.reshape(points, (-1, 2)), codes, glyph.linearHoriAdvance / 65536
        return self._known[character]

    def text(self, text: Text) -> Outline:
        """The outline of a text in its place."""
        if text.content not in self._texts:
            points, codes, along = [np.zeros((0, 2))], [np.zeros(0, np.uint8)], 0.0
            for character in text.content:
                outline, own, way = self.of(character)
                points.append(outline + (along, 0.0))
                codes.append(own)
                along += way
            self._texts[text.content] = np.concatenate(points) - (along / 2, 0.0), np.concatenate(codes)
        points, codes = self._texts[text.content]
        scale = _NARROW * text.size / _UNIT
        return points * (scale, -scale) + (text.at[0], text.at[1] + 0.35 * text.size), codes


def outlined(shapes: Iterable[Shape]) -> list[tuple[Look, Path]]:
    """One path for all shapes of a look: rectangles are the first, and texts the last."""
    from matplotlib.path import Path

    outlines = Outlines()
    found: dict[tuple[int, Look], list[Outline]] = {}
    for shape in shapes:
        match shape:
            case Block(_, _, _, fill, line, width):
                found.setdefault((0, Look(fill, line, width)), []).append(_block(shape))
            case Curve(points, line, width, dashed):
                look = Look("none", line, width, "--" if dashed else "-")
                found.setdefault((1, look), []).append((points, [_MOVE, *[_CURVE] * (len(points) - 1)]))
            case Polygon(points, fill):
                codes = [_MOVE, *[_LINE] * (len(points) - 1), _CLOSE]
                found.setdefault((2, Look(fill)), []).append(([*points, points[0]], codes))
            case Text():
                found.setdefault((3, Look(shape.colour)), []).append(outlines.text(shape))
    paths = []
    for (_, look), alike in sorted(found.items(), key=lambda item: item[0][0]):
        whole, steps = (np.concatenate(part) for part in zip(*alike, strict=True))
        paths.append((look, Path(whole, steps)))
    return paths


def _block(block: Block) -> Outline:
    """A rectangle with round corners, from corner to corner."""
    (x, y), (width, height), radius = block.at, block.size, block.radius
    left, right, top, bottom = x - width / 2, x + width / 2, y - height / 2, y + height / 2
    bend = radius * (1 - _KAPPA)
    points = [
        *((left, top + radius), (left, top + bend), (left + bend, top), (left + radius, top)),
        *((right - radius, top), (right - bend, top), (right, top + bend), (right, top + radius)),
        *((right, bottom - radius), (right, bottom - bend), (right - bend, bottom), (right - radius, bottom)),
        *((left + radius, bottom), (left + bend, bottom), (left, bottom - bend), (left, bottom - radius)),
    ]
    return [*points, points[0]], _ROUND
