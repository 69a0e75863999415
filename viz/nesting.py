"""A layout (layout.py) of boxes in clusters: the inside of each is laid out, and then a box in what is around it.

A link from inside to outside goes through a gate in the cluster's border, one gate for all links of the same box.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from .layout import Arrangement, Point, arrange

_NEAR = 1e-6
_SHORT = 12.0  # the distance of gates from what is inside, where that is all that is between
OUTSIDE = -1  # the number of what is around everything
Item = tuple[str, int]  # ("box" or "cluster", number), ("in" or "out", box that the links through a gate come from)


class Hop(NamedTuple):
    """A part of links of the box `lane`, from one item to another in the cluster `home`; the last one of one `link`."""

    home: int
    tail: Item
    head: Item
    lane: int
    link: int = -1


class Margins(NamedTuple):
    """What a cluster needs before and behind its inside, how long it is at least, and how broad a part of its front
    has to be free of links."""

    before: Point = (0.0, 0.0)
    behind: Point = (0.0, 0.0)
    length: float = 0.0
    free: float = 0.0


class Frame(NamedTuple):
    """The middle and size of a cluster, and the middle of the broadest part of its front where no link comes in."""

    middle: Point
    size: Point
    free: float


class Nested(NamedTuple):
    """An arrangement, the parts of links that others share (with the number of a link), and the frames of clusters."""

    boxes: Arrangement
    stems: list[tuple[int, list[Point]]]
    frames: dict[int, Frame]


class Inside(NamedTuple):
    """What is in a cluster, laid out; `shift` is the way from its corner to the corner of the arrangement.

    A layer of nothing but gates is less far away than others: links begin and end within the `bounds`.
    """

    items: dict[Item, int]
    hops: dict[Hop, int]
    arrangement: Arrangement
    shift: Point
    size: Point
    bounds: Point
    free: float

    def middle(self, item: Item) -> Point:
        """The middle of an item, from the cluster's corner."""
        along, across = self.arrangement.centres[self.items[item]]
        return along + self.shift[0], across + self.shift[1]

    def route(self, hop: Hop) -> list[Point]:
        """The way of a part of links, from the cluster's corner."""
        low, high = self.bounds
        part = self.arrangement.routes[self.hops[hop]]
        return [(min(max(along, low), high) + self.shift[0], across + self.shift[1]) for along, across in part]


def arrange_nested(
    sizes: Sequence[Point],
    links: Sequence[tuple[int, int]],
    gap: Point,
    homes: Sequence[int],
    parents: Sequence[int],
    room: Callable[[int], Margins],
) -> Nested:
    """Lay out boxes as `arrange` does, those of a cluster together.

    `homes` has the number of each box's cluster (-1: none), `parents` that of the cluster around each; `room` gives the
    margins of a cluster. ValueError where clusters would have to be before one another.
    """
    around = [list(_around(home, parents)) for home in homes]
    hops = [list(_hops(i, tail, head, around)) for i, (tail, head) in enumerate(links)]
    inside: dict[int, Inside] = {}
    contents: dict[int, list[Item]] = {}
    for box, home in enumerate(homes):
        contents.setdefault(home, []).append(("box", box))
    used = dict.fromkeys(cluster for own in around for cluster in own)
    for cluster in used:
        if cluster != OUTSIDE:
            contents.setdefault(parents[cluster], []).append(("cluster", cluster))
    of_home: dict[int, dict[Hop, int]] = {}
    for hop in (hop for own in hops for hop in own):
        mine = of_home.setdefault(hop.home, {})
        mine.setdefault(hop, len(mine))
    depth = {cluster: len(list(_around(cluster, parents))) for cluster in used}
    for cluster in sorted(used, key=depth.__getitem__, reverse=True):
        margins = room(cluster) if cluster != OUTSIDE else Margins()
        inside[cluster] = _inside(contents[cluster], of_home.get(cluster, {}), sizes, gap, inside, margins)
    return _flat(len(sizes), links, hops, parents, inside)


def _around(cluster: int, parents: Sequence[int]) -> Iterator[int]:
    """A cluster and those around it, up to the outside."""
    while cluster != OUTSIDE:
        yield cluster
        cluster = parents[cluster]
    yield OUTSIDE


def _hops(i: int, tail: int, head: int, around: Sequence[list[int]]) -> Iterator[Hop]:
    """The parts of the link number i, in order."""
    up, down = around[tail], around[head]
    shared = next(cluster for cluster in up if cluster in down)
    item: Item = ("box", tail)
    for cluster in up[: up.index(shared)]:
        yield Hop(cluster, item, ("out", tail), tail)
        item = ("cluster", cluster)
    homes = down[: down.index(shared) + 1][::-1]
    for home, inner in zip(homes, homes[1:], strict=False):
        yield Hop(home, item, ("cluster", inner), tail)
        item = ("in", tail)
    yield Hop(homes[-1], item, ("box", head), tail, i)


