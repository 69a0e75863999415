"""Drawings without Graphviz: laid out here, as shapes that are written as SVG or through Matplotlib."""

from __future__ import annotations

import html
import io
import math
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import groupby, pairwise
from operator import itemgetter
from typing import NamedTuple

from .drawing import BACKWARD, FONT, GREY, ROUND, SIZE, Box, Drawing, Legend, Link, paint, resolution
from .figures import new_figure
from .layout import PORTS, Point
from .nesting import Margins, arrange_nested
from .outlines import outlined
from .shapes import Block, Curve, Polygon, Shape, Text

_LINE = 19.0  # the height of a cell; all lengths are in points
_PADDING = 9.0
_MARGIN = 10.0
_ARROW = 7.0
_FRAME = 8.0  # the least distance of a cluster's frame from what is in it
_SMALL = SIZE - 2
_APART = 2.5  # of the two ways of a link, from the middle
_FAINT = "#b4bac4"
LAID_OUT = "laid out by Pullback"


class Scene(NamedTuple):
    """Groups of shapes (each an edge, a node or the caption of the graph) on a page."""

    size: Point
    groups: list[tuple[str, list[Shape]]]


def scene(drawing: Drawing) -> Scene:
    """Lay out a drawing as shapes on a page."""
    rightward = drawing.rightward

    def turn(p: Point) -> Point:
        """From along and across to right and down, or back."""
        return p if rightward else (p[1], p[0])

    def at(p: Point) -> Point:
        x, y = turn(p)
        return x + _MARGIN, y + _MARGIN

    room = max((_width(link.label) for link in drawing.links if link.label), default=0.0)
    labelled = Counter(link.head for link in drawing.links if link.label)
    arriving = Counter(link.head for link in drawing.links)
    sizes = []
    for i, box in enumerate(drawing.boxes):
        width, height = _extent(box, rightward)
        breadth = (room + 8) * arriving[i] / PORTS if labelled[i] else 0.0
        sizes.append((width, height) if rightward else (height, max(width, breadth)))
    gap = 2 * room + 28 if rightward else 30.0

    def margins(cluster: int) -> Margins:
        """What a frame needs around its inside: room for its title, above, and where no link comes in."""
        title = _width(drawing.clusters[cluster].label) * _SMALL / SIZE + 2 * _PADDING
        if rightward:
            return Margins((_FRAME, _FRAME + _LINE), (_FRAME, _FRAME), length=title)
        return Margins((_FRAME + _LINE, _FRAME), (_FRAME, _FRAME), free=title)

    ends = [(link.tail, link.head) for link in drawing.links]
    homes, parents = [box.cluster for box in drawing.boxes], [cluster.parent for cluster in drawing.clusters]
    try:
        nested = arrange_nested(sizes, ends, (gap, 14.0), homes, parents, margins)
    except ValueError:  # of clusters that would be before one another there are no frames
        nested = arrange_nested(sizes, ends, (gap, 14.0), [-1] * len(homes), (), margins)
    (centres, routes, extent), stems, frames = nested
    width, height = at(extent)
    groups: list[tuple[str, list[Shape]]] = []
    for number, frame in frames.items():
        (x, y), (w, h) = at(frame.middle), turn(frame.size)
        spot = x if rightward else at((0.0, frame.free))[0]
        title = Text((spot, y - h / 2 + 0.55 * _LINE), drawing.clusters[number].label, _SMALL, GREY)
        groups.append(("cluster", [Block((x, y), (w, h), 6.0, "none", _FAINT), title]))
    feet = [middle + size[0] / 2 for (middle, _), size in zip(centres, sizes, strict=True)]
    for number, stem in stems:
        link = drawing.links[number]
        groups.append(("stem", [*_strands(link, stem, feet[link.tail], False, rightward)]))
    for link, route in zip(drawing.links, routes, strict=True):
        edge: list[Shape] = [*_strands(link, route, feet[link.tail], True, rightward)]
        if link.label:
            beside = _beside(link, route, at, labelled[link.head] == 1, centres[link.head][1], rightward)
            edge.append(Text(beside, link.label, _SMALL, GREY))
        groups.append(("edge", edge))
    for box, p, size in zip(drawing.boxes, centres, sizes, strict=True):
        groups.append(("node", list(_box(box, at(p), turn(size), rightward))))
    below, (width, height) = _below(drawing, width, height)
    groups.append(("caption", below))
    return Scene((width + _MARGIN, height + _MARGIN), groups)


