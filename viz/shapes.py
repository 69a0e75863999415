"""What a picture is drawn of: texts, rectangles, curves and polygons."""

from __future__ import annotations

from typing import NamedTuple

from .layout import Point


class Text(NamedTuple):
    """A line of text around a point."""

    at: Point
    content: str
    size: float
    colour: str


class Block(NamedTuple):
    """A rectangle with round corners around a point."""

    at: Point
    size: Point
    radius: float
    fill: str
    line: str
    width: float = 1.0


class Curve(NamedTuple):
    """A line of cubic Bezier curves: its start, then three points (two of them controls) for each."""

    points: list[Point]
    line: str
    width: float = 1.0
    dashed: bool = False


class Polygon(NamedTuple):
    """A filled polygon."""

    points: list[Point]
    fill: str


Shape = Text | Block | Curve | Polygon