def _inside(
    contents: list[Item],
    hops: dict[Hop, int],
    sizes: Sequence[Point],
    gap: Point,
    inside: dict[int, Inside],
    margins: Margins,
) -> Inside:
    """Lay out what is directly in a cluster, of which the inner ones are laid out."""
    ends = [item for hop in hops for item in (hop.tail, hop.head) if item[0] in ("in", "out")]
    items = {item: i for i, item in enumerate(dict.fromkeys([*contents, *ends]))}
    extents = [
        sizes[number] if kind == "box" else inside[number].size if kind == "cluster" else (0.0, 4.0)
        for kind, number in items
    ]
    links = [(items[hop.tail], items[hop.head]) for hop in hops]
    exits, entries = {}, {}
    for i, hop in enumerate(hops):
        if hop.tail[0] == "cluster":
            exits[i] = _gate(inside[hop.tail[1]], ("out", hop.lane))
        if hop.head[0] == "cluster":
            entries[i] = _gate(inside[hop.head[1]], ("in", hop.lane))
        elif hop.head[0] == "out":
            entries[i] = 0.0
    gates = [i for item, i in items.items() if item[0] == "in"]
    arrangement = arrange(extents, links, gap, [hop.lane for hop in hops], exits, entries, gates)
    extent, spare = arrangement.extent, gap[0] - _SHORT
    solid = [(along, extents[i][0]) for i, (along, _) in enumerate(arrangement.centres) if extents[i][0]]
    low = spare if min(along - length / 2 for along, length in solid) > spare else 0.0
    high = extent[0] - (spare if max(along + length / 2 for along, length in solid) < extent[0] - spare else 0.0)
    before, behind, length, free = margins
    across = before[1] + extent[1] + behind[1]
    ways = sorted(before[1] + arrangement.centres[i][1] for i in gates)
    parts = list(pairwise([0.0, *ways, across]))
    start, end = max(parts, key=lambda part: part[1] - part[0])
    if end - start < free:  # room beside the last link, or the first
        start, end = min((parts[-1], parts[0]), key=lambda part: part[0] - part[1])
    more = max(0.0, free - (end - start))
    aside = more if start == 0.0 and parts[1:] else 0.0
    shift = before[0] - low, before[1] + aside
    size = max(before[0] + high - low + behind[0], length), across + more
    return Inside(items, hops, arrangement, shift, size, (low, high), (start + end + more) / 2)


def _gate(inside: Inside, gate: Item) -> float:
    """How far a gate is from the middle of the cluster's side."""
    return inside.middle(gate)[1] - inside.size[1] / 2


def _flat(
    count: int,
    links: Sequence[tuple[int, int]],
    hops: list[list[Hop]],
    parents: Sequence[int],
    inside: dict[int, Inside],
) -> Nested:
    """Put what is laid out in clusters where these are."""
    corners: dict[int, Point] = {OUTSIDE: (0.0, 0.0)}
    frames: dict[int, Frame] = {}
    for cluster in reversed(inside):  # outermost first
        if cluster != OUTSIDE:
            middle = _plus(corners[parents[cluster]], inside[parents[cluster]].middle(("cluster", cluster)))
            size = inside[cluster].size
            corners[cluster] = corner = middle[0] - size[0] / 2, middle[1] - size[1] / 2
            frames[cluster] = Frame(middle, size, corner[1] + inside[cluster].free)
    centres: list[Point] = [(0.0, 0.0)] * count
    for cluster, laid in inside.items():
        for kind, number in laid.items:
            if kind == "box":
                centres[number] = _plus(corners[cluster], laid.middle((kind, number)))
    routes: list[list[Point]] = []
    stems: list[tuple[int, list[Point]]] = []
    drawn: set[Hop] = set()
    for i in range(len(links)):
        route: list[Point] = []
        for hop in hops[i]:
            if hop in drawn:
                continue
            drawn.add(hop)
            part = [_plus(corners[hop.home], point) for point in inside[hop.home].route(hop)]
            if route and (abs(route[-1][1] - part[0][1]) > _NEAR or route[-1][0] > part[0][0] + _NEAR):
                stems.append((i, route))
                route = []
            route += part
        routes.append(route)
    return Nested(Arrangement(centres, routes, inside[OUTSIDE].size), stems, frames)


def _plus(a: Point, b: Point) -> Point:
    return a[0] + b[0], a[1] + b[1]