def _below(drawing: Drawing, width: float, height: float) -> tuple[list[Shape], Point]:
    """The legend and the caption below a drawing of some size, and the size of all."""
    legend, extent = _legend(drawing.legend, height + _FRAME)
    width, height = max(width, extent[0]), extent[1]
    for text, points in [*((line, SIZE) for line in drawing.caption.split("\n") if line), (LAID_OUT, _SMALL)]:
        width, height = max(width, _width(text) * points / SIZE + _MARGIN), height + _LINE
        legend.append(Text((0.0, height - _LINE / 2), text, points, GREY))
    return [shape._replace(at=(width / 2 + shape.at[0], shape.at[1])) for shape in legend], (width, height)


def _turned(route: list[Point], rightward: bool) -> list[Point]:
    """A route from along and across to its place on the page."""
    if rightward:
        return [(x + _MARGIN, y + _MARGIN) for x, y in route]
    return [(y + _MARGIN, x + _MARGIN) for x, y in route]


def _strands(link: Link, route: list[Point], foot: float, whole: bool, rightward: bool) -> Iterator[Curve | Polygon]:
    """A link on its route, there and, where it leads both ways, back beside it; `foot` is where its box ends.

    One that is not `whole` has no end, and what begins where it leaves another has no tip there.
    """
    colour = link.colour or (BACKWARD if link.kind == "backward" else GREY)
    ways = [(0.0, colour, False)] if link.kind != "both" else [(-_APART, colour, False), (_APART, BACKWARD, True)]
    for aside, colour, back in ways:
        points = [(x, y + aside) for x, y in route] if aside else list(route)
        place, into = (0, 1) if back else (-1, -1)
        end, base = points[place], points[place][0] + into * _ARROW
        pointed = abs(end[0] - foot) < 1 if back else whole
        if pointed:
            points[place] = base, end[1]
        dashed = back or link.kind == "backward"
        yield Curve(_turned(_bent(points), rightward), colour, 2.0 if link.colour and not back else 1.0, dashed)
        if pointed:
            yield Polygon(_turned([end, (base, end[1] - 3), (base, end[1] + 3)], rightward), colour)


def _beside(
    link: Link, route: list[Point], at: Callable[[Point], Point], alone: bool, head: float, rightward: bool
) -> Point:
    """Where a link's label stands: at its tip, on the side from which no link comes."""
    end = route[-1]
    (x, y), half = at((end[0] - _ARROW, end[1])), _width(link.label) / 2
    if rightward:
        above = route[-3][1] > end[1] - 1 if alone else end[1] <= head
        return x - half - 2, y - 8 if above else y + 8
    side = -1 if alone and route[-3][1] > end[1] + 1 else 1
    return x + side * (half + 5), y


def _legend(legend: Legend, top: float) -> tuple[list[Text | Block], Point]:
    """A legend from `top` on, around the middle at 0, and how wide it is and how far down it goes."""
    shapes: list[Text | Block] = []
    breadth = 0.0
    if legend.title:
        shapes.append(Text((0.0, top + _LINE / 2), legend.title, _SMALL, GREY))
        breadth, top = _width(legend.title) + _MARGIN, top + _LINE
    for row in legend.rows():
        sizes = [_extent(box, False) for box in row]
        whole = sum(width + _FRAME for width, _ in sizes) - _FRAME
        left = -whole / 2
        for box, (width, height) in zip(row, sizes, strict=True):
            look = paint(box)
            middle = left + width / 2, top + height / 2
            radius = 12.0 if box.kind in ROUND else 2.0
            shapes.append(Block(middle, (width, height), radius, look.fill, look.line, 2.0 if look.bold else 1.0))
            shapes.append(Text(middle, box.cells[0], SIZE, look.ink))
            left += width + _FRAME
        breadth, top = max(breadth, whole + 2 * _MARGIN), top + _LINE + 4 + _FRAME
    return shapes, (breadth, top)


def _bent(route: list[Point]) -> list[Point]:
    """A curve along a route, straight ahead at each of its points; what is straight is one piece."""
    (a, b), points = route[0], route[:1]
    for (c, d), (_, after) in pairwise([*route[1:], (0.0, math.nan)]):
        if b != d or after != d:
            points += [((a + c) / 2, b), ((a + c) / 2, d), (c, d)]
            a, b = c, d
    return points


