"""A layered layout for directed acyclic graphs, for machines without Graphviz.

Boxes stand in layers by their longest path to a sink, in an order with few crossings, each as near as
possible to the middle of its neighbours (Sugiyama, Tagawa and Toda 1981). All points are pairs
`(along, across)` the direction in which the links run.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Collection, Hashable, Mapping, Sequence
from itertools import accumulate, pairwise
from operator import gt, sub
from types import MappingProxyType
from typing import NamedTuple

Point = tuple[float, float]

NOWHERE: Mapping[int, float] = MappingProxyType({})
PORTS = 0.6  # the part of a box's side that links arrive at
_SWEEPS = 12
_STILL = 0.05  # how far spots move at most where more sweeps are of no use
_PASSAGE = 4.0  # the breadth of links on their way through a layer


class Arrangement(NamedTuple):
    """Centres of the boxes, the points through which each link goes, and the extent of it all."""

    centres: list[Point]
    routes: list[list[Point]]
    extent: Point


def arrange(
    sizes: Sequence[Point],
    links: Sequence[tuple[int, int]],
    gap: Point,
    lanes: Sequence[Hashable] = (),
    exits: Mapping[int, float] = NOWHERE,
    entries: Mapping[int, float] = NOWHERE,
    first: Collection[int] = (),
) -> Arrangement:
    """Lay out boxes of these sizes so that every link `(tail, head)` runs forward; `gap` is the least distance.

    A route is straight through each layer, and bends on the way from one to the next. Links of the same lane, those of
    the same box unless `lanes` says otherwise, share their way: the one that goes farthest has it, the others begin
    where they leave it. A link leaves in the middle of a side, and arrives in a place of its own, or where `exits` and
    `entries` have it by its number, as a distance from the middle. The boxes `first` stand in the first layer.

    >>> arrange([(10, 10), (10, 10)], [(0, 1)], (20, 5)).routes
    [[(10.0, 5.0), (10, 5.0), (30, 5.0), (30.0, 5.0)]]
    """
    ranks = ranked(len(sizes), links)
    foremost = max(ranks)
    ranks = [foremost if box in first else rank for box, rank in enumerate(ranks)]
    spots = _spots(ranks, links, lanes or [tail for tail, _ in links])
    layers = _order(spots)
    across = _place(layers, spots, [across for _, across in sizes], gap[1])
    near: dict[int, float] = {}  # where each layer begins and ends
    far: dict[int, float] = {}
    end = -gap[0]
    for rank in reversed(range(len(layers))):
        near[rank] = end + gap[0]
        boxes = (sizes[box][0] for box in layers[rank] if box < len(sizes))
        end = far[rank] = near[rank] + max(boxes, default=0.0)
    centres = [((near[rank] + far[rank]) / 2, across[box]) for box, rank in enumerate(ranks)]

    arrivals: dict[int, list[int]] = {}
    for i in sorted(range(len(links)), key=lambda i: across[spots.last[i]]):
        if i not in entries:
            arrivals.setdefault(links[i][1], []).append(i)
    ports = {i: PORTS * ((k + 0.5) / len(own) - 0.5) for own in arrivals.values() for k, i in enumerate(own)}
    drawn: set[int] = set()
    routes: list[list[Point]] = [[]] * len(links)
    for i in sorted(range(len(links)), key=lambda i: ranks[links[i][1]]):  # those that go farthest first
        (tail, head), lane = links[i], spots.passed(i)
        port = centres[head][1] + (entries[i] if i in entries else ports[i] * sizes[head][1])
        route = [(near[ranks[head]], port), (centres[head][0] - sizes[head][0] / 2, port)]
        before = spots.last[i]
        leaves = centres[tail][1] + exits.get(i, 0.0)
        routes[i] = [(far[spots.ranks[before]], leaves if before == tail else across[before]), *route]
        if spots.ways[i] not in drawn:
            drawn.add(spots.ways[i])
            way = [(end[spots.ranks[spot]], across[spot]) for spot in lane for end in (near, far)]
            start = [(centres[tail][0] + sizes[tail][0] / 2, leaves), (far[ranks[tail]], leaves)]
            routes[i] = [*start, *way, *route]
    breadths = [*(across for _, across in sizes), *[_PASSAGE] * (len(across) - len(sizes))]
    extent = max(x + breadth / 2 for x, breadth in zip(across, breadths, strict=True))
    return Arrangement(centres, routes, (end, extent))


class Spots(NamedTuple):
    """What stands in layers: boxes, and, with the numbers after theirs, links on their way through a layer.

    All by number: the `ranks`, the neighbours `before` and `after` each, and of each link its way (links of one way
    share it) and the `last` spot before its head. The spots of a way have neighbouring numbers, from its `starts` on.
    """

    ranks: list[int]
    before: list[list[int]]
    after: list[list[int]]
    ways: list[int]
    starts: list[int]
    last: list[int]

    def passed(self, link: int) -> range:
        """The spots between the two boxes of a link."""
        start, last = self.starts[self.ways[link]], self.last[link]
        return range(start, last + 1) if last >= start else range(0)


def _spots(ranks: Sequence[int], links: Sequence[tuple[int, int]], lanes: Sequence[Hashable]) -> Spots:
    """Boxes of these ranks, and the way of each lane: as far as the farthest of its links goes."""
    numbers: dict[Hashable, int] = {}
    ways = [numbers.setdefault((tail, lane), len(numbers)) for (tail, _), lane in zip(links, lanes, strict=True)]
    farthest: dict[int, tuple[int, int]] = {}  # the tail of each way, and the least rank of a head
    for way, (tail, head) in zip(ways, links, strict=True):
        farthest[way] = tail, min(ranks[head], farthest.get(way, (tail, ranks[head]))[1])
    level, starts, pairs = list(ranks), [], {}
    for way in range(len(numbers)):
        tail, end = farthest[way]
        starts.append(len(level))
        passed = range(len(level), len(level) + ranks[tail] - end - 1)
        level += range(ranks[tail] - 1, end, -1)
        pairs.update(dict.fromkeys(pairwise([tail, *passed])))
    last = []
    for way, (tail, head) in zip(ways, links, strict=True):
        span = ranks[tail] - ranks[head]
        last.append(tail if span == 1 else starts[way] + span - 2)
        pairs[last[-1], head] = None
    before: list[list[int]] = [[] for _ in level]
    after: list[list[int]] = [[] for _ in level]
    for spot, following in pairs:
        before[following].append(spot)
        after[spot].append(following)
    return Spots(level, before, after, ways, starts, last)


def ranked(count: int, links: Sequence[tuple[int, int]]) -> list[int]:
    """The longest path from each box to a sink, in links; ValueError for links that run in a circle."""
    inputs: list[list[int]] = [[] for _ in range(count)]
    waiting = [0] * count
    for tail, head in links:
        inputs[head].append(tail)
        waiting[tail] += 1
    ranks = [0] * count
    ready = [box for box in range(count) if not waiting[box]]
    while ready:
        head = ready.pop()
        for tail in inputs[head]:
            ranks[tail] = max(ranks[tail], ranks[head] + 1)
            waiting[tail] -= 1
            if not waiting[tail]:
                ready.append(tail)
    if any(waiting):
        raise ValueError("arrange: the links run in a circle")
    return ranks


def _order(spots: Spots) -> list[list[int]]:
    """The spots of each rank in an order with few crossings: the best of several sweeps of barycentres."""
    before, after, ranks = spots.before, spots.after, spots.ranks
    layers: list[list[int]] = [[] for _ in range(max(ranks) + 1)]
    seen = bytearray(len(ranks))
    stack = [box for box, rank in enumerate(ranks) if not rank]
    while stack:  # depth first from the sinks: a tree comes out without crossings
        spot = stack.pop()
        if not seen[spot]:
            seen[spot] = True
            layers[ranks[spot]].append(spot)
            stack += before[spot][::-1]
    index = [0] * len(ranks)
    for layer in layers:
        for i, spot in enumerate(layer):
            index[spot] = i
    best, fewest = layers, _crossings(layers, before, index)
    last: list[list[int]] = []
    for sweep in range(_SWEEPS):
        if not fewest or layers == last:  # again what it was two sweeps before
            break
        ahead, direction = (before, -1) if sweep % 2 else (after, 1)
        last = layers if sweep % 2 else last
        layers = list(layers)
        for rank in range(len(layers))[::direction]:
            layer = layers[rank]
            if len(layer) > 1:
                means = [_mean(ahead[spot], index, i) for i, spot in enumerate(layer)]
                if any(map(gt, means, means[1:])):
                    layers[rank] = layer = [layer[i] for i in sorted(range(len(means)), key=means.__getitem__)]
            for i, spot in enumerate(layer):
                index[spot] = i
        crossings = _crossings(layers, before, index)
        if crossings < fewest:
            best, fewest = layers, crossings
    return best


def _mean(spots: Sequence[int], places: Sequence[float], default: float) -> float:
    """The mean of some spots' places."""
    if len(spots) == 1:
        return places[spots[0]]
    return sum([places[spot] for spot in spots]) / len(spots) if spots else default