class _Ems(dict[str, float]):
    """About how wide Helvetica sets characters, as parts of the size."""

    def __missing__(self, c: str) -> float:
        if unicodedata.east_asian_width(c) in "WF":
            width = 1.0
        else:
            width = 0.32 if c in " .,:;'|!()[]{}ijlftrI/\\" else 0.88 if c in "mwMW@%" else 0.72 if c.isupper() else 0.6
        return self.setdefault(c, width)


_EMS = _Ems()


def _width(text: str) -> float:
    """About how wide the text is."""
    return sum(map(_EMS.__getitem__, text)) * SIZE


def _extent(box: Box, rightward: bool) -> Point:
    widths = [_width(cell) + 2 * _PADDING for cell in box.cells]
    if rightward and box.kind not in ROUND:
        return max(sum(widths), 26.0), _LINE + 4
    return max(*widths, 26.0), _LINE * len(widths) + 4


def _box(box: Box, centre: Point, size: Point, rightward: bool) -> Iterator[Shape]:
    if box.kind == "more":
        yield Text(centre, " ".join(box.cells), SIZE, GREY)
        return
    look = paint(box)
    width, height = size
    round_ = box.kind in ROUND
    radius = min(height / 2, 12.0) if round_ else 2.0
    yield Block(centre, size, radius, look.fill, look.line, 2.0 if look.bold else 1.0)
    left, top = centre[0] - width / 2, centre[1] - height / 2
    if len(box.cells) == 1:
        yield Text(centre, box.cells[0], SIZE, look.ink)
    elif rightward and not round_:
        for i, cell in enumerate(box.cells):
            step = _width(cell) + 2 * _PADDING
            if i:
                yield Curve([(left, top), (left, top), (left, top + height), (left, top + height)], look.line)
            yield Text((left + step / 2, centre[1]), cell, SIZE, look.ink)
            left += step
    else:
        step = height / len(box.cells)
        for i, cell in enumerate(box.cells):
            if i and not round_:
                yield Curve([(left, top), (left, top), (left + width, top), (left + width, top)], look.line)
            yield Text((centre[0], top + step / 2), cell, SIZE, look.ink)
            top += step


def svg(scene: Scene) -> str:
    """Write a scene as an SVG document."""
    width, height = scene.size
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}pt" height="{height:.0f}pt" '
        f'viewBox="0 0 {width:.1f} {height:.1f}" font-family="{FONT}" text-anchor="middle">'
    ]
    for name, shapes in scene.groups:
        lines += [f'<g class="{name}">', *map(_element, shapes), "</g>"]
    return "\n".join([*lines, "</svg>", ""])


def _element(shape: Shape) -> str:
    match shape:
        case Text((x, y), content, size, colour):
            y += 0.35 * size
            return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size:g}" fill="{colour}">{html.escape(content)}</text>'
        case Block((x, y), (width, height), radius, fill, line, stroke):
            return (
                f'<rect x="{x - width / 2:.1f}" y="{y - height / 2:.1f}" width="{width:.1f}" height="{height:.1f}" '
                f'rx="{radius:g}" fill="{fill}" stroke="{line}"' + f' stroke-width="{stroke:g}"/>'
            )
        case Curve((start, *points), line, stroke, dashed):
            wide = f' stroke-width="{stroke:g}"' if stroke != 1 else ""
            wide += ' stroke-dasharray="5 3"' if dashed else ""
            return f'<path d="M{_listed([start])} C{_listed(points)}" fill="none" stroke="{line}"{wide}/>'
        case Polygon(points, fill):
            return f'<polygon points="{_listed(points)}" fill="{fill}"/>'
    raise TypeError(f"svg: {shape!r} is not a shape")


def _listed(points: list[Point]) -> str:
    return " ".join([f"{x:.1f},{y:.1f}" for x, y in points])


def by_matplotlib(scene: Scene, form: str) -> bytes:
    """Write a scene in any format that Matplotlib knows."""
    width, height = scene.size
    figure = new_figure(width / 72, height / 72)
    from matplotlib.patches import PathPatch

    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(height, 0))
    axes.axis("off")
    for _, layer in groupby(scene.groups, key=itemgetter(0)):
        for look, path in outlined(shape for _, shapes in layer for shape in shapes):
            axes.add_artist(PathPatch(path, fc=look.fill, ec=look.line, lw=look.width, ls=look.style))
    file = io.BytesIO()
    options = {"pil_kwargs": {"compress_level": 1}} if form == "png" else {}
    figure.savefig(file, format=form, dpi=resolution(width, height), transparent=True, **options)
    return file.getvalue()