def _crossings(layers: Sequence[Sequence[int]], before: Sequence[Sequence[int]], index: Sequence[int]) -> int:
    """How many pairs of links cross, where `index` is the place of each spot in its layer."""
    total = 0
    for heads in layers:
        places = [i for head in heads for i in sorted([index[spot] for spot in before[head]])]
        if any(map(gt, places, places[1:])):
            passed: list[int] = []
            for count, i in enumerate(places):
                total += count - bisect_right(passed, i)
                insort(passed, i)
    return total


def _place(layers: Sequence[Sequence[int]], spots: Spots, boxes: Sequence[float], gap: float) -> list[float]:
    """Where each spot is across the links, from 0: in turns near to its inputs and near to its consumers.

    Sources follow their consumers, and do not pull them aside where there are other inputs: or else a long chain with
    a parameter at each step, on the same side, would run across.
    """
    before, after = spots.before, spots.after
    breadths = [*boxes, *[_PASSAGE] * (len(before) - len(boxes))]
    pulling = [[spot for spot in inputs if before[spot]] or inputs for inputs in before]
    offsets = []  # of the spots of each layer, as near to one another as can be
    for layer in layers:
        steps = [(breadths[a] + breadths[b]) / 2 + gap for a, b in pairwise(layer)]
        offsets.append(list(accumulate(steps, initial=0.0)))
    across = [0.0] * len(before)

    def move(rank: int, ahead: Sequence[Sequence[int]]) -> None:
        layer = layers[rank]
        wishes = [_mean(ahead[spot], across, across[spot]) for spot in layer]
        for spot, place in zip(layer, _spaced(wishes, offsets[rank]), strict=True):
            across[spot] = place

    last = across
    for sweep in range(_SWEEPS):
        ahead, direction = (pulling, -1) if sweep % 2 else (after, 1)
        for rank in range(len(layers))[::direction]:
            move(rank, ahead)
        if sweep % 2:
            if all(abs(a - b) < _STILL for a, b in zip(across, last, strict=True)):
                break
            last = list(across)
    sources = [[] if inputs else after[spot] for spot, inputs in enumerate(before)]
    for rank, layer in enumerate(layers):
        if any(sources[spot] for spot in layer):
            move(rank, sources)
    least = min(x - breadth / 2 for x, breadth in zip(across, breadths, strict=True))
    return [x - least for x in across]


def _spaced(wishes: Sequence[float], offsets: Sequence[float]) -> Sequence[float]:
    """The places nearest to the wishes (least squares) whose distances are not less than those of the offsets: pooled
    adjacent violators."""
    free = [*map(sub, wishes, offsets)]
    if not any(map(gt, free, free[1:])):
        return wishes
    pools: list[tuple[float, int]] = []  # (mean, count)
    for wish in free:
        mean, count = wish, 1
        while pools and pools[-1][0] > mean:
            other, n = pools.pop()
            mean, count = (other * n + mean * count) / (n + count), n + count
        pools.append((mean, count))
    means = [mean for mean, count in pools for _ in range(count)]
    return [mean + offset for mean, offset in zip(means, offsets, strict=True)]
